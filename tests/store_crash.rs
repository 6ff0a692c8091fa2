//! What a store survives: a server that is killed at any call of a change, a disk that is full (with
//! `KAGI_TEST_SCALE=full` one that fails in other ways, too), damaged files, and time.
//!
//! What must be survived: what was acknowledged is there, what was not is there or not, never half;
//! a damaged file is never given out as something else; what is kept stays whole while the old goes.
//! Not here: a machine that loses power, for here every write that was made is seen; `tests/power.rs`
//! plays that with a store that is pushed to, and with a server's first start, tokens, rollback and
//! deletion. `strace` does the killing; without it that part is not tried, and that is said.
#![cfg(unix)]

mod common;
#[path = "common/fault.rs"]
mod fault;
#[path = "common/store.rs"]
mod rig;

use common::World;
use fault::{Fault, faults, tried};
use kagi::crypto::wrap::public_key;
use kagi::format::message::token::Credential;
use kagi::format::request::Request;
use kagi::secret::Key;
use kagi::sync::handler;
use kagi::sync::protocol::{Operation, ProjectInfo, Refusal, Response, Rights};
use kagi::sync::store::Store;
use kagi::sync::store::audit::{Actor, Audit};
use kagi::sync::store::check::check;
use kagi::sync::store::keep::{DROPPED_AT_ONCE_MIN, KEPT_SECONDS, REVISIONS_MIN};
use kagi::sync::store::tokens::Token;
use rig::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

// --- Time ---

/// A project of many revisions, one a day; each changes one of five files, and one file never
/// changes. The clock is passed in.
fn history(rig: &Rig, who: &Credential, project: &str, days: u64) -> Vec<State> {
    let mut state = State::first(project).with("secrets/app/constant.enc", "never changed");
    let mut states = Vec::new();
    for day in 0..days {
        if day > 0 {
            let path = format!("secrets/app/e{}.enc", day % 5);
            state = state.next(&path, format!("day {day}"));
        }
        let response = rig.push_at(who, &state, NOW + day * 86_400);
        standing(response);
        states.push(state.clone());
    }
    states
}

fn revisions(rig: &Rig, project: &str) -> Vec<u64> {
    let directory = rig.root.join("projects").join(project).join("revisions");
    let number = |entry: fs::DirEntry| entry.file_name().to_str().unwrap().parse().unwrap();
    let mut numbers: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|one| number(one.unwrap()))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn old_revisions_go_and_what_is_kept_stays_whole() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let days = 120;
    let states = history(&rig, &who, &project, days);
    let kept = revisions(&rig, &project);
    assert_eq!(*kept.last().unwrap(), days);
    // Everything of 30 days is there, and little more.
    let spare = u64::try_from(DROPPED_AT_ONCE_MIN).unwrap();
    assert!(
        kept[0] <= days - 30 && kept[0] > days - 32 - spare,
        "{}",
        kept[0]
    );
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]));
    let newest = states.last().unwrap();
    let check = |rig: &Rig| {
        assert_eq!(rig.files(&who, &project), newest.files);
        follows(rig, &who, &project, &states);
    };
    check(&rig);
    let rig = rig.again(|root| assert!(sound(root).revisions >= 30));
    check(&rig);
    // Each revision that is kept is whole: one goes back to each, the newest first.
    for revision in kept.iter().rev() {
        let operation = Operation::Rollback {
            revision: *revision,
        };
        done(rig.ask(&rig.admin, &project, operation));
        let state = &states[usize::try_from(*revision).unwrap() - 1];
        assert_eq!(rig.files(&who, &project), state.files);
    }
    let dropped = Operation::Rollback {
        revision: kept[0] - 1,
    };
    refused(rig.ask(&rig.admin, &project, dropped), Refusal::Missing);
}

