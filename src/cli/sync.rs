//! `push` and `pull`, and what other commands say and do where the project is synced without Git.
//!
//! Promises: nothing but `push`, `pull` and a request to join asks the server; a token is never
//! printed.

use crate::cli::args::Input;
use crate::cli::asking::{
    Asking, given_address, is_directory, not_a_token, of_project, options as remote_options,
    project_id, token_text,
};
use crate::cli::init::{project_here, site_or};
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::{
    confirm_author, counted, is_strict, may_delete, not_confirmed, note_unremembered,
    working_directory,
};
use crate::error::{Error, Kind};
use crate::format::message::token::{PROJECT_PREFIX, ProjectToken};
use crate::format::request::Request;
use crate::format::scope_file::ScopeName;
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::project::{Project, Site};
use crate::sync::client::{self, Choice, Exchange, PullReport, Remark, Remote};
use crate::sync::protocol::{Operation, ProjectInfo, Standing};
use crate::sync::remote::{self, Server};
use crate::terminal::{self, Progress};
use std::cell::RefCell;

/// Where the project is synced to, if this device knows that.
fn known(project: &str) -> Option<KnownRemote> {
    client::remote(Home::find().ok().as_ref(), Some(project)).ok().map(|remote| remote.known)
}

/// True if this device knows where the project is synced to.
#[must_use]
pub fn is_known(project: &str) -> bool {
    known(project).is_some()
}

/// Says that whose access was taken away may still have tokens that end with no member.
pub fn note_tokens(project: &str) {
    if known(project).is_some_and(|known| known.token.is_some()) {
        terminal::note(
            "note: it may still have tokens that are nobody's, for CI or to join: kagi token list",
        );
    }
}

/// What `status` tells: address, newest revision seen, and how many files were changed here since the
/// last pull or push, if there was one.
#[must_use]
pub fn standing(project: &Project) -> Option<(String, u64, Option<usize>)> {
    let known = known(&project.config.project)?;
    let changes = Home::find().and_then(|home| client::changes(&home, &project.site));
    Some((known.address, known.revision, changes.ok().flatten()))
}

/// Brings a request to the server, if this device knows one of the project; `false` if it does not.
/// The request is written already, so whatever keeps it from that is told as a note.
#[must_use]
pub fn post(input: &Input, project: &str, request: &Request) -> bool {
    let remote = client::remote(Home::find().ok().as_ref(), Some(project));
    if remote.is_err_and(|error| error.kind == Kind::NoRemote) {
        return false;
    }
    let request = request.write().into_bytes();
    let posted = of_project(input, project).and_then(|(mut asking, _)| {
        asking.tell(Operation::Post { request })?;
        Ok(asking.address())
    });
    match posted {
        Ok(address) => {
            terminal::note(&format!("asked {address}: members see it at their next kagi pull"));
        }
        Err(failure) => {
            let why = safe(failure.message());
            terminal::note(&format!("note: no member sees the request yet: {why}"));
            terminal::note("note: kagi member join, once more, sends it again");
        }
    }
    true
}

/// Forgets what a checkout was in step with, once it is gone; the token stays, for other checkouts
/// and the way back.
///
/// # Errors
/// `Write`.
pub fn forget(home: &Home, site: &Site, project: Option<&str>) -> Result<(), Failure> {
    home.set_base(&site.root, None)?;
    if let Some(project) = project.filter(|project| is_known(project)) {
        terminal::note(&format!("note: kagi pull --project {project} brings back what was pushed"));
    }
    Ok(())
}

/// `kagi push`.
///
/// # Errors
/// `NoRemote`; as `Exchange::push`.
pub fn push(input: &mut Input) -> Result<u8, Failure> {
    let (home, site) = (Home::find().ok(), site_or("kagi pull - takes a token for one")?);
    let remote = client::remote(home.as_ref(), Some(&site.claimed_project()?))?;
    let gone = home.as_ref().map(|home| client::gone(home, &site)).transpose();
    // What keeps that from being known, the push itself refuses, and says how to go on.
    let gone: Vec<_> = gone.ok().flatten().iter().flatten().map(ToString::to_string).collect();
    if !gone.is_empty() {
        let question = format!("delete {} on the server? the file is gone here", gone.join(", "));
        may_delete(input, &question)?;
    }
    let mut server = opened(input, &remote.known)?;
    let report = with_options(input, None, &remote, "pushing", |options| {
        Exchange::new(home.as_ref(), &site, &remote, options, server.as_mut()).push()
    });
    let report = report.map_err(|error| perhaps_damaged(error, &remote))?;
    let mut code = 0;
    for pulled in &report.pulls {
        code |= tell(pulled, &remote, true);
    }
    let place = safe(&remote.known.address);
    terminal::note(&match (report.files, report.is_behind) {
        (0, false) => format!("nothing to push; {place} is at revision {}", report.revision),
        (0, true) => format!("nothing to push; {place} has something newer: kagi pull"),
        (count, _) => {
            let files = counted(count, "file");
            format!("pushed {files} to {place}, which is at revision {} now", report.revision)
        }
    });
    for member in &report.issued {
        terminal::note(&format!("issued a token to {}, for its next kagi pull", safe(member)));
    }
    if let Some(error) = report.unissued {
        let why = Failure::from(error);
        terminal::note(&format!("note: others wait for their tokens: {}", safe(why.message())));
    }
    note_forgetful(report.unremembered.as_ref());
    Ok(code)
}

