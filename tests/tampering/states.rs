//! The authentic states of one project that are mixed, and two projects that look like it: how they are
//! made, what is read of each where all of it is of one state, and which box follows from which.

use super::{Fixture, ScopeText, head_text, open, scope_text, scopes};
use crate::common::{Device, access_of, copy, identity_of};
use kagi::crypto::hash::hash;
use kagi::crypto::random;
use kagi::format::roster::{Member, Roster};
use kagi::format::scope_file::{self, ScopeName, SealedBox};
use kagi::format::snapshot::{Entry, Snapshot};
use kagi::secret::{Key, Secret};
use kagi::team::{self, Draft};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub const CONFIG: &str = "kagi.json";
pub const ROSTER: &str = "access.json";

/// A commit, the next one, a branch beside that, the rotation of the next one, values set after it, and
/// another configuration and roster after these; another project of the same members; and one of the
/// same id and epoch with another key.
pub const STATES: [&str; 8] = [
    "first", "next", "branch", "rotated", "after", "renamed", "other", "twin",
];
/// Those of one history.
pub const HISTORY: [&str; 6] = ["first", "next", "branch", "rotated", "after", "renamed"];

impl Fixture {
    /// Makes all states. Gives back Ada's device as it was before the rotation.
    pub fn make_states(&self) -> Device {
        let (ada, path) = (&self.ada, &self.path);
        self.keep(ada, path, "first");
        self.save(&ada.home, "home");
        ada.kagi(path, "set BRANCH 1").ok();
        self.keep(ada, path, "branch");
        for (name, to) in [("first", path.as_path()), ("home", ada.home.as_path())] {
            copy(&self.world.root.join("saved").join(name), to);
        }
        for words in [
            "env add staging",
            "set KEY changed",
            "set web production KEY changed",
        ] {
            ada.kagi(path, words).ok();
        }
        fs::write(path.join("note"), "another text\n").expect("a file");
        ada.kagi(path, "file add note --force").ok();
        fs::remove_file(path.join("note")).expect("a file");
        self.keep(ada, path, "next");
        let before = self.world.device("before");
        copy(&ada.home, &before.home);
        super::make_private(&before.kagi_home());
        self.make_twin();
        ada.kagi(path, "key rotate --yes").ok();
        self.keep(ada, path, "rotated");
        for words in ["set KEY again", "set web production KEY again"] {
            ada.kagi(path, words).ok();
        }
        self.keep(ada, path, "after");
        let bob = identity_of(&self.bob).id;
        for words in ["env add qa", &format!("member rename {bob} Bert")] {
            ada.kagi(path, words).ok();
        }
        self.keep(ada, path, "renamed");
        self.cid.kagi(path, "get web production").ok();
        let other = self.world.directory("other");
        self.found(&other);
        self.keep(ada, &other, "other");
        before
    }

    /// Keeps a state, and what a device reads of it.
    fn keep(&self, device: &Device, at: &Path, name: &str) {
        self.save(at, name);
        let output = self.task(device, at, &format!("texts {name}")).output();
        let output = output.expect("this program");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {errors}");
    }

    /// A project with the id, epoch, configuration and members of this one, by Ada as well, under
    /// another key: no command makes it.
    fn make_twin(&self) {
        let at = self.world.directory("twin");
        copy(&self.path, &at);
        let (config, old, _) = access_of(&self.ada, &self.path);
        let like = |one: &Member| Member::draft(one.public, &one.name, one.grants.clone());
        let draft = Draft {
            sequence: old.sequence + 1,
            config: old.config,
            config_before: old.config,
            members: old.members.iter().map(like).collect(),
            removed: Vec::new(),
            withdrawn: Vec::new(),
        };
        let key = Key::new(hash(b"another project key"));
        let ada = identity_of(&self.ada);
        let found = team::found(
            &ada,
            &config.project,
            old.epoch,
            key,
            draft,
            &mut random::key,
        );
        let (roster, access) = found.expect("a roster");
        fs::write(at.join(".kagi/access.json"), roster.write()).expect("a roster");
        for name in scopes() {
            let key = access.scope_key(&name).expect("a key");
            let snapshot = Snapshot {
                sequence: 2,
                ancestors: Vec::new(),
                entries: vec![entry()],
            };
            let sealed = SealedBox::seal(&key, random::bytes().expect("bytes"), &snapshot);
            let text = scope_file::write(&config.project, &name, &snapshot, &[sealed]);
            fs::write(at.join(".kagi").join(name.file()), text).expect("a scope");
        }
        // A device of Ada's that has not seen the other one.
        let own = self.world.device("twin-Ada");
        super::make_private(&own.kagi_home());
        let identity = self.ada.kagi_home().join("identity.json");
        fs::copy(identity, own.kagi_home().join("identity.json")).expect("a copy");
        self.keep(&own, &at, "twin");
    }
}

