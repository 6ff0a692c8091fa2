//! The store and the handler, asked through the channel: every operation with good and bad input,
//! who may do what, and that nothing is said to who may do nothing.
#![cfg(feature = "server")]

mod common;
#[path = "common/store.rs"]
mod rig;

use common::World;
use kagi::crypto::hash::{Digest, hash};
use kagi::crypto::wrap::public_key;
use kagi::error::Kind;
use kagi::format::message::token::Credential;
use kagi::format::request::Request as FormatRequest;
use kagi::format::text::HEX;
use kagi::secret::{Key, Secret};
use kagi::sync::channel::{open_credential, seal_credential, seal_request};
use kagi::sync::handler;
use kagi::sync::protocol::{
    NewToken, Operation, ProjectInfo, Refusal, Request, Response, Rights, TokenInfo,
};
use kagi::sync::store::Store;
use kagi::sync::store::audit::Actor;
use kagi::sync::store::check::check;
use kagi::sync::store::keep::KEPT_SECONDS;
use kagi::sync::store::project::Push;
use kagi::sync::store::tokens::Token;
use rig::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

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
    for own in [8, 9, 12, 15] {
        let own = Rights(own);
        let who = rig.issue(&project, own, "");
        for wanted in (0..=33).chain([64, 128, 255]) {
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
    let path = rig.root.join("tokens").join(&who.id);
    let mut record = Token::decode(&fs::read(path).unwrap()).unwrap();
    let rig = rig.again(|root| {
        for _ in 1..1023 {
            record.info.id = credential().id;
            fs::write(root.join("tokens").join(&record.info.id), record.encode()).unwrap();
        }
    });
    rig.issue(&project, Rights::PULL, "");
    let token = token(&credential(), Rights::PULL, "");
    refused(
        rig.ask(&who, &project, Operation::Issue { token }),
        Refusal::Limit,
    );
    assert_eq!(tokens(&rig, &who, &project).len(), 1024);
    rig.project();
}

/// The audit log says once of each of these tokens that it expired, and by whom it was dropped.
fn are_dropped(rig: &Rig, by: &str, wanted: &[(&String, &String)]) {
    let log = fs::read_to_string(rig.root.join("audit.log")).unwrap();
    let lines: Vec<_> = log.lines().collect();
    for (project, id) in wanted {
        let what = format!(" {by} expire {project} {id} ");
        let count = lines.iter().filter(|line| line.contains(&what)).count();
        assert_eq!(count, 1, "{what}");
        assert!(!rig.root.join("tokens").join(id).exists());
    }
    let count = lines
        .iter()
        .filter(|line| line.contains(" expire "))
        .count();
    assert_eq!(count, wanted.len());
}

#[test]
fn expired_tokens_make_room() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let path = rig.root.join("tokens").join(&who.id);
    let mut record = Token::decode(&fs::read(path).unwrap()).unwrap();
    record.info.expires = NOW + 5;
    let mut ids = Vec::new();
    let rig = rig.again(|root| {
        for _ in 1..1024 {
            record.info.id = credential().id;
            ids.push(record.info.id.clone());
            fs::write(root.join("tokens").join(&record.info.id), record.encode()).unwrap();
        }
    });
    let issue = |now| {
        let token = token(&credential(), Rights::PULL, "");
        rig.at_time(Some(&who), &project, Operation::Issue { token }, now)
    };
    // At its last second a token is one.
    refused(issue(NOW + 5), Refusal::Limit);
    assert_eq!(tokens(&rig, &who, &project).len(), 1024);
    are_dropped(&rig, "", &[]);
    done(issue(NOW + 6));
    let rig = rig.again(|root| drop(sound(root)));
    assert_eq!(tokens(&rig, &who, &project).len(), 2);
    let by = format!("{} 127.0.0.1", who.id);
    let ids: Vec<_> = ids.iter().map(|id| (&project, id)).collect();
    are_dropped(&rig, &by, &ids);
}

