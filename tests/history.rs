//! Old commits: `diff`, `log`, `restore --from` and `resolve --from` over rotations, removals,
//! forgeries, shallow clones, worktrees and odd directories.
//!
//! What must hold: a commit is believed only if a key that this device holds vouches for its
//! roster; nothing of it is pinned; what was written under an old key in parallel to a rotation is
//! taken over by what changed, and asked about where both sides changed.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, access_of, admit, identity_of, listing, pairs};
use kagi::crypto::random;
use kagi::error::Kind;
use kagi::format::config::Config;
use kagi::format::key_text::Identity;
use kagi::format::names::{Epoch, Grant};
use kagi::format::roster::{Member, Roster};
use kagi::secret::Key;
use kagi::team::{self, Draft};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const ROSTER: &str = ".kagi/access.json";

struct Repository {
    world: World,
    ada: Device,
    path: PathBuf,
}

impl Repository {
    fn new() -> Self {
        Repository::below("")
    }

    /// With `A=0 B=0 C=0`, committed; without the merge driver.
    fn below(directory: &str) -> Self {
        let world = World::new();
        let ada = world.device("Ada");
        let path = world.directory("repository").join(directory);
        fs::create_dir_all(&path).expect("a directory");
        let init = "init --name Ada --envs=development,production --no-git";
        ada.git(&world.directory("repository"), "init -q").ok();
        ada.kagi(&path, init).ok();
        let repository = Repository { world, ada, path };
        for key in ["A", "B", "C"] {
            repository.kagi(&format!("set {key} 0")).ok();
        }
        repository.commit("base");
        repository
    }

    fn git(&self, words: &str) -> Outcome {
        self.ada.git(&self.path, words)
    }

    fn kagi(&self, words: &str) -> Outcome {
        self.ada.kagi(&self.path, words)
    }

    fn commit(&self, message: &str) {
        self.ada.commit(&self.path, message);
    }

    fn commits(&self, device: &Device, commands: &[&str]) {
        for command in commands {
            device.kagi(&self.path, command).ok();
            self.commit("change");
        }
    }

    fn admit(&self, name: &str) -> Device {
        let device = admit(&self.world, &self.ada, name, &self.path);
        self.commit("admitted");
        device
    }

    /// Bob's branch `stale` with these commands, and a rotation on `main`, merged into it.
    fn rotation_beside(&self, stale: &[&str], before: &[&str], after: &[&str]) {
        let bob = self.admit("Bob");
        self.git("checkout -q -b stale").ok();
        self.commits(&bob, stale);
        self.git("checkout -q main").ok();
        pause();
        self.commits(&self.ada, before);
        self.commits(&self.ada, &["key rotate --yes"]);
        self.commits(&self.ada, after);
        self.git("merge -q -m merge stale").ok();
    }

    #[track_caller]
    fn holds(&self, expected: &str) {
        assert_eq!(self.ada.values(&self.path, ""), pairs(expected));
    }
}

/// The times are seconds, and their order is the order of the choices.
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn a_rotation_changes_no_value_and_old_commits_stay_readable() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1"]);
    let before = repository.kagi("log").ok().text();
    repository.commits(&repository.ada, &["key rotate --yes"]);
    repository
        .kagi("diff HEAD~1")
        .ok()
        .says(&["nothing differs"]);
    assert_eq!(
        repository.kagi("diff HEAD~2").ok().text(),
        "app/development\n  ~ A\n"
    );
    assert_eq!(repository.kagi("log").ok().text(), before);
    repository.commits(&repository.ada, &["set A 2"]);
    repository
        .kagi("restore --from HEAD~2 A")
        .ok()
        .says(&["epoch 1", "is known to it"]);
    repository.holds("A=1 B=0 C=0");
    repository
        .kagi("restore --from HEAD A")
        .ok()
        .says_not(&["epoch"]);
    repository.holds("A=2 B=0 C=0");
}

#[test]
fn as_many_rotations_as_a_roster_is_witnessed_for() {
    let repository = Repository::new();
    for _ in 0..16 {
        repository.commits(&repository.ada, &["key rotate --yes"]);
    }
    repository
        .kagi("diff HEAD~15")
        .ok()
        .says(&["nothing differs"]);
    for words in ["diff HEAD~16", "restore --from HEAD~16 A"] {
        repository
            .kagi(words)
            .fails(&[ROSTER, "too many rotations lie between"]);
    }
    repository
        .kagi("log")
        .ok()
        .says(&["left out", "too many rotations lie between"]);
}

