//! Canonical JSON, for files that hold no secrets: `kagi.json`, `access.json`, requests, pins.
//! The only file that names miniserde.
//!
//! Promises: accepted means byte for byte what `write` writes. miniserde takes duplicate and
//! unknown keys, so every read ends in a comparison with its own re-encoding (FORMAT 1.10).

use crate::error::{Error, Kind, Result};
pub use miniserde::{Deserialize, Serialize};

/// Reads a value from its canonical form.
///
/// # Errors
/// `TooLarge` above `bytes_max`; `Newer` for an unknown format; `NotCanonical` for anything that `write` would not have written.
pub fn read<T: Serialize + Deserialize>(
    subject: &str,
    bytes: &[u8],
    bytes_max: usize,
) -> Result<T> {
    if bytes.len() > bytes_max {
        return Err(Error::new(Kind::TooLarge, subject));
    }
    if is_newer(bytes) {
        return Err(Error::new(Kind::Newer, subject));
    }
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| miniserde::json::from_str::<T>(text).ok())
        .filter(|value| write(value).as_bytes() == bytes)
        .ok_or_else(|| Error::new(Kind::NotCanonical, subject))
}

/// True for a file of a format that this program does not know. Every file begins with its number.
fn is_newer(bytes: &[u8]) -> bool {
    let number = bytes.strip_prefix(b"{\n  \"format\": ");
    number.is_some_and(|rest| !rest.starts_with(b"1,") && !rest.starts_with(b"1\n"))
}

/// The canonical form: two blanks of indentation a level, one blank after a colon, a newline at
/// the end, so that a change of one member is a change of few lines in `git diff`.
#[must_use]
pub fn write<T: Serialize>(value: &T) -> String {
    let compact = miniserde::json::to_string(value);
    let mut text = String::with_capacity(2 * compact.len());
    let (mut rest, mut depth, mut last) = (compact.as_str(), 0, ' ');
    while let Some(symbol) = rest.chars().next() {
        let length = if symbol == '"' { string_length(rest) } else { symbol.len_utf8() };
        let (token, after) = rest.split_at(length);
        if matches!(symbol, '}' | ']') {
            depth -= 1;
            if !matches!(last, '{' | '[') {
                new_line(&mut text, depth);
            }
        } else if matches!(last, '{' | '[' | ',') {
            new_line(&mut text, depth);
        }
        text.push_str(token);
        match symbol {
            '{' | '[' => depth += 1,
            ':' => text.push(' '),
            _ => {}
        }
        (rest, last) = (after, symbol);
    }
    text.push('\n');
    text
}

/// Bytes of the string that a text begins with, with both quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let is_end = |byte| {
        let is_quote = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_quote
    };
    text.bytes().skip(1).position(is_end).map_or(text.len(), |end| end + 2)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Sample {
        text: String,
        list: Vec<u32>,
        none: Vec<String>,
    }

    #[test]
    fn written_form_is_read_back_and_no_other() {
        let sample = Sample { text: "a\"{[,:\\".into(), list: vec![1, 2], none: vec![] };
        let text = write(&sample);
        assert_eq!(
            text,
            "{\n  \"text\": \"a\\\"{[,:\\\\\",\n  \"list\": [\n    1,\n    2\n  ],\n  \"none\": []\n}\n"
        );
        let back: Sample = read("x", text.as_bytes(), 1000).unwrap();
        assert_eq!(write(&back), text);
        for other in [
            text.trim_end().to_string(),
            text.replace("  ", " "),
            text.replace("[]", "[ ]"),
            text.replacen("  \"text\"", "  \"text\": \"\",\n  \"text\"", 1),
            text.replacen("  \"text\"", "  \"more\": 1,\n  \"text\"", 1),
        ] {
            assert!(read::<Sample>("x", other.as_bytes(), 1000).is_err(), "{other}");
        }
        assert_eq!(read::<Sample>("x", text.as_bytes(), 3).err().unwrap().kind, Kind::TooLarge);
    }
}
