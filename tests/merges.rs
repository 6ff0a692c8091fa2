//! A merge, or a rebase, that leaves one side of `access.json` in the working tree: after a removal
//! on the other side, and after two rotations.
//!
//! What must hold: nothing that is done meanwhile destroys what was written after the removal, the
//! hint names the side that keeps it, and whoever follows the hints has what both sides wrote.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, identity_of, listing, outcome, pairs};
use kagi::format::roster::Roster;
use std::fs;
use std::path::{Path, PathBuf};

const ROSTER: &str = ".kagi/access.json";
const SCOPE: &str = ".kagi/secrets/app/development.enc";

/// Two full members with a clone each, a member that will be removed, and one that asks to join.
struct Team {
    world: World,
    alice: Device,
    bob: Device,
    mallory: Device,
    carol: Device,
}

impl Team {
    /// With `BASE=0`, committed and pushed.
    fn new() -> Self {
        let world = World::new();
        let [alice, bob, mallory, carol] =
            ["alice", "bob", "mallory", "carol"].map(|name| world.device(name));
        let path = world.directory("alice");
        alice.git(&world.root, "init -q --bare bare").ok();
        alice.git(&path, "init -q").ok();
        alice.git(&path, "remote add origin ../bare").ok();
        alice.kagi(&path, "init --name alice --no-git").ok();
        alice.kagi(&path, "set BASE 0").ok();
        let team = Team {
            world,
            alice,
            bob,
            mallory,
            carol,
        };
        let trusted = id(&team.alice);
        for device in [&team.bob, &team.mallory, &team.carol] {
            let join = format!(
                "member join --name {} --no-git --trust {trusted}",
                device.name
            );
            device.kagi(&path, &join).ok();
        }
        for device in [&team.bob, &team.mallory] {
            team.kagi(&team.alice, &format!("member approve {}", id(device)))
                .ok();
        }
        team.carol
            .kagi(&path, &format!("trust {}", id(&team.bob)))
            .ok();
        team.publish(&team.alice);
        team.alice
            .git(&team.world.root, "clone -q bare bob -b main")
            .ok();
        for device in [&team.bob, &team.mallory] {
            assert_eq!(device.values(&team.at(&team.bob), ""), pairs("BASE=0"));
        }
        team.kagi(&team.bob, "status").ok();
        team
    }

    /// Alice removes Mallory and sets `NEWKEY`; Bob approves Carol and sets `BOBKEY`.
    fn removal_beside_approval() -> Self {
        let team = Team::new();
        team.kagi(
            &team.alice,
            &format!("member del {} --yes", id(&team.mallory)),
        )
        .ok();
        team.kagi(&team.alice, "set NEWKEY 1").ok();
        team.alice.commit(&team.at(&team.alice), "removal");
        team.kagi(&team.bob, &format!("member approve {}", id(&team.carol)))
            .ok();
        team.kagi(&team.bob, "set BOBKEY 2").ok();
        team.bob.commit(&team.at(&team.bob), "approval");
        team
    }

    /// The clone of a device.
    fn at(&self, device: &Device) -> PathBuf {
        self.world.root.join(&device.name)
    }

    fn kagi(&self, device: &Device, words: &str) -> Outcome {
        device.kagi(&self.at(device), words)
    }

    fn git(&self, device: &Device, words: &str) -> Outcome {
        device.git(&self.at(device), words)
    }

    fn publish(&self, device: &Device) {
        device.commit(&self.at(device), "change");
        self.git(device, "push -q origin HEAD:main").ok();
    }

    /// One publishes what is committed, and the other pulls it; the roster is in conflict then.
    fn pulls(&self, publisher: &Device, device: &Device, how: &str) {
        self.git(publisher, "push -q origin HEAD:main").ok();
        self.git(device, &format!("pull -q --no-edit {how} origin main"))
            .fails(&[]);
        let unmerged = self
            .git(device, "diff --name-only --diff-filter=U")
            .ok()
            .text();
        assert_eq!(unmerged, format!("{ROSTER}\n"));
    }

