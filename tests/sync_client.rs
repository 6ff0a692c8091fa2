//! Pulling and pushing: teams on a store of their own, a server that lies in every way it can, and
//! a stop at every moment.
//!
//! A device's home comes from its environment, so each pull and push is a process of its own: this
//! test program, started again as `child` with a server of the test's in it.
#![cfg(feature = "server")]
#![cfg(unix)]

mod common;

use common::{
    Device, Outcome, World, access_of, copy, find_program, identity_of, leftovers, listing, outcome,
};
use kagi::crypto::hash;
use kagi::error::{Error, Kind, Result};
use kagi::format::message::manifest::{Listed, Manifest};
use kagi::format::message::token::{Credential, ProjectToken};
use kagi::format::request::Request;
use kagi::keys::Home;
use kagi::keys::remote::KnownRemote;
use kagi::project::Site;
use kagi::secret::Key;
use kagi::sync::client::{self, Choice, Exchange, Options, PullReport, Remark, Remote};
use kagi::sync::handler;
use kagi::sync::protocol::{Operation, Pulled, Response};
use kagi::sync::remote::Server;
use kagi::sync::store::Store;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

// The child.

/// A store that is opened for each request, and what the server does with its answers.
struct Local {
    root: PathBuf,
    tamper: String,
    calls: usize,
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

impl Server for Local {
    fn call(
        &mut self,
        _: Option<&Credential>,
        project: &str,
        mut operation: Operation,
    ) -> Result<Response> {
        self.calls += 1;
        if let Operation::Push { members, .. } = &mut operation {
            // As for who has a token: a request waits for the token of its member.
            members.clear();
        }
        let failed = || Error::new(Kind::Unreachable, "the test");
        let stop = |word: &str| self.tamper == format!("{word}{}", self.calls);
        if stop("before") {
            return Err(failed());
        }
        let is_pull = matches!(operation, Operation::Pull { .. });
        let store = Store::open(&self.root, Key::new([1; 32]), true)?;
        let response = handler::local(&store, project, operation, now());
        if stop("after") {
            return Err(failed());
        }
        Ok(match response {
            Response::Pulled(pulled) if is_pull => Response::Pulled(self.lie(pulled)),
            Response::Blobs(blobs) if self.tamper == "wrong fetch" => Response::Blobs(
                blobs
                    .iter()
                    .map(|blob| [blob, &b"x"[..]].concat())
                    .collect(),
            ),
            response => response,
        })
    }

    fn address(&self) -> &'static str {
        "/a/store"
    }
}

impl Local {
    /// What a server that was broken into says instead.
    fn lie(&self, mut pulled: Pulled) -> Pulled {
        let Ok(mut manifest) = Manifest::decode("manifest", &pulled.manifest) else {
            return pulled;
        };
        match self.tamper.as_str() {
            "wrong blob" => {
                for blob in &mut pulled.blobs {
                    let at = blob.len() / 2;
                    blob[at] ^= 1;
                }
            }
            "no blobs" | "wrong fetch" => pulled.blobs.clear(),
            "no links" => pulled.links.clear(),
            // As if one answer had room for no more.
            "few links" => pulled.links.truncate(1),
            "a wrong link" => {
                for link in &mut pulled.links {
                    link[0] ^= 1;
                }
            }
            "dropped file" => manifest
                .files
                .retain(|file| !file.path.starts_with("secrets/")),
            "another project" => {
                manifest.project = manifest.project.replace("kgp_", "kgp_a")[..24].into();
            }
            "foreign mac" => manifest.authenticate(&Key::new([7; 32])),
            "other revision" => manifest.revision += 5,
            "other epoch" => manifest.epoch.number += 1,
            path if path.starts_with("path ") => {
                let at = manifest
                    .files
                    .iter()
                    .position(|file| file.path.starts_with("secrets/"));
                manifest.files[at.expect("a scope")].path = path["path ".len()..].into();
                manifest.files.sort_by(|one, next| one.path.cmp(&next.path));
            }
            _ => return pulled,
        }
        pulled.manifest = manifest.encode();
        pulled
    }
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(format!("{text}\n").as_bytes());
}

