//! Files that Git, or whoever may write the repository, has put back or deleted: authentic, and
//! older than what this device has seen.
//!
//! What must hold: no change of members, environments or keys makes them final, unless somebody says
//! so; what was deleted on purpose is nothing that is missed.

mod common;

use common::{Device, World, identity_of, listing, pairs};
use std::fs;
use std::path::{Path, PathBuf};

const SCOPE: &str = ".kagi/secrets/app/development.enc";

/// A project in Git with a second full member, Bob, and Carol's request.
struct Fixture {
    _world: World,
    ada: Device,
    bob: Device,
    carol: Device,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let world = World::new();
        let [ada, bob, carol] = ["ada", "bob", "carol"].map(|name| world.device(name));
        let path = world.directory("work");
        ada.git(&path, "init -q").ok();
        ada.kagi(
            &path,
            "init --name ada --envs=development,production --no-git",
        )
        .ok();
        for device in [&bob, &carol] {
            let trusted = identity_of(&ada).id;
            let join = format!(
                "member join --name {} --no-git --trust {trusted}",
                device.name
            );
            device.kagi(&path, &join).ok();
        }
        let fixture = Fixture {
            _world: world,
            ada,
            bob,
            carol,
            path,
        };
        fixture
            .ada
            .kagi(
                &fixture.path,
                &format!("member approve {}", id(&fixture.bob)),
            )
            .ok();
        fixture.ada.kagi(&fixture.path, "set KEY 1").ok();
        fixture.ada.commit(&fixture.path, "base");
        fixture
    }

    /// Each of these is refused with these texts, and no byte of `.kagi` changes.
    #[track_caller]
    fn refuses(&self, commands: &[String], texts: &[&str]) {
        let before = listing(&self.path.join(".kagi"));
        for words in commands {
            let outcome = self.ada.kagi(&self.path, words);
            assert_eq!(outcome.code, Some(1), "{words}");
            outcome.fails(texts);
            assert_eq!(listing(&self.path.join(".kagi")), before, "{words}");
        }
    }

    /// What writes a roster within the epoch.
    fn changes(&self) -> [String; 4] {
        let (bob, carol) = (id(&self.bob), id(&self.carol));
        [
            "member add --name ci --only app/development".to_string(),
            format!("member approve {carol}"),
            format!("member rename {bob} Robert"),
            format!("member grant {carol} production"),
        ]
    }

    /// What ends the epoch.
    fn rotations(&self) -> [String; 3] {
        let bob = id(&self.bob);
        [
            "key rotate --yes".to_string(),
            format!("member grant {bob} app/development --only --yes"),
            format!("member del {bob} --yes"),
        ]
    }
}

fn id(device: &Device) -> String {
    identity_of(device).id
}

fn read(path: &Path, name: &str) -> Vec<u8> {
    fs::read(path.join(name)).expect("a readable file")
}

#[test]
fn no_roster_makes_a_configuration_final_that_was_put_back() {
    let fixture = Fixture::new();
    let (ada, path) = (&fixture.ada, &fixture.path);
    let config = path.join(".kagi/kagi.json");
    let before = read(path, ".kagi/kagi.json");
    ada.kagi(path, "env add staging").ok();
    ada.kagi(path, "set staging KEY 2").ok();
    ada.commit(path, "staging");
    fs::write(&config, &before).expect("written");
    let behind = [
        "\".kagi/kagi.json\" is older than access.json, for its last change was stopped or undone",
        "hint: git log -- .kagi/kagi.json, or repeat kagi env ...",
    ];
    let [add, approve, rename, _] = fixture.changes();
    fixture.refuses(&[add.clone(), approve.clone(), rename.clone()], &behind);
    fixture.refuses(&fixture.rotations(), &behind);
    // Values are no matter of it.
    ada.kagi(path, "run -- true")
        .ok()
        .says(&["kagi.json is older than access.json"]);
    ada.git(path, "checkout -q -- .kagi/kagi.json").ok();
    for words in [add, approve, rename] {
        ada.kagi(path, &words).ok().says_not(&["is older"]);
    }
    assert_eq!(ada.values(path, "staging"), pairs("KEY=2"));
    for words in fixture.rotations() {
        ada.kagi(path, &words).ok();
    }
    assert_eq!(ada.values(path, "staging"), pairs("KEY=2"));
}

/// The other way out: the change itself, once more.
#[test]
fn a_configuration_that_was_put_back_is_mended_by_the_same_change() {
    let fixture = Fixture::new();
    let (ada, path) = (&fixture.ada, &fixture.path);
    let before = read(path, ".kagi/kagi.json");
    ada.kagi(path, "env add staging").ok();
    let after = read(path, ".kagi/kagi.json");
    fs::write(path.join(".kagi/kagi.json"), &before).expect("written");
    ada.kagi(path, "env add staging").ok();
    assert_eq!(read(path, ".kagi/kagi.json"), after);
    ada.kagi(path, "key rotate --yes")
        .ok()
        .says_not(&["is older"]);
    ada.kagi(path, &fixture.changes()[1]).ok();
}

