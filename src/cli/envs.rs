//! `env list`, `add`, `rename`, `del`: changes of the configuration.

use crate::cli::args::Input;
use crate::cli::member::{check_may_change, rotate};
use crate::cli::report::{Failure, quoted};
use crate::cli::words::{check_no_key, unknown_env};
use crate::cli::{counted, marked_envs, may_delete, open, open_to_write};
use crate::disk::Lock;
use crate::error::Kind;
use crate::format::config::ENVS_MAX;
use crate::format::json::{self, Serialize};
use crate::format::names::{Grant, check_place};
use crate::format::roster::Member;
use crate::format::scope_file::ScopeName;
use crate::project::{ConfigChange, Project};
use crate::terminal;

#[derive(Serialize)]
struct EnvsJson {
    envs: Vec<String>,
    default_env: String,
}

/// `kagi env list`.
///
/// # Errors
/// Usage; everything that keeps the project shut.
pub fn list(input: &mut Input) -> Result<u8, Failure> {
    let config = open(input)?.config;
    let text = if input.has("json") {
        json::write(&EnvsJson { envs: config.envs, default_env: config.default_env })
    } else {
        marked_envs(&config).iter().flat_map(|env| [env, "\n"]).collect()
    };
    terminal::print(text.as_bytes())?;
    Ok(0)
}

/// A name that an environment may get.
fn check_new(project: &Project, name: &str) -> Result<(), Failure> {
    check_place(name)?;
    if project.config.is_env_like(name) {
        return Err(Failure::new(format!("there is an environment {} already", quoted(name))));
    }
    let services = project.services()?;
    let configured = project.config.paths.values().chain([&project.config.default_service]);
    if services.iter().chain(configured).any(|service| service.eq_ignore_ascii_case(name)) {
        let name = quoted(name);
        let message = format!("{name} is a service; an environment may not be named like one");
        return Err(Failure::new(message));
    }
    check_no_key(project, name)
}

/// `kagi env add NAME`.
///
/// # Errors
/// Usage; a name that may not be; `NotFull`; `Write`.
pub fn add(input: &mut Input) -> Result<u8, Failure> {
    let [name] = input.exactly()?;
    let (project, lock) = open_to_write(input)?;
    check_may_change(&project)?;
    check_new(&project, &name)?;
    if project.config.envs.len() == ENVS_MAX {
        return Err(Failure::new(format!("a project has {ENVS_MAX} environments at most")));
    }
    let mut config = project.config.clone();
    config.envs.push(name.clone());
    let change = ConfigChange {
        config,
        grants: &|grant| Some(grant.clone()),
        gone: Vec::new(),
        renamed_to: None,
    };
    change_config(&project, &lock, &change)?;
    terminal::note(&format!("added the environment {}", quoted(&name)));
    Ok(0)
}

fn change_config(project: &Project, lock: &Lock, change: &ConfigChange) -> Result<(), Failure> {
    project.change_config(lock, change).map_err(|error| match error.kind {
        Kind::Exists => Failure::from(error)
            .and("nothing was changed")
            .hint("kagi doctor --fix deletes it, after y"),
        _ => error.into(),
    })
}

/// `kagi env rename OLD NEW`.
///
/// # Errors
/// Usage; a name that may not be; `NotFull`; a damaged scope; `Write`.
pub fn rename(input: &mut Input) -> Result<u8, Failure> {
    let [old, new] = input.exactly()?;
    let (project, lock) = open_to_write(input)?;
    check_may_change(&project)?;
    if !project.config.is_env(&old) {
        return Err(unlisted(&project, &old));
    }
    check_new(&project, &new)?;
    check_end(&project, &old)?;
    let mut config = project.config.clone();
    for env in config.envs.iter_mut().chain([&mut config.default_env]).filter(|env| **env == old) {
        env.clone_from(&new);
    }
    let renamed = |grant: &Grant| {
        Some(match grant {
            Grant::Env(env) if *env == old => Grant::Env(new.clone()),
            Grant::Scope(service, env) if *env == old => Grant::Scope(service.clone(), new.clone()),
            other => other.clone(),
        })
    };
    let change = ConfigChange {
        config,
        grants: &renamed,
        gone: scopes_of(&project, &old)?,
        renamed_to: Some(&new),
    };
    let count = change.gone.len();
    change_config(&project, &lock, &change)?;
    let (from, to, scopes) = (quoted(&old), quoted(&new), counted(count, "scope"));
    terminal::note(&format!("renamed the environment {from} to {to}, with {scopes}"));
    end_keys(input, &project, &lock, &old)?;
    Ok(0)
}