    /// Every change of members and environments is refused, changes nothing and names the side to
    /// take; gives back the part of the hint that is to be pasted.
    #[track_caller]
    fn refuses_changes(&self, device: &Device, side: &str) -> String {
        let path = self.at(device);
        let before = listing(&path.join(".kagi"));
        let bob = id(&self.bob);
        let words = [
            format!("member approve {}", id(&self.carol)),
            "member add --name ci --offline".to_string(),
            format!("member rename {bob} Robert"),
            format!("member grant {bob} app/development"),
            format!("member del {} --yes", id(&self.mallory)),
            "key rotate --yes".to_string(),
            "env add staging".to_string(),
            "env rename development local".to_string(),
        ];
        let paste = format!("git checkout {side} -- {ROSTER} && git add {ROSTER}");
        let hint = format!("hint: {paste}, then repeat what the other side did\n");
        for words in words {
            let outcome = device.kagi(&path, &words);
            assert_eq!(outcome.code, Some(1), "{words}");
            outcome.fails(&[ROSTER, " is in conflict in Git", &hint]);
        }
        assert_eq!(listing(&path.join(".kagi")), before);
        device.kagi(&path, "doctor").fails(&[ROSTER, &paste]);
        let status = device.kagi(&path, "status");
        let said = status.text() + &status.stderr;
        assert!(said.contains(" is in conflict in Git"), "{said}");
        // A path below the root is pasted there.
        let below = self.world.directory(&format!("{}/below", device.name));
        let paste_below = paste.replace(ROSTER, &format!("../{ROSTER}"));
        device
            .kagi(&below, "key rotate --yes")
            .fails(&[&paste_below]);
        paste
    }

    /// What was hinted at is pasted; then the stale boxes are taken over, and the rest repeated.
    #[track_caller]
    fn follows(&self, device: &Device, paste: &str, revision: &str, expected: &str) {
        let path = self.at(device);
        shell(device, &path, paste).ok();
        device
            .kagi(&path, "run -- true")
            .fails(&["hint: kagi resolve --from REV"]);
        device
            .kagi(&path, &format!("resolve --from {revision}"))
            .ok();
        device
            .kagi(&path, &format!("member approve {}", id(&self.carol)))
            .ok();
        assert_eq!(device.values(&path, ""), pairs(expected));
        device.git(&path, "add -A").ok();
    }

    /// Both sides' values, in both clones, for everybody but Mallory.
    #[track_caller]
    fn has_both(&self, device: &Device, expected: &str) {
        self.git(device, "push -q origin HEAD:main").ok();
        let path = self.at(device);
        let other = if device.name == "bob" {
            &self.alice
        } else {
            &self.bob
        };
        self.git(other, "fetch -q origin").ok();
        self.git(other, "reset -q --hard origin/main").ok();
        for who in [&self.alice, &self.bob, &self.carol] {
            assert_eq!(who.values(&path, ""), pairs(expected), "{}", who.name);
            assert_eq!(
                who.values(&self.at(other), ""),
                pairs(expected),
                "{}",
                who.name
            );
        }
        for words in ["run -- true", "get BASE", "set X 1", "resolve"] {
            self.mallory
                .kagi(&path, words)
                .fails(&["was removed, which is for ever"]);
        }
        let roster = roster_of(&path);
        assert_eq!(roster.removed, [id(&self.mallory)]);
        assert!(roster.member(&id(&self.carol)).is_some());
        assert_eq!(self.git(device, "status --porcelain").ok().text(), "");
    }
}

fn id(device: &Device) -> String {
    identity_of(device).id
}

fn shell(device: &Device, path: &Path, line: &str) -> Outcome {
    outcome(line, device.command("sh", path).args(["-c", line]))
}

fn roster_of(path: &Path) -> Roster {
    let bytes = fs::read(path.join(ROSTER)).expect("a roster");
    Roster::read(ROSTER, &bytes).expect("a roster")
}

/// The epochs of the boxes of the scope, sorted.
fn epochs(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path.join(SCOPE)).expect("a scope");
    let boxes = text.lines().filter_map(|line| line.strip_prefix("box "));
    let mut epochs: Vec<_> = boxes
        .filter_map(|line| line.split('.').next().map(String::from))
        .collect();
    epochs.sort();
    epochs
}

