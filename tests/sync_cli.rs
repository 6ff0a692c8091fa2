//! What the transcripts cannot say of the commands that sync: that a token is nowhere but where it was
//! asked for, and that nothing of a server's reaches the terminal as it is.
#![cfg(feature = "server")]
#![cfg(all(unix, feature = "server"))]

mod common;
#[path = "common/serving.rs"]
mod serving;

use common::{Listing, Outcome, World, listing};
use kagi::crypto::random;
use kagi::format::message::token::{AdminToken, Credential, ProjectToken, ServerKeys};
use kagi::format::names::is_unprintable;
use kagi::format::text::BASE32;
use kagi::sync::channel::open_request;
use kagi::sync::protocol::{
    ProjectInfo, Pulled, Refusal, Request, Response, Rights, Standing, TokenInfo,
};
use serving::{Serving, fed};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// All outputs of a session, and where tokens may not be.
#[derive(Default)]
struct Told(Vec<u8>);

impl Told {
    /// Takes in all that a command said.
    fn all(&mut self, outcome: &Outcome) {
        self.0.extend_from_slice(&outcome.stdout);
        self.0.extend_from_slice(outcome.stderr.as_bytes());
    }

    /// Takes in the messages of a command whose output is a token alone, and gives that back.
    fn token(&mut self, outcome: &Outcome) -> String {
        self.0.extend_from_slice(outcome.stderr.as_bytes());
        let text = outcome.text();
        let token = text.strip_suffix('\n').expect("one line");
        assert!(token.starts_with("kagi_proj_v1_"), "{}", token.len());
        assert!(
            token
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        );
        token.to_string()
    }
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes
        .windows(part.len())
        .any(|window| window == part.as_bytes())
}

