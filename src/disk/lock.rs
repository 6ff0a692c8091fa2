//! One writer at a time.
//!
//! Promises: the lock is on the directory itself where the system can do that, so nothing is left
//! behind, and the system gives it back when the process ends. Refuses to take the lock of a directory that
//! is not there any more for that of the one in its place.

use super::{LOCK_FILE, failed};
use crate::error::{Error, Kind, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

/// The right to write below a directory; given back when dropped, or when the process ends.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file unlocks it as well.
        let _ = self.0.unlock();
    }
}

/// Waits until nobody else writes below a directory. The lock is on the directory itself, so
/// nothing is left behind; where a directory cannot be opened, on a file in it. `waiting` is
/// called if somebody else holds it.
///
/// # Errors
/// `Write` naming the directory.
pub fn lock(directory: &Path, waiting: &dyn Fn()) -> Result<Lock> {
    loop {
        let lock = lock_once(directory, waiting)?;
        // While this process waited, another may have put a new directory in its place.
        if is_same(&lock.0, directory) {
            return Ok(lock);
        }
    }
}

/// As `lock`, but gives up: `Busy` if somebody else still holds it after `patience`.
///
/// # Errors
/// `Busy` or `Write`, naming the directory.
pub fn lock_within(directory: &Path, patience: Duration) -> Result<Lock> {
    let start = Instant::now();
    let file = open_lock(directory)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(file)),
            Err(TryLockError::WouldBlock) if start.elapsed() < patience => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(Kind::Busy, directory.to_string_lossy()));
            }
            Err(TryLockError::Error(cause)) => return Err(failed(Kind::Write, directory)(cause)),
        }
    }
}

#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |info: &fs::Metadata| (info.dev(), info.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => place(&held) == place(&there),
        // It is gone: what the caller does next says so.
        _ => true,
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}

fn open_lock(directory: &Path) -> Result<File> {
    let file = if cfg!(unix) {
        File::open(directory)
    } else {
        let path = directory.join(LOCK_FILE);
        OpenOptions::new().create(true).truncate(false).write(true).open(path)
    };
    file.map_err(failed(Kind::Write, directory))
}

fn lock_once(directory: &Path, waiting: &dyn Fn()) -> Result<Lock> {
    let file = open_lock(directory)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => {
            waiting();
            file.lock().map_err(failed(Kind::Write, directory))?;
            Ok(Lock(file))
        }
        Err(TryLockError::Error(cause)) => Err(failed(Kind::Write, directory)(cause)),
    }
}
