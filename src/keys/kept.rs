//! Where the secrets of this device's private files are: in the files themselves, or in the
//! keychain of the system.
//!
//! Such a file begins with its secret (FORMAT 11.5). If the keychain has that, the name of the item
//! stands in its place, and all the rest is as it was; so a file says by itself where to look, and
//! nothing is looked up twice. `identity.json` decides for what is written later.
//!
//! Promises: what is moved was read back from its new place before it leaves its old one. Into the
//! keychain, the rename of the file is the commit and the removal; out of it, the item goes last. A
//! stop anywhere leaves a secret that opens, and moving again finishes. Refuses to use a file where
//! a keychain was asked for, and the reverse.

use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::key_text::IDENTITY_BYTES_MAX;
use crate::format::pin::{with_secret, without_secret};
use crate::keys::keychain::{Item, account, account_of_any, is_account};
use crate::keys::{Home, IDENTITY_FILE};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

/// Stands before the name of an item, where else a secret would be (FORMAT 11.7).
const MARK: &str = "keychain:";
/// Bytes of any of the files: an identity or a token, and what is around it.
const FILE_BYTES_MAX: usize = 2 * IDENTITY_BYTES_MAX;
/// What an identity, and a token, is called in its file.
pub(super) const IDENTITY: &str = "identity";
pub(super) const TOKEN: &str = "token";

/// Where a secret is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In its file.
    File,
    /// In the keychain of the system.
    Keychain,
}

/// True for what stands in place of a secret.
pub(super) fn is_elsewhere(secret: &str) -> bool {
    secret.starts_with(MARK)
}

/// What a file begins with; nothing, if it is none of these.
fn secret_of<'a>(what: &str, bytes: &'a Secret) -> &'a str {
    without_secret(what, bytes.expose()).map_or("", |(secret, _)| secret)
}

/// The name of an item that a file has in place of its secret.
fn item_of<'a>(what: &str, bytes: &'a Secret) -> Option<&'a str> {
    secret_of(what, bytes).strip_prefix(MARK)
}

/// The same file with another secret, or the name of an item.
fn with(what: &str, bytes: &Secret, secret: &Secret) -> Secret {
    let rest = without_secret(what, bytes.expose()).map(|(_, rest)| rest);
    with_secret(what, secret, &String::from_utf8_lossy(&rest.unwrap_or_default()))
}

/// True if another kagi has moved or replaced a secret since its file was read.
fn has_changed(path: &Path, bytes: &Secret) -> bool {
    let now = disk::read_private(path, FILE_BYTES_MAX).ok().flatten();
    now.is_some_and(|now| now.expose() != bytes.expose())
}

impl Home {
    /// A private file with its secret in it, wherever that is; `None` if there is none.
    pub(super) fn read_kept(
        &self,
        path: &Path,
        what: &str,
        bytes_max: usize,
    ) -> Result<Option<Secret>> {
        let Some(bytes) = disk::read_private(path, bytes_max)? else {
            return Ok(None);
        };
        match item_of(what, &bytes) {
            None => Ok(Some(bytes)),
            Some(name) if is_account(name) => match self.item(path, name).get() {
                Err(lost) if lost.kind == Kind::NotInKeychain && has_changed(path, &bytes) => {
                    self.read_kept(path, what, bytes_max)
                }
                secret => Ok(Some(with(what, &bytes, &secret?))),
            },
            Some(_) => Err(Error::new(Kind::NotCanonical, path.to_string_lossy())),
        }
    }

