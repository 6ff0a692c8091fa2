//! What a command and a flag are, and the flags that several commands share. The commands
//! themselves are in `table`.

use crate::cli::args::Input;
use crate::cli::report::Failure;

/// One command.
pub struct Command {
    /// One or two words.
    pub name: &'static str,
    /// What follows the name.
    pub words: &'static str,
    /// One line.
    pub about: &'static str,
    /// What the one line leaves open.
    pub details: &'static str,
    /// Lines that can be pasted.
    pub examples: &'static [&'static str],
    /// Its flags.
    pub flags: &'static [Flag],
    /// What it does.
    pub run: fn(&mut Input) -> Result<u8, Failure>,
}

/// One flag.
pub struct Flag {
    /// Its name without `--`.
    pub long: &'static str,
    /// Its letter, if it has one.
    pub short: Option<char>,
    /// Name of its value; empty for none, in `[=…]` if it may be left out.
    pub value: &'static str,
    /// One line.
    pub about: &'static str,
}

impl Command {
    /// The flag of a long name.
    #[must_use]
    pub fn flag(&self, long: &str) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.long == long)
    }

    /// The flag of a letter.
    #[must_use]
    pub fn short_flag(&self, letter: char) -> Option<&'static Flag> {
        self.flags().find(|flag| flag.short == Some(letter))
    }

    /// All flags, with `--help`.
    pub fn flags(&self) -> impl Iterator<Item = &'static Flag> + use<> {
        self.flags.iter().chain([&HELP])
    }
}

impl Flag {
    /// True if a value has to follow.
    #[must_use]
    pub fn needs_value(&self) -> bool {
        !self.value.is_empty() && !self.value.starts_with('[')
    }
}

/// A flag without a letter.
#[must_use]
pub const fn flag(long: &'static str, value: &'static str, about: &'static str) -> Flag {
    Flag { long, short: None, value, about }
}

/// A flag with a letter.
#[must_use]
pub const fn short(
    letter: char,
    long: &'static str,
    value: &'static str,
    about: &'static str,
) -> Flag {
    Flag { long, short: Some(letter), value, about }
}

static HELP: Flag = short('h', "help", "", "show this help");
/// `-s`.
pub const SERVICE: Flag =
    short('s', "service", "NAME", "the service, whatever the words look like");
/// `-e`.
pub const ENV: Flag = short('e', "env", "NAME", "the environment, whatever the words look like");
/// `--strict`.
pub const STRICT: Flag =
    flag("strict", "", "refuse a scope that is older than what this device has seen");
/// `--json`.
pub const JSON: Flag = flag("json", "", "for programs; never reveals a value");
/// `-y`.
pub const YES: Flag = short('y', "yes", "", "do not ask; needed without a terminal");
/// `--accept-older`.
pub const ACCEPT_OLDER: Flag =
    flag("accept-older", "", "though a scope is older than what this device has seen, or gone");
/// `--no-git`.
pub const NO_GIT: Flag = flag("no-git", "", "do not set up Git's merge driver in this clone");
/// `--allow-unsafe-name`.
pub const UNSAFE_NAME: Flag =
    flag("allow-unsafe-name", "", "allow names that load code into programs (PATH, LD_PRELOAD, …)");
