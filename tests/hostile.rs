//! Hostile surroundings: what others plant, see or take away around a running command.
//!
//! At each path that a command looks at (the list is taken from `strace`), and where a person names one,
//! stands something else than was left there: a link, a FIFO, a directory, a device, a socket, a file that
//! is too large. With umask 000 nobody else may write what is made, with umask 777 its owner can read it; what
//! others see is in `hostile/watched.rs`; a home is missing or closed; an output is full or closed; names hold
//! sequences for terminals. What must hold: each command ends, does what it should or tells why not, and
//! neither reads nor changes what lies outside. Not covered: who swaps a path while a command runs.
#![cfg(all(target_os = "linux", feature = "server"))]

mod common;
#[path = "hostile/poller.rs"]
mod poller;
#[path = "common/serving.rs"]
mod serving;
#[path = "hostile/watched.rs"]
mod watched;

use common::{
    Device, Listing, World, copy, find_program, is_full_scale, listing, outcome, program,
};
use kagi::format::key_text::Identity;
use kagi::format::request::Request;
use kagi::secret::Key;
use poller::OTHER;
use serving::Serving;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use watched::private;

const INIT: &str = "init --name Ada --envs=development,production --yes --no-git";
const CANARY: &str = "canary-5f0c1e7d9b2a";

/// Commands of Ada, who has a project, and of Bob, who has nothing yet.
const COMMANDS: [&str; 14] = [
    "set A 2",
    "get --json",
    "run -- true",
    "import --file more.env --force",
    "member list",
    "member join --name Bob --no-git",
    "status",
    "doctor",
    "file add cert.pem",
    "file restore --all --force",
    "key rotate --yes",
    "push",
    "pull",
    "render page.tpl",
];
/// What the commands work on, below the world.
const PLACES: [&str; 4] = ["work", "home-Ada", "home-Bob", "store"];
const SECONDS_MAX: &str = "10";

