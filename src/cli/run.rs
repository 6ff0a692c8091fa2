//! `run`: becomes a program that has the values of one scope in its environment.
//!
//! Promises: nothing is asked, nothing is written; each file is read once; if anything about the
//! scope is wrong the program does not start; without flags no other file is read. With `--mask` kagi
//! stays, to replace values in what it prints. Refuses to start it without secrets, unless the
//! service was inferred and simply has none yet.

use crate::cli::args::Input;
use crate::cli::health::not_opened;
use crate::cli::mask::run_masked;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::{Words, did_you_mean, near_place, unknown_key, with_scope};
use crate::cli::{
    GONE, check_names, help, is_strict, note_opening, note_remarks, open_quietly, single_values,
};
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::dotenv::{self, FILE_BYTES_MAX};
use crate::format::scope_file::ScopeName;
use crate::process::Launch;
use crate::project::{Found, Project, Site};
use crate::scope::Scope;
use crate::terminal;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

/// Exit code for a program that is not there, as in a shell.
const NOT_FOUND: u8 = 127;
/// Exit code for a program that cannot be started.
const NOT_STARTED: u8 = 126;
/// Said of a command that was not even tried.
const UNTRIED: &str = "the command was not started";
/// Times that the project is opened again because a rotation has ended meanwhile. More of them in a row
/// than one are rare, but then nobody is there to run the command again.
const AGAIN_MAX: usize = 5;

/// `kagi run [service] [env] [--] COMMAND [ARGUMENT…]`.
///
/// # Errors
/// Usage; everything that keeps the scope shut; 126 or 127 if the command cannot be started.
pub fn run(input: &mut Input) -> Result<u8, Failure> {
    let mut project = None;
    let mut words = Words::default();
    // Flags of kagi end where the command begins, and that is only known once the words before
    // it are: so the project is opened at the first word.
    let command = loop {
        let word = input.next_word()?;
        if input.has("help") {
            return help::page(input.command);
        }
        let project = match &mut project {
            Some(project) => project,
            empty => empty.insert(open(input)?),
        };
        words.settle(project, input)?;
        match word {
            None => break None,
            Some(word) if word.to_str().is_some_and(|text| words.take(project, text)) => {}
            Some(word) => break Some(word),
        }
    };
    let Some(project) = project else {
        return Err(no_command());
    };
    start(input, &project, &words, command)
}

fn no_command() -> Failure {
    Failure::usage("run needs a command").hint("kagi run [service] [env] -- COMMAND")
}

/// Opens the project without asking, and pins no more than a newer epoch.
///
/// # Errors
/// As `cli::open`, and a project that this device does not know.
pub fn open(input: &Input) -> Result<Project, Failure> {
    let site = Site::find()?;
    let opened = open_quietly(site.clone(), is_strict(input));
    let project = opened.map_err(|error| not_opened(&site, error))?;
    note_opening(&project);
    Ok(project)
}

fn start(
    input: &mut Input,
    project: &Project,
    words: &Words,
    first: Option<OsString>,
) -> Result<u8, Failure> {
    let has_dashes = first.is_none();
    let mut arguments = input.rest()?;
    let program = match first {
        Some(program) => program,
        None if arguments.is_empty() => return Err(no_command()),
        None => arguments.remove(0),
    };
    let typed = program.to_string_lossy().into_owned();
    let target = words.target(project).map_err(|missing| {
        if has_dashes { missing } else { words.neither_or(project, &typed, missing) }
    })?;
    let is_named = words.service.is_some() || project.access().only_scope().is_some();
    let mut found = project.load(&target);
    for _ in 0..AGAIN_MAX {
        if found.as_ref().err().is_none_or(|error| error.kind != Kind::Changed) {
            break;
        }
        found = open(input)?.load(&target);
    }
    let mut scope = scope_of(project, &target, found?, is_named)?;
    keep_only(input, project, &target, &mut scope)?;
    check_names(input, scope.iter().map(|(name, _)| name))?;
    let variables = single_values(project, &target, &scope)?;
    check_required(input, &target, &variables)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let started = match disk::find_program(&program, &path) {
        None => Err(Error::new(Kind::Missing, typed.as_str())),
        Some(path) => {
            let launch = Launch {
                path: &path,
                program: &program,
                arguments: &arguments,
                variables: &variables,
                is_clean: input.has("clean"),
            };
            let is_masked = input.has("mask");
            let started = if is_masked { run_masked(&launch) } else { launch.replace_kagi() };
            started.map_err(|error| with_interpreter(&path, error))
        }
    };
    started.map_err(|error| not_started(project, error, has_dashes))
}

