//! One target a parser: what it begins with, and what must hold of an input.
//!
//! A target says whether the input was accepted, and panics if something does not hold. For a format
//! that is: accepted means that it is written again as it was. Where a checksum or a tag comes first, the
//! input is what stands behind it, and is given its checksum or sealed anew.

use crate::seeds::{Vector, unhex};
use kagi::crypto::hash::hash;
use kagi::crypto::kdf;
use kagi::crypto::{aead, length_prefixed, wrap};
use kagi::format::config::Config;
use kagi::format::dotenv::{self, Format};
use kagi::format::json::{self, Deserialize, Serialize};
use kagi::format::key_text::{self, Identity, ScopeHolder};
use kagi::format::message::manifest::Manifest;
use kagi::format::message::token::{AdminToken, ProjectToken, ServerKeys, fingerprint};
use kagi::format::names::{
    Epoch, Grant, check_file_name, check_key, check_member_name, check_place, is_id,
};
use kagi::format::pin::{Pin, with_secret, without_secret};
use kagi::format::request::Request as JoinRequest;
use kagi::format::roster::Roster;
use kagi::format::scope_file::{self, ScopeKey, ScopeKind, ScopeName, SealedBox};
use kagi::format::snapshot::Snapshot;
use kagi::format::text::{BASE32, BASE64, HEX};
use kagi::keys::remote::KnownRemote;
use kagi::secret::{Key, Secret};
use kagi::sync::channel::{open_credential, open_request, read_frame, seal_request_with};
use kagi::sync::http;
use kagi::sync::protocol::{Request, Response, Rights};
use kagi::sync::remote::plain::receive;
use kagi::sync::remote::{Address, key_of_page};
use kagi::sync::store::audit::Line;
use kagi::sync::store::revision::{self, Header};
use kagi::sync::store::tokens::Token;
use kagi::team::{self, Known};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

const SUBJECT: &str = "the input";
const PROJECT: &str = "kgp_svqeph4nwxanvbuilnen";

pub struct Target {
    pub name: &'static str,
    /// The input that a vector gives, if it is one for this target.
    pub seed: fn(&Vector) -> Option<Vec<u8>>,
    /// Further inputs to begin with, and words.
    pub more: &'static [&'static str],
    /// True if the input was accepted.
    pub run: fn(&[u8]) -> bool,
    /// Inputs of the quick and of the full part, in thousands: as many as take about as long.
    pub thousands: (usize, usize),
}

macro_rules! targets {
    ($($name:ident, $quick:literal, $full:literal, $more:expr, $seed:expr;)*) => {
        pub const ALL: &[Target] = &[$(Target {
            name: stringify!($name),
            seed: $seed,
            more: $more,
            run: $name,
            thousands: ($quick, $full),
        }),*];
    };
}

