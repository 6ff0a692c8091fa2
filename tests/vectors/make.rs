//! Every vector. Fixed keys, nonces and times; each differs from an accepted one in one place.
//! The long functions are tables, a vector a row, and are not reformatted.

use crate::world::{
    self, Epoch, Labelled, Member, Person, Place7, Roster, Withdrawn, api, base64, box_id, config,
    entry, epoch, hex, joined, lp, lps, member, person, pin, project, project_key, raw, roster,
    seed, short, snapshot, withdrawn, witness_key,
};
use crate::{Field, Vector};
use kagi::crypto::kdf::{self, Place};
use kagi::crypto::{aead, hash, wrap};
use kagi::secret::{Key, Secret};
use std::collections::BTreeSet;

pub fn all() -> Vec<Vector> {
    let rooms = [
        texts(),
        places(),
        other_names(),
        file_names(),
        unprintable(),
        derivations(),
        wraps(),
        rosters(),
        roster_members(),
        acceptance(),
        accepted_bundles(),
        accepted_epochs(),
        rotations(),
        compositions(),
        withdrawals(),
        requests(),
        configs(),
        scope_files(),
        boxes(),
        snapshots(),
        snapshot_entries(),
        snapshots_of_files(),
        joins(),
        conflicts(),
        other_joins(),
        epochs_of_values(),
        rotated_joins(),
        identities(),
        scope_keys(),
        scope_key_holders(),
        papers(),
        pins(),
        devices(),
        opened(),
        opened_after_rotation(),
        found_requests(),
        crate::make_protocol::all(),
    ];
    rooms.into_iter().flatten().collect()
}

// --- Writing a vector ---

pub fn accept(path: &str, rule: &str, what: &str) -> Vector {
    Vector::new(path, rule, "accept", what)
}

pub fn reject(path: &str, rule: &str, kind: &str, what: &str) -> Vector {
    Vector::new(path, rule, &format!("reject {kind}"), what)
}

fn field(name: &str, value: &str) -> Field {
    let is_plain = |symbol: char| symbol.is_ascii_graphic() || symbol == ' ';
    let fits = !value.is_empty() && value.trim() == value && value.chars().all(is_plain);
    let lines = if fits {
        vec![format!(" {value}")]
    } else {
        lines_of(value)
    };
    Field {
        name: name.into(),
        lines,
    }
}

fn lines_of(text: &str) -> Vec<String> {
    let is_plain =
        |symbol: char| symbol == ' ' || !symbol.is_whitespace() && !is_unprintable(symbol);
    let lines = text.split_inclusive('\n');
    lines
        .map(|line| {
            let body = line.strip_suffix('\n').unwrap_or(line);
            match (body.chars().all(is_plain), body.len() < line.len()) {
                (false, _) => format!("#{}", hex(line.as_bytes())),
                (true, true) => format!("|{body}"),
                (true, false) => format!("!{body}"),
            }
        })
        .collect()
}

fn hex_lines(bytes: &[u8]) -> Vec<String> {
    let chunks = bytes.chunks(32);
    chunks.map(|chunk| format!("#{}", hex(chunk))).collect()
}

/// Bytes with notes; many equal bytes as one line.
pub fn noted(fields: &Labelled) -> Vec<String> {
    let mut lines = Vec::new();
    for (bytes, note) in fields {
        if bytes.len() > 32 && bytes.iter().all(|byte| *byte == bytes[0]) {
            lines.push(format!("*{} {:02x}  {note}", bytes.len(), bytes[0]));
            continue;
        }
        for (at, chunk) in bytes.chunks(32).enumerate() {
            let note = if at == 0 {
                format!("  {note}")
            } else {
                String::new()
            };
            lines.push(format!("#{}{note}", hex(chunk)));
        }
    }
    lines
}

impl Vector {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.inputs.push(field(name, value));
        self
    }

    pub fn with_hex(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, &hex(bytes))
    }

    /// A block of lines that are written already.
    pub fn with_lines(mut self, name: &str, lines: Vec<String>) -> Self {
        self.inputs.push(Field {
            name: name.into(),
            lines,
        });
        self
    }

    pub fn with_text(self, name: &str, text: &str) -> Self {
        self.with_lines(name, lines_of(text))
    }

    pub fn with_bytes(self, name: &str, bytes: &[u8]) -> Self {
        self.with_lines(name, hex_lines(bytes))
    }

    pub fn gives(mut self, name: &str, value: &str) -> Self {
        self.outputs.push(field(name, value));
        self
    }

    pub fn gives_text(mut self, name: &str, text: &str) -> Self {
        let (name, lines) = (name.into(), lines_of(text));
        self.outputs.push(Field { name, lines });
        self
    }

    pub fn gives_hex(self, name: &str, bytes: &[u8]) -> Self {
        self.gives(name, &hex(bytes))
    }
}

// --- Texts ---

#[rustfmt::skip]
fn texts() -> Vec<Vector> {
    let rule = |encoding: &str| match encoding {
        "base32" => "1.7",
        "base64" => "1.8",
        _ => "1.9",
    };
    let good = |name: &str, encoding: &str, text: &str, bytes: &[u8]| {
        let what = format!("{encoding} of {} bytes", bytes.len());
        accept(&format!("text/{encoding}_{name}"), rule(encoding), &what).with("encoding", encoding).with("text", text).gives_hex("bytes", bytes)
    };
    let bad = |name: &str, encoding: &str, text: &str, what: &str| reject(&format!("text/{encoding}_{name}"), rule(encoding), "none", what).with("encoding", encoding).with("text", text);
    vec![
        good("empty", "base32", "", b""),
        good("one", "base32", "my", b"f"),
        good("five", "base32", "mzxw6ytb", b"fooba"),
        bad("upper_case", "base32", "MY", "upper case"),
        bad("padding", "base32", "my======", "padding"),
        bad("left_over_bits", "base32", "mz", "left-over bits that are not zero"),
        bad("one_symbol", "base32", "a", "one symbol is no whole byte"),
        bad("three_symbols", "base32", "mya", "three symbols hold a symbol too many"),
        bad("digit_one", "base32", "m1", "1 is no symbol"),
        good("one", "base64", "Zg==", b"f"),
        good("two", "base64", "Zm8=", b"fo"),
        good("three", "base64", "Zm9v", b"foo"),
        good("last_symbols", "base64", "+/8=", &[0xfb, 0xff]),
        bad("no_padding", "base64", "Zg", "the padding is missing"),
        bad("more_padding", "base64", "Zm9v====", "padding that is not needed"),
        bad("left_over_bits", "base64", "Zh==", "left-over bits that are not zero"),
        bad("for_addresses", "base64", "-_8=", "the alphabet for addresses"),
        bad("blank", "base64", "Zm 9v", "a blank inside"),
        bad("line_feed", "base64", "Zm9v\n", "a line feed at the end"),
        bad("one_symbol", "base64", "A===", "one symbol is no whole byte"),
        good("two", "hex", "00ff", &[0, 255]),
        bad("upper_case", "hex", "00FF", "upper case"),
        bad("half", "hex", "000", "half a byte"),
        bad("blank", "hex", " 00ff", "a blank before"),
    ]
}

// --- Names ---

fn name(path: &str, rule: &str, is: &str, text: &str) -> Vector {
    let what = format!("a {is} that may be");
    accept(&format!("names/{path}"), rule, &what)
        .with("name", is)
        .with("text", text)
}

fn no_name(path: &str, rule: &str, is: &str, text: &str, what: &str) -> Vector {
    let by_option = ["epoch", "grant", "project id", "member id"].contains(&is);
    let kind = match is {
        _ if by_option => "none",
        "member" | "description" => "BadText",
        _ => "BadName",
    };
    reject(&format!("names/{path}"), rule, kind, what)
        .with("name", is)
        .with("text", text)
}

#[rustfmt::skip]
fn places() -> Vec<Vector> {
    let good = |path: &str, text: &str| name(path, "3.4", "place", text);
    let bad = |path: &str, text: &str, what: &str| no_name(path, "3.4", "place", text, what);
    vec![
        good("place", "my-api.v2_B"),
        good("place_64", &"a".repeat(64)),
        bad("place_empty", "", "no name"),
        bad("place_65", &"a".repeat(65), "65 bytes"),
        bad("place_dot", ".hidden", "a dot first"),
        bad("place_underscore", "_a", "an underscore first"),
        bad("place_slash", "a/b", "a slash"),
        bad("place_blank", "a b", "a blank"),
        bad("place_letter", "é", "a letter beyond ASCII"),
        bad("place_last_dot", "a.", "a dot last"),
        bad("place_device", "con", "a device of Windows"),
        bad("place_device_ending", "NUL.x", "a device of Windows with an ending"),
        bad("place_project_id", "kgp_a", "it looks like a project id"),
        bad("place_member_id", "KGM_a", "it looks like a member id"),
    ]
}

#[rustfmt::skip]
fn file_names() -> Vec<Vector> {
    let good = |path: &str, text: &str| name(&format!("file{path}"), "3.9", "file", text);
    let bad = |path: &str, text: &str, what: &str| no_name(&format!("file_{path}"), "3.9", "file", text, what);
    vec![
        good("", "certs/tls.pem"),
        good("_hidden", ".config/a..b"),
        good("_256", &"a".repeat(256)),
        good("_symbols", "a b/!#$%&'()+,-;=@[]^_`{}~"),
        good("_home", "~/.config/app/key.json"),
        good("_ssh", ".ssh/config"),
        bad("empty", "", "no name"),
        bad("257", &"a".repeat(257), "257 bytes"),
        bad("slash_first", "/etc/passwd", "a path from the root of a file system"),
        bad("slash_last", "certs/", "a slash last"),
        bad("slash_double", "certs//tls.pem", "an empty part"),
        bad("dot", "certs/./tls.pem", "a part that is the same directory"),
        bad("dots", "../tls.pem", "a part that is the directory above"),
        bad("backslash", "..\\tls.pem", "a backslash"),
        bad("colon", "c:tls.pem", "a colon"),
        bad("star", "a*", "a star"),
        bad("question", "a?", "a question mark"),
        bad("quote", "a\"", "a double quote"),
        bad("less", "a<b", "a less-than sign"),
        bad("more", "a>b", "a greater-than sign"),
        bad("bar", "a|b", "a vertical bar"),
        bad("line_feed", "a\nb", "a control character"),
        bad("delete", "a\u{7f}", "the control character 7f"),
        bad("letter", "é", "a letter beyond ASCII"),
        bad("blank_first", "certs/ tls.pem", "a part that begins with a blank"),
        bad("blank_last", "certs /tls.pem", "a part that ends with a blank"),
        bad("dot_last", "certs./tls.pem", "a part that ends with a dot"),
        bad("git", ".git/config", "a part of Git's"),
        bad("git_case", "a/.GiT/hooks/pre-commit", "a part of Git's, further down and in other case"),
        bad("git_short", "GIT~1/config", "a part of Git's, as Windows shortens it"),
        bad("kagi", ".kagi/kagi.json", "a part of kagi's"),
        bad("kagi_short", "Kagi~1/kagi.json", "a part of kagi's, as Windows shortens it"),
        bad("device", "certs/COM1", "a device of Windows"),
        bad("device_console", "CONOUT$", "the console of Windows"),
        bad("device_ending", "nul.txt", "a device of Windows with an ending"),
        bad("device_blank", "aux .txt", "a device of Windows with a blank before its ending"),
        bad("tilde", "~", "the home directory itself"),
        bad("home_itself", "~/", "the home directory itself, with a slash"),
        bad("home_of_another", "~root/key", "somebody else's home directory"),
        bad("tilde_inside", "certs/~", "a part that begins with a tilde and is not the first"),
        bad("home_twice", "~/~/key", "a tilde after the first"),
        bad("home_ssh", "~/.ssh/authorized_keys", "what opens other machines"),
        bad("home_ssh_case", "~/a/.SSH/config", "what opens other machines, further down and in other case"),
        bad("home_ssh_short", "~/ssh~1/config", "what opens other machines, as Windows shortens it"),
        bad("home_gnupg", "~/.gnupg/gpg.conf", "what keeps other keys"),
        bad("home_gnupg_short", "~/GNUPG~1/gpg.conf", "what keeps other keys, as Windows shortens it"),
        bad("home_git", "~/.git/config", "a part of Git's, below the home directory"),
    ]
}

#[rustfmt::skip]
fn other_names() -> Vec<Vector> {
    let key = |path: &str, text: &str| name(path, "3.5", "key", text);
    let no_key = |path: &str, text: &str, what: &str| no_name(path, "3.5", "key", text, what);
    let no_text = |path: &str, text: &str, what: &str| no_name(path, "3.6", "member", text, what);
    let no_epoch = |path: &str, text: &str, what: &str| no_name(path, "3.3", "epoch", text, what);
    let grant = |path: &str, text: &str| name(path, "3.8", "grant", text);
    let no_grant = |path: &str, text: &str, what: &str| no_name(path, "3.8", "grant", text, what);
    let no_id = |path: &str, text: &str, what: &str| no_name(path, "3.1", "project id", text, what);
    let three = "3.9f2c81d04be6a713";
    let random: [u8; 13] = short("project");
    let alice = person("alice");
    vec![
        key("key", "DATABASE_URL"),
        key("key_256", &"A".repeat(256)),
        no_key("key_empty", "", "no name"),
        no_key("key_257", &"A".repeat(257), "257 bytes"),
        no_key("key_digit", "1A", "a digit first"),
        no_key("key_equals", "A=B", "an equals sign"),
        no_key("key_line_feed", "A\n", "a line feed"),
        name("member", "3.6", "member", "Zoë 7 \"the laptop\""),
        name("description_1024", "3.6", "description", &"é".repeat(512)),
        no_name("description_1025", "3.6", "description", &"a".repeat(1025), "1,025 bytes"),
        name("member_64", "3.6", "member", &"é".repeat(32)),
        name("description_blanks", "3.6", "description", " a\u{3000}"),
        no_text("member_65", &"a".repeat(65), "65 bytes"),
        no_text("member_empty", "", "no name"),
        no_text("member_blank", " ", "only a blank"),
        no_text("member_blank_before", " alice", "a blank first"),
        no_text("member_blank_after", "alice ", "a blank last"),
        no_text("member_wide_blank_before", "\u{3000}alice", "a wide blank first"),
        no_text("member_narrow_blank_after", "alice\u{202f}", "a narrow blank last"),
        no_text("member_escape", "a\u{1b}[2J", "a control character"),
        no_text("member_c1", "a\u{9b}2J", "a control character beyond ASCII"),
        no_text("member_reordered", "a\u{202e}b", "a character that reorders text"),
        no_text("member_hidden", "a\u{200b}b", "a character that nobody sees"),
        name("epoch", "3.3", "epoch", three).gives("bytes", "030000009f2c81d04be6a713"),
        name("epoch_last", "3.3", "epoch", "4294967295.0000000000000000").gives("bytes", "ffffffff0000000000000000"),
        no_epoch("epoch_zero", "0.9f2c81d04be6a713", "the number 0"),
        no_epoch("epoch_leading_zero", "03.9f2c81d04be6a713", "a leading zero"),
        no_epoch("epoch_too_large", "4294967296.9f2c81d04be6a713", "the number 2^32"),
        no_epoch("epoch_without_id", "3", "no id"),
        no_epoch("epoch_short_id", "3.9f2c81d04be6a7", "an id of 7 bytes"),
        no_epoch("epoch_upper_case", "3.9F2C81D04BE6A713", "upper case"),
        grant("grant_full", "*"),
        grant("grant_env", "*/production"),
        grant("grant_service", "api/*"),
        grant("grant_scope", "api/production"),
        no_grant("grant_stars", "*/*", "everything has one text only: *"),
        no_grant("grant_without_env", "api/", "no environment"),
        no_grant("grant_without_service", "/production", "no service"),
        no_grant("grant_bad_service", "../production", "a service that may not be"),
        no_grant("grant_bad_env", "api/a*", "an environment that may not be"),
        name("project_id", "3.1", "project id", &project()),
        no_id("project_id_of_member", &alice.id, "another prefix"),
        no_id("project_id_short", &project()[..23], "19 characters"),
        no_id("project_id_digit", "kgp_aaaaaaaaaaaaaaaaaaa1", "1 is no symbol"),
        accept("names/project_id_new", "3.1", "a project id from random bytes").with("name", "new project id").with_hex("random", &random).gives("id", &project()),
        name("member_id", "3.2", "member id", &alice.id),
        no_name("member_id_of_project", "3.2", "member id", &project(), "another prefix"),
        accept("names/member_id_of_key", "3.2", "the member id of a public key").with("name", "id of a key").with_hex("public_key", &alice.public).gives("id", &alice.id),
    ]
}

