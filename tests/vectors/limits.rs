//! Limits whose files would be too large to commit: at the limit accepted, one above refused.

use crate::world::{
    self, Member, Roster, Withdrawn, base32, entry, hex, member, person, seed, snapshot, withdrawn,
};
#[cfg(feature = "server")]
use crate::world_protocol;
use kagi::crypto::hash;
use kagi::error::Kind;
use kagi::format::key_text::Identity;
#[cfg(feature = "server")]
use kagi::format::message::manifest::{FILES_MAX, Manifest};
use kagi::format::names::Grant;
use kagi::format::request::{REQUEST_BYTES_MAX, Request};
use kagi::format::roster::{self, GRANTS_MAX, MEMBERS_MAX, REMOVED_MAX, WITHDRAWN_MAX};
use kagi::format::scope_file::{self, FILE_BYTES_MAX, ScopeKind, ScopeName};
use kagi::format::snapshot::{
    ANCESTORS_MAX, ENTRIES_MAX, SNAPSHOT_BYTES_MAX, STORED_BYTES_MAX, Snapshot, VALUE_BYTES_MAX,
};
use kagi::secret::{Key, Secret};
use kagi::team::{self, Draft, Known};

fn read(roster: &Roster) -> Option<Kind> {
    let text = roster.json();
    let read = roster::Roster::read("access.json", text.as_bytes());
    read.err().map(|error| error.kind)
}

/// A roster that is not composed: a reader of the text checks no MAC.
fn shallow(others: Vec<Member>) -> Roster {
    let mut roster = world::roster(&person("alice"), others);
    for member in &mut roster.members {
        member.witnesses = vec![(roster.epoch, [0; 32])];
    }
    roster
}

/// Any 32 bytes below the prime are a public key for a reader of the text.
fn stranger(at: usize) -> Member {
    let mut stranger = member(&person("alice"), &["*"]);
    stranger.public = seed(&format!("stranger {at}"));
    stranger.public[31] &= 0x3f;
    stranger.id = world::member_id(&stranger.public);
    stranger
}

#[test]
fn members() {
    let others = |count| (1..count).map(stranger).collect();
    assert_eq!(read(&shallow(others(MEMBERS_MAX))), None);
    assert_eq!(read(&shallow(others(MEMBERS_MAX + 1))), Some(Kind::BadText));
}

#[test]
fn removed_ids() {
    let removed = |count| {
        let mut roster = shallow(Vec::new());
        let id = |at| format!("kgm_{}", &base32(&seed(&format!("removed {at}")))[..20]);
        roster.removed = (0..count).map(id).collect();
        roster.removed.sort();
        roster
    };
    assert_eq!(read(&removed(REMOVED_MAX)), None);
    assert_eq!(read(&removed(REMOVED_MAX + 1)), Some(Kind::BadText));
}

#[test]
fn grants_of_a_member() {
    let with = |count| {
        let mut ci = member(&person("ci"), &[]);
        ci.grants = (0..count).map(|at| format!("a{at:03}/b")).collect();
        shallow(vec![ci])
    };
    assert_eq!(read(&with(GRANTS_MAX)), None);
    assert_eq!(read(&with(GRANTS_MAX + 1)), Some(Kind::BadText));
}

/// Strangers who lost a grant in the second epoch.
fn withdrawn_from(count: usize) -> Vec<Withdrawn> {
    let one = |at| Withdrawn {
        id: world::member_id(&seed(&format!("withdrawn {at}"))),
        ..withdrawn(&person("eve"), &["api/production"], 2)
    };
    let mut all: Vec<_> = (0..count).map(one).collect();
    all.sort_by(|one, next| one.id.cmp(&next.id));
    all
}

#[test]
fn withdrawn_grants() {
    let with = |count| {
        let mut roster = shallow(Vec::new());
        roster.withdrawn = withdrawn_from(count);
        roster
    };
    assert_eq!(read(&with(WITHDRAWN_MAX)), None);
    assert_eq!(read(&with(WITHDRAWN_MAX + 1)), Some(Kind::BadText));
    assert_eq!(WITHDRAWN_MAX, 1024);
}

#[test]
fn grants_of_a_withdrawn_member() {
    let with = |count| {
        let mut eve = withdrawn(&person("eve"), &[], 2);
        eve.grants = (0..count).map(|at| format!("a{at:03}/b")).collect();
        let mut roster = shallow(Vec::new());
        roster.withdrawn = vec![eve];
        roster
    };
    assert_eq!(read(&with(GRANTS_MAX)), None);
    assert_eq!(read(&with(GRANTS_MAX + 1)), Some(Kind::BadText));
}

