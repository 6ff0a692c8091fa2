//! `status`: what is here, and what needs attention.

use crate::cli::args::Input;
use crate::cli::driver::is_set_up;
use crate::cli::exposure::{Exposure, exposures};
use crate::cli::health::{unmerged, unmerged_line};
use crate::cli::member::pending;
use crate::cli::report::{Failure, safe};
use crate::cli::{
    GONE, UNLISTED, columns, counted, marked_envs, open, remarks, remember, single, sync,
};
use crate::format::json::{self, Serialize};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::project::Project;
use crate::terminal::{self, folded};
use std::fmt::Write;

/// Columns of what stands before each line.
const HEAD: usize = 14;

#[derive(Serialize)]
struct StatusJson {
    project: String,
    root: String,
    member: String,
    is_full_member: bool,
    epoch: u32,
    members: usize,
    envs: Vec<String>,
    default_env: String,
    scopes: Vec<ScopeJson>,
    files: Vec<ScopeJson>,
    attention: Vec<String>,
    exposed: Vec<Exposure>,
    merges: &'static str,
    remote: String,
    revision_seen: u64,
    files_changed: Option<usize>,
}

#[derive(Serialize)]
struct ScopeJson {
    service: String,
    env: String,
    keys: usize,
    is_open: bool,
}

/// `kagi status`.
///
/// # Errors
/// Everything that keeps the project shut.
pub fn status(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let (remote, revision_seen, files_changed) = sync::standing(&project).unwrap_or_default();
    let mut status = StatusJson {
        project: project.config.project.clone(),
        root: project.site.root.to_string_lossy().into_owned(),
        member: project.access().member().to_string(),
        is_full_member: project.access().is_full(),
        epoch: project.access().epoch().number,
        members: project.roster.members.len(),
        envs: project.config.envs.clone(),
        default_env: project.config.default_env.clone(),
        scopes: Vec::new(),
        files: Vec::new(),
        attention: Vec::new(),
        exposed: exposures(&project)?,
        merges: match is_set_up(&project.site.root) {
            None => "",
            Some(true) => "key by key",
            Some(false) => "line by line, losing nothing; kagi doctor --fix sets up more",
        },
        remote,
        revision_seen,
        files_changed,
    };
    let is_sound = add_scopes(&project, &mut status)?;
    for scope in project.unlisted_scopes()? {
        status.attention.push(format!("{scope} {UNLISTED}"));
    }
    for scope in project.gone_scopes() {
        status.attention.push(format!("{scope} {GONE}"));
    }
    status.attention.extend(unmerged(&project.site).iter().map(|path| unmerged_line(path)));
    match pending(&project)?.len() {
        0 => {}
        count => status.attention.push(format!("{} to join: kagi member list", asking(count))),
    }
    status.attention.extend(status.exposed.iter().map(Exposure::line));
    remember(&project);
    let text = if input.has("json") {
        json::write(&status)
    } else {
        // What needs attention is not cut.
        let columns = columns();
        text(&project, &status).lines().map(|line| folded(line, HEAD, columns) + "\n").collect()
    };
    terminal::print(text.as_bytes())?;
    Ok(u8::from(!is_sound))
}

/// How many devices ask.
#[must_use]
pub fn asking(count: usize) -> String {
    counted(count, "device") + if count == 1 { " asks" } else { " ask" }
}

/// Lists the scopes; `false` if one is damaged or in conflict.
fn add_scopes(project: &Project, status: &mut StatusJson) -> Result<bool, Failure> {
    let mut is_sound = true;
    for target in project.all_scopes()? {
        let is_granted = project.access().scope_key(&target).is_some();
        let found = if is_granted { project.load(&target) } else { Ok(None) };
        let mut count = 0;
        match &found {
            Ok(None) => {}
            Ok(Some(found)) => {
                count = found.scope.len();
                status
                    .attention
                    .extend(remarks(found).iter().map(|line| format!("{target} {line}")));
                for (name, entries) in found.scope.iter() {
                    if let Err(failure) = single(project, &target, name, entries) {
                        status.attention.push(failure.message().to_string());
                        is_sound = false;
                    }
                }
            }
            Err(_) => is_sound = false,
        }
        let is_open = is_granted && found.is_ok();
        if let Err(error) = found {
            status.attention.push(Failure::from(error).message().to_string());
        }
        let ScopeName { service, env, kind } = target;
        let scope = ScopeJson { service, env, keys: count, is_open };
        match kind {
            ScopeKind::Values => status.scopes.push(scope),
            ScopeKind::Files => status.files.push(scope),
        }
    }
    Ok(is_sound)
}

fn text(project: &Project, status: &StatusJson) -> String {
    let member = project
        .roster
        .member(&status.member)
        .map_or("the holder of a key".to_string(), |member| safe(&member.name));
    let right = if status.is_full_member { "full" } else { "limited" };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "project       {}", status.project);
    let _ = writeln!(text, "root          {}", safe(&status.root));
    let _ = writeln!(text, "you           {member} {} ({right})", status.member);
    let members = match project.access().only_scope() {
        Some(_) => "unknown to this key".to_string(),
        None => status.members.to_string(),
    };
    let _ = writeln!(text, "members       {members}, epoch {}", status.epoch);
    let _ = writeln!(text, "environments  {}", marked_envs(&project.config).join(", "));
    if !status.merges.is_empty() {
        let _ = writeln!(text, "Git merges    {}", status.merges);
    }
    if !status.remote.is_empty() {
        let changed = match status.files_changed {
            None => "nothing was pulled or pushed here yet".to_string(),
            Some(0) => "nothing was changed here since".to_string(),
            Some(count) => format!("{} changed here since: kagi push", counted(count, "file")),
        };
        let (remote, revision) = (safe(&status.remote), status.revision_seen);
        let _ = writeln!(text, "remote        {remote}, revision {revision}; {changed}");
    }
    let values = status.scopes.iter().map(|scope| (scope, ScopeKind::Values));
    let files = status.files.iter().map(|scope| (scope, ScopeKind::Files));
    for (at, (scope, kind)) in values.chain(files).enumerate() {
        let head = if at == 0 { "scopes" } else { "" };
        let count = counted(scope.keys, kind.noun());
        let shut = if kind == ScopeKind::Files { "files not open" } else { "not open" };
        let count = if scope.is_open { &count } else { shut };
        let _ = writeln!(text, "{head:<13} {}/{}  {count}", scope.service, scope.env);
    }
    for (at, line) in status.attention.iter().enumerate() {
        let head = if at == 0 { "attention" } else { "" };
        let _ = writeln!(text, "{head:<13} {line}");
    }
    text
}
