//! `set`, `unset`: changes of one scope.

use crate::cli::args::Input;
use crate::cli::dotenv::{Plan, check_new_names, take_over, warn};
use crate::cli::file::named_file;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::{
    Words, check_new_service, check_no_key, check_no_place, near_place, unknown_env, unknown_key,
    wrong_order,
};
use crate::cli::{author, check_names, load, may_delete, open, open_to_write, save, set_key};
use crate::crypto::random;
use crate::disk;
use crate::format::dotenv;
use crate::format::names::{check_key, check_place};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::VALUE_BYTES_MAX;
use crate::process;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::path::Path;

/// Where a value comes from, if not from the last word.
const SOURCES: [&str; 4] = ["stdin", "prompt", "generate", "file"];
/// Characters of a generated value: 32 letters and digits are 190 bits.
const GENERATED_LENGTH: usize = 32;
const GENERATED_LENGTH_MAX: usize = 4096;

/// `kagi set [service] [env] KEY [VALUE]`.
///
/// # Errors
/// Usage; names that may not be; everything that keeps the scope from being written.
pub fn set(input: &mut Input) -> Result<u8, Failure> {
    if input.has("dotenv") {
        return set_lines(input);
    }
    let value = value_from_flag(input)?;
    let (project, lock) = open_to_write(input)?;
    let (target, key) = split_words(&project, input, value.is_none())?;
    check_names(input, std::iter::once(key.as_str()))?;
    let value = match value {
        Some(value) => value,
        None => Secret::from_vec(input.words.pop().unwrap_or_default().into_encoded_bytes()),
    };
    let description = input.text("desc")?;
    set_key(&project, &lock, &target, &key, value, description, author(&project))?;
    Ok(0)
}

/// `kagi set [service] [env] --stdin --dotenv`: all lines in one write, or none.
fn set_lines(input: &Input) -> Result<u8, Failure> {
    const SUBJECT: &str = "standard input";
    const NOTHING: &str = "nothing was written";
    const HINT: &str = "kagi set [service] [env] --stdin --dotenv";
    if !input.has("stdin")
        || ["prompt", "generate", "file", "desc"].iter().any(|flag| input.has(flag))
    {
        return Err(
            Failure::usage("--dotenv goes with --stdin, and no other source or --desc").hint(HINT)
        );
    }
    let text = disk::read_stdin(dotenv::FILE_BYTES_MAX)?;
    let parsed =
        dotenv::parse(SUBJECT, text.expose()).map_err(|error| Failure::from(error).and(NOTHING))?;
    warn(SUBJECT, &parsed);
    if parsed.assignments.is_empty() {
        return Err(Failure::new("standard input holds no KEY=VALUE line").and(NOTHING));
    }
    let (project, lock) = open_to_write(input)?;
    let mut words = Words::from_flags(&project, input)?;
    for word in input.texts()? {
        if words.take(&project, &word) {
            continue;
        }
        let is_key = words.service.is_some() || !has_lower_case(&word);
        if is_key && near_place(&project, &word).is_none() {
            // Not shown: it may be a value.
            return Err(
                Failure::usage("with --dotenv the keys come from standard input alone").hint(HINT)
            );
        }
        take_new_service(&project, &mut words, &word, input)?;
    }
    let target = words.target(&project)?;
    check_new_service(&project, &target)?;
    check_new_names(&project, input, &target, parsed.names())
        .map_err(|failure| failure.and(NOTHING))?;
    let mut scope = load(&project, &target)?.scope;
    let plan = Plan::new(&scope, &parsed);
    take_over(&mut scope, parsed, author(&project))?;
    if plan.changes() {
        save(&project, &lock, &target, scope)?;
    }
    terminal::note(&format!("set in {target}: {}", plan.summary()));
    Ok(0)
}

