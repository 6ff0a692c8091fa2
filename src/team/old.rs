//! Accepting the roster of another commit (FORMAT 5.13). Pure.
//!
//! Promises: what is accepted is vouched for by keys that this device holds by now: its witness key
//! of the roster's own epoch. Refuses: to take an introduction or a question for that. Whoever was
//! a full member in an older epoch could have written a roster of that epoch, and later ones can
//! not be forged with it.

use crate::crypto::hash::Digest;
use crate::crypto::kdf;
use crate::error::{Error, Kind, Result};
use crate::format::key_text::Identity;
use crate::format::names::Epoch;
use crate::format::roster::Roster;
use crate::secret::Key;
use crate::team::{Access, Keys, Known, accept, accept_project_key};

/// Accepts the roster of another commit for who holds `now`, the access that was accepted already
///. `identity` is `None` for the holder of a project key.
///
/// # Errors
/// `Misplaced` for another project; `NoAccess` for an epoch that this member holds no key of, or
/// `NotWitnessed`; and everything that `accept` refuses.
pub fn accept_old(
    subject: &str,
    roster: &Roster,
    config: &Digest,
    identity: Option<&Identity>,
    now: &Access,
) -> Result<Access> {
    if roster.project != now.project {
        return Err(Error::new(Kind::Misplaced, subject));
    }
    match (identity, &now.keys) {
        (Some(identity), _) => {
            let (epoch, key) = now.witness_for(subject, roster.epoch)?;
            let known = Known { witness: Some((epoch, &key)), anchors: &[], confirm: &|_| false };
            accept(subject, roster, config, identity, &known)
        }
        (None, Keys::Full { project_key, .. }) => {
            accept_project_key(subject, roster, config, project_key.duplicate())
        }
        (None, _) => Err(Error::new(Kind::NoAccess, subject)),
    }
}

impl Access {
    /// The epoch and witness key by which this member checks a roster of `epoch`.
    fn witness_for(&self, subject: &str, epoch: Epoch) -> Result<(Epoch, Key)> {
        if epoch.number >= self.epoch.number {
            let witness = self.witness().ok_or_else(|| Error::new(Kind::NoAccess, subject))?;
            return Ok((self.epoch, witness));
        }
        let Keys::Full { earlier, .. } = &self.keys else {
            let cause = "what was written before a rotation is read by full members only";
            return Err(Error::new(Kind::NoAccess, subject).because(cause));
        };
        let found = earlier.iter().find(|(other, _)| other.number == epoch.number);
        let too_old =
            || Error::new(Kind::NoAccess, subject).because("too many rotations lie between");
        found.map(|(other, key)| (*other, kdf::witness(key, &self.member))).ok_or_else(too_old)
    }
}
