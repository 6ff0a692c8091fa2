//! Identities, project keys and scope keys as text: files, variables, paper (FORMAT 10).
//!
//! Promises: every buffer on the way is wiped; a text has a checksum, so that a typing error is
//! told from a foreign key. Refuses: anything before or after the text but white space; only what
//! was typed off paper may have it inside.

use crate::crypto::hash::hash;
use crate::crypto::wrap::public_key;
use crate::error::{Error, Kind, Result};
use crate::format::bytes::{Reader, Writer};
use crate::format::names::{Epoch, check_place, is_id, member_id};
use crate::format::text::{BASE32, HEX};
use crate::secret::{Key, Secret};

/// Bytes of an identity's text; anchors are what makes it long.
pub const IDENTITY_BYTES_MAX: usize = 16 * 1024;
const PREFIX: &str = "kagi_identity_v1_";
const SCOPE_PREFIX: &str = "kagi_key_v1_";
/// Groups of a line on paper, and symbols of a group.
const PAPER: (usize, usize) = (4, 4);
const CHECKSUM_BYTES: usize = 4;

/// What an identity knew of a project when it was made: enough to accept a later roster of it.
pub struct Origin {
    /// Project id.
    pub project: String,
    /// The epoch of `witness`.
    pub epoch: Epoch,
    /// The member's witness key of that epoch.
    pub witness: Key,
}

/// One device's X25519 key, and whom it trusts from the start.
pub struct Identity {
    /// The secret key.
    pub secret: Key,
    /// Its public key.
    pub public: [u8; 32],
    /// Its member id.
    pub id: String,
    /// The project that it was made for, if any.
    pub origin: Option<Origin>,
    /// Members whose introduction of a roster is believed, sorted.
    pub anchors: Vec<String>,
}

impl Identity {
    /// An identity without origin and anchors.
    #[must_use]
    pub fn new(secret: Key) -> Self {
        let public = public_key(&secret);
        Identity::with_public(secret, public)
    }

    /// The same where the public key is at hand: to compute it takes longer than all else that
    /// `run` does but one. With a foreign one nothing opens.
    #[must_use]
    pub fn with_public(secret: Key, public: [u8; 32]) -> Self {
        Identity { secret, public, id: member_id(&public), origin: None, anchors: Vec::new() }
    }

    /// The identity, if its public key is that of its secret key.
    ///
    /// # Errors
    /// `BadText` naming `subject`.
    pub fn checked(self, subject: &str) -> Result<Self> {
        if public_key(&self.secret) == self.public {
            return Ok(self);
        }
        let error = Error::new(Kind::BadText, subject);
        Err(error.because("its public key is not that of its identity"))
    }

    /// `kagi_identity_v1_…` (FORMAT 10.1).
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut out = Writer::with_capacity(256 + 32 * self.anchors.len());
        out.raw(self.secret.expose());
        match &self.origin {
            None => out.field(b""),
            Some(origin) => out
                .field(origin.project.as_bytes())
                .raw(&origin.epoch.to_bytes())
                .raw(origin.witness.expose()),
        };
        for anchor in &self.anchors {
            out.field(anchor.as_bytes());
        }
        text_of(PREFIX, out)
    }

    /// Reads an identity's text, with the public key if that is at hand.
    ///
    /// # Errors
    /// `BadText` naming `subject`, for a wrong prefix, checksum or content.
    pub fn from_text(subject: &str, text: &str, public: Option<[u8; 32]>) -> Result<Self> {
        let content = content_of(PREFIX, subject, text)?;
        decode(content.expose(), public).ok_or_else(|| malformed(subject))
    }

    /// The same as it was typed off paper: with white space and hyphens inside, and in either
    /// case (FORMAT 10.7).
    ///
    /// # Errors
    /// As `from_text`.
    pub fn from_paper(subject: &str, typed: &Secret) -> Result<Self> {
        let mut text = Secret::with_capacity(typed.len());
        let is_layout = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'-';
        for part in typed.expose().split(is_layout) {
            text.push(part);
        }
        text.expose_mut().make_ascii_lowercase();
        Identity::from_text(subject, text.expose_str(subject)?, None)
    }
}

/// An identity as it is written down: its text, the prefix on a line, then four groups of four a
/// line (FORMAT 10.7).
#[must_use]
pub fn paper(identity: &Identity) -> Secret {
    let text = identity.to_text();
    let (prefix, body) = text.expose().split_at(PREFIX.len());
    let mut lines = Secret::with_capacity(2 * text.len());
    lines.push(prefix);
    for (at, group) in body.chunks(PAPER.1).enumerate() {
        lines.push(if at % PAPER.0 == 0 { b"\n" } else { b" " });
        lines.push(group);
    }
    lines.push(b"\n");
    lines
}

pub(super) fn malformed(subject: &str) -> Error {
    Error::new(Kind::BadText, subject).because("its content is malformed")
}

