//! The join of boxes against an oracle that knows nothing of boxes: it keeps, for every write,
//! the full set of events that came before it, and for every event the writes that it replaced.
//!
//! A value is live where its write is known and no known event has replaced it. That is all that
//! the rules of the join come to: an older box beside a newer one has no effect, a set wins over a
//! parallel deletion, of two parallel values both stay until somebody resolves. Parallel writes of
//! equal contents agree; whoever writes the next box writes them anew and replaces them all.
//!
//! Every history is a few branches that fork, set, unset, merge (also the result of a merge that
//! nobody has written) and resolve, the same in every run.

mod common;

use common::Random;
use kagi::error::Kind;
use kagi::format::snapshot::{ANCESTORS_MAX, Entry, Snapshot, SnapshotId};
use kagi::scope::{Author, Scope, join};
use kagi::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

const HISTORIES: u64 = 3000;
const KEYS: [&str; 3] = ["A", "B", "C"];
const VALUES: [&str; 3] = ["x", "y", "z"];
const DESCRIPTIONS: [&str; 2] = ["", "about"];
const AUTHORS: [&str; 2] = ["kgm_aaaaaaaaaaaaaaaaaaaa", "kgm_bbbbbbbbbbbbbbbbbbbb"];

/// A value with its description: what two entries must have alike to agree.
type Content = (String, String);
/// What is live: for each key that is there, its different contents.
type View = BTreeMap<String, BTreeSet<Content>>;
/// The boxes of a file on some branch, as numbers of the events that wrote them.
type File = Vec<usize>;

/// One write of one key.
struct Write {
    key: String,
    content: Content,
}

/// One command that wrote a box.
struct Event {
    id: SnapshotId,
    /// Every event that its writer had, with itself.
    past: BTreeSet<usize>,
    /// Numbers of its writes.
    writes: Vec<usize>,
    /// Numbers of the writes that it replaced or deleted.
    replaced: BTreeSet<usize>,
    snapshot: Snapshot,
}

struct History {
    random: Random,
    events: Vec<Event>,
    writes: Vec<Write>,
}

impl History {
    fn new(seed: u64) -> Self {
        History {
            random: Random::new(seed),
            events: Vec::new(),
            writes: Vec::new(),
        }
    }

    // What the oracle says.

    fn known(&self, file: &[usize]) -> BTreeSet<usize> {
        let pasts = file.iter().map(|event| &self.events[*event].past);
        pasts.flatten().copied().collect()
    }

    /// Numbers of the live writes.
    fn live(&self, file: &[usize]) -> BTreeSet<usize> {
        let known = self.known(file);
        let events = || known.iter().map(|event| &self.events[*event]);
        let replaced: BTreeSet<_> = events().flat_map(|event| &event.replaced).collect();
        let writes = events().flat_map(|event| &event.writes);
        writes
            .filter(|write| !replaced.contains(write))
            .copied()
            .collect()
    }

    fn expected(&self, file: &[usize]) -> View {
        let mut view = View::new();
        for write in self.live(file) {
            let Write { key, content } = &self.writes[write];
            view.entry(key.clone()).or_default().insert(content.clone());
        }
        view
    }

    fn has_idle_box(&self, file: &[usize]) -> bool {
        let is_in =
            |one: usize, other: usize| one != other && self.events[other].past.contains(&one);
        file.iter()
            .any(|one| file.iter().any(|other| is_in(*one, *other)))
    }

    /// The file without the boxes that others contain.
    fn without_idle(&self, file: &[usize]) -> File {
        let is_idle = |one: usize| {
            let mut others = file.iter().filter(|other| **other != one);
            others.any(|other| self.events[*other].past.contains(&one))
        };
        file.iter().copied().filter(|one| !is_idle(*one)).collect()
    }

    // The code under test.

    fn join(&self, file: &[usize]) -> Scope {
        let boxes = file.iter().map(|event| &self.events[*event]);
        join(
            boxes
                .map(|event| (event.id, copy(&event.snapshot)))
                .collect(),
        )
    }

