//! Errors in words for people, with at most one hint; and text of others made safe to print.
//!
//! Promises: lower case, no full stop, names quoted and escaped, never a value. Each kind of
//! error has its sentence here, so that what a message may say is decided in one place.

use crate::error::{Error, Kind};
use crate::format::names::is_unprintable;
use crate::terminal::{self, CYAN, RED};
use std::fmt::Write;

/// Exit code of a failure.
const FAILED: u8 = 1;
/// Exit code of a command line that cannot be understood.
const USAGE: u8 = 2;

/// A command that failed. One pointer wide, as an `Error` is.
#[derive(Debug)]
pub struct Failure(Box<Report>);

/// Exit code, message and hint.
#[derive(Debug)]
struct Report {
    code: u8,
    message: String,
    hint: String,
}

impl Failure {
    /// A failure with its message.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Failure(Box::new(Report { code: FAILED, message: message.into(), hint: String::new() }))
    }

    /// A command line that cannot be understood.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Failure::new(message).with_code(USAGE)
    }

    /// The same with a hint: a command to paste, or one fact.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: u8) -> Self {
        self.0.code = code;
        self
    }

    /// The same with what was left undone.
    #[must_use]
    pub fn and(mut self, outcome: &str) -> Self {
        let _ = write!(self.0.message, "; {outcome}");
        self
    }

    /// The exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.0.code
    }

    /// The message without its hint.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The hint alone; empty if there is none.
    #[must_use]
    pub fn hint_text(&self) -> &str {
        &self.0.hint
    }

    /// Prints the failure to standard error.
    pub fn report(&self) {
        let word = |colour, word| terminal::tinted(&std::io::stderr(), colour, word);
        terminal::note(&format!("{} {}", word(RED, "error:"), safe(&self.0.message)));
        if !self.0.hint.is_empty() {
            terminal::note(&format!("{} {}", word(CYAN, "hint:"), safe(&self.0.hint)));
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        // What was typed may be a value; a flag's name is shown only where the table has it.
        match error {
            lexopt::Error::MissingValue { option: Some(option) } => {
                Failure::usage(format!("{} needs a value", safe(&option)))
            }
            lexopt::Error::UnexpectedValue { option, .. } => {
                Failure::usage(format!("{} takes no value", safe(&option)))
            }
            _ => Failure::usage("the command line cannot be understood"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (subject, cause) = (quoted(&error.subject), safe(&error.cause));
        let because = if cause.is_empty() { String::new() } else { format!(": {cause}") };
        let message = sentence(error.kind, &subject, &cause, &because);
        Failure::new(message).hint(hint(error.kind, &error.subject))
    }
}

/// What happened, in one sentence.
fn sentence(kind: Kind, subject: &str, cause: &str, because: &str) -> String {
    match kind {
        Kind::NoProject => format!("there is no .kagi in {subject} or above it"),
        Kind::NotStarted => format!("cannot start {subject}{because}"),
        Kind::Read => format!("cannot read {subject}{because}"),
        Kind::Write => format!("cannot write {subject}{because}"),
        Kind::Random => format!("the system gives no random bytes{because}"),
        Kind::NotPlain if cause.is_empty() => {
            format!("refusing to use {subject}: it is not a plain file or directory")
        }
        Kind::NotPlain => format!("refusing to use {subject}{because}"),
        Kind::Exposed => format!("refusing to use {subject}: others can read it (mode {cause})"),
        Kind::TooLarge => format!("{subject} is too large{because}"),
        Kind::NotCanonical if cause.is_empty() => {
            format!("{subject} is not in canonical form; it was edited or damaged")
        }
        Kind::NotCanonical => {
            format!("{subject} {cause} is not in canonical form; it was edited or damaged")
        }
        Kind::Unauthentic => format!("{subject} is not authentic; it was edited, moved or damaged"),
        Kind::Newer => {
            format!("{subject} has a format that this kagi does not know; a newer one wrote it")
        }
        Kind::Misplaced => {
            format!("{subject} names another project, service or environment than its place")
        }
        Kind::NoBox => format!(
            "{subject} holds no box of the project's epoch; it is cut short or not yet merged"
        ),
        Kind::StaleBox => {
            format!("{subject} was written under an older key, in parallel to a rotation{because}")
        }
        Kind::Conflict => {
            format!("{subject} has different values from different branches{because}")
        }
        Kind::RolledBack => format!("{subject} is older than the state that this device has seen"),
        Kind::BadName => format!("{subject} cannot be a name{because}"),
        Kind::BadText => format!("{subject} cannot be used{because}"),
        Kind::Limit => format!("{subject} is at a limit{because}"),
        Kind::Missing if cause.starts_with("no such file") => format!("there is no {subject}"),
        Kind::Missing => format!("there is no {subject}{because}"),
        Kind::Exists => format!("{subject} is there already"),
        Kind::Syntax => format!("{subject} {cause}"),
        Kind::Unholdable => format!("{subject} cannot be written{because}"),
        Kind::NoHome => "no directory for kagi's own files is known".to_string(),
        Kind::NoRemote
        | Kind::Unreachable
        | Kind::WrongServer
        | Kind::Denied
        | Kind::Refused
        | Kind::Behind
        | Kind::ServerOlder
        | Kind::ServerForked
        | Kind::BothChanged
        | Kind::Busy => remote_sentence(kind, subject, because),
        kind => membership_sentence(kind, subject, cause, because),
    }
}

/// The same for remotes.
fn remote_sentence(kind: Kind, subject: &str, because: &str) -> String {
    match kind {
        Kind::NoRemote => format!("this device knows no remote of {subject}"),
        Kind::Unreachable => format!("cannot reach {subject}{because}"),
        Kind::WrongServer => {
            format!(
                "{subject} is not the server that the token is for; nothing was sent to it that it could read"
            )
        }
        Kind::Denied => {
            format!(
                "{subject} does not accept the token: it was revoked, has expired, or is for another project"
            )
        }
        Kind::Refused => format!("{subject} refuses{because}"),
        Kind::Behind => format!("{subject} is at a newer revision than the last pull{because}"),
        Kind::ServerOlder => {
            format!("{subject} is at an older revision than this device has seen{because}")
        }
        Kind::ServerForked => {
            format!("{subject} has another history than this device has seen{because}")
        }
        Kind::BothChanged => format!("{subject} was changed both here and on the server{because}"),
        _ => format!("{subject} is in use by another kagi serve"),
    }
}

/// The same for who may open the project, and whom this device believes.
fn membership_sentence(kind: Kind, subject: &str, cause: &str, because: &str) -> String {
    match kind {
        Kind::OldEpoch => format!("{subject} is from an older epoch than this device has seen"),
        Kind::ForkedEpoch => format!(
            "{subject} is from another rotation with the same number than this device has seen"
        ),
        Kind::NotWitnessed => {
            format!("{subject} is forged, or over 15 rotations newer than what this device knows")
        }
        Kind::UnknownProject => {
            format!("this device does not know the project yet; {subject} was written by {cause}")
        }
        Kind::ForeignCheckout => format!("{subject} held another project before ({cause})"),
        Kind::ConfigMismatch => format!(
            "kagi.json is not the one that {subject} vouches for; it was edited or only one of them was merged"
        ),
        Kind::NoIdentity => format!("this device has no identity ({subject} is missing)"),
        Kind::NoKeychain => format!("{subject} needs the keychain of the system{because}"),
        Kind::KeychainShut => {
            format!("the keychain of the system does not serve {subject}{because}")
        }
        Kind::NotInKeychain => {
            format!("the keychain of the system has lost the secret of {subject}")
        }
        Kind::WrongIdentity => {
            format!("this identity was made for another project than that of {subject}")
        }
        Kind::NotMember => {
            format!("this device is not a member of the project (its id is {subject})")
        }
        Kind::WrongKey => format!(
            "KAGI_PROJECT_KEY is not the key of this project's epoch {cause}, or {subject} was edited"
        ),
        Kind::ForeignKey => format!("KAGI_PROJECT_KEY does not fit {subject}{because}"),
        Kind::NoAccess => format!("this member may not open {subject}{because}"),
        Kind::NotFull => format!("only a full member can do this, not {subject}"),
        Kind::Unmerged => {
            format!("{subject} holds both sides of a merge, and only one can be used")
        }
        Kind::Changed => format!("{subject} was changed while it was read"),
        Kind::ConfigBehind => format!(
            "{subject} is older than access.json, for its last change was stopped or undone"
        ),
        Kind::WasRemoved => format!("the member {subject} was removed, which is for ever"),
        Kind::LastFull => format!("{subject} is the last member that can open everything"),
        _ => format!("{subject} {cause}"),
    }
}

/// One way on, if there is one that fits always.
fn hint(kind: Kind, subject: &str) -> String {
    let path = safe(subject);
    match kind {
        Kind::UnknownProject if path.starts_with("server:") => {
            "kagi trust ID, once that member has shown the id itself; then kagi pull".to_string()
        }
        Kind::OldEpoch | Kind::ForkedEpoch if path.starts_with("server:") => {
            "kagi pull --accept-older --ours keeps what is here, for kagi push; with --theirs it takes \
             what the server has"
                .to_string()
        }
        // What a commit, or a server, holds is not mended.
        _ if path.contains(":.kagi/") => String::new(),
        Kind::Exposed => format!("chmod 600 {}", shell_word(subject)),
        Kind::NotCanonical
        | Kind::Unauthentic
        | Kind::Misplaced
        | Kind::Missing
        | Kind::NotPlain
            if path.contains(".kagi/") =>
        {
            format!("git checkout -- {path}")
        }
        Kind::Limit if path.contains(".kagi/") => {
            "undo the last merge, set a key of the scope, commit, and merge again".to_string()
        }
        Kind::Unmerged => format!("git checkout --ours -- {path}, then repeat what the others did"),
        Kind::NotMember => {
            format!("kagi member join, then, by a member, kagi member approve {path}")
        }
        Kind::NotInKeychain if path.contains("identity.json") => {
            "kagi identity import, from a copy that kagi identity export made".to_string()
        }
        kind => way_on(kind).to_string(),
    }
}

/// The same where the object does not matter.
fn way_on(kind: Kind) -> &'static str {
    match kind {
        Kind::NoProject => "kagi init",
        Kind::NoBox => "git status, then git log -- .kagi/access.json",
        Kind::Changed => "run it again",
        Kind::ConfigBehind => "git log -- .kagi/kagi.json, or repeat kagi env ...",
        Kind::StaleBox => "kagi resolve --from REV, a commit from before the rotation",
        Kind::ForkedEpoch => {
            "agree on one rotation, git checkout its commit -- .kagi, then kagi trust"
        }
        Kind::ConfigMismatch => "git log -p -- .kagi/kagi.json .kagi/access.json",
        Kind::OldEpoch => "git pull; or kagi trust, if a rotation was undone on purpose",
        Kind::UnknownProject | Kind::ForeignCheckout => "kagi trust",
        Kind::NotWitnessed => {
            "git log -- .kagi, before kagi trust; for CI, kagi member add makes a new identity"
        }
        Kind::NoIdentity => {
            "kagi member join asks to become a member; for CI there is KAGI_IDENTITY"
        }
        Kind::NoKeychain => {
            "apt install libsecret-tools, or your system's package of it; KAGI_IDENTITY needs no keychain"
        }
        Kind::KeychainShut => "unlock it, in a session with D-Bus; KAGI_IDENTITY needs no keychain",
        Kind::NotInKeychain => "kagi remote login --remote URL --token -",
        Kind::ForeignKey => "kagi key export SERVICE ENV, by a member, makes one that fits",
        Kind::WasRemoved => {
            "a device that comes back needs a new identity: move identity.json away, and join again"
        }
        Kind::LastFull => "kagi member approve ID, for another one first",
        Kind::Conflict => "kagi resolve",
        Kind::NoHome => "set KAGI_HOME to a directory of your own",
        kind => remote_way_on(kind),
    }
}

/// The same for remotes.
fn remote_way_on(kind: Kind) -> &'static str {
    match kind {
        Kind::NoRemote => "kagi pull - takes a token; kagi project join --remote URL asks for one",
        Kind::Unreachable => "check the address, and that kagi serve runs there",
        Kind::WrongServer => {
            "ask its administrator: a server with a new key needs new tokens (kagi token issue)"
        }
        Kind::Denied => "kagi token issue, by a member, makes another one for kagi pull -",
        Kind::Behind => "kagi pull",
        Kind::ServerOlder | Kind::ServerForked => {
            "ask its administrator what was done (kagi remote audit); kagi pull --accept-older takes it"
        }
        Kind::BothChanged => "kagi pull --ours keeps it as it is here, --theirs takes the server's",
        Kind::Busy => "stop that one first: a store has one server",
        _ => "",
    }
}

/// Text of others with every character escaped that is not printable.
#[must_use]
pub fn safe(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for symbol in text.chars() {
        if is_unprintable(symbol) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", symbol.escape_default());
        } else {
            out.push(symbol);
        }
    }
    out
}

/// Text as one word of a shell's, to be pasted; safe to print.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@+=".contains(&byte);
    if !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain) {
        return text.to_string();
    }
    format!("'{}'", safe(text).replace('\'', "'\\''"))
}

/// A name in double quotes, safe to print; a quote in it ends nothing.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", safe(text).replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        assert_eq!(safe("a\u{1b}[31m\n\u{202e}é"), "a\\u{1b}[31m\\n\\u{202e}é");
    }
}
