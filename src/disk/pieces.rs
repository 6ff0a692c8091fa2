//! A file that is read in pieces, or that only grows: revisions and the log of a server's store.
//!
//! Promises: what is read has the length that was asked for; an append is there whole or not at all,
//! as long as the process lives. Durable it is only after `sync`.

use super::{Mode, failed, open_no_link, plain, replace};
use crate::error::{Error, Kind, Result};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A plain file that is read in pieces, or that only grows.
pub struct Pieces {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Pieces {
    /// Opens a file to be read; `None` if there is none.
    ///
    /// # Errors
    /// `Read`, `NotPlain`.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let opened = plain(path)?;
        Ok(opened.map(|(file, info)| Pieces { file, path: path.into(), length: info.len() }))
    }

    /// Opens a file that grows, and makes an empty one where nothing is.
    ///
    /// # Errors
    /// `Read`, `NotPlain`, `Write`.
    pub fn growing(path: &Path) -> Result<Self> {
        if plain(path)?.is_none() {
            replace(path, b"", Mode::Private)?;
        }
        let opened = open_no_link(path, OpenOptions::new().read(true).write(true), 0);
        let file = opened.map_err(failed(Kind::Write, path))?;
        let length = file.metadata().map_err(failed(Kind::Read, path))?.len();
        Ok(Pieces { file, path: path.into(), length })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// `length` bytes from `offset` on.
    ///
    /// # Errors
    /// `Read`, also if the file ends before.
    pub fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let is_there = offset.checked_add(length as u64).is_some_and(|end| end <= self.length);
        if !is_there {
            let error = Error::new(Kind::Read, self.path.to_string_lossy());
            return Err(error.because("it is shorter than it was"));
        }
        let mut bytes = vec![0; length];
        let read = self.file.seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| self.file.read_exact(&mut bytes));
        read.map_err(failed(Kind::Read, &self.path))?;
        Ok(bytes)
    }

    /// Cuts the file to `length` bytes.
    ///
    /// # Errors
    /// `Write`.
    pub fn cut(&mut self, length: u64) -> Result<()> {
        self.file.set_len(length).map_err(failed(Kind::Write, &self.path))?;
        self.length = length;
        Ok(())
    }

    /// Appends, without a sync: all of it, or nothing.
    ///
    /// # Errors
    /// `Write`.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.seek(SeekFrom::Start(self.length));
        if let Err(cause) = written.and_then(|_| self.file.write_all(bytes)) {
            // What cannot be cut off now is overwritten by what comes next.
            let _ = self.file.set_len(self.length);
            return Err(failed(Kind::Write, &self.path)(cause));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes what was appended durable.
    ///
    /// # Errors
    /// `Write`.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync_data().map_err(failed(Kind::Write, &self.path))
    }
}