#[test]
fn a_write_beside_an_older_roster_keeps_what_was_written_after_a_removal() {
    let team = Team::removal_beside_approval();
    let bob = &team.bob;
    let path = team.at(bob);
    team.pulls(&team.alice, bob, "--no-rebase");
    assert_eq!(
        (roster_of(&path).epoch.number, epochs(&path)),
        (1, vec!["1".into(), "2".into()])
    );
    let remark = "holds a box of a newer epoch than access.json";
    for words in [
        "set LATER 3",
        "set LATER 4",
        "unset BASE --yes",
        "set BASE 0",
    ] {
        team.kagi(bob, words).ok().says(&[remark]);
        assert_eq!(epochs(&path), ["1", "2"], "{words}");
    }
    team.kagi(bob, "doctor --fix").fails(&[remark]);
    assert_eq!(epochs(&path), ["1", "2"]);
    let paste = team.refuses_changes(bob, "--theirs");
    team.follows(bob, &paste, "HEAD", "BASE=0 BOBKEY=2 LATER=4 NEWKEY=1");
    team.git(bob, "commit -q --no-edit").ok();
    team.has_both(bob, "BASE=0 BOBKEY=2 LATER=4 NEWKEY=1");
}

#[test]
fn a_merge_on_the_side_of_the_removal_keeps_its_own_roster() {
    let team = Team::removal_beside_approval();
    let alice = &team.alice;
    team.pulls(&team.bob, alice, "--no-rebase");
    assert_eq!(roster_of(&team.at(alice)).epoch.number, 2);
    let paste = team.refuses_changes(alice, "--ours");
    team.follows(alice, &paste, "MERGE_HEAD", "BASE=0 BOBKEY=2 NEWKEY=1");
    team.git(alice, "commit -q --no-edit").ok();
    team.has_both(alice, "BASE=0 BOBKEY=2 NEWKEY=1");
}

/// A rebase calls its own commits theirs.
#[test]
fn a_rebase_onto_the_removal_keeps_that_roster() {
    let team = Team::removal_beside_approval();
    let bob = &team.bob;
    team.pulls(&team.alice, bob, "--rebase");
    let paste = team.refuses_changes(bob, "--ours");
    team.follows(bob, &paste, "REBASE_HEAD", "BASE=0 BOBKEY=2 NEWKEY=1");
    team.git(bob, "rebase --continue").ok();
    team.has_both(bob, "BASE=0 BOBKEY=2 NEWKEY=1");
}

#[test]
fn a_rebase_of_the_removal_takes_its_roster() {
    let team = Team::removal_beside_approval();
    let alice = &team.alice;
    team.pulls(&team.bob, alice, "--rebase");
    assert_eq!(roster_of(&team.at(alice)).epoch.number, 1);
    let paste = team.refuses_changes(alice, "--theirs");
    team.follows(alice, &paste, "HEAD", "BASE=0 BOBKEY=2 NEWKEY=1");
    team.git(alice, "rebase --continue").ok();
    team.has_both(alice, "BASE=0 BOBKEY=2 NEWKEY=1");
}

#[test]
fn of_two_rotations_one_is_taken_as_a_whole() {
    let team = Team::new();
    let (alice, bob) = (&team.alice, &team.bob);
    for (device, words) in [(alice, "set A 1"), (bob, "set B 2")] {
        team.kagi(device, "key rotate --yes").ok();
        team.kagi(device, words).ok();
        device.commit(&team.at(device), "rotation");
    }
    team.pulls(alice, bob, "--no-rebase");
    let before = listing(&team.at(bob).join(".kagi"));
    let hint = "hint: both sides rotated: take all of .kagi from one commit\n";
    for words in [
        "key rotate --yes",
        "env add staging",
        "member add --name ci --offline",
    ] {
        team.kagi(bob, words)
            .fails(&[" is in conflict in Git", hint]);
    }
    assert_eq!(listing(&team.at(bob).join(".kagi")), before);
    team.git(bob, "checkout HEAD -- .kagi").ok();
    team.kagi(bob, "env add staging").ok();
    assert_eq!(bob.values(&team.at(bob), ""), pairs("B=2 BASE=0"));
    // Who has followed the other one is asked once.
    team.publish(bob);
    team.git(alice, "fetch -q origin").ok();
    team.git(alice, "checkout -q origin/main -- .kagi").ok();
    team.kagi(alice, "run -- true")
        .fails(&["hint: agree on one rotation", "kagi trust"]);
}
