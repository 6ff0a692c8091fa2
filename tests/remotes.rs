//! Remotes, from the client's side: addresses, and what every transport does with a good server, a
//! wrong one and a broken one. The servers are fakes in this process that use the channel of the
//! library; `curl` and `ssh` are the real ones, before a real nginx and a real sshd, where they
//! are installed, and else scripts that note what they were given.

mod common;

use common::{Outcome, World, find_program, outcome, say};
use kagi::crypto::random;
use kagi::error::{Error, Kind};
use kagi::format::message::token::{Credential, ServerKeys};
use kagi::secret::{Key, Secret};
use kagi::sync::channel::open_request;
use kagi::sync::protocol::{Operation, Request, Response};
use kagi::sync::remote::{Address, Options, open, server_key};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PROJECT: &str = "kgp_aaaaaaaaaaaaaaaaaaaa";
const SECRET: [u8; 32] = *b"the secret that nobody may learn";

fn credential() -> Credential {
    Credential::new([7; 13], Key::new(SECRET))
}

fn keys() -> ServerKeys {
    let key = || random::key().expect("random bytes");
    ServerKeys::new(key(), key())
}

// Servers.

/// Answers a request as a server would: with what it was asked, in words.
fn sealed_answer(keys: &ServerKeys, request: &[u8]) -> Option<Vec<u8>> {
    let (plaintext, answering) = open_request(&keys.secret, &keys.public, request)?;
    let request = Request::decode(plaintext.expose()).expect("a request");
    let who = request.credential.map(|credential| credential.id);
    let lines = vec![
        request.project,
        who.unwrap_or_default(),
        "\u{1b}[31m".to_string(),
    ];
    let response = Response::Lines(lines).encode();
    Some(answering.seal(&response).expect("random bytes"))
}

/// What stands before the server's key.
fn greeting(public: &[u8; 32]) -> Vec<u8> {
    [b"kagi-server 1\n".as_slice(), public].concat()
}

fn http(code: u16, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {code} Any\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An HTTP server that notes every byte it gets. `answer` makes all of a response of a path and a body.
struct Fake {
    port: u16,
    record: Arc<Mutex<Vec<u8>>>,
}

impl Fake {
    fn new(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let record = Arc::new(Mutex::new(Vec::new()));
        let noted = record.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                if let Some((path, body)) = received(&mut stream, &noted) {
                    let _ = stream.write_all(&answer(&path, &body));
                }
            }
        });
        Fake { port, record }
    }

    /// One that is as it should be.
    fn good(keys: ServerKeys) -> Self {
        Fake::new(move |path, body| match path {
            "/v1/server-key" => http(200, &greeting(&keys.public)),
            "/v1/rpc" => match sealed_answer(&keys, body) {
                Some(answer) => http(200, &answer),
                None => http(400, b""),
            },
            _ => http(404, b""),
        })
    }

    /// One that always answers the same bytes.
    fn of(answer: Vec<u8>) -> Self {
        Fake::new(move |_, _| answer.clone())
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn record(&self) -> Vec<u8> {
        self.record.lock().expect("the record").clone()
    }
}

fn received(stream: &mut TcpStream, record: &Mutex<Vec<u8>>) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).ok().filter(|count| *count > 0)?;
        record.lock().ok()?.extend_from_slice(&chunk[..count]);
        bytes.extend_from_slice(&chunk[..count]);
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap_or("0");
        let length: usize = length.lines().next()?.parse().ok()?;
        if bytes.len() == end + 4 + length {
            let path = head.split(' ').nth(1)?.to_string();
            return Some((path, bytes[end + 4..].to_vec()));
        }
    }
}

/// The other end of `ssh`: greets, and answers frames until there are no more.
fn serve_frames(keys: &ServerKeys, mut from: impl Read, mut to: impl Write) {
    let mut write = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("a small frame");
        let frame = [&length.to_le_bytes(), bytes].concat();
        to.write_all(&frame).and_then(|()| to.flush())
    };
    let _ = write(&greeting(&keys.public));
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut frame).expect("a whole frame");
        let answer = sealed_answer(keys, &frame).unwrap_or_default();
        let _ = write(&answer);
    }
}

// Clients.

/// Asks as a client would; gives back the words of the answer.
fn ask(address: &str, server: [u8; 32], options: Options) -> Result<Vec<String>, Error> {
    let mut server = open(address, Some(server), options)?;
    let mut lines = Vec::new();
    // Twice, for a connection may be kept.
    for _ in 0..2 {
        match server.call(Some(&credential()), PROJECT, Operation::Status)? {
            Response::Lines(more) => lines = more,
            _ => panic!("another answer than the fake's"),
        }
    }
    Ok(lines)
}

#[track_caller]
fn kind(result: Result<Vec<String>, Error>, kind: Kind, cause: &str) {
    let error = result.expect_err("a failure");
    assert_eq!(error.kind, kind, "{error:?}");
    assert!(error.cause.contains(cause), "{error:?} without {cause:?}");
}

