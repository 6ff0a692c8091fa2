//! The commands that are stopped, the states that they start from, and what their state is.
//!
//! Not here: commands that write to standard output alone and ask on a terminal first (`key export`,
//! `identity export`, `get --show`), and those that talk to a server (`tests/sync_crash.rs`).

use super::common::is_full_scale;

/// One command, what makes the state that it starts from, and what its state is.
pub struct Case {
    /// Words of kagi. In every line here these stand for what differs from run to run: `CANARY` for what
    /// nobody may find in a file, `ADA`, `BOB` and `CID` for ids of members, `PROJECT` for the
    /// project's, `STORE` for a directory to sync with.
    pub words: &'static str,
    /// Words of kagi, or `git …`, or `sh …`, where `$K` is kagi.
    pub before: &'static [&'static str],
    pub team: Team,
    /// What is compared besides what every member reads: words of kagi, or `cat PATH`.
    pub reads: &'static [&'static str],
    pub kind: Kind,
    /// A file that is its standard input.
    pub input: &'static str,
    /// Files that it writes in plain text on purpose, for their owner alone.
    pub outputs: &'static [&'static str],
    /// True if what it leaves outside of `.kagi` goes when the same is done again, and not before.
    pub is_redone: bool,
}

/// Who is there besides Ada.
#[derive(Clone, Copy, PartialEq)]
pub enum Team {
    Nobody,
    /// Bob is no member, and it is he who runs the command.
    Newcomer,
    /// Bob is a member, and Cid has asked to be one.
    Asked,
    /// Bob and Cid are members.
    Three,
}

/// Which states may be found of a command that was stopped.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// The old one or the new one.
    Whole,
    /// The same, or the keys of a move are in both scopes.
    Moved,
    /// Each of what is read is the old or the new: several files change, one after the other.
    Each,
    /// What is being made is there in part, and the same again makes all of it.
    Made,
}

const INIT: &str = "init --name Ada --envs=development,production --yes";

