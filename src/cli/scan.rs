//! `scan`: the project's values in plain files.
//!
//! Promises: prints file, line and key, never a value; no file is left out silently, whatever its size;
//! with `--staged` what Git would commit is read as Git stores it, and no program of the
//! repository's runs. Refuses to call files clean that it could not read, or without the values.

mod reading;

use crate::cli::args::Input;
use crate::cli::check::example_places;
use crate::cli::counted;
use crate::cli::health::is_plain_env;
use crate::cli::needles::Needles;
use crate::cli::report::{Failure, quoted, shell_word};
use crate::cli::run::open;
use crate::disk;
use crate::error::{Error, Kind};
use crate::format::dotenv::{self, Assignment, FILE_BYTES_MAX};
use crate::format::json::{self, Serialize};
use crate::format::scope_file::ScopeName;
use crate::format::snapshot::Entry;
use crate::process::{git, git_bytes, os_string};
use crate::project::{DIRECTORY, Project};
use crate::secret::Secret;
use crate::terminal;
use reading::{Place, search_files, search_objects};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Shorter values are not looked for: they are in many files by chance.
const VALUE_BYTES_MIN: usize = 8;
/// Nor are values shorter than this that are all small letters, all capitals or all digits.
const WORD_BYTES_MIN: usize = 12;
/// Of a value that is longer the begin is looked for.
const VALUE_BYTES_MAX: usize = 1024;
/// Bytes of the list of files that Git has.
const LIST_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The way on from values that were found.
const LEAVE: &str =
    "take them out, and change what was pushed; what is no secret may stand in .env.example";
/// Changes against the last commit, without programs, links between names or settings of the user's.
#[rustfmt::skip]
const STAGED: [&str; 9] = [
    "diff", "--cached", "--raw", "-z", "--no-renames", "--no-abbrev", "--no-relative",
    "--ignore-submodules=all", "--diff-filter=du",
];

/// `kagi scan [PATH…] [--staged]`.
///
/// # Errors
/// Usage; anything found; anything that could not be looked at or looked for.
pub fn scan(input: &mut Input) -> Result<u8, Failure> {
    let files = Files::chosen(input)?;
    let (wanted, shut) = match open(input).and_then(|project| Wanted::of(&project)) {
        Ok(wanted) => (wanted, None),
        Err(failure) => (Wanted::default(), Some(failure)),
    };
    let values: Vec<_> = wanted.keys.iter().map(|(value, _)| value.expose()).collect();
    let needles = Needles::new(&values);
    let outcomes = match files.objects {
        _ if values.is_empty() => Vec::new(),
        None => search_files(&needles, &files.paths),
        Some(ids) => search_objects(&needles, &ids)?,
    };
    let mut report = Report {
        findings: Vec::new(),
        plain_files: files.plain,
        files: if values.is_empty() { 0 } else { files.paths.len() },
        keys: wanted.keys.len(),
        keys_left_out: wanted.left_out,
        is_complete: shut.is_none(),
    };
    let (mut errors, mut others) = (files.errors, 0);
    for (at, outcome) in outcomes {
        match outcome {
            Ok(places) => report.add(&files.paths[at], &places, &wanted),
            Err(error) if error.kind == Kind::NotPlain => others += 1,
            Err(error) => errors.push(error),
        }
    }
    if others > 0 {
        terminal::note(&format!("note: links and submodules that were not followed: {others}"));
        report.files -= others;
    }
    for error in errors.into_iter().chain(wanted.errors) {
        Failure::from(error).report();
        report.is_complete = false;
    }
    report.print(input.has("json"))?;
    report.verdict(shut)
}

/// What is looked at.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    /// With `--staged`: the id of each one's content.
    objects: Option<Vec<String>>,
    /// The plain `.env` files that Git has or would add.
    plain: Vec<String>,
    errors: Vec<Error>,
}