#[test]
fn the_last_revisions_stay_whatever_their_age() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let states = history(&rig, &who, &project, 40);
    let much_later = NOW + 100 * KEPT_SECONDS;
    rig.store.clean(NOW + KEPT_SECONDS - 1).unwrap();
    assert_eq!(revisions(&rig, &project).len(), 40);
    rig.store.clean(much_later).unwrap();
    assert_eq!(revisions(&rig, &project).len(), REVISIONS_MIN);
    rig.store.clean(much_later).unwrap();
    assert_eq!(revisions(&rig, &project).len(), REVISIONS_MIN);
    let newest = states.last().unwrap();
    assert_eq!(rig.files(&who, &project), newest.files);
    follows(&rig, &who, &project, &states);
    // What only dropped revisions had is gone, and can be sent again.
    let next = newest.next("secrets/app/e1.enc", "day 1");
    refused(
        rig.ask(&who, &project, next.push_with(vec![])),
        Refusal::Malformed,
    );
    standing(rig.push_at(&who, &next, much_later));
    let rig = rig.again(|root| drop(sound(root)));
    assert_eq!(rig.files(&who, &project), next.files);
}

// --- The audit log ---

fn lines(rig: &Rig, from: u64) -> Vec<String> {
    match rig.ask(&rig.admin, "", Operation::Audit { from }) {
        Response::Lines(lines) => lines,
        other => panic!("{}", shown(&other)),
    }
}

/// A line without its number and hash.
fn said(line: &str) -> String {
    let fields: Vec<_> = line.split(' ').collect();
    fields[1..fields.len() - 1].join(" ")
}

#[test]
fn the_audit_log_says_who_did_what() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    standing(rig.push(&who, &State::first(&project)));
    refused(rig.push(&who, &State::first(&project)), Refusal::Conflict);
    refused(
        rig.ask(&credential(), &project, Operation::Tokens),
        Refusal::Denied,
    );
    let ci = rig.issue(&project, Rights::PULL, "");
    done(rig.ask(
        &who,
        &project,
        Operation::Revoke {
            token: ci.id.clone(),
        },
    ));
    let long = rig.at_time(
        None,
        &fresh_project(),
        Operation::Register { name: "x y".into() },
        NOW,
    );
    done(long);
    let admin = &rig.admin.id;
    let id = kagi::format::text::HEX.encode(&State::first(&project).manifest().id()[..8]);
    let (who, ci) = (&who.id, &ci.id);
    let all = lines(&rig, 0);
    let said: Vec<_> = all.iter().map(|line| said(line)).collect();
    assert_eq!(
        said[..6],
        [
            format!("{NOW} local - admin - {admin}"),
            format!("{NOW} {admin} 127.0.0.1 approve {project} -"),
            format!("{NOW} {admin} 127.0.0.1 issue {project} {who}:pull,join,push,rotate"),
            format!("{NOW} {who} 127.0.0.1 push {project} 1:{id}"),
            format!("{NOW} {admin} 127.0.0.1 issue {project} {ci}:pull"),
            format!("{NOW} {who} 127.0.0.1 revoke {project} {ci}"),
        ]
    );
    assert!(all.len() == 7 && said[6].contains(" - 127.0.0.1 register kgp_"));
    assert_eq!(lines(&rig, 5), all[4..]);
    assert!(lines(&rig, 8).is_empty() && lines(&rig, u64::MAX).is_empty());
    let rig = rig.again(|root| assert_eq!(sound(root).lines, 7));
    assert_eq!(lines(&rig, 1), all);
}

