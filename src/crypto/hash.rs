//! BLAKE3, as a hash and as a MAC (FORMAT 1.2).

use crate::secret::Key;

/// A BLAKE3-256 hash or MAC.
pub type Digest = [u8; 32];

/// `H(bytes)`.
#[must_use]
pub fn hash(bytes: &[u8]) -> Digest {
    blake3::hash(bytes).into()
}

/// `MAC(key, message)`: keyed BLAKE3.
#[must_use]
pub fn mac(key: &Key, message: &[u8]) -> Digest {
    blake3::keyed_hash(key.expose(), message).into()
}

/// Compares in constant time.
#[must_use]
pub fn same(left: &Digest, right: &Digest) -> bool {
    blake3::Hash::from(*left) == blake3::Hash::from(*right)
}
