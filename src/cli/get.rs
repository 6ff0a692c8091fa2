//! `get` and `search`: what is there, masked; one value, or all, after a `y`.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::words::{Words, did_you_mean, near_place, nearest};
use crate::cli::{
    GONE, MASK, author_name, counted, may_reveal, missing_key, note_remarks, open, print_lines,
    print_revealed, remember, single,
};
use crate::format::json::{self, Serialize};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::Entry;
use crate::project::{Found, Project};
use crate::secret::Secret;
use crate::terminal::{self, CYAN};
use std::borrow::Cow;
use std::fmt::Write;

/// `kagi get [service] [env] [KEY]`.
///
/// # Errors
/// A key that is not there; damaged scopes, after the others were listed.
pub fn get(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 1)?;
    words.check_known(&project)?;
    let code = match words.rest.first() {
        Some(_) if input.has("json") => {
            Err(Failure::usage("--json never reveals a value").hint("kagi get --json"))
        }
        Some(key) => get_key(&project, &words, key),
        None => list_scopes(&project, &words, input, ScopeKind::Values),
    }?;
    remember(&project);
    Ok(code)
}

fn get_key(project: &Project, words: &Words, key: &str) -> Result<u8, Failure> {
    // Without a service the word may have been meant as one.
    let missing = |missing| words.neither_or(project, key, missing);
    let target = words.target(project).map_err(missing)?;
    let found = crate::cli::load(project, &target)?;
    let Some(entry) = single(project, &target, key, found.scope.get(key))? else {
        return Err(not_found(project, words, &target, &found, key));
    };
    may_reveal(&format!("{} of {target}", quoted(key)))?;
    print_revealed(entry.value.expose(), "\n")?;
    Ok(0)
}

fn not_found(
    project: &Project,
    words: &Words,
    target: &ScopeName,
    found: &Found,
    key: &str,
) -> Failure {
    let failure = missing_key(key, target);
    let near = nearest(key, found.scope.iter().map(|(name, _)| name)).map(str::to_string);
    // A mistyped place is as likely as a mistyped key, unless both places were named.
    let near = near.or_else(|| near_place(project, key).filter(|_| words.env.is_none()));
    did_you_mean(failure.hint(format!("kagi search {}", shell_word(key))), near.as_deref())
}

/// A value as a terminal may show it: lines stay lines, each but the first after `indent`, and
/// every other control character is escaped.
#[must_use]
pub fn shown_value(entry: &Entry, indent: &str) -> Secret {
    shown_bytes(entry.value.expose(), indent)
}

/// The same of any bytes.
#[must_use]
pub fn shown_bytes(bytes: &[u8], indent: &str) -> Secret {
    let mut shown = Secret::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for symbol in chunk.valid().chars() {
            let is_layout = matches!(symbol, '\n' | '\t');
            let mut buffer = [0; 4];
            let text: &str = symbol.encode_utf8(&mut buffer);
            if is_layout {
                shown.push(text.as_bytes());
                shown.push(if symbol == '\n' { indent.as_bytes() } else { b"" });
            } else {
                shown.push(Secret::from_vec(safe(text).into_bytes()).expose());
            }
        }
        for byte in chunk.invalid() {
            shown.push(format!("\\x{byte:02x}").as_bytes());
        }
    }
    shown
}

/// The scopes that the words mean, and that this member may open.
///
/// # Errors
/// `Read`; if it may open none of them.
pub fn chosen_scopes(
    project: &Project,
    words: &Words,
    kinds: &[ScopeKind],
) -> Result<Vec<ScopeName>, Failure> {
    let mut scopes = project.all_scopes()?;
    scopes.retain(|name| kinds.contains(&name.kind) && is_chosen(project, words, name));
    // A limited member sees what it may open.
    let is_open = |name: &ScopeName| project.access().scope_key(name).is_some();
    match scopes.first().filter(|_| !scopes.iter().any(is_open)) {
        Some(shut) => return Err(project.refused(shut).into()),
        None => scopes.retain(is_open),
    }
    Ok(scopes)
}

