//! The store and the handler, asked through the channel: every operation with good and bad input,
//! who may do what, and that nothing is said to who may do nothing.
#![cfg(feature = "server")]

mod common;
#[path = "common/store.rs"]
mod rig;

use common::World;
use kagi::crypto::wrap::public_key;
use kagi::format::message::token::Credential;
use kagi::format::request::Request as FormatRequest;
use kagi::secret::{Key, Secret};
use kagi::sync::channel::{open_credential, seal_credential, seal_request};
use kagi::sync::handler;
use kagi::sync::protocol::{NewToken, Operation, Refusal, Request, Response, Rights, TokenInfo};
use rig::*;

#[test]
fn a_state_is_pushed_and_pulled() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    assert_eq!(rig.standing(&who, &project).revision, 0);
    assert!(rig.pull(&who, &project, 0).manifest.is_empty());

    let first = State::first(&project).with("secrets/app/production.enc", "one");
    let at = standing(rig.push(&who, &first));
    assert_eq!((at.revision, at.id), (1, first.manifest().id()));
    assert_eq!(rig.files(&who, &project), first.files);

    let second = first.next("secrets/app/production.enc", "two");
    let changed = second.push_with(vec![b"two".to_vec()]);
    assert_eq!(standing(rig.ask(&who, &project, changed)).revision, 2);
    let newer = rig.pull(&who, &project, 1);
    assert_eq!(newer.blobs, [b"two".to_vec()]);
    assert_eq!(newer.manifest, second.manifest().encode());
    assert!(newer.links.is_empty());
    assert!(rig.pull(&who, &project, 2).manifest.is_empty());

    let third = second.next("secrets/app/staging.enc", "three");
    standing(rig.push(&who, &third));
    assert_eq!(
        rig.pull(&who, &project, 1).links,
        [second.manifest().link()]
    );
    assert_eq!(rig.pull(&who, &project, 1).blobs.len(), 2);

    let rig = rig.again(|_| {});
    assert_eq!(rig.files(&who, &project), third.files);
    let at = rig.standing(&who, &project);
    assert_eq!((at.revision, at.id), (3, third.manifest().id()));
    assert!(at.rights.has(Rights::MEMBER) && at.token == who.id);
}

#[test]
fn a_push_must_follow_and_be_complete() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let first = State::first(&project);
    let push = |blobs: &[&[u8]]| first.push_with(blobs.iter().map(|one| one.to_vec()).collect());
    let ask = |operation| rig.ask(&who, &project, operation);

    refused(ask(push(&[b"config"])), Refusal::Malformed);
    refused(
        ask(push(&[b"config", b"roster", b"more"])),
        Refusal::Malformed,
    );
    refused(
        ask(push(&[b"config", b"roster", b"roster"])),
        Refusal::Malformed,
    );
    refused(ask(first.next("kagi.json", "x").push()), Refusal::Conflict);
    refused(
        ask(State::first(&fresh_project()).push()),
        Refusal::Malformed,
    );
    assert_eq!(rig.standing(&who, &project).revision, 0);

    standing(ask(first.push()));
    assert_eq!(refused(ask(first.push()), Refusal::Conflict), "1");
    let mut other = first.next("kagi.json", "y");
    other.previous = [1; 32];
    refused(ask(other.push()), Refusal::Conflict);
    let mut far = first.next("kagi.json", "y");
    far.revision = 3;
    refused(ask(far.push()), Refusal::Conflict);
    assert_eq!(rig.files(&who, &project), first.files);

    let Operation::Push { mut manifest, .. } = first.next("kagi.json", "y").push() else {
        panic!()
    };
    manifest.push(0);
    let (blobs, members, member) = (vec![b"y".to_vec()], Vec::new(), String::new());
    let longer = Operation::Push {
        manifest,
        blobs,
        members,
        member,
    };
    refused(ask(longer), Refusal::Malformed);
}

// --- Who may do what ---

const RIGHTS: [Rights; 5] = [
    Rights::PULL,
    Rights::JOIN,
    Rights::PUSH,
    Rights::ROTATE,
    Rights::ADMIN,
];

/// A request of a fresh device.
fn request_of_a_device(seed: u8) -> FormatRequest {
    FormatRequest::new(public_key(&Key::new([seed; 32])), "laptop")
}

