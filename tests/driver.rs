//! The merge driver and the textconv, in real repositories: what Git's merge, cherry-pick, revert,
//! rebase and stash do to each key, where the driver is set up and where it cannot run.
//!
//! What must hold: with the driver every key is what Git means, and a real conflict is reported to
//! Git; without it, or where it cannot merge, nothing is lost; a value never shows.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, access_of, admit, identity_of, listing, outcome, pairs};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const SCOPE: &str = ".kagi/secrets/app/development.enc";
/// No shell, glob or attribute word may be taken for one.
const ODD: &str = "a [b] *c \"d\" 'e' \\f";

/// A repository, its project (which may be below it), and the two members.
struct Repository {
    world: World,
    ada: Device,
    bob: Device,
    top: PathBuf,
    path: PathBuf,
}

/// The same device, which finds the program under test as `kagi`.
fn with_kagi(world: &World, mut device: Device) -> Device {
    let programs = world.directory("programs");
    let link = programs.join("kagi");
    if !link.exists() {
        symlink(common::program(), link).expect("a link");
    }
    let path = std::env::var("PATH").expect("a path");
    device
        .variables
        .push(("PATH", format!("{}:{path}", programs.display())));
    device
}

fn without_kagi(device: &Device) -> Device {
    let mut device = device.clone();
    device.variables.retain(|(name, _)| *name != "PATH");
    device
}

impl Repository {
    fn new() -> Self {
        Repository::below("")
    }

    /// With `A=0 B=0 C=0`, committed.
    fn below(directory: &str) -> Self {
        let world = World::new();
        let ada = with_kagi(&world, world.device("Ada"));
        let top = world.directory("repository");
        let path = top.join(directory);
        fs::create_dir_all(&path).expect("a directory");
        ada.git(&top, "init -q").ok();
        let init = "init --name Ada --envs=development,production";
        ada.kagi(&path, init)
            .ok()
            .says(&["set up Git in this clone"]);
        for key in ["A", "B", "C"] {
            ada.kagi(&path, &format!("set {key} 0")).ok();
        }
        let bob = with_kagi(&world, admit(&world, &ada, "Bob", &path));
        ada.commit(&top, "base");
        Repository {
            world,
            ada,
            bob,
            top,
            path,
        }
    }

    fn git(&self, words: &str) -> Outcome {
        self.ada.git(&self.path, words)
    }

    fn kagi(&self, words: &str) -> Outcome {
        self.ada.kagi(&self.path, words)
    }

    fn commits(&self, device: &Device, commands: &[&str]) {
        for command in commands {
            device.kagi(&self.path, command).ok();
            device.commit(&self.path, "change");
        }
    }

    fn branch(&self, device: &Device, name: &str, from: &str, commands: &[&str]) {
        self.git(&format!("checkout -q -b {name} {from}")).ok();
        self.commits(device, commands);
    }

    /// What `run` hands over, to either of them, and that there is nothing to say of it.
    #[track_caller]
    fn holds(&self, expected: &str) {
        for device in [&self.ada, &self.bob] {
            assert_eq!(device.values(&self.path, ""), pairs(expected));
        }
        let text = fs::read_to_string(self.path.join(SCOPE)).expect("a scope");
        assert_eq!(text.matches("\nbox ").count(), 1);
        self.bob
            .kagi(&self.path, "run -- true")
            .ok()
            .says_not(&["note"]);
    }
}

#[test]
fn a_revert_of_any_commit_takes_back_just_that() {
    let repository = Repository::new();
    let commands = ["set A 1", "set B 2", "unset C --yes", "set D 4"];
    repository.commits(&repository.ada, &commands);
    repository.git("revert --no-edit HEAD~3").ok();
    repository.holds("A=0 B=2 D=4");
    repository.git("revert --no-edit HEAD~2").ok();
    repository.holds("A=0 B=2 C=0 D=4");
    repository.git("revert --no-edit HEAD~2").ok();
    repository.holds("A=0 B=2 C=0");
    // And the revert of a revert.
    repository.git("revert --no-edit HEAD").ok();
    repository.holds("A=0 B=2 C=0 D=4");
}

