//! `member …` and `key rotate`: who may open the project.
//!
//! Promises: a key is wrapped for nobody whose id was not shown or typed in full; what is taken
//! away is followed by a new project key. Refuses to leave a project that nobody can open.

use crate::cli::args::Input;
use crate::cli::driver::git_setup;
use crate::cli::exposure::exposures;
use crate::cli::health::{side_to_take, unmerged, unmerged_line};
use crate::cli::identity::trust_member;
use crate::cli::init::device_name;
use crate::cli::init::site_or;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::words::{did_you_mean, nearest, unknown_env};
use crate::cli::{
    check_output, counted, lock, may_delete, not_confirmed, note_opening, open, open_to_write,
    print_lines, sync, ways,
};
use crate::crypto::random;
use crate::disk::Lock;
use crate::error::{Error, Kind};
use crate::format::json::{self, Serialize};
use crate::format::key_text::{Identity, paper};
use crate::format::names::{Grant, check_member_name, is_id};
use crate::format::request::{REQUESTS_MAX, Request};
use crate::format::roster::Member;
use crate::keys::Home;
use crate::project::Project;
use crate::team::Draft;
use crate::terminal::{self, Progress};
use std::fmt::Write;

/// `kagi member join [--name NAME] [--trust ID]`.
///
/// # Errors
/// No project; a device that is a member, or was removed; `Write`.
pub fn join(input: &mut Input) -> Result<u8, Failure> {
    let site = site_or("git pull, or kagi pull -, brings the project here first")?;
    let name = device_name(input)?;
    let roster = site.claimed_roster()?;
    let home = Home::find()?;
    let identity = home.identity_or_new()?;
    let id = &identity.id;
    if roster.member(id).is_some() {
        return Err(
            Failure::new(format!("this device is a member already ({id})")).hint("kagi status")
        );
    }
    if roster.removed.contains(id) {
        return Err(Error::new(Kind::WasRemoved, id).into());
    }
    let lock = lock(&site)?;
    if site.requests()?.len() >= REQUESTS_MAX && site.request(id).is_err() {
        return Err(Failure::new(
            "64 requests are waiting, which is the limit; nothing was written",
        )
        .hint("kagi member list, by a member"));
    }
    let request = Request::new(identity.public, &name);
    site.write_request(&lock, &request)?;
    if let Some(anchor) = input.text("trust")? {
        trust_member(&home, &roster.project, anchor)?;
    }
    if !input.has("no-git") {
        git_setup(&site.root);
    }
    let is_posted = sync::post(input, &roster.project, &request);
    let rest = if is_posted { "" } else { "; commit and push it" };
    terminal::note(&format!("wrote .kagi/{}{rest}", Request::file(id)));
    terminal::note("and send this to a member, in a way that nobody can change:");
    let (project, name) = (&roster.project, quoted(&name));
    let text = format!("I ask to join {project} as {name}. Please run: kagi member approve {id}\n");
    terminal::print(text.as_bytes())?;
    Ok(0)
}

#[derive(Serialize)]
struct MembersJson {
    members: Vec<MemberJson>,
    pending: Vec<PendingJson>,
    removed: Vec<String>,
}

#[derive(Serialize)]
struct MemberJson {
    id: String,
    name: String,
    grants: Vec<String>,
    is_you: bool,
}

#[derive(Serialize)]
struct PendingJson {
    id: String,
    name: String,
}

/// `kagi member list`.
///
/// # Errors
/// Everything that keeps the project shut.
pub fn list(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    if let Some(only) = project.access().only_scope() {
        return Err(Failure::new(format!("the key of {only} cannot tell who is a member")));
    }
    let you = project.access().member();
    let member = |member: &Member| MemberJson {
        id: member.id.clone(),
        name: member.name.clone(),
        grants: member.grants.iter().map(Grant::to_string).collect(),
        is_you: member.id == you,
    };
    let mut list = MembersJson {
        members: project.roster.members.iter().map(member).collect(),
        pending: Vec::new(),
        removed: project.roster.removed.clone(),
    };
    for request in pending(&project)? {
        match request {
            Ok(Request { id, name, .. }) => list.pending.push(PendingJson { id, name }),
            Err(error) => Failure::from(error).report(),
        }
    }
    let text = if input.has("json") { json::write(&list) } else { text(&list) };
    print_lines(input, &text)?;
    Ok(0)
}