#[test]
fn tokens_that_expired_long_ago_go() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let (other, of_other) = rig.project();
    let issue = |project: &str, expires| {
        let mut new = token(&credential(), Rights::PULL, "");
        new.expires = expires;
        let id = new.credential.id.clone();
        done(rig.ask(&rig.admin, project, Operation::Issue { token: new }));
        id
    };
    let gone = [issue(&project, NOW + 1), issue(&other, NOW + 1)];
    let stays = [issue(&project, NOW + 2), issue(&other, 0)];
    rig.store.clean(NOW + 1 + KEPT_SECONDS).unwrap();
    are_dropped(&rig, "", &[]);
    for _ in 0..2 {
        rig.store.clean(NOW + 2 + KEPT_SECONDS).unwrap();
    }
    let gone = [(&project, &gone[0]), (&other, &gone[1])];
    are_dropped(&rig, "local -", &gone);
    let rig = rig.again(|root| assert_eq!(sound(root).tokens, 5));
    for (who, project, id) in [(&who, &project, &stays[0]), (&of_other, &other, &stays[1])] {
        let list = tokens(&rig, who, project);
        assert!(list.len() == 2 && list.iter().any(|one| one.id == *id));
    }
    standing(rig.ask(&rig.admin, &project, Operation::Status));
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
    assert!(rig.standing(&who, &project).waiting.contains(&request.id));
    assert_eq!(
        rig.pull(&who, &project, 0).requests,
        [request.write().into_bytes()]
    );

    let rig = rig.again(|_| {});
    assert!(rig.standing(&who, &project).waiting.contains(&request.id));
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

// --- Projects ---

fn projects(rig: &Rig) -> Vec<(String, String, bool, u64)> {
    match rig.ask(&rig.admin, "", Operation::Projects) {
        Response::Projects(projects) => {
            let shown = |one: ProjectInfo| (one.id, one.name, one.is_approved, one.revision);
            projects.into_iter().map(shown).collect()
        }
        other => panic!("{}", shown(&other)),
    }
}

#[test]
fn a_project_registers_is_taken_in_and_is_given_up() {
    let world = World::new();
    let rig = Rig::new(&world);
    let project = fresh_project();
    let register = |id: &str, name: &str| {
        let name = name.to_string();
        rig.at_time(None, id, Operation::Register { name }, NOW)
    };
    done(register(&project, "shop"));
    done(register(&project, "another name"));
    refused(register("kgp_x", "shop"), Refusal::Malformed);
    refused(register("../../../../etc", "shop"), Refusal::Malformed);
    refused(register(&fresh_project(), "a\nb"), Refusal::Malformed);
    assert_eq!(projects(&rig), [(project.clone(), "shop".into(), false, 0)]);

    let who = credential();
    let approve = |who: &Credential| Operation::Approve {
        token: token(who, Rights::MEMBER, ""),
    };
    refused(
        rig.ask(&rig.admin, "kgp_x", approve(&who)),
        Refusal::Malformed,
    );
    done(rig.ask(&rig.admin, &project, approve(&who)));
    // Again: only the token is added.
    let second = credential();
    done(rig.ask(&rig.admin, &project, approve(&second)));
    let state = State::first(&project);
    standing(rig.push(&who, &state));
    assert_eq!(rig.standing(&second, &project).revision, 1);
    done(register(&project, "shop"));
    assert_eq!(projects(&rig), [(project.clone(), "shop".into(), true, 1)]);
    let (other, of_other) = rig.project();

    done(rig.ask(&rig.admin, &project, Operation::Delete));
    for who in [&who, &second] {
        refused(rig.ask(who, &project, Operation::Status), Refusal::Denied);
    }
    refused(
        rig.ask(&rig.admin, &project, Operation::Status),
        Refusal::Missing,
    );
    refused(
        rig.ask(&rig.admin, &project, Operation::Delete),
        Refusal::Missing,
    );
    assert_eq!(rig.standing(&of_other, &other).revision, 0);
    let name = format!("{NOW}-{project}");
    assert!(
        rig.root
            .join("deleted")
            .join(&name)
            .join("revisions")
            .is_dir()
    );

    // It can come back, empty, and go again within the same second.
    done(rig.ask(&rig.admin, &project, approve(&credential())));
    assert_eq!(rig.standing(&rig.admin, &project).revision, 0);
    done(rig.ask(&rig.admin, &project, Operation::Delete));
    rig.store.clean(NOW + KEPT_SECONDS).unwrap();
    assert!(rig.root.join("deleted").join(&name).is_dir());
    rig.store.clean(NOW + KEPT_SECONDS + 2).unwrap();
    assert_eq!(fs::read_dir(rig.root.join("deleted")).unwrap().count(), 0);

    // One that only asks can be turned away.
    done(register(&project, "shop"));
    done(rig.ask(&rig.admin, &project, Operation::Delete));
    assert_eq!(projects(&rig).len(), 1);
}

