//! Whether standard output keeps what is written to it.
//!
//! Promises: what is shown once is not lost without a word where that can be known before. Leaves out: a
//! reader that goes away, which the write itself says; Windows, where this is not known.

#[cfg(unix)]
use std::fs::{self, File};
use std::io::Stdout;

/// True if nothing arrives that is written to standard output: it is full or not open for writing, or
/// `/dev/null`, which std opens in the place of one that is closed.
#[cfg(unix)]
#[must_use]
pub fn is_output_lost(out: &Stdout) -> bool {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let Ok(copy) = out.as_fd().try_clone_to_owned() else {
        return true;
    };
    let mut out = File::from(copy);
    // Of no bytes, so that nothing is written. By std's own handle a closed one is no error.
    if out.write(&[]).is_err() {
        return true;
    }
    match (out.metadata(), fs::metadata("/dev/null")) {
        (Ok(out), Ok(null)) => out.file_type().is_char_device() && out.rdev() == null.rdev(),
        _ => false,
    }
}

/// The same, not known.
#[cfg(not(unix))]
#[must_use]
pub fn is_output_lost(_: &Stdout) -> bool {
    false
}