/// A project with a remote that is a directory, and what lies outside.
struct Bench {
    world: World,
    saved: World,
    ada: Device,
    bob: Device,
    work: PathBuf,
    outside: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let (world, saved) = (World::in_memory(), World::in_memory());
        let (ada, bob) = (world.device("Ada"), world.device("Bob"));
        let (work, store) = (world.directory("work"), world.directory("store"));
        let outside = world.directory("outside");
        fs::write(outside.join("canary"), CANARY).expect("a file");
        for (name, text) in [
            ("more.env", "A=3\nC=4\n"),
            ("page.tpl", "{{ A }}\n"),
            ("cert.pem", "a certificate\n"),
            ("kept.pem", "another\n"),
        ] {
            fs::write(work.join(name), text).expect("a file");
        }
        let join = format!("project join --remote {}", store.display());
        for words in [
            INIT,
            "set A 1",
            "file add kept.pem",
            &join,
            "push",
            "set A 5",
        ] {
            ada.kagi(&work, words).ok();
        }
        for name in PLACES {
            copy(&world.root.join(name), &saved.root.join(name));
        }
        Bench {
            world,
            saved,
            ada,
            bob,
            work,
            outside,
        }
    }

    fn restore(&self) {
        for name in PLACES {
            let path = self.world.root.join(name);
            clear(&path);
            copy(&self.saved.root.join(name), &path);
        }
    }

    fn device(&self, words: &str) -> &Device {
        if words.contains("--name Bob") {
            &self.bob
        } else {
            &self.ada
        }
    }

    /// The paths that a command looks at, as `strace` sees them.
    fn paths(&self, words: &str) -> BTreeSet<PathBuf> {
        self.restore();
        let trace = self.world.root.join("trace");
        let mut command = self.device(words).command("strace", &self.work);
        command.args(["-s", "4096", "-e", "trace=%file", "-o"]);
        command.arg(&trace).arg(program()).args(words.split(' '));
        outcome(&format!("strace kagi {words}"), &mut command).ok();
        let places = [
            self.work.join(".kagi"),
            self.ada.kagi_home(),
            self.bob.kagi_home(),
            self.world.root.join("store"),
        ];
        let is_ours = |path: &PathBuf| {
            let text = path.to_string_lossy();
            places
                .iter()
                .any(|place| text.starts_with(&*place.to_string_lossy()))
        };
        let text = fs::read_to_string(trace).expect("a trace");
        // Every second part is what stands between quotes.
        let quoted = text
            .lines()
            .flat_map(|line| line.split('"').skip(1).step_by(2));
        quoted.map(PathBuf::from).filter(is_ours).collect()
    }

    /// Something stands at a path; what it came to.
    fn attempt(&self, words: &str, path: &Path, plant: Plant, before: &Listing) -> bool {
        self.restore();
        clear(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        self.plant(plant, path);
        let mut command = self.device(words).command("timeout", &self.work);
        command
            .arg(SECONDS_MAX)
            .arg(program())
            .args(words.split(' '));
        let found = outcome(words, &mut command);
        let what = format!(
            "kagi {words}: {plant:?} at {}: {:?}\n{}{}",
            path.display(),
            found.code,
            found.text(),
            found.stderr
        );
        // These two report what is wrong, and fail when they have.
        let is_report = match words {
            "status" => found.text().contains("\nattention "),
            "doctor" => found.stderr.starts_with("kagi: "),
            _ => false,
        };
        let is_told = matches!(found.code, Some(1 | 2))
            && (is_report || found.stderr.contains("kagi: error: "));
        assert!(is_told || found.code == Some(0), "{what}");
        assert!(!what.contains(CANARY), "the outside is shown: {what}");
        assert!(
            listing(&self.outside) == *before,
            "the outside is changed: {what}"
        );
        is_told
    }

    fn plant(&self, plant: Plant, path: &Path) {
        match plant {
            Plant::Link => symlink(self.outside.join("canary"), path).expect("a link"),
            Plant::LinkToDirectory => symlink(&self.outside, path).expect("a link"),
            Plant::Dangling => symlink(self.outside.join("new"), path).expect("a link"),
            Plant::LinkToDevice => symlink("/dev/zero", path).expect("a link"),
            Plant::Directory => fs::create_dir(path).expect("a directory"),
            Plant::Fifo => assert!(node(path, &["p"]), "a FIFO"),
            Plant::Device => assert!(node(path, &["c", "1", "5"]), "a device"),
            Plant::Socket => {
                // A path that is not too long to be bound.
                let short = self.world.root.join("socket");
                drop(UnixListener::bind(&short).expect("a socket"));
                fs::rename(short, path).expect("a socket");
            }
        }
    }
}

/// Removes whatever is there.
fn clear(path: &Path) {
    match fs::symlink_metadata(path) {
        Ok(info) if info.is_dir() => fs::remove_dir_all(path).expect("a directory"),
        Ok(_) => fs::remove_file(path).expect("a file"),
        Err(_) => {}
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plant {
    Link,
    LinkToDirectory,
    Dangling,
    LinkToDevice,
    Fifo,
    Directory,
    Device,
    Socket,
}

impl Plant {
    /// What is there once it was planted.
    fn kind(self) -> &'static str {
        match self {
            Plant::Directory => "directory",
            Plant::Fifo | Plant::Device | Plant::Socket => "other",
            _ => "link",
        }
    }
}

/// What is at a path.
fn kind(path: &Path) -> &'static str {
    match fs::symlink_metadata(path) {
        Ok(info) if info.is_symlink() => "link",
        Ok(info) if info.is_dir() => "directory",
        Ok(info) if info.is_file() => "file",
        Ok(_) => "other",
        Err(_) => "nothing",
    }
}

fn node(path: &Path, kind: &[&str]) -> bool {
    let mut command = Command::new("mknod");
    let done = command.arg(path).args(kind).output();
    done.is_ok_and(|done| done.status.success())
}

