//! `resolve`: chooses between values that two branches gave to one key; with `--from REV`, takes
//! over what was written under the old key in parallel to a rotation.
//!
//! Promises: asks without the lock, and looks again with it: what was chosen is what is written, or
//! nothing is.

use crate::cli::args::Input;
use crate::cli::diff::open_commit;
use crate::cli::get::{chosen_scopes, shown_value};
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::restore::note_old_epoch;
use crate::cli::words::Words;
use crate::cli::{author, load, may_reveal, open, open_to_write, save, written};
use crate::disk::Lock;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::Entry;
use crate::project::{Project, TakenOver};
use crate::scope::{Scope, agree};
use crate::terminal;
use std::collections::BTreeSet;

/// What was chosen in a scope.
struct Choice {
    target: ScopeName,
    entries: Vec<Entry>,
    /// How many keys are in conflict.
    count: usize,
}

impl Choice {
    fn is_complete(&self) -> bool {
        self.entries.len() == self.count
    }
}

/// `kagi resolve [service] [env] [KEY]`.
///
/// # Errors
/// Usage; no such conflict; everything that keeps the scope from being written; keys that nobody
/// has chosen a value for.
pub fn resolve(input: &mut Input) -> Result<u8, Failure> {
    if let Some(revision) = input.text("from")? {
        return resolve_older(input, revision);
    }
    let (choices, code) = choose(&open(input)?, input)?;
    if choices.is_empty() && code == 0 {
        terminal::note("nothing is in conflict");
    }
    if choices.iter().any(|choice| !choice.entries.is_empty()) {
        let (project, lock) = open_to_write(input)?;
        for choice in choices.iter().filter(|choice| !choice.entries.is_empty()) {
            take(&project, &lock, choice)?;
        }
    }
    let Some(Choice { target, .. }) = choices.iter().find(|choice| !choice.is_complete()) else {
        return Ok(code);
    };
    let count: usize = choices.iter().map(|choice| choice.count).sum();
    let resolved: usize = choices.iter().map(|choice| choice.entries.len()).sum();
    let message = format!("{} of {count} keys are still in conflict", count - resolved);
    let hint = format!("kagi resolve {} {} --take N", target.service, target.env);
    Err(Failure::new(message).hint(hint))
}

/// Shows the conflicts and asks: what was chosen where, and 1 if a scope does not open.
fn choose(project: &Project, input: &Input) -> Result<(Vec<Choice>, u8), Failure> {
    let words = Words::greedy(project, input, 1)?;
    words.check_known(project)?;
    let key = words.rest.first();
    may_reveal_conflicts(input)?;
    let is_one = key.is_some() || words.service.is_some() || words.env.is_some();
    let mut scopes = project.all_scopes()?;
    // A limited member sees what it may open.
    scopes.retain(|name| project.access().scope_key(name).is_some());
    if is_one || input.has("take") {
        let target = words.target(project)?;
        scopes = ScopeKind::ALL.map(|kind| target.of_kind(kind)).to_vec();
    }
    let (mut choices, mut code) = (Vec::new(), 0);
    for target in scopes {
        // One damaged scope does not hide the conflicts of the others.
        match load(project, &target) {
            Ok(found) => choices.push(ask_for_all(project, input, target, &found.scope, key)?),
            Err(failure) if is_one => return Err(failure),
            Err(failure) => {
                failure.report();
                code = 1;
            }
        }
    }
    choices.retain(|choice| choice.count > 0);
    match key.filter(|_| choices.is_empty()) {
        Some(key) => Err(Failure::new(format!("{} is not in conflict", quoted(key)))),
        None => Ok((choices, code)),
    }
}

fn may_reveal_conflicts(input: &Input) -> Result<(), Failure> {
    if input.has("show") { may_reveal("the values in conflict") } else { Ok(()) }
}

/// Asks for all keys of a scope that are in conflict, or for one of them.
fn ask_for_all(
    project: &Project,
    input: &Input,
    target: ScopeName,
    scope: &Scope,
    key: Option<&String>,
) -> Result<Choice, Failure> {
    let mut choice = Choice { target, entries: Vec::new(), count: 0 };
    let place = choice.target.clone();
    let is_meant = |name: &&str| key.is_none_or(|word| place.is_meant(name, word));
    for name in scope.conflicts().into_iter().filter(is_meant) {
        choice.count += 1;
        let chosen = ask_for(project, input, &choice.target, name, scope.get(name))?;
        choice.entries.extend(chosen.map(Entry::duplicate));
    }
    Ok(choice)
}

