//! Replacing files: the one way in which kagi writes what must last.
//!
//! Promises: each file is the old bytes or the new, and is on disk when this returns. Of several, none
//! is renamed before all of its group are synced, and their directories are synced after the last:
//! what a disk has to do for one of them, it does for the others at once. Leaves open in which order
//! the files of one call become the new ones.

use super::{Mode, TEMP_PREFIX, TEMP_SUFFIX, create_new, failed, remove, sync_directory};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Files that are open at once, and that the disk must hold twice.
const GROUP: usize = 64;

/// Replaces files: temp files beside them, synced, renamed over them, directories synced. `step` is
/// called for each.
///
/// # Errors
/// `Write` naming a path. Of several files some may be the new ones then.
pub fn replace_all(files: &[(PathBuf, &[u8])], mode: Mode, step: &mut dyn FnMut()) -> Result<()> {
    for group in files.chunks(GROUP) {
        let temps = group.iter().map(|(path, _)| temp_of(path)).collect::<Result<Vec<_>>>()?;
        let replaced = replace_group(group, &temps, mode, step);
        if replaced.is_err() {
            // What cannot be removed now is swept by the next writer.
            for temp in &temps {
                let _ = fs::remove_file(temp);
            }
        }
        replaced?;
    }
    Ok(())
}

fn temp_of(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::new(Kind::Write, path.to_string_lossy()))?;
    let name = format!("{TEMP_PREFIX}{}{TEMP_SUFFIX}", name.to_string_lossy());
    Ok(path.with_file_name(name))
}

fn replace_group(
    group: &[(PathBuf, &[u8])],
    temps: &[PathBuf],
    mode: Mode,
    step: &mut dyn FnMut(),
) -> Result<()> {
    let mut written = Vec::with_capacity(group.len());
    for ((path, bytes), temp) in group.iter().zip(temps) {
        remove(temp)?;
        written.push(write_new(temp, bytes, mode).map_err(failed(Kind::Write, path))?);
    }
    for ((path, _), file) in group.iter().zip(written) {
        file.sync_all().map_err(failed(Kind::Write, path))?;
        step();
    }
    for ((path, _), temp) in group.iter().zip(temps) {
        fs::rename(temp, path).map_err(failed(Kind::Write, path))?;
    }
    let directories: BTreeSet<_> = group.iter().filter_map(|(path, _)| path.parent()).collect();
    directories.into_iter().try_for_each(sync_directory)
}

/// Writes a file that must not be there yet.
fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> io::Result<File> {
    let mut file = create_new(path, mode)?;
    file.write_all(bytes)?;
    Ok(file)
}
