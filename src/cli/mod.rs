//! The commands: words in, exit code out. One file a group of commands.
//!
//! Promises: the only place, with `terminal`, that prints; results to standard output, everything
//! else to standard error; asks before it reveals or deletes, and never without a terminal.

#[cfg(not(feature = "server"))]
pub mod absent;
pub mod args;
#[cfg(feature = "server")]
pub mod asking;
pub mod backup;
pub mod check;
pub mod command;
pub mod complete;
pub mod diff;
pub mod dotenv;
pub mod driver;
pub mod edit;
pub mod envs;
pub mod exposure;
pub mod file;
pub mod file_restore;
pub mod get;
pub mod health;
pub mod help;
pub mod hook;
#[cfg(feature = "server")]
pub mod hosted;
pub mod identity;
pub mod init;
pub mod keychain;
pub mod keytext;
pub mod log;
pub mod man;
pub mod mask;
pub mod member;
pub mod migrate;
pub mod needles;
#[cfg(feature = "server")]
pub mod remote;
pub mod render;
pub mod report;
pub mod resolve;
pub mod restore;
pub mod run;
pub mod scan;
#[cfg(feature = "server")]
pub mod serve;
pub mod shell;
pub mod status;
#[cfg(feature = "server")]
pub mod sync;
pub mod table;
#[cfg(feature = "server")]
pub mod token;
pub mod transfer;
pub mod values;
pub mod variables;
pub mod words;

#[cfg(not(feature = "server"))]
use absent as sync;

use crate::disk::{self, Lock};
use crate::error::{Error, Kind};
use crate::format::config::Config;
use crate::format::roster::Member;
use crate::format::scope_file::ScopeName;
use crate::format::snapshot::Entry;
use crate::project::{Found, Opening, Project, Site};
use crate::scope::{Author, Scope};
use crate::secret::Secret;
use crate::{process, terminal};
use args::Input;
use health::not_opened;
use report::{Failure, quoted, safe};
use std::io::IsTerminal;
use std::path::PathBuf;
use variables::is_unsafe_key;

/// What stands where a value is: always of one length.
pub const MASK: &str = "********";

