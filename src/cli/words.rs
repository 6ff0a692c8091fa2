//! From words to a scope: `[service] [env]` before what the command is about.
//!
//! Promises: a word is an environment if `kagi.json` lists it, a service if a scope of it is
//! there; a word that is neither is never silently taken for one. `-s` and `-e` always settle it.

use crate::cli::args::Input;
use crate::cli::missing_key;
use crate::cli::report::{Failure, quoted};
use crate::format::names::check_place;
use crate::format::scope_file::{ScopeKind, ScopeName};
use crate::project::Project;
use crate::scope::Scope;

/// The words of a command line, the leading ones understood.
#[derive(Default)]
pub struct Words {
    /// The service that was named.
    pub service: Option<String>,
    /// The environment that was named.
    pub env: Option<String>,
    /// What follows.
    pub rest: Vec<String>,
    /// True once a word was the environment: a service does not follow it.
    pub has_env_word: bool,
    /// True if the directory does not stand for a service.
    pub is_everywhere: bool,
}

impl Words {
    /// Starts with the flags `-s` and `-e`.
    ///
    /// # Errors
    /// For a service or environment that cannot be one.
    pub fn from_flags(project: &Project, input: &Input) -> Result<Self, Failure> {
        let service = input.text("service")?;
        if let Some(service) = service {
            check_service(project, service)?;
        }
        let env = input.text("env")?;
        if let Some(env) = env.filter(|env| !project.config.is_env(env)) {
            return Err(unknown_env(project, env));
        }
        let (service, env) = (service.map(str::to_string), env.map(str::to_string));
        Ok(Words { service, env, ..Words::default() })
    }

    /// Takes in the flags, those after a word too.
    ///
    /// # Errors
    /// As `from_flags`; a flag that names another service or environment than a word.
    pub fn settle(&mut self, project: &Project, input: &Input) -> Result<(), Failure> {
        let flags = Words::from_flags(project, input)?;
        for (named, flag) in [(&mut self.service, flags.service), (&mut self.env, flags.env)] {
            match (named.as_ref(), &flag) {
                (Some(word), Some(flag)) if word != flag => {
                    let message = format!("{} and {} are both named", quoted(word), quoted(flag));
                    return Err(Failure::usage(message));
                }
                (_, None) => {}
                _ => *named = flag,
            }
        }
        Ok(())
    }

    /// Takes a word as the service or environment that it is; `false` if it is neither, or
    /// cannot be in this place.
    pub fn take(&mut self, project: &Project, word: &str) -> bool {
        self.take_as(word, project.config.is_env(word), || project.is_service(word))
    }

    /// The same for a word of which is known what it is.
    pub fn take_as(&mut self, word: &str, is_env: bool, is_service: impl Fn() -> bool) -> bool {
        if self.env.is_none() && is_env {
            self.env = Some(word.to_string());
            self.has_env_word = true;
        } else if self.service.is_none() && !self.has_env_word && is_service() {
            self.service = Some(word.to_string());
        } else {
            return false;
        }
        true
    }

    /// Refuses a service that was named by `-s` but is not there, for commands that make none.
    ///
    /// # Errors
    /// With the nearest service.
    pub fn check_known(&self, project: &Project) -> Result<(), Failure> {
        if let (Some(only), Some(service)) = (project.access().only_scope(), &self.service)
            && only.service != *service
        {
            return Err(project.refused(&ScopeName::values(service, &only.env)).into());
        }
        let known = |service: &&String| {
            project.is_known(service)
                || project.config.inferred_service(&project.site.below).as_ref() == Some(*service)
        };
        match self.service.as_ref().filter(|service| !known(service)) {
            None => Ok(()),
            Some(service) => Err(unknown_service(project, service)),
        }
    }

