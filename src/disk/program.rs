//! Where programs are.
//!
//! Promises: the rules of the system's own look-up, so that what is found is what would be started.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a program is: a name with a separator is a path already, others are looked up in the
/// directories of `PATH`. `None` if none of them has it.
#[must_use]
pub fn find_program(program: &OsStr, path: &OsStr) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') || cfg!(windows) {
        return Some(PathBuf::from(program));
    }
    let path = if path.is_empty() { OsStr::new("/usr/bin:/bin") } else { path };
    // An empty entry means the working directory, which must stay a path when it is joined.
    let here =
        |directory: PathBuf| if directory.as_os_str().is_empty() { ".".into() } else { directory };
    let mut candidates = std::env::split_paths(path).map(|directory| here(directory).join(program));
    candidates.find(|candidate| is_program(candidate))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|info| info.is_file() && info.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
