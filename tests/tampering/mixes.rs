//! Mixes of authentic states: every choice of files, and of lines, of two states of a project (two
//! commits, two branches, before and after a rotation, another project of the same members, and a
//! project with the same id and epoch but another key).
//!
//! What must come of each is computed here from the rules alone. The head (configuration and roster)
//! is accepted or not by FORMAT 5.1, 5.3, 5.5, 5.7, 5.11 and 11.3, as its own state has it. Then each
//! scope for itself is refused, or just the state of its boxes by FORMAT 7.8, 9.1 and 9.3: a host can
//! give out an older authentic scope (7.8 cannot see it), and who has seen a newer one notes it, or
//! refuses it where that is meant (11.4).

use super::{Content, ScopeText, head_text, is_full, open, scope_text, scopes};
use crate::common;
use kagi::crypto::hash::hash;
use kagi::error::{Error, Kind};
use kagi::format::names::Epoch;
use kagi::format::pin::Pin;
use kagi::format::roster::Roster;
use kagi::format::scope_file::ScopeName;
use kagi::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The states: a commit, the next one, a branch beside that, the rotation of the next one, a value
/// set after it; another project; and one of the same id and epoch with another key.
pub const STATES: [&str; 7] =
    ["first", "next", "branch", "rotated", "after", "other", "twin"];
/// Those of one history.
const HISTORY: [&str; 5] = ["first", "next", "branch", "rotated", "after"];
const CONFIG: &str = "kagi.json";
const ROSTER: &str = "access.json";

/// One state: its files by their names below `.kagi/`.
struct State {
    name: &'static str,
    files: BTreeMap<String, String>,
    roster: Roster,
    /// What is read of the head, and of each scope, where all is of this state.
    head: String,
    scopes: BTreeMap<String, ScopeText>,
}

/// Who reads: by the words of its task.
struct Reader {
    /// The epoch that it has seen.
    pinned: Option<Epoch>,
    is_strict: bool,
    /// The only scope that it may open.
    only: Option<ScopeName>,
    /// The newest sequence number of each scope that it has seen.
    seen: BTreeMap<String, u64>,
}

/// The boxes of a scope in all states: the state that a line comes from, and those that its box lists
/// as ancestors.
#[derive(Default)]
struct Boxes {
    origin: BTreeMap<String, &'static str>,
    ancestors: BTreeMap<String, BTreeSet<String>>,
}

fn boxes_of(text: &str) -> BTreeSet<String> {
    text.lines().filter(|line| line.starts_with("box ")).map(String::from).collect()
}

/// What is in a file below `.kagi/` now.
fn put(root: &Path, name: &str, text: &str) {
    fs::write(root.join(".kagi").join(name), text).expect("a written file");
}

struct Mixing {
    root: PathBuf,
    home: Home,
    states: BTreeMap<&'static str, State>,
    boxes: BTreeMap<String, Boxes>,
    reader: Reader,
    mixes: usize,
    refused: usize,
    same: usize,
    older: usize,
    problems: Vec<String>,
}

/// The files that the device keeps, as they were: a newer epoch that it learns is not for the next mix.
struct Home(Vec<(PathBuf, Vec<u8>)>);

impl Home {
    fn find() -> Self {
        let home = PathBuf::from(env::var_os("KAGI_HOME").expect("a home"));
        let files = common::listing(&home).into_iter();
        Home(files.filter(|(path, _)| path.is_file()).map(|(path, (_, bytes))| (path, bytes)).collect())
    }

    fn restore(&self) {
        for (path, bytes) in &self.0 {
            if fs::read(path).ok().as_ref() != Some(bytes) {
                fs::write(path, bytes).expect("a written file");
            }
        }
    }

    fn pin(&self) -> Pin {
        let pins = self.0.iter().filter(|(path, _)| path.ends_with("pin.json"));
        let pins: Vec<_> = pins.collect();
        let [(path, bytes)] = pins.as_slice() else { panic!("one pin") };
        Pin::read(&path.to_string_lossy(), bytes).expect("a pin")
    }
}

