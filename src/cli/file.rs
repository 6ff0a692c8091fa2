//! `file add`, `list`, `show`, `remove`: whole files, encrypted in scopes of their own.
//!
//! Promises: the same content again writes nothing; a file is shown after a `y` alone. Refuses to take
//! in what is no plain file, what belongs to Git or kagi, and what Git has in plain text already.

use crate::cli::args::Input;
use crate::cli::dotenv::note_if_not_ignored;
use crate::cli::get::list_scopes;
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::words::{Words, check_new_service, did_you_mean, nearest};
use crate::cli::{
    author, load, may_show, missing_key, open, open_to_write, print_revealed, remember, set_key,
    single, values, working_directory,
};
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::names::{below_home, check_file_name, is_kept_out};
use crate::format::scope_file::{FILE_LABEL, ScopeKind, ScopeName};
use crate::format::snapshot::{Entry, STORED_BYTES_MAX};
use crate::keys::Home;
use crate::process;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
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
    let base = if input.has("external") { home_directory()? } else { project.site.root.clone() };
    let source = absolute(&base, Path::new(given))?;
    check_place(&project, &source)?;
    let name = stored_name(input, &base, &source, given)?;
    let content = read_source(input, &base, &source, given)?;
    let scope = project.load(&target)?.unwrap_or_default().scope;
    let is_other = |entry: &Entry| entry.value.expose() != content.expose();
    if scope.get(&name).iter().any(is_other) && !input.has("force") {
        let message =
            format!("{} in {target} has other content; nothing was written", quoted(&name));
        return Err(Failure::new(message).hint("--force replaces it"));
    }
    set_key(&project, &lock, &target, &name, content, None, author(&project))?;
    note_if_not_ignored(Path::new(given));
    Ok(0)
}

/// What a file is called in its scope: its path below the project, or below the home directory.
fn stored_name(input: &Input, base: &Path, source: &Path, given: &str) -> Result<String, Failure> {
    let is_external = input.has("external");
    let (place, prefix) = if is_external { ("home directory", "~/") } else { ("project", "") };
    let outside = || {
        let message = format!("{} is outside of the {place}; nothing was written", quoted(given));
        let hint = "--external, for a file below the home directory; or --name NAME";
        Failure::new(message).hint(hint)
    };
    let name = match input.text("name")? {
        Some(name) => name.to_string(),
        None => format!("{prefix}{}", path_below(base, source).ok_or_else(outside)?),
    };
    if below_home(&name).is_some() != is_external {
        let message = "--external belongs to names that begin with ~/";
        return Err(Failure::usage(message).hint("kagi file add --help"));
    }
    check_file_name(&name).map_err(|error| {
        let hint = if input.has("name") { "" } else { "--name NAME gives it another name" };
        nothing(error).hint(hint)
    })?;
    Ok(name)
}

fn nothing(error: Error) -> Failure {
    Failure::from(error).and("nothing was written")
}

/// Reads a plain file that may be encrypted.
fn read_source(input: &Input, base: &Path, source: &Path, given: &str) -> Result<Secret, Failure> {
    check_untracked(source, given).map_err(|failure| failure.and("nothing was written"))?;
    let bytes_max = if input.has("allow-large") { STORED_BYTES_MAX } else { ADDED_BYTES_MAX };
    // By a link on the way it could not be restored.
    let read =
        source.strip_prefix(base).map_or(Ok(()), |below| disk::check_directories(base, below));
    let read = read.and_then(|()| disk::read(source, bytes_max)).and_then(|bytes| {
        bytes.map(Secret::from_vec).ok_or_else(|| Error::new(Kind::Missing, given))
    });
    read.map_err(|error| {
        let error = error.with_subject(given);
        match error.kind {
            Kind::TooLarge => nothing(error.because("1 MiB is the most, 5 MiB with --allow-large")),
            _ => nothing(error),
        }
    })
}

/// Refuses a file that Git tracks.
///
/// # Errors
/// Naming it as it was given.
pub fn check_untracked(path: &Path, given: &str) -> Result<(), Failure> {
    let name = path.file_name().and_then(OsStr::to_str);
    let (Some(directory), Some(name)) = (path.parent(), name) else { return Ok(()) };
    let arguments = ["--literal-pathspecs", "ls-files", "--error-unmatch", "--", name];
    if process::git(directory, &arguments).is_none() {
        return Ok(());
    }
    let hint = format!("git rm --cached -- {}, then add it to .gitignore", shell_word(given));
    Err(Failure::new(format!("Git tracks {} in plain text", quoted(given))).hint(hint))
}

/// Refuses a path into what belongs to Git, to a project, or to this device's own kagi.
///
/// # Errors
/// Naming it.
pub fn check_place(project: &Project, path: &Path) -> Result<(), Failure> {
    let below = path.strip_prefix(&project.site.root).unwrap_or(path);
    let identity = Home::find().ok().map(|home| home.identity_path());
    let own = identity.as_deref().and_then(Path::parent);
    // By another path too; and before it is there.
    let is_own = |own| path.ancestors().any(|up| up == own || disk::is_same_file(up, own));
    if own.is_some_and(is_own) || below.iter().any(|part| part.to_str().is_some_and(is_kept_out)) {
        let shown = quoted(&path.to_string_lossy());
        return Err(Failure::new(format!("refusing to use {shown}: it belongs to Git or kagi")));
    }
    Ok(())
}

/// A path from the root of the file system, without `.` and `..`; below `base`, whatever links lead
/// to that.
///
/// # Errors
/// If the working directory cannot be read.
pub fn absolute(base: &Path, path: &Path) -> Result<PathBuf, Failure> {
    let mut plain = working_directory()?;
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    let around = plain.ancestors().find(|up| disk::is_same_file(up, base));
    let below = around.and_then(|around| plain.strip_prefix(around).ok());
    Ok(below.map_or_else(|| plain.clone(), |below| base.join(below)))
}

/// The path from `base` to something below it, with `/`.
fn path_below(base: &Path, path: &Path) -> Option<String> {
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
    let entry = entry_of(&project, &target, &scope, &name)?;
    let (service, env, file) = (&target.service, &target.env, shell_word(&name));
    let to_file = format!("kagi file restore {service} {env} {file} --out PATH");
    let bytes = entry.value.expose();
    let is_text = std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0);
    if !is_text && std::io::stdout().is_terminal() {
        let message = format!("{} is no text for a terminal; nothing was shown", quoted(&name));
        return Err(Failure::new(message).hint(to_file));
    }
    may_show(&format!("{} of {target}", quoted(&name)), &to_file)?;
    print_revealed(bytes, if bytes.ends_with(b"\n") { "" } else { "\n" })?;
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

/// A file of a scope.
///
/// # Errors
/// As `single`; if it is not there.
pub fn entry_of<'a>(
    project: &Project,
    target: &ScopeName,
    scope: &'a Scope,
    name: &str,
) -> Result<&'a Entry, Failure> {
    single(project, target, name, scope.get(name))?.ok_or_else(|| missing_key(name, target))
}

/// The file of a scope that a word means: its name, what lists call it, its path from the working
/// directory, or its last part if no other file has it.
///
/// # Errors
/// None, or several, with what there is.
pub fn named_file(
    project: &Project,
    target: &ScopeName,
    scope: &Scope,
    word: &str,
) -> Result<String, Failure> {
    let root = &project.site.root;
    let from_here = path_below(root, &absolute(root, Path::new(word))?);
    let labelled = word.strip_prefix(FILE_LABEL).map(str::to_string);
    let exact = [Some(word.to_string()), labelled, from_here].into_iter().flatten();
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
