//! The scopes of a project: which there are, opening one, writing one.
//!
//! Promises: what is opened is authentic for its place and the roster's epoch; what is written is
//! one box that contains every box that was joined. Refuses: scopes of environments that
//! `kagi.json` does not list, and boxes of another epoch that nobody took over.

use crate::crypto::random;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::names::check_place;
use crate::format::scope_file::{
    self, BOX_BYTES_MAX, BOXES_MAX, FILE_BYTES_MAX, ScopeFile, ScopeKey, ScopeKind, ScopeName,
    SealedBox,
};
use crate::format::snapshot::{ENTRIES_MAX, Snapshot};
use crate::project::{DIRECTORY, Project, Site, Source};
use crate::scope::{self, Scope};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// A scope as it was found.
#[allow(clippy::struct_excessive_bools)] // Each is a remark of its own.
#[derive(Default)]
pub struct Found {
    /// Its content.
    pub scope: Scope,
    /// True if conflict markers of a merge stand in the file.
    pub has_markers: bool,
    /// True if the device has seen a newer state.
    pub is_older: bool,
    /// True if the device has seen it, but there is no file any more.
    pub is_gone: bool,
    /// True if a box of an older epoch stands in the file, which a rotation has replaced.
    pub has_older_epoch: bool,
    /// True if a box of a newer epoch stands in the file, which the roster does not know.
    pub has_newer_epoch: bool,
}

impl Found {
    /// A scope whose file was deleted. What is written next comes after what was seen.
    fn gone(sequence: u64) -> Self {
        let mut found = Found { is_gone: true, ..Found::default() };
        found.scope.sequence = sequence;
        found
    }
}

impl Site {
    /// The scopes that have a file.
    ///
    /// # Errors
    /// `Read`, `NotPlain`.
    pub fn scope_files(&self, kind: ScopeKind) -> Result<Vec<ScopeName>> {
        let named = |paths: &mut dyn Iterator<Item = &str>| {
            paths.filter_map(ScopeName::of_file).filter(|name| name.kind == kind).collect()
        };
        match &self.source {
            Source::Commit(commit) => return Ok(named(&mut commit.files())),
            #[cfg(feature = "server")]
            Source::State(state) => return Ok(named(&mut state.files.keys().map(String::as_str))),
            Source::Tree => {}
        }
        let mut scopes = Vec::new();
        let root = self.directory(kind.directory())?;
        for directory in disk::list(&root)? {
            let service = directory.name;
            if !directory.is_directory || check_place(&service).is_err() {
                continue;
            }
            for file in disk::list(&root.join(&service))? {
                let path = format!("{}/{service}/{}", kind.directory(), file.name);
                scopes.extend(ScopeName::of_file(&path));
            }
        }
        Ok(scopes)
    }

    /// The names in the index of a scope's file; nothing vouches for them (FORMAT 7.10), or for there
    /// being no more than a scope can have.
    ///
    /// # Errors
    /// `Read`, `NotPlain`, `TooLarge`.
    pub fn claimed_names(&self, scope: &ScopeName) -> Result<BTreeSet<String>> {
        let bytes = self.read_if_there(&scope.file(), FILE_BYTES_MAX)?.unwrap_or_default();
        let name = |line: &String| Some(line.split_once(' ')?.1.rsplit_once(' ')?.0.to_string());
        Ok(scope_file::index(&bytes).iter().take(ENTRIES_MAX).filter_map(name).collect())
    }
}

impl Project {
    /// The services: directories that hold a scope of a listed environment. A word of a command
    /// line that is one of them means it; whether its scope opens is seen when it is opened.
    ///
    /// # Errors
    /// `Read`.
    pub fn services(&self) -> Result<Vec<String>> {
        let scopes = self.all_scopes()?.into_iter();
        let services: BTreeSet<_> = scopes.map(|name| name.service).collect();
        Ok(services.into_iter().collect())
    }

    /// True if the word is a service.
    #[must_use]
    pub fn is_service(&self, word: &str) -> bool {
        let has = |kind, env: &String| {
            let name = ScopeName { kind, ..ScopeName::values(word, env) };
            disk::exists(&self.path(&name.file()))
        };
        let has_any = |kind| self.config.envs.iter().any(|env| has(kind, env));
        check_place(word).is_ok() && ScopeKind::ALL.into_iter().any(has_any)
    }

