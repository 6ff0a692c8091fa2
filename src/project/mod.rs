//! A project on disk: finds its root, accepts its roster, opens scopes, commits in order.
//!
//! Promises: a `Project` exists only after its roster was accepted; every change is ordered
//! writes with one commit file, each of which is safe to stop after. Refuses: scopes of
//! environments that `kagi.json` does not list, boxes of another epoch that nobody took over, and
//! to write without the lock.

mod backup;
mod change;
mod commit;
mod found;
#[cfg(feature = "server")]
mod incoming;
mod merge;
#[cfg(feature = "server")]
mod receive;
mod requests;
mod rotation;
mod scoped;
mod scopes;
mod stale;
#[cfg(feature = "server")]
mod state;

pub use backup::{Backup, back_up, check};
pub use change::ConfigChange;
pub use commit::{Commit, is_shallow};
pub use found::{Founding, found};
#[cfg(feature = "server")]
pub use incoming::Incoming;
pub use merge::Merged;
#[cfg(feature = "server")]
pub use receive::{Choice, Received, Remark, differing, receive};
pub use scopes::Found;
pub use stale::TakenOver;
#[cfg(feature = "server")]
pub use state::{Blobs, Files, State, listed};

use crate::crypto::hash::{Digest, hash};
use crate::disk::{self, Lock};
use crate::error::{Error, Kind, Result};
use crate::format::config::{CONFIG_BYTES_MAX, Config};
use crate::format::key_text::Identity;
use crate::format::names::Epoch;
use crate::format::pin::Pin;
use crate::format::roster::{Member, ROSTER_BYTES_MAX, Roster};
use crate::format::scope_file::ScopeName;
use crate::keys::{self, Holder, Home};
use crate::secret::Key;
use crate::team::{self, Access, Known};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The directory of a project.
pub const DIRECTORY: &str = ".kagi";
const CONFIG_FILE: &str = "kagi.json";
const ROSTER_FILE: &str = "access.json";
/// The `kagi.json` that comes with a new roster, until it is in its place (PROTOCOL 12.10).
const NEXT_CONFIG_FILE: &str = "kagi.json.next";
/// `.kagi/secrets/<service>/` lies two below `.kagi/`.
const DEPTH: usize = 2;

/// How a project is opened.
pub struct Opening<'a> {
    /// Refuse a scope that is older than the one that this device has seen.
    pub is_strict: bool,
    /// False for `run`: nothing is written, but for a newer epoch that a pin has to learn.
    pub remembers: bool,
    /// Forget what the device knows of the project, if its roster can be accepted without that.
    pub forgets: bool,
    /// Asks a person whether this author may introduce the project.
    pub confirm: &'a dyn Fn(&Member) -> bool,
}

impl Opening<'static> {
    /// How a project is remembered that this device has made, or rotated, itself.
    const OWN: Self =
        Opening { is_strict: false, remembers: true, forgets: false, confirm: &|_| false };
}

/// A project whose roster was accepted.
pub struct Project {
    /// Where it is.
    pub site: Site,
    /// `kagi.json`.
    pub config: Config,
    /// `access.json`.
    pub roster: Roster,
    access: Access,
    config_hash: Digest,
    identity: Option<Identity>,
    /// Where the pin is kept; `None` if the identity comes from a variable.
    home: Option<Home>,
    pin: Pin,
    /// Sequence numbers of the scopes that were opened.
    seen: RefCell<BTreeMap<String, u64>>,
    /// Those of them whose files have no box of a newer epoch, which a write would have to keep.
    settled: RefCell<BTreeSet<ScopeName>>,
    /// True if this device has a home and has not opened the project in this checkout before.
    pub is_new_checkout: bool,
    /// True if `kagi.json` is the one before the roster's: a change was stopped, or undone.
    pub is_config_behind: bool,
    /// Why the pin could not be written, if so: the project opens all the same.
    pub unremembered: Option<Error>,
    is_strict: bool,
}

