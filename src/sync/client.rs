//! Pulling and pushing (PROTOCOL 12).
//!
//! Promises: nothing of a pulled state is written before all of it was checked, as a clone is checked
//! and more: that it follows from the one that this device has seen. What was changed here is joined
//! with it, never discarded; a pull or push that was stopped anywhere is finished by the next. Refuses
//! a server that is older than it was, or has another history, and to choose between two rosters.

use crate::crypto::hash::Digest;
use crate::disk;
use crate::error::{Error, Kind, Result};
use crate::format::message::manifest::{Listed, Manifest};
use crate::format::message::token::ProjectToken;
use crate::format::request::Request;
use crate::format::roster::Member;
use crate::format::scope_file::{self, ScopeName, SealedBox};
use crate::keys::Home;
use crate::keys::remote::{KnownRemote, token_from_environment};
use crate::project::{Blobs, DIRECTORY, Opening, Received, Site, differing, listed};
use crate::sync::protocol::{Operation, Refusal, Response};
use crate::sync::remote::Server;

mod pull;
mod push;

pub use crate::project::{Choice, Remark};

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
    /// Is told how many files, of how many, were checked, sent or fetched.
    pub progress: &'a dyn Fn(usize, usize),
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

/// What a pull did.
#[derive(Default)]
pub struct PullReport {
    /// The server's revision; 0 if nothing was pushed to it yet.
    pub revision: u64,
    /// True if `.kagi` was not here before.
    pub is_new: bool,
    /// What was done with the state that came.
    pub received: Received,
    /// Requests to become a member that came with it.
    pub requests: Vec<Request>,
    /// True if the own token of this member came, and replaces the one that it had.
    pub has_own_token: bool,
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
    /// Why others that wait got none, if so.
    pub unissued: Option<Error>,
    /// Why this device cannot remember what it saw, if so.
    pub unremembered: Option<Error>,
}

/// The remote of a project: by the token of `KAGI_PROJECT_TOKEN(_FILE)`, else what this device
/// remembers. Without a project (nothing is here yet) the variable decides.
///
/// # Errors
/// `NoRemote`; `BadText` for a token that is none, or is for another project; `Read`, `Exposed`.
pub fn remote(home: Option<&Home>, project: Option<&str>) -> Result<Remote> {
    let names = ["KAGI_PROJECT_TOKEN", "KAGI_PROJECT_TOKEN_FILE"];
    let given = token_from_environment(names, ProjectToken::from_text)?;
    let other = given.as_ref().filter(|token| project.is_some_and(|id| id != token.project));
    if let Some(token) = other {
        let cause = format!("it is for {}", token.project);
        return Err(Error::new(Kind::BadText, "KAGI_PROJECT_TOKEN").because(cause));
    }
    let project = given.as_ref().map(|token| token.project.as_str()).or(project);
    let project = project.unwrap_or_default().to_string();
    let stored = home.filter(|_| !project.is_empty()).map(|home| home.remote(&project));
    let stored = stored.transpose()?.flatten();
    let is_given = given.is_some();
    let known = match given {
        Some(token) => Some(renewed(stored, token)),
        // What a token came for that was not stored cannot be asked without it.
        None => stored.filter(|known| known.token.is_some() || !known.address.contains("://")),
    };
    let known = known.ok_or_else(|| Error::new(Kind::NoRemote, &project))?;
    Ok(Remote { project, known, is_given })
}

/// A remote by a new token; what was seen is kept if it is the same server (PROTOCOL 12.1).
fn renewed(stored: Option<KnownRemote>, token: ProjectToken) -> KnownRemote {
    let address = token.remote.clone();
    let fresh = KnownRemote::new(address, Some(token));
    match stored.filter(|stored| stored.is_same(&fresh)) {
        Some(KnownRemote { revision, id, .. }) => KnownRemote { revision, id, ..fresh },
        None => fresh,
    }
}

