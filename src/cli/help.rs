//! `kagi help`: the overview and each command's page, from the table.

use crate::cli::args::{Input, find, members_of, unknown};
use crate::cli::columns;
use crate::cli::command::{Command, Flag};
use crate::cli::report::Failure;
use crate::cli::table::{ALIASES, FOR_PROGRAMS, HEADINGS, commands};
use crate::terminal::{self, folded};
use std::fmt::Write;

/// `kagi help [COMMAND]`.
///
/// # Errors
/// Usage for a command that is not there.
pub fn help(input: &mut Input) -> Result<u8, Failure> {
    let name = input.texts()?.join(" ");
    if name.is_empty() {
        return overview();
    }
    if let Some(command) = find(&name) {
        return page(command);
    }
    let pages: Vec<String> = members_of(&name).map(page_text).collect();
    if pages.is_empty() {
        return Err(unknown(&name, ""));
    }
    terminal::print(pages.join("\n").as_bytes())?;
    Ok(0)
}

/// `kagi --version`.
///
/// # Errors
/// If it cannot be printed.
pub fn version(_input: &mut Input) -> Result<u8, Failure> {
    terminal::print(concat!("kagi ", env!("CARGO_PKG_VERSION"), "\n").as_bytes())?;
    Ok(0)
}

/// All commands by group.
///
/// # Errors
/// If it cannot be printed.
pub fn overview() -> Result<u8, Failure> {
    let columns = columns();
    let first = "kagi: encrypted secrets for a team, in Git, in place of .env files";
    let mut text = folded(first, 6, columns);
    text.push_str(
        "\n\n  kagi init --nested --envs\n  kagi set api DATABASE_URL postgres://localhost/api\n  \
         kagi get\n  kagi run api bun dev\n",
    );
    for command in commands().filter(|command| !FOR_PROGRAMS.contains(&command.name)) {
        if let Some((heading, _)) = HEADINGS.iter().find(|(_, first)| *first == command.name) {
            let _ = write!(text, "\n{heading}\n");
        }
        let line = format!("  {:<16} {}", command.name, command.about);
        let _ = writeln!(text, "{}", folded(&line, 19, columns));
    }
    let last = "kagi COMMAND --help shows flags and examples";
    let _ = writeln!(text, "\n{}", folded(last, 2, columns));
    terminal::print(text.as_bytes())?;
    Ok(0)
}

/// One command's page.
///
/// # Errors
/// If it cannot be printed.
pub fn page(command: &Command) -> Result<u8, Failure> {
    terminal::print(page_text(command).as_bytes())?;
    Ok(0)
}

fn page_text(command: &Command) -> String {
    let columns = columns();
    let details = match columns {
        None => command.details.lines().map(String::from).collect(),
        Some(_) => paragraphs(command.details),
    };
    let head = format!("kagi {} {}", command.name, command.words);
    let mut text = folded(head.trim_end(), 4, columns);
    // Writing to a string cannot fail.
    let _ = write!(text, "\n\n{}\n\n", folded(&format!("  {}", command.about), 2, columns));
    for line in details {
        let _ = writeln!(text, "{}", folded(&format!("  {line}"), 2, columns));
    }
    let others: Vec<_> = aliases(command).collect();
    if !others.is_empty() {
        let _ = write!(text, "\naliases\n  {}\n", others.join(", "));
    }
    text.push_str("\nflags\n");
    for flag in command.flags() {
        let line = format!("  {:<22} {}", flag_text(flag), flag.about);
        let _ = writeln!(text, "{}", folded(&line, 25, columns));
    }
    text.push_str("\nexamples\n");
    for example in command.examples {
        let _ = writeln!(text, "  {example}");
    }
    text
}

/// The other names of a command.
pub fn aliases(command: &Command) -> impl Iterator<Item = &'static str> {
    let name = command.name;
    ALIASES.iter().filter(move |(_, meant)| *meant == name).map(|(alias, _)| *alias)
}

/// A text without the ends of lines that only the width of the table's file has made: a line that
/// begins with a blank, and one that follows such a line, stands alone.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match lines.last_mut() {
            Some(last) if !last.starts_with(' ') && !line.starts_with(' ') => {
                last.extend([" ", line]);
            }
            _ => lines.push(line.to_string()),
        }
    }
    lines
}

/// A flag as it is typed, with its value.
#[must_use]
pub fn flag_text(flag: &Flag) -> String {
    let letter = flag.short.map_or(String::new(), |letter| format!("-{letter}, "));
    let blank = if flag.value.is_empty() || flag.value.starts_with('[') { "" } else { " " };
    format!("{letter}--{}{blank}{}", flag.long, flag.value)
}
