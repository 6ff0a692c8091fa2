//! What `kagi completions` and `kagi man` print, in the shells and the formatter that read it.
//!
//! Each shell is asked what it would put on a line. A shell that is not installed is not tested, and
//! that is said; PowerShell is tested nowhere.
#![cfg(unix)]

mod common;

use common::{Device, Outcome, World, find_program, listing, on_terminal, outcome, program, say};
use std::fs;
use std::path::{Path, PathBuf};

/// What a member may be called, and a shell must not run.
const NAME: &str = "Eve $(touch pwned);`touch pwned`'&";

struct Shop {
    world: World,
    ada: Device,
    root: PathBuf,
}

/// A project with two services, made by a member of that name; the program is found as `kagi`.
fn shop() -> Shop {
    let world = World::new();
    let mut ada = world.device("ada");
    let bin = world.directory("bin");
    std::os::unix::fs::symlink(program(), bin.join("kagi")).expect("a link");
    let path = std::env::var("PATH").expect("a PATH");
    ada.variables
        .push(("PATH", format!("{}:{path}", bin.display())));
    ada.variables.push(("TERM", "xterm".into()));
    let root = world.directory("shop");
    let mut init = ada.command(program(), &root);
    outcome(
        "kagi init",
        init.args(["init", "--nested", "--envs", "--name", NAME]),
    )
    .ok();
    for words in [
        "api DATABASE_URL one",
        "api PORT two",
        "api production TOKEN three",
        "web COLOUR four",
    ] {
        ada.kagi(&root, &format!("set {words}")).ok();
    }
    fs::create_dir_all(root.join("api/sub dir")).expect("a directory");
    fs::write(root.join("b $(touch pwned) file"), "").expect("a file");
    Shop { world, ada, root }
}

impl Shop {
    /// What `kagi complete` prints, without the descriptions.
    fn complete(&self, at: &Path, words: &[&str]) -> Vec<String> {
        let mut command = self.ada.command(program(), at);
        let done = outcome(
            &format!("kagi complete {words:?}"),
            command.args(["complete", "--"]).args(words),
        );
        assert_eq!(done.stderr, "", "{words:?}");
        let text = done.ok().text();
        text.lines()
            .map(|line| line.split('\t').next().unwrap_or_default().to_string())
            .collect()
    }

    fn script(&self, shell: &str) -> PathBuf {
        let path = self.world.root.join(format!("kagi.{shell}"));
        fs::write(
            &path,
            self.ada
                .kagi(&self.root, &format!("completions {shell}"))
                .ok()
                .text(),
        )
        .expect("a script");
        path
    }
}

/// Nothing is opened, asked, written or made, by a device that has no identity at all.
#[test]
fn no_key_is_opened_and_nothing_is_written() {
    let shop = shop();
    let mut stranger = shop.ada.clone();
    stranger.home = shop.world.root.join("nobody");
    let stranger = Shop {
        ada: stranger,
        world: World::new(),
        root: shop.root.clone(),
    };
    let before = listing(&shop.root);
    for words in [
        vec!["get", "api", ""],
        vec!["run", "--only", "", "api"],
        vec!["member", "del", ""],
        vec!["member", "approve", ""],
    ] {
        assert_eq!(
            stranger.complete(&stranger.root, &words),
            shop.complete(&shop.root, &words)
        );
    }
    let keys = [
        "development",
        "staging",
        "production",
        "DATABASE_URL",
        "PORT",
    ];
    assert_eq!(stranger.complete(&stranger.root, &["get", "api", ""]), keys);
    assert_eq!(
        stranger.complete(&stranger.root.join("api/sub dir"), &["get", "P"]),
        ["production", "PORT"][1..]
    );
    assert!(listing(&shop.root) == before, "it has written something");
    assert!(
        !shop.world.root.join("nobody").exists(),
        "it has made a home"
    );
}

