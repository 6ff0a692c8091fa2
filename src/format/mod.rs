//! Bytes to structs and back, pure: every file and text that kagi reads or writes.
//!
//! Promises: canonical or rejected. A reader checks the length, parses, checks every rule of
//! `docs/FORMAT.md`, encodes again and compares (FORMAT 1.11). Refuses: to repair anything, to read a version
//! it does not know, and to put a part of what it read into an error.

use crate::error::{Error, Kind, Result};

pub mod bytes;
pub mod config;
pub mod dotenv;
pub mod json;
pub mod key_text;
#[cfg(feature = "server")]
pub mod message;
pub mod names;
pub mod pin;
pub mod request;
pub mod roster;
pub mod scope_file;
pub mod snapshot;
pub mod text;

/// What refuses a text that does not keep a rule: `BadText` naming `subject` and the rule.
pub fn rules_of(subject: &str) -> impl Fn(bool, &str) -> Result<()> {
    move |holds, rule| {
        let broken = || Error::new(Kind::BadText, subject).because(rule);
        holds.then_some(()).ok_or_else(broken)
    }
}
