//! The tokens of a store: one record a file, and all of them in memory (PROTOCOL 7.2).
//!
//! Promises: the store holds no secret of a token, only `MAC(pepper, …)`; an unknown id costs what a
//! wrong secret costs. Refuses an id that is there already.

use crate::crypto::hash::{Digest, hash, mac, same};
use crate::disk::{self, Mode};
use crate::error::Result;
use crate::format::bytes::{Reader, Writer};
use crate::format::message::token::Credential;
use crate::format::names::is_id;
use crate::secret::Key;
use crate::sync::protocol::{NewToken, Refusal, Rights, TokenInfo};
use crate::sync::store::{Answer, Refused, damaged};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Tokens of one project. Those that have expired make room.
pub const TOKENS_MAX: usize = 1024;
/// Bytes of a record.
pub const RECORD_BYTES_MAX: usize = 4096;
const FORMAT: &[u8] = b"kagi-token 1";

/// What the server knows of a token.
#[derive(Clone)]
pub struct Token {
    verifier: Digest,
    /// Its project; empty for an administrator's.
    pub project: String,
    /// What may be shown of it.
    pub info: TokenInfo,
    /// The credential sealed to the member; empty: none.
    pub sealed: Vec<u8>,
}

impl Token {
    /// Stands for who acts without a token.
    #[must_use]
    pub fn of_nobody(word: &str, rights: Rights) -> Arc<Self> {
        let (member, name) = (String::new(), String::new());
        let info = TokenInfo { id: word.into(), rights, issued: 0, expires: 0, member, name };
        Arc::new(Token { verifier: [0; 32], project: String::new(), info, sealed: Vec::new() })
    }

    /// True if it allows what any of these does.
    #[must_use]
    pub fn may(&self, any: &[Rights]) -> bool {
        let rights = self.info.rights;
        rights.has(Rights::ADMIN) || any.is_empty() || any.iter().any(|one| rights.has(*one))
    }

    fn is_open(&self, now: u64) -> bool {
        self.info.expires == 0 || now <= self.info.expires
    }

    /// The record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::with_capacity(512);
        out.field(FORMAT).field(self.info.id.as_bytes()).raw(&self.verifier);
        out.field(self.project.as_bytes()).raw(&[self.info.rights.0]);
        out.long(self.info.issued).long(self.info.expires);
        out.field(self.info.member.as_bytes()).field(self.info.name.as_bytes());
        out.field(&self.sealed);
        let digest = hash(out.0.expose());
        out.raw(&digest);
        out.0.expose().to_vec()
    }

    /// Reads a record; `None` if it is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, digest) = bytes.split_last_chunk::<32>()?;
        let mut reader = Reader(body);
        if reader.field()? != FORMAT || hash(body) != *digest {
            return None;
        }
        let id = reader.text()?.to_string();
        let (verifier, project) = (reader.raw()?, reader.text()?.to_string());
        let [rights] = reader.raw()?;
        let (issued, expires) = (reader.long()?, reader.long()?);
        let (member, name) = (reader.text()?.to_string(), reader.text()?.to_string());
        let sealed = reader.field()?.to_vec();
        reader.end()?;
        let is_placed = project.is_empty() == Rights(rights).has(Rights::ADMIN);
        let is_sound = is_id("kgt_", &id) && (project.is_empty() || is_id("kgp_", &project));
        let info = TokenInfo { id, rights: Rights(rights), issued, expires, member, name };
        (is_placed && is_sound).then_some(Token { verifier, project, info, sealed })
    }
}

#[derive(Default)]
struct Held {
    by_id: HashMap<String, Arc<Token>>,
    of_project: HashMap<String, BTreeSet<String>>,
}

impl Held {
    fn put(&mut self, token: Token) {
        let ids = self.of_project.entry(token.project.clone()).or_default();
        ids.insert(token.info.id.clone());
        self.by_id.insert(token.info.id.clone(), Arc::new(token));
    }

    fn take(&mut self, id: &str) {
        if let Some(token) = self.by_id.remove(id)
            && let Some(ids) = self.of_project.get_mut(&token.project)
        {
            ids.remove(id);
        }
    }
}

/// All tokens.
pub struct Tokens {
    directory: PathBuf,
    pepper: Key,
    held: RwLock<Held>,
}

/// Reads the record of a token.
///
/// # Errors
/// `Unauthentic` if it is damaged; `Read`.
pub fn read(path: &Path) -> Result<Token> {
    let bytes = disk::read(path, RECORD_BYTES_MAX)?.unwrap_or_default();
    let token = Token::decode(&bytes).filter(|token| path.ends_with(&token.info.id));
    token.ok_or_else(|| damaged(path))
}

