//! Commands that ask a real server, killed at each call to it and at each change of a file, each of which
//! fails as well.
//!
//! What must be survived: each of what a member, the administrator and the server see is as it was or as
//! it comes; a command that succeeded has the new state; where nothing was done, the same again does it;
//! the store is sound. All with `KAGI_TEST_SCALE=full` alone.

use super::common::{self, Device, Outcome, World, copy, is_full_scale, outcome, program};
use super::fault::{Fault, faults};
use super::serving::{Serving, fed};
use super::{INIT, has_strace};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const CALLS: &str = "trace=?open,openat,write,fsync,rename,unlink,mkdir,rmdir,\
    connect,sendto,sendmsg,writev,recvfrom,recvmsg";
const NETWORK: [&str; 6] = [
    "connect", "sendto", "sendmsg", "writev", "recvfrom", "recvmsg",
];
const PLACES: [&str; 3] = ["ada", "home-ada", "store"];
/// Nobody else comes from there, so the port is free again where the server was ended.
const BIND: &str = "127.7.7.7:0";

/// A command of Ada's, what makes the state that it starts from, and what its state is. In these lines
/// `URL`, `PRINT`, `PROJECT` and `ISSUED` (the token that was issued last) stand for what differs from run to
/// run, and what is behind `<` for the text of a token on standard input.
struct Case {
    words: &'static str,
    before: &'static [&'static [&'static str]],
    reads: &'static [&'static str],
}

const JOIN: &str = "project join --remote URL --fingerprint PRINT";
const ASKED: &[&str] = &[INIT, "set A 1", JOIN];
const TAKEN_IN: &[&str] = &["project approve PROJECT --remote URL", "pull - <TOKEN"];
const PUSHED: &[&str] = &["push", "set A 2", "push"];

const CASES: [Case; 7] = [
    Case {
        words: JOIN,
        before: &[&[INIT]],
        reads: &["project list --remote URL --json"],
    },
    Case {
        words: "project approve PROJECT --remote URL",
        before: &[ASKED],
        reads: &["project list --remote URL --json"],
    },
    Case {
        words: "project del PROJECT --remote URL --yes",
        before: &[ASKED, TAKEN_IN, PUSHED],
        reads: &["project list --remote URL --json"],
    },
    Case {
        words: "remote rollback PROJECT 1 --remote URL --yes",
        before: &[ASKED, TAKEN_IN, PUSHED],
        reads: &["project list --remote URL --json", "remote status --json"],
    },
    Case {
        words: "remote login --remote URL --token - <ADMIN",
        before: &[ASKED],
        reads: &["project list --remote URL --json"],
    },
    Case {
        words: "token issue --name ci",
        before: &[ASKED, TAKEN_IN],
        reads: &["token list --json"],
    },
    Case {
        words: "token revoke ISSUED --yes",
        before: &[ASKED, TAKEN_IN, &["token issue --name ci"]],
        reads: &["token list --json"],
    },
];

/// A server, and a project that asks it.
struct Bench {
    world: World,
    ada: Device,
    at: PathBuf,
    serving: Option<Serving>,
    url: String,
    print: String,
    admin: String,
    project: String,
    token: String,
    issued: String,
}

impl Bench {
    fn new(case: &Case) -> Self {
        let world = World::in_memory();
        let serving = Serving::first(&world, BIND);
        let mut ada = world.device("ada");
        let admin = serving.admin.clone();
        if !case.words.contains("login") {
            ada.variables.push(("KAGI_ADMIN_TOKEN", admin.clone()));
        }
        let [project, token, issued] = [(); 3].map(|()| String::new());
        let mut bench = Bench {
            at: world.directory("ada"),
            world,
            ada,
            url: serving.url.clone(),
            print: serving.print.clone(),
            admin,
            serving: Some(serving),
            project,
            token,
            issued,
        };
        for line in case.before.iter().copied().flatten() {
            let told = bench.run(line).ok();
            bench.remember(&told);
        }
        bench.serving = None;
        for name in PLACES {
            copy(&bench.place(name), &bench.place("saved").join(name));
        }
        bench
    }

    fn place(&self, name: &str) -> PathBuf {
        self.world.root.join(name)
    }

    /// Everything is as it was, and the server answers.
    fn restore(&mut self) {
        self.serving = None;
        for name in PLACES {
            let _ = fs::remove_dir_all(self.place(name));
            copy(&self.place("saved").join(name), &self.place(name));
        }
        let bind = self.url.strip_prefix("http://").expect("an address");
        self.serving = Some(Serving::again(&self.world, bind));
    }

    /// What later lines need of what a command said.
    fn remember(&mut self, told: &Outcome) {
        let named = |text: &str, start| {
            let at = text.find(start)?;
            text[at..].get(..24).map(String::from)
        };
        if let Some(project) = named(&told.text(), "kgp_") {
            self.project = project;
        }
        if told.text().starts_with("kagi_") {
            self.token = told.text().trim().into();
        }
        if let Some(issued) = named(&told.stderr, "kgt_") {
            self.issued = issued;
        }
    }

    /// The words of a line, and what is on its standard input.
    fn filled(&self, line: &str) -> (String, String) {
        let mut line = line.to_string();
        for (name, text) in [
            ("URL", &self.url),
            ("PRINT", &self.print),
            ("PROJECT", &self.project),
            ("ISSUED", &self.issued),
        ] {
            line = line.replace(name, text);
        }
        let (words, input) = line.split_once(" <").unwrap_or((&line, ""));
        let input = input
            .replace("ADMIN", &self.admin)
            .replace("TOKEN", &self.token);
        (words.into(), input)
    }

