//! `pull`: asks, checks the history, and hands the state to `project`, which joins it.

use crate::crypto::hash::{Digest, hash};
use crate::disk::Lock;
use crate::error::{Error, Kind, Result};
use crate::format::key_text::Identity;
use crate::format::message::manifest::{Manifest, follow};
use crate::format::message::token::ProjectToken;
use crate::format::request::{REQUESTS_MAX, Request};
use crate::format::scope_file::ScopeName;
use crate::keys::remote::KnownRemote;
use crate::keys::{Holder, Home, holder_from_environment};
use crate::project::{Blobs, Files, Incoming, Received, Site, differing, listed, receive};
use crate::sync::channel::open_credential;
use crate::sync::client::{Choice, Exchange, PullReport, Remark};
use crate::sync::protocol::{Operation, Pulled};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Tries while another kagi pulls or writes at the same time.
const TRIES_MAX: usize = 10;
/// Revisions that a device may be behind without agreeing to another history.
const BEHIND_MAX: usize = 1_000_000;

/// What came, before anything of it is believed.
struct Fetched {
    manifest: Manifest,
    base: Option<Manifest>,
    blobs: Blobs,
    pulled: Pulled,
}

impl Exchange<'_> {
    /// Brings what is here in step with the server (PROTOCOL 12); again if what is here was changed
    /// meanwhile: nobody waits for a network with the lock.
    ///
    /// # Errors
    /// Those of `Server::call`; `Denied`, `Refused`; `ServerOlder`, `ServerForked`; `BothChanged`;
    /// everything that makes a project unacceptable: nothing was written then. `Write`.
    pub fn pull(&mut self) -> Result<PullReport> {
        check_place(self.site, &self.remote.project)?;
        self.trust_anchors();
        let is_damaged = self.home.is_some_and(|home| home.base(&self.site.root).is_err());
        for _ in 0..TRIES_MAX {
            let identity = own_identity(self.home)?;
            let member = identity.as_ref().map_or("", |own| own.id.as_str());
            let Some(fetched) = self.fetch(member)? else {
                return Ok(PullReport::default());
            };
            if let Some(mut report) = self.take(fetched, identity.as_ref())? {
                report.received.remarks.extend(is_damaged.then_some(Remark::BaseDamaged));
                return Ok(report);
            }
        }
        Err(Error::new(Kind::Changed, self.site.root.to_string_lossy()))
    }

    /// The anchors of a token that was given just for this are believed if nothing is known yet.
    fn trust_anchors(&self) {
        let (project, token) = (&self.remote.project, &self.remote.known.token);
        if let (true, Some(home), Some(token)) = (self.remote.is_given, self.home, token)
            && home.pin(project).is_ok_and(|pin| pin.accepted.is_none())
        {
            // Without a home that can be written, the identity itself has to bring them.
            let _ = home.add_anchors(project, &token.anchors);
        }
    }

    /// Asks for the state and for every blob of it that is not here. `None`: there is none yet.
    fn fetch(&mut self, member: &str) -> Result<Option<Fetched>> {
        let (base, seen) = (self.base(), self.seen()?);
        // What was not verified when it came has to come again (PROTOCOL 12.4).
        let since = base.as_ref().map_or(0, |base| base.revision);
        let mut since = if since <= seen.0 { since } else { 0 };
        (self.options.progress)(0, 0);
        let mut pulled = self.ask_for(since, member)?;
        let is_base = |id: Digest| base.as_ref().is_some_and(|base| base.id() == id);
        if pulled.manifest.is_empty()
            && pulled.standing.revision > 0
            && !is_base(pulled.standing.id)
        {
            // Another history, in which that number is of another state.
            since = 0;
            pulled = self.ask_for(since, member)?;
        }
        let manifest = match &base {
            _ if !pulled.manifest.is_empty() => {
                Manifest::decode("the server's manifest", &pulled.manifest)?
            }
            Some(base) if pulled.standing.revision > 0 => base.clone(),
            _ if seen.0 > 0 && !self.options.accepts_older => return Err(self.older(0, seen.0)),
            _ => {
                self.begin_anew()?;
                return Ok(None);
            }
        };
        if manifest.project != self.remote.project {
            return Err(Error::new(Kind::Unauthentic, "the server's manifest")); // PROTOCOL 12.2
        }
        self.check_history(&manifest, since, &pulled.links, seen)?;
        let mut blobs = Blobs::new();
        let ours = self.site.files(&mut blobs)?;
        let sent = std::mem::take(&mut pulled.blobs);
        blobs.extend(sent.into_iter().map(|blob| (hash(&blob), blob)));
        self.complete(&manifest, base.as_ref(), &ours, &mut blobs)?;
        Ok(Some(Fetched { manifest, base, blobs, pulled }))
    }

    /// Forgets what was seen of a server that has nothing (any more): a push begins with revision 1.
    fn begin_anew(&mut self) -> Result<()> {
        (self.seen, self.base) = ((0, [0; 32]), None);
        let (Some(home), remote) = (self.home, self.remote) else {
            return Ok(());
        };
        home.change_remote(&remote.project, |stored| {
            let is_news = |known: &KnownRemote| known.is_same(&remote.known) && known.revision > 0;
            Some(KnownRemote { revision: 0, id: [0; 32], ..stored.filter(is_news)? })
        })?;
        home.set_base(&self.site.root, None)
    }

    fn ask_for(&mut self, since: u64, member: &str) -> Result<Pulled> {
        self.ask(Operation::Pull { since, member: member.to_string() })
    }

    /// Refuses a state that does not follow from the newest one that this device has seen
    /// (PROTOCOL 12.5).
    fn check_history(
        &mut self,
        manifest: &Manifest,
        since: u64,
        links: &[Digest],
        seen: (u64, Digest),
    ) -> Result<()> {
        let (mut revision, mut id) = seen;
        if revision == 0 || self.options.accepts_older {
            return Ok(());
        }
        if manifest.revision < revision {
            return Err(self.older(manifest.revision, revision));
        }
        let forked = Error::new(Kind::ServerForked, self.server.address());
        if manifest.revision == revision {
            return if manifest.id() == id { Ok(()) } else { Err(forked) };
        }
        let mut links = if since == revision { links.to_vec() } else { Vec::new() };
        while revision + 1 < manifest.revision {
            if links.is_empty() {
                // The first of many, if they are too many for one answer.
                links = self.ask_for(revision, "")?.links;
            }
            let count = usize::try_from(manifest.revision - 1 - revision).unwrap_or(usize::MAX);
            // A number at the end of time has no history.
            if links.is_empty() || count > BEHIND_MAX {
                return Err(forked);
            }
            for link in links.drain(..).take(count) {
                (revision, id) = (revision + 1, follow(&id, &link));
            }
        }
        if manifest.previous == id { Ok(()) } else { Err(forked) }
    }

    /// Fetches the blobs of the state that are not here, and where the epoch has changed since the base
    /// those of the base, as far as the server still has them.
    fn complete(
        &mut self,
        manifest: &Manifest,
        base: Option<&Manifest>,
        ours: &Files,
        blobs: &mut Blobs,
    ) -> Result<()> {
        let epoch = self.site.claimed_roster().map(|roster| roster.epoch);
        // Where that cannot be read, it may have.
        let crosses = !epoch.is_ok_and(|epoch| epoch == manifest.epoch);
        self.fetch_all(manifest.files.iter().map(|file| file.digest).collect(), blobs)?;
        for file in base.into_iter().filter(|_| crosses).flat_map(|base| &base.files) {
            let is_joined = ours.get(&file.path) != Some(&file.digest)
                && ScopeName::of_file(&file.path).is_some();
            if is_joined && !blobs.contains_key(&file.digest) {
                match self.fetch_all(vec![file.digest], blobs) {
                    // Without it, every difference is a conflict: that is for what the server has lost,
                    // and not for one that cannot be reached.
                    Err(error) if [Kind::Refused, Kind::Unauthentic].contains(&error.kind) => {}
                    fetched => fetched?,
                }
            }
        }
        Ok(())
    }

    fn fetch_all(&mut self, mut wanted: Vec<Digest>, blobs: &mut Blobs) -> Result<()> {
        let asked: BTreeSet<_> = wanted.iter().copied().collect();
        loop {
            wanted.retain(|digest| !blobs.contains_key(digest));
            (self.options.progress)(asked.len() - wanted.len(), asked.len());
            let Some(first) = wanted.first().copied() else {
                return Ok(());
            };
            let fetched: Vec<Vec<u8>> = self.ask(Operation::Fetch { digests: wanted.clone() })?;
            let fetched = fetched.into_iter().map(|blob| (hash(&blob), blob));
            // Nobody asked for others, of which there could be any number.
            blobs.extend(fetched.filter(|(digest, _)| asked.contains(digest)));
            if !blobs.contains_key(&first) {
                let error = Error::new(Kind::Unauthentic, self.server.address());
                return Err(error.because("a file is not what the manifest lists")); // PROTOCOL 12.2
            }
        }
    }

    /// Joins what came with what is here, with the lock. `None` if the base is another one by now, or
    /// something is here that was not.
    fn take(
        &mut self,
        fetched: Fetched,
        identity: Option<&Identity>,
    ) -> Result<Option<PullReport>> {
        let Fetched { manifest, base, mut blobs, pulled } = fetched;
        let is_new = self.site.is_new();
        let mut lock = if is_new { None } else { Some(self.site.lock(self.options.waiting)?) };
        let ours = self.site.files(&mut blobs)?;
        let is_base =
            |now: Option<Manifest>| now.map(|now| now.id()) == base.as_ref().map(Manifest::id);
        if !is_base(self.base()) {
            return Ok(None);
        }
        let mut report =
            PullReport { revision: manifest.revision, is_new, ..PullReport::default() };
        let is_verified = self.seen()?.0 >= manifest.revision;
        let unpushed = differing(&ours, &listed(&manifest));
        let blobs = Rc::new(blobs);
        if pulled.manifest.is_empty() && (unpushed == 0 || !is_verified) {
            (report.received.is_verified, report.received.unpushed) = (is_verified, unpushed);
        } else {
            // What came after an older state is kept where that is asked for (PROTOCOL 12.5).
            let keeps = self.options.accepts_older && self.options.choice == Some(Choice::Ours);
            let base = base
                .as_ref()
                .filter(|base| !is_new && (!keeps || base.revision < manifest.revision));
            let blobs = blobs.clone();
            let (manifest, ours, opening) = (&manifest, &ours, &self.opening());
            let (site, choice) = (self.site, self.options.choice);
            let incoming = Incoming { site, choice, opening, manifest, base, ours, blobs };
            report.received = receive(&incoming, lock.as_ref())?;
        }
        if lock.is_none() {
            lock = Some(self.site.lock(self.options.waiting)?);
        }
        let mut failed = None;
        if let Some(lock) = lock.filter(|_| report.received.is_verified) {
            let taken = self.take_requests(&lock, &pulled.requests, &mut report.requests);
            failed = taken.err();
        }
        let own = identity.and_then(|own| self.take_credential(own, &pulled.sealed).transpose());
        report.has_own_token = matches!(own, Some(Ok(())));
        let failed = failed.or(own.and_then(Result::err));
        let failed = failed.or(self.remember(&manifest, &blobs, report.received.is_verified).err());
        report.received.unremembered = report.received.unremembered.or(failed);
        Ok(Some(report))
    }

    /// Writes the requests of the mailbox that are not answered yet, and drops those that are.
    fn take_requests(
        &self,
        lock: &Lock,
        waiting: &[Vec<u8>],
        new: &mut Vec<Request>,
    ) -> Result<()> {
        let roster = self.site.claimed_roster()?;
        let is_answered = |id: &String| roster.member(id).is_some() || roster.removed.contains(id);
        let mut ids = BTreeSet::new();
        for request in self.site.requests()?.into_iter().flatten() {
            if is_answered(&request.id) {
                self.site.remove_request(lock, &request.id)?;
            }
            ids.insert(request.id);
        }
        for bytes in waiting {
            // What cannot be a request is no reason to stop: the state was checked without it.
            let Ok(request) = Request::read("a request", bytes) else { continue };
            let is_new = !is_answered(&request.id) && ids.insert(request.id.clone());
            if is_new && ids.len() <= REQUESTS_MAX {
                self.site.write_request(lock, &request)?;
                new.push(request);
            }
        }
        Ok(())
    }

    /// Keeps the credential that was sealed to this member, in place of the one that it asked with
    /// (PROTOCOL 12.12). `None` if there is none that is new.
    fn take_credential(&self, own: &Identity, sealed: &[u8]) -> Result<Option<()>> {
        let (Some(home), false) = (self.home, self.remote.is_given) else {
            return Ok(None);
        };
        let project = &self.remote.project;
        let credential = open_credential(&own.id, &own.secret, &own.public, project, sealed);
        let Some(credential) = credential else {
            return Ok(None);
        };
        let mut is_new = false;
        home.change_remote(project, |stored| {
            let stored = stored.filter(|stored| stored.is_same(&self.remote.known))?;
            let KnownRemote { address, token, revision, id } = stored;
            let token = token.filter(|token| token.credential.id != credential.id)?;
            is_new = true;
            let token = Some(ProjectToken { credential, ..token });
            Some(KnownRemote { address, token, revision, id })
        })?;
        Ok(is_new.then_some(()))
    }
}

/// Refuses to pull into another project.
fn check_place(site: &Site, project: &str) -> Result<()> {
    match site.claimed_project() {
        Ok(other) if other != project => {
            Err(Error::new(Kind::ForeignCheckout, site.root.to_string_lossy()).because(other))
        }
        Err(error) if error.kind != Kind::Missing => Err(error),
        _ => Ok(()),
    }
}

/// The identity of this process, if it has one.
pub(super) fn own_identity(home: Option<&Home>) -> Result<Option<Identity>> {
    match (holder_from_environment()?, home) {
        (Some(Holder::Member(identity)), _) => Ok(Some(identity)),
        (Some(_), _) | (None, None) => Ok(None),
        (None, Some(home)) => home.identity(),
    }
}

impl PullReport {
    /// True if there is something to tell.
    pub(super) fn has_news(&self) -> bool {
        let Received { taken, deleted, joined, remarks, .. } = &self.received;
        let files = taken.len() + deleted.len() + joined.len();
        files + remarks.len() + self.requests.len() > 0 || self.has_own_token
    }
}