fn entry() -> Entry {
    Entry {
        name: "KEY".into(),
        value: Secret::copy_of(b"of the twin").into(),
        description: String::new(),
        time: 1,
        author: "".into(),
        writer: [0; 8],
        version: 1,
        epoch: 1,
    }
}

/// In a process of its own: writes down what is read of a state.
pub fn write_texts(name: &str, saved: &Path) {
    let project = open(false).expect("a project that opens");
    let head = head_text(&project).expect("a project that opens");
    for (part, text) in ["config", "roster"].into_iter().zip(head) {
        fs::write(saved.join(name).join(part), text).expect("a written file");
    }
    let mut lines = String::new();
    for scope in scopes() {
        let text = scope_text(&project, &scope).expect("a scope that opens");
        for (key, entry) in &text.entries {
            let _ = writeln!(lines, "{}\t{}\t{key}\t{entry}", scope.file(), text.sequence);
        }
    }
    fs::write(saved.join(name).join("scopes"), lines).expect("a written file");
}

/// One state: its files by their names below `.kagi/`.
pub struct State {
    pub name: &'static str,
    pub files: BTreeMap<String, String>,
    pub roster: Roster,
    /// What is read of the head, and of each scope's file, where all is of this state.
    pub head: [String; 2],
    pub scopes: BTreeMap<String, ScopeText>,
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file")
}

impl State {
    /// What was kept of a state.
    pub fn load(directory: &Path, name: &'static str) -> Self {
        let kagi = directory.join(".kagi");
        let names = scopes().into_iter().map(|scope| scope.file());
        let names = names.chain([CONFIG, ROSTER].map(String::from));
        let files: BTreeMap<_, _> = names
            .map(|name| (name.clone(), read(&kagi.join(name))))
            .collect();
        let roster = Roster::read(ROSTER, files[ROSTER].as_bytes()).expect("a roster");
        let head = ["config", "roster"].map(|part| read(&directory.join(part)));
        let mut scopes: BTreeMap<String, ScopeText> = BTreeMap::new();
        for line in read(&directory.join("scopes")).lines() {
            let parts: Vec<_> = line.split('\t').collect();
            let &[file, sequence, key, entry] = parts.as_slice() else {
                panic!("{line}")
            };
            let sequence = sequence.parse().expect("a number");
            let new = || ScopeText {
                sequence,
                is_older: false,
                entries: BTreeMap::new(),
            };
            let scope = scopes.entry(file.into()).or_insert_with(new);
            scope.entries.insert(key.into(), entry.into());
        }
        State {
            name,
            files,
            roster,
            head,
            scopes,
        }
    }
}

/// The boxes of a scope in all states: the first state that a line stands in, and the lines that its box
/// lists as ancestors.
#[derive(Default)]
pub struct Boxes {
    pub origin: BTreeMap<String, &'static str>,
    pub ancestors: BTreeMap<String, BTreeSet<String>>,
}

pub fn boxes_of(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with("box "))
        .map(String::from)
        .collect()
}

impl Boxes {
    /// By who wrote them: the next commit and the branch follow the first; a rotation lists just the box
    /// that it replaces; what comes after it lists that too.
    pub fn of(states: &BTreeMap<&'static str, State>, scope: &ScopeName) -> Self {
        let mut boxes = Boxes::default();
        let line = |state: &str| {
            let lines = boxes_of(&states[state].files[&scope.file()]);
            assert_eq!(lines.len(), 1, "{state} {scope}");
            lines.into_iter().next().expect("a box")
        };
        for (state, before) in [
            ("first", None),
            ("next", Some("first")),
            ("branch", Some("first")),
            ("rotated", Some("next")),
            ("after", Some("rotated")),
            ("renamed", Some("after")),
            ("other", None),
            ("twin", None),
        ] {
            let own = line(state);
            if boxes.origin.contains_key(&own) {
                continue; // It was not changed.
            }
            let mut ancestors = BTreeSet::new();
            if let Some(before) = before.map(line) {
                if state != "rotated" {
                    ancestors.extend(boxes.ancestors[&before].clone());
                }
                ancestors.insert(before);
            }
            boxes.origin.insert(own.clone(), state);
            boxes.ancestors.insert(own, ancestors);
        }
        boxes
    }
}

/// What two branches of a scope are together: each entry that one of them has changed.
pub fn joined(base: &ScopeText, one: &ScopeText, other: &ScopeText) -> ScopeText {
    let mut entries = one.entries.clone();
    for (key, entry) in &other.entries {
        if base.entries.get(key) != Some(entry) {
            entries.insert(key.clone(), entry.clone());
        }
    }
    ScopeText {
        entries,
        sequence: one.sequence.max(other.sequence),
        is_older: false,
    }
}
