//! The keychain of the system, played by a `secret-tool` of our own that notes its arguments and its
//! input: the good way, tools that fail in every way, and kagi killed between any two steps. What a
//! real Secret Service does is the matter of `tests/keychain.sh`.
#![cfg(all(target_os = "linux", feature = "server"))]

mod common;
#[path = "common/serving.rs"]
mod serving;

use common::{Device, World, find_program, listing, on_terminal, outcome, program, say};
use serving::{Serving, fed};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Does what `secret-tool` does, with a directory of items. `plan` says at which call, by its number,
/// what happens instead.
const TOOL: &str = r#"#!/bin/sh
cd '@' || exit 9
verb=$1
echo "$*" >>calls
[ "$verb" != store ] || shift
[ "$2 $3 $4" = 'service kagi account' ] || { echo "secret-tool: unexpected" >&2; exit 9; }
number=$(wc -l <calls)
what=$(sed -n "s/^$number //p" plan)
[ -n "$what" ] || what=$(sed -n "s/^$verb //p" plan)
case $what in
before) kill -9 $PPID; exit 1 ;;
locked) [ "$verb" != search ] || { ls items | grep "^$5\$"; exit 0; }; exit 1 ;;
says*) cat >/dev/null; echo '(x:1): Gtk-WARNING **: noise' >&2; echo "secret-tool: ${what#says }" >&2; exit 1 ;;
moved) cp moved "$KAGI_HOME/identity.json"; rm "items/$5" ;;
garbage) echo 'kagi_identity_v1_not_what_was_put_there'; exit 0 ;;
endless) exec yes ;;
hangs) exec sleep 600 ;;
esac
code=1
case $verb in
store) cat >"items/$5" && code=0 ;;
lookup) [ ! -e "items/$5" ] || { cat "items/$5"; code=0; } ;;
clear) [ ! -e "items/$5" ] || { rm "items/$5"; code=0; } ;;
search) code=0; [ ! -e "items/$5" ] || { echo '[/1]'; echo 'secret = x'; } ;;
esac
[ "$what" != after ] || kill -9 $PPID
exit $code
"#;

/// A device with a keychain.
struct Keychain {
    directory: PathBuf,
    path: String,
}

impl Keychain {
    fn new(world: &World) -> Self {
        let (directory, programs) = (world.directory("chain"), world.directory("chain-programs"));
        fs::create_dir(directory.join("items")).expect("a directory");
        let tool = programs.join("secret-tool");
        let text = TOOL.replace('@', directory.to_str().expect("a path"));
        fs::write(&tool, text).expect("a program");
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("a mode");
        let path = std::env::var("PATH").expect("a path");
        let keychain = Keychain {
            directory,
            path: format!("{}:{path}", programs.display()),
        };
        keychain.plan("");
        keychain
    }

    /// The device whose keychain it is.
    fn device(&self, world: &World, name: &str) -> Device {
        let mut device = world.device(name);
        device.variables.push(("PATH", self.path.clone()));
        device
    }

    /// What happens at which call from now on.
    fn plan(&self, plan: &str) {
        fs::write(self.directory.join("plan"), format!("{plan}\n")).expect("a plan");
        fs::write(self.directory.join("calls"), "").expect("a list");
    }

    /// The arguments of all calls since.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.directory.join("calls")).expect("a list");
        calls.lines().map(String::from).collect()
    }

    /// What it holds.
    fn items(&self) -> Vec<String> {
        let files = fs::read_dir(self.directory.join("items")).expect("a directory");
        let files = files.map(|file| file.expect("an entry").path());
        files
            .map(|file| fs::read_to_string(file).expect("an item"))
            .collect()
    }
}

/// The texts of secrets below a directory.
fn secrets_below(directory: &Path) -> usize {
    let files = listing(directory);
    let texts = files
        .values()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes));
    let marks = ["\"kagi_identity_v1_", "\"kagi_proj_v1_", "\"kagi_admin_v1_"];
    texts
        .map(|text| {
            marks
                .iter()
                .map(|mark| text.matches(mark).count())
                .sum::<usize>()
        })
        .sum()
}

