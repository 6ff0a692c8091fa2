//! The commands for encrypted files.

use crate::cli::command::{Command, ENV, JSON, SERVICE, STRICT, YES, flag, short};
use crate::cli::file;

/// In the order of the overview.
pub static FILES: &[Command] = &[
    Command {
        name: "file add",
        words: "[service] [env] PATH",
        about: "encrypt a file into the project",
        details: "TO BE WRITTEN",
        examples: &["kagi file add api production certs/tls.pem"],
        flags: &[
            flag("name", "NAME", "another name than its path below the project"),
            flag("force", "", "replace other content under that name"),
            flag("allow-large", "", "up to 5 MiB instead of 1 MiB"),
            flag("external", "", "a file below the home directory"),
            SERVICE,
            ENV,
        ],
        run: file::add,
    },
    Command {
        name: "file list",
        words: "[service] [env]",
        about: "list the files of a scope",
        details: "TO BE WRITTEN",
        examples: &["kagi file list", "kagi file list --all"],
        flags: &[flag("all", "", "of every scope"), JSON, STRICT, SERVICE, ENV],
        run: file::list,
    },
    Command {
        name: "file show",
        words: "[service] [env] NAME",
        about: "show a file, after a y",
        details: "TO BE WRITTEN",
        examples: &["kagi file show api production certs/tls.pem"],
        flags: &[STRICT, SERVICE, ENV],
        run: file::show,
    },
    Command {
        name: "file restore",
        words: "[service] [env] [NAME]",
        about: "write files back to where they were",
        details: "TO BE WRITTEN",
        examples: &["kagi file restore api production --all"],
        flags: &[
            short('o', "out", "PATH", "write one file here instead"),
            flag("force", "", "replace a file with other content, keeping it as .backup-N"),
            flag("all", "", "every file of the scope"),
            flag("dry-run", "", "say what would be done, and do nothing"),
            flag("external", "", "files below the home directory too"),
            STRICT,
            SERVICE,
            ENV,
        ],
        run: file::restore,
    },
    Command {
        name: "file remove",
        words: "[service] [env] NAME…",
        about: "delete files from the project, after a y",
        details: "TO BE WRITTEN",
        examples: &["kagi file remove api production certs/tls.pem"],
        flags: &[YES, SERVICE, ENV],
        run: file::remove,
    },
];
