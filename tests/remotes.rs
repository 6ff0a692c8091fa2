//! Remotes, from the client's side: addresses, and what every transport does with a good server, a
//! wrong one and a broken one. The servers are fakes in this process that use the channel of the
//! library; `curl` and `ssh` are the real ones, before a real nginx and a real sshd, where they
//! are installed, and else scripts that note what they were given.
#![cfg(all(unix, feature = "server"))]

mod common;

use common::{World, find_program, outcome, say};
use kagi::crypto::random;
use kagi::error::{Error, Kind};
use kagi::format::message::token::{AdminToken, Credential, ServerKeys, fingerprint};
use kagi::format::text::HEX;
use kagi::secret::{Key, Secret};
use kagi::sync::channel::open_request;
use kagi::sync::protocol::{Operation, Refusal, Request, Response, Rights};
use kagi::sync::remote::{Address, Options, open, server_key};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PROJECT: &str = "kgp_aaaaaaaaaaaaaaaaaaaa";
/// The value of a secret variable.
const MARKER: &str = "kagi_of_a_variable";
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

/// The page that says which key a server has.
fn key_page(public: &[u8; 32]) -> Vec<u8> {
    format!("{} {}\n", HEX.encode(public), fingerprint(public)).into()
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
            "/v1/server-key" => http(200, &key_page(&keys.public)),
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
fn serve_frames(keys: &ServerKeys, mut from: impl Read, mut to: impl Write, asked: &AtomicUsize) {
    let greeting = [b"kagi-server 1\n".as_slice(), &keys.public].concat();
    if to.write_all(&greeting).and_then(|()| to.flush()).is_err() {
        return;
    }
    let mut write = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("a small frame");
        let frame = [&length.to_le_bytes(), bytes].concat();
        to.write_all(&frame).and_then(|()| to.flush())
    };
    let mut length = [0; 4];
    while from.read_exact(&mut length).is_ok() {
        asked.fetch_add(1, Ordering::Relaxed);
        let mut frame = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut frame).expect("a whole frame");
        let answer = sealed_answer(keys, &frame).unwrap_or_default();
        let _ = write(&answer);
    }
}

/// Serves all that come through two pipes, one after the other; counts the requests.
fn serve_pipes(keys: ServerKeys, (to, from): (PathBuf, PathBuf)) -> Arc<AtomicUsize> {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        loop {
            let to = File::open(&to).expect("a pipe");
            serve_frames(&keys, to, File::create(&from).expect("a pipe"), &count);
        }
    });
    asked
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
            // By a server that does not know the token.
            Response::Refused(..) => lines = vec!["refused".into()],
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
    let key = HEX.decode(&key).expect("a key in hex");
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
    command.env("KAGI_TEST_KEY", HEX.encode(key));
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
        ..Options::default()
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
            "/v1/server-key" => http(200, &key_page(&real)),
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
    let large = 24 * 1024 * 1024 + 1;
    let large = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {large}\r\n\r\n{}",
        "a".repeat(large)
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
        let begin = &answer[..answer.len().min(80)];
        let error = result.expect_err(begin);
        assert_eq!(error.kind, Kind::Unreachable, "{begin}: {error:?}");
        assert_eq!(error.cause, "it does not answer as kagi does", "{begin}");
    }
    let none = server_key(&Fake::of(http(400, b"")).address(), Options::default());
    assert_eq!(none.expect_err("no key").kind, Kind::Unreachable);
    let (one, other) = (keys().public, keys().public);
    let liar = format!("{} {}\n", HEX.encode(&one), fingerprint(&other));
    for page in [liar.as_bytes(), &key_page(&one)[..86], &one, b""] {
        let fake = Fake::of(http(200, page));
        let key = server_key(&fake.address(), Options::default());
        assert_eq!(key.expect_err("no key").kind, Kind::Unreachable);
    }
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

// `curl`, whose place a script takes.

