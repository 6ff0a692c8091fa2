//! Runs the transcripts in `tests/cli/*.txt` against the real program.
//!
//! A transcript is a shell session as a user would see it. Each runs in a fresh directory with its
//! own home, starts in an empty `work/`, and finds `kagi` first on its `PATH`; nothing of the
//! environment of whoever runs the tests gets in.
//!
//! ```text
//! # a comment
//! %needs git              at the top: skip this file where that program is missing
//! $ kagi get nosuch       a command for `sh -c`; its standard input is /dev/null
//! < text                  a line of its standard input
//! > text                  a line of its standard output
//! ! text                  a line of its standard error
//! ? 1                     its exit code, 0 if not given
//! ~ hunter2               text that neither output may hold
//! %pty y                  run it in a pseudo terminal; type this at its next prompt
//! ```
//!
//! `[..]` in an expected line stands for any characters; the line `> ...` stands for any lines.
//! Outputs are compared in full, but for a newline at the very end. A `\` at the end of a command
//! continues it on the next line, which begins with two spaces. The directory and the exported
//! variables of one command are those of the next. What a command leaves running is killed at the
//! end of the file.
//!
//! A prompt is output that ends in `[y/N] ` or `: ` and waits. `%pty` can be repeated; it can stand
//! alone for a command that asks nothing; `%pty ^M`, `%pty ^C` and `%pty ^D` are those keys (Enter
//! alone, interrupt, end). In a terminal the two outputs are one, with what was typed and shown in
//! it, and the `>` lines say what it is.
//!
//! `KAGI_BIN` names another program to test, `KAGI_TRANSCRIPT` one file to run.
#![cfg(unix)]

use std::env;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A command that takes longer is killed, and its transcript ends there.
const DEADLINE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(5);
const THREADS_MIN: usize = 2;
const THREADS_MAX: usize = 4;

/// Documents whose commands are looked up.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "docs/CHANGELOG.md",
    "docs/SECURITY.md",
    "docs/SERVER.md",
    "docs/agent-skill/SKILL.md",
    "docs/deploy/kagi.service",
];

const ANY_CHARACTERS: &str = "[..]";
const ANY_LINES: &str = "...";

#[test]
fn transcripts() {
    let files = transcript_files();
    assert!(!files.is_empty(), "no transcript of that name in tests/cli");
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let count = thread::available_parallelism().map_or(THREADS_MIN, usize::from);
    thread::scope(|scope| {
        for _ in 0..count.clamp(THREADS_MIN, THREADS_MAX) {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = run_file(path);
                    problems.lock().expect("no thread panics").extend(found);
                }
            });
        }
    });
    let problems = problems.into_inner().expect("no thread panics");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Every command that a document names is there, with each flag that it is given.