/// A project of one device, with one value.
fn project(world: &World, device: &Device) -> PathBuf {
    let work = world.directory("work");
    device.kagi(&work, "init --envs --name ada --no-git").ok();
    device.kagi(&work, "set TOKEN hunter2").ok();
    work
}

/// A device with an identity, an administrator's token and a project's.
fn on_server(world: &World, device: &Device, serving: &Serving) -> (PathBuf, String) {
    let (work, url) = (project(world, device), &serving.url);
    let login = format!("remote login --remote {url} --token -");
    fed(device, &work, &login, &serving.admin).ok();
    let join = format!(
        "project join --remote {url} --fingerprint {}",
        serving.print
    );
    device.kagi(&work, &join).ok();
    let config = fs::read_to_string(work.join(".kagi/kagi.json")).expect("a project");
    let id = config
        .split('"')
        .find(|word| word.starts_with("kgp_"))
        .expect("an id");
    let token = device
        .kagi(&work, &format!("project approve {id}"))
        .ok()
        .text();
    fed(device, &work, "pull -", &token).ok();
    device.kagi(&work, "push").ok();
    (work, token)
}

fn works(device: &Device, work: &Path) -> bool {
    device.kagi(work, "run -- printenv TOKEN").ok().text() == "hunter2\n"
}

#[test]
fn everything_moves_there_and_back_and_nothing_secret_is_an_argument() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let serving = Serving::start(&world);
    let ada = keychain.device(&world, "ada");
    let (work, token) = on_server(&world, &ada, &serving);
    let home = ada.kagi_home();
    let before = fs::read(home.join("identity.json")).expect("an identity");
    let identity = ada.kagi(&work, "identity show").ok().text();
    assert_eq!(secrets_below(&home), 3);
    assert!(keychain.calls().is_empty(), "files need no tool");

    ada.kagi(&work, "identity store keychain").ok();
    assert_eq!((secrets_below(&home), keychain.items().len()), (0, 3));
    let told: Vec<_> = keychain.calls();
    for secret in keychain.items() {
        assert!(secret.starts_with("kagi_") && !told.iter().any(|call| call.contains(&secret)));
    }
    assert!(!told.iter().any(|call| call.contains("_v1_")), "{told:?}");
    let places = ada.kagi(&work, "identity store").ok().text();
    assert_eq!(
        (places.matches("keychain  ").count(), places.lines().count()),
        (3, 3)
    );
    let moved = ada.kagi(&work, "identity show").ok().text();
    let end = "kept in     the keychain of the system\n";
    assert!(moved.ends_with(end), "{moved}");
    assert_eq!(
        moved.lines().take(2).collect::<Vec<_>>(),
        identity.lines().take(2).collect::<Vec<_>>()
    );

    keychain.plan("");
    assert!(works(&ada, &work));
    assert_eq!(keychain.calls().len(), 1, "one start for run");

    // Everything else goes on, and what comes later comes to the same place.
    ada.kagi(&work, "set MORE value").ok();
    ada.kagi(&work, "push").ok();
    ada.kagi(&work, "pull").ok();
    ada.kagi(&work, "project list").ok();
    ada.kagi(&work, "doctor").ok();
    ada.kagi(&work, "status").ok();
    let issued = ada.kagi(&work, "token issue").ok().text();
    assert_ne!(issued, token);
    fed(&ada, &work, "pull -", &issued).ok();
    assert_eq!((secrets_below(&home), keychain.items().len()), (0, 3));
    assert!(
        keychain.items().contains(&issued.trim().to_string()),
        "the new token"
    );
    assert!(
        !keychain.items().contains(&token.trim().to_string()),
        "not the old one"
    );

    // A backup has it only if that is asked for.
    if let Some(backup) = on_terminal(
        &ada,
        &work,
        &["y"],
        "kagi backup -o ../backup --with-identity",
    ) {
        backup.ok();
        assert_eq!(
            fs::read(world.root.join("backup/identity.json")).expect("an identity"),
            before
        );
    }

    // The same login under another address replaces the first, with its item.
    let other = serving.url.replace("127.0.0.1", "localhost");
    fed(
        &ada,
        &work,
        &format!("remote login --remote {other} --token -"),
        &serving.admin,
    )
    .ok();
    assert_eq!((secrets_below(&home), keychain.items().len()), (0, 3));
    ada.kagi(&work, "project list").ok();

    ada.kagi(&work, "identity store file").ok();
    assert_eq!((secrets_below(&home), keychain.items().len()), (3, 0));
    assert_eq!(
        fs::read(home.join("identity.json")).expect("an identity"),
        before
    );
    keychain.plan("");
    ada.kagi(&work, "pull").ok();
    assert!(works(&ada, &work) && keychain.calls().is_empty());
}

