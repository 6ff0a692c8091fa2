//! Where the secrets of this device's private files are: in the files themselves, or in the
//! keychain of the system.
//!
//! Such a file begins with its secret (FORMAT 11.5). If the keychain has that, the name of the item
//! stands in its place, and all the rest is as it was; so a file says by itself where to look, and
//! nothing is looked up twice. `identity.json` decides for what is written later.
//!
//! Promises: what is moved was read back from its new place before the file is replaced, in one step
//! that is the commit, and only then leaves its old one; a stop in between leaves a secret that opens,
//! and moving again finishes. Refuses to use a file where a keychain was asked for, and the reverse.

use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::key_text::IDENTITY_BYTES_MAX;
use crate::format::pin::{with_secret, without_secret};
use crate::keys::keychain::{Item, account, is_account, place};
use crate::keys::{Home, IDENTITY_FILE};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

/// Stands before the name of an item, where else a secret would be.
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

/// The name of an item that a file has in place of its secret.
fn item_of<'a>(what: &str, bytes: &'a Secret) -> Option<&'a str> {
    without_secret(what, bytes.expose())?.0.strip_prefix(MARK)
}

/// True for what stands in place of a secret.
pub(super) fn is_elsewhere(secret: &str) -> bool {
    secret.starts_with(MARK)
}

/// The same file with another secret, or the name of an item.
fn with(path: &Path, what: &str, bytes: &Secret, secret: &[u8]) -> Result<Secret> {
    let (_, rest) = without_secret(what, bytes.expose()).ok_or_else(|| damaged(path))?;
    Ok(with_secret(what, &Secret::copy_of(secret), &String::from_utf8_lossy(&rest)))
}

fn damaged(path: &Path) -> Error {
    Error::new(Kind::NotCanonical, path.to_string_lossy())
}

impl Home {
    /// A private file with its secret in it, wherever that is; `None` if there is none.
    pub(super) fn read_kept(
        &self,
        path: &Path,
        what: &str,
        bytes_max: usize,
    ) -> Result<Option<Secret>> {
        let bytes = disk::read_private(path, bytes_max)?;
        bytes.map(|bytes| self.filled(path, what, bytes)).transpose()
    }

    fn filled(&self, path: &Path, what: &str, bytes: Secret) -> Result<Secret> {
        let Some(account) = item_of(what, &bytes) else {
            return Ok(bytes);
        };
        if !is_account(account) {
            return Err(damaged(path));
        }
        with(path, what, &bytes, self.item(path, account).get()?.expose())
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
        self.write_to(self.place()?, path, what, whole)?;
        Ok(())
    }

    /// The same for a place. Gives back why the item that is needed no more is still there, if so.
    pub(super) fn write_to(
        &self,
        to: Place,
        path: &Path,
        what: &str,
        whole: &Secret,
    ) -> Result<Option<Error>> {
        // What cannot be read names no item, and is replaced.
        let before = disk::read_private(path, FILE_BYTES_MAX).ok().flatten();
        let before = before.as_ref().and_then(|bytes| item_of(what, bytes));
        let secret = without_secret(what, whole.expose()).map_or("", |(secret, _)| secret);
        let mut written = Secret::copy_of(whole.expose());
        if to == Place::Keychain && !secret.is_empty() && !is_elsewhere(secret) {
            let secret = Secret::copy_of(secret.as_bytes());
            let account = account(what, path, &secret);
            let item = self.item(path, &account);
            if before != Some(&account) || item.get().is_err() {
                item.put(&secret)?;
            }
            written = with(path, what, whole, format!("{MARK}{account}").as_bytes())?;
        }
        disk::replace(path, written.expose(), Mode::Private)?;
        // An item of another place belongs to a home that this one was copied from.
        let is_old = |old: &&str| is_account(old) && old.starts_with(&place(what, path));
        let is_needed = |old: &str| item_of(what, &written) == Some(old);
        let Some(old) = before.filter(is_old).filter(|old| !is_needed(old)) else {
            return Ok(None);
        };
        let now = disk::read_private(path, FILE_BYTES_MAX)?;
        if now.is_none_or(|now| now.expose() != written.expose()) {
            let error = Error::new(Kind::Write, path.to_string_lossy());
            return Err(error.because("it does not hold what was written"));
        }
        Ok(self.item(path, old).remove().err())
    }

