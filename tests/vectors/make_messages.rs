//! The vectors of the messages of `docs/PROTOCOL.md`, section 5. The long functions are tables, a
//! vector a row, and are not reformatted.

use crate::Vector;
use crate::make::noted;
use crate::make_protocol::{bad, good};
use crate::world::{hex, person, project, seed, short};
use crate::world_protocol::{
    Message, ZEROS, request, request_id, request_in, request_of_nobody, response, token_id,
    token_secret,
};

pub fn all() -> Vec<Vector> {
    let rooms = [
        requests(),
        operations(),
        refused_requests(),
        results(),
        refused_results(),
        lists(),
    ];
    rooms.into_iter().flatten().collect()
}

/// Outputs: name and value.
type Outputs<'a> = &'a [(&'a str, &'a str)];

fn with_outputs(vector: Vector, outputs: Outputs) -> Vector {
    let outputs = outputs.iter();
    outputs.fold(vector, |vector, (name, value)| vector.gives(name, value))
}

fn message(vector: Vector, message: &Message) -> Vector {
    vector.with_lines("message", noted(&message.0))
}

fn token_line() -> String {
    format!("{} {}", token_id(), hex(&token_secret()))
}

/// The outputs of the head that all requests have.
fn asked(vector: Vector, token: &str, project: &str) -> Vector {
    vector
        .gives_hex("request id", &request_id())
        .gives("token", token)
        .gives("project", project)
}

fn new_token_id() -> String {
    format!(
        "kgt_{}",
        &crate::world::base32(&short::<13>("a new token"))[..20]
    )
}

fn new_token(rights: u8) -> Message {
    Message::default()
        .text(&new_token_id(), "token id")
        .raw(&seed("the secret of a new token"), "its secret")
        .byte(rights, "rights")
        .long(1_798_761_600, "expires")
        .text(&person("bob").id, "member")
        .text("bob's laptop", "name")
        .field(b"sealed", "sealed")
}

// --- Requests ---

#[rustfmt::skip]
fn requests() -> Vec<Vector> {
    let vector = |name: &str, what: &str| good(&format!("ask_{name}"), "5.1, 5.3, 5.5", "request", what);
    let hello = |start: Message| start.byte(0, "hello");
    vec![
        asked(message(vector("hello", "who am I?"), &hello(request_in(""))), &token_line(), "-").gives("operation", "hello"),
        asked(message(vector("hello_of_nobody", "is this the server?"), &hello(request_of_nobody(""))), "none", "-").gives("operation", "hello"),
        asked(message(vector("register", "a project asks to be taken in"), &request_of_nobody(&project()).byte(6, "register").text("shop", "name")), "none", &project()).gives("operation", "register").gives("name", "shop"),
        asked(message(vector("unchecked", "texts that only the handler checks"), &request_of_nobody("../a\n").byte(9, "revoke").text("", "token id")), "none", "../a\n").gives("operation", "revoke").gives("token id", "-"),
    ]
}

