//! What Git calls: the merge driver and the textconv of scope files; and how a clone gets them.
//!
//! Promises: asks nothing, and pins no more than `run` does; where kagi is missing or cannot merge
//! (no keys, not a member, a damaged file, boxes of several epochs), Git keeps the lines of both
//! sides, so nothing is lost. Refuses to hide the text of a file that is no scope.

use crate::cli::args::Input;
use crate::cli::report::Failure;
use crate::cli::{MASK, open_quietly, written};
use crate::disk::{self, Mode};
use crate::format::scope_file::{self, FILE_BYTES_MAX, ScopeKind, ScopeName, claimed_place};
use crate::format::text::HEX;
use crate::project::{DIRECTORY, Site};
use crate::{process, terminal};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Git takes 1 for a conflict; what is more makes the shell fall back to a merge by lines.
const CANNOT: u8 = 3;
const DRIVER: &str = "if command -v kagi >/dev/null; then kagi merge-driver -- %O %A %B %P; code=$?; \
                      else code=3; fi; if [ $code -gt 1 ]; then git merge-file -q --union %A %O %B; \
                      code=$?; fi; exit $code";
const TEXTCONV: &str = "show() { kagi textconv -- \"$1\" 2>/dev/null || cat -- \"$1\"; }; show";
/// What a clone's configuration gets.
const SETTINGS: [(&str, &str); 3] = [
    ("diff.kagi.textconv", TEXTCONV),
    ("merge.kagi.driver", DRIVER),
    ("merge.kagi.name", "scopes of kagi, key by key"),
];
const ATTRIBUTES_BYTES_MAX: usize = 1024 * 1024;

/// `kagi merge-driver BASE OURS THEIRS PATH`, called by Git at the top of the work tree.
///
/// # Errors
/// Usage.
pub fn merge_driver(input: &mut Input) -> Result<u8, Failure> {
    let [base, ours, theirs, path] = input.exactly().map_err(|error| error.with_code(CANNOT))?;
    // Git and the fallback have the word then.
    Ok(merge(&base, &ours, &theirs, &path).unwrap_or(CANNOT))
}

fn merge(base: &str, ours: &str, theirs: &str, path: &str) -> Option<u8> {
    let (root, file) = path.rsplit_once(&format!("{DIRECTORY}/"))?;
    let name = ScopeName::of_file(file)?;
    let project = open_quietly(Site::of(Path::new(root)).ok()?, false).ok()?;
    let read = |path| disk::read(Path::new(path), FILE_BYTES_MAX).ok()?;
    let (base, our, their) = (read(base)?, read(ours)?, read(theirs)?);
    let merged = project.merge3(&name, [&base, &our, &their]).ok()?;
    if let Some(text) = merged.text {
        disk::replace(&Path::new(".").join(ours), text.as_bytes(), Mode::Private).ok()?;
    }
    for key in &merged.conflicts {
        let (service, env) = (&name.service, &name.env);
        terminal::note(&format!("{key} in {name} is in conflict: kagi resolve {service} {env}"));
    }
    Some(u8::from(!merged.conflicts.is_empty()))
}

/// `kagi textconv FILE`: the keys of a scope file, for `git diff`; never a value.
///
/// # Errors
/// Usage; a file that cannot be read.
pub fn textconv(input: &mut Input) -> Result<u8, Failure> {
    let [path] = input.exactly()?;
    let bytes = disk::read_given(Path::new(&path), FILE_BYTES_MAX)?;
    let text = match claimed_place(bytes.expose()) {
        // Whatever the attributes say of it, it is shown.
        None => None,
        Some((project, name)) => keys_of(&project, &name, bytes.expose())
            .or_else(|| without_boxes(&project, &name, bytes.expose())),
    };
    terminal::print(text.as_ref().map_or(bytes.expose(), |text| text.as_bytes()))?;
    Ok(0)
}

/// A line a key; `None` without the keys to the scope, or for a damaged file.
fn keys_of(project: &str, name: &ScopeName, bytes: &[u8]) -> Option<String> {
    let claims = |site: &Site| site.claimed_project().is_ok_and(|claimed| claimed == project);
    let site =
        Site::find().ok().filter(&claims).or_else(|| project_below().into_iter().find(claims))?;
    let project = open_quietly(site, false).ok()?;
    // Of which kind it is its place says, and Git does not.
    let mut kinds = ScopeKind::ALL.into_iter();
    let scope = kinds.find_map(|kind| project.read(&name.of_kind(kind), bytes).ok())?;
    let mut text = String::new();
    for (key, entries) in scope.iter() {
        for entry in entries {
            let written = written(&project, entry);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}  {MASK}  version {}, {written}", entry.version);
        }
    }
    Some(text)
}