/// The key of an environment comes from its name: whoever was granted it would open the next one
/// of that name, but for a rotation.
fn end_keys(input: &Input, before: &Project, lock: &Lock, name: &str) -> Result<(), Failure> {
    if has_key(before, name) {
        let project = open(input)?;
        let draft = project.draft();
        rotate(input, project, lock, draft)?;
    }
    Ok(())
}

/// Refuses early what that rotation would refuse after the change.
fn check_end(project: &Project, name: &str) -> Result<(), Failure> {
    if has_key(project, name) {
        project.older_scopes(false).map_err(|error| {
            let is_older = error.kind == Kind::RolledBack;
            let failure = Failure::from(error).and("nothing was changed");
            let hint = "kagi key rotate --accept-older, if that is meant";
            if is_older { failure.hint(hint) } else { failure }
        })?;
    }
    Ok(())
}

fn has_key(project: &Project, name: &str) -> bool {
    let has_key = |member: &Member| member.grants.iter().any(|grant| concerns(grant, name));
    project.roster.members.iter().any(has_key)
}

/// An environment that is not there, and that nobody wants to add.
fn unlisted(project: &Project, name: &str) -> Failure {
    let failure = unknown_env(project, name);
    let is_near = failure.hint_text().starts_with("did you mean");
    if is_near { failure } else { failure.hint("kagi env list") }
}

fn scopes_of(project: &Project, env: &str) -> Result<Vec<ScopeName>, Failure> {
    let mut scopes = project.all_scopes()?;
    scopes.retain(|name| name.env == env);
    Ok(scopes)
}

/// `kagi env del NAME`.
///
/// # Errors
/// Usage; the default environment; no `y`; `NotFull`; `Write`.
pub fn del(input: &mut Input) -> Result<u8, Failure> {
    let [name] = input.exactly()?;
    if !input.has("yes") {
        // Asked without the lock, and looked at again with it.
        let gone = check_deletion(&open(input)?, &name)?;
        let question =
            format!("delete the environment {} with {}?", quoted(&name), counted(gone, "scope"));
        may_delete(input, &question)?;
    }
    let (project, lock) = open_to_write(input)?;
    check_may_change(&project)?;
    check_deletion(&project, &name)?;
    check_end(&project, &name)?;
    let mut config = project.config.clone();
    config.envs.retain(|env| *env != name);
    let change = ConfigChange {
        config,
        grants: &|grant| (!concerns(grant, &name)).then(|| grant.clone()),
        gone: scopes_of(&project, &name)?,
        renamed_to: None,
    };
    change_config(&project, &lock, &change)?;
    terminal::note(&format!("deleted the environment {}", quoted(&name)));
    end_keys(input, &project, &lock, &name)?;
    Ok(0)
}

/// True for a grant of nothing but an environment, or of a scope in it.
fn concerns(grant: &Grant, name: &str) -> bool {
    matches!(grant, Grant::Env(env) | Grant::Scope(_, env) if env == name)
}

/// Refuses what may not be deleted; how many scopes would go.
fn check_deletion(project: &Project, name: &str) -> Result<usize, Failure> {
    let shown = quoted(name);
    if !project.config.is_env(name) {
        return Err(unlisted(project, name));
    }
    if name == project.config.default_env {
        return Err(Failure::new(format!(
            "{shown} is the default environment and cannot be deleted"
        )));
    }
    let has_nothing_else =
        |member: &&Member| member.grants.iter().all(|grant| concerns(grant, name));
    if let Some(member) = project.roster.members.iter().find(has_nothing_else) {
        let member = quoted(&member.name);
        return Err(Failure::new(format!("{member} is a member of nothing but {shown}"))
            .and("nothing was changed"));
    }
    Ok(scopes_of(project, name)?.len())
}
