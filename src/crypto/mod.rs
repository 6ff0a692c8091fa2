//! The cryptography, and nothing else: thin wrappers that fix every parameter.
//!
//! Promises: one cipher, one hash, one curve; every label in one list (`kdf`); each key is used
//! for one purpose. Refuses: to choose an algorithm at run time, and to try several keys on one
//! text (XChaCha20-Poly1305 does not commit to its key).

pub mod aead;
pub mod hash;
pub mod kdf;
pub mod random;
pub mod wrap;

/// `LP(x1) ‖ LP(x2) ‖ …` with `LP(x)` = length as u32 little-endian, then x (FORMAT 1.1).
/// Two different lists never encode alike. Not for secrets: the buffer is not wiped.
#[must_use]
pub fn length_prefixed(fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(fields.iter().map(|field| 4 + field.len()).sum());
    for field in fields {
        out.extend_from_slice(&length(field));
        out.extend_from_slice(field);
    }
    out
}

/// The length prefix of one field. Every length here is far below 2^32: the limits in `format`
/// are checked first.
#[must_use]
pub fn length(field: &[u8]) -> [u8; 4] {
    u32::try_from(field.len()).unwrap_or(u32::MAX).to_le_bytes()
}