/// `kagi pull [TOKEN|-]`.
///
/// # Errors
/// Usage; a token that is none, or is for another project than the one here; `NoRemote`; as
/// `Exchange::pull`.
pub fn pull(input: &mut Input) -> Result<u8, Failure> {
    let choice = choice(input)?;
    let (home, site) = (Home::find().ok(), project_here()?);
    if site.is_none() && std::env::home_dir() == working_directory().ok() {
        let question = "kagi: make the project in your home directory, for all that lies below it?";
        if !input.has("yes") && !terminal::ask(question) {
            return Err(not_confirmed(
                "this is your home directory: mkdir one for the project, or --yes",
            ));
        }
    }
    let remote = remote(input, home.as_ref(), site.as_ref())?;
    if input.has("accept-older") {
        may_delete(input, "take what the server has, even if this device has seen newer?")?;
    }
    let site = site.map_or_else(|| Ok(Site::at(&working_directory()?)), Ok::<_, Failure>)?;
    let mut server = opened(input, &remote.known)?;
    let pulled = with_options(input, choice, &remote, "pulling", |options| {
        Exchange::new(home.as_ref(), &site, &remote, options, server.as_mut()).pull()
    });
    let has_base =
        || home.as_ref().is_some_and(|home| home.base(&site.root).is_ok_and(|one| one.is_some()));
    let report = pulled.map_err(|error| match error.kind {
        // A job that kept its checkout, but no home, cannot know that nobody has changed it.
        Kind::BothChanged if remote.is_given && !has_base() => Failure::from(error)
            .hint("kagi pull --theirs takes the server's; or pull into an empty directory"),
        _ => perhaps_moved(error, &remote),
    })?;
    Ok(tell(&report, &remote, false))
}

fn choice(input: &Input) -> Result<Option<Choice>, Failure> {
    match (input.has("ours"), input.has("theirs")) {
        (true, true) => Err(Failure::usage("--ours and --theirs cannot both be meant")),
        (true, false) => Ok(Some(Choice::Ours)),
        (false, true) => Ok(Some(Choice::Theirs)),
        (false, false) => Ok(None),
    }
}

/// Pulls or pushes, and shows how far that is, but not over a question.
fn with_options<T>(
    input: &Input,
    choice: Option<Choice>,
    remote: &Remote,
    what: &'static str,
    work: impl FnOnce(&client::Options) -> T,
) -> T {
    let progress = RefCell::new(None);
    let hide = || drop(progress.take());
    // ssh asks for its passphrase itself.
    let can_show = !remote.known.address.starts_with("ssh://");
    let show = |done, total| {
        if can_show {
            progress.borrow_mut().get_or_insert_with(|| Progress::new(what)).at(done, total);
        }
    };
    work(&client::Options {
        accepts_older: input.has("accept-older"),
        choice,
        is_strict: is_strict(input),
        confirm: &|author| {
            hide();
            confirm_author(author)
        },
        waiting: &|| {
            hide();
            terminal::note("waiting for another kagi to finish");
        },
        progress: &show,
    })
}

/// A server that cannot be reached may be elsewhere by now.
fn perhaps_moved(error: Error, remote: &Remote) -> Failure {
    match error.kind {
        Kind::Unreachable if !is_directory(&remote.known.address) => Failure::from(error)
            .hint("is kagi serve running there? if it has moved: kagi pull --remote URL"),
        _ => error.into(),
    }
}

