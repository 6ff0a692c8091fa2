//! Requests and responses, as they are inside of the channel (PROTOCOL 5).
//!
//! Promises: one encoding for one message; a message is authentic before it is parsed, for the
//! channel opens it first. Refuses bytes left over, and counts over their limits.

use crate::crypto::hash::Digest;
use crate::format::bytes::{Reader, Writer};
use crate::format::message::manifest::FILES_MAX;
use crate::format::message::token::Credential;
use crate::secret::Secret;

const VERSION: u8 = 1;
/// Items of any list in a message (PROTOCOL 5.3).
const ITEMS_MAX: usize = FILES_MAX;

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

/// What a request asks for (PROTOCOL 5.5).
#[allow(missing_docs)] // Each variant says what its fields are.
pub enum Operation {
    /// Nothing: is this the server, and who am I there?
    Hello,
    /// Where the project stands.
    Status,
    /// The state, if it is newer than revision `since`; what waits in the mailbox; the credential
    /// that was sealed to `member` (empty: nobody).
    Pull { since: u64, member: String },
    /// Blobs by their hashes.
    Fetch { digests: Vec<Digest> },
    /// The next state. `members` (id, most rights) are those that may have tokens of their own from
    /// now on: tokens of others end; empty: no change. A token without member becomes `member`'s.
    Push { manifest: Vec<u8>, blobs: Vec<Vec<u8>>, members: Vec<(String, Rights)>, member: String },
    /// A request to become a member, for the mailbox.
    Post { request: Vec<u8> },
    /// Asks the administrator to take the project in, under a name for people.
    Register { name: String },
    /// Makes a token; one with a sealed credential takes its member's request out of the mailbox.
    Issue { token: NewToken },
    /// The tokens of the project.
    Tokens,
    /// Ends a token, or, with a member's id, takes its request out of the mailbox.
    Revoke { token: String },
    /// All projects, and those that ask to be taken in.
    Projects,
    /// Takes the project in, with its first token.
    Approve { token: NewToken },
    /// Gives the project up.
    Delete,
    /// Goes back to an older revision.
    Rollback { revision: u64 },
    /// Lines of the audit log from a number on.
    Audit { from: u64 },
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

/// What comes back.
pub enum Response {
    /// Nothing was done, and why; with what is known of it, for people.
    Refused(Refusal, String),
    /// Done.
    Done,
    /// Of `Hello`, `Status` and `Push`.
    Standing(Standing),
    /// Of `Pull`.
    Pulled(Pulled),
    /// Of `Fetch`, in the order of the request.
    Blobs(Vec<Vec<u8>>),
    /// Of `Tokens`.
    Tokens(Vec<TokenInfo>),
    /// Of `Projects`.
    Projects(Vec<ProjectInfo>),
    /// Of `Audit`: as many lines as fit.
    Lines(Vec<String>),
}

fn list<T>(out: &mut Writer, items: &[T], write: impl Fn(&mut Writer, &T)) {
    out.count(items.len());
    for item in items {
        write(out, item);
    }
}

fn items<'a, T>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = usize::try_from(reader.count()?).ok().filter(|count| *count <= ITEMS_MAX)?;
    (0..count).map(|_| read(reader)).collect()
}

fn text(reader: &mut Reader) -> Option<String> {
    reader.text().map(str::to_string)
}

fn bytes(reader: &mut Reader) -> Option<Vec<u8>> {
    reader.field().map(<[u8]>::to_vec)
}

fn rights(reader: &mut Reader) -> Option<Rights> {
    let rights = Rights(u8::from_le_bytes(reader.raw()?));
    Rights::ALL.has(rights).then_some(rights) // PROTOCOL 5.4
}

fn fields(out: &mut Writer, items: &[Vec<u8>]) {
    list(out, items, |out, item| {
        out.field(item);
    });
}

impl NewToken {
    fn write(&self, out: &mut Writer) {
        self.credential.write(out);
        out.raw(&[self.rights.0])
            .long(self.expires)
            .field(self.member.as_bytes())
            .field(self.name.as_bytes())
            .field(&self.sealed);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(NewToken {
            credential: Credential::read(reader)?,
            rights: rights(reader)?,
            expires: reader.long()?,
            member: text(reader)?,
            name: text(reader)?,
            sealed: bytes(reader)?,
        })
    }
}

