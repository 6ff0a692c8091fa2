//! What a writer leaves that is stopped at any moment, or that the disk fails.
//!
//! Every command that writes is killed at each of its system calls that concern files, and each of
//! those calls fails once with a full disk and once with a broken one. What must be survived: the
//! old state or the new one is read, never anything between; a command that succeeded has the new
//! one; every member of a team reads the same; the next write leaves no stray file, and it or
//! `doctor --fix` no box of another epoch. Not covered: a machine that loses power, for here every
//! write that was made is seen.
//!
//! Each call that changes something is killed at. A kill at a call that only looks leaves the disk as
//! the kill at the next change does, so those are left out. With `KAGI_TEST_SCALE=full` there are more
//! commands, and each call fails in each way that it can. Else, of the calls before a command's first
//! change of anything, one in five is tried.
//!
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(unix)]

mod common;

use common::{
    Device, World, copy, find_program, identity_of, is_full_scale, leftovers, outcome, program,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const LANES: usize = 2;

/// The calls that concern files, as they are named on the platforms that have them.
const CALLS: [&str; 32] = [
    "open",
    "openat",
    "creat",
    "read",
    "write",
    "writev",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "flock",
    "ftruncate",
    "fallocate",
    "chmod",
    "fchmod",
    "fchmodat",
    "getdents64",
    "statx",
    "newfstatat",
    "close",
    "copy_file_range",
];

/// What a call that changes something has in its line.
const CHANGES: [&str; 5] = ["O_CREAT", "mkdir", "rename", "unlink", "rmdir"];

/// One command, and what makes the state that it starts from.
struct Case {
    /// `CID` stands for Cid's member id.
    words: &'static str,
    before: &'static [&'static str],
    team: Team,
}

/// Who is there besides Ada.
#[derive(Clone, Copy, PartialEq)]
enum Team {
    Nobody,
    /// Bob is no member, and it is he who runs the command.
    Newcomer,
    /// Bob is a member, and Cid has asked to be one.
    Asked,
    /// Bob and Cid are members.
    Three,
}

const INIT: &str = "init --name Ada --envs=development,production --yes";

const CASES: &[Case] = &[
    Case {
        words: INIT,
        before: &[],
        team: Team::Nobody,
    },
    Case {
        words: "set A 2",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "set web X 1",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "unset A --yes",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "import --file more.env --force",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "copy A B --to production",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "move A --as C",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "move A B --to web/development",
        before: &[INIT, "set C 5"],
        team: Team::Nobody,
    },
    Case {
        words: "env add staging",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "env rename production live",
        before: &[INIT, "set production A 1", "set web production B 2"],
        team: Team::Nobody,
    },
    Case {
        words: "env rename development local",
        before: &[INIT, "set web B 2"],
        team: Team::Nobody,
    },
    Case {
        words: "env del production --yes",
        before: &[INIT, "set production A 1", "set web production B 2"],
        team: Team::Nobody,
    },
    Case {
        words: "init --force --name Ada --yes",
        before: &[INIT, "set A 2"],
        team: Team::Nobody,
    },
    Case {
        words: "uninit --yes",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "restore -f ../home-Ada/kept --yes",
        before: &[INIT, "backup -o ../home-Ada/kept", "set A 2"],
        team: Team::Nobody,
    },
    Case {
        words: "member join --name Bob",
        before: &[INIT],
        team: Team::Newcomer,
    },
    Case {
        words: "member approve CID",
        before: &[INIT],
        team: Team::Asked,
    },
    Case {
        words: "member del CID --yes",
        before: &[INIT, "set production A 1", "set web X 1"],
        team: Team::Three,
    },
    Case {
        words: "member grant CID app/production --only --yes",
        before: &[INIT, "set production A 1"],
        team: Team::Three,
    },
    Case {
        words: "key rotate --yes",
        before: &[INIT, "set production A 1", "set web X 1"],
        team: Team::Three,
    },
    Case {
        words: "env rename production live",
        before: &[INIT, "set production A 1"],
        team: Team::Asked,
    },
    Case {
        words: "file add cert.pem",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "file remove cert.pem --yes",
        before: &[INIT, "file add cert.pem"],
        team: Team::Nobody,
    },
    Case {
        words: "file restore cert.pem --out restored.pem",
        before: &[INIT, "file add cert.pem"],
        team: Team::Nobody,
    },
    Case {
        words: "render template -o rendered",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "sync --example example.env",
        before: &[INIT],
        team: Team::Nobody,
    },
    Case {
        words: "member rename CID Carl",
        before: &[INIT],
        team: Team::Three,
    },
];

