//! All file access.
//!
//! Promises: a read has a cap and never waits on a FIFO or follows a link at its end; a write is
//! the old bytes or the new, and is on disk when it returns; one writer at a time. Refuses: to
//! write below a directory that is a link, and to read a private file that others can read.

mod held;
mod lock;
mod made;
mod open;
mod output;
#[cfg(feature = "server")]
mod pieces;
mod private;

pub use held::{Held, hold};
pub use lock::{Lock, lock, lock_within};
pub use made::Mode;
pub use output::is_output_lost;
#[cfg(feature = "server")]
pub use pieces::Pieces;
pub use private::{make_private, memory_directory, private_siblings, wipe};

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use made::{create_new, make_directory};
use open::{open_no_link, plain};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Begins and ends the name of a file that is being written.
const TEMP_PREFIX: &str = ".kagi-";
const TEMP_SUFFIX: &str = ".tmp";
/// Holds the lock where a directory cannot.
const LOCK_FILE: &str = ".kagi-lock";

fn failed(kind: Kind, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |cause| Error::new(kind, path.to_string_lossy()).because_of(&cause)
}

/// Reads a file of at most `bytes_max` bytes; `None` if there is none.
///
/// # Errors
/// `Read`, `NotPlain`, or `TooLarge`, naming the path.
pub fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>> {
    match plain(path)? {
        None => Ok(None),
        Some((file, info)) => read_plain(path, file, &info, bytes_max).map(Some),
    }
}

/// Reads a file that nobody else may read, into a wiped buffer; `None` if there is none.
///
/// # Errors
/// As `read`; `Exposed` with the mode if others can read it.
pub fn read_private(path: &Path, bytes_max: usize) -> Result<Option<Secret>> {
    let Some((file, info)) = plain(path)? else {
        return Ok(None);
    };
    if let Some(mode) = mode_of(&info).filter(|mode| mode & 0o077 != 0) {
        let error = Error::new(Kind::Exposed, path.to_string_lossy());
        return Err(error.because(format!("{mode:04o}")));
    }
    read_plain(path, file, &info, bytes_max).map(|bytes| Some(Secret::from_vec(bytes)))
}

/// Reads a file that the user named: a link or a FIFO is the user's choice.
///
/// # Errors
/// As `read`; `Missing` if there is none.
pub fn read_given(path: &Path, bytes_max: usize) -> Result<Secret> {
    let file = File::open(path).map_err(|cause| {
        let kind = if is_absent(&cause) { Kind::Missing } else { Kind::Read };
        failed(kind, path)(cause)
    })?;
    let length = file.metadata().map_or(0, |info| info.len());
    read_capped(file, usize::try_from(length).unwrap_or(usize::MAX), bytes_max, path)
}

/// Reads standard input.
///
/// # Errors
/// `Read` or `TooLarge`.
pub fn read_stdin(bytes_max: usize) -> Result<Secret> {
    read_capped(std::io::stdin().lock(), 0, bytes_max, Path::new("standard input"))
}