fn tell(report: &PullReport) {
    let words = [
        ("new", report.is_new),
        ("verified", report.received.is_verified),
        ("own token", report.has_own_token),
        ("backup", report.received.backup.is_some()),
        ("forgetful", report.received.unremembered.is_some()),
    ];
    let words: Vec<_> = words
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    say(&format!("pulled {}: {}", report.revision, words.join(", ")));
    for (what, files) in [
        ("taken", &report.received.taken),
        ("deleted", &report.received.deleted),
        ("joined", &report.received.joined),
    ] {
        for file in files {
            say(&format!("{what} {file}"));
        }
    }
    for remark in &report.received.remarks {
        say(&match remark {
            Remark::Conflict(file, keys) => format!("conflict {file} {}", keys.join(",")),
            Remark::Kept(file) => format!("kept {file}"),
            Remark::NotJoined(file, reason) => format!("not joined {file} {reason}"),
            Remark::SetAside(file) => format!("aside {file}"),
            Remark::Damaged(file) => format!("damaged {file}"),
            Remark::BaseDamaged => "damaged base".into(),
            Remark::CarriedOver(file) => format!("carried {file}"),
            Remark::Older(file) => format!("older {file}"),
            Remark::Gone(file) => format!("gone {file}"),
            Remark::Repeat(what) => format!("repeat {what}"),
        });
    }
    for request in &report.requests {
        say(&format!("request {} {}", request.id, request.name));
    }
    say(&format!("unpushed {}", report.received.unpushed));
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Not a test of its own: what the others start with `TEST_WORDS` set.
#[test]
fn child() {
    let Some(words) = variable("TEST_WORDS") else {
        return;
    };
    let code = match act(&words) {
        Ok(()) => 0,
        Err(error) => {
            say(&format!(
                "error {:?} {} {}",
                error.kind, error.subject, error.cause
            ));
            1
        }
    };
    std::process::exit(code);
}

fn act(words: &str) -> Result<()> {
    let words: Vec<_> = words.split_whitespace().collect();
    let has = |word| words.contains(&word);
    let here = std::env::current_dir().expect("a directory");
    let site = Site::of(&here).unwrap_or_else(|_| Site::at(&here));
    let home = Home::find().ok();
    let project = variable("TEST_PROJECT").expect("a project");
    let root = PathBuf::from(variable("TEST_STORE").expect("a store"));
    let mut server = Local {
        root,
        tamper: variable("TEST_TAMPER").unwrap_or_default(),
        calls: 0,
    };
    let choice = [("ours", Choice::Ours), ("theirs", Choice::Theirs)];
    let options = Options {
        accepts_older: has("older"),
        choice: choice
            .into_iter()
            .find(|(word, _)| has(*word))
            .map(|(_, choice)| choice),
        is_strict: has("strict"),
        confirm: &|_| variable("TEST_CONFIRM").is_some(),
        waiting: &|| (),
        progress: &|_, _| (),
    };
    let known = home
        .as_ref()
        .map(|home| home.remote(&project))
        .transpose()?
        .flatten();
    let address = "/a/store".to_string();
    let new = KnownRemote {
        address,
        token: None,
        revision: 0,
        id: [0; 32],
    };
    let remote = Remote {
        project: project.clone(),
        known: known.unwrap_or(new),
        is_given: false,
    };
    match words[0] {
        "pull" => {
            tell(&Exchange::new(home.as_ref(), &site, &remote, &options, &mut server).pull()?);
        }
        "push" => {
            let report =
                Exchange::new(home.as_ref(), &site, &remote, &options, &mut server).push()?;
            for pulled in &report.pulls {
                tell(pulled);
            }
            say(&format!("pushed {} to {}", report.files, report.revision));
            for id in &report.issued {
                say(&format!("issued {id}"));
            }
        }
        "register" => {
            let name = "test".to_string();
            answer(&server.call(None, &project, Operation::Register { name })?);
        }
        "post" => {
            let identity = home.expect("a home").identity()?.expect("an identity");
            let request = Request::new(identity.public, "newcomer")
                .write()
                .into_bytes();
            answer(&server.call(None, &project, Operation::Post { request })?);
        }
        "adopt" => {
            let anchors = variable("TEST_ANCHOR").into_iter().collect();
            let credential = Credential::new([9; 13], Key::new([9; 32]));
            let remote = "http://localhost:1".into();
            let token = ProjectToken {
                remote,
                project,
                server: KEY,
                credential,
                anchors,
            };
            client::adopt(&home.expect("a home"), token)?;
        }
        "changes" => {
            let count = client::changes(&home.expect("a home"), &site)?;
            say(&format!("changes {count:?}"));
        }
        other => panic!("{other}"),
    }
    Ok(())
}

/// The base point: the public key of some server.
const KEY: [u8; 32] = {
    let mut key = [0; 32];
    key[0] = 9;
    key
};

fn answer(response: &Response) {
    if let Response::Refused(refusal, about) = response {
        panic!("{refusal:?} {about}");
    }
}

// The parent.

/// A store, and the id of the project in it.
struct Team {
    world: World,
    store: PathBuf,
    project: String,
}

const INIT: &str = "init --name Ada --envs=development,production --yes --no-git";

fn project_of(directory: &Path) -> String {
    let text = fs::read_to_string(directory.join(".kagi/kagi.json")).expect("a project");
    let at = text.find("kgp_").expect("an id");
    text[at..at + 24].into()
}

impl Team {
    /// Ada's project with one value, pushed.
    fn new() -> (Self, Device, PathBuf) {
        let world = World::new();
        let (ada, at) = (world.device("ada"), world.directory("ada"));
        ada.kagi(&at, INIT).ok();
        ada.kagi(&at, "set A 1").ok();
        let store = world.root.join("store");
        let team = Team {
            world,
            store,
            project: project_of(&at),
        };
        team.sync(&ada, &at, "register", "").ok();
        team.sync(&ada, &at, "adopt", "").ok();
        team.sync(&ada, &at, "push", "")
            .ok()
            .prints(&["pushed 3 to 1"]);
        (team, ada, at)
    }

    fn child(&self, device: &Device, at: &Path, words: &str, tamper: &str) -> Command {
        let mut command = device.command(std::env::current_exe().expect("a program"), at);
        command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
        command.env("TEST_WORDS", words).env("TEST_TAMPER", tamper);
        command
            .env("TEST_STORE", &self.store)
            .env("TEST_PROJECT", &self.project);
        command
    }

    fn sync(&self, device: &Device, at: &Path, words: &str, tamper: &str) -> Outcome {
        outcome(
            &format!("{words} {tamper}"),
            &mut self.child(device, at, words, tamper),
        )
    }

    fn push(&self, device: &Device, at: &Path) -> Outcome {
        self.sync(device, at, "push", "").ok()
    }

    fn pull(&self, device: &Device, at: &Path) -> Outcome {
        self.sync(device, at, "pull", "").ok()
    }

    /// A member with a directory of its own, in step with the server.
    fn member(&self, ada: &Device, at: &Path, name: &str, grants: &str) -> (Device, PathBuf) {
        let (new, its) = (self.world.device(name), self.world.directory(name));
        self.pull(&new, &its).prints(&["new"]);
        new.kagi(&its, &format!("member join --name {name} --no-git"))
            .ok();
        self.sync(&new, &its, "post", "").ok();
        let id = identity_of(&new).id;
        self.pull(ada, at).prints(&[&format!("request {id}")]);
        ada.kagi(at, &format!("member approve {id} {grants}")).ok();
        self.push(ada, at).prints(&[&format!("issued {id}")]);
        let anchor = identity_of(ada).id;
        new.kagi(&its, &format!("trust {anchor}")).ok();
        self.pull(&new, &its).prints(&["verified"]);
        (new, its)
    }
}

/// What is printed, in place of what is said.
trait Prints {
    fn prints(self, texts: &[&str]) -> Self;
    fn prints_not(self, texts: &[&str]) -> Self;
}

impl Prints for Outcome {
    #[track_caller]
    fn prints(self, texts: &[&str]) -> Self {
        let text = self.text();
        for one in texts {
            assert!(
                text.contains(one),
                "\n{text}{}\nwithout: {one}",
                self.stderr
            );
        }
        self
    }

    #[track_caller]
    fn prints_not(self, texts: &[&str]) -> Self {
        let text = self.text();
        for one in texts {
            assert!(!text.contains(one), "\n{text}{}\nwith: {one}", self.stderr);
        }
        self
    }
}

fn values(device: &Device, at: &Path) -> BTreeMap<String, String> {
    device.values(at, "")
}

fn pairs(text: &str) -> BTreeMap<String, String> {
    common::pairs(text)
}

/// Every file of the state, as it is on disk.
fn state(at: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let kagi = at.join(".kagi");
    let files = listing(&kagi)
        .into_iter()
        .filter(|(path, _)| path.is_file());
    files
        .map(|(path, (_, bytes))| (path.strip_prefix(&kagi).expect("below").into(), bytes))
        .filter(|(path, _): &(PathBuf, _)| {
            !path.starts_with("requests") && path != Path::new(".gitattributes")
        })
        .collect()
}

fn boxes(at: &Path, path: &str) -> usize {
    let text = fs::read_to_string(at.join(".kagi").join(path)).expect("a scope");
    text.lines().filter(|line| line.starts_with("box ")).count()
}

const DEVELOPMENT: &str = "secrets/app/development.enc";

#[test]
fn a_newcomer_comes_in_and_both_sides_see_what_the_other_sets() {
    let (team, ada, at) = Team::new();
    team.push(&ada, &at).prints(&["pushed 0 to 1"]);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    assert_eq!(values(&bob, &his), pairs("A=1"));
    assert_eq!(state(&at), state(&his));
    bob.kagi(&his, "set B 2").ok();
    team.sync(&bob, &his, "changes", "")
        .ok()
        .prints(&["changes Some(1)"]);
    team.push(&bob, &his).prints(&["pushed 1 to 3"]);
    team.pull(&ada, &at)
        .prints(&["verified", "taken secrets/app/development.enc"]);
    team.pull(&ada, &at)
        .prints(&["verified"])
        .prints_not(&["taken"]);
    assert_eq!(values(&ada, &at), pairs("A=1 B=2"));
    assert_eq!(state(&at), state(&his));
    let requests = at.join(".kagi/requests");
    assert!(!requests.exists(), "an answered request is gone");
}

#[test]
fn what_both_have_changed_is_joined_to_one_box() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set B ada").ok();
    ada.kagi(&at, "set web X 1").ok();
    bob.kagi(&his, "set C bob").ok();
    bob.kagi(&his, "unset A --yes").ok();
    team.push(&ada, &at);
    let pushed = team.push(&bob, &his);
    pushed.prints(&[
        "pulled 3",
        "joined secrets/app/development.enc",
        "taken secrets/web",
        "to 4",
    ]);
    assert_eq!(values(&bob, &his), pairs("B=ada C=bob"));
    assert_eq!(boxes(&his, DEVELOPMENT), 1);
    team.pull(&ada, &at).prints(&["unpushed 0"]);
    assert_eq!(state(&at), state(&his));
    team.push(&ada, &at).prints(&["pushed 0 to 4"]);
}

#[test]
fn different_values_of_a_key_are_both_kept_until_somebody_resolves() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set A ada").ok();
    bob.kagi(&his, "set A bob").ok();
    bob.kagi(&his, "set B 2").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his)
        .prints(&["conflict secrets/app/development.enc A", "unpushed 1"]);
    // A second pull finds the same, and adds nothing.
    let before = state(&his);
    team.pull(&bob, &his).prints_not(&["joined"]);
    assert_eq!(state(&his), before);
    bob.kagi(&his, "get A").fails(&["different values"]);
    team.push(&bob, &his);
    team.pull(&ada, &at);
    ada.kagi(&at, "get A").fails(&["different values"]);
    ada.kagi(&at, "resolve --take 1").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his).prints_not(&["conflict"]);
    assert_eq!(values(&bob, &his), values(&ada, &at));
    assert_eq!(boxes(&his, DEVELOPMENT), 1);
}

