//! Looks at all of a store, and changes nothing (`serve --check`).
//!
//! Promises: what it finds nothing wrong with is what PROTOCOL 7 says, byte for byte, but for what is
//! encrypted. Refuses a store that a server has open.

use crate::crypto::hash::Digest;
use crate::disk::{self, Pieces};
use crate::error::Result;
use crate::format::message::manifest::follow;
use crate::format::names::{NAME_BYTES_MAX, is_id};
use crate::format::request::{REQUEST_BYTES_MAX, Request};
use crate::format::text::decimal;
use crate::sync::store::audit::Line;
use crate::sync::store::revision::{self, Header, Revision, number_of};
use crate::sync::store::rollback::is_area;
use crate::sync::store::{DIRECTORIES, FORMAT, FORMAT_FILE, SEEN_FILE, damaged, tokens};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of the log that are looked at together.
const WINDOW_BYTES: usize = 1024 * 1024;

/// What was looked at, and what is wrong.
#[derive(Default)]
pub struct Report {
    /// Projects that were taken in.
    pub projects: usize,
    /// Revisions that are kept.
    pub revisions: usize,
    /// Blobs in them.
    pub blobs: usize,
    /// Tokens.
    pub tokens: usize,
    /// Lines of the audit log.
    pub lines: u64,
    /// What is wrong: paths below the store, and why; not yet safe for a terminal.
    pub problems: Vec<String>,
}

struct Check {
    root: PathBuf,
    report: Report,
}

/// Looks at all of a store.
///
/// # Errors
/// `Busy` if a server has it open; `Write` if it is not there.
pub fn check(root: &Path) -> Result<Report> {
    let _lock = disk::lock_within(root, Duration::ZERO)?;
    let mut check = Check { root: root.into(), report: Report::default() };
    check.top();
    let found = check.audit();
    check.note(Path::new("audit.log"), found);
    check.tokens();
    check.each(
        "pending",
        |name| is_id("kgp_", name),
        |_, path| {
            let name = disk::read(path, NAME_BYTES_MAX)?.unwrap_or_default();
            std::str::from_utf8(&name).map(|_| ()).map_err(|_| damaged(path))
        },
    );
    for id in check.each("projects", |name| is_id("kgp_", name), |_, _| Ok(())) {
        check.report.projects += 1;
        check.project(&id);
    }
    let is_deleted = |name: &str| {
        name.split_once('-')
            .is_some_and(|(time, id)| decimal::<u64>(time).is_some() && is_id("kgp_", id))
    };
    check.each("deleted", is_deleted, |_, _| Ok(()));
    Ok(check.report)
}

impl Check {
    fn problem(&mut self, below: &Path, why: &str) {
        self.report.problems.push(format!("{}: {why}", below.display()));
    }

    fn note(&mut self, below: &Path, found: Result<()>) {
        if let Err(error) = found {
            let kind = format!("{:?}", error.kind).to_lowercase();
            self.problem(below, if error.cause.is_empty() { &kind } else { &error.cause });
        }
    }

    /// Looks at each entry of a directory; gives back the names that belong there.
    fn each(
        &mut self,
        below: impl AsRef<Path>,
        is_known: impl Fn(&str) -> bool,
        look: impl Fn(&mut Report, &Path) -> Result<()>,
    ) -> Vec<String> {
        let below = below.as_ref();
        let entries = disk::list(&self.root.join(below)).unwrap_or_default();
        let mut names = Vec::new();
        for entry in entries.into_iter().filter(|entry| !disk::is_own(&entry.name)) {
            let path = below.join(&entry.name);
            if is_known(&entry.name) {
                let found = look(&mut self.report, &self.root.join(&path));
                self.note(&path, found);
                names.push(entry.name);
            } else {
                self.problem(&path, "it does not belong here");
            }
        }
        names
    }

    fn top(&mut self) {
        let known = |name: &str| {
            DIRECTORIES.contains(&name) || [FORMAT_FILE, SEEN_FILE, "audit.log"].contains(&name)
        };
        self.each("", known, |_, _| Ok(()));
        let format = disk::read(&self.root.join(FORMAT_FILE), FORMAT.len());
        if !matches!(format, Ok(Some(bytes)) if bytes == FORMAT) {
            self.problem(Path::new(FORMAT_FILE), "it is not the one of a store");
        }
    }

