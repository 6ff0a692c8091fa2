//! The commands that sync without Git: names, flags, help. They are in the table of a kagi that was
//! built without the feature `server` as well, so that it can say what it lacks.

use crate::cli::command::{Command, Flag, JSON, STRICT, YES, flag};

#[cfg(feature = "server")]
macro_rules! does {
    ($group:ident, $command:ident) => {
        crate::cli::$group::$command
    };
}
#[cfg(not(feature = "server"))]
macro_rules! does {
    ($group:ident, $command:ident) => {
        crate::cli::absent::absent
    };
}

const REMOTE: Flag =
    flag("remote", "URL", "the server; not needed where this device knows just one");
const INSECURE: Flag = flag(
    "allow-insecure-http",
    "",
    "plain http:// to other machines (also KAGI_ALLOW_INSECURE_HTTP=1)",
);
const OF_PROJECT: Flag = flag("project", "ID", "the project, by the administrator of its server");

/// The commands, in the order of the overview.
pub static SYNC: &[Command] = &[
    Command {
        name: "serve",
        words: "",
        about: "be a server that other devices push to and pull from, and that can open nothing",
        details: "The first start makes the store and its key file, and shows an administrator's token: keep it, it is\n\
                  not shown again. Other machines reach it through a proxy that speaks TLS, or through ssh.\n\
                  The key file is not in the store: a copy of the store alone lets nobody in.",
        examples: &[
            "kagi serve --store /var/lib/kagi/store",
            "kagi serve --init --store /srv/kagi",
            "kagi serve --store /data/store --bind 0.0.0.0:8787 --behind-proxy",
            "kagi serve --store /var/lib/kagi/store --check",
        ],
        flags: &[
            flag("store", "DIR", "where the server keeps everything"),
            flag("db", "DIR", "another name of --store"),
            flag("key-file", "FILE", "the server's keys (default: the store's path with .key)"),
            flag("bind", "ADDRESS", "where to listen (default: 127.0.0.1:8787; port 0: any)"),
            flag("max-body", "BYTES", "the largest request, 64K to 256M (default: 16M)"),
            flag(
                "behind-proxy",
                "",
                "a proxy with TLS stands in front, and says who requests are from",
            ),
            flag("allow-insecure-http", "", "be reached from other machines without TLS"),
            flag("init", "", "only make the store and the key file"),
            flag("stdio", "", "serve one client on standard input and output, as ssh calls it"),
            flag("check", "", "only verify the store; its server must not run"),
            flag(
                "health",
                "[=ADDRESS]",
                "only ask the server of --bind whether it is well: exit 0 or 1",
            ),
        ],
        run: does!(serve, serve),
    },
    Command {
        name: "remote login",
        words: "",
        about: "keep an administrator's token for a server on this device",
        details: "The token names the server's key: it is shown to no other server. With --token - it is read from\n\
                  standard input, or typed without being shown; in CI, KAGI_ADMIN_TOKEN(_FILE) needs no login.",
        examples: &[
            "kagi remote login --remote https://kagi.example.org --token -",
            "kagi remote login --remote http://127.0.0.1:8787 --token - < admin-token",
        ],
        flags: &[
            flag("remote", "URL", "the server: http://…, https://… or ssh://…"),
            flag(
                "token",
                "TOKEN",
                "the token that kagi serve showed at its first start; - reads it",
            ),
            INSECURE,
        ],
        run: does!(remote, login),
    },
    Command {
        name: "remote status",
        words: "",
        about: "ask the server where the project stands, and what this device's token allows",
        details: "One request; nothing is changed, here or there. kagi status asks nobody.",
        examples: &["kagi remote status", "kagi remote status --json"],
        flags: &[JSON, INSECURE],
        run: does!(remote, status),
    },
    Command {
        name: "remote audit",
        words: "",
        about: "show what was done on a server, and with which token (administrator)",
        details: "Every line carries a hash of the one before it: a line that was changed or taken out breaks the\n\
                  chain, which is checked here too. Whoever runs the server can still write a whole new log.",
        examples: &["kagi remote audit", "kagi remote audit --json"],
        flags: &[REMOTE, JSON, INSECURE],
        run: does!(remote, audit),
    },
    Command {
        name: "remote rollback",
        words: "PROJECT_ID REVISION",
        about: "take a project back to an older revision, after a y (administrator)",
        details: "The server keeps what it takes away for 30 days. A device that has seen a newer\n\
                  revision refuses the older one, until its pull is told --accept-older; with --ours as well it keeps, and\n\
                  pushes, what was taken away.",
        examples: &["kagi remote rollback kgp_q3f7xw2mcn5t4a6bz3do 41"],
        flags: &[REMOTE, INSECURE, YES],
        run: does!(remote, rollback),
    },
    Command {
        name: "project join",
        words: "",
        about: "ask a server to take this project in",
        details: "The server's administrator answers with kagi project approve, which gives a token for kagi pull. A server\n\
                  that this device does not know shows its fingerprint: compare it with what kagi serve showed; without a\n\
                  terminal, --fingerprint answers. A directory takes the project in at once; kagi push is next.",
        examples: &[
            "kagi project join --remote https://kagi.example.org",
            "kagi project join --remote /media/usb/kagi",
        ],
        flags: &[
            flag("remote", "URL", "the server, or a directory that others can write too"),
            flag("name", "NAME", "what the administrator sees (default: the directory's name)"),
            flag(
                "fingerprint",
                "ID",
                "the server's, kgs_ and 20 characters: nothing is asked then",
            ),
            INSECURE,
            YES,
        ],
        run: does!(hosted, join),
    },
    Command {
        name: "project list",
        words: "",
        about: "list the projects of a server, and those that ask to be taken in (administrator)",
        details: "Names are what the projects' members chose; a server knows no more of a project than its size.",
        examples: &["kagi project list", "kagi project list --remote /media/usb/kagi --json"],
        flags: &[REMOTE, JSON, INSECURE],
        run: does!(hosted, list),
    },
    Command {
        name: "project approve",
        words: "PROJECT_ID",
        about: "take a project in, and show its first token once (administrator)",
        details: "The token alone goes to standard output. It allows to pull, to push and to issue other tokens, but opens\n\
                  no secret.",
        examples: &[
            "kagi project approve kgp_q3f7xw2mcn5t4a6bz3do",
            "kagi project approve kgp_q3f7xw2mcn5t4a6bz3do > project-token",
        ],
        flags: &[REMOTE, INSECURE],
        run: does!(hosted, approve),
    },
    Command {
        name: "project del",
        words: "PROJECT_ID",
        about: "remove a project and its tokens from a server, after a y (administrator)",
        details: "What its members have on their devices stays. The server keeps what it had for 30 days.",
        examples: &["kagi project del kgp_q3f7xw2mcn5t4a6bz3do"],
        flags: &[REMOTE, INSECURE, YES],
        run: does!(hosted, del),
    },
    Command {
        name: "token issue",
        words: "",
        about: "make a token for CI or for a newcomer, and show it once",
        details: "The token alone goes to standard output. It opens no secret: for that its holder needs an identity, or\n\
                  asks to become a member. --join is for a newcomer: kagi pull, then kagi member join.",
        examples: &[
            "kagi token issue --join --name ben > ben-token",
            "kagi token issue --only pull --expires 30d --name ci",
        ],
        flags: &[
            flag("only", "RIGHT,…", "pull, push, rotate, join (default pull,push)"),
            flag(
                "join",
                "",
                "to pull, and to ask to become a member; for 7 days, unless --expires says else",
            ),
            flag("expires", "TIME", "30d, 12h, or never (the default)"),
            flag("name", "NAME", "what kagi token list shows"),
            OF_PROJECT,
            REMOTE,
            INSECURE,
        ],
        run: does!(token, issue),
    },
    Command {
        name: "token list",
        words: "",
        about: "list the tokens of the project: what they allow, whose they are, when they end",
        details: "A token itself is shown once, when it is made. A member's own token ends when the member is removed and\n\
                  that is pushed.",
        examples: &["kagi token list", "kagi token list --json"],
        flags: &[JSON, OF_PROJECT, REMOTE, INSECURE],
        run: does!(token, list),
    },
    Command {
        name: "token revoke",
        words: "TOKEN_ID",
        about: "end a token",
        details: "The id is what kagi token list shows. Who has pulled before keeps what was pulled: where that is a matter,\n\
                  kagi member del, or kagi key rotate, comes first. With the id of who asks to join, the request is taken out\n\
                  of the server's mailbox: whoever has a join token can fill that.",
        examples: &["kagi token revoke kgt_q3f7xw2mcn5t4a6bz3do"],
        flags: &[OF_PROJECT, REMOTE, INSECURE, YES],
        run: does!(token, revoke),
    },
    Command {
        name: "push",
        words: "",
        about: "bring what was changed here to the server",
        details: "Where the server has something newer, that is pulled and joined first. Tokens of members that were removed\n\
                  end with it. A scope whose file is gone here is deleted on the server after a y.",
        examples: &["kagi push"],
        flags: &[INSECURE, YES],
        run: does!(sync, push),
    },
    Command {
        name: "pull",
        words: "[TOKEN|-]",
        about: "fetch what is new on the server, and join it with what was changed here",
        details: "Nothing is lost: values are joined key by key, as Git would join two branches; kagi resolve chooses where\n\
                  both sides set one key. With a token, the project is made here if there is none, and the token is\n\
                  kept on this device. - reads it from standard input, or it is typed without being shown.\n\
                  In CI, KAGI_PROJECT_TOKEN(_FILE) is enough. Exits 1 if a key is in conflict.",
        examples: &[
            "kagi pull",
            "kagi pull - < project-token",
            "kagi pull --remote https://kagi.new.example.org",
            "kagi pull --remote /media/usb/kagi --project kgp_q3f7xw2mcn5t4a6bz3do",
        ],
        flags: &[
            flag(
                "ours",
                "",
                "keep kagi.json or access.json as it is here, where both sides changed it",
            ),
            flag("theirs", "", "take it as it is on the server"),
            flag(
                "accept-older",
                "",
                "take an older state than was seen here; with --ours, keep what is newer here",
            ),
            flag(
                "remote",
                "URL",
                "where the server is now, if it has moved; or a directory in place of one",
            ),
            flag("project", "ID", "the project, where the directory holds several"),
            STRICT,
            INSECURE,
            YES,
        ],
        run: does!(sync, pull),
    },
];