/// The first and last of each range that nobody sees, or that hides or reorders text.
const UNPRINTABLE: [(char, char); 17] = [
    ('\u{0}', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{e0000}', '\u{e01ef}'),
];

fn is_unprintable(symbol: char) -> bool {
    let mut ranges = UNPRINTABLE.iter();
    ranges.any(|(first, last)| (first..=last).contains(&&symbol))
}

/// One vector for each end of a range, and one with everything that is beside a range.
fn unprintable() -> Vec<Vector> {
    let ranges = UNPRINTABLE.into_iter();
    let ends: BTreeSet<char> = ranges.flat_map(|(first, last)| [first, last]).collect();
    let beside = UNPRINTABLE.iter().flat_map(|(first, last)| {
        let numbers = [u32::from(*first).checked_sub(1), Some(u32::from(*last) + 1)];
        numbers.into_iter().flatten().filter_map(char::from_u32)
    });
    let beside: BTreeSet<char> = beside.filter(|symbol| !is_unprintable(*symbol)).collect();
    let beside = String::from_iter(beside);
    let refused = ends.into_iter().map(|symbol| {
        let number = u32::from(symbol);
        let path = format!("description_{number:04x}");
        let (text, what) = (format!("a{symbol}b"), format!("U+{number:04X}"));
        no_name(&path, "3.6", "description", &text, &what)
    });
    let accepted = name("description_beside", "3.6", "description", &beside);
    refused.chain([accepted]).collect()
}

// --- Derivations ---

fn derivations() -> Vec<Vector> {
    let (p, e) = (project(), epoch(3));
    let project_key = project_key(e);
    let derive = |path: &str, rule: &str, op: &str, from: &Key| {
        accept(&format!("kdf/{path}"), rule, &format!("derives {op}"))
            .with("op", op)
            .with_hex("key", from.expose())
    };
    let placed = |vector: Vector| vector.with("project", &p).with("epoch", &e.text());
    let at = |derived: &dyn Fn(Place) -> Key| raw(&world::at(&p, e, derived));
    let env = world::env_key(&p, e, "production");
    let scope = |kind: &str| {
        let derived = at(&|place| kdf::scope(&env, place, "production", "api", kind));
        placed(derive(
            &format!("scope_{kind}"),
            "2.1, 2.3",
            "K_scope",
            &env,
        ))
        .with("env", "production")
        .with("service", "api")
        .with("kind", kind)
        .gives_hex("derived", &derived)
    };
    let roster_key = world::roster_key(&p, e);
    let (alice, bob) = (person("alice"), person("bob"));
    let shared = wrap::agree(&Key::new(alice.secret), &bob.public).expect("a good key");
    let wrap_key = at(&|place| kdf::wrap(&shared, &alice.public, &bob.public, place));
    let introduction = at(&|place| kdf::introduction(&shared, &alice.public, &bob.public, place));
    vec![
        placed(derive("env", "2.1, 2.2", "K_env", &project_key))
            .with("env", "production")
            .gives_hex("derived", env.expose()),
        scope("values"),
        scope("files"),
        placed(derive("roster", "2.4", "K_roster", &project_key))
            .gives_hex("derived", roster_key.expose()),
        placed(derive("state", "2.5", "K_state", &project_key))
            .gives_hex("derived", &at(&|place| kdf::state(&project_key, place))),
        derive("witness", "2.6", "W", &roster_key)
            .with("member", &alice.id)
            .gives_hex("derived", witness_key(&p, e, &alice.id).expose()),
        derive("witness_of_nobody", "2.6, 4.8", "W", &roster_key)
            .gives_hex("derived", witness_key(&p, e, "").expose()),
        placed(derive("wrap", "2.7", "wrap key", &shared))
            .with_hex("ephemeral", &alice.public)
            .with_hex("recipient", &bob.public)
            .gives_hex("derived", &wrap_key),
        placed(derive("introduction", "2.8", "introduction key", &shared))
            .with_hex("author", &alice.public)
            .with_hex("member", &bob.public)
            .gives_hex("derived", &introduction),
        primitives("length_prefix", "1.1", "LP")
            .with("field", "ab")
            .with("field", "")
            .with("field", &"x".repeat(258))
            .gives_hex("bytes", &lps(&[b"ab", b"", &[b'x'; 258]])),
        primitives("hash", "1.2", "H")
            .with("message", "kagi")
            .gives_hex("hash", &hash::hash(b"kagi")),
        primitives("mac", "1.2", "MAC")
            .with_hex("key", &seed("a key"))
            .with("message", "kagi")
            .gives_hex("mac", &hash::mac(&Key::new(seed("a key")), b"kagi")),
        sealed_text(),
        primitives("agreement", "1.4", "DH")
            .with_hex("secret", &alice.secret)
            .with_hex("public_key", &bob.public)
            .gives_hex("shared", shared.expose()),
    ]
}

fn primitives(path: &str, rule: &str, op: &str) -> Vector {
    accept(&format!("kdf/{path}"), rule, &format!("computes {op}")).with("op", op)
}

fn sealed_text() -> Vector {
    let (key, nonce): ([u8; 32], [u8; 24]) = (seed("a key"), short("a nonce"));
    let plaintext = Secret::copy_of(b"kagi");
    let sealed = aead::seal(&Key::new(key), &nonce, b"aad", &plaintext);
    primitives("cipher", "1.3", "AEAD")
        .with_hex("key", &key)
        .with_hex("nonce", &nonce)
        .with("aad", "aad")
        .with("plaintext", "kagi")
        .gives_hex("sealed", &sealed)
}

// --- Public keys and wraps ---

fn public_key(path: &str, rule: &str, public: &[u8], what: &str) -> Vector {
    reject(&format!("wrap/{path}"), rule, "none", what)
        .with_hex("secret", &person("alice").secret)
        .with_hex("public_key", public)
}

struct Wrapped {
    project: String,
    epoch: Epoch,
    recipient: Person,
    statement: [u8; 32],
    keys: Vec<u8>,
    wrap: Vec<u8>,
}

fn wrapped() -> Wrapped {
    let recipient = person("bob");
    let (statement, keys) = (seed("a statement"), b"some keys".to_vec());
    let ephemeral = Key::new(seed("an ephemeral key"));
    let plaintext = Secret::copy_of(&keys);
    let wrap = world::at(&project(), epoch(3), |place| {
        wrap::seal(&ephemeral, &recipient.public, place, &statement, &plaintext)
    });
    Wrapped {
        project: project(),
        epoch: epoch(3),
        recipient,
        statement,
        keys,
        wrap: wrap.expect("a good key"),
    }
}

impl Wrapped {
    fn inputs(&self, vector: Vector) -> Vector {
        vector
            .with("project", &self.project)
            .with("epoch", &self.epoch.text())
            .with_hex("secret", &self.recipient.secret)
            .with_bytes("statement", &self.statement)
            .with_bytes("wrap", &self.wrap)
    }
}

#[rustfmt::skip]
fn wraps() -> Vec<Vector> {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    let mut masked = person("bob").public;
    masked[31] |= 0x80;
    let mut one = [0; 32];
    one[0] = 1;
    let mut before_prime = prime;
    before_prime[0] = 0xec;
    let order_8 = crate::unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    let bad = |path: &str, what: &str, edit: &dyn Fn(&mut Wrapped)| {
        let mut defect = wrapped();
        edit(&mut defect);
        defect.inputs(reject(&format!("wrap/{path}"), "4.4", "none", what))
    };
    let whole = wrapped();
    vec![
        public_key("key_prime", "1.5", &prime, "the prime is zero, encoded a second time"),
        public_key("key_top_bit", "1.5", &masked, "the top bit is set"),
        public_key("key_zero", "1.6", &[0; 32], "a key of low order: 0"),
        public_key("key_one", "1.6", &one, "a key of low order: 1"),
        public_key("key_minus_one", "1.6", &before_prime, "a key of low order: p - 1"),
        public_key("key_order_8", "1.6", &order_8, "a key of order 8"),
        whole.inputs(accept("wrap/opens", "4.4", "a wrap, opened and sealed again")).with_hex("ephemeral", &seed("an ephemeral key")).gives_hex("keys", &whole.keys),
        bad("other_project", "wrapped for another project", &|it| {
            it.project = world::other_project();
        }),
        bad("other_epoch", "wrapped for another epoch", &|it| it.epoch = epoch(4)),
        bad("other_recipient", "wrapped to another key", &|it| it.recipient = person("ci")),
        bad("other_statement", "wrapped beside another statement", &|it| it.statement[0] ^= 1),
        bad("changed", "one bit of the tag differs", &|it| {
            *it.wrap.last_mut().expect("a byte") ^= 1;
        }),
        bad("short", "too short for an ephemeral key", &|it| it.wrap.truncate(31)),
        bad("without_tag", "too short for a tag", &|it| it.wrap.truncate(47)),
        bad("bad_ephemeral", "an ephemeral key that is not canonical", &|it| it.wrap[31] |= 0x80),
    ]
}

// --- access.json: its text ---

/// The smallest roster.
fn small() -> Roster {
    let mut roster = roster(&person("alice"), Vec::new());
    roster.earlier.clear();
    roster
}

/// Everything that a roster can hold.
fn team() -> Roster {
    let others = vec![
        member(&person("bob"), &["*"]),
        member(&person("ci"), &["api/production"]),
        member(&person("dora"), &["*/development", "web/*"]),
    ];
    let mut roster = roster(&person("alice"), others);
    roster.removed = vec![person("eve").id, person("fritz").id];
    roster.removed.sort();
    roster.withdrawn = withdrawn_ones();
    roster
}

/// Eve and fritz were removed, dora lost an environment, then a service; and somebody was removed
/// so long ago that nothing else is left of it.
fn withdrawn_ones() -> Vec<Withdrawn> {
    let mut ones = vec![
        withdrawn(&person("eve"), &["*"], 2),
        withdrawn(
            &person("dora"),
            &["*/development", "*/production", "web/*"],
            2,
        ),
        withdrawn(&person("fritz"), &["api/production"], 3),
        withdrawn(&person("dora"), &["*/development", "api/*", "web/*"], 3),
        withdrawn(&person("grace"), &["web/staging"], 2),
    ];
    ones.sort_by_key(|one| (one.epoch, one.id.clone()));
    ones
}

fn roster_vector(vector: Vector, text: &str) -> Vector {
    vector.with_text("access.json", text)
}

/// A roster whose defect was there before everything was wrapped and vouched for.
fn bad_roster(path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Roster)) -> Vector {
    let mut defect = small();
    edit(&mut defect);
    let vector = reject(&format!("roster/{path}"), rule, "BadText", what);
    roster_vector(vector, &defect.composed().json())
}

/// A roster that was changed after it was composed.
fn late_roster(path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Roster)) -> Vector {
    let mut defect = small().composed();
    edit(&mut defect);
    let vector = reject(&format!("roster/{path}"), rule, "BadText", what);
    roster_vector(vector, &defect.json())
}

/// The text of the smallest roster with a member's value replaced.
fn valued_roster(path: &str, rule: &str, what: &str, name: &str, value: &str) -> Vector {
    let vector = reject(&format!("roster/{path}"), rule, "BadText", what);
    roster_vector(vector, &small().composed().json_with(name, value))
}

/// A text that is not in canonical form, or no JSON for a roster.
fn edited_roster(path: &str, what: &str, edit: &dyn Fn(String) -> String) -> Vector {
    let vector = reject(&format!("roster/{path}"), "1.10", "NotCanonical", what);
    roster_vector(vector, &edit(small().composed().json()))
}

/// A text whose second line says another format.
fn newer_roster(path: &str, what: &str, text: &str) -> Vector {
    let vector = reject(&format!("roster/{path}"), "1.12, 4.1", "Newer", what);
    roster_vector(vector, text)
}

fn good_roster(path: &str, rule: &str, what: &str, roster: &Roster) -> Vector {
    let vector = accept(&format!("roster/{path}"), rule, what);
    roster_vector(vector, &roster.json()).gives_hex("statement", &roster.statement())
}

fn witnessed_16() -> Roster {
    let mut roster = small();
    roster.epoch = epoch(17);
    roster.earlier = (2..17).map(epoch).collect();
    roster
}

#[rustfmt::skip]
fn rosters() -> Vec<Vector> {
    let id = |name: &'static str| person(name).id;
    let eve = person("eve");
    vec![
        good_roster("founder", "4.1, 4.3", "the roster of a new project", &small().composed()),
        good_roster("team", "4.1, 4.3, 4.5, 4.6, 4.9, 4.10", "full and limited members, removed ones, and withdrawn grants", &team().composed()),
        good_roster("witnesses_16", "4.6", "16 witnesses", &witnessed_16().composed()),
        reject("roster/too_large", "4.1", "TooLarge", "one byte above 2 MiB").with_lines("access.json", vec!["*2097153 20".into()]),
        edited_roster("empty", "no byte", &|_| String::new()),
        edited_roster("no_line_feed", "no line feed at the end", &|text| text.trim_end().into()),
        edited_roster("carriage_return", "CRLF", &|text| text.replace('\n', "\r\n")),
        edited_roster("byte_order_mark", "a byte order mark", &|text| format!("\u{feff}{text}")),
        edited_roster("narrow", "one blank of indentation", &|text| text.replace("  ", " ")),
        edited_roster("escaped", "an escape that is not needed", &|text| text.replacen("alice", "\\u0061lice", 1)),
        edited_roster("unknown_name", "a member that the format does not have", &|text| text.replacen("  \"seal\"", "  \"more\": 1,\n  \"seal\"", 1)),
        edited_roster("double_name", "a member twice", &|text| text.replacen("  \"sequence\"", "  \"sequence\": 6,\n  \"sequence\"", 1)),
        edited_roster("missing_name", "a member is missing", &|text| text.replacen("  \"sequence\": 7,\n", "", 1)),
        edited_roster("other_order", "two members in another order", &|text| {
            let sequence = "  \"sequence\": 7,\n";
            let rest = text.replacen(sequence, "", 1);
            rest.replacen("  \"epoch\"", &format!("{sequence}  \"epoch\""), 1)
        }),
        edited_roster("number_too_large", "the number 2^64", &|text| text.replacen(": 7", ": 18446744073709551616", 1)),
        newer_roster("format_2", "another format", &small().composed().json_with("format", "2")),
        newer_roster("format_10", "a format that begins with 1", &small().composed().json_with("format", "10")),
        newer_roster("format_2_other", "another format, and nothing else that is known", "{\n  \"format\": 2,\n  \"roster\": {}\n}\n"),
        edited_roster("format_later", "format is not the first member", &|text| {
            let format = "  \"format\": 1,\n";
            text.replacen(format, "", 1).replacen("  \"project\"", &format!("  \"project\": \"\",\n{format}  \"project\""), 1)
        }),
        bad_roster("project_id", "3.1", "a project id of 19 characters", &|it| {
            it.project.truncate(23);
        }),
        valued_roster("epoch", "3.3", "an epoch without number", "epoch", "\".9f2c81d04be6a713\""),
        valued_roster("config_short", "4.1", "a hash of 31 bytes", "config", &format!("\"{}\"", "00".repeat(31))),
        valued_roster("seal_short", "4.8", "a seal of 31 bytes", "seal", &format!("\"{}\"", "00".repeat(31))),
        valued_roster("no_members", "4.2", "nobody is a member", "members", "[]"),
        bad_roster("author_unknown", "4.2", "the author is not a member", &|it| it.author = person("eve")),
        bad_roster("author_limited", "4.2", "the author is a limited member", &|it| {
            it.members[0].grants = vec!["*/production".into()];
        }),
        bad_roster("unsorted", "4.2", "the members are not sorted", &|it| {
            it.members.push(member(&person("bob"), &["*"]));
            it.members.sort_by(|one, next| next.id.cmp(&one.id));
        }),
        bad_roster("double", "4.2", "a member twice", &|it| {
            it.members.push(it.members[0].clone());
        }),
        bad_roster("removed_malformed", "4.9", "a removed id of 19 characters", &|it| {
            it.removed = vec![eve.id[..23].into()];
        }),
        bad_roster("removed_unsorted", "4.9", "the removed ids are not sorted", &|it| {
            it.removed = vec![id("eve"), id("fritz")];
            it.removed.sort();
            it.removed.reverse();
        }),
        bad_roster("removed_double", "4.9", "a removed id twice", &|it| {
            it.removed = vec![id("eve"), id("eve")];
        }),
        bad_roster("removed_member", "4.9", "a member that was removed", &|it| {
            it.removed = vec![id("alice")];
        }),
    ]
}

/// A roster of epoch 3 whose withdrawn grants have a defect.
fn bad_withdrawn(path: &str, what: &str, edit: &dyn Fn(&mut Vec<Withdrawn>)) -> Vector {
    bad_roster(&format!("withdrawn_{path}"), "4.10", what, &|it| {
        it.withdrawn = vec![withdrawn(&person("eve"), &["api/production"], 2)];
        edit(&mut it.withdrawn);
    })
}

#[rustfmt::skip]
fn withdrawals() -> Vec<Vector> {
    let bad = bad_withdrawn;
    let grants = |path: &str, what: &str, list: &'static [&'static str]| {
        bad(&format!("grants_{path}"), what, &|it| it[0].grants = list.iter().map(|grant| (*grant).to_string()).collect())
    };
    let text = |path: &str, what: &str, from: &str, to: &str| {
        let mut roster = small();
        roster.withdrawn = vec![withdrawn(&person("eve"), &["api/production"], 2)];
        let text = roster.composed().json();
        assert!(text.contains(from));
        roster_vector(reject(&format!("roster/withdrawn_{path}"), "1.10, 4.10", "NotCanonical", what), &text.replacen(from, to, 1))
    };
    let id = |name: &'static str| person(name).id;
    let mut pair = [person("eve"), person("fritz")];
    pair.sort_by(|one, next| one.id.cmp(&next.id));
    let [lower, higher] = pair;
    vec![
        bad("id", "an id of 19 characters", &|it| it[0].id.truncate(23)),
        bad("id_of_project", "a project id in the place of a member id", &|it| it[0].id = project()),
        bad("name_empty", "no name", &|it| it[0].name.clear()),
        bad("name_blank", "a name that begins with a blank", &|it| it[0].name.insert(0, ' ')),
        bad("name_control", "a name with a line feed", &|it| it[0].name.push('\n')),
        bad("name_65", "a name of 65 bytes", &|it| it[0].name = "a".repeat(65)),
        grants("none", "no grant", &[]),
        grants("unsorted", "the grants are not sorted", &["b/production", "a/production"]),
        grants("double", "a grant twice", &["a/production", "a/production"]),
        grants("full_and_more", "the full grant beside another", &["*", "a/production"]),
        grants("malformed", "a grant that is none", &["a"]),
        bad("epoch_zero", "the epoch number 0", &|it| it[0].epoch = 0),
        bad("epoch_first", "the first epoch: no rotation began it", &|it| it[0].epoch = 1),
        bad("epoch_later", "an epoch above the roster's", &|it| it[0].epoch = 4),
        bad("epochs_unsorted", "the epochs are not sorted", &|it| {
            *it = vec![withdrawn(&lower, &["*"], 3), withdrawn(&higher, &["*"], 2)];
        }),
        bad("ids_unsorted", "the ids of one epoch are not sorted", &|it| {
            *it = vec![withdrawn(&higher, &["*"], 2), withdrawn(&lower, &["*"], 2)];
        }),
        bad("double", "an id twice in one epoch", &|it| {
            *it = vec![withdrawn(&lower, &["a/production"], 2), withdrawn(&lower, &["b/production"], 2)];
        }),
        text("unknown_name", "a member that the format does not have", "      \"epoch\": 2\n", "      \"epoch\": 2,\n      \"more\": 1\n"),
        text("missing_name", "a member is missing", &format!("      \"id\": \"{}\",\n      \"name\": \"eve\"", id("eve")), "      \"name\": \"eve\""),
        text("epoch_too_large", "the epoch number 2^32", "      \"epoch\": 2\n", "      \"epoch\": 4294967296\n"),
        edited_roster("withdrawn_missing", "no list of withdrawn grants", &|text| text.replacen("  \"withdrawn\": [],\n", "", 1)),
        edited_roster("withdrawn_last", "the withdrawn grants after the seal", &|text| {
            let text = text.replacen("  \"withdrawn\": [],\n", "", 1);
            text.replacen("\"\n}\n", "\",\n  \"withdrawn\": []\n}\n", 1)
        }),
    ]
}

#[rustfmt::skip]
fn roster_members() -> Vec<Vector> {
    let grants = |list: &[&str]| list.iter().map(|grant| (*grant).to_string()).collect::<Vec<_>>();
    let with_ci = |path: &str, what: &str, list: Vec<String>| {
        bad_roster(path, "3.8", what, &|it| {
            let mut ci = member(&person("ci"), &[]);
            ci.grants.clone_from(&list);
            it.members.push(ci);
            it.members.sort_by(|one, next| one.id.cmp(&next.id));
        })
    };
    let replaced = |path: &str, rule: &str, what: &str, name: &str, from: &str, to: &str| {
        let text = small().composed().json();
        let start = text.find(&format!("\"{name}\"")).expect("it is there");
        let (head, tail) = text.split_at(start);
        let vector = reject(&format!("roster/{path}"), rule, "BadText", what);
        roster_vector(vector, &format!("{head}{}", tail.replacen(from, to, 1)))
    };
    let witness = epoch(3).text();
    vec![
        bad_roster("key_not_canonical", "1.5", "a public key that is not canonical", &|it| {
            let mut other = member(&person("bob"), &["*"]);
            other.public = [0xff; 32];
            other.id = world::member_id(&other.public);
            it.members.push(other);
            it.members.sort_by(|one, next| one.id.cmp(&next.id));
        }),
        bad_roster("id_of_another", "3.2", "an id that is not the hash of the key", &|it| {
            it.members[0].public = person("bob").public;
        }),
        bad_roster("name_empty", "3.6", "a member without name", &|it| it.members[0].name.clear()),
        bad_roster("name_blank_after", "3.6", "a name that ends with a blank", &|it| it.members[0].name.push('\u{a0}')),
        bad_roster("name_invisible", "3.6", "a name that nobody sees", &|it| it.members[0].name = "\u{3164}".into()),
        bad_roster("name_control", "3.6", "a name with a line feed", &|it| it.members[0].name.push('\n')),
        bad_roster("name_65", "3.6", "a name of 65 bytes", &|it| it.members[0].name = "a".repeat(65)),
        with_ci("grants_none", "no grant", Vec::new()),
        with_ci("grants_unsorted", "the grants are not sorted", grants(&["b/production", "a/production"])),
        with_ci("grants_double", "a grant twice", grants(&["a/production", "a/production"])),
        with_ci("grants_full_and_more", "the full grant beside another", grants(&["*", "a/production"])),
        with_ci("grants_malformed", "a grant that is none", grants(&["a"])),
        late_roster("wrap_too_large", "4.4", "a wrap of 128 KiB and one byte", &|_| {}).with_large_wrap(),
        replaced("wrap_malformed", "1.8, 4.4", "a wrap that is no base64", "wrap", "\": \"", "\": \"-"),
        late_roster("witnesses_none", "4.6", "no witness", &|it| it.members[0].witnesses.clear()),
        bad_roster("witnesses_17", "4.6", "17 witnesses", &|it| {
            it.epoch = epoch(18);
            it.earlier = (2..18).map(epoch).collect();
        }),
        late_roster("witnesses_without_own", "4.6", "no witness of the roster's own epoch", &|it| {
            it.members[0].witnesses[0].0 = epoch(2);
        }),
        late_roster("witnesses_other_id", "4.6", "the last witness is of another epoch with that number", &|it| {
            it.members[0].witnesses[0].0.1[0] ^= 1;
        }),
        bad_roster("witnesses_unsorted", "4.6", "the witnesses are not sorted", &|it| {
            it.earlier = vec![epoch(2), epoch(1)];
        }),
        bad_roster("witnesses_double", "4.6", "two witnesses of one number", &|it| {
            it.earlier = vec![Epoch(3, short("another"))];
        }),
        replaced("witness_two_blanks", "4.6", "two blanks in a witness", "witnesses", &witness, &format!("{witness} ")),
        replaced("witness_epoch", "3.3, 4.6", "a witness whose epoch has a leading zero", "witnesses", &witness, &format!("0{witness}")),
        replaced("witness_short", "4.6", "a witness with a MAC of 31 bytes", "witnesses", &hex(&small().composed().members[0].witnesses[0].1), &"00".repeat(31)),
        replaced("introduction_short", "4.7", "an introduction of 31 bytes", "introduction", &hex(&small().composed().members[0].introduction), &"00".repeat(31)),
        replaced("public_key_short", "4.1", "a public key of 31 bytes", "public_key", &hex(&person("alice").public), &"00".repeat(31)),
    ]
}

