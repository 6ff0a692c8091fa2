//! A backup: what it holds, that no bit of it can change unseen, and that a restore is the old
//! state or the new. A backup may come from anywhere: nothing that its manifest says may lead out
//! of the directory that it is restored into.
#![cfg(unix)]

mod common;

use common::{Device, Listing, World, identity_of, listing, pairs};
use kagi::crypto::hash::hash;
use kagi::format::key_text::Identity;
use kagi::format::names::member_id;
use kagi::format::text::HEX;
use kagi::project::check;
use kagi::secret::Key;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const FILES: [&str; 5] = [
    "MANIFEST.json",
    "kagi/.gitattributes",
    "kagi/access.json",
    "kagi/kagi.json",
    "kagi/secrets/app/development.enc",
];

/// A project with one value, and a backup of it beside it.
fn backed_up(world: &World) -> (Device, PathBuf, PathBuf) {
    let (owner, work) = (world.device("owner"), world.directory("work"));
    owner.kagi(&work, "init --name owner").ok();
    owner.kagi(&work, "set TOKEN hunter2").ok();
    owner.kagi(&work, "backup -o ../bak").ok();
    (owner, work, world.root.join("bak"))
}

/// The bytes of the files below a directory, by their path in it.
fn contents(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = listing(directory).into_iter();
    let files = files.filter(|(path, _)| path.is_file());
    let below = |path: PathBuf| {
        path.strip_prefix(directory)
            .expect("below")
            .display()
            .to_string()
    };
    files
        .map(|(path, (_, bytes))| (below(path), bytes))
        .collect()
}

fn modes(directory: &Path) -> Vec<(PathBuf, u32)> {
    let paths = listing(directory).into_keys();
    let mode = |path: &Path| fs::metadata(path).expect("a path").permissions().mode() & 0o7777;
    paths.map(|path| (path.clone(), mode(&path))).collect()
}

/// A manifest that fits whatever files are given.
fn manifest(project: &str, files: &[(&str, u64, &str)]) -> String {
    let mut text = format!("{{\n  \"format\": 1,\n  \"project\": \"{project}\",\n  \"files\": [\n");
    for (at, (path, bytes, hash)) in files.iter().enumerate() {
        let comma = if at + 1 < files.len() { "," } else { "" };
        let _ = writeln!(
            text,
            "    {{\n      \"path\": \"{path}\",\n      \"bytes\": {bytes},\n      \"hash\": \"{hash}\"\n    }}{comma}"
        );
    }
    text + "  ]\n}\n"
}

/// Writes the manifest anew for what is in a backup, and `more`.
fn rewrite(backup: &Path, more: &[(&str, &[u8])]) {
    let project = project_of(backup);
    let mut files = contents(backup);
    files.remove("MANIFEST.json");
    files.extend(
        more.iter()
            .map(|(path, bytes)| ((*path).to_string(), bytes.to_vec())),
    );
    let hashed: Vec<_> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.len() as u64, HEX.encode(&hash(bytes))))
        .collect();
    let hashed: Vec<_> = hashed
        .iter()
        .map(|(path, size, hash)| (*path, *size, hash.as_str()))
        .collect();
    fs::write(backup.join("MANIFEST.json"), manifest(&project, &hashed)).expect("a file");
}

fn project_of(backup: &Path) -> String {
    let text = fs::read_to_string(backup.join("kagi/kagi.json")).expect("a file");
    let at = text.find("kgp_").expect("an id");
    text[at..at + 24].to_string()
}

