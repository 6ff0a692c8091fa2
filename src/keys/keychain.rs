//! The keychain of the system, by the platform's own tool: `secret-tool`, `security`, PowerShell.
//!
//! Promises: a secret goes to a tool by its standard input, never as an argument; what is put there
//! was read back before anybody counts on it; what comes back is what was put, or refused; no tool
//! is waited for longer than a person takes to type a password. Refuses to tell what `security -i`
//! says, for it may repeat the line with the secret.

use crate::crypto::hash::hash;
use crate::disk::{self, Mode};
use crate::error::{Error, Kind, Result};
use crate::format::text::HEX;
use crate::process::{self, Said};
use crate::secret::Secret;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECRET_TOOL: &str = "secret-tool";
const SECURITY: &str = "security";
/// What is asked on this system.
const TOOL: &str = if cfg!(windows) {
    "powershell"
} else if cfg!(target_os = "macos") {
    SECURITY
} else {
    SECRET_TOOL
};
/// What a tool may take: a person may have to type the keychain's password first.
const ANSWER_MAX: Duration = Duration::from_secs(120);
/// Bytes that a tool may say: more than an identity, a token, or either of them sealed.
const ANSWER_BYTES_MAX: usize = 48 * 1024;
/// Bytes of a line that `security -i` reads.
const LINE_BYTES_MAX: usize = 4095;
/// How `security` ends where there is no such item.
const CODE_ABSENT: i32 = 44;
/// Below the home: what PowerShell has sealed.
const SEALED: &str = "keychain";

/// The name of an item: what it is, the file on this device that it belongs to, what it holds.
pub(super) fn account(what: &str, path: &Path, secret: &Secret) -> String {
    account_of_any(what, path) + &tag(secret)
}

/// What the names of all items of one file begin with.
pub(super) fn account_of_any(what: &str, path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    format!("{what}-{}-", HEX.encode(&hash(path.as_os_str().as_encoded_bytes())[..8]))
}

fn tag(secret: &Secret) -> String {
    HEX.encode(&hash(secret.expose())[..16])
}