impl Vector {
    /// Puts 128 KiB and one byte in the place of the wrap, as a repetition.
    fn with_large_wrap(mut self) -> Self {
        let lines = &mut self.inputs[0].lines;
        let at = lines.iter().position(|line| line.contains("\"wrap\""));
        let at = at.expect("a wrap");
        let parts = [
            format!("!{}\"wrap\": \"", " ".repeat(6)),
            "*43690 41414141".into(),
            "!AAAA".into(),
            "|\",".into(),
        ];
        lines.splice(at..=at, parts);
        self
    }
}

// --- Acceptance ---

/// Alice's roster for ci, who may open api/production.
fn for_ci() -> Roster {
    roster(
        &person("alice"),
        vec![member(&person("ci"), &["api/production"])],
    )
}

fn ci_of(roster: &mut Roster) -> &mut Member {
    let id = person("ci").id;
    let mut members = roster.members.iter_mut();
    members.find(|member| member.id == id).expect("ci")
}

/// The inputs of a member that reads the roster beside the usual `kagi.json`.
fn reads(vector: Vector, roster: &Roster, who: &Person) -> Vector {
    vector
        .with_text("kagi.json", &config().json())
        .with_text("access.json", &roster.json())
        .with_hex("secret", &who.secret)
}

/// A device that has pinned an epoch.
fn knows(vector: Vector, who: &Person, known: Epoch) -> Vector {
    vector
        .with("known_epoch", &known.text())
        .with_hex("witness", witness_key(&project(), known, &who.id).expose())
}

/// What an access gives, by the roster's own epoch.
fn given(vector: Vector, who: &str, epoch: Epoch, full: bool, scopes: &[(&str, bool)]) -> Vector {
    let state = world::at(&project(), epoch, |place| {
        kdf::state(&project_key(epoch), place)
    });
    let witness = witness_key(&project(), epoch, who);
    let names: Vec<_> = scopes.iter().map(|(name, _)| *name).collect();
    let mut vector = vector
        .with("scopes", &names.join(" "))
        .gives("member", who)
        .gives("epoch", &epoch.text())
        .gives("full", if full { "yes" } else { "no" })
        .gives_hex("state", state.expose())
        .gives_hex("witness", witness.expose());
    for (name, opens) in scopes {
        let parts: Vec<_> = name.split('/').collect();
        let key = world::scope_key(&project(), epoch, parts[0], parts[1], parts[2]);
        let key = if *opens {
            hex(key.expose())
        } else {
            "none".into()
        };
        vector = vector.gives(&format!("key {name}"), &key);
    }
    vector
}

const CI_SCOPES: [(&str, bool); 4] = [
    ("values/api/production", true),
    ("files/api/production", true),
    ("values/web/production", false),
    ("values/api/development", false),
];

#[rustfmt::skip]
fn acceptance() -> Vec<Vector> {
    let (alice, bob, ci, dora) = (person("alice"), person("bob"), person("ci"), person("dora"));
    let good = |path: &str, rule: &str, what: &str| accept(&format!("accept/{path}"), rule, what);
    let bad = |path: &str, rule: &str, kind: &str, what: &str| reject(&format!("accept/{path}"), rule, kind, what);
    let (e, now) = (epoch(3), for_ci().composed());
    let edited = |edit: &dyn Fn(&mut Roster)| {
        let mut roster = for_ci().composed();
        edit(&mut roster);
        roster
    };
    let before_composed = |edit: &dyn Fn(&mut Roster)| {
        let mut roster = for_ci();
        edit(&mut roster);
        roster.composed()
    };
    // Alice's own key changed to eve's after she composed: what a host of the repository could do.
    let swapped_wrap = edited(&|it| {
        let shell = it.clone();
        let statement = it.statement();
        let ci = ci_of(it);
        let mut bundle = shell.bundle(ci);
        bundle[1..33].copy_from_slice(&seed("a key of the attacker"));
        ci.bundle = Some(bundle);
        ci.wrap = shell.wrap(ci, &statement);
    });
    let far = before_composed(&|it| {
        it.epoch = epoch(19);
        it.earlier.clear();
    });
    let full = [("values/api/production", true), ("files/web/development", true)];
    let dora_scopes = [("values/api/development", true), ("files/web/development", true), ("values/web/production", true), ("files/web/production", true), ("values/api/production", false)];
    let other_config = |edit: &dyn Fn(&mut Roster)| before_composed(edit);
    let team = team().composed();
    vec![
        given(reads(knows(good("witness", "5.5", "a witness of the pinned epoch"), &ci, e), &now, &ci), &ci.id, e, false, &CI_SCOPES),
        given(reads(knows(good("witness_of_earlier", "5.5", "a witness of an epoch before"), &ci, epoch(1)), &now, &ci), &ci.id, e, false, &CI_SCOPES),
        given(reads(knows(good("full_member", "4.5, 5.9", "a full member opens everything"), &bob, epoch(2)), &team, &bob), &bob.id, e, true, &full),
        given(reads(knows(good("limited_member", "4.5, 5.9", "an environment and a service"), &dora, e), &team, &dora), &dora.id, e, false, &dora_scopes),
        given(reads(good("introduced", "5.6, 5.7", "a new device, introduced by an anchor").with("anchors", &format!("{} {}", bob.id, alice.id)), &now, &ci), &ci.id, e, false, &CI_SCOPES),
        given(reads(good("introduced_by_itself", "5.7", "a new device that wrote the roster itself"), &now, &alice), &alice.id, e, true, &full),
        given(reads(good("confirmed", "5.7", "a new device, and a person who confirms the author").with("confirmed", &alice.id), &now, &ci), &ci.id, e, false, &CI_SCOPES),
        given(
            reads(knows(good("config_before", "5.1", "kagi.json is still the one before"), &ci, e), &other_config(&|it| it.config = seed("the next kagi.json")), &ci),
            &ci.id,
            e,
            false,
            &CI_SCOPES,
        ),
        given(
            good("project_key", "4.8, 5.10", "the holder of the project key")
                .with_text("kagi.json", &config().json())
                .with_text("access.json", &now.json())
                .with_hex("project_key", project_key(e).expose()),
            "",
            e,
            true,
            &full,
        ),
        reads(
            knows(bad("config", "5.1", "ConfigMismatch", "kagi.json is another one"), &ci, e),
            &other_config(&|it| {
                it.config = seed("another kagi.json");
                it.config_before = seed("the one before");
            }),
            &ci,
        ),
        reads(knows(bad("not_member", "5.2", "NotMember", "the reader is no member"), &bob, e), &now, &bob),
        reads(knows(bad("old_epoch", "5.3", "OldEpoch", "the roster is of an epoch before the pinned one"), &ci, epoch(4)), &now, &ci),
        reads(knows(bad("forked_epoch", "5.4", "ForkedEpoch", "the pinned epoch has the roster's number, but another id"), &ci, Epoch(3, short("a fork"))), &now, &ci),
        reads(knows(bad("forked_earlier", "5.4", "ForkedEpoch", "the pinned epoch has the number of an earlier one, but another id"), &ci, Epoch(2, short("a fork"))), &now, &ci),
        reads(knows(bad("not_witnessed", "5.5", "NotWitnessed", "no witness of the pinned epoch"), &ci, epoch(2)), &before_composed(&|it| it.earlier = vec![epoch(1)]), &ci),
        reads(
            bad("witness_wrong", "5.5", "Unauthentic", "the pinned witness key is another member's")
                .with("known_epoch", &e.text())
                .with_hex("witness", witness_key(&project(), e, &bob.id).expose()),
            &now,
            &ci,
        ),
        reads(knows(bad("statement_changed", "4.3, 5.5", "Unauthentic", "a name was changed afterwards"), &ci, e), &edited(&|it| ci_of(it).name.push('x')), &ci),
        reads(knows(bad("grants_changed", "4.3, 5.5", "Unauthentic", "a grant was changed afterwards"), &ci, e), &edited(&|it| ci_of(it).grants = vec!["api/*".into()]), &ci),
        reads(
            knows(bad("removed_changed", "4.3, 5.5", "Unauthentic", "a removed id was taken out afterwards"), &ci, e),
            &{
                let mut roster = before_composed(&|it| it.removed = vec![person("eve").id]);
                roster.removed.clear();
                roster
            },
            &ci,
        ),
        reads(
            knows(bad("withdrawn_changed", "4.3, 5.5", "Unauthentic", "withdrawn grants were taken out afterwards"), &ci, e),
            &{
                let mut roster = before_composed(&|it| it.withdrawn = withdrawn_ones());
                roster.withdrawn.clear();
                roster
            },
            &ci,
        ),
        reads(knows(bad("wrap_swapped", "4.6, 5.5", "Unauthentic", "somebody sealed other keys to the member's public key"), &ci, e), &swapped_wrap, &ci),
        reads(bad("wrap_swapped_new", "4.7, 5.7", "Unauthentic", "the same, and the reader is a new device").with("anchors", &alice.id), &swapped_wrap, &ci),
        reads(bad("introduction_wrong", "5.7", "Unauthentic", "an introduction that does not hold").with("anchors", &alice.id), &edited(&|it| ci_of(it).introduction[0] ^= 1), &ci),
        reads(
            bad("author_changed", "5.7", "Unauthentic", "another author, who did not write it").with("anchors", &bob.id),
            &{
                let others = vec![member(&ci, &["api/production"]), member(&bob, &["*"])];
                let mut roster = roster(&alice, others).composed();
                roster.author = bob.clone();
                roster
            },
            &ci,
        ),
        reads(bad("author_of_low_order", "1.6, 5.7", "Unauthentic", "the author's public key is of low order").with("anchors", &low_order().id), &by_low_order(), &ci),
        reads(
            knows(bad("out_of_reach", "5.6", "NotWitnessed", "16 epochs later neither an anchor nor a person counts").with("anchors", &alice.id).with("confirmed", &alice.id), &ci, e),
            &far,
            &ci,
        ),
        reads(bad("own_name", "5.7", "Unauthentic", "a roster in the reader's name that another full member wrote"), &{
            let mut roster = roster(&bob, vec![member(&alice, &["*"])]);
            roster.author = alice.clone();
            let mut composed = roster.clone().composed();
            roster.author = bob.clone();
            let statement = composed.statement();
            let alice_member = composed.members.iter_mut().find(|member| member.id == alice.id).expect("alice");
            alice_member.introduction = roster.introduction(alice_member, &statement);
            composed
        }, &alice),
        reads(bad("unknown", "5.7", "UnknownProject", "a new device, and nobody vouches"), &now, &ci),
        reads(bad("unknown_author", "5.7", "UnknownProject", "the author is not the anchor").with("anchors", &bob.id), &now, &ci),
        bad("project_key_of_another_epoch", "5.10", "WrongKey", "the project key of the epoch before")
            .with_text("kagi.json", &config().json())
            .with_text("access.json", &now.json())
            .with_hex("project_key", project_key(epoch(2)).expose()),
        bad("seal_changed", "4.8, 5.10", "WrongKey", "the seal was changed")
            .with_text("kagi.json", &config().json())
            .with_text("access.json", &edited(&|it| it.seal[0] ^= 1).json())
            .with_hex("project_key", project_key(e).expose()),
        bad("project_key_config", "5.1, 5.10", "ConfigMismatch", "kagi.json is another one")
            .with_text("kagi.json", &config().json().replace("false", "true"))
            .with_text("access.json", &now.json())
            .with_hex("project_key", project_key(e).expose()),
    ]
}

/// Somebody whose public key everybody can agree with, to zero.
fn low_order() -> Person {
    let mut nobody = person("nobody");
    nobody.public = [0; 32];
    nobody.public[0] = 1;
    nobody.id = world::member_id(&nobody.public);
    nobody
}

fn by_low_order() -> Roster {
    let ci = member(&person("ci"), &["api/production"]);
    let mut roster = roster(&low_order(), vec![ci]).composed();
    let statement = roster.statement();
    // The MAC under the key that follows from an all-zero agreement.
    let (shared, author) = (Key::new([0; 32]), low_order().public);
    let ci = ci_of(&mut roster);
    let key = world::at(&project(), epoch(3), |place| {
        kdf::introduction(&shared, &author, &ci.public, place)
    });
    ci.introduction = ci.vouch(&key, &statement);
    roster
}

fn limited(who: &Person, places: &[(&str, &str)]) -> Vec<u8> {
    let places = places.iter();
    let places: Vec<_> = places
        .map(|(env, service)| ((*env).to_string(), (*service).to_string()))
        .collect();
    world::limited_bundle(&project(), epoch(3), &who.id, &places)
}

/// Alice's roster of epoch 17, with the roster keys of the epochs from the first on.
fn late_alice(first: u32) -> Roster {
    let mut roster = roster(&person("alice"), Vec::new());
    roster.epoch = epoch(17);
    roster.earlier = (2..17).map(epoch).collect();
    let earlier: Vec<_> = (first..17).map(epoch).collect();
    let bundle = world::full_bundle(&project(), epoch(17), &earlier);
    roster.members[0].bundle = Some(bundle);
    roster.composed()
}

#[rustfmt::skip]
fn accepted_bundles() -> Vec<Vector> {
    let (alice, ci) = (person("alice"), person("ci"));
    let rule = "4.5, 5.9";
    let bad = |path: &str, what: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut roster = for_ci();
        let shell = roster.clone();
        let ci_member = ci_of(&mut roster);
        let mut bundle = shell.bundle(ci_member);
        edit(&mut bundle);
        ci_member.bundle = Some(bundle);
        let vector = reject(&format!("accept/{path}"), rule, "Unauthentic", what);
        reads(knows(vector, &ci, epoch(3)), &roster.composed(), &ci)
    };
    let full = |path: &str, what: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut roster = roster(&alice, Vec::new());
        let mut bundle = roster.bundle(&roster.members[0]);
        edit(&mut bundle);
        roster.members[0].bundle = Some(bundle);
        let vector = reject(&format!("accept/{path}"), rule, "Unauthentic", what);
        reads(knows(vector, &alice, epoch(3)), &roster.composed(), &alice)
    };
    let granted = |path: &str, what: &str, grants: &[&str], places: &[(&str, &str)]| {
        let mut roster = for_ci();
        let ci_member = ci_of(&mut roster);
        ci_member.grants = grants.iter().map(|grant| (*grant).to_string()).collect();
        ci_member.bundle = Some(limited(&ci, places));
        let vector = reject(&format!("accept/{path}"), rule, "Unauthentic", what);
        reads(knows(vector, &ci, epoch(3)), &roster.composed(), &ci)
    };
    let later = |path: &str, what: &str, first: u32| {
        let roster = late_alice(first);
        let vector = reject(&format!("accept/{path}"), rule, "Unauthentic", what);
        reads(knows(vector, &alice, epoch(17)), &roster, &alice)
    };
    let mut other_statement = for_ci().composed();
    let (shell, statement) = (other_statement.clone(), other_statement.statement());
    let member = ci_of(&mut other_statement);
    member.wrap = shell.wrap(member, &seed("another statement"));
    let vouched = member.witnesses.iter();
    let vouched = vouched.map(|(epoch, _)| {
        let key = witness_key(&project(), *epoch, &ci.id);
        (*epoch, member.vouch(&key, &statement))
    });
    member.witnesses = vouched.collect();
    let vector = reject("accept/wrap_of_another_statement", "4.4, 5.9", "Unauthentic", "the wrap is bound to another statement");
    let mut partial = for_ci();
    let ci_member = ci_of(&mut partial);
    ci_member.grants = vec!["*/production".into(), "api/*".into(), "api/production".into()];
    ci_member.bundle = Some(limited(&ci, &[("production", ""), ("staging", "api")]));
    let partial_scopes = [("values/api/production", true), ("files/web/production", true), ("values/api/staging", true), ("values/api/development", false)];
    let good = |path: &str, what: &str| accept(&format!("accept/{path}"), rule, what);
    vec![
        given(reads(knows(good("bundle_earlier_15", "15 roster keys of epochs before"), &alice, epoch(17)), &late_alice(2), &alice), &alice.id, epoch(17), true, &[("values/api/production", true)]),
        given(reads(knows(good("bundle_partial", "fewer keys than the grants give, and one of an environment that is not listed"), &ci, epoch(3)), &partial.composed(), &ci), &ci.id, epoch(3), false, &partial_scopes),
        reads(knows(vector, &ci, epoch(3)), &other_statement, &ci),
        bad("bundle_kind", "a kind of content that the format does not have", &|it| it[0] = 3),
        bad("bundle_empty", "no content", &Vec::clear),
        bad("bundle_full", "a limited member is given the project key", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[]);
        }),
        bad("bundle_longer", "a byte after the last key", &|it| it.push(0)),
        bad("bundle_shorter", "the last key is cut short", &|it| it.truncate(it.len() - 1)),
        granted("bundle_unsorted", "the scopes are not sorted", &["api/*"], &[("production", "api"), ("development", "api")]),
        granted("bundle_double", "a scope twice", &["api/production"], &[("production", "api"), ("production", "api")]),
        granted("bundle_other_service", "a scope of a service that is not granted", &["api/production"], &[("production", "api"), ("production", "web")]),
        granted("bundle_other_env", "a scope of an environment that is not granted", &["api/production"], &[("development", "api"), ("production", "api")]),
        granted("bundle_whole_env", "a scope is granted, and the key is that of its environment", &["api/production"], &[("production", "")]),
        granted("bundle_env_of_service", "a service is granted, and the key is that of an environment", &["api/*"], &[("production", "")]),
        granted("bundle_scope_of_env", "an environment is granted, and the key is that of a scope", &["*/production"], &[("production", "api")]),
        granted("bundle_env_of_another", "another environment than the one that is granted", &["*/production"], &[("development", "")]),
        granted("bundle_bad_env", "a service is granted, and the environment may not be", &["api/*"], &[("..", "api")]),
        granted("bundle_service_of_another", "another service than the one that is granted", &["api/*"], &[("production", "web")]),
        full("bundle_limited", "a full member is given a limited one's keys", &|it| {
            *it = world::limited_bundle(&project(), epoch(3), &alice.id, &[]);
        }),
        later("bundle_earlier_16", "16 roster keys of epochs before", 1),
        full("bundle_earlier_zero", "a roster key of epoch 0", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[epoch(0), epoch(1)]);
        }),
        full("bundle_earlier_own", "a roster key of the roster's own epoch", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[epoch(2), epoch(3)]);
        }),
        full("bundle_earlier_later", "a roster key of the epoch after", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[epoch(2), epoch(4)]);
        }),
        full("bundle_earlier_double", "two roster keys of one epoch number", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[epoch(2), Epoch(2, short("another"))]);
        }),
        full("bundle_earlier_unsorted", "the epochs before are not sorted", &|it| {
            *it = world::full_bundle(&project(), epoch(3), &[epoch(2), epoch(1)]);
        }),
        {
            let mut roster = for_ci();
            let shell = roster.clone();
            let ci_member = ci_of(&mut roster);
            let mut bundle = shell.bundle(ci_member);
            bundle[33..65].copy_from_slice(&seed("another witness key"));
            ci_member.bundle = Some(bundle);
            let vector = reject("accept/own_witness", "5.8", "Unauthentic", "the witness key in the wrap is not the one of the witness");
            reads(knows(vector, &ci, epoch(2)), &roster.composed(), &ci)
        },
    ]
}