impl Files {
    fn chosen(input: &Input) -> Result<Self, Failure> {
        let is_git = git(Path::new("."), &["rev-parse", "--is-inside-work-tree"]);
        let is_git = is_git.is_some_and(|text| text == "true\n");
        let paths: Vec<_> = input.words.iter().map(PathBuf::from).collect();
        let no_list = || Failure::new("Git cannot list its files; nothing was looked at");
        match input.has("staged") {
            true if !paths.is_empty() => Err(Failure::usage("--staged takes no PATH")),
            true if !is_git => Err(Failure::new("this is no work tree of Git; nothing is staged")),
            true => Files::staged().ok_or_else(no_list),
            false if !paths.is_empty() => Files::below(&paths),
            false if is_git => {
                let paths = listed(":/").ok_or_else(no_list)?;
                Ok(Files { plain: plain(&paths), paths, ..Files::default() })
            }
            false => {
                terminal::note("note: this is no work tree of Git: looking at every file here");
                Files::below(&[".".into()])
            }
        }
    }

    /// Everything below these paths.
    fn below(roots: &[PathBuf]) -> Result<Self, Failure> {
        let mut all = Files::default();
        for root in roots {
            if !disk::exists(root) {
                return Err(Error::new(Kind::Missing, root.to_string_lossy()).into());
            }
            let (mut paths, errors) = disk::files_below(root, &[".git", DIRECTORY]);
            paths.sort();
            all.paths.append(&mut paths);
            all.errors.extend(errors);
            let of_git = listed(&format!(":(literal){}", root.to_string_lossy()));
            all.plain.append(&mut plain(&of_git.unwrap_or_default()));
        }
        Ok(all)
    }

    /// What a commit would change.
    fn staged() -> Option<Self> {
        let bytes = git_bytes(Path::new("."), &STAGED, LIST_BYTES_MAX)?;
        let (mut paths, mut ids) = (Vec::new(), Vec::new());
        let mut parts = bytes.split(|byte| *byte == 0);
        // `:MODE MODE ID ID STATUS`, then the path.
        while let (Some(change), Some(path)) = (parts.next(), parts.next()) {
            ids.push(String::from_utf8_lossy(change).split(' ').nth(3)?.to_string());
            paths.push(os_string(path).into());
        }
        Some(Files { plain: plain(&paths), paths, objects: Some(ids), ..Files::default() })
    }
}

/// What Git has or would add, below a path.
fn listed(pathspec: &str) -> Option<Vec<PathBuf>> {
    let arguments =
        ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", pathspec];
    let bytes = git_bytes(Path::new("."), &arguments, LIST_BYTES_MAX)?;
    let paths = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let mut paths: Vec<PathBuf> = paths.map(|path| os_string(path).into()).collect();
    paths.sort();
    paths.dedup();
    Some(paths)
}

fn plain(paths: &[PathBuf]) -> Vec<String> {
    let shown = paths.iter().map(|path| path.to_string_lossy().into_owned());
    shown.filter(|path| is_plain_env(path)).collect()
}

/// What is looked for.
#[derive(Default)]
struct Wanted {
    /// Each value with its key, sorted, so that keys with the same value stand together.
    keys: Vec<(Secret, String)>,
    left_out: usize,
    errors: Vec<Error>,
}

impl Wanted {
    /// All values and stored files of all scopes that this device may open.
    fn of(project: &Project) -> Result<Self, Failure> {
        let mut wanted = Wanted::default();
        let mut scopes = project.all_scopes()?;
        scopes.retain(|name| project.access().scope_key(name).is_some());
        let mut all_examples = BTreeMap::new();
        for target in scopes {
            match project.load(&target) {
                Err(error) => wanted.errors.push(error),
                Ok(found) => {
                    let scope = found.unwrap_or_default().scope;
                    let examples = all_examples
                        .entry(target.service.clone())
                        .or_insert_with(|| examples(project, &target.service));
                    for entry in scope.iter().flat_map(|(_, entries)| entries) {
                        wanted.add(&target, entry, examples);
                    }
                }
            }
        }
        wanted.keys.sort_by(|(one, _), (other, _)| one.expose().cmp(other.expose()));
        Ok(wanted)
    }

    fn add(&mut self, target: &ScopeName, entry: &Entry, examples: &[Assignment]) {
        let key = format!("{} of {}", target.labelled(&entry.name), target.place());
        let value = entry.value.expose().trim_ascii();
        let mut alike = examples.iter().filter(|one| one.value.expose().trim_ascii() == value);
        if is_word(value) {
            self.left_out += 1;
        } else if alike.any(|one| *one.name == *entry.name) {
            self.left_out += 1;
            terminal::note(&format!("note: {key} is not looked for: .env.example has that value"));
        } else {
            self.keys.push((Secret::copy_of(&value[..value.len().min(VALUE_BYTES_MAX)]), key));
        }
    }

