//! `restore --from REV` and `resolve --from REV`: what an old commit holds, taken over into now.

use crate::cli::args::Input;
use crate::cli::diff::open_commit;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::Words;
use crate::cli::{author, load, open_to_write, save, single, wants_help};
use crate::project::Project;
use crate::scope::Author;
use crate::secret::Secret;
use crate::terminal;

/// `kagi restore --from REV [service] [env] KEY`.
///
/// # Errors
/// Usage; a revision that cannot be read, or has no such key; everything that keeps the scope from
/// being written.
pub fn restore(mut input: Input) -> Result<u8, Failure> {
    if wants_help(&mut input)? {
        return Ok(0);
    }
    let Some(revision) = input.text("from")? else {
        return Err(Failure::usage("restore needs a commit").hint("kagi restore --from REV KEY"));
    };
    let (project, lock) = open_to_write(&input)?;
    let words = Words::greedy(&project, &input, 1)?;
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
            "note: that commit is of epoch {then}: who was a member before the rotation could have written it, and knows the value"
        ));
    }
}
