//! What a disk may hold after a loss of power: a model of a POSIX file system, fed by `strace`.
//!
//! The model promises a program no more than POSIX does. What was written to a file is on the disk
//! after a sync of that file; before, none of it, a part, zeros in its place, or all. A name that was
//! made, changed or removed in a directory is so on the disk after a sync of that directory; before,
//! perhaps, and whatever became of others. Two things are taken as one step, as every journal does: a
//! rename, until one of its two directories is synced, and a file that is made with its mode.
//!
//! An order of its own makes nothing new: a step sets names or removes them, so what an order leaves a
//! name with is also left by the steps that are there at the end alone. Hence sets of steps are tried.
//!
//! Left out: a disk that lies about a sync, blocks that rot, and files changed through a mapping. A call
//! that the model does not know is a failure of the test, not a gap in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

/// So many steps that may or may not be on the disk are tried in all sets; of more: none, all, the
/// first ones, the last ones, each alone, all but each.
const STEPS_ALL: usize = 6;
/// So many states by the content of files are tried for one set of names; of more: one file after the
/// other, the others without or with all that was written.
const CONTENTS_ALL: usize = 64;

/// The calls that a record needs. Those after the first line are not modelled, and must not come.
pub const CALLS: &str = "trace=openat,?open,write,pwrite64,writev,lseek,fsync,fdatasync,ftruncate,\
    ?rename,renameat,renameat2,?unlink,unlinkat,?rmdir,?mkdir,mkdirat,?link,linkat,\
    sendto,sendmsg,\
    ?creat,truncate,pwritev,pwritev2,fallocate,copy_file_range,sendfile,splice,?chmod,fchmod,fchmodat,\
    ?symlink,symlinkat,?mknod,mknodat,sync,syncfs,sync_file_range";

/// A file or a directory, with its mode.
#[derive(Clone, PartialEq, Eq)]
pub enum Entry {
    Directory(u32),
    File(u32, Vec<u8>),
}

/// What is below a directory, by path.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// Reads what is at some places of a directory.
pub fn read_tree(root: &Path, places: &[&str]) -> Tree {
    let mut tree = Tree::new();
    let mut waiting: Vec<PathBuf> = places.iter().map(PathBuf::from).collect();
    while let Some(path) = waiting.pop() {
        let full = root.join(&path);
        let info = fs::symlink_metadata(&full).expect("a path that is there");
        let mode = info.permissions().mode() & 0o7777;
        if info.is_dir() {
            for entry in fs::read_dir(&full).expect("a readable directory") {
                waiting.push(path.join(entry.expect("an entry").file_name()));
            }
            tree.insert(path, Entry::Directory(mode));
        } else {
            let bytes = fs::read(&full).expect("a readable file");
            tree.insert(path, Entry::File(mode, bytes));
        }
    }
    tree
}

/// Puts a tree in the place of what is there.
pub fn write_tree(root: &Path, places: &[&str], tree: &Tree) {
    for place in places {
        let _ = fs::remove_dir_all(root.join(place));
    }
    for (path, entry) in tree {
        let path = root.join(path);
        match entry {
            Entry::Directory(mode) => {
                fs::create_dir(&path).expect("a directory");
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("a mode");
            }
            Entry::File(mode, bytes) => {
                let mut options = fs::OpenOptions::new();
                let file = options.write(true).create_new(true).mode(*mode).open(&path);
                std::io::Write::write_all(&mut file.expect("a file"), bytes).expect("a write");
            }
        }
    }
}

