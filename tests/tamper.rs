//! Every change of a byte that somebody could make: in the files of a project, and in those that
//! a device keeps of it. Reading then fails, or gives exactly what was there before.
//!
//! Every bit and every length of every file is tried, in a process of its own that has the device's
//! environment and reads everything as the commands do; lines are moved by the same process. What
//! people would do by hand, and a sample of the bits, is tried with the real program: the file that
//! it refuses must be named.
//!
//! Not promised, so not asked: to notice that a whole file, or one of two boxes, is gone.
#![cfg(unix)]

mod common;

use common::{Device, World, admit, pairs};
use kagi::crypto::hash::hash;
use kagi::crypto::random;
use kagi::format::key_text::Identity;
use kagi::format::scope_file::ScopeName;
use kagi::format::text::HEX;
use kagi::project::{Opening, Project, Site};
use kagi::secret::Key;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const PARTS: usize = 2;
/// Tells the second process which part is its own.
const PART: &str = "KAGI_TEST_PART";

const SCOPES: [(&str, &str); 4] = [
    ("app", "development"),
    ("app", "production"),
    ("web", "development"),
    ("web", "production"),
];

/// Two services with two environments each, and two members; opened before, so that it is pinned.
struct Fixture {
    world: World,
    ada: Device,
    path: PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let world = World::new();
        let ada = world.device("Ada");
        let path = world.directory("work");
        let init = "init --name Ada --envs=development,production";
        ada.kagi(&path, init).ok();
        admit(&world, &ada, "Bob", &path);
        for (service, env) in SCOPES {
            let set = format!("set -s {service} -e {env} KEY {service}-{env} --desc about");
            ada.kagi(&path, &set).ok();
        }
        ada.kagi(&path, "set OTHER 2").ok();
        ada.kagi(&path, "get").ok();
        Fixture { world, ada, path }
    }

    /// The files of the project, and of the device.
    fn files(&self) -> Vec<PathBuf> {
        let below = |directory: &Path| common::listing(directory).into_keys();
        let files = below(&self.path).chain(below(&self.ada.home));
        let files: Vec<_> = files.filter(|path| path.is_file()).collect();
        // `.gitattributes`, `kagi.json`, `access.json`, the scopes, identity, pin, checkout.
        assert_eq!(files.len(), 6 + SCOPES.len(), "{files:?}");
        files
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(".kagi").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).expect("a readable file")
    }

    /// Runs every reader while a file has other content, then puts it back.
    #[track_caller]
    fn refuses(&self, name: &str, text: &str, expected: &[&str]) {
        let path = self.file(name);
        let before = fs::read(&path).expect("a readable file");
        assert!(before != text.as_bytes(), "nothing was changed");
        fs::write(&path, text).expect("a written file");
        let (service, env) = scope_of(&path).unwrap_or(("app", "development"));
        let words = [
            format!("run -s {service} -e {env} -- true"),
            "get".into(),
            format!("set -s {service} -e {env} NEW 1"),
            "doctor".into(),
        ];
        let changed = common::listing(&self.path);
        for words in words {
            self.ada.kagi(&self.path, &words).fails(expected);
        }
        assert!(
            changed == common::listing(&self.path),
            "something was written"
        );
        fs::write(&path, before).expect("a written file");
        self.is_whole();
    }

    #[track_caller]
    fn is_whole(&self) {
        let values = self.ada.values(&self.path, "");
        assert_eq!(values, pairs("KEY=app-development OTHER=2"));
    }
}

/// The scope that a file holds.
fn scope_of(path: &Path) -> Option<(&'static str, &'static str)> {
    let is_it = |(service, env): &(&str, &str)| path.ends_with(format!("{service}/{env}.enc"));
    SCOPES.into_iter().find(is_it)
}

// In a process of its own: all bits, all lengths, all lines.

