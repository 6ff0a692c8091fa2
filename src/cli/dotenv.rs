//! `import` and `export`: from and to the plain files of other tools.
//!
//! Promises: an import is one write, all keys or none; an exported file is readable by its owner
//! alone. Refuses to overwrite anything without `--force`.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::words::{Words, check_new_service, check_no_places, near_place};
use crate::cli::{
    author, check_names, check_output, counted, load, may_reveal, note_waiting, open,
    open_to_write, print_revealed, save, single_values,
};
use crate::crypto::random;
use crate::disk::{self, Mode};
use crate::format::config::Config;
use crate::format::dotenv::{self, Format, Parsed};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::format::text::HEX;
use crate::process;
use crate::project::Project;
use crate::scope::{Author, Scope};
use crate::secret::Secret;
use crate::terminal;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What an import would do to a scope.
#[derive(Default)]
pub struct Plan {
    added: Vec<String>,
    changed: Vec<String>,
    same: usize,
}

impl Plan {
    /// Compares what was read with what is there.
    #[must_use]
    pub fn new(scope: &Scope, parsed: &Parsed) -> Self {
        let mut plan = Plan::default();
        for one in &parsed.assignments {
            match scope.get(&one.name) {
                [] => plan.added.push(one.name.clone()),
                [entry] if entry.value.expose() == one.value.expose() => plan.same += 1,
                _ => plan.changed.push(one.name.clone()),
            }
        }
        plan
    }

    fn print(&self) {
        let mut text = String::new();
        for (mark, names) in [("add", &self.added), ("change", &self.changed)] {
            for name in names {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{mark} {name}");
            }
        }
        // A reader who has gone away misses nothing.
        let _ = terminal::print(text.as_bytes());
    }

    /// True if it would change a value.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.added.is_empty() || !self.changed.is_empty()
    }

    /// How much it is.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} added, {} changed, {} the same",
            self.added.len(),
            self.changed.len(),
            self.same
        )
    }
}

/// Sets every assignment; a description in the file replaces the one that is there.
///
/// # Errors
/// As `Scope::set`.
pub fn take_over(scope: &mut Scope, parsed: Parsed, author: Author) -> Result<(), Failure> {
    for one in parsed.assignments {
        let description = Some(one.description.as_str()).filter(|text| !text.is_empty());
        scope.set(&one.name, one.value, description, author)?;
    }
    Ok(())
}

/// Shows what parsers disagree about.
pub fn warn(subject: &str, parsed: &Parsed) {
    for warning in &parsed.warnings {
        terminal::note(&format!(
            "note: {} line {}: {}",
            quoted(subject),
            warning.line,
            safe(&warning.text)
        ));
    }
}

/// `kagi import [service] [env]`.
///
/// # Errors
/// Usage; a malformed file; keys that have another value; everything that keeps the scope from
/// being written. Nothing is imported then.
pub fn import(input: &mut Input) -> Result<u8, Failure> {
    let path = PathBuf::from(input.value("file").cloned().unwrap_or_else(|| ".env".into()));
    let subject = path.to_string_lossy().into_owned();
    let parsed = dotenv::parse(&subject, read(&path)?.expose())
        .map_err(|error| Failure::from(error).and("nothing was imported"))?;
    warn(&subject, &parsed);
    let (project, lock) = open_to_write(input)?;
    let mut words = Words::greedy(&project, input, 1)?;
    take_first_service(&project, &mut words)?;
    if words.env.is_none() {
        words.env = env_of_file(&project.config, &path)?;
    }
    let target = words.target(&project)?;
    check_new_service(&project, &target)?;
    check_new_names(&project, input, &target, parsed.names())
        .map_err(|failure| failure.and("nothing was imported"))?;
    let mut scope = load(&project, &target)?.scope;
    let plan = Plan::new(&scope, &parsed);
    if input.has("dry-run") {
        plan.print();
        terminal::note(&format!(
            "{} would be imported into {target}: {}; nothing was written",
            quoted(&subject),
            plan.summary()
        ));
        return Ok(0);
    }
    if !plan.changed.is_empty() && !input.has("force") {
        let message = format!(
            "{target} has other values for {}; nothing was imported",
            plan.changed.join(", ")
        );
        return Err(Failure::new(message).hint("--force overwrites them"));
    }
    take_over(&mut scope, parsed, author(&project))?;
    if plan.changes() {
        save(&project, &lock, &target, scope)?;
    }
    terminal::note(&format!("imported {} into {target}: {}", quoted(&subject), plan.summary()));
    Ok(0)
}

