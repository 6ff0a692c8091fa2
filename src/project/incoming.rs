//! The scope files of a state that comes from a server, beside those that are here.
//!
//! Promises: pure but for random bytes, so nothing is written before all of it is known; a side's
//! change is in the result, or its file is kept and that is said. Refuses what no reader would take.

use crate::crypto::hash::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::message::manifest::Manifest;
use crate::format::roster::Roster;
use crate::format::scope_file::{self, BOXES_MAX, FILE_BYTES_MAX, ScopeName, SealedBox};
use crate::format::snapshot::Snapshot;
use crate::project::merge::Merged;
use crate::project::receive::{Choice, Received, Remark, Sides};
use crate::project::scopes::{pinned_as, seal};
use crate::project::{Blobs, CONFIG_FILE, Files, Opening, Project, ROSTER_FILE, Site};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What came, and what is here.
pub struct Incoming<'a> {
    /// Where the project is, or will be.
    pub site: &'a Site,
    /// Which roster and configuration, if both sides have changed them; `None`: neither.
    pub choice: Option<Choice>,
    /// How what came is opened.
    pub opening: &'a Opening<'a>,
    /// What the server has.
    pub manifest: &'a Manifest,
    /// What this checkout was last in step with.
    pub base: Option<&'a Manifest>,
    /// What is here.
    pub ours: &'a Files,
    /// The bytes of all of these; of the base as far as the server still has them.
    pub blobs: Rc<Blobs>,
}

/// Who has changed a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Nobody,
    Here,
    There,
    Both,
}

/// One scope file that is to be written.
pub(super) struct Change<'a> {
    pub path: String,
    /// What it holds until the new roster is in place, if that is of another epoch.
    pub before: Option<Vec<u8>>,
    /// What it holds in the end; `None`: it is deleted.
    pub after: Option<Cow<'a, [u8]>>,
    /// True if it is deleted before the new roster is in place, which could not open it.
    pub goes_first: bool,
}

impl Incoming<'_> {
    pub(super) fn theirs(&self, path: &str) -> Option<Digest> {
        self.manifest.find(path).map(|file| file.digest)
    }

    fn based(&self, path: &str) -> Option<Digest> {
        self.base?.find(path).map(|file| file.digest)
    }

    pub(super) fn here(&self, path: &str) -> Option<Digest> {
        self.ours.get(path).copied()
    }

    /// The bytes of a file of one of the sides; none for a file that is not there.
    pub(super) fn bytes(&self, digest: Option<Digest>) -> &[u8] {
        digest.and_then(|digest| self.blobs.get(&digest)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn their_bytes(&self, path: &str) -> Result<&[u8]> {
        let bytes = self.theirs(path).and_then(|digest| self.blobs.get(&digest));
        bytes.map(Vec::as_slice).ok_or_else(|| Error::new(Kind::Missing, path))
    }

    /// PROTOCOL 12.7.
    pub(super) fn changed(&self, path: &str) -> Changed {
        let (base, ours, theirs) = (self.based(path), self.here(path), self.theirs(path));
        match self.base {
            _ if ours == theirs => Changed::Nobody,
            Some(_) if ours == base => Changed::There,
            Some(_) if theirs == base => Changed::Here,
            _ => Changed::Both,
        }
    }

    /// The same for `access.json` and `kagi.json` together. A file that is missing is nobody's
    /// change, and one that is as the server has it may be what a stopped pull has left
    /// (PROTOCOL 12.8).
    pub(super) fn unit_changed(&self) -> Changed {
        let all = |holds: &dyn Fn(&str) -> bool| [CONFIG_FILE, ROSTER_FILE].into_iter().all(holds);
        let is_unchanged = |path: &str| {
            let ours = self.here(path);
            ours.is_none() || ours == self.theirs(path) || ours == self.based(path)
        };
        if all(&|path| self.changed(path) == Changed::Nobody) {
            Changed::Nobody
        } else if all(&is_unchanged) {
            Changed::There
        } else if self.base.is_some() && all(&|path| self.theirs(path) == self.based(path)) {
            if self.is_roster_older() { Changed::There } else { Changed::Here }
        } else {
            Changed::Both
        }
    }

    /// True if the roster that is here comes before the server's: it was taken back (PROTOCOL 12.14).
    fn is_roster_older(&self) -> bool {
        let read = |digest| Roster::read(ROSTER_FILE, self.bytes(digest));
        match (read(self.here(ROSTER_FILE)), read(self.theirs(ROSTER_FILE))) {
            (Ok(here), Ok(there)) => here.epoch == there.epoch && here.sequence < there.sequence,
            _ => false,
        }
    }

    /// The paths of scope files on any side, sorted.
    pub(super) fn scopes(&self) -> BTreeSet<String> {
        let based = self.base.into_iter().flat_map(|base| &base.files);
        let listed = based.chain(&self.manifest.files).map(|file| &file.path);
        let paths = listed.chain(self.ours.keys());
        paths.filter(|path| ScopeName::of_file(path).is_some()).cloned().collect()
    }
}

/// The work on one scope file, and what came of all so far.
struct Join<'a, 'b> {
    incoming: &'a Incoming<'a>,
    sides: &'a Sides,
    name: &'b ScopeName,
    path: &'b str,
    ours: Option<Digest>,
    theirs: Option<Digest>,
    received: &'b mut Received,
    changes: &'b mut Vec<Change<'a>>,
}

/// Looks at every scope file: what is to be written, and what is to be said of it.
pub(super) fn join<'a>(
    incoming: &'a Incoming<'a>,
    sides: &'a Sides,
) -> Result<(Received, Vec<Change<'a>>)> {
    let (mut received, mut changes) = (Received::default(), Vec::new());
    for path in &incoming.scopes() {
        let Some(name) = &ScopeName::of_file(path) else { continue };
        let (ours, theirs) = (incoming.here(path), incoming.theirs(path));
        let (received, changes) = (&mut received, &mut changes);
        Join { incoming, sides, name, path, ours, theirs, received, changes }.one()?;
    }
    Ok((received, changes))
}