#[test]
fn a_cherry_pick_takes_one_change_and_a_later_merge_the_others() {
    let repository = Repository::new();
    let commands = ["set A 1", "set B 2", "set A 3"];
    repository.branch(&repository.bob, "topic", "main", &commands);
    repository.git("checkout -q main").ok();
    repository.git("cherry-pick topic~1").ok();
    repository.holds("A=0 B=2 C=0");
    repository.commits(&repository.ada, &["set C 5"]);
    repository.git("merge -q -m merge topic").ok();
    repository.holds("A=3 B=2 C=5");
    // A clone that merges by lines has lost nothing of it either.
    let repository = Repository::new();
    repository.branch(&repository.bob, "topic", "main", &commands);
    repository.git("checkout -q main").ok();
    repository.git("cherry-pick topic~1").ok();
    let stock = without_kagi(&repository.ada);
    stock.git(&repository.path, "merge -q -m merge topic").ok();
    assert_eq!(stock.values(&repository.path, ""), pairs("A=3 B=2 C=0"));
}

#[test]
fn a_rebase_and_a_merge_of_merges() {
    let repository = Repository::new();
    let left = ["set A 1", "set B 2", "set A 3", "unset C --yes"];
    repository.branch(&repository.ada, "left", "main", &left);
    repository.branch(&repository.bob, "right", "main", &["set D 4", "set E 5"]);
    repository.git("checkout -q left").ok();
    repository.git("rebase -q right").ok();
    repository.holds("A=3 B=2 D=4 E=5");
    repository.branch(
        &repository.ada,
        "third",
        "main",
        &["set F 6", "unset B --yes"],
    );
    repository.git("merge -q -m merge right").ok();
    repository.holds("A=0 C=0 D=4 E=5 F=6");
    // The set of B wins over its deletion.
    repository.git("merge -q -m merge left").ok();
    repository.holds("A=3 B=2 D=4 E=5 F=6");
}

/// Two merge bases: Git merges these first, with the same driver.
#[test]
fn a_criss_cross_merge() {
    for (right, expected) in [("set B 2", Some("A=1 B=2 C=3 D=4")), ("set A 2", None)] {
        let repository = Repository::new();
        repository.branch(&repository.ada, "left", "main", &["set A 1"]);
        repository.branch(&repository.bob, "right", "main", &[right]);
        for (onto, other, next) in [("left", "right", "set C 3"), ("right", "left~2", "set D 4")] {
            repository.git(&format!("checkout -q {onto}")).ok();
            let merged = repository.git(&format!("merge -q -m merge {other}"));
            if expected.is_none() {
                merged.fails(&["is in conflict"]);
                repository.kagi("resolve --take 1").ok();
                repository.ada.commit(&repository.path, "resolved");
            }
            repository.commits(&repository.ada, &[next]);
        }
        let bases = repository.git("merge-base --all left right").ok().text();
        assert_eq!(bases.lines().count(), 2);
        let merged = repository.git("merge -q -m merge left");
        if let Some(expected) = expected {
            merged.ok();
            repository.holds(expected);
            continue;
        }
        // Each has chosen for itself; whether they agree or not, everything is there.
        if merged.code != Some(0) {
            repository
                .kagi("run -- true")
                .fails(&["\"A\" in app/development"]);
            repository.kagi("resolve --take 1").ok();
        }
        let values = repository.ada.values(&repository.path, "");
        let others: Vec<_> = ["B", "C", "D"]
            .iter()
            .map(|key| values[*key].as_str())
            .collect();
        assert!(
            values.contains_key("A") && others == ["0", "3", "4"],
            "{values:?}"
        );
    }
}

#[test]
fn a_stash_comes_back() {
    let repository = Repository::new();
    repository.branch(
        &repository.bob,
        "right",
        "main",
        &["set B 2", "unset C --yes"],
    );
    repository.git("checkout -q main").ok();
    repository.kagi("set A 1").ok();
    repository.git("stash -q").ok();
    repository.git("merge -q right").ok();
    repository.git("stash pop -q").ok();
    repository.holds("A=1 B=2");
}