/// Every operation with the rights of which each one allows it, as words; none: no token is needed.
fn operations(state: &State) -> Vec<(&'static str, Operation, &'static str)> {
    let fresh = |rights| token(&credential(), rights, "");
    let member = String::new();
    let register = Operation::Register { name: "app".into() };
    let request = request_of_a_device(1).write().into_bytes();
    vec![
        ("hello", Operation::Hello, ""),
        ("status", Operation::Status, "pull,join"),
        ("pull", Operation::Pull { since: 0, member }, "pull,join"),
        ("fetch", Operation::Fetch { digests: vec![] }, "pull,join"),
        ("push", state.push(), "push"),
        ("post", Operation::Post { request }, "pull,join"),
        ("register", register, ""),
        (
            "issue",
            Operation::Issue {
                token: fresh(Rights::JOIN),
            },
            "rotate",
        ),
        ("tokens", Operation::Tokens, "rotate"),
        (
            "revoke",
            Operation::Revoke {
                token: credential().id,
            },
            "rotate",
        ),
        ("projects", Operation::Projects, "admin"),
        (
            "approve",
            Operation::Approve {
                token: fresh(Rights::PULL),
            },
            "admin",
        ),
        ("rollback", Operation::Rollback { revision: 1 }, "admin"),
        ("audit", Operation::Audit { from: 1 }, "admin"),
        ("delete", Operation::Delete, "admin"),
    ]
}

#[test]
fn every_operation_needs_its_right_and_no_other_one_helps() {
    let world = World::new();
    for right in RIGHTS {
        for at in 0..operations(&State::first(&fresh_project())).len() {
            let rig = Rig::at(world.root.join(format!("{}-{at}", right.words())));
            let (project, first) = rig.project();
            let state = State::first(&project);
            standing(rig.push(&first, &state));
            let (name, operation, words) = operations(&state.next("kagi.json", "2")).remove(at);
            let who = match right {
                Rights::ADMIN => rig.admin.duplicate(),
                right => rig.issue(&project, right, ""),
            };
            let may = words.is_empty()
                || right == Rights::ADMIN
                || Rights::parse(words).unwrap().has(right);
            let response = rig.ask(&who, &project, operation);
            let shown = shown(&response);
            match response {
                Response::Refused(Refusal::Forbidden, about) => {
                    assert!(!may, "{name} with {}", right.words());
                    assert!(
                        words.split(',').any(|word| word == about),
                        "{name}: {about}"
                    );
                }
                // There is no such token, but who asked may say so.
                Response::Refused(Refusal::Missing, _) if name == "revoke" => assert!(may),
                Response::Refused(..) => panic!("{name} with {}: {shown}", right.words()),
                _ => assert!(may, "{name} with {}: {shown}", right.words()),
            }
            if !may {
                assert_eq!(rig.standing(&rig.admin, &project).revision, 1, "{name}");
                assert_eq!(rig.files(&first, &project), state.files, "{name}");
            }
        }
    }
}

#[test]
fn who_is_not_known_gets_the_same_bytes_whatever_is_asked() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let (other, of_other) = rig.project();
    let state = State::first(&project);
    let ended = credential();
    let mut new = token(&ended, Rights::PULL, "");
    new.expires = NOW - 1;
    done(rig.ask(&rig.admin, &project, Operation::Issue { token: new }));
    let revoked = rig.issue(&project, Rights::MEMBER, "");
    let token = revoked.id.clone();
    done(rig.ask(&who, &project, Operation::Revoke { token }));
    let wrong = Credential {
        id: who.id.clone(),
        secret: credential().secret,
    };
    let wrong_admin = Credential {
        id: rig.admin.id.clone(),
        secret: credential().secret,
    };

    let mut lengths = std::collections::BTreeSet::new();
    let mut plain = std::collections::BTreeSet::new();
    let unknown = credential();
    let askers = [
        (Some(&unknown), &project),
        (Some(&wrong), &project),
        (Some(&wrong_admin), &project),
        (Some(&ended), &project),
        (Some(&revoked), &project),
        (Some(&of_other), &project),
        (Some(&who), &other),
        (None, &project),
    ];
    for (asker, project) in askers {
        for (name, operation, words) in operations(&state) {
            let is_open = words.is_empty() && asker.is_none();
            let request = Request {
                credential: asker.map(Credential::duplicate),
                id: [0; 16],
                project: project.clone(),
                operation,
            };
            let (bytes, response) = rig.raw(&request, NOW);
            if is_open {
                assert!(!matches!(response, Response::Refused(..)), "{name}");
                continue;
            }
            assert!(
                matches!(&response, Response::Refused(Refusal::Denied, about) if about.is_empty()),
                "{name}"
            );
            lengths.insert(bytes.len());
            plain.insert(response.encode().expose().to_vec());
        }
    }
    assert_eq!((lengths.len(), plain.len()), (1, 1));
    // A project that is not there looks like one that is.
    refused(
        rig.ask(&who, &fresh_project(), Operation::Status),
        Refusal::Denied,
    );
    refused(rig.ask(&who, "", Operation::Status), Refusal::Denied);
    refused(
        rig.ask(&rig.admin, &fresh_project(), Operation::Status),
        Refusal::Missing,
    );
    assert_eq!(rig.standing(&who, &project).revision, 0);
}

