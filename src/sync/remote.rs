//! The client's side of every transport.

use crate::error::{Error, Kind, Result};
use crate::format::message::token::Credential;
use crate::sync::protocol::{Operation, Response};

/// A server that can be asked.
pub trait Server {
    /// Asks, and gives back the answer.
    ///
    /// # Errors
    /// `Unreachable`, `WrongServer`, `Random`; `TooLarge` for more than the server takes.
    fn call(
        &mut self,
        credential: Option<&Credential>,
        project: &str,
        operation: Operation,
    ) -> Result<Response>;

    /// Its address, for people.
    fn address(&self) -> &str;
}

/// How a remote is opened.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Plain HTTP to other machines as well.
    pub allows_insecure_http: bool,
}

/// Opens a remote by its address; `server` is the public key that it must have (`None` only for a
/// directory).
///
/// # Errors
/// `BadText` for an address that is none, or that is not allowed; `Missing` for a directory that is
/// not there.
pub fn open(
    address: &str,
    _server: Option<[u8; 32]>,
    _options: Options,
) -> Result<Box<dyn Server>> {
    Err(Error::new(Kind::BadText, address))
}

/// The public key that a server says it has: to be compared by a person, or remembered as one that was
/// seen first. `None` for a directory.
///
/// # Errors
/// `Unreachable`, `BadText`.
pub fn server_key(address: &str, _options: Options) -> Result<Option<[u8; 32]>> {
    Err(Error::new(Kind::BadText, address))
}
