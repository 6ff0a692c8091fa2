//! What a writer leaves that is stopped at any moment, or that the disk fails.
//!
//! Every command that writes is killed at each of its system calls that concern files, and each of
//! those calls fails once with a full disk and once with a broken one. What must be survived: the
//! old state or the new one is read, never anything between; a command that succeeded has the new
//! one; the next write leaves no stray file. Not covered: a machine that loses power, for here
//! every write that was made is seen.
//!
//! `strace` does the killing; without it nothing is tried, and that is said.
#![cfg(unix)]

mod common;

use common::{Device, World, copy, find_program, leftovers, outcome, program};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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

/// One command, and what makes the state that it starts from.
struct Case {
    words: &'static str,
    before: &'static [&'static str],
}

const INIT: &str = "init --name Ada --envs=development,production --yes";

const CASES: &[Case] = &[
    Case {
        words: INIT,
        before: &[],
    },
    Case {
        words: "set A 2",
        before: &[INIT],
    },
    Case {
        words: "set web X 1",
        before: &[INIT],
    },
    Case {
        words: "unset A --yes",
        before: &[INIT],
    },
    Case {
        words: "import --file more.env --force",
        before: &[INIT],
    },
    Case {
        words: "env add staging",
        before: &[INIT],
    },
    Case {
        words: "env rename production live",
        before: &[INIT, "set production A 1", "set web production B 2"],
    },
    Case {
        words: "env rename development local",
        before: &[INIT, "set web B 2"],
    },
    Case {
        words: "env del production --yes",
        before: &[INIT, "set production A 1", "set web production B 2"],
    },
    Case {
        words: "init --force --name Ada --yes",
        before: &[INIT, "set A 2"],
    },
    Case {
        words: "uninit --yes",
        before: &[INIT],
    },
];

/// What happens at a call.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Kill,
    Full,
    Broken,
}

impl Fault {
    fn injection(self) -> &'static str {
        match self {
            Fault::Kill => "signal=SIGKILL",
            Fault::Full => "error=ENOSPC",
            Fault::Broken => "error=EIO",
        }
    }

    /// A full disk fails the calls that change something, a broken one those that look.
    /// (A `close` that fails is a panic of the standard library's, and on no real disk.)
    fn applies(self, call: &str) -> bool {
        let looks = ["read", "statx", "newfstatat", "getdents64", "flock"].contains(&call);
        match self {
            Fault::Kill => true,
            Fault::Full => !looks && call != "close",
            Fault::Broken => looks,
        }
    }
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

/// A place where one try after another is made.
struct Lane {
    world: World,
    device: Device,
    path: PathBuf,
    /// The case that the saved directory is for, with its states.
    ready: Option<(usize, State, State)>,
}

impl Lane {
    fn new() -> Self {
        let world = World::new();
        let device = world.device("Ada");
        let path = world.directory("work");
        Lane {
            world,
            device,
            path,
            ready: None,
        }
    }

    /// Makes the state that a case starts from, and looks at both its states.
    fn prepare(&mut self, number: usize) -> (State, State) {
        if let Some((case, old, new)) = &self.ready
            && *case == number
        {
            return (old.clone(), new.clone());
        }
        let _ = fs::remove_dir_all(self.world.root.join("saved"));
        for name in ["work", "home-Ada"] {
            let _ = fs::remove_dir_all(self.world.root.join(name));
            self.world.directory(name);
        }
        fs::write(self.path.join(".env"), "A=1\nB=2\n").expect("a file");
        fs::write(self.path.join("more.env"), "A=3\nC=4\n").expect("a file");
        for words in CASES[number].before {
            self.device.kagi(&self.path, words).ok();
        }
        for name in ["work", "home-Ada"] {
            let saved = self.world.root.join("saved").join(name);
            copy(&self.world.root.join(name), &saved);
        }
        let old = self.state().expect("the old state");
        self.device.kagi(&self.path, CASES[number].words).ok();
        let new = self.state().expect("the new state");
        assert!(old != new, "{}", CASES[number].words);
        self.ready = Some((number, old.clone(), new.clone()));
        (old, new)
    }

    fn restore(&self) {
        for name in ["work", "home-Ada"] {
            let path = self.world.root.join(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.world.root.join("saved").join(name), &path);
        }
    }

