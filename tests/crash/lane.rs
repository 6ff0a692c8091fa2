//! A place where one try after another is made: a command is stopped, and what it leaves is looked at.

use super::cases::{Case, Kind, Team};
use super::common::{
    self, Device, World, copy, identity_of, is_full_scale, leftovers, listing, outcome, program,
};
use super::fault::{Fault, looks};
use kagi::crypto::random;
use kagi::format::text::HEX;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// Everything that a command may write to.
const PLACES: [&str; 8] = [
    "work", "home-Ada", "home-Bob", "home-Cid", "tmp", "memory", "chain", "hub",
];

/// Begins what is read where reading fails.
const FAILED: &str = "failed: ";
/// Begins each text of an identity.
const IDENTITY: &str = "kagi_identity_v1_";
/// Adds a line to what is edited.
const EDITOR: &str = "sh -c 'echo E=CANARY7 >>\"$1\"' x";
/// A keychain: a directory with a file for each item.
const KEYCHAIN: &str = r#"#!/bin/sh
cd 'CHAIN' || exit 9
case $1 in
store) cat >"$6" ;;
lookup) cat "$5" 2>/dev/null ;;
clear) rm "$5" 2>/dev/null ;;
search) [ ! -e "$5" ] || echo '[/1]' ;;
esac
"#;

/// One try: a command, and what happens at which of its calls.
pub struct Try {
    pub case: &'static Case,
    pub fault: Fault,
    pub call: String,
    pub at: usize,
}

impl Try {
    /// What to call it where something is wrong.
    pub fn shown(&self) -> String {
        let (words, fault) = (self.case.words, self.fault.injection());
        format!("kagi {words}: {} {} {fault}", self.call, self.at)
    }
}

/// What is read of a project, text by text, or that there is none.
type State = Option<Vec<String>>;

/// Every file and directory, with its mode and bytes.
type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// The states that may be found.
#[derive(Clone)]
struct States {
    old: State,
    new: State,
    /// Of a move between two scopes.
    between: State,
}

/// A place where one try after another is made.
pub struct Lane {
    world: World,
    ada: Device,
    bob: Device,
    cid: Device,
    path: PathBuf,
    /// What no file may hold.
    canary: String,
    /// The case that the saved directory is for, with its states.
    ready: Option<(&'static Case, States)>,
    /// What is there before each try, once it is there.
    start: Option<Tree>,
}

impl Lane {
    pub fn new() -> Self {
        let world = World::in_memory();
        let bytes = random::bytes::<16>().expect("random bytes");
        let canary = format!("canary{}-", HEX.encode(&bytes));
        let tools = world.directory("tools");
        let keychain = tools.join("secret-tool");
        let chain = world.root.join("chain").display().to_string();
        fs::write(&keychain, KEYCHAIN.replace("CHAIN", &chain)).expect("a program");
        fs::set_permissions(&keychain, fs::Permissions::from_mode(0o755)).expect("a mode");
        let path = std::env::var("PATH").expect("a path");
        let shown = |place: &Path| place.display().to_string();
        let variables = [
            ("EDITOR", EDITOR.replace("CANARY", &canary)),
            ("K", shown(&program())),
            ("PATH", format!("{}:{path}", tools.display())),
            ("TMPDIR", shown(&world.root.join("tmp"))),
            ("XDG_RUNTIME_DIR", shown(&world.root.join("memory"))),
        ];
        let [ada, bob, cid] = ["Ada", "Bob", "Cid"].map(|name| Device {
            variables: variables.to_vec(),
            ..world.device(name)
        });
        Lane {
            path: world.directory("work"),
            world,
            ada,
            bob,
            cid,
            canary,
            ready: None,
            start: None,
        }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.world.root.join(name)
    }