#[test]
fn every_bit_every_length_and_every_line() {
    let fixtures: Vec<_> = (0..PARTS).map(|_| Fixture::new()).collect();
    let start = |(part, fixture): (usize, &Fixture)| {
        let program = env::current_exe().expect("this program");
        let mut command = fixture.ada.command(program, &fixture.path);
        command.args(["in_a_process_of_its_own", "--exact", "--nocapture"]);
        command.env(PART, part.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("this program")
    };
    let children: Vec<_> = fixtures.iter().enumerate().map(start).collect();
    for child in children {
        let output = child.wait_with_output().expect("its end");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "\n{text}{errors}");
        let lines = text.lines().filter(|line| line.starts_with("tamper: "));
        let lines: Vec<_> = lines.collect();
        assert!(!lines.is_empty(), "it did nothing: {text}");
        common::say(&lines.join("\n"));
    }
}

#[test]
fn in_a_process_of_its_own() {
    let Ok(part) = env::var(PART) else {
        return;
    };
    let home = PathBuf::from(env::var_os("HOME").expect("a home"));
    let path = env::current_dir().expect("a directory");
    let mut tampering = Tampering::new(&path, part.parse().expect("a number"));
    let below = |directory: &Path| common::listing(directory).into_keys();
    let files: Vec<_> = below(&path)
        .chain(below(&home))
        .filter(|path| path.is_file())
        .collect();
    for file in &files {
        tampering.bits_and_lengths(file);
        tampering.lines(file);
    }
    for from in files.iter().filter(|path| scope_of(path).is_some()) {
        for to in files.iter().filter(|path| scope_of(path).is_some()) {
            tampering.moved_lines(from, to);
        }
    }
    tampering.report(&files);
}

/// What is read of the project, or why it is not.
type Content = Result<String, String>;

struct Tampering {
    part: usize,
    count: usize,
    refused: usize,
    original: String,
    /// To read single scopes with.
    project: Project,
    problems: Vec<String>,
}

fn open() -> Result<Project, String> {
    let opening = Opening {
        is_strict: false,
        forgets: false,
        remembers: false,
        confirm: &|_| false,
    };
    let site = Site::find().map_err(|error| format!("{error:?}"))?;
    Project::open(site, &opening).map_err(|error| format!("{error:?}"))
}

/// Everything that a scope holds.
fn scope_text(project: &Project, service: &str, env: &str) -> Content {
    let name = ScopeName::values(service, env);
    let found = project.load(&name).map_err(|error| format!("{error:?}"))?;
    let scope = found.ok_or("no file")?.scope;
    let mut text = format!("{service} {env} {}\n", scope.sequence);
    for (key, entries) in scope.iter() {
        for entry in entries {
            let value = String::from_utf8_lossy(entry.value.expose());
            let (about, author) = (&entry.description, &entry.author);
            let (time, version) = (entry.time, entry.version);
            let _ = writeln!(text, "{key} {value} {about} {author} {time} {version}");
        }
    }
    Ok(text)
}

/// Everything that the project holds.
fn project_text() -> Content {
    let project = open()?;
    let mut text = format!("{:?}\n", project.config.envs);
    for member in &project.roster.members {
        let _ = writeln!(text, "{} {} {:?}", member.id, member.name, member.grants);
    }
    let services = project.services();
    let _ = writeln!(
        text,
        "{:?}",
        services.map_err(|error| format!("{error:?}"))?
    );
    for (service, env) in SCOPES {
        text += &scope_text(&project, service, env)?;
    }
    Ok(text)
}

impl Tampering {
    fn new(path: &Path, part: usize) -> Self {
        assert!(path.join(".kagi").is_dir());
        Tampering {
            part,
            count: 0,
            refused: 0,
            original: project_text().expect("a project that opens"),
            project: open().expect("a project that opens"),
            problems: Vec::new(),
        }
    }

