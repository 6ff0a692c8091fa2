//! The store of a server: a directory of flat files.

use crate::error::Result;
use crate::secret::Key;
use std::path::Path;

/// A store that this process alone has open.
pub struct Store {}

impl Store {
    /// Opens a store, and makes an empty one where nothing is. `waits`: a few seconds for another
    /// program that has it open.
    ///
    /// # Errors
    /// `Busy` if another program has it open; `NotCanonical` for another directory; `Read`, `Write`.
    pub fn open(_root: &Path, _pepper: Key, _waits: bool) -> Result<Self> {
        Ok(Store {})
    }

    /// Stub.
    ///
    /// # Errors
    /// None.
    pub fn add_admin(
        &self,
        _credential: &crate::format::message::token::Credential,
        _now: u64,
    ) -> Result<()> {
        Ok(())
    }
}

/// Stub.
///
/// # Errors
/// None.
pub fn check(_root: &Path) -> Result<Vec<String>> {
    Ok(Vec::new())
}

impl Drop for Store {
    fn drop(&mut self) {}
}
