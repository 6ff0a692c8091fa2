//! `remote …`: an administrator's login, and questions to a server.
//!
//! Promises: a token is sent only to the server whose key it names, and printed nowhere; what a
//! server says is made safe before it is shown. Refuses to guess which server is meant.

use crate::cli::args::Input;
use crate::cli::may_delete;
use crate::cli::report::{Failure, quoted, safe};
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::json::{self, Serialize};
use crate::format::message::token::{
    AdminToken, Credential, TOKEN_BYTES_MAX, fingerprint,
};
use crate::format::names::is_id;
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::process;
use crate::project::Site;
use crate::secret::Secret;
use crate::sync::client::{self, Remote};
use crate::sync::protocol::{Operation, Refusal, Response, Rights, Standing};
use crate::sync::remote::{self, Options, Server};
use crate::terminal;
use std::fmt::Write;
use std::path::Path;

/// A server, who asks it, and about which project.
pub struct Asking {
    server: Box<dyn Server>,
    /// Its public key; `None` for a directory.
    pub key: Option<[u8; 32]>,
    credential: Option<Credential>,
    /// Project id; empty for what concerns the whole server.
    pub project: String,
}

impl Asking {
    /// Opens a remote. `key` is `None` only for a directory.
    ///
    /// # Errors
    /// As `sync::remote::open`.
    pub fn new(
        input: &Input,
        address: &str,
        key: Option<[u8; 32]>,
        credential: Option<Credential>,
    ) -> Result<Self, Failure> {
        let server = remote::open(address, key, options(input))?;
        Ok(Asking { server, key, credential, project: String::new() })
    }

    /// Its address, safe to print.
    #[must_use]
    pub fn address(&self) -> String {
        safe(self.server.address())
    }

    /// Its address as it is.
    #[must_use]
    pub fn remote(&self) -> String {
        self.server.address().to_string()
    }

    /// True for the id of the token that is shown to it.
    #[must_use]
    pub fn is_own(&self, id: &str) -> bool {
        self.credential.as_ref().is_some_and(|credential| credential.id == id)
    }

