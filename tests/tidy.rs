//! The house rules, as tests: who may import whom, who may touch files, processes and the
//! terminal, what may panic, and how long things may be.
//!
//! Every check is a function of a path and a text, and `mutants` shows that each one catches what
//! it is there for. The checks read text, not types: they split a file into code and comments,
//! take `#[cfg(test)] mod …` out, and look at the tokens that are left. Sizes with a goal are
//! printed; only limits fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

/// What each room may import. `a::b` opens one module of room `a`; `*` is every room. A room may
/// always import itself. A file's room is its first directory or its name; below `sync`, the second.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("secret", &["error"]),
    ("crypto", &["secret", "error"]),
    ("format", &["crypto", "secret", "error"]),
    ("scope", &["format", "crypto", "secret", "error"]),
    ("team", &["format", "crypto", "secret", "error"]),
    ("disk", &["secret", "error"]),
    ("process", &["secret", "error"]),
    ("terminal", &["secret", "error"]),
    (
        "keys",
        &["format", "crypto", "disk", "process", "secret", "error"],
    ),
    (
        "project",
        &[
            "scope", "team", "keys", "format", "disk", "process", "crypto", "secret", "error",
        ],
    ),
    ("sync", &[]),
    ("sync::protocol", MESSAGES),
    (
        "sync::channel",
        &[
            "format::message",
            "format::bytes",
            "crypto",
            "secret",
            "error",
        ],
    ),
    ("sync::http", &["error"]),
    ("sync::store", SERVER),
    ("sync::handler", SERVER),
    ("sync::server", SERVER),
    (
        "sync::remote",
        &[
            "sync::protocol",
            "sync::channel",
            "sync::http",
            "sync::store",
            "sync::handler",
            "format::message",
            "format::text",
            "crypto",
            "disk",
            "process",
            "secret",
            "error",
        ],
    ),
    (
        "sync::client",
        &[
            "sync::protocol",
            "sync::channel",
            "sync::remote",
            "format",
            "crypto",
            "scope",
            "team",
            "keys",
            "project",
            "disk",
            "secret",
            "error",
        ],
    ),
    ("cli", &["*"]),
];

/// What a message is made of.
const MESSAGES: &[&str] = &[
    "format::message",
    "format::bytes",
    "crypto::hash",
    "secret",
    "error",
];

/// The server's side: nothing in this list can open a scope.
const SERVER: &[&str] = &[
    "sync::store",
    "sync::handler",
    "sync::server",
    "sync::protocol",
    "sync::channel",
    "sync::http",
    "format::message",
    "format::bytes",
    "format::names",
    "format::request",
    "format::text",
    "disk",
    "crypto::hash",
    "crypto::random",
    "secret",
    "error",
];

/// The rooms that an auditor reads, and what of them is left out.
const AUDIT_CORE: &[&str] = &[
    "error", "secret", "crypto", "format", "scope", "team", "keys", "disk", "project",
];
const AUDIT_CORE_WITHOUT: &[&str] = &["format::message", "format::dotenv"];

const DEPENDENCIES: &[&str] = &[
    "blake3",
    "chacha20poly1305",
    "getrandom",
    "lexopt",
    "miniserde",
    "x25519-dalek",
    "zeroize",
];

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "tests",
    "scripts",
    "docs",
    "README.md",
    "LICENSE",
    ".gitignore",
    ".ci",
    ".github",
];

/// Methods of `std::path::Path` that look at the disk.
const PATH_METHODS: &[&str] = &[
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "metadata",
    "symlink_metadata",
    "canonicalize",
    "read_dir",
    "read_link",
];
const PRINT_MACROS: &[&str] = &["println", "eprintln", "print", "eprint", "dbg"];
const PANIC_METHODS: &[&str] = &["unwrap", "expect", "unwrap_err", "expect_err"];
const PANIC_MACROS: &[&str] = &["panic", "unreachable", "todo", "unimplemented"];

/// A comment with fewer words gives no reason.
const REASON_WORDS_MIN: usize = 3;

const SRC_LINES_GOAL: usize = 8_000;
const AUDIT_CORE_LINES_GOAL: usize = 2_800;
const CRATES_GOAL: usize = 42;
const FUNCTION_LINES_GOAL: usize = 50;
const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

type Check = fn(&Source) -> Vec<String>;

const CHECKS: &[Check] = &[
    header,
    file_length,
    function_lengths,
    imports,
    main_names,
    hidden_code,
    file_access,
    child_processes,
    printing,
    json_library,
    panics,
    no_unsafe,
];

#[test]
fn every_source_file_keeps_the_rules() {
    let files = sources();
    let found = files
        .iter()
        .flat_map(|file| CHECKS.iter().flat_map(move |check| check(file)));
    none(&found.collect::<Vec<_>>());
}

#[test]
fn the_dependencies_are_the_seven() {
    none(&manifest(&read("Cargo.toml")));
}

#[test]
fn the_top_level_holds_nothing_else() {
    if !root().join(".git").exists() {
        return say("tidy: no Git repository here, the top level is not checked\n");
    }
    none(&top_level(&output(Command::new("git").arg("ls-files"))));
}

#[test]
fn citations_and_rules_of_the_format_agree() {
    if !root().join("docs/FORMAT.md").exists() {
        return say("tidy: no docs/FORMAT.md yet, its citations are not checked\n");
    }
    for document in ["FORMAT", "PROTOCOL"] {
        let cited = |text: &str| citations(text, document);
        let mut covering = cited_below("src", cited);
        // The vectors of the protocol have a directory of their own.
        let is_its_own = |cited: &Cited| {
            cited.place.starts_with("tests/vectors/protocol/") == (document == "PROTOCOL")
        };
        let vectors = cited_below("tests/vectors", vector_rules);
        covering.extend(vectors.into_iter().filter(is_its_own));
        let mut others = cited_below("tests", cited);
        others.retain(|cited| !cited.place.starts_with("tests/tidy.rs:"));
        let path = format!("docs/{document}.md");
        none(&document_rules(&path, &read(&path), &covering, &others));
    }
}