    /// What readers see; `Err` if any of them finds something damaged.
    fn state(&self) -> Result<State, String> {
        let listed = self.device.kagi(&self.path, "get --json");
        if listed.code == Some(1) && listed.stderr.contains("there is no .kagi in") {
            return Ok(None);
        }
        let run = self.device.kagi(&self.path, "run -- env -0");
        for outcome in [&listed, &run] {
            if outcome.code != Some(0) {
                return Err(format!("{:?} {}", outcome.code, outcome.stderr));
            }
        }
        let mut text = format!("{:?}\n", common::variables(&run.stdout));
        // With the environments, but not the project's id and times, which differ from try to try.
        let config = fs::read_to_string(self.path.join(".kagi/kagi.json"));
        let config = config.map_err(|cause| cause.to_string())?;
        let lines = [config, listed.text()].concat();
        let is_same_always = |line: &&str| {
            !["kgp_", "\"time\": "]
                .iter()
                .any(|part| line.contains(part))
        };
        for line in lines.lines().filter(is_same_always) {
            text.push_str(line);
            text.push('\n');
        }
        Ok(Some(text))
    }

    /// How often the command makes each call.
    fn count(&mut self, case: usize) -> BTreeMap<String, usize> {
        self.prepare(case);
        self.restore();
        let log = self.world.root.join("log");
        let mut command = self.device.command("strace", &self.path);
        command.arg("-o").arg(&log).arg(program());
        command.args(CASES[case].words.split(' '));
        outcome(CASES[case].words, &mut command).ok();
        let text = fs::read_to_string(&log).expect("a log");
        let mut counts = BTreeMap::new();
        for line in text.lines() {
            let (name, _) = line.split_once('(').unwrap_or_default();
            if CALLS.contains(&name) {
                *counts.entry(name.to_string()).or_insert(0) += 1;
            }
        }
        counts
    }

    /// Runs the command of a try under `strace`.
    fn run(&self, one: &Try) -> Output {
        let (call, fault) = (&one.call, one.fault.injection());
        let mut command = self.device.command("strace", &self.path);
        command.args(["-o", "/dev/null", "-e"]);
        command.arg(format!("trace={call}")).arg("-e");
        command.arg(format!("inject={call}:{fault}:when={}", one.at));
        command.arg(program());
        command.args(CASES[one.case].words.split(' '));
        command.stdout(Stdio::null());
        command.output().expect("strace")
    }

    /// Makes one try; `Err` says what is wrong.
    fn check(&mut self, one: &Try) -> Result<(), String> {
        let (old, new) = self.prepare(one.case);
        self.restore();
        let output = self.run(one);
        let stderr = String::from_utf8_lossy(&output.stderr);
        has_ended_well(one, &output).map_err(|problem| format!("{problem}: {stderr}"))?;
        let state = self.state()?;
        let is_done = output.status.success();
        let is_between = one.fault == Fault::Kill && state.is_none() && self.has_backup();
        let is_partial = is_done && stderr.contains("is not imported: cannot read");
        let is_whole = state == new || state == old && !is_done || is_between || is_partial;
        if !is_whole {
            return Err(format!(
                "{stderr}neither the old state nor the new: {state:?}"
            ));
        }
        self.go_on(one, state, &old, &new)
    }

    /// `init --force` sets the old project aside, then moves the new one into its place; between
    /// the two there is none.
    fn has_backup(&self) -> bool {
        self.path.join(".kagi.backup-1").is_dir()
    }

    /// The next write must work and tidy up, whether it is the same again or another.
    fn go_on(&self, one: &Try, mut state: State, old: &State, new: &State) -> Result<(), String> {
        if state.is_none() || state == *old && one.at.is_multiple_of(2) {
            let words = CASES[one.case].words;
            let again = self.device.kagi(&self.path, words);
            let is_refused = new.is_none() && state.is_none();
            state = self.state()?;
            if (again.code != Some(0) && !is_refused) || state != *new {
                return Err(format!("again: {}{state:?}", again.stderr));
            }
            if !is_refused {
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
        let places: Vec<_> = [&self.path].into_iter().chain(home).collect();
        is_tidy(&places)
    }
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

/// Every try of every case, in the order of the cases.
fn tries() -> Vec<Try> {
    let mut lane = Lane::new();
    let mut tries = Vec::new();
    for case in 0..CASES.len() {
        let counts = lane.count(case);
        for (call, count) in counts {
            for fault in [Fault::Kill, Fault::Full, Fault::Broken] {
                let applies = fault.applies(&call);
                let all = (1..=count).filter(|_| applies).map(|at| Try {
                    case,
                    fault,
                    call: call.clone(),
                    at,
                });
                tries.extend(all);
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
                        problems.lock().expect("no thread panics").push(text);
                    }
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no thread panics");
    common::say(&format!(
        "crash: {} commands, {} calls killed or failed",
        CASES.len(),
        tries.len()
    ));
    assert!(
        problems.is_empty(),
        "{} problems\n{}",
        problems.len(),
        problems.join("\n")
    );
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