#[test]
fn the_same_value_set_twice_is_no_conflict_and_no_push() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    for (device, directory) in [(&ada, &at), (&bob, &his)] {
        device.kagi(directory, "set A same").ok();
    }
    team.push(&ada, &at);
    team.pull(&bob, &his)
        .prints(&["unpushed 0"])
        .prints_not(&["conflict"]);
    assert_eq!(state(&at), state(&his));
}

/// The file of this device about its only checkout.
fn checkout_file(device: &Device, end: &str) -> PathBuf {
    let files = fs::read_dir(device.kagi_home().join("checkouts")).expect("checkouts");
    let mut paths = files.map(|file| file.expect("a file").path());
    let found = paths.find(|path| path.extension().is_some_and(|own| own == end));
    found.expect("a file")
}

#[test]
fn a_pull_leads_out_of_a_damaged_base() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    bob.kagi(&his, "set B bob").ok();
    team.push(&bob, &his);
    for damage in ["", "{}\n"] {
        ada.kagi(&at, "set C ada").ok();
        fs::write(checkout_file(&ada, "base"), damage).expect("a base");
        team.sync(&ada, &at, "push", "").prints(&["error BadText"]);
        team.pull(&ada, &at).prints(&["damaged base", "unpushed 1"]);
        team.pull(&ada, &at).prints_not(&["damaged"]);
        assert_eq!(values(&ada, &at), pairs("A=1 B=bob C=ada"));
    }
    team.push(&ada, &at).prints(&["pushed 1"]);
}

#[test]
fn a_pull_leads_out_of_a_scope_file_that_is_damaged() {
    let (team, ada, at) = Team::new();
    ada.kagi(&at, "set web X 1").ok();
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let (cid, its) = team.member(&ada, &at, "cid", "--only web/development");
    team.pull(&bob, &his);
    let path = |at: &Path| at.join(".kagi").join(DEVELOPMENT);
    let text = fs::read_to_string(path(&his)).expect("a scope");
    let (start, middle) = (&text[..text.len() - 9], text.len() - 60);
    let flipped = if &text[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    let damages = [
        String::new(),
        format!("{start}\n"),
        [&text[..middle], flipped, &text[middle + 1..]].concat(),
        format!("x{text}"),
        format!("{}\n", text.lines().next().expect("a header")),
    ];
    for (at_once, damage) in damages.iter().enumerate() {
        // Where the server has nothing new as well.
        if at_once % 2 == 1 {
            ada.kagi(&at, &format!("set A {at_once}")).ok();
            team.push(&ada, &at);
        }
        fs::write(path(&his), damage).expect("a scope");
        team.sync(&bob, &his, "push", "").prints(&["error"]);
        team.pull(&bob, &his).prints(&[
            "backup",
            "taken secrets/app/development.enc",
            "damaged secrets/app/development.enc",
            "unpushed 0",
        ]);
        assert_eq!(state(&at), state(&his));
        let kept = listing(&his).into_iter().filter(|(path, _)| {
            !path.starts_with(his.join(".kagi")) && path.ends_with(DEVELOPMENT)
        });
        let kept: Vec<_> = kept.map(|(_, (_, bytes))| bytes).collect();
        assert!(kept.contains(&damage.as_bytes().to_vec()), "{kept:?}");
    }
    // One from before a rotation is older, and no more; what else is under the old key stays.
    let old = fs::read_to_string(path(&his)).expect("a scope");
    bob.kagi(&his, "set UNPUSHED 1").ok();
    let other = fs::read_to_string(path(&his)).expect("a scope");
    fs::write(path(&his), &old).expect("a scope");
    ada.kagi(&at, "key rotate --yes").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his);
    fs::write(path(&his), &old).expect("a scope");
    team.pull(&bob, &his).prints(&["taken", "unpushed 0"]);
    assert_eq!(state(&at), state(&his));
    fs::write(path(&his), &other).expect("a scope");
    team.pull(&bob, &his).prints(&["not joined", "unpushed 1"]);
    assert_eq!(fs::read_to_string(path(&his)).expect("a scope"), other);
    // Who has no key for it can tell as well what is no scope at all.
    team.pull(&cid, &its);
    fs::write(path(&its), "no scope\n").expect("a scope");
    team.pull(&cid, &its)
        .prints(&["backup", "damaged", "unpushed 0"]);
    assert_eq!(state(&at), state(&its));
}

/// Where the project is in Git as well, files go back without kagi; that is nobody's change.
#[test]
fn what_git_took_back_does_not_take_back_what_was_pushed() {
    let (team, ada, at) = Team::new();
    let old = fs::read(at.join(".kagi").join(DEVELOPMENT)).expect("a scope");
    ada.kagi(&at, "set B 1").ok();
    team.push(&ada, &at);
    for words in ["pull", "push"] {
        fs::write(at.join(".kagi").join(DEVELOPMENT), &old).expect("a scope");
        team.sync(&ada, &at, words, "")
            .ok()
            .prints(&["taken secrets/app/development.enc", "unpushed 0"]);
        assert_eq!(values(&ada, &at), pairs("A=1 B=1"), "{words}");
    }
    // With a change on top of it, all are there.
    fs::write(at.join(".kagi").join(DEVELOPMENT), &old).expect("a scope");
    ada.kagi(&at, "set C 1").ok();
    ada.kagi(&at, "get").ok();
    team.pull(&ada, &at).prints(&["joined"]);
    team.push(&ada, &at).prints(&["pushed 1 to 3"]);
    assert_eq!(values(&ada, &at), pairs("A=1 B=1 C=1"));
    team.pull(&ada, &at).prints_not(&["joined", "taken"]);
    // Nor is a member that was let in shut out.
    let saved = team.world.directory("saved");
    copy(&at.join(".kagi"), &saved);
    let (bob, _) = team.member(&ada, &at, "bob", "");
    for words in ["pull", "push"] {
        let (old, new) = (saved.join("access.json"), at.join(".kagi/access.json"));
        fs::copy(old, new).expect("a roster");
        team.sync(&ada, &at, words, "")
            .ok()
            .prints(&["taken access.json", "unpushed 0"]);
        let members = ada.kagi(&at, "member list").ok().text();
        assert!(members.contains(&identity_of(&bob).id), "{members}");
    }
}

/// A branch that is no older by its number, of which nothing says that it lacks something.
#[test]
fn what_a_parallel_branch_has_is_joined_with_what_was_pushed() {
    let (team, ada, at) = Team::new();
    let (cid, its) = team.member(&ada, &at, "cid", "--only app/production");
    let path = at.join(".kagi").join(DEVELOPMENT);
    let old = fs::read(&path).expect("a scope");
    let make = |key: &str, count: usize| {
        fs::write(&path, &old).expect("a scope");
        for at_once in 0..count {
            ada.kagi(&at, &format!("set {key} {at_once}")).ok();
        }
        fs::read(&path).expect("a scope")
    };
    let other = make("OTHER", 3);
    make("PUSHED", 1);
    team.push(&ada, &at).prints_not(&["joined"]);
    fs::write(&path, &other).expect("a scope");
    team.push(&ada, &at)
        .prints(&["joined secrets/app/development.enc", "pushed 1 to 4"]);
    assert_eq!(values(&ada, &at), pairs("A=1 OTHER=2 PUSHED=0"));
    // Whoever cannot open it keeps both sides in it, and the others join them.
    team.pull(&cid, &its);
    let behind = its.join(".kagi").join(DEVELOPMENT);
    for _ in 0..2 {
        fs::write(&behind, &other).expect("a scope");
        team.push(&cid, &its);
        assert_eq!(boxes(&its, DEVELOPMENT), 2);
    }
    team.pull(&ada, &at);
    assert_eq!(values(&ada, &at), pairs("A=1 OTHER=2 PUSHED=0"));
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at).prints_not(&["joined", "taken"]);
}