/// The cases from here on write what those before write, in other places, and are tried with
/// `KAGI_TEST_SCALE=full` alone.
const CASES_ALWAYS: usize = 21;

fn cases() -> usize {
    if is_full_scale() {
        CASES.len()
    } else {
        CASES_ALWAYS
    }
}

/// A command that writes plain text to a place outside of `.kagi`. Its temporary file there is
/// known to stay after a kill, and is not looked for.
fn is_output(words: &str) -> bool {
    ["file restore", "render "]
        .iter()
        .any(|start| words.starts_with(start))
}

/// What happens at a call.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Kill,
    Full,
    Broken,
    /// With `KAGI_TEST_SCALE=full` alone, as those below.
    Quota,
    ReadOnly,
    NoDescriptor,
    Interrupted,
}

impl Fault {
    fn injection(self) -> &'static str {
        match self {
            Fault::Kill => "signal=SIGKILL",
            Fault::Full => "error=ENOSPC",
            Fault::Broken => "error=EIO",
            Fault::Quota => "error=EDQUOT",
            Fault::ReadOnly => "error=EROFS",
            Fault::NoDescriptor => "error=EMFILE",
            Fault::Interrupted => "error=EINTR",
        }
    }

    /// A full disk fails the calls that change something, a broken one those that look.
    /// (A `close` that fails is a panic of the standard library's, and on no real disk.)
    fn applies(self, call: &str) -> bool {
        match self {
            Fault::Kill => true,
            Fault::Full => !looks(call),
            Fault::Broken => (looks(call) || is_full_scale()) && call != "close",
            Fault::Quota => !looks(call) && !is_sync(call) && !call.starts_with("unlink"),
            Fault::ReadOnly => !looks(call) && !is_sync(call) && !call.contains("write"),
            Fault::NoDescriptor => call.starts_with("open"),
            Fault::Interrupted => {
                call.starts_with("open")
                    || ["read", "write", "flock", "ftruncate", "fsync"].contains(&call)
            }
        }
    }
}

fn is_sync(call: &str) -> bool {
    ["fsync", "fdatasync"].contains(&call)
}

/// True for a call that changes nothing.
fn looks(call: &str) -> bool {
    [
        "read",
        "statx",
        "newfstatat",
        "getdents64",
        "flock",
        "close",
    ]
    .contains(&call)
}

/// One try: a command, and what happens at which of its calls.
struct Try {
    case: usize,
    fault: Fault,
    call: String,
    at: usize,
}

/// What is read of a project: text, or that there is none.
type State = Option<String>;

/// The states that may be found.
#[derive(Clone)]
struct States {
    old: State,
    new: State,
    /// A move between two scopes may be stopped with the keys in both.
    between: State,
}

/// A place where one try after another is made.
struct Lane {
    world: World,
    device: Device,
    bob: Device,
    cid: Device,
    path: PathBuf,
    /// The case that the saved directory is for, with its states.
    ready: Option<(usize, States)>,
}

const PLACES: [&str; 4] = ["work", "home-Ada", "home-Bob", "home-Cid"];

impl Lane {
    fn new() -> Self {
        let world = World::new();
        let device = world.device("Ada");
        let path = world.directory("work");
        Lane {
            bob: world.device("Bob"),
            cid: world.device("Cid"),
            world,
            device,
            path,
            ready: None,
        }
    }

