//! `complete`: what the last word of a command line may go on as, for the scripts of `completions`.
//!
//! Promises: it reads names that anybody can read (`kagi.json`, directories, index lines, `access.json`
//! as it claims to be), opens no key, asks nothing, writes nothing; what goes wrong makes the list
//! shorter, and the exit code is 0 all the same. Refuses ids that somebody is to be trusted by: those come
//! from a person, and never from who writes the repository. Each line is a whole word, printable, a tab and a
//! description; a line without a word says what the shell knows better: `files`, `directories`, or
//! `command N`, which begins at the Nth word.

use crate::cli::args::{Input, find, members_of};
use crate::cli::command::{Command, Flag};
use crate::cli::report::{Failure, safe};
use crate::cli::table::{FOR_PROGRAMS, commands};
use crate::cli::words::Words;
use crate::format::config::Config;
use crate::format::names::check_key;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::project::Site;
use crate::terminal;
use std::collections::BTreeSet;
use std::fmt::Write;

/// `kagi complete -- [WORD…]`.
///
/// # Errors
/// None.
pub fn complete(input: &mut Input) -> Result<u8, Failure> {
    let words: Vec<_> =
        input.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let (begun, before) = words.split_last().map_or(("", words.as_slice()), |(begun, before)| {
        // How PowerShell hands over an empty word.
        (if begun == "''" { "" } else { begun }, before)
    });
    let known = Known::find();
    let mut list = Candidates { word: begun, at: 0, known: known.as_ref(), text: String::new() };
    list.line(before);
    // A shell that does not listen any more is told nothing.
    let _ = terminal::print(list.text.as_bytes());
    Ok(0)
}

/// What can be known without a key.
struct Known {
    site: Site,
    config: Config,
    scopes: Vec<ScopeName>,
}

impl Known {
    fn find() -> Option<Self> {
        let site = Site::find().ok()?;
        let (config, _) = site.claimed_config().ok()?;
        let mut scopes = Vec::new();
        for kind in ScopeKind::ALL {
            scopes.extend(site.scope_files(kind).unwrap_or_default());
        }
        scopes.retain(|name| config.is_env(&name.env));
        Some(Known { site, config, scopes })
    }

    fn services(&self) -> BTreeSet<&str> {
        self.scopes.iter().map(|name| name.service.as_str()).collect()
    }

    /// Every service in every environment.
    fn places(&self) -> Vec<String> {
        let envs = &self.config.envs;
        let of = |service| envs.iter().map(move |env| format!("{service}/{env}"));
        self.services().into_iter().flat_map(of).collect()
    }

    /// The names in the scope that was typed, or that is meant where none was.
    fn names(&self, kind: ScopeKind, words: &Words) -> BTreeSet<String> {
        let Config { default_service, default_env, .. } = &self.config;
        let inferred = || self.config.inferred_service(&self.site.below);
        let service = words.service.clone().or_else(inferred).unwrap_or(default_service.clone());
        let env = words.env.clone().unwrap_or(default_env.clone());
        // Without a service there is no such file.
        self.site.claimed_names(&ScopeName { kind, service, env }).unwrap_or_default()
    }
}

/// The words before the last one, as their command will understand them.
#[derive(Default)]
struct Typed {
    words: Words,
    has_dashes: bool,
    /// The flag whose value the last word is.
    flag: Option<&'static Flag>,
    /// Where the command begins that `run` is to start.
    begin: Option<usize>,
}

impl Typed {
    fn read(command: &Command, known: Option<&Known>, before: &[String]) -> Self {
        let mut typed = Typed::default();
        let mut rest = before.iter();
        while let Some(word) = rest.next() {
            if let Some((flag, mut value)) = flag_of(command, word).filter(|_| !typed.has_dashes) {
                if value.is_none() && flag.needs_value() {
                    value = rest.next().map(String::as_str);
                    typed.flag = Some(flag).filter(|_| value.is_none());
                }
                match flag.long {
                    "service" => typed.words.service = value.map(String::from),
                    "env" => typed.words.env = value.map(String::from),
                    _ => {}
                }
            } else if word == "--" && !typed.has_dashes {
                typed.has_dashes = true;
            } else if !typed.take(command, known, word) {
                typed.words.rest.push(word.clone());
                if command.name == "run" {
                    typed.begin = Some(before.len() - rest.len() - 1);
                    break;
                }
            }
        }
        typed
    }