#[test]
fn what_a_removed_member_knew_is_still_known_after_a_restore() {
    let repository = Repository::new();
    repository.admit("Bob");
    let id = identity_of_variable(&repository.admit("Cid")).id;
    repository.commits(&repository.ada, &[&format!("member del {id} --yes")]);
    assert!(
        repository
            .kagi("status")
            .ok()
            .text()
            .contains("could read them: A, B, C")
    );
    repository.commits(&repository.ada, &["set A 1", "set B 1", "set C 1"]);
    assert!(
        !repository
            .kagi("status")
            .ok()
            .text()
            .contains("could read them")
    );
    repository.kagi("restore --from HEAD~3 B").ok();
    assert!(
        repository
            .kagi("status")
            .ok()
            .text()
            .contains("could read them: B in")
    );
}

fn identity_of_variable(device: &Device) -> Identity {
    let (_, text) = device.variables.first().expect("an identity");
    Identity::from_text("identity", text, None).expect("an identity")
}

#[test]
fn a_commit_from_before_the_own_admission() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1"]);
    let bob = repository.admit("Bob");
    let path = &repository.path;
    bob.kagi(path, "diff HEAD").ok().says(&["nothing differs"]);
    for words in ["diff HEAD~1", "diff HEAD HEAD~2", "restore --from HEAD~1 A"] {
        bob.kagi(path, words)
            .fails(&["this device was not a member at \"HEAD~"]);
    }
    bob.kagi(path, "log")
        .ok()
        .says(&["left out", "not a member at"]);
}

#[test]
fn a_limited_member_reads_commits_of_the_epoch_that_it_holds() {
    let repository = Repository::new();
    let added = repository
        .kagi("member add --name ci --only app/production")
        .ok();
    repository.commit("ci");
    let mut ci = repository.world.device("ci");
    let text = added.text();
    let identity = text
        .split_whitespace()
        .find(|word| word.starts_with("kagi_identity_v1_"));
    ci.variables
        .push(("KAGI_IDENTITY", identity.expect("an identity").into()));
    repository.commits(&repository.ada, &["set production A 1", "set A 1"]);
    let path = &repository.path;
    assert_eq!(
        ci.kagi(path, "diff HEAD~2").ok().text(),
        "app/production\n  + A\n"
    );
    assert_eq!(ci.kagi(path, "diff HEAD~1").ok().text(), "");
    repository.commits(&repository.ada, &["set production A 2"]);
    assert_eq!(
        ci.kagi(path, "diff HEAD~1").ok().text(),
        "app/production\n  ~ A\n"
    );
    let log = ci.kagi(path, "log").ok().text();
    assert!(
        log.contains("app/production") && !log.contains("app/development"),
        "{log}"
    );
    repository.commits(&repository.ada, &["key rotate --yes"]);
    ci.kagi(path, "diff HEAD").ok();
    ci.kagi(path, "diff HEAD~1")
        .fails(&["may not open", "by full members only"]);
    ci.kagi(path, "restore --from HEAD~2 production A")
        .fails(&["by full members only"]);
}

/// A roster with these members that a stranger has made, beside the `kagi.json` that is there.
fn forged(repository: &Repository, epoch: Epoch, project: &str) -> String {
    let (config, roster, _) = access_of(&repository.ada, &repository.path);
    let eve = Identity::new(Key::new([66; 32]));
    let ada = identity_of(&repository.ada);
    let mut members: Vec<_> = [(&ada, "Ada"), (&eve, "Ada ")]
        .map(|(one, name)| Member::draft(one.public, name.trim(), vec![Grant::Full]))
        .into();
    members.sort_by(|one, next| one.id.cmp(&next.id));
    let draft = |members| Draft {
        sequence: roster.sequence + 1,
        config: roster.config,
        config_before: roster.config,
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
    };
    let own = vec![Member::draft(eve.public, "Eve", vec![Grant::Full])];
    let key = Key::new([67; 32]);
    let (_, access) =
        team::found(&eve, project, epoch, key, draft(own), &mut random::key).expect("founded");
    let roster = access.compose(&eve, draft(members), &config.envs, &mut random::key);
    roster.expect("a roster").write()
}

