//! What Git does to a project: two members, two branches, and every way in which Git brings them
//! together. Stock Git, without any set-up, and real repositories.
//!
//! What must hold: a merge is clean and loses nothing; what both have changed is refused until
//! somebody chooses; what Git stores and what it does to the files never shows or spoils a value.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, admit, listing, pairs};
use kagi::format::scope_file::BOXES_MAX;
use std::fs;
use std::path::{Path, PathBuf};

const ATTRIBUTES: &str = ".kagi/.gitattributes";
const SCOPE: &str = ".kagi/secrets/app/development.enc";

/// A repository on its branch `main`, and the two members of its project.
struct Repository {
    world: World,
    ada: Device,
    bob: Device,
    path: PathBuf,
}

impl Repository {
    /// With `BASE=0`, committed.
    fn new() -> Self {
        let world = World::new();
        let ada = world.device("Ada");
        let path = world.directory("repository");
        ada.kagi(&path, "init --name Ada --envs=development,production")
            .ok();
        ada.kagi(&path, "set BASE 0").ok();
        let bob = admit(&world, &ada, "Bob", &path);
        ada.git(&path, "init -q").ok();
        ada.commit(&path, "base");
        Repository {
            world,
            ada,
            bob,
            path,
        }
    }

    fn git(&self, words: &str) -> Outcome {
        self.ada.git(&self.path, words)
    }

    fn kagi(&self, words: &str) -> Outcome {
        self.ada.kagi(&self.path, words)
    }

    /// A new branch off another, with one commit a command.
    fn branch(&self, device: &Device, name: &str, from: &str, commands: &[&str]) {
        self.git(&format!("checkout -q -b {name} {from}")).ok();
        self.commits(device, commands);
    }

    fn commits(&self, device: &Device, commands: &[&str]) {
        for command in commands {
            device.kagi(&self.path, command).ok();
            device.commit(&self.path, "change");
        }
    }

    /// Ada's branch `left` and Bob's branch `right`, which is checked out.
    fn fork(&self, left: &str, right: &str) {
        self.branch(&self.ada, "left", "main", &[left]);
        self.branch(&self.bob, "right", "main", &[right]);
    }

    /// What `run` hands over, to either of them.
    #[track_caller]
    fn holds(&self, expected: &str) {
        for device in [&self.ada, &self.bob] {
            assert_eq!(device.values(&self.path, ""), pairs(expected));
        }
    }

    /// Every way to one value of `KEY` is refused and names both authors and times.
    #[track_caller]
    fn is_in_conflict(&self, key: &str) {
        let named = format!("\"{key}\" in app/development has different values: by ");
        let expected = [named.as_str(), "by Ada at 20", "by Bob at 20", "; by "];
        for words in ["run -- true", &format!("get {key}"), "get", "status"] {
            let outcome = self.kagi(words);
            if words == "status" {
                assert_eq!(outcome.code, Some(1));
                assert!(outcome.text().contains(&named));
            } else {
                outcome.fails(&expected);
            }
        }
        let json = self.kagi("get --json").text();
        assert!(json.contains("\"in_conflict\": true"), "{json}");
        self.kagi("set OTHER 1").fails(&[key]);
    }

    /// Sets `.kagi/.gitattributes` aside on `main`, as on a host that does not know it.
    fn without_attributes(&self) {
        fs::write(self.path.join(ATTRIBUTES), "").expect("a file");
        self.ada.commit(&self.path, "attributes");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path.join(name)).expect("a readable file")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).expect("a written file");
    }

    fn boxes(&self) -> usize {
        self.read(SCOPE).matches("\nbox ").count()
    }
}

#[test]
fn different_keys_merge_and_both_are_there() {
    let repository = Repository::new();
    repository.fork("set A 1", "set B 2");
    repository.git("merge -q left").ok();
    assert_eq!(repository.git("status --porcelain").ok().text(), "");
    assert_eq!(repository.boxes(), 2);
    repository.holds("A=1 B=2 BASE=0");
    repository.kagi("doctor").ok();
    repository.kagi("set C 3").ok();
    assert_eq!(repository.boxes(), 1);
    repository.holds("A=1 B=2 BASE=0 C=3");
}

#[test]
fn different_scopes_merge_as_well() {
    let repository = Repository::new();
    repository.fork("set web A 1", "set production B 2");
    repository.git("merge -q left").ok();
    repository.holds("BASE=0");
    let values = |words| repository.ada.values(&repository.path, words);
    assert_eq!(values("web"), pairs("A=1"));
    assert_eq!(values("production"), pairs("B=2"));
}

