//! Whether a roster is believed: what the reader knew before, against what an attacker who can
//! write every file could put there. Each attack changes one thing of a roster that is accepted.

use kagi::crypto::hash::{Digest, hash};
use kagi::error::{Error, Kind, Result};
use kagi::format::key_text::Identity;
use kagi::format::names::{Epoch, Grant};
use kagi::format::roster::{Member, Roster};
use kagi::format::scope_file::{ScopeKind, ScopeName};
use kagi::secret::Key;
use kagi::team::{self, Access, Draft, Known};
use std::cell::Cell;

const PROJECT: &str = "kgp_aaaaaaaaaaaaaaaaaaaa";
const CONFIG: Digest = [5; 32];
const ENVS: [&str; 2] = ["development", "production"];

fn identity(seed: u8) -> Identity {
    Identity::new(Key::new([seed; 32]))
}

fn epoch(number: u32, id: u8) -> Epoch {
    Epoch {
        number,
        id: [id; 8],
    }
}

/// Fresh ephemeral keys, the same ones in every run.
fn ephemerals(seed: u8) -> impl FnMut() -> Result<Key> {
    let mut count = 0u8;
    move || {
        count += 1;
        Ok(Key::new(hash(&[seed, count])))
    }
}

fn draft(members: &[(&Identity, &str)]) -> Draft {
    let grants = |text: &str| text.split(',').filter_map(Grant::parse).collect();
    let member = |(who, text): &(&Identity, &str)| Member::draft(who.public, "m", grants(text));
    let mut members: Vec<Member> = members.iter().map(member).collect();
    members.sort_by(|one, next| one.id.cmp(&next.id));
    Draft {
        sequence: 1,
        config: CONFIG,
        config_before: CONFIG,
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
    }
}

/// A project that `author` founded with the key `[key; 32]`, then a roster with everybody.
fn roster(author: &Identity, epoch: Epoch, key: u8, members: &[(&Identity, &str)]) -> Roster {
    let founder = draft(&[(author, "*")]);
    let key = Key::new([key; 32]);
    let (_, access) =
        team::found(author, PROJECT, epoch, key, founder, &mut ephemerals(1)).expect("founded");
    let envs = ENVS.map(String::from);
    let composed = access.compose(author, draft(members), &envs, &mut ephemerals(2));
    let text = composed.expect("composed").write();
    Roster::read("access.json", text.as_bytes()).expect("its own reader takes it")
}

/// A device without a pin and anchors, whose user answers every question with no.
fn stranger() -> Known<'static> {
    Known {
        witness: None,
        anchors: &[],
        confirm: &|_| false,
    }
}

fn accept(roster: &Roster, who: &Identity, known: &Known) -> Result<Access> {
    team::accept("access.json", roster, &CONFIG, who, known)
}

fn kind(result: Result<Access>) -> Option<Kind> {
    result.err().map(|error: Error| error.kind)
}

/// The witness key that a member would have pinned when it accepted this roster.
fn pinned(roster: &Roster, who: &Identity) -> Key {
    let known = Known {
        confirm: &|_| true,
        ..stranger()
    };
    let access = accept(roster, who, &known).expect("accepted");
    access.witness().expect("a member")
}

#[test]
fn a_stranger_is_asked_and_a_no_is_a_no() {
    let (anna, ben) = (identity(1), identity(2));
    let roster = roster(&anna, epoch(1, 1), 9, &[(&anna, "*"), (&ben, "*")]);
    assert_eq!(
        kind(accept(&roster, &ben, &stranger())),
        Some(Kind::UnknownProject)
    );
    let asked = Cell::new(0);
    let confirm = |author: &Member| {
        asked.set(asked.get() + 1);
        author.id == anna.id
    };
    assert!(
        accept(
            &roster,
            &ben,
            &Known {
                confirm: &confirm,
                ..stranger()
            }
        )
        .is_ok()
    );
    assert_eq!(asked.get(), 1);
}

#[test]
fn an_anchor_introduces_without_a_question_and_another_member_does_not() {
    let (anna, ben) = (identity(1), identity(2));
    let roster = roster(&anna, epoch(1, 1), 9, &[(&anna, "*"), (&ben, "*")]);
    let trusts = |id: &str| {
        let anchors = [id.to_string()];
        kind(accept(
            &roster,
            &ben,
            &Known {
                anchors: &anchors,
                ..stranger()
            },
        ))
    };
    assert_eq!(trusts(&anna.id), None);
    assert_eq!(trusts(&ben.id), Some(Kind::UnknownProject));
}