    /// What is listed where services are, in lower case: a system may find one by another spelling.
    /// No other word is a service.
    ///
    /// # Errors
    /// `Read`, `NotPlain`.
    pub fn like_services(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for kind in ScopeKind::ALL {
            let entries = disk::list(&self.site.directory(kind.directory())?)?;
            names.extend(entries.into_iter().map(|entry| entry.name.to_ascii_lowercase()));
        }
        Ok(names)
    }

    /// True for a service, and for the default one even before it has a scope.
    #[must_use]
    pub fn is_known(&self, word: &str) -> bool {
        // A nested project has no default one.
        (word == self.config.default_service && !word.is_empty()) || self.is_service(word)
    }

    /// Every scope of a listed environment, sorted by service, then as `kagi.json` lists the
    /// environments.
    ///
    /// # Errors
    /// `Read`.
    pub fn scopes(&self, kind: ScopeKind) -> Result<Vec<ScopeName>> {
        let rank = |name: &ScopeName| self.config.envs.iter().position(|env| *env == name.env);
        let mut scopes = self.scope_files(kind)?;
        scopes.retain(|name| rank(name).is_some());
        scopes.sort_by_key(|name| (name.service.clone(), rank(name)));
        Ok(scopes)
    }

    /// The same of both kinds: those of values, then those of files.
    ///
    /// # Errors
    /// `Read`.
    pub fn all_scopes(&self) -> Result<Vec<ScopeName>> {
        let mut scopes = self.scopes(ScopeKind::Values)?;
        scopes.extend(self.scopes(ScopeKind::Files)?);
        Ok(scopes)
    }

    /// Scopes of environments that `kagi.json` does not list: never read, only reported.
    ///
    /// # Errors
    /// `Read`.
    pub fn unlisted_scopes(&self) -> Result<Vec<ScopeName>> {
        let mut scopes = self.scope_files(ScopeKind::Values)?;
        scopes.extend(self.scope_files(ScopeKind::Files)?);
        scopes.retain(|name| !self.config.is_env(&name.env));
        Ok(scopes)
    }

    /// The scopes that are older than what this device has seen, or gone. A rotation makes that
    /// final, for what comes back later is of an epoch that has ended.
    ///
    /// # Errors
    /// `RolledBack` naming the first, unless they are taken; everything that keeps a scope shut.
    pub fn older_scopes(&self, takes_older: bool) -> Result<Vec<ScopeName>> {
        let mut older = Vec::new();
        for name in self.all_scopes()?.into_iter().chain(self.gone_scopes()) {
            let is_older = match self.load(&name) {
                Err(error) if error.kind == Kind::RolledBack => true,
                found => found?.is_some_and(|found| found.is_older || found.is_gone),
            };
            if is_older && !takes_older {
                return Err(Error::new(Kind::RolledBack, self.shown(&name.file())));
            }
            older.extend(is_older.then_some(name));
        }
        Ok(older)
    }

    /// Scopes of listed environments that this device has seen and that have no file any more.
    #[must_use]
    pub fn gone_scopes(&self) -> Vec<ScopeName> {
        let scopes = self.pin.sequences.keys().filter_map(|pinned| scope_pinned_as(pinned));
        scopes
            .filter(|name| self.config.is_env(&name.env) && !disk::exists(&self.path(&name.file())))
            .collect()
    }

    fn scope_files(&self, kind: ScopeKind) -> Result<Vec<ScopeName>> {
        let mut scopes = self.site.scope_files(kind)?;
        if let Some(only) = self.access.only_scope() {
            scopes.retain(|name| ScopeName { kind, ..only.clone() } == *name);
        }
        Ok(scopes)
    }

