//! `identity export` and `import`, `key export`: keys as text, out and in.
//!
//! Promises: nothing leaves before a `y` on a terminal; nothing that is typed or read is shown; what leaves
//! is written, or the command fails; an identity that is replaced is kept. Refuses to replace one that
//! nobody said should be.

use crate::cli::args::Input;
use crate::cli::identity::own_identity;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::Words;
use crate::cli::{check_output, may_delete, may_show, open};
use crate::disk;
use crate::error::Kind;
use crate::format::key_text::{IDENTITY_BYTES_MAX, Identity, paper};
use crate::format::text::HEX;
use crate::keys::{Brought, Home, identity_given};
use crate::process;
use crate::project::Project;
use crate::secret::Secret;
use crate::terminal;
use std::io::IsTerminal;
use std::path::Path;

const TWINS: &str = "note: devices with one identity are one member: they cannot be told apart, or \
                     removed one by one";

/// `kagi identity export`.
///
/// # Errors
/// No identity; no `y`.
pub fn export_identity(input: &mut Input) -> Result<u8, Failure> {
    let (identity, _) = own_identity()?;
    let mut text = if input.has("groups") { paper(&identity) } else { identity.to_text() };
    terminal::note("note: whoever has this text opens all that this device opens");
    terminal::note(TWINS);
    check_output()?;
    may_show(&format!("the identity of {}", identity.id), "")?;
    text.trim_line_end();
    text.push(b"\n");
    terminal::print_once(text.expose())?;
    Ok(0)
}

/// `kagi identity import`.
///
/// # Errors
/// A text that cannot be used; another identity that is there.
pub fn import_identity(input: &mut Input) -> Result<u8, Failure> {
    let (subject, text) = typed(input)?;
    let identity = identity_given(&subject, &text).map_err(|error| {
        let is_typing_error = error.kind == Kind::BadText;
        let hint = "it has letters and the digits 2 to 7, but no 0, 1, 8 or 9";
        let failure = Failure::from(error).and("nothing was written");
        if is_typing_error { failure.hint(hint) } else { failure }
    })?;
    bring(&Home::find()?, &identity, &|place| {
        if input.has("force") {
            return may_delete(input, &format!("replace {place}? it is kept as a backup"));
        }
        Err(other_identity(place).hint("kagi identity import --force keeps the old one beside it"))
    })?;
    Ok(0)
}

/// The text, and what to call it: a file, a pipe, or what a person types.
fn typed(input: &Input) -> Result<(String, Secret), Failure> {
    if let Some(path) = input.value("file").filter(|path| *path != "-") {
        let text = disk::read_given(Path::new(path), IDENTITY_BYTES_MAX)?;
        return Ok((path.to_string_lossy().into_owned(), text));
    }
    if !std::io::stdin().is_terminal() {
        return Ok(("standard input".into(), disk::read_stdin(IDENTITY_BYTES_MAX)?));
    }
    if !terminal::can_ask() {
        return Err(Failure::new("there is no terminal to ask on").hint("--file PATH reads it"));
    }
    terminal::note_raw("identity (not shown): ");
    let text = process::read_hidden_lines(&|text| {
        let is_complete = Identity::from_paper("", text).is_ok();
        terminal::note_raw(if is_complete {
            ""
        } else {
            "\nnext line (not shown; none ends it): "
        });
        is_complete
    });
    // The line break that was typed was not shown.
    terminal::note_raw("\n");
    Ok(("what was typed".into(), text?))
}

/// Makes an identity the device's own. `may_replace` is asked if it has another one, kept at this
/// place.
///
/// # Errors
/// What `may_replace` says; `Exposed`, `Read`, `Write`.
pub fn bring(
    home: &Home,
    identity: &Identity,
    may_replace: &dyn Fn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let brought = match home.bring_identity(identity, false) {
        Err(error) if error.kind == Kind::Exists => {
            may_replace(&quoted(&error.subject))?;
            home.bring_identity(identity, true)?
        }
        brought => brought?,
    };
    let id = &identity.id;
    match brought {
        Brought::Same => {
            terminal::note(&format!("this device is {id} already"));
            return Ok(());
        }
        Brought::New => {}
        Brought::Replaced(kept) => {
            let kept = quoted(&kept.to_string_lossy());
            terminal::note(&format!("kept the old identity as {kept}"));
        }
    }
    terminal::note(&format!("this device is {id} now"));
    terminal::note(TWINS);
    Ok(())
}

/// A device that has another identity than the one that is brought.
#[must_use]
pub fn other_identity(place: &str) -> Failure {
    Failure::new(format!("this device has another identity already, {place}; nothing was written"))
}

/// `kagi key export [service [env]]`.
///
/// # Errors
/// Usage; a scope that may not be opened, or the project key without a full member; no `y`.
pub fn export_key(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    words.check_known(&project)?;
    let (what, mut text) = key_text(&project, &words)?;
    terminal::note(&format!(
        "note: whoever has this key reads and writes {what}, until a rotation (kagi key rotate)"
    ));
    terminal::note(
        "note: it goes into KAGI_PROJECT_KEY, or into the file that KAGI_PROJECT_KEY_FILE names",
    );
    check_output()?;
    may_show(&format!("the key of {what}"), "")?;
    text.push(b"\n");
    terminal::print_once(text.expose())?;
    Ok(0)
}

/// What a key opens, and its text.
fn key_text(project: &Project, words: &Words) -> Result<(String, Secret), Failure> {
    let access = project.access();
    if words.service.is_none() && words.env.is_none() {
        let key = access.project_key().map_err(|error| {
            Failure::from(error).hint("kagi key export SERVICE ENV hands on one scope")
        })?;
        let text = Secret::from_vec(HEX.encode(key.expose()).into_bytes());
        return Ok((format!("all of {}", access.project()), text));
    }
    let target = words.target(project)?;
    let holder = access.scope_holder(&target.service, &target.env);
    let holder = holder.ok_or_else(|| project.refused(&target))?;
    Ok((target.to_string(), holder.to_text()))
}