#[test]
fn sizes_beside_their_goals() {
    let files = sources();
    let mut table = size_table(&files);
    let tree = Command::new(std::env::var("CARGO").unwrap_or("cargo".into()))
        .args(["tree", "--prefix", "none", "-e", "normal"])
        .args(["--all-features", "--locked", "--offline"])
        .current_dir(root())
        .output();
    match tree {
        Ok(tree) if tree.status.success() => {
            let count = crates(&String::from_utf8_lossy(&tree.stdout));
            let _ = writeln!(
                table,
                "{:24}{count:>6}   goal {CRATES_GOAL}",
                "crates besides kagi"
            );
        }
        _ => table.push_str("crates: cargo tree gave no answer\n"),
    }
    say(&table);
}

// The repository.

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let bytes = fs::read(root().join(path)).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn output(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().expect("it starts");
    assert!(output.status.success(), "{command:?} failed");
    String::from_utf8(output.stdout).expect("paths are UTF-8")
}

/// All files below a directory, as sorted paths from the root; none if there is no directory.
fn files_below(directory: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root().join(directory)) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.expect("a readable directory");
        let path = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The files below `src`, without those that a `#[cfg(test)] mod …;` names.
fn sources() -> Vec<Source> {
    let files: Vec<_> = files_below("src")
        .into_iter()
        .filter(|path| Path::new(path).extension().is_some_and(|end| end == "rs"))
        .map(|path| Source::new(path.trim_start_matches("src/"), &read(&path)))
        .collect();
    let tests: Vec<_> = files.iter().flat_map(|file| file.tests.clone()).collect();
    assert!(!files.is_empty(), "no files below src");
    let is_test = |file: &Source| tests.iter().any(|test| file.module().starts_with(test));
    files.into_iter().filter(|file| !is_test(file)).collect()
}

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Prints past the test harness, which swallows `println!` of a test that passes.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

// Rust, as far as the checks need it.

/// A file below `src`, split up.
struct Source {
    /// Without `src/`.
    path: String,
    lines: Vec<Line>,
    /// Only those outside tests.
    tokens: Vec<Token>,
    /// The modules that `#[cfg(test)] mod …;` names.
    tests: Vec<Vec<String>>,
}

struct Line {
    /// Literals are filled with `"`.
    code: String,
    comment: String,
    test: bool,
}

struct Token {
    text: String,
    line: usize,
}

/// A path as it is written, with `use` trees spread out.
struct Named {
    parts: Vec<String>,
    line: usize,
    /// How many `mod … {` it stands in.
    inline: usize,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let (code, comments) = split(text);
        let mut lines: Vec<_> = code
            .lines()
            .zip(comments.lines())
            .map(|(code, comment)| Line {
                code: code.to_string(),
                comment: comment.trim().to_string(),
                test: false,
            })
            .collect();
        let mut tokens = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            tokens_of(&line.code, index + 1, &mut tokens);
        }
        let mut file = Source {
            path: path.to_string(),
            lines: Vec::new(),
            tokens: Vec::new(),
            tests: Vec::new(),
        };
        file.take_tokens(tokens, &mut lines);
        file.lines = lines;
        file
    }

    /// Keeps the tokens outside test modules and marks the lines of those inside.
    fn take_tokens(&mut self, tokens: Vec<Token>, lines: &mut [Line]) {
        let mut inside = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let Some((count, name)) = test_module(&tokens[at..]) else {
                at += 1;
                continue;
            };
            let last = &tokens[at + count - 1];
            for line in &mut lines[tokens[at].line - 1..last.line] {
                line.test = true;
            }
            if last.text == ";" {
                let mut module = self.module();
                module.push(name);
                self.tests.push(module);
            }
            inside.push(at..at + count);
            at += count;
        }
        let is_kept = |at: usize| !inside.iter().any(|test| test.contains(&at));
        let kept = tokens
            .into_iter()
            .enumerate()
            .filter(|(at, _)| is_kept(*at));
        self.tokens = kept.map(|(_, token)| token).collect();
    }

    fn module(&self) -> Vec<String> {
        let path = self.path.trim_end_matches(".rs");
        let mut parts: Vec<_> = path.split('/').map(String::from).collect();
        if ["mod", "lib", "main"].contains(&parts[parts.len() - 1].as_str()) {
            parts.pop();
        }
        parts
    }

    /// `crypto`, `sync::store`; `lib` and `main` are rooms of their own.
    fn room(&self) -> String {
        match self.module().as_slice() {
            [] => self.path.trim_end_matches(".rs").to_string(),
            [first, second, ..] if first == "sync" => format!("{first}::{second}"),
            [first, ..] => first.clone(),
        }
    }

    fn problem(&self, line: usize, what: &str) -> String {
        format!("src/{}:{line}: {what}", self.path)
    }

    fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// `name!`, and not `name != …`.
    fn is_macro(&self, index: usize, names: &[&str]) -> bool {
        names.contains(&self.text(index))
            && self.text(index + 1) == "!"
            && self.text(index + 2) != "="
    }

    /// A reason stands at the end of the line, or in the comment right above it.
    fn has_reason(&self, line: usize) -> bool {
        let mut reason = self.lines[line - 1].comment.clone();
        for above in self.lines[..line - 1].iter().rev() {
            if above.comment.is_empty() || is_doc(&above.comment) {
                break;
            }
            reason.insert_str(0, &format!("{} ", above.comment));
            if !above.code.trim().is_empty() {
                break;
            }
        }
        let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
        reason.split_whitespace().filter(is_word).count() >= REASON_WORDS_MIN
    }

    fn code_lines(&self) -> usize {
        let counts = |line: &&Line| !line.test && !line.code.trim().is_empty();
        self.lines.iter().filter(counts).count()
    }
}

