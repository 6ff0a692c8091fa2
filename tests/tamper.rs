//! Every change of a byte that somebody could make: in the files of a project, and in those that
//! a device keeps of it. Reading then fails, or gives exactly what was there before.
//!
//! Every bit, every length and every line of every file is tried (one of seven, without
//! `KAGI_TEST_SCALE=full`), and every mix of the files, and of their lines, of two authentic states:
//! in processes that have a device's environment and read everything as the commands do. What
//! people would do by hand, and a sample of the bits, is tried with the real program: the file that
//! it refuses must be named.
//!
//! Not promised, so not asked: to notice that a whole file, or one of two boxes, is gone or older,
//! where the reader has no history.
#![cfg(unix)]

mod common;
mod tampering;

use kagi::crypto::hash::hash;
use kagi::crypto::{aead, length_prefixed, random};
use kagi::format::key_text::Identity;
use kagi::format::names::Epoch;
use kagi::format::scope_file::ScopeName;
use kagi::format::text::{BASE64, HEX};
use kagi::secret::Key;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use tampering::{Fixture, ROOT, SCOPES, TASK, changes, mixes, states};

use common::pairs;

impl Fixture {
    /// The files of the project, and of the device.
    fn files(&self) -> Vec<PathBuf> {
        let below = |directory: &Path| common::listing(directory).into_keys();
        let files = below(&self.path).chain(below(&self.ada.home));
        let files: Vec<_> = files.filter(|path| path.is_file()).collect();
        // `.gitattributes`, `kagi.json`, `access.json`, three requests, the scopes, a stored file,
        // identity, pin, checkout.
        assert_eq!(files.len(), 10 + SCOPES.len(), "{files:?}");
        files
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(".kagi").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a readable file")
    }

    /// Runs every reader while a file has other content, then puts it back.
    #[track_caller]
    fn refuses(&self, name: &str, text: &str, expected: &[&str]) {
        let path = self.file(name);
        let before = fs::read(&path).expect("a readable file");
        assert!(before != text.as_bytes(), "nothing was changed");
        fs::write(&path, text).expect("a written file");
        let (service, env) = scope_of(&path).unwrap_or(("app", "development"));
        let words = [
            format!("run -s {service} -e {env} -- true"),
            "get".into(),
            format!("set -s {service} -e {env} NEW 1"),
            "doctor".into(),
        ];
        let changed = common::listing(&self.path);
        for words in words {
            self.ada.kagi(&self.path, &words).fails(expected);
        }
        assert!(
            changed == common::listing(&self.path),
            "something was written"
        );
        fs::write(&path, before).expect("a written file");
        self.is_whole();
    }

    #[track_caller]
    fn is_whole(&self) {
        let values = self.ada.values(&self.path, "");
        assert_eq!(values, pairs("KEY=app-development OTHER=2"));
    }
}

/// The scope that a file holds.
fn scope_of(path: &Path) -> Option<(&'static str, &'static str)> {
    let is_it = |(service, env): &(&str, &str)| path.ends_with(format!("{service}/{env}.enc"));
    SCOPES.into_iter().find(is_it)
}

// In processes of their own: all bits, all lengths, all lines; and all mixes.

fn changed_for(who: &str, device: impl Fn(&Fixture) -> &common::Device) {
    let fixture = Fixture::new();
    let other = fixture.world.directory("other");
    fixture.found(&other);
    fixture.save(&other, "other");
    fixture.run(device(&fixture), &format!("changes {who}"));
}

#[test]
fn every_change_for_a_device_that_knows_the_project() {
    changed_for("a pinned device", |fixture| &fixture.ada);
}

#[test]
fn every_change_for_a_device_that_does_not() {
    changed_for("a new device", |fixture| &fixture.new);
}

#[test]
fn every_change_for_a_limited_member() {
    changed_for("a limited member", |fixture| &fixture.cid);
}

#[test]
fn mixes_for_devices_that_know_the_project() {
    let fixture = Fixture::new();
    let before = fixture.make_states();
    fixture.run(&fixture.ada, "mixes a pinned device");
    fixture.run(&fixture.ada, "mixes a pinned device, strict");
    fixture.run(
        &before,
        "mixes a device that was pinned before the rotation",
    );
}

