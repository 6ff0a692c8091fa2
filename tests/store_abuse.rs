//! A store in the hands of those who have a token and mean harm, and of time.
//!
//! What must hold: who lost a right while waiting for a project does nothing with it; whoever floods
//! the store can be turned out of it, and what they left can be cleared away.

mod common;
#[path = "common/store.rs"]
mod rig;

use common::World;
use kagi::crypto::random;
use kagi::crypto::wrap::public_key;
use kagi::format::message::token::Credential;
use kagi::format::request::{REQUESTS_MAX, Request as FormatRequest};
use kagi::secret::Key;
use kagi::sync::protocol::{Operation, Refusal, Request, Rights};
use kagi::sync::store::Refused;
use kagi::sync::store::audit::Actor;
use rig::*;

fn actor(rig: &Rig, who: &Credential) -> Actor {
    let token = rig.store.token(who, NOW).expect("a token");
    Actor {
        token,
        from: "127.0.0.1".into(),
        now: NOW,
    }
}

fn request(seed: u8) -> FormatRequest {
    FormatRequest::new(public_key(&Key::new([seed; 32])), "laptop")
}

fn is_denied<T>(answer: Result<T, Refused>) -> bool {
    matches!(answer, Err(Refused(Refusal::Denied, about)) if about.is_empty())
}

/// A request is let in, and then waits for the project, while somebody ends or narrows its token.
#[test]
fn who_is_ended_while_waiting_makes_no_change() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, owner) = rig.project();
    let member = request(1).id;
    let new = || token(&credential(), Rights::MEMBER, "");
    for most in [Rights(0), Rights::LIMITED] {
        let who = rig.issue(&project, Rights::MEMBER, &member);
        let waits = actor(&rig, &who);
        rig.store
            .issue(&waits, &project, &new())
            .expect("a member issues");
        let at = rig.standing(&owner, &project);
        let mut state = State::first(&project).with("kagi.json", at.revision.to_string());
        (state.revision, state.previous) = (at.revision + 1, at.id);
        let Operation::Push {
            manifest,
            blobs,
            member: no_one,
            ..
        } = state.push()
        else {
            unreachable!()
        };
        let members = vec![if most == Rights(0) {
            (request(2).id, most)
        } else {
            (member.clone(), most)
        }];
        let push = Operation::Push {
            manifest,
            blobs,
            members,
            member: no_one,
        };
        standing(rig.ask(&owner, &project, push));
        assert!(is_denied(rig.store.issue(&waits, &project, &new())));
        assert!(is_denied(rig.store.revoke(&waits, &project, &owner.id)));
        let bytes = request(3).write().into_bytes();
        assert!(is_denied(rig.store.post(&waits, &project, bytes)));
    }
    assert!(rig.standing(&owner, &project).waiting.is_empty());
}

/// Whoever may ask to become a member can fill the mailbox. The owner ends that token, and clears it.
#[test]
fn a_flooded_mailbox_can_be_cleared() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, owner) = rig.project();
    let flood = rig.issue(&project, Rights::JOIN, "");
    let post = |who: &Credential, seed: &[u8; 32]| {
        let public = public_key(&Key::new(*seed));
        let request = FormatRequest::new(public, "flood").write().into_bytes();
        rig.ask(who, &project, Operation::Post { request })
    };
    for _ in 0..REQUESTS_MAX {
        done(post(&flood, &random::bytes().unwrap()));
    }
    refused(post(&owner, &[1; 32]), Refusal::Limit);
    let refuse = |token: String| Operation::Revoke { token };
    done(rig.ask(&owner, &project, refuse(flood.id.clone())));
    let waiting = rig.standing(&owner, &project).waiting;
    refused(
        rig.ask(&flood, &project, refuse(waiting[0].clone())),
        Refusal::Denied,
    );
    for id in waiting {
        done(rig.ask(&owner, &project, refuse(id.clone())));
        refused(rig.ask(&owner, &project, refuse(id)), Refusal::Missing);
    }
    done(post(&owner, &[1; 32]));
    let rig = rig.again(|root| drop(sound(root)));
    assert_eq!(rig.standing(&owner, &project).waiting, [request(1).id]);
}

/// A line of the log that could not be written when its push was taken is not lost for good, also if
/// the log takes the lines of later ones.
#[test]
fn the_line_of_a_push_is_made_up_for() {
    let world = World::new();
    let mut rig = Rig::new(&world);
    let (project, owner) = rig.project();
    let first = State::first(&project);
    let second = first.next("kagi.json", "2");
    standing(rig.push(&owner, &first));
    let before = std::fs::read(rig.root.join("audit.log")).unwrap();
    standing(rig.push(&owner, &second));
    // As if the second line were there, and the first one were not.
    let mut audit = Vec::new();
    rig = rig.again(|root| {
        let log = root.join("audit.log");
        let text = String::from_utf8(before.clone()).unwrap();
        let kept: Vec<_> = text
            .lines()
            .filter(|line| !line.contains(" push "))
            .collect();
        std::fs::write(&log, kept.join("\n") + "\n").unwrap();
        audit = kept.iter().map(|line| (*line).to_string()).collect();
        let mut open = kagi::sync::store::audit::Audit::open(&log).unwrap();
        let by = kagi::sync::store::tokens::Token::of_nobody(&owner.id, Rights(0));
        let actor = Actor {
            token: by,
            from: "127.0.0.1".into(),
            now: NOW,
        };
        let id = kagi::format::text::HEX.encode(&second.manifest().id()[..8]);
        open.append(&actor.entry("push", &project, &format!("2:{id}")))
            .unwrap();
    });
    let lines = rig.store.audit(0).unwrap();
    let pushes = lines.iter().filter(|line| line.contains(" push ")).count();
    assert_eq!((pushes, lines.len()), (2, audit.len() + 2), "{lines:#?}");
}

/// Whoever has recorded a request, and waits for the server to be started again.
#[test]
fn a_request_is_not_done_twice_after_a_restart() {
    let world = World::new();
    let rig = Rig::new(&world);
    let (project, owner) = rig.project();
    let lent = credential();
    let issue = || Request {
        credential: Some(owner.duplicate()),
        id: [9; 16],
        project: project.clone(),
        operation: Operation::Issue {
            token: token(&lent, Rights::PULL, ""),
        },
    };
    done(rig.raw(&issue(), NOW).1);
    let revoke = Operation::Revoke {
        token: lent.id.clone(),
    };
    done(rig.ask(&owner, &project, revoke));
    let mut rig = rig.again(|root| drop(sound(root)));
    refused(rig.raw(&issue(), NOW).1, Refusal::Replayed);
    // Torn, grown, and gone.
    rig = rig.again(|root| {
        let seen = root.join("seen");
        let mut bytes = vec![7; 2 << 20];
        bytes.extend(std::fs::read(&seen).unwrap());
        std::fs::write(&seen, [bytes, vec![1; 5]].concat()).unwrap();
    });
    refused(rig.raw(&issue(), NOW).1, Refusal::Replayed);
    assert!(rig.store.is_first(&[1; 16]));
    assert_eq!(
        std::fs::metadata(rig.root.join("seen")).unwrap().len(),
        16 * 4096
    );
    refused(rig.ask(&lent, &project, Operation::Status), Refusal::Denied);
    rig = rig.again(|root| {
        sound(root);
        std::fs::remove_file(root.join("seen")).unwrap();
    });
    done(rig.raw(&issue(), NOW).1);
}
