//! `file restore`: stored files as plain files, where they were or at another place.
//!
//! Promises: a file that is written has mode 0600 and is there whole or not at all; what it replaces
//! is kept; all places are looked at before the first is written to. Refuses: links, whatever belongs
//! to Git or kagi, a file with other content without `--force` or that Git tracks, and places below
//! the home directory that nobody said `y` to.

use crate::cli::args::Input;
use crate::cli::dotenv::note_if_not_ignored;
use crate::cli::file::{
    absolute, check_place, check_untracked, entry_of, home_directory, named_file,
};
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::words::Words;
use crate::cli::{counted, load, lock, not_confirmed, open, remember};
use crate::disk::{self, Mode};
use crate::error::Kind;
use crate::format::names::below_home;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::snapshot::Entry;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::path::{Path, PathBuf};

/// What is at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Same,
    Other,
}

/// One file and where it goes.
struct Step<'a> {
    entry: &'a Entry,
    /// A directory that is there; what is made is below it.
    base: PathBuf,
    path: PathBuf,
    /// The path from the working directory, to be shown.
    shown: PathBuf,
    there: There,
}

impl Step<'_> {
    fn below(&self) -> &Path {
        self.path.strip_prefix(&self.base).unwrap_or(&self.path)
    }

    fn shown(&self) -> String {
        quoted(&self.shown.to_string_lossy())
    }

    /// What is at its place now.
    fn look(&self) -> crate::error::Result<There> {
        disk::check_directories(&self.base, self.below())?;
        let content = self.entry.value.expose();
        match disk::read(&self.path, content.len()).map(|old| old.map(Secret::from_vec)) {
            Ok(None) => Ok(There::Nothing),
            Ok(Some(old)) if old.expose() == content => Ok(There::Same),
            Err(error) if error.kind != Kind::TooLarge => Err(error),
            _ => Ok(There::Other),
        }
    }
}

/// `kagi file restore [service] [env] [NAME]`.
///
/// # Errors
/// Usage; a file that is not there; a place that is refused; no `y`; `Write`.
pub fn restore(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 1)?;
    words.check_known(&project)?;
    let target = words.target(&project)?.of_kind(ScopeKind::Files);
    let scope = load(&project, &target)?.scope;
    let names = chosen(&project, input, &target, &scope, words.rest.first())?;
    let mut steps = Vec::new();
    for name in &names {
        let step = step(&project, input, entry_of(&project, &target, &scope, name)?);
        steps.push(step.map_err(|failure| failure.and("nothing was restored"))?);
    }
    remember(&project);
    let others = steps.iter().filter(|step| step.there == There::Other && !input.has("force"));
    let others: Vec<_> = others.map(Step::shown).collect();
    if !others.is_empty() {
        let message = format!("{} has other content; nothing was restored", others.join(", "));
        return Err(Failure::new(message).hint("--force replaces it, and keeps it as .backup-N"));
    }
    if input.has("dry-run") {
        print_plan(&steps);
        return Ok(0);
    }
    may_write_at_home(input, &steps)?;
    let _lock = lock(&project.site)?;
    for step in &steps {
        write(step)?;
    }
    Ok(0)
}

/// The files that are meant; those below the home directory only if that was said.
fn chosen(
    project: &Project,
    input: &Input,
    target: &ScopeName,
    scope: &Scope,
    word: Option<&String>,
) -> Result<Vec<String>, Failure> {
    let may_be_at_home = |name: &str| below_home(name).is_none() || input.has("external");
    match (word, input.has("all")) {
        (Some(word), false) => {
            let name = named_file(project, target, scope, word)?;
            if may_be_at_home(&name) || input.has("out") {
                return Ok(vec![name]);
            }
            let message = format!("{} goes below the home directory", quoted(&name));
            let failure = Failure::new(message).and("nothing was restored");
            Err(failure.hint("--external, if that is meant; or --out PATH"))
        }
        (None, true) if !input.has("out") => {
            let mut names: Vec<_> = scope.iter().map(|(name, _)| name.to_string()).collect();
            let count = names.len();
            names.retain(|name| may_be_at_home(name));
            if names.len() < count {
                let left_out = counted(count - names.len(), "file");
                terminal::note(&format!(
                    "note: left out {left_out} below the home directory (--external)"
                ));
            }
            if count == 0 {
                terminal::note(&format!("there are no files in {target}"));
            }
            Ok(names)
        }
        _ => {
            let message = "file restore takes one file, perhaps with --out; or --all";
            let place = format!("{} {}", target.service, target.env);
            Err(Failure::usage(message).hint(format!("kagi file restore {place} --all")))
        }
    }
}

