//! What a stopped server leaves to be done at the next start.
//!
//! Promises: the audit log has a line for each push that is there; no token is of a project that is
//! not. A damaged project keeps nobody from the others.

use crate::crypto::hash::Digest;
use crate::disk;
use crate::error::Result;
use crate::format::text::{HEX, decimal};
use crate::sync::store::audit::{Audit, Entry};
use crate::sync::store::project::numbers;
use crate::sync::store::revision::{self, Header, Revision};
use crate::sync::store::rollback;
use crate::sync::store::tokens::Tokens;
use std::collections::HashSet;
use std::path::Path;

/// How the log names a revision.
#[must_use]
pub fn detail(revision: u64, id: &Digest) -> String {
    format!("{revision}:{}", HEX.encode(&id[..8]))
}

/// Finishes rollbacks, and appends the lines of pushes that are there, but not in the log.
///
/// # Errors
/// `Read`, `Write`.
pub fn pushes(root: &Path, audit: &mut Audit) -> Result<()> {
    let (tail, complete) = audit.tail()?;
    let logged: HashSet<_> = tail.lines().filter_map(push_of).collect();
    let number = |detail: &str| detail.split(':').next().and_then(decimal::<u64>);
    let numbered: HashSet<_> =
        logged.iter().filter_map(|(project, detail)| Some((*project, number(detail)?))).collect();
    let mut missing = Vec::new();
    for project in disk::list(&root.join("projects"))? {
        let directory = root.join("projects").join(&project.name);
        if rollback::finish(&directory).is_err() {
            continue;
        }
        let numbers = numbers(&directory).unwrap_or_default();
        for number in numbers.iter().rev().copied() {
            // One with the number of a newer one that was rolled back is told apart where it counts.
            let is_newest = numbers.last() == Some(&number);
            if !is_newest && numbered.contains(&(project.name.as_str(), number)) {
                continue;
            }
            let Ok((header, id)) = read(&directory, &project.name, number) else { break };
            let detail = detail(number, &id);
            if logged.contains(&(project.name.as_str(), detail.as_str())) {
                continue;
            }
            if complete > 0 && header.time <= complete {
                break;
            }
            missing.push((header.time, number, project.name.clone(), detail, header));
        }
    }
    missing.sort_by(|one, next| (one.0, one.1, &one.2).cmp(&(next.0, next.1, &next.2)));
    for (time, _, project, detail, header) in &missing {
        let (token, from) = (header.token.as_str(), header.from.as_str());
        audit.append(&Entry { time: *time, token, from, operation: "push", project, detail })?;
    }
    if missing.is_empty() { Ok(()) } else { audit.sync() }
}

/// Project and detail of the line of a push.
fn push_of(line: &str) -> Option<(&str, &str)> {
    let mut fields = line.split(' ').skip(4);
    let (operation, project) = (fields.next()?, fields.next()?);
    (operation == "push").then_some((project, fields.next()?))
}

fn read(directory: &Path, project: &str, number: u64) -> Result<(Header, Digest)> {
    let file = Revision::open(&revision::path(directory, number))?;
    let id = file.manifest(project, number)?.id();
    Ok((file.header, id))
}

/// Ends the tokens of projects that are gone.
///
/// # Errors
/// `Write`.
pub fn tokens(root: &Path, tokens: &Tokens) -> Result<()> {
    for project in tokens.projects() {
        if !disk::is_directory(&root.join("projects").join(&project)) {
            tokens.remove_all(&project)?;
        }
    }
    Ok(())
}
