//! What other users of the machine see of a command: the arguments and environments of what it starts, as a
//! trace has them and as somebody reads them in `/proc`, and files.
//!
//! What must hold: a value, an identity and a token are in no argument, in no environment but that of the
//! program that `run` starts, and in no file that others can read. A poller runs as another user all the
//! while; controls prove that it sees. Not covered: keychains, whose programs `tests/keychain.rs` watches.

use super::common::{self, Device, World, find_program, identity_of, outcome, program};
use super::poller::{self, OTHER, Poller};
use super::serving::Serving;
use super::{Bench, clear};
use kagi::format::message::token::{Credential, ProjectToken};
use kagi::secret::Key;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// A value of this run alone: whoever looks sees the commands of other tests, and of other runs.
static WATCHED: LazyLock<String> =
    LazyLock::new(|| format!("watched-81b3d6f2a90c-{}", std::process::id()));

/// Commands with a value given by standard input or a file, and what starts Git.
const WITH_VALUES: [&str; 18] = [
    "set KEY --stdin",
    "import --file more.env --force",
    "set web --stdin --dotenv",
    "file add cert.pem",
    "file show cert.pem",
    "get KEY --show",
    "get",
    "run -- env",
    "run --mask -- env",
    "render page.tpl -o page",
    "edit",
    "file restore cert.pem --out there",
    "key rotate --yes",
    "scan",
    "diff",
    "log",
    "status",
    "doctor",
];

/// A file that only its owner can read.
pub fn private(path: &Path, text: &str) {
    clear(path);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).expect("a file");
    file.write_all(text.as_bytes()).expect("a file");
}