/// All mixes, for the reader whose environment this process has.
pub fn run(who: &str) {
    let mut mixing = Mixing::new(who);
    mixing.files();
    mixing.lines_of_scopes();
    mixing.lines_of_heads();
    let Mixing { mixes, refused, same, older, problems, .. } = mixing;
    let shown: Vec<_> = problems.iter().take(10).cloned().collect();
    assert!(shown.is_empty(), "{} problems\n{}", problems.len(), shown.join("\n"));
    assert!(refused > 0 && same > 0, "{refused} {same}");
    common::say(&format!(
        "assured: tamper: {who}: {mixes} mixes of authentic files and lines: {refused} readings \
         refused by the file's name, {same} exactly the authentic state of their boxes, of which \
         {older} noted as older than what was seen; no other"
    ));
}

impl Mixing {
    fn new(who: &str) -> Self {
        let root = env::current_dir().expect("a directory");
        let saved = PathBuf::from(env::var_os(super::ROOT).expect("a world")).join("saved");
        let states = STATES.map(|name| (name, State::load(&saved.join(name), name)));
        let states = BTreeMap::from(states);
        let history = |scope: &ScopeName| Boxes::of(&states, &scope.file());
        let boxes = scopes().iter().map(|scope| (scope.file(), history(scope))).collect();
        let home = Home::find();
        let pin = home.pin();
        let reader = Reader {
            pinned: pin.accepted.as_ref().map(|(epoch, _)| *epoch),
            is_strict: who.contains("strict"),
            only: who.contains("limited").then(|| ScopeName::values("web", "production")),
            seen: pin.sequences,
        };
        let (problems, mixes) = (Vec::new(), 0);
        Mixing { root, home, states, boxes, reader, mixes, refused: 0, same: 0, older: 0, problems }
    }

    /// Every choice of files of two states; and all three of a configuration, a roster and scopes.
    fn files(&mut self) {
        let names: Vec<_> = self.states["first"].files.keys().cloned().collect();
        for (at, one) in STATES.into_iter().enumerate() {
            for other in &STATES[at + 1..] {
                for choice in 0..1 << names.len() {
                    let of = |at: usize| if choice >> at & 1 == 0 { one } else { *other };
                    let files = names.iter().enumerate();
                    let mix = files.map(|(at, name)| (name.clone(), of(at))).collect();
                    self.try_mix(&mix);
                }
            }
        }
        for config in STATES {
            for roster in STATES {
                for rest in STATES {
                    let mut mix: BTreeMap<_, _> =
                        names.iter().map(|name| (name.clone(), rest)).collect();
                    mix.extend([(CONFIG.to_string(), config), (ROSTER.to_string(), roster)]);
                    self.try_mix(&mix);
                }
            }
        }
    }

    fn try_mix(&mut self, mix: &BTreeMap<String, &'static str>) {
        self.mixes += 1;
        // All of them for one scope would take the others' time: a roster is seldom accepted.
        if !is_full() && self.mixes % 3 != 0 {
            return;
        }
        for (file, state) in mix {
            put(&self.root, file, &self.states[state].files[file]);
        }
        self.home.restore();
        let (config, roster) = (mix[CONFIG], mix[ROSTER]);
        let project = open(self.reader.is_strict);
        if !self.accepts(config, roster) {
            self.judge_refused(&format!("{mix:?}"), project.map(|_| ()), &[ROSTER, CONFIG, "work"]);
            return;
        }
        let project = match project {
            Ok(project) => project,
            Err(error) => return self.problems.push(format!("{mix:?}: {error:?}")),
        };
        self.judge_head(mix, &project);
        for scope in scopes() {
            let file = scope.file();
            let boxes = boxes_of(&self.states[mix[&file]].files[&file]);
            let expected = self.expected(&scope, roster, &boxes, true);
            self.judge(&format!("{mix:?}"), &project, &scope, expected);
        }
    }