#[test]
fn a_push_asks_once_and_pulls_first_only_where_the_boxes_of_the_base_are_not_known() {
    let (team, ada, at) = Team::new();
    // Whatever comes after the first request does not.
    ada.kagi(&at, "set A 2").ok();
    team.sync(&ada, &at, "push", "before2")
        .ok()
        .prints(&["to 2"]);
    for text in [None, Some("damaged\n")] {
        match text {
            None => fs::remove_file(checkout_file(&ada, "boxes")).expect("a file"),
            Some(text) => fs::write(checkout_file(&ada, "boxes"), text).expect("a file"),
        }
        ada.kagi(&at, "set A 3").ok();
        ada.kagi(&at, &format!("set B {}", text.unwrap_or("1").trim()))
            .ok();
        team.sync(&ada, &at, "push", "before2")
            .prints(&["error Unreachable"]);
        team.push(&ada, &at).prints(&["pushed 1"]);
        ada.kagi(&at, "set C 3").ok();
        ada.kagi(&at, &format!("set D {}", text.unwrap_or("1").trim()))
            .ok();
        team.sync(&ada, &at, "push", "before2")
            .ok()
            .prints(&["pushed 1"]);
    }
}

#[test]
fn a_deleted_file_goes_unless_it_was_changed() {
    let (team, ada, at) = Team::new();
    for words in ["set web X 1", "set production P 1"] {
        ada.kagi(&at, words).ok();
    }
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    bob.kagi(&his, "get web").ok();
    fs::remove_file(at.join(".kagi/secrets/web/development.enc")).expect("a file");
    fs::remove_file(at.join(".kagi/secrets/app/production.enc")).expect("a file");
    team.push(&ada, &at);
    bob.kagi(&his, "set production P 2").ok();
    team.sync(&bob, &his, "pull strict", "")
        .prints(&["error RolledBack"]);
    let pulled = team.pull(&bob, &his);
    pulled.prints(&[
        "deleted secrets/web/development.enc",
        "gone secrets/web/development.enc",
        "kept secrets/app/production.enc",
        "unpushed 1",
    ]);
    assert_eq!(bob.values(&his, "production"), pairs("P=2"));
    // Any member can delete a file, so a device that has seen it says so from then on.
    bob.kagi(&his, "status").ok().prints(&["is gone"]);
    bob.kagi(&his, "run -s web -- true").fails(&["is gone"]);
    // With its environment it goes in silence.
    ada.kagi(&at, "env add staging").ok();
    ada.kagi(&at, "set staging S 1").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his);
    bob.kagi(&his, "get staging").ok();
    ada.kagi(&at, "env del staging --yes").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his)
        .prints(&["deleted secrets/app/staging.enc"])
        .prints_not(&["gone"]);
    bob.kagi(&his, "status").ok().prints_not(&["staging"]);
    // The other way round: deleted here, changed there.
    team.push(&bob, &his);
    team.pull(&ada, &at)
        .prints(&["taken secrets/app/production.enc"]);
}

#[test]
fn a_value_set_under_the_old_key_outlives_a_rotation_on_the_server() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let (cid, its) = team.member(&ada, &at, "cid", "--only app/development");
    team.pull(&bob, &his);
    for (device, directory, key) in [(&bob, &his, "B"), (&cid, &its, "C")] {
        device.kagi(directory, &format!("set {key} 1")).ok();
        device.kagi(directory, &format!("set A {key}")).ok();
    }
    bob.kagi(&his, "set web X 1").ok();
    ada.kagi(&at, "set D 1").ok();
    ada.kagi(&at, "key rotate --yes").ok();
    team.push(&ada, &at);
    let pulled = team.pull(&bob, &his);
    pulled.prints(&[
        "carried secrets/app/development.enc",
        "carried secrets/web/development.enc",
        "taken access.json",
    ]);
    assert_eq!(values(&bob, &his), pairs("A=B B=1 D=1"));
    assert_eq!(bob.values(&his, "web"), pairs("X=1"));
    assert_eq!(boxes(&his, DEVELOPMENT), 1);
    team.push(&bob, &his);
    // The limited member has the key of that scope; its value of A is in conflict with Bob's now.
    let pulled = team.pull(&cid, &its);
    pulled.prints(&["conflict secrets/app/development.enc A", "carried"]);
    cid.kagi(&its, "resolve --take 1").ok();
    assert_eq!(values(&cid, &its).len(), 4);
    team.push(&cid, &its);
    team.pull(&ada, &at);
    assert_eq!(values(&ada, &at), values(&cid, &its));
    ada.kagi(&at, "doctor").ok();
}

#[test]
fn what_others_have_set_outlives_a_rotation_that_is_not_pushed_yet() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    bob.kagi(&his, "set B 1").ok();
    bob.kagi(&his, "set web X 1").ok();
    ada.kagi(&at, "set D 1").ok();
    ada.kagi(&at, "key rotate --yes").ok();
    team.push(&bob, &his);
    let pushed = team.push(&ada, &at);
    pushed.prints(&[
        "carried secrets/app/development.enc",
        "carried secrets/web/development.enc",
    ]);
    assert_eq!(values(&ada, &at), pairs("A=1 B=1 D=1"));
    assert_eq!(ada.values(&at, "web"), pairs("X=1"));
    team.pull(&bob, &his)
        .prints(&["taken access.json", "unpushed 0"]);
    assert_eq!(state(&at), state(&his));
    assert_eq!(values(&bob, &his), pairs("A=1 B=1 D=1"));
}

#[test]
fn two_rosters_are_never_chosen_between_in_silence() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "env add staging").ok();
    bob.kagi(&his, "env add testing").ok();
    bob.kagi(&his, "set testing T 1").ok();
    team.push(&ada, &at);
    let before = listing(&his);
    for words in ["pull", "push"] {
        let failed = team.sync(&bob, &his, words, "");
        assert_eq!(failed.code, Some(1));
        failed.prints(&["error BothChanged"]);
        assert_eq!(listing(&his.join(".kagi")), listing(&his.join(".kagi")));
    }
    assert_eq!(before.len(), listing(&his).len());
    let (other, copied) = (team.world.directory("copy"), &his);
    copy(copied, &other);
    // Ours: the roster that is here follows the other one.
    let pulled = team.sync(&bob, &his, "pull ours", "").ok();
    pulled
        .prints(&["repeat environment staging"])
        .prints_not(&["backup"]);
    bob.kagi(&his, "env list").ok();
    assert_eq!(bob.values(&his, "testing"), pairs("T=1"));
    // Theirs: what was here lies beside it.
    let pulled = team.sync(&bob, &other, "pull theirs", "").ok();
    pulled.prints(&["repeat environment testing", "backup"]);
    let kept = other.join(".kagi.backup-1/kagi.json");
    assert!(
        fs::read_to_string(kept)
            .expect("a copy")
            .contains("testing")
    );
    // The values of an environment that is none any more lie about until somebody deletes them.
    assert!(other.join(".kagi/secrets/app/testing.enc").exists());
    bob.kagi(&other, "get staging").ok();
}

#[test]
fn a_rotation_here_and_a_new_member_there_can_be_settled() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    bob.kagi(&his, "env add staging").ok();
    team.push(&bob, &his);
    ada.kagi(&at, "set A 2").ok();
    ada.kagi(&at, "key rotate --yes").ok();
    team.sync(&ada, &at, "pull", "")
        .prints(&["error BothChanged"]);
    // Ours: the rotation stays, and what Bob has set is carried over; his environment is not.
    bob.kagi(&his, "set B 1").ok();
    team.push(&bob, &his);
    let (copied, saved) = (team.world.directory("copy"), team.world.root.join("saved"));
    copy(&at, &copied);
    copy(&ada.home, &saved);
    let pulled = team.sync(&ada, &at, "pull ours", "").ok();
    pulled.prints(&["repeat environment staging", "carried", "verified"]);
    assert_eq!(values(&ada, &at), pairs("A=2 B=1"));
    fs::remove_dir_all(&at).expect("a directory");
    fs::remove_dir_all(&ada.home).expect("a home");
    copy(&copied, &at);
    copy(&saved, &ada.home);
    // Theirs.
    let mut command = team.child(&ada, &at, "pull theirs", "");
    let pulled = outcome("pull theirs", command.env("TEST_CONFIRM", "1")).ok();
    pulled.prints(&[
        "backup",
        "verified",
        "repeat A in app/development",
        "unpushed 0",
    ]);
    assert_eq!(values(&ada, &at), pairs("A=1 B=1"));
    assert_eq!(state(&at), state(&his));
    ada.kagi(&at, "key rotate --yes").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his).prints(&["verified"]);
}

