//! A second writer of what a server and its clients hold and exchange, written from
//! `docs/PROTOCOL.md` alone: it takes any defect. Only hash, cipher and curve are the library's.

use crate::world::{
    Epoch, Labelled, checked, epoch, joined, lp, lps, object, person, project, project_key, quoted,
    raw, seed, short,
};
use crate::world::{base32, hex};
use kagi::crypto::{aead, hash, wrap};
use kagi::secret::{Key, Secret};

pub const ZEROS: [u8; 32] = [0; 32];

/// `D` of FORMAT 2.1.
fn derive(label: &str, key: &[u8; 32], fields: &[&[u8]]) -> [u8; 32] {
    blake3::derive_key(label, &[lp(key), lps(fields)].concat())
}

/// `DH`: of keys that are no defect.
fn agreed(secret: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    raw(&wrap::agree(&Key::new(*secret), public).expect("a good key"))
}

pub fn public_key(secret: &[u8; 32]) -> [u8; 32] {
    wrap::public_key(&Key::new(*secret))
}

fn seal(key: [u8; 32], aad: &[u8], text: &[u8]) -> Vec<u8> {
    aead::seal(&Key::new(key), &[0; 24], aad, &Secret::copy_of(text))
}

// --- Manifests ---

#[derive(Clone)]
pub struct Listed {
    pub path: Vec<u8>,
    pub size: u32,
    pub digest: [u8; 32],
}

pub fn listed(path: &str, size: u32) -> Listed {
    Listed {
        path: path.into(),
        size,
        digest: seed(&format!("the bytes of {path}")),
    }
}

#[derive(Clone)]
pub struct Manifest {
    pub format: &'static str,
    pub project: String,
    pub epoch: Epoch,
    pub revision: u64,
    pub previous: [u8; 32],
    pub files: Vec<Listed>,
}

/// The third state of a project with one scope.
pub fn manifest() -> Manifest {
    Manifest {
        format: "kagi-manifest 1",
        project: project(),
        epoch: epoch(3),
        revision: 3,
        previous: seed("the id of revision 2"),
        files: vec![
            listed("access.json", 1800),
            listed("kagi.json", 254),
            listed("secrets/api/production.enc", 500),
        ],
    }
}

pub fn state_key(project: &str, epoch: Epoch) -> [u8; 32] {
    let key = raw(&project_key(epoch));
    derive(
        "kagi 2026 v1 state",
        &key,
        &[project.as_bytes(), &epoch.bytes()],
    )
}

impl Manifest {
    pub fn body(&self) -> Labelled {
        let count = u32::try_from(self.files.len()).expect("few files");
        let mut fields: Labelled = vec![
            (lp(self.format.as_bytes()), "format".into()),
            (lp(self.project.as_bytes()), "project id".into()),
            (self.epoch.bytes().into(), "epoch".into()),
            (self.revision.to_le_bytes().into(), "revision".into()),
            (self.previous.into(), "previous".into()),
            (count.to_le_bytes().into(), "number of files".into()),
        ];
        for file in &self.files {
            fields.push((lp(&file.path), "path".into()));
            fields.push((file.size.to_le_bytes().into(), "size".into()));
            fields.push((file.digest.into(), "hash".into()));
        }
        fields
    }

    pub fn mac(&self) -> [u8; 32] {
        let key = Key::new(state_key(&self.project, self.epoch));
        hash::mac(&key, &joined(&self.body()))
    }

    pub fn fields(&self) -> Labelled {
        let mut fields = self.body();
        fields.push((self.mac().into(), "MAC".into()));
        fields
    }

    pub fn link(&self) -> [u8; 32] {
        hash::hash(&joined(&self.fields()))
    }
}

/// The id of a manifest.
pub fn followed(previous: &[u8; 32], link: &[u8; 32]) -> [u8; 32] {
    hash::hash(&lps(&[b"kagi-manifest 1", previous, link]))
}

// --- Tokens ---

pub const REMOTE: &str = "https://kagi.example:8443";

/// The server of all vectors.
pub fn server() -> ([u8; 32], [u8; 32]) {
    let server = person("a server");
    (server.secret, server.public)
}

pub fn token_id() -> String {
    format!("kgt_{}", &base32(&short::<13>("a token"))[..20])
}

pub fn token_secret() -> [u8; 32] {
    seed("the secret of a token")
}

pub fn credential(id: &str) -> Vec<u8> {
    [lp(id.as_bytes()), token_secret().into()].concat()
}

#[derive(Clone)]
pub struct Token {
    pub remote: Vec<u8>,
    pub project: String,
    pub server: [u8; 32],
    pub id: String,
    pub anchors: Vec<String>,
    pub after: Vec<u8>,
}

pub fn token() -> Token {
    let mut anchors = vec![person("alice").id, person("bob").id];
    anchors.sort();
    Token {
        remote: REMOTE.into(),
        project: project(),
        server: server().1,
        id: token_id(),
        anchors,
        after: Vec::new(),
    }
}

impl Token {
    pub fn content(&self) -> Vec<u8> {
        let mut content = lps(&[&self.remote, self.project.as_bytes()]);
        content.extend(self.server);
        content.extend(credential(&self.id));
        for anchor in &self.anchors {
            content.extend(lp(anchor.as_bytes()));
        }
        content.extend(&self.after);
        content
    }

    pub fn text(&self) -> String {
        project_token(&self.content())
    }
}

pub fn project_token(content: &[u8]) -> String {
    format!("kagi_proj_v1_{}", checked(content))
}

pub fn admin_content(server: &[u8; 32], id: &str) -> Vec<u8> {
    [&server[..], &credential(id)].concat()
}

