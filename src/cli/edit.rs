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
use crate::format::dotenv::{self, Assignment, FILE_BYTES_MAX, Parsed};
use crate::format::scope_file::ScopeName;
use crate::format::snapshot::Entry;
use crate::format::text::HEX;
use crate::process;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// What a text was before the user changed it, beside it.
const BEGAN: &str = ".kagi-began";

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
        Some(left) => {
            desk = left;
            desk.bring_up_to_date(&target, &scope, &text)?;
        }
        None => desk.lay_down(&text)?,
    }
    let outcome = change(input, &project, &target, &mut desk);
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

/// Lets the user edit, and writes what was changed.
fn change(
    input: &Input,
    project: &Project,
    target: &ScopeName,
    desk: &mut Desk,
) -> Result<(), Failure> {
    let began = desk.parse(&desk.read(BEGAN)?)?;
    let began = keys(&began);
    let edited = edited(input, project, desk, &began)?;
    let edited = keys(&edited);
    let is_changed = !changes(&began, &edited, &began).0.is_empty();
    let gone: Vec<_> = began.keys().copied().filter(|name| !edited.contains_key(name)).collect();
    let question = format!("kagi: delete {} from {target}?", gone.join(", "));
    if !gone.is_empty() && !terminal::ask(&question) {
        return Err(not_confirmed(""));
    }
    if !is_changed || !write(input, target, desk, &began, &edited)? {
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
    began: &Keys,
    edited: &Keys,
) -> Result<bool, Failure> {
    let (project, lock) = open_to_write(input)?;
    let mut scope = load(&project, target)?.scope;
    let now = desk.parse(&text_of(&project, target, &scope)?)?;
    let (now, count) = (keys(&now), scope.len());
    let (changes, mut others) = changes(began, edited, &now);
    // What is no text is in the scope, but not in the text.
    let is_hidden = |name: &str| !now.contains_key(name) && !scope.get(name).is_empty();
    others.extend(changes.iter().map(|(name, _)| *name).filter(|name| is_hidden(name)));
    if !others.is_empty() {
        let names = others.join(", ");
        let message = format!("somebody else has changed {names} in {target} meanwhile");
        return Err(Failure::new(message).and("nothing was written"));
    }
    for (name, to) in &changes {
        let Some(to) = to else {
            scope.unset(name);
            continue;
        };
        let described = now.get(name).map_or("", |one| one.description.as_str());
        let description = Some(to.description.as_str()).filter(|text| *text != described);
        scope.set(name, Secret::copy_of(to.value.expose()), description, author(&project))?;
    }
    if !changes.is_empty() {
        let deleted = changes.iter().filter(|(_, to)| to.is_none()).count();
        let added = scope.len() + deleted - count;
        let replaced = changes.len() - added - deleted;
        save(&project, &lock, target, scope)?;
        let summary = format!("{added} added, {replaced} changed, {deleted} deleted");
        terminal::note(&format!("edited {target}: {summary}"));
    }
    Ok(!changes.is_empty())
}

/// What the user made of the text, once it can be understood.
fn edited(input: &Input, project: &Project, desk: &Desk, began: &Keys) -> Result<Parsed, Failure> {
    loop {
        let editor = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os);
        let editor = editor.into_iter().find(|editor| !editor.is_empty()).unwrap_or("vi".into());
        if let Some(how) = process::edit(&editor, &desk.path.join(&desk.name))? {
            let editor = quoted(&editor.to_string_lossy());
            let message = format!("the editor {editor} failed ({how}); nothing was written");
            return Err(Failure::new(message));
        }
        let understood = desk.read(&desk.name).and_then(|text| desk.parse(&text));
        let checked = understood.map_err(Failure::from).and_then(|parsed| {
            let names = parsed.assignments.iter().map(|one| one.name.as_str());
            let new = names.filter(|name| !began.contains_key(name));
            check_new_names(project, input, new).map(|()| parsed)
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
    let mut text = header(target, scope);
    for (name, entries) in scope.iter() {
        let entry = single(project, target, name, entries)?;
        let value = entry.and_then(|entry| std::str::from_utf8(entry.value.expose()).ok());
        if let (Some(entry), Some(value)) = (entry, value) {
            dotenv::editable(&mut text, name, value, &entry.description);
        }
    }
    Ok(text)
}

/// What stands above the keys; a blank line ends it.
fn header(target: &ScopeName, scope: &Scope) -> Secret {
    let mut text = Secret::with_capacity(64 * 1024);
    let lines = [
        format!("kagi edit: {target}"),
        r#"One KEY=value a line. '…' stays as it is; "…" knows \n \r \t \" \\ \$; both may go over lines."#.into(),
        "A comment of plain words right above a key is its description; others are dropped.".into(),
        "A key whose line is taken out is deleted, after a y.".into(),
    ];
    let is_text = |entry: &Entry| std::str::from_utf8(entry.value.expose()).is_ok();
    let hidden = scope.iter().filter(|(_, entries)| !entries.iter().all(is_text));
    let hidden = hidden
        .map(|(name, _)| format!("{name} is no text, and stays: kagi set --file changes it."));
    for line in lines.into_iter().chain(hidden) {
        text.push(format!("# {line}\n").as_bytes());
    }
    text.push(b"\n");
    text
}

/// The keys of a text.
type Keys<'a> = BTreeMap<&'a str, &'a Assignment>;

fn keys(parsed: &Parsed) -> Keys<'_> {
    parsed.assignments.iter().map(|one| (one.name.as_str(), one)).collect()
}

fn is_same(one: Option<&Assignment>, other: Option<&Assignment>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.value.expose() == other.value.expose() && one.description == other.description
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// A key, and what it shall be; `None`: gone.
type Change<'a> = (&'a str, Option<&'a Assignment>);

/// What the user changed and what is not so already, but for what somebody else has changed to something
/// else meanwhile: the names of that.
fn changes<'a>(
    began: &Keys<'a>,
    edited: &Keys<'a>,
    now: &Keys<'a>,
) -> (Vec<Change<'a>>, Vec<&'a str>) {
    let (mut changes, mut others) = (Vec::new(), Vec::new());
    let names: BTreeSet<&str> = began.keys().chain(edited.keys()).copied().collect();
    for name in names {
        let [began, edited, now] = [began, edited, now].map(|keys| keys.get(name).copied());
        if is_same(edited, began) || is_same(edited, now) {
            continue;
        }
        if is_same(now, began) {
            changes.push((name, edited));
        } else {
            others.push(name);
        }
    }
    (changes, others)
}

/// A private directory with a text that is being edited. Wiped when it is dropped, unless the user changed the
/// text and that was not taken over.
struct Desk {
    path: PathBuf,
    /// Begins the name of each desk of this scope.
    prefix: String,
    /// The name of the text.
    name: String,
    /// True once the text is not needed any more.
    is_done: bool,
    /// Held as long as this kagi lives.
    _lock: Lock,
}

impl Drop for Desk {
    fn drop(&mut self) {
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
        let scope = hash::hash(format!("{id}\n{root}\n{target}").as_bytes());
        let prefix = format!("kagi-edit-{}-", HEX.encode(&scope[..8]));
        let path = place.join(format!("{prefix}{}", HEX.encode(&random::bytes::<16>()?)));
        disk::make_private(&path)?;
        let name = format!("{}-{}.env", target.service, target.env);
        Ok(Desk {
            _lock: disk::lock_within(&path, Duration::ZERO)?,
            path,
            prefix,
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
        let is_ours = |name: &str| [BEGAN, &self.name].contains(&name) || disk::is_own(name);
        let list = disk::list(&self.path).unwrap_or_default();
        let is_changed = match (self.read(BEGAN), self.read(&self.name)) {
            (Ok(began), Ok(text)) => began.expose() != text.expose(),
            _ => disk::exists(&self.path.join(&self.name)),
        };
        is_changed || list.iter().any(|entry| !is_ours(&entry.name))
    }

    /// The desk of an edit of this scope that did not end, if the user goes on with its text.
    fn left_over(&self, target: &ScopeName) -> Result<Option<Desk>, Failure> {
        for path in disk::private_siblings(&self.path, &self.prefix)? {
            let lock =
                disk::lock_within(&path, Duration::ZERO).map_err(|error| match error.kind {
                    Kind::Busy => Failure::new(format!("another kagi edits {target} right now")),
                    _ => error.into(),
                })?;
            let (prefix, name) = (self.prefix.clone(), self.name.clone());
            let mut desk = Desk { path, prefix, name, is_done: false, _lock: lock };
            if !desk.is_touched() {
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

    /// Takes what was changed meanwhile over into a text of before, but for what the user has changed
    /// too. A text that cannot be understood is edited first.
    fn bring_up_to_date(
        &self,
        target: &ScopeName,
        scope: &Scope,
        text: &Secret,
    ) -> Result<(), Failure> {
        let (Ok(began), Ok(edited)) = (self.read(BEGAN), self.read(&self.name)) else {
            return Ok(());
        };
        let parsed = (self.parse(&began), self.parse(&edited), self.parse(text));
        let (Ok(began_as), Ok(edited), Ok(now)) = parsed else { return Ok(()) };
        if began.expose() == text.expose() {
            return Ok(());
        }
        let (began, edited, now) = (keys(&began_as), keys(&edited), keys(&now));
        for name in changes(&began, &edited, &now).1 {
            let who = format!("note: somebody else has changed {name} in {target} meanwhile");
            terminal::note(&format!("{who}; the text has it as you want it"));
        }
        let mut merged = header(target, scope);
        for name in now.keys().chain(edited.keys()).copied().collect::<BTreeSet<&str>>() {
            let [began, edited, now] = [&began, &edited, &now].map(|keys| keys.get(name).copied());
            if let Some(one) = if is_same(edited, began) { now } else { edited } {
                dotenv::editable(&mut merged, name, one.value.expose_str(name)?, &one.description);
            }
        }
        // In this order a stop between the two loses nothing.
        disk::replace(&self.path.join(&self.name), merged.expose(), Mode::Private)?;
        Ok(disk::replace(&self.path.join(BEGAN), text.expose(), Mode::Private)?)
    }
}