/// What is damaged here, the server may have.
fn perhaps_damaged(error: Error, remote: &Remote) -> Failure {
    let (kind, subject) = (error.kind, error.subject.clone());
    let failure = perhaps_moved(error, remote);
    let below = subject.rsplit_once(".kagi/").map_or("", |(_, path)| path);
    let is_scope = ScopeName::of_file(below).is_some();
    match kind {
        Kind::Unauthentic | Kind::NotCanonical | Kind::Misplaced | Kind::NoBox if is_scope => {
            failure.hint("kagi pull takes the server's, and keeps a copy of what is here")
        }
        Kind::BadText if subject.strip_suffix(".base").is_some() => failure.hint("kagi pull"),
        _ => failure,
    }
}

fn opened(input: &Input, known: &KnownRemote) -> Result<Box<dyn Server>, Failure> {
    let key = known.token.as_ref().map(|token| token.server);
    Ok(remote::open(&known.address, key, remote_options(input))?)
}

/// Where to pull from: what the words say, else the environment, else what this device knows.
fn remote(input: &Input, home: Option<&Home>, site: Option<&Site>) -> Result<Remote, Failure> {
    let here = site.map(Site::claimed_project).transpose()?;
    let named = input.text("project")?.map(project_id).transpose()?;
    if let (Some(here), Some(named)) = (&here, &named)
        && here != named
    {
        return Err(another(named, here));
    }
    let project = named.or(here.clone());
    let (words, moved) = (input.texts()?, given_address(input)?);
    match (words.as_slice(), moved) {
        ([], None) => client::remote(home, project.as_deref()).map_err(|error| {
            let is_nowhere = error.kind == Kind::NoRemote && project.is_none();
            let nowhere = || Failure::new("there is no project here, and no token for one");
            if is_nowhere { nowhere().hint("kagi pull - takes a token") } else { error.into() }
        }),
        ([], Some(address)) if is_directory(&address) => directory(input, address, project),
        ([], Some(address)) => elsewhere(input, home, site, project.as_deref(), address),
        ([given], moved) if !moved.as_deref().is_some_and(is_directory) => {
            let (subject, text) = token_text(given)?;
            let token = ProjectToken::from_text(subject, text.expose_str(subject)?)
                .map_err(|error| not_a_token(error, &text, PROJECT_PREFIX))?;
            let token = ProjectToken { remote: moved.unwrap_or(token.remote), ..token };
            match project.filter(|project| *project != token.project) {
                Some(project) => Err(another(&token.project, &project)),
                None => adopt(input, site, token),
            }
        }
        _ => {
            Err(Failure::usage("pull takes a token, or --remote, or neither")
                .hint("kagi pull --help"))
        }
    }
}

fn another(asked: &str, here: &str) -> Failure {
    Failure::new(format!(
        "{asked} is asked for, but the project here is {here}; nothing was pulled"
    ))
    .hint("mkdir, for a directory of its own")
}

/// The server that is known, at another address: its key is the same, or it gets nothing.
fn elsewhere(
    input: &Input,
    home: Option<&Home>,
    site: Option<&Site>,
    project: Option<&str>,
    address: String,
) -> Result<Remote, Failure> {
    let no_token = || {
        Failure::usage("a server is named by a token, not by --remote alone")
            .hint("kagi pull - reads one")
    };
    let mut remote = client::remote(home, project).map_err(|error| match error.kind {
        Kind::NoRemote => no_token(),
        _ => error.into(),
    })?;
    match remote.known.token {
        None => Err(no_token()),
        Some(token) if remote.is_given => {
            remote.known.token = Some(ProjectToken { remote: address.clone(), ..token });
            remote.known.address = address;
            Ok(remote)
        }
        Some(token) => adopt(input, site, ProjectToken { remote: address, ..token }),
    }
}

/// Keeps a token, once its server has accepted it: a wrong one does not replace a right one.
fn adopt(input: &Input, site: Option<&Site>, token: ProjectToken) -> Result<Remote, Failure> {
    let (server, credential) = (token.server, token.credential.duplicate());
    let mut asking =
        Asking::new(input, &token.remote, Some(server), Some(credential), &token.project)?;
    asking.ask::<Standing>(Operation::Status)?;
    let (id, place, home) = (token.project.clone(), asking.address(), Home::find()?);
    let before = home.remote(&id)?;
    let remote = client::adopt(&home, token)?;
    if let Some(site) = site.filter(|_| before.is_some_and(|one| !one.is_same(&remote.known))) {
        home.set_base(&site.root, None)?;
    }
    terminal::note(&format!("this device keeps the token for {id} on {place}"));
    Ok(remote)
}