    /// Makes the state that a case starts from, and looks at its states.
    fn prepare(&mut self, number: usize) -> States {
        if let Some((case, states)) = &self.ready
            && *case == number
        {
            return states.clone();
        }
        let _ = fs::remove_dir_all(self.world.root.join("saved"));
        for name in PLACES {
            let _ = fs::remove_dir_all(self.world.root.join(name));
            self.world.directory(name);
        }
        fs::write(self.path.join(".env"), "A=1\nB=2\n").expect("a file");
        fs::write(self.path.join("more.env"), "A=3\nC=4\n").expect("a file");
        fs::write(self.path.join("example.env"), "NEW=1\n").expect("a file");
        fs::write(self.path.join("cert.pem"), "a certificate\n").expect("a file");
        fs::write(self.path.join("template"), "a={{ A }}\n").expect("a file");
        let case = &CASES[number];
        for words in case.before {
            self.device.kagi(&self.path, words).ok();
        }
        if [Team::Asked, Team::Three].contains(&case.team) {
            self.join(&self.bob);
            self.device
                .kagi(&self.path, &format!("member approve {}", id(&self.bob)))
                .ok();
            self.bob.kagi(&self.path, "get").ok();
            self.join(&self.cid);
        }
        if case.team == Team::Three {
            self.device
                .kagi(&self.path, &self.words("member approve CID"))
                .ok();
        }
        for name in PLACES {
            let saved = self.world.root.join("saved").join(name);
            copy(&self.world.root.join(name), &saved);
        }
        let old = self.state(number).expect("the old state");
        let after = |words: &str| {
            self.restore();
            let words = self.words(words);
            self.writer(number).kagi(&self.path, &words).ok();
            self.state(number).expect("a new state")
        };
        let is_move = case.words.starts_with("move ") && case.words.contains("--to");
        let between = is_move.then(|| after(&case.words.replacen("move", "copy", 1)));
        let new = after(case.words);
        let between = between.unwrap_or(new.clone());
        assert!(old != new && old != between, "{}", case.words);
        let states = States { old, new, between };
        self.ready = Some((number, states.clone()));
        states
    }

    fn join(&self, device: &Device) {
        let name = &device.name;
        device
            .kagi(&self.path, &format!("member join --name {name}"))
            .ok();
        let ada = id(&self.device);
        device.kagi(&self.path, &format!("trust {ada}")).ok();
    }

    fn words(&self, words: &str) -> String {
        if words.contains("CID") {
            words.replace("CID", &id(&self.cid))
        } else {
            words.into()
        }
    }

    fn writer(&self, case: usize) -> &Device {
        match CASES[case].team {
            Team::Newcomer => &self.bob,
            _ => &self.device,
        }
    }

    fn restore(&self) {
        for name in PLACES {
            let path = self.world.root.join(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.world.root.join("saved").join(name), &path);
        }
    }

    /// What readers see; `Err` if any of them finds something damaged, or something else.
    fn state(&self, case: usize) -> Result<State, String> {
        let state = self.state_of(&self.device)?;
        let (Team::Asked | Team::Three) = CASES[case].team else {
            return Ok(state);
        };
        let other = self.state_of(&self.bob)?;
        if state == other {
            return Ok(state);
        }
        Err(format!("two members read {state:?} and {other:?}"))
    }

    fn state_of(&self, device: &Device) -> Result<State, String> {
        let listed = device.kagi(&self.path, "get --json");
        if listed.code == Some(1) && listed.stderr.contains("there is no .kagi in") {
            return Ok(None);
        }
        let run = device.kagi(&self.path, "run -- env -0");
        let members = device.kagi(&self.path, "member list --json");
        for outcome in [&listed, &run, &members] {
            if outcome.code != Some(0) {
                return Err(format!("{:?} {}", outcome.code, outcome.stderr));
            }
        }
        let mut text = format!("{:?}\n", common::variables(&run.stdout));
        if is_full_scale() {
            // The commands for files are among those that are tried there alone.
            text += &self.device.kagi(&self.path, "file list --all").text();
        }
        // What a command writes in plain text, whole or not there.
        for name in ["rendered", "restored.pem"] {
            if let Ok(content) = fs::read_to_string(self.path.join(name)) {
                text.extend([name, ": ", &content, "\n"]);
            }
        }
        // With the environments, but not the project's id and times, which differ from try to try.
        let config = fs::read_to_string(self.path.join(".kagi/kagi.json"));
        let config = config.map_err(|cause| cause.to_string())?;
        let roster = fs::read_to_string(self.path.join(".kagi/access.json"));
        let roster = roster.map_err(|cause| cause.to_string())?;
        let epoch = roster.split("\"epoch\": \"").nth(1).unwrap_or_default();
        let epoch = epoch.split('.').next().unwrap_or_default();
        let lines = [config, listed.text(), members.text(), epoch.into()].concat();
        let is_same_always = |line: &&str| {
            !["kgp_", "\"time\": ", "\"is_you\": ", "\"id\": "]
                .iter()
                .any(|part| line.contains(part))
        };
        for line in lines.lines().filter(is_same_always) {
            text.push_str(line);
            text.push('\n');
        }
        Ok(Some(text))
    }