#[test]
fn a_backup_is_the_project_and_comes_back() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    let held = contents(&backup);
    assert_eq!(held.keys().collect::<Vec<_>>(), FILES);
    let before = contents(&work.join(".kagi"));
    for (name, bytes) in &before {
        assert_eq!(held.get(&format!("kagi/{name}")), Some(bytes), "{name}");
    }
    for (path, mode) in modes(&backup) {
        assert_eq!(
            mode,
            if path.is_file() { 0o600 } else { 0o700 },
            "{}",
            path.display()
        );
    }
    // The manifest is as it is documented.
    let mut again = world.root.join("again");
    common::copy(&backup, &again);
    rewrite(&again, &[]);
    assert_eq!(contents(&again), held);

    fs::remove_dir_all(work.join(".kagi")).expect("a directory");
    let outcome = owner.kagi(&work, "restore -f ../bak").ok();
    outcome.says(&["restored kgp_", "next: kagi status"]);
    assert_eq!(contents(&work.join(".kagi")), before);
    for (path, mode) in modes(&work.join(".kagi")) {
        assert_eq!(
            mode,
            if path.is_file() { 0o644 } else { 0o755 },
            "{}",
            path.display()
        );
    }
    assert_eq!(owner.values(&work, ""), pairs("TOKEN=hunter2"));
    assert!(common::leftovers(&world.root).is_empty());

    // A clone that never had it gets it as well.
    again = world.directory("clone/deep");
    owner.kagi(&again, "restore --file ../../bak/").ok();
    assert_eq!(owner.values(&again, ""), pairs("TOKEN=hunter2"));
}

#[test]
fn a_backup_is_made_whole_or_not_at_all() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    let before = listing(&world.root);
    owner
        .kagi(&work, "backup")
        .fails(&["backup needs a new directory"]);
    owner
        .kagi(&work, "backup -o ../bak")
        .fails(&["is there already; nothing was written"]);
    owner
        .kagi(&work, "backup -o .kagi/bak")
        .fails(&["is inside of the project; nothing was written"]);
    owner
        .kagi(&work, "backup -o ../nosuch/bak")
        .fails(&["cannot write"]);
    owner.kagi(&work, "backup -o ..").fails(&["is no name"]);
    owner
        .kagi(&work, "backup -o ../new --with-identity")
        .fails(&["without a terminal to ask on"]);
    assert_eq!(listing(&world.root), before);
    fs::write(work.join(".kagi/kagi.json"), "garbage").expect("a file");
    owner
        .kagi(&work, "backup -o ../new")
        .fails(&["kagi.json", "nothing was written"]);
    assert!(!world.root.join("new").exists() && common::leftovers(&world.root).is_empty());
    // What a stopped one left is gone with the next try.
    owner.kagi(&work, "restore --yes -f ../bak").ok();
    fs::create_dir_all(world.root.join(".kagi-new.tmp/kagi")).expect("a directory");
    fs::write(world.root.join(".kagi-new.tmp/kagi/stale"), "").expect("a file");
    owner.kagi(&work, "backup -o ../new").ok();
    assert_eq!(contents(&world.root.join("new")), contents(&backup));
    assert!(common::leftovers(&world.root).is_empty());
}

#[test]
fn strange_files_are_left_out_and_named() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    let kagi = work.join(".kagi");
    let id = member_id(&[1; 32]);
    fs::create_dir_all(kagi.join("requests")).expect("a directory");
    fs::create_dir_all(kagi.join("secrets/app/deep/er")).expect("a directory");
    fs::write(kagi.join(format!("requests/{id}.json")), "{}\n").expect("a file");
    for strange in [
        "plain.env",
        "secrets/app/.env",
        "secrets/app/deep/x.enc",
        "requests/x.json",
    ] {
        fs::write(kagi.join(strange), "hunter2").expect("a file");
    }
    symlink("/etc/passwd", kagi.join("secrets/app/production.enc")).expect("a link");
    symlink("/etc", kagi.join("files")).expect("a link");
    let outcome = owner.kagi(&work, "backup -o ../new").ok();
    let outcome = outcome.says(&[
        "\"plain.env\" is left out",
        "\"secrets/app/.env\" is left out",
    ]);
    let outcome = outcome.says(&["\"secrets/app/deep\" is left out", "\"files\" is left out"]);
    outcome.says(&[
        "\"requests/x.json\" is left out",
        "\"secrets/app/production.enc\" is left out",
    ]);
    let mut held = contents(&world.root.join("new"));
    let request = held.remove(&format!("kagi/requests/{id}.json"));
    assert_eq!(request.as_deref(), Some(&b"{}\n"[..]));
    held.remove("MANIFEST.json");
    let mut expected = contents(&backup);
    expected.remove("MANIFEST.json");
    assert_eq!(held, expected);
}