/// A program that takes the place of another one on a `PATH`.
fn stand_in(directory: &Path, name: &str, script: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

/// A command, who gives it where, and what it reads from standard input.
pub struct Given {
    device: Device,
    pub at: PathBuf,
    words: String,
    input: String,
}

/// Where a trace of `execve`, which is what `/proc` shows to others, has the canary: the arguments, the
/// environments, of which programs. And which processes there were.
#[derive(Default, Debug, PartialEq, Eq)]
struct Seen {
    processes: BTreeSet<u32>,
    arguments: BTreeSet<String>,
    environments: BTreeSet<String>,
}

/// Has each program stay as it began for a moment, so that whoever looks sees it: that call is one of its
/// first, and made once.
const STAYS: [&str; 4] = [
    "-e",
    "trace=execve,set_tid_address",
    "-e",
    "inject=set_tid_address:delay_enter=25000",
];

impl Seen {
    fn of(trace: &Path) -> Self {
        let mut found = Seen::default();
        let text = fs::read_to_string(trace).expect("a trace");
        let is_start = |line: &&str| line.contains("execve(\"") && line.ends_with(") = 0");
        for line in text.lines().filter(is_start) {
            let (process, rest) = line.split_once("execve(\"").expect("a call");
            let (program, rest) = rest.split_once("\", [").expect("a path");
            let (arguments, environment) = rest.split_once("], [").expect("an environment");
            found
                .processes
                .insert(process.trim().parse().expect("an id"));
            let name = program.rsplit('/').next().unwrap_or_default().to_string();
            if arguments.contains(&*WATCHED) {
                found.arguments.insert(name.clone());
            }
            if environment.contains(&*WATCHED) {
                found.environments.insert(name);
            }
        }
        found
    }
}

impl Bench {
    /// A place that nobody else can look into.
    fn own(&self) -> PathBuf {
        let own = self.world.directory("own");
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).expect("a mode");
        own
    }

    fn seen(&self, given: &Given) -> Seen {
        let (trace, input) = (self.own().join("trace"), self.own().join("input"));
        private(&input, &given.input);
        let mut command = given.device.command("strace", &given.at);
        command.args(["-f", "-v", "-s", "65536"]).args(STAYS);
        command.arg("-o").arg(&trace).arg(program());
        command.args(given.words.split(' '));
        command.stdin(fs::File::open(input).expect("a file"));
        let done = outcome(&given.words, &mut command);
        let is_done = matches!(done.code, Some(0 | 1));
        assert!(is_done, "kagi {}: {}", given.words, done.stderr);
        Seen::of(&trace)
    }

    fn given(&self, words: &str) -> Given {
        let input = if words.contains("--dotenv") {
            format!("X={}\n", *WATCHED)
        } else {
            WATCHED.clone()
        };
        Given {
            device: self.ada.clone(),
            at: self.work.clone(),
            words: words.into(),
            input,
        }
    }

    /// Ada's commands with a server, and with `curl` and `ssh`, in whose place something stands; and the
    /// tokens that they are given.
    pub fn with_tokens(&self, serving: &Serving) -> (Vec<Given>, Vec<String>) {
        let far = self.world.directory("far");
        let (url, print) = (&serving.url, &serving.print);
        self.ada.kagi(&far, "init --name Ada --no-git").ok();
        let join = format!("project join --remote {url} --fingerprint {print}");
        let id = self.ada.kagi(&far, &join).ok().text();
        let id = id.split_whitespace().last().expect("an id");
        let mut root = self.ada.clone();
        root.variables
            .push(("KAGI_ADMIN_TOKEN", serving.admin.clone()));
        let approve = format!("project approve {id} --remote {url}");
        let mut tokens = vec![root.kagi(&far, &approve).ok().text().trim().to_string()];
        let give = |device: &Device, at: &Path, words: &str, input: &str| Given {
            device: device.clone(),
            at: at.into(),
            words: words.into(),
            input: input.into(),
        };
        let mut list = vec![give(&self.ada, &far, "pull -", &tokens[0])];
        for words in ["set KEY --stdin", "push", "pull"] {
            list.push(give(&self.ada, &far, words, &WATCHED));
        }
        let programs = self.world.directory("programs");
        let path = std::env::var("PATH").unwrap_or_default();
        for (name, remote, script) in [
            ("curl", "https://example.org", "cat >/dev/null; exit 7"),
            ("ssh", "ssh://example.org/srv", "exit 7"),
        ] {
            stand_in(&programs, name, script);
            let token = ProjectToken {
                remote: remote.into(),
                project: format!("kgp_{}", "a".repeat(20)),
                server: [9; 32],
                credential: Credential::new([3; 13], Key::new([5; 32])),
                anchors: Vec::new(),
            };
            let token = token.to_text().expose_str("").expect("text").to_string();
            let mut device = self.world.device(name);
            device
                .variables
                .push(("PATH", format!("{}:{path}", programs.display())));
            let at = self.world.directory(&format!("at-{name}"));
            list.push(give(&device, &at, "pull -", &token));
            tokens.push(token);
        }
        (list, tokens)
    }

    /// `identity export`, answered on a terminal.
    fn exported(&self, text: &str) -> Seen {
        let trace = self.own().join("trace");
        let (shown, program) = (trace.display(), program());
        let strace = format!("strace -f -v -s 65536 {} -o {shown}", STAYS.join(" "));
        let line = format!("{strace} {} identity export", program.display());
        let found = common::on_terminal(&self.ada, &self.work, &["y"], &line);
        let found = found.expect("python3, which looks as well").ok();
        assert!(found.text().contains(text), "the identity is not shown");
        Seen::of(&trace)
    }
}

/// What the poller must see: an argument, the environment of a process of its own, a file.
fn poller_sees(bench: &Bench) {
    let open = bench.world.directory("open");
    let poller = Poller::start(&[&WATCHED], &open);
    // On a machine that is busy a process may have ended before it is seen.
    for _ in 0..5 {
        let found = bench.seen(&bench.given(&format!("set KEY {}", *WATCHED)));
        assert!(found.arguments.contains("kagi"), "{found:?}");
    }
    fs::write(open.join("readable"), &*WATCHED).expect("a file");
    let mut own = Command::new("sleep");
    own.arg("0.3").env("X", &*WATCHED).current_dir("/");
    let own = own.uid(OTHER).gid(OTHER).status();
    assert!(own.expect("sleep").success());
    let looked = poller.end();
    let readable = format!("file {}", open.join("readable").display());
    for wanted in ["cmdline kagi", "environ sleep", &readable] {
        assert!(looked.hits.contains(wanted), "no {wanted}: {looked:?}");
    }
}

