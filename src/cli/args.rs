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
    if members_of(&first).next().is_some() && find(&name).is_none() {
        match parser.next()? {
            Some(Arg::Value(second)) => name = format!("{first} {}", second.to_string_lossy()),
            Some(Arg::Short('h') | Arg::Long("help")) => {
                (parser, name) = (Parser::from_args([first.as_str()]), "help".to_string());
            }
            _ => return Err(unknown(&first, "")),
        }
    }
    let Some(command) = find(&name) else {
        let second =
            if let Some(Arg::Value(word)) = parser.next()? { word } else { OsString::new() };
        return Err(unknown(&name, &second.to_string_lossy()));
    };
    Ok(Some(Input { command, flags: Vec::new(), words: Vec::new(), parser }))
}

fn no_such_flag(flag: &str) -> Failure {
    let near = nearest(flag.trim_start_matches('-'), ["help", "version"].into_iter());
    let hint = near.map_or("flags stand behind the command; kagi help".to_string(), |near| {
        format!("kagi --{near}")
    });
    Failure::usage(format!("kagi has no {flag} flag")).hint(hint)
}

/// The commands of two words that begin with this one.
pub fn members_of(group: &str) -> impl Iterator<Item = &'static Command> {
    let is_member = move |name: &str| name.split_once(' ').is_some_and(|(first, _)| first == group);
    commands().filter(move |command| is_member(command.name))
}

/// The command of a name or alias.
#[must_use]
pub fn find(name: &str) -> Option<&'static Command> {
    let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, meant)| meant);
    commands().find(|command| command.name == name)
}

/// Names the nearest command. `second` is what follows, which may be a value and is not shown.
#[must_use]
pub fn unknown(name: &str, second: &str) -> Failure {
    let (group, word) = name.split_once(' ').unwrap_or((name, ""));
    let is_group = members_of(group).next().is_some();
    let failure = if word.is_empty() && is_group {
        Failure::usage(format!("kagi {name} needs a second word"))
    } else {
        Failure::usage(format!("there is no command {}", quoted(name)))
    };
    let names = || commands().map(|command| command.name).chain(ALIASES.map(|(alias, _)| alias));
    // Of a group only the second word counts: `file get` is not nearly `file del`.
    let is_near = |near: &&str| {
        word.is_empty()
            || near.split_once(' ').is_some_and(|it| nearest(word, [it.1].into_iter()).is_some())
    };
    let near = nearest(name, names()).filter(is_near);
    let near = near.or_else(|| nearest(&format!("{name} {second}"), names()));
    let groups = names().filter_map(|name| name.split_once(' ')).map(|(group, _)| group);
    let group = if is_group { Some(group) } else { nearest(name, groups) };
    let likes: Vec<_> = match (near, group) {
        (Some(near), _) => vec![near],
        (None, Some(group)) => members_of(group).map(|command| command.name).collect(),
        (None, None) => names().filter(|other| other.ends_with(&format!(" {name}"))).collect(),
    };
    failure.hint(match likes.as_slice() {
        [] => "kagi help".to_string(),
        likes => format!("kagi {}", likes.join(", kagi ")),
    })
}

/// A word that begins with `-` and is no flag. `set` does not show it: it may be a value.
fn unknown_flag(command: &Command, name: &str) -> Failure {
    let near = nearest(name.trim_start_matches('-'), command.flags().map(|flag| flag.long));
    let (command, shown) = (command.name, if command.name == "set" { "such" } else { name });
    let failure = Failure::usage(format!("kagi {command} has no {shown} flag"));
    failure.hint(match near {
        Some(near) => format!("did you mean --{near}?"),
        None if command == "set" => "kagi set -- KEY VALUE, if it is a value".to_string(),
        None => format!("kagi {command} --help"),
    })
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
        if flag.needs_value() {
            return Ok(self.parser.value()?);
        }
        let has_value = !flag.value.is_empty();
        Ok(has_value.then(|| self.parser.optional_value()).flatten().unwrap_or_default())
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