/// One call of a record.
pub enum Call {
    Open {
        path: PathBuf,
        mode: u32,
        is_emptied: bool,
    },
    Write {
        path: PathBuf,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        path: PathBuf,
        length: usize,
    },
    Sync(PathBuf),
    Make(PathBuf, u32),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    /// Something was said to somebody, who may rely on it from then on.
    Say,
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Call::Open { path, .. } => write!(out, "open {}", path.display()),
            Call::Write { path, at, bytes } => {
                write!(
                    out,
                    "write {} bytes at {at} of {}",
                    bytes.len(),
                    path.display()
                )
            }
            Call::Cut { path, length } => write!(out, "cut {} to {length}", path.display()),
            Call::Sync(path) => write!(out, "sync {}", path.display()),
            Call::Make(path, _) => write!(out, "mkdir {}", path.display()),
            Call::Remove(path) => write!(out, "remove {}", path.display()),
            Call::Rename(from, to) => write!(out, "rename {} {}", from.display(), to.display()),
            Call::Link(from, to) => write!(out, "link {} {}", from.display(), to.display()),
            Call::Say => write!(out, "an answer"),
        }
    }
}

/// Reads the log of `strace -f -y -xx -e status=successful`: all calls that change something below the
/// directory, and what is said over sockets.
pub struct Log<'a> {
    root: &'a Path,
    /// Where the program was started.
    here: &'a Path,
    /// Where the next write to a file goes; none where it goes to the end.
    places: BTreeMap<String, Option<usize>>,
    lengths: BTreeMap<PathBuf, usize>,
}

/// A line of a log: `call(arguments) = result`.
struct Line<'a> {
    name: &'a str,
    arguments: &'a str,
    result: &'a str,
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (_, call) = line.split_once(' ')?;
        let (name, rest) = call.trim_start().split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        Some(Line {
            name,
            arguments,
            result,
        })
    }

    /// What was written in quotes.
    fn strings(&self) -> Vec<Vec<u8>> {
        self.arguments
            .split('"')
            .skip(1)
            .step_by(2)
            .map(unescaped)
            .collect()
    }

    /// The paths of the descriptors, in order.
    fn descriptors(text: &str) -> Vec<PathBuf> {
        let parts = text.split('<').skip(1);
        let paths = parts.map(|part| unescaped(part.split('>').next().unwrap_or_default()));
        paths.map(path_of).collect()
    }

    /// The path of the descriptor that is the first argument; none for a socket.
    fn file(&self) -> Option<PathBuf> {
        let first = self.arguments.split(", ").next().unwrap_or_default();
        Line::descriptors(first).pop()
    }

    fn number(&self, at: usize, radix: u32) -> u32 {
        let argument = self.arguments.split(", ").nth(at).unwrap_or_default();
        u32::from_str_radix(argument.trim_end_matches(')'), radix).expect("a number")
    }

    /// The number of the descriptor at the start of a text.
    fn descriptor(text: &str) -> String {
        text.split('<').next().unwrap_or_default().into()
    }
}

fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes).expect("a path in UTF-8"))
}

/// The bytes of `\x61\x62`; any other symbol stands for itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if let Some(digits) = rest.strip_prefix(b"\\x") {
            let (digits, after) = digits.split_at(2);
            let digits = std::str::from_utf8(digits).expect("ASCII");
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

impl<'a> Log<'a> {
    pub fn new(root: &'a Path, here: &'a Path, tree: &Tree) -> Self {
        let length = |(path, entry): (&PathBuf, &Entry)| match entry {
            Entry::File(_, bytes) => Some((path.clone(), bytes.len())),
            Entry::Directory(_) => None,
        };
        Log {
            root,
            here,
            places: BTreeMap::new(),
            lengths: tree.iter().filter_map(length).collect(),
        }
    }

