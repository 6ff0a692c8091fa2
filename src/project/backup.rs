//! A copy of `.kagi/` outside of Git, with checksums, and the way back.
//!
//! Promises: a backup is of one moment and is there as a whole or not at all; nothing is restored
//! before every file of the backup is what its manifest says. Refuses files that do not belong to a
//! project by their name, links, and everything that is not listed. The checksums find damage, not
//! forgery: what is restored is accepted like any other project, when it is opened.

use crate::crypto::hash::hash;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::config::{CONFIG_BYTES_MAX, Config};
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::key_text::IDENTITY_BYTES_MAX;
use crate::format::names::is_id;
use crate::format::request::REQUEST_BYTES_MAX;
use crate::format::roster::ROSTER_BYTES_MAX;
use crate::format::rules_of;
use crate::format::scope_file::{FILE_BYTES_MAX, ScopeName};
use crate::format::text::HEX;
use crate::project::found::{begin, put_in_place};
use crate::project::{CONFIG_FILE, DIRECTORY, ROSTER_FILE, Site};
use crate::secret::Secret;
use std::path::{Path, PathBuf};

/// The list of what a backup holds.
pub const MANIFEST_FILE: &str = "MANIFEST.json";
/// The device's identity, where that was asked for.
pub const IDENTITY_FILE: &str = "identity.json";
/// The copy of `.kagi/`: under a name that no program takes for a project.
const COPY: &str = "kagi";
const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
const FILES_MAX: usize = 10_000;
/// Bytes of all files together.
const BACKUP_BYTES_MAX: usize = 1024 * 1024 * 1024;
const ATTRIBUTES_BYTES_MAX: usize = 4096;
/// `kagi/secrets/<service>/` lies three below a backup.
const DEPTH: usize = 3;

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    project: String,
    /// Sorted by path.
    files: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: usize,
    hash: String,
}

/// A backup every file of which is what its manifest says.
pub struct Backup {
    directory: PathBuf,
    /// The project id that it names.
    pub project: String,
    files: Vec<Listed>,
}

/// The most bytes that a file of this name may have below `.kagi/`; `None` if it does not belong
/// there.
fn bytes_max(path: &str) -> Option<usize> {
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [CONFIG_FILE] => Some(CONFIG_BYTES_MAX),
        [ROSTER_FILE] => Some(ROSTER_BYTES_MAX),
        [".gitattributes"] => Some(ATTRIBUTES_BYTES_MAX),
        ["requests", file] => {
            let id = file.strip_suffix(".json");
            id.is_some_and(|id| is_id("kgm_", id)).then_some(REQUEST_BYTES_MAX)
        }
        _ => ScopeName::of_file(path).map(|_| FILE_BYTES_MAX),
    }
}

/// The same below a backup.
fn bytes_max_in_backup(path: &str) -> Option<usize> {
    match path.split_once('/') {
        Some((COPY, below)) => bytes_max(below),
        _ => (path == IDENTITY_FILE).then_some(IDENTITY_BYTES_MAX),
    }
}

/// Every entry below a directory but the directories that were entered, sorted; and whether it is
/// a plain file.
fn entries(directory: &Path, depth: usize) -> Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    for entry in disk::list(directory)? {
        if !entry.is_directory || depth == 0 {
            found.push((entry.name, entry.is_file));
            continue;
        }
        let below = entries(&directory.join(&entry.name), depth - 1)?;
        found.extend(
            below.into_iter().map(|(path, is_file)| (format!("{}/{path}", entry.name), is_file)),
        );
    }
    found.sort();
    Ok(found)
}

/// Writes a backup of a project, with the content of `identity.json` if that is given. Gives back
/// what was left out of it.
///
/// # Errors
/// `Exists` if something is at `target`; what makes `kagi.json` unreadable; `Limit`, `Read`,
/// `Write`: nothing is at `target` then.
pub fn back_up(
    site: &Site,
    _lock: &Lock,
    target: &Path,
    identity: Option<&Secret>,
) -> Result<(Backup, Vec<String>)> {
    let shown = || target.to_string_lossy();
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(Error::new(Kind::BadName, shown()).because("it is no name for a new directory"));
    };
    if disk::exists(target) {
        return Err(Error::new(Kind::Exists, shown()));
    }
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let aside = format!(".kagi-{}.tmp", name.to_string_lossy());
    disk::remove_all(&parent.join(&aside))?;
    let aside = disk::make_directories(parent, Path::new(&aside), Mode::Private)?;
    let written = write(site, &aside, identity).and_then(|left_out| {
        // What could not be restored is no backup.
        let backup = check(&aside)?;
        disk::rename(&aside, &parent.join(name))?;
        Ok((backup, left_out))
    });
    if written.is_err() {
        // What cannot be removed now is removed by the next try.
        let _ = disk::remove_all(&aside);
    }
    written
}

fn write(site: &Site, aside: &Path, identity: Option<&Secret>) -> Result<Vec<String>> {
    let mut manifest = Manifest { format: 1, project: site.claimed_project()?, files: Vec::new() };
    let mut add = |path: String, bytes: &[u8]| {
        disk::replace_below(aside, &path, bytes, Mode::Private)?;
        manifest.files.push(Listed { path, bytes: bytes.len(), hash: HEX.encode(&hash(bytes)) });
        Ok(())
    };
    if let Some(identity) = identity {
        add(IDENTITY_FILE.to_string(), identity.expose())?;
    }
    let mut left_out = Vec::new();
    for (name, is_file) in entries(&site.root.join(DIRECTORY), DEPTH - 1)? {
        match bytes_max(&name).filter(|_| is_file) {
            None => left_out.push(name),
            Some(bytes_max) => {
                let (_, bytes) = site.read(&name, bytes_max)?;
                add(format!("{COPY}/{name}"), &bytes)?;
            }
        }
    }
    let text = json::write(&manifest);
    disk::replace(&aside.join(MANIFEST_FILE), text.as_bytes(), Mode::Private)?;
    Ok(left_out)
}

