//! `key rotate` with the real program: what it writes is what FORMAT 9.10 says, and a scope that
//! would not be readable afterwards keeps it from beginning.

mod common;

use common::{Device, World, access_of, copy, listing, pairs};
use kagi::format::scope_file::{self, ScopeName};
use kagi::format::snapshot::{SNAPSHOT_BYTES_MAX, Snapshot, VALUE_BYTES_MAX};
use std::fs;
use std::path::{Path, PathBuf};

const ROSTER: &str = ".kagi/access.json";
const SCOPE: &str = ".kagi/secrets/app/development.enc";

fn project(world: &World) -> (Device, PathBuf) {
    let (ada, path) = (world.device("Ada"), world.directory("work"));
    ada.kagi(&path, "init --name Ada").ok();
    (ada, path)
}

/// The id and the content of the only box of the roster's epoch.
fn only_box(device: &Device, path: &Path) -> ([u8; 8], Snapshot) {
    let (config, _, access) = access_of(device, path);
    let name = ScopeName::values("app", "development");
    let bytes = fs::read(path.join(SCOPE)).expect("a scope");
    let file = scope_file::read(SCOPE, &bytes, &config.project, &name).expect("a scope");
    let key = access.scope_key(&name).expect("its key");
    let mut own = file.boxes.iter().filter(|one| one.epoch == key.epoch);
    let (sealed, next) = (own.next().expect("a box"), own.next());
    assert!(next.is_none(), "one box of the roster's epoch");
    (sealed.id(), sealed.open(&key).expect("of this epoch"))
}

fn count_of_boxes(path: &Path) -> usize {
    let text = fs::read_to_string(path.join(SCOPE)).expect("a scope");
    text.lines().filter(|line| line.starts_with("box ")).count()
}

#[test]
fn values_keep_the_epoch_in_which_they_were_set() {
    let world = World::new();
    let (ada, path) = project(&world);
    ada.kagi(&path, "set OLD 1").ok();
    ada.kagi(&path, "set DESCRIBED 1").ok();
    ada.kagi(&path, "set CHANGED 1").ok();
    let (replaced, before) = only_box(&ada, &path);
    ada.kagi(&path, "key rotate --yes").ok();
    let (rotated, after) = only_box(&ada, &path);
    assert_eq!(after.ancestors, [replaced]);
    assert_eq!(after.sequence, before.sequence + 1);
    for (old, new) in before.entries.iter().zip(&after.entries) {
        assert_eq!(
            (&old.name, old.version, old.time),
            (&new.name, new.version, new.time)
        );
        assert_eq!((new.epoch, new.writer), (1, [0; 8]), "{}", new.name);
    }
    ada.kagi(&path, "set CHANGED 2").ok();
    ada.kagi(&path, "set DESCRIBED 1 --desc now").ok();
    ada.kagi(&path, "key rotate --yes").ok();
    let (_, last) = only_box(&ada, &path);
    assert!(
        !last.ancestors.contains(&rotated),
        "a box of epoch 2 was written after it"
    );
    let epochs: Vec<_> = last
        .entries
        .iter()
        .map(|entry| (&*entry.name, entry.epoch))
        .collect();
    assert_eq!(epochs, [("CHANGED", 2), ("DESCRIBED", 1), ("OLD", 1)]);
}

/// The lines of two states of a scope's file, as a rotation has them in between.
fn both(before: &str, after: &str) -> String {
    let boxes = before.lines().filter(|line| line.starts_with("box "));
    let (head, last) = after.split_at(after.find("box ").expect("a box"));
    let boxes: Vec<_> = boxes.chain([last]).collect();
    format!("{head}{}", boxes.join("\n"))
}

#[test]
fn the_next_write_finishes_a_rotation_and_drops_nothing_of_a_newer_one() {
    let world = World::new();
    let (ada, path) = project(&world);
    ada.kagi(&path, "set KEY 1").ok();
    let home = world.root.join("home-before");
    copy(&ada.home, &home);
    let before = Device {
        home,
        ..ada.clone()
    };
    let (replaced, _) = only_box(&ada, &path);
    let read = |name: &str| fs::read_to_string(path.join(name)).expect("text");
    let (old_roster, old) = (read(ROSTER), read(SCOPE));
    ada.kagi(&path, "key rotate --yes").ok();
    let (new_roster, new) = (read(ROSTER), read(SCOPE));
    fs::write(path.join(ROSTER), &old_roster).expect("written");
    fs::write(path.join(SCOPE), both(&old, &new)).expect("written");
    let again = Device {
        home: world.root.join("home-again"),
        ..ada.clone()
    };
    copy(&before.home, &again.home);
    again.kagi(&path, "key rotate --yes").ok();
    assert_eq!(only_box(&again, &path).1.ancestors, [replaced]);
    for (device, roster, epoch, boxes) in [(&before, old_roster, 1, 2), (&ada, new_roster, 2, 1)] {
        fs::write(path.join(ROSTER), roster).expect("written");
        fs::write(path.join(SCOPE), both(&old, &new)).expect("written");
        assert_eq!(device.values(&path, ""), pairs("KEY=1"));
        device.kagi(&path, "set OTHER 2").ok();
        let (_, snapshot) = only_box(device, &path);
        let epochs: Vec<_> = snapshot.entries.iter().map(|entry| entry.epoch).collect();
        assert_eq!(epochs, [1, epoch], "KEY and OTHER");
        assert_eq!(count_of_boxes(&path), boxes);
        let remark = "holds a box of a newer epoch";
        let doctor = device.kagi(&path, "doctor");
        assert_eq!(doctor.stderr.contains(remark), boxes == 2);
        device.kagi(&path, "key rotate --yes").ok();
        assert_eq!(count_of_boxes(&path), 1);
    }
}

/// The first box of a scope has no ancestor, and that of a rotation has one.
#[test]
fn a_scope_that_would_be_too_large_keeps_its_key() {
    let world = World::new();
    let (ada, path) = project(&world);
    // What a snapshot holds beside the values, with names of two bytes and the author's id.
    let beside = 17 + 6 * (4 + 2 + 4 + 4 + 8 + 4 + 24 + 8 + 4 + 4);
    let last = SNAPSHOT_BYTES_MAX - beside - 5 * VALUE_BYTES_MAX;
    let line = |at: usize| {
        let length = if at < 5 { VALUE_BYTES_MAX } else { last };
        format!("K{at}={}\n", "x".repeat(length))
    };
    fs::write(path.join("large.env"), (0..6).map(line).collect::<String>()).expect("written");
    ada.kagi(&path, "import --file large.env -e development")
        .ok();
    assert_eq!(only_box(&ada, &path).1.encode().len(), SNAPSHOT_BYTES_MAX);
    let before = listing(&path);
    ada.kagi(&path, "key rotate --yes")
        .fails(&["6 MiB", "the key was not rotated"]);
    assert_eq!(listing(&path), before);
    ada.kagi(&path, "unset K5 --yes").ok();
    ada.kagi(&path, "key rotate --yes").ok();
    assert_eq!(only_box(&ada, &path).1.entries.len(), 5);
}
