//! `diff`: which keys differ between two states of the project, or two environments of one.
//!
//! Promises: names only, unless somebody at the terminal wants to see values; a scope that does not
//! open on a side is named, and the others are shown all the same.

use crate::cli::args::Input;
use crate::cli::get::shown_value;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::unknown_service;
use crate::cli::{may_reveal, open, remember};
use crate::error::Kind;
use crate::format::json::{self, Serialize};
use crate::format::scope_file::ScopeName;
use crate::format::snapshot::Entry;
use crate::project::{Commit, Project, is_shallow};
use crate::scope::{Scope, agree};
use crate::secret::Secret;
use crate::terminal::{self, GREEN, RED, YELLOW, tinted};
use std::collections::BTreeSet;
use std::io::stdout;

/// The project as a commit has it, that a person named.
///
/// # Errors
/// An unknown revision; a roster that cannot be accepted.
pub fn open_commit(project: &Project, revision: &str) -> Result<Project, Failure> {
    let root = &project.site.root;
    let commit = Commit::find(root, revision).map_err(|error| {
        let is_missing = error.kind == Kind::Missing;
        let failure = Failure::from(error);
        let is_cut = is_missing && is_shallow(root);
        if is_cut { failure.hint("git fetch --unshallow") } else { failure }
    })?;
    open_past(project, commit, revision)
}

/// The same for a commit that was found.
///
/// # Errors
/// A roster that cannot be accepted.
pub fn open_past(project: &Project, commit: Commit, shown: &str) -> Result<Project, Failure> {
    project.at(commit).map_err(|error| match error.kind {
        Kind::NotMember => {
            Failure::new(format!("this device was not a member at {}", quoted(shown)))
        }
        Kind::Missing => Failure::from(error).and("that commit has no project here"),
        _ => error.into(),
    })
}

#[derive(Serialize)]
struct DiffJson {
    from: String,
    to: String,
    scopes: Vec<ScopeJson>,
}

#[derive(Serialize)]
struct ScopeJson {
    service: String,
    env: String,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<String>,
}

/// Two scopes that both open.
struct Pair {
    heading: String,
    name: ScopeName,
    old: Scope,
    new: Scope,
}

/// `kagi diff [REV [REV]]`, `kagi diff ENV ENV`.
///
/// # Errors
/// Usage; a revision that cannot be read; scopes that do not open, after the others were shown.
pub fn diff(input: &mut Input) -> Result<u8, Failure> {
    let shows = input.has("show");
    if shows && input.has("json") {
        return Err(Failure::usage("--json never reveals a value").hint("kagi diff --json"));
    }
    let project = open(input)?;
    let words = input.texts()?;
    let past = |revision: &str| open_commit(&project, revision).map(Some);
    let (mut envs, mut before, mut after) = (None, None, None);
    match words.as_slice() {
        [one, two] if [one, two].iter().all(|env| project.config.is_env(env)) => {
            envs = Some((one.as_str(), two.as_str()));
        }
        [] => before = past("HEAD")?,
        [one] => before = past(one)?,
        [one, two] => (before, after) = (past(one)?, past(two)?),
        _ => return Err(Failure::usage("diff takes two words").hint("kagi diff --help")),
    }
    let sides = [before.as_ref().unwrap_or(&project), after.as_ref().unwrap_or(&project)];
    let (mut pairs, code) = open_pairs(&project, sides, names(input, sides, envs)?);
    pairs.retain(|pair| !changes(pair).is_empty());
    remember(&project);
    if shows && !pairs.is_empty() {
        may_reveal("the values that differ")?;
    }
    let text = if input.has("json") {
        let word = |at: usize, other: &str| words.get(at).map_or(other, String::as_str).to_string();
        let scopes = pairs.iter().map(json_of).collect();
        let json = DiffJson { from: word(0, "HEAD"), to: word(1, ""), scopes };
        Secret::from_vec(json::write(&json).into_bytes())
    } else {
        text_of(&pairs, shows)
    };
    if pairs.is_empty() && code == 0 {
        terminal::note("nothing differs");
    }
    terminal::print(text.expose())?;
    Ok(code)
}

