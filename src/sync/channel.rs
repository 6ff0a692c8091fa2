//! The channel between a client and a server whose public key it knows (PROTOCOL 2), and the seal of
//! a token that waits for its member.
//!
//! Promises: only the holder of the server's secret key opens a request, and only with it is a
//! response made that the client opens; a response belongs to one request. Fresh keys for each, so
//! the nonce is zero. Refuses to say why something does not open; of a pipe, frames over their limit.

use crate::crypto::hash::{Digest, hash};
use crate::crypto::wrap::{agree, public_key};
use crate::crypto::{aead, kdf, length_prefixed, random};
use crate::error::{Error, Kind, Result};
use crate::format::bytes::Writer;
use crate::format::message::token::Credential;
use crate::format::message::{Part, whole};
use crate::secret::{Key, Secret};
use std::io::{self, ErrorKind, Read};

/// The first bytes on a pipe, before the server's public key (PROTOCOL 10.1).
pub const GREETING: &[u8] = b"kagi-server 1\n";
const NONCE: [u8; aead::NONCE_BYTES] = [0; aead::NONCE_BYTES];

/// What a client needs to open the response to its request.
pub struct Expecting {
    ephemeral: Key,
    shared: Key,
    request: Digest,
}

/// Seals a request to a server: ephemeral public key ‖ ciphertext ‖ tag (PROTOCOL 2.2).
///
/// # Errors
/// `Random`; `BadText` for a public key that is refused.
pub fn seal_request(server: &[u8; 32], plaintext: &Secret) -> Result<(Vec<u8>, Expecting)> {
    let refused = || Error::new(Kind::BadText, "the server's public key").because("it is refused");
    seal_request_with(random::key()?, server, plaintext).ok_or_else(refused)
}

/// The same for a caller that draws the ephemeral key. It must be fresh, for the nonce is zero.
/// `None` for a public key that is refused.
#[must_use]
pub fn seal_request_with(
    ephemeral: Key,
    server: &[u8; 32],
    plaintext: &Secret,
) -> Option<(Vec<u8>, Expecting)> {
    let head = public_key(&ephemeral);
    let shared = agree(&ephemeral, server)?;
    let key = kdf::request(&shared, &head, server);
    let bytes = aead::seal_after(&head, &key, &NONCE, &[], plaintext);
    let request = hash(&bytes);
    Some((bytes, Expecting { ephemeral, shared, request }))
}

impl Expecting {
    /// Opens the response; `None` if the server that the request was for has not made it
    /// (PROTOCOL 2.3).
    #[must_use]
    pub fn open(&self, response: &[u8]) -> Option<Secret> {
        let (head, sealed) = response.split_first_chunk()?;
        let fresh = agree(&self.ephemeral, head)?;
        let key = kdf::response(&self.shared, &fresh, &self.request, head);
        aead::open(&key, &NONCE, &[], sealed)
    }
}

/// What a server needs to answer a request.
pub struct Answering {
    client: [u8; 32],
    shared: Key,
    request: Digest,
}

/// Opens a request; `None` if it is not for this server, or damaged (PROTOCOL 2.2).
#[must_use]
pub fn open_request(secret: &Key, public: &[u8; 32], bytes: &[u8]) -> Option<(Secret, Answering)> {
    let (head, sealed) = bytes.split_first_chunk()?;
    let shared = agree(secret, head)?;
    let plaintext = aead::open(&kdf::request(&shared, head, public), &NONCE, &[], sealed)?;
    Some((plaintext, Answering { client: *head, shared, request: hash(bytes) }))
}

impl Answering {
    /// Seals the response (PROTOCOL 2.3).
    ///
    /// # Errors
    /// `Random`.
    pub fn seal(&self, plaintext: &Secret) -> Result<Vec<u8>> {
        let ephemeral = random::key()?;
        let head = public_key(&ephemeral);
        // The client's key was agreed with before, so it is not refused now.
        let fresh = agree(&ephemeral, &self.client)
            .ok_or_else(|| Error::new(Kind::Unauthentic, "the request"))?;
        let key = kdf::response(&self.shared, &fresh, &self.request, &head);
        Ok(aead::seal_after(&head, &key, &NONCE, &[], plaintext))
    }
}

/// Seals a credential to a member, who alone can fetch it then (PROTOCOL 4.6).
///
/// # Errors
/// `Random`; `BadText` for a public key that is refused.
pub fn seal_credential(
    member: &str,
    public: &[u8; 32],
    project: &str,
    credential: &Credential,
) -> Result<Vec<u8>> {
    let ephemeral = random::key()?;
    let head = public_key(&ephemeral);
    let refused = || Error::new(Kind::BadText, member).because("its public key is refused");
    let shared = agree(&ephemeral, public).ok_or_else(refused)?;
    let mut text = Writer::with_capacity(128);
    credential.write(&mut text);
    let key = kdf::token(&shared, &head, public, project);
    let aad = length_prefixed(&[project.as_bytes(), member.as_bytes()]);
    Ok(aead::seal_after(&head, &key, &NONCE, &aad, &text.0))
}

/// Opens a credential that was sealed to this member; `None` if it was not (PROTOCOL 4.6).
#[must_use]
pub fn open_credential(
    member: &str,
    secret: &Key,
    public: &[u8; 32],
    project: &str,
    sealed: &[u8],
) -> Option<Credential> {
    let (head, text) = sealed.split_first_chunk()?;
    let key = kdf::token(&agree(secret, head)?, head, public, project);
    let aad = length_prefixed(&[project.as_bytes(), member.as_bytes()]);
    whole(aead::open(&key, &NONCE, &aad, text)?.expose())
}

/// A frame of a pipe (PROTOCOL 10.2).
#[must_use]
pub fn frame(bytes: &[u8]) -> Vec<u8> {
    length_prefixed(&[bytes])
}

/// The bytes of the next frame; `None` at the end of the input (PROTOCOL 10.2).
///
/// # Errors
/// `InvalidData` for more than `bytes_max`, `UnexpectedEof`, and what the pipe says.
pub fn read_frame(input: &mut dyn Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(cause) if cause.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length > bytes_max) {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    let read = input.take(u64::from(length)).read_to_end(&mut bytes)?;
    if read as u64 != u64::from(length) {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(bytes))
}
