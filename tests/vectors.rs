//! Golden vectors of every format: `tests/vectors/*/*.txt`, each with one defect, or none.
//!
//! A vector is a text. First `rule:`, the rules of `docs/FORMAT.md` that decide (in `protocol` those of
//! `docs/PROTOCOL.md`); `expect:`, which is `accept`, or `reject` and a kind of failure (`none` where a reader gives no reason); `what:`, one
//! sentence. After a blank line the inputs, and for an accepted one the outputs after another. A
//! field is `name: value`, or `name:` and lines that make up its bytes:
//!
//! ```text
//! |text          this text and a line feed
//! !text          this text and no line feed
//! #00ff  note    these bytes in hex; two blanks begin a note
//! *100 00ff      these bytes, so many times
//! ```
//!
//! `KAGI_WRITE_VECTORS=1` writes the files; without it they must be, byte for byte, what
//! `make.rs` and `make_protocol.rs` make. `world.rs` and `world_protocol.rs` write every format a second time, from the document alone.

#[path = "vectors/check.rs"]
mod check;
#[cfg(feature = "server")]
#[path = "vectors/check_protocol.rs"]
mod check_protocol;
#[cfg(unix)]
#[path = "vectors/device.rs"]
mod device;
#[path = "vectors/limits.rs"]
mod limits;
#[path = "vectors/make.rs"]
mod make;
#[path = "vectors/make_messages.rs"]
mod make_messages;
#[path = "vectors/make_protocol.rs"]
mod make_protocol;
#[path = "vectors/world.rs"]
mod world;
#[path = "vectors/world_protocol.rs"]
mod world_protocol;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{env, fs};

/// How many vectors there are, so that none can vanish unseen.
const VECTORS: usize = 1015;

/// What a reader made of the inputs: the outputs by name, or the kind of its failure.
type Outcome = Result<Vec<(String, String)>, String>;

/// One field: its name, and its text as it stands in the file.
#[derive(Clone)]
struct Field {
    name: String,
    lines: Vec<String>,
}

/// One vector.
#[derive(Clone)]
struct Vector {
    /// `roster/unsorted`, from the place of its file.
    path: String,
    rule: String,
    expect: String,
    what: String,
    inputs: Vec<Field>,
    outputs: Vec<Field>,
}

