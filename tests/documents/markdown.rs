//! Reads documents: their blocks, headings, inline code and links. Knows as much of Markdown as the
//! documents of this repository use.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A fenced block. It is named by its file, the heading above it, and its number below that.
#[derive(Debug, Clone, Default)]
pub struct Block {
    pub file: String,
    pub heading: String,
    pub number: usize,
    pub line: usize,
    pub kind: String,
    pub lines: Vec<String>,
}

/// A document, cut into what can be checked.
#[derive(Debug, Default)]
pub struct Document {
    pub file: String,
    pub blocks: Vec<Block>,
    /// What a link to a heading of it calls that.
    pub anchors: Vec<String>,
    /// Line and text of inline code.
    pub code: Vec<(usize, String)>,
    /// Line and target of links and pictures.
    pub links: Vec<(usize, String)>,
}

/// The README and all pages below `docs`.
pub fn documents() -> Vec<Document> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    pages(&root.join("docs"), &mut files);
    files.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).expect("a document");
        let file = path.strip_prefix(root).expect("a file of the repository");
        document(&file.to_string_lossy(), &text)
    };
    files.iter().map(read).collect()
}

fn pages(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            pages(&path, files);
        } else if path.extension().is_some_and(|end| end == "md") {
            files.push(path);
        }
    }
}

pub fn document(file: &str, text: &str) -> Document {
    let mut document = Document {
        file: file.into(),
        ..Document::default()
    };
    let mut heading = String::new();
    let mut open: Option<Block> = None;
    let mut prose: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        let is_inside = open.is_some();
        match (&mut open, fence) {
            (Some(_), Some(_)) => document.blocks.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_string()),
            (None, Some(kind)) => {
                let here = document.blocks.iter().filter(|one| one.heading == heading);
                open = Some(Block {
                    file: file.into(),
                    heading: heading.clone(),
                    number: here.count() + 1,
                    line: index + 1,
                    kind: kind.trim().into(),
                    lines: Vec::new(),
                });
            }
            (None, None) => {
                let marks = line.bytes().take_while(|byte| *byte == b'#').count();
                if let (1..=6, Some(text)) = (marks, line[marks..].strip_prefix(' ')) {
                    heading = text.trim().into();
                    document.anchors.push(anchor(text, &document.anchors));
                }
            }
        }
        let is_prose = !is_inside && fence.is_none();
        prose.push(if is_prose { line } else { "" });
    }
    assert!(open.is_none(), "{file}: a block without an end");
    inline(&prose, &mut document);
    document
}

/// Inline code and links; both may go on over the end of a line, but not over an empty one.
fn inline(prose: &[&str], document: &mut Document) {
    let mut start = 0;
    for paragraph in prose.split(|line| line.trim().is_empty()) {
        let text = paragraph.join("\n");
        let line = |offset: usize| start + 1 + text[..offset].matches('\n').count();
        let (mut offset, mut plain) = (0, String::new());
        for (at, part) in text.split('`').enumerate() {
            if at % 2 == 1 {
                let code = part.split_whitespace().collect::<Vec<_>>().join(" ");
                document.code.push((line(offset), code));
                plain.extend(part.chars().map(|c| if c == '\n' { c } else { ' ' }));
            } else {
                plain.push_str(part);
            }
            plain.push(' ');
            offset += part.len() + 1;
        }
        for (opening, closing) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
            let mut rest = plain.as_str();
            while let Some((_, after)) = rest.split_once(opening) {
                let at = plain.len() - after.len();
                let target = after.split(closing).next().unwrap_or_default();
                let line = start + 1 + plain[..at].matches('\n').count();
                document.links.push((line, target.to_string()));
                rest = after;
            }
        }
        start += paragraph.len() + 1;
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str, before: &[String]) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let name: String = heading.trim().to_lowercase().chars().filter(kept).collect();
    let name = name.replace(' ', "-");
    let is_same = |one: &&String| {
        let rest = one.strip_prefix(&name);
        rest.is_some_and(|rest| rest.is_empty() || rest[1..].parse::<u32>().is_ok())
    };
    match before.iter().filter(is_same).count() {
        0 => name,
        count => format!("{name}-{count}"),
    }
}

impl Block {
    /// For messages.
    pub fn name(&self) -> String {
        let Block { file, heading, .. } = self;
        format!("{file}:{} (\"{heading}\" {})", self.line, self.number)
    }

    /// Its commands with their lines. A command is the shortest run of lines that a shell takes as a whole.
    pub fn commands(&self) -> Vec<(usize, String)> {
        let mut commands = Vec::new();
        let mut lines = self.lines.iter().enumerate();
        while let Some((index, first)) = lines.next() {
            let mut text = first.strip_prefix("$ ").unwrap_or(first).to_string();
            while !is_whole(&text) {
                let Some((_, next)) = lines.next() else { break };
                text = format!("{text}\n{next}");
            }
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                commands.push((self.line + 1 + index, text.to_string()));
            }
        }
        commands
    }
}

fn is_whole(text: &str) -> bool {
    let last = text.lines().next_back().unwrap_or_default();
    if last.ends_with('\\') {
        return false;
    }
    if let Some((_, after)) = text.split_once("<<") {
        let word = after.split_whitespace().next().unwrap_or_default();
        let word = word.trim_matches(['\'', '"', '-']);
        return last.trim() == word;
    }
    if !text.contains(['\'', '"', '(', '{']) && !text.contains("do") && !text.contains("then") {
        return true;
    }
    let mut shell = Command::new("/bin/sh");
    shell.args(["-n", "-c", text]).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}
