//! Bytes to structs and back, pure: every file and text that kagi reads or writes.
//!
//! Promises: canonical or rejected. A reader checks the length, parses, checks every rule of
//! `docs/FORMAT.md`, encodes again and compares (FORMAT 1.11). Refuses: to repair anything, to read a version
//! it does not know, and to put a part of what it read into an error.

pub mod bytes;
pub mod config;
pub mod dotenv;
pub mod json;
pub mod key_text;
pub mod names;
pub mod pin;
pub mod request;
pub mod roster;
pub mod scope_file;
pub mod snapshot;
pub mod text;