#[test]
fn a_long_audit_log_is_read_in_parts() {
    let world = World::new();
    let mut audit = Audit::open(&world.root.join("audit.log")).unwrap();
    let project = fresh_project();
    for at in 0..5500 {
        let from = ["10.0.0.1", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"][at % 2];
        let token = Token::of_nobody("local", Rights::ADMIN);
        let actor = Actor {
            token,
            from: from.into(),
            now: NOW,
        };
        audit
            .append(&actor.entry("test", &project, "a detail"))
            .unwrap();
    }
    for from in [
        0, 1, 2, 1000, 1001, 2500, 4499, 4500, 4501, 4999, 5499, 5500,
    ] {
        let lines = audit.lines(from).unwrap();
        let first: u64 = lines[0].split(' ').next().unwrap().parse().unwrap();
        assert_eq!(first, from.max(1));
        let left = usize::try_from(5501 - from.max(1)).unwrap();
        assert_eq!(lines.len(), left.min(1000), "from {from}");
    }
    assert!(audit.lines(5501).unwrap().is_empty());
}

#[test]
fn a_lost_or_torn_end_of_the_audit_log_is_made_again() {
    let world = World::new();
    let mut rig = Rig::new(&world);
    let (project, who) = rig.project();
    let (other, of_other) = rig.project();
    let mut state = State::first(&project);
    let (of, push) = (State::first(&other), |rig: &Rig, state: &State, who| {
        standing(rig.push(who, state))
    });
    push(&rig, &state, &who);
    push(&rig, &of, &of_other);
    state = state.next("kagi.json", "2");
    push(&rig, &state, &who);
    let whole = lines(&rig, 0);
    let log = rig.root.join("audit.log");
    let bytes = fs::read(&log).unwrap();
    let starts: Vec<_> = (0..bytes.len())
        .filter(|at| *at == 0 || bytes[at - 1] == b'\n')
        .collect();
    // Up to three lines of pushes are lost, and the last one is torn anywhere. What follows is nothing,
    // zeros in its place, or all but a block of zeros.
    for start in &starts[starts.len() - 3..] {
        for (at, torn) in [0, 1, 30, 100, 0, 30, 0, 30].into_iter().enumerate() {
            let hole = [&[0; 20], &bytes[start + torn + 20..]].concat();
            let end = [&b""[..], &[0; 40], &hole][at.saturating_sub(2) / 2];
            let bytes = [&bytes[..start + torn], end].concat();
            rig = rig.again(|root| fs::write(root.join("audit.log"), bytes).unwrap());
            let again = lines(&rig, 0);
            let sorted = |lines: &[String]| {
                let mut lines: Vec<_> = lines.iter().map(|line| said(line)).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&again), sorted(&whole));
            rig = rig.again(|root| assert_eq!(sound(root).lines, whole.len() as u64));
        }
    }
    // Lost with everything else, each push is made again once.
    let rig = rig.again(|root| fs::write(root.join("audit.log"), "").unwrap());
    assert_eq!(lines(&rig, 0).len(), 3);
    // A change of any byte is found.
    let rig = rig.again(|root| {
        let bytes = fs::read(root.join("audit.log")).unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            fs::write(root.join("audit.log"), &bad).unwrap();
            assert!(!check(root).unwrap().problems.is_empty(), "byte {at}");
        }
        fs::write(root.join("audit.log"), &bytes).unwrap();
        sound(root);
    });
    assert_eq!(lines(&rig, 0).len(), 3);
}

// --- Damage ---

#[test]
fn a_damaged_revision_is_found_and_never_given_out() {
    let world = World::new();
    let mut rig = Rig::new(&world);
    let (project, who) = rig.project();
    let (healthy, of_healthy) = rig.project();
    standing(rig.push(&of_healthy, &State::first(&healthy)));
    let first = State::first(&project).with("secrets/app/a.enc", "one");
    standing(rig.push(&who, &first));
    let second = first.next("secrets/app/a.enc", "two");
    standing(rig.push(&who, &second));
    for number in [1, 2] {
        let name = format!("projects/{project}/revisions/{number:020}");
        let bytes = fs::read(rig.root.join(&name)).unwrap();
        let mut variants: Vec<_> = (0..bytes.len())
            .map(|at| {
                let mut bad = bytes.clone();
                bad[at] ^= 0x55;
                bad
            })
            .collect();
        variants.extend([0, 1, 19, 20, 100, bytes.len() - 1].map(|end| bytes[..end].to_vec()));
        variants.push([&bytes[..], b"x"].concat());
        for (at, bad) in variants.iter().enumerate() {
            rig = rig.again(|root| {
                fs::write(root.join(&name), bad).unwrap();
                assert!(!check(root).unwrap().problems.is_empty(), "{name} {at}");
            });
            let pull = |since| {
                handler::local(
                    &rig.store,
                    &project,
                    Operation::Pull {
                        since,
                        member: String::new(),
                    },
                    NOW,
                )
            };
            for since in [0, 1] {
                match pull(since) {
                    Response::Pulled(pulled) => {
                        assert_eq!(pulled.manifest, second.manifest().encode());
                        let good = |blob: &Vec<u8>| second.files.values().any(|one| one == blob);
                        assert!(pulled.blobs.iter().all(good), "{name} {at}");
                        assert!(since == 1 || at < bytes.len(), "{name} {at}");
                    }
                    Response::Refused(Refusal::Storage, about) => {
                        assert!(about.contains("damaged"));
                    }
                    other => panic!("{}", shown(&other)),
                }
            }
            if at % 50 == 0 {
                assert_eq!(rig.standing(&of_healthy, &healthy).revision, 1);
            }
        }
        // A newer one that is damaged can be taken back.
        if number == 2 {
            done(rig.ask(&rig.admin, &project, Operation::Rollback { revision: 1 }));
            assert_eq!(rig.files(&who, &project), first.files);
        }
        rig = rig.again(|root| fs::write(root.join(&name), &bytes).unwrap());
    }
    assert_eq!(rig.files(&who, &project), second.files);
}

