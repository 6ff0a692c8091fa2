//! Stored files where several devices, Git, a remote, a stopped program and hostile members come in.
//!
//! What must hold: files join, rotate, merge, travel and are backed up as values are; what is restored
//! is the old file, the new one, or none with the old one kept beside it, at every moment; no name and
//! no link leads a restore to another place.
#![cfg(unix)]

mod common;

use common::{
    Device, Outcome, World, access_of, admit, find_program, leftovers, listing, on_terminal,
    outcome, program, say,
};
use kagi::crypto::random;
use kagi::format::scope_file::{self, ScopeKind, ScopeName, SealedBox};
use kagi::format::snapshot::{Entry, Snapshot};
use kagi::secret::Secret;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

const SCOPE: &str = ".kagi/files/app/development.enc";
const BYTES: &[u8] = b"\0hunter2\xff\n";

/// A repository and its two full members; `key` is stored, ignored by Git, and committed.
struct Team {
    world: World,
    ada: Device,
    bob: Device,
    at: PathBuf,
}

impl Team {
    fn new() -> Self {
        let world = World::new();
        let ada = world.device("Ada");
        let at = world.directory("repository");
        let init = "init --name Ada --envs=development,production --no-git";
        ada.kagi(&at, init).ok();
        let bob = admit(&world, &ada, "Bob", &at);
        ada.git(&at, "init -q").ok();
        fs::write(at.join(".gitignore"), "key*\ncerts/\n").expect("a file");
        let team = Team {
            world,
            ada,
            bob,
            at,
        };
        team.add("key", BYTES);
        team.ada.commit(&team.at, "base");
        team
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.at.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, bytes).expect("a file");
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.at.join(name)).ok()
    }

    /// Stores these bytes under a name, as Ada.
    fn add(&self, name: &str, bytes: &[u8]) {
        self.write(name, bytes);
        self.kagi(&format!("file add {name} --force")).ok();
    }

    fn kagi(&self, words: &str) -> Outcome {
        self.ada.kagi(&self.at, words)
    }

    fn git(&self, words: &str) -> Outcome {
        self.ada.git(&self.at, words)
    }

    /// What a device gets when it restores a file anew.
    fn restored(&self, device: &Device, name: &str) -> Vec<u8> {
        let _ = fs::remove_file(self.at.join("key.restored"));
        device
            .kagi(&self.at, &format!("file restore {name} --out key.restored"))
            .ok();
        self.read("key.restored").expect("a restored file")
    }

    /// Two branches on each of which one command stored something.
    fn fork(&self, left: (&str, &[u8]), right: (&str, &[u8])) {
        self.git("checkout -q -b left").ok();
        self.add(left.0, left.1);
        self.ada.commit(&self.at, "left");
        self.git("checkout -q -b right main").ok();
        self.add(right.0, right.1);
        self.ada.commit(&self.at, "right");
    }
}

