//! `set`, `unset`, `resolve`: changes of one scope.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::words::{Words, check_no_key, check_service, nearest, unknown_env};
use crate::cli::{
    author, check_names, load, may_delete, missing_key, open_to_write, save, wants_help, written,
};
use crate::crypto::random;
use crate::disk;
use crate::format::names::check_key;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::VALUE_BYTES_MAX;
use crate::process;
use crate::project::Project;
use crate::secret::Secret;
use crate::terminal;
use std::io::Read;
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
pub fn set(mut input: Input) -> Result<u8, Failure> {
    if wants_help(&mut input)? {
        return Ok(0);
    }
    let value = value_from_flag(&input)?;
    let (project, lock) = open_to_write(&input)?;
    let order = split_words(&project, &input, value.is_none())?;
    let Order { target, key, is_new_service } = order;
    check_key(&key)?;
    check_names(&input, std::iter::once(key.as_str()))?;
    let value = match value {
        Some(value) => value,
        None => Secret::from_vec(input.words.pop().unwrap_or_default().into_encoded_bytes()),
    };
    let mut scope = load(&project, &target)?.scope;
    let is_changed = scope.set(&key, value, input.text("desc")?, author(&project))?;
    if !is_changed {
        terminal::note(&format!(
            "{} in {target} has that value already; nothing was written",
            quoted(&key)
        ));
        return Ok(0);
    }
    let version = scope.get(&key).first().map_or(1, |entry| entry.version);
    save(&project, &lock, &target, scope)?;
    if is_new_service {
        terminal::note(&format!("new service {}", quoted(&target.service)));
    }
    terminal::note(&format!("set {} in {target} (version {version})", quoted(&key)));
    Ok(0)
}

/// What the words of `set` say.
struct Order {
    target: ScopeName,
    key: String,
    is_new_service: bool,
}

/// The last words are the key, and the value unless a flag brought it; what is before them must
/// be service and environment.
fn split_words(project: &Project, input: &Input, has_value: bool) -> Result<Order, Failure> {
    let needed = 1 + usize::from(has_value);
    let count = input.words.len();
    if count < needed || count > needed + 2 {
        let wanted = if has_value {
            "a key and a value"
        } else {
            "a key, and no value beside a flag that brings one"
        };
        return Err(Failure::usage(format!("set takes {wanted}")).hint("kagi set --help"));
    }
    let leading = input.words.get(..count - needed).unwrap_or_default();
    let leading: Vec<String> =
        leading.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let key = input
        .words
        .get(count - needed)
        .map(|word| word.to_string_lossy().into_owned())
        .unwrap_or_default();
    if project.config.is_env(&key) || project.is_service(&key) {
        let kind = if project.config.is_env(&key) { "an environment" } else { "a service" };
        let failure =
            Failure::new(format!("{} is {kind}; a key may not be named like one", quoted(&key)));
        return Err(failure.hint(format!(
            "kagi set {} KEY VALUE",
            [leading, vec![safe(&key)]].concat().join(" ")
        )));
    }
    if let Some((name, _)) = key.split_once('=').filter(|_| check_key(&key).is_err()) {
        return Err(
            Failure::usage("a key holds no =").hint(format!("kagi set {} VALUE", safe(name)))
        );
    }
    let mut words = Words::from_flags(project, input)?;
    for word in &leading {
        if !words.take(project, word) {
            take_new_service(project, &mut words, word, leading.len())?;
        }
    }
    let target = words.target(project)?;
    let is_new_service = !project.is_service(&target.service);
    if is_new_service {
        check_service(project, &target.service)?;
        check_no_key(project, &target.service)?;
    }
    Ok(Order { target, key, is_new_service })
}

/// A leading word that is neither an environment nor a service: a new service, if nothing
/// suggests that it was mistyped.
fn take_new_service(
    project: &Project,
    words: &mut Words,
    word: &str,
    leading: usize,
) -> Result<(), Failure> {
    if words.service.is_some() {
        return Err(unknown_env(project, word).and("nothing was written"));
    }
    if words.env.is_some() {
        return Err(Failure::usage("the service comes before the environment")
            .hint("kagi set SERVICE ENV KEY VALUE"));
    }
    let services = project.services(ScopeKind::Values)?;
    let known = services.iter().chain(&project.config.envs).map(String::as_str);
    let near = nearest(word, known).filter(|_| leading > 0);
    if let Some(near) = near {
        let failure = Failure::new(format!(
            "there is no service {}; did you mean {}?",
            quoted(word),
            quoted(near)
        ));
        return Err(failure
            .and("nothing was written")
            .hint(format!("-s {} makes a new service", safe(word))));
    }
    check_service(project, word)?;
    words.service = Some(word.to_string());
    Ok(())
}

