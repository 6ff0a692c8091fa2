//! What a pull or a push leaves that is stopped at any moment, or that the disk fails.
//!
//! The real program is killed at each of its system calls that change something, here or in the
//! directory that it syncs with, and each of those calls fails once with a full disk. What must be
//! survived: what is read is what was there or what comes; a command that succeeded has the new state;
//! the next try ends where the first would have, with what was changed here; the next change that is
//! pushed leaves no stray file.
//!
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(all(unix, feature = "server"))]

mod common;
#[path = "common/serving.rs"]
mod serving;

use common::{Device, World, copy, find_program, identity_of, leftovers, outcome, program};
use serving::{Serving, fed};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

/// What changes something, and what makes that last.
/// A C library opens by the one or the other.
const CALLS: &str = "trace=openat,?open,write,fsync,rename,unlink,mkdir,rmdir";
const INIT: &str = "init --name Ada --envs=development,production --yes --no-git";

/// What is read of each scope; `None` without a project.
type State = Option<Vec<BTreeMap<String, String>>>;

/// Two members of a project in a directory that both sync with; it is Bob who is killed.
struct Team {
    world: World,
    ada: Device,
    bob: Device,
    at: PathBuf,
    his: PathBuf,
    id: String,
}

const PLACES: [&str; 3] = ["bob", "home-bob", "store"];

impl Team {
    fn new() -> Self {
        let world = World::new();
        let (ada, bob) = (world.device("ada"), world.device("bob"));
        let (at, his) = (world.directory("ada"), world.directory("bob"));
        let store = world.root.join("store").display().to_string();
        for words in [INIT, "set A 1", "set web X 1", "set production P 1"] {
            ada.kagi(&at, words).ok();
        }
        ada.kagi(&at, &format!("project join --remote {store}"))
            .ok();
        ada.kagi(&at, "push").ok();
        let text = fs::read_to_string(at.join(".kagi/kagi.json")).expect("a project");
        let id = text[text.find("kgp_").expect("an id")..][..24].to_string();
        bob.kagi(&his, &format!("pull --remote {store} --project {id}"))
            .ok();
        bob.kagi(&his, "member join --name Bob --no-git").ok();
        ada.kagi(&at, "pull").ok();
        let member = identity_of(&bob).id;
        ada.kagi(&at, &format!("member approve {member}")).ok();
        ada.kagi(&at, "push").ok();
        let anchor = identity_of(&ada).id;
        bob.kagi(&his, &format!("trust {anchor}")).ok();
        bob.kagi(&his, "pull").ok();
        Team {
            world,
            ada,
            bob,
            at,
            his,
            id,
        }
    }

    fn ada(&self, lines: &[&str]) {
        for words in lines {
            self.ada.kagi(&self.at, words).ok();
        }
    }

    fn bob(&self, lines: &[&str]) {
        for words in lines {
            self.bob.kagi(&self.his, words).ok();
        }
    }

    fn read(&self) -> State {
        let is_there = self.his.join(".kagi").is_dir();
        let read = |scope| self.bob.values(&self.his, scope);
        is_there.then(|| ["", "production", "-s web"].map(read).to_vec())
    }

    fn place(&self, name: &str) -> PathBuf {
        self.world.root.join(name)
    }

    fn save(&self, places: &[&str]) {
        for name in places {
            copy(&self.place(name), &self.place("saved").join(name));
        }
    }

    fn restore(&self, places: &[&str]) {
        for name in places {
            let path = self.place(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.place("saved").join(name), &path);
        }
    }

    /// The calls of a command that change something below these places, each with how often such a
    /// call was made by then.
    fn calls(&self, words: &str) -> Vec<(String, usize)> {
        let log = self.place("log");
        let mut command = self.bob.command("strace", &self.his);
        command.arg("-o").arg(&log).args(["-y", "-e", CALLS]);
        command.arg(program()).args(words.split(' '));
        outcome(words, &mut command).ok();
        let text = fs::read_to_string(&log).expect("a log");
        let (mut counts, mut calls) = (BTreeMap::new(), Vec::new());
        let root = self.world.root.display().to_string();
        for line in text.lines() {
            let (name, rest) = line.split_once('(').unwrap_or_default();
            let count = counts.entry(name.to_string()).or_insert(0);
            *count += 1;
            let is_change = !name.starts_with("open") || rest.contains("O_CREAT");
            if is_change && rest.contains(&root) && !name.is_empty() {
                calls.push((name.to_string(), *count));
            }
        }
        calls
    }

    /// Stops the command at each of its changes; the number of tries.
    fn stop_everywhere(&self, words: &str) -> usize {
        self.save(&PLACES);
        let old = self.read();
        let calls = self.calls(words);
        let new = self.read();
        assert!(new.is_some() && calls.len() > 20, "{words}: {calls:?}");
        for (call, at) in &calls {
            for fault in ["signal=SIGKILL", "error=ENOSPC"] {
                self.restore(&PLACES);
                let inject = format!("inject={call}:{fault}:when={at}");
                let mut command = self.bob.command("strace", &self.his);
                command.args(["-o", "/dev/null", "-e", CALLS, "-e", &inject]);
                command.arg(program()).args(words.split(' '));
                let output = command.output().expect("strace");
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                let what = format!("kagi {words}: {call} {at} {fault}\n{told}");
                let is_done = output.status.success();
                if fault == "signal=SIGKILL" {
                    assert_eq!(output.status.signal(), Some(9), "{what}");
                } else {
                    let is_told = is_done || told.contains("kagi: error: ");
                    assert!(is_told && !told.contains("panicked"), "{what}");
                }
                let now = self.read();
                let is_whole = now == new || !is_done && is_each_whole(&now, &old, &new);
                assert!(is_whole, "{what}{now:?}");
                self.bob.kagi(&self.his, words).ok();
                assert_eq!(self.read(), new, "{what}");
                self.bob(&["set ZZ 1", "push"]);
                self.is_tidy(&what);
            }
        }
        calls.len() * 2
    }

