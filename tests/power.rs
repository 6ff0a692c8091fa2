//! What a loss of power leaves, at any moment of a command.
//!
//! Each command is run once under `strace`, which writes down every call that changes something in the
//! project, in the homes of the devices and in the store. From the record a model of a disk is fed
//! (`common/posix.rs`), and at each call everything that may be on the disk by then is made in a
//! directory, and read by the real program. What must be survived: the old state or the new one is
//! read, never anything between, and nothing fails; what was acknowledged, by exit 0 or by the answer
//! of a server, is there in every case; the next write works and leaves no stray file; a store is
//! sound. That the record is whole is tested as well: what the model ends with is what is there.
//!
//! Without `KAGI_TEST_SCALE=full` a few commands are tried. `strace` makes the record; without it
//! nothing is tried, and that is said.
#![cfg(all(target_os = "linux", feature = "server"))]

mod common;
#[path = "common/posix.rs"]
mod posix;

use common::{Device, Outcome, World, find_program, identity_of, leftovers, outcome, program};
use kagi::crypto::hash::{Digest, hash};
use posix::{CALLS, Call, Disk, Entry, Log, Tree, read_tree, write_tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const LANES: usize = 2;
const PLACES: [&str; 7] = [
    "work", "far", "desk", "server", "home-Ada", "home-Bob", "home-Cid",
];
const QUIET: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(20);

/// A command of somebody: the first word says who and where. `ada`, `bob` and `cid` share a
/// directory, and so does `deep`: Ada where nothing says where kagi's home is. `far` is Bob in one of his own, `desk` Ada in another, `root` looks after the server.
type Line = &'static str;

/// What is recorded, and how it is looked at.
struct Case {
    /// The commands that are recorded, one after the other.
    lines: &'static [Line],
    before: &'static [&'static [Line]],
    /// What is read of a state.
    reads: &'static [Line],
    /// The next writes: they must work from every state, and clean up.
    next: &'static [Line],
    kind: Kind,
    is_quick: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// All that is read is of one state.
    Whole,
    /// The same, or there is no project for a moment, but the old one is kept under another name.
    Aside,
    /// Each read for itself is: several scopes change, one after the other.
    Each,
    /// What was stopped is begun again by what reads: no state fails.
    Made,
    /// It is the real server that loses power while the commands run; its store is what is recorded.
    Server,
    /// The same, and until it has answered, half of it may be seen.
    ServerBegun,
}

impl Case {
    fn is_served(&self) -> bool {
        [Kind::Server, Kind::ServerBegun].contains(&self.kind)
    }
}

const INIT: Line = "ada init --name Ada --envs=development,production --yes --no-git";
const FILLED: &[Line] = &[INIT, "ada set production P 1", "ada set web X 1"];
const JOINED: &[Line] = &[
    "bob member join --name Bob --no-git",
    "bob trust ADA",
    "ada member approve BOB",
    "bob get",
];
const ASKED: &[Line] = &["cid member join --name Cid --no-git", "cid trust ADA"];
const APPROVED: &[Line] = &["ada member approve CID", "cid get"];
const SHARED: &[Line] = &[
    "ada project join --remote STORE",
    "ada push",
    "far pull --remote STORE --project PROJECT",
    "far member join --name Bob --no-git",
    "ada pull",
    "ada member approve BOB",
    "ada push",
    "far trust ADA",
    "far pull",
];
const REGISTERED: &[Line] = &["ada project join --remote URL --fingerprint PRINT"];
/// Bob has asked, over the server, to be a member.
const WAITING: &[Line] = &[
    "ada project approve PROJECT --remote URL",
    "ada pull TOKEN",
    "ada push",
    "ada token issue --join",
    "far pull TOKEN",
    "far member join --name Bob --no-git",
];
const HOSTED: &[Line] = &[
    "ada pull",
    "ada member approve BOB",
    "ada push",
    "far trust ADA",
    "far pull",
];

const ALONE: &[Line] = &[
    "ada get --json",
    "ada run -- env -0",
    "ada env list --json",
    "ada member list --json",
    "ada file list --json",
];
const TOGETHER: &[Line] = &[
    "ada get --json",
    "ada run -- env -0",
    "ada member list --json",
    "ada status",
    "bob get --json",
    "bob run -- env -0",
    "bob member list --json",
];
/// What Bob has, scope by scope.
const HIS: &[Line] = &[
    "far run -- env -0",
    "far run -e production -- env -0",
    "far run -s web -- env -0",
];
/// What comes to him from where Ada pushes.
const PULLED: &[Line] = &[
    "far pull",
    "far run -- env -0",
    "far run -e production -- env -0",
    "far run -s web -- env -0",
];
const SET: &[Line] = &["ada set ZZ 1"];

