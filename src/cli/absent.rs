//! What stands in place of `sync` in a kagi that was built without a network: every command of it
//! says so, and what other commands ask it has the answer of a project that Git alone carries.

use crate::cli::args::Input;
use crate::cli::report::Failure;
use crate::format::request::Request;
use crate::keys::Home;
use crate::project::{Project, Site};

/// Any of the commands.
///
/// # Errors
/// Always.
pub fn absent(input: &mut Input) -> Result<u8, Failure> {
    Err(Failure::new(format!("this kagi was built without kagi {}", input.command.name))
        .hint("cargo install kagi-vault, without --no-default-features"))
}

/// No server is known.
#[must_use]
pub fn is_known(_project: &str) -> bool {
    false
}

/// There are no tokens.
pub fn note_tokens(_project: &str) {}

/// Nothing for `status`.
#[must_use]
pub fn standing(_project: &Project) -> Option<(String, u64, Option<usize>)> {
    None
}

/// No server is asked.
#[must_use]
pub fn post(_input: &Input, _project: &str, _request: &Request) -> bool {
    false
}

/// There is nothing to forget.
///
/// # Errors
/// None.
#[allow(clippy::unnecessary_wraps)] // As `sync::forget`.
pub fn forget(_home: &Home, _site: &Site, _project: Option<&str>) -> Result<(), Failure> {
    Ok(())
}