    /// FORMAT 5 and 11.3.
    fn accepts(&self, config: &str, roster: &str) -> bool {
        let (config, roster) = (&self.states[config], &self.states[roster]);
        let digest = hash(config.files[CONFIG].as_bytes());
        let is_meant = [roster.roster.config, roster.roster.config_before].contains(&digest);
        // Nobody has told the new device to believe anybody's other project.
        let is_known = roster.name != "other" && config.name != "other";
        let is_witnessed = self.reader.pinned.is_none_or(|pinned| {
            roster.name != "twin" && roster.roster.epoch.number >= pinned.number
        });
        is_meant && is_known && is_witnessed
    }

    /// Configuration and roster must be those of their files.
    fn judge_head(&mut self, mix: &BTreeMap<String, &'static str>, project: &Project) {
        let own = |state: &str| self.states[state].head.split_once("}\n").expect("both parts");
        let expected = format!("{}}}\n{}", own(mix[CONFIG]).0, own(mix[ROSTER]).1);
        let is_behind = hash(self.states[mix[CONFIG]].files[CONFIG].as_bytes())
            != self.states[mix[ROSTER]].roster.config;
        let head = head_text(project);
        if head.as_ref().ok() != Some(&expected) || project.is_config_behind != is_behind {
            self.problems.push(format!("{mix:?}: {head:?}, and not {expected}"));
        }
    }

    /// What is read of a scope with these boxes under a roster; `None`: it is refused.
    fn expected(
        &self,
        scope: &ScopeName,
        roster: &str,
        boxes: &BTreeSet<String>,
        has_header: bool,
    ) -> Option<ScopeText> {
        let known = &self.boxes[&scope.file()];
        let is_foreign = |state: &str| ["other", "twin"].contains(&state);
        let epoch = self.states[roster].roster.epoch;
        let of = |line: &String| known.origin[line];
        let number = |line: &&String| self.states[of(line)].roster.epoch.number;
        let own: Vec<_> = boxes.iter().filter(|line| number(line) == epoch.number).collect();
        let is_key = |line: &&String| {
            of(line) == roster || !(is_foreign(of(line)) || is_foreign(roster))
        };
        let lists = |line: &String| own.iter().any(|one| known.ancestors[*one].contains(line));
        let is_stale = |line: &&String| number(line) < epoch.number && !lists(line);
        if !has_header || own.is_empty() || !own.iter().all(is_key) || boxes.iter().any(|line| is_stale(&line)) {
            return None;
        }
        let heads: Vec<_> = own.iter().filter(|line| !lists(line)).map(|line| of(line)).collect();
        let text = |state: &str| &self.states[state].scopes[&scope.file()];
        let mut expected = match heads.as_slice() {
            [one] => text(one).clone(),
            ["next", "branch"] | ["branch", "next"] => {
                joined(text("first"), text("next"), text("branch"))
            }
            other => panic!("nobody has said what {other:?} are"),
        };
        let pinned = format!("{}/{}", scope.kind.word(), scope.place());
        expected.is_older = self.reader.seen.get(&pinned) > Some(&expected.sequence);
        (!expected.is_older || !self.reader.is_strict).then_some(expected)
    }

    fn judge(
        &mut self,
        what: &str,
        project: &Project,
        scope: &ScopeName,
        expected: Option<ScopeText>,
    ) {
        let text = scope_text(project, scope);
        if self.reader.only.as_ref().is_some_and(|only| only != scope) {
            if !matches!(&text, Err(error) if error.kind == Kind::NoAccess) {
                self.problems.push(format!("{what}: it read {scope}: {text:?}"));
            }
            return;
        }
        match expected {
            None => self.judge_refused(what, text.map(|_| ()), &[&scope.file()]),
            Some(expected) if text.as_ref().ok() == Some(&expected) => {
                self.same += 1;
                self.older += usize::from(expected.is_older);
            }
            other => self.problems.push(format!("{what}: {scope}: {text:?}, and not {other:?}")),
        }
    }

