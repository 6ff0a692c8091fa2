//! The requests of devices that want to become members: one file each, so that requests on
//! different branches never conflict.

use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::names::is_id;
use crate::format::request::{REQUEST_BYTES_MAX, REQUESTS_MAX, Request};
use crate::project::{DIRECTORY, Site};

const REQUESTS: &str = "requests";

impl Site {
    /// The requests, sorted by id, each with why it cannot be read, if so. Files of other names
    /// are none; more than 64 are not looked at.
    ///
    /// # Errors
    /// `NotPlain` for a link in place of their directory; `Read`.
    pub fn requests(&self) -> Result<Vec<Result<Request>>> {
        let files = disk::list(&self.directory(REQUESTS)?)?;
        let ids = files.iter().filter_map(|file| file.name.strip_suffix(".json"));
        let ids = ids.filter(|id| is_id("kgm_", id)).take(REQUESTS_MAX);
        Ok(ids.map(|id| self.request(id)).collect())
    }

    /// The request of a member id.
    ///
    /// # Errors
    /// `Missing`, `NotPlain`, `Read`; what makes it unacceptable, naming the file.
    pub fn request(&self, id: &str) -> Result<Request> {
        self.directory(REQUESTS)?;
        let (shown, bytes) = self.read(&Request::file(id), REQUEST_BYTES_MAX)?;
        let request = Request::read(&shown, &bytes)?;
        if request.id == id {
            return Ok(request);
        }
        Err(Error::new(Kind::Misplaced, shown)) // FORMAT 12.2
    }

    /// Writes a request.
    ///
    /// # Errors
    /// `NotPlain`, `Write`.
    pub fn write_request(&self, _lock: &Lock, request: &Request) -> Result<()> {
        let (name, text) = (Request::file(&request.id), request.write());
        disk::replace_below(&self.root.join(DIRECTORY), &name, text.as_bytes(), Mode::Public)
    }

    /// Removes a request that was answered.
    ///
    /// # Errors
    /// `Write`.
    pub fn remove_request(&self, _lock: &Lock, id: &str) -> Result<()> {
        disk::remove_with_directory(&self.path(&Request::file(id)))
    }
}