/// What a writer of the repository puts into a commit, and what is said of it.
const FORGERIES: [(&str, &str); 10] = [
    ("now", "is not authentic"),
    ("old", "is not authentic"),
    ("other", "another rotation with the same number"),
    ("next", "is forged, or over 15 rotations newer"),
    ("foreign", "is not the one that"),
    ("project", "names another project"),
    ("config", "is not the one that"),
    ("large", "is too large"),
    ("link", "it is not a plain file"),
    ("none", "there is no"),
];

fn forge(repository: &Repository, name: &str) {
    let (config, roster, _) = access_of(&repository.ada, &repository.path);
    let first = repository.git("show HEAD~2:.kagi/access.json").stdout;
    let first = Roster::read("", &first).expect("a roster").epoch;
    let now = roster.epoch;
    let id = [1; 8];
    let number = now.number + 1;
    let stranger = "kgp_aaaaaaaaaaaaaaaaaaaa";
    let kagi = repository.path.join(".kagi");
    let write = |name: &str, text: &str| fs::write(kagi.join(name), text).expect("a file");
    let read = |name: &str| fs::read_to_string(kagi.join(name)).expect("a file");
    let remove = |name: &str| fs::remove_file(kagi.join(name)).expect("a file");
    let put = |epoch, project| write("access.json", &forged(repository, epoch, project));
    match name {
        "now" => put(now, &config.project),
        "old" => put(first, &config.project),
        "other" => put(Epoch { id, ..first }, &config.project),
        "next" => put(Epoch { number, id }, &config.project),
        "foreign" => put(now, stranger),
        "project" => {
            put(now, stranger);
            let project = stranger.into();
            write("kagi.json", &Config { project, ..config }.write());
        }
        "config" => {
            let text = read("kagi.json").replace("\"nested\": false", "\"nested\": true");
            write("kagi.json", &text);
        }
        "large" => write("kagi.json", &"x".repeat(100_000)),
        "link" => {
            remove("access.json");
            symlink("/etc/passwd", kagi.join("access.json")).expect("a link");
        }
        _ => remove("kagi.json"),
    }
    write("secrets/app/development.enc", "x\n");
}

#[test]
fn a_forged_commit_is_refused_and_changes_nothing() {
    for (name, message) in FORGERIES {
        let repository = Repository::new();
        repository.commits(&repository.ada, &["key rotate --yes", "set A 1"]);
        repository.git("checkout -q -b forged").ok();
        forge(&repository, name);
        repository.commit(name);
        repository.git("checkout -q main").ok();
        let before = listing(&repository.ada.home);
        for words in ["diff", "restore A --from", "resolve --from"] {
            let outcome = repository.kagi(&format!("{words} forged"));
            outcome
                .fails(&[message, ":.kagi/"])
                .says_not(&["git checkout"]);
        }
        repository.git("merge -q -s ours -m merge forged").ok();
        repository.kagi("log").ok();
        assert!(
            before == listing(&repository.ada.home),
            "{name}: something was pinned"
        );
        repository.holds("A=1 B=0 C=0");
    }
}

#[test]
fn a_forged_commit_in_the_log_is_named_and_the_others_are_shown() {
    let repository = Repository::new();
    let (config, roster, _) = access_of(&repository.ada, &repository.path);
    let good = fs::read(repository.path.join(ROSTER)).expect("a roster");
    let scope = repository.path.join(".kagi/secrets/app/development.enc");
    let good_scope = fs::read(&scope).expect("a scope");
    fs::write(
        repository.path.join(ROSTER),
        forged(&repository, roster.epoch, &config.project),
    )
    .expect("a roster");
    fs::write(&scope, "x\n").expect("a scope");
    repository.commit("evil");
    fs::write(repository.path.join(ROSTER), good).expect("a roster");
    fs::write(&scope, good_scope).expect("a scope");
    repository.commit("good");
    repository.commits(&repository.ada, &["set A 1"]);
    let log = repository
        .kagi("log")
        .ok()
        .says(&["left out", "is not authentic"]);
    assert_eq!(log.text().matches("changed A").count(), 1, "{}", log.text());
    assert!(log.text().contains("set C in app/development (version 1)"));
}