/// Remembers a token as the project's, and lets its anchors introduce the project. What was seen of
/// the project is kept if the token is for the same server.
///
/// # Errors
/// `Write`; what makes the files of this device unacceptable.
pub fn adopt(home: &Home, token: ProjectToken) -> Result<Remote> {
    let (project, anchors) = (token.project.clone(), token.anchors.clone());
    home.change_remote(&project, |stored| Some(renewed(stored, token)))?;
    home.add_anchors(&project, &anchors)?;
    let known = home.remote(&project)?.ok_or_else(|| Error::new(Kind::NoRemote, &project))?;
    Ok(Remote { project, known, is_given: false })
}

/// How many files were changed here since the last pull or push; `None` if there was none.
///
/// # Errors
/// `Read`, `NotPlain`, `TooLarge`.
pub fn changes(home: &Home, site: &Site) -> Result<Option<usize>> {
    let Some(base) = home.base(&site.root)? else {
        return Ok(None);
    };
    Ok(Some(differing(&site.files(&mut Blobs::new())?, &listed(&base))))
}

/// The scopes whose files were deleted here since the last pull or push, though their environment is
/// still there: the next push deletes them on the server.
///
/// # Errors
/// What makes a base, or `kagi.json`, unacceptable.
pub fn gone(home: &Home, site: &Site) -> Result<Vec<ScopeName>> {
    let Some(base) = home.base(&site.root)? else {
        return Ok(Vec::new());
    };
    let kagi = site.root.join(DIRECTORY);
    let missing = base.files.iter().filter(|file| !disk::exists(&kagi.join(&file.path)));
    let mut scopes: Vec<_> = missing.filter_map(|file| ScopeName::of_file(&file.path)).collect();
    if !scopes.is_empty() {
        let (config, _) = site.claimed_config()?;
        scopes.retain(|name| config.is_env(&name.env));
    }
    Ok(scopes)
}

/// What a refusal, or an answer to another question, means.
#[must_use]
pub fn refused(address: &str, response: Response) -> Error {
    let fail = |kind| Error::new(kind, address);
    let Response::Refused(refusal, about) = response else {
        return fail(Kind::Unreachable).because("it answers another question");
    };
    let why = match refusal {
        Refusal::Denied => return fail(Kind::Denied),
        Refusal::Conflict => return fail(Kind::Behind),
        Refusal::Forbidden => format!("the token does not give {about}"),
        Refusal::Missing => format!("it has no such {about}"),
        Refusal::Malformed => format!("malformed: {about}"),
        Refusal::Limit => format!("a limit is reached: {about}"),
        Refusal::Storage => format!("it cannot write: {about}"),
        Refusal::Replayed => "the request was there before".to_string(),
    };
    fail(Kind::Refused).because(why)
}

/// One pull or push: the server, and what is known of it.
pub struct Exchange<'a> {
    home: Option<&'a Home>,
    site: &'a Site,
    remote: &'a Remote,
    options: &'a Options<'a>,
    server: &'a mut dyn Server,
    /// The newest revision seen, and its id, where the home does not keep them.
    seen: (u64, Digest),
    /// The base, where the home does not keep it.
    base: Option<Manifest>,
}

impl<'a> Exchange<'a> {
    /// Begins one. `site` is a project, or for a pull where one will be (`Site::at`).
    pub fn new(
        home: Option<&'a Home>,
        site: &'a Site,
        remote: &'a Remote,
        options: &'a Options<'a>,
        server: &'a mut dyn Server,
    ) -> Self {
        let seen = (remote.known.revision, remote.known.id);
        Exchange { home, site, remote, options, server, seen, base: None }
    }

    /// Asks; a refusal is what the caller makes of it.
    fn call(&mut self, operation: Operation) -> Result<Response> {
        let credential = self.remote.known.token.as_ref().map(|token| &token.credential);
        self.server.call(credential, &self.remote.project, operation)
    }