fn is_doc(comment: &str) -> bool {
    ["///", "//!", "/**", "/*!"]
        .iter()
        .any(|open| comment.starts_with(open))
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// The text twice, line for line: its code with literals filled, and its comments.
fn split(text: &str) -> (String, String) {
    let (mut code, mut comments) = (String::new(), String::new());
    let mut rest = text;
    while !rest.is_empty() {
        let (length, part) = next_part(rest);
        for char in rest[..length].chars() {
            let blank = if char == '\n' { '\n' } else { ' ' };
            let filled = if char.is_whitespace() { blank } else { '"' };
            code.push(match part {
                Part::Code => char,
                Part::Comment => blank,
                Part::Literal => filled,
            });
            let is_comment = part == Part::Comment;
            comments.push(if is_comment { char } else { blank });
        }
        rest = &rest[length..];
    }
    (code, comments)
}

fn next_part(rest: &str) -> (usize, Part) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Part::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Part::Comment);
    }
    if let Some(length) = literal(rest) {
        return (length, Part::Literal);
    }
    let first = rest.chars().next().map_or(0, char::len_utf8);
    (word(rest).max(first), Part::Code)
}

fn word(rest: &str) -> usize {
    rest.find(|char: char| !char.is_alphanumeric() && char != '_')
        .unwrap_or(rest.len())
}

fn block_comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if rest[at..].starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a string or character literal that `rest` begins with; a lifetime is none.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"]
        .into_iter()
        .find(|prefix| rest.starts_with(prefix))
        .unwrap_or("");
    let body = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = body.len() - body.trim_start_matches('#').len();
        let inside = body[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let length = inside
            .find(&close)
            .map_or(inside.len(), |at| at + close.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    let mut chars = body.chars();
    match (chars.next()?, chars.next(), chars.next()) {
        ('"', ..) | ('\'', Some('\\'), _) | ('\'', Some(_), Some('\'')) => {}
        _ => return None,
    }
    Some(prefix.len() + quoted(body))
}

/// The length of a literal in quotes, with its quotes.
fn quoted(body: &str) -> usize {
    let mut chars = body.char_indices();
    let quote = chars.next().map(|(_, char)| char);
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if Some(char) == quote {
            return at + 1;
        }
    }
    body.len()
}

/// Words, `::`, and every other character by itself.
fn tokens_of(code: &str, line: usize, into: &mut Vec<Token>) {
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let double = if rest.starts_with("::") { 2 } else { 0 };
        let length = word(rest).max(double).max(first.len_utf8());
        let text = rest[..length].to_string();
        into.push(Token { text, line });
        rest = rest[length..].trim_start();
    }
}

/// The number of tokens and the name, if the tokens begin with `#[cfg(test)] mod …`.
fn test_module(tokens: &[Token]) -> Option<(usize, String)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    if !(0..attribute.len()).all(|at| text(at) == attribute[at]) {
        return None;
    }
    let mut at = attribute.len();
    while text(at) == "#" {
        at = closing(tokens, at + 1) + 1;
    }
    if text(at) == "pub" {
        at += 1;
        if text(at) == "(" {
            at = closing(tokens, at) + 1;
        }
    }
    let name = text(at + 1).to_string();
    match (text(at), text(at + 2)) {
        ("mod", "{") => Some((closing(tokens, at + 2) + 1, name)),
        ("mod", ";") => Some((at + 3, name)),
        _ => None,
    }
}

/// Where the bracket at `open` closes.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len() - 1
}

