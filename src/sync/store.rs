//! The store of a server: a directory of flat files (PROTOCOL 7.1).
//!
//! Promises: what was acknowledged is on disk, and a push is there or not, never half; nothing that a
//! client sends names a file before it is an id. Refuses to open a store that another program has
//! open, and a directory that is none. It holds nothing that opens a scope, and no token.

use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::message::token::Credential;
use crate::format::names::is_id;
use crate::secret::Key;
use crate::sync::protocol::{NewToken, Pulled, Refusal, Rights, Standing};
use crate::sync::store::audit::{Actor, Audit, Entry};
use crate::sync::store::project::{Project, numbers};
use crate::sync::store::seen::Seen;
use crate::sync::store::tokens::{Token, Tokens};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub mod audit;
mod change;
pub mod check;
pub mod keep;
pub mod project;
pub mod recover;
pub mod revision;
pub mod rollback;
mod seen;
pub mod tokens;

/// Bytes of blobs in one answer (PROTOCOL 8.7).
pub const PULL_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Registrations that wait.
const PENDING_MAX: usize = 64;
/// Projects that are held in memory.
const PROJECTS_MAX: usize = 256;
/// Bytes of a sealed credential.
const SEALED_BYTES_MAX: usize = 512;
const FORMAT_FILE: &str = "FORMAT";
const SEEN_FILE: &str = "seen";
const FORMAT: &[u8] = b"kagi-store 1\n";
const DIRECTORIES: [&str; 4] = ["tokens", "pending", "projects", "deleted"];
/// How deep temp files may lie: `projects/ID/revisions`.
const DEPTH: usize = 3;
const PATIENCE: Duration = Duration::from_secs(10);

/// A request that was not done.
#[derive(Debug)]
pub struct Refused(pub Refusal, pub String);

/// What comes of a request.
pub type Answer<T> = std::result::Result<T, Refused>;

impl Refused {
    /// A refusal, with what is known of it.
    pub fn new(refusal: Refusal, about: impl Into<String>) -> Self {
        Refused(refusal, about.into())
    }

    /// A request that breaks a rule.
    pub fn malformed(rule: impl Into<String>) -> Self {
        Refused::new(Refusal::Malformed, rule)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused(Refusal::Storage, error.cause.clone())
    }
}

/// A file of the store is not what it was.
#[must_use]
pub fn damaged(path: &Path) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let cause = format!("{name} is damaged");
    Error::new(Kind::Unauthentic, path.to_string_lossy()).because(cause)
}

/// A change of one thread is seen whole by the next one, also if a thread ended in the middle: what
/// is in memory is dropped then.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Slot = Arc<Mutex<Option<Project>>>;

/// A store that this process alone has open.
pub struct Store {
    root: PathBuf,
    tokens: Tokens,
    audit: Mutex<Audit>,
    slots: Mutex<HashMap<String, Slot>>,
    pending: Mutex<()>,
    seen: Mutex<Seen>,
    _lock: Lock,
}

/// Opens the directory of a store, and makes an empty one where nothing is.
fn make(root: &Path) -> Result<()> {
    let format = root.join(FORMAT_FILE);
    match disk::read(&format, FORMAT.len() + 64)? {
        Some(bytes) if bytes == FORMAT => {}
        Some(_) => return Err(Error::new(Kind::Newer, format.to_string_lossy())),
        None => {
            if disk::list(root)?.iter().any(|entry| !disk::is_own(&entry.name)) {
                let error = Error::new(Kind::Syntax, root.to_string_lossy());
                return Err(error.because("is no store of kagi's, and not empty"));
            }
            disk::replace(&format, FORMAT, Mode::Private)?;
        }
    }
    for directory in DIRECTORIES {
        disk::make_directories(root, Path::new(directory), Mode::Private)?;
    }
    Ok(())
}

impl Store {
    /// Opens a store, and makes an empty one where nothing is. `waits`: a few seconds for another
    /// program that has it open.
    ///
    /// # Errors
    /// `Busy` if another program has it open; `Syntax` for another directory; `Read`, `Write`.
    pub fn open(root: &Path, pepper: Key, waits: bool) -> Result<Self> {
        disk::make_home(root)?;
        let lock = disk::lock_within(root, if waits { PATIENCE } else { Duration::ZERO })?;
        make(root)?;
        disk::sweep(root, DEPTH)?;
        let mut audit = Audit::open(&root.join("audit.log"))?;
        recover::pushes(root, &mut audit)?;
        let tokens = Tokens::load(root.join("tokens"), pepper)?;
        recover::tokens(root, &tokens)?;
        Ok(Store {
            root: root.into(),
            tokens,
            audit: Mutex::new(audit),
            slots: Mutex::default(),
            pending: Mutex::default(),
            seen: Mutex::new(Seen::open(&root.join(SEEN_FILE))?),
            _lock: lock,
        })
    }

