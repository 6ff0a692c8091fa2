//! The commands that hand values to programs and plain files, and look for them there.

use crate::cli::command::{Command, ENV, Flag, JSON, SERVICE, STRICT, UNSAFE_NAME, flag, short};
use crate::cli::{check, dotenv, hook, migrate, render, run, scan};

const EXAMPLE: Flag =
    flag("example", "PATH", "the example (default: .env.example of the service, or of the root)");

/// In the order of the overview.
pub static RUNNING: &[Command] = &[
    Command {
        name: "run",
        words: "[service] [env] [--] COMMAND [ARGUMENT…]",
        about: "run a command with the values in its environment",
        details: "kagi becomes the command: exit code and signals are its own. Values win over inherited variables;\n\
                  kagi's own secret variables are removed. Nothing is asked and nothing is written. What follows -- is\n\
                  the command, even if it is named like a service or an environment.\n\
                  --only looks at no other key of the scope. --require counts what is injected, so --only must name\n\
                  those keys too. --clean takes away every variable of the caller's but four: no USER, SHELL, TMPDIR,\n\
                  LC_*, proxy or SSH agent reaches the command, and no token of another tool.\n\
                  With --mask kagi stays and replaces every value of at least 6 bytes in what the command prints, also\n\
                  in base64, hex, URL or JSON form. It cannot catch a value that is shorter, cut in two by other text or\n\
                  line breaks, compressed or encrypted, or written to a file, a socket or /dev/tty. The command prints\n\
                  to pipes then, not to a terminal. kagi ends when they are closed, with the command's exit code, or 128\n\
                  and the signal. Ctrl-C ends both, and what the command prints after that is lost; a signal to kagi\n\
                  alone does not reach the command.",
        examples: &[
            "kagi run api bun dev",
            "kagi run api production -- ./migrate",
            "kagi run --require .env.example --clean api production ./server",
            "kagi run --only DATABASE_URL,REDIS_URL api -- ./worker",
            "kagi run -s api -- env",
            "kagi run --mask api -- ./deploy.sh",
        ],
        flags: &[
            flag(
                "mask",
                "",
                "replace values in what the command prints; see above for what that cannot catch",
            ),
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
            EXAMPLE,
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
        details: "The keys of the example must be there and not empty, and a key that one environment of a service has,\n\
                  all must have. Without words all services are checked. The example is that of the service's\n\
                  directory (nested, or mapped in kagi.json), else that of the root. What this member may not open\n\
                  is named and left out. Exit code 1 if anything was found.",
        examples: &["kagi check", "kagi check api production --json"],
        flags: &[EXAMPLE, JSON, STRICT, SERVICE, ENV],
        run: check::check,
    },
    Command {
        name: "scan",
        words: "[PATH…]",
        about: "find values of the project in plain files",
        details: "Looks at what Git has or would add, in all of the work tree; elsewhere, and for a PATH, at every file\n\
                  below but .git and .kagi; links that are not named are not followed. Prints file, line and key,\n\
                  never a value, and exits 1 if there is one, or a plain .env file that Git has or would add.\n\
                  Looked for are the values and stored files of all scopes that this device may open, also in base64,\n\
                  hex, URL and JSON form; of a long one the first 1024 bytes. Left out are values of less than 8 bytes,\n\
                  those of less than 12 that are all small letters, all capitals or all digits, and what .env.example\n\
                  says of the same key.",
        examples: &["kagi scan", "kagi scan --staged", "kagi scan dist --json"],
        flags: &[flag("staged", "", "what Git would commit now, as it is staged"), JSON],
        run: scan::scan,
    },
    Command {
        name: "hook install",
        words: "",
        about: "let Git run kagi scan --staged before each commit in this clone",
        details: "Writes the pre-commit hook of this clone, which is not committed. It runs the kagi that wrote it, else\n\
                  the one on PATH; if there is none, or the project does not open, nothing is committed. git commit\n\
                  --no-verify goes past it. Another hook is left alone, and so are hooks that all clones share.",
        examples: &["kagi hook install"],
        flags: &[flag("force", "", "replace another pre-commit hook, and keep a copy of it")],
        run: hook::install,
    },
    Command {
        name: "hook remove",
        words: "",
        about: "take that away again",
        details: "Removes the hook if it is what kagi wrote; a copy that --force kept is not put back.",
        examples: &["kagi hook remove"],
        flags: &[],
        run: hook::remove,
    },
];
