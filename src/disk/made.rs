//! Files and directories that are made, and who may do what with them.
//!
//! Promises: others get no more than the mode says, whatever the umask leaves them; the owner can read and
//! write what was made, whatever the umask takes. Refuses a name that is taken.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Result};
use std::path::Path;

/// Who may read a file that is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// 0600: keys and plaintext.
    Private,
    /// 0644: what goes into Git.
    Public,
    /// 0755: a program.
    Program,
}

/// Makes an empty file that must not be there yet.
pub(super) fn create_new(path: &Path, mode: Mode) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match mode {
            Mode::Private => 0o600,
            Mode::Public => 0o644,
            Mode::Program => 0o755,
        });
    }
    let file = options.open(path)?;
    give_to_owner(path, if mode == Mode::Program { 0o700 } else { 0o600 })?;
    Ok(file)
}

/// Makes a directory. One that is there is fine, for somebody else may have been first.
pub(super) fn make_directory(path: &Path, mode: Mode) -> Result<()> {
    #[cfg(unix)]
    let result = {
        use std::os::unix::fs::DirBuilderExt;
        let bits = if mode == Mode::Private { 0o700 } else { 0o755 };
        fs::DirBuilder::new().mode(bits).create(path)
    };
    #[cfg(not(unix))]
    let result = {
        let _ = mode;
        fs::create_dir(path)
    };
    match result {
        // Or a FIFO is there, and who opened that would wait.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result.and_then(|()| give_to_owner(path, 0o700)),
    }
}

/// Gives the owner what a umask has taken. A link that has taken the place meanwhile is followed, to where
/// the owner may do no more than before.
#[cfg(unix)]
fn give_to_owner(path: &Path, bits: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = fs::symlink_metadata(path)?.permissions();
    if permissions.mode() & bits == bits {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() | bits);
    fs::set_permissions(path, permissions)
}

#[cfg(not(unix))]
fn give_to_owner(_: &Path, _: u32) -> Result<()> {
    Ok(())
}
