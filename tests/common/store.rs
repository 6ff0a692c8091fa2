//! A store with a server's keys, asked the way a client asks: through the channel.
// Every test file uses a part of it, and a response is used up by what looks at it.
#![allow(dead_code, clippy::needless_pass_by_value)]

use super::common::{self, World};
use kagi::crypto::hash::{Digest, hash};
use kagi::crypto::random;
use kagi::format::message::manifest::{Listed, Manifest, follow};
use kagi::format::message::token::{Credential, ServerKeys};
use kagi::format::names::{Epoch, project_id};
use kagi::secret::Key;
use kagi::sync::channel::seal_request;
use kagi::sync::handler;
use kagi::sync::protocol::{
    NewToken, Operation, Pulled, Refusal, Request, Response, Rights, Standing,
};
use kagi::sync::store::Store;
use kagi::sync::store::check::{Report, check};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The clock of most tests.
pub const NOW: u64 = 1_800_000_000;

/// A fresh credential.
pub fn credential() -> Credential {
    Credential::new(random::bytes().unwrap(), random::key().unwrap())
}

/// A fresh project id.
pub fn fresh_project() -> String {
    project_id(random::bytes().unwrap())
}

/// A token that is to be.
pub fn token(credential: &Credential, rights: Rights, member: &str) -> NewToken {
    NewToken {
        credential: credential.duplicate(),
        rights,
        expires: 0,
        member: member.into(),
        name: "a name".into(),
        sealed: Vec::new(),
    }
}

/// A server without a transport.
pub struct Rig {
    pub root: PathBuf,
    pub store: Store,
    pub keys: ServerKeys,
    pub admin: Credential,
}

impl Rig {
    /// An empty store with an administrator.
    pub fn new(world: &World) -> Self {
        Rig::at(world.root.join("store"))
    }

    pub fn at(root: PathBuf) -> Self {
        let keys = ServerKeys::new(random::key().unwrap(), random::key().unwrap());
        let store = Store::open(&root, keys.pepper.duplicate(), false).unwrap();
        assert!(store.is_new());
        let admin = credential();
        store.add_admin(&admin, NOW).unwrap();
        assert!(!store.is_new());
        Rig {
            root,
            store,
            keys,
            admin,
        }
    }

    /// The same store after a restart; `between` happens while nobody has it open.
    pub fn again(self, between: impl FnOnce(&Path)) -> Self {
        let Rig {
            root,
            store,
            keys,
            admin,
        } = self;
        drop(store);
        between(&root);
        let store = Store::open(&root, keys.pepper.duplicate(), false).unwrap();
        Rig {
            root,
            store,
            keys,
            admin,
        }
    }

    /// The bytes of a response to a request with an id of its own.
    pub fn raw(&self, request: &Request, now: u64) -> (Vec<u8>, Response) {
        let (bytes, expecting) = seal_request(&self.keys.public, &request.encode()).unwrap();
        let exchange = handler::exchange(&self.store, &self.keys, &bytes, "127.0.0.1", now);
        let exchange = exchange.unwrap().expect("a request for this server");
        let plain = expecting
            .open(&exchange.bytes)
            .expect("an answer that opens");
        let response = Response::decode(plain.expose()).expect("an answer");
        let is_denied = matches!(response, Response::Refused(Refusal::Denied, _));
        assert_eq!(exchange.is_denied, is_denied);
        (exchange.bytes, response)
    }

    pub fn at_time(
        &self,
        who: Option<&Credential>,
        project: &str,
        operation: Operation,
        now: u64,
    ) -> Response {
        let credential = who.map(Credential::duplicate);
        let request = Request {
            credential,
            id: random::bytes().unwrap(),
            project: project.into(),
            operation,
        };
        self.raw(&request, now).1
    }

    pub fn ask(&self, who: &Credential, project: &str, operation: Operation) -> Response {
        self.at_time(Some(who), project, operation, NOW)
    }

    /// A project that was taken in, with a token for a member with all rights.
    pub fn project(&self) -> (String, Credential) {
        let (project, first) = (fresh_project(), credential());
        let new = token(&first, Rights(1 | 2 | 4 | 8), "");
        done(self.ask(&self.admin, &project, Operation::Approve { token: new }));
        (project, first)
    }

    /// A token of the project.
    pub fn issue(&self, project: &str, rights: Rights, member: &str) -> Credential {
        let made = credential();
        let token = token(&made, rights, member);
        done(self.ask(&self.admin, project, Operation::Issue { token }));
        made
    }

    pub fn standing(&self, who: &Credential, project: &str) -> Standing {
        standing(self.ask(who, project, Operation::Status))
    }

    pub fn pull(&self, who: &Credential, project: &str, since: u64) -> Pulled {
        let member = String::new();
        pulled(self.ask(who, project, Operation::Pull { since, member }))
    }

