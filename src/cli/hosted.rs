//! `project …`: which projects a server holds.
//!
//! Promises: a server that this device does not know gets nothing before a person, or
//! `--fingerprint`, has named its key; a project token goes to standard output alone, once.

use crate::cli::args::Input;
use crate::cli::asking::{Asking, address, admin, is_directory, of_project, options, project_id};
use crate::cli::init::name_or;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::token::{fresh_token, print_token};
use crate::cli::{check_output, may_delete, not_confirmed, open, print_lines};
use crate::format::json::{self, Serialize};
use crate::format::message::token::fingerprint;
use crate::keys::Home;
use crate::keys::remote::KnownRemote;
use crate::project::Project;
use crate::sync::protocol::{NewToken, Operation, ProjectInfo, Rights, Standing};
use crate::sync::remote;
use crate::terminal;

/// `kagi project join --remote URL [--name NAME] [--fingerprint ID]`.
///
/// # Errors
/// Usage; everything that keeps the project shut; a server whose key nobody vouches for.
pub fn join(input: &mut Input) -> Result<u8, Failure> {
    let address = address(input)?;
    let project = open(input)?;
    let id = &project.config.project;
    if is_directory(&address) {
        return join_directory(input, &project, &address);
    }
    if let Ok((mut asking, known)) = of_project(input, id)
        && known.address == address
        && asking.ask::<Standing>(Operation::Status).is_ok()
    {
        terminal::note(&format!("{} has {id} already; next: kagi push", asking.address()));
        return Ok(0);
    }
    let name = project_name(input, &project)?;
    let key = server_key(input, &address, id)?;
    let mut asking = Asking::new(input, &address, Some(key), None, id)?;
    asking.tell(Operation::Register { name: name.clone() })?;
    terminal::note(&format!("asked {} to take {id} in as {}", asking.address(), quoted(&name)));
    terminal::note("its administrator runs the following, and gives you the token for kagi pull -");
    terminal::print(format!("kagi project approve {id}\n").as_bytes())?;
    Ok(0)
}

/// What the administrator sees: what was given, else the directory's name.
fn project_name(input: &Input, project: &Project) -> Result<String, Failure> {
    let usual = || project.site.root.file_name().unwrap_or_default().to_string_lossy();
    name_or(input, || usual().into_owned(), "project")
}

/// The public key of a server: the one that this device knows, else the one that it says it has, if
/// a person or `--fingerprint` agrees.
fn server_key(input: &Input, address: &str, project: &str) -> Result<[u8; 32], Failure> {
    let (wanted, place) = (input.text("fingerprint")?, quoted(address));
    let check = |key: [u8; 32]| {
        let shown = fingerprint(&key);
        let Some(other) = wanted.filter(|wanted| *wanted != shown).map(quoted) else {
            return Ok(key);
        };
        let message = format!("{place} has the fingerprint {shown}, not {other}; nothing was sent");
        Err(Failure::new(message))
    };
    let home = Home::find()?;
    let known = home.remote(project)?.filter(|known| known.address == address);
    let stored = home.login(address)?.map(|login| login.server);
    if let Some(key) = stored.or(known.and_then(|known| known.token).map(|token| token.server)) {
        return check(key);
    }
    let key = remote::server_key(address, options(input))?;
    let key = check(key.ok_or_else(|| Failure::new(format!("{place} has no key")))?)?;
    if wanted.is_some() {
        return Ok(key);
    }
    terminal::note(&format!("this device does not know {place} yet; its fingerprint is"));
    terminal::note(&format!("  {}", fingerprint(&key)));
    if terminal::ask("kagi: is that what kagi serve shows there?") {
        return Ok(key);
    }
    Err(not_confirmed("--fingerprint ID, from the server's administrator"))
}

/// Who can write a directory is its administrator: it takes the project in at once.
fn join_directory(input: &Input, project: &Project, address: &str) -> Result<u8, Failure> {
    let id = &project.config.project;
    let home = Home::find()?;
    if let Some(known) = home.remote(id)?.filter(|known| known.address != address) {
        let (old, new) = (quoted(&known.address), quoted(address));
        may_delete(
            input,
            &format!("sync with {new} from now on, and forget {old} and its token?"),
        )?;
    }
    let mut asking = Asking::new(input, address, None, None, id)?;
    // Without effect where a colleague has done the same.
    asking.tell(Operation::Register { name: project_name(input, project)? })?;
    home.change_remote(id, |_| Some(KnownRemote::new(address.to_string(), None)))?;
    home.set_base(&project.site.root, None)?;
    terminal::note(&format!("{} takes {id} in; next: kagi push", quoted(address)));
    let place = shell_word(address);
    terminal::note(&format!("then, elsewhere: kagi pull --remote {place} --project {id}"));
    Ok(0)
}

#[derive(Serialize)]
struct ProjectJson {
    id: String,
    name: String,
    is_approved: bool,
    revision: u64,
    bytes: u64,
}

/// `kagi project list`.
///
/// # Errors
/// As `remote::admin`.
pub fn list(input: &mut Input) -> Result<u8, Failure> {
    let projects: Vec<ProjectInfo> = admin(input, "")?.ask(Operation::Projects)?;
    let text = if input.has("json") {
        let row = |ProjectInfo { id, name, is_approved, revision, bytes }| ProjectJson {
            id: safe(&id),
            name: safe(&name),
            is_approved,
            revision,
            bytes,
        };
        json::write(&projects.into_iter().map(row).collect::<Vec<_>>())
    } else {
        projects.iter().map(line).collect()
    };
    print_lines(input, &text)?;
    Ok(0)
}

fn line(project: &ProjectInfo) -> String {
    let ProjectInfo { id, name, is_approved, revision, bytes } = project;
    let state = if *is_approved {
        format!("revision {revision}, {} KiB", bytes.div_ceil(1024))
    } else {
        "asks to be taken in".to_string()
    };
    format!("{}  {state}  {}\n", safe(id), safe(name))
}

/// The project that is named, and its server, to be asked by the administrator.
fn named(input: &mut Input) -> Result<(String, Asking), Failure> {
    let [id] = input.exactly()?;
    let id = project_id(&id)?;
    let asking = admin(input, &id)?;
    Ok((id, asking))
}

/// `kagi project approve ID`.
///
/// # Errors
/// Usage; no such project; as `remote::admin`.
pub fn approve(input: &mut Input) -> Result<u8, Failure> {
    let (id, mut asking) = named(input)?;
    let Some(server) = asking.key else {
        return Err(Failure::new("a directory takes projects in by itself: kagi project join"));
    };
    check_output()?;
    let token = fresh_token(&asking, server, Vec::new())?;
    let new = NewToken::new(&token.credential, Rights::MEMBER, "project approve");
    asking.tell(Operation::Approve { token: new })?;
    terminal::note(&format!("{} takes {id} in", asking.address()));
    print_token(&token)
}

/// `kagi project del ID`.
///
/// # Errors
/// Usage; no `y`; no such project; as `remote::admin`.
pub fn del(input: &mut Input) -> Result<u8, Failure> {
    let (id, mut asking) = named(input)?;
    let place = asking.address();
    may_delete(input, &format!("remove {id} and all of its tokens from {place}?"))?;
    asking.tell(Operation::Delete)?;
    terminal::note(&format!("removed {id} from {place}, which keeps what it had for 30 days"));
    Ok(0)
}
