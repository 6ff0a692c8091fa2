//! All child processes.
//!
//! Promises: no secret is ever an argument; kagi's own variables never reach the program that
//! `run` starts; an interrupt never leaves the terminal's echo off. Refuses to look up the program
//! of `run`: the caller has done so, before a variable of a scope could change where to look.

use crate::error::{Error, Kind, Result};
use crate::secret::Secret;
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// kagi's variables that hold secrets, or where they are.
const OWN_VARIABLES: [&str; 8] = [
    "KAGI_PROJECT_KEY",
    "KAGI_PROJECT_KEY_FILE",
    "KAGI_IDENTITY",
    "KAGI_IDENTITY_FILE",
    "KAGI_PROJECT_TOKEN",
    "KAGI_PROJECT_TOKEN_FILE",
    "KAGI_ADMIN_TOKEN",
    "KAGI_ADMIN_TOKEN_FILE",
];

/// What a program inherits of kagi's environment with `--clean`: on Windows, what no program starts
/// without as well.
const CLEAN_VARIABLES: &[&str] = if cfg!(windows) {
    &[
        "PATH",
        "PATHEXT",
        "COMSPEC",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "USERPROFILE",
        "HOME",
        "TERM",
        "LANG",
    ]
} else {
    &["PATH", "HOME", "TERM", "LANG"]
};

/// A program that `run` starts.
pub struct Launch<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// What it is told that it was called.
    pub program: &'a OsStr,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Variables over the inherited ones.
    pub variables: &'a [(&'a str, &'a [u8])],
    /// True if it inherits no more than `CLEAN_VARIABLES`.
    pub is_clean: bool,
}

impl Launch<'_> {
    /// Becomes the program. On Unix it returns only if that fails; elsewhere it gives back the
    /// child's exit code.
    ///
    /// # Errors
    /// `Missing` or `NotStarted` naming the program; `Unholdable` naming the largest variable if all
    /// of them together, or one, are more than the system hands over.
    pub fn replace_kagi(&self) -> Result<u8> {
        check_holdable(self.variables)?;
        replace(&mut self.command()).map_err(|cause| self.not_started(&cause))
    }

    /// Starts the program beside kagi, hands what it prints to these two, each in a thread of its own,
    /// and gives back its exit code; 128 and the signal, if one ended it. Once one of them returns, what
    /// the program prints there has no reader.
    ///
    /// # Errors
    /// As `replace_kagi`.
    pub fn with_outputs(
        &self,
        stdout: impl FnOnce(&mut dyn Read) + Send,
        stderr: impl FnOnce(&mut dyn Read) + Send,
    ) -> Result<u8> {
        check_holdable(self.variables)?;
        let mut command = self.command();
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.map_err(|cause| self.not_started(&cause))?;
        let (out, errors) = (child.stdout.take(), child.stderr.take());
        std::thread::scope(|scope| {
            scope.spawn(move || out.map(|mut out| stdout(&mut out)));
            scope.spawn(move || errors.map(|mut errors| stderr(&mut errors)));
        });
        child.wait().map(exit_code).map_err(|cause| self.not_started(&cause))
    }

    fn not_started(&self, cause: &std::io::Error) -> Error {
        not_started(self.program, self.variables, cause)
    }

    fn command(&self) -> Command {
        let mut command = without_own_variables(self.path);
        if self.is_clean {
            command.env_clear();
            let inherited =
                CLEAN_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.envs(inherited);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, self.program);
        command.args(self.arguments);
        // The last one first: std keeps them sorted, and finds the first place with one comparison.
        for (name, value) in self.variables.iter().rev() {
            command.env(name, os_str(value));
        }
        command
    }
}

fn without_own_variables(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in OWN_VARIABLES {
        command.env_remove(name);
    }
    command
}

