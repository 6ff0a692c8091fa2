//! Who and what the vectors are about, and a second writer of every format: written from
//! `docs/FORMAT.md`, not from `src/format`, so that an accepted vector shows that two writers
//! agree. It takes any defect. Only hash, cipher and curve are the library's.

use kagi::crypto::kdf::{self, Place};
use kagi::crypto::{aead, hash, wrap};
use kagi::secret::{Key, Secret};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

pub const ZERO_ID: [u8; 8] = [0; 8];

/// 32 bytes that look random and never change.
pub fn seed(what: &str) -> [u8; 32] {
    hash::hash(format!("kagi test vector: {what}").as_bytes())
}

pub fn short<const N: usize>(what: &str) -> [u8; N] {
    seed(what)[..N].try_into().expect("at most 32 bytes")
}

pub fn raw(key: &Key) -> [u8; 32] {
    *key.expose()
}

// --- Texts ---

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Bit by bit: slow, and unlike the library's.
fn symbols(bytes: &[u8], bits: usize, alphabet: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let symbol = |at: usize| (0..bits).fold(0, |sum, step| 2 * sum + bit(at * bits + step));
    (0..(bytes.len() * 8).div_ceil(bits))
        .map(|at| char::from(alphabet[usize::from(symbol(at))]))
        .collect()
}

pub fn base32(bytes: &[u8]) -> String {
    symbols(bytes, 5, b"abcdefghijklmnopqrstuvwxyz234567")
}

pub fn base64(bytes: &[u8]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(*b"+/")
        .collect();
    let text = symbols(bytes, 6, &alphabet);
    let padding = (4 - text.len() % 4) % 4;
    text + &"="[..].repeat(padding)
}

pub fn lp(field: &[u8]) -> Vec<u8> {
    let length = u32::try_from(field.len()).expect("a short field");
    [&length.to_le_bytes(), field].concat()
}

pub fn lps(fields: &[&[u8]]) -> Vec<u8> {
    fields.iter().flat_map(|field| lp(field)).collect()
}

// --- The project ---

#[derive(Clone, Copy, PartialEq)]
pub struct Epoch(pub u32, pub [u8; 8]);

impl Epoch {
    pub fn text(self) -> String {
        format!("{}.{}", self.0, hex(&self.1))
    }

    pub fn bytes(self) -> [u8; 12] {
        [&self.0.to_le_bytes()[..], &self.1]
            .concat()
            .try_into()
            .expect("4 and 8 bytes")
    }
}

pub fn epoch(number: u32) -> Epoch {
    Epoch(number, short(&format!("epoch {number}")))
}

pub fn project() -> String {
    format!("kgp_{}", &base32(&short::<13>("project"))[..20])
}

pub fn other_project() -> String {
    format!("kgp_{}", &base32(&short::<13>("another project"))[..20])
}

pub fn project_key(epoch: Epoch) -> Key {
    Key::new(seed(&format!("project key of {}", epoch.text())))
}

/// Calls a derivation with the place of an epoch.
pub fn at<T>(project: &str, epoch: Epoch, derive: impl FnOnce(Place) -> T) -> T {
    derive(Place {
        project,
        epoch: epoch.bytes(),
    })
}

pub fn roster_key(project: &str, epoch: Epoch) -> Key {
    at(project, epoch, |place| {
        kdf::roster(&project_key(epoch), place)
    })
}

pub fn witness_key(project: &str, epoch: Epoch, member: &str) -> Key {
    kdf::witness(&roster_key(project, epoch), member)
}

pub fn env_key(project: &str, epoch: Epoch, env: &str) -> Key {
    at(project, epoch, |place| {
        kdf::env(&project_key(epoch), place, env)
    })
}

pub fn scope_key(project: &str, epoch: Epoch, kind: &str, service: &str, env: &str) -> Key {
    let key = env_key(project, epoch, env);
    at(project, epoch, |place| {
        kdf::scope(&key, place, env, service, kind)
    })
}

// --- People ---

#[derive(Clone)]
pub struct Person {
    pub name: &'static str,
    pub secret: [u8; 32],
    pub public: [u8; 32],
    pub id: String,
}

