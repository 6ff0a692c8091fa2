//! Every command in the README and in `docs` is run, as it stands there: what a document says cannot rot.
//!
//! The rules for documents:
//! - a block marked `sh` holds commands that some scenario in `tests/documents/*.txt` runs;
//! - a block marked `sh refused` too, and each of its commands must exit with 1;
//! - a block marked `console` begins its commands with `$ `, and stands in `tests/documents/elsewhere.txt`:
//!   with the script that runs its commands, or with the reason why nothing does;
//! - no other block has a line that looks like a command, but for configuration (`yaml` and so on);
//! - each `kagi …` in inline code, and in any block, is a command that there is, with flags that it has;
//! - links, and inline code that names a file of the repository, lead somewhere.
//!
//! A scenario is a transcript (see `tests/cli.rs`) with a few lines more, and one difference: an output
//! of which it says nothing may be anything. The commands of a block are taken from the document:
//!
//! ```text
//! %stand-in TEXT = SHELL    in the commands of the blocks that follow, SHELL stands in place of TEXT
//! %stub NAME                makes a program NAME, on the PATH or at a path, that prints NAME and its arguments
//! = FILE "HEADING" N        runs the N-th block below that heading; where each command must exit 0
//! + BEGIN                   the lines after it are about the block's next command that begins so (before
//!                           stand-ins): < > ! ? ~ %pty as in transcripts, and:
//! %stdin WORD               its standard input is that file
//! %in PROGRAM               that shell runs it
//! %first SHELL              runs before it
//! %then SHELL               runs after it
//! %starts TEXT              it goes on beside what follows, which begins when $T/started holds that text
//! ```
//!
//! After `=` without `+`, `~` and `?` are about each command of the block. `$T` is the directory that holds `work/`,
//! `home/` and `bin/`, `$T/last` what the command before wrote to its standard output, `$REPO` this repository.
//! `KAGI_TRANSCRIPT` names one scenario to run, `KAGI_BIN` another program.
#![cfg(unix)]

#[path = "documents/markdown.rs"]
mod markdown;
#[path = "documents/scenario.rs"]
mod scenario;
mod transcript;

use markdown::{Block, Document, document, documents};
use scenario::{Scenario, scenario};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use transcript::{in_parallel, program, run_transcript, shown_name, text_files, transcript_files};

const ELSEWHERE: &str = "tests/documents/elsewhere.txt";

/// Blocks of other languages, in which lines may look like commands.
const CONFIGURATION: [&str; 3] = ["dockerfile", "json", "scope"];

/// Words that a command begins with.
const PROGRAMS: &str = "$ sudo kagi git cargo rustup docker podman kubectl systemctl gh npm curl ssh scp \
    cp mv rm tar sha256sum apt-get eval";

