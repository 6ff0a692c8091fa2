//! A new project: written aside, then renamed into place as a whole.

use crate::crypto::hash::hash;
use crate::crypto::random;
use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::config::Config;
use crate::format::key_text::Identity;
use crate::format::names::{Epoch, Grant, project_id};
use crate::format::pin::Pin;
use crate::format::roster::{Member, Roster};
use crate::format::scope_file::ScopeName;
use crate::keys::Home;
use crate::project::{CONFIG_FILE, DIRECTORY, Opening, Project, ROSTER_FILE, Site, change};
use crate::scope::Scope;
use crate::team::{self, Draft};
use std::cell::RefCell;
use std::path::{Path, PathBuf};

/// Where a new project is written before it is renamed into place.
const UNBORN: &str = ".kagi-init.tmp";

/// A project that is to be.
pub struct Founding {
    /// Where `.kagi/` will be.
    pub root: PathBuf,
    /// All but the project id, which is drawn.
    pub config: Config,
    /// Name of the first member.
    pub name: String,
    /// The first scopes.
    pub scopes: Vec<(ScopeName, Scope)>,
}

/// Makes a project.
///
/// # Errors
/// `Exists` if something is at `.kagi`; `Random`, `Write`.
pub fn found(home: Home, identity: Identity, founding: Founding) -> Result<Project> {
    let root = founding.root.clone();
    let (unborn, kagi) = (root.join(UNBORN), root.join(DIRECTORY));
    let _lock = disk::lock(&root, &|| ())?;
    if disk::exists(&kagi) {
        return Err(Error::new(Kind::Exists, kagi.to_string_lossy()));
    }
    disk::remove_tree(&unborn)?;
    disk::make_directories(&root, Path::new(UNBORN), Mode::Public)?;
    let project = write(&unborn, home, identity, founding)?;
    // The pin first: a project that its own maker does not know would be the worse half.
    project.remember(&Opening {
        is_strict: false,
        remembers: true,
        forgets: false,
        confirm: &|_| false,
    })?;
    project.remember_seen()?;
    disk::rename(&unborn, &kagi)?;
    Ok(project)
}

/// Writes all files of a new project below `unborn`.
fn write(unborn: &Path, home: Home, identity: Identity, founding: Founding) -> Result<Project> {
    let mut config = founding.config;
    config.project = project_id(random::bytes()?);
    let text = config.write();
    Config::read(CONFIG_FILE, text.as_bytes())?;
    let config_hash = hash(text.as_bytes());
    let epoch = Epoch { number: 1, id: random::bytes()? };
    let draft = Draft {
        sequence: 1,
        config: config_hash,
        config_before: config_hash,
        members: vec![Member::draft(identity.public, &founding.name, vec![Grant::Full])],
        removed: Vec::new(),
    };
    let key = random::key()?;
    let (roster, access) =
        team::found(&identity, &config.project, epoch, key, draft, &mut random::key)?;
    let roster_text = roster.write();
    Roster::read(ROSTER_FILE, roster_text.as_bytes())?;
    change::write_attributes_in(unborn)?;
    disk::replace(&unborn.join(CONFIG_FILE), text.as_bytes(), Mode::Public)?;
    disk::replace(&unborn.join(ROSTER_FILE), roster_text.as_bytes(), Mode::Public)?;
    let project = Project {
        site: Site { root: founding.root, up: String::new(), below: String::new() },
        config,
        roster,
        access,
        config_hash,
        identity: Some(identity),
        home: Some(home),
        pin: Pin::default(),
        seen: RefCell::default(),
        is_new_checkout: true,
        is_config_behind: false,
        unremembered: None,
        is_strict: false,
    };
    for (name, scope) in founding.scopes {
        project.write_scope(unborn, &name, &scope.into_snapshot()?)?;
    }
    Ok(project)
}