/// Runs the command line and gives back the exit code.
#[must_use]
pub fn main() -> u8 {
    let result = args::command(lexopt::Parser::from_env()).and_then(|input| match input {
        None => help::overview(),
        Some(mut input) => run(&mut input),
    });
    match result {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}

/// Runs a command, or shows its help if that was asked for.
fn run(input: &mut Input) -> Result<u8, Failure> {
    // Flags of `run` end where the command begins that it starts: it reads its words itself.
    if input.command.name == "run" {
        return run::run(input);
    }
    input.take_words()?;
    if input.has("help") {
        return help::page(input.command);
    }
    if input.command.words.is_empty() && !input.words.is_empty() {
        return Err(Failure::usage(format!("kagi {} takes no words", input.command.name)));
    }
    (input.command.run)(input)
}

/// Opens the project to read.
///
/// # Errors
/// Everything that keeps a project shut.
pub fn open(input: &Input) -> Result<Project, Failure> {
    open_at(&Site::find()?, input)
}

/// Opens the project to write: alone, until the lock is dropped.
///
/// # Errors
/// As `open`.
pub fn open_to_write(input: &Input) -> Result<(Project, Lock), Failure> {
    let site = Site::find()?;
    let lock = lock(&site)?;
    Ok((open_at(&site, input)?, lock))
}

/// Opens a project without asking, and pins no more than a newer epoch.
///
/// # Errors
/// As `open`, and a project that this device does not know.
pub fn open_quietly(site: Site, is_strict: bool) -> crate::error::Result<Project> {
    let opening = Opening { is_strict, remembers: false, forgets: false, confirm: &|_| false };
    Project::open(site, &opening)
}

fn open_at(site: &Site, input: &Input) -> Result<Project, Failure> {
    let opening = Opening {
        is_strict: is_strict(input),
        remembers: true,
        forgets: false,
        confirm: &confirm_author,
    };
    let opened = Project::open(site.clone(), &opening);
    let project = opened.map_err(|error| not_opened(site, error))?;
    note_opening(&project);
    Ok(project)
}

/// Takes the lock of a project, and says so if that takes a while.
///
/// # Errors
/// `Read` or `Write`.
pub fn lock(site: &Site) -> Result<Lock, Failure> {
    Ok(site.lock(&note_waiting)?)
}

/// Says why nothing happens: the directory is locked.
pub fn note_waiting() {
    terminal::note("waiting for another kagi to finish");
}

/// True with `--strict` or `KAGI_STRICT=1`.
#[must_use]
pub fn is_strict(input: &Input) -> bool {
    input.has("strict") || std::env::var_os("KAGI_STRICT").is_some_and(|value| value == "1")
}

/// Asks whether a member may introduce a project that this device does not know.
#[must_use]
pub fn confirm_author(author: &Member) -> bool {
    terminal::note("this device does not know the project yet; its list of members was written by");
    // The id first and alone: the name is what its owner chose.
    terminal::note(&format!("  {}", author.id));
    terminal::note(&format!("  who is called {}", quoted(&author.name)));
    terminal::ask("kagi: is that the id that this member shows with kagi identity show?")
}

/// Opens a scope; an empty one if it has no file. Notes what a reader should know.
///
/// # Errors
/// As `Project::load`.
pub fn load(project: &Project, target: &ScopeName) -> Result<Found, Failure> {
    let found = project.load(target)?.unwrap_or_default();
    note_remarks(target, &found);
    Ok(found)
}

/// Says what a reader of a scope should know.
pub fn note_remarks(target: &ScopeName, found: &Found) {
    for line in remarks(found) {
        terminal::note(&format!("note: {target} {line}"));
    }
}

/// Sets a key to a value and says so; `false` if it has that value already.
///
/// # Errors
/// As `Scope::set` and `save`.
pub fn set_key(
    project: &Project,
    lock: &Lock,
    target: &ScopeName,
    key: &str,
    value: Secret,
    description: Option<&str>,
    author: Author,
) -> Result<bool, Failure> {
    let mut scope = load(project, target)?.scope;
    let named = quoted(key);
    if !scope.put(target.kind, key, value, description, author)? {
        terminal::note(&format!("{named} in {target} has that value already; nothing was written"));
        return Ok(false);
    }
    let version = scope.get(key).first().map_or(1, |entry| entry.version);
    save(project, lock, target, scope)?;
    terminal::note(&format!("set {named} in {target} (version {version})"));
    Ok(true)
}

/// Writes a scope, pins that this device has seen it, and says if that made a service.
///
/// # Errors
/// As `Project::save`: nothing was written then.
pub fn save(
    project: &Project,
    lock: &Lock,
    target: &ScopeName,
    scope: Scope,
) -> Result<(), Failure> {
    let is_new_service = !project.is_known(&target.service);
    let saved = project.save(lock, target, scope);
    saved.map_err(|error| Failure::from(error).and("nothing was written"))?;
    remember(project);
    if is_new_service {
        terminal::note(&format!("new service {}", quoted(&target.service)));
    }
    Ok(())
}

/// Pins what this device has seen. Whatever keeps it from that does not undo what was done.
pub fn remember(project: &Project) {
    if let Err(error) = project.remember_seen() {
        note_unremembered(&error);
    }
}

/// Says what a person should know about the project that was opened.
pub fn note_opening(project: &Project) {
    if project.is_new_checkout {
        let id = &project.config.project;
        let members = counted(project.roster.members.len(), "member");
        terminal::note(&format!("note: the first opening here of {id}, which has {members}"));
    }
    if project.is_config_behind {
        terminal::note(
            "note: kagi.json is older than access.json: its last change was stopped or undone",
        );
    }
    if let Some(error) = &project.unremembered {
        note_unremembered(error);
    }
}

fn note_unremembered(error: &Error) {
    let (subject, cause) = (quoted(&error.subject), safe(&error.cause));
    terminal::note(&format!("note: this device cannot remember what it saw: {subject} {cause}"));
}

/// Said of a box that waits for its roster.
pub const NEWER_EPOCH: &str = "holds a box of a newer epoch than access.json, without effect: a rotation was stopped, or its \
     access.json was not merged";

/// Said of a scope without a file.
pub const GONE: &str = "is gone, though this device has seen it";

/// Said of a scope that was left over, or that a branch has brought.
pub const UNLISTED: &str = "belongs to no environment of kagi.json and is not read";

/// What a reader of a scope should know.
#[must_use]
pub fn remarks(found: &Found) -> Vec<&'static str> {
    let remarks = [
        (
            found.has_markers,
            "has conflict markers; its boxes were joined, and the next change cleans it up",
        ),
        (
            found.scope.has_idle_box,
            "holds an older box beside a newer one that contains it: a revert or cherry-pick has no effect here",
        ),
        (
            found.has_older_epoch,
            "holds a box that a rotation has replaced; the next change drops it",
        ),
        (found.has_newer_epoch, NEWER_EPOCH),
        (found.is_older, "is older than the state that this device has seen"),
        (found.is_gone, GONE),
    ];
    remarks.into_iter().filter(|(applies, _)| *applies).map(|(_, line)| line).collect()
}

