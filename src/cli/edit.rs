//! `edit`: the values of a scope as a `.env` text in the user's editor.
//!
//! Promises: the text lies in a private directory in memory, and is wiped; one that was changed but not taken
//! over is kept for the next edit; what the user did not change is not written. Refuses to write
//! over what somebody else has changed meanwhile, naming it.

use crate::cli::args::Input;
use crate::cli::dotenv::{check_new_names, warn};
use crate::cli::report::{Failure, quoted};
use crate::cli::words::Words;
use crate::cli::{author, load, not_confirmed, open, open_to_write, remember, save, single};
use crate::crypto::{hash, random};
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind};
use crate::format::dotenv::{self, FILE_BYTES_MAX, Parsed};
use crate::format::scope_file::ScopeName;
use crate::format::text::HEX;
use crate::process;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a text was before the user changed it, beside it.
const BEGAN: &str = ".kagi-began";

/// What there is where the user names none.
const EDITOR: &str = if cfg!(windows) { "notepad" } else { "vi" };

/// `kagi edit [service] [env]`.
///
/// # Errors
/// Usage; no place for plaintext; an editor that fails; a text that cannot be taken over; everything that
/// keeps the scope from being written. A changed text is kept then.
pub fn edit(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    words.check_known(&project)?;
    let target = words.target(&project)?;
    let scope = load(&project, &target)?.scope;
    let text = text_of(&project, &target, &scope)?;
    remember(&project);
    let mut desk = Desk::new(&project, &target, input.has("on-disk"))?;
    match desk.left_over(&target)? {
        Some(left) => desk = left,
        None => desk.lay_down(&text)?,
    }
    let outcome = change(input, &project, &target, &text, &mut desk);
    outcome.map(|()| 0).map_err(|failure| match (desk.is_touched(), failure.hint_text()) {
        (false, _) => failure,
        (true, "") => failure.and(KEPT).hint(again(&target)),
        (true, _) => failure.and(KEPT),
    })
}

/// Said of a text that was not taken over.
const KEPT: &str = "the edited text is kept";

fn again(target: &ScopeName) -> String {
    format!("kagi edit {} {} goes on with it", target.service, target.env)
}

/// Lets the user edit, and writes what was changed. `text` is what the scope is now: where an earlier
/// edit is gone on with, that began with another.
fn change(
    input: &Input,
    project: &Project,
    target: &ScopeName,
    text: &Secret,
    desk: &mut Desk,
) -> Result<(), Failure> {
    let (began, seen) = (desk.parse(&desk.read(BEGAN)?)?, desk.parse(text)?);
    let (began, seen) = (keys(&began), keys(&seen));
    let names: BTreeSet<_> = began.keys().chain(seen.keys()).copied().collect();
    for name in names.into_iter().filter(|name| began.get(name) != seen.get(name)) {
        let what = format!("note: {name} in {target} was changed meanwhile");
        terminal::note(&format!("{what}; if you change it too, yours wins"));
    }
    let edited = edited(input, project, target, desk, &began)?;
    let edited = keys(&edited);
    let gone: Vec<_> = began.keys().copied().filter(|name| !edited.contains_key(name)).collect();
    let question = format!("kagi: delete {} from {target}?", gone.join(", "));
    if !gone.is_empty() && !terminal::ask(&question) {
        return Err(not_confirmed(""));
    }
    if began == edited || !write(input, target, desk, [&began, &seen, &edited])? {
        terminal::note(&format!("nothing was changed in {target}"));
    }
    desk.is_done = true;
    Ok(())
}

