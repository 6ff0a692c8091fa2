//! `format::dotenv` from outside: tables of cases, a round trip of generated values, the fixtures
//! of other parsers. With `KAGI_CONSUMERS=DIR` the generated corpus is written there, for
//! `tests/consumers.sh` to hold against the real parsers.

use kagi::error::{Error, Kind};
use kagi::format::dotenv::{self, Format, Parsed, parse, write};
use kagi::format::names::KEY_BYTES_MAX;
use kagi::format::snapshot::{ENTRIES_MAX, VALUE_BYTES_MAX};
use std::path::{Path, PathBuf};

fn read(text: &str) -> Parsed {
    parse("f", text.as_bytes()).unwrap_or_else(|error| panic!("{text:?}: {error:?}"))
}

fn fails(bytes: &[u8]) -> Error {
    let Err(error) = parse("f", bytes) else {
        panic!("accepted: {:?}", String::from_utf8_lossy(bytes));
    };
    error
}

/// Names and values, as text.
fn pairs(parsed: &Parsed) -> Vec<(&str, &str)> {
    parsed
        .assignments
        .iter()
        .map(|a| (a.name.as_str(), a.value.expose_str("a").unwrap()))
        .collect()
}

fn warnings(text: &str) -> Vec<(usize, String)> {
    let parsed = read(text);
    parsed
        .warnings
        .into_iter()
        .map(|w| (w.line, w.text))
        .collect()
}

fn description(comment: &str) -> String {
    let mut parsed = read(&format!("{comment}\nA=1\n"));
    parsed.assignments.pop().unwrap().description
}

/// One pair written; the text or the reason.
fn written(format: Format, name: &str, value: &[u8]) -> Result<String, String> {
    match write(format, "label", [(name, value)].into_iter()) {
        Ok(text) => Ok(String::from_utf8_lossy(text.expose()).into_owned()),
        Err(error) => {
            assert_eq!(
                (error.kind, error.subject.as_str()),
                (Kind::Unholdable, name)
            );
            Err(error.cause.clone())
        }
    }
}

