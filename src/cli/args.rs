//! The command line: which command, its flags, its words. The table decides what is allowed.
//!
//! Refuses what the table does not list, with the nearest thing that it does.

use crate::cli::command::{Command, Flag};
use crate::cli::report::{Failure, quoted};
use crate::cli::table::{ALIASES, commands};
use crate::cli::words::nearest;
use lexopt::{Arg, Parser};
use std::ffi::OsString;

/// What was typed after a command's name.
pub struct Input {
    /// The command.
    pub command: &'static Command,
    flags: Vec<(&'static str, OsString)>,
    /// The words, in order.
    pub words: Vec<OsString>,
    parser: Parser,
}

/// Finds the command that the first words name. `None`: only help was asked for, or nothing.
///
/// # Errors
/// Usage, with the nearest command.
pub fn command(mut parser: Parser) -> Result<Option<Input>, Failure> {
    let first = match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(None),
        Some(Arg::Short('V') | Arg::Long("version")) => "version".to_string(),
        Some(Arg::Value(word)) => word.to_string_lossy().into_owned(),
        Some(Arg::Long(flag)) => return Err(no_such_flag(&format!("--{flag}"))),
        Some(Arg::Short(flag)) => return Err(no_such_flag(&format!("-{flag}"))),
    };
    let mut name = first.clone();
    let is_group =
        |command: &Command| command.name.split_once(' ').is_some_and(|(group, _)| group == first);
    if commands().any(is_group) && find(&name).is_none() {
        match parser.next()? {
            Some(Arg::Value(second)) => name = format!("{first} {}", second.to_string_lossy()),
            Some(Arg::Short('h') | Arg::Long("help")) => {
                (parser, name) = (Parser::from_args([first.as_str()]), "help".to_string());
            }
            _ => return Err(unknown(&first)),
        }
    }
    let command = find(&name).ok_or_else(|| unknown(&name))?;
    Ok(Some(Input { command, flags: Vec::new(), words: Vec::new(), parser }))
}

fn no_such_flag(flag: &str) -> Failure {
    Failure::usage(format!("kagi has no {flag} flag")).hint("kagi help")
}

/// The command of a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, meant)| meant);
    commands().find(|command| command.name == name)
}

fn unknown(name: &str) -> Failure {
    let group = name.split(' ').next().unwrap_or(name);
    let members: Vec<_> = commands()
        .map(|command| command.name)
        .filter(|other| other.split_once(' ').is_some_and(|(first, _)| first == group))
        .collect();
    let failure = if name == group && !members.is_empty() {
        Failure::usage(format!("kagi {name} needs a second word"))
    } else {
        Failure::usage(format!("there is no command {}", quoted(name)))
    };
    let aliases = ALIASES.iter().map(|(alias, _)| *alias);
    let known = commands().map(|command| command.name).chain(aliases);
    match (nearest(name, known), members.as_slice()) {
        (Some(near), _) => failure.hint(format!("kagi {near}")),
        (None, []) => failure.hint("kagi help"),
        (None, members) => failure.hint(format!("kagi {}", members.join(", kagi "))),
    }
}

/// A word that begins with `-` and is no flag. `set` does not show it: it may be a value.
fn unknown_flag(command: &Command, name: &str) -> Failure {
    let near = nearest(name.trim_start_matches('-'), command.flags().map(|flag| flag.long));
    let (command, shown) = (command.name, if command.name == "set" { "such" } else { name });
    let failure = Failure::usage(format!("kagi {command} has no {shown} flag"));
    match near {
        Some(near) => failure.hint(format!("did you mean --{near}?")),
        None if command == "set" => failure.hint("kagi set -- KEY VALUE, if it is a value"),
        None => failure.hint(format!("kagi {command} --help")),
    }
}

