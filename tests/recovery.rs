//! Keys as text, out of a device and into another one: identities, on paper too, and the keys of
//! one scope. Whoever holds one of those can neither check the roster nor make one, so nothing
//! that `kagi.json` and `access.json` say may have an effect.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, access_of, admit, identity_of, on_terminal, outcome, pairs};
use kagi::crypto::random;
use kagi::error::Kind;
use kagi::format::key_text::{Identity, ScopeHolder, paper};
use kagi::format::names::{Epoch, Grant};
use kagi::format::roster::{Member, Roster, Withdrawn};
use kagi::secret::{Key, Secret};
use kagi::team::{self, Draft};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A project with two services in two environments; each value says where it is.
fn project(world: &World) -> (Device, PathBuf) {
    let (owner, work) = (world.device("owner"), world.directory("work"));
    let init = "init --nested --envs=development,production --name owner";
    owner.kagi(&work, init).ok();
    for place in ["api development", "api production", "web production"] {
        let value = place.replace(' ', "-");
        owner.kagi(&work, &format!("set {place} AT {value}")).ok();
    }
    (owner, work)
}

fn text(secret: &Secret) -> String {
    secret.expose_str("text").expect("ASCII").to_string()
}

/// The text that `key export SERVICE ENV` shows.
fn scope_key(owner: &Device, work: &Path, service: &str, env: &str) -> String {
    let (_, _, access) = access_of(owner, work);
    text(&access.scope_holder(service, env).expect("a key").to_text())
}

/// A machine that has seen nothing, with a scope key.
fn machine(world: &World, key: &str) -> Device {
    let mut machine = world.device("machine");
    machine.variables.push(("KAGI_PROJECT_KEY", key.into()));
    machine
}

/// Runs the program with a text on its standard input.
fn with_input(device: &Device, at: &Path, input: &str, words: &str) -> Outcome {
    let file = device.home.join("input");
    fs::write(&file, input).expect("a file");
    let mut command = device.command(common::program(), at);
    command.args(words.split_whitespace());
    command.stdin(File::open(file).expect("a file"));
    outcome(&format!("kagi {words}"), &mut command)
}

// Scope keys.

#[test]
fn a_scope_key_opens_its_scope_and_nothing_else() {
    let world = World::new();
    let (owner, work) = project(&world);
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    let here = pairs("AT=api-production");
    for words in [
        "",
        "api",
        "production",
        "api production",
        "-s api -e production",
    ] {
        assert_eq!(ci.values(&work, words), here, "{words}");
    }
    // Below the directory of another service, too: nothing is inferred.
    assert_eq!(ci.values(&world.directory("work/web"), ""), here);
    let listed = ci.kagi(&work, "get").ok().text();
    assert_eq!(listed, "api\n  production\n    AT  ********\n");
    let status = ci.kagi(&work, "status").ok().text();
    assert!(status.contains("environments  production (default)\nscopes        api/production"));
    assert!(
        !status.contains("web") && !status.contains("development"),
        "{status}"
    );
    assert!(!status.contains("attention"), "{status}");
    let left = ci.kagi(&work, "run -- env").ok().text();
    assert!(!left.contains("KAGI_PROJECT_KEY"), "{left}");

    ci.kagi(&work, "set FROM_CI yes").ok();
    let both = pairs("AT=api-production FROM_CI=yes");
    assert_eq!(owner.values(&work, "api production"), both);
    ci.kagi(&work, "unset --yes FROM_CI").ok();
    assert!(!ci.kagi_home().exists(), "it needs no home");
}

#[test]
fn what_a_scope_key_does_not_open_is_refused_in_words_and_unchanged() {
    let world = World::new();
    let (owner, work) = project(&world);
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    fs::write(work.join("in.env"), "A=1\n").expect("a file");
    let before = common::listing(&work.join(".kagi"));
    let alone = "KAGI_PROJECT_KEY opens api/production alone";
    for words in [
        "run web -- true",
        "run -s web -- true",
        "run -e development -- true",
        "run development true",
        "get web",
        "get -e development",
        "get web AT",
        "set web A b",
        "set -s new A b",
        "set -e development A b",
        "unset --yes web AT",
        "export web",
        "import web --file in.env",
        "import -e development --file in.env",
        "key export web",
        "key export -e development",
    ] {
        ci.kagi(&work, words).fails(&[alone]);
    }
    let full = "only a full member can do this";
    for words in [
        "env add qa",
        "env rename production live",
        "key export",
        "key rotate --yes",
        "member add --name ci --only api/production",
        "member approve kgm_aaaaaaaaaaaaaaaaaaaa",
        "member del --yes owner",
    ] {
        ci.kagi(&work, words).fails(&[full]);
    }
    ci.kagi(&work, "member list")
        .fails(&["cannot tell who is a member"]);
    ci.kagi(&work, "doctor --fix --yes")
        .ok()
        .says(&["the roster is not checked"]);
    assert_eq!(common::listing(&work.join(".kagi")), before);
    assert!(!ci.kagi_home().exists());
}