/// A person, made once: a public key takes long in a build for tests.
pub fn person(name: &'static str) -> Person {
    static PEOPLE: Mutex<BTreeMap<&str, Person>> = Mutex::new(BTreeMap::new());
    let mut people = PEOPLE.lock().expect("nobody panics with it");
    people
        .entry(name)
        .or_insert_with(|| new_person(name))
        .clone()
}

fn new_person(name: &'static str) -> Person {
    let secret = seed(&format!("secret key of {name}"));
    let public = wrap::public_key(&Key::new(secret));
    Person {
        name,
        secret,
        public,
        id: member_id(&public),
    }
}

pub fn member_id(public: &[u8; 32]) -> String {
    format!("kgm_{}", &base32(&hash::hash(public))[..20])
}

// --- kagi.json ---

#[derive(Clone)]
pub struct Config {
    pub format: u32,
    pub project: String,
    pub envs: Vec<String>,
    pub default_env: String,
    pub nested: bool,
    pub default_service: String,
    pub paths: Vec<(String, String)>,
    pub sync: String,
}

pub fn config() -> Config {
    Config {
        format: 1,
        project: project(),
        envs: vec!["development".into(), "production".into()],
        default_env: "development".into(),
        nested: false,
        default_service: "app".into(),
        paths: Vec::new(),
        sync: String::new(),
    }
}

pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for symbol in text.chars() {
        match symbol {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(symbol));
            }
            _ => out.push(symbol),
        }
    }
    out + "\""
}

/// A JSON array or object whose items are written already.
fn block(open: char, items: &[String], close: char, indent: &str) -> String {
    if items.is_empty() {
        return format!("{open}{close}");
    }
    let separator = format!(",\n{indent}  ");
    format!(
        "{open}\n{indent}  {}\n{indent}{close}",
        items.join(&separator)
    )
}

fn texts(items: &[String], indent: &str) -> String {
    let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
    block('[', &items, ']', indent)
}

/// An object of members whose values are written already.
pub fn object(members: &[(&str, String)], indent: &str) -> String {
    let items: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{}: {value}", quoted(name)))
        .collect();
    block('{', &items, '}', indent)
}

impl Config {
    pub fn json(&self) -> String {
        let paths: Vec<_> = self
            .paths
            .iter()
            .map(|(path, service)| (path.as_str(), quoted(service)))
            .collect();
        let members = [
            ("format", self.format.to_string()),
            ("project", quoted(&self.project)),
            ("envs", texts(&self.envs, "  ")),
            ("default_env", quoted(&self.default_env)),
            ("nested", self.nested.to_string()),
            ("default_service", quoted(&self.default_service)),
            ("paths", object(&paths, "  ")),
            ("sync", quoted(&self.sync)),
        ];
        object(&members, "") + "\n"
    }

    pub fn hash(&self) -> [u8; 32] {
        hash::hash(self.json().as_bytes())
    }
}

// --- access.json ---

#[derive(Clone)]
pub struct Member {
    pub id: String,
    pub public: [u8; 32],
    pub name: String,
    pub grants: Vec<String>,
    /// What the wrap holds; `None`: what the grants give.
    pub bundle: Option<Vec<u8>>,
    pub wrap: Vec<u8>,
    pub witnesses: Vec<(Epoch, [u8; 32])>,
    pub introduction: [u8; 32],
}

pub fn member(person: &Person, grants: &[&str]) -> Member {
    Member {
        id: person.id.clone(),
        public: person.public,
        name: person.name.into(),
        grants: grants.iter().map(|grant| (*grant).to_string()).collect(),
        bundle: None,
        wrap: Vec::new(),
        witnesses: Vec::new(),
        introduction: [0; 32],
    }
}

impl Member {
    /// What a witness or an introduction covers.
    pub fn vouch(&self, key: &Key, statement: &[u8; 32]) -> [u8; 32] {
        hash::mac(key, &lps(&[statement, &self.wrap]))
    }