/// How many calls of the tool a move makes.
fn moved(keychain: &Keychain, ada: &Device, work: &Path, to: &str) -> usize {
    keychain.plan("");
    ada.kagi(work, &format!("identity store {to}")).ok();
    keychain.calls().len()
}

#[test]
fn a_move_that_is_killed_anywhere_leaves_a_device_that_works_and_is_finished_by_the_next() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let serving = Serving::start(&world);
    let ada = keychain.device(&world, "ada");
    let (work, _) = on_server(&world, &ada, &serving);
    let home = ada.kagi_home();
    for (to, back, end) in [("keychain", "file", (0, 3)), ("file", "keychain", (3, 0))] {
        moved(&keychain, &ada, &work, back);
        let calls = moved(&keychain, &ada, &work, to);
        assert!(calls >= 6, "{calls}");
        for call in 1..=calls {
            for when in ["before", "after"] {
                moved(&keychain, &ada, &work, back);
                keychain.plan(&format!("{call} {when}"));
                let killed = ada.kagi(&work, &format!("identity store {to}"));
                assert_eq!(killed.code, None, "{to}: {when} {call}");
                keychain.plan("");
                assert!(works(&ada, &work), "{to}: {when} {call}");
                ada.kagi(&work, "pull").ok();
                // It goes on, or all the way back.
                if call % 2 == 0 {
                    moved(&keychain, &ada, &work, back);
                    let other = (end.1, end.0);
                    assert_eq!(
                        (secrets_below(&home), keychain.items().len()),
                        other,
                        "{back}"
                    );
                }
                moved(&keychain, &ada, &work, to);
                assert_eq!(
                    (secrets_below(&home), keychain.items().len()),
                    end,
                    "{to}: {when} {call}"
                );
            }
        }
    }
}

#[test]
fn a_tool_that_fails_is_reported_and_nothing_is_lost_or_falls_back_to_a_file() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let ada = keychain.device(&world, "ada");
    let work = project(&world, &ada);
    let home = ada.kagi_home();
    let shut = "the keychain of the system does not serve";
    let all: &[(&str, &[&str])] = &[
        (
            "lookup locked\nstore locked\nsearch locked\nclear locked",
            &[shut, "it is locked"],
        ),
        (
            "lookup says Cannot autolaunch D-Bus\nstore says no",
            &[shut, "Cannot autolaunch D-Bus"],
        ),
        (
            "lookup endless\nstore endless",
            &[shut, "too long, or says too much"],
        ),
        ("lookup garbage", &["\"identity-", "is not authentic"]),
    ];
    for (plan, _) in all {
        keychain.plan(plan);
        let stays = ada
            .kagi(&work, "identity store keychain")
            .fails(&["goes on"]);
        stays.says_not(&["not_what_was_put_there"]);
        assert_eq!(secrets_below(&home), 1, "{plan}");
        assert!(works(&ada, &work));
    }
    moved(&keychain, &ada, &work, "keychain");
    for (plan, texts) in all {
        for words in [
            "run -- printenv TOKEN",
            "identity show",
            "get TOKEN",
            "identity store file",
        ] {
            keychain.plan(plan);
            let failed = ada.kagi(&work, words).fails(texts);
            let failed = failed.says_not(&["_v1_", "hunter2", "Gtk"]);
            assert!(failed.stdout.is_empty(), "{words}: {plan}");
            assert_eq!(
                (secrets_below(&home), keychain.items().len()),
                (0, 1),
                "{plan}"
            );
        }
        // Nor does a member that joins make another identity.
        ada.kagi(&work, "member join --no-git").fails(texts);
    }
    // A tool that fails only to remove leaves both, and the next finishes.
    keychain.plan("clear says denied");
    ada.kagi(&work, "identity store file")
        .fails(&[shut, "denied"]);
    assert_eq!((secrets_below(&home), keychain.items().len()), (1, 1));
    assert!(works(&ada, &work));
    moved(&keychain, &ada, &work, "file");
    assert_eq!(keychain.items().len(), 0);

    moved(&keychain, &ada, &work, "keychain");
    let (mut bare, programs) = (ada.clone(), world.directory("without"));
    let printenv = find_program("printenv").expect("printenv");
    symlink(printenv, programs.join("printenv")).expect("a link");
    bare.variables
        .push(("PATH", programs.display().to_string()));
    let missing = "needs the keychain of the system: secret-tool is missing";
    bare.kagi(&work, "run -- printenv TOKEN")
        .fails(&[missing, "libsecret-tools"]);
    bare.kagi(&work, "identity store file").fails(&[missing]);
    bare.variables
        .push(("KAGI_IDENTITY", keychain.items().remove(0)));
    assert!(works(&bare, &work), "a variable needs no keychain");
    assert!(works(&ada, &work));
}