targets! {
    base, 10, 300, &[], |vector| in_room(vector, "text")?.bytes("text");
    json_text, 5, 100, JSON, |vector| vector.bytes("kagi.json");
    names, 10, 300, &["secrets/api/production.enc", "3.d2f3e6de0f8b4656", "pull,push", "00000000000000000007"],
        |vector| in_room(vector, "names")?.bytes("text");
    config, 10, 150, &[], |vector| vector.bytes("kagi.json");
    roster, 5, 80, &[], |vector| vector.bytes("access.json");
    bundle, 1, 30, &[], |vector| Bundle::of(vector)?.plaintext();
    join_request, 10, 300, &[], |vector| vector.bytes("request.json");
    pin, 5, 150, &[], |vector| vector.bytes("pin.json");
    remote, 5, 150, &[], |vector| vector.bytes("remote.json");
    scope, 5, 100, &["=======\n<<<<<<< \n||||||| \n>>>>>>> \n"],
        |vector| vector.bytes("file").filter(|_| vector.room == "scope_file" || vector.room == "box");
    snapshot, 10, 300, &[MANY_ENTRIES], |vector| vector.bytes("plaintext").filter(|_| vector.room != "kdf");
    sealed, 1, 30, &[MANY_ENTRIES], |vector| vector.bytes("plaintext").filter(|_| vector.room != "kdf");
    identity, 3, 60, &[], |vector| key_content(vector, "identity", "kagi_identity_v1_");
    scope_key, 5, 150, &[], |vector| key_content(vector, "identity", "kagi_key_v1_");
    project_key, 5, 100, &[], |vector| {
        in_room(vector, "identity")?.bytes("text").filter(|_| vector.says("is", "project key"))
    };
    project_token, 5, 150, &[], |vector| key_content(vector, "protocol", "kagi_proj_v1_");
    admin_token, 5, 150, &[], |vector| key_content(vector, "protocol", "kagi_admin_v1_");
    server_keys, 2, 50, &[], |vector| key_content(vector, "protocol", "kagi_server_v1_");
    manifest, 10, 250, &[], |vector| in_room(vector, "protocol")?.bytes("manifest");
    request, 10, 300, &[], |vector| said(vector, "request", "message");
    response, 10, 300, &[], |vector| said(vector, "response", "message");
    channel, 1, 20, &[], |vector| {
        said(vector, "request to open", "request").or_else(|| said(vector, "request", "message"))
    };
    waiting, 1, 40, &[], |vector| vector.bytes("secret").filter(|secret| secret.len() == 64).map(|hex| unhex(text(&hex).unwrap_or("")));
    frame, 10, 200, &["\x05\0\0\0kagi-\x02\0\0\0ok"], |vector| said(vector, "request", "message");
    http_request, 10, 300, HTTP, |_| None;
    http_answer, 10, 300, ANSWERS, |_| None;
    address, 10, 300, ADDRESSES, |vector| vector.bytes("remote");
    server_page, 5, 100, &[], |vector| vector.bytes("server");
    token_record, 10, 200, TOKENS, |_| None;
    revision_header, 10, 200, HEADERS, |vector| in_room(vector, "protocol")?.bytes("manifest");
    audit, 10, 300, &[AUDIT], |_| None;
    dotenv_read, 10, 300, DOTENV, |_| None;
    dotenv_written, 3, 120, DOTENV, |vector| in_room(vector, "names")?.bytes("text");
    template, 10, 300, &["A={{ A }}\nB={{api/production/B}} {{{{ }}\n{{\t\u{e9} }}\n"], |_| None;
}

const HTTP: &[&str] = &[
    "GET /healthz HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
    "GET /v1/server-key HTTP/1.0\r\n\r\n",
    "POST /v1/rpc HTTP/1.1\r\nHost: [::1]\r\nContent-Type: application/octet-stream\r\n\
     Content-Length: 4\r\nX-Forwarded-For: 10.0.0.1, ::1\r\n\r\nbody",
    "POST /v1/rpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n folded\r\n\r\n",
];
const ANSWERS: &[&str] = &[
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
    "HTTP/1.1 413\r\ncontent-length: 20000000\r\ntransfer-encoding: chunked\r\n\r\n",
];
const JSON: &[&str] = &[
    "{\n  \"a\": [\n    1,\n    18446744073709551615\n  ],\n  \"b\": []\n}\n",
    "[\n  {\n    \"\\\"\\\\\\n\\u0001\": \"\u{e9}\"\n  },\n  {}\n]\n",
    "[\n  true,\n  null,\n  -9223372036854775808\n]\n",
];
const ADDRESSES: &[&str] = &[
    "https://kagi.example:8443/team/store/",
    "HTTP://[::ffff:127.0.0.1]:80",
    "ssh://git-1@store.example:22/srv/~kagi/a+b",
    "file:///srv/kagi/../store",
    "./store",
];
const TOKENS: &[&str] = &[
    "\x0c\0\0\0kagi-token 1\x18\0\0\0kgt_fyfftnxnrcjyuw2ormjqhash-of-the-secret-of-the-token:\
     \x18\0\0\0kgp_svqeph4nwxanvbuilnen\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
     \x18\0\0\0kgm_frov7yj7kgq4a4peqxto\x03\0\0\0ana\x06\0\0\0sealed",
];
const HEADERS: &[&str] = &[
    "\0\0\0\0\0\0\0\0\x18\0\0\0kgt_fyfftnxnrcjyuw2ormjq\x09\0\0\0127.0.0.1\x08\0\0\0manifest\
     \x01\0\0\0hash-of-a-blob-that-has-8-bytes:\x08\0\0\0",
];
/// One that claims 20,000 entries, and has none.
const MANY_ENTRIES: &str = "\x01\x01\0\0\0\0\0\0\0\0\0\0\0\x20\x4e\0\0";
const AUDIT: &str = "7 1798761600 kgt_fyfftnxnrcjyuw2ormjq 127.0.0.1 push kgp_svqeph4nwxanvbuilnen \
    revision=3 79e721d35c171444752409c486260c8a79e721d35c171444752409c486260c8a";