pub fn admin_token(content: &[u8]) -> String {
    format!("kagi_admin_v1_{}", checked(content))
}

pub fn server_keys(content: &[u8]) -> String {
    format!("kagi_server_v1_{}\n", checked(content))
}

/// A credential sealed to a member whose DH result with the ephemeral key is given.
pub fn sealed_credential(
    head: &[u8; 32],
    shared: &[u8; 32],
    member: (&str, &[u8; 32]),
    project: &str,
    text: &[u8],
) -> Vec<u8> {
    let (id, public) = member;
    let key = derive(
        "kagi 2026 v1 token",
        shared,
        &[head, public, project.as_bytes()],
    );
    let aad = lps(&[project.as_bytes(), id.as_bytes()]);
    [&head[..], &seal(key, &aad, text)].concat()
}

// --- The channel ---

/// A request and what its response needs.
pub struct Call {
    pub es: [u8; 32],
    pub client: [u8; 32],
    pub request: Vec<u8>,
}

/// A request whose head and DH result may be any.
pub fn call_with(head: [u8; 32], es: [u8; 32], server: &[u8; 32], text: &[u8]) -> Call {
    let key = derive("kagi 2026 v1 request", &es, &[&head, server]);
    Call {
        es,
        client: head,
        request: [&head[..], &seal(key, &[], text)].concat(),
    }
}

pub fn call(ephemeral: &[u8; 32], server: &[u8; 32], text: &[u8]) -> Call {
    let es = agreed(ephemeral, server);
    call_with(public_key(ephemeral), es, server, text)
}

pub fn agreed_with(ephemeral: &[u8; 32], public: &[u8; 32]) -> [u8; 32] {
    agreed(ephemeral, public)
}

impl Call {
    /// A response whose head and DH result may be any.
    pub fn answer_with(&self, head: [u8; 32], ee: [u8; 32], text: &[u8]) -> Vec<u8> {
        let request = hash::hash(&self.request);
        let key = derive("kagi 2026 v1 response", &self.es, &[&ee, &request, &head]);
        [&head[..], &seal(key, &[], text)].concat()
    }

    pub fn answer(&self, ephemeral: &[u8; 32], text: &[u8]) -> Vec<u8> {
        let ee = agreed(ephemeral, &self.client);
        self.answer_with(public_key(ephemeral), ee, text)
    }
}

// --- Messages ---

/// A message, field by field.
#[derive(Clone, Default)]
pub struct Message(pub Labelled);

impl Message {
    pub fn raw(mut self, bytes: &[u8], note: &str) -> Self {
        self.0.push((bytes.into(), note.into()));
        self
    }

    pub fn byte(self, number: u8, note: &str) -> Self {
        self.raw(&[number], note)
    }

    pub fn count(self, number: u32, note: &str) -> Self {
        self.raw(&number.to_le_bytes(), note)
    }

    pub fn long(self, number: u64, note: &str) -> Self {
        self.raw(&number.to_le_bytes(), note)
    }

    pub fn field(self, bytes: &[u8], note: &str) -> Self {
        self.raw(&lp(bytes), note)
    }

    pub fn text(self, text: &str, note: &str) -> Self {
        self.field(text.as_bytes(), note)
    }

    /// A list of texts or bytes.
    pub fn list(self, items: &[&[u8]], note: &str) -> Self {
        let count = u32::try_from(items.len()).expect("few items");
        let start = self.count(count, &format!("{note}: so many"));
        items.iter().fold(start, |sum, item| sum.field(item, note))
    }

    pub fn then(mut self, other: Message) -> Self {
        self.0.extend(other.0);
        self
    }
}

pub fn request_id() -> [u8; 16] {
    short("a request")
}

/// The head of a request with the credential that all vectors have.
pub fn request() -> Message {
    request_in(&project())
}

pub fn request_in(project: &str) -> Message {
    Message::default()
        .byte(1, "version")
        .raw(&request_id(), "request id")
        .byte(1, "with a credential")
        .text(&token_id(), "token id")
        .raw(&token_secret(), "its secret")
        .text(project, "project id")
}

/// The head of a request of nobody.
pub fn request_of_nobody(project: &str) -> Message {
    Message::default()
        .byte(1, "version")
        .raw(&request_id(), "request id")
        .byte(0, "no credential")
        .text(project, "project id")
}

pub fn response(number: u8, name: &str) -> Message {
    Message::default().byte(1, "version").byte(number, name)
}

// --- What a device keeps ---

pub struct KnownRemote {
    pub token: String,
    pub format: u32,
    pub remote: String,
    pub revision: u64,
    pub manifest: String,
}

pub fn known_remote() -> KnownRemote {
    KnownRemote {
        token: token().text(),
        format: 1,
        remote: REMOTE.into(),
        revision: 3,
        manifest: hex(&seed("the id of revision 3")),
    }
}

impl KnownRemote {
    pub fn json(&self) -> String {
        let members = [
            ("token", quoted(&self.token)),
            ("format", self.format.to_string()),
            ("remote", quoted(&self.remote)),
            ("revision", self.revision.to_string()),
            ("manifest", quoted(&self.manifest)),
        ];
        object(&members, "") + "\n"
    }
}

pub fn login_json(token: &str, remote: &str) -> String {
    let members = [
        ("token", quoted(token)),
        ("format", "1".into()),
        ("remote", quoted(remote)),
    ];
    object(&members, "") + "\n"
}

/// The name of a login or of a checkout.
pub fn name_of(text: &str) -> String {
    hex(&hash::hash(text.as_bytes())[..16])
}
