//! What changes a store, besides the files of a project: who may do it is settled before
//! (PROTOCOL 8).
//!
//! Promises: a change is in the audit log before it is made, a push after it. Refuses to give a right
//! that the issuer does not have.

use crate::disk::{self, Mode};
use crate::error::Result;
use crate::format::names::{NAME_BYTES_MAX, check_text, is_id};
use crate::sync::protocol::{NewToken, ProjectInfo, Refusal, Rights, Standing, TokenInfo};
use crate::sync::store::audit::Actor;
use crate::sync::store::project::{self, Project, Push, numbers};
use crate::sync::store::tokens::{TOKENS_MAX, Token};
use crate::sync::store::{
    Answer, PENDING_MAX, Refused, SEALED_BYTES_MAX, Store, lock, recover, rollback,
};
use std::path::Path;
use std::sync::Arc;

fn check_name(name: &str) -> Answer<()> {
    check_text("the name", name, NAME_BYTES_MAX).map_err(|error| Refused::malformed(&error.cause))
}

impl Store {
    /// Takes a push: with `members`, tokens of others end and those of these are narrowed; a token
    /// without member becomes `member`'s.
    ///
    /// # Errors
    /// `Conflict`, `Malformed`, `Missing`, `Denied`, `Storage`.
    pub fn push(
        &self,
        actor: &Actor,
        id: &str,
        push: Push,
        members: &[(String, Rights)],
        member: &str,
    ) -> Answer<Standing> {
        let mut ids = members.iter().map(|(id, _)| id.as_str());
        if !ids.all(|id| is_id("kgm_", id)) || !(member.is_empty() || is_id("kgm_", member)) {
            return Err(Refused::malformed("a member id is malformed"));
        }
        self.on(id, |project| {
            project.check_push(&push)?;
            self.check_still(actor)?;
            // Before the commit: if it is stopped between, too few may come in, never too many.
            if !members.is_empty() && actor.token.may(&[Rights::ROTATE]) {
                self.limit_members(actor, id, members)?; // PROTOCOL 8.4
            }
            let bound = self.bind(actor, id, member)?; // PROTOCOL 8.5
            project.push(push, actor)?;
            self.pushed(actor, project, members);
            let standing = Store::standing(actor, project);
            Ok(Standing { member: bound, ..standing })
        })
    }

    /// Refuses whoever was ended or narrowed while waiting for the project.
    fn check_still(&self, actor: &Actor) -> Answer<()> {
        let is_still = self.tokens.has(&actor.token);
        is_still.then_some(()).ok_or_else(|| Refused::new(Refusal::Denied, ""))
    }

    /// What follows a push that is there for good: none of it can undo it.
    fn pushed(&self, actor: &Actor, project: &mut Project, members: &[(String, Rights)]) {
        let detail = recover::detail(project.head.revision, &project.head.id);
        // What cannot be written now is written at the next start.
        let _ = lock(&self.audit).append(&actor.entry("push", &project.id, &detail));
        let kept = project.drop_oldest(actor.now);
        // Where everybody has the directory, nobody waits for a token.
        let is_local = !is_id("kgt_", &actor.token.info.id);
        let ids = members.iter().filter(|_| is_local).map(|(id, _)| id.as_str());
        project.is_stale = kept.and(project.answer(ids)).is_err();
    }

    fn limit_members(&self, actor: &Actor, id: &str, members: &[(String, Rights)]) -> Answer<()> {
        let (mut ended, mut narrowed) = (Vec::new(), Vec::new());
        let tokens = self.tokens.of(id);
        for token in tokens.iter().filter(|token| !token.info.member.is_empty()) {
            let of_token = |(id, _): &&(String, Rights)| *id == token.info.member;
            let most = members.iter().find(of_token).map_or(Rights(0), |(_, most)| *most);
            let rights = Rights(token.info.rights.0 & most.0);
            if rights == Rights(0) {
                ended.push(token.info.id.clone());
            } else if rights != token.info.rights {
                let mut token = Token::clone(token);
                token.info.rights = rights;
                narrowed.push(token);
            }
        }
        let ids = narrowed.iter().map(|token| token.info.id.as_str());
        let mut entries: Vec<_> = ids.map(|token| actor.entry("narrow", id, token)).collect();
        entries.extend(ended.iter().map(|token| actor.entry("revoke", id, token)));
        if !entries.is_empty() {
            self.log(&entries)?;
        }
        self.tokens.remove(&ended)?;
        Ok(narrowed.into_iter().try_for_each(|token| self.tokens.put(token))?)
    }

    /// Binds a token without member; gives back whose it is.
    fn bind(&self, actor: &Actor, id: &str, member: &str) -> Answer<String> {
        let info = &actor.token.info;
        if member.is_empty() || !info.member.is_empty() || actor.token.project != id {
            return Ok(info.member.clone());
        }
        // As it is now: it may have been narrowed since it was shown.
        let tokens = self.tokens.of(id);
        if let Some(token) = tokens.into_iter().find(|token| token.info.id == info.id) {
            self.log(&[actor.entry("bind", id, &format!("{}:{member}", info.id))])?;
            let mut token = Arc::unwrap_or_clone(token);
            token.info.member = member.to_string();
            self.tokens.put(token)?;
        }
        Ok(member.to_string())
    }

