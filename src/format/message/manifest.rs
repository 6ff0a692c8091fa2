//! The manifest: which files one state of a project has (PROTOCOL 3).
//!
//! Promises: what decodes has only paths that belong below `.kagi/`, none twice in any case, and
//! the sizes that are allowed. Its MAC is under `K_state`: a server can compare hashes, and no more.
//! Refuses: absolute, traversing or reserved paths, unsorted or doubled ones, bytes left over.

use crate::crypto::hash::{Digest, hash, mac, same};
use crate::crypto::length_prefixed;
use crate::error::{Error, Kind, Result};
use crate::format::bytes::{Reader, Writer};
use crate::format::config::CONFIG_BYTES_MAX;
use crate::format::message::{Part, parts, whole};
use crate::format::names::{Epoch, is_id};
use crate::format::roster::ROSTER_BYTES_MAX;
use crate::format::scope_file::{FILE_BYTES_MAX, ScopeName};
use crate::secret::Key;
use std::collections::BTreeMap;

/// Files of one state.
pub const FILES_MAX: usize = 10_000;
/// Bytes of all files of one state.
pub const STATE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a manifest.
pub const MANIFEST_BYTES_MAX: usize = 2 * 1024 * 1024;
const FORMAT: &[u8] = b"kagi-manifest 1";
const CONFIG_FILE: &str = "kagi.json";
const ROSTER_FILE: &str = "access.json";

/// One file of a state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its path below `.kagi/`.
    pub path: String,
    /// Its bytes.
    pub size: u32,
    /// `H` of its bytes.
    pub digest: Digest,
}
parts!(Listed { path, size, digest });

/// One state of a project.
#[derive(Clone)]
pub struct Manifest {
    /// Project id.
    pub project: String,
    /// The epoch whose `K_state` makes the MAC.
    pub epoch: Epoch,
    /// 1 for the first; one more for each that followed.
    pub revision: u64,
    /// The id of the manifest before; zeros for the first.
    pub previous: Digest,
    /// Sorted by path.
    pub files: Vec<Listed>,
    /// MAC of everything above, under `K_state`.
    pub mac: Digest,
}
parts!(Manifest { project, epoch, revision, previous, files, mac });

/// The most bytes that a file of this path may have; `None` if it belongs to no state
/// (PROTOCOL 3.3).
#[must_use]
pub fn bytes_max(path: &str) -> Option<usize> {
    match path {
        CONFIG_FILE => Some(CONFIG_BYTES_MAX),
        ROSTER_FILE => Some(ROSTER_BYTES_MAX),
        _ => ScopeName::of_file(path).map(|_| FILE_BYTES_MAX),
    }
}

/// The id of a manifest, from the id of the one before and `H` of its bytes: who knows an older id
/// can be shown by hashes alone that a newer state follows from it (PROTOCOL 3.5).
#[must_use]
pub fn follow(previous: &Digest, link: &Digest) -> Digest {
    hash(&length_prefixed(&[FORMAT, previous, link]))
}

impl Manifest {
    /// The MAC of everything but the MAC.
    fn mac_under(&self, state_key: &Key) -> Digest {
        let bytes = self.encode();
        let (body, _) = bytes.split_at(bytes.len() - self.mac.len());
        mac(state_key, body)
    }

    /// Makes the MAC.
    pub fn authenticate(&mut self, state_key: &Key) {
        self.mac = self.mac_under(state_key);
    }

    /// True if a member of the epoch has made it (PROTOCOL 3.4).
    #[must_use]
    pub fn is_authentic(&self, state_key: &Key) -> bool {
        same(&self.mac, &self.mac_under(state_key))
    }

    /// The bytes (PROTOCOL 3.1).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(256 + 100 * self.files.len());
        self.write(out.field(FORMAT));
        out.0.expose().to_vec()
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// `TooLarge`, or `BadText` with the rule that is broken, naming `subject`.
    pub fn decode(subject: &str, bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(Error::new(Kind::TooLarge, subject)); // PROTOCOL 3.2
        }
        let check = crate::format::rules_of(subject);
        let parsed = whole(bytes).filter(|(format, _): &(Vec<u8>, Self)| format == FORMAT);
        let (_, manifest) = parsed.ok_or_else(|| crate::format::key_text::malformed(subject))?;
        check(is_id("kgp_", &manifest.project), "its project id is malformed")?; // PROTOCOL 3.2
        let is_numbered = (manifest.revision == 1) == (manifest.previous == [0; 32]);
        check(manifest.revision > 0 && is_numbered, "its revision is malformed")?; // PROTOCOL 3.2
        let is_sorted = manifest.files.is_sorted_by(|one, next| one.path < next.path);
        check(is_sorted, "its files are not sorted")?; // PROTOCOL 3.3
        let fits =
            |file: &Listed| bytes_max(&file.path).is_some_and(|max| file.size as usize <= max);
        let is_ours = manifest.files.iter().all(fits);
        check(is_ours, "it lists a file that belongs to no project, or is too large")?; // PROTOCOL 3.3
        let mut places = BTreeMap::new();
        let mut is_one_place = |path: &'_ str| {
            *places.entry(path.to_ascii_lowercase()).or_insert(path.to_string()) == path
        };
        let is_told_apart = manifest.files.iter().all(|file| {
            let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            is_one_place(&file.path) && is_one_place(directory)
        });
        check(is_told_apart, "it lists files or services that differ by case alone")?; // PROTOCOL 3.3
        let total: u64 = manifest.files.iter().map(|file| u64::from(file.size)).sum();
        check(total <= STATE_BYTES_MAX, "a state may have 256 MiB")?; // PROTOCOL 3.2
        let has = |path: &str| manifest.find(path).is_some();
        check(has(CONFIG_FILE) && has(ROSTER_FILE), "it lists no kagi.json or no access.json")?; // PROTOCOL 3.3
        Ok(manifest)
    }

    /// `H` of its bytes.
    #[must_use]
    pub fn link(&self) -> Digest {
        hash(&self.encode())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> Digest {
        follow(&self.previous, &self.link())
    }

    /// The file of a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Listed> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }
}
