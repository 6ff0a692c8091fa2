//! `.kagi/` as a commit of the repository holds it.
//!
//! Promises: a word of the command line is never an option of Git's; what is read is a plain file
//! of that commit, of at most the size that is asked for. Refuses: links, submodules, and to fetch
//! what the clone does not have.

use crate::error::{Error, Kind, Result};
use crate::process::{git, git_bytes};
use crate::project::{CONFIG_FILE, DIRECTORY, Project, ROSTER_FILE, Site, Source};
use crate::team;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// Bytes of the list of the files of one commit.
const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Symbols of a commit's id that are shown.
const SHORT: usize = 10;

/// One commit, with the files that it has below `.kagi/`.
#[derive(Clone)]
pub struct Commit {
    id: String,
    /// Path below `.kagi/` to the file, sorted.
    files: Rc<BTreeMap<String, Blob>>,
}

/// A file of a commit.
struct Blob {
    id: String,
    /// `None` for what is no plain file.
    size: Option<usize>,
}

impl Commit {
    /// The commit that a person means by `revision`, with what it has at `root`.
    ///
    /// # Errors
    /// `BadName` for an option; `Missing` if Git knows no such commit; `Read`.
    pub fn find(root: &Path, revision: &str) -> Result<Self> {
        if revision.starts_with('-') {
            return Err(Error::new(Kind::BadName, revision).because("it begins with -"));
        }
        let peeled = format!("{revision}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &peeled];
        let id = git(root, &arguments).map(|id| id.trim_end().to_string());
        match id.filter(|id| is_object_id(id)) {
            Some(id) => Commit::of(root, &id),
            None => Err(Error::new(Kind::Missing, revision).because(if is_shallow(root) {
                "this clone is shallow, and has no such commit"
            } else {
                "Git has no such commit here"
            })),
        }
    }

    /// The commit of a full id.
    ///
    /// # Errors
    /// `Read`.
    pub fn of(root: &Path, id: &str) -> Result<Self> {
        let failed = || Error::new(Kind::Read, id).because("Git does not list its files");
        let arguments = ["ls-tree", "-r", "-z", "-l", id, "--", DIRECTORY];
        let list = git_bytes(root, &arguments, LIST_BYTES_MAX).ok_or_else(failed)?;
        let lines = list.split(|byte| *byte == 0).filter_map(|line| std::str::from_utf8(line).ok());
        let files = lines.filter_map(listed_file).collect();
        Ok(Commit { id: id.to_string(), files: Rc::new(files) })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its id as it is shown.
    #[must_use]
    pub fn short(&self) -> &str {
        self.id.get(..SHORT).unwrap_or(&self.id)
    }

    /// The id of a file's content.
    #[must_use]
    pub fn blob(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|blob| blob.id.as_str())
    }

    /// The ids of `kagi.json` and `access.json`; empty where they are not there.
    #[must_use]
    pub fn claims(&self) -> [String; 2] {
        [CONFIG_FILE, ROSTER_FILE].map(|name| self.blob(name).unwrap_or_default().to_string())
    }

    /// The paths of its files below `.kagi/`, sorted.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// Reads a file below `.kagi/`; `None` if there is none.
    ///
    /// # Errors
    /// `NotPlain`, `TooLarge` or `Read`, without a subject.
    pub fn read(&self, root: &Path, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>> {
        let Some(blob) = self.files.get(name) else {
            return Ok(None);
        };
        let size = blob.size.ok_or_else(|| Error::new(Kind::NotPlain, ""))?;
        if size > bytes_max {
            return Err(Error::new(Kind::TooLarge, ""));
        }
        let failed = || Error::new(Kind::Read, "").because("Git does not hand it over");
        git_bytes(root, &["cat-file", "blob", &blob.id], size).map(Some).ok_or_else(failed)
    }
}

/// True for a clone without the older commits.
#[must_use]
pub fn is_shallow(root: &Path) -> bool {
    git(root, &["rev-parse", "--is-shallow-repository"]).is_some_and(|text| text == "true\n")
}

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `100644 blob ID SIZE<tab>.kagi/PATH`.
fn listed_file(line: &str) -> Option<(String, Blob)> {
    let (about, path) = line.split_once('\t')?;
    let mut words = about.split_ascii_whitespace();
    let (mode, _, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let name = path.strip_prefix(DIRECTORY)?.strip_prefix('/')?;
    let is_plain = mode.starts_with("100") && is_object_id(id);
    let size = size.parse().ok().filter(|_| is_plain);
    Some((name.to_string(), Blob { id: id.to_string(), size }))
}

impl Site {
    fn go_to(&mut self, commit: Commit) {
        self.up = format!("{}:", commit.short());
        self.source = Source::Commit(commit);
    }
}

impl Project {
    /// The project as a commit has it, to be read only: nothing is pinned, and no scope is written.
    ///
    /// # Errors
    /// Everything that makes its roster or configuration unacceptable (FORMAT 4 to 6).
    pub fn at(&self, commit: Commit) -> Result<Project> {
        let mut site = self.site.clone();
        site.go_to(commit);
        self.at_site(site)
    }

    /// The same for any other site of the project.
    pub(super) fn at_site(&self, site: Site) -> Result<Project> {
        let (config, config_hash, roster) = site.claims()?;
        let shown = site.shown(ROSTER_FILE);
        let identity = self.identity.as_ref();
        let access = team::accept_old(&shown, &roster, &config_hash, identity, &self.access)?;
        Ok(Project::new(site, config, config_hash, roster, access))
    }

    /// Reads the scopes of another commit from here on, if its configuration and roster are the
    /// ones that were accepted.
    pub fn go_to(&mut self, commit: &Commit) {
        if self.site.commit().is_some_and(|now| now.claims() == commit.claims()) {
            self.site.go_to(commit.clone());
        }
    }
}