    fn is_tidy(&self, what: &str) {
        let found: Vec<_> = PLACES
            .iter()
            .flat_map(|name| leftovers(&self.place(name)))
            .collect();
        assert_eq!(found, Vec::<PathBuf>::new(), "{what}");
    }
}

/// Each scope is as it was or as it comes; a project that is half there is none.
fn is_each_whole(now: &State, old: &State, new: &State) -> bool {
    let (Some(now), Some(old), Some(new)) = (now, old, new) else {
        return now == old;
    };
    let is_whole = |at: usize| [&old[at], &new[at]].contains(&&now[at]);
    (0..now.len()).all(is_whole)
}

fn has_strace(what: &str) -> bool {
    let is_there = find_program("strace").is_some();
    if !is_there {
        common::say(&format!("{what}: skipped, it needs strace"));
    }
    is_there
}

fn say(what: &str, tries: usize) {
    common::say(&format!("{what}: {tries} calls killed or failed"));
}

#[test]
fn a_pull_into_an_empty_directory() {
    if !has_strace("a fresh pull") {
        return;
    }
    let team = Team::new();
    fs::remove_dir_all(team.his.join(".kagi")).expect("a project");
    let store = team.place("store").display().to_string();
    let words = format!("pull --remote {store} --project {}", team.id);
    say("a fresh pull", team.stop_everywhere(&words));
}

#[test]
fn a_pull_of_what_both_have_changed() {
    if !has_strace("a pull that joins") {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "set web X 2", "env add staging", "push"]);
    team.bob(&["set B bob", "set web Y bob"]);
    say("a pull that joins", team.stop_everywhere("pull"));
    assert_eq!(
        team.read().expect("a project")[0],
        common::pairs("A=2 B=bob ZZ=1")
    );
}

#[test]
fn a_pull_across_a_rotation() {
    if !has_strace("a pull across a rotation") {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "set web X 2", "key rotate --yes", "push"]);
    team.bob(&["set B bob", "set production Q bob"]);
    say("a pull across a rotation", team.stop_everywhere("pull"));
    assert_eq!(
        team.read().expect("a project")[0],
        common::pairs("A=2 B=bob ZZ=1")
    );
}

#[test]
fn a_push_that_others_were_faster_than() {
    if !has_strace("a push that joins") {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "push"]);
    team.bob(&["set B bob", "set web Y bob"]);
    say("a push that joins", team.stop_everywhere("push"));
    team.ada(&["pull"]);
    let hers = team.ada.values(&team.at, "");
    assert_eq!(hers, common::pairs("A=2 B=bob ZZ=1"));
}

/// The pull that brings a member's first keys and its own token, from a real server.
#[test]
fn a_pull_with_the_first_token() {
    if !has_strace("a first token") {
        return;
    }
    let world = World::new();
    let serving = Serving::start(&world);
    let (mut ada, bob) = (world.device("ada"), world.device("bob"));
    let (at, his) = (world.directory("ada"), world.directory("bob"));
    let admin = serving.admin.clone();
    ada.variables.push(("KAGI_ADMIN_TOKEN", admin));
    let (url, print) = (&serving.url, &serving.print);
    ada.kagi(&at, INIT).ok();
    ada.kagi(&at, "set A 1").ok();
    let join = format!("project join --remote {url} --fingerprint {print}");
    let id = ada.kagi(&at, &join).ok().text();
    let id = id.split_whitespace().last().expect("an id").to_string();
    let approve = format!("project approve {id} --remote {url}");
    let token = ada.kagi(&at, &approve).ok().text();
    fed(&ada, &at, "pull -", &token).ok();
    ada.kagi(&at, "push").ok();
    let token = ada.kagi(&at, "token issue --join").ok().text();
    fed(&bob, &his, "pull -", &token).ok();
    bob.kagi(&his, "member join --name Bob --no-git").ok();
    ada.kagi(&at, "pull").ok();
    let member = identity_of(&bob).id;
    ada.kagi(&at, &format!("member approve {member}")).ok();
    ada.kagi(&at, "push").ok();
    let team = Team {
        world,
        ada,
        bob,
        at,
        his,
        id,
    };
    // The server has its store open, and a pull changes nothing there.
    let places = &PLACES[..2];
    team.save(places);
    let calls = team.calls("pull");
    assert!(calls.len() > 10, "{calls:?}");
    for (call, at) in &calls {
        team.restore(places);
        let inject = format!("inject={call}:signal=SIGKILL:when={at}");
        let mut command = team.bob.command("strace", &team.his);
        command.args(["-o", "/dev/null", "-e", CALLS, "-e", &inject]);
        let output = command.arg(program()).arg("pull").output().expect("strace");
        assert_eq!(output.status.signal(), Some(9), "{call} {at}");
        team.bob(&["pull"]);
        let values = team.bob.values(&team.his, "");
        assert_eq!(values, common::pairs("A=1"), "{call} {at}");
        let status = team.bob.kagi(&team.his, "remote status").ok().text();
        let is_own = status.contains("pull,push,rotate") && status.contains(&member);
        assert!(is_own, "{call} {at}: {status}");
    }
    say("a first token", calls.len());
}