    /// A path below the directory, without `..`; none for one elsewhere.
    fn below(&self, path: &Path, from: &Path) -> Option<PathBuf> {
        let mut plain = PathBuf::new();
        for part in from.join(path).components() {
            match part {
                Component::ParentDir => drop(plain.pop()),
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        plain.strip_prefix(self.root).ok().map(Path::to_path_buf)
    }

    /// The path that a call names: relative to its descriptor, where it has one.
    fn named(&self, line: &Line, at: usize) -> Option<PathBuf> {
        let name = path_of(line.strings().into_iter().nth(at)?);
        let mut from = Line::descriptors(line.arguments).into_iter();
        let from = from.nth(at).unwrap_or(self.here.into());
        self.below(&name, &from)
    }

    /// The calls of a whole log.
    pub fn calls(mut self, text: &str) -> Vec<Call> {
        let lines = text.lines().filter_map(Line::of);
        lines.filter_map(|line| self.call(&line)).collect()
    }

    fn call(&mut self, line: &Line) -> Option<Call> {
        let opened = line
            .file()
            .and_then(|path| self.below(&path, Path::new("/")));
        match line.name {
            "open" | "openat" => self.open(line),
            "write" | "pwrite64" | "writev" => match opened {
                Some(path) => Some(self.write(line, path)),
                None => line
                    .arguments
                    .contains("<\\x73\\x6f\\x63\\x6b\\x65\\x74")
                    .then_some(Call::Say),
            },
            "sendto" | "sendmsg" => Some(Call::Say),
            "lseek" => {
                let at = line.result.trim().parse().expect("a place");
                self.places
                    .insert(Line::descriptor(line.arguments), Some(at));
                None
            }
            "fsync" | "fdatasync" => opened.map(Call::Sync),
            "ftruncate" => {
                let (path, length) = (opened?, line.number(1, 10) as usize);
                self.lengths.insert(path.clone(), length);
                Some(Call::Cut { path, length })
            }
            "mkdir" => Some(Call::Make(self.named(line, 0)?, line.number(1, 8))),
            "mkdirat" => Some(Call::Make(self.named(line, 0)?, line.number(2, 8))),
            "unlink" | "rmdir" | "unlinkat" => self.named(line, 0).map(Call::Remove),
            "rename" | "renameat" | "renameat2" => {
                let (from, to) = (self.named(line, 0), self.named(line, 1));
                let (from, to) = (from?, to.expect("a rename within the directory"));
                self.move_lengths(&from, &to);
                Some(Call::Rename(from, to))
            }
            "link" | "linkat" => {
                let (from, to) = (self.named(line, 0)?, self.named(line, 1)?);
                let length = self.lengths.get(&from).copied().unwrap_or_default();
                self.lengths.insert(to.clone(), length);
                Some(Call::Link(from, to))
            }
            other => {
                let is_here = opened.is_some() || self.named(line, 0).is_some();
                assert!(
                    !is_here,
                    "the model does not know {other}({})",
                    line.arguments
                );
                None
            }
        }
    }

    fn move_lengths(&mut self, from: &Path, to: &Path) {
        let old = std::mem::take(&mut self.lengths);
        let moved = |(path, length): (PathBuf, usize)| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => (to.to_path_buf(), length),
            Ok(rest) => (to.join(rest), length),
            Err(_) => (path, length),
        };
        // What it replaces comes first, so that what takes its place stays.
        let (moving, others): (Vec<_>, Vec<_>) = old
            .into_iter()
            .partition(|(path, _)| path.starts_with(from));
        self.lengths = others
            .into_iter()
            .chain(moving.into_iter().map(moved))
            .collect();
    }

    fn open(&mut self, line: &Line) -> Option<Call> {
        let path = self.named(line, 0)?;
        let has = |flag| line.arguments.contains(flag);
        let place = (!has("O_APPEND")).then_some(0);
        self.places.insert(Line::descriptor(line.result), place);
        if !has("O_CREAT") && !has("O_TRUNC") {
            return None;
        }
        let mode = if has("O_CREAT") {
            let last = line.arguments.split(", ").count() - 1;
            line.number(last, 8) & 0o755
        } else {
            0o600
        };
        let is_emptied = has("O_TRUNC");
        if is_emptied || !self.lengths.contains_key(&path) {
            self.lengths.insert(path.clone(), 0);
        }
        Some(Call::Open {
            path,
            mode,
            is_emptied,
        })
    }

    fn write(&mut self, line: &Line, path: PathBuf) -> Call {
        let count: usize = line.result.trim().parse().expect("a count");
        let mut bytes = line.strings().concat();
        assert!(bytes.len() >= count, "strace left bytes out");
        bytes.truncate(count);
        let length = self.lengths.entry(path.clone()).or_default();
        let at = if line.name == "pwrite64" {
            let last = line.arguments.trim_end_matches(')').rsplit(", ").next();
            last.and_then(|last| last.parse().ok()).expect("a place")
        } else {
            let place = self
                .places
                .entry(Line::descriptor(line.arguments))
                .or_default();
            let at = place.unwrap_or(*length);
            *place = place.map(|_| at + count);
            at
        };
        *length = (*length).max(at + count);
        Call::Write { path, at, bytes }
    }
}

/// A change of a file's content that no sync has followed.
#[derive(Clone)]
enum Edit {
    Write(usize, Vec<u8>),
    Cut(usize),
}

/// A file or directory, whatever it is called.
struct Node {
    mode: u32,
    is_directory: bool,
    /// What is surely on the disk.
    durable: Vec<u8>,
    edits: Vec<Edit>,
}

type Names = BTreeMap<(usize, String), usize>;
/// Names that are set or removed in one step.
type Step = Vec<(usize, String, Option<usize>)>;

/// The disk.
pub struct Disk {
    nodes: Vec<Node>,
    /// As the program sees them.
    names: Names,
    /// As they surely are on the disk.
    durable: Names,
    steps: Vec<Step>,
}

const ROOT: usize = 0;

fn apply(content: &mut Vec<u8>, edit: &Edit) {
    match edit {
        Edit::Cut(length) => content.resize(*length, 0),
        Edit::Write(at, bytes) => {
            let end = at + bytes.len();
            content.resize(content.len().max(end), 0);
            content[*at..end].copy_from_slice(bytes);
        }
    }
}

impl Node {
    fn content(&self, edits: &[Edit]) -> Vec<u8> {
        let mut content = self.durable.clone();
        for edit in edits {
            apply(&mut content, edit);
        }
        content
    }

