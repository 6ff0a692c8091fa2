//! A store in the hands of somebody else: every bit and every length of every file of it, and of what
//! it answers. A pull by a device that has not seen it refuses, and writes nothing, or gives just the
//! state that was pushed; and `serve --check` finds every change that a hash tells.
//!
//! Not asked: to notice that lines at the end of the audit log are gone; and to find a change of a name,
//! which no hash covers and no member reads. Of an answer, the numbers around the state are not changed.

use super::{Fixture, ROOT, is_its_turn};
use crate::common::{self, Device, copy, identity_of};
use kagi::crypto::hash::hash;
use kagi::error::{Error, Kind, Result};
use kagi::format::message::token::Credential;
use kagi::keys::Home;
use kagi::keys::remote::KnownRemote;
use kagi::project::{Blobs, Files, Site};
use kagi::secret::Key;
use kagi::sync::client::{Exchange, Options, Remote};
use kagi::sync::handler;
use kagi::sync::protocol::{Operation, Pulled, Response};
use kagi::sync::remote::Server;
use kagi::sync::store::Store;
use kagi::sync::store::check::check;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Of so many changes one is tried, unless everything is. A byte has nine: no factor of that.
const STRIDE: usize = 11;
/// Long after everything here was pushed, so that nothing is dropped as too old.
const NOW: u64 = 1_800_000_000;

impl Fixture {
    /// A small project of Ada's, pushed twice to a store that has an administrator; and a device of hers
    /// that has seen nothing.
    pub fn make_store(&self) -> Device {
        let (at, store) = (
            self.world.directory("pushed"),
            self.world.root.join("store"),
        );
        let ada = &self.ada;
        let join = format!("project join --remote {}", store.display());
        for words in [
            "init --name Ada --no-git",
            "set KEY 1",
            &join,
            "push",
            "set KEY 2",
            "push",
        ] {
            ada.kagi(&at, words).ok();
        }
        let open = Store::open(&store, Key::new([0; 32]), true).expect("a store");
        let admin = Credential::new([7; 13], Key::new([7; 32]));
        open.add_admin(&admin, NOW).expect("a token");
        let desk = self.world.device("desk");
        super::make_private(&desk.kagi_home());
        let own = ada.kagi_home().join("identity.json");
        fs::copy(own, desk.kagi_home().join("identity.json")).expect("a copy");
        assert_eq!(identity_of(&desk).id, identity_of(ada).id);
        self.save(&desk.home, "desk");
        self.save(&at, "pushed");
        self.save(&store, "store");
        desk
    }
}

impl Fixture {
    /// A sample with the real program: a bit in the middle of each file, and the first half of it alone.
    pub fn try_store(&self, desk: &Device) {
        let (store, fresh) = (self.world.root.join("store"), self.world.directory("fresh"));
        let project = Site::at(&self.world.root.join("pushed")).claimed_project();
        let project = project.expect("a project");
        let pull = format!("pull --remote {} --project {project}", store.display());
        let check = format!("serve --check --store {}", store.display());
        let (mut tried, mut refused) = (0, 0);
        for (file, (_, bytes)) in common::listing(&store) {
            let has_hash = !file.ends_with("name") && !bytes.is_empty();
            if !has_hash {
                continue; // A directory, or what no member reads.
            }
            let mut flipped = bytes.clone();
            flipped[bytes.len() / 2] ^= 4;
            for changed in [&flipped[..], &bytes[..bytes.len() / 2]] {
                fs::write(&file, changed).expect("a written file");
                desk.kagi(&fresh, &check).fails(&["kagi: "]);
                let pulled = desk.kagi(&fresh, &pull);
                if pulled.code == Some(0) {
                    desk.kagi(&fresh, &format!("trust {}", identity_of(&self.ada).id))
                        .ok();
                    assert_eq!(desk.values(&fresh, ""), common::pairs("KEY=2"));
                    fs::remove_dir_all(fresh.join(".kagi")).expect("a project");
                } else {
                    pulled.fails(&["kagi: error: "]);
                    refused += 1;
                }
                assert_eq!(common::listing(&fresh).len(), 1, "something was written");
                tried += 1;
                fs::remove_dir_all(&store).expect("a store");
                copy(&self.world.root.join("saved/store"), &store);
            }
        }
        assert!(refused > 0);
        common::say(&format!(
            "assured: tamper: kagi serve --check found all of {tried} changes, kagi pull refused \
             {refused} of them and gave the same values after the others"
        ));
    }
}

// In a process of its own.

