//! What a sync server and its clients hold and exchange: manifests, tokens, keys of a server.
//!
//! Promises: nothing here can open a scope, so the server's code may import it. Canonical or
//! rejected, as everywhere in `format`.

pub mod manifest;
pub mod token;