fn text(list: &MembersJson) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for one in &list.members {
        let you = if one.is_you { "  (this device)" } else { "" };
        let _ = writeln!(text, "{}  {}  {}{you}", one.id, one.grants.join(","), safe(&one.name));
    }
    for one in &list.pending {
        let _ = writeln!(text, "{}  pending  {}", one.id, safe(&one.name));
    }
    for id in &list.removed {
        let _ = writeln!(text, "{id}  removed");
    }
    text
}

/// `kagi member approve [ID] [--only GRANT,…] [--name NAME]`.
///
/// # Errors
/// Usage; no such request; no `y`; `NotFull`; `Write`.
pub fn approve(input: &mut Input) -> Result<u8, Failure> {
    let request = {
        // Asked without the lock; what was shown is what is approved.
        let project = open(input)?;
        check_may_change(&project)?;
        let request = requested(&project, input)?;
        if project.roster.member(&request.id).is_none() {
            ask_to_approve(&project, input, &request)?;
        }
        request
    };
    let (project, lock) = open_to_write(input)?;
    let id = &request.id;
    if project.roster.member(id).is_some() {
        terminal::note(&format!("{id} is a member already; nothing was changed"));
        return Ok(0);
    }
    let name = input.text("name")?.unwrap_or(&request.name);
    let mut draft = project.draft();
    draft.admit(request.public, name, grants_of(&project, input)?)?;
    project.change_roster(&lock, draft)?;
    sweep_requests(&project, &lock)?;
    let next = ways(&project.config.project).share;
    terminal::note(&format!("approved {id} as {}; {next}", quoted(name)));
    let own = project.access().member();
    terminal::note(&format!("its first opening may ask for this device's id: {own}"));
    Ok(0)
}

/// Requests that were answered stay for a while: where two branches have approved somebody, only
/// one roster can be taken, and the other approval must be repeated.
const ANSWERED_MAX: usize = 16;

/// Removes the requests that were answered, once there are many.
fn sweep_requests(project: &Project, lock: &Lock) -> Result<(), Failure> {
    let requests = project.site.requests()?.into_iter().filter_map(Result::ok);
    let answered: Vec<_> = requests.filter(|one| is_answered(project, &one.id)).collect();
    for request in answered.iter().filter(|_| answered.len() > ANSWERED_MAX) {
        project.site.remove_request(lock, &request.id)?;
    }
    Ok(())
}

/// True for a member, and for somebody who was one.
fn is_answered(project: &Project, id: &str) -> bool {
    project.roster.member(id).is_some() || project.roster.removed.iter().any(|one| one == id)
}

/// The requests that wait for an answer, and why others cannot be read.
///
/// # Errors
/// `Read`.
pub fn pending(project: &Project) -> Result<Vec<crate::error::Result<Request>>, Failure> {
    let mut requests = project.site.requests()?;
    requests.retain(|one| !one.as_ref().is_ok_and(|request| is_answered(project, &request.id)));
    Ok(requests)
}

/// The request that is meant: the one named, or the only one.
fn requested(project: &Project, input: &Input) -> Result<Request, Failure> {
    let texts = input.texts()?;
    match texts.as_slice() {
        [id] if is_id("kgm_", id) => project.site.request(id).map_err(|error| {
            let hint = format!("{}, then kagi member list", ways(&project.config.project).fetch);
            match error.kind {
                Kind::Missing => Failure::from(error).hint(hint),
                _ => error.into(),
            }
        }),
        [] if terminal::can_ask() => {
            let mut sound: Vec<_> = pending(project)?.into_iter().filter_map(Result::ok).collect();
            match (sound.pop(), sound.len()) {
                (None, _) => Err(Failure::new("nobody asks to join")
                    .hint("kagi member join, on the other device")),
                (Some(request), 0) => Ok(request),
                (Some(_), others) => {
                    let message = format!("{} ask to join", counted(others + 1, "device"));
                    Err(Failure::new(message).hint("kagi member list, then kagi member approve ID"))
                }
            }
        }
        _ => Err(Failure::usage("approve takes the full member id, kgm_ and 20 characters")
            .hint("kagi member list")),
    }
}

