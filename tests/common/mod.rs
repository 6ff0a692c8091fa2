//! What the tests of the real program share: a directory of their own, devices with a home of
//! their own, and an environment that holds nothing of whoever runs the tests.
#![allow(dead_code)] // Every test file uses a part of it.

use kagi::crypto::{hash, random};
use kagi::format::config::Config;
use kagi::format::key_text::Identity;
use kagi::format::names::Grant;
use kagi::format::pin::without_secret;
use kagi::format::roster::Roster;
use kagi::secret::Key;
use kagi::team::{self, Access, Draft, Known};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// The program to test: the one just built, or the one that `KAGI_BIN` names.
pub fn program() -> PathBuf {
    let program = std::env::var_os("KAGI_BIN").unwrap_or(env!("CARGO_BIN_EXE_kagi").into());
    fs::canonicalize(program).expect("the program to test")
}

/// Where a program of others is; `None` if it is not installed.
pub fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// True if everything is to be tried, and not only what each run of the tests has time for.
pub fn is_full_scale() -> bool {
    std::env::var_os("KAGI_TEST_SCALE").is_some_and(|scale| scale == "full")
}

/// Prints past the test harness, which swallows `println!` of a test that passes.
pub fn say(text: &str) {
    let _ = std::io::stdout().write_all(format!("{text}\n").as_bytes());
}

/// A directory for one test, removed at its end.
pub struct World {
    /// Its path, without links.
    pub root: PathBuf,
}

impl World {
    /// A fresh one.
    pub fn new() -> Self {
        World::below(&std::env::temp_dir())
    }

