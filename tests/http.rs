//! The parser of requests, and that the server says exactly one thing to each: own vectors, and the
//! requests of two parsers' test suites (`KAGI_CORPORA`), whole and byte by byte. A request that is
//! refused must never reach the handler.
#![cfg(feature = "server")]

mod common;

use common::{Random, say};
use kagi::sync::http::{Parser, Status};
use kagi::sync::server::{self, Settings};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const BODY_BYTES_MAX: usize = 100_000;

/// A server in this process whose handler counts.
struct Counting {
    address: SocketAddr,
    reached: Arc<AtomicUsize>,
}

impl Counting {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let settings = Settings {
            body_bytes_max: BODY_BYTES_MAX,
            is_behind_proxy: false,
            key_page: "key\n".into(),
        };
        // It has no end but that of the process.
        std::thread::spawn(move || {
            let answer = move |_: &[u8], _: &str| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(None)
            };
            server::serve(listener, settings, Box::new(answer)).map(|_| ())
        });
        Counting { address, reached }
    }

    fn count(&self) -> usize {
        self.reached.load(Ordering::SeqCst)
    }

    /// Sends the pieces, one write each, then closes that side; the status of the one response.
    fn ask<'a>(&self, pieces: impl Iterator<Item = &'a [u8]>) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_nodelay(true).expect("an option");
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("an option");
        for piece in pieces {
            // It is refused before its end.
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer);
        // What follows a request that was answered may find the connection closed; what follows one
        // that was refused is waited for.
        let was_answered = text.contains(" 200 OK\r\n") || text.contains("octet-stream");
        if let Err(cause) = read {
            assert!(was_answered, "{cause} after {text:?}");
        }
        one_status(&text)
    }

    fn ask_whole(&self, request: &[u8]) -> u16 {
        self.ask([request].into_iter())
    }

    fn ask_dripping(&self, request: &[u8]) -> u16 {
        self.ask(request.chunks(1))
    }
}

/// The status of a text that is exactly one response.
fn one_status(text: &str) -> u16 {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("{text:?}"));
    let (line, fields) = head.split_once("\r\n").expect("fields");
    let mut words = line.splitn(3, ' ');
    assert_eq!(words.next(), Some("HTTP/1.1"));
    let length = format!("Content-Length: {}", body.len());
    for field in [length.as_str(), "Connection: close"] {
        assert!(fields.split("\r\n").any(|line| line == field), "{text:?}");
    }
    words
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a status")
}

/// What the parser says, with all bytes at once. 0: not complete.
fn verdict(request: &[u8]) -> u16 {
    code(&Parser::new(BODY_BYTES_MAX).read(request)).unwrap_or(0)
}

fn code<T>(read: &Result<Option<T>, Status>) -> Option<u16> {
    match read {
        Ok(None) => None,
        Ok(Some(_)) => Some(200),
        Err(status) => Some(status.0),
    }
}

/// The same with the bytes cut at `cuts`.
fn verdict_of_parts(request: &[u8], cuts: impl Iterator<Item = usize>) -> u16 {
    let mut parser = Parser::new(BODY_BYTES_MAX);
    let mut verdicts = cuts.filter_map(|cut| code(&parser.read(&request[..cut])));
    verdicts.next().unwrap_or(0)
}

/// A defect, or what is right; the status; the text.
type Vector = (&'static str, u16, &'static str);