    /// Asks, and gives back what the answer should be.
    ///
    /// # Errors
    /// `Unreachable`, `WrongServer`; a refusal in words.
    pub fn ask<T>(
        &mut self,
        operation: Operation,
        expected: impl FnOnce(Response) -> Option<T>,
    ) -> Result<T, Failure> {
        let answer = self.server.call(self.credential.as_ref(), &self.project, operation)?;
        let address = self.server.address();
        if let Response::Refused(refusal, about) = answer {
            return Err(refused(address, refusal, &about).into());
        }
        let other = || Error::new(Kind::Unreachable, address).because("it answers something else");
        Ok(expected(answer).ok_or_else(other)?)
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// As `ask`.
    pub fn tell(&mut self, operation: Operation) -> Result<(), Failure> {
        self.ask(operation, |answer| matches!(answer, Response::Done).then_some(()))
    }

    /// Asks where the project stands, or who asks.
    ///
    /// # Errors
    /// As `ask`.
    pub fn standing(&mut self, operation: Operation) -> Result<Standing, Failure> {
        self.ask(operation, |answer| match answer {
            Response::Standing(standing) => Some(standing),
            _ => None,
        })
    }
}

/// A refusal of a server's.
fn refused(address: &str, refusal: Refusal, about: &str) -> Error {
    let cause = match refusal {
        Refusal::Denied => return Error::new(Kind::Denied, address),
        Refusal::Conflict => return Error::new(Kind::Behind, address),
        Refusal::Forbidden => "the token does not allow that",
        Refusal::Missing => "there is no such project, revision or token",
        Refusal::Malformed => "it does not understand the request",
        Refusal::Limit => "a limit is reached",
        Refusal::Storage => "it cannot write",
        Refusal::Replayed => "it had the same request before",
    };
    let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
    Error::new(Kind::Refused, address).because(format!("{cause}{about}"))
}

/// How a remote is opened.
#[must_use]
pub fn options(input: &Input) -> Options {
    let is_allowed = std::env::var_os("KAGI_ALLOW_INSECURE_HTTP").is_some_and(|value| value == "1");
    Options { allows_insecure_http: is_allowed || input.has("allow-insecure-http") }
}

/// The address of `--remote`; a directory is made absolute.
///
/// # Errors
/// Usage without it.
pub fn address(input: &Input) -> Result<String, Failure> {
    let name = input.command.name;
    let missing =
        || Failure::usage(format!("{name} needs --remote URL")).hint(format!("kagi {name} --help"));
    given_address(input)?.ok_or_else(missing)
}

fn given_address(input: &Input) -> Result<Option<String>, Failure> {
    let Some(given) = input.text("remote")? else {
        return Ok(None);
    };
    if !is_directory(given) || given.starts_with('/') {
        return Ok(Some(given.trim_end_matches('/').to_string()));
    }
    let place: std::path::PathBuf =
        crate::cli::working_directory()?.join(given).components().collect();
    Ok(Some(place.to_string_lossy().into_owned()))
}

/// True for a remote without a server.
#[must_use]
pub fn is_directory(address: &str) -> bool {
    !address.contains("://")
}

/// A token that was given as a word, or with `-` read: the first line of standard input, or what is
/// typed. With what to call it.
///
/// # Errors
/// `Read`, `TooLarge`.
pub fn token_text(given: &str) -> Result<(&'static str, Secret), Failure> {
    if given != "-" {
        return Ok(("the token", Secret::copy_of(given.as_bytes())));
    }
    if terminal::can_ask() {
        terminal::note_raw("token (not shown): ");
        let typed = process::read_hidden_line();
        // The line break that was typed was not shown.
        terminal::note_raw("\n");
        return Ok(("what was typed", typed?));
    }
    let mut text = disk::read_stdin(TOKEN_BYTES_MAX)?;
    let end = text.expose().iter().position(|byte| *byte == b'\n');
    text.truncate(end.unwrap_or(text.len()));
    Ok(("standard input", text))
}

/// The administrator's token that the environment has, if any.
///
/// # Errors
/// `BadText` for what is none, and if both variables are set; `Missing`, `Read` for the file.
fn admin_variable() -> Result<Option<AdminToken>, Failure> {
    let name = "KAGI_ADMIN_TOKEN";
    let file = format!("{name}_FILE");
    let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let (subject, text) = match (value(name), value(&file)) {
        (None, None) => return Ok(None),
        (Some(text), None) => (name, Secret::from_vec(text.into_encoded_bytes())),
        (None, Some(path)) => {
            (file.as_str(), disk::read_given(Path::new(&path), TOKEN_BYTES_MAX)?)
        }
        (Some(_), Some(_)) => {
            let cause = format!("{file} is set as well, and only one can be meant");
            return Err(Error::new(Kind::BadText, name).because(cause).into());
        }
    };
    Ok(Some(AdminToken::from_text(subject, text.expose_str(subject)?)?))
}

/// The server that the administrator means, to be asked with the administrator's token: the one of
/// `--remote`, else the only one that this device has a login for.
///
/// # Errors
/// No login; several and no `--remote`; what keeps a remote from being opened.
pub fn admin(input: &Input) -> Result<Asking, Failure> {
    let variable = admin_variable()?;
    let home = Home::find()?;
    let address = match given_address(input)? {
        Some(address) => address,
        None => only_login(&home, variable.is_some())?,
    };
    if is_directory(&address) {
        return Asking::new(input, &address, None, None);
    }
    let token = match variable {
        Some(token) => token,
        None => home.login(&address)?.ok_or_else(|| no_login(&address))?,
    };
    Asking::new(input, &address, Some(token.server), Some(token.credential))
}

fn no_login(address: &str) -> Failure {
    let message = format!("this device has no administrator's token for {}", quoted(address));
    let url = crate::cli::report::shell_word(address);
    Failure::new(message).hint(format!("kagi remote login --remote {url} --token -"))
}

fn only_login(home: &Home, has_token: bool) -> Result<String, Failure> {
    let mut logins = home.logins()?;
    match (logins.pop(), logins.len(), has_token) {
        (Some(address), 0, _) => Ok(address),
        (None, _, false) => Err(Failure::new("this device has no administrator's token")
            .hint("kagi remote login --remote URL --token -")),
        _ => Err(Failure::usage("which server is meant?").hint("--remote URL names it")),
    }
}

/// The server of a project, to be asked with the token that the environment or this device has; and
/// what this device knows of it.
///
/// # Errors
/// `NoRemote`; a token for another project; what keeps a remote from being opened.
pub fn of_project(input: &Input, project: &str) -> Result<(Asking, KnownRemote), Failure> {
    let Remote { known, .. } = client::remote(Home::find().ok().as_ref(), Some(project))?;
    let token = known.token.as_ref();
    let credential = token.map(|token| token.credential.duplicate());
    let mut asking =
        Asking::new(input, &known.address, token.map(|token| token.server), credential)?;
    asking.project = project.to_string();
    Ok((asking, known))
}

/// The id of a project, as it was typed.
///
/// # Errors
/// Usage for anything else.
pub fn project_id(text: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::usage("a project is named by its id, kgp_ and 20 characters")
            .hint("kagi project list")
    };
    is_id("kgp_", text).then(|| text.to_string()).ok_or_else(wrong)
}