    /// Puts a request into the mailbox.
    ///
    /// # Errors
    /// `Malformed`, `Limit`, `Missing`, `Storage`.
    pub fn post(&self, actor: &Actor, id: &str, request: Vec<u8>) -> Answer<()> {
        self.on(id, |project| {
            self.check_still(actor)?;
            let (member, is_there) = project.check_request(&request)?;
            if is_there {
                return Ok(());
            }
            self.log(&[actor.entry("post", id, &member)])?;
            Ok(project.post(member, request)?)
        })
    }

    /// Remembers that a project asks to be taken in. One that is there, or asks already, is left.
    ///
    /// # Errors
    /// `Malformed`, `Limit`, `Storage`.
    pub fn register(&self, actor: &Actor, id: &str, name: &str) -> Answer<()> {
        check_name(name)?;
        let _held = lock(&self.pending);
        let directory = self.root.join("pending");
        let path = directory.join(id);
        if disk::exists(&path) || disk::is_directory(&self.directory(id)) {
            return Ok(());
        }
        if disk::list(&directory)?.len() >= PENDING_MAX {
            return Err(Refused::new(Refusal::Limit, "projects that ask to be taken in"));
        }
        self.log(&[actor.entry("register", id, "")])?;
        Ok(disk::replace(&path, name.as_bytes(), Mode::Private)?)
    }

    /// Takes a project in; nothing if it is there.
    ///
    /// # Errors
    /// `Malformed`, `Storage`.
    pub fn create(&self, actor: &Actor, id: &str, name: &str) -> Answer<()> {
        check_name(name)?;
        let slot = self.slot(id);
        let _held = lock(&slot);
        let pending = self.root.join("pending").join(id);
        let directory = self.directory(id);
        if !disk::is_directory(&directory.join("mailbox")) {
            self.log(&[actor.entry("approve", id, "")])?;
            let registered = disk::read(&pending, NAME_BYTES_MAX)?;
            let name = registered.unwrap_or_else(|| name.as_bytes().to_vec());
            let revisions = Path::new(id).join("revisions");
            disk::make_directories(&self.root.join("projects"), &revisions, Mode::Private)?;
            disk::replace(&directory.join("name"), &name, Mode::Private)?;
            disk::make_directories(&directory, Path::new("mailbox"), Mode::Private)?;
        }
        Ok(disk::remove_for_good(&pending)?)
    }

    /// Takes a project in, with its first token.
    ///
    /// # Errors
    /// As `issue`.
    pub fn approve(&self, actor: &Actor, id: &str, new: &NewToken) -> Answer<()> {
        self.check_new(actor, id, new)?;
        self.create(actor, id, &new.name)?;
        self.issue(actor, id, new)
    }

    fn check_new(&self, actor: &Actor, id: &str, new: &NewToken) -> Answer<Token> {
        check_name(&new.name)?;
        let is_for_project = new.rights != Rights(0) && Rights::ALL.has(new.rights);
        let is_member = new.member.is_empty() || is_id("kgm_", &new.member);
        let is_sealed = new.sealed.is_empty() || !new.member.is_empty();
        if !is_for_project || !is_member || !is_sealed || new.sealed.len() > SEALED_BYTES_MAX {
            return Err(Refused::malformed("the token is malformed"));
        }
        // PROTOCOL 8.3
        let own = actor.token.info.rights;
        let most = if own.has(Rights::ADMIN) { Rights::ALL.0 } else { own.0 | Rights::JOIN.0 };
        let missing = Rights(new.rights.0 & !(most & !Rights::ADMIN.0));
        if missing != Rights(0) {
            return Err(Refused::new(Refusal::Forbidden, missing.words()));
        }
        let token = self.tokens.make(id, new, actor.now);
        self.tokens.check_room(&token)?;
        Ok(token)
    }

    /// Makes a token; one with a sealed credential takes its member's request out of the mailbox.
    ///
    /// # Errors
    /// `Malformed`, `Forbidden` with the right that the issuer does not have, `Limit`, `Missing`,
    /// `Storage`.
    pub fn issue(&self, actor: &Actor, id: &str, new: &NewToken) -> Answer<()> {
        self.on(id, |project| {
            self.check_still(actor)?;
            let token = self.check_new(actor, id, new)?;
            if self.tokens.of(id).len() >= TOKENS_MAX {
                self.drop_expired(actor, id, actor.now)?; // PROTOCOL 8.3
            }
            let detail = format!("{}:{}:{}", token.info.id, new.rights.words(), new.member);
            self.log(&[actor.entry("issue", id, detail.trim_end_matches(':'))])?;
            self.tokens.put(token)?;
            let is_answer = !new.sealed.is_empty();
            Ok(project.answer(is_answer.then_some(new.member.as_str()).into_iter())?)
        })
    }

