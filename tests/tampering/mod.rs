//! What the tests of tampering share: a team, its project in several authentic states, and the
//! reading of it in this process, as a device does. A device's home comes from its environment, so
//! each reader is a process of its own: the test program, started again with `TASK` set.

pub mod changes;
pub mod mixes;
pub mod states;
#[cfg(feature = "server")]
pub mod store;

use crate::common::{self, Device, World, copy, identity_of, is_full_scale};
use kagi::error::{Error, Kind};
use kagi::format::scope_file::{ScopeKind, ScopeName};
use kagi::format::text::HEX;
use kagi::project::{Opening, Project, Site};
use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What the second process is to do.
pub const TASK: &str = "KAGI_TEST_TASK";
/// The directory of the world that it is to do it in.
pub const ROOT: &str = "KAGI_TEST_ROOT";

pub const SCOPES: [(&str, &str); 4] = [
    ("app", "development"),
    ("app", "production"),
    ("web", "development"),
    ("web", "production"),
];

/// True if a change is tried: all of them, or one of so many.
pub fn is_its_turn(number: usize, stride: usize) -> bool {
    is_full_scale() || number.is_multiple_of(stride)
}

/// Two services with two environments each, and a stored file. Ada and Bob may open everything, Cid
/// `web/production` alone; Fay has asked to join. Everybody has opened it, so that it is pinned.
pub struct Fixture {
    pub world: World,
    pub ada: Device,
    pub bob: Device,
    pub cid: Device,
    /// Bob on a machine that has not seen the project, but knows whom to believe.
    pub new: Device,
    pub path: PathBuf,
}

impl Fixture {
    pub fn new() -> Self {
        let world = World::new();
        let device = |name| world.device(name);
        let (ada, bob, cid) = (device("Ada"), device("Bob"), device("Cid"));
        let path = world.directory("work");
        let new = device("New");
        let fixture = Fixture {
            world,
            ada,
            bob,
            cid,
            new,
            path,
        };
        fixture.found(&fixture.path);
        let (ada, path) = (&fixture.ada, &fixture.path);
        ada.kagi(path, "set OTHER 2").ok();
        ada.kagi(path, "get").ok();
        let fay = fixture.world.device("Fay");
        fay.kagi(path, "member join --name Fay --no-git").ok();
        let own = fixture.bob.kagi_home().join("identity.json");
        make_private(&fixture.new.kagi_home());
        fs::copy(own, fixture.new.kagi_home().join("identity.json")).expect("a copy");
        let trust = format!("trust {}", identity_of(ada).id);
        fixture.new.kagi(path, &trust).ok();
        fixture
    }

    /// A project of the team.
    pub fn found(&self, path: &Path) {
        let init = "init --name Ada --envs=development,production --no-git";
        self.ada.kagi(path, init).ok();
        for (service, env) in SCOPES {
            let set = format!("set -s {service} -e {env} KEY {service}-{env} --desc about");
            self.ada.kagi(path, &set).ok();
        }
        fs::write(path.join("note"), "a stored file\n").expect("a file");
        self.ada.kagi(path, "file add note").ok();
        fs::remove_file(path.join("note")).expect("a file");
        for (device, only) in [(&self.bob, ""), (&self.cid, " --only web/production")] {
            let name = &device.name;
            let join = format!("member join --name {name} --no-git");
            device.kagi(path, &join).ok();
            let (id, ada) = (identity_of(device).id, identity_of(&self.ada).id);
            device.kagi(path, &format!("trust {ada}")).ok();
            self.ada
                .kagi(path, &format!("member approve {id}{only}"))
                .ok();
        }
        self.bob.kagi(path, "get").ok();
        self.cid.kagi(path, "get web production").ok();
    }

    /// Keeps the project, or a device's home, as it is now.
    pub fn save(&self, from: &Path, name: &str) {
        copy(from, &self.world.root.join("saved").join(name));
    }