    /// Opens a scope; `None` if it has no file.
    ///
    /// # Errors
    /// `Missing` for an environment that is not listed; `NoAccess`; everything that is wrong with
    /// the file or its boxes, naming it; `RolledBack` if that is to be strict about.
    pub fn load(&self, name: &ScopeName) -> Result<Option<Found>> {
        if !self.config.is_env(&name.env) {
            return Err(Error::new(Kind::Missing, &name.env).because("no such environment"));
        }
        let key = self.scope_key(name)?;
        let found = match self.read_file(name)? {
            None => match self.pin.sequences.get(&pinned_as(name)) {
                None => return Ok(None),
                Some(sequence) => Found::gone(*sequence),
            },
            Some(file) => {
                let epoch = self.access.epoch().number;
                let numbers = || file.boxes.iter().map(|sealed| sealed.epoch.number);
                let has_older_epoch = numbers().any(|number| number < epoch);
                let has_newer_epoch = numbers().any(|number| number > epoch);
                if !has_newer_epoch {
                    self.settled.borrow_mut().insert(name.clone());
                }
                let has_markers = file.has_markers;
                let scope = self.open_file(&key, file.boxes)?;
                let is_older = self.is_older(name, scope.sequence);
                let is_gone = false;
                Found { scope, has_markers, is_older, is_gone, has_older_epoch, has_newer_epoch }
            }
        };
        if (found.is_older || found.is_gone) && self.is_strict {
            return Err(Error::new(Kind::RolledBack, self.shown(&name.file()))); // FORMAT 11.4
        }
        if !found.is_gone {
            self.see(name, found.scope.sequence);
        }
        Ok(Some(found))
    }

    /// True if this device has seen a newer state of a scope.
    pub(super) fn is_older(&self, name: &ScopeName, sequence: u64) -> bool {
        self.pin.sequences.get(&pinned_as(name)) > Some(&sequence)
    }

    /// Notes that this device has seen a state of a scope.
    pub(super) fn see(&self, name: &ScopeName, sequence: u64) {
        self.seen.borrow_mut().insert(pinned_as(name), sequence);
    }

    /// Opens a scope, listed or not.
    pub(super) fn read_scope(&self, name: &ScopeName) -> Result<Option<(Scope, ScopeFile)>> {
        let key = self.scope_key(name)?;
        let Some(file) = self.read_file(name)? else {
            return Ok(None);
        };
        Ok(Some((self.open_file(&key, file.boxes.clone())?, file)))
    }

    /// Opens the boxes of a scope's file.
    fn open_file(&self, key: &ScopeKey, boxes: Vec<SealedBox>) -> Result<Scope> {
        let is_other = |epoch| epoch != self.roster.epoch;
        let (shown, boxes) = (self.shown(&key.name.file()), boxes.into_iter().map(Cow::Owned));
        open_boxes(&shown, boxes, key).map_err(|error| match error.kind {
            // A rotation may have ended between the reading of the roster and that of the scope.
            Kind::NoBox | Kind::StaleBox
                if self.site.claimed_roster().is_ok_and(|roster| is_other(roster.epoch)) =>
            {
                error.with_kind(Kind::Changed)
            }
            _ => error,
        })
    }

    /// What stands in a scope's file, not opened.
    pub(super) fn read_file(&self, name: &ScopeName) -> Result<Option<ScopeFile>> {
        let path = name.file();
        let bytes = self.site.read_if_there(&path, FILE_BYTES_MAX)?;
        let (shown, project) = (self.shown(&path), &self.config.project);
        bytes.map(|bytes| scope_file::read(&shown, &bytes, project, name)).transpose()
    }

    pub(super) fn scope_key<'a>(&'a self, name: &'a ScopeName) -> Result<ScopeKey<'a>> {
        self.access.scope_key(name).ok_or_else(|| self.refused(name))
    }

    /// A scope that may not be opened, with what may.
    #[must_use]
    pub fn refused(&self, name: &ScopeName) -> Error {
        let member = self.roster.member(self.access.member());
        let grants = member.iter().flat_map(|member| &member.grants).map(ToString::to_string);
        let cause = match self.access.only_scope() {
            Some(only) => format!("KAGI_PROJECT_KEY opens {only} alone"),
            None => format!("it may open {}", grants.collect::<Vec<_>>().join(", ")),
        };
        Error::new(Kind::NoAccess, name.to_string()).because(cause)
    }

    /// Writes a scope: one box that contains every box that was joined. A box of a newer epoch stays
    /// beside it: where a merge is not done yet, it is what somebody wrote after a rotation.
    ///
    /// # Errors
    /// `Conflict`, `NoAccess`, `TooLarge`, `Random`, `Write`: the old file is as it was.
    pub fn save(&self, _lock: &Lock, name: &ScopeName, scope: Scope) -> Result<()> {
        let mut newer = Vec::new();
        if !self.settled.borrow().contains(name) {
            newer = self.read_file(name)?.unwrap_or_default().boxes;
            newer.retain(|sealed| sealed.epoch.number > self.access.epoch().number);
        }
        let kagi = self.site.root.join(DIRECTORY);
        self.write_scope(&kagi, name, &scope.into_snapshot()?, newer)
    }

