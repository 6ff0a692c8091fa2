//! What a push leaves of which `kagi serve` itself is killed, or to which the disk says that it is full.
//!
//! The real server is killed at each call that it makes for a push over HTTP, up to the close of the
//! connection; and each write, sync, rename and new file fails once with a full disk, and with
//! `KAGI_TEST_SCALE=full` in each way that it can. What must be survived: what was
//! acknowledged is there after the next start, what was not is there whole or not at all; a refusal
//! says why, and leaves the old state to a server that goes on; the next push works; the store is
//! sound. Not here: a machine that loses power, for here every write that was made is seen, also
//! without the syncs; `tests/power.rs` plays that with a server that is pushed to and asked for tokens.
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(all(unix, feature = "server"))]

mod common;
#[path = "common/fault.rs"]
mod fault;
#[path = "common/store.rs"]
mod rig;

use common::{Device, World, find_program, is_full_scale, program};
use fault::{Fault, faults, tried};
use kagi::crypto::wrap::public_key;
use kagi::disk::lock_within;
use kagi::error::Result;
use kagi::format::message::token::{AdminToken, Credential};
use kagi::format::request::Request;
use kagi::secret::Key;
use kagi::sync::protocol::{Operation, Refusal, Response, Rights};
use kagi::sync::remote::{self, Options};
use rig::{State, credential, done, fresh_project, pulled, shown, standing, token};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a server may do for a push, but for waiting, memory, threads and randomness: what each push
/// does as often as the one before, so that each of these calls must kill.
const CALLS: &str = "openat,?open,read,pread64,write,pwrite64,writev,sendto,sendmsg,shutdown,close,lseek,\
    fsync,fdatasync,rename,renameat,unlink,unlinkat,mkdir,mkdirat,ftruncate";
/// Those that fail.
const FAILING: [&str; 5] = ["openat", "open", "write", "fsync", "rename"];
const PATIENCE: Duration = Duration::from_secs(10);
/// The server is a child of what becomes `strace`, which may look into it on any system then.
const SCRIPT: &str = "\"$0\" serve --bind 127.0.0.1:0 --store store & echo \"pid $!\" >&2; \
    read -r words && exec strace -f -o trace -p $! $words; wait";

/// A server, ended with the test.
struct Server {
    shell: Child,
    stderr: BufReader<ChildStderr>,
    pid: u32,
    url: String,
    is_ended: bool,
}

fn signal(name: &str, pid: u32) {
    let line = format!("kill -{name} {pid}");
    let _ = Command::new("sh")
        .args(["-c", &line])
        .stderr(Stdio::null())
        .status();
}

