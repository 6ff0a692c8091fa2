//! What others can bring about around a project: another project below it, names of files, settings
//! of Git, a reader that has gone away, a request that changes while it is looked at.
//!
//! What must hold: another project is not taken for this one, nothing is run or sent to a terminal
//! that a repository brings along, and what cannot be shown again is not lost unsaid.
#![cfg(unix)]

mod common;

use common::{
    Device, World, copy, identity_of, leftovers, listing, on_terminal, outcome, pairs, program,
};
use kagi::format::request::Request;
use kagi::format::roster::Roster;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const FOREIGN: &str = "held another project before";

fn project(world: &World, name: &str) -> (Device, PathBuf) {
    let (ada, path) = (world.device("Ada"), world.directory(name));
    ada.git(&path, "init -q").ok();
    ada.kagi(&path, "init --name Ada --no-git").ok();
    ada.kagi(&path, &format!("set KEY {name}")).ok();
    (ada, path)
}

fn request_file(path: &Path, device: &Device) -> PathBuf {
    path.join(".kagi")
        .join(Request::file(&identity_of(device).id))
}

#[test]
fn another_project_below_a_known_checkout_is_foreign_until_it_is_trusted() {
    let world = World::new();
    let (_, other) = project(&world, "other");
    let (ada, path) = project(&world, "work");
    let below = world.directory("work/api");
    let deeper = world.directory("work/api/src");
    assert_eq!(ada.values(&below, ""), pairs("KEY=work"));
    copy(&other.join(".kagi"), &below.join(".kagi"));
    let (before, home) = (listing(&below), listing(&ada.kagi_home()));
    for at in [&below, &deeper] {
        for words in [
            "run -- env -0",
            "set KEY stolen",
            "get",
            "status",
            "key rotate --yes",
        ] {
            let refused = ada.kagi(at, words).fails(&[FOREIGN, "hint: kagi trust"]);
            assert!(refused.stdout.is_empty(), "{}", refused.text());
        }
        // Nobody can be asked, so nobody has said yes.
        ada.kagi(at, "trust")
            .fails(&["kagi trust asks on a terminal"]);
        ada.kagi(at, "run -- true").fails(&[FOREIGN]);
    }
    assert_eq!((listing(&below), listing(&ada.kagi_home())), (before, home));
    // What is around it and what it was copied from are as they were.
    assert_eq!(ada.values(&path, ""), pairs("KEY=work"));
    assert_eq!(ada.values(&other, ""), pairs("KEY=other"));
    for (answer, code) in [("n", 1), ("y", 0)] {
        let Some(asked) = on_terminal(&ada, &below, &[answer], "kagi trust --no-git") else {
            return;
        };
        assert!(
            asked.text().contains("was that done on purpose?"),
            "{}",
            asked.text()
        );
        assert_eq!(asked.code, Some(code), "{}", asked.text());
        if answer == "n" {
            ada.kagi(&below, "run -- true").fails(&[FOREIGN]);
        }
    }
    assert_eq!(ada.values(&deeper, ""), pairs("KEY=other"));
    assert_eq!(ada.values(&path, ""), pairs("KEY=work"));
}

#[test]
fn a_project_made_below_another_opens() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let below = world.directory("work/api");
    ada.kagi(&below, "init --name Ada --no-git")
        .fails(&["kagi init --force makes another one"]);
    ada.kagi(&below, "init --name Ada --no-git --force --yes")
        .ok();
    ada.kagi(&below, "set KEY api").ok();
    for at in [&below, &world.directory("work/api/src")] {
        assert_eq!(ada.values(at, ""), pairs("KEY=api"));
    }
    assert_eq!(ada.values(&path, ""), pairs("KEY=work"));
    // The same project below itself, as in a worktree or a submodule, is none of another's.
    let inside = world.directory("work/inside");
    copy(&path.join(".kagi"), &inside.join(".kagi"));
    assert_eq!(ada.values(&inside, ""), pairs("KEY=work"));
}