#[test]
fn few_projects_may_ask_to_be_taken_in() {
    let world = World::new();
    let rig = Rig::new(&world);
    let register = || {
        let operation = Operation::Register { name: "x".into() };
        rig.at_time(None, &fresh_project(), operation, NOW)
    };
    for _ in 0..64 {
        done(register());
    }
    refused(register(), Refusal::Limit);
    assert_eq!(projects(&rig).len(), 64);
}

#[test]
fn a_rollback_goes_back_and_the_history_goes_on_from_there() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let mut states = vec![State::first(&project)];
    for number in 2..=5 {
        states.push(
            states
                .last()
                .unwrap()
                .next("kagi.json", format!("{number}")),
        );
    }
    for state in &states {
        standing(rig.push(&who, state));
    }
    let roll_back = |revision| rig.ask(&rig.admin, &project, Operation::Rollback { revision });
    for revision in [0, 6, u64::MAX] {
        refused(roll_back(revision), Refusal::Missing);
    }
    done(roll_back(5));
    assert_eq!(rig.standing(&who, &project).revision, 5);
    done(roll_back(2));
    assert_eq!(rig.standing(&who, &project).id, states[1].manifest().id());
    assert_eq!(rig.files(&who, &project), states[1].files);
    refused(
        rig.push(&who, &states[4].next("kagi.json", "6")),
        Refusal::Conflict,
    );
    standing(rig.push(&who, &states[1].next("kagi.json", "other")));
    done(roll_back(2));
    standing(rig.push(&who, &states[2]));
    let rig = rig.again(|_| {});
    assert_eq!(rig.files(&who, &project), states[2].files);
    let undone = rig.root.join("projects").join(&project).join("undone");
    assert_eq!(fs::read_dir(&undone).unwrap().count(), 3);
    rig.store.clean(NOW + KEPT_SECONDS + 1).unwrap();
    assert_eq!(fs::read_dir(&undone).unwrap().count(), 0);
    assert_eq!(rig.files(&who, &project), states[2].files);
}

// --- What is asked twice, or too much ---

#[test]
fn a_request_is_not_done_twice() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let request = |id, operation| Request {
        credential: Some(who.duplicate()),
        id,
        project: project.clone(),
        operation,
    };
    let push = || State::first(&project).push();
    standing(rig.raw(&request([1; 16], push()), NOW).1);
    refused(rig.raw(&request([1; 16], push()), NOW).1, Refusal::Replayed);
    let revoke = || Operation::Revoke {
        token: rig.issue(&project, Rights::PULL, "").id,
    };
    refused(
        rig.raw(&request([1; 16], revoke()), NOW).1,
        Refusal::Replayed,
    );
    // What only looks may be asked again.
    for _ in 0..2 {
        standing(rig.raw(&request([1; 16], Operation::Status), NOW).1);
    }
    // The ids of whoever is refused are not remembered, and of others the last 4,096.
    let stranger = Request {
        credential: Some(credential()),
        ..request([2; 16], revoke())
    };
    refused(rig.raw(&stranger, NOW).1, Refusal::Denied);
    done(rig.raw(&request([2; 16], revoke()), NOW).1);
    let numbered = |number: u32| {
        let mut id = [3; 16];
        id[..4].copy_from_slice(&number.to_le_bytes());
        id
    };
    assert!((0..4095).all(|number| rig.store.is_first(&numbered(number))));
    assert!(!rig.store.is_first(&[2; 16]));
    assert!(rig.store.is_first(&numbered(4095)));
    assert!(rig.store.is_first(&[1; 16]) && !rig.store.is_first(&numbered(4095)));
}

