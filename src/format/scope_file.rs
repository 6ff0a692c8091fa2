//! `.kagi/secrets/<service>/<env>.enc`: the text around the boxes of one scope (FORMAT 7).
//!
//! Promises: the box lines are canonical; each box is bound to its project, epoch, environment,
//! service and kind. Tolerates only what Git does to a text: conflict markers, CRLF, doubled
//! lines, and index lines in any state (they are for people and never trusted). Refuses the rest.

use crate::crypto::aead::{self, NONCE_BYTES};
use crate::crypto::{hash, length_prefixed};
use crate::error::{Error, Kind, Result};
use crate::format::names::{Epoch, check_place};
use crate::format::snapshot::{PADDING, SNAPSHOT_BYTES_MAX, Snapshot, SnapshotId};
use crate::format::text::BASE64;
use crate::secret::Key;
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;

/// Boxes in one file.
pub const BOXES_MAX: usize = 16;
/// Bytes of one box before base64.
pub const BOX_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + NONCE_BYTES + aead::TAG_BYTES;
/// Bytes of a whole file: a few large boxes, or many small ones.
pub const FILE_BYTES_MAX: usize = 4 * (BOX_BYTES_MAX / 3 * 4 + 1024);
const FORMAT: &str = "kagi-scope 1";
const INDEX: &str = "key ";
/// Bytes of the header, or of what stands around the text of a box.
const LINE_BYTES_MAX: usize = 256;
/// Bytes of what stands around the name in a line of the index.
const AROUND_NAME_BYTES_MAX: usize = 16;
/// Begins the name of a stored file where keys are named too.
pub const FILE_LABEL: &str = "file:";

/// What the scope holds; each kind has a directory and keys of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ScopeKind {
    /// Values, under `secrets/`.
    Values,
    /// Encrypted files, under `files/`.
    Files,
}

impl ScopeKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [ScopeKind::Values, ScopeKind::Files];

    /// The word that keys and boxes are bound to.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ScopeKind::Values => "values",
            ScopeKind::Files => "files",
        }
    }

    /// What people call an entry.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            ScopeKind::Values => "key",
            ScopeKind::Files => "file",
        }
    }

    /// The directory below `.kagi/`.
    #[must_use]
    pub fn directory(self) -> &'static str {
        match self {
            ScopeKind::Values => "secrets",
            ScopeKind::Files => "files",
        }
    }
}

/// Which scope: the name of its file, and what its boxes are bound to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ScopeName {
    /// Values or files.
    pub kind: ScopeKind,
    /// Service.
    pub service: String,
    /// Environment.
    pub env: String,
}

impl ScopeName {
    /// The scope of a service's values in an environment.
    #[must_use]
    pub fn values(service: &str, env: &str) -> Self {
        ScopeName { kind: ScopeKind::Values, service: service.into(), env: env.into() }
    }

    /// The scope of the same service and environment with the other content.
    #[must_use]
    pub fn of_kind(&self, kind: ScopeKind) -> Self {
        ScopeName { kind, ..self.clone() }
    }

    /// `SERVICE/ENV`, whatever the kind.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.service, self.env)
    }

    /// What a list calls one of its entries in which those of values stand as well: `file:NAME` for a
    /// file, which no key can be named.
    #[must_use]
    pub fn labelled(&self, name: &str) -> String {
        let label = if self.kind == ScopeKind::Files { FILE_LABEL } else { "" };
        format!("{label}{name}")
    }

    /// True for a word that means one of its entries: its name, or what a list calls it.
    #[must_use]
    pub fn is_meant(&self, name: &str, word: &str) -> bool {
        word == name || word == self.labelled(name)
    }

    /// Its file below `.kagi/`: `secrets/api/production.enc`.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}/{}.enc", self.kind.directory(), self.place())
    }

    /// The scope of a path below `.kagi/`: the reverse of `file`.
    #[must_use]
    pub fn of_file(path: &str) -> Option<Self> {
        let (directory, rest) = path.split_once('/')?;
        let kinds = ScopeKind::ALL;
        let kind = kinds.into_iter().find(|kind| kind.directory() == directory)?;
        ScopeName::parse(kind, rest.strip_suffix(".enc")?)
    }

    /// The scope of `SERVICE/ENV`.
    #[must_use]
    pub fn parse(kind: ScopeKind, text: &str) -> Option<Self> {
        let (service, env) = text.split_once('/')?;
        (check_place(service).is_ok() && check_place(env).is_ok()).then(|| ScopeName {
            kind,
            service: service.into(),
            env: env.into(),
        })
    }

    fn header(&self, project: &str) -> String {
        format!("{FORMAT} {project} {}", self.place())
    }

    /// The data that a box is bound to (FORMAT 7.7).
    fn aad(&self, project: &str, epoch: Epoch) -> Vec<u8> {
        length_prefixed(&[
            FORMAT.as_bytes(),
            self.kind.word().as_bytes(),
            project.as_bytes(),
            &epoch.to_bytes(),
            self.env.as_bytes(),
            self.service.as_bytes(),
        ])
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == ScopeKind::Files { " (files)" } else { "" };
        write!(f, "{}/{}{kind}", self.service, self.env)
    }
}

