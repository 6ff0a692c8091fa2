//! The three-way merge of a scope against what Git means by merge, cherry-pick, revert and rebase:
//! per key, the contents of three commits decide, and nothing else.
//!
//! Every history is a few branches that fork, set, unset, merge, pick and revert, the same in every
//! run. Then any two commits are joined the way a clone without the driver does it, box beside
//! box: no key may vanish, and no change of either side.

mod common;

use common::Random;
use kagi::format::snapshot::{Entry, Snapshot, SnapshotId};
use kagi::scope::{Author, Scope, join};
use kagi::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

const HISTORIES: u64 = 2000;
const KEYS: [&str; 4] = ["A", "B", "C", "D"];
const VALUES: [&str; 3] = ["x", "y", "z"];
const AUTHOR: Author = Author {
    id: "",
    time: 1,
    epoch: 1,
};

/// What a commit holds: a value for each key that is there.
type Content = BTreeMap<String, String>;

struct Commit {
    parents: Vec<usize>,
    content: Content,
    boxes: Vec<(SnapshotId, Snapshot)>,
    /// Values that somebody has seen in a conflict.
    seen: BTreeMap<&'static str, BTreeSet<String>>,
}

struct History {
    random: Random,
    commits: Vec<Commit>,
    count: u32,
    conflicts: usize,
}

fn copy(boxes: &[(SnapshotId, Snapshot)]) -> Vec<(SnapshotId, Snapshot)> {
    let snapshot = |one: &Snapshot| Snapshot {
        sequence: one.sequence,
        ancestors: one.ancestors.clone(),
        entries: one.entries.iter().map(Entry::duplicate).collect(),
    };
    boxes.iter().map(|(id, one)| (*id, snapshot(one))).collect()
}

fn values(entries: &[Entry]) -> BTreeSet<String> {
    let text = |entry: &Entry| String::from_utf8_lossy(entry.value.expose()).into_owned();
    entries.iter().map(text).collect()
}

impl History {
    fn id(&mut self) -> SnapshotId {
        self.count += 1;
        let mut id = [7; 8];
        id[..4].copy_from_slice(&self.count.to_be_bytes());
        self.random.shuffle(&mut id);
        id
    }

    fn scope(&self, commit: usize) -> Scope {
        join(copy(&self.commits[commit].boxes))
    }

    fn commit(&mut self, parents: Vec<usize>, content: Content, scope: Scope) -> usize {
        let boxes = vec![(self.id(), scope.into_snapshot().expect("no conflict"))];
        self.add(parents, content, boxes)
    }

    /// A new commit; what its boxes say must be its content.
    fn add(
        &mut self,
        parents: Vec<usize>,
        content: Content,
        boxes: Vec<(SnapshotId, Snapshot)>,
    ) -> usize {
        let scope = join(copy(&boxes));
        let seen: Content = scope
            .iter()
            .map(|(key, entries)| {
                assert_eq!(entries.len(), 1, "{key} is in conflict");
                (key.to_string(), values(entries).into_iter().collect())
            })
            .collect();
        assert_eq!(seen, content);
        assert!(!scope.has_idle_box);
        self.commits.push(Commit {
            parents,
            content,
            boxes,
            seen: BTreeMap::new(),
        });
        self.commits.len() - 1
    }

    fn change(&mut self, on: usize) -> usize {
        let (mut scope, mut content) = (self.scope(on), self.commits[on].content.clone());
        for _ in 0..=self.random.below(2) {
            let key = (*self.random.pick(&KEYS)).to_string();
            if self.random.below(4) == 0 {
                scope.unset(&key);
                content.remove(&key);
            } else {
                let value = *self.random.pick(&VALUES);
                let secret = Secret::copy_of(value.as_bytes());
                scope
                    .set(&key, secret, None, AUTHOR)
                    .expect("it can be set");
                content.insert(key, value.into());
            }
        }
        self.commit(vec![on], content, scope)
    }

    fn past(&self, commit: usize) -> BTreeSet<usize> {
        let mut past = BTreeSet::from([commit]);
        let mut open = vec![commit];
        while let Some(next) = open.pop() {
            open.extend(
                self.commits[next]
                    .parents
                    .iter()
                    .filter(|one| past.insert(**one)),
            );
        }
        past
    }

    /// The one merge base of two commits; `None` if there are several.
    fn base(&self, one: usize, other: usize) -> Option<usize> {
        let both: BTreeSet<_> = &self.past(one) & &self.past(other);
        let is_below = |one: &usize| {
            both.iter()
                .any(|two| two != one && self.past(*two).contains(one))
        };
        let best: Vec<_> = both.iter().filter(|one| !is_below(one)).collect();
        (best.len() == 1).then(|| *best[0])
    }