#[test]
fn the_same_key_is_refused_until_somebody_chooses() {
    for (choice, expected) in [
        ("resolve BASE --take 1", "BASE=1"),
        ("resolve BASE --take 2", "BASE=2"),
        ("set BASE 3", "BASE=3"),
        ("unset BASE --yes", ""),
    ] {
        let repository = Repository::new();
        repository.branch(&repository.ada, "left", "main", &["set BASE 1"]);
        // The times are seconds, and their order is the order of the choices.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        repository.branch(&repository.bob, "right", "main", &["set BASE 2"]);
        repository.git("merge -q left").ok();
        repository.is_in_conflict("BASE");
        repository.kagi("resolve BASE --take 3").fails(&["BASE"]);
        repository.is_in_conflict("BASE");
        repository.kagi(choice).ok();
        repository.holds(expected);
        repository.ada.commit(&repository.path, "resolved");
        for branch in ["left", "main"] {
            repository.git(&format!("merge -q {branch}")).ok();
        }
        repository.holds(expected);
    }
}

#[test]
fn a_choice_holds_against_the_branches_that_it_was_made_from() {
    let repository = Repository::new();
    repository.fork("set BASE 1", "set BASE 2");
    repository.git("merge -q left").ok();
    repository.kagi("set BASE 3").ok();
    repository.ada.commit(&repository.path, "resolved");
    repository.git("checkout -q left").ok();
    repository.commits(&repository.bob, &["set OTHER 1"]);
    repository.git("merge -q right").ok();
    repository.holds("BASE=3 OTHER=1");
}

#[test]
fn a_set_wins_over_a_parallel_deletion() {
    for (left, right, expected) in [
        ("set BASE 1", "unset BASE --yes", "BASE=1"),
        ("unset BASE --yes", "set BASE 1", "BASE=1"),
        ("unset BASE --yes", "set A 1", "A=1"),
        ("unset BASE --yes", "unset BASE --yes", ""),
        ("set BASE 1", "set BASE 1", "BASE=1"),
    ] {
        let repository = Repository::new();
        repository.fork(left, right);
        repository.git("merge -q left").ok();
        repository.holds(expected);
    }
}

#[test]
fn three_branches_and_merges_of_merges() {
    let repository = Repository::new();
    repository.fork("set A 1", "set B 2");
    repository.branch(
        &repository.ada,
        "third",
        "main",
        &["set C 3", "unset BASE --yes"],
    );
    for (onto, other) in [("left", "right"), ("third", "left"), ("right", "third")] {
        repository.git(&format!("checkout -q {onto}")).ok();
        repository.git(&format!("merge -q -m merge {other}")).ok();
    }
    repository.holds("A=1 B=2 C=3");
}

#[test]
fn conflict_markers_are_read_past() {
    for style in ["merge", "diff3", "zdiff3"] {
        let merge = format!("-c merge.conflictStyle={style} merge -q left");
        let repository = Repository::new();
        repository.without_attributes();
        repository.fork("set A 1", "set B 2");
        repository.git(&merge).fails(&[]);
        let text = repository.read(SCOPE);
        assert!(text.contains("<<<<<<< HEAD\n"), "{text}");
        assert_eq!(text.contains("\n||||||| "), style != "merge");
        repository
            .kagi("run -- true")
            .ok()
            .says(&["conflict markers"]);
        repository.holds("A=1 B=2 BASE=0");
        repository.kagi("set C 3").ok();
        assert!(!repository.read(SCOPE).contains("<<<<<<<"));
        repository.kagi("run -- true").ok().says_not(&["note"]);
        repository.holds("A=1 B=2 BASE=0 C=3");
    }
}

#[test]
fn the_same_key_between_conflict_markers() {
    for style in ["merge", "diff3", "zdiff3"] {
        let repository = Repository::new();
        repository.without_attributes();
        repository.fork("set BASE 1", "set BASE 2");
        let merge = format!("-c merge.conflictStyle={style} merge -q left");
        repository.git(&merge).fails(&[]);
        repository.is_in_conflict("BASE");
        repository.kagi("resolve BASE --take 1").ok();
        assert!(!repository.read(SCOPE).contains("======="));
        repository.ada.commit(&repository.path, "resolved");
        let values = repository.ada.values(&repository.path, "");
        assert!(["1", "2"].contains(&values["BASE"].as_str()));
    }
}

