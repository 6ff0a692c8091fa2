//! From `.env` files to scopes: what `init` finds and offers to import, and `sync`.
//!
//! Promises: nothing is overwritten; a file that cannot be read whole is left out and named.

use crate::cli::args::Input;
use crate::cli::check::{EXAMPLE, find_example};
use crate::cli::dotenv::{full_env_name, read, take_over, warn};
use crate::cli::report::{Failure, quoted};
use crate::cli::variables::is_unsafe_key;
use crate::cli::words::{Words, check_new_service, unknown_env};
use crate::cli::{author, check_names, load, open_to_write, save};
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::config::Config;
use crate::format::dotenv::{self, Parsed};
use crate::format::names::check_place;
use crate::format::scope_file::ScopeName;
use crate::scope::{Author, Scope};
use crate::terminal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How deep below the root `.env` files are looked for.
const DEPTH_MAX: usize = 4;
/// Files that are offered at most.
const FILES_MAX: usize = 256;
/// Directories of other people's code, and of what builds make.
const SKIPPED: [&str; 8] =
    ["node_modules", "target", "vendor", "dist", "build", "venv", "__pycache__", "coverage"];
/// What follows `.env.` in files that hold no values of their own.
const NOT_VALUES: [&str; 12] = [
    "example", "sample", "template", "dist", "defaults", "schema", "bak", "backup", "old", "orig",
    "vault", "keys",
];

/// A `.env` file that can be imported.
pub struct Candidate {
    /// Where it is.
    pub path: PathBuf,
    /// Its directory below the root, with `/`; empty for the root.
    pub directory: String,
    /// The environment that its name means; empty for the default one.
    pub env: String,
}

/// The `.env` files below a directory; and those that somebody has to decide about.
///
/// # Errors
/// `Read`.
pub fn discover(root: &Path) -> Result<(Vec<Candidate>, Vec<PathBuf>), Failure> {
    let (mut candidates, mut undecided) = (Vec::new(), Vec::new());
    walk(root, "", DEPTH_MAX, &mut |directory, name| {
        let path = root.join(directory).join(name);
        let suffix = name
            .strip_prefix(".env")
            .and_then(|rest| if rest.is_empty() { Some("") } else { rest.strip_prefix('.') });
        match suffix {
            None => {}
            Some(suffix) if NOT_VALUES.contains(&suffix) => {}
            Some(suffix)
                if suffix.is_empty()
                    || check_place(suffix).is_ok()
                        && !suffix.contains('.')
                        && suffix != "local" =>
            {
                candidates.push(Candidate {
                    path,
                    directory: directory.to_string(),
                    env: full_env_name(suffix).to_string(),
                });
            }
            Some(_) => undecided.push(path),
        }
    })?;
    candidates.truncate(FILES_MAX);
    Ok((candidates, undecided))
}

fn walk(
    root: &Path,
    below: &str,
    depth: usize,
    visit: &mut dyn FnMut(&str, &str),
) -> Result<(), Failure> {
    for entry in disk::list(&root.join(below))? {
        let is_open = !entry.name.starts_with('.') && !SKIPPED.contains(&entry.name.as_str());
        if entry.is_directory && is_open && depth > 0 {
            let next =
                if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
            walk(root, &next, depth - 1, visit)?;
        } else if entry.is_file && entry.name.starts_with(".env") {
            visit(below, &entry.name);
        }
    }
    Ok(())
}

/// Names the service of every directory, and adds the mapping that `kagi.json` needs for it.
/// Files whose directory can be no service are dropped and given back.
pub fn map_services(
    config: &mut Config,
    candidates: Vec<Candidate>,
) -> (Vec<(String, Candidate)>, Vec<PathBuf>) {
    let (mut mapped, mut dropped) = (Vec::new(), Vec::new());
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let usual = if config.nested { "app".to_string() } else { config.default_service.clone() };
    for candidate in candidates {
        let directory = candidate.directory.clone();
        let last = directory.rsplit('/').next().unwrap_or_default().to_string();
        let short = if directory.is_empty() { usual.clone() } else { last };
        let is_free = |name: &str| owners.get(name).is_none_or(|owner| *owner == directory);
        let name = [short, directory.replace('/', "-")]
            .into_iter()
            .find(|name| check_place(name).is_ok() && !config.is_env_like(name) && is_free(name));
        let Some(name) = name else {
            dropped.push(candidate.path);
            continue;
        };
        owners.insert(name.clone(), directory.clone());
        let is_implied = directory.is_empty() || (config.nested && name == directory);
        if !is_implied {
            config.paths.insert(directory, name.clone());
        }
        mapped.push((name, candidate));
    }
    (mapped, dropped)
}

