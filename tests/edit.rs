//! `kagi edit` where a transcript does not reach: where the text lies, and that no value is changed by
//! being shown. Faults to survive are in `tests/cli/edit.txt`: an editor that dies, a kagi that is killed.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, Random, World, program, say};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const WHERE: &str = "sh -c 'dirname \"$1\" >where' x";

/// A project with one key.
fn project(world: &World) -> (Device, PathBuf) {
    let (ada, work) = (world.device("Ada"), world.directory("work"));
    ada.kagi(&work, "init --envs --name Ada").ok();
    ada.kagi(&work, "set KEY hunter2").ok();
    (ada, work)
}

/// The kind of file system that a directory is on; `None` where the system does not say.
fn kind_of(path: &Path) -> Option<String> {
    let mut stat = std::process::Command::new("stat");
    let said = stat.args(["-f", "-c", "%T"]).arg(path).output().ok()?;
    let kind = String::from_utf8(said.stdout).ok()?;
    (!kind.trim().is_empty()).then(|| kind.trim().to_string())
}

#[test]
fn the_text_lies_in_memory() {
    if kind_of(Path::new("/dev/shm")).as_deref() != Some("tmpfs") {
        return say("where a text lies is not tested, /dev/shm is no tmpfs here");
    }
    let world = World::new();
    let (mut ada, work) = project(&world);
    ada.variables.push(("EDITOR", WHERE.into()));
    let place = |ada: &Device| {
        ada.kagi(&work, "edit").ok();
        let text = fs::read_to_string(work.join("where")).expect("the editor ran");
        let path = PathBuf::from(text.trim());
        assert!(!path.exists(), "it was wiped");
        path.parent().expect("a directory around it").to_path_buf()
    };
    assert_eq!(place(&ada), Path::new("/dev/shm"));

    let own = PathBuf::from(format!("/dev/shm/kagi-test-{}", std::process::id()));
    fs::create_dir(&own).expect("a directory");
    let mut with_own = ada.clone();
    with_own
        .variables
        .push(("XDG_RUNTIME_DIR", own.display().to_string()));
    let placed = place(&with_own);
    let left = fs::read_dir(&own).expect("it is there").count();
    fs::remove_dir(&own).expect("it is empty");
    assert_eq!((placed, left), (own, 0));

    // A runtime directory on a disk is none.
    if !matches!(kind_of(&world.root).as_deref(), Some("tmpfs" | "ramfs")) {
        ada.variables
            .push(("XDG_RUNTIME_DIR", world.root.display().to_string()));
        assert_eq!(place(&ada), Path::new("/dev/shm"));
    }
}

#[test]
fn a_disk_only_where_that_is_said() {
    let world = World::new();
    let (mut ada, work) = project(&world);
    ada.variables.push(("EDITOR", WHERE.into()));
    ada.variables
        .push(("TMPDIR", world.root.display().to_string()));
    let hide = format!("mount --bind '{}' /dev/shm", work.display());
    let without_memory = |command: &str| {
        let script = format!("{hide} && {command}");
        let mut unshare = ada.command("unshare", &work);
        unshare.args(["-rm", "sh", "-c", &script]).output()
    };
    let can_hide = without_memory("true").is_ok_and(|said| said.status.success());
    if !can_hide || matches!(kind_of(&work).as_deref(), None | Some("tmpfs" | "ramfs")) {
        return say("an edit on a disk is not tested, it needs unshare and a disk");
    }
    let edit = |words: &str| {
        let command = format!("exec '{}' edit {words}", program().display());
        Outcome::of(&command, without_memory(&command).expect("it starts"))
    };
    edit("").fails(&["is a directory in memory", "hint: --on-disk"]);
    assert!(!work.join("where").exists(), "no editor was started");
    edit("--on-disk").ok();
    let text = fs::read_to_string(work.join("where")).expect("the editor ran");
    let path = PathBuf::from(text.trim());
    assert_eq!(path.parent(), Some(world.root.as_path()));
    assert!(!path.exists(), "it was wiped");
}

#[test]
fn no_value_is_changed_by_being_shown() {
    const PIECES: &[&str] = &[
        "a",
        " ",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "'",
        "\"",
        "\\",
        "$",
        "${A}",
        "#",
        " #",
        "`",
        "=",
        "é",
        "\u{1b}[31m",
        "\u{2028}",
        "\u{feff}",
        "\\n",
        "\nB=1\n",
        "-----BEGIN KEY-----\n",
    ];
    let world = World::new();
    let (ada, work) = project(&world);
    let editing = |editor: &str| {
        let mut ada = ada.clone();
        ada.variables.push(("EDITOR", editor.into()));
        ada.kagi(&work, "edit --on-disk").ok()
    };
    let mut random = Random::new(11);
    for number in 0..60 {
        let value: String = (0..random.below(8)).map(|_| *random.pick(PIECES)).collect();
        let mut set = ada.command(program(), &work);
        set.args(["set", &format!("K{number}"), "--stdin"]);
        let mut set = set
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let mut to = set.stdin.take().expect("a pipe");
        // One line end is cut off again.
        to.write_all(format!("{value}\n").as_bytes())
            .expect("a reader");
        drop(to);
        assert!(set.wait().expect("it ends").success());
    }
    let before = ada.values(&work, "");
    assert_eq!(before.len(), 61);
    let file = work.join(".kagi/secrets/app/development.enc");
    let text = fs::read(&file).expect("a scope");
    editing("true").says(&["nothing was changed"]);
    assert_eq!(fs::read(&file).expect("a scope"), text);

    // Nor by somebody else's change in the same text.
    editing("sh -c 'echo ADDED=1 >>\"$1\"' x").says(&["1 added, 0 changed, 0 deleted"]);
    let mut after = ada.values(&work, "");
    assert_eq!(after.remove("ADDED").as_deref(), Some("1"));
    assert_eq!(after, before);
}