/// An administrator takes the project back to before a rotation, which no device follows by itself.
#[test]
fn a_server_that_was_taken_back_behind_a_rotation_is_no_dead_end() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let old = team.world.root.join("old-store");
    copy(&team.store, &old);
    ada.kagi(&at, "set A 2").ok();
    ada.kagi(&at, "key rotate --yes").ok();
    ada.kagi(&at, "set N 1").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his);
    bob.kagi(&his, "set B 1").ok();
    let take_back = || {
        fs::remove_dir_all(&team.store).expect("a store");
        copy(&old, &team.store);
    };
    take_back();
    let before = state(&his);
    for (words, kind) in [
        ("pull", "ServerOlder"),
        ("push", "ServerOlder"),
        ("pull older", "OldEpoch"),
    ] {
        team.sync(&bob, &his, words, "")
            .prints(&[&format!("error {kind}")]);
    }
    // Ours: nothing changes here, and the next push puts it on top.
    team.sync(&bob, &his, "pull older ours", "").ok().prints(&[
        "repeat A in app/development",
        "unpushed 2",
        "verified",
    ]);
    assert_eq!(state(&his), before);
    team.push(&bob, &his).prints(&["to 3"]);
    assert_eq!(values(&bob, &his), pairs("A=2 B=1 N=1"));
    team.sync(&ada, &at, "pull", "")
        .prints(&["error ServerForked"]);
    team.sync(&ada, &at, "pull older", "").ok();
    assert_eq!(values(&ada, &at), values(&bob, &his));
    // Theirs: also in a fresh directory, once a person agrees.
    take_back();
    let (fresh, saved) = (team.world.directory("fresh"), team.world.root.join("saved"));
    copy(&bob.home, &saved);
    team.sync(&bob, &fresh, "pull older", "")
        .prints(&["error OldEpoch"]);
    for directory in [&his, &fresh] {
        fs::remove_dir_all(&bob.home).expect("a home");
        copy(&saved, &bob.home);
        team.sync(&bob, directory, "pull older theirs", "")
            .prints(&["error UnknownProject"]);
        let mut command = team.child(&bob, directory, "pull older theirs", "");
        let pulled = outcome("theirs", command.env("TEST_CONFIRM", "1")).ok();
        pulled.prints(&["verified"]);
        assert_eq!(values(&bob, directory), pairs("A=1"));
    }
}

/// A box of an epoch that has ended, beside the one that does not name it, shuts a scope to all.
#[test]
fn nobody_can_shut_a_scope_to_the_others_with_an_old_box() {
    let (team, ada, at) = Team::new();
    ada.kagi(&at, "set production P 1").ok();
    team.push(&ada, &at);
    let (cid, its) = team.member(&ada, &at, "cid", "--only app/development");
    let old = fs::read(its.join(".kagi").join(DEVELOPMENT)).expect("a scope");
    cid.kagi(&its, "set C 1").ok();
    cid.kagi(&its, "set web X 1").fails(&["may open"]);
    let id = identity_of(&cid).id;
    ada.kagi(
        &at,
        &format!("member grant {id} app/production --only --yes"),
    )
    .ok();
    team.push(&ada, &at);
    // What was set under the old key goes aside, for the grant is gone.
    team.pull(&cid, &its)
        .prints(&["aside secrets/app/development.enc", "backup", "unpushed 0"]);
    assert_eq!(state(&its), state(&at));
    let kept = fs::read(its.join(".kagi.backup-1").join(DEVELOPMENT)).expect("a copy");
    assert_ne!(kept, old);
    // Put there on purpose, it changes nothing for who has the newer one.
    let scope = its.join(".kagi").join(DEVELOPMENT);
    let mut both = fs::read_to_string(&scope).expect("a scope");
    let lines = String::from_utf8(kept).expect("text");
    let sealed = lines.lines().find(|line| line.starts_with("box "));
    both.push_str(sealed.expect("a box"));
    both.push('\n');
    fs::write(&scope, both).expect("a scope");
    team.push(&cid, &its);
    let before = state(&at);
    team.pull(&ada, &at).prints(&[
        "not joined secrets/app/development.enc what the server has does not open",
        "unpushed 1",
    ]);
    assert_eq!(state(&at), before);
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    team.pull(&cid, &its).prints(&["unpushed 0"]);
    assert_eq!(state(&its), state(&at));
    // Nor is a scope pushed that is damaged here.
    let scope = at.join(".kagi").join(DEVELOPMENT);
    let mut text = fs::read_to_string(&scope).expect("a scope");
    let at_box = text.find("box ").expect("a box") + 60;
    let symbol = if &text[at_box..=at_box] == "A" {
        "B"
    } else {
        "A"
    };
    text.replace_range(at_box..=at_box, symbol);
    fs::write(&scope, text).expect("a scope");
    team.sync(&ada, &at, "push", "")
        .prints(&["error Unauthentic"]);
}

#[test]
fn who_was_removed_gets_nothing_and_writes_nothing() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, &format!("member del {} --yes", identity_of(&bob).id))
        .ok();
    team.push(&ada, &at);
    let before = listing(&his);
    team.sync(&bob, &his, "pull", "")
        .prints(&["error WasRemoved"]);
    assert_eq!(listing(&his), before);
    // Nor in a fresh directory of the same device.
    let fresh = team.world.directory("fresh");
    team.sync(&bob, &fresh, "pull", "")
        .prints(&["error WasRemoved"]);
    assert_eq!(listing(&fresh).len(), 1);
}

#[test]
fn a_server_that_lies_is_refused_and_nothing_is_written() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set B 2").ok();
    ada.kagi(&at, "set web X 1").ok();
    team.push(&ada, &at);
    ada.kagi(&at, "set C 2").ok();
    team.push(&ada, &at);
    let lies = [
        ("wrong fetch", "Unauthentic"),
        ("no links", "ServerForked"),
        ("a wrong link", "ServerForked"),
        ("dropped file", "Unauthentic"),
        ("foreign mac", "Unauthentic"),
        ("other revision", "ServerForked"),
        ("other epoch", "Unauthentic"),
        ("another project", "Unauthentic"),
    ];
    let fresh = team.world.directory("fresh");
    for (lie, kind) in lies {
        for directory in [&his, &fresh] {
            let before = listing(directory);
            let told = team.sync(&bob, directory, "pull", lie);
            assert_eq!(told.code, Some(1), "{lie}");
            told.prints(&[&format!("error {kind}")]);
            assert_eq!(listing(directory), before, "{lie}");
        }
    }
    // What does not fit its hash is asked for again.
    for number in 0..3 {
        ada.kagi(&at, &format!("set D {number}")).ok();
        team.push(&ada, &at);
    }
    team.sync(&bob, &fresh, "pull", "few links").ok();
    fs::remove_dir_all(fresh.join(".kagi")).expect("a project");
    team.sync(&bob, &his, "pull", "wrong blob").ok();
    team.sync(&bob, &fresh, "pull", "no blobs").ok();
    assert_eq!(state(&his), state(&at));
    assert_eq!(state(&fresh), state(&at));
}

