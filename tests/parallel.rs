//! Many writers at once: every change that was acknowledged is there, whoever was killed meanwhile.
#![cfg(unix)]

mod common;

use common::{Device, Random, World, leftovers, pairs, program};
use kagi::disk::{self, Mode};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const WRITERS: usize = 20;

fn project(world: &World) -> (Device, std::path::PathBuf) {
    let ada = world.device("Ada");
    let path = world.directory("work");
    ada.kagi(&path, "init --name Ada --envs=development,production")
        .ok();
    (ada, path)
}

fn spawn(device: &Device, path: &Path, words: &str) -> Child {
    let mut command = device.command(program(), path);
    command.args(words.split(' '));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program")
}

#[test]
fn twenty_writers_of_one_scope() {
    let world = World::new();
    let (ada, path) = project(&world);
    let set = |at| spawn(&ada, &path, &format!("set K{at} {at}"));
    let writers: Vec<_> = (0..WRITERS).map(set).collect();
    for mut writer in writers {
        assert!(writer.wait().expect("its end").success());
    }
    let values = ada.values(&path, "");
    let expected: Vec<_> = (0..WRITERS).map(|at| format!("K{at}={at}")).collect();
    assert_eq!(values, pairs(&expected.join(" ")));
    assert!(leftovers(&world.root).is_empty());
    ada.kagi(&path, "doctor").ok();
}

#[test]
fn twenty_writers_of_twenty_services() {
    let world = World::new();
    let (ada, path) = project(&world);
    let set = |at| spawn(&ada, &path, &format!("set -s service-{at} K {at}"));
    let writers: Vec<_> = (0..WRITERS).map(set).collect();
    for mut writer in writers {
        assert!(writer.wait().expect("its end").success());
    }
    for at in 0..WRITERS {
        let values = ada.values(&path, &format!("-s service-{at}"));
        assert_eq!(values, pairs(&format!("K={at}")));
    }
}

#[test]
fn writers_that_are_killed_take_nothing_with_them() {
    let mut random = Random::new(7);
    let (mut killed, mut acknowledged) = (0, 0);
    for _ in 0..8 {
        let world = World::new();
        let (ada, path) = project(&world);
        let mut writers = Vec::new();
        for at in 0..WRITERS {
            writers.push((at, spawn(&ada, &path, &format!("set K{at} {at}"))));
        }
        random.shuffle(&mut writers);
        for (_, victim) in &mut writers[..WRITERS / 4] {
            thread::sleep(Duration::from_micros(random.next() % 8000));
            victim.kill().expect("a child of this process");
        }
        let mut done = Vec::new();
        for (at, writer) in &mut writers {
            if writer.wait().expect("its end").success() {
                done.push(*at);
            } else {
                killed += 1;
            }
        }
        acknowledged += done.len();
        assert!(done.len() >= WRITERS - WRITERS / 4);
        let values = ada.values(&path, "");
        for at in done {
            assert_eq!(values.get(&format!("K{at}")), Some(&at.to_string()));
        }
        ada.kagi(&path, "set LAST 1").ok();
        assert_eq!(leftovers(&world.root), Vec::<std::path::PathBuf>::new());
        ada.kagi(&path, "doctor").ok();
    }
    common::say(&format!(
        "parallel: {acknowledged} writes acknowledged, {killed} writers killed"
    ));
    assert!(killed > 0, "nobody was killed in time");
}

/// A reader beside writers sees the scope before or after each of them, however its size changes.
#[test]
fn readers_need_no_lock() {
    let world = World::new();
    let (ada, path) = project(&world);
    ada.kagi(&path, "set A 0").ok();
    let mut count = 0;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for at in 1..=150 {
                let width = if at % 2 == 0 { 1 } else { 20_000 };
                ada.kagi(&path, &format!("set A {at:0width$}")).ok();
            }
        });
        let mut last = 0;
        while !writer.is_finished() {
            let now: u32 = ada.values(&path, "")["A"].parse().expect("a number");
            assert!(now >= last);
            (last, count) = (now, count + 1);
        }
    });
    common::say(&format!("parallel: {count} reads beside 150 writes"));
}

#[test]
fn two_founders_make_one_project() {
    for shares_home in [true, false] {
        for _ in 0..10 {
            let world = World::new();
            let ada = world.device("Ada");
            let other = if shares_home {
                ada.clone()
            } else {
                world.device("Bob")
            };
            let path = world.directory("work");
            let founders = [&ada, &other].map(|device| spawn(device, &path, "init"));
            let ends = founders.map(|mut child| child.wait().expect("its end").code());
            let winners = ends.iter().filter(|code| **code == Some(0)).count();
            assert_eq!(winners, 1, "{ends:?}");
            let winner = if ends[0] == Some(0) { &ada } else { &other };
            winner.kagi(&path, "set A 1").ok();
            assert_eq!(winner.values(&path, ""), pairs("A=1"));
            assert_eq!(leftovers(&world.root), Vec::<std::path::PathBuf>::new());
            let loser = if ends[0] == Some(0) { &other } else { &ada };
            if !shares_home {
                // It may have found the project before it made an identity.
                let end = loser.kagi(&path, "run -- true").fails(&[]);
                let reasons = ["is not a member", "has no identity"];
                assert!(
                    reasons.iter().any(|reason| end.stderr.contains(reason)),
                    "{}",
                    end.stderr
                );
            }
        }
    }
}

/// Writers that set one key after the other: 64 with 50 each if `KAGI_TEST_SCALE` is `full`, else
/// fewer, for each change of a large scope takes a program without optimizations long.
fn many() -> (usize, usize) {
    let is_full = common::is_full_scale();
    if is_full { (64, 50) } else { (64, 5) }
}

