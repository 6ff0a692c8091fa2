//! What a terminal is shown, and a pipe is not: colours, lines that are cut, progress.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, on_terminal, say};
use kagi::crypto::random;
use kagi::format::config::Config;
use kagi::format::message::token::{Credential, ProjectToken};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const WIDE: &str =
    "鍵の説明 that is longer than a terminal is wide, whatever one may do about this";

fn shop() -> (World, Device, PathBuf) {
    let world = World::new();
    let ada = world.device("ada");
    let root = world.directory("shop");
    ada.git(&root, "init -q").ok();
    ada.kagi(&root, "init --nested --envs --name Ada").ok();
    let mut set = ada.command(common::program(), &root);
    set.args(["set", "api", "DATABASE_URL", "one", "--desc", WIDE]);
    common::outcome("kagi set", &mut set).ok();
    ada.commit(&root, "one");
    ada.kagi(&root, "set api PORT two").ok();
    (world, ada, root)
}

/// A line in a terminal, after one that sets variables.
fn shown(device: &Device, at: &Path, variables: &str, line: &str) -> Option<Outcome> {
    on_terminal(device, at, &[], &format!("{variables} {line}"))
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (_world, ada, root) = shop();
    for (line, coloured) in [
        ("kagi get", "\u{1b}[36mapi\u{1b}[0m"),
        ("kagi diff", "\u{1b}[32m+\u{1b}[0m PORT"),
        (
            "kagi get --jsn || true",
            "\u{1b}[31merror:\u{1b}[0m kagi get has no",
        ),
        (
            "kagi get --jsn || true",
            "\u{1b}[36mhint:\u{1b}[0m did you mean",
        ),
    ] {
        let Some(found) = shown(&ada, &root, "export TERM=xterm;", line) else {
            return;
        };
        let text = found.ok().text();
        assert!(text.contains(coloured), "{line}: {text:?}");
        for variables in [
            "export TERM=xterm NO_COLOR=1;",
            "export TERM=dumb;",
            "export TERM=;",
            "unset TERM;",
        ] {
            let Some(found) = shown(&ada, &root, variables, line) else {
                return;
            };
            let text = found.ok().text();
            assert!(
                !text.contains('\u{1b}') && text.contains("api") | text.contains("get"),
                "{variables} {line}: {text:?}"
            );
        }
        let Some(found) = shown(&ada, &root, "export TERM=xterm NO_COLOR=;", line) else {
            return;
        };
        assert!(
            found.ok().text().contains(coloured),
            "an empty NO_COLOR is none"
        );
        let Some(found) = shown(
            &ada,
            &root,
            "export TERM=xterm;",
            &format!("({line}) 2>&1 | cat"),
        ) else {
            return;
        };
        assert!(!found.ok().text().contains('\u{1b}'), "{line} in a pipe");
    }
}