/// Reads a backup and compares every file with its manifest.
///
/// # Errors
/// `Missing`, `NotPlain`, `Read`; `NotCanonical` or `BadText`, naming the file.
pub fn check(directory: &Path) -> Result<Backup> {
    let path = directory.join(MANIFEST_FILE);
    let shown = path.to_string_lossy();
    let bytes = disk::read(&path, MANIFEST_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| Error::new(Kind::Missing, shown.as_ref()))?;
    let manifest: Manifest = json::read(&shown, &bytes, MANIFEST_BYTES_MAX)?;
    manifest.check(&shown)?;
    let Manifest { project, files, .. } = manifest;
    let backup = Backup { directory: directory.to_path_buf(), project, files };
    backup.check_unlisted()?;
    for listed in &backup.files {
        backup.read(listed)?;
    }
    let (config_shown, bytes) = backup.file(&format!("{COPY}/{CONFIG_FILE}"))?;
    let config = Config::read(&config_shown, bytes.expose())?;
    let is_named = config.project == backup.project;
    rules_of(&shown)(is_named, "it names another project than kagi.json")?;
    Ok(backup)
}

impl Manifest {
    fn check(&self, subject: &str) -> Result<()> {
        let check = rules_of(subject);
        let is_listed = |name: &str| {
            let path = format!("{COPY}/{name}");
            self.files.iter().any(|listed| listed.path == path)
        };
        let fits = |listed: &Listed| {
            bytes_max_in_backup(&listed.path).is_some_and(|bytes_max| listed.bytes <= bytes_max)
        };
        let is_ours = self.format == 1 && is_id("kgp_", &self.project);
        check(is_ours, "its format or project id is malformed")?;
        let total = self.files.iter().try_fold(0usize, |sum, listed| sum.checked_add(listed.bytes));
        let is_small = total.is_some_and(|total| total <= BACKUP_BYTES_MAX);
        let is_small = is_small && self.files.len() <= FILES_MAX;
        check(is_small, "a backup may have 10,000 files and 1 GiB")?;
        let is_sorted = self.files.is_sorted_by(|one, next| one.path < next.path);
        check(is_sorted, "its files are not sorted")?;
        let is_all_ours = self.files.iter().all(fits);
        check(is_all_ours, "it lists a file that belongs to no project, or is too large")?;
        let is_whole = is_listed(CONFIG_FILE) && is_listed(ROSTER_FILE);
        check(is_whole, "it lists no kagi.json or no access.json")
    }
}

impl Backup {
    /// How many files it lists.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.len()
    }

    fn shown(&self, path: &str) -> String {
        self.directory.join(path).to_string_lossy().into_owned()
    }

    fn find(&self, path: &str) -> Option<&Listed> {
        let at = self.files.binary_search_by(|listed| listed.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// A link has no entries below it, so what is listed there is refused here as well.
    fn check_unlisted(&self) -> Result<()> {
        for (path, _) in entries(&self.directory, DEPTH)? {
            if path != MANIFEST_FILE && self.find(&path).is_none() {
                let error = Error::new(Kind::BadText, self.shown(&path));
                return Err(error.because("MANIFEST.json does not list it"));
            }
        }
        Ok(())
    }

    /// The bytes of a file, if they are those of the manifest.
    fn read(&self, listed: &Listed) -> Result<Secret> {
        let shown = self.shown(&listed.path);
        let bytes_max = bytes_max_in_backup(&listed.path).unwrap_or(0);
        let bytes = disk::read(&self.directory.join(&listed.path), bytes_max)?;
        let bytes = Secret::from_vec(bytes.ok_or_else(|| Error::new(Kind::Missing, &shown))?);
        if listed.bytes == bytes.len() && listed.hash == HEX.encode(&hash(bytes.expose())) {
            return Ok(bytes);
        }
        Err(Error::new(Kind::BadText, shown).because("it is not what MANIFEST.json says"))
    }

    /// What a file is called, and its bytes.
    fn file(&self, path: &str) -> Result<(String, Secret)> {
        let shown = self.shown(path);
        let listed = self.find(path).ok_or_else(|| Error::new(Kind::Missing, &shown))?;
        Ok((shown, self.read(listed)?))
    }

    /// The identity in it, as `identity.json` holds one, and what to call it.
    ///
    /// # Errors
    /// `Missing` if it holds none.
    pub fn identity(&self) -> Result<(String, Secret)> {
        self.file(IDENTITY_FILE)
    }

    /// Puts the project into place. One that is there goes to `kept`; the caller holds its lock.
    ///
    /// # Errors
    /// `Exists` if one is there and is not to be replaced; `BadText`, `Read`, `Write`: what was
    /// there is there still.
    pub fn restore(&self, root: &Path, kept: Option<&Path>) -> Result<()> {
        let (_lock, unborn) = begin(root, kept.is_some())?;
        for listed in &self.files {
            let Some((_, name)) = listed.path.split_once('/') else {
                continue; // The identity.
            };
            disk::replace_below(&unborn, name, self.read(listed)?.expose(), Mode::Public)?;
        }
        put_in_place(root, kept)
    }
}