/// The id is the fingerprint: whoever typed it without a terminal has compared it.
fn ask_to_approve(project: &Project, input: &Input, request: &Request) -> Result<(), Failure> {
    let name = input.text("name")?.unwrap_or(&request.name);
    check_member_name(name)?;
    let grants = grants_of(project, input)?;
    let mut draft = project.draft();
    draft.admit(request.public, name, grants.clone())?;
    if !terminal::can_ask() {
        return Ok(());
    }
    // The id first and alone: the name is what its owner chose.
    terminal::note(&format!("  {}", request.id));
    terminal::note(&format!("  who is called {}, and may open {}", quoted(name), shown(&grants)));
    if terminal::ask("kagi: is that the id that the other device shows with kagi identity show?") {
        Ok(())
    } else {
        Err(not_confirmed(""))
    }
}

fn shown(grants: &[Grant]) -> String {
    let is_full = grants == [Grant::Full];
    let texts: Vec<_> = grants.iter().map(Grant::to_string).collect();
    if is_full { "everything".to_string() } else { texts.join(", ") }
}

/// What `--only` says; everything without it.
fn grants_of(project: &Project, input: &Input) -> Result<Vec<Grant>, Failure> {
    input.text("only")?.map_or(Ok(vec![Grant::Full]), |list| parse_grants(project, list))
}

/// A list of grants of things that are there.
fn parse_grants(project: &Project, list: &str) -> Result<Vec<Grant>, Failure> {
    let mut grants = Vec::new();
    let services = project.services()?;
    for text in list.split(',') {
        let grant = Grant::parse(text).ok_or_else(|| {
            Failure::usage(format!("{} is no grant", quoted(text)))
                .hint("SERVICE/ENV, SERVICE/*, */ENV, or * for everything")
        })?;
        let (service, env) = match &grant {
            Grant::Full => (None, None),
            Grant::Env(env) => (None, Some(env)),
            Grant::Service(service) => (Some(service), None),
            Grant::Scope(service, env) => (Some(service), Some(env)),
        };
        if let Some(env) = env.filter(|env| !project.config.is_env(env)) {
            return Err(unknown_env(project, env));
        }
        if let Some(service) = service.filter(|service| !project.is_known(service)) {
            let failure = Failure::new(format!("there is no service {}", quoted(service)));
            let failure = failure.hint("kagi set makes it, with its first key");
            let near = nearest(service, services.iter().map(String::as_str));
            return Err(did_you_mean(failure, near));
        }
        grants.push(grant);
    }
    Ok(grants)
}

/// Refuses who is no full member, and a roster that Git holds another side of: what is written on
/// the wrong one is lost, and so is what the others did.
///
/// # Errors
/// `NotFull`; a merge that is not done.
pub fn check_may_change(project: &Project) -> Result<(), Failure> {
    let member = project.access().member();
    if !project.access().is_full() || member.is_empty() {
        let member = if member.is_empty() { "the holder of a project key" } else { member };
        return Err(Error::new(Kind::NotFull, member).into());
    }
    match unmerged(&project.site).first() {
        None => Ok(()),
        Some(path) => Err(Failure::new(unmerged_line(path))
            .and("nothing was changed")
            .hint(side_to_take(&project.site, path))),
    }
}

/// The member of an id, or of a name that no other has.
fn member_of<'a>(project: &'a Project, text: &str) -> Result<&'a Member, Failure> {
    // The id first: a name may be anything, an id of somebody else's as well.
    if let Some(member) = project.roster.member(text) {
        return Ok(member);
    }
    let named: Vec<_> = project.roster.members.iter().filter(|one| one.name == text).collect();
    match named.as_slice() {
        [member] => Ok(member),
        [] => {
            Err(Failure::new(format!("there is no member {}", quoted(text)))
                .hint("kagi member list"))
        }
        _ => Err(Failure::new(format!("several members are called {}", quoted(text)))
            .hint("kagi member list, then the id")),
    }
}