    /// Applies a change to a branch, as a command would, and tells the oracle.
    fn write(&mut self, file: &mut File, change: &Change) {
        let mut scope = self.join(file);
        let touched = change.apply(&mut scope);
        if touched.is_empty() {
            return;
        }
        let open: Vec<String> = scope.conflicts().into_iter().map(String::from).collect();
        let snapshot = match scope.into_snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                assert_eq!(error.kind, Kind::Conflict);
                assert_eq!(error.subject, open.join(", "));
                return;
            }
        };
        assert!(open.is_empty(), "a snapshot in spite of conflicts");
        self.record(file, touched, snapshot);
    }

    fn record(
        &mut self,
        file: &mut File,
        mut touched: Vec<(String, Option<Content>)>,
        new: Snapshot,
    ) {
        let number = self.events.len();
        // What was written alike in parallel is written anew.
        for entry in new.entries.iter().filter(|entry| entry.writer == [0; 8]) {
            if !touched.iter().any(|(key, _)| **key == *entry.name) {
                let writes = self.live(file);
                let alike = writes
                    .iter()
                    .filter(|write| self.writes[**write].key == *entry.name);
                assert!(alike.count() > 1, "{} is anew for nothing", entry.name);
                touched.push((entry.name.to_string(), Some(content(entry))));
            }
        }
        let is_touched = |key: &str| touched.iter().any(|(other, _)| other == key);
        let mut replaced = self.live(file);
        for entry in new.entries.iter().filter(|entry| !is_touched(&entry.name)) {
            let writer = replaced
                .iter()
                .copied()
                .find(|write| self.is_writer(*write, entry));
            replaced.remove(&writer.expect("an entry keeps a live writer"));
        }
        let mut past = self.known(file);
        past.insert(number);
        for one in file.iter() {
            assert!(self.events[*one].snapshot.sequence < new.sequence);
        }
        let first = self.writes.len();
        for (key, content) in touched {
            self.writes
                .extend(content.map(|content| Write { key, content }));
        }
        let mut id = [0xee; 8];
        id[..4].copy_from_slice(&u32::try_from(number).expect("few events").to_be_bytes());
        self.random.shuffle(&mut id);
        self.events.push(Event {
            id,
            past,
            writes: (first..self.writes.len()).collect(),
            replaced,
            snapshot: new,
        });
        *file = vec![number];
    }

    /// True if an entry says that it is from this write.
    fn is_writer(&self, write: usize, entry: &Entry) -> bool {
        let Write { key, content: text } = &self.writes[write];
        let is_by = |event: &Event| event.id == entry.writer && event.writes.contains(&write);
        **key == *entry.name && *text == content(entry) && self.events.iter().any(is_by)
    }

    fn change(&mut self) -> Change {
        let random = &mut self.random;
        let key = random.pick(&KEYS).to_string();
        let content = (
            random.pick(&VALUES).to_string(),
            random.pick(&DESCRIPTIONS).to_string(),
        );
        let author = *random.pick(&AUTHORS);
        let time = random.next() % 4;
        let what = match random.below(8) {
            0..=3 => What::Set(vec![(key, content)]),
            4 => What::Set(KEYS.map(|key| (key.to_string(), content.clone())).to_vec()),
            5 | 6 => What::Unset(key),
            _ => What::Resolve(random.below(2)),
        };
        Change { what, author, time }
    }

    /// The boxes of both, in any order, as a merge by union leaves them.
    fn merge(&mut self, one: &File, other: &File) -> File {
        let mut file: File = one.iter().chain(other).copied().collect();
        file.sort_unstable();
        file.dedup();
        if self.random.below(3) == 0 {
            // A merge that takes lines out that one side took out.
            file = self.without_idle(&file);
        }
        self.random.shuffle(&mut file);
        file
    }
}

/// A command.
struct Change {
    what: What,
    author: &'static str,
    time: u64,
}

enum What {
    Set(Vec<(String, Content)>),
    Unset(String),
    /// Takes that one of every key in conflict.
    Resolve(usize),
}

impl Change {
    /// Changes the scope; gives back the keys it touched, with what it set them to.
    fn apply(&self, scope: &mut Scope) -> Vec<(String, Option<Content>)> {
        let author = Author {
            id: self.author,
            time: self.time,
            epoch: 1,
        };
        let mut touched = Vec::new();
        match &self.what {
            What::Set(pairs) => {
                for (key, content) in pairs {
                    let value = Secret::copy_of(content.0.as_bytes());
                    let before = scope.get(key).iter().map(|entry| entry.version).max();
                    let set = scope.set(key, value, Some(&content.1), author);
                    if set.expect("it can be set") {
                        assert!(scope.get(key)[0].version > before.unwrap_or(0));
                        touched.push((key.clone(), Some(content.clone())));
                    }
                }
            }
            What::Unset(key) => {
                if scope.unset(key) {
                    touched.push((key.clone(), None));
                }
            }
            What::Resolve(index) => {
                let open = scope.conflicts().into_iter().map(String::from);
                for key in open.collect::<Vec<_>>() {
                    let content = content(&scope.get(&key)[*index]);
                    assert!(scope.resolve(&key, *index, author));
                    touched.push((key, Some(content)));
                }
            }
        }
        touched
    }
}

fn content(entry: &Entry) -> Content {
    let value = String::from_utf8_lossy(entry.value.expose()).into_owned();
    (value, entry.description.clone())
}