#[test]
fn mixes_for_a_device_that_does_not_and_a_limited_member() {
    let fixture = Fixture::new();
    fixture.make_states();
    fixture.run(&fixture.new, "mixes a new device");
    fixture.run(&fixture.cid, "mixes a limited member");
}

/// The store of a server, and what it answers.
#[cfg(feature = "server")]
#[test]
fn every_change_of_a_store() {
    let fixture = Fixture::new();
    let desk = fixture.make_store();
    fixture.run(&desk, "store");
    fixture.try_store(&desk);
}

#[test]
fn in_a_process_of_its_own() {
    let Ok(task) = env::var(TASK) else {
        return;
    };
    let saved = || PathBuf::from(env::var_os(ROOT).expect("a world")).join("saved");
    match task.split_once(' ') {
        Some(("changes", who)) => changes::run(who),
        Some(("mixes", who)) => mixes::run(who),
        Some(("texts", name)) => states::write_texts(name, &saved()),
        #[cfg(feature = "server")]
        None if task == "store" => tampering::store::run(),
        _ => panic!("{task}"),
    }
}

// With the real program.

#[test]
fn the_refused_file_is_named() {
    let fixture = Fixture::new();
    let original: Vec<_> = SCOPES
        .iter()
        .map(|(service, env)| {
            fixture
                .ada
                .values(&fixture.path, &format!("-s {service} -e {env}"))
        })
        .collect();
    let (mut refused, mut same) = (0, 0);
    for file in fixture.files() {
        let bytes = fs::read(&file).expect("a readable file");
        let at_scope = SCOPES
            .iter()
            .position(|scope| scope_of(&file) == Some(*scope));
        let is_head = ["kagi.json", "access.json"]
            .iter()
            .any(|name| file.ends_with(name));
        if at_scope.is_none() && !is_head {
            continue; // `run` does not read it.
        }
        let (service, env) = SCOPES[at_scope.unwrap_or(0)];
        for step in 0..16 {
            let mut changed = bytes.clone();
            if step % 4 == 3 {
                changed.truncate(step * bytes.len() / 16);
            } else {
                changed[step * bytes.len() / 16] ^= 1 << (step % 7);
            }
            fs::write(&file, changed).expect("a written file");
            let words = format!("run -s {service} -e {env} -- env -0");
            let outcome = fixture.ada.kagi(&fixture.path, &words);
            if outcome.code == Some(0) {
                let values = common::variables(&outcome.stdout);
                assert_eq!(values, original[at_scope.unwrap_or(0)]);
                same += 1;
            } else {
                let named = named_as(&fixture, &file);
                let is_named = named.iter().any(|name| outcome.stderr.contains(name));
                assert!(is_named, "{}: {}", file.display(), outcome.stderr);
                outcome.fails(&["kagi: error: "]);
                refused += 1;
            }
        }
        fs::write(&file, bytes).expect("a written file");
    }
    fixture.is_whole();
    assert!(refused > same);
    common::say(&format!(
        "assured: tamper: kagi run: {} changes of bytes: {refused} refused by the file's name, {same} \
         ran with the same values",
        refused + same
    ));
}

/// What a message may call a file. Those of the device by the whole path; or, if they are well
/// formed, by what does not fit them: the member's id, the roster, the project of the checkout.
fn named_as(fixture: &Fixture, file: &Path) -> [String; 2] {
    let own = file.strip_prefix(&fixture.path).unwrap_or(file);
    let other = match file.file_name().unwrap_or_default().to_str() {
        Some("identity.json") => "is not a member of the project (its id is",
        Some("pin.json") => "\".kagi/access.json\"",
        Some("kagi.json") => "kagi.json is not the one",
        _ => "held another project before",
    };
    [own.to_string_lossy().into_owned(), other.into()]
}

