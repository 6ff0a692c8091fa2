//! Makes a transcript of a scenario and of the blocks that it names; `tests/documents.rs` says what stands in one.

use crate::markdown::Block;
use crate::transcript::{Step, Transcript, command, quoted};
use std::collections::BTreeSet;

/// What is to be run, and the blocks that are in it.
#[derive(Debug, Default)]
pub struct Scenario {
    pub transcript: Transcript,
    pub blocks: BTreeSet<(String, String, usize)>,
}

/// A command with what belongs to it.
#[derive(Default)]
struct Item {
    step: Step,
    /// As the document has it.
    text: String,
    first: Vec<String>,
    then: Vec<String>,
    input: Option<String>,
    shell: Option<String>,
    started: Option<String>,
}

#[derive(Default)]
struct Reader {
    scenario: Scenario,
    stand_ins: Vec<(usize, String, String, bool)>,
    items: Vec<Item>,
    /// The first command of the block that is being described, and the one that is.
    block: Option<usize>,
    at: Option<usize>,
}

pub fn scenario(shown: &str, text: &str, blocks: &[Block]) -> Result<Scenario, String> {
    let mut reader = Reader::default();
    let root = env!("CARGO_MANIFEST_DIR");
    reader.shell(0, &format!("export T=$(cd .. && pwd) REPO='{root}'"));
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let at = index + 1;
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let taken = match mark {
            "" if rest.is_empty() => Ok(()),
            _ if line.starts_with('#') => Ok(()),
            "$" => match command(rest, &mut lines) {
                Some(command) => {
                    reader.shell(at, &command);
                    Ok(())
                }
                None => Err("a command without its end".into()),
            },
            "=" => reader.block(at, rest, blocks),
            _ => reader.line(at, mark, rest),
        };
        taken.map_err(|problem| format!("{shown}:{at}: {problem}: {line}\n"))?;
    }
    if let Some((line, text, ..)) = reader.stand_ins.iter().find(|(.., is_used)| !is_used) {
        return Err(format!("{shown}:{line}: nothing has the text {text}\n"));
    }
    Ok(reader.done())
}

/// The name at the begin of a line, and what follows.
pub fn block_name(line: &str) -> Option<((String, String, usize), &str)> {
    let (file, rest) = line.split_once(" \"")?;
    let (heading, rest) = rest.rsplit_once("\" ")?;
    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    Some(((file.into(), heading.into(), number.parse().ok()?), rest))
}

impl Reader {
    fn shell(&mut self, line: usize, text: &str) {
        (self.block, self.at) = (None, Some(self.items.len()));
        let step = Step {
            line,
            command: text.into(),
            is_lenient: true,
            ..Step::default()
        };
        self.items.push(Item {
            step,
            ..Item::default()
        });
    }

    fn block(&mut self, line: usize, name: &str, blocks: &[Block]) -> Result<(), String> {
        let (name, rest) = block_name(name).ok_or("not the name of a block")?;
        let is_it = |block: &&Block| {
            (&block.file, &block.heading, block.number) == (&name.0, &name.1, name.2)
        };
        let block = blocks.iter().find(is_it).ok_or("there is no such block")?;
        if !rest.is_empty() || !block.kind.starts_with("sh") {
            return Err("a block that is run is marked `sh`".into());
        }
        self.scenario.blocks.insert(name);
        (self.block, self.at) = (Some(self.items.len()), None);
        for (in_document, text) in block.commands() {
            let mut command = text.clone();
            for (_, from, to, is_used) in &mut self.stand_ins {
                *is_used |= command.contains(from.as_str());
                command = command.replace(from.as_str(), to);
            }
            let step = Step {
                line,
                command,
                code: i32::from(block.kind == "sh refused"),
                origin: format!(", of {}:{in_document}", block.file),
                is_lenient: true,
                ..Step::default()
            };
            self.items.push(Item {
                step,
                text,
                ..Item::default()
            });
        }
        Ok(())
    }

    fn line(&mut self, line: usize, mark: &str, rest: &str) -> Result<(), String> {
        match mark {
            "%needs" => self.scenario.transcript.needs.push(rest.into()),
            "%stand-in" => {
                let (from, to) = rest.split_once(" = ").ok_or("not TEXT = SHELL")?;
                self.stand_ins
                    .retain(|(_, text, _, is_used)| text != from || !is_used);
                self.stand_ins.push((line, from.into(), to.into(), false));
            }
            "%stub" => {
                let path = if rest.contains('/') {
                    rest.to_string()
                } else {
                    format!("$T/bin/{rest}")
                };
                let script = format!(
                    "printf '#!/bin/sh\\necho \"{rest} $*\"\\n' >{path} && chmod +x {path}"
                );
                self.shell(line, &script);
            }
            "+" => {
                let from = self.at.map_or(self.block, |at| self.block.map(|_| at + 1));
                let from = from.ok_or("no block is being run")?;
                let next = self.items[from..]
                    .iter()
                    .position(|item| item.text.starts_with(rest));
                self.at =
                    Some(from + next.ok_or("the block has no such command, or not in this order")?);
            }
            _ => return self.about(line, mark, rest),
        }
        Ok(())
    }

    /// A line about the command, or about each of the block.
    fn about(&mut self, line: usize, mark: &str, rest: &str) -> Result<(), String> {
        let items = match (self.at, self.block) {
            (Some(at), _) => &mut self.items[at..=at],
            (None, Some(block)) if matches!(mark, "~" | "?") || self.items.len() == block + 1 => {
                &mut self.items[block..]
            }
            _ => return Err("of which command?".into()),
        };
        for item in items {
            match mark {
                "%first" => item.first.push(rest.into()),
                "%then" => item.then.push(rest.into()),
                "%in" => item.shell = Some(rest.into()),
                "%stdin" => item.input = Some(rest.into()),
                "%starts" => item.started = Some(rest.into()),
                _ => item
                    .step
                    .expect(line, mark, rest)
                    .ok_or("not a line of a scenario")?,
            }
        }
        Ok(())
    }

    fn done(self) -> Scenario {
        let mut scenario = self.scenario;
        for item in self.items {
            let line = item.step.line;
            let shell = |command: String| Step {
                line,
                command,
                is_lenient: true,
                ..Step::default()
            };
            let mut step = item.step;
            if let Some(shell) = item.shell {
                step.command = format!("{shell} -c {}", quoted(&step.command));
            }
            if let Some(path) = item.input {
                step.command = format!("{{ {}\n}} <{path}", step.command);
            }
            if let Some(text) = item.started {
                step.command = format!(
                    ": >$T/started; {{ exec {}\n}} >$T/started 2>&1 & echo $! >$T/started.pid; until grep -qsF -e '{text}' $T/started; do sleep 0.02; done",
                    step.command
                );
            }
            let steps = &mut scenario.transcript.steps;
            steps.extend(item.first.into_iter().map(shell));
            steps.push(step);
            steps.extend(item.then.into_iter().map(shell));
        }
        scenario
    }
}
