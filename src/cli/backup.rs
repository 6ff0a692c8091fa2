//! `backup` and `restore -f`: a copy of the project outside of Git, and the way back.
//!
//! Promises: the identity goes along only after a `y`; nothing is written before the whole backup
//! was checked; what is replaced is kept. Refuses to replace another identity.

use crate::cli::args::Input;
use crate::cli::dotenv::note_if_not_ignored;
use crate::cli::identity::own_identity;
use crate::cli::init::{lock_replaced, may_replace, project_here};
use crate::cli::keytext::{bring, other_identity};
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::{counted, lock, may_show, open_quietly, working_directory};
use crate::error::Error;
use crate::keys::{Home, file_of, identity_given};
use crate::project::{DIRECTORY, Site, back_up, check};
use crate::terminal;
use std::path::Path;

/// `kagi backup -o DIR`.
///
/// # Errors
/// Usage; something at DIR; no `y` for the identity; `Read`, `Write`: nothing is at DIR then.
pub fn backup(input: &mut Input) -> Result<u8, Failure> {
    let Some(target) = input.value("out").map(Path::new) else {
        return Err(Failure::usage("backup needs a new directory").hint("kagi backup -o DIR"));
    };
    let site = Site::find()?;
    let place = quoted(&target.to_string_lossy());
    let here = std::env::current_dir().unwrap_or_default();
    if here.join(target).starts_with(site.root.join(DIRECTORY)) {
        return Err(Failure::new(format!("{place} is inside of the project; nothing was written")));
    }
    let mut identity = None;
    if input.has("with-identity") {
        let (own, _) = own_identity()?;
        may_show(&format!("the identity of {} in {place}", own.id), "")?;
        identity = Some(file_of(&own));
    }
    let lock = lock(&site)?;
    let (backup, left_out) = back_up(&site, &lock, target, identity.as_ref()).map_err(nothing)?;
    for name in left_out {
        terminal::note(&format!("note: {} is left out: it belongs to no project", quoted(&name)));
    }
    let files = counted(backup.count(), "file");
    terminal::note(&format!("wrote {place}: {files} of {}", backup.project));
    if identity.is_some() {
        note_if_not_ignored(target);
    }
    note_if_shut(site);
    Ok(0)
}

fn nothing(error: Error) -> Failure {
    Failure::from(error).and("nothing was written")
}

/// A backup that nobody can open is worth less than it seems.
fn note_if_shut(site: Site) {
    if let Err(error) = open_quietly(site, false) {
        let why = safe(Failure::from(error).message());
        terminal::note(&format!("note: this device cannot open what it holds: {why}"));
    }
}

/// `kagi restore -f DIR`.
///
/// # Errors
/// Usage; a backup that is not what its manifest says; no `y`; another identity; `Write`.
pub fn restore(input: &Input) -> Result<u8, Failure> {
    let directory = input.value("file").filter(|_| input.words.is_empty()).map(Path::new);
    let Some(directory) = directory else {
        return Err(
            Failure::usage("restore needs a backup, and no words").hint("kagi restore -f DIR")
        );
    };
    let root = working_directory()?;
    let backup = check(directory).map_err(nothing)?;
    let mut identity = None;
    if input.has("with-identity") {
        let (shown, text) = backup.identity().map_err(nothing)?;
        identity = Some((identity_given(&shown, &text).map_err(nothing)?, shown));
    }
    let replaced = match project_here()? {
        Some(site) => may_replace(input, site, &root)?,
        None => None,
    };
    let (_lock, kept) = lock_replaced(replaced.as_ref())?;
    if let Some((identity, shown)) = &identity {
        bring(&Home::find()?, identity, &|place| {
            let hint = format!("kagi identity import --force --file {}", quoted(shown));
            Err(other_identity(place).hint(hint))
        })?;
    }
    backup.restore(&root, kept.as_deref())?;
    if let Some(kept) = kept {
        terminal::note(&format!("kept the old project as {}", quoted(&kept.to_string_lossy())));
    }
    terminal::note(&format!("restored {}; next: kagi status", backup.project));
    Ok(0)
}