#[test]
fn a_conflict_is_reported_to_git_and_resolve_ends_it() {
    let repository = Repository::new();
    let left = ["set A 1", "set B 1", "set D 1"];
    repository.branch(&repository.ada, "left", "main", &left);
    repository.branch(&repository.bob, "right", "main", &["set A 2", "set C 2"]);
    repository
        .git("merge -q left")
        .fails(&["A in app/development is in conflict: kagi resolve app development"]);
    assert_eq!(
        repository.git("status --porcelain").ok().text(),
        format!("UU {SCOPE}\n")
    );
    repository
        .kagi("run -- true")
        .fails(&["\"A\" in app/development has different values"]);
    repository
        .kagi("resolve")
        .fails(&["1 of 1 keys"])
        .says(&["\"A\""])
        .says_not(&["\"B\"", "\"D\""]);
    repository
        .kagi("doctor")
        .fails(&[])
        .says_not(&["checkout --ours"]);
    repository.kagi("resolve --take A=1").ok();
    repository.ada.commit(&repository.path, "resolved");
    let seen = repository.ada.values(&repository.path, "");
    assert!(seen == pairs("A=1 B=1 C=2 D=1") || seen == pairs("A=2 B=1 C=2 D=1"));
    // The choice holds against both sides, with and without the driver.
    for branch in ["left", "main"] {
        repository.git(&format!("merge -q {branch}")).ok();
    }
    let stock = without_kagi(&repository.bob);
    stock.git(&repository.path, "checkout -q left").ok();
    repository.commits(&stock, &["set E 5"]);
    stock.git(&repository.path, "merge -q -m merge right").ok();
    let mut expected = seen;
    expected.extend(pairs("E=5"));
    assert_eq!(stock.values(&repository.path, ""), expected);
}

/// Two people, two homes, two clones of one bare repository, and what they would type.
#[test]
fn two_clones_of_a_bare_repository() {
    let repository = Repository::new();
    let (world, ada, one) = (&repository.world, &repository.ada, &repository.path);
    let bare = world.root.join("bare");
    repository
        .git(&format!("clone -q --bare . {}", bare.display()))
        .ok();
    repository
        .git(&format!("remote add origin {}", bare.display()))
        .ok();
    repository.git("fetch -q").ok();
    repository.git("branch -q -u origin/main").ok();
    let two = world.root.join("two");
    let bob = with_kagi(world, world.device("Bea"));
    bob.git(&world.root, &format!("clone -q {} two", bare.display()))
        .ok();
    let id = identity_of(ada).id;
    let joined = bob
        .kagi(&two, &format!("member join --name Bea --trust {id}"))
        .ok();
    let own = identity_of(&bob).id;
    joined.says(&["set up Git in this clone"]);
    bob.commit(&two, "join");
    bob.git(&two, "push -q").ok();
    ada.git(one, "pull -q --ff-only").ok();
    ada.kagi(one, &format!("member approve {own}")).ok();
    ada.commit(one, "approved");
    ada.git(one, "push -q").ok();
    bob.git(&two, "pull -q --ff-only").ok();
    assert_eq!(bob.values(&two, ""), pairs("A=0 B=0 C=0"));
    // Each works on; the second to push merges, or rebases.
    for (at, pull) in ["pull -q --no-rebase --no-edit", "pull -q --rebase"]
        .iter()
        .enumerate()
    {
        let at = at + 1;
        for key in ["A", "D"] {
            ada.kagi(one, &format!("set {key} {at}")).ok();
            ada.commit(one, "change");
        }
        ada.git(one, "push -q").ok();
        bob.kagi(&two, &format!("set B {at}{at}")).ok();
        bob.commit(&two, "change");
        bob.kagi(&two, &format!("set E {at}{at}")).ok();
        bob.commit(&two, "change");
        bob.git(&two, "push -q").fails(&[]);
        bob.git(&two, pull).ok();
        bob.git(&two, "push -q").ok();
        ada.git(one, "pull -q --ff-only").ok();
        for (device, path) in [(ada, one), (&bob, &two)] {
            let expected = format!("A={at} B={at}{at} C=0 D={at} E={at}{at}");
            assert_eq!(device.values(path, ""), pairs(&expected));
            device.kagi(path, "run -- true").ok().says_not(&["note"]);
        }
    }
    let log = bob.kagi(&two, "log E").ok().text();
    assert_eq!(log.matches("  Bea  ").count(), 2, "{log}");
    // The same key: Git stops, somebody chooses, and the other one gets that.
    ada.kagi(one, "set C 1").ok();
    ada.commit(one, "change");
    ada.git(one, "push -q").ok();
    bob.kagi(&two, "set C 2").ok();
    bob.commit(&two, "change");
    bob.git(&two, "pull -q --rebase")
        .fails(&["C in app/development is in conflict"]);
    bob.kagi(&two, "resolve --take 1").ok();
    bob.git(&two, "add -A").ok();
    bob.git(&two, "rebase --continue").ok();
    bob.git(&two, "push -q").ok();
    ada.git(one, "pull -q --ff-only").ok();
    assert_eq!(ada.values(one, ""), bob.values(&two, ""));
}

