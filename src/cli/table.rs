//! Every command: names, flags, help. This table drives parsing, help, completions and the manual page, so
//! that what is written here is what the program takes.

mod files;
mod project;
mod running;
pub mod sync;
mod team;
mod values;

use crate::cli::command::Command;
use crate::cli::{driver, help, shell};

/// Every command, in the order of the overview.
pub fn commands() -> impl Iterator<Item = &'static Command> {
    let groups =
        [project::PROJECT, values::VALUES, running::RUNNING, files::FILES, team::TEAM, sync::SYNC];
    groups.into_iter().chain([LAST]).flatten()
}

/// What stands last: what Git and the shell call, and kagi itself.
static LAST: &[Command] = &[
    Command {
        name: "complete",
        words: "[WORD…]",
        about: "what a word may go on as; the shell calls it",
        details: "TO BE WRITTEN",
        examples: &["kagi complete run ap"],
        flags: &[],
        run: shell::complete,
    },
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
        name: "completions",
        words: "bash|zsh|fish|elvish|powershell",
        about: "print what makes a shell complete kagi's words",
        details: "TO BE WRITTEN",
        examples: &["kagi completions bash > ~/.local/share/bash-completion/completions/kagi"],
        flags: &[],
        run: shell::completions,
    },
    Command {
        name: "man",
        words: "",
        about: "print the manual page",
        details: "TO BE WRITTEN",
        examples: &["kagi man > ~/.local/share/man/man1/kagi.1"],
        flags: &[],
        run: shell::man,
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
pub static HEADINGS: [(&str, &str); 9] = [
    ("project", "init"),
    ("values", "set"),
    ("running", "run"),
    ("dotenv", "import"),
    ("files", "file add"),
    ("environments", "env list"),
    ("team", "member join"),
    ("server", "serve"),
    ("kagi", "completions"),
];

/// Commands for Git and the shell, not for people.
pub static FOR_PROGRAMS: [&str; 3] = ["complete", "merge-driver", "textconv"];

/// Other names: alias, command.
pub static ALIASES: [(&str, &str); 12] = [
    ("file del", "file remove"),
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
