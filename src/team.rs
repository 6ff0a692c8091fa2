//! Who may open what: accepting a roster, composing one, and what a wrap holds. Pure.
//!
//! Promises: an `Access` exists only after its roster was accepted (FORMAT 5) or founded here,
//! and holds just the keys that the member's grants give. Refuses: to compose a roster without
//! the project key, and to believe a roster because it opens.

use crate::crypto::hash::{Digest, mac, same};
use crate::crypto::kdf::{self, Place};
use crate::crypto::wrap;
use crate::error::{Error, Kind, Result};
use crate::format::bytes::Writer;
use crate::format::key_text::{Identity, Origin};
use crate::format::names::{Epoch, Grant};
use crate::format::roster::{
    MEMBERS_MAX, Member, REMOVED_MAX, Roster, WITHDRAWN_MAX, WITNESSES_MAX, Withdrawn,
};
use crate::format::scope_file::{ScopeKey, ScopeKind, ScopeName};
use crate::secret::{Key, Secret};
use std::collections::BTreeSet;

mod bundle;
mod handed;
mod old;

use bundle::decode_bundle;
pub use handed::accept_scope_key;
pub use old::accept_old;

/// Keys in one wrap.
const SCOPE_KEYS_MAX: usize = 512;

/// The keys of one project and epoch that a member, or the holder of a project key, has.
pub struct Access {
    project: String,
    epoch: Epoch,
    member: String,
    keys: Keys,
}

enum Keys {
    Full {
        project_key: Key,
        /// The roster keys of earlier epochs, the oldest first; at most 15.
        earlier: Vec<(Epoch, Key)>,
    },
    Limited {
        state: Key,
        witness: Key,
        scopes: Vec<ScopeKeys>,
    },
    /// One scope: who holds it can neither check a roster nor make one.
    Scope(ScopeKeys),
}

/// The keys of one scope, or of a whole environment where the service is empty.
struct ScopeKeys {
    env: String,
    service: String,
    /// `K_env`; or `K_scope` of the values.
    key: Key,
    /// `K_scope` of the files.
    files: Option<Key>,
}

/// What the device knew before it saw the roster.
pub struct Known<'a> {
    /// An epoch of the project, and this member's witness key of it. If there is one it decides
    /// alone: nobody can talk a device out of what it has seen.
    pub witness: Option<(Epoch, &'a Key)>,
    /// Members whose introduction is believed.
    pub anchors: &'a [String],
    /// Asks a person whether this author may introduce the project.
    pub confirm: &'a dyn Fn(&Member) -> bool,
}

/// Accepts a roster for a member and opens its wrap (FORMAT 5.1 to 5.9).
///
/// # Errors
/// `ConfigMismatch`, `NotMember`, `OldEpoch`, `ForkedEpoch`, `NotWitnessed`, `UnknownProject` or
/// `Unauthentic`, naming `subject`.
pub fn accept(
    subject: &str,
    roster: &Roster,
    config: &Digest,
    identity: &Identity,
    known: &Known,
) -> Result<Access> {
    check_config(subject, roster, config)?;
    let member =
        roster.member(&identity.id).ok_or_else(|| Error::new(Kind::NotMember, &identity.id))?; // FORMAT 5.2
    let claim = Claim { subject, roster, member, statement: roster.statement() };
    match known.witness {
        Some((epoch, key)) => claim.check_witness(epoch, key)?,
        None => claim.check_introduction(identity, known)?,
    }
    let place = roster.place();
    let (secret, public) = (&identity.secret, &identity.public);
    let bundle = wrap::open(secret, public, place, &claim.statement, &member.wrap)
        .ok_or_else(|| claim.fail(Kind::Unauthentic))?;
    let keys = decode_bundle(bundle.expose(), member, roster.epoch)
        .ok_or_else(|| claim.fail(Kind::Unauthentic))?;
    let access = Access::new(&roster.project, roster.epoch, &member.id, keys);
    // What will be pinned must itself vouch for the roster (FORMAT 5.8).
    let own = access.witness().ok_or_else(|| claim.fail(Kind::Unauthentic))?;
    claim.check_witness(roster.epoch, &own)?;
    Ok(access)
}