    /// Makes the state that a case starts from, and looks at its states.
    fn prepare(&mut self, case: &'static Case) -> States {
        if let Some((ready, states)) = &self.ready
            && std::ptr::eq(*ready, case)
        {
            return states.clone();
        }
        self.make(case);
        let old = self.state(case);
        let after = |words: &str| {
            self.restore();
            let mut command = self.command(case, text(&program()), &[], words);
            outcome(words, &mut command).ok();
            self.state(case)
        };
        let is_move = case.kind == Kind::Moved;
        let between = is_move.then(|| after(&case.words.replacen("move", "copy", 1)));
        let new = after(case.words);
        let between = between.unwrap_or(new.clone());
        let is_read = !new.iter().flatten().any(|text| text.contains(FAILED));
        assert!(is_read, "{}: {new:?}", case.words);
        assert!(old != new && old != between, "{}: {new:?}", case.words);
        let states = States { old, new, between };
        self.ready = Some((case, states.clone()));
        self.start = None;
        states
    }

    /// Makes the state that a case starts from, and saves it.
    fn make(&self, case: &Case) {
        let _ = fs::remove_dir_all(self.place("saved"));
        for name in PLACES {
            let _ = fs::remove_dir_all(self.place(name));
            self.world.directory(name);
        }
        for (name, text) in [
            (".env", "A=CANARY1\nB=CANARY2\n"),
            ("more.env", "A=CANARY8\nC=CANARY9\n"),
            ("example.env", "NEW=1\n"),
            ("cert.pem", "a certificate CANARY10\n"),
            ("template", "a={{ A }}\n"),
        ] {
            let text = text.replace("CANARY", &self.canary);
            fs::write(self.path.join(name), text).expect("a file");
        }
        for line in case.before {
            self.line(line);
        }
        if [Team::Asked, Team::Three].contains(&case.team) {
            self.join(&self.bob);
            self.line("member approve BOB");
            self.bob.kagi(&self.path, "get").ok();
            self.join(&self.cid);
        }
        if case.team == Team::Three {
            self.line("member approve CID");
        }
        for name in PLACES {
            copy(&self.place(name), &self.place("saved").join(name));
        }
    }

    fn join(&self, device: &Device) {
        let words = format!("member join --name {}", device.name);
        device.kagi(&self.path, &words).ok();
        device.kagi(&self.path, &self.filled("trust ADA")).ok();
    }

    /// Runs a line of what is before a case.
    fn line(&self, line: &str) {
        let line = self.filled(line);
        if let Some(words) = line.strip_prefix("git ") {
            self.ada.git(&self.path, words).ok();
        } else if let Some(script) = line.strip_prefix("sh ") {
            let mut shell = self.ada.command("sh", &self.path);
            outcome(&line, shell.args(["-c", script])).ok();
        } else {
            self.ada.kagi(&self.path, &line).ok();
        }
    }

    /// A line with what differs from run to run.
    fn filled(&self, line: &str) -> String {
        let mut line = line.replace("CANARY", &self.canary);
        let ids = [("ADA", &self.ada), ("BOB", &self.bob), ("CID", &self.cid)];
        for (name, device) in ids {
            if line.contains(name) {
                line = line.replace(name, &identity_of(device).id);
            }
        }
        if line.contains("PROJECT") {
            let config = fs::read_to_string(self.path.join(".kagi/kagi.json"));
            let config = config.unwrap_or_default();
            let id = config
                .find("kgp_")
                .map_or("PROJECT", |at| &config[at..][..24]);
            line = line.replace("PROJECT", id);
        }
        line.replace("STORE", &self.place("hub/store").display().to_string())
    }

    fn writer(&self, case: &Case) -> &Device {
        match case.team {
            Team::Newcomer => &self.bob,
            _ => &self.ada,
        }
    }

    /// A command in the place of a case's, started by another program.
    fn command(&self, case: &Case, by: &str, options: &[&str], words: &str) -> Command {
        let mut command = self.writer(case).command(by, &self.path);
        command.args(options);
        command.args(self.filled(words).split(' '));
        if !case.input.is_empty() {
            let input = fs::File::open(self.path.join(case.input));
            command.stdin(input.expect("a file"));
        }
        command
    }

    /// The same under `strace`.
    fn traced(&self, case: &Case, options: &[&str]) -> Output {
        let (log, program) = (self.place("log"), program());
        let options = [&["-o", text(&log)], options, &[text(&program)]].concat();
        let mut command = self.command(case, "strace", &options, case.words);
        // What is shown once is refused where nobody reads it.
        command.output().expect("strace")
    }