#[test]
fn nothing_is_written_below_a_directory_that_is_a_link() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let (bob, outside) = (world.device("Bob"), world.directory("outside"));
    for (place, device, words) in [
        ("requests", &bob, "member join --name Bob --no-git"),
        ("secrets/web", &ada, "set web KEY 1"),
        ("files", &ada, "file add plain"),
    ] {
        fs::write(path.join("plain"), "plain").expect("a file");
        symlink(&outside, path.join(".kagi").join(place)).expect("a link");
        let name = format!(".kagi/{place}\"");
        let done = device.kagi(&path, words);
        done.fails(&[&name, "not a plain file or directory"]);
        assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 0);
    }
}

#[test]
fn what_a_killed_writer_left_is_gone_after_the_next_write() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let kagi = path.join(".kagi");
    for name in [
        ".kagi-access.json.tmp",
        "secrets/.kagi-x.tmp",
        "secrets/app/.kagi-development.enc.tmp",
    ] {
        fs::write(kagi.join(name), "half").expect("a file");
    }
    assert_eq!(leftovers(&kagi).len(), 3);
    ada.kagi(&path, "set KEY 2").ok();
    assert_eq!(leftovers(&kagi), Vec::<PathBuf>::new());
}

/// A directory in the place of the file that is to become the new one stops a write.
#[test]
fn a_configuration_that_cannot_be_changed_whole_is_read_as_before() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    for name in ["access.json", "kagi.json"] {
        let stop = path.join(".kagi").join(format!(".kagi-{name}.tmp"));
        fs::create_dir(&stop).expect("a directory");
        let done = ada.kagi(&path, "env add staging");
        done.fails(&["cannot write", name]);
        assert_eq!(ada.values(&path, ""), pairs("KEY=work"), "{name}");
        fs::remove_dir(stop).expect("the directory");
    }
    ada.kagi(&path, "env add staging").ok();
    assert_eq!(ada.values(&path, ""), pairs("KEY=work"));
}

#[test]
fn an_identity_that_nobody_reads_is_said_to_be_lost() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    for (name, kind) in [("ci", "--only app/development"), ("paper", "--offline")] {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = ada.command(program(), &path);
        let words = format!("member add --name {name} {kind}");
        command.args(words.split(' ')).stdout(writer);
        // `outcome` would read it: the output is not captured here.
        let done = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        let done = done.wait_with_output().expect("an end");
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{stderr}");
        let list = ada.kagi(&path, "member list").ok().text();
        // Not only the name: a random id may hold those letters.
        let of_it = |line: &&str| line.ends_with(&format!("  {name}"));
        let id = list
            .lines()
            .find(of_it)
            .and_then(|line| line.split(' ').next())
            .expect("a member");
        for text in [
            "the identity is lost",
            &format!("hint: kagi member del {id}\n"),
        ] {
            assert!(stderr.contains(text), "{stderr}");
        }
        ada.kagi(&path, &format!("member del {id} --yes")).ok();
        let list = ada.kagi(&path, "member list").ok().text();
        assert!(!list.lines().any(|line| of_it(&line)), "{list}");
    }
    // Whoever stops reading a list has what was wanted.
    let line = format!("{} member list | true", program().display());
    outcome(&line, ada.command("sh", &path).args(["-c", &line])).ok();
}

#[test]
fn doctor_sends_nothing_to_the_terminal_and_its_hints_can_be_pasted() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let names = [
        ".env\x1b[31m",
        ".env;touch pwned",
        ".env'$(touch pwned)'",
        ".env\r\nkagi: ok",
    ];
    for name in names {
        fs::write(path.join(name), "").expect("written");
    }
    ada.commit(&path, "files");
    let found = ada
        .kagi(&path, "doctor")
        .fails(&["git rm --cached -- '.env;touch pwned'"]);
    let is_raw = |symbol: char| symbol.is_control() && symbol != '\n';
    assert!(!found.stderr.contains(is_raw), "{}", found.stderr);
    assert!(
        found.stderr.lines().all(|line| line.starts_with("kagi: ")),
        "{}",
        found.stderr
    );
    assert!(!found.stderr.contains("\nkagi: ok"), "{}", found.stderr);
    let below = world.directory("work/below");
    for (at, up) in [(&path, ""), (&below, "../")] {
        let found = ada.kagi(at, "doctor").stderr;
        let hints: Vec<_> = found
            .lines()
            .filter_map(|line| line.split_once(" (git rm "))
            .collect();
        assert_eq!(hints.len(), names.len(), "{found}");
        for (_, hint) in hints {
            let line = format!("git rm -n {}", hint.trim_end_matches(')'));
            // What is not printable is shown in place of the name, and then no file is found.
            let _ = outcome(&line, ada.command("sh", at).args(["-c", &line]));
        }
        let line = format!("git rm -q -n --cached -- '{up}.env;touch pwned'");
        assert!(found.contains(&line.replace(" -q -n", "")), "{found}");
        outcome(&line, ada.command("sh", at).args(["-c", &line])).ok();
    }
    assert!(!path.join("pwned").exists() && !below.join("pwned").exists());
}

