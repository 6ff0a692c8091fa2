//! The real server, and a command that is fed a token.

use super::common::{Device, Outcome, World, outcome, program};
use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

/// `kagi serve` on a free port, ended with the test.
pub struct Serving {
    child: Child,
    /// Its address.
    pub url: String,
    /// The administrator's token.
    pub admin: String,
    /// Its fingerprint.
    pub print: String,
}

impl Serving {
    /// With a store in the world.
    pub fn start(world: &World) -> Self {
        Serving::first(world, "127.0.0.1:0")
    }

    /// The same at an address.
    pub fn first(world: &World, bind: &str) -> Self {
        let mut serving = Serving::again(world, bind);
        let first = fs::read_to_string(world.root.join("first")).expect("the first token");
        let token = first.split_once("admin token ").expect("the first token").1;
        serving.admin = token.trim().to_string();
        let print = first.split_once("fingerprint ").expect("a fingerprint").1;
        serving.print = print.lines().next().unwrap_or_default().to_string();
        serving
    }

    /// With what is in the world already, at an address.
    pub fn again(world: &World, bind: &str) -> Self {
        let device = world.device("server");
        let mut command = device.command(program(), &world.root);
        command.args(["serve", "--bind", bind, "--store", "store"]);
        let (first, log) = (world.root.join("first"), world.root.join("log"));
        let file = |path| fs::File::create(path).expect("a file");
        let child = command
            .stdout(file(&first))
            .stderr(file(&log))
            .spawn()
            .expect("a server");
        let mut serving = Serving {
            child,
            url: String::new(),
            admin: String::new(),
            print: String::new(),
        };
        let end = Instant::now() + Duration::from_secs(20);
        while serving.url.is_empty() {
            assert!(Instant::now() < end, "the server does not start");
            thread::sleep(Duration::from_millis(10));
            let log = fs::read_to_string(&log).expect("a log");
            let url = log
                .split_once("serving on ")
                .and_then(|(_, rest)| rest.split_once(' '));
            serving.url = url.map(|(url, _)| url.to_string()).unwrap_or_default();
        }
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command with something on its standard input.
pub fn fed(device: &Device, at: &Path, words: &str, input: &str) -> Outcome {
    let path = at.join("../input");
    fs::write(&path, input).expect("a file");
    let mut command = device.command(program(), at);
    command
        .args(words.split_whitespace())
        .stdin(fs::File::open(&path).expect("a file"));
    let outcome = outcome(&format!("kagi {words} < input"), &mut command);
    fs::remove_file(path).expect("the file");
    outcome
}
