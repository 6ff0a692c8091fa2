//! A state that comes from a server, joined with what is here (PROTOCOL 12).
//!
//! Promises: nothing is written before all of the state was checked and the whole result is known;
//! the order of writing is safe to stop in, and the next try goes on from there. What was changed here
//! is joined, or kept beside what came, and never dropped. Refuses: to choose between two rosters,
//! and a state that no member of its epoch has made.

use crate::crypto::hash::hash;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::message::manifest::Manifest;
use crate::format::scope_file::{self, FILE_BYTES_MAX, ScopeName};
use crate::format::snapshot::Entry;
use crate::keys::Home;
use crate::project::incoming::{Change, Changed, Incoming, join};
use crate::project::{
    CONFIG_FILE, DIRECTORY, NEXT_CONFIG_FILE, Opening, Project, ROSTER_FILE, Site, State,
};
use crate::scope::agree;
use crate::team::Draft;
use std::path::PathBuf;

/// Which side is taken of `access.json` and `kagi.json`, where both have changed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// What is here.
    Ours,
    /// What the server has.
    Theirs,
}

/// A remark about a file that was joined, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remark {
    /// The keys of a scope file that both sides have changed differently: `kagi resolve`.
    Conflict(String, Vec<String>),
    /// A file that one side has deleted and the other has changed: it was kept.
    Kept(String),
    /// A file that was not joined, with the reason, which is empty for want of a key: it holds the
    /// boxes of both sides, or what was here.
    NotJoined(String, String),
    /// A scope file that was changed under a key that has ended, and that this device cannot carry
    /// over: what was here lies in the backup.
    SetAside(String),
    /// A scope file that did not open here, and is as on the server now: what was here lies in the
    /// backup.
    Damaged(String),
    /// The base of this checkout was damaged, and counted as none.
    BaseDamaged,
    /// A scope file whose values were carried over a rotation.
    CarriedOver(String),
    /// A scope file that is older on the server than what this device has seen.
    Older(String),
    /// A scope file that was deleted on the server, though its environment is still there.
    Gone(String),
    /// What only the side had that was not taken: it must be repeated.
    Repeat(String),
}

/// What was done with a state that came.
#[derive(Default)]
pub struct Received {
    /// False if this device has no keys that could check the state: a newcomer, or the holder of
    /// the key of one scope.
    pub is_verified: bool,
    /// Files below `.kagi/` that were taken from the server.
    pub taken: Vec<String>,
    /// Files that were deleted, as they were on the server.
    pub deleted: Vec<String>,
    /// Files that both sides had changed, and that were joined.
    pub joined: Vec<String>,
    /// What a person should know of them.
    pub remarks: Vec<Remark>,
    /// Files that are here and not on the server: what the next push sends.
    pub unpushed: usize,
    /// Where what was here lies, if the server's side was taken in place of it.
    pub backup: Option<PathBuf>,
    /// Why this device cannot remember what it saw, if so.
    pub unremembered: Option<Error>,
}

/// The projects of both sides, as far as this device can open them.
#[derive(Default)]
pub(super) struct Sides {
    pub theirs: Option<Project>,
    pub ours: Option<Project>,
    /// True if roster and configuration stay as they are here.
    pub keeps_ours: bool,
    /// True if the two rosters are of different epochs.
    pub crosses: bool,
    /// The side that is taken as it is, as a person chose: the other is of a rotation that is given
    /// up, and nothing can be carried back over one.
    pub whole: Option<Choice>,
}

impl Sides {
    /// The project whose roster stays.
    pub fn target(&self) -> Option<&Project> {
        if self.keeps_ours { self.ours.as_ref() } else { self.theirs.as_ref() }
    }

    /// The other one.
    pub fn past(&self) -> Option<&Project> {
        if self.keeps_ours { self.theirs.as_ref() } else { self.ours.as_ref() }
    }
}

/// How what is here is opened beside what came: nothing is asked, and nothing pinned.
const QUIET: Opening = Opening { remembers: false, ..Opening::OWN };