#[test]
fn hello_says_who_one_is() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, _) = rig.project();
    let who = rig.issue(&project, Rights::LIMITED, "kgm_aaaaaaaaaaaaaaaaaaaa");
    let at = standing(rig.ask(&who, "", Operation::Hello));
    assert_eq!((at.token, at.rights), (who.id.clone(), Rights::LIMITED));
    assert_eq!(at.member, "kgm_aaaaaaaaaaaaaaaaaaaa");
    assert_eq!(
        standing(rig.ask(&rig.admin, "", Operation::Hello)).rights,
        Rights::ADMIN
    );
    assert_eq!(
        standing(rig.at_time(None, "", Operation::Hello, NOW)).rights,
        Rights(0)
    );
}

#[test]
fn bytes_that_are_not_for_this_server_get_no_answer() {
    let world = World::new();
    let rig = Rig::new(&world);
    let exchange = |bytes: &[u8]| {
        let exchange = handler::exchange(&rig.store, &rig.keys, bytes, "x", NOW).unwrap();
        exchange.map(|one| one.bytes)
    };
    assert!(exchange(b"").is_none());
    assert!(exchange(&[9; 200]).is_none());
    let other = public_key(&Key::new([5; 32]));
    let (bytes, _) = seal_request(&other, &Secret::copy_of(b"hello")).unwrap();
    assert!(exchange(&bytes).is_none());
    // Who knows the server's key, but does not speak the protocol, is told so.
    let (bytes, expecting) = seal_request(&rig.keys.public, &Secret::copy_of(b"hello")).unwrap();
    let answer = expecting.open(&exchange(&bytes).unwrap()).unwrap();
    refused(
        Response::decode(answer.expose()).unwrap(),
        Refusal::Malformed,
    );
}

// --- Tokens ---

fn tokens(rig: &Rig, who: &Credential, project: &str) -> Vec<TokenInfo> {
    match rig.ask(who, project, Operation::Tokens) {
        Response::Tokens(tokens) => tokens,
        other => panic!("{}", shown(&other)),
    }
}

#[test]
fn nobody_gives_a_right_that_is_not_theirs() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, _) = rig.project();
    for own in 0..16 {
        let own = Rights(own | Rights::ROTATE.0);
        let who = rig.issue(&project, own, "");
        for wanted in 0..=255 {
            let operation = Operation::Issue {
                token: token(&credential(), Rights(wanted), ""),
            };
            let response = rig.ask(&who, &project, operation);
            if wanted == 0 || wanted > 31 {
                refused(response, Refusal::Malformed);
            } else if Rights(own.0 | Rights::JOIN.0).has(Rights(wanted)) {
                done(response);
            } else {
                let missing = Rights(wanted & !(own.0 | Rights::JOIN.0)).words();
                assert_eq!(refused(response, Refusal::Forbidden), missing);
            }
        }
        for one in tokens(&rig, &who, &project) {
            if one.name == "a name" && one.id != who.id {
                rig.ask(&rig.admin, &project, Operation::Revoke { token: one.id });
            }
        }
    }
    for wanted in [16, 31] {
        let token = token(&credential(), Rights(wanted), "");
        let about = refused(
            rig.ask(&rig.admin, &project, Operation::Issue { token }),
            Refusal::Forbidden,
        );
        assert_eq!(about, "admin");
    }
}

