//! A project for who holds the key of one scope and is no member (FORMAT 5.12).
//!
//! Promises: what `kagi.json` and `access.json` say has no effect: such a holder cannot check them,
//! and must not be given what would let it, for with that it could write them. Refuses keys of
//! another project or epoch than the roster names.

use crate::error::Result;
use crate::format::config::Config;
use crate::format::key_text::ScopeHolder;
use crate::project::{Opening, Project, ROSTER_FILE, Site};
use crate::team;
use std::collections::BTreeMap;

/// Opens the project of a site: its one scope, and a configuration that follows from the key.
pub(super) fn open(site: Site, holder: ScopeHolder, opening: &Opening) -> Result<Project> {
    let mut roster = site.claimed_roster()?;
    let config = Config {
        format: 1,
        project: holder.project.clone(),
        envs: vec![holder.env.clone()],
        default_env: holder.env.clone(),
        nested: false,
        default_service: holder.service.clone(),
        paths: BTreeMap::new(),
        sync: String::new(),
    };
    let access = team::accept_scope_key(&site.shown(ROSTER_FILE), &roster, holder)?;
    // Names and grants that nobody vouches for are not shown either.
    roster.members.clear();
    roster.removed.clear();
    roster.withdrawn.clear();
    Ok(Project {
        is_config_behind: false,
        is_strict: opening.is_strict,
        ..Project::new(site, config, [0; 32], roster, access)
    })
}