/// True for a scope that the words mean: all of them, or those of one service, environment, or both.
#[must_use]
pub fn is_chosen(project: &Project, words: &Words, name: &ScopeName) -> bool {
    let inferred = || project.config.inferred_service(&project.site.below);
    let inferred = || inferred().filter(|_| !words.is_everywhere);
    let service = words.service.clone().or_else(inferred);
    service.is_none_or(|service| service == name.service)
        && words.env.as_ref().is_none_or(|env| *env == name.env)
}

/// A scope, or why it does not open.
struct Listed {
    name: ScopeName,
    found: Result<Found, Failure>,
}

fn open_scopes(project: &Project, words: &Words, kind: ScopeKind) -> Result<Vec<Listed>, Failure> {
    let mut listed = Vec::new();
    for name in chosen_scopes(project, words, &[kind])? {
        let found = project.load(&name).map(Option::unwrap_or_default).map_err(Failure::from);
        listed.push(Listed { name, found });
    }
    Ok(listed)
}

/// Lists the scopes that the words mean: their keys without values unless `--show` is given, or their
/// files; the exit code.
///
/// # Errors
/// Usage; no `y`; if the member may open none of them.
pub fn list_scopes(
    project: &Project,
    words: &Words,
    input: &Input,
    kind: ScopeKind,
) -> Result<u8, Failure> {
    let listed = open_scopes(project, words, kind)?;
    let shows = input.has("show");
    if input.has("json") {
        if shows {
            return Err(Failure::usage("--json never reveals a value"));
        }
        terminal::print(json::write(&json_of(project, &listed)).as_bytes())?;
    } else {
        if shows {
            may_reveal("all these values")?;
        }
        let mut gone = project.gone_scopes();
        gone.retain(|name| name.kind == kind && is_chosen(project, words, name));
        for name in &gone {
            terminal::note(&format!("note: {name} {GONE}"));
        }
        if listed.is_empty() && gone.is_empty() {
            let what = if kind == ScopeKind::Files { "files" } else { "secrets" };
            terminal::note(&format!("there are no {what} here yet"));
        }
        let tree = tree(project, &listed, shows);
        match std::str::from_utf8(tree.expose()) {
            // What is shown of a value is shown whole.
            Ok(text) if !shows => print_lines(input, text)?,
            _ => terminal::print(tree.expose())?,
        }
    }
    Ok(report_damage(project, &listed))
}

/// Says what is damaged, in conflict or remarkable; the exit code.
fn report_damage(project: &Project, listed: &[Listed]) -> u8 {
    let mut code = 0;
    for one in listed {
        let target = &one.name;
        match &one.found {
            Err(failure) => {
                failure.report();
                code = 1;
            }
            Ok(found) => {
                note_remarks(target, found);
                for (name, entries) in found.scope.iter().filter(|(_, entries)| entries.len() > 1) {
                    if let Err(failure) = single(project, target, name, entries) {
                        failure.report();
                        code = 1;
                    }
                }
            }
        }
    }
    code
}

/// Bytes of a line of the list, most often; without values.
const KEY_LINE_BYTES: usize = 48;

fn tree(project: &Project, listed: &[Listed], shows: bool) -> Secret {
    let named = |name: &str| terminal::tinted(&std::io::stdout(), CYAN, name);
    let keys = listed.iter().flat_map(|one| &one.found).map(|found| found.scope.len());
    let mut out = Secret::with_capacity(4096 + KEY_LINE_BYTES * keys.sum::<usize>());
    let mut last = "";
    for one in listed {
        if one.name.service != last {
            out.push(named(&one.name.service).as_bytes());
            out.push(b"\n");
            last = &one.name.service;
        }
        let Ok(found) = &one.found else {
            out.push(format!("  {} (damaged)\n", named(&one.name.env)).as_bytes());
            continue;
        };
        let empty = if found.scope.is_empty() { " (empty)" } else { "" };
        out.push(format!("  {}{empty}\n", named(&one.name.env)).as_bytes());
        let width = found.scope.iter().map(|(name, _)| name.len()).max().unwrap_or(0).min(40);
        let blanks = " ".repeat(width + 2);
        for (name, entries) in found.scope.iter() {
            for part in ["    ", name, &blanks[name.len().min(width)..]] {
                out.push(part.as_bytes());
            }
            let in_place = match (one.name.kind, entries) {
                (ScopeKind::Files, [file]) => Cow::Owned(counted(file.value.len(), "byte")),
                _ => Cow::Borrowed(MASK),
            };
            line(project, &mut out, entries, (!shows).then_some(&in_place), width);
        }
    }
    out
}