/// What a device makes of a roster some epochs after, or before, the one that it has pinned.
#[rustfmt::skip]
fn accepted_epochs() -> Vec<Vector> {
    let (alice, ci) = (person("alice"), person("ci"));
    let good = |path: &str, what: &str| accept(&format!("accept/{path}"), "4.6, 5.5", what);
    let bad = |path: &str, rule: &str, kind: &str, what: &str| reject(&format!("accept/{path}"), rule, kind, what);
    let at = |number: u32| {
        let mut roster = for_ci();
        roster.epoch = epoch(number);
        roster.earlier = (1..number).map(epoch).collect();
        roster.composed()
    };
    // Two people rotated in parallel: the roster knows the other one's epoch 2.
    let mut forked = for_ci();
    forked.earlier[1] = Epoch(2, short("a fork"));
    let mut first = at(1);
    first.sequence = 2_000_000;
    let full = [("values/api/production", true), ("files/web/development", true)];
    let late = at(16);
    vec![
        given(reads(knows(good("full_of_earlier", "a full member that pinned epoch 1 reads a roster of epoch 3"), &alice, epoch(1)), &at(3), &alice), &alice.id, epoch(3), true, &full),
        given(reads(knows(good("fifteen_rotations", "15 rotations later the pinned epoch is still witnessed"), &ci, epoch(1)), &late, &ci), &ci.id, epoch(16), false, &CI_SCOPES),
        reads(knows(bad("forked_first", "5.4", "ForkedEpoch", "the pinned epoch 1 has another id"), &ci, Epoch(1, short("a fork"))), &at(3), &ci),
        reads(knows(bad("forked_between", "5.4", "ForkedEpoch", "the pinned epoch 2 is not the one that the roster follows"), &ci, epoch(2)), &forked.clone().composed(), &ci),
        given(reads(knows(good("forked_unseen", "a fork of epoch 2, which a device that pinned epoch 1 cannot see"), &ci, epoch(1)), &forked.composed(), &ci), &ci.id, epoch(3), false, &CI_SCOPES),
        reads(knows(bad("older", "5.3", "OldEpoch", "the pin knows epoch 3, and the roster is of epoch 1"), &ci, epoch(3)), &first, &ci),
        reads(knows(bad("older_by_one", "5.3", "OldEpoch", "the pin knows epoch 3, and the roster is of epoch 2"), &ci, epoch(3)), &at(2), &ci),
    ]
}

// --- Rotations ---

/// Alice makes another roster of one; what is random is given.
fn composes(vector: Vector, before: &Roster, after: &Roster) -> Vector {
    let mut vector = reads(vector, &before.clone().composed(), &person("alice"));
    if before.epoch != after.epoch {
        vector = vector
            .with("new epoch", &after.epoch.text())
            .with_hex("new project key", project_key(after.epoch).expose());
    }
    for member in &after.members {
        let ephemeral = seed(&format!("ephemeral key for {}", member.id));
        vector = vector.with_hex(&format!("ephemeral for {}", member.name), &ephemeral);
    }
    vector
}

/// The roster that follows one by a rotation.
fn after(before: &Roster, edit: &dyn Fn(&mut Roster)) -> Roster {
    let mut after = before.clone();
    after.sequence += 1;
    after.earlier.push(before.epoch);
    after.epoch = epoch(before.epoch.0 + 1);
    let excess = after.earlier.len().saturating_sub(15);
    after.earlier.drain(..excess);
    edit(&mut after);
    after
}

#[rustfmt::skip]
fn rotations() -> Vec<Vector> {
    let (bob, ci, dora) = (person("bob"), person("ci"), person("dora"));
    let good = |path: &str, rule: &str, what: &str, before: &Roster, then: &[String], edit: &dyn Fn(&mut Roster)| {
        let after = after(before, edit);
        let mut vector = composes(accept(&format!("compose/{path}"), rule, what), before, &after);
        for then in then {
            vector = vector.with("then", then);
        }
        vector.gives_text("access.json", &after.composed().json())
    };
    let bad = |path: &str, rule: &str, kind: &str, what: &str, before: &Roster, then: &str| {
        composes(reject(&format!("compose/{path}"), rule, kind, what), before, &after(before, &|_| {})).with("then", then)
    };
    let without = |it: &mut Roster, who: &Person, grants: &[&str]| {
        it.members.retain(|member| member.id != who.id);
        it.removed.push(who.id.clone());
        it.removed.sort();
        it.withdrawn.push(withdrawn(who, grants, it.epoch.0));
        it.withdrawn.sort_by_key(|one| (one.epoch, one.id.clone()));
    };
    let (small, team) = (small(), team());
    let dora_of = |it: &mut Roster, grants: &[&str]| {
        let members = it.members.iter_mut().filter(|member| member.id == dora.id);
        members.for_each(|member| member.grants = grants.iter().map(|grant| (*grant).to_string()).collect());
    };
    let grant = |grants: &str| vec![format!("grant {} {grants}", dora.id)];
    let dora_had = ["*/development", "web/*"];
    vec![
        good("key", "9.10, 4.4, 4.5, 4.6", "a new key, and nothing else", &small, &[], &|_| {}),
        good("team", "9.10, 4.4, 4.5, 4.6", "a new key for full and limited members", &team, &[], &|_| {}),
        good("earlier_15", "4.5, 4.6, 9.10", "of 16 epochs before, the first leaves", &witnessed_16(), &[], &|_| {}),
        good("removed", "4.9, 4.10, 9.10", "a limited member is removed", &for_ci(), &[format!("remove {}", ci.id)], &|it| without(it, &ci, &["api/production"])),
        good("removed_full", "4.9, 4.10, 9.10", "a full member is removed, and another limited one", &team, &[format!("remove {}", bob.id), format!("remove {}", ci.id)], &|it| {
            without(it, &bob, &["*"]);
            without(it, &ci, &["api/production"]);
        }),
        good("reduced", "4.10, 9.10", "a member loses a service: all its grants from before are remembered", &team, &grant("*/development"), &|it| {
            dora_of(it, &["*/development"]);
            it.withdrawn.push(withdrawn(&dora, &dora_had, 4));
        }),
        good("narrowed", "4.10, 9.10", "a service gives way to one of its scopes", &team, &grant("web/production,*/development"), &|it| {
            dora_of(it, &["*/development", "web/production"]);
            it.withdrawn.push(withdrawn(&dora, &dora_had, 4));
        }),
        good("exchanged", "4.10, 9.10", "an environment gives way to a service", &team, &grant("api/*,web/*"), &|it| {
            dora_of(it, &["api/*", "web/*"]);
            it.withdrawn.push(withdrawn(&dora, &dora_had, 4));
        }),
        good("together", "4.10, 9.10", "a service gives way to every environment: none of them covers it", &team, &grant("*/development,*/production"), &|it| {
            dora_of(it, &["*/development", "*/production"]);
            it.withdrawn.push(withdrawn(&dora, &dora_had, 4));
        }),
        good("other_env", "3.8, 4.10, 9.10", "a scope gives way to another environment", &for_ci(), &[format!("grant {} */development", ci.id)], &|it| {
            ci_of(it).grants = vec!["*/development".into()];
            it.withdrawn.push(withdrawn(&ci, &["api/production"], 4));
        }),
        good("other_service", "3.8, 4.10, 9.10", "a scope gives way to another service", &for_ci(), &[format!("grant {} web/*", ci.id)], &|it| {
            ci_of(it).grants = vec!["web/*".into()];
            it.withdrawn.push(withdrawn(&ci, &["api/production"], 4));
        }),
        good("widened_to_service", "3.8, 4.10, 9.10", "a scope gives way to its service: nothing is remembered", &for_ci(), &[format!("grant {} api/*", ci.id)], &|it| ci_of(it).grants = vec!["api/*".into()]),
        good("widened", "3.8, 4.10, 9.10", "what is given covers what was there: nothing is remembered", &team, &[format!("grant {} */production", ci.id)], &|it| {
            let members = it.members.iter_mut().filter(|member| member.id == ci.id);
            members.for_each(|member| member.grants = vec!["*/production".into()]);
        }),
        good("made_full", "3.8, 4.10, 9.10", "a limited member becomes a full one: nothing is remembered, and * stands alone", &team, &grant("*,web/*"), &|it| dora_of(it, &["*"])),
        good("made_limited", "3.8, 4.10, 9.10", "a full member becomes a limited one", &team, &[format!("grant {} web/*,*/development,web/*", bob.id)], &|it| {
            let members = it.members.iter_mut().filter(|member| member.id == bob.id);
            members.for_each(|member| member.grants = vec!["*/development".into(), "web/*".into()]);
            it.withdrawn.push(withdrawn(&bob, &["*"], 4));
        }),
        bad("last_full", "4.2", "LastFull", "the last full member is removed", &for_ci(), &format!("remove {}", person("alice").id)),
        bad("last_limited", "4.2", "LastFull", "the last full member becomes a limited one", &for_ci(), &format!("grant {} api/production", person("alice").id)),
        bad("unknown", "4.10", "Missing", "nobody with this id is a member", &for_ci(), &format!("remove {}", bob.id)),
        reads(reject("compose/limited", "3.8, 9.10", "NotFull", "a limited member cannot rotate").with("anchors", &person("alice").id), &for_ci().composed(), &ci)
            .with("new epoch", &epoch(4).text())
            .with_hex("new project key", project_key(epoch(4)).expose()),
    ]
}

/// Changes within an epoch.
#[rustfmt::skip]
fn compositions() -> Vec<Vector> {
    let (bob, ci, eve) = (person("bob"), person("ci"), person("eve"));
    let next = |before: &Roster, edit: &dyn Fn(&mut Roster)| {
        let mut after = before.clone();
        after.sequence += 1;
        edit(&mut after);
        after.members.sort_by(|one, next| one.id.cmp(&next.id));
        after
    };
    let good = |path: &str, rule: &str, what: &str, before: &Roster, then: &str, edit: &dyn Fn(&mut Roster)| {
        let after = next(before, edit);
        let vector = composes(accept(&format!("compose/{path}"), rule, what), before, &after);
        vector.with("then", then).gives_text("access.json", &after.composed().json())
    };
    let bad = |path: &str, rule: &str, kind: &str, what: &str, before: &Roster, then: &str| {
        composes(reject(&format!("compose/{path}"), rule, kind, what), before, before).with("then", then)
    };
    let admit = |who: &Person, grants: &str| format!("admit {} {} {grants}", hex(&who.public), who.name);
    let (small, team) = (small(), team());
    vec![
        good("admitted", "4.2, 4.4, 4.6, 4.7", "a new full member", &small, &admit(&bob, "*"), &|it| it.members.push(member(&bob, &["*"]))),
        good("admitted_limited", "3.8, 4.5", "a new limited member; its grants are sorted, each once", &small, &admit(&ci, "web/*,*/production,web/*"), &|it| {
            it.members.push(member(&ci, &["*/production", "web/*"]));
        }),
        good("admitted_to_all", "3.8", "a new member with * beside another grant", &small, &admit(&bob, "*,web/*"), &|it| it.members.push(member(&bob, &["*"]))),
        good("admitted_later", "4.6", "a new member has witnesses of the epochs before, too", &for_ci(), &admit(&bob, "*"), &|it| it.members.push(member(&bob, &["*"]))),
        good("widened_within", "4.10", "more grants need no rotation", &for_ci(), &format!("grant {} api/production,web/*", ci.id), &|it| {
            ci_of(it).grants = vec!["api/production".into(), "web/*".into()];
        }),
        good("renamed", "4.3", "another name", &for_ci(), &format!("rename {} build", ci.id), &|it| ci_of(it).name = "build".into()),
        bad("admitted_twice", "4.2", "Exists", "a new member that is one already", &for_ci(), &admit(&ci, "*")),
        bad("admitted_again", "4.9", "WasRemoved", "a new member that was removed", &team, &admit(&eve, "*")),
        bad("admitted_of_low_order", "1.6", "BadText", "a new member whose public key is of low order", &small, &admit(&low_order(), "*")).with_hex("ephemeral for another", &seed("another ephemeral key")),
    ]
}

// --- Requests ---

#[rustfmt::skip]
fn requests() -> Vec<Vector> {
    let whole = world::request(&person("bob"));
    let good = |path: &str, what: &str, request: &world::Request| {
        let vector = accept(&format!("request/{path}"), "12.1, 12.2", what).with_text("request.json", &request.json());
        vector.gives("id", &request.id).gives("name", &request.name).gives("public_key", &request.public_key)
    };
    let bad = |path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut world::Request)| {
        let mut defect = whole.clone();
        edit(&mut defect);
        reject(&format!("request/{path}"), rule, "BadText", what).with_text("request.json", &defect.json())
    };
    let edited = |path: &str, what: &str, edit: &dyn Fn(String) -> String| {
        let vector = reject(&format!("request/{path}"), "1.10, 12.1", "NotCanonical", what);
        vector.with_text("request.json", &edit(whole.json()))
    };
    let named = world::Request { name: "Zo\u{eb} \"the laptop\"".into(), ..whole.clone() };
    let newer = world::Request { format: 2, ..whole.clone() };
    let mut masked = person("bob").public;
    masked[31] |= 0x80;
    let name = "  \"name\": \"bob\",\n";
    vec![
        good("whole", "a device asks to become a member", &whole),
        good("named", "a name with a quote", &named),
        reject("request/too_large", "12.1", "TooLarge", "one byte above 1 KiB").with_lines("request.json", vec!["*1025 20".into()]),
        reject("request/format", "1.12, 12.1", "Newer", "another format").with_text("request.json", &newer.json()),
        edited("no_line_feed", "no line feed at the end", &|text| text.trim_end().into()),
        edited("unknown_name", "a member that the format does not have", &|text| text.replacen(name, &format!("  \"more\": 1,\n{name}"), 1)),
        edited("missing_name", "a member is missing", &|text| text.replacen(name, "", 1)),
        edited("other_order", "two members in another order", &|text| {
            let rest = text.replacen(name, "", 1);
            rest.replacen("  \"id\"", &format!("{name}  \"id\""), 1)
        }),
        bad("id_of_another", "3.2, 12.2", "the id of another key", &|it| it.id = person("ci").id),
        bad("id_upper_case", "3.2, 12.2", "the id in upper case", &|it| it.id = it.id.to_uppercase()),
        bad("key_not_canonical", "1.5, 12.1", "a public key that is not canonical", &|it| {
            it.public_key = hex(&masked);
            it.id = world::member_id(&masked);
        }),
        bad("key_short", "12.1", "a public key of 31 bytes", &|it| it.public_key.truncate(62)),
        bad("key_upper_case", "1.9, 12.1", "a public key in upper case", &|it| it.public_key = it.public_key.to_uppercase()),
        bad("name_empty", "3.6, 12.1", "no name", &|it| it.name.clear()),
        bad("name_blank_after", "3.6, 12.1", "a name that ends with a blank", &|it| it.name.push(' ')),
        bad("name_control", "3.6, 12.1", "a name with a control character", &|it| it.name.push('\u{1b}')),
        bad("name_65", "3.6, 12.1", "a name of 65 bytes", &|it| it.name = "a".repeat(65)),
    ]
}

// --- kagi.json ---

fn bad_config(path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut world::Config)) -> Vector {
    let mut defect = config();
    edit(&mut defect);
    reject(&format!("config/{path}"), rule, "BadText", what).with_text("kagi.json", &defect.json())
}

fn newer_config(path: &str, what: &str, format: u32) -> Vector {
    let mut newer = config();
    newer.format = format;
    reject(&format!("config/{path}"), "1.12, 6.1", "Newer", what)
        .with_text("kagi.json", &newer.json())
}

fn edited_config(path: &str, what: &str, edit: &dyn Fn(String) -> String) -> Vector {
    let text = edit(config().json());
    reject(&format!("config/{path}"), "1.10", "NotCanonical", what).with_text("kagi.json", &text)
}

fn whole_config() -> world::Config {
    let mut whole = config();
    whole.nested = true;
    whole.envs.push("staging.eu".into());
    whole.default_env = "staging.eu".into();
    whole.default_service = "web".into();
    let path = |path: &str, service: &str| (path.to_string(), service.to_string());
    whole.paths = vec![
        path("apps/api", "api"),
        path("apps/api/jobs", "jobs"),
        path("ünï \"x\"", "odd"),
    ];
    whole.sync = "https://secrets.example:8443/kagi".into();
    whole
}

