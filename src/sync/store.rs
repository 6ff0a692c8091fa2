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
}