/// What stands behind a name: the value, or what is shown in its place.
fn line(
    project: &Project,
    out: &mut Secret,
    entries: &[Entry],
    in_place: Option<&str>,
    width: usize,
) {
    match entries {
        [entry] => {
            match in_place {
                None => out.push(shown_value(entry, &" ".repeat(width + 6)).expose()),
                Some(text) => out.push(text.as_bytes()),
            }
            if !entry.description.is_empty() {
                out.push(format!("  # {}", safe(&entry.description)).as_bytes());
            }
        }
        several => {
            let authors: Vec<_> =
                several.iter().map(|entry| author_name(project, &entry.author)).collect();
            out.push(format!("(in conflict: {})", authors.join(", ")).as_bytes());
        }
    }
    out.push(b"\n");
}

#[derive(Serialize)]
struct ListJson {
    scopes: Vec<ScopeJson>,
}

#[derive(Serialize)]
struct ScopeJson {
    service: String,
    env: String,
    is_damaged: bool,
    keys: Vec<KeyJson>,
}

#[derive(Serialize)]
struct KeyJson {
    name: String,
    description: String,
    version: u32,
    author: String,
    time: u64,
    in_conflict: bool,
}

fn json_of(project: &Project, listed: &[Listed]) -> ListJson {
    let scope = |one: &Listed| ScopeJson {
        service: one.name.service.clone(),
        env: one.name.env.clone(),
        is_damaged: one.found.is_err(),
        keys: one.found.as_ref().map_or_else(|_| Vec::new(), |found| keys_of(project, found)),
    };
    ListJson { scopes: listed.iter().map(scope).collect() }
}

fn keys_of(project: &Project, found: &Found) -> Vec<KeyJson> {
    let mut keys = Vec::new();
    for (name, entries) in found.scope.iter() {
        if let Some(entry) = entries.last() {
            keys.push(KeyJson {
                name: name.to_string(),
                description: entry.description.clone(),
                version: entry.version,
                author: author_name(project, &entry.author),
                time: entry.time,
                in_conflict: entries.len() > 1,
            });
        }
    }
    keys
}

/// `kagi search TEXT`.
///
/// # Errors
/// Usage; nothing found; damaged scopes, after the others were searched.
pub fn search(input: &mut Input) -> Result<u8, Failure> {
    let [text] = input.exactly()?;
    let project = open(input)?;
    let in_values = input.has("values");
    if in_values {
        may_reveal("which keys hold that text")?;
    }
    let needle = text.to_lowercase();
    let mut listed = open_scopes(&project, &Words::default(), ScopeKind::Values)?;
    let code = report_damage(&project, &listed);
    listed.retain(|one| one.found.is_ok());
    let mut lines = String::new();
    for one in &mut listed {
        let Ok(found) = &mut one.found else { continue };
        let matches = |entry: &Entry| {
            entry.name.to_lowercase().contains(&needle)
                || entry.description.to_lowercase().contains(&needle)
                || (in_values && holds(entry.value.expose(), text.as_bytes()))
        };
        let names: Vec<_> = found.scope.iter().map(|(name, _)| name.to_string()).collect();
        for name in names {
            if found.scope.get(&name).iter().any(matches) {
                // Writing to a string cannot fail.
                let _ = writeln!(lines, "{} {name}", one.name);
            } else {
                found.scope.unset(&name);
            }
        }
    }
    if input.has("json") {
        listed.retain(|one| one.found.as_ref().is_ok_and(|found| !found.scope.is_empty()));
        terminal::print(json::write(&json_of(&project, &listed)).as_bytes())?;
    } else {
        print_lines(input, &lines)?;
    }
    if lines.is_empty() {
        return Err(Failure::new("nothing was found"));
    }
    Ok(code)
}

/// True if the value holds the text, upper and lower case being the same for ASCII.
fn holds(value: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && value.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text))
}
