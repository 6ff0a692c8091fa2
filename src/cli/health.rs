//! `doctor`: checks everything, mends what needs no decision.

use crate::cli::args::Input;
use crate::cli::driver::{git_setup, is_set_up};
use crate::cli::exposure::exposures;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::{
    GONE, NEWER_EPOCH, UNLISTED, may_delete, open, open_to_write, remarks, remember, save, single,
};
use crate::disk::{self, Lock};
use crate::error::{Error, Kind};
use crate::format::roster::Roster;
use crate::format::scope_file::ScopeName;
use crate::project::{DIRECTORY, Project, Site};
use crate::{process, terminal};
use std::collections::BTreeSet;

/// What was found.
#[derive(Default)]
struct Findings {
    /// What is wrong and stays so.
    problems: usize,
    /// How many of them `--fix` can mend.
    mendable: usize,
    /// What was mended.
    mended: usize,
}

impl Findings {
    fn problem(&mut self, line: &str, hint: &str) {
        self.problems += 1;
        let hint = if hint.is_empty() { String::new() } else { format!(" ({hint})") };
        terminal::note(&safe(&format!("problem: {line}{hint}")));
    }

    /// A problem that `--fix` mends.
    fn mendable(&mut self, line: &str) {
        self.mendable += 1;
        self.problem(line, "");
    }

    fn mended(&mut self, line: &str) {
        self.mended += 1;
        terminal::note(&format!("mended: {line}"));
    }

    fn verdict(self, fixes: bool) -> Result<u8, Failure> {
        if self.problems > 0 {
            let hint = if fixes || self.mendable == 0 { "" } else { "kagi doctor --fix" };
            return Err(Failure::new(format!("{} left to do", self.problems)).hint(hint));
        }
        match self.mended {
            0 => terminal::note("nothing is wrong"),
            mended => terminal::note(&format!("{mended} mended; nothing is left to do")),
        }
        Ok(0)
    }
}

/// `kagi doctor [--fix]`.
///
/// # Errors
/// Everything that keeps the project shut.
pub fn doctor(input: &mut Input) -> Result<u8, Failure> {
    let fixes = input.has("fix");
    // Asked without the lock. Taking it sweeps what killed writers left.
    let deletable = if fixes { ask_for_unlisted(&open(input)?, input)? } else { Vec::new() };
    let (project, lock) = open_to_write(input)?;
    let mut findings = Findings::default();
    let is_checked = project.access().only_scope().is_none();
    let roster = if is_checked { "accepted" } else { "not checked" };
    terminal::note(&format!(
        "the roster is {roster}, at epoch {}",
        project.access().epoch().number
    ));
    check_attributes(&project, &lock, fixes, &mut findings)?;
    match is_set_up(&project.site.root) {
        Some(false) if fixes => git_setup(&project.site.root),
        Some(false) => terminal::note(
            "note: Git merges scopes line by line here; kagi doctor --fix lets it merge key by key",
        ),
        _ => {}
    }
    for target in project.all_scopes()? {
        check_scope(&project, &lock, &target, fixes, &mut findings)?;
    }
    for name in project.gone_scopes() {
        let hint = format!("git checkout -- {}", project.shown(&name.file()));
        findings.problem(&format!("{name} {GONE}"), &hint);
    }
    check_unlisted(&project, &deletable, &mut findings)?;
    for exposure in exposures(&project)? {
        findings.problem(&exposure.line(), "kagi set, with the new values");
    }
    check_plain_files(&project, &mut findings);
    for path in unmerged(&project.site) {
        findings.problem(&unmerged_line(&path), &side_to_take(&project.site, &path));
    }
    if project.roster.members.iter().filter(|member| member.is_full()).count() == 1 {
        terminal::note(
            "note: one device alone can open the project; kagi member add --offline --name paper makes a spare key",
        );
    }
    remember(&project);
    findings.verdict(fixes)
}

fn check_attributes(
    project: &Project,
    lock: &Lock,
    fixes: bool,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let shown = quoted(&project.shown(".gitattributes"));
    match project.has_attributes()? {
        true => {}
        false if fixes => {
            project.write_attributes(lock)?;
            findings.mended(&format!("wrote {shown}"));
        }
        false => findings.mendable(&format!(
            "{shown} was edited or is missing: Git may change or not merge scopes"
        )),
    }
    Ok(())
}

fn check_scope(
    project: &Project,
    lock: &Lock,
    target: &ScopeName,
    fixes: bool,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let found = match project.load(target) {
        Ok(found) => found.unwrap_or_default(),
        Err(error) if error.kind == Kind::NoAccess => return Ok(()),
        Err(error) => {
            let failure = Failure::from(error);
            findings.problem(failure.message(), failure.hint_text());
            return Ok(());
        }
    };
    let mut has_conflict = false;
    for (name, entries) in found.scope.iter() {
        if let Err(failure) = single(project, target, name, entries) {
            findings.problem(failure.message(), failure.hint_text());
            has_conflict = true;
        }
    }
    if found.has_newer_epoch {
        findings
            .problem(&format!("{target} {NEWER_EPOCH}"), "git status; kagi key rotate drops it");
    }
    let mut untidy: Vec<&str> = remarks(&found);
    untidy.retain(|line| *line != NEWER_EPOCH);
    if project.index_differs(target, &found.scope)? {
        untidy.push("has index lines that do not fit its box");
    }
    if untidy.is_empty() || has_conflict {
        return Ok(());
    }
    if fixes && !found.is_older {
        save(project, lock, target, found.scope)?;
    }
    for line in untidy {
        if fixes && !found.is_older {
            findings.mended(&format!("{target} {line}"));
        } else {
            findings.mendable(&format!("{target} {line}"));
        }
    }
    Ok(())
}