#[test]
fn who_holds_no_keys_makes_a_backup_and_is_told() {
    let world = World::new();
    let (_, work, backup) = backed_up(&world);
    let stranger = world.device("stranger");
    let outcome = stranger.kagi(&work, "backup -o ../other").ok();
    outcome.says(&["note: this device cannot open what it holds: this device has no identity"]);
    assert_eq!(contents(&world.root.join("other")), contents(&backup));
    stranger
        .kagi(&world.directory("elsewhere"), "init --name stranger")
        .ok();
    let outcome = stranger.kagi(&work, "backup -o ../third").ok();
    outcome.says(&["cannot open what it holds: this device is not a member"]);
}

#[test]
fn every_bit_and_every_length_counts() {
    let world = World::new();
    let (_, _, backup) = backed_up(&world);
    let identity = fs::read(world.root.join("home-owner/kagi/identity.json")).expect("a file");
    fs::write(backup.join("identity.json"), identity).expect("a file");
    rewrite(&backup, &[]);
    assert!(check(&backup).is_ok());
    for (name, bytes) in contents(&backup) {
        let path = backup.join(&name);
        let refused = |other: &[u8], what: &str| {
            fs::write(&path, other).expect("a file");
            let Err(error) = check(&backup) else {
                panic!("{name}: {what} is accepted");
            };
            // What the manifest does not fit any more is named instead of it.
            let is_named = error.subject.ends_with(&name) || name == "MANIFEST.json";
            assert!(
                is_named && error.subject.starts_with(&*backup.to_string_lossy()),
                "{error:?}"
            );
        };
        for length in 0..bytes.len() {
            refused(&bytes[..length], &format!("length {length}"));
        }
        let mut other = bytes.clone();
        for bit in 0..8 * bytes.len() {
            other[bit / 8] ^= 1 << (bit % 8);
            refused(&other, &format!("bit {bit}"));
            other[bit / 8] ^= 1 << (bit % 8);
        }
        refused(&[&bytes[..], b"\n"].concat(), "a line feed");
        fs::write(&path, &bytes).expect("a file");
    }
    assert!(check(&backup).is_ok());
}

/// Refused with these words, and nothing is written anywhere.
#[track_caller]
fn refused(world: &World, owner: &Device, work: &Path, words: &str, texts: &[&str]) {
    let before: Listing = listing(&world.root);
    owner
        .kagi(work, words)
        .fails(texts)
        .says(&["nothing was written"]);
    let after: Listing = listing(&world.root);
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert!(after == before, "something was written");
}

#[test]
fn a_damaged_backup_is_named_and_nothing_is_written() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    for name in FILES {
        let path = backup.join(name);
        let bytes = fs::read(&path).expect("a file");
        let shown = if name == "MANIFEST.json" {
            "\"../bak/"
        } else {
            &format!("\"../bak/{name}\"")
        };
        let mut other = bytes.clone();
        other[bytes.len() / 2] ^= 1;
        let damaged = [
            &other[..],
            &bytes[..bytes.len() - 1],
            b"",
            &[&bytes[..], b"x"].concat(),
        ];
        for damaged in damaged {
            fs::write(&path, damaged).expect("a file");
            refused(&world, &owner, &work, "restore --yes -f ../bak", &[shown]);
        }
        fs::remove_file(&path).expect("a file");
        refused(
            &world,
            &owner,
            &work,
            "restore --yes -f ../bak",
            &["there is no", shown],
        );
        let target = world.root.join("target");
        fs::write(&target, &bytes).expect("a file");
        symlink(&target, &path).expect("a link");
        refused(&world, &owner, &work, "restore --yes -f ../bak", &[shown]);
        fs::remove_file(&path).expect("a file");
        fs::write(&path, &bytes).expect("a file");
        fs::remove_file(target).expect("a file");
    }
    owner.kagi(&work, "restore --yes -f ../bak").ok();
}