const fn alone(line: &'static [Line], is_quick: bool) -> Case {
    Case {
        lines: line,
        before: &[FILLED],
        reads: ALONE,
        next: SET,
        kind: Kind::Whole,
        is_quick,
    }
}

const CASES: &[Case] = &[
    Case {
        before: &[],
        ..alone(&[INIT], true)
    },
    Case {
        before: &[],
        reads: &["deep get --json", "deep run -- env -0"],
        next: &["deep set ZZ 1"],
        ..alone(&["deep init --name Ada --yes --no-git"], false)
    },
    alone(&["ada set A 2"], true),
    alone(&["ada set other Y 1"], false),
    alone(&["ada unset A --yes"], false),
    alone(&["ada import --file more.env --force"], false),
    alone(&["ada copy A --as C"], false),
    alone(&["ada move A --as C"], false),
    Case {
        kind: Kind::Each,
        reads: &["ada run -- env -0", "ada run -s web -- env -0"],
        ..alone(&["ada move A B --to web/development"], false)
    },
    alone(&["ada env add staging"], false),
    alone(&["ada env rename production live"], false),
    alone(&["ada env del production --yes"], false),
    alone(&["ada file add more.env"], false),
    Case {
        kind: Kind::Aside,
        ..alone(&["ada init --force --name Ada --yes --no-git"], false)
    },
    Case {
        reads: &[
            "desk restore -f ../home-Ada/kept --yes",
            "desk run -- env -0",
        ],
        ..alone(&["ada backup -o ../home-Ada/kept"], false)
    },
    Case {
        before: &[FILLED, &["ada backup -o ../home-Ada/kept", "ada set A 2"]],
        kind: Kind::Aside,
        ..alone(&["ada restore -f ../home-Ada/kept --yes"], false)
    },
    Case {
        reads: &[
            "ada get --json",
            "ada member list --json",
            "bob identity show",
        ],
        kind: Kind::Each,
        ..alone(&["bob member join --name Bob --no-git"], false)
    },
    Case {
        before: &[FILLED, JOINED, ASKED],
        reads: TOGETHER,
        ..alone(&["ada member approve CID"], false)
    },
    Case {
        before: &[FILLED, JOINED, ASKED, APPROVED],
        reads: TOGETHER,
        ..alone(&["ada member del CID --yes"], false)
    },
    Case {
        before: &[FILLED, JOINED],
        reads: TOGETHER,
        ..alone(&["ada key rotate --yes"], true)
    },
    Case {
        before: &[FILLED, SHARED, &["ada set A 2", "ada set web X 2"]],
        reads: PULLED,
        next: &["ada set ZZ 1", "ada push"],
        ..alone(&["ada push"], false)
    },
    Case {
        before: &[FILLED, SHARED, &["ada set A 2", "ada set web X 2"]],
        reads: PULLED,
        next: &["ada set ZZ 1", "ada push"],
        ..alone(&["ada push", "ada set A 3", "ada push"], false)
    },
    Case {
        before: &[
            FILLED,
            SHARED,
            &["ada set A 2", "ada push", "far set B 3", "far set web X 9"],
        ],
        reads: &["ada pull", "ada run -- env -0", "ada run -s web -- env -0"],
        next: &["far set ZZ 1", "far push"],
        ..alone(&["far push"], false)
    },
    Case {
        before: &[
            FILLED,
            SHARED,
            &["ada set A 2", "ada set web X 2", "ada push", "far set B 3"],
        ],
        reads: HIS,
        kind: Kind::Each,
        next: &["far set ZZ 1", "far push"],
        ..alone(&["far pull"], false)
    },
    Case {
        before: &[
            FILLED,
            SHARED,
            &[
                "ada set A 2",
                "ada key rotate --yes",
                "ada push",
                "far set B 3",
            ],
        ],
        reads: HIS,
        kind: Kind::Each,
        next: &["far set ZZ 1", "far push"],
        ..alone(&["far pull"], false)
    },
    Case {
        before: &[],
        reads: &[
            "root serve --init --store server/store",
            "root serve --check --store server/store",
        ],
        next: &[],
        kind: Kind::Made,
        ..alone(&["root serve --init --store server/store"], true)
    },
    Case {
        before: &[
            FILLED,
            REGISTERED,
            WAITING,
            HOSTED,
            &["ada set A 2", "ada set web X 2"],
        ],
        reads: PULLED,
        next: &["ada set ZZ 1", "ada push"],
        kind: Kind::Server,
        ..alone(&["ada push", "ada set A 3", "ada push"], false)
    },
    Case {
        before: &[FILLED, REGISTERED, WAITING, HOSTED],
        reads: &["ada token list --json"],
        next: &["ada set ZZ 1", "ada push"],
        kind: Kind::Server,
        ..alone(&["ada token issue --name ci"], true)
    },
    Case {
        before: &[
            FILLED,
            REGISTERED,
            WAITING,
            HOSTED,
            &["ada member del BOB --yes"],
        ],
        reads: &["ada token list", "ada remote status"],
        next: &["ada set ZZ 1", "ada push"],
        kind: Kind::ServerBegun,
        ..alone(&["ada push"], false)
    },
    Case {
        before: &[FILLED, REGISTERED],
        reads: &["ada project list --remote URL"],
        next: &["ada project list --remote URL"],
        kind: Kind::ServerBegun,
        ..alone(&["ada project approve PROJECT --remote URL"], false)
    },
    Case {
        before: &[FILLED, REGISTERED, WAITING],
        reads: &["ada pull", "ada member list --json"],
        next: &["ada set ZZ 1", "ada push"],
        kind: Kind::Server,
        ..alone(&["ada token revoke BOB"], false)
    },
    Case {
        before: &[
            FILLED,
            REGISTERED,
            WAITING,
            HOSTED,
            &["ada set A 2", "ada push"],
        ],
        reads: &["ada project list --remote URL", "ada token list"],
        next: &["ada project list --remote URL"],
        kind: Kind::Server,
        ..alone(&["ada remote rollback PROJECT 1 --remote URL --yes"], false)
    },
    Case {
        before: &[FILLED, REGISTERED, WAITING, HOSTED],
        reads: &["ada project list --remote URL"],
        next: &[],
        kind: Kind::Server,
        ..alone(&["ada project del PROJECT --remote URL --yes"], false)
    },
];

