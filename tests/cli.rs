//! Runs the transcripts in `tests/cli/*.txt` against the real program.
//!
//! A transcript is a shell session as a user would see it. Each runs in a fresh directory with its
//! own home, starts in an empty `work/`, and finds `kagi` first on its `PATH`; nothing of the
//! environment of whoever runs the tests gets in.
//!
//! ```text
//! # a comment
//! %needs git              at the top: skip this file where that program is missing
//! $ kagi get nosuch       a command for `sh -c`; its standard input is /dev/null
//! < text                  a line of its standard input
//! > text                  a line of its standard output
//! ! text                  a line of its standard error
//! ? 1                     its exit code, 0 if not given
//! ~ hunter2               text that neither output may hold
//! %pty y                  run it in a pseudo terminal; type this at its next prompt
//! ```
//!
//! `[..]` in an expected line stands for any characters; the line `> ...` stands for any lines.
//! Outputs are compared in full, but for a newline at the very end. A `\` at the end of a command
//! continues it on the next line, which begins with two spaces. The directory and the exported
//! variables of one command are those of the next. What a command leaves running is killed at the
//! end of the file.
//!
//! A prompt is output that ends in `[y/N] ` or `: ` and waits. `%pty` can be repeated; it can stand
//! alone for a command that asks nothing; `%pty ^M`, `%pty ^C` and `%pty ^D` are those keys (Enter
//! alone, interrupt, end). In a terminal the two outputs are one, with what was typed and shown in
//! it, and the `>` lines say what it is.
//!
//! `KAGI_BIN` names another program to test, `KAGI_TRANSCRIPT` one file to run.
#![cfg(unix)]

mod transcript;

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use transcript::*;

