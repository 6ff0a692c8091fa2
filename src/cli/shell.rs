//! `completions`: the scripts by which five shells ask `kagi complete`. What they put on a command line they
//! quote: names come from whoever can write the repository.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted};
use crate::cli::words::{did_you_mean, nearest};
use crate::terminal;

const SCRIPTS: [(&str, &str); 5] = [
    ("bash", include_str!("shell/kagi.bash")),
    ("zsh", include_str!("shell/kagi.zsh")),
    ("fish", include_str!("shell/kagi.fish")),
    ("elvish", include_str!("shell/kagi.elv")),
    ("powershell", include_str!("shell/kagi.ps1")),
];

/// `kagi completions SHELL`.
///
/// # Errors
/// Usage for another shell.
pub fn completions(input: &mut Input) -> Result<u8, Failure> {
    let [shell] = input.exactly()?;
    let Some((_, script)) = SCRIPTS.iter().find(|(name, _)| *name == shell) else {
        let failure = Failure::usage(format!("there is no script for {}", quoted(&shell)));
        let failure = failure.hint("kagi completions --help");
        return Err(did_you_mean(failure, nearest(&shell, SCRIPTS.iter().map(|(name, _)| *name))));
    };
    terminal::print(script.as_bytes())?;
    Ok(0)
}
