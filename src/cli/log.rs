//! `log`: who set, changed or deleted which key, and when, from the snapshots of every commit.
//!
//! Promises: never a value; a commit whose roster or scope cannot be accepted is named and left
//! out, and the others are shown. Author and time are what the writer of an entry claims; of a
//! deletion only Git knows them.

use crate::cli::args::Input;
use crate::cli::diff::open_past;
use crate::cli::get::is_chosen;
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::words::{Words, near_place};
use crate::cli::{author_name, open, print_lines};
use crate::crypto::hash::{Digest, hash};
use crate::error::{Kind, Result};
use crate::format::json::{self, Serialize};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::Entry;
use crate::project::{Commit, DIRECTORY, Project, is_shallow};
use crate::{process, terminal};
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

const LINES: usize = 50;
/// Commits that are looked at.
const COMMITS_MAX: &str = "--max-count=20000";
/// Commits whose lists of files are kept.
const COMMITS_KEPT: usize = 1000;
const LOG_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A commit that Git lists, the newest first.
struct Step {
    id: String,
    parents: Vec<String>,
    time: u64,
    author: String,
}

#[derive(Serialize)]
struct LogJson {
    changes: Vec<Change>,
    skipped: Vec<String>,
}

#[derive(Serialize)]
struct Change {
    time: u64,
    author: String,
    action: String,
    service: String,
    env: String,
    key: String,
    version: u32,
    commit: String,
}

/// What is told of an entry, and by what it is known again in another commit.
struct Mark {
    author: String,
    author_name: String,
    time: u64,
    version: u32,
    content: [Digest; 2],
}

/// The entries of a scope at one commit, by key.
type State = Rc<BTreeMap<String, Vec<Mark>>>;

/// `kagi log [SERVICE [ENV [KEY]]]`.
///
/// # Errors
/// Usage; no commit.
pub fn log(input: &mut Input) -> std::result::Result<u8, Failure> {
    let count = match input.text("count")? {
        None => LINES,
        Some(text) => text.parse().map_err(|_| Failure::usage("-n takes a number of lines"))?,
    };
    let project = open(input)?;
    let (words, key) = words_and_key(&project, input)?;
    let steps = steps(&project, &words)?;
    let mut walk = Walk {
        project: &project,
        words,
        key,
        commits: BTreeMap::new(),
        opened: BTreeMap::new(),
        states: BTreeMap::new(),
        skipped: Vec::new(),
    };
    let mut changes = Vec::new();
    for step in steps {
        changes.extend(walk.changes(&step));
        if changes.len() >= count {
            break;
        }
    }
    changes.truncate(count);
    for line in &walk.skipped {
        terminal::note(&format!("note: left out {line}"));
    }
    if is_shallow(&project.site.root) {
        terminal::note(
            "note: this clone is shallow: what is older shows as set in its first commit",
        );
    }
    if changes.is_empty() {
        terminal::note("no commit changes such a key");
        if let Some(near) = walk.key.as_ref().and_then(|key| near_place(&project, key)) {
            terminal::note(&format!("note: did you mean {}?", quoted(&near)));
        }
    }
    let text = if input.has("json") {
        json::write(&LogJson { changes, skipped: walk.skipped })
    } else {
        changes.iter().map(line).collect()
    };
    print_lines(input, &text)?;
    Ok(0)
}

/// What is asked about; a key is one of one scope.
fn words_and_key(
    project: &Project,
    input: &Input,
) -> std::result::Result<(Words, Option<String>), Failure> {
    let mut words = Words::greedy(project, input, 1)?;
    let key = words.rest.pop();
    if let Some(key) = &key {
        let target = words.target(project);
        // Without a service the word may have been meant as one.
        let target = target.map_err(|missing| words.neither_or(project, key, missing))?;
        (words.service, words.env) = (Some(target.service), Some(target.env));
    }
    Ok((words, key))
}

fn line(change: &Change) -> String {
    let Change { author, action, service, env, key, commit, .. } = change;
    let mut line =
        format!("{}  {author}  {action} {key} in {service}/{env}", terminal::date(change.time));
    if change.version > 0 {
        // Writing to a string cannot fail.
        let _ = write!(line, " (version {})", change.version);
    }
    format!("{line}  {commit}\n")
}

/// The commits that touch scopes, in one call.
fn steps(project: &Project, words: &Words) -> std::result::Result<Vec<Step>, Failure> {
    let below = ScopeKind::ALL.map(|kind| {
        let below = match (&words.service, &words.env) {
            (Some(service), Some(env)) => ScopeName::values(service, env).of_kind(kind).file(),
            (Some(service), None) => format!("{}/{service}", kind.directory()),
            _ => kind.directory().to_string(),
        };
        format!("{DIRECTORY}/{below}")
    });
    let arguments = [
        "--literal-pathspecs",
        "log",
        "-z",
        "--no-show-signature",
        COMMITS_MAX,
        "--format=%H%x00%P%x00%at%x00%an",
        "HEAD",
        "--",
        &below[0],
        &below[1],
    ];
    let failed = || Failure::new("Git has no log here").hint("git log");
    let bytes =
        process::git_bytes(&project.site.root, &arguments, LOG_BYTES_MAX).ok_or_else(failed)?;
    let text = String::from_utf8_lossy(&bytes);
    let fields: Vec<_> = text.split('\0').collect();
    let step = |fields: &[&str]| match fields {
        [id, parents, time, author] => Some(Step {
            id: (*id).to_string(),
            parents: parents.split_ascii_whitespace().map(String::from).collect(),
            time: time.parse().ok()?,
            author: safe(author),
        }),
        _ => None,
    };
    Ok(fields.chunks(4).filter_map(step).collect())
}

