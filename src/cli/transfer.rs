//! `copy` and `move`: values from one scope, or name, to another.
//!
//! Promises: the target is written first, in one write, and then the source: whoever is stopped
//! between has the keys in both, and the same again finishes. Refuses, before anything is written,
//! keys in conflict, places that this member may not open, and to overwrite another value without
//! `--force`.

use crate::cli::args::Input;
use crate::cli::dotenv::check_new_names;
use crate::cli::exposure::exposures;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::{Words, check_new_service, near_place, unknown_env, unknown_key};
use crate::cli::{author, load, open_to_write, remember, save, single};
use crate::error::{Error, Kind};
use crate::format::names::{check_key, check_place};
use crate::format::scope_file::ScopeName;
use crate::project::Project;
use crate::scope::{Author, Scope};
use crate::secret::Secret;
use crate::terminal;

/// Said of a refusal.
const NOTHING: &str = "nothing was written";

/// One key: its name here and there.
struct Step {
    key: String,
    new: String,
    /// True if the target has the same already.
    is_there: bool,
}

/// `kagi copy [service] [env] KEY… --to PLACE --as NAME`, and `kagi move` of the same.
///
/// # Errors
/// Usage; a key that is not there; a place or name that may not be; everything that keeps the target
/// from being written, or the source, which is said.
pub fn transfer(input: &mut Input) -> Result<u8, Failure> {
    let moves = input.command.name == "move";
    let (project, lock) = open_to_write(input)?;
    let words = Words::greedy(&project, input, usize::MAX)?;
    words.check_known(&project)?;
    let from = words.target(&project)?;
    let mut source = load(&project, &from)?.scope;
    let to = place(&project, input, &from)?;
    let mut steps = steps(&project, input, words.rest, (&from, &source), &to)?;
    let mut target = load(&project, &to)?.scope;
    let mut differing = Vec::new();
    for step in &mut steps {
        if take(&project, step, (&from, &source), (&to, &mut target))? {
            differing.push(step.new.clone());
        }
    }
    if !differing.is_empty() && !input.has("force") {
        let message = format!("{to} has other values for {}; {NOTHING}", differing.join(", "));
        return Err(Failure::new(message).hint("--force overwrites them"));
    }
    let is_within = from == to;
    if moves {
        let left = if is_within { &mut target } else { &mut source };
        for step in &steps {
            left.unset(&step.key);
        }
        if !left.conflicts().is_empty() {
            let error = Error::new(Kind::Conflict, left.conflicts().join(", "));
            return Err(Failure::from(error).and(NOTHING));
        }
        if !is_within {
            note_exposed(&project, &from, &steps)?;
        }
    }
    if steps.iter().any(|step| !step.is_there) || (moves && is_within) {
        save(&project, &lock, &to, target)?;
    }
    if moves && !is_within {
        let saved = project.save(&lock, &from, source);
        let both = format!("the keys are in {to} and still in {from}");
        saved
            .map_err(|error| Failure::from(error).and(&both).hint("the same again finishes it"))?;
        remember(&project);
    }
    for step in &steps {
        terminal::note(&step.line(&from, &to, moves));
    }
    Ok(0)
}

/// Says who could read what is moved: of the target they may never have been readers, and then nobody
/// can tell any more.
fn note_exposed(project: &Project, from: &ScopeName, steps: &[Step]) -> Result<(), Failure> {
    let is_moved = |key: &String| steps.iter().any(|step| step.key == *key);
    for one in exposures(project)? {
        if one.service == from.service && one.env == from.env && one.keys.iter().any(is_moved) {
            terminal::note(&format!("note: {}", one.line()));
        }
    }
    Ok(())
}

impl Step {
    fn line(&self, from: &ScopeName, to: &ScopeName, moves: bool) -> String {
        let (key, new) = (quoted(&self.key), quoted(&self.new));
        let same = format!("{new} in {to} has that value already");
        match (self.is_there, moves) {
            (false, false) => format!("copied {key} in {from} to {new} in {to}"),
            (false, true) => format!("moved {key} in {from} to {new} in {to}"),
            (true, false) => same,
            (true, true) => format!("{same}; deleted {key} in {from}"),
        }
    }
}

/// The scope that `--to` means: an environment of the same service, a service of the same
/// environment, or both with a `/`. Only with both a service is made that is not there yet.
fn place(project: &Project, input: &Input, from: &ScopeName) -> Result<ScopeName, Failure> {
    let Some(place) = input.text("to")? else {
        return Ok(from.clone());
    };
    let (service, env) = match place.split_once('/') {
        Some(both) => both,
        None if project.config.is_env(place) => (from.service.as_str(), place),
        None => (place, from.env.as_str()),
    };
    if !project.config.is_env(env) {
        return Err(unknown_env(project, env).and(NOTHING));
    }
    let is_meant = place.contains('/') && near_place(project, service).is_none();
    if !is_meant && !project.is_known(service) {
        let failure = Words::default().neither(project, service).and(NOTHING);
        let makes_one = check_place(service).is_ok() && near_place(project, service).is_none();
        let hint = || format!("--to {service}/{env} makes that service");
        return Err(if makes_one { failure.hint(hint()) } else { failure });
    }
    let to = ScopeName::values(service, env);
    check_new_service(project, &to)?;
    Ok(to)
}

/// The keys that are named, each once, or all of them; and what they are to be called.
fn steps(
    project: &Project,
    input: &Input,
    mut keys: Vec<String>,
    (from, source): (&ScopeName, &Scope),
    to: &ScopeName,
) -> Result<Vec<Step>, Failure> {
    let (name, is_all, new_name) = (input.command.name, input.has("all"), input.text("as")?);
    let usage = |message| Failure::usage(message).hint(format!("kagi {name} --help"));
    if keys.is_empty() != is_all {
        return Err(usage("either keys are named, or --all"));
    }
    if is_all {
        keys = source.iter().map(|(key, _)| key.to_string()).collect();
    }
    keys.sort();
    keys.dedup();
    if new_name.is_some() && (is_all || keys.len() > 1) {
        return Err(usage("--as is the new name of one key"));
    }
    if keys.is_empty() {
        return Err(Failure::new(format!("{from} has no secrets")));
    }
    for key in &keys {
        if source.get(key).is_empty() {
            return Err(unknown_key(project, from, source, key).and(NOTHING));
        }
        let new = new_name.unwrap_or(key);
        if from == to && new == key {
            return Err(usage("neither --to names another scope nor --as another name"));
        }
        check_key(new)?;
        check_new_names(project, input, to, std::iter::once(new))?;
    }
    let step = |key: String| {
        let new = new_name.unwrap_or(&key).to_string();
        Step { key, new, is_there: false }
    };
    Ok(keys.into_iter().map(step).collect())
}

/// Sets one key of the target, with the description that it has, and what is known of its readers;
/// true if the target had another value.
fn take(
    project: &Project,
    step: &mut Step,
    (from, source): (&ScopeName, &Scope),
    (to, target): (&ScopeName, &mut Scope),
) -> Result<bool, Failure> {
    let there = single(project, to, &step.new, target.get(&step.new))?;
    let Some(entry) = single(project, from, &step.key, source.get(&step.key))? else {
        return Ok(false);
    };
    let differs = there.is_some_and(|there| there.value.expose() != entry.value.expose());
    let description = Some(entry.description.as_str()).filter(|text| !text.is_empty());
    // Who could read it before a removal still knows it, wherever it is now.
    let author = Author { epoch: entry.epoch, ..author(project) };
    let value = Secret::copy_of(entry.value.expose());
    step.is_there = !target.set(&step.new, value, description, author)?;
    Ok(differs)
}
