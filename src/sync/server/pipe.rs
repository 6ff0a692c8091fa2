//! The server over a pipe, as ssh brings it (PROTOCOL 10).
//!
//! Promises: one client at a time has the store, and not for longer than it makes use of it. Refuses
//! a frame over the limit, or one that is cut short.

use super::{Answer, DENIED_AFTER};
use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long a client may do nothing that has the store to itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first bytes on a pipe.
const GREETING: &[u8] = b"kagi-server 1\n";

/// Serves one client over a pipe until it closes, or does nothing for a while.
///
/// # Errors
/// `Read` or `Write` if the pipe breaks; `TooLarge` for a request over the limit.
pub fn serve(
    input: impl Read + Send + 'static,
    mut output: impl Write,
    server: &[u8; 32],
    body_bytes_max: usize,
    answer: &Answer,
) -> Result<()> {
    let failed = |kind| move |cause: io::Error| Error::new(kind, "the client").because_of(&cause);
    let mut send = |bytes: &[u8]| output.write_all(bytes).and_then(|()| output.flush());
    // PROTOCOL 10.1
    send(&[GREETING, server].concat()).map_err(failed(Kind::Write))?;
    let frames = frames(input, body_bytes_max);
    loop {
        let request = match frames.recv_timeout(PATIENCE) {
            Ok(frame) => frame?,
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return Ok(()),
        };
        let exchange = answer(request.expose(), "pipe")?;
        if exchange.as_ref().is_some_and(|exchange| exchange.is_denied) {
            thread::sleep(DENIED_AFTER);
        }
        // PROTOCOL 10.3
        let bytes = exchange.map(|exchange| exchange.bytes).unwrap_or_default();
        let length = u32::try_from(bytes.len()).unwrap_or(0).to_le_bytes();
        send(&[&length, bytes.as_slice()].concat()).map_err(failed(Kind::Write))?;
    }
}

/// The frames that arrive, read by a thread of their own: a pipe has no timeout.
fn frames(
    mut input: impl Read + Send + 'static,
    bytes_max: usize,
) -> mpsc::Receiver<Result<Secret>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        while let Some(frame) = frame(&mut input, bytes_max).transpose() {
            let is_last = frame.is_err();
            if sender.send(frame).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// One frame; `None` at the end of the input (PROTOCOL 10.2).
fn frame(input: &mut impl Read, bytes_max: usize) -> Result<Option<Secret>> {
    let failed = |cause: io::Error| Error::new(Kind::Read, "the client").because_of(&cause);
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
