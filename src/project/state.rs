//! The state of a project: the files that are synced, in memory (PROTOCOL 1).
//!
//! Promises: bytes are known by their hash, so what a manifest lists is what it says; a new project
//! is put into place as a whole. Refuses: links, files over their caps, and names that belong to no
//! state.

use crate::crypto::hash::{Digest, hash};
use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::message::manifest::{Manifest, bytes_max};
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::project::found::{begin, put_in_place};
use crate::project::{CONFIG_FILE, ROSTER_FILE, Site, Source, change};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Paths below `.kagi/`, each with `H` of its bytes.
pub type Files = BTreeMap<String, Digest>;
/// Bytes by their hashes.
pub type Blobs = BTreeMap<Digest, Vec<u8>>;

/// Some state of a project.
#[derive(Clone)]
pub struct State {
    pub(super) files: Files,
    blobs: Rc<Blobs>,
}

/// The files that a manifest lists.
#[must_use]
pub fn listed(manifest: &Manifest) -> Files {
    manifest.files.iter().map(|file| (file.path.clone(), file.digest)).collect()
}

impl State {
    /// The state of a manifest. Blobs that it shares with a manifest before may be missing.
    ///
    /// # Errors
    /// `BadText` if a file has another size than the manifest lists.
    pub fn new(manifest: &Manifest, blobs: Rc<Blobs>) -> Result<Self> {
        for file in &manifest.files {
            let bytes = blobs.get(&file.digest);
            if bytes.is_some_and(|bytes| bytes.len() != file.size as usize) {
                let error = Error::new(Kind::BadText, &file.path);
                return Err(error.because("it is not what the manifest lists")); // PROTOCOL 3.4
            }
        }
        Ok(State { files: listed(manifest), blobs })
    }

    pub(super) fn read(&self, path: &str) -> Option<&[u8]> {
        self.blobs.get(self.files.get(path)?).map(Vec::as_slice)
    }
}

impl Site {
    /// The same place with a state that is not written yet.
    pub(super) fn holding(&self, state: State) -> Self {
        Site { up: "server:".to_string(), source: Source::State(state), ..self.clone() }
    }

    /// True if nothing is at `.kagi` yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !disk::exists(&self.root.join(super::DIRECTORY))
    }

    /// The files of the state that is here; their bytes go to `blobs`.
    ///
    /// # Errors
    /// `Read`, `NotPlain`, `TooLarge`, naming the file.
    pub fn files(&self, blobs: &mut Blobs) -> Result<Files> {
        let mut paths = vec![CONFIG_FILE.to_string(), ROSTER_FILE.to_string()];
        for kind in ScopeKind::ALL {
            paths.extend(self.scope_files(kind)?.iter().map(ScopeName::file));
        }
        let mut files = Files::new();
        for path in paths {
            let bytes_max = bytes_max(&path).unwrap_or(0);
            if let Some(bytes) = self.read_if_there(&path, bytes_max)? {
                let digest = hash(&bytes);
                files.insert(path, digest);
                blobs.insert(digest, bytes);
            }
        }
        Ok(files)
    }

    /// Puts a state into place as a whole; what is there, if that is meant, goes to `kept`
    /// (PROTOCOL 12.6).
    pub(super) fn place(&self, state: &State, kept: Option<&Path>) -> Result<()> {
        let (_lock, unborn) = begin(&self.root, kept.is_some())?;
        change::write_attributes_in(&unborn)?;
        for path in state.files.keys() {
            let bytes = state.read(path).ok_or_else(|| Error::new(Kind::Missing, path))?;
            disk::replace_below(&unborn, path, bytes, Mode::Public)?;
        }
        put_in_place(&self.root, kept)
    }
}