/// Reads to the end, which is expected after `length` bytes; one byte more is room to find it.
fn read_capped(
    mut source: impl Read,
    length: usize,
    bytes_max: usize,
    path: &Path,
) -> Result<Secret> {
    const ROOM_MIN: usize = 4096;
    let mut bytes = Secret::zeroed(length.clamp(ROOM_MIN.min(bytes_max), bytes_max) + 1);
    let mut filled = 0;
    loop {
        match source.read(&mut bytes.expose_mut()[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
            Err(cause) => return Err(failed(Kind::Read, path)(cause)),
        }
        if filled > bytes_max {
            return Err(Error::new(Kind::TooLarge, path.to_string_lossy()));
        }
        if filled == bytes.len() {
            bytes.push_zeroes(filled.min(bytes_max + 1 - filled));
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Opens a plain file to be read bit by bit; `None` if nothing is there.
///
/// # Errors
/// `Read`; `NotPlain` for a link, a directory or a device.
pub fn open_plain(path: &Path) -> Result<Option<impl Read>> {
    Ok(plain(path)?.map(|(file, _)| file))
}

/// Reads exactly the bytes that the file has. One that says that it has none may be none of a disk's, and
/// have some all the same.
fn read_plain(path: &Path, mut file: File, info: &Metadata, bytes_max: usize) -> Result<Vec<u8>> {
    let length = usize::try_from(info.len()).ok().filter(|length| *length <= bytes_max);
    let too_large = || Error::new(Kind::TooLarge, path.to_string_lossy());
    let mut bytes = vec![0; length.ok_or_else(too_large)?];
    file.read_exact(&mut bytes).map_err(failed(Kind::Read, path))?;
    if bytes.is_empty() && file.read(&mut [0]).map_err(failed(Kind::Read, path))? > 0 {
        let error = Error::new(Kind::Read, path.to_string_lossy());
        return Err(error.because("it has more than it says"));
    }
    Ok(bytes)
}

fn is_absent(cause: &std::io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

#[cfg(unix)]
// Elsewhere there is no mode, hence the option.
#[allow(clippy::unnecessary_wraps)]
fn mode_of(info: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(info.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &Metadata) -> Option<u32> {
    None
}

/// Replaces a file: temp file beside it, synced, renamed over it, directory synced.
///
/// # Errors
/// `Write` naming the path; the old file is as it was then.
pub fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new(Kind::Write, path.to_string_lossy()));
    };
    let temp = directory.join(format!("{TEMP_PREFIX}{}{TEMP_SUFFIX}", name.to_string_lossy()));
    remove(&temp)?;
    let written = write_new(&temp, bytes, mode).and_then(|()| fs::rename(&temp, path));
    if let Err(cause) = written {
        // What cannot be removed now is swept by the next writer.
        let _ = fs::remove_file(&temp);
        return Err(failed(Kind::Write, path)(cause));
    }
    sync_directory(directory)
}

/// Writes a file that must not be there yet, synced.
fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> std::io::Result<()> {
    let mut file = create_new(path, mode)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Replaces a file below a directory, and makes the directories between that are missing.
///
/// # Errors
/// As `make_directories` and `replace`.
pub fn replace_below(root: &Path, below: impl AsRef<Path>, bytes: &[u8], mode: Mode) -> Result<()> {
    let between = below.as_ref().parent().unwrap_or(Path::new(""));
    make_directories(root, between, mode)?;
    replace(&root.join(&below), bytes, mode)
}

/// Makes the entries of a directory durable. A link is followed, as the write before has followed it: a
/// home or a store may lie behind one.
///
/// # Errors
/// `Write` naming it.
pub fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let sync = File::open(path).and_then(|directory| directory.sync_all());
        sync.map_err(failed(Kind::Write, path))?;
    }
    Ok(())
}

fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes the directories from `root` (which is there) down to `root/below`, and refuses any that
/// is there but not a plain directory.
///
/// # Errors
/// `NotPlain` or `Write`, naming the directory.
pub fn make_directories(root: &Path, below: &Path, mode: Mode) -> Result<PathBuf> {
    let mut path = root.to_path_buf();
    for part in below {
        let parent = path.clone();
        path.push(part);
        match fs::symlink_metadata(&path) {
            Ok(info) if info.is_dir() => continue,
            Ok(_) => return Err(Error::new(Kind::NotPlain, path.to_string_lossy())),
            Err(_) => make_directory(&path, mode).map_err(failed(Kind::Write, &path))?,
        }
        sync_directory(&parent)?;
    }
    Ok(path)
}

/// Refuses what is there between `root` and `root/below` but no plain directory.
///
/// # Errors
/// `NotPlain`, naming it.
pub fn check_directories(root: &Path, below: &Path) -> Result<()> {
    let between = below.parent().unwrap_or(Path::new(""));
    let mut path = root.to_path_buf();
    for part in between {
        path.push(part);
        if exists(&path) && !is_directory(&path) {
            return Err(Error::new(Kind::NotPlain, path.to_string_lossy()));
        }
    }
    Ok(())
}

/// Makes a private directory of the user's own, with the parents that are missing, durably: what is
/// written below is lost with any of their names.
///
/// # Errors
/// `Write` naming it.
pub fn make_home(path: &Path) -> Result<()> {
    if path.is_dir() { Ok(()) } else { make_with_parents(path, Mode::Private) }
}

fn make_with_parents(path: &Path, mode: Mode) -> Result<()> {
    let parent = path.parent().unwrap_or(path);
    // That of a relative name is where the program runs.
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    if !parent.is_dir() {
        make_with_parents(parent, Mode::Public)?;
    }
    make_directory(path, mode).map_err(failed(Kind::Write, path))?;
    sync_directory(parent)
}

/// Removes a file; one that is not there is fine. After a loss of power it may be there again.
///
/// # Errors
/// `Write` naming it.
pub fn remove(path: &Path) -> Result<()> {
    removed(path, fs::remove_file(path))
}

fn removed(path: &Path, result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(cause) if !is_absent(&cause) => Err(failed(Kind::Write, path)(cause)),
        _ => Ok(()),
    }
}

/// Removes a file and makes that durable; one that is not there is fine.
///
/// # Errors
/// `Write` naming it.
pub fn remove_for_good(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        result => removed(path, result),
    }
}

