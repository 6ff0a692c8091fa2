//! Three versions of one scope file, merged key by key: what Git's merge driver does.
//!
//! Promises: nothing is pinned, and only the three texts are read. Refuses boxes of another epoch:
//! lines that are kept side by side are the better merge then.

use crate::error::{Error, Kind, Result};
use crate::format::scope_file::{self, ScopeKey, ScopeName, SealedBox};
use crate::project::Project;
use crate::project::scopes::seal;
use crate::scope::{self, Scope};

/// What comes of a merge.
pub struct Merged {
    /// The text of the file; `None` if ours stays as it is.
    pub text: Option<String>,
    /// The keys that both sides have changed differently.
    pub conflicts: Vec<String>,
}

impl Project {
    /// Merges what two sides have made of one scope file; an empty text is a file that is not there.
    ///
    /// # Errors
    /// `NoAccess`; `Unauthentic`, also for a box of another epoch; everything that is wrong with a
    /// file; `Limit`, `TooLarge` or `Random`.
    pub fn merge3(&self, name: &ScopeName, [base, ours, theirs]: [&[u8]; 3]) -> Result<Merged> {
        let key = self.scope_key(name)?;
        let read = |bytes| self.boxes_of(name, bytes);
        let (base, ours, theirs) = (read(base)?, read(ours)?, read(theirs)?);
        let open = |boxes: &mut dyn Iterator<Item = &SealedBox>| open_all(name, boxes, &key);
        let old = open(&mut base.iter())?;
        let (our, their) = (open(&mut ours.iter())?, open(&mut theirs.iter())?);
        let mut merged = if old.is_base_of(&our, &their) {
            open(&mut ours.iter().chain(&theirs))?
        } else {
            open(&mut ours.iter())?
        };
        let is_changed = merged.merge3(&old, &our, &their);
        let conflicts = merged.conflicts().into_iter().map(String::from).collect();
        let text = if is_changed { Some(self.seal_sides(name, merged, &key)?) } else { None };
        Ok(Merged { text, conflicts })
    }

    /// Opens the text of a scope's file that is not in its place.
    ///
    /// # Errors
    /// As `merge3`.
    pub fn read(&self, name: &ScopeName, bytes: &[u8]) -> Result<Scope> {
        let key = self.scope_key(name)?;
        open_all(name, &mut self.boxes_of(name, bytes)?.iter(), &key)
    }

    fn boxes_of(&self, name: &ScopeName, bytes: &[u8]) -> Result<Vec<SealedBox>> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        Ok(scope_file::read(&name.to_string(), bytes, &self.config.project, name)?.boxes)
    }

    /// The text of a scope: a box for each side of its conflicts.
    fn seal_sides(&self, name: &ScopeName, scope: Scope, key: &ScopeKey) -> Result<String> {
        let snapshots = scope.into_snapshots()?;
        let boxes =
            snapshots.iter().map(|snapshot| seal(key, snapshot)).collect::<Result<Vec<_>>>()?;
        let first = snapshots.first().ok_or_else(|| Error::new(Kind::NoBox, name.to_string()))?;
        self.file_text(name, first, &boxes)
    }
}

/// Opens boxes of one epoch and joins them.
pub(super) fn open_all(
    name: &ScopeName,
    boxes: &mut dyn Iterator<Item = &SealedBox>,
    key: &ScopeKey,
) -> Result<Scope> {
    let unauthentic = || Error::new(Kind::Unauthentic, name.to_string());
    let open = |sealed: &SealedBox| Ok((sealed.id(), sealed.open(key).ok_or_else(unauthentic)?));
    Ok(scope::join(boxes.map(open).collect::<Result<_>>()?))
}
