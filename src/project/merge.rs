//! Three versions of one scope file, merged key by key: what Git's merge driver does.
//!
//! Promises: nothing is pinned, and only the three texts are read. Refuses boxes of another epoch:
//! lines that are kept side by side are the better merge then.

use crate::error::{Error, Kind, Result};
use crate::format::scope_file::{self, ScopeKey, ScopeName, SealedBox};
use crate::project::Project;
#[cfg(feature = "server")]
use crate::project::scopes::open_boxes;
use crate::project::scopes::seal;
use crate::scope::{self, Scope};
#[cfg(feature = "server")]
use std::borrow::Cow;

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
        self.merged(merged, &key, is_changed, Vec::new())
    }

    /// What came of a merge: a box for each side of its conflicts, and those that stay beside them.
    fn merged(
        &self,
        scope: Scope,
        key: &ScopeKey,
        is_changed: bool,
        mut boxes: Vec<SealedBox>,
    ) -> Result<Merged> {
        let conflicts = scope.conflicts().into_iter().map(String::from).collect();
        if !is_changed {
            return Ok(Merged { text: None, conflicts });
        }
        let snapshots = scope.into_snapshots()?;
        for snapshot in &snapshots {
            boxes.push(seal(key, snapshot)?);
        }
        let no_box = || Error::new(Kind::NoBox, key.name.to_string());
        let first = snapshots.first().ok_or_else(no_box)?;
        let text = self.file_text(key.name, first, &boxes)?;
        Ok(Merged { text: Some(text), conflicts })
    }

    /// Carries what was made of a scope under the keys of `past`, since `base`, over to what it is
    /// under these: as a merge of three, so what both have changed differently is a conflict. Without
    /// a base every difference is one.
    ///
    /// # Errors
    /// As `merge3`.
    #[cfg(feature = "server")]
    pub(super) fn carry(
        &self,
        name: &ScopeName,
        own: &[u8],
        past: &Project,
        [base, other]: [&[u8]; 2],
    ) -> Result<Merged> {
        let (key, old_key) = (self.scope_key(name)?, past.scope_key(name)?);
        let open = |bytes: &[u8], key: &ScopeKey| {
            let mut boxes = self.boxes_of(name, bytes)?;
            boxes.retain(|sealed| sealed.epoch == key.epoch);
            Ok((open_all(name, &mut boxes.iter(), key)?, boxes))
        };
        let (before, boxes) = open(own, &key)?;
        let (base, _) = open(base, &old_key)?;
        let (other, others) = open(other, &old_key)?;
        let mut merged = open_all(name, &mut boxes.iter(), &key)?;
        let is_changed = merged.merge3(&base, &before, &other);
        // Beside its box, those of the other epoch are read as replaced.
        merged.add_ancestors(&others.iter().map(SealedBox::id).collect::<Vec<_>>());
        self.merged(merged, &key, is_changed, Vec::new())
    }

    /// Joins two versions of a scope's file, as a merge in Git does; but what comes of it is one box,
    /// or one for each side of a conflict. `None`: theirs contains ours.
    ///
    /// # Errors
    /// As `merge3`; `StaleBox` if one holds a box of an older epoch that nobody took over.
    #[cfg(feature = "server")]
    pub(super) fn join(
        &self,
        name: &ScopeName,
        [ours, theirs]: [&[u8]; 2],
    ) -> Result<Option<Merged>> {
        let key = self.scope_key(name)?;
        let shown = name.to_string();
        let (our_boxes, their_boxes) = (self.boxes_of(name, ours)?, self.boxes_of(name, theirs)?);
        let open = |boxes: &[&SealedBox]| {
            open_boxes(&shown, boxes.iter().copied().map(Cow::Borrowed), &key)
        };
        let their = open(&their_boxes.iter().collect::<Vec<_>>())?;
        if our_boxes.iter().all(|sealed| their.contains(sealed.id())) {
            return Ok(None); // Whatever epoch it is of.
        }
        let our = open(&our_boxes.iter().collect::<Vec<_>>())?;
        let is_in = |boxes: &[SealedBox], scope: &Scope| {
            let mut own = boxes.iter().filter(|sealed| sealed.epoch == key.epoch);
            own.all(|sealed| scope.contains(sealed.id()))
        };
        let is_same = our.agrees_with(&their) && our.sequence <= their.sequence;
        if is_same || is_in(&our_boxes, &their) {
            return Ok(None);
        }
        if is_in(&their_boxes, &our) {
            return Ok(Some(Merged { text: None, conflicts: Vec::new() }));
        }
        let scope = open(&our_boxes.iter().chain(&their_boxes).collect::<Vec<_>>())?;
        // What waits for its roster waits on.
        let mut newer: Vec<_> = our_boxes.into_iter().chain(their_boxes).collect();
        newer.retain(|sealed| sealed.epoch.number > key.epoch.number);
        self.merged(scope, &key, true, newer).map(Some)
    }

    /// Opens the text of a scope's file that is not in its place.
    ///
    /// # Errors
    /// As `merge3`.
    pub fn read(&self, name: &ScopeName, bytes: &[u8]) -> Result<Scope> {
        let key = self.scope_key(name)?;
        open_all(name, &mut self.boxes_of(name, bytes)?.iter(), &key)
    }

    /// Refuses the text of a scope's file that does not open; without its key, one that is none.
    #[cfg(feature = "server")]
    pub(super) fn check_text(&self, name: &ScopeName, bytes: &[u8]) -> Result<()> {
        let boxes = self.boxes_of(name, bytes)?;
        match self.scope_key(name) {
            Ok(key) => {
                let boxes = boxes.into_iter().map(Cow::Owned);
                open_boxes(&name.to_string(), boxes, &key).map(drop)
            }
            Err(_) => Ok(()),
        }
    }

    fn boxes_of(&self, name: &ScopeName, bytes: &[u8]) -> Result<Vec<SealedBox>> {
        if bytes.is_empty() {
            return Ok(Vec::new());
        }
        Ok(scope_file::read(&name.to_string(), bytes, &self.config.project, name)?.boxes)
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
