//! The server over a pipe, as ssh brings it (PROTOCOL 10).
//!
//! Promises: one client at a time has the store, and not for longer than it makes use of it. Refuses
//! a frame over the limit, or one that is cut short.

use super::{Answer, DENIED_AFTER};
use crate::error::{Error, Kind, Result};
use crate::sync::channel::{GREETING, frame, read_frame};
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a client may take from one answer to the next, for it has the store to itself.
const PATIENCE: Duration = Duration::from_secs(300);
/// What a client is called in errors.
const CLIENT: &str = "the client";
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
    let request = read_frame(input, bytes_max).map_err(|cause| match cause.kind() {
        ErrorKind::InvalidData => Error::new(Kind::TooLarge, "a request"),
        _ => Error::new(Kind::Read, CLIENT).because_of(&cause),
    })?;
    let Some(request) = request else {
        return Ok(None);
    };
    let exchange = answer(&request, "pipe")?;
    if exchange.as_ref().is_some_and(|exchange| exchange.is_denied) {
        thread::sleep(DENIED_AFTER);
    }
    let bytes = exchange.map(|exchange| exchange.bytes).unwrap_or_default();
    Ok(Some(frame(&bytes)))
}
