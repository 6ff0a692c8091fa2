//! The commands for encrypted files.

use crate::cli::command::{Command, ENV, JSON, SERVICE, STRICT, YES, flag, short};
use crate::cli::{file, file_restore};

/// In the order of the overview.
pub static FILES: &[Command] = &[
    Command {
        name: "file add",
        words: "[service] [env] PATH",
        about: "encrypt a file into the project",
        details: "The name of a file is its path below the project, or what --name says. Not taken in: directories,\n\
                  links and devices, what is below .git or .kagi, and what Git tracks. Up to 1 MiB; all files\n\
                  of a scope together have up to 6 MiB. The mode is not kept.\n\
                  With --external the name begins with ~/, and stands for a path below anybody's home.",
        examples: &[
            "kagi file add api production certs/tls.pem",
            "kagi file add --external ~/.config/gcloud/key.json",
        ],
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
        about: "list files with their sizes",
        details: "Without words, of all that this directory stands for, as kagi get does. --json has its form too.",
        examples: &["kagi file list", "kagi file list --all"],
        flags: &[flag("all", "", "of every service, wherever this is"), JSON, STRICT, SERVICE, ENV],
        run: file::list,
    },
    Command {
        name: "file show",
        words: "[service] [env] NAME",
        about: "show a file, after a y",
        details: "NAME is the file's name, its path from here, or its last part if no other file has it.\n\
                  Into a pipe it goes as it is, after the y; to a terminal goes text alone.",
        examples: &["kagi file show api production certs/tls.pem"],
        flags: &[STRICT, SERVICE, ENV],
        run: file::show,
    },
    Command {
        name: "file restore",
        words: "[service] [env] [NAME]",
        about: "write files back to where they were",
        details: "A file goes back to its path below the project, with mode 0600. What is there with the same content\n\
                  stays; with other content it stops everything but for --force. Links are never followed, and what Git\n\
                  tracks is never replaced.\n\
                  Files below the home directory are named and take a y; --out PATH takes none.\n\
                  NAME is the file's name, its path from here, or its last part if no other file has it.",
        examples: &[
            "kagi file restore api production --all",
            "kagi file restore tls.pem --out /run/tls.pem",
        ],
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
        run: file_restore::restore,
    },
    Command {
        name: "file remove",
        words: "[service] [env] NAME…",
        about: "delete files from the project, after a y",
        details: "What lies in the working tree stays, and so do older commits.",
        examples: &["kagi file remove api production certs/tls.pem"],
        flags: &[YES, SERVICE, ENV],
        run: file::remove,
    },
];
