//! What a store keeps, and what it lets go: old revisions, and what was undone or deleted
//! (PROTOCOL 7.4).
//!
//! Promises: the last 20 revisions and everything younger than 30 days stay; a blob that a retained
//! manifest lists is in a retained file before an older file goes; the links of dropped revisions
//! stay. Stopped anywhere, the next load goes on.

use crate::disk::{self, Pieces};
use crate::error::Result;
use crate::format::text::decimal;
use crate::sync::store::damaged;
use crate::sync::store::project::{LINK_BYTES, Project};
use crate::sync::store::revision::{self, Revision};
use std::collections::BTreeMap;
use std::path::Path;

/// Revisions that are kept whatever their age.
pub const REVISIONS_MIN: usize = 20;
/// Seconds that everything is kept.
pub const KEPT_SECONDS: u64 = 30 * 24 * 60 * 60;
/// Fewer are not dropped at once: the blobs that are still used are copied each time.
pub const DROPPED_AT_ONCE_MIN: usize = 16;

impl Project {
    /// Drops the oldest revisions, if there are enough that need not be kept. The links in `chain` are
    /// the commit.
    ///
    /// # Errors
    /// `Write`, `Read`, `Unauthentic`; the project must be loaded again then.
    pub fn drop_oldest(&mut self, now: u64) -> Result<()> {
        let spare = self.retained.len().saturating_sub(REVISIONS_MIN);
        let is_old = |time: u64| now.saturating_sub(time) > KEPT_SECONDS;
        let old = self.retained.iter().take(spare).take_while(|one| is_old(one.time)).count();
        if old < DROPPED_AT_ONCE_MIN {
            return Ok(());
        }
        let first = self.dropped + old as u64 + 1;
        self.forget_uses(first)?;
        self.carry_forward(first)?;
        let mut chain = Pieces::growing(&self.directory.join("chain"))?;
        chain.cut(self.dropped * LINK_BYTES)?;
        let links: Vec<_> = self.retained.drain(..old).map(|one| one.link).collect();
        chain.append(links.as_flattened())?;
        chain.sync()?;
        for number in self.dropped + 1..first {
            disk::remove(&revision::path(&self.directory, number))?;
        }
        self.dropped = first - 1;
        drop_undone(&self.directory.join("undone"), now)
    }

    /// Takes the manifests before `first` out of the index, and what only they listed.
    fn forget_uses(&mut self, first: u64) -> Result<()> {
        for number in self.dropped + 1..first {
            let file = Revision::open(&revision::path(&self.directory, number))?;
            for digest in super::project::digests(&file.manifest(&self.id, number)?) {
                if let Some(place) = self.index.get_mut(&digest) {
                    place.uses = place.uses.saturating_sub(1);
                }
            }
        }
        self.index.retain(|_, place| place.uses > 0);
        Ok(())
    }

    /// Copies what is still used of the files before `first` into that one.
    fn carry_forward(&mut self, first: u64) -> Result<()> {
        let mut carried = BTreeMap::<u64, Vec<_>>::new();
        for (digest, place) in self.index.iter().filter(|(_, place)| place.revision < first) {
            carried.entry(place.revision).or_default().push((*digest, *place));
        }
        if carried.is_empty() {
            return Ok(());
        }
        let path = revision::path(&self.directory, first);
        let (mut header, mut blobs) = Revision::open(&path)?.content()?;
        for (number, places) in carried {
            let mut file = Revision::open(&revision::path(&self.directory, number))?;
            for (digest, place) in places {
                blobs.push(file.blob(place.offset, place.size, &digest)?);
                header.blobs.push((digest, place.size));
            }
        }
        let slices: Vec<_> = blobs.iter().map(Vec::as_slice).collect();
        let begin = header.write(&path, &slices)?;
        self.place(first, begin, &header.blobs);
        Ok(())
    }

    /// A revision that was dropped, but whose file was not removed yet.
    pub(super) fn remove_dropped(&self, number: u64) -> Result<()> {
        let path = revision::path(&self.directory, number);
        let link = crate::crypto::hash::hash(&Revision::open(&path)?.header.manifest);
        let chain = Pieces::open(&self.directory.join("chain"))?;
        let kept = chain.map(|mut chain| chain.read((number - 1) * LINK_BYTES, 32)).transpose()?;
        if kept.as_deref() != Some(&link) {
            return Err(damaged(&self.directory.join("chain")));
        }
        disk::remove(&path)
    }
}

/// Removes what was taken away more than 30 days ago: its name begins with the time.
///
/// # Errors
/// `Read`, `Write`.
pub fn drop_undone(directory: &Path, now: u64) -> Result<()> {
    for entry in disk::list(directory)? {
        let time = entry.name.split('-').next().and_then(decimal::<u64>);
        if time.is_some_and(|time| now.saturating_sub(time) > KEPT_SECONDS) {
            disk::remove_tree(&directory.join(&entry.name))?;
        }
    }
    Ok(())
}