/// Removes a file and makes that durable, then the directory if it is empty now.
///
/// # Errors
/// `Write`.
pub fn remove_with_directory(path: &Path) -> Result<()> {
    remove(path)?;
    match path.parent() {
        Some(directory) if fs::remove_dir(directory).is_ok() => sync_parent(directory),
        _ => sync_parent(path),
    }
}

/// Removes a whole directory of kagi's: first renamed, so that no half of it is ever seen.
///
/// # Errors
/// `Write` naming it.
pub fn remove_tree(path: &Path) -> Result<()> {
    let aside = path.with_file_name(format!("{TEMP_PREFIX}removed{TEMP_SUFFIX}"));
    remove_all(&aside)?;
    removed(path, fs::rename(path, &aside))?;
    sync_parent(path)?;
    remove_all(&aside)
}

/// Removes a directory that no reader looks at; one that is not there is fine.
///
/// # Errors
/// `Write` naming it.
pub fn remove_all(path: &Path) -> Result<()> {
    removed(path, fs::remove_dir_all(path))
}

/// Renames a file or directory and makes that durable.
///
/// # Errors
/// `Write` naming the source.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(failed(Kind::Write, from))?;
    sync_parent(to)?;
    if from.parent() == to.parent() { Ok(()) } else { sync_parent(from) }
}

/// The first free name for what is about to be replaced: `NAME.backup-1`, `NAME.backup-2`, …
#[must_use]
pub fn free_backup(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut backups = (1..).map(|number| path.with_file_name(format!("{name}.backup-{number}")));
    backups.find(|backup| !exists(backup)).unwrap_or_default()
}

/// Keeps what is about to be replaced under another name, which it gives back: by a second link, so
/// that nothing is missing meanwhile; where that cannot be, by renaming it.
///
/// # Errors
/// `Write` naming it.
pub fn keep(path: &Path) -> Result<PathBuf> {
    let kept = free_backup(path);
    let linked = fs::hard_link(path, &kept).or_else(|_| fs::rename(path, &kept));
    linked.map_err(failed(Kind::Write, path))?;
    sync_parent(&kept)?;
    Ok(kept)
}

/// True if something is at the path, whatever it is.
#[must_use]
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// True if both paths lead to one file.
#[must_use]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

/// Appends to a plain file that is there.
///
/// # Errors
/// `NotPlain` or `Read`; `Write` naming it.
pub fn append(path: &Path, bytes: &[u8]) -> Result<()> {
    plain(path)?;
    let file = open_no_link(path, OpenOptions::new().append(true), 0);
    file.and_then(|mut file| file.write_all(bytes)).map_err(failed(Kind::Write, path))
}

/// True for a plain directory.
#[must_use]
pub fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|info| info.is_dir())
}

/// What Windows leaves out at the end of a program's name, in its order.
const ENDINGS: &[&str] = if cfg!(windows) { &["", ".com", ".exe", ".bat", ".cmd"] } else { &[""] };