    /// The calls that the command makes, each with how often it was made by then; of those before
    /// the first change one in five.
    fn calls(&mut self, case: usize) -> Vec<(String, usize, bool)> {
        self.prepare(case);
        self.restore();
        let log = self.world.root.join("log");
        let mut command = self.writer(case).command("strace", &self.path);
        command.arg("-o").arg(&log).arg(program());
        command.args(self.words(CASES[case].words).split(' '));
        outcome(CASES[case].words, &mut command).ok();
        let text = fs::read_to_string(&log).expect("a log");
        let (mut counts, mut has_begun) = (BTreeMap::new(), false);
        let mut calls = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let (name, _) = line.split_once('(').unwrap_or_default();
            if CALLS.contains(&name) {
                let count = counts.entry(name.to_string()).or_insert(0);
                *count += 1;
                has_begun |= CHANGES.iter().any(|part| line.contains(part));
                let is_tried = has_begun || at % 5 == 0 || is_full_scale();
                let is_read = looks(name) || name.starts_with("open") && !line.contains("O_CREAT");
                calls.extend(is_tried.then(|| (name.to_string(), *count, is_read)));
            }
        }
        assert!(has_begun, "{}", CASES[case].words);
        calls
    }

    /// Runs the command of a try under `strace`.
    fn run(&self, one: &Try) -> Output {
        let (call, fault) = (&one.call, one.fault.injection());
        let mut command = self.writer(one.case).command("strace", &self.path);
        command.arg("-o").arg(self.log()).arg("-e");
        command.arg(format!("trace={call}")).arg("-e");
        command.arg(format!("inject={call}:{fault}:when={}", one.at));
        command.arg(program());
        command.args(self.words(CASES[one.case].words).split(' '));
        command.stdout(Stdio::null());
        command.output().expect("strace")
    }

    fn log(&self) -> PathBuf {
        self.world.root.join("log")
    }

    /// Makes one try; `Err` says what is wrong.
    fn check(&mut self, one: &Try) -> Result<(), String> {
        let states = self.prepare(one.case);
        let States { old, new, between } = &states;
        self.restore();
        let output = self.run(one);
        let stderr = String::from_utf8_lossy(&output.stderr);
        has_ended_well(one, &output).map_err(|problem| format!("{problem}: {stderr}"))?;
        let log = fs::read_to_string(self.log()).map_err(|cause| cause.to_string())?;
        if one.fault != Fault::Kill && !log.contains("(INJECTED)") {
            return Err("its call did not fail".into());
        }
        let state = self.state(one.case)?;
        let is_done = output.status.success();
        let is_between = one.fault == Fault::Kill && state.is_none() && self.has_backup()
            || state == *between && !is_done;
        let is_partial = is_done && stderr.contains("is not imported: cannot read");
        let is_whole = state == *new || state == *old && !is_done || is_between || is_partial;
        if !is_whole {
            return Err(format!(
                "{stderr}neither the old state nor the new: {state:?}"
            ));
        }
        self.go_on(one, state, &states)
    }

    /// `init --force` sets the old project aside, then moves the new one into its place; between
    /// the two there is none.
    fn has_backup(&self) -> bool {
        self.path.join(".kagi.backup-1").is_dir()
    }

    /// The next write must work and tidy up, whether it is the same again or another.
    fn go_on(&self, one: &Try, mut state: State, states: &States) -> Result<(), String> {
        let States { old, new, between } = states;
        let is_unfinished = state == *between && state != *new;
        let is_old = state == *old && one.at.is_multiple_of(2);
        if state.is_none() || is_unfinished || is_old {
            let words = self.words(CASES[one.case].words);
            let again = self.writer(one.case).kagi(&self.path, &words);
            let is_refused = new.is_none() && state.is_none();
            state = self.state(one.case)?;
            if (again.code != Some(0) && !is_refused) || state != *new {
                return Err(format!("again: {}{state:?}", again.stderr));
            }
            if !is_refused && !is_output(CASES[one.case].words) {
                is_tidy(&[&self.path])?;
            }
        }
        if state.is_none() {
            return Ok(());
        }
        let next = self.device.kagi(&self.path, "set ZZ 1");
        if next.code != Some(0) {
            return Err(format!("next: {}", next.stderr));
        }
        // A project that was never born leaves what the device knew of it.
        let is_founding = CASES[one.case].words.starts_with("init");
        let home = (!is_founding).then_some(&self.device.home);
        let project = self.path.join(".kagi");
        let is_output = is_output(CASES[one.case].words);
        let own = if is_output { &project } else { &self.path };
        let places: Vec<_> = [own].into_iter().chain(home).collect();
        is_tidy(&places)?;
        self.is_of_one_epoch()
    }

    /// Boxes of another epoch are gone, at the latest after `doctor --fix`.
    fn is_of_one_epoch(&self) -> Result<(), String> {
        let is_left = |words: &str| {
            let outcome = self.device.kagi(&self.path, words);
            let text = outcome.text() + &outcome.stderr;
            text.contains("box of another epoch").then_some(text)
        };
        if is_left("status").is_some() {
            self.device.kagi(&self.path, "doctor --fix");
        }
        is_left("status").map_or(Ok(()), Err)
    }
}