/// Asks a store that is opened for each request.
struct Local(PathBuf);

impl Server for Local {
    fn call(&mut self, _: Option<&Credential>, project: &str, what: Operation) -> Result<Response> {
        let store = Store::open(&self.0, Key::new([0; 32]), false)?;
        Ok(handler::local(&store, project, what, NOW))
    }

    fn address(&self) -> &'static str {
        "the store"
    }
}

/// Answers always the same.
struct Answers {
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
    revision: u64,
}

impl Server for Answers {
    fn call(&mut self, _: Option<&Credential>, _: &str, what: Operation) -> Result<Response> {
        let mut pulled = Pulled::default();
        pulled.standing.revision = self.revision;
        pulled.manifest.clone_from(&self.manifest);
        pulled.blobs.clone_from(&self.blobs);
        Ok(match what {
            Operation::Fetch { .. } => Response::Blobs(self.blobs.clone()),
            _ => Response::Pulled(pulled),
        })
    }

    fn address(&self) -> &'static str {
        "the server"
    }
}

struct Tampering {
    world: PathBuf,
    project: String,
    state: Files,
    number: usize,
    tried: usize,
    refused: usize,
    same: usize,
    found: usize,
    problems: Vec<String>,
}

pub fn run() {
    let world = PathBuf::from(env::var_os(ROOT).expect("a world"));
    let pushed = Site::at(&world.join("pushed"));
    let state = pushed.files(&mut Blobs::new()).expect("a state");
    let project = pushed.claimed_project().expect("a project");
    let problems = Vec::new();
    let (number, tried, refused, same, found) = (0, 0, 0, 0, 0);
    let mut tampering = Tampering {
        world,
        project,
        state,
        number,
        tried,
        refused,
        same,
        found,
        problems,
    };
    tampering.files();
    tampering.say("every bit and length of the files of a store", true);
    tampering.answers();
    tampering.say(
        "every bit and length of the manifest and the blobs that a server answers",
        false,
    );
}

impl Tampering {
    /// Pulls as a device that has seen nothing: what is here then, or why nothing is.
    fn pull(&self, server: &mut dyn Server) -> Result<Files> {
        let fresh = self.world.join("fresh");
        fs::create_dir_all(&fresh).expect("a directory");
        let known = KnownRemote::new("/a/store".into(), None);
        let remote = Remote {
            project: self.project.clone(),
            known,
            is_given: false,
        };
        let options = Options {
            accepts_older: false,
            choice: None,
            is_strict: false,
            confirm: &|_| false,
            waiting: &|| (),
            progress: &|_, _| (),
        };
        let (home, site) = (Home::find()?, Site::at(&fresh));
        let report = Exchange::new(Some(&home), &site, &remote, &options, server).pull();
        let pulled = report.and_then(|report| {
            let unverified = Error::new(Kind::Unauthentic, "not verified");
            if report.received.is_verified {
                site.files(&mut Blobs::new())
            } else {
                Err(unverified)
            }
        });
        if pulled.is_ok() {
            fs::remove_dir_all(fresh.join(".kagi")).expect("a project");
        }
        self.forget();
        assert_eq!(common::listing(&fresh).len(), 1, "something was written");
        pulled
    }

    /// The device, as if nothing had been pulled.
    fn forget(&self) {
        let home = PathBuf::from(env::var_os("HOME").expect("a home"));
        fs::remove_dir_all(&home).expect("a directory");
        copy(&self.world.join("saved/desk"), &home);
        super::make_private(&home.join("kagi"));
    }

    /// Judges a pull: refused, or the state that was pushed.
    fn judge(&mut self, what: &str, pulled: Result<Files>) {
        match pulled {
            // Not what this device's own disk refuses.
            Err(error) if ![Kind::Read, Kind::Write].contains(&error.kind) => self.refused += 1,
            Ok(files) if files == self.state => self.same += 1,
            other => self.problems.push(format!("{what}: it pulled {other:?}")),
        }
    }

    fn is_next(&mut self) -> bool {
        self.number += 1;
        let is_tried = is_its_turn(self.number, STRIDE);
        self.tried += usize::from(is_tried);
        is_tried
    }

