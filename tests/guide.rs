//! The guide for coding assistants: every command in it is run, and none shows a value.
#![cfg(unix)]

mod common;

use common::{Device, World, outcome, program};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const GUIDE: &str = include_str!("../docs/agent-skill/SKILL.md");
const VALUE: &str = "hunter2-hunter2-hunter2";

/// The lines of the blocks of a kind.
fn lines(kind: &str) -> Vec<&'static str> {
    let mut lines = Vec::new();
    for block in GUIDE.split("\n```").skip(1).step_by(2) {
        let (mark, text) = block.split_once('\n').expect("a block");
        if mark == kind {
            lines.extend(text.lines());
        }
    }
    lines
}

/// A project as the guide has it, and an `npm` that prints what it was given.
fn shop(world: &World) -> (Device, PathBuf) {
    let mut ada = world.device("ada");
    let bin = world.directory("bin");
    symlink(program(), bin.join("kagi")).expect("a link");
    let npm = bin.join("npm");
    fs::write(
        &npm,
        "#!/bin/sh\ntest -n \"$DATABASE_URL\" && test -n \"$PORT\" && echo \"npm $1\"\n",
    )
    .expect("a program");
    fs::set_permissions(&npm, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = std::env::var("PATH").expect("a PATH");
    ada.variables
        .push(("PATH", format!("{}:{path}", bin.display())));
    let root = world.directory("shop");
    ada.git(&root, "init -q").ok();
    ada.kagi(
        &root,
        "init --nested --envs=development,staging,production --name Ada",
    )
    .ok();
    for env in ["development", "staging", "production"] {
        ada.kagi(&root, &format!("set api {env} DATABASE_URL {VALUE}"))
            .ok();
        ada.kagi(&root, &format!("set api {env} PORT {VALUE}-port"))
            .ok();
    }
    fs::write(root.join(".env.example"), "DATABASE_URL=\nPORT=\n").expect("an example");
    ada.commit(&root, "begin");
    (ada, root)
}

fn run(ada: &Device, root: &Path, line: &str) -> common::Outcome {
    let mut command = ada.command("/bin/sh", root);
    let done = outcome(line, command.args(["-c", line]));
    let shown = done.text() + &done.stderr;
    assert!(!shown.contains("hunter2"), "{line} shows a value: {shown}");
    done
}

#[test]
fn what_is_recommended_works_and_shows_no_value() {
    let world = World::new();
    let (ada, root) = shop(&world);
    let lines = lines("sh");
    assert!(lines.len() > 10, "{lines:?}");
    for line in lines {
        assert!(line.starts_with("kagi "), "{line}");
        let done = run(&ada, &root, line);
        let is_run = line.contains("npm ");
        let text = done.ok().text();
        assert!(!is_run || text.starts_with("npm "), "{line}: {text}");
        ada.commit(&root, "more --allow-empty");
    }
    let keys = ada.kagi(&root, "get api development").ok().text();
    assert!(
        keys.contains("SESSION_KEY") && keys.contains("signs the session cookies"),
        "{keys}"
    );
}

#[test]
fn what_shows_values_is_refused_to_an_assistant() {
    let world = World::new();
    let (ada, root) = shop(&world);
    let lines = lines("sh refused");
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        let done = run(&ada, &root, line);
        done.fails(&["kagi: error: "]);
        // A yes from a pipe is none.
        run(&ada, &root, &format!("yes | {line}")).fails(&["kagi: error: "]);
    }
}

/// The page begins as those who look for such pages read it.
#[test]
fn the_page_says_what_it_is_for() {
    let mut lines = GUIDE.lines();
    assert_eq!(lines.next(), Some("---"));
    assert_eq!(lines.next(), Some("name: kagi"));
    let about = lines
        .next()
        .and_then(|line| line.strip_prefix("description: "));
    assert!(about.is_some_and(|text| (50..1024).contains(&text.len()) && !text.contains(": ")));
    assert_eq!(lines.next(), Some("---"));
}
