//! Pulling and pushing: teams on a store of their own, a server that lies in every way it can, and
//! a stop at every moment.
//!
//! A device's home comes from its environment, so each pull and push is a process of its own: this
//! test program, started again as `child` with a server of the test's in it.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, copy, identity_of, leftovers, listing, outcome};
use kagi::crypto::hash;
use kagi::error::{Error, Kind, Result};
use kagi::format::message::manifest::Manifest;
use kagi::format::message::token::{Credential, ProjectToken};
use kagi::format::names::project_id;
use kagi::format::request::Request;
use kagi::keys::Home;
use kagi::keys::remote::KnownRemote;
use kagi::project::Site;
use kagi::secret::Key;
use kagi::sync::client::{self, Choice, Options, PullReport, Remark, Remote};
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
        operation: Operation,
    ) -> Result<Response> {
        self.calls += 1;
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
            "no blobs" => pulled.blobs.clear(),
            "no links" => pulled.links.clear(),
            "dropped file" => manifest
                .files
                .retain(|file| !file.path.starts_with("secrets/")),
            "another project" => {
                manifest.project = manifest.project.replace("kgp_", "kgp_a")[..24].into()
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
        ("verified", report.is_verified),
        ("own token", report.has_own_token),
        ("backup", report.backup.is_some()),
        ("forgetful", report.unremembered.is_some()),
    ];
    let words: Vec<_> = words
        .iter()
        .filter(|(_, is)| *is)
        .map(|(word, _)| *word)
        .collect();
    say(&format!("pulled {}: {}", report.revision, words.join(", ")));
    for (what, files) in [
        ("taken", &report.taken),
        ("deleted", &report.deleted),
        ("joined", &report.joined),
    ] {
        for file in files {
            say(&format!("{what} {file}"));
        }
    }
    for remark in &report.remarks {
        say(&match remark {
            Remark::Conflict(file, keys) => format!("conflict {file} {}", keys.join(",")),
            Remark::Kept(file) => format!("kept {file}"),
            Remark::NotJoined(file, reason) => format!("not joined {file} {reason}"),
            Remark::CarriedOver(file) => format!("carried {file}"),
            Remark::Older(file) => format!("older {file}"),
            Remark::Repeat(what) => format!("repeat {what}"),
        });
    }
    for request in &report.requests {
        say(&format!("request {} {}", request.id, request.name));
    }
    say(&format!("unpushed {}", report.unpushed));
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
        "pull" => tell(&client::pull(
            home.as_ref(),
            &site,
            &remote,
            &options,
            &mut server,
        )?),
        "push" => {
            let report = client::push(home.as_ref(), &site, &remote, &options, &mut server)?;
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
            let id = variable("TEST_ANCHOR").expect("an anchor");
            let credential = Credential::new([9; 13], Key::new([9; 32]));
            let (remote, server, anchors) = ("http://localhost:1".into(), KEY, vec![id]);
            let token = ProjectToken {
                remote,
                project,
                server,
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

#[test]
fn a_deleted_file_goes_unless_it_was_changed() {
    let (team, ada, at) = Team::new();
    for words in ["set web X 1", "set production P 1"] {
        ada.kagi(&at, words).ok();
    }
    team.push(&ada, &at);
    let (bob, his) = team.member(&ada, &at, "bob", "");
    fs::remove_file(at.join(".kagi/secrets/web/development.enc")).expect("a file");
    fs::remove_file(at.join(".kagi/secrets/app/production.enc")).expect("a file");
    team.push(&ada, &at);
    bob.kagi(&his, "set production P 2").ok();
    let pulled = team.pull(&bob, &his);
    pulled.prints(&[
        "deleted secrets/web/development.enc",
        "kept secrets/app/production.enc",
        "unpushed 1",
    ]);
    assert_eq!(bob.values(&his, "production"), pairs("P=2"));
    bob.kagi(&his, "status --strict")
        .ok()
        .says_not(&["is gone"]);
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
    for words in ["pull", "pull ours"] {
        team.sync(&ada, &at, words, "")
            .prints(&["error BothChanged"]);
    }
    let mut command = team.child(&ada, &at, "pull theirs", "");
    let pulled = outcome("pull theirs", command.env("TEST_CONFIRM", "1")).ok();
    pulled.prints(&["backup", "verified"]);
    assert_eq!(values(&ada, &at), pairs("A=1"));
    ada.kagi(&at, "key rotate --yes").ok();
    team.push(&ada, &at);
    team.pull(&bob, &his).prints(&["verified"]);
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
        ("no links", "ServerForked"),
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
    team.sync(&bob, &his, "pull", "wrong blob").ok();
    team.sync(&bob, &fresh, "pull", "no blobs").ok();
    assert_eq!(state(&his), state(&at));
    assert_eq!(state(&fresh), state(&at));
}