/// In a process of its own, with the variables that a test gives it: asks, and prints what came of it.
#[test]
fn probe() {
    let Ok(address) = std::env::var("KAGI_TEST_ADDRESS") else {
        return;
    };
    let key = std::env::var("KAGI_TEST_KEY").expect("a key");
    let key = kagi::format::text::HEX.decode(&key).expect("a key in hex");
    let key = key.expose().try_into().expect("32 bytes");
    match ask(&address, key, Options::default()) {
        Ok(lines) => say(&format!("answered: {lines:?}")),
        Err(error) => say(&format!("failed: {error:?}")),
    }
    match server_key(&address, Options::default()) {
        Ok(key) => say(&format!("key: {key:?}")),
        Err(error) => say(&format!("no key: {error:?}")),
    }
}

/// Runs `probe` with variables, and with a directory before all others in `PATH`.
fn probed(
    address: &str,
    key: &[u8; 32],
    programs: Option<&Path>,
    variables: &[(&str, &str)],
) -> String {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "probe", "--nocapture"]);
    command.env("KAGI_TEST_ADDRESS", address);
    command.env("KAGI_TEST_KEY", kagi::format::text::HEX.encode(key));
    if let Some(programs) = programs {
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", programs.display()));
    }
    command.envs(variables.iter().copied());
    outcome("probe", &mut command).ok().text()
}

/// Makes a program of a script.
fn script(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}")).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
}

// Addresses.

#[test]
fn an_address_has_one_text() {
    let same = [
        "http://127.0.0.1:8787",
        "https://kagi.example.org/team/one",
        "ssh://kagi@box.example.org:2222/srv/kagi",
        "ssh://box/srv/kagi",
        "http://[::1]:8787",
        "/media/usb/kagi",
    ];
    let here = std::env::current_dir().expect("a directory");
    let here = here.to_str().expect("text");
    let others = [
        ("HTTP://LocalHost:80/", "http://localhost".to_string()),
        ("https://Example.org:443//", "https://example.org".into()),
        ("http://[0:0:0:0:0:0:0:1]", "http://[::1]".into()),
        ("ssh://box/srv/kagi/", "ssh://box/srv/kagi".into()),
        ("file:///media/usb/./kagi/", "/media/usb/kagi".into()),
        ("/media//usb/../kagi", "/media/kagi".into()),
        ("./store", format!("{here}/store")),
        (".", here.into()),
    ];
    let same = same.map(|text| (text, text.to_string()));
    for (typed, text) in same.into_iter().chain(others) {
        let address = Address::parse(typed).unwrap_or_else(|error| panic!("{typed}: {error:?}"));
        assert_eq!(address.text(), text, "{typed}");
    }
}