#[test]
fn documents_name_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut count, mut problems) = (0, Vec::new());
    for name in DOCUMENTS {
        let mut text = fs::read_to_string(root.join(name)).expect("a document");
        if Path::new(name).extension().is_none_or(|end| end != "md") {
            text = format!("```\n{}", text.replace("ExecStart=/usr/local/bin/", ""));
        }
        for command in named_commands(&text) {
            count += 1;
            if let Some(problem) = unknown(&command) {
                problems.push(format!("{name}: kagi {command}: {problem}"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(count > 100, "only {count} commands were found");
    assert!(unknown("serve --nosuch").is_some() && unknown("nosuch").is_some());
}

/// What follows `kagi ` in inline code and at the begin of a line or pipe of a block, up to what is the
/// shell's.
fn named_commands(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for (at, part) in text.split("```").enumerate() {
        let lines: Vec<String> = match at % 2 {
            0 => part
                .replace('\n', " ")
                .split('`')
                .skip(1)
                .step_by(2)
                .map(String::from)
                .collect(),
            _ => part
                .lines()
                .flat_map(|line| line.split(" | "))
                .map(String::from)
                .collect(),
        };
        commands.extend(lines.iter().filter_map(|line| {
            let line = line.trim().strip_prefix("# ").unwrap_or(line).trim();
            let rest = line.strip_prefix("kagi ")?;
            let end = [" #", " >", " <", " &&", "\"", " -- "]
                .iter()
                .filter_map(|end| rest.find(end))
                .min();
            Some(rest[..end.unwrap_or(rest.len())].to_string())
        }));
    }
    commands
}

fn unknown(command: &str) -> Option<String> {
    let words: Vec<_> = command.split_whitespace().collect();
    let is_word = |word: &&&str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    let names: Vec<_> = words
        .iter()
        .take(2)
        .take_while(is_word)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let page = (1..=names.len()).rev().find_map(|count| {
        let shown = Command::new(program())
            .args(&names[..count])
            .arg("--help")
            .output()
            .ok()?;
        shown
            .status
            .success()
            .then(|| String::from_utf8_lossy(&shown.stdout).into_owned())
    });
    let Some(page) = page else {
        // `kagi COMMAND --help`, or what is no command at all.
        return (!words.first()?.bytes().all(|byte| byte.is_ascii_uppercase()))
            .then(|| "no such command".to_string());
    };
    let flags = words
        .iter()
        .filter(|word| word.len() > 1 && word.starts_with('-') && **word != "--");
    let mut flags = flags.map(|word| word.split('=').next().unwrap_or(word));
    let missing = flags.find(|flag| {
        !page
            .split([' ', ',', '[', '='])
            .any(|word| word.trim() == *flag)
    })?;
    Some(format!("no flag {missing}"))
}

fn transcript_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let only = env::var_os("KAGI_TRANSCRIPT");
    let is_wanted = |path: &PathBuf| {
        let names = [path.file_stem(), path.file_name()];
        path.extension().is_some_and(|end| end == "txt")
            && (only.is_none() || names.contains(&only.as_deref()))
    };
    let entries = fs::read_dir(directory).expect("tests/cli can be read");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("tests/cli can be read").path())
        .filter(is_wanted)
        .collect();
    files.sort();
    files
}

/// Runs one file, says so, and returns what went wrong.
fn run_file(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let shown = format!("tests/cli/{name}");
    let text = fs::read_to_string(path).expect("a transcript can be read");
    let steps = match parse(&shown, &text) {
        Ok(transcript) => match transcript.missing() {
            None => transcript.steps,
            Some(program) => {
                say(&format!("{shown}: skipped, it needs {program}\n"));
                return Vec::new();
            }
        },
        Err(problem) => return vec![problem],
    };
    let problems = run(&shown, &steps, DEADLINE);
    let outcome = match problems.len() {
        0 => "ok".to_string(),
        count => format!("{count} mismatches"),
    };
    say(&format!("{shown}: {} commands, {outcome}\n", steps.len()));
    problems
}

fn run(shown: &str, steps: &[Step], deadline: Duration) -> Vec<String> {
    let mut session = Session::new();
    let mut problems = Vec::new();
    for step in steps {
        match session.run(step, deadline) {
            Ok(outcome) => problems.extend(step.compare(shown, &outcome)),
            Err(cause) => {
                problems.push(format!("{shown}:{}: {cause}\n", step.line));
                break;
            }
        }
    }
    problems
}

/// Prints past the test harness, which swallows `println!` of a test that passes.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

// Reading a transcript.

#[derive(Debug, Default)]
struct Transcript {
    needs: Vec<String>,
    steps: Vec<Step>,
}

/// A command and what is expected of it.
#[derive(Debug, Default)]
struct Step {
    line: usize,
    command: String,
    stdin: Option<Vec<String>>,
    stdout: Vec<Expected>,
    stderr: Vec<Expected>,
    absent: Vec<Expected>,
    code: i32,
    /// Some for a command in a pseudo terminal.
    answers: Option<Vec<String>>,
}

#[derive(Debug)]
struct Expected {
    line: usize,
    text: String,
}

fn parse(shown: &str, text: &str) -> Result<Transcript, String> {
    let mut transcript = Transcript::default();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = index + 1;
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let taken = match mark {
            "$" => command(rest, &mut lines).map(|command| {
                transcript.steps.push(Step {
                    line: at,
                    command,
                    ..Step::default()
                });
            }),
            "%needs" if transcript.steps.is_empty() => {
                transcript.needs.push(rest.to_string());
                Some(())
            }
            _ => {
                let step = transcript.steps.last_mut();
                step.and_then(|step| step.expect(at, mark, rest))
            }
        };
        taken.ok_or_else(|| format!("{shown}:{at}: not a line of a transcript: {line}\n"))?;
    }
    Ok(transcript)
}

/// The whole command; `None` if it is empty or its continuation is not indented.
fn command<'a>(first: &str, lines: &mut impl Iterator<Item = (usize, &'a str)>) -> Option<String> {
    let mut command = first.to_string();
    while command.ends_with('\\') {
        let (_, next) = lines.next().filter(|(_, next)| next.starts_with("  "))?;
        command.push('\n');
        command.push_str(next);
    }
    (!command.trim().is_empty()).then_some(command)
}

