//! `complete`: what the last word of a command line may go on as, for the scripts of `completions`.
//!
//! Promises: it reads names that anybody can read (`kagi.json`, directories, index lines, `access.json`
//! as it claims to be), opens no key, asks nothing, writes nothing; what goes wrong makes the list
//! shorter, and the exit code is 0 all the same. Each line is a whole word, printable, a tab and a
//! description; a line without a word says what the shell knows better: `files`, `directories`, or
//! `command N`, which begins at the Nth word.

use crate::cli::args::{Input, find, members_of};
use crate::cli::command::{Command, Flag};
use crate::cli::report::{Failure, safe};
use crate::cli::table::{FOR_PROGRAMS, commands};
use crate::format::config::Config;
use crate::format::names::check_key;
use crate::format::request::Request;
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
    fn names(&self, kind: ScopeKind, typed: &Typed) -> BTreeSet<String> {
        let config = &self.config;
        let default = Some(config.default_service.clone()).filter(|service| !service.is_empty());
        let inferred = || config.inferred_service(&self.site.below).or(default);
        let Some(service) = typed.service.clone().or_else(inferred) else {
            return BTreeSet::new();
        };
        let env = typed.env.clone().unwrap_or(config.default_env.clone());
        let scope = ScopeName { kind, service, env };
        self.site.claimed_names(&scope).unwrap_or_default()
    }
}

/// The words before the last one, as the command will understand them.
#[derive(Default)]
struct Typed {
    service: Option<String>,
    env: Option<String>,
    /// True once a word was the environment: a service does not follow it.
    has_env_word: bool,
    /// Words that are neither.
    rest: Vec<String>,
    has_dashes: bool,
    /// The flag whose value the last word is.
    flag: Option<&'static Flag>,
    /// Where the command begins that `run` is to start.
    begin: Option<usize>,
}

impl Typed {
    fn read(command: &Command, known: Option<&Known>, words: &[String]) -> Self {
        let mut typed = Typed::default();
        let mut words = words.iter().enumerate();
        while let Some((at, word)) = words.next() {
            if typed.has_dashes {
                typed.rest.push(word.clone());
            } else if word == "--" {
                typed.has_dashes = true;
            } else if let Some((flag, value)) = flag_of(command, word) {
                let mut value = value.map(String::from);
                if value.is_none() && flag.needs_value() {
                    value = words.next().map(|(_, word)| word.clone());
                    typed.flag = Some(flag).filter(|_| value.is_none());
                }
                match flag.long {
                    "service" => typed.service = value,
                    "env" => typed.env = value,
                    _ => {}
                }
            } else if !word.starts_with('-') && !typed.take(command, known, word) {
                typed.rest.push(word.clone());
            }
            if command.name == "run" && typed.rest.len() == 1 {
                typed.begin = Some(at);
                break;
            }
        }
        typed
    }

    /// Takes a word as an environment or service, as `Words::take` does.
    fn take(&mut self, command: &Command, known: Option<&Known>, word: &str) -> bool {
        let Some(known) = known.filter(|_| self.is_open()) else {
            return false;
        };
        if self.may_be_env(command) && known.config.is_env(word) {
            self.env = Some(word.to_string());
            self.has_env_word = true;
        } else if self.may_be_service(command) && known.services().contains(word) {
            self.service = Some(word.to_string());
        } else {
            return false;
        }
        true
    }

    /// True as long as a service or environment can follow.
    fn is_open(&self) -> bool {
        self.rest.is_empty() && !self.has_dashes
    }

    fn may_be_env(&self, command: &Command) -> bool {
        self.env.is_none() && self.is_open() && command.words.contains("[env]")
    }

    fn may_be_service(&self, command: &Command) -> bool {
        let is_free = self.service.is_none() && !self.has_env_word;
        is_free && self.is_open() && command.words.contains("[service")
    }
}