    fn json(&self) -> String {
        let witnesses: Vec<_> = self
            .witnesses
            .iter()
            .map(|(epoch, mac)| format!("{} {}", epoch.text(), hex(mac)))
            .collect();
        let members = [
            ("id", quoted(&self.id)),
            ("name", quoted(&self.name)),
            ("public_key", quoted(&hex(&self.public))),
            ("grants", texts(&self.grants, "      ")),
            ("wrap", quoted(&base64(&self.wrap))),
            ("witnesses", texts(&witnesses, "      ")),
            ("introduction", quoted(&hex(&self.introduction))),
        ];
        object(&members, "    ")
    }
}

/// What a member could open before a rotation.
#[derive(Clone)]
pub struct Withdrawn {
    pub id: String,
    pub name: String,
    pub grants: Vec<String>,
    pub epoch: u32,
}

pub fn withdrawn(person: &Person, grants: &[&str], epoch: u32) -> Withdrawn {
    Withdrawn {
        id: person.id.clone(),
        name: person.name.into(),
        grants: grants.iter().map(|grant| (*grant).to_string()).collect(),
        epoch,
    }
}

impl Withdrawn {
    fn json(&self) -> String {
        let members = [
            ("id", quoted(&self.id)),
            ("name", quoted(&self.name)),
            ("grants", texts(&self.grants, "      ")),
            ("epoch", self.epoch.to_string()),
        ];
        object(&members, "    ")
    }
}

fn grants_field(grants: &[String]) -> Vec<u8> {
    let grants: Vec<_> = grants.iter().map(String::as_bytes).collect();
    lps(&grants)
}

#[derive(Clone)]
pub struct Roster {
    pub project: String,
    pub epoch: Epoch,
    pub sequence: u64,
    pub author: Person,
    pub config: [u8; 32],
    pub config_before: [u8; 32],
    pub members: Vec<Member>,
    pub removed: Vec<String>,
    pub withdrawn: Vec<Withdrawn>,
    pub seal: [u8; 32],
    /// The epochs before, whose roster keys the full members hold.
    pub earlier: Vec<Epoch>,
    pub envs: Vec<String>,
}

/// A roster that is not composed yet: its first member is a full one and its author.
pub fn roster(author: &Person, others: Vec<Member>) -> Roster {
    let mut members = others;
    members.push(member(author, &["*"]));
    members.sort_by(|one, next| one.id.cmp(&next.id));
    Roster {
        project: project(),
        epoch: epoch(3),
        sequence: 7,
        author: author.clone(),
        config: config().hash(),
        config_before: config().hash(),
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
        seal: [0; 32],
        earlier: vec![epoch(1), epoch(2)],
        envs: config().envs,
    }
}

impl Roster {
    pub fn statement(&self) -> [u8; 32] {
        let mut members = Vec::new();
        for member in &self.members {
            members.extend(lps(&[
                member.id.as_bytes(),
                &member.public,
                member.name.as_bytes(),
                &grants_field(&member.grants),
            ]));
        }
        let mut withdrawn = Vec::new();
        for one in &self.withdrawn {
            let grants = grants_field(&one.grants);
            withdrawn.extend(lps(&[one.id.as_bytes(), one.name.as_bytes(), &grants]));
            withdrawn.extend(one.epoch.to_le_bytes());
        }
        let removed: Vec<_> = self.removed.iter().map(String::as_bytes).collect();
        hash::hash(&lps(&[
            b"kagi-roster 1",
            self.project.as_bytes(),
            &self.epoch.bytes(),
            &self.sequence.to_le_bytes(),
            self.author.id.as_bytes(),
            &self.config,
            &self.config_before,
            &members,
            &lps(&removed),
            &withdrawn,
        ]))
    }

    /// The roster with all wraps and MACs.
    pub fn composed(mut self) -> Self {
        let statement = self.statement();
        let epochs: Vec<_> = self.earlier.iter().copied().chain([self.epoch]).collect();
        let seal_key = witness_key(&self.project, self.epoch, "");
        self.seal = hash::mac(&seal_key, &statement);
        let shell = self.clone();
        for member in &mut self.members {
            member.wrap = shell.wrap(member, &statement);
            member.witnesses = epochs
                .iter()
                .map(|epoch| {
                    let key = witness_key(&shell.project, *epoch, &member.id);
                    (*epoch, member.vouch(&key, &statement))
                })
                .collect();
            member.introduction = shell.introduction(member, &statement);
        }
        self
    }

