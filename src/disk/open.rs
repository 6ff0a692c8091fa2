//! Opening a file to read it.
//!
//! Promises: to open waits for nobody, and follows no link at the end of a path; what is said of the file is
//! said of the one that is open. Refuses what is no file.
//!
//! A look at the path before each opening would tell as much, and be one call more a file. It is taken where
//! this file does not know the numbers that the system has for `O_NOFOLLOW` and `O_NONBLOCK`.

use super::{failed, is_absent, is_directory};
use crate::error::{Error, Kind, Result};
use std::fs::{self, File, Metadata, OpenOptions};
use std::path::Path;

/// Opens a plain file; `None` if nothing is there. What is known of it is of the file that is open:
/// another one may take its place at any time.
pub(super) fn plain(path: &Path) -> Result<Option<(File, Metadata)>> {
    let opened = open_file(path)
        .and_then(|file| file.map(|file| file.metadata().map(|info| (file, info))).transpose());
    match opened {
        Ok(Some((file, info))) if info.is_file() => Ok(Some((file, info))),
        Ok(_) => {
            let error = Error::new(Kind::NotPlain, path.to_string_lossy());
            Err(if is_directory(path) { error.because("it is a directory") } else { error })
        }
        Err(cause) if is_absent(&cause) => Ok(None),
        Err(cause) => Err(failed(Kind::Read, path)(cause)),
    }
}

/// Opens what is at a path, and waits for nobody; `None` for what is no file. Most are opened without a
/// look before. What keeps a file from that, such as a lease that a file server has on it, is met at the
/// second try, which looks first and then waits.
fn open_file(path: &Path) -> std::io::Result<Option<File>> {
    if let Some(no_wait) = NO_WAIT {
        match open_no_link(path, no_wait) {
            Err(cause) if !is_absent(&cause) => {}
            opened => return opened.map(Some),
        }
    }
    let is_file = fs::symlink_metadata(path)?.is_file();
    is_file.then(|| open_no_link(path, 0)).transpose()
}

/// Opens a file, but no link at its end, with flags of the system's.
fn open_no_link(path: &Path, flags: i32) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NO_FOLLOW | flags);
    #[cfg(not(unix))]
    let _ = flags;
    options.read(true).open(path)
}

/// The systems of BSD's, which have the same numbers.
const IS_BSD: bool = cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly"
));

/// `O_NOFOLLOW`, which std has no name for; nothing where its number is not known.
#[cfg(unix)]
const NO_FOLLOW: i32 = if IS_BSD {
    0x100
} else if cfg!(not(any(target_os = "linux", target_os = "android"))) {
    0
} else if cfg!(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "m68k",
    target_arch = "powerpc",
    target_arch = "powerpc64"
)) {
    0x8000
} else {
    0x2_0000
};

/// `O_NONBLOCK`: to open a FIFO waits for nobody then. `None` where a look must come first, because this
/// number, or the one above, is not known.
const NO_WAIT: Option<i32> = if IS_BSD {
    Some(0x4)
} else if cfg!(not(any(target_os = "linux", target_os = "android"))) {
    None
} else if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "mips32r6",
    target_arch = "mips64r6"
)) {
    Some(0x80)
} else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
    Some(0x4000)
} else {
    Some(0x800)
};
