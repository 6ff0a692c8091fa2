//! What a writer leaves that finds the disk really full.
//!
//! The project, another time `KAGI_HOME`, and another time the store of a server, lies on a small
//! file system in memory, of which a filler leaves so many pages of 4 KiB free: none, one, and so on,
//! up to the first number with which the command succeeds. What must hold at each step: the old state
//! or the new one is read, a success has the new one, a failure is told and is no panic, and with
//! space again the next write works and leaves no stray file. The server is in `crash/full_store.rs`.
//!
//! The mount is made in a namespace of its own by `unshare -rm`; where that is refused, nothing is
//! tried, and that is said.
#![cfg(target_os = "linux")]

mod common;
#[cfg(feature = "server")]
#[path = "crash/full_store.rs"]
mod full_store;
#[cfg(feature = "server")]
#[path = "common/serving.rs"]
mod serving;

use common::{Device, World, copy, find_program, identity_of, leftovers};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGE: u64 = 4096;
/// More than any command here needs.
const PAGES_MAX: u64 = 200;
const INIT: &str = "init --name Ada --envs=development,production --yes --no-git";
const INSIDE: &str = "KAGI_TEST_FULL_DISK";
/// What is on the full disk.
const PROJECT: &str = "project";
const HOME: &str = "home";
const STORE: &str = "store";

/// Commands, each of the state that `before` makes; `BOB` stands for the id of who asks to join.
const COMMANDS: [&str; 17] = [
    "set A 2",
    "set web X 1",
    "unset A --yes",
    "import --file more.env --force",
    "copy A B --to production",
    "move A --as C",
    "file add cert.pem",
    "file remove kept.pem --yes",
    "sync --example example.env",
    "env add staging",
    "env rename production live",
    "env del production --yes",
    "member approve BOB",
    "member rename Ada Eve",
    "key rotate --yes",
    "init --force --name Ada --yes --no-git",
    "uninit --yes",
];

/// A project on one file system, and its owner's home on another or the same.
struct Bench {
    world: World,
    ada: Device,
    path: PathBuf,
    bob: String,
    /// What is full.
    disk: PathBuf,
    saved: World,
}

impl Bench {
    fn new(disk: &Path, is_home_full: bool) -> Self {
        let (world, saved) = (World::new(), World::new());
        let (mut ada, bob) = (world.device("Ada"), world.device("Bob"));
        let mut path = world.root.join("work");
        let full = if is_home_full {
            &mut ada.home
        } else {
            &mut path
        };
        *full = disk.join("place");
        for directory in [&ada.home, &path] {
            fs::create_dir_all(directory).expect("a directory");
        }
        for (name, text) in [
            ("more.env", "A=3\nC=4\n"),
            ("example.env", "NEW=1\n"),
            ("cert.pem", &"a certificate\n".repeat(5000)),
            ("kept.pem", "another\n"),
        ] {
            fs::write(path.join(name), text).expect("a file");
        }
        for words in [
            INIT,
            "set A 1",
            "set B 2",
            "set production P 1",
            "file add kept.pem",
        ] {
            ada.kagi(&path, words).ok();
        }
        bob.kagi(&path, "member join --name Bob --no-git").ok();
        let bob = identity_of(&bob).id;
        copy(&path, &saved.root.join("work"));
        copy(&ada.home, &saved.root.join("home"));
        Bench {
            world,
            ada,
            path,
            bob,
            disk: disk.into(),
            saved,
        }
    }

    fn restore(&self) {
        for (name, path) in [("work", &self.path), ("home", &self.ada.home)] {
            fs::remove_dir_all(path).expect("it is there");
            copy(&self.saved.root.join(name), path);
        }
    }

    /// What is read; `None` without a project. Whatever is damaged fails here.
    fn state(&self, what: &str) -> Option<String> {
        if !self.path.join(".kagi").is_dir() {
            return None;
        }
        let mut text = String::new();
        for words in [
            "run -- env -0",
            "get --json",
            "member list",
            "env list",
            "file list --all",
        ] {
            let outcome = self.ada.kagi(&self.path, words);
            assert_eq!(outcome.code, Some(0), "{what}: {words}: {}", outcome.stderr);
            match words {
                "run -- env -0" => {
                    text.extend([format!("{:?}\n", common::variables(&outcome.stdout))]);
                }
                _ => text += &outcome.text(),
            }
        }
        let roster = fs::read_to_string(self.path.join(".kagi/access.json")).expect("a roster");
        let epoch = roster.split("\"epoch\": \"").nth(1).unwrap_or_default();
        text += epoch.split('.').next().unwrap_or_default();
        let is_same_always = |line: &&str| !line.contains("\"time\": ");
        Some(text.lines().filter(is_same_always).collect())
    }