/// The key of a scope, with what its boxes are bound to.
pub struct ScopeKey<'a> {
    /// `K_scope`.
    pub key: Key,
    /// Project id.
    pub project: &'a str,
    /// The epoch of the key.
    pub epoch: Epoch,
    /// The scope.
    pub name: &'a ScopeName,
}

/// One box as it stands in the file: nonce ‖ ciphertext ‖ tag, not opened.
#[derive(Clone, PartialEq)]
pub struct SealedBox {
    /// The epoch under whose key it was sealed.
    pub epoch: Epoch,
    bytes: Vec<u8>,
}

impl SealedBox {
    /// Seals a snapshot. `nonce` must be random and used once.
    #[must_use]
    pub fn seal(key: &ScopeKey, nonce: [u8; NONCE_BYTES], snapshot: &Snapshot) -> Self {
        let aad = key.name.aad(key.project, key.epoch);
        let bytes = aead::seal_after(&nonce, &key.key, &nonce, &aad, &snapshot.encode());
        SealedBox { epoch: key.epoch, bytes }
    }

    /// True for a box that a rotation to this epoch has ended: of a lower number, or of another
    /// rotation to the same one. Somebody must have taken it over (FORMAT 7.8).
    #[must_use]
    pub fn is_before(&self, epoch: Epoch) -> bool {
        self.epoch != epoch && self.epoch.number <= epoch.number
    }

    /// Opens a box; `None` if it is not authentic for this key and place.
    #[must_use]
    pub fn open(&self, key: &ScopeKey) -> Option<Snapshot> {
        self.clone().into_open(key)
    }

    /// The same without a copy.
    #[must_use]
    pub fn into_open(self, key: &ScopeKey) -> Option<Snapshot> {
        let aad = key.name.aad(key.project, key.epoch);
        let plaintext = aead::open_in_place(&key.key, &aad, self.bytes)?;
        let snapshot = Snapshot::decode(plaintext, key.name.kind)?;
        // Whoever leaves could hide what it knows by dating it ahead (FORMAT 8.7).
        let is_past = snapshot.entries.iter().all(|entry| entry.epoch <= self.epoch.number);
        is_past.then_some(snapshot)
    }

    /// Number of bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty)] // No box is empty.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The snapshot's id: the first 8 bytes of `H(box)` (FORMAT 7.5).
    #[must_use]
    pub fn id(&self) -> SnapshotId {
        hash::hash(&self.bytes).first_chunk().copied().unwrap_or_default()
    }

    fn parse(line: &str) -> Option<Self> {
        let (epoch, text) = line.split_once(' ')?;
        if text.len() > BOX_BYTES_MAX.div_ceil(3) * 4 {
            return None;
        }
        let bytes = BASE64.decode_public(text)?;
        let length = bytes.len().checked_sub(NONCE_BYTES + aead::TAG_BYTES)?;
        let is_padded = length > 0 && length.is_multiple_of(PADDING);
        is_padded.then_some(SealedBox { epoch: Epoch::parse(epoch)?, bytes })
    }
}

/// A scope file whose lines are well formed; nothing in it is authentic yet.
#[derive(Default)]
pub struct ScopeFile {
    /// The boxes, without doubles, in the order of the file.
    pub boxes: Vec<SealedBox>,
    /// True if conflict markers were skipped.
    pub has_markers: bool,
}

