//! SSH: `kagi serve --stdio` at the other end of `ssh`.
//!
//! Promises: one connection for all requests; keys, hosts and passwords are `ssh`'s matter and its
//! settings'. Refuses frames over the limit, and waits for none for ever.

use crate::error::Result;
use crate::process::{self, Running};
use crate::sync::channel::{GREETING, frame, read_frame};
use crate::sync::remote::address::{Address, Place};
use crate::sync::remote::{ANSWER_BYTES_MAX, EXCHANGE_MAX};
use std::io::{ErrorKind, Read, Result as IoResult, Write};
use std::time::Duration;

/// What a person may take to answer what `ssh` asks; servers give two minutes.
const LOGIN_MAX: Duration = Duration::from_secs(180);
/// The code of a shell that does not find a program.
const NOT_FOUND: i32 = 127;

/// The ends of the pipes that go to the server and come from it.
type Pipes = (Box<dyn Write + Send>, Box<dyn Read + Send>);

/// A running `ssh`.
pub(super) struct Session {
    /// The public key that the server says it has.
    pub(super) key: [u8; 32],
    /// `None` once it failed. Closed before the program is waited for.
    pipes: Option<Pipes>,
    running: Running,
}

impl Session {
    /// Connects, and reads the greeting (PROTOCOL 11.4).
    ///
    /// # Errors
    /// `Missing` or `NotStarted` naming `ssh`; `Unreachable`.
    pub(super) fn start(address: &Address, complain: fn(&str)) -> Result<Self> {
        let Place::Ssh { destination, port, directory } = &address.place else {
            return Err(address.not_kagi());
        };
        // The characters of an address mean nothing to a shell between single quotes (PROTOCOL 11.1).
        let directory = format!("'{directory}'");
        let port = port.map(|port| port.to_string());
        let mut arguments = vec!["-T"];
        arguments.extend(port.iter().flat_map(|port| ["-p", port]));
        arguments.extend(["--", destination, "kagi", "serve", "--stdio", "--store", &directory]);
        let started = process::start("ssh", &arguments, complain);
        let (running, to, from) = started.map_err(|error| address.needs(error))?;
        let pipes = Some((Box::new(to) as _, Box::new(from) as _));
        let mut session = Session { key: [0; 32], pipes, running };
        let greeting = session.converse(address, LOGIN_MAX, |(_, from)| {
            if read(from, GREETING.len())? != GREETING {
                return Err(ErrorKind::InvalidData.into());
            }
            read(from, 32)
        })?;
        session.key = greeting.try_into().map_err(|_| address.not_kagi())?;
        Ok(session)
    }

    /// # Errors
    /// `Unreachable`.
    pub(super) fn exchange(&mut self, address: &Address, request: Vec<u8>) -> Result<Vec<u8>> {
        self.converse(address, EXCHANGE_MAX, move |(to, from)| {
            to.write_all(&frame(&request))?;
            to.flush()?;
            // PROTOCOL 11.4
            read_frame(from, ANSWER_BYTES_MAX)?.ok_or(ErrorKind::UnexpectedEof.into())
        })
    }

    fn converse(
        &mut self,
        address: &Address,
        deadline: Duration,
        work: impl FnOnce(&mut Pipes) -> IoResult<Vec<u8>> + Send + 'static,
    ) -> Result<Vec<u8>> {
        let mut pipes = self.pipes.take().ok_or_else(|| address.unreachable("ssh has ended"))?;
        let done = process::within(deadline, move || (work(&mut pipes), pipes));
        match done {
            None => Err(address.unreachable("it takes too long")),
            Some((Ok(bytes), pipes)) => {
                self.pipes = Some(pipes);
                Ok(bytes)
            }
            Some((Err(cause), _)) if cause.kind() == ErrorKind::InvalidData => {
                Err(address.not_kagi())
            }
            Some((Err(_), _)) => Err(address.unreachable(match self.running.code() {
                Some(NOT_FOUND) => "there is no kagi on that machine".to_string(),
                Some(code) => format!("ssh has ended with code {code}"),
                None => "ssh has ended".to_string(),
            })),
        }
    }
}

fn read(from: &mut dyn Read, length: usize) -> IoResult<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
