//! This device's own things under `$KAGI_HOME`: its identity, and what it knows of each project.
//!
//! Promises: the identity is read from a 0600 file, the keychain that this names, or a variable for
//! CI; nothing is made that was not asked for. Refuses a private file that others can read.

mod kept;
mod keychain;
#[cfg(feature = "server")]
pub mod remote;

pub use kept::Place;

use crate::crypto::hash::hash;
use crate::crypto::random;
use crate::disk::{self, Lock, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::key_text::{self, IDENTITY_BYTES_MAX, Identity, ScopeHolder};
use crate::format::names::is_id;
use crate::format::pin::{self, PIN_BYTES_MAX, Pin};
use crate::format::text::HEX;
use crate::secret::{Key, Secret};
use kept::IDENTITY;
use std::env;
use std::path::{Path, PathBuf};

const IDENTITY_FILE: &str = "identity.json";
/// What follows the identity in its file.
#[derive(Serialize, Deserialize)]
struct IdentityRest {
    format: u32,
    public_key: String,
}

/// Where kagi keeps its own files.
#[derive(Clone)]
pub struct Home(PathBuf);

/// Who this process is.
pub enum Holder {
    /// A member with its key.
    Member(Identity),
    /// The holder of a project key.
    ProjectKey(Key),
    /// The holder of the keys of one scope.
    ScopeKey(ScopeHolder),
}

/// What became of an identity that was brought to the device.
pub enum Brought {
    /// The device had none.
    New,
    /// It had this one.
    Same,
    /// It had another one, which is kept here.
    Replaced(PathBuf),
}

impl Home {
    /// `$KAGI_HOME`, else the platform's directory for data of programs.
    ///
    /// # Errors
    /// `NoHome` if neither is known.
    pub fn find() -> Result<Self> {
        let directory =
            |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(home) = directory("KAGI_HOME") {
            return Ok(Home(home));
        }
        let data = if cfg!(windows) {
            directory("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            directory("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            directory("XDG_DATA_HOME")
                .filter(|data| data.is_absolute())
                .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
        };
        data.map(|data| Home(data.join("kagi")))
            .ok_or_else(|| Error::new(Kind::NoHome, "KAGI_HOME"))
    }

    /// Makes a directory below the home, or just that, and takes its lock.
    fn lock(&self, below: &str) -> Result<Lock> {
        disk::make_home(&self.0)?;
        let directory = disk::make_directories(&self.0, Path::new(below), Mode::Private)?;
        disk::lock(&directory, &|| ())
    }

    /// The path of the identity file.
    #[must_use]
    pub fn identity_path(&self) -> PathBuf {
        self.0.join(IDENTITY_FILE)
    }

    /// This device's identity; `None` if it has none yet.
    ///
    /// # Errors
    /// `Exposed`, `Read`, `BadText`, naming the file; what the keychain says that has it.
    pub fn identity(&self) -> Result<Option<Identity>> {
        let path = self.identity_path();
        match self.read_kept(&path, IDENTITY, IDENTITY_BYTES_MAX)? {
            None => Ok(None),
            Some(text) => identity_from(&path.to_string_lossy(), &text).map(Some),
        }
    }

    /// This device's identity, made now if there is none.
    ///
    /// # Errors
    /// As `identity`; `Write`, `Random`.
    pub fn identity_or_new(&self) -> Result<Identity> {
        self.identity_or_new_in(Place::File)
    }

    fn identity_or_new_in(&self, place: Place) -> Result<Identity> {
        let _lock = self.lock("")?;
        if let Some(identity) = self.identity()? {
            // What it founds, its own key must open.
            return identity.checked(&self.identity_path().to_string_lossy());
        }
        let identity = Identity::new(random::key()?);
        self.write_to(place, &self.identity_path(), IDENTITY, &file_of(&identity))?;
        Ok(identity)
    }

    /// Makes an identity that was brought the device's own. Another one that is there, or what
    /// cannot be read as one, is replaced only if that is meant, and kept beside it.
    ///
    /// # Errors
    /// `Exists` if that is not meant; `Exposed`, `Read`, `Write`, naming the file.
    pub fn bring_identity(&self, identity: &Identity, replaces: bool) -> Result<Brought> {
        let _lock = self.lock("")?;
        let path = self.identity_path();
        let shown = path.to_string_lossy();
        let mut brought = Brought::New;
        let whole = file_of(identity);
        let rest = |file: &Secret| Some(pin::without_secret(IDENTITY, file.expose())?.1);
        let old = match self.read_kept(&path, IDENTITY, IDENTITY_BYTES_MAX) {
            Err(lost) if matches!(lost.kind, Kind::NotInKeychain | Kind::Unauthentic) => {
                let left = disk::read_private(&path, IDENTITY_BYTES_MAX)?;
                left.filter(|left| rest(left) != rest(&whole))
            }
            old => old?,
        };
        if let Some(old) = old {
            let own = identity_from(&shown, &old).and_then(|own| own.checked(&shown));
            if own.is_ok_and(|own| own.id == identity.id) {
                return Ok(Brought::Same);
            }
            if !replaces {
                return Err(Error::new(Kind::Exists, shown));
            }
            let kept = disk::free_backup(&path);
            self.write_kept(&kept, IDENTITY, &old)?;
            brought = Brought::Replaced(kept);
        }
        self.write_kept(&path, IDENTITY, &whole)?;
        Ok(brought)
    }

    fn pin_path(&self, project: &str) -> PathBuf {
        self.0.join("projects").join(project).join("pin.json")
    }

    /// What this device knows of a project; empty if nothing.
    ///
    /// # Errors
    /// `Exposed`, `Read`, `NotCanonical`, naming the file.
    pub fn pin(&self, project: &str) -> Result<Pin> {
        let path = self.pin_path(project);
        match disk::read_private(&path, PIN_BYTES_MAX)? {
            None => Ok(Pin::default()),
            Some(bytes) => Pin::read(&path.to_string_lossy(), bytes.expose()),
        }
    }

    /// Reads a pin, lets `change` change it and writes it if that says so, alone.
    ///
    /// # Errors
    /// As `pin`; `Write`.
    pub fn change_pin(&self, project: &str, change: impl FnOnce(&mut Pin) -> bool) -> Result<()> {
        let _lock = self.lock(&format!("projects/{project}"))?;
        let mut pin = self.pin(project)?;
        if change(&mut pin) {
            disk::replace(&self.pin_path(project), pin.write().expose(), Mode::Private)?;
        }
        Ok(())
    }

    /// Lets members introduce a project to this device (FORMAT 11.2: in the order in which they come).
    ///
    /// # Errors
    /// As `change_pin`.
    pub fn add_anchors(&self, project: &str, ids: &[String]) -> Result<()> {
        self.change_pin(project, |pin| {
            let count = pin.anchors.len();
            for id in ids {
                if !pin.anchors.contains(id) {
                    pin.anchors.push(id.clone());
                }
            }
            pin.anchors.len() > count
        })
    }

    /// A checkout is known by the hash of its path (FORMAT 11.3).
    fn checkout_path(&self, root: &Path) -> PathBuf {
        let name = HEX.encode(&hash(root.as_os_str().as_encoded_bytes())[..16]);
        self.0.join("checkouts").join(name)
    }

    /// The project that this checkout held when it was last opened.
    ///
    /// # Errors
    /// `Read`, `NotCanonical`, naming the file.
    pub fn checkout(&self, root: &Path) -> Result<Option<String>> {
        let path = self.checkout_path(root);
        let Some(bytes) = disk::read(&path, 64)? else {
            return Ok(None);
        };
        let text = String::from_utf8_lossy(&bytes);
        match text.strip_suffix('\n').filter(|id| is_id("kgp_", id)) {
            Some(id) => Ok(Some(id.to_string())),
            None => Err(Error::new(Kind::NotCanonical, path.to_string_lossy())),
        }
    }

    /// The project of the nearest known checkout that a directory is in.
    ///
    /// # Errors
    /// As `checkout`.
    pub fn checkout_around(&self, root: &Path) -> Result<Option<String>> {
        for directory in root.ancestors().skip(1) {
            let held = self.checkout(directory)?;
            if held.is_some() {
                return Ok(held);
            }
        }
        Ok(None)
    }

    /// Remembers, or forgets, the project of a checkout.
    ///
    /// # Errors
    /// `Write`.
    pub fn set_checkout(&self, root: &Path, project: Option<&str>) -> Result<()> {
        let path = self.checkout_path(root);
        let Some(project) = project else {
            return disk::remove_for_good(&path);
        };
        let _lock = self.lock("checkouts")?;
        disk::replace(&path, format!("{project}\n").as_bytes(), Mode::Private)
    }
}

/// The variables that say who this process is; one of them may be set.
const VARIABLES: [&str; 4] =
    ["KAGI_PROJECT_KEY", "KAGI_PROJECT_KEY_FILE", "KAGI_IDENTITY", "KAGI_IDENTITY_FILE"];

/// Who the environment says this process is; `None` if it says nothing (FORMAT 10.4).
///
/// # Errors
/// `BadText` naming the variable, also if two of them are set; `Exposed`, `Read` for a file.
pub fn holder_from_environment() -> Result<Option<Holder>> {
    let Some((name, text)) = from_environment(&VARIABLES, IDENTITY_BYTES_MAX)? else {
        return Ok(None);
    };
    Ok(Some(if name.starts_with("KAGI_IDENTITY") {
        Holder::Member(identity_from(name, &text)?)
    } else if ScopeHolder::is_meant(&text) {
        Holder::ScopeKey(ScopeHolder::from_text(name, &text)?)
    } else {
        Holder::ProjectKey(key_text::project_key(name, &text)?)
    }))
}

/// The value of the one variable that is set of these, with its name; where that ends in `_FILE`,
/// what the file holds.
///
/// # Errors
/// `BadText` if two of them are set; what keeps the file from being read, naming the variable.
pub fn from_environment(
    names: &[&'static str],
    bytes_max: usize,
) -> Result<Option<(&'static str, Secret)>> {
    let value =
        |name: &&'static str| Some((*name, env::var_os(name).filter(|value| !value.is_empty())?));
    let mut given = names.iter().filter_map(value);
    let Some((name, value)) = given.next() else {
        return Ok(None);
    };
    if let Some((other, _)) = given.next() {
        let cause = format!("{other} is set as well, and only one can be meant");
        return Err(Error::new(Kind::BadText, name).because(cause));
    }
    if !name.ends_with("_FILE") {
        return Ok(Some((name, Secret::from_vec(value.into_encoded_bytes()))));
    }
    // Mounted secrets have the modes of the one who mounts them, often behind a link.
    let text = disk::read_given(Path::new(&value), bytes_max).map_err(|error| {
        let cause = format!("{} {}", error.subject, error.cause);
        Error::new(error.kind, name).because(cause)
    })?;
    Ok(Some((name, text)))
}

/// The bytes of `identity.json` (FORMAT 11.1).
#[must_use]
pub fn file_of(identity: &Identity) -> Secret {
    let public_key = HEX.encode(&identity.public);
    let rest = json::write(&IdentityRest { format: 1, public_key });
    pin::with_secret(IDENTITY, &identity.to_text(), &rest)
}

/// An identity that a person brings: an `identity.json`, or a text as it was typed off paper.
///
/// # Errors
/// `BadText` or `NotCanonical`, naming `subject`.
pub fn identity_given(subject: &str, text: &Secret) -> Result<Identity> {
    if text.expose().starts_with(b"{") {
        return identity_from(subject, text)?.checked(subject);
    }
    Identity::from_paper(subject, text)
}

/// An identity from its text, alone or as `identity.json` holds it (FORMAT 11.1).
fn identity_from(subject: &str, text: &Secret) -> Result<Identity> {
    let Some((identity, rest)) = pin::without_secret(IDENTITY, text.expose()) else {
        return Identity::from_text(subject, text.expose_str(subject)?, None);
    };
    let rest: IdentityRest = json::read(subject, &rest, IDENTITY_BYTES_MAX)?;
    if identity.trim_ascii() != identity {
        return Err(Error::new(Kind::NotCanonical, subject)); // FORMAT 11.1
    }
    let public = HEX.decode(&rest.public_key).and_then(|key| key.expose().try_into().ok());
    match public.filter(|_| rest.format == 1) {
        Some(public) => Identity::from_text(subject, identity, Some(public)),
        None => Err(Error::new(Kind::NotCanonical, subject)),
    }
}