/// Checks a state, joins it with what is here and writes that. Without a lock nothing is here, and
/// the project is put into place as a whole (PROTOCOL 12.6).
///
/// # Errors
/// Everything that makes a state or a project unacceptable; `BothChanged`; `TooLarge`, `Limit`: nothing
/// was written. `Write`.
pub fn receive(incoming: &Incoming, lock: Option<&Lock>) -> Result<Received> {
    let Incoming { site, opening, .. } = *incoming;
    let state = State::new(incoming.manifest, incoming.blobs.clone())?;
    let theirs = site.holding(state.clone());
    let place = |project, backup: Option<PathBuf>, forgets| -> Result<Received> {
        site.place(&state, backup.as_deref())?;
        let taken = state.files.keys().cloned().collect();
        let mut received = Received { taken, backup, ..Received::default() };
        received.remember(project, &Opening { forgets, ..*opening });
        Ok(received)
    };
    if lock.is_none() {
        let (project, forgets, _) = incoming.open_theirs(&theirs, None)?;
        return place(project, None, forgets);
    }
    let sides = incoming.open_sides(&theirs)?;
    let choice = incoming.choice.filter(|_| incoming.unit_changed() == Changed::Both);
    let lost = lost(&sides, incoming, sides.whole.or(choice));
    match sides.whole {
        Some(Choice::Theirs) => {
            let backup = disk::free_backup(&site.root.join(DIRECTORY));
            let mut received = place(sides.theirs, Some(backup), true)?;
            received.remarks = lost;
            return Ok(received);
        }
        Some(Choice::Ours) => {
            let unpushed = incoming.count_unpushed(&[], &[]);
            let (is_verified, remarks) = (sides.ours.is_some(), lost);
            return Ok(Received { is_verified, remarks, unpushed, ..Received::default() });
        }
        None => {}
    }
    let (mut received, changes) = join(incoming, &sides)?;
    let unit = incoming.unit_to_write(&sides, choice)?;
    received.remarks.extend(lost);
    let is_aside = |remark: &Remark| matches!(remark, Remark::SetAside(_) | Remark::Damaged(_));
    if choice == Some(Choice::Theirs) || received.remarks.iter().any(is_aside) {
        received.backup = Some(incoming.back_up()?);
    }
    received.unpushed = incoming.count_unpushed(&changes, &unit);
    write(site, &changes, &unit)?;
    let is_taken = |_: &&(&str, Vec<u8>)| !sides.keeps_ours;
    received.taken.extend(unit.iter().filter(is_taken).map(|(path, _)| (*path).to_string()));
    received.remember(if sides.keeps_ours { sides.ours } else { sides.theirs }, opening);
    Ok(received)
}

/// Accepts a state as it would be accepted in a clone, and more: a member of its epoch has made it
/// (PROTOCOL 12.3). `None` if this device has no keys for that: what needs none is checked then.
fn accept(theirs: &Site, manifest: &Manifest, opening: &Opening) -> Result<Option<Project>> {
    let (config, _, roster) = theirs.claims()?;
    if config.project != manifest.project || roster.epoch != manifest.epoch {
        return Err(Error::new(Kind::Unauthentic, theirs.shown(ROSTER_FILE))); // PROTOCOL 3.4
    }
    let project = match Project::accept(theirs.clone(), opening) {
        Err(error) if is_stranger(&error, &config.project) => None,
        project => Some(project?),
    };
    check_maker(theirs, manifest, project)
}

/// The project, if a member of its epoch has made the manifest.
fn check_maker(
    theirs: &Site,
    manifest: &Manifest,
    project: Option<Project>,
) -> Result<Option<Project>> {
    match project.as_ref().and_then(|project| project.access.state_key()) {
        None => check_texts(theirs, manifest).map(|()| None),
        Some(key) if manifest.is_authentic(&key) => Ok(project),
        Some(_) => {
            let subject = format!("the manifest of revision {}", manifest.revision);
            Err(Error::new(Kind::Unauthentic, subject)) // PROTOCOL 3.4
        }
    }
}

/// `None` for what is damaged or not for this device. What the disk could not give is an error: it may
/// be sound, and a decision would be made without it.
fn sound<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.kind == Kind::Read => Err(error),
        result => Ok(result.ok()),
    }
}