fn paths(file: &Source) -> Vec<Named> {
    let mut found = Vec::new();
    let (mut at, mut depth, mut inline) = (0, 0, Vec::new());
    while at < file.tokens.len() {
        let (text, next) = (file.text(at), file.text(at + 1));
        if text == "use" || (word(text) > 0 && next == "::") {
            let first = found.len();
            at = tree(file, at + usize::from(text == "use"), &[], &mut found);
            for named in &mut found[first..] {
                named.inline = inline.len();
            }
            continue;
        }
        match text {
            "mod" if file.text(at + 2) == "{" => inline.push(depth),
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|outer| *outer == depth);
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Spreads out the path or `use` tree at `at`; returns where it ends.
fn tree(file: &Source, mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut parts = before.to_vec();
    let mut named_at = None;
    loop {
        let text = file.text(at);
        if text == "{" {
            return group(file, at, &parts, found);
        }
        if text != "::" {
            if text != "*" && word(text) == 0 {
                break;
            }
            if text != "self" || parts.is_empty() {
                parts.push(text.to_string());
            }
            named_at = Some(at);
            if file.text(at + 1) != "::" {
                at += 1;
                break;
            }
        }
        at += 1;
    }
    if let Some(last) = named_at {
        found.push(Named {
            parts,
            line: file.tokens[last].line,
            inline: 0,
        });
    }
    at
}

/// Spreads out each tree between braces, under one beginning.
fn group(file: &Source, open: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let end = closing(&file.tokens, open);
    let mut at = open + 1;
    while at < end {
        at = tree(file, at, before, found);
        while at < end && file.text(at) != "," {
            at += 1;
        }
        at += 1;
    }
    end + 1
}

/// A path from the root of this crate; `None` for a path that begins elsewhere.
fn resolve(file: &Source, named: &Named) -> Option<Vec<String>> {
    if !["crate", "self", "super"].contains(&named.parts[0].as_str()) {
        return None;
    }
    let mut path = file.module();
    path.extend((0..named.inline).map(|_| "inline".to_string()));
    for part in &named.parts {
        match part.as_str() {
            "crate" => path.clear(),
            "self" => {}
            "super" => drop(path.pop()),
            name => path.push(name.to_string()),
        }
    }
    Some(path)
}

struct Function {
    name: String,
    line: usize,
    length: usize,
}

fn functions(file: &Source) -> Vec<Function> {
    let mut found = Vec::new();
    for at in 0..file.tokens.len() {
        if file.text(at) != "fn" || word(file.text(at + 1)) == 0 {
            continue;
        }
        let mut body = at;
        while !["{", ";", ""].contains(&file.text(body)) {
            if ["(", "["].contains(&file.text(body)) {
                body = closing(&file.tokens, body);
            }
            body += 1;
        }
        if file.text(body) == "{" {
            let line = file.tokens[at].line;
            let end = file.tokens[closing(&file.tokens, body)].line;
            found.push(Function {
                name: file.text(at + 1).to_string(),
                line,
                length: end - line + 1,
            });
        }
    }
    found
}

// The checks of one file.

fn header(file: &Source) -> Vec<String> {
    let opens = file.lines.first().map_or("", |line| &line.comment);
    if opens.starts_with("//!") {
        return Vec::new();
    }
    vec![file.problem(1, "the file does not open with `//!`")]
}

fn file_length(file: &Source) -> Vec<String> {
    let count = file.lines.iter().filter(|line| !line.test).count();
    if count <= FILE_LINES_MAX {
        return Vec::new();
    }
    let what = format!("{count} lines without tests, at most {FILE_LINES_MAX}");
    vec![file.problem(1, &what)]
}

fn function_lengths(file: &Source) -> Vec<String> {
    functions(file)
        .iter()
        .filter(|function| function.length > FUNCTION_LINES_MAX)
        .map(|Function { name, line, length }| {
            let what = format!("`{name}` has {length} lines, at most {FUNCTION_LINES_MAX}");
            file.problem(*line, &what)
        })
        .collect()
}

fn imports(file: &Source) -> Vec<String> {
    let own = file.room();
    if own == "lib" || own == "main" {
        return Vec::new();
    }
    let Some((_, allowed)) = IMPORTS.iter().find(|(room, _)| *room == own) else {
        return vec![file.problem(1, &format!("the import table has no room `{own}`"))];
    };
    let mut problems = Vec::new();
    for named in paths(file) {
        if let Some(target) = resolve(file, &named)
            && !may_import(&own, allowed, &target.join("::"))
        {
            let what = format!("`{own}` may not import `crate::{}`", target.join("::"));
            problems.push(file.problem(named.line, &what));
        }
    }
    problems
}

fn may_import(own: &str, allowed: &[&str], target: &str) -> bool {
    let below = |prefix: &str| {
        target
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    below(own)
        || allowed.iter().any(|allowed| match *allowed {
            "*" => IMPORTS.iter().any(|(room, _)| below(room)),
            one => below(one),
        })
}

/// `main.rs` has no modules and no dependencies of its own: it names `kagi` and `std`.
fn main_names(file: &Source) -> Vec<String> {
    let is_main = file.room() == "main";
    let mut problems = Vec::new();
    for (at, token) in file.tokens.iter().enumerate() {
        let library = token.text.replace('_', "-");
        let begins = file.text(at + 1) == "::" && (at == 0 || file.text(at - 1) != "::");
        let own = begins && ["crate", "super", "self"].contains(&library.as_str());
        if is_main && (own || library == "mod" || DEPENDENCIES.contains(&library.as_str())) {
            let what = format!("main.rs may name only `kagi`, not `{}`", token.text);
            problems.push(file.problem(token.line, &what));
        }
    }
    problems
}

/// What would bring code in, or name it, past the other checks.
fn hidden_code(file: &Source) -> Vec<String> {
    let hides = |at: usize| match [file.text(at), file.text(at + 1), file.text(at + 2)] {
        ["extern", "crate", _] => Some("`extern crate`"),
        ["[", "path", "="] => Some("`#[path]`"),
        ["include", "!", _] => Some("`include!`"),
        _ => None,
    };
    let found = file.tokens.iter().enumerate();
    found
        .filter_map(|(at, token)| {
            let what = format!("{} hides code from these checks", hides(at)?);
            Some(file.problem(token.line, &what))
        })
        .collect()
}

/// The paths that begin outside this crate, and for which `is_banned` holds.
fn banned(file: &Source, what: &str, is_banned: fn(&[&str]) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for named in paths(file) {
        let parts: Vec<_> = named.parts.iter().map(String::as_str).collect();
        if parts == ["std"] || parts.starts_with(&["std", "*"]) {
            problems.push(file.problem(named.line, "all of `std` under one name"));
        } else if resolve(file, &named).is_none() && is_banned(&parts) {
            problems.push(file.problem(named.line, &format!("`{}` {what}", parts.join("::"))));
        }
    }
    problems
}

fn file_access(file: &Source) -> Vec<String> {
    if file.room() == "disk" {
        return Vec::new();
    }
    let mut problems = banned(file, "outside disk.rs", |parts| parts.contains(&"fs"));
    for (at, token) in file.tokens.iter().enumerate() {
        let is_call = at > 0
            && file.text(at - 1) == "."
            && file.text(at + 1) == "("
            && file.text(at + 2) == ")";
        if is_call && PATH_METHODS.contains(&token.text.as_str()) {
            let what = format!("`.{}()` looks at the disk outside disk.rs", token.text);
            problems.push(file.problem(token.line, &what));
        }
    }
    problems
}

fn child_processes(file: &Source) -> Vec<String> {
    let is_std = |parts: &[&str]| parts[1..].contains(&"process");
    match file.room().as_str() {
        "process" => Vec::new(),
        "main" => banned(file, "in main.rs, which may only exit", |parts| {
            let after = parts.iter().skip_while(|part| **part != "process").nth(1);
            after.is_some_and(|name| !["ExitCode", "exit"].contains(name))
        }),
        _ => banned(file, "outside process.rs", is_std),
    }
}

fn printing(file: &Source) -> Vec<String> {
    if ["cli", "terminal"].contains(&file.room().as_str()) {
        return Vec::new();
    }
    let mut problems = banned(file, "outside cli and terminal", |parts| {
        parts
            .windows(2)
            .any(|pair| pair[0] == "io" && ["stdout", "stderr", "*"].contains(&pair[1]))
    });
    for (at, token) in file.tokens.iter().enumerate() {
        if file.is_macro(at, PRINT_MACROS) {
            let what = format!("`{}!` outside cli and terminal", token.text);
            problems.push(file.problem(token.line, &what));
        }
    }
    problems
}

fn json_library(file: &Source) -> Vec<String> {
    if file.path == "format/json.rs" {
        return Vec::new();
    }
    file.tokens
        .iter()
        .filter(|token| token.text == "miniserde")
        .map(|token| file.problem(token.line, "`miniserde` outside format/json.rs"))
        .collect()
}

fn panics(file: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, token) in file.tokens.iter().enumerate() {
        let before = if at > 0 { file.text(at - 1) } else { "" };
        let is_method =
            [".", "::"].contains(&before) && PANIC_METHODS.contains(&token.text.as_str());
        if (is_method || file.is_macro(at, PANIC_MACROS)) && !file.has_reason(token.line) {
            let what = format!("`{}` without a reason in a comment", token.text);
            problems.push(file.problem(token.line, &what));
        }
    }
    problems
}

fn no_unsafe(file: &Source) -> Vec<String> {
    file.tokens
        .iter()
        .filter(|token| token.text == "unsafe")
        .map(|token| file.problem(token.line, "`unsafe`"))
        .collect()
}

// The checks of the repository.

/// Reads `Cargo.toml` a line at a time, as far as this one needs it.
fn manifest(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
            let other = ["dependencies", "patch", "replace", "workspace"];
            if section != "[dependencies]" && other.iter().any(|word| section.contains(word)) {
                problems.push(format!("Cargo.toml: {section} is not allowed"));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let key = key.trim().trim_matches('"');
        if section == "[dependencies]" {
            names.insert(key);
            if ["package", "git", "path"]
                .iter()
                .any(|s| names_key(value, s))
            {
                problems.push(format!("Cargo.toml: {key} is not the crate of that name"));
            }
        } else if key == "build" || key.contains("dependencies") {
            problems.push(format!("Cargo.toml: `{key}` is not allowed here"));
        }
    }
    let goal: BTreeSet<_> = DEPENDENCIES.iter().copied().collect();
    if names != goal {
        problems.push(format!("Cargo.toml: dependencies {names:?}, not {goal:?}"));
    }
    problems
}

/// True if an inline table has this key.
fn names_key(table: &str, key: &str) -> bool {
    table
        .split(['{', ','])
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, _)| name.trim() == key)
}

