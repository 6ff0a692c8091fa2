//! The keychain of the system, by the platform's own tool: `secret-tool`, `security`, PowerShell.
//!
//! Promises: a secret goes to a tool by its standard input, never as an argument; what is put there
//! was read back before anybody counts on it; what comes back is what was put, or refused; no tool
//! is waited for longer than a person takes to type a password. Refuses to tell what a tool says
//! that was given a secret on a line of its own (`security -i`), for it may repeat the line.

use crate::crypto::hash::hash;
use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::text::HEX;
use crate::process::{self, Said};
use crate::secret::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a tool may take: a person may have to type the keychain's password first.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Bytes that a tool may say: more than an identity, a token, or either of them sealed.
const ANSWER_BYTES_MAX: usize = 48 * 1024;
/// Bytes of a line that `security -i` reads.
const LINE_BYTES_MAX: usize = 4095;
/// How `security` ends where there is no such item.
const CODE_ABSENT: i32 = 44;
/// What PowerShell has sealed, below the home.
const SEALED: &str = "keychain";

#[derive(Clone, Copy, PartialEq)]
enum System {
    SecretService,
    MacOs,
    Windows,
}

const SYSTEM: System = if cfg!(windows) {
    System::Windows
} else if cfg!(target_os = "macos") {
    System::MacOs
} else {
    System::SecretService
};

impl System {
    fn program(self) -> &'static str {
        match self {
            System::SecretService => "secret-tool",
            System::MacOs => "security",
            System::Windows => "powershell",
        }
    }
}

/// The name of an item: what it is, where on this device it belongs, and what it must hold.
pub(super) fn account(what: &str, path: &Path, secret: &Secret) -> String {
    format!("{}{}", place(what, path), HEX.encode(&hash(secret.expose())[..16]))
}

/// The part of the name that all items of one file have.
pub(super) fn place(what: &str, path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    format!("{what}-{}-", HEX.encode(&hash(path.as_os_str().as_encoded_bytes())[..8]))
}

/// True for what `account` makes: nothing that a tool, or a path, could take for something else.
pub(super) fn is_account(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_hex = |part: &str, length| part.len() == length && HEX.decode(part).is_some();
    matches!(parts.as_slice(), ["identity" | "token", place, held] if is_hex(place, 16) && is_hex(held, 32))
}

/// An item of the keychain.
pub(super) struct Item<'a> {
    /// The name that it has there.
    pub account: &'a str,
    /// The file that names it, for messages.
    pub path: &'a Path,
    /// The home that the file is in.
    pub home: &'a Path,
}