    /// One in memory, where the system has a place for that: what is synced there costs no time.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            World::below(memory)
        } else {
            World::new()
        }
    }

    fn below(parent: &Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let parent = fs::canonicalize(parent).expect("a temporary directory");
        let root = parent.join(format!("kagi-test-{}-{count}", std::process::id()));
        fs::create_dir(&root).expect("a fresh directory");
        World { root }
    }

    /// A directory in it, made if it is not there.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.root.join(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// A device with an empty home.
    pub fn device(&self, name: &str) -> Device {
        Device {
            name: name.into(),
            home: self.directory(&format!("home-{name}")),
            variables: Vec::new(),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Somebody's computer.
#[derive(Clone)]
pub struct Device {
    /// Whose it is.
    pub name: String,
    /// `HOME`.
    pub home: PathBuf,
    /// More variables of every command.
    pub variables: Vec<(&'static str, String)>,
}

impl Device {
    /// `KAGI_HOME`.
    pub fn kagi_home(&self) -> PathBuf {
        self.home.join("kagi")
    }

    /// A program with a clean environment.
    pub fn command(&self, program: impl AsRef<Path>, directory: &Path) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env_clear().current_dir(directory);
        command.stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", &self.home);
        command.env("KAGI_HOME", self.kagi_home());
        for (name, value) in [
            ("KAGI_DISABLE_KEYRING", "1"),
            ("USER", &self.name),
            ("LANG", "C.UTF-8"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_EDITOR", "true"),
            ("GIT_AUTHOR_NAME", &self.name),
            ("GIT_AUTHOR_EMAIL", "somebody@example.org"),
            ("GIT_COMMITTER_NAME", &self.name),
            ("GIT_COMMITTER_EMAIL", "somebody@example.org"),
        ] {
            command.env(name, value);
        }
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// Runs the program; the words are what blanks part.
    pub fn kagi(&self, directory: &Path, words: &str) -> Outcome {
        let mut command = self.command(program(), directory);
        command.args(words.split_whitespace());
        outcome(&format!("kagi {words}"), &mut command)
    }

    /// Runs Git; the words are what blanks part.
    pub fn git(&self, directory: &Path, words: &str) -> Outcome {
        let mut command = self.command("git", directory);
        command.args(["-c", "init.defaultBranch=main"]);
        command.args(["-c", "protocol.file.allow=always"]);
        command.args(words.split_whitespace());
        outcome(&format!("git {words}"), &mut command)
    }

    /// Commits everything.
    pub fn commit(&self, directory: &Path, message: &str) {
        self.git(directory, "add -A").ok();
        self.git(directory, &format!("commit -q -m {message}")).ok();
    }

    /// What `run` hands to a program: the variables that are there with it and not without.
    pub fn values(&self, directory: &Path, words: &str) -> BTreeMap<String, String> {
        let outcome = self.kagi(directory, &format!("run {words} -- env -0"));
        variables(&outcome.ok().stdout)
    }
}

/// The variables in the output of `env -0`, without those of every command.
pub fn variables(bytes: &[u8]) -> BTreeMap<String, String> {
    let own = [
        "PATH", "HOME", "USER", "LANG", "KAGI_", "GIT_", "LD_", "SHLVL", "PWD", "OLDPWD", "_=",
    ];
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\0').filter_map(|line| line.split_once('='));
    lines
        .filter(|(name, _)| !own.iter().any(|own| format!("{name}=").starts_with(own)))
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// `K=V` pairs, as `Device::values` returns them.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text
        .split_whitespace()
        .filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// What a command did.
pub struct Outcome {
    line: String,
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: String,
}

/// Runs a command to its end.
pub fn outcome(line: &str, command: &mut Command) -> Outcome {
    let output = command.output();
    Outcome::of(
        line,
        output.unwrap_or_else(|cause| panic!("{line}: {cause}")),
    )
}

impl Outcome {
    /// Of a command that has ended.
    pub fn of(line: &str, output: Output) -> Self {
        Outcome {
            line: line.into(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn shown(&self) -> String {
        let stdout = String::from_utf8_lossy(&self.stdout);
        format!("$ {}\n{stdout}{}? {:?}", self.line, self.stderr, self.code)
    }

    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// It must have succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "\n{}", self.shown());
        self
    }

    /// It must have failed, with these texts in its messages.
    #[track_caller]
    pub fn fails(self, texts: &[&str]) -> Self {
        let failed = self.code.is_some_and(|code| code != 0 && code != 101);
        assert!(failed, "\n{}", self.shown());
        self.says(texts)
    }

    /// These texts must be in its messages.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            let found = self.stderr.contains(text);
            assert!(found, "\n{}\nwithout: {text}", self.shown());
        }
        self
    }

    /// None of these texts may be in its messages.
    #[track_caller]
    pub fn says_not(self, texts: &[&str]) -> Self {
        for text in texts {
            let found = self.stderr.contains(text);
            assert!(!found, "\n{}\nwith: {text}", self.shown());
        }
        self
    }
}

/// Runs a line of the shell in a pseudo terminal and types the answers; `None` without python3.
pub fn on_terminal(device: &Device, at: &Path, answers: &[&str], line: &str) -> Option<Outcome> {
    let Some(python) = find_program("python3") else {
        say("a pseudo terminal is not tested, it needs python3");
        return None;
    };
    let variables = device.command("env", at);
    let exports = variables.get_envs().filter_map(|(name, value)| {
        let value = value?.to_str()?.replace('\'', r"'\''");
        Some(format!("export {}='{value}'; ", name.to_str()?))
    });
    let program = program();
    let script = format!(
        "{}kagi() {{ '{}' \"$@\"; }}; {line}",
        exports.collect::<String>(),
        program.display()
    );
    let mut command = Command::new(python);
    command
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pty.py"));
    command.arg(answers.len().to_string()).args(answers);
    command.args(["/bin/sh", "-c", &script]).current_dir(at);
    Some(outcome(line, &mut command))
}

/// Numbers that are as good as random and the same in every run (xorshift64).
pub struct Random(u64);

impl Random {
    /// `seed` may be any number.
    pub fn new(seed: u64) -> Self {
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("a small number");
        usize::try_from(self.next() % end).expect("a small number")
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }
}

/// Everything below a directory: path, time of change, and the bytes of files.
pub type Listing = BTreeMap<PathBuf, (SystemTime, Vec<u8>)>;

/// Looks at everything below a directory.
pub fn listing(directory: &Path) -> Listing {
    let mut found = Listing::new();
    let info = fs::symlink_metadata(directory).expect("a path that is there");
    let bytes = if info.is_file() {
        fs::read(directory).expect("a readable file")
    } else {
        Vec::new()
    };
    found.insert(directory.into(), (info.modified().expect("a time"), bytes));
    if info.is_dir() {
        for entry in fs::read_dir(directory).expect("a readable directory") {
            found.extend(listing(&entry.expect("a readable directory").path()));
        }
    }
    found
}

/// The files and directories below a directory that a write has left over.
pub fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let is_temp = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(".kagi-") && name.ends_with(".tmp")
    };
    listing(directory).into_keys().filter(is_temp).collect()
}

/// Copies a directory with everything below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a readable directory") {
        let entry = entry.expect("a readable directory");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

// Two members, made with the library: what a device does when it admits another.

/// The identity of a device that has made one.
pub fn identity_of(device: &Device) -> Identity {
    let bytes = fs::read(device.kagi_home().join("identity.json")).expect("an identity");
    let (text, _) = without_secret("identity", &bytes).expect("an identity");
    Identity::from_text("identity", text, None).expect("an identity")
}

/// The keys that a device has to the project in `directory`, and its roster.
pub fn access_of(device: &Device, directory: &Path) -> (Config, Roster, Access) {
    let read = |name| fs::read(directory.join(".kagi").join(name)).expect("a file of a project");
    let (config, roster) = (read("kagi.json"), read("access.json"));
    let known = Known {
        witness: None,
        anchors: &[],
        confirm: &|_| true,
    };
    let hash = hash::hash(&config);
    let config = Config::read("kagi.json", &config).expect("a configuration");
    let roster = Roster::read("access.json", &roster).expect("a roster");
    let identity = identity_of(device);
    let access = team::accept("access.json", &roster, &hash, &identity, &known);
    (config, roster, access.expect("a member"))
}

/// A second full member of the project in `directory`, admitted by the first.
pub fn admit(world: &World, first: &Device, name: &str, directory: &Path) -> Device {
    let (config, roster, access) = access_of(first, directory);
    let seed = hash::hash(name.as_bytes());
    let mut new = Identity::new(Key::new(seed));
    new.anchors = vec![access.member().into()];
    let mut draft = Draft::after(&roster, roster.config);
    let admitted = draft.admit(new.public, name, vec![Grant::Full]);
    admitted.expect("no member yet");
    let author = identity_of(first);
    let roster = access.compose(&author, draft, &config.envs, &mut random::key);
    let text = roster.expect("a roster").write();
    fs::write(directory.join(".kagi/access.json"), text).expect("a roster");
    let text = new.to_text();
    let text = text.expose_str("identity").expect("ASCII").to_string();
    let mut device = world.device(name);
    device.variables.push(("KAGI_IDENTITY", text));
    device
}