#[test]
fn a_damaged_token_is_none_and_what_does_not_belong_is_reported() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let mut state = State::first(&project);
    for number in 2..4 {
        standing(rig.push(&who, &state));
        state = state.next("kagi.json", format!("{number}"));
    }
    let Rig {
        root, store, keys, ..
    } = rig;
    drop(store);
    let report = sound(&root);
    assert_eq!(
        (
            report.projects,
            report.revisions,
            report.blobs,
            report.tokens
        ),
        (1, 2, 3, 2)
    );
    let open = || Store::open(&root, keys.pepper.duplicate(), false).is_ok();
    let path = root.join("tokens").join(&who.id);
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(!open(), "byte {at}");
        assert_eq!(check(&root).unwrap().problems.len(), 1);
    }
    fs::write(&path, &bytes).unwrap();
    assert!(open());

    let below = format!("projects/{project}");
    for name in [
        "x",
        "tokens/x",
        "pending/x",
        "projects/x",
        "deleted/x",
        &format!("{below}/x"),
        &format!("{below}/revisions/3"),
        &format!("{below}/mailbox/x.json"),
        &format!("{below}/undone/x"),
        &format!("{below}/mailbox/kgm_aaaaaaaaaaaaaaaaaaaa.json"),
    ] {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), "x").unwrap();
        assert!(open(), "{name}");
        let problems = check(&root).unwrap().problems;
        assert!(
            problems.len() == 1 && problems[0].starts_with(name),
            "{name}: {problems:?}"
        );
        fs::remove_file(root.join(name)).unwrap();
    }
    sound(&root);
    // A revision that is gone from the middle, and one that follows from another.
    let revisions = root.join(&below).join("revisions");
    fs::rename(
        revisions.join(format!("{:020}", 1)),
        world.root.join("aside"),
    )
    .unwrap();
    assert!(!check(&root).unwrap().problems.is_empty());
    let store = Store::open(&root, keys.pepper.duplicate(), false).unwrap();
    refused(
        handler::local(&store, &project, Operation::Status, NOW),
        Refusal::Storage,
    );
}

// --- What is stopped ---

