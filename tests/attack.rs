//! What somebody can do who writes every file of `.kagi/` and holds no key; or only an old one, or
//! those of a few scopes. Each attack starts from the same team and edits its files; then every
//! reader tries, and the next changes are made. Each must be refused with the file named, by just
//! the readers that the table lists, or have no effect: nothing else is handed to a program, the
//! list of members is the same, and after a rotation no key is wrapped for anybody else.
//!
//! Not promised, so not asked: to notice that a whole scope is gone or older where the reader has
//! no history; nor that a device that has not seen a removal refuses who was removed.
#![cfg(unix)]

mod common;

use common::{Device, World, access_of, copy, find_program, identity_of, outcome, pairs, program};
use kagi::crypto::hash::hash;
use kagi::crypto::{kdf, random, wrap};
use kagi::error::Kind;
use kagi::format::names::{Epoch, Grant, member_id};
use kagi::format::request::Request;
use kagi::format::roster::{Member, Roster};
use kagi::format::scope_file::{self, ScopeName, SealedBox};
use kagi::format::snapshot::{Entry, Snapshot};
use kagi::secret::{Key, Secret};
use kagi::team::{self, Access, Draft};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const INIT: &str = "init --name Ada --envs=development,production";
const ROSTER: &str = "access.json";
const CONFIG: &str = "kagi.json";
const APP: &str = "secrets/app/development.enc";
const WEB: &str = "secrets/web/production.enc";
/// Keys that X25519 maps to zero: 0, 1, p - 1, and two of order 8.
const LOW_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
];
/// Keys that have a smaller name: p, p + 1, p + 9, and 9 with the high bit set.
const NOT_CANONICAL: [&str; 4] = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0900000000000000000000000000000000000000000000000000000000000080",
];

fn public(text: &str) -> [u8; 32] {
    let bytes = kagi::format::text::HEX.decode(text).expect("digits");
    bytes.expose().try_into().expect("32 bytes")
}

/// A team with a past: Ada founded it, Bob may open everything, Cid `web/production` alone; Dan
/// could open everything and was removed; Fay has asked to join. `old` holds the files with Dan.
/// New is Bob on a machine that knows nothing yet. Eve is nobody.
struct Fixture {
    world: World,
    path: PathBuf,
    old: PathBuf,
    ada: Device,
    bob: Device,
    cid: Device,
    dan: Device,
    eve: Device,
    fay: Device,
    new: Device,
}

const PARTS: [&str; 8] = [
    "work", "home-Ada", "home-Bob", "home-Cid", "home-Dan", "home-Eve", "home-Fay", "home-New",
];

fn join(device: &Device, path: &Path) -> String {
    let name = &device.name;
    device
        .kagi(path, &format!("member join --name {name}"))
        .ok();
    identity_of(device).id
}

impl Fixture {
    fn new() -> Self {
        let world = World::new();
        let path = world.directory("work");
        let device = |name| world.device(name);
        let fixture = Fixture {
            old: world.directory("old"),
            ada: device("Ada"),
            bob: device("Bob"),
            cid: device("Cid"),
            dan: device("Dan"),
            eve: device("Eve"),
            fay: device("Fay"),
            new: device("New"),
            path,
            world,
        };
        fixture.build();
        fixture
    }

    fn build(&self) {
        let (path, ada) = (&self.path, &self.ada);
        for words in [
            INIT,
            "set KEY first",
            "set production KEY real",
            "set web production W 1",
        ] {
            ada.kagi(path, words).ok();
        }
        for (device, only) in [
            (&self.bob, ""),
            (&self.cid, " --only web/production"),
            (&self.dan, ""),
        ] {
            let id = join(device, path);
            device
                .kagi(path, &format!("trust {}", identity_of(ada).id))
                .ok();
            ada.kagi(path, &format!("member approve {id}{only}")).ok();
            device.kagi(path, "member list").ok();
        }
        copy(path, &self.old);
        let dan = identity_of(&self.dan).id;
        ada.kagi(path, &format!("member del {dan} --yes")).ok();
        ada.kagi(path, "set KEY second").ok();
        ada.kagi(path, "set OTHER 2").ok();
        self.bob.kagi(path, "get").ok();
        self.cid.kagi(path, "get web production").ok();
        let other = self.world.directory("elsewhere");
        self.eve
            .kagi(&other, "init --name Eve --envs=development,production")
            .ok();
        self.eve.kagi(&other, "set KEY evil").ok();
        join(&self.fay, path);
        let own = self.bob.kagi_home().join("identity.json");
        fs::create_dir(self.new.kagi_home()).expect("a directory");
        fs::copy(own, self.new.kagi_home().join("identity.json")).expect("a copy");
        set_mode(&self.new.kagi_home(), 0o700);
        for part in PARTS {
            copy(&self.world.root.join(part), &self.saved(part));
        }
    }

    fn saved(&self, part: &str) -> PathBuf {
        self.world.root.join("saved").join(part)
    }

    fn restore(&self) {
        for part in PARTS {
            let path = self.world.root.join(part);
            if path.is_symlink() {
                fs::remove_file(&path).expect("a link");
            } else {
                fs::remove_dir_all(&path).expect("a directory");
            }
            copy(&self.saved(part), &path);
            if path.join("kagi").is_dir() {
                set_mode(&path.join("kagi"), 0o700);
            }
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(".kagi").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a readable file")
    }

    fn read_old(&self, name: &str) -> String {
        fs::read_to_string(self.old.join(".kagi").join(name)).expect("a readable file")
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, text).expect("a written file");
    }

