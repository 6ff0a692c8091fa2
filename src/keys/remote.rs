//! What this device keeps of servers: a project's remote with its token, the logins of an
//! administrator, and for each checkout the manifest that it was last in step with (PROTOCOL 6).
//!
//! Promises: a token lies in a 0600 file, or in the keychain that this names, beside the public key
//! of the one server that it is for.
//! Refuses what was not written here, as all of `keys` does.

use crate::crypto::hash::{Digest, hash};
use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::message::manifest::{MANIFEST_BYTES_MAX, Manifest};
use crate::format::message::token::{AdminToken, ProjectToken, TOKEN_BYTES_MAX, is_remote};
use crate::format::pin::{with_secret, without_secret};
use crate::format::snapshot::SnapshotId;
use crate::format::text::HEX;
use crate::keys::kept::{TOKEN, is_elsewhere};
use crate::keys::{Home, from_environment};
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const LOGINS: &str = "remotes";
const FILE_BYTES_MAX: usize = 2 * TOKEN_BYTES_MAX;
const BOXES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The ids of the boxes in scope files, each by `H` of its bytes.
pub type KnownBoxes = BTreeMap<Digest, Vec<SnapshotId>>;

/// A project's remote.
pub struct KnownRemote {
    /// Its address, as it was given to this device: never one that a repository names.
    pub address: String,
    /// The token, with the server's public key; `None` for a directory, which has neither.
    pub token: Option<ProjectToken>,
    /// The newest revision that this device has seen; 0 for none.
    pub revision: u64,
    /// The id of its manifest; zeros for none.
    pub id: Digest,
}

#[derive(Serialize, Deserialize)]
struct RemoteText {
    format: u32,
    remote: String,
    revision: u64,
    manifest: String,
}

#[derive(Serialize, Deserialize)]
struct LoginText {
    format: u32,
    remote: String,
}

impl KnownRemote {
    /// One that nothing was seen of yet.
    #[must_use]
    pub fn new(address: String, token: Option<ProjectToken>) -> Self {
        KnownRemote { address, token, revision: 0, id: [0; 32] }
    }

    /// The bytes of `remote.json` (PROTOCOL 6.1).
    #[must_use]
    pub fn write(&self) -> Secret {
        let token = self.token.as_ref().map_or_else(Secret::default, ProjectToken::to_text);
        let rest = RemoteText {
            format: 1,
            remote: self.address.clone(),
            revision: self.revision,
            manifest: HEX.encode(&self.id),
        };
        with_secret("token", &token, &json::write(&rest))
    }

    /// True if it is the same server, as far as this device can tell.
    #[must_use]
    pub fn is_same(&self, other: &KnownRemote) -> bool {
        match (&self.token, &other.token) {
            (Some(own), Some(token)) => own.server == token.server,
            _ => self.address == other.address,
        }
    }

    /// Reads `remote.json`.
    ///
    /// # Errors
    /// `TooLarge`, `NotCanonical` or `BadText`, naming `subject`.
    pub fn read(subject: &str, bytes: &[u8]) -> Result<Self> {
        let malformed = || Error::new(Kind::NotCanonical, subject);
        let (token, rest) = without_secret("token", bytes).ok_or_else(malformed)?;
        let rest: RemoteText = json::read(subject, &rest, FILE_BYTES_MAX)?;
        let token = match token {
            text if text.is_empty() || is_elsewhere(text) => None,
            text if text.trim_ascii() != text => return Err(malformed()),
            text => Some(ProjectToken::from_text(subject, text)?),
        };
        let id = HEX.decode(&rest.manifest).and_then(|id| id.expose().try_into().ok());
        let id: Digest = id.ok_or_else(malformed)?;
        let is_one_state = (rest.revision == 0) == (id == [0; 32]);
        if rest.format != 1 || !is_remote(&rest.remote) || !is_one_state {
            return Err(malformed());
        }
        Ok(KnownRemote { address: rest.remote, token, revision: rest.revision, id })
    }
}

