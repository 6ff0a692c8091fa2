//! A fuzzer of kagi's parsers, guided by the edges that their inputs take.
//!
//! Promises, for every input that it makes up: no panic, nothing over a second, no more memory than 16
//! times the input and 64 KiB, and what `targets.rs` demands. The same seed makes the same inputs. An
//! input that breaks this is left in a file and printed in hex.
//!
//! Leaves out: a stack overflow or an abort ends the process at once; `run.sh` says so, and the input is in
//! the file by then, because every input is written there before it is run.

mod compare;
mod mutate;
mod random;
mod seeds;
mod targets;
mod watch;

use kagi::format::snapshot::ENTRIES_MAX;
use mutate::{Entry, Mutator};
use random::Random;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, thread};
use targets::Target;

/// An input may take so long; of the processor, if it takes longer by the clock.
const TIME_MAX: Duration = Duration::from_secs(1);
/// And no longer than this before it counts as one that does not end.
const HANGS_AFTER: Duration = Duration::from_secs(60);
/// A parser may use 16 times its input, and this.
const MEMORY_MAX: (usize, usize) = (16, 64 * 1024);
/// That of `.env` files also this: a line of four bytes is an assignment, and a warning that the key was
/// there before; 20,000 lines at most.
const ASSIGNMENTS_MEMORY_MAX: usize = ENTRIES_MAX * 256;
/// Longer inputs are none to begin with.
const SEED_BYTES_MAX: usize = 32 * 1024;
const USAGE: &str = "kagi-fuzz list | TARGET FILE | TARGET --seed N --inputs M";

