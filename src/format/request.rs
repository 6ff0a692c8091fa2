//! `.kagi/requests/<member id>.json`: a device asks to become a member (FORMAT 12).
//!
//! Promises: the id is that of the public key, so whoever was told the id cannot be given another
//! key. Nothing else in a request is vouched for.

use crate::crypto::wrap::is_canonical;
use crate::error::{Error, Kind, Result};
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::names::{check_member_name, member_id};
use crate::format::rules_of;
use crate::format::text::HEX;

/// Bytes of a request.
pub const REQUEST_BYTES_MAX: usize = 1024;
/// Requests that are read.
pub const REQUESTS_MAX: usize = 64;

/// A request.
pub struct Request {
    /// Member id: the fingerprint of `public`.
    pub id: String,
    /// X25519 public key.
    pub public: [u8; 32],
    /// What the device calls itself.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
struct RequestText {
    format: u32,
    id: String,
    name: String,
    public_key: String,
}

impl Request {
    /// The request of a public key.
    #[must_use]
    pub fn new(public: [u8; 32], name: &str) -> Self {
        Request { id: member_id(&public), public, name: name.to_string() }
    }

    /// Its file below `.kagi/`.
    #[must_use]
    pub fn file(id: &str) -> String {
        format!("requests/{id}.json")
    }

    /// The canonical text.
    #[must_use]
    pub fn write(&self) -> String {
        let (id, name) = (self.id.clone(), self.name.clone());
        json::write(&RequestText { format: 1, id, name, public_key: HEX.encode(&self.public) })
    }

    /// Reads a request.
    ///
    /// # Errors
    /// `TooLarge`, `NotCanonical`, or `BadText` with the rule that is broken.
    pub fn read(subject: &str, bytes: &[u8]) -> Result<Self> {
        let text: RequestText = json::read(subject, bytes, REQUEST_BYTES_MAX)?;
        let malformed = || Error::new(Kind::BadText, subject).because("a field is malformed");
        let public = HEX.decode(&text.public_key).and_then(|key| key.expose().try_into().ok());
        let public = public.filter(|_| text.format == 1).ok_or_else(malformed)?;
        let check = rules_of(subject);
        check(is_canonical(&public), "its public key is not canonical")?; // FORMAT 1.5
        let is_own = text.id == member_id(&public);
        check(is_own, "its id is not the hash of its public key")?; // FORMAT 12.2
        let is_named = check_member_name(&text.name).is_ok();
        check(is_named, "its name is malformed")?; // FORMAT 3.6
        Ok(Request { id: text.id, public, name: text.name })
    }
}