#[cfg(unix)]
fn replace(command: &mut Command) -> std::io::Result<u8> {
    Err(std::os::unix::process::CommandExt::exec(command))
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> std::io::Result<u8> {
    command.status().map(exit_code)
}

/// Refuses what would be another value there, or another variable's: Windows takes text, and does not
/// tell upper case from lower.
fn check_holdable(variables: &[(&str, &[u8])]) -> Result<()> {
    let mut names = std::collections::BTreeSet::new();
    for (name, value) in variables.iter().filter(|_| cfg!(windows)) {
        let is_text = std::str::from_utf8(value).is_ok();
        if !is_text || !names.insert(name.to_ascii_uppercase()) {
            let cause =
                if is_text { "another key has its name in another case" } else { "it is no text" };
            return Err(Error::new(Kind::Unholdable, *name).because(cause));
        }
    }
    Ok(())
}

/// As a shell gives it.
fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None::<i32>;
    let code = status.code().or(signal.map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn not_started(program: &OsStr, variables: &[(&str, &[u8])], cause: &std::io::Error) -> Error {
    let largest = variables.iter().max_by_key(|(_, value)| value.len());
    match (cause.kind(), largest) {
        (ErrorKind::ArgumentListTooLong, Some((name, value))) => {
            let size = value.len();
            Error::new(Kind::Unholdable, *name)
                .because(format!("its {size} bytes are more than a program can be given"))
        }
        (ErrorKind::NotFound, _) => Error::new(Kind::Missing, program.to_string_lossy()),
        _ => Error::new(Kind::NotStarted, program.to_string_lossy()).because_of(cause),
    }
}

/// The bytes as the platform's string.
#[must_use]
pub fn os_string(bytes: &[u8]) -> OsString {
    os_str(bytes).into_owned()
}

#[cfg(unix)]
fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    let text: &OsStr = std::os::unix::ffi::OsStrExt::from_bytes(bytes);
    text.into()
}

#[cfg(not(unix))]
fn os_str(bytes: &[u8]) -> Cow<'_, OsStr> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_ref()),
        Cow::Owned(text) => Cow::Owned(text.into()),
    }
}

/// Settings under which Git starts no program of the repository's.
const GIT_OFF: [&str; 4] = [
    "safe.bareRepository=explicit",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "diff.external=",
];

/// Seconds that Git may take.
const GIT_SECONDS_MAX: u64 = 30;
/// Bytes of a text that Git prints.
const GIT_TEXT_BYTES_MAX: usize = 1024 * 1024;

/// Runs Git in a directory and gives back the text that it prints; as `git_bytes`, and `None` for
/// more than a megabyte or what is not UTF-8.
#[must_use]
pub fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    String::from_utf8(git_bytes(directory, arguments, GIT_TEXT_BYTES_MAX)?).ok()
}

fn git_command(arguments: &[&str]) -> Command {
    let mut command = without_own_variables("git");
    command
        .arg("--no-optional-locks")
        .args(GIT_OFF.iter().flat_map(|setting| ["-c", setting]))
        .args(arguments)
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env_remove("GIT_LITERAL_PATHSPECS")
        .env_remove("GIT_NOGLOB_PATHSPECS");
    command
}

/// Starts Git in the working directory to give the objects whose ids it is told, one a line, as they
/// are stored: no filter and no textconv. What is off for `git_bytes` is off.
///
/// # Errors
/// As `ask`.
pub fn git_objects() -> Result<(Running, impl Write + Send + 'static, impl Read)> {
    let (running, to, from, _) = spawn(git_command(&["cat-file", "--batch"]), Stdio::null())?;
    Ok((running, to, from))
}