#[test]
fn who_may_only_ask_to_join_makes_no_server_forget() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let push = Request {
        credential: Some(who.duplicate()),
        id: [1; 16],
        project: project.clone(),
        operation: State::first(&project).push(),
    };
    standing(rig.raw(&push, NOW).1);
    let seen = || fs::read(rig.root.join("seen")).unwrap();
    let before = seen();
    let joins = rig.issue(&project, Rights::JOIN, "");
    assert_eq!(seen().len(), before.len() + 16);
    let before = seen();
    for _ in 0..3 {
        let post = Operation::Post {
            request: request_of_a_device(1).write().into_bytes(),
        };
        done(rig.ask(&joins, &project, post));
        let name = "shop".to_string();
        done(rig.at_time(None, &fresh_project(), Operation::Register { name }, NOW));
    }
    assert_eq!(seen(), before);
    // The second and third change nothing.
    assert_eq!(rig.standing(&who, &project).waiting.len(), 1);
    let log = fs::read_to_string(rig.root.join("audit.log")).unwrap();
    assert_eq!(log.matches(" post ").count(), 1);
    refused(rig.raw(&push, NOW).1, Refusal::Replayed);
}

#[test]
fn a_pull_and_a_fetch_give_what_fits() {
    // Without the channel, which would take most of the time here.
    let world = World::new();
    let store = Store::open(&world.root.join("store"), Key::new([0; 32]), false).unwrap();
    let (project, other) = (fresh_project(), fresh_project());
    let ask_of = |project: &str, operation| handler::local(&store, project, operation, NOW);
    let ask = |operation| ask_of(&project, operation);
    for project in [&project, &other] {
        let name = String::new();
        done(ask_of(project, Operation::Register { name }));
    }
    let large = |byte: u8| vec![byte; 3 * 1024 * 1024];
    let mut state = State::first(&project);
    for byte in 0..4 {
        state = state.with(&format!("secrets/app/e{byte}.enc"), large(byte));
    }
    standing(ask(state.push()));
    let pull = |since| {
        let member = String::new();
        pulled(ask(Operation::Pull { since, member })).blobs
    };
    // kagi.json, access.json and two of the large ones.
    let small = [b"roster".to_vec(), b"config".to_vec()];
    assert!(pull(0) == [&small[..], &[large(0), large(1)]].concat());

    let fetch = |digests: &[Digest]| match ask(Operation::Fetch {
        digests: digests.to_vec(),
    }) {
        Response::Blobs(blobs) => blobs,
        other => panic!("{}", shown(&other)),
    };
    let digests = [3, 0, 2, 1].map(|byte| hash(&large(byte)));
    assert!(fetch(&digests) == [large(3), large(0)]);
    let huge = vec![9; 9 * 1024 * 1024];
    let next = state.next("secrets/app/huge.enc", huge.clone());
    standing(ask(next.push_with(vec![huge.clone()])));
    assert!(fetch(&[hash(&huge), digests[0]]) == std::slice::from_ref(&huge));
    assert!(fetch(&[digests[0], hash(&huge)]) == [large(3)]);
    assert!(fetch(&[]).is_empty());
    let unknown = vec![digests[0], [1; 32]];
    refused(ask(Operation::Fetch { digests: unknown }), Refusal::Missing);
    // Two files of the same bytes are sent once, and need not be sent again.
    let twice = next.next("secrets/app/twin.enc", huge.clone());
    standing(ask(twice.push_with(vec![])));
    assert!(pull(2).is_empty() && pull(1) == [huge]);
    // Blobs of another project are not there.
    let digests = vec![digests[0]];
    refused(
        ask_of(&other, Operation::Fetch { digests }),
        Refusal::Missing,
    );
}

#[test]
fn links_lead_from_any_revision_to_the_newest() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let mut states = vec![State::first(&project)];
    for number in 2..=9 {
        states.push(
            states
                .last()
                .unwrap()
                .next("kagi.json", format!("{number}")),
        );
    }
    for state in &states {
        standing(rig.push(&who, state));
    }
    follows(&rig, &who, &project, &states);
    // Revisions that are not there, or not yet.
    for since in [10, 11, u64::MAX] {
        let pulled = rig.pull(&who, &project, since);
        assert!(pulled.links.is_empty() && pulled.blobs.len() == 2);
    }
}

// --- What a client sends is no path; what a server stores is no secret ---

