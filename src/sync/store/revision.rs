//! One revision as a file: a header with the manifest, then the blobs that are new with it
//! (PROTOCOL 7.3).
//!
//! Promises: a damaged header is found by its hash, a damaged blob by the hash that names it.
//! Refuses to give out what is not what its hash says.

use crate::crypto::hash::{Digest, hash};
use crate::disk::{self, Mode, Pieces};
use crate::error::Result;
use crate::format::bytes::{Reader, Writer};
use crate::format::message::manifest::{FILES_MAX, MANIFEST_BYTES_MAX, Manifest};
use crate::sync::store::damaged;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 16] = b"kagi-revision 1\n";
/// Magic and length of the header.
const HEAD_BYTES: usize = 20;
const HASH_BYTES: usize = 32;
const HEADER_BYTES_MAX: usize = MANIFEST_BYTES_MAX + 36 * FILES_MAX + 1024;
/// Most headers are smaller, so that one read is enough.
const FIRST_READ_BYTES: usize = 16 * 1024;
const DIGITS: usize = 20;

/// What the header says.
pub struct Header {
    /// When the server took it, seconds since 1970.
    pub time: u64,
    /// The token that pushed it.
    pub token: String,
    /// Where it came from.
    pub from: String,
    /// The bytes of the manifest.
    pub manifest: Vec<u8>,
    /// `H` and size of the blobs in this file.
    pub blobs: Vec<(Digest, u32)>,
}

/// A revision file that is open.
pub struct Revision {
    /// What it says.
    pub header: Header,
    /// Where its first blob begins.
    pub begin: u64,
    file: Pieces,
    path: PathBuf,
}

/// The file of a revision.
#[must_use]
pub fn path(project: &Path, number: u64) -> PathBuf {
    project.join("revisions").join(format!("{number:0DIGITS$}"))
}

/// The number that a file name means; `None` for another name.
#[must_use]
pub fn number_of(name: &str) -> Option<u64> {
    let is_number = name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|number| is_number && *number > 0)
}

impl Header {
    /// Writes the file: when this returns, the revision is there for good. Gives back where its first
    /// blob begins.
    ///
    /// # Errors
    /// `Write`.
    pub fn write(&self, path: &Path, blobs: &[&[u8]]) -> Result<u64> {
        let header = self.encode();
        let sizes: usize = blobs.iter().map(|blob| blob.len()).sum();
        let mut head = Writer::with_capacity(HEAD_BYTES + header.len());
        head.raw(MAGIC).field(&header);
        let mut bytes = Vec::with_capacity(head.0.len() + HASH_BYTES + sizes);
        bytes.extend_from_slice(head.0.expose());
        let digest = hash(&bytes);
        bytes.extend_from_slice(&digest);
        let begin = bytes.len() as u64;
        for blob in blobs {
            bytes.extend_from_slice(blob);
        }
        disk::replace(path, &bytes, Mode::Private)?;
        Ok(begin)
    }

    /// The header, without what stands around it in the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(256 + self.manifest.len() + 36 * self.blobs.len());
        out.long(self.time).field(self.token.as_bytes()).field(self.from.as_bytes());
        out.field(&self.manifest).count(self.blobs.len());
        for (digest, size) in &self.blobs {
            out.raw(digest).raw(&size.to_le_bytes());
        }
        out.0.expose().to_vec()
    }

    /// Reads what `encode` writes; `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let mut header = Header {
            time: reader.long()?,
            token: reader.text()?.to_string(),
            from: reader.text()?.to_string(),
            manifest: reader.field()?.to_vec(),
            blobs: Vec::new(),
        };
        for _ in 0..reader.count()? {
            header.blobs.push((reader.raw()?, reader.count()?));
        }
        reader.end()?;
        Some(header)
    }
}

impl Revision {
    /// Opens a revision and reads its header.
    ///
    /// # Errors
    /// `Unauthentic` if it is damaged or gone; `Read`, `NotPlain`.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Pieces::open(path)?.ok_or_else(|| damaged(path))?;
        let length = usize::try_from(file.length()).map_err(|_| damaged(path))?;
        let mut bytes = file.read(0, length.min(FIRST_READ_BYTES))?;
        let header = header_bytes(&bytes).ok_or_else(|| damaged(path))?;
        let total = HEAD_BYTES + header + HASH_BYTES;
        if total > bytes.len() {
            bytes = file.read(0, total.min(length))?;
        }
        let read = || {
            let (body, rest) = bytes.split_at_checked(HEAD_BYTES + header)?;
            let digest: [u8; HASH_BYTES] = *rest.first_chunk()?;
            (hash(body) == digest).then(|| Header::parse(body.get(HEAD_BYTES..)?))?
        };
        let header = read().ok_or_else(|| damaged(path))?;
        let blobs: u64 = header.blobs.iter().map(|(_, size)| u64::from(*size)).sum();
        if total as u64 + blobs != file.length() {
            return Err(damaged(path));
        }
        Ok(Revision { header, begin: total as u64, file, path: path.into() })
    }

    /// Its manifest, which must be the one of this project and number.
    ///
    /// # Errors
    /// `Unauthentic`.
    pub fn manifest(&self, project: &str, number: u64) -> Result<Manifest> {
        let manifest = Manifest::decode(&self.path.to_string_lossy(), &self.header.manifest);
        let is_it = |one: &Manifest| one.project == project && one.revision == number;
        manifest.ok().filter(is_it).ok_or_else(|| damaged(&self.path))
    }

    /// Its header and all of its blobs.
    ///
    /// # Errors
    /// As `blob`.
    pub fn content(mut self) -> Result<(Header, Vec<Vec<u8>>)> {
        let mut offset = self.begin;
        let mut blobs = Vec::new();
        for (digest, size) in std::mem::take(&mut self.header.blobs) {
            blobs.push(self.blob(offset, size, &digest)?);
            self.header.blobs.push((digest, size));
            offset += u64::from(size);
        }
        Ok((self.header, blobs))
    }

    /// One blob.
    ///
    /// # Errors
    /// `Unauthentic` if its hash is another; `Read`.
    pub fn blob(&mut self, offset: u64, size: u32, digest: &Digest) -> Result<Vec<u8>> {
        let bytes = self.file.read(offset, size as usize)?;
        if hash(&bytes) != *digest {
            return Err(damaged(&self.path));
        }
        Ok(bytes)
    }
}

/// The length of the header; `None` for what is no revision.
fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
    let length = usize::try_from(reader.count()?).ok()?;
    (length <= HEADER_BYTES_MAX).then_some(length)
}
