//! A directory as a remote: a disk that is passed on, or one of the network.
//!
//! Promises: the store is locked only while it is asked, never while a person is. Refuses to make a store
//! for anything but a project that is to be kept in it (PROTOCOL 11.6): the disk may not be there.

use crate::disk;
use crate::error::{Error, Kind, Result};
use crate::format::message::token::Credential;
use crate::secret::Key;
use crate::sync::handler;
use crate::sync::protocol::{Operation, Response};
use crate::sync::remote::{Address, Server};
use crate::sync::store::Store;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A store whose files this device can write.
pub(super) struct Directory {
    text: String,
    path: PathBuf,
}

impl Directory {
    /// # Errors
    /// `Missing` if neither the directory nor the one above it is there.
    pub(super) fn new(address: &Address, path: &Path) -> Result<Self> {
        let directory = Directory { text: address.text().to_string(), path: path.to_path_buf() };
        match path.parent() {
            Some(above) if !disk::exists(above) => Err(directory.missing("no such directory")),
            _ => Ok(directory),
        }
    }

    fn missing(&self, cause: &str) -> Error {
        Error::new(Kind::Missing, &self.text).because(cause)
    }
}

impl Server for Directory {
    fn call(
        &mut self,
        _credential: Option<&Credential>,
        project: &str,
        operation: Operation,
    ) -> Result<Response> {
        let makes = matches!(operation, Operation::Register { .. } | Operation::Approve { .. });
        if !makes && !disk::exists(&self.path.join("FORMAT")) {
            return Err(self.missing("no store was made there"));
        }
        // Whoever can write the directory needs no token, so there is nothing to pepper.
        let store = Store::open(&self.path, Key::new([0; 32]), true)?;
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        Ok(handler::local(&store, project, operation, now))
    }

    fn address(&self) -> &str {
        &self.text
    }
}
