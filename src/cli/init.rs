//! `init` and `uninit`: a project begins and ends.

use crate::cli::args::Input;
use crate::cli::driver::git_setup;
use crate::cli::migrate::{self, Candidate};
use crate::cli::report::{Failure, quoted};
use crate::cli::{
    counted, lock, marked_envs, may_delete, note_opening, now, sync, ways, working_directory,
};
use crate::disk;
use crate::error::Kind;
use crate::format::config::Config;
use crate::format::names::check_member_name;
use crate::format::scope_file::ScopeName;
use crate::keys::Home;
use crate::project::{DIRECTORY, Founding, Site, found};
use crate::scope::{Author, Scope};
use crate::terminal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `kagi init`.
///
/// # Errors
/// Usage; a project that is there; `Random`, `Write`.
pub fn init(input: &mut Input) -> Result<u8, Failure> {
    let root = working_directory()?;
    let mut config = configuration(input)?;
    let name = device_name(input)?;
    let replaced = replaced_project(input, &root)?;
    let candidates = if input.has("no-migrate") { Vec::new() } else { offered(input, &root)? };
    let home = Home::find()?;
    let identity = home.identity_or_new()?;
    if !input.has("envs") {
        add_envs(&mut config, &candidates);
    }
    let scopes = read_candidates(&mut config, candidates, &identity.id)?;
    let imported = scopes
        .iter()
        .map(|(name, scope)| format!("imported {name}: {}", counted(scope.len(), "key")));
    let imported: Vec<_> = imported.collect();
    let (_lock, backup) = lock_replaced(replaced.as_ref())?;
    let founding = Founding { root, config, name, scopes, backup: backup.clone() };
    let project = found(&home, identity, founding)?;
    note_opening(&project);
    if let Some(backup) = backup {
        terminal::note(&format!("kept the old project as {}", quoted(&backup.to_string_lossy())));
    }
    for line in &imported {
        terminal::note(line);
    }
    if !imported.is_empty() {
        terminal::note("note: the .env files are still there; delete them when kagi get is right");
    }
    let envs = marked_envs(&project.config).join(", ");
    terminal::note(&format!("made the project {} with {envs}", project.config.project));
    if !input.has("no-git") {
        git_setup(&project.site.root);
    }
    let service = if project.config.nested { "SERVICE " } else { "" };
    let then = if input.has("no-git") { "" } else { ", then git add .kagi" };
    terminal::note(&format!("next: kagi set {service}KEY VALUE{then}"));
    Ok(0)
}

/// The first scopes, from the files that are to be imported.
fn read_candidates(
    config: &mut Config,
    candidates: Vec<Candidate>,
    id: &str,
) -> Result<Vec<(ScopeName, Scope)>, Failure> {
    let (mapped, dropped) = migrate::map_services(config, candidates);
    for path in dropped {
        migrate::note_left_out(&path, "its directory cannot name a service");
    }
    migrate::read_scopes(config, mapped, Author { id, time: now(), epoch: 1 })
}

fn configuration(input: &Input) -> Result<Config, Failure> {
    let nested = input.has("nested");
    let envs: Vec<String> = match input.text("envs")? {
        None => vec!["development".into()],
        Some("") => ["development", "staging", "production"].map(String::from).to_vec(),
        Some(list) => list.split(',').map(String::from).collect(),
    };
    for env in &envs {
        crate::format::names::check_place(env)?;
    }
    let development = envs.iter().find(|env| *env == "development").or(envs.first());
    let config = Config {
        format: 1,
        project: format!("kgp_{}", "a".repeat(20)),
        default_env: development.cloned().unwrap_or_default(),
        envs,
        nested,
        default_service: if nested { String::new() } else { "app".into() },
        paths: BTreeMap::new(),
        sync: String::new(),
    };
    // The id is drawn later; everything else is checked now, before anything is written.
    Config::read("--envs", config.write().as_bytes())
        .map_err(|error| Failure::usage(format!("these environments cannot be: {}", error.cause)))
}

/// The device's name: what was given, else user and host.
///
/// # Errors
/// A name that cannot be.
pub fn device_name(input: &Input) -> Result<String, Failure> {
    name_or(input, user_and_host, "first device")
}

/// What `--name` says, else what is usual, if that can be a name.
///
/// # Errors
/// A name that cannot be.
pub fn name_or(
    input: &Input,
    usual: impl FnOnce() -> String,
    otherwise: &str,
) -> Result<String, Failure> {
    if let Some(name) = input.text("name")? {
        check_member_name(name)?;
        return Ok(name.to_string());
    }
    let name = usual();
    Ok(if check_member_name(&name).is_ok() { name } else { otherwise.to_string() })
}