/// A word that is left may be a service that this import makes.
fn take_first_service(project: &Project, words: &mut Words) -> Result<(), Failure> {
    let Some(word) = words.rest.pop() else {
        return Ok(());
    };
    if words.service.is_some() || words.has_env_word || near_place(project, &word).is_some() {
        return Err(words.neither(project, &word).and("nothing was imported"));
    }
    words.service = Some(word);
    Ok(())
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// `Missing`, `Read`, `TooLarge`.
pub fn read(path: &Path) -> Result<Secret, Failure> {
    if path == Path::new("-") {
        return Ok(disk::read_stdin(dotenv::FILE_BYTES_MAX)?);
    }
    Ok(disk::read_given(path, dotenv::FILE_BYTES_MAX)?)
}

/// Refuses names that may be no keys here.
///
/// # Errors
/// Naming the keys.
pub fn check_new_names<'a>(
    project: &Project,
    input: &Input,
    target: &ScopeName,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Failure> {
    check_names(input, names.clone())?;
    check_no_places(project, target, names)
}

/// The environment that a file's name ends in: `.env.production`, `.env.prod`. `None` if it
/// names none: `.env`, `.env.local`.
///
/// # Errors
/// If it names one that is not listed.
pub fn env_of_file(config: &Config, path: &Path) -> Result<Option<String>, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(suffix) = name.strip_prefix(".env.").filter(|suffix| *suffix != "local") else {
        return Ok(None);
    };
    let env = full_env_name(suffix);
    if let Some(listed) = config.envs.iter().find(|listed| *listed == suffix || *listed == env) {
        return Ok(Some(listed.clone()));
    }
    let message = format!("which environment is {} meant for? nothing was imported", quoted(&name));
    Err(Failure::usage(message).hint(format!("the environments are: {}", config.envs.join(", "))))
}

/// The usual short forms.
#[must_use]
pub fn full_env_name(suffix: &str) -> &str {
    match suffix {
        "dev" => "development",
        "prod" => "production",
        "stage" | "stg" => "staging",
        other => other,
    }
}

/// `kagi export [service] [env]`.
///
/// # Errors
/// Usage; no `y`; a value that the format cannot hold; a file that is there.
pub fn export(input: &mut Input) -> Result<u8, Failure> {
    let name = input.text("format")?.unwrap_or("dotenv");
    let Some((_, format, ending)) = Format::NAMED.into_iter().find(|named| named.0 == name) else {
        let names = Format::NAMED.map(|named| named.0).join(", ");
        return Err(Failure::usage(format!("there is no format {}", quoted(name)))
            .hint(format!("the formats are: {names}")));
    };
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    words.check_known(&project)?;
    let target = words.target(&project)?;
    let job = github_file().filter(|_| format == Format::Github);
    match (input.value("out"), job) {
        (Some(directory), _) => {
            let directory = Path::new(directory);
            export_files(&project, input, &words, &target, (format, ending), directory)?;
        }
        (None, Some(file)) => export_to_job(&project, input, &target, &file)?,
        (None, None) => {
            let text = plain_text(&scope_of(&project, &target)?, &project, &target, format)?;
            may_reveal(&format!("all values of {target}"))?;
            print_revealed(text.expose(), "")?;
        }
    }
    Ok(0)
}

/// The file of a job of GitHub's that later steps get their variables from.
fn github_file() -> Option<PathBuf> {
    std::env::var_os("GITHUB_ACTIONS").filter(|value| value == "true")?;
    let file = PathBuf::from(std::env::var_os("GITHUB_ENV")?);
    disk::exists(&file).then_some(file)
}

