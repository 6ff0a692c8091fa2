//! Requests and responses, as they are inside of the channel (PROTOCOL 5).
//!
//! Promises: one encoding for one message; a message is authentic before it is parsed, for the
//! channel opens it first. Refuses bytes left over, and counts over their limits.

use crate::crypto::hash::Digest;
use crate::format::bytes::{Reader, Writer};
use crate::format::message::token::Credential;
use crate::format::message::{Part, fixed, parts, whole};
use crate::secret::Secret;

const VERSION: u8 = 1;

/// Makes an enum of messages, each with its number and its fields in the order in which they are
/// written.
macro_rules! numbered {
    ($(#[$about:meta])* $name:ident {
        $($(#[$doc:meta])* $number:literal $variant:ident
            $({ $($field:ident: $type:ty),* })? $(($($part:ident: $part_type:ty),*))?,)*
    }) => {
        $(#[$about])*
        pub enum $name {
            $($(#[$doc])* $variant $({ $($field: $type),* })? $(($($part_type),*))?,)*
        }

        impl Part for $name {
            fn write(&self, out: &mut Writer) {
                match self {
                    $($name::$variant $({ $($field),* })? $(($($part),*))? => {
                        out.raw(&[$number]);
                        $($($field.write(out);)*)?
                        $($($part.write(out);)*)?
                    })*
                }
            }

            fn read(reader: &mut Reader) -> Option<Self> {
                Some(match reader.raw()? {
                    $([$number] => {
                        $($(let $field = Part::read(reader)?;)*)?
                        $($(let $part = Part::read(reader)?;)*)?
                        $name::$variant $({ $($field),* })? $(($($part),*))?
                    })*
                    _ => return None,
                })
            }
        }
    };
}

/// What a token allows, as a set of bits (PROTOCOL 5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rights(pub u8);

impl Rights {
    /// Read the state.
    pub const PULL: Rights = Rights(1);
    /// Read the state, and ask to become a member.
    pub const JOIN: Rights = Rights(2);
    /// Replace the state.
    pub const PUSH: Rights = Rights(4);
    /// Issue and revoke tokens of the project.
    pub const ROTATE: Rights = Rights(8);
    /// Everything, of every project of the server.
    pub const ADMIN: Rights = Rights(16);
    /// Each that has a meaning.
    pub const ALL: Rights = Rights(31);
    /// What a full member has.
    pub const MEMBER: Rights = Rights(1 | 4 | 8);
    /// What a limited member has.
    pub const LIMITED: Rights = Rights(1 | 4);
    /// The words for people, in order.
    pub const WORDS: [(&str, Rights); 5] = [
        ("pull", Rights::PULL),
        ("join", Rights::JOIN),
        ("push", Rights::PUSH),
        ("rotate", Rights::ROTATE),
        ("admin", Rights::ADMIN),
    ];

    /// True if all of the other's are among these.
    #[must_use]
    pub fn has(self, other: Rights) -> bool {
        self.0 & other.0 == other.0
    }

    /// `pull,push`.
    #[must_use]
    pub fn words(self) -> String {
        let words = Rights::WORDS.iter().filter(|(_, right)| self.has(*right));
        words.map(|(word, _)| *word).collect::<Vec<_>>().join(",")
    }

    /// The rights of a list of words; `None` for another word or an empty list.
    #[must_use]
    pub fn parse(words: &str) -> Option<Self> {
        let right = |word| Rights::WORDS.iter().find(|(name, _)| *name == word);
        words.split(',').try_fold(Rights(0), |sum, word| Some(Rights(sum.0 | right(word)?.1.0)))
    }
}

fixed!(Rights, rights => [rights.0], bytes => {
    let [bits] = bytes;
    Some(Rights(bits)).filter(|rights| Rights::ALL.has(*rights)) // PROTOCOL 5.4
});

/// One request.
pub struct Request {
    /// Who asks; `None` only for `Register` and `Hello`.
    pub credential: Option<Credential>,
    /// Random; the same one is not answered twice if it changes something.
    pub id: [u8; 16],
    /// The project that is meant; empty for `Hello`, `Projects` and `Audit`. It must be that of the
    /// token, unless that is an administrator's.
    pub project: String,
    /// What is asked for.
    pub operation: Operation,
}
parts!(Request { id, credential, project, operation });

/// A token that is to be (PROTOCOL 5.6).
pub struct NewToken {
    /// What its holder will show.
    pub credential: Credential,
    /// What it allows.
    pub rights: Rights,
    /// Seconds since 1970 after which it is none; 0: never.
    pub expires: u64,
    /// The member that it belongs to; empty: nobody's.
    pub member: String,
    /// For people.
    pub name: String,
    /// The credential sealed to the member, for it to fetch; empty: none.
    pub sealed: Vec<u8>,
}
parts!(NewToken { credential, rights, expires, member, name, sealed });

impl NewToken {
    /// One that never ends, and is nobody's.
    #[must_use]
    pub fn new(credential: &Credential, rights: Rights, name: &str) -> Self {
        NewToken {
            credential: credential.duplicate(),
            rights,
            expires: 0,
            member: String::new(),
            name: name.to_string(),
            sealed: Vec::new(),
        }
    }
}

numbered! {
    /// What a request asks for (PROTOCOL 5.5).
    #[allow(missing_docs)] // Each variant says what its fields are.
    Operation {
        /// Nothing: is this the server, and who am I there?
        0 Hello,
        /// Where the project stands.
        1 Status,
        /// The state, if it is newer than revision `since`; what waits in the mailbox; the credential
        /// that was sealed to `member` (empty: nobody).
        2 Pull { since: u64, member: String },
        /// Blobs by their hashes.
        3 Fetch { digests: Vec<Digest> },
        /// The next state. `members` (id, most rights) are those that may have tokens of their own from
        /// now on: tokens of others end; empty: no change. A token without member becomes `member`'s.
        4 Push {
            manifest: Vec<u8>,
            blobs: Vec<Vec<u8>>,
            members: Vec<(String, Rights)>,
            member: String
        },
        /// A request to become a member, for the mailbox.
        5 Post { request: Vec<u8> },
        /// Asks the administrator to take the project in, under a name for people.
        6 Register { name: String },
        /// Makes a token; one with a sealed credential takes its member's request out of the mailbox.
        7 Issue { token: NewToken },
        /// The tokens of the project.
        8 Tokens,
        /// Ends a token, or, with a member's id, takes its request out of the mailbox.
        9 Revoke { token: String },
        /// All projects, and those that ask to be taken in.
        10 Projects,
        /// Takes the project in, with its first token.
        11 Approve { token: NewToken },
        /// Gives the project up.
        12 Delete,
        /// Goes back to an older revision.
        13 Rollback { revision: u64 },
        /// Lines of the audit log from a number on.
        14 Audit { from: u64 },
    }
}

/// Where a project stands, and what the token that asked is (PROTOCOL 5.8).
#[derive(Default, Clone, Debug)]
pub struct Standing {
    /// The newest revision; 0: none yet.
    pub revision: u64,
    /// Its manifest's id; zeros for none.
    pub id: Digest,
    /// The token that asked.
    pub token: String,
    /// What it allows.
    pub rights: Rights,
    /// The member that it belongs to.
    pub member: String,
    /// Ids of those whose requests wait.
    pub waiting: Vec<String>,
}
parts!(Standing { revision, id, token, rights, member, waiting });

/// What a `Pull` gives (PROTOCOL 5.9).
#[derive(Default)]
pub struct Pulled {
    /// Where the project stands.
    pub standing: Standing,
    /// `H` of the manifests after `since`, but for the newest: who knows the id of `since` can follow.
    /// Empty if `since` is 0, not known, or the newest.
    pub links: Vec<Digest>,
    /// The newest manifest; empty if `since` is the newest, or there is none.
    pub manifest: Vec<u8>,
    /// Blobs of it that the revision `since` did not have, as many as fit.
    pub blobs: Vec<Vec<u8>>,
    /// The requests in the mailbox, as their files have them.
    pub requests: Vec<Vec<u8>>,
    /// The credential that was sealed to the member; empty for none.
    pub sealed: Vec<u8>,
}
parts!(Pulled { standing, links, manifest, blobs, requests, sealed });

/// A token, without what only its holder knows (PROTOCOL 5.10).
#[derive(Clone)]
pub struct TokenInfo {
    /// `kgt_…`.
    pub id: String,
    /// What it allows.
    pub rights: Rights,
    /// When it was issued, seconds since 1970.
    pub issued: u64,
    /// When it ends; 0: never.
    pub expires: u64,
    /// Whose it is.
    pub member: String,
    /// For people.
    pub name: String,
}
parts!(TokenInfo { id, rights, issued, expires, member, name });

/// A project on the server (PROTOCOL 5.10).
pub struct ProjectInfo {
    /// Project id.
    pub id: String,
    /// What it is called by whoever registered it.
    pub name: String,
    /// True once it was taken in.
    pub is_approved: bool,
    /// The newest revision.
    pub revision: u64,
    /// Bytes that it has on disk.
    pub bytes: u64,
}
parts!(ProjectInfo { id, name, is_approved, revision, bytes });

/// Why a request was refused (PROTOCOL 5.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such token, or it has ended, or it is another project's: which of these is not said.
    Denied,
    /// The token does not allow that.
    Forbidden,
    /// There is no such project, revision, token or blob.
    Missing,
    /// The project is at another revision than the push is based on.
    Conflict,
    /// The request is malformed.
    Malformed,
    /// A limit of the server is reached.
    Limit,
    /// The server cannot write: its disk may be full.
    Storage,
    /// The same request was there before.
    Replayed,
}

const REFUSALS: [Refusal; 8] = [
    Refusal::Denied,
    Refusal::Forbidden,
    Refusal::Missing,
    Refusal::Conflict,
    Refusal::Malformed,
    Refusal::Limit,
    Refusal::Storage,
    Refusal::Replayed,
];

impl Part for Refusal {
    fn write(&self, out: &mut Writer) {
        out.count(REFUSALS.iter().position(|one| one == self).unwrap_or_default());
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        REFUSALS.get(usize::try_from(reader.count()?).ok()?).copied()
    }
}

numbered! {
    /// What comes back.
    Response {
        /// Nothing was done, and why; with what is known of it, for people.
        0 Refused(refusal: Refusal, about: String),
        /// Done.
        1 Done,
        /// Of `Hello`, `Status` and `Push`.
        2 Standing(standing: Standing),
        /// Of `Pull`.
        3 Pulled(pulled: Pulled),
        /// Of `Fetch`, in the order of the request.
        4 Blobs(blobs: Vec<Vec<u8>>),
        /// Of `Tokens`.
        5 Tokens(tokens: Vec<TokenInfo>),
        /// Of `Projects`.
        6 Projects(projects: Vec<ProjectInfo>),
        /// Of `Audit`: as many lines as fit.
        7 Lines(lines: Vec<String>),
    }
}

/// Says which answer holds what.
macro_rules! answers {
    ($($variant:ident($($value:ident)?): $type:ty),* $(,)?) => {
        $(impl TryFrom<Response> for $type {
            type Error = Response;

            fn try_from(response: Response) -> Result<Self, Response> {
                match response {
                    Response::$variant $(($value))? => Ok(($($value)?)),
                    other => Err(other),
                }
            }
        })*
    };
}
answers! {
    Done(): (),
    Standing(standing): Standing,
    Pulled(pulled): Pulled,
    Blobs(blobs): Vec<Vec<u8>>,
    Tokens(tokens): Vec<TokenInfo>,
    Projects(projects): Vec<ProjectInfo>,
    Lines(lines): Vec<String>,
}

/// The bytes of a message, about so many, in a buffer that does not move: that would take three times
/// the place.
fn encode(message: &impl Part, bytes: usize) -> Secret {
    let mut out = Writer::with_capacity(1024 + bytes);
    out.raw(&[VERSION]);
    message.write(&mut out);
    out.0
}

/// Reads a message, and nothing behind it.
fn decode<T: Part>(bytes: &[u8]) -> Option<T> {
    let ([version], message) = whole(bytes)?;
    (version == VERSION).then_some(message)
}

/// Bytes of a list of fields.
fn size(fields: &[Vec<u8>]) -> usize {
    fields.iter().map(|field| field.len() + 4).sum()
}

impl Request {
    /// The bytes (PROTOCOL 5.1).
    #[must_use]
    pub fn encode(&self) -> Secret {
        let large = match &self.operation {
            Operation::Push { manifest, blobs, members, .. } => {
                manifest.len() + size(blobs) + 64 * members.len()
            }
            Operation::Fetch { digests } => 32 * digests.len(),
            _ => 1024,
        };
        encode(self, large)
    }

    /// Reads a request; `None` for anything that `encode` would not have written.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes)
    }
}

impl Response {
    /// The bytes (PROTOCOL 5.2).
    #[must_use]
    pub fn encode(&self) -> Secret {
        let large = match self {
            Response::Pulled(pulled) => {
                let lists = size(&pulled.blobs) + size(&pulled.requests);
                lists + pulled.manifest.len() + 32 * pulled.links.len() + pulled.sealed.len()
            }
            Response::Blobs(blobs) => size(blobs),
            _ => 0,
        };
        encode(self, large)
    }

    /// Reads a response; `None` for anything that `encode` would not have written.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        decode(bytes)
    }
}
