//! One scope in memory: the join of its boxes, and every change to it. Pure (FORMAT 9).
//!
//! Promises: joining loses nothing and chooses nothing silently: of two values that neither
//! writer knew of, both are kept until somebody resolves. Refuses to make a snapshot while a
//! conflict is open, for a snapshot holds one value a key.

use crate::error::{Error, Kind, Result};
use crate::format::scope_file::ScopeKind;
use crate::format::snapshot::{
    ANCESTORS_MAX, ENTRIES_MAX, Entry, Snapshot, SnapshotId, check_entry,
};
use crate::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

mod merge;

pub use merge::agree;

const THIS_ONE: SnapshotId = [0; 8];

/// A scope that is open.
#[derive(Default)]
pub struct Scope {
    /// What comes before the next snapshot, the oldest first.
    ancestors: Vec<SnapshotId>,
    /// The newest sequence number.
    pub sequence: u64,
    /// The entries of a scope that was only read, sorted by key: one each. They move into `slots` before a
    /// change of the keys.
    sorted: Vec<Entry>,
    /// Else a key's entry; several while it is in conflict. Never none.
    slots: BTreeMap<Rc<str>, Vec<Entry>>,
    /// Keys that several have written alike in parallel. Whoever writes next writes them anew: naming
    /// one writer would say of the others that they were replaced.
    agreed: BTreeSet<String>,
    /// True if a box stood beside one that contains it: it has no effect.
    pub has_idle_box: bool,
}

/// Who writes, and when.
#[derive(Clone, Copy)]
pub struct Author<'a> {
    /// Member id; empty for the holder of a project key.
    pub id: &'a str,
    /// Seconds since 1970.
    pub time: u64,
    /// The number of the epoch.
    pub epoch: u32,
}

/// Joins the snapshots of one file; each with the id of its box (FORMAT 9.1 to 9.6).
#[must_use]
pub fn join(snapshots: Vec<(SnapshotId, Snapshot)>) -> Scope {
    let count = snapshots.len();
    let mut heads = snapshots;
    if count > 1 {
        let listed: BTreeSet<_> = heads.iter().flat_map(|(_, one)| one.ancestors.clone()).collect();
        heads.retain(|(id, _)| !listed.contains(id)); // FORMAT 9.1
    }
    // Whatever the order of the file, the same order of ancestors.
    heads.sort_by_key(|(id, head)| (head.sequence, *id));
    let mut scope = Scope { has_idle_box: heads.len() < count, ..Scope::default() };
    for (id, head) in &mut heads {
        scope.sequence = scope.sequence.max(head.sequence);
        for entry in &mut head.entries {
            if entry.writer == THIS_ONE {
                entry.writer = *id;
            }
        }
    }
    if heads.len() < 2 {
        // Nothing to join: a snapshot holds each key once, sorted, and each ancestor.
        for (id, head) in heads {
            (scope.ancestors, scope.sorted) = (head.ancestors, head.entries);
            scope.ancestors.push(id);
        }
        return scope;
    }
    for (_, head) in &heads {
        scope.add_ancestors(&head.ancestors);
    }
    for (id, _) in &heads {
        scope.add_ancestors(&[*id]);
    }
    let stale = stale_entries(&heads);
    for (at, (_, head)) in heads.into_iter().enumerate() {
        for entry in head.entries {
            if !stale.contains(&(at, entry.name.clone())) {
                scope.add(entry);
            }
        }
    }
    scope
}

/// The entries that another head has replaced or deleted: it knows the entry's writer and does
/// not hold that entry any more (FORMAT 9.3).
fn stale_entries(heads: &[(SnapshotId, Snapshot)]) -> BTreeSet<(usize, Rc<str>)> {
    let mut stale = BTreeSet::new();
    for (other, (id, head)) in heads.iter().enumerate().filter(|_| heads.len() > 1) {
        let mut known: BTreeSet<_> = head.ancestors.iter().collect();
        known.insert(id);
        let held: BTreeMap<_, _> =
            head.entries.iter().map(|entry| (&entry.name, entry.writer)).collect();
        for (at, (_, head)) in heads.iter().enumerate().filter(|(at, _)| *at != other) {
            for entry in &head.entries {
                if known.contains(&entry.writer) && held.get(&entry.name) != Some(&entry.writer) {
                    stale.insert((at, entry.name.clone()));
                }
            }
        }
    }
    stale
}