#[test]
fn curl_is_given_no_secret_and_no_argument_of_ours() {
    let world = World::new();
    let (programs, at) = (world.directory("programs"), world.root.display());
    let temporary = world.directory("with \"quotes\" and \\backslashes\\");
    let note = format!(
        r#"tr '\0' '\n' </proc/$$/cmdline >>{at}/arguments; env >>{at}/variables
        cat >>{at}/settings; ls -l "$TMPDIR" | sed 1d >>{at}/body; printf 404"#
    );
    script(&programs, "curl", &note);
    let key = keys().public;
    let variables = [
        ("TMPDIR", temporary.to_str().expect("text")),
        ("KAGI_PROJECT_TOKEN", MARKER),
        ("KAGI_IDENTITY", MARKER),
    ];
    let address = "https://kagi.example.org/team";
    let text = probed(address, &key, Some(&programs), &variables);
    assert!(text.contains("code 404"), "{text}");
    assert!(
        text.contains("no key: Error(Parts { kind: Unreachable"),
        "{text}"
    );
    let read = |name: &str| fs::read_to_string(world.root.join(name)).expect(name);
    let (shell, own) = ("/bin/sh", programs.join("curl"));
    let words = [shell, own.to_str().expect("text"), "-q", "-K", "-"];
    let arguments = read("arguments");
    assert!(arguments.lines().eq(words.into_iter().chain(words)));
    assert!(!read("variables").contains(MARKER), "a secret variable");
    let settings = read("settings");
    for path in ["rpc", "server-key"] {
        let url = format!("url = \"{address}/v1/{path}\"\nproto = \"=https\"\n");
        assert!(settings.contains(&url), "{settings}");
    }
    let quoted = r#"with \"quotes\" and \\backslashes\\/kagi-"#;
    assert!(settings.contains(quoted), "{settings}");
    // One request had a body, which is gone.
    let body = read("body");
    assert!(body.starts_with("-rw------- 1 "), "{body}");
    assert_eq!(body.lines().count(), 1, "{body}");
    assert_eq!(fs::read_dir(&temporary).expect("a directory").count(), 0);
}

#[test]
fn curls_reason_is_the_cause_and_its_absence_is_said() {
    let world = World::new();
    let programs = world.directory("programs");
    let key = keys().public;
    let reason = "echo 'curl: (60) SSL certificate problem: a reason' >&2; exit 60";
    script(&programs, "curl", reason);
    let text = probed("https://a.example", &key, Some(&programs), &[]);
    let cause = "cause: \"SSL certificate problem: a reason (CURL_CA_BUNDLE names ";
    assert!(text.contains(cause), "{text}");
    script(&programs, "curl", "kill -9 $$");
    let text = probed("https://a.example", &key, Some(&programs), &[]);
    assert!(text.contains("kind: Unreachable"), "{text}");
    for address in ["https://a.example", "ssh://a.example/store"] {
        let nothing = world.directory("nothing");
        let path = [("PATH", nothing.to_str().expect("text"))];
        let text = probed(address, &key, None, &path);
        let program = if address.starts_with("ssh") {
            "ssh"
        } else {
            "curl"
        };
        let missing = format!("kind: Missing, subject: \"{program}\"");
        assert!(text.contains(&missing), "{text}");
        assert!(text.contains("needs it; install it"), "{text}");
    }
}

// `ssh`, whose place a script takes.

/// A script that notes its arguments, and joins its input and output to two pipes; and those pipes.
fn fake_ssh(world: &World, name: &str) -> (PathBuf, PathBuf) {
    let at = world.root.display();
    let (to, from) = (world.root.join("to"), world.root.join("from"));
    let pipes = Command::new("mkfifo").args([&to, &from]).status();
    assert!(pipes.expect("mkfifo").success());
    let text = format!(
        "printf '%s\\n' \"$@\" >>{at}/arguments; env >>{at}/variables\n\
         exec 3<&0; cat <&3 >{at}/to & exec cat {at}/from"
    );
    script(&world.directory("programs"), name, &text);
    (to, from)
}

#[test]
fn ssh_is_told_where_to_and_what_to_run() {
    let world = World::new();
    let pipes = fake_ssh(&world, "ssh");
    let keys = keys();
    let public = keys.public;
    let asked = serve_pipes(keys, pipes);
    let programs = world.root.join("programs");
    let address = "ssh://kagi@box.example:2222/srv/kagi";
    let variables = [("KAGI_PROJECT_TOKEN", MARKER)];
    let text = probed(address, &public, Some(&programs), &variables);
    assert!(text.contains(&format!("answered: [{PROJECT:?}")), "{text}");
    assert!(text.contains(&format!("key: Some({public:?})")), "{text}");
    let arguments = fs::read_to_string(world.root.join("arguments")).expect("arguments");
    let words = "-T -p 2222 -- kagi@box.example kagi serve --stdio --store '/srv/kagi'";
    // Once to ask, once for the key.
    let lines: Vec<_> = arguments.lines().collect();
    let words: Vec<_> = words.split(' ').chain(words.split(' ')).collect();
    assert_eq!(lines, words);
    let variables = fs::read_to_string(world.root.join("variables")).expect("variables");
    assert!(!variables.contains(MARKER), "a secret variable");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    // Another key: nothing is sent any more.
    let text = probed(address, &SECRET, Some(&programs), &[]);
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert!(
        text.contains("failed: Error(Parts { kind: WrongServer"),
        "{text}"
    );
}