/// Writes what the user changed; `false` if all of it is there already.
fn write(
    input: &Input,
    target: &ScopeName,
    desk: &Desk,
    [began, seen, edited]: [&Keys; 3],
) -> Result<bool, Failure> {
    let (project, lock) = open_to_write(input)?;
    let mut scope = load(&project, target)?.scope;
    let now = desk.parse(&text_of(&project, target, &scope)?)?;
    let now = keys(&now);
    let mut summary = [(0, "added"), (0, "changed"), (0, "deleted")];
    let mut others = Vec::new();
    for name in began.keys().chain(edited.keys()).copied().collect::<BTreeSet<_>>() {
        let [began, seen, edited, now] = [began, seen, edited, &now].map(|keys| keys.get(name));
        // What is no text is in the scope, but in no text.
        let is_hidden = now.is_none() && !scope.get(name).is_empty();
        let kind = match (edited, now) {
            (edited, now) if edited == began || edited == now => continue,
            (_, now) if is_hidden || (now != began && now != seen) => {
                others.push(name);
                continue;
            }
            (None, _) => 2,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 0,
        };
        summary[kind].0 += 1;
        match edited {
            None => drop(scope.unset(name)),
            Some((value, text)) => {
                let text = Some(*text).filter(|text| now.map_or("", |(_, text)| text) != *text);
                scope.set(name, Secret::copy_of(value), text, author(&project))?;
            }
        }
    }
    if !others.is_empty() {
        let names = others.join(", ");
        let message =
            format!("refusing to overwrite {names} in {target}: changed meanwhile, or no text");
        return Err(Failure::new(message).and("nothing was written"));
    }
    let is_changed = summary.iter().any(|(count, _)| *count > 0);
    if is_changed {
        save(&project, &lock, target, scope)?;
        let summary = summary.map(|(count, done)| format!("{count} {done}")).join(", ");
        terminal::note(&format!("edited {target}: {summary}"));
    }
    Ok(is_changed)
}

/// What the user made of the text, once it can be understood.
fn edited(
    input: &Input,
    project: &Project,
    target: &ScopeName,
    desk: &Desk,
    began: &Keys,
) -> Result<Parsed, Failure> {
    loop {
        let editor = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os);
        let editor = editor.into_iter().find(|editor| !editor.is_empty()).unwrap_or(EDITOR.into());
        if let Some(how) = process::edit(&editor, &desk.path.join(&desk.name))? {
            let editor = quoted(&editor.to_string_lossy());
            let message = format!("the editor {editor} failed ({how}); nothing was written");
            return Err(Failure::new(message));
        }
        let understood = desk.read(&desk.name).and_then(|text| desk.parse(&text));
        let checked = understood.map_err(Failure::from).and_then(|parsed| {
            let new = parsed.names().filter(|name| !began.contains_key(name));
            check_new_names(project, input, target, new).map(|()| parsed)
        });
        match checked {
            Ok(parsed) => {
                warn(&desk.name, &parsed);
                return Ok(parsed);
            }
            Err(failure) if terminal::can_ask() => {
                failure.report();
                if !terminal::ask("kagi: edit the text again?") {
                    return Err(Failure::new("nothing was written"));
                }
            }
            Err(failure) => return Err(failure.and("nothing was written")),
        }
    }
}

/// A scope as a text to edit, which `dotenv::parse` reads back equal.
fn text_of(project: &Project, target: &ScopeName, scope: &Scope) -> Result<Secret, Failure> {
    let mut text = header(target);
    for (name, entries) in scope.iter() {
        let Some(entry) = single(project, target, name, entries)? else { continue };
        if let Ok(value) = std::str::from_utf8(entry.value.expose()) {
            dotenv::editable(&mut text, name, value, &entry.description);
        } else {
            let line = format!("# {name} is no text, and stays: kagi set --file changes it.\n\n");
            text.push(line.as_bytes());
        }
    }
    Ok(text)
}

/// What stands above the keys; a blank line ends it.
fn header(target: &ScopeName) -> Secret {
    let mut text = Secret::with_capacity(64 * 1024);
    let lines = [
        format!("kagi edit: {target}"),
        r#"One KEY=value a line. '…' stays as it is; "…" knows \n \r \t \" \\ \$; both may go over lines."#.into(),
        "A comment of plain words right above a key is its description; others are dropped.".into(),
        "A key whose line is taken out is deleted, after a y.".into(),
    ];
    for line in lines {
        text.push(format!("# {line}\n").as_bytes());
    }
    text.push(b"\n");
    text
}

/// The keys of a text, each with its value and description.
type Keys<'a> = BTreeMap<&'a str, (&'a [u8], &'a str)>;

fn keys(parsed: &Parsed) -> Keys<'_> {
    let mut keys = Keys::new();
    for one in &parsed.assignments {
        keys.insert(&one.name, (one.value.expose(), &one.description));
    }
    keys
}

/// A private directory with a text that is being edited. Wiped when it is dropped, unless the user changed the
/// text and that was not taken over.
struct Desk {
    path: PathBuf,
    /// Begins the name of each desk of this project.
    of_project: String,
    /// The name of the text.
    name: String,
    /// True once the text is not needed any more.
    is_done: bool,
    /// Held as long as this kagi lives.
    lock: Option<Lock>,
}