fn put(backup: &Path, name: &str) {
    let path = backup.join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    fs::write(path, "x").expect("a file");
}

fn edit(backup: &Path, change: impl Fn(&str) -> String) {
    let path = backup.join("MANIFEST.json");
    let text = fs::read_to_string(&path).expect("a file");
    assert_ne!(change(&text), text, "no change");
    fs::write(path, change(&text)).expect("a file");
}

/// What is done, what the refusal says, and how it is done.
type Attack = (&'static str, &'static str, fn(&Path));

/// Backups whose manifest fits them, and which must be refused all the same.
fn files_out_of_place() -> Vec<Attack> {
    vec![
        ("a path that leads out", "belongs to no project", |it| {
            rewrite(it, &[("kagi/../../evil", b"x")]);
        }),
        (
            "a path that leads out of a service",
            "belongs to no project",
            |it| {
                rewrite(it, &[("kagi/secrets/../evil.enc", b"x")]);
            },
        ),
        ("an absolute path", "belongs to no project", |it| {
            rewrite(it, &[("/tmp/evil", b"x")]);
        }),
        ("an absolute path below", "belongs to no project", |it| {
            rewrite(it, &[("kagi//tmp/evil.enc", b"x")]);
        }),
        ("a backslash", "belongs to no project", |it| {
            rewrite(it, &[(r"kagi\\evil", b"x")]);
        }),
        ("a hook of Git", "belongs to no project", |it| {
            put(it, "kagi/.git/hooks/pre-commit");
            rewrite(it, &[]);
        }),
        ("a strange name", "belongs to no project", |it| {
            put(it, "kagi/plain.env");
            rewrite(it, &[]);
        }),
        ("a place that may not be", "belongs to no project", |it| {
            put(it, "kagi/secrets/con/a.enc");
            rewrite(it, &[]);
        }),
        (
            "a file that is not listed",
            "MANIFEST.json does not list it",
            |it| {
                put(it, "kagi/secrets/app/production.enc");
            },
        ),
        (
            "a file at the top",
            "MANIFEST.json does not list it",
            |it| put(it, "more"),
        ),
        (
            "an identity that is not listed",
            "MANIFEST.json does not list it",
            |it| {
                put(it, "identity.json");
            },
        ),
        (
            "a directory too deep",
            "MANIFEST.json does not list it",
            |it| {
                put(it, "kagi/secrets/app/deep/more.enc");
            },
        ),
        (
            "a linked directory",
            "MANIFEST.json does not list it",
            |it| {
                fs::rename(it.join("kagi/secrets"), it.join("../elsewhere")).expect("a rename");
                symlink("../../elsewhere", it.join("kagi/secrets")).expect("a link");
            },
        ),
    ]
}