    /// What may be in it, each once: first what surely is, last all that was written.
    fn contents(&self) -> Vec<Vec<u8>> {
        let mut contents = Vec::new();
        for count in 0..=self.edits.len() {
            let (before, after) = self.edits.split_at(count);
            contents.push(self.content(before));
            let Some(Edit::Write(at, bytes)) = after.first() else {
                continue;
            };
            let half = Edit::Write(*at, bytes[..bytes.len() / 2].to_vec());
            let zeros = Edit::Write(*at, vec![0; bytes.len()]);
            for part in [&half, &zeros] {
                contents.push(self.content(&[before, std::slice::from_ref(part)].concat()));
            }
            // A later block may be there without this one.
            contents.push(self.content(&[before, &[zeros], &after[1..]].concat()));
        }
        let last = contents.pop();
        let mut seen = BTreeSet::new();
        contents.retain(|one| Some(one) != last.as_ref() && seen.insert(one.clone()));
        contents.extend(last);
        contents
    }
}

impl Disk {
    /// One on which all of this is durable.
    pub fn new(tree: &Tree) -> Self {
        let mut disk = Disk {
            nodes: vec![Node {
                mode: 0o755,
                is_directory: true,
                durable: Vec::new(),
                edits: Vec::new(),
            }],
            names: Names::new(),
            durable: Names::new(),
            steps: Vec::new(),
        };
        for (path, entry) in tree {
            let (mode, is_directory, durable) = match entry {
                Entry::Directory(mode) => (*mode, true, Vec::new()),
                Entry::File(mode, bytes) => (*mode, false, bytes.clone()),
            };
            let id = disk.add(mode, is_directory);
            disk.nodes[id].durable = durable;
            let name = disk.name(path);
            disk.names.insert(name, id);
        }
        disk.durable = disk.names.clone();
        disk
    }