/// Other people's attempts, and a few for the places where ids stand here.
fn traversals() -> Vec<String> {
    let mut list: Vec<String> = [
        "../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "kgp_",
        "kgp_../../../../../../..",
        "kgt_../x",
        "kgm_aaaaaaaaaaaaaaaaaaaa/../x",
        "kgp_aaaaaaaaaaaaaaaaaaaa/",
        "kgp_aaaaaaaaaaaaaaaaaaaa\0",
        "C:\\x",
        "secrets/../x.enc",
        "secrets/a/b/../../../x.enc",
        "secrets/con/a.enc",
        "secrets//a.enc",
        "./kagi.json",
        "secrets/a/.enc",
        "secrets/a/b.enc/",
        "requests/x.json",
    ]
    .map(String::from)
    .to_vec();
    list.push(format!("secrets/{}/b.enc", "a".repeat(65)));
    let Some(corpora) = std::env::var_os("KAGI_CORPORA") else {
        common::say("skipped: KAGI_CORPORA is not set");
        return list;
    };
    let directory = Path::new(&corpora).join("traversal-payloadsallthethings");
    for (path, (_, bytes)) in common::listing(&directory) {
        if path.extension().is_some_and(|end| end == "txt") {
            list.extend(String::from_utf8_lossy(&bytes).lines().map(str::to_string));
        }
    }
    assert!(list.len() > 100, "only {} names", list.len());
    list
}

#[test]
fn no_name_that_a_client_sends_leads_out_of_the_store() {
    let world = World::new();
    let rig = Rig::at(world.directory("a/b/c").join("store"));
    let (project, who) = rig.project();
    let first = State::first(&project);
    standing(rig.push(&who, &first));
    let before = common::listing(&world.root).into_keys().collect::<Vec<_>>();
    let names = traversals();
    // A credential with such an id is no message at all.
    for name in names.iter().take(40) {
        let mut asks = who.duplicate();
        asks.id.clone_from(name);
        let request = Request {
            credential: Some(asks),
            id: [0; 16],
            project: project.clone(),
            operation: Operation::Status,
        };
        refused(rig.raw(&request, NOW).1, Refusal::Malformed);
    }
    let mut tried = 0;
    // All of ours and some of the many; without the channel, which would take most of the time.
    let chosen = names
        .iter()
        .enumerate()
        .filter(|(at, _)| *at < 40 || at % 20 == 0);
    for (_, name) in chosen {
        let ask = |project: &str, operation| handler::local(&rig.store, project, operation, NOW);
        let new = || token(&credential(), Rights::PULL, "");
        let approve = Operation::Approve { token: new() };
        let register = Operation::Register { name: "x".into() };
        let roll_back = Operation::Rollback { revision: 1 };
        let push = first.push();
        let (status, delete) = (Operation::Status, Operation::Delete);
        for operation in [status, delete, push, approve, register, roll_back] {
            refused(ask(name, operation), Refusal::Malformed);
        }
        let pull = Operation::Pull {
            since: 0,
            member: name.clone(),
        };
        assert!(pulled(ask(&project, pull)).sealed.is_empty());
        refused(
            ask(
                &project,
                Operation::Revoke {
                    token: name.clone(),
                },
            ),
            Refusal::Missing,
        );
        if !name.is_empty() {
            let mut token = new();
            token.member.clone_from(name);
            refused(
                ask(&project, Operation::Issue { token }),
                Refusal::Malformed,
            );
        }
        // As the path of a file, alone and below a directory that is allowed.
        for path in [
            name.clone(),
            format!("secrets/{name}"),
            format!("secrets/app/{name}.enc"),
        ] {
            // A few of them are plain names.
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/.".contains(&byte);
            let is_harmless = path.starts_with("secrets/app/")
                && path.matches('/').count() == 2
                && path.bytes().all(is_plain)
                && path.as_bytes()[12].is_ascii_alphanumeric();
            if !is_harmless {
                refused(
                    ask(&project, first.next(&path, "x").push()),
                    Refusal::Malformed,
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 2 * names.len().min(500), "{tried}");
    let operation = Operation::Register { name: "x".into() };
    refused(
        rig.at_time(None, "../x", operation, NOW),
        Refusal::Malformed,
    );
    let after = common::listing(&world.root).into_keys().collect::<Vec<_>>();
    assert_eq!(before, after);
    assert_eq!(rig.standing(&who, &project).revision, 1);
}

#[test]
fn a_stolen_store_gives_no_token() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    standing(rig.push(&who, &State::first(&project)));
    let ci = rig.issue(&project, Rights::PULL, "");
    let stolen = world.root.join("stolen");
    common::copy(&rig.root, &stolen);
    for (path, (_, bytes)) in common::listing(&stolen) {
        for secret in [
            &who.secret,
            &ci.secret,
            &rig.admin.secret,
            &rig.keys.pepper,
            &rig.keys.secret,
        ] {
            let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|one| one == needle);
            assert!(!holds(secret.expose()), "{}", path.display());
            assert!(
                !holds(HEX.encode(secret.expose()).as_bytes()),
                "{}",
                path.display()
            );
        }
    }
    // With another pepper, nothing that is in the store or that anybody holds is accepted.
    let store = Store::open(&stolen, Key::new([0; 32]), false).unwrap();
    let token = Token::decode(&fs::read(stolen.join("tokens").join(&who.id)).unwrap()).unwrap();
    let guess = Credential {
        id: who.id.clone(),
        secret: Key::new(verifier(&token)),
    };
    for credential in [&who, &ci, &rig.admin, &guess] {
        assert!(store.token(credential, NOW).is_none());
        assert!(rig.store.token(credential, NOW).is_some() || credential.id == guess.id);
    }
}

/// The keyed hash in a record: 32 bytes after format and id.
fn verifier(token: &Token) -> [u8; 32] {
    token.encode()[4 + 12 + 4 + 24..][..32].try_into().unwrap()
}

// --- Opening ---

#[test]
fn one_program_has_a_store_open_and_only_a_store_is_opened() {
    let world = World::new();
    let rig = Rig::new(&world);
    let kind = |path: &Path| {
        Store::open(path, Key::new([1; 32]), false)
            .err()
            .map(|one| one.kind)
    };
    assert_eq!(kind(&rig.root), Some(Kind::Busy));
    assert_eq!(check(&rig.root).err().map(|one| one.kind), Some(Kind::Busy));
    let root = rig.root.clone();
    let waits = thread::spawn(move || Store::open(&root, Key::new([1; 32]), true).is_ok());
    thread::sleep(Duration::from_millis(200));
    let root = rig.root.clone();
    drop(rig);
    assert!(waits.join().unwrap());
    assert_eq!(kind(&root), None);

    let other = world.directory("other");
    fs::write(other.join("notes.txt"), "x").unwrap();
    assert_eq!(kind(&other), Some(Kind::Syntax));
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);
    fs::write(root.join("FORMAT"), "kagi-store 2\n").unwrap();
    assert_eq!(kind(&root), Some(Kind::Newer));
    let file = world.root.join("file");
    fs::write(&file, "x").unwrap();
    assert!(kind(&file).is_some());
    assert_eq!(kind(&world.root.join("a/new/one")), None);
}