/// The value that a flag brings.
fn value_from_flag(input: &Input) -> Result<Option<Secret>, Failure> {
    let given: Vec<_> = SOURCES.into_iter().filter(|source| input.has(source)).collect();
    let value = match given.as_slice() {
        [] => return Ok(None),
        ["stdin"] => from_stdin()?,
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

fn from_stdin() -> Result<Secret, Failure> {
    let mut bytes = Vec::with_capacity(64 * 1024);
    let cap = VALUE_BYTES_MAX as u64 + 2;
    let read = std::io::stdin().lock().take(cap).read_to_end(&mut bytes);
    let mut value = Secret::from_vec(bytes);
    read.map_err(|_| Failure::new("cannot read standard input"))?;
    value.trim_line_end();
    Ok(value)
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
pub fn unset(mut input: Input) -> Result<u8, Failure> {
    if wants_help(&mut input)? {
        return Ok(0);
    }
    let (project, lock) = open_to_write(&input)?;
    let words = Words::greedy(&project, &input, usize::MAX)?;
    let target = words.target(&project)?;
    let keys = &words.rest;
    if keys.is_empty() {
        return Err(Failure::usage("unset takes the keys to delete").hint("kagi unset --help"));
    }
    let mut scope = load(&project, &target)?.scope;
    if let Some(missing) = keys.iter().find(|key| scope.get(key).is_empty()) {
        let failure = missing_key(missing, &target).and("nothing was deleted");
        return Err(match nearest(missing, scope.iter().map(|(name, _)| name)) {
            Some(near) => failure.hint(format!("did you mean {}?", quoted(near))),
            None => failure,
        });
    }
    may_delete(&input, &format!("delete {} from {target}?", keys.join(", ")))?;
    for key in keys {
        scope.unset(key);
    }
    save(&project, &lock, &target, scope)?;
    terminal::note(&format!("deleted {} from {target}", keys.join(", ")));
    Ok(0)
}

/// `kagi resolve [service] [env] [KEY]`.
///
/// # Errors
/// Usage; no such conflict; everything that keeps the scope from being written.
pub fn resolve(mut input: Input) -> Result<u8, Failure> {
    if wants_help(&mut input)? {
        return Ok(0);
    }
    let (project, lock) = open_to_write(&input)?;
    let words = Words::greedy(&project, &input, 1)?;
    let key = words.rest.first();
    if key.is_none() && input.has("take") {
        return Err(Failure::usage("--take needs the key that it is about").hint("kagi resolve"));
    }
    let scopes = match (&words.service, &words.env, key) {
        (None, None, None) => project.scopes(ScopeKind::Values)?,
        _ => vec![words.target(&project)?],
    };
    let (mut found, mut left) = (0, 0);
    for target in scopes {
        let (seen, open) = resolve_scope(&project, &lock, &input, &target, key)?;
        (found, left) = (found + seen, left + open);
    }
    match (found, left, key) {
        (0, _, Some(key)) => Err(Failure::new(format!("{} is not in conflict", quoted(key)))),
        (0, _, None) => {
            terminal::note("nothing is in conflict");
            Ok(0)
        }
        (_, 0, _) => Ok(0),
        _ => Err(Failure::new(format!("{left} of {found} keys are still in conflict"))
            .hint("kagi resolve SERVICE ENV KEY --take N")),
    }
}

/// Resolves what is chosen in one scope: keys in conflict, and those that are left so.
fn resolve_scope(
    project: &Project,
    lock: &disk::Lock,
    input: &Input,
    target: &ScopeName,
    key: Option<&String>,
) -> Result<(usize, usize), Failure> {
    let mut scope = load(project, target)?.scope;
    let conflicts: Vec<String> = scope.conflicts().into_iter().map(str::to_string).collect();
    let wanted: Vec<&String> =
        conflicts.iter().filter(|name| key.is_none_or(|key| key == *name)).collect();
    let mut chosen = Vec::new();
    for name in &wanted {
        terminal::note(&format!("{} in {target}", quoted(name)));
        for (at, entry) in scope.get(name).iter().enumerate() {
            terminal::note(&format!("  {}  written {}", at + 1, written(project, entry)));
        }
        let answer = match input.text("take")? {
            Some(number) => number.to_string(),
            None => terminal::answer("kagi: which one is right? (a number; nothing leaves it) "),
        };
        if answer.is_empty() {
            continue;
        }
        let index = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if !index.is_some_and(|index| scope.resolve(name, index, author(project))) {
            return Err(Failure::usage(format!("there is no such number for {}", quoted(name)))
                .and("nothing was written"));
        }
        chosen.push((*name).clone());
    }
    let left = wanted.len() - chosen.len();
    if !chosen.is_empty() {
        save(project, lock, target, scope)?;
        terminal::note(&format!("resolved {} in {target}", chosen.join(", ")));
    }
    Ok((wanted.len(), left))
}