    fn add(&mut self, mode: u32, is_directory: bool) -> usize {
        self.nodes.push(Node {
            mode,
            is_directory,
            durable: Vec::new(),
            edits: Vec::new(),
        });
        self.nodes.len() - 1
    }

    /// What is at a path; none if it was removed.
    fn find(&self, path: &Path) -> Option<usize> {
        let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
        parts.try_fold(ROOT, |at, part| self.names.get(&(at, part)).copied())
    }

    /// The directory of a path, and its name in it.
    fn name(&self, path: &Path) -> (usize, String) {
        let parent = path.parent().and_then(|parent| self.find(parent));
        let name = path.file_name().unwrap_or_default();
        let parent = parent.unwrap_or_else(|| panic!("{} has no directory", path.display()));
        (parent, name.to_string_lossy().into_owned())
    }

    fn step(&mut self, changes: &[(&Path, Option<usize>)]) {
        let named = |(path, id): &(&Path, Option<usize>)| {
            let (parent, name) = self.name(path);
            (parent, name, *id)
        };
        let step: Step = changes.iter().map(named).collect();
        take(&mut self.names, &step);
        self.steps.push(step);
    }

    fn edit(&mut self, path: &Path, edit: Edit) {
        if let Some(id) = self.find(path) {
            self.nodes[id].edits.push(edit);
        }
    }

    /// What a call does.
    pub fn take(&mut self, call: &Call) {
        match call {
            Call::Open {
                path,
                mode,
                is_emptied,
            } => match self.find(path) {
                Some(_) if *is_emptied => self.edit(path, Edit::Cut(0)),
                Some(_) => {}
                None => {
                    let id = self.add(*mode, false);
                    self.step(&[(path, Some(id))]);
                }
            },
            Call::Write { path, at, bytes } => self.edit(path, Edit::Write(*at, bytes.clone())),
            Call::Cut { path, length } => self.edit(path, Edit::Cut(*length)),
            Call::Sync(path) => self.sync(path),
            Call::Make(path, mode) => {
                let id = self.add(mode & 0o755, true);
                self.step(&[(path, Some(id))]);
            }
            Call::Remove(path) => self.step(&[(path, None)]),
            Call::Rename(from, to) => {
                let id = self.find(from);
                assert!(id.is_some(), "{} is not there", from.display());
                self.step(&[(from, None), (to, id)]);
            }
            Call::Link(from, to) => {
                let id = self.find(from);
                self.step(&[(to, id)]);
            }
            Call::Say => {}
        }
    }

    fn sync(&mut self, path: &Path) {
        let Some(id) = self.find(path) else {
            return;
        };
        let node = &mut self.nodes[id];
        for edit in std::mem::take(&mut node.edits) {
            apply(&mut node.durable, &edit);
        }
        for step in &mut self.steps {
            let (synced, others) = step.drain(..).partition(|(parent, ..)| *parent == id);
            take(&mut self.durable, &synced);
            *step = others;
        }
        self.steps.retain(|step| !step.is_empty());
    }

    /// What the program sees.
    pub fn seen(&self) -> Tree {
        let whole = |node: &Node| node.content(&node.edits);
        self.tree(&self.names, &whole)
    }

    fn tree(&self, names: &Names, content: &dyn Fn(&Node) -> Vec<u8>) -> Tree {
        let mut tree = Tree::new();
        for (path, id) in reachable(names) {
            let node = &self.nodes[id];
            let entry = if node.is_directory {
                Entry::Directory(node.mode)
            } else {
                Entry::File(node.mode, content(node))
            };
            tree.insert(path, entry);
        }
        tree
    }

    /// True if a bound is passed, so that `states` gives some of what may be there, and not all.
    pub fn is_beyond_bounds(&self) -> bool {
        let dirty = self.nodes.iter().filter(|node| !node.edits.is_empty());
        let counts = dirty.map(|node| node.contents().len());
        let product = counts.fold(1_usize, usize::saturating_mul);
        self.steps.len() > STEPS_ALL || product > CONTENTS_ALL
    }