impl Drop for Desk {
    fn drop(&mut self) {
        if cfg!(windows) {
            // No directory is removed there with an open file in it.
            self.lock = None;
        }
        if (self.is_done || !self.is_touched())
            && let Err(error) = disk::wipe(&self.path)
        {
            Failure::from(error).report();
        }
    }
}

impl Desk {
    fn new(project: &Project, target: &ScopeName, may_be_on_disk: bool) -> Result<Self, Failure> {
        let on_disk = || may_be_on_disk.then(std::env::temp_dir);
        let place = disk::memory_directory().or_else(on_disk).ok_or_else(|| {
            Failure::new("neither $XDG_RUNTIME_DIR nor /dev/shm is a directory in memory")
                .hint("--on-disk, if the plaintext may be written to a disk for that long")
        })?;
        let (root, id) = (project.site.root.to_string_lossy(), &project.config.project);
        let hashed = |text: &str| HEX.encode(&hash::hash(text.as_bytes())[..8]);
        let of_project = format!("kagi-edit-{}-", hashed(&format!("{id}\n{root}")));
        let scope = hashed(&format!("{id}\n{root}\n{target}"));
        let random = HEX.encode(&random::bytes::<16>()?);
        let path = place.join(format!("{of_project}{scope}-{random}"));
        disk::make_private(&path)?;
        let name = format!("{}-{}.env", target.service, target.env);
        Ok(Desk {
            lock: Some(disk::lock_within(&path, Duration::ZERO)?),
            path,
            of_project,
            name,
            is_done: false,
        })
    }

    fn read(&self, name: &str) -> Result<Secret, Error> {
        let bytes = disk::read(&self.path.join(name), FILE_BYTES_MAX)?;
        bytes.map(Secret::from_vec).ok_or_else(|| Error::new(Kind::Missing, name))
    }

    fn parse(&self, text: &Secret) -> Result<Parsed, Error> {
        dotenv::parse(&self.name, text.expose())
    }

    fn lay_down(&self, text: &Secret) -> Result<(), Error> {
        for name in [BEGAN, &self.name] {
            disk::replace(&self.path.join(name), text.expose(), Mode::Private)?;
        }
        Ok(())
    }

    /// True if something would be lost with it: a changed text, or what an editor that died has left.
    fn is_touched(&self) -> bool {
        let began = self.read(BEGAN).ok();
        let is_new = |name: &str| match (&began, self.read(name)) {
            (Some(began), Ok(text)) => began.expose() != text.expose(),
            _ => true,
        };
        let list = disk::list(&self.path).unwrap_or_default();
        list.iter().any(|entry| !disk::is_own(&entry.name) && is_new(&entry.name))
    }

    /// The desk of an edit of this scope that did not end, if the user goes on with its text. What edits
    /// of the project's other scopes left is wiped, if nothing is lost with it.
    fn left_over(&self, target: &ScopeName) -> Result<Option<Desk>, Failure> {
        // In the name before what is random.
        let scope = |path: &Path| path.to_string_lossy().rsplit('-').nth(1).map(str::to_string);
        for path in disk::private_siblings(&self.path, &self.of_project)? {
            let is_ours = scope(&path) == scope(&self.path);
            // Another scope's that begins right now is not locked yet, but empty.
            if !is_ours && !disk::exists(&path.join(BEGAN)) {
                continue;
            }
            let lock = match disk::lock_within(&path, Duration::ZERO) {
                Err(_) if !is_ours => continue,
                Err(error) if error.kind == Kind::Busy => {
                    return Err(Failure::new(format!("another kagi edits {target} right now")));
                }
                lock => lock?,
            };
            let (of_project, name) = (self.of_project.clone(), self.name.clone());
            let mut desk = Desk { path, of_project, name, is_done: false, lock: Some(lock) };
            if !is_ours || !desk.is_touched() {
                continue;
            }
            let stopped = format!("an edit of {target} did not end; its text is kept");
            if !terminal::can_ask() {
                return Err(Failure::new(stopped).hint(again(target) + ", on a terminal"));
            }
            terminal::note(&stopped);
            if terminal::ask("kagi: go on with that text?") {
                return Ok(Some(desk));
            }
            if !terminal::ask("kagi: throw it away?") {
                return Err(Failure::new("nothing was changed"));
            }
            desk.is_done = true;
        }
        Ok(None)
    }
}