impl Transcript {
    /// The first program that this transcript needs and that is not there.
    fn missing(&self) -> Option<&str> {
        let pty = self.steps.iter().any(|step| step.answers.is_some());
        let needs = self.needs.iter().map(String::as_str);
        needs
            .chain(pty.then_some("python3"))
            .find(|program| find_program(program).is_none())
    }
}

impl Step {
    /// Takes a line that belongs to this command; `None` if it cannot be one.
    fn expect(&mut self, line: usize, mark: &str, rest: &str) -> Option<()> {
        let text = rest.to_string();
        match mark {
            "<" => self.stdin.get_or_insert_default().push(text),
            ">" => self.stdout.push(Expected { line, text }),
            "!" => self.stderr.push(Expected { line, text }),
            "~" if !text.is_empty() => self.absent.push(Expected { line, text }),
            "?" => self.code = text.parse().ok()?,
            "%pty" => {
                let answer = (!text.is_empty()).then_some(text);
                self.answers.get_or_insert_default().extend(answer);
            }
            _ => return None,
        }
        let is_both = self.answers.is_some() && (self.stdin.is_some() || !self.stderr.is_empty());
        (!is_both).then_some(())
    }
}

// Running it.

struct Outcome {
    stdout: String,
    stderr: String,
    code: i32,
}

/// The directory, environment and left-over processes of one transcript.
struct Session {
    root: PathBuf,
    current: PathBuf,
    /// Groups of commands that may have left something running.
    groups: Vec<u32>,
}