    /// Takes leading words as far as they are services and environments; the rest is the
    /// command's.
    ///
    /// # Errors
    /// As `from_flags`; more than `rest_max` words left, with a suggestion.
    pub fn greedy(project: &Project, input: &Input, rest_max: usize) -> Result<Self, Failure> {
        let mut words = Words::from_flags(project, input)?;
        for word in input.texts()? {
            if !words.rest.is_empty() || !words.take(project, &word) {
                words.rest.push(word);
            }
        }
        let Some(word) = words.rest.first().filter(|_| words.rest.len() > rest_max) else {
            return Ok(words);
        };
        let is_complete = words.service.is_some() && words.env.is_some();
        let may_be_place = !is_complete && (rest_max == 0 || words.service.is_none());
        let may_be_place = may_be_place || near_place(project, word).is_some();
        if may_be_place {
            return Err(words.neither(project, word));
        }
        let name = input.command.name;
        Err(Failure::usage(format!("too many words for kagi {name}"))
            .hint(format!("kagi {name} --help")))
    }

    /// Why a word that should be a service or an environment is none.
    #[must_use]
    pub fn neither(&self, project: &Project, word: &str) -> Failure {
        if self.has_env_word && project.is_service(word) {
            return wrong_order();
        }
        if self.service.is_some() && self.env.is_none() {
            return unknown_env(project, word);
        }
        let message = format!("{} is neither a service nor an environment", quoted(word));
        did_you_mean(Failure::new(message), near_place(project, word).as_deref())
    }

    /// The same where the word may also have been meant as what the command is about: if no place
    /// has a name like it, what is missing is the service.
    #[must_use]
    pub fn neither_or(&self, project: &Project, word: &str, missing: Failure) -> Failure {
        let is_place = near_place(project, word).is_some() || project.is_service(word);
        if is_place { self.neither(project, word) } else { missing }
    }

    /// The scope: what was named, else inferred from the directory, else configured.
    ///
    /// # Errors
    /// If nothing says which service is meant.
    pub fn target(&self, project: &Project) -> Result<ScopeName, Failure> {
        let default =
            Some(project.config.default_service.clone()).filter(|service| !service.is_empty());
        let inferred = || project.config.inferred_service(&project.site.below).or(default);
        let service = self.service.clone().or_else(inferred).ok_or_else(|| no_service(project))?;
        let env = self.env.as_ref().unwrap_or(&project.config.default_env);
        Ok(ScopeName::values(&service, env))
    }
}

fn no_service(project: &Project) -> Failure {
    let services = project.services().unwrap_or_default();
    let failure = Failure::usage("which service is meant? name one, or go into its directory");
    failure.hint(match services.as_slice() {
        [] => "kagi set SERVICE KEY VALUE makes the first one".to_string(),
        _ => format!("the services are: {}", services.join(", ")),
    })
}

/// A service that stands behind its environment.
#[must_use]
pub fn wrong_order() -> Failure {
    Failure::usage("the service comes before the environment")
}

/// Why a word is no service.
#[must_use]
pub fn unknown_service(project: &Project, word: &str) -> Failure {
    let services = project.services().unwrap_or_default();
    let near = nearest(word, services.iter().map(String::as_str));
    did_you_mean(Failure::new(format!("there is no service {}", quoted(word))), near)
}

/// Why a word is no environment.
#[must_use]
pub fn unknown_env(project: &Project, word: &str) -> Failure {
    let failure = Failure::new(format!("there is no environment {}", quoted(word)));
    if project.access().only_scope().is_some() {
        return with_scope(project, failure);
    }
    match nearest(word, project.config.envs.iter().map(String::as_str)) {
        None if check_place(word).is_ok() => failure.hint(format!("kagi env add {word}")),
        near => did_you_mean(failure, near),
    }
}

/// The failure with what the key of one scope opens, if that is all that there is.
#[must_use]
pub fn with_scope(project: &Project, failure: Failure) -> Failure {
    match project.access().only_scope() {
        Some(only) => failure.hint(format!("KAGI_PROJECT_KEY opens {only} alone")),
        None => failure,
    }
}

/// The failure with what may have been meant.
#[must_use]
pub fn did_you_mean(failure: Failure, near: Option<&str>) -> Failure {
    match near {
        Some(near) => failure.hint(format!("did you mean {}?", quoted(near))),
        None => failure,
    }
}

/// A key that a scope does not hold, with the key or place that may have been meant.
#[must_use]
pub fn unknown_key(project: &Project, target: &ScopeName, scope: &Scope, key: &str) -> Failure {
    let near = nearest(key, scope.iter().map(|(name, _)| name)).map(str::to_string);
    let near = near.or_else(|| near_place(project, key));
    did_you_mean(missing_key(key, target), near.as_deref())
}