#[test]
fn what_is_no_address() {
    let refused = "
        kagi.example.org  store  ftp://host/a  https://  https://host:0  https://host:65536
        https://host:+80  https://host:080  https://host:  https://user@host  https://host/a?b
        https://host/a#b  https://host/a//b  https://host/../a  https://host/\"  https://host\\
        https://ho\"st  https://-o  https://{a,b}  https://[::1  https://[1.2.3.4]  https://host/[1-2]
        https://ho%73t  http://host/a  ssh://host  ssh://host/  ssh://-oProxyCommand=a/b
        ssh://-oProxyCommand@host/b  ssh://a@-host/b  ssh://a:b@host/c  ssh://host/a'b  ssh://host/$(a)
        ssh://host/a;b  ssh://@host/a  ssh://a@b@host/a  file://host/a  /  /..  http://[::1]a:1";
    for typed in refused
        .split_whitespace()
        .chain(["", "/a b", "/a\nb", "/é"])
    {
        let error = Address::parse(typed).expect_err(typed);
        assert_eq!(error.kind, Kind::BadText, "{typed}");
        assert!(!error.cause.is_empty(), "{typed}");
    }
    assert!(Address::parse(&format!("/{}", "a".repeat(1024))).is_err());
    for secret in [
        "kagi_proj_v1_secret",
        "https://a:secret@host",
        "ssh://a:secret@host/a",
    ] {
        let error = Address::parse(secret).expect_err(secret);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

// HTTP.

#[test]
fn a_good_server_is_asked() {
    let keys = keys();
    let public = keys.public;
    let fake = Fake::good(keys);
    for host in ["127.0.0.1", "localhost", "127.1.2.3"] {
        let address = format!("http://{host}:{}", fake.port);
        let lines = ask(&address, public, Options::default()).expect("an answer");
        assert_eq!(lines[0], PROJECT);
        assert_eq!(lines[1], credential().id);
        let key = server_key(&address, Options::default()).expect("an answer");
        assert_eq!(key, Some(public));
    }
}

#[test]
fn other_machines_are_not_asked_by_plain_http() {
    let keys = keys();
    let public = keys.public;
    let fake = Fake::good(keys);
    // Another address than loopback's that nevertheless leads here.
    let address = format!("http://0.0.0.0:{}", fake.port);
    let plain = ask(&address, public, Options::default());
    kind(plain, Kind::BadText, "--allow-insecure-http");
    server_key(&address, Options::default()).expect_err("as above");
    let named = ask("http://kagi.invalid", public, Options::default());
    kind(named, Kind::BadText, "--allow-insecure-http");
    assert_eq!(fake.record(), b"");
    let allowing = Options {
        allows_insecure_http: true,
    };
    ask(&address, public, allowing).expect("an answer");
    let variable = |value| {
        probed(
            &address,
            &public,
            None,
            &[("KAGI_ALLOW_INSECURE_HTTP", value)],
        )
    };
    assert!(variable("1").contains("answered: "));
    assert!(variable("0").contains("failed: "));
}

#[test]
fn a_server_of_another_key_learns_nothing() {
    let real = keys().public;
    // It says that it is the real one; what it knows is another key.
    let liar = |answers: fn(&ServerKeys, &[u8]) -> Vec<u8>| {
        let own = keys();
        Fake::new(move |path, body| match path {
            "/v1/server-key" => http(200, &greeting(&real)),
            _ => answers(&own, body),
        })
    };
    let fakes = [
        liar(|own, body| {
            assert!(sealed_answer(own, body).is_none());
            http(400, b"")
        }),
        liar(|_, _| http(200, b"")),
        liar(|_, body| http(200, body)),
        liar(|_, _| http(200, &Response::Done.encode().expose().repeat(40))),
        // Sealed as if it had opened the request, with its own keys.
        liar(|own, body| {
            let sealed = kagi::sync::channel::seal_request(&own.public, &Secret::copy_of(body));
            http(200, &sealed.expect("random bytes").0)
        }),
    ];
    for fake in fakes {
        let key = server_key(&fake.address(), Options::default()).expect("an answer");
        assert_eq!(key, Some(real));
        let error = ask(&fake.address(), real, Options::default()).expect_err("another key");
        assert_eq!(error.kind, Kind::WrongServer, "{error:?}");
        assert_eq!(error.subject, fake.address());
        let record = fake.record();
        assert!(record.len() > 300, "the fake was not asked");
        for unknown in [
            PROJECT.as_bytes(),
            credential().id.as_bytes(),
            &SECRET,
            &SECRET[..8],
        ] {
            let found = record
                .windows(unknown.len())
                .any(|bytes| bytes.eq_ignore_ascii_case(unknown));
            assert!(!found, "{}", String::from_utf8_lossy(unknown));
        }
    }
}

#[test]
fn codes_have_their_reasons() {
    for (code, expected, cause) in [
        (400, Kind::WrongServer, ""),
        (413, Kind::TooLarge, "--max-body"),
        (301, Kind::Unreachable, "redirects (code 301)"),
        (404, Kind::Unreachable, "code 404"),
        (429, Kind::Unreachable, "code 429"),
        (503, Kind::Unreachable, "code 503"),
    ] {
        let fake = Fake::of(http(code, b""));
        kind(
            ask(&fake.address(), keys().public, Options::default()),
            expected,
            cause,
        );
    }
}

#[test]
fn answers_that_are_none() {
    let large = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        24 * 1024 * 1024 + 1
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 0\r\n\r\n",
        "a".repeat(16 * 1024)
    );
    let answers = [
        "",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\na",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 0\r\n\r\n",
        &large,
        &head,
    ];
    for answer in answers {
        let fake = Fake::of(answer.into());
        let result = ask(&fake.address(), keys().public, Options::default());
        let error = result.expect_err(answer);
        assert_eq!(error.kind, Kind::Unreachable, "{answer}: {error:?}");
        assert_eq!(error.cause, "it does not answer as kagi does", "{answer}");
    }
    let key = server_key(&Fake::of(http(200, b"kgs_a")).address(), Options::default());
    assert_eq!(key.expect_err("no key").kind, Kind::Unreachable);
}

#[test]
fn an_answer_that_comes_before_the_request_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.write_all(&http(413, b"")).expect("it takes it");
        let _ = stream.shutdown(Shutdown::Write);
        // As a server does that reads a little more, so that its answer is not lost.
        let _ = std::io::copy(&mut (&stream).take(1024 * 1024), &mut std::io::sink());
    });
    let mut server = open(&address, Some(keys().public), Options::default()).expect("an address");
    let push = Operation::Push {
        manifest: Vec::new(),
        blobs: vec![vec![0; 16 * 1024 * 1024]],
        members: Vec::new(),
        member: String::new(),
    };
    let error = server.call(None, PROJECT, push).err().expect("a failure");
    assert_eq!(error.kind, Kind::TooLarge, "{error:?}");
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let result = ask(&address, keys().public, Options::default());
    kind(result, Kind::Unreachable, "connection refused");
}