#[test]
fn a_service_that_both_have_made() {
    let repository = Repository::new();
    repository.branch(&repository.ada, "left", "main", &["set web A 1"]);
    repository.branch(&repository.bob, "right", "main", &["set web B 2"]);
    repository.git("merge -q -m merge left").ok();
    let values = repository.ada.values(&repository.path, "web");
    assert_eq!(values, pairs("A=1 B=2"));
}

/// Whoever cannot merge by key merges by line, as if nothing were set up.
#[test]
fn where_the_driver_cannot_run_nothing_is_lost() {
    for reason in ["no kagi", "no keys", "broken", "other roster"] {
        let repository = Repository::new();
        repository.branch(&repository.ada, "left", "main", &["set A 1"]);
        repository.branch(&repository.bob, "right", "main", &["set B 2"]);
        let device = match reason {
            "no kagi" => without_kagi(&repository.ada),
            "no keys" => with_kagi(&repository.world, repository.world.device("Eve")),
            "broken" => {
                // An old one that has no such command, say.
                let programs = repository.world.directory("other");
                fs::write(programs.join("kagi"), "#!/bin/sh\nexit 2\n").expect("a script");
                outcome(
                    "chmod",
                    repository
                        .ada
                        .command("chmod", &programs)
                        .args(["+x", "kagi"]),
                )
                .ok();
                let mut device = without_kagi(&repository.ada);
                let path = std::env::var("PATH").expect("a path");
                device
                    .variables
                    .push(("PATH", format!("{}:{path}", programs.display())));
                device
            }
            _ => {
                let file = repository.path.join(".kagi/kagi.json");
                let text = fs::read_to_string(&file).expect("a file");
                fs::write(file, text.replace("\"sync\": \"\"", "\"sync\": \"x\"")).expect("a file");
                repository.ada.clone()
            }
        };
        device.git(&repository.path, "merge -q -m merge left").ok();
        repository.git("checkout -q -- .").ok();
        let text = fs::read_to_string(repository.path.join(SCOPE)).expect("a scope");
        assert_eq!(text.matches("\nbox ").count(), 2, "{reason}");
        let values = repository.ada.values(&repository.path, "");
        assert_eq!(values, pairs("A=1 B=2 C=0"), "{reason}");
    }
}

/// Boxes of two epochs are kept side by side: what was written under the old key is refused, and
/// taken over by `resolve --from`, with the driver as without it.
#[test]
fn a_rotation_beside_a_set() {
    let repository = Repository::new();
    repository.branch(&repository.bob, "stale", "main", &["set A 1"]);
    repository.git("checkout -q main").ok();
    repository.commits(&repository.ada, &["set B 2", "key rotate --yes", "set C 3"]);
    repository.git("merge -q -m merge stale").ok();
    repository
        .kagi("run -- true")
        .fails(&["in parallel to a rotation"]);
    repository.kagi("resolve --from stale").ok();
    repository.holds("A=1 B=2 C=3");
    repository.ada.commit(&repository.path, "resolved");
    // Within the new epoch the driver merges again.
    repository.branch(&repository.bob, "left", "main", &["set A 4"]);
    repository.git("checkout -q main").ok();
    repository.commits(&repository.ada, &["set B 5"]);
    repository.git("merge -q -m merge left").ok();
    repository.holds("A=4 B=5 C=3");
}

#[test]
fn a_damaged_scope_is_not_made_worse() {
    let repository = Repository::new();
    repository.branch(&repository.ada, "left", "main", &["set A 1"]);
    repository.branch(&repository.bob, "right", "main", &[]);
    let file = repository.path.join(SCOPE);
    let text = fs::read_to_string(&file)
        .expect("a scope")
        .replace("box ", "box x");
    fs::write(&file, text).expect("a scope");
    repository.ada.commit(&repository.path, "damaged");
    repository.git("merge -q -m merge left").ok();
    let text = fs::read_to_string(&file).expect("a scope");
    assert!(
        text.contains("\nbox x") && text.contains("\nbox 1."),
        "{text}"
    );
    repository
        .kagi("run -- true")
        .fails(&["is not in canonical form"]);
}