#[test]
fn another_device_restores_the_very_bytes() {
    let team = Team::new();
    fs::remove_file(team.at.join("key")).expect("a file");
    team.bob.kagi(&team.at, "file restore --all").ok();
    assert_eq!(team.read("key").as_deref(), Some(BYTES));
    let mode = fs::metadata(team.at.join("key"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    // What Git holds never has them in plain text.
    let git = listing(&team.at.join(".git"));
    let holds = |bytes: &[u8]| bytes.windows(7).any(|part| part == b"hunter2");
    assert!(!git.values().any(|(_, bytes)| holds(bytes)));
}

#[test]
fn branches_with_different_files_merge() {
    for driver in [false, true] {
        let team = Team::new();
        if driver {
            set_up_driver(&team);
        }
        team.fork(("key.left", b"left"), ("key.right", b"right"));
        team.git("merge -q left -m merged").ok();
        assert_eq!(team.restored(&team.bob, "key.left"), b"left");
        assert_eq!(team.restored(&team.bob, "key.right"), b"right");
        assert_eq!(team.restored(&team.bob, "key"), BYTES);
    }
}

/// `doctor --fix` sets up the merge driver, which needs `kagi` on the path.
fn set_up_driver(team: &Team) {
    team.kagi("doctor --fix").ok();
    let driver = team.git("config merge.kagi.driver").ok().text();
    assert!(driver.contains("merge-driver"));
    let named = driver
        .trim()
        .replace("kagi", &program().display().to_string());
    let words = ["config", "merge.kagi.driver", &named];
    let mut command = team.ada.command("git", &team.at);
    outcome("git config", command.args(words)).ok();
}

#[test]
fn one_file_changed_on_two_branches_is_a_conflict_until_somebody_chooses() {
    let team = Team::new();
    team.kagi("set key_of_values 1").ok();
    team.ada.commit(&team.at, "value");
    team.fork(("key", b"left"), ("key", b"right"));
    team.git("merge -q left -m merged").ok();
    let different = "\"key\" in app/development (files) has different values: by Ada at";
    for words in ["restore key --out x", "restore --all --force", "show key"] {
        team.kagi(&format!("file {words}"))
            .fails(&[different, "kagi resolve app development"]);
    }
    assert!(team.read("x").is_none());
    for words in ["doctor", "key rotate --yes"] {
        team.kagi(words).fails(&["different"]);
    }
    assert!(team.kagi("status").text().contains(different));
    assert!(
        team.kagi("file list")
            .text()
            .contains("(in conflict: Ada, Ada)")
    );
    team.kagi("resolve").fails(&[
        "\"key\" in app/development (files)",
        "1 of 1 keys are still in conflict",
    ]);
    team.kagi("resolve --take 3").fails(&["has no such value"]);
    team.kagi("resolve app development key_of_values")
        .fails(&["is not in conflict"]);
    team.kagi("resolve app development file:key --take file:key=2")
        .ok()
        .says(&["resolved key in app/development (files)"]);
    // Both were written in the same second, perhaps: either may be the second.
    let chosen = team.restored(&team.bob, "key");
    assert!([&b"left"[..], b"right"].contains(&chosen.as_slice()));
    team.kagi("key rotate --yes").ok();
    assert_eq!(team.restored(&team.bob, "key"), chosen);
}

#[test]
fn a_rotation_takes_files_along_and_says_what_the_removed_one_knew() {
    let team = Team::new();
    team.kagi("set TOKEN 1").ok();
    team.kagi("member add --name ci --only app/development")
        .ok();
    let (_, roster, _) = access_of(&team.ada, &team.at);
    let bob = roster.members.iter().find(|one| one.name == "Bob");
    let id = bob.expect("a member").id.clone();
    let knew = "could read them: file:key in app/development";
    team.kagi(&format!("member del {id} --yes"))
        .ok()
        .says(&[knew, "could read them: TOKEN in app/development"]);
    team.bob
        .kagi(&team.at, "file restore key --out key.bob")
        .fails(&["was removed, which is for ever"]);
    assert_eq!(team.restored(&team.ada, "key"), BYTES);
    assert!(team.kagi("status").text().contains(knew));
    // Added anew with the same content it is as well known as before; with other content it is not.
    team.kagi("file add key --force").ok();
    assert!(team.kagi("status").text().contains(knew));
    team.add("key", b"new");
    assert!(!team.kagi("status").text().contains(knew));
}

#[test]
fn what_was_added_under_the_old_key_is_taken_over() {
    let team = Team::new();
    team.git("checkout -q -b old").ok();
    team.write("key.old", b"old");
    // Ada's device has not seen it when it rotates.
    team.bob.kagi(&team.at, "file add key.old").ok();
    team.ada.commit(&team.at, "old");
    team.git("checkout -q main").ok();
    team.kagi("key rotate --yes").ok();
    team.ada.commit(&team.at, "rotated");
    team.git("merge -q old -m merged").ok();
    team.kagi("file list")
        .fails(&["was written under an older key", "kagi resolve --from REV"]);
    team.kagi("resolve --from HEAD^2")
        .ok()
        .says(&["took over key.old in app/development (files)"]);
    assert_eq!(team.restored(&team.bob, "key.old"), b"old");
    assert_eq!(team.restored(&team.bob, "key"), BYTES);
}

#[test]
fn what_changes_while_a_restore_waits_is_not_replaced() {
    let team = Team::new();
    let outside = team.world.root.join("outside");
    let tries: [&dyn Fn(&Path); 2] = [&|path| fs::write(path, "mine").expect("a file"), &|path| {
        symlink(&outside, path).expect("a link");
    }];
    for change in tries {
        let path = team.at.join("key");
        fs::remove_file(&path).expect("a file");
        let lock = fs::File::open(team.at.join(".kagi")).expect("a directory");
        lock.lock().expect("a lock");
        let mut command = team.ada.command(program(), &team.at);
        command.args(["file", "restore", "key", "--force"]);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("kagi");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let waiting = lines.next().expect("a line").expect("text");
        assert!(waiting.contains("waiting for another kagi"), "{waiting}");
        change(&path);
        lock.unlock().expect("a lock");
        let rest: Vec<_> = lines.map(|line| line.expect("text")).collect();
        assert!(!child.wait().expect("an end").success(), "{rest:?}");
        assert!(fs::read(&path).is_ok_and(|bytes| bytes == b"mine") || path.is_symlink());
        assert!(!outside.exists() && !team.at.join("key.backup-1").exists());
    }
}

#[test]
fn links_that_lead_to_a_project_or_a_home_change_nothing() {
    let team = Team::new();
    let link = team.world.root.join("link");
    symlink(&team.at, &link).expect("a link");
    let given = link.join("key").display().to_string();
    team.kagi(&format!("file add {given}"))
        .ok()
        .says(&["\"key\" in app/development (files) has that value already"]);
    team.kagi(&format!("file restore {given}")).ok();
    let shown = team
        .kagi(&format!("file restore key --out {given}.new"))
        .ok();
    shown.says(&["restored \"key.new\""]);
    team.kagi(&format!("file restore key --out {}/.git/x", link.display()))
        .fails(&["it belongs to Git or kagi"]);
    // Whoever's own kagi is meant by another path is meant all the same.
    let own = team.world.root.join("own");
    symlink(team.ada.kagi_home(), &own).expect("a link");
    let identity = own.join("identity.json").display().to_string();
    for words in [
        format!("file add {identity} --name key.own"),
        format!("file restore key --force --out {identity}"),
    ] {
        team.kagi(&words).fails(&["it belongs to Git or kagi"]);
    }
    let mut ada = team.ada.clone();
    fs::create_dir_all(ada.home.join("conf")).expect("a directory");
    fs::write(ada.home.join("conf/key"), "x").expect("a file");
    let file = ada.home.join("conf/key").display().to_string();
    let home = team.world.root.join("home-link");
    symlink(&ada.home, &home).expect("a link");
    let kagi_home = ada.kagi_home().display().to_string();
    ada.variables.push(("HOME", home.display().to_string()));
    ada.variables.push(("KAGI_HOME", kagi_home));
    ada.kagi(&team.at, &format!("file add --external {file}"))
        .ok()
        .says(&["set \"~/conf/key\""]);
}

#[test]
fn a_link_that_takes_the_place_of_a_file_while_it_is_opened_is_not_followed() {
    if find_program("strace").is_none() {
        return say("no link is planted in time, it needs strace");
    }
    let team = Team::new();
    fs::write(team.world.root.join("outside"), "theirs").expect("a file");
    let path = team.at.join("key");
    let mut command = team.ada.command("strace", &team.at);
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=openat,?open"]);
    command.args(["-e", "inject=openat,?open:delay_enter=1500000", "-P"]);
    command.arg(&path).arg(program());
    let child = command.args(["file", "add", "key", "--name", "key.new"]);
    let child = child.stderr(Stdio::piped()).spawn().expect("strace");
    std::thread::sleep(std::time::Duration::from_secs(1));
    fs::remove_file(&path).expect("a file");
    symlink("../outside", &path).expect("a link");
    let said = child.wait_with_output().expect("an end");
    assert!(!said.status.success(), "{said:?}");
    let list = team.kagi("file list").ok().text();
    assert!(!list.contains("key.new"), "{list}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_has_more_than_it_says_is_not_stored_in_part() {
    let team = Team::new();
    team.kagi("file add /proc/self/status --name key.new")
        .fails(&["has more than it says; nothing was written"]);
}

#[test]
fn doctor_mends_an_index_of_files() {
    let team = Team::new();
    team.write("key of mine", b"x");
    let mut command = team.ada.command(program(), &team.at);
    outcome("kagi", command.args(["file", "add", "key of mine"])).ok();
    team.kagi("doctor").ok();
    let text = fs::read_to_string(team.at.join(SCOPE)).expect("a scope");
    assert!(text.contains("\nkey key of mine 1\n"), "{text}");
    fs::write(team.at.join(SCOPE), text.replace("of mine", "of yours")).expect("a file");
    team.kagi("doctor")
        .fails(&["app/development (files) has index lines that do not fit its box"]);
    team.kagi("doctor --fix").ok();
    assert_eq!(
        fs::read_to_string(team.at.join(SCOPE))
            .expect("a scope")
            .lines()
            .nth(2),
        Some("key key of mine 1")
    );
}

#[test]
fn a_limited_member_has_the_files_of_its_scopes_alone() {
    let team = Team::new();
    team.write("key.live", b"live");
    team.kagi("file add production key.live").ok();
    let text = team.kagi("member add --name ci --only app/development");
    let identity = text.ok().text().trim().to_string();
    let mut ci = team.world.device("ci");
    ci.variables.push(("KAGI_IDENTITY", identity));
    let own = ci.kagi_home().join("identity.json").display().to_string();
    let out = ci.kagi(&team.at, &format!("file restore key --out {own}"));
    out.fails(&["it belongs to Git or kagi"]);
    assert_eq!(team.restored(&ci, "key"), BYTES);
    ci.kagi(&team.at, "file restore production --all")
        .fails(&["may not open \"app/production (files)\"", "app/development"]);
    assert!(
        !ci.kagi(&team.at, "file list --all")
            .ok()
            .text()
            .contains("live")
    );
    let status = ci.kagi(&team.at, "status").ok().text();
    assert!(
        status.contains("app/production  files not open"),
        "{status}"
    );
    let key = on_terminal(
        &team.ada,
        &team.at,
        &["y"],
        "kagi key export app development > ../exported",
    );
    if key.is_none() {
        return;
    }
    let exported = fs::read_to_string(team.world.root.join("exported")).expect("a key");
    let mut job = team.world.device("job");
    job.variables.push(("KAGI_PROJECT_KEY", exported));
    assert_eq!(team.restored(&job, "key"), BYTES);
    job.kagi(&team.at, "file restore -e production --all")
        .fails(&["KAGI_PROJECT_KEY opens app/development alone"]);
}

#[test]
fn a_scope_of_files_that_is_gone_or_older_is_said_and_stops_a_rotation() {
    let team = Team::new();
    let before = fs::read(team.at.join(SCOPE)).expect("a scope");
    team.add("key", b"new");
    fs::write(team.at.join(SCOPE), before).expect("a file");
    let older = "app/development (files) is older than the state that this device has seen";
    assert!(team.kagi("status").text().contains(older));
    team.kagi("file list --strict").fails(&["is older"]);
    team.kagi("key rotate --yes").fails(&["is older"]);
    fs::remove_file(team.at.join(SCOPE)).expect("a file");
    let gone = "app/development (files) is gone, though this device has seen it";
    assert!(team.kagi("status").text().contains(gone));
    team.kagi("doctor").fails(&[gone]);
    team.kagi("key rotate --yes").fails(&["is older"]);
    team.kagi("key rotate --yes --accept-older").ok();
}

#[test]
fn history_names_files_and_gives_them_back() {
    let team = Team::new();
    team.add("key", b"second");
    assert_eq!(
        team.kagi("diff").ok().text(),
        "app/development (files)\n  ~ key\n"
    );
    let json = team.kagi("diff --json").ok().text();
    assert!(json.contains("\"file:key\""), "{json}");
    team.ada.commit(&team.at, "second");
    let named = team.kagi("log app development file:key").ok().text();
    let log = team.kagi("log app development key").ok().text();
    assert_eq!(named, log);
    assert!(
        log.contains("changed file:key in app/development (version 2)"),
        "{log}"
    );
    assert!(
        log.contains("set file:key in app/development (version 1)"),
        "{log}"
    );
    team.kagi("restore --from HEAD~1 key")
        .fails(&["there was no key \"key\""]);
    team.kagi("restore --from HEAD~1 file:nosuch")
        .fails(&["there was no file \"nosuch\" in app/development (files)"]);
    team.kagi("restore --from HEAD~1 file:key").ok();
    assert_eq!(team.restored(&team.bob, "key"), BYTES);
    let shown = team.kagi(&format!("textconv {SCOPE}")).ok().text();
    assert!(
        shown.starts_with("key  ********  version 3, by Ada"),
        "{shown}"
    );
    team.kagi("diff development production").ok();
}

#[test]
fn environments_take_their_files_along() {
    let team = Team::new();
    team.write("key.live", BYTES);
    team.kagi("file add production key.live").ok();
    team.kagi("env rename production live")
        .ok()
        .says(&["with 1 scope"]);
    assert!(team.kagi("file list live").ok().text().contains("key.live"));
    assert!(!team.at.join(".kagi/files/app/production.enc").exists());
    team.kagi("env del live --yes").ok();
    assert!(!team.at.join(".kagi/files/app/live.enc").exists());
}

#[test]
fn a_backup_holds_them() {
    let team = Team::new();
    team.kagi("backup -o ../backup").ok();
    let other = team.world.directory("other");
    team.ada.kagi(&other, "restore -f ../backup").ok();
    team.ada.kagi(&other, "file restore --all").ok();
    assert_eq!(fs::read(other.join("key")).ok().as_deref(), Some(BYTES));
}

#[cfg(feature = "server")]
#[test]
fn they_are_pushed_and_pulled_and_joined() {
    use common::{copy, identity_of};
    let team = Team::new();
    let store = team.world.root.join("store").display().to_string();
    team.kagi(&format!("project join --remote {store}")).ok();
    team.kagi("push").ok();
    let his = team.world.directory("his");
    copy(&team.at.join(".kagi"), &his.join(".kagi"));
    let mut bob = team.bob.clone();
    let identity = bob.variables.pop().expect("an identity").1;
    fs::write(bob.home.join("identity"), &identity).expect("a file");
    let words = format!(
        "identity import --file {}",
        bob.home.join("identity").display()
    );
    bob.kagi(&his, &words).ok();
    let anchor = identity_of(&team.ada).id;
    bob.kagi(&his, &format!("trust {anchor}")).ok();
    let text = fs::read_to_string(his.join(".kagi/kagi.json")).expect("a project");
    let id = text[text.find("kgp_").expect("an id")..][..24].to_string();
    bob.kagi(&his, &format!("pull --remote {store} --project {id}"))
        .ok();
    team.add("key.ada", b"hers");
    team.kagi("push").ok();
    fs::write(his.join("key.bob"), "his").expect("a file");
    bob.kagi(&his, "file add key.bob").ok();
    bob.kagi(&his, "push").ok();
    team.kagi("pull").ok();
    assert_eq!(team.restored(&team.ada, "key.bob"), b"his");
    bob.kagi(&his, "file restore --all").ok();
    assert_eq!(
        fs::read(his.join("key.ada")).ok().as_deref(),
        Some(&b"hers"[..])
    );
    // One file, changed by both.
    team.add("key", b"one");
    team.kagi("push").ok();
    fs::write(his.join("key"), "two").expect("a file");
    bob.kagi(&his, "file add key --force").ok();
    bob.kagi(&his, "push");
    bob.kagi(&his, "file restore key --out x")
        .fails(&["different values"]);
    bob.kagi(&his, "resolve --take 1").ok();
    bob.kagi(&his, "push").ok();
    team.kagi("pull").ok();
    let chosen = team.restored(&team.ada, "key");
    assert!([&b"one"[..], b"two"].contains(&chosen.as_slice()));
    bob.kagi(&his, "file restore key --out x").ok();
    assert_eq!(fs::read(his.join("x")).ok(), Some(chosen));
}

/// Puts entries into the scope of files, whatever their names, as a member that keeps no rule.
fn forge(team: &Team, names: &[&str]) {
    let (config, _, access) = access_of(&team.ada, &team.at);
    let name = ScopeName {
        kind: ScopeKind::Files,
        ..ScopeName::values("app", "development")
    };
    let entry = |name: &&str| Entry {
        name: (*name).into(),
        value: Secret::copy_of(b"planted").into(),
        description: String::new(),
        time: 1,
        author: access.member().into(),
        writer: [0; 8],
        version: 1,
        epoch: 1,
    };
    let snapshot = Snapshot {
        sequence: 9,
        ancestors: Vec::new(),
        entries: names.iter().map(entry).collect(),
    };
    let key = access.scope_key(&name).expect("a key");
    let sealed = SealedBox::seal(&key, random::bytes().expect("random"), &snapshot);
    let text = scope_file::write(&config.project, &name, &snapshot, &[sealed]);
    fs::write(team.at.join(SCOPE), text).expect("a file");
}

#[test]
fn a_hostile_name_opens_nothing_and_writes_nothing() {
    let team = Team::new();
    forge(&team, &["planted"]);
    team.kagi("file restore --all").ok();
    assert_eq!(team.read("planted").as_deref(), Some(&b"planted"[..]));
    let outside = format!("{}/planted", team.world.root.display());
    for name in [
        "../planted",
        &outside,
        "a/../../planted",
        ".git/hooks/post-checkout",
        "GIT~1/hooks/post-checkout",
        ".kagi/kagi.json",
        "~/.ssh/authorized_keys",
        "a\u{1b}[2J",
    ] {
        forge(&team, &[name]);
        let before = [listing(&team.world.root), listing(&team.ada.home)];
        for words in [
            "restore --all --force",
            "restore --all --external",
            "list",
            "show a",
        ] {
            team.kagi(&format!("file {words}"))
                .fails(&["is not authentic"])
                .says_not(&["\u{1b}"]);
        }
        assert!(
            before
                .iter()
                .eq([&listing(&team.world.root), &listing(&team.ada.home)]),
            "{name}"
        );
    }
}

#[test]
fn a_stored_file_that_git_would_add_is_found() {
    let team = Team::new();
    team.kagi("scan").ok();
    team.write("copy", BYTES);
    let scan = team.kagi("scan").fails(&["1 value found"]).text();
    assert!(
        scan.contains("copy:byte 0: file:key of app/development"),
        "{scan}"
    );
    team.git("add -f key").ok();
    let staged = team.kagi("scan --staged").fails(&["1 value found"]).text();
    assert!(
        staged.contains("key:byte 0: file:key of app/development"),
        "{staged}"
    );
}

#[test]
fn a_planted_name_replaces_nothing_that_git_tracks() {
    let team = Team::new();
    team.write("source", b"mine");
    team.ada.commit(&team.at, "source");
    forge(&team, &["source"]);
    for words in ["source", "--all", "source --dry-run", "key --out source"] {
        forge(&team, &["key", "source"]);
        team.kagi(&format!("file restore {words} --force"))
            .fails(&["Git tracks \"source\" in plain text; nothing was restored"]);
    }
    assert_eq!(team.read("source").as_deref(), Some(&b"mine"[..]));
    assert!(!team.at.join("source.backup-1").exists());
}

#[test]
fn a_name_that_is_a_directory_of_another_is_refused_by_the_disk() {
    let team = Team::new();
    forge(&team, &["dir", "dir/file"]);
    team.kagi("file restore dir/file").ok();
    team.kagi("file restore --all")
        .fails(&["refusing to use", "dir", "nothing was restored"]);
    assert_eq!(team.read("dir/file").as_deref(), Some(&b"planted"[..]));
}

#[test]
fn a_link_that_is_planted_leads_nowhere() {
    let team = Team::new();
    let outside = team.world.directory("outside");
    fs::write(outside.join("file"), "mine").expect("a file");
    team.add("certs/deep/file", b"new");
    fs::remove_dir_all(team.at.join("certs")).expect("a directory");
    let tries: [(&str, &Path); 3] = [
        ("certs", &outside),
        ("certs/deep", &outside),
        ("certs/deep/file", &outside.join("file")),
    ];
    for (link, to) in tries {
        let path = team.at.join(link);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        symlink(to, &path).expect("a link");
        for words in [
            "restore certs/deep/file --force",
            "restore --all --force --dry-run",
        ] {
            team.kagi(&format!("file {words}"))
                .fails(&["refusing to use", "is not a plain file or directory"]);
        }
        assert!(fs::symlink_metadata(&path).expect("a link").is_symlink());
        fs::remove_file(&path).expect("a link");
    }
    let left = fs::read(outside.join("file")).expect("a file");
    assert_eq!(left, b"mine");
    assert_eq!(fs::read_dir(&outside).expect("a directory").count(), 1);
    // A link that leads nowhere yet is none to follow either.
    symlink(outside.join("new"), team.at.join("certs/deep/file")).expect("a link");
    team.kagi("file restore certs/deep/file --force")
        .fails(&["refusing to use"]);
    assert!(!outside.join("new").exists());
}

/// What changes something, or makes that last.
const CALLS: &str = "trace=openat,?open,write,fsync,rename,unlink,mkdir";

#[test]
fn a_restore_that_is_killed_anywhere_leaves_the_old_file_or_the_new() {
    if find_program("strace").is_none() {
        return say("a restore is not killed, it needs strace");
    }
    let team = Team::new();
    team.add("certs/deep/key", b"new");
    let words = ["file", "restore", "certs/deep/key", "--force"];
    let log = team.world.root.join("log");
    let mut kills = 0;
    for has_old in [true, false] {
        for call in [
            "openat", "?open", "write", "fsync", "rename", "unlink", "mkdir",
        ] {
            for count in 1.. {
                let _ = fs::remove_dir_all(team.at.join("certs"));
                if has_old {
                    team.write("certs/deep/key", b"old");
                }
                let mut command = team.ada.command("strace", &team.at);
                command.args(["-f", "-o"]).arg(&log).args(["-e", CALLS]);
                command.args(["-e", &format!("inject={call}:signal=SIGKILL:when={count}")]);
                command.arg(program()).args(words);
                let killed = outcome("strace", &mut command).code.is_none();
                let now = team.read("certs/deep/key");
                let kept = team.read("certs/deep/key.backup-1");
                match now.as_deref() {
                    Some(b"old") => assert!(has_old),
                    Some(b"new") => assert!(!has_old || kept.as_deref() == Some(b"old")),
                    None => assert!(!has_old),
                    other => panic!("{call} {count}: {other:?}"),
                }
                team.kagi(&words.join(" ")).ok();
                assert_eq!(team.read("certs/deep/key").as_deref(), Some(&b"new"[..]));
                assert_eq!(leftovers(&team.at), Vec::<PathBuf>::new(), "{call} {count}");
                if !killed {
                    break;
                }
                kills += 1;
            }
        }
    }
    assert!(kills > 20, "only {kills} kills");
}
