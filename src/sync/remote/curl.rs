//! HTTPS by `curl`, which has TLS and the system's certificates.
//!
//! Promises: nothing but `-q -K -` is an argument; the settings go by standard input, the request (which is
//! sealed already) by a file that only this user can read. Refuses redirects, and other protocols.

use crate::disk;
use crate::error::{Error, Kind, Result};
use crate::process;
use crate::sync::remote::address::Address;
use crate::sync::remote::{ANSWER_BYTES_MAX, CONNECT_MAX, EXCHANGE_MAX};
use std::path::Path;
use std::time::Duration;

/// What `curl` may take longer than it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// How `curl` ends where a certificate is not vouched for.
const CODE_CERTIFICATE: i32 = 60;
/// Digits of the code that `curl` prints after the body.
const CODE_BYTES: usize = 3;

/// Asks once: a POST of `body`, or a GET.
///
/// # Errors
/// `Unreachable` with `curl`'s reason; `Missing` or `NotStarted` naming `curl`; `Write`.
pub(super) fn fetch(address: &Address, path: &str, body: Option<&[u8]>) -> Result<(u16, Vec<u8>)> {
    let mut settings = settings(address, path);
    // Removed at the end.
    let held;
    if let Some(body) = body {
        let number = u128::from_le_bytes(crate::crypto::random::bytes()?);
        held = disk::hold(&format!("kagi-{number:032x}.tmp"), body).or_else(|error| {
            // Where there is no place for it, there may be no curl to make one for.
            let said = process::ask("curl", &["-V"], b"", GRACE, ANSWER_BYTES_MAX);
            said.map_err(|error| address.needs(error)).and(Err(error))
        })?;
        settings += &body_settings(held.path())?;
    }
    let bytes_max = ANSWER_BYTES_MAX + CODE_BYTES;
    let input = settings.as_bytes();
    let said = process::ask("curl", &["-q", "-K", "-"], input, EXCHANGE_MAX + GRACE, bytes_max);
    match said.map_err(|error| address.needs(error))? {
        None => Err(address.unreachable("it takes too long, or says too much")),
        Some(said) if said.code == Some(0) => {
            code_and_body(said.stdout).ok_or_else(|| address.not_kagi())
        }
        Some(said) if said.code == Some(CODE_CERTIFICATE) => {
            let why = "CURL_CA_BUNDLE names the file of an authority of your own";
            Err(address.unreachable(format!("{} ({why})", reason(&said.stderr))))
        }
        Some(said) => Err(address.unreachable(reason(&said.stderr))),
    }
}

/// PROTOCOL 11.3, 11.5.
fn settings(address: &Address, path: &str) -> String {
    format!(
        "url = \"{}{path}\"\nproto = \"=https\"\nconnect-timeout = {}\nmax-time = {}\n\
         max-filesize = {ANSWER_BYTES_MAX}\nsilent\nshow-error\ngloboff\nhttp1.1\n\
         write-out = \"%{{http_code}}\"\n",
        address.text(),
        CONNECT_MAX.as_secs(),
        EXCHANGE_MAX.as_secs(),
    )
}

fn body_settings(path: &Path) -> Result<String> {
    let path = path.to_str().filter(|path| !path.contains(char::is_control)).ok_or_else(|| {
        Error::new(Kind::BadText, path.to_string_lossy()).because("curl cannot be told this path")
    })?;
    let path = path.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!(
        "header = \"content-type: application/octet-stream\"\nheader = \"expect:\"\n\
         data-binary = \"@{path}\"\n"
    ))
}

fn code_and_body(mut bytes: Vec<u8>) -> Option<(u16, Vec<u8>)> {
    let code = bytes.split_off(bytes.len().checked_sub(CODE_BYTES)?);
    Some((std::str::from_utf8(&code).ok()?.parse().ok()?, bytes))
}

/// Of `curl: (60) SSL certificate problem: …` the first line, without the number.
fn reason(messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let line = text.lines().next().unwrap_or("curl has ended");
    line.split_once(") ").map_or(line, |(_, reason)| reason).to_string()
}