    /// Reads with other bytes in a file.
    fn try_bytes(&mut self, file: &Path, bytes: &[u8], what: &str) {
        self.count += 1;
        if self.count % PARTS != self.part {
            return;
        }
        fs::write(file, bytes).expect("a written file");
        let (content, original) = match scope_of(file) {
            None => (project_text(), self.original.clone()),
            // The roster is accepted once; what is in question is this scope.
            Some((service, env)) => {
                let line = format!("{service} {env} ");
                let start = self.original.find(&line).unwrap_or_default();
                let content = scope_text(&self.project, service, env);
                let length = content.as_ref().map_or(0, String::len);
                let end = (start + length).min(self.original.len());
                (content, self.original[start..end].to_string())
            }
        };
        match content {
            Err(_) => self.refused += 1,
            Ok(content) if content == original => {}
            Ok(content) => self
                .problems
                .push(format!("{} {what}: it reads\n{content}", file.display())),
        }
    }

    fn bits_and_lengths(&mut self, file: &Path) {
        let bytes = fs::read(file).expect("a readable file");
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                changed[at] ^= 1 << bit;
                self.try_bytes(file, &changed, &format!("byte {at}, bit {bit}"));
                changed[at] = bytes[at];
            }
            self.try_bytes(file, &bytes[..at], &format!("cut to {at}"));
        }
        fs::write(file, bytes).expect("a written file");
    }

    /// Every line left out, doubled, or changed for the next one.
    fn lines(&mut self, file: &Path) {
        let text = fs::read_to_string(file).expect("a readable file");
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        for at in 0..lines.len() {
            let without = [&lines[..at], &lines[at + 1..]].concat().concat();
            let doubled = [&lines[..=at], &lines[at..]].concat().concat();
            let mut swapped = lines.clone();
            swapped.swap(at, (at + 1) % lines.len());
            for changed in [without, doubled, swapped.concat()] {
                self.try_bytes(file, changed.as_bytes(), &format!("line {at}"));
            }
        }
        fs::write(file, text).expect("a written file");
    }

    /// Every line of one scope at every place of another, beside and instead of its lines.
    fn moved_lines(&mut self, from: &Path, to: &Path) {
        let read = |path| fs::read_to_string(path).expect("a readable file");
        let (from, text) = (read(from), read(to));
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        for line in from.split_inclusive('\n') {
            for at in 0..=lines.len() {
                let beside = [&lines[..at], &[line], &lines[at..]].concat().concat();
                self.try_bytes(to, beside.as_bytes(), &format!("a line at {at}"));
                let after = lines.get(at + 1..).unwrap_or_default();
                let instead = [&lines[..at], &[line], after].concat().concat();
                self.try_bytes(to, instead.as_bytes(), &format!("a line for {at}"));
            }
        }
        self.try_bytes(to, from.as_bytes(), "another scope");
        fs::write(to, text).expect("a written file");
    }

    fn report(self, files: &[PathBuf]) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
        assert_eq!(project_text().as_ref(), Ok(&self.original));
        let (tried, refused) = (self.count / PARTS, self.refused);
        assert!(refused > tried / 2);
        common::say(&format!(
            "tamper: part {} of {PARTS}: {} files, {tried} changes, {refused} refused, the others without effect",
            self.part + 1,
            files.len(),
        ));
    }
}

// With the real program.

#[test]
fn the_refused_file_is_named() {
    let fixture = Fixture::new();
    let original: Vec<_> = SCOPES
        .iter()
        .map(|(service, env)| {
            fixture
                .ada
                .values(&fixture.path, &format!("-s {service} -e {env}"))
        })
        .collect();
    for file in fixture.files() {
        let bytes = fs::read(&file).expect("a readable file");
        let at_scope = SCOPES
            .iter()
            .position(|scope| scope_of(&file) == Some(*scope));
        let (service, env) = SCOPES[at_scope.unwrap_or(0)];
        for step in 0..16 {
            let mut changed = bytes.clone();
            if step % 4 == 3 {
                changed.truncate(step * bytes.len() / 16);
            } else {
                changed[step * bytes.len() / 16] ^= 1 << (step % 7);
            }
            fs::write(&file, changed).expect("a written file");
            let words = format!("run -s {service} -e {env} -- env -0");
            let outcome = fixture.ada.kagi(&fixture.path, &words);
            if outcome.code == Some(0) {
                let values = common::variables(&outcome.stdout);
                assert_eq!(values, original[at_scope.unwrap_or(0)]);
            } else {
                let named = named_as(&fixture, &file);
                let is_named = named.iter().any(|name| outcome.stderr.contains(name));
                assert!(is_named, "{}: {}", file.display(), outcome.stderr);
                outcome.fails(&["kagi: error: "]);
            }
        }
        fs::write(&file, bytes).expect("a written file");
    }
    fixture.is_whole();
}