    /// It must be refused, and one of these files named.
    fn judge_refused(&mut self, what: &str, read: Content<()>, files: &[&str]) {
        let is_named = |error: &Error| files.iter().any(|file| error.subject.ends_with(file));
        match read {
            Err(error) if is_named(&error) => self.refused += 1,
            other => self.problems.push(format!("{what}: {other:?}, and not refused")),
        }
    }

    /// Every choice of the lines of two states of a scope, the ones first or the others, under the
    /// roster of either epoch.
    fn lines_of_scopes(&mut self) {
        for roster in ["next", "after"] {
            for name in [CONFIG, ROSTER] {
                put(&self.root, name, &self.states[roster].files[name]);
            }
            self.home.restore();
            let Ok(project) = open(self.reader.is_strict) else {
                continue; // Of an epoch that the device has seen the end of.
            };
            for scope in scopes() {
                for (at, one) in HISTORY.into_iter().enumerate() {
                    for other in &HISTORY[at + 1..] {
                        self.lines_of_two(&project, roster, &scope, [one, other]);
                    }
                }
            }
        }
    }

    fn lines_of_two(
        &mut self,
        project: &Project,
        roster: &str,
        scope: &ScopeName,
        states: [&'static str; 2],
    ) {
        let file = scope.file();
        let texts = states.map(|state| self.states[state].files[&file].clone());
        let orders = [[&texts[0], &texts[1]], [&texts[1], &texts[0]]];
        for order in orders {
            let mut lines: Vec<&str> = Vec::new();
            for line in order.into_iter().flat_map(|text| text.lines()) {
                if !lines.contains(&line) {
                    lines.push(line);
                }
            }
            for choice in 0_usize..1 << lines.len() {
                self.mixes += 1;
                if !is_full() && self.mixes % 5 != 0 {
                    continue;
                }
                let chosen = (0..lines.len()).filter(|at| choice >> at & 1 == 1);
                let chosen: Vec<_> = chosen.map(|at| lines[at]).collect();
                let text: String = chosen.iter().flat_map(|line| [line, "\n"]).collect();
                put(&self.root, &file, &text);
                let has_header = chosen.first().is_some_and(|line| line.starts_with("kagi-scope "));
                let expected = self.expected(scope, roster, &boxes_of(&text), has_header);
                let what = format!("lines {choice:b} of {states:?} under {roster}");
                self.judge(&what, project, scope, expected);
            }
        }
    }

    /// Every choice of the lines in which the configurations, or rosters, of two commits differ: refused,
    /// or the roster of one of them. And every line of a roster before a rotation beside and instead of
    /// every line of the one after it, and the reverse.
    fn lines_of_heads(&mut self) {
        for (one, other) in [("first", "next"), ("rotated", "after"), ("first", "branch")] {
            for name in [CONFIG, ROSTER] {
                let (from, to) = (&self.states[one].files[name], &self.states[other].files[name]);
                let (from, to): (Vec<_>, Vec<_>) =
                    (from.lines().collect(), to.lines().collect());
                if from.len() == to.len() {
                    let texts = choices(&from, &to);
                    self.try_heads(name, texts, [one, other]);
                }
            }
        }
        for (one, other) in [("next", "rotated"), ("rotated", "next")] {
            let (from, to) = (&self.states[one].files[ROSTER], &self.states[other].files[ROSTER]);
            let texts = insertions(from, to);
            self.try_heads(ROSTER, texts, [one, other]);
        }
    }

    fn try_heads(&mut self, name: &str, texts: Vec<String>, states: [&'static str; 2]) {
        for state in states {
            for (file, text) in &self.states[state].files {
                put(&self.root, file, text);
            }
            for (number, text) in texts.iter().enumerate() {
                self.mixes += 1;
                if !is_full() && number % 16 != 0 {
                    continue;
                }
                put(&self.root, name, text);
                self.home.restore();
                let head = open(self.reader.is_strict).and_then(|project| head_text(&project));
                let is_one = |head: &String| {
                    let roster = head.split_once("}\n").expect("both parts").1;
                    let parts = states.map(|state| self.states[state].head.split_once("}\n"));
                    parts.into_iter().flatten().any(|(_, own)| own == roster)
                };
                match head {
                    Ok(head) if is_one(&head) => self.same += 1,
                    Ok(head) => self.problems.push(format!("{name} {number} of {states:?}: {head}")),
                    Err(error) => {
                        let is_own = error.kind == Kind::NotMember;
                        let what = format!("{name} {number} of {states:?}");
                        let error = if is_own { error.with_subject(ROSTER) } else { error };
                        self.judge_refused(&what, Err(error), &[ROSTER, CONFIG, "work"]);
                    }
                }
            }
        }
    }
}

/// Every choice between lines that differ, of two texts with as many lines. Of more than 2^13, those
/// are left out that take the lines after the 13th difference from different texts.
fn choices(from: &[&str], to: &[&str]) -> Vec<String> {
    let differing: Vec<_> = (0..from.len()).filter(|at| from[*at] != to[*at]).collect();
    let is_taken = |choice: usize, line: usize| {
        let place = differing.iter().position(|at| *at == line);
        place.is_some_and(|place| choice >> place.min(12) & 1 == 1)
    };
    let text = |choice: usize| {
        let line = |at: usize| if is_taken(choice, at) { to[at] } else { from[at] };
        (0..from.len()).flat_map(|at| [line(at), "\n"]).collect()
    };
    (0..1 << differing.len().min(13)).map(text).collect()
}

/// Every line of one text at every place of another, beside and instead of its lines.
fn insertions(from: &str, to: &str) -> Vec<String> {
    let lines: Vec<_> = to.split_inclusive('\n').collect();
    let mut texts = Vec::new();
    for line in from.split_inclusive('\n') {
        for at in 0..=lines.len() {
            texts.push([&lines[..at], &[line], &lines[at..]].concat().concat());
            let after = lines.get(at + 1..).unwrap_or_default();
            texts.push([&lines[..at], &[line], after].concat().concat());
        }
    }
    texts
}

/// What two branches of a scope are together: each entry that one of them has changed.
fn joined(base: &ScopeText, one: &ScopeText, other: &ScopeText) -> ScopeText {
    let mut entries = one.entries.clone();
    for (key, entry) in &other.entries {
        if base.entries.get(key) != Some(entry) {
            entries.insert(key.clone(), entry.clone());
        }
    }
    ScopeText { entries, sequence: one.sequence.max(other.sequence), is_older: false }
}

impl State {
    /// What was saved of a state, by who made it.
    fn load(directory: &Path, name: &'static str) -> Self {
        let kagi = directory.join(".kagi");
        let mut names: Vec<_> = scopes().iter().map(ScopeName::file).collect();
        names.extend([CONFIG, ROSTER].map(String::from));
        let read = |name: String| {
            let text = fs::read_to_string(kagi.join(&name)).expect("a readable file");
            (name, text)
        };
        let files: BTreeMap<_, _> = names.into_iter().map(read).collect();
        let roster = Roster::read(ROSTER, files[ROSTER].as_bytes()).expect("a roster");
        let (head, scopes) = super::saved_text(directory);
        State { name, files, roster, head, scopes }
    }
}

impl Boxes {
    /// By who wrote them: the next commit and the branch follow the first; a rotation lists just the box
    /// that it replaces; what comes after it lists that too.
    fn of(states: &BTreeMap<&'static str, State>, file: &str) -> Self {
        let mut boxes = Boxes::default();
        let line = |state: &str| {
            let lines = boxes_of(&states[state].files[file]);
            assert_eq!(lines.len(), 1, "{state} {file}");
            lines.into_iter().next().expect("a box")
        };
        for (state, before) in [
            ("first", None),
            ("next", Some("first")),
            ("branch", Some("first")),
            ("rotated", Some("next")),
            ("after", Some("rotated")),
            ("other", None),
            ("twin", None),
        ] {
            let own = line(state);
            if boxes.origin.contains_key(&own) {
                continue;
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
