//! Another user of the machine, who looks at `/proc` and at files all the time.

use super::common::{World, find_program};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Nobody's.
pub const OTHER: u32 = 65534;

/// The one who looks.
pub struct Poller {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// What came of it.
#[derive(Default, Debug)]
pub struct Looked {
    /// What could be read.
    pub reads: usize,
    /// What could not.
    pub refused: usize,
    /// Processes whose arguments were read.
    pub processes: BTreeSet<u32>,
    /// Where a text was.
    pub hits: BTreeSet<String>,
}

/// True if a process can be started as another user, and look.
pub fn is_possible(world: &World) -> bool {
    let is_root = fs::metadata(&world.root).is_ok_and(|info| info.uid() == 0);
    is_root && find_program("python3").is_some()
}

impl Poller {
    /// Begins to look for texts, in the processes that begin from now on and below a directory.
    pub fn start(texts: &[&str], below: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-I", "-c", include_str!("poller.py")]);
        command.arg(below).current_dir("/").uid(OTHER).gid(OTHER);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3");
        let lines = texts.join("\n") + "\n\n";
        let input = child.stdin.as_mut().expect("an input");
        input.write_all(lines.as_bytes()).expect("a reader");
        let mut said = BufReader::new(child.stdout.take().expect("an output"));
        let mut ready = String::new();
        said.read_line(&mut ready).expect("a line");
        assert_eq!(ready, "ready\n");
        Poller { child, said }
    }

    /// Ends it.
    pub fn end(mut self) -> Looked {
        drop(self.child.stdin.take());
        let mut looked = Looked::default();
        for line in self.said.lines().map_while(Result::ok) {
            let (word, rest) = line.split_once(' ').expect("a word and its rest");
            let number = || rest.parse().expect("a number");
            match word {
                "reads" => looked.reads = number(),
                "refused" => looked.refused = number(),
                "process" => drop(looked.processes.insert(rest.parse().expect("a number"))),
                _ => drop(looked.hits.insert(rest.to_string())),
            }
        }
        assert!(self.child.wait().expect("an end").success());
        looked
    }
}
