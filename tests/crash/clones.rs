//! What Git does between a rotation that was stopped and the next change, or while one runs.

use super::common::{self, Device, World, copy, find_program, identity_of, program};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

const INIT: &str = "init --name Ada --envs=development,production --yes";

/// What somebody does with Git between a rotation that was stopped and the next change.
const MEANWHILE: [&[&str]; 4] = [
    &["checkout -q .", "pull -q --no-rebase --no-edit"],
    &["stash -q", "pull -q --no-rebase --no-edit", "stash pop -q"],
    &["pull -q --no-rebase --no-edit"],
    &[
        "add -A",
        "commit -q -m rotated",
        "pull -q --no-rebase --no-edit",
    ],
];

/// Ada and Bob with a clone each; Bob has pushed a value that Ada has not pulled.
struct Clones {
    world: World,
    ada: Device,
    path: PathBuf,
    /// The line of the box that Bob wrote.
    sealed: String,
}

impl Clones {
    const SCOPE: &str = ".kagi/secrets/app/development.enc";
    const PLACES: [&str; 5] = ["bare", "work", "bob", "home-Ada", "home-Bob"];

    fn new() -> Self {
        let world = World::new();
        let (ada, bob) = (world.device("Ada"), world.device("Bob"));
        let (path, other) = (world.root.join("work"), world.root.join("bob"));
        ada.git(&world.root, "init -q --bare bare").ok();
        ada.git(&world.root, "clone -q bare work").ok();
        for words in [INIT, "set A 1", "set production P 1", "set web X 1"] {
            ada.kagi(&path, words).ok();
        }
        bob.kagi(&path, "member join --name Bob").ok();
        ada.kagi(&path, &format!("member approve {}", identity_of(&bob).id))
            .ok();
        ada.commit(&path, "begun");
        ada.git(&path, "push -q origin HEAD:main").ok();
        bob.git(&world.root, "clone -q -b main bare bob").ok();
        bob.kagi(&other, &format!("trust {}", identity_of(&ada).id))
            .ok();
        bob.kagi(&other, "set B 2").ok();
        bob.commit(&other, "more");
        bob.git(&other, "push -q").ok();
        ada.git(&path, "branch -q -M main").ok();
        ada.git(&path, "fetch -q").ok();
        ada.git(&path, "branch -q -u origin/main").ok();
        let text = fs::read_to_string(other.join(Self::SCOPE)).expect("a scope");
        let mut lines = text.lines();
        let sealed = lines.find(|line| line.starts_with("box ")).expect("a box");
        for name in Self::PLACES {
            copy(&world.root.join(name), &world.root.join("saved").join(name));
        }
        Clones {
            sealed: sealed.into(),
            world,
            ada,
            path,
        }
    }

    fn restore(&self) {
        for name in Self::PLACES {
            let path = self.world.root.join(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.world.root.join("saved").join(name), &path);
        }
    }

    /// Rotates, and is killed at a change of a file; `false` if there are not so many.
    fn rotate_until(&self, change: usize) -> bool {
        let mut command = self.ada.command("strace", &self.path);
        command.args(["-o", "/dev/null", "-e", "trace=/^rename", "-e"]);
        command.arg(format!("inject=/^rename:signal=SIGKILL:when={change}"));
        command.arg(program()).args(["key", "rotate", "--yes"]);
        let output = command.output().expect("strace");
        output.status.signal() == Some(9)
    }