/// Whole requests.
const RAW: &[Vector] = &[
    ("HTTP/1.0", 200, "GET /healthz HTTP/1.0\r\n\r\n"),
    ("no Host", 400, "GET /healthz HTTP/1.1\r\n\r\n"),
    (
        "an empty Host",
        400,
        "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n",
    ),
    ("a user", 400, "GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("a path", 400, "GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("a list", 400, "GET /healthz HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    ("bare LF", 400, "GET /healthz HTTP/1.1\nHost: a\n\n"),
    ("LF last", 400, "GET /healthz HTTP/1.1\r\nHost: a\r\n\n"),
    ("folded", 400, "GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("cut head", 400, "GET /healthz HTTP/1.1\r\nHost: a\r\n"),
    ("cut line", 400, "GET /hea"),
    ("TLS", 400, "\u{16}\u{3}\u{1}\u{2}\n"),
    ("HTTP/2", 400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

/// Request lines.
const LINES: &[Vector] = &[
    ("health", 200, "GET /healthz HTTP/1.1"),
    ("the key", 200, "GET /v1/server-key HTTP/1.1"),
    ("another path", 404, "GET / HTTP/1.1"),
    ("a query", 404, "GET /healthz?a HTTP/1.1"),
    ("a slash more", 404, "GET //healthz HTTP/1.1"),
    ("an escaped path", 404, "GET /%68ealthz HTTP/1.1"),
    ("dots", 404, "GET /x/../healthz HTTP/1.1"),
    ("HEAD", 405, "HEAD /healthz HTTP/1.1"),
    ("small letters", 405, "get /healthz HTTP/1.1"),
    ("GET of the calls", 405, "GET /v1/rpc HTTP/1.1"),
    ("POST of the key", 405, "POST /v1/server-key HTTP/1.1"),
    ("absolute form", 400, "GET http://a/healthz HTTP/1.1"),
    ("asterisk form", 400, "OPTIONS * HTTP/1.1"),
    ("authority form", 400, "CONNECT a:80 HTTP/1.1"),
    ("a relative target", 400, "GET healthz HTTP/1.1"),
    ("not ASCII", 400, "GET /healthz\u{e9} HTTP/1.1"),
    ("two blanks", 400, "GET  /healthz HTTP/1.1"),
    ("a tab", 400, "GET\t/healthz HTTP/1.1"),
    ("a blank before", 400, " GET /healthz HTTP/1.1"),
    ("a blank behind", 400, "GET /healthz HTTP/1.1 "),
    ("an empty line before", 400, "\r\nGET /healthz HTTP/1.1"),
    ("a CR", 400, "GET /healthz\r HTTP/1.1"),
    ("a NUL", 400, "GET /healthz\0 HTTP/1.1"),
    ("no version", 400, "GET /healthz"),
    ("HTTP/2.0", 505, "GET /healthz HTTP/2.0"),
    ("HTTP/1.2", 505, "GET /healthz HTTP/1.2"),
    ("HTTP/0.9", 505, "GET /healthz HTTP/0.9"),
    ("HTTP/1.10", 400, "GET /healthz HTTP/1.10"),
    ("HTTP/1,1", 400, "GET /healthz HTTP/1,1"),
    ("http/1.1", 400, "GET /healthz http/1.1"),
    ("a method that is no word", 400, "G(T /healthz HTTP/1.1"),
];

/// Fields behind `Host: a` of a GET.
const FIELDS: &[Vector] = &[
    ("an empty body", 200, "Content-Length: 0\r\n"),
    ("a body", 400, "Content-Length: 3\r\n"),
    ("odd bytes in a value", 200, "a: b\tc\u{e9}\r\n"),
    ("two Hosts", 400, "host: a\r\n"),
    ("a bare LF", 400, "a: b\n"),
    ("a CR in a value", 400, "a: b\rc: d\r\n"),
    ("two CRs", 400, "a: b\r\r\n"),
    ("a NUL in a value", 400, "a: b\0\r\n"),
    ("a NUL in a name", 400, "a\0: b\r\n"),
    ("a bell", 400, "a: \u{7}\r\n"),
    ("DEL", 400, "a: \u{7f}\r\n"),
    ("folded", 400, "a: b\r\n c\r\n"),
    ("folded with a tab", 400, "a: b\r\n\tc\r\n"),
    ("a blank before the colon", 400, "a : b\r\n"),
    ("no colon", 400, "a\r\n"),
    ("no name", 400, ": a\r\n"),
    ("a name that is not ASCII", 400, "\u{e9}: a\r\n"),
];

/// Fields of a call, and its body.
const CALLS: &[Vector] = &[
    (OPENS[0], 400, "Content-Length: 3\r\n\r\nabc"),
    (OPENS[1], 400, "Content-Length: 0\r\n\r\n"),
    (OPENS[2], 400, "content-lengtH:3\r\n\r\nabc"),
    (
        OPENS[3],
        400,
        "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n",
    ),
    ("no length", 411, "\r\n"),
    (
        "two lengths",
        400,
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    ),
    ("a list of lengths", 400, "Content-Length: 3, 3\r\n\r\nabc"),
    ("an empty length", 400, "Content-Length: \r\n\r\nabc"),
    ("a blank", 400, "Content-Length : 3\r\n\r\nabc"),
    ("+3", 400, "Content-Length: +3\r\n\r\nabc"),
    ("-3", 400, "Content-Length: -3\r\n\r\nabc"),
    ("03", 400, "Content-Length: 03\r\n\r\nabc"),
    ("00", 400, "Content-Length: 00\r\n\r\n"),
    ("0x3", 400, "Content-Length: 0x3\r\n\r\nabc"),
    ("3 0", 400, "Content-Length: 3 0\r\n\r\nabc"),
    ("3_", 400, "Content-Length: 3_\r\n\r\nabc"),
    ("3.0", 400, "Content-Length: 3.0\r\n\r\nabc"),
    ("another 3", 400, "Content-Length: \u{b3}\r\n\r\nabc"),
    ("one more", 413, "Content-Length: 100001\r\n\r\n"),
    (
        "2^64",
        413,
        "Content-Length: 18446744073709551616\r\n\r\nabc",
    ),
    (
        "2^64 + 3",
        413,
        "Content-Length: 18446744073709551619\r\n\r\nabc",
    ),
    (
        "chunked",
        400,
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "CL.TE",
        400,
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
    ),
    (
        "TE.CL",
        400,
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ),
    (
        "identity",
        400,
        "Content-Length: 3\r\nTransfer-Encoding: identity\r\n\r\nabc",
    ),
    (
        "no coding",
        400,
        "Content-Length: 3\r\nTransfer-Encoding:\r\n\r\nabc",
    ),
    (
        "xchunked",
        400,
        "Content-Length: 3\r\ntransfer-ENCODING: xchunked\r\n\r\nabc",
    ),
    (
        "TE folded",
        400,
        "Content-Length: 3\r\nTransfer-Encoding:\r\n chunked\r\n\r\nabc",
    ),
    (
        "TE and a blank",
        400,
        "Content-Length: 3\r\nTransfer-Encoding : chunked\r\n\r\nabc",
    ),
    (
        "an expectation",
        417,
        "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    ),
    (
        "two types",
        400,
        "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc",
    ),
    ("a body cut short", 400, "Content-Length: 3\r\n\r\nab"),
];

/// Those whose request is complete and sound, though it does not open.
const OPENS: [&str; 4] = [
    "a body",
    "no body",
    "a name in other letters",
    "a request behind it",
];

fn get(fields: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

fn call(rest: &str) -> String {
    format!("POST /v1/rpc HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n{rest}")
}

fn vectors() -> Vec<(&'static str, u16, Vec<u8>)> {
    let mut list = Vec::new();
    let mut add =
        |name, status, text: &str| list.push((name, status, text.chars().map(latin).collect()));
    for (name, status, text) in RAW {
        add(*name, *status, text);
    }
    for (name, status, text) in LINES {
        add(*name, *status, &format!("{text}\r\nHost: a\r\n\r\n"));
    }
    for (name, status, text) in FIELDS {
        add(*name, *status, &get(text));
    }
    for (name, status, text) in CALLS {
        add(*name, *status, &call(text));
    }
    let body = call("Content-Length: 3\r\n\r\nabc");
    add(
        "a form",
        415,
        &body.replace("octet-stream", "x-www-form-urlencoded"),
    );
    add("a parameter", 415, &body.replace("stream", "stream;a=b"));
    add("no type", 415, &body.replace("Content-Type", "X"));
    add(
        "a length of 100 digits",
        413,
        &body.replace(" 3", &"9".repeat(100)),
    );
    add("two requests", 200, &(get("") + &get("")));
    add("64 fields", 200, &get(&"a: b\r\n".repeat(63)));
    add("65 fields", 431, &get(&"a: b\r\n".repeat(64)));
    // Bytes of a head with a value of so many bytes.
    let long = |bytes: usize| get(&format!("a: {}\r\n", "x".repeat(bytes - 39)));
    add("8 KiB", 200, &long(8192));
    add("8 KiB and a byte", 431, &long(8193));
    add(
        "fields without an end",
        431,
        &long(9000).replace("\r\n\r\n", ""),
    );
    let line = |bytes: usize| get("").replace("healthz", &"x".repeat(bytes - 16));
    add("a line of 1 KiB", 404, &line(1024));
    add("a line of 1 KiB and a byte", 414, &line(1025));
    add("a line without an end", 414, &"G".repeat(2000));
    list
}

fn latin(symbol: char) -> u8 {
    u8::try_from(u32::from(symbol) & 0xff).expect("a byte")
}

#[test]
fn each_vector_gets_its_one_answer_whole_and_byte_by_byte() {
    let server = Counting::start();
    for (name, status, request) in vectors() {
        let before = server.count();
        assert_eq!(server.ask_whole(&request), status, "{name}");
        assert_eq!(
            server.ask_dripping(&request),
            status,
            "{name}, byte by byte"
        );
        let reached = if OPENS.contains(&name) && request.starts_with(b"POST") {
            2
        } else {
            0
        };
        assert_eq!(server.count() - before, reached, "{name}: the handler");
    }
}

#[test]
fn however_a_head_is_cut_it_is_read_alike() {
    let mut random = Random::new(7);
    let alphabet = b"\r\n\0\t :,0aZ\x80";
    let vectors = vectors();
    let mut seen = std::collections::BTreeMap::new();
    for round in 0..60 {
        for (name, _, request) in &vectors {
            let mut request = request.clone();
            for _ in 0..round.min(3) {
                let at = random.below(request.len());
                match random.below(3) {
                    0 => request[at] = *random.pick(alphabet),
                    1 => request.insert(at, *random.pick(alphabet)),
                    _ => request.truncate(at.max(1)),
                }
            }
            let whole = verdict(&request);
            *seen.entry(whole).or_insert(0) += 1;
            let bytewise = verdict_of_parts(&request, 1..=request.len());
            assert_eq!(
                bytewise,
                whole,
                "{name}: {:?}",
                String::from_utf8_lossy(&request)
            );
            let mut cuts: Vec<_> = (0..4).map(|_| random.below(request.len())).collect();
            cuts.push(request.len());
            cuts.sort_unstable();
            assert_eq!(
                verdict_of_parts(&request, cuts.into_iter()),
                whole,
                "{name}"
            );
        }
    }
    assert!(seen.len() > 8, "the mutations say too little: {seen:?}");
}

#[test]
fn a_refused_body_is_read_for_a_while_so_that_the_answer_arrives() {
    let server = Counting::start();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let head = call("Content-Length: 20000000\r\n\r\n");
    stream
        .write_all(head.as_bytes())
        .expect("it takes the head");
    // It says no at once, and takes the rest all the same.
    let mut answer = vec![0; 16];
    stream.read_exact(&mut answer).expect("an answer");
    stream
        .write_all(&vec![b'x'; 20_000_000])
        .expect("it takes the body");
    stream.shutdown(Shutdown::Write).expect("it is there still");
    stream.read_to_end(&mut answer).expect("all of the answer");
    assert_eq!(one_status(&String::from_utf8_lossy(&answer)), 413);
    assert_eq!(server.count(), 0);
}

// The test suites of others.

struct Case {
    name: String,
    must_be_refused: bool,
    request: Vec<u8>,
}

fn corpora() -> Option<Vec<Case>> {
    let Some(root) = std::env::var_os("KAGI_CORPORA") else {
        say("http: KAGI_CORPORA is not set, the requests of other parsers are not tried");
        return None;
    };
    let root = Path::new(&root);
    let mut cases = Vec::new();
    for kind in ["invalid", "valid"] {
        for (name, bytes) in files(&root.join("gunicorn-http/tests/requests").join(kind)) {
            if Path::new(&name)
                .extension()
                .is_some_and(|end| end == "http")
            {
                let request = unescape(&bytes.replace('\n', ""));
                let must_be_refused = kind == "invalid";
                cases.push(Case {
                    name,
                    must_be_refused,
                    request,
                });
            }
        }
    }
    for (name, text) in files(&root.join("llhttp-md/test/request")) {
        cases.extend(markdown_cases(&name, &text));
    }
    Some(cases)
}

fn files(directory: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(directory).expect("a corpus");
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("a file");
            // As Latin-1, and back when it is sent.
            let text = bytes.iter().map(|byte| char::from(*byte)).collect();
            (
                path.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                text,
            )
        })
        .collect();
    files.sort();
    files
}

/// `\r`, `\n`, `\t`, `\f`, `\0` and `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(symbol) = rest.next() {
        let letter = rest.next_if(|letter| symbol == '\\' && "rntf0x".contains(*letter));
        out.push(match letter {
            None => latin(symbol),
            Some('r') => b'\r',
            Some('n') => b'\n',
            Some('t') => b'\t',
            Some('f') => 0x0c,
            Some('0') => 0,
            Some(_) => {
                let digits: String = rest.by_ref().take(2).collect();
                u8::from_str_radix(&digits, 16).expect("two digits")
            }
        });
    }
    out
}

/// A request in ```` ```http ````, and what llhttp says of it in ```` ```log ````.
fn markdown_cases(file: &str, text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let (mut title, mut is_lenient) = ("", false);
    let mut blocks = text.split("```");
    while let (Some(before), Some(block)) = (blocks.next(), blocks.next()) {
        title = before
            .lines()
            .rfind(|line| line.starts_with('#'))
            .unwrap_or(title);
        if let Some(meta) = before.lines().rfind(|line| line.contains("meta=")) {
            is_lenient = !meta.contains("\"type\": \"request\"");
        }
        let Some(request) = block.strip_prefix("http\n") else {
            continue;
        };
        let request = request.strip_suffix('\n').unwrap_or(request);
        let request = unescape(&request.replace("\\\n", "").replace('\n', "\r\n"));
        let (Some(_), Some(log)) = (blocks.next(), blocks.next()) else {
            break;
        };
        // 21 to 23 are pauses that the test asked for.
        let codes = log.split(" error code=").skip(1);
        let is_error = |code: &str| {
            !["21 ", "22 ", "23 "]
                .iter()
                .any(|pause| code.starts_with(pause))
        };
        let must_be_refused = !is_lenient && codes.into_iter().any(is_error);
        let name = format!("{file}: {}", title.trim_start_matches(['#', ' ']));
        cases.push(Case {
            name,
            must_be_refused,
            request,
        });
    }
    cases
}

/// The request with another line before its fields: what is wrong with it is not the target then.
fn retargeted(request: &[u8], line: &str) -> Option<Vec<u8>> {
    let end = request.windows(2).position(|pair| pair == b"\r\n")?;
    let first = std::str::from_utf8(&request[..end]).ok()?;
    let words: Vec<_> = first.split(' ').collect();
    let [_, target, version] = words.as_slice() else {
        return None;
    };
    if !target.starts_with('/') || !version.starts_with("HTTP/1.") || version.len() != 8 {
        return None;
    }
    let mut new = format!("{line} {version}").into_bytes();
    new.extend_from_slice(&request[end..]);
    Some(new)
}

/// Those whose only defect is the line that `retargeted` replaces, or stands behind the request.
const DEFECT_ELSEWHERE: [&str; 4] = [
    "006.http",
    "connection.md: No restart when keep-alive is off (1.0)",
    "invalid.md: HTTP protocol and ANNOUNCE method",
    "uri.md: Disallow UTF-8 in URI path in strict mode",
];

#[test]
fn what_other_parsers_refuse_is_refused_and_nothing_reaches_the_handler() {
    let Some(cases) = corpora() else {
        return;
    };
    let server = Counting::start();
    let (mut refused, mut others, mut accepted) = (0, 0, 0);
    let mut problems = Vec::new();
    for case in &cases {
        if case.request.is_empty() {
            continue;
        }
        let lines = [
            "GET /healthz",
            "POST /v1/rpc",
            "POST /v1/rpc HTTP/1.1\r\nContent-Type: application/octet-stream\r\nX:",
        ];
        let forms = lines
            .iter()
            .filter_map(|line| retargeted(&case.request, line));
        for (form, request) in [case.request.clone()].into_iter().chain(forms).enumerate() {
            let before = server.count();
            let whole = server.ask_whole(&request);
            let dripping = server.ask_dripping(&request);
            let is_refused = (400..=505).contains(&whole) && server.count() == before;
            if whole != dripping {
                problems.push(format!(
                    "{} ({form}): {whole}, byte by byte {dripping}",
                    case.name
                ));
            }
            let is_sound_now = form > 0 && DEFECT_ELSEWHERE.contains(&case.name.as_str());
            let must_be_refused = case.must_be_refused && !is_sound_now;
            if must_be_refused && !is_refused {
                problems.push(format!("{} ({form}): {whole}", case.name));
            }
            match (must_be_refused, is_refused) {
                (true, _) => refused += 1,
                (false, true) => others += 1,
                (false, false) => accepted += 1,
            }
        }
    }
    let invalid = cases.iter().filter(|case| case.must_be_refused).count();
    say(&format!(
        "http: {} requests of other parsers, {invalid} invalid; as they are and with our targets: \
         {refused} refused as they must, {others} others refused, {accepted} accepted",
        cases.len()
    ));
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    assert!(invalid > 100 && accepted > 20, "the corpora say too little");
    assert_eq!(
        server.ask_whole(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
        200
    );
}