/// What a message may call a file. Those of the device by the whole path; or, if they are well
/// formed, by what does not fit them: the member's id, the roster, the project of the checkout.
fn named_as(fixture: &Fixture, file: &Path) -> [String; 2] {
    let own = file.strip_prefix(&fixture.path).unwrap_or(file);
    let other = match file.file_name().unwrap_or_default().to_str() {
        Some("identity.json") => "is not a member of the project (its id is",
        Some("pin.json") => "\".kagi/access.json\"",
        Some("kagi.json") => "kagi.json is not the one",
        _ => "held another project before",
    };
    [own.to_string_lossy().into_owned(), other.into()]
}

#[test]
fn a_roster_that_was_edited() {
    let fixture = Fixture::new();
    let text = fixture.read("access.json");
    let named = ".kagi/access.json";
    let other = Identity::new(Key::new(hash(b"somebody else")));
    for (name, expected) in [("Ada", "not a member"), ("Bob", named)] {
        let (_, mut roster, _) = common::access_of(&fixture.ada, &fixture.path);
        let mut members = roster.members.iter_mut();
        let member = members.find(|one| one.name == name).expect("a member");
        member.public = other.public;
        fixture.refuses("access.json", &roster.write(), &[named, "member id"]);
        let mut members = roster.members.iter_mut();
        let member = members.find(|one| one.name == name).expect("a member");
        let old = std::mem::replace(&mut member.id, other.id.clone());
        if roster.author == old {
            roster.author.clone_from(&other.id);
        }
        roster.members.sort_by(|one, next| one.id.cmp(&next.id));
        fixture.refuses("access.json", &roster.write(), &[expected]);
    }
    for (from, to) in [
        ("\"name\": \"Bob\"", "\"name\": \"Eve\""),
        ("\"sequence\": 2", "\"sequence\": 3"),
        ("\"epoch\": \"1.", "\"epoch\": \"2."),
        (
            "\"removed\": []",
            "\"removed\": [\n    \"kgm_aaaaaaaaaaaaaaaaaaaa\"\n  ]",
        ),
    ] {
        fixture.refuses("access.json", &text.replace(from, to), &[named]);
    }
    let limited = text.rfind("\"*\"").expect("a grant");
    let limited = format!("{}\"app/*\"{}", &text[..limited], &text[limited + 3..]);
    fixture.refuses("access.json", &limited, &[named]);
}

