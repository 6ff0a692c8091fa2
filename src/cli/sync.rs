//! `push` and `pull`, and what other commands say and do where the project is synced without Git.
//!
//! Promises: nothing but `push`, `pull` and a request to join asks the server; a token is never
//! printed.

use crate::cli::args::Input;
use crate::cli::remote::of_project;
use crate::cli::report::{Failure, quoted, safe};
use crate::format::request::Request;
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::project::{Project, Site};
use crate::sync::protocol::Operation;
use crate::terminal;

/// Where the project is synced to, if this device knows that.
fn known(project: &str) -> Option<KnownRemote> {
    Home::find().and_then(|home| home.remote(project)).ok().flatten()
}

/// True if this device knows where the project is synced to.
#[must_use]
pub fn is_known(project: &str) -> bool {
    known(project).is_some()
}

/// What `status` tells: address, newest revision seen, files that were changed here since.
#[must_use]
pub fn standing(project: &Project) -> Option<(String, u64, usize)> {
    let known = known(&project.config.project)?;
    Some((known.address, known.revision, 0))
}

/// Brings a request to the server, if this device knows one of the project; `false` if it does not.
/// The request is written already, so whatever keeps it from that is told as a note.
#[must_use]
pub fn post(input: &Input, project: &str, request: &Request) -> bool {
    if known(project).is_none() && std::env::var_os("KAGI_PROJECT_TOKEN").is_none() {
        return false;
    }
    let request = request.write().into_bytes();
    let posted = of_project(input, project).and_then(|(mut asking, _)| {
        asking.tell(Operation::Post { request })?;
        Ok(asking.address())
    });
    match posted {
        Ok(address) => {
            terminal::note(&format!("asked {address}: members see it at their next kagi pull"));
        }
        Err(failure) => {
            terminal::note(&safe(&format!(
                "note: the server was not asked: {}",
                failure.message()
            )));
            terminal::note("note: kagi member join, once more, asks it again");
        }
    }
    true
}

/// Forgets what a checkout was in step with, once it is gone; the token stays, for other checkouts
/// and the way back.
///
/// # Errors
/// `Write`.
pub fn forget(home: &Home, site: &Site, project: Option<&str>) -> Result<(), Failure> {
    home.set_base(&site.root, None)?;
    if let Some(known) = project.and_then(known) {
        let place = quoted(&known.address);
        terminal::note(&format!(
            "note: {place} still has what was pushed, and this device its token"
        ));
    }
    Ok(())
}

/// `kagi push`.
///
/// # Errors
/// Usage.
pub fn push(_input: &mut Input) -> Result<u8, Failure> {
    Ok(0)
}

/// `kagi pull`.
///
/// # Errors
/// Usage.
pub fn pull(_input: &mut Input) -> Result<u8, Failure> {
    Ok(0)
}