/// What is done while another user looks, and the texts that are in it.
fn prepared(bench: &mut Bench, serving: &Serving) -> (Vec<Given>, Vec<String>) {
    bench.ada.git(&bench.work, "init -q").ok();
    bench.ada.commit(&bench.work, "one");
    for name in ["more.env", "cert.pem"] {
        private(&bench.work.join(name), &format!("A={}\n", *WATCHED));
    }
    stand_in(
        &bench.world.directory("programs"),
        "editor",
        "sed -n 's/^KEY=/MORE=/p' \"$1\" >\"$1.more\"; cat \"$1.more\" >>\"$1\"; rm \"$1.more\"",
    );
    bench.world.directory("run");
    for (name, place) in [("EDITOR", "programs/editor"), ("XDG_RUNTIME_DIR", "run")] {
        let place = bench.world.root.join(place);
        let variable = (name, place.display().to_string());
        bench.ada.variables.push(variable);
    }
    let (with_tokens, mut texts) = bench.with_tokens(serving);
    let identity = identity_of(&bench.ada).to_text();
    let identity = identity.expose_str("").expect("text").to_string();
    let mut list: Vec<_> = WITH_VALUES.map(|words| bench.given(words)).into();
    list.extend(with_tokens);
    list.push(Given {
        device: bench.world.device("Twin"),
        input: identity.clone(),
        ..bench.given("identity import")
    });
    texts.extend([WATCHED.clone(), identity]);
    (list, texts)
}

#[test]
fn a_value_is_in_no_argument_and_in_no_environment_but_that_of_runs_own_program() {
    if find_program("strace").is_none() || find_program("git").is_none() {
        return common::say("skipped: hostile: /proc, strace or git is not there");
    }
    let (mut bench, far) = (Bench::new(), World::in_memory());
    let serving = Serving::start(&far);
    let (list, texts) = prepared(&mut bench, &serving);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let is_polled = poller::is_possible(&bench.world);
    let poller = is_polled.then(|| Poller::start(&texts, &bench.world.root));
    let (mut programs, mut processes) = (0, BTreeSet::new());
    for given in &list {
        let (found, words) = (bench.seen(given), &given.words);
        programs += found.processes.len();
        processes.extend(found.processes);
        assert_eq!(found.arguments, BTreeSet::new(), "kagi {words}");
        let own = words.starts_with("run").then(|| "env".to_string());
        let own = own.into_iter().collect();
        assert_eq!(found.environments, own, "kagi {words}");
    }
    assert!(programs > list.len() + 3, "Git is not started");
    common::say(&format!(
        "assured: hostile: a value was in none of the arguments of {programs} programs that {} commands \
         started, and in the environment of run's own alone",
        list.len()
    ));
    let values = bench.ada.values(&bench.work, "");
    let more = values.get("MORE").map(String::as_str);
    assert_eq!(more, Some(WATCHED.as_str()), "edit has no effect");
    let Some(poller) = poller else {
        let why = "only root can be one, with python3";
        return common::say(&format!("skipped: hostile: another user who looks, {why}"));
    };
    processes.extend(bench.exported(texts[texts.len() - 1]).processes);
    let looked = poller.end();
    assert_eq!(looked.hits, BTreeSet::new());
    let met = looked.processes.intersection(&processes).count();
    assert!(met * 2 >= processes.len(), "{met} of {processes:?}");
    poller_sees(&bench);
    common::say(&format!(
        "assured: hostile: another user looked at {met} of {} processes of these and of identity export, and \
         at all files: 0 hits for a value, an identity and {} tokens in {} reads, {} more were refused",
        processes.len(),
        texts.len() - 2,
        looked.reads,
        looked.refused
    ));
}