#[test]
fn what_is_planted_at_each_path_is_neither_followed_nor_waited_for() {
    if find_program("strace").is_none() {
        return common::say("skipped: hostile: plants, strace is not there");
    }
    let bench = Bench::new();
    let mut plants = vec![
        Plant::Link,
        Plant::LinkToDirectory,
        Plant::Dangling,
        Plant::LinkToDevice,
        Plant::Fifo,
        Plant::Directory,
        Plant::Socket,
    ];
    if node(&bench.world.root.join("device"), &["c", "1", "5"]) {
        plants.push(Plant::Device);
    } else {
        common::say("skipped: hostile: planted devices, only root can make them");
    }
    // Where these lie is their owner's choice.
    let roots = [
        bench.ada.kagi_home(),
        bench.bob.kagi_home(),
        bench.world.root.join("store"),
    ];
    let before = listing(&bench.outside);
    let (mut at, mut tries, mut told, mut paths) = (0, 0, 0, BTreeSet::new());
    for words in COMMANDS {
        for path in bench.paths(words) {
            for plant in &plants {
                at += 1;
                let is_choice = *plant == Plant::LinkToDirectory && roots.contains(&path);
                if !is_choice && (is_full_scale() || at % 11 == 0) {
                    tries += 1;
                    told += usize::from(bench.attempt(words, &path, *plant, &before));
                    paths.insert(path.clone());
                }
            }
        }
    }
    assert!(told > 0 && told < tries, "{told} of {tries}");
    common::say(&format!(
        "assured: hostile: {tries} plants for {} commands at {} paths: {told} told, the others worked, \
         nothing outside was read or changed",
        COMMANDS.len(),
        paths.len()
    ));
}

/// Files, below the project or the home, and commands that must not read so much of them.
const READERS: [(&str, &str); 5] = [
    ("work/.kagi/kagi.json", "get"),
    ("work/.kagi/access.json", "get"),
    ("work/.kagi/secrets/app/development.enc", "get"),
    ("home-Ada/kagi/identity.json", "get"),
    ("work/kept.pem", "file add kept.pem"),
];
/// Ten times what the largest of them may have. As a hole it takes no room.
const TOO_LARGE_BYTES: u64 = 64 << 20;

#[test]
fn a_file_that_has_more_than_any_may_have_is_not_read() {
    let bench = Bench::new();
    let mut told = 0;
    for (name, words) in READERS {
        bench.restore();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(bench.world.root.join(name));
        file.and_then(|file| file.set_len(TOO_LARGE_BYTES))
            .expect(name);
        let file = name.rsplit('/').next().unwrap_or_default();
        bench
            .ada
            .kagi(&bench.work, words)
            .fails(&["is too large", file]);
        told += 1;
    }
    common::say(&format!(
        "assured: hostile: {told} files of {} MiB are told to be too large",
        TOO_LARGE_BYTES >> 20
    ));
}

/// A command of the shell's in place of `kagi WORDS`, which stand in `"$@"`.
fn within(device: &Device, at: &Path, script: &str, words: &str) -> Command {
    let mut command = device.command("sh", at);
    command.args(["-c", script, "sh"]).arg(program());
    command.args(words.split_whitespace());
    command
}

/// The mode of everything below a directory but links.
fn modes(directory: &Path) -> Vec<(PathBuf, bool, u32)> {
    let entries = listing(directory).into_keys();
    let infos = entries.map(|path| (fs::symlink_metadata(&path).expect("an entry"), path));
    let no_links = infos.filter(|(info, _)| !info.is_symlink());
    no_links
        .map(|(info, path)| (path, info.is_dir(), info.permissions().mode() & 0o777))
        .collect()
}

/// Commands of everybody's in a fresh world, with a shell around each; gives back their number.
fn with_each(world: &World, script: &str) -> usize {
    let (ada, bob) = (world.device("Ada"), world.device("Bob"));
    let (work, store) = (world.directory("work"), world.root.join("store"));
    for name in ["more.env", "cert.pem", "page.tpl"] {
        fs::write(work.join(name), "A=1\n").expect("a file");
    }
    let join = format!("project join --remote {}", store.display());
    let before = [INIT, "set A 1", "file add cert.pem", &join, "push"];
    let after = [
        "render page.tpl -o page",
        "file restore app cert.pem -o there",
        "backup -o copy",
        "serve --init --store server/store",
    ];
    let mut count = 0;
    for words in before.iter().chain(&COMMANDS).chain(&after) {
        let device = if words.contains("--name Bob") {
            &bob
        } else {
            &ada
        };
        outcome(words, &mut within(device, &work, script, words)).ok();
        count += 1;
    }
    count
}