#[test]
fn a_token_is_listed_ends_and_is_revoked() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let ci = credential();
    let mut new = token(&ci, Rights::PULL, "");
    (new.expires, new.name) = (NOW + 10, "ci".into());
    done(rig.ask(&who, &project, Operation::Issue { token: new }));
    let listed = tokens(&rig, &who, &project);
    let one = listed.iter().find(|one| one.id == ci.id).unwrap();
    assert_eq!(
        (one.issued, one.expires, one.name.as_str()),
        (NOW, NOW + 10, "ci")
    );
    assert_eq!((listed.len(), one.rights), (2, Rights::PULL));

    let status = |who, now| rig.at_time(Some(who), &project, Operation::Status, now);
    standing(status(&ci, NOW + 10));
    refused(status(&ci, NOW + 11), Refusal::Denied);
    // The id of another one's token, of another project's, of none.
    let (_, other) = rig.project();
    for id in [
        &other.id,
        &rig.admin.id,
        &credential().id,
        &"../x".to_string(),
    ] {
        let operation = Operation::Revoke { token: id.clone() };
        refused(rig.ask(&who, &project, operation), Refusal::Missing);
    }
    done(rig.ask(
        &who,
        &project,
        Operation::Revoke {
            token: ci.id.clone(),
        },
    ));
    refused(status(&ci, NOW), Refusal::Denied);
    let rig = rig.again(|_| {});
    refused(rig.ask(&ci, &project, Operation::Status), Refusal::Denied);
    assert_eq!(tokens(&rig, &who, &project).len(), 1);
}

#[test]
fn a_malformed_token_is_not_made() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let good = || token(&credential(), Rights::PULL, "");
    let change = |change: &dyn Fn(&mut NewToken)| {
        let mut token = good();
        change(&mut token);
        rig.ask(&who, &project, Operation::Issue { token })
    };
    done(change(&|_| {}));
    refused(
        change(&|one| one.member = "kgm_../../x".into()),
        Refusal::Malformed,
    );
    refused(
        change(&|one| one.name = "a\u{1b}[2J".into()),
        Refusal::Malformed,
    );
    refused(change(&|one| one.name = "n".repeat(65)), Refusal::Malformed);
    refused(change(&|one| one.sealed = vec![1; 80]), Refusal::Malformed);
    refused(
        change(&|one| one.credential = who.duplicate()),
        Refusal::Malformed,
    );
    refused(
        change(&|one| one.credential = rig.admin.duplicate()),
        Refusal::Malformed,
    );
    refused(
        change(&|one| (one.member, one.sealed) = ("kgm_aaaaaaaaaaaaaaaaaaaa".into(), vec![1; 600])),
        Refusal::Malformed,
    );
    assert_eq!(tokens(&rig, &who, &project).len(), 2);
}

#[test]
fn a_project_has_a_limited_number_of_tokens() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    for _ in 1..1024 {
        rig.issue(&project, Rights::PULL, "");
    }
    let token = token(&credential(), Rights::PULL, "");
    refused(
        rig.ask(&who, &project, Operation::Issue { token }),
        Refusal::Limit,
    );
    assert_eq!(tokens(&rig, &who, &project).len(), 1024);
    rig.project();
}

#[test]
fn a_newcomer_asks_is_answered_and_fetches_what_was_sealed() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let join = rig.issue(&project, Rights::JOIN, "");
    let request = request_of_a_device(3);
    let secret = Key::new([3; 32]);
    let post = |text: String| {
        rig.ask(
            &join,
            &project,
            Operation::Post {
                request: text.into_bytes(),
            },
        )
    };
    done(post(request.write()));
    done(post(request.write()));
    refused(
        post(request.write().replace("laptop", "")),
        Refusal::Malformed,
    );
    refused(post("{}".into()), Refusal::Malformed);
    assert_eq!(
        rig.standing(&who, &project).waiting,
        std::slice::from_ref(&request.id)
    );
    assert_eq!(
        rig.pull(&who, &project, 0).requests,
        [request.write().into_bytes()]
    );

    let rig = rig.again(|_| {});
    assert_eq!(
        rig.standing(&who, &project).waiting,
        std::slice::from_ref(&request.id)
    );
    let fresh = credential();
    let mut new = token(&fresh, Rights::MEMBER, &request.id);
    new.sealed = seal_credential(&request.id, &request.public, &project, &fresh).unwrap();
    done(rig.ask(&who, &project, Operation::Issue { token: new }));
    assert!(rig.standing(&who, &project).waiting.is_empty());
    let rig = rig.again(|_| {});
    assert!(rig.standing(&who, &project).waiting.is_empty());

    let pull = |member: &str| {
        let member = member.to_string();
        pulled(rig.ask(&join, &project, Operation::Pull { since: 0, member })).sealed
    };
    assert!(pull("").is_empty() && pull("kgm_aaaaaaaaaaaaaaaaaaaa").is_empty());
    let sealed = pull(&request.id);
    let opened = open_credential(&request.id, &secret, &request.public, &project, &sealed).unwrap();
    assert_eq!(
        standing(rig.ask(&opened, &project, Operation::Status)).member,
        request.id
    );
    done(rig.ask(&who, &project, Operation::Revoke { token: opened.id }));
    assert!(pull(&request.id).is_empty());
}

