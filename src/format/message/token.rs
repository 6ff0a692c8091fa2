//! Tokens and the keys of a server, as text (PROTOCOL 4).
//!
//! Promises: a token names the server's public key, so what it says is sent to nobody else; every
//! buffer on the way is wiped. Refuses anything that is not exactly what is written here.

use crate::crypto::hash::hash;
use crate::crypto::wrap::{is_canonical, public_key};
use crate::error::Result;
use crate::format::bytes::{Reader, Writer};
use crate::format::key_text::{content_of, malformed, text_of};
use crate::format::message::{Part, parts, whole};
use crate::format::names::is_id;
use crate::format::text::BASE32;
use crate::secret::{Key, Secret};

/// Bytes of the address of a remote.
pub const REMOTE_BYTES_MAX: usize = 1024;
/// Bytes of a token's text.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Anchors in one token.
const ANCHORS_MAX: usize = 256;
/// What a project token begins with.
pub const PROJECT_PREFIX: &str = "kagi_proj_v1_";
/// What an administrator's token begins with.
pub const ADMIN_PREFIX: &str = "kagi_admin_v1_";
const SERVER_PREFIX: &str = "kagi_server_v1_";
const ID_CHARACTERS: usize = 20;

/// What a server recognises a client by.
pub struct Credential {
    /// `kgt_…`, which may be shown.
    pub id: String,
    /// What only the holder knows.
    pub secret: Key,
}

impl Credential {
    /// A fresh one, from random bytes.
    #[must_use]
    pub fn new(id: [u8; 13], secret: Key) -> Self {
        Credential { id: format!("kgt_{}", &BASE32.encode(&id)[..ID_CHARACTERS]), secret }
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Credential { id: self.id.clone(), secret: self.secret.duplicate() }
    }
}

impl Part for Credential {
    fn write(&self, out: &mut Writer) {
        out.field(self.id.as_bytes()).raw(self.secret.expose());
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let id = String::read(reader).filter(|id| is_id("kgt_", id))?;
        Some(Credential { id, secret: reader.key()? })
    }
}

/// The fingerprint of a server's public key, for people (PROTOCOL 4.1).
#[must_use]
pub fn fingerprint(server: &[u8; 32]) -> String {
    format!("kgs_{}", &BASE32.encode(&hash(server))[..ID_CHARACTERS])
}

/// What lets a device reach one project on one server.
pub struct ProjectToken {
    /// The address of the server.
    pub remote: String,
    /// Project id.
    pub project: String,
    /// The server's public key.
    pub server: [u8; 32],
    /// What the server knows the holder by.
    pub credential: Credential,
    /// Members whose introduction of a roster is believed: the full ones when it was issued; sorted.
    pub anchors: Vec<String>,
}

impl ProjectToken {
    /// `kagi_proj_v1_…` (PROTOCOL 4.2).
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut out = Writer::with_capacity(512 + 32 * self.anchors.len());
        out.field(self.remote.as_bytes()).field(self.project.as_bytes()).raw(&self.server);
        self.credential.write(&mut out);
        for anchor in &self.anchors {
            out.field(anchor.as_bytes());
        }
        text_of(PROJECT_PREFIX, out)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `BadText` naming `subject`, for a wrong prefix, checksum or content.
    pub fn from_text(subject: &str, text: &str) -> Result<Self> {
        let content = content_of(PROJECT_PREFIX, subject, text)?;
        let token = ProjectToken::parse(content.expose()).filter(ProjectToken::is_sound);
        token.ok_or_else(|| malformed(subject))
    }

    fn parse(content: &[u8]) -> Option<Self> {
        let mut reader = Reader(content);
        let mut token = ProjectToken {
            remote: reader.text()?.to_string(),
            project: reader.text()?.to_string(),
            server: reader.raw()?,
            credential: Credential::read(&mut reader)?,
            anchors: Vec::new(),
        };
        while reader.end().is_none() {
            token.anchors.push(reader.text()?.to_string());
        }
        Some(token)
    }

    fn is_sound(&self) -> bool {
        is_remote(&self.remote)
            && is_id("kgp_", &self.project)
            && is_canonical(&self.server)
            && self.anchors.len() <= ANCHORS_MAX
            && self.anchors.iter().all(|id| is_id("kgm_", id))
            && self.anchors.is_sorted_by(|one, next| one < next)
    }
}

/// True for what can be the address of a remote: printable ASCII or a path, without blanks.
#[must_use]
pub fn is_remote(text: &str) -> bool {
    (1..=REMOTE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What makes its holder the administrator of one server.
pub struct AdminToken {
    /// The server's public key.
    pub server: [u8; 32],
    /// What the server knows the holder by.
    pub credential: Credential,
}
parts!(AdminToken { server, credential });

impl AdminToken {
    /// `kagi_admin_v1_…` (PROTOCOL 4.3).
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut out = Writer::with_capacity(256);
        self.write(&mut out);
        text_of(ADMIN_PREFIX, out)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// `BadText` naming `subject`.
    pub fn from_text(subject: &str, text: &str) -> Result<Self> {
        let content = content_of(ADMIN_PREFIX, subject, text)?;
        let token = whole(content.expose()).filter(|token: &Self| is_canonical(&token.server));
        token.ok_or_else(|| malformed(subject))
    }
}

/// What a server keeps secret: its key file holds nothing else.
pub struct ServerKeys {
    /// X25519 secret key.
    pub secret: Key,
    /// Its public key.
    pub public: [u8; 32],
    /// The key of the hashes of tokens.
    pub pepper: Key,
}

impl ServerKeys {
    /// Keys from random ones.
    #[must_use]
    pub fn new(secret: Key, pepper: Key) -> Self {
        let public = public_key(&secret);
        ServerKeys { secret, public, pepper }
    }

    /// `kagi_server_v1_…` and a line feed (PROTOCOL 4.4).
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let mut out = Writer::with_capacity(128);
        out.raw(self.secret.expose()).raw(self.pepper.expose());
        let mut text = text_of(SERVER_PREFIX, out);
        text.push(b"\n");
        text
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// `BadText` naming `subject`.
    pub fn from_text(subject: &str, text: &Secret) -> Result<Self> {
        let content = content_of(SERVER_PREFIX, subject, text.expose_str(subject)?)?;
        let mut reader = Reader(content.expose());
        match (reader.key(), reader.key(), reader.end()) {
            (Some(secret), Some(pepper), Some(())) => Ok(ServerKeys::new(secret, pepper)),
            _ => Err(malformed(subject)),
        }
    }
}