/// What whoever writes the repository puts in the way.
#[test]
fn what_is_damaged_or_hostile_is_left_out() {
    let shop = shop();
    let file = shop.root.join(".kagi/secrets/api/development.enc");
    let text = fs::read_to_string(&file).expect("a scope");
    let index = "\nkey $(touch pwned) 1\nkey A\u{1b}[2J 1\nkey  1\nkey B\nkey -x 1\nkey GOOD 1\nkey PORT 2\n";
    fs::write(&file, text.replacen('\n', index, 1)).expect("a scope");
    assert_eq!(
        shop.complete(&shop.root, &["unset", "api", "development", ""]),
        ["DATABASE_URL", "GOOD", "PORT"]
    );
    // The names of stored files may hold more than those of keys.
    fs::create_dir_all(shop.root.join(".kagi/files/api")).expect("a directory");
    let index = text.replacen(
        '\n',
        "\nkey --force 1\nkey a b/c.pem 1\nkey x\u{1b}[2J 1\nkey x\u{202e}y 2\n",
        1,
    );
    let index = index.replace("key PORT", "key $(x)");
    fs::write(shop.root.join(".kagi/files/api/development.enc"), index).expect("a scope");
    assert_eq!(
        shop.complete(&shop.root, &["file", "show", "api", "development", ""]),
        ["$(x)", "DATABASE_URL", "a b/c.pem"]
    );
    // No scope has so many, and no shell wants them.
    let many: Vec<_> = (0..20_001).map(|at| format!("key Z{at} 1\n")).collect();
    fs::write(
        &file,
        text.replacen('\n', &format!("\n{}", many.concat()), 1),
    )
    .expect("a scope");
    let found = shop.complete(&shop.root, &["unset", "api", "development", ""]);
    assert_eq!(found.len(), 20_000);
    fs::create_dir(shop.root.join(".kagi/secrets/$(x)")).expect("a directory");
    fs::write(shop.root.join(".kagi/secrets/$(x)/development.enc"), "").expect("a file");
    assert_eq!(
        shop.complete(&shop.root, &["get", "-s", ""]),
        ["api", "web"]
    );
    for damage in [&b"\xff\xfe"[..], b"", b"{"] {
        fs::write(&file, damage).expect("a scope");
        assert!(
            shop.complete(&shop.root, &["unset", "api", "development", ""])
                .is_empty()
        );
        fs::write(shop.root.join(".kagi/access.json"), damage).expect("a roster");
        assert!(shop.complete(&shop.root, &["member", "del", ""]).is_empty());
        fs::write(shop.root.join(".kagi/kagi.json"), damage).expect("a configuration");
        assert!(shop.complete(&shop.root, &["get", ""]).is_empty());
        assert_eq!(shop.complete(&shop.root, &["unse"]), ["unset"]);
    }
    assert!(
        shop.complete(&shop.world.root, &["get", ""]).is_empty(),
        "no project"
    );
}

/// Each line, and what a shell would put there; what it knows itself is in no particular order.
const LINES: [(&str, &[&str]); 9] = [
    ("unse", &["unset"]),
    ("member gr", &["grant"]),
    (
        "get ",
        &["api", "development", "production", "staging", "web"],
    ),
    ("get api D", &["DATABASE_URL"]),
    ("get --js", &["--json"]),
    ("export --format k", &["k8s"]),
    ("copy api PORT --to web/s", &["web/staging"]),
    ("run api -- touc", &["touch"]),
    ("import -f b", &["b $(touch pwned) file"]),
];

fn check(shell: &str, shop: &Shop, ask: impl Fn(&str) -> Outcome) {
    for (line, expected) in LINES {
        let mut found: Vec<_> = ask(line).ok().text().lines().map(String::from).collect();
        found.sort();
        assert_eq!(found, expected, "{shell}: kagi {line}");
    }
    let found = ask("member rename E").ok().text();
    assert_eq!(found.trim_end_matches('\n'), NAME, "{shell} quotes it");
    for directory in [
        shop.root.clone(),
        shop.root.join("api"),
        shop.world.root.clone(),
    ] {
        assert!(!directory.join("pwned").exists(), "{shell} ran a name");
    }
}