impl Scope {
    /// True if it contains the snapshot.
    #[must_use]
    pub fn contains(&self, id: SnapshotId) -> bool {
        self.ancestors.contains(&id)
    }

    /// Says that it contains these snapshots. Only true of what was taken over key by key.
    pub fn add_ancestors(&mut self, ids: &[SnapshotId]) {
        let known: BTreeSet<_> = self.ancestors.iter().copied().collect();
        self.ancestors.extend(ids.iter().filter(|id| !known.contains(*id)));
    }

    /// Adds a live entry: equal ones agree, others are in conflict (FORMAT 9.4, 9.5).
    fn add(&mut self, entry: Entry) {
        let rank = |entry: &Entry| (entry.version, entry.time, entry.author.clone(), entry.writer);
        let slot = self.slots.entry(entry.name.clone()).or_default();
        let same = slot.iter_mut().find(|other| other.is_same(&entry));
        if same.as_ref().is_some_and(|other| other.writer != entry.writer) {
            self.agreed.insert(entry.name.to_string());
        }
        match same {
            Some(other) => {
                let epoch = other.epoch.min(entry.epoch);
                if rank(other) < rank(&entry) {
                    *other = entry;
                }
                other.epoch = epoch;
            }
            None => slot.push(entry),
        }
        slot.sort_by_key(|entry| (entry.time, entry.author.clone(), entry.writer));
    }

    /// The entries of a key: none, one, or several that are in conflict, the oldest first.
    #[must_use]
    pub fn get(&self, name: &str) -> &[Entry] {
        match self.sorted_at(name) {
            Some(at) => std::slice::from_ref(&self.sorted[at]),
            None => self.slots.get(name).map_or(&[], Vec::as_slice),
        }
    }

    fn sorted_at(&self, name: &str) -> Option<usize> {
        self.sorted.binary_search_by(|entry| (*entry.name).cmp(name)).ok()
    }