/// `kagi member del ID`.
///
/// # Errors
/// Usage; no such member; the last full one, or this device; no `y`; what keeps a scope from being
/// encrypted anew; `Write`.
pub fn del(input: &mut Input) -> Result<u8, Failure> {
    let [text] = input.exactly()?;
    let id = {
        let project = open(input)?;
        check_may_change(&project)?;
        let member = member_of(&project, &text)?;
        project.draft().remove(&member.id, project.next_epoch())?;
        if member.id == project.access().member() {
            return Err(Failure::new("a device cannot remove itself; nothing was changed")
                .hint("another full member can"));
        }
        let who = format!("{}, who is called {}", member.id, quoted(&member.name));
        may_delete(input, &format!("remove {who}, and encrypt everything under a new key?"))?;
        member.id.clone()
    };
    let (project, lock) = open_to_write(input)?;
    let mut draft = project.draft();
    let was_full = project.roster.member(&id).is_some_and(Member::is_full);
    draft.remove(&id, project.next_epoch())?;
    let project = rotate(input, project, &lock, draft)?;
    terminal::note(&format!("removed {id}; {}", ways(&project.config.project).share));
    if was_full && project.roster.members.len() > 1 {
        terminal::note(
            "note: an identity that kagi member add made before may still believe it: make it anew",
        );
    }
    note_rest(&project, &id)?;
    Ok(0)
}

/// Rotates, and says what that means.
///
/// # Errors
/// As `Project::rotate`.
pub fn rotate(
    input: &Input,
    project: Project,
    lock: &Lock,
    draft: Draft,
) -> Result<Project, Failure> {
    let takes_older = input.has("accept-older");
    let mut progress = Progress::new("rotating, step");
    let mut step = |done, total| progress.at(done, total);
    let rotated = project.rotate(lock, draft, takes_older, &mut step);
    drop(progress);
    let (project, unfinished) = rotated.map_err(not_rotated)?;
    note_opening(&project);
    if let Some(error) = unfinished {
        let why = Failure::from(error);
        let why = why.message();
        terminal::note(&safe(&format!("note: {why}; the next change drops the old box there")));
    }
    crate::cli::remember(&project);
    terminal::note(&format!("the project is at epoch {} now", project.access().epoch().number));
    Ok(project)
}

fn not_rotated(error: Error) -> Failure {
    let (kind, path) = (error.kind, shell_word(&error.subject));
    let failure = Failure::from(error);
    match kind {
        Kind::Write => failure.and("the next rotation finishes this one, or drops it"),
        Kind::RolledBack => failure
            .and("the key was not rotated")
            .hint(format!("git log -- {path}; --accept-older, if that is meant")),
        Kind::Unauthentic | Kind::NotCanonical | Kind::Misplaced | Kind::NoBox => failure
            .and("the key was not rotated")
            .hint(format!("git log -- {path}; remove it, if it is nobody's")),
        _ => failure.and("the key was not rotated"),
    }
}

/// What a former reader may know still, and have.
fn note_rest(project: &Project, id: &str) -> Result<(), Failure> {
    for exposure in exposures(project)?.iter().filter(|exposure| exposure.member == id) {
        terminal::note(&safe(&exposure.line()));
    }
    sync::note_tokens(&project.config.project);
    Ok(())
}

/// `kagi member rename ID NAME`.
///
/// # Errors
/// Usage; no such member; a name that cannot be; `NotFull`; `Write`.
pub fn rename(input: &mut Input) -> Result<u8, Failure> {
    let [text, name] = input.exactly()?;
    check_member_name(&name)?;
    let (project, lock) = open_to_write(input)?;
    check_may_change(&project)?;
    let id = member_of(&project, &text)?.id.clone();
    let mut draft = project.draft();
    draft.member_mut(&id)?.name.clone_from(&name);
    project.change_roster(&lock, draft)?;
    terminal::note(&format!("{id} is called {} now", quoted(&name)));
    Ok(0)
}