/// The flag that a word is, with the value that is in the word.
fn flag_of<'a>(command: &Command, word: &'a str) -> Option<(&'static Flag, Option<&'a str>)> {
    if let Some(long) = word.strip_prefix("--") {
        let (long, value) = long.split_once('=').map_or((long, None), |(l, v)| (l, Some(v)));
        return Some((command.flag(long)?, value));
    }
    let letter = word.strip_prefix('-')?.chars().next()?;
    let value = word.get(2..).filter(|value| !value.is_empty());
    Some((command.short_flag(letter)?, value))
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
        if !name.is_empty() && name.starts_with(begun) && safe(name) == name {
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
    fn line(&mut self, words: &[String]) {
        let Some(first) = words.first() else {
            if self.word.starts_with('-') {
                self.offer_all(["--help", "--version"], "");
            }
            return self.commands();
        };
        let (name, count) = match (find(first), words.get(1)) {
            (Some(_), _) => (first.clone(), 1),
            (None, Some(second)) => (format!("{first} {second}"), 2),
            (None, None) => {
                for command in members_of(first) {
                    self.offer(second_word(command), command.about);
                }
                return;
            }
        };
        match find(&name) {
            Some(command) if command.name == "help" => self.line(&words[count..]),
            Some(command) => self.word(command, &words[count..], count),
            None => {}
        }
    }

    fn commands(&mut self) {
        let mut last = "";
        for command in commands().filter(|command| !FOR_PROGRAMS.contains(&command.name)) {
            match command.name.split_once(' ') {
                Some((group, _)) if group == last => {}
                Some((group, _)) => {
                    let seconds: Vec<_> = members_of(group).map(second_word).collect();
                    self.offer(group, &seconds.join(", "));
                    last = group;
                }
                None => self.offer(command.name, command.about),
            }
        }
    }

    /// What may follow a command and these words of its own, before which `count` words stand.
    fn word(&mut self, command: &'static Command, words: &[String], count: usize) {
        let typed = Typed::read(command, self.known, words);
        if let Some(begin) = typed.begin {
            return self.leave(&format!("command {}", count + begin));
        }
        if let Some(flag) = typed.flag {
            return self.value(command, &typed, flag);
        }
        if self.word.starts_with('-') && !typed.has_dashes {
            return self.flag(command, &typed);
        }
        if typed.may_be_service(command) {
            self.values("service", command, &typed);
        }
        if typed.may_be_env(command) {
            self.values("env", command, &typed);
        }
        if command.name == "run" {
            // Every program of the system would drown the services.
            if !self.word.is_empty() || self.text.is_empty() {
                self.leave(&format!("command {}", count + words.len()));
            }
            return;
        }
        let own: Vec<_> = command
            .words
            .split(' ')
            .filter(|word| !["[service]", "[env]", "[service", "[env]]", "|"].contains(word))
            .collect();
        let repeated = own.last().filter(|word| word.contains('…') && !word.contains(','));
        if let Some(kind) = own.get(typed.rest.len()).or(repeated) {
            self.values(kind, command, &typed);
        }
    }

    fn flag(&mut self, command: &'static Command, typed: &Typed) {
        match flag_of(command, self.word) {
            Some((flag, Some(value))) if self.word.starts_with("--") => {
                self.at = self.word.len() - value.len();
                self.value(command, typed, flag);
            }
            _ => {
                for flag in command.flags() {
                    self.offer(&format!("--{}", flag.long), flag.about);
                }
            }
        }
    }

    /// What a flag's value may be.
    fn value(&mut self, command: &Command, typed: &Typed, flag: &Flag) {
        match (flag.long, flag.value) {
            ("service", _) => self.values("service", command, typed),
            ("env", _) => self.values("env", command, typed),
            ("envs", _) => self.values("ENV,…", command, typed),
            ("trust", _) => self.values("MEMBER_ID", command, typed),
            // The line of help lists them.
            ("format", _) | (_, "RIGHT,…") => {
                self.skip_values();
                let words = flag.about.split(", ").filter_map(|part| part.split(' ').next());
                self.offer_all(words, "");
            }
            (_, "NAME" | "ID") => {}
            (_, kind) => self.values(kind, command, typed),
        }
    }

    /// What a word of that kind may be, as the table calls it.
    fn values(&mut self, kind: &str, command: &Command, typed: &Typed) {
        let kind = kind.trim_matches(['[', ']']).trim_end_matches('…');
        if kind.ends_with(',') {
            self.skip_values();
        }
        match (command.name, kind.trim_end_matches(',')) {
            (_, "PATH" | "FILE" | "TEMPLATE") => self.leave("files"),
            (_, "DIR") => self.leave("directories"),
            (_, words) if words.contains('|') && !words.contains(char::is_uppercase) => {
                self.offer_all(words.split('|'), "");
            }
            (name, kind) => {
                if let Some(known) = self.known {
                    self.names(known, name, kind, typed);
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
            (_, "env" | "ENV" | "REV" | "OLD") | ("env del", _) => {
                self.offer_all(&known.config.envs, "environment");
            }
            (_, "KEY") => {
                let keys = known.names(ScopeKind::Values, typed);
                self.offer_all(keys.iter().filter(|key| check_key(key).is_ok()), "key");
            }
            ("file show" | "file restore" | "file remove", "NAME") => {
                self.offer_all(known.names(ScopeKind::Files, typed), "file");
            }
            ("member approve", "ID") => {
                for Request { id, name, .. } in
                    known.site.requests().into_iter().flatten().flatten()
                {
                    self.offer(&id, &name);
                }
            }
            (_, "MEMBER" | "MEMBER_ID") => {
                for member in known.site.claimed_roster().into_iter().flat_map(|it| it.members) {
                    self.offer(&member.id, &member.name);
                    // A name that looks like a flag would be taken for one.
                    if kind == "MEMBER" && !member.name.starts_with('-') {
                        self.offer(&member.name, &member.id);
                    }
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
