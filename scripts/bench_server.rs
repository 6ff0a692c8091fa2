//! Figures of the sync server, printed beside floors of the same run: see `bench-server.sh`.
//!
//! Everything is on loopback: the clients' own cryptography runs on the same machine. Server CPU is
//! user and system time of the server's process from /proc, over many requests.

use kagi::crypto::hash::hash;
use kagi::crypto::random;
use kagi::crypto::wrap::{agree, public_key};
use kagi::format::message::manifest::{Listed, Manifest};
use kagi::format::message::token::{AdminToken, Credential};
use kagi::format::names::{Epoch, project_id};
use kagi::sync::protocol::{NewToken, Operation, Refusal, Response, Rights};
use kagi::sync::remote::{self, Options, Server};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Files = Vec<(String, Vec<u8>)>;

/// A server that is killed at the end.
struct Running {
    child: Child,
    address: String,
    server: [u8; 32],
    admin: Credential,
    first_answer: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(kagi: &Path, directory: &Path) -> Running {
    let arguments = |extra: &[&str]| {
        let mut command = Command::new(kagi);
        command
            .args(["serve", "--store"])
            .arg(directory.join("store"));
        command
            .arg("--key-file")
            .arg(directory.join("key"))
            .args(extra);
        command
    };
    let made = arguments(&["--init"]).output().expect("kagi serve --init");
    let text = String::from_utf8(made.stdout).expect("text");
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with("kagi_admin_v1_"));
    let token = AdminToken::from_text("token", word.expect("the admin token")).expect("a token");
    let begun = Instant::now();
    let mut child = arguments(&["--bind", "127.0.0.1:0"]);
    let mut child = child.stderr(Stdio::piped()).spawn().expect("kagi serve");
    let mut address = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe"));
    while !address.contains("127.0.0.1:") {
        address.clear();
        assert!(
            lines.read_line(&mut address).expect("a line") > 0,
            "the server ended"
        );
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let at = address.find("127.0.0.1:").expect("found");
    let end = address[at..]
        .find(|c: char| c.is_whitespace() || c == '/')
        .map_or(address.len(), |e| at + e);
    let address = address[at..end].trim().to_string();
    let mut stream = TcpStream::connect(&address).expect("connected");
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("read");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let first_answer = begun.elapsed();
    Running {
        child,
        address: format!("http://{address}"),
        server: token.server,
        admin: token.credential,
        first_answer,
    }
}

/// Microseconds of CPU that the server has used.
fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("stat");
    let fields: Vec<&str> = stat[stat.rfind(')').expect(")") + 2..].split(' ').collect();
    let ticks: f64 =
        fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    ticks * 10_000.0
}

/// Resident KiB.
fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("a number")
}

fn median(times: &mut [Duration]) -> (f64, f64) {
    times.sort();
    let at =
        |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e6;
    (at(50), at(99))
}

fn timed(count: usize, mut action: impl FnMut()) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        action();
        times.push(begun.elapsed());
    }
    times
}

/// A state of about the size that a project of 20 keys has; the server cannot tell it from a real one.
fn files(seed: u8) -> Files {
    vec![
        ("access.json".into(), vec![b'a'; 1400]),
        ("kagi.json".into(), vec![b'k'; 260]),
        (
            "secrets/api/development.enc".into(),
            [
                vec![seed; 4200],
                random::bytes::<32>().expect("random").to_vec(),
            ]
            .concat(),
        ),
    ]
}

fn manifest(project: &str, revision: u64, previous: [u8; 32], files: &Files) -> Manifest {
    let listed = |(path, bytes): &(String, Vec<u8>)| Listed {
        path: path.clone(),
        size: u32::try_from(bytes.len()).expect("small"),
        digest: hash(bytes),
    };
    Manifest {
        project: project.into(),
        epoch: Epoch {
            number: 1,
            id: [1; 8],
        },
        revision,
        previous,
        files: files.iter().map(listed).collect(),
        mac: [7; 32],
    }
}

struct Client {
    server: Box<dyn Server>,
    credential: Credential,
    project: String,
}

impl Client {
    fn new(running: &Running, credential: &Credential, project: &str) -> Self {
        let server = remote::open(&running.address, Some(running.server), Options::default());
        Client {
            server: server.expect("opened"),
            credential: credential.duplicate(),
            project: project.into(),
        }
    }

    fn call(&mut self, operation: Operation) -> Response {
        self.server
            .call(Some(&self.credential), &self.project, operation)
            .expect("an answer")
    }

    /// Pushes one more state on top of what is there, until the server takes it.
    fn push(&mut self, tries: &AtomicU64) {
        loop {
            let Response::Standing(standing) = self.call(Operation::Status) else {
                panic!("status")
            };
            let files = files(3);
            let next = manifest(&self.project, standing.revision + 1, standing.id, &files);
            tries.fetch_add(1, Ordering::Relaxed);
            let blobs = if standing.revision == 0 {
                files.iter().map(|f| f.1.clone()).collect()
            } else {
                vec![files[2].1.clone()]
            };
            let operation = Operation::Push {
                manifest: next.encode(),
                blobs,
                members: Vec::new(),
                member: String::new(),
            };
            match self.call(operation) {
                Response::Standing(_) => return,
                Response::Refused(Refusal::Conflict, _) => {}
                Response::Refused(refusal, about) => panic!("{refusal:?} {about}"),
                _ => panic!("push"),
            }
        }
    }
}

fn line(name: &str, figure: &str, about: &str) {
    println!("{name:<44} {figure:>14}  {about}");
}