/// The last words are the key, and the value unless a flag brought it; what is before them must
/// be service and environment.
fn split_words(
    project: &Project,
    input: &Input,
    has_value: bool,
) -> Result<(ScopeName, String), Failure> {
    let mut leading = input.texts_before(usize::from(has_value))?;
    let key = leading.pop().filter(|_| leading.len() <= 2);
    let key = key.ok_or_else(|| {
        let wanted = if has_value {
            "a key and a value"
        } else {
            "a key, and no value beside a flag that brings one"
        };
        let is_joined =
            matches!(input.words.as_slice(), [word] if word.to_string_lossy().contains('='));
        let joined = || Failure::usage(JOINED).hint("kagi set KEY VALUE");
        let failure = Failure::usage(format!("set takes {wanted}")).hint("kagi set --help");
        if is_joined { joined() } else { failure }
    })?;
    check_set_key(project, &key, &leading)?;
    let mut words = Words::from_flags(project, input)?;
    for word in &leading {
        if !words.take(project, word) {
            take_new_service(project, &mut words, word, input)?;
        }
    }
    let target = words.target(project)?;
    check_new_service(project, &target)?;
    check_no_place(project, &target, &key)?;
    Ok((target, key))
}

/// Refuses what can be no key. A word that is none is not shown: it may be a part of the value.
fn check_set_key(project: &Project, key: &str, leading: &[String]) -> Result<(), Failure> {
    if project.config.is_env(key) || project.is_service(key) {
        let kind = if project.config.is_env(key) { "an environment" } else { "a service" };
        let message = format!("{} is {kind}; a key may not be named like one", quoted(key));
        let before = [leading, &[key.to_string()]].concat().join(" ");
        return Err(Failure::new(message).hint(format!("kagi set {before} KEY VALUE")));
    }
    match check_key(key) {
        Ok(()) => Ok(()),
        Err(_) if key.contains('=') => Err(Failure::usage(JOINED).hint("kagi set KEY VALUE")),
        Err(error) => {
            let message = format!("the word before the value is no key: {}", error.cause);
            Err(Failure::usage(message).hint("a value with blanks needs quotes"))
        }
    }
}

/// Said of `KEY=VALUE`, without showing it.
const JOINED: &str = "key and value are two words, without =";

/// A leading word that is neither an environment nor a service: a new service, if nothing
/// suggests that it was mistyped.
fn take_new_service(
    project: &Project,
    words: &mut Words,
    word: &str,
    input: &Input,
) -> Result<(), Failure> {
    if input.has("generate") && word.parse::<usize>().is_ok() {
        return Err(Failure::usage("the length comes after a =").hint(format!("--generate={word}")));
    }
    if check_place(word).is_err() {
        let message = "a word before the key is neither a service nor an environment";
        return Err(Failure::usage(message).hint("a value with blanks needs quotes"));
    }
    if words.service.is_some() {
        return Err(unknown_env(project, word).and("nothing was written"));
    }
    if words.has_env_word {
        return Err(wrong_order().hint("kagi set SERVICE ENV KEY VALUE"));
    }
    check_no_key(project, word)?;
    let failure = Failure::new(format!("there is no service {}", quoted(word)));
    let failure = failure.and("nothing was written").hint(format!("-s {word} makes a new service"));
    if let Some(near) = near_place(project, word) {
        return Err(failure.and(&format!("did you mean {}?", quoted(&near))));
    }
    // `set MOTTO two words`: what was meant is no service.
    if !has_lower_case(word) {
        return Err(failure.and("a value with blanks needs quotes"));
    }
    words.service = Some(word.to_string());
    Ok(())
}

fn has_lower_case(word: &str) -> bool {
    word.contains(|symbol: char| symbol.is_ascii_lowercase())
}