    fn run(&self, line: &str) -> Outcome {
        let (words, input) = self.filled(line);
        fed(&self.ada, &self.at, &words, &input)
    }

    /// The command of a case under `strace`.
    fn traced(&self, case: &Case, options: &[&str]) -> Outcome {
        let (words, input) = self.filled(case.words);
        let given = self.place("given");
        fs::write(&given, input).expect("a file");
        let mut command = self.ada.command("strace", &self.at);
        command
            .arg("-o")
            .arg(self.place("trace"))
            .args(["-y", "-e", CALLS]);
        command.args(options).arg(program()).args(words.split(' '));
        command.stdin(fs::File::open(given).expect("a file"));
        outcome(&words, &mut command)
    }

    /// What is read, text by text, without the ids and times of what a try has made.
    fn state(&self, case: &Case) -> Vec<String> {
        let is_same_always = |line: &&str| {
            !["\"id\": \"kgt_", "\"issued\": "]
                .iter()
                .any(|part| line.contains(part))
        };
        let read = |line: &&str| {
            let told = self.run(line);
            let text = told.text() + &told.stderr;
            let text: String = text.lines().filter(is_same_always).collect();
            // Tokens are listed by their ids.
            let mut parts: Vec<_> = text.split(['{', '}']).collect();
            parts.sort_unstable();
            parts.concat()
        };
        case.reads.iter().map(read).collect()
    }

    /// The calls of the command that go to the server, change a file or tell what was done, each with how
    /// often such a call was made by then.
    fn calls(&self, case: &Case) -> Vec<(String, usize)> {
        self.traced(case, &[]).ok();
        let text = fs::read_to_string(self.place("trace")).expect("a log");
        let (mut counts, mut calls) = (BTreeMap::new(), Vec::new());
        let root = self.world.root.display().to_string();
        for line in text.lines() {
            let (name, rest) = line.split_once('(').unwrap_or_default();
            let count = counts.entry(name.to_string()).or_insert(0);
            *count += 1;
            let is_change = !name.starts_with("open") || rest.contains("O_CREAT");
            let is_here = is_change && rest.contains(&root);
            if NETWORK.contains(&name) || is_here || name == "write" {
                calls.push((name.to_string(), *count));
            }
        }
        calls
    }

    /// Makes one try.
    fn check(&mut self, case: &Case, states: [&Vec<String>; 2], one: &(String, usize, Fault)) {
        let (call, at, fault) = one;
        self.restore();
        let inject = format!("inject={call}:{}:when={at}", fault.injection());
        let told = self.traced(case, &["-e", &inject]);
        let what = format!(
            "kagi {}: {call} {at} {fault:?}: {}",
            case.words, told.stderr
        );
        let log = fs::read_to_string(self.place("trace")).expect("a log");
        let is_done = told.code == Some(0);
        if *fault == Fault::Kill {
            assert!(log.contains("+++ killed by SIGKILL"), "{what}");
        } else {
            assert!(log.contains("(INJECTED)"), "{what}");
            let mut injected = log.lines().filter(|line| line.contains("(INJECTED)"));
            // Nobody can be told where the telling fails.
            let is_telling =
                injected.any(|line| line.starts_with("write(1<") || line.starts_with("write(2<"));
            let is_told = is_done || is_telling || told.stderr.contains("kagi: error: ");
            assert!(
                is_told && told.code.is_some_and(|code| code < 100),
                "{what}"
            );
        }
        let [old, new] = states;
        let now = self.state(case);
        for (at, part) in now.iter().enumerate() {
            let is_whole = part == &new[at] || part == &old[at] && !is_done;
            assert!(is_whole, "{what}{part}\nnot {}\nnor {}", new[at], old[at]);
        }
        if now != *new {
            self.run(case.words).ok();
            assert_eq!(self.state(case), *new, "{what}");
        }
        self.serving = None;
        let server = self.world.device("server");
        let checked = server.kagi(&self.world.root, "serve --check --store store");
        assert_eq!(checked.code, Some(0), "{what}{}", checked.stderr);
        assert_eq!(
            common::leftovers(&self.place("store")),
            Vec::<PathBuf>::new()
        );
    }
}

#[test]
fn commands_that_ask_a_server() {
    if !is_full_scale() || !has_strace() {
        return;
    }
    let (mut kills, mut failures) = (0, 0);
    for case in &CASES {
        let mut bench = Bench::new(case);
        bench.restore();
        let old = bench.state(case);
        let calls = bench.calls(case);
        let new = bench.state(case);
        assert!(
            old != new && calls.len() > 3,
            "{}: {new:?} {calls:?}",
            case.words
        );
        for (call, at) in calls {
            let is_tried = |fault: &&Fault| {
                **fault == Fault::Kill || !NETWORK.contains(&&*call) && fault.applies(&call)
            };
            for fault in faults().iter().filter(is_tried) {
                bench.check(case, [&old, &new], &(call.clone(), at, *fault));
                kills += usize::from(*fault == Fault::Kill);
                failures += usize::from(*fault != Fault::Kill);
            }
        }
    }
    common::say(&format!(
        "assured: crash: {} commands that ask a server: {kills} calls killed, {failures} failed by {} kinds of error",
        CASES.len(),
        faults().len() - 1
    ));
}