    fn restore(&self) {
        for name in PLACES {
            let path = self.place(name);
            fs::remove_dir_all(&path).expect("it is there");
            copy(&self.place("saved").join(name), &path);
        }
    }

    fn tree(&self) -> Tree {
        let listings = PLACES.iter().flat_map(|name| listing(&self.place(name)));
        let mode = |path: &Path| {
            fs::symlink_metadata(path)
                .expect("a file")
                .permissions()
                .mode()
        };
        listings
            .map(|(path, (_, bytes))| (path.clone(), (mode(&path), bytes)))
            .collect()
    }

    /// What readers see: of all that the members read, what the first does, or that they differ.
    fn state(&self, case: &Case) -> State {
        if !self.path.join(".kagi").is_dir() {
            return None;
        }
        let mut seen = self.state_of(&self.ada);
        if [Team::Asked, Team::Three].contains(&case.team) {
            let other = self.state_of(&self.bob);
            if seen != other {
                seen = format!("{FAILED}two members read {seen} and {other}");
            }
        }
        let reads = case.reads.iter().map(|line| self.read(&self.ada, line));
        Some([seen].into_iter().chain(reads).collect())
    }

    /// What a line of kagi says, or a file holds.
    fn read(&self, device: &Device, line: &str) -> String {
        let line = self.filled(line);
        if let Some(path) = line.strip_prefix("cat ") {
            let text = fs::read_to_string(self.path.join(path));
            return text.unwrap_or("there is no such file".into());
        }
        let outcome = device.kagi(&self.path, &line);
        match outcome.code {
            Some(0) if line.starts_with("run ") => {
                format!("{:?}\n", common::variables(&outcome.stdout))
            }
            Some(0) => outcome.text(),
            code => format!("{FAILED}{code:?} {}", outcome.stderr),
        }
    }

    fn state_of(&self, device: &Device) -> String {
        let mut lines = vec!["run -- env -0", "get --json"];
        if is_full_scale() {
            // The commands for files are among those that are tried there alone.
            lines.push("file list --all");
        }
        let mut text: String = lines.iter().map(|line| self.read(device, line)).collect();
        text += &members(&self.read(device, "member list"));
        // With the environments, but not the project's id and times, which differ from try to try.
        let file = |name| fs::read_to_string(self.path.join(".kagi").join(name));
        let config = file("kagi.json").unwrap_or(FAILED.into());
        let roster = file("access.json").unwrap_or(FAILED.into());
        let epoch = roster.split("\"epoch\": \"").nth(1).unwrap_or(FAILED);
        text += &config;
        text += epoch.split('.').next().unwrap_or_default();
        let differs = ["kgp_", "\"time\": "];
        let is_same_always = |line: &&str| {
            line.starts_with(FAILED) || !differs.iter().any(|part| line.contains(part))
        };
        let lines = text.lines().filter(is_same_always);
        lines.flat_map(|line| [line, "\n"]).collect()
    }

    /// The calls that the command makes, each with how often it was made by then, and true if it changes
    /// nothing; of those before the first change one in five. Those that load the program are not its own.
    pub fn calls(&mut self, case: &'static Case) -> Vec<(String, usize, bool)> {
        self.prepare(case);
        self.restore();
        let output = self.traced(case, &["-y"]);
        common::Outcome::of(case.words, output).ok();
        let log = fs::read_to_string(self.place("log")).expect("a log");
        let (mut counts, mut has_begun) = (BTreeMap::new(), false);
        let mut calls = Vec::new();
        for (at, line) in log.lines().enumerate() {
            let (name, _) = line.split_once('(').unwrap_or_default();
            if CALLS.contains(&name) {
                let count = counts.entry(name.to_string()).or_insert(0);
                *count += 1;
                has_begun |= CHANGES.iter().any(|part| line.contains(part));
                let is_own = !line.contains("/ld.so.") && !line.contains(".so.");
                let is_tried = is_own && (has_begun || at % 5 == 0 || is_full_scale());
                let is_read = looks(name) || name.starts_with("open") && !line.contains("O_CREAT");
                calls.extend(is_tried.then(|| (name.to_string(), *count, is_read)));
            }
        }
        assert!(has_begun, "{}", case.words);
        calls
    }

