//! One writer at a time.
//!
//! Promises: the lock is on the directory itself where the system can do that, so nothing is left
//! behind, and the system gives it back when the process ends. Refuses to take the lock of a directory that
//! is not there any more for that of the one in its place.
//!
//! Windows locks no directory, and renames none with an open file in it. There `lock` takes that of an empty
//! file of this user's among the temporary ones; `lock_within`, which other machines must see, one in it.

use super::{LOCK_FILE, failed};
use crate::error::{Error, Kind, Result};
use std::fs::{File, OpenOptions, TryLockError, canonicalize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The right to write below a directory; given back when dropped, or when the process ends.
pub struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file unlocks it as well.
        let _ = self.0.unlock();
    }
}

/// Waits until nobody else writes below a directory. `waiting` is called if somebody else holds it.
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
    let file = open_lock(directory, true)?;
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
    let place = |info: &std::fs::Metadata| (info.dev(), info.ino());
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(there)) => place(&held) == place(&there),
        // It is gone: what the caller does next says so.
        _ => true,
    }
}

#[cfg(not(unix))]
fn is_same(_: &File, _: &Path) -> bool {
    true
}

/// Opens what is locked: the directory, or the file that stands for it, where another machine sees it
/// if that `is_shared`.
fn open_lock(directory: &Path, is_shared: bool) -> Result<File> {
    let opened = if cfg!(unix) {
        File::open(directory)
    } else {
        let within = directory.join(LOCK_FILE);
        let path = if is_shared { Ok(within) } else { stand_in(directory) };
        let open = |path| OpenOptions::new().create(true).truncate(false).write(true).open(path);
        path.and_then(open)
    };
    opened.map_err(failed(Kind::Write, directory))
}

/// The file that stands for a directory, by whatever path it was reached. Two of one name would only wait
/// for each other.
fn stand_in(directory: &Path) -> io::Result<PathBuf> {
    let path = canonicalize(directory)?;
    let fnv = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    let sum = path.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    Ok(std::env::temp_dir().join(format!("{LOCK_FILE}-{sum:016x}")))
}

fn lock_once(directory: &Path, waiting: &dyn Fn()) -> Result<Lock> {
    let file = open_lock(directory, false)?;
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
