//! `.kagi/access.json`: who may open what, and why a device may believe it (FORMAT 4).
//!
//! Promises: what is returned keeps every rule that can be checked without a key. Nothing here
//! is authentic: `team::accept` decides that. Refuses: a member id that is not the hash of its
//! public key, unsorted or doubled members, and a member that was removed.

use crate::crypto::hash::{Digest, hash, mac};
use crate::crypto::wrap::is_canonical;
use crate::crypto::{kdf, length_prefixed};
use crate::error::{Error, Kind, Result};
use crate::format::bytes::Writer;
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::names::{Epoch, Grant, check_member_name, is_id, member_id};
use crate::format::rules_of;
use crate::format::text::{BASE64, HEX};
use crate::secret::Key;

/// Bytes of `access.json`.
pub const ROSTER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Members of a project.
pub const MEMBERS_MAX: usize = 256;
/// Ids that were removed.
pub const REMOVED_MAX: usize = 4096;
/// Removals, and reductions of grants, that are remembered.
pub const WITHDRAWN_MAX: usize = 1024;
/// Grants of one member.
pub const GRANTS_MAX: usize = 256;
/// Epochs that a roster is witnessed for, the newest being its own.
pub const WITNESSES_MAX: usize = 16;
/// Bytes of one wrap.
pub const WRAP_BYTES_MAX: usize = 128 * 1024;

/// One member.
pub struct Member {
    /// `kgm_…`, the hash of `public`.
    pub id: String,
    /// X25519 public key.
    pub public: [u8; 32],
    /// For people.
    pub name: String,
    /// Sorted by their text.
    pub grants: Vec<Grant>,
    /// The member's keys, sealed to `public`.
    pub wrap: Vec<u8>,
    /// MACs under the member's witness keys, the oldest epoch first.
    pub witnesses: Vec<(Epoch, Digest)>,
    /// MAC under a key that only the author and the member can compute.
    pub introduction: Digest,
}

impl Member {
    /// A member of a draft, with nothing wrapped yet.
    #[must_use]
    pub fn draft(public: [u8; 32], name: &str, grants: Vec<Grant>) -> Self {
        Member {
            id: member_id(&public),
            public,
            name: name.to_string(),
            grants,
            wrap: Vec::new(),
            witnesses: Vec::new(),
            introduction: [0; 32],
        }
    }

    /// True for a member that may open everything and change roster and configuration.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.grants == [Grant::Full]
    }
}

/// Grants that a member had until a rotation: it may know the values that are older.
#[derive(Clone)]
pub struct Withdrawn {
    /// Member id.
    pub id: String,
    /// The member's name at that time.
    pub name: String,
    /// All grants that it had, sorted by their text.
    pub grants: Vec<Grant>,
    /// The number of the first epoch without them.
    pub epoch: u32,
}

/// The roster.
pub struct Roster {
    /// Project id.
    pub project: String,
    /// The epoch of all keys that are wrapped here.
    pub epoch: Epoch,
    /// One more than that of the roster before.
    pub sequence: u64,
    /// Member id of the writer.
    pub author: String,
    /// Hash of the `kagi.json` that this roster stands beside.
    pub config: Digest,
    /// Hash of the `kagi.json` before; the same if it did not change.
    pub config_before: Digest,
    /// Sorted by id.
    pub members: Vec<Member>,
    /// Ids that were removed ever, sorted.
    pub removed: Vec<String>,
    /// What was withdrawn from whom, sorted by epoch, then id.
    pub withdrawn: Vec<Withdrawn>,
    /// MAC under the epoch's witness key of the empty id, for holders of the project key alone
    /// (FORMAT 4.8).
    pub seal: Digest,
}

impl Roster {
    /// `R`: everything that is authenticated about a roster (FORMAT 4.3).
    #[must_use]
    pub fn statement(&self) -> Digest {
        let mut members = Writer::default();
        for member in &self.members {
            members
                .field(member.id.as_bytes())
                .field(&member.public)
                .field(member.name.as_bytes())
                .field(&grants_field(&member.grants));
        }
        let mut withdrawn = Writer::default();
        for one in &self.withdrawn {
            withdrawn
                .field(one.id.as_bytes())
                .field(one.name.as_bytes())
                .field(&grants_field(&one.grants))
                .raw(&one.epoch.to_le_bytes());
        }
        let removed: Vec<_> = self.removed.iter().map(String::as_bytes).collect();
        hash(&length_prefixed(&[
            b"kagi-roster 1",
            self.project.as_bytes(),
            &self.epoch.to_bytes(),
            &self.sequence.to_le_bytes(),
            self.author.as_bytes(),
            &self.config,
            &self.config_before,
            members.0.expose(),
            &length_prefixed(&removed),
            withdrawn.0.expose(),
        ]))
    }

