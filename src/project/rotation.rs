//! A rotation: a new project key, and every scope encrypted under it.
//!
//! Promises: one commit, the roster; stopped before it the old epoch is read, stopped after it the
//! new one, and the next change of a scope drops the boxes that are left over. Refuses to begin
//! while a scope does not open or is in conflict: nothing of it would be readable any more.

use crate::crypto::random;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::names::Epoch;
use crate::format::roster::Roster;
use crate::format::scope_file::{FILE_BYTES_MAX, ScopeName, SealedBox};
use crate::project::scopes::seal;
use crate::project::{Project, ROSTER_FILE};
use crate::team::{Access, Draft};

/// One scope's file on both sides of the commit.
struct Rotated {
    name: ScopeName,
    sequence: u64,
    /// True if this device has seen a newer state.
    is_older: bool,
    /// With the box of the new epoch, which is ignored so far, beside the old one.
    before: String,
    /// With the box of the new epoch alone.
    after: String,
}

impl Project {
    /// The number of the next epoch.
    #[must_use]
    pub fn next_epoch(&self) -> u32 {
        self.access.epoch().number.saturating_add(1)
    }

    /// Draws a new project key and encrypts everything under it: a box of the new epoch into each
    /// scope's file, `access.json` (the commit), then the old boxes go (FORMAT 9.10).
    ///
    /// # Errors
    /// `NotFull`; what keeps a scope from being opened, naming it; `Conflict`; `TooLarge`,
    /// `Random`, `Write`; `RolledBack` unless `takes_older`; `ConfigBehind`. Before the commit nothing
    /// has changed for a reader. What fails after it comes back beside the project: the next change
    /// of the scope finishes that. `progress` is told how many of how many steps are done.
    pub fn rotate(
        mut self,
        lock: &Lock,
        draft: Draft,
        takes_older: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(Self, Option<Error>)> {
        self.check_config()?;
        let epoch = Epoch { number: self.next_epoch(), id: random::bytes()? };
        let access = self.access.rotated(epoch, random::key()?)?;
        let roster = self.compose(&access, draft, &self.config.envs)?;
        let names = self.all_scopes()?;
        // Each scope is sealed, then written twice.
        let total = 3 * names.len();
        let mut step = {
            let mut done = 0..=total;
            move || progress(done.next().unwrap_or(total), total)
        };
        let (mut scopes, mut older) = (Vec::new(), self.gone_scopes());
        self.check_older(older.first(), takes_older)?;
        for name in names {
            step();
            if let Some(rotated) = self.seal_anew(lock, &access, name, takes_older)? {
                older.extend(rotated.is_older.then(|| rotated.name.clone()));
                scopes.push(rotated);
            }
        }
        for scope in &scopes {
            step();
            disk::replace(&self.path(&scope.name.file()), scope.before.as_bytes(), Mode::Public)?;
        }
        disk::replace(&self.path(ROSTER_FILE), roster.as_bytes(), Mode::Public)?;
        self.roster = Roster::read(&self.shown(ROSTER_FILE), roster.as_bytes())?;
        self.access = access;
        let mut unfinished = None;
        for scope in &scopes {
            step();
            unfinished = self.drop_old_box(scope).err().or(unfinished);
            self.see(&scope.name, scope.sequence);
        }
        self.unremembered = self.remember_rotated(&older).err();
        Ok((self, unfinished))
    }

    /// Refuses a scope that is older than what this device has seen, or gone: a rotation makes that
    /// final.
    fn check_older(&self, older: Option<&ScopeName>, takes_older: bool) -> Result<()> {
        match older.filter(|_| !takes_older) {
            Some(name) => Err(Error::new(Kind::RolledBack, self.shown(&name.file()))),
            None => Ok(()),
        }
    }

    /// What Git brought in meanwhile stays: the next reader joins or names it.
    fn drop_old_box(&self, scope: &Rotated) -> Result<()> {
        let file = scope.name.file();
        let bytes = self.site.read_if_there(&file, FILE_BYTES_MAX)?;
        if bytes.is_some_and(|bytes| bytes == scope.before.as_bytes()) {
            disk::replace(&self.path(&file), scope.after.as_bytes(), Mode::Public)?;
        }
        Ok(())
    }

    /// A scope's file with a box of the new epoch; `None` if it is gone meanwhile.
    fn seal_anew(
        &self,
        lock: &Lock,
        access: &Access,
        name: ScopeName,
        takes_older: bool,
    ) -> Result<Option<Rotated>> {
        let Some((mut scope, mut file)) = self.read_scope(&name)? else {
            return Ok(None);
        };
        let is_older = self.is_older(&name, scope.sequence);
        self.check_older(Some(&name).filter(|_| is_older), takes_older)?;
        let named = |error: Error| match error.kind {
            Kind::Conflict => error.because(self.shown(&name.file())),
            _ => error,
        };
        file.boxes.retain(|sealed| sealed.epoch == self.access.epoch());
        if file.boxes.len() > 1 {
            // Many large boxes and one more might be more than a file can hold.
            self.save(lock, &name, scope).map_err(named)?;
            (scope, file) = self.read_scope(&name)?.unwrap_or_default();
        }
        let replaced = file.boxes.iter().map(SealedBox::id).collect();
        let snapshot = scope.into_rotated(replaced).map_err(named)?;
        let refused = || Error::new(Kind::NoAccess, name.to_string());
        let sealed = seal(&access.scope_key(&name).ok_or_else(refused)?, &snapshot)?;
        let after = self.file_text(&name, &snapshot, std::slice::from_ref(&sealed))?;
        file.boxes.push(sealed);
        let before = self.file_text(&name, &snapshot, &file.boxes)?;
        let sequence = snapshot.sequence;
        Ok(Some(Rotated { name, sequence, is_older, before, after }))
    }
}