/// The server, ended with this.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory for one case, with everybody in it.
struct Bench {
    world: World,
    ada: Device,
    /// Ada, where kagi finds its place by itself.
    deep: Device,
    bob: Device,
    cid: Device,
    /// Where the server was reached.
    url: String,
    fingerprint: String,
    /// What a command said that made a token.
    token: String,
}

impl Bench {
    fn new() -> Self {
        let world = World::in_memory();
        let [ada, bob, cid] = ["Ada", "Bob", "Cid"].map(|name| world.device(name));
        for place in PLACES {
            world.directory(place);
        }
        let mut deep = ada.clone();
        deep.variables.push(("KAGI_HOME", String::new()));
        fs::write(world.root.join("work/.env"), "A=1\nB=2\n").expect("a file");
        fs::write(world.root.join("work/more.env"), "A=3\nC=4\n").expect("a file");
        let [url, fingerprint, token] = [(); 3].map(|()| String::new());
        Bench {
            world,
            ada,
            deep,
            bob,
            cid,
            url,
            fingerprint,
            token,
        }
    }

    /// Who runs a line, where, and the words of it.
    fn line(&self, line: &str) -> (&Device, PathBuf, Vec<String>) {
        let (who, words) = line.split_once(' ').expect("who and what");
        let (device, place) = match who {
            "ada" => (&self.ada, "work"),
            "deep" => (&self.deep, "work"),
            "bob" => (&self.bob, "work"),
            "cid" => (&self.cid, "work"),
            "far" => (&self.bob, "far"),
            "desk" => (&self.ada, "desk"),
            "root" => (&self.cid, ""),
            other => panic!("nobody is called {other}"),
        };
        let word = |word: &str| match word {
            "ADA" => identity_of(&self.ada).id,
            "BOB" => identity_of(&self.bob).id,
            "CID" => identity_of(&self.cid).id,
            "STORE" => self.world.root.join("server/store").display().to_string(),
            "PROJECT" => self.project(),
            "URL" => self.url.clone(),
            "PRINT" => self.fingerprint.clone(),
            "TOKEN" => self.token.clone(),
            other => other.to_string(),
        };
        let words = words.split(' ').map(word).collect();
        (device, self.world.root.join(place), words)
    }