/// True for a newcomer. Who was a member is none: leaving is being removed (PROTOCOL 12.4).
fn is_stranger(error: &Error, project: &str) -> bool {
    let was_accepted = || {
        let pin = Home::find().and_then(|home| home.pin(project));
        pin.is_ok_and(|pin| pin.accepted.is_some())
    };
    matches!(error.kind, Kind::NoIdentity | Kind::NoHome | Kind::NotMember) && !was_accepted()
}

/// What can be checked without any key: the texts are well formed and in their places.
fn check_texts(theirs: &Site, manifest: &Manifest) -> Result<()> {
    for file in &manifest.files {
        let Some(name) = ScopeName::of_file(&file.path) else { continue };
        if let Some(bytes) = theirs.read_if_there(&file.path, FILE_BYTES_MAX)? {
            scope_file::read(&theirs.shown(&file.path), &bytes, &manifest.project, &name)?;
        }
    }
    Ok(())
}

fn is_of_another_rotation(error: &Error) -> bool {
    matches!(error.kind, Kind::OldEpoch | Kind::ForkedEpoch)
}

/// What only the side has that is given up: members, environments, and values that were set after a
/// rotation.
fn lost(sides: &Sides, incoming: &Incoming, choice: Option<Choice>) -> Vec<Remark> {
    let (Some(choice), Some(theirs), Some(ours)) = (choice, &sides.theirs, &sides.ours) else {
        return Vec::new();
    };
    let (lost, kept) = if choice == Choice::Ours { (theirs, ours) } else { (ours, theirs) };
    let mut lines = Vec::new();
    for member in &lost.roster.members {
        let grants: Vec<_> = member.grants.iter().map(ToString::to_string).collect();
        let is_kept = kept
            .roster
            .member(&member.id)
            .is_some_and(|other| (&other.name, &other.grants) == (&member.name, &member.grants));
        if !is_kept {
            lines.push(format!("member {} {} ({})", member.id, member.name, grants.join(",")));
        }
    }
    let removed = lost.roster.removed.iter().filter(|id| !kept.roster.removed.contains(id));
    lines.extend(removed.map(|id| format!("member {id} removed")));
    let envs = lost.config.envs.iter().filter(|env| !kept.config.is_env(env));
    lines.extend(envs.map(|env| format!("environment {env}")));
    if lines.is_empty() && lost.config.write() != kept.config.write() {
        lines.push(CONFIG_FILE.to_string());
    }
    if sides.whole.is_some() {
        lines.extend(incoming.lost_values(lost, kept, choice));
    }
    lines.into_iter().map(Remark::Repeat).collect()
}

/// Writes in an order that is safe to stop in (PROTOCOL 12.10): scope files that serve readers of
/// either roster, `kagi.json` aside, `access.json` (the commit), `kagi.json` in its place, deletions,
/// and what the new roster alone needs.
fn write(site: &Site, changes: &[Change], unit: &[(&str, Vec<u8>)]) -> Result<()> {
    let kagi = site.root.join(DIRECTORY);
    let put = |path: &str, bytes: &[u8]| disk::replace_below(&kagi, path, bytes, Mode::Public);
    for change in changes {
        match change.before.as_deref().or(change.after.as_deref()) {
            Some(bytes) => put(&change.path, bytes)?,
            None if change.goes_first => disk::remove_with_directory(&site.path(&change.path))?,
            None => {}
        }
    }
    for (path, bytes) in unit {
        put(if *path == CONFIG_FILE { NEXT_CONFIG_FILE } else { path }, bytes)?;
    }
    if unit.iter().any(|(path, _)| *path == CONFIG_FILE) {
        disk::rename(&site.path(NEXT_CONFIG_FILE), &site.path(CONFIG_FILE))?;
    }
    for change in changes {
        match &change.after {
            None => disk::remove_with_directory(&site.path(&change.path))?,
            Some(bytes) if change.before.is_some() => put(&change.path, bytes)?,
            Some(_) => {}
        }
    }
    Ok(())
}