/// The prefix and the base32 of a content with its checksum (FORMAT 10.1).
pub(super) fn text_of(prefix: &str, mut content: Writer) -> Secret {
    let checksum = hash(content.0.expose());
    content.raw(&checksum[..CHECKSUM_BYTES]);
    let body = Secret::from_vec(BASE32.encode(content.0.expose()).into_bytes());
    let mut text = Secret::with_capacity(prefix.len() + body.len());
    text.push(prefix.as_bytes());
    text.push(body.expose());
    text
}

/// The content of such a text, without the checksum.
pub(super) fn content_of(prefix: &str, subject: &str, text: &str) -> Result<Secret> {
    let bad = |rule| Error::new(Kind::BadText, subject).because(rule);
    let body = text
        .trim_ascii()
        .strip_prefix(prefix)
        .filter(|body| body.len() <= IDENTITY_BYTES_MAX)
        .ok_or_else(|| bad(format!("it does not begin with {prefix}")))?;
    let typing_error = |what| bad(format!("it has a typing error{what}"));
    let mut bytes = BASE32.decode(body).ok_or_else(|| typing_error(""))?;
    let split = bytes.expose().split_last_chunk::<CHECKSUM_BYTES>();
    let length = split
        .filter(|(content, checksum)| hash(content).starts_with(*checksum))
        .map(|(content, _)| content.len())
        .ok_or_else(|| typing_error(" or is cut short"))?;
    bytes.truncate(length);
    Ok(bytes)
}

/// FORMAT 10.2.
fn decode(content: &[u8], public: Option<[u8; 32]>) -> Option<Identity> {
    let mut reader = Reader(content);
    let secret = reader.key()?;
    let mut identity = match public {
        Some(public) => Identity::with_public(secret, public),
        None => Identity::new(secret),
    };
    let project = reader.text()?;
    if !project.is_empty() {
        identity.origin = Some(Origin {
            project: is_id("kgp_", project).then(|| project.to_string())?,
            epoch: Epoch::from_bytes(reader.raw()?)?,
            witness: reader.key()?,
        });
    }
    while reader.end().is_none() {
        let anchor = reader.text()?;
        identity.anchors.push(is_id("kgm_", anchor).then(|| anchor.to_string())?);
    }
    let sorted = identity.anchors.is_sorted_by(|one, next| one < next);
    sorted.then_some(identity)
}

/// A project key from its 64 hex digits (FORMAT 10.3).
///
/// # Errors
/// `BadText` naming `subject`.
pub fn project_key(subject: &str, text: &Secret) -> Result<Key> {
    HEX.decode(text.expose_str(subject)?.trim_ascii())
        .and_then(|bytes| Key::from_slice(bytes.expose()))
        .ok_or_else(|| {
            Error::new(Kind::BadText, subject).because("it is not 64 hex digits in lower case")
        })
}

/// The keys of one scope in one epoch: what `KAGI_PROJECT_KEY` may hold in place of a project key.
/// Nothing in it could check a roster, or make one.
pub struct ScopeHolder {
    /// Project id.
    pub project: String,
    /// The epoch of the keys.
    pub epoch: Epoch,
    /// Service.
    pub service: String,
    /// Environment.
    pub env: String,
    /// `K_scope` of the values.
    pub values: Key,
    /// `K_scope` of the files.
    pub files: Key,
}

impl ScopeHolder {
    /// True for a text that begins like one.
    #[must_use]
    pub fn is_meant(text: &Secret) -> bool {
        text.expose().trim_ascii_start().starts_with(SCOPE_PREFIX.as_bytes())
    }

    /// `kagi_key_v1_…` (FORMAT 10.5).
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut out = Writer::with_capacity(512);
        out.field(self.project.as_bytes())
            .raw(&self.epoch.to_bytes())
            .field(self.service.as_bytes())
            .field(self.env.as_bytes())
            .raw(self.values.expose())
            .raw(self.files.expose());
        text_of(SCOPE_PREFIX, out)
    }

    /// Reads a scope key's text.
    ///
    /// # Errors
    /// `BadText` naming `subject`, for a wrong prefix, checksum or content.
    pub fn from_text(subject: &str, text: &Secret) -> Result<Self> {
        let content = content_of(SCOPE_PREFIX, subject, text.expose_str(subject)?)?;
        let holder = ScopeHolder::decode(content.expose());
        holder.filter(ScopeHolder::is_sound).ok_or_else(|| malformed(subject))
    }

    fn decode(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let holder = ScopeHolder {
            project: reader.text()?.to_string(),
            epoch: Epoch::from_bytes(reader.raw()?)?,
            service: reader.text()?.to_string(),
            env: reader.text()?.to_string(),
            values: reader.key()?,
            files: reader.key()?,
        };
        reader.end()?;
        Some(holder)
    }

    /// FORMAT 10.5, and 3.7: a service may not be named like an environment.
    fn is_sound(&self) -> bool {
        is_id("kgp_", &self.project)
            && check_place(&self.service).is_ok()
            && check_place(&self.env).is_ok()
            && !self.service.eq_ignore_ascii_case(&self.env)
    }
}