#[test]
fn a_rollback_that_was_stopped_is_finished() {
    let world = World::new();
    let mut rig = Rig::new(&world);
    let (project, who) = rig.project();
    let states = history(&rig, &who, &project, 6);
    let project_path = rig.root.join("projects").join(&project);
    // Stopped after the intent and any number of renames.
    for moved in 0..=4 {
        let copy = world.root.join("copy");
        rig = rig.again(|root| common::copy(root, &copy));
        let (before, keys) = (rig.root.clone(), &rig.keys);
        let area = format!("{NOW}-6-1");
        let at = copy.join(project_path.strip_prefix(&before).unwrap());
        fs::write(at.join("rollback"), format!("2 {area}\n")).unwrap();
        fs::create_dir_all(at.join("undone").join(&area)).unwrap();
        for number in (7 - moved..=6).rev() {
            let name = format!("{number:020}");
            fs::rename(
                at.join("revisions").join(&name),
                at.join("undone").join(&area).join(&name),
            )
            .unwrap();
        }
        let store = Store::open(&copy, keys.pepper.duplicate(), false).unwrap();
        let at_revision = standing(handler::local(&store, &project, Operation::Status, NOW));
        assert_eq!(
            (at_revision.revision, at_revision.id),
            (2, states[1].manifest().id())
        );
        drop(store);
        assert!(!at.join("rollback").exists());
        assert_eq!(
            fs::read_dir(at.join("undone").join(&area)).unwrap().count(),
            4
        );
        sound(&copy);
        fs::remove_dir_all(&copy).unwrap();
    }
    // An intent that leads elsewhere is none.
    rig = rig.again(|_| fs::write(project_path.join("rollback"), "2 ../../../x\n").unwrap());
    refused(
        rig.ask(&rig.admin, &project, Operation::Status),
        Refusal::Storage,
    );
    assert_eq!(revisions(&rig, &project).len(), 6);
}

// --- What is killed, and what finds the disk full ---

/// Changes, in words.
const CHANGES: [&str; 9] = [
    "push",
    "push-and-drop",
    "push-members",
    "rollback",
    "approve",
    "issue",
    "revoke",
    "delete",
    "post",
];
/// The calls that change files, or open them.
const CALLS: [&str; 10] = [
    "open",
    "openat",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "unlink",
    "unlinkat",
    "mkdir",
    "ftruncate",
];
const TIME: u64 = NOW + 10 * KEPT_SECONDS;
const BEGIN: &str = "/kagi-test-begins";
const END: &str = "/kagi-test-ends";

fn open(root: &Path) -> Store {
    Store::open(root, Key::new([8; 32]), false).expect("a store that opens")
}

fn request(seed: u8) -> Request {
    Request::new(public_key(&Key::new([seed; 32])), "laptop")
}

fn local(store: &Store, project: &str, operation: Operation) -> Response {
    handler::local(store, project, operation, TIME)
}

fn numbered(number: u8) -> Credential {
    Credential::new([number; 13], Key::new([number; 32]))
}

fn project_of_tests() -> String {
    kagi::format::names::project_id([1; 13])
}

/// The state after so many pushes.
fn state_at(revision: u8) -> State {
    let first = State::first(&project_of_tests()).with("secrets/app/constant.enc", "constant");
    (2..=revision).fold(first, |state, number| {
        state.next(
            &format!("secrets/app/e{}.enc", number % 3),
            format!("{number}"),
        )
    })
}

/// A store with a project of some revisions, tokens of two members, and a request that waits.
fn prepare(root: &Path) {
    let store = open(root);
    let project = project_of_tests();
    let name = "shop".to_string();
    done(local(&store, &project, Operation::Register { name }));
    for revision in 1..=37 {
        let operation = state_at(revision).push();
        standing(handler::local(&store, &project, operation, NOW));
    }
    for seed in 1..=3 {
        let token = token(&numbered(seed), Rights::MEMBER, &request(seed).id);
        done(local(&store, &project, Operation::Issue { token }));
    }
    let request = request(9).write().into_bytes();
    done(local(&store, &project, Operation::Post { request }));
}

/// The operation of a change.
fn change(word: &str) -> Operation {
    let next = state_at(38).push();
    match (word, next) {
        (
            "push-members",
            Operation::Push {
                manifest,
                blobs,
                member,
                ..
            },
        ) => {
            let members = vec![
                (request(1).id, Rights::MEMBER),
                (request(2).id, Rights::LIMITED),
            ];
            Operation::Push {
                manifest,
                blobs,
                members,
                member,
            }
        }
        ("push" | "push-and-drop", next) => next,
        ("rollback", _) => Operation::Rollback { revision: 34 },
        ("approve", _) => Operation::Approve {
            token: token(&numbered(7), Rights::MEMBER, ""),
        },
        ("issue", _) => {
            let mut token = token(&numbered(7), Rights::MEMBER, &request(9).id);
            token.sealed = vec![7; 100];
            Operation::Issue { token }
        }
        ("revoke", _) => Operation::Revoke {
            token: numbered(3).id,
        },
        ("delete", _) => Operation::Delete,
        ("post", _) => Operation::Post {
            request: request(10).write().into_bytes(),
        },
        _ => panic!("{word}"),
    }
}

