//! What somebody who lost access could read, and that has not changed since.

use crate::cli::report::{Failure, quoted};
use crate::format::json::Serialize;
use crate::format::roster::Withdrawn;
use crate::format::scope_file::ScopeName;
use crate::project::Project;

/// Keys of one scope that one former reader may know.
#[derive(Serialize)]
pub struct Exposure {
    /// Member id.
    pub member: String,
    /// The name that it had.
    pub name: String,
    /// Service.
    pub service: String,
    /// Environment.
    pub env: String,
    /// The keys, sorted; files as `file:NAME`.
    pub keys: Vec<String>,
}

impl Exposure {
    /// One line: what is to be changed, and why.
    #[must_use]
    pub fn line(&self) -> String {
        let (name, keys) = (quoted(&self.name), self.keys.join(", "));
        format!(
            "change at their providers, for {name} ({}) could read them: {} in {}/{}",
            self.member, keys, self.service, self.env
        )
    }
}

/// All that this device can see of it. A scope that does not open is left out: others report it.
///
/// # Errors
/// `Read`.
pub fn exposures(project: &Project) -> Result<Vec<Exposure>, Failure> {
    let mut exposures = Vec::new();
    if project.roster.withdrawn.is_empty() {
        return Ok(exposures);
    }
    for target in project.all_scopes()? {
        let Ok(Some(found)) = project.load(&target) else { continue };
        for one in project.roster.withdrawn.iter().filter(|one| is_shut_out(project, one, &target))
        {
            let is_old = |epoch| epoch < one.epoch;
            let keys =
                found.scope.iter().filter(|(_, slot)| slot.iter().any(|at| is_old(at.epoch)));
            let keys: Vec<_> = keys.map(|(name, _)| target.labelled(name)).collect();
            if !keys.is_empty() {
                exposures.push(Exposure {
                    member: one.id.clone(),
                    name: one.name.clone(),
                    service: target.service.clone(),
                    env: target.env.clone(),
                    keys,
                });
            }
        }
    }
    Ok(exposures)
}

/// True if it could open the scope and cannot any more.
fn is_shut_out(project: &Project, one: &Withdrawn, target: &ScopeName) -> bool {
    let opens = |grants: &[crate::format::names::Grant]| {
        grants.iter().any(|grant| grant.opens(&target.service, &target.env))
    };
    let is_let_in = project.roster.member(&one.id).is_some_and(|member| opens(&member.grants));
    // Who could open it until two rotations knows what it held until the second.
    let mut withdrawn = project.roster.withdrawn.iter();
    let last = withdrawn.rfind(|other| other.id == one.id && opens(&other.grants));
    !is_let_in && last.is_some_and(|last| last.epoch == one.epoch)
}
