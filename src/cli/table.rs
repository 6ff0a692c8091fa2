//! Every command: names, flags, help. This table drives parsing, help, completions and the manual page, so
//! that what is written here is what the program takes.

mod files;
mod project;
mod running;
pub mod sync;
mod team;
mod values;

use crate::cli::command::Command;
use crate::cli::{complete, driver, help, man, shell};

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
        words: "-- [WORD…]",
        about: "what the last word may go on as; the shell calls it",
        details: "The words are those behind kagi; the last one is completed, and may be empty. Names alone are read, no\n\
                  key is opened, nothing is asked or written, and the exit code is 0 whatever goes wrong. One candidate\n\
                  a line, with a tab and a description; a line that begins with the tab leaves it to the shell:\n\
                  files, directories, or command N, which begins at the Nth word.",
        examples: &["kagi complete -- run ap"],
        flags: &[],
        run: complete::complete,
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
        details: "Commands, flags, services, environments, keys and members are completed, below a project's root too. The\n\
                  shell asks kagi, which reads names that Git shows to everybody, and no key.",
        examples: &[
            "eval \"$(kagi completions bash)\"",
            "kagi completions bash > ~/.local/share/bash-completion/completions/kagi",
            "kagi completions zsh > ~/.zfunc/_kagi",
            "kagi completions fish > ~/.config/fish/completions/kagi.fish",
            "kagi completions elvish >> ~/.config/elvish/rc.elv",
            "kagi completions powershell >> $PROFILE",
        ],
        flags: &[],
        run: shell::completions,
    },
    Command {
        name: "man",
        words: "",
        about: "print the manual page",
        details: "Every command with its flags and examples, as kagi help shows them, in the form that man(1) reads.",
        examples: &["kagi man > ~/.local/share/man/man1/kagi.1", "kagi man | man -l -"],
        flags: &[],
        run: man::man,
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