    fn item<'a>(&'a self, path: &'a Path, account: &'a str) -> Item<'a> {
        Item { account, path, home: &self.0 }
    }

    /// Where this device keeps its secrets: the identity's place is that of the others.
    ///
    /// # Errors
    /// What keeps `identity.json` from being read.
    pub fn place(&self) -> Result<Place> {
        let bytes = disk::read_private(&self.identity_path(), IDENTITY_BYTES_MAX)?;
        let is_there = bytes.is_some_and(|bytes| item_of(IDENTITY, &bytes).is_some());
        Ok(if is_there { Place::Keychain } else { Place::File })
    }

    /// Replaces a private file; its secret goes where this device keeps them.
    pub(super) fn write_kept(&self, path: &Path, what: &str, whole: &Secret) -> Result<()> {
        // What cannot be read names no item, and is replaced.
        let before = disk::read_private(path, FILE_BYTES_MAX).ok().flatten().unwrap_or_default();
        self.write_to(self.place()?, path, what, whole)?;
        let now = disk::read_private(path, FILE_BYTES_MAX)?.unwrap_or_default();
        if secret_of(what, &now) != secret_of(what, &before) {
            // What stays there is a secret that was replaced, and that no file names.
            let _ = self.remove_item(path, what, &before);
        }
        Ok(())
    }

    pub(super) fn write_to(
        &self,
        to: Place,
        path: &Path,
        what: &str,
        whole: &Secret,
    ) -> Result<()> {
        let secret = secret_of(what, whole);
        if to == Place::File || secret.is_empty() || is_elsewhere(secret) {
            return disk::replace(path, whole.expose(), Mode::Private);
        }
        let secret = Secret::copy_of(secret.as_bytes());
        let account = account(what, path, &secret);
        let item = self.item(path, &account);
        match item.get() {
            Ok(_) => {}
            Err(error) if error.kind == Kind::KeychainShut => return Err(error),
            Err(_) => item.put(&secret)?,
        }
        let name = Secret::copy_of(format!("{MARK}{account}").as_bytes());
        disk::replace(path, with(what, whole, &name).expose(), Mode::Private)
    }

    /// Removes the item that a file named. One of another place belongs to a home that this one was
    /// copied from.
    fn remove_item(&self, path: &Path, what: &str, file: &Secret) -> Result<()> {
        let own = account_of_any(what, path);
        match item_of(what, file).filter(|name| is_account(name) && name.starts_with(&own)) {
            Some(name) => self.item(path, name).remove(),
            None => Ok(()),
        }
    }

    /// Removes a private file, and then its item.
    #[cfg(feature = "server")]
    pub(super) fn remove_kept(&self, path: &Path, what: &str) -> Result<()> {
        let file = disk::read_private(path, FILE_BYTES_MAX)?.unwrap_or_default();
        disk::remove_for_good(path)?;
        self.remove_item(path, what, &file)
    }

    /// The private files that are there, each with its directory below the home and what its secret
    /// is: the identity first, then replaced ones that were kept, and the tokens.
    fn all_kept(&self) -> Result<Vec<(String, PathBuf, &'static str)>> {
        let mut all = Vec::new();
        let projects = disk::list(&self.0.join("projects"))?.into_iter();
        let projects = projects.map(|project| format!("projects/{}", project.name));
        for below in ["", "remotes"].map(String::from).into_iter().chain(projects) {
            for file in disk::list(&self.0.join(&below))? {
                let path = self.0.join(&below).join(&file.name);
                let is_json = path.extension().is_some_and(|end| end == "json");
                let what = match below.as_str() {
                    "" if file.name.starts_with(IDENTITY_FILE) => IDENTITY,
                    "remotes" if is_json => TOKEN,
                    _ if file.name == "remote.json" => TOKEN,
                    _ => continue,
                };
                all.push((below.clone(), path, what));
            }
        }
        Ok(all)
    }

    /// The files of all that this device has, and where its secret is.
    ///
    /// # Errors
    /// What keeps a file from being read.
    pub fn places(&self) -> Result<Vec<(PathBuf, Place)>> {
        let mut places = Vec::new();
        for (_, path, what) in self.all_kept()? {
            let file = disk::read_private(&path, FILE_BYTES_MAX)?.unwrap_or_default();
            match secret_of(what, &file) {
                "" => {}
                secret if is_elsewhere(secret) => places.push((path, Place::Keychain)),
                _ => places.push((path, Place::File)),
            }
        }
        Ok(places)
    }

    /// Moves the identity and all tokens of this device; without an identity, one is made in the
    /// keychain, so that it never was in a file.
    ///
    /// # Errors
    /// What keeps one of them from being read, written or removed. What was moved before stays moved.
    pub fn move_to(&self, to: Place) -> Result<()> {
        if to == Place::Keychain {
            self.identity_or_new_in(to)?;
        }
        for (below, path, what) in self.all_kept()? {
            let _lock = self.lock(&below)?;
            self.move_one(to, &path, what)?;
        }
        Ok(())
    }

    fn move_one(&self, to: Place, path: &Path, what: &str) -> Result<()> {
        let whole = self.read_kept(path, what, FILE_BYTES_MAX)?.unwrap_or_default();
        let secret = Secret::copy_of(secret_of(what, &whole).as_bytes());
        if secret.is_empty() {
            return Ok(());
        }
        self.write_to(to, path, what, &whole)?;
        if to == Place::Keychain {
            return Ok(());
        }
        let file = disk::read_private(path, FILE_BYTES_MAX)?;
        if file.is_none_or(|file| file.expose() != whole.expose()) {
            let error = Error::new(Kind::Write, path.to_string_lossy());
            return Err(error.because("it does not hold what was written"));
        }
        // Its item, which a move that was stopped has left even where no file names it.
        match self.item(path, &account(what, path, &secret)).remove() {
            Err(error) if error.kind != Kind::NoKeychain => Err(error),
            _ => Ok(()),
        }
    }
}