/// The text of a well-formed scope file with the ids of its boxes in place of the boxes.
fn without_boxes(project: &str, name: &ScopeName, bytes: &[u8]) -> Option<String> {
    let boxes = scope_file::read("", bytes, project, name).ok()?.boxes;
    let text = std::str::from_utf8(bytes).ok()?;
    let lines = text.lines().filter(|line| !line.starts_with("box "));
    let mut shown: String = lines.flat_map(|line| [line, "\n"]).collect();
    for sealed in boxes {
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "box {} {}", sealed.epoch, HEX.encode(&sealed.id()));
    }
    Some(shown)
}

/// The projects of the repository, for Git does not say which one a file is from.
fn project_below() -> Vec<Site> {
    let glob = format!(":(glob)**/{DIRECTORY}/kagi.json");
    let files = process::git(Path::new("."), &["ls-files", "-z", "--", &glob]).unwrap_or_default();
    let roots = files.split('\0').filter_map(|path| Path::new(path).parent()?.parent());
    roots.filter_map(|root| Site::of(root).ok()).collect()
}

/// The clone that a project is in: its attributes file, and the line that belongs there.
struct Clone {
    attributes: PathBuf,
    line: String,
}

/// `None` outside of a Git work tree.
fn clone_of(root: &Path) -> Option<Clone> {
    let arguments =
        ["rev-parse", "--is-inside-work-tree", "--show-prefix", "--git-path", "info/attributes"];
    let text = process::git(root, &arguments)?;
    let mut lines = text.lines();
    let (inside, prefix, path) = (lines.next()?, lines.next()?, lines.next()?);
    let is_plain = lines.next().is_none() && inside == "true";
    let pattern = pattern(&format!("/{prefix}{DIRECTORY}/"));
    let line = format!("\"{pattern}**/*.enc\" merge=kagi diff=kagi\n");
    is_plain.then(|| Clone { attributes: root.join(path), line })
}

/// A path as a pattern in double quotes that matches nothing else.
fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    for symbol in path.chars() {
        match symbol {
            // Once for the pattern, and the backslash itself once more for the quotes.
            '*' | '?' | '[' => pattern.push_str("\\\\"),
            '\\' => pattern.push_str("\\\\\\"),
            '"' => pattern.push('\\'),
            _ => {}
        }
        pattern.push(symbol);
    }
    pattern
}

impl Clone {
    fn attributes(&self) -> Result<String, Failure> {
        let bytes = disk::read(&self.attributes, ATTRIBUTES_BYTES_MAX)?.unwrap_or_default();
        String::from_utf8(bytes).map_err(|_| Failure::new("the attributes of Git are not UTF-8"))
    }

    fn has_line(&self) -> bool {
        self.attributes().is_ok_and(|text| text.split_inclusive('\n').any(|one| one == self.line))
    }
}

fn has_settings(root: &Path) -> bool {
    let arguments = ["config", "--local", "-z", "--get-regexp", "^(diff|merge)\\.kagi\\."];
    let text = process::git(root, &arguments).unwrap_or_default();
    let has = |line: String| text.split('\0').any(|one| one == line);
    SETTINGS.iter().all(|(name, value)| has(format!("{name}\n{value}")))
}

/// True if Git merges the scopes of this project by key; `None` outside of a Git work tree.
#[must_use]
pub fn is_set_up(root: &Path) -> Option<bool> {
    clone_of(root).map(|clone| clone.has_line() && has_settings(root))
}

/// Sets up the merge driver and the textconv in the local clone, and says so; nothing that is
/// committed or pushed. Whatever keeps it from that is a note: Git merges without it.
pub fn git_setup(root: &Path) {
    let Some(clone) = clone_of(root).filter(|_| is_set_up(root) == Some(false)) else {
        return;
    };
    match write_setup(root, &clone) {
        Ok(()) => terminal::note(
            "set up Git in this clone: it merges scopes key by key, and git diff names keys (--no-git leaves that out)",
        ),
        Err(failure) => {
            terminal::note(&format!(
                "note: Git is not set up to merge key by key: {}",
                failure.message()
            ));
        }
    }
}

fn write_setup(root: &Path, clone: &Clone) -> Result<(), Failure> {
    for (name, value) in SETTINGS {
        process::git(root, &["config", "--local", "--replace-all", name, value])
            .ok_or_else(|| Failure::new("git config fails"))?;
    }
    if clone.has_line() {
        return Ok(());
    }
    let mut text = clone.attributes()?;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&clone.line);
    if let Some(git) = clone.attributes.parent().and_then(Path::parent) {
        disk::make_directories(git, Path::new("info"), Mode::Public)?;
    }
    Ok(disk::replace(&clone.attributes, text.as_bytes(), Mode::Public)?)
}