/// True for what `account` makes: nothing that a tool, or a path, could take for something else.
pub(super) fn is_account(text: &str) -> bool {
    let is_hex = |part: &str, bytes| HEX.decode(part).is_some_and(|part| part.len() == bytes);
    let parts: Vec<_> = text.split('-').collect();
    matches!(parts.as_slice(), ["identity" | "token", at, tag] if is_hex(at, 8) && is_hex(tag, 16))
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
        let mut secret = match TOOL {
            SECRET_TOOL => self.secret_tool(&["lookup"], b"")?,
            SECURITY => self.security("find-generic-password", &["-w"])?,
            _ => {
                let sealed = disk::read_private(&self.sealed(), ANSWER_BYTES_MAX)?;
                let sealed = sealed.ok_or_else(|| self.fail(Kind::NotInKeychain, ""))?;
                self.powershell("Unprotect", &sealed)?
            }
        };
        secret.trim_line_end();
        if self.account.ends_with(&tag(&secret)) {
            return Ok(secret);
        }
        Err(Error::new(Kind::Unauthentic, format!("{} in the keychain", self.account)))
    }

    /// Puts `secret` there, and reads it back.
    ///
    /// # Errors
    /// As `get`; `TooLarge` for more than the tool takes; `Write`.
    pub fn put(&self, secret: &Secret) -> Result<()> {
        match TOOL {
            SECRET_TOOL => {
                let what = self.account.split('-').next().unwrap_or_default();
                let label = format!("--label=kagi {what}");
                self.secret_tool(&["store", &label], secret.expose())?;
            }
            SECURITY => {
                let line = security_line(self.account, secret);
                let line = line.ok_or_else(|| self.fail(Kind::TooLarge, "for security -i"))?;
                // It may end well without having done it, and the reverse: what is there counts.
                let _ = self.ask(&["-i"], line.expose());
            }
            _ => {
                let sealed = self.powershell("Protect", secret)?;
                disk::make_directories(self.home, Path::new(SEALED), Mode::Private)?;
                disk::replace(&self.sealed(), sealed.expose(), Mode::Private)?;
            }
        }
        self.get().map(|_| ())
    }

    /// Takes it out; one that is not there is fine.
    ///
    /// # Errors
    /// `NoKeychain`, `KeychainShut`, `Write`.
    pub fn remove(&self) -> Result<()> {
        let removed = match TOOL {
            SECRET_TOOL => self.secret_tool(&["clear"], b""),
            SECURITY => self.security("delete-generic-password", &[]),
            _ => return disk::remove_for_good(&self.sealed()),
        };
        match removed {
            Err(error) if error.kind != Kind::NotInKeychain => Err(error),
            _ => Ok(()),
        }
    }

    fn sealed(&self) -> PathBuf {
        self.home.join(SEALED).join(self.account)
    }

    fn secret_tool(&self, verb: &[&str], input: &[u8]) -> Result<Secret> {
        self.ask(&[verb, &["service", "kagi", "account", self.account]].concat(), input)
    }

    fn security(&self, verb: &str, more: &[&str]) -> Result<Secret> {
        self.ask(&[&[verb, "-s", "kagi", "-a", self.account], more].concat(), b"")
    }

    fn powershell(&self, verb: &str, input: &Secret) -> Result<Secret> {
        self.ask(&["-NoProfile", "-NonInteractive", "-Command", &script(verb)], input.expose())
    }

    fn ask(&self, arguments: &[&str], input: &[u8]) -> Result<Secret> {
        let said = process::ask(TOOL, arguments, input, ANSWER_MAX, ANSWER_BYTES_MAX);
        let said = said.map_err(|error| {
            let cause = if error.kind == Kind::Missing { "is missing" } else { &error.cause };
            self.fail(Kind::NoKeychain, &format!("{TOOL} {cause}"))
        })?;
        match said {
            None => Err(self.shut(&format!("{TOOL} takes too long, or says too much"))),
            Some(said) if said.code == Some(0) => Ok(Secret::from_vec(said.stdout)),
            Some(said) => Err(self.why_not(arguments, &said)),
        }
    }

    fn why_not(&self, arguments: &[&str], said: &Said) -> Error {
        let reason = reason(TOOL, &said.stderr);
        if TOOL == SECURITY && said.code == Some(CODE_ABSENT) {
            return self.fail(Kind::NotInKeychain, "");
        }
        if TOOL == SECRET_TOOL && reason.is_empty() && arguments[0] != "search" {
            // It says nothing of an item that it lacks, nor of one that is locked: but it lists those.
            return match self.secret_tool(&["search"], b"") {
                Ok(list) if list.is_empty() => self.fail(Kind::NotInKeychain, ""),
                Ok(_) => self.shut("it is locked"),
                Err(error) => error,
            };
        }
        self.shut(if reason.is_empty() { "it does not say why" } else { &reason })
    }

    fn shut(&self, cause: &str) -> Error {
        self.fail(Kind::KeychainShut, cause)
    }

    fn fail(&self, kind: Kind, cause: &str) -> Error {
        Error::new(kind, self.path.to_string_lossy()).because(cause)
    }
}

/// The first line of a tool's own among what it and its libraries complain of.
fn reason(tool: &str, messages: &[u8]) -> String {
    let text = String::from_utf8_lossy(messages);
    let own = |line: &str| Some(line.strip_prefix(tool)?.strip_prefix(": ")?.to_string());
    text.lines().find_map(own).unwrap_or_default()
}

/// The line that makes `security -i` keep a secret; `None` for what it cannot read.
fn security_line(account: &str, secret: &Secret) -> Option<Secret> {
    let mut line = Secret::with_capacity(2 * secret.len() + 128);
    for part in ["add-generic-password -U -s kagi -a ", account, " -w \""] {
        line.push(part.as_bytes());
    }
    for byte in secret.expose() {
        match byte {
            b'"' | b'\\' => line.push(&[b'\\', *byte]),
            b' '..=b'~' => line.push(&[*byte]),
            _ => return None,
        }
    }
    line.push(b"\"\n");
    (line.len() <= LINE_BYTES_MAX).then_some(line)
}