#[test]
fn a_merge_of_three_files_by_hand() {
    let repository = Repository::new();
    repository.fork("set A 1", "set B 2");
    for (name, branch) in [("base", "main"), ("theirs", "left")] {
        let text = repository
            .git(&format!("show {branch}:{SCOPE}"))
            .ok()
            .text();
        repository.write(name, &text);
    }
    let marked = repository.git(&format!("merge-file -p --diff3 {SCOPE} base theirs"));
    assert!(marked.text().contains("=======\n"));
    repository.write(SCOPE, &marked.text());
    repository.holds("A=1 B=2 BASE=0");
    repository.write(SCOPE, &marked.text().replace('\n', "\r\n"));
    repository.holds("A=1 B=2 BASE=0");
}

/// A clone of `main` at `name`, and whether Git left its files as they were.
fn clone(repository: &Repository, name: &str, options: &str) -> PathBuf {
    let path = repository.world.root.join(name);
    let from = repository.path.display();
    let words = format!("clone -q {options} file://{from} {}", path.display());
    repository.git(&words).ok();
    path
}

fn kagi_files(directory: &Path) -> Vec<Vec<u8>> {
    let files = listing(&directory.join(".kagi")).into_values();
    files.map(|(_, bytes)| bytes).collect()
}

#[test]
fn line_ends_of_windows() {
    let repository = Repository::new();
    repository.git("checkout -q -B trunk").ok();
    let options = "-c core.autocrlf=true -c core.eol=crlf -c core.safecrlf=true -b trunk";
    let path = clone(&repository, "windows", options);
    assert_eq!(kagi_files(&path), kagi_files(&repository.path));
    let clone = Repository { path, ..repository };
    clone.git("checkout -q -b main").ok();
    clone.fork("set A 1", "set B 2");
    clone.git("merge -q left").ok();
    clone.holds("A=1 B=2 BASE=0");
    clone.kagi("doctor").ok();
    clone.kagi("set C 3").ok();
    clone.ada.commit(&clone.path, "more");
    assert_eq!(clone.git("status --porcelain").ok().text(), "");
    clone.holds("A=1 B=2 BASE=0 C=3");
}

#[test]
fn attributes_of_the_root_do_not_reach_it() {
    let repository = Repository::new();
    let hostile = "* text=auto eol=crlf working-tree-encoding=UTF-16 filter=x merge=binary ident\n\
                   *.enc -text merge=binary filter=x\n.kagi/** merge=ours filter=x\n\
                   /.gitattributes -text -filter !working-tree-encoding\n";
    repository.write(".gitattributes", hostile);
    for (name, value) in [
        ("filter.x.clean", "tr a-z A-Z"),
        ("filter.x.smudge", "tr a-z A-Z"),
        ("merge.ours.driver", "true"),
        ("core.autocrlf", "true"),
    ] {
        let mut command = repository.ada.command("git", &repository.path);
        command.args(["config", name, value]);
        common::outcome("git config", &mut command).ok();
    }
    let mut command = repository.ada.command("git", &repository.path);
    command.args(["add", "-A", "--renormalize"]);
    common::outcome("git add", &mut command).ok();
    repository.git("commit -q --allow-empty -m hostile").ok();
    repository.fork("set A 1", "set B 2");
    repository.git("merge -q left").ok();
    repository.holds("A=1 B=2 BASE=0");
    let before = kagi_files(&repository.path);
    fs::remove_dir_all(repository.path.join(".kagi")).expect("it is there");
    repository.git("checkout -q -f -- .kagi").ok();
    assert_eq!(kagi_files(&repository.path), before);
    repository.kagi("doctor").ok();
}

#[test]
fn a_rebase_of_several_commits() {
    let repository = Repository::new();
    let commands = ["set A 1", "set B 2", "set A 3", "unset BASE --yes"];
    repository.branch(&repository.ada, "left", "main", &commands);
    repository.branch(&repository.bob, "right", "main", &["set C 4", "set D 5"]);
    repository.git("checkout -q left").ok();
    repository.git("rebase -q right").ok();
    repository.holds("A=3 B=2 C=4 D=5");
}

#[test]
fn a_rebase_of_many_commits() {
    let repository = Repository::new();
    let commands: Vec<_> = (0..30).map(|at| format!("set A{at} {at}")).collect();
    let commands: Vec<_> = commands.iter().map(String::as_str).collect();
    repository.branch(&repository.ada, "left", "main", &commands);
    repository.branch(&repository.bob, "right", "main", &["set B 1"]);
    repository.git("checkout -q left").ok();
    repository.git("rebase -q right").ok();
    let values = repository.ada.values(&repository.path, "");
    assert_eq!(values.len(), 32, "{} boxes", repository.boxes());
}

