//! `kagi`: encrypted secrets for a team, in Git, in place of `.env` files.
//!
//! The modules in reading order. `docs/ARCHITECTURE.md` says who may import whom, and
//! `tests/tidy.rs` holds the table.

pub mod error;
pub mod secret;

pub mod crypto;
pub mod format;

pub mod scope;
pub mod team;

pub mod disk;
pub mod process;
pub mod terminal;

pub mod cli;
pub mod keys;
pub mod project;
#[cfg(feature = "server")]
pub mod sync;