    fn audit(&mut self) -> Result<()> {
        let path = self.root.join("audit.log");
        let mut file = Pieces::open(&path)?.ok_or_else(|| damaged(&path))?;
        let (mut number, mut last, mut at) = (0, [0; 32], 0);
        while at < file.length() {
            let left = usize::try_from(file.length() - at).unwrap_or(usize::MAX);
            let bytes = file.read(at, left.min(WINDOW_BYTES))?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
            let whole = whole.ok_or_else(|| damaged(&path))?;
            let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| damaged(&path))?;
            for line in text.lines() {
                let line = Line::parse(line).filter(|line| line.follows(number, &last));
                let broken = || damaged(&path).because(format!("line {} is damaged", number + 1));
                let line = line.ok_or_else(broken)?;
                (number, last) = (line.number, line.hash);
            }
            at += whole as u64;
        }
        self.report.lines = number;
        Ok(())
    }

    fn tokens(&mut self) {
        let root = self.root.clone();
        self.each(
            "tokens",
            |name| is_id("kgt_", name),
            |report, path| {
                report.tokens += 1;
                let token = tokens::read(path)?;
                let project = root.join("projects").join(&token.project);
                let is_there = disk::is_directory(&project);
                is_there
                    .then_some(())
                    .ok_or_else(|| damaged(path).because("its project is not there"))
            },
        );
    }

    fn project(&mut self, id: &str) {
        let below = Path::new("projects").join(id);
        let known = ["name", "revisions", "chain", "mailbox", "undone", "rollback"];
        self.each(&below, |name| known.contains(&name), |_, _| Ok(()));
        let is_request =
            |name: &str| name.strip_suffix(".json").is_some_and(|id| is_id("kgm_", id));
        self.each(below.join("mailbox"), is_request, |_, path| {
            let bytes = disk::read(path, REQUEST_BYTES_MAX)?.unwrap_or_default();
            let request = Request::read(&path.to_string_lossy(), &bytes)?;
            path.ends_with(format!("{}.json", request.id))
                .then_some(())
                .ok_or_else(|| damaged(path))
        });
        for area in self.each(below.join("undone"), is_area, |_, _| Ok(())) {
            let is_number = |name: &str| number_of(name).is_some();
            self.each(below.join("undone").join(area), is_number, |_, _| Ok(()));
        }
        let is_number = |name: &str| number_of(name).is_some();
        let names = self.each(below.join("revisions"), is_number, |_, _| Ok(()));
        let found = self.revisions(id, &below, &names);
        self.note(&below, found);
    }

    /// The revisions of a project: chained from the first one that ever was, each with its blobs.
    fn revisions(&mut self, id: &str, below: &Path, names: &[String]) -> Result<()> {
        let chain = self.root.join(below).join("chain");
        let (mut dropped, mut previous) = (0, [0; 32]);
        let bytes = match Pieces::open(&chain)? {
            Some(mut file) => file.read(0, usize::try_from(file.length()).unwrap_or(usize::MAX))?,
            None => Vec::new(),
        };
        for link in bytes.as_chunks::<32>().0 {
            (dropped, previous) = (dropped + 1, follow(&previous, link));
        }
        let mut blobs = HashMap::new();
        let mut expected = dropped + 1;
        for number in names.iter().filter_map(|name| number_of(name)) {
            if number <= dropped {
                continue; // It would have been removed at the next start.
            }
            let path = revision::path(&self.root.join(below), number);
            let wrong = |why: &str| damaged(&path).because(format!("revision {number}: {why}"));
            if number != expected {
                return Err(wrong("the one before is not there"));
            }
            let file = Revision::open(&path)?;
            let manifest = file.manifest(id, number)?;
            if manifest.previous != previous {
                return Err(wrong("it does not follow from the one before"));
            }
            let (Header { blobs: listed, .. }, content) = file.content()?;
            blobs.extend(listed);
            self.report.blobs += content.len();
            let is_there = |(digest, size): (&Digest, &u32)| blobs.get(digest) == Some(size);
            if !manifest.files.iter().all(|file| is_there((&file.digest, &file.size))) {
                return Err(wrong("a blob of it is not there"));
            }
            previous = manifest.id();
            self.report.revisions += 1;
            expected += 1;
        }
        Ok(())
    }
}