    pub fn wrap(&self, member: &Member, aad: &[u8; 32]) -> Vec<u8> {
        let bundle = member.bundle.clone().unwrap_or_else(|| self.bundle(member));
        let ephemeral = Key::new(seed(&format!("ephemeral key for {}", member.id)));
        at(&self.project, self.epoch, |place| {
            wrap::seal(
                &ephemeral,
                &member.public,
                place,
                aad,
                &Secret::from_vec(bundle),
            )
        })
        .unwrap_or_default()
    }

    pub fn introduction(&self, member: &Member, statement: &[u8; 32]) -> [u8; 32] {
        let Some(shared) = wrap::agree(&Key::new(self.author.secret), &member.public) else {
            return [0; 32];
        };
        let key = at(&self.project, self.epoch, |place| {
            kdf::introduction(&shared, &self.author.public, &member.public, place)
        });
        member.vouch(&key, statement)
    }

    /// What the grants give.
    pub fn bundle(&self, member: &Member) -> Vec<u8> {
        if member.grants == ["*"] {
            return full_bundle(&self.project, self.epoch, &self.earlier);
        }
        let mut places = Vec::new();
        for grant in &member.grants {
            match grant.split_once('/') {
                Some(("*", env)) => places.push((env.to_string(), String::new())),
                Some((service, "*")) => {
                    let envs = self.envs.iter();
                    places.extend(envs.map(|env| (env.clone(), service.to_string())));
                }
                Some((service, env)) => places.push((env.to_string(), service.to_string())),
                None => {}
            }
        }
        places.sort();
        places.dedup();
        limited_bundle(&self.project, self.epoch, &member.id, &places)
    }

    pub fn json(&self) -> String {
        self.json_with("format", "1")
    }

    /// The file with one member's value replaced by a text as it stands.
    pub fn json_with(&self, name: &str, value: &str) -> String {
        let items: Vec<_> = self.members.iter().map(Member::json).collect();
        let withdrawn: Vec<_> = self.withdrawn.iter().map(Withdrawn::json).collect();
        let mut members = [
            ("format", "1".to_string()),
            ("project", quoted(&self.project)),
            ("epoch", quoted(&self.epoch.text())),
            ("sequence", self.sequence.to_string()),
            ("author", quoted(&self.author.id)),
            ("config", quoted(&hex(&self.config))),
            ("config_before", quoted(&hex(&self.config_before))),
            ("members", block('[', &items, ']', "  ")),
            ("removed", texts(&self.removed, "  ")),
            ("withdrawn", block('[', &withdrawn, ']', "  ")),
            ("seal", quoted(&hex(&self.seal))),
        ];
        for member in members.iter_mut().filter(|member| member.0 == name) {
            member.1 = value.to_string();
        }
        object(&members, "") + "\n"
    }
}

pub fn full_bundle(project: &str, epoch: Epoch, earlier: &[Epoch]) -> Vec<u8> {
    let count = u32::try_from(earlier.len()).expect("few epochs");
    let mut bundle = [&[1][..], project_key(epoch).expose(), &count.to_le_bytes()].concat();
    for epoch in earlier {
        bundle.extend(epoch.bytes());
        bundle.extend(roster_key(project, *epoch).expose());
    }
    bundle
}

pub fn limited_bundle(
    project: &str,
    epoch: Epoch,
    member: &str,
    places: &[(String, String)],
) -> Vec<u8> {
    let count = u32::try_from(places.len()).expect("few places");
    let state = at(project, epoch, |place| {
        kdf::state(&project_key(epoch), place)
    });
    let mut bundle = [
        &[2][..],
        state.expose(),
        witness_key(project, epoch, member).expose(),
        &count.to_le_bytes(),
    ]
    .concat();
    for (env, service) in places {
        bundle.extend(lps(&[env.as_bytes(), service.as_bytes()]));
        if service.is_empty() {
            bundle.extend(env_key(project, epoch, env).expose());
            continue;
        }
        for kind in ["values", "files"] {
            bundle.extend(scope_key(project, epoch, kind, service, env).expose());
        }
    }
    bundle
}

