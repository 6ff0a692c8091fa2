//! Opening a file to read it.
//!
//! Promises: to open waits for nobody, and follows no link at the end of a path; what is said of the file is
//! said of the one that is open. Refuses what is no file.
//!
//! A look at the path before each opening would tell as much, and be one call more a file. It is taken on
//! Windows, and where the opening fails.

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
    let open = |flags| open_no_link(path, OpenOptions::new().read(true), flags);
    #[cfg(unix)]
    match open(FLAGS.no_wait) {
        Err(cause) if !is_absent(&cause) => {}
        opened => return opened.map(Some),
    }
    let is_file = fs::symlink_metadata(path)?.is_file();
    is_file.then(|| open(0)).transpose()
}

/// Opens a file, but no link at its end, with flags of the system's.
pub(super) fn open_no_link(
    path: &Path,
    options: &mut OpenOptions,
    flags: i32,
) -> std::io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, FLAGS.no_follow | flags);
    #[cfg(not(unix))]
    let _ = flags;
    options.open(path)
}

/// `O_NOFOLLOW`, and `O_NONBLOCK`, with which nobody waits for the other end of a FIFO: std has no names for
/// them. Where the numbers are not known here, kagi does not compile.
#[cfg(unix)]
struct Flags {
    no_follow: i32,
    no_wait: i32,
}

#[cfg(any(
    target_vendor = "apple",
    target_os = "dragonfly",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
const FLAGS: Flags = Flags { no_follow: 0x100, no_wait: 0x4 };

#[cfg(any(target_os = "solaris", target_os = "illumos"))]
const FLAGS: Flags = Flags { no_follow: 0x2_0000, no_wait: 0x80 };

/// Linux has one of each for most machines, and others for those whose numbers are older.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FLAGS: Flags = Flags {
    no_follow: if cfg!(any(
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "m68k",
        target_arch = "powerpc",
        target_arch = "powerpc64"
    )) {
        0x8000
    } else {
        0x2_0000
    },
    no_wait: if cfg!(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "mips32r6",
        target_arch = "mips64r6"
    )) {
        0x80
    } else if cfg!(any(target_arch = "sparc", target_arch = "sparc64")) {
        0x4000
    } else {
        0x800
    },
};
