//! Bytes and lines: every bit, every length and every line of every file, and every line of other
//! files at every place. Reading fails and names the file, or gives exactly what was there before.

use super::{Content, is_its_turn, open, project_text, requests_text, scope_text, scopes};
use crate::common;
use kagi::error::{Error, Kind};
use kagi::format::scope_file::ScopeName;
use kagi::project::Project;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Of so many changes one is tried, unless everything is. A byte has nine: no factor of that.
const STRIDE: usize = 7;

/// A reader that is shown one change after the other.
struct Reader {
    /// To read single scopes and the requests with: the roster is accepted once.
    project: Project,
    root: PathBuf,
    whole: String,
    files: usize,
    count: usize,
    tried: usize,
    refused: usize,
    /// Of files that this reader may not open.
    shut: usize,
    bits: usize,
    lengths: usize,
    problems: Vec<String>,
}

/// All of it, as the reader whose environment this process has.
pub fn run(who: &str) {
    let root = env::current_dir().expect("a directory");
    let home = PathBuf::from(env::var_os("HOME").expect("a home"));
    let other = PathBuf::from(env::var_os(super::ROOT).expect("a world")).join("saved/other");
    let below = |directory: &Path| common::listing(directory).into_keys();
    let files = below(&root)
        .chain(below(&home))
        .filter(|path| path.is_file());
    let files: Vec<_> = files.collect();
    let mut reader = Reader::new(&root);
    for file in &files {
        reader.bits_and_lengths(file);
        reader.lines(file);
    }
    let is_scope = |file: &&PathBuf| scope_of(file).is_some();
    for to in files.iter().filter(is_scope) {
        for from in files.iter().filter(is_scope) {
            reader.moved_lines(from, to);
        }
    }
    // Files of another project of the same members, at the same and at other places.
    for to in files.iter().filter(|file| file.starts_with(&root)) {
        let same = other.join(to.strip_prefix(&root).expect("below it"));
        reader.moved_lines(&same, to);
        let elsewhere = other.join(".kagi/secrets/web/development.enc");
        if scope_of(to).is_some() && same != elsewhere {
            reader.moved_lines(&elsewhere, to);
        }
    }
    reader.files = files.len();
    reader.report(who);
}

/// The scope that a file holds.
fn scope_of(path: &Path) -> Option<ScopeName> {
    scopes()
        .into_iter()
        .find(|name| path.ends_with(name.file()))
}

impl Reader {
    fn new(root: &Path) -> Self {
        let whole = project_text().expect("a project that opens");
        let project = open(false).expect("a project that opens");
        Reader {
            project,
            root: root.into(),
            whole,
            files: 0,
            count: 0,
            tried: 0,
            refused: 0,
            shut: 0,
            bits: 0,
            lengths: 0,
            problems: Vec::new(),
        }
    }

    /// What is read of the part of the project that a file can change.
    fn read(&self, file: &Path) -> Content<String> {
        if file
            .parent()
            .is_some_and(|parent| parent.ends_with("requests"))
        {
            return requests_text(&self.project);
        }
        match scope_of(file) {
            None => project_text(),
            Some(name) => match scope_text(&self.project, &name) {
                Err(error) if error.kind == Kind::NoAccess => Ok(String::new()),
                text => Ok(format!("{:?}", text?)),
            },
        }
    }

    /// Reads with other bytes in a file; true if this one of the changes was tried.
    fn try_bytes(&mut self, file: &Path, original: &str, bytes: &[u8], what: &str) -> bool {
        self.count += 1;
        if !is_its_turn(self.count, STRIDE) {
            return false;
        }
        self.tried += 1;
        fs::write(file, bytes).expect("a written file");
        match self.read(file) {
            Ok(content) if content == original => self.shut += usize::from(content.is_empty()),
            Err(error) if self.is_named(file, &error) => self.refused += 1,
            other => {
                let file = file.display();
                self.problems.push(format!("{file} {what}: {other:?}"));
            }
        }
        true
    }

