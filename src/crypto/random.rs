//! Random bytes from the operating system.

use crate::error::{Error, Kind, Result};
use crate::secret::Key;

/// Fills `buffer`.
///
/// # Errors
/// `Random` if the system gives none; nothing may be encrypted then.
pub fn fill(buffer: &mut [u8]) -> Result<()> {
    getrandom::fill(buffer).map_err(|cause| Error::new(Kind::Random, "random bytes").because(cause))
}

/// `N` random bytes that need not be secret (nonces, ids).
///
/// # Errors
/// As `fill`.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// A fresh key.
///
/// # Errors
/// As `fill`.
pub fn key() -> Result<Key> {
    use zeroize::Zeroize;
    let mut raw = bytes()?;
    let key = Key::new(raw);
    raw.zeroize();
    Ok(key)
}