#[test]
fn a_member_introduces_itself_on_a_new_machine() {
    let (anna, ben, eve) = (identity(1), identity(2), identity(3));
    let members = [(&anna, "*"), (&ben, "*")];
    assert_eq!(
        kind(accept(
            &roster(&anna, epoch(1, 1), 9, &members),
            &anna,
            &stranger()
        )),
        None
    );
    // Whoever lacks its key cannot write in its name.
    let mut forged = roster(&eve, epoch(1, 1), 8, &[(&anna, "*"), (&eve, "*")]);
    forged.author.clone_from(&anna.id);
    assert_eq!(
        kind(accept(&forged, &anna, &stranger())),
        Some(Kind::Unauthentic)
    );
}

#[test]
fn a_pin_decides_alone_and_nobody_is_asked() {
    let (anna, ben, eve) = (identity(1), identity(2), identity(3));
    let known_roster = roster(&anna, epoch(3, 1), 9, &[(&anna, "*"), (&ben, "*")]);
    let witness = pinned(&known_roster, &ben);
    let is_asked = Cell::new(false);
    let confirm = |_: &Member| {
        is_asked.set(true);
        true
    };
    let anchors = [anna.id.clone(), eve.id.clone()];
    let knows = |at: Epoch| Known {
        witness: Some((at, &witness)),
        anchors: &anchors,
        confirm: &confirm,
    };
    assert_eq!(kind(accept(&known_roster, &ben, &knows(epoch(3, 1)))), None);
    let cases = [
        // Written under a key of the attacker's own, with the same epoch.
        (
            roster(&eve, epoch(3, 1), 8, &[(&eve, "*"), (&ben, "*")]),
            epoch(3, 1),
            Kind::Unauthentic,
        ),
        // The same number with another id: two rotations in parallel, or a forgery.
        (
            roster(&anna, epoch(3, 2), 9, &[(&anna, "*"), (&ben, "*")]),
            epoch(3, 1),
            Kind::ForkedEpoch,
        ),
        // From before a rotation that the device has seen.
        (
            roster(&anna, epoch(2, 1), 9, &[(&anna, "*"), (&ben, "*")]),
            epoch(3, 1),
            Kind::OldEpoch,
        ),
        // A newer epoch that the old one does not vouch for.
        (
            roster(&eve, epoch(4, 1), 8, &[(&eve, "*"), (&ben, "*")]),
            epoch(3, 1),
            Kind::NotWitnessed,
        ),
        (
            roster(&eve, epoch(18, 1), 8, &[(&eve, "*"), (&ben, "*")]),
            epoch(3, 1),
            Kind::NotWitnessed,
        ),
    ];
    for (at, (roster, epoch, expected)) in cases.iter().enumerate() {
        assert_eq!(
            kind(accept(roster, &ben, &knows(*epoch))),
            Some(*expected),
            "case {at}"
        );
    }
    assert!(!is_asked.get());
}

#[test]
fn an_anchor_cannot_talk_a_device_out_of_what_it_has_seen() {
    let (anna, ben) = (identity(1), identity(2));
    let old = roster(&anna, epoch(3, 1), 9, &[(&anna, "*"), (&ben, "*")]);
    let witness = pinned(&old, &ben);
    let anchors = [anna.id.clone()];
    let known = Known {
        witness: Some((epoch(3, 1), &witness)),
        anchors: &anchors,
        confirm: &|_| true,
    };
    // So many epochs later that no roster has a witness for the old one any more.
    for number in [4, 18, 19, 20, u32::MAX] {
        let far = roster(&anna, epoch(number, 1), 8, &[(&anna, "*"), (&ben, "*")]);
        assert_eq!(
            kind(accept(&far, &ben, &known)),
            Some(Kind::NotWitnessed),
            "{number}"
        );
    }
}

type Edit = fn(&mut Roster, &Roster);