/// Shows what a key could be, and takes the answer or `--take`.
fn ask_for<'a>(
    project: &Project,
    input: &Input,
    target: &ScopeName,
    name: &str,
    entries: &'a [Entry],
) -> Result<Option<&'a Entry>, Failure> {
    terminal::note(&format!("{} in {target}", quoted(name)));
    for (at, entry) in entries.iter().enumerate() {
        let line = format!("{}: {}, version {}", at + 1, written(project, entry), entry.version);
        terminal::note(&format!("  {line}"));
        if input.has("show") {
            terminal::note_secret(shown_value(entry, "     ").expose());
        }
    }
    let answer = match taken(input, target, name)? {
        Some(number) => number,
        None => terminal::answer("kagi: which one is right? (a number; nothing leaves it): "),
    };
    if answer.is_empty() {
        return Ok(None);
    }
    let index = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    if let Some(entry) = index.and_then(|index| entries.get(index)) {
        return Ok(Some(entry));
    }
    Err(Failure::usage(format!("{} has no such value; nothing was written", quoted(name))))
}

/// What `--take N`, or `--take KEY=N` for this key, says.
fn taken(input: &Input, target: &ScopeName, name: &str) -> Result<Option<String>, Failure> {
    let mut taken = None;
    for text in input.all("take")? {
        match text.rsplit_once('=') {
            None => taken = Some(text.clone()),
            Some((key, number)) if target.is_meant(name, key) => {
                return Ok(Some(number.to_string()));
            }
            Some(_) => {}
        }
    }
    Ok(taken)
}

/// Writes one scope with what was chosen.
fn take(project: &Project, lock: &Lock, choice: &Choice) -> Result<(), Failure> {
    let target = &choice.target;
    let mut scope = project.load(target)?.unwrap_or_default().scope;
    settle(project, choice, &mut scope)?;
    let names: Vec<_> = choice.entries.iter().map(|entry| &*entry.name).collect();
    save(project, lock, target, scope)?;
    terminal::note(&format!("resolved {} in {target}", names.join(", ")));
    Ok(())
}

/// Ends the conflicts of a scope with what was chosen.
fn settle(project: &Project, choice: &Choice, scope: &mut Scope) -> Result<(), Failure> {
    for entry in &choice.entries {
        let index = scope.get(&entry.name).iter().position(|other| other.is_same(entry));
        if !index.is_some_and(|index| scope.resolve(&entry.name, index, author(project))) {
            let message =
                format!("{} in {} was changed meanwhile", quoted(&entry.name), choice.target);
            return Err(Failure::new(message).and("nothing was written").hint("kagi resolve"));
        }
    }
    Ok(())
}

/// `kagi resolve --from REV [service] [env]`.
fn resolve_older(input: &Input, revision: &str) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    let past = open_commit(&project, revision)?;
    may_reveal_conflicts(input)?;
    let mut choices = Vec::new();
    for target in chosen_scopes(&project, &words, &ScopeKind::ALL)? {
        let Some(taken) = project.take_over(&target, &past)? else { continue };
        let choice = ask_for_all(&project, input, target, &taken.scope, None)?;
        if !choice.is_complete() {
            let (keys, target) = (taken.scope.conflicts().join(", "), choice.target);
            let message = format!("{keys} in {target} has different values on both sides");
            let (revision, ScopeName { service, env, .. }) = (shell_word(revision), target);
            return Err(Failure::new(message)
                .and("nothing was written")
                .hint(format!("kagi resolve --from {revision} {service} {env} --take N")));
        }
        choices.push(choice);
    }
    if choices.is_empty() {
        terminal::note("nothing was written under an older key");
        return Ok(0);
    }
    let (project, lock) = open_to_write(input)?;
    for choice in &choices {
        take_over(&project, &lock, choice, &past)?;
    }
    note_old_epoch(&project, &past);
    Ok(0)
}

fn take_over(
    project: &Project,
    lock: &Lock,
    choice: &Choice,
    past: &Project,
) -> Result<(), Failure> {
    let target = &choice.target;
    let Some(TakenOver { mut scope, before }) = project.take_over(target, past)? else {
        return Ok(());
    };
    settle(project, choice, &mut scope)?;
    let keys: BTreeSet<_> = scope.iter().chain(before.iter()).map(|(key, _)| key).collect();
    let taken = keys.into_iter().filter(|key| !agree(scope.get(key), before.get(key)));
    let taken: Vec<_> = taken.map(String::from).collect();
    save(project, lock, target, scope)?;
    let keys = if taken.is_empty() { "no key".to_string() } else { taken.join(", ") };
    terminal::note(&format!("took over {keys} in {target} from the older key"));
    Ok(())
}
