//! What a person sees and answers: printing, questions, dates.
//!
//! Promises: results go to standard output in one write, everything else to standard error.
//! Refuses to ask where nobody can answer: without a terminal
//! every question is answered with no.

use crate::error::{Error, Kind, Result};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

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

/// How far long work has come: one line on a terminal's standard error, rewritten in place, gone when this is
/// dropped. Nothing is shown elsewhere, nor of work that is done within half a second.
pub struct Progress {
    what: &'static str,
    begun: Instant,
    shown: Option<Instant>,
    can_show: bool,
}

impl Progress {
    /// Work that begins now, such as `encrypting`.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        let can_show = io::stderr().is_terminal();
        Progress { what, begun: Instant::now(), shown: None, can_show }
    }

    /// Says that `done` of `total` are done.
    pub fn at(&mut self, done: usize, total: usize) {
        const FIRST: Duration = Duration::from_millis(500);
        const AGAIN: Duration = Duration::from_millis(100);
        let is_due = self.shown.map_or(self.begun.elapsed() >= FIRST, |at| at.elapsed() >= AGAIN);
        if self.can_show && is_due {
            note_raw(&format!("\rkagi: {} {done} of {total}", self.what));
            self.shown = Some(Instant::now());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            note_raw("\r\x1b[K");
        }
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
    fn dates() {
        assert_eq!(date(0), "1970-01-01 00:00:00");
        assert_eq!(date(951_827_696), "2000-02-29 12:34:56");
        assert_eq!(date(1_795_507_348), "2026-11-24 08:02:28");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59:59");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00:00");
    }
}
