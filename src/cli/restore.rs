//! `restore --from REV` and `resolve --from REV`: what an old commit holds, taken over into now.

use crate::cli::args::Input;
use crate::cli::backup;
use crate::cli::diff::open_commit;
use crate::cli::get::is_chosen;
use crate::cli::report::{Failure, quoted};
use crate::cli::values::ask_for;
use crate::cli::words::Words;
use crate::cli::{author, load, may_reveal, open, open_to_write, save, single};
use crate::disk::Lock;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::Entry;
use crate::project::{Project, TakenOver};
use crate::scope::{Author, Scope, agree};
use crate::secret::Secret;
use crate::terminal;
use std::collections::BTreeSet;

/// `kagi restore --from REV [service] [env] KEY`, or `kagi restore -f DIR`.
///
/// # Errors
/// Usage; what `backup::restore` fails with; a revision that cannot be read, or has no such key; everything that keeps the scope from
/// being written.
pub fn restore(input: &mut Input) -> Result<u8, Failure> {
    if input.has("file") {
        return backup::restore(input);
    }
    let Some(revision) = input.text("from")? else {
        let failure = Failure::usage("restore needs a commit, or a backup");
        return Err(failure.hint("kagi restore --from REV KEY, or kagi restore -f DIR"));
    };
    let (project, lock) = open_to_write(input)?;
    let words = Words::greedy(&project, input, 1)?;
    let Some(key) = words.rest.first() else {
        return Err(Failure::usage("restore takes the key to take back")
            .hint(format!("kagi diff {revision}")));
    };
    let target = words.target(&project)?;
    let past = open_commit(&project, revision)?;
    let then = load(&past, &target)?.scope;
    let Some(old) = single(&past, &target, key, then.get(key))? else {
        let message = format!("there was no key {} in {target} at {revision}", quoted(key));
        return Err(Failure::new(message).hint(format!("kagi diff {revision}")));
    };
    let mut scope = load(&project, &target)?.scope;
    let value = Secret::copy_of(old.value.expose());
    // Who knew the value then knows it now.
    let author = Author { epoch: old.epoch, ..author(&project) };
    if !scope.set(key, value, Some(&old.description), author)? {
        let named = quoted(key);
        terminal::note(&format!("{named} in {target} has that value already; nothing was written"));
        return Ok(0);
    }
    let version = scope.get(key).first().map_or(1, |entry| entry.version);
    save(&project, &lock, &target, scope)?;
    note_old_epoch(&project, &past);
    terminal::note(&format!("set {} in {target} (version {version})", quoted(key)));
    Ok(0)
}

/// A roster vouches for what the members of its own epoch have written, and for no more.
fn note_old_epoch(project: &Project, past: &Project) {
    let (now, then) = (project.access().epoch().number, past.access().epoch().number);
    if then < now {
        terminal::note(&format!(
            "note: what is of epoch {then} could have been written by who was a member then, and is known to it"
        ));
    }
}

/// `kagi resolve --from REV [service] [env]`: a scope that was written under the old key in parallel
/// to a rotation.
///
/// # Errors
/// Usage; a revision that cannot be read, or has not the keys; everything that keeps a scope from
/// being written; keys that nobody has chosen a value for.
pub fn resolve_stale(input: &Input) -> Result<u8, Failure> {
    let revision = input.text("from")?.unwrap_or_default();
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    let past = open_commit(&project, revision)?;
    let mut names = project.scopes(ScopeKind::Values)?;
    names.retain(|name| is_chosen(&project, &words, name));
    if input.has("show") {
        may_reveal("the values in conflict")?;
    }
    // Asked without the lock, and looked at again with it.
    let mut choices = Vec::new();
    for name in names {
        if let Some(taken) = project.take_over(&name, &past)? {
            let chosen = choose(&project, input, &name, &taken.scope)?;
            choices.push((name, chosen));
        }
    }
    if choices.is_empty() {
        terminal::note("nothing was written under an older key");
        return Ok(0);
    }
    let (project, lock) = open_to_write(input)?;
    for (name, chosen) in &choices {
        take_over(&project, &lock, name, &past, chosen)?;
    }
    note_old_epoch(&project, &past);
    Ok(0)
}

/// The entry that is right for each key in conflict.
fn choose(
    project: &Project,
    input: &Input,
    name: &ScopeName,
    scope: &Scope,
) -> Result<Vec<Entry>, Failure> {
    let open = scope.conflicts();
    let mut chosen = Vec::new();
    for key in &open {
        chosen.extend(ask_for(project, input, name, key, scope.get(key))?.map(Entry::duplicate));
    }
    if chosen.len() == open.len() {
        return Ok(chosen);
    }
    let message = format!("{} in {name} has different values on both sides", open.join(", "));
    Err(Failure::new(message)
        .and("nothing was written")
        .hint("kagi resolve --from REV SERVICE ENV --take N"))
}

fn take_over(
    project: &Project,
    lock: &Lock,
    name: &ScopeName,
    past: &Project,
    chosen: &[Entry],
) -> Result<(), Failure> {
    let Some(TakenOver { mut scope, before }) = project.take_over(name, past)? else {
        return Ok(());
    };
    for entry in chosen {
        let index = scope.get(&entry.name).iter().position(|other| other.is_same(entry));
        let is_done = index.is_some_and(|at| scope.resolve(&entry.name, at, author(project)));
        if !is_done {
            let message = format!("{} in {name} was changed meanwhile", quoted(&entry.name));
            return Err(Failure::new(message).and("nothing was written"));
        }
    }
    let keys: BTreeSet<_> = scope.iter().chain(before.iter()).map(|(key, _)| key).collect();
    let taken = keys.into_iter().filter(|key| !agree(scope.get(key), before.get(key)));
    let taken: Vec<_> = taken.map(String::from).collect();
    save(project, lock, name, scope)?;
    let keys = if taken.is_empty() { "no key".to_string() } else { taken.join(", ") };
    terminal::note(&format!("took over {keys} in {name} from the older key"));
    Ok(())
}
