//! One project of a store, as far as it is held in memory: where each blob lies, the links of its
//! revisions, its mailbox.
//!
//! Promises: what is given out has the hash that it is asked by; a push is there for good, or not at
//! all. Refuses a push that is not based on the newest revision, or is not complete.

use crate::crypto::hash::{Digest, hash};
use crate::disk::{self, Mode, Pieces};
use crate::error::Result;
use crate::format::message::manifest::{FILES_MAX, Manifest, follow};
use crate::format::request::{REQUEST_BYTES_MAX, REQUESTS_MAX, Request};
use crate::format::text::HEX;
use crate::sync::protocol::{Pulled, Refusal};
use crate::sync::store::audit::Actor;
use crate::sync::store::revision::{self, Header, Revision, number_of};
use crate::sync::store::{Answer, PULL_BYTES_MAX, Refused, damaged};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

/// Bytes of a link in `chain`.
pub(super) const LINK_BYTES: u64 = 32;

/// Where a blob lies.
#[derive(Clone, Copy)]
pub struct Place {
    pub(super) revision: u64,
    pub(super) offset: u64,
    pub(super) size: u32,
    /// How many of the retained manifests list it.
    pub(super) uses: u32,
}

/// What is remembered of a retained revision.
pub struct Retained {
    pub(super) link: Digest,
    pub(super) time: u64,
}

/// The newest revision.
#[derive(Default)]
pub struct Head {
    /// Its number; 0 for none.
    pub revision: u64,
    /// The id of its manifest.
    pub id: Digest,
    bytes: Vec<u8>,
    files: Vec<Digest>,
}

/// A push that is sound in itself.
pub struct Push {
    manifest: Manifest,
    bytes: Vec<u8>,
    blobs: HashMap<Digest, Vec<u8>>,
}

/// A project.
pub struct Project {
    pub(super) directory: PathBuf,
    pub(super) id: String,
    /// The newest revision.
    pub head: Head,
    /// Revisions up to this one are dropped: only their links are left.
    pub(super) dropped: u64,
    pub(super) retained: VecDeque<Retained>,
    pub(super) index: HashMap<Digest, Place>,
    mailbox: BTreeMap<String, Vec<u8>>,
    /// True if it must be loaded again.
    pub(super) is_stale: bool,
}

impl Push {
    /// Checks what can be checked without the project.
    ///
    /// # Errors
    /// `Malformed` with the rule that is broken.
    pub fn new(project: &str, bytes: Vec<u8>, blobs: Vec<Vec<u8>>) -> Answer<Self> {
        let manifest = Manifest::decode("the manifest", &bytes);
        let manifest = manifest.map_err(|error| Refused::malformed(&error.cause))?;
        if manifest.project != project {
            return Err(Refused::malformed("the manifest is of another project"));
        }
        let listed: BTreeMap<_, _> =
            manifest.files.iter().map(|file| (file.digest, file)).collect();
        let mut sent = HashMap::new();
        for blob in blobs {
            let digest = hash(&blob);
            let is_listed =
                listed.get(&digest).is_some_and(|file| file.size as usize == blob.len());
            if !is_listed || sent.insert(digest, blob).is_some() {
                return Err(Refused::malformed("a blob was sent that is not listed"));
            }
        }
        Ok(Push { manifest, bytes, blobs: sent })
    }

    /// The revision that it makes.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.manifest.revision
    }
}

/// Digests of a manifest, each once, in its order.
pub(super) fn digests(manifest: &Manifest) -> Vec<Digest> {
    let mut seen = BTreeSet::new();
    let digests = manifest.files.iter().map(|file| file.digest);
    digests.filter(|digest| seen.insert(*digest)).collect()
}

impl Project {
    /// Reads a project.
    ///
    /// # Errors
    /// `Unauthentic` for a damaged file; `Read`, `Write`.
    pub fn load(directory: PathBuf, id: &str) -> Result<Self> {
        super::rollback::finish(&directory)?;
        let dropped = dropped(&directory)?;
        let mut project = Project {
            directory,
            id: id.into(),
            head: Head::default(),
            dropped,
            retained: VecDeque::new(),
            index: HashMap::new(),
            mailbox: BTreeMap::new(),
            is_stale: false,
        };
        for number in numbers(&project.directory)? {
            if number <= dropped {
                project.remove_dropped(number)?;
            } else {
                project.load_revision(number)?;
            }
        }
        project.load_mailbox()?;
        Ok(project)
    }

    fn load_revision(&mut self, number: u64) -> Result<()> {
        let path = revision::path(&self.directory, number);
        let revision = Revision::open(&path)?;
        let manifest = revision.manifest(&self.id, number)?;
        let is_next = number == self.dropped + self.retained.len() as u64 + 1;
        if !is_next || (!self.retained.is_empty() && manifest.previous != self.head.id) {
            return Err(damaged(&path));
        }
        self.take(&manifest, revision.header, revision.begin);
        Ok(())
    }