#[test]
fn a_store_that_goes_back_or_forks_is_refused_by_who_has_seen_more() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let old = team.world.root.join("old-store");
    copy(&team.store, &old);
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    ada.kagi(&at, "set A 3").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his);
    let fork = team.world.root.join("fork");
    let swap = |from: &Path| {
        let _ = fs::remove_dir_all(&team.store);
        copy(from, &team.store);
    };
    copy(&team.store, &fork);
    // Back.
    swap(&old);
    let fresh = team.world.directory("fresh");
    for directory in [&his, &fresh] {
        let before = listing(directory);
        team.sync(&bob, directory, "pull", "")
            .prints(&["error ServerOlder"]);
        assert_eq!(listing(directory), before);
    }
    team.sync(&ada, &at, "push", "")
        .prints(&["error ServerOlder"]);
    // Another history of the same length, and of one more.
    let (cid, its) = (team.world.device("ada2"), team.world.directory("ada2"));
    copy(&ada.home, &cid.home);
    for (words, revision) in [("set A x", 3), ("set A y", 4), ("set A z", 5)] {
        if !its.join(".kagi").exists() {
            let mut command = team.child(&cid, &its, "pull older", "");
            outcome("pull", command.env("TEST_CONFIRM", "1")).ok();
        }
        cid.kagi(&its, words).ok();
        team.sync(&cid, &its, "push older", "")
            .ok()
            .prints(&[&format!("to {revision}")]);
        if revision > 3 {
            team.sync(&bob, &his, "pull", "")
                .prints(&["error ServerForked"]);
            team.sync(&bob, &fresh, "pull", "")
                .prints(&["error ServerForked"]);
        }
    }
    assert_eq!(values(&bob, &his), pairs("A=3"));
    // A person may agree; what was here is joined even so.
    team.sync(&bob, &his, "pull older", "")
        .ok()
        .prints(&["verified"]);
    team.sync(&bob, &his, "push", "").ok();
    assert_eq!(listing(&fresh).len(), 1);
}

#[test]
fn a_member_that_left_cannot_make_a_state() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let (_, _, access) = access_of(&bob, &his);
    let key = access.state_key().expect("a member");
    ada.kagi(&at, &format!("member del {} --yes", identity_of(&bob).id))
        .ok();
    team.push(&ada, &at);
    // With the server's help: the state from before as the newest one, or a part of it.
    let open = || Store::open(&team.store, Key::new([1; 32]), true).expect("a store");
    let pull = Operation::Pull {
        since: 0,
        member: String::new(),
    };
    let Response::Pulled(pulled) = handler::local(&open(), &team.project, pull, now()) else {
        panic!("no state");
    };
    let newest = Manifest::decode("", &pulled.manifest).expect("a manifest");
    let list = |(path, bytes): (PathBuf, Vec<u8>)| {
        let path = path.to_str().expect("UTF-8").to_string();
        let size = u32::try_from(bytes.len()).expect("small");
        Listed {
            path,
            size,
            digest: hash::hash(&bytes),
        }
    };
    let older: Vec<_> = state(&his).into_iter().map(list).collect();
    let mut mixed = newest.files.clone();
    let at_scope = mixed
        .iter()
        .position(|file| file.path == DEVELOPMENT)
        .expect("a scope");
    mixed[at_scope] = older
        .iter()
        .find(|file| file.path == DEVELOPMENT)
        .expect("it")
        .clone();
    let forgeries = [
        (access.epoch(), older.clone(), "OldEpoch"),
        (newest.epoch, older, "Unauthentic"),
        (newest.epoch, mixed, "Unauthentic"),
    ];
    let fresh = team.world.directory("fresh");
    for (epoch, files, kind) in forgeries {
        let (previous, revision) = (newest.id(), newest.revision + 1);
        let mut forged = Manifest {
            epoch,
            files,
            previous,
            revision,
            ..newest.clone()
        };
        forged.authenticate(&key);
        let saved = team.world.root.join("saved-store");
        copy(&team.store, &saved);
        let mut blobs: Vec<_> = state(&his).into_values().collect();
        let is_listed = |blob: &Vec<u8>| {
            forged
                .files
                .iter()
                .any(|file| file.digest == hash::hash(blob))
        };
        blobs.retain(is_listed);
        let (members, member) = (Vec::new(), String::new());
        let push = Operation::Push {
            manifest: forged.encode(),
            blobs,
            members,
            member,
        };
        answer(&handler::local(&open(), &team.project, push, now()));
        for directory in [&at, &fresh] {
            let before = listing(directory);
            team.sync(&ada, directory, "pull", "")
                .prints(&[&format!("error {kind}")]);
            assert_eq!(listing(directory), before, "{kind}");
        }
        fs::remove_dir_all(&team.store).expect("a store");
        fs::rename(&saved, &team.store).expect("a store");
    }
    team.pull(&ada, &at).prints(&["verified"]);
}

/// Where case does not count, both would be one.
#[test]
fn no_two_files_or_services_differ_by_case_alone() {
    let decode = |paths: &[&str]| {
        let list = |path: &&str| Listed {
            path: (*path).into(),
            size: 1,
            digest: [1; 32],
        };
        let manifest = Manifest {
            project: format!("kgp_{}", "a".repeat(20)),
            epoch: kagi::format::names::Epoch {
                number: 1,
                id: [1; 8],
            },
            revision: 1,
            previous: [0; 32],
            files: paths.iter().map(list).collect(),
            mac: [0; 32],
        };
        Manifest::decode("a manifest", &manifest.encode())
    };
    let with = |one, other| decode(&["access.json", "kagi.json", one, other]);
    assert!(with("secrets/API/a.enc", "secrets/api2/a.enc").is_ok());
    assert!(with("secrets/api/a.enc", "secrets/api/b.enc").is_ok());
    for (one, other) in [
        ("secrets/API/a.enc", "secrets/api/a.enc"),
        ("secrets/api/A.enc", "secrets/api/a.enc"),
        ("secrets/API/a.enc", "secrets/api/b.enc"),
    ] {
        let error = with(one, other).err().expect("refused");
        assert!(error.cause.contains("by case alone"), "{}", error.cause);
    }
}

#[test]
fn names_that_lead_elsewhere_write_nothing_anywhere() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set B 2").ok();
    team.push(&ada, &at);
    let mut names: Vec<String> = [
        "../../evil",
        "/etc/evil",
        "secrets/../../evil.enc",
        "secrets/app/../evil.enc",
        "requests/x.json",
        "secrets/con/x.enc",
        ".gitattributes",
        "secrets/app/x",
        "secrets/a/b/c.enc",
        "Kagi.json",
        "secrets/.git/config.enc",
        "files/app/..enc",
        "secrets//x.enc",
        "secrets/app/x.enc/",
        "",
    ]
    .map(String::from)
    .into();
    names.push(format!("secrets/app/{}.enc", "a".repeat(65)));
    if let Some(corpora) = std::env::var_os("KAGI_CORPORA") {
        let directory = Path::new(&corpora).join("traversal-payloadsallthethings");
        for file in fs::read_dir(directory).expect("a corpus") {
            let bytes = fs::read(file.expect("a file").path()).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines = text.lines().filter(|line| (3..200).contains(&line.len()));
            let lines: Vec<_> = lines.map(str::to_string).collect();
            let step = lines.len().div_ceil(20).max(1);
            for line in lines.iter().step_by(step) {
                names.push(line.clone());
                names.push(format!("secrets/{line}.enc"));
            }
        }
    }
    for name in names.iter().filter(|name| !name.contains('\0')) {
        let before = listing(&team.world.root.join("bob"));
        let told = team.sync(&bob, &his, "pull", &format!("path {name}"));
        assert_eq!(told.code, Some(1), "{name:?}");
        told.prints(&["error "]).prints_not(&["panicked"]);
        assert_eq!(listing(&team.world.root.join("bob")), before, "{name:?}");
    }
    assert!(!team.world.root.join("evil").exists());
}

#[test]
fn a_stop_at_any_request_is_finished_by_the_next_try() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    for round in 1..=4 {
        for when in ["before", "after"] {
            let value = format!("{when}{round}");
            ada.kagi(&at, &format!("set A {value}")).ok();
            bob.kagi(&his, &format!("set B {value}")).ok();
            team.push(&ada, &at);
            // Push, conflict, pull, push again.
            let stopped = team.sync(&bob, &his, "push", &format!("{when}{round}"));
            let expected = if round < 4 { Some(1) } else { Some(0) };
            assert_eq!(stopped.code, expected, "{when} {round}");
            assert_eq!(values(&bob, &his).get("B"), Some(&value));
            team.push(&bob, &his);
            team.pull(&ada, &at);
            let both = pairs(&format!("A={value} B={value}"));
            assert_eq!(
                (values(&ada, &at), values(&bob, &his)),
                (both.clone(), both)
            );
            assert_eq!(state(&at), state(&his));
        }
    }
}