    fn swap(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} without {from}");
        self.write(name, &text.replacen(from, to, 1));
    }

    fn roster(&self) -> Roster {
        Roster::read(ROSTER, self.read(ROSTER).as_bytes()).expect("a roster")
    }

    fn old_roster(&self) -> Roster {
        Roster::read(ROSTER, self.read_old(ROSTER).as_bytes()).expect("a roster")
    }

    fn edit(&self, edit: impl FnOnce(&mut Roster)) {
        let mut roster = self.roster();
        edit(&mut roster);
        roster.members.sort_by(|one, next| one.id.cmp(&next.id));
        self.write(ROSTER, &roster.write());
    }

    /// One member of the roster, and what becomes of it.
    fn edit_member(&self, device: &Device, edit: impl FnOnce(&mut Member)) {
        let id = identity_of(device).id;
        self.edit(|roster| edit(member(roster, &id)));
    }

    /// A project of Eve's with the same id and epoch that lists everybody, and a scope of it.
    fn substitute(&self, epoch: Epoch) {
        let (eve, old) = (identity_of(&self.eve), self.roster());
        let draft = draft_like(&old, &[(eve.public, "Ada", Grant::Full)]);
        let key = Key::new(hash(b"Eve's project key"));
        let found = team::found(&eve, &old.project, epoch, key, draft, &mut random::key);
        let (roster, access) = found.expect("a roster");
        self.write(ROSTER, &roster.write());
        self.forge_scope(&access, "app", "development", &[]);
        self.forge_scope(&access, "web", "production", &[]);
    }

    /// A scope of one evil entry, under whatever keys the forger has.
    fn forge_scope(&self, access: &Access, service: &str, env: &str, ancestors: &[[u8; 8]]) {
        let name = ScopeName::values(service, env);
        let key = access.scope_key(&name).expect("a key");
        let snapshot = Snapshot {
            sequence: 99,
            ancestors: ancestors.to_vec(),
            entries: vec![evil()],
        };
        let sealed = SealedBox::seal(&key, random::bytes().expect("bytes"), &snapshot);
        let text = scope_file::write(access.project(), &name, &snapshot, &[sealed]);
        self.write(&name.file(), &text);
    }
}

fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn evil() -> Entry {
    Entry {
        name: "KEY".into(),
        value: Secret::copy_of(b"evil").into(),
        description: String::new(),
        time: 1,
        author: "".into(),
        writer: [0; 8],
        version: 9,
        epoch: 1,
    }
}

fn member<'a>(roster: &'a mut Roster, id: &str) -> &'a mut Member {
    let mut members = roster.members.iter_mut();
    members.find(|one| one.id == id).expect("a member")
}

/// The members of a roster and some others, for a roster that somebody else makes.
fn draft_like(old: &Roster, more: &[([u8; 32], &str, Grant)]) -> Draft {
    let members = old.members.iter();
    let mut members: Vec<_> = members
        .map(|one| Member::draft(one.public, &one.name, one.grants.clone()))
        .collect();
    let more = more.iter();
    members.extend(more.map(|(key, name, grant)| Member::draft(*key, name, vec![grant.clone()])));
    members.sort_by(|one, next| one.id.cmp(&next.id));
    members.dedup_by(|one, next| one.id == next.id);
    Draft {
        sequence: old.sequence + 1,
        config: old.config,
        config_before: old.config,
        removed: Vec::new(),
        withdrawn: Vec::new(),
        members,
    }
}

fn box_of(text: &str) -> &str {
    let mut lines = text.lines();
    lines.find(|line| line.starts_with("box ")).expect("a box")
}

fn fifo(path: &Path) {
    let status = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(status.success());
}

type Edit = fn(&Fixture);

