//! `render`: a template with values in the places that name them.
//!
//! Promises: one pass; what is inserted is never looked at again; a scope is opened once; either all names
//! are there, or nothing is written. Refuses what is between `{{` and `}}` and can be no name, and
//! to overwrite the template.

use crate::cli::args::Input;
use crate::cli::dotenv::{note_if_not_ignored, read};
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::words::Words;
use crate::cli::{load, may_reveal, note_waiting, open, print_revealed, remember, single};
use crate::disk::{self, Mode};
use crate::error::Kind;
use crate::format::names::check_key;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;

/// `kagi render [service] [env] TEMPLATE`.
///
/// # Errors
/// Usage; a template that cannot be understood; names that are not there; everything that keeps a scope
/// shut; a file that is there.
pub fn render(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 1)?;
    words.check_known(&project)?;
    let Some(template) = words.rest.first() else {
        return Err(Failure::usage("render takes a template").hint("kagi render --help"));
    };
    let text = read(Path::new(template))?;
    let filled = Filling { project: &project, words: &words, scopes: BTreeMap::new() }
        .fill(template, text.expose())
        .map_err(|failure| failure.and("nothing was written"))?;
    if let Some(file) = input.value("out") {
        write(input, Path::new(template), Path::new(file), &filled)?;
    } else {
        if std::io::stdout().is_terminal() {
            may_reveal(&format!("{} with its values", quoted(template)))?;
        }
        print_revealed(filled.expose(), "")?;
    }
    remember(&project);
    Ok(0)
}

/// A part of a template.
pub enum Piece<'a> {
    /// What stays as it is.
    Text(&'a [u8]),
    /// What stands between `{{` and `}}`.
    Name(&'a str),
}

/// Takes the next part off a template that is not empty; `None` if it begins with a `{{` that does not end
/// on its line, or holds what is no text.
#[must_use]
pub fn next_piece<'a>(rest: &mut &'a [u8]) -> Option<Piece<'a>> {
    let start = rest.windows(2).position(|two| two == b"{{").unwrap_or(rest.len());
    let (before, from) = rest.split_at(start);
    if !before.is_empty() {
        *rest = from;
        return Some(Piece::Text(before));
    }
    let inside = from.get(2..)?;
    if let Some(after) = inside.strip_prefix(b"{{") {
        *rest = after;
        return Some(Piece::Text(b"{{"));
    }
    let end = inside.windows(2).position(|two| two == b"}}" || two.starts_with(b"\n"))?;
    let (name, after) = inside.split_at(end);
    *rest = after.strip_prefix(b"}}")?;
    Some(Piece::Name(std::str::from_utf8(name).ok()?.trim_matches([' ', '\t'])))
}

/// A template that is being filled.
struct Filling<'a> {
    project: &'a Project,
    words: &'a Words,
    /// What was opened so far.
    scopes: BTreeMap<ScopeName, Scope>,
}

impl Filling<'_> {
    fn fill(mut self, template: &str, text: &[u8]) -> Result<Secret, Failure> {
        let (mut out, mut rest, mut line) = (Secret::with_capacity(text.len()), text, 1);
        let mut unknown = Vec::new();
        while !rest.is_empty() {
            let failed = |failure: Failure| {
                let message = format!("{} line {line}: {}", quoted(template), failure.message());
                Failure::new(message).hint(failure.hint_text()).with_code(failure.code())
            };
            let unclosed = || failed(Failure::new("a {{ without }} on its line"));
            match next_piece(&mut rest).ok_or_else(unclosed)? {
                Piece::Text(text) => {
                    line += text.split(|byte| *byte == b'\n').count() - 1;
                    out.push(text);
                }
                Piece::Name(name) => match self.value(name).map_err(failed)? {
                    Some(value) => out.push(value),
                    None => unknown.push(format!("line {line} {}", quoted(name))),
                },
            }
        }
        if unknown.is_empty() {
            return Ok(out);
        }
        let (template, unknown) = (quoted(template), unknown.join(", "));
        Err(Failure::new(format!("{template} names what is not there: {unknown}")))
    }

    /// The value that a name means, if it is there.
    fn value(&mut self, name: &str) -> Result<Option<&[u8]>, Failure> {
        let (target, key) = match name.rsplit_once('/') {
            None => (Some(self.words.target(self.project)?), name),
            Some((scope, key)) => (ScopeName::parse(ScopeKind::Values, scope), key),
        };
        let Some(target) = target.filter(|_| check_key(key).is_ok()) else {
            let rule = "between {{ and }} stands KEY or SERVICE/ENV/KEY";
            return Err(Failure::new(rule).hint("{{{{ is a literal {{"));
        };
        if self.project.access().scope_key(&target).is_none() {
            return Err(self.project.refused(&target).into());
        }
        if !self.project.config.is_env(&target.env) {
            return Ok(None);
        }
        if !self.scopes.contains_key(&target) {
            let scope = load(self.project, &target)?.scope;
            self.scopes.insert(target.clone(), scope);
        }
        let entries = self.scopes.get(&target).map_or(&[][..], |scope| scope.get(key));
        let entry = single(self.project, &target, key, entries)?;
        Ok(entry.map(|entry| entry.value.expose()))
    }
}

/// Writes a file for its owner alone, at once; one with other content only with `--force`.
fn write(input: &Input, template: &Path, file: &Path, text: &Secret) -> Result<(), Failure> {
    let shown = quoted(&file.to_string_lossy());
    if disk::is_same_file(template, file) {
        return Err(Failure::new(format!("{shown} is the template; nothing was written")));
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    if !disk::exists(directory) {
        let missing = directory.to_string_lossy();
        let message = format!("there is no directory {}; nothing was written", quoted(&missing));
        return Err(Failure::new(message).hint(format!("mkdir -p {}", shell_word(&missing))));
    }
    let _lock = disk::lock(directory, &note_waiting)?;
    let is_other = match disk::read(file, text.len()) {
        Ok(old) => old.is_some_and(|old| Secret::from_vec(old).expose() != text.expose()),
        Err(error) if error.kind == Kind::TooLarge => true,
        Err(error) => return Err(Failure::from(error).and("nothing was written")),
    };
    if is_other && !input.has("force") {
        let message = format!("{shown} is there already, with other content; nothing was written");
        return Err(Failure::new(message).hint("--force overwrites it"));
    }
    let place = directory.join(file.file_name().unwrap_or_default());
    disk::replace(&place, text.expose(), Mode::Private)?;
    terminal::note(&format!("wrote {shown}"));
    note_if_not_ignored(file);
    Ok(())
}