impl Request {
    /// The bytes (PROTOCOL 5.1).
    #[must_use]
    pub fn encode(&self) -> Secret {
        let mut out = Writer::with_capacity(512 + self.operation.size());
        out.raw(&[VERSION]).raw(&self.id);
        match &self.credential {
            None => {
                out.raw(&[0]);
            }
            Some(credential) => credential.write(out.raw(&[1])),
        }
        self.operation.write(out.field(self.project.as_bytes()));
        out.0
    }

    /// Reads a request; `None` for anything that `encode` would not have written.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [version] = reader.raw()?;
        let id = reader.raw()?;
        let credential = match reader.raw()? {
            [0] => None,
            [1] => Some(Credential::read(&mut reader)?),
            _ => return None,
        };
        let project = text(&mut reader)?;
        let operation = Operation::read(&mut reader)?;
        reader.end()?;
        (version == VERSION).then_some(Request { credential, id, project, operation })
    }
}

impl Operation {
    fn size(&self) -> usize {
        match self {
            Operation::Push { manifest, blobs, members, .. } => {
                manifest.len() + size(blobs) + 64 * members.len()
            }
            Operation::Fetch { digests, .. } => 32 * digests.len(),
            _ => 1024,
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Operation::Hello => {
                out.raw(&[0]);
            }
            Operation::Status => {
                out.raw(&[1]);
            }
            Operation::Pull { since, member } => {
                out.raw(&[2]).long(*since).field(member.as_bytes());
            }
            Operation::Fetch { digests } => {
                list(out.raw(&[3]), digests, |out, digest| {
                    out.raw(digest);
                });
            }
            Operation::Push { manifest, blobs, members, member } => {
                fields(out.raw(&[4]).field(manifest), blobs);
                list(out, members, |out, (id, rights)| {
                    out.field(id.as_bytes()).raw(&[rights.0]);
                });
                out.field(member.as_bytes());
            }
            Operation::Post { request } => {
                out.raw(&[5]).field(request);
            }
            Operation::Register { name } => {
                out.raw(&[6]).field(name.as_bytes());
            }
            Operation::Issue { token } => token.write(out.raw(&[7])),
            Operation::Tokens => {
                out.raw(&[8]);
            }
            Operation::Revoke { token } => {
                out.raw(&[9]).field(token.as_bytes());
            }
            Operation::Projects => {
                out.raw(&[10]);
            }
            Operation::Approve { token } => token.write(out.raw(&[11])),
            Operation::Delete => {
                out.raw(&[12]);
            }
            Operation::Rollback { revision } => {
                out.raw(&[13]).long(*revision);
            }
            Operation::Audit { from } => {
                out.raw(&[14]).long(*from);
            }
        }
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let [number] = reader.raw()?;
        Some(match number {
            0 => Operation::Hello,
            1 => Operation::Status,
            2 => Operation::Pull { since: reader.long()?, member: text(reader)? },
            3 => Operation::Fetch { digests: items(reader, Reader::raw)? },
            4 => Operation::Push {
                manifest: bytes(reader)?,
                blobs: items(reader, bytes)?,
                members: items(reader, |reader| Some((text(reader)?, rights(reader)?)))?,
                member: text(reader)?,
            },
            5 => Operation::Post { request: bytes(reader)? },
            6 => Operation::Register { name: text(reader)? },
            7 => Operation::Issue { token: NewToken::read(reader)? },
            8 => Operation::Tokens,
            9 => Operation::Revoke { token: text(reader)? },
            10 => Operation::Projects,
            11 => Operation::Approve { token: NewToken::read(reader)? },
            12 => Operation::Delete,
            13 => Operation::Rollback { revision: reader.long()? },
            14 => Operation::Audit { from: reader.long()? },
            _ => return None,
        })
    }
}

impl Standing {
    fn write(&self, out: &mut Writer) {
        out.long(self.revision)
            .raw(&self.id)
            .field(self.token.as_bytes())
            .raw(&[self.rights.0])
            .field(self.member.as_bytes());
        list(out, &self.waiting, |out, id| {
            out.field(id.as_bytes());
        });
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Standing {
            revision: reader.long()?,
            id: reader.raw()?,
            token: text(reader)?,
            rights: rights(reader)?,
            member: text(reader)?,
            waiting: items(reader, text)?,
        })
    }
}