const DOTENV: &[&str] = &[
    "# what it is for\nexport A=b # c\nB = 'x\ny'\nC=\"a\\n\\\"\\\\$ \\r\"\nD=`e`\n",
    "\u{feff}A=#b\r\nA=\r\n\r\nB-c.d=e#f\nexport=1\nexport B='\\'\nC=\"\\t${A}\"  # d\n",
    "A='it'\nB=\"it's\"\nC=\"a!b\"\nD=\"\\\\\\\\\"\nE=\u{e4}\n",
];

// --- What vectors give ---

fn in_room<'a>(vector: &'a Vector, room: &str) -> Option<&'a Vector> {
    (vector.room == room).then_some(vector)
}

fn said(vector: &Vector, is: &str, field: &str) -> Option<Vec<u8>> {
    vector.bytes(field).filter(|_| vector.says("is", is))
}

/// The text of a key, or what its base32 stands for without the checksum: both are inputs.
fn key_content(vector: &Vector, room: &str, prefix: &str) -> Option<Vec<u8>> {
    let text = in_room(vector, room)?.bytes("text")?;
    let body = text.trim_ascii().strip_prefix(prefix.as_bytes())?;
    let bytes = std::str::from_utf8(body)
        .ok()
        .and_then(|body| BASE32.decode(body));
    let content = bytes.and_then(|bytes| {
        let (content, _) = bytes.expose().split_last_chunk::<4>()?;
        Some(content.to_vec())
    });
    // An even line number keeps its checksum: so both ways are gone from the start.
    content
        .filter(|content| content.len() % 4 != 0)
        .or(Some(text))
}

fn secret_key(what: &str) -> Key {
    Key::new(hash(what.as_bytes()))
}

fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// Demands that what was accepted is written as it came.
fn again(input: &[u8], written: Option<impl AsRef<[u8]>>) -> bool {
    let Some(written) = written else { return false };
    assert!(
        written.as_ref() == input,
        "accepted, but written differently"
    );
    true
}

fn exposed(secret: &Secret) -> Vec<u8> {
    secret.expose().to_vec()
}

// --- Texts and names ---

fn base(input: &[u8]) -> bool {
    let Some(text) = text(input) else {
        return false;
    };
    [&BASE32, &BASE64, &HEX].into_iter().any(|encoding| {
        let bytes = encoding.decode(text);
        again(input, bytes.map(|bytes| encoding.encode(bytes.expose())))
    })
}

fn names(input: &[u8]) -> bool {
    let Some(text) = text(input) else {
        return false;
    };
    let epoch = Epoch::parse(text);
    let mut accepted = again(input, epoch.map(|epoch| epoch.to_string()));
    accepted |= again(input, Grant::parse(text).map(|grant| grant.to_string()));
    accepted |= again(input, ScopeName::of_file(text).map(|name| name.file()));
    for kind in ScopeKind::ALL {
        accepted |= again(input, ScopeName::parse(kind, text).map(|name| name.place()));
    }
    let path = revision::number_of(text).map(|number| revision::path(Path::new(""), number));
    accepted |= again(
        input,
        path.as_deref()
            .and_then(Path::file_name)
            .map(OsStr::as_encoded_bytes),
    );
    if let Some(rights) = Rights::parse(text) {
        assert!(
            Rights::parse(&rights.words()) == Some(rights),
            "other rights"
        );
        accepted = true;
    }
    if check_file_name(text).is_ok() {
        assert_is_below(text);
        accepted = true;
    }
    let is_plain = |name: &str| !name.chars().any(char::is_control);
    for is_name in [check_place(text), check_key(text), check_member_name(text)] {
        assert!(
            is_name.is_err() || is_plain(text),
            "a name that is not printable"
        );
        accepted |= is_name.is_ok();
    }
    accepted | is_id("kgp_", text)
}

