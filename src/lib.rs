//! `kagi`: encrypted secrets for a team, in Git, in place of `.env` files.
//!
//! The modules in reading order. `docs/ARCHITECTURE.md` says who may import whom, and
//! `tests/tidy.rs` holds the table.

pub mod error;
pub mod secret;

pub mod crypto;
