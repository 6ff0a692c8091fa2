//! `$KAGI_HOME/projects/<project id>/pin.json` and `$KAGI_HOME/identity.json`: what this device
//! knows (FORMAT 11). Both begin with one secret, which never passes through the JSON reader.

use crate::error::{Error, Kind, Result};
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::names::{Epoch, check_place, is_id};
use crate::format::text::HEX;
use crate::secret::{Key, Secret};
use std::collections::BTreeMap;

/// Bytes of a pin.
pub const PIN_BYTES_MAX: usize = 4 * 1024 * 1024;
const NO_EPOCH: &str = "";

/// What a device remembers of one project.
#[derive(Default)]
pub struct Pin {
    /// The epoch last accepted and this member's witness key of it; `None` before the first.
    pub accepted: Option<(Epoch, Key)>,
    /// The member that the witness key belongs to.
    pub member: String,
    /// Members whose introduction of a roster is believed.
    pub anchors: Vec<String>,
    /// `values/api/production` to the newest sequence number seen.
    pub sequences: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct PinText {
    format: u32,
    epoch: String,
    member: String,
    anchors: Vec<String>,
    sequences: BTreeMap<String, u64>,
}

impl Pin {
    /// The file's bytes (FORMAT 11.2).
    #[must_use]
    pub fn write(&self) -> Secret {
        let (epoch, witness) = match &self.accepted {
            None => (NO_EPOCH.to_string(), String::new()),
            Some((epoch, key)) => (epoch.to_string(), HEX.encode(key.expose())),
        };
        let rest = json::write(&PinText {
            format: 1,
            epoch,
            member: self.member.clone(),
            anchors: self.anchors.clone(),
            sequences: self.sequences.clone(),
        });
        with_secret("witness", &Secret::from_vec(witness.into_bytes()), &rest)
    }

    /// Reads a pin.
    ///
    /// # Errors
    /// `TooLarge` or `NotCanonical` naming `subject`.
    pub fn read(subject: &str, bytes: &[u8]) -> Result<Self> {
        let malformed = || Error::new(Kind::NotCanonical, subject);
        let (witness, rest) = without_secret("witness", bytes).ok_or_else(malformed)?;
        let text: PinText = json::read(subject, &rest, PIN_BYTES_MAX)?;
        let accepted = match text.epoch.as_str() {
            NO_EPOCH if witness.is_empty() => None,
            epoch => Some((
                Epoch::parse(epoch).ok_or_else(malformed)?,
                HEX.decode(witness)
                    .and_then(|bytes| Key::from_slice(bytes.expose()))
                    .ok_or_else(malformed)?,
            )),
        };
        let is_member =
            is_id("kgm_", &text.member) || (text.member.is_empty() && accepted.is_none());
        let is_anchored = text.anchors.iter().all(|id| is_id("kgm_", id));
        let is_named = text.sequences.keys().all(|name| is_scope(name)); // FORMAT 11.2
        (text.format == 1 && is_member && is_anchored && is_named)
            .then_some(Pin {
                accepted,
                member: text.member,
                anchors: text.anchors,
                sequences: text.sequences,
            })
            .ok_or_else(malformed)
    }
}

/// True for `values/SERVICE/ENV` or `files/SERVICE/ENV`.
fn is_scope(name: &str) -> bool {
    let mut parts = name.split('/');
    matches!(parts.next(), Some("values" | "files"))
        && parts.clone().count() == 2
        && parts.all(|part| check_place(part).is_ok())
}

/// Puts `"name": "secret"` before the first member of a JSON object (FORMAT 11.5).
#[must_use]
pub fn with_secret(name: &str, secret: &Secret, rest: &str) -> Secret {
    let members = rest.strip_prefix('{').unwrap_or(rest);
    let mut text = Secret::with_capacity(rest.len() + secret.len() + name.len() + 16);
    for part in ["{\n  \"", name, "\": \""] {
        text.push(part.as_bytes());
    }
    text.push(secret.expose());
    text.push(b"\",");
    text.push(members.as_bytes());
    text
}

/// The reverse: the secret as text, and the object without it.
#[must_use]
pub fn without_secret<'a>(name: &str, bytes: &'a [u8]) -> Option<(&'a str, Vec<u8>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix("{\n  \"")?.strip_prefix(name)?;
    let (secret, members) = text.strip_prefix("\": \"")?.split_once("\",")?;
    Some((secret, format!("{{{members}").into_bytes()))
}
