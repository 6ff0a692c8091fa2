//! X25519 (RFC 7748, FORMAT 1.4), and the wrap: a few keys sealed to one public key.
//!
//! Refuses public keys that are not canonical and DH results that are all zero (FORMAT 1.5, 1.6).

use crate::crypto::{aead, kdf, kdf::Place};
use crate::secret::{Key, Secret};
use x25519_dalek::{PublicKey, StaticSecret};

/// Bytes of the ephemeral public key at the head of a wrap.
pub const EPHEMERAL_BYTES: usize = 32;

/// The prime 2^255 - 19, little-endian.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The public key of a secret key.
#[must_use]
pub fn public_key(secret: &Key) -> [u8; 32] {
    PublicKey::from(&StaticSecret::from(*secret.expose())).to_bytes()
}

/// True for a u-coordinate below the prime, so that each key has one encoding (FORMAT 1.5).
#[must_use]
pub fn is_canonical(public: &[u8; 32]) -> bool {
    public.iter().rev().lt(PRIME.iter().rev())
}

/// `DH(secret, public)`; `None` for a public key that is not canonical or of low order.
#[must_use]
pub fn agree(secret: &Key, public: &[u8; 32]) -> Option<Key> {
    if !is_canonical(public) {
        return None;
    }
    let shared = StaticSecret::from(*secret.expose()).diffie_hellman(&PublicKey::from(*public));
    shared.was_contributory().then(|| Key::new(shared.to_bytes()))
}

/// Seals `keys` to `recipient`: ephemeral public key ‖ ciphertext ‖ tag (FORMAT 4.4).
/// `ephemeral` must be fresh, for the nonce is zero. `None` for a bad recipient.
#[must_use]
pub fn seal(
    ephemeral: &Key,
    recipient: &[u8; 32],
    place: Place,
    aad: &[u8],
    keys: &Secret,
) -> Option<Vec<u8>> {
    let head = public_key(ephemeral);
    let key = kdf::wrap(&agree(ephemeral, recipient)?, &head, recipient, place);
    let mut wrap = head.to_vec();
    wrap.extend_from_slice(&aead::seal(&key, &[0; aead::NONCE_BYTES], aad, keys));
    Some(wrap)
}

/// Opens a wrap with the recipient's secret key; `None` if it does not open.
#[must_use]
pub fn open(
    secret: &Key,
    public: &[u8; 32],
    place: Place,
    aad: &[u8],
    wrap: &[u8],
) -> Option<Secret> {
    let (ephemeral, sealed) = wrap.split_first_chunk::<EPHEMERAL_BYTES>()?;
    let key = kdf::wrap(&agree(secret, ephemeral)?, ephemeral, public, place);
    aead::open(&key, &[0; aead::NONCE_BYTES], aad, sealed)
}
