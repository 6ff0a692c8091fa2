//! `push`: what is here becomes the next revision, if nobody else was faster.

use crate::crypto::hash::Digest;
use crate::crypto::random;
use crate::error::{Error, Kind, Result};
use crate::format::message::manifest::{Listed, Manifest};
use crate::format::message::token::Credential;
use crate::format::roster::Member;
use crate::format::scope_file::{self, ScopeName};
use crate::format::snapshot::SnapshotId;
use crate::project::{Blobs, Files, Project, differing, listed};
use crate::sync::channel::seal_credential;
use crate::sync::client::{Exchange, PullReport, PushReport};
use crate::sync::protocol::{NewToken, Operation, Refusal, Response, Rights, Standing};
use std::collections::BTreeSet;
use std::time::Duration;

/// Tries while others push at the same time.
const TRIES_MAX: u32 = 100;
/// The longest pause before the next try, in milliseconds, grows by this with every try.
const PAUSE_STEP: u32 = 10;
const PAUSE_MAX: u32 = 250;

/// A state that is ready to go.
struct Outgoing {
    project: Project,
    manifest: Manifest,
    base: Option<Manifest>,
    blobs: Blobs,
    /// Files that are not what the base lists.
    changes: usize,
    /// True if one of them may lack what the base has: a scope file without all of its boxes, or the
    /// roster (PROTOCOL 12.14).
    may_lack: bool,
}

impl Exchange<'_> {
    /// Brings the server in step with what is here; if others have pushed, pulls and tries again.
    /// Issues tokens to members that wait for theirs.
    ///
    /// # Errors
    /// As `pull`; `NotFull` for who holds the key of one scope; `Unmerged`, `ConfigBehind`; `Behind`
    /// if others are always faster.
    pub fn push(mut self) -> Result<PushReport> {
        let mut report = PushReport::default();
        let (mut sends_all, mut has_pulled) = (false, false);
        // Only a pull does without a damaged one.
        self.home.map(|home| home.base(&self.site.root)).transpose()?;
        for attempt in 0..TRIES_MAX {
            let outgoing = self.prepare()?;
            if outgoing.may_lack && !has_pulled {
                // It would take back what others have done; a pull joins it with the base.
                has_pulled = true;
                report.pulls.extend(Some(self.pull()?).filter(PullReport::has_news));
                continue;
            }
            let response = match outgoing.changes {
                0 => self.call(Operation::Status)?,
                _ => self.call(outgoing.operation(sends_all))?,
            };
            match response {
                Response::Standing(standing) => {
                    self.pushed(&outgoing, &standing, &mut report)?;
                    return Ok(report);
                }
                Response::Refused(Refusal::Conflict, _) => {
                    report.pulls.push(self.pull()?);
                    has_pulled = true;
                    pause(attempt)?;
                }
                Response::Refused(Refusal::Missing | Refusal::Malformed, _) if !sends_all => {
                    sends_all = true;
                }
                Response::Refused(Refusal::Replayed, _) => {}
                other => return Err(self.refused(other)),
            }
        }
        Err(Error::new(Kind::Behind, self.server.address()).because("others are always faster"))
    }

    /// Collects what is here as the next revision, checked as its readers will check it.
    fn prepare(&self) -> Result<Outgoing> {
        let _lock = self.site.lock(self.options.waiting)?;
        let project = Project::open(self.site.clone(), &self.opening())?;
        if project.config.project != self.remote.project {
            let error = Error::new(Kind::ForeignCheckout, self.site.root.to_string_lossy());
            return Err(error.because(&project.config.project));
        }
        if project.is_config_behind {
            return Err(Error::new(Kind::ConfigBehind, project.shown("kagi.json")));
        }
        let holder = || Error::new(Kind::NotFull, "the holder of the key of one scope");
        let key = project.access().state_key().ok_or_else(holder)?;
        let mut blobs = Blobs::new();
        let files = self.site.files(&mut blobs)?;
        let base = self.base();
        let may_lack = self.check_changed(&project, &files, &blobs, base.as_ref())?;
        let list = |(path, digest): (&String, &Digest)| {
            let size = blobs.get(digest).map_or(0, Vec::len);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            Listed { path: path.clone(), size, digest: *digest }
        };
        let mut manifest = Manifest {
            project: project.config.project.clone(),
            epoch: project.roster.epoch,
            revision: base.as_ref().map_or(0, |base| base.revision).saturating_add(1),
            previous: base.as_ref().map_or([0; 32], Manifest::id),
            files: files.iter().map(list).collect(),
            mac: [0; 32],
        };
        manifest.authenticate(&key);
        Manifest::decode("the state", &manifest.encode())?;
        let changes = base.as_ref().map_or(files.len(), |base| differing(&files, &listed(base)));
        Ok(Outgoing { project, manifest, base, blobs, changes, may_lack })
    }

    /// Refuses half of a merge, which whoever pulls it could not see, and a changed scope that does not
    /// open. `true` if one may not contain what the base's has, or the roster is another one.
    fn check_changed(
        &self,
        project: &Project,
        files: &Files,
        blobs: &Blobs,
        base: Option<&Manifest>,
    ) -> Result<bool> {
        let boxes = self.home.map(|home| home.base_boxes(&self.site.root)).unwrap_or_default();
        let mut may_lack = false;
        for (at, (path, digest)) in files.iter().enumerate() {
            (self.options.progress)(at + 1, files.len());
            let based = base.and_then(|base| base.find(path)).map(|file| file.digest);
            let is_new = based != Some(*digest);
            let (Some(name), Some(bytes)) = (ScopeName::of_file(path), blobs.get(digest)) else {
                may_lack |= is_new && base.is_some();
                continue;
            };
            let shown = project.shown(path);
            let file = scope_file::read(&shown, bytes, &project.config.project, &name)?;
            if file.has_markers {
                return Err(Error::new(Kind::Unmerged, shown)); // PROTOCOL 12.13
            }
            if is_new && project.config.is_env(&name.env) {
                let found = match project.load(&name) {
                    Err(error) if error.kind != Kind::NoAccess => return Err(error),
                    found => found.ok().flatten(),
                };
                let has = |id: &SnapshotId| {
                    found.as_ref().is_some_and(|found| found.scope.contains(*id))
                        || file.boxes.iter().any(|sealed| sealed.id() == *id)
                };
                let has_all = |based| boxes.get(&based).is_some_and(|ids| ids.iter().all(has));
                may_lack |= based.is_some_and(|based| !has_all(based));
            }
        }
        Ok(may_lack)
    }

    /// What follows a push that was taken, or one that was not needed.
    fn pushed(
        &mut self,
        outgoing: &Outgoing,
        standing: &Standing,
        report: &mut PushReport,
    ) -> Result<()> {
        report.revision = standing.revision;
        report.files = outgoing.changes;
        if outgoing.changes > 0 {
            if standing.revision < outgoing.manifest.revision {
                let error = Error::new(Kind::ServerOlder, self.server.address());
                return Err(error.because("it does not have what it has just taken"));
            }
            report.revision = outgoing.manifest.revision;
            report.unremembered = self.remember(&outgoing.manifest, &outgoing.blobs, true).err();
        } else {
            let base = outgoing.base.as_ref().map_or(0, |base| base.revision);
            if standing.revision < base {
                return Err(self.older(standing.revision, base)); // PROTOCOL 12.5
            }
            report.is_behind = standing.revision > base;
        }
        report.unissued = self.issue(outgoing, standing, &mut report.issued).err();
        Ok(())
    }

    /// Gives members whose requests wait in the mailbox tokens of their own (PROTOCOL 12.12).
    fn issue(
        &mut self,
        outgoing: &Outgoing,
        standing: &Standing,
        issued: &mut Vec<String>,
    ) -> Result<()> {
        let may = standing.rights.has(Rights::ROTATE) || standing.rights.has(Rights::ADMIN);
        // Where everybody has the directory, nobody waits for a token.
        let has_tokens = self.remote.known.token.is_some();
        if !may || !has_tokens || !outgoing.project.access().is_full() {
            return Ok(());
        }
        for id in &standing.waiting {
            let Some(member) = outgoing.project.roster.member(id) else { continue };
            let token = new_token(member, &self.remote.project)?;
            self.ask::<()>(Operation::Issue { token })?;
            issued.push(id.clone());
        }
        Ok(())
    }
}