/// `kagi remote login --remote URL --token TOKEN|-`.
///
/// # Errors
/// Usage; a token that is none, or no administrator's; `Unreachable`, `WrongServer`, `Write`.
pub fn login(input: &mut Input) -> Result<u8, Failure> {
    let address = address(input)?;
    if is_directory(&address) {
        return Err(Failure::new("a directory needs no login: whoever can write it may do all"));
    }
    let given = input.text("token")?.ok_or_else(|| {
        Failure::usage("remote login needs --token TOKEN")
            .hint("kagi remote login --remote URL --token -")
    })?;
    let (subject, text) = token_text(given)?;
    let token = AdminToken::from_text(subject, text.expose_str(subject)?)
        .map_err(|error| Failure::from(error).and("nothing was stored"))?;
    let credential = token.credential.duplicate();
    let mut asking = Asking::new(input, &address, Some(token.server), Some(credential))?;
    if !asking.standing(Operation::Hello)?.rights.has(Rights::ADMIN) {
        return Err(Failure::new("the token is not an administrator's; nothing was stored"));
    }
    Home::find()?.set_login(&address, &token)?;
    terminal::note(&format!(
        "{} has the fingerprint {}",
        asking.address(),
        fingerprint(&token.server)
    ));
    terminal::note("stored the administrator's token on this device; next: kagi project list");
    Ok(0)
}

#[derive(Serialize)]
struct StatusJson {
    project: String,
    remote: String,
    fingerprint: String,
    revision: u64,
    seen: u64,
    token: String,
    rights: Vec<String>,
    member: String,
    waiting: Vec<String>,
    attention: Vec<String>,
}

/// `kagi remote status`.
///
/// # Errors
/// No project; `NoRemote`; `Unreachable`, `WrongServer`, `Denied`.
pub fn status(input: &mut Input) -> Result<u8, Failure> {
    let project = Site::find()?.claimed_project()?;
    let (mut asking, known) = of_project(input, &project)?;
    let standing = asking.standing(Operation::Status)?;
    let rights = if known.token.is_some() { standing.rights } else { Rights::ADMIN };
    let status = StatusJson {
        attention: attention(&standing, &known),
        project,
        remote: known.address,
        fingerprint: asking.key.as_ref().map(fingerprint).unwrap_or_default(),
        revision: standing.revision,
        seen: known.revision,
        token: standing.token,
        rights: rights.words().split(',').map(String::from).collect(),
        member: standing.member,
        waiting: standing.waiting,
    };
    let text = if input.has("json") { json::write(&status) } else { status_text(&status) };
    terminal::print(text.as_bytes())?;
    Ok(0)
}