/// The flow of a team, with everything that is said on the way.
#[test]
fn a_token_is_nowhere_but_where_it_was_asked_for() {
    let world = World::new();
    let serving = Serving::start(&world);
    let (root, ada, ben) = (
        world.device("root"),
        world.device("ada"),
        world.device("ben"),
    );
    let (shop, desk) = (world.directory("shop"), world.directory("desk"));
    let mut told = Told::default();
    let url = &serving.url;
    told.all(
        &fed(
            &root,
            &desk,
            &format!("remote login --remote {url} --token -"),
            &serving.admin,
        )
        .ok(),
    );
    told.all(&ada.kagi(&shop, "init --name Ada --no-git").ok());
    told.all(&ada.kagi(&shop, "set KEY value").ok());
    let print = &serving.print;
    let joined = ada
        .kagi(
            &shop,
            &format!("project join --remote {url} --fingerprint {print}"),
        )
        .ok();
    let id = joined
        .text()
        .split_whitespace()
        .last()
        .expect("an id")
        .to_string();
    told.all(&joined);
    let first = told.token(&root.kagi(&desk, &format!("project approve {id}")).ok());
    told.all(&fed(&ada, &shop, "pull -", &first).ok());
    told.all(&ada.kagi(&shop, "push").ok());
    let join = told.token(&ada.kagi(&shop, "token issue --join --name ben").ok());
    let ci = told.token(
        &ada.kagi(&shop, "token issue --only pull --expires 30d")
            .ok(),
    );
    let there = world.directory("ben");
    // On the command line it is taken as well, and not shown either.
    told.all(&ben.kagi(&there, &format!("pull {join}")).ok());
    told.all(&ben.kagi(&there, "member join --name Ben --no-git").ok());
    told.all(
        &ben.kagi(&there, &format!("pull {first}x"))
            .fails(&["the token"]),
    );
    for words in [
        "remote status",
        "remote status --json",
        "status",
        "token list",
        "token list --json",
    ] {
        told.all(&ada.kagi(&shop, words).ok());
    }
    for words in ["project list", "remote audit", "remote audit --json"] {
        told.all(&root.kagi(&desk, words).ok());
    }
    let mut runner = world.device("runner");
    runner.variables.push(("KAGI_PROJECT_TOKEN", ci.clone()));
    told.all(&runner.kagi(&world.directory("build"), "pull").ok());
    check_texts(&told);
    let secrets = [&first, &join, &ci].map(|text| {
        let token = ProjectToken::from_text("a token", text).expect("a token");
        BASE32.encode(token.credential.secret.expose())
    });
    let held = [&first, &join, &ci, &serving.admin];
    for text in held.into_iter().chain(&secrets) {
        assert!(!contains(&told.0, text));
        // Nor in a checkout, nor in what the server stores.
        for place in [
            &shop,
            &there,
            &world.root.join("store"),
            &world.root.join("build"),
            &runner.home,
        ] {
            for (path, (_, bytes)) in listing(place) {
                assert!(!contains(&bytes, text), "{}", path.display());
            }
        }
    }
    // What a device keeps of it, nobody else can read.
    let stored = listing(&ada.kagi_home())
        .into_iter()
        .chain(listing(&root.kagi_home()));
    let holding = stored.filter(|(_, (_, bytes))| held.iter().any(|text| contains(bytes, text)));
    let holding: Vec<_> = holding.map(|(path, _)| path).collect();
    assert_eq!(holding.len(), 2, "{holding:?}");
    for path in holding {
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

/// A request of any size is opened on the small stack of a server's thread.
#[test]
fn a_large_push_does_not_end_the_server() {
    let world = World::new();
    let serving = Serving::start(&world);
    let (mut ada, at) = (world.device("ada"), world.directory("at"));
    ada.kagi(&at, "init --name Ada --no-git").ok();
    fs::write(at.join("large"), "x".repeat(1 << 20)).expect("a file");
    ada.kagi(&at, "set LARGE --file large").ok();
    let (url, print) = (&serving.url, &serving.print);
    let join = format!("project join --remote {url} --fingerprint {print}");
    let id = ada.kagi(&at, &join).ok().text();
    let id = id.split_whitespace().last().expect("an id");
    ada.variables
        .push(("KAGI_ADMIN_TOKEN", serving.admin.clone()));
    let approve = format!("project approve {id} --remote {url}");
    let token = ada.kagi(&at, &approve).ok().text();
    fed(&ada, &at, "pull -", &token).ok();
    ada.kagi(&at, "push").ok();
    let there = world.directory("there");
    ada.kagi(&there, &format!("pull --project {id}")).ok();
    ada.kagi(&there, "get").ok();
}

/// An error may name the prefix of a token, but no content follows it.
fn check_texts(told: &Told) {
    for prefix in ["kagi_proj_v1_", "kagi_admin_v1_"] {
        for (at, window) in told.0.windows(prefix.len()).enumerate() {
            let next = told.0.get(at + prefix.len());
            let is_content = next.is_some_and(u8::is_ascii_alphanumeric);
            assert!(window != prefix.as_bytes() || !is_content, "{prefix}");
        }
    }
}

/// A program that says what it was called with.
fn spy(directory: &Path, name: &str) {
    let path = directory.join(name);
    let script = "#!/bin/sh\nprintf '%s\\n' \"$0\" \"$@\" >>\"$SPY\"; env >>\"$SPY\"\n\
                  printf 'wi\\033[2Jpe\\rd \\342\\200\\256out\\n' >&2; exit 7\n";
    fs::write(&path, script).expect("a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
}

/// `curl` and `ssh` see no token: not as an argument, and not in their environment.
#[test]
fn no_child_is_told_a_token() {
    let world = World::new();
    let (bin, at) = (world.directory("bin"), world.directory("at"));
    spy(&bin, "curl");
    spy(&bin, "ssh");
    let seen = world.root.join("seen");
    let keys = ServerKeys::new(random::key().unwrap(), random::key().unwrap());
    let credential = Credential::new([3; 13], random::key().unwrap());
    let admin = AdminToken {
        server: keys.public,
        credential: credential.duplicate(),
    };
    let admin = admin.to_text().expose_str("").unwrap().to_string();
    for (name, remote) in [
        ("curl", "https://example.org"),
        ("ssh", "ssh://ada@example.org/srv"),
    ] {
        let token = ProjectToken {
            remote: remote.into(),
            project: format!("kgp_{}", "a".repeat(20)),
            server: keys.public,
            credential: credential.duplicate(),
            anchors: Vec::new(),
        };
        let token = token.to_text().expose_str("").unwrap().to_string();
        let mut device = world.device(name);
        let path = format!("{}:/usr/bin:/bin", bin.display());
        device.variables.push(("PATH", path));
        device.variables.push(("SPY", seen.display().to_string()));
        let login = format!("remote login --remote {remote} --token -");
        fed(&device, &at, &login, &admin).fails(&["cannot reach"]);
        fed(&device, &at, "pull -", &token).fails(&["cannot reach"]);
        device.variables.push(("KAGI_PROJECT_TOKEN", token.clone()));
        device.variables.push(("KAGI_ADMIN_TOKEN", admin.clone()));
        let told = device
            .kagi(&at, "pull")
            .fails(&["cannot reach", "wi", "out"]);
        // What a program says is text of others.
        let is_printable = |symbol: char| symbol == '\n' || !is_unprintable(symbol);
        assert!(told.stderr.chars().all(is_printable), "{:?}", told.stderr);
        device
            .kagi(&at, &format!("project list --remote {remote}"))
            .fails(&["cannot reach"]);
        let seen = fs::read(&seen).expect("the program was called");
        assert!(contains(&seen, name));
        for secret in [&token, &admin] {
            assert!(!contains(&seen, secret), "{name} was told a token");
        }
        // A token whose server could not be asked is not kept.
        let kept = device.kagi_home();
        let kept = if kept.exists() {
            listing(&kept)
        } else {
            Listing::new()
        };
        for (path, (_, bytes)) in kept {
            assert!(
                !contains(&bytes, &token) && !contains(&bytes, &admin),
                "{}",
                path.display()
            );
        }
    }
}

/// Makes an answer.
type Answer = fn() -> Response;

/// Answers each request with what a server should not say.
fn hostile(keys: ServerKeys, answers: Vec<Answer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .expect("a limit");
            let mut bytes = Vec::new();
            let body = loop {
                let mut part = [0; 4096];
                let count = stream.read(&mut part).expect("a request");
                assert!(count > 0, "a whole request");
                bytes.extend_from_slice(&part[..count]);
                let text = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
                let Some(head) = bytes.windows(4).position(|end| end == b"\r\n\r\n") else {
                    continue;
                };
                let length = text.split_once("content-length:").expect("a length").1;
                let length: usize = length
                    .lines()
                    .next()
                    .unwrap_or("")
                    .trim()
                    .parse()
                    .expect("a length");
                if bytes.len() >= head + 4 + length {
                    break bytes[head + 4..].to_vec();
                }
            };
            let (plain, answering) =
                open_request(&keys.secret, &keys.public, &body).expect("for us");
            Request::decode(plain.expose()).expect("a request");
            let sealed = answering.seal(&answer().encode()).expect("an answer");
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                sealed.len()
            );
            stream.write_all(head.as_bytes()).expect("an answer");
            stream.write_all(&sealed).expect("an answer");
        }
    });
    url
}

