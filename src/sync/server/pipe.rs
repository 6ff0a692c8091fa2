//! The server over a pipe, as ssh brings it (PROTOCOL 10).
//!
//! Promises: one client at a time has the store, and not for longer than it makes use of it. Refuses
//! a frame over the limit, or one that is cut short.

use super::{Answer, DENIED_AFTER};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a client may take from one answer to the next, for it has the store to itself.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a client is called in errors.
const CLIENT: &str = "the client";
/// The first bytes on a pipe (PROTOCOL 10.1).
const GREETING: &[u8] = b"kagi-server 1\n";

/// Serves one client over a pipe until it closes. A pipe has no timeout, so a thread of its own talks,
/// and is left behind where the client neither sends nor takes anything for a while.
///
/// # Errors
/// `Read` or `Write` if the pipe breaks, or nothing moves; `TooLarge` for a request over the limit.
pub fn serve(
    mut input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    server: [u8; 32],
    body_bytes_max: usize,
    answer: Box<Answer>,
) -> Result<()> {
    let (sender, steps) = mpsc::channel();
    let talk = move || {
        let mut next = Ok(Some([GREETING, &server].concat()));
        while let Ok(Some(bytes)) = next {
            next = send(&mut output, &bytes)
                .and_then(|()| respond(&mut input, body_bytes_max, &*answer));
            // Nobody listens any more if it took too long.
            let _ = sender.send(None);
        }
        let _ = sender.send(Some(next.map(|_| ())));
    };
    let failed = |cause| Error::new(Kind::NotStarted, "a thread").because_of(&cause);
    thread::Builder::new().spawn(talk).map_err(failed)?;
    loop {
        match steps.recv_timeout(PATIENCE) {
            Ok(None) => {}
            Ok(Some(end)) => return end,
            Err(_) => return Err(Error::new(Kind::Read, CLIENT).because("it does nothing")),
        }
    }
}

fn send(output: &mut impl Write, bytes: &[u8]) -> Result<()> {
    let sent = output.write_all(bytes).and_then(|()| output.flush());
    sent.map_err(|cause| Error::new(Kind::Write, CLIENT).because_of(&cause))
}

/// The frame that answers the next one; `None` at the end of the input (PROTOCOL 10.3).
fn respond(input: &mut impl Read, bytes_max: usize, answer: &Answer) -> Result<Option<Vec<u8>>> {
    let Some(request) = frame(input, bytes_max)? else {
        return Ok(None);
    };
    let exchange = answer(request.expose(), "pipe")?;
    if exchange.as_ref().is_some_and(|exchange| exchange.is_denied) {
        thread::sleep(DENIED_AFTER);
    }
    let bytes = exchange.map(|exchange| exchange.bytes).unwrap_or_default();
    let length = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
    Ok(Some([&length, bytes.as_slice()].concat()))
}

/// One frame; `None` at the end of the input (PROTOCOL 10.2).
fn frame(input: &mut impl Read, bytes_max: usize) -> Result<Option<Secret>> {
    let failed = |cause: io::Error| Error::new(Kind::Read, CLIENT).because_of(&cause);
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read.map_err(failed)?,
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > bytes_max {
        return Err(Error::new(Kind::TooLarge, "a request"));
    }
    let mut bytes = Vec::new();
    let read = input.take(u64::try_from(length).unwrap_or(0)).read_to_end(&mut bytes);
    if read.map_err(failed)? < length {
        return Err(failed(ErrorKind::UnexpectedEof.into()));
    }
    Ok(Some(Secret::from_vec(bytes)))
}
