//! `kagi serve` as a process: its first start, half a server, what it may bind; and what it must
//! survive: connections that send nothing, little by little, or do not read; no descriptors left;
//! wrong tokens. Timing is asserted tightly only with `KAGI_TEST_SCALE=full`.
#![cfg(feature = "server")]
#![cfg(all(unix, feature = "server"))]

mod common;

use common::{Device, Outcome, World, is_full_scale, outcome, program, say};
use kagi::crypto::random;
use kagi::error::Result;
use kagi::format::message::token::{AdminToken, Credential, ServerKeys};
use kagi::format::names::project_id;
use kagi::secret::Key;
use kagi::sync::channel::seal_request;
use kagi::sync::handler::Exchange;
use kagi::sync::protocol::{Operation, Refusal, Request, Response};
use kagi::sync::server::{self, Settings};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

/// A running server, which ends with the test.
struct Served {
    child: Child,
    address: SocketAddr,
    first: String,
    stderr: BufReader<ChildStderr>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        let Some(address) = address else {
            let _ = child.kill();
            panic!("{line}");
        };
        Served {
            child,
            address,
            first: line,
            stderr,
        }
    }

    /// What it has shown; it is ended for that.
    fn shown(mut self) -> String {
        let _ = self.child.kill();
        let mut text = String::new();
        let stdout = self.child.stdout.as_mut().expect("a pipe");
        stdout.read_to_string(&mut text).expect("text");
        text
    }

    /// Kilobytes: `VmRSS`, or `VmHWM` for the most there ever were.
    fn memory(&self, what: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).unwrap_or_default();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(what))
            .unwrap_or("");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    }

    /// Clock ticks of the processor.
    fn ticks(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(path).unwrap_or_default();
        let fields = stat.rsplit(") ").next().unwrap_or("").split(' ');
        fields
            .skip(11)
            .take(2)
            .filter_map(|ticks| ticks.parse::<u64>().ok())
            .sum()
    }
}

fn serve(device: &Device, world: &World, words: &str) -> Command {
    let mut command = device.command(program(), &world.root);
    command
        .args(["serve", "--store", "store"])
        .args(words.split_whitespace());
    command
}

fn start(device: &Device, world: &World) -> Served {
    Served::start(&mut serve(device, world, "--bind 127.0.0.1:0"))
}

fn tried(device: &Device, world: &World, words: &str) -> Outcome {
    outcome(
        &format!("kagi serve {words}"),
        &mut serve(device, world, words),
    )
}

/// Sends a request and reads the whole answer; how long that took.
fn ask(address: SocketAddr, request: &[u8]) -> std::io::Result<(String, Duration)> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok((
        String::from_utf8_lossy(&answer).into_owned(),
        started.elapsed(),
    ))
}

fn call(body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut request = format!(
        "POST /v1/rpc HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

#[track_caller]
fn is_well(address: SocketAddr) -> Duration {
    let (answer, took) = ask(address, HEALTH).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer:?}");
    took
}

// The first start, and the others.

#[test]
fn the_first_start_shows_the_token_and_no_other_does() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let served = start(&device, &world);
    is_well(served.address);
    let (page, _) = ask(
        served.address,
        b"GET /v1/server-key HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    .expect("it");
    let page = page.split("\r\n\r\n").nth(1).expect("a body").to_string();
    let (first, shown) = (served.first.clone(), served.shown());
    let lines: Vec<_> = shown.lines().collect();
    let [fingerprint, token] = lines.as_slice() else {
        panic!("{shown}");
    };
    let fingerprint = fingerprint
        .strip_prefix("fingerprint ")
        .expect("a fingerprint");
    assert!(
        fingerprint.starts_with("kgs_") && fingerprint.len() == 24,
        "{fingerprint}"
    );
    assert!(token.starts_with("admin token kagi_admin_v1_"), "{token}");
    assert!(first.contains(fingerprint), "{first}");
    let (key, after) = page.split_once(' ').expect("two words");
    assert_eq!(
        (key.len(), after),
        (64, format!("{fingerprint}\n").as_str())
    );

    let key_file = world.root.join("store.key");
    let mode = fs::metadata(&key_file)
        .expect("a key file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = start(&device, &world);
    is_well(again.address);
    // A store has one server.
    for words in ["--bind 127.0.0.1:0", "--check"] {
        tried(&device, &world, words).fails(&["store"]);
    }
    is_well(again.address);
    assert!(again.first.contains(fingerprint), "{}", again.first);
    assert_eq!(again.shown(), "");
    tried(&device, &world, "--init")
        .ok()
        .says(&["the server is", fingerprint]);
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o640)).expect("a mode");
    tried(&device, &world, "--bind 127.0.0.1:0").fails(&["others can read it", "chmod 600"]);
}

