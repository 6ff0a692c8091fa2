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
