//! The client's side of every transport.
//!
//! Promises: what is sent to a server can be opened only by the holder of the key that the caller
//! names, and only that server's answer is believed (PROTOCOL 2.1); every wait has an end, and every
//! answer a size. Refuses plain HTTP to other machines unless it is asked for, and redirects.

mod address;
mod curl;
mod directory;
pub mod plain;
mod ssh;

pub use address::Address;

use crate::error::{Error, Kind, Result};
use crate::format::message::token::{Credential, fingerprint};
use crate::format::text::HEX;
use crate::sync::channel::seal_request;
use crate::sync::protocol::{Operation, Request, Response};
use address::Place;
use directory::Directory;
use std::time::Duration;

/// What a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// What a request and its answer may take.
const EXCHANGE_MAX: Duration = Duration::from_secs(120);
/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Where requests go, and where the server's key is (PROTOCOL 11.3).
const RPC_PATH: &str = "/v1/rpc";
const KEY_PATH: &str = "/v1/server-key";

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
#[derive(Clone, Copy)]
pub struct Options {
    /// Plain HTTP to other machines as well.
    pub allows_insecure_http: bool,
    /// Gets each line that `ssh`, or the machine at its other end, complains of: text of others.
    pub complain: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Options { allows_insecure_http: false, complain: |_| () }
    }
}

/// Opens a remote by its address; `server` is the public key that it must have (`None` only for a
/// directory).
///
/// # Errors
/// `BadText` for an address that is none, or that is not allowed; `Missing` for a directory that is
/// not there, or without `ssh`; `Unreachable` or `WrongServer` for an SSH server.
pub fn open(address: &str, server: Option<[u8; 32]>, options: Options) -> Result<Box<dyn Server>> {
    let address = Address::parse(address)?;
    if let Place::Directory(path) = &address.place {
        return Ok(Box::new(Directory::new(&address, path)?));
    }
    let server = server.ok_or_else(|| address.wrong_server())?;
    let mut wire = Wire::new(&address, options)?;
    // A server that says that it has another key is asked nothing (PROTOCOL 2.1).
    if let Wire::Ssh(session) = &mut wire
        && session.key != server
    {
        return Err(address.wrong_server());
    }
    Ok(Box::new(Remote { address, server, wire }))
}

/// The public key that a server says it has: to be compared by a person, or remembered as one that was
/// seen first. `None` for a directory.
///
/// # Errors
/// As `open`.
pub fn server_key(address: &str, options: Options) -> Result<Option<[u8; 32]>> {
    let address = Address::parse(address)?;
    if matches!(address.place, Place::Directory(_)) {
        return Ok(None);
    }
    match Wire::new(&address, options)? {
        Wire::Ssh(session) => Ok(Some(session.key)),
        Wire::Web(fetch) => {
            let page = accepted(&address, fetch(&address, KEY_PATH, None)?)?;
            key_of_page(&page).map(Some).ok_or_else(|| address.not_kagi())
        }
    }
}

/// The public key of `HEX FINGERPRINT` and a line feed (PROTOCOL 9.1).
#[must_use]
pub fn key_of_page(page: &[u8]) -> Option<[u8; 32]> {
    let (hex, print) = std::str::from_utf8(page).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let key = HEX.decode(hex)?.expose().try_into().ok()?;
    (print == fingerprint(&key)).then_some(key)
}

/// The code and the body of the answer to a request; without a body it is a GET.
type Fetch = fn(&Address, &str, Option<&[u8]>) -> Result<(u16, Vec<u8>)>;

/// What carries bytes to a server and back.
enum Wire {
    Web(Fetch),
    Ssh(ssh::Session),
}

impl Wire {
    fn new(address: &Address, options: Options) -> Result<Self> {
        match &address.place {
            Place::Http { .. } => {
                address.check_insecure(options)?;
                Ok(Wire::Web(plain::fetch))
            }
            Place::Ssh { .. } => Ok(Wire::Ssh(ssh::Session::start(address, options.complain)?)),
            _ => Ok(Wire::Web(curl::fetch)),
        }
    }
}

/// A server that is known by its public key.
struct Remote {
    address: Address,
    server: [u8; 32],
    wire: Wire,
}

impl Server for Remote {
    fn call(
        &mut self,
        credential: Option<&Credential>,
        project: &str,
        operation: Operation,
    ) -> Result<Response> {
        let request = Request {
            credential: credential.map(Credential::duplicate),
            id: crate::crypto::random::bytes()?,
            project: project.to_string(),
            operation,
        };
        let (bytes, expecting) = seal_request(&self.server, &request.encode())?;
        let answer = match &mut self.wire {
            Wire::Web(fetch) => match fetch(&self.address, RPC_PATH, Some(&bytes))? {
                // It could not open the request: its key is another one.
                (400, _) => return Err(self.address.wrong_server()),
                answer => accepted(&self.address, answer)?,
            },
            Wire::Ssh(session) => session.exchange(&self.address, bytes)?,
        };
        let answer = expecting.open(&answer).ok_or_else(|| self.address.wrong_server())?;
        Response::decode(answer.expose()).ok_or_else(|| self.address.not_kagi())
    }

    fn address(&self) -> &str {
        self.address.text()
    }
}

/// The body of an answer that says that all is well (PROTOCOL 11.3).
fn accepted(address: &Address, (code, body): (u16, Vec<u8>)) -> Result<Vec<u8>> {
    Err(match code {
        200 => return Ok(body),
        413 => Error::new(Kind::TooLarge, format!("the request to {}", address.text()))
            .because("kagi serve --max-body, or the proxy before it, allows less"),
        300..400 => address.unreachable(format!("it redirects (code {code}); name where to")),
        _ => address.unreachable(format!("it answers with code {code}")),
    })
}