#[test]
fn each_command_runs() {
    let blocks = all_blocks(documents());
    let mut files = transcript_files("tests/documents");
    files.retain(|path| !path.ends_with(ELSEWHERE));
    assert!(!files.is_empty(), "no scenario of that name");
    let problems = in_parallel(&files, |path| {
        let shown = shown_name(path);
        match read_scenario(path, &blocks) {
            Ok(scenario) => run_transcript(&shown, Ok(scenario.transcript)),
            Err(problem) => vec![problem],
        }
    });
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn each_block_has_its_scenario() {
    let blocks = all_blocks(documents());
    let mut run = BTreeSet::new();
    let mut problems = Vec::new();
    let mut files = text_files("tests/documents");
    files.retain(|path| !path.ends_with(ELSEWHERE));
    for path in files {
        match read_scenario(&path, &blocks) {
            Ok(scenario) => run.extend(scenario.blocks),
            Err(problem) => problems.push(problem),
        }
    }
    let list = fs::read_to_string(root().join(ELSEWHERE)).expect("the list");
    problems.extend(uncovered(&blocks, &run, &list));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn documents_name_what_there_is() {
    let mut pages = Pages::default();
    let (mut count, mut problems) = (0, Vec::new());
    let mut found = Vec::new();
    for document in documents() {
        found.extend(named_commands(&document));
    }
    for entry in fs::read_dir(root().join("docs/deploy")).expect("a directory") {
        let path = entry.expect("a file").path();
        let text = fs::read_to_string(&path).expect("a text");
        let text = text.replace("ExecStart=/usr/local/bin/", "");
        let block = Block {
            lines: text.lines().map(String::from).collect(),
            ..Block::default()
        };
        let commands = in_block(&block)
            .into_iter()
            .map(|(line, text)| (format!("{}:{line}", path.display()), text));
        found.extend(commands);
    }
    for (place, command) in found {
        count += 1;
        if let Some(problem) = pages.unknown(&command) {
            problems.push(format!("{place}: kagi {command}: {problem}"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(count > 150, "only {count} commands were found");
    assert!(pages.unknown("serve --nosuch").is_some() && pages.unknown("nosuch").is_some());
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    let problems: Vec<_> = documents
        .iter()
        .flat_map(|one| lost_links(one, &documents))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// The guide for assistants begins as those who look for such pages read it.
#[test]
fn the_guide_for_assistants_says_what_it_is_for() {
    let guide = fs::read_to_string(root().join("docs/agent-skill/SKILL.md")).expect("the guide");
    let mut lines = guide.lines();
    assert_eq!(lines.next(), Some("---"));
    assert_eq!(lines.next(), Some("name: kagi"));
    let about = lines
        .next()
        .and_then(|line| line.strip_prefix("description: "));
    assert!(about.is_some_and(|text| (50..1024).contains(&text.len()) && !text.contains(": ")));
    assert_eq!(lines.next(), Some("---"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn all_blocks(documents: Vec<Document>) -> Vec<Block> {
    documents.into_iter().flat_map(|one| one.blocks).collect()
}

fn read_scenario(path: &Path, blocks: &[Block]) -> Result<Scenario, String> {
    let text = fs::read_to_string(path).expect("a scenario can be read");
    scenario(&shown_name(path), &text, blocks)
}

// Which blocks are run.

/// What is wrong with the blocks of documents: the ones that nothing runs, and the ones that are not marked.
fn uncovered(blocks: &[Block], run: &BTreeSet<(String, String, usize)>, list: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut listed = BTreeMap::new();
    for (index, line) in list.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match scenario::block_name(line) {
            Some((name, why)) => _ = listed.insert(name, (index + 1, why.to_string())),
            None => problems.push(format!(
                "{ELSEWHERE}:{}: not a line of the list: {line}",
                index + 1
            )),
        }
    }
    for block in blocks {
        let name = (block.file.clone(), block.heading.clone(), block.number);
        let why = listed.remove(&name).map(|(_, why)| why);
        let problem = match block.kind.as_str() {
            "sh" | "sh refused" if run.contains(&name) && why.is_none() => None,
            "sh" | "console" => match why {
                Some(why) => not_run(block, &why),
                None => Some("no scenario in tests/documents runs it".to_string()),
            },
            "sh refused" => Some("no scenario in tests/documents runs it".to_string()),
            kind if CONFIGURATION.contains(&kind) => None,
            _ => looks_like_a_command(block),
        };
        problems.extend(problem.map(|problem| format!("{}: {problem}", block.name())));
    }
    for ((file, heading, number), (line, _)) in listed {
        problems.push(format!(
            "{ELSEWHERE}:{line}: {file} has no block \"{heading}\" {number}"
        ));
    }
    problems
}

/// What is wrong with the reason why no scenario runs a block.
fn not_run(block: &Block, why: &str) -> Option<String> {
    let prompts = block
        .lines
        .iter()
        .all(|line| line.starts_with("$ ") || line.starts_with("  "));
    if block.kind == "console" && !prompts {
        return Some("a line does not begin with `$ `".into());
    }
    let (way, rest) = why.split_once(' ').unwrap_or((why, ""));
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let is_called = |script: &str| {
        let first_word = |line: &str| line.split_whitespace().next() == Some(script);
        script == ".ci/run" || read(".ci/run").lines().any(first_word)
    };
    match way {
        "in" | "by" if !is_called(rest) => Some(format!(".ci/run does not call {rest}")),
        "in" => {
            let text = read(rest);
            let holds = |command: &str| {
                let mut after = text.split(command).skip(1);
                after.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
            };
            let commands = block.commands().into_iter();
            commands
                .map(|(_, command)| without_comment(&command))
                .find(|command| !holds(command))
                .map(|command| format!("{rest} does not run `{command}`"))
        }
        "by" => (!read(rest).contains(&block.file))
            .then(|| format!("{rest} does not take commands from {}", block.file)),
        "because" => (block.kind != "console")
            .then(|| "a block that nothing runs is marked `console`".into()),
        _ => Some(format!(
            "{ELSEWHERE} has none of `in SCRIPT`, `by SCRIPT`, `because REASON`"
        )),
    }
}

fn without_comment(command: &str) -> String {
    command
        .split("  #")
        .next()
        .unwrap_or_default()
        .trim()
        .to_string()
}

fn looks_like_a_command(block: &Block) -> Option<String> {
    let is_program = |word: &str| {
        PROGRAMS.split(' ').any(|one| one == word)
            || word.starts_with("scripts/")
            || word.starts_with("./")
    };
    let mut lines = block.lines.iter();
    let line = lines.find(|line| line.split_whitespace().next().is_some_and(is_program))?;
    Some(format!(
        "looks like a command, in a block that is not marked `sh`: {line}"
    ))
}

// What documents name.

/// Place and words of what follows `kagi ` in inline code and in blocks, up to what is the shell's.
fn named_commands(document: &Document) -> Vec<(String, String)> {
    let code = document
        .code
        .iter()
        .filter_map(|(line, text)| Some((*line, words_of_kagi(text)?)));
    let blocks = document.blocks.iter().flat_map(in_block);
    let place = |(line, words)| (format!("{}:{line}", document.file), words);
    code.chain(blocks).map(place).collect()
}

fn in_block(block: &Block) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in block.lines.iter().enumerate() {
        let parts = line.split(" | ").flat_map(|part| part.split(" && "));
        let words = parts.filter_map(|part| {
            let part = part.trim();
            let part = ["$ ", "#   ", "- run: ", "run: ", "- "]
                .iter()
                .find_map(|begin| part.strip_prefix(begin))
                .unwrap_or(part);
            words_of_kagi(part)
        });
        found.extend(words.map(|words| (block.line + 1 + index, words)));
    }
    found
}

fn words_of_kagi(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix("kagi ")?;
    let ends = [" #", " >", " <", " &&", "\"", " -- ", " | ", ";", ")"];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    Some(rest[..end.unwrap_or(rest.len())].to_string())
}

/// The pages of `kagi … --help`, each asked for once.
#[derive(Default)]
struct Pages {
    known: BTreeMap<String, Option<String>>,
}

impl Pages {
    fn page(&mut self, words: &[&str]) -> Option<&str> {
        let shown = || {
            let shown = Command::new(program())
                .args(words)
                .arg("--help")
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            shown.status.success().then_some(text)
        };
        self.known
            .entry(words.join(" "))
            .or_insert_with(shown)
            .as_deref()
    }

    /// What is wrong with a command line, up to the command that `run` is given.
    fn unknown(&mut self, command: &str) -> Option<String> {
        let words: Vec<_> = command.split_whitespace().collect();
        let is_word = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        let names: Vec<_> = words.iter().take(2).take_while(is_word).copied().collect();
        let count = (1..=names.len())
            .rev()
            .find(|count| self.page(&names[..*count]).is_some());
        let Some(count) = count else {
            // `kagi COMMAND --help`, or what is no command at all.
            let is_place = |word: &str| {
                word == "…"
                    || word.starts_with("--")
                    || word.bytes().all(|byte| byte.is_ascii_uppercase())
            };
            return (!is_place(words.first()?)).then(|| "no such command".to_string());
        };
        let page = self.page(&names[..count])?;
        let flags = words
            .iter()
            .filter(|word| word.len() > 1 && word.starts_with('-') && **word != "--");
        let mut flags = flags.map(|word| word.split('=').next().unwrap_or(word));
        let is_known = |flag: &str| {
            page.split([' ', ',', '[', '=', '\n'])
                .any(|word| word.trim() == flag)
        };
        flags
            .find(|flag| !is_known(flag))
            .map(|flag| format!("no flag {flag}"))
    }
}

/// What a document names that is not there.
fn lost_links(document: &Document, all: &[Document]) -> Vec<String> {
    let mut problems = Vec::new();
    let folder = Path::new(&document.file).parent().unwrap_or(Path::new(""));
    for (line, target) in &document.links {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let place = if path.is_empty() {
            PathBuf::from(&document.file)
        } else {
            plain(&folder.join(path))
        };
        let page = all.iter().find(|one| Path::new(&one.file) == place);
        let has_anchor = || page.is_some_and(|page| page.anchors.iter().any(|one| one == anchor));
        if !root().join(&place).exists() || (!anchor.is_empty() && !has_anchor()) {
            problems.push(format!("{}:{line}: {target} leads nowhere", document.file));
        }
    }
    for (line, code) in &document.code {
        let is_path = ["docs/", "scripts/", "tests/", ".ci/", ".github/"]
            .iter()
            .any(|begin| code.starts_with(begin));
        let path = code.split([' ', '*', '#']).next().unwrap_or_default();
        if is_path && !root().join(path).exists() {
            problems.push(format!("{}:{line}: there is no {path}", document.file));
        }
    }
    problems
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part.as_os_str().to_str() {
            Some("..") => _ = plain.pop(),
            Some(".") => {}
            _ => plain.push(part),
        }
    }
    plain
}

mod tests {
    use super::*;

    const PAGE: &str = "# Page\n\n## One\n\n```sh\necho one   # a comment\nkagi get --nosuch\n```\n\n```console\n$ docker run x\n```\n\nSee [two](#two-words), [lost](#lost), `docs/nosuch.md`.\n\n## Two words\n\n```text\nkagi get\n```\n";

    fn name(heading: &str, number: usize) -> (String, String, usize) {
        ("PAGE.md".into(), heading.into(), number)
    }

    #[test]
    fn a_document_is_cut_as_written() {
        let page = document("PAGE.md", PAGE);
        let found: Vec<_> = page.blocks.iter().map(Block::name).collect();
        assert_eq!(
            found,
            [
                "PAGE.md:5 (\"One\" 1)",
                "PAGE.md:10 (\"One\" 2)",
                "PAGE.md:18 (\"Two words\" 1)"
            ]
        );
        assert_eq!(page.anchors, ["page", "one", "two-words"]);
        assert_eq!(
            page.links,
            [(14, "#two-words".to_string()), (14, "#lost".to_string())]
        );
        assert_eq!(page.code, [(14, "docs/nosuch.md".to_string())]);
        let twice = document("X.md", "# A `b`, c!\n# A b c\n");
        assert_eq!(twice.anchors, ["a-b-c", "a-b-c-1"]);
    }

    #[test]
    fn a_command_is_what_a_shell_takes_as_a_whole() {
        let text = "```sh\n# only a comment\na \\\n  b\n\nfor x in 1; do\n    echo $x\ndone\ncat <<'END' | c\nd 'e\nEND\nf 'g\nh'\ni\n```\n";
        let block = &document("X.md", text).blocks[0];
        let commands = block.commands();
        let lines: Vec<_> = commands.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 6, 9, 12, 14]);
        assert_eq!(commands[2].1, "cat <<'END' | c\nd 'e\nEND");
    }

    #[test]
    fn a_block_that_nothing_runs_is_named() {
        let mut blocks = document("PAGE.md", PAGE).blocks;
        let all = BTreeSet::from([name("One", 1)]);
        let list = "PAGE.md \"One\" 2 because no docker is here\n";
        let problems = uncovered(&blocks, &all, list);
        assert_eq!(
            problems,
            [
                "PAGE.md:18 (\"Two words\" 1): looks like a command, in a block that is not marked `sh`: kagi get"
            ]
        );
        blocks.pop();
        assert!(uncovered(&blocks, &all, list).is_empty());
        let none = uncovered(&blocks, &BTreeSet::new(), list);
        assert_eq!(
            none,
            ["PAGE.md:5 (\"One\" 1): no scenario in tests/documents runs it"]
        );
        let unlisted = uncovered(&blocks, &all, "");
        assert_eq!(
            unlisted,
            ["PAGE.md:10 (\"One\" 2): no scenario in tests/documents runs it"]
        );
        for wrong in ["PAGE.md \"One\" 2", "PAGE.md \"One\" 2 in .ci/run", "x"] {
            assert!(!uncovered(&blocks, &all, wrong).is_empty(), "{wrong}");
        }
        let gone = format!("{list}PAGE.md \"One\" 3 because of nothing\n");
        assert_eq!(uncovered(&blocks, &all, &gone).len(), 1);
        blocks[0].file = "README.md".into();
        let is_called = not_run(&blocks[0], "by tests/fresh.sh");
        assert_eq!(is_called.unwrap(), ".ci/run does not call tests/fresh.sh");
    }

    #[test]
    fn what_is_lost_is_named() {
        let page = document("PAGE.md", PAGE);
        let problems = lost_links(&page, &[document("PAGE.md", PAGE)]);
        assert_eq!(problems.len(), 2 + 1, "{problems:?}");
        let named = named_commands(&page);
        assert_eq!(named.len(), 2);
        assert_eq!(
            Pages::default().unknown(&named[0].1).unwrap(),
            "no flag --nosuch"
        );
    }

    #[test]
    fn a_scenario_runs_what_the_document_says() {
        let blocks = document("PAGE.md", &PAGE.replace("kagi get --nosuch", "cat -")).blocks;
        let problems = |text: &str| match scenario("s", text, &blocks) {
            Ok(scenario) => transcript::run("s", &scenario.transcript.steps, transcript::DEADLINE),
            Err(problem) => vec![problem],
        };
        let good = "%stand-in one = $TWO\n$ export TWO=2; echo x >$T/x\n= PAGE.md \"One\" 1\n+ echo\n> 2\n+ cat\n%stdin $T/x\n> x\n%then cp $T/last $T/y\n$ cat $T/y\n> x\n";
        assert_eq!(problems(good), [""; 0]);
        for (from, to) in [
            ("> 2", "> 3"),
            ("%stdin $T/x\n", ""),
            ("\"One\" 1", "\"One\" 3"),
            ("+ cat", "+ dog"),
            ("one = ", "three = "),
            ("+ echo\n> 2\n", "~ 2\n"),
            ("> 2\n", "> 2\n? 1\n"),
        ] {
            let found = problems(&good.replace(from, to));
            assert!(!found.is_empty(), "{from} -> {to}");
        }
    }
}
