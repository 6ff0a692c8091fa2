//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03, FORMAT 1.3), in place on a wiped buffer.

use crate::secret::{Key, Part, Secret};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 24;
/// Bytes of a tag, at the end of every ciphertext.
pub const TAG_BYTES: usize = 16;

/// Encrypts; the result is ciphertext ‖ tag, as long as the plaintext plus `TAG_BYTES`.
/// A (key, nonce) pair must be used once: the callers take a random nonce, or a key that is fresh.
#[must_use]
pub fn seal(key: &Key, nonce: &[u8; NONCE_BYTES], aad: &[u8], plaintext: &Secret) -> Vec<u8> {
    seal_after(&[], key, nonce, aad, plaintext)
}

/// The same behind bytes that stay as they are.
#[must_use]
pub fn seal_after(
    head: &[u8],
    key: &Key,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    plaintext: &Secret,
) -> Vec<u8> {
    let mut text = Vec::with_capacity(head.len() + plaintext.len() + TAG_BYTES);
    text.extend_from_slice(head);
    text.extend_from_slice(plaintext.expose());
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let sealed = (&mut text[head.len()..]).into();
    match cipher.encrypt_inout_detached(&XNonce::from(*nonce), aad, sealed) {
        Ok(tag) => text.extend_from_slice(&tag),
        // Only for texts over 256 GiB; an empty result opens nowhere and holds no plaintext.
        Err(_) => return Vec::new(),
    }
    text
}

/// Decrypts; `None` if the tag does not hold. Nothing of an unauthentic text is returned.
#[must_use]
pub fn open(key: &Key, nonce: &[u8; NONCE_BYTES], aad: &[u8], ciphertext: &[u8]) -> Option<Secret> {
    let (text, tag) = ciphertext.split_at_checked(ciphertext.len().checked_sub(TAG_BYTES)?)?;
    let tag = Tag::try_from(tag).ok()?;
    let mut plaintext = Secret::copy_of(text);
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    cipher
        .decrypt_inout_detached(&XNonce::from(*nonce), aad, plaintext.expose_mut().into(), &tag)
        .ok()?;
    Some(plaintext)
}

/// The same of nonce ‖ ciphertext ‖ tag, without a copy: the plaintext takes the place of the ciphertext.
#[must_use]
pub fn open_in_place(key: &Key, aad: &[u8], sealed: Vec<u8>) -> Option<Part> {
    let end = sealed.len().checked_sub(TAG_BYTES)?;
    let mut whole = Secret::from_vec(sealed);
    let (nonce, rest) = whole.expose_mut().split_first_chunk_mut::<NONCE_BYTES>()?;
    let (text, tag) = rest.split_last_chunk_mut::<TAG_BYTES>()?;
    let cipher = XChaCha20Poly1305::new(key.expose().into());
    let (nonce, tag) = (XNonce::from(*nonce), Tag::from(*tag));
    cipher.decrypt_inout_detached(&nonce, aad, text.into(), &tag).ok()?;
    Part::from(whole).part(NONCE_BYTES..end)
}