/// Reads the files into scopes. A file that breaks the rules is left out, and said so.
///
/// # Errors
/// `Limit`, `TooLarge`.
pub fn read_scopes(
    config: &Config,
    mapped: Vec<(String, Candidate)>,
    author: Author,
) -> Result<Vec<(ScopeName, Scope)>, Failure> {
    let mut scopes: BTreeMap<ScopeName, Scope> = BTreeMap::new();
    for (service, candidate) in mapped {
        let subject = candidate.path.to_string_lossy().into_owned();
        let env = if candidate.env.is_empty() { config.default_env.clone() } else { candidate.env };
        if !config.is_env(&env) {
            note_left_out(&candidate.path, &format!("there is no environment {}", quoted(&env)));
            continue;
        }
        match parse_safely(&candidate.path, &subject) {
            Ok(parsed) => {
                warn(&subject, &parsed);
                let scope = scopes.entry(ScopeName::values(&service, &env)).or_default();
                note_replaced(scope, &parsed, &subject);
                take_over(scope, parsed, author)?;
            }
            Err(failure) => note_left_out(&candidate.path, failure.message()),
        }
    }
    Ok(scopes.into_iter().collect())
}

/// Says why a file is left out.
pub fn note_left_out(path: &Path, why: &str) {
    terminal::note(&format!("note: {} is not imported: {why}", quoted(&path.to_string_lossy())));
}

/// Two files of one scope may disagree: the later one counts, and that is said.
fn note_replaced(scope: &Scope, parsed: &Parsed, subject: &str) {
    for one in &parsed.assignments {
        if scope.get(&one.name).iter().any(|entry| entry.value.expose() != one.value.expose()) {
            let (name, subject) = (quoted(&one.name), quoted(subject));
            terminal::note(&format!("note: {name} has several values; that in {subject} counts"));
        }
    }
}

fn parse_safely(path: &Path, subject: &str) -> Result<Parsed, Failure> {
    let parsed = dotenv::parse(subject, read(path)?.expose())?;
    match parsed.assignments.iter().find(|one| is_unsafe_key(&one.name)) {
        None => Ok(parsed),
        Some(one) => {
            let name = quoted(&one.name);
            Err(Failure::new(format!("{name} changes how programs are loaded or run")))
        }
    }
}

/// `kagi sync [service]`.
///
/// # Errors
/// Usage; a malformed file; everything that keeps a scope from being written.
pub fn sync(input: &mut Input) -> Result<u8, Failure> {
    let list = |text: Option<&str>| {
        text.map(|text| text.split(',').map(str::to_string).collect::<Vec<_>>())
    };
    let example = input.text("example")?.map(read_dotenv).transpose()?;
    let sources = list(input.text("sources")?).unwrap_or_default();
    let sources = sources.iter().map(|path| read_dotenv(path)).collect::<Result<Vec<_>, _>>()?;
    let (project, lock) = open_to_write(input)?;
    let words = Words::greedy(&project, input, 0)?;
    let target = words.target(&project)?;
    let envs = match list(input.text("envs")?) {
        None => vec![target.env.clone()],
        Some(all) if all == ["all"] => project.config.envs.clone(),
        Some(envs) => envs,
    };
    if let Some(unknown) = envs.iter().find(|env| !project.config.is_env(env)) {
        return Err(unknown_env(&project, unknown).and("nothing was written"));
    }
    check_new_service(&project, &target)?;
    let example = if let Some(example) = example {
        example
    } else {
        let found = find_example(&project, &target.service)?;
        let (subject, found) = found.ok_or_else(|| Error::new(Kind::Missing, EXAMPLE))?;
        warn(&subject, &found);
        found
    };
    check_names(input, example.names())?;
    for env in envs {
        let target = ScopeName::values(&target.service, &env);
        let mut scope = load(&project, &target)?.scope;
        let (added, unknown) = fill(&mut scope, &example, &sources, author(&project))?;
        if !added.is_empty() && !input.has("dry-run") {
            save(&project, &lock, &target, scope)?;
        }
        let verb = if input.has("dry-run") { "would add" } else { "added" };
        let names = if added.is_empty() { "nothing".to_string() } else { added.join(", ") };
        terminal::note(&format!("{target}: {verb} {names}"));
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            terminal::note(&format!("note: {target}: no value is known for {names}"));
        }
    }
    Ok(0)
}

fn read_dotenv(path: &str) -> Result<Parsed, Failure> {
    let parsed = dotenv::parse(path, read(Path::new(path))?.expose())?;
    warn(path, &parsed);
    Ok(parsed)
}

/// Adds the keys of the example that are missing: which were added, and which have no value.
fn fill(
    scope: &mut Scope,
    example: &Parsed,
    sources: &[Parsed],
    author: Author,
) -> Result<(Vec<String>, Vec<String>), Failure> {
    let (mut added, mut unknown) = (Vec::new(), Vec::new());
    for wanted in &example.assignments {
        if !scope.get(&wanted.name).is_empty() {
            continue;
        }
        let places = sources.iter().flat_map(|source| &source.assignments).chain([wanted]);
        let value = places.filter(|one| one.name == wanted.name).find(|one| !one.value.is_empty());
        match value {
            None => unknown.push(wanted.name.clone()),
            Some(one) => {
                let copy = crate::secret::Secret::copy_of(one.value.expose());
                scope.set(&wanted.name, copy, Some(&wanted.description), author)?;
                added.push(wanted.name.clone());
            }
        }
    }
    Ok((added, unknown))
}