    fn project(&self) -> String {
        let config = self.world.root.join("work/.kagi/kagi.json");
        let text = fs::read_to_string(config).expect("a project");
        text[text.find("kgp_").expect("an id")..][..24].to_string()
    }

    fn run(&self, line: &str) -> Outcome {
        let (device, at, words) = self.line(line);
        outcome(line, device.command(program(), &at).args(words))
    }

    /// What is read: of each line what it says, or why it fails.
    fn read(&self, lines: &[Line]) -> Vec<String> {
        let read = |line: &Line| {
            let outcome = self.run(line);
            if outcome.code == Some(0) && line.ends_with("env -0") {
                format!("{:?}", common::variables(&outcome.stdout))
            } else if outcome.code == Some(0) && line.ends_with("status") {
                // What it says besides is different while a rotation is not finished.
                let text = outcome.text();
                text.lines()
                    .filter(|line| line.starts_with("members "))
                    .collect()
            } else if outcome.code == Some(0) {
                outcome.text()
            } else {
                format!("{FAILED}{:?} {}", outcome.code, outcome.stderr)
            }
        };
        lines.iter().map(read).collect()
    }

    /// The server; with `log`, its calls are recorded.
    fn serve(&mut self, log: Option<&Path>) -> Result<Served, String> {
        let root = &self.world.root;
        let bind = self.url.strip_prefix("http://").unwrap_or("127.0.0.1:0");
        let program = program();
        let mut command = match log {
            None => self.cid.command(program, root),
            Some(log) => {
                let mut command = self.cid.command("strace", root);
                command
                    .arg("-D")
                    .args(TRACE)
                    .arg(CALLS)
                    .arg("-o")
                    .arg(log)
                    .arg(program);
                command
            }
        };
        command.args(["serve", "--store", "server/store", "--bind", bind]);
        let said = root.join("said");
        let stderr = fs::File::create(&said).expect("a file");
        let child = command.stdout(Stdio::null()).stderr(stderr).spawn();
        let mut served = Served(child.expect("a server"));
        let end = Instant::now() + PATIENCE;
        loop {
            let text = fs::read_to_string(&said).expect("text");
            let url = text
                .split_once("serving on ")
                .and_then(|(_, rest)| rest.split_once(" ("));
            if let Some((url, _)) = url {
                self.url = url.to_string();
                return Ok(served);
            }
            let is_running = served.0.try_wait().expect("a child").is_none();
            if !is_running || Instant::now() >= end {
                return Err(format!("the server does not start: {text}"));
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Makes the state that a case starts from.
    fn prepare(&mut self, case: &Case) {
        let is_hosted = case.is_served();
        if is_hosted {
            let told = self.run("root serve --init --store server/store").ok();
            let text = told.text();
            let admin = text.split_once("admin token ").expect("a token").1;
            self.ada
                .variables
                .push(("KAGI_ADMIN_TOKEN", admin.trim().into()));
            let print = text.split_once("fingerprint ").expect("a fingerprint").1;
            self.fingerprint = print.lines().next().unwrap_or_default().into();
        }
        let _served = is_hosted.then(|| self.serve(None).expect("a server"));
        for line in case.before.iter().copied().flatten() {
            let outcome = self.run(line);
            self.keep_token(outcome);
        }
    }

    /// It must have succeeded; the token that it made is `TOKEN` from now on.
    fn keep_token(&mut self, outcome: Outcome) {
        let told = outcome.ok().text();
        if told.starts_with("kagi_") {
            self.token = told.trim().into();
        }
    }

    fn tree(&self) -> Tree {
        read_tree(&self.world.root, &PLACES)
    }

    fn make(&self, tree: &Tree) {
        write_tree(&self.world.root, &PLACES, tree);
    }

    /// Runs a case's commands, and writes down what they do.
    fn record(&mut self, case: &Case) -> Record {
        let start = self.tree();
        let mut record = Record {
            calls: Vec::new(),
            ends: Vec::new(),
            trees: vec![start],
        };
        let log = self.world.root.join("log");
        if case.is_served() {
            let served = self.serve(Some(&log)).expect("a server");
            let mut lengths = Vec::new();
            for line in case.lines {
                let outcome = self.run(line);
                self.keep_token(outcome);
                // The answer is there before its line is.
                is_quiet(&log);
                record.trees.push(self.tree());
                lengths.push(fs::read(&log).expect("a log").len());
            }
            let id = served.0.id();
            drop(served);
            let text = ended_log(&log, id);
            let here = self.world.root.clone();
            let calls =
                |text: &str| Log::new(&self.world.root, &here, &record.trees[0]).calls(text);
            let is_said = |call: &Call| matches!(call, Call::Say);
            let end = |length: &usize| calls(&text[..*length]).iter().rposition(is_said);
            record.ends = lengths
                .iter()
                .map(|length| end(length).expect("an answer"))
                .collect();
            record.calls = calls(&text);
            return record;
        }
        for line in case.lines {
            let (device, here, words) = self.line(line);
            let mut command = device.command("strace", &here);
            command
                .args(TRACE)
                .arg(CALLS)
                .arg("-o")
                .arg(&log)
                .arg(program())
                .args(words);
            outcome(line, &mut command).ok();
            let text = fs::read_to_string(&log).expect("a log");
            let before = record.trees.last().expect("a start");
            record
                .calls
                .extend(Log::new(&self.world.root, &here, before).calls(&text));
            record.ends.push(record.calls.len());
            record.trees.push(self.tree());
        }
        record
    }
}

const TRACE: [&str; 8] = [
    "-f",
    "-y",
    "-xx",
    "-s",
    "16777216",
    "-e",
    "status=successful",
    "-e",
];
/// Begins what is read where reading fails.
const FAILED: &str = "failed: ";
const PROBLEMS_SHOWN: usize = 3;

/// Waits until nothing more is written to a log.
fn is_quiet(log: &Path) {
    let length = || fs::metadata(log).expect("a log").len();
    let mut before = 0;
    while before != length() {
        before = length();
        thread::sleep(QUIET);
    }
}

/// The log of a program that was killed, once it is whole.
fn ended_log(log: &Path, id: u32) -> String {
    let wanted = id.to_string();
    let end = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).expect("a log");
        // The id has a column of its own.
        let is_end = |line: &str| {
            line.split_once(" +++ killed")
                .map(|(id, _)| id.trim() == wanted)
        };
        if text.lines().any(|line| is_end(line) == Some(true)) {
            return text;
        }
        assert!(Instant::now() < end, "strace does not end");
        thread::sleep(Duration::from_millis(5));
    }
}

fn is_of_another_project(path: &Path, project: &str) -> bool {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    let id = parts.find(|part| part.starts_with("kgp_"));
    id.is_some_and(|id| id != project)
}

/// What commands did.
struct Record {
    calls: Vec<Call>,
    /// After so many calls each command was done.
    ends: Vec<usize>,
    /// What was there at the start, and after each command.
    trees: Vec<Tree>,
}

impl Record {
    /// So many commands were done after so many calls.
    fn done(&self, calls: usize) -> usize {
        self.ends
            .iter()
            .rposition(|end| *end <= calls)
            .map_or(0, |at| at + 1)
    }
}

/// A name for a tree.
fn digest(tree: &Tree) -> Digest {
    let mut bytes = Vec::new();
    let mut add = |part: &[u8]| {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part);
    };
    for (path, entry) in tree {
        add(path.as_os_str().as_encoded_bytes());
        match entry {
            Entry::Directory(mode) => add(&mode.to_le_bytes()),
            Entry::File(mode, content) => {
                add(&mode.to_le_bytes());
                add(content);
            }
        }
    }
    hash(&bytes)
}