/// Where a project is, before anything of it is read.
#[derive(Clone)]
pub struct Site {
    /// The directory that holds `.kagi/`.
    pub root: PathBuf,
    /// The path from the working directory up to the root, as `../`s; or the commit and a colon.
    pub up: String,
    /// The working directory below the root, with `/`; empty at the root.
    pub below: String,
    source: Source,
}

/// Where the files of a project are read.
#[derive(Clone)]
enum Source {
    /// The working tree.
    Tree,
    /// A commit of the repository.
    Commit(Commit),
    /// A state in memory, which is not written yet.
    #[cfg(feature = "server")]
    State(State),
}

impl Site {
    /// The nearest directory, from the working directory upwards, that holds `.kagi/`.
    ///
    /// # Errors
    /// `NoProject`; `NotPlain` if `.kagi` is not a plain directory; `Read`.
    pub fn find() -> Result<Self> {
        let start = std::env::current_dir()
            .map_err(|cause| Error::new(Kind::Read, "the working directory").because(cause))?;
        let mut up = String::new();
        for root in start.ancestors() {
            let directory = root.join(DIRECTORY);
            if disk::is_directory(&directory) {
                let below = start.strip_prefix(root).unwrap_or(Path::new(""));
                let below =
                    below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
                return Ok(Site { up, below, ..Site::at(root) });
            }
            if disk::exists(&directory) {
                return Err(Error::new(Kind::NotPlain, directory.to_string_lossy()));
            }
            up.push_str("../");
        }
        Err(Error::new(Kind::NoProject, start.to_string_lossy()))
    }

    /// A project whose root is known, from the working directory.
    ///
    /// # Errors
    /// `NoProject`; `Read` without a working directory.
    pub fn of(root: &Path) -> Result<Self> {
        let here = std::env::current_dir()
            .map_err(|cause| Error::new(Kind::Read, "the working directory").because(cause))?;
        // As `find` gives it, for a device knows a checkout by its path.
        let root: PathBuf = here.join(root).components().collect();
        if !disk::is_directory(&root.join(DIRECTORY)) {
            return Err(Error::new(Kind::NoProject, root.to_string_lossy()));
        }
        Ok(Site::at(&root))
    }