/// Not a test of its own: what is killed. It makes one change and leaves a file that says how it went.
#[test]
fn the_program_that_is_killed() {
    let Some(root) = std::env::var_os("KAGI_TEST_STORE").map(PathBuf::from) else {
        return;
    };
    let word = std::env::var("KAGI_TEST_CHANGE").unwrap();
    let store = open(&root);
    let project = match word.as_str() {
        "approve" => kagi::format::names::project_id([2; 13]),
        _ => project_of_tests(),
    };
    // Only this one lets the oldest revisions go.
    let now = if word == "push-and-drop" {
        TIME
    } else {
        NOW + 1
    };
    let operation = change(&word);
    // The thread that runs the tests writes as well: what is counted is beyond that.
    for _ in 0..100 {
        fs::write("/dev/null", "x").unwrap();
    }
    let _ = fs::metadata(BEGIN);
    let response = handler::local(&store, &project, operation, now);
    let _ = fs::metadata(END);
    let how = match response {
        Response::Refused(Refusal::Storage, _) => "refused",
        Response::Done | Response::Standing(_) => "done",
        other => panic!("{}", shown(&other)),
    };
    fs::write(root.with_extension(how), "").unwrap();
}

fn helper(root: &Path, word: &str, options: &[&str]) -> String {
    let log = root.with_extension("log");
    let mut command = Command::new("strace");
    command.arg("-f").arg("-o").arg(&log).args(options);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--exact", "the_program_that_is_killed", "--test-threads=1"]);
    command
        .env("KAGI_TEST_STORE", root)
        .env("KAGI_TEST_CHANGE", word);
    command.output().expect("strace");
    fs::read_to_string(&log).expect("a log")
}

/// The calls of a change, each with how often its thread had made it by then, and true if it changes nothing.
fn calls(log: &str) -> Vec<(String, usize, bool)> {
    let thread = log
        .lines()
        .find(|line| line.contains(BEGIN))
        .expect("a beginning");
    let thread = thread.split(' ').next().unwrap();
    let (mut counts, mut has_begun) = (std::collections::BTreeMap::new(), false);
    let mut calls = Vec::new();
    for line in log.lines().filter(|line| line.starts_with(thread)) {
        has_begun |= line.contains(BEGIN);
        if line.contains(END) {
            break;
        }
        let call = line[thread.len()..]
            .trim_start()
            .split('(')
            .next()
            .unwrap_or_default();
        if CALLS.contains(&call) {
            let count = counts.entry(call.to_string()).or_insert(0);
            *count += 1;
            let is_open = call.starts_with("open");
            let is_read = is_open && !line.contains("O_CREAT");
            let is_tried = has_begun && (!is_open || common::is_full_scale());
            calls.extend(is_tried.then(|| (call.to_string(), *count, is_read)));
        }
    }
    calls
}

/// Which of the parts is what waits.
const WAITING: usize = 2;

/// What can be seen of a store, in parts of which each must be the old one or the new one.
fn parts(root: &Path) -> Vec<String> {
    let store = open(root);
    let project = project_of_tests();
    let mut parts = Vec::new();
    match local(&store, "", Operation::Projects) {
        Response::Projects(list) => {
            let shown = |one: &ProjectInfo| format!("{} {}", one.id, one.revision);
            parts.push(list.iter().map(shown).collect::<Vec<_>>().join(" "));
        }
        other => panic!("{}", shown(&other)),
    }
    let pull = Operation::Pull {
        since: 0,
        member: String::new(),
    };
    match local(&store, &project, pull) {
        Response::Pulled(pulled) => {
            let at = &pulled.standing;
            parts.push(format!(
                "{} {:?} {:?}",
                at.revision, pulled.manifest, pulled.blobs
            ));
            parts.push(format!("{:?}", at.waiting));
        }
        other => parts.extend([shown(&other), String::new()]),
    }
    for number in [1, 2, 3, 7] {
        let token = store.token(&numbered(number), TIME);
        parts.push(token.map_or(String::new(), |token| token.info.rights.words()));
    }
    drop(store);
    sound(root);
    parts
}