#[test]
fn reads_one_value() {
    for (text, want) in [
        ("A=1", "1"),
        ("A=", ""),
        ("A=   ", ""),
        ("A=\r\n", ""),
        ("A=1\r", "1"),
        ("\u{feff}A=1", "1"),
        (" \t A \t = \t 1 2 \t ", "1 2"),
        ("export A=1", "1"),
        ("  export \t A=1", "1"),
        ("A==b=", "=b="),
        ("A=$B ${C} $(id) `id`", "$B ${C} $(id) `id`"),
        ("A=x\\ny", "x\\ny"),
        ("A={\"a\": \"b's\"}", "{\"a\": \"b's\"}"),
        ("A=it's", "it's"),
        ("A=x # y # z", "x"),
        ("A=x\t#y", "x"),
        ("A=x#y", "x#y"),
        ("A=x#y #z", "x#y"),
        ("A=#x", "#x"),
        ("A= #x", ""),
        ("A = # x", ""),
        ("A=a\rb", "a\rb"),
        ("A=\u{a0}x\u{a0}", "\u{a0}x\u{a0}"),
        ("A=''", ""),
        ("A=' x '", " x "),
        ("A = 'x' # y", "x"),
        ("A='x'\t", "x"),
        ("A='x\\n\\'", "x\\n\\"),
        ("A='a#b \" ` $c'", "a#b \" ` $c"),
        ("A='a\r\nb\nc\rd'\r\n", "a\nb\nc\rd"),
        ("A='\nB=2\n# c\n'", "\nB=2\n# c\n"),
        ("A=``", ""),
        ("A=`a'\"\\n\nb` # c", "a'\"\\n\nb"),
        ("A=\"\"", ""),
        ("A=\" it's `x` # \"", " it's `x` # "),
        (r#"A="\n\r\t\"\\\$""#, "\n\r\t\"\\$"),
        (r#"A="\a\'\x41\u0041\0\ ""#, r"\a\'\x41\u0041\0\ "),
        (r#"A="\\n\\\n\\""#, "\\n\\\n\\"),
        ("A=\"a\\\r\nb\r\rc\r\r\n\"", "a\\\nb\r\rc\r\n"),
        ("A=\"$B ${C} $(id)\"", "$B ${C} $(id)"),
        ("A=é€😀", "é€😀"),
    ] {
        assert_eq!(pairs(&read(text)), [("A", want)], "{text:?}");
    }
}

#[test]
fn reads_names_and_lines() {
    for text in [
        "",
        "\n",
        "\u{feff}",
        "# a",
        " \t\r\n\t# b\r\n",
        "#A=1\n  #\n",
    ] {
        assert!(read(text).assignments.is_empty(), "{text:?}");
    }
    let parsed = read("_a.B-9=1\n\nexport=2\nexport =3\nexported=4\n export_X=5\n");
    let want = [
        ("_a.B-9", "1"),
        ("export", "3"),
        ("exported", "4"),
        ("export_X", "5"),
    ];
    assert_eq!(pairs(&parsed), want);
    let parsed = read("# c\nA='\n\n'\r\nB=`\n` # x\n\nC=\"\n\\n\"\nD=4");
    let lines: Vec<usize> = parsed.assignments.iter().map(|a| a.line).collect();
    assert_eq!(lines, [2, 5, 8, 10]);
}

#[test]
fn names_the_line_of_a_fault() {
    const OPEN: &str = "missing closing quote";
    const AFTER: &str = "text after the closing quote";
    const NOTHING: &str = "not a blank line, a comment or NAME=value";
    for (bytes, line, reason) in [
        (&b"A"[..], 1, NOTHING),
        (b"A=1\nexport B\n", 2, NOTHING),
        (b"A=1\r\n\r\nhunter2 x=1\r\n", 3, NOTHING),
        (b"A: 1", 1, NOTHING),
        (b"=1", 1, NOTHING),
        (b"1A=1", 1, NOTHING),
        (b".A=1", 1, NOTHING),
        (b"'A'=1", 1, NOTHING),
        (b"A\n=1", 1, NOTHING),
        ("é=1".as_bytes(), 1, NOTHING),
        (b"\x0cA=1", 1, NOTHING),
        (b"\nA='x\ny\n\"", 2, OPEN),
        (b"\n\nA=\"x\\\"\n", 3, OPEN),
        (b"A=`", 1, OPEN),
        (b"A='1'2", 1, AFTER),
        (b"A=\"1\"#x", 1, AFTER),
        (b"\nA='1\n2' 3\nB='", 3, AFTER),
        (b"A='it\nB='x'\n", 2, AFTER),
        (b"A=1\nB=\0\n", 2, "a NUL byte"),
        (b"A=1\n\n#\xff\n", 3, "not UTF-8"),
        (b"\xff\xfeA\0=\0", 1, "not UTF-8"),
        (b"A='\n\n\xc3'", 3, "not UTF-8"),
    ] {
        let error = fails(bytes);
        assert_eq!((error.kind, error.subject.as_str()), (Kind::Syntax, "f"));
        assert_eq!(error.cause, format!("line {line}: {reason}"));
    }
}

#[test]
fn holds_its_limits() {
    let name = "N".repeat(KEY_BYTES_MAX);
    assert_eq!(pairs(&read(&format!("{name}=1"))), [(name.as_str(), "1")]);
    let error = fails(format!("\n{name}N=1").as_bytes());
    assert_eq!(error.kind, Kind::Syntax);
    assert_eq!(error.cause, "line 2: a name of more than 256 bytes");

    let value = "v".repeat(VALUE_BYTES_MAX);
    for quote in ["", "'", "\"", "`"] {
        let parsed = read(&format!("A={quote}{value}{quote}"));
        assert_eq!(parsed.assignments[0].value.len(), value.len());
        let error = fails(format!("\nA={quote}v{value}{quote}").as_bytes());
        assert_eq!((error.kind, error.subject.as_str()), (Kind::TooLarge, "A"));
        assert_eq!(error.cause, "line 2: the limit of a value is 1048576 bytes");
    }
    // What counts is the value, not how it is written.
    let escaped = "\\n".repeat(VALUE_BYTES_MAX);
    assert_eq!(
        read(&format!("A=\"{escaped}\"")).assignments[0].value.len(),
        value.len()
    );

    let many = "A=\n".repeat(ENTRIES_MAX);
    assert_eq!(read(&many).assignments.len(), 1);
    let error = fails(format!("{many}B=").as_bytes());
    assert_eq!((error.kind, error.subject.as_str()), (Kind::Limit, "f"));

    let mut large = vec![b'\n'; dotenv::FILE_BYTES_MAX];
    assert!(parse("f", &large).is_ok());
    large.push(0xff);
    assert_eq!(fails(&large).kind, Kind::TooLarge);
}

/// Each would take minutes to hours if anything were scanned twice for each line or byte.
#[test]
fn takes_linear_time() {
    let n = 4 * 1024 * 1024;
    let start = std::time::Instant::now();
    for text in [
        format!("A='{}", "\n".repeat(n)),
        format!("A=\"{}", "\\\"".repeat(n / 2)),
        format!("A={}", " ".repeat(n)),
        format!("A={}", " \t".repeat(n / 2) + "#"),
        format!("A='{}", "'\nA='".repeat(n / 5)),
        "# word word\n".repeat(n / 12),
        "#".repeat(n),
        "A".repeat(n),
        format!("export {}", " ".repeat(n)),
        "A=#\n".repeat(ENTRIES_MAX),
        format!("A={}\n", "#".repeat(200)).repeat(ENTRIES_MAX),
    ] {
        let _ = parse("f", text.as_bytes());
    }
    let seconds = start.elapsed().as_secs();
    assert!(seconds < 30, "{seconds} s");
}

#[test]
fn warns_by_name_and_never_by_value() {
    let cut = "\"A\" has a bare \"#\", where some parsers cut";
    let again = "\"A\" is set again further down; the last value counts";
    assert_eq!(warnings("\nA=x#hunter2"), [(2, cut.to_string())]);
    assert_eq!(warnings("A=#x"), [(1, cut.to_string())]);
    assert!(warnings("A=x #y\nB='#'\nC=\"#\"\nD=`#`\n#E=#\nF= #x").is_empty());
    let text = "A=#1\nB=2\nA='3'\nA=4";
    let want = [(1, cut), (1, again), (3, again)].map(|(line, text)| (line, text.to_string()));
    assert_eq!(warnings(text), want);
    let parsed = read("# the first one\nA=1\n# the second one\nB=2\n# the third one\nA=3\nC=4");
    assert_eq!(pairs(&parsed), [("B", "2"), ("A", "3"), ("C", "4")]);
    assert_eq!(parsed.assignments[1].description, "the third one");
    assert_eq!(parsed.assignments[1].line, 6);
}

#[test]
fn prose_becomes_a_description() {
    for (comment, want) in [
        ("# The database, for reads", "The database, for reads"),
        ("#the port\r", "the port"),
        ("  ## Two  spaces ##", "Two  spaces ##"),
        (
            "# First line,\n\t# then another.",
            "First line, then another.",
        ),
        ("# Set before the deploy", "Set before the deploy"),
        (
            "# see https://example.com/docs/start",
            "see https://example.com/docs/start",
        ),
        ("# between 1 and 9999", "between 1 and 9999"),
        ("# timeout in ms (30s, v2)", ""),
        ("# timeout of 30s or v2", "timeout of 30s or v2"),
        ("# don't use “quotes” – ever…", "don't use “quotes” – ever…"),
        ("# Passwort für die Größe", "Passwort für die Größe"),
        ("# one comment\n\n# and a second", "and a second"),
        ("# B is above\nB=1", ""),
        ("# above\n\n", ""),
    ] {
        assert_eq!(description(comment), want, "{comment:?}");
    }
    let long = "word ".repeat(51) + "a";
    assert_eq!(description(&format!("# {long}")), long);
    assert_eq!(description(&format!("# {long}b")), "");
}

#[test]
fn a_secret_never_becomes_a_description() {
    for comment in [
        "# OLD_KEY=hunter2",
        "# was a=b",
        "# password: hunter2",
        "# sk_live_abc123def456",
        "# key sk_live_abcdefghijkl",
        "# old postgres://user:secret@host/db",
        "# token AKIAIOSFODNNQEXAMPLE4",
        "# the pin 12345",
        "# hunter",
        "#",
        "# key abcdefghijklmnopqrstuvwxyz",
        "# key aGVsbG8rd29ybGQ+Zm9v",
        "# escape \u{1b}[31m red",
        "# tab\there too",
        "# bidi \u{202e}x text",
        "# zero\u{200b}width space",
        "# see https://example.com/v1234",
        "# This line is prose\n# password: hunter2",
        "# password: hunter2\n# This line is prose",
        "# This line is prose\n#\n# and this one",
        "# The old password was\n# hunter",
    ] {
        assert_eq!(description(comment), "", "{comment:?}");
    }
}

#[test]
fn writes_by_rule() {
    for (value, want) in [
        ("", "A=\n"),
        ("a_./:@%+,=-Z9", "A=a_./:@%+,=-Z9\n"),
        ("a b", "A='a b'\n"),
        ("#", "A='#'\n"),
        ("~", "A='~'\n"),
        ("é", "A='é'\n"),
        ("a\nb\n", "A='a\nb\n'\n"),
        ("\" \\n $x ! `", "A='\" \\n $x ! `'\n"),
        ("it's", "A=\"it's\"\n"),
        ("'\n#", "A=\"'\n#\"\n"),
    ] {
        let got = written(Format::Dotenv, "A", value.as_bytes());
        assert_eq!(got.as_deref(), Ok(want), "{value:?}");
    }
    for (value, reason) in [
        (&b"'\""[..], "it has a ' together"),
        (b"'\\", "it has a ' together"),
        (b"'$", "it has a ' together"),
        (b"'!", "it has a ' together"),
        (b"'`", "it has a ' together"),
        (b"${", "it has ${"),
        (b"a\\\\b", "it has a doubled or final backslash"),
        (b"a\\", "it has a doubled or final backslash"),
        (b"a\rb", "it has a carriage return"),
        (b"a\r\n'b", "it has a carriage return"),
        (b"\0", "it has a NUL byte"),
        (b"\xff", "it is not UTF-8"),
    ] {
        let got = written(Format::Dotenv, "A", value);
        assert!(
            matches!(&got, Err(cause) if cause.starts_with(reason)),
            "{got:?}"
        );
    }
}

#[test]
fn writes_for_one_target() {
    let ok = |text: &str| Ok(text.to_string());
    assert_eq!(written(Format::Shell, "A", b""), ok("export A=''\n"));
    assert_eq!(
        written(Format::Shell, "A", b"'a'\n$"),
        ok("export A=''\\''a'\\''\n$'\n")
    );
    assert!(write(Format::Shell, "", [("A", &b"\xff"[..])].into_iter()).is_ok());
    assert_eq!(
        written(Format::Docker, "a.B-c", b" 'x' # "),
        ok("a.B-c= 'x' # \n")
    );
    let long = vec![b'x'; 65533];
    assert!(written(Format::Docker, "A", &long).is_ok());
    assert_eq!(
        written(
            Format::Json,
            "a\"b",
            "\"\\\n\r\t\u{1}\u{7f}\u{9b}\u{2028}\u{2029}é😀/".as_bytes()
        ),
        ok("{\n  \"a\\\"b\": \"\\\"\\\\\\n\\r\\t\\u0001\\u007f\\u009b\\u2028\\u2029é😀/\"\n}\n")
    );
    let two = [("A", &b"1"[..]), ("B", b"")];
    let text = write(Format::Json, "", two.into_iter()).unwrap();
    assert_eq!(text.expose(), b"{\n  \"A\": \"1\",\n  \"B\": \"\"\n}\n");
    assert_eq!(
        write(Format::Json, "", std::iter::empty())
            .unwrap()
            .expose(),
        b"{}\n"
    );
    assert!(
        write(Format::Dotenv, "", std::iter::empty())
            .unwrap()
            .is_empty()
    );

    for (format, name, value) in [
        (Format::Dotenv, "a.b", &b"1"[..]),
        (Format::Dotenv, "a-b", b"1"),
        (Format::Dotenv, "", b"1"),
        (Format::Shell, "a.b", b"1"),
        (Format::Shell, "a-b", b"1"),
        (Format::Shell, "1a", b"1"),
        (Format::Shell, "a;id", b"1"),
        (Format::Shell, "A", b"\0"),
        (Format::Json, "A", b"\xff"),
        (Format::Docker, "#a", b"1"),
        (Format::Docker, "a b", b"1"),
        (Format::Docker, "A", b"\n"),
        (Format::Docker, "A", b"\r"),
        (Format::Docker, "A", b"\0"),
        (Format::Docker, "A", b"\xff"),
        (Format::Docker, "AB", &long),
    ] {
        assert!(written(format, name, value).is_err(), "{format:?} {name:?}");
    }
}

#[test]
fn writes_a_kubernetes_secret() {
    let two = [("A", &b"hunter2"[..]), ("b.-_", b"\0\xff")];
    let text = write(Format::K8s, "api-production", two.into_iter()).unwrap();
    let want = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \
                \"metadata\": {\"name\": \"api-production\"}, \"type\": \"Opaque\", \"data\": {\n  \
                \"A\": \"aHVudGVyMg==\",\n  \"b.-_\": \"AP8=\"\n}}\n";
    assert_eq!(String::from_utf8_lossy(text.expose()), want);
    let none = write(Format::K8s, "a", std::iter::empty()).unwrap();
    assert!(none.expose().ends_with(b"\"data\": {}}\n"));

    // All values together are what counts.
    let half = vec![b'x'; 512 * 1024];
    let pairs = [("A", &half[..]), ("B", &half), ("C", b""), ("D", b"x")];
    assert!(write(Format::K8s, "a", pairs[..3].iter().copied()).is_ok());
    let Err(error) = write(Format::K8s, "a", pairs.into_iter()) else {
        panic!("more than 1 MiB was taken");
    };
    assert_eq!(
        (error.kind, error.subject.as_str()),
        (Kind::Unholdable, "D")
    );
    assert!(written(Format::K8s, &"N".repeat(253), b"1").is_ok());
    assert!(written(Format::K8s, &"N".repeat(254), b"1").is_err());
    assert!(written(Format::K8s, "a b", b"1").is_err());

    for (scope, want) in [
        ("api/production", "api-production"),
        ("My_Api.v2/eu-1", "my-api-v2-eu-1"),
        ("a/prod-", "a-prod"),
        ("7_/x__", "7--x"),
    ] {
        assert_eq!(dotenv::k8s_name(scope), want);
    }
}

#[test]
fn writes_for_github() {
    let ok = |text: &str| Ok(text.to_string());
    for (value, want) in [
        (&b""[..], "A<<label\n\nlabel\n"),
        (b"a b", "A<<label\na b\nlabel\n"),
        (b"a\r\nb\n", "A<<label\na\r\nb\n\nlabel\n"),
        (
            b"xlabel\nlabel \nlabely",
            "A<<label\nxlabel\nlabel \nlabely\nlabel\n",
        ),
    ] {
        assert_eq!(written(Format::Github, "A", value), ok(want));
    }
    for name in [
        "GITHUB_TOKEN",
        "github_x",
        "RUNNER_OS",
        "NODE_OPTIONS",
        "Node_Options",
    ] {
        let got = written(Format::Github, name, b"1");
        assert!(
            got.is_err_and(|cause| cause.starts_with("GitHub keeps")),
            "{name}"
        );
    }
    for name in ["CI", "MY_GITHUB_TOKEN", "GITHUB", "NODE_OPTIONS2", "a.b-c"] {
        assert!(written(Format::Github, name, b"1").is_ok(), "{name}");
    }
    for value in [&b"\0"[..], b"\xff", b"label", b"a\nlabel\nb", b"a\nlabel"] {
        assert!(written(Format::Github, "A", value).is_err(), "{value:?}");
    }
}

#[test]
fn masks_each_line_that_says_something() {
    let values = [
        &b"hunter2"[..],
        b"50%25 \xff",
        b"",
        b"ab",
        b"   ",
        b"\n",
        b"-----BEGIN\r\nabc\rd\nefg\n}\n",
        b"::add-mask::x",
    ];
    let masks = dotenv::github_masks(values.into_iter());
    let want: &[&[u8]] = &[
        b"hunter2",
        b"50%2525 \xff",
        b"-----BEGIN",
        b"abc",
        b"efg",
        b"::add-mask::x",
    ];
    let want: Vec<u8> = want
        .iter()
        .flat_map(|line| [b"::add-mask::", *line, b"\n"].concat())
        .collect();
    assert_eq!(masks.expose(), want);
}

/// Any text without NUL: what makes parsers differ, and any character at all.
fn any_text(random: &mut Random) -> String {
    let symbol = |random: &mut Random| {
        let number = u32::try_from(1 + random.below(0x10_ffff)).unwrap();
        char::from_u32(number).unwrap_or('\r')
    };
    let mut text = generated(random);
    for _ in 0..random.below(3) {
        text.push(symbol(random));
        text.push_str(&generated(random));
    }
    text
}

#[test]
fn what_is_written_to_be_edited_comes_back() {
    let mut random = Random(0x6564_6974);
    let mut values: Vec<String> = (0..20_000).map(|_| any_text(&mut random)).collect();
    values.extend(corpus().into_iter().filter(|value| !value.contains('\0')));
    values.push("\"".repeat(VALUE_BYTES_MAX));
    let descriptions = [
        "",
        "Two words here",
        "DB=no prose",
        "# odd",
        "'\" \\ quotes and $more",
    ];
    let mut escaped = 0;
    for value in &values {
        let mut text = kagi::secret::Secret::default();
        for (name, value) in [("export", "'"), ("a.B-c", value), ("Z", "\\")] {
            dotenv::editable(&mut text, name, value, random.pick(&descriptions));
        }
        escaped += usize::from(!holds(Format::Dotenv, value));
        let parsed = parse("f", text.expose()).unwrap();
        assert_eq!(
            pairs(&parsed),
            [("export", "'"), ("a.B-c", value), ("Z", "\\")]
        );
        assert!(parsed.warnings.is_empty(), "{value:?}");
    }
    assert!(escaped > 4000, "only {escaped} needed an escape");
}

#[test]
fn what_is_written_to_be_edited_reads_well() {
    for (value, want) in [
        ("plain", "A=plain\n\n"),
        ("two words", "A='two words'\n\n"),
        ("a\nb\n", "A='a\nb\n'\n\n"),
        ("it's", "A=\"it's\"\n\n"),
        ("it's $HOME", "A=\"it's $HOME\"\n\n"),
        ("${HOME}", "A=\"${HOME}\"\n\n"),
        ("a\r\nb", "A=\"a\\r\nb\"\n\n"),
        ("'\"\\", "A=\"'\\\"\\\\\"\n\n"),
    ] {
        let mut text = kagi::secret::Secret::default();
        dotenv::editable(&mut text, "A", value, "");
        assert_eq!(text.expose_str("A").unwrap(), want);
    }
    let mut text = kagi::secret::Secret::default();
    dotenv::editable(&mut text, "A", "1", "The first one");
    assert_eq!(text.expose(), b"# The first one\nA=1\n\n");
    assert_eq!(
        parse("f", text.expose()).unwrap().assignments[0].description,
        "The first one"
    );
}

/// xorshift64*, so that every run sees the same values.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let end = u64::try_from(end).unwrap();
        usize::try_from((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PIECES: &[&str] = &[
    "a",
    "Z",
    "0",
    "key",
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "=",
    "#",
    " #",
    "# ",
    "'",
    "''",
    "\"",
    "\\",
    "\\n",
    "\\'",
    "\\\"",
    "\\\\",
    "\\$",
    "\\t",
    "\\x41",
    "$",
    "${",
    "${A}",
    "${HOME:-x}",
    "$HOME",
    "$(id)",
    "`",
    "`id`",
    "!",
    "!!",
    "~",
    "*",
    "?",
    "[a]",
    "{a,b}",
    "<",
    ">",
    "|",
    "&",
    ";",
    "(",
    ")",
    "%",
    "^",
    "@",
    "+",
    ",",
    "-",
    ".",
    "/",
    ":",
    "\nB=1\n",
    "\nexport C=2",
    "\n# c",
    "export ",
    "é",
    "ß",
    "€",
    "😀",
    "e\u{301}",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{3000}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "\u{1}",
    "\u{7}",
    "\u{b}",
    "\u{c}",
    "\u{1b}[31m",
    "\u{1c}",
    "\u{7f}",
    "\u{9b}",
    "\r",
    "\r\n",
    "-----BEGIN KEY-----\n",
    "postgres://u:p@h/d?a=b",
];

/// Half of the values are made of few kinds of pieces, so that many can be written.
fn generated(random: &mut Random) -> String {
    let few: Vec<&str> = (0..=random.below(4)).map(|_| random.pick(PIECES)).collect();
    let from = if random.below(2) == 0 { PIECES } else { &few };
    (0..random.below(9)).map(|_| random.pick(from)).collect()
}

fn corpora() -> Option<PathBuf> {
    let path = std::env::var_os("KAGI_CORPORA").map(PathBuf::from);
    if path.is_none() {
        println!("skipped: KAGI_CORPORA is not set");
    }
    path
}

fn naughty_strings(corpora: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(corpora.join("blns/strings.json")).unwrap();
    miniserde::json::from_str(&text).unwrap()
}

/// Generated values, the naughty strings, and all short strings of the characters that matter.
fn corpus() -> Vec<String> {
    let mut random = Random(0x6b61_6769);
    let mut values: Vec<String> = (0..12_000).map(|_| generated(&mut random)).collect();
    let alphabet = [
        "a", " ", "\n", "'", "\"", "\\", "$", "{", "#", "`", "!", "=", "\r",
    ];
    for a in alphabet {
        for b in alphabet {
            values.extend(alphabet.map(|c| format!("{a}{b}{c}")));
        }
    }
    values.extend(corpora().iter().flat_map(|path| naughty_strings(path)));
    values
}

fn holds(format: Format, value: &str) -> bool {
    write(format, "label", [("A", value.as_bytes())].into_iter()).is_ok()
}

#[test]
fn what_is_written_comes_back() {
    let values = corpus();
    let mut held = 0;
    for value in &values {
        let again = written(Format::Json, "A", value.as_bytes()).unwrap();
        let object: std::collections::BTreeMap<String, String> =
            miniserde::json::from_str(&again).unwrap();
        assert_eq!(object.get("A"), Some(value));
        if !holds(Format::Dotenv, value) {
            continue;
        }
        held += 1;
        // Beside a neighbour, so that nothing can run over into the next line.
        let both = [("A", value.as_bytes()), ("B_2", b"'")];
        let text = write(Format::Dotenv, "", both.into_iter()).unwrap();
        let parsed = parse("f", text.expose()).unwrap();
        assert_eq!(pairs(&parsed), [("A", value.as_str()), ("B_2", "'")]);
        assert!(parsed.warnings.is_empty(), "{value:?}");
    }
    println!("{held} of {} values came back from dotenv", values.len());
    assert!(
        held > 4000 && held + 2000 < values.len(),
        "{held} of {}",
        values.len()
    );
}

/// For `tests/consumers.sh`: `N.raw` (name, NUL, value, NUL, …) is what `N.env`, `N.json` and all the others
/// must say. Where dotenv refuses the values there is no `N.env`; a `N.docker` has only those without a
/// line break.
#[test]
fn writes_the_corpus_for_consumers() {
    let Some(to) = std::env::var_os("KAGI_CONSUMERS").map(PathBuf::from) else {
        println!("skipped: KAGI_CONSUMERS is not set");
        return;
    };
    let (held, refused): (Vec<_>, Vec<_>) = corpus()
        .into_iter()
        .filter(|value| !value.contains('\0'))
        .partition(|value| holds(Format::Dotenv, value));
    let mut random = Random(7);
    let mut number = 0;
    for (values, formats) in [
        (
            held,
            &[
                ("env", Format::Dotenv),
                ("json", Format::Json),
                ("sh", Format::Shell),
                ("k8s", Format::K8s),
                ("github", Format::Github),
            ][..],
        ),
        (
            refused,
            &[
                ("json", Format::Json),
                ("sh", Format::Shell),
                ("k8s", Format::K8s),
                ("github", Format::Github),
            ],
        ),
    ] {
        for chunk in values.chunks(200) {
            let named: Vec<(String, &String)> = chunk
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    (
                        random.pick(&["K_", "k", "_", "__", "exportX"]).to_string()
                            + &i.to_string(),
                        value,
                    )
                })
                .collect();
            let pairs = || {
                named
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_bytes()))
            };
            let raw =
                pairs().flat_map(|(name, value)| [name.as_bytes(), b"\0", value, b"\0"].concat());
            std::fs::write(to.join(format!("{number}.raw")), raw.collect::<Vec<u8>>()).unwrap();
            for (extension, format) in formats {
                let text = write(*format, "label", pairs()).unwrap();
                std::fs::write(to.join(format!("{number}.{extension}")), text.expose()).unwrap();
            }
            let lines = || pairs().filter(|(_, value)| !value.iter().any(|b| b"\r\n".contains(b)));
            let text = write(Format::Docker, "", lines()).unwrap();
            std::fs::write(to.join(format!("{number}.docker")), text.expose()).unwrap();
            let masks = dotenv::github_masks(pairs().map(|(_, value)| value));
            std::fs::write(to.join(format!("{number}.masks")), masks.expose()).unwrap();
            number += 1;
        }
    }
}

/// Every fixture under `folder`; its path and bytes.
fn fixtures(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fixtures(&path, found);
        } else {
            found.push((path.clone(), std::fs::read(path).unwrap()));
        }
    }
}