    /// The member with this id.
    #[must_use]
    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// What keys of this project and epoch are bound to.
    #[must_use]
    pub fn place(&self) -> kdf::Place<'_> {
        kdf::Place { project: &self.project, epoch: self.epoch.to_bytes() }
    }

    /// Reads `access.json`.
    ///
    /// # Errors
    /// `TooLarge`, `NotCanonical`, or `BadText` with the rule of FORMAT 4 that is broken.
    pub fn read(subject: &str, bytes: &[u8]) -> Result<Self> {
        let text: RosterText = json::read(subject, bytes, ROSTER_BYTES_MAX)?;
        let malformed = || Error::new(Kind::BadText, subject).because("a field is malformed");
        let roster = text.decode().ok_or_else(malformed)?;
        roster.check(subject)?;
        Ok(roster)
    }

    fn check(&self, subject: &str) -> Result<()> {
        let check = rules_of(subject);
        check(is_id("kgp_", &self.project), "its project id is malformed")?; // FORMAT 3.1
        let is_counted = self.members.len() <= MEMBERS_MAX && self.removed.len() <= REMOVED_MAX;
        check(is_counted, "it lists too many members")?; // FORMAT 4.1
        let is_sorted = self.members.is_sorted_by(|one, next| one.id < next.id);
        check(is_sorted, "its members are not sorted")?; // FORMAT 4.2
        let is_authorized = self.member(&self.author).is_some_and(Member::is_full);
        check(is_authorized, "its author is not a full member")?; // FORMAT 4.2
        let are_ids = self.removed.iter().all(|id| is_id("kgm_", id));
        let are_removed = are_ids && self.removed.is_sorted_by(|one, next| one < next);
        check(are_removed, "its removed ids are malformed")?; // FORMAT 4.9
        let is_back = self.removed.iter().any(|id| self.member(id).is_some());
        check(!is_back, "it lists a member that was removed")?; // FORMAT 4.9
        let order = |one: &Withdrawn| (one.epoch, one.id.clone());
        let is_past = |one: &Withdrawn| (2..=self.epoch.number).contains(&one.epoch);
        let are_withdrawn = self.withdrawn.len() <= WITHDRAWN_MAX
            && self.withdrawn.is_sorted_by(|one, next| order(one) < order(next))
            && self.withdrawn.iter().all(|one| is_past(one) && one.is_sound());
        check(are_withdrawn, "its withdrawn grants are malformed")?; // FORMAT 4.10
        self.members.iter().try_for_each(|member| member.check(subject, self.epoch))
    }

    /// The canonical text.
    #[must_use]
    pub fn write(&self) -> String {
        json::write(&RosterText::encode(self))
    }
}

fn grants_field(grants: &[Grant]) -> Vec<u8> {
    let texts: Vec<_> = grants.iter().map(Grant::to_string).collect();
    length_prefixed(&texts.iter().map(String::as_bytes).collect::<Vec<_>>())
}

/// FORMAT 3.8: sorted, not doubled, `*` alone.
fn are_grants(grants: &[Grant]) -> bool {
    let texts: Vec<_> = grants.iter().map(Grant::to_string).collect();
    let alone = grants.len() == 1 || !grants.contains(&Grant::Full);
    let counted = (1..=GRANTS_MAX).contains(&texts.len());
    counted && alone && texts.is_sorted_by(|one, next| one < next)
}

impl Withdrawn {
    fn is_sound(&self) -> bool {
        is_id("kgm_", &self.id) && check_member_name(&self.name).is_ok() && are_grants(&self.grants)
    }
}

impl Member {
    fn check(&self, subject: &str, epoch: Epoch) -> Result<()> {
        let check = rules_of(subject);
        check(is_canonical(&self.public), "a public key is not canonical")?; // FORMAT 1.5
        let is_own = self.id == member_id(&self.public);
        check(is_own, "a member id is not the hash of its public key")?; // FORMAT 3.2
        let is_named = check_member_name(&self.name).is_ok();
        check(is_named, "a member's name is malformed")?; // FORMAT 3.6
        check(are_grants(&self.grants), "a member's grants are malformed")?; // FORMAT 3.8
        check(self.wrap.len() <= WRAP_BYTES_MAX, "a wrap is too large")?; // FORMAT 4.4
        let numbers = self.witnesses.iter().map(|(epoch, _)| epoch.number);
        let are_witnesses = (1..=WITNESSES_MAX).contains(&self.witnesses.len())
            && self.witnesses.last().is_some_and(|(last, _)| *last == epoch)
            && numbers.is_sorted_by(|one, next| one < next);
        check(are_witnesses, "a member's witnesses are malformed") // FORMAT 4.6
    }