    /// Everything that may be on the disk now, within the bounds; some of it more than once.
    pub fn states(&self) -> Vec<Tree> {
        let mut states = Vec::new();
        for set in sets(self.steps.len()) {
            let mut names = self.durable.clone();
            for (step, is_there) in self.steps.iter().zip(set) {
                if is_there {
                    take(&mut names, step);
                }
            }
            self.by_content(&names, &mut states);
        }
        states
    }

    fn by_content(&self, names: &Names, states: &mut Vec<Tree>) {
        let ids: BTreeSet<_> = reachable(names).into_iter().map(|(_, id)| id).collect();
        let dirty: Vec<usize> = ids
            .into_iter()
            .filter(|id| !self.nodes[*id].edits.is_empty())
            .collect();
        let choices: Vec<_> = dirty.iter().map(|id| self.nodes[*id].contents()).collect();
        let counts: Vec<_> = choices.iter().map(Vec::len).collect();
        for picks in picks(&counts) {
            let mut tree = self.tree(names, &|node| node.content(&node.edits));
            for (path, id) in reachable(names) {
                if let Some(at) = dirty.iter().position(|one| *one == id) {
                    let content = choices[at][picks[at]].clone();
                    tree.insert(path, Entry::File(self.nodes[id].mode, content));
                }
            }
            states.push(tree);
        }
    }
}

/// Everything that has a name, by its path.
fn reachable(names: &Names) -> Vec<(PathBuf, usize)> {
    let (mut found, mut waiting) = (Vec::new(), vec![(PathBuf::new(), ROOT)]);
    while let Some((path, at)) = waiting.pop() {
        let below = names.range((at, String::new())..(at + 1, String::new()));
        for ((_, name), id) in below {
            found.push((path.join(name), *id));
            waiting.push((path.join(name), *id));
        }
    }
    found
}

fn take(names: &mut Names, step: &Step) {
    for (parent, name, id) in step {
        let name = (*parent, name.clone());
        match id {
            Some(id) => drop(names.insert(name, *id)),
            None => drop(names.remove(&name)),
        }
    }
}

/// The sets of so many steps that are tried.
fn sets(count: usize) -> Vec<Vec<bool>> {
    if count <= STEPS_ALL {
        let set = |bits: usize| (0..count).map(|at| bits >> at & 1 == 1).collect();
        return (0..1 << count).map(set).collect();
    }
    let mut sets = BTreeSet::new();
    for end in 0..=count {
        sets.insert((0..count).map(|at| at < end).collect());
        sets.insert((0..count).map(|at| at >= end).collect());
        sets.insert((0..count).map(|at| at == end).collect());
        sets.insert((0..count).map(|at| at != end).collect());
    }
    sets.into_iter().collect()
}

/// One choice for each file: all combinations, or one file after the other.
fn picks(counts: &[usize]) -> Vec<Vec<usize>> {
    let product = counts
        .iter()
        .try_fold(1_usize, |product, count| product.checked_mul(*count));
    if product.is_some_and(|product| product <= CONTENTS_ALL) {
        let more = |picks: Vec<Vec<usize>>, count: &usize| {
            let longer =
                |pick: Vec<usize>| (0..*count).map(move |one| [&pick[..], &[one]].concat());
            picks.into_iter().flat_map(longer).collect()
        };
        return counts.iter().fold(vec![Vec::new()], more);
    }
    let mut found = BTreeSet::new();
    let whole: Vec<_> = counts.iter().map(|count| count - 1).collect();
    for others in [vec![0; counts.len()], whole] {
        for (at, count) in counts.iter().enumerate() {
            for one in 0..*count {
                let mut pick = others.clone();
                pick[at] = one;
                found.insert(pick);
            }
        }
    }
    found.into_iter().collect()
}
