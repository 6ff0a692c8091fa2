//! `restore --from REV`: what a key had in an old commit, set anew.

use crate::cli::args::Input;
use crate::cli::backup;
use crate::cli::diff::open_commit;
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::words::Words;
use crate::cli::{author, load, open_to_write, set_key, single};
use crate::format::scope_file::{FILE_LABEL, ScopeKind};
use crate::project::Project;
use crate::scope::Author;
use crate::secret::Secret;
use crate::terminal;

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
            .hint(format!("kagi diff {}", shell_word(revision))));
    };
    let mut target = words.target(&project)?;
    let key = match key.strip_prefix(FILE_LABEL) {
        None => key,
        Some(file) => {
            target.kind = ScopeKind::Files;
            file
        }
    };
    let past = open_commit(&project, revision)?;
    let then = load(&past, &target)?.scope;
    let Some(old) = single(&past, &target, key, then.get(key))? else {
        let what = target.kind.noun();
        let message = format!("there was no {what} {} in {target} at {revision}", quoted(key));
        return Err(Failure::new(message).hint(format!("kagi diff {}", shell_word(revision))));
    };
    let value = Secret::copy_of(old.value.expose());
    // Who knew the value then knows it now.
    let author = Author { epoch: old.epoch, ..author(&project) };
    let description = Some(old.description.as_str());
    if set_key(&project, &lock, &target, key, value, description, author)? {
        note_old_epoch(&project, &past);
    }
    Ok(0)
}

/// A roster vouches for what the members of its own epoch have written, and for no more.
pub fn note_old_epoch(project: &Project, past: &Project) {
    let (now, then) = (project.access().epoch().number, past.access().epoch().number);
    if then < now {
        terminal::note(&format!(
            "note: what is of epoch {then} could have been written by who was a member then, and is known to it"
        ));
    }
}
