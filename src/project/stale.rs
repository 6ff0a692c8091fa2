//! Scopes that somebody wrote under the old key in parallel to a rotation.
//!
//! Promises: what that side has changed is told from what it has only carried along, by the boxes
//! that the rotation has replaced, if a commit still holds them; without them every difference is a
//! conflict. Refuses boxes of an epoch other than the one whose keys were brought.

use crate::error::{Error, Kind, Result};
use crate::format::scope_file::{self, FILE_BYTES_MAX, ScopeFile, ScopeName, SealedBox};
use crate::process::git;
use crate::project::merge::open_all;
use crate::project::{Commit, DIRECTORY, Project};
use crate::scope::Scope;

/// Commits that are searched for the boxes that a rotation has replaced.
const COMMITS_MAX: &str = "--max-count=200";

/// What becomes of a scope.
pub struct TakenOver {
    /// It contains the boxes of both epochs, and may have conflicts.
    pub scope: Scope,
    /// As it is without the boxes of the older epoch.
    pub before: Scope,
}

impl Project {
    /// Takes over what was written under the keys of `past`, which is an older commit of this
    /// project. `None` if the scope has no such boxes.
    ///
    /// # Errors
    /// `StaleBox` for boxes of another epoch than that of `past`; `NoAccess`; everything that is
    /// wrong with the file.
    pub fn take_over(&self, name: &ScopeName, past: &Project) -> Result<Option<TakenOver>> {
        let Some(ScopeFile { boxes, .. }) = self.read_file(name)? else {
            return Ok(None);
        };
        let (key, old_key) = (self.scope_key(name)?, past.scope_key(name)?);
        let now = || {
            let mut own = boxes.iter().filter(|sealed| sealed.epoch == key.epoch);
            open_all(name, &mut own, &key)
        };
        let (mut scope, before) = (now()?, now()?);
        let is_stale =
            |sealed: &&SealedBox| sealed.is_before(key.epoch) && !before.contains(sealed.id());
        let stale: Vec<_> = boxes.iter().filter(is_stale).collect();
        if let Some(other) = stale.iter().find(|sealed| sealed.epoch != old_key.epoch) {
            let cause = format!("a commit of epoch {} is needed", other.epoch.number);
            return Err(Error::new(Kind::StaleBox, self.shown(&name.file())).because(cause));
        }
        if stale.is_empty() {
            return Ok(None);
        }
        let is_replaced =
            |sealed: &SealedBox| sealed.epoch == old_key.epoch && before.contains(sealed.id());
        let replaced = self.find_boxes(name, past, &is_replaced);
        let base = open_all(name, &mut replaced.iter(), &old_key)?;
        let mut both = stale.iter().copied().chain(&replaced);
        let theirs = open_all(name, &mut both, &old_key)?;
        // Whether a value changes or not, the scope does: it contains those boxes now.
        let _ = scope.merge3(&base, &before, &theirs);
        scope.add_ancestors(&stale.iter().map(|sealed| sealed.id()).collect::<Vec<_>>());
        Ok(Some(TakenOver { scope, before }))
    }

    /// The boxes of a scope's file in the newest commit that has such ones.
    fn find_boxes(
        &self,
        name: &ScopeName,
        past: &Project,
        is_wanted: &dyn Fn(&SealedBox) -> bool,
    ) -> Vec<SealedBox> {
        let root = &self.site.root;
        let path = format!("{DIRECTORY}/{}", name.file());
        let revision = past.site.commit().map_or("HEAD", Commit::id);
        let arguments = ["log", COMMITS_MAX, "--no-show-signature", "--format=%H"];
        let tips = ["HEAD", revision, "--", &path];
        let list = git(root, &[arguments.as_slice(), &tips].concat()).unwrap_or_default();
        let boxes = |id: &str| {
            let bytes =
                Commit::of(root, id).ok()?.read(root, &name.file(), FILE_BYTES_MAX).ok()??;
            let mut boxes = scope_file::read("", &bytes, &self.config.project, name).ok()?.boxes;
            boxes.retain(|sealed| is_wanted(sealed));
            (!boxes.is_empty()).then_some(boxes)
        };
        list.lines().find_map(boxes).unwrap_or_default()
    }
}