impl Session {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let parent = env::temp_dir()
            .canonicalize()
            .expect("a temporary directory");
        let root = parent.join(format!("kagi-cli-{}-{count}", std::process::id()));
        let session = Session {
            current: root.join("work"),
            root,
            groups: Vec::new(),
        };
        for directory in ["", "work", "home", "bin"] {
            let directory = session.root.join(directory);
            let made = DirBuilder::new().mode(0o700).create(&directory);
            made.expect("a fresh directory");
        }
        symlink(program(), session.root.join("bin/kagi")).expect("a link to the program");
        fs::write(session.root.join("state"), session.exports()).expect("a file");
        session
    }

    /// The first environment, as lines for the shell.
    fn exports(&self) -> String {
        let root = self.root.display();
        let path = env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", format!("{root}/bin:{path}")),
            ("HOME", format!("{root}/home")),
            ("KAGI_HOME", format!("{root}/home/kagi-home")),
            ("KAGI_DISABLE_KEYRING", "1".into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("TERM", "dumb".into()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".into()),
            ("GIT_CONFIG_SYSTEM", "/dev/null".into()),
            ("GIT_AUTHOR_NAME", "Ada".into()),
            ("GIT_AUTHOR_EMAIL", "ada@example.org".into()),
            ("GIT_AUTHOR_DATE", "2026-01-02T03:04:05Z".into()),
            ("GIT_COMMITTER_NAME", "Ada".into()),
            ("GIT_COMMITTER_EMAIL", "ada@example.org".into()),
            ("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z".into()),
        ];
        variables
            .iter()
            .fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "export {name}={}", quoted(value));
                text
            })
    }

    fn run(&mut self, step: &Step, deadline: Duration) -> Result<Outcome, String> {
        let started = self.start(step);
        let mut child = started.map_err(|cause| format!("it does not start: {cause}"))?;
        let group = child.id();
        let Some(status) = wait(&mut child, deadline) else {
            kill(group);
            let _ = child.wait();
            return Err(format!("no end after {} seconds", deadline.as_secs()));
        };
        if has_background(&step.command) && is_running(group) {
            self.groups.push(group);
        }
        if let Ok(current) = fs::read_to_string(self.root.join("current")) {
            self.current = current.trim_end_matches('\n').into();
        }
        Ok(Outcome {
            stdout: self.output("stdout"),
            stderr: self.output("stderr"),
            code: status
                .code()
                .or(status.signal().map(|n| 128 + n))
                .unwrap_or(-1),
        })
    }

    /// Outputs go to files, so that nothing that a command leaves running can hold them open.
    fn start(&self, step: &Step) -> io::Result<Child> {
        let mut input = PathBuf::from("/dev/null");
        if let Some(lines) = &step.stdin {
            input = self.root.join("stdin");
            fs::write(&input, lines.join("\n") + "\n")?;
        }
        let mut command = match &step.answers {
            None => Command::new("/bin/sh"),
            Some(answers) => terminal_shell(answers),
        };
        command
            .args(["-c", &self.script(&step.command)])
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .current_dir(&self.current)
            .stdin(File::open(input)?)
            .stdout(File::create(self.root.join("stdout"))?)
            .stderr(File::create(self.root.join("stderr"))?)
            .process_group(0)
            .spawn()
    }

    /// The command between reading and writing the state that it shares with the others.
    fn script(&self, command: &str) -> String {
        let state = quoted(&self.root.join("state").to_string_lossy());
        let current = quoted(&self.root.join("current").to_string_lossy());
        format!(
            ". {state}; {command}\nset -- $?; export -p >{state}; pwd >{current}; exit \"$1\"\n"
        )
    }

    fn output(&self, name: &str) -> String {
        let bytes = fs::read(self.root.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for group in &self.groups {
            kill(*group);
        }
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn program() -> PathBuf {
    let program = env::var_os("KAGI_BIN").unwrap_or(env!("CARGO_BIN_EXE_kagi").into());
    fs::canonicalize(program).expect("the program to test")
}

/// A shell in a pseudo terminal.
fn terminal_shell(answers: &[String]) -> Command {
    let mut command = Command::new(find_program("python3").unwrap_or_default());
    command
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pty.py"))
        .arg(answers.len().to_string())
        .args(answers)
        .arg("/bin/sh");
    command
}

/// One word for the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn has_background(command: &str) -> bool {
    let rest = command
        .replace("&&", "")
        .replace(">&", "")
        .replace("<&", "");
    rest.contains('&')
}

fn is_running(group: u32) -> bool {
    signal("0", group)
}

fn kill(group: u32) {
    signal("KILL", group);
}

/// True if the group has processes.
fn signal(name: &str, group: u32) -> bool {
    let script = format!("kill -s {name} -- -{group} 2>&-");
    let status = Command::new("/bin/sh").args(["-c", &script]).status();
    status.is_ok_and(|status| status.success())
}

/// `None` if the child is not done by then.
fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        let status = child.try_wait().expect("a child of this process");
        if status.is_some() || Instant::now() >= end {
            return status;
        }
        thread::sleep(POLL);
    }
}

// Comparing.

impl Step {
    fn compare(&self, shown: &str, outcome: &Outcome) -> Vec<String> {
        let head =
            |line: usize, what: &str| format!("{shown}:{line}: {what}\n    $ {}\n", self.command);
        let mut problems = Vec::new();
        let streams = [
            ("standard output", &self.stdout, &outcome.stdout),
            ("standard error", &self.stderr, &outcome.stderr),
        ];
        for (name, expected, actual) in streams {
            let actual: Vec<_> = actual.lines().collect();
            if let Some((line, diff)) = difference(expected, &actual) {
                let line = line.unwrap_or(self.line);
                problems.push(head(line, &format!("{name} differs")) + &diff);
            }
        }
        if outcome.code != self.code {
            let what = format!("exit code {}, not {}", outcome.code, self.code);
            problems.push(head(self.line, &what));
        }
        for Expected { line, text } in &self.absent {
            if outcome.stdout.contains(text) || outcome.stderr.contains(text) {
                problems.push(head(*line, "text that must not appear"));
            }
        }
        problems
    }
}