    /// Steps the free space up to what a command needs; how often it failed.
    fn step(&self, words: &str) -> u64 {
        let words = words.replace("BOB", &self.bob);
        self.restore();
        let old = self.state(&words);
        self.ada.kagi(&self.path, &words).ok();
        let new = self.state(&words);
        assert!(old != new, "{words} changes nothing");
        for pages in 0..PAGES_MAX {
            self.restore();
            let filler = fill(&self.disk, pages);
            let outcome = self.ada.kagi(&self.path, &words);
            fs::remove_file(filler).expect("a filler");
            let what = format!("kagi {words}: {pages} pages free\n{}", outcome.stderr);
            let is_done = outcome.code == Some(0);
            let is_told = outcome.stderr.contains("kagi: error: ") && outcome.code == Some(1);
            assert!(is_done || is_told, "{what}{:?}", outcome.code);
            let now = self.state(&what);
            assert!(
                now == new || now == old && !is_done,
                "{what}{now:?}\n{old:?}\n{new:?}"
            );
            if now.is_some() {
                self.ada.kagi(&self.path, "set ZZ 1").ok();
                let stray = [leftovers(&self.path), leftovers(&self.ada.home)].concat();
                assert_eq!(stray, Vec::<PathBuf>::new(), "{what}");
            }
            if is_done {
                return pages;
            }
        }
        panic!("{words}: not even {PAGES_MAX} pages are enough");
    }
}

/// Leaves so many pages free.
fn fill(disk: &Path, pages: u64) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).expect("a file");
    let page = [b'x'; 4096];
    while file.write_all(&page).is_ok() {}
    let length = file.metadata().expect("a length").len() / PAGE * PAGE;
    file.set_len(length - pages * PAGE).expect("a shorter file");
    path
}

/// Not a test of its own: what runs in the namespace.
#[test]
fn the_part_in_a_namespace() {
    let Some(disk) = std::env::var_os(INSIDE).map(PathBuf::from) else {
        return;
    };
    let place = disk.file_name().expect("a name");
    // A server keeps all that was pushed.
    let size = if place == STORE {
        "size=16m"
    } else {
        "size=2m"
    };
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", size, "none"]).arg(&disk);
    assert!(command.status().expect("mount").success());
    #[cfg(feature = "server")]
    if place == STORE {
        return common::say(&full_store::try_all(&disk));
    }
    let is_home_full = place == HOME;
    let bench = Bench::new(&disk, is_home_full);
    let (mut failures, mut count) = (0, 0);
    for (at, words) in COMMANDS.iter().enumerate() {
        if common::is_full_scale() || at % 5 == 0 {
            failures += bench.step(words);
            count += 1;
        }
    }
    assert!(failures > 0, "it was not full");
    let place = if is_home_full {
        "KAGI_HOME"
    } else {
        "the project"
    };
    common::say(&format!(
        "assured: full disk: {count} commands with {place} on a full disk, {failures} tries failed with \
         too few pages of 4 KiB and each command succeeded in the end"
    ));
    drop(bench.world);
}

#[test]
fn each_step_of_a_disk_that_is_full() {
    let is_possible =
        |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    let world = World::new();
    let script = "mount -t tmpfs -o size=64k none \"$0\"";
    let mut probe = Command::new("unshare");
    probe.args(["-rm", "sh", "-c", script]).arg(&world.root);
    if find_program("unshare").is_none() || !is_possible(&mut probe) {
        return common::say("skipped: full disk: no namespace with a mount can be made");
    }
    let run = |place: &str| {
        let disk = world.directory(place);
        let mut command = Command::new("unshare");
        command
            .arg("-rm")
            .arg(std::env::current_exe().expect("this program"));
        command.args(["--exact", "the_part_in_a_namespace", "--test-threads=1"]);
        command.env(INSIDE, disk);
        let output = command.output().expect("unshare");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.find("assured: ").map(|at| text[at..].lines().next());
        common::say(line.flatten().expect("what was assured"));
    };
    std::thread::scope(|scope| {
        let home = scope.spawn(|| {
            run(HOME);
            if cfg!(feature = "server") {
                run(STORE);
            }
        });
        run(PROJECT);
        home.join().expect("a thread that ends well");
    });
}