/// Hands the values to the later steps of a job. They are masked before they are there; nothing is shown,
/// so nothing is asked.
fn export_to_job(
    project: &Project,
    input: &Input,
    target: &ScopeName,
    file: &Path,
) -> Result<(), Failure> {
    if disk::is_same_file(Path::new("/dev/stdout"), file) {
        // GitHub shows the line of that file that it does not understand: a value.
        let failure = Failure::new("standard output is the file of $GITHUB_ENV already");
        return Err(failure.and("nothing was written").hint("leave the >> out: kagi writes there"));
    }
    check_output()?;
    let scope = scope_of(project, target)?;
    check_names(input, scope.iter().map(|(name, _)| name))?;
    let text = plain_text(&scope, project, target, Format::Github)?;
    let values = single_values(project, target, &scope)?;
    terminal::print_once(dotenv::github_masks(values.iter().map(|(_, value)| *value)).expose())?;
    // Whoever wrote before may have left a line open; an empty one says nothing.
    let mut lines = Secret::with_capacity(text.len() + 1);
    lines.push(b"\n");
    lines.push(text.expose());
    disk::append(file, lines.expose())?;
    let count = counted(values.len(), "value");
    terminal::note(&format!("handed {count} of {target} to the later steps of this job"));
    Ok(())
}

fn scope_of(project: &Project, target: &ScopeName) -> Result<Scope, Failure> {
    let found = project.load(target)?;
    Ok(found.ok_or_else(|| Failure::new(format!("{target} has no secrets")))?.scope)
}

fn plain_text(
    scope: &Scope,
    project: &Project,
    target: &ScopeName,
    format: Format,
) -> Result<Secret, Failure> {
    let label = match format {
        Format::K8s => dotenv::k8s_name(&target.to_string()),
        Format::Github => format!("kagi_{}", HEX.encode(&random::bytes::<16>()?)),
        _ => String::new(),
    };
    let values = single_values(project, target, scope)?;
    dotenv::write(format, &label, values.into_iter()).map_err(|error| {
        let is_strange = matches!(format, Format::K8s | Format::Github);
        let hint = "--format json or shell holds more than dotenv and docker";
        let failure = Failure::from(error).and("nothing was exported");
        failure.hint(if is_strange { "" } else { hint })
    })
}

fn export_files(
    project: &Project,
    input: &Input,
    words: &Words,
    target: &ScopeName,
    (format, ending): (Format, &str),
    directory: &Path,
) -> Result<(), Failure> {
    let mut files = Vec::new();
    for name in project.scopes(ScopeKind::Values)? {
        let is_wanted = words.env.as_ref().is_none_or(|wanted| *wanted == name.env);
        if name.service == target.service && is_wanted {
            let path = directory.join(format!(".env.{}{ending}", name.env));
            files.push((path, plain_text(&scope_of(project, &name)?, project, &name, format)?));
        }
    }
    if files.is_empty() {
        return Err(Failure::new(format!("{target} has no secrets")));
    }
    if let Some((path, _)) =
        files.iter().find(|(path, _)| disk::exists(path) && !input.has("force"))
    {
        let message =
            format!("{} is there already; nothing was exported", quoted(&path.to_string_lossy()));
        return Err(Failure::new(message).hint("--force overwrites it"));
    }
    may_reveal(&format!(
        "all values of {} in {}",
        quoted(&target.service),
        counted(files.len(), "file")
    ))?;
    disk::make_home(directory)?;
    let _lock = disk::lock(directory, &note_waiting)?;
    for (path, text) in files {
        disk::replace(&path, text.expose(), Mode::Private)?;
        terminal::note(&format!("wrote {}", quoted(&path.to_string_lossy())));
        note_if_not_ignored(&path);
    }
    Ok(())
}

/// A secret that Git would commit is worth a word.
pub fn note_if_not_ignored(path: &Path) {
    let (Some(directory), Some(name)) =
        (path.parent(), path.file_name().and_then(|name| name.to_str()))
    else {
        return;
    };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let is_in_git = process::git(directory, &["rev-parse", "--is-inside-work-tree"]).is_some();
    if is_in_git && process::git(directory, &["check-ignore", "-q", "--", name]).is_none() {
        let path = quoted(&path.to_string_lossy());
        terminal::note(&format!("note: Git does not ignore {path}: add it to .gitignore"));
    }
}