/// One attack: its name, what is edited, who refuses (the first letters of Ada, Bob, Cid and New; r
/// for a rotation alone), and what their messages name.
type Attack = (&'static str, Edit, &'static str, &'static str);

const ROSTER_ATTACKS: &[Attack] = &[
    (
        "the key of an active member swapped",
        |f| {
            let eve = identity_of(&f.eve).public;
            f.edit_member(&f.bob, |bob| bob.public = eve);
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "key and id of an active member swapped",
        |f| {
            let eve = identity_of(&f.eve);
            f.edit_member(&f.bob, |bob| {
                bob.public = eve.public;
                bob.id = eve.id;
            });
        },
        "abcn",
        "access.json|not a member",
    ),
    (
        "other keys wrapped for a member",
        |f| {
            let roster = f.roster();
            let mut keys = Secret::copy_of(&[1]);
            keys.push(&[7; 32]);
            keys.push(&[0; 4]);
            let ephemeral = Key::new(hash(b"ephemeral"));
            let (place, statement) = (roster.place(), roster.statement());
            f.edit_member(&f.bob, |bob| {
                let sealed = wrap::seal(&ephemeral, &bob.public, place, &statement, &keys);
                bob.wrap = sealed.expect("a wrap");
            });
        },
        "bn",
        ".kagi/access.json",
    ),
    (
        "a member added",
        |f| {
            let eve = identity_of(&f.eve).public;
            f.edit(|roster| {
                let mut member = Member::draft(eve, "Eve", vec![Grant::Full]);
                member.wrap.clone_from(&roster.members[0].wrap);
                member.witnesses.clone_from(&roster.members[0].witnesses);
                roster.members.push(member);
            });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a member left out",
        |f| {
            let bob = identity_of(&f.bob).id;
            f.edit(|roster| roster.members.retain(|one| one.id != bob));
        },
        "abcn",
        "access.json|not a member",
    ),
    (
        "a grant escalated",
        |f| f.edit_member(&f.cid, |cid| cid.grants = vec![Grant::Full]),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a grant of one more scope",
        |f| {
            f.edit_member(&f.cid, |cid| {
                let more = Grant::Scope("app".into(), "production".into());
                cid.grants.insert(0, more);
            });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a member named like another",
        |f| f.edit_member(&f.cid, |cid| cid.name = "Ada".into()),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a removed member listed again, beside its removal",
        |f| {
            let (mut old, dan) = (f.old_roster(), identity_of(&f.dan).id);
            let at = old.members.iter().position(|one| one.id == dan);
            let dan = old.members.remove(at.expect("Dan"));
            f.edit(|roster| roster.members.push(dan));
        },
        "abcn",
        "it lists a member that was removed",
    ),
    (
        "a removed member listed again, its removal struck out",
        |f| {
            let (mut old, dan) = (f.old_roster(), identity_of(&f.dan).id);
            let at = old.members.iter().position(|one| one.id == dan);
            let dan = old.members.remove(at.expect("Dan"));
            f.edit(|roster| {
                roster.members.push(dan);
                roster.removed.clear();
                roster.withdrawn.clear();
            });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the list of removed ids emptied",
        |f| f.edit(|roster| roster.removed.clear()),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the list of withdrawn grants emptied",
        |f| f.edit(|roster| roster.withdrawn.clear()),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the list of withdrawn grants changed",
        |f| f.edit(|roster| roster.withdrawn[0].grants = vec![Grant::Env("production".into())]),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the old roster",
        |f| f.write(ROSTER, &f.read_old(ROSTER)),
        "abcn",
        "access.json|holds no box of the project's epoch",
    ),
    (
        "every file as it was before the removal",
        |f| {
            fs::remove_dir_all(f.file("")).expect("a directory");
            copy(&f.old.join(".kagi"), &f.file(""));
            // Nothing tells a machine without history that there is a newer state.
            fs::remove_dir_all(f.new.kagi_home()).expect("a directory");
        },
        "abcn",
        "access.json|no identity",
    ),
    (
        "the roster of another project",
        |f| {
            let other = f.world.root.join("elsewhere/.kagi/access.json");
            fs::copy(other, f.file(ROSTER)).expect("a copy");
        },
        "abcn",
        "access.json",
    ),
    (
        "the roster of another project under this one's id",
        |f| {
            let other = f.world.root.join("elsewhere/.kagi/access.json");
            let text = fs::read_to_string(other).expect("a roster");
            let mut other = Roster::read(ROSTER, text.as_bytes()).expect("a roster");
            let own = f.roster();
            (other.project, other.config) = (own.project, own.config);
            f.write(ROSTER, &other.write());
        },
        "abcn",
        "not a member",
    ),
    (
        "a wrap moved to another member",
        |f| {
            let (ada, bob) = (identity_of(&f.ada).id, identity_of(&f.bob).id);
            f.edit(|roster| {
                let wrap = member(roster, &ada).wrap.clone();
                member(roster, &bob).wrap = wrap;
            });
        },
        "bn",
        ".kagi/access.json",
    ),
    (
        "a wrap of the old roster",
        |f| {
            let bob = identity_of(&f.bob).id;
            let wrap = member(&mut f.old_roster(), &bob).wrap.clone();
            f.edit(|roster| member(roster, &bob).wrap = wrap);
        },
        "bn",
        ".kagi/access.json",
    ),
    (
        "the witnesses of another member",
        |f| {
            let (ada, cid) = (identity_of(&f.ada).id, identity_of(&f.cid).id);
            f.edit(|roster| {
                let witnesses = member(roster, &ada).witnesses.clone();
                member(roster, &cid).witnesses = witnesses;
            });
        },
        "c",
        ".kagi/access.json",
    ),
    (
        "a witness of the old roster",
        |f| {
            let bob = identity_of(&f.bob).id;
            let old = member(&mut f.old_roster(), &bob).witnesses[0];
            f.edit(|roster| {
                for witness in &mut member(roster, &bob).witnesses {
                    witness.1 = old.1;
                }
            });
        },
        "bn",
        ".kagi/access.json",
    ),
    (
        "the introduction of another member",
        |f| {
            let (bob, cid) = (identity_of(&f.bob).id, identity_of(&f.cid).id);
            f.edit(|roster| {
                let introduction = member(roster, &cid).introduction;
                member(roster, &bob).introduction = introduction;
            });
        },
        "n",
        ".kagi/access.json",
    ),
    (
        "the introduction of the old roster",
        |f| {
            let bob = identity_of(&f.bob).id;
            let old = member(&mut f.old_roster(), &bob).introduction;
            f.edit(|roster| member(roster, &bob).introduction = old);
        },
        "n",
        ".kagi/access.json",
    ),
    (
        "another author",
        |f| {
            let bob = identity_of(&f.bob).id;
            f.edit(|roster| roster.author = bob);
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the same epoch with another id",
        |f| {
            f.edit(|roster| {
                roster.epoch.id = [7; 8];
                for member in &mut roster.members {
                    member.witnesses.last_mut().expect("a witness").0.id = [7; 8];
                }
            });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a newer epoch",
        |f| {
            f.edit(|roster| {
                roster.epoch.number += 1;
                for member in &mut roster.members {
                    let last = *member.witnesses.last().expect("a witness");
                    member.witnesses.push((roster.epoch, last.1));
                }
            });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a member name with a control character",
        |f| f.swap(ROSTER, "\"name\": \"Bob\"", "\"name\": \"B\\u001b[2Jb\""),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a roster that is a FIFO",
        |f| {
            fs::remove_file(f.file(ROSTER)).expect("a file");
            fifo(&f.file(ROSTER));
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a roster that is a link",
        |f| {
            fs::rename(f.file(ROSTER), f.path.join("moved")).expect("a file");
            symlink(f.path.join("moved"), f.file(ROSTER)).expect("a link");
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "a huge roster",
        |f| {
            let file = fs::File::create(f.file(ROSTER)).expect("a file");
            file.set_len(1 << 24).expect("a hole");
        },
        "abcn",
        ".kagi/access.json",
    ),
];

const OTHER_ATTACKS: &[Attack] = &[
    (
        "production made the default",
        |f| {
            let from = "\"default_env\": \"development\"";
            f.swap(CONFIG, from, "\"default_env\": \"production\"");
        },
        "abcn",
        "kagi.json",
    ),
    (
        "a directory mapped to another service",
        |f| {
            let to = "\"paths\": {\n    \".\": \"web\"\n  }";
            f.swap(CONFIG, "\"paths\": {}", to);
        },
        "abcn",
        "kagi.json",
    ),
    (
        "another default service",
        |f| {
            let from = "\"default_service\": \"app\"";
            f.swap(CONFIG, from, "\"default_service\": \"web\"");
        },
        "abcn",
        "kagi.json",
    ),
    (
        "another project id in the configuration",
        |f| {
            let project = f.roster().project;
            f.swap(CONFIG, &project, "kgp_aaaaaaaaaaaaaaaaaaaa");
        },
        "abcn",
        "access.json|held another project",
    ),
    (
        "a scope moved",
        |f| {
            fs::copy(f.file("secrets/app/production.enc"), f.file(APP)).expect("a copy");
        },
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a scope moved under a new first line",
        |f| {
            let text = f.read("secrets/app/production.enc");
            f.write(APP, &text.replacen("app/production", "app/development", 1));
        },
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a scope truncated",
        |f| {
            let text = f.read(APP);
            f.write(APP, &text[..text.len() - 9]);
        },
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a scope emptied",
        |f| f.write(APP, ""),
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a scope of the old epoch instead",
        |f| f.write(APP, &f.read_old(APP)),
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a box of the old epoch under the new epoch's name",
        |f| {
            let (text, old) = (f.read(APP), f.read_old(APP));
            let part = |line: &str, at| line.split(' ').nth(at).expect("a part").to_string();
            let forged = format!("box {} {}", part(box_of(&text), 1), part(box_of(&old), 2));
            f.write(APP, &text.replace(box_of(&text), &forged));
        },
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "the box that the rotation replaced, put back beside",
        |f| {
            let text = f.read(APP) + box_of(&f.read_old(APP)) + "\n";
            f.write(APP, &text);
        },
        "",
        "",
    ),
    (
        "the index of another commit",
        |f| {
            let (text, old) = (f.read(APP), f.read_old(APP));
            f.write(APP, &old.replace(box_of(&old), box_of(&text)));
        },
        "",
        "",
    ),
    (
        "a box of no roster's epoch beside",
        |f| {
            let text = f.read(APP);
            let (_, rest) = box_of(&text).split_once('.').expect("an epoch");
            f.write(APP, &format!("{text}box 9.{rest}\n"));
        },
        "",
        "",
    ),
    (
        "a scope that is a FIFO",
        |f| {
            fs::remove_file(f.file(APP)).expect("a file");
            fifo(&f.file(APP));
        },
        "abn",
        ".kagi/secrets/app/development.enc",
    ),
    (
        "a service named like the command that is run",
        |f| {
            let text = f.read(APP).replacen("app/", "env/", 1);
            f.write("secrets/env/development.enc", &text);
        },
        "r",
        ".kagi/secrets/env/development.enc",
    ),
    (
        "a service named like an environment",
        |f| f.write("secrets/production/development.enc", "evil"),
        "r",
        ".kagi/secrets/production/development.enc",
    ),
    (
        "temp files that are links and directories",
        |f| {
            symlink("/dev/full", f.file(".kagi-access.json.tmp")).expect("a link");
            symlink("../kagi.json", f.file("secrets/.kagi-x.tmp")).expect("a link");
        },
        "",
        "",
    ),
    (
        "attributes that let Git change bytes",
        |f| f.write(".gitattributes", "* text filter=evil\n"),
        "",
        "",
    ),
    (
        "requests of nobody: junk, huge, links, FIFOs, directories",
        |f| {
            let name = |at: usize| {
                format!(
                    "requests/kgm_{}.json",
                    "abcdefgh".split_at(at).1.repeat(9).split_at(20).0
                )
            };
            f.write(&name(0), "junk");
            f.write(&name(1), &"x".repeat(5000));
            symlink("/etc/passwd", f.file(&name(2))).expect("a link");
            fifo(&f.file(&name(3)));
            fs::create_dir(f.file(&name(4))).expect("a directory");
            f.write("requests/\u{1b}[2J.json", "{}");
            f.write("requests/README", "{}");
            for at in 0..200 {
                f.write(&format!("requests/{at}.json"), "{}");
            }
        },
        "",
        "",
    ),
    (
        "the whole tree of a stranger, with the same project id and epoch",
        |f| f.substitute(f.roster().epoch),
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the whole tree of a stranger, with the same project id and a new epoch",
        |f| {
            let epoch = f.roster().epoch;
            let (number, id) = (epoch.number + 1, [9; 8]);
            f.substitute(Epoch { number, id });
        },
        "abcn",
        ".kagi/access.json",
    ),
    (
        "the whole tree of another project",
        |f| {
            fs::remove_dir_all(f.file("")).expect("a directory");
            copy(&f.world.root.join("elsewhere/.kagi"), &f.file(""));
        },
        "abcn",
        "held another project before|not a member",
    ),
    (
        "a link for the whole directory",
        |f| {
            fs::rename(f.file(""), f.path.join("moved")).expect("a directory");
            symlink("moved", f.path.join(".kagi")).expect("a link");
        },
        "abcn",
        ".kagi",
    ),
];

/// What a device reads: the values that `run` hands on, or none with the messages.
struct Reading {
    values: Option<BTreeMap<String, String>>,
    stderr: String,
}

fn reading(device: &Device, path: &Path, words: &str) -> Reading {
    let outcome = device.kagi(path, &format!("run {words} -- env -0"));
    if outcome.code == Some(0) {
        let values = Some(common::variables(&outcome.stdout));
        return Reading {
            values,
            stderr: outcome.stderr,
        };
    }
    assert!(
        outcome.stdout.is_empty(),
        "something was run: {}",
        outcome.text()
    );
    let stderr = outcome.fails(&["kagi: error: "]).stderr;
    Reading {
        values: None,
        stderr,
    }
}

impl Fixture {
    fn readers(&self) -> [(char, &Device, &'static str, BTreeMap<String, String>); 4] {
        let all = pairs("KEY=second OTHER=2");
        [
            ('a', &self.ada, "", all.clone()),
            ('b', &self.bob, "", all.clone()),
            ('c', &self.cid, "-s web -e production", pairs("W=1")),
            ('n', &self.new, "", all),
        ]
    }

    /// Makes an attack and looks at what comes of it; what is wrong.
    fn judge(&self, (name, edit, refusing, named): Attack) -> Vec<String> {
        self.restore();
        // New is to be told whom to believe, as `member join --trust` would have.
        let ada = identity_of(&self.ada).id;
        self.new.kagi(&self.path, &format!("trust {ada}")).ok();
        edit(self);
        let mut problems = Vec::new();
        for (letter, device, words, expected) in self.readers() {
            let is_refused = refusing.contains(letter);
            let Reading { values, stderr } = reading(device, &self.path, words);
            let is_named = named.split('|').any(|part| stderr.contains(part));
            let is_right = match &values {
                None => is_refused && is_named,
                Some(values) => !is_refused && *values == expected,
            };
            if !is_right {
                problems.push(format!("{name}: {letter} read {values:?}: {stderr}"));
            }
        }
        let eve = self.eve.kagi(&self.path, "get --json");
        if eve.code == Some(0) && !name.contains("another project") {
            problems.push(format!("{name}: Eve read {}", eve.text()));
        }
        problems.extend(self.go_on(name, refusing, named));
        problems
    }

    /// The next changes of Ada: refused with nothing changed; or as if nothing had happened.
    fn go_on(&self, name: &str, refusing: &str, named: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let before = (!refusing.contains('a')).then(|| self.members());
        let fay = identity_of(&self.fay).id;
        let approve = format!("member approve {fay}");
        // What concerns one scope keeps nobody from changing the others.
        let is_elsewhere = named.contains("secrets/");
        for (words, is_refused) in [
            ("set KEY third", refusing.contains('a')),
            (&approve, refusing.contains('a') && !is_elsewhere),
            ("key rotate --yes", refusing.contains(['a', 'r'])),
        ] {
            let listing = common::listing(&self.path);
            let changed = self.ada.kagi(&self.path, words);
            let is_named = named.split('|').any(|part| changed.stderr.contains(part));
            let is_right = match changed.code {
                Some(0) => !is_refused,
                _ => is_refused && is_named && common::listing(&self.path) == listing,
            };
            if !is_right {
                let (code, stderr) = (changed.code, changed.stderr);
                problems.push(format!("{name}: {words}: {code:?} {stderr}"));
            }
        }
        if let Some(mut expected) = before {
            expected.push(format!("{fay} *"));
            expected.sort();
            if self.members() != expected {
                problems.push(format!("{name}: the members are {:?}", self.members()));
            }
        }
        problems
    }

    fn members(&self) -> Vec<String> {
        members_of(&self.roster())
    }
}

fn members_of(roster: &Roster) -> Vec<String> {
    let text = |one: &Member| {
        let grants: Vec<_> = one.grants.iter().map(Grant::to_string).collect();
        format!("{} {}", one.id, grants.join(","))
    };
    roster.members.iter().map(text).collect()
}

#[test]
fn edits_of_somebody_without_a_key() {
    let fixture = Fixture::new();
    let attacks: Vec<_> = ROSTER_ATTACKS.iter().chain(OTHER_ATTACKS).collect();
    let mut problems = Vec::new();
    let mut accepted = 0;
    for attack in &attacks {
        let found = fixture.judge(**attack);
        accepted += usize::from(!found.is_empty());
        problems.extend(found);
    }
    common::say(&format!(
        "assured: tamper: {} edits by somebody without a key, {accepted} of them accepted",
        attacks.len()
    ));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// Attacks on who has asked to join: `member approve` of Fay's id takes Fay's key or none.
const REQUEST_ATTACKS: &[(&str, Edit, &str)] = &[
    (
        "the key in a request swapped",
        |f| {
            let (fay, eve) = (identity_of(&f.fay), identity_of(&f.eve));
            let hex = |key: &[u8; 32]| kagi::format::text::HEX.encode(key);
            f.swap(
                &Request::file(&fay.id),
                &hex(&fay.public),
                &hex(&eve.public),
            );
        },
        "its id is not the hash of its public key",
    ),
    (
        "another request under the file's name",
        |f| {
            let eve = Request::new(identity_of(&f.eve).public, "Fay").write();
            f.write(&Request::file(&identity_of(&f.fay).id), &eve);
        },
        "names another",
    ),
    (
        "another request with the same name instead",
        |f| {
            fs::remove_file(f.file(&Request::file(&identity_of(&f.fay).id))).expect("a request");
            let eve = Request::new(identity_of(&f.eve).public, "Fay");
            f.write(&Request::file(&eve.id), &eve.write());
        },
        "there is no",
    ),
    (
        "a request with a name that clears the screen",
        |f| {
            let file = Request::file(&identity_of(&f.fay).id);
            f.swap(&file, "\"Fay\"", "\"F\\u001b[2Jay\"");
        },
        "its name is malformed",
    ),
    (
        "a request with two names",
        |f| {
            let file = Request::file(&identity_of(&f.fay).id);
            f.swap(&file, "\"name\"", "\"name\": \"Ada\",\n  \"name\"");
        },
        "not in canonical form",
    ),
    (
        "a request that is a link",
        |f| {
            let file = f.file(&Request::file(&identity_of(&f.fay).id));
            fs::rename(&file, f.path.join("moved")).expect("a request");
            symlink(f.path.join("moved"), file).expect("a link");
        },
        "not a plain file",
    ),
    (
        "a request that is a FIFO",
        |f| {
            let file = f.file(&Request::file(&identity_of(&f.fay).id));
            fs::remove_file(&file).expect("a request");
            fifo(&file);
        },
        "not a plain file",
    ),
    (
        "a link for the directory of requests",
        |f| {
            fs::rename(f.file("requests"), f.path.join("moved")).expect("a directory");
            symlink(f.path.join("moved"), f.file("requests")).expect("a link");
        },
        "not a plain file",
    ),
];

#[test]
fn requests_that_were_changed() {
    let fixture = Fixture::new();
    let before = fixture.members();
    let fay = identity_of(&fixture.fay).id;
    let approve = |expected: &[&str]| {
        let listing = common::listing(&fixture.path);
        let words = format!("member approve {fay}");
        fixture.ada.kagi(&fixture.path, &words).fails(expected);
        assert!(common::listing(&fixture.path) == listing);
        assert_eq!(fixture.members(), before);
    };
    for (name, edit, expected) in REQUEST_ATTACKS {
        common::say(&format!("attack: {name}"));
        fixture.restore();
        edit(&fixture);
        approve(&[expected, ".kagi/requests"]);
        let listed = fixture.ada.kagi(&fixture.path, "member list");
        assert!(!listed.stderr.contains('\u{1b}') && !listed.text().contains('\u{1b}'));
    }
    fixture.restore();
    fixture
        .ada
        .kagi(&fixture.path, &format!("member approve {fay}"))
        .ok();
}

/// Keys that make every secret known: refused in a request, and in a roster.
#[test]
fn public_keys_of_low_order_and_with_two_names() {
    let fixture = Fixture::new();
    let before = fixture.members();
    let keys = LOW_ORDER.iter().map(|key| (key, false));
    for (key, is_double) in keys.chain(NOT_CANONICAL.iter().map(|key| (key, true))) {
        let request = Request::new(public(key), "Eve");
        let (file, id) = (Request::file(&request.id), request.id.clone());
        fixture.write(&file, &request.write());
        let rule = if is_double {
            "not canonical"
        } else {
            "its public key is refused"
        };
        let named = if is_double { &file } else { &id };
        let words = format!("member approve {id}");
        fixture
            .ada
            .kagi(&fixture.path, &words)
            .fails(&[rule, named]);
        assert_eq!(fixture.members(), before);
        let roster = fixture.read(ROSTER);
        fixture.edit_member(&fixture.cid, |cid| {
            cid.public = public(key);
            cid.id = member_id(&cid.public);
        });
        let rule = if is_double {
            "a public key is not canonical"
        } else {
            "not authentic"
        };
        let refused = fixture.ada.kagi(&fixture.path, "get");
        refused.fails(&[".kagi/access.json", rule]);
        fixture.write(ROSTER, &roster);
        fs::remove_file(fixture.file(&file)).expect("a request");
    }
}

/// A removed id does not come back, by whatever door.
#[test]
fn a_removed_member_asks_again() {
    let fixture = Fixture::new();
    let dan = identity_of(&fixture.dan);
    let (dan_id, path) = (dan.id.clone(), &fixture.path);
    fixture
        .dan
        .kagi(path, "member join")
        .fails(&["was removed", &dan_id]);
    let request = Request::new(dan.public, "Fay");
    fixture.write(&Request::file(&dan_id), &request.write());
    let approve = format!("member approve {dan_id}");
    fixture
        .ada
        .kagi(path, &approve)
        .fails(&["was removed", &dan_id]);
    fixture
        .ada
        .kagi(path, &format!("{approve} --only web/*"))
        .fails(&["was removed"]);
    assert!(!fixture.members().join(" ").contains(&dan_id));
}

/// The keys that Dan had: everything, until he was removed.
fn old_access(fixture: &Fixture) -> Access {
    let (_, _, access) = access_of(&fixture.dan, &fixture.old);
    assert!(access.is_full());
    access
}

#[test]
fn a_removed_member_reads_nothing_new() {
    let fixture = Fixture::new();
    let access = old_access(&fixture);
    for words in ["get", "run -- env -0", "member list", "trust"] {
        let refused = fixture.dan.kagi(&fixture.path, words);
        assert!(!refused.text().contains("second"));
        refused.fails(&["was removed"]);
    }
    for (name, text) in [
        (ScopeName::values("app", "development"), fixture.read(APP)),
        (ScopeName::values("web", "production"), fixture.read(WEB)),
    ] {
        let file = scope_file::read("it", text.as_bytes(), access.project(), &name);
        let key = access.scope_key(&name).expect("an old key");
        let file = file.expect("a scope");
        assert!(file.boxes.iter().all(|sealed| sealed.open(&key).is_none()));
        let old = fs::read(fixture.old.join(".kagi").join(name.file())).expect("a scope");
        let old = scope_file::read("it", &old, access.project(), &name).expect("a scope");
        assert!(old.boxes.iter().any(|sealed| sealed.open(&key).is_some()));
    }
    // No wrap of the new roster opens for it, whatever it believes.
    let roster = fixture.roster();
    let statement = roster.statement();
    let dan = identity_of(&fixture.dan);
    for one in &roster.members {
        let place = roster.place();
        assert!(wrap::open(&dan.secret, &one.public, place, &statement, &one.wrap).is_none());
        assert!(wrap::open(&dan.secret, &dan.public, place, &statement, &one.wrap).is_none());
    }
}

/// What somebody with the old project key can write, each refused by whoever has seen the removal.
#[test]
fn a_removed_member_forges_nothing_for_an_updated_device() {
    let fixture = Fixture::new();
    let (dan, old) = (identity_of(&fixture.dan), fixture.old_roster());
    let current = fixture.roster();
    let access = old_access(&fixture);
    let envs = ["development", "production"].map(String::from);
    let next = |epoch| {
        access
            .rotated(epoch, Key::new(hash(b"Dan's")))
            .expect("a full member")
    };
    let compose = |access: &Access| {
        let composed = access.compose(&dan, draft_like(&old, &[]), &envs, &mut random::key);
        composed.expect("a roster")
    };
    let other = |number| Epoch { number, id: [3; 8] };
    let same = next(current.epoch);
    let cases = [
        ("the old epoch", compose(&access), "older epoch"),
        (
            "a parallel rotation",
            compose(&next(other(2))),
            "another rotation",
        ),
        (
            "a rotation onward",
            compose(&next(other(3))),
            "is forged, or over 15 rotations newer",
        ),
        ("the new epoch's name", compose(&same), "not authentic"),
    ];
    for (name, roster, expected) in cases {
        fixture.restore();
        let mut roster = roster;
        fixture.write(ROSTER, &roster.write());
        fixture.forge_scope(&same, "app", "development", &[]);
        for (device, words) in [
            (&fixture.ada, "run -- env -0"),
            (&fixture.bob, "run -- env -0"),
            (&fixture.cid, "run -s web -e production -- env -0"),
            (&fixture.ada, "set KEY third"),
            (&fixture.ada, "key rotate --yes"),
        ] {
            common::say(&format!("attack: {name}: {words}"));
            let refused = device.kagi(&fixture.path, words);
            assert!(!refused.text().contains("evil"));
            refused.fails(&[".kagi/access.json", expected]);
        }
        // With a witness for the epoch that the reader knows, made up.
        for member in &mut roster.members {
            member.witnesses.retain(|(epoch, _)| epoch.number < 2);
            member.witnesses.push((current.epoch, [7; 32]));
            let last = (roster.epoch, [7; 32]);
            member
                .witnesses
                .extend((roster.epoch.number > 2).then_some(last));
        }
        if roster.epoch.number >= 2 {
            fixture.write(ROSTER, &roster.write());
            let refused = fixture.ada.kagi(&fixture.path, "run -- env -0");
            refused.fails(&[".kagi/access.json"]);
        }
    }
    // Values under the old key; and under the new epoch's name.
    for access in [&access, &same] {
        fixture.restore();
        fixture.forge_scope(access, "app", "development", &[]);
        let forged = box_of(&fixture.read(APP)).to_string();
        fixture.restore();
        let genuine = fixture.read(APP);
        let beside = format!("{genuine}{forged}\n");
        for text in [beside, genuine.replace(box_of(&genuine), &forged)] {
            fixture.write(APP, &text);
            let refused = fixture.ada.kagi(&fixture.path, "run -- env -0");
            assert!(!refused.text().contains("evil"));
            refused.fails(&[".kagi/secrets/app/development.enc"]);
        }
    }
}

/// What a member of one scope may not: by the commands, and with its keys in its own program.
#[test]
fn a_limited_member_stays_in_its_scope() {
    let fixture = Fixture::new();
    let (cid, path) = (&fixture.cid, &fixture.path);
    let fay = identity_of(&fixture.fay).id;
    let listing = common::listing(&fixture.path);
    for words in [
        "get app development",
        "get app production",
        "run -- env",
        "set KEY 1",
        "set other KEY 1",
        "unset KEY --yes",
    ] {
        let refused = cid.kagi(path, words);
        assert!(refused.stdout.is_empty(), "{}", refused.text());
        refused.fails(&["may not open"]);
    }
    for words in [
        "env add staging",
        "env rename production live",
        "key rotate --yes",
        "member rename Bob Eve",
        "member grant Cid * ",
        "member grant Cid app/production",
        "member del Bob --yes",
        "member add --name x --only web/production",
        &format!("member approve {fay}"),
        &format!("member approve {fay} --only web/production"),
    ] {
        cid.kagi(path, words).fails(&["only a full member"]);
    }
    assert!(common::listing(&fixture.path) == listing);
    // The names alone are seen, and its own scope.
    assert_eq!(cid.values(path, "-s web -e production"), pairs("W=1"));
    cid.kagi(path, "set web production W 1").ok();
}

#[test]
fn the_keys_of_a_limited_member_lead_nowhere_else() {
    let fixture = Fixture::new();
    let (_, roster, full) = access_of(&fixture.ada, &fixture.path);
    let (_, _, limited) = access_of(&fixture.cid, &fixture.path);
    let cid = identity_of(&fixture.cid);
    let own = ScopeName::values("web", "production");
    let own = limited.scope_key(&own).expect("its own key").key;
    let place = roster.place();
    let held = [
        own.duplicate(),
        limited.state_key().expect("a member"),
        limited.witness().expect("a member"),
    ];
    let others = [
        ("app", "development"),
        ("app", "production"),
        ("web", "development"),
    ];
    for (service, env) in others {
        let name = ScopeName::values(service, env);
        assert!(limited.scope_key(&name).is_none());
        let right = full.scope_key(&name).expect("a full member").key;
        for key in &held {
            let derived = [
                key.duplicate(),
                kdf::scope(key, place, env, service, "values"),
                kdf::scope(&kdf::env(key, place, env), place, env, service, "values"),
            ];
            assert!(
                derived
                    .iter()
                    .all(|derived| derived.expose() != right.expose())
            );
        }
    }
    // A roster out of what it holds: itself promoted, in the same epoch and in the next.
    let draft = || {
        let mut draft = draft_like(&roster, &[]);
        let mut members = draft.members.iter_mut();
        let own = members.find(|one| one.id == cid.id).expect("Cid");
        own.grants = vec![Grant::Full];
        draft
    };
    let composed = limited.compose(&cid, draft(), &[], &mut random::key);
    assert_eq!(composed.err().map(|error| error.kind), Some(Kind::NotFull));
    let number = roster.epoch.number + 1;
    for epoch in [roster.epoch, Epoch { number, id: [5; 8] }] {
        for key in &held {
            let (key, random) = (key.duplicate(), &mut random::key);
            let found = team::found(&cid, &roster.project, epoch, key, draft(), random);
            let (mut forged, access) = found.expect("a roster");
            // It does know its own witness key of this epoch.
            let statement = forged.statement();
            let own = member(&mut forged, &cid.id);
            let vouched = own.vouch(&limited.witness().expect("a member"), &statement);
            own.witnesses.iter_mut().for_each(|one| one.1 = vouched);
            fixture.write(ROSTER, &forged.write());
            fixture.forge_scope(&access, "app", "development", &[]);
            for device in [&fixture.ada, &fixture.bob, &fixture.new] {
                let refused = device.kagi(&fixture.path, "run -- env -0");
                assert!(!refused.text().contains("evil"));
                refused.fails(&[".kagi/access.json"]);
            }
            fixture.restore();
        }
    }
    // A box of its own scope in the place of another.
    let (text, sibling) = (fixture.read(WEB), "secrets/web/development.enc");
    fixture.write(
        sibling,
        &text.replacen("web/production", "web/development", 1),
    );
    let refused = fixture
        .ada
        .kagi(&fixture.path, "run web development -- env -0");
    refused.fails(&[".kagi/secrets/web/development.enc", "not authentic"]);
}

/// A member of CI: one variable, through 15 rotations and changes of members; then it says so.
#[test]
fn an_identity_of_ci_lasts_fifteen_rotations() {
    let world = World::new();
    let (ada, path) = (world.device("Ada"), world.directory("work"));
    ada.kagi(&path, INIT).ok();
    ada.kagi(&path, "set production KEY 1").ok();
    ada.kagi(&path, "set OTHER 2").ok();
    let added = ada
        .kagi(&path, "member add --name ci --only app/production")
        .ok();
    let mut ci = world.device("ci");
    ci.variables
        .push(("KAGI_IDENTITY", added.text().trim().into()));
    for at in 1..=17 {
        ada.kagi(&path, "key rotate --yes").ok();
        ada.kagi(&path, &format!("set production KEY {at}")).ok();
        if at <= 15 {
            assert_eq!(ci.values(&path, "production"), pairs(&format!("KEY={at}")));
            ci.kagi(&path, "run -- env")
                .fails(&["may not open", "app/development"]);
        } else {
            let refused = ci.kagi(&path, "run production -- env -0");
            assert!(refused.stdout.is_empty());
            refused.fails(&["over 15 rotations newer", "kagi member add"]);
        }
    }
    assert!(!ci.kagi_home().exists());
    // A device that was there all the time goes on.
    assert_eq!(ada.values(&path, "production"), pairs("KEY=17"));
}

/// The tree of a stranger on a device that knows nothing: without a terminal nothing opens; on one,
/// the stranger's id is shown first, and a no is a no.
#[test]
fn a_new_device_is_shown_who_wrote_the_project() {
    let fixture = Fixture::new();
    let (eve, path) = (identity_of(&fixture.eve).id, &fixture.path);
    let epoch = fixture.roster().epoch;
    let text = fixture.read(CONFIG);
    for project in [
        fixture.roster().project,
        "kgp_aaaaaaaaaaaaaaaaaaaa".to_string(),
    ] {
        fixture.restore();
        let new = text.replace(&fixture.roster().project, &project);
        fixture.write(CONFIG, &new);
        fixture.edit(|roster| {
            roster.project.clone_from(&project);
            (roster.config, roster.config_before) = (hash(new.as_bytes()), hash(new.as_bytes()));
        });
        fixture.substitute(epoch);
        for words in ["run -- env -0", "get", "set KEY 1"] {
            let refused = fixture.new.kagi(path, words);
            assert!(!refused.text().contains("evil"));
            refused.fails(&[&eve]);
        }
        // A checkout that is known is refused for that alone.
        let known = fixture.ada.kagi(path, "run -- env -0");
        let is_same = project == fixture.old_roster().project;
        let expected = if is_same {
            "not authentic"
        } else {
            "held another project before"
        };
        known.fails(&[expected]);
        // Who was told whom to believe is told that it is somebody else.
        let ada = identity_of(&fixture.ada).id;
        fixture.new.kagi(path, &format!("trust {ada}")).ok();
        fixture.new.kagi(path, "run -- env -0").fails(&[&eve]);
        let Some(python) = find_program("python3") else {
            return common::say("skipped: tamper: nobody is asked on a terminal, it needs python3");
        };
        let pty = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pty.py");
        let mut command = Command::new(python);
        command.arg("-I").arg(pty).args(["1", "n", "/bin/sh", "-c"]);
        let home = fixture.new.kagi_home();
        let (home, program) = (home.display(), program());
        let program = program.display();
        command
            .arg(format!("KAGI_HOME={home} {program} get --show"))
            .current_dir(path);
        let asked = outcome("run on a terminal", &mut command);
        let shown = asked.text();
        assert!(shown.contains(&format!("kagi:   {eve}")), "{shown}");
        assert!(!shown.contains("evil") && asked.code == Some(1), "{shown}");
    }
}

/// A member named like another's id makes nobody unreachable.
#[test]
fn a_member_named_like_an_id() {
    let fixture = Fixture::new();
    let (ada, path) = (&fixture.ada, &fixture.path);
    let (bob, fay) = (identity_of(&fixture.bob).id, identity_of(&fixture.fay).id);
    let request = Request::new(identity_of(&fixture.fay).public, &bob);
    fixture.write(&Request::file(&fay), &request.write());
    ada.kagi(path, &format!("member approve {fay}")).ok();
    ada.kagi(path, &format!("member del {bob} --yes")).ok();
    let members = fixture.members().join(" ");
    assert!(!members.contains(&format!("{bob} ")) && members.contains(&fay));
}

/// Who leaves cannot keep a key off the list of what it could read by dating it ahead.
#[test]
fn a_value_of_an_epoch_that_has_not_begun_is_refused() {
    let fixture = Fixture::new();
    fs::remove_dir_all(fixture.file("")).expect("a directory");
    copy(&fixture.old.join(".kagi"), &fixture.file(""));
    fs::remove_dir_all(fixture.ada.kagi_home().join("projects")).expect("pins");
    let name = ScopeName::values("app", "development");
    let access = old_access(&fixture);
    let key = access.scope_key(&name).expect("a key");
    let snapshot = Snapshot {
        sequence: 9,
        ancestors: Vec::new(),
        entries: vec![Entry { epoch: 7, ..evil() }],
    };
    let sealed = SealedBox::seal(&key, random::bytes().expect("bytes"), &snapshot);
    let text = scope_file::write(access.project(), &name, &snapshot, &[sealed]);
    fixture.write(APP, &text);
    let dan = identity_of(&fixture.dan).id;
    for words in ["run -- true", "doctor", &format!("member del {dan} --yes")] {
        let refused = fixture.ada.kagi(&fixture.path, words);
        refused.fails(&["app/development.enc\" is not authentic"]);
    }
}

/// A grant that ends with its environment does not come back with another of the same name.
#[test]
fn the_key_of_an_environment_that_is_gone_opens_none_of_its_name() {
    for ending in ["env del staging --yes", "env rename staging test"] {
        let fixture = Fixture::new();
        let (ada, path) = (&fixture.ada, &fixture.path);
        ada.kagi(path, "env add staging").ok();
        ada.kagi(path, "set staging KEY 1").ok();
        ada.kagi(path, "member grant Cid */staging").ok();
        let (_, _, old) = access_of(&fixture.cid, path);
        for words in [ending, "env add staging", "set staging KEY secret"] {
            ada.kagi(path, words).ok();
        }
        let name = ScopeName::values("app", "staging");
        let text = fixture.read(&name.file());
        let file = scope_file::read("it", text.as_bytes(), old.project(), &name).expect("a scope");
        let key = old.scope_key(&name).expect("the old key");
        assert!(
            file.boxes.iter().all(|one| one.open(&key).is_none()),
            "{ending}"
        );
    }
}