/// Manifests that say what may not be.
fn manifests() -> Vec<Attack> {
    vec![
        ("a listed file twice", "not sorted", |it| {
            edit(it, |text| {
                let (start, end) = (
                    text.find("    {").expect("a file"),
                    text.find("    },\n").expect("one"),
                );
                format!("{}{}", &text[..end + 7], &text[start..])
            });
        }),
        ("another format", "a newer one wrote it", |it| {
            edit(it, |text| {
                text.replacen("\"format\": 1", "\"format\": 2", 1)
            });
        }),
        (
            "another project",
            "it names another project than kagi.json",
            |it| {
                let id = project_of(it);
                edit(it, |text| text.replacen(&id, "kgp_aaaaaaaaaaaaaaaaaaaa", 1));
            },
        ),
        ("no project id", "project id is malformed", |it| {
            edit(it, |text| text.replacen("kgp_", "kgm_", 1));
        }),
        ("no kagi.json", "it lists no kagi.json", |it| {
            fs::remove_file(it.join("kagi/access.json")).expect("a file");
            rewrite(it, &[]);
        }),
        ("a file that is too large", "is too large", |it| {
            rewrite(it, &[]);
            edit(it, |text| {
                let at = text.find("\"bytes\": ").expect("a size") + 9;
                format!(
                    "{}4097{}",
                    &text[..at],
                    &text[at + text[at..].find(',').expect("an end")..]
                )
            });
        }),
        (
            "another member in the manifest",
            "not in canonical form",
            |it| {
                edit(it, |text| {
                    text.replacen("\n  \"files\"", "\n  \"more\": 1,\n  \"files\"", 1)
                });
            },
        ),
        ("a kagi.json that may not be", "kagi.json", |it| {
            fs::write(
                it.join("kagi/kagi.json"),
                fs::read_to_string(it.join("kagi/kagi.json"))
                    .expect("it")
                    .replace("development", "../evil"),
            )
            .expect("a file");
            rewrite(it, &[]);
        }),
    ]
}

#[test]
fn a_backup_that_was_made_to_do_harm_is_refused() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    for (what, why, attack) in [files_out_of_place(), manifests()].concat() {
        let evil = world.root.join("evil-backup");
        common::copy(&backup, &evil);
        attack(&evil);
        println!("{what}");
        refused(
            &world,
            &owner,
            &work,
            "restore --yes -f ../evil-backup",
            &[why],
        );
        fs::remove_dir_all(&evil).expect("a directory");
        let _ = fs::remove_dir_all(world.root.join("elsewhere"));
    }
    refused(
        &world,
        &owner,
        &work,
        "restore --yes -f ../nosuch",
        &["there is no"],
    );
}

#[test]
fn too_many_files_are_refused_before_they_are_read() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    let files: Vec<String> = (0..=10_000)
        .map(|at| format!("kagi/secrets/s{at:05}/a.enc"))
        .collect();
    let hash = "0".repeat(64);
    let listed: Vec<_> = files
        .iter()
        .map(|path| (path.as_str(), 1, hash.as_str()))
        .collect();
    let text = manifest(&project_of(&backup), &listed);
    fs::write(backup.join("MANIFEST.json"), text).expect("a file");
    refused(
        &world,
        &owner,
        &work,
        "restore --yes -f ../bak",
        &["10,000 files"],
    );
    let large: Vec<_> = listed[..40]
        .iter()
        .map(|(path, _, hash)| (*path, 33_000_000, *hash))
        .collect();
    let text = manifest(&project_of(&backup), &large);
    fs::write(backup.join("MANIFEST.json"), text).expect("a file");
    refused(&world, &owner, &work, "restore --yes -f ../bak", &["1 GiB"]);
}