/// What was joined a moment ago is known, also where the home cannot keep it.
#[test]
fn a_push_ends_where_the_home_cannot_be_written() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    bob.kagi(&his, "set B 1").ok();
    let checkouts = bob.kagi_home().join("checkouts");
    let bases: Vec<_> = listing(&checkouts).into_keys().collect();
    let base = bases
        .iter()
        .find(|path| path.extension().is_some_and(|end| end == "base"));
    let name = base.expect("a base").file_name().expect("a name");
    let block = format!(".kagi-{}.tmp/x", name.to_str().expect("UTF-8"));
    fs::create_dir_all(checkouts.join(block)).expect("a directory");
    team.push(&bob, &his).prints(&["forgetful", "to 4"]);
    team.pull(&ada, &at);
    assert_eq!(values(&ada, &at), pairs("A=2 B=1"));
}

#[test]
fn many_who_push_at_once_lose_nothing() {
    let (team, ada, at) = Team::new();
    let devices: Vec<_> = (0..6)
        .map(|number| {
            let device = team.world.device(&format!("d{number}"));
            copy(&ada.home, &device.home);
            let directory = team.world.directory(&format!("at{number}"));
            team.pull(&device, &directory);
            (device, directory)
        })
        .collect();
    std::thread::scope(|scope| {
        for (number, (device, directory)) in devices.iter().enumerate() {
            let team = &team;
            scope.spawn(move || {
                for round in 0..3 {
                    device
                        .kagi(directory, &format!("set K{number}_{round} 1"))
                        .ok();
                    team.push(device, directory);
                }
            });
        }
    });
    team.pull(&ada, &at).prints(&["pulled 19:"]);
    assert_eq!(values(&ada, &at).len(), 19);
    assert_eq!(boxes(&at, DEVELOPMENT), 1);
    for (device, directory) in &devices {
        team.pull(device, directory).prints(&["unpushed 0"]);
        assert_eq!(state(directory), state(&at));
    }
}

#[test]
fn a_job_with_a_key_pulls_into_an_empty_directory_and_runs() {
    let (team, ada, at) = Team::new();
    let file = team.world.root.join("ci.json");
    let added = ada
        .kagi(&at, "member add --name ci --only app/development")
        .ok();
    fs::write(&file, &added.stdout).expect("a file");
    team.push(&ada, &at);
    let (_, _, access) = access_of(&ada, &at);
    let key = access.project_key().expect("a full member");
    let key = kagi::format::text::HEX.encode(key.expose());
    let scope = access
        .scope_holder("app", "development")
        .expect("a full member")
        .to_text();
    let scope = scope.expose_str("a key").expect("ASCII").to_string();
    let jobs = [
        ("KAGI_IDENTITY_FILE", file.display().to_string(), true),
        ("KAGI_PROJECT_KEY", key, true),
        ("KAGI_PROJECT_KEY", scope, false),
    ];
    for (number, (name, value, is_verified)) in jobs.into_iter().enumerate() {
        let mut job = team.world.device(&format!("job{number}"));
        job.variables.push((name, value));
        let directory = team.world.directory(&format!("job-at{number}"));
        let pulled = team.pull(&job, &directory);
        assert_eq!(pulled.text().contains("verified"), is_verified, "{name}");
        assert_eq!(values(&job, &directory), pairs("A=1"));
        team.pull(&job, &directory);
        // Without a base nothing tells what was changed here, but a person, or a job, can.
        fs::remove_dir_all(job.kagi_home().join("checkouts")).expect("a directory");
        ada.kagi(&at, &format!("env add more{number}")).ok();
        team.push(&ada, &at);
        team.sync(&job, &directory, "pull", "")
            .prints(&["error BothChanged"]);
        team.sync(&job, &directory, "pull theirs", "")
            .ok()
            .prints(&["backup"]);
        assert_eq!(state(&directory), state(&at));
    }
    // Nobody at all gets the files, and no more than that.
    let (nobody, directory) = (team.world.device("nobody"), team.world.directory("nobody"));
    team.pull(&nobody, &directory)
        .prints(&["new"])
        .prints_not(&["verified"]);
    nobody.kagi(&directory, "run -- true").fails(&[]);
    // What it got counts as verified only once it was: the same revision comes again then.
    team.pull(&nobody, &directory).prints_not(&["verified"]);
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    let file = directory.join(".kagi").join(DEVELOPMENT);
    let text = fs::read(&file).expect("a scope");
    fs::write(&file, [text.as_slice(), b"key A 9\n"].concat()).expect("a scope");
    let before = listing(&directory);
    team.sync(&nobody, &directory, "pull", "")
        .prints(&["error BothChanged"]);
    assert_eq!(listing(&directory), before);
    fs::write(&file, text).expect("a scope");
    team.pull(&nobody, &directory).prints_not(&["verified"]);
    let identity = "identity.json";
    let (from, to) = (
        ada.kagi_home().join(identity),
        nobody.kagi_home().join(identity),
    );
    fs::copy(from, to).expect("an identity");
    team.pull(&nobody, &directory)
        .prints(&["verified", "unpushed 0"]);
    team.pull(&nobody, &directory).prints(&["verified"]);
    assert_eq!(values(&nobody, &directory), pairs("A=2"));
    fs::write(directory.join(".kagi/kagi.json"), "{}").expect("a file");
    let before = listing(&directory);
    team.sync(&nobody, &directory, "pull", "")
        .prints(&["error NotCanonical"]);
    assert_eq!(listing(&directory), before);
}

#[test]
fn a_token_of_ones_own_takes_the_place_of_the_one_it_came_with() {
    let (team, ada, at) = Team::new();
    let (bob, his) = (team.world.device("bob"), team.world.directory("bob"));
    let anchor = identity_of(&ada).id;
    let adopt = || {
        outcome(
            "adopt",
            team.child(&bob, &his, "adopt", "")
                .env("TEST_ANCHOR", &anchor),
        )
        .ok()
    };
    adopt();
    team.pull(&bob, &his)
        .prints(&["new"])
        .prints_not(&["verified"]);
    bob.kagi(&his, "member join --name Bob --no-git").ok();
    team.sync(&bob, &his, "post", "").ok();
    let id = identity_of(&bob).id;
    team.pull(&ada, &at).prints(&[&format!("request {id}")]);
    team.pull(&ada, &at).prints_not(&["request"]);
    ada.kagi(&at, &format!("member approve {id}")).ok();
    team.push(&ada, &at).prints(&[&format!("issued {id}")]);
    team.push(&ada, &at).prints_not(&["issued"]);
    let stored = || {
        fs::read_to_string(
            bob.kagi_home()
                .join("projects")
                .join(&team.project)
                .join("remote.json"),
        )
    };
    let before = stored().expect("a token");
    // The anchor of the token introduces the project.
    team.pull(&bob, &his).prints(&["verified", "own token"]);
    let after = stored().expect("a token");
    assert_ne!(before.lines().nth(1), after.lines().nth(1));
    team.pull(&bob, &his)
        .prints(&["verified"])
        .prints_not(&["own token"]);
    assert_eq!(stored().expect("a token"), after);
    // What was seen stays with another token for the same server.
    adopt();
    assert!(stored().expect("a token").contains("\"revision\": 2"));
}

#[test]
fn another_project_that_is_here_is_not_touched() {
    let (team, ada, _) = Team::new();
    let other = team.world.directory("other");
    ada.kagi(&other, INIT).ok();
    let before = listing(&other);
    team.sync(&ada, &other, "pull", "")
        .prints(&["error ForeignCheckout"]);
    team.sync(&ada, &other, "push", "")
        .prints(&["error ForeignCheckout"]);
    assert_eq!(listing(&other), before);
}

/// The calls of a pull or push that change something below these directories, each with how often
/// such a call was made by then.
fn changes_of(log: &str, places: &[&Path]) -> Vec<(String, usize)> {
    let mut counts = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let call = line
            .split_once(' ')
            .map_or(line, |(_, call)| call.trim_start());
        let Some((name, rest)) = call.split_once('(') else {
            continue;
        };
        let count = counts.entry(name.to_string()).or_insert(0);
        *count += 1;
        let is_here = places
            .iter()
            .any(|place| rest.contains(&place.display().to_string()));
        if is_here && ["rename", "unlink", "rmdir", "mkdir"].contains(&name) {
            calls.push((name.to_string(), *count));
        }
    }
    calls
}