    /// A task of this test program, as a device with some home, in a directory.
    pub fn task(&self, device: &Device, at: &Path, task: &str) -> std::process::Command {
        let program = env::current_exe().expect("this program");
        let mut command = device.command(program, at);
        command.args(["in_a_process_of_its_own", "--exact", "--nocapture"]);
        command.env(TASK, task).env(ROOT, &self.world.root);
        for name in ["KAGI_TEST_SCALE", "KAGI_TEST_SEED"] {
            command.envs(env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    /// Runs a task to its end, and says what it says.
    pub fn run(&self, device: &Device, task: &str) {
        let output = self.task(device, &self.path, task).output();
        let output = output.expect("this program");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "\n{text}{errors}");
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("assured: "))
            .collect();
        assert!(!lines.is_empty(), "it did nothing: {text}");
        common::say(&lines.join("\n"));
    }
}

/// A directory that its owner alone can open.
pub fn make_private(path: &Path) {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(path)
        .expect("a directory");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("a mode");
}

// Reading, in a process of its own.

/// What a scope holds: its sequence number, whether that is older than what the device has seen, and a
/// line an entry, by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct ScopeText {
    pub sequence: u64,
    pub is_older: bool,
    pub entries: BTreeMap<String, String>,
}

pub type Content<T> = Result<T, Error>;

/// Opens the project as a command does that nobody can answer.
pub fn open(is_strict: bool) -> Content<Project> {
    let opening = Opening {
        is_strict,
        forgets: false,
        remembers: false,
        confirm: &|_| false,
    };
    Project::open(Site::find()?, &opening)
}

/// Everything that a scope holds.
pub fn scope_text(project: &Project, name: &ScopeName) -> Content<ScopeText> {
    let missing = || Error::new(Kind::Missing, name.file());
    let found = project.load(name)?.filter(|found| !found.is_gone);
    let found = found.ok_or_else(missing)?;
    let mut entries = BTreeMap::new();
    for (key, slot) in found.scope.iter() {
        let mut text = String::new();
        for entry in slot {
            let value = String::from_utf8_lossy(entry.value.expose());
            let (about, author) = (&entry.description, &entry.author);
            let (time, version, epoch) = (entry.time, entry.version, entry.epoch);
            let _ = write!(
                text,
                "{value:?} {about:?} {author} {time} {version} {epoch};"
            );
        }
        entries.insert(key.to_string(), text);
    }
    Ok(ScopeText {
        sequence: found.scope.sequence,
        is_older: found.is_older,
        entries,
    })
}

/// The scopes of the team's project, of both kinds.
pub fn scopes() -> Vec<ScopeName> {
    let mut scopes: Vec<_> = SCOPES
        .iter()
        .map(|(service, env)| ScopeName::values(service, env))
        .collect();
    scopes.push(ScopeName::values("app", "development").of_kind(ScopeKind::Files));
    scopes
}

/// The configuration, and then members and services, as they were accepted.
pub fn head_text(project: &Project) -> Content<[String; 2]> {
    let roster = &project.roster;
    let (id, epoch, sequence) = (&roster.project, roster.epoch, roster.sequence);
    let mut text = format!("{id} {epoch} {sequence} {:?}\n", roster.removed);
    for member in &roster.members {
        let public = HEX.encode(&member.public);
        let _ = writeln!(
            text,
            "{} {} {public} {:?}",
            member.id, member.name, member.grants
        );
    }
    let _ = writeln!(text, "{:?}", project.services()?);
    Ok([project.config.write(), text])
}

/// Who has asked to join. What they call themselves is vouched for by nobody (FORMAT 12).
pub fn requests_text(project: &Project) -> Content<String> {
    let mut text = String::new();
    for request in project.site.requests()? {
        let request = request?;
        let _ = writeln!(text, "{} {}", request.id, HEX.encode(&request.public));
    }
    Ok(text)
}

/// Everything that the project holds for this reader; `None` for a scope that it may not open.
pub fn project_text() -> Content<String> {
    let project = open(false)?;
    let mut text = head_text(&project)?.concat() + &requests_text(&project)?;
    for name in scopes() {
        let own = match scope_text(&project, &name) {
            Err(error) if error.kind == Kind::NoAccess => None,
            // How new a scope was that the device has seen is a note alone (FORMAT 11.4).
            own => Some(ScopeText {
                is_older: false,
                ..own?
            }),
        };
        let _ = writeln!(text, "{name} {own:?}");
    }
    Ok(text)
}