/// A path that stays below the directory that it is put in, on every system.
fn assert_is_below(path: &str) {
    let is_part =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0', ':']);
    assert!(
        path.split('/').all(is_part),
        "a path that may leave its directory"
    );
}

// --- JSON ---

/// JSON of every kind that kagi's files are made of; and what kagi writes is read.
fn json_text(input: &[u8]) -> bool {
    fn accepts<T: Serialize + Deserialize>(input: &[u8]) -> bool {
        let value = json::read::<T>(SUBJECT, input, input.len()).ok();
        again(input, value.map(|value| json::write(&value)))
    }
    // A part of it: what is escaped takes six times as much. A first key `format` would mean something.
    if let Some(text) = text(input).and_then(|text| text.get(..text.len() / 8)) {
        let value = BTreeMap::from([(format!("a{text}"), vec![text.to_string()])]);
        let written = json::write(&value);
        let back = json::read(SUBJECT, written.as_bytes(), written.len());
        assert!(
            back.is_ok_and(|back: BTreeMap<String, Vec<String>>| back == value),
            "another value"
        );
    }
    accepts::<BTreeMap<String, Vec<u64>>>(input)
        | accepts::<Vec<BTreeMap<String, String>>>(input)
        | accepts::<Vec<Option<i64>>>(input)
        | accepts::<Vec<bool>>(input)
}

fn config(input: &[u8]) -> bool {
    again(
        input,
        Config::read(SUBJECT, input)
            .ok()
            .map(|config| config.write()),
    )
}

fn roster(input: &[u8]) -> bool {
    let Ok(roster) = Roster::read(SUBJECT, input) else {
        return false;
    };
    let key = secret_key("project");
    let _ = team::accept_project_key(SUBJECT, &roster, &roster.config, key);
    again(input, Some(roster.write()))
}

fn join_request(input: &[u8]) -> bool {
    again(
        input,
        JoinRequest::read(SUBJECT, input)
            .ok()
            .map(|request| request.write()),
    )
}

fn pin(input: &[u8]) -> bool {
    again(
        input,
        Pin::read(SUBJECT, input)
            .ok()
            .map(|pin| exposed(&pin.write())),
    )
}

/// Of a token that is in the keychain (FORMAT 11.7) the reader says nothing, and none is written.
fn remote(input: &[u8]) -> bool {
    let Ok(remote) = KnownRemote::read(SUBJECT, input) else {
        return false;
    };
    let (token, rest) = without_secret("token", input).expect("it was read");
    let without = with_secret(
        "token",
        &Secret::default(),
        text(&rest).expect("it was read"),
    );
    let is_elsewhere = token.starts_with("keychain:");
    let input = if is_elsewhere {
        without.expose()
    } else {
        input
    };
    again(input, Some(exposed(&remote.write())))
}

/// A roster, and a member of it that has pinned its epoch: the member's wrap is made anew, and vouched for.
struct Bundle {
    roster: Roster,
    config: [u8; 32],
    secret: Key,
    witness: Key,
    known: Epoch,
}

impl Bundle {
    fn of(vector: &Vector) -> Option<Self> {
        let vector = in_room(vector, "accept")?;
        let is_pinned = |bundle: &Bundle| bundle.known == bundle.roster.epoch;
        let key = |name| Key::from_slice(&unhex(text(&vector.bytes(name)?)?));
        let bundle = Bundle {
            roster: Roster::read(SUBJECT, &vector.bytes("access.json")?).ok()?,
            config: hash(&vector.bytes("kagi.json")?),
            secret: key("secret")?,
            witness: key("witness")?,
            known: Epoch::parse(text(&vector.bytes("known_epoch")?)?)?,
        };
        Some(bundle).filter(is_pinned)
    }

    /// A full member and a limited one.
    fn two() -> Vec<Self> {
        let vectors = crate::seeds::vectors();
        let one = |is_full: bool| {
            vectors
                .iter()
                .filter_map(Bundle::of)
                .find_map(|mut bundle| {
                    let is_meant = bundle.roster.members[bundle.at()?].is_full() == is_full;
                    let plaintext = bundle.plaintext()?;
                    (is_meant && bundle.accepts(&plaintext)).then_some(bundle)
                })
        };
        [true, false]
            .map(|is_full| one(is_full).expect("a vector of such a member"))
            .into()
    }