/// Sets its keys one after the other; how many were acknowledged until one was not.
fn set_all(device: &Device, path: &Path, writer: usize, count: usize, killed_at: usize) -> usize {
    for at in 0..count {
        let mut child = spawn(device, path, &format!("set K{writer}_{at} {at}"));
        if at == killed_at {
            thread::sleep(Duration::from_micros(500 * writer as u64));
            child.kill().expect("a child of this process");
        }
        if !child.wait().expect("its end").success() {
            return at;
        }
    }
    count
}

/// Every key that was acknowledged is there, and whoever was not killed was acknowledged.
fn many_writers(kills: bool) {
    let (writers, count) = many();
    let world = World::new();
    let (ada, path) = project(&world);
    let is_victim = |writer: usize| kills && writer.is_multiple_of(10);
    let mut done = vec![0; writers];
    thread::scope(|scope| {
        for (writer, done) in done.iter_mut().enumerate() {
            let killed_at = if is_victim(writer) { count / 2 } else { count };
            let (ada, path) = (&ada, &path);
            scope.spawn(move || *done = set_all(ada, path, writer, count, killed_at));
        }
    });
    let values = ada.values(&path, "");
    for (writer, done) in done.iter().enumerate() {
        assert!(*done == count || is_victim(writer), "{writer}: {done}");
        for at in 0..*done {
            let value = values.get(&format!("K{writer}_{at}"));
            assert_eq!(value, Some(&at.to_string()), "{writer}");
        }
    }
    let acknowledged: usize = done.iter().sum();
    let killed = done.iter().filter(|done| **done < count).count();
    common::say(&format!(
        "parallel: {writers} writers of {count} keys, {killed} killed: {acknowledged} acknowledged, {} there",
        values.len()
    ));
    // A write that was killed after it was done is there as well.
    assert!((acknowledged..=acknowledged + killed).contains(&values.len()));
    assert_eq!(killed > 0, kills);
    ada.kagi(&path, "set LAST 1").ok();
    assert_eq!(leftovers(&world.root), Vec::<std::path::PathBuf>::new());
    ada.kagi(&path, "doctor").ok();
}

#[test]
fn sixty_four_writers_of_one_scope() {
    many_writers(false);
}

#[test]
fn sixty_four_writers_of_whom_one_in_ten_is_killed() {
    many_writers(true);
}

/// Beside rotations everything is read, under the old key or the new, and what is written stays.
#[test]
fn others_beside_rotations() {
    let world = World::new();
    let (ada, path) = project(&world);
    ada.kagi(&path, "set A 1").ok();
    ada.kagi(&path, "set production B 2").ok();
    let mut count = 0;
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..40 {
                ada.kagi(&path, "key rotate --yes").ok();
            }
        });
        while !writer.is_finished() {
            assert_eq!(ada.values(&path, ""), pairs("A=1"));
            assert_eq!(ada.values(&path, "production"), pairs("B=2"));
            ada.kagi(&path, &format!("set -s web K{count} 1")).ok();
            count += 1;
        }
    });
    assert_eq!(ada.values(&path, "-s web").len(), count);
    common::say(&format!(
        "parallel: {count} times two reads and a write beside 40 rotations"
    ));
    assert!(count > 10);
}

/// Readers beside rotations that follow each other at once: `run` starts with the values, whatever
/// moment it meets; `get` may have to be repeated, and says so.
#[test]
fn readers_beside_rotations_without_a_pause() {
    let world = World::new();
    let (ada, path) = project(&world);
    ada.kagi(&path, "set A 1").ok();
    let end = Instant::now() + Duration::from_secs(3);
    let (mut reads, mut repeats) = (0, 0);
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut count = 0;
            while Instant::now() < end {
                ada.kagi(&path, "key rotate --yes").ok();
                count += 1;
            }
            count
        });
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < end {
                    ada.kagi(&path, "run -- true").ok();
                }
            });
        }
        while !writer.is_finished() {
            assert_eq!(ada.values(&path, ""), pairs("A=1"));
            let got = ada.kagi(&path, "get --json");
            if got.code == Some(0) {
                assert!(got.text().contains("\"A\""), "{}", got.text());
            } else {
                got.fails(&["was changed while it was read", "hint: run it again"]);
                repeats += 1;
            }
            reads += 1;
        }
        let rotations = writer.join().expect("the writer's count");
        common::say(&format!(
            "parallel: {reads} times two reads beside {rotations} rotations, {repeats} repeats"
        ));
        assert!(reads > 5 && rotations > 5);
    });
}

/// Whatever a file is replaced by while it is opened, what is read is one of the two, whole.
#[test]
fn a_file_that_is_replaced_is_read_whole() {
    let world = World::new();
    let path = world.root.join("file");
    let content = |at: usize| vec![b'0' + u8::try_from(at % 10).expect("a digit"); at % 10 * 2000];
    let end = Instant::now() + Duration::from_secs(1);
    disk::replace(&path, &content(0), Mode::Public).expect("written");
    let mut count = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 1.. {
                disk::replace(&path, &content(at), Mode::Public).expect("written");
                if Instant::now() > end {
                    return;
                }
            }
        });
        while Instant::now() < end {
            let bytes = disk::read(&path, 20_000).expect("readable").expect("there");
            let at = bytes.first().map_or(0, |digit| usize::from(digit - b'0'));
            assert!(bytes == content(at), "{} bytes of {at}", bytes.len());
            count += 1;
        }
    });
    common::say(&format!(
        "parallel: {count} reads of a file that is replaced"
    ));
}
