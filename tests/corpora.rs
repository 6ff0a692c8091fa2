//! Other people's test vectors, through our own wrappers: Wycheproof (XChaCha20-Poly1305 and
//! X25519), BLAKE3's official vectors, and `JSONTestSuite` for the JSON parser.
//!
//! `KAGI_CORPORA` names the directory that holds them. Where it is not set, the tests that need
//! it say so and pass. Each test prints how many cases ran and demands a minimum, so an empty
//! directory cannot pass; a directory or file that is missing fails.

use kagi::crypto::kdf::{self, Place};
use kagi::crypto::{aead, hash, length_prefixed, wrap};
use kagi::secret::{Key, Secret};
use miniserde::json::{self, Number, Value};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, fs, thread};

// --- Reading ---

fn corpora() -> Option<PathBuf> {
    let directory = env::var_os("KAGI_CORPORA");
    if directory.is_none() {
        println!("skipped: KAGI_CORPORA is not set");
    }
    directory.map(PathBuf::from)
}

fn read(path: &Path) -> Value {
    let text =
        fs::read_to_string(path).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    json::from_str(&text).unwrap_or_else(|_| panic!("{}: not JSON", path.display()))
}

fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    match value {
        Value::Object(object) => object.get(name).unwrap_or_else(|| panic!("no {name:?}")),
        _ => panic!("{name:?} of something that is no object"),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match member(value, name) {
        Value::Array(array) => array,
        _ => panic!("{name:?} is no list"),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    match member(value, name) {
        Value::String(text) => text,
        _ => panic!("{name:?} is no text"),
    }
}

fn number(value: &Value, name: &str) -> usize {
    match member(value, name) {
        Value::Number(Number::U64(number)) => usize::try_from(*number).unwrap(),
        _ => panic!("{name:?} is no number"),
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.is_ascii() && digits.len().is_multiple_of(2));
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

fn bytes(value: &Value, name: &str) -> Vec<u8> {
    unhex(text(value, name))
}

fn bytes32(value: &Value, name: &str) -> [u8; 32] {
    bytes(value, name).try_into().expect("32 bytes")
}

fn has_flag(case: &Value, flag: &str) -> bool {
    let mut flags = list(case, "flags").iter();
    flags.any(|one| matches!(one, Value::String(text) if text == flag))
}

/// All cases of one Wycheproof file.
fn wycheproof(file: &Value) -> impl Iterator<Item = &Value> {
    let groups = list(file, "testGroups").iter();
    groups.flat_map(|group| list(group, "tests"))
}

// --- XChaCha20-Poly1305 ---

/// True if the case ran; false if our types cannot express it, for the length of its nonce.
fn check_aead(case: &Value) -> bool {
    let id = number(case, "tcId");
    let valid = text(case, "result") == "valid";
    let Ok(nonce) = <[u8; aead::NONCE_BYTES]>::try_from(bytes(case, "iv")) else {
        assert!(!valid && has_flag(case, "InvalidNonceSize"), "case {id}");
        return false;
    };
    let key = Key::new(bytes32(case, "key"));
    let (aad, plaintext) = (bytes(case, "aad"), bytes(case, "msg"));
    let stated = [bytes(case, "ct"), bytes(case, "tag")].concat();
    let sealed = aead::seal(&key, &nonce, &aad, &Secret::copy_of(&plaintext));
    assert_eq!(sealed == stated, valid, "case {id}: sealing");
    let opened = aead::open(&key, &nonce, &aad, &stated);
    let opened = opened.map(|secret| secret.expose().to_vec());
    assert_eq!(opened, valid.then_some(plaintext), "case {id}: opening");
    true
}

#[test]
fn wycheproof_xchacha20_poly1305() {
    let Some(corpora) = corpora() else { return };
    let file = read(&corpora.join("wycheproof/testvectors_v1/xchacha20_poly1305_test.json"));
    let (mut ran, mut inexpressible) = (0, 0);
    for case in wycheproof(&file) {
        if check_aead(case) {
            ran += 1;
        } else {
            inexpressible += 1;
        }
    }
    println!("xchacha20-poly1305: {ran} cases, and {inexpressible} with nonces we cannot express");
    assert!(ran >= 306, "only {ran} cases ran");
    assert_eq!(ran + inexpressible, number(&file, "numberOfTests"));
}

// --- X25519 ---

/// FORMAT 1.5, said in another way than `wrap::is_canonical` says it. The encodings that are not
/// canonical are those with the top bit set, which RFC 7748 would mask, and the 19 values from
/// 2^255 - 19 to 2^255 - 1: `7f ff … ff` with a last byte of `ed` or more.
fn is_canonical(public: &[u8; 32]) -> bool {
    let top_bit = public[31] >= 0x80;
    let all_ones = public[31] == 0x7f && public[1..31].iter().all(|byte| *byte == 0xff);
    !(top_bit || all_ones && public[0] >= 0xed)
}

/// What our rules demand for a case: its shared secret, or `None` for a refusal.
///
/// - `valid`: the shared secret, always.
/// - `acceptable`, by flag:
///   - `NonCanonicalPublic`: refused (FORMAT 1.5), though RFC 7748 would go on;
///   - `ZeroSharedSecret`, `LowOrderPublic`: refused (FORMAT 1.6);
///   - `Twist`, `SmallPublicKey`, `SpecialPublicKey` and no other: the shared secret.
///
/// Upstream leaves `NonCanonicalPublic` out of some low-order cases, so the bytes decide, and the
/// flags must not contradict them.
fn demanded(case: &Value) -> Option<[u8; 32]> {
    let id = number(case, "tcId");
    let shared = bytes32(case, "shared");
    let refused = !is_canonical(&bytes32(case, "public")) || shared == [0; 32];
    let refusals = ["NonCanonicalPublic", "ZeroSharedSecret", "LowOrderPublic"];
    let flagged = refusals.iter().any(|flag| has_flag(case, flag));
    assert!(refused || !flagged, "case {id}: flags against bytes");
    match text(case, "result") {
        "valid" => assert!(!refused, "case {id}: valid, but our rules refuse it"),
        "acceptable" => {}
        other => panic!("case {id}: unknown verdict {other:?}"),
    }
    (!refused).then_some(shared)
}

/// True if the case was refused, as demanded.
fn check_x25519(case: &Value) -> bool {
    let id = number(case, "tcId");
    let (private, public) = (bytes32(case, "private"), bytes32(case, "public"));
    let demanded = demanded(case);
    assert_eq!(agree(&private, &public), demanded, "case {id}");
    assert_eq!(
        wrap::is_canonical(&public),
        is_canonical(&public),
        "case {id}"
    );
    let own = wrap::public_key(&Key::new(private));
    assert_eq!(agree(&private, &u(9)), Some(own), "case {id}: public key");
    demanded.is_none()
}

fn agree(private: &[u8; 32], public: &[u8; 32]) -> Option<[u8; 32]> {
    wrap::agree(&Key::new(*private), public).map(|key| *key.expose())
}

/// A small u-coordinate.
fn u(value: u8) -> [u8; 32] {
    let mut public = [0; 32];
    public[0] = value;
    public
}

/// `7f ff … ff`, then `last`: the u-coordinates just below 2^255.
fn high_u(last: u8) -> [u8; 32] {
    let mut public = [0xff; 32];
    public[0] = last;
    public[31] = 0x7f;
    public
}

fn with_top_bit(mut public: [u8; 32]) -> [u8; 32] {
    public[31] |= 0x80;
    public
}

#[test]
fn wycheproof_x25519() {
    let Some(corpora) = corpora() else { return };
    let file = read(&corpora.join("wycheproof/testvectors_v1/x25519_test.json"));
    let cases: Vec<_> = wycheproof(&file).collect();
    let refused = cases.iter().filter(|case| check_x25519(case)).count();
    let is_valid = |case: &&&Value| text(case, "result") == "valid";
    let valid = cases.iter().filter(is_valid).count();
    let (ran, stated) = (cases.len(), number(&file, "numberOfTests"));
    println!("x25519: {ran} cases of the {stated} that the file announces: {valid} valid,");
    println!("{} acceptable; {refused} refused, as demanded", ran - valid);
    assert!(valid >= 264, "only {valid} valid cases ran");
}

/// A copy of the corpus may hold no `acceptable` case at all, so the refusals are enumerated here.
#[test]
fn public_keys_that_must_be_refused() {
    let private = [0x55; 32];
    let order_8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ];
    let order_8 = order_8.map(|digits| <[u8; 32]>::try_from(unhex(digits)).unwrap());
    let low_order = [u(0), u(1), high_u(0xec), order_8[0], order_8[1]];
    for public in low_order {
        assert!(wrap::is_canonical(&public), "{public:02x?}: FORMAT 1.5");
        assert_eq!(agree(&private, &public), None, "{public:02x?}: FORMAT 1.6");
    }
    let above = (0xed..=0xff).map(high_u);
    let below = (0..=0xff).map(u).chain((0..=0xec).map(high_u));
    let masked = below.chain(above.clone()).chain(order_8);
    let refused: Vec<_> = above.chain(masked.map(with_top_bit)).collect();
    for public in &refused {
        assert!(!wrap::is_canonical(public), "{public:02x?}");
        assert_eq!(agree(&private, public), None, "{public:02x?}: FORMAT 1.5");
    }
    println!("x25519: 5 of low order and {} not canonical", refused.len());
    assert_eq!(refused.len(), 19 + 256 + 237 + 19 + 2);
}

/// Canonical and of high order: accepted, on the curve (9, p - 2) and on its twist (2, p - 3), and
/// the order of two multiplications does not matter.
#[test]
fn public_keys_that_must_be_accepted() {
    let (one, two) = ([0x55; 32], [0xa6; 32]);
    for public in [u(9), high_u(0xeb), u(2), high_u(0xea)] {
        let [first, second] = [&one, &two].map(|key| agree(key, &public).expect("accepted"));
        assert_ne!(first, second);
        let joint = agree(&two, &first);
        assert!(joint.is_some() && joint == agree(&one, &second));
    }
}

// --- BLAKE3 ---

fn check_blake3(case: &Value, key: &Key, context: &str) {
    let bytes = number(case, "input_len");
    let input: Vec<u8> = (0..=250).cycle().take(bytes).collect();
    // The vectors go on to 131 bytes of extended output; we use the first 32.
    let stated = |mode| unhex(&text(case, mode)[..64]);
    assert_eq!(hash::hash(&input)[..], stated("hash"), "{bytes} bytes");
    let mac = hash::mac(key, &input);
    assert_eq!(mac[..], stated("keyed_hash"), "{bytes} bytes");
    assert!(hash::same(&mac, &mac) && !hash::same(&mac, &hash::hash(&input)));
    // Our derivations have fixed labels: here only that the crate agrees with its vectors.
    let derived = blake3::derive_key(context, &input);
    assert_eq!(derived[..], stated("derive_key"), "{bytes} bytes");
}

#[test]
fn blake3_vectors() {
    let Some(corpora) = corpora() else { return };
    let file = read(&corpora.join("blake3/test_vectors/test_vectors.json"));
    let key = Key::from_slice(text(&file, "key").as_bytes()).expect("32 bytes");
    let cases = list(&file, "cases");
    for case in cases {
        check_blake3(case, &key, text(&file, "context_string"));
    }
    println!("blake3: {} cases in three modes", cases.len());
    assert!(cases.len() >= 35, "only {} cases ran", cases.len());
}

// --- Our derivations, from the format's text alone (FORMAT 1.1, 2.1 to 2.8) ---

const KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";
const EPOCH: [u8; 12] = *b"\x03\0\0\0ABCDEFGH";
const PLACE: Place = Place {
    project: "kgp_demo",
    epoch: EPOCH,
};

/// `derive_key(label, LP(KEY) ‖ fields)`, with `fields` in LP encoding already.
fn derived(label: &str, fields: &[&[u8]]) -> [u8; 32] {
    let head: &[u8] = b"\x20\0\0\x000123456789abcdefghijklmnopqrstuv";
    blake3::derive_key(label, &[head, &fields.concat()].concat())
}

#[test]
fn derivations_match_the_format() {
    let key = Key::new(KEY);
    let project = b"\x08\0\0\0kgp_demo";
    let epoch = b"\x0c\0\0\0\x03\0\0\0ABCDEFGH";
    let (env, service) = (b"\x0a\0\0\0production", b"\x03\0\0\0api");
    let (kind, member) = (b"\x06\0\0\0values", b"\x05\0\0\0kgm_a");
    let check = |key: Key, label: &str, fields: &[&[u8]]| {
        assert_eq!(*key.expose(), derived(label, fields), "{label}");
    };
    let found = kdf::env(&key, PLACE, "production");
    check(found, "kagi 2026 v1 env", &[project, epoch, env]);
    let found = kdf::scope(&key, PLACE, "production", "api", "values");
    let fields: [&[u8]; 5] = [project, epoch, env, service, kind];
    check(found, "kagi 2026 v1 scope", &fields);
    let found = kdf::roster(&key, PLACE);
    check(found, "kagi 2026 v1 roster", &[project, epoch]);
    let found = kdf::state(&key, PLACE);
    check(found, "kagi 2026 v1 state", &[project, epoch]);
    let found = kdf::witness(&key, "kgm_a");
    check(found, "kagi 2026 v1 witness", &[member]);
    let (one, two) = ([0x11; 32], [0xee; 32]);
    let prefix = b"\x20\0\0\0".as_slice();
    let fields: [&[u8]; 6] = [prefix, &one, prefix, &two, project, epoch];
    let found = kdf::wrap(&key, &one, &two, PLACE);
    check(found, "kagi 2026 v1 wrap", &fields);
    let found = kdf::introduction(&key, &one, &two, PLACE);
    check(found, "kagi 2026 v1 intro", &fields);
    println!("kdf: 7 derivations");
}

#[test]
fn length_prefixes_match_the_format() {
    let long = [7; 0x0102];
    let stated = [b"\0\0\0\0\x02\0\0\0ab\x02\x01\0\0".as_slice(), &long].concat();
    assert_eq!(length_prefixed(&[b"", b"ab", &long]), stated);
    assert_eq!(length_prefixed(&[]), []);
}

// --- JSON ---

/// Files on which miniserde 0.1.46 says otherwise than the suite: none. If an update accepts an
/// `n_` file, it may be listed here: every reader encodes again what it parsed and compares that
/// with the bytes it read, so text that should not be accepted, and text with two meanings (a key
/// given twice, `-0`, an integer too large for 64 bits), is refused as not canonical all the same.
/// A `y_` file that is refused may be listed if our writers never write its like.
const DEVIATIONS: [&str; 0] = [];

/// More than enough for the largest file (about 30 ms) on a slow machine.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Verdicts {
    must_accept: usize,
    must_reject: usize,
    either: usize,
    either_accepted: usize,
    deviating: Vec<String>,
}

