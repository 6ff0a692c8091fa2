//! `hook`: lets Git run `kagi scan --staged` before each commit, in this clone.
//!
//! Promises: writes one file, which no commit and no push takes along; a commit is stopped if kagi
//! is not there any more. Refuses to touch a hook of others, and hooks that other clones use too.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, shell_word};
use crate::disk::{self, Mode};
use crate::process::git;
use crate::project::Site;
use crate::terminal;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

const HOOK_BYTES_MAX: usize = 1024 * 1024;
/// Begin and end of what `install` writes; between them is where kagi and the project were.
const BEGIN: &str = "#!/bin/sh\n# Written by kagi hook install; kagi hook remove takes it away.\n";
const END: &str = r#"[ -x "$kagi" ] || kagi=$(command -v kagi) || {
    echo 'kagi: error: kagi is not there to look for values; nothing was committed' >&2
    exit 1
}
cd "./$project" && exec "$kagi" scan --staged
"#;

/// `kagi hook install`.
///
/// # Errors
/// No work tree of Git; another hook, unless it is to be replaced; `Write`.
pub fn install(input: &mut Input) -> Result<u8, Failure> {
    let site = Site::find()?;
    let prefix = git(&site.root, &["rev-parse", "--show-prefix"]).ok_or_else(no_git)?;
    let kagi = std::env::current_exe().unwrap_or_default();
    let (kagi, project) = (shell_word(&kagi.to_string_lossy()), shell_word(prefix.trim_end()));
    let text = format!("{BEGIN}kagi={kagi}\nproject={project}\n{END}");
    let path = hook(&site.root)?;
    if disk::exists(&path) && !is_own(&path) {
        let shown = quoted(&path.to_string_lossy());
        if !input.has("force") {
            let hint = format!(
                "add this line to it: {}; or --force, which keeps a copy",
                line(&site.root)
            );
            return Err(Failure::new(format!("there is another hook, {shown}")).hint(hint));
        }
        let backup = disk::free_backup(&path);
        disk::rename(&path, &backup)?;
        let kept = quoted(&backup.to_string_lossy());
        terminal::note(&format!("kept the other hook as {kept}; it does not run any more"));
    }
    if let Some(directory) = path.parent() {
        disk::make_home(directory)?;
    }
    disk::replace(&path, text.as_bytes(), Mode::Program)?;
    terminal::note("Git runs kagi scan --staged before each commit in this clone");
    Ok(0)
}

/// `kagi hook remove`.
///
/// # Errors
/// No work tree of Git; no hook, or another one; `Write`.
pub fn remove(_input: &mut Input) -> Result<u8, Failure> {
    let path = hook(Path::new("."))?;
    let shown = quoted(&path.strip_prefix(".").unwrap_or(&path).to_string_lossy());
    if !disk::exists(&path) {
        return Err(Failure::new(format!("there is no hook {shown}")));
    }
    if !is_own(&path) {
        return Err(Failure::new(format!("{shown} is not what kagi wrote; it was left alone")));
    }
    disk::remove_for_good(&path)?;
    terminal::note(&format!("removed {shown}"));
    Ok(0)
}

fn no_git() -> Failure {
    Failure::new("this is no work tree of Git").hint("git init")
}

fn is_own(path: &Path) -> bool {
    let bytes = disk::read(path, HOOK_BYTES_MAX).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let own = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let is_own = |line: &str| line.starts_with("kagi=") || line.starts_with("project=");
    own.is_some_and(|own| own.lines().all(is_own))
}

/// What a hook of others may call: Git starts them at the top of the work tree.
fn line(root: &Path) -> String {
    let below = git(root, &["rev-parse", "--show-prefix"]).unwrap_or_default();
    match below.trim_end() {
        "" => "kagi scan --staged || exit 1".to_string(),
        below => format!("(cd {} && kagi scan --staged) || exit 1", shell_word(below)),
    }
}

/// Where Git looks for the hook of this clone.
fn hook(root: &Path) -> Result<PathBuf, Failure> {
    let configured = ["config", "--show-scope", "--type=path", "--get-all", "core.hooksPath"];
    let configured = git(root, &configured).unwrap_or_default();
    // The last one counts but for ours, which keeps the hooks of a repository from running now.
    let mut configured = configured.lines().filter_map(|line| line.split_once('\t'));
    let top = ["rev-parse", "--show-toplevel", "--git-common-dir"];
    let top = git(root, &top).ok_or_else(no_git)?;
    let (top, common) = top.trim_end().split_once('\n').ok_or_else(no_git)?;
    match configured.rfind(|(scope, _)| *scope != "command") {
        None => Ok(root.join(common).join("hooks/pre-commit")),
        Some(("local" | "worktree", path)) if !is_added(Path::new(top), Path::new(path)) => {
            Ok(Path::new(top).join(path).join("pre-commit"))
        }
        Some((_, path)) => {
            let message =
                format!("other clones have their hooks in {}, too (core.hooksPath)", quoted(path));
            Err(Failure::new(message)
                .hint(format!("add this line to its pre-commit: {}", line(root))))
        }
    }
}

/// True if Git would add a hook in this directory, for all clones.
fn is_added(top: &Path, directory: &Path) -> bool {
    let below = directory.strip_prefix(top).unwrap_or(directory);
    let is_kept_out = |part: &OsStr| part == ".." || part == ".git";
    let hook = below.join("pre-commit").to_string_lossy().into_owned();
    below.is_relative()
        && !below.iter().any(is_kept_out)
        && git(top, &["check-ignore", "-q", "--", &hook]).is_none()
}
