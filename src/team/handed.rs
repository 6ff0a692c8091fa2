//! Keys that are handed on as text: the project key, and those of one scope. Pure.
//!
//! Promises: who holds the keys of one scope gets an `Access` that opens just that. Refuses to hand
//! on what the grants do not give.

use crate::error::{Error, Kind, Result};
use crate::format::key_text::ScopeHolder;
use crate::format::roster::Roster;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::secret::Key;
use crate::team::{Access, Keys, ScopeKeys};

/// The access of who holds the keys of one scope. Of the roster it says nothing but that it names
/// the project and epoch of the keys; nothing else in it may be believed (FORMAT 5.12).
///
/// # Errors
/// `ForeignKey` with the reason.
pub fn accept_scope_key(subject: &str, roster: &Roster, holder: ScopeHolder) -> Result<Access> {
    let foreign = |reason: String| Err(Error::new(Kind::ForeignKey, subject).because(reason));
    let (own, other) = (holder.epoch, roster.epoch);
    if holder.project != roster.project {
        return foreign(format!("it is for {}, and this is {}", holder.project, roster.project));
    }
    if own.number != other.number {
        let (own, other) = (own.number, other.number);
        return foreign(format!("it is for epoch {own}, and the project is at epoch {other}"));
    }
    if own != other {
        return foreign(format!("it is from another rotation to epoch {}", own.number));
    }
    let ScopeHolder { service, env, values, files, .. } = holder;
    let keys = Keys::Scope(ScopeKeys { env, service, key: values, files: Some(files) });
    Ok(Access::new(&roster.project, own, "", keys))
}

impl Access {
    /// The one scope of who holds its key and is no member.
    #[must_use]
    pub fn only_scope(&self) -> Option<ScopeName> {
        match &self.keys {
            Keys::Scope(keys) => Some(ScopeName::values(&keys.service, &keys.env)),
            _ => None,
        }
    }

    pub(super) fn holder(&self) -> String {
        let key = |only| format!("the key of {only}");
        self.only_scope().map_or(self.member.clone(), key)
    }

    /// The project key, to be handed on.
    ///
    /// # Errors
    /// `NotFull`.
    pub fn project_key(&self) -> Result<Key> {
        Ok(self.full()?.0.duplicate())
    }

    /// The keys of one scope, to be handed on; `None` if the grants do not give them.
    #[must_use]
    pub fn scope_holder(&self, service: &str, env: &str) -> Option<ScopeHolder> {
        let key = |kind| {
            let name = ScopeName { kind, service: service.into(), env: env.into() };
            self.scope_key(&name).map(|scope| scope.key)
        };
        Some(ScopeHolder {
            project: self.project.clone(),
            epoch: self.epoch,
            service: service.to_string(),
            env: env.to_string(),
            values: key(ScopeKind::Values)?,
            files: key(ScopeKind::Files)?,
        })
    }
}
