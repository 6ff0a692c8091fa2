//! Names: ids, epochs, services, environments, keys, stored files, members, grants (FORMAT 3).
//!
//! Promises: a name that passes its check is safe as a path component, in a terminal and in JSON.
//! Refuses: names that mean another thing somewhere (`..`, `con`, a leading dash or dot).
//! The name of a stored file is a path that leads to nothing of Git's or kagi's; what other programs
//! take from the place that it leads to, no rule can know.

use crate::crypto::hash;
use crate::error::{Error, Kind, Result};
use crate::format::text::{BASE32, HEX};
use std::fmt;

/// Bytes of a service or environment name, and of a member's name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a key's name.
pub const KEY_BYTES_MAX: usize = 256;
/// Bytes of a stored file's name.
pub const FILE_NAME_BYTES_MAX: usize = 256;
/// Characters of an id after its prefix: 100 bits.
const ID_CHARACTERS: usize = 20;

/// One epoch: a number that grows by one at each rotation, and 8 random bytes (FORMAT 3.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Epoch {
    /// 1 for the first.
    pub number: u32,
    /// Tells two rotations that ran in parallel apart.
    pub id: [u8; 8],
}

impl Epoch {
    /// Number as u32 little-endian, then the id.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..].copy_from_slice(&self.id);
        bytes
    }

    /// The reverse of `to_bytes`; `None` for the number 0.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 12]) -> Option<Self> {
        let [a, b, c, d, id @ ..] = bytes;
        let number = u32::from_le_bytes([a, b, c, d]);
        (number > 0).then_some(Epoch { number, id })
    }

    /// `3.9f2c81d04be6a713`: the number in decimal without leading zeros, the id in hex.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (number, id) = text.split_once('.')?;
        let epoch =
            Epoch { number: number.parse().ok()?, id: HEX.decode(id)?.expose().try_into().ok()? };
        (epoch.number > 0 && epoch.to_string() == text).then_some(epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, HEX.encode(&self.id))
    }
}

/// The member id of a public key: the id is the fingerprint (FORMAT 3.2).
#[must_use]
pub fn member_id(public: &[u8; 32]) -> String {
    format!("kgm_{}", &BASE32.encode(&hash::hash(public))[..ID_CHARACTERS])
}

/// A project id from 13 random bytes, of which 100 bits are used (FORMAT 3.1).
#[must_use]
pub fn project_id(random: [u8; 13]) -> String {
    format!("kgp_{}", &BASE32.encode(&random)[..ID_CHARACTERS])
}

/// True for `prefix` and 20 base32 characters.
#[must_use]
pub fn is_id(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        rest.len() == ID_CHARACTERS
            && rest.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

fn bad(text: &str, rule: &str) -> Error {
    Error::new(Kind::BadName, text).because(rule)
}

/// A first byte of its own, then letters, digits, `_`, `-` and `.`.
fn check_bytes(text: &str, bytes_max: usize, is_first: fn(&u8) -> bool, rule: &str) -> Result<()> {
    let allowed =
        |byte| matches!(byte, b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'-' | b'.');
    if text.len() > bytes_max {
        return Err(bad(text, &format!("it is longer than {bytes_max} bytes")));
    }
    if !text.as_bytes().first().is_some_and(is_first) || !text.bytes().all(allowed) {
        return Err(bad(text, rule));
    }
    Ok(())
}

/// Names that Windows keeps for devices, whatever follows a dot.
const DEVICES: [&str; 24] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8",
    "com9", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "conin$",
    "conout$",
];

/// A service or environment name (FORMAT 3.4): a letter or digit, then letters, digits, `_`, `-`, `.`.
///
/// # Errors
/// `BadName` with the rule that is broken.
pub fn check_place(text: &str) -> Result<()> {
    let rule = "it must be letters, digits, _ - and ., and begin with a letter or digit";
    check_bytes(text, NAME_BYTES_MAX, u8::is_ascii_alphanumeric, rule)?;
    if text.ends_with('.') {
        return Err(bad(text, rule));
    }
    let stem = text.to_ascii_lowercase();
    if is_device(text) || stem.starts_with("kgp_") || stem.starts_with("kgm_") {
        return Err(bad(text, "the name is reserved"));
    }
    Ok(())
}

/// True for a name that Windows takes for a device.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).trim_end();
    DEVICES.iter().any(|device| stem.eq_ignore_ascii_case(device))
}

/// A key's name (FORMAT 3.5): `[A-Za-z_][A-Za-z0-9_.-]*`.
///
/// # Errors
/// `BadName` with the rule that is broken.
pub fn check_key(text: &str) -> Result<()> {
    let rule = "a key is letters, digits, _ - and ., and begins with a letter or _";
    let is_first = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    check_bytes(text, KEY_BYTES_MAX, is_first, rule)
}

/// Parts of a path that no stored file goes to: what belongs to Git and kagi, also as Windows
/// shortens it.
const KEPT_OUT: [&str; 4] = [".git", "git~1", ".kagi", "kagi~1"];
/// The same below the home directory: what opens other machines.
const KEPT_OUT_AT_HOME: [&str; 4] = [".ssh", "ssh~1", ".gnupg", "gnupg~1"];

/// True for a part of a path that no stored file goes to, or comes from.
#[must_use]
pub fn is_kept_out(part: &str) -> bool {
    KEPT_OUT.iter().any(|name| part.eq_ignore_ascii_case(name))
}

/// The path of a stored file below the home directory; `None` for one below the project.
#[must_use]
pub fn below_home(name: &str) -> Option<&str> {
    name.strip_prefix("~/")
}

