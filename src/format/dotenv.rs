//! `.env` files: read leniently, write only what every parser reads back alike.
//!
//! Promises: the reader takes linear time, interpolates nothing and executes nothing; a value
//! goes from the file's bytes straight into a `Secret`; an error or warning holds line numbers
//! and valid key names, never a value, a comment or a line's text. Dotenv as written here comes
//! back equal through this reader, Node's `--env-file`, npm `dotenv`, `python-dotenv` and bash
//! (`tests/consumers.sh`).
//!
//! Refuses: a line that is no assignment, an open quote, text after a quote, NUL, bytes that are
//! not UTF-8; and to write a value or name that the target would change.

mod targets;

pub use targets::{Format, editable, github_masks, k8s_name, write};

use crate::error::{Error, Kind, Result};
use crate::format::names::KEY_BYTES_MAX;
use crate::format::snapshot::{ENTRIES_MAX, VALUE_BYTES_MAX};
use crate::secret::Secret;
use std::collections::HashSet;

/// The largest file that is read.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The longest description that is taken from comments.
const DESCRIPTION_BYTES_MAX: usize = 256;
/// More letters than this in a row are no word but a token.
const WORD_LETTERS_MAX: usize = 24;
/// What may stand around a name, `=` and value.
const BLANKS: [char; 2] = [' ', '\t'];
/// What may enclose a value.
const QUOTES: [char; 3] = ['\'', '"', '`'];

/// One assignment of a file.
pub struct Assignment {
    /// The key.
    pub name: String,
    /// The value, unquoted and decoded.
    pub value: Secret,
    /// The prose comment directly above, else empty.
    pub description: String,
    /// The line of the key, counted from 1.
    pub line: usize,
}

/// What a file says.
pub struct Parsed {
    /// Unique by name: the last value, at the place of the last.
    pub assignments: Vec<Assignment>,
    /// What parsers disagree about, by line.
    pub warnings: Vec<Warning>,
}

impl Parsed {
    /// The keys.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.assignments.iter().map(|one| one.name.as_str())
    }
}

/// Something to tell the user about one line.
pub struct Warning {
    /// The line, counted from 1.
    pub line: usize,
    /// The reason; holds no text of the file but a key name.
    pub text: String,
}

/// Reads a `.env` file; `subject` is its path, for errors.
///
/// # Errors
/// `TooLarge` naming the file, or the key whose value is over the limit; `Limit` for too many
/// assignments; `Syntax` with line and rule for the rest.
pub fn parse(subject: &str, bytes: &[u8]) -> Result<Parsed> {
    let rest = text_of(subject, bytes)?;
    let mut reader = Reader { subject, rest, line: 1 };
    let mut all = Vec::new();
    let mut warnings = Vec::new();
    let mut comments = Some(String::new());
    while !reader.rest.is_empty() {
        let line = split_line(reader.rest).0.trim_start_matches(BLANKS);
        if line.is_empty() {
            reader.take_line();
            comments = Some(String::new());
        } else if line.starts_with('#') {
            reader.take_line();
            comments = describe(comments, line);
        } else {
            let description = comments.replace(String::new()).unwrap_or_default();
            all.push(reader.assignment(description, &mut warnings)?);
            if all.len() > ENTRIES_MAX {
                let reason = format!("more than {ENTRIES_MAX} assignments");
                return Err(Error::new(Kind::Limit, subject).because(reason));
            }
        }
    }
    Ok(last_of_each(all, warnings))
}

/// The file as text, without its byte order mark.
fn text_of<'a>(subject: &str, bytes: &'a [u8]) -> Result<&'a str> {
    if bytes.len() > FILE_BYTES_MAX {
        let reason = format!("the limit is {FILE_BYTES_MAX} bytes");
        return Err(Error::new(Kind::TooLarge, subject).because(reason));
    }
    let fault = |valid: usize, reason| {
        let line = 1 + bytes.iter().take(valid).filter(|&&b| b == b'\n').count();
        syntax(subject, line, reason)
    };
    let text =
        std::str::from_utf8(bytes).map_err(|error| fault(error.valid_up_to(), "not UTF-8"))?;
    match text.find('\0') {
        Some(position) => Err(fault(position, "a NUL byte")),
        None => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
    }
}

