//! `check`: whether every environment has the keys of `.env.example`, and the same keys as the others.
//!
//! Promises: names only; whatever is wrong with a scope is a finding, and the others are checked all
//! the same; what this member may not open is named, never passed over. Refuses an example that it
//! found itself and that is no plain file.

use crate::cli::args::Input;
use crate::cli::dotenv::read;
use crate::cli::report::{Failure, quoted, safe};
use crate::cli::words::Words;
use crate::cli::{counted, load, open, remember};
use crate::disk;
use crate::format::dotenv::{self, FILE_BYTES_MAX, Parsed};
use crate::format::json::{self, Serialize};
use crate::format::scope_file::ScopeName;
use crate::project::Project;
use crate::scope::Scope;
use crate::secret::Secret;
use crate::terminal;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// What the example of a service is called.
pub const EXAMPLE: &str = ".env.example";

/// What was found.
#[derive(Default, Serialize)]
struct Report {
    is_ok: bool,
    findings: Vec<Finding>,
    /// Scopes that opened.
    checked: Vec<String>,
    /// Scopes that this member may not open.
    not_checked: Vec<String>,
}

#[derive(Serialize)]
struct Finding {
    scope: String,
    /// Empty for what concerns all of the scope.
    key: String,
    /// `missing`, `empty`, `uneven`, `conflict` or `shut`.
    kind: &'static str,
    /// The same in words.
    detail: String,
}

impl Report {
    fn add(&mut self, scope: &ScopeName, key: &str, kind: &'static str, detail: String) {
        let (scope, key) = (scope.to_string(), key.to_string());
        self.findings.push(Finding { scope, key, kind, detail });
    }

    /// A line a finding, below the scope that it is about.
    fn text(&self) -> String {
        let (mut text, mut last) = (String::new(), "");
        let width = self.findings.iter().map(|one| one.key.len()).max().unwrap_or(0).min(40);
        // Writing to a string cannot fail.
        for Finding { scope, key, detail, .. } in &self.findings {
            if scope != last {
                let _ = writeln!(text, "{scope}");
            }
            let key = if key.is_empty() { String::new() } else { format!("{key:<width$}  ") };
            let _ = writeln!(text, "  {key}{}", safe(detail));
            last = scope;
        }
        if self.is_ok {
            let _ = writeln!(text, "ok: {}", counted(self.checked.len(), "scope"));
        }
        text
    }
}

/// `kagi check [service] [env]`.
///
/// # Errors
/// Usage; an example that cannot be read; if this member may open none of it; any finding, after all
/// were shown.
pub fn check(input: &mut Input) -> Result<u8, Failure> {
    let project = open(input)?;
    let words = Words::greedy(&project, input, 0)?;
    words.check_known(&project)?;
    let mut report = Report::default();
    for service in services(&project, &words)? {
        check_service(&project, input, &words, &service, &mut report)?;
    }
    remember(&project);
    report.is_ok = report.findings.is_empty();
    if !report.not_checked.is_empty() {
        let names = report.not_checked.join(", ");
        terminal::note(&format!("note: not checked, for this member may not open it: {names}"));
        if report.is_ok && report.checked.is_empty() {
            return Err(Failure::new("nothing was checked"));
        }
    }
    let text = if input.has("json") { json::write(&report) } else { report.text() };
    terminal::print(text.as_bytes())?;
    if report.is_ok {
        return Ok(0);
    }
    Err(Failure::new(counted(report.findings.len(), "finding")))
}

/// The service that is meant, or all of them, also those of which there is only an example yet; where
/// there is none, the default one.
fn services(project: &Project, words: &Words) -> Result<Vec<String>, Failure> {
    let inferred = || project.config.inferred_service(&project.site.below);
    if let Some(service) = words.service.clone().or_else(inferred) {
        return Ok(vec![service]);
    }
    let root = &project.site.root;
    let below = disk::list(root)?.into_iter().map(|entry| entry.name);
    let places = project.config.paths.keys().cloned().chain(below);
    let places = places.filter(|place| disk::exists(&root.join(place).join(EXAMPLE)));
    let mut services: BTreeSet<_> = project.services()?.into_iter().collect();
    services.extend(places.filter_map(|place| project.config.inferred_service(&place)));
    if services.is_empty() {
        services.insert(words.target(project)?.service);
    }
    Ok(services.into_iter().collect())
}

