//! Syncing without Git: a server that stores what it cannot open, and what talks to it.
//!
//! Promises: the server's side (`store`, `handler`, `server`) names nothing that can open a scope, and
//! `tests/tidy.rs` holds it to that. Refuses to send a token to a server whose public key the token,
//! or this device, does not name (PROTOCOL 2.1).

pub mod channel;
pub mod client;
pub mod handler;
pub mod http;
pub mod protocol;
pub mod remote;
pub mod server;
pub mod store;
