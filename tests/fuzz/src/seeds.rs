//! The golden vectors, as far as inputs to begin with: each file of `tests/vectors` with its fields.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One vector: its directory, and its fields as bytes.
pub struct Vector {
    pub room: String,
    fields: Vec<(String, Vec<u8>)>,
}

impl Vector {
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let field = self.fields.iter().find(|field| field.0 == name);
        field.map(|(_, bytes)| bytes.clone())
    }

    /// True if a field of one line says this.
    pub fn says(&self, name: &str, value: &str) -> bool {
        self.bytes(name)
            .is_some_and(|bytes| bytes == value.as_bytes())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What is in a directory, in the order of the names.
fn below(path: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(path).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.collect()
}

/// All of them, in the order of their names.
pub fn vectors() -> Vec<Vector> {
    let directory = root().join("tests/vectors");
    let mut vectors = Vec::new();
    for room in below(&directory).into_iter().filter(|path| path.is_dir()) {
        for file in below(&room) {
            let text = fs::read_to_string(&file).expect("a vector");
            let room = room
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            vectors.push(Vector {
                room,
                fields: fields(&text),
            });
        }
    }
    vectors
}

/// `tests/vectors.rs` says how a vector is written.
fn fields(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (mark, rest) = line.split_at(1);
        let digits = || rest.split("  ").next().unwrap_or(rest);
        let part = match mark {
            "|" => [rest.as_bytes(), b"\n"].concat(),
            "!" => rest.as_bytes().to_vec(),
            "#" => unhex(digits()),
            "*" => {
                let (times, digits) = digits().split_once(' ').expect("* N HEX");
                unhex(digits).repeat(times.parse().expect("a number"))
            }
            _ => {
                let (name, value) = line.split_once(':').expect("name: value");
                fields.push((name.into(), value.strip_prefix(' ').unwrap_or("").into()));
                continue;
            }
        };
        fields
            .last_mut()
            .expect("a field before its lines")
            .1
            .extend(part);
    }
    fields
}

/// # Panics
/// For what is no hex.
pub fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).expect("hex"));
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
        .collect()
}

/// The words in these inputs, each once: what stands between blanks, quotes and line ends.
pub fn words(inputs: &[Vec<u8>]) -> Vec<Vec<u8>> {
    const WORDS_MAX: usize = 4000;
    let mut words = BTreeSet::new();
    for input in inputs.iter().filter(|input| input.len() < 32 * 1024) {
        let parts = input.split_inclusive(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        words.extend(
            parts
                .filter(|part| (2..=32).contains(&part.len()))
                .map(<[u8]>::to_vec),
        );
    }
    words.into_iter().take(WORDS_MAX).collect()
}

/// Short texts between quotes in the sources of the parsers, each once: what they look for.
pub fn literals() -> Vec<Vec<u8>> {
    const BYTES_MAX: usize = 24;
    let mut paths = ["format", "keys", "sync"]
        .map(|name| root().join("src").join(name))
        .to_vec();
    let mut literals = BTreeSet::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(below(&path));
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        for line in source.lines().filter(|line| !line.trim().starts_with("//")) {
            // What is not between two quotes is a word like others, and does no harm.
            let line = line
                .replace("\\\"", "\"")
                .replace("\\n", "\n")
                .replace("\\r", "\r");
            let parts = line.split('"').skip(1).step_by(2);
            let parts = parts.filter(|part| (1..=BYTES_MAX).contains(&part.len()));
            literals.extend(parts.map(|part| part.as_bytes().to_vec()));
        }
    }
    literals.into_iter().collect()
}