#[rustfmt::skip]
fn operations() -> Vec<Vector> {
    let (alice, bob) = (person("alice").id, person("bob").id);
    let vector = |name: &str, rule: &str, operation: Message, outputs: Outputs| {
        let what = format!("the operation {}", name.replace('_', " "));
        let project = if ["projects", "audit"].contains(&name) { String::new() } else { project() };
        let start = message(good(&format!("ask_{name}"), rule, "request", &what), &request_in(&project).then(operation));
        with_outputs(asked(start, &token_line(), if project.is_empty() { "-" } else { &project }), outputs)
    };
    let op = |number: u8, name: &str| Message::default().byte(number, name);
    let (one, two) = (seed("blob one"), seed("blob two"));
    let hashes = op(3, "fetch").count(2, "hashes: so many").raw(&one, "hash").raw(&two, "hash");
    let push = |start: Message| start.list(&[b"blob one", b"\0\xff"], "blob");
    let members = Message::default().count(2, "members: so many")
        .text(&alice, "member").byte(13, "its most rights: pull, push, rotate").text(&bob, "member").byte(5, "its most rights: pull, push");
    let empty_push = op(4, "push").field(b"", "manifest").list(&[], "blob").count(0, "members: so many").text("", "member");
    let token = format!("{} {}", new_token_id(), hex(&seed("the secret of a new token")));
    let issued: Outputs = &[("new token", &token), ("rights", "pull,push"), ("expires", "1798761600"), ("member", &bob), ("name", "bob's laptop"), ("sealed", "sealed")];
    let with_name = |name| [&[("operation", name)], issued].concat();
    let all = Message::default().text(&new_token_id(), "token id").raw(&seed("the secret of a new token"), "its secret")
        .byte(31, "rights: all").long(0, "expires: never").text("", "member").text("", "name").field(b"", "sealed");
    let none = Message(all.0.iter().map(|(bytes, note)| if note.starts_with("rights") { (vec![0], "rights: none".into()) } else { (bytes.clone(), note.clone()) }).collect());
    let bare = |rights| [("operation", "issue"), ("new token", token.as_str()), ("rights", rights), ("expires", "0"), ("member", "-"), ("name", "-"), ("sealed", "-")];
    vec![
        vector("status", "5.5", op(1, "status"), &[("operation", "status")]),
        vector("pull", "5.5", op(2, "pull").long(41, "since").text(&bob, "member"), &[("operation", "pull"), ("since", "41"), ("member", &bob)]),
        vector("pull_from_nothing", "5.5", op(2, "pull").long(0, "since").text("", "member"), &[("operation", "pull"), ("since", "0"), ("member", "-")]),
        vector("pull_from_the_last", "5.5", op(2, "pull").long(u64::MAX, "since").text("", "member"), &[("operation", "pull"), ("since", "18446744073709551615"), ("member", "-")]),
        vector("fetch", "5.5", hashes, &[("operation", "fetch"), ("hashes", &format!("{} {}", hex(&one), hex(&two)))]),
        vector("fetch_nothing", "5.5", op(3, "fetch").count(0, "hashes: so many"), &[("operation", "fetch"), ("hashes", "-")]),
        vector("push", "5.4, 5.5", push(op(4, "push").field(b"a manifest", "manifest")).then(members).text(&alice, "member"),
            &[("operation", "push"), ("manifest", "a manifest"), ("blobs", "blob one hex:00ff"), ("members", &format!("{alice}=pull,push,rotate {bob}=pull,push")), ("member", &alice)]),
        vector("push_nothing", "5.5", empty_push, &[("operation", "push"), ("manifest", "-"), ("blobs", "-"), ("members", "-"), ("member", "-")]),
        vector("post", "5.5", op(5, "post").field(b"a request", "request"), &[("operation", "post"), ("request", "a request")]),
        vector("issue", "5.4, 5.5, 5.6", op(7, "issue").then(new_token(5)), &with_name("issue")),
        vector("issue_with_all_rights", "5.4, 5.6", op(7, "issue").then(all), &bare("pull,join,push,rotate,admin")),
        vector("issue_with_no_rights", "5.4, 5.6", op(7, "issue").then(none), &bare("-")),
        vector("tokens", "5.5", op(8, "tokens"), &[("operation", "tokens")]),
        vector("revoke", "5.5", op(9, "revoke").text(&new_token_id(), "token id"), &[("operation", "revoke"), ("token id", &new_token_id())]),
        vector("projects", "5.5", op(10, "projects"), &[("operation", "projects")]),
        vector("approve", "5.5, 5.6", op(11, "approve").then(new_token(5)), &with_name("approve")),
        vector("delete", "5.5", op(12, "delete"), &[("operation", "delete")]),
        vector("rollback", "5.5", op(13, "rollback").long(40, "revision"), &[("operation", "rollback"), ("revision", "40")]),
        vector("audit", "5.5", op(14, "audit").long(1000, "first line"), &[("operation", "audit"), ("from", "1000")]),
    ]
}

fn cut(mut message: Message) -> Message {
    message.0.last_mut().expect("a field").0.pop();
    message
}