#[test]
fn transcripts() {
    let files = transcript_files("tests/cli");
    assert!(!files.is_empty(), "no transcript of that name in tests/cli");
    let problems = in_parallel(&files, |path| {
        let shown = shown_name(path);
        let text = fs::read_to_string(path).expect("a transcript can be read");
        run_transcript(&shown, parse(&shown, &text))
    });
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

mod tests {
    use super::*;

    #[test]
    fn lines_match_as_written() {
        let same = [
            ("", ""),
            ("a", "a"),
            ("[..]", ""),
            ("[..]", "a b"),
            ("a[..]", "a"),
            ("[..]c", "abc"),
            ("a[..]b[..]c", "a-b--b-c"),
            ("[..]é[..]", "éé"),
            ("[y/N] [..]", "[y/N] y"),
        ];
        let different = [
            ("a", "a "),
            ("a", ""),
            ("", "a"),
            ("a[..]", "ba"),
            ("[..]a", "ab"),
            ("a[..]a", "a"),
            ("a[..]b[..]c", "a-c-b"),
            ("a.c", "abc"),
        ];
        for (expected, actual) in same {
            assert!(line_matches(expected, actual), "{expected:?} {actual:?}");
        }
        for (expected, actual) in different {
            assert!(!line_matches(expected, actual), "{expected:?} {actual:?}");
        }
    }

    #[test]
    fn dots_match_any_lines() {
        let actual = ["a", "b", "c"];
        for expected in [
            &["a", "b", "c"][..],
            &["..."],
            &["a", "..."],
            &["...", "c"],
            &["...", "a", "...", "b", "c", "..."],
        ] {
            assert!(lines_match(expected, &actual), "{expected:?}");
        }
        for expected in [&[][..], &["a", "b"], &["...", "b"], &["...", "c", "b"]] {
            assert!(!lines_match(expected, &actual), "{expected:?}");
        }
        assert!(lines_match(&["..."], &[]));
        assert!(!lines_match(&["a"], &[]));
    }

    #[test]
    fn a_difference_shows_only_what_differs() {
        let expected = |texts: &[&str]| -> Vec<Expected> {
            let lines = texts.iter().enumerate();
            lines
                .map(|(at, text)| Expected {
                    line: 10 + at,
                    text: (*text).into(),
                })
                .collect()
        };
        let (line, diff) = difference(&expected(&["a", "b", "d"]), &["a", "c", "d"]).unwrap();
        assert_eq!((line, diff.as_str()), (Some(11), "    - b\n    + c\n"));
        let (line, diff) = difference(&expected(&["a"]), &["a", "a"]).unwrap();
        assert_eq!((line, diff.as_str()), (None, "    + a\n"));
        assert!(difference(&expected(&["a", "..."]), &["a", "b"]).is_none());
    }

    /// The first lines of the problems of a transcript.
    fn problems(text: &str) -> Vec<String> {
        let problems = match parse("t", text) {
            Ok(transcript) => run("t", &transcript.steps, Duration::from_secs(5)),
            Err(problem) => vec![problem],
        };
        let first = |problem: &String| problem.lines().next().unwrap_or("").to_string();
        problems.iter().map(first).collect()
    }

    #[test]
    fn each_kind_of_mismatch_is_reported_at_its_line() {
        for (text, expected) in [
            ("$ echo a\n> b\n", "t:2: standard output differs"),
            ("$ echo a\n", "t:1: standard output differs"),
            ("$ true\n> a\n", "t:2: standard output differs"),
            ("\n$ echo a >&2\n! b\n", "t:3: standard error differs"),
            ("$ exit 3\n? 4\n", "t:1: exit code 3, not 4"),
            ("$ kill -9 $$\n", "t:1: exit code 137, not 0"),
            (
                "$ echo ab\n> ab\n~ x\n~ b\n",
                "t:4: text that must not appear",
            ),
            (
                "$ echo ab >&2\n! ab\n~ ab\n",
                "t:3: text that must not appear",
            ),
        ] {
            assert_eq!(problems(text), [expected], "{text}");
        }
        assert_eq!(problems("$ echo a; exit 1\n$ true\n> b\n").len(), 3);
    }

    #[test]
    fn what_is_no_transcript_is_refused() {
        for text in [
            "> a\n",
            "$\n",
            "a\n",
            "$ true\n>a\n",
            "$ true\n? x\n",
            "$ true\n~\n",
            "$ echo \\\nb\n",
            "$ true\n%needs git\n",
            "$ true\n%pty a\n< b\n",
            "$ true\n%pty a\n! b\n",
        ] {
            let found = problems(text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].contains("not a line of a transcript"), "{text}");
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let missing = |text: &str| parse("t", text).unwrap().missing().map(String::from);
        assert_eq!(
            missing("%needs sh\n%needs no-such-program\n").unwrap(),
            "no-such-program"
        );
        assert_eq!(missing("%needs sh\n$ true\n"), None);
        assert_eq!(
            missing("$ a\n%pty b\n").is_none(),
            find_program("python3").is_some()
        );
    }

    #[test]
    fn a_conversation_must_go_as_written() {
        if find_program("python3").is_none() {
            return say("cli: pseudo terminals are not tested, they need python3\n");
        }
        let ask = "$ printf 'a: '; read -r a; echo \"$a\"\n%pty b\n";
        assert_eq!(problems(&format!("{ask}> a: b\n> b\n")), [""; 0]);
        let left_over = format!("{ask}%pty c\n> a: b\n> b\n");
        let expected = ["t:1: standard error differs", "t:1: exit code 125, not 0"];
        assert_eq!(problems(&left_over), expected);
        assert_eq!(
            problems("$ tty >&2\n%pty\n> no\n"),
            ["t:3: standard output differs"]
        );
        assert_eq!(problems("$ exit 7\n%pty\n"), ["t:1: exit code 7, not 0"]);
    }

    #[test]
    fn a_command_without_end_is_killed() {
        let steps = parse("t", "$ sleep 60\n$ true\n> x\n").unwrap().steps;
        let found = run("t", &steps, Duration::from_millis(100));
        assert_eq!(found, ["t:1: no end after 0 seconds\n"]);
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut session = Session::new();
        let text = "$ echo $$ >group; sleep 60 & echo $! >pid";
        let steps = parse("t", text).unwrap().steps;
        session.run(&steps[0], DEADLINE).unwrap();
        let pid = fs::read_to_string(session.root.join("work/pid")).unwrap();
        let is_alive = || {
            let mut kill = Command::new("/bin/sh");
            kill.args(["-c", &format!("kill -0 {} 2>&-", pid.trim())]);
            kill.status().unwrap().success()
        };
        assert!(is_alive());
        let root = session.root.clone();
        drop(session);
        assert!(!root.exists());
        let end = Instant::now() + DEADLINE;
        while is_alive() {
            assert!(Instant::now() < end, "the process is still there");
            thread::sleep(POLL);
        }
    }
}