/// Accepts a roster for the holder of the project key (FORMAT 5.10).
///
/// # Errors
/// `ConfigMismatch`, or `WrongKey` for a key of another project or epoch.
pub fn accept_project_key(
    subject: &str,
    roster: &Roster,
    config: &Digest,
    project_key: Key,
) -> Result<Access> {
    check_config(subject, roster, config)?;
    let keys = Keys::Full { project_key, earlier: Vec::new() };
    let access = Access::new(&roster.project, roster.epoch, "", keys);
    let seal = access.witness().map(|key| mac(&key, &roster.statement()));
    if seal.is_some_and(|seal| same(&seal, &roster.seal)) {
        Ok(access)
    } else {
        Err(Error::new(Kind::WrongKey, subject).because(roster.epoch.number))
    }
}

/// FORMAT 5.1.
fn check_config(subject: &str, roster: &Roster, config: &Digest) -> Result<()> {
    if same(config, &roster.config) || same(config, &roster.config_before) {
        Ok(())
    } else {
        Err(Error::new(Kind::ConfigMismatch, subject))
    }
}

/// What a roster says of a member, who checks it.
struct Claim<'a> {
    subject: &'a str,
    roster: &'a Roster,
    member: &'a Member,
    statement: Digest,
}

impl Claim<'_> {
    fn fail(&self, kind: Kind) -> Error {
        Error::new(kind, self.subject)
    }

    /// FORMAT 5.3 to 5.5.
    fn check_witness(&self, epoch: Epoch, key: &Key) -> Result<()> {
        let Claim { roster, member, .. } = self;
        let kind = match member.witnesses.iter().find(|(other, _)| other.number == epoch.number) {
            _ if roster.epoch.number < epoch.number => Kind::OldEpoch,
            Some((other, _)) if *other != epoch => Kind::ForkedEpoch,
            None => Kind::NotWitnessed,
            Some((_, mac)) if same(mac, &member.vouch(key, &self.statement)) => return Ok(()),
            Some(_) => Kind::Unauthentic,
        };
        Err(self.fail(kind))
    }

    /// FORMAT 5.6 and 5.7.
    fn check_introduction(&self, identity: &Identity, known: &Known) -> Result<()> {
        let Claim { roster, member, .. } = self;
        let author = roster.member(&roster.author).ok_or_else(|| self.fail(Kind::Unauthentic))?;
        let key = wrap::agree(&identity.secret, &author.public).map(|shared| {
            kdf::introduction(&shared, &author.public, &member.public, roster.place())
        });
        if !key.is_some_and(|key| same(&member.introduction, &member.vouch(&key, &self.statement)))
        {
            return Err(self.fail(Kind::Unauthentic));
        }
        // Nobody else can introduce a roster in this member's own name.
        let is_own = author.id == identity.id;
        if is_own || known.anchors.contains(&author.id) || (known.confirm)(author) {
            return Ok(());
        }
        Err(self.fail(Kind::UnknownProject).because(&author.id))
    }
}

/// What a new roster says; the rest is computed.
pub struct Draft {
    /// One more than the sequence number of the roster before.
    pub sequence: u64,
    /// Hash of `kagi.json`.
    pub config: Digest,
    /// Hash of the `kagi.json` before.
    pub config_before: Digest,
    /// Sorted by id; wraps, witnesses and introductions are made anew.
    pub members: Vec<Member>,
    /// Sorted.
    pub removed: Vec<String>,
    /// Sorted by epoch, then id.
    pub withdrawn: Vec<Withdrawn>,
}

impl Draft {
    /// The roster that follows one, with the same members; `config` is the hash of `kagi.json`.
    #[must_use]
    pub fn after(roster: &Roster, config: Digest) -> Self {
        let same =
            |member: &Member| Member::draft(member.public, &member.name, member.grants.clone());
        Draft {
            sequence: roster.sequence.saturating_add(1),
            config,
            config_before: config,
            members: roster.members.iter().map(same).collect(),
            removed: roster.removed.clone(),
            withdrawn: roster.withdrawn.clone(),
        }
    }