/// Where a file goes, and what is there.
fn step<'a>(project: &Project, input: &Input, entry: &'a Entry) -> Result<Step<'a>, Failure> {
    let root = &project.site.root;
    let (base, path) = match (input.value("out"), below_home(&entry.name)) {
        (None, None) => (root.clone(), root.join(&*entry.name)),
        (None, Some(below)) => {
            let home = home_directory()?;
            let path = home.join(below);
            (home, path)
        }
        (Some(out), _) => {
            let path = absolute(root, Path::new(out))?;
            let base = if path.starts_with(root) { Some(root.as_path()) } else { path.parent() };
            (base.unwrap_or(&path).to_path_buf(), path)
        }
    };
    check_place(project, &path)?;
    let in_project = path.strip_prefix(root).map(|below| Path::new(&project.site.up).join(below));
    let shown = in_project.unwrap_or_else(|_| path.clone());
    let mut step = Step { entry, base, path, shown, there: There::Nothing };
    step.there = step.look()?;
    if step.there == There::Other {
        // What nobody added as a file: somebody planted it, or its content is in Git already.
        check_untracked(&step.path, &step.shown.to_string_lossy())?;
    }
    Ok(step)
}

fn print_plan(steps: &[Step]) {
    let line = |step: &Step| {
        let word = match step.there {
            There::Nothing => "write",
            There::Same => "same",
            There::Other => "replace",
        };
        format!("{word} {}\n", shell_word(&step.shown.to_string_lossy()))
    };
    let lines: String = steps.iter().map(line).collect();
    // A reader who has gone away misses nothing.
    let _ = terminal::print(lines.as_bytes());
    terminal::note("nothing was written");
}

/// Names what would be written below the home directory, and asks.
fn may_write_at_home(input: &Input, steps: &[Step]) -> Result<(), Failure> {
    let is_at_home = |step: &&Step| below_home(&step.entry.name).is_some();
    let steps: Vec<_> =
        steps.iter().filter(is_at_home).filter(|step| step.there != There::Same).collect();
    if steps.is_empty() || input.has("out") {
        return Ok(());
    }
    for step in &steps {
        terminal::note(&format!("  {}", step.shown()));
    }
    let files = counted(steps.len(), "file");
    if terminal::ask(&format!("kagi: write {files} below the home directory?")) {
        return Ok(());
    }
    Err(not_confirmed("kagi file restore NAME --out PATH writes it to another place"))
}

fn write(step: &Step) -> Result<(), Failure> {
    let shown = step.shown();
    // Somebody may have taken their time to say y.
    if step.look()? != step.there {
        return Err(Failure::new(format!("{shown} was changed meanwhile")).hint("run it again"));
    }
    if step.there == There::Same {
        terminal::note(&format!("{shown} has that content already"));
        return Ok(());
    }
    if step.there == There::Other {
        let kept = disk::keep(&step.path)?;
        let kept = step.shown.with_file_name(kept.file_name().unwrap_or_default());
        terminal::note(&format!("kept the old one as {}", quoted(&kept.to_string_lossy())));
        note_if_not_ignored(&kept);
    }
    let content = step.entry.value.expose();
    disk::replace_below(&step.base, step.below(), content, Mode::Private)?;
    terminal::note(&format!("restored {shown}"));
    note_if_not_ignored(&step.shown);
    Ok(())
}