/// Runs Git in a directory and gives back what it prints; `None` if Git is missing, fails, takes
/// longer than half a minute or prints more than `bytes_max`.
/// What a repository could use to start programs (hooks, fsmonitor, external diff, a bare
/// repository inside the checkout), to fetch what a partial clone lacks or to show one object for
/// another is off; pathspecs mean what they mean by default.
#[must_use]
pub fn git_bytes(directory: &Path, arguments: &[&str], bytes_max: usize) -> Option<Vec<u8>> {
    let mut child = git_command(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let output = read_with_deadline(&mut child, Duration::from_secs(GIT_SECONDS_MAX), bytes_max);
    if output.is_none() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait().ok()?;
    output.filter(|_| status.success())
}

fn read_with_deadline(child: &mut Child, deadline: Duration, bytes_max: usize) -> Option<Vec<u8>> {
    let stdout = child.stdout.take()?;
    within(deadline, move || read_capped(stdout, bytes_max))?
}

/// All that can be read; `None` for more than `bytes_max`.
fn read_capped(source: impl Read, bytes_max: usize) -> Option<Vec<u8>> {
    let cap = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    // So large that little output, which may be a secret, never moves.
    let mut bytes = Vec::with_capacity(bytes_max.saturating_add(2).min(PIPE_BYTES_MAX));
    source.take(cap).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= bytes_max).then_some(bytes)
}

/// What `work` gives, if it is done before the deadline; else it goes on, and nobody waits for it.
pub fn within<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (running, ended) = mpsc::channel::<()>();
    let worker = std::thread::spawn(move || {
        let _running = running;
        work()
    });
    match ended.recv_timeout(deadline) {
        Err(mpsc::RecvTimeoutError::Disconnected) => worker.join().ok(),
        _ => None,
    }
}

/// What a program has said.
pub struct Said {
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Bytes of messages that a program may print, and of input that it is given: what a pipe holds.
const PIPE_BYTES_MAX: usize = 64 * 1024;

/// Runs a program with a little input to its end; `None` if it takes longer than `deadline` or says more
/// than `bytes_max`.
///
/// # Errors
/// `Missing` or `NotStarted` naming the program.
pub fn ask(
    program: &str,
    arguments: &[&str],
    input: &[u8],
    deadline: Duration,
    bytes_max: usize,
) -> Result<Option<Said>> {
    let (mut running, mut to, from, errors) =
        spawn(with_arguments(program, arguments), Stdio::piped())?;
    // A program that reads no input says why when it ends.
    let _ = to.write_all(input);
    drop(to);
    let read = move || Some((read_capped(from, bytes_max)?, read_capped(errors?, PIPE_BYTES_MAX)?));
    let said = within(deadline, read).flatten();
    Ok(said.map(|(stdout, stderr)| Said { code: running.code(), stdout, stderr }))
}

/// Bytes of a line of a program's complaints; what is longer is cut into lines.
const COMPLAINT_BYTES_MAX: u64 = 1024;

/// Starts a program that runs beside kagi, with the ends of the pipes to it and from it. What it
/// complains of goes to `complain` line by line, not yet made safe for a terminal.
///
/// # Errors
/// As `ask`.
pub fn start(
    program: &str,
    arguments: &[&str],
    complain: fn(&str),
) -> Result<(Running, impl Write + Send + 'static, impl Read + Send + 'static)> {
    let (mut running, to, from, errors) =
        spawn(with_arguments(program, arguments), Stdio::piped())?;
    let (sender, heard_all) = mpsc::channel();
    std::thread::spawn(move || {
        if let Some(errors) = errors {
            pass_on(errors, complain);
        }
        // Nobody waits where kagi has ended first.
        let _ = sender.send(());
    });
    running.heard_all = Some(heard_all);
    Ok((running, to, from))
}

fn pass_on(errors: ChildStderr, complain: fn(&str)) {
    let (mut errors, mut line) = (BufReader::new(errors), Vec::new());
    let mut next = |line: &mut Vec<u8>| {
        line.clear();
        errors.by_ref().take(COMPLAINT_BYTES_MAX).read_until(b'\n', line)
    };
    while next(&mut line).is_ok_and(|count| count > 0) {
        complain(String::from_utf8_lossy(line.trim_ascii_end()).as_ref());
    }
}

fn with_arguments(program: &str, arguments: &[&str]) -> Command {
    let mut command = without_own_variables(program);
    command.args(arguments);
    command
}

fn spawn(
    mut command: Command,
    errors: Stdio,
) -> Result<(Running, ChildStdin, ChildStdout, Option<ChildStderr>)> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
    let failed = |cause: &std::io::Error| not_started(command.get_program(), &[], cause);
    let child = spawned.map_err(|cause| failed(&cause))?;
    let mut running = Running { child, heard_all: None };
    match (running.child.stdin.take(), running.child.stdout.take()) {
        (Some(to), Some(from)) => {
            let errors = running.child.stderr.take();
            Ok((running, to, from, errors))
        }
        _ => Err(failed(&ErrorKind::BrokenPipe.into())),
    }
}