    /// Adds a member.
    ///
    /// # Errors
    /// `WasRemoved`, `Exists`, `Limit`, naming its id.
    pub fn admit(&mut self, public: [u8; 32], name: &str, grants: Vec<Grant>) -> Result<()> {
        let member = Member::draft(public, name, normal(grants));
        if self.removed.contains(&member.id) {
            return Err(Error::new(Kind::WasRemoved, &member.id)); // FORMAT 4.9
        }
        match self.members.binary_search_by(|other| other.id.cmp(&member.id)) {
            Ok(_) => Err(Error::new(Kind::Exists, &member.id)),
            Err(_) if self.members.len() == MEMBERS_MAX => {
                Err(Error::new(Kind::Limit, &member.id).because("a project has 256 members"))
            }
            Err(at) => {
                self.members.insert(at, member);
                Ok(())
            }
        }
    }

    /// Removes a member for ever. The roster must be that of a new epoch, whose number is given.
    ///
    /// # Errors
    /// `Missing`, `LastFull` or `Limit`, naming its id.
    pub fn remove(&mut self, id: &str, epoch: u32) -> Result<()> {
        if self.removed.len() == REMOVED_MAX {
            return Err(Error::new(Kind::Limit, id).because("4,096 members were removed before"));
        }
        self.withdraw(id, epoch)?;
        self.members.retain(|member| member.id != id);
        let at = self.removed.binary_search_by(|other| other.as_str().cmp(id));
        self.removed.insert(at.unwrap_or_else(|at| at), id.to_string());
        self.check_full(id)
    }

    /// Gives a member just these grants. The roster must be that of a new epoch, whose number is
    /// given, if the member had others (`takes_away`).
    ///
    /// # Errors
    /// `Missing` or `LastFull`, naming its id.
    pub fn regrant(&mut self, id: &str, grants: Vec<Grant>, epoch: u32) -> Result<()> {
        if self.takes_away(id, &grants) {
            self.withdraw(id, epoch)?;
        }
        self.member_mut(id)?.grants = normal(grants);
        self.check_full(id)
    }

    /// True if a member has a grant that these do not cover.
    #[must_use]
    pub fn takes_away(&self, id: &str, grants: &[Grant]) -> bool {
        let is_covered = |old: &Grant| grants.iter().any(|grant| grant.covers(old));
        let member = self.members.iter().find(|member| member.id == id);
        member.is_some_and(|member| !member.grants.iter().all(is_covered))
    }

    /// The member with this id.
    ///
    /// # Errors
    /// `Missing`, naming the id.
    pub fn member_mut(&mut self, id: &str) -> Result<&mut Member> {
        let missing = || Error::new(Kind::Missing, id).because("no such member");
        self.members.iter_mut().find(|member| member.id == id).ok_or_else(missing)
    }

    /// Remembers what a member could open before a rotation.
    fn withdraw(&mut self, id: &str, epoch: u32) -> Result<()> {
        let member = self.member_mut(id)?;
        let (name, grants) = (member.name.clone(), member.grants.clone());
        let one = Withdrawn { id: id.to_string(), name, grants, epoch };
        self.withdrawn.push(one);
        self.withdrawn.sort_by_key(|one| (one.epoch, one.id.clone()));
        let excess = self.withdrawn.len().saturating_sub(WITHDRAWN_MAX);
        self.withdrawn.drain(..excess);
        Ok(())
    }

    fn check_full(&self, id: &str) -> Result<()> {
        let is_full = self.members.iter().any(Member::is_full);
        is_full.then_some(()).ok_or_else(|| Error::new(Kind::LastFull, id))
    }
}

/// Grants as a roster holds them: sorted, none doubled, `*` alone.
#[must_use]
pub fn normal(mut grants: Vec<Grant>) -> Vec<Grant> {
    if grants.contains(&Grant::Full) {
        return vec![Grant::Full];
    }
    grants.sort_by_key(Grant::to_string);
    grants.dedup();
    grants
}

/// The first roster of a project, and the access that it gives to its only member.
///
/// # Errors
/// `Random`.
pub fn found(
    founder: &Identity,
    project: &str,
    epoch: Epoch,
    project_key: Key,
    draft: Draft,
    random: &mut dyn FnMut() -> Result<Key>,
) -> Result<(Roster, Access)> {
    let keys = Keys::Full { project_key, earlier: Vec::new() };
    let access = Access::new(project, epoch, &founder.id, keys);
    // The founder is a full member: the environments matter only to limited ones.
    let roster = access.compose(founder, draft, &[], random)?;
    Ok((roster, access))
}

