//! The audit log: a line for each change, chained by hashes (PROTOCOL 7.6).
//!
//! Promises: every change but a push is in the log, durably, before it is made; the line of a push
//! is made again from its revision if it was lost. Refuses nothing: a torn end is cut off.

use crate::crypto::hash::{Digest, hash};
use crate::disk::Pieces;
use crate::error::{Error, Kind, Result};
use crate::format::bytes::Writer;
use crate::format::text::{HEX, decimal};
use crate::sync::protocol::Rights;
use crate::sync::store::tokens::Token;
use std::path::Path;

/// Lines of one answer.
pub const LINES_MAX: usize = 1000;
/// No line is longer.
const LINE_BYTES_MAX: usize = 512;
/// No field is longer.
const FIELD_BYTES_MAX: usize = 100;
/// Pushes that may be in the log without a sync.
const UNSYNCED_MAX: usize = 500;
/// The end of the log, which holds all lines that may be without a sync.
const TAIL_BYTES: u64 = ((UNSYNCED_MAX + LINES_MAX) * LINE_BYTES_MAX) as u64;

/// What is written of one change.
pub struct Entry<'a> {
    /// Seconds since 1970.
    pub time: u64,
    /// The id of the token that did it, or a word.
    pub token: &'a str,
    /// Where the request came from.
    pub from: &'a str,
    /// What was done.
    pub operation: &'a str,
    /// The project; empty for none.
    pub project: &'a str,
    /// What it was done to.
    pub detail: &'a str,
}

/// Who does something, where from, and when.
pub struct Actor {
    /// The token.
    pub token: std::sync::Arc<Token>,
    /// The address.
    pub from: String,
    /// Seconds since 1970.
    pub now: u64,
}

impl Actor {
    /// Who has the store's directory, or the server itself.
    #[must_use]
    pub fn local(now: u64) -> Self {
        Actor { token: Token::of_nobody("local", Rights::ADMIN), from: String::new(), now }
    }

    /// The entry of what the actor does.
    #[must_use]
    pub fn entry<'a>(&'a self, operation: &'a str, project: &'a str, detail: &'a str) -> Entry<'a> {
        let (token, from) = (self.token.info.id.as_str(), self.from.as_str());
        Entry { time: self.now, token, from, operation, project, detail }
    }
}

/// The log, open.
pub struct Audit {
    file: Pieces,
    /// Number of the last line.
    number: u64,
    /// Its hash.
    last: Digest,
    unsynced: usize,
}

/// One line, read.
pub struct Line<'a> {
    /// Its number.
    pub number: u64,
    /// Its time.
    pub time: u64,
    /// Everything before the hash.
    text: &'a str,
    /// Its hash.
    pub hash: Digest,
}

impl<'a> Line<'a> {
    /// Reads a line; `None` for what is none.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        let (text, digest) = line.rsplit_once(' ')?;
        // One more than there are, so that what has too many takes no memory.
        let fields: Vec<_> = text.splitn(8, ' ').collect();
        let is_printable = |field: &&str| !field.is_empty() && clean(field) == **field;
        let &[number, time, ..] = fields.as_slice() else { return None };
        let hash = HEX.decode(digest)?.expose().try_into().ok()?;
        let is_line = fields.len() == 7 && fields.iter().all(is_printable);
        let (number, time) = (decimal(number)?, decimal(time)?);
        is_line.then_some(Line { number, time, text, hash })
    }

    /// True if the line follows one of that number and hash.
    #[must_use]
    pub fn follows(&self, number: u64, last: &Digest) -> bool {
        self.number == number + 1 && self.hash == chained(last, self.text)
    }
}

fn chained(last: &Digest, text: &str) -> Digest {
    let mut out = Writer::with_capacity(LINE_BYTES_MAX);
    out.field(last).field(text.as_bytes());
    hash(out.0.expose())
}

/// A field: printable ASCII without blanks, and never empty.
fn clean(field: &str) -> String {
    let printable = |symbol: char| if symbol.is_ascii_graphic() { symbol } else { '?' };
    let text: String = field.chars().take(FIELD_BYTES_MAX).map(printable).collect();
    if text.is_empty() { "-".into() } else { text }
}