/// What PowerShell does to its input, none of which is in here. It stands between the double quotes
/// of a command line, so there may be none in it.
fn script(verb: &str) -> String {
    let (from, to) = match verb {
        "Protect" => ("[Text.Encoding]::UTF8.GetBytes($text)", "[Convert]::ToBase64String($done)"),
        _ => ("[Convert]::FromBase64String($text)", "[Text.Encoding]::UTF8.GetString($done)"),
    };
    format!(
        "$ErrorActionPreference = 'Stop'; Add-Type -AssemblyName System.Security; \
         $text = [Console]::In.ReadToEnd(); \
         $done = [Security.Cryptography.ProtectedData]::{verb}({from}, $null, 'CurrentUser'); \
         [Console]::Out.Write({to})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "token-0123456789abcdef-0123456789abcdef0123456789abcdef";

    fn line(secret: &[u8]) -> Option<String> {
        let line = security_line("token-a-b", &Secret::copy_of(secret))?;
        Some(String::from_utf8_lossy(line.expose()).into_owned())
    }

    #[test]
    fn a_secret_ends_neither_its_quotes_nor_its_line() {
        let start = "add-generic-password -U -s kagi -a token-a-b -w ";
        assert_eq!(line(b"a'b c"), Some(format!("{start}\"a'b c\"\n")));
        assert_eq!(line(b"a\" -a x\\"), Some(format!("{start}\"a\\\" -a x\\\\\"\n")));
        for bad in [&b"a\nb"[..], b"a\rb", b"a\0b", b"\x1b", b"\x7f", "é".as_bytes()] {
            assert_eq!(line(bad), None, "{bad:?}");
        }
        let around = start.len() + 3;
        let longest = vec![b'a'; LINE_BYTES_MAX - around];
        assert_eq!(line(&longest).map(|line| line.len()), Some(LINE_BYTES_MAX));
        assert_eq!(line(&[longest, b"a".to_vec()].concat()), None);
    }

    #[test]
    fn a_script_has_nothing_that_a_command_line_would_take_for_its_own() {
        for (verb, from) in [("Protect", "GetBytes"), ("Unprotect", "FromBase64String")] {
            let script = script(verb);
            assert!(script.contains(&format!("::{verb}(")) && script.contains(from), "{script}");
            let is_harmless = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\%^`".contains(&byte);
            assert!(script.bytes().all(is_harmless), "{script}");
        }
    }

    #[test]
    fn only_names_of_kagis_own_are_asked_for() {
        assert!(is_account(ACCOUNT));
        let made = account("identity", Path::new("/a/identity.json"), &Secret::copy_of(b"x"));
        assert!(is_account(&made), "{made}");
        let at_another = account("identity", Path::new("/b/identity.json"), &Secret::copy_of(b"x"));
        assert_ne!(made, at_another);
        for bad in [
            "",
            "token",
            "../../token",
            "login-0123456789abcdef-0123456789abcdef0123456789abcdef",
            "token-0123456789ABCDEF-0123456789abcdef0123456789abcdef",
            "token-0123456789abcde-0123456789abcdef0123456789abcdef",
            "token-0123456789abcdef-0123456789abcdef0123456789abcdef-",
            "token-0123456789abcdef-0123456789abcdef0123456789abcd/.",
            "token-0123456789abcdef-0123456789abcdef0123456789abcdef\n",
        ] {
            assert!(!is_account(bad), "{bad}");
        }
    }

    #[test]
    fn a_reason_is_the_tools_own() {
        let noise =
            b"\n(gcr-prompter:1): Gtk-WARNING **: cannot open display\nsecret-tool: No bus\n";
        assert_eq!(reason("secret-tool", noise), "No bus");
        assert_eq!(reason("secret-tool", b"secret-tools: x\nsecret-tool\n"), "");
    }
}