/// Kills a pull or push of Bob's at each of its changes. What he reads then is what was there or what
/// comes, and the next try ends where the first would have.
fn kill_everywhere(team: &Team, bob: &Device, his: &Path, words: &str) {
    if find_program("strace").is_none() {
        return common::say("pulls and pushes are not killed, it needs strace");
    }
    let places = [his, bob.home.as_path(), team.store.as_path()];
    let saved = |place: &Path| place.with_extension("saved");
    for place in places {
        copy(place, &saved(place));
    }
    let restore = || {
        for place in places {
            fs::remove_dir_all(place).expect("it is there");
            copy(&saved(place), place);
        }
    };
    let read = || {
        let envs = ["", "production", "web", "live"].map(|scope| {
            let told = bob.kagi(his, &format!("run {scope} -- env -0"));
            let seen = (told.code == Some(0)).then(|| common::variables(&told.stdout));
            (seen, told.stderr)
        });
        envs.to_vec()
    };
    let run = |strace: &[&str]| {
        let child = team.child(bob, his, words, "");
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq"])
            .args(strace)
            .arg(child.get_program())
            .args(child.get_args());
        command.env_clear().current_dir(his);
        command.envs(
            child
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        outcome(words, &mut command)
    };
    let old = read();
    let log = team.world.root.join("log");
    let trace = "trace=rename,unlink,rmdir,mkdir";
    run(&["-o", log.to_str().expect("UTF-8"), "-e", trace]).ok();
    let new = read();
    assert!(new.iter().any(|(seen, _)| seen.is_some()));
    let calls = changes_of(&fs::read_to_string(&log).expect("a log"), &places[..2]);
    assert!(calls.len() > 8, "{calls:?}");
    for (call, at) in calls {
        restore();
        let inject = format!("inject={call}:signal=KILL:when={at}");
        let killed = run(&["-o", "/dev/null", "-e", trace, "-e", &inject]);
        assert_eq!(killed.code, None, "{call} {at} was not killed");
        for (at_scope, seen) in read().iter().enumerate() {
            let is_whole = seen.0 == old[at_scope].0 || seen.0 == new[at_scope].0;
            assert!(is_whole, "{words}: {call} {at}: {seen:?}");
        }
        // Any other writer tidies up as well.
        bob.kagi(his, "set B bob")
            .ok()
            .says(&["has that value already"]);
        assert!(!his.join(".kagi/kagi.json.next").exists());
        team.sync(bob, his, words, "").ok();
        let now = read();
        let same = now.iter().zip(&new).all(|(now, new)| now.0 == new.0);
        assert!(same, "{words}: {call} {at}: {now:?}");
        team.push(bob, his);
        assert_eq!(leftovers(his), Vec::<PathBuf>::new(), "{call} {at}");
    }
}

#[test]
fn a_pull_that_is_killed_anywhere_leaves_what_was_there_or_what_comes() {
    let (team, ada, at) = Team::new();
    ada.kagi(&at, "set production P 1").ok();
    ada.kagi(&at, "set web X 1").ok();
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set A 2").ok();
    ada.kagi(&at, "set web X 2").ok();
    ada.kagi(&at, "set web production Y 2").ok();
    ada.kagi(&at, "env add staging").ok();
    ada.kagi(&at, "key rotate --yes").ok();
    fs::remove_file(at.join(".kagi/secrets/app/production.enc")).expect("a file");
    team.push(&ada, &at);
    bob.kagi(&his, "set B bob").ok();
    bob.kagi(&his, "run web -- true").ok();
    kill_everywhere(&team, &bob, &his, "pull");
}

#[test]
fn a_pull_of_several_changes_of_the_configuration_is_whole_at_every_moment() {
    let (team, ada, at) = Team::new();
    ada.kagi(&at, "set production P 1").ok();
    ada.kagi(&at, "set web X 1").ok();
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "env rename production live").ok();
    ada.kagi(&at, "env add staging").ok();
    ada.kagi(&at, "set live Q 1").ok();
    team.push(&ada, &at);
    bob.kagi(&his, "set B bob").ok();
    kill_everywhere(&team, &bob, &his, "pull");
    assert_eq!(bob.values(&his, "live"), pairs("P=1 Q=1"));
}

#[test]
fn a_push_that_is_killed_anywhere_is_done_by_the_next() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    bob.kagi(&his, "set B bob").ok();
    bob.kagi(&his, "set web X bob").ok();
    kill_everywhere(&team, &bob, &his, "push");
}

#[test]
fn a_scope_that_goes_back_is_noted_and_refused_where_that_is_meant() {
    let (team, ada, at) = Team::new();
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let (cid, its) = team.member(&ada, &at, "cid", "--only app/production");
    let path = its.join(".kagi").join(DEVELOPMENT);
    let old = fs::read(&path).expect("a scope");
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his);
    assert_eq!(values(&bob, &his), pairs("A=2"));
    bob.kagi(&his, "get --json").ok();
    // By a member, for nobody else can make a state; one that cannot open it, for the others join it.
    team.pull(&cid, &its);
    // What is deleted first has no boxes that would be joined with it.
    fs::remove_file(&path).expect("a scope");
    team.push(&cid, &its);
    fs::write(&path, old).expect("a scope");
    team.push(&cid, &its);
    let before = state(&his);
    team.sync(&bob, &his, "pull strict", "")
        .prints(&["error RolledBack"]);
    assert_eq!(state(&his), before);
    team.pull(&bob, &his)
        .prints(&["older secrets/app/development.enc"]);
    assert_eq!(state(&his), state(&its));
}

#[test]
fn what_does_not_open_does_not_take_the_place_of_what_does() {
    let (team, ada, at) = Team::new();
    ada.kagi(&at, "set web X 1").ok();
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    let (cid, its) = team.member(&ada, &at, "cid", "--only app/development");
    // A member that may open one scope only can push any bytes for another one.
    let path = its.join(".kagi/secrets/web/development.enc");
    let text = fs::read_to_string(&path).expect("a scope");
    let other = fs::read_to_string(its.join(".kagi").join(DEVELOPMENT)).expect("a scope");
    let foreign = other.lines().last().expect("a box");
    let header = text.lines().next().expect("a header");
    fs::write(&path, format!("{header}\n{foreign}\n")).expect("a scope");
    team.push(&cid, &its);
    team.pull(&bob, &his)
        .prints(&["not joined secrets/web/development.enc", "unpushed 1"]);
    assert_eq!(bob.values(&his, "web"), pairs("X=1"));
    team.push(&bob, &his);
    team.pull(&ada, &at);
    assert_eq!(ada.values(&at, "web"), pairs("X=1"));
    // Half of a merge goes nowhere.
    let path = at.join(".kagi/secrets/web/development.enc");
    let text = fs::read_to_string(&path).expect("a scope");
    fs::write(&path, format!("{text}<<<<<<< HEAD\n=======\n>>>>>>> x\n")).expect("a scope");
    team.sync(&ada, &at, "push", "").prints(&["error Unmerged"]);
}

#[test]
fn who_was_a_member_once_is_no_newcomer() {
    let (team, ada, at) = Team::new();
    let early = team.world.root.join("early-store");
    copy(&team.store, &early);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    ada.kagi(&at, "set A 2").ok();
    team.push(&ada, &at);
    let identity = bob.kagi_home().join("identity.json");
    let aside = identity.with_extension("aside");
    fs::rename(&identity, &aside).expect("an identity");
    let before = listing(&his);
    team.sync(&bob, &his, "pull", "")
        .prints(&["error NoIdentity"]);
    fs::rename(&aside, &identity).expect("an identity");
    // Nor by a state from before it came, which nobody without its keys could tell from a forgery.
    fs::remove_dir_all(&team.store).expect("a store");
    copy(&early, &team.store);
    team.sync(&bob, &his, "pull older", "")
        .prints(&["error NotMember"]);
    assert_eq!(listing(&his), before);
}