#[test]
fn a_project_key_opens_the_commits_that_it_seals() {
    let founder = Identity::new(Key::new([1; 32]));
    let epoch = |number| Epoch { number, id: [3; 8] };
    let found = |number, key: u8| {
        let draft = Draft {
            sequence: 1,
            config: [5; 32],
            config_before: [5; 32],
            members: vec![Member::draft(founder.public, "m", vec![Grant::Full])],
            removed: Vec::new(),
            withdrawn: Vec::new(),
        };
        let project = "kgp_aaaaaaaaaaaaaaaaaaaa";
        let key = Key::new([key; 32]);
        team::found(
            &founder,
            project,
            epoch(number),
            key,
            draft,
            &mut random::key,
        )
        .expect("it")
        .0
    };
    let now = found(2, 9);
    let access = team::accept_project_key("", &now, &[5; 32], Key::new([9; 32])).expect("its key");
    let accept = |roster: &Roster| {
        let accepted = team::accept_old("", roster, &[5; 32], None, &access);
        accepted.err().map(|error| error.kind)
    };
    assert_eq!(accept(&now), None);
    assert_eq!(accept(&found(1, 8)), Some(Kind::WrongKey));
    assert_eq!(accept(&found(2, 8)), Some(Kind::WrongKey));
}

#[test]
fn a_shallow_clone_says_what_it_does_not_have() {
    let repository = Repository::new();
    repository.commits(&repository.ada, &["set A 1", "set A 2"]);
    let path = repository.world.root.join("shallow");
    let words = format!(
        "clone -q --depth 2 file://{} {}",
        repository.path.display(),
        path.display()
    );
    repository.git(&words).ok();
    let ada = &repository.ada;
    assert_eq!(
        ada.kagi(&path, "diff HEAD~1").ok().text(),
        "app/development\n  ~ A\n"
    );
    ada.kagi(&path, "diff HEAD~2")
        .fails(&["no such commit", "hint: git fetch --unshallow"]);
    let log = ada
        .kagi(&path, "log A")
        .ok()
        .says(&["this clone is shallow"]);
    assert_eq!(log.text().lines().count(), 2, "{}", log.text());
}

#[test]
fn subdirectories_worktrees_and_odd_names() {
    for directory in ["sub/below", "a [b] *c", ":(top)", "-z"] {
        let repository = Repository::below(directory);
        repository.commits(&repository.ada, &["set A 1"]);
        let worktree = repository.world.root.join("worktree");
        repository
            .git(&format!("worktree add -q -b other {}", worktree.display()))
            .ok();
        repository.commits(&repository.ada, &["set A 2"]);
        let other = worktree.join(directory);
        fs::create_dir_all(other.join("deep/er")).expect("a directory");
        for place in [other.as_path(), &other.join("deep/er")] {
            let kagi = |words: &str| repository.ada.kagi(place, words).ok();
            kagi("diff").says(&["nothing differs"]);
            assert_eq!(
                kagi("diff main").text(),
                "app/development\n  ~ A\n",
                "{directory}"
            );
            assert_eq!(kagi("log A").text().lines().count(), 2, "{directory}");
        }
        repository.ada.kagi(&other, "restore --from main A").ok();
        assert_eq!(repository.ada.values(&other, ""), pairs("A=2 B=0 C=0"));
    }
}

#[test]
fn only_one_of_two_projects_is_compared() {
    let repository = Repository::new();
    let other = repository.path.join("other");
    fs::create_dir(&other).expect("a directory");
    repository
        .ada
        .kagi(&other, "init --force --yes --no-git")
        .ok();
    let kagi = |words: &str| repository.ada.kagi(&other, words);
    kagi("set X 1").ok();
    repository.kagi("diff").ok().says(&["nothing differs"]);
    kagi("diff").fails(&[":.kagi/kagi.json\"; that commit has no project here"]);
    repository.commit("other");
    kagi("diff").ok().says(&["nothing differs"]);
    assert!(!repository.kagi("log").ok().text().contains("set X"));
    // The commits from before it was made are not left out, for they have nothing of it.
    let log = kagi("log").ok().says_not(&["left out"]);
    assert_eq!(log.text().lines().count(), 1);
}

#[test]
fn outside_of_git_there_is_no_history() {
    let world = World::new();
    let ada = world.device("Ada");
    let path = world.directory("plain");
    ada.kagi(&path, "init").ok();
    ada.kagi(&path, "set A 1").ok();
    for words in [
        "diff",
        "diff main",
        "log",
        "restore --from main A",
        "resolve --from main",
    ] {
        ada.kagi(&path, words).fails(&["Git"]);
    }
    ada.kagi(&path, "diff development development").ok();
}