#[test]
fn no_filter_of_the_repository_is_run() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    ada.commit(&path, "base");
    let mark = world.root.join("pwned");
    let run = format!("touch {}; cat", mark.display());
    for (name, value) in [
        ("filter.x.clean", run.as_str()),
        ("filter.x.smudge", &run),
        ("filter.y.process", &run),
        ("diff.x.textconv", &run),
        ("diff.x.command", &run),
        ("merge.x.driver", &run),
        ("core.fsmonitor", &run),
    ] {
        let mut command = ada.command("git", &path);
        outcome("git config", command.args(["config", name, value])).ok();
    }
    for filter in ["x", "y"] {
        let attributes = format!("* filter={filter} diff=x merge=x\n");
        fs::write(path.join(".git/info/attributes"), attributes).expect("written");
        // Files that Git would have to read to compare them.
        for name in ["access.json", "kagi.json", "secrets/app/development.enc"] {
            let file = path.join(".kagi").join(name);
            let bytes = fs::read(&file).expect("a file");
            fs::write(&file, bytes).expect("written");
        }
        for words in [
            "status",
            "doctor",
            "member list",
            "diff HEAD",
            "log",
            "run -- true",
        ] {
            ada.kagi(&path, words).ok();
            assert!(!mark.exists(), "{words}");
        }
        ada.kagi(&path, "member add --name ci --offline").ok();
        assert!(!mark.exists());
    }
    // And Git would run it.
    ada.git(
        &path,
        "-c core.fsmonitor=false diff --name-only --diff-filter=U",
    );
    let attributes = "* filter=x\n";
    fs::write(path.join(".git/info/attributes"), attributes).expect("written");
    ada.git(&path, "-c core.fsmonitor=false add .kagi").ok();
    assert!(mark.exists(), "Git does not run the filter");
}

#[test]
fn approve_takes_no_yes() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let bob = world.device("bob");
    bob.kagi(&path, "member join --name bob --no-git").ok();
    let id = identity_of(&bob).id;
    let before = listing(&path);
    for yes in ["--yes", "-y"] {
        let refused = ada
            .kagi(&path, &format!("member approve {id} {yes}"))
            .fails(&[yes]);
        assert_eq!(refused.code, Some(2));
    }
    assert_eq!(listing(&path), before);
    ada.kagi(&path, &format!("member approve {id}")).ok();
}

/// The request is replaced between the question and the answer, by who may write the repository.
#[test]
fn the_name_that_is_recorded_is_the_one_that_was_shown() {
    let world = World::new();
    let (ada, path) = project(&world, "work");
    let bob = world.device("bob");
    bob.kagi(&path, "member join --name bob --no-git").ok();
    let identity = identity_of(&bob);
    let other = world.root.join("other.json");
    fs::write(&other, Request::new(identity.public, "root").write()).expect("written");
    let (other, file) = (other.display(), request_file(&path, &bob));
    // The answer comes no sooner than 0.2 seconds after the question.
    let line = format!(
        "(sleep 0.15; cp {other} {}) & kagi member approve; wait",
        file.display()
    );
    let Some(asked) = on_terminal(&ada, &path, &["y"], &line) else {
        return;
    };
    let text = asked.text();
    let shown = text
        .split("who is called \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    let bytes = fs::read(path.join(".kagi/access.json")).expect("a roster");
    let roster = Roster::read("access.json", &bytes).expect("a roster");
    let recorded = roster
        .member(&identity.id)
        .map(|member| member.name.as_str());
    assert_eq!(recorded, shown, "{text}");
    assert!(
        fs::read_to_string(&file)
            .expect("a request")
            .contains("root")
    );
}