#[test]
fn a_roster_that_was_edited() {
    let fixture = Fixture::new();
    let text = fixture.read("access.json");
    let named = ".kagi/access.json";
    let other = Identity::new(Key::new(hash(b"somebody else")));
    for (name, expected) in [("Ada", "not a member"), ("Bob", named)] {
        let (_, mut roster, _) = common::access_of(&fixture.ada, &fixture.path);
        let mut members = roster.members.iter_mut();
        let member = members.find(|one| one.name == name).expect("a member");
        member.public = other.public;
        fixture.refuses("access.json", &roster.write(), &[named, "member id"]);
        let mut members = roster.members.iter_mut();
        let member = members.find(|one| one.name == name).expect("a member");
        let old = std::mem::replace(&mut member.id, other.id.clone());
        if roster.author == old {
            roster.author.clone_from(&other.id);
        }
        roster.members.sort_by(|one, next| one.id.cmp(&next.id));
        fixture.refuses("access.json", &roster.write(), &[expected]);
    }
    for (from, to) in [
        ("\"name\": \"Bob\"", "\"name\": \"Eve\""),
        ("\"sequence\": 3", "\"sequence\": 4"),
        ("\"epoch\": \"1.", "\"epoch\": \"2."),
        (
            "\"removed\": []",
            "\"removed\": [\n    \"kgm_aaaaaaaaaaaaaaaaaaaa\"\n  ]",
        ),
    ] {
        fixture.refuses("access.json", &text.replace(from, to), &[named]);
    }
    let limited = text.rfind("\"*\"").expect("a grant");
    let limited = format!("{}\"app/*\"{}", &text[..limited], &text[limited + 3..]);
    fixture.refuses("access.json", &limited, &[named]);
}

#[test]
fn a_roster_of_a_stranger() {
    let fixture = Fixture::new();
    // Whoever has no key but knows all ids can make a roster, but none that this device believes.
    let (config, roster, _) = common::access_of(&fixture.ada, &fixture.path);
    let stranger = Identity::new(Key::new(hash(b"stranger")));
    let mut members: Vec<_> = roster
        .members
        .iter()
        .map(|one| (one.public, one.name.clone()))
        .chain([(stranger.public, "Eve".into())])
        .map(|(public, name)| {
            let grants = vec![kagi::format::names::Grant::Full];
            kagi::format::roster::Member::draft(public, &name, grants)
        })
        .collect();
    members.sort_by(|one, next| one.id.cmp(&next.id));
    let draft = kagi::team::Draft {
        sequence: roster.sequence + 1,
        config: roster.config,
        config_before: roster.config,
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
    };
    let key = Key::new(hash(b"a project key of the stranger's"));
    for number in [roster.epoch.number, roster.epoch.number + 1] {
        let epoch = kagi::format::names::Epoch {
            number,
            ..roster.epoch
        };
        let draft = kagi::team::Draft {
            members: draft
                .members
                .iter()
                .map(|one| {
                    kagi::format::roster::Member::draft(one.public, &one.name, one.grants.clone())
                })
                .collect(),
            removed: Vec::new(),
            withdrawn: Vec::new(),
            ..draft
        };
        let key = key.duplicate();
        let found = kagi::team::found(
            &stranger,
            &config.project,
            epoch,
            key,
            draft,
            &mut random::key,
        );
        let (forged, _) = found.expect("a roster");
        fixture.refuses("access.json", &forged.write(), &[".kagi/access.json"]);
    }
}

#[test]
fn a_configuration_that_was_edited() {
    let fixture = Fixture::new();
    let text = fixture.read("kagi.json");
    for (from, to) in [
        (
            "    \"production\"\n",
            "    \"production\",\n    \"staging\"\n",
        ),
        ("    \"development\",\n", ""),
        (
            "\"default_env\": \"development\"",
            "\"default_env\": \"production\"",
        ),
        (
            "\"default_service\": \"app\"",
            "\"default_service\": \"web\"",
        ),
        ("\"nested\": false", "\"nested\": true"),
        ("\"paths\": {}", "\"paths\": {\n    \"a\": \"web\"\n  }"),
        ("\"sync\": \"\"", "\"sync\": \"http://example.org\""),
        ("  ", "   "),
    ] {
        let edited = text.replacen(from, to, 1);
        fixture.refuses("kagi.json", &edited, &["kagi.json"]);
    }
    // With its hash in the roster as well.
    let edited = text.replace("\"nested\": false", "\"nested\": true");
    let roster = fixture.read("access.json");
    let digest = |text: &str| HEX.encode(&hash(text.as_bytes()));
    let forged = roster.replace(&digest(&text), &digest(&edited));
    fs::write(fixture.file("kagi.json"), &edited).expect("a written file");
    fs::write(fixture.file("access.json"), &forged).expect("a written file");
    for words in ["run -- true", "get", "set A 1"] {
        let outcome = fixture.ada.kagi(&fixture.path, words);
        outcome.fails(&[".kagi/access.json", "not authentic"]);
    }
}