fn syntax(subject: &str, line: usize, reason: &str) -> Error {
    Error::new(Kind::Syntax, subject).because(format_args!("line {line}: {reason}"))
}

/// The first line without its end, and what follows. A CR at the end of the file counts as a
/// line end cut short: all parsers but bash drop it.
fn split_line(text: &str) -> (&str, &str) {
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), rest)
}

/// What is not read yet, and the line where it begins.
struct Reader<'a> {
    subject: &'a str,
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, line: usize, reason: &str) -> Error {
        syntax(self.subject, line, reason)
    }

    fn take_line(&mut self) -> &'a str {
        let (line, rest) = split_line(self.rest);
        self.rest = rest;
        self.line += 1;
        line
    }

    fn assignment(
        &mut self,
        description: String,
        warnings: &mut Vec<Warning>,
    ) -> Result<Assignment> {
        let line = self.line;
        let name = self.name()?.to_string();
        let value = self.value(&name, warnings)?;
        if value.len() > VALUE_BYTES_MAX {
            let reason = format!("line {line}: the limit of a value is {VALUE_BYTES_MAX} bytes");
            return Err(Error::new(Kind::TooLarge, name).because(reason));
        }
        Ok(Assignment { name, value, description, line })
    }

    fn value(&mut self, name: &str, warnings: &mut Vec<Warning>) -> Result<Secret> {
        let first = self.rest.trim_start_matches(BLANKS).chars().next();
        if let Some(quote) = first.filter(|c| QUOTES.contains(c)) {
            return self.quoted(quote);
        }
        let line = self.line;
        let value = self.bare();
        if value.contains('#') {
            let text = format!("{name:?} has a bare \"#\", where some parsers cut");
            warnings.push(Warning { line, text });
        }
        Ok(Secret::copy_of(value.as_bytes()))
    }

    /// Takes `export NAME =` and returns the name.
    fn name(&mut self) -> Result<&'a str> {
        let text = after_export(self.rest.trim_start_matches(BLANKS));
        let end = text.find(|c| !is_name_char(c)).unwrap_or(text.len());
        let (name, after) = text.split_at_checked(end).unwrap_or((text, ""));
        let after = after.trim_start_matches(BLANKS).strip_prefix('=');
        match after {
            Some(_) if name.len() > KEY_BYTES_MAX => {
                let reason = format!("a name of more than {KEY_BYTES_MAX} bytes");
                Err(self.fault(self.line, &reason))
            }
            Some(after) if name.starts_with(is_name_start) => {
                self.rest = after;
                Ok(name)
            }
            _ => Err(self.fault(self.line, "not a blank line, a comment or NAME=value")),
        }
    }

    /// Takes an unquoted value: trimmed, and cut at a blank followed by `#`. So `A= #x` is empty
    /// and `A=#x` is `#x`, as in bash, python-dotenv, godotenv and Docker; Node, npm `dotenv` and
    /// ruby read nothing there, but a value kept with a warning is better than one lost.
    fn bare(&mut self) -> &'a str {
        let line = self.take_line();
        let mut after_blank = false;
        let comment = |c: char| {
            let starts = c == '#' && after_blank;
            after_blank = BLANKS.contains(&c);
            starts
        };
        let value = line.split_once(comment).map_or(line, |(value, _)| value);
        value.trim_matches(BLANKS)
    }

    /// Takes a quoted value, on one line or many. Only `"` knows escapes.
    fn quoted(&mut self, quote: char) -> Result<Secret> {
        let escapes = quote == '"';
        let mut after_backslash = false;
        let closing = |c: char| {
            let closes = c == quote && !after_backslash;
            after_backslash = escapes && c == '\\' && !after_backslash;
            closes
        };
        let text = self.rest.trim_start_matches(BLANKS).strip_prefix(quote);
        let (inside, after) = text
            .and_then(|text| text.split_once(closing))
            .ok_or_else(|| self.fault(self.line, "missing closing quote"))?;
        self.rest = after;
        self.line += inside.matches('\n').count();
        self.end_of_line()?;
        Ok(decode(inside.as_bytes(), escapes))
    }

    /// After a closing quote: nothing but blanks, or a blank and a comment.
    fn end_of_line(&mut self) -> Result<()> {
        let line = self.line;
        let tail = self.take_line();
        let comment = tail.trim_start_matches(BLANKS);
        if comment.is_empty() || (comment.starts_with('#') && comment.len() < tail.len()) {
            return Ok(());
        }
        Err(self.fault(line, "text after the closing quote"))
    }
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Without the `export` that shells need. `export=1` sets a key of that name.
fn after_export(text: &str) -> &str {
    text.strip_prefix("export")
        .filter(|after| after.starts_with(BLANKS))
        .map(|after| after.trim_start_matches(BLANKS))
        .filter(|after| after.starts_with(is_name_start))
        .unwrap_or(text)
}