#[test]
fn with_umask_000_nobody_else_may_write_what_is_made() {
    let world = World::in_memory();
    let count = with_each(&world, "umask 000; exec \"$@\"");
    let (ada, bob) = (world.device("Ada"), world.device("Bob"));
    let (work, store) = (world.root.join("work"), world.root.join("store"));
    let mut within_it = ada.command("sh", &work);
    outcome("touch", within_it.args(["-c", "umask 000; touch open"])).ok();
    let mode = |name| {
        fs::metadata(work.join(name))
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode("open"), 0o666, "umask 000 has no effect");
    assert_eq!((mode("page"), mode("there")), (0o600, 0o600));
    let own = [ada.kagi_home(), bob.kagi_home(), work.join("copy")];
    let own = own.iter().flat_map(|place| modes(place));
    let own: Vec<_> = own.chain(modes(&work.join("server/store"))).collect();
    for (path, is_directory, mode) in &own {
        let wanted = if *is_directory { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{} has {mode:o}", path.display());
    }
    let shared = [modes(&work.join(".kagi")), modes(&store)].concat();
    for (path, _, mode) in &shared {
        assert_eq!(mode & 0o022, 0, "{} has {mode:o}", path.display());
    }
    common::say(&format!(
        "assured: hostile: {count} commands with umask 000: {} files and directories below KAGI_HOME, a backup \
         and a server's store are their owner's alone, {} below .kagi and the remote are written by their \
         owner alone",
        own.len(),
        shared.len()
    ));
}

#[test]
fn with_umask_777_the_next_command_reads_what_is_made() {
    let Some(prefix) = unprivileged() else {
        return common::say("skipped: hostile: umask 777, root reads everything");
    };
    let world = World::in_memory();
    for place in ["home-Ada", "home-Bob", "work"] {
        world.directory(place);
    }
    let root = world.root.display();
    if !prefix.is_empty() {
        let mut command = Command::new("chown");
        command.args(["-R", &format!("{OTHER}:{OTHER}")]);
        let done = command.arg(&world.root).status();
        assert!(done.expect("chown").success());
    }
    let control = format!("cd {root}; umask 777; {prefix} touch shut; {prefix} cat shut");
    let mut command = Command::new("sh");
    let control = outcome("umask 777", command.args(["-c", &control]));
    control.fails(&["ermission denied"]);
    // `exec` of nothing but an assignment would be another command.
    let script = format!("umask 777; exec {prefix} \"$@\"");
    let count = with_each(&world, &script);
    let work = world.root.join("work");
    let made = [".kagi", "page", "there", "copy", "server"].map(|name| work.join(name));
    let homes = ["home-Ada/kagi", "home-Bob/kagi", "store"].map(|name| world.root.join(name));
    let made = made.iter().chain(&homes).flat_map(|place| modes(place));
    let made: Vec<_> = made.collect();
    for (path, is_directory, mode) in &made {
        let wanted = if *is_directory { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{} has {mode:o}", path.display());
    }
    common::say(&format!(
        "assured: hostile: {count} commands with umask 777, by somebody whom modes bind: {} files and \
         directories are their owner's, and nobody else's",
        made.len()
    ));
}

/// Shells that take something away, with `$H` for an empty directory and `$F` for a file.
const NO_HOMES: [&str; 7] = [
    "mkfifo $H/pipe; export KAGI_HOME=$H/pipe; exec \"$@\"",
    "unset HOME KAGI_HOME; exec \"$@\"",
    "export HOME= KAGI_HOME=; exec \"$@\"",
    "unset KAGI_HOME; export HOME=$H/missing; exec \"$@\"",
    "export KAGI_HOME=$H/missing; exec \"$@\"",
    "export KAGI_HOME=$F; exec \"$@\"",
    "export KAGI_HOME=$F/below; exec \"$@\"",
];
const NO_STREAMS: [&str; 6] = [
    "exec \"$@\" <&-",
    "exec \"$@\" >&-",
    "exec \"$@\" 2>&-",
    "exec \"$@\" <&- >&- 2>&-",
    "exec \"$@\" 2>/dev/full",
    "exec \"$@\" </dev/full",
];
const FULL: &str = "exec \"$@\" >/dev/full";
const GONE: &str = "mkdir gone && cd gone && rmdir ../gone && exec \"$@\"";
/// Commands that need nothing of a home.
const FREE: [&str; 4] = ["version", "help", "man", "completions bash"];

impl Bench {
    /// A command in fresh surroundings that a shell has changed: it ended, and was no panic.
    fn surrounded(&self, script: &str, words: &str) -> common::Outcome {
        self.restore();
        let empty = self.world.root.join("empty");
        clear(&empty);
        fs::create_dir(&empty).expect("a directory");
        let limited = format!("set -- timeout {SECONDS_MAX} \"$@\"; {script}");
        let mut command = within(self.device(words), &self.work, &limited, words);
        command
            .env("H", empty)
            .env("F", self.outside.join("canary"));
        let found = outcome(words, &mut command);
        let what = format!(
            "kagi {words} in {script}: {:?}\n{}",
            found.code, found.stderr
        );
        assert!(matches!(found.code, Some(0..=2)), "{what}");
        assert!(!found.stderr.contains("panicked"), "{what}");
        let is_seen = !script.contains("2>");
        let is_told =
            ["status", "doctor"].contains(&words) || found.stderr.contains("kagi: error: ");
        assert!(found.code == Some(0) || is_told || !is_seen, "{what}");
        assert_eq!(
            fs::read_to_string(self.outside.join("canary")).expect("a file"),
            CANARY
        );
        found
    }
}

#[test]
fn without_a_home_a_directory_or_a_stream_a_command_says_so_or_works() {
    let bench = Bench::new();
    let (mut count, mut full) = (0, 0);
    for (at, words) in FREE.iter().chain(&COMMANDS).enumerate() {
        if !is_full_scale() && at % 3 != 0 {
            continue;
        }
        let plain = bench.surrounded("exec \"$@\"", words);
        let what = |script: &str| format!("kagi {words} in {script}");
        for script in NO_HOMES {
            let found = bench.surrounded(script, words);
            // Without an identity nothing opens.
            let must_fail = ["get", "set", "run", "render", "key", "file"]
                .iter()
                .any(|one| words.starts_with(one));
            assert!(found.code != Some(0) || !must_fail, "{}", what(script));
            assert!(
                found.code == Some(0) || !FREE.contains(words),
                "{}",
                what(script)
            );
        }
        for script in NO_STREAMS {
            let found = bench.surrounded(script, words);
            assert!(
                found.code == plain.code,
                "{}: {}",
                what(script),
                found.stderr
            );
            assert_eq!(
                bench.ada.kagi(&bench.work, "run -- true").code,
                Some(0),
                "{}",
                what(script)
            );
        }
        let found = bench.surrounded(FULL, words);
        if !plain.stdout.is_empty() {
            assert!(found.code == Some(1), "{}", what(FULL));
            full += 1;
        }
        let found = bench.surrounded(GONE, words);
        assert!(
            FREE.contains(words) == (found.code == Some(0)),
            "{}: {}",
            what(GONE),
            found.stderr
        );
        count += 1;
    }
    common::say(&format!(
        "assured: hostile: {count} commands without a home ({}), with closed or full streams ({}; {full} \
         outputs that were lost are told), and in a directory that is gone",
        NO_HOMES.len(),
        NO_STREAMS.len() + 1
    ));
}

/// Outputs that keep nothing.
const NOWHERE: [&str; 4] = [">&-", ">/dev/null", "1<more.env", ">/dev/full"];
/// Commands that show what nobody can ask for again.
const ONCE: [&str; 4] = [
    "member add --name ci --only app/development",
    "member add --name paper --offline",
    "token issue --name ci",
    "serve --init --store made/store",
];
/// Commands that ask first.
const ASKED: [&str; 2] = ["identity export", "key export"];

#[test]
fn what_is_shown_once_is_not_made_where_nobody_sees_it() {
    let (bench, far) = (Bench::new(), World::in_memory());
    let serving = Serving::start(&far);
    let (given, tokens) = bench.with_tokens(&serving);
    let at = &given[0].at;
    private(&at.join("more.env"), "A=3\n");
    serving::fed(&bench.ada, at, "pull -", &tokens[0]).ok();
    bench.ada.kagi(at, "push").ok();
    let state = || {
        let tokens = bench.ada.kagi(at, "token list").ok().text();
        (tokens, contents(at))
    };
    let mut tries = 0;
    for words in ONCE {
        for nowhere in NOWHERE {
            let before = state();
            let script = format!("exec \"$@\" {nowhere}");
            let found = outcome(words, &mut within(&bench.ada, at, &script, words));
            let found = found.fails(&["cannot write \"standard output\"", "nothing was changed"]);
            assert_eq!(
                (found.code, state()),
                (Some(1), before),
                "{words} {nowhere}"
            );
            tries += 1;
        }
        let shown = bench.ada.kagi(at, words).ok();
        assert!(shown.text().len() > 60, "kagi {words}");
    }
    for (words, nowhere) in ASKED
        .iter()
        .flat_map(|words| NOWHERE.map(|nowhere| (words, nowhere)))
    {
        let line = format!("kagi {words} {nowhere}");
        let Some(found) = common::on_terminal(&bench.ada, at, &[], &line) else {
            break;
        };
        assert_eq!(found.code, Some(1), "{line}: {}", found.text());
        tries += 1;
    }
    common::say(&format!(
        "assured: hostile: {tries} times an identity, a key or a token was asked for where no output keeps it: \
         told, and nothing was changed"
    ));
}

/// What a person names to be read, in whatever place it is; `there` stands for it.
const READ: [&str; 6] = [
    "set K --file there",
    "import --file there",
    "render there -o page",
    "run --require there -- true",
    "identity import --force --yes --file there",
    "check --example there",
];
/// What a person names, but a link there is no choice: it is refused.
const PLAIN: [&str; 6] = [
    "file add there",
    "render page.tpl -o there",
    "render page.tpl -o there --force",
    "file restore kept.pem --out there",
    "backup -o there",
    "serve --init --store fresh --key-file there",
];

#[test]
fn what_a_person_names_is_not_waited_for_and_not_written_through() {
    let bench = Bench::new();
    let there = bench.work.join("there");
    let before = listing(&bench.outside);
    let mut plants = vec![
        Plant::LinkToDirectory,
        Plant::Dangling,
        Plant::LinkToDevice,
        Plant::Directory,
        Plant::Socket,
        Plant::Link,
        Plant::Fifo,
    ];
    if node(&bench.world.root.join("device"), &["c", "1", "5"]) {
        plants.push(Plant::Device);
    }
    let (mut at, mut tries) = (0, 0);
    for words in READ.iter().chain(&PLAIN) {
        let is_read = READ.contains(words);
        for plant in &plants {
            at += 1;
            // A FIFO that is to be read has a writer, sooner or later.
            if is_read && *plant == Plant::Fifo || !is_full_scale() && at % 5 != 0 {
                continue;
            }
            let is_told = bench.attempt(words, &there, *plant, &before);
            let may_work = is_read && *plant == Plant::Link;
            assert!(is_told || may_work, "kagi {words}: {plant:?}");
            assert_eq!(plant.kind(), kind(&there), "kagi {words}: {plant:?}");
            tries += 1;
        }
    }
    // What is read may be a link, and may come from another program.
    for (words, plant) in [
        ("set K --file there", Plant::Link),
        ("import --file there", Plant::Fifo),
    ] {
        bench.restore();
        clear(&there);
        bench.plant(plant, &there);
        let script = match plant {
            Plant::Fifo => format!("echo K={CANARY} >there & exec \"$@\""),
            _ => "exec \"$@\"".into(),
        };
        outcome(words, &mut within(&bench.ada, &bench.work, &script, words)).ok();
        let values = bench.ada.values(&bench.work, "");
        assert_eq!(values.get("K").map(String::as_str), Some(CANARY), "{words}");
    }
    common::say(&format!(
        "assured: hostile: {tries} plants where a person names a path, for {} commands: told, not waited for, \
         and nothing was written through; what is read may be a link or a FIFO",
        READ.len() + PLAIN.len()
    ));
}

/// A title, a bell, a colour by C1, the bidirectional overrides, a blank that is none.
const ESCAPES: &str =
    "\u{1b}]0;t\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{2066}\u{200b}\u{7f}\u{8}\u{2028}x";

/// The one that is answered.
const SHOWING: &str = "kagi get VALUE";
/// Lines of the shell, with `$H` for `ESCAPES`.
const PRINTING: [&str; 41] = [
    "kagi \"$H\"",
    "kagi get \"--$H\"",
    "kagi help \"$H\"",
    "kagi set \"$H\" 1",
    "kagi set \"$H\" KEY 1",
    "kagi set app \"$H\" KEY 1",
    "kagi set VALUE \"$H\"",
    "kagi set DESCRIBED 1 --desc \"a$H\"",
    "printf %s \"$H\" | kagi set VALUE --stdin",
    "kagi get",
    "kagi get --json",
    "kagi get VALUE </dev/null",
    SHOWING,
    "kagi get VALUE --json",
    "kagi get \"$H\"",
    "kagi search \"$H\"",
    "kagi search D",
    "kagi unset \"$H\" --yes",
    "kagi copy VALUE \"$H\"",
    "kagi move VALUE --as \"$H\"",
    "printf \"$H=1\\nA$H=2\\nB=\\\"$H\\n\" > .env; kagi import",
    "printf \"B='$H'\\n\" > \".env.$H\"; kagi import --file \".env.$H\"",
    "printf \"NEW=\\n$H=\\n\" > .env.example; kagi check; kagi sync",
    "echo x > \"f$H\"; kagi file add \"f$H\"; kagi file list; kagi file list --json",
    "kagi file restore \"$H\"; kagi file show \"$H\"; kagi file remove \"$H\" --yes",
    "printf \"{{ $H }} {{ A\" > \"t$H\"; kagi render \"t$H\"",
    "kagi env add \"$H\"; kagi env rename development \"$H\"; kagi env list",
    "kagi member rename Ada \"$H\"; kagi member list",
    "kagi member add --name \"$H\" --offline >shown; kagi member list --json",
    "kagi member approve \"$H\"; kagi member del \"$H\" --yes; kagi trust \"$H\"",
    "kagi run -- \"$H\"",
    "kagi run \"$H\" -- true",
    "KAGI_HOME=\"$PWD/$H\" kagi member join --name \"$H\" --no-git",
    "KAGI_IDENTITY=\"$H\" kagi get",
    "KAGI_ENV=\"$H\" kagi get",
    "KAGI_PROJECT_TOKEN=\"$H\" kagi pull",
    "kagi pull \"$H\"; kagi project join --remote \"http://$H\"; kagi project join --remote \"./$H\"",
    "mkdir -p \"d$H\"; cd \"d$H\"; kagi init --force --name Ada --yes --no-git; kagi set A 1; kagi status; kagi doctor; kagi backup -o b",
    "git add -A; git commit -qm \"$H\" --author \"$H <$H>\"; kagi log; kagi diff; kagi log --json",
    "git checkout -qb \"b\"; kagi diff \"$H\"; kagi restore --from \"$H\" VALUE; kagi scan; kagi scan \"$H\"",
    "kagi status; kagi doctor; kagi backup -o \"../o$H\"; kagi restore -f \"../o$H\" --yes",
];

/// What a terminal may get: lines, what is printed, and colours.
fn raw_in(bytes: &[u8]) -> Option<String> {
    let Ok(text) = String::from_utf8(bytes.to_vec()) else {
        return Some("no UTF-8".into());
    };
    let colours = ["31", "32", "33", "36", "0"].map(|colour| format!("\u{1b}[{colour}m"));
    let plain = colours
        .iter()
        .fold(text, |text, colour| text.replace(colour, ""));
    let is_hidden = |symbol: char| {
        matches!(symbol, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let is_raw =
        |symbol: &char| symbol.is_control() && !"\r\n\t".contains(*symbol) || is_hidden(*symbol);
    plain
        .chars()
        .find(is_raw)
        .map(|symbol| format!("{symbol:?}"))
}

#[test]
fn whatever_is_named_a_terminal_gets_what_can_be_printed_and_colours() {
    let bench = Bench::new();
    bench.ada.git(&bench.work, "init -q").ok();
    bench.ada.commit(&bench.work, "one");
    // Requests that kagi would not write itself: by what they hold, and by what they are called.
    let requests = bench.work.join(".kagi/requests");
    fs::create_dir_all(&requests).expect("a directory");
    let stranger = Identity::new(Key::new([7; 32]));
    let request = Request::new(stranger.public, ESCAPES).write();
    let file = bench.work.join(".kagi").join(Request::file(&stranger.id));
    fs::write(file, &request).expect("a file");
    fs::write(requests.join(format!("{ESCAPES}.json")), request).expect("a file");
    let setting = format!("export TERM=xterm; H='{ESCAPES}';");
    let shown = |line: &str| {
        let answers: &[&str] = if line == SHOWING { &["y"] } else { &[] };
        let line = format!("{setting} {line}");
        common::on_terminal(&bench.ada, &bench.work, answers, &line)
    };
    let Some(control) = shown("printf %s \"$H\"") else {
        return common::say("skipped: hostile: terminal escapes, python3 is not there");
    };
    assert!(raw_in(&control.stdout).is_some(), "the check sees nothing");
    let (mut bytes, mut coloured) = (0, 0);
    for line in PRINTING {
        let found = shown(line).expect("python3 was there");
        assert!(found.code != Some(124), "{line} waits: {}", found.text());
        let raw = raw_in(&found.stdout);
        assert_eq!(raw, None, "{line}: {:?}", found.text());
        assert!(
            !found.text().contains("panicked"),
            "{line}: {}",
            found.text()
        );
        bytes += found.stdout.len();
        coloured += usize::from(found.text().contains("\u{1b}["));
    }
    assert!(coloured > 0, "there are no colours");
    common::say(&format!(
        "assured: hostile: {} lines with escapes in names, values and files showed a terminal {bytes} bytes: \
         what can be printed, and kagi's colours",
        PRINTING.len()
    ));
}

/// Runs what follows as somebody whom file modes bind; `None` where that cannot be had.
fn unprivileged() -> Option<&'static str> {
    let is_possible = |script: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program()).arg("version");
        command.output().is_ok_and(|done| done.status.success())
    };
    let change = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    if is_possible("test $(id -u) != 0") {
        Some("")
    } else {
        is_possible(&format!("{change} \"$0\" \"$@\"")).then_some(change)
    }
}

#[test]
fn a_home_that_cannot_be_written_is_read_or_told() {
    let Some(prefix) = unprivileged() else {
        return common::say("skipped: hostile: a home that cannot be written, for root can");
    };
    let bench = Bench::new();
    let root = bench.world.root.display().to_string();
    let owner = if prefix.is_empty() {
        ""
    } else {
        "chown -R 65534:65534 $R;"
    };
    let homes = [&bench.ada.home, &bench.bob.home];
    let (mut worked, mut told) = (0, 0);
    for words in COMMANDS {
        let script = format!(
            "R={root}; {owner} chmod -R a-w $HOME; {prefix} touch $HOME/x 2>$R/full && exit 99; \
             {prefix} \"$@\"; code=$?; chmod -R u+w $HOME; exit $code"
        );
        bench.restore();
        let before = homes.map(|home| contents(home));
        bench.device(words).kagi(&bench.work, words).ok();
        let is_writer = homes.map(|home| contents(home)) != before;
        bench.restore();
        let mut command = within(bench.device(words), &bench.work, &script, words);
        let found = outcome(words, &mut command);
        let what = format!(
            "kagi {words}: {:?}\n{}{}",
            found.code,
            found.text(),
            found.stderr
        );
        assert!(
            homes.map(|home| contents(home)) == before,
            "the home changed: {what}"
        );
        if found.code == Some(0) {
            let is_noted = found
                .stderr
                .contains("this device cannot remember what it saw");
            assert_eq!(is_noted, is_writer, "{what}");
            worked += 1;
            continue;
        }
        let only_reads = [
            "get --json",
            "run -- true",
            "member list",
            "status",
            "render page.tpl",
        ];
        assert!(!only_reads.contains(&words), "{what}");
        assert!(
            found.code == Some(1) && found.stderr.contains("kagi: "),
            "{what}"
        );
        told += 1;
    }
    assert!(told > 0, "nothing was ever written to a home");
    common::say(&format!(
        "assured: hostile: {} commands with a home that cannot be written: {worked} worked, and said what \
         could not be remembered, {told} told it",
        COMMANDS.len()
    ));
}

/// The bytes of all files below a directory.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = listing(directory).into_iter();
    entries.map(|(path, (_, bytes))| (path, bytes)).collect()
}