impl Tokens {
    /// Reads all records.
    ///
    /// # Errors
    /// As `read`.
    pub fn load(directory: PathBuf, pepper: Key) -> Result<Self> {
        let mut held = Held::default();
        for file in disk::list(&directory)?.iter().filter(|file| is_id("kgt_", &file.name)) {
            held.put(read(&directory.join(&file.name))?);
        }
        Ok(Tokens { directory, pepper, held: RwLock::new(held) })
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn verifier(&self, credential: &Credential) -> Digest {
        let mut out = Writer::with_capacity(128);
        out.field(credential.id.as_bytes()).field(credential.secret.expose());
        mac(&self.pepper, out.0.expose()) // PROTOCOL 4.5
    }

    /// The token that a credential is of; `None` if there is none, or it has ended: which of these
    /// shows neither in what comes back nor in the time it takes.
    #[must_use]
    pub fn find(&self, credential: &Credential, now: u64) -> Option<Arc<Token>> {
        let shown = self.verifier(credential);
        let token = self.held().by_id.get(&credential.id).cloned();
        let stored = token.as_ref().map_or([0; 32], |token| token.verifier);
        let is_it = same(&stored, &shown); // PROTOCOL 4.5
        token.filter(|token| is_it && token.is_open(now))
    }

    /// True if the token was neither ended nor narrowed in the meantime.
    #[must_use]
    pub fn has(&self, token: &Token) -> bool {
        let held = self.held();
        let is_same = |now: &Arc<Token>| {
            now.verifier == token.verifier && now.info.rights == token.info.rights
        };
        token.verifier == [0; 32] || held.by_id.get(&token.info.id).is_some_and(is_same)
    }

    /// The tokens of a project, sorted by id.
    #[must_use]
    pub fn of(&self, project: &str) -> Vec<Arc<Token>> {
        let held = self.held();
        let ids = held.of_project.get(project).into_iter().flatten();
        ids.filter_map(|id| held.by_id.get(id).cloned()).collect()
    }

    /// Ids of the tokens of a project that had expired at that time.
    #[must_use]
    pub fn expired(&self, project: &str, at: u64) -> Vec<String> {
        let tokens = self.of(project).into_iter().filter(|token| !token.is_open(at));
        tokens.map(|token| token.info.id.clone()).collect()
    }

    /// The projects that tokens are of.
    #[must_use]
    pub fn projects(&self) -> Vec<String> {
        self.held().of_project.keys().filter(|id| !id.is_empty()).cloned().collect()
    }

    /// The newest credential that was sealed to a member of the project; empty for none.
    #[must_use]
    pub fn sealed_to(&self, project: &str, member: &str, now: u64) -> Vec<u8> {
        let waits = |token: &&Arc<Token>| {
            token.info.member == member && !token.sealed.is_empty() && token.is_open(now)
        };
        let tokens = self.of(project);
        let newest = tokens.iter().filter(waits).max_by_key(|token| token.info.issued);
        newest.map(|token| token.sealed.clone()).unwrap_or_default()
    }

    /// What a new token is to be in the store.
    #[must_use]
    pub fn make(&self, project: &str, new: &NewToken, now: u64) -> Token {
        let NewToken { credential, rights, expires, member, name, sealed } = new;
        let (id, member, name) = (credential.id.clone(), member.clone(), name.clone());
        let info = TokenInfo { id, rights: *rights, issued: now, expires: *expires, member, name };
        let verifier = self.verifier(credential);
        Token { verifier, project: project.into(), info, sealed: sealed.clone() }
    }

    /// Refuses a token that cannot be added.
    ///
    /// # Errors
    /// `Malformed` for an id that is there, `Limit` for too many.
    pub fn check_room(&self, token: &Token) -> Answer<()> {
        if self.held().by_id.contains_key(&token.info.id) {
            return Err(Refused::malformed("the token id is taken"));
        }
        let tokens = self.of(&token.project);
        if tokens.iter().filter(|one| one.is_open(token.info.issued)).count() >= TOKENS_MAX {
            return Err(Refused::new(Refusal::Limit, "tokens of the project"));
        }
        Ok(())
    }

    /// Writes a token, durably; one that is there is replaced.
    ///
    /// # Errors
    /// `Write`.
    pub fn put(&self, token: Token) -> Result<()> {
        disk::replace(&self.directory.join(&token.info.id), &token.encode(), Mode::Private)?;
        self.held_mut().put(token);
        Ok(())
    }

    /// Ends all tokens of a project, durably.
    ///
    /// # Errors
    /// `Write`.
    pub fn remove_all(&self, project: &str) -> Result<()> {
        let ids: Vec<_> = self.of(project).iter().map(|token| token.info.id.clone()).collect();
        self.remove(&ids)
    }

    /// Ends tokens, durably.
    ///
    /// # Errors
    /// `Write`.
    pub fn remove(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        for id in ids {
            disk::remove(&self.directory.join(id))?;
            self.held_mut().take(id);
        }
        disk::sync_directory(&self.directory)
    }
}