/// Where a program is: a name with a separator is a path already, others are looked up in the
/// directories of `PATH`. `None` if none of them has it.
#[must_use]
pub fn find_program(program: &OsStr, path: &OsStr) -> Option<PathBuf> {
    let is_separator = |byte: &u8| std::path::is_separator(char::from(*byte));
    let has_place = program.as_encoded_bytes().iter().any(is_separator);
    if has_place && !cfg!(windows) {
        return Some(PathBuf::from(program));
    }
    let usual = OsStr::new(if has_place { "" } else { "/usr/bin:/bin" });
    let path = if has_place || path.is_empty() { usual } else { path };
    // An empty entry means the working directory, which must stay a path when it is joined.
    let here =
        |directory: PathBuf| if directory.as_os_str().is_empty() { ".".into() } else { directory };
    let mut candidates = std::env::split_paths(path).flat_map(|directory| {
        let place = here(directory).join(program).into_os_string();
        ENDINGS.iter().map(move |ending| {
            let mut place = place.clone();
            place.push(ending);
            PathBuf::from(place)
        })
    });
    candidates.find(|candidate| is_program(candidate))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|info| info.is_file() && info.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    let end = path.extension().map(|end| end.to_ascii_lowercase()).unwrap_or_default();
    ["com", "exe", "bat", "cmd"].iter().any(|one| end == *one) && path.is_file()
}

/// One entry of a directory.
pub struct DirectoryEntry {
    /// Its name, if that is UTF-8; other names are none of ours.
    pub name: String,
    /// True for a plain directory.
    pub is_directory: bool,
    /// True for a plain file.
    pub is_file: bool,
}

/// The entries of a directory, sorted; none if it is not there.
///
/// # Errors
/// `Read` naming it.
pub fn list(path: &Path) -> Result<Vec<DirectoryEntry>> {
    let entries = match fs::read_dir(path) {
        Err(cause) if is_absent(&cause) => return Ok(Vec::new()),
        entries => entries.map_err(failed(Kind::Read, path))?,
    };
    let mut list = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed(Kind::Read, path))?;
        let kind = entry.file_type().map_err(failed(Kind::Read, path))?;
        if let Ok(name) = entry.file_name().into_string() {
            let (is_directory, is_file) = (kind.is_dir(), kind.is_file());
            list.push(DirectoryEntry { name, is_directory, is_file });
        }
    }
    list.sort_by(|one, next| one.name.cmp(&next.name));
    Ok(list)
}

/// All plain files below a directory, or link to one, that the user named, but for what directories of
/// these names hold; or the one file. And why some could not be looked for.
#[must_use]
pub fn files_below(path: &Path, skipped: &[&str]) -> (Vec<PathBuf>, Vec<Error>) {
    let (mut files, mut errors, mut waiting) = (Vec::new(), Vec::new(), vec![path.to_path_buf()]);
    if !path.is_dir() {
        files.append(&mut waiting);
    }
    while let Some(directory) = waiting.pop() {
        let mut sort = |entry: fs::DirEntry| {
            let kind = entry.file_type()?;
            if kind.is_file() {
                files.push(entry.path());
            } else if kind.is_dir() && !skipped.iter().any(|name| entry.file_name() == *name) {
                waiting.push(entry.path());
            }
            Ok(())
        };
        let sorted = fs::read_dir(&directory)
            .and_then(|mut entries| entries.try_for_each(|entry| sort(entry?)));
        errors.extend(sorted.map_err(failed(Kind::Read, &directory)).err());
    }
    (files, errors)
}

/// Bytes of all files below a directory.
///
/// # Errors
/// `Read` naming what cannot be looked at.
pub fn bytes_below(path: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in list(path)? {
        let path = path.join(&entry.name);
        if entry.is_directory {
            sum += bytes_below(&path)?;
        } else {
            sum += fs::symlink_metadata(&path).map_err(failed(Kind::Read, &path))?.len();
        }
    }
    Ok(sum)
}

/// Removes the temp files that a killed writer left, down to `depth` directories. The caller
/// holds the lock.
///
/// # Errors
/// `Read` or `Write`, naming the path.
pub fn sweep(directory: &Path, depth: usize) -> Result<()> {
    for entry in list(directory)? {
        let path = directory.join(&entry.name);
        if entry.is_directory && depth > 0 {
            sweep(&path, depth - 1)?;
        } else if entry.is_file && is_temp(&entry.name) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// True for the name of a temp file.
fn is_temp(name: &str) -> bool {
    name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX)
}

/// True for the name of a file that this room makes beside those of its callers.
#[must_use]
pub fn is_own(name: &str) -> bool {
    is_temp(name) || name == LOCK_FILE
}
