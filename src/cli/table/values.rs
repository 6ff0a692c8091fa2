//! The commands for values.

use crate::cli::command::{
    Command, ENV, Flag, JSON, SERVICE, STRICT, UNSAFE_NAME, YES, flag, short,
};
use crate::cli::{diff, edit, get, log, resolve, restore, transfer, values};

/// The flags of `copy` and of `move`.
const TRANSFER: &[Flag] = &[
    flag("to", "PLACE", "SERVICE/ENV, or an environment, or a service"),
    flag("as", "NAME", "the name there, for one key"),
    flag("all", "", "all keys of the scope"),
    flag("force", "", "overwrite keys that have another value"),
    UNSAFE_NAME,
    SERVICE,
    ENV,
];

/// In the order of the overview.
pub static VALUES: &[Command] = &[
    Command {
        name: "set",
        words: "[service] [env] KEY [VALUE]",
        about: "set a key",
        details: "The value is the last word, or comes from one of the flags, which keep it out of the shell's history.\n\
                  --stdin drops one newline at the end; --file takes the file as it is. --stdin --dotenv takes the\n\
                  lines of a .env file, in one write: all keys or none. Keys that are there are overwritten.",
        examples: &[
            "kagi set api DATABASE_URL postgres://localhost/api",
            "printf %s \"$TOKEN\" | kagi set api production TOKEN --stdin",
            "kagi set SESSION_KEY --generate=48",
            "grep ^STRIPE_ old.env | kagi set api --stdin --dotenv",
        ],
        flags: &[
            flag("stdin", "", "read the value from standard input"),
            flag("dotenv", "", "with --stdin: several KEY=VALUE lines, and no KEY"),
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
        name: "copy",
        words: "[service] [env] KEY…",
        about: "copy keys to another scope, or under another name",
        details: "PLACE is SERVICE/ENV, or an environment of the same service, or a service of the same environment. Only\n\
                  SERVICE/ENV makes a service that is not there yet. The description goes along. All keys are\n\
                  copied or none: a key that has another value there stops it, unless --force overwrites it.",
        examples: &[
            "kagi copy api development DATABASE_URL --to api/staging",
            "kagi copy api OLD_NAME --as NEW_NAME",
        ],
        flags: TRANSFER,
        run: transfer::transfer,
    },
    Command {
        name: "move",
        words: "[service] [env] KEY…",
        about: "move keys to another scope, or rename one",
        details: "PLACE is SERVICE/ENV, or an environment of the same service, or a service of the same environment. Only\n\
                  SERVICE/ENV makes a service that is not there yet. The description goes along; a key\n\
                  that has another value there stops it, unless --force overwrites it. Between two scopes, the keys\n\
                  are written there before they are deleted here: if that is stopped between, the same command\n\
                  finishes it.",
        examples: &[
            "kagi move api OLD_NAME --as NEW_NAME",
            "kagi move api production TOKEN --to web/production",
        ],
        flags: TRANSFER,
        run: transfer::transfer,
    },
    Command {
        name: "edit",
        words: "[service] [env]",
        about: "edit the values of a scope in your editor, as a .env file",
        details: "The editor is $VISUAL, else $EDITOR, else vi; one that comes back at once needs its flag: code --wait.\n\
                  The text lies in a private directory in memory ($XDG_RUNTIME_DIR, else /dev/shm) and is wiped\n\
                  afterwards; what an editor keeps elsewhere (vim's viminfo and undo files, say) is not. A changed text\n\
                  that cannot be taken over, or whose editor dies, is kept there: the next edit goes on with it. Only\n\
                  keys that you change are written. One that somebody else has changed meanwhile is named, and then\n\
                  nothing is written. A comment of plain words right above a key is its description; others are dropped.",
        examples: &["kagi edit api production", "EDITOR='code --wait' kagi edit"],
        flags: &[
            flag("on-disk", "", "where no memory-backed directory is found"),
            UNSAFE_NAME,
            SERVICE,
            ENV,
        ],
        run: edit::edit,
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
];