#[test]
fn a_roster_of_a_stranger() {
    let fixture = Fixture::new();
    // Whoever has no key but knows all ids can make a roster, but none that this device believes.
    let (config, roster, _) = common::access_of(&fixture.ada, &fixture.path);
    let stranger = Identity::new(Key::new(hash(b"stranger")));
    let mut members: Vec<_> = roster
        .members
        .iter()
        .map(|one| (one.public, one.name.clone()))
        .chain([(stranger.public, "Eve".into())])
        .map(|(public, name)| {
            let grants = vec![kagi::format::names::Grant::Full];
            kagi::format::roster::Member::draft(public, &name, grants)
        })
        .collect();
    members.sort_by(|one, next| one.id.cmp(&next.id));
    let draft = kagi::team::Draft {
        sequence: roster.sequence + 1,
        config: roster.config,
        config_before: roster.config,
        members,
        removed: Vec::new(),
        withdrawn: Vec::new(),
    };
    let key = Key::new(hash(b"a project key of the stranger's"));
    for number in [roster.epoch.number, roster.epoch.number + 1] {
        let epoch = kagi::format::names::Epoch {
            number,
            ..roster.epoch
        };
        let draft = kagi::team::Draft {
            members: draft
                .members
                .iter()
                .map(|one| {
                    kagi::format::roster::Member::draft(one.public, &one.name, one.grants.clone())
                })
                .collect(),
            removed: Vec::new(),
            withdrawn: Vec::new(),
            ..draft
        };
        let key = key.duplicate();
        let found = kagi::team::found(
            &stranger,
            &config.project,
            epoch,
            key,
            draft,
            &mut random::key,
        );
        let (forged, _) = found.expect("a roster");
        fixture.refuses("access.json", &forged.write(), &[".kagi/access.json"]);
    }
}

#[test]
fn a_configuration_that_was_edited() {
    let fixture = Fixture::new();
    let text = fixture.read("kagi.json");
    for (from, to) in [
        (
            "    \"production\"\n",
            "    \"production\",\n    \"staging\"\n",
        ),
        ("    \"development\",\n", ""),
        (
            "\"default_env\": \"development\"",
            "\"default_env\": \"production\"",
        ),
        (
            "\"default_service\": \"app\"",
            "\"default_service\": \"web\"",
        ),
        ("\"nested\": false", "\"nested\": true"),
        ("\"paths\": {}", "\"paths\": {\n    \"a\": \"web\"\n  }"),
        ("\"sync\": \"\"", "\"sync\": \"http://example.org\""),
        ("  ", "   "),
    ] {
        let edited = text.replacen(from, to, 1);
        fixture.refuses("kagi.json", &edited, &["kagi.json"]);
    }
    // With its hash in the roster as well.
    let edited = text.replace("\"nested\": false", "\"nested\": true");
    let roster = fixture.read("access.json");
    let digest = |text: &str| HEX.encode(&hash(text.as_bytes()));
    let forged = roster.replace(&digest(&text), &digest(&edited));
    fs::write(fixture.file("kagi.json"), &edited).expect("a written file");
    fs::write(fixture.file("access.json"), &forged).expect("a written file");
    for words in ["run -- true", "get", "set A 1"] {
        let outcome = fixture.ada.kagi(&fixture.path, words);
        outcome.fails(&[".kagi/access.json", "not authentic"]);
    }
}

fn box_of(text: &str) -> &str {
    text.lines()
        .find(|line| line.starts_with("box "))
        .expect("a box")
}

#[test]
fn boxes_from_elsewhere() {
    const SCOPE: &str = "secrets/app/development.enc";
    let fixture = Fixture::new();
    let text = fixture.read(SCOPE);
    let own = box_of(&text);
    // Another scope of the project: instead of the box, and beside it.
    for other in ["secrets/app/production.enc", "secrets/web/development.enc"] {
        let other = fixture.read(other);
        let foreign = box_of(&other);
        for edited in [
            text.replace(own, foreign),
            format!("{text}{foreign}\n"),
            other.clone(),
        ] {
            fixture.refuses(SCOPE, &edited, &[".kagi/secrets/app/development.enc"]);
        }
    }
    // Another project of the same device; as it is, and said to be of this project's epoch.
    let path = fixture.world.directory("other");
    let init = "init --name Ada --envs=development,production";
    fixture.ada.kagi(&path, init).ok();
    fixture.ada.kagi(&path, "set KEY foreign").ok();
    let other = fs::read_to_string(path.join(".kagi").join(SCOPE)).expect("a scope");
    let renamed = foreign_as_own(box_of(&other), own);
    for foreign in [box_of(&other), &renamed] {
        for edited in [text.replace(own, foreign), format!("{text}{foreign}\n")] {
            fixture.refuses(SCOPE, &edited, &[".kagi/secrets/app/development.enc"]);
        }
    }
    fixture.refuses(SCOPE, &other, &[".kagi/secrets/app/development.enc"]);
    // A box of a newer epoch waits for its roster; alone it is none.
    let (_, rest) = own.split_once('.').expect("an epoch");
    let newer = format!("box 2.{rest}");
    fixture.refuses(SCOPE, &text.replace(own, &newer), &["development.enc"]);
    fs::write(fixture.file(SCOPE), format!("{text}{newer}\n")).expect("a written file");
    fixture.is_whole();
}