#[test]
fn half_a_server_is_not_taken_for_a_new_one() {
    let (world, device) = (World::new(), World::new().device("ada"));
    tried(&device, &world, "--stdio")
        .fails(&["there is no key file", "kagi serve --init --store "]);
    let made = tried(&device, &world, "--init").ok();
    assert!(
        made.text().contains("admin token kagi_admin_v1_"),
        "{}",
        made.text()
    );
    let (key_file, store) = (world.root.join("store.key"), world.root.join("store"));
    fs::rename(&key_file, world.root.join("away")).expect("a key file");
    for words in ["--bind 127.0.0.1:0", "--init"] {
        tried(&device, &world, words).fails(&["the key file", "is missing", "move the store away"]);
    }
    assert!(!key_file.exists());
    fs::rename(world.root.join("away"), &key_file).expect("a key file");
    fs::rename(&store, world.root.join("away")).expect("a store");
    for words in ["--bind 127.0.0.1:0", "--init", "--stdio"] {
        tried(&device, &world, words).fails(&["the store", "is missing", "move the key file away"]);
    }
    assert!(!store.exists());
    fs::rename(world.root.join("away"), &store).expect("a store");
    fs::write(&key_file, "kagi_server_v1_abc\n").expect("a key file");
    tried(&device, &world, "--bind 127.0.0.1:0").fails(&["store.key\" cannot be used"]);
}

#[test]
fn what_it_may_bind_and_what_it_is_told() {
    let (world, device) = (World::new(), World::new().device("ada"));
    for bind in ["0.0.0.0:0", "[::]:0"] {
        tried(&device, &world, &format!("--bind {bind}")).fails(&["without TLS", "--behind-proxy"]);
    }
    for bind in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "example.org:80"] {
        let failed = tried(&device, &world, &format!("--bind {bind}"));
        failed.fails(&["is not an address to bind", "127.0.0.1:8787"]);
    }
    for size in [
        "0",
        "1K",
        "63K",
        "1G",
        "257M",
        "-1",
        "M",
        "16m",
        "99999999999999999999M",
        "é",
    ] {
        let failed = tried(
            &device,
            &world,
            &format!("--bind 127.0.0.1:0 --max-body={size}"),
        );
        failed.fails(&["--max-body cannot be", "64K to 256M"]);
    }
    let failed = tried(&device, &world, "--key-file store/key");
    failed.fails(&["cannot be inside of the store"]);
    outcome(
        "kagi serve",
        device.command(program(), &world.root).arg("serve"),
    )
    .fails(&["serve needs a directory", "kagi serve --store"]);
    assert!(
        !world.root.join("store").exists(),
        "a refused start has made a store"
    );

    let words = "--bind 0.0.0.0:0 --behind-proxy --max-body 64K";
    let served = Served::start(&mut serve(&device, &world, words));
    let local = SocketAddr::from(([127, 0, 0, 1], served.address.port()));
    let ask_body = |bytes: usize| ask(local, &call(&vec![0; bytes])).expect("an answer").0;
    assert!(ask_body(64 << 10).starts_with("HTTP/1.1 400 "));
    assert!(ask_body((64 << 10) + 1).starts_with("HTTP/1.1 413 "));
    // A second one finds the port taken.
    let taken = format!("--bind 127.0.0.1:{}", local.port());
    tried(&device, &world, &taken).fails(&["cannot listen on"]);
    for address in [
        "",
        "=0.0.0.0:PORT",
        "=http://127.0.0.1:PORT/healthz",
        "=localhost:PORT",
    ] {
        let health = address.replace("PORT", &local.port().to_string());
        tried(
            &device,
            &world,
            &format!("--bind {} --health{health}", served.address),
        )
        .ok();
    }
    drop(served);
    let outcome = tried(&device, &world, &format!("{taken} --health"));
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(1), ""));
}

