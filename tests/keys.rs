//! Identities and project keys from the environment, with the real program: what CI uses.

mod common;

use common::{Device, World, access_of, admit, identity_of};
use kagi::crypto::wrap;
use kagi::format::key_text::Origin;
use kagi::format::roster::Roster;
use kagi::format::text::HEX;
use std::fs;
use std::path::{Path, PathBuf};

/// A project of one device, with one value.
fn project(world: &World) -> (Device, PathBuf) {
    let (owner, work) = (world.device("owner"), world.directory("work"));
    owner.kagi(&work, "init --envs --name owner").ok();
    owner.kagi(&work, "set TOKEN hunter2").ok();
    (owner, work)
}

/// The project key, out of the owner's wrap (FORMAT 4.4, 4.5).
fn project_key(owner: &Device, work: &Path) -> String {
    let bytes = fs::read(work.join(".kagi/access.json")).expect("a roster");
    let roster = Roster::read("access.json", &bytes).expect("a roster");
    let identity = identity_of(owner);
    let member = roster.member(&identity.id).expect("a member");
    let (place, statement) = (roster.place(), roster.statement());
    let bundle = wrap::open(
        &identity.secret,
        &identity.public,
        place,
        &statement,
        &member.wrap,
    );
    HEX.encode(&bundle.expect("its own wrap").expose()[1..33])
}

/// A machine that has seen nothing, with one variable.
fn machine(world: &World, name: &'static str, value: &str) -> Device {
    let mut machine = world.device(&format!("machine-{name}"));
    machine.variables.push((name, value.to_string()));
    machine
}

#[test]
fn a_project_key_opens_everything_and_does_not_reach_the_program() {
    let world = World::new();
    let (owner, work) = project(&world);
    let key = project_key(&owner, &work);
    fs::write(world.root.join("key"), format!("{key}\n")).expect("a file");
    let file = world.root.join("key").to_string_lossy().into_owned();
    for (name, value) in [("KAGI_PROJECT_KEY", &key), ("KAGI_PROJECT_KEY_FILE", &file)] {
        let ci = machine(&world, name, value);
        assert_eq!(
            ci.values(&work, "").get("TOKEN").map(String::as_str),
            Some("hunter2")
        );
        let left = ci.kagi(&work, "run -- env").ok().text();
        assert!(
            !left
                .lines()
                .any(|line| line.starts_with("KAGI_PROJECT_KEY")),
            "{name}"
        );
        ci.kagi(&work, "set FROM_CI yes").ok();
        assert!(!ci.kagi_home().exists(), "{name} needs no home");
    }
    assert_eq!(
        owner.values(&work, "").get("FROM_CI").map(String::as_str),
        Some("yes")
    );
}

#[test]
fn a_wrong_project_key_says_so_and_changes_no_configuration() {
    let world = World::new();
    let (owner, work) = project(&world);
    let wrong = machine(&world, "KAGI_PROJECT_KEY", &"0".repeat(64));
    let outcome = wrong.kagi(&work, "run -- true");
    outcome.fails(&["not the key of this project's epoch 1"]);
    let right = machine(&world, "KAGI_PROJECT_KEY", &project_key(&owner, &work));
    right
        .kagi(&work, "env add qa")
        .fails(&["only a full member can do this"]);
}

#[test]
fn an_identity_that_carries_its_origin_needs_no_question_and_no_home() {
    let world = World::new();
    let (owner, work) = project(&world);
    let ci = admit(&world, &owner, "ci", &work);
    // Its anchor wrote the roster: that is enough.
    assert_eq!(
        ci.values(&work, "").get("TOKEN").map(String::as_str),
        Some("hunter2")
    );
    // Without the anchor nobody vouches, and run asks nobody.
    let (config, roster, access) = access_of_ci(&ci, &work);
    let mut identity = kagi_identity(&ci);
    identity.anchors.clear();
    let text = identity.to_text();
    let alone = machine(
        &world,
        "KAGI_IDENTITY",
        text.expose_str("text").expect("ASCII"),
    );
    alone
        .kagi(&work, "run -- true")
        .fails(&["does not know the project yet"]);
    // With what it knew when it was made, the roster's own witness vouches.
    identity.origin = Some(Origin {
        project: config,
        epoch: roster.epoch,
        witness: access,
    });
    let text = identity.to_text();
    let aware = machine(
        &world,
        "KAGI_IDENTITY",
        text.expose_str("text").expect("ASCII"),
    );
    assert_eq!(
        aware.values(&work, "").get("TOKEN").map(String::as_str),
        Some("hunter2")
    );
    // And it is refused by another project.
    let (other, elsewhere) = (world.device("other"), world.directory("elsewhere"));
    other.kagi(&elsewhere, "init").ok();
    aware
        .kagi(&elsewhere, "run -- true")
        .fails(&["made for another project"]);
}

fn kagi_identity(device: &Device) -> kagi::format::key_text::Identity {
    let (_, text) = device.variables.last().expect("its variable");
    kagi::format::key_text::Identity::from_text("text", text, None).expect("an identity")
}

/// Project id, roster and witness key of a device whose identity is in a variable.
fn access_of_ci(device: &Device, work: &Path) -> (String, Roster, kagi::secret::Key) {
    let home = device.kagi_home();
    fs::create_dir_all(&home).expect("a home");
    let (_, text) = device.variables.last().expect("its variable");
    let file = format!("{{\n  \"identity\": \"{text}\",\n}}\n");
    fs::write(home.join("identity.json"), file).expect("a file");
    let (config, roster, access) = access_of(device, work);
    fs::remove_dir_all(&home).expect("a home");
    (config.project, roster, access.witness().expect("a member"))
}