/// What somebody without a key can change about a roster, each alone; the second roster is one
/// that the attacker made.
fn edits() -> Vec<(&'static str, Edit)> {
    vec![
        ("epoch id", |roster, _| roster.epoch.id = [7; 8]),
        ("sequence", |roster, _| roster.sequence += 1),
        ("config", |roster, _| roster.config = [6; 32]),
        ("config before", |roster, _| roster.config_before = [6; 32]),
        ("removed", |roster, _| {
            roster.removed.push("kgm_aaaaaaaaaaaaaaaaaaaa".into());
        }),
        ("name", |roster, _| roster.members[0].name = "x".into()),
        ("grants", |roster, _| {
            roster.members[0].grants = vec![Grant::Env("production".into())];
        }),
        ("every grant", |roster, _| {
            roster
                .members
                .iter_mut()
                .for_each(|one| one.grants = vec![Grant::Full]);
        }),
        ("member left out", |roster, _| {
            drop(roster.members.remove(0));
        }),
        ("recipient", |roster, _| {
            let eve = identity(3);
            roster.members[0].public = eve.public;
            roster.members[0].id = eve.id;
        }),
        ("member added", |roster, _| {
            roster
                .members
                .push(Member::draft(identity(3).public, "x", vec![Grant::Full]));
        }),
        ("every wrap of another roster", |roster, other| {
            for (one, from) in roster.members.iter_mut().zip(&other.members) {
                one.wrap.clone_from(&from.wrap);
            }
        }),
        ("every wrap and introduction", |roster, other| {
            for (one, from) in roster.members.iter_mut().zip(&other.members) {
                one.wrap.clone_from(&from.wrap);
                one.introduction = from.introduction;
            }
        }),
        ("every witness", |roster, other| {
            for (one, from) in roster.members.iter_mut().zip(&other.members) {
                one.witnesses.clone_from(&from.witnesses);
            }
        }),
        ("wraps of two members swapped", |roster, _| {
            let (first, second) = roster.members.split_at_mut(1);
            std::mem::swap(&mut first[0].wrap, &mut second[0].wrap);
        }),
        ("witnesses of two members swapped", |roster, _| {
            let (first, second) = roster.members.split_at_mut(1);
            std::mem::swap(&mut first[0].witnesses, &mut second[0].witnesses);
        }),
    ]
}

#[test]
fn no_edit_is_believed_by_a_device_that_knows_the_project() {
    let (anna, ben) = (identity(1), identity(2));
    let members = [(&anna, "*"), (&ben, "*/development")];
    let genuine = || roster(&anna, epoch(1, 1), 9, &members);
    let forged = roster(&anna, epoch(1, 1), 8, &members);
    for who in [&anna, &ben] {
        let witness = pinned(&genuine(), who);
        let known = Known {
            witness: Some((epoch(1, 1), &witness)),
            ..stranger()
        };
        assert_eq!(kind(accept(&genuine(), who, &known)), None);
        for (what, edit) in edits() {
            let mut roster = genuine();
            edit(&mut roster, &forged);
            assert!(accept(&roster, who, &known).is_err(), "{what} was believed");
        }
    }
}

#[test]
fn no_edit_is_believed_by_a_new_device_that_trusts_the_author() {
    let (anna, ben) = (identity(1), identity(2));
    let members = [(&anna, "*"), (&ben, "*/development")];
    let genuine = || roster(&anna, epoch(1, 1), 9, &members);
    let eve = identity(3);
    let forged = roster(
        &eve,
        epoch(1, 1),
        8,
        &[(&eve, "*"), (&anna, "*"), (&ben, "*")],
    );
    let anchors = [anna.id.clone()];
    let known = Known {
        anchors: &anchors,
        ..stranger()
    };
    for (what, edit) in edits() {
        let mut roster = genuine();
        edit(&mut roster, &forged);
        assert!(
            accept(&roster, &ben, &known).is_err(),
            "{what} was believed"
        );
    }
}