/// The one entry of a key.
///
/// # Errors
/// If branches gave it different values: names authors and times.
pub fn single<'a>(
    project: &Project,
    target: &ScopeName,
    name: &str,
    entries: &'a [Entry],
) -> Result<Option<&'a Entry>, Failure> {
    match entries {
        [] => Ok(None),
        [entry] => Ok(Some(entry)),
        several => {
            let sides: Vec<_> = several.iter().map(|entry| written(project, entry)).collect();
            let message =
                format!("{} in {target} has different values: {}", quoted(name), sides.join("; "));
            let hint = format!("kagi resolve {} {}", target.service, target.env);
            Err(Failure::new(message).hint(hint))
        }
    }
}

/// All keys of a scope with their values.
///
/// # Errors
/// As `single`.
pub fn single_values<'a>(
    project: &Project,
    target: &ScopeName,
    scope: &'a Scope,
) -> Result<Vec<(&'a str, &'a [u8])>, Failure> {
    let mut values = Vec::with_capacity(scope.len());
    for (name, entries) in scope.iter() {
        if let Some(entry) = single(project, target, name, entries)? {
            values.push((name, entry.value.expose()));
        }
    }
    Ok(values)
}

/// Who wrote an entry, and when.
#[must_use]
pub fn written(project: &Project, entry: &Entry) -> String {
    format!("by {} at {}", author_name(project, &entry.author), terminal::date(entry.time))
}

/// A member's name, or its id if it is not a member any more.
#[must_use]
pub fn author_name(project: &Project, id: &str) -> String {
    match project.roster.member(id) {
        Some(member) => safe(&member.name),
        None if id.is_empty() => "the project key".to_string(),
        None => id.to_string(),
    }
}

/// Who writes now.
#[must_use]
pub fn author(project: &Project) -> Author<'_> {
    let access = project.access();
    Author { id: access.member(), time: now(), epoch: access.epoch().number }
}

/// The environments, the default one marked.
#[must_use]
pub fn marked_envs(config: &Config) -> Vec<String> {
    let mark = |env: &String| {
        let mark = if *env == config.default_env { " (default)" } else { "" };
        format!("{env}{mark}")
    };
    config.envs.iter().map(mark).collect()
}

/// The working directory.
///
/// # Errors
/// If it cannot be read.
pub fn working_directory() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|_| Failure::new("the working directory cannot be read"))
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Refuses names that load code into programs, unless the flag allows them.
///
/// # Errors
/// Naming the keys.
pub fn check_names<'a>(input: &Input, names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let refused: Vec<_> = names.filter(|name| is_unsafe_key(name)).map(quoted).collect();
    if refused.is_empty() || input.has("allow-unsafe-name") {
        return Ok(());
    }
    let message =
        format!("refusing {}: the name changes how programs are loaded or run", refused.join(", "));
    Err(Failure::new(message).hint("--allow-unsafe-name, if that is meant"))
}

