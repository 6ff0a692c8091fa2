//! Every command: names, flags, help. This table drives parsing and help, so that what is
//! written here is what the program takes.

use crate::cli::command::{
    ACCEPT_OLDER, Command, ENV, JSON, NO_GIT, SERVICE, STRICT, UNSAFE_NAME, YES, flag, short,
};
use crate::cli::sync_table::SYNC_COMMANDS;
use crate::cli::{
    backup, diff, dotenv, driver, envs, get, health, help, identity, init, keytext, log, member,
    migrate, resolve, restore, run, status, values,
};

/// Every command, in the order of the overview.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().chain(SYNC_COMMANDS).chain(LAST_COMMANDS)
}

/// The commands that need no server.
static COMMANDS: &[Command] = &[
    Command {
        name: "init",
        words: "",
        about: "make a project here, and offer to import the .env files that are found",
        details: "Without --envs there is one environment, development. Without --nested there is one service, app,\n\
                  which no command has to name. An existing project is refused; --force asks, and keeps it as a backup.",
        examples: &[
            "kagi init",
            "kagi init --nested --envs",
            "kagi init --envs=development,staging,production",
        ],
        flags: &[
            flag("nested", "", "the directories below are services: in ./api, api is meant"),
            flag("envs", "[=A,B,…]", "development, staging, production; or those that are named"),
            flag("name", "NAME", "this device's name in the project (default: user@host)"),
            flag("force", "", "replace an existing project, keeping it as .kagi.backup-N"),
            flag("no-migrate", "", "do not look for .env files"),
            NO_GIT,
            YES,
        ],
        run: init::init,
    },
    Command {
        name: "uninit",
        words: "",
        about: "remove .kagi from this project, after a y",
        details: "What Git has of it stays in its history. The identity of this device stays.",
        examples: &["kagi uninit"],
        flags: &[YES],
        run: init::uninit,
    },
    Command {
        name: "status",
        words: "",
        about: "what is here: members, environments, scopes, and what needs attention",
        details: "Exits 1 if a scope is damaged or in conflict.",
        examples: &["kagi status", "kagi status --json"],
        flags: &[JSON, STRICT],
        run: status::status,
    },
    Command {
        name: "doctor",
        words: "",
        about: "check everything, and mend what can be mended without a decision",
        details: "Checks the identity, the roster, every scope, its index, .gitattributes, leftovers of stopped\n\
                  commands, and .env files that Git tracks. Exits 1 if something is left to do. --fix also sets up\n\
                  Git's merge driver in this clone.",
        examples: &["kagi doctor", "kagi doctor --fix"],
        flags: &[flag("fix", "", "mend it; asks before anything is deleted"), YES],
        run: health::doctor,
    },
    Command {
        name: "backup",
        words: "",
        about: "copy the project into a new directory, with a checksum for every file",
        details: "The copy is as encrypted as .kagi is. --with-identity asks on a terminal: whoever has that directory\n\
                  then opens what this device opens.",
        examples: &["kagi backup -o ../backup", "kagi backup -o /media/usb/kagi --with-identity"],
        flags: &[
            short('o', "out", "DIR", "the new directory, for its owner alone"),
            flag("with-identity", "", "this device's identity too, after a y"),
        ],
        run: backup::backup,
    },
    Command {
        name: "trust",
        words: "[MEMBER_ID]",
        about: "accept the project of this checkout, or name a member who may introduce it",
        details: "Without an id it shows who wrote the roster and asks. With one, the roster is believed if\n\
                  that member wrote it: take the id from the member itself, not from the repository.",
        examples: &["kagi trust", "kagi trust kgm_q3f7xw2mcn5t4a6bz3do"],
        flags: &[NO_GIT],
        run: identity::trust,
    },
    Command {
        name: "set",
        words: "[service] [env] KEY [VALUE]",
        about: "set a key",
        details: "The value is the last word, or comes from one of the flags, which keep it out of the shell's history.\n\
                  --stdin drops one newline at the end; --file takes the file as it is.",
        examples: &[
            "kagi set api DATABASE_URL postgres://localhost/api",
            "printf %s \"$TOKEN\" | kagi set api production TOKEN --stdin",
            "kagi set SESSION_KEY --generate=48",
        ],
        flags: &[
            flag("stdin", "", "read the value from standard input"),
            flag("prompt", "", "ask for the value without showing it"),
            flag("generate", "[=N]", "N random letters and digits (default 32)"),
            flag("file", "PATH", "the content of a file"),
            flag("desc", "TEXT", "a description, shown by get"),
            UNSAFE_NAME,
            SERVICE,
            ENV,
        ],
        run: values::set,
    },
    Command {
        name: "get",
        words: "[service] [env] [KEY]",
        about: "list keys with masked values; show one after a y",
        details: "With KEY, or with --show, values are shown: on a terminal only, and after a y. Into a pipe a value is\n\
                  written as it is, without a newline.",
        examples: &["kagi get", "kagi get api production", "kagi get api DATABASE_URL"],
        flags: &[flag("show", "", "show the values, after a y"), JSON, STRICT, SERVICE, ENV],
        run: get::get,
    },
    Command {
        name: "unset",
        words: "[service] [env] KEY…",
        about: "delete keys, after a y",
        details: "Either all keys that are named are deleted, or none.",
        examples: &["kagi unset api OLD_KEY", "kagi unset --yes api production OLD_KEY OLDER_KEY"],
        flags: &[YES, SERVICE, ENV],
        run: values::unset,
    },
    Command {
        name: "search",
        words: "TEXT",
        about: "find keys by a part of their name or description",
        details: "Upper and lower case are the same. With --values, after a y, values are searched too;\n\
                  they are never printed.",
        examples: &["kagi search database", "kagi search --values localhost"],
        flags: &[flag("values", "", "search the values too, after a y"), JSON],
        run: get::search,
    },
    Command {
        name: "resolve",
        words: "[service] [env] [KEY]",
        about: "choose between values that two branches gave to one key",
        details: "Without --take it lists what is in conflict, and asks on a terminal. All keys of a scope are resolved\n\
                  at once. Where only one is in conflict, a set of it resolves it as well. --from is for a scope that\n\
                  was written in parallel to a rotation: it names a commit from before that.",
        examples: &[
            "kagi resolve",
            "kagi resolve api production --take 2",
            "kagi resolve api --take PORT=1 --take TOKEN=2",
            "kagi resolve --from HEAD~3",
        ],
        flags: &[
            flag(
                "take",
                "N|KEY=N",
                "take the Nth of the values that are listed, for all or for one",
            ),
            flag(
                "from",
                "REV",
                "take over what was written under the old key, with the keys of that commit",
            ),
            flag("show", "", "show the values, after a y"),
            SERVICE,
            ENV,
        ],
        run: resolve::resolve,
    },
    Command {
        name: "diff",
        words: "[REV [REV]] | [ENV ENV]",
        about: "show which keys differ: from a commit, between two, or between environments",
        details: "Without words: the working tree against HEAD. With one: against that commit. + is new, - is gone,\n\
                  ~ has another value or description. Two words that are environments mean these.",
        examples: &["kagi diff", "kagi diff v1.2 main", "kagi diff staging production -s api"],
        flags: &[flag("show", "", "show the values that differ, after a y"), JSON, SERVICE],
        run: diff::diff,
    },
    Command {
        name: "log",
        words: "[service] [env] [KEY]",
        about: "show who set, changed or deleted which key, and when, from the commits",
        details: "Author and time are what the writer of a value claims; of a deletion, what its commit says.",
        examples: &["kagi log", "kagi log api production DATABASE_URL", "kagi log -n 5 --json"],
        flags: &[short('n', "count", "N", "lines to show (default 50)"), JSON, SERVICE, ENV],
        run: log::log,
    },
    Command {
        name: "restore",
        words: "[service] [env] [KEY]",
        about: "set a key to the value that it had in a commit, or put a backup into place",
        details: "With --from, value and description are set anew, as set would do it. With --file, every file of the\n\
                  backup is checked first; a project that is here is kept as .kagi.backup-N, and another identity\n\
                  is not replaced.",
        examples: &[
            "kagi restore --from HEAD~3 api production DATABASE_URL",
            "kagi restore -f /media/usb/kagi --with-identity",
        ],
        flags: &[
            flag("from", "REV", "the commit"),
            short('f', "file", "DIR", "the backup"),
            flag("with-identity", "", "the identity in it too, if this device has none"),
            YES,
            SERVICE,
            ENV,
        ],
        run: restore::restore,
    },
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
        flags: &[STRICT, UNSAFE_NAME, SERVICE, ENV],
        run: run::run,
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
                  format cannot hold stops the export, naming the key.",
        examples: &[
            "kagi export api production",
            "kagi export api --out . --force",
            "kagi export api --format json",
        ],
        flags: &[
            short(
                'o',
                "out",
                "DIR",
                "write .env.<env> files here, for the env named or all of them",
            ),
            flag("format", "NAME", "dotenv (default), shell, json, docker"),
            flag("force", "", "overwrite files that are there"),
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
        name: "env list",
        words: "",
        about: "list the environments",
        details: "The default one is marked.",
        examples: &["kagi env list"],
        flags: &[JSON],
        run: envs::list,
    },
    Command {
        name: "env add",
        words: "NAME",
        about: "add an environment",
        details: "Only a full member can: the members' keys are wrapped anew.",
        examples: &["kagi env add staging"],
        flags: &[],
        run: envs::add,
    },
    Command {
        name: "env rename",
        words: "OLD NEW",
        about: "rename an environment, with all its scopes",
        details: "Every scope is encrypted anew under its new name.",
        examples: &["kagi env rename staging preview"],
        flags: &[],
        run: envs::rename,
    },
    Command {
        name: "env del",
        words: "NAME",
        about: "delete an environment and all its scopes, after a y",
        details: "The default environment cannot be deleted.",
        examples: &["kagi env del preview"],
        flags: &[YES],
        run: envs::del,
    },
    Command {
        name: "member join",
        words: "",
        about: "ask to become a member, from a new device",
        details: "Writes a request below .kagi/requests, and prints what to send to a member. The id in it is the\n\
                  fingerprint of this device's key. After the approval the first opening asks for the id of who approved,\n\
                  unless --trust has named it. Where the project is on a server, the request goes\n\
                  there as well.",
        examples: &[
            "kagi member join --name laptop",
            "kagi member join --trust kgm_q3f7xw2mcn5t4a6bz3do",
        ],
        flags: &[
            flag("name", "NAME", "this device's name in the project (default: user@host)"),
            flag("trust", "ID", "the member who will approve"),
            NO_GIT,
        ],
        run: member::join,
    },
    Command {
        name: "member list",
        words: "",
        about: "list members with what they may open, requests, and removed ids",
        details: "* is everything; only such a member changes members, environments and keys.",
        examples: &["kagi member list", "kagi member list --json"],
        flags: &[JSON],
        run: member::list,
    },
    Command {
        name: "member approve",
        words: "[ID]",
        about: "let a device in that has asked",
        details: "Compare the id with what the other device shows: it is the fingerprint of the key. Without a terminal\n\
                  the full id is the whole confirmation.",
        examples: &[
            "kagi member approve kgm_q3f7xw2mcn5t4a6bz3do",
            "kagi member approve kgm_q3f7xw2mcn5t4a6bz3do --only api/development,*/staging",
        ],
        flags: &[
            flag("only", "GRANT,…", "SERVICE/ENV, SERVICE/*, */ENV; without it everything"),
            flag("name", "NAME", "another name than the one asked for"),
        ],
        run: member::approve,
    },
    Command {
        name: "member add",
        words: "",
        about: "make a member for CI, or one to keep on paper, and show its identity once",
        details: "The identity goes to KAGI_IDENTITY, or with --offline on paper; kagi keeps no copy. It survives rotations\n\
                  and changes of members.",
        examples: &[
            "kagi member add --name ci --only api/production",
            "kagi member add --name paper --offline",
        ],
        flags: &[
            flag("name", "NAME", "its name in the project"),
            flag("only", "GRANT,…", "SERVICE/ENV, SERVICE/*, */ENV; * is everything"),
            flag(
                "offline",
                "",
                "in groups, to write down; opens everything, unless --only says less",
            ),
        ],
        run: member::add,
    },
    Command {
        name: "member grant",
        words: "MEMBER GRANT,…",
        about: "give a member more; or with --only just these grants",
        details: "A member is named by its id, or by a name that no other has. A reduction asks, and encrypts everything\n\
                  under a new key.",
        examples: &[
            "kagi member grant ci web/production",
            "kagi member grant ci api/production --only",
        ],
        flags: &[flag("only", "", "take away everything else"), ACCEPT_OLDER, YES],
        run: member::grant,
    },
    Command {
        name: "member rename",
        words: "MEMBER NAME",
        about: "give a member another name",
        details: "The name is for people; the id stays.",
        examples: &["kagi member rename kgm_q3f7xw2mcn5t4a6bz3do laptop"],
        flags: &[],
        run: member::rename,
    },
    Command {
        name: "member del",
        words: "MEMBER",
        about: "remove a member, and encrypt everything under a new key, after a y",
        details: "What the member could read stays known to it: the keys are listed, here and in status, until each\n\
                  has a new value. A removed id never comes back. Its tokens on a server end with the next\n\
                  kagi push; those of nobody's (kagi token list) do not.",
        examples: &["kagi member del kgm_q3f7xw2mcn5t4a6bz3do"],
        flags: &[ACCEPT_OLDER, YES],
        run: member::del,
    },
    Command {
        name: "key rotate",
        words: "",
        about: "encrypt everything under a new key, without removing anybody, after a y",
        details: "Identities go on working; a key in KAGI_PROJECT_KEY does not.",
        examples: &["kagi key rotate"],
        flags: &[ACCEPT_OLDER, YES],
        run: member::rotate_key,
    },
    Command {
        name: "identity show",
        words: "",
        about: "show this device's member id and public key",
        details: "The id is the fingerprint of the key: whoever approves you compares nothing else.",
        examples: &["kagi identity show"],
        flags: &[JSON],
        run: identity::show,
    },
    Command {
        name: "identity export",
        words: "",
        about: "show this device's identity as text, after a y",
        details: "To be kept on paper, or brought to a new device. Whoever has it opens what this device opens.",
        examples: &["kagi identity export --groups", "kagi identity export > /media/usb/identity"],
        flags: &[flag("groups", "", "in groups of four, to be written down")],
        run: keytext::export_identity,
    },
    Command {
        name: "identity import",
        words: "",
        about: "make an identity this device's own",
        details: "From a file, from standard input, or typed without being shown; in groups or not, in either case.\n\
                  Another identity that is here is replaced only with --force, and kept as identity.json.backup-N.",
        examples: &["kagi identity import", "kagi identity import --file /media/usb/identity"],
        flags: &[
            flag("file", "PATH", "the file (- for standard input)"),
            flag("force", "", "replace another identity, after a y"),
            YES,
        ],
        run: keytext::import_identity,
    },
    Command {
        name: "key export",
        words: "[service [env]]",
        about: "show a key for KAGI_PROJECT_KEY, after a y",
        details: "Without words the key of the whole project; with them the key of one scope, which opens nothing else\n\
                  and cannot change who is a member. It fits until the next rotation.",
        examples: &["kagi key export api production", "kagi key export > /run/secrets/kagi"],
        flags: &[SERVICE, ENV],
        run: keytext::export_key,
    },
];

