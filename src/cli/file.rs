//! `file add`, `list`, `show`, `remove`: whole files, encrypted in scopes of their own.
//!
//! Promises: the same content again writes nothing; a file is shown after a `y` alone. Refuses to take
//! in what is no plain file, what belongs to Git or kagi, and what Git has in plain text already.

use crate::cli::args::Input;
use crate::cli::dotenv::note_if_not_ignored;
use crate::cli::get::{list_scopes, shown_value};
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::words::{Words, check_new_service, did_you_mean, nearest};
use crate::cli::{
    author, counted, load, may_show, missing_key, open, open_to_write, remember, save, single,
    values, working_directory,
};
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::names::{below_home, check_file_name, is_kept_out};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::STORED_BYTES_MAX;
use crate::keys::Home;
use crate::process;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Component, Path, PathBuf};

/// Bytes of a file that is added without `--allow-large`.
const ADDED_BYTES_MAX: usize = 1024 * 1024;

/// `kagi file add [service] [env] PATH`.
///
/// # Errors
/// Usage; what is no plain file, has no place in the project, or is tracked by Git; other content
/// under the name; everything that keeps the scope from being written.
pub fn add(input: &mut Input) -> Result<u8, Failure> {
    let (project, lock) = open_to_write(input)?;
    let words = Words::greedy(&project, input, 1)?;
    let Some(given) = words.rest.first() else {
        return Err(Failure::usage("file add takes the file to add").hint("kagi file add --help"));
    };
    let target = words.target(&project)?.of_kind(ScopeKind::Files);
    check_new_service(&project, &target)?;
    let source = absolute(Path::new(given))?;
    let name = stored_name(&project, input, &source, given)?;
    let content = read_source(&project, input, &source, given)?;
    let mut scope = load(&project, &target)?.scope;
    let named = quoted(&name);
    let is_same = match scope.get(&name) {
        [entry] => entry.value.expose() == content.expose(),
        _ => false,
    };
    if is_same {
        terminal::note(&format!(
            "{named} in {target} has that content already; nothing was written"
        ));
    } else if !scope.get(&name).is_empty() && !input.has("force") {
        let message = format!("{named} in {target} has other content; nothing was written");
        return Err(Failure::new(message).hint("--force replaces it"));
    } else {
        let size = counted(content.len(), "byte");
        scope
            .put(ScopeKind::Files, &name, content, None, author(&project))
            .map_err(|error| Failure::from(error).and("nothing was written"))?;
        let version = scope.get(&name).first().map_or(1, |entry| entry.version);
        save(&project, &lock, &target, scope)?;
        terminal::note(&format!("added {named} to {target}: {size}, version {version}"));
    }
    note_if_not_ignored(Path::new(given));
    Ok(0)
}

/// What a file is called in its scope: its path below the project, or below the home directory.
fn stored_name(
    project: &Project,
    input: &Input,
    source: &Path,
    given: &str,
) -> Result<String, Failure> {
    let outside = |place: &str| {
        let message = format!("{} is outside of the {place}; nothing was written", quoted(given));
        Failure::new(message)
    };
    let is_external = input.has("external");
    let name = match input.text("name")? {
        Some(name) => name.to_string(),
        None if is_external => {
            let name = path_below(&home_directory()?, source);
            format!("~/{}", name.ok_or_else(|| outside("home directory"))?)
        }
        None => path_below(&project.site.root, source).ok_or_else(|| {
            outside("project")
                .hint("--external, for a file below the home directory; or --name NAME")
        })?,
    };
    if below_home(&name).is_some() != is_external {
        let message = "--external belongs to names that begin with ~/";
        return Err(Failure::usage(message).hint("kagi file add --help"));
    }
    let checked = check_file_name(&name);
    checked.map_err(|error| Failure::from(error).and("nothing was written"))?;
    Ok(name)
}

/// Reads a plain file that may be encrypted.
fn read_source(
    project: &Project,
    input: &Input,
    source: &Path,
    given: &str,
) -> Result<Secret, Failure> {
    check_place(project, source)?;
    let named = |error: Error| {
        let error = Error { subject: given.to_string(), ..error };
        Failure::from(error).and("nothing was written")
    };
    if disk::is_directory(source) {
        let message = format!("{} is a directory; nothing was written", quoted(given));
        return Err(Failure::new(message).hint("kagi file add takes one file at a time"));
    }
    // By a link on the way it could not be restored.
    let base = if input.has("external") { home_directory()? } else { project.site.root.clone() };
    if let Ok(below) = source.strip_prefix(&base) {
        disk::check_directories(&base, below).map_err(named)?;
    }
    if is_tracked(source) {
        let message = format!("Git tracks {} in plain text; nothing was written", quoted(given));
        let hint = format!("git rm --cached -- {}, then add it to .gitignore", shell_word(given));
        return Err(Failure::new(message).hint(hint));
    }
    let is_large = input.has("allow-large");
    let bytes_max = if is_large { STORED_BYTES_MAX } else { ADDED_BYTES_MAX };
    let read = disk::read(source, bytes_max).map_err(|error| match error.kind {
        Kind::TooLarge if is_large => named(error.because("a file may have 5 MiB")),
        Kind::TooLarge => {
            let error = error.because("it has over 1 MiB");
            named(error).hint("--allow-large takes up to 5 MiB")
        }
        _ => named(error),
    })?;
    let missing = || named(Error::new(Kind::Missing, given));
    read.map(Secret::from_vec).ok_or_else(missing)
}