#[test]
fn no_rotation_makes_an_older_scope_final() {
    for at in 0..3 {
        let fixture = Fixture::new();
        let (ada, path) = (&fixture.ada, &fixture.path);
        let before = read(path, SCOPE);
        for words in ["set KEY 0", "set KEY 3", "set KEY 2"] {
            ada.kagi(path, words).ok();
        }
        ada.commit(path, "newer");
        fs::write(path.join(SCOPE), before).expect("written");
        let words = &fixture.rotations()[at];
        let hint = format!("hint: git log -- {SCOPE}; --accept-older, if that is meant");
        let refused = [
            SCOPE,
            "is older than the state",
            "the key was not rotated",
            &hint,
        ];
        fixture.refuses(std::slice::from_ref(words), &refused);
        if at == 0 {
            ada.git(path, &format!("checkout -q -- {SCOPE}")).ok();
            ada.kagi(path, words).ok();
            assert_eq!(ada.values(path, ""), pairs("KEY=2"));
        } else {
            ada.kagi(path, &format!("{words} --accept-older")).ok();
            assert_eq!(ada.values(path, ""), pairs("KEY=1"));
        }
        // Nothing stays to be accepted.
        ada.kagi(path, "run -- true").ok().says_not(&["older"]);
        ada.kagi(path, "key rotate --yes").ok();
    }
}

#[test]
fn no_rotation_makes_the_deletion_of_a_scope_final() {
    for at in 0..3 {
        let fixture = Fixture::new();
        let (ada, path) = (&fixture.ada, &fixture.path);
        ada.kagi(path, "set web KEY 1").ok();
        fs::remove_file(path.join(SCOPE)).expect("it is there");
        let words = &fixture.rotations()[at];
        let hint = format!("hint: git log -- {SCOPE}; --accept-older, if that is meant");
        fixture.refuses(
            std::slice::from_ref(words),
            &["the key was not rotated", &hint],
        );
        ada.kagi(path, &format!("{words} --accept-older")).ok();
        assert!(!path.join(SCOPE).exists());
        assert_eq!(ada.values(path, "web"), pairs("KEY=1"));
        // Nothing stays to be accepted.
        ada.kagi(path, "doctor").says_not(&["gone"]);
        ada.kagi(path, "key rotate --yes").ok();
    }
}

/// The key of an environment that goes is ended with it, or neither.
#[test]
fn no_environment_goes_without_the_rotation_that_it_needs() {
    let fixture = Fixture::new();
    let (ada, path) = (&fixture.ada, &fixture.path);
    ada.kagi(path, "env add staging").ok();
    ada.kagi(
        path,
        "member add --name ci --only */staging,app/development",
    )
    .ok();
    let before = read(path, SCOPE);
    ada.kagi(path, "set KEY 2").ok();
    let newest = read(path, SCOPE);
    fs::write(path.join(SCOPE), before).expect("written");
    let commands = ["env del staging --yes", "env rename staging live"].map(String::from);
    let hint = "hint: kagi key rotate --accept-older, if that is meant\n";
    fixture.refuses(&commands, &[SCOPE, "is older", "nothing was changed", hint]);
    fs::write(path.join(SCOPE), newest).expect("written");
    ada.kagi(path, &commands[1]).ok().says(&["epoch 2"]);
    ada.kagi(path, "env del live --yes").ok().says(&["epoch 3"]);
}

/// A device that has seen nothing newer has nothing to refuse.
#[test]
fn what_this_device_has_not_seen_keeps_no_key() {
    let fixture = Fixture::new();
    let (ada, bob, path) = (&fixture.ada, &fixture.bob, &fixture.path);
    let before = read(path, SCOPE);
    ada.kagi(path, "set KEY 2").ok();
    fs::write(path.join(SCOPE), before).expect("written");
    bob.kagi(path, "key rotate --yes").ok();
    assert_eq!(bob.values(path, ""), pairs("KEY=1"));
}

#[test]
fn an_environment_that_was_deleted_and_added_again_misses_nothing() {
    let fixture = Fixture::new();
    let (ada, path) = (&fixture.ada, &fixture.path);
    ada.kagi(path, "env add staging").ok();
    for words in ["set staging KEY 2", "set staging KEY 3", "get staging"] {
        ada.kagi(path, words).ok();
    }
    ada.kagi(path, "env del staging --yes").ok();
    ada.kagi(path, "env add staging").ok();
    ada.kagi(path, "run -e staging -- true")
        .ok()
        .says(&["has no secrets yet"]);
    for words in ["status", "doctor", "key rotate --yes", "get staging"] {
        let outcome = ada.kagi(path, words).ok().says_not(&["gone"]);
        assert!(!outcome.text().contains("gone"), "{words}");
    }
    ada.kagi(path, "set staging KEY 4")
        .ok()
        .says_not(&["older", "gone"]);
    assert_eq!(ada.values(path, "staging"), pairs("KEY=4"));
    // What is deleted otherwise is missed.
    fs::remove_file(path.join(".kagi/secrets/app/staging.enc")).expect("it is there");
    ada.kagi(path, "run -e staging -- true").fails(&["is gone"]);
}