    /// Takes a revision that is on disk into memory.
    fn take(&mut self, manifest: &Manifest, header: Header, begin: u64) {
        let revision = manifest.revision;
        self.place(revision, begin, &header.blobs);
        let files = digests(manifest);
        for digest in &files {
            if let Some(place) = self.index.get_mut(digest) {
                place.uses += 1;
            }
        }
        let link = hash(&header.manifest);
        self.retained.push_back(Retained { link, time: header.time });
        let id = follow(&manifest.previous, &link);
        self.head = Head { revision, id, bytes: header.manifest, files };
    }

    /// Notes where the blobs of a file lie.
    pub(super) fn place(&mut self, revision: u64, begin: u64, blobs: &[(Digest, u32)]) {
        let mut offset = begin;
        for (digest, size) in blobs {
            let place = Place { revision, offset, size: *size, uses: 0 };
            let place = self.index.entry(*digest).or_insert(place);
            // One that was carried forward lies in two files, of which the older may go.
            (place.revision, place.offset) = (revision, offset);
            offset += u64::from(*size);
        }
    }

    fn load_mailbox(&mut self) -> Result<()> {
        let directory = self.directory.join("mailbox");
        for file in disk::list(&directory)? {
            let bytes = disk::read(&directory.join(&file.name), REQUEST_BYTES_MAX);
            let bytes = bytes.ok().flatten().unwrap_or_default();
            // A damaged one is none: it can be made again.
            let request = Request::read(&file.name, &bytes).ok();
            if let Some(one) = request.filter(|one| file.name == format!("{}.json", one.id)) {
                self.mailbox.insert(one.id, bytes);
            }
        }
        Ok(())
    }

    /// Refuses a push that is not based on the newest revision, or is not complete.
    ///
    /// # Errors
    /// `Conflict`, `Malformed`.
    pub fn check_push(&self, push: &Push) -> Answer<()> {
        // PROTOCOL 8.4
        let manifest = &push.manifest;
        if manifest.revision != self.head.revision + 1 || manifest.previous != self.head.id {
            let about = self.head.revision.to_string();
            return Err(Refused::new(Refusal::Conflict, about));
        }
        for file in &manifest.files {
            let known = self.index.get(&file.digest).map(|place| place.size as usize);
            let sent = push.blobs.get(&file.digest).map(Vec::len);
            if known.or(sent) != Some(file.size as usize) {
                return Err(Refused::malformed("a listed blob is not there"));
            }
        }
        Ok(())
    }

    /// Writes a push that was checked; when this returns, it is there for good.
    ///
    /// # Errors
    /// `Write`.
    pub fn push(&mut self, push: Push, actor: &Actor) -> Result<()> {
        let mut order = digests(&push.manifest);
        order.retain(|digest| !self.index.contains_key(digest));
        let blobs: Vec<_> = order.iter().filter_map(|one| push.blobs.get_key_value(one)).collect();
        // Far below 4 GiB: the manifest lists the sizes, and they were compared.
        let size = |blob: &Vec<u8>| u32::try_from(blob.len()).unwrap_or(u32::MAX);
        let header = Header {
            time: actor.now,
            token: actor.token.info.id.clone(),
            from: actor.from.clone(),
            manifest: push.bytes,
            blobs: blobs.iter().map(|(digest, blob)| (**digest, size(blob))).collect(),
        };
        let blobs: Vec<_> = blobs.iter().map(|(_, blob)| blob.as_slice()).collect();
        let path = revision::path(&self.directory, push.manifest.revision);
        let begin = header.write(&path, &blobs).inspect_err(|_| {
            // It may be there already, but not for good: who is refused tries again.
            let _ = disk::remove(&path);
        })?;
        self.take(&push.manifest, header, begin);
        Ok(())
    }

    /// Blobs by their hashes, in order, as many as fit, at least one. Each file is opened once.
    ///
    /// # Errors
    /// `Missing` with the hash that is not there; `Storage`.
    pub fn fetch(&self, digests: &[Digest]) -> Answer<Vec<Vec<u8>>> {
        let mut places = Vec::new();
        let mut total = 0;
        for (at, digest) in digests.iter().enumerate() {
            let missing = || Refused::new(Refusal::Missing, HEX.encode(digest));
            let place = self.index.get(digest).ok_or_else(missing)?;
            total += place.size as usize;
            if at > 0 && total > PULL_BYTES_MAX {
                break;
            }
            places.push((at, *digest, *place));
        }
        places.sort_by_key(|(_, _, place)| place.revision);
        let mut blobs = vec![Vec::new(); places.len()];
        let mut open: Option<(u64, Revision)> = None;
        for (at, digest, place) in places {
            let mut file = match open.take() {
                Some((number, file)) if number == place.revision => file,
                _ => Revision::open(&revision::path(&self.directory, place.revision))?,
            };
            if let Some(blob) = blobs.get_mut(at) {
                *blob = file.blob(place.offset, place.size, &digest)?;
            }
            open = Some((place.revision, file));
        }
        Ok(blobs)
    }