/// The name of a stored file (FORMAT 3.9): its path below the project's root, or `~/` and its path
/// below the home directory.
///
/// # Errors
/// `BadName` with the rule that is broken.
pub fn check_file_name(text: &str) -> Result<()> {
    if text.is_empty() || text.len() > FILE_NAME_BYTES_MAX {
        return Err(bad(text, "a file's name has 1 to 256 bytes"));
    }
    let is_allowed = |byte: u8| matches!(byte, b' '..=b'~') && !b"\\:*?\"<>|".contains(&byte);
    if !text.bytes().all(is_allowed) {
        return Err(bad(text, "a file's name is printable ASCII without \\ : * ? \" < > |"));
    }
    let below_home = below_home(text);
    for part in below_home.unwrap_or(text).split('/') {
        if part.is_empty() || part.starts_with([' ', '~']) || part.ends_with([' ', '.']) {
            let rule =
                "a part of it is empty, begins with a blank or ~, or ends with a blank or dot";
            return Err(bad(text, rule));
        }
        let at_home = KEPT_OUT_AT_HOME.iter().any(|name| part.eq_ignore_ascii_case(name));
        if is_kept_out(part) || is_device(part) || (below_home.is_some() && at_home) {
            return Err(bad(text, "no stored file goes there"));
        }
    }
    Ok(())
}

/// A person's text (FORMAT 3.6): a member's name or a description, without control characters.
///
/// # Errors
/// `BadText` naming `what` it is, with the rule that is broken.
pub fn check_text(what: &str, text: &str, bytes_max: usize) -> Result<()> {
    let bad = |rule: &str| Error::new(Kind::BadText, what).because(rule);
    if text.len() > bytes_max {
        return Err(bad(&format!("it is longer than {bytes_max} bytes")));
    }
    if text.chars().any(is_unprintable) {
        return Err(bad("it holds a control character"));
    }
    Ok(())
}

/// A member's name (FORMAT 3.6): not empty, and no blank at either end.
///
/// # Errors
/// `BadText` with the rule that is broken.
pub fn check_member_name(text: &str) -> Result<()> {
    if text.is_empty() || text.trim() != text {
        let error = Error::new(Kind::BadText, "the name");
        return Err(error.because("it is empty, or begins or ends with a blank"));
    }
    check_text("the name", text, NAME_BYTES_MAX)
}

/// Control characters, and those that hide or reorder text on a terminal.
#[must_use]
pub fn is_unprintable(symbol: char) -> bool {
    symbol.is_control()
        || matches!(symbol, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}'
            | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e01ef}')
}

/// What one member may open (FORMAT 3.8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grant {
    /// `*`: everything, and the right to change roster and configuration.
    Full,
    /// `*/ENV`.
    Env(String),
    /// `SERVICE/*`.
    Service(String),
    /// `SERVICE/ENV`.
    Scope(String, String),
}

impl Grant {
    /// The grant that a text means; `None` for a malformed one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Grant::Full);
        }
        let (service, env) = text.split_once('/')?;
        let named = |part: &str| part == "*" || check_place(part).is_ok();
        match (service, env) {
            _ if !named(service) || !named(env) => None,
            ("*", "*") => None,
            ("*", env) => Some(Grant::Env(env.into())),
            (service, "*") => Some(Grant::Service(service.into())),
            (service, env) => Some(Grant::Scope(service.into(), env.into())),
        }
    }

    /// True if whoever has this grant may open all that the other one gives.
    #[must_use]
    pub fn covers(&self, other: &Grant) -> bool {
        match (self, other) {
            (Grant::Full, _) => true,
            (Grant::Env(env), Grant::Scope(_, other)) => env == other,
            (Grant::Service(service), Grant::Scope(other, _)) => service == other,
            _ => self == other,
        }
    }

    /// True if this grant gives the scope.
    #[must_use]
    pub fn opens(&self, service: &str, env: &str) -> bool {
        self.covers(&Grant::Scope(service.into(), env.into()))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Grant::Full => write!(f, "*"),
            Grant::Env(env) => write!(f, "*/{env}"),
            Grant::Service(service) => write!(f, "{service}/*"),
            Grant::Scope(service, env) => write!(f, "{service}/{env}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["api", "a", "7", "my-api.v2", "A_b"] {
            assert!(check_place(good).is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "", ".", "..", "-a", "_a", "a/b", "a\\b", "a ", "é", "con", "NUL.x", "a.", "a:b", &long,
        ] {
            assert!(check_place(bad).is_err(), "{bad}");
        }
        for good in ["A", "_", "a.b-c", "DATABASE_URL"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "1A", "-A", "A B", "A=B", "É", "A\n"] {
            assert!(check_key(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn epochs_and_grants_have_one_text() {
        let epoch = Epoch { number: 3, id: [0x9f; 8] };
        assert_eq!(Epoch::parse(&epoch.to_string()), Some(epoch));
        assert_eq!(Epoch::from_bytes(epoch.to_bytes()), Some(epoch));
        for bad in ["03.9f9f9f9f9f9f9f9f", "+3.9f9f9f9f9f9f9f9f", "0.9f9f9f9f9f9f9f9f", "3.9f", "3"]
        {
            assert_eq!(Epoch::parse(bad), None, "{bad}");
        }
        for text in ["*", "*/production", "api/*", "api/production"] {
            assert_eq!(Grant::parse(text).map(|grant| grant.to_string()).as_deref(), Some(text));
        }
        for bad in ["", "*/*", "api", "api/", "/x", "a/b/c", "../x", "**"] {
            assert_eq!(Grant::parse(bad), None, "{bad}");
        }
    }
}