impl<'a> Join<'a, '_> {
    /// PROTOCOL 12.7 and 12.9.
    fn one(&mut self) -> Result<()> {
        let (incoming, ours, theirs) = (self.incoming, self.ours, self.theirs);
        let mut changed = incoming.changed(self.path);
        if changed == Changed::Both && (ours.is_none() || theirs.is_none()) {
            // Without a base nobody says that the other side has deleted it.
            if incoming.base.is_some() {
                self.remark(Remark::Kept);
            }
            changed = if ours.is_none() { Changed::There } else { Changed::Here };
        }
        let (crosses, keeps_ours) = (self.sides.crosses, self.sides.keeps_ours);
        match changed {
            Changed::There if theirs.is_none() => {
                if self.delete() {
                    if incoming.opening.is_strict {
                        let shown = format!("server:.kagi/{}", self.path);
                        return Err(Error::new(Kind::RolledBack, shown)); // FORMAT 11.4
                    }
                    self.remark(Remark::Gone);
                }
                self.received.deleted.push(self.path.to_string());
                Ok(())
            }
            Changed::There if crosses && keeps_ours && ours.is_none() => self.carry(None, theirs),
            Changed::There => self.take(),
            Changed::Here if crosses && !keeps_ours && theirs.is_none() => self.carry(None, ours),
            Changed::Both if !crosses => self.join(),
            // What is here may be no change of the base, but older: Git goes back, and so do people.
            Changed::Here if !crosses && ours.is_some() && theirs.is_some() => self.join(),
            Changed::Both if keeps_ours => self.carry(ours, theirs),
            Changed::Both => self.carry(theirs, ours),
            Changed::Here | Changed::Nobody => Ok(()),
        }
    }

    fn change(&mut self, before: Option<Vec<u8>>, after: Option<Cow<'a, [u8]>>) {
        let path = self.path.to_string();
        self.changes.push(Change { path, before, after, goes_first: false });
    }

    /// Of an environment that goes as well, the old roster may need it till the end; `true` for one
    /// that stays.
    fn delete(&mut self) -> bool {
        let target = self.sides.target();
        let stays = target.is_some_and(|target| target.config.is_env(&self.name.env));
        let (path, goes_first) = (self.path.to_string(), stays && self.sides.crosses);
        self.changes.push(Change { path, before: None, after: None, goes_first });
        stays
    }

    fn remark(&mut self, of: impl FnOnce(String) -> Remark) {
        self.received.remarks.push(of(self.path.to_string()));
    }

    /// Takes the server's file, if it opens to whom it should.
    fn take(&mut self) -> Result<()> {
        let (incoming, crosses) = (self.incoming, self.sides.crosses);
        let is_sound = self.check()?;
        if !is_sound && self.ours.is_some() && !crosses {
            return Ok(()); // What is here is the better one, and the next push puts it back.
        }
        let theirs = incoming.their_bytes(self.path)?;
        let ours = self.ours.filter(|_| crosses && !self.sides.keeps_ours);
        let before = ours.map(|ours| self.bridge(incoming.bytes(Some(ours)), theirs));
        self.change(before.transpose()?, Some(theirs.into()));
        self.received.taken.push(self.path.to_string());
        Ok(())
    }

    /// False, and said, if the server's file does not open although its key is here.
    fn check(&mut self) -> Result<bool> {
        let (theirs, name) = (self.sides.theirs.as_ref(), self.name);
        let Some(project) = theirs.filter(|project| project.scope_key(name).is_ok()) else {
            return Ok(true);
        };
        match project.read_scope(name) {
            Ok(Some((scope, _))) => {
                if project.pin.sequences.get(&pinned_as(name)) > Some(&scope.sequence) {
                    if self.incoming.opening.is_strict {
                        let shown = project.shown(self.path);
                        return Err(Error::new(Kind::RolledBack, shown)); // FORMAT 11.4
                    }
                    self.remark(Remark::Older);
                }
                project.see(name, scope.sequence);
                Ok(true)
            }
            Ok(None) => Ok(true),
            // A box of an epoch that has ended too: nobody should be kept from the scope by that.
            Err(_) => {
                self.remark_not_joined("what the server has does not open");
                Ok(false)
            }
        }
    }

    fn remark_not_joined(&mut self, reason: &str) {
        self.remark(|path| Remark::NotJoined(path, reason.to_string()));
    }

    /// What a scope's file holds while the roster is replaced: the boxes of the old epoch, and one of
    /// the new epoch that names them as its past. So readers of either roster are served.
    fn bridge(&self, ours: &[u8], theirs: &[u8]) -> Result<Vec<u8>> {
        let name = self.name;
        let bridge = |project: &Project| {
            let mut scope = project.read(name, theirs)?;
            let sequence = scope.sequence;
            let mut boxes = scope_file::read("", ours, &project.config.project, name)?.boxes;
            scope.add_ancestors(&boxes.iter().map(SealedBox::id).collect::<Vec<_>>());
            let snapshot = Snapshot { sequence, ..scope.into_snapshot()? };
            boxes.push(seal(&project.scope_key(name)?, &snapshot)?);
            project.file_text(name, &snapshot, &boxes)
        };
        match self.sides.theirs.as_ref().map(bridge) {
            Some(Ok(text)) => Ok(text.into_bytes()),
            _ => both_texts(name, ours, theirs),
        }
    }

    /// Joins what both sides have made of a scope in one epoch.
    fn join(&mut self) -> Result<()> {
        let (incoming, name) = (self.incoming, self.name);
        let (ours, theirs) = (incoming.bytes(self.ours), incoming.their_bytes(self.path)?);
        let Some(target) = self.sides.target() else {
            return self.keep_both([ours, theirs]);
        };
        // What others have set aside as stale may be a change of somebody's; what is damaged is none.
        let is_damaged =
            target.check_text(name, ours).is_err_and(|error| error.kind != Kind::StaleBox);
        if is_damaged && target.check_text(name, theirs).is_ok() {
            self.remark(Remark::Damaged); // PROTOCOL 12.9
            return self.take();
        }
        match target.join(name, [ours, theirs]) {
            Ok(None) => self.take(),
            Ok(Some(Merged { text: None, .. })) => Ok(()),
            Ok(Some(Merged { text: Some(text), conflicts })) => {
                self.change(None, Some(text.into_bytes().into()));
                self.received.joined.push(self.path.to_string());
                self.note_conflicts(conflicts);
                Ok(())
            }
            Err(error) => self.not_joined([ours, theirs], error),
        }
    }

    /// Carries what one side (`other`) has made of a scope under the keys of an epoch that has ended
    /// over to what the other one (`own`) has (PROTOCOL 12.9).
    fn carry(&mut self, own: Option<Digest>, other: Option<Digest>) -> Result<()> {
        let (incoming, sides, name) = (self.incoming, self.sides, self.name);
        let texts = [incoming.bytes(own), incoming.bytes(other)];
        let (Some(target), Some(past)) = (sides.target(), sides.past()) else {
            return self.set_aside();
        };
        let base = incoming.bytes(incoming.based(self.path));
        match target.carry(name, texts[0], past, [base, texts[1]]) {
            Ok(Merged { text: None, .. }) if sides.keeps_ours => Ok(()),
            Ok(Merged { text: None, .. }) if own.is_some() => self.take(),
            Ok(Merged { text: None, .. }) => {
                self.delete();
                Ok(())
            }
            Ok(Merged { text: Some(text), conflicts }) => {
                let ours = self.ours.filter(|_| !sides.keeps_ours);
                let before =
                    ours.map(|ours| both_texts(name, incoming.bytes(Some(ours)), text.as_bytes()));
                self.change(before.transpose()?, Some(text.into_bytes().into()));
                self.remark(Remark::CarriedOver);
                self.note_conflicts(conflicts);
                Ok(())
            }
            Err(error) if sides.keeps_ours => self.not_joined(texts, error),
            Err(error) if matches!(error.kind, Kind::TooLarge | Kind::Limit | Kind::Random) => {
                Err(error)
            }
            Err(_) => self.set_aside(),
        }
    }

    /// Takes the server's file: what is here is under a key that has ended, and cannot be carried over.
    /// Beside the new box it would keep everybody from the scope.
    fn set_aside(&mut self) -> Result<()> {
        self.remark(Remark::SetAside);
        if self.theirs.is_some() {
            return self.take();
        }
        self.delete();
        self.received.deleted.push(self.path.to_string());
        Ok(())
    }

    fn note_conflicts(&mut self, conflicts: Vec<String>) {
        if !conflicts.is_empty() {
            self.remark(|path| Remark::Conflict(path, conflicts));
        }
    }

    fn not_joined(&mut self, texts: [&[u8]; 2], error: Error) -> Result<()> {
        match error.kind {
            Kind::NoAccess => self.keep_both(texts),
            // Which of the two is damaged does not matter: what is here stays.
            Kind::StaleBox
            | Kind::Unauthentic
            | Kind::Misplaced
            | Kind::NotCanonical
            | Kind::NoBox => {
                self.remark_not_joined("one of the two sides does not open");
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Keeps the boxes of both sides in one file, as Git's union does.
    fn keep_both(&mut self, [one, other]: [&[u8]; 2]) -> Result<()> {
        let both = both_texts(self.name, one, other)?;
        if both != one {
            self.change(None, Some(both.into()));
            self.remark_not_joined("");
        }
        Ok(())
    }
}

/// One text with the box lines of the other one.
fn both_texts(name: &ScopeName, one: &[u8], other: &[u8]) -> Result<Vec<u8>> {
    let (mut both, other) =
        if one.is_empty() { (other.to_vec(), one) } else { (one.to_vec(), other) };
    let is_box = |line: &&[u8]| line.starts_with(b"box ");
    let lines = |bytes: &[u8]| {
        bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii_end)
            .filter(is_box)
            .map(<[u8]>::to_vec)
            .collect::<BTreeSet<_>>()
    };
    let here = lines(&both);
    let missing: Vec<_> = lines(other).into_iter().filter(|line| !here.contains(line)).collect();
    if here.len() + missing.len() > BOXES_MAX {
        return Err(
            Error::new(Kind::Limit, name.file()).because("it would hold more than 16 boxes")
        );
    }
    if both.last().is_some_and(|byte| *byte != b'\n') {
        both.push(b'\n');
    }
    for line in missing {
        both.extend_from_slice(&line);
        both.push(b'\n');
    }
    if both.len() > FILE_BYTES_MAX {
        return Err(Error::new(Kind::TooLarge, name.file()));
    }
    Ok(both)
}