    /// True if an error names the file that was changed; or, if that is well formed, what does not fit
    /// it: the member's id, the roster, the project of the checkout.
    fn is_named(&self, file: &Path, error: &Error) -> bool {
        let own = file.strip_prefix(&self.root).unwrap_or(file);
        let is_roster = error.subject == ".kagi/access.json";
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_ours = file.starts_with(&self.root);
        error.subject == own.to_string_lossy()
            || match name.as_ref() {
                "kagi.json" => is_roster || error.kind == Kind::ForeignCheckout,
                "access.json" => error.kind == Kind::NotMember,
                "identity.json" => is_roster || error.kind == Kind::NotMember,
                "pin.json" => is_roster,
                _ => !is_ours && error.kind == Kind::ForeignCheckout,
            }
    }

    fn bits_and_lengths(&mut self, file: &Path) {
        let bytes = fs::read(file).expect("a readable file");
        let original = self.read(file).expect("a file as it was");
        let mut changed = bytes.clone();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                changed[at] ^= 1 << bit;
                let what = format!("byte {at}, bit {bit}");
                self.bits += usize::from(self.try_bytes(file, &original, &changed, &what));
                changed[at] = bytes[at];
            }
            let what = format!("cut to {at}");
            self.lengths += usize::from(self.try_bytes(file, &original, &bytes[..at], &what));
        }
        fs::write(file, bytes).expect("a written file");
    }

    /// Every line left out, doubled, or changed for the next one.
    fn lines(&mut self, file: &Path) {
        let text = fs::read_to_string(file).expect("a readable file");
        let original = self.read(file).expect("a file as it was");
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        for at in 0..lines.len() {
            let without = [&lines[..at], &lines[at + 1..]].concat().concat();
            let doubled = [&lines[..=at], &lines[at..]].concat().concat();
            let mut swapped = lines.clone();
            swapped.swap(at, (at + 1) % lines.len());
            for changed in [without, doubled, swapped.concat()] {
                self.try_bytes(file, &original, changed.as_bytes(), &format!("line {at}"));
            }
        }
        fs::write(file, text).expect("a written file");
    }

    /// Every line of one file at every place of another, beside and instead of its lines; and all of
    /// it. Of files of JSON, which no line of another file fits, only at the places near its own.
    fn moved_lines(&mut self, from: &Path, to: &Path) {
        let Ok(other) = fs::read_to_string(from) else {
            return; // The other project has no request.
        };
        let text = fs::read_to_string(to).expect("a readable file");
        let original = self.read(to).expect("a file as it was");
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        let is_scope = scope_of(to).is_some();
        for (number, line) in other.split_inclusive('\n').enumerate() {
            let near = |at: &usize| is_scope || at.abs_diff(number) < 4;
            for at in (0..=lines.len()).filter(near) {
                let beside = [&lines[..at], &[line], &lines[at..]].concat().concat();
                let after = lines.get(at + 1..).unwrap_or_default();
                let instead = [&lines[..at], &[line], after].concat().concat();
                for changed in [beside, instead] {
                    let what = format!("line {number} of {} at {at}", from.display());
                    self.try_bytes(to, &original, changed.as_bytes(), &what);
                }
            }
        }
        if from != to {
            self.try_bytes(to, &original, other.as_bytes(), "another file");
        }
        fs::write(to, text).expect("a written file");
    }

    fn report(self, who: &str) {
        let shown = self.problems.iter().take(20).cloned().collect::<Vec<_>>();
        assert!(
            shown.is_empty(),
            "{} problems\n{}",
            self.problems.len(),
            shown.join("\n")
        );
        assert_eq!(project_text().ok().as_ref(), Some(&self.whole));
        let Reader {
            files,
            tried,
            refused,
            shut,
            bits,
            lengths,
            ..
        } = self;
        assert!(refused > 0 && tried > 1000);
        let (lines, same) = (tried - bits - lengths, tried - refused - shut);
        common::say(&format!(
            "assured: tamper: {who}: {files} files, {bits} bits, {lengths} lengths, {lines} changes \
             of lines: {refused} refused by the file's name, {same} read the same, {shut} in scopes that are \
             not its own, no other"
        ));
    }
}