// What was written under the old key in parallel to a rotation.

#[test]
fn what_only_the_older_side_has_changed_is_taken_over() {
    let repository = Repository::new();
    let stale = ["set A 1", "unset B --yes", "set N 5", "set web X 1"];
    repository.rotation_beside(&stale, &[], &["set C 2"]);
    let refused = [
        "was written under an older key, in parallel to a rotation",
        "hint: kagi resolve --from REV, a commit from before the rotation",
    ];
    for words in ["run -- true", "get A", "set A 7", "run web -- true"] {
        repository.kagi(words).fails(&refused);
    }
    // The current epoch has not the keys.
    repository
        .kagi("resolve --from HEAD")
        .fails(&["a commit of epoch 1 is needed"]);
    let outcome = repository.kagi("resolve --from stale").ok();
    outcome.says(&[
        "took over A, B, N in app/development from the older key",
        "took over X in web/development from the older key",
        "what is of epoch 1",
    ]);
    repository.holds("A=1 C=2 N=5");
    assert_eq!(repository.ada.values(&repository.path, "web"), pairs("X=1"));
    repository.kagi("doctor").ok();
    repository
        .kagi("resolve --from stale")
        .ok()
        .says(&["nothing was written under an older key"]);
    // The same boxes from elsewhere are no news.
    let scope = repository.path.join(".kagi/secrets/app/development.enc");
    let stale = repository
        .git("show stale:./.kagi/secrets/app/development.enc")
        .text();
    let line = stale.lines().last().expect("a box");
    let text = fs::read_to_string(&scope).expect("a scope");
    fs::write(&scope, format!("{text}{line}\n")).expect("a scope");
    repository.holds("A=1 C=2 N=5");
}

#[test]
fn what_both_have_changed_is_asked_about() {
    let repository = Repository::new();
    // Before the rotation, after it, and the same on both sides.
    let stale = ["set A 1", "set B 1", "set C 1"];
    repository.rotation_beside(&stale, &["set A 2"], &["set B 2", "set C 1"]);
    let both = "A, B in app/development has different values on both sides; nothing was written";
    let before = fs::read(repository.path.join(".kagi/secrets/app/development.enc")).expect("it");
    repository
        .kagi("resolve --from stale")
        .fails(&[both, "\"A\" in app", "\"B\" in app"]);
    repository
        .kagi("resolve --from stale --take A=1")
        .fails(&[both]);
    repository
        .kagi("resolve --from stale --take 1 --show")
        .fails(&["without a terminal"]);
    let after = fs::read(repository.path.join(".kagi/secrets/app/development.enc")).expect("it");
    assert!(before == after);
    repository
        .kagi("resolve --from stale --take A=2 --take B=1")
        .ok();
    repository.holds("A=2 B=1 C=1");
}

#[test]
fn without_the_boxes_that_the_rotation_replaced_every_difference_is_asked_about() {
    let repository = Repository::new();
    let bob = repository.admit("Bob");
    repository.git("checkout -q -b stale").ok();
    pause();
    repository.commits(&bob, &["set A 1"]);
    repository.git("checkout -q main").ok();
    // Never committed before it was replaced.
    repository.kagi("set B 2").ok();
    repository.commits(&repository.ada, &["key rotate --yes"]);
    repository.git("merge -q -m merge stale").ok();
    let both = "A, B in app/development has different values on both sides";
    repository.kagi("resolve --from stale").fails(&[both]);
    repository.kagi("resolve --from stale --take 2").ok();
    repository.holds("A=1 B=2 C=0");
}

#[test]
fn what_a_removed_member_wrote_is_listed_after_it_was_taken_over() {
    let repository = Repository::new();
    let bob = repository.admit("Bob");
    repository.git("checkout -q -b stale").ok();
    repository.commits(&bob, &["set A 1"]);
    repository.git("checkout -q main").ok();
    let id = identity_of_variable(&bob).id;
    pause();
    repository.commits(&repository.ada, &[&format!("member del {id} --yes")]);
    repository.commits(&repository.ada, &["set A 2", "set B 2", "set C 2"]);
    repository.git("merge -q -m merge stale").ok();
    repository.kagi("resolve --from stale --take 1").ok();
    repository.holds("A=1 B=2 C=2");
    assert!(
        repository
            .kagi("status")
            .ok()
            .text()
            .contains("could read them: A in")
    );
}