#[test]
fn lines_fit_the_terminal_and_pipes_get_all() {
    let (_world, ada, root) = shop();
    let lines = [
        ("kagi get", "", 80),
        ("kagi get", "COLUMNS=0", 80),
        ("kagi get", "COLUMNS=x", 80),
        ("kagi get", "COLUMNS=50", 50),
        ("kagi help", "", 80),
        ("kagi help", "COLUMNS=50", 50),
        ("kagi run --help", "", 80),
        ("kagi run --help", "COLUMNS=50", 50),
        ("kagi log", "COLUMNS=50", 50),
        ("kagi member list", "COLUMNS=30", 30),
        ("kagi status", "COLUMNS=50", 50),
        ("kagi search p", "COLUMNS=20", 20),
    ];
    // The terminal itself says 80.
    for (line, variables, columns) in lines {
        let Some(found) = shown(&ada, &root, variables, line) else {
            return;
        };
        let text = found.ok().text();
        // Examples are there to be pasted, and a path has no place to be broken.
        let is_whole =
            |line: &&str| line.starts_with("  kagi ") || line.contains(&*root.to_string_lossy());
        for line in text.lines().filter(|line| !is_whole(line)) {
            let wide = line
                .chars()
                .filter(|symbol| *symbol > '\u{1100}' && *symbol != '…')
                .count();
            assert!(line.chars().count() + wide <= columns, "{columns}: {line}");
        }
        assert!(!text.contains(WIDE), "{text}");
    }
    let mut narrow = ada.clone();
    narrow.variables.push(("COLUMNS", "50".into()));
    let piped = narrow.kagi(&root, "get").ok().text();
    assert!(piped.contains(WIDE), "a pipe gets all: {piped}");
    let piped = narrow.kagi(&root, "help run").ok().text();
    assert!(piped.lines().any(|line| line.len() > 90), "{piped}");
    let Some(found) = shown(&ada, &root, "COLUMNS=30", "kagi member list --json") else {
        return;
    };
    assert!(!found.ok().text().contains('…'), "a program gets all");
    let Some(found) = shown(&ada, &root, "COLUMNS=50", "kagi get --json") else {
        return;
    };
    assert!(found.ok().text().contains(WIDE), "a program gets all");
    let Some(found) = shown(&ada, &root, "COLUMNS=50", "kagi get") else {
        return;
    };
    assert!(
        found
            .ok()
            .text()
            .contains("DATABASE_URL  ********  # 鍵の説明 that is lo…")
    );
    // What help says is all there, however narrow.
    let words = |text: &str| {
        text.split_whitespace()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    for page in ["help", "help run"] {
        let Some(found) = shown(&ada, &root, "COLUMNS=40", &format!("kagi {page}")) else {
            return;
        };
        let piped = narrow.kagi(&root, page).ok().text();
        assert_eq!(words(&found.ok().text()), words(&piped));
    }
    // What is revealed is not cut.
    let value = "v".repeat(200);
    ada.kagi(&root, &format!("set web LONG {value}")).ok();
    let Some(found) = on_terminal(&ada, &root, &["y"], "COLUMNS=50 kagi get web --show") else {
        return;
    };
    assert!(found.ok().text().contains(&value));
}

#[test]
fn a_rotation_shows_how_far_it_is_and_leaves_no_trace() {
    let (world, ada, root) = shop();
    fs::write(world.root.join("big"), vec![b'x'; 400_000]).expect("a file");
    // As much as it takes to be slow.
    let (mut took, mut round) = (Duration::ZERO, 0);
    let mut piped = ada.kagi(&root, "status").ok();
    while took < Duration::from_millis(1200) && round < 10 {
        round += 1;
        for scope in ["api", "api staging", "web", "web staging"] {
            let words = format!("set {scope} BIG_{round} --file ../big");
            ada.kagi(&root, &words).ok();
        }
        let begun = Instant::now();
        piped = ada.kagi(&root, "key rotate --yes").ok();
        took = begun.elapsed();
    }
    assert!(!piped.stderr.contains("step"), "{}", piped.stderr);
    let Some(found) = shown(&ada, &root, "", "kagi key rotate --yes") else {
        return;
    };
    let text = found.ok().text();
    if took < Duration::from_millis(1200) {
        return say("the progress of a rotation is not tested: it is too fast here");
    }
    erased(&text, "kagi: rotating, step ");
}

/// A line that wraps could not be written over, so it is short: `scanning 100000 of 100000`.
#[test]
fn the_progress_of_a_scan_fits_a_narrow_terminal() {
    let (world, ada, root) = shop();
    ada.kagi(&root, "set api TOKEN hunter2-hunter2-hunter2")
        .ok();
    let big = fs::File::create(world.root.join("big")).expect("a file");
    big.set_len(200 * 1024 * 1024).expect("a length");
    let begun = Instant::now();
    ada.kagi(&root, "scan ../big").ok();
    let took = begun.elapsed();
    let Some(found) = shown(&ada, &root, "", "kagi scan ../big") else {
        return;
    };
    let text = found.ok().text();
    if took < Duration::from_millis(1200) {
        return say("the progress of a scan is not tested: it is too fast here");
    }
    erased(&text, "kagi: scanning ");
}

#[test]
fn a_push_and_a_pull_show_that_they_wait() {
    let (_world, mut ada, root) = shop();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    // A server that takes its time, and then goes.
    thread::spawn(move || {
        for connection in listener.incoming() {
            thread::sleep(Duration::from_millis(900));
            drop(connection);
        }
    });
    let config = fs::read(root.join(".kagi/kagi.json")).expect("a configuration");
    let token = ProjectToken {
        remote: format!("http://{address}"),
        project: Config::read("kagi.json", &config)
            .expect("a configuration")
            .project,
        server: common::identity_of(&ada).public,
        credential: Credential::new(
            random::bytes().expect("bytes"),
            random::key().expect("a key"),
        ),
        anchors: Vec::new(),
    };
    let text = token
        .to_text()
        .expose_str("a token")
        .expect("ASCII")
        .to_string();
    ada.variables.push(("KAGI_PROJECT_TOKEN", text));
    for (line, progress) in [
        ("kagi push", "kagi: pushing 3 of 3"),
        ("kagi pull", "kagi: pulling …"),
    ] {
        let Some(found) = shown(&ada, &root, "export TERM=dumb;", line) else {
            return;
        };
        erased(&found.fails(&[]).text(), progress);
        let piped = ada.kagi(&root, &line[5..]).fails(&["cannot reach"]);
        piped.says_not(&["pushing", "pulling"]);
    }
}

/// The progress was shown, over itself, and then overwritten with blanks.
fn erased(text: &str, progress: &str) {
    let (_, after) = text
        .rsplit_once(progress)
        .unwrap_or_else(|| panic!("no progress: {text:?}"));
    assert!(
        after.contains(&" ".repeat(progress.chars().count())),
        "{text:?}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}