/// The writer makes room: the first of the oldest epoch leaves.
#[test]
fn the_oldest_withdrawn_grants_leave() {
    let mut roster = shallow(vec![member(&person("ci"), &["api/production"])]);
    roster.withdrawn = withdrawn_from(WITHDRAWN_MAX);
    let text = roster.json();
    let read = roster::Roster::read("access.json", text.as_bytes()).expect("a roster");
    let mut draft = Draft::after(&read, [0; 32]);
    draft.remove(&person("ci").id, 4).expect("a member");
    let mut wanted: Vec<_> = roster.withdrawn[1..]
        .iter()
        .map(|one| one.id.clone())
        .collect();
    wanted.push(person("ci").id);
    let found: Vec<_> = draft.withdrawn.into_iter().map(|one| one.id).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_writer_keeps_the_limits_of_members() {
    let read = |roster: &Roster| {
        let text = roster.json();
        roster::Roster::read("access.json", text.as_bytes()).expect("a roster")
    };
    let full = shallow((1..MEMBERS_MAX).map(stranger).collect());
    let mut draft = Draft::after(&read(&full), [0; 32]);
    let more = draft.admit(person("bob").public, "bob", vec![Grant::Full]);
    assert_eq!(more.err().map(|error| error.kind), Some(Kind::Limit));
    let mut roster = shallow(vec![member(&person("bob"), &["*"])]);
    let id = |at| world::member_id(&seed(&format!("removed {at}")));
    roster.removed = (0..REMOVED_MAX).map(id).collect();
    roster.removed.sort();
    let mut draft = Draft::after(&read(&roster), [0; 32]);
    let more = draft.remove(&person("bob").id, 4);
    assert_eq!(more.err().map(|error| error.kind), Some(Kind::Limit));
}

/// No sound request is so long: what is refused for another reason was at least read.
#[test]
fn bytes_of_a_request() {
    let read = |length: usize| {
        let read = Request::read("request", " ".repeat(length).as_bytes());
        read.err().map(|error| error.kind)
    };
    assert_eq!(REQUEST_BYTES_MAX, 1024);
    assert_eq!(read(REQUEST_BYTES_MAX), Some(Kind::NotCanonical));
    assert_eq!(read(REQUEST_BYTES_MAX + 1), Some(Kind::TooLarge));
}

#[test]
fn ancestors_of_a_snapshot() {
    let with = |count: u64| {
        let mut snapshot = snapshot(1, &[]);
        snapshot.ancestors = (1..=count).map(u64::to_be_bytes).collect();
        Snapshot::decode(Secret::from_vec(snapshot.plaintext()), ScopeKind::Values)
    };
    assert!(with(1024).is_some_and(|read| read.ancestors.len() == ANCESTORS_MAX));
    assert!(with(1025).is_none());
}

#[test]
fn symbols_of_a_box() {
    let place = world::api();
    let name = ScopeName::values(place.service, place.env);
    // Bytes that are all zero have the symbol A, but for the padding.
    let with = |plaintext: usize| {
        let bytes: usize = 24 + plaintext + 16;
        let payload = "A".repeat((bytes * 4).div_ceil(3)) + &"=".repeat((3 - bytes % 3) % 3);
        let line = format!("box {} {payload}\n", place.epoch.text());
        let text = place.header() + &line;
        let read = scope_file::read("file", text.as_bytes(), &place.project, &name);
        (payload.len(), read.err().map(|error| error.kind))
    };
    assert_eq!(with(SNAPSHOT_BYTES_MAX), (8_388_664, None));
    let above = with(SNAPSHOT_BYTES_MAX + 256);
    assert_eq!(above, (8_389_004, Some(Kind::NotCanonical)));
}

#[test]
fn bytes_of_a_scope_file() {
    let place = world::api();
    let name = ScopeName::values(place.service, place.env);
    let with = |length: usize| {
        let head = place.header() + "key ";
        let text = format!("{head}{}\n", "x".repeat(length - head.len() - 1));
        let read = scope_file::read("file", text.as_bytes(), &place.project, &name);
        read.err().map(|error| error.kind)
    };
    assert_eq!(with(FILE_BYTES_MAX), None);
    assert_eq!(with(FILE_BYTES_MAX + 1), Some(Kind::TooLarge));
}

#[test]
fn entries_of_a_snapshot() {
    let plaintext = |count: usize| {
        let entries: Vec<_> = (0..count)
            .map(|at| entry(&format!("K{at:05}"), ""))
            .collect();
        Secret::from_vec(snapshot(1, &entries).plaintext())
    };
    assert!(Snapshot::decode(plaintext(ENTRIES_MAX), ScopeKind::Values).is_some());
    assert!(Snapshot::decode(plaintext(ENTRIES_MAX + 1), ScopeKind::Values).is_none());
}

#[test]
fn bytes_of_a_stored_file() {
    let with = |length: usize| {
        let file = entry("a", &"x".repeat(length));
        let plaintext = Secret::from_vec(snapshot(1, &[file]).plaintext());
        Snapshot::decode(plaintext, ScopeKind::Files).is_some()
    };
    assert_eq!(STORED_BYTES_MAX, 5 * 1024 * 1024);
    assert!(with(STORED_BYTES_MAX) && !with(STORED_BYTES_MAX + 1));
}

#[test]
fn bytes_of_a_snapshot() {
    let large = "x".repeat(VALUE_BYTES_MAX);
    let plaintext = |last: usize| {
        let mut entries: Vec<_> = (0..5).map(|at| entry(&format!("K{at}"), &large)).collect();
        entries.push(entry("K5", &large[..last]));
        Secret::from_vec(snapshot(1, &entries).plaintext())
    };
    let rest = SNAPSHOT_BYTES_MAX - plaintext(0).len();
    assert_eq!(plaintext(rest).len(), SNAPSHOT_BYTES_MAX);
    assert!(Snapshot::decode(plaintext(rest), ScopeKind::Values).is_some());
    let above = plaintext(rest + 256);
    assert_eq!(above.len(), SNAPSHOT_BYTES_MAX + 256);
    assert!(Snapshot::decode(above, ScopeKind::Values).is_none());
}

/// Whether a wrap with so many scope keys opens.
fn opens(keys: usize) -> bool {
    let (alice, ci) = (person("alice"), person("ci"));
    let mut subject = member(&ci, &["api/*"]);
    let place = |at| (format!("e{at:04}"), "api".to_string());
    let places: Vec<_> = (0..keys).map(place).collect();
    let bundle = world::limited_bundle(&world::project(), world::epoch(3), &ci.id, &places);
    subject.bundle = Some(bundle);
    let text = world::roster(&alice, vec![subject]).composed().json();
    let roster = roster::Roster::read("access.json", text.as_bytes()).expect("a roster");
    let config = hash::hash(world::config().json().as_bytes());
    let known = Known {
        witness: None,
        anchors: &[alice.id],
        confirm: &|_| false,
    };
    let identity = Identity::new(Key::new(ci.secret));
    let access = team::accept("access.json", &roster, &config, &identity, &known);
    assert_eq!(hex(&identity.public), hex(&ci.public));
    access.is_ok()
}

#[test]
fn keys_in_a_wrap() {
    assert!(opens(512));
    assert!(!opens(513));
}

#[test]
fn symbols_of_an_identity() {
    let ci = person("ci");
    let reads = |anchors: usize| {
        let id = |at| world::member_id(&seed(&format!("anchor {at}")));
        let mut anchors: Vec<_> = (0..anchors).map(id).collect();
        anchors.sort();
        let anchors: Vec<_> = anchors.iter().map(String::as_str).collect();
        let content = world::identity_content(&ci, None, &anchors);
        let text = world::identity_text(&content);
        let read = Identity::from_text("text", &text, None).is_ok();
        (text.len() - "kagi_identity_v1_".len(), read)
    };
    // The limit is 16,384; one anchor has 45 symbols.
    assert_eq!(reads(364), (16_372, true));
    assert_eq!(reads(365), (16_416, false));
}

#[cfg(feature = "server")]
#[test]
fn files_of_a_manifest() {
    let read = |count: usize| {
        let mut manifest = world_protocol::manifest();
        manifest.files.truncate(2);
        for at in 2..count {
            let path = format!("secrets/s{at:05}/dev.enc");
            manifest.files.push(world_protocol::listed(&path, 1));
        }
        let bytes = world::joined(&manifest.fields());
        let read = Manifest::decode("manifest", &bytes);
        read.err().map(|error| error.kind)
    };
    assert_eq!(read(FILES_MAX), None);
    assert_eq!(read(FILES_MAX + 1), Some(Kind::BadText));
}