fn top_level(files: &str) -> Vec<String> {
    files
        .lines()
        .map(|path| path.split('/').next().unwrap_or(path))
        .filter(|first| !TOP_LEVEL.contains(first))
        .map(|first| format!("{first}: nothing of that name belongs at the top level"))
        .collect()
}

/// Where a rule of the format is named.
struct Cited {
    place: String,
    rule: String,
}

fn cited_below(directory: &str, find: impl Fn(&str) -> Vec<(usize, String)>) -> Vec<Cited> {
    let mut cited = Vec::new();
    for path in files_below(directory) {
        for (line, rule) in find(&read(&path)) {
            let place = format!("{path}:{line}");
            cited.push(Cited { place, rule });
        }
    }
    cited
}

/// `4.2` at the head of a text.
fn rule_number(text: &str) -> Option<&str> {
    let digits =
        |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let whole = digits(text);
    let rest = text[whole..].strip_prefix('.')?;
    let part = digits(rest);
    (whole > 0 && part > 0).then(|| &text[..whole + 1 + part])
}

/// The rules after the word, or after `rule:`: one, or several with commas or `and` between them.
fn rule_list(mut text: &str) -> Vec<String> {
    let mut rules = Vec::new();
    while let Some(rule) = rule_number(text) {
        rules.push(rule.to_string());
        text = text[rule.len()..].trim_start_matches([',', ' ']);
        text = text.strip_prefix("and ").unwrap_or(text);
    }
    rules
}

fn numbered<'a>(text: &'a str, find: impl Fn(&'a str) -> Vec<String>) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| find(line).into_iter().map(move |rule| (at + 1, rule)))
        .collect()
}

fn citations(text: &str, document: &str) -> Vec<(usize, String)> {
    let word = format!("{document} ");
    numbered(text, |line| {
        line.split(word.as_str())
            .skip(1)
            .flat_map(rule_list)
            .collect()
    })
}

fn vector_rules(text: &str) -> Vec<(usize, String)> {
    numbered(text, |line| {
        line.strip_prefix("rule:")
            .map_or(Vec::new(), |rest| rule_list(rest.trim()))
    })
}

/// Every rule that is cited must exist, and every rule must be cited by one of `covering`.
fn document_rules(path: &str, document: &str, covering: &[Cited], others: &[Cited]) -> Vec<String> {
    let rules: BTreeSet<&str> = document
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("**")?;
            let rule = rule_number(rest)?;
            rest[rule.len()..].starts_with("**").then_some(rule)
        })
        .collect();
    let mut problems = Vec::new();
    for Cited { place, rule } in covering.iter().chain(others) {
        if !rules.contains(rule.as_str()) {
            problems.push(format!("{place}: {path} has no rule {rule}"));
        }
    }
    for rule in rules {
        if !covering.iter().any(|cited| cited.rule == rule) {
            problems.push(format!(
                "{path}: no source file and no vector names rule {rule}"
            ));
        }
    }
    problems
}

