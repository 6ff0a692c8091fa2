//! Mixes of authentic states: every choice of files, and of lines, of two states of a project (two
//! commits, two branches, before and after a rotation, another project of the same members, and a
//! project with the same id and epoch but another key).
//!
//! What must come of each is computed here from the rules alone. The head (configuration and roster)
//! is accepted or not by FORMAT 5.1, 5.3, 5.5, 5.7, 5.11 and 11.3, as its own state has it. Then each
//! scope for itself is refused, or just the state of its boxes by FORMAT 7.8, 9.1 and 9.3: a host can
//! give out an older authentic scope (7.8 cannot see it), and who has seen a newer one notes it, or
//! refuses it where that is meant (11.4).

use super::states::{Boxes, CONFIG, HISTORY, ROSTER, STATES, State, boxes_of, joined};
use super::{Content, ScopeText, head_text, is_its_turn, open, scope_text, scopes};
use crate::common;
use kagi::crypto::hash::hash;
use kagi::error::{Error, Kind};
use kagi::format::names::Epoch;
use kagi::format::pin::Pin;
use kagi::format::scope_file::ScopeName;
use kagi::project::Project;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Of so many mixes one is tried, unless everything is; and of those of the lines of a roster, of
/// which there are many more, and nearly all are no roster.
const STRIDE: usize = 7;
const HEADS_STRIDE: usize = 32;

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
    /// Those that there are, and those that were tried.
    number: usize,
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
        Home(
            files
                .filter(|(path, _)| path.is_file())
                .map(|(path, (_, bytes))| (path, bytes))
                .collect(),
        )
    }

    fn restore(&self) {
        for (path, bytes) in &self.0 {
            if fs::read(path).ok().as_ref() != Some(bytes) {
                fs::write(path, bytes).expect("a written file");
            }
        }
    }

    fn pin(&self, project: &str) -> Pin {
        let is_pin = |path: &Path| path.ends_with(format!("{project}/pin.json"));
        let (_, bytes) = self.0.iter().find(|(path, _)| is_pin(path)).expect("a pin");
        Pin::read("a pin", bytes).expect("a pin")
    }
}