/// bash, of which a function is asked what it would complete; each candidate is then read as a word.
#[test]
fn bash_completes() {
    let Some(bash) = find_program("bash") else {
        return say("bash is not tested, it is not installed");
    };
    let shop = shop();
    let script = shop.script("bash");
    let ask = r#"
        set -u; source "$1"
        read -ra COMP_WORDS <<<"kagi $2"
        [[ $2 != *' ' ]] || COMP_WORDS+=('')
        [[ $2 != *=* ]] || COMP_WORDS=("${COMP_WORDS[@]:0:${#COMP_WORDS[@]}-1}" "${2%%=*}" = "${2#*=}")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _kagi
        for one in "${COMPREPLY[@]}"; do eval "printf '%s\n' $one"; done | sort -u"#;
    let run = |line: &str| {
        let mut command = shop.ada.command(&bash, &shop.root);
        outcome(
            line,
            command
                .args(["--norc", "-c", ask, "bash"])
                .arg(&script)
                .arg(line),
        )
    };
    check("bash", &shop, run);
    // It takes the equals sign for the end of a word.
    assert_eq!(run("--format=k").ok().text(), "");
    let mut command = shop.ada.command(&bash, &shop.root);
    let ask = r#"source "$1"; COMP_WORDS=(kagi export --format = k); COMP_CWORD=4; _kagi; echo "${COMPREPLY[@]}""#;
    let found = outcome(
        "--format = k",
        command.args(["--norc", "-c", ask, "bash"]).arg(&script),
    );
    assert_eq!(found.ok().text(), "k8s\n");
}

/// bash with a person at a terminal, who presses the tabulator.
#[test]
fn bash_completes_on_a_terminal() {
    let Some(bash) = find_program("bash") else {
        return say("bash is not tested, it is not installed");
    };
    let shop = shop();
    let start = shop.world.root.join("bashrc");
    // What arrives is shown; only `complete` is run.
    let shown = "kagi() { if [ \"$1\" = complete ]; then command kagi \"$@\"; else printf '<%s>' \"$@\"; echo; fi; }";
    let source = format!(
        "PS1='ready: '\n. '{}'\n{shown}\n",
        shop.script("bash").display()
    );
    fs::write(&start, source).expect("a start file");
    let line = format!(
        "PATH={}:$PATH; {} --noprofile --rcfile {} -i",
        shop.world.root.join("bin").display(),
        bash.display(),
        start.display()
    );
    let typed = [
        "kagi uns\tapi PO\tmember --format=\t",
        "kagi member rename E\t",
        "exit",
    ];
    let Some(talk) = on_terminal(&shop.ada, &shop.root, &typed, &line) else {
        return;
    };
    let text = talk.ok().text();
    assert!(text.contains("<unset><api><PORT><member>"), "{text}");
    assert!(
        text.contains(&format!("<member><rename><{NAME}>")),
        "{text}"
    );
    assert!(!shop.root.join("pwned").exists(), "a name was run");
}