// --- Snapshots ---

#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    pub description: Vec<u8>,
    pub time: u64,
    pub author: Vec<u8>,
    pub writer: [u8; 8],
    pub version: u32,
    pub epoch: u32,
}

pub fn entry(name: &str, value: &str) -> Entry {
    Entry {
        name: name.into(),
        value: value.into(),
        description: Vec::new(),
        time: 1_767_225_600,
        author: person("alice").id.into(),
        writer: ZERO_ID,
        version: 1,
        epoch: 3,
    }
}

#[derive(Clone)]
pub struct Snapshot {
    pub version: u8,
    pub sequence: u64,
    pub ancestors: Vec<[u8; 8]>,
    pub entries: Vec<Entry>,
}

pub fn snapshot(sequence: u64, entries: &[Entry]) -> Snapshot {
    Snapshot {
        version: 1,
        sequence,
        ancestors: Vec::new(),
        entries: entries.to_vec(),
    }
}

/// Bytes with what they are.
pub type Labelled = Vec<(Vec<u8>, String)>;

impl Snapshot {
    /// The plaintext without its padding.
    pub fn fields(&self) -> Labelled {
        let count = |length: usize| {
            u32::try_from(length)
                .expect("few items")
                .to_le_bytes()
                .to_vec()
        };
        let mut out: Labelled = vec![
            (vec![self.version], "version".into()),
            (self.sequence.to_le_bytes().into(), "sequence number".into()),
            (count(self.ancestors.len()), "number of ancestors".into()),
        ];
        for ancestor in &self.ancestors {
            out.push((ancestor.to_vec(), "ancestor".into()));
        }
        out.push((count(self.entries.len()), "number of entries".into()));
        for entry in &self.entries {
            out.push((lp(&entry.name), "name".into()));
            out.push((lp(&entry.value), "value".into()));
            out.push((lp(&entry.description), "description".into()));
            out.push((entry.time.to_le_bytes().into(), "time".into()));
            out.push((lp(&entry.author), "author".into()));
            out.push((entry.writer.into(), "writer".into()));
            out.push((entry.version.to_le_bytes().into(), "version".into()));
            out.push((entry.epoch.to_le_bytes().into(), "epoch".into()));
        }
        out
    }

    pub fn padded(&self) -> Labelled {
        let mut fields = self.fields();
        let length: usize = fields.iter().map(|(bytes, _)| bytes.len()).sum();
        let padding = length.next_multiple_of(256) - length;
        if padding > 0 {
            fields.push((vec![0; padding], "padding".into()));
        }
        fields
    }

    pub fn plaintext(&self) -> Vec<u8> {
        joined(&self.padded())
    }
}

pub fn joined(fields: &Labelled) -> Vec<u8> {
    fields.iter().flat_map(|(bytes, _)| bytes.clone()).collect()
}

// --- Scope files ---

#[derive(Clone)]
pub struct Place7 {
    pub project: String,
    pub epoch: Epoch,
    pub kind: &'static str,
    pub service: &'static str,
    pub env: &'static str,
}

/// The scope that most vectors are about.
pub fn api() -> Place7 {
    Place7 {
        project: project(),
        epoch: epoch(3),
        kind: "values",
        service: "api",
        env: "production",
    }
}

impl Place7 {
    pub fn key(&self) -> Key {
        scope_key(&self.project, self.epoch, self.kind, self.service, self.env)
    }

    pub fn aad(&self) -> Vec<u8> {
        lps(&[
            b"kagi-scope 1",
            self.kind.as_bytes(),
            self.project.as_bytes(),
            &self.epoch.bytes(),
            self.env.as_bytes(),
            self.service.as_bytes(),
        ])
    }

