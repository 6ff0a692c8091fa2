//! `identity store`: where this device keeps its identity and its tokens.
//!
//! Promises: nothing leaves a place before it was read back from the other; what could not be moved
//! works from where it is, and the same command goes on with it.

use crate::cli::args::Input;
use crate::cli::counted;
use crate::cli::report::Failure;
use crate::keys::{Home, Place};
use crate::terminal;
use std::fmt::Write;

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
    let is_new = home.places()?.is_empty();
    let again = format!("what was not moved is where it was: kagi identity store {}", name(to));
    let left = home.move_to(to).map_err(|error| Failure::from(error).and(&again))?;
    if let Some(error) = left {
        return Err(Failure::from(error).and(&again));
    }
    if is_new && to == Place::Keychain {
        terminal::note("made an identity for this device (kagi identity show)");
    }
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

/// Shows how much is where.
fn show(home: &Home) -> Result<u8, Failure> {
    let places = home.places()?;
    let mut text = String::new();
    for place in [Place::Keychain, Place::File] {
        let count = |wanted| places.iter().filter(|found| **found == (wanted, place)).count();
        let (identities, tokens) = (count("identity"), counted(count("token"), "token"));
        let noun = if identities == 1 { "identity" } else { "identities" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<8}  {identities} {noun}, {tokens}", name(place));
    }
    terminal::print(text.as_bytes())?;
    Ok(0)
}