    /// A root, whether a project is there or not.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        let (up, below) = (String::new(), String::new());
        Site { root: root.to_path_buf(), up, below, source: Source::Tree }
    }

    fn commit(&self) -> Option<&Commit> {
        if let Source::Commit(commit) = &self.source { Some(commit) } else { None }
    }

    /// The project id that `kagi.json` names; nothing vouches for it yet.
    ///
    /// # Errors
    /// `Missing` or `Read`, and what makes a `kagi.json` unacceptable.
    pub fn claimed_project(&self) -> Result<String> {
        Ok(self.claimed_config()?.0.project)
    }

    /// `kagi.json`, which nothing vouches for yet, and its hash.
    ///
    /// # Errors
    /// As `claimed_project`.
    pub fn claimed_config(&self) -> Result<(Config, Digest)> {
        self.config_in(CONFIG_FILE)
    }

    fn config_in(&self, name: &str) -> Result<(Config, Digest)> {
        let (shown, bytes) = self.read(name, CONFIG_BYTES_MAX)?;
        Ok((Config::read(&shown, &bytes)?, hash(&bytes)))
    }

    /// What `access.json` says; nothing vouches for it yet.
    ///
    /// # Errors
    /// `Missing` or `Read`, and what makes it unacceptable.
    pub fn claimed_roster(&self) -> Result<Roster> {
        let (shown, bytes) = self.read(ROSTER_FILE, ROSTER_BYTES_MAX)?;
        Roster::read(&shown, &bytes)
    }

    /// Takes the lock and removes what a killed writer left. `waiting` is called if somebody
    /// else holds it.
    ///
    /// # Errors
    /// `Read` or `Write`.
    pub fn lock(&self, waiting: &dyn Fn()) -> Result<Lock> {
        let directory = self.root.join(DIRECTORY);
        let lock = disk::lock(&directory, waiting)?;
        disk::sweep(&directory, DEPTH)?;
        disk::remove_all(&self.root.join(found::UNBORN))?;
        self.finish_config()?;
        Ok(lock)
    }

    /// Puts the `kagi.json` in its place that a stopped pull has left, if the roster is the one that
    /// it came with.
    fn finish_config(&self) -> Result<()> {
        let next = self.path(NEXT_CONFIG_FILE);
        if !disk::exists(&next) {
            return Ok(());
        }
        let digest = self.read(NEXT_CONFIG_FILE, CONFIG_BYTES_MAX).map(|(_, bytes)| hash(&bytes));
        let is_meant = self.claimed_roster().and_then(|roster| Ok(roster.config == digest?));
        if is_meant.unwrap_or(false) {
            return disk::rename(&next, &self.path(CONFIG_FILE));
        }
        disk::remove(&next)
    }

    /// Reads a file below `.kagi/`; an error names it as it is shown.
    fn read_if_there(&self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        let bytes = match &self.source {
            Source::Tree => disk::read(&self.path(name), bytes_max),
            Source::Commit(commit) => commit.read(&self.root, name, bytes_max),
            #[cfg(feature = "server")]
            Source::State(state) => Ok(state.read(name).map(<[u8]>::to_vec)),
        };
        bytes.map_err(|error| error.with_subject(self.shown(name)))
    }

    /// A directory below `.kagi/`, there or not; but no link to another place.
    fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        if disk::exists(&path) && !disk::is_directory(&path) {
            return Err(Error::new(Kind::NotPlain, self.shown(name)));
        }
        Ok(path)
    }

    fn read(&self, name: &str, bytes_max: usize) -> Result<(String, Vec<u8>)> {
        let shown = self.shown(name);
        let is_marked = |line: &[u8]| line.starts_with(b"<<<<<<< ");
        match self.read_if_there(name, bytes_max)? {
            None => Err(Error::new(Kind::Missing, shown)),
            // A merge that ignores the attributes left both sides.
            Some(bytes) if bytes.split(|byte| *byte == b'\n').skip(1).any(is_marked) => {
                Err(Error::new(Kind::Unmerged, shown))
            }
            Some(bytes) => Ok((shown, bytes)),
        }
    }

    /// `kagi.json` with its hash, and the roster: well formed, and no more than that.
    fn claims(&self) -> Result<(Config, Digest, Roster)> {
        let (config, config_hash) = self.claimed_config()?;
        self.claims_beside(config, config_hash)
    }

    /// The roster that stands beside a configuration; and if that is not the one that the roster
    /// vouches for, the one that a pull is about to put in its place, or has put there meanwhile.
    fn claims_beside(&self, config: Config, hash: Digest) -> Result<(Config, Digest, Roster)> {
        let roster = self.claimed_roster()?;
        if roster.project != config.project {
            return Err(Error::new(Kind::ConfigMismatch, self.shown(ROSTER_FILE))); // FORMAT 5.11
        }
        let mut claims = (config, hash);
        if ![roster.config, roster.config_before].contains(&hash) {
            let others = [NEXT_CONFIG_FILE, CONFIG_FILE].map(|name| self.config_in(name).ok());
            let mut others = others.into_iter().flatten();
            let is_meant = |(config, hash): &(Config, Digest)| {
                *hash == roster.config && config.project == roster.project
            };
            claims = others.find(is_meant).unwrap_or(claims);
        }
        Ok((claims.0, claims.1, roster))
    }

    /// A path below `.kagi/` as it is shown: relative to the working directory.
    fn shown(&self, name: &str) -> String {
        format!("{}{DIRECTORY}/{name}", self.up)
    }

    /// The path of a file below `.kagi/`.
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(DIRECTORY).join(name)
    }
}

impl Project {
    /// Opens the project of a site for this device, or for who the environment says it is.
    ///
    /// # Errors
    /// Everything that makes a roster or a configuration unacceptable (FORMAT 4 to 6, 11).
    pub fn open(site: Site, opening: &Opening) -> Result<Self> {
        let mut project = Project::accept(site, opening)?;
        project.unremembered = project.remember(opening).err();
        Ok(project)
    }