    /// Writes a scope's file below `kagi`, which is `.kagi` or what will be.
    pub(super) fn write_scope(
        &self,
        kagi: &Path,
        name: &ScopeName,
        snapshot: &Snapshot,
        mut boxes: Vec<SealedBox>,
    ) -> Result<()> {
        if !matches!(self.site.source, Source::Tree) {
            return Err(
                Error::new(Kind::Write, self.shown(&name.file())).because("it is read only")
            );
        }
        boxes.push(seal(&self.scope_key(name)?, snapshot)?);
        let text = self.file_text(name, snapshot, &boxes)?;
        disk::replace_below(kagi, name.file(), text.as_bytes(), Mode::Public)?;
        self.see(name, snapshot.sequence);
        Ok(())
    }

    /// The text of a scope's file, if readers will take it.
    pub(super) fn file_text(
        &self,
        name: &ScopeName,
        index: &Snapshot,
        boxes: &[SealedBox],
    ) -> Result<String> {
        let text = scope_file::write(&self.config.project, name, index, boxes);
        if text.len() > FILE_BYTES_MAX || boxes.len() > BOXES_MAX {
            return Err(Error::new(Kind::TooLarge, self.shown(&name.file())));
        }
        Ok(text)
    }

    /// True if the index lines of a scope's file are not those of its boxes, which were joined to
    /// `scope`.
    ///
    /// # Errors
    /// `Read`.
    pub fn index_differs(&self, name: &ScopeName, scope: &Scope) -> Result<bool> {
        let Some(bytes) = self.site.read_if_there(&name.file(), FILE_BYTES_MAX)? else {
            return Ok(false);
        };
        let mut written = scope_file::index(&bytes);
        let mut is_complete = true;
        for (name, entries) in scope.iter() {
            // A key in conflict has a line a side; either is right until it is resolved.
            let lines = entries.iter().map(|entry| scope_file::index_line(name, entry.version));
            is_complete &= lines.filter(|line| written.remove(line)).count() > 0;
        }
        Ok(!is_complete || !written.is_empty())
    }
}

/// A box that readers will take.
///
/// # Errors
/// `TooLarge`, naming the scope; `Random`.
pub(super) fn seal(key: &ScopeKey, snapshot: &Snapshot) -> Result<SealedBox> {
    let sealed = SealedBox::seal(key, random::bytes()?, snapshot);
    if sealed.len() <= BOX_BYTES_MAX {
        return Ok(sealed);
    }
    Err(Error::new(Kind::TooLarge, key.name.to_string()).because("a scope may have 6 MiB"))
}

/// Opens the boxes of the roster's epoch and joins them (FORMAT 7.8).
pub(super) fn open_boxes<'a>(
    shown: &str,
    boxes: impl Iterator<Item = Cow<'a, SealedBox>>,
    key: &ScopeKey,
) -> Result<Scope> {
    let unauthentic = || Error::new(Kind::Unauthentic, shown);
    let (own, others): (Vec<_>, Vec<_>) = boxes.partition(|sealed| sealed.epoch == key.epoch);
    let mut snapshots = Vec::new();
    for sealed in own {
        let id = sealed.id();
        snapshots.push((id, sealed.into_owned().into_open(key).ok_or_else(unauthentic)?));
    }
    let is_listed = |id| snapshots.iter().any(|(_, one)| one.ancestors.contains(&id));
    // A newer epoch's box waits for its roster; an older one must have been taken over.
    let mut older = others.iter().filter(|sealed| sealed.is_before(key.epoch));
    if older.any(|sealed| !is_listed(sealed.id())) {
        return Err(Error::new(Kind::StaleBox, shown));
    }
    if snapshots.is_empty() {
        return Err(Error::new(Kind::NoBox, shown));
    }
    Ok(scope::join(snapshots))
}

/// What a scope is called in a pin: `values/api/production`.
pub(super) fn pinned_as(name: &ScopeName) -> String {
    format!("{}/{}", name.kind.word(), name.place())
}

/// The reverse.
fn scope_pinned_as(pinned: &str) -> Option<ScopeName> {
    let (word, place) = pinned.split_once('/')?;
    let kind = ScopeKind::ALL.into_iter().find(|kind| kind.word() == word)?;
    ScopeName::parse(kind, place)
}
