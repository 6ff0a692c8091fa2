//! `man`: the manual page, from the table, in the macros of man(7).

use crate::cli::args::Input;
use crate::cli::command::Command;
use crate::cli::help::{aliases, flag_text, paragraphs};
use crate::cli::report::Failure;
use crate::cli::table::{FOR_PROGRAMS, HEADINGS, commands};
use crate::terminal;
use std::fmt::Write;

/// When what stands around the table was last written.
const DATE: &str = "2026-11-25";
const HEAD: &str = include_str!("man/head.roff");
const TAIL: &str = include_str!("man/tail.roff");

/// `kagi man`.
///
/// # Errors
/// If it cannot be printed.
pub fn man(_input: &mut Input) -> Result<u8, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH KAGI 1 {DATE} \"kagi {version}\"\n{HEAD}");
    for command in commands().filter(|command| !FOR_PROGRAMS.contains(&command.name)) {
        if let Some((heading, _)) = HEADINGS.iter().find(|(_, first)| *first == command.name) {
            // Writing to a string cannot fail.
            let _ = writeln!(page, ".SS {}", roff(heading));
        }
        entry(&mut page, command);
    }
    page.push_str(TAIL);
    terminal::print(page.as_bytes())?;
    Ok(0)
}

fn entry(page: &mut String, command: &Command) {
    let head = format!("\\fBkagi {}\\fR {}", roff(command.name), roff(command.words));
    // Writing to a string cannot fail.
    let _ = writeln!(page, ".TP\n{}\n{}", head.trim_end(), roff(command.about));
    for line in paragraphs(command.details) {
        let _ = writeln!(page, ".IP\n{}", roff(&line));
    }
    for alias in aliases(command) {
        let _ = writeln!(page, ".IP\nThe same: \\fBkagi {}\\fR", roff(alias));
    }
    page.push_str(".RS\n.PD 0\n");
    for flag in command.flags {
        let _ = writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(&flag_text(flag)), roff(flag.about));
    }
    page.push_str(".PD\n.PP\n.nf\n");
    for example in command.examples {
        let _ = writeln!(page, "{}", roff(example));
    }
    page.push_str(".fi\n.RE\n");
}

/// A text that roff prints as it is.
fn roff(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '.' if out.is_empty() => out.push_str("\\&."),
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            ' '..='~' => out.push(symbol),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\[u{:04X}]", u32::from(symbol));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_for_a_request() {
        assert_eq!(roff(".a.b"), "\\&.a.b");
        assert_eq!(roff("'a' \\n -x"), "\\(aqa\\(aq \\en \\-x");
        assert_eq!(roff("KEY…"), "KEY\\[u2026]");
    }
}