/// A case that was recorded, and what its states are compared with.
struct Replay<'a> {
    bench: Bench,
    case: &'a Case,
    record: Record,
    /// What is read at the start, and after each command.
    wanted: Vec<Vec<String>>,
    /// The states that were checked, with the newest of `wanted` that each is.
    checked: BTreeMap<Digest, usize>,
    /// So many times not every state that may be was made.
    sampled: usize,
    problems: Vec<String>,
}

impl<'a> Replay<'a> {
    fn new(case: &'a Case) -> Self {
        let mut bench = Bench::new();
        bench.prepare(case);
        let record = bench.record(case);
        let mut replay = Replay {
            bench,
            case,
            record,
            wanted: Vec::new(),
            checked: BTreeMap::new(),
            sampled: 0,
            problems: Vec::new(),
        };
        for at in 0..replay.record.trees.len() {
            replay.bench.make(&replay.record.trees[at]);
            let read = replay.read();
            replay.wanted.push(read);
        }
        let (old, new) = (&replay.wanted[0], replay.wanted.last().expect("a state"));
        let is_read = !new.iter().any(|part| part.starts_with(FAILED));
        assert!(
            old != new && is_read,
            "{:?}: from {old:?} to {new:?}",
            case.lines
        );
        replay
    }

    fn read(&mut self) -> Vec<String> {
        let is_served = self.case.is_served();
        let _served = is_served.then(|| self.bench.serve(None).expect("a server"));
        self.bench.read(self.case.reads)
    }

