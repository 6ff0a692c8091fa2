//! The commands that hand values to programs and plain files, and look for them there.

use crate::cli::command::{Command, ENV, JSON, SERVICE, STRICT, UNSAFE_NAME, flag, short};
use crate::cli::{check, dotenv, hook, migrate, render, run, scan};

/// In the order of the overview.
pub static RUNNING: &[Command] = &[
    Command {
        name: "run",
        words: "[service] [env] [--] COMMAND [ARGUMENT…]",
        about: "run a command with the values in its environment",
        details: "kagi becomes the command: exit code and signals are its own. Values win over inherited variables;\n\
                  kagi's own secret variables are removed. Nothing is asked and nothing is written. What follows -- is\n\
                  the command, even if it is named like a service or an environment.",
        examples: &[
            "kagi run api bun dev",
            "kagi run api production -- ./migrate",
            "kagi run -s api -- env",
        ],
        flags: &[
            flag("mask", "", "replace values in what the command prints"),
            flag("require", "FILE", "start nothing if a key of this example is missing or empty"),
            flag("only", "KEY,…", "these keys alone"),
            flag("clean", "", "inherit nothing but PATH, HOME, TERM and LANG"),
            STRICT,
            UNSAFE_NAME,
            SERVICE,
            ENV,
        ],
        run: run::run,
    },
    Command {
        name: "render",
        words: "[service] [env] TEMPLATE",
        about: "fill a template with values",
        details: "{{ KEY }} stands for a value of the scope that is named, {{ SERVICE/ENV/KEY }} for one of any; {{{{ is a\n\
                  literal {{. Values are inserted as they are: quotes and escapes that a format needs around them are\n\
                  the template's, and nothing checks that a value fits between them. TEMPLATE - is standard input.\n\
                  Without -o the result goes to standard output; to a terminal after a y. Names that are not there are\n\
                  listed with their lines, and nothing is written.",
        examples: &[
            "kagi render api production config.toml.tpl -o config.toml",
            "kagi render nginx.conf.tpl | ssh web tee /etc/nginx/nginx.conf",
        ],
        flags: &[
            short('o', "out", "FILE", "write a file, readable by you alone"),
            flag("force", "", "overwrite a file with other content"),
            STRICT,
            SERVICE,
            ENV,
        ],
        run: render::render,
    },
    Command {
        name: "import",
        words: "[service] [env]",
        about: "take over the keys of a .env file, all or none",
        details: "The environment is the one that is named, else the one that the file's name ends in (.env.production),\n\
                  else the default. A key that has another value already stops the import, unless --force overwrites it.",
        examples: &[
            "kagi import api --file api/.env",
            "kagi import api production --file .env.production --dry-run",
        ],
        flags: &[
            short('f', "file", "PATH", "the file (default .env; - for standard input)"),
            flag("force", "", "overwrite keys that have another value"),
            flag("dry-run", "", "say what would be done, and do nothing"),
            UNSAFE_NAME,
            SERVICE,
            ENV,
        ],
        run: dotenv::import,
    },
    Command {
        name: "export",
        words: "[service] [env]",
        about: "write the values in plain text, after a y",
        details: "To standard output; or with --out one file an environment, readable by you alone. A value that the\n\
                  format cannot hold stops the export, naming the key. k8s is a Secret named SERVICE-ENV. github, in a\n\
                  job of GitHub's, hands the values to the later steps ($GITHUB_ENV) without asking, and has them\n\
                  masked in the log: line by line, as they are, from 3 characters on. What a step encodes, cuts, or\n\
                  writes to files and artifacts is not masked.",
        examples: &[
            "kagi export api production",
            "kagi export api --out . --force",
            "kagi export api --format json",
            "kagi export api production --format k8s | kubectl apply -f -",
            "kagi export api production --format github",
        ],
        flags: &[
            short(
                'o',
                "out",
                "DIR",
                "write .env.<env> files here, for the env named or all of them",
            ),
            flag("format", "NAME", "dotenv (default), shell, json, docker, k8s, github"),
            flag("force", "", "overwrite files that are there"),
            UNSAFE_NAME,
            SERVICE,
            ENV,
        ],
        run: dotenv::export,
    },
    Command {
        name: "sync",
        words: "[service]",
        about: "add the keys of .env.example that are missing, overwriting nothing",
        details: "A missing key gets its value from the first of --sources that has it, else what the example says.\n\
                  Keys for which neither has a value are listed.",
        examples: &[
            "kagi sync api",
            "kagi sync api --example api/.env.example --sources .env,.env.local --envs development,staging",
        ],
        flags: &[
            flag("example", "PATH", "the example (default .env.example)"),
            flag("sources", "A,B,…", ".env files to take values from, the first that has one wins"),
            flag(
                "envs",
                "A,B,…",
                "environments to fill (default: the default one; all: every one)",
            ),
            flag("dry-run", "", "say what would be done, and do nothing"),
            UNSAFE_NAME,
            SERVICE,
        ],
        run: migrate::sync,
    },
    Command {
        name: "check",
        words: "[service] [env]",
        about: "check that every environment has the keys of .env.example",
        details: "TO BE WRITTEN",
        examples: &["kagi check", "kagi check api production --json"],
        flags: &[
            flag(
                "example",
                "PATH",
                "the example (default: .env.example of the service, or of the root)",
            ),
            JSON,
            STRICT,
            SERVICE,
            ENV,
        ],
        run: check::check,
    },
    Command {
        name: "scan",
        words: "[PATH…]",
        about: "find values of the project in plain files",
        details: "TO BE WRITTEN",
        examples: &["kagi scan", "kagi scan --staged"],
        flags: &[flag("staged", "", "what Git would commit now"), JSON],
        run: scan::scan,
    },
    Command {
        name: "hook install",
        words: "",
        about: "let Git run kagi scan --staged before each commit in this clone",
        details: "TO BE WRITTEN",
        examples: &["kagi hook install"],
        flags: &[flag("force", "", "replace another pre-commit hook, keeping it")],
        run: hook::install,
    },
    Command {
        name: "hook remove",
        words: "",
        about: "take that away again",
        details: "TO BE WRITTEN",
        examples: &["kagi hook remove"],
        flags: &[],
        run: hook::remove,
    },
];