#[test]
fn ssh_that_ends_early() {
    let world = World::new();
    let programs = world.directory("programs");
    for (text, cause) in [
        ("exit 255", "ssh has ended with code 255"),
        ("exit 127", "there is no kagi on that machine"),
        ("kill -9 $$", "ssh has ended"),
        (
            "echo 'Welcome to this machine, and well met!'",
            "it does not answer as kagi does",
        ),
        (
            "printf 'kagi-server 1\\nshort'",
            "ssh has ended with code 0",
        ),
        (
            "printf 'kagi-server 1\\n%032d\\377\\377\\377\\377'; cat >/dev/null",
            "it does not answer as kagi does",
        ),
    ] {
        script(&programs, "ssh", text);
        let key = *b"00000000000000000000000000000000";
        let said = probed("ssh://box/srv", &key, Some(&programs), &[]);
        let failure = format!(
            "failed: Error(Parts {{ kind: Unreachable, subject: \"ssh://box/srv\", cause: \"{cause}\" }})"
        );
        assert!(said.contains(&failure), "{text}: {said}");
    }
}

// A directory.

#[test]
fn a_directory_is_a_remote_without_a_key() {
    let world = World::new();
    let store = world.root.join("disk/store");
    let address = store.to_str().expect("text");
    let file = format!("file://{address}/");
    assert_eq!(
        server_key(address, Options::default()).expect("a directory"),
        None
    );
    // The disk is not there, then there is no store on it: nothing is made for a question.
    let missing = open(address, None, Options::default())
        .err()
        .expect("a failure");
    assert_eq!(missing.kind, Kind::Missing, "{missing:?}");
    world.directory("disk");
    let mut remote = open(&file, None, Options::default()).expect("a directory");
    assert_eq!(remote.address(), address);
    let missing = remote.call(None, PROJECT, Operation::Status);
    assert_eq!(missing.err().map(|error| error.kind), Some(Kind::Missing));
    assert!(!store.exists());
    let register = || Operation::Register {
        name: "a project".into(),
    };
    let answer = remote.call(None, PROJECT, register()).expect("an answer");
    assert!(matches!(answer, Response::Done));
    // Somebody else meanwhile, for the store is not kept open.
    for remote in [
        &mut remote,
        &mut open(address, None, Options::default()).expect("a store"),
    ] {
        match remote
            .call(None, PROJECT, Operation::Status)
            .expect("an answer")
        {
            Response::Standing(standing) => assert_eq!(standing.revision, 0),
            _ => panic!("another answer"),
        }
    }
}

// The real ones.

/// A program that is stopped with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The places of programs, administrators' ones too; `None`, said aloud, if one is not installed.
fn installed<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let place = |name: &str| {
        let administrators = Path::new("/usr/sbin").join(name);
        find_program(name).or(Some(administrators).filter(|path| path.is_file()))
    };
    if let Some(missing) = names.iter().find(|name| place(name).is_none()) {
        say(&format!("skipped: {missing} is not installed"));
        return None;
    }
    Some(names.map(|name| place(name).expect("it was there just now")))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Starts a server that prints to a file, and waits until it listens.