    /// Removes a private file, and then its item.
    #[cfg(feature = "server")]
    pub(super) fn remove_kept(&self, path: &Path, what: &str) -> Result<()> {
        let bytes = disk::read_private(path, FILE_BYTES_MAX)?;
        disk::remove(path)?;
        match bytes.as_ref().and_then(|bytes| item_of(what, bytes)).filter(|name| is_account(name))
        {
            Some(account) => self.item(path, account).remove(),
            None => Ok(()),
        }
    }

    /// The private files that are there, each with its directory below the home and what its secret
    /// is: the identity first, then replaced ones that were kept, and the tokens.
    fn all_kept(&self) -> Result<Vec<(String, PathBuf, &'static str)>> {
        let mut all = Vec::new();
        let mut add = |below: String, is_one: &dyn Fn(&str) -> bool, what| -> Result<()> {
            let directory = self.0.join(&below);
            let files = disk::list(&directory)?.into_iter().filter(|file| is_one(&file.name));
            all.extend(files.map(|file| (below.clone(), directory.join(file.name), what)));
            Ok(())
        };
        let backup = format!("{IDENTITY_FILE}.backup-");
        add(String::new(), &|name| name == IDENTITY_FILE || name.starts_with(&backup), IDENTITY)?;
        add(
            "remotes".into(),
            &|name| Path::new(name).extension().is_some_and(|end| end == "json"),
            TOKEN,
        )?;
        for project in disk::list(&self.0.join("projects"))? {
            add(format!("projects/{}", project.name), &|name| name == "remote.json", TOKEN)?;
        }
        Ok(all)
    }

    /// What this device has, and where each is.
    ///
    /// # Errors
    /// What keeps a file from being read.
    pub fn places(&self) -> Result<Vec<(&'static str, Place)>> {
        let mut places = Vec::new();
        for (_, path, what) in self.all_kept()? {
            let bytes = disk::read_private(&path, FILE_BYTES_MAX)?.unwrap_or_default();
            match without_secret(what, bytes.expose()) {
                Some((secret, _)) if is_elsewhere(secret) => places.push((what, Place::Keychain)),
                Some((secret, _)) if !secret.is_empty() => places.push((what, Place::File)),
                _ => {}
            }
        }
        Ok(places)
    }

    /// Moves the identity and all tokens of this device; without an identity, one is made in the
    /// keychain, so that it never was in a file. Gives back why something did not leave its old
    /// place, if so.
    ///
    /// # Errors
    /// `NoKeychain`, `KeychainShut`; what makes a file unreadable; `Write`. What was moved before
    /// stays moved.
    pub fn move_to(&self, to: Place) -> Result<Option<Error>> {
        if to == Place::Keychain {
            self.identity_or_new_in(to)?;
        }
        let mut left = None;
        for (below, path, what) in self.all_kept()? {
            let _lock = self.lock(&below)?;
            match self.move_one(to, &path, what) {
                Err(error) if stops(error.kind) => return Err(error),
                Err(error) => left = Some(error),
                Ok(old) => left = old.or(left),
            }
        }
        Ok(left)
    }

    fn move_one(&self, to: Place, path: &Path, what: &str) -> Result<Option<Error>> {
        let Some(bytes) = disk::read_private(path, FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        let (secret, _) = without_secret(what, bytes.expose()).ok_or_else(|| damaged(path))?;
        if to == Place::File && !is_elsewhere(secret) {
            // A move that was stopped may have left its item.
            let account = account(what, path, &Secret::copy_of(secret.as_bytes()));
            let left = self.item(path, &account).remove().err();
            return Ok(left.filter(|error| error.kind != Kind::NoKeychain));
        }
        let whole = self.filled(path, what, bytes)?;
        self.write_to(to, path, what, &whole)
    }
}

/// True for what keeps all files from being moved, not one alone.
fn stops(kind: Kind) -> bool {
    matches!(kind, Kind::NoKeychain | Kind::KeychainShut | Kind::Write)
}