    fn take(&mut self, command: &Command, known: Option<&Known>, word: &str) -> bool {
        let is_open = self.words.rest.is_empty() && !self.has_dashes;
        known.filter(|_| is_open).is_some_and(|known| {
            let is_env = command.words.contains("[env]") && known.config.is_env(word);
            self.words.take_as(word, is_env, || known.services().contains(word))
        })
    }

    /// What the word that follows may be, as the table calls it.
    fn kinds(&self, command: &Command) -> Vec<&'static str> {
        let words = command.words.split([' ', '[', ']']);
        let (places, own): (Vec<_>, Vec<_>) = words
            .filter(|word| !["", "|", "--"].contains(word))
            .partition(|word| ["service", "env"].contains(word));
        let Words { service, env, rest, has_env_word, .. } = &self.words;
        let mut kinds = places;
        kinds.retain(|kind| {
            let is_free =
                if *kind == "env" { env.is_none() } else { service.is_none() && !has_env_word };
            is_free && rest.is_empty() && !self.has_dashes
        });
        let repeated = own.last().filter(|kind| kind.contains('…') && !kind.contains(','));
        kinds.extend(own.get(rest.len()).or(repeated));
        kinds
    }
}

/// The flag that a word is, with the value that is in the word.
fn flag_of<'a>(command: &Command, word: &'a str) -> Option<(&'static Flag, Option<&'a str>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (long, value) = long.split_once('=').map_or((long, None), |(l, v)| (l, Some(v)));
        return Some((command.flag(long)?, value));
    }
    let mut letters = word.strip_prefix('-')?.chars();
    let flag = command.short_flag(letters.next()?)?;
    Some((flag, Some(letters.as_str()).filter(|value| !value.is_empty())))
}

/// The lines to print.
struct Candidates<'a> {
    /// The last word.
    word: &'a str,
    /// Where in it that begins which is completed: after `--flag=`, or the last comma of a list.
    at: usize,
    known: Option<&'a Known>,
    text: String,
}