fn fresh_copy(from: &Path, to: &Path) {
    for how in ["done", "refused"] {
        let _ = fs::remove_file(to.with_extension(how));
    }
    let _ = fs::remove_dir_all(to);
    common::copy(from, to);
}

#[test]
fn a_change_that_is_killed_or_finds_the_disk_full_is_made_or_not() {
    if common::find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let world = World::new();
    let (before, root) = (world.root.join("before"), world.root.join("store"));
    prepare(&before);
    let old = parts(&before);
    let (mut kills, mut failures) = (0, 0);
    for word in CHANGES {
        fresh_copy(&before, &root);
        let log = helper(&root, word, &[]);
        assert!(root.with_extension("done").exists(), "{word}");
        let new = parts(&root);
        assert!(new != old, "{word}");
        let syncs = calls(&log)
            .iter()
            .filter(|(call, ..)| call.ends_with("sync"))
            .count();
        // The syncs of a push: the file, and the directory that it is in.
        assert!(word != "push" || syncs == 2, "{syncs} syncs");
        for (call, at, is_read) in calls(&log) {
            for fault in tried(&call, is_read, &[Fault::Kill, Fault::Full]) {
                fresh_copy(&before, &root);
                stop(&root, word, (&call, at, fault), [&old, &new]);
                kills += usize::from(fault == Fault::Kill);
                failures += usize::from(fault != Fault::Kill);
            }
        }
    }
    let kinds = if common::is_full_scale() {
        faults().len() - 1
    } else {
        1
    };
    common::say(&format!(
        "assured: crash: {} changes of a server's store: {kills} calls killed, {failures} failed by {kinds} kinds of \
         error",
        CHANGES.len()
    ));
    assert!(kills > 50 && failures > 50);
}

/// Makes one try at a change of a fresh store.
fn stop(root: &Path, word: &str, (call, at, fault): (&str, usize, Fault), states: [&[String]; 2]) {
    let is_read = call.starts_with("open");
    let inject = format!("inject={call}:{}:when={at}", fault.injection());
    helper(root, word, &["-e", &format!("trace={call}"), "-e", &inject]);
    let what = format!("{word}: {call} {at} {fault:?}");
    let is_done = root.with_extension("done").exists();
    let is_refused = root.with_extension("refused").exists();
    assert_eq!(is_done || is_refused, fault != Fault::Kill, "{what}");
    let [old, new] = states;
    // A request that cannot be read is none, so what answers it does not take it out: it waits on.
    let may_wait = |part: usize| part == WAITING && is_read && fault != Fault::Kill;
    for (at, ((found, new), old)) in parts(root).iter().zip(new).zip(old).enumerate() {
        let is_whole = found == new || (found == old && (!is_done || may_wait(at)));
        assert!(is_whole, "{what}: {found}\nnot {new}\nnor {old}");
        // What was refused is not there: whoever asked tries again.
        assert!(
            !is_refused || word != "push" || found == old,
            "{what}: {found}"
        );
    }
    goes_on(root, &what);
}

/// The store takes the next push.
fn goes_on(root: &Path, what: &str) {
    let store = open(root);
    let project = project_of_tests();
    let at = match local(&store, &project, Operation::Status) {
        Response::Standing(at) => at,
        Response::Refused(Refusal::Missing, _) => return,
        other => panic!("{what}: {}", shown(&other)),
    };
    let mut state = State::first(&project).with("kagi.json", "goes on");
    (state.revision, state.previous) = (at.revision + 1, at.id);
    assert_eq!(
        standing(local(&store, &project, state.push())).revision,
        state.revision,
        "{what}"
    );
}