/// Whether the parser takes the file. Bytes that are not UTF-8 cannot be given to it at all. It
/// runs in a thread of its own, so a panic and a hang both name the file.
fn accepts(path: &Path) -> bool {
    let Ok(text) = String::from_utf8(fs::read(path).unwrap()) else {
        return false;
    };
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(accepts_text(&text)));
    let answer = receiver.recv_timeout(DEADLINE);
    answer.unwrap_or_else(|cause| panic!("{}: panic or hang ({cause})", path.display()))
}

/// What is accepted must have one canonical form, which the argument at `DEVIATIONS` rests on.
fn accepts_text(text: &str) -> bool {
    let Ok(value) = json::from_str::<Value>(text) else {
        return false;
    };
    let canonical = json::to_string(&value);
    let again = json::from_str::<Value>(&canonical).expect("our own writing");
    assert_eq!(json::to_string(&again), canonical);
    true
}

fn judge(path: &Path, verdicts: &mut Verdicts) {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let accepted = accepts(path);
    let (count, agrees) = match &name[..2] {
        "y_" => (&mut verdicts.must_accept, accepted),
        "n_" => (&mut verdicts.must_reject, !accepted),
        "i_" => (&mut verdicts.either, true),
        _ => panic!("{name:?} states no verdict"),
    };
    *count += 1;
    verdicts.either_accepted += usize::from(accepted && name.starts_with("i_"));
    if !agrees {
        verdicts.deviating.push(name);
    }
}

#[test]
fn json_test_suite() {
    let Some(corpora) = corpora() else { return };
    let directory = corpora.join("jsontestsuite/test_parsing");
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|cause| panic!("{}: {cause}", directory.display()));
    let mut verdicts = Verdicts::default();
    for entry in entries {
        judge(&entry.unwrap().path(), &mut verdicts);
    }
    verdicts.deviating.sort_unstable();
    let (yes, no, either) = (verdicts.must_accept, verdicts.must_reject, verdicts.either);
    println!("json: {yes} to accept, {no} to reject, {either} either way");
    println!("{} of these accepted", verdicts.either_accepted);
    println!("{} known deviations", DEVIATIONS.len());
    assert_eq!(verdicts.deviating, DEVIATIONS);
    assert!(yes >= 95 && no >= 188 && either >= 35, "too few cases");
}