impl Pulled {
    fn write(&self, out: &mut Writer) {
        self.standing.write(out);
        list(out, &self.links, |out, link| {
            out.raw(link);
        });
        fields(out.field(&self.manifest), &self.blobs);
        fields(out, &self.requests);
        out.field(&self.sealed);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(Pulled {
            standing: Standing::read(reader)?,
            links: items(reader, Reader::raw)?,
            manifest: bytes(reader)?,
            blobs: items(reader, bytes)?,
            requests: items(reader, bytes)?,
            sealed: bytes(reader)?,
        })
    }
}

impl TokenInfo {
    fn write(&self, out: &mut Writer) {
        out.field(self.id.as_bytes())
            .raw(&[self.rights.0])
            .long(self.issued)
            .long(self.expires)
            .field(self.member.as_bytes())
            .field(self.name.as_bytes());
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        Some(TokenInfo {
            id: text(reader)?,
            rights: rights(reader)?,
            issued: reader.long()?,
            expires: reader.long()?,
            member: text(reader)?,
            name: text(reader)?,
        })
    }
}

impl ProjectInfo {
    fn write(&self, out: &mut Writer) {
        out.field(self.id.as_bytes())
            .field(self.name.as_bytes())
            .raw(&[u8::from(self.is_approved)])
            .long(self.revision)
            .long(self.bytes);
    }

    fn read(reader: &mut Reader) -> Option<Self> {
        let (id, name) = (text(reader)?, text(reader)?);
        let is_approved = match reader.raw()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        Some(ProjectInfo { id, name, is_approved, revision: reader.long()?, bytes: reader.long()? })
    }
}

/// Bytes of a list of fields.
fn size(fields: &[Vec<u8>]) -> usize {
    fields.iter().map(|field| field.len() + 4).sum()
}

impl Response {
    /// Bytes of what may be large: a buffer that has to move takes three times the place.
    fn size(&self) -> usize {
        match self {
            Response::Pulled(pulled) => {
                let lists = size(&pulled.blobs) + size(&pulled.requests);
                lists + pulled.manifest.len() + 32 * pulled.links.len() + pulled.sealed.len()
            }
            Response::Blobs(blobs) => size(blobs),
            _ => 0,
        }
    }

    /// The bytes (PROTOCOL 5.2).
    #[must_use]
    pub fn encode(&self) -> Secret {
        let mut out = Writer::with_capacity(1024 + self.size());
        out.raw(&[VERSION]);
        match self {
            Response::Refused(refusal, about) => {
                let number = REFUSALS.iter().position(|one| one == refusal).unwrap_or_default();
                out.raw(&[0]).count(number).field(about.as_bytes());
            }
            Response::Done => {
                out.raw(&[1]);
            }
            Response::Standing(standing) => standing.write(out.raw(&[2])),
            Response::Pulled(pulled) => pulled.write(out.raw(&[3])),
            Response::Blobs(blobs) => fields(out.raw(&[4]), blobs),
            Response::Tokens(tokens) => list(out.raw(&[5]), tokens, |out, one| one.write(out)),
            Response::Projects(projects) => {
                list(out.raw(&[6]), projects, |out, one| one.write(out));
            }
            Response::Lines(lines) => {
                list(out.raw(&[7]), lines, |out, line| {
                    out.field(line.as_bytes());
                });
            }
        }
        out.0
    }

    /// Reads a response; `None` for anything that `encode` would not have written.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let [version, number] = reader.raw()?;
        let response = match number {
            0 => {
                let refusal = REFUSALS.get(usize::try_from(reader.count()?).ok()?)?;
                Response::Refused(*refusal, text(&mut reader)?)
            }
            1 => Response::Done,
            2 => Response::Standing(Standing::read(&mut reader)?),
            3 => Response::Pulled(Pulled::read(&mut reader)?),
            4 => Response::Blobs(items(&mut reader, self::bytes)?),
            5 => Response::Tokens(items(&mut reader, TokenInfo::read)?),
            6 => Response::Projects(items(&mut reader, ProjectInfo::read)?),
            7 => Response::Lines(items(&mut reader, text)?),
            _ => return None,
        };
        reader.end()?;
        (version == VERSION).then_some(response)
    }
}