    /// All files of the newest revision, by what a client does.
    pub fn files(&self, who: &Credential, project: &str) -> BTreeMap<String, Vec<u8>> {
        let pulled = self.pull(who, project, 0);
        let manifest = Manifest::decode("m", &pulled.manifest).unwrap();
        let mut blobs: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
        blobs.extend(pulled.blobs.into_iter().map(|blob| (hash(&blob), blob)));
        loop {
            let digests: Vec<_> = manifest.files.iter().map(|file| file.digest).collect();
            let digests: Vec<_> = digests
                .into_iter()
                .filter(|one| !blobs.contains_key(one))
                .collect();
            if digests.is_empty() {
                break;
            }
            match self.ask(who, project, Operation::Fetch { digests }) {
                Response::Blobs(more) => {
                    assert!(!more.is_empty());
                    blobs.extend(more.into_iter().map(|blob| (hash(&blob), blob)));
                }
                other => panic!("{}", shown(&other)),
            }
        }
        let file = |file: &Listed| (file.path.clone(), blobs[&file.digest].clone());
        manifest.files.iter().map(file).collect()
    }

    /// Pushes a state on top of the newest revision.
    pub fn push(&self, who: &Credential, state: &State) -> Response {
        self.push_at(who, state, NOW)
    }

    pub fn push_at(&self, who: &Credential, state: &State, now: u64) -> Response {
        self.at_time(Some(who), &state.project, state.push(), now)
    }
}

/// A state of a project that is to be pushed.
#[derive(Clone)]
pub struct State {
    pub project: String,
    pub revision: u64,
    pub previous: Digest,
    pub files: BTreeMap<String, Vec<u8>>,
}

impl State {
    /// The first one.
    pub fn first(project: &str) -> Self {
        let mut files = BTreeMap::new();
        files.insert("kagi.json".to_string(), b"config".to_vec());
        files.insert("access.json".to_string(), b"roster".to_vec());
        let project = project.to_string();
        State {
            project,
            revision: 1,
            previous: [0; 32],
            files,
        }
    }

    pub fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), bytes.into());
        self
    }

    /// The next one, with one file changed.
    pub fn next(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let mut next = self.clone().with(path, bytes);
        next.revision += 1;
        next.previous = self.manifest().id();
        next
    }

    pub fn manifest(&self) -> Manifest {
        let listed = |(path, bytes): (&String, &Vec<u8>)| Listed {
            path: path.clone(),
            size: u32::try_from(bytes.len()).unwrap(),
            digest: hash(bytes),
        };
        let mut manifest = Manifest {
            project: self.project.clone(),
            epoch: Epoch {
                number: 1,
                id: [7; 8],
            },
            revision: self.revision,
            previous: self.previous,
            files: self.files.iter().map(listed).collect(),
            mac: [0; 32],
        };
        manifest.authenticate(&Key::new([9; 32]));
        manifest
    }

    /// A push with all blobs.
    pub fn push(&self) -> Operation {
        let blobs: BTreeMap<_, _> = self.files.values().map(|one| (hash(one), one)).collect();
        let blobs = blobs.into_values().cloned().collect();
        self.push_with(blobs)
    }

    pub fn push_with(&self, blobs: Vec<Vec<u8>>) -> Operation {
        let manifest = self.manifest().encode();
        Operation::Push {
            manifest,
            blobs,
            members: Vec::new(),
            member: String::new(),
        }
    }
}

/// What a response is, for messages of tests.
pub fn shown(response: &Response) -> String {
    match response {
        Response::Refused(refusal, about) => format!("refused: {refusal:?} {about}"),
        Response::Done => "done".into(),
        Response::Standing(standing) => format!("{standing:?}"),
        Response::Pulled(pulled) => format!("pulled {:?}", pulled.standing),
        Response::Blobs(blobs) => format!("{} blobs", blobs.len()),
        Response::Tokens(tokens) => format!("{} tokens", tokens.len()),
        Response::Projects(projects) => format!("{} projects", projects.len()),
        Response::Lines(lines) => lines.join("\n"),
    }
}

#[track_caller]
pub fn done(response: Response) {
    assert!(matches!(response, Response::Done), "{}", shown(&response));
}

#[track_caller]
pub fn refused(response: Response, wanted: Refusal) -> String {
    match response {
        Response::Refused(refusal, about) if refusal == wanted => about,
        other => panic!("not {wanted:?}: {}", shown(&other)),
    }
}

#[track_caller]
pub fn standing(response: Response) -> Standing {
    match response {
        Response::Standing(standing) => standing,
        other => panic!("{}", shown(&other)),
    }
}

#[track_caller]
pub fn pulled(response: Response) -> Pulled {
    match response {
        Response::Pulled(pulled) => pulled,
        other => panic!("{}", shown(&other)),
    }
}

/// From every revision that was ever there, hashes alone lead to the newest.
pub fn follows(rig: &Rig, who: &Credential, project: &str, states: &[State]) {
    let newest = states.last().unwrap();
    for state in states {
        let pulled = rig.pull(who, project, state.revision);
        if state.revision == newest.revision {
            assert!(pulled.links.is_empty() && pulled.manifest.is_empty());
            continue;
        }
        let start = state.manifest().id();
        let before = pulled
            .links
            .iter()
            .fold(start, |id, link| follow(&id, link));
        assert_eq!(before, newest.previous, "from {}", state.revision);
        assert_eq!(pulled.manifest, newest.manifest().encode());
    }
}

/// Nothing is wrong with a store, and nothing is left over in it.
#[track_caller]
pub fn sound(root: &Path) -> Report {
    let report = check(root).expect("a store");
    assert!(report.problems.is_empty(), "{:#?}", report.problems);
    assert!(common::leftovers(root).is_empty());
    report
}