const EVIL: &str = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\r\n\u{202e}kagi: error: no";

fn standing() -> Standing {
    Standing {
        revision: 3,
        token: EVIL.into(),
        rights: Rights::ADMIN,
        member: EVIL.into(),
        waiting: vec![EVIL.into()],
        ..Standing::default()
    }
}

fn projects() -> Response {
    Response::Projects(vec![ProjectInfo {
        id: EVIL.into(),
        name: EVIL.into(),
        is_approved: false,
        revision: u64::MAX,
        bytes: u64::MAX,
    }])
}

fn tokens() -> Response {
    let token = |expires| TokenInfo {
        id: EVIL.into(),
        rights: Rights(0),
        issued: u64::MAX,
        expires,
        member: EVIL.into(),
        name: EVIL.into(),
    };
    Response::Tokens(vec![token(0), token(1), token(u64::MAX)])
}

/// A log whose chain does not hold is shown, and refused.
#[test]
fn a_log_with_a_line_taken_out_is_refused() {
    let world = World::new();
    let serving = Serving::start(&world);
    let at = world.directory("at");
    let mut device = world.device("root");
    device
        .variables
        .push(("KAGI_ADMIN_TOKEN", serving.admin.clone()));
    let url = &serving.url;
    let audit = |words: &str| device.kagi(&at, &format!("remote audit --remote {url} {words}"));
    device.kagi(&at, "init --name Ada --no-git").ok();
    let join = format!(
        "project join --remote {url} --fingerprint {}",
        serving.print
    );
    let id = device.kagi(&at, &join).ok().text();
    let id = id.split_whitespace().last().expect("an id");
    device
        .kagi(&at, &format!("project approve {id} --remote {url}"))
        .ok();
    let lines = audit("").ok().text();
    assert!(lines.lines().count() > 3, "{lines}");

    let path = world.root.join("store/audit.log");
    let log = fs::read_to_string(&path).expect("a log");
    let taken = log.lines().nth(1).expect("a line");
    // As long as it was: the server has it open.
    let edits = [
        log.replacen("register", "registed", 1),
        log.replacen("127.0.0.1", "127.0.0.2", 1),
        log.replacen(taken, &"x".repeat(taken.len()), 1),
    ];
    for edit in edits {
        assert_ne!(edit, log);
        fs::write(&path, edit).expect("another log");
        audit("").fails(&["the log is not whole"]);
        audit("--json").fails(&["the log is not whole"]);
    }
    fs::write(&path, log).expect("the log");
    audit("").ok();
}

