//! Identities and project keys as text, for files and variables (FORMAT 10).
//!
//! Promises: every buffer on the way is wiped; a text has a checksum, so that a typing error is
//! told from a foreign key. Refuses: anything before or after the text but white space.

use crate::crypto::hash::hash;
use crate::crypto::wrap::public_key;
use crate::error::{Error, Kind, Result};
use crate::format::bytes::{Reader, Writer};
use crate::format::names::{Epoch, is_id, member_id};
use crate::format::text::{BASE32, HEX};
use crate::secret::{Key, Secret};

/// Bytes of an identity's text; anchors are what makes it long.
pub const IDENTITY_BYTES_MAX: usize = 16 * 1024;
const PREFIX: &str = "kagi_identity_v1_";
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
        let checksum = hash(out.0.expose());
        out.raw(&checksum[..CHECKSUM_BYTES]);
        let body = Secret::from_vec(BASE32.encode(out.0.expose()).into_bytes());
        let mut text = Secret::with_capacity(PREFIX.len() + body.len());
        text.push(PREFIX.as_bytes());
        text.push(body.expose());
        text
    }

    /// Reads an identity's text, with the public key if that is at hand.
    ///
    /// # Errors
    /// `BadText` naming `subject`, for a wrong prefix, checksum or content.
    pub fn from_text(subject: &str, text: &str, public: Option<[u8; 32]>) -> Result<Self> {
        let bad = |rule| Error::new(Kind::BadText, subject).because(rule);
        let body = text
            .trim_ascii()
            .strip_prefix(PREFIX)
            .filter(|body| body.len() <= IDENTITY_BYTES_MAX)
            .ok_or_else(|| bad("it does not begin with kagi_identity_v1_"))?;
        let bytes = BASE32.decode(body).ok_or_else(|| bad("it has a typing error"))?;
        let split = bytes.expose().split_last_chunk::<CHECKSUM_BYTES>();
        let (content, _) = split
            .filter(|(content, checksum)| hash(content).starts_with(*checksum))
            .ok_or_else(|| bad("it has a typing error or is cut short"))?;
        decode(content, public).ok_or_else(|| bad("its content is malformed"))
    }
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