/// A box line with the epoch of another.
fn foreign_as_own(foreign: &str, own: &str) -> String {
    let part = |line: &str, at| line.split(' ').nth(at).expect("three parts").to_string();
    format!("box {} {}", part(own, 1), part(foreign, 2))
}

#[test]
fn a_scope_under_another_name() {
    let fixture = Fixture::new();
    let text = fixture.read("secrets/app/development.enc");
    let header = text.replace("app/development\n", "web/development\n");
    fixture.refuses(
        "secrets/web/development.enc",
        &header,
        &[".kagi/secrets/web/development.enc"],
    );
    // A directory that somebody made.
    let made = fixture.file("secrets/eve");
    fs::create_dir(&made).expect("a directory");
    let renamed = text.replace("app/development\n", "eve/development\n");
    fs::write(made.join("development.enc"), renamed).expect("a file");
    let outcome = fixture.ada.kagi(&fixture.path, "run eve -- true");
    outcome.fails(&[".kagi/secrets/eve/development.enc"]);
    fixture.is_whole();
}

#[test]
fn an_index_is_reported_and_never_believed() {
    let fixture = Fixture::new();
    let name = "secrets/app/development.enc";
    let line = "key KEY 1\n";
    for edit in [
        "",
        "key KEY 2\n",
        "key KEY 1\nkey EVE 1\n",
        "key \u{1b}[31m\n",
        "key KEY 01\nkey KEY 1\nkey OTHER\n",
    ] {
        let text = fixture.read(name);
        assert!(text.contains(line));
        fs::write(fixture.file(name), text.replace(line, edit)).expect("a written file");
        fixture.is_whole();
        let listed = fixture.ada.kagi(&fixture.path, "get app development").ok();
        let keys: Vec<_> = listed.text().lines().skip(2).map(str::to_string).collect();
        assert_eq!(
            keys,
            ["    KEY    ********  # about", "    OTHER  ********"]
        );
        let outcome = fixture.ada.kagi(&fixture.path, "doctor");
        outcome.fails(&["app/development has index lines that do not fit"]);
        fixture.ada.kagi(&fixture.path, "doctor --fix").ok();
        let index = text.split("box").next().expect("a header");
        assert!(fixture.read(name).starts_with(index));
        fixture.ada.kagi(&fixture.path, "doctor").ok();
        fixture.is_whole();
    }
}

/// A device whose identity file holds another public key must not go on as somebody who can open
/// nothing: what it founded would be lost.
#[test]
fn an_identity_with_a_foreign_public_key_founds_nothing() {
    let fixture = Fixture::new();
    let file = fixture.ada.kagi_home().join("identity.json");
    let own = HEX.encode(&common::identity_of(&fixture.ada).public);
    let other = HEX.encode(&Identity::new(Key::new(hash(b"other"))).public);
    let text = fs::read_to_string(&file).expect("an identity");
    fs::write(&file, text.replace(&own, &other)).expect("a written file");
    let path = fixture.world.directory("new");
    let outcome = fixture.ada.kagi(&path, "init");
    if outcome.code == Some(0) {
        fixture.ada.kagi(&path, "set A 1").ok();
        assert_eq!(fixture.ada.values(&path, ""), pairs("A=1"));
    } else {
        outcome.fails(&["identity.json"]);
    }
}