/// Leaves the keys that `--only` names: nothing is said of the others.
fn keep_only(
    input: &Input,
    project: &Project,
    target: &ScopeName,
    scope: &mut Scope,
) -> Result<(), Failure> {
    if !input.has("only") {
        return Ok(());
    }
    let named = input.all("only")?.join(",");
    let named: BTreeSet<&str> = named.split(',').collect();
    if let Some(key) = named.iter().find(|key| scope.get(key).is_empty()) {
        return Err(unknown_key(project, target, scope, key).and(UNTRIED));
    }
    let keys: Vec<_> = scope.iter().map(|(key, _)| key.to_string()).collect();
    for key in keys.iter().filter(|key| !named.contains(key.as_str())) {
        scope.unset(key);
    }
    Ok(())
}

/// Refuses to start without what the example of `--require` names.
fn check_required(
    input: &Input,
    target: &ScopeName,
    variables: &[(&str, &[u8])],
) -> Result<(), Failure> {
    let Some(path) = input.value("require").map(Path::new) else {
        return Ok(());
    };
    let lacking = lacking_keys(path, variables);
    let lacking = lacking.map_err(|error| Failure::from(error).and(UNTRIED))?;
    let Some(first) = lacking.first() else {
        return Ok(());
    };
    let message = format!("{target} has no value for {}", lacking.join(", "));
    let ScopeName { service, env, .. } = target;
    let hint = if input.has("only") {
        "what --only leaves out is missing, too".to_string()
    } else {
        format!("kagi set {service} {env} {first} --prompt")
    };
    Err(Failure::new(message).and(UNTRIED).hint(hint))
}

/// The keys of an example that are missing or empty.
fn lacking_keys(path: &Path, variables: &[(&str, &[u8])]) -> Result<Vec<String>, Error> {
    let text = disk::read_given(path, FILE_BYTES_MAX)?;
    let example = dotenv::parse(&path.to_string_lossy(), text.expose())?;
    let given = variables.iter().filter(|(_, value)| !value.is_empty()).map(|(key, _)| *key);
    let given: BTreeSet<&str> = given.collect();
    Ok(example.names().filter(|key| !given.contains(key)).map(str::to_string).collect())
}

/// A program that is there and yet is not found lacks what its first line names.
fn with_interpreter(path: &Path, error: Error) -> Error {
    if error.kind == Kind::Missing && disk::exists(path) {
        return error.with_kind(Kind::NotStarted).because("its interpreter is missing");
    }
    error
}

/// The exit code of a shell, and the service or environment that may have been meant.
fn not_started(project: &Project, error: Error, has_dashes: bool) -> Failure {
    if error.kind != Kind::Missing {
        return Failure::from(error).with_code(NOT_STARTED);
    }
    let near = near_place(project, &error.subject).filter(|_| !has_dashes);
    let failure = Failure::new(format!("there is no program {}", quoted(&error.subject)));
    with_scope(project, did_you_mean(failure.with_code(NOT_FOUND), near.as_deref()))
}

fn scope_of(
    project: &Project,
    target: &ScopeName,
    found: Option<Found>,
    is_named: bool,
) -> Result<Scope, Failure> {
    let Some(found) = found else {
        if is_named {
            let message = format!("{target} has no secrets; {UNTRIED}");
            let hint = format!("kagi set {} {} KEY VALUE", target.service, target.env);
            let near = near_place(project, &target.service);
            return Err(did_you_mean(Failure::new(message).hint(hint), near.as_deref()));
        }
        terminal::note(&format!("note: {target} has no secrets yet"));
        return Ok(Scope::default());
    };
    if found.is_gone {
        let message = format!("{target} {GONE}");
        let hint = format!("git log -- {}", project.shown(&target.file()));
        return Err(Failure::new(message).and(UNTRIED).hint(hint));
    }
    note_remarks(target, &found);
    Ok(found.scope)
}