fn copy(snapshot: &Snapshot) -> Snapshot {
    let entry = |entry: &Entry| Entry {
        name: entry.name.clone(),
        value: entry.value.share(),
        description: entry.description.clone(),
        author: entry.author.clone(),
        ..*entry
    };
    Snapshot {
        sequence: snapshot.sequence,
        ancestors: snapshot.ancestors.clone(),
        entries: snapshot.entries.iter().map(entry).collect(),
    }
}

fn view(scope: &Scope) -> View {
    let slot =
        |(key, entries): (&str, &[Entry])| (key.to_string(), entries.iter().map(content).collect());
    scope.iter().map(slot).collect()
}

/// Everything that can be seen of a scope: also authors, times, versions and order.
fn full_view(scope: &Scope) -> String {
    let mut lines = vec![format!("{} {}", scope.sequence, scope.has_idle_box)];
    for (key, entries) in scope.iter() {
        for entry in entries {
            let (content, time, author) = (content(entry), entry.time, &entry.author);
            lines.push(format!(
                "{key} {content:?} {time} {author} {}",
                entry.version
            ));
        }
    }
    lines.join("\n")
}

/// Holds the join of one file against the oracle, and against its own properties.
fn check(history: &mut History, file: &File) {
    let scope = history.join(file);
    let expected = history.expected(file);
    assert_eq!(view(&scope), expected);
    assert_eq!(scope.has_idle_box, history.has_idle_box(file));
    let open: Vec<_> = expected
        .iter()
        .filter(|(_, contents)| contents.len() > 1)
        .collect();
    assert!(
        scope
            .conflicts()
            .into_iter()
            .eq(open.into_iter().map(|(key, _)| key))
    );
    let seen = full_view(&scope);
    let mut other = file.clone();
    history.random.shuffle(&mut other);
    assert_eq!(full_view(&history.join(&other)), seen, "the order of boxes");
    let doubled = [other.as_slice(), file].concat();
    assert_eq!(
        full_view(&history.join(&doubled)),
        seen,
        "the same boxes twice"
    );
    let mut tidy = history.join(&history.without_idle(file));
    tidy.has_idle_box = scope.has_idle_box;
    assert_eq!(full_view(&tidy), seen, "an older box has no effect");
}

fn run(seed: u64) -> History {
    let mut history = History::new(seed);
    let mut branches = vec![File::new(); 1];
    let most = 2 + history.random.below(4);
    for _ in 0..8 + history.random.below(24) {
        let at = history.random.below(branches.len());
        let mut file = branches[at].clone();
        match history.random.below(10) {
            0 | 1 if branches.len() < most => branches.push(file.clone()),
            0..=3 => {
                let other = history.random.below(branches.len());
                let other = branches[other].clone();
                file = history.merge(&file, &other);
            }
            _ => {
                let change = history.change();
                history.write(&mut file, &change);
            }
        }
        check(&mut history, &file);
        branches[at] = file;
    }
    let all = branches.into_iter().flatten().collect::<BTreeSet<_>>();
    let all: File = all.into_iter().collect();
    check(&mut history, &all);
    history
}

#[test]
fn the_join_is_what_causality_says() {
    let (mut events, mut conflicts, mut merges) = (0, 0, 0);
    for seed in 0..HISTORIES {
        let caught = std::panic::catch_unwind(|| run(seed));
        let history = caught.unwrap_or_else(|_| panic!("history {seed}"));
        let heads: File = (0..history.events.len()).collect();
        events += history.events.len();
        merges += usize::from(history.without_idle(&heads).len() > 1);
        let views = history.expected(&heads);
        conflicts += usize::from(views.values().any(|contents| contents.len() > 1));
    }
    common::say(&format!(
        "join: {HISTORIES} histories, {events} boxes; {merges} end in several heads, {conflicts} in a conflict"
    ));
    assert!(
        conflicts > 100 && merges > 100,
        "the histories are too tame"
    );
}

/// One branch sets, the others write until the list of ancestors has run over. What that does
/// cost: a value that was replaced or deleted may come back beside the newer one. It never costs
/// a value that is live.
#[test]
fn beyond_the_list_of_ancestors_nothing_is_lost() {
    let mut history = History::new(0);
    let (mut trunk, mut forks) = (File::new(), Vec::<File>::new());
    while history.events.len() < ANCESTORS_MAX + 300 {
        let change = history.change();
        history.write(&mut trunk, &change);
        if history.events.len() % 100 == 50 {
            forks.push(trunk.clone());
        }
    }
    for mut fork in forks {
        let change = history.change();
        history.write(&mut fork, &change);
        let file = history.merge(&trunk, &fork);
        let scope = view(&history.join(&file));
        for (key, contents) in history.expected(&file) {
            let held = scope.get(&key).cloned().unwrap_or_default();
            assert!(held.is_superset(&contents), "{key}");
        }
    }
    let lists = history.events.iter();
    let longest = lists.map(|event| event.snapshot.ancestors.len()).max();
    assert_eq!(longest, Some(ANCESTORS_MAX));
}