    /// What Ada reads has everything that Git brought in, or names the file that still holds it.
    fn check(&self, what: &str) -> Result<bool, String> {
        let scope = fs::read_to_string(self.path.join(Self::SCOPE)).expect("a scope");
        let is_merged = self
            .ada
            .git(&self.path, "merge-base --is-ancestor origin/main HEAD");
        let is_merged = is_merged.code == Some(0);
        let run = self.ada.kagi(&self.path, "run -- env -0");
        let values = common::variables(&run.stdout);
        let has = |name, value| {
            values
                .get(name)
                .is_some_and(|found: &String| found == value)
        };
        match run.code {
            Some(0) if has("A", "1") && (has("B", "2") || !is_merged) => Ok(true),
            Some(0) => Err(format!("{what}: {values:?} of {scope}")),
            _ if is_merged && !scope.contains(&self.sealed) => {
                Err(format!("{what}: Bob's box is gone: {}", run.stderr))
            }
            _ if run.stderr.contains("\".kagi/") => Ok(false),
            _ => Err(format!("{what}: {}", run.stderr)),
        }
    }
}

#[test]
fn what_git_brings_in_while_a_rotation_is_stopped() {
    if find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let clones = Clones::new();
    let (mut count, mut refused, mut problems) = (0, 0, Vec::new());
    for (at, steps) in MEANWHILE.iter().enumerate() {
        for change in 1.. {
            clones.restore();
            if !clones.rotate_until(change) {
                assert!(change > 6, "a rotation of three scopes changes seven files");
                break;
            }
            for words in *steps {
                clones.ada.git(&clones.path, words);
            }
            count += 1;
            let what = format!("case {at}, stopped at change {change}");
            match clones.check(&what) {
                Err(problem) => problems.push(problem),
                Ok(false) => {
                    refused += 1;
                    clones
                        .ada
                        .kagi(&clones.path, "set N 1")
                        .fails(&["\".kagi/"]);
                    clones
                        .ada
                        .kagi(&clones.path, "key rotate --yes")
                        .fails(&["\".kagi/"]);
                    problems.extend(clones.check(&what).err());
                }
                Ok(true) => {
                    clones.ada.kagi(&clones.path, "set N 1").ok();
                    problems.extend(clones.check(&what).err());
                    clones.ada.kagi(&clones.path, "key rotate --yes").ok();
                    problems.extend(clones.check(&what).err());
                    let status = clones.ada.kagi(&clones.path, "status");
                    assert!(!(status.text() + &status.stderr).contains("another epoch"));
                }
            }
        }
    }
    common::say(&format!(
        "assured: crash: Git between {count} stopped rotations and the next change, {refused} refused"
    ));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Git does not know the lock: what it writes into a scope while a rotation runs stays in the file.
#[test]
fn what_git_brings_in_while_a_rotation_runs() {
    if find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let clones = Clones::new();
    // Stopped when it has renamed `access.json`, after the files of three scopes.
    let mut command = clones.ada.command("strace", &clones.path);
    command.args(["-o", "/dev/null", "-e", "trace=/^rename", "-e"]);
    command.arg("inject=/^rename:signal=SIGSTOP:when=4");
    command.arg(program()).args(["key", "rotate", "--yes"]);
    command.stderr(Stdio::null());
    let mut child = command.spawn().expect("strace");
    let read = |name| fs::read_to_string(clones.path.join(name)).expect("a file");
    let is_rotated = || read(".kagi/access.json").contains("\"epoch\": \"2.");
    let mut waits = 0..1000;
    while !is_rotated() && waits.next().is_some() {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(100));
    let (scope, text) = (clones.path.join(Clones::SCOPE), read(Clones::SCOPE));
    assert_eq!(text.matches("box ").count(), 2, "it was not stopped");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let id = fs::read_to_string(children).expect("a child");
    fs::write(&scope, format!("{text}{}\n", clones.sealed)).expect("a written file");
    let continued = Command::new("kill").args(["-CONT", id.trim()]).status();
    assert!(continued.expect("kill").success());
    assert!(child.wait().expect("its end").success());
    let text = fs::read_to_string(&scope).expect("a scope");
    assert!(text.contains(&clones.sealed), "Bob's box is gone");
    let refused = clones.ada.kagi(&clones.path, "run -- env -0");
    refused.fails(&[Clones::SCOPE, "in parallel to a rotation"]);
}