#[test]
fn a_project_that_is_there_is_kept_and_nothing_is_replaced_unasked() {
    let world = World::new();
    let (owner, work, _) = backed_up(&world);
    owner.kagi(&work, "set TOKEN newer").ok();
    let newer = contents(&work.join(".kagi"));
    owner
        .kagi(&work, "restore -f ../bak")
        .fails(&["not confirmed; nothing was changed"]);
    owner
        .kagi(&work, "restore -f ../bak app KEY")
        .fails(&["restore needs a backup, and no words"]);
    owner.kagi(&work, "restore").fails(&["kagi restore -f DIR"]);
    assert_eq!(contents(&work.join(".kagi")), newer);
    let outcome = owner.kagi(&work, "restore --yes -f ../bak").ok();
    outcome.says(&["kept the old project as", ".kagi.backup-1"]);
    assert_eq!(contents(&work.join(".kagi.backup-1")), newer);
    // The pin stays: that this is an older state is noted, and refused where that was asked for.
    assert_eq!(owner.values(&work, ""), pairs("TOKEN=hunter2"));
    let status = owner.kagi(&work, "status").ok().text();
    assert!(
        status.contains("is older than the state that this device has seen"),
        "{status}"
    );
    owner
        .kagi(&work, "run --strict -- true")
        .fails(&["is older than the state"]);
    owner
        .kagi(&work, "restore --yes -f ../bak")
        .ok()
        .says(&[".kagi.backup-2"]);

    // Below a project another one is made only if that is meant.
    let below = world.directory("work/below");
    owner
        .kagi(&below, "restore -f ../../bak")
        .fails(&["not confirmed"]);
    assert_eq!(contents(&below), BTreeMap::new());
    owner.kagi(&below, "restore --yes -f ../../bak").ok();
    assert_eq!(owner.values(&below, ""), pairs("TOKEN=hunter2"));
}

#[test]
fn another_project_in_a_known_checkout_is_not_opened_unasked() {
    let world = World::new();
    let (owner, _, _) = backed_up(&world);
    let other = world.directory("other");
    owner.kagi(&other, "init --name owner").ok();
    owner.kagi(&other, "restore --yes -f ../bak").ok();
    let outcome = owner.kagi(&other, "run -- true");
    outcome.fails(&["held another project before", "hint: kagi trust"]);
}

/// A backup with the identity in it, as `--with-identity` makes it.
fn with_identity(world: &World, backup: &Path) -> Vec<u8> {
    let file = fs::read(world.root.join("home-owner/kagi/identity.json")).expect("a file");
    fs::write(backup.join("identity.json"), &file).expect("a file");
    rewrite(backup, &[]);
    file
}

#[test]
fn the_identity_comes_back_unless_there_is_another() {
    let world = World::new();
    let (owner, work, backup) = backed_up(&world);
    let words = "restore --yes -f ../bak --with-identity";
    refused(
        &world,
        &owner,
        &work,
        words,
        &["there is no \"../bak/identity.json\""],
    );
    let file = with_identity(&world, &backup);
    owner.kagi(&work, words).ok().says(&[&format!(
        "this device is {} already",
        identity_of(&owner).id
    )]);

    let new = world.device("new");
    let clone = world.directory("clone");
    new.kagi(&clone, "restore -f ../bak").ok();
    assert!(!new.kagi_home().exists(), "the identity was not asked for");
    new.kagi(&clone, words).ok().says(&["cannot be told apart"]);
    let kept = new.kagi_home().join("identity.json");
    assert_eq!(fs::read(&kept).expect("a file"), file);
    assert_eq!(
        fs::metadata(&kept).expect("a file").permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(new.values(&clone, ""), pairs("TOKEN=hunter2"));

    let other = world.device("other");
    let elsewhere = world.directory("elsewhere");
    other.kagi(&elsewhere, "init --name other").ok();
    let hint = "hint: kagi identity import --force --file \"../bak/identity.json\"";
    refused(
        &world,
        &other,
        &elsewhere,
        words,
        &["another identity already", hint],
    );
    // One that fits the manifest and nothing else.
    let stranger = Identity::new(Key::new([1; 32]));
    let wrong = String::from_utf8(file).expect("ASCII");
    let wrong = wrong.replace(
        &HEX.encode(&identity_of(&owner).public),
        &HEX.encode(&stranger.public),
    );
    fs::write(backup.join("identity.json"), wrong).expect("a file");
    rewrite(&backup, &[]);
    let third = world.device("third");
    refused(
        &world,
        &third,
        &world.directory("third"),
        words,
        &["\"../bak/identity.json\""],
    );
}