/// The transcript's line where the two part, and both from there until they agree again.
fn difference(expected: &[Expected], actual: &[&str]) -> Option<(Option<usize>, String)> {
    let texts: Vec<_> = expected.iter().map(|one| one.text.as_str()).collect();
    if lines_match(&texts, actual) {
        return None;
    }
    let agree = |(left, right): &(&&str, &&str)| **left != ANY_LINES && line_matches(left, right);
    let head = texts.iter().zip(actual).take_while(agree).count();
    let (texts, actual) = (&texts[head..], &actual[head..]);
    let backwards = texts.iter().rev().zip(actual.iter().rev());
    let tail = backwards.take_while(agree).count();
    let mut diff = String::new();
    for line in &texts[..texts.len() - tail] {
        let _ = writeln!(diff, "    - {line}");
    }
    for line in &actual[..actual.len() - tail] {
        let _ = writeln!(diff, "    + {line}");
    }
    Some((expected.get(head).map(|one| one.line), diff))
}

fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&ANY_LINES, rest)) => {
            (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..]))
        }
        Some((first, rest)) => actual
            .split_first()
            .is_some_and(|(line, more)| line_matches(first, line) && lines_match(rest, more)),
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let Some((first, rest)) = expected.split_once(ANY_CHARACTERS) else {
        return expected == actual;
    };
    let Some(actual) = actual.strip_prefix(first) else {
        return false;
    };
    let starts = (0..=actual.len()).filter(|at| actual.is_char_boundary(*at));
    starts
        .into_iter()
        .any(|at| line_matches(rest, &actual[at..]))
}

mod tests {
    use super::*;

    #[test]
    fn lines_match_as_written() {
        let same = [
            ("", ""),
            ("a", "a"),
            ("[..]", ""),
            ("[..]", "a b"),
            ("a[..]", "a"),
            ("[..]c", "abc"),
            ("a[..]b[..]c", "a-b--b-c"),
            ("[..]é[..]", "éé"),
            ("[y/N] [..]", "[y/N] y"),
        ];
        let different = [
            ("a", "a "),
            ("a", ""),
            ("", "a"),
            ("a[..]", "ba"),
            ("[..]a", "ab"),
            ("a[..]a", "a"),
            ("a[..]b[..]c", "a-c-b"),
            ("a.c", "abc"),
        ];
        for (expected, actual) in same {
            assert!(line_matches(expected, actual), "{expected:?} {actual:?}");
        }
        for (expected, actual) in different {
            assert!(!line_matches(expected, actual), "{expected:?} {actual:?}");
        }
    }

    #[test]
    fn dots_match_any_lines() {
        let actual = ["a", "b", "c"];
        for expected in [
            &["a", "b", "c"][..],
            &["..."],
            &["a", "..."],
            &["...", "c"],
            &["...", "a", "...", "b", "c", "..."],
        ] {
            assert!(lines_match(expected, &actual), "{expected:?}");
        }
        for expected in [&[][..], &["a", "b"], &["...", "b"], &["...", "c", "b"]] {
            assert!(!lines_match(expected, &actual), "{expected:?}");
        }
        assert!(lines_match(&["..."], &[]));
        assert!(!lines_match(&["a"], &[]));
    }

    #[test]
    fn a_difference_shows_only_what_differs() {
        let expected = |texts: &[&str]| -> Vec<Expected> {
            let lines = texts.iter().enumerate();
            lines
                .map(|(at, text)| Expected {
                    line: 10 + at,
                    text: (*text).into(),
                })
                .collect()
        };
        let (line, diff) = difference(&expected(&["a", "b", "d"]), &["a", "c", "d"]).unwrap();
        assert_eq!((line, diff.as_str()), (Some(11), "    - b\n    + c\n"));
        let (line, diff) = difference(&expected(&["a"]), &["a", "a"]).unwrap();
        assert_eq!((line, diff.as_str()), (None, "    + a\n"));
        assert!(difference(&expected(&["a", "..."]), &["a", "b"]).is_none());
    }