fn started(command: &mut Command, port: u16, log: &Path) -> Running {
    let file = File::create(log).expect("a file");
    command
        .stdout(file.try_clone().expect("a file"))
        .stderr(file);
    let running = Running(command.spawn().expect("it starts"));
    let end = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(Instant::now() < end, "{command:?}: {}", said());
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

#[track_caller]
fn runs(program: &Path, at: &Path, words: &str) {
    let mut command = Command::new(program);
    command.args(words.split(' ')).current_dir(at);
    outcome(words, &mut command).ok();
}

/// A certificate for `localhost` by an authority of our own.
fn certificates(openssl: &Path, at: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    runs(
        openssl,
        at,
        &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=kagi-test -days 2"),
    );
    runs(
        openssl,
        at,
        &format!("req {key} -keyout server.key -out server.csr -subj /CN=localhost"),
    );
    fs::write(at.join("names"), "subjectAltName = DNS:localhost").expect("a file");
    let words = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names \
                 -days 2 -out server.pem";
    runs(
        openssl,
        at,
        &words.split_whitespace().collect::<Vec<_>>().join(" "),
    );
}

#[test]
fn https_through_curl_and_nginx() {
    let Some([nginx, openssl, _]) = installed(["nginx", "openssl", "curl"]) else {
        return;
    };
    let world = World::new();
    let at = &world.root;
    certificates(&openssl, at);
    let keys = keys();
    let public = keys.public;
    let (behind, port) = (Fake::good(keys), free_port());
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {name};"));
    let settings = format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr; events {{}}
        http {{ access_log off; {} server {{
            listen 127.0.0.1:{port} ssl; ssl_certificate server.pem; ssl_certificate_key server.key;
            location /team/ {{ proxy_pass http://127.0.0.1:{}/; }}
            location /moved/ {{ return 301 https://localhost:{port}/team$request_uri; }}
            location /down/ {{ proxy_pass http://127.0.0.1:{}/; }} }} }}",
        temporary.concat(),
        behind.port,
        free_port(),
    );
    fs::write(at.join("nginx.conf"), settings).expect("a file");
    let mut command = Command::new(nginx);
    command
        .arg("-p")
        .arg(at)
        .args(["-c", "nginx.conf", "-e", "stderr"]);
    let _nginx = started(&mut command, port, &at.join("nginx.log"));
    let ca = at.join("ca.pem");
    let believed = [("CURL_CA_BUNDLE", ca.to_str().expect("text"))];
    let asked = |path: &str, variables: &[(&str, &str)]| {
        probed(
            &format!("https://localhost:{port}{path}"),
            &public,
            None,
            variables,
        )
    };
    let text = asked("/team", &believed);
    assert!(text.contains(&format!("answered: [{PROJECT:?}")), "{text}");
    assert!(text.contains(&format!("key: Some({public:?})")), "{text}");
    let text = asked(
        "/team",
        &[
            ("CURL_CA_BUNDLE", ""),
            ("SSL_CERT_DIR", ""),
            ("SSL_CERT_FILE", believed[0].1),
        ],
    );
    assert!(text.contains("answered: "), "{text}");
    let text = asked("/team", &[("CURL_CA_BUNDLE", ""), ("SSL_CERT_FILE", "")]);
    assert!(text.contains("kind: Unreachable"), "{text}");
    assert!(text.to_lowercase().contains("certificate"), "{text}");
    assert!(asked("/moved", &believed).contains("it redirects (code 301)"));
    assert!(asked("/down", &believed).contains("it answers with code 502"));
    assert!(asked("/none", &believed).contains("it answers with code 404"));
    let other = probed(
        &format!("https://localhost:{port}/team"),
        &SECRET,
        None,
        &believed,
    );
    assert!(
        other.contains("failed: Error(Parts { kind: WrongServer"),
        "{other}"
    );
}

#[test]
fn ssh_to_a_real_sshd() {
    let Some([sshd, ssh, keygen]) = installed(["sshd", "ssh", "ssh-keygen"]) else {
        return;
    };
    let world = World::new();
    let at = world.root.display();
    for name in ["host_key", "key"] {
        runs(
            &keygen,
            &world.root,
            &format!("-q -t ed25519 -N  -f {name}"),
        );
    }
    // The account runs what it is asked to, with a kagi that is before all others.
    let pipes = fake_ssh(&world, "kagi");
    let public_key = fs::read_to_string(world.root.join("key.pub")).expect("a key");
    script(
        &world.root,
        "account",
        "PATH=${0%/*}/programs:$PATH exec sh -c \"$SSH_ORIGINAL_COMMAND\"",
    );
    let line = format!("restrict,command=\"{at}/account\" {public_key}");
    fs::write(world.root.join("authorized_keys"), line).expect("a file");
    let port = free_port();
    let settings = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host_key\nPidFile none\nStrictModes no\n\
         AuthorizedKeysFile {at}/authorized_keys\nPasswordAuthentication no\nUsePAM no\n"
    );
    fs::write(world.root.join("sshd_config"), settings).expect("a file");
    let host_key = fs::read_to_string(world.root.join("host_key.pub")).expect("a key");
    fs::write(world.root.join("known"), format!("box {host_key}")).expect("a file");
    let settings = format!(
        "Host box\nHostName 127.0.0.1\nHostKeyAlias box\nUserKnownHostsFile {at}/known\n\
         IdentityFile {at}/key\nIdentitiesOnly yes\nBatchMode yes\nStrictHostKeyChecking yes\n"
    );
    fs::write(world.root.join("ssh_config"), settings).expect("a file");
    let client = world.directory("client");
    let text = format!("exec {} -F {at}/ssh_config \"$@\"", ssh.display());
    script(&client, "ssh", &text);
    let mut check = Command::new(&sshd);
    check.args(["-t", "-f"]).arg(world.root.join("sshd_config"));
    let check = outcome("sshd -t", &mut check);
    if check.stderr.contains("privilege separation directory") {
        return say(&format!("skipped: {}", check.stderr.trim()));
    }
    check.ok();
    let mut command = Command::new(sshd);
    command
        .args(["-D", "-e", "-f"])
        .arg(world.root.join("sshd_config"));
    let _sshd = started(&mut command, port, &world.root.join("sshd.log"));
    let keys = keys();
    let public = keys.public;
    serve_pipes(keys, pipes);
    let address = format!("ssh://box:{port}/srv/kagi=1,+~");
    let text = probed(&address, &public, Some(&client), &[]);
    assert!(text.contains(&format!("answered: [{PROJECT:?}")), "{text}");
    assert!(text.contains(&format!("key: Some({public:?})")), "{text}");
    let arguments = fs::read_to_string(world.root.join("arguments")).expect("arguments");
    let words = ["serve", "--stdio", "--store", "/srv/kagi=1,+~"];
    assert!(
        arguments.lines().eq(words.into_iter().chain(words)),
        "{arguments}"
    );
    fs::remove_file(world.root.join("programs/kagi")).expect("it was there");
    let text = probed(&address, &public, Some(&client), &[]);
    assert!(text.contains("there is no kagi on that machine"), "{text}");
    fs::write(world.root.join("known"), "").expect("a file");
    let text = probed(&address, &public, Some(&client), &[]);
    assert!(text.contains("ssh has ended with code 255"), "{text}");
}

/// Asks who one is there; `None` if the token is not accepted.
fn hello(address: &str, server: [u8; 32], credential: &Credential) -> Option<Rights> {
    let mut server = open(address, Some(server), Options::default()).expect("a server");
    match server
        .call(Some(credential), "", Operation::Hello)
        .expect("an answer")
    {
        Response::Standing(standing) => Some(standing.rights),
        Response::Refused(Refusal::Denied, _) => None,
        _ => panic!("another answer"),
    }
}

#[test]
fn kagi_serve_by_http_and_by_ssh() {
    let world = World::new();
    let (at, port) = (world.root.display(), free_port());
    let mut command = Command::new(common::program());
    command.args(["serve", "--bind", &format!("127.0.0.1:{port}"), "--store"]);
    command.arg(world.root.join("store"));
    let log = world.root.join("log");
    let running = started(&mut command, port, &log);
    let address = format!("http://127.0.0.1:{port}");
    let key = server_key(&address, Options::default()).expect("an answer");
    // Whoever is answered finds the log complete.
    let shown = fs::read_to_string(&log).expect("a log");
    let token = shown
        .lines()
        .find_map(|line| line.strip_prefix("admin token "));
    let token = AdminToken::from_text("token", token.expect("a token")).expect("a token");
    assert_eq!(key, Some(token.server));
    let print = fingerprint(&token.server);
    assert!(shown.contains(&print), "{shown}");
    let rights = hello(&address, token.server, &token.credential);
    assert_eq!(rights, Some(Rights::ADMIN));
    let wrong = Credential {
        id: token.credential.id.clone(),
        secret: Key::new(SECRET),
    };
    assert_eq!(hello(&address, token.server, &wrong), None);
    let other = open(&address, Some(keys().public), Options::default());
    let other = other
        .expect("a server")
        .call(Some(&wrong), "", Operation::Hello);
    assert_eq!(other.err().map(|error| error.kind), Some(Kind::WrongServer));
    drop(running);
    // What ssh does there: a shell of the account's reads the words.
    let programs = world.directory("programs");
    let kagi = common::program();
    let link = std::os::unix::fs::symlink(kagi, programs.join("kagi"));
    link.expect("a link");
    let text = format!("shift 3; PATH={at}/programs:$PATH exec sh -c \"$*\"");
    script(&programs, "ssh", &text);
    let address = format!("ssh://box{at}/store");
    let said = probed(&address, &token.server, Some(&programs), &[]);
    let key = format!("key: Some({:?})", token.server);
    assert!(said.contains(&key), "{said}");
    assert!(said.contains("answered: [\"refused\"]"), "{said}");
    let said = probed(&address, &SECRET, Some(&programs), &[]);
    assert!(said.contains("kind: WrongServer"), "{said}");
}

#[test]
fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let result = ask(&address, keys().public, Options::default());
    kind(result, Kind::Unreachable, "connection refused");
}
