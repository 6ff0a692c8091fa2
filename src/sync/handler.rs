//! What a server answers: it knows no transport.

use crate::error::Result;
use crate::format::message::token::ServerKeys;
use crate::sync::protocol::{Operation, Response};
use crate::sync::store::Store;

/// What goes back to a client.
pub struct Exchange {
    /// The response.
    pub bytes: Vec<u8>,
    /// True if the token was not accepted: such an answer is held back.
    pub is_denied: bool,
}

/// Answers the bytes of a request; `None` if they do not open: they are not for this server.
///
/// # Errors
/// `Random`.
pub fn exchange(
    _store: &Store,
    _keys: &ServerKeys,
    _bytes: &[u8],
    _from: &str,
    _now: u64,
) -> Result<Option<Exchange>> {
    Ok(None)
}

/// Does what somebody asks who has the store's directory anyway.
#[must_use]
pub fn local(_store: &Store, _project: &str, _operation: Operation, _now: u64) -> Response {
    Response::Done
}
