//! What a pull or a push leaves that is stopped at any moment, or that the disk fails.
//!
//! The real program is killed at each of its system calls that change something, here or in the
//! directory that it syncs with, and each of those calls fails once with a full disk; with
//! `KAGI_TEST_SCALE=full` in each way that it can, and so does each that reads there. What must be
//! survived: what is read is what was there or what comes; a command that succeeded has the new state;
//! the next try ends where the first would have, with what was changed here; the next change that is
//! pushed leaves no stray file; no file has a value in plain text. The other commands that ask a server
//! are in `crash/hosted.rs`; a machine that loses power is in `tests/power.rs`.
//!
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(all(unix, feature = "server"))]

mod common;
#[path = "common/fault.rs"]
mod fault;
#[path = "crash/hosted.rs"]
mod hosted;
#[path = "common/serving.rs"]
mod serving;

use common::{
    Device, World, copy, find_program, identity_of, is_full_scale, leftovers, listing, outcome,
    program,
};
use fault::{Fault, faults, looks, tried};
use serving::{Serving, fed};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

/// What changes something, what makes that last, and what reads. A C library opens by the one or the other.
const CALLS: &str = "trace=openat,?open,read,write,fsync,rename,unlink,mkdir,rmdir";
/// What no file may hold.
const CANARY: &str = "canary-1b7c9e0a5d3f42688c71-of-this-test";
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
        let secret = format!("set production SECRET {CANARY}");
        for words in [
            INIT,
            "set A 1",
            "set web X 1",
            "set production P 1",
            &secret,
        ] {
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

    /// The calls of a command below these places, each with how often such a call was made by then, and
    /// true if it changes nothing.
    fn calls(&self, words: &str) -> Vec<(String, usize, bool)> {
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
            let is_read = looks(name) || name.starts_with("open") && !rest.contains("O_CREAT");
            let is_tried = !is_read || is_full_scale();
            if is_tried && rest.contains(&root) && !name.is_empty() {
                calls.push((name.to_string(), *count, is_read));
            }
        }
        calls
    }

    /// Stops the command at each of its calls.
    fn stop_everywhere(&self, name: &str, words: &str) {
        self.save(&PLACES);
        let old = self.read();
        let calls = self.calls(words);
        let new = self.read();
        let changes = calls.iter().filter(|(_, _, is_read)| !is_read).count();
        assert!(new.is_some() && changes > 20, "{words}: {calls:?}");
        let (mut kills, mut failures) = (0, 0);
        for (call, at, is_read) in &calls {
            for fault in tried(call, *is_read, &[Fault::Kill, Fault::Full]) {
                self.stop(words, (call, *at, fault), [&old, &new]);
                kills += usize::from(fault == Fault::Kill);
                failures += usize::from(fault != Fault::Kill);
            }
        }
        say(name, kills, failures);
    }

    fn stop(&self, words: &str, (call, at, fault): (&str, usize, Fault), states: [&State; 2]) {
        let [old, new] = states;
        self.restore(&PLACES);
        let before = self.tree();
        let inject = format!("inject={call}:{}:when={at}", fault.injection());
        let mut command = self.bob.command("strace", &self.his);
        command.args(["-o", "/dev/null", "-e", CALLS, "-e", &inject]);
        command.arg(program()).args(words.split(' '));
        let output = command.output().expect("strace");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let what = format!("kagi {words}: {call} {at} {fault:?}\n{told}");
        let is_done = output.status.success();
        let is_read = looks(call) || call.starts_with("open");
        if fault == Fault::Kill {
            assert_eq!(output.status.signal(), Some(9), "{what}");
        } else {
            // What the store cannot read it refuses, and without a base every difference is a conflict.
            if told.contains("has different values of") && is_read {
                return;
            }
            assert!(!told.contains("was not joined"), "{what}");
            let is_told = is_done || told.contains("kagi: error: ");
            assert!(is_told && !told.contains("panicked"), "{what}");
        }
        let tree = self.tree();
        if tree == before && !is_done {
            // The very files of the old state: nothing is left of the try.
            return;
        }
        for (path, (_, bytes)) in &tree {
            let is_plain = String::from_utf8_lossy(bytes).contains(CANARY);
            assert!(!is_plain, "{what}{}: a value in plain text", path.display());
        }
        let now = self.read();
        let is_whole = now == *new || !is_done && is_each_whole(&now, old, new);
        assert!(is_whole, "{what}{now:?}");
        self.bob.kagi(&self.his, words).ok();
        assert_eq!(self.read(), *new, "{what}");
        self.bob(&["set ZZ 1", "push"]);
        self.is_tidy(&what);
    }

    fn tree(&self) -> common::Listing {
        let places = PLACES.iter().map(|name| listing(&self.place(name)));
        places.flatten().collect()
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

fn has_strace() -> bool {
    let is_there = find_program("strace").is_some();
    if !is_there {
        common::say("skipped: crash: it needs strace");
    }
    is_there
}

fn say(what: &str, kills: usize, failures: usize) {
    common::say(&format!(
        "assured: crash: {what}: {kills} calls killed, {failures} failed by {} kinds of error",
        if is_full_scale() {
            faults().len() - 1
        } else {
            1
        }
    ));
}

#[test]
fn a_pull_into_an_empty_directory() {
    if !has_strace() {
        return;
    }
    let team = Team::new();
    fs::remove_dir_all(team.his.join(".kagi")).expect("a project");
    let store = team.place("store").display().to_string();
    let words = format!("pull --remote {store} --project {}", team.id);
    team.stop_everywhere("a pull into an empty directory", &words);
}

#[test]
fn a_pull_of_what_both_have_changed() {
    if !has_strace() {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "set web X 2", "env add staging", "push"]);
    team.bob(&["set B bob", "set web Y bob"]);
    team.stop_everywhere("a pull that joins", "pull");
    assert_eq!(
        team.read().expect("a project")[0],
        common::pairs("A=2 B=bob ZZ=1")
    );
}

#[test]
fn a_pull_across_a_rotation() {
    if !has_strace() {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "set web X 2", "key rotate --yes", "push"]);
    team.bob(&["set B bob", &format!("set production Q {CANARY}")]);
    team.stop_everywhere("a pull across a rotation", "pull");
    assert_eq!(
        team.read().expect("a project")[0],
        common::pairs("A=2 B=bob ZZ=1")
    );
}

#[test]
fn a_push_that_others_were_faster_than() {
    if !has_strace() {
        return;
    }
    let team = Team::new();
    team.ada(&["set A 2", "push"]);
    team.bob(&["set B bob", "set web Y bob"]);
    team.stop_everywhere("a push that joins", "push");
    team.ada(&["pull"]);
    let hers = team.ada.values(&team.at, "");
    assert_eq!(hers, common::pairs("A=2 B=bob ZZ=1"));
}

/// The pull that brings a member's first keys and its own token, from a real server.
#[test]
fn a_pull_with_the_first_token() {
    if !has_strace() {
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
    let mut kills = 0;
    for (call, at, _) in calls.iter().filter(|(_, _, is_read)| !is_read) {
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
        kills += 1;
    }
    say("a pull with the first token", kills, 0);
}