/// What stands between the quotes, with line ends made one and, in `"`, escapes decoded.
fn decode(mut rest: &[u8], escapes: bool) -> Secret {
    // Nothing here grows, so the buffer never moves.
    let mut value = Secret::with_capacity(rest.len());
    loop {
        rest = match rest {
            [] => return value,
            [b'\r', after @ ..] if after.first() == Some(&b'\n') => after,
            [b'\\', mark, after @ ..] if escapes && unescape(*mark).is_some() => {
                value.push(unescape(*mark).as_slice());
                after
            }
            [byte, after @ ..] => {
                value.push(std::slice::from_ref(byte));
                after
            }
        };
    }
}

/// What a backslash and this byte stand for; `None` where the backslash stays.
fn unescape(mark: u8) -> Option<u8> {
    match mark {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'"' | b'\\' | b'$' => Some(mark),
        _ => None,
    }
}

/// Adds a comment line to the description of the key below. `None` from the first line on that
/// is not prose: descriptions are shown without asking, a commented-out secret must not be.
fn describe(comments: Option<String>, line: &str) -> Option<String> {
    let line = line.trim_start_matches('#').trim_matches(BLANKS);
    let mut text = comments.filter(|_| is_prose(line))?;
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(line);
    (text.len() <= DESCRIPTION_BYTES_MAX).then_some(text)
}

fn is_prose(line: &str) -> bool {
    let words = || line.split(' ').filter(|word| !word.is_empty());
    !line.contains('=')
        && !words().any(|word| word.ends_with(':'))
        && words().count() >= 2
        && words().all(is_word)
}

/// Letters and punctuation, or a short number, or three characters of any visible kind. `@` and
/// `_` are no punctuation: `user:password@host` and `sk_live_…` are no prose.
fn is_word(word: &str) -> bool {
    const PUNCTUATION: &str = ".,;:!?'\"()/&-–—…’“”";
    let letters = word.chars().all(|c| c.is_alphabetic() || PUNCTUATION.contains(c))
        && word
            .split(|c: char| !c.is_alphabetic())
            .all(|run| run.chars().count() <= WORD_LETTERS_MAX);
    let number = word.len() <= 4 && word.chars().all(|c| c.is_ascii_digit());
    let short = word.chars().count() <= 3
        && word.chars().all(|c| c.is_alphanumeric() || c.is_ascii_graphic());
    letters || number || short
}

fn last_of_each(all: Vec<Assignment>, mut warnings: Vec<Warning>) -> Parsed {
    let mut seen = HashSet::with_capacity(all.len());
    let mut is_again = vec![false; all.len()];
    for (one, is_again) in all.iter().zip(&mut is_again).rev() {
        *is_again = !seen.insert(one.name.as_str());
    }
    let mut assignments = Vec::with_capacity(all.len());
    for (assignment, is_again) in all.into_iter().zip(is_again) {
        if is_again {
            let (line, name) = (assignment.line, assignment.name);
            let text = format!("{name:?} is set again further down; the last value counts");
            warnings.push(Warning { line, text });
        } else {
            assignments.push(assignment);
        }
    }
    warnings.sort_by_key(|warning| warning.line);
    Parsed { assignments, warnings }
}