/// The token that one of these variables brings.
///
/// # Errors
/// `BadText`, naming the variable; what keeps its file from being read.
pub fn token_from_environment<T>(
    names: [&'static str; 2],
    read: impl Fn(&str, &str) -> Result<T>,
) -> Result<Option<T>> {
    let given = from_environment(&names, TOKEN_BYTES_MAX)?;
    given.map(|(name, text)| read(name, text.expose_str(name)?.trim_ascii())).transpose()
}

impl Home {
    fn remote_path(&self, project: &str) -> PathBuf {
        self.0.join("projects").join(project).join("remote.json")
    }

    /// The remote of a project, if this device knows one.
    ///
    /// # Errors
    /// `Exposed`, `Read`, `NotCanonical`, `BadText`, naming the file; what the keychain says that has
    /// the token.
    pub fn remote(&self, project: &str) -> Result<Option<KnownRemote>> {
        let path = self.remote_path(project);
        let bytes = match self.read_kept(&path, TOKEN, FILE_BYTES_MAX) {
            // One that the keychain has lost is none: kagi pull - takes another.
            Err(lost) if lost.kind == Kind::NotInKeychain => {
                disk::read_private(&path, FILE_BYTES_MAX)?
            }
            bytes => bytes?,
        };
        let read = |bytes: Secret| KnownRemote::read(&path.to_string_lossy(), bytes.expose());
        bytes.map(read).transpose()
    }

    /// Lets `change` say what is remembered of the remote of a project from now on, alone; `None`:
    /// what it was.
    ///
    /// # Errors
    /// As `remote`; `Write`.
    pub fn change_remote(
        &self,
        project: &str,
        change: impl FnOnce(Option<KnownRemote>) -> Option<KnownRemote>,
    ) -> Result<()> {
        let _lock = self.lock(&format!("projects/{project}"))?;
        let Some(remote) = change(self.remote(project)?) else {
            return Ok(());
        };
        self.write_kept(&self.remote_path(project), TOKEN, &remote.write())
    }

    fn login_path(&self, address: &str) -> PathBuf {
        let name = HEX.encode(&hash(address.as_bytes())[..16]);
        self.0.join(LOGINS).join(format!("{name}.json"))
    }

    /// The administrator's token for a server, if this device has one.
    ///
    /// # Errors
    /// `Exposed`, `Read`, `NotCanonical`, `BadText`, naming the file.
    pub fn login(&self, address: &str) -> Result<Option<AdminToken>> {
        let path = self.login_path(address);
        match self.read_kept(&path, TOKEN, FILE_BYTES_MAX)? {
            None => Ok(None),
            Some(bytes) => Ok(self.read_login(&path, &bytes)?.1),
        }
    }

    /// The addresses that this device has an administrator's token for.
    ///
    /// # Errors
    /// As `login`.
    pub fn logins(&self) -> Result<Vec<String>> {
        let directory = self.0.join(LOGINS);
        let mut addresses = Vec::new();
        for file in disk::list(&directory)? {
            if Path::new(&file.name).extension().is_some_and(|end| end == "json") {
                let path = directory.join(file.name);
                let bytes = disk::read_private(&path, FILE_BYTES_MAX)?;
                let login = bytes.map(|bytes| self.read_login(&path, &bytes)).transpose()?;
                addresses.extend(login.map(|(address, _)| address));
            }
        }
        Ok(addresses)
    }

    /// Forgets the logins to a server under other addresses than this one; gives them back.
    ///
    /// # Errors
    /// As `login`; `Write`.
    pub fn forget_logins(&self, address: &str, server: &[u8; 32]) -> Result<Vec<String>> {
        let mut forgotten = Vec::new();
        for other in self.logins()?.into_iter().filter(|other| other != address) {
            if self.login(&other)?.is_some_and(|login| login.server == *server) {
                self.remove_kept(&self.login_path(&other), TOKEN)?;
                forgotten.push(other);
            }
        }
        Ok(forgotten)
    }

    /// Remembers an administrator's token (PROTOCOL 6.2).
    ///
    /// # Errors
    /// `Write`.
    pub fn set_login(&self, address: &str, token: &AdminToken) -> Result<()> {
        let _lock = self.lock(LOGINS)?;
        let rest = json::write(&LoginText { format: 1, remote: address.to_string() });
        let text = with_secret("token", &token.to_text(), &rest);
        self.write_kept(&self.login_path(address), TOKEN, &text)
    }

    /// The address of a login, and its token if that is not elsewhere.
    fn read_login(&self, path: &Path, bytes: &Secret) -> Result<(String, Option<AdminToken>)> {
        let shown = path.to_string_lossy();
        let malformed = || Error::new(Kind::NotCanonical, shown.as_ref());
        let (token, rest) = without_secret("token", bytes.expose()).ok_or_else(malformed)?;
        let rest: LoginText = json::read(&shown, &rest, FILE_BYTES_MAX)?;
        let is_its_own = is_remote(&rest.remote) && self.login_path(&rest.remote) == path;
        if rest.format != 1 || !is_its_own || token.trim_ascii() != token {
            return Err(malformed());
        }
        let token =
            if is_elsewhere(token) { None } else { Some(AdminToken::from_text(&shown, token)?) };
        Ok((rest.remote, token))
    }

    fn base_path(&self, root: &Path) -> PathBuf {
        self.checkout_path(root).with_extension("base")
    }

    /// The manifest that a checkout was last in step with (PROTOCOL 6.3).
    ///
    /// # Errors
    /// `Read`; what makes a manifest unacceptable, naming the file.
    pub fn base(&self, root: &Path) -> Result<Option<Manifest>> {
        let path = self.base_path(root);
        let bytes = disk::read(&path, MANIFEST_BYTES_MAX)?;
        bytes.map(|bytes| Manifest::decode(&path.to_string_lossy(), &bytes)).transpose()
    }

    /// Remembers, or forgets, the manifest that a checkout is in step with.
    ///
    /// # Errors
    /// `Write`.
    pub fn set_base(&self, root: &Path, base: Option<&Manifest>) -> Result<()> {
        let path = self.base_path(root);
        let Some(base) = base else {
            disk::remove(&self.boxes_path(root))?;
            return disk::remove_for_good(&path);
        };
        let _lock = self.lock("checkouts")?;
        disk::replace(&path, &base.encode(), Mode::Private)
    }

    fn boxes_path(&self, root: &Path) -> PathBuf {
        self.checkout_path(root).with_extension("boxes")
    }

    /// The boxes of the scope files of a checkout's base; what cannot be read is not known
    /// (PROTOCOL 6.4).
    #[must_use]
    pub fn base_boxes(&self, root: &Path) -> KnownBoxes {
        let bytes = disk::read(&self.boxes_path(root), BOXES_BYTES_MAX).ok().flatten();
        let line = |line: &str| {
            let mut words = line.split(' ').map(|word| HEX.decode(word));
            let digest = words.next()??.expose().try_into().ok()?;
            let ids = words.map(|id| id?.expose().try_into().ok()).collect::<Option<_>>()?;
            Some((digest, ids))
        };
        String::from_utf8_lossy(&bytes.unwrap_or_default()).lines().filter_map(line).collect()
    }

    /// Remembers the boxes of a base.
    ///
    /// # Errors
    /// `Write`.
    pub fn set_base_boxes(&self, root: &Path, boxes: &KnownBoxes) -> Result<()> {
        let line = |(digest, ids): (&Digest, &Vec<SnapshotId>)| {
            let words = [digest.as_slice()].into_iter().chain(ids.iter().map(SnapshotId::as_slice));
            words.map(|word| HEX.encode(word)).collect::<Vec<_>>().join(" ") + "\n"
        };
        let text: String = boxes.iter().map(line).collect();
        let _lock = self.lock("checkouts")?;
        disk::replace(&self.boxes_path(root), text.as_bytes(), Mode::Private)
    }
}
