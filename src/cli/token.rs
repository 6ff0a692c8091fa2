//! `token …`: who may pull from and push to the server.
//!
//! Promises: a token is printed once, alone on standard output; the server gets what it knows it by,
//! and keeps less. Refuses to make one that allows more than its maker's.

use crate::cli::args::Input;
use crate::cli::asking::{Asking, admin, of_project, project_id};
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::{author_name, check_output, may_delete, now, open, print_lines};
use crate::crypto::random;
use crate::format::json::{self, Serialize};
use crate::format::message::token::{Credential, ProjectToken};
use crate::format::names::{check_member_name, is_id};
use crate::project::Project;
use crate::sync::protocol::{NewToken, Operation, Rights, TokenInfo};
use crate::terminal;
use std::fmt::Write;

const DAY_SECONDS: u64 = 86_400;
/// How long a newcomer has, unless somebody says else.
const JOIN_DAYS: u64 = 7;

/// A token of the project that is asked about, which nobody knows yet.
///
/// # Errors
/// `Random`.
pub fn fresh_token(
    asking: &Asking,
    server: [u8; 32],
    anchors: Vec<String>,
) -> Result<ProjectToken, Failure> {
    let credential = Credential::new(random::bytes()?, random::key()?);
    let (remote, project) = (asking.remote(), asking.project.clone());
    Ok(ProjectToken { remote, project, server, credential, anchors })
}

/// Prints a token, and nothing else, to standard output.
///
/// # Errors
/// If it cannot be written: it is lost then.
pub fn print_token(token: &ProjectToken) -> Result<u8, Failure> {
    terminal::note("the token is shown this once; kagi pull - takes it from standard input");
    let mut text = token.to_text();
    text.push(b"\n");
    let hint = format!("kagi token revoke {}", token.credential.id);
    terminal::print_once(text.expose())
        .map_err(|error| Failure::from(error).and("the token is lost").hint(hint))?;
    Ok(0)
}

/// The project here, unless `--project` names one; and the server, asked by a member about that, or
/// by the administrator about the other; with its public key.
fn asked(input: &Input) -> Result<(Option<Project>, Asking, [u8; 32]), Failure> {
    let named = input.text("project")?;
    let project = if named.is_some() { None } else { Some(open(input)?) };
    if input.has("remote") && named.is_none() {
        return Err(Failure::usage("--remote goes with --project, for the server's administrator"));
    }
    let asking = match &project {
        Some(project) => of_project(input, &project.config.project)?.0,
        None => admin(input, &project_id(named.unwrap_or_default())?)?,
    };
    let key = asking.key.ok_or_else(|| {
        Failure::new("a directory has no tokens: whoever can write it may do all")
    })?;
    Ok((project, asking, key))
}

/// `kagi token issue`.
///
/// # Errors
/// Usage; rights that this device's token does not have; a directory.
pub fn issue(input: &mut Input) -> Result<u8, Failure> {
    let rights = rights(input)?;
    let expires = expires(input, rights)?;
    let name = input.text("name")?.unwrap_or_default();
    if !name.is_empty() {
        check_member_name(name)?;
    }
    check_output()?;
    let (project, mut asking, server) = asked(input)?;
    let full = project.iter().flat_map(|project| &project.roster.members);
    let full = full.filter(|member| member.is_full());
    let anchors = full.map(|member| member.id.clone()).collect();
    let token = fresh_token(&asking, server, anchors)?;
    let new = NewToken { expires, ..NewToken::new(&token.credential, rights, name) };
    asking.tell(Operation::Issue { token: new })?;
    let until =
        if expires == 0 { String::new() } else { format!(" until {}", terminal::date(expires)) };
    let (id, words) = (&token.credential.id, rights.words());
    terminal::note(&format!("issued {id}, which allows {words}{until}"));
    print_token(&token)
}