impl Outgoing {
    fn operation(&self, sends_all: bool) -> Operation {
        let listed = self.base.iter().filter(|_| !sends_all).flat_map(|base| &base.files);
        let mut sent: BTreeSet<_> = listed.map(|file| file.digest).collect();
        let missing = self.manifest.files.iter().filter(|file| sent.insert(file.digest));
        let blobs = missing.filter_map(|file| self.blobs.get(&file.digest).cloned()).collect();
        let access = self.project.access();
        let members = self.project.roster.members.iter().filter(|_| access.is_full());
        let members = members.map(|member| (member.id.clone(), rights_of(member))).collect();
        let member = access.member().to_string();
        Operation::Push { manifest: self.manifest.encode(), blobs, members, member }
    }
}

fn rights_of(member: &Member) -> Rights {
    if member.is_full() { Rights::MEMBER } else { Rights::LIMITED }
}

fn new_token(member: &Member, project: &str) -> Result<NewToken> {
    let credential = Credential::new(random::bytes()?, random::key()?);
    let sealed = seal_credential(&member.id, &member.public, project, &credential)?;
    let new = NewToken::new(&credential, rights_of(member), &member.name);
    Ok(NewToken { member: member.id.clone(), sealed, ..new })
}

/// Waits for some time, so that many who push at once come one after the other.
fn pause(attempt: u32) -> Result<()> {
    let most = (PAUSE_STEP * (attempt + 1)).min(PAUSE_MAX);
    let part = u32::from(u16::from_le_bytes(random::bytes()?));
    std::thread::sleep(Duration::from_millis(u64::from(most * part / u32::from(u16::MAX))));
    Ok(())
}