#[test]
fn odd_directories_subdirectories_and_worktrees() {
    for directory in [ODD, "sub", "!x", "#y", "-z"] {
        let repository = Repository::below(directory);
        repository.branch(&repository.ada, "left", "main", &["set A 1", "set B 1"]);
        repository.git("checkout -q main").ok();
        let worktree = repository.world.root.join("worktree");
        repository
            .git(&format!("worktree add -q {} left", worktree.display()))
            .ok();
        repository.commits(&repository.bob, &["set C 2"]);
        // In the worktree, from below the project's directory, and with `-C`.
        let below = worktree.join(directory);
        repository.ada.git(&below, "merge -q -m merge main").ok();
        repository
            .ada
            .git(&worktree, "revert --no-edit HEAD^1~1")
            .ok();
        assert_eq!(
            repository.ada.values(&below, ""),
            pairs("A=0 B=1 C=2"),
            "{directory}"
        );
        let text = fs::read_to_string(below.join(SCOPE)).expect("a scope");
        assert_eq!(text.matches("\nbox ").count(), 1, "{directory}");
        let diff = repository
            .ada
            .git(&worktree, "diff HEAD~1 HEAD")
            .ok()
            .text();
        assert!(diff.contains("\n+A  ********  version "), "{diff}");
        assert!(
            repository
                .ada
                .kagi(&below, "status")
                .ok()
                .text()
                .contains("key by key")
        );
    }
    // A sibling that only looks alike to a pattern is not meant.
    let repository = Repository::below("a[b]");
    let outcome = repository.ada.git(
        &repository.top,
        "check-attr merge -- ab/.kagi/secrets/a/b.enc",
    );
    assert!(outcome.ok().text().ends_with(": merge: unspecified\n"));
}

#[test]
fn the_setup_is_local_said_once_and_left_out_where_that_is_asked_for() {
    let repository = Repository::new();
    let attributes = repository.path.join(".git/info/attributes");
    assert_eq!(repository.git("status --porcelain").ok().text(), "");
    let before = fs::read_to_string(&attributes).expect("attributes");
    repository
        .kagi("doctor --fix")
        .ok()
        .says_not(&["set up Git"]);
    assert_eq!(fs::read_to_string(&attributes).expect("attributes"), before);
    // What is there stays, also without a line end.
    fs::write(&attributes, "*.png binary").expect("attributes");
    assert!(
        repository
            .kagi("status")
            .ok()
            .text()
            .contains("kagi doctor --fix")
    );
    repository
        .kagi("doctor")
        .ok()
        .says(&["note: Git merges scopes line by line here"]);
    repository
        .kagi("doctor --fix")
        .ok()
        .says(&["set up Git in this clone"]);
    let text = fs::read_to_string(&attributes).expect("attributes");
    assert_eq!(text, format!("*.png binary\n{before}"));
    // A setting that somebody has changed is set again.
    repository.git("config merge.kagi.driver true").ok();
    repository
        .kagi("doctor --fix")
        .ok()
        .says(&["set up Git in this clone"]);
    repository
        .kagi("doctor --fix")
        .ok()
        .says_not(&["set up Git"]);

    let clone = repository.world.root.join("clone");
    repository
        .git(&format!("clone -q . {}", clone.display()))
        .ok();
    let config = || fs::read_to_string(clone.join(".git/config")).expect("a configuration");
    repository
        .ada
        .kagi(&clone, "trust --no-git")
        .ok()
        .says_not(&["set up Git"]);
    assert!(!config().contains("merge-driver"));
    repository
        .ada
        .kagi(&clone, "trust")
        .ok()
        .says(&["set up Git in this clone"]);
    assert!(config().contains("kagi merge-driver"));
    // Outside of Git there is nothing to set up.
    let plain = repository.world.directory("plain");
    repository
        .ada
        .kagi(&plain, "init")
        .ok()
        .says_not(&["set up Git"]);
    assert!(
        !repository
            .ada
            .kagi(&plain, "status")
            .ok()
            .text()
            .contains("Git")
    );
    let other = repository.world.directory("other");
    repository.ada.git(&other, "init -q").ok();
    repository
        .ada
        .kagi(&other, "init --no-git")
        .ok()
        .says_not(&["set up Git"]);
    assert!(!other.join(".git/info/attributes").exists());
}

#[test]
fn a_diff_names_keys_and_never_a_value() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A hunter2", "unset B --yes"]);
    let diff = repository.git("diff HEAD~2").ok().text();
    assert!(
        diff.contains("\n-A  ********  version 1, by Ada at 20"),
        "{diff}"
    );
    assert!(
        diff.contains("\n+A  ********  version 2, by Ada at 20"),
        "{diff}"
    );
    assert!(diff.contains("\n-B  ********"), "{diff}");
    assert!(
        !diff.contains("hunter2") && !diff.contains("\n+box"),
        "{diff}"
    );
    // Without keys, or without kagi, the file's own lines.
    let eve = with_kagi(&repository.world, repository.world.device("Eve"));
    let diff = eve.git(&repository.path, "diff HEAD~2").ok().text();
    assert!(
        diff.contains("\n-key A 1\n") && diff.contains("\n+key A 2\n"),
        "{diff}"
    );
    assert!(diff.contains("\n+box 1.") && diff.len() < 2000, "{diff}");
    let stock = without_kagi(&eve);
    let diff = stock.git(&repository.path, "diff HEAD~2").ok().text();
    assert!(diff.contains("\n+key A 2\n"), "{diff}");
}