impl Input {
    /// The next word, with the flags before it taken in. `None` at the end or at `--`.
    ///
    /// # Errors
    /// Usage for a flag that the command does not have.
    pub fn next_word(&mut self) -> Result<Option<OsString>, Failure> {
        loop {
            if let Some(word) = self.word_with_blank() {
                return Ok(Some(word));
            }
            if self
                .parser
                .try_raw_args()
                .is_some_and(|rest| rest.as_slice().first().is_some_and(|word| word == "--"))
            {
                return Ok(None);
            }
            let flag = match self.parser.next()? {
                None => return Ok(None),
                Some(Arg::Value(word)) => return Ok(Some(word)),
                Some(Arg::Long(name)) => {
                    let flag = self.command.flag(name);
                    flag.ok_or_else(|| unknown_flag(self.command, &format!("--{name}")))?
                }
                Some(Arg::Short(letter)) => {
                    let flag = self.command.short_flag(letter);
                    flag.ok_or_else(|| unknown_flag(self.command, &format!("-{letter}")))?
                }
            };
            let value = self.value_of(flag)?;
            self.flags.push((flag.long, value));
        }
    }

    /// A word that begins with `-` but has a blank before any `=` is no flag: a PEM block, say.
    fn word_with_blank(&mut self) -> Option<OsString> {
        let mut rest = self.parser.try_raw_args()?;
        let bytes = rest.peek()?.as_encoded_bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b'=' | b' ' | b'\n' | b'\t'))?;
        if bytes.first() == Some(&b'-') && bytes.get(end) != Some(&b'=') {
            rest.next()
        } else {
            None
        }
    }

    fn value_of(&mut self, flag: &Flag) -> Result<OsString, Failure> {
        match flag.value {
            "" => Ok(OsString::new()),
            optional if optional.starts_with('[') => {
                Ok(self.parser.optional_value().unwrap_or_default())
            }
            _ => Ok(self.parser.value()?),
        }
    }

    /// Takes in everything that is left; what follows `--` are words too.
    ///
    /// # Errors
    /// Usage, as `next_word`.
    pub fn take_words(&mut self) -> Result<(), Failure> {
        while let Some(word) = self.next_word()? {
            self.words.push(word);
        }
        let rest = self.rest()?;
        self.words.extend(rest);
        Ok(())
    }

    /// What is left, untouched; a `--` before it is dropped.
    ///
    /// # Errors
    /// Usage.
    pub fn rest(&mut self) -> Result<Vec<OsString>, Failure> {
        let mut rest: Vec<OsString> = self.parser.raw_args()?.collect();
        if rest.first().is_some_and(|word| word == "--") {
            rest.remove(0);
        }
        Ok(rest)
    }

    /// True if a flag was given.
    #[must_use]
    pub fn has(&self, long: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == long)
    }

    /// A flag's value, the last one given.
    #[must_use]
    pub fn value(&self, long: &str) -> Option<&OsString> {
        self.flags.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| value)
    }

    /// All values of a flag that was given several times, as text.
    ///
    /// # Errors
    /// Usage if one is not UTF-8.
    pub fn all(&self, long: &str) -> Result<Vec<String>, Failure> {
        self.flags
            .iter()
            .filter(|(name, _)| *name == long)
            .map(|(_, value)| text_of(value))
            .collect()
    }

    /// A flag's value as text.
    ///
    /// # Errors
    /// Usage if it is not UTF-8.
    pub fn text(&self, long: &str) -> Result<Option<&str>, Failure> {
        let not_text = || Failure::usage(format!("the value of --{long} is not UTF-8"));
        self.value(long).map(|value| value.to_str().ok_or_else(not_text)).transpose()
    }

    /// The words as text but for the last `count`; none if there are not that many.
    ///
    /// # Errors
    /// Usage if one is not UTF-8.
    pub fn texts_before(&self, count: usize) -> Result<Vec<String>, Failure> {
        let kept = self.words.len().saturating_sub(count);
        self.words.iter().take(kept).map(text_of).collect()
    }

    /// Exactly `N` words, as text.
    ///
    /// # Errors
    /// Usage, with the words that the command takes.
    pub fn exactly<const N: usize>(&self) -> Result<[String; N], Failure> {
        let Command { name, words, .. } = self.command;
        let wrong = |_| {
            Failure::usage(format!("kagi {name} takes: {words}"))
                .hint(format!("kagi {name} --help"))
        };
        self.texts()?.try_into().map_err(wrong)
    }

    /// The words as text.
    ///
    /// # Errors
    /// Usage if one is not UTF-8.
    pub fn texts(&self) -> Result<Vec<String>, Failure> {
        self.texts_before(0)
    }
}

fn text_of(word: &OsString) -> Result<String, Failure> {
    word.to_str().map(str::to_string).ok_or_else(|| Failure::usage("a word is not UTF-8"))
}