/// As many boxes as a file may have; one more is refused, and there is a way on.
#[test]
fn many_branches_in_one() {
    let repository = Repository::new();
    for at in 0..=BOXES_MAX {
        let command = format!("set A{at} {at}");
        repository.branch(&repository.ada, &format!("b{at}"), "main", &[&command]);
    }
    repository.git("checkout -q main").ok();
    for at in 0..BOXES_MAX {
        repository.git(&format!("merge -q -m merge b{at}")).ok();
    }
    assert_eq!(repository.boxes(), BOXES_MAX);
    assert_eq!(
        repository.ada.values(&repository.path, "").len(),
        1 + BOXES_MAX
    );
    let last = format!("merge -q -m merge b{BOXES_MAX}");
    repository.git(&last).ok();
    repository
        .kagi("run -- true")
        .fails(&[SCOPE, "more than 16 boxes", "hint"]);
    repository.git("reset -q --hard HEAD~1").ok();
    repository.commits(&repository.ada, &["set B 1"]);
    repository.git(&last).ok();
    assert_eq!(
        repository.ada.values(&repository.path, "").len(),
        3 + BOXES_MAX
    );
}

#[test]
fn a_stash_comes_back() {
    let repository = Repository::new();
    repository.branch(&repository.bob, "right", "main", &["set B 2"]);
    repository.git("checkout -q main").ok();
    repository.kagi("set A 1").ok();
    repository.git("stash -q").ok();
    repository.holds("BASE=0");
    repository.git("merge -q right").ok();
    repository.git("stash pop -q").ok();
    repository.holds("A=1 B=2 BASE=0");
}

#[test]
fn a_stash_of_the_same_key_is_a_conflict() {
    let repository = Repository::new();
    repository.branch(&repository.bob, "right", "main", &["set BASE 2"]);
    repository.git("checkout -q main").ok();
    repository.kagi("set BASE 1").ok();
    repository.git("stash -q").ok();
    repository.git("merge -q right").ok();
    repository.git("stash pop -q").ok();
    repository.is_in_conflict("BASE");
}

#[test]
fn a_cherry_pick_brings_the_key() {
    let repository = Repository::new();
    repository.branch(&repository.ada, "left", "main", &["set A 1"]);
    repository.branch(&repository.bob, "right", "main", &["set B 2"]);
    repository.git("cherry-pick left").ok();
    repository.holds("A=1 B=2 BASE=0");
    // The same key on both sides.
    repository.branch(&repository.ada, "up", "left", &["set B 3"]);
    repository.git("checkout -q right").ok();
    repository.git("cherry-pick up").ok();
    repository.is_in_conflict("B");
}

#[test]
fn a_revert_of_an_older_commit_has_no_effect_and_that_is_said() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1", "set B 2", "set C 3"]);
    repository.git("revert --no-edit HEAD~1").ok();
    repository.holds("A=1 B=2 BASE=0 C=3");
    for words in ["run -- true", "get"] {
        let outcome = repository.kagi(words).ok();
        outcome.says(&["a revert or cherry-pick has no effect"]);
    }
    assert!(repository.kagi("status").ok().text().contains("no effect"));
    repository.kagi("unset B --yes").ok();
    repository.holds("A=1 BASE=0 C=3");
    repository.kagi("run -- true").ok().says_not(&["note"]);
}

#[test]
fn a_revert_of_the_newest_commit_is_a_step_back_and_that_is_said() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1", "set BASE 2"]);
    repository.git("revert --no-edit HEAD").ok();
    repository.holds("A=1 BASE=0");
    let note = "is older than the state that this device has seen";
    repository.kagi("run -- true").ok().says(&[note]);
    repository.kagi("run --strict -- true").fails(&[note]);
    // The next write continues from there, and wins over nothing that it has not seen.
    repository.kagi("set C 3").ok();
    repository.holds("A=1 BASE=0 C=3");
}

#[test]
fn a_shallow_clone_is_enough() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1", "set A 2"]);
    let path = clone(&repository, "shallow", "--depth 1");
    let count = repository.ada.git(&path, "rev-list --count HEAD").ok();
    assert_eq!(count.text(), "1\n");
    for (device, now, next) in [(&repository.ada, 2, 3), (&repository.bob, 3, 4)] {
        let expected = pairs(&format!("A={now} BASE=0"));
        assert_eq!(device.values(&path, ""), expected);
        device.kagi(&path, &format!("set A {next}")).ok();
    }
}