/// The packages of `cargo tree --prefix none`, each once, without the first: the program itself.
fn crates(tree: &str) -> usize {
    let packages: BTreeSet<_> = tree
        .lines()
        .skip(1)
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    packages.len()
}

fn is_audit_core(file: &Source) -> bool {
    let module = file.module().join("::");
    AUDIT_CORE.contains(&file.room().as_str())
        && !AUDIT_CORE_WITHOUT
            .iter()
            .any(|name| may_import(name, &[], &module))
}

fn size_table(files: &[Source]) -> String {
    let mut rooms = BTreeMap::new();
    for file in files {
        *rooms.entry(file.room()).or_insert(0) += file.code_lines();
    }
    let core = files.iter().filter(|file| is_audit_core(file));
    let core: usize = core.map(Source::code_lines).sum();
    let all: usize = rooms.values().sum();
    let mut table = String::from("lines without tests, blank lines and comments:\n");
    for (room, lines) in &rooms {
        let _ = writeln!(table, "  {room:22}{lines:>6}");
    }
    let _ = writeln!(
        table,
        "{:24}{core:>6}   goal {AUDIT_CORE_LINES_GOAL}",
        "audit core"
    );
    let _ = writeln!(table, "{:24}{all:>6}   goal {SRC_LINES_GOAL}", "all of src");
    table.push_str(&longest_functions(files));
    table
}

fn longest_functions(files: &[Source]) -> String {
    let mut all: Vec<_> = files
        .iter()
        .flat_map(|file| {
            functions(file)
                .into_iter()
                .map(move |function| (function.length, &file.path, function))
        })
        .collect();
    all.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    let mut table =
        format!("longest functions (goal {FUNCTION_LINES_GOAL}, limit {FUNCTION_LINES_MAX}):\n");
    for (length, path, Function { name, line, .. }) in all.iter().take(5) {
        let _ = writeln!(table, "  {name:22}{length:>6}   src/{path}:{line}");
    }
    table
}

mod mutants {
    use super::*;

    /// The number of problems that a check finds in a file.
    fn found(check: Check, path: &str, text: &str) -> usize {
        check(&Source::new(path, text)).len()
    }

    fn caught(check: Check, path: &str, texts: &[&str]) {
        for text in texts {
            assert_ne!(found(check, path, text), 0, "not caught in {path}: {text}");
        }
    }

    fn passed(check: Check, path: &str, texts: &[&str]) {
        for text in texts {
            assert_eq!(found(check, path, text), 0, "caught in {path}: {text}");
        }
    }

    #[test]
    fn a_file_without_header() {
        caught(
            header,
            "disk.rs",
            &["", "use a;", "// no\n", "\n//! late\n"],
        );
        passed(header, "disk.rs", &["//! Yes.\n"]);
    }

    #[test]
    fn a_long_file() {
        let long = "x;\n".repeat(FILE_LINES_MAX);
        let tests = "#[cfg(test)]\nmod tests {\n  fn a() {}\n}\n";
        passed(file_length, "disk.rs", &[&long, &format!("{long}{tests}")]);
        caught(file_length, "disk.rs", &[&format!("{long}{tests}x;\n")]);
    }

    #[test]
    fn a_long_function() {
        let body = "    x;\n".repeat(FUNCTION_LINES_MAX - 2);
        let fits = format!("fn f<T>(a: [u8; {{ 1 }}]) -> T\nwhere T: A {{\n{body}}}");
        let fits = fits.replacen("\nwhere", " where", 1);
        passed(function_lengths, "disk.rs", &[&fits]);
        caught(function_lengths, "disk.rs", &[&fits.replace(')', ")\n")]);
        let test = format!("#[cfg(test)]\nmod tests {{ {} }}", fits.replace(')', ")\n"));
        passed(function_lengths, "disk.rs", &[&test, "trait A { fn a(); }"]);
    }

    #[test]
    fn an_import_against_the_table() {
        let team: &[&str] = &[
            "use crate::team;",
            "use crate::team::Roster as R;",
            "use crate::{error::Error, team};",
            "use crate::{error::{Error, Kind}, format::{self, names}, team::{self}};",
            "use {std::io, crate::team::*};",
            "pub use super::team;",
            "fn a() { crate::team::admit(); }",
            "fn a() { crate::team::admit::<B>(); }",
            "fn a() { b::C as crate::team::D }",
            "use crate::{error as team, team as error};",
            "use self::super::team;",
            "fn a(b: &crate::team::Roster) {}",
            "fn a() -> Vec::<crate::team::Roster> {}",
            "macro_rules! a { () => { $crate::team::admit() } }",
            "mod inner { use super::super::team; }",
            "mod inner { fn a() {} }\nuse super::team;",
            "use crate as all;",
            "use crate::*;",
            "use super::*;",
            "use crate::{self as all};",
            "use crate::nowhere::X;",
        ];
        caught(imports, "scope.rs", team);
        caught(imports, "disk.rs", team);
        caught(imports, "crypto/kdf.rs", &["use super::super::team;"]);
        caught(imports, "error.rs", &["use crate::secret::Secret;"]);
        caught(imports, "util.rs", &[""]);
        passed(imports, "project.rs", &["use crate::{team, scope::Scope};"]);
        passed(imports, "cli/set.rs", &["use crate::{team, sync::remote};"]);
        caught(
            imports,
            "cli/set.rs",
            &["use crate::nowhere;", "use crate::*;"],
        );
    }