    fn answers(&mut self) {
        let mut store = Local(self.world.join("store"));
        let pull = Operation::Pull {
            since: 0,
            member: String::new(),
        };
        let answer = store.call(None, &self.project, pull).expect("an answer");
        let Response::Pulled(Pulled {
            manifest,
            blobs,
            standing,
            ..
        }) = answer
        else {
            panic!("no state")
        };
        let revision = standing.revision;
        let parts = [vec![manifest], blobs].concat();
        for part in 0..parts.len() {
            for (what, bytes) in changes(&parts[part]) {
                if !self.is_next() {
                    continue;
                }
                let mut parts = parts.clone();
                parts[part] = bytes;
                let manifest = parts.remove(0);
                let pulled = self.pull(&mut Answers {
                    manifest,
                    blobs: parts,
                    revision,
                });
                self.judge(&format!("part {part}, {what}"), pulled);
            }
        }
        let (manifest, blobs) = (parts[0].clone(), parts[1..].to_vec());
        let whole = self.pull(&mut Answers {
            manifest,
            blobs,
            revision,
        });
        assert_eq!(whole.ok().as_ref(), Some(&self.state));
    }

    fn files(&mut self) {
        let root = self.world.join("store");
        let files = common::listing(&root).into_iter();
        let files: Vec<_> = files.filter(|(path, _)| path.is_file()).collect();
        let original = self.answer(&root).expect("a store that answers");
        for (file, (_, bytes)) in &files {
            for (what, changed) in changes(bytes) {
                if !self.is_next() {
                    continue;
                }
                fs::write(file, &changed).expect("a written file");
                let what = format!("{}, {what}", file.display());
                self.check(&what, &root, file, &changed);
                match self.answer(&root) {
                    None => self.refused += 1,
                    Some(answer) if answer == original => self.same += 1,
                    Some(_) => {
                        let pulled = self.pull(&mut Local(root.clone()));
                        self.judge(&what, pulled);
                    }
                }
                for (file, (_, bytes)) in &files {
                    if fs::read(file).ok().as_ref() != Some(bytes) {
                        fs::write(file, bytes).expect("a written file");
                    }
                }
            }
        }
    }

    /// `serve --check` names the file, unless no hash covers the change.
    fn check(&mut self, what: &str, root: &Path, file: &Path, bytes: &[u8]) {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let is_named = |problem: &String| {
            let number = name.trim_start_matches('0');
            problem.contains(&name) || problem.contains(&format!("revision {number}:"))
        };
        let report = check(root);
        let is_end = name == "audit.log" && (bytes.is_empty() || bytes.ends_with(b"\n"));
        match report {
            Ok(report) if report.problems.iter().any(is_named) => self.found += 1,
            Ok(report) if report.problems.is_empty() && (is_end || name == "name") => {}
            Ok(report) => self
                .problems
                .push(format!("{what}: checked: {:?}", report.problems)),
            Err(error) => self.problems.push(format!("{what}: checked: {error:?}")),
        }
    }

    /// A pull's answer, in bytes; `None` if there is none.
    fn answer(&self, root: &Path) -> Option<Vec<Vec<u8>>> {
        let pull = Operation::Pull {
            since: 0,
            member: String::new(),
        };
        match Local(root.into()).call(None, &self.project, pull) {
            Ok(Response::Pulled(pulled)) => {
                let standing = pulled.standing;
                let number = standing.revision.to_le_bytes().to_vec();
                let digests = vec![number, standing.id.to_vec(), hash(&pulled.sealed).to_vec()];
                Some([digests, vec![pulled.manifest], pulled.blobs].concat())
            }
            _ => None,
        }
    }

    fn say(&mut self, what: &str, is_checked: bool) {
        let shown: Vec<_> = self.problems.iter().take(10).cloned().collect();
        assert!(
            shown.is_empty(),
            "{} problems\n{}",
            self.problems.len(),
            shown.join("\n")
        );
        let Tampering {
            tried,
            refused,
            same,
            found,
            ..
        } = self;
        assert!(*refused > 0);
        let check = if is_checked {
            format!("; serve --check found {found}, the others are names and ends of the log")
        } else {
            String::new()
        };
        common::say(&format!(
            "assured: tamper: {what}: {tried} changes: {refused} refused by a pull, {same} gave the \
             same state, none another{check}"
        ));
        (*tried, *refused, *same, *found) = (0, 0, 0, 0);
    }
}

/// Every bit and every length.
fn changes(bytes: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> + '_ {
    (0..bytes.len()).flat_map(move |at| {
        (0..9).map(move |bit| {
            let mut changed = bytes.to_vec();
            if bit == 8 {
                changed.truncate(at);
                return (format!("cut to {at}"), changed);
            }
            changed[at] ^= 1 << bit;
            (format!("byte {at}, bit {bit}"), changed)
        })
    })
}
