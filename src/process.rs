//! All child processes.
//!
//! Promises: no secret is ever an argument; kagi's own variables never reach the program that
//! `run` starts; an interrupt never leaves the terminal's echo off. Refuses to look up the program
//! of `run`: the caller has done so, before a variable of a scope could change where to look.

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// kagi's variables that hold secrets, or where they are.
const OWN_VARIABLES: [&str; 8] = [
    "KAGI_PROJECT_KEY",
    "KAGI_PROJECT_KEY_FILE",
    "KAGI_IDENTITY",
    "KAGI_IDENTITY_FILE",
    "KAGI_PROJECT_TOKEN",
    "KAGI_PROJECT_TOKEN_FILE",
    "KAGI_ADMIN_TOKEN",
    "KAGI_ADMIN_TOKEN_FILE",
];

/// Becomes the program at `path`, which is told that it was called `program`, with `variables`
/// over the inherited ones. On Unix it returns only if that fails; elsewhere it gives back the
/// child's exit code.
///
/// # Errors
/// `NotStarted` naming the program, with the system's reason.
pub fn become_program<'a>(
    path: &Path,
    program: &OsStr,
    arguments: &[OsString],
    variables: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<u8> {
    let mut command = Command::new(path);
    command.args(arguments);
    for name in OWN_VARIABLES {
        command.env_remove(name);
    }
    for (name, value) in variables {
        command.env(name, os_string(value));
    }
    start(&mut command, program)
}

#[cfg(unix)]
fn start(command: &mut Command, program: &OsStr) -> Result<u8> {
    use std::os::unix::process::CommandExt;
    let cause = command.arg0(program).exec();
    Err(not_started(program, &cause))
}

#[cfg(not(unix))]
fn start(command: &mut Command, program: &OsStr) -> Result<u8> {
    let status = command.status().map_err(|cause| not_started(program, &cause))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn not_started(program: &OsStr, cause: &std::io::Error) -> Error {
    Error::new(Kind::NotStarted, program.to_string_lossy()).because(cause)
}

/// The bytes as the platform's string.
#[cfg(unix)]
fn os_string(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn os_string(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Runs Git in a directory and gives back what it prints; `None` if Git is missing, fails, takes
/// longer than ten seconds or prints more than a megabyte.
/// Hooks of the repository that start programs (fsmonitor, external diff, textconv) are off.
#[must_use]
pub fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "diff.external="])
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let output = read_with_deadline(&mut child, Duration::from_secs(10));
    if output.is_none() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    output.filter(|_| status.success())
}

fn read_with_deadline(child: &mut Child, deadline: Duration) -> Option<String> {
    const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;
    let stdout = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.take(OUTPUT_BYTES_MAX).read_to_string(&mut text);
        // The receiver is gone only when nobody wants the text any more.
        let _ = sender.send(read.ok().map(|_| text));
    });
    receiver.recv_timeout(deadline).ok()?
}

/// Turns the terminal's echo off until its standard input closes, whatever ends kagi.
const NO_ECHO: &str = "saved=$(stty -g </dev/tty) || exit 1
trap 'stty \"$saved\" </dev/tty' EXIT
trap 'exit 130' INT TERM HUP
stty -echo </dev/tty || exit 1
echo ready
while read -r _; do :; done";

/// Reads one line from the terminal without showing it.
///
/// # Errors
/// `Read` if there is no terminal, or its echo cannot be turned off.
pub fn read_hidden_line() -> Result<Secret> {
    let failed = |cause: &str| Error::new(Kind::Read, "the terminal").because(cause);
    let mut guard = Command::new("sh")
        .args(["-c", NO_ECHO])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| failed("sh is missing"))?;
    let mut ready = [0; 6];
    let is_ready = guard.stdout.as_mut().is_some_and(|out| out.read_exact(&mut ready).is_ok());
    let line = if is_ready { read_line() } else { Err(failed("stty cannot turn its echo off")) };
    // Closing its input lets the guard restore the echo.
    drop(guard.stdin.take());
    let _ = guard.wait();
    line
}

fn read_line() -> Result<Secret> {
    const LINE_BYTES_MAX: u64 = 1024 * 1024 + 2;
    let mut line = Vec::with_capacity(64 * 1024);
    let read = std::io::stdin().lock().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    let mut line = Secret::from_vec(line);
    read.map_err(|cause| Error::new(Kind::Read, "the terminal").because(cause))?;
    line.trim_line_end();
    Ok(line)
}