#[test]
fn who_has_the_directory_needs_no_token() {
    let world = World::new();
    let store = Store::open(&world.root.join("store"), Key::new([0; 32]), true).unwrap();
    let project = fresh_project();
    let ask = |project: &str, operation| handler::local(&store, project, operation, NOW);
    refused(ask(&project, Operation::Status), Refusal::Missing);
    let name = || "shop".to_string();
    refused(
        ask("../x", Operation::Register { name: name() }),
        Refusal::Malformed,
    );
    done(ask(&project, Operation::Register { name: name() }));
    done(ask(&project, Operation::Register { name: name() }));
    let state = State::first(&project);
    assert_eq!(standing(ask(&project, state.push())).revision, 1);
    refused(ask(&project, state.push()), Refusal::Conflict);
    let pull = Operation::Pull {
        since: 0,
        member: String::new(),
    };
    assert_eq!(pulled(ask(&project, pull)).blobs.len(), 2);
    let request = request_of_a_device(1);
    let bytes = request.write().into_bytes();
    done(ask(&project, Operation::Post { request: bytes }));
    let waiting = |response| standing(response).waiting;
    assert!(waiting(ask(&project, Operation::Status)).contains(&request.id));
    // Who is a member now does not wait any longer.
    match state.next("access.json", "2").push() {
        Operation::Push {
            manifest,
            blobs,
            member,
            ..
        } => {
            let members = vec![(request.id, Rights::MEMBER)];
            let push = Operation::Push {
                manifest,
                blobs,
                members,
                member,
            };
            assert!(waiting(ask(&project, push)).is_empty());
        }
        _ => unreachable!(),
    }
    match ask("", Operation::Audit { from: 1 }) {
        Response::Lines(lines) => {
            let words = lines.iter().map(|line| line.split(' ').nth(4).unwrap());
            assert_eq!(
                words.collect::<Vec<_>>(),
                ["approve", "push", "post", "push"]
            );
            assert!(
                lines
                    .iter()
                    .all(|line| line.split(' ').nth(2) == Some("local"))
            );
        }
        other => panic!("{}", shown(&other)),
    }
    match ask("", Operation::Projects) {
        Response::Projects(list) => {
            assert!(list.len() == 1 && list[0].name == "shop" && list[0].bytes > 100);
        }
        other => panic!("{}", shown(&other)),
    }
}