#[test]
fn an_item_that_was_deleted_comes_back_with_an_import() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let serving = Serving::start(&world);
    let ada = keychain.device(&world, "ada");
    let (work, token) = on_server(&world, &ada, &serving);
    let home = ada.kagi_home();
    moved(&keychain, &ada, &work, "keychain");
    let copies = keychain.items();
    let identity = copies
        .iter()
        .find(|item| item.starts_with("kagi_identity"))
        .expect("one");
    for item in fs::read_dir(keychain.directory.join("items")).expect("a directory") {
        fs::remove_file(item.expect("an entry").path()).expect("a file");
    }
    let lost = "the keychain of the system has lost the secret of";
    ada.kagi(&work, "run -- true")
        .fails(&[lost, "identity.json", "kagi identity import"]);
    ada.kagi(&work, "identity store file").fails(&[lost]);
    fed(&ada, &work, "identity import", identity).ok();
    assert!(works(&ada, &work));
    ada.kagi(&work, "pull").fails(&["kagi pull -"]);
    fed(&ada, &work, "pull -", &token).ok();
    ada.kagi(&work, "pull").ok();
    ada.kagi(&work, "project list")
        .fails(&[lost, "kagi remote login"]);
    let login = format!("remote login --remote {} --token -", serving.url);
    fed(&ada, &work, &login, &serving.admin).ok();
    ada.kagi(&work, "project list").ok();
    assert_eq!((secrets_below(&home), keychain.items().len()), (0, 3));

    // Another identity is replaced only if that is meant, and kept where this device keeps them.
    let ben = world.device("ben");
    ben.kagi(&world.directory("desk"), "init --name ben --no-git")
        .ok();
    let other = ben.kagi_home().join("identity.json");
    let import = format!("identity import --file {}", other.display());
    ada.kagi(&work, &import).fails(&["another identity"]);
    let line = format!("kagi {import} --force");
    if let Some(outcome) = on_terminal(&ada, &work, &["y"], &line) {
        outcome.ok();
        assert_eq!((secrets_below(&home), keychain.items().len()), (0, 4));
        ada.kagi(&work, "run -- true").fails(&["not a member"]);
        fs::rename(
            home.join("identity.json.backup-1"),
            home.join("identity.json"),
        )
        .expect("a file");
        assert!(works(&ada, &work), "what was kept opens");
    }
}

#[test]
fn a_reader_that_another_kagi_overtakes_looks_again() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let ada = keychain.device(&world, "ada");
    let work = project(&world, &ada);
    let file = ada.kagi_home().join("identity.json");
    fs::copy(&file, keychain.directory.join("moved")).expect("a file");
    moved(&keychain, &ada, &work, "keychain");
    // It has read the name of the item, then the identity moves back to its file.
    keychain.plan("1 moved");
    assert!(works(&ada, &work));
    assert_eq!(keychain.items().len(), 0);
}