    /// The MAC of a statement and this member's wrap, for a witness or an introduction. The wrap
    /// is covered because anybody can seal other keys to a public key (FORMAT 4.6, 4.7).
    #[must_use]
    pub fn vouch(&self, key: &Key, statement: &Digest) -> Digest {
        mac(key, &length_prefixed(&[statement, &self.wrap]))
    }
}

#[derive(Serialize, Deserialize)]
struct RosterText {
    format: u32,
    project: String,
    epoch: String,
    sequence: u64,
    author: String,
    config: String,
    config_before: String,
    members: Vec<MemberText>,
    removed: Vec<String>,
    withdrawn: Vec<WithdrawnText>,
    seal: String,
}

#[derive(Serialize, Deserialize)]
struct MemberText {
    id: String,
    name: String,
    public_key: String,
    grants: Vec<String>,
    wrap: String,
    witnesses: Vec<String>,
    introduction: String,
}

#[derive(Serialize, Deserialize)]
struct WithdrawnText {
    id: String,
    name: String,
    grants: Vec<String>,
    epoch: u32,
}

fn digest(text: &str) -> Option<Digest> {
    HEX.decode(text)?.expose().try_into().ok()
}

fn witness(text: &str) -> Option<(Epoch, Digest)> {
    let (epoch, mac) = text.split_once(' ')?;
    Some((Epoch::parse(epoch)?, digest(mac)?))
}

impl RosterText {
    fn decode(self) -> Option<Roster> {
        Some(Roster {
            project: (self.format == 1).then_some(self.project)?, // FORMAT 4.1
            epoch: Epoch::parse(&self.epoch)?,
            sequence: self.sequence,
            author: self.author,
            config: digest(&self.config)?,
            config_before: digest(&self.config_before)?,
            members: self.members.into_iter().map(MemberText::decode).collect::<Option<_>>()?,
            removed: self.removed,
            withdrawn: self
                .withdrawn
                .into_iter()
                .map(WithdrawnText::decode)
                .collect::<Option<_>>()?,
            seal: digest(&self.seal)?,
        })
    }

    fn encode(roster: &Roster) -> Self {
        RosterText {
            format: 1,
            project: roster.project.clone(),
            epoch: roster.epoch.to_string(),
            sequence: roster.sequence,
            author: roster.author.clone(),
            config: HEX.encode(&roster.config),
            config_before: HEX.encode(&roster.config_before),
            members: roster.members.iter().map(MemberText::encode).collect(),
            removed: roster.removed.clone(),
            withdrawn: roster.withdrawn.iter().map(WithdrawnText::encode).collect(),
            seal: HEX.encode(&roster.seal),
        }
    }
}

fn parse_grants(texts: &[String]) -> Option<Vec<Grant>> {
    texts.iter().map(|text| Grant::parse(text)).collect()
}

impl WithdrawnText {
    fn decode(self) -> Option<Withdrawn> {
        let grants = parse_grants(&self.grants)?;
        Some(Withdrawn { id: self.id, name: self.name, grants, epoch: self.epoch })
    }

    fn encode(one: &Withdrawn) -> Self {
        let grants = one.grants.iter().map(Grant::to_string).collect();
        WithdrawnText { id: one.id.clone(), name: one.name.clone(), grants, epoch: one.epoch }
    }
}

impl MemberText {
    fn decode(self) -> Option<Member> {
        Some(Member {
            id: self.id,
            public: digest(&self.public_key)?,
            name: self.name,
            grants: parse_grants(&self.grants)?,
            wrap: BASE64.decode_public(&self.wrap)?,
            witnesses: self.witnesses.iter().map(|text| witness(text)).collect::<Option<_>>()?,
            introduction: digest(&self.introduction)?,
        })
    }

    fn encode(member: &Member) -> Self {
        let witness = |(epoch, mac): &(Epoch, Digest)| format!("{epoch} {}", HEX.encode(mac));
        MemberText {
            id: member.id.clone(),
            name: member.name.clone(),
            public_key: HEX.encode(&member.public),
            grants: member.grants.iter().map(Grant::to_string).collect(),
            wrap: BASE64.encode(&member.wrap),
            witnesses: member.witnesses.iter().map(witness).collect(),
            introduction: HEX.encode(&member.introduction),
        }
    }
}