    fn at(&self) -> Option<usize> {
        let public = wrap::public_key(&self.secret);
        self.roster
            .members
            .iter()
            .position(|member| member.public == public)
    }

    fn plaintext(&self) -> Option<Vec<u8>> {
        let member = &self.roster.members[self.at()?];
        let (place, aad) = (self.roster.place(), self.roster.statement());
        let opened = wrap::open(&self.secret, &member.public, place, &aad, &member.wrap)?;
        Some(exposed(&opened))
    }

    fn accepts(&mut self, plaintext: &[u8]) -> bool {
        let Some(at) = self.at() else { return false };
        let public = self.roster.members[at].public;
        let (place, aad) = (self.roster.place(), self.roster.statement());
        let keys = Secret::copy_of(plaintext);
        let sealed = wrap::seal(&secret_key("ephemeral"), &public, place, &aad, &keys);
        self.roster.members[at].wrap = sealed.expect("a good key");
        let vouched = self.roster.members[at].vouch(&self.witness, &aad);
        self.roster.members[at].witnesses = vec![(self.known, vouched)];
        let identity = Identity::new(self.secret.duplicate());
        let known = Known {
            witness: Some((self.known, &self.witness)),
            anchors: &[],
            confirm: &|_| false,
        };
        team::accept(SUBJECT, &self.roster, &self.config, &identity, &known).is_ok()
    }
}

/// A wrap's plaintext, for a full member and for a limited one.
fn bundle(input: &[u8]) -> bool {
    thread_local!(static BUNDLES: RefCell<Vec<Bundle>> = RefCell::new(Bundle::two()));
    // To seal what is long, without an optimising compiler, only takes time.
    let input = &input[..input.len().min(16 * 1024)];
    BUNDLES.with_borrow_mut(|bundles| {
        bundles
            .iter_mut()
            .fold(false, |accepted, one| one.accepts(input) | accepted)
    })
}

// --- Scopes ---

/// A scope file may hold more than is written; but without what Git leaves and what is for people it is
/// written as it was.
fn scope(input: &[u8]) -> bool {
    let (project, name) = scope_file::claimed_place(input)
        .unwrap_or_else(|| (PROJECT.into(), ScopeName::values("api", "production")));
    let Ok(read) = scope_file::read(SUBJECT, input, &project, &name) else {
        return false;
    };
    let text = text(input).expect("it was read");
    let mut kept = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("box ")) {
        if !kept.contains(&line) {
            kept.push(line);
        }
    }
    let written = scope_file::write(&project, &name, &Snapshot::default(), &read.boxes);
    let has_boxes = written.lines().skip(1).eq(kept);
    assert!(has_boxes, "other boxes are written than were read");
    let _ = scope_file::index(input);
    true
}

/// As long as a plaintext must be, if it is not: most changes make it longer or shorter.
fn padded(input: &[u8]) -> Vec<u8> {
    let end = input
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    let mut padded = input[..end].to_vec();
    padded.resize(end.next_multiple_of(256).max(256), 0);
    padded
}

fn snapshot(input: &[u8]) -> bool {
    let decode = |bytes: &[u8]| {
        ScopeKind::ALL.into_iter().fold(false, |accepted, kind| {
            let snapshot = Snapshot::decode(Secret::copy_of(bytes), kind);
            again(bytes, snapshot.map(|snapshot| exposed(&snapshot.encode()))) | accepted
        })
    };
    decode(input) | (!input.len().is_multiple_of(256) && decode(&padded(input)))
}

