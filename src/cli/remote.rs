//! `remote …`: an administrator's login, and questions to a server.
//!
//! Promises: what a server says is made safe before it is shown; the chain of its log is checked here.

use crate::cli::args::Input;
use crate::cli::asking::{
    Asking, address, admin, is_directory, not_a_token, of_project, project_id, token_text,
};
use crate::cli::init::site_or;
use crate::cli::report::{Failure, safe};
use crate::cli::status::asking as devices_asking;
use crate::cli::{may_delete, print_lines};
use crate::format::json::{self, Serialize};
use crate::format::message::token::{ADMIN_PREFIX, AdminToken, fingerprint};
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::sync::protocol::{Operation, Rights, Standing};
use crate::sync::store::audit::Line;
use crate::terminal;

/// Lines of a log that are read.
const LINES_MAX: usize = 1_000_000;

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
        .map_err(|error| not_a_token(error, &text, ADMIN_PREFIX).and("nothing was stored"))?;
    let credential = token.credential.duplicate();
    let mut asking = Asking::new(input, &address, Some(token.server), Some(credential), "")?;
    if !asking.ask::<Standing>(Operation::Hello)?.rights.has(Rights::ADMIN) {
        return Err(Failure::new("the token is not an administrator's; nothing was stored"));
    }
    let home = Home::find()?;
    home.set_login(&address, &token)?;
    for old in home.forget_logins(&address, &token.server)? {
        terminal::note(&format!("forgot the login to {}, the same server", safe(&old)));
    }
    let (place, print) = (asking.address(), fingerprint(&token.server));
    terminal::note(&format!("{place} has the fingerprint {print}"));
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
    let project = site_or("kagi pull - takes a token for one")?.claimed_project()?;
    let (mut asking, known) = of_project(input, &project)?;
    let standing: Standing = asking.ask(Operation::Status)?;
    let rights = if known.token.is_some() { standing.rights } else { Rights::ADMIN };
    let status = StatusJson {
        attention: attention(&standing, &known),
        project,
        remote: known.address,
        fingerprint: asking.key.as_ref().map(fingerprint).unwrap_or_default(),
        revision: standing.revision,
        seen: known.revision,
        token: safe(&standing.token),
        rights: rights.words().split(',').map(String::from).collect(),
        member: safe(&standing.member),
        waiting: standing.waiting.iter().map(|id| safe(id)).collect(),
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
    if !standing.waiting.is_empty() {
        let asking = devices_asking(standing.waiting.len());
        lines.push(format!("{asking} to join: kagi pull, then kagi member list"));
    }
    lines
}

fn status_text(status: &StatusJson) -> String {
    let mut rows = vec![("project", status.project.clone()), ("remote", safe(&status.remote))];
    if !status.fingerprint.is_empty() {
        let (token, rights) = (safe(&status.token), status.rights.join(","));
        let member = safe(&status.member);
        let of = if member.is_empty() { "" } else { "  of " };
        rows.push(("fingerprint", status.fingerprint.clone()));
        rows.push(("token", format!("{token}  {rights}{of}{member}")));
    }
    let revisions = format!("{}, this device has seen {}", status.revision, status.seen);
    rows.push(("revision", revisions));
    let heads = ["attention"].into_iter().chain(std::iter::repeat(""));
    rows.extend(heads.zip(status.attention.iter().map(|line| safe(line))));
    let line = |(head, text): &(&str, String)| format!("{head:<12} {text}\n");
    rows.iter().map(line).collect()
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
    let mut asking = admin(input, "")?;
    let (mut lines, mut last, mut is_whole) = (Vec::new(), [0; 32], true);
    while lines.len() < LINES_MAX {
        let from = lines.len() as u64 + 1;
        let more: Vec<String> = asking.ask(Operation::Audit { from })?;
        if more.is_empty() {
            break;
        }
        for text in more {
            let line = Line::parse(&text).filter(|line| line.follows(lines.len() as u64, &last));
            (is_whole, last) = (is_whole && line.is_some(), line.map_or(last, |line| line.hash));
            lines.push(safe(&text));
        }
    }
    let text = if input.has("json") {
        json::write(&AuditJson { remote: asking.address(), lines })
    } else {
        lines.iter().map(|line| readable(line) + "\n").collect()
    };
    print_lines(input, &text)?;
    if is_whole {
        return Ok(0);
    }
    Err(Failure::new("the log is not whole: a line was changed or taken out"))
}

/// A line as people read it; one of another form as it is.
fn readable(line: &str) -> String {
    let fields: Vec<_> = line.split(' ').collect();
    match fields.as_slice() {
        [number, time, token, from, operation, project, detail, _hash] => {
            let time = time.parse().map_or("?".to_string(), terminal::date);
            format!("{number}  {time}  {operation} {project} {detail}  by {token} from {from}")
        }
        _ => line.to_string(),
    }
}

/// `kagi remote rollback PROJECT_ID REVISION`.
///
/// # Errors
/// Usage; no `y`; as `admin`.
pub fn rollback(input: &mut Input) -> Result<u8, Failure> {
    let [project, revision] = input.exactly()?;
    let number = revision.parse::<u64>().ok().filter(|number| *number > 0);
    let revision = number.ok_or_else(|| Failure::usage("a revision is a number from 1 on"))?;
    let project = project_id(&project)?;
    let mut asking = admin(input, &project)?;
    let place = asking.address();
    may_delete(input, &format!("take {project} on {place} back to revision {revision}?"))?;
    asking.tell(Operation::Rollback { revision })?;
    terminal::note(&format!("{project} is at revision {revision} on {place} now"));
    terminal::note("note: who has seen a newer one needs kagi pull --accept-older");
    Ok(0)
}
