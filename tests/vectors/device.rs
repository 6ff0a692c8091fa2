//! Vectors of directory `device`, and those of `protocol` with an `op`: what needs files, modes, a working directory or variables. Each
//! runs in a process of its own, which is this test binary again.
//!
//! Inputs: `file PATH` and `mode PATH` below a new directory that holds `home` (`$KAGI_HOME`) and
//! `work`, `variable NAME`, and `op`. `DIR` in a variable is the new directory.

use crate::check::{entry_line, failure, scope_name};
use crate::world::hex;
use crate::{Outcome, Vector, committed, unhex};
use kagi::error::Error;
use kagi::keys::{self, Holder, Home};
use kagi::project::{Opening, Project, Site};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io::Write as _, process};

const VECTOR: &str = "KAGI_TEST_VECTOR";
const OUTCOME: &str = "outcome";
const CHECKOUT: &str = "/srv/app";

pub fn check(vector: &Vector) -> Outcome {
    let name = format!("kagi-{}-{}", vector.path.replace('/', "-"), process::id());
    let directory = env::temp_dir().join(name);
    lay_out(vector, &directory);
    let mut child = Command::new(env::current_exe().expect("this binary"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("KAGI_") {
            child.env_remove(name);
        }
    }
    for (name, field) in vector.all("variable ") {
        let value = field.line().replace("DIR", &directory.to_string_lossy());
        child.env(name, value);
    }
    let output = child
        .args(["--exact", "device::child"])
        .env("KAGI_HOME", directory.join("home"))
        .env(VECTOR, &vector.path)
        .current_dir(directory.join("work"))
        .output()
        .expect("it starts");
    let text = fs::read_to_string(directory.join(OUTCOME))
        .unwrap_or_else(|_| panic!("{}: {output:?}", vector.path));
    fs::remove_dir_all(&directory).expect("removed");
    read_outcome(&text)
}

fn lay_out(vector: &Vector, directory: &Path) {
    make_directory(&directory.join("home"));
    make_directory(&directory.join("work"));
    for (name, field) in vector.all("file ") {
        let path = directory.join(&name);
        make_directory(path.parent().expect("a parent"));
        let mode = vector.optional(&format!("mode {name}"));
        let mode = mode.map_or(0o600, |mode| u32::from_str_radix(&mode, 8).expect("octal"));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(mode).open(path);
        file.expect("a new file")
            .write_all(&field.bytes())
            .expect("written");
    }
}

fn make_directory(path: &Path) {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.expect("a directory");
}

/// The first line says `accept` or the kind of failure; then come names and outputs in hex.
fn write_outcome(outcome: &Outcome) -> String {
    match outcome {
        Err(kind) => format!("{kind}\n"),
        Ok(outputs) => {
            let outputs = outputs.iter();
            let lines = outputs.map(|(name, value)| {
                format!("{} {}\n", hex(name.as_bytes()), hex(value.as_bytes()))
            });
            format!("accept\n{}", lines.collect::<String>())
        }
    }
}

fn read_outcome(text: &str) -> Outcome {
    let mut lines = text.lines();
    match lines.next().expect("a line") {
        "accept" => Ok(lines
            .map(|line| line.split_once(' ').expect("name and output"))
            .map(|(name, value)| (unhexed(name), unhexed(value)))
            .collect()),
        kind => Err(kind.to_string()),
    }
}

fn unhexed(digits: &str) -> String {
    String::from_utf8(unhex(digits)).expect("text")
}

#[test]
fn child() {
    let Some(path) = env::var_os(VECTOR) else {
        return; // Only the parent gives it something to do.
    };
    let path = path.into_string().expect("ASCII");
    let vector = Vector::parse(&path, &committed()[&path]);
    let outcome = run(&vector).map_err(|error| failure(&error));
    fs::write(Path::new("..").join(OUTCOME), write_outcome(&outcome)).expect("written");
}

fn run(vector: &Vector) -> Result<Vec<(String, String)>, Error> {
    match vector.line("op").as_str() {
        "identity" => identity(),
        "identity of a founder" => identity_of_founder(),
        "holder" => holder(),
        "checkout" => checkout(),
        "remember checkout" => remember_checkout(&vector.line("project")),
        "open" => open(vector),
        "requests" => requests(),
        "request" => request(&vector.line("id")),
        #[cfg(feature = "server")]
        op if vector.room() == "protocol" => crate::check_protocol::kept(op, vector),
        other => panic!("no operation {other:?}"),
    }
}

fn identity() -> Result<Vec<(String, String)>, Error> {
    let identity = Home::find()?.identity()?;
    let id = identity.map_or("none".into(), |identity| identity.id);
    Ok(vec![("id".into(), id)])
}

fn identity_of_founder() -> Result<Vec<(String, String)>, Error> {
    Ok(vec![("id".into(), Home::find()?.identity_or_new()?.id)])
}

fn holder() -> Result<Vec<(String, String)>, Error> {
    let holder = match keys::holder_from_environment()? {
        None => "nobody".into(),
        Some(Holder::Member(identity)) => identity.id,
        Some(Holder::ProjectKey(_)) => "a project key".into(),
        Some(Holder::ScopeKey(_)) => "a scope key".into(),
    };
    Ok(vec![("holder".into(), holder)])
}

fn checkout() -> Result<Vec<(String, String)>, Error> {
    let project = Home::find()?.checkout(Path::new(CHECKOUT))?;
    Ok(vec![("project".into(), project.unwrap_or("none".into()))])
}

fn remember_checkout(project: &str) -> Result<Vec<(String, String)>, Error> {
    Home::find()?.set_checkout(Path::new(CHECKOUT), Some(project))?;
    let directory = PathBuf::from("../home/checkouts");
    let files = fs::read_dir(&directory).expect("it was made");
    Ok(files
        .map(|file| {
            let file = file.expect("an entry").path();
            let name = file.file_name().expect("a name").to_string_lossy();
            let text = fs::read_to_string(&file).expect("text");
            (format!("file checkouts/{name}"), text)
        })
        .collect())
}

/// The requests that are read, by id: each with its name, or with why it is refused.
fn requests() -> Result<Vec<(String, String)>, Error> {
    let requests = Site::find()?.requests()?.into_iter();
    Ok(requests
        .map(|request| match request {
            Ok(request) => (request.id, format!("is called {}", request.name)),
            Err(error) => ("refused".into(), failure(&error)),
        })
        .collect())
}

fn request(id: &str) -> Result<Vec<(String, String)>, Error> {
    let request = Site::find()?.request(id)?;
    Ok(vec![("name".into(), request.name)])
}

fn open(vector: &Vector) -> Result<Vec<(String, String)>, Error> {
    let site = Site::find()?;
    if let Some(project) = vector.optional("checkout") {
        Home::find()?.set_checkout(&site.root, Some(&project))?;
    }
    let opening = Opening {
        is_strict: vector.optional("strict").is_some(),
        remembers: true,
        forgets: false,
        confirm: &|_| false,
    };
    let project = Project::open(site, &opening)?;
    let mut outputs = Vec::new();
    if project.is_config_behind {
        outputs.push(("kagi.json is behind".into(), "yes".into()));
    }
    let found = project.load(&scope_name(&vector.line("scope")))?;
    let Some(found) = found else {
        return Ok(vec![("scope".into(), "none".into())]);
    };
    for (name, slot) in found.scope.iter() {
        let entries = slot.iter();
        outputs.extend(entries.map(|entry| (format!("key {name}"), entry_line(entry))));
    }
    if vector.optional("shows").is_some() {
        project.remember_seen()?;
        let pin = format!("../home/projects/{}/pin.json", project.access().project());
        let text = fs::read_to_string(pin).expect("a pin");
        outputs.push(("pin.json".into(), text));
    }
    Ok(outputs)
}