/// The same inside a box, sealed under a key that the reader has.
fn sealed(input: &[u8]) -> bool {
    let plaintext = padded(input);
    let name = ScopeName::values("api", "production");
    let epoch = Epoch {
        number: 3,
        id: [7; 8],
    };
    let key = || ScopeKey {
        key: secret_key("scope"),
        project: PROJECT,
        epoch,
        name: &name,
    };
    let aad = length_prefixed(&[
        b"kagi-scope 1",
        b"values",
        PROJECT.as_bytes(),
        &epoch.to_bytes(),
        b"production",
        b"api",
    ]);
    let text = Secret::copy_of(&plaintext);
    let body = aead::seal_after(&[9; 24], &secret_key("scope"), &[9; 24], &aad, &text);
    let file = format!(
        "kagi-scope 1 {PROJECT} api/production\nbox {epoch} {}\n",
        BASE64.encode(&body)
    );
    let read = scope_file::read(SUBJECT, file.as_bytes(), PROJECT, &name);
    let Some(boxes) = read.ok().map(|read| read.boxes) else {
        return false;
    };
    let Some(snapshot) = boxes[0].open(&key()) else {
        return false;
    };
    let sealed = SealedBox::seal(&key(), [9; 24], &snapshot);
    let written = scope_file::write(PROJECT, &name, &Snapshot::default(), &[sealed]);
    again(file.as_bytes(), Some(written))
}

// --- Keys and tokens as text ---

/// Reads the input as the text that it is or, with prefix and checksum put to it, as its content.
fn keyed(input: &[u8], prefix: &str, read: impl Fn(&Secret) -> Option<Vec<u8>>) -> bool {
    let input = if input.starts_with(b"kagi_") {
        input.to_vec()
    } else {
        let content = [input, &hash(input)[..4]].concat();
        format!("{prefix}{}", BASE32.encode(&content)).into_bytes()
    };
    let written = read(&Secret::copy_of(&input));
    again(
        input.trim_ascii(),
        written.as_deref().map(<[u8]>::trim_ascii),
    )
}

fn identity(input: &[u8]) -> bool {
    keyed(input, "kagi_identity_v1_", |text| {
        let identity = Identity::from_text(SUBJECT, text.expose_str(SUBJECT).ok()?, None).ok()?;
        let paper =
            Identity::from_paper(SUBJECT, &key_text::paper(&identity)).expect("its own paper");
        assert!(
            paper.to_text().expose() == identity.to_text().expose(),
            "paper says something else"
        );
        Some(exposed(&identity.to_text()))
    })
}

fn scope_key(input: &[u8]) -> bool {
    keyed(input, "kagi_key_v1_", |text| {
        Some(exposed(
            &ScopeHolder::from_text(SUBJECT, text).ok()?.to_text(),
        ))
    })
}

fn project_key(input: &[u8]) -> bool {
    let key = key_text::project_key(SUBJECT, &Secret::copy_of(input)).ok();
    again(input.trim_ascii(), key.map(|key| HEX.encode(key.expose())))
}

fn project_token(input: &[u8]) -> bool {
    keyed(input, "kagi_proj_v1_", |text| {
        let text = text.expose_str(SUBJECT).ok()?;
        Some(exposed(
            &ProjectToken::from_text(SUBJECT, text).ok()?.to_text(),
        ))
    })
}

fn admin_token(input: &[u8]) -> bool {
    keyed(input, "kagi_admin_v1_", |text| {
        let text = text.expose_str(SUBJECT).ok()?;
        Some(exposed(
            &AdminToken::from_text(SUBJECT, text).ok()?.to_text(),
        ))
    })
}

fn server_keys(input: &[u8]) -> bool {
    keyed(input, "kagi_server_v1_", |text| {
        Some(exposed(
            &ServerKeys::from_text(SUBJECT, text).ok()?.to_text(),
        ))
    })
}

// --- What goes over the network ---

fn manifest(input: &[u8]) -> bool {
    let Ok(manifest) = Manifest::decode(SUBJECT, input) else {
        return false;
    };
    for file in &manifest.files {
        assert_is_below(&file.path);
    }
    again(input, Some(manifest.encode()))
}

fn request(input: &[u8]) -> bool {
    again(
        input,
        Request::decode(input).map(|request| exposed(&request.encode())),
    )
}

fn response(input: &[u8]) -> bool {
    again(
        input,
        Response::decode(input).map(|response| exposed(&response.encode())),
    )
}

