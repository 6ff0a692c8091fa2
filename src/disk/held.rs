//! A private file for another program to read.
//!
//! Promises: nobody can know its name before, nor open it, and it is gone when it is dropped. Refuses a
//! name that is taken.

use super::made::create_new;
use super::{Mode, failed};
use crate::error::{Kind, Result};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A private file among the system's temporary ones, removed when this is dropped.
pub struct Held(PathBuf);

impl Held {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The system clears what is left among its temporary files.
        let _ = fs::remove_file(&self.0);
    }
}

/// Holds bytes among the system's temporary files, under a name that nobody can guess.
///
/// # Errors
/// `Write` naming it.
pub fn hold(name: &str, bytes: &[u8]) -> Result<Held> {
    let path = std::env::temp_dir().join(name);
    let mut file = create_new(&path, Mode::Private).map_err(failed(Kind::Write, &path))?;
    let held = Held(path);
    file.write_all(bytes).map_err(failed(Kind::Write, &held.0))?;
    Ok(held)
}
