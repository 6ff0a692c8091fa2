//! What a writer leaves that is stopped at any moment, or that the disk fails.
//!
//! Every command that writes is killed at each of its system calls that concern files, and each of
//! those calls fails once with a full disk and once with a broken one. What must be survived: the
//! old state or the new one is read, never anything between; a command that succeeded has the new
//! one; every member of a team reads the same; no value and no identity is left in plain text in any
//! file, but for those that are there for that, which are their owner's alone; the next write leaves
//! no stray file, and it or `doctor --fix` no box of another epoch. Not here: a machine that loses
//! power, for here every write that was made is seen; `tests/power.rs` plays that with most of these
//! commands, and with pull, push and the server. Which commands there are, `crash/cases.rs` says.
//!
//! Each call that changes something is killed at. A kill at a call that only looks leaves the disk as
//! the kill at the next change does, so those are left out. With `KAGI_TEST_SCALE=full` there are more
//! commands, and each call fails in each way that it can. Else, of the calls before a command's first
//! change of anything, one in five is tried. A try after which no file differs from the old state's is
//! not looked at further.
//!
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(unix)]

#[path = "crash/cases.rs"]
mod cases;
#[path = "crash/clones.rs"]
mod clones;
mod common;
#[path = "common/fault.rs"]
mod fault;
#[path = "crash/lane.rs"]
mod lane;

use cases::cases;
use common::{World, find_program};
use fault::{Fault, faults, tried};
use lane::{Lane, Try};
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const LANES: usize = 2;

/// Every try of every case, in the order of the cases.
fn tries() -> Vec<Try> {
    let only = std::env::var("KAGI_TEST_ONLY").unwrap_or_default();
    let mut lane = Lane::new();
    let mut tries = Vec::new();
    for case in cases()
        .into_iter()
        .filter(|case| case.words.contains(&only))
    {
        for (call, at, is_read) in lane.calls(case) {
            let faults = tried(&call, is_read, &[Fault::Kill, Fault::Full, Fault::Broken]);
            tries.extend(faults.into_iter().map(|fault| Try {
                case,
                fault,
                call: call.clone(),
                at,
            }));
        }
    }
    tries
}

#[test]
fn every_call_of_every_writer() {
    if find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let tries = tries();
    let (next, changed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let problems = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut lane = Lane::new();
                while let Some(one) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match lane.check(one) {
                        Ok(is_changed) => {
                            changed.fetch_add(usize::from(is_changed), Ordering::Relaxed);
                        }
                        Err(problem) => {
                            let text = format!("{}: {problem}", one.shown());
                            common::say(&text);
                            problems.lock().expect("no thread panics").push(text);
                        }
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no thread panics");
    let count = problems.len();
    assert!(
        problems.is_empty(),
        "{count} problems; KAGI_TEST_ONLY='WORDS OF KAGI' tries one command\n{}",
        problems.join("\n")
    );
    let kills = tries.iter().filter(|one| one.fault == Fault::Kill).count();
    common::say(&format!(
        "assured: crash: {} commands, {} tries: {} calls killed, {} failed by {} kinds of error; {} of them \
         left other files than there were, none with a secret in plain text",
        tries
            .chunk_by(|one, next| std::ptr::eq(one.case, next.case))
            .count(),
        tries.len(),
        kills,
        tries.len() - kills,
        faults().len() - 1,
        changed.into_inner()
    ));
}

/// A scope of an environment that is gone is never read: neither at once, nor when somebody adds an
/// environment of that name.
#[test]
fn what_a_stopped_deletion_leaves_does_not_come_back() {
    let world = World::new();
    let ada = world.device("Ada");
    let path = world.directory("work");
    let before = ["init --name Ada", "env add staging", "set staging OLD 1"];
    for words in before {
        ada.kagi(&path, words).ok();
    }
    let scope = path.join(".kagi/secrets/app/staging.enc");
    let bytes = fs::read(&scope).expect("a scope");
    ada.kagi(&path, "env del staging --yes").ok();
    fs::create_dir_all(scope.parent().expect("a directory")).expect("a directory");
    fs::write(&scope, bytes).expect("a written file");
    ada.kagi(&path, "doctor").fails(&["app/staging.enc"]);
    let added = ada.kagi(&path, "env add staging");
    if added.code == Some(0) {
        let run = ada.kagi(&path, "run -e staging -- env -0");
        assert!(!common::variables(&run.stdout).contains_key("OLD"));
    } else {
        added.fails(&["app/staging.enc"]);
    }
}