impl Item<'_> {
    /// What it holds.
    ///
    /// # Errors
    /// `NoKeychain`, `KeychainShut`, `NotInKeychain`; `Unauthentic` if it is not what was put there.
    pub fn get(&self) -> Result<Secret> {
        let said = match SYSTEM {
            System::SecretService => self.secret_tool("lookup", b"")?,
            System::MacOs => self.security("find-generic-password", &["-w"])?,
            System::Windows => {
                let sealed = disk::read_private(&self.sealed(), ANSWER_BYTES_MAX)?;
                let sealed = sealed.ok_or_else(|| self.absent())?;
                self.powershell("Unprotect", sealed.expose())?
            }
        };
        if said.code != Some(0) {
            return Err(self.why_not(&said)?);
        }
        let mut secret = Secret::from_vec(said.stdout);
        secret.trim_line_end();
        if !self.account.ends_with(&HEX.encode(&hash(secret.expose())[..16])) {
            return Err(Error::new(Kind::Unauthentic, format!("the keychain's {}", self.account)));
        }
        Ok(secret)
    }

    /// Puts `secret` there, and reads it back.
    ///
    /// # Errors
    /// As `get`; `TooLarge` for more than the tool takes; `Write`.
    pub fn put(&self, secret: &Secret) -> Result<()> {
        match SYSTEM {
            System::SecretService => {
                let said = self.secret_tool("store", secret.expose())?;
                if said.code != Some(0) {
                    return Err(self.why_not(&said)?);
                }
            }
            System::MacOs => {
                let line = security_line(self.account, secret)
                    .ok_or_else(|| Error::new(Kind::TooLarge, self.path.to_string_lossy()))?;
                // What it says is not shown; whether it did it is seen below.
                self.ask(&["-i"], line.expose())?;
            }
            System::Windows => {
                let said = self.powershell("Protect", secret.expose())?;
                if said.code != Some(0) {
                    return Err(self.why_not(&said)?);
                }
                disk::make_directories(self.home, Path::new(SEALED), Mode::Private)?;
                disk::replace(&self.sealed(), &said.stdout, Mode::Private)?;
            }
        }
        self.get().map(|_| ())
    }

    /// Takes it out; one that is not there is fine.
    ///
    /// # Errors
    /// `NoKeychain`, `KeychainShut`, `Write`.
    pub fn remove(&self) -> Result<()> {
        let said = match SYSTEM {
            System::SecretService => self.secret_tool("clear", b"")?,
            System::MacOs => self.security("delete-generic-password", &[])?,
            System::Windows => return disk::remove(&self.sealed()),
        };
        match said.code {
            Some(0) => Ok(()),
            _ => match self.why_not(&said)? {
                error if error.kind == Kind::NotInKeychain => Ok(()),
                error => Err(error),
            },
        }
    }

    fn sealed(&self) -> PathBuf {
        self.home.join(SEALED).join(self.account)
    }

    fn secret_tool(&self, verb: &str, input: &[u8]) -> Result<Said> {
        let what = self.account.split('-').next().unwrap_or_default();
        let label = format!("--label=kagi {what}");
        let mut arguments = vec![verb];
        if verb == "store" {
            arguments.push(&label);
        }
        arguments.extend(["service", "kagi", "account", self.account]);
        self.ask(&arguments, input)
    }

    fn security(&self, verb: &str, more: &[&str]) -> Result<Said> {
        let arguments = [&[verb, "-s", "kagi", "-a", self.account], more].concat();
        self.ask(&arguments, b"")
    }

    fn powershell(&self, verb: &str, input: &[u8]) -> Result<Said> {
        self.ask(&["-NoProfile", "-NonInteractive", "-Command", &script(verb)], input)
    }

    fn ask(&self, arguments: &[&str], input: &[u8]) -> Result<Said> {
        let program = SYSTEM.program();
        let said = process::ask(program, arguments, input, ANSWER_MAX, ANSWER_BYTES_MAX);
        let said = said.map_err(|error| match error.kind {
            Kind::Missing => self.fail(Kind::NoKeychain).because(format!("there is no {program}")),
            _ => self.fail(Kind::NoKeychain).because(format!("{program} {}", error.cause)),
        })?;
        said.ok_or_else(|| self.shut(&format!("{program} takes too long, or says too much")))
    }

    /// Why a tool has failed.
    fn why_not(&self, said: &Said) -> Result<Error> {
        let reason = reason(SYSTEM.program(), &said.stderr);
        match SYSTEM {
            System::MacOs if said.code == Some(CODE_ABSENT) => Ok(self.absent()),
            System::SecretService if reason.is_empty() => {
                // It says nothing of an item that it lacks, nor of one that is locked; but it lists
                // those.
                let listed = self.secret_tool("search", b"")?;
                let is_listed = !Secret::from_vec(listed.stdout).is_empty();
                Ok(match listed.code {
                    Some(0) if !is_listed => self.absent(),
                    _ => self.shut("it is locked"),
                })
            }
            _ if reason.is_empty() => Ok(self.shut(&format!("{} has failed", SYSTEM.program()))),
            _ => Ok(self.shut(&reason)),
        }
    }

    fn fail(&self, kind: Kind) -> Error {
        Error::new(kind, self.path.to_string_lossy())
    }

    fn absent(&self) -> Error {
        self.fail(Kind::NotInKeychain)
    }

    fn shut(&self, cause: &str) -> Error {
        self.fail(Kind::KeychainShut).because(cause)
    }
}

/// The first line of a tool's own among what it and its libraries complain of.
fn reason(program: &str, messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let own = |line: &str| Some(line.strip_prefix(program)?.strip_prefix(": ")?.to_string());
    text.lines().find_map(own).unwrap_or_default()
}

/// The line that makes `security -i` keep a secret; `None` for what cannot stand on one.
fn security_line(account: &str, secret: &Secret) -> Option<Secret> {
    let mut line = Secret::with_capacity(2 * secret.len() + 128);
    for part in ["add-generic-password -U -s kagi -a ", account, " -w \""] {
        line.push(part.as_bytes());
    }
    for byte in secret.expose() {
        if !matches!(byte, b' '..=b'~') {
            return None;
        }
        if matches!(byte, b'"' | b'\\') {
            line.push(b"\\");
        }
        line.push(&[*byte]);
    }
    line.push(b"\"\n");
    (line.len() <= LINE_BYTES_MAX).then_some(line)
}

/// What PowerShell does to its input, of which no part is in here: it stands between the double
/// quotes of a command line, so there may be none in it.
fn script(verb: &str) -> String {
    let (from, to) = match verb {
        "Protect" => ("[Text.Encoding]::UTF8.GetBytes($in)", "[Convert]::ToBase64String($out)"),
        _ => ("[Convert]::FromBase64String($in)", "[Text.Encoding]::UTF8.GetString($out)"),
    };
    format!(
        "$ErrorActionPreference = 'Stop'; Add-Type -AssemblyName System.Security; \
         $in = [Console]::In.ReadToEnd(); \
         $out = [Security.Cryptography.ProtectedData]::{verb}({from}, $null, 'CurrentUser'); \
         [Console]::Out.Write({to})"
    )
}