/// The value that a flag brings.
fn value_from_flag(input: &Input) -> Result<Option<Secret>, Failure> {
    let given: Vec<_> = SOURCES.into_iter().filter(|source| input.has(source)).collect();
    let value = match given.as_slice() {
        [] => return Ok(None),
        ["stdin"] => {
            // One line end is cut off again.
            let mut value = disk::read_stdin(VALUE_BYTES_MAX + 2)?;
            value.trim_line_end();
            value
        }
        ["prompt"] => from_prompt()?,
        ["generate"] => generate(input.text("generate")?.unwrap_or_default())?,
        ["file"] => {
            let path = input.value("file").cloned().unwrap_or_default();
            disk::read_given(Path::new(&path), VALUE_BYTES_MAX)?
        }
        _ => {
            return Err(Failure::usage(format!(
                "only one of --{} can be meant",
                given.join(", --")
            )));
        }
    };
    Ok(Some(value))
}

fn from_prompt() -> Result<Secret, Failure> {
    if !terminal::can_ask() {
        return Err(Failure::new("there is no terminal to ask on")
            .hint("--stdin reads the value from a pipe"));
    }
    terminal::note_raw("value (not shown): ");
    let value = process::read_hidden_line();
    // The line break that was typed was not shown.
    terminal::note_raw("\n");
    Ok(value?)
}

/// Letters and digits, each equally likely.
fn generate(length: &str) -> Result<Secret, Failure> {
    const SYMBOLS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let length = if length.is_empty() { Ok(GENERATED_LENGTH) } else { length.parse() };
    let length = length.ok().filter(|length| (1..=GENERATED_LENGTH_MAX).contains(length));
    let length =
        length.ok_or_else(|| Failure::usage("--generate takes a length from 1 to 4096"))?;
    let mut value = Secret::with_capacity(length);
    while value.len() < length {
        let [byte] = random::bytes()?;
        // 248 = 4 * 62: what is above would favour the first symbols.
        let symbol = SYMBOLS.get(usize::from(byte % 62)).filter(|_| byte < 248);
        if let Some(symbol) = symbol {
            value.push(&[*symbol]);
        }
    }
    Ok(value)
}

/// `kagi unset [service] [env] KEY…`.
///
/// # Errors
/// Usage; a key that is not there; everything that keeps the scope from being written.
pub fn unset(input: &mut Input) -> Result<u8, Failure> {
    delete(input, ScopeKind::Values)
}

/// Deletes keys, or stored files.
///
/// # Errors
/// As `unset`.
pub fn delete(input: &Input, kind: ScopeKind) -> Result<u8, Failure> {
    if !input.has("yes") {
        // Asked without the lock, and looked at again with it.
        let (target, keys, _) = without_keys(&open(input)?, input, kind)?;
        may_delete(input, &format!("delete {keys} from {target}?"))?;
    }
    let (project, lock) = open_to_write(input)?;
    let (target, keys, scope) = without_keys(&project, input, kind)?;
    save(&project, &lock, &target, scope)?;
    terminal::note(&format!("deleted {keys} from {target}"));
    Ok(0)
}

/// The scope without the keys that are named, and their names.
fn without_keys(
    project: &Project,
    input: &Input,
    kind: ScopeKind,
) -> Result<(ScopeName, String, Scope), Failure> {
    let mut words = Words::greedy(project, input, usize::MAX)?;
    words.check_known(project)?;
    let target = words.target(project)?.of_kind(kind);
    if words.rest.is_empty() {
        let (command, noun) = (input.command.name, kind.noun());
        let message = format!("{command} takes the {noun}s to delete");
        return Err(Failure::usage(message).hint(format!("kagi {command} --help")));
    }
    let mut scope = load(project, &target)?.scope;
    if kind == ScopeKind::Files {
        let named = words.rest.iter().map(|word| named_file(project, &target, &scope, word));
        words.rest = named.collect::<Result<_, _>>()?;
    }
    words.rest.sort();
    words.rest.dedup();
    for key in &words.rest {
        if !scope.unset(key) {
            return Err(unknown_key(project, &target, &scope, key).and("nothing was deleted"));
        }
    }
    Ok((target, words.rest.join(", "), scope))
}