/// Asks as kagi's own clients do; `None` for an answer that does not open.
fn operate(
    address: SocketAddr,
    token: &AdminToken,
    secret: Option<Key>,
    operation: Operation,
) -> (Option<Response>, Duration) {
    let credential = Credential {
        id: token.credential.id.clone(),
        secret: secret.unwrap_or(token.credential.secret.duplicate()),
    };
    let request = Request {
        credential: Some(credential),
        id: random::bytes().expect("random bytes"),
        project: match &operation {
            Operation::Register { .. } => project_id([1; 13]),
            _ => String::new(),
        },
        operation,
    };
    let (bytes, expecting) = seal_request(&token.server, &request.encode()).expect("a request");
    let started = Instant::now();
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(&call(&bytes)).expect("a request");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let end = answer
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .expect("a head");
    let opened = expecting.open(&answer[end + 4..]);
    let response = opened.and_then(|response| Response::decode(response.expose()));
    (response, started.elapsed())
}

#[test]
fn the_token_that_was_shown_is_the_administrators() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let shown = tried(&device, &world, "--init").ok().text();
    let text = shown
        .lines()
        .find_map(|line| line.strip_prefix("admin token "));
    let token = AdminToken::from_text("it", text.expect("a token")).expect("a token");
    let served = start(&device, &world);
    let (answer, took) = operate(served.address, &token, None, Operation::Projects);
    assert!(matches!(answer, Some(Response::Projects(list)) if list.is_empty()));
    assert!(took < Duration::from_millis(900), "{took:?}");
    let (answer, took) = operate(
        served.address,
        &token,
        random::key().ok(),
        Operation::Projects,
    );
    assert!(matches!(answer, Some(Response::Refused(Refusal::Denied, about)) if about.is_empty()));
    assert!(took > Duration::from_millis(900), "{took:?}");
    // What was sealed to another server opens nothing.
    let other = ServerKeys::new(random::key().expect("a key"), random::key().expect("a key"));
    let other = AdminToken {
        server: other.public,
        credential: token.credential.duplicate(),
    };
    assert!(
        operate(served.address, &other, None, Operation::Projects)
            .0
            .is_none()
    );
    // What the store cannot do is said to who runs the server.
    let pending = world.root.join("store/pending");
    fs::remove_dir(&pending).expect("an empty directory");
    fs::write(&pending, "").expect("a file in its place");
    let mut served = served;
    let name = String::new();
    let (answer, _) = operate(served.address, &token, None, Operation::Register { name });
    assert!(matches!(
        answer,
        Some(Response::Refused(Refusal::Storage, _))
    ));
    let mut line = String::new();
    served.stderr.read_line(&mut line).expect("a line");
    assert_eq!(
        line,
        "kagi: note: a request was not done: not a directory\n"
    );
    fs::remove_file(&pending).expect("a file");
    drop(served);
    let check = tried(&device, &world, "--check").ok();
    check.says(&["0 projects, 0 revisions, 1 token, ", ": 0 problems"]);
    fs::write(world.root.join("store/FORMAT"), "kagi-store 2\n").expect("a store");
    assert_eq!(tried(&device, &world, "--check").code, Some(1));
}

// A pipe.