/// The scopes to compare, sorted: the same one on both sides, or two environments of a service.
fn names(
    input: &Input,
    [old, new]: [&Project; 2],
    envs: Option<(&str, &str)>,
) -> Result<BTreeSet<[ScopeName; 2]>, Failure> {
    let mut names = BTreeSet::new();
    for name in old.all_scopes()?.into_iter().chain(new.all_scopes()?) {
        match envs {
            None => drop(names.insert([name.clone(), name])),
            Some((one, two)) if [one, two].contains(&name.env.as_str()) => {
                let of = |env: &str| ScopeName { env: env.to_string(), ..name.clone() };
                names.insert([of(one), of(two)]);
            }
            Some(_) => {}
        }
    }
    if let Some(service) = input.text("service")? {
        names.retain(|[name, _]| name.service == service);
        if names.is_empty() {
            return Err(unknown_service(new, service));
        }
    }
    Ok(names)
}

/// Opens both sides of each; 1 if one of them does not open.
fn open_pairs(
    project: &Project,
    [old, new]: [&Project; 2],
    names: BTreeSet<[ScopeName; 2]>,
) -> (Vec<Pair>, u8) {
    let (mut pairs, mut code) = (Vec::new(), 0);
    for [one, two] in names {
        // A limited member sees what it may open.
        if [&one, &two].iter().all(|name| project.access().scope_key(name).is_none()) {
            continue;
        }
        match (open_side(old, &one), open_side(new, &two)) {
            (Ok(old), Ok(new)) => {
                let heading =
                    if one == two { one.to_string() } else { format!("{one} -> {}", two.env) };
                pairs.push(Pair { heading, name: two, old, new });
            }
            (one, two) => {
                code = 1;
                [one, two].into_iter().filter_map(Result::err).for_each(|error| error.report());
            }
        }
    }
    (pairs, code)
}

/// A scope; empty where it, or its environment, is not there.
fn open_side(project: &Project, name: &ScopeName) -> Result<Scope, Failure> {
    if !project.config.is_env(&name.env) {
        return Ok(Scope::default());
    }
    Ok(project.load(name)?.unwrap_or_default().scope)
}

/// What became of a key, with its entries on both sides.
type Change<'a> = (char, &'a str, [&'a [Entry]; 2]);

/// The keys that differ, sorted.
fn changes(pair: &Pair) -> Vec<Change<'_>> {
    let names = pair.old.iter().chain(pair.new.iter()).map(|(name, _)| name);
    let names: BTreeSet<_> = names.collect();
    let change = |name| {
        let (old, new) = (pair.old.get(name), pair.new.get(name));
        let mark = match (old, new) {
            ([], _) => '+',
            (_, []) => '-',
            _ if agree(old, new) => return None,
            _ => '~',
        };
        Some((mark, name, [old, new]))
    };
    names.into_iter().filter_map(change).collect()
}

fn text_of(pairs: &[Pair], shows: bool) -> Secret {
    let mut text = Secret::with_capacity(4096);
    for pair in pairs {
        text.push(format!("{}\n", pair.heading).as_bytes());
        for (mark, name, sides) in changes(pair) {
            let colour = match mark {
                '+' => GREEN,
                '-' => RED,
                _ => YELLOW,
            };
            let mark = tinted(&stdout(), colour, &mark.to_string());
            text.push(format!("  {mark} {name}\n").as_bytes());
            for (sign, entries) in ["- ", "+ "].into_iter().zip(sides).filter(|_| shows) {
                for entry in entries {
                    text.push(format!("      {sign}").as_bytes());
                    text.push(shown_value(entry, "        ").expose());
                    text.push(b"\n");
                }
            }
        }
    }
    text
}

fn json_of(pair: &Pair) -> ScopeJson {
    let changes = changes(pair);
    let marked = |mark| {
        let marked = changes.iter().filter(|(other, ..)| *other == mark);
        marked.map(|(_, name, _)| pair.name.labelled(name)).collect()
    };
    ScopeJson {
        service: pair.name.service.clone(),
        env: pair.name.env.clone(),
        added: marked('+'),
        removed: marked('-'),
        changed: marked('~'),
    }
}