/// The project and scope that a file names in its header, if it has one; nothing vouches for it,
/// and the kind is not in it.
#[must_use]
pub fn claimed_place(bytes: &[u8]) -> Option<(String, ScopeName)> {
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    let rest =
        std::str::from_utf8(line).ok()?.trim_end().strip_prefix(FORMAT)?.strip_prefix(' ')?;
    let (project, place) = rest.split_once(' ')?;
    Some((project.to_string(), ScopeName::parse(ScopeKind::Values, place)?))
}

/// Reads a scope file.
///
/// # Errors
/// `TooLarge`; `Misplaced` if the header names another place; `NotCanonical` with the line's
/// number for every other line that has no business there.
pub fn read(subject: &str, bytes: &[u8], project: &str, name: &ScopeName) -> Result<ScopeFile> {
    let header = name.header(project);
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Error::new(Kind::TooLarge, subject)); // FORMAT 7.9
    }
    let malformed =
        |line: usize| Error::new(Kind::NotCanonical, subject).because(format!("line {line}"));
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(1))?;
    let lines = text.strip_suffix('\n').ok_or_else(|| malformed(1))?.split('\n');
    let mut file = ScopeFile { boxes: Vec::new(), has_markers: false };
    let mut has_header = false;
    for (at, line) in lines.enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line); // FORMAT 7.6
        if has_header && line.starts_with(INDEX) {
            continue;
        }
        if is_marker(line) {
            file.has_markers = true;
        } else if !has_header {
            has_header = line == header; // FORMAT 7.2
            if !has_header {
                let kind = if is_header(line) { Kind::Misplaced } else { Kind::NotCanonical };
                return Err(Error::new(kind, subject).because("line 1"));
            }
        } else if let Some(rest) = line.strip_prefix("box ") {
            let sealed = SealedBox::parse(rest).ok_or_else(|| malformed(at + 1))?; // FORMAT 7.4
            if !file.boxes.contains(&sealed) {
                file.boxes.push(sealed);
            }
            if file.boxes.len() > BOXES_MAX {
                let error = Error::new(Kind::Limit, subject);
                return Err(error.because("it holds more than 16 boxes")); // FORMAT 7.9
            }
        } else if line != header {
            return Err(malformed(at + 1)); // FORMAT 7.3
        }
    }
    Ok(file)
}

fn is_header(line: &str) -> bool {
    line.strip_prefix(FORMAT).is_some_and(|rest| rest.starts_with(' '))
}

/// Lines that a merge without `merge=union` leaves (FORMAT 7.6).
fn is_marker(line: &str) -> bool {
    line == "======="
        || ["<<<<<<< ", "||||||| ", ">>>>>>> "].iter().any(|mark| line.starts_with(mark))
        || matches!(line, "<<<<<<<" | "|||||||" | ">>>>>>>")
}

/// The text of a scope: header, index of the newest snapshot, boxes (FORMAT 7.1).
#[must_use]
pub fn write(project: &str, name: &ScopeName, index: &Snapshot, boxes: &[SealedBox]) -> String {
    let names = index.entries.iter().map(|entry| AROUND_NAME_BYTES_MAX + entry.name.len());
    let texts = boxes.iter().map(|sealed| LINE_BYTES_MAX + BASE64.text_length(sealed.len()));
    let length = LINE_BYTES_MAX + names.sum::<usize>() + texts.sum::<usize>();
    let mut text = Vec::with_capacity(length);
    // Writing to a vector cannot fail.
    let _ = writeln!(text, "{}", name.header(project));
    for entry in &index.entries {
        for part in [INDEX, &entry.name, " "] {
            text.extend_from_slice(part.as_bytes());
        }
        let _ = writeln!(text, "{}", entry.version);
    }
    for sealed in boxes {
        let _ = write!(text, "box {} ", sealed.epoch);
        BASE64.append(&sealed.bytes, &mut text);
        text.push(b'\n');
    }
    // It is made of strings and ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// The line of a key in the index, which is for people: nothing believes it (FORMAT 7.10).
#[must_use]
pub fn index_line(name: &str, version: u32) -> String {
    format!("{INDEX}{name} {version}")
}

/// The index lines of a file as they stand, for `doctor`.
#[must_use]
pub fn index(bytes: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter(|line| line.starts_with(INDEX)).map(String::from).collect()
}