#[rustfmt::skip]
fn configs() -> Vec<Vector> {
    let path = |text: &'static str, what: &str, name: &str| {
        bad_config(&format!("path_{name}"), "6.6", what, &|it| {
            it.paths = vec![(text.into(), "api".into())];
        })
    };
    let whole = whole_config();
    let inferred = [("apps/api", "api"), ("apps/api/src", "api"), ("apps/api/jobs/nightly", "jobs"), ("apps/apis", "apps"), ("web/src", "web"), ("Production/x", "none"), (".git", "none")];
    let mut nested = accept("config/whole", "6.1, 6.8", "every member is used").with_text("kagi.json", &whole.json());
    nested = nested.gives_hex("hash", &whole.hash());
    for (below, service) in inferred {
        nested = nested.with("below", below).gives(&format!("service in {below}"), service);
    }
    vec![
        accept("config/new", "6.1", "the configuration of a new project")
            .with_text("kagi.json", &config().json())
            .with("below", "apps/api")
            .gives_hex("hash", &config().hash())
            .gives("service in apps/api", "none"),
        nested,
        reject("config/too_large", "6.1", "TooLarge", "one byte above 64 KiB").with_lines("kagi.json", vec!["*65537 20".into()]),
        edited_config("unknown_name", "a member that the format does not have", &|text| text.replacen("  \"sync\"", "  \"more\": 1,\n  \"sync\"", 1)),
        edited_config("double_name", "a member twice", &|text| text.replacen("  \"nested\"", "  \"nested\": true,\n  \"nested\"", 1)),
        {
            let mut unsorted = whole_config();
            unsorted.paths.reverse();
            reject("config/paths_unsorted", "1.10, 6.6", "NotCanonical", "the paths are not sorted").with_text("kagi.json", &unsorted.json())
        },
        {
            let mut double = config();
            double.paths = vec![("a".into(), "b".into()), ("a".into(), "c".into())];
            reject("config/paths_double", "1.10, 6.6", "NotCanonical", "a path twice").with_text("kagi.json", &double.json())
        },
        newer_config("format_2", "another format", 2),
        newer_config("format_0", "a format that never was", 0),
        newer_config("format_11", "a format that begins with 1", 11),
        bad_config("project_id", "6.2", "a member id in the place of a project id", &|it| it.project = person("alice").id),
        bad_config("envs_none", "6.3", "no environment", &|it| it.envs.clear()),
        bad_config("envs_65", "6.3", "65 environments", &|it| {
            it.envs = (0..65).map(|at| format!("e{at}")).collect();
            it.default_env = "e0".into();
        }),
        bad_config("env_malformed", "3.4, 6.3", "an environment that may not be", &|it| it.envs.push("../x".into())),
        bad_config("env_double", "6.3", "an environment twice", &|it| it.envs.push("production".into())),
        bad_config("env_case", "6.3", "two environments that differ by case alone", &|it| it.envs.push("Production".into())),
        bad_config("default_env", "6.4", "the default environment is not listed", &|it| it.default_env = "staging".into()),
        bad_config("default_env_case", "6.4", "the default environment in another case", &|it| it.default_env = "Development".into()),
        bad_config("default_service", "6.5", "a default service that may not be", &|it| it.default_service = "a/b".into()),
        bad_config("default_service_env", "3.7, 6.5", "a default service named like an environment", &|it| it.default_service = "PRODUCTION".into()),
        path("", "an empty path", "empty"),
        path("a//b", "an empty part", "empty_part"),
        path("a/./b", "a part that means itself", "dot"),
        path("../api", "a part that leads upwards", "parent"),
        path("a\\b", "a backslash", "backslash"),
        path("a\tb", "a control character", "control"),
        path("a\u{200b}b", "a character that nobody sees", "hidden"),
        path("a/\u{202e}b", "a character that reorders text", "reordered"),
        path("/a", "a slash first", "absolute"),
        path("a/", "a slash last", "last_slash"),
        bad_config("path_1025", "6.6", "a path of 1,025 bytes", &|it| it.paths = vec![("a".repeat(1025), "api".into())]),
        bad_config("path_service", "3.4, 6.6", "a path to a service that may not be", &|it| it.paths = vec![("a".into(), String::new())]),
        bad_config("path_service_env", "3.7, 6.6", "a path to a service named like an environment", &|it| it.paths = vec![("a".into(), "Production".into())]),
        bad_config("paths_257", "6.6", "257 paths", &|it| {
            it.paths = (0..257).map(|at| (format!("p{at:03}"), "api".into())).collect();
        }),
        bad_config("sync_blank", "6.7", "a remote with a blank", &|it| it.sync = "https://a b".into()),
        bad_config("sync_letter", "6.7", "a remote with a letter beyond ASCII", &|it| it.sync = "https://é".into()),
        bad_config("sync_1025", "6.7", "a remote of 1,025 bytes", &|it| it.sync = "a".repeat(1025)),
    ]
}

// --- Scope files ---

fn in_file(vector: Vector, text: &str) -> Vector {
    vector
        .with("project", &project())
        .with("scope", "values/api/production")
        .with_text("file", text)
}

/// The boxes of two branches.
fn two_boxes() -> [Vec<u8>; 2] {
    let one = snapshot(1, &[entry("PORT", "8080")]).plaintext();
    let two = snapshot(1, &[entry("PORT", "9090")]).plaintext();
    [api().seal("one", &one), api().seal("two", &two)]
}

fn with_boxes(vector: Vector, markers: bool, boxes: &[&Vec<u8>]) -> Vector {
    let vector = vector.gives("markers", if markers { "yes" } else { "no" });
    boxes.iter().fold(vector, |vector, sealed| {
        let value = format!("{} {} bytes", hex(&box_id(sealed)), sealed.len());
        vector.gives(&format!("box {}", api().epoch.text()), &value)
    })
}

#[rustfmt::skip]
fn scope_files() -> Vec<Vector> {
    let [one, two] = two_boxes();
    let head = api().header();
    let index = "key PORT 1\n";
    let (first, second) = (api().line(&one), api().line(&two));
    let good = |path: &str, rule: &str, what: &str, text: &str, markers: bool, boxes: &[&Vec<u8>]| {
        let vector = accept(&format!("scope_file/{path}"), rule, what);
        with_boxes(in_file(vector, text), markers, boxes)
    };
    let bad = |path: &str, rule: &str, kind: &str, what: &str, text: &str| in_file(reject(&format!("scope_file/{path}"), rule, kind, what), text);
    let merged = format!("{head}{index}<<<<<<< HEAD\n{first}=======\n{second}>>>>>>> theirs\n");
    let merged_3 = format!("<<<<<<< HEAD\n{head}{index}{first}||||||| 1a2b3c4\n=======\n{head}{index}{second}>>>>>>> theirs\n");
    let placed = |edit: &dyn Fn(&mut Place7)| {
        let mut other = api();
        edit(&mut other);
        other.header() + &first
    };
    let many = |count| (0..count).map(|at| api().line(&small_box(at))).collect::<String>();
    let of = |length: usize| head.clone() + &api().line(&vec![7; length]);
    let later = Place7 { epoch: epoch(4), ..api() };
    let twice = format!("{head}{first}{}", later.line(&one));
    let payload = base64(&one);
    let boxed = |text: &str| format!("{head}box {text}\n");
    let e = epoch(3).text();
    let not = "NotCanonical";
    vec![
        good("one_box", "7.1, 7.4, 7.5", "as it is written", &(head.clone() + index + &first), false, &[&one]),
        good("two_boxes", "7.4", "two branches, merged", &(head.clone() + index + &first + &second), false, &[&one, &two]),
        good("no_box", "7.4", "no box", &head, false, &[]),
        good("double_lines", "7.6", "lines that a merge doubled", &(head.clone() + &head + index + index + &first + &first), false, &[&one]),
        with_boxes(in_file(accept("scope_file/same_bytes", "7.6", "the same bytes as boxes of two epochs: both are there"), &twice), false, &[&one])
            .gives(&format!("box {}", later.epoch.text()), &format!("{} {} bytes", hex(&box_id(&one)), one.len())),
        good("carriage_return_once", "7.6", "CRLF in one line", &(head.clone() + &first.replace('\n', "\r\n") + &second), false, &[&one, &two]),
        bad("carriage_return_twice", "7.3, 7.6", not, "two carriage returns after a box", &(head.clone() + &first.replace('\n', "\r\r\n"))),
        bad("carriage_return_alone", "7.1, 7.6", not, "lines that end in carriage returns", &(head.clone() + index + &first).replace('\n', "\r")),
        good("carriage_return", "7.6", "CRLF", &(head.clone() + index + &first).replace('\n', "\r\n"), false, &[&one]),
        good("markers", "7.6", "conflict markers", &merged, true, &[&one, &two]),
        good("markers_first", "7.6", "conflict markers around the header, and an empty base", &merged_3, true, &[&one, &two]),
        good("index", "7.10", "index lines that mean nothing", &(head.clone() + "key \nkey PORT 9\nkey ../x é 1\n" + &first + "key LATE 1\n"), false, &[&one]),
        reject("scope_file/too_large", "7.9", "TooLarge", "one byte above the limit")
            .with("project", &project())
            .with("scope", "values/api/production")
            .with_lines("file", vec!["*33558737 0a".into()]),
        bad("empty", "7.1", not, "no byte", ""),
        bad("no_line_feed", "7.1", not, "no line feed at the end", (head.clone() + &first).trim_end()),
        reject("scope_file/not_utf_8", "7.1", not, "a byte that is no UTF-8")
            .with("project", &project())
            .with("scope", "values/api/production")
            .with_lines("file", [lines_of(&head), vec!["#6b657920ff0a".into()]].concat()),
        bad("other_project", "7.2", "Misplaced", "the header names another project", &placed(&|it| it.project = world::other_project())),
        bad("other_service", "7.2", "Misplaced", "the header names another service", &placed(&|it| it.service = "web")),
        bad("other_env", "7.2", "Misplaced", "the header names another environment", &placed(&|it| it.env = "development")),
        bad("other_format", "7.2", not, "another format", &(head.replacen('1', "2", 1) + &first)),
        bad("other_format_10", "7.2", not, "a format that begins with 1", &(head.replacen('1', "10", 1) + &first)),
        bad("header_cut", "7.2", not, "a header without its place", &("kagi-scope 1\n".to_string() + &first)),
        bad("header_blank_after", "7.2", "Misplaced", "a blank after the header", &(head.trim_end().to_string() + " \n" + &first)),
        bad("no_header", "7.2", not, "a box before the header", &(first.clone() + &head)),
        bad("blank_line", "7.3", not, "an empty line", &(head.clone() + "\n" + &first)),
        bad("unknown_line", "7.3", not, "a line of another kind", &(head.clone() + "note x\n" + &first)),
        bad("indented", "7.3", not, "a blank before a line", &(head.clone() + " " + &first)),
        bad("second_header", "7.3", "NotCanonical", "a second header that names another scope", &(head.clone() + &placed(&|it| it.env = "development"))),
        bad("box_epoch", "3.3, 7.4", not, "a box of no epoch", &boxed(&format!("03.9f2c81d04be6a713 {payload}"))),
        bad("box_without_bytes", "7.4", not, "a box without its bytes", &boxed(&e)),
        bad("box_two_blanks", "7.4", not, "two blanks in a box line", &boxed(&format!("{e}  {payload}"))),
        bad("box_base64", "1.8, 7.4", not, "a box that is no base64", &boxed(&format!("{e} {}", payload.replace('=', "")))),
        good("box_smallest", "7.4", "a box of 24 + 16 + 256 bytes", &of(296), false, &[&vec![7; 296]]),
        bad("box_without_text", "7.4", not, "a box of 24 + 16 bytes", &of(40)),
        bad("box_short", "7.4", not, "a box that is too short for nonce and tag", &of(39)),
        bad("box_295", "7.4", not, "a box that is a byte short of a snapshot", &of(295)),
        bad("box_297", "7.4", not, "a box that is a byte longer than a snapshot", &of(297)),
        bad("box_other_epoch", "3.3, 7.4", not, "a box of epoch 0", &boxed(&format!("{} {payload}", epoch(0).text()))),
        good("boxes_16", "7.9", "16 boxes", &(head.clone() + &many(16)), false, &[]).with_small_boxes(),
        bad("boxes_17", "7.9", "Limit", "17 boxes", &(head.clone() + &many(17))),
    ]
}

/// As many bytes as the smallest box; a reader of the text opens none.
fn small_box(at: u32) -> Vec<u8> {
    at.to_le_bytes().repeat(74)
}

impl Vector {
    fn with_small_boxes(mut self) -> Self {
        for at in 0..16 {
            let sealed = small_box(at);
            let value = format!("{} {} bytes", hex(&box_id(&sealed)), sealed.len());
            self = self.gives(&format!("box {}", api().epoch.text()), &value);
        }
        self
    }
}

#[rustfmt::skip]
fn boxes() -> Vec<Vector> {
    let plain = snapshot(4, &[entry("DATABASE_URL", "postgres://db/app"), entry("PORT", "8080")]);
    let sealed = api().seal("box", &plain.plaintext());
    let index = "key DATABASE_URL 1\nkey PORT 1\n";
    let with_key = |vector: Vector, place: &Place7, sealed: &[u8], index: &str, key: &Key| {
        let mut shown = api();
        shown.epoch = place.epoch;
        vector
            .with("project", &place.project)
            .with("scope", &format!("{}/{}/{}", place.kind, place.service, place.env))
            .with_hex("key", key.expose())
            .with_text("file", &(place.header() + index + &shown.line(sealed)))
    };
    let with = |vector: Vector, place: &Place7, sealed: &[u8]| with_key(vector, place, sealed, index, &api().key());
    let mut files = api();
    files.kind = "files";
    let mut stored = snapshot(4, &[entry("certs/my key.p12", "")]);
    stored.entries[0].value = b"a\0\xff".to_vec();
    let sealed_files = files.seal("box", &stored.plaintext());
    let hostile = snapshot(4, &[entry("../key", "x")]);
    // The key stays that of the scope, so that only what the box is bound to differs.
    let bad = |path: &str, what: &str, edit: &dyn Fn(&mut Place7)| {
        let mut place = api();
        edit(&mut place);
        with(reject(&format!("box/{path}"), "7.7", "none", what), &place, &sealed)
    };
    let changed = |path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = sealed.clone();
        edit(&mut changed);
        with(reject(&format!("box/{path}"), rule, "none", what), &api(), &changed)
    };
    let nonce: [u8; 24] = short("nonce box");
    let epoch_of_box = api().epoch.0;
    let ahead = snapshot(4, &[world::Entry { epoch: epoch_of_box + 1, ..entry("PORT", "8080") }]);
    vec![
        with(accept("box/opens", "7.1, 7.4, 7.7", "a scope file, written again"), &api(), &sealed)
            .with_hex("nonce", &nonce)
            .gives_hex("id", &box_id(&sealed))
            .gives_hex("plaintext", &plain.plaintext()),
        bad("other_kind", "bound to values, read as files", &|it| it.kind = "files"),
        bad("other_project", "bound to another project", &|it| it.project = world::other_project()),
        bad("other_epoch", "bound to another epoch", &|it| it.epoch = epoch(4)),
        bad("other_service", "bound to another service", &|it| it.service = "web"),
        bad("other_env", "bound to another environment", &|it| it.env = "development"),
        changed("nonce", "1.3, 7.4", "one bit of the nonce differs", &|it| it[0] ^= 1),
        changed("ciphertext", "1.3, 7.4", "one bit of the ciphertext differs", &|it| it[24] ^= 1),
        changed("tag", "1.3, 7.4", "one bit of the tag differs", &|it| *it.last_mut().expect("a byte") ^= 1),
        changed("longer", "1.3, 7.4", "256 bytes after the tag", &|it| it.extend([0; 256])),
        with(reject("box/entry_of_a_later_epoch", "8.7", "none", "a value set in an epoch after that of its box"), &api(), &api().seal("box", &ahead.plaintext())),
        with_key(accept("box/files", "7.1, 7.10, 8.3", "a scope of files, written again: a NUL byte, and a blank in a name"), &files, &sealed_files, "key certs/my key.p12 1\n", &files.key())
            .with_hex("nonce", &nonce)
            .gives_hex("id", &box_id(&sealed_files))
            .gives_hex("plaintext", &stored.plaintext()),
        with_key(reject("box/file_name", "3.9, 8.3", "none", "a file that would go above the project"), &files, &files.seal("box", &hostile.plaintext()), "key a 1\n", &files.key()),
        with(reject("box/plaintext", "8.1", "none", "authentic, but no snapshot"), &api(), &api().seal("box", &[0; 256])),
    ]
}

// --- Snapshots ---

fn described(vector: Vector, fields: &Labelled) -> Vector {
    vector.with_lines("plaintext", noted(fields))
}

fn bad_snapshot(path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut world::Snapshot)) -> Vector {
    let mut defect = snapshot(4, &[entry("A", "1"), entry("B", "2")]);
    edit(&mut defect);
    let vector = reject(&format!("snapshot/{path}"), rule, "none", what);
    described(vector, &defect.padded())
}

/// The bytes of a snapshot, edited.
fn edited_snapshot(path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Labelled)) -> Vector {
    let mut fields = snapshot(4, &[entry("A", "1")]).padded();
    edit(&mut fields);
    described(
        reject(&format!("snapshot/{path}"), rule, "none", what),
        &fields,
    )
}

#[rustfmt::skip]
fn snapshots() -> Vec<Vector> {
    let author = person("alice").id;
    let line = |value: &str, description: &str, author: &str| format!("{value} {description} writer=0000000000000000 version=1 time=1767225600 author={author} epoch=3");
    let good = |path: &str, rule: &str, what: &str, of: &world::Snapshot| {
        let vector = accept(&format!("snapshot/{path}"), rule, what);
        let ancestors: Vec<_> = of.ancestors.iter().map(|id| hex(id)).collect();
        let ancestors = ancestors.join(" ");
        let ancestors = if ancestors.is_empty() { "-".into() } else { ancestors };
        described(vector, &of.padded()).gives("sequence", &of.sequence.to_string()).gives("ancestors", &ancestors)
    };
    let mut rich = snapshot(4, &[entry("DATABASE_URL", "postgres://db/app"), entry("EMPTY", ""), entry("KEY", "x")]);
    rich.ancestors = vec![short("ancestor 1"), short("ancestor 2")];
    rich.entries[0].description = b"main".to_vec();
    rich.entries[0].writer = short("ancestor 2");
    rich.entries[0].version = 7;
    rich.entries[0].epoch = 1;
    rich.entries[1].author.clear();
    rich.entries[2].value = vec![0xff, 0x0a];
    let mut exact = snapshot(4, &[entry("A", "")]);
    let length = joined(&exact.fields()).len();
    exact.entries[0].value = vec![b'v'; 256 - length];
    let exact_value = String::from_utf8(exact.entries[0].value.clone()).expect("text");
    let exact_line = if exact_value.len() > 64 { format!("{} bytes", exact_value.len()) } else { exact_value };
    vec![
        good("empty", "8.1, 8.5", "no entry", &snapshot(1, &[])),
        good("entries", "8.1, 8.3", "ancestors and three entries", &rich)
            .gives("entry DATABASE_URL", &format!("postgres://db/app main writer={} version=7 time=1767225600 author={author} epoch=1", hex(&short::<8>("ancestor 2"))))
            .gives("entry EMPTY", &line("-", "-", "-"))
            .gives("entry KEY", &line("hex:ff0a", "-", &author)),
        good("no_padding", "8.5", "256 bytes without padding", &exact).gives("entry A", &line(&exact_line, "-", &author)),
        bad_snapshot("version", "8.1", "another version", &|it| it.version = 2),
        bad_snapshot("sequence_zero", "8.6", "the sequence number 0", &|it| it.sequence = 0),
        bad_snapshot("ancestor_zero", "8.6", "an ancestor whose id is zero", &|it| it.ancestors = vec![short("ancestor 1"), world::ZERO_ID]),
        bad_snapshot("ancestor_double", "8.6", "an ancestor twice", &|it| it.ancestors = vec![short("ancestor 1"), short("ancestor 2"), short("ancestor 1")]),
        edited_snapshot("no_byte", "8.1", "no byte", &Vec::clear),
        edited_snapshot("cut", "8.1", "it ends within an entry", &|it| it.truncate(it.len() - 2)),
        edited_snapshot("count", "8.1", "two entries are announced, and one is there", &|it| it[3].0[0] = 2),
        edited_snapshot("length", "1.1, 8.3", "a value runs past the end", &|it| it[5].0[1] = 1),
        edited_snapshot("padding_missing", "8.5", "no padding", &|it| it.truncate(it.len() - 1)),
        edited_snapshot("padding_short", "8.5", "one byte of padding too few", &|it| {
            it.last_mut().expect("padding").0.remove(0);
        }),
        edited_snapshot("padding_long", "8.5", "256 bytes of padding too many", &|it| {
            it.push((vec![0; 256], "more padding".into()));
        }),
        edited_snapshot("padding_not_zero", "8.5", "the last byte of the padding is not zero", &|it| {
            let padding = it.pop().expect("padding").0;
            it.push((padding[1..].to_vec(), "padding".into()));
            it.push((vec![1], "the last byte".into()));
        }),
    ]
}