#[rustfmt::skip]
fn refused_requests() -> Vec<Vector> {
    let refused = |name: &str, rule: &str, what: &str, defect: Message| message(bad(&format!("ask_{name}"), rule, "none", "request", what), &defect);
    let op = |number: u8, name: &str| request().byte(number, name);
    let hello = || op(0, "hello");
    let edited = |name: &str, rule: &str, what: &str, at: usize, bytes: &[u8]| {
        let mut defect = hello();
        defect.0[at].0 = bytes.into();
        refused(name, rule, what, defect)
    };
    let id = |text: &str| crate::world::lp(text.as_bytes());
    let start = |fields: usize| Message(hello().0[..fields].to_vec());
    let push = || op(4, "push").field(b"a manifest", "manifest").count(0, "blobs: so many");
    let pull = || op(2, "pull").long(1, "since").text("kgm_", "member");
    let revoke = |number| op(9, "revoke").count(number, "length of the token id");
    vec![
        edited("version_0", "5.1", "version 0", 0, &[0]),
        edited("version_2", "5.1", "version 2", 0, &[2]),
        edited("credential_2", "5.1", "neither with a credential nor without", 2, &[2]),
        edited("credential_announced", "5.1, 5.3", "a credential that is not announced", 2, &[0]),
        edited("token_of_member", "5.1, 4.7", "a member id as token id", 3, &id(&person("alice").id)),
        edited("token_short", "5.1, 4.7", "a token id of 19 symbols", 3, &id(&token_id()[..23])),
        edited("token_empty", "5.1, 4.7", "no token id", 3, &id("")),
        edited("project_bytes", "5.3", "a project that is not UTF-8", 5, &[2, 0, 0, 0, 0xc3, 0x28]),
        edited("operation_15", "5.5", "an operation that is none", 6, &[15]),
        edited("operation_255", "5.5", "an operation that is none", 6, &[255]),
        refused("empty", "5.3", "no byte", Message::default()),
        refused("only_version", "5.3", "only a version", start(1)),
        refused("cut_id", "5.3", "a request id that is cut short", cut(start(2))),
        refused("cut_secret", "5.3", "a secret that is cut short", cut(start(5))),
        refused("no_operation", "5.3", "no operation", start(6)),
        refused("longer", "5.3", "a byte left over", hello().byte(0, "left over")),
        refused("cut_number", "5.3", "a number that is cut short", cut(op(13, "rollback").long(1, "revision"))),
        refused("cut_text", "5.3", "a text that is cut short", cut(pull())),
        refused("cut_hash", "5.3", "a hash that is cut short", cut(op(3, "fetch").count(1, "hashes: so many").raw(&ZEROS, "hash"))),
        refused("cut_blob", "5.3", "a blob that is cut short", cut(op(4, "push").field(b"", "manifest").list(&[b"a blob"], "blob"))),
        refused("cut_new_token", "5.3, 5.6", "a new token that is cut short", cut(op(7, "issue").then(new_token(1)))),
        refused("without_member", "5.3", "a push without its last field", push().count(0, "members: so many")),
        refused("length", "5.3", "a text that is as long as can be, and not there", revoke(u32::MAX)),
        refused("count", "5.3", "as many hashes as can be, and none is there", op(3, "fetch").count(u32::MAX, "hashes: so many")),
        refused("count_10000", "5.3", "10,000 blobs, and none is there", op(4, "push").field(b"", "manifest").count(10_000, "blobs: so many")),
        refused("count_members", "5.3", "10,000 members, and none is there", push().count(10_000, "members: so many")),
        refused("member_bytes", "5.3", "a member that is not UTF-8", op(2, "pull").long(1, "since").field(b"\xff", "member")),
        refused("rights_32", "5.4", "a right that is none", op(7, "issue").then(new_token(32 | 1))),
        refused("rights_128", "5.4", "a right that is none, of a first token", op(11, "approve").then(new_token(128))),
        refused("rights_of_member", "5.4", "a right that is none, of a member", push().count(1, "members: so many").text(&person("bob").id, "member").byte(64, "rights").text("", "member")),
        refused("new_token_id", "5.6, 4.7", "a project id as new token", op(7, "issue").text(&project(), "token id").then(Message(new_token(1).0[1..].to_vec()))),
    ]
}

// --- Responses ---

fn standing_of(rights: u8, waiting: &[&[u8]]) -> Message {
    Message::default()
        .long(42, "revision")
        .raw(&seed("the id of revision 42"), "its id")
        .text(&token_id(), "token id")
        .byte(rights, "rights")
        .text(&person("alice").id, "member")
        .list(waiting, "who waits")
}

fn listed_token(rights: u8) -> Message {
    Message::default()
        .text(&token_id(), "token id")
        .byte(rights, "rights")
        .long(1_767_225_600, "issued")
        .long(0, "expires: never")
        .text(&person("alice").id, "member")
        .text("alice", "name")
}

fn listed_project(taken_in: u8) -> Message {
    Message::default()
        .text(&project(), "project id")
        .text("shop", "name")
        .byte(taken_in, "taken in")
        .long(42, "revision")
        .long(123_456, "bytes on disk")
}