impl Vector {
    fn new(path: &str, rule: &str, expect: &str, what: &str) -> Self {
        Vector {
            path: path.into(),
            rule: rule.into(),
            expect: expect.into(),
            what: what.into(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The directory, which says what reads the inputs.
    fn room(&self) -> &str {
        self.path.split('/').next().expect("split gives one part")
    }

    fn text(&self) -> String {
        let head = [
            ("rule", &self.rule),
            ("expect", &self.expect),
            ("what", &self.what),
        ];
        let mut text = String::new();
        for (name, value) in head {
            let _ = writeln!(text, "{name}: {value}");
        }
        for fields in [&self.inputs, &self.outputs] {
            if !fields.is_empty() {
                text.push('\n');
            }
            for field in fields {
                write_field(&mut text, field);
            }
        }
        text
    }

    fn parse(path: &str, text: &str) -> Self {
        let mut parts = text.split("\n\n");
        let head = parse_fields(parts.next().unwrap_or_default());
        let mut fields = || parts.next().map_or(Vec::new(), parse_fields);
        let (inputs, outputs) = (fields(), fields());
        assert!(parts.next().is_none(), "{path}: a fourth part");
        let line = |at: usize, name: &str| {
            let field = head.get(at).filter(|field| field.name == name);
            field
                .unwrap_or_else(|| panic!("{path}: no {name:?} in line {at}"))
                .line()
        };
        Vector {
            path: path.into(),
            rule: line(0, "rule"),
            expect: line(1, "expect"),
            what: line(2, "what"),
            inputs,
            outputs,
        }
    }

    fn find(&self, name: &str) -> Option<&Field> {
        self.inputs.iter().find(|field| field.name == name)
    }

    /// An input that must be there.
    fn line(&self, name: &str) -> String {
        self.optional(name)
            .unwrap_or_else(|| panic!("{}: no {name:?}", self.path))
    }

    /// An input that may be missing.
    fn optional(&self, name: &str) -> Option<String> {
        self.find(name).map(Field::line)
    }

    /// The bytes of an input that must be there.
    fn bytes(&self, name: &str) -> Vec<u8> {
        self.find(name)
            .unwrap_or_else(|| panic!("{}: no {name:?}", self.path))
            .bytes()
    }

    /// The inputs whose names begin like this, without that beginning.
    fn all(&self, prefix: &str) -> Vec<(String, &Field)> {
        let fields = self.inputs.iter();
        fields
            .filter_map(|field| Some((field.name.strip_prefix(prefix)?.to_string(), field)))
            .collect()
    }

    /// An input in hex.
    fn hex<const N: usize>(&self, name: &str) -> [u8; N] {
        let bytes = unhex(&self.line(name));
        bytes
            .try_into()
            .unwrap_or_else(|_| panic!("{}: {name:?} is no {N} bytes", self.path))
    }

    /// What is wrong; `None` if the library says what the vector expects.
    fn problem(&self) -> Option<String> {
        let found = self.outcome()?;
        let wanted: Outcome = match self.expect.strip_prefix("reject ") {
            Some(kind) => Err(kind.into()),
            None => Ok(self
                .outputs
                .iter()
                .map(|field| (field.name.clone(), field.string()))
                .collect()),
        };
        let (path, what) = (&self.path, &self.what);
        (found != wanted).then(|| format!("{path}: {what}\n  found {found:?}\n  not   {wanted:?}"))
    }

    /// `None` where this system, or a build without the server, cannot tell.
    fn outcome(&self) -> Option<Outcome> {
        let is_protocol = self.room() == "protocol";
        if is_protocol && cfg!(not(feature = "server")) {
            return None;
        }
        if self.room() != "device" && !(is_protocol && self.find("op").is_some()) {
            return Some(check::check(self));
        }
        #[cfg(unix)]
        return Some(device::check(self));
        #[cfg(not(unix))]
        return None;
    }
}

impl Field {
    fn line(&self) -> String {
        assert!(
            matches!(self.lines.as_slice(), [line] if line.starts_with(' ')),
            "{:?} has no single line",
            self.name
        );
        self.lines[0][1..].to_string()
    }

    /// The bytes of a block, or of a single line.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.lines {
            let rest = &line[1..];
            match line.as_bytes()[0] {
                b' ' | b'!' => bytes.extend(rest.bytes()),
                b'|' => bytes.extend(rest.bytes().chain([b'\n'])),
                b'#' => bytes.extend(unhex(without_note(rest))),
                b'*' => {
                    let (count, digits) = without_note(rest).split_once(' ').expect("* N HEX");
                    let count = count.parse().expect("a number");
                    bytes.extend(unhex(digits).repeat(count));
                }
                other => panic!("{:?}: a line begins with {other}", self.name),
            }
        }
        bytes
    }

    /// The bytes as text.
    fn string(&self) -> String {
        String::from_utf8(self.bytes()).unwrap_or_else(|_| panic!("{:?} is no text", self.name))
    }
}

fn without_note(line: &str) -> &str {
    line.split("  ").next().unwrap_or(line)
}

fn write_field(text: &mut String, field: &Field) {
    let _ = write!(text, "{}:", field.name);
    if !field
        .lines
        .first()
        .is_some_and(|line| line.starts_with(' '))
    {
        text.push('\n');
    }
    for line in &field.lines {
        let _ = writeln!(text, "{line}");
    }
}

fn parse_fields(text: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for line in text.lines() {
        if line.starts_with(['|', '!', '#', '*']) {
            let field = fields.last_mut().expect("a field before its lines");
            field.lines.push(line.to_string());
            continue;
        }
        let (name, value) = line.split_once(':').expect("name: value");
        let lines = if value.is_empty() {
            Vec::new()
        } else {
            vec![value.to_string()]
        };
        fields.push(Field {
            name: name.into(),
            lines,
        });
    }
    fields
}

fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.is_ascii() && digits.len().is_multiple_of(2));
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect()
}