#[test]
fn frames_on_a_pipe() {
    let (world, device) = (World::new(), World::new().device("ada"));
    tried(&device, &world, "--init").ok();
    let talk = |input: &[u8]| {
        let mut command = serve(&device, &world, "--stdio");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // It may have ended already.
        let _ = stdin.write_all(input);
        drop(stdin);
        let output = child.wait_with_output().expect("an end");
        (
            output.status.code(),
            output.stdout,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let frame = |bytes: &[u8]| {
        [
            &u32::try_from(bytes.len()).expect("small").to_le_bytes(),
            bytes,
        ]
        .concat()
    };
    let (code, greeting, _) = talk(b"");
    assert_eq!((code, greeting.len()), (Some(0), 14 + 32));
    assert!(greeting.starts_with(b"kagi-server 1\n"));
    // Two requests that do not open, one of no bytes: an empty frame for each.
    let (code, stdout, _) = talk(&[frame(&[7; 200]), frame(b"")].concat());
    assert_eq!(
        (code, stdout),
        (Some(0), [greeting.as_slice(), &[0; 8]].concat())
    );
    for (cut, says) in [
        (frame(&[7; 200])[..100].to_vec(), "the client"),
        (frame(&[0; 3])[..4].to_vec(), "the client"),
    ] {
        let (code, stdout, stderr) = talk(&cut);
        assert_eq!(
            (code, stdout.as_slice()),
            (Some(1), greeting.as_slice()),
            "{stderr}"
        );
        assert!(stderr.contains(says), "{stderr}");
    }
    let (code, stdout, stderr) = talk(&[0xff; 100]);
    assert_eq!((code, stdout), (Some(1), greeting), "{stderr}");
    assert!(stderr.contains("a request\" is too large"), "{stderr}");
}

// Bad connections.

/// A server in this process, with its handler; it ends with the process.
fn in_process(
    body_bytes_max: usize,
    answer: impl Fn(&[u8], &str) -> Result<Option<Exchange>> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = Settings {
        body_bytes_max,
        is_behind_proxy: true,
        key_page: String::new(),
    };
    std::thread::spawn(move || server::serve(listener, settings, Box::new(answer)).map(|_| ()));
    address
}

fn connect(address: SocketAddr, sent: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let _ = stream.write_all(sent);
    stream
}

/// True if the peer has closed; what it said before is passed over, a little at a time.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("an option");
    match stream.read(&mut [0; 16]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(cause) => cause.kind() != ErrorKind::WouldBlock,
    }
}

/// How long it takes until the peer closes; at most 20 seconds.
fn closed_after(mut stream: TcpStream, each: impl Fn(&mut TcpStream)) -> f64 {
    let started = Instant::now();
    while !is_closed(&mut stream) && started.elapsed() < Duration::from_secs(20) {
        each(&mut stream);
        std::thread::sleep(Duration::from_millis(20));
    }
    started.elapsed().as_secs_f64()
}

type Each<'a> = &'a (dyn Fn(&mut TcpStream) + Sync);

#[test]
fn every_wait_has_an_end() {
    let address = in_process(16 << 20, |_, _| {
        Ok(Some(Exchange {
            trouble: None,
            bytes: vec![7; 12 << 20],
            is_denied: false,
        }))
    });
    let drip = |stream: &mut TcpStream| {
        let _ = stream.write(b"x");
    };
    let still = |_: &mut TcpStream| {};
    let body = call(&vec![0; 1_000_000]);
    let cases: [(&str, &[u8], Each, f64, f64); 6] = [
        ("nothing", b"", &still, 5.0, 5.0),
        ("a head that stops", b"GET /hea", &still, 5.0, 6.0),
        ("a head that drips", b"GET /", &drip, 5.0, 6.0),
        ("a body that stops", &body[..1000], &still, 5.0, 6.0),
        ("a body that drips", &body[..1000], &drip, 5.0, 6.0),
        // It stops for longer than may be, after much was sent fast.
        ("a body that stops late", &body[..900_000], &still, 5.0, 6.0),
    ];
    std::thread::scope(|scope| {
        for (name, sent, each, least, most) in cases {
            scope.spawn(move || {
                let seconds = closed_after(connect(address, sent), each);
                let slack = if is_full_scale() { 1.0 } else { 5.0 };
                let range = least - 0.5..most + slack;
                assert!(range.contains(&seconds), "{name}: closed after {seconds}");
            });
        }
        scope.spawn(move || {
            let mut stream = connect(address, &call(b"abc"));
            // It reads nothing for long enough, then everything that is left.
            std::thread::sleep(Duration::from_secs(12));
            stream
                .set_read_timeout(Some(Duration::from_secs(5)))
                .expect("an option");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(
                answer.len() < 12 << 20,
                "a reader that sleeps got everything"
            );
        });
        scope.spawn(move || {
            // One that is slow but moves gets everything.
            let mut stream = connect(address, &call(b"abc"));
            let (mut all, mut some) = (0, vec![0; 1 << 20]);
            loop {
                match stream.read(&mut some).expect("an answer") {
                    0 => break,
                    read => all += read,
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            assert!(all > 12 << 20, "{all} bytes");
        });
    });
}

#[test]
fn the_oldest_that_is_not_complete_makes_room() {
    let address = in_process(1 << 20, |_, _| Ok(None));
    let mut all: Vec<_> = (0..700).map(|_| connect(address, b"GET /")).collect();
    let took = is_well(address);
    // Closing them is one wake each.
    std::thread::sleep(Duration::from_millis(500));
    let closed: Vec<_> = all.iter_mut().map(is_closed).collect();
    let count = closed.iter().filter(|closed| **closed).count();
    assert!((150..=250).contains(&count), "{count} of 700 were closed");
    assert!(
        closed[..150].iter().all(|closed| *closed),
        "an old one is still there"
    );
    assert!(
        closed[550..].iter().all(|closed| !closed),
        "a new one is gone"
    );
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn bodies_that_are_held_have_a_budget() {
    let address = in_process(16 << 20, |bytes, _| {
        Ok(Some(Exchange {
            trouble: None,
            bytes: bytes.len().to_string().into_bytes(),
            is_denied: false,
        }))
    });
    let body = call(&vec![7; 15 << 20]);
    let stopped = &body[..body.len() - 1];
    let mut held: Vec<_> = (0..4).map(|_| connect(address, stopped)).collect();
    std::thread::sleep(Duration::from_millis(500));
    let closed: Vec<_> = held.iter_mut().map(is_closed).collect();
    assert_eq!(
        closed,
        [true, true, false, false],
        "the oldest go, and only they"
    );
    // A complete one is answered though the budget is used up.
    let (answer, _) = ask(address, &body).expect("an answer");
    assert!(answer.ends_with("\r\n\r\n15728640"), "{answer}");
    is_well(address);
}

#[test]
fn wrong_tokens_wait_and_right_ones_do_not() {
    let address = in_process(1 << 20, |bytes, from| {
        let is_denied = bytes.starts_with(b"wrong");
        Ok(Some(Exchange {
            trouble: None,
            bytes: from.as_bytes().to_vec(),
            is_denied,
        }))
    });
    let from = |who: &str, body: &[u8]| {
        let text = format!("X: a\r\nX-Forwarded-For: 10.9.9.9, {who}\r\nHost");
        let request = String::from_utf8(call(body)).expect("ASCII");
        request.replacen("Host", &text, 1).into_bytes()
    };
    let (wrong, right) = (from("192.0.2.1", b"wrong"), from("192.0.2.1", b"right"));
    let (answer, took) = ask(address, &wrong).expect("an answer");
    assert!(answer.ends_with("\r\n\r\n192.0.2.1"), "{answer}");
    let seconds = took.as_secs_f64();
    assert!(
        (0.9..if is_full_scale() { 1.5 } else { 5.0 }).contains(&seconds),
        "{seconds}"
    );

    let mut waiting: Vec<_> = (0..20).map(|_| connect(address, &wrong)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let closed = waiting
        .iter_mut()
        .filter_map(|stream| is_closed(stream).then_some(()))
        .count();
    assert_eq!(closed, 4, "16 wait, the others got no answer");
    // The address is no worse off with what it does right, and others not at all.
    let (answer, took) = ask(address, &right).expect("an answer");
    assert!(
        answer.ends_with("192.0.2.1") && took < Duration::from_millis(700),
        "{took:?}"
    );
    let (answer, _) = ask(address, &from("192.0.2.2", b"wrong")).expect("an answer");
    assert!(answer.ends_with("192.0.2.2"), "{answer}");
    let answers = waiting.iter_mut().filter_map(|stream| {
        stream.set_nonblocking(false).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.ends_with("192.0.2.1").then_some(())
    });
    assert_eq!(answers.count(), 16);
}

#[test]
fn it_lives_through_a_lack_of_descriptors() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let mut command = device.command("sh", &world.root);
    let line = "ulimit -n 40 && exec \"$0\" serve --store store --bind 127.0.0.1:0";
    command.args(["-c", line]).arg(program());
    let served = Served::start(&mut command);
    let before = served.ticks();
    let all: Vec<_> = (0..100)
        .map(|_| connect(served.address, b"GET /"))
        .collect();
    // Old ones make room for new ones here too.
    let (answer, _) = ask(served.address, HEALTH).expect("an answer");
    assert!(answer.ends_with("ok\n"), "{answer}");
    std::thread::sleep(Duration::from_secs(2));
    let ticks = served.ticks() - before;
    assert!(ticks < 100, "{ticks} ticks of the processor: it spins");
    drop(all);
    is_well(served.address);
}

/// One thread for connections is enough to answer everybody, one after the other. Only root can try this:
/// what is limited is the number of threads of one user.
#[test]
fn it_lives_through_a_lack_of_threads() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&world.root, everybody).expect("a mode");
    let mut command = device.command("setpriv", &world.root);
    command.args("--reuid 65431 --clear-groups prlimit --nproc=3".split(' '));
    command
        .arg(program())
        .args("serve --store store --bind 127.0.0.1:0".split(' '));
    let can = device
        .command("setpriv", &world.root)
        .args("--reuid 65431 true".split(' '))
        .status();
    if !can.is_ok_and(|status| status.success()) {
        return common::say("server: a lack of threads is skipped, it needs root and setpriv");
    }
    let served = Served::start(&mut command);
    for _ in 0..3 {
        let mut stream = connect(served.address, HEALTH);
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.ends_with("ok\n"), "{answer}");
    }
}

fn open_files_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(256)
}