    /// The newest of the wanted states that was read; `Err` if it is none of them.
    fn newest(&self, found: &[String]) -> Result<usize, String> {
        if let Some(at) = self.wanted.iter().rposition(|wanted| wanted == found) {
            // What was there before is beside it, whole.
            let is_lost = self.case.kind == Kind::Aside && at > 0 && !self.has_backup();
            return if is_lost {
                Err("the old project is gone".into())
            } else {
                Ok(at)
            };
        }
        let is_known = |at: usize| match self.case.kind {
            Kind::Each => self.wanted.iter().any(|wanted| wanted[at] == found[at]),
            Kind::Made => !found[at].starts_with(FAILED),
            Kind::Aside => found[at].contains("there is no .kagi in") && self.has_backup(),
            Kind::ServerBegun => true,
            Kind::Whole | Kind::Server => false,
        };
        if (0..found.len()).all(is_known) {
            return Ok(0);
        }
        Err(format!("neither the old state nor the new:\n{found:#?}"))
    }

    fn has_backup(&self) -> bool {
        let below = |tree: &Tree, directory: &str| -> Tree {
            let files = tree.iter();
            let files =
                files.filter_map(|(path, entry)| Some((path.strip_prefix(directory).ok()?, entry)));
            files
                .map(|(path, entry)| (path.into(), entry.clone()))
                .collect()
        };
        let old = below(&self.record.trees[0], "work/.kagi");
        below(&self.bench.tree(), "work/.kagi.backup-1") == old
    }

    /// Everything that may be on the disk after so many calls.
    fn check_all(&mut self) {
        let mut disk = Disk::new(&self.record.trees[0]);
        for count in 0..=self.record.calls.len() {
            if let Some(call) = count.checked_sub(1).map(|at| &self.record.calls[at]) {
                disk.take(call);
            }
            self.sampled += usize::from(disk.is_beyond_bounds());
            let done = self.record.done(count);
            for state in disk.states() {
                self.check_once(state, count, done);
            }
        }
        self.is_record_whole(&disk);
    }

    fn check_once(&mut self, mut state: Tree, count: usize, done: usize) {
        if self.case.is_served() {
            // The others have what they have, whatever becomes of the server.
            let others = &self.record.trees[done];
            state.retain(|path, _| path.starts_with("server"));
            let others = others
                .iter()
                .filter(|(path, _)| !path.starts_with("server"));
            state.extend(others.map(|(path, entry)| (path.clone(), entry.clone())));
        }
        let digest = digest(&state);
        let newest = match self.checked.get(&digest) {
            Some(newest) => Ok(*newest),
            None => self.check(&state),
        };
        self.checked
            .insert(digest, newest.clone().unwrap_or(usize::MAX));
        let problem = match newest {
            Ok(newest) if newest >= done => return,
            Ok(newest) => format!("{done} commands were done, {newest} are there"),
            Err(problem) => problem,
        };
        let last = count
            .checked_sub(1)
            .map(|at| self.record.calls[at].to_string());
        let last = last.unwrap_or_default();
        let lines = self.case.lines;
        self.problems
            .push(format!("{lines:?}: after call {count} ({last}): {problem}"));
    }

    /// Makes a state, and looks at it; the newest of the wanted states that it is.
    fn check(&mut self, state: &Tree) -> Result<usize, String> {
        self.bench.make(state);
        let served = self
            .case
            .is_served()
            .then(|| self.bench.serve(None))
            .transpose()?;
        let found = self.bench.read(self.case.reads);
        let newest = self.newest(&found)?;
        if newest == 0 && !self.case.is_served() {
            self.again()?;
        }
        for line in self.case.next {
            let told = self.bench.run(line);
            if told.code != Some(0) {
                return Err(format!("{line} fails: {}", told.stderr));
            }
        }
        drop(served);
        self.is_tidy()?;
        Ok(newest)
    }