    /// The same without remembering anything of it.
    fn accept(site: Site, opening: &Opening) -> Result<Self> {
        let (holder, home) = holder()?;
        let member = match holder {
            Holder::ScopeKey(holder) => return scoped::open(site, holder, opening),
            Holder::ProjectKey(key) => Err(key),
            Holder::Member(identity) => Ok(identity),
        };
        let (config, config_hash) = site.claimed_config()?;
        // The pin before the roster: of a rotation that ends meanwhile it knows no more than that.
        let (mut pin, mut is_new_checkout) = (Pin::default(), false);
        if let Some(home) = &home {
            (pin, is_new_checkout) = known(home, &site, &config)?;
        }
        let (config, config_hash, roster) = site.claims_beside(config, config_hash)?;
        let shown = site.shown(ROSTER_FILE);
        if opening.forgets {
            pin = Pin::default();
        }
        let (identity, access) = match member {
            Err(key) => (None, team::accept_project_key(&shown, &roster, &config_hash, key)?),
            Ok(identity) => {
                let access = accept(&shown, &roster, &config_hash, &identity, &pin, opening)?;
                (Some(identity), access)
            }
        };
        Ok(Project {
            identity,
            home,
            pin,
            is_new_checkout,
            is_strict: opening.is_strict,
            ..Project::new(site, config, config_hash, roster, access)
        })
    }

    /// A project of which no device knows anything.
    fn new(site: Site, config: Config, hash: Digest, roster: Roster, access: Access) -> Self {
        Project {
            is_config_behind: hash != roster.config,
            site,
            config,
            roster,
            access,
            config_hash: hash,
            identity: None,
            home: None,
            pin: Pin::default(),
            seen: RefCell::default(),
            settled: RefCell::default(),
            is_new_checkout: false,
            unremembered: None,
            is_strict: false,
        }
    }

    /// Pins what was accepted. `run` changes nothing, but a device that has seen a rotation must
    /// not go back behind it, so a newer epoch is learned all the same.
    fn remember(&self, opening: &Opening) -> Result<()> {
        let Some(home) = &self.home else {
            return Ok(());
        };
        if !self.is_pinned(&self.pin) && (opening.remembers || self.is_known_to(&self.pin)) {
            home.change_pin(&self.config.project, |pin| self.pin_accepted(pin, opening.forgets))?;
        }
        if opening.remembers && self.is_new_checkout {
            home.set_checkout(&self.site.root, Some(&self.config.project))?;
        }
        Ok(())
    }

    /// Pins a rotation that this device has made: the new epoch, and the scopes as they are now, be it
    /// that it has seen newer states of some (`older`).
    fn remember_rotated(&self, older: &[ScopeName]) -> Result<()> {
        let Some(home) = &self.home else {
            return Ok(());
        };
        home.change_pin(&self.config.project, |pin| {
            forget_in(pin, older);
            self.pin_accepted(pin, false);
            self.pin_seen(pin);
            true
        })
    }

    /// Pins the newest sequence numbers of the scopes that were opened so far.
    ///
    /// # Errors
    /// `Write`.
    pub fn remember_seen(&self) -> Result<()> {
        let is_news = |(scope, sequence)| self.pin.sequences.get(scope) < Some(sequence);
        match &self.home {
            Some(home) if self.seen.borrow().iter().any(is_news) => {
                home.change_pin(&self.config.project, |pin| self.pin_seen(pin))
            }
            _ => Ok(()),
        }
    }

    /// Forgets what was seen of scopes that are gone, or older, on purpose.
    fn forget(&self, gone: &[ScopeName]) -> Result<()> {
        let Some(home) = self.home.as_ref().filter(|_| !gone.is_empty()) else {
            return Ok(());
        };
        home.change_pin(&self.config.project, |pin| forget_in(pin, gone))
    }

    /// True if a pin knows the project for this member.
    fn is_known_to(&self, pin: &Pin) -> bool {
        pin.accepted.is_some() && pin.member == self.access.member()
    }

