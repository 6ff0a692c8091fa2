//! A private directory for plaintext that another program is to change.
//!
//! Promises: nobody else can look into it; wiping overwrites every file before it is removed. Refuses
//! directories that look the same but are somebody else's.

use super::made::make_directory;
use super::{Mode, failed, list, remove_all};
use crate::error::{Kind, Result};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A place for files that no disk sees: `$XDG_RUNTIME_DIR`, else `/dev/shm`, if the system says that
/// it is memory.
#[must_use]
pub fn memory_directory() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let own = std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default();
    let places = [PathBuf::from(own), PathBuf::from("/dev/shm")];
    let mut places = places.iter().filter_map(|place| fs::canonicalize(place).ok());
    places.find(|place| is_memory(&mounts, place))
}

/// True if the innermost mount around a path, the last one of its place, is of a kind without a disk.
fn is_memory(mounts: &str, path: &Path) -> bool {
    let around = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (place, kind) = (words.next()?, words.next()?);
        path.starts_with(place).then_some((place.len(), kind))
    });
    let innermost = around.max_by_key(|(length, _)| *length);
    innermost.is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

/// Makes a private directory whose name nobody can guess.
///
/// # Errors
/// `Write` naming it.
pub fn make_private(path: &Path) -> Result<()> {
    make_directory(path, Mode::Private).map_err(failed(Kind::Write, path))
}

/// The private directories beside one, of the same owner, whose names begin with `prefix`.
///
/// # Errors
/// `Read` naming what cannot be looked at.
pub fn private_siblings(path: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let own = claim(&fs::symlink_metadata(path).map_err(failed(Kind::Read, path))?);
    let parent = path.parent().unwrap_or(path);
    let mut siblings = Vec::new();
    for entry in list(parent)? {
        let sibling = parent.join(&entry.name);
        let is_own = || fs::symlink_metadata(&sibling).is_ok_and(|info| claim(&info) == own);
        if entry.is_directory && entry.name.starts_with(prefix) && sibling != path && is_own() {
            siblings.push(sibling);
        }
    }
    Ok(siblings)
}

/// Whose it is, and who may look into it.
#[cfg(unix)]
fn claim(info: &Metadata) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    (info.uid(), info.mode())
}

#[cfg(not(unix))]
fn claim(info: &Metadata) -> bool {
    info.is_dir()
}

/// Overwrites every file below a directory, then removes it.
///
/// # Errors
/// `Read` or `Write`, naming the path.
pub fn wipe(directory: &Path) -> Result<()> {
    for entry in list(directory)? {
        let path = directory.join(&entry.name);
        if entry.is_directory {
            wipe(&path)?;
        } else if entry.is_file {
            // What cannot be overwritten is removed all the same.
            let _ = overwrite(&path);
        }
    }
    remove_all(directory)
}

fn overwrite(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_decides() {
        let mounts = "/dev/sda1 / ext4 rw 0 0\n\
                      tmpfs /run tmpfs rw 0 0\n\
                      /dev/sda2 /run/disk ext4 rw 0 0\n\
                      tmpfs /over tmpfs rw 0 0\n\
                      /dev/sda3 /over btrfs rw 0 0\n\
                      ramfs /ram ramfs rw 0 0\n";
        for (path, want) in [
            ("/run/user/1000", true),
            ("/run", true),
            ("/ram/x", true),
            ("/runner", false),
            ("/run/disk/x", false),
            ("/over/x", false),
            ("/dev/shm", false),
        ] {
            assert_eq!(is_memory(mounts, Path::new(path)), want, "{path}");
        }
        assert!(!is_memory("", Path::new("/run")));
    }
}