/// A program that ends when this is dropped.
pub struct Running {
    child: Child,
    /// Says that all of its complaints were passed on.
    heard_all: Option<mpsc::Receiver<()>>,
}

impl Running {
    /// Its exit code once its pipes are closed; `None` if a signal ended it, or it does not end.
    pub fn code(&mut self) -> Option<i32> {
        const ENDING_MAX: Duration = Duration::from_secs(1);
        const COMPLAINTS_END_MAX: Duration = Duration::from_millis(200);
        let end = Instant::now() + ENDING_MAX;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => {
                    // Another program may hold its standard error open: a master connection, say.
                    let last = self.heard_all.take();
                    let _ = last.map(|last| last.recv_timeout(COMPLAINTS_END_MAX));
                    return status.code();
                }
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
                _ => return None,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.code();
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the user change a file. The editor is a command of the shell's, as for Git; it has the terminal,
/// and kagi waits. Gives back how it ended, if not well.
///
/// # Errors
/// `Missing` or `NotStarted`, for the shell.
pub fn edit(editor: &OsStr, path: &Path) -> Result<Option<String>> {
    let mut line = editor.to_os_string();
    line.push(" \"$@\"");
    let mut command = without_own_variables("sh");
    command.arg("-c").arg(line).arg(editor).arg(path);
    #[cfg(windows)]
    let mut command = in_cmd(editor, path);
    let status = command.status();
    let status = status.map_err(|cause| not_started(command.get_program(), &[], &cause))?;
    Ok((!status.success()).then(|| status.to_string()))
}

/// A command line of the user's and the path of a file, for the shell of Windows: it takes the outer quotes
/// away, and nothing else. Quotes cannot be in a path.
#[cfg(windows)]
fn in_cmd(line: &OsStr, path: &Path) -> Command {
    let mut whole = OsString::from("/d /s /c \"");
    for part in [line, " \"".as_ref(), path.as_os_str(), "\"\"".as_ref()] {
        whole.push(part);
    }
    let mut command = without_own_variables("cmd");
    std::os::windows::process::CommandExt::raw_arg(&mut command, whole);
    command
}

/// The columns of the terminal; `None` without one.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    const SIZE: [&str; 2] = ["-c", "exec stty size </dev/tty"];
    let said = ask("sh", &SIZE, b"", Duration::from_secs(1), 1024).ok()??;
    let text = String::from_utf8(said.stdout).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Turns the terminal's echo off until its standard input closes, whatever ends kagi.
const NO_ECHO: &str = "saved=$(stty -g </dev/tty) || exit 1
trap '' TTOU TSTP
trap 'stty \"$saved\" </dev/tty' EXIT
trap 'exit 130' INT TERM HUP QUIT
stty -echo </dev/tty || exit 1
echo ready
while read -r _; do :; done";

/// Reads one line from the terminal without showing it.
///
/// # Errors
/// `Read` if there is no terminal, or its echo cannot be turned off.
pub fn read_hidden_line() -> Result<Secret> {
    without_echo(read_line)
}

/// Reads lines from the terminal without showing them, until they are complete or one is empty.
///
/// # Errors
/// As `read_hidden_line`.
pub fn read_hidden_lines(is_complete: &dyn Fn(&Secret) -> bool) -> Result<Secret> {
    without_echo(|| {
        let mut text = Secret::default();
        loop {
            let line = read_line()?;
            text.push(line.expose());
            text.push(b"\n");
            if line.is_empty() || is_complete(&text) {
                return Ok(text);
            }
        }
    })
}

fn without_echo(read: impl FnOnce() -> Result<Secret>) -> Result<Secret> {
    if cfg!(windows) {
        return read();
    }
    let failed = |cause: &str| Error::new(Kind::Read, "the terminal").because(cause);
    let mut guard = Command::new("sh")
        .args(["-c", NO_ECHO])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| failed("sh is missing"))?;
    let mut ready = [0; 6];
    let is_ready = guard.stdout.as_mut().is_some_and(|out| out.read_exact(&mut ready).is_ok());
    let typed = if is_ready { read() } else { Err(failed("stty cannot turn its echo off")) };
    // Closing its input lets the guard restore the echo.
    drop(guard.stdin.take());
    let _ = guard.wait();
    typed
}

/// What reads a line on Windows, and gives it back by its standard output.
#[cfg(windows)]
const READ_HIDDEN: &str = "$ErrorActionPreference = 'Stop'; $line = Read-Host -AsSecureString; \
    $at = [Runtime.InteropServices.Marshal]::SecureStringToBSTR($line); \
    $text = [Runtime.InteropServices.Marshal]::PtrToStringBSTR($at); \
    $bytes = [Text.Encoding]::UTF8.GetBytes($text + [char]10); \
    [Console]::OpenStandardOutput().Write($bytes, 0, $bytes.Length)";

/// Nothing here has the echo of a console in its hand: PowerShell reads the line itself. In a terminal that is
/// a pipe to it, as those of Git Bash are, it would not hide it.
#[cfg(windows)]
fn read_line() -> Result<Secret> {
    let failed = |cause: &str| Error::new(Kind::Read, "the terminal").because(cause);
    if std::env::var_os("TERM").is_some() {
        return Err(failed(
            "its echo cannot be turned off; PowerShell and cmd have one that can, or --stdin",
        ));
    }
    let mut child = without_own_variables("powershell")
        .args(["-NoProfile", "-Command", READ_HIDDEN])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| failed("powershell is missing"))?;
    let typed = child.stdout.take().and_then(|out| read_capped(out, PIPE_BYTES_MAX));
    let mut line = typed.map(Secret::from_vec).unwrap_or_default();
    let is_well = child.wait().is_ok_and(|status| status.success());
    if !is_well || !line.expose().ends_with(b"\n") {
        return Err(failed("powershell does not read it"));
    }
    line.trim_line_end();
    Ok(line)
}

/// A terminal gives one line a read, and cuts a line that is longer than it can edit. The buffer
/// is larger than that of standard input, which is passed by then and keeps no copy.
#[cfg(not(windows))]
fn read_line() -> Result<Secret> {
    const TERMINAL_LINE_BYTES_MAX: usize = 4094;
    let failed = |cause: &str| Error::new(Kind::Read, "the terminal").because(cause);
    let mut line = Secret::zeroed(64 * 1024);
    let read = std::io::stdin().lock().read(line.expose_mut());
    line.truncate(read.map_err(|cause| Error::new(Kind::Read, "the terminal").because_of(&cause))?);
    if !line.expose().ends_with(b"\n") {
        return Err(failed("the line was not ended"));
    }
    line.trim_line_end();
    if line.len() >= TERMINAL_LINE_BYTES_MAX {
        return Err(failed("the line is longer than a terminal can take; --stdin takes more"));
    }
    Ok(line)
}