/// What has been read so far, so that nothing is read or opened twice.
struct Walk<'a> {
    project: &'a Project,
    words: Words,
    key: Option<String>,
    commits: BTreeMap<String, Commit>,
    /// By the contents of `kagi.json` and `access.json`.
    opened: BTreeMap<[String; 2], Option<Project>>,
    /// By those and the content of the scope's file.
    states: BTreeMap<(ScopeName, [String; 2], String), Option<State>>,
    skipped: Vec<String>,
}

impl Walk<'_> {
    /// What a commit has changed against its parents, by scope and key.
    fn changes(&mut self, step: &Step) -> Vec<Change> {
        let Some(commit) = self.commit(&step.id) else { return Vec::new() };
        let parents: Vec<_> = step.parents.iter().filter_map(|id| self.commit(id)).collect();
        let files = parents.iter().chain([&commit]).flat_map(Commit::files);
        let names = files.filter_map(ScopeName::of_file);
        let names: BTreeSet<_> = names.filter(|name| self.is_chosen(name)).collect();
        let mut changes = Vec::new();
        for name in names {
            let file = name.file();
            if parents.iter().any(|parent| parent.blob(&file) == commit.blob(&file)) {
                continue;
            }
            let olds: Vec<_> =
                parents.iter().filter_map(|parent| self.state(parent, &name)).collect();
            if let Some(new) = self.state(&commit, &name) {
                self.compare(step, &commit, &name, &olds, &new, &mut changes);
            }
        }
        changes
    }

    fn is_chosen(&self, name: &ScopeName) -> bool {
        self.project.access().scope_key(name).is_some()
            && is_chosen(self.project, &self.words, name)
    }

    fn compare(
        &self,
        step: &Step,
        commit: &Commit,
        name: &ScopeName,
        olds: &[State],
        new: &State,
        changes: &mut Vec<Change>,
    ) {
        let keys: BTreeSet<_> = olds.iter().chain([new]).flat_map(|state| state.keys()).collect();
        let is_meant =
            |key: &&String| self.key.as_ref().is_none_or(|word| name.is_meant(key, word));
        for key in keys.into_iter().filter(is_meant) {
            let mut add = |time, author: &str, action: &str, version| {
                changes.push(Change {
                    time,
                    author: author.to_string(),
                    action: action.to_string(),
                    service: name.service.clone(),
                    env: name.env.clone(),
                    key: name.labelled(key),
                    version,
                    commit: commit.short().to_string(),
                });
            };
            let before: Vec<_> = olds.iter().filter_map(|state| state.get(key)).collect();
            match new.get(key) {
                None if before.len() == olds.len() => add(step.time, &step.author, "deleted", 0),
                None => {}
                Some(marks) => {
                    let is_new = |mark: &&Mark| {
                        let is_same = |old: &Mark| {
                            (old.time, &old.author, old.content)
                                == (mark.time, &mark.author, mark.content)
                        };
                        !before.iter().any(|old| old.iter().any(is_same))
                    };
                    let action = if before.is_empty() { "set" } else { "changed" };
                    for mark in marks.iter().filter(is_new) {
                        add(mark.time, &mark.author_name, action, mark.version);
                    }
                }
            }
        }
    }

    fn commit(&mut self, id: &str) -> Option<Commit> {
        if let Some(commit) = self.commits.get(id) {
            return Some(commit.clone());
        }
        // A parent that a shallow or partial clone lacks.
        let commit = Commit::of(&self.project.site.root, id).ok()?;
        if self.commits.len() == COMMITS_KEPT {
            self.commits.clear();
        }
        self.commits.insert(id.to_string(), commit.clone());
        Some(commit)
    }

    /// A scope at a commit; `None` if it cannot be accepted, which is said once.
    fn state(&mut self, commit: &Commit, name: &ScopeName) -> Option<State> {
        let blob = |name: &str| commit.blob(name).unwrap_or_default().to_string();
        let roster = commit.claims();
        if roster.iter().all(String::is_empty) {
            return Some(State::default()); // The project was not there yet.
        }
        let place = (name.clone(), roster.clone(), blob(&name.file()));
        if let Some(state) = self.states.get(&place) {
            return state.clone();
        }
        let past = match self.opened.entry(roster) {
            Occupied(entry) => entry.into_mut(),
            Vacant(entry) => {
                let past = open_past(self.project, commit.clone(), commit.short());
                let why =
                    past.as_ref().err().map(|why| format!("{}: {}", commit.short(), why.message()));
                self.skipped.extend(why);
                entry.insert(past.ok())
            }
        };
        let state = match past.as_mut().map(|past| state_of(past, commit, name)) {
            None => None,
            Some(Ok(state)) => Some(state),
            Some(Err(error)) => {
                let why = Failure::from(error);
                self.skipped.push(format!("{}: {}", commit.short(), why.message()));
                None
            }
        };
        self.states.insert(place, state.clone());
        state
    }
}

/// Opens a scope at a commit that has the roster of `past`.
fn state_of(past: &mut Project, commit: &Commit, name: &ScopeName) -> Result<State> {
    past.go_to(commit);
    let found = match past.load(name) {
        Err(error) if error.kind == Kind::Missing => None,
        found => found?,
    };
    let mut state = BTreeMap::new();
    for (key, entries) in found.unwrap_or_default().scope.iter() {
        state.insert(key.to_string(), entries.iter().map(|entry| mark(past, entry)).collect());
    }
    Ok(Rc::new(state))
}

fn mark(past: &Project, entry: &Entry) -> Mark {
    Mark {
        author: entry.author.to_string(),
        author_name: author_name(past, &entry.author),
        time: entry.time,
        version: entry.version,
        content: [hash(entry.value.expose()), hash(entry.description.as_bytes())],
    }
}