    /// What the driver does: `onto` gets what lies between `base` and `theirs`.
    fn merge3(&mut self, parents: Vec<usize>, base: usize, onto: usize, theirs: usize) -> usize {
        let (old, our, their) = (self.scope(base), self.scope(onto), self.scope(theirs));
        let mut merged = if old.is_base_of(&our, &their) {
            let mut boxes = copy(&self.commits[onto].boxes);
            boxes.extend(copy(&self.commits[theirs].boxes));
            join(boxes)
        } else {
            self.scope(onto)
        };
        let is_changed = merged.merge3(&old, &our, &their);
        let mut content = Content::new();
        let mut open = BTreeMap::new();
        for key in KEYS {
            let at = |commit: usize| self.commits[commit].content.get(key).cloned();
            let (old, our, their) = (at(base), at(onto), at(theirs));
            let wanted = match (&our, &their) {
                _ if our == their || their == old => our,
                _ if our == old => their,
                (None, _) => their,
                (_, None) => our,
                (Some(one), Some(two)) => {
                    open.insert(key, BTreeSet::from([one.clone(), two.clone()]));
                    continue;
                }
            };
            content.extend(wanted.map(|value| (key.to_string(), value)));
        }
        if !is_changed {
            assert!(open.is_empty());
            let boxes = copy(&self.commits[onto].boxes);
            return self.add(parents, content, boxes);
        }
        let snapshots = merged.into_snapshots().expect("within the limits");
        assert_eq!(snapshots.len(), if open.is_empty() { 1 } else { 2 });
        let boxes: Vec<_> = snapshots.into_iter().map(|one| (self.id(), one)).collect();
        let mut scope = join(copy(&boxes));
        assert!(!scope.has_idle_box);
        assert!(scope.conflicts().into_iter().eq(open.keys().copied()));
        if open.is_empty() {
            return self.add(parents, content, boxes);
        }
        self.conflicts += 1;
        for (key, both) in &open {
            assert_eq!(values(scope.get(key)), *both);
            assert!(scope.resolve(key, self.random.below(2), AUTHOR));
            content.insert((*key).into(), values(scope.get(key)).into_iter().collect());
        }
        let commit = self.commit(parents, content, scope);
        self.commits[commit].seen = open;
        commit
    }

    /// One step on a branch.
    fn step(&mut self, head: usize) -> usize {
        let other = self.random.below(self.commits.len());
        let parent = self.commits[other].parents.first().copied();
        match (self.random.below(8), parent) {
            (0 | 1, _) => match self.base(head, other) {
                Some(base) if base != head && base != other => {
                    self.merge3(vec![head, other], base, head, other)
                }
                _ => self.change(head),
            },
            // A cherry-pick, as a rebase does it; and a revert.
            (2, Some(parent)) => self.merge3(vec![head], parent, head, other),
            (3, Some(parent)) => self.merge3(vec![head], other, head, parent),
            _ => self.change(head),
        }
    }

    /// Two commits, merged by a clone without the driver.
    fn check_union(&self, one: usize, other: usize) {
        let Some(base) = self.base(one, other) else {
            return;
        };
        let mut boxes = copy(&self.commits[one].boxes);
        boxes.extend(copy(&self.commits[other].boxes));
        let scope = join(boxes);
        for key in KEYS {
            let at = |commit: usize| self.commits[commit].content.get(key);
            let (old, our, their) = (at(base), at(one), at(other));
            let seen = values(scope.get(key));
            let known: BTreeSet<_> = [our, their].into_iter().flatten().cloned().collect();
            assert!(seen.is_subset(&known), "{key} has a value of neither side");
            // Whoever had a value by a cherry-pick, or saw it in a conflict, and gave it up has
            // replaced it.
            let gave_up = |value: &String, side: usize| {
                let since = &self.past(side) - &self.past(base);
                since
                    .iter()
                    .map(|commit| &self.commits[*commit])
                    .any(|commit| {
                        let seen = commit
                            .seen
                            .get(key)
                            .is_some_and(|seen| seen.contains(value));
                        seen || commit.content.get(key) == Some(value)
                    })
            };
            if let (Some(our), Some(their)) = (our, their) {
                let are_gone = our != their && gave_up(our, other) && gave_up(their, one);
                assert!(!seen.is_empty() || are_gone, "{key} has vanished");
            }
            for (mine, yours, side) in [(our, their, other), (their, our, one)] {
                let is_kept = |mine: &&String| !gave_up(mine, side);
                let is_change = |mine: &&String| Some(*mine) != old && yours == old;
                if let Some(mine) = mine.filter(is_change).filter(is_kept) {
                    assert!(seen.contains(mine), "a change of {key} is lost");
                }
            }
        }
    }
}

fn run(seed: u64) -> History {
    let mut history = History {
        random: Random::new(seed),
        commits: Vec::new(),
        count: 0,
        conflicts: 0,
    };
    history.add(Vec::new(), Content::new(), Vec::new());
    let mut heads = vec![0; 2 + history.random.below(3)];
    for _ in 0..6 + history.random.below(20) {
        let at = history.random.below(heads.len());
        heads[at] = history.step(heads[at]);
    }
    for one in 0..history.commits.len() {
        for other in 0..one {
            history.check_union(one, other);
        }
    }
    history
}

#[test]
fn the_contents_of_three_commits_decide_and_a_join_loses_nothing() {
    let (mut commits, mut conflicts) = (0, 0);
    for seed in 0..HISTORIES {
        let caught = std::panic::catch_unwind(|| run(seed));
        let history = caught.unwrap_or_else(|_| panic!("history {seed}"));
        commits += history.commits.len();
        conflicts += history.conflicts;
    }
    common::say(&format!(
        "merge3: {HISTORIES} histories, {commits} commits, {conflicts} merges in conflict"
    ));
    assert!(conflicts > 500, "the histories are too tame");
}