fn box_of(text: &str) -> &str {
    text.lines()
        .find(|line| line.starts_with("box "))
        .expect("a box")
}

#[test]
fn boxes_from_elsewhere() {
    const SCOPE: &str = "secrets/app/development.enc";
    let fixture = Fixture::new();
    let text = fixture.read(SCOPE);
    let own = box_of(&text);
    // Another scope of the project: instead of the box, and beside it.
    for other in ["secrets/app/production.enc", "secrets/web/development.enc"] {
        let other = fixture.read(other);
        let foreign = box_of(&other);
        for edited in [
            text.replace(own, foreign),
            format!("{text}{foreign}\n"),
            other.clone(),
        ] {
            fixture.refuses(SCOPE, &edited, &[".kagi/secrets/app/development.enc"]);
        }
    }
    // Another project of the same device; as it is, and said to be of this project's epoch.
    let path = fixture.world.directory("other");
    let init = "init --name Ada --envs=development,production";
    fixture.ada.kagi(&path, init).ok();
    fixture.ada.kagi(&path, "set KEY foreign").ok();
    let other = fs::read_to_string(path.join(".kagi").join(SCOPE)).expect("a scope");
    let renamed = foreign_as_own(box_of(&other), own);
    for foreign in [box_of(&other), &renamed] {
        for edited in [text.replace(own, foreign), format!("{text}{foreign}\n")] {
            fixture.refuses(SCOPE, &edited, &[".kagi/secrets/app/development.enc"]);
        }
    }
    fixture.refuses(SCOPE, &other, &[".kagi/secrets/app/development.enc"]);
    // A box of a newer epoch waits for its roster; alone it is none.
    let (_, rest) = own.split_once('.').expect("an epoch");
    let newer = format!("box 2.{rest}");
    fixture.refuses(SCOPE, &text.replace(own, &newer), &["development.enc"]);
    fs::write(fixture.file(SCOPE), format!("{text}{newer}\n")).expect("a written file");
    fixture.is_whole();
}

/// Boxes under the right key, whose additional data (FORMAT 7.7) has one field of another place, or is
/// without it: the key alone would not tell. The same box with the right data is what is read.
#[test]
fn boxes_of_the_right_key_whose_data_names_another_place() {
    const SCOPE: &str = "secrets/app/development.enc";
    let fixture = Fixture::new();
    let (text, other) = (
        fixture.read(SCOPE),
        Epoch {
            number: 1,
            id: [7; 8],
        },
    );
    let (config, roster, access) = common::access_of(&fixture.ada, &fixture.path);
    let name = ScopeName::values("app", "development");
    let key = access.scope_key(&name).expect("a key");
    let line = box_of(&text).rsplit_once(' ').expect("a box");
    let bytes = BASE64.decode(line.1).expect("base64").expose().to_vec();
    let (nonce, sealed) = bytes.split_first_chunk::<24>().expect("a nonce");
    let (project, epoch) = (config.project.as_bytes(), roster.epoch.to_bytes());
    let right: [&[u8]; 6] = [
        b"kagi-scope 1",
        b"values",
        project,
        &epoch,
        b"development",
        b"app",
    ];
    let others: [&[u8]; 6] = [
        b"kagi-scope 2",
        b"files",
        b"kgp_aaaaaaaaaaaaaaaaaaaa",
        &other.to_bytes(),
        b"production",
        b"web",
    ];
    let plain = aead::open(&key.key, nonce, &length_prefixed(&right), sealed);
    let plain = plain.expect("a snapshot");
    let sealed_with = |fields: &[&[u8]]| {
        let sealed = aead::seal(&key.key, &[9; 24], &length_prefixed(fields), &plain);
        let sealed = BASE64.encode(&[&[9; 24], sealed.as_slice()].concat());
        text.replace(line.1, &sealed)
    };
    let named = [".kagi/secrets/app/development.enc", "not authentic"];
    for field in 0..right.len() {
        let mut fields = right.to_vec();
        fields[field] = others[field];
        fixture.refuses(SCOPE, &sealed_with(&fields), &named);
        fields.remove(field);
        fixture.refuses(SCOPE, &sealed_with(&fields), &named);
    }
    fixture.refuses(SCOPE, &sealed_with(&[]), &named);
    fs::write(fixture.file(SCOPE), sealed_with(&right)).expect("a written file");
    fixture.is_whole();
}