fn user_and_host() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let host = disk::read_given(Path::new("/proc/sys/kernel/hostname"), 256).ok();
    let host = host.and_then(|host| Some(host.expose_str("").ok()?.trim().to_string()));
    let parts = [user, host].into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("@")
}

/// Refuses a project that is there; with `--force` gives back the one that is to be replaced.
fn replaced_project(input: &Input, root: &Path) -> Result<Option<Site>, Failure> {
    let Some(site) = project_here()? else {
        return Ok(None);
    };
    if !input.has("force") {
        let place = quoted(&site.root.join(DIRECTORY).to_string_lossy());
        let message = format!("there is a project already: {place}; nothing was changed");
        let hint = if site.root == root {
            "kagi status shows it; kagi init --force replaces it and keeps a backup"
        } else {
            "kagi status shows it; kagi init --force makes another one here"
        };
        return Err(Failure::new(message).hint(hint));
    }
    may_replace(input, site, root)
}

/// The project of the working directory, if there is one here or above.
///
/// # Errors
/// `NotPlain`, `Read`.
pub fn project_here() -> Result<Option<Site>, Failure> {
    match Site::find() {
        Ok(site) => Ok(Some(site)),
        Err(error) if error.kind == Kind::NoProject => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The project here; where none is, `hint` says what brings one.
///
/// # Errors
/// As `Site::find`.
pub fn site_or(hint: &str) -> Result<Site, Failure> {
    Site::find().map_err(|error| match error.kind {
        Kind::NoProject => Failure::from(error).hint(hint),
        _ => error.into(),
    })
}

/// Asks before a project is replaced, or another one made below it; gives back the one that is
/// to be replaced.
///
/// # Errors
/// If the answer is no.
pub fn may_replace(input: &Input, site: Site, root: &Path) -> Result<Option<Site>, Failure> {
    let place = quoted(&site.root.join(DIRECTORY).to_string_lossy());
    if site.root != root {
        let question = format!("{place} is above this directory; make another project below it?");
        return may_delete(input, &question).map(|()| None);
    }
    may_delete(input, &format!("replace {place}? it is kept as a backup"))?;
    Ok(Some(site))
}

/// The lock of a project that is replaced, and where that project will go.
///
/// # Errors
/// `Read` or `Write`.
pub fn lock_replaced(
    replaced: Option<&Site>,
) -> Result<(Option<disk::Lock>, Option<PathBuf>), Failure> {
    let Some(site) = replaced else {
        return Ok((None, None));
    };
    Ok((Some(lock(site)?), Some(disk::free_backup(&site.root.join(DIRECTORY)))))
}

/// The `.env` files that are there, if they are to be imported.
fn offered(input: &Input, root: &Path) -> Result<Vec<Candidate>, Failure> {
    let (candidates, undecided) = migrate::discover(root)?;
    let shown = |path: &PathBuf| quoted(&path.strip_prefix(root).unwrap_or(path).to_string_lossy());
    for path in &undecided {
        let hint = format!("kagi import [service] ENV --file {}", shown(path));
        terminal::note(&format!(
            "note: {} is left alone, for its name does not say what it is for; {hint}",
            shown(path)
        ));
    }
    if candidates.is_empty() {
        return Ok(candidates);
    }
    let names: Vec<_> = candidates.iter().map(|candidate| shown(&candidate.path)).collect();
    terminal::note(&format!("found {}", names.join(", ")));
    if input.has("yes") || terminal::ask("kagi: import them?") {
        return Ok(candidates);
    }
    terminal::note("note: they are not imported; kagi import takes them one by one");
    Ok(Vec::new())
}

/// Environments that the files name are listed, unless the user has listed others.
fn add_envs(config: &mut Config, candidates: &[Candidate]) {
    for candidate in candidates {
        let is_new = !candidate.env.is_empty() && !config.is_env_like(&candidate.env);
        config.envs.extend(is_new.then(|| candidate.env.clone()));
    }
}

/// `kagi uninit`.
///
/// # Errors
/// No project; no `y`; `Write`.
pub fn uninit(input: &mut Input) -> Result<u8, Failure> {
    let site = Site::find()?;
    let path = site.root.join(DIRECTORY);
    let place = quoted(&path.to_string_lossy());
    let project = site.claimed_project().ok();
    let shared = ways(project.as_deref().unwrap_or_default()).shared;
    terminal::note(&format!("note: what of it is not {shared} is lost"));
    may_delete(input, &format!("remove {place} and all secrets in it?"))?;
    {
        let _lock = lock(&site)?;
        disk::remove_tree(&path)?;
    }
    if let Ok(home) = Home::find() {
        home.set_checkout(&site.root, None)?;
        sync::forget(&home, &site, project.as_deref())?;
    }
    terminal::note(&format!("removed {place}"));
    Ok(0)
}