    /// Asks, and gives back what the answer should hold.
    fn ask<T: TryFrom<Response, Error = Response>>(&mut self, operation: Operation) -> Result<T> {
        T::try_from(self.call(operation)?).map_err(|other| self.refused(other))
    }

    fn refused(&self, response: Response) -> Error {
        refused(self.server.address(), response)
    }

    fn older(&self, revision: u64, seen: u64) -> Error {
        let cause = format!("{revision}, and {seen} was there");
        Error::new(Kind::ServerOlder, self.server.address()).because(cause)
    }

    fn opening(&self) -> Opening<'a> {
        let Options { is_strict, confirm, .. } = *self.options;
        Opening { is_strict, remembers: true, forgets: false, confirm }
    }

    /// The manifest that this checkout was last in step with; a damaged one counts as none.
    fn base(&self) -> Option<Manifest> {
        let kept = self.home.and_then(|home| home.base(&self.site.root).ok().flatten());
        let base = self.base.clone().or(kept);
        // Without a project, what it was in step with says nothing.
        base.filter(|base| base.project == self.remote.project && !self.site.is_new())
    }

    /// The newest revision that this device has seen of the project on this server, and its id.
    fn seen(&self) -> Result<(u64, Digest)> {
        let stored = self.home.map(|home| home.remote(&self.remote.project)).transpose()?.flatten();
        let stored = stored.filter(|stored| stored.is_same(&self.remote.known));
        Ok(stored.map_or(self.seen, |stored| (stored.revision, stored.id)))
    }

    /// Remembers what was seen, if it was verified, and then what the checkout is in step with
    /// (PROTOCOL 12.11).
    fn remember(&mut self, manifest: &Manifest, blobs: &Blobs, is_verified: bool) -> Result<()> {
        if is_verified {
            self.seen = (manifest.revision, manifest.id());
        }
        let kept = self.home.map_or(Ok(()), |home| {
            self.keep(home, manifest)?;
            self.keep_boxes(home, manifest, blobs)
        });
        let is_kept = self.home.is_some() && kept.is_ok();
        self.base = if is_kept { None } else { Some(manifest.clone()) };
        kept
    }

    fn keep(&self, home: &Home, manifest: &Manifest) -> Result<()> {
        let (remote, (revision, id)) = (self.remote, self.seen);
        let accepts_older = self.options.accepts_older;
        home.change_remote(&remote.project, |stored| match stored {
            Some(stored) if !stored.is_same(&remote.known) => None,
            Some(stored) if (stored.revision, stored.id) == (revision, id) => None,
            // Another pull of this device has seen more meanwhile.
            Some(stored) if stored.revision > revision && !accepts_older => None,
            Some(stored) => Some(KnownRemote { revision, id, ..stored }),
            None => {
                let address = remote.known.address.clone();
                Some(KnownRemote { address, token: None, revision, id })
            }
        })?;
        let kept = home.base(&self.site.root).ok().flatten();
        if kept.is_some_and(|base| base.id() == manifest.id()) {
            return Ok(());
        }
        home.set_base(&self.site.root, Some(manifest))
    }

    /// Remembers what boxes the files of the base have, for a push to contain them (PROTOCOL 12.14).
    fn keep_boxes(&self, home: &Home, manifest: &Manifest, blobs: &Blobs) -> Result<()> {
        let known = home.base_boxes(&self.site.root);
        let read = |path: &str, digest: &Digest| {
            let name = ScopeName::of_file(path)?;
            let file = scope_file::read(path, blobs.get(digest)?, &manifest.project, &name).ok()?;
            Some(file.boxes.iter().map(SealedBox::id).collect())
        };
        let boxes = manifest.files.iter().filter_map(|Listed { path, digest, .. }| {
            let ids = known.get(digest).cloned().or_else(|| read(path, digest))?;
            Some((*digest, ids))
        });
        let boxes = boxes.collect();
        if boxes == known { Ok(()) } else { home.set_base_boxes(&self.site.root, &boxes) }
    }
}