/// Names, log lines, ids and reasons of a server are text to it, and to the terminal.
#[test]
fn nothing_of_a_server_reaches_the_terminal_as_it_is() {
    let keys = ServerKeys::new(random::key().unwrap(), random::key().unwrap());
    let copy = ServerKeys::new(keys.secret.duplicate(), keys.pepper.duplicate());
    let lines = || {
        Response::Lines(vec![
            EVIL.into(),
            format!("1 {} {EVIL} a b c d e", u64::MAX),
        ])
    };
    let refused = || Response::Refused(Refusal::Limit, EVIL.into());
    let missing = || Response::Refused(Refusal::Missing, EVIL.into());
    let status = || Response::Standing(standing());
    let id = format!("kgp_{}", "a".repeat(20));
    let admin = format!("--project {id}");
    let asked: [(&str, Vec<Answer>); 9] = [
        ("project list", vec![projects]),
        ("project list --json", vec![projects]),
        ("token list", vec![tokens]),
        ("token list --json", vec![tokens]),
        ("remote audit", vec![lines, || Response::Lines(Vec::new())]),
        ("project list", vec![refused]),
        ("project list", vec![status]),
        ("remote audit", vec![missing]),
        (
            "pull -",
            vec![status, || {
                Response::Pulled(Pulled {
                    standing: standing(),
                    ..Pulled::default()
                })
            }],
        ),
    ];
    let answers = asked
        .iter()
        .flat_map(|(_, answers)| answers.clone())
        .collect();
    let url = hostile(copy, answers);
    let world = World::new();
    let at = world.directory("at");
    let credential = Credential::new([3; 13], random::key().unwrap());
    let token = ProjectToken {
        remote: url.clone(),
        project: id.clone(),
        server: keys.public,
        credential: credential.duplicate(),
        anchors: Vec::new(),
    };
    let token = token.to_text().expose_str("").unwrap().to_string();
    let text = AdminToken {
        server: keys.public,
        credential,
    }
    .to_text();
    let mut device = world.device("ada");
    device
        .variables
        .push(("KAGI_ADMIN_TOKEN", text.expose_str("").unwrap().to_string()));
    for (words, _) in asked {
        let outcome = match words {
            "pull -" => fed(&device, &at, words, &token),
            words if words.starts_with("token") => {
                device.kagi(&at, &format!("{words} {admin} --remote {url}"))
            }
            words => device.kagi(&at, &format!("{words} --remote {url}")),
        };
        assert_ne!(outcome.code, Some(101), "{words}: {}", outcome.stderr);
        let shown = [outcome.text(), outcome.stderr.clone()].concat();
        assert!(words == "pull -" || !shown.is_empty(), "{words}");
        let is_control =
            |symbol: char| symbol.is_control() && symbol != '\n' || symbol == '\u{202e}';
        assert!(!shown.contains(is_control), "{words}: {shown:?}");
        assert!(!shown.contains("\nkagi: error: no"), "{words}: {shown}");
    }
}
