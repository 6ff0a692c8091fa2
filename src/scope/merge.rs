//! The three-way merge of a scope, key by key: what Git's merge, cherry-pick, revert, rebase and
//! stash mean (FORMAT 9.11). Pure.
//!
//! Promises: a key that one side alone has changed is as that side has it, also if that is an older
//! value or none; what both have changed differently is kept as a conflict; and what comes of it
//! can be joined with any other branch. Refuses to say that a snapshot contains another one of
//! which only some changes were taken: a branch that goes on from there would lose the rest.

use crate::error::Result;
use crate::format::snapshot::{Entry, Snapshot};
use crate::scope::{Scope, THIS_ONE};
use std::borrow::Borrow;
use std::collections::BTreeSet;

impl Scope {
    /// True if both sides follow from this base, so that their merge contains all of both. Not so
    /// for a cherry-pick or a revert, which takes some changes out of their history.
    #[must_use]
    pub fn is_base_of(&self, ours: &Scope, theirs: &Scope) -> bool {
        let (ours, theirs) = (ours.known(), theirs.known());
        self.ancestors.iter().all(|id| ours.contains(id) == theirs.contains(id))
    }

    /// True if both hold the same keys with the same values and descriptions.
    #[must_use]
    pub fn agrees_with(&self, other: &Scope) -> bool {
        self.len() == other.len()
            && self.iter().all(|(name, entries)| agree(entries, other.get(name)))
    }

    fn known(&self) -> BTreeSet<&[u8; 8]> {
        self.ancestors.iter().collect()
    }

    /// Gives each key what a three-way merge says. `self` is what the result contains: both sides
    /// joined, or ours alone. An entry that the join has not left as it should be is written anew,
    /// so that no branch takes it for superseded. `false` if nothing changed against ours.
    #[must_use]
    pub fn merge3(&mut self, base: &Scope, ours: &Scope, theirs: &Scope) -> bool {
        let mut is_changed = self.ancestors.len() > ours.ancestors.len();
        self.sequence = base.sequence.max(ours.sequence).max(theirs.sequence);
        let sides = [ours, theirs].into_iter();
        let names: BTreeSet<_> = sides.flat_map(Scope::iter).map(|(name, _)| name).collect();
        for name in names {
            let (old, our, their) = (base.get(name), ours.get(name), theirs.get(name));
            let wanted: Vec<&Entry> = if agree(our, their) || agree(their, old) {
                our.iter().collect()
            } else if agree(our, old) || our.is_empty() {
                their.iter().collect()
            } else {
                let is_new = |entry: &&Entry| !our.iter().any(|other| other.is_same(entry));
                our.iter().chain(their.iter().filter(is_new)).collect()
            };
            is_changed |= !agree(our, &wanted);
            if agree(self.get(name), &wanted) {
                continue;
            }
            let all = [old, our, their];
            let version = all.into_iter().flatten().map(|entry| entry.version).max().unwrap_or(0);
            let version = version.saturating_add(1);
            let anew = |entry: &Entry| Entry { writer: THIS_ONE, version, ..entry.duplicate() };
            let mut slot: Vec<_> = wanted.into_iter().map(anew).collect();
            slot.sort_by_key(|entry| (entry.time, entry.author.clone()));
            self.slots().remove(name);
            if !slot.is_empty() {
                self.slots().insert(name.into(), slot);
            }
        }
        is_changed
    }

    /// One snapshot; or several that say the same but for the keys in conflict, so that their join
    /// is in conflict about just these.
    ///
    /// # Errors
    /// `Limit`.
    pub fn into_snapshots(self) -> Result<Vec<Snapshot>> {
        let count = self.iter().map(|(_, slot)| slot.len()).max().unwrap_or(0).max(1);
        let side = |index: usize| {
            let slot = |(name, slot): (&str, &[Entry])| {
                let mut entry = slot.get(index).or(slot.last())?.duplicate();
                if slot.len() > 1 {
                    entry.writer = THIS_ONE;
                }
                Some((name.into(), vec![entry]))
            };
            let slots = self.iter().filter_map(slot).collect();
            let (ancestors, sequence, agreed) =
                (self.ancestors.clone(), self.sequence, self.agreed.clone());
            Scope { ancestors, sequence, slots, agreed, ..Scope::default() }.into_snapshot()
        };
        (0..count).map(side).collect()
    }
}

/// True if both hold the same values and descriptions, in any order.
#[must_use]
pub fn agree(one: &[Entry], other: &[impl Borrow<Entry>]) -> bool {
    let has = |entry: &Entry| other.iter().any(|same| same.borrow().is_same(entry));
    one.len() == other.len() && one.iter().all(has)
}