fn main() {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let target = |name| targets::ALL.iter().find(|target| target.name == name);
    match args[..] {
        ["list"] => {
            for Target {
                name,
                thousands: (quick, full),
                ..
            } in targets::ALL
            {
                println!("{name} {} {}", quick * 1000, full * 1000);
            }
        }
        [name, "--seed", seed, "--inputs", inputs] => {
            match (target(name), seed.parse(), inputs.parse()) {
                (Some(target), Ok(seed), Ok(inputs)) => fuzz(target, seed, inputs),
                _ => usage(),
            }
        }
        [name, file] => match (target(name), fs::read(file)) {
            (Some(target), Ok(input)) => Run::new(target).one(&input),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() {
    eprintln!("{USAGE}");
    exit(2);
}

/// When the input that runs now was begun, in milliseconds since the start; 0 between two.
static BEGAN: AtomicU64 = AtomicU64::new(0);

/// One target, and what was seen of it.
struct Run<'a> {
    target: &'a Target,
    /// Holds the input that runs.
    file: File,
    path: PathBuf,
    started: Instant,
    /// For each edge the kinds of counts that were seen.
    seen: Vec<u8>,
    inputs: usize,
    accepted: usize,
    slowest: Duration,
    /// The most memory, and the length of the input that took it.
    most: (usize, usize),
}

impl<'a> Run<'a> {
    fn new(target: &'a Target) -> Self {
        let directory = env::var_os("KAGI_FUZZ_FOUND").map_or_else(env::temp_dir, PathBuf::from);
        let path = directory.join(format!("{}.input", target.name));
        let file = File::create(&path).expect("a file for the input");
        let started = Instant::now();
        let what = format!(
            "found: {}: an input does not end; it is in {}",
            target.name,
            path.display()
        );
        thread::spawn(move || wait_for_one_that_hangs(started, &what));
        panic::set_hook(Box::new(|info| eprintln!("{info}")));
        // What a target makes once is not the memory of an input.
        (target.run)(b"");
        watch::counters().fill(0);
        Run {
            target,
            file,
            path,
            started,
            seen: vec![0; watch::counters().len()],
            inputs: 0,
            accepted: 0,
            slowest: Duration::ZERO,
            most: (0, 0),
        }
    }

    /// Runs an input; ends the process if something does not hold.
    fn one(&mut self, input: &[u8]) {
        self.inputs += 1;
        // A short file means that it was not written; the rest of a longer one is cut off.
        let written = self.file.write_all_at(input, 0);
        written
            .and_then(|()| self.file.set_len(input.len() as u64))
            .expect("the file is written");
        let (took, memory) = self.measured(input);
        let (times, constant) = MEMORY_MAX;
        let is_dotenv = self.target.name.starts_with("dotenv");
        let lines = if is_dotenv { ASSIGNMENTS_MEMORY_MAX } else { 0 };
        if memory > times * input.len() + constant + lines {
            self.found(
                input,
                &format!("{memory} bytes of memory for {} of input", input.len()),
            );
        }
        let took = if took < TIME_MAX {
            took
        } else {
            self.computed(input)
        };
        if took >= TIME_MAX {
            self.found(input, &format!("{took:?} for {} bytes", input.len()));
        }
        self.slowest = self.slowest.max(took);
        self.most = self.most.max((memory, input.len()));
    }

    /// The time for which the processor worked on an input: the machine may have other work.
    fn computed(&mut self, input: &[u8]) -> Duration {
        // Nanoseconds of this thread, where the kernel counts them.
        let counted = || {
            let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
            text.split(' ').next()?.parse().ok()
        };
        let before: Option<u64> = counted();
        let (took, _) = self.measured(input);
        let computed = before.zip(counted()).map(|(before, after)| after - before);
        computed.map_or(took, Duration::from_nanos)
    }

    /// Time and memory.
    fn measured(&mut self, input: &[u8]) -> (Duration, usize) {
        let began = Instant::now();
        BEGAN.store(1 + self.started.elapsed().as_millis() as u64, Relaxed);
        let memory = watch::begin();
        let accepted = panic::catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let memory = watch::most_since(memory);
        BEGAN.store(0, Relaxed);
        match accepted {
            Ok(accepted) => self.accepted += usize::from(accepted),
            Err(_) => self.found(input, "a panic"),
        }
        (began.elapsed(), memory)
    }

    /// True if the last input took an edge that none took before, or took one far more often.
    fn is_new(&mut self) -> bool {
        let mut is_new = false;
        for (counts, seen) in watch::counters().chunks_mut(8).zip(self.seen.chunks_mut(8)) {
            if counts == [0; 8] {
                continue;
            }
            for (count, seen) in counts.iter_mut().zip(seen) {
                let kind = match *count {
                    0 => 0,
                    1..=3 => 1 << (*count - 1),
                    4..=7 => 8,
                    8..=15 => 16,
                    16..=31 => 32,
                    32..=127 => 64,
                    128.. => 128,
                };
                is_new |= *seen | kind != *seen;
                *seen |= kind;
                *count = 0;
            }
        }
        is_new
    }

    /// An input to build on.
    fn entry(&self, input: Vec<u8>) -> Entry {
        let swaps = compare::swaps(&input, || {
            // It was run before, and nothing was found.
            let _ = (self.target.run)(&input);
        });
        watch::counters().fill(0);
        Entry { input, swaps }
    }

    fn found(&self, input: &[u8], what: &str) -> ! {
        let name = self.target.name;
        eprintln!("found: {name}: {what} (input {} of this run)", self.inputs);
        eprintln!("found: {name}: the input is in {}", self.path.display());
        let hex: String = input
            .iter()
            .take(1024)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        eprintln!(
            "found: {name}: {hex}{}",
            if input.len() > 1024 { "…" } else { "" }
        );
        exit(1);
    }
}

/// Ends the process if an input does not end.
fn wait_for_one_that_hangs(started: Instant, what: &str) {
    loop {
        thread::sleep(Duration::from_secs(1));
        let began = BEGAN.load(Relaxed);
        if began > 0 && started.elapsed() > Duration::from_millis(began) + HANGS_AFTER {
            eprintln!("{what}");
            exit(1);
        }
    }
}

fn fuzz(target: &Target, seed: u64, inputs: usize) {
    let mut pool: Vec<_> = seeds::vectors().iter().filter_map(target.seed).collect();
    pool.extend(target.more.iter().map(|text| text.as_bytes().to_vec()));
    pool.sort();
    pool.dedup();
    let words = seeds::words(&pool);
    let mut run = Run::new(target);
    // The vectors of limits are large, and have tests of their own.
    pool.retain(|seed| seed.len() <= SEED_BYTES_MAX);
    assert!(!pool.is_empty(), "nothing to begin with");
    let mut entries = Vec::new();
    for seed in pool {
        run.one(&seed);
        run.is_new();
        entries.push(run.entry(seed));
    }
    let mut mutator = Mutator {
        words: &words,
        literals: &seeds::literals(),
        random: Random(seed),
    };
    for _ in 0..inputs {
        let input = mutator.next(&entries);
        run.one(&input);
        // What was blown up would only slow down what follows.
        if run.is_new() && input.len() <= SEED_BYTES_MAX {
            entries.push(run.entry(input));
        }
    }
    let edges = run.seen.iter().filter(|seen| **seen != 0).count();
    assert!(run.accepted > 0, "{}: nothing was accepted", target.name);
    println!(
        "{} inputs={inputs} edges={edges} of={} accepted={} pool={} slowest={}ms memory={}KiB/{}B seconds={}",
        target.name,
        run.seen.len(),
        run.accepted,
        entries.len(),
        run.slowest.as_millis(),
        run.most.0.div_ceil(1024),
        run.most.1,
        run.started.elapsed().as_secs()
    );
}