fn is_tracked(path: &Path) -> bool {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str))
    else {
        return false;
    };
    let arguments = ["--literal-pathspecs", "ls-files", "--error-unmatch", "--", name];
    process::git(directory, &arguments).is_some()
}

/// Refuses a path into what belongs to Git, to a project, or to this device's own kagi.
///
/// # Errors
/// Naming it.
pub fn check_place(project: &Project, path: &Path) -> Result<(), Failure> {
    let below = path.strip_prefix(&project.site.root).unwrap_or(path);
    let own = Home::find().ok().map(|home| home.identity_path());
    let own = own.as_deref().and_then(Path::parent).map(absolute).transpose()?;
    let is_own = own.is_some_and(|own| path.starts_with(own));
    if is_own || below.iter().any(|part| part.to_str().is_some_and(is_kept_out)) {
        let shown = quoted(&path.to_string_lossy());
        return Err(Failure::new(format!("refusing to use {shown}: it belongs to Git or kagi")));
    }
    Ok(())
}

/// A path from the root of the file system, without `.` and `..`.
///
/// # Errors
/// If the working directory cannot be read.
pub fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let mut plain = working_directory()?;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    Ok(plain)
}

/// The path from `base` to something below it, with `/`.
#[must_use]
pub fn path_below(base: &Path, path: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = path.strip_prefix(base).ok()?.iter().map(OsStr::to_str).collect();
    parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/"))
}

/// The home directory of the user.
///
/// # Errors
/// If none is known.
pub fn home_directory() -> Result<PathBuf, Failure> {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.ok_or_else(|| Failure::new("no home directory is known").hint("set HOME"))
}

/// `kagi file list [service] [env]`.
///
/// # Errors
/// Damaged scopes, after the others were listed.
pub fn list(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let mut words = Words::greedy(&project, input, 0)?;
    words.check_known(&project)?;
    words.is_everywhere = input.has("all");
    if !words.is_everywhere {
        let target = words.target(&project)?;
        (words.service, words.env) = (Some(target.service), Some(target.env));
    }
    let code = list_scopes(&project, &words, input, ScopeKind::Files)?;
    remember(&project);
    Ok(code)
}

/// `kagi file show [service] [env] NAME`.
///
/// # Errors
/// Usage; a file that is not there; no `y`; bytes that are no text, on a terminal.
pub fn show(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 1)?;
    words.check_known(&project)?;
    let Some(word) = words.rest.first() else {
        return Err(
            Failure::usage("file show takes the file to show").hint("kagi file show --help")
        );
    };
    let target = words.target(&project)?.of_kind(ScopeKind::Files);
    let scope = load(&project, &target)?.scope;
    let name = named_file(&project, &target, &scope, word)?;
    let Some(entry) = single(&project, &target, &name, scope.get(&name))? else {
        return Err(missing_key(&name, &target));
    };
    let (service, env, file) = (&target.service, &target.env, shell_word(&name));
    let to_file = format!("kagi file restore {service} {env} {file} --out PATH");
    let bytes = entry.value.expose();
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    let is_terminal = std::io::stdout().is_terminal();
    if is_terminal && !is_text {
        let message = format!("{} is no text for a terminal; nothing was shown", quoted(&name));
        return Err(Failure::new(message).hint(to_file));
    }
    may_show(&format!("{} of {target}", quoted(&name)), &to_file)?;
    if is_terminal {
        let mut text = shown_value(entry, "");
        text.push(if bytes.ends_with(b"\n") { b"" } else { b"\n" });
        terminal::print(text.expose())?;
    } else {
        terminal::print(bytes)?;
    }
    remember(&project);
    Ok(0)
}

/// `kagi file remove [service] [env] NAME…`.
///
/// # Errors
/// As `unset`.
pub fn remove(input: &mut Input) -> Result<u8, Failure> {
    values::delete(input, ScopeKind::Files)
}

/// The file of a scope that a word means: its name, its path from the working directory, or its last
/// part if no other file has it.
///
/// # Errors
/// None, or several, with what there is.
pub fn named_file(
    project: &Project,
    target: &ScopeName,
    scope: &Scope,
    word: &str,
) -> Result<String, Failure> {
    let from_here = path_below(&project.site.root, &absolute(Path::new(word))?);
    let exact = [Some(word.to_string()), from_here].into_iter().flatten();
    if let Some(name) = exact.into_iter().find(|name| !scope.get(name).is_empty()) {
        return Ok(name);
    }
    let names = || scope.iter().map(|(name, _)| name);
    let last = |name: &&str| name.rsplit('/').next() == Some(word);
    let found: Vec<_> = names().filter(last).collect();
    match found.as_slice() {
        [name] => Ok((*name).to_string()),
        [] => {
            let failure = missing_key(word, target);
            let failure = failure.hint(format!("kagi file list {} {}", target.service, target.env));
            Err(did_you_mean(failure, nearest(word, names())))
        }
        several => {
            let message = format!("which file is meant by {}?", quoted(word));
            Err(Failure::usage(message).hint(several.join(", ")))
        }
    }
}
