//! What values are written as: for other programs, and for a person's editor.
//!
//! Promises: what is written comes back equal from the target's own reader; a text that a person edits
//! comes back equal from kagi's. Refuses to write a name or value that the target would change.

use super::{is_name_char, is_name_start};
use crate::error::{Error, Kind, Result};
use crate::format::text::BASE64;
use crate::secret::Secret;

/// The longest line that Docker reads (Go's `bufio.Scanner`), its line end not counted.
const DOCKER_LINE_BYTES_MAX: usize = 64 * 1024 - 1;
/// Bytes of all values of a Kubernetes Secret.
const K8S_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a name in a Kubernetes Secret.
const K8S_NAME_BYTES_MAX: usize = 253;
/// Shorter lines are not masked: a log in which every `1` is hidden is of no use.
const MASKED_BYTES_MIN: usize = 3;

/// What values can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `NAME=value`, for every `.env` parser and `source`.
    Dotenv,
    /// `export NAME='value'`, for POSIX shells.
    Shell,
    /// One object of strings.
    Json,
    /// `NAME=value` without any quoting, for `docker run --env-file`.
    Docker,
    /// A Kubernetes Secret, as JSON.
    K8s,
    /// `NAME<<delimiter`, for the file that `$GITHUB_ENV` names.
    Github,
}

impl Format {
    /// All of them with their names, and what the names of their files end in.
    pub const NAMED: [(&'static str, Format, &'static str); 6] = [
        ("dotenv", Format::Dotenv, ""),
        ("shell", Format::Shell, ".sh"),
        ("json", Format::Json, ".json"),
        ("docker", Format::Docker, ""),
        ("k8s", Format::K8s, ".k8s.json"),
        ("github", Format::Github, ".github"),
    ];
}

/// Writes names and values for one target. `label` is the name of a Kubernetes Secret (see `k8s_name`),
/// or GitHub's delimiter, which nobody may guess; others need none.
///
/// # Errors
/// `Unholdable` naming the first key that the target cannot hold, with the reason.
pub fn write<'a>(
    format: Format,
    label: &str,
    pairs: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
) -> Result<Secret> {
    // As much as most targets take.
    let sizes = pairs.clone().map(|(name, value)| name.len() + value.len() + 8);
    let mut out = Secret::with_capacity(sizes.sum());
    let mut total = 0;
    for (name, value) in pairs {
        total += value.len();
        match format {
            Format::Dotenv => dotenv(&mut out, name, value),
            Format::Shell => shell(&mut out, name, value),
            Format::Json => json(&mut out, name, value),
            Format::Docker => docker(&mut out, name, value),
            Format::K8s => k8s(&mut out, total, name, value),
            Format::Github => github(&mut out, label, name, value),
        }
        .map_err(|reason| Error::new(Kind::Unholdable, name).because(reason))?;
    }
    if matches!(format, Format::Json | Format::K8s) {
        let end: &[u8] = if out.is_empty() { b"{}" } else { b"\n}" };
        out.push(end);
        if format == Format::K8s {
            out = k8s_secret(label, &out);
        }
        out.push(b"\n");
    }
    Ok(out)
}

/// Written, or the reason why the target cannot hold it.
type Held<T = ()> = std::result::Result<T, &'static str>;

fn push_all(out: &mut Secret, parts: &[&[u8]]) {
    for part in parts {
        out.push(part);
    }
}

fn dotenv(out: &mut Secret, name: &str, value: &[u8]) -> Held {
    // Bash would take `a-b=…` for a command and run it.
    shell_name(name)?;
    let quote = quote_for(text(value)?)?.as_bytes();
    push_all(out, &[name.as_bytes(), b"=", quote, value, quote, b"\n"]);
    Ok(())
}

/// The quotes in which every parser reads `value` literally.
fn quote_for(value: &str) -> Held<&'static str> {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+,=-".contains(&byte);
    if value.contains('\r') {
        // Node drops it; npm dotenv and python-dotenv make it a newline.
        Err("it has a carriage return, which parsers drop or change")
    } else if value.bytes().all(bare) {
        Ok("")
    } else if value.contains('\'') {
        // Bash and others look for these inside `"…"`.
        if value.contains(['"', '\\', '$', '!', '`']) {
            return Err("it has a ' together with \" \\ $ ! or `, which no quotes hold");
        }
        Ok("\"")
    } else if value.contains("${") {
        Err("it has ${, which python-dotenv expands in any quotes")
    } else if value.contains("\\\\") || value.ends_with('\\') {
        Err("it has a doubled or final backslash, which python-dotenv and others decode")
    } else {
        Ok("'")
    }
}

fn shell(out: &mut Secret, name: &str, value: &[u8]) -> Held {
    shell_name(name)?;
    no_nul(value)?;
    push_all(out, &[b"export ", name.as_bytes(), b"='"]);
    let mut parts = value.split(|&byte| byte == b'\'');
    out.push(parts.next().unwrap_or_default());
    for part in parts {
        push_all(out, &[b"'\\''", part]);
    }
    out.push(b"'\n");
    Ok(())
}

fn json(out: &mut Secret, name: &str, value: &[u8]) -> Held {
    let value = std::str::from_utf8(value).map_err(|_| NOT_UTF8)?;
    let start: &[u8] = if out.is_empty() { b"{\n  " } else { b",\n  " };
    out.push(start);
    json_string(out, name);
    out.push(b": ");
    json_string(out, value);
    Ok(())
}

/// Besides what JSON demands, escapes what terminals and old JavaScript act on.
fn json_string(out: &mut Secret, text: &str) {
    out.push(b"\"");
    for c in text.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\n' => out.push(b"\\n"),
            '\r' => out.push(b"\\r"),
            '\t' => out.push(b"\\t"),
            '\u{2028}' | '\u{2029}' => push_code(out, c),
            c if c.is_control() => push_code(out, c),
            c => out.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b"\"");
}

