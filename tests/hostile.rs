//! Hostile surroundings: what others plant, see or take away around a running command.
//!
//! At each path that a command looks at (the list is taken from `strace`) stands something else than
//! was left there: a link, a FIFO, a directory, a device, a socket. With umask 000 nobody else may
//! write what is made; a value is in no argument and in no environment but that of the program that
//! `run` starts; a home is missing or closed; an output is full or closed; names hold sequences for
//! terminals. What must hold: each command ends, does what it should or tells why not, and neither
//! reads nor changes what lies outside. Not covered: who swaps a path while a command runs.
#![cfg(target_os = "linux")]

mod common;

use common::{
    Device, Listing, World, copy, find_program, is_full_scale, listing, outcome, program,
};
use kagi::format::key_text::Identity;
use kagi::format::request::Request;
use kagi::secret::Key;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

const INIT: &str = "init --name Ada --envs=development,production --yes --no-git";
const CANARY: &str = "canary-5f0c1e7d9b2a";

/// Commands with a value given by standard input or a file, and what starts Git.
const WITH_VALUES: [&str; 15] = [
    "set KEY --stdin",
    "import --file more.env --force",
    "set web --stdin --dotenv",
    "file add cert.pem",
    "file show cert.pem",
    "get KEY --show",
    "get",
    "run -- env",
    "render page.tpl -o page",
    "key rotate --yes",
    "scan",
    "diff",
    "log",
    "status",
    "doctor",
];

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

#[test]
fn with_umask_000_nobody_else_may_write_what_is_made() {
    let world = World::in_memory();
    let (ada, bob) = (world.device("Ada"), world.device("Bob"));
    let (work, store) = (world.directory("work"), world.root.join("store"));
    for name in ["more.env", "cert.pem", "page.tpl"] {
        fs::write(work.join(name), "A=1\n").expect("a file");
    }
    let join = format!("project join --remote {}", store.display());
    let script = "umask 000; exec \"$@\"";
    let before = [INIT, "set A 1", "file add cert.pem", &join, "push"];
    let after = [
        "render page.tpl -o page",
        "file restore app cert.pem -o there",
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
    let homes = [modes(&ada.kagi_home()), modes(&bob.kagi_home())].concat();
    for (path, is_directory, mode) in &homes {
        let wanted = if *is_directory { 0o700 } else { 0o600 };
        assert_eq!(*mode, wanted, "{} has {mode:o}", path.display());
    }
    let shared = [modes(&work.join(".kagi")), modes(&store)].concat();
    for (path, _, mode) in &shared {
        assert_eq!(mode & 0o022, 0, "{} has {mode:o}", path.display());
    }
    common::say(&format!(
        "assured: hostile: {count} commands with umask 000: {} files and directories below KAGI_HOME are \
         their owner's alone, {} below .kagi and the remote are written by their owner alone",
        homes.len(),
        shared.len()
    ));
}

/// Where a trace of `execve`, which is what `/proc` shows to others, has the canary: the arguments, the environments, of which programs.
#[derive(Default, Debug, PartialEq, Eq)]
struct Seen {
    programs: usize,
    arguments: BTreeSet<String>,
    environments: BTreeSet<String>,
}

fn seen(bench: &Bench, words: &str) -> Seen {
    let trace = bench.world.root.join("trace");
    let input = bench.world.root.join("input");
    let text = if words.contains("--dotenv") {
        format!("X={CANARY}\n")
    } else {
        CANARY.to_string()
    };
    fs::write(&input, text).expect("a file");
    let mut command = bench.ada.command("strace", &bench.work);
    command.args(["-f", "-v", "-s", "65536", "-e", "trace=execve", "-o"]);
    command.arg(&trace).arg(program()).args(words.split(' '));
    command.stdin(fs::File::open(input).expect("a file"));
    let done = outcome(words, &mut command);
    assert!(
        matches!(done.code, Some(0 | 1)),
        "kagi {words}: {}",
        done.stderr
    );
    let mut found = Seen::default();
    let text = fs::read_to_string(trace).expect("a trace");
    for line in text.lines().filter(|line| line.contains("execve(\"")) {
        let rest = line.split_once("execve(\"").expect("a call").1;
        let (program, rest) = rest.split_once("\", [").expect("a path");
        let (arguments, environment) = rest.split_once("], [").expect("an environment");
        found.programs += 1;
        let name = program.rsplit('/').next().unwrap_or_default().to_string();
        if arguments.contains(CANARY) {
            found.arguments.insert(name.clone());
        }
        if environment.contains(CANARY) {
            found.environments.insert(name);
        }
    }
    found
}

#[test]
fn a_value_is_in_no_argument_and_in_no_environment_but_that_of_runs_own_program() {
    if find_program("strace").is_none() || find_program("git").is_none() {
        return common::say("skipped: hostile: /proc, strace or git is not there");
    }
    let bench = Bench::new();
    bench.ada.git(&bench.work, "init -q").ok();
    bench.ada.commit(&bench.work, "one");
    for name in ["more.env", "cert.pem"] {
        fs::write(bench.work.join(name), format!("A={CANARY}\n")).expect("a file");
    }
    let mut programs = 0;
    for words in WITH_VALUES {
        let found = seen(&bench, words);
        programs += found.programs;
        assert_eq!(found.arguments, BTreeSet::new(), "kagi {words}");
        let own = if words.starts_with("run") {
            vec!["env".to_string()]
        } else {
            Vec::new()
        };
        assert_eq!(
            found.environments,
            own.into_iter().collect(),
            "kagi {words}"
        );
    }
    assert!(programs > WITH_VALUES.len() + 3, "Git is not started");
    // It would be seen: here the user puts it there.
    let found = seen(&bench, &format!("set KEY {CANARY}"));
    assert!(!found.arguments.is_empty(), "{found:?}");
    common::say(&format!(
        "assured: hostile: a value was in none of the arguments of {programs} programs that {} commands \
         started, and in the environment of run's own alone",
        WITH_VALUES.len()
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
    "kagi member add --name \"$H\" --offline >/dev/null; kagi member list --json",
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