/// What stands last: what Git calls, and kagi itself.
static LAST_COMMANDS: &[Command] = &[
    Command {
        name: "merge-driver",
        words: "BASE OURS THEIRS PATH",
        about: "merge a scope's file key by key; Git calls it",
        details: "init, member join, trust and doctor --fix set it up in the local clone.\n\
                  Exits 1 for a conflict, and 3 where it cannot merge.",
        examples: &["git config merge.kagi.driver"],
        flags: &[],
        run: driver::merge_driver,
    },
    Command {
        name: "textconv",
        words: "FILE",
        about: "show the keys of a scope's file, without values; Git calls it",
        details: "init, member join, trust and doctor --fix set it up in the local clone, for git diff.\n\
                  A file that does not open is shown as it is.",
        examples: &["git diff .kagi"],
        flags: &[],
        run: driver::textconv,
    },
    Command {
        name: "help",
        words: "[COMMAND]",
        about: "show all commands, or one",
        details: "The same as --help behind the command.",
        examples: &["kagi help run"],
        flags: &[],
        run: help::help,
    },
    Command {
        name: "version",
        words: "",
        about: "show the version",
        details: "The same as kagi --version.",
        examples: &["kagi --version"],
        flags: &[],
        run: help::version,
    },
];

/// Headings of the overview, each with the command that it stands before.
pub static HEADINGS: [(&str, &str); 8] = [
    ("project", "init"),
    ("values", "set"),
    ("running", "run"),
    ("dotenv", "import"),
    ("environments", "env list"),
    ("team", "member join"),
    ("server", "serve"),
    ("kagi", "help"),
];

/// Commands for Git, not for people.
pub static FOR_GIT: [&str; 2] = ["merge-driver", "textconv"];

/// Other names: alias, command.
pub static ALIASES: [(&str, &str); 11] = [
    ("env remove", "env del"),
    ("member remove", "member del"),
    ("member request", "member join"),
    ("remote register", "project join"),
    ("remote projects", "project list"),
    ("remote approve", "project approve"),
    ("remote remove", "project del"),
    ("remote tokens", "token list"),
    ("remote revoke-token", "token revoke"),
    ("remote push", "push"),
    ("remote pull", "pull"),
];