/// What the new token allows.
fn rights(input: &Input) -> Result<Rights, Failure> {
    let wrong = |message: &str| Failure::usage(message).hint("kagi token issue --help");
    match (input.text("only")?, input.has("join")) {
        (None, true) => Ok(Rights::JOIN),
        (None, false) => Ok(Rights::LIMITED),
        (Some(_), true) => Err(wrong("--join says what the token allows, and so does --only")),
        (Some(words), false) => {
            let rights = Rights::parse(words).filter(|rights| !rights.has(Rights::ADMIN));
            rights.ok_or_else(|| wrong("--only takes some of pull, push, rotate, join"))
        }
    }
}

/// When the new token ends; 0 for never.
fn expires(input: &Input, rights: Rights) -> Result<u64, Failure> {
    let Some(text) = input.text("expires")? else {
        return Ok(if rights == Rights::JOIN { now() + JOIN_DAYS * DAY_SECONDS } else { 0 });
    };
    if text == "never" {
        return Ok(0);
    }
    let days = text.strip_suffix('d').map(|count| (count, DAY_SECONDS));
    let hours = text.strip_suffix('h').map(|count| (count, DAY_SECONDS / 24));
    // Four digits: no number of days or hours is too large to be added.
    let seconds = days.or(hours).and_then(|(count, unit)| {
        let is_count =
            (1..=4).contains(&count.len()) && count.bytes().all(|byte| byte.is_ascii_digit());
        Some(count.parse::<u64>().ok().filter(|count| is_count && *count > 0)? * unit)
    });
    let wrong = || {
        Failure::usage("--expires takes days, hours or never").hint("--expires 30d, --expires 12h")
    };
    Ok(now() + seconds.ok_or_else(wrong)?)
}

#[derive(Serialize)]
struct TokenJson {
    id: String,
    rights: Vec<String>,
    member: String,
    member_name: String,
    name: String,
    issued: u64,
    expires: u64,
}

/// `kagi token list`.
///
/// # Errors
/// A token that does not allow it; no remote.
pub fn list(input: &mut Input) -> Result<u8, Failure> {
    let (project, mut asking, _) = asked(input)?;
    let tokens: Vec<TokenInfo> = asking.ask(Operation::Tokens)?;
    let rows: Vec<_> = tokens.into_iter().map(|token| row(project.as_ref(), token)).collect();
    let text = if input.has("json") { json::write(&rows) } else { rows.iter().map(line).collect() };
    print_lines(input, &text)?;
    Ok(0)
}

fn row(project: Option<&Project>, token: TokenInfo) -> TokenJson {
    let TokenInfo { id, rights, issued, expires, member, name } = token;
    let (id, member, name) = (safe(&id), safe(&member), safe(&name));
    let known = project.filter(|_| !member.is_empty());
    let member_name = known.map_or(String::new(), |project| author_name(project, &member));
    let rights = rights.words().split(',').map(String::from).collect();
    TokenJson { id, rights, member, member_name, name, issued, expires }
}

fn line(token: &TokenJson) -> String {
    let mut line = format!("{}  {}", token.id, token.rights.join(","));
    // Writing to a string cannot fail.
    let _ = write!(line, "  issued {}", terminal::date(token.issued));
    if token.expires > 0 {
        let word = if token.expires <= now() { "ended" } else { "ends" };
        let _ = write!(line, "  {word} {}", terminal::date(token.expires));
    }
    let member = if token.member_name.is_empty() { &token.member } else { &token.member_name };
    if !member.is_empty() {
        let _ = write!(line, "  of {member}");
    }
    if !token.name.is_empty() {
        let _ = write!(line, "  {}", quoted(&token.name));
    }
    line + "\n"
}

/// `kagi token revoke ID`, also of a request that waits.
///
/// # Errors
/// Usage; no such token; no `y` for this device's own.
pub fn revoke(input: &mut Input) -> Result<u8, Failure> {
    let [id] = input.exactly()?;
    if !is_id("kgt_", &id) && !is_id("kgm_", &id) {
        return Err(Failure::usage("a token is named by its id, kgt_ and 20 characters")
            .hint("kagi token list"));
    }
    let (_, mut asking, _) = asked(input)?;
    if asking.is_own(&id) {
        may_delete(input, "that is the token of this device; end it?")?;
    }
    asking.tell(Operation::Revoke { token: id.clone() })?;
    terminal::note(&format!("revoked {id}"));
    Ok(0)
}