#[rustfmt::skip]
fn snapshot_entries() -> Vec<Vector> {
    let bad = |path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut world::Entry)| bad_snapshot(path, rule, what, &|it| edit(&mut it.entries[0]));
    vec![
        bad("name", "3.5, 8.3", "a name that may not be", &|it| it.name = b"1".to_vec()),
        bad("name_not_utf_8", "8.3", "a name that is no UTF-8", &|it| it.name = vec![b'A', 0xff]),
        bad("value_nul", "8.3", "a value with a NUL byte", &|it| it.value.push(0)),
        bad("value_too_large", "8.3", "a value of 1 MiB and one byte", &|it| it.value = Vec::new()).with_large_value(),
        bad("description_too_long", "3.6, 8.3", "a description of 1,025 bytes", &|it| it.description = vec![b'd'; 1025]),
        bad("description_control", "3.6, 8.3", "a description with a line feed", &|it| it.description = b"a\nb".to_vec()),
        bad("description_not_utf_8", "8.3", "a description that is no UTF-8", &|it| it.description = vec![0xff]),
        bad("author", "3.2, 8.3", "an author of 19 characters", &|it| it.author.truncate(23)),
        bad("author_project", "3.2, 8.3", "a project id as author", &|it| it.author = project().into()),
        bad("version_zero", "8.3", "an entry of version 0", &|it| it.version = 0),
        bad("epoch_zero", "8.3", "an entry of epoch 0", &|it| it.epoch = 0),
        bad("writer_unknown", "8.6", "a writer that is no ancestor", &|it| it.writer = short("ancestor 1")),
        bad_snapshot("writer_of_another", "8.6", "a writer that is no ancestor, beside one that is", &|it| {
            it.ancestors = vec![short("ancestor 1")];
            it.entries[0].writer = short("ancestor 1");
            it.entries[1].writer = short("ancestor 2");
        }),
        bad_snapshot("unsorted", "8.4", "the entries are not sorted", &|it| it.entries.reverse()),
        bad_snapshot("double", "8.4", "an entry twice", &|it| it.entries[1].name = b"A".to_vec()),
    ]
}

#[rustfmt::skip]
fn snapshots_of_files() -> Vec<Vector> {
    let of_kind = |vector: Vector, name: &str, value: &[u8], of: &str| {
        let mut of_file = entry(name, "");
        of_file.value = value.to_vec();
        described(vector, &snapshot(4, &[of_file]).padded()).with("kind", of)
    };
    let bad = |path: &str, rule: &str, what: &str, name: &str| of_kind(reject(&format!("snapshot/{path}"), rule, "none", what), name, b"x", "files");
    let author = person("alice").id;
    let gives = format!("hex:6100ff - writer=0000000000000000 version=1 time=1767225600 author={author} epoch=3");
    vec![
        of_kind(accept("snapshot/file", "3.9, 8.3", "a file with a NUL byte"), "certs/my key.p12", b"a\0\xff", "files")
            .gives("sequence", "4").gives("ancestors", "-").gives("entry certs/my key.p12", &gives),
        bad("file_name", "3.9, 8.3", "a file that would go above the project", "../key"),
        of_kind(reject("snapshot/file_too_large", "8.3", "none", "a file of 5 MiB and one byte"), "a", b"", "files").with_value_of(5_242_881),
        of_kind(reject("snapshot/file_as_value", "3.5, 8.3", "none", "a file's name among values"), "certs/tls.pem", b"x", "values"),
    ]
}

impl Vector {
    /// Puts 1 MiB and one byte in the place of the first value, and the padding that fits.
    fn with_large_value(self) -> Self {
        self.with_value_of(1_048_577)
    }

    /// The same with any number of bytes.
    fn with_value_of(mut self, count: u32) -> Self {
        let lines = &mut self.inputs[0].lines;
        let at = lines
            .iter()
            .position(|line| line.ends_with("  value"))
            .expect("a value");
        lines[at] = format!("#{}  length of the value", hex(&count.to_le_bytes()));
        lines.insert(at + 1, format!("*{count} 61  value"));
        let length = self.inputs[0].bytes().len();
        let lines = &mut self.inputs[0].lines;
        let padding = lines.pop().expect("padding");
        let count = padding[1..].split(' ').next().expect("a count");
        let count: usize = count.parse().expect("a number");
        let wanted = (length - count).next_multiple_of(256) - (length - count);
        lines.push(format!("*{wanted} 00  padding"));
        self
    }
}

// --- Joins ---

const NOW: u64 = 1_767_225_600;
const BASE: &str = "00000000000000b0";
const LEFT: &str = "00000000000000c1";
const RIGHT: &str = "00000000000000c2";
const NEWEST: &str = "ffffffffffffffff";
const THIS: &str = "0000000000000000";

/// One line of a snapshot in a vector of `join`.
fn line(name: &str, value: &str, writer: &str, version: u32, time: u64) -> String {
    line_of(name, value, writer, version, time, 3)
}

/// The same of a value that was set in another epoch.
fn line_of(name: &str, value: &str, writer: &str, version: u32, time: u64, epoch: u32) -> String {
    format!(
        "entry {name} {value} - {writer} {version} {} - {epoch}\n",
        NOW + time
    )
}

/// An entry as an output.
fn shown(value: &str, writer: &str, version: u32, time: u64) -> String {
    shown_of(value, writer, version, time, 3)
}

fn shown_of(value: &str, writer: &str, version: u32, time: u64, epoch: u32) -> String {
    format!(
        "{value} - writer={writer} version={version} time={} author=- epoch={epoch}",
        NOW + time
    )
}

fn written_by(author: &str, value: &str, version: u32, epoch: u32) -> String {
    let time = NOW + 9;
    format!("{value} - writer={THIS} version={version} time={time} author={author} epoch={epoch}")
}

fn state(sequence: u64, ancestors: &str, entries: &[String]) -> String {
    let space = if ancestors.is_empty() { "" } else { " " };
    let entries = entries.concat();
    format!("sequence {sequence}\nancestors{space}{ancestors}\n{entries}")
}

/// Two keys in the first snapshot.
fn old() -> String {
    state(
        1,
        "",
        &[line("A", "old", THIS, 1, 0), line("B", "old", THIS, 1, 0)],
    )
}

/// The entry of the first snapshot in one that follows.
fn kept(name: &str) -> String {
    line(name, "old", BASE, 1, 0)
}

impl Vector {
    fn snapshot(self, id: &str, text: &str) -> Self {
        self.with_text(&format!("snapshot {id}"), text)
    }

    /// Two snapshots that follow the first.
    fn sides(self, one: &[String], two: &[String]) -> Self {
        self.snapshot(LEFT, &state(2, BASE, one))
            .snapshot(RIGHT, &state(2, BASE, two))
    }

    fn joined(self, idle: bool, keys: &[(&str, &str)]) -> Self {
        let vector = self.gives("idle box", if idle { "yes" } else { "no" });
        let keys = keys.iter();
        keys.fold(vector, |vector, (name, value)| {
            vector.gives(&format!("key {name}"), value)
        })
    }

    fn next(self, sequence: u64, ancestors: &str, entries: &[(&str, &str)]) -> Self {
        let vector = self
            .gives("next sequence", &sequence.to_string())
            .gives("next ancestors", ancestors);
        let entries = entries.iter();
        entries.fold(vector, |vector, (name, value)| {
            vector.gives(&format!("next entry {name}"), value)
        })
    }
}

#[rustfmt::skip]
fn joins() -> Vec<Vector> {
    let good = |path: &str, rule: &str, what: &str| accept(&format!("join/{path}"), rule, what);
    let all = format!("{BASE} {LEFT} {RIGHT}");
    let (kept_a, kept_b) = (("A", &*shown("old", BASE, 1, 0)), ("B", &*shown("old", BASE, 1, 0)));
    let (new_a, new_b) = (("A", &*shown("new", LEFT, 2, 5)), ("B", &*shown("other", RIGHT, 2, 6)));
    let later = ("A", &*shown("new", RIGHT, 2, 6));
    let set_a = || line("A", "new", THIS, 2, 5);
    vec![
        good("one", "9.2, 9.6, 9.7", "one box: its own entries get its id")
            .snapshot(BASE, &old())
            .joined(false, &[kept_a, kept_b])
            .next(2, BASE, &[kept_a, kept_b]),
        good("ancestor", "9.1", "a box that another lists has no effect")
            .snapshot(BASE, &old())
            .snapshot(LEFT, &state(2, BASE, &[set_a()]))
            .joined(true, &[new_a])
            .next(3, &format!("{BASE} {LEFT}"), &[new_a]),
        good("different_keys", "9.3, 9.6", "two sides changed different keys")
            .sides(&[set_a(), kept("B")], &[kept("A"), line("B", "other", THIS, 2, 6)])
            .joined(false, &[new_a, new_b])
            .next(3, &all, &[new_a, new_b]),
        good("deletion", "9.3", "one side deleted a key that the other did not touch")
            .sides(&[kept("B")], &[kept("A"), kept("B")])
            .joined(false, &[kept_b])
            .next(3, &all, &[kept_b]),
        good("set_and_deletion", "9.3", "a set wins over a parallel deletion")
            .sides(&[set_a(), kept("B")], &[kept("B")])
            .joined(false, &[new_a, kept_b])
            .next(3, &all, &[new_a, kept_b]),
        good("both_deleted", "9.3", "both sides deleted a key")
            .sides(&[kept("B")], &[kept("B")])
            .joined(false, &[kept_b])
            .next(3, &all, &[kept_b]),
        good("equal", "9.4, 9.7", "two sides set the same value; the later one counts, and is written anew")
            .sides(&[set_a()], &[line("A", "new", THIS, 2, 6)])
            .joined(false, &[later])
            .next(3, &all, &[("A", &*shown("new", THIS, 2, 6))]),
    ]
}

#[rustfmt::skip]
fn conflicts() -> Vec<Vector> {
    let good = |path: &str, what: &str| accept(&format!("join/{path}"), "9.9", what);
    let all = format!("{BASE} {LEFT} {RIGHT}");
    let apart = |vector: Vector| vector.sides(&[line("A", "new", THIS, 2, 6)], &[line("A", "other", THIS, 2, 5)]);
    let (new, other) = (("A", &*shown("new", LEFT, 2, 6)), ("A", &*shown("other", RIGHT, 2, 5)));
    let (kept_a, kept_b) = (("A", &*shown("old", BASE, 1, 0)), ("B", &*shown("old", BASE, 1, 0)));
    let (who, time) = (person("bob").id, NOW + 9);
    vec![
        apart(reject("join/conflict", "9.5, 9.7", "Conflict", "two sides set different values: nothing is written")),
        reject("join/conflict_of_descriptions", "9.4, 9.5", "Conflict", "one value with two descriptions")
            .sides(&[line("A", "new", THIS, 2, 6)], &[line("A", "new", THIS, 2, 6).replacen(" - ", " main ", 1)]),
        apart(good("resolve", "the older value is chosen, and written anew"))
            .with("then", &format!("resolve A 0 {time} {who} 4"))
            .joined(false, &[other, new])
            .next(3, &all, &[("A", &written_by(&who, "other", 3, 3))]),
        apart(good("set_in_conflict", "a new value ends a conflict"))
            .with("then", &format!("set A third {time} {who} 4"))
            .joined(false, &[other, new])
            .next(3, &all, &[("A", &written_by(&who, "third", 3, 4))]),
        apart(good("deleted_in_conflict", "deleting a key ends its conflict"))
            .with("then", "unset A")
            .joined(false, &[other, new])
            .next(3, &all, &[]),
        good("set_again", "a deleted key begins with version 1 again")
            .snapshot(BASE, &old())
            .with("then", "unset A")
            .with("then", &format!("set A new {time} {who} 4"))
            .joined(false, &[kept_a, kept_b])
            .next(2, BASE, &[("A", &written_by(&who, "new", 1, 4)), kept_b]),
        good("set_the_same", "a change that changes nothing")
            .snapshot(BASE, &old())
            .with("then", &format!("set A old {time} {who} 4"))
            .joined(false, &[kept_a, kept_b])
            .next(2, BASE, &[kept_a, kept_b]),
    ]
}

#[rustfmt::skip]
fn other_joins() -> Vec<Vector> {
    let good = |path: &str, rule: &str, what: &str| accept(&format!("join/{path}"), rule, what);
    let one = |sequence: u64, value: &str| state(sequence, "", &[line("A", value, THIS, 1, sequence)]);
    let [first, second, third] = [1, 2, 3].map(|id| format!("{id:016x}"));
    let (x, y) = (("A", &*shown("x", &third, 1, 6)), ("A", &*shown("y", &second, 1, 7)));
    let (by_first, by_second) = (shown("x", &first, 3, 0), shown("x", &second, 3, 0));
    let entries = [line("A", "x", &first, 3, 0), line("B", "y", &second, 3, 0)];
    let long = state(2000, "0000000000000001 to 0000000000000400", &entries);
    let b = ("B", &*shown("y", &second, 3, 0));
    vec![
        good("three", "9.4, 9.5, 9.6", "three boxes, two of which agree, until one is chosen")
            .snapshot(&first, &one(5, "x"))
            .snapshot(&second, &one(7, "y"))
            .snapshot(&third, &one(6, "x"))
            .with("then", &format!("resolve A 1 {} - 3", NOW + 9))
            .joined(false, &[x, y])
            .next(8, &format!("{first} {third} {second}"), &[("A", &written_by("-", "y", 2, 3))]),
        good("order_of_heads", "9.6", "the ancestors of the head with the lower number come first, wherever its box stands")
            .snapshot(LEFT, &state(6, &format!("{second} {first}"), &[]))
            .snapshot(RIGHT, &state(5, &format!("{third} {first}"), &[]))
            .joined(false, &[])
            .next(7, &format!("{third} {first} {second} {RIGHT} {LEFT}"), &[]),
        good("order_of_equal_heads", "9.6", "of two heads with one number the lower id comes first, wherever its box stands")
            .snapshot(RIGHT, &state(5, &format!("{third} {first}"), &[]))
            .snapshot(LEFT, &state(5, &format!("{second} {first}"), &[]))
            .joined(false, &[])
            .next(6, &format!("{second} {first} {third} {LEFT} {RIGHT}"), &[]),
        good("ancestors_1024", "9.8", "the oldest of 1,025 ancestors leaves, and its entry goes to the next")
            .snapshot(NEWEST, &long)
            .joined(false, &[("A", &by_first), b])
            .next(2001, &format!("{second} to {NEWEST}, 1024"), &[("A", &by_second), b]),
    ]
}

#[rustfmt::skip]
fn epochs_of_values() -> Vec<Vector> {
    let good = |path: &str, rule: &str, what: &str| accept(&format!("join/epoch_{path}"), rule, what);
    let (who, time) = (person("bob").id, NOW + 9);
    let one = |vector: Vector, then: &str, next: &str| {
        vector
            .snapshot(BASE, &state(1, "", &[line_of("A", "old", THIS, 1, 0, 2)]))
            .with("then", then)
            .joined(false, &[("A", &shown_of("old", BASE, 1, 0, 2))])
            .next(2, BASE, &[("A", next)])
    };
    let apart = |vector: Vector, then: &str, next: &str| {
        vector
            .sides(&[line_of("A", "new", THIS, 2, 6, 3)], &[line_of("A", "other", THIS, 2, 5, 2)])
            .with("then", then)
            .joined(false, &[("A", &shown_of("other", RIGHT, 2, 5, 2)), ("A", &shown_of("new", LEFT, 2, 6, 3))])
            .next(3, &format!("{BASE} {LEFT} {RIGHT}"), &[("A", next)])
    };
    let described = written_by(&who, "old", 2, 2).replacen(" - ", " main ", 1);
    vec![
        one(good("of_set", "9.9", "a value that is set has the epoch of the change"), &format!("set A new {time} {who} 4"), &written_by(&who, "new", 2, 4)),
        one(good("of_same_value", "9.9", "another description: the value keeps its epoch"), &format!("set A old {time} {who} 4 main"), &described),
        apart(good("of_side", "9.9", "set to the value of one side of a conflict: it keeps its epoch"), &format!("set A other {time} {who} 4"), &written_by(&who, "other", 3, 2)),
        apart(good("of_choice", "9.9", "a side of a conflict is chosen: it keeps its epoch"), &format!("resolve A 0 {time} {who} 4"), &written_by(&who, "other", 3, 2)),
        apart(good("of_third", "9.9", "a value that no side of a conflict has: the epoch of the change"), &format!("set A third {time} {who} 4"), &written_by(&who, "third", 3, 4)),
        good("of_equals", "9.4", "two sides set one value: the later entry counts, with the lower epoch")
            .sides(&[line_of("A", "new", THIS, 2, 5, 2)], &[line_of("A", "new", THIS, 2, 6, 3)])
            .joined(false, &[("A", &shown_of("new", RIGHT, 2, 6, 2))])
            .next(3, &format!("{BASE} {LEFT} {RIGHT}"), &[("A", &shown_of("new", THIS, 2, 6, 2))]),
        good("of_equals_first", "9.4", "the same, and the later entry has the lower epoch")
            .sides(&[line_of("A", "new", THIS, 2, 5, 3)], &[line_of("A", "new", THIS, 2, 6, 2)])
            .joined(false, &[("A", &shown_of("new", RIGHT, 2, 6, 2))])
            .next(3, &format!("{BASE} {LEFT} {RIGHT}"), &[("A", &shown_of("new", THIS, 2, 6, 2))]),
        good("of_two_sides", "9.9", "set to a value that both sides of a conflict have, with other descriptions: the lower epoch")
            .sides(&[line_of("A", "new", THIS, 2, 5, 3)], &[line_of("A", "new", THIS, 2, 6, 2).replacen(" - ", " main ", 1)])
            .with("then", &format!("set A new {time} {who} 4 both"))
            .joined(false, &[("A", &shown_of("new", LEFT, 2, 5, 3)), ("A", &shown_of("new", RIGHT, 2, 6, 2).replacen(" - ", " main ", 1))])
            .next(3, &format!("{BASE} {LEFT} {RIGHT}"), &[("A", &written_by(&who, "new", 3, 2).replacen(" - ", " both ", 1))]),
    ]
}