fn id(device: &Device) -> String {
    identity_of(device).id
}

fn is_tidy(directories: &[&PathBuf]) -> Result<(), String> {
    let found = directories.iter().flat_map(|path| leftovers(path));
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("left over: {found:?}"))
}

/// A kill must have killed; a failure must be told, and is no panic.
fn has_ended_well(one: &Try, output: &Output) -> Result<(), String> {
    let status = output.status;
    let is_told = String::from_utf8_lossy(&output.stderr).contains("kagi: error: ");
    // Nobody can be told where the telling fails, or before the program has begun.
    let is_silent = one.call == "write" || status.code() == Some(127);
    match (one.fault, status.code()) {
        (Fault::Kill, _) if status.signal() == Some(9) => Ok(()),
        (Fault::Kill, _) => Err("it was not killed".into()),
        (_, Some(0)) => Ok(()),
        (_, Some(101) | None) => Err(format!("it ended with {status}")),
        _ if is_told || is_silent => Ok(()),
        _ => Err("it failed without a message".into()),
    }
}

fn faults() -> &'static [Fault] {
    let all = &[
        Fault::Kill,
        Fault::Full,
        Fault::Broken,
        Fault::Quota,
        Fault::ReadOnly,
        Fault::NoDescriptor,
        Fault::Interrupted,
    ];
    if is_full_scale() { all } else { &all[..3] }
}

/// Every try of every case, in the order of the cases.
fn tries() -> Vec<Try> {
    let mut lane = Lane::new();
    let mut tries = Vec::new();
    for case in 0..cases() {
        for (call, at, is_read) in lane.calls(case) {
            for fault in faults().iter().copied() {
                let one = || Try {
                    case,
                    fault,
                    call: call.clone(),
                    at,
                };
                let is_same = fault == Fault::Kill && is_read;
                tries.extend((fault.applies(&call) && !is_same).then(one));
            }
        }
    }
    tries
}

