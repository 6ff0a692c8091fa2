//! Pulling and pushing (PROTOCOL 12).
//!
//! Promises: nothing of a pulled state is written before all of it was checked, as a clone is checked
//! and more: that it follows from the one that this device has seen. What was changed here is joined
//! with it, never discarded; a pull or push that was stopped anywhere is finished by the next. Refuses
//! a server that is older than it was, or has another history, and to choose between two rosters.

use crate::error::{Error, Kind, Result};
use crate::format::message::token::ProjectToken;
use crate::format::request::Request;
use crate::format::roster::Member;
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::project::Site;
use crate::sync::remote::Server;
use std::path::PathBuf;

/// Which side is taken of `access.json` and `kagi.json`, where both have changed them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// What is here.
    Ours,
    /// What the server has.
    Theirs,
}

/// How a state is pulled.
pub struct Options<'a> {
    /// Take a server that is older than it was, or has another history: a person agreed.
    pub accepts_older: bool,
    /// Which roster and configuration, if both sides have changed them; `None`: neither.
    pub choice: Option<Choice>,
    /// Refuse scopes that are older than what this device has seen.
    pub is_strict: bool,
    /// Asks a person whether this author may introduce the project.
    pub confirm: &'a dyn Fn(&Member) -> bool,
    /// Is called if another kagi works on the project.
    pub waiting: &'a dyn Fn(),
}

/// The remote of a project: its address is in `known`, to be opened by `remote::open` with the
/// public key of the token in it.
pub struct Remote {
    /// Project id.
    pub project: String,
    /// What this device knows of it, with the token to use.
    pub known: KnownRemote,
    /// True if a variable brought the token: it is not stored.
    pub is_given: bool,
}

/// A remark about a file that was joined, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Remark {
    /// The keys of a scope file that both sides have changed differently: `kagi resolve`.
    Conflict(String, Vec<String>),
    /// A file that one side has deleted and the other has changed: it was kept.
    Kept(String),
    /// A file that both sides have changed and that was not joined, with the reason; boxes of both
    /// are in it, or ours are. The reason is empty for want of a key.
    NotJoined(String, String),
    /// A scope file whose values were carried over a rotation.
    CarriedOver(String),
    /// A scope file that is older on the server than what this device has seen.
    Older(String),
    /// A change of members or environments that only one side had: it is lost, and must be repeated.
    Repeat(String),
}

/// What a pull did.
#[derive(Default)]
pub struct PullReport {
    /// The server's revision; 0 if nothing was pushed to it yet.
    pub revision: u64,
    /// True if `.kagi` was not here before.
    pub is_new: bool,
    /// False if this device has no keys that could check the state: a newcomer, or the holder of
    /// the key of one scope.
    pub is_verified: bool,
    /// Files below `.kagi/` that were taken from the server.
    pub taken: Vec<String>,
    /// Files that were deleted, as they were on the server.
    pub deleted: Vec<String>,
    /// Files that both sides have changed and that were joined.
    pub joined: Vec<String>,
    /// What a person should know of them.
    pub remarks: Vec<Remark>,
    /// Files that are here and not on the server: what the next push sends.
    pub unpushed: usize,
    /// Requests to become a member that came with it.
    pub requests: Vec<Request>,
    /// True if the own token of this member came, and replaces the one that it had.
    pub has_own_token: bool,
    /// Where what was here lies, if `Choice::Theirs` replaced it.
    pub backup: Option<PathBuf>,
    /// Why this device cannot remember what it saw, if so.
    pub unremembered: Option<Error>,
}

/// What a push did.
#[derive(Default)]
pub struct PushReport {
    /// The server's revision now.
    pub revision: u64,
    /// Files that were changed by it; 0 if there was nothing to push.
    pub files: usize,
    /// True if there was nothing to push, and the server has something newer.
    pub is_behind: bool,
    /// The pulls that came before, because others had pushed.
    pub pulls: Vec<PullReport>,
    /// Members that a token of their own was issued to.
    pub issued: Vec<String>,
    /// Why this device cannot remember what it saw, if so.
    pub unremembered: Option<Error>,
}

/// The remote of a project: by the token of `KAGI_PROJECT_TOKEN(_FILE)`, else what this device
/// remembers. Without a project (nothing is here yet) the variable decides.
///
/// # Errors
/// `NoRemote`; `BadText` for a token that is none, or is for another project; `Read`, `Exposed`.
pub fn remote(_home: Option<&Home>, project: Option<&str>) -> Result<Remote> {
    Err(Error::new(Kind::NoRemote, project.unwrap_or_default()))
}

/// Remembers a token as the project's, and lets its anchors introduce the project. What was seen of
/// the project is kept if the token is for the same server.
///
/// # Errors
/// `Write`; what makes the files of this device unacceptable.
pub fn adopt(_home: &Home, token: ProjectToken) -> Result<Remote> {
    Err(Error::new(Kind::NoRemote, token.project))
}

/// Brings what is here in step with the server (PROTOCOL 12). `site` is a project, or where it will
/// be (`Site::at`).
///
/// # Errors
/// Those of `Server::call`; `Denied`, `Refused`; `ServerOlder`, `ServerForked`; `BothChanged`;
/// everything that makes a project unacceptable: nothing was written then. `Write`.
pub fn pull(
    _home: Option<&Home>,
    _site: &Site,
    remote: &Remote,
    _options: &Options,
    _server: &mut dyn Server,
) -> Result<PullReport> {
    Err(Error::new(Kind::NoRemote, &remote.project))
}

/// Brings the server in step with what is here; if others have pushed, pulls and tries again. Issues
/// tokens to members that wait for theirs.
///
/// # Errors
/// As `pull`; `NotFull` for who holds the key of one scope; `Unmerged`, `ConfigBehind`; `Behind` if
/// others are always faster.
pub fn push(
    _home: Option<&Home>,
    _site: &Site,
    remote: &Remote,
    _options: &Options,
    _server: &mut dyn Server,
) -> Result<PushReport> {
    Err(Error::new(Kind::NoRemote, &remote.project))
}

/// How many files were changed here since the last pull or push; `None` if there was none.
///
/// # Errors
/// `Read`, `NotPlain`, `TooLarge`.
pub fn changes(_home: &Home, _site: &Site) -> Result<Option<usize>> {
    Ok(None)
}
