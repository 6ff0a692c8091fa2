//! What a person sees and answers: printing, questions, dates.
//!
//! Promises: results go to standard output in one write, everything else to standard error.
//! Refuses to ask where nobody can answer: without a terminal
//! every question is answered with no.

use crate::error::{Error, Kind, Result};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// True if questions can be asked: standard input and standard error are a terminal.
#[must_use]
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for `y`. No terminal means no.
#[must_use]
pub fn ask(question: &str) -> bool {
    matches!(answer(&format!("{question} [y/N] ")).as_str(), "y" | "Y" | "yes")
}

/// Shows a prompt and reads a line; empty without a terminal.
#[must_use]
pub fn answer(prompt: &str) -> String {
    let mut line = String::new();
    if can_ask() {
        note_raw(prompt);
        // An error is an empty answer, and that means no.
        let _ = io::stdin().read_line(&mut line);
    }
    line.trim().to_string()
}

/// Writes all of a command's result to standard output at once.
///
/// # Errors
/// `Write` if it cannot be written, unless the reader has gone away.
pub fn print(bytes: &[u8]) -> Result<()> {
    match write_out(bytes) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(not_written),
    }
}

/// The same for what cannot be asked for again.
///
/// # Errors
/// `Write`, also if the reader has gone away.
pub fn print_once(bytes: &[u8]) -> Result<()> {
    write_out(bytes).map_err(not_written)
}

fn write_out(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

fn not_written(cause: io::Error) -> Error {
    Error::new(Kind::Write, "standard output").because(cause)
}

/// Writes one line to standard error, begun with `kagi: `.
pub fn note(line: &str) {
    note_raw(&format!("kagi: {line}\n"));
}

/// Writes a value and a line end to standard error.
pub fn note_secret(value: &[u8]) {
    let mut err = io::stderr().lock();
    // There is nobody left to tell if this fails.
    let _ = err.write_all(value).and_then(|()| err.write_all(b"\n"));
}

/// Writes to standard error as it is.
pub fn note_raw(text: &str) {
    // There is nobody left to tell if this fails.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Colours, as a terminal is told them.
pub const RED: &str = "31";
/// For what is new.
pub const GREEN: &str = "32";
/// For what is different.
pub const YELLOW: &str = "33";
/// For names and hints.
pub const CYAN: &str = "36";

/// A word in a colour; as it is where `stream` is no terminal, or one without colours, or where
/// `NO_COLOR` is set.
#[must_use]
pub fn tinted(stream: &impl IsTerminal, colour: &str, word: &str) -> String {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let has_colours = set("TERM").is_some_and(|terminal| terminal != "dumb");
    if stream.is_terminal() && has_colours && set("NO_COLOR").is_none() {
        return format!("\x1b[{colour}m{word}\x1b[0m");
    }
    word.to_string()
}

/// The lines of a text, each cut to so many columns; what was cut ends in `…`.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    text.lines().map(|line| cut_line(line, columns) + "\n").collect()
}

fn cut_line(line: &str, columns: usize) -> String {
    let (mut width, mut fitting, mut in_colour) = (0, 0, false);
    for (at, symbol) in line.char_indices() {
        in_colour |= symbol == '\x1b';
        if in_colour {
            in_colour = symbol != 'm';
            continue;
        }
        width += columns_of(symbol);
        if width > columns {
            let end = if line.contains('\x1b') { "\x1b[0m" } else { "" };
            return format!("{}…{end}", &line[..fitting]);
        }
        if width < columns {
            fitting = at + symbol.len_utf8();
        }
    }
    line.to_string()
}

/// A line broken at blanks where it would wrap, what follows after so many blanks; as it is without
/// columns.
#[must_use]
pub fn folded(line: &str, indent: usize, columns: Option<usize>) -> String {
    let columns = columns.unwrap_or(usize::MAX);
    let (mut out, mut width) = (String::new(), 0);
    for (at, word) in line.split(' ').enumerate() {
        let wide: usize = word.chars().map(columns_of).sum();
        if width + 1 + wide > columns && width > indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            width = indent;
        } else if at > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += wide;
    }
    out
}

/// Rather too many: signs of East Asia and pictures take two.
fn columns_of(symbol: char) -> usize {
    const FIRST_WIDE: char = '\u{1100}';
    if symbol < FIRST_WIDE || symbol == '…' { 1 } else { 2 }
}

/// How far long work has come: one line on a terminal's standard error, rewritten in place, gone when this is
/// dropped. Nothing is shown elsewhere, nor of work that is done within half a second. It is shown by a thread
/// of its own, so that a single long step is seen as well.
pub struct Progress {
    counts: Arc<[AtomicUsize; 2]>,
    shown: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Work that begins now, such as `encrypting`.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        let counts = Arc::<[AtomicUsize; 2]>::default();
        let mut shown = None;
        if io::stderr().is_terminal() {
            let (sender, ended) = mpsc::channel();
            let seen = counts.clone();
            let thread = thread::Builder::new().spawn(move || show(what, &seen, &ended));
            // Without a thread, nothing is shown.
            shown = thread.ok().map(|thread| (sender, thread));
        }
        Progress { counts, shown }
    }

    /// Says that `done` of `total` are done; no total is one that is not known yet.
    pub fn at(&mut self, done: usize, total: usize) {
        self.counts[0].store(done, Relaxed);
        self.counts[1].store(total, Relaxed);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.shown.take() {
            drop(sender);
            // It has nothing to say of its end.
            let _ = thread.join();
        }
    }
}

/// Shows the counts until the sender is gone, and then nothing.
fn show(what: &str, [done, total]: &[AtomicUsize; 2], ended: &Receiver<()>) {
    const FIRST: Duration = Duration::from_millis(500);
    const AGAIN: Duration = Duration::from_millis(100);
    let (mut pause, mut width) = (FIRST, 0);
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let counts = match total.load(Relaxed) {
            0 => "…".to_string(),
            total => format!("{} of {total}", done.load(Relaxed)),
        };
        let line = format!("kagi: {what} {counts}");
        note_raw(&format!("\r{line}"));
        (pause, width) = (AGAIN, line.len().max(width));
    }
    if width > 0 {
        note_raw(&format!("\r{:width$}\r", ""));
    }
}

/// Seconds since 1970 as `2026-11-24 08:02:28`, UTC.
#[must_use]
pub fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil_from_days, for days after 1970: years begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_where_they_would_wrap() {
        for (text, shown) in [
            ("", ""),
            ("12345", "12345"),
            ("123456", "1234…"),
            ("äöüßé", "äöüßé"),
            ("鍵鍵1", "鍵鍵1"),
            ("鍵鍵鍵", "鍵鍵…"),
            ("1鍵鍵鍵", "1鍵…"),
            ("\x1b[36m12345\x1b[0m", "\x1b[36m12345\x1b[0m"),
            ("\x1b[36m123456\x1b[0m", "\x1b[36m1234…\x1b[0m"),
        ] {
            assert_eq!(cut_line(text, 5), shown);
        }
        assert_eq!(cut("1234567\n12\n", 5), "1234…\n12\n");
        assert_eq!(folded("  12 34 567 8", 2, Some(7)), "  12 34\n  567 8");
        assert_eq!(folded("123456789 1", 2, Some(7)), "123456789\n  1");
        assert_eq!(folded("a  b", 2, Some(7)), "a  b");
    }

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_827_696), "2000-02-29 12:34:56");
        assert_eq!(date(1_795_507_348), "2026-11-24 08:02:28");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59:59");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00:00");
    }
}