#[test]
fn a_project_key_believes_only_what_the_project_key_sealed() {
    let (anna, ben) = (identity(1), identity(2));
    let members = [(&anna, "*"), (&ben, "*/development")];
    let genuine = || roster(&anna, epoch(1, 1), 9, &members);
    let open = |roster: &Roster, key: u8| {
        team::accept_project_key("access.json", roster, &CONFIG, Key::new([key; 32]))
    };
    assert_eq!(kind(open(&genuine(), 9)), None);
    assert_eq!(kind(open(&genuine(), 8)), Some(Kind::WrongKey));
    for (what, edit) in edits() {
        let mut roster = genuine();
        let before = roster.statement();
        edit(&mut roster, &roster_with_other_key(&members));
        // Wraps are for members: who holds the project key reads none of them.
        let is_stated = roster.statement() != before;
        assert_eq!(open(&roster, 9).is_err(), is_stated, "{what}");
    }
}

fn roster_with_other_key(members: &[(&Identity, &str)]) -> Roster {
    roster(&identity(1), epoch(1, 1), 8, members)
}

#[test]
fn a_limited_member_has_the_keys_of_its_grants_and_no_others() {
    let (anna, ben) = (identity(1), identity(2));
    let keys_of = |grants: &str| {
        let roster = roster(&anna, epoch(1, 1), 9, &[(&anna, "*"), (&ben, grants)]);
        let open = |who| {
            accept(
                &roster,
                who,
                &Known {
                    confirm: &|_| true,
                    ..stranger()
                },
            )
        };
        let (full, limited) = (open(&anna).expect("anna"), open(&ben).expect("ben"));
        assert!(full.is_full() && !limited.is_full());
        let state = |access: &Access| access.state_key().expect("a member");
        assert_eq!(state(&limited).expose(), state(&full).expose());
        let mut has = Vec::new();
        for (service, env) in [
            ("api", ENVS[0]),
            ("api", ENVS[1]),
            ("web", ENVS[0]),
            ("web", ENVS[1]),
        ] {
            for kind in [ScopeKind::Values, ScopeKind::Files] {
                let name = ScopeName {
                    kind,
                    ..ScopeName::values(service, env)
                };
                let right = full.scope_key(&name).expect("a full member has every key");
                if let Some(scope) = limited.scope_key(&name) {
                    assert_eq!(scope.key.expose(), right.key.expose(), "{grants}: {name}");
                    has.push(format!("{} {}", name.place(), kind.word()));
                }
            }
        }
        has.join(", ")
    };
    let of = |places: &[&str]| {
        let both = |place: &&str| [format!("{place} values"), format!("{place} files")];
        places.iter().flat_map(both).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(keys_of("api/production"), of(&["api/production"]));
    assert_eq!(
        keys_of("*/production"),
        of(&["api/production", "web/production"])
    );
    assert_eq!(keys_of("api/*"), of(&["api/development", "api/production"]));
    assert_eq!(
        keys_of("*/development,web/production"),
        of(&["api/development", "web/development", "web/production"])
    );
}

#[test]
fn a_limited_member_composes_no_roster() {
    let (anna, ben) = (identity(1), identity(2));
    let roster = roster(
        &anna,
        epoch(1, 1),
        9,
        &[(&anna, "*"), (&ben, "*/production")],
    );
    let limited = accept(
        &roster,
        &ben,
        &Known {
            confirm: &|_| true,
            ..stranger()
        },
    )
    .expect("ben");
    let composed = limited.compose(&ben, draft(&[(&ben, "*")]), &[], &mut ephemerals(3));
    assert_eq!(composed.err().map(|error| error.kind), Some(Kind::NotFull));
}

#[test]
fn an_identity_that_carries_its_origin_needs_no_pin() {
    let (anna, mut ben) = (identity(1), identity(2));
    let roster = roster(
        &anna,
        epoch(1, 1),
        9,
        &[(&anna, "*"), (&ben, "*/production")],
    );
    let witness = pinned(&roster, &ben);
    ben.origin = Some(kagi::format::key_text::Origin {
        project: PROJECT.into(),
        epoch: epoch(1, 1),
        witness,
    });
    ben.anchors = vec![anna.id.clone()];
    let text = ben.to_text();
    let text = text.expose_str("identity").expect("text");
    let back =
        Identity::from_text("KAGI_IDENTITY", &format!(" {text}\n"), None).expect("its own text");
    assert_eq!((&back.id, &back.anchors), (&ben.id, &ben.anchors));
    let origin = back.origin.as_ref().expect("origin");
    let known = Known {
        witness: Some((origin.epoch, &origin.witness)),
        ..stranger()
    };
    assert_eq!(kind(accept(&roster, &back, &known)), None);
}