/// A box line with the epoch of another.
fn foreign_as_own(foreign: &str, own: &str) -> String {
    let part = |line: &str, at| line.split(' ').nth(at).expect("three parts").to_string();
    format!("box {} {}", part(own, 1), part(foreign, 2))
}

#[test]
fn a_scope_under_another_name() {
    let fixture = Fixture::new();
    let text = fixture.read("secrets/app/development.enc");
    let header = text.replace("app/development\n", "web/development\n");
    fixture.refuses(
        "secrets/web/development.enc",
        &header,
        &[".kagi/secrets/web/development.enc"],
    );
    // A directory that somebody made.
    let made = fixture.file("secrets/eve");
    fs::create_dir(&made).expect("a directory");
    let renamed = text.replace("app/development\n", "eve/development\n");
    fs::write(made.join("development.enc"), renamed).expect("a file");
    let outcome = fixture.ada.kagi(&fixture.path, "run eve -- true");
    outcome.fails(&[".kagi/secrets/eve/development.enc"]);
    fixture.is_whole();
}

#[test]
fn an_index_is_reported_and_never_believed() {
    let fixture = Fixture::new();
    let name = "secrets/app/development.enc";
    let line = "key KEY 1\n";
    for edit in [
        "",
        "key KEY 2\n",
        "key KEY 1\nkey EVE 1\n",
        "key \u{1b}[31m\n",
        "key KEY 01\nkey KEY 1\nkey OTHER\n",
    ] {
        let text = fixture.read(name);
        assert!(text.contains(line));
        fs::write(fixture.file(name), text.replace(line, edit)).expect("a written file");
        fixture.is_whole();
        let listed = fixture.ada.kagi(&fixture.path, "get app development").ok();
        let keys: Vec<_> = listed.text().lines().skip(2).map(str::to_string).collect();
        assert_eq!(
            keys,
            ["    KEY    ********  # about", "    OTHER  ********"]
        );
        let outcome = fixture.ada.kagi(&fixture.path, "doctor");
        outcome.fails(&["app/development has index lines that do not fit"]);
        fixture.ada.kagi(&fixture.path, "doctor --fix").ok();
        let index = text.split("box").next().expect("a header");
        assert!(fixture.read(name).starts_with(index));
        fixture.ada.kagi(&fixture.path, "doctor").ok();
        fixture.is_whole();
    }
}

/// A device whose identity file holds another public key must not go on as somebody who can open
/// nothing: what it founded would be lost.
#[test]
fn an_identity_with_a_foreign_public_key_founds_nothing() {
    let fixture = Fixture::new();
    let file = fixture.ada.kagi_home().join("identity.json");
    let own = HEX.encode(&common::identity_of(&fixture.ada).public);
    let other = HEX.encode(&Identity::new(Key::new(hash(b"other"))).public);
    let text = fs::read_to_string(&file).expect("an identity");
    fs::write(&file, text.replace(&own, &other)).expect("a written file");
    let path = fixture.world.directory("new");
    let outcome = fixture.ada.kagi(&path, "init");
    if outcome.code == Some(0) {
        fixture.ada.kagi(&path, "set A 1").ok();
        assert_eq!(fixture.ada.values(&path, ""), pairs("A=1"));
    } else {
        outcome.fails(&["identity.json"]);
    }
}
