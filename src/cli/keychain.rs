//! `identity store`: where this device keeps its identity and its tokens.
//!
//! Promises: nothing leaves a place before it was read back from the other; what could not be moved
//! works from where it is, and the same command goes on with it.

use crate::cli::args::Input;
use crate::cli::report::{Failure, safe};
use crate::keys::{Home, Place};
use crate::terminal;
use std::path::PathBuf;

/// `kagi identity store [keychain|file]`.
///
/// # Errors
/// Usage; a keychain that cannot be used; `Read`, `Write`.
pub fn store(input: &mut Input) -> Result<u8, Failure> {
    let home = Home::find()?;
    let to = match input.texts()?.as_slice() {
        [] => return show(&home),
        [word] if word == "keychain" => Place::Keychain,
        [word] if word == "file" => Place::File,
        _ => {
            return Err(Failure::usage("what keeps them is keychain or file")
                .hint("kagi identity store keychain"));
        }
    };
    home.move_to(to).map_err(|error| {
        let again = format!("kagi identity store {} goes on, once that is mended", name(to));
        Failure::from(error).and(&again)
    })?;
    show(&home)?;
    if to == Place::Keychain {
        let hint = "kagi identity export --groups makes a copy for paper";
        terminal::note(&format!("note: what the keychain loses is lost; {hint}"));
    }
    Ok(0)
}

fn name(place: Place) -> &'static str {
    if place == Place::Keychain { "keychain" } else { "file" }
}

/// Shows where the secret of each file is.
fn show(home: &Home) -> Result<u8, Failure> {
    let line = |(path, place): (PathBuf, Place)| {
        format!("{:<8}  {}\n", name(place), safe(&path.to_string_lossy()))
    };
    let text: String = home.places()?.into_iter().map(line).collect();
    terminal::print(text.as_bytes())?;
    Ok(0)
}