#[test]
fn every_call_of_every_writer() {
    if find_program("strace").is_none() {
        return common::say("crash: skipped, it needs strace");
    }
    let tries = tries();
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                let mut lane = Lane::new();
                while let Some(one) = tries.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(problem) = lane.check(one) {
                        let Try {
                            case,
                            fault,
                            call,
                            at,
                        } = one;
                        let (words, fault) = (CASES[*case].words, fault.injection());
                        let text = format!("kagi {words}: {call} {at} {fault}: {problem}");
                        common::say(&text);
                        problems.lock().expect("no thread panics").push(text);
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no thread panics");
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
    let kills = tries.iter().filter(|one| one.fault == Fault::Kill).count();
    common::say(&format!(
        "assured: crash: {} commands, {} tries: {} calls killed, {} failed by {} kinds of error",
        cases(),
        tries.len(),
        kills,
        tries.len() - kills,
        faults().len() - 1
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

/// What somebody does with Git between a rotation that was stopped and the next change.
const MEANWHILE: [&[&str]; 4] = [
    &["checkout -q .", "pull -q --no-rebase --no-edit"],
    &["stash -q", "pull -q --no-rebase --no-edit", "stash pop -q"],
    &["pull -q --no-rebase --no-edit"],
    &[
        "add -A",
        "commit -q -m rotated",
        "pull -q --no-rebase --no-edit",
    ],
];

/// Ada and Bob with a clone each; Bob has pushed a value that Ada has not pulled.
struct Clones {
    world: World,
    ada: Device,
    path: PathBuf,
    /// The line of the box that Bob wrote.
    sealed: String,
}

impl Clones {
    const SCOPE: &str = ".kagi/secrets/app/development.enc";
    const PLACES: [&str; 5] = ["bare", "work", "bob", "home-Ada", "home-Bob"];

    fn new() -> Self {
        let world = World::new();
        let (ada, bob) = (world.device("Ada"), world.device("Bob"));
        let (path, other) = (world.root.join("work"), world.root.join("bob"));
        ada.git(&world.root, "init -q --bare bare").ok();
        ada.git(&world.root, "clone -q bare work").ok();
        for words in [INIT, "set A 1", "set production P 1", "set web X 1"] {
            ada.kagi(&path, words).ok();
        }
        bob.kagi(&path, "member join --name Bob").ok();
        ada.kagi(&path, &format!("member approve {}", id(&bob)))
            .ok();
        ada.commit(&path, "begun");
        ada.git(&path, "push -q origin HEAD:main").ok();
        bob.git(&world.root, "clone -q -b main bare bob").ok();
        bob.kagi(&other, &format!("trust {}", id(&ada))).ok();
        bob.kagi(&other, "set B 2").ok();
        bob.commit(&other, "more");
        bob.git(&other, "push -q").ok();
        ada.git(&path, "branch -q -M main").ok();
        ada.git(&path, "fetch -q").ok();
        ada.git(&path, "branch -q -u origin/main").ok();
        let text = fs::read_to_string(other.join(Self::SCOPE)).expect("a scope");
        let mut lines = text.lines();
        let sealed = lines.find(|line| line.starts_with("box ")).expect("a box");
        for name in Self::PLACES {
            copy(&world.root.join(name), &world.root.join("saved").join(name));
        }
        Clones {
            sealed: sealed.into(),
            world,
            ada,
            path,
        }
    }

    fn restore(&self) {
        for name in Self::PLACES {
            let path = self.world.root.join(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.world.root.join("saved").join(name), &path);
        }
    }

    /// Rotates, and is killed at a change of a file; `false` if there are not so many.
    fn rotate_until(&self, change: usize) -> bool {
        let mut command = self.ada.command("strace", &self.path);
        command.args(["-o", "/dev/null", "-e", "trace=/^rename", "-e"]);
        command.arg(format!("inject=/^rename:signal=SIGKILL:when={change}"));
        command.arg(program()).args(["key", "rotate", "--yes"]);
        let output = command.output().expect("strace");
        output.status.signal() == Some(9)
    }

    /// What Ada reads has everything that Git brought in, or names the file that still holds it.
    fn check(&self, what: &str) -> Result<bool, String> {
        let scope = fs::read_to_string(self.path.join(Self::SCOPE)).expect("a scope");
        let is_merged = self
            .ada
            .git(&self.path, "merge-base --is-ancestor origin/main HEAD");
        let is_merged = is_merged.code == Some(0);
        let run = self.ada.kagi(&self.path, "run -- env -0");
        let values = common::variables(&run.stdout);
        let has = |name, value| {
            values
                .get(name)
                .is_some_and(|found: &String| found == value)
        };
        match run.code {
            Some(0) if has("A", "1") && (has("B", "2") || !is_merged) => Ok(true),
            Some(0) => Err(format!("{what}: {values:?} of {scope}")),
            _ if is_merged && !scope.contains(&self.sealed) => {
                Err(format!("{what}: Bob's box is gone: {}", run.stderr))
            }
            _ if run.stderr.contains("\".kagi/") => Ok(false),
            _ => Err(format!("{what}: {}", run.stderr)),
        }
    }
}

#[test]
fn what_git_brings_in_while_a_rotation_is_stopped() {
    if find_program("strace").is_none() {
        return common::say("crash: skipped, it needs strace");
    }
    let clones = Clones::new();
    let (mut count, mut refused, mut problems) = (0, 0, Vec::new());
    for (at, steps) in MEANWHILE.iter().enumerate() {
        for change in 1.. {
            clones.restore();
            if !clones.rotate_until(change) {
                assert!(change > 6, "a rotation of three scopes changes seven files");
                break;
            }
            for words in *steps {
                clones.ada.git(&clones.path, words);
            }
            count += 1;
            let what = format!("case {at}, stopped at change {change}");
            match clones.check(&what) {
                Err(problem) => problems.push(problem),
                Ok(false) => {
                    refused += 1;
                    clones
                        .ada
                        .kagi(&clones.path, "set N 1")
                        .fails(&["\".kagi/"]);
                    clones
                        .ada
                        .kagi(&clones.path, "key rotate --yes")
                        .fails(&["\".kagi/"]);
                    problems.extend(clones.check(&what).err());
                }
                Ok(true) => {
                    clones.ada.kagi(&clones.path, "set N 1").ok();
                    problems.extend(clones.check(&what).err());
                    clones.ada.kagi(&clones.path, "key rotate --yes").ok();
                    problems.extend(clones.check(&what).err());
                    let status = clones.ada.kagi(&clones.path, "status");
                    assert!(!(status.text() + &status.stderr).contains("another epoch"));
                }
            }
        }
    }
    common::say(&format!(
        "crash: Git between {count} stopped rotations and the next change, {refused} refused"
    ));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Git does not know the lock: what it writes into a scope while a rotation runs stays in the file.
#[test]
fn what_git_brings_in_while_a_rotation_runs() {
    if find_program("strace").is_none() {
        return common::say("crash: skipped, it needs strace");
    }
    let clones = Clones::new();
    // Stopped when it has renamed `access.json`, after the files of three scopes.
    let mut command = clones.ada.command("strace", &clones.path);
    command.args(["-o", "/dev/null", "-e", "trace=/^rename", "-e"]);
    command.arg("inject=/^rename:signal=SIGSTOP:when=4");
    command.arg(program()).args(["key", "rotate", "--yes"]);
    command.stderr(Stdio::null());
    let mut child = command.spawn().expect("strace");
    let read = |name| fs::read_to_string(clones.path.join(name)).expect("a file");
    let is_rotated = || read(".kagi/access.json").contains("\"epoch\": \"2.");
    let mut waits = 0..1000;
    while !is_rotated() && waits.next().is_some() {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(100));
    let (scope, text) = (clones.path.join(Clones::SCOPE), read(Clones::SCOPE));
    assert_eq!(text.matches("box ").count(), 2, "it was not stopped");
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let id = fs::read_to_string(children).expect("a child");
    fs::write(&scope, format!("{text}{}\n", clones.sealed)).expect("a written file");
    let continued = Command::new("kill").args(["-CONT", id.trim()]).status();
    assert!(continued.expect("kill").success());
    assert!(child.wait().expect("its end").success());
    let text = fs::read_to_string(&scope).expect("a scope");
    assert!(text.contains(&clones.sealed), "Bob's box is gone");
    let refused = clones.ada.kagi(&clones.path, "run -- env -0");
    refused.fails(&[Clones::SCOPE, "in parallel to a rotation"]);
}
