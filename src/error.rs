//! What went wrong: the kind, the object, the cause. Words for people and hints are chosen in
//! `cli/report.rs`, so nothing here can leak into a message what a message must not hold: an
//! `Error` carries names and paths, never a value and never a line of somebody's file.

/// The kinds of failure. One kind has one sentence and at most one hint in `cli/report.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program cannot be started; the cause is the system's.
    NotStarted,
    /// There is no project here.
    NoProject,
    /// A file could not be read; the cause is the system's.
    Read,
    /// A file could not be written, renamed or removed; the cause is the system's.
    Write,
    /// The operating system gave no random bytes.
    Random,
    /// A path that must be a plain file or directory is a link or a device.
    NotPlain,
    /// A private file can be read by others.
    Exposed,
    /// A file or value is larger than its limit.
    TooLarge,
    /// A file is not what its writer writes, byte for byte.
    NotCanonical,
    /// A file has a format that only a newer kagi knows.
    Newer,
    /// A file or box does not open, or a MAC does not hold.
    Unauthentic,
    /// A scope file names another project, service or environment than its place.
    Misplaced,
    /// A scope file has no box of the roster's epoch.
    NoBox,
    /// A box of an older epoch was written in parallel to a rotation.
    StaleBox,
    /// The roster's epoch is older than the one that this device has seen.
    OldEpoch,
    /// The roster's epoch has the number, but not the id, that this device has seen.
    ForkedEpoch,
    /// No witness of the roster can be checked by this device.
    NotWitnessed,
    /// This device does not know the project yet and nobody it trusts vouches for it.
    UnknownProject,
    /// This checkout held another project before.
    ForeignCheckout,
    /// `kagi.json` is not the one that the roster vouches for.
    ConfigMismatch,
    /// This device has no identity, and no variable brings one.
    NoIdentity,
    /// The keychain of the system cannot be used: its tool is missing.
    NoKeychain,
    /// The keychain of the system is locked, does not run or refuses; the cause is its tool's.
    KeychainShut,
    /// The keychain of the system has lost what a file says is in it.
    NotInKeychain,
    /// The identity was made for another project.
    WrongIdentity,
    /// The identity is not in the roster.
    NotMember,
    /// The key given does not belong to this project or epoch.
    WrongKey,
    /// The key of one scope was made for another project or epoch; the cause names both.
    ForeignKey,
    /// The member or key may not open this scope.
    NoAccess,
    /// The action needs a full member.
    NotFull,
    /// A member that was removed; its id never comes back.
    WasRemoved,
    /// The only member that may change the roster.
    LastFull,
    /// The project was changed while it was read.
    Changed,
    /// `kagi.json` is older than `access.json`, which a new roster would make final.
    ConfigBehind,
    /// A file that only one side of a merge can be right about.
    Unmerged,
    /// A key's value differs between branches.
    Conflict,
    /// A scope is older than the one that this device has seen.
    RolledBack,
    /// A name is not allowed; the cause is the rule.
    BadName,
    /// A key text, identity or setting cannot be read; the cause is the rule.
    BadText,
    /// A limit of the format is reached.
    Limit,
    /// What the user asked for is not there.
    Missing,
    /// What the user wants to make is there already.
    Exists,
    /// A `.env` file breaks its grammar; the cause names the line and the rule.
    Syntax,
    /// A target format cannot hold a value; the cause is the reason.
    Unholdable,
    /// No directory for kagi's own files can be found.
    NoHome,
    /// This device knows no remote of the project, or no token for it.
    NoRemote,
    /// A remote cannot be reached, or does not answer as a server of kagi's does.
    Unreachable,
    /// The answer is not from the server whose key the token names.
    WrongServer,
    /// The server does not accept the token; it does not say why.
    Denied,
    /// The server refused; the cause is what it says.
    Refused,
    /// The server has a newer revision than the one that a push is based on.
    Behind,
    /// The server is at an older revision than this device has seen.
    ServerOlder,
    /// The server's history does not contain the revision that this device has seen.
    ServerForked,
    /// A file that only one side can be right about was changed here and on the server.
    BothChanged,
    /// Another program has the store open.
    Busy,
}

/// A failure. One pointer wide, since nearly every function hands one on.
#[derive(Debug)]
pub struct Error(Box<Parts>);

/// What a failure says: its kind, the object it concerns (a path or a name), and its cause if one is
/// known.
#[derive(Debug)]
pub struct Parts {
    /// Which sentence applies.
    pub kind: Kind,
    /// The path or name, not yet made safe for a terminal.
    pub subject: String,
    /// The system's or the rule's reason; empty where the kind says it all.
    pub cause: String,
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl std::ops::Deref for Error {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl Error {
    /// A failure without a further cause.
    pub fn new(kind: Kind, subject: impl Into<String>) -> Self {
        Error(Box::new(Parts { kind, subject: subject.into(), cause: String::new() }))
    }

    /// The same failure as another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same failure of another object.
    #[must_use]
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The same failure with the system's reason, without its number.
    #[must_use]
    pub fn because_of(self, cause: &std::io::Error) -> Self {
        let text = cause.to_string();
        self.because(text.split(" (os error").next().unwrap_or(&text).to_lowercase())
    }

    /// The same failure with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = cause.to_string();
        self
    }
}