#[rustfmt::skip]
fn rotated_joins() -> Vec<Vector> {
    let good = |path: &str, what: &str| accept(&format!("join/{path}"), "9.10", what);
    let (first, second) = ("0000000000000001", "0000000000000002");
    let (old, new) = (line_of("A", "old", BASE, 1, 0, 1), line_of("B", "new", THIS, 2, 5, 3));
    let (old_of, new_of) = (shown_of("old", BASE, 1, 0, 1), shown_of("new", LEFT, 2, 5, 3));
    let before = state(9, &format!("{first} {BASE}"), &[old, new]);
    // The box of the new epoch, that lists the one that it replaced.
    let box_of_epoch = state(10, LEFT, &[line_of("A", "old", THIS, 1, 0, 1), line_of("B", "new", THIS, 2, 5, 3)]);
    let rotated = |name: &str, value: &str, version: u32, time: u64, epoch: u32| line_of(name, value, RIGHT, version, time, epoch);
    let (kept_a, kept_b) = (rotated("A", "old", 1, 0, 1), rotated("B", "new", 2, 5, 3));
    let (a_of, b_of) = (shown_of("old", RIGHT, 1, 0, 1), shown_of("new", RIGHT, 2, 5, 3));
    let set_a = line_of("A", "set", THIS, 2, 7, 4);
    let set_of = |writer: &str| shown_of("set", writer, 2, 7, 4);
    vec![
        good("rotated", "a rotation: it lists what it replaces, writes every entry, and keeps their epochs")
            .snapshot(LEFT, &before)
            .with("rotated from", LEFT)
            .joined(false, &[("A", &old_of), ("B", &new_of)])
            .next(10, LEFT, &[("A", &shown_of("old", THIS, 1, 0, 1)), ("B", &shown_of("new", THIS, 2, 5, 3))]),
        reject("join/rotated_in_conflict", "9.7, 9.10", "Conflict", "a rotation while a name is in conflict")
            .sides(&[line("A", "new", THIS, 2, 6)], &[line("A", "other", THIS, 2, 5)])
            .with("rotated from", &format!("{LEFT} {RIGHT}")),
        good("after_rotation", "a change after a rotation, with the box of the rotation beside it")
            .snapshot(RIGHT, &box_of_epoch)
            .snapshot(second, &state(11, &format!("{LEFT} {RIGHT}"), &[set_a.clone(), kept_b.clone()]))
            .joined(true, &[("A", &set_of(second)), ("B", &b_of)])
            .next(12, &format!("{LEFT} {RIGHT} {second}"), &[("A", &set_of(second)), ("B", &b_of)]),
        good("sides_of_a_rotation", "two sides after a rotation: one sets a key, the other deletes one")
            .snapshot(first, &state(11, &format!("{LEFT} {RIGHT}"), &[set_a, kept_b]))
            .snapshot(second, &state(11, &format!("{LEFT} {RIGHT}"), &[kept_a]))
            .joined(false, &[("A", &set_of(first))])
            .next(12, &format!("{LEFT} {RIGHT} {first} {second}"), &[("A", &set_of(first))]),
        good("rotated_again", "a rotation right after another")
            .snapshot(RIGHT, &box_of_epoch)
            .with("rotated from", RIGHT)
            .joined(false, &[("A", &a_of), ("B", &b_of)])
            .next(11, RIGHT, &[("A", &shown_of("old", THIS, 1, 0, 1)), ("B", &shown_of("new", THIS, 2, 5, 3))]),
    ]
}

// --- Identities ---

#[rustfmt::skip]
fn identities() -> Vec<Vector> {
    let (ci, alice) = (person("ci"), person("alice"));
    let witness = witness_key(&project(), epoch(3), &ci.id);
    let plain = world::identity(&ci);
    let origin = Some((project(), epoch(3), &witness));
    let content = |anchors: &[&str]| {
        let origin = origin.as_ref().map(|(project, epoch, key)| (project.as_str(), *epoch, *key));
        world::identity_content(&ci, origin, anchors)
    };
    let good = |path: &str, what: &str, text: &str| {
        accept(&format!("identity/{path}"), "10.1, 10.2", what).with_text("text", text).gives("id", &ci.id).gives_hex("secret", &ci.secret).gives_hex("public_key", &ci.public)
    };
    let bad = |path: &str, rule: &str, what: &str, text: &str| reject(&format!("identity/{path}"), rule, "BadText", what).with_text("text", text);
    let of = |path: &str, what: &str, content: &[u8]| bad(path, "10.2", what, &world::identity_text(content));
    let with_origin = |vector: Vector| vector.gives("project", &project()).gives("epoch", &epoch(3).text()).gives_hex("witness", witness.expose());
    let key = hex(project_key(epoch(3)).expose());
    let no_key = |path: &str, what: &str, text: &str| reject(&format!("identity/project_key_{path}"), "10.3", "BadText", what).with("is", "project key").with_text("text", text);
    let letter = if &plain[30..31] == "a" { "b" } else { "a" };
    let typo = format!("{}{letter}{}", &plain[..30], &plain[31..]);
    let bare = world::identity_content(&ci, None, &[]);
    let mut pair = [alice.id.clone(), person("bob").id];
    pair.sort();
    let [first, last] = pair;
    vec![
        good("plain", "an identity that knows nothing", &plain),
        good("surrounded", "white space before and after", &format!("\t\u{c} {plain}\r\n")),
        with_origin(good("two_anchors", "two anchors", &world::identity_text(&content(&[&first, &last])))).gives("anchor", &first).gives("anchor", &last),
        with_origin(good("origin", "an identity that knows a project", &world::identity_text(&content(&[])))),
        with_origin(good("anchors", "an identity with a project and an anchor", &world::identity_text(&content(&[&alice.id])))).gives("anchor", &alice.id),
        bad("version", "10.1", "another version", &plain.replacen("_v1_", "_v2_", 1)),
        bad("prefix", "10.1", "no prefix", &plain[17..]),
        bad("upper_case", "1.7, 10.1", "upper case", &(plain[..17].to_string() + &plain[17..].to_uppercase())),
        bad("typing_error", "10.1", "one letter is another", &typo),
        bad("cut", "10.1", "the last 8 letters are missing", &plain[..plain.len() - 8]),
        bad("blank", "10.1", "a blank inside", &(plain[..40].to_string() + " " + &plain[40..])),
        of("short_secret", "a secret key of 31 bytes", &bare[1..]),
        of("without_project", "nothing after the secret key", &ci.secret),
        of("project", "a member id in the place of the project id", &[&ci.secret[..], &lp(alice.id.as_bytes()), &epoch(3).bytes(), witness.expose()].concat()),
        of("epoch_zero", "the epoch number 0", &world::identity_content(&ci, Some((&project(), epoch(0), &witness)), &[])),
        of("anchors_unsorted", "the anchors are not sorted", &content(&[&last, &first])),
        of("anchor_double", "an anchor twice", &content(&[&first, &first])),
        bad("no_break_space", "10.1", "a blank beyond ASCII after it", &format!("{plain}\u{a0}")),
        bad("vertical_tab", "10.1", "a vertical tab before it", &format!("\u{b}{plain}")),
        of("short_witness", "a witness key of 31 bytes", &content(&[])[..content(&[]).len() - 1]),
        of("anchor", "an anchor of 19 characters", &content(&[&alice.id[..23]])),
        of("anchor_cut", "an anchor that is cut short", &content(&[&alice.id])[..content(&[]).len() + 9]),
        accept("identity/project_key", "10.3", "a project key").with("is", "project key").with_text("text", &(key.clone() + "\n")).gives("key", &key),
        no_key("upper_case", "upper case", &key.to_uppercase()),
        no_key("no_break_space", "a blank beyond ASCII before it", &format!("\u{a0}{key}")),
        no_key("63", "63 digits", &key[1..]),
        no_key("66", "66 digits", &(key.clone() + "00")),
        no_key("prefix", "a prefix", &format!("0x{}", &key[2..])),
    ]
}

// --- Scope keys, paper ---

fn scope_key_content() -> Vec<u8> {
    world::scope_key_content(&project(), epoch(3), "api", "production")
}

#[rustfmt::skip]
fn scope_keys() -> Vec<Vector> {
    let content = scope_key_content();
    let text = world::scope_key_text(&content);
    let bad = |path: &str, rule: &str, what: &str, text: &str| {
        reject(&format!("identity/scope_key_{path}"), rule, "BadText", what).with("is", "scope key").with_text("text", text)
    };
    let of = |path: &str, rule: &str, what: &str, content: &[u8]| bad(path, rule, what, &world::scope_key_text(content));
    let at = |project: &str, epoch: Epoch, service: &str, env: &str| world::scope_key_content(project, epoch, service, env);
    let (p, e) = (project(), epoch(3));
    let key = |kind: &str| raw(&world::scope_key(&p, e, kind, "api", "production"));
    let letter = if &text[30..31] == "a" { "b" } else { "a" };
    vec![
        accept("identity/scope_key", "10.5", "a scope key")
            .with("is", "scope key")
            .with_text("text", &format!("\t{text}\n"))
            .gives("project", &p)
            .gives("epoch", &e.text())
            .gives("scope", "api/production")
            .gives_hex("values", &key("values"))
            .gives_hex("files", &key("files")),
        bad("version", "10.5", "another version", &text.replacen("_v1_", "_v2_", 1)),
        bad("identity", "10.5", "the prefix of an identity", &text.replacen("kagi_key", "kagi_identity", 1)),
        bad("upper_case", "1.7, 10.5", "upper case", &(text[..12].to_string() + &text[12..].to_uppercase())),
        bad("typing_error", "10.5", "one letter is another", &format!("{}{letter}{}", &text[..30], &text[31..])),
        bad("blank", "10.5", "a blank inside", &(text[..40].to_string() + " " + &text[40..])),
        bad("cut", "10.5", "the last 8 letters are missing", &text[..text.len() - 8]),
        of("short", "10.5", "a key of 31 bytes", &content[..content.len() - 1]),
        of("long", "10.5", "one byte more", &[&content[..], &[0]].concat()),
        of("project", "3.1, 10.5", "a member id in the place of the project id", &at(&person("ci").id, e, "api", "production")),
        of("epoch_zero", "3.3, 10.5", "the epoch number 0", &at(&p, epoch(0), "api", "production")),
        of("service", "3.4, 10.5", "a service that may not be", &at(&p, e, "..", "production")),
        of("no_service", "3.4, 10.5", "no service", &at(&p, e, "", "production")),
        of("env", "3.4, 10.5", "an environment that may not be", &at(&p, e, "api", "a/b")),
        of("service_like_env", "3.7, 10.5", "a service that is named like the environment", &at(&p, e, "Production", "production")),
    ]
}

#[rustfmt::skip]
fn scope_key_holders() -> Vec<Vector> {
    let e = epoch(3);
    let holds = |vector: Vector, roster: &Roster, project: &str, epoch: Epoch| {
        let content = world::scope_key_content(project, epoch, "api", "production");
        vector
            .with_text("kagi.json", &config().json())
            .with_text("access.json", &roster.json())
            .with("scope_key", &world::scope_key_text(&content))
    };
    let given = |vector: Vector| {
        let key = |kind: &str| hex(world::scope_key(&project(), e, kind, "api", "production").expose());
        vector
            .with("scopes", "values/api/production files/api/production values/api/development values/web/production")
            .gives("member", "")
            .gives("epoch", &e.text())
            .gives("full", "no")
            .gives("key values/api/production", &key("values"))
            .gives("key files/api/production", &key("files"))
            .gives("key values/api/development", "none")
            .gives("key values/web/production", "none")
    };
    let good = |path: &str, what: &str| accept(&format!("accept/scope_key{path}"), "5.12", what);
    let bad = |path: &str, what: &str| reject(&format!("accept/scope_key_{path}"), "5.12", "ForeignKey", what);
    let now = for_ci().composed();
    let mut unsealed = now.clone();
    unsealed.seal[0] ^= 1;
    unsealed.config = seed("another kagi.json");
    vec![
        given(holds(good("", "the holder of a scope key"), &now, &project(), e)),
        given(holds(good("_checks_nothing_else", "a seal and a hash of kagi.json that do not hold"), &unsealed, &project(), e)),
        holds(bad("of_another_project", "a key of another project"), &now, &world::other_project(), e),
        holds(bad("of_epoch_before", "a key of the epoch before"), &now, &project(), epoch(2)),
        holds(bad("of_epoch_after", "a key of the epoch after"), &now, &project(), epoch(4)),
        holds(bad("of_another_rotation", "a key of an epoch with the same number"), &now, &project(), Epoch(3, short("a fork"))),
    ]
}

#[rustfmt::skip]
fn papers() -> Vec<Vector> {
    let ci = person("ci");
    let text = world::identity(&ci);
    let good = |path: &str, what: &str, text: &str| {
        accept(&format!("identity/paper{path}"), "10.7", what).with("is", "paper").with_text("text", text).gives("id", &ci.id).gives_hex("secret", &ci.secret)
    };
    let bad = |path: &str, what: &str, text: &str| reject(&format!("identity/paper_{path}"), "10.1, 10.7", "BadText", what).with("is", "paper").with_text("text", text);
    let groups: Vec<&str> = (17..text.len()).step_by(4).map(|at| &text[at..text.len().min(at + 4)]).collect();
    let lines: Vec<String> = groups.chunks(4).map(|line| line.join(" ")).collect();
    let paper = format!("{}\n{}\n", &text[..17], lines.join("\n"));
    vec![
        good("", "an identity as it is written down", &paper).gives("paper", &paper),
        good("_typed", "upper case, hyphens, tabs and line ends", &paper.to_uppercase().replace(' ', "-").replace('\n', "\t\r\n")).gives("paper", &paper),
        good("_one_line", "the text itself", &text).gives("paper", &paper),
        bad("digit", "a digit that is no symbol", &paper.replacen(&paper[18..19], "1", 1)),
        bad("line", "a line is missing", &format!("{}\n{}\n", &text[..17], lines[1..].join("\n"))),
        bad("lines_swapped", "two lines are swapped", &format!("{}\n{}\n{}\n{}\n", &text[..17], lines[1], lines[0], lines[2..].join("\n"))),
        bad("no_break_space", "a blank beyond ASCII", &paper.replacen(' ', "\u{a0}", 1)),
        bad("point", "a point between groups", &paper.replacen(' ', ".", 1)),
        bad("without_prefix", "no prefix", &paper[18..]),
    ]
}

// --- Pins ---

fn whole_pin() -> world::Pin {
    let mut whole = pin(&person("ci"), epoch(3));
    whole.anchors = vec![person("alice").id, person("bob").id];
    whole.sequences = vec![
        ("files/api/production".into(), 2),
        ("values/api/production".into(), 18),
    ];
    whole
}

#[rustfmt::skip]
fn pins() -> Vec<Vector> {
    let bad = |path: &str, what: &str, edit: &dyn Fn(&mut world::Pin)| {
        let mut defect = whole_pin();
        edit(&mut defect);
        reject(&format!("pin/{path}"), "11.2", "NotCanonical", what).with_text("pin.json", &defect.json())
    };
    let edited = |path: &str, rule: &str, what: &str, edit: &dyn Fn(String) -> String| {
        let text = edit(whole_pin().json());
        reject(&format!("pin/{path}"), rule, "NotCanonical", what).with_text("pin.json", &text)
    };
    let mut empty = whole_pin();
    (empty.witness, empty.epoch, empty.member) = (String::new(), String::new(), String::new());
    empty.anchors.clear();
    empty.sequences.clear();
    let whole = whole_pin();
    let anchors = format!("{} {}", whole.anchors[0], whole.anchors[1]);
    vec![
        accept("pin/whole", "11.2", "a device that knows the project")
            .with_text("pin.json", &whole.json())
            .gives("accepted", &format!("{} {}", whole.epoch, whole.witness))
            .gives("member", &whole.member)
            .gives("anchors", &anchors)
            .gives("sequences", "files/api/production=2 values/api/production=18"),
        accept("pin/empty", "11.2", "a device that knows nothing")
            .with_text("pin.json", &empty.json())
            .gives("accepted", "none")
            .gives("member", "-")
            .gives("anchors", "-")
            .gives("sequences", "-"),
        reject("pin/format", "1.12, 11.2", "Newer", "another format").with_text("pin.json", &{
            let mut newer = whole_pin();
            newer.format = 2;
            newer.json()
        }),
        bad("member_missing", "an epoch without member", &|it| it.member.clear()),
        bad("member", "a member id of 19 characters", &|it| it.member.truncate(23)),
        bad("member_project", "a project id in the place of the member id", &|it| it.member = project()),
        bad("sequence_kind", "the directory of a kind in the place of its name", &|it| it.sequences = vec![("secrets/api/production".into(), 18)]),
        bad("sequence_service", "a service that may not be", &|it| it.sequences = vec![("values/../production".into(), 18)]),
        bad("sequence_env", "an environment that may not be", &|it| it.sequences = vec![("values/api/con".into(), 18)]),
        bad("sequence_short", "a scope without environment", &|it| it.sequences = vec![("values/api".into(), 18)]),
        bad("sequence_long", "a part too many", &|it| it.sequences = vec![("values/api/production/x".into(), 18)]),
        bad("witness_short", "a witness key of 31 bytes", &|it| it.witness.truncate(62)),
        bad("witness_missing", "an epoch without witness key", &|it| it.witness.clear()),
        bad("epoch_missing", "a witness key without epoch", &|it| it.epoch.clear()),
        bad("epoch", "an epoch without id", &|it| it.epoch = "3".into()),
        bad("anchor", "an anchor of 19 characters", &|it| it.anchors[0].truncate(23)),
        bad("sequences_unsorted", "the scopes are not sorted", &|it| it.sequences.reverse()),
        edited("witness_later", "11.5", "the secret is not the first member", &|text| {
            let line = text.lines().nth(1).expect("a line").to_string() + "\n";
            text.replacen(&line, "", 1).replacen("  \"member\"", &format!("{line}  \"member\""), 1)
        }),
        edited("blank_before", "11.5", "a blank before the secret", &|text| text.replacen("\": \"", "\":  \"", 1)),
        reject("pin/too_large", "11.2", "TooLarge", "more than 4 MiB").with_lines("pin.json", [lines_of("{\n  \"witness\": \"\",\n"), vec!["*4194305 20".into()]].concat()),
    ]
}

// --- Devices ---

#[rustfmt::skip]
fn devices() -> Vec<Vector> {
    let ci = person("ci");
    let text = world::identity(&ci);
    let whole = world::identity_json(&text, &ci.public);
    let file = |vector: Vector, text: &str| vector.with("op", "identity").with_text("file home/identity.json", text);
    let bad = |path: &str, rule: &str, kind: &str, what: &str, text: &str| file(reject(&format!("device/identity_{path}"), rule, kind, what), text);
    let checkout = format!("file home/checkouts/{}", hex(&hash::hash(b"/srv/app")[..16]));
    let remembered = |path: &str, what: &str, text: &str| reject(&format!("device/{path}"), "11.3", "NotCanonical", what).with("op", "checkout").with_text(&checkout, text);
    let holder = |path: &str, what: &str, who: &str| accept(&format!("device/{path}"), "10.4", what).with("op", "holder").gives("holder", who);
    let two = |path: &str, what: &str| reject(&format!("device/{path}"), "10.4", "BadText", what).with("op", "holder");
    let key = hex(project_key(epoch(3)).expose());
    vec![
        file(accept("device/identity", "11.1", "the identity of a device"), &whole).gives("id", &ci.id),
        accept("device/identity_none", "11.1", "a device without identity").with("op", "identity").gives("id", "none"),
        bad("exposed", "11.6", "Exposed", "others can read the file", &whole).with("mode home/identity.json", "644"),
        bad("format", "1.12, 11.1", "Newer", "another format", &whole.replacen(": 1", ": 2", 1)),
        bad("blank_before", "11.1", "NotCanonical", "a blank before the identity", &world::identity_json(&format!(" {text}"), &ci.public)),
        bad("blank_after", "11.1", "NotCanonical", "a blank after the identity", &world::identity_json(&format!("{text} "), &ci.public)),
        reject("device/identity_of_another", "11.1", "BadText", "the public key is another's, and the device makes a project")
            .with("op", "identity of a founder")
            .with_text("file home/identity.json", &world::identity_json(&text, &person("bob").public)),
        accept("device/identity_of_founder", "11.1", "the public key is the identity's, and the device makes a project")
            .with("op", "identity of a founder")
            .with_text("file home/identity.json", &whole)
            .gives("id", &ci.id),
        bad("key_short", "11.1", "NotCanonical", "a public key of 31 bytes", &world::identity_json(&text, &ci.public).replacen(&hex(&ci.public), &hex(&ci.public[1..]), 1)),
        bad("unknown_name", "11.1", "NotCanonical", "a member that the format does not have", &whole.replacen("  \"format\"", "  \"more\": 1,\n  \"format\"", 1)),
        bad("typing_error", "10.1, 11.1", "BadText", "an identity whose checksum does not hold", &whole.replacen("_v1_", "_v1_a", 1)),
        bad("too_large", "11.1", "TooLarge", "one byte above 16 KiB", "").with_large_identity(),
        accept("device/checkout", "11.3", "the project of a checkout").with("op", "checkout").with_text(&checkout, &(project() + "\n")).gives("project", &project()),
        accept("device/checkout_remembered", "11.3", "the file of the checkout /srv/app")
            .with("op", "remember checkout")
            .with("project", &project())
            .gives(&checkout.replacen("home/", "", 1), &(project() + "\n")),
        remembered("checkout_no_line_feed", "no line feed at the end", &project()),
        remembered("checkout_malformed", "a member id in the place of a project id", &(ci.id.clone() + "\n")),
        holder("variable_none", "nothing is set", "nobody"),
        holder("variable_identity", "an identity in a variable", &ci.id).with("variable KAGI_IDENTITY", &text),
        holder("variable_surrounded", "an identity in a variable, with white space", &ci.id).with_text("file identity", &format!("{text}\n")).with("variable KAGI_IDENTITY_FILE", "DIR/identity"),
        reject("device/variable_json_surrounded", "10.4", "NotCanonical", "the content of identity.json, and a line feed").with("op", "holder").with_text("file identity", &(whole.clone() + "\n")).with("variable KAGI_IDENTITY_FILE", "DIR/identity"),
        holder("variable_identity_json", "the content of identity.json in a variable", &ci.id).with_text("file identity", &whole).with("variable KAGI_IDENTITY_FILE", "DIR/identity"),
        holder("variable_project_key", "a project key in a variable", "a project key").with("variable KAGI_PROJECT_KEY", &key),
        holder("variable_file", "a project key in a file that everybody can read", "a project key")
            .with_text("file mounted/key", &(key.clone() + "\n"))
            .with("mode mounted/key", "444")
            .with("variable KAGI_PROJECT_KEY_FILE", "DIR/mounted/key"),
        accept("device/variable_scope_key", "10.6", "a scope key in a file, with white space")
            .with("op", "holder")
            .with_text("file key", &format!(" {}\n", world::scope_key_text(&scope_key_content())))
            .with("variable KAGI_PROJECT_KEY_FILE", "DIR/key")
            .gives("holder", "a scope key"),
        two("variable_both", "an identity and a project key").with("variable KAGI_IDENTITY", &text).with("variable KAGI_PROJECT_KEY", &key),
        two("variable_and_file", "a variable and its file").with_text("file key", &key).with("variable KAGI_PROJECT_KEY", &key).with("variable KAGI_PROJECT_KEY_FILE", "DIR/key"),
    ]
}