/// Asks before values are shown.
///
/// # Errors
/// If there is no terminal, or the answer is no.
pub fn may_reveal(what: &str) -> Result<(), Failure> {
    may_show(what, "kagi run hands values to a program without showing them")
}

/// The same for what is no value, with what to do without a terminal.
///
/// # Errors
/// As `may_reveal`.
pub fn may_show(what: &str, hint: &str) -> Result<(), Failure> {
    if !terminal::can_ask() {
        let message = format!("refusing to show {what} without a terminal to ask on");
        return Err(Failure::new(message).hint(hint));
    }
    if terminal::ask(&format!("kagi: show {what} in plain text?")) {
        Ok(())
    } else {
        Err(Failure::new("nothing was shown"))
    }
}

/// Refuses a standard output that keeps nothing, before what is shown once is made.
///
/// # Errors
/// `Write`.
pub fn check_output() -> Result<(), Failure> {
    if disk::is_output_lost(&std::io::stdout()) {
        let error = Error::new(Kind::Write, "standard output");
        let error =
            error.because("it is closed, full or /dev/null, and what is shown would be lost");
        return Err(Failure::from(error).and("nothing was changed"));
    }
    Ok(())
}

/// Prints values after a y: as they are; on a terminal as that may show them, and then `end`.
///
/// # Errors
/// `Write`.
pub fn print_revealed(bytes: &[u8], end: &str) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() {
        return Ok(terminal::print(bytes)?);
    }
    let mut text = get::shown_bytes(bytes, "");
    text.push(end.as_bytes());
    Ok(terminal::print(text.expose())?)
}

/// Asks before something is deleted or replaced; `--yes` answers.
///
/// # Errors
/// If the answer is no, or nobody can answer.
pub fn may_delete(input: &Input, question: &str) -> Result<(), Failure> {
    if input.has("yes") || terminal::ask(&format!("kagi: {question}")) {
        return Ok(());
    }
    Err(not_confirmed("--yes answers without a terminal"))
}

/// Nobody said yes: what to do where nobody can.
#[must_use]
pub fn not_confirmed(hint: &str) -> Failure {
    Failure::new("not confirmed; nothing was changed").hint(if terminal::can_ask() {
        ""
    } else {
        hint
    })
}

/// How changes get from one device to another.
pub struct Ways {
    /// What brings a change of this device to the others.
    pub share: &'static str,
    /// What brings theirs here.
    pub fetch: &'static str,
    /// What a change is then.
    pub shared: &'static str,
}

/// The ways of a project: Git, unless this device knows a remote of it.
#[must_use]
pub fn ways(project: &str) -> Ways {
    if sync::is_known(project) {
        return Ways { share: "kagi push", fetch: "kagi pull", shared: "pushed" };
    }
    Ways { share: "commit and push .kagi", fetch: "git pull", shared: "committed to Git" }
}

/// The columns of the terminal that standard output is, as `COLUMNS` or it says.
#[must_use]
pub fn columns() -> Option<usize> {
    const COLUMNS_MIN: usize = 20;
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let is_usable = |columns: &usize| *columns >= COLUMNS_MIN;
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    given.filter(is_usable).or_else(|| process::terminal_columns().filter(is_usable))
}

/// Prints lines: for people, cut so that none wraps; for programs as they are.
///
/// # Errors
/// `Write`.
pub fn print_lines(input: &Input, text: &str) -> Result<(), Failure> {
    match columns().filter(|_| !input.has("json")) {
        Some(columns) => terminal::print(terminal::cut(text, columns).as_bytes())?,
        None => terminal::print(text.as_bytes())?,
    }
    Ok(())
}

/// A number with its noun.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A key, or a stored file, that is not there.
#[must_use]
pub fn missing_key(name: &str, target: &ScopeName) -> Failure {
    Failure::new(format!("there is no {} {} in {target}", target.kind.noun(), quoted(name)))
}