fn check_service(
    project: &Project,
    input: &Input,
    words: &Words,
    service: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let is_chosen = |env: &String| words.env.as_ref().is_none_or(|chosen| chosen == env);
    let example = example_of(project, input, service)?;
    let mut scopes = Vec::new();
    for env in &project.config.envs {
        let name = ScopeName::values(service, env);
        if project.access().scope_key(&name).is_none() {
            report.not_checked.extend(is_chosen(env).then(|| name.to_string()));
            continue;
        }
        match load(project, &name) {
            Ok(found) => scopes.push((name, found.scope)),
            Err(failure) => report.add(&name, "", "shut", failure.message().to_string()),
        }
    }
    let mut holders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, scope) in &scopes {
        for (key, _) in scope.iter() {
            holders.entry(key).or_default().push(&name.env);
        }
    }
    // What the example names is said once.
    for key in &example.1 {
        holders.remove(key.as_str());
    }
    for (name, scope) in scopes.iter().filter(|(name, _)| is_chosen(&name.env)) {
        report.checked.push(name.to_string());
        check_scope(name, scope, &example, &holders, report);
    }
    Ok(())
}

/// Compares a scope with the example, and with who holds which other key.
fn check_scope(
    name: &ScopeName,
    scope: &Scope,
    (shown, wanted): &(String, Vec<String>),
    holders: &BTreeMap<&str, Vec<&str>>,
    report: &mut Report,
) {
    for key in wanted {
        match scope.get(key) {
            [] => report.add(name, key, "missing", format!("missing, but in {shown}")),
            [entry] if entry.value.is_empty() => {
                report.add(name, key, "empty", format!("empty, but needed by {shown}"));
            }
            _ => {}
        }
    }
    for (key, envs) in holders {
        if scope.get(key).is_empty() {
            report.add(name, key, "uneven", format!("missing, but in {}", envs.join(", ")));
        }
    }
    for key in scope.conflicts() {
        report.add(name, key, "conflict", "in conflict (kagi resolve)".to_string());
    }
}

/// The example of a service and its keys. Without one there are no keys, and that is said.
fn example_of(
    project: &Project,
    input: &Input,
    service: &str,
) -> Result<(String, Vec<String>), Failure> {
    let example = match input.text("example")? {
        Some(path) => Some((path.to_string(), dotenv::parse(path, read(path.as_ref())?.expose())?)),
        None => find_example(project, service)?,
    };
    let Some((shown, parsed)) = example else {
        terminal::note(&format!(
            "note: {} has no {EXAMPLE}; its environments are compared with each other",
            quoted(service)
        ));
        return Ok(Default::default());
    };
    Ok((shown, parsed.names().map(str::to_string).collect()))
}

/// The example of a service, with its path from here: that of its directory, else that of the root.
///
/// # Errors
/// One that is no plain file, or malformed.
pub fn find_example(project: &Project, service: &str) -> Result<Option<(String, Parsed)>, Failure> {
    for place in example_places(project, service) {
        if let Some(text) = disk::read(&project.site.root.join(&place), FILE_BYTES_MAX)? {
            let shown = format!("{}{place}", project.site.up);
            let parsed = dotenv::parse(&shown, Secret::from_vec(text).expose())?;
            return Ok(Some((shown, parsed)));
        }
    }
    Ok(None)
}

/// Where the example of a service may be, below the root.
#[must_use]
pub fn example_places(project: &Project, service: &str) -> Vec<String> {
    let mapped = project.config.paths.iter().filter(|(_, mapped)| *mapped == service);
    let mut places: Vec<_> = mapped.map(|(path, _)| format!("{path}/{EXAMPLE}")).collect();
    if project.config.nested {
        places.push(format!("{service}/{EXAMPLE}"));
    }
    places.push(EXAMPLE.to_string());
    places
}