impl Access {
    fn new(project: &str, epoch: Epoch, member: &str, keys: Keys) -> Self {
        Access { project: project.to_string(), epoch, member: member.to_string(), keys }
    }

    /// Project id.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The epoch of these keys.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Member id; empty for the holder of a project or scope key.
    #[must_use]
    pub fn member(&self) -> &str {
        &self.member
    }

    /// True if the project key is there.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.keys, Keys::Full { .. })
    }

    fn place(&self) -> Place<'_> {
        Place { project: &self.project, epoch: self.epoch.to_bytes() }
    }

    /// What only a full member has: the project key, and the roster keys of earlier epochs.
    fn full(&self) -> Result<(&Key, &[(Epoch, Key)])> {
        match &self.keys {
            Keys::Full { project_key, earlier } => Ok((project_key, earlier)),
            _ => Err(Error::new(Kind::NotFull, self.holder())),
        }
    }

    /// The key that the witness keys of this epoch come from.
    fn roster_key(&self) -> Result<Key> {
        Ok(kdf::roster(self.full()?.0, self.place()))
    }

    /// The key of one scope; `None` if the grants do not give it.
    #[must_use]
    pub fn scope_key<'a>(&'a self, name: &'a ScopeName) -> Option<ScopeKey<'a>> {
        let place = self.place();
        let derive =
            |env_key: &Key| kdf::scope(env_key, place, &name.env, &name.service, name.kind.word());
        let key = match &self.keys {
            Keys::Full { project_key, .. } => derive(&kdf::env(project_key, place, &name.env)),
            Keys::Limited { .. } | Keys::Scope(_) => {
                let found = self.scopes().iter().find(|keys| {
                    keys.env == name.env
                        && (keys.service.is_empty() || keys.service == name.service)
                })?;
                match (&found.files, name.kind) {
                    (None, _) => derive(&found.key),
                    (Some(_), ScopeKind::Values) => found.key.duplicate(),
                    (Some(files), ScopeKind::Files) => files.duplicate(),
                }
            }
        };
        Some(ScopeKey { key, project: &self.project, epoch: self.epoch, name })
    }

    fn scopes(&self) -> &[ScopeKeys] {
        match &self.keys {
            Keys::Full { .. } => &[],
            Keys::Limited { scopes, .. } => scopes,
            Keys::Scope(keys) => std::slice::from_ref(keys),
        }
    }

    /// This member's witness key of the epoch, for the pin.
    #[must_use]
    pub fn witness(&self) -> Option<Key> {
        match &self.keys {
            Keys::Limited { witness, .. } => Some(witness.duplicate()),
            Keys::Full { .. } | Keys::Scope(_) => {
                Some(kdf::witness(&self.roster_key().ok()?, &self.member))
            }
        }
    }

    /// The access of a full member to the next epoch, with a new project key. The roster keys of the
    /// epochs before are kept, so that who knows one of them can follow (FORMAT 4.6).
    ///
    /// # Errors
    /// `NotFull`.
    pub fn rotated(&self, epoch: Epoch, project_key: Key) -> Result<Access> {
        let (_, earlier) = self.full()?;
        let excess = (earlier.len() + 2).saturating_sub(WITNESSES_MAX);
        let kept = earlier.iter().skip(excess).map(|(epoch, key)| (*epoch, key.duplicate()));
        let earlier = kept.chain([(self.epoch, self.roster_key()?)]).collect();
        let keys = Keys::Full { project_key, earlier };
        Ok(Access::new(&self.project, epoch, &self.member, keys))
    }

    /// What a new member must know of the project to open it without a question (FORMAT 10.2).
    ///
    /// # Errors
    /// `NotFull`.
    pub fn origin_for(&self, id: &str) -> Result<Origin> {
        let witness = kdf::witness(&self.roster_key()?, id);
        Ok(Origin { project: self.project.clone(), epoch: self.epoch, witness })
    }

    /// The key of sync manifests (FORMAT 2.5).
    #[must_use]
    pub fn state_key(&self) -> Option<Key> {
        match &self.keys {
            Keys::Full { project_key, .. } => Some(kdf::state(project_key, self.place())),
            Keys::Limited { state, .. } => Some(state.duplicate()),
            Keys::Scope(_) => None,
        }
    }

    /// Makes the roster that a draft describes, in this epoch (FORMAT 4.4 to 4.8). `random` gives
    /// a fresh key for each wrap.
    ///
    /// # Errors
    /// `NotFull` without the project key or without being its author; `Random`; `BadText` for a
    /// public key that is refused.
    pub fn compose(
        &self,
        author: &Identity,
        draft: Draft,
        envs: &[String],
        random: &mut dyn FnMut() -> Result<Key>,
    ) -> Result<Roster> {
        let (_, earlier) = self.full()?;
        let own = self.roster_key()?;
        if author.id != self.member {
            return Err(Error::new(Kind::NotFull, &author.id));
        }
        let mut roster = Roster {
            project: self.project.clone(),
            epoch: self.epoch,
            sequence: draft.sequence,
            author: author.id.clone(),
            config: draft.config,
            config_before: draft.config_before,
            members: draft.members,
            removed: draft.removed,
            withdrawn: draft.withdrawn,
            seal: [0; 32],
        };
        let statement = roster.statement();
        roster.seal = mac(&kdf::witness(&own, ""), &statement);
        let place = self.place();
        for member in &mut roster.members {
            let refused =
                || Error::new(Kind::BadText, &member.id).because("its public key is refused");
            let (bundle, ephemeral) = (self.bundle(member, envs)?, random()?);
            let shared = wrap::agree(&author.secret, &member.public).ok_or_else(refused)?;
            member.wrap = wrap::seal(&ephemeral, &member.public, place, &statement, &bundle)
                .ok_or_else(refused)?;
            let key = kdf::introduction(&shared, &author.public, &member.public, place);
            member.introduction = member.vouch(&key, &statement);
            let epochs =
                earlier.iter().map(|(epoch, key)| (*epoch, key)).chain([(self.epoch, &own)]);
            let vouch =
                |(epoch, key)| (epoch, member.vouch(&kdf::witness(key, &member.id), &statement));
            member.witnesses = epochs.map(vouch).collect();
        }
        Ok(roster)
    }

    /// What a member's wrap holds: exactly the keys that its grants give (FORMAT 4.5).
    fn bundle(&self, member: &Member, envs: &[String]) -> Result<Secret> {
        let (project_key, earlier) = self.full()?;
        let mut out = Writer::with_capacity(1024);
        if member.is_full() {
            out.raw(&[FULL]).raw(project_key.expose()).count(earlier.len());
            for (epoch, key) in earlier {
                out.raw(&epoch.to_bytes()).raw(key.expose());
            }
            return Ok(out.0);
        }
        let places = granted_places(&member.grants, envs);
        if places.len() > SCOPE_KEYS_MAX {
            let error = Error::new(Kind::Limit, &member.id);
            return Err(error.because("its grants give more than 512 keys"));
        }
        let place = self.place();
        let witness = kdf::witness(&self.roster_key()?, &member.id);
        let state = kdf::state(project_key, place);
        out.raw(&[LIMITED]).raw(state.expose()).raw(witness.expose()).count(places.len());
        for (env, service) in places {
            out.field(env.as_bytes()).field(service.as_bytes());
            let env_key = kdf::env(project_key, place, env);
            if service.is_empty() {
                out.raw(env_key.expose());
                continue;
            }
            for kind in ScopeKind::ALL {
                out.raw(kdf::scope(&env_key, place, env, service, kind.word()).expose());
            }
        }
        Ok(out.0)
    }
}

const FULL: u8 = 1;
const LIMITED: u8 = 2;

/// Environment and service of each key that the grants give, sorted; no service: the whole
/// environment.
fn granted_places<'a>(grants: &'a [Grant], envs: &'a [String]) -> BTreeSet<(&'a str, &'a str)> {
    let mut places = BTreeSet::new();
    for grant in grants {
        match grant {
            Grant::Full => {}
            Grant::Env(env) => drop(places.insert((env.as_str(), ""))),
            Grant::Scope(service, env) => drop(places.insert((env.as_str(), service.as_str()))),
            Grant::Service(service) => {
                places.extend(envs.iter().map(|env| (env.as_str(), service.as_str())));
            }
        }
    }
    places
}