/// `.gitattributes` is everybody's to write, the configuration is not: what is named like the driver
/// gets nothing that `merge=union` would not give, and hides nothing.
#[test]
fn other_files_with_the_drivers_attributes() {
    let repository = Repository::new();
    let write = |text: &str| fs::write(repository.path.join("evil.js"), text).expect("a file");
    let attributes = "*.js merge=kagi diff=kagi\n.kagi/** -diff merge=binary\n";
    fs::write(repository.path.join(".gitattributes"), attributes).expect("attributes");
    write("one\ntwo\nthree\nfour\n");
    repository.ada.commit(&repository.path, "file");
    repository.git("checkout -q -b left").ok();
    write("one\nleft\nthree\nfour\n");
    repository.commits(&repository.ada, &["set A 1"]);
    repository.git("checkout -q main").ok();
    write("one\nright\nthree\nfour\n");
    repository.commits(&repository.bob, &["set B 1"]);
    let diff = repository.git("diff HEAD~1 HEAD").ok().text();
    assert!(
        diff.contains("\n+right\n") && diff.contains("\n+B  ****"),
        "{diff}"
    );
    repository.git("merge -q -m merge left").ok();
    let text = fs::read_to_string(repository.path.join("evil.js")).expect("a file");
    assert_eq!(text, "one\nright\nleft\nthree\nfour\n");
    repository.holds("A=1 B=1 C=0");
    // A header alone makes no scope.
    let header = fs::read_to_string(repository.path.join(SCOPE)).expect("a scope");
    let header = header.lines().next().expect("a header");
    write(&format!("{header}\nevil\n"));
    assert!(repository.git("diff").ok().text().contains("\n+evil\n"));
}

#[test]
fn the_driver_by_itself() {
    let repository = Repository::new();
    let scope = repository.path.join(SCOPE);
    let before = listing(&repository.world.root);
    let three = format!("{0} {0} {0}", scope.display());
    for (words, code) in [
        (format!("merge-driver {three} {SCOPE}"), 0),
        (format!("merge-driver {three} ../{SCOPE}"), 3),
        (format!("merge-driver {three} .kagi/kagi.json"), 3),
        (
            format!("merge-driver {three} .kagi/secrets/app/production.enc"),
            3,
        ),
        (format!("merge-driver {three} README"), 3),
        (format!("merge-driver {three}"), 3),
        ("merge-driver nosuch nosuch nosuch nosuch".into(), 3),
    ] {
        assert_eq!(repository.kagi(&words).code, Some(code), "{words}");
    }
    assert!(
        before == listing(&repository.world.root),
        "something was written"
    );
    repository.kagi("textconv nosuch").fails(&["nosuch"]);
    let help = repository.kagi("help").ok().text();
    assert!(
        !help.contains("textconv") && !help.contains("merge-driver"),
        "{help}"
    );
}

/// A project of another name in the same checkout, or an older epoch than the pin's, is no reason to
/// open what this device would refuse otherwise.
#[test]
fn the_driver_pins_nothing_and_asks_nothing() {
    let repository = Repository::new();
    repository.branch(&repository.ada, "left", "main", &["set A 1"]);
    repository.branch(&repository.bob, "right", "main", &["set B 2"]);
    let homes = || listing(&repository.ada.home);
    let before = homes();
    repository.git("merge -q -m merge left").ok();
    repository.git("diff HEAD~1").ok();
    assert!(before == homes(), "a pin was written");
    let (config, ..) = access_of(&repository.ada, &repository.path);
    let clone = repository.world.root.join("clone");
    repository
        .git(&format!("clone -q . {}", clone.display()))
        .ok();
    let pin = repository
        .ada
        .kagi_home()
        .join(format!("projects/{}", config.project));
    fs::remove_dir_all(pin).expect("a pin");
    let before = homes();
    repository.ada.git(&clone, "log --oneline").ok();
    repository
        .ada
        .kagi(&clone, &format!("textconv {SCOPE}"))
        .ok();
    assert!(before == homes(), "a pin was written");
}