#[test]
fn the_mailbox_is_bounded() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let post = |seed| Operation::Post {
        request: request_of_a_device(seed).write().into_bytes(),
    };
    for seed in 1..=64 {
        done(rig.ask(&who, &project, post(seed)));
    }
    refused(rig.ask(&who, &project, post(65)), Refusal::Limit);
    done(rig.ask(&who, &project, post(64)));
    assert_eq!(rig.standing(&who, &project).waiting.len(), 64);
}

#[test]
fn a_push_that_names_the_members_ends_the_tokens_of_others() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let ids = [1, 2, 3].map(|seed| request_of_a_device(seed).id);
    let [stays, leaves, shrinks] =
        [0, 1, 2].map(|at| rig.issue(&project, Rights::MEMBER, &ids[at]));
    let unbound = rig.issue(&project, Rights::PULL, "");
    let (other, _) = rig.project();
    let elsewhere = rig.issue(&other, Rights::MEMBER, &ids[1]);
    let limited = rig.issue(&project, Rights::LIMITED, "");
    let post = Operation::Post {
        request: request_of_a_device(1).write().into_bytes(),
    };
    done(rig.ask(&who, &project, post));
    let members = vec![
        (ids[0].clone(), Rights::MEMBER),
        (ids[2].clone(), Rights::LIMITED),
    ];
    let push = |state: &State, members: &[(String, Rights)]| match state.push() {
        Operation::Push {
            manifest,
            blobs,
            member,
            ..
        } => {
            let members = members.to_vec();
            Operation::Push {
                manifest,
                blobs,
                members,
                member,
            }
        }
        _ => unreachable!(),
    };
    let is_open = |rig: &Rig, who: &Credential| {
        !matches!(
            rig.ask(who, &project, Operation::Status),
            Response::Refused(..)
        )
    };
    // Without rotate, and for a push that is refused, nothing ends.
    let first = State::first(&project);
    standing(rig.ask(&limited, &project, push(&first, &members)));
    assert!(is_open(&rig, &leaves));
    refused(
        rig.ask(&who, &project, push(&first, &members)),
        Refusal::Conflict,
    );
    assert!(is_open(&rig, &leaves));
    let next = first.next("kagi.json", "2");
    let bad = [("kgm_x".to_string(), Rights::MEMBER)];
    refused(
        rig.ask(&who, &project, push(&next, &bad)),
        Refusal::Malformed,
    );

    standing(rig.ask(&who, &project, push(&next, &members)));
    let check = |rig: &Rig| {
        assert!(!is_open(rig, &leaves) && is_open(rig, &stays) && is_open(rig, &unbound));
        assert!(standing(rig.ask(&elsewhere, &other, Operation::Status)).rights == Rights::MEMBER);
        assert_eq!(rig.standing(&stays, &project).rights, Rights::MEMBER);
        assert_eq!(rig.standing(&shrinks, &project).rights, Rights::LIMITED);
        // A request is answered by a token, not by a push.
        assert_eq!(rig.standing(&who, &project).waiting.len(), 1);
    };
    check(&rig);
    refused(
        rig.ask(&shrinks, &project, Operation::Tokens),
        Refusal::Forbidden,
    );
    let third = next.next("kagi.json", "3");
    refused(rig.push(&leaves, &third), Refusal::Denied);
    check(&rig.again(|_| {}));
}

#[test]
fn a_push_binds_the_token_of_nobody() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let [id, other] = [1, 2].map(|seed| request_of_a_device(seed).id);
    let push = |state: &State, who: &str| match state.push() {
        Operation::Push {
            manifest,
            blobs,
            members,
            ..
        } => {
            let member = who.to_string();
            Operation::Push {
                manifest,
                blobs,
                members,
                member,
            }
        }
        _ => unreachable!(),
    };
    let first = State::first(&project);
    refused(
        rig.ask(&who, &project, push(&first, "ada")),
        Refusal::Malformed,
    );
    assert_eq!(
        standing(rig.ask(&who, &project, push(&first, &id))).member,
        id
    );
    let second = first.next("kagi.json", "2");
    assert_eq!(
        standing(rig.ask(&who, &project, push(&second, &other))).member,
        id
    );
    // The administrator's token stays nobody's.
    let third = second.next("kagi.json", "3");
    assert_eq!(
        standing(rig.ask(&rig.admin, &project, push(&third, &other))).member,
        ""
    );
    let rig = rig.again(|_| {});
    assert_eq!(rig.standing(&who, &project).member, id);
    assert_eq!(rig.standing(&rig.admin, &project).member, "");
}