/// The input as an envelope, and inside one: request there, response back.
fn channel(input: &[u8]) -> bool {
    let server = secret_key("server");
    let public = wrap::public_key(&server);
    assert!(
        open_request(&server, &public, input).is_none(),
        "nobody made this envelope"
    );
    let message = Secret::copy_of(input);
    let sealed = seal_request_with(secret_key("ephemeral"), &public, &message);
    let (envelope, expecting) = sealed.expect("a good key");
    let (opened, answering) = open_request(&server, &public, &envelope).expect("its own envelope");
    let answer = answering.seal(&opened).expect("random bytes");
    let answer = expecting.open(&answer).expect("its own answer");
    assert!(expecting.open(input).is_none(), "nobody made this answer");
    assert!(answer.expose() == input, "another message arrives");
    true
}

/// A token that waits for its member, sealed to it.
fn waiting(input: &[u8]) -> bool {
    // A token is short; to seal what is long only takes time.
    let input = &input[..input.len().min(1024)];
    let (member, secret) = ("kgm_frov7yj7kgq4a4peqxto", secret_key("member"));
    let (public, ephemeral) = (wrap::public_key(&secret), secret_key("ephemeral"));
    let head = wrap::public_key(&ephemeral);
    let shared = wrap::agree(&ephemeral, &public).expect("a good key");
    let key = kdf::token(&shared, &head, &public, PROJECT);
    let aad = length_prefixed(&[PROJECT.as_bytes(), member.as_bytes()]);
    let open = |text: &[u8]| {
        let sealed = aead::seal_after(&head, &key, &[0; 24], &aad, &Secret::copy_of(text));
        let credential = open_credential(member, &secret, &public, PROJECT, &sealed)?;
        Some(
            length_prefixed(&[credential.id.as_bytes()])
                .into_iter()
                .chain(*credential.secret.expose())
                .collect::<Vec<_>>(),
        )
    };
    let made = [
        length_prefixed(&[b"kgt_fyfftnxnrcjyuw2ormjq"]),
        input.to_vec(),
    ]
    .concat();
    again(input, open(input)) | again(&made, open(&made))
}

fn frame(input: &[u8]) -> bool {
    let (mut rest, mut written) = (input, Vec::new());
    while let Ok(Some(bytes)) = read_frame(&mut rest, 64 * 1024) {
        written.extend(kagi::sync::channel::frame(&bytes));
    }
    assert!(input.starts_with(&written), "other frames than were read");
    !written.is_empty()
}

/// A request, whole and as it may arrive in pieces: one verdict.
fn http_request(input: &[u8]) -> bool {
    const BODY_BYTES_MAX: usize = 1 << 20;
    let verdict = |head: Result<Option<http::Head>, http::Status>| match head {
        Ok(head) => Ok(head.map(|head| (head.route, head.begin, head.end, head.forwarded_for))),
        Err(status) => Err(status),
    };
    let whole = verdict(http::Parser::new(BODY_BYTES_MAX).read(input));
    let mut parser = http::Parser::new(BODY_BYTES_MAX);
    let step = usize::from(input.first().copied().unwrap_or(0)) % 13 + 1;
    let last = input.len().min(http::HEAD_BYTES_MAX + step);
    let mut pieces = (0..last)
        .step_by(step)
        .map(|end| verdict(parser.read(&input[..end])));
    let early = pieces.find(|verdict| *verdict != Ok(None));
    let in_pieces = early.unwrap_or_else(|| verdict(parser.read(input)));
    assert!(
        in_pieces == whole,
        "in pieces it means {in_pieces:?}, whole {whole:?}"
    );
    let Ok(Some((_, begin, end, _))) = whole else {
        return false;
    };
    assert!(begin <= input.len() && begin <= end && end - begin <= BODY_BYTES_MAX);
    true
}

/// What a client makes of a server's answer.
fn http_answer(input: &[u8]) -> bool {
    let mut rest = input;
    let Ok((code, body)) = receive(&mut rest) else {
        return false;
    };
    assert!(
        code >= 200 && input.ends_with(&[&body, rest].concat()),
        "another body"
    );
    true
}