#[test]
fn an_identity_that_was_replaced_and_kept_moves_as_well() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let ada = keychain.device(&world, "ada");
    let work = project(&world, &ada);
    let file = ada.kagi_home().join("identity.json");
    fs::copy(&file, file.with_extension("json.backup-1")).expect("a file");
    for (to, end) in [("keychain", (0, 2)), ("file", (2, 0))] {
        moved(&keychain, &ada, &work, to);
        let now = (secrets_below(&ada.kagi_home()), keychain.items().len());
        assert_eq!(now, end, "{to}");
    }
}

#[test]
fn a_device_without_an_identity_gets_one_that_never_was_in_a_file() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let ada = keychain.device(&world, "ada");
    ada.kagi(&world.root, "identity store keychain").ok();
    assert_eq!(
        (secrets_below(&ada.kagi_home()), keychain.items().len()),
        (0, 1)
    );
    let work = project(&world, &ada);
    assert!(works(&ada, &work));
    assert_eq!(
        (secrets_below(&ada.kagi_home()), keychain.items().len()),
        (0, 1)
    );
    // A directory needs no token, so its file has nothing to move.
    ada.kagi(&work, "project join --remote ../disk").ok();
    ada.kagi(&work, "push").ok();
    let remote = |calls: Vec<String>| calls.iter().any(|call| call.contains("token-"));
    for to in ["keychain", "file"] {
        keychain.plan("");
        ada.kagi(&work, &format!("identity store {to}")).ok();
        assert!(!remote(keychain.calls()), "{to}");
    }
    assert_eq!(
        (secrets_below(&ada.kagi_home()), keychain.items().len()),
        (1, 0)
    );
    ada.kagi(&work, "pull").ok();
    ada.kagi(&work, "identity store nowhere")
        .fails(&["keychain or file"]);
    ada.kagi(&work, "identity store file keychain")
        .fails(&["keychain or file"]);
}

#[test]
fn a_copy_of_the_home_takes_nothing_away_from_the_first() {
    let world = World::new();
    let keychain = Keychain::new(&world);
    let serving = Serving::start(&world);
    let ada = keychain.device(&world, "ada");
    let (work, _) = on_server(&world, &ada, &serving);
    moved(&keychain, &ada, &work, "keychain");
    let copy = keychain.device(&world, "copy");
    common::copy(&ada.kagi_home(), &copy.kagi_home());
    let issued = ada.kagi(&work, "token issue").ok().text();
    fed(&copy, &work, "pull -", &issued).ok();
    copy.kagi(&work, "identity store file").ok();
    assert_eq!(
        (secrets_below(&copy.kagi_home()), keychain.items().len()),
        (3, 3)
    );
    assert!(works(&ada, &work), "the items are still there");
    ada.kagi(&work, "pull").ok();
    ada.kagi(&work, "project list").ok();
    // A name that kagi has not made is not asked for (FORMAT 11.7).
    let path = ada.kagi_home().join("identity.json");
    let text = fs::read_to_string(&path).expect("an identity");
    fs::write(
        &path,
        text.replace("keychain:identity-", "keychain:../identity-"),
    )
    .expect("a file");
    keychain.plan("");
    ada.kagi(&work, "run -- true")
        .fails(&["not in canonical form"]);
    assert!(keychain.calls().is_empty());
}

#[test]
fn a_tool_that_hangs_is_waited_for_as_long_as_a_password_takes() {
    if std::env::var("KAGI_TEST_SCALE").is_ok_and(|scale| scale != "full") {
        return;
    }
    if std::env::var_os("KAGI_TEST_SCALE").is_none() {
        say("a tool that hangs is not tested, it takes two minutes (KAGI_TEST_SCALE=full)");
        return;
    }
    let world = World::new();
    let keychain = Keychain::new(&world);
    let ada = keychain.device(&world, "ada");
    let work = project(&world, &ada);
    moved(&keychain, &ada, &work, "keychain");
    keychain.plan("lookup hangs");
    let start = Instant::now();
    let mut command = ada.command(program(), &work);
    outcome("kagi run", command.args(["run", "--", "true"])).fails(&["takes too long"]);
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(119) && took < Duration::from_secs(130),
        "{took:?}"
    );
}