/// All mixes, for the reader whose environment this process has.
pub fn run(who: &str) {
    let mut mixing = Mixing::new(who);
    mixing.files();
    mixing.lines_of_scopes();
    mixing.lines_of_heads();
    let Mixing {
        mixes,
        refused,
        same,
        older,
        problems,
        ..
    } = mixing;
    let shown: Vec<_> = problems.iter().take(10).cloned().collect();
    assert!(
        shown.is_empty(),
        "{} problems\n{}",
        problems.len(),
        shown.join("\n")
    );
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
        let history = |scope: &ScopeName| Boxes::of(&states, scope);
        let boxes = scopes()
            .iter()
            .map(|scope| (scope.file(), history(scope)))
            .collect();
        let home = Home::find();
        let pin = home.pin(&states["next"].roster.project);
        let reader = Reader {
            pinned: pin.accepted.as_ref().map(|(epoch, _)| *epoch),
            is_strict: who.contains("strict"),
            only: who
                .contains("limited")
                .then(|| ScopeName::values("web", "production")),
            seen: pin.sequences,
        };
        Mixing {
            root,
            home,
            states,
            boxes,
            reader,
            number: 0,
            mixes: 0,
            refused: 0,
            same: 0,
            older: 0,
            problems: Vec::new(),
        }
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
        self.number += 1;
        if !is_its_turn(self.number, STRIDE) {
            return;
        }
        self.mixes += 1;
        for (file, state) in mix {
            put(&self.root, file, &self.states[state].files[file]);
        }
        self.home.restore();
        let (config, roster) = (mix[CONFIG], mix[ROSTER]);
        let project = open(self.reader.is_strict);
        if !self.accepts(config, roster) {
            self.judge_refused(
                &format!("{mix:?}"),
                project.map(|_| ()),
                &[ROSTER, CONFIG, "work"],
            );
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
        let (config, roster) = (&self.states[mix[CONFIG]], &self.states[mix[ROSTER]]);
        let expected = [config.head[0].clone(), roster.head[1].clone()];
        let is_behind = hash(config.files[CONFIG].as_bytes()) != roster.roster.config;
        let head = head_text(project);
        if head.as_ref().ok() != Some(&expected) || project.is_config_behind != is_behind {
            self.problems
                .push(format!("{mix:?}: {head:?}, and not {expected:?}"));
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
        let own: Vec<_> = boxes
            .iter()
            .filter(|line| number(line) == epoch.number)
            .collect();
        let is_key =
            |line: &&String| of(line) == roster || !(is_foreign(of(line)) || is_foreign(roster));
        let lists = |line: &String| own.iter().any(|one| known.ancestors[*one].contains(line));
        let is_stale = |line: &&String| number(line) < epoch.number && !lists(line);
        if !has_header
            || own.is_empty()
            || !own.iter().all(is_key)
            || boxes.iter().any(|line| is_stale(&line))
        {
            return None;
        }
        let heads: Vec<_> = own
            .iter()
            .filter(|line| !lists(line))
            .map(|line| of(line))
            .collect();
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
                self.problems
                    .push(format!("{what}: it read {scope}: {text:?}"));
            }
            return;
        }
        match expected {
            None => self.judge_refused(what, text.map(|_| ()), &[&scope.file()]),
            Some(expected) if text.as_ref().ok() == Some(&expected) => {
                self.same += 1;
                self.older += usize::from(expected.is_older);
            }
            other => self
                .problems
                .push(format!("{what}: {scope}: {text:?}, and not {other:?}")),
        }
    }

    /// It must be refused, and one of these files named.
    fn judge_refused(&mut self, what: &str, read: Content<()>, files: &[&str]) {
        let is_named = |error: &Error| files.iter().any(|file| error.subject.ends_with(file));
        match read {
            Err(error) if is_named(&error) => self.refused += 1,
            other => self
                .problems
                .push(format!("{what}: {other:?}, and not refused")),
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
                self.number += 1;
                if !is_its_turn(self.number, STRIDE) {
                    continue;
                }
                self.mixes += 1;
                let chosen = (0..lines.len()).filter(|at| choice >> at & 1 == 1);
                let chosen: Vec<_> = chosen.map(|at| lines[at]).collect();
                let text: String = chosen.iter().flat_map(|line| [line, "\n"]).collect();
                put(&self.root, &file, &text);
                let has_header = chosen
                    .first()
                    .is_some_and(|line| line.starts_with("kagi-scope "));
                let expected = self.expected(scope, roster, &boxes_of(&text), has_header);
                let what = format!("lines {choice:b} of {states:?} under {roster}");
                self.judge(&what, project, scope, expected);
            }
        }
    }

    /// Every choice of the lines in which the configurations, or rosters, of two commits of the reader's
    /// epoch differ: refused, or the roster of one of them. And every line of a roster before a rotation
    /// beside and instead of every line of the one after it, and the reverse.
    fn lines_of_heads(&mut self) {
        let has_rotated =
            |pinned: Epoch| pinned.number >= self.states["rotated"].roster.epoch.number;
        let states = if self.reader.pinned.is_some_and(has_rotated) {
            ["after", "renamed"]
        } else {
            ["first", "next"]
        };
        assert!(states.iter().all(|state| self.accepts(state, state)));
        for name in [CONFIG, ROSTER] {
            let texts = states.map(|state| self.states[state].files[name].clone());
            let texts = choices(&texts[0], &texts[1]);
            self.try_heads(name, &texts, states);
        }
        for (one, other) in [("next", "rotated"), ("rotated", "next")] {
            let (from, to) = (
                &self.states[one].files[ROSTER],
                &self.states[other].files[ROSTER],
            );
            let texts = insertions(from, to);
            self.try_heads(ROSTER, &texts, [one, other]);
        }
    }

    fn try_heads(&mut self, name: &str, texts: &[String], states: [&'static str; 2]) {
        for state in states {
            for (file, text) in &self.states[state].files {
                put(&self.root, file, text);
            }
            for (number, text) in texts.iter().enumerate() {
                let is_own = *text == self.states[state].files[name] && self.accepts(state, state);
                if is_own || is_its_turn(number, HEADS_STRIDE) {
                    put(&self.root, name, text);
                    self.try_head(&format!("{name} {number} of {states:?}"), states, is_own);
                }
            }
        }
    }

    /// Either part must be that of one of the states; what is one of them as it was, is accepted.
    fn try_head(&mut self, what: &str, states: [&'static str; 2], is_own: bool) {
        self.mixes += 1;
        self.home.restore();
        let head = open(self.reader.is_strict).and_then(|project| head_text(&project));
        let is_of = |part: usize, text: &String| {
            states
                .iter()
                .any(|one| self.states[one].head[part] == *text)
        };
        match head {
            Ok(head) if is_of(0, &head[0]) && is_of(1, &head[1]) => self.same += 1,
            head if is_own => self
                .problems
                .push(format!("{what}: {head:?}, and not accepted")),
            // What is named is the member that the roster does not list.
            Err(error) if error.kind == Kind::NotMember => self.refused += 1,
            head => self.judge_refused(what, head.map(|_| ()), &[ROSTER, CONFIG, "work"]),
        }
    }
}

/// Every choice between the lines that differ, of two texts with as many lines. Beyond 13 of them those
/// at the end, which are one member's, are taken together.
fn choices(from: &str, to: &str) -> Vec<String> {
    let (from, to): (Vec<_>, Vec<_>) = (from.lines().collect(), to.lines().collect());
    let length = from.len().max(to.len());
    let differing: Vec<_> = (0..length)
        .filter(|at| from.get(*at) != to.get(*at))
        .collect();
    let is_taken = |choice: usize, line: usize| {
        let place = differing.iter().position(|at| *at == line);
        place.is_some_and(|place| choice >> place.min(12) & 1 == 1)
    };
    let text = |choice: usize| {
        let line = |at: usize| {
            if is_taken(choice, at) {
                to.get(at)
            } else {
                from.get(at)
            }
        };
        let lines = (0..length).filter_map(line);
        lines.flat_map(|line| [line, "\n"]).collect()
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