    /// The state, for who has revision `since`. What it does not know of the project is left open.
    ///
    /// # Errors
    /// `Storage`.
    pub fn pull(&self, since: u64) -> Answer<Pulled> {
        let requests = self.mailbox.values().cloned().collect();
        let mut pulled = Pulled { requests, ..Pulled::default() };
        if since == self.head.revision {
            return Ok(pulled);
        }
        pulled.links = self.links(since)?;
        pulled.manifest.clone_from(&self.head.bytes);
        let mut wanted = self.head.files.clone();
        if since > self.dropped && since < self.head.revision {
            let revision = Revision::open(&revision::path(&self.directory, since))?;
            let manifest = revision.manifest(&self.id, since)?;
            let known: BTreeSet<_> = manifest.files.iter().map(|file| file.digest).collect();
            wanted.retain(|digest| !known.contains(digest));
        }
        pulled.blobs = self.fetch(&wanted)?;
        Ok(pulled)
    }

    /// Links of the manifests after `since`, but for the newest; the first ones, if they are many.
    fn links(&self, since: u64) -> Result<Vec<Digest>> {
        let head = self.head.revision;
        let count = head.saturating_sub(since).saturating_sub(1);
        if since == 0 || count == 0 {
            return Ok(Vec::new());
        }
        let mut links = Vec::new();
        if since < self.dropped {
            let path = self.directory.join("chain");
            let mut chain = Pieces::open(&path)?.ok_or_else(|| damaged(&path))?;
            let count = (self.dropped - since).min(FILES_MAX as u64);
            let bytes = usize::try_from(count * LINK_BYTES).unwrap_or_default();
            links.extend(chain.read(since * LINK_BYTES, bytes)?.as_chunks::<32>().0);
        }
        let skipped = usize::try_from(since.saturating_sub(self.dropped)).unwrap_or_default();
        links.extend(self.retained.iter().skip(skipped).map(|one| one.link));
        links.pop();
        links.truncate(FILES_MAX);
        Ok(links)
    }

    /// Ids of those whose requests wait.
    #[must_use]
    pub fn waiting(&self) -> Vec<String> {
        self.mailbox.keys().cloned().collect()
    }

    /// Refuses a request that cannot be put into the mailbox; its id otherwise, and true if it is
    /// there already.
    ///
    /// # Errors
    /// `Malformed`, `Limit`.
    pub fn check_request(&self, bytes: &[u8]) -> Answer<(String, bool)> {
        let request = Request::read("the request", bytes);
        let request = request.map_err(|error| Refused::malformed(&error.cause))?;
        let there = self.mailbox.get(&request.id);
        if there.is_none() && self.mailbox.len() >= REQUESTS_MAX {
            return Err(Refused::new(Refusal::Limit, "requests in the mailbox"));
        }
        let is_there = there.is_some_and(|there| there == bytes);
        Ok((request.id, is_there))
    }

    fn request_path(&self, id: &str) -> PathBuf {
        self.directory.join("mailbox").join(format!("{id}.json"))
    }

    /// Puts a request that was checked into the mailbox.
    ///
    /// # Errors
    /// `Write`.
    pub fn post(&mut self, id: String, bytes: Vec<u8>) -> Result<()> {
        disk::replace(&self.request_path(&id), &bytes, Mode::Private)?;
        self.mailbox.insert(id, bytes);
        Ok(())
    }

    /// True if the request of that id is in the mailbox.
    #[must_use]
    pub fn has_request(&self, id: &str) -> bool {
        self.mailbox.contains_key(id)
    }

    /// Takes requests out of the mailbox.
    ///
    /// # Errors
    /// `Write`.
    pub fn answer<'a>(&mut self, ids: impl Iterator<Item = &'a str>) -> Result<()> {
        for id in ids {
            if self.has_request(id) {
                disk::remove_for_good(&self.request_path(id))?;
                self.mailbox.remove(id);
            }
        }
        Ok(())
    }
}

/// The numbers of the revisions that are there, sorted.
///
/// # Errors
/// `Read`.
pub fn numbers(project: &Path) -> Result<Vec<u64>> {
    let files = disk::list(&project.join("revisions"))?;
    Ok(files.iter().filter_map(|file| number_of(&file.name)).collect())
}

/// How many revisions were dropped: only their links are left.
///
/// # Errors
/// `Read`, `NotPlain`.
pub fn dropped(project: &Path) -> Result<u64> {
    let chain = Pieces::open(&project.join("chain"))?;
    Ok(chain.map_or(0, |file| file.length() / LINK_BYTES))
}