    /// All keys with their entries, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Entry])> {
        let sorted = self.sorted.iter().map(std::slice::from_ref);
        let slots = sorted.chain(self.slots.values().map(Vec::as_slice));
        slots.filter_map(|slot| Some((&*slot.first()?.name, slot)))
    }

    /// The entries of each key, to be changed.
    fn slots(&mut self) -> &mut BTreeMap<Rc<str>, Vec<Entry>> {
        let sorted = std::mem::take(&mut self.sorted).into_iter();
        self.slots.extend(sorted.map(|entry| (entry.name.clone(), vec![entry])));
        &mut self.slots
    }

    /// True if both hold the same keys with the same values, and no conflict.
    #[must_use]
    pub fn has_same_values(&self, other: &Scope) -> bool {
        let single = |slot: &[Entry]| slot.len() == 1;
        let equal = |one: &[Entry], other: &[Entry]| {
            let values = |slot| Iterator::map(<[Entry]>::iter(slot), |entry| entry.value.expose());
            single(one) && single(other) && values(one).eq(values(other))
        };
        let mut pairs = self.iter().zip(other.iter());
        self.len() == other.len()
            && pairs.all(|(one, other)| one.0 == other.0 && equal(one.1, other.1))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len() + self.slots.len()
    }

    /// True for no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keys that are in conflict.
    #[must_use]
    pub fn conflicts(&self) -> Vec<&str> {
        self.iter().filter(|(_, slot)| slot.len() > 1).map(|(name, _)| name).collect()
    }

    /// Sets a key; a description of `None` keeps the one that is there. `false` if nothing changed
    /// (FORMAT 9.9).
    ///
    /// # Errors
    /// `BadName`, `TooLarge`, or `Unholdable` (a NUL byte), naming the key.
    pub fn set(
        &mut self,
        name: &str,
        value: Secret,
        description: Option<&str>,
        author: Author,
    ) -> Result<bool> {
        self.put(ScopeKind::Values, name, value, description, author)
    }

    /// The same in a scope of either kind: a key's value, or a file's content.
    ///
    /// # Errors
    /// As `set`, by the rules of the kind.
    pub fn put(
        &mut self,
        kind: ScopeKind,
        name: &str,
        value: Secret,
        description: Option<&str>,
        author: Author,
    ) -> Result<bool> {
        let old = self.get(name);
        let description =
            description.or_else(|| Some(old.last()?.description.as_str())).unwrap_or("");
        check_entry(kind, name, value.expose(), description)?;
        let same = old.iter().filter(|one| one.value.expose() == value.expose());
        let same = same.min_by_key(|one| one.epoch);
        if let ([_], Some(one)) = (old, same)
            && one.description == description
        {
            return Ok(false);
        }
        let entry = Entry {
            name: name.into(),
            value: value.into(),
            description: description.to_string(),
            time: author.time,
            author: author.id.into(),
            writer: THIS_ONE,
            version: old.iter().map(|entry| entry.version).max().unwrap_or(0).saturating_add(1),
            // Who could read the value can still do so, whatever is said of it now.
            epoch: same.map_or(author.epoch, |one| one.epoch),
        };
        match self.sorted_at(name) {
            Some(at) => self.sorted[at] = entry,
            None => drop(self.slots().insert(name.into(), vec![entry])),
        }
        Ok(true)
    }

    /// Deletes a key; `false` if it is not there.
    pub fn unset(&mut self, name: &str) -> bool {
        self.slots().remove(name).is_some()
    }

    /// Ends a conflict by taking the entry at `index` of `get(name)`. `false` if there is none.
    /// The choice is written anew, so that it wins over both sides.
    pub fn resolve(&mut self, name: &str, index: usize, author: Author) -> bool {
        let Some(slot) = self.slots().get_mut(name).filter(|slot| index < slot.len()) else {
            return false;
        };
        let version = slot.iter().map(|entry| entry.version).max().unwrap_or(0);
        let mut chosen = slot.swap_remove(index);
        chosen.writer = THIS_ONE;
        chosen.version = version.saturating_add(1);
        chosen.author = author.id.into();
        chosen.time = author.time;
        *slot = vec![chosen];
        true
    }

    /// The snapshot of a new epoch: it lists only the boxes that it replaces, and is the writer of
    /// every entry, for no box of an older epoch will be joined with it (FORMAT 9.10).
    ///
    /// # Errors
    /// As `into_snapshot`.
    pub fn into_rotated(self, replaced: Vec<SnapshotId>) -> Result<Snapshot> {
        let mut snapshot = self.into_snapshot()?;
        for entry in &mut snapshot.entries {
            entry.writer = THIS_ONE;
        }
        Ok(Snapshot { ancestors: replaced, ..snapshot })
    }

    /// The snapshot that contains all of this (FORMAT 9.7, 9.8).
    ///
    /// # Errors
    /// `Conflict` naming the keys that are not resolved; `Limit`.
    pub fn into_snapshot(self) -> Result<Snapshot> {
        let open = self.conflicts();
        if !open.is_empty() {
            return Err(Error::new(Kind::Conflict, open.join(", ")));
        }
        if self.len() > ENTRIES_MAX {
            return Err(
                Error::new(Kind::Limit, "the scope").because("it would hold over 20,000 keys")
            );
        }
        let excess = self.ancestors.len().saturating_sub(ANCESTORS_MAX);
        let (dropped, kept) = self.ancestors.split_at(excess);
        let oldest = kept.first().copied().unwrap_or(THIS_ONE);
        let dropped: BTreeSet<_> = dropped.iter().collect();
        let mut entries = self.sorted;
        entries.extend(self.slots.into_values().flatten());
        for entry in &mut entries {
            if self.agreed.contains(&*entry.name) {
                entry.writer = THIS_ONE;
            } else if dropped.contains(&entry.writer) {
                entry.writer = oldest;
            }
        }
        Ok(Snapshot {
            sequence: self.sequence.saturating_add(1),
            ancestors: kept.to_vec(),
            entries,
        })
    }
}