fn attention(standing: &Standing, known: &KnownRemote) -> Vec<String> {
    let mut lines = Vec::new();
    if standing.revision < known.revision {
        lines.push(format!(
            "the server is older than revision {}, which this device has seen",
            known.revision
        ));
    } else if standing.revision > known.revision {
        lines.push("the server has something newer: kagi pull".to_string());
    } else if standing.id != known.id {
        lines.push("the server has another history than this device has seen".to_string());
    }
    match standing.waiting.len() {
        0 => {}
        count => lines.push(format!(
            "{} to join: kagi pull, then kagi member list",
            crate::cli::status::asking(count)
        )),
    }
    lines
}

fn status_text(status: &StatusJson) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "project      {}", status.project);
    let _ = writeln!(text, "remote       {}", safe(&status.remote));
    if !status.fingerprint.is_empty() {
        let _ = writeln!(text, "fingerprint  {}", status.fingerprint);
        let member = if status.member.is_empty() {
            String::new()
        } else {
            format!("  of {}", safe(&status.member))
        };
        let _ = writeln!(
            text,
            "token        {}  {}{member}",
            safe(&status.token),
            status.rights.join(",")
        );
    }
    let _ =
        writeln!(text, "revision     {}, this device has seen {}", status.revision, status.seen);
    for (at, line) in status.attention.iter().enumerate() {
        let head = if at == 0 { "attention" } else { "" };
        let _ = writeln!(text, "{head:<12} {}", safe(line));
    }
    text
}

#[derive(Serialize)]
struct AuditJson {
    remote: String,
    lines: Vec<String>,
}

/// `kagi remote audit`.
///
/// # Errors
/// As `admin`; a chain that does not hold.
pub fn audit(input: &mut Input) -> Result<u8, Failure> {
    let mut asking = admin(input)?;
    let (mut lines, mut last) = (Vec::new(), [0; 32]);
    let mut is_whole = true;
    loop {
        let from = lines.len() as u64 + 1;
        let more = asking.ask(Operation::Audit { from }, |answer| match answer {
            Response::Lines(lines) => Some(lines),
            _ => None,
        })?;
        if more.is_empty() {
            break;
        }
        for text in more {
            let line = Line::parse(&text).filter(|line| line.follows(lines.len() as u64, &last));
            (is_whole, last) = (is_whole && line.is_some(), line.map_or(last, |line| line.hash));
            lines.push(text);
        }
    }
    let text = if input.has("json") {
        json::write(&AuditJson { remote: asking.address(), lines })
    } else {
        lines.iter().map(|line| safe(line) + "\n").collect()
    };
    terminal::print(text.as_bytes())?;
    if is_whole {
        return Ok(0);
    }
    Err(Failure::new("the log is not whole: a line was changed or taken out"))
}

/// `kagi remote rollback PROJECT_ID REVISION`.
///
/// # Errors
/// Usage; no `y`; as `admin`.
pub fn rollback(input: &mut Input) -> Result<u8, Failure> {
    let [project, revision] = input.exactly()?;
    let number = revision.parse::<u64>().ok().filter(|number| *number > 0);
    let revision = number.ok_or_else(|| Failure::usage("a revision is a number from 1 on"))?;
    let mut asking = admin(input)?;
    asking.project = project_id(&project)?;
    let place = asking.address();
    may_delete(input, &format!("take {project} on {place} back to revision {revision}?"))?;
    asking.tell(Operation::Rollback { revision })?;
    terminal::note(&format!("{project} is at revision {revision} on {place} now"));
    terminal::note("note: who has seen a newer one needs kagi pull --accept-older");
    Ok(0)
}