#[test]
fn reads_the_fixtures_of_others() {
    let Some(corpora) = corpora() else { return };
    let mut found = Vec::new();
    for folder in ["dotenv-bkeepers", "dotenv-godotenv", "dotenv-motdotla"] {
        fixtures(&corpora.join(folder), &mut found);
    }
    assert!(found.len() > 20, "{}", found.len());
    for (path, bytes) in &found {
        for end in 0..=bytes.len() {
            let _ = parse("f", &bytes[..end]);
        }
        let crlf = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        let (plain, other) = (parse("f", bytes), parse("f", crlf.as_bytes()));
        match (plain, other) {
            (Ok(plain), Ok(other)) => assert_eq!(pairs(&plain), pairs(&other), "{path:?}"),
            (Err(plain), Err(other)) => assert_eq!(plain.cause, other.cause, "{path:?}"),
            _ => panic!("CRLF changes the verdict: {path:?}"),
        }
    }
}

/// What files of other parsers say where the dialects agree.
const AGREED: &[(&str, &[(&str, &str)])] = &[
    ("dotenv-bkeepers/spec/fixtures/bom.env", &[("BOM", "UTF-8")]),
    (
        "dotenv-bkeepers/spec/fixtures/exported.env",
        &[("OPTION_A", "2"), ("OPTION_B", "\\n")],
    ),
    (
        "dotenv-bkeepers/spec/fixtures/plain.env",
        &[
            ("PLAIN", "true"),
            ("OPTION_C", "3"),
            ("OPTION_D", "4"),
            ("OPTION_E", "5"),
        ],
    ),
    (
        "dotenv-bkeepers/spec/fixtures/quoted.env",
        &[
            ("OPTION_A", "1"),
            ("OPTION_C", ""),
            ("OPTION_D", "\\n"),
            ("OPTION_E", "1"),
            ("OPTION_G", ""),
            ("OPTION_H", "\n"),
        ],
    ),
    (
        "dotenv-godotenv/fixtures/equals.env",
        &[(
            "OPTION_A",
            "postgres://localhost:5432/database?sslmode=disable",
        )],
    ),
    (
        "dotenv-godotenv/fixtures/hyphen.env",
        &[("OPTION_A", "abc"), ("OPTION-B", "def")],
    ),
    (
        "dotenv-godotenv/fixtures/plain.env",
        &[("OPTION_F", ""), ("OPTION_G", ""), ("OPTION_H", "1 2")],
    ),
    (
        "dotenv-godotenv/fixtures/substitutions.env",
        &[("OPTION_D", "${OPTION_A}${OPTION_B}")],
    ),
    (
        "dotenv-motdotla/tests/.env.bom",
        &[("BASIC", "basic"), ("SECOND", "two")],
    ),
    (
        "dotenv-motdotla/tests/.env",
        &[
            ("AFTER_LINE", "after_line"),
            ("EMPTY", ""),
            ("EMPTY_BACKTICKS", ""),
            ("SINGLE_QUOTES_SPACED", "    single quotes    "),
            (
                "DOUBLE_QUOTES_INSIDE_SINGLE",
                "double \"quotes\" work inside single quotes",
            ),
            (
                "DOUBLE_QUOTES_WITH_NO_SPACE_BRACKET",
                "{ port: $MONGOLAB_PORT}",
            ),
            (
                "DOUBLE_AND_SINGLE_QUOTES_INSIDE_BACKTICKS",
                "double \"quotes\" and single 'quotes' work inside backticks",
            ),
            ("EXPAND_NEWLINES", "expand\nnew\nlines"),
            ("DONT_EXPAND_UNQUOTED", "dontexpand\\nnewlines"),
            ("DONT_EXPAND_SQUOTED", "dontexpand\\nnewlines"),
            ("INLINE_COMMENTS", "inline comments"),
            (
                "INLINE_COMMENTS_SINGLE_QUOTES",
                "inline comments outside of #singlequotes",
            ),
            (
                "INLINE_COMMENTS_BACKTICKS",
                "inline comments outside of #backticks",
            ),
            ("EQUAL_SIGNS", "equals=="),
            ("RETAIN_INNER_QUOTES", "{\"foo\": \"bar\"}"),
            ("TRIM_SPACE_FROM_UNQUOTED", "some spaced out string"),
            ("SPACED_KEY", "parsed"),
            (
                "EXPORT_IS_DECLARED_WITH_SOME_VALUE_AND_SPACING",
                "some_value",
            ),
        ],
    ),
    (
        "dotenv-motdotla/tests/.env.multiline",
        &[
            ("MULTI_DOUBLE_QUOTED", "THIS\nIS\nA\nMULTILINE\nSTRING"),
            ("MULTI_SINGLE_QUOTED", "THIS\nIS\nA\nMULTILINE\nSTRING"),
            ("MULTI_BACKTICKED", "THIS\nIS\nA\n\"MULTILINE'S\"\nSTRING"),
        ],
    ),
];

/// And where they do not, we refuse and name the line.
const REFUSED: &[(&str, usize)] = &[
    ("dotenv-bkeepers/spec/fixtures/yaml.env", 1),
    ("dotenv-godotenv/fixtures/invalid1.env", 1),
    // `"foo"#bar`: a comment or text?
    ("dotenv-godotenv/fixtures/comments.env", 7),
    // `\'` inside `'…'`: only godotenv and python-dotenv take it for a quote.
    ("dotenv-godotenv/fixtures/quoted.env", 13),
];

#[test]
fn agrees_with_the_fixtures_of_others() {
    let Some(corpora) = corpora() else { return };
    let file = |path: &str| std::fs::read(corpora.join(path)).unwrap();
    for (path, want) in AGREED {
        let parsed = parse(path, &file(path)).unwrap();
        for pair in *want {
            assert!(pairs(&parsed).contains(pair), "{path}: {pair:?}");
        }
    }
    for (path, line) in REFUSED {
        let cause = fails(&file(path)).cause.clone();
        assert!(
            cause.starts_with(&format!("line {line}: ")),
            "{path}: {cause}"
        );
    }
}