impl Server {
    fn start(world: &World, device: &Device) -> Self {
        let mut shell = device
            .command("sh", &world.root)
            .args(["-c", SCRIPT])
            .arg(program())
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let stderr = BufReader::new(shell.stderr.take().expect("a pipe"));
        let (pid, url) = (0, String::new());
        let mut server = Server {
            shell,
            stderr,
            pid,
            url,
            is_ended: false,
        };
        while server.pid == 0 || server.url.is_empty() {
            let line = server.line();
            if let Some((_, rest)) = line.split_once("serving on ") {
                server.url = rest.split(' ').next().expect("an address").to_string();
            } else if let Some(pid) = line.strip_prefix("pid ") {
                server.pid = pid.trim().parse().expect("a number");
            }
        }
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "it ends early");
        line
    }

    /// From now on its calls are looked at: each thread's are counted from here.
    fn trace(&mut self, options: &str) {
        let stdin = self.shell.stdin.as_mut().expect("a pipe");
        writeln!(stdin, "{options}").expect("a shell that reads");
        loop {
            let line = self.line();
            assert!(!line.contains("attach:"), "{line}");
            if line.contains(" attached with ") {
                return;
            }
        }
    }

    /// Its calls are its own again.
    fn let_go(&mut self) {
        signal("TERM", self.shell.id());
        let _ = self.shell.wait();
    }

    /// True if it was killed by what looks at it.
    fn is_killed(&mut self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if self.shell.try_wait().expect("a child").is_some() {
                self.is_ended = true;
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.is_ended {
            signal("KILL", self.pid);
        }
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// What is pushed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// A changed file.
    Plain,
    /// The same, with those who may go on: a token is bound, one is narrowed and one ends.
    Members,
}

/// A server's directory, its project, and what was pushed last.
struct Bench {
    world: World,
    device: Device,
    admin: AdminToken,
    project: String,
    state: State,
    who: Credential,
    /// Changes with each push.
    count: usize,
}

fn member(seed: u8) -> String {
    Request::new(public_key(&Key::new([seed; 32])), "laptop").id
}

impl Bench {
    fn new() -> Self {
        let world = World::new();
        let device = world.device("server");
        let first = device
            .kagi(&world.root, "serve --init --store store")
            .ok()
            .text();
        let text = first.split_once("admin token ").expect("a token").1;
        let admin = AdminToken::from_text("the token", text.trim()).expect("a token");
        let project = fresh_project();
        let who = credential();
        let state = State::first(&project).with("secrets/app/constant.enc", "constant");
        let bench = Bench {
            world,
            device,
            admin,
            project,
            state,
            who,
            count: 0,
        };
        let server = bench.start();
        let token = token(&bench.who, Rights::MEMBER, &member(1));
        done(bench.ask(
            &server,
            &bench.admin.credential,
            Operation::Approve { token },
        ));
        standing(bench.ask(&server, &bench.who, bench.state.push()));
        bench
    }

    fn start(&self) -> Server {
        Server::start(&self.world, &self.device)
    }

    fn tried(&self, server: &Server, who: &Credential, operation: Operation) -> Result<Response> {
        let key = Some(self.admin.server);
        let mut remote = remote::open(&server.url, key, Options::default())?;
        remote.call(Some(who), &self.project, operation)
    }

    fn ask(&self, server: &Server, who: &Credential, operation: Operation) -> Response {
        self.tried(server, who, operation).expect("an answer")
    }

    /// The next push, the state that it makes, and who pushes it. Tokens that it changes are made.
    fn next(&mut self, server: &Server, kind: Kind) -> (Operation, State, [Credential; 3]) {
        self.count += 1;
        let path = format!("secrets/app/e{}.enc", self.count % 3);
        let next = self.state.next(&path, format!("{}", self.count));
        let tokens = [credential(), credential(), credential()];
        let mut push = next.push();
        if kind == Kind::Members {
            for (new, member) in tokens.iter().zip(["", &member(2), &member(3)]) {
                let token = token(new, Rights::MEMBER, member);
                done(self.ask(server, &self.admin.credential, Operation::Issue { token }));
            }
            if let Operation::Push {
                members, member, ..
            } = &mut push
            {
                *members = vec![
                    (self::member(1), Rights::MEMBER),
                    (self::member(2), Rights::LIMITED),
                ];
                *member = self::member(1);
            }
        } else {
            // A project that is held in memory and threads that have begun are the common case.
            standing(self.ask(server, &self.who, Operation::Status));
        }
        (push, next, tokens)
    }

    /// The state that a server has, which is this one or the one before, and whole.
    fn find(&self, server: &Server, next: &State, what: &str) -> State {
        let member = String::new();
        let pulled = pulled(self.ask(server, &self.who, Operation::Pull { since: 0, member }));
        let states = [next, &self.state];
        let state = states
            .into_iter()
            .find(|one| one.manifest().encode() == pulled.manifest);
        let state = state.unwrap_or_else(|| panic!("{what}: a state of nobody's"));
        let blobs: BTreeSet<_> = pulled.blobs.iter().collect();
        assert_eq!(blobs, state.files.values().collect(), "{what}");
        assert_eq!(pulled.standing.revision, state.revision, "{what}");
        state.clone()
    }

    /// The tokens that a push with members changes are as it says.
    fn are_limited(&self, server: &Server, tokens: &[Credential; 3], what: &str) {
        let Response::Tokens(list) = self.ask(server, &self.who, Operation::Tokens) else {
            panic!("{what}");
        };
        let rights = |one: &Credential| {
            let info = list.iter().find(|info| info.id == one.id)?;
            Some((info.rights.words(), info.member.clone()))
        };
        let wanted = |rights: Rights, seed| Some((rights.words(), member(seed)));
        assert_eq!(rights(&tokens[0]), wanted(Rights::MEMBER, 1), "{what}");
        assert_eq!(rights(&tokens[1]), wanted(Rights::LIMITED, 2), "{what}");
        assert_eq!(rights(&tokens[2]), None, "{what}");
    }

    /// The server takes the next push; it is ended, and its store has nothing wrong.
    fn goes_on(&mut self, server: Server, kind: Kind, tokens: &[Credential; 3], what: &str) {
        self.count += 1;
        let next = self
            .state
            .next("kagi.json", format!("goes on {}", self.count));
        standing(self.ask(&server, &self.who, next.push()));
        self.state = self.find(&server, &next, what);
        assert_eq!(self.state.revision, next.revision, "{what}");
        if kind == Kind::Members {
            // Whatever of it was done, it can be done again.
            let (push, next, _) = self.next(&server, kind);
            let pusher = if self.is_open(&server, &tokens[0]) {
                &tokens[0]
            } else {
                &self.who
            };
            standing(self.ask(&server, pusher, push));
            self.state = next;
            self.are_limited(&server, tokens, what);
        }
        drop(server);
        drop(lock_within(&self.world.root.join("store"), PATIENCE).expect("a server that ended"));
        self.device
            .kagi(&self.world.root, "serve --check --store store")
            .ok();
    }

    fn is_open(&self, server: &Server, who: &Credential) -> bool {
        let answer = self.ask(server, who, Operation::Status);
        matches!(answer, Response::Standing(_))
    }

    /// The calls of a push, each with how often the thread that answered had made it by then.
    fn calls(&mut self, kind: Kind) -> Vec<(String, usize, bool)> {
        let mut server = self.start();
        let (push, next, tokens) = self.next(&server, kind);
        server.trace(&format!("-e trace={CALLS}"));
        standing(self.ask(&server, self.pusher(kind, &tokens), push));
        // The answer is sent before the connection is closed.
        let log = self.world.root.join("trace");
        let end = Instant::now() + PATIENCE;
        let calls = loop {
            let text = fs::read_to_string(&log).expect("a log");
            let calls = calls_of_pusher(&text);
            if calls.last().is_some_and(|(call, ..)| call == "close") && has_answered(&calls) {
                break calls;
            }
            assert!(Instant::now() < end, "{text}");
            thread::sleep(Duration::from_millis(10));
        };
        server.let_go();
        self.state = next;
        self.goes_on(server, kind, &tokens, "traced");
        calls
    }

    fn pusher<'a>(&'a self, kind: Kind, tokens: &'a [Credential; 3]) -> &'a Credential {
        match kind {
            Kind::Plain => &self.who,
            Kind::Members => &tokens[0],
        }
    }
}

fn has_answered(calls: &[(String, usize, bool)]) -> bool {
    let is_answer = |call: &str| ["writev", "sendto", "sendmsg"].contains(&call);
    calls.iter().any(|(call, ..)| is_answer(call))
}

/// The calls of the thread that put a revision in its place; and true for those that make a file, write
/// or rename.
fn calls_of_pusher(log: &str) -> Vec<(String, usize, bool)> {
    let is_commit = |line: &&str| line.contains(" rename(") && line.contains("/revisions/");
    let commit = log.lines().find(is_commit).unwrap_or_default();
    let thread = commit.split(' ').next().unwrap_or_default();
    let mut counts = BTreeMap::new();
    let mut calls = Vec::new();
    for line in log
        .lines()
        .filter(|line| line.split(' ').next() == Some(thread))
    {
        let rest = line[thread.len()..].trim_start();
        let Some((call, arguments)) = rest.split_once('(').filter(|(call, _)| !call.contains(' '))
        else {
            continue;
        };
        let count = counts.entry(call.to_string()).or_insert(0);
        *count += 1;
        let is_change = !call.starts_with("open") || arguments.contains("O_CREAT");
        calls.push((
            call.to_string(),
            *count,
            is_change && FAILING.contains(&call),
        ));
    }
    calls
}

#[test]
fn a_push_of_which_the_server_is_killed_is_there_or_not() {
    if find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let mut bench = Bench::new();
    let (mut kills, mut acknowledged, mut there) = (0, 0, 0);
    for kind in [Kind::Plain, Kind::Members] {
        let calls = bench.calls(kind);
        for (call, at, is_change) in &calls {
            // What reads and sends is the same for both.
            let is_other = *is_change || ["unlink", "unlinkat", "fdatasync"].contains(&&**call);
            if kind == Kind::Members && !is_other {
                continue;
            }
            let what = format!("{kind:?}: {call} {at}");
            let mut server = bench.start();
            let (push, next, tokens) = bench.next(&server, kind);
            let options = format!("-e trace={call} -e inject={call}:signal=SIGKILL:when={at}");
            server.trace(&options);
            let answer = bench.tried(&server, bench.pusher(kind, &tokens), push);
            let is_done = matches!(&answer, Ok(Response::Standing(_)));
            let is_known = is_done || answer.is_err();
            assert!(is_known, "{what}: {}", shown(&answer.expect("an answer")));
            assert!(server.is_killed(), "{what}: it was not killed");
            kills += 1;
            drop(server);
            let server = bench.start();
            let found = bench.find(&server, &next, &what);
            let is_there = found.revision == next.revision;
            assert!(is_there || !is_done, "{what}: it was acknowledged");
            if is_there && kind == Kind::Members {
                bench.are_limited(&server, &tokens, &what);
            }
            acknowledged += usize::from(is_done);
            there += usize::from(is_there);
            bench.state = found;
            bench.goes_on(server, kind, &tokens, &what);
        }
    }
    common::say(&format!(
        "assured: crash: a server killed at {kills} calls of pushes: {there} were there, among them all {acknowledged} that \
         were acknowledged"
    ));
    assert!(kills > 30 && acknowledged > 0 && there > acknowledged && kills > there);
}

#[test]
fn a_push_that_finds_the_disk_full_is_refused_and_the_server_goes_on() {
    if find_program("strace").is_none() {
        return common::say("skipped: crash: it needs strace");
    }
    let mut bench = Bench::new();
    let (mut tries, mut refusals) = (0, 0);
    for kind in [Kind::Plain, Kind::Members] {
        for (call, at, is_change) in bench.calls(kind) {
            let faults = tried(&call, false, &[Fault::Full]);
            for fault in faults
                .into_iter()
                .filter(|fault| is_change && *fault != Fault::Kill)
            {
                tries += 1;
                refusals += usize::from(bench.is_refused(kind, &call, at, fault));
            }
        }
    }
    common::say(&format!(
        "assured: crash: {tries} calls of a server's pushes failed by {} kinds of error: {refusals} pushes were \
         refused, and the server went on",
        if is_full_scale() {
            faults().len() - 1
        } else {
            1
        }
    ));
    assert!(tries > 10 && refusals > 5 && refusals < tries);
}

impl Bench {
    /// Pushes to a server of which one call fails; true if that was refused.
    fn is_refused(&mut self, kind: Kind, call: &str, at: usize, fault: Fault) -> bool {
        let what = format!("{kind:?}: {call} {at} {fault:?}");
        let mut server = self.start();
        let (push, next, tokens) = self.next(&server, kind);
        let injection = fault.injection();
        server.trace(&format!(
            "-e trace={call} -e inject={call}:{injection}:when={at}"
        ));
        let answer = self.ask(&server, self.pusher(kind, &tokens), push);
        server.let_go();
        let found = self.find(&server, &next, &what);
        let is_refused = match &answer {
            Response::Standing(_) => {
                assert_eq!(found.revision, next.revision, "{what}");
                false
            }
            Response::Refused(Refusal::Storage, about) => {
                let is_told = fault.causes().iter().any(|cause| about.contains(cause));
                assert!(is_told, "{what}: {about}");
                assert_eq!(found.revision, self.state.revision, "{what}");
                true
            }
            other => panic!("{what}: {}", shown(other)),
        };
        self.state = found;
        self.goes_on(server, kind, &tokens, &what);
        is_refused
    }
}