/// `\u` and four hex digits; only for characters below U+10000.
fn push_code(out: &mut Secret, c: char) {
    out.push(b"\\u");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit((u32::from(c) >> shift) & 15, 16).unwrap_or('0');
        out.push(digit.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// Docker takes everything after `=` to the end of the line as it stands.
fn docker(out: &mut Secret, name: &str, value: &[u8]) -> Held {
    if !is_name(name) {
        return Err(NO_NAME);
    }
    if text(value)?.contains(['\n', '\r']) {
        return Err("it has a line break, and an --env-file has no quoting");
    }
    if name.len() + 1 + value.len() > DOCKER_LINE_BYTES_MAX {
        return Err("it is longer than a line that Docker reads (64 KiB)");
    }
    push_all(out, &[name.as_bytes(), b"=", value, b"\n"]);
    Ok(())
}

/// The name of a scope's Secret: what a DNS label may hold.
#[must_use]
pub fn k8s_name(scope: &str) -> String {
    let symbol = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    scope.chars().map(symbol).collect::<String>().trim_end_matches('-').to_string()
}

fn k8s(out: &mut Secret, total: usize, name: &str, value: &[u8]) -> Held {
    if !is_name(name) || name.len() > K8S_NAME_BYTES_MAX {
        return Err("a Secret takes names of up to 253 of A-Z a-z 0-9 _ . -");
    }
    if total > K8S_BYTES_MAX {
        return Err("with it the values are more than a Secret holds (1 MiB)");
    }
    // The text has its size from the start, so the buffer never moves.
    json(out, name, Secret::from_vec(BASE64.encode(value).into_bytes()).expose())
}

fn k8s_secret(name: &str, data: &Secret) -> Secret {
    let mut out = Secret::with_capacity(data.len() + 512);
    out.push(b"{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": ");
    json_string(&mut out, name);
    push_all(&mut out, &[b"}, \"type\": \"Opaque\", \"data\": ", data.expose(), b"}"]);
    out
}

/// The runner reads lines up to the delimiter, and drops the last line end.
fn github(out: &mut Secret, delimiter: &str, name: &str, value: &[u8]) -> Held {
    let upper = name.to_ascii_uppercase();
    if !is_name(name) {
        return Err(NO_NAME);
    }
    if upper == "NODE_OPTIONS" || ["GITHUB_", "RUNNER_"].iter().any(|own| upper.starts_with(own)) {
        return Err("GitHub keeps GITHUB_*, RUNNER_* and NODE_OPTIONS for itself");
    }
    if text(value)?.split('\n').any(|line| line == delimiter) {
        return Err("it has the delimiter as a line");
    }
    let delimiter = delimiter.as_bytes();
    push_all(out, &[name.as_bytes(), b"<<", delimiter, b"\n", value, b"\n", delimiter, b"\n"]);
    Ok(())
}

/// The commands that make GitHub hide values in the log that follows: one a line of a value, for
/// a log is searched line by line.
#[must_use]
pub fn github_masks<'a>(values: impl Iterator<Item = &'a [u8]>) -> Secret {
    let mut out = Secret::default();
    for line in values.flat_map(|value| value.split(|byte| matches!(byte, b'\n' | b'\r'))) {
        if line.len() < MASKED_BYTES_MIN || line.trim_ascii().is_empty() {
            continue;
        }
        out.push(b"::add-mask::");
        for (at, part) in line.split(|byte| *byte == b'%').enumerate() {
            push_all(&mut out, &[if at > 0 { b"%25" } else { b"" }, part]);
        }
        out.push(b"\n");
    }
    out
}

/// Writes one key for a person to edit, under its description: `parse` reads the same value back,
/// whatever it is. Other readers are not thought of.
pub fn editable(out: &mut Secret, name: &str, value: &str, description: &str) {
    if !description.is_empty() {
        push_all(out, &[b"# ", description.as_bytes(), b"\n"]);
    }
    push_all(out, &[name.as_bytes(), b"="]);
    if let Ok(quote) = quote_for(value) {
        push_all(out, &[quote.as_bytes(), value.as_bytes(), quote.as_bytes(), b"\n\n"]);
        return;
    }
    out.push(b"\"");
    for part in value.split_inclusive(['"', '\\', '\r']) {
        let (plain, mark) = part.split_at(part.trim_end_matches(['"', '\\', '\r']).len());
        let escaped: &[u8] = match mark {
            "" => b"",
            "\r" => b"\\r",
            "\"" => b"\\\"",
            _ => b"\\\\",
        };
        push_all(out, &[plain.as_bytes(), escaped]);
    }
    out.push(b"\"\n\n");
}

const NOT_UTF8: &str = "it is not UTF-8";
const NO_NAME: &str = "the name is not a key name (A-Z a-z 0-9 _ . -)";

/// A value that is UTF-8 and has no NUL.
fn text(value: &[u8]) -> Held<&str> {
    no_nul(value)?;
    std::str::from_utf8(value).map_err(|_| NOT_UTF8)
}

/// No environment can hold a NUL byte.
fn no_nul(value: &[u8]) -> Held {
    if value.contains(&0) {
        return Err("it has a NUL byte");
    }
    Ok(())
}

/// A key name of the reader's grammar, which is also the shells' where it has no `.` or `-`.
fn is_name(name: &str) -> bool {
    name.starts_with(is_name_start) && name.chars().all(is_name_char)
}

fn shell_name(name: &str) -> Held {
    if is_name(name) && !name.contains(['.', '-']) {
        return Ok(());
    }
    Err("the name is not a shell name (A-Z a-z 0-9 _)")
}