#[rustfmt::skip]
fn results() -> Vec<Vector> {
    let (alice, bob, ci) = (person("alice").id, person("bob").id, person("ci").id);
    let vector = |name: &str, rule: &str, what: &str, answer: Message, outputs: Outputs| {
        with_outputs(message(good(&format!("answer_{name}"), rule, "response", what), &answer), outputs)
    };
    let refusal = |number: u32, name: &str, shown: &str| {
        let answer = response(0, "refused").count(number, "why").text("a reason", "what is known of it");
        let what = format!("refused: {name}");
        vector(&format!("refused_{name}"), "5.2, 5.7", &what, answer, &[("result", &format!("refused: {shown}")), ("about", "a reason")])
    };
    let (id, token, secret) = (hex(&seed("the id of revision 42")), token_id(), hex(&ZEROS));
    let waiting: &[&[u8]] = &[bob.as_bytes(), ci.as_bytes()];
    let both = format!("{bob} {ci}");
    let standing: Outputs = &[("revision", "42"), ("id", &id), ("token", &token), ("rights", "pull,push,rotate"), ("member", &alice), ("waiting", &both)];
    let nothing: Outputs = &[("revision", "0"), ("id", &secret), ("token", "-"), ("rights", "-"), ("member", "-"), ("waiting", "-")];
    let nobody = Message::default().long(0, "revision").raw(&ZEROS, "its id").text("", "token id").byte(0, "rights").text("", "member").list(&[], "who waits");
    let (one, two) = (seed("link one"), seed("link two"));
    let links = format!("{} {}", hex(&one), hex(&two));
    let pulled = standing_of(13, waiting).count(2, "links: so many").raw(&one, "link").raw(&two, "link").field(b"a manifest", "manifest")
        .list(&[b"blob one", b"", b"\0\xff"], "blob").list(&[b"a request"], "request").field(b"sealed", "sealed");
    let pulled_outputs = [&[("result", "pulled")], standing, &[("links", &links), ("manifest", "a manifest"), ("blobs", "blob one - hex:00ff"), ("requests", "a request"), ("sealed", "sealed")]].concat();
    let empty = nobody.clone().count(0, "links: so many").field(b"", "manifest").list(&[], "blob").list(&[], "request").field(b"", "sealed");
    let empty_outputs = [&[("result", "pulled")], nothing, &[("links", "-"), ("manifest", "-"), ("blobs", "-"), ("requests", "-"), ("sealed", "-")]].concat();
    let bob_token = Message::default().text(&new_token_id(), "token id").byte(2, "rights").long(1, "issued").long(u64::MAX, "expires").text("", "member").text("x", "name");
    let token_lines = [format!("{token} pull,push issued=1767225600 expires=0 {alice} alice"), format!("{} join issued=1 expires=18446744073709551615 - x", new_token_id())];
    let project_lines = [format!("{} shop taken in revision=42 bytes=123456", project()), format!("{} shop waits revision=42 bytes=123456", project())];
    vec![
        refusal(0, "denied", "Denied"),
        refusal(1, "forbidden", "Forbidden"),
        refusal(2, "missing", "Missing"),
        refusal(3, "conflict", "Conflict"),
        refusal(4, "malformed", "Malformed"),
        refusal(5, "limit", "Limit"),
        refusal(6, "storage", "Storage"),
        refusal(7, "replayed", "Replayed"),
        vector("refused_plainly", "5.7", "refused, and nothing is known of it", response(0, "refused").count(0, "why").text("", "what is known of it"), &[("result", "refused: Denied"), ("about", "-")]),
        vector("done", "5.2, 5.7", "done", response(1, "done"), &[("result", "done")]),
        vector("standing", "5.4, 5.7, 5.8", "where a project stands", response(2, "standing").then(standing_of(13, waiting)), &[&[("result", "standing")], standing].concat()),
        vector("standing_of_nobody", "5.8", "what a server says to nobody", response(2, "standing").then(nobody), &[&[("result", "standing")], nothing].concat()),
        vector("pulled", "5.7, 5.9", "a state", response(3, "pulled").then(pulled), &pulled_outputs),
        vector("pulled_nothing", "5.9", "a project without state", response(3, "pulled").then(empty), &empty_outputs),
        vector("blobs", "5.7", "two blobs", response(4, "blobs").list(&[b"one", b"two"], "blob"), &[("result", "blobs"), ("blobs", "one two")]),
        vector("tokens", "5.7, 5.10", "two tokens", response(5, "tokens").count(2, "tokens: so many").then(listed_token(5)).then(bob_token), &[("result", "tokens"), ("token", &token_lines[0]), ("token", &token_lines[1])]),
        vector("no_tokens", "5.7", "no token", response(5, "tokens").count(0, "tokens: so many"), &[("result", "tokens")]),
        vector("projects", "5.7, 5.10", "two projects", response(6, "projects").count(2, "projects: so many").then(listed_project(1)).then(listed_project(0)), &[("result", "projects"), ("project", &project_lines[0]), ("project", &project_lines[1])]),
        vector("lines", "5.7", "two lines of the audit log", response(7, "lines").list(&[b"1", b"2"], "line"), &[("result", "lines"), ("lines", "1 2")]),
    ]
}

