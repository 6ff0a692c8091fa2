//! A kagi that was built without a network: it says what it lacks, and the rest works.
//! `cargo test --no-default-features --test absent`.
#![cfg(not(feature = "server"))]

mod common;

use common::World;
use kagi::cli::table::sync::SYNC;

/// Every command that syncs is in the help, says what it lacks, and does nothing.
#[test]
fn what_is_not_there_says_so() {
    let world = World::new();
    let (device, at) = (world.device("ada"), world.directory("shop"));
    let overview = device.kagi(&at, "help").ok().text();
    assert!(SYNC.len() > 10);
    for command in SYNC {
        let name = command.name;
        assert!(
            overview.contains(&format!("\n  {name} ")),
            "{overview}\nwithout {name}"
        );
        let page = device.kagi(&at, &format!("{name} --help")).ok().text();
        assert!(page.contains("examples"), "{page}");
        let message = format!("kagi: error: this kagi was built without kagi {name}\n");
        let words = if command.words.is_empty() { "" } else { " -" };
        let outcome = device
            .kagi(&at, &format!("{name}{words}"))
            .fails(&[&message, "kagi: hint: "]);
        assert_eq!(outcome.code, Some(1), "{name}");
    }
    device
        .kagi(&at, "remote push")
        .fails(&["this kagi was built without kagi push"]);
    assert!(!device.kagi_home().exists());
}

/// What other commands say of sharing is what holds with Git.
#[test]
fn the_rest_goes_by_git() {
    let world = World::new();
    let (ada, ben) = (world.device("ada"), world.device("ben"));
    let at = world.directory("shop");
    ada.kagi(&at, "init --name Ada --no-git").ok();
    ada.kagi(&at, "set TOKEN hunter2").ok();
    ben.kagi(&at, "member join --name Ben")
        .ok()
        .says(&["; commit and push it"]);
    let id = ben.kagi(&at, "identity show").ok().text();
    let id = id.split_whitespace().nth(2).expect("an id").to_string();
    let approved = ada.kagi(&at, &format!("member approve {id}"));
    approved.ok().says(&["; commit and push .kagi"]);
    let status = ada.kagi(&at, "status").ok().text();
    assert!(!status.contains("remote"), "{status}");
    assert_eq!(ada.values(&at, "")["TOKEN"], "hunter2");
}
