//! Changes of the configuration, and of `.gitattributes`.
//!
//! Promises: an order that is safe to stop in. Refuses to write a roster or configuration that
//! the next reader would refuse.

use crate::crypto::hash::hash;
use crate::crypto::random;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::config::Config;
use crate::format::key_text::Identity;
use crate::format::names::Grant;
use crate::format::roster::Roster;
use crate::format::scope_file::ScopeName;
use crate::project::{CONFIG_FILE, Project, ROSTER_FILE};
use crate::team::{self, Access, Draft};

const ATTRIBUTES_FILE: &str = ".gitattributes";
/// Keeps Git from changing a byte, whatever the root's attributes say; boxes of two branches are
/// both kept by the merge that is built in (FORMAT 7.11).
const ATTRIBUTES: &str = "* -text -filter -ident !working-tree-encoding -merge
*.enc merge=union text eol=lf
";

/// A change of the configuration.
pub struct ConfigChange<'a> {
    /// The new `kagi.json`.
    pub config: Config,
    /// What becomes of a grant; `None`: it goes.
    pub grants: &'a dyn Fn(&Grant) -> Option<Grant>,
    /// Scopes of the environment that goes.
    pub gone: Vec<ScopeName>,
    /// The environment that takes them over.
    pub renamed_to: Option<&'a str>,
}

impl Project {
    /// Changes `kagi.json` and what depends on it: new scope files, `access.json` with both
    /// hashes, `kagi.json` (the commit: readers go by it), old scope files.
    ///
    /// # Errors
    /// `NotFull`; `Exists` if a scope file of the new name is there already, unless it is what an
    /// earlier try left; `Write`.
    pub fn change_config(&self, lock: &Lock, change: &ConfigChange) -> Result<()> {
        let text = change.config.write();
        Config::read(&self.shown(CONFIG_FILE), text.as_bytes())?;
        self.check_leftovers(change)?;
        let roster = self.roster_beside(change, hash(text.as_bytes()))?;
        for name in &change.gone {
            if let Some(env) = change.renamed_to {
                self.copy_scope(lock, name, env)?;
            }
        }
        disk::replace(&self.path(ROSTER_FILE), roster.as_bytes(), Mode::Public)?;
        disk::replace(&self.path(CONFIG_FILE), text.as_bytes(), Mode::Public)?;
        for name in &change.gone {
            disk::remove_with_directory(&self.path(&name.file()))?;
        }
        self.forget(&change.gone)
    }

    /// Refuses to list an environment whose scope files lie about: what was deleted, or never
    /// accepted, would be read again.
    fn check_leftovers(&self, change: &ConfigChange) -> Result<()> {
        let is_copied = |name: &ScopeName| {
            let is_same =
                |gone: &ScopeName| (gone.kind, &gone.service) == (name.kind, &name.service);
            change.renamed_to == Some(&name.env) && change.gone.iter().any(is_same)
        };
        for name in self.unlisted_scopes()? {
            if change.config.is_env(&name.env) && !is_copied(&name) {
                return Err(Error::new(Kind::Exists, self.shown(&name.file())));
            }
        }
        Ok(())
    }

    /// The next roster of this epoch, checked as the next reader will check it.
    fn roster_beside(&self, change: &ConfigChange, config: [u8; 32]) -> Result<String> {
        let mut draft = Draft::after(&self.roster, config);
        draft.config_before = self.config_hash;
        let members = draft.members.iter_mut().map(|member| &mut member.grants);
        let withdrawn = draft.withdrawn.iter_mut().map(|one| &mut one.grants);
        for grants in members.chain(withdrawn) {
            *grants = team::normal(grants.iter().filter_map(change.grants).collect());
        }
        draft.withdrawn.retain(|one| !one.grants.is_empty());
        self.compose(&self.access, draft, &change.config.envs)
    }

    /// A roster's text, checked as the next reader will check it.
    pub(super) fn compose(&self, access: &Access, draft: Draft, envs: &[String]) -> Result<String> {
        let text = access.compose(self.author()?, draft, envs, &mut random::key)?.write();
        Roster::read(&self.shown(ROSTER_FILE), text.as_bytes())?;
        Ok(text)
    }

    /// Replaces the roster, within the epoch.
    ///
    /// # Errors
    /// `NotFull`, `Limit`, `TooLarge`, `Random`, `Write`: the old roster is as it was.
    pub fn change_roster(&self, _lock: &Lock, draft: Draft) -> Result<()> {
        self.check_config()?;
        let text = self.compose(&self.access, draft, &self.config.envs)?;
        disk::replace(&self.path(ROSTER_FILE), text.as_bytes(), Mode::Public)
    }

    /// A roster that vouches only for the older `kagi.json` would undo its last change for ever, and
    /// whoever writes the repository can put that file back.
    pub(super) fn check_config(&self) -> Result<()> {
        if self.is_config_behind {
            return Err(Error::new(Kind::ConfigBehind, self.shown(CONFIG_FILE)));
        }
        Ok(())
    }

    /// What the next roster says if nothing changes.
    #[must_use]
    pub fn draft(&self) -> Draft {
        Draft::after(&self.roster, self.config_hash)
    }

    fn author(&self) -> Result<&Identity> {
        self.identity
            .as_ref()
            .ok_or_else(|| Error::new(Kind::NotFull, "the holder of a project key"))
    }

    /// Seals a scope anew under another environment's name. Its file may be there already only
    /// if an earlier try was stopped: with the same content.
    fn copy_scope(&self, lock: &Lock, name: &ScopeName, env: &str) -> Result<()> {
        let target = ScopeName { env: env.into(), ..name.clone() };
        let scope = self.load(name)?.unwrap_or_default().scope;
        if let Some((leftover, _)) = self.read_scope(&target)?
            && !leftover.has_same_values(&scope)
        {
            return Err(Error::new(Kind::Exists, self.shown(&target.file())));
        }
        self.save(lock, &target, scope)
    }

    /// True if `.kagi/.gitattributes` is what it must be.
    ///
    /// # Errors
    /// `Read`.
    pub fn has_attributes(&self) -> Result<bool> {
        let bytes = disk::read(&self.path(ATTRIBUTES_FILE), 4096)?;
        Ok(bytes.is_some_and(|bytes| bytes == ATTRIBUTES.as_bytes()))
    }

    /// Writes `.kagi/.gitattributes` anew.
    ///
    /// # Errors
    /// `Write`.
    pub fn write_attributes(&self, _lock: &Lock) -> Result<()> {
        write_attributes_in(&self.site.root.join(super::DIRECTORY))
    }
}

/// Writes `.gitattributes` into a `.kagi/` that is not in place yet.
pub(super) fn write_attributes_in(kagi: &std::path::Path) -> Result<()> {
    disk::replace(&kagi.join(ATTRIBUTES_FILE), ATTRIBUTES.as_bytes(), Mode::Public)
}