    /// The keys that have a value.
    fn keys_of(&self, value: usize) -> Vec<String> {
        let (value, keys) = (self.keys[value].0.expose(), &self.keys[value..]);
        let same = keys.iter().take_while(|(other, _)| other.expose() == value);
        same.map(|(_, key)| key.clone()).collect()
    }
}

/// True for what may well be a word of any text, and no secret.
fn is_word(value: &[u8]) -> bool {
    let kinds = [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit];
    let is_of_one_kind = kinds.iter().any(|is_of| value.iter().all(is_of));
    value.len() < VALUE_BYTES_MIN || value.len() < WORD_BYTES_MIN && is_of_one_kind
}

/// What the `.env.example` files of a service and of the root say.
fn examples(project: &Project, service: &str) -> Vec<Assignment> {
    let read = |place: &String| {
        let bytes = disk::read(&project.site.root.join(place), FILE_BYTES_MAX).ok()??;
        Some(dotenv::parse("", &bytes).ok()?.assignments)
    };
    example_places(project, service).iter().filter_map(read).flatten().collect()
}

/// What was found, and what was looked for where.
#[derive(Serialize)]
struct Report {
    findings: Vec<FindingJson>,
    plain_files: Vec<String>,
    files: usize,
    keys: usize,
    keys_left_out: usize,
    is_complete: bool,
}

#[derive(Serialize)]
struct FindingJson {
    path: String,
    line: Option<usize>,
    byte: usize,
    form: String,
    keys: Vec<String>,
}

impl FindingJson {
    fn text(&self) -> String {
        let place = self.line.map_or(format!("byte {}", self.byte), |line| line.to_string());
        format!("{}:{place}: {} ({})\n", shown(&self.path), self.keys.join(", "), self.form)
    }
}

/// A path as editors understand it, quoted where it could be misread.
fn shown(path: &str) -> String {
    let quoted = quoted(path);
    if quoted.len() == path.len() + 2 && !path.contains(": ") { path.to_string() } else { quoted }
}

impl Report {
    fn add(&mut self, path: &Path, places: &[Place], wanted: &Wanted) {
        // Once for a line is enough.
        let line = |place: &Place| place.line.map(|line| (line, place.value, place.form));
        for alike in places.chunk_by(|one, next| line(one).is_some() && line(one) == line(next)) {
            let place = &alike[0];
            self.findings.push(FindingJson {
                path: path.to_string_lossy().into_owned(),
                line: place.line,
                byte: place.byte,
                form: place.form.to_string(),
                keys: wanted.keys_of(place.value),
            });
        }
    }

    fn print(&self, is_json: bool) -> Result<(), Failure> {
        let plain =
            |path| format!("{}: a plain .env file that Git has or would add\n", shown(path));
        let text: String = if is_json {
            json::write(self)
        } else {
            let plain = self.plain_files.iter().map(|path| plain(path));
            self.findings.iter().map(FindingJson::text).chain(plain).collect()
        };
        terminal::print(text.as_bytes())?;
        let (keys, files) = (counted(self.keys, "key"), counted(self.files, "file"));
        let left_out = match self.keys_left_out {
            0 => String::new(),
            count => format!(", and not for {} (see --help)", counted(count, "key")),
        };
        terminal::note(&format!("looked for {keys} in {files}{left_out}"));
        Ok(())
    }

    /// The exit code, and what to do.
    fn verdict(self, shut: Option<Failure>) -> Result<u8, Failure> {
        if let Some(failure) = shut {
            return Err(failure.and("values were not looked for"));
        }
        match (self.findings.as_slice(), self.plain_files.as_slice()) {
            ([], []) if self.is_complete => Ok(0),
            ([], []) => Err(Failure::new("not all could be looked at, or looked for")),
            ([], [path, ..]) => Err(Failure::new("there are plain .env files")
                .hint(format!("git rm --cached -- {}; then .gitignore", shell_word(path)))),
            (findings, _) => {
                Err(Failure::new(format!("{} found", counted(findings.len(), "value"))).hint(LEAVE))
            }
        }
    }
}
