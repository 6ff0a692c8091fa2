//! What runs the steps of a transcript: reads them, starts a shell for each, and compares.
//! `tests/cli.rs` says what a transcript is; `tests/documents.rs` makes steps of documents.
#![allow(dead_code)] // Each of the two uses a part of it.

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
pub const DEADLINE: Duration = Duration::from_secs(30);
pub const POLL: Duration = Duration::from_millis(5);

const THREADS_MIN: usize = 2;
const THREADS_MAX: usize = 4;

pub const ANY_CHARACTERS: &str = "[..]";
pub const ANY_LINES: &str = "...";

/// The transcripts of a directory, or the one that `KAGI_TRANSCRIPT` names.
pub fn transcript_files(directory: &str) -> Vec<PathBuf> {
    let only = env::var_os("KAGI_TRANSCRIPT");
    let mut files = text_files(directory);
    files.retain(|path| {
        let names = [path.file_stem(), path.file_name()];
        only.is_none() || names.contains(&only.as_deref())
    });
    files
}

/// All files of a directory of the repository whose names end in `.txt`.
pub fn text_files(directory: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory));
    let entries = entries.expect("a directory of transcripts");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    files
}

/// A path as messages have it.
pub fn shown_name(path: &Path) -> String {
    let path = path
        .strip_prefix(env!("CARGO_MANIFEST_DIR"))
        .unwrap_or(path);
    path.to_string_lossy().into_owned()
}

/// What went wrong in all of the files.
pub fn in_parallel(files: &[PathBuf], run: impl Fn(&Path) -> Vec<String> + Sync) -> Vec<String> {
    let (next, problems) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let count = thread::available_parallelism().map_or(THREADS_MIN, usize::from);
    thread::scope(|scope| {
        for _ in 0..count.clamp(THREADS_MIN, THREADS_MAX) {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let found = run(path);
                    problems.lock().expect("no thread panics").extend(found);
                }
            });
        }
    });
    problems.into_inner().expect("no thread panics")
}

/// Runs one transcript, says so, and returns what went wrong.
pub fn run_transcript(shown: &str, transcript: Result<Transcript, String>) -> Vec<String> {
    let steps = match transcript {
        Ok(transcript) => match transcript.missing() {
            None => transcript.steps,
            Some(program) => {
                say(&format!("{shown}: skipped, it needs {program}\n"));
                return Vec::new();
            }
        },
        Err(problem) => return vec![problem],
    };
    let problems = run(shown, &steps, DEADLINE);
    let outcome = match problems.len() {
        0 => "ok".to_string(),
        count => format!("{count} mismatches"),
    };
    say(&format!("{shown}: {} commands, {outcome}\n", steps.len()));
    problems
}

pub fn run(shown: &str, steps: &[Step], deadline: Duration) -> Vec<String> {
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
pub fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

pub fn find_program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

// Reading a transcript.

#[derive(Debug, Default)]
pub struct Transcript {
    pub needs: Vec<String>,
    pub steps: Vec<Step>,
}

/// A command and what is expected of it.
#[derive(Debug, Default)]
pub struct Step {
    pub line: usize,
    pub command: String,
    pub stdin: Option<Vec<String>>,
    pub stdout: Vec<Expected>,
    pub stderr: Vec<Expected>,
    pub absent: Vec<Expected>,
    pub code: i32,
    /// Some for a command in a pseudo terminal.
    pub answers: Option<Vec<String>>,
    /// The document and line that the command is from, for messages.
    pub origin: String,
    /// Outputs of which nothing is said may be anything.
    pub is_lenient: bool,
}

#[derive(Debug)]
pub struct Expected {
    pub line: usize,
    pub text: String,
}

pub fn parse(shown: &str, text: &str) -> Result<Transcript, String> {
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
pub fn command<'a>(
    first: &str,
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
) -> Option<String> {
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
    pub fn missing(&self) -> Option<&str> {
        let pty = self.steps.iter().any(|step| step.answers.is_some());
        let needs = self.needs.iter().map(String::as_str);
        needs
            .chain(pty.then_some("python3"))
            .find(|program| find_program(program).is_none())
    }
}

impl Step {
    /// Takes a line that belongs to this command; `None` if it cannot be one.
    pub fn expect(&mut self, line: usize, mark: &str, rest: &str) -> Option<()> {
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

pub struct Outcome {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

/// The directory, environment and left-over processes of one transcript.
pub struct Session {
    pub root: PathBuf,
    pub current: PathBuf,
    /// Groups of commands that may have left something running.
    groups: Vec<u32>,
}

impl Session {
    pub fn new() -> Self {
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

    pub fn run(&mut self, step: &Step, deadline: Duration) -> Result<Outcome, String> {
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
        fs::rename(self.root.join("stdout"), self.root.join("last"))
            .map_err(|cause| format!("no output: {cause}"))?;
        Ok(Outcome {
            stdout: self.output("last"),
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

pub fn program() -> PathBuf {
    let program = env::var_os("KAGI_BIN").unwrap_or(env!("CARGO_BIN_EXE_kagi").into());
    fs::canonicalize(program).expect("the program to test")
}

/// A shell in a pseudo terminal.
pub fn terminal_shell(answers: &[String]) -> Command {
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
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub fn has_background(command: &str) -> bool {
    let rest = command
        .replace("&&", "")
        .replace(">&", "")
        .replace("<&", "");
    rest.contains('&')
}

pub fn is_running(group: u32) -> bool {
    signal("0", group)
}

pub fn kill(group: u32) {
    signal("KILL", group);
}

/// True if the group has processes.
pub fn signal(name: &str, group: u32) -> bool {
    let script = format!("kill -s {name} -- -{group} 2>&-");
    let status = Command::new("/bin/sh").args(["-c", &script]).status();
    status.is_ok_and(|status| status.success())
}

/// `None` if the child is not done by then.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
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
    pub fn compare(&self, shown: &str, outcome: &Outcome) -> Vec<String> {
        let head = |line: usize, what: &str| {
            format!(
                "{shown}:{line}: {what}{}\n    $ {}\n",
                self.origin, self.command
            )
        };
        let mut problems = Vec::new();
        let streams = [
            ("standard output", &self.stdout, &outcome.stdout),
            ("standard error", &self.stderr, &outcome.stderr),
        ];
        for (name, expected, actual) in streams {
            if self.is_lenient && expected.is_empty() {
                continue;
            }
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
pub fn difference(expected: &[Expected], actual: &[&str]) -> Option<(Option<usize>, String)> {
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

pub fn lines_match(expected: &[&str], actual: &[&str]) -> bool {
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

pub fn line_matches(expected: &str, actual: &str) -> bool {
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