    /// Drops the tokens of a project that had expired at that time.
    pub(super) fn drop_expired(&self, actor: &Actor, id: &str, at: u64) -> Result<()> {
        let ended = self.tokens.expired(id, at);
        let entries: Vec<_> = ended.iter().map(|token| actor.entry("expire", id, token)).collect();
        if !entries.is_empty() {
            self.log(&entries)?;
        }
        self.tokens.remove(&ended)
    }

    /// The tokens of a project.
    ///
    /// # Errors
    /// `Missing`, `Storage`.
    pub fn tokens(&self, id: &str) -> Answer<Vec<TokenInfo>> {
        self.on(id, |_| Ok(self.tokens.of(id).iter().map(|token| token.info.clone()).collect()))
    }

    /// Ends a token of a project, or takes a request out of its mailbox.
    ///
    /// # Errors
    /// `Missing`, `Denied`, `Storage`.
    pub fn revoke(&self, actor: &Actor, id: &str, token: &str) -> Answer<()> {
        self.on(id, |project| {
            self.check_still(actor)?;
            if project.has_request(token) {
                self.log(&[actor.entry("refuse", id, token)])?;
                return Ok(project.answer([token].into_iter())?);
            }
            if !self.tokens.of(id).iter().any(|one| one.info.id == token) {
                return Err(Refused::new(Refusal::Missing, "token"));
            }
            self.log(&[actor.entry("revoke", id, token)])?;
            Ok(self.tokens.remove(&[token.to_string()])?)
        })
    }

    /// All projects, and those that ask to be taken in.
    ///
    /// # Errors
    /// `Storage`.
    pub fn projects(&self) -> Answer<Vec<ProjectInfo>> {
        let mut projects = Vec::new();
        for (place, is_approved) in [("projects", true), ("pending", false)] {
            let entries = disk::list(&self.root.join(place))?;
            for entry in entries.into_iter().filter(|entry| is_id("kgp_", &entry.name)) {
                let path = self.root.join(place).join(&entry.name);
                let name = if is_approved { path.join("name") } else { path.clone() };
                let name = disk::read(&name, NAME_BYTES_MAX)?.unwrap_or_default();
                let numbers = if is_approved { numbers(&path)? } else { Vec::new() };
                projects.push(ProjectInfo {
                    id: entry.name,
                    name: String::from_utf8_lossy(&name).into_owned(),
                    is_approved,
                    revision: numbers.last().copied().unwrap_or_default(),
                    bytes: disk::bytes_below(&path)?,
                });
            }
        }
        Ok(projects)
    }

    /// Gives a project up, or what asks to be one: its files lie in `deleted` for 30 days.
    ///
    /// # Errors
    /// `Missing`, `Storage`.
    pub fn delete(&self, actor: &Actor, id: &str) -> Answer<()> {
        let pending = self.root.join("pending").join(id);
        if disk::exists(&pending) {
            self.log(&[actor.entry("delete", id, "pending")])?;
            return Ok(disk::remove_for_good(&pending)?);
        }
        let slot = self.slot(id);
        let mut memory = lock(&slot);
        self.check_there(id)?;
        self.log(&[actor.entry("delete", id, "")])?;
        let deleted = self.root.join("deleted");
        let mut places = (actor.now..).map(|time| deleted.join(format!("{time}-{id}")));
        let place = places.find(|place| !disk::exists(place)).unwrap_or_default();
        *memory = None;
        disk::rename(&self.directory(id), &place)?;
        Ok(self.tokens.remove_all(id)?)
    }

    /// Goes back to a revision that is kept, also if a newer one is damaged.
    ///
    /// # Errors
    /// `Missing` with those that are, `Storage`.
    pub fn roll_back(&self, actor: &Actor, id: &str, revision: u64) -> Answer<()> {
        let slot = self.slot(id);
        let mut memory = lock(&slot);
        self.check_there(id)?;
        let directory = self.directory(id);
        rollback::finish(&directory)?;
        let (first, kept) = (project::dropped(&directory)? + 1, numbers(&directory)?);
        let head = kept.last().copied().unwrap_or_default();
        if revision < first || !kept.contains(&revision) {
            let about = format!("revision; {first} to {head} are kept");
            return Err(Refused::new(Refusal::Missing, about));
        }
        self.log(&[actor.entry("rollback", id, &revision.to_string())])?;
        *memory = None;
        Ok(rollback::roll_back(&directory, revision, head, actor.now)?)
    }

    /// Lines of the audit log from a number on.
    ///
    /// # Errors
    /// `Storage`.
    pub fn audit(&self, from: u64) -> Answer<Vec<String>> {
        Ok(lock(&self.audit).lines(from)?)
    }
}