    #[test]
    fn an_import_within_a_room_or_in_a_test_or_a_text_is_none() {
        passed(
            imports,
            "crypto/kdf.rs",
            &[
                "use super::aead; use crate::{crypto::hash, error::Error};",
                "use super::super::secret::{Key, Secret};",
                "mod inner { use super::super::aead; use super::X; }",
                "#[cfg(test)]\n#[allow(unused)]\npub(crate) mod tests { use crate::team; }",
                "// crate::team\n/* crate::team /* */ crate::team */ const A: &str = \"crate::team\";",
                "const A: &str = r#\"\"crate::team\"#; const B: char = '\"'; // crate::team",
                "fn a<'a>(b: &'a str) { let c = '\\''; let d = b\"crate::team\"; }",
                "pub(crate) fn a() {}",
            ],
        );
        caught(
            imports,
            "crypto/kdf.rs",
            &["#[cfg(test)]\nmod tests { fn a() {} }\nuse crate::team;"],
        );
    }

    #[test]
    fn a_server_that_could_open_a_scope() {
        for path in ["sync/store.rs", "sync/handler.rs", "sync/server/mod.rs"] {
            caught(
                imports,
                path,
                &[
                    "use crate::scope;",
                    "use crate::project::Project;",
                    "use crate::format::snapshot;",
                    "use crate::format::*;",
                    "use crate::format;",
                    "use crate::crypto::{hash, kdf};",
                    "use crate::crypto;",
                    "use super::remote;",
                    "use crate::sync;",
                ],
            );
            passed(imports, path, &["use crate::crypto::{hash, random};"]);
            passed(imports, path, &["use super::http::Request;"]);
        }
        caught(imports, "sync/remote.rs", &["use crate::project::Site;"]);
        caught(imports, "sync/client.rs", &["use super::store::Store;"]);
        caught(imports, "sync/mod.rs", &["use crate::project;"]);
    }

    #[test]
    fn a_main_with_a_life_of_its_own() {
        let bad = ["mod cli;", "use crate::a;", "use zeroize::Zeroize;"];
        caught(main_names, "main.rs", &bad);
        caught(main_names, "main.rs", &["fn a() { x25519_dalek::a() }"]);
        passed(main_names, "main.rs", &["use kagi::{cli, error};"]);
        passed(main_names, "disk.rs", &["use zeroize::Zeroize;"]);
    }

    #[test]
    fn code_that_the_checks_would_not_see() {
        let bad = [
            "extern crate self as kagi;",
            "#[path = \"team.rs\"]\nmod b;",
            "include!(\"team.rs\");",
        ];
        caught(hidden_code, "disk.rs", &bad);
        let good = "const A: &str = include_str!(\"b\"); extern \"C\" fn a() {}";
        passed(hidden_code, "disk.rs", &[good]);
    }

    #[test]
    fn file_access_outside_disk() {
        let bad = [
            "use std::fs;",
            "use std::{fs::File, io};",
            "use ::std::{io, fs as files};",
            "fn a() { std::fs::read(b); }",
            "fn a() { std::fs::read::<&str>(b); }",
            "use std::os::unix::fs::PermissionsExt;",
            "use std::os::unix; fn a() { unix::fs::symlink(b, c); }",
            "use std as s;",
            "use std::*;",
            "use std::{self as s};",
            "fn a() { path.exists() }",
        ];
        caught(file_access, "project.rs", &bad);
        caught(file_access, "main.rs", &bad);
        passed(file_access, "disk.rs", &["use std::fs;"]);
        passed(
            file_access,
            "project.rs",
            &["use crate::disk::fs; fn a() { exists(); b.exists(c); }"],
        );
    }

    #[test]
    fn a_child_outside_process() {
        let bad = [
            "use std::process::Command;",
            "use std::{io, process};",
            "use std::os::unix::process::CommandExt;",
            "fn a() { std::process::exit(1) }",
        ];
        caught(child_processes, "cli/run.rs", &bad);
        passed(child_processes, "process.rs", &bad);
        passed(
            child_processes,
            "cli/run.rs",
            &["use crate::process; fn a() { process::run() }"],
        );
        let exits = "use std::process::{self, ExitCode}; fn a() { process::exit(1) }";
        passed(child_processes, "main.rs", &[exits, bad[3]]);
        caught(child_processes, "main.rs", &[bad[0], bad[2]]);
        let hidden = "use std::process; fn a() { process::Command::new(b) }";
        caught(child_processes, "main.rs", &[hidden]);
    }

    #[test]
    fn printing_outside_cli_and_terminal() {
        let bad = [
            "fn a() { println!(); }",
            "fn a() { eprint ! (\"\"); }",
            "fn a() { dbg!(b); }",
            "use std::io; fn a() { io::stdout(); }",
            "use std::io::{self, stderr};",
            "use std::io::*;",
        ];
        caught(printing, "sync/server.rs", &bad);
        caught(printing, "main.rs", &bad);
        passed(printing, "cli/get.rs", &bad);
        passed(printing, "terminal.rs", &bad);
        let good =
            "use std::io::{self, prelude::*}; fn a() { b.stdout(c); print != d; io::stdin(); }";
        passed(printing, "process.rs", &[good]);
    }

    #[test]
    fn a_second_file_that_names_the_json_library() {
        let bad = [
            "use miniserde::{Serialize, Deserialize};",
            "fn a() { miniserde::json::to_string(b) }",
            "#[derive(miniserde::Serialize)] struct A;",
        ];
        caught(json_library, "format/roster.rs", &bad);
        passed(json_library, "format/json.rs", &bad);
        passed(
            json_library,
            "format/roster.rs",
            &["// miniserde accepts too much\n"],
        );
    }