    /// True if it knows no older epoch of it than this one.
    fn is_pinned(&self, pin: &Pin) -> bool {
        let is_old = |(pinned, _): &(Epoch, Key)| pinned.number < self.access.epoch().number;
        self.is_known_to(pin) && !pin.accepted.as_ref().is_some_and(is_old)
    }

    /// Puts what was accepted into a pin; `false` if nothing changed.
    fn pin_accepted(&self, pin: &mut Pin, forgets: bool) -> bool {
        if self.is_pinned(pin) && !forgets {
            return false;
        }
        let member = self.access.member();
        if forgets || pin.member != member {
            pin.sequences.clear();
        }
        pin.anchors.retain(|anchor| !self.roster.removed.contains(anchor));
        pin.accepted = self.access.witness().map(|witness| (self.access.epoch(), witness));
        pin.member = member.to_string();
        true
    }

    /// Puts the newest sequence numbers that were seen into a pin; `false` if nothing changed.
    fn pin_seen(&self, pin: &mut Pin) -> bool {
        let mut is_changed = false;
        for (scope, sequence) in self.seen.borrow().iter() {
            if pin.sequences.get(scope) < Some(sequence) {
                pin.sequences.insert(scope.clone(), *sequence);
                is_changed = true;
            }
        }
        is_changed
    }

    /// The keys that this process holds.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// A path below `.kagi/` as it is shown: relative to the working directory.
    #[must_use]
    pub fn shown(&self, name: &str) -> String {
        self.site.shown(name)
    }

    /// The path of a file below `.kagi/`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }
}

/// Takes what was seen of scopes out of a pin; `false` if nothing changed.
fn forget_in(pin: &mut Pin, gone: &[ScopeName]) -> bool {
    let count = pin.sequences.len();
    let is_gone = |pinned: &String| gone.iter().any(|name| scopes::pinned_as(name) == *pinned);
    pin.sequences.retain(|pinned, _| !is_gone(pinned));
    pin.sequences.len() < count
}

/// Who this process is, and the home of its identity unless a variable brought that.
fn holder() -> Result<(Holder, Option<Home>)> {
    if let Some(holder) = keys::holder_from_environment()? {
        return Ok((holder, None));
    }
    let home = Home::find()?;
    let path = home.identity_path();
    match home.identity()? {
        Some(identity) => Ok((Holder::Member(identity), Some(home))),
        None => Err(Error::new(Kind::NoIdentity, path.to_string_lossy())),
    }
}

/// What this device knows of the project, unless the checkout held another one; and whether it
/// has not opened it in this checkout before.
fn known(home: &Home, site: &Site, config: &Config) -> Result<(Pin, bool)> {
    let held = home.checkout(&site.root)?;
    let is_new = held.is_none();
    // Below a checkout that is known, another project is as foreign as in its place.
    let around = || home.checkout_around(&site.root);
    match held.map_or_else(around, |held| Ok(Some(held)))? {
        Some(other) if other != config.project => {
            let error = Error::new(Kind::ForeignCheckout, site.root.to_string_lossy());
            Err(error.because(other))
        }
        _ => Ok((home.pin(&config.project)?, is_new)),
    }
}

fn accept(
    shown: &str,
    roster: &Roster,
    config: &Digest,
    identity: &Identity,
    pin: &Pin,
    opening: &Opening,
) -> Result<Access> {
    let pinned = pin.accepted.as_ref().filter(|_| pin.member == identity.id);
    let pinned = pinned.map(|(epoch, key)| (*epoch, key));
    let origin = identity.origin.as_ref();
    if origin.is_some_and(|origin| origin.project != roster.project) {
        return Err(Error::new(Kind::WrongIdentity, shown)); // FORMAT 5.2
    }
    let known = Known {
        witness: pinned.or(origin.map(|origin| (origin.epoch, &origin.witness))),
        anchors: &[pin.anchors.as_slice(), identity.anchors.as_slice()].concat(),
        confirm: opening.confirm,
    };
    team::accept(shown, roster, config, identity, &known).map_err(|error| {
        let was_removed = error.kind == Kind::NotMember && roster.removed.contains(&identity.id);
        if was_removed { error.with_kind(Kind::WasRemoved) } else { error }
    })
}