/// Where a remote is: it has one text, which means nothing else to `curl`, `ssh` and a shell.
fn address(input: &[u8]) -> bool {
    let Some(Ok(address)) = text(input).map(Address::parse) else {
        return false;
    };
    let text = address.text();
    let same = Address::parse(text).is_ok_and(|same| same.text() == text);
    assert!(same, "its own text is another address");
    if let Some((scheme, rest)) = text.split_once("://") {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+=,:@/[]".contains(&byte);
        assert!(
            rest.bytes().all(is_plain),
            "it means something to another program"
        );
        let host = rest
            .split('/')
            .next()
            .and_then(|place| place.rsplit('@').next());
        assert!(
            host.is_some_and(|host| !host.starts_with('-') && !rest.starts_with('-')),
            "an option"
        );
        assert!(
            scheme == "ssh"
                || !rest
                    .split('/')
                    .next()
                    .is_some_and(|place| place.contains('@')),
            "a user"
        );
    }
    true
}

/// What a server says its key is, as it comes or with the fingerprint put to it.
fn server_page(input: &[u8]) -> bool {
    let page = |key: [u8; 32]| format!("{} {}\n", HEX.encode(&key), fingerprint(&key));
    let given = match text(input).and_then(|text| HEX.decode(text.trim_end())) {
        Some(bytes) => bytes
            .expose()
            .try_into()
            .map(page)
            .unwrap_or_default()
            .into_bytes(),
        None => input.to_vec(),
    };
    again(&given, key_of_page(&given).map(page))
}

// --- What the server keeps ---

fn token_record(input: &[u8]) -> bool {
    let record = [input, &hash(input)].concat();
    again(&record, Token::decode(&record).map(|token| token.encode()))
}

fn revision_header(input: &[u8]) -> bool {
    again(input, Header::parse(input).map(|header| header.encode()))
}

fn audit(input: &[u8]) -> bool {
    let line = text(input).and_then(Line::parse);
    line.is_some_and(|line| {
        assert!(
            input.ends_with(HEX.encode(&line.hash).as_bytes()),
            "another hash"
        );
        true
    })
}

// --- Texts of other programs ---

/// A `.env` file: what was read is read alike from what kagi writes, for programs and for people.
fn dotenv_read(input: &[u8]) -> bool {
    let Ok(parsed) = dotenv::parse(SUBJECT, input) else {
        return false;
    };
    for one in &parsed.assignments {
        assert_reads_back(&one.name, one.value.expose());
    }
    let mut edited = Secret::default();
    for one in &parsed.assignments {
        let value = one.value.expose_str(SUBJECT).expect("text");
        dotenv::editable(&mut edited, &one.name, value, &one.description);
    }
    let back = dotenv::parse(SUBJECT, edited.expose()).expect("what kagi writes");
    assert!(
        parsed.assignments.len() == back.assignments.len(),
        "as many keys"
    );
    for (one, back) in parsed.assignments.iter().zip(&back.assignments) {
        assert!(
            one.name == back.name && one.value.expose() == back.value.expose(),
            "edited"
        );
        assert!(one.description == back.description, "another description");
    }
    true
}

fn assert_reads_back(name: &str, value: &[u8]) -> bool {
    let Ok(text) = dotenv::write(Format::Dotenv, "", [(name, value)].into_iter()) else {
        return false;
    };
    let back = dotenv::parse(SUBJECT, text.expose()).expect("what kagi writes");
    let [one] = &back.assignments[..] else {
        panic!("one key was written")
    };
    assert!(
        one.name == name && one.value.expose() == value,
        "it is read back differently"
    );
    true
}

/// Any value, in every format that there is; `.env` is read back.
fn dotenv_written(input: &[u8]) -> bool {
    for (_, format, _) in Format::NAMED {
        let _ = dotenv::write(format, "label", [("A", input)].into_iter());
    }
    assert_reads_back("A", input)
}

/// A template: its parts, put together, are the template.
fn template(input: &[u8]) -> bool {
    use kagi::cli::render::{Piece, next_piece};
    let mut rest = input;
    while !rest.is_empty() {
        let before = rest;
        let Some(piece) = next_piece(&mut rest) else {
            return false;
        };
        let taken = &before[..before.len() - rest.len()];
        match piece {
            Piece::Text(text) => assert!(taken == text || taken == b"{{{{", "another text"),
            Piece::Name(name) => {
                let inside = taken
                    .strip_prefix(b"{{")
                    .and_then(|text| text.strip_suffix(b"}}"));
                assert!(
                    !name.contains('\n') && inside.is_some(),
                    "no name stands there"
                );
            }
        }
        assert!(!taken.is_empty(), "it stands still");
    }
    true
}