    /// From the old state, the same commands make the new one.
    fn again(&self) -> Result<(), String> {
        for line in self.case.lines {
            let told = self.bench.run(line);
            if told.code != Some(0) {
                return Err(format!(
                    "{line} fails when it is done again: {}",
                    told.stderr
                ));
            }
        }
        // Values are compared; what else is read has times and ids of its own each time.
        let found = self.bench.read(self.case.reads);
        let new = self.wanted.last().expect("a state");
        for ((line, part), new) in self.case.reads.iter().zip(&found).zip(new) {
            if part.starts_with(FAILED) || line.ends_with("env -0") && part != new {
                return Err(format!("done again: {line}: {part}"));
            }
        }
        Ok(())
    }

    fn is_tidy(&self) -> Result<(), String> {
        let root = &self.bench.world.root;
        let mut left: Vec<_> = PLACES
            .iter()
            .flat_map(|place| leftovers(&root.join(place)))
            .collect();
        // What a device knew of a project that was never born, nobody writes again.
        left.retain(|path| !is_of_another_project(path, &self.bench.project()));
        if !left.is_empty() {
            return Err(format!("left over: {left:?}"));
        }
        if !root.join("server/store").is_dir() {
            return Ok(());
        }
        let told = self.bench.run("root serve --check --store server/store");
        let is_sound = told.code == Some(0);
        is_sound
            .then_some(())
            .ok_or_else(|| format!("{}{}", told.text(), told.stderr))
    }

    /// What the model ends with is what was there.
    fn is_record_whole(&mut self, disk: &Disk) {
        let end = self.record.trees.last().expect("an end");
        let is_watched = |path: &Path| !self.case.is_served() || path.starts_with("server");
        let watched = |tree: &Tree| -> Tree {
            let tree = tree.iter().filter(|(path, _)| is_watched(path));
            tree.map(|(path, entry)| (path.clone(), entry.clone()))
                .collect()
        };
        let (seen, there) = (watched(&disk.seen()), watched(end));
        let paths = seen.keys().chain(there.keys());
        let other: Vec<_> = paths
            .filter(|path| seen.get(*path) != there.get(*path))
            .collect();
        if !other.is_empty() {
            self.problems.push(format!(
                "{:?}: the record misses {other:?}",
                self.case.lines
            ));
        }
    }
}

/// The first problems of a case, and how to see it again.
fn first(replay: &Replay) -> Option<String> {
    let (lines, count) = (replay.case.lines.join("; "), replay.problems.len());
    let problems: Vec<_> = replay
        .problems
        .iter()
        .take(PROBLEMS_SHOWN)
        .cloned()
        .collect();
    let again = format!("KAGI_TEST_ONLY='{lines}' cargo test --test power");
    (count > 0).then(|| {
        format!(
            "{lines}: {count} problems ({again})\n{}",
            problems.join("\n")
        )
    })
}

#[test]
fn every_state_that_a_loss_of_power_may_leave() {
    if find_program("strace").is_none() {
        return common::say("skipped: power: it needs strace");
    }
    let only = std::env::var("KAGI_TEST_ONLY").unwrap_or_default();
    let is_tried = |case: &&Case| {
        if only.is_empty() {
            common::is_full_scale() || case.is_quick
        } else {
            case.lines.join(";").contains(&only)
        }
    };
    let cases: Vec<_> = CASES.iter().filter(is_tried).collect();
    assert!(!cases.is_empty(), "no case has {only:?}");
    let (next, found) = (AtomicUsize::new(0), Mutex::new((0, 0, 0, 0, Vec::new())));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut replay = Replay::new(case);
                    replay.check_all();
                    let mut found = found.lock().expect("no thread panics");
                    found.0 += case.lines.len();
                    found.1 += replay.record.calls.len();
                    found.2 += replay.checked.len();
                    found.3 += replay.sampled;
                    found.4.extend(first(&replay));
                }
            });
        }
    });
    let (commands, calls, states, sampled, problems) =
        found.into_inner().expect("no thread panics");
    let count = problems.len();
    assert!(
        problems.is_empty(),
        "{count} problems\n{}",
        problems.join("\n")
    );
    common::say(&format!(
        "assured: power: {commands} commands with {calls} changes, {states} states of the disk, \
         each old or new, sound, and tidy after the next write; after {sampled} of the changes not \
         every state that may be was made"
    ));
}