#[rustfmt::skip]
fn refused_results() -> Vec<Vector> {
    let refused = |name: &str, rule: &str, what: &str, defect: Message| message(bad(&format!("answer_{name}"), rule, "none", "response", what), &defect);
    let done = || response(1, "done");
    let version = |number| Message::default().byte(number, "version").byte(1, "done");
    let refusal = |number: u32| response(0, "refused").count(number, "why").text("", "what is known of it");
    let pulled = || response(3, "pulled").then(standing_of(1, &[]));
    vec![
        refused("version_0", "5.2", "version 0", version(0)),
        refused("version_2", "5.2", "version 2", version(2)),
        refused("result_8", "5.7", "a result that is none", response(8, "no result")),
        refused("refusal_8", "5.7", "a refusal that is none", refusal(8)),
        refused("refusal_last", "5.7", "the last number as refusal", refusal(u32::MAX)),
        refused("refusal_256", "5.7", "a refusal whose first byte would be one", refusal(256)),
        refused("refusal_bytes", "5.3", "a reason that is not UTF-8", response(0, "refused").count(0, "why").field(b"\xff", "what is known of it")),
        refused("empty", "5.3", "no byte", Message::default()),
        refused("only_version", "5.3", "only a version", Message::default().byte(1, "version")),
        refused("longer", "5.3", "a byte left over", done().byte(0, "left over")),
        refused("cut", "5.3", "a standing that is cut short", cut(response(2, "standing").then(standing_of(1, &[b"kgm_"])))),
        refused("cut_pulled", "5.3, 5.9", "no sealed credential, not even an empty one", pulled().count(0, "links: so many").field(b"", "manifest").list(&[], "blob").list(&[], "request")),
        refused("cut_link", "5.3", "a link that is cut short", cut(pulled().count(1, "links: so many").raw(&ZEROS, "link"))),
        refused("rights", "5.4, 5.8", "a right that is none", response(2, "standing").then(standing_of(32, &[]))),
        refused("rights_of_token", "5.4, 5.10", "a right that is none, of a token", response(5, "tokens").count(1, "tokens: so many").then(listed_token(128))),
        refused("taken_in_2", "5.10", "neither taken in nor waiting", response(6, "projects").count(1, "projects: so many").then(listed_project(2))),
        refused("count_links", "5.3", "as many links as can be, and none is there", pulled().count(u32::MAX, "links: so many")),
        refused("count_tokens", "5.3", "10,000 tokens, and none is there", response(5, "tokens").count(10_000, "tokens: so many")),
        refused("count_less", "5.3", "a token more than it counts", response(5, "tokens").count(0, "tokens: so many").then(listed_token(1))),
    ]
}

/// Lists at their limit, and one above it.
fn lists() -> Vec<Vector> {
    let lines = |start: Message, count: u32, item: &str, note: &str, rest: Message| {
        let mut lines = noted(&start.count(count, "so many").0);
        lines.push(format!("*{count} {item}  {note}"));
        lines.extend(noted(&rest.0));
        lines
    };
    let nothing = Message::default;
    let fetch = |count| {
        let start = request().byte(3, "fetch");
        lines(start, count, &"ab".repeat(32), "hash", nothing())
    };
    let blobs = |count| lines(response(4, "blobs"), count, "0100000061", "blob", nothing());
    let members = |count| {
        let start = request().byte(4, "push").field(b"", "manifest");
        let start = start.count(0, "blobs: so many");
        let rest = nothing().text("", "member");
        lines(start, count, "0000000001", "member of no id: pull", rest)
    };
    let above = |name: &str, is: &str, what: &str, lines| {
        bad(name, "5.3", "none", is, what).with_lines("message", lines)
    };
    let hash = "ab".repeat(32);
    let fetched = good("ask_fetch_10000", "5.3", "request", "10,000 hashes");
    let answered = good("answer_blobs_10000", "5.3", "response", "10,000 blobs");
    vec![
        asked(
            fetched.with_lines("message", fetch(10_000)),
            &token_line(),
            &project(),
        )
        .gives("operation", "fetch")
        .gives("hashes", &format!("{hash} to {hash}, 10000")),
        answered
            .with_lines("message", blobs(10_000))
            .gives("result", "blobs")
            .gives("blobs", "a to a, 10000"),
        above("ask_fetch_10001", "request", "10,001 hashes", fetch(10_001)),
        above(
            "ask_push_10001",
            "request",
            "10,001 members",
            members(10_001),
        ),
        above(
            "answer_blobs_10001",
            "response",
            "10,001 blobs",
            blobs(10_001),
        ),
    ]
}