    /// True if it has no administrator yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.tokens.of("").is_empty()
    }

    /// Adds an administrator.
    ///
    /// # Errors
    /// `Write`.
    pub fn add_admin(&self, credential: &Credential, now: u64) -> Result<()> {
        let new = NewToken::new(credential, Rights::ADMIN, "");
        let token = self.tokens.make("", &new, now);
        self.log(&[Actor::local(now).entry("admin", "", &token.info.id)])?;
        self.tokens.put(token)
    }

    /// Drops what need not be kept any longer, of all projects.
    ///
    /// # Errors
    /// `Read`, `Write`.
    pub fn clean(&self, now: u64) -> Result<()> {
        keep::drop_undone(&self.root.join("deleted"), now)?;
        for project in self.tokens.projects() {
            let slot = self.slot(&project);
            let _held = lock(&slot);
            let before = now.saturating_sub(keep::KEPT_SECONDS);
            self.drop_expired(&Actor::local(now), &project, before)?;
        }
        let projects = disk::list(&self.root.join("projects"))?;
        for project in projects.iter().filter(|project| is_id("kgp_", &project.name)) {
            keep::drop_undone(&self.directory(&project.name).join("undone"), now)?;
            if numbers(&self.directory(&project.name))?.len() > keep::REVISIONS_MIN {
                // A damaged project is reported to whoever asks for it.
                let _ = self.on(&project.name, |project| Ok(project.drop_oldest(now)?));
            }
        }
        Ok(())
    }

    /// The token of a credential; `None` if there is none, or it has ended.
    #[must_use]
    pub fn token(&self, credential: &Credential, now: u64) -> Option<Arc<Token>> {
        self.tokens.find(credential, now)
    }

    /// True if no request of that id was there before.
    #[must_use]
    pub fn is_first(&self, request: &[u8; 16]) -> bool {
        lock(&self.seen).is_first(request)
    }

    fn log(&self, entries: &[Entry]) -> Result<()> {
        let mut audit = lock(&self.audit);
        entries.iter().try_for_each(|entry| audit.append(entry))?;
        audit.sync()
    }

    fn directory(&self, project: &str) -> PathBuf {
        self.root.join("projects").join(project)
    }

    fn check_there(&self, project: &str) -> Answer<()> {
        let is_there = disk::is_directory(&self.directory(project));
        is_there.then_some(()).ok_or_else(|| Refused::new(Refusal::Missing, "project"))
    }

    fn slot(&self, project: &str) -> Slot {
        let mut slots = lock(&self.slots);
        if slots.len() > PROJECTS_MAX {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        slots.entry(project.to_string()).or_default().clone()
    }

    /// Does something with a project that nobody else does something with meanwhile.
    fn on<T>(&self, id: &str, act: impl FnOnce(&mut Project) -> Answer<T>) -> Answer<T> {
        let slot = self.slot(id);
        let mut held = lock(&slot);
        let load = || {
            self.check_there(id)?;
            Ok::<_, Refused>(Project::load(self.directory(id), id)?)
        };
        let mut project = held.take().map_or_else(load, Ok)?;
        let answer = act(&mut project);
        // After a failure, what is on disk counts.
        if !project.is_stale && !matches!(&answer, Err(Refused(Refusal::Storage, _))) {
            *held = Some(project);
        }
        answer
    }

    fn standing(actor: &Actor, project: &Project) -> Standing {
        Standing {
            revision: project.head.revision,
            id: project.head.id,
            waiting: project.waiting(),
            ..standing(actor)
        }
    }

    /// Where the project stands.
    ///
    /// # Errors
    /// `Missing`, `Storage`.
    pub fn status(&self, actor: &Actor, id: &str) -> Answer<Standing> {
        self.on(id, |project| Ok(Store::standing(actor, project)))
    }

    /// The state, for who has revision `since`.
    ///
    /// # Errors
    /// `Missing`, `Storage`.
    pub fn pull(&self, actor: &Actor, id: &str, since: u64, member: &str) -> Answer<Pulled> {
        let sealed = || self.tokens.sealed_to(id, member, actor.now);
        let sealed = if member.is_empty() { Vec::new() } else { sealed() };
        self.on(id, |project| {
            let standing = Store::standing(actor, project);
            Ok(Pulled { standing, sealed, ..project.pull(since)? })
        })
    }

    /// Blobs by their hashes.
    ///
    /// # Errors
    /// `Missing`, `Storage`.
    pub fn fetch(&self, id: &str, digests: &[crate::crypto::hash::Digest]) -> Answer<Vec<Vec<u8>>> {
        self.on(id, |project| project.fetch(digests))
    }
}

/// What the token that asks is.
#[must_use]
pub fn standing(actor: &Actor) -> Standing {
    let info = &actor.token.info;
    let (token, member) = (info.id.clone(), info.member.clone());
    Standing { token, rights: info.rights, member, ..Standing::default() }
}