/// A directory, and the project in it that is meant: the one that is named or here, else the only one.
fn directory(input: &Input, address: String, project: Option<String>) -> Result<Remote, Failure> {
    let project = match project {
        Some(project) => project,
        None => only_project(&mut Asking::new(input, &address, None, None, "")?)?,
    };
    let stored =
        Home::find().ok().and_then(|home| home.remote(&project).transpose()).transpose()?;
    let known = match stored.filter(|known| known.address == address) {
        Some(known) => known,
        None => KnownRemote::new(address, None),
    };
    Ok(Remote { project, known, is_given: false })
}

fn only_project(asking: &mut Asking) -> Result<String, Failure> {
    let mut projects: Vec<ProjectInfo> = asking.ask(Operation::Projects)?;
    match (projects.pop(), projects.len()) {
        (Some(project), 0) => Ok(project.id),
        (None, _) => Err(Failure::new(format!("{} holds no project", asking.address()))
            .hint("kagi project join, in a project")),
        _ => {
            let list = shell_word(&asking.remote());
            Err(Failure::new(format!("{} holds several projects", asking.address()))
                .hint(format!("kagi project list --remote {list}, then kagi pull --project ID")))
        }
    }
}

/// Says what a pull has done; the exit code. `is_pushed`: a push follows.
fn tell(report: &PullReport, remote: &Remote, is_pushed: bool) -> u8 {
    let (id, place) = (&remote.project, safe(&remote.known.address));
    let received = &report.received;
    let counts =
        [("took", &received.taken), ("joined", &received.joined), ("removed", &received.deleted)];
    let counts = counts.iter().filter(|(_, files)| !files.is_empty());
    let counts: Vec<_> =
        counts.map(|(done, files)| format!("{done} {}", counted(files.len(), "file"))).collect();
    terminal::note(&match (report.revision, report.is_new, counts.join(", ").as_str()) {
        (0, ..) => format!("{place} has nothing of {id} yet; a member's kagi push brings it there"),
        (revision, true, _) => {
            format!("made the project {id} here, from revision {revision} of {place}")
        }
        (revision, _, "") => format!("nothing is new; {place} is at revision {revision}"),
        (revision, _, counts) => format!("{counts}, from revision {revision} of {place}"),
    });
    if let Some(backup) = &received.backup {
        terminal::note(&format!("kept what was here as {}", quoted(&backup.to_string_lossy())));
    }
    let mut code = 0;
    for one in &received.remarks {
        code |= u8::from(matches!(one, Remark::Conflict(..)));
        terminal::note(&format!("note: {}", remark(one)));
    }
    if !received.is_verified && report.revision > 0 {
        terminal::note(
            "note: this device cannot verify it before a member has let it in (kagi member join)",
        );
    }
    for request in &report.requests {
        let name = quoted(&request.name);
        terminal::note(&format!("{name} asks to join: kagi member approve {}", request.id));
    }
    if report.has_own_token {
        terminal::note("this device has a token of its own now");
    }
    if received.unpushed > 0 && report.revision > 0 && !is_pushed {
        let files = counted(received.unpushed, "file");
        terminal::note(&format!("note: {files} changed here: kagi push"));
    }
    note_forgetful(received.unremembered.as_ref());
    code
}

fn remark(remark: &Remark) -> String {
    safe(&match remark {
        Remark::Conflict(file, keys) => {
            format!("{file} has different values of {}: kagi resolve", keys.join(", "))
        }
        Remark::Kept(file) => {
            format!("{file} was deleted on one side and changed on the other; it was kept")
        }
        Remark::NotJoined(file, reason) if reason.is_empty() => {
            format!("{file} holds both sides, for this device has no key to join them with")
        }
        Remark::NotJoined(file, reason) => format!("{file} was not joined: {reason}"),
        Remark::SetAside(file) => {
            format!(
                "{file} was changed here under a key that has ended, and is as on the server now"
            )
        }
        Remark::Damaged(file) => {
            format!("{file} did not open, and is as on the server now; a copy of it was kept")
        }
        Remark::BaseDamaged => {
            "what was here last is not known: every difference counted as changed on both sides"
                .to_string()
        }
        Remark::CarriedOver(file) => {
            format!("{file} was carried over to the new key of the project")
        }
        Remark::Older(file) => format!("{file} is older than the state that this device has seen"),
        Remark::Gone(file) => {
            format!("{file} was deleted on the server, though its environment is there")
        }
        Remark::Repeat(what) => format!("{what}: it must be repeated"),
    })
}

fn note_forgetful(error: Option<&Error>) {
    if let Some(error) = error {
        note_unremembered(error);
    }
}