fn floors(directory: &Path) -> f64 {
    let secret = random::key().expect("random");
    let public = public_key(&random::key().expect("random"));
    let (dh, _) = median(&mut timed(500, || drop(agree(&secret, &public))));
    let (base, _) = median(&mut timed(500, || {
        std::hint::black_box(public_key(&secret));
    }));
    line(
        "floor: X25519, twice and a base point",
        &format!("{:.0} us", 2.0 * dh + base),
        "what a server computes for a request",
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("address");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut buffer = [0; 512];
            let _ = stream
                .read(&mut buffer)
                .and_then(|count| stream.write_all(&buffer[..count]));
        }
    });
    let (echo, _) = median(&mut timed(2000, || {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(&[1; 300]).expect("written");
        stream.read_to_end(&mut Vec::new()).expect("read");
    }));
    line(
        "floor: connect, 300 bytes there and back",
        &format!("{echo:.0} us"),
        "one thread that echoes",
    );
    let (two, _) = median(&mut timed(300, || {
        let (temp, path) = (directory.join("temp"), directory.join("file"));
        let mut file = fs::File::create(&temp).expect("made");
        file.write_all(&[1; 4500])
            .and_then(|()| file.sync_all())
            .expect("written");
        fs::rename(temp, path).expect("renamed");
        fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .expect("synced");
    }));
    line(
        "floor: 4.5 KB written, synced, renamed",
        &format!("{two:.0} us"),
        "file and directory: two syncs",
    );
    two
}

fn one_client(running: &Running, member: &Credential, project: &str, count: usize, two: f64) {
    let pid = running.child.id();
    let mut client = Client::new(running, member, project);
    let tries = AtomicU64::new(0);
    client.push(&tries);
    for (name, goal) in [("status", 200.0), ("pull", 250.0)] {
        let operation = || {
            if name == "status" {
                Operation::Status
            } else {
                Operation::Pull {
                    since: 0,
                    member: String::new(),
                }
            }
        };
        timed(50, || drop(client.call(operation())));
        let before = cpu(pid);
        let (p50, p99) = median(&mut timed(count, || drop(client.call(operation()))));
        #[allow(clippy::cast_precision_loss)] // A few thousand.
        let each = (cpu(pid) - before) / count as f64;
        line(
            &format!("{name}: server CPU"),
            &format!("{each:.0} us"),
            &format!("goal {goal} us"),
        );
        line(
            &format!("{name}: one client, p50 / p99"),
            &format!("{p50:.0} / {p99:.0} us"),
            if name == "pull" {
                "goal p50 500 us"
            } else {
                ""
            },
        );
    }
    let (p50, p99) = median(&mut timed(count.min(500), || client.push(&tries)));
    line(
        "push with a status before: p50 / p99",
        &format!("{p50:.0} / {p99:.0} us"),
        &format!("{:.2} times the two syncs; goal p50 1,000 us", p50 / two),
    );
}

fn many_clients(running: &Running, member: &Credential, project: &str, seconds: u64) {
    let mut client = Client::new(running, member, project);
    let Response::Standing(before) = client.call(Operation::Status) else {
        panic!("status")
    };
    let (done, tries) = (AtomicU64::new(0), AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = Client::new(running, member, project);
                while Instant::now() < until {
                    client.push(&tries);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let Response::Standing(after) = client.call(Operation::Status) else {
        panic!("status")
    };
    let (done, tries) = (done.into_inner(), tries.into_inner());
    assert_eq!(
        after.revision - before.revision,
        done,
        "acknowledged pushes and revisions"
    );
    line(
        "64 clients pushing",
        &format!("{} /s", done / seconds),
        &format!(
            "{done} acknowledged = {} revisions; {tries} tries, no failure",
            after.revision - before.revision
        ),
    );
    let done = AtomicU64::new(0);
    let until = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(running, member, project);
                while Instant::now() < until {
                    client.call(Operation::Status);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    line(
        "status by 8 clients",
        &format!("{} /s", done.into_inner() / seconds),
        "goal 5,000 /s on two cores",
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kagi = PathBuf::from(arguments.next().expect("the program"));
    let count: usize = arguments
        .next()
        .map_or(3000, |count| count.parse().expect("a count"));
    let seconds: u64 = arguments
        .next()
        .map_or(5, |count| count.parse().expect("seconds"));
    let directory = PathBuf::from(arguments.next().expect("a directory"));
    let two = floors(&directory);
    let running = start(&kagi, &directory);
    let pid = running.child.id();
    line(
        "first answer after the start",
        &format!("{:.1} ms", running.first_answer.as_secs_f64() * 1e3),
        "goal 2 ms",
    );
    let idle = memory(pid);
    line("idle memory", &format!("{idle} KiB"), "goal 3,072 KiB");
    let sleepers: Vec<_> = (0..500)
        .map(|_| {
            TcpStream::connect(running.address.trim_start_matches("http://")).expect("connected")
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    line(
        "500 idle connections",
        &format!("+{} KiB", memory(pid).saturating_sub(idle)),
        "goal 5,120 KiB",
    );
    drop(sleepers);
    std::thread::sleep(Duration::from_millis(500));
    let project = project_id(random::bytes().expect("random"));
    let token = || NewToken {
        credential: Credential::new(
            random::bytes().expect("random"),
            random::key().expect("random"),
        ),
        rights: Rights::MEMBER,
        expires: 0,
        member: String::new(),
        name: "bench".into(),
        sealed: Vec::new(),
    };
    let first = token();
    let member = first.credential.duplicate();
    let mut admin = Client::new(&running, &running.admin, &project);
    assert!(
        !matches!(
            admin.call(Operation::Approve { token: first }),
            Response::Refused(..)
        ),
        "approved"
    );
    one_client(&running, &member, &project, count, two);
    many_clients(&running, &member, &project, seconds);
    line("memory after that", &format!("{} KiB", memory(pid)), "");
}
