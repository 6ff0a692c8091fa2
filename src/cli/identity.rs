//! `identity show` and `trust`: who this device is, and whom it believes.

use crate::cli::args::Input;
use crate::cli::driver::git_setup;
use crate::cli::report::{Failure, quoted};
use crate::cli::{confirm_author, not_confirmed};
use crate::error::{Error, Kind};
use crate::format::json::{self, Serialize};
use crate::format::key_text::Identity;
use crate::format::names::is_id;
use crate::format::text::HEX;
use crate::keys::{Holder, Home, Place, holder_from_environment};
use crate::project::{Opening, Project, Site};
use crate::terminal;

/// Where an identity is that is in no file.
const KEYCHAIN: &str = "the keychain of the system";

#[derive(Serialize)]
struct IdentityJson {
    id: String,
    public_key: String,
    kept_in: String,
}

/// `kagi identity show`.
///
/// # Errors
/// No identity; a file that others can read.
pub fn show(input: &mut Input) -> Result<u8, Failure> {
    let (identity, kept_in) = own_identity()?;
    let public_key = HEX.encode(&identity.public);
    let text = if input.has("json") {
        json::write(&IdentityJson { id: identity.id, public_key, kept_in })
    } else {
        format!(
            "member id   {}\npublic key  {public_key}\nkept in     {}\n",
            identity.id,
            crate::cli::report::safe(&kept_in)
        )
    };
    terminal::print(text.as_bytes())?;
    Ok(0)
}

/// Who this process is, and where that is kept.
///
/// # Errors
/// No identity; one that is damaged; a file that others can read.
pub fn own_identity() -> Result<(Identity, String), Failure> {
    let (identity, kept_in) = match holder_from_environment()? {
        Some(Holder::Member(identity)) => (identity, identity_variable().to_string()),
        Some(Holder::ProjectKey(_) | Holder::ScopeKey(_)) => {
            return Err(Failure::new(
                "KAGI_PROJECT_KEY is set: it opens a project without an identity",
            ));
        }
        None => {
            let home = Home::find()?;
            let path = home.identity_path().to_string_lossy().into_owned();
            let missing = || Error::new(Kind::NoIdentity, &path);
            let identity = home.identity()?.ok_or_else(missing)?;
            let is_in_file = home.place()? == Place::File;
            (identity, if is_in_file { path } else { KEYCHAIN.to_string() })
        }
    };
    Ok((identity.checked(&kept_in)?, kept_in))
}

fn identity_variable() -> &'static str {
    let is_file = std::env::var_os("KAGI_IDENTITY_FILE").is_some_and(|path| !path.is_empty());
    if is_file { "KAGI_IDENTITY_FILE" } else { "KAGI_IDENTITY" }
}

/// `kagi trust [MEMBER_ID]`.
///
/// # Errors
/// Usage; no `y`; a roster that does not hold even so.
pub fn trust(input: &mut Input) -> Result<u8, Failure> {
    let texts = input.texts()?;
    let site = Site::find()?;
    let home = Home::find()?;
    let project = site.claimed_project()?;
    match texts.as_slice() {
        [] => {
            trust_checkout(&home, &site, &project)?;
            if !input.has("no-git") {
                git_setup(&site.root);
            }
            Ok(0)
        }
        [id] => trust_member(&home, &project, id).map(|()| 0),
        _ => Err(not_one_id()),
    }
}

fn not_one_id() -> Failure {
    Failure::usage("what to trust is one member id, kgm_ and 20 characters")
        .hint("kagi trust --help")
}

/// Lets a member introduce a project to this device.
///
/// # Errors
/// Usage; `Write`.
pub fn trust_member(home: &Home, project: &str, id: &str) -> Result<(), Failure> {
    if !is_id("kgm_", id) {
        return Err(not_one_id());
    }
    home.add_anchors(project, &[id.to_string()])?;
    terminal::note(&format!("{id} may introduce {project} to this device"));
    Ok(())
}

fn trust_checkout(home: &Home, site: &Site, project: &str) -> Result<(), Failure> {
    let declined = || not_confirmed("kagi trust asks on a terminal");
    let held = home.checkout(&site.root)?;
    let around = || home.checkout_around(&site.root);
    let other = held.clone().map_or_else(around, |held| Ok(Some(held)))?;
    let other = other.filter(|other| other != project);
    if let Some(other) = &other {
        let place = quoted(&site.root.to_string_lossy());
        terminal::note(&format!("{place} held the project {other} before, and now {project}"));
        if !terminal::ask("kagi: was that done on purpose?") {
            return Err(declined());
        }
        home.set_checkout(&site.root, Some(project))?;
    }
    let open = |forgets| {
        let confirm = &confirm_author;
        Project::open(
            site.clone(),
            &Opening { is_strict: false, remembers: true, forgets, confirm },
        )
    };
    let opened = match open(false) {
        Err(error) if is_pins_doing(error.kind) => {
            Failure::from(error).report();
            if !terminal::ask("kagi: forget what this device knows of it, and ask for its author?")
            {
                return Err(declined());
            }
            open(true)
        }
        opened => opened,
    };
    if opened.is_err() && held.is_some() {
        home.set_checkout(&site.root, held.as_deref())?;
    }
    opened?;
    terminal::note(&format!("this device trusts {project} here"));
    Ok(())
}

/// True for a roster that is refused because of what the device has seen before.
fn is_pins_doing(kind: Kind) -> bool {
    matches!(kind, Kind::NotWitnessed | Kind::OldEpoch | Kind::ForkedEpoch)
}