impl Audit {
    /// Opens the log, and cuts off what is torn at its end.
    ///
    /// # Errors
    /// `NotCanonical` if its last line is none; `Read`, `Write`.
    pub fn open(path: &Path) -> Result<Self> {
        let mut audit =
            Audit { file: Pieces::growing(path)?, number: 0, last: [0; 32], unsynced: 0 };
        let (begin, tail) = audit.tail_bytes()?;
        // A loss of power leaves zeros where an earlier block of what nobody synced is missing.
        let written = tail.iter().position(|byte| *byte == 0).unwrap_or(tail.len());
        let written = tail.get(..written).unwrap_or_default();
        let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() {
            audit.file.cut(begin + whole as u64)?;
        }
        let text = String::from_utf8_lossy(tail.get(..whole).unwrap_or_default());
        if let Some(last) = text.lines().last() {
            let malformed = || Error::new(Kind::NotCanonical, path.to_string_lossy());
            let line = Line::parse(last).ok_or_else(malformed)?;
            (audit.number, audit.last) = (line.number, line.hash);
        }
        Ok(audit)
    }

    fn tail_bytes(&mut self) -> Result<(u64, Vec<u8>)> {
        let begin = self.file.length().saturating_sub(TAIL_BYTES);
        let length = usize::try_from(self.file.length() - begin).unwrap_or_default();
        Ok((begin, self.file.read(begin, length)?))
    }

    /// The end of the log, and the time before which nothing of it is missing.
    ///
    /// # Errors
    /// `Read`.
    pub fn tail(&mut self) -> Result<(String, u64)> {
        let (begin, bytes) = self.tail_bytes()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines = text.lines().skip(usize::from(begin > 0));
        let first = lines.find_map(Line::parse).map_or(0, |line| line.time);
        Ok((text, if begin > 0 { first } else { 0 }))
    }

    /// Appends an entry, most often without a sync.
    ///
    /// # Errors
    /// `Write`.
    pub fn append(&mut self, entry: &Entry) -> Result<()> {
        let (number, time) = (self.number + 1, entry.time);
        let fields = [entry.token, entry.from, entry.operation, entry.project, entry.detail];
        let text = format!("{number} {time} {}", fields.map(clean).join(" "));
        let hash = chained(&self.last, &text);
        self.file.append(format!("{text} {}\n", HEX.encode(&hash)).as_bytes())?;
        (self.number, self.last) = (number, hash);
        self.unsynced += 1;
        if self.unsynced > UNSYNCED_MAX { self.sync() } else { Ok(()) }
    }

    /// Makes all entries durable.
    ///
    /// # Errors
    /// `Write`.
    pub fn sync(&mut self) -> Result<()> {
        self.unsynced = 0;
        self.file.sync()
    }

    /// Lines from a number on, at most 1,000.
    ///
    /// # Errors
    /// `Read`.
    pub fn lines(&mut self, from: u64) -> Result<Vec<String>> {
        let begin = self.find(from)?;
        let left = usize::try_from(self.file.length() - begin).unwrap_or(usize::MAX);
        let bytes = self.file.read(begin, left.min(2 * LINES_MAX * LINE_BYTES_MAX))?;
        let text = String::from_utf8_lossy(&bytes);
        let is_wanted = |line: &&str| Line::parse(line).is_some_and(|line| line.number >= from);
        Ok(text.lines().filter(is_wanted).take(LINES_MAX).map(str::to_string).collect())
    }

    /// Where a line begins that is not after the wanted one, and near to it.
    fn find(&mut self, from: u64) -> Result<u64> {
        let (mut low, mut high) = (0, self.file.length());
        while high - low > (LINES_MAX * LINE_BYTES_MAX) as u64 {
            let middle = u64::midpoint(low, high);
            let bytes = self.file.read(middle, 2 * LINE_BYTES_MAX)?;
            let text = String::from_utf8_lossy(&bytes);
            let line = text.split_once('\n').map(|(before, rest)| (before.len() + 1, rest));
            let line =
                line.and_then(|(skip, rest)| Some((skip, Line::parse(rest.lines().next()?)?)));
            match line {
                Some((skip, line)) if line.number <= from => low = middle + skip as u64,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_is_written_alone() {
        let rest = format!("1700000000 kgt_a local push - 7:ab {}", "0".repeat(64));
        let line = format!("7 {rest}");
        assert_eq!(Line::parse(&line).map(|line| line.number), Some(7));
        for number in ["+7", "07", "-7", "7.", ""] {
            assert!(Line::parse(&format!("{number} {rest}")).is_none(), "{number}");
        }
        for other in [line.replace(" 1", " +1"), line.replace(" 1", " 01"), line.replace("- ", "")]
        {
            assert!(Line::parse(&other).is_none(), "{other}");
        }
    }
}
