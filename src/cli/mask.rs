//! `run --mask`: what the command prints, with a mask in place of the values.
//!
//! Promises: masks every value that was handed over, however the writes cut it; keeps the order and the
//! bytes of all else; passes on at once what cannot be the begin of a value. Refuses nothing: what
//! it cannot know (a value split, reversed, encrypted, or sent elsewhere) it lets through.

use crate::cli::MASK;
use crate::cli::needles::Needles;
use crate::error::Result;
use crate::process::Launch;
use crate::secret::Secret;
use std::io::{Read, Write, stderr, stdout};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Starts the program, masks its two outputs, and gives back its exit code.
///
/// # Errors
/// As `Launch::with_outputs`.
pub fn run_masked(launch: &Launch) -> Result<u8> {
    let values: Vec<&[u8]> = launch.variables.iter().map(|(_, value)| *value).collect();
    let needles = Needles::new(&values);
    launch.with_outputs(
        |from| pass_on(&needles, from, &mut stdout().lock()),
        |from| pass_on(&needles, from, &mut stderr().lock()),
    )
}

/// Copies until there is no more, or nobody who reads it.
fn pass_on(needles: &Needles, from: &mut dyn Read, to: &mut dyn Write) {
    let mut masking = Masking { needles, held: Secret::default(), covered: 0 };
    let mut buffer = Secret::zeroed(READ_BYTES);
    let mut is_read = true;
    while is_read {
        let count = match from.read(buffer.expose_mut()) {
            Ok(count) => count,
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => 0,
        };
        let out = if count > 0 { masking.take(&buffer.expose()[..count]) } else { masking.rest() };
        let written = to.write_all(out.expose()).and_then(|()| to.flush());
        is_read = count > 0 && written.is_ok();
    }
}

/// The state between two reads.
struct Masking<'a> {
    needles: &'a Needles,
    /// What may still become a value.
    held: Secret,
    /// Bytes at its begin that a mask stands for already.
    covered: usize,
}

impl Masking<'_> {
    /// What can be printed once these bytes have come.
    fn take(&mut self, bytes: &[u8]) -> Secret {
        self.held.push(bytes);
        self.print_until(self.needles.unfinished(self.held.expose()))
    }

    /// What is left at the end.
    fn rest(&mut self) -> Secret {
        self.print_until(self.held.len())
    }

    /// One mask for values that overlap. A value is masked whole once it has begun before `until`.
    fn print_until(&mut self, until: usize) -> Secret {
        let text = self.held.expose();
        let mut out = Secret::with_capacity(text.len());
        let (mut done, mut from) = (self.covered, 0);
        while let Some(hit) = self.needles.find(text, from).filter(|hit| hit.start < until) {
            if hit.start >= done {
                out.push(&text[done..hit.start]);
                out.push(MASK.as_bytes());
            }
            done = done.max(hit.end);
            from = hit.start + 1;
        }
        if done < until {
            out.push(&text[done..until]);
        }
        self.covered = done.saturating_sub(until);
        self.held = Secret::copy_of(&text[until..]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that gives what it is told to at each read.
    struct Cut<'a>(&'a [u8], Vec<usize>);

    impl Read for Cut<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.pop().unwrap_or(self.0.len()).min(self.0.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }

    fn masked(values: &[&[u8]], text: &[u8], cuts: Vec<usize>) -> String {
        let mut out = Vec::new();
        pass_on(&Needles::new(values), &mut Cut(text, cuts), &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn every_split_of_a_stream_gives_the_same() {
        let values: [&[u8]; 4] = [b"hunter2secret", b"secret-tail", b"aabaab", b"2secret"];
        let text =
            b"<hunter2secret-tail> aabaabaab hunter2secre aaabaa 68756e74657232736563726574 \
            hunter2secrethunter2secret aHVudGVyMnNlY3JldA== aabaa";
        // The last symbol of base64 depends on what follows the value.
        let whole = "<********> ******** hunter2secre aaabaa ******** \
            **************** ********A== aabaa";
        assert_eq!(masked(&values, text, vec![]), whole);
        for first in 1..text.len() {
            assert_eq!(masked(&values, text, vec![first]), whole, "cut at {first}");
            for second in [1, 2, 5, 13] {
                assert_eq!(masked(&values, text, vec![second, first]), whole, "{first} {second}");
            }
        }
        assert_eq!(masked(&values, text, vec![1; text.len()]), whole);
    }

    #[test]
    fn what_cannot_be_a_value_is_printed_at_once() {
        let needles = Needles::new(&[b"hunter2", b"password"]);
        let mut masking = Masking { needles: &needles, held: Secret::default(), covered: 0 };
        let mut take =
            |text: &[u8]| String::from_utf8_lossy(masking.take(text).expose()).into_owned();
        assert_eq!(take(b"Password: "), "Password: ");
        assert_eq!(take(b"the hunt"), "the ");
        assert_eq!(take(b"ers"), "hunters");
        assert_eq!(take(b" pass"), " ");
        assert_eq!(take(b"word"), "********");
    }
}