type Edit = fn(&Path);

/// What somebody could do to the two files that a scope key cannot check.
fn edits() -> Vec<(&'static str, Edit)> {
    fn edit(file: &Path, change: impl Fn(String) -> String) {
        let text = fs::read_to_string(file).expect("a file");
        let changed = change(text.clone());
        assert_ne!(changed, text, "no change");
        fs::write(file, changed).expect("a file");
    }
    fn config(work: &Path, from: &'static str, to: &'static str) {
        edit(&work.join(".kagi/kagi.json"), |text| {
            text.replacen(from, to, 1)
        });
    }
    fn roster(work: &Path, change: fn(&mut Roster)) {
        edit(&work.join(".kagi/access.json"), |text| {
            let mut roster = Roster::read("access.json", text.as_bytes()).expect("a roster");
            change(&mut roster);
            roster.write()
        });
    }
    vec![
        ("another default environment", |work| {
            config(
                work,
                r#""default_env": "development""#,
                r#""default_env": "production""#,
            );
        }),
        ("the environment is not listed", |work| {
            config(
                work,
                "    \"development\",\n    \"production\"\n",
                "    \"development\"\n",
            );
        }),
        ("commands are environments", |work| {
            config(
                work,
                "    \"development\",\n",
                "    \"development\",\n    \"env\",\n",
            );
        }),
        ("paths", |work| {
            config(
                work,
                r#""paths": {}"#,
                "\"paths\": {\n    \"deep\": \"web\"\n  }",
            );
        }),
        ("another default service", |work| {
            config(
                work,
                r#""default_service": """#,
                r#""default_service": "web""#,
            );
        }),
        ("a remote", |work| {
            config(work, r#""sync": """#, r#""sync": "https://example.org""#);
        }),
        ("not nested", |work| {
            config(work, r#""nested": true"#, r#""nested": false"#);
        }),
        ("another project in kagi.json", |work| {
            config(work, "kgp_", "kgp_a");
        }),
        ("no JSON", |work| {
            fs::write(work.join(".kagi/kagi.json"), "garbage").expect("a file");
        }),
        ("no kagi.json", |work| {
            fs::remove_file(work.join(".kagi/kagi.json")).expect("a file");
        }),
        ("another seal", |work| roster(work, |it| it.seal[0] ^= 1)),
        ("another hash", |work| roster(work, |it| it.config[0] ^= 1)),
        ("another name", |work| {
            roster(work, |it| it.members[0].name = "the project key".into());
        }),
        ("a removed member", |work| {
            roster(work, |it| {
                it.removed.push("kgm_aaaaaaaaaaaaaaaaaaaa".into());
            });
        }),
        ("somebody who could read it all", |work| {
            roster(work, |it| {
                it.withdrawn.push(Withdrawn {
                    id: "kgm_aaaaaaaaaaaaaaaaaaaa".into(),
                    name: "Eve".into(),
                    epoch: 2,
                    grants: vec![Grant::Full],
                });
            });
        }),
        ("another member", |work| {
            roster(work, |it| {
                let eve = Identity::new(Key::new([7; 32]));
                let mut eve = Member::draft(eve.public, "Eve", vec![Grant::Full]);
                eve.witnesses.clone_from(&it.members[0].witnesses);
                it.members.push(eve);
                it.members.sort_by(|one, next| one.id.cmp(&next.id));
            });
        }),
    ]
}

#[test]
fn nothing_that_kagi_json_and_access_json_say_has_an_effect() {
    let world = World::new();
    let (owner, work) = project(&world);
    owner.kagi(&work, "key rotate --yes").ok();
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    let seen = |work: &Path| {
        let deep = work.join("deep");
        fs::create_dir_all(&deep).expect("a directory");
        let shown = ["get", "get --json", "status", "env list", "search a"].map(|words| {
            ci.kagi(work, words)
                .ok()
                .text()
                .replace(&*work.to_string_lossy(), "")
        });
        (ci.values(work, ""), ci.values(&deep, ""), shown)
    };
    let before = seen(&work);
    assert_eq!(before.0, pairs("AT=api-production"));
    for (at, (what, edit)) in edits().into_iter().enumerate() {
        let copy = world.root.join(format!("copy-{at}"));
        common::copy(&work, &copy);
        edit(&copy);
        assert_eq!(seen(&copy), before, "{what}");
        ci.kagi(&copy, "set NEW 1").ok();
        let scope = copy.join(".kagi/secrets/api/production.enc");
        assert!(
            fs::read_to_string(scope)
                .expect("a file")
                .contains("key NEW 1"),
            "{what}"
        );
        fs::remove_dir_all(&copy).expect("a directory");
    }
}

#[test]
fn a_scope_that_is_not_there_starts_nothing() {
    let world = World::new();
    let (owner, work) = project(&world);
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    fs::rename(
        work.join(".kagi/secrets/web/production.enc"),
        work.join(".kagi/secrets/api/production.enc"),
    )
    .expect("a file");
    ci.kagi(&work, "run -- touch started")
        .fails(&["names another project, service or environment"]);
    fs::remove_file(work.join(".kagi/secrets/api/production.enc")).expect("a file");
    ci.kagi(&work, "run -- touch started")
        .fails(&["has no secrets; the command was not started"]);
    assert!(!work.join("started").exists());
}

#[test]
fn a_key_of_another_epoch_or_project_says_which() {
    let world = World::new();
    let (owner, work) = project(&world);
    let key = scope_key(&owner, &work, "api", "production");
    let ci = machine(&world, &key);
    let (config, old, _) = access_of(&owner, &work);
    let write = |number, id| {
        let draft = Draft {
            sequence: 2,
            config: old.config,
            config_before: old.config,
            members: vec![Member::draft(
                identity_of(&owner).public,
                "owner",
                vec![Grant::Full],
            )],
            removed: Vec::new(),
            withdrawn: Vec::new(),
        };
        let (epoch, founder) = (Epoch { number, id }, identity_of(&owner));
        let random = &mut random::key;
        let (roster, _) = team::found(
            &founder,
            &config.project,
            epoch,
            Key::new([9; 32]),
            draft,
            random,
        )
        .expect("a roster");
        fs::write(work.join(".kagi/access.json"), roster.write()).expect("a file");
    };
    let hint = "kagi: hint: kagi key export SERVICE ENV";
    write(2, old.epoch.id);
    let outcome = ci.kagi(&work, "run -- true");
    outcome.fails(&["it is for epoch 1, and the project is at epoch 2", hint]);
    write(1, [7; 8]);
    ci.kagi(&work, "get")
        .fails(&["it is from another rotation to epoch 1", hint]);

    let other = world.directory("other");
    owner.kagi(&other, "init --name owner").ok();
    let ids = format!("it is for {}, and this is kgp_", config.project);
    ci.kagi(&other, "run -- true").fails(&[&ids, hint]);
}

#[test]
fn a_rotation_ends_a_key_and_a_new_one_fits() {
    let world = World::new();
    let (owner, work) = project(&world);
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    owner.kagi(&work, "key rotate --yes").ok();
    owner.kagi(&work, "set api production AT new").ok();
    let outcome = ci.kagi(&work, "run -- true");
    outcome.fails(&["it is for epoch 1, and the project is at epoch 2"]);
    ci.kagi(&work, "set AT forged").fails(&["kagi key export"]);
    let ci = machine(&world, &scope_key(&owner, &work, "api", "production"));
    assert_eq!(ci.values(&work, ""), pairs("AT=new"));
}

#[test]
fn a_member_on_paper_opens_the_project_when_every_device_is_lost() {
    let world = World::new();
    let (owner, work) = project(&world);
    let added = owner.kagi(&work, "member add --offline --name paper").ok();
    let on_paper = added.text();
    assert_eq!(on_paper.lines().count(), 5, "{on_paper}");
    owner.kagi(&work, "key rotate --yes").ok();
    let owner_id = identity_of(&owner).id;
    fs::remove_dir_all(owner.kagi_home()).expect("a directory");

    let new = world.device("new");
    let typed = on_paper.to_uppercase();
    with_input(&new, &work, &typed, "identity import").ok();
    // It knows nobody: a person says whose roster this is.
    new.kagi(&work, "get")
        .fails(&["this device does not know the project yet"]);
    new.kagi(&work, &format!("trust {owner_id}")).ok();
    assert_eq!(
        new.values(&work, "api production"),
        pairs("AT=api-production")
    );
    new.kagi(&work, "set web production NEW 1").ok();
}

#[test]
fn a_key_text_is_whole_and_unchanged_or_refused() {
    let world = World::new();
    let (owner, work) = project(&world);
    let key = scope_key(&owner, &work, "api", "production");
    let identity = identity_of(&owner);
    let identity_text = text(&identity.to_text());
    let scope = |text: &[u8]| {
        let read = ScopeHolder::from_text("it", &Secret::copy_of(text));
        read.map(|holder| text_of(&holder))
            .map_err(|error| error.kind)
    };
    assert_eq!(scope(key.as_bytes()), Ok(key.clone()));
    let typed = |text: &[u8]| {
        let read = Identity::from_paper("it", &Secret::copy_of(text));
        read.map(|read| read.id).map_err(|error| error.kind)
    };
    assert_eq!(typed(identity_text.as_bytes()), Ok(identity.id.clone()));
    for length in 0..key.len() {
        assert_eq!(
            scope(&key.as_bytes()[..length]),
            Err(Kind::BadText),
            "{length}"
        );
    }
    for length in 0..identity_text.len() {
        assert_eq!(
            typed(&identity_text.as_bytes()[..length]),
            Err(Kind::BadText),
            "{length}"
        );
    }
    for bit in 0..8 * key.len() {
        let mut other = key.clone().into_bytes();
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(scope(&other), Err(Kind::BadText), "bit {bit}");
    }
    for bit in 0..8 * identity_text.len() {
        let mut other = identity_text.clone().into_bytes();
        other[bit / 8] ^= 1 << (bit % 8);
        let is_case = other.eq_ignore_ascii_case(identity_text.as_bytes());
        let expected = if is_case {
            Ok(identity.id.clone())
        } else {
            Err(Kind::BadText)
        };
        assert_eq!(typed(&other), expected, "bit {bit}");
    }
}

fn text_of(holder: &ScopeHolder) -> String {
    text(&holder.to_text())
}

#[test]
fn a_limited_member_hands_on_what_it_may_open() {
    let world = World::new();
    let (owner, work) = project(&world);
    let (config, old, access) = access_of(&owner, &work);
    let mut limited = Identity::new(Key::new([3; 32]));
    limited.anchors = vec![access.member().into()];
    let mut members: Vec<_> = vec![
        Member::draft(identity_of(&owner).public, "owner", vec![Grant::Full]),
        Member::draft(limited.public, "ci", vec![Grant::Env("production".into())]),
    ];
    members.sort_by(|one, next| one.id.cmp(&next.id));
    let draft = Draft {
        sequence: old.sequence + 1,
        config: old.config,
        config_before: old.config,
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
    };
    let roster = access.compose(&identity_of(&owner), draft, &config.envs, &mut random::key);
    fs::write(
        work.join(".kagi/access.json"),
        roster.expect("a roster").write(),
    )
    .expect("a file");
    let mut ci = world.device("ci");
    ci.variables
        .push(("KAGI_IDENTITY", text(&limited.to_text())));

    ci.kagi(&work, "key export").fails(&[
        "only a full member can do this",
        "hint: kagi key export SERVICE ENV",
    ]);
    let refused = ci.kagi(&work, "key export api development");
    refused.fails(&["this member may not open \"api/development\""]);
    let refused = ci.kagi(&work, "key export api production");
    assert!(refused.stdout.is_empty());
    refused.fails(&["refusing to show the key of api/production without a terminal"]);

    let line = "kagi key export api production >key";
    let Some(exported) = on_terminal(&ci, &work, &["y"], line) else {
        return;
    };
    exported.ok();
    let key = fs::read_to_string(work.join("key")).expect("a file");
    assert_eq!(key, scope_key(&owner, &work, "api", "production") + "\n");
    let holder = machine(&world, &key);
    assert_eq!(holder.values(&work, ""), pairs("AT=api-production"));
}

#[test]
fn the_project_key_is_shown_after_a_y_and_opens_everything() {
    let world = World::new();
    let (owner, work) = project(&world);
    let Some(no) = on_terminal(&owner, &work, &["n"], "kagi key export >key") else {
        return;
    };
    assert_eq!(no.code, Some(1));
    assert_eq!(fs::read(work.join("key")).expect("a file"), b"");
    on_terminal(&owner, &work, &["y"], "kagi key export >key")
        .expect("python3")
        .ok();
    let key = fs::read_to_string(work.join("key")).expect("a file");
    let holder = machine(&world, &key);
    assert_eq!(
        holder.values(&work, "api development"),
        pairs("AT=api-development")
    );
    assert_eq!(
        holder.values(&work, "web production"),
        pairs("AT=web-production")
    );
}

// Identities.

/// A project and the identity that wrote it, as text.
fn founded(world: &World) -> (PathBuf, Identity) {
    let (owner, work) = project(world);
    (work, identity_of(&owner))
}

/// No output may hold eight symbols in a row of a secret text.
#[track_caller]
fn shows_nothing_of(outcome: &Outcome, text: &str) {
    let body: String = text.rsplit('_').take(1).collect();
    let body: String = body.split_whitespace().collect();
    let shown: String = (outcome.text() + &outcome.stderr)
        .split_whitespace()
        .collect();
    for at in 0..body.len() - 8 {
        assert!(!shown.contains(&body[at..at + 8]), "{shown}");
    }
}

#[test]
fn an_identity_is_taken_in_every_form_and_never_shown() {
    let world = World::new();
    let (work, identity) = founded(&world);
    let (text, on_paper) = (text(&identity.to_text()), text(&paper(&identity)));
    assert_eq!(on_paper.lines().count(), 5);
    assert_eq!(on_paper.lines().nth(4).map(str::len), Some(19));
    let json =
        fs::read_to_string(world.root.join("home-owner/kagi/identity.json")).expect("a file");
    let typed = on_paper
        .to_uppercase()
        .replace(' ', " - ")
        .replace('\n', "\r\n\t");
    for (at, form) in [&text, &on_paper, &typed, &json].into_iter().enumerate() {
        let new = world.device(&format!("new-{at}"));
        let outcome = with_input(&new, &work, form, "identity import").ok();
        shows_nothing_of(&outcome, &text);
        let outcome = outcome.says(&[&format!("this device is {} now", identity.id)]);
        outcome.says(&["cannot be told apart"]);
        let file = new.kagi_home().join("identity.json");
        assert_eq!(fs::read_to_string(&file).expect("a file"), json);
        assert_eq!(
            fs::metadata(&file).expect("a file").permissions().mode() & 0o7777,
            0o600
        );
        assert_eq!(
            new.values(&work, "api production"),
            pairs("AT=api-production")
        );

        let from_file = world.device(&format!("file-{at}"));
        let path = from_file.home.join("brought");
        fs::write(&path, form).expect("a file");
        let words = format!("identity import --file {}", path.display());
        shows_nothing_of(&from_file.kagi(&work, &words).ok(), &text);
        assert_eq!(identity_of(&from_file).id, identity.id);
        let again = from_file.kagi(&work, &words).ok();
        again.says(&["already"]).says_not(&["kept"]);
    }
}

#[test]
fn a_typing_error_is_told_and_nothing_is_written() {
    let world = World::new();
    let (work, identity) = founded(&world);
    let text = text(&paper(&identity));
    let swapped: Vec<&str> = text.lines().collect();
    let swapped = [swapped[0], swapped[2], swapped[1], swapped[3], swapped[4]].join("\n");
    let short = text.lines().take(4).collect::<Vec<_>>().join("\n");
    let letter = &text[30..31];
    let other = text.replacen(letter, if letter == "b" { "c" } else { "b" }, 1);
    for wrong in [
        &swapped,
        &short,
        &other,
        &text.replacen(letter, "1", 1),
        &text[18..].into(),
    ] {
        let new = world.device("new");
        let outcome = with_input(&new, &work, wrong, "identity import");
        shows_nothing_of(&outcome, wrong);
        outcome.fails(&[
            "\"standard input\" cannot be used",
            "nothing was written",
            "no 0, 1, 8 or 9",
        ]);
        assert!(!new.kagi_home().exists());
    }
    let new = world.device("new");
    new.kagi(&work, "identity import")
        .fails(&["it does not begin with kagi_identity_v1_"]);
    new.kagi(&work, "identity import --file nosuch")
        .fails(&["there is no \"nosuch\""]);
    assert!(!new.kagi_home().exists());
}

#[test]
fn another_identity_is_replaced_only_if_that_is_meant_and_kept() {
    let world = World::new();
    let (work, identity) = founded(&world);
    let text = text(&identity.to_text());
    let other = world.device("other");
    other
        .kagi(&world.directory("elsewhere"), "init --name other")
        .ok();
    let home = other.kagi_home();
    let old = fs::read(home.join("identity.json")).expect("a file");
    let outcome = with_input(&other, &work, &text, "identity import");
    outcome.fails(&[
        "another identity already",
        "hint: kagi identity import --force",
    ]);
    let outcome = with_input(&other, &work, &text, "identity import --force");
    outcome.fails(&["not confirmed; nothing was changed"]);
    assert_eq!(fs::read(home.join("identity.json")).expect("a file"), old);

    with_input(&other, &work, &text, "identity import --force --yes")
        .ok()
        .says(&["kept"]);
    let kept = home.join("identity.json.backup-1");
    assert_eq!(fs::read(&kept).expect("a file"), old);
    assert_eq!(
        fs::metadata(&kept).expect("a file").permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(
        other.values(&work, "web production"),
        pairs("AT=web-production")
    );
    // The next one does not touch the first.
    let words = format!("identity import --force --yes --file {}", kept.display());
    other
        .kagi(&work, &words)
        .ok()
        .says(&["identity.json.backup-2"]);
    assert_eq!(fs::read(home.join("identity.json")).expect("a file"), old);
    assert_eq!(fs::read(&kept).expect("a file"), old);
    assert!(common::leftovers(&home).is_empty());
}

#[test]
fn a_damaged_identity_can_be_replaced_and_an_exposed_one_is_named() {
    let world = World::new();
    let (work, identity) = founded(&world);
    let text = text(&identity.to_text());
    let device = world.device("device");
    with_input(&device, &work, &text, "identity import").ok();
    let file = device.kagi_home().join("identity.json");
    fs::write(&file, "damaged").expect("a file");
    with_input(&device, &work, &text, "identity import").fails(&["another identity already"]);
    with_input(&device, &work, &text, "identity import --force -y").ok();
    assert_eq!(identity_of(&device).id, identity.id);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("a mode");
    let outcome = with_input(&device, &work, &text, "identity import --force -y");
    outcome.fails(&["others can read it", "hint: chmod 600"]);
}

#[test]
fn an_identity_is_exported_on_a_terminal_only_and_typed_without_being_shown() {
    let world = World::new();
    let (owner, work) = project(&world);
    let identity = identity_of(&owner);
    let refused = owner.kagi(&work, "identity export --groups");
    assert!(refused.stdout.is_empty());
    refused.fails(&["without a terminal to ask on"]);
    let empty = world.device("empty");
    empty
        .kagi(&work, "identity export")
        .fails(&["this device has no identity"]);

    let line = "kagi identity export >text; kagi identity export --groups >paper";
    let Some(exported) = on_terminal(&owner, &work, &["y", "y"], line) else {
        return;
    };
    assert!(exported.ok().text().contains("cannot be told apart"));
    let read = |name: &str| fs::read_to_string(work.join(name)).expect("a file");
    assert_eq!(read("text"), text(&identity.to_text()) + "\n");
    assert_eq!(read("paper"), text(&paper(&identity)));

    let on_paper = read("paper");
    let lines: Vec<&str> = on_paper.lines().collect();
    let new = world.device("new");
    let typed = on_terminal(&new, &work, &lines, "kagi identity import")
        .expect("python3")
        .ok();
    shows_nothing_of(&typed, &on_paper);
    assert_eq!(identity_of(&new).id, identity.id);
    // An empty line ends it too early: it is told as any other typing error.
    let hasty = world.device("hasty");
    let answers = [lines[0], lines[1], "^M"];
    let typed = on_terminal(&hasty, &work, &answers, "kagi identity import").expect("python3");
    assert_eq!(typed.code, Some(1));
    assert!(
        typed
            .text()
            .contains("it has a typing error or is cut short; nothing was written")
    );
    assert!(!hasty.kagi_home().exists());
}

#[test]
fn doctor_says_how_a_lost_device_would_be_survived() {
    let world = World::new();
    let (owner, work) = project(&world);
    let hint = "kagi member add --offline --name paper";
    owner.kagi(&work, "doctor").ok().says(&[hint]);
    admit(&world, &owner, "second", &work);
    owner.kagi(&work, "doctor").ok().says_not(&[hint]);
}