// --- The files ---

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn directory() -> PathBuf {
    root().join("tests/vectors")
}

/// The committed vectors: `roster/unsorted` and its text. They are written first if that is asked.
fn committed() -> BTreeMap<String, String> {
    static WRITTEN: Once = Once::new();
    if env::var_os("KAGI_WRITE_VECTORS").is_some() {
        WRITTEN.call_once(|| write(&made()));
    }
    on_disk()
}

fn on_disk() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for room in fs::read_dir(directory()).expect("tests/vectors") {
        let room = room.expect("an entry").path();
        if !room.is_dir() {
            continue;
        }
        for file in fs::read_dir(&room).expect("a directory") {
            let file = file.expect("an entry").path();
            let below = file.strip_prefix(directory()).expect("below it");
            let path = below.with_extension("");
            let path = path.to_str().expect("ASCII").replace('\\', "/");
            files.insert(path, fs::read_to_string(&file).expect("text"));
        }
    }
    files
}

fn made() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for vector in make::all() {
        let text = vector.text();
        let again = Vector::parse(&vector.path, &text).text();
        assert_eq!(again, text, "{}: does not read back", vector.path);
        let double = files.insert(vector.path.clone(), text);
        assert!(double.is_none(), "{}: twice", vector.path);
    }
    files
}

fn write(files: &BTreeMap<String, String>) {
    for path in on_disk().keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(directory().join(path).with_extension("txt")).expect("removed");
    }
    for (path, text) in files {
        let file = directory().join(path).with_extension("txt");
        fs::create_dir_all(file.parent().expect("a parent")).expect("made");
        fs::write(file, text).expect("written");
    }
}

#[test]
fn the_files_are_what_the_generator_makes() {
    let (made, committed) = (made(), committed());
    let drifted: Vec<_> = made
        .keys()
        .chain(committed.keys())
        .filter(|path| made.get(*path) != committed.get(*path))
        .collect();
    assert!(drifted.is_empty(), "not as generated: {drifted:?}");
    assert_eq!(committed.len(), VECTORS, "vectors");
}

#[test]
fn every_vector_holds() {
    let committed = committed();
    let mut rooms: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    let mut problems = Vec::new();
    for (path, text) in &committed {
        let vector = Vector::parse(path, text);
        problems.extend(vector.problem());
        let accepts = usize::from(vector.expect == "accept");
        rooms.entry(vector.room().into()).or_default()[accepts] += 1;
    }
    for (room, [rejected, accepted]) in rooms {
        println!("{room:12} {accepted:3} accepted {rejected:3} rejected");
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert_eq!(committed.len(), VECTORS, "vectors");
}

/// Every example in the document is the input or output of a vector that is accepted.
#[test]
fn the_examples_of_the_document_are_vectors() {
    let document = fs::read_to_string(root().join("docs/FORMAT.md")).expect("docs/FORMAT.md");
    let mut known = Vec::new();
    for (path, text) in committed() {
        let vector = Vector::parse(&path, &text);
        if vector.expect == "accept" {
            let fields = vector.inputs.iter().chain(&vector.outputs);
            known.extend(fields.map(Field::bytes));
        }
    }
    let mut examples = 0;
    let document = document.replace("```scope\n", "```json\n");
    for block in document.split("\n```json\n").skip(1) {
        let example = block.split("```").next().unwrap_or_default();
        let is_known = known.iter().any(|bytes| bytes == example.as_bytes());
        assert!(is_known, "no vector holds this example:\n{example}");
        examples += 1;
    }
    assert_eq!(examples, 6, "examples");
}
