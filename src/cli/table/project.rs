//! The commands for a project as a whole.

use crate::cli::command::{Command, JSON, NO_GIT, STRICT, YES, flag, short};
use crate::cli::{backup, health, identity, init, status};

/// In the order of the overview.
pub static PROJECT: &[Command] = &[
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
];