#[test]
fn a_worktree_has_its_own_state() {
    let repository = Repository::new();
    repository.branch(&repository.ada, "left", "main", &["set A 1"]);
    let path = repository.world.root.join("worktree");
    let words = format!("worktree add -q {} main", path.display());
    repository.git(&words).ok();
    for device in [&repository.ada, &repository.bob] {
        assert_eq!(device.values(&path, ""), pairs("BASE=0"));
    }
    repository.bob.kagi(&path, "set B 2").ok();
    repository.bob.commit(&path, "change");
    repository.git("merge -q main").ok();
    repository.holds("A=1 B=2 BASE=0");
}

/// The message, and what it hints at.
const MISMATCH: [&str; 2] = [
    "kagi.json is not the one that \".kagi/access.json\" vouches for; it was edited or only one of them was merged",
    "git log -p -- .kagi/kagi.json .kagi/access.json",
];

#[test]
fn half_a_configuration_is_refused() {
    let repository = Repository::new();
    let commands = ["env add staging", "env add preview"];
    repository.branch(&repository.ada, "left", "main", &commands);
    for name in ["kagi.json", "access.json"] {
        repository.git("checkout -q -f main").ok();
        repository
            .git(&format!("checkout -q left -- .kagi/{name}"))
            .ok();
        for words in [
            "run -- true",
            "get",
            "status",
            "set A 1",
            "env list",
            "doctor",
        ] {
            repository.kagi(words).fails(&MISMATCH);
        }
        repository
            .bob
            .kagi(&repository.path, "run -- true")
            .fails(&MISMATCH);
    }
}

#[test]
fn two_configurations_conflict_and_half_of_each_is_refused() {
    let repository = Repository::new();
    repository.fork("env add staging", "env add preview");
    repository.git("merge -q left").fails(&[]);
    repository.git("checkout -q --ours -- .kagi/kagi.json").ok();
    repository
        .git("checkout -q --theirs -- .kagi/access.json")
        .ok();
    repository.kagi("run -- true").fails(&MISMATCH);
    // One side as a whole is fine.
    repository
        .git("checkout -q --theirs -- .kagi/kagi.json")
        .ok();
    repository.holds("BASE=0");
    assert!(repository.kagi("env list").ok().text().contains("staging"));
}

#[test]
fn git_never_holds_a_value() {
    const SECRET: &str = "hunter2-correct-horse-battery-staple";
    let repository = Repository::new();
    let set = format!("set TOKEN {SECRET} --desc {SECRET}-described");
    repository.fork(&set, &format!("set TOKEN {SECRET}-too"));
    repository.git("merge -q left").ok();
    repository.kagi("resolve TOKEN --take 1").ok();
    repository.ada.commit(&repository.path, "resolved");
    repository.kagi(&format!("set api {SECRET} 1")).fails(&[]);
    let objects = repository.git("cat-file --batch-all-objects --batch").ok();
    let bytes = objects.stdout;
    assert!(bytes.windows(5).any(|part| part == b"TOKEN"));
    // As it is, and as base64 at every offset.
    for needle in [
        "hunter2",
        "aHVudGVyM",
        "h1bnRlcj",
        "odW50ZXIy",
        "68756e74657232",
    ] {
        let found = bytes
            .windows(needle.len())
            .any(|part| part == needle.as_bytes());
        assert!(!found, "{needle}");
    }
}

#[test]
fn run_changes_nothing() {
    let repository = Repository::new();
    repository.fork("set A 1", "set B 2");
    repository.git("merge -q left").ok();
    repository.git("status").ok();
    let before = listing(&repository.world.root);
    for device in [&repository.ada, &repository.bob] {
        device.kagi(&repository.path, "run -- true").ok();
        device
            .kagi(&repository.path, "run --strict app -- true")
            .ok();
        device.kagi(&repository.path, "run production -- true").ok();
        device.kagi(&repository.path, "run nosuch true").fails(&[]);
        device
            .kagi(&repository.path, "run -- no-such-program")
            .fails(&[]);
    }
    // Nor in a checkout that the device has never seen.
    assert!(before == listing(&repository.world.root), "run has written");
    let path = clone(&repository, "fresh", "");
    let before = listing(&repository.world.root);
    assert_eq!(repository.ada.values(&path, ""), pairs("A=1 B=2 BASE=0"));
    assert!(before == listing(&repository.world.root), "run has written");
}
