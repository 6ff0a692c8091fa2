//! The store and the handler, asked through the channel: every operation with good and bad input,
//! who may do what, and that nothing is said to who may do nothing.

mod common;
#[path = "common/store.rs"]
mod rig;

use common::World;
use kagi::sync::protocol::{Operation, Refusal, Rights};
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