/// One kind of bad connections, how long the last of them was open.
fn keep(kind: usize, count: usize, address: SocketAddr) -> Duration {
    let sent: [&[u8]; 3] = [
        b"",
        b"GET /",
        b"GET /v1/server-key HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    // The system holds 128 that are not accepted yet, and would let others wait for seconds.
    let pause = |number| std::thread::sleep(Duration::from_millis(u64::from(number % 10 == 0)));
    let mut open: Vec<_> = (0..count)
        .inspect(|number| pause(*number))
        .map(|_| (connect(address, sent[kind]), Instant::now()))
        .collect();
    let mut longest = Duration::ZERO;
    while !open.is_empty() && longest < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(100));
        open.retain_mut(|(stream, since)| {
            let is_open = !is_closed(stream) && (kind != 1 || stream.write(b"x").is_ok());
            longest = longest.max(since.elapsed());
            is_open
        });
    }
    longest
}

#[test]
fn good_requests_are_answered_among_bad_connections() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let wanted = if is_full_scale() { 1000 } else { 200 };
    // This process has one end of each.
    let count = wanted.min(open_files_max().saturating_sub(200) / 3);
    if count < wanted {
        say(&format!(
            "server: {count} bad connections of each kind, the limit allows no more"
        ));
    }
    let served = start(&device, &world);
    let idle = served.memory("VmRSS");
    let address = served.address;
    let (mut times, longest) = std::thread::scope(|scope| {
        let bad: Vec<_> = (0..3)
            .map(|kind| scope.spawn(move || keep(kind, count, address)))
            .collect();
        let mut times = Vec::new();
        while bad.iter().any(|bad| !bad.is_finished()) {
            times.push(is_well(address));
            let (answer, took) = ask(address, &call(&[7; 300])).expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            times.push(took);
            std::thread::sleep(Duration::from_millis(5));
        }
        let longest = bad
            .into_iter()
            .map(|bad| bad.join().expect("no panic"))
            .max();
        (times, longest.unwrap_or_default())
    });
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100];
    let most = served.memory("VmHWM");
    say(&format!(
        "server: 3 x {count} bad connections: {} good requests, p99 {:.1} ms, most memory {most} kB \
         (idle {idle} kB), the last bad one closed after {:.1} s",
        times.len(),
        p99.as_secs_f64() * 1000.0,
        longest.as_secs_f64()
    ));
    assert!(most < 64 * 1024, "{most} kB");
    let (p99_max, longest_max) = if is_full_scale() {
        (500, 10)
    } else {
        (2000, 20)
    };
    assert!(p99 < Duration::from_millis(p99_max), "p99 {p99:?}");
    assert!(
        longest < Duration::from_secs(longest_max),
        "a bad one lived for {longest:?}"
    );
}

#[test]
fn idle_connections_cost_little() {
    let (world, device) = (World::new(), World::new().device("ada"));
    let served = start(&device, &world);
    is_well(served.address);
    let count = 500.min(open_files_max().saturating_sub(200));
    let before = served.memory("VmRSS");
    let all: Vec<_> = (0..count).map(|_| connect(served.address, b"")).collect();
    std::thread::sleep(Duration::from_millis(500));
    let more = served.memory("VmRSS").saturating_sub(before);
    say(&format!(
        "server: {before} kB idle, {more} kB more for {count} idle connections"
    ));
    // A build for debugging has larger frames.
    let goal = if std::env::var_os("KAGI_BIN").is_some() {
        5 * 1024
    } else {
        12 * 1024
    };
    assert!(more <= goal, "{more} kB more");
    drop(all);
}