/// Scopes of environments that are not listed are leftovers of a stopped `env rename` or `del`, or
/// of a branch: those that somebody agrees to delete.
fn ask_for_unlisted(project: &Project, input: &Input) -> Result<Vec<ScopeName>, Failure> {
    let mut unlisted = project.unlisted_scopes()?;
    unlisted.retain(|name| {
        let shown = quoted(&project.shown(&name.file()));
        may_delete(input, &format!("delete {shown}, which belongs to no environment?")).is_ok()
    });
    Ok(unlisted)
}

fn check_unlisted(
    project: &Project,
    deletable: &[ScopeName],
    findings: &mut Findings,
) -> Result<(), Failure> {
    for name in project.unlisted_scopes()? {
        let shown = quoted(&project.shown(&name.file()));
        if deletable.contains(&name) {
            disk::remove_with_directory(&project.path(&name.file()))?;
            findings.mended(&format!("deleted {shown}"));
        } else {
            findings.mendable(&format!("{shown} {UNLISTED}"));
        }
    }
    Ok(())
}

/// Files of the project that a merge in Git has left to a decision. A roster cannot be joined, for
/// one hash vouches for all of it.
#[must_use]
pub fn unmerged(site: &Site) -> Vec<String> {
    let arguments = ["ls-files", "-u", "-z", "--", DIRECTORY];
    let lines = process::git(&site.root, &arguments).unwrap_or_default();
    let paths = lines.split('\0').filter_map(|line| line.split_once('\t')).map(|(_, path)| path);
    // The boxes of a scope can be joined, and kagi resolve chooses between its keys.
    let paths: BTreeSet<_> = paths.filter(|path| path.strip_suffix(".enc").is_none()).collect();
    paths.into_iter().map(|path| safe(&format!("{}{path}", site.up))).collect()
}

/// What to do about one of them. After a removal on one side the other side's roster would undo it,
/// so the newer epoch is the one to take.
#[must_use]
pub fn side_to_take(site: &Site, path: &str) -> String {
    let epoch = |stage: u8| {
        let object = format!(":{stage}:./{DIRECTORY}/access.json");
        let text = process::git(&site.root, &["cat-file", "blob", &object])?;
        Some(Roster::read("", text.as_bytes()).ok()?.epoch)
    };
    let taken = match (epoch(2), epoch(3)) {
        (Some(ours), Some(theirs)) if ours.number < theirs.number => "--theirs",
        (Some(ours), Some(theirs)) if ours.number == theirs.number && ours != theirs => {
            return "both sides rotated: take all of .kagi from one commit".to_string();
        }
        _ => "--ours",
    };
    let path = shell_word(path);
    format!("git checkout {taken} -- {path} && git add {path}, then repeat what the other side did")
}

/// Why a project was not opened. Its roster may be older than what this device has seen because a
/// merge or a rebase left that side: then the other one is the way on.
#[must_use]
pub fn not_opened(site: &Site, error: Error) -> Failure {
    if error.kind == Kind::NotMember && site.request(&error.subject).is_ok() {
        let approve = format!("kagi member approve {}", safe(&error.subject));
        return Failure::from(error)
            .hint(format!("{approve}, by a member who then pushes it; then pull here"));
    }
    let paths = if error.kind == Kind::OldEpoch { unmerged(site) } else { Vec::new() };
    let failure = Failure::from(error);
    match paths.first() {
        None => failure,
        Some(path) => failure.and(&unmerged_line(path)).hint(side_to_take(site, path)),
    }
}

/// What is said of one of them.
#[must_use]
pub fn unmerged_line(path: &str) -> String {
    format!("{path} is in conflict in Git; what is read is one side of it")
}

/// True for the path of a `.env` file that may hold values.
#[must_use]
pub fn is_plain_env(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_harmless =
        ["example", "sample", "template", "dist"].iter().any(|word| name.ends_with(word));
    let suffix = name.strip_prefix(".env").filter(|_| !is_harmless);
    suffix.is_some_and(|suffix| !suffix.starts_with(|first: char| first.is_alphanumeric()))
}

/// Plain `.env` files that Git tracks.
fn check_plain_files(project: &Project, findings: &mut Findings) {
    let Some(tracked) =
        process::git(&project.site.root, &["ls-files", "-z", "--", ".env*", "**/.env*"])
    else {
        return;
    };
    for path in tracked.split('\0').filter(|path| !path.is_empty()) {
        if is_plain_env(path) {
            findings.problem(
                &format!("Git tracks the plain file {}", quoted(path)),
                &format!(
                    "git rm --cached -- {}",
                    shell_word(&format!("{}{path}", project.site.up))
                ),
            );
        }
    }
}