impl Candidates<'_> {
    fn offer(&mut self, name: &str, about: &str) {
        let (kept, begun) = self.word.split_at(self.at);
        // What looks like a flag would be taken for one.
        let is_flag = name.starts_with('-') && !begun.starts_with('-');
        if !name.is_empty() && !is_flag && name.starts_with(begun) && safe(name) == name {
            // Writing to a string cannot fail.
            let _ = writeln!(self.text, "{kept}{name}\t{}", safe(about));
        }
    }

    fn offer_all<T: AsRef<str>>(&mut self, names: impl IntoIterator<Item = T>, about: &str) {
        names.into_iter().for_each(|name| self.offer(name.as_ref(), about));
    }

    /// Lets the shell do it.
    fn leave(&mut self, what: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "\t{what}");
    }

    /// What may follow `kagi` and these words.
    fn line(&mut self, before: &[String]) {
        let Some(first) = before.first() else {
            return self.first_word();
        };
        let (name, count) = match (find(first), before.get(1)) {
            (Some(_), _) => (first.clone(), 1),
            (None, Some(second)) => (format!("{first} {second}"), 2),
            (None, None) => {
                members_of(first).for_each(|it| self.offer(second_word(it), it.about));
                return;
            }
        };
        match find(&name) {
            Some(command) if command.name == "help" => self.line(&before[count..]),
            Some(command) => self.word(command, &before[count..], count),
            None => {}
        }
    }

    fn first_word(&mut self) {
        let mut last = "";
        for command in commands().filter(|command| !FOR_PROGRAMS.contains(&command.name)) {
            match command.name.split_once(' ') {
                None => self.offer(command.name, command.about),
                Some((group, _)) if group == last => {}
                Some((group, _)) => {
                    let seconds: Vec<_> = members_of(group).map(second_word).collect();
                    self.offer(group, &seconds.join(", "));
                    last = group;
                }
            }
        }
    }

    /// What may follow a command and these words of its own, before which `count` words stand.
    fn word(&mut self, command: &'static Command, before: &[String], count: usize) {
        let typed = Typed::read(command, self.known, before);
        if let Some(begin) = typed.begin {
            return self.leave(&format!("command {}", count + begin));
        }
        if let Some(flag) = typed.flag {
            return self.value(command, &typed, flag);
        }
        if self.word.starts_with('-') && !typed.has_dashes {
            match flag_of(command, self.word) {
                Some((flag, Some(value))) => {
                    self.at = self.word.len() - value.len();
                    self.value(command, &typed, flag);
                }
                _ => command.flags().for_each(|it| self.offer(&format!("--{}", it.long), it.about)),
            }
            return;
        }
        for kind in typed.kinds(command) {
            // Every program of the system would drown the services.
            if kind == "COMMAND" && (!self.word.is_empty() || self.text.is_empty()) {
                self.leave(&format!("command {}", count + before.len()));
            }
            self.values(kind, command, &typed);
        }
    }

    /// What a flag's value may be.
    fn value(&mut self, command: &Command, typed: &Typed, flag: &Flag) {
        let kind = match (flag.long, flag.value) {
            ("service" | "env", _) => flag.long,
            ("envs", _) => "ENV,…",
            ("format", _) | (_, "RIGHT,…") => {
                // The line of help lists them.
                self.skip_values();
                let words = flag.about.split(", ").filter_map(|part| part.split(' ').next());
                return self.offer_all(words, "");
            }
            (_, kind) => kind,
        };
        self.values(kind, command, typed);
    }

    /// What a word of that kind may be.
    fn values(&mut self, kind: &str, command: &Command, typed: &Typed) {
        if kind.ends_with(",…") {
            self.skip_values();
        }
        match kind.trim_end_matches(['…', ',']) {
            "PATH" | "FILE" | "TEMPLATE" => self.leave("files"),
            "DIR" => self.leave("directories"),
            words if words.contains('|') && !words.contains(char::is_uppercase) => {
                self.offer_all(words.split('|'), "");
            }
            kind => {
                if let Some(known) = self.known {
                    self.names(known, command.name, kind, typed);
                }
            }
        }
    }

    /// Leaves what stands before the last comma.
    fn skip_values(&mut self) {
        self.at += self.word[self.at..].rfind(',').map_or(0, |comma| comma + 1);
    }

    fn names(&mut self, known: &Known, command: &str, kind: &str, typed: &Typed) {
        match (command, kind) {
            (_, "service") => self.offer_all(known.services(), "service"),
            (_, "env" | "ENV" | "OLD") | ("env del", _) | ("diff", "REV") => {
                self.offer_all(&known.config.envs, "environment");
            }
            (_, "KEY") => {
                let keys = known.names(ScopeKind::Values, &typed.words);
                self.offer_all(keys.iter().filter(|key| check_key(key).is_ok()), "key");
            }
            ("file show" | "file restore" | "file remove", "NAME") => {
                self.offer_all(known.names(ScopeKind::Files, &typed.words), "file");
            }
            (_, "MEMBER") => {
                for member in known.site.claimed_roster().into_iter().flat_map(|it| it.members) {
                    self.offer(&member.id, &member.name);
                    self.offer(&member.name, &member.id);
                }
            }
            (_, "PLACE") => {
                self.offer_all(&known.config.envs, "environment");
                self.offer_all(known.services(), "service");
                self.offer_all(known.places(), "");
            }
            (_, "GRANT") => {
                self.offer_all(known.places(), "");
                self.offer_all(known.services().iter().map(|name| format!("{name}/*")), "");
                self.offer_all(known.config.envs.iter().map(|name| format!("*/{name}")), "");
            }
            _ => {}
        }
    }
}

fn second_word(command: &Command) -> &'static str {
    command.name.split_once(' ').map_or("", |(_, second)| second)
}
