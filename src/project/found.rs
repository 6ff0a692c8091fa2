//! A new project: written aside, then renamed into place as a whole.

use crate::crypto::hash::hash;
use crate::crypto::random;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::config::Config;
use crate::format::key_text::Identity;
use crate::format::names::{Epoch, Grant, project_id};
use crate::format::roster::{Member, Roster};
use crate::format::scope_file::ScopeName;
use crate::keys::Home;
use crate::project::{CONFIG_FILE, DIRECTORY, Opening, Project, ROSTER_FILE, Site, change};
use crate::scope::Scope;
use crate::team::{self, Draft};
use std::path::{Path, PathBuf};

/// Where a new project is written before it is renamed into place. A stopped `init` leaves it to the
/// next writer.
pub(super) const UNBORN: &str = ".kagi-init.tmp";

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
    /// Where the project that is there goes, if it is to be replaced.
    pub backup: Option<PathBuf>,
}

/// Makes a project. The caller holds the lock of one that is replaced.
///
/// # Errors
/// `Exists` if something is at `.kagi` that is not to be replaced; `Random`, `Write`: what was at
/// `.kagi` is there still.
pub fn found(home: &Home, identity: Identity, founding: Founding) -> Result<Project> {
    let (root, backup) = (founding.root.clone(), founding.backup.clone());
    let (_lock, unborn) = begin(&root, backup.is_some())?;
    let mut project = write(&unborn, home.clone(), identity, founding)?;
    // The pin first: a project that its own maker does not know would be the worse half.
    project.remember(&Opening::OWN)?;
    project.remember_seen()?;
    // Until this device knows that the checkout holds the new project, either may be there.
    home.set_checkout(&root, None)?;
    put_in_place(&root, backup.as_deref())?;
    project.unremembered = home.set_checkout(&root, Some(&project.config.project)).err();
    Ok(project)
}

/// The lock of a root, and an empty directory where its new project is written.
pub(super) fn begin(root: &Path, replaces: bool) -> Result<(Lock, PathBuf)> {
    let (unborn, kagi) = (root.join(UNBORN), root.join(DIRECTORY));
    let lock = disk::lock(root, &|| ())?;
    if !replaces && disk::exists(&kagi) {
        return Err(Error::new(Kind::Exists, kagi.to_string_lossy()));
    }
    disk::remove_all(&unborn)?;
    disk::make_directories(root, Path::new(UNBORN), Mode::Public)?;
    Ok((lock, unborn))
}

/// Renames the new project into place, after the old one out of it; goes back if that fails.
pub(super) fn put_in_place(root: &Path, backup: Option<&Path>) -> Result<()> {
    let (unborn, kagi) = (root.join(UNBORN), root.join(DIRECTORY));
    let Some(backup) = backup else {
        return disk::rename(&unborn, &kagi);
    };
    let renamed = disk::rename(&kagi, backup).and_then(|()| disk::rename(&unborn, &kagi));
    if renamed.is_err() {
        // Without effect where the new project is in place and only its sync failed.
        let _ = disk::rename(backup, &kagi);
    }
    renamed
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
        withdrawn: Vec::new(),
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
        identity: Some(identity),
        home: Some(home),
        ..Project::new(Site::at(&founding.root), config, config_hash, roster, access)
    };
    for (name, scope) in founding.scopes {
        project.write_scope(unborn, &name, &scope.into_snapshot()?, Vec::new())?;
    }
    Ok(project)
}