/// The service or environment that a word may have meant.
#[must_use]
pub fn near_place(project: &Project, word: &str) -> Option<String> {
    let services = project.services().unwrap_or_default();
    let known = services.iter().chain(&project.config.envs).map(String::as_str);
    nearest(word, known).map(str::to_string)
}

/// Refuses a name that can be no service here.
///
/// # Errors
/// With the rule.
pub fn check_service(project: &Project, name: &str) -> Result<(), Failure> {
    check_place(name)?;
    if project.config.is_env_like(name) {
        return Err(Failure::new(format!(
            "{} is an environment; a service may not be named like one",
            quoted(name)
        )));
    }
    let services = project.services()?;
    let twin = services.iter().find(|other| other.eq_ignore_ascii_case(name) && *other != name);
    match twin {
        Some(twin) => Err(Failure::new(format!(
            "{} differs from the service {} by case alone",
            quoted(name),
            quoted(twin)
        ))),
        None => Ok(()),
    }
}

/// Refuses a service that a write would make, and whose name no service may have.
///
/// # Errors
/// With the rule.
pub fn check_new_service(project: &Project, target: &ScopeName) -> Result<(), Failure> {
    if project.is_known(&target.service) {
        return Ok(());
    }
    check_service(project, &target.service)?;
    check_no_key(project, &target.service)
}

/// Refuses a new service or environment that is named like a key: a word must mean one thing.
///
/// # Errors
/// Naming the scope that holds the key.
pub fn check_no_key(project: &Project, name: &str) -> Result<(), Failure> {
    for scope in project.scopes(ScopeKind::Values)? {
        // A scope that does not open is reported where it is used.
        let found = project.load(&scope).ok().flatten().unwrap_or_default();
        if !found.scope.get(name).is_empty() {
            let rule = "services and environments may not be named like one";
            return Err(Failure::new(format!("{} is a key in {scope}; {rule}", quoted(name))));
        }
    }
    Ok(())
}

/// Refuses a key of a scope that is named like a service, be it the one that its writing makes, or
/// like an environment.
///
/// # Errors
/// Naming the key.
pub fn check_no_place(project: &Project, target: &ScopeName, key: &str) -> Result<(), Failure> {
    if key == target.service || project.config.is_env(key) || project.is_service(key) {
        let message = format!("{} is named like a service or an environment", quoted(key));
        return Err(Failure::new(message));
    }
    Ok(())
}

/// The same for many keys: what is on the disk is looked at once, not for each.
///
/// # Errors
/// As `check_no_place`; `Read`.
pub fn check_no_places<'a>(
    project: &Project,
    target: &ScopeName,
    keys: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let mut places = project.like_services()?;
    let others = project.config.envs.iter().chain([&target.service]);
    places.extend(others.map(|place| place.to_ascii_lowercase()));
    let is_like_place = |key: &&str| places.contains(&key.to_ascii_lowercase());
    keys.filter(is_like_place).try_for_each(|key| check_no_place(project, target, key))
}

/// The nearest of some other names: one slip away, or two in a longer word.
pub fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.chars().count() {
        0..3 => 0,
        3..5 => 1,
        _ => 2,
    };
    let near = names
        .map(|name| (distance(word, name), name))
        .filter(|(slips, name)| *slips <= allowed && *name != word);
    near.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

/// Letters to insert, delete, replace or swap with a neighbour (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) =
        (one.to_lowercase().chars().collect(), other.to_lowercase().chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut row = vec![at + 1];
        for (place, candidate) in other.iter().enumerate() {
            let replaced = last[place] + usize::from(letter != candidate);
            let mut best = replaced.min(last[place + 1] + 1).min(row[place] + 1);
            if at > 0 && place > 0 && *letter == other[place - 1] && one[at - 1] == *candidate {
                best = best.min(before[place - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        let names = ["production", "staging", "api", "web"];
        let near = |word| nearest(word, names.into_iter());
        assert_eq!(near("prodution"), Some("production"));
        assert_eq!(near("aip"), Some("api"));
        assert_eq!(near("Production"), Some("production"));
        assert_eq!(near("npm"), None);
        assert_eq!(near("worker"), None);
        assert_eq!(distance("", "abc"), 3);
    }
}