    #[test]
    fn a_panic_without_a_reason() {
        let bad = [
            "fn a() { b.unwrap() }",
            "fn a() { b\n    .expect(\"c\") }",
            "fn a() { b.map(Result::unwrap) }",
            "fn a() { panic!(\"b\") }",
            "fn a() { unreachable!() }",
            "fn a() { todo!() }",
            "fn a() { unimplemented!() }",
            "fn a() { b.unwrap_err() } // TODO",
            "/// What it does, at length.\nfn a() { b.unwrap() }",
            "// A reason, but for another line.\n\nfn a() { b.unwrap() }",
            "fn a() { b.unwrap() }\n// A reason that comes too late.",
        ];
        caught(panics, "scope.rs", &bad);
        passed(
            panics,
            "scope.rs",
            &[
                "fn a() { b.unwrap() } // the length was checked above",
                "// the length was checked above\nfn a() { b.unwrap() }",
                "// the length was\n// checked\nfn a() { panic!() }",
                "fn a() { b.unwrap_or(c).unwrap_or_default(); expect(d); panic != e }",
                "#[expect(clippy::x)] fn a() { \"b.unwrap()\" }",
                "#[cfg(test)] mod tests { fn a() { b.unwrap() } }",
            ],
        );
    }

    #[test]
    fn unsafe_code() {
        caught(no_unsafe, "disk.rs", &["fn a() { unsafe { b() } }"]);
        passed(
            no_unsafe,
            "disk.rs",
            &["// unsafe\n#![forbid(unsafe_code)]"],
        );
    }

    #[test]
    fn a_module_of_tests_in_its_own_file() {
        let file = Source::new("sync/store.rs", "#[cfg(test)]\nmod crash;\nmod b;\n");
        assert_eq!(file.tests, [["sync", "store", "crash"]]);
        assert_eq!(file.code_lines(), 1);
        let shown = Source::new("a.rs", "#[cfg(not(test))] mod tests { x }\n");
        assert_eq!(shown.code_lines(), 1);
    }

    #[test]
    fn another_dependency() {
        let tail = " = { version = \"1\", features = [\"path\"] }\n";
        let seven = DEPENDENCIES.join(tail) + tail;
        let good = format!("[package]\nname = \"a\"\n# build = 1\n[dependencies]\n{seven}");
        assert_eq!(manifest(&good), [""; 0]);
        let bad = [
            good.clone() + "serde = \"1\"\n",
            good.replace("lexopt = ", "pico-args = "),
            good.replace("version = ", "package = \"pico-args\", version = "),
            good.replace("version = ", "git = "),
            good.replace("name = ", "build = "),
            good.clone() + "[dev-dependencies]\n",
            good.clone() + "[target.'cfg(unix)'.dependencies]\n",
            good.clone() + "[build-dependencies.cc]\nversion = \"1\"\n",
            good.clone() + "[dependencies.serde]\nversion = \"1\"\n",
            good.clone() + "[patch.crates-io]\n",
            "dev-dependencies.serde = \"1\"\n".to_string() + &good,
        ];
        for text in bad {
            assert_ne!(manifest(&text), [""; 0], "not caught: {text}");
        }
    }

    #[test]
    fn a_stray_file_at_the_top() {
        assert_eq!(top_level("Cargo.toml\nsrc/a.rs\n.ci/run\n"), [""; 0]);
        assert_eq!(top_level("notes.md\nsrc/a.rs\nbuild.rs\nsrcs/a\n").len(), 3);
    }

    fn cited(rules: &[&str]) -> Vec<Cited> {
        let cite = |rule: &&str| Cited {
            place: "a".into(),
            rule: (*rule).into(),
        };
        rules.iter().map(cite).collect()
    }

    #[test]
    fn a_citation_of_no_rule_and_a_rule_without_citation() {
        let document = "# Format\n**1.1** A.\n\n**1.2** B, see **1.3**.\n**1.4 C**\n";
        let both = cited(&["1.1", "1.2"]);
        assert_eq!(document_rules("a.md", document, &both, &both), [""; 0]);
        assert_eq!(document_rules("a.md", document, &both[..1], &both).len(), 1);
        assert_eq!(
            document_rules("a.md", document, &both, &cited(&["1.3"])).len(),
            1
        );
        assert_eq!(
            document_rules("a.md", document, &cited(&["1.4"]), &both).len(),
            3
        );
    }

    #[test]
    fn citations_are_found() {
        let rules = |found: Vec<(usize, String)>| -> Vec<String> {
            found
                .into_iter()
                .map(|(at, rule)| format!("{at}: {rule}"))
                .collect()
        };
        let text =
            "// (FORMAT 1.5, 1.60) and 7.7\n// FORMAT 2.1 and 2.2. FORMAT 3.4.\n// FORMAT 3\n";
        let expected = ["1: 1.5", "1: 1.60", "2: 2.1", "2: 2.2", "2: 3.4"];
        assert_eq!(rules(citations(text, "FORMAT")), expected);
        let vector = "expect: wrap failure\nrule: 4.2\nnote rule: 9.9\n";
        assert_eq!(rules(vector_rules(vector)), ["2: 4.2"]);
    }

    #[test]
    fn crates_count_once() {
        assert_eq!(
            crates("kagi v1 (/a)\na v1\nb v1 (proc-macro)\na v1 (*)\na v2\n\n"),
            3
        );
    }

    #[test]
    fn only_code_counts() {
        let text = "//! A.\n\nfn a() {\n    // b\n    \"\n\n//\"; /* c\n\n*/\n}\n#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
        assert_eq!(Source::new("disk.rs", text).code_lines(), 4);
    }

    #[test]
    fn the_audit_core_leaves_out_what_it_says() {
        let core = |path| is_audit_core(&Source::new(path, ""));
        assert!(core("error.rs") && core("format/messages.rs") && core("keys/file.rs"));
        assert!(
            !core("format/message.rs") && !core("format/dotenv/read.rs") && !core("cli/get.rs")
        );
    }
}