const fn alone(words: &'static str, before: &'static [&'static str]) -> Case {
    Case {
        words,
        before,
        team: Team::Nobody,
        reads: &[],
        kind: Kind::Whole,
        input: "",
        outputs: &[],
        is_redone: false,
    }
}

const fn among(team: Team, words: &'static str, before: &'static [&'static str]) -> Case {
    Case {
        team,
        ..alone(words, before)
    }
}

/// Two branches that gave different values to one key.
const IN_CONFLICT: &[&str] = &[
    "git init -q --template=",
    INIT,
    "git add .kagi",
    "git commit -q -m Base",
    "git checkout -q -b theirs",
    "set A CANARY4",
    "git commit -q -a -m Theirs",
    "git checkout -q main",
    // Two values of one second are told apart by chance.
    "sh sleep 1",
    "set A CANARY5",
    "git commit -q -a -m Ours",
    "git merge -q theirs -m Merged",
];

pub const CASES: &[Case] = &[
    alone(INIT, &[]),
    alone("set A CANARY3", &[INIT]),
    alone("set web X CANARY3", &[INIT]),
    alone("unset A --yes", &[INIT]),
    alone("import --file more.env --force", &[INIT]),
    alone("copy A B --to production", &[INIT]),
    alone("move A --as C", &[INIT]),
    Case {
        kind: Kind::Moved,
        ..alone("move A B --to web/development", &[INIT, "set C CANARY4"])
    },
    alone("env add staging", &[INIT]),
    alone("env rename production live", WITH_VALUES),
    alone("env rename development local", &[INIT, "set web B CANARY4"]),
    alone("env del production --yes", WITH_VALUES),
    alone("init --force --name Ada --yes", &[INIT, "set A CANARY3"]),
    alone("uninit --yes", &[INIT]),
    alone(
        "restore -f ../home-Ada/kept --yes",
        &[INIT, "backup -o ../home-Ada/kept", "set A CANARY3"],
    ),
    among(Team::Newcomer, "member join --name Bob", &[INIT]),
    among(Team::Asked, "member approve CID", &[INIT]),
    among(Team::Three, "member del CID --yes", WITH_VALUES),
    among(
        Team::Three,
        "member grant CID app/production --only --yes",
        WITH_VALUES,
    ),
    among(Team::Three, "key rotate --yes", WITH_VALUES),
    among(Team::Asked, "env rename production live", WITH_VALUES),
    // The cases from here on write what those before write, in other places.
    alone("file add cert.pem", &[INIT]),
    alone("file remove cert.pem --yes", &[INIT, "file add cert.pem"]),
    Case {
        reads: &["cat restored.pem"],
        outputs: &["restored.pem"],
        is_redone: true,
        ..alone(
            "file restore cert.pem --out restored.pem",
            &[INIT, "file add cert.pem"],
        )
    },
    Case {
        reads: &["cat rendered"],
        outputs: &["rendered"],
        is_redone: true,
        ..alone("render template -o rendered", &[INIT])
    },
    alone("sync --example example.env", &[INIT]),
    among(Team::Three, "member rename CID Carl", &[INIT]),
    alone("set A --file cert.pem --desc words", &[INIT]),
    Case {
        input: "more.env",
        ..alone("set --stdin --dotenv", &[INIT])
    },
    alone("member add --name ci --only app/development", &[INIT]),
    among(Team::Three, "member add --name paper --offline", &[INIT]),
    Case {
        is_redone: true,
        ..alone("edit", &[INIT])
    },
    Case {
        is_redone: true,
        ..alone("resolve development A --take 1", IN_CONFLICT)
    },
    alone(
        "restore --from HEAD A",
        &[
            "git init -q --template=",
            INIT,
            "git add .kagi",
            "git commit -q -m Base",
            "set A CANARY3",
        ],
    ),
    Case {
        reads: &[
            "cat .kagi/.gitattributes",
            "cat .kagi/secrets/app/staging.enc",
        ],
        kind: Kind::Each,
        is_redone: true,
        ..alone(
            "doctor --fix --yes",
            &[
                INIT,
                "env add staging",
                "set staging S CANARY3",
                "sh cp .kagi/secrets/app/staging.enc ../home-Ada",
                "env del staging --yes",
                "sh mv ../home-Ada/staging.enc .kagi/secrets/app",
                "sh echo '# edited' >>.kagi/.gitattributes",
            ],
        )
    },
    Case {
        reads: &["cat ../home-Bob/kagi/projects/PROJECT/pin.json"],
        is_redone: true,
        ..among(Team::Newcomer, "trust ADA", &[INIT])
    },
    Case {
        reads: &["cat .git/hooks/pre-commit"],
        is_redone: true,
        ..alone("hook install", &["git init -q --template=", INIT])
    },
    Case {
        reads: &["cat .git/hooks/pre-commit"],
        ..alone(
            "hook remove",
            &["git init -q --template=", INIT, "hook install"],
        )
    },
    Case {
        reads: &["identity show", "identity store"],
        kind: Kind::Each,
        is_redone: true,
        ..alone("identity store keychain", &[INIT])
    },
    Case {
        reads: &["identity show", "identity store"],
        kind: Kind::Each,
        is_redone: true,
        ..alone("identity store file", &[INIT, "identity store keychain"])
    },
    Case {
        reads: &["identity show"],
        is_redone: true,
        ..alone(
            "identity import --file ../home-Ada/spare --force --yes",
            &[
                INIT,
                "sh \"$K\" member add --name spare --only '*' >../home-Ada/spare",
            ],
        )
    },
    Case {
        reads: &["remote status", "project list --remote STORE"],
        kind: Kind::Made,
        is_redone: true,
        ..alone("project join --remote STORE", &[INIT])
    },
    Case {
        reads: &["project list --remote STORE"],
        ..alone(
            "project del PROJECT --remote STORE --yes",
            &[INIT, "project join --remote STORE", "push"],
        )
    },
    Case {
        reads: &["project list --remote STORE"],
        ..alone(
            "remote rollback PROJECT 1 --remote STORE --yes",
            &[
                INIT,
                "project join --remote STORE",
                "push",
                "set A CANARY3",
                "push",
            ],
        )
    },
    Case {
        reads: &["serve --check --store STORE"],
        kind: Kind::Made,
        is_redone: true,
        ..alone("serve --init --store STORE", &[INIT])
    },
];

const WITH_VALUES: &[&str] = &[
    INIT,
    "set production A CANARY4",
    "set web X CANARY5",
    "set web production B CANARY6",
];

/// So many of them are tried always, the others with `KAGI_TEST_SCALE=full` alone.
const CASES_ALWAYS: usize = 21;

/// The cases that are tried.
pub fn cases() -> Vec<&'static Case> {
    let count = if is_full_scale() {
        CASES.len()
    } else {
        CASES_ALWAYS
    };
    let is_there = |case: &&Case| cfg!(feature = "server") || !case.is_synced();
    CASES[..count].iter().filter(is_there).collect()
}

impl Case {
    fn is_synced(&self) -> bool {
        [&[self.words], self.before, self.reads]
            .concat()
            .iter()
            .any(|line| line.contains("STORE"))
    }
}