    /// The first lines of the problems of a transcript.
    fn problems(text: &str) -> Vec<String> {
        let problems = match parse("t", text) {
            Ok(transcript) => run("t", &transcript.steps, Duration::from_secs(5)),
            Err(problem) => vec![problem],
        };
        let first = |problem: &String| problem.lines().next().unwrap_or("").to_string();
        problems.iter().map(first).collect()
    }

    #[test]
    fn each_kind_of_mismatch_is_reported_at_its_line() {
        for (text, expected) in [
            ("$ echo a\n> b\n", "t:2: standard output differs"),
            ("$ echo a\n", "t:1: standard output differs"),
            ("$ true\n> a\n", "t:2: standard output differs"),
            ("\n$ echo a >&2\n! b\n", "t:3: standard error differs"),
            ("$ exit 3\n? 4\n", "t:1: exit code 3, not 4"),
            ("$ kill -9 $$\n", "t:1: exit code 137, not 0"),
            (
                "$ echo ab\n> ab\n~ x\n~ b\n",
                "t:4: text that must not appear",
            ),
            (
                "$ echo ab >&2\n! ab\n~ ab\n",
                "t:3: text that must not appear",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
        assert_eq!(problems("$ echo a; exit 1\n$ true\n> b\n").len(), 3);
    }

    #[test]
    fn what_is_no_transcript_is_refused() {
        for text in [
            "> a\n",
            "$\n",
            "a\n",
            "$ true\n>a\n",
            "$ true\n? x\n",
            "$ true\n~\n",
            "$ echo \\\nb\n",
            "$ true\n%needs git\n",
            "$ true\n%pty a\n< b\n",
            "$ true\n%pty a\n! b\n",
        ] {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains("not a line of a transcript"), "{text}");
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let missing = |text: &str| parse("t", text).unwrap().missing().map(String::from);
        assert_eq!(
            missing("%needs sh\n%needs no-such-program\n").unwrap(),
            "no-such-program"
        );
        assert_eq!(missing("%needs sh\n$ true\n"), None);
        assert_eq!(
            missing("$ a\n%pty b\n").is_none(),
            find_program("python3").is_some()
        );
    }

    #[test]
    fn a_conversation_must_go_as_written() {
        if find_program("python3").is_none() {
            return say("cli: pseudo terminals are not tested, they need python3\n");
        }
        let ask = "$ printf 'a: '; read -r a; echo \"$a\"\n%pty b\n";
        assert_eq!(problems(&format!("{ask}> a: b\n> b\n")), [""; 0]);
        let left_over = format!("{ask}%pty c\n> a: b\n> b\n");
        let expected = ["t:1: standard error differs", "t:1: exit code 125, not 0"];
        assert_eq!(problems(&left_over), expected);
        assert_eq!(
            problems("$ tty >&2\n%pty\n> no\n"),
            ["t:3: standard output differs"]
        );
        assert_eq!(problems("$ exit 7\n%pty\n"), ["t:1: exit code 7, not 0"]);
    }

    #[test]
    fn a_command_without_end_is_killed() {
        let steps = parse("t", "$ sleep 60\n$ true\n> x\n").unwrap().steps;
        let found = run("t", &steps, Duration::from_millis(100));
        assert_eq!(found, ["t:1: no end after 0 seconds\n"]);
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut session = Session::new();
        let text = "$ echo $$ >group; sleep 60 & echo $! >pid";
        let steps = parse("t", text).unwrap().steps;
        session.run(&steps[0], DEADLINE).unwrap();
        let pid = fs::read_to_string(session.root.join("work/pid")).unwrap();
        let is_alive = || {
            let mut kill = Command::new("/bin/sh");
            kill.args(["-c", &format!("kill -0 {} 2>&-", pid.trim())]);
            kill.status().unwrap().success()
        };
        assert!(is_alive());
        let root = session.root.clone();
        drop(session);
        assert!(!root.exists());
        let end = Instant::now() + DEADLINE;
        while is_alive() {
            assert!(Instant::now() < end, "the process is still there");
            thread::sleep(POLL);
        }
    }
}