    /// A box of a plaintext; its nonce is made of a word.
    pub fn seal(&self, nonce: &str, plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; 24] = short(&format!("nonce {nonce}"));
        let plaintext = Secret::copy_of(plaintext);
        let sealed = aead::seal(&self.key(), &nonce, &self.aad(), &plaintext);
        [&nonce[..], &sealed].concat()
    }

    pub fn line(&self, sealed: &[u8]) -> String {
        format!("box {} {}\n", self.epoch.text(), base64(sealed))
    }

    pub fn header(&self) -> String {
        format!(
            "kagi-scope 1 {} {}/{}\n",
            self.project, self.service, self.env
        )
    }
}

pub fn box_id(sealed: &[u8]) -> [u8; 8] {
    hash::hash(sealed)[..8].try_into().expect("8 bytes")
}

// --- Identities ---

pub fn identity_content(
    person: &Person,
    origin: Option<(&str, Epoch, &Key)>,
    anchors: &[&str],
) -> Vec<u8> {
    let mut content = person.secret.to_vec();
    match origin {
        None => content.extend(lp(b"")),
        Some((project, epoch, witness)) => {
            content.extend(lp(project.as_bytes()));
            content.extend(epoch.bytes());
            content.extend(witness.expose());
        }
    }
    for anchor in anchors {
        content.extend(lp(anchor.as_bytes()));
    }
    content
}

pub fn identity_text(content: &[u8]) -> String {
    format!("kagi_identity_v1_{}", checked(content))
}

pub fn checked(content: &[u8]) -> String {
    let checksum = &hash::hash(content)[..4];
    base32(&[content, checksum].concat())
}

/// The fields of a scope key, in order.
pub fn scope_key_content(project: &str, epoch: Epoch, service: &str, env: &str) -> Vec<u8> {
    let mut content = lp(project.as_bytes());
    content.extend(epoch.bytes());
    content.extend(lp(service.as_bytes()));
    content.extend(lp(env.as_bytes()));
    for kind in ["values", "files"] {
        content.extend(scope_key(project, epoch, kind, service, env).expose());
    }
    content
}

pub fn scope_key_text(content: &[u8]) -> String {
    format!("kagi_key_v1_{}", checked(content))
}

/// The identity of a person that knows nothing yet.
pub fn identity(person: &Person) -> String {
    identity_text(&identity_content(person, None, &[]))
}

pub fn identity_json(identity: &str, public: &[u8; 32]) -> String {
    let members = [
        ("identity", quoted(identity)),
        ("format", "1".into()),
        ("public_key", quoted(&hex(public))),
    ];
    object(&members, "") + "\n"
}

// --- Requests ---

#[derive(Clone)]
pub struct Request {
    pub format: u32,
    pub id: String,
    pub name: String,
    pub public_key: String,
}

pub fn request(person: &Person) -> Request {
    Request {
        format: 1,
        id: person.id.clone(),
        name: person.name.into(),
        public_key: hex(&person.public),
    }
}

impl Request {
    pub fn json(&self) -> String {
        let members = [
            ("format", self.format.to_string()),
            ("id", quoted(&self.id)),
            ("name", quoted(&self.name)),
            ("public_key", quoted(&self.public_key)),
        ];
        object(&members, "") + "\n"
    }
}

// --- Pins ---

#[derive(Clone)]
pub struct Pin {
    pub witness: String,
    pub format: u32,
    pub epoch: String,
    pub member: String,
    pub anchors: Vec<String>,
    pub sequences: Vec<(String, u64)>,
}

pub fn pin(person: &Person, epoch: Epoch) -> Pin {
    Pin {
        witness: hex(witness_key(&project(), epoch, &person.id).expose()),
        format: 1,
        epoch: epoch.text(),
        member: person.id.clone(),
        anchors: Vec::new(),
        sequences: Vec::new(),
    }
}

impl Pin {
    pub fn json(&self) -> String {
        let sequences: Vec<_> = self
            .sequences
            .iter()
            .map(|(scope, number)| (scope.as_str(), number.to_string()))
            .collect();
        let members = [
            ("witness", quoted(&self.witness)),
            ("format", self.format.to_string()),
            ("epoch", quoted(&self.epoch)),
            ("member", quoted(&self.member)),
            ("anchors", texts(&self.anchors, "  ")),
            ("sequences", object(&sequences, "  ")),
        ];
        object(&members, "") + "\n"
    }
}