/// zsh in a pseudo terminal of its own; what `compadd` accepts is written down as it would be inserted.
#[test]
fn zsh_completes() {
    let Some(zsh) = find_program("zsh") else {
        return say("zsh is not tested, it is not installed");
    };
    let shop = shop();
    let script = shop.script("zsh");
    let ask = r#"
        export OUT=$3; : >$OUT
        start=$OUT.start
        print -r -- "
            autoload -Uz compinit; compinit -u -D
            source ${(q)1}
            compadd() {
                local -a found
                [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] || {
                    builtin compadd -A found \"\$@\"
                    (( ! \$#found )) || print -rl -- \"\${(@)found}\" >>\$OUT
                }
                builtin compadd \"\$@\"
            }
            done-with-it() { zle complete-word; print END >>\$OUT }
            zle -N done-with-it; bindkey '^I' done-with-it
            print READY" >$start
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; source ${(q)start}"
        zpty -r z seen '*READY*'
        zpty -w -n z "kagi $2"$'\t'
        repeat 200; do [[ $(<$OUT) != *END ]] || break; sleep 0.05; done
        zpty -d z
        for one in ${(f)"$(<$OUT)"}; do [[ $one == END ]] || eval "print -r -- $one"; done | sort -u"#;
    let run = |line: &str| {
        let mut command = shop.ada.command(&zsh, &shop.root);
        command
            .args(["-f", "-c", ask, "zsh"])
            .arg(&script)
            .arg(line)
            .arg(shop.world.root.join("out"));
        outcome(line, &mut command)
    };
    check("zsh", &shop, run);
    // What was typed may be quoted.
    assert_eq!(run(r"member grant Ada \*/st").ok().text(), "*/staging\n");
}

/// fish, which tells what it would complete; it quotes what it then inserts.
#[test]
fn fish_completes() {
    let Some(fish) = find_program("fish") else {
        return say("fish is not tested, it is not installed");
    };
    let shop = shop();
    let script = shop.script("fish");
    check("fish", &shop, |line| {
        let ask =
            "source $argv[1]; complete -C \"kagi $argv[2]\" | string replace -r '\\t.*' ''; true";
        let mut command = shop.ada.command(&fish, &shop.root);
        outcome(
            line,
            command
                .args(["--no-config", "-c", ask])
                .arg(&script)
                .arg(line),
        )
    });
}

/// elvish, whose completion can only be asked where it has a terminal.
#[test]
fn elvish_completes() {
    let Some(elvish) = find_program("elvish") else {
        return say("elvish is not tested, it is not installed");
    };
    let shop = shop();
    let start = shop.world.root.join("rc.elv");
    let script = shop.script("elvish");
    let ask = |words: &str| {
        let print = "{|one| print '<'; print (repr $one); print '>' }";
        let source = format!(
            "eval (cat {} | slurp)\n$edit:completion:arg-completer[kagi] kagi {words} | each {print}\nexit 0\n",
            script.display()
        );
        fs::write(&start, source).expect("a start file");
        let line = format!(
            "PATH={}:$PATH; {} -rc {}",
            shop.world.root.join("bin").display(),
            elvish.display(),
            start.display()
        );
        on_terminal(&shop.ada, &shop.root, &[], &line)
    };
    for (words, expected) in [
        ("unse", "<(edit:complex-candidate unset "),
        ("get api D", "<(edit:complex-candidate DATABASE_URL "),
        ("get api ''", "<(edit:complex-candidate PORT "),
        (
            "export --format=k",
            "<(edit:complex-candidate '--format=k8s' ",
        ),
        (
            "import -f b",
            "<(edit:complex-candidate 'b $(touch pwned) file'",
        ),
        (
            "run api cat b",
            "<(edit:complex-candidate 'b $(touch pwned) file'",
        ),
        ("run api -- t", "<touch>"),
    ] {
        let Some(found) = ask(words) else { return };
        let text = found.ok().text();
        assert!(text.contains(expected), "kagi {words}: {text}");
    }
}

/// The manual page has no fault, and shows what the table says, letter by letter.
#[test]
fn the_manual_page_can_be_read() {
    let shop = shop();
    let page = shop.world.root.join("kagi.1");
    fs::write(&page, &shop.ada.kagi(&shop.root, "man").ok().stdout).expect("a page");
    let text = fs::read_to_string(&page).expect("ASCII");
    assert!(
        text.is_ascii()
            && text
                .lines()
                .all(|line| line.len() < 2000 && !line.ends_with(' '))
    );
    let overview = shop.ada.kagi(&shop.root, "help").ok().text();
    let mut names: Vec<_> = overview
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    names.retain(|line| !line.starts_with("kagi "));
    assert!(names.len() > 50, "{overview}");
    let mut shown = Vec::new();
    for (tool, arguments) in [
        ("mandoc", vec!["-Tutf8", "-Owidth=300"]),
        ("man", vec!["-l"]),
    ] {
        let Some(tool) = find_program(tool) else {
            say(&format!(
                "the manual page is not tested with {tool}, which is not installed"
            ));
            continue;
        };
        let mut command = shop.ada.command(tool, &shop.root);
        command
            .env("MANWIDTH", "300")
            .env("MAN_KEEP_FORMATTING", "");
        let text = outcome("man", command.args(arguments).arg(&page))
            .ok()
            .says_not(&["warning"])
            .text();
        shown.push(plain(&text));
    }
    for text in shown {
        for line in &names {
            let (name, about) = line.split_at(16);
            let (name, about) = (format!("kagi {}", name.trim()), about.trim());
            let name = text
                .lines()
                .position(|line| line.trim_start().starts_with(&name));
            assert!(name.is_some() && text.contains(about), "{line}\n{text}");
        }
        for example in [
            "kagi resolve --from HEAD~3",
            "printf %s \"$TOKEN\" | kagi set api production TOKEN --stdin",
            "-s, --service NAME",
            "kagi get api DATABASE_URL",
        ] {
            assert!(text.contains(example), "{example}\n{text}");
        }
    }
    if let Some(mandoc) = find_program("mandoc") {
        let mut command = shop.ada.command(mandoc, &shop.root);
        let lint = outcome("mandoc", command.args(["-Tlint", "-Wwarning"]).arg(&page));
        assert_eq!(lint.ok().text(), "");
    }
}

/// Without what makes letters bold on a printer.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for symbol in text.chars() {
        if symbol == '\u{8}' {
            out.pop();
        } else {
            out.push(symbol);
        }
    }
    out
}