impl Received {
    /// Pins what was accepted, after the files: a pull that was stopped before can be repeated
    /// (PROTOCOL 12.11).
    fn remember(&mut self, project: Option<Project>, opening: &Opening) {
        self.is_verified = project.is_some();
        if let Some(project) = project {
            let mut gone: Vec<_> =
                self.deleted.iter().filter_map(|path| ScopeName::of_file(path)).collect();
            // Any member can delete a file: what was seen of an environment that is there stays.
            gone.retain(|name| !project.config.is_env(&name.env)); // PROTOCOL 12.7
            let remembered = project.forget(&gone).and_then(|()| project.remember(opening));
            let remembered = remembered.and_then(|()| project.remember_seen());
            self.unremembered = remembered.err();
        }
    }
}

impl Incoming<'_> {
    /// Opens what came, for a device that may have rotated itself. And: whether what this device knows has
    /// to be forgotten for it, as a person chose; whether it is of a rotation that the device has gone on from.
    fn open_theirs(
        &self,
        theirs: &Site,
        ours: Option<&Project>,
    ) -> Result<(Option<Project>, bool, bool)> {
        let Incoming { manifest, choice, opening, .. } = *self;
        let anew = || accept(theirs, manifest, &Opening { forgets: true, ..*opening });
        let (accepted, forgets) = match accept(theirs, manifest, opening) {
            Err(error) if is_of_another_rotation(&error) && choice == Some(Choice::Theirs) => {
                (anew(), true)
            }
            accepted => (accepted, false),
        };
        match (accepted, ours) {
            (Err(error), Some(ours)) if is_of_another_rotation(&error) => {
                let their = match ours.at_site(theirs.clone()) {
                    Err(_) if choice.is_some() => anew()?,
                    // The keys that were rotated here are those of what the server still has.
                    their => check_maker(theirs, manifest, Some(their?))?,
                };
                Ok((their, false, true))
            }
            (accepted, _) => Ok((accepted?, forgets, false)),
        }
    }

    /// Opens both sides, and decides whose roster and configuration stay (PROTOCOL 12.8).
    fn open_sides(&self, theirs: &Site) -> Result<Sides> {
        let Incoming { site, choice, .. } = *self;
        let changed = self.unit_changed();
        let both = |cause| Error::new(Kind::BothChanged, site.shown(ROSTER_FILE)).because(cause);
        if changed == Changed::Both && choice.is_none() {
            return Err(both("one of the two has to be taken as it is")); // PROTOCOL 12.8
        }
        let here = || Project::accept(site.clone(), &QUIET);
        let mut ours =
            if changed == Changed::Here || choice.is_some() { sound(here())? } else { None };
        let (their, takes_all, is_behind) = self.open_theirs(theirs, ours.as_ref())?;
        let Some(their) = their else {
            let whole = choice.filter(|choice| *choice == Choice::Theirs);
            if whole.is_none() {
                self.check_unchanged()?;
            }
            return Ok(Sides { whole, ..Sides::default() });
        };
        // A server that was taken back behind a rotation has nothing that is newer than the base.
        let is_base = |base: &Manifest| base.epoch == self.manifest.epoch;
        let keeps_all = is_behind && !self.base.is_some_and(is_base);
        if takes_all || keeps_all {
            let whole = Some(if takes_all { Choice::Theirs } else { Choice::Ours });
            return Ok(Sides {
                theirs: Some(their),
                ours,
                keeps_ours: keeps_all,
                crosses: true,
                whole,
            });
        }
        let choice = choice.filter(|_| changed == Changed::Both);
        let roster = sound(site.claimed_roster())?;
        let crosses = roster.is_some_and(|roster| roster.epoch != their.roster.epoch);
        if ours.is_none() && crosses {
            // By the pin, or by what the newer roster gives.
            ours = match sound(here())? {
                None => sound(their.at_site(site.clone()))?,
                ours => ours,
            };
        }
        let keeps_ours = changed == Changed::Here || choice == Some(Choice::Ours);
        if keeps_ours && ours.is_none() {
            here()?;
        }
        if crosses && !is_behind && choice == Some(Choice::Ours) {
            return Err(both(
                "the project key was rotated there, so only the server's can be taken",
            ));
        }
        Ok(Sides { theirs: Some(their), ours, keeps_ours, crosses, whole: None })
    }

    /// Without keys nothing can be joined: what came is taken only where nothing was changed.
    fn check_unchanged(&self) -> Result<()> {
        let paths = self.scopes().into_iter().chain([CONFIG_FILE.into(), ROSTER_FILE.into()]);
        for path in paths {
            let is_ours = match self.changed(&path) {
                Changed::Here => true,
                Changed::Both => self.base.is_some() || self.ours.contains_key(&path),
                _ => false,
            };
            if is_ours {
                let error = Error::new(Kind::BothChanged, self.site.shown(&path));
                return Err(error.because("only a member can join that")); // PROTOCOL 12.4
            }
        }
        Ok(())
    }

    /// What is to be written of roster and configuration, in this order.
    fn unit_to_write(
        &self,
        sides: &Sides,
        choice: Option<Choice>,
    ) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut unit = Vec::new();
        if !sides.keeps_ours {
            for path in [CONFIG_FILE, ROSTER_FILE] {
                if self.here(path) != self.theirs(path) {
                    unit.push((path, self.their_bytes(path)?.to_vec()));
                }
            }
        } else if let (Some(_), Some(ours), Some(theirs)) = (choice, &sides.ours, &sides.theirs) {
            // What replaces a roster that was written in parallel comes after it.
            let sequence = ours.roster.sequence.max(theirs.roster.sequence).saturating_add(1);
            let draft = Draft { sequence, ..ours.draft() };
            ours.check_config()?;
            unit.push((ROSTER_FILE, ours.compose(&ours.access, draft, &ours.config.envs)?.into()));
        }
        Ok(unit)
    }

    /// Copies what is here, for its roster will be replaced.
    fn back_up(&self) -> Result<PathBuf> {
        let backup = disk::free_backup(&self.site.root.join(DIRECTORY));
        let name = backup.file_name().unwrap_or_default();
        disk::make_directories(&self.site.root, name.as_ref(), Mode::Public)?;
        for path in self.ours.keys() {
            disk::replace_below(&backup, path, self.bytes(self.here(path)), Mode::Public)?;
        }
        Ok(backup)
    }

    /// Keys with another value on the side that is given up, also in a scope that only that one has.
    fn lost_values(&self, lost: &Project, kept: &Project, choice: Choice) -> Vec<String> {
        let mut lines = Vec::new();
        for name in self.scopes().iter().filter_map(|path| ScopeName::of_file(path)) {
            let path = name.file();
            let digests = [self.theirs(&path), self.here(&path)];
            let at = usize::from(choice == Choice::Theirs);
            let open = |project: &Project, digest| project.read(&name, self.bytes(digest));
            let Ok(given_up) = open(lost, digests[at]) else { continue };
            let stays = open(kept, digests[1 - at]).unwrap_or_default();
            let differs = |(key, entries): &(&str, &[Entry])| !agree(entries, stays.get(key));
            lines
                .extend(given_up.iter().filter(differs).map(|(key, _)| format!("{key} in {name}")));
        }
        lines
    }

    /// How many files will not be what the server has.
    fn count_unpushed(&self, changes: &[Change], unit: &[(&str, Vec<u8>)]) -> usize {
        let mut files = self.ours.clone();
        for (path, bytes) in unit {
            files.insert((*path).to_string(), hash(bytes));
        }
        for change in changes {
            match &change.after {
                None => drop(files.remove(&change.path)),
                Some(bytes) => drop(files.insert(change.path.clone(), hash(bytes))),
            }
        }
        differing(&files, &super::state::listed(self.manifest))
    }
}

/// How many paths do not have the same bytes on both sides.
#[must_use]
pub fn differing(one: &super::Files, other: &super::Files) -> usize {
    let missing = other.keys().filter(|path| !one.contains_key(*path)).count();
    missing + one.iter().filter(|(path, digest)| other.get(*path) != Some(digest)).count()
}