    /// Makes one try; true if it left anything changed, and `Err` says what is wrong.
    pub fn check(&mut self, one: &Try) -> Result<bool, String> {
        let states = self.prepare(one.case);
        let start = self.start.take().unwrap_or_else(|| {
            self.restore();
            self.tree()
        });
        let trace = format!("trace={}", one.call);
        let inject = format!(
            "inject={}:{}:when={}",
            one.call,
            one.fault.injection(),
            one.at
        );
        let output = self.traced(one.case, &["-e", &trace, "-e", &inject]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let log = fs::read_to_string(self.place("log")).map_err(|cause| cause.to_string())?;
        has_ended_well(one, &output, &log).map_err(|problem| format!("{problem}: {told}"))?;
        if told.contains(&self.canary) {
            return Err(format!("a value is shown: {told}"));
        }
        let is_done = output.status.success();
        let now = self.tree();
        // With the very files of the old state, all that was tried of that holds.
        if !is_done && now == start {
            self.start = Some(start);
            return Ok(false);
        }
        self.keeps_secrets(one.case, &now)?;
        let state = self.state(one.case);
        let is_partial = is_done && told.contains("is not imported: cannot read");
        if !is_partial && !self.is_expected(one, &state, &states, is_done) {
            return Err(format!(
                "{told}neither the old state nor the new: {state:?}"
            ));
        }
        self.go_on(one, state, is_done, &states).map(|()| true)
    }

    fn is_expected(&self, one: &Try, state: &State, states: &States, is_done: bool) -> bool {
        let States { old, new, between } = states;
        if is_done {
            return state == new;
        }
        let Some(parts) = state else {
            // `init --force` sets the old project aside, then moves the new one into its place.
            let is_aside = one.fault == Fault::Kill && self.path.join(".kagi.backup-1").is_dir();
            return [old, new].contains(&state) || is_aside;
        };
        let known = [old, new].into_iter().flatten();
        let is_one_of = |at: usize| known.clone().any(|known| known[at] == parts[at]);
        match one.case.kind {
            Kind::Whole | Kind::Moved => [old, new, between].contains(&state),
            Kind::Each => (0..parts.len()).all(is_one_of),
            // Of what is being made, nothing is seen yet by who reads the project.
            Kind::Made => is_one_of(0),
        }
    }

    /// No file has a value or an identity in plain text, but for those that are there for that: they are
    /// their owner's alone.
    fn keeps_secrets(&self, case: &Case, tree: &Tree) -> Result<(), String> {
        for (path, (mode, bytes)) in tree {
            let below = path.strip_prefix(&self.world.root).expect("below");
            let content = String::from_utf8_lossy(bytes);
            let name = below.file_name().unwrap_or_default().to_string_lossy();
            let is_named =
                |output: &str| *name == *output || *name == format!(".kagi-{output}.tmp");
            // What is edited lies in a directory in memory until it is wiped.
            let is_output = case.outputs.iter().any(|output| is_named(output))
                || case.words == "edit" && below.starts_with("memory");
            let is_identity = below.iter().nth(1).is_some_and(|part| part == "kagi")
                && name
                    .trim_start_matches(".kagi-")
                    .starts_with("identity.json");
            let is_exposed = content.contains(&self.canary) && !is_output
                || content.contains(IDENTITY) && !is_identity && !below.starts_with("chain");
            let was_there = || {
                let saved = fs::read(self.place("saved").join(below));
                saved.is_ok_and(|saved| saved == *bytes)
            };
            if is_exposed && !was_there() {
                return Err(format!("a secret is in {}", below.display()));
            }
            let is_private = mode.is_multiple_of(0o100);
            if (is_output || is_identity) && path.is_file() && !is_private {
                return Err(format!("{} has the mode {mode:o}", below.display()));
            }
        }
        Ok(())
    }

    /// The next write must work and tidy up, whether it is the same again or another.
    fn go_on(
        &self,
        one: &Try,
        mut state: State,
        is_done: bool,
        states: &States,
    ) -> Result<(), String> {
        let (case, States { old, new, .. }) = (one.case, states);
        let is_again = case.is_redone || one.at.is_multiple_of(2) || state != *old;
        // What is being made may look made before it is.
        let is_there = state == *new && case.kind != Kind::Made;
        if state.is_none() || !is_done && is_again && !is_there {
            let again = self.again(case);
            let is_refused = new.is_none() && state.is_none();
            state = self.state(case);
            if (again.code != Some(0) && !is_refused) || state != *new {
                return Err(format!("again: {}{state:?}", again.stderr));
            }
            if !is_refused {
                is_tidy([self.path.clone()].into_iter())?;
            }
        }
        if state.is_none() {
            return Ok(());
        }
        if case.words == "edit" {
            // What was left of it is asked about, or wiped.
            self.again(case).ok();
        }
        let next = self.ada.kagi(&self.path, "set ZZ 1");
        if next.code != Some(0) {
            return Err(format!("next: {}", next.stderr));
        }
        // A project that was never born leaves what the device knew of it.
        let is_founding = case.words.starts_with("init");
        let places = ["work", "tmp", "memory", "hub", "home-Ada", "home-Bob"];
        let count = match case.is_redone {
            _ if is_founding => 4,
            false => 5,
            true => 6,
        };
        is_tidy(places[..count].iter().map(|name| self.place(name)))?;
        self.is_of_one_epoch()
    }

    /// Runs the command of a case once more.
    fn again(&self, case: &Case) -> common::Outcome {
        let program = program();
        let run = || {
            let mut command = self.command(case, text(&program), &[], case.words);
            outcome(case.words, &mut command)
        };
        let again = run();
        if case.words != "edit" || !again.stderr.contains("its text is kept") {
            return again;
        }
        // A person goes on with the text, or throws it away.
        for entry in fs::read_dir(self.place("memory")).expect("a directory") {
            fs::remove_dir_all(entry.expect("an entry").path()).expect("a directory");
        }
        run()
    }

    /// Boxes of another epoch are gone, at the latest after `doctor --fix`.
    fn is_of_one_epoch(&self) -> Result<(), String> {
        let is_left = |words: &str| {
            let outcome = self.ada.kagi(&self.path, words);
            let text = outcome.text() + &outcome.stderr;
            text.contains("box of another epoch").then_some(text)
        };
        if is_left("status").is_some() {
            self.ada.kagi(&self.path, "doctor --fix");
        }
        is_left("status").map_or(Ok(()), Err)
    }
}

/// The lines of a list of members without their ids, by which they are sorted, and who reads it.
fn members(list: &str) -> String {
    let is_kept = |word: &&str| !word.starts_with("kgm_");
    let line = |line: &str| {
        let line = line.trim_end_matches("  (this device)");
        let words = line.split(' ').filter(is_kept);
        words.collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<_> = list.lines().map(line).collect();
    lines.sort_unstable();
    lines.join("\n") + "\n"
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}

/// Nothing is left of what was being written, or of what was being edited.
fn is_tidy(directories: impl Iterator<Item = PathBuf>) -> Result<(), String> {
    let is_left = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("kagi-edit-")
    };
    let mut found = Vec::new();
    for directory in directories {
        found.extend(leftovers(&directory));
        found.extend(listing(&directory).into_keys().filter(is_left));
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("left over: {found:?}"))
}

/// A kill must have killed, and a failure failed; that must be told, and is no panic.
fn has_ended_well(one: &Try, output: &Output, log: &str) -> Result<(), String> {
    let status = output.status;
    if one.fault == Fault::Kill {
        let is_killed = status.signal() == Some(9);
        return is_killed.then_some(()).ok_or("it was not killed".into());
    }
    let Some(injected) = log.lines().find(|line| line.contains("(INJECTED)")) else {
        return Err("its call did not fail".into());
    };
    let is_told = String::from_utf8_lossy(&output.stderr).contains("kagi: error: ");
    // Nobody can be told where the telling fails, or before the program has begun.
    let is_telling = ["write(1,", "write(2,"];
    let is_silent = is_telling.iter().any(|start| injected.starts_with(start));
    match status.code() {
        // 127: the program has not begun.
        Some(0 | 127) => Ok(()),
        Some(101) | None => Err(format!("it ended with {status}")),
        _ if is_told || is_silent => Ok(()),
        _ => Err("it failed without a message".into()),
    }
}