/// `kagi member grant ID GRANT,… [--only]`.
///
/// # Errors
/// Usage; no such member; the last full one; no `y` for a reduction; `Write`.
pub fn grant(input: &mut Input) -> Result<u8, Failure> {
    let [text, list] = input.exactly()?;
    let id = {
        let project = open(input)?;
        check_may_change(&project)?;
        let (id, grants) = granted(&project, &text, &list, input)?;
        let mut draft = project.draft();
        if draft.takes_away(&id, &grants) {
            draft.regrant(&id, grants.clone(), project.next_epoch())?;
            if id == project.access().member() {
                return Err(Failure::new(
                    "a device cannot take away its own access; nothing was changed",
                )
                .hint("another full member can"));
            }
            let what = format!("leave {} only {}", quoted(&text), shown(&grants));
            may_delete(input, &format!("{what}, and encrypt everything under a new key?"))?;
        }
        id
    };
    let (project, lock) = open_to_write(input)?;
    let (_, grants) = granted(&project, &id, &list, input)?;
    let mut draft = project.draft();
    let takes_away = draft.takes_away(&id, &grants);
    draft.regrant(&id, grants, project.next_epoch())?;
    let grants = draft.member_mut(&id)?.grants.clone();
    let next = ways(&project.config.project).share;
    if takes_away {
        let project = rotate(input, project, &lock, draft)?;
        note_rest(&project, &id)?;
    } else {
        project.change_roster(&lock, draft)?;
    }
    terminal::note(&format!("{id} may open {} now; {next}", shown(&grants)));
    Ok(0)
}

/// Who is meant, and what it would have then.
fn granted(
    project: &Project,
    text: &str,
    list: &str,
    input: &Input,
) -> Result<(String, Vec<Grant>), Failure> {
    let member = member_of(project, text)?;
    let mut grants = parse_grants(project, list)?;
    if !input.has("only") {
        grants.extend(member.grants.iter().cloned());
    }
    Ok((member.id.clone(), grants))
}

/// `kagi member add --name NAME (--only GRANT,… | --offline)`.
///
/// # Errors
/// Usage; `NotFull`; `Random`, `Write`.
pub fn add(input: &mut Input) -> Result<u8, Failure> {
    let (is_offline, is_limited) = (input.has("offline"), input.has("only"));
    let Some(name) = input.text("name")?.filter(|_| is_offline || is_limited) else {
        return Err(Failure::usage("add takes --name, and --only GRANT,… or --offline")
            .hint("kagi member add --name ci --only api/production"));
    };
    check_member_name(name)?;
    check_output()?;
    let (project, lock) = open_to_write(input)?;
    check_may_change(&project)?;
    let mut identity = Identity::new(random::key()?);
    let mut draft = project.draft();
    draft.admit(identity.public, name, grants_of(&project, input)?)?;
    project.change_roster(&lock, draft)?;
    let text = if is_offline {
        paper(&identity)
    } else {
        identity.origin = Some(project.access().origin_for(&identity.id)?);
        let full = project.roster.members.iter().filter(|member| member.is_full());
        identity.anchors = full.map(|member| member.id.clone()).collect();
        let mut text = identity.to_text();
        text.push(b"\n");
        text
    };
    let next = ways(&project.config.project).share;
    terminal::note(&format!("added {} as {}; {next}", identity.id, quoted(name)));
    terminal::note(if is_offline {
        "its identity is shown this once: write it down, for kagi identity import"
    } else {
        "its identity is shown this once: keep it as the secret KAGI_IDENTITY"
    });
    terminal::print_once(text.expose()).map_err(|error| {
        Failure::from(error)
            .and("the identity is lost")
            .hint(format!("kagi member del {}", identity.id))
    })?;
    Ok(0)
}

/// `kagi key rotate`.
///
/// # Errors
/// No `y`; as `del`.
pub fn rotate_key(input: &mut Input) -> Result<u8, Failure> {
    check_may_change(&open(input)?)?;
    may_delete(
        input,
        "encrypt everything under a new key? keys for KAGI_PROJECT_KEY end with that",
    )?;
    let (project, lock) = open_to_write(input)?;
    let draft = project.draft();
    let project = rotate(input, project, &lock, draft)?;
    terminal::note(ways(&project.config.project).share);
    Ok(0)
}