impl Vector {
    fn with_large_identity(mut self) -> Self {
        self.inputs[1].lines = vec!["*16385 20".into()];
        self
    }
}

// --- Opening a project ---

/// What a project holds, before it is laid out.
struct Laid {
    config: world::Config,
    roster: Roster,
    pin: Option<world::Pin>,
    identity: String,
    file: String,
}

fn laid() -> Laid {
    let plain = snapshot(18, &[entry("PORT", "8080")]).plaintext();
    Laid {
        config: config(),
        roster: for_ci(),
        pin: Some(pin(&person("ci"), epoch(3))),
        identity: world::identity(&person("ci")),
        file: api().header() + "key PORT 1\n" + &api().line(&api().seal("opened", &plain)),
    }
}

/// A file that holds these boxes.
fn holding(boxes: &[(Place7, &str, &world::Snapshot)]) -> String {
    let line = |(place, nonce, plain): &(Place7, &str, &world::Snapshot)| {
        place.line(&place.seal(nonce, &plain.plaintext()))
    };
    api().header() + &boxes.iter().map(line).collect::<String>()
}

fn at_epoch(number: u32) -> Place7 {
    Place7 {
        epoch: epoch(number),
        ..api()
    }
}

fn lay(vector: Vector, edit: &dyn Fn(&mut Laid)) -> Vector {
    let mut laid = laid();
    edit(&mut laid);
    let ci = person("ci");
    let identity = world::identity_json(&laid.identity, &ci.public);
    let vector = vector
        .with("op", "open")
        .with("scope", "values/api/production")
        .with_text("file home/identity.json", &identity)
        .with_text("file work/.kagi/kagi.json", &laid.config.json())
        .with_text(
            "file work/.kagi/access.json",
            &laid.roster.composed().json(),
        )
        .with_text("file work/.kagi/secrets/api/production.enc", &laid.file);
    match laid.pin {
        Some(pin) => vector.with_text(
            &format!("file home/projects/{}/pin.json", project()),
            &pin.json(),
        ),
        None => vector,
    }
}

#[rustfmt::skip]
fn opened() -> Vec<Vector> {
    let good = |path: &str, rule: &str, what: &str| accept(&format!("device/open{path}"), rule, what);
    let bad = |path: &str, rule: &str, kind: &str, what: &str, edit: &dyn Fn(&mut Laid)| lay(reject(&format!("device/open_{path}"), rule, kind, what), edit);
    let by = |sealed: &[u8]| {
        let (id, author) = (hex(&box_id(sealed)), person("alice").id);
        format!("8080 - writer={id} version=1 time={NOW} author={author} epoch=3")
    };
    let plain = snapshot(18, &[entry("PORT", "8080")]);
    let only = by(&api().seal("opened", &plain.plaintext()));
    let older = at_epoch(2).seal("older", &plain.plaintext());
    let mut took_over = plain.clone();
    took_over.ancestors = vec![box_id(&older)];
    let took_over_by = by(&api().seal("opened", &took_over.plaintext()));
    let mut shown = pin(&person("ci"), epoch(3));
    shown.sequences = vec![("values/api/production".into(), 18)];
    let ahead = |it: &mut Laid| {
        let pin = it.pin.as_mut().expect("a pin");
        pin.sequences = vec![("values/api/production".into(), 19)];
    };
    let fork = Place7 { epoch: Epoch(3, short("a fork")), ..api() };
    vec![
        lay(good("", "7.8, 11.4", "a project; what was seen is pinned").with("shows", "the pin"), &|_| {}).gives("key PORT", &only).gives("pin.json", &shown.json()),
        lay(good("_newer_box", "7.8", "a box of the next epoch is ignored"), &|it| {
            it.file = holding(&[(api(), "opened", &plain), (at_epoch(4), "newer", &plain)]);
        })
        .gives("key PORT", &only),
        lay(good("_taken_over", "7.8, 9.10", "a box of the epoch before, which a newer one lists, is dropped"), &|it| {
            it.file = holding(&[(at_epoch(2), "older", &plain), (api(), "opened", &took_over)]);
        })
        .gives("key PORT", &took_over_by),
        lay(good("_config_before", "5.1", "kagi.json is the one before: its last change was stopped or undone"), &|it| {
            it.roster.config = seed("the next kagi.json");
        })
        .gives("kagi.json is behind", "yes")
        .gives("key PORT", &only),
        bad("only_markers", "7.1, 7.8", "NoBox", "only a conflict marker", &|it| it.file = "=======\n".into()),
        bad("no_snapshot", "7.8, 8.6", "Unauthentic", "a box that opens, but whose sequence number is 0", &|it| {
            it.file = holding(&[(api(), "opened", &snapshot(0, &[entry("PORT", "8080")]))]);
        }),
        lay(good("_behind", "11.4", "an older state than the pinned one"), &ahead).gives("key PORT", &only),
        lay(good("_no_file", "7.12", "a scope without file"), &|_| {}).without_scope().gives("scope", "none"),
        bad("strict_gone", "11.4", "RolledBack", "a file that is gone, and strict", &ahead).without_scope().with("strict", "yes"),
        lay(good("_gone", "11.4", "a file that is gone: the scope is empty"), &ahead).without_scope(),
        lay(reject("device/open_unmerged", "1.10", "Unmerged", "both sides of a merge in access.json"), &|_| {}).with_both_sides(),
        bad("strict", "11.4", "RolledBack", "an older state than the pinned one, and strict", &ahead).with("strict", "yes"),
        bad("stale_box", "7.8", "StaleBox", "a box of the epoch before, which no box lists", &|it| {
            it.file = holding(&[(at_epoch(2), "older", &plain), (api(), "opened", &plain)]);
        }),
        bad("forked_box", "7.8", "StaleBox", "a box of another epoch with the roster's number", &|it| {
            it.file = holding(&[(fork.clone(), "forked", &plain), (api(), "opened", &plain)]);
        }),
        bad("no_box", "7.8", "NoBox", "no box of the roster's epoch", &|it| it.file = api().header()),
        bad("only_newer_box", "7.8", "NoBox", "only a box of the next epoch", &|it| {
            it.file = holding(&[(at_epoch(4), "newer", &plain)]);
        }),
        bad("bad_box", "7.8", "Unauthentic", "one of two boxes does not open", &|it| {
            let stranger = Place7 { service: "web", ..api() };
            it.file = holding(&[(api(), "opened", &plain), (stranger, "web", &plain)]).replace("/web/", "/api/");
        }),
        bad("no_access", "5.9, 7.12", "NoAccess", "the grants do not give the scope", &|it| {
            it.roster.members.iter_mut().for_each(|member| {
                if member.id == person("ci").id {
                    member.grants = vec!["web/production".into()];
                }
            });
        }),
        bad("unlisted_env", "7.12", "Missing", "kagi.json does not list the environment", &|it| {
            it.config.envs.retain(|env| env != "production");
            it.roster.config = it.config.hash();
        }),
        bad("other_project", "5.11", "ConfigMismatch", "kagi.json names another project than access.json", &|it| {
            it.config.project = world::other_project();
            it.roster.config = it.config.hash();
        }),
        bad("other_checkout", "11.3", "ForeignCheckout", "the checkout held another project", &|_| {}).with("checkout", &world::other_project()),
        bad("pin_of_another", "11.2, 5.7", "UnknownProject", "the pin is another member's", &|it| it.pin = Some(pin(&person("bob"), epoch(3)))),
        bad("identity_for_another", "5.2, 10.2", "WrongIdentity", "the identity was made for another project", &|it| {
            let content = world::identity_content(&person("ci"), Some((&world::other_project(), epoch(3), &project_key(epoch(3)))), &[]);
            it.identity = world::identity_text(&content);
        }),
        lay(good("_by_origin", "5.5, 10.2", "no pin, and an identity that was made for the project"), &|it| {
            let ci = person("ci");
            let witness = witness_key(&project(), epoch(2), &ci.id);
            let content = world::identity_content(&ci, Some((&project(), epoch(2), &witness)), &[]);
            (it.identity, it.pin) = (world::identity_text(&content), None);
        })
        .gives("key PORT", &only),
        lay(good("_by_anchor", "5.7, 10.2", "no pin, and an identity with an anchor"), &|it| {
            let content = world::identity_content(&person("ci"), None, &[&person("alice").id]);
            (it.identity, it.pin) = (world::identity_text(&content), None);
        })
        .gives("key PORT", &only),
        bad("without_pin", "5.7", "UnknownProject", "a new device, and nobody vouches", &|it| it.pin = None),
        bad("old_epoch", "5.3, 11.2", "OldEpoch", "the pin knows a newer epoch", &|it| it.pin = Some(pin(&person("ci"), epoch(4)))),
    ]
}

impl Vector {
    /// Puts what a merge leaves around the second line of the roster.
    fn with_both_sides(mut self) -> Self {
        let is_roster = |field: &&mut Field| field.name.ends_with("access.json");
        let roster = self.inputs.iter_mut().find(is_roster).expect("a roster");
        let line = roster.lines[1].clone();
        let around = ["|<<<<<<< HEAD", &line, "|=======", &line, "|>>>>>>> theirs"];
        roster.lines.splice(1..2, around.map(String::from));
        self
    }

    fn without_scope(mut self) -> Self {
        self.inputs
            .retain(|field| !field.name.contains("/secrets/"));
        self
    }
}

/// What a member of epoch 3 makes of the file of a scope around the rotation that began it.
#[rustfmt::skip]
fn opened_after_rotation() -> Vec<Vector> {
    let good = |path: &str, rule: &str, what: &str, edit: &dyn Fn(&mut Laid)| lay(accept(&format!("device/open_{path}"), rule, what), edit);
    let bad = |path: &str, rule: &str, kind: &str, what: &str, edit: &dyn Fn(&mut Laid)| lay(reject(&format!("device/open_{path}"), rule, kind, what), edit);
    let with = |sequence: u64, ancestors: &[[u8; 8]], entries: &[world::Entry]| world::Snapshot { ancestors: ancestors.to_vec(), ..snapshot(sequence, entries) };
    let mut old_entry = entry("PORT", "8080");
    old_entry.epoch = 2;
    let (first, last) = (at_epoch(2), at_epoch(2));
    let before_last = with(17, &[], &[old_entry.clone()]);
    let before_last_id = box_id(&first.seal("before last", &before_last.plaintext()));
    let replaced = with(18, &[before_last_id], &[world::Entry { writer: before_last_id, ..old_entry.clone() }]);
    let replaced_id = box_id(&last.seal("replaced", &replaced.plaintext()));
    let rotated = with(19, &[replaced_id], &[old_entry.clone()]);
    let rotated_id = box_id(&api().seal("rotated", &rotated.plaintext()));
    let parallel = with(19, &[before_last_id, replaced_id], &[entry("PORT", "9090")]);
    // One side sets a key after the rotation, the other one another.
    let kept = world::Entry { writer: rotated_id, ..old_entry.clone() };
    let mut changed = entry("PORT", "9090");
    changed.version = 2;
    let left = with(20, &[replaced_id, rotated_id], &[changed]);
    let right = with(20, &[replaced_id, rotated_id], &[entry("HOST", "db"), kept]);
    let shown = |value: &str, writer: &[u8; 8], version: u32, epoch: u32| format!("{value} - writer={} version={version} time={NOW} author={} epoch={epoch}", hex(writer), person("alice").id);
    let by_rotation = shown("8080", &rotated_id, 1, 2);
    let (left_id, right_id) = (box_id(&api().seal("left", &left.plaintext())), box_id(&api().seal("right", &right.plaintext())));
    let fork = Place7 { epoch: Epoch(4, short("a fork")), ..api() };
    let of_service = |service: &'static str, snapshot: &world::Snapshot| Place7 { service, ..api() }.seal("rotated", &snapshot.plaintext());
    vec![
        good("rotated", "7.8, 9.10", "after a rotation: one box, and the epochs in which the values were set", &|it| {
            it.file = holding(&[(api(), "rotated", &rotated)]);
        })
        .gives("key PORT", &by_rotation),
        good("rotated_stopped_before", "7.8, 9.10", "a rotation was stopped before the roster: its boxes are ignored", &|it| {
            let next = with(20, &[rotated_id], &[old_entry.clone()]);
            it.file = holding(&[(api(), "rotated", &rotated), (fork.clone(), "forked", &next), (at_epoch(4), "next", &next)]);
        })
        .gives("key PORT", &by_rotation),
        good("rotated_stopped_after", "7.8, 9.10", "a rotation was stopped after the roster: the box that was replaced still stands", &|it| {
            it.file = holding(&[(last.clone(), "replaced", &replaced), (api(), "rotated", &rotated)]);
        })
        .gives("key PORT", &by_rotation),
        good("rotated_sides", "7.8, 9.3, 9.10", "two sides changed different keys after a rotation", &|it| {
            it.file = holding(&[(api(), "left", &left), (api(), "right", &right)]);
        })
        .gives("key HOST", &shown("db", &right_id, 1, 3))
        .gives("key PORT", &shown("9090", &left_id, 2, 3)),
        good("rotated_and_both", "7.8, 9.1, 9.10", "the boxes of a rotation, and of a change after it", &|it| {
            it.file = holding(&[(last.clone(), "replaced", &replaced), (api(), "rotated", &rotated), (api(), "left", &left)]);
        })
        .gives("key PORT", &shown("9090", &left_id, 2, 3)),
        bad("rotated_parallel", "7.8", "StaleBox", "somebody wrote under the old key while another rotated", &|it| {
            it.file = holding(&[(last.clone(), "parallel", &parallel), (api(), "rotated", &rotated)]);
        }),
        bad("rotated_older_ancestor", "7.8, 9.10", "StaleBox", "a box of the epoch before that the replaced one lists, and the rotation does not", &|it| {
            it.file = holding(&[(first.clone(), "before last", &before_last), (api(), "rotated", &rotated)]);
        }),
        bad("rotated_only_old", "7.8", "StaleBox", "the roster of a rotation without its box", &|it| {
            it.file = holding(&[(last.clone(), "replaced", &replaced)]);
        }),
        bad("rotated_moved", "7.7, 7.8", "Unauthentic", "the rotated box of another service", &|it| {
            it.file = api().header() + &api().line(&of_service("web", &rotated));
        }),
        bad("by_origin_and_anchor", "5.6, 10.2", "NotWitnessed", "an identity that was made for an epoch without witness: its anchors decide nothing", &|it| {
            let ci = person("ci");
            let witness = witness_key(&project(), epoch(2), &ci.id);
            let content = world::identity_content(&ci, Some((&project(), epoch(2), &witness)), &[&person("alice").id]);
            (it.identity, it.pin) = (world::identity_text(&content), None);
            it.roster.earlier = vec![epoch(1)];
        }),
        good("by_origin_after_rotations", "5.5, 10.2", "an identity that was made two rotations before, with the full members of that time", &|it| {
            let ci = person("ci");
            let witness = witness_key(&project(), epoch(1), &ci.id);
            let content = world::identity_content(&ci, Some((&project(), epoch(1), &witness)), &[&person("bob").id]);
            (it.identity, it.pin) = (world::identity_text(&content), None);
            it.file = holding(&[(api(), "rotated", &rotated)]);
        })
        .gives("key PORT", &by_rotation),
    ]
}

#[rustfmt::skip]
fn found_requests() -> Vec<Vector> {
    let laid = |vector: Vector, op: &str| vector.with("op", op).with_text("file work/.kagi/kagi.json", &config().json());
    let file = |name: &str| format!("file work/.kagi/requests/{name}");
    let bob = world::request(&person("bob"));
    let json = |name: &str| file(&format!("{name}.json"));
    let named = laid(accept("device/requests", "12.1", "one request; files of other names are none"), "requests")
        .with_text(&json(&bob.id), &bob.json())
        .with_text(&file("README.md"), "x\n")
        .with_text(&file(&format!("{}.json~", bob.id)), &bob.json())
        .with_text(&file(&format!("x{}.json", bob.id)), &bob.json())
        .with_text(&json(&person("ci").id.to_uppercase()), &bob.json())
        .gives(&bob.id, "is called bob");
    let mut many = laid(accept("device/requests_64", "12.1", "of 65 files the first 64 by name are read; others do not hide behind one that is refused"), "requests");
    let mut ids: Vec<_> = (0..64).map(|at| world::member_id(&seed(&format!("request {at}")))).collect();
    ids.push(bob.id.clone());
    ids.sort();
    for id in &ids {
        let text = if *id == bob.id { bob.json() } else { "{}\n".into() };
        many = many.with_text(&json(id), &text);
    }
    for id in &ids[..64] {
        many = if *id == bob.id { many.gives(id, "is called bob") } else { many.gives("refused", "NotCanonical") };
    }
    vec![
        laid(accept("device/requests_none", "12.1", "nobody asks"), "requests"),
        named,
        many,
        laid(accept("device/request", "12.2", "a request in the file of its id"), "request").with("id", &bob.id).with_text(&json(&bob.id), &bob.json()).gives("name", "bob"),
        laid(reject("device/request_moved", "12.2", "Misplaced", "a request in the file of another id"), "request").with("id", &person("ci").id).with_text(&json(&person("ci").id), &bob.json()),
        laid(reject("device/request_missing", "12.2", "Missing", "no request of this id"), "request").with("id", &person("ci").id).with_text(&json(&bob.id), &bob.json()),
    ]
}
