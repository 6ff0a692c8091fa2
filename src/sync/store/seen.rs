//! Ids of requests that were there (PROTOCOL 8.6).
//!
//! Promises: the last ones are known, also after a restart: a rollback or an ended token that somebody
//! has recorded is not to be had again by that. Refuses nothing: an id that the disk does not take is
//! known until the next start.

use crate::disk::{self, Mode, Pieces};
use crate::error::Result;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Ids that are remembered.
const SEEN_MAX: usize = 4096;
const ID_BYTES: u64 = 16;
/// Bytes of the file before the older ids in it go.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The ids, the oldest of which are forgotten.
pub struct Seen {
    ids: VecDeque<[u8; 16]>,
    path: PathBuf,
    file: Pieces,
}

impl Seen {
    /// Reads the last ids; one that is torn is none.
    ///
    /// # Errors
    /// `Read`, `Write`.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Pieces::growing(path)?;
        let whole = file.length() / ID_BYTES;
        if whole * ID_BYTES < file.length() {
            file.cut(whole * ID_BYTES)?;
        }
        let begin = ID_BYTES * whole.saturating_sub(SEEN_MAX as u64);
        let bytes = file.read(begin, usize::try_from(file.length() - begin).unwrap_or(0))?;
        let ids = bytes.as_chunks::<16>().0.iter().copied().collect();
        Ok(Seen { ids, path: path.into(), file })
    }

    /// True if the id was not there before.
    pub fn is_first(&mut self, id: &[u8; 16]) -> bool {
        if self.ids.contains(id) {
            return false;
        }
        self.ids.push_back(*id);
        if self.ids.len() > SEEN_MAX {
            self.ids.pop_front();
        }
        let _ = self.write(id);
        true
    }

    fn write(&mut self, id: &[u8; 16]) -> Result<()> {
        if self.file.length() < FILE_BYTES_MAX {
            return self.file.append(id);
        }
        let ids: Vec<_> = self.ids.iter().copied().collect();
        disk::replace(&self.path, ids.as_flattened(), Mode::Private)?;
        self.file = Pieces::growing(&self.path)?;
        Ok(())
    }
}