// --- Many at once ---

#[test]
fn acknowledgements_of_many_threads_are_the_increments() {
    let world = World::new();
    let rig = Rig::new(&world);
    let projects: Vec<_> = (0..2).map(|_| rig.project()).collect();
    let wins = AtomicUsize::new(0);
    let (threads, each) = (64, 4);
    thread::scope(|scope| {
        for number in 0..threads {
            let (rig, wins, (project, _)) = (&rig, &wins, &projects[number % 2]);
            scope.spawn(move || {
                for turn in 0..each {
                    while !try_to_push(rig, project, &format!("{number} {turn}")) {}
                    wins.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(wins.load(Ordering::Relaxed), threads * each);
    let rig = rig.again(|_| {});
    for (project, who) in &projects {
        let at = rig.standing(who, project);
        assert_eq!(usize::try_from(at.revision).unwrap(), threads * each / 2);
        assert_eq!(rig.files(who, project).len(), 2);
    }
    let Rig { root, store, .. } = rig;
    drop(store);
    sound(&root);
}

/// One turn of somebody: where is the project, what is next, push that. Without the channel, which
/// would take most of the time here.
fn try_to_push(rig: &Rig, project: &str, text: &str) -> bool {
    let ask = |operation| handler::local(&rig.store, project, operation, NOW);
    let at = standing(ask(Operation::Status));
    let mut state = State::first(project).with("kagi.json", text);
    (state.revision, state.previous) = (at.revision + 1, at.id);
    match ask(state.push()) {
        Response::Standing(after) => {
            let wanted = (state.revision, state.manifest().id());
            assert_eq!((after.revision, after.id), wanted);
            true
        }
        Response::Refused(Refusal::Conflict, _) => false,
        other => panic!("{}", shown(&other)),
    }
}

#[test]
fn a_known_blob_of_another_size_is_none() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let first = State::first(&project);
    standing(rig.push(&who, &first));
    let mut manifest = first.next("kagi.json", "new").manifest();
    for size in [0, 5, 7] {
        manifest.files[0].size = size; // access.json, of 6 bytes
        let (manifest, blobs) = (manifest.encode(), vec![b"new".to_vec()]);
        let (members, member) = (Vec::new(), String::new());
        let push = Operation::Push {
            manifest,
            blobs,
            members,
            member,
        };
        refused(rig.ask(&who, &project, push), Refusal::Malformed);
    }
    assert_eq!(rig.standing(&who, &project).revision, 1);
}

#[test]
fn a_token_that_ends_while_a_push_is_under_way_pushes_nothing() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, who) = rig.project();
    let token = rig.store.token(&who, NOW).expect("a token");
    let actor = Actor {
        token,
        from: "x".into(),
        now: NOW,
    };
    done(rig.ask(
        &rig.admin,
        &project,
        Operation::Revoke {
            token: who.id.clone(),
        },
    ));
    let state = State::first(&project);
    let blobs = state.files.values().cloned().collect();
    let push = Push::new(&project, state.manifest().encode(), blobs).unwrap();
    let refused = rig.store.push(&actor, &project, push, &[], "").err();
    assert!(refused.is_some_and(|refused| refused.0 == Refusal::Denied));
    assert_eq!(rig.standing(&rig.admin, &project).revision, 0);
}
