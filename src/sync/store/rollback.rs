//! Going back to an older revision (PROTOCOL 7.5).
//!
//! Promises: the intent is durable before the first file moves, and is finished at the next load if
//! it was stopped. What is undone lies in `undone/` for 30 days.

use crate::disk::{self, Mode};
use crate::error::Result;
use crate::format::text::decimal;
use crate::sync::store::damaged;
use crate::sync::store::project::numbers;
use crate::sync::store::revision;
use std::path::Path;

const INTENT: &str = "rollback";
const INTENT_BYTES_MAX: usize = 256;

/// True for the name of an area below `undone`.
#[must_use]
pub fn is_area(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    name.len() < 100 && name.split('-').count() == 3 && name.split('-').all(is_part)
}

/// Goes back to a revision that is kept, also if a newer one is damaged. Whoever has the project in
/// memory must load it again.
///
/// # Errors
/// `Write`, `Read`.
pub fn roll_back(project: &Path, revision: u64, head: u64, now: u64) -> Result<()> {
    let mut names = (1..).map(|number: u64| format!("{now}-{head}-{number}"));
    let is_free = |area: &String| !disk::exists(&project.join("undone").join(area));
    let area = names.find(is_free).unwrap_or_default();
    let intent = format!("{revision} {area}\n");
    disk::replace(&project.join(INTENT), intent.as_bytes(), Mode::Private)?;
    finish(project)
}

/// Does what the intent says, if there is one.
///
/// # Errors
/// `Unauthentic` for an intent that is none; `Write`, `Read`.
pub fn finish(project: &Path) -> Result<()> {
    let path = project.join(INTENT);
    let Some(intent) = disk::read(&path, INTENT_BYTES_MAX)? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&intent);
    let parts = text.strip_suffix('\n').and_then(|line| line.split_once(' '));
    let parts = parts.and_then(|(number, area)| Some((decimal::<u64>(number)?, area)));
    let (kept, area) = parts.filter(|(_, area)| is_area(area)).ok_or_else(|| damaged(&path))?;
    let below = Path::new("undone").join(area);
    let undone = disk::make_directories(project, &below, Mode::Private)?;
    // The newest first: what is left at any time is a state.
    for number in numbers(project)?.into_iter().rev().take_while(|number| *number > kept) {
        let from = revision::path(project, number);
        disk::rename(&from, &undone.join(from.file_name().unwrap_or_default()))?;
    }
    disk::sync_directory(&project.join("revisions"))?;
    disk::remove(&path)?;
    disk::sync_directory(project)
}
