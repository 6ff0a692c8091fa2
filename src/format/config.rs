//! `.kagi/kagi.json`: which environments there are and how words become scopes (FORMAT 6).
//!
//! Holds no secret. The roster vouches for its hash, so only a full member can change it.

use crate::error::Result;
use crate::format::json::{self, Deserialize, Serialize};
use crate::format::names::{check_place, is_id, is_unprintable};
use crate::format::rules_of;
use std::collections::BTreeMap;

/// Bytes of `kagi.json`.
pub const CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Environments in a project.
pub const ENVS_MAX: usize = 64;
/// Path mappings in a project.
const PATHS_MAX: usize = 256;
/// Bytes of the address of a remote.
const SYNC_BYTES_MAX: usize = 1024;

/// The configuration, in the order in which it is written.
#[derive(Clone, Serialize, Deserialize)]
pub struct Config {
    /// 1.
    pub format: u32,
    /// The project id.
    pub project: String,
    /// The environments, in the order in which they are shown.
    pub envs: Vec<String>,
    /// The environment that is meant when none is named.
    pub default_env: String,
    /// True if the first directory below the root names the service.
    pub nested: bool,
    /// The service that is meant when none is named or inferred; empty for none.
    pub default_service: String,
    /// Directories below the root, with `/`, to the service that they mean.
    pub paths: BTreeMap<String, String>,
    /// Address of the remote; empty for none.
    pub sync: String,
}

impl Config {
    /// Reads and checks `kagi.json`.
    ///
    /// # Errors
    /// `TooLarge`, `NotCanonical`, or `BadText` with the rule of FORMAT 6 that is broken.
    pub fn read(subject: &str, bytes: &[u8]) -> Result<Self> {
        let config: Config = json::read(subject, bytes, CONFIG_BYTES_MAX)?;
        config.check(subject)?;
        Ok(config)
    }

    /// The bytes that the roster's hash is taken of.
    #[must_use]
    pub fn write(&self) -> String {
        json::write(self)
    }

    fn check(&self, subject: &str) -> Result<()> {
        let check = rules_of(subject);
        let lower: Vec<_> = self.envs.iter().map(|env| env.to_ascii_lowercase()).collect();
        let is_env =
            |at: usize| check_place(&lower[at]).is_ok() && !lower[..at].contains(&lower[at]);
        let is_service = |name: &str| check_place(name).is_ok() && !self.is_env_like(name);
        let is_mapping = |(path, service): (&String, &String)| is_path(path) && is_service(service);
        check(self.format == 1, "its format is not 1")?; // FORMAT 6.1
        check(is_id("kgp_", &self.project), "its project id is malformed")?; // FORMAT 6.2
        let is_counted = (1..=ENVS_MAX).contains(&self.envs.len());
        check(is_counted, "it must list 1 to 64 environments")?; // FORMAT 6.3
        let are_envs = (0..lower.len()).all(is_env);
        check(are_envs, "an environment's name is malformed or listed twice")?; // FORMAT 6.3
        let is_listed = self.is_env(&self.default_env);
        check(is_listed, "its default environment is not listed")?; // FORMAT 6.4
        let is_default = self.default_service.is_empty() || is_service(&self.default_service);
        check(is_default, "its default service is malformed or named like an environment")?; // FORMAT 6.5
        let are_paths = self.paths.len() <= PATHS_MAX && self.paths.iter().all(is_mapping);
        check(are_paths, "a path mapping is malformed")?; // FORMAT 6.6
        let is_short = self.sync.len() <= SYNC_BYTES_MAX;
        let is_address = is_short && self.sync.bytes().all(|byte| byte.is_ascii_graphic());
        check(is_address, "its remote is malformed") // FORMAT 6.7
    }

    /// True if the word is a listed environment.
    #[must_use]
    pub fn is_env(&self, word: &str) -> bool {
        self.envs.iter().any(|env| env == word)
    }

    /// True if the word is a listed environment in whatever case: no other name may be that
    /// (FORMAT 3.7).
    #[must_use]
    pub fn is_env_like(&self, word: &str) -> bool {
        self.envs.iter().any(|env| env.eq_ignore_ascii_case(word))
    }

    /// The service that a directory means: `below` is its path below the root, with `/`.
    /// The longest mapping wins, then the first directory of a nested project (FORMAT 6.8).
    #[must_use]
    pub fn inferred_service(&self, below: &str) -> Option<String> {
        let within = |path: &str| {
            below.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mapped = self.paths.iter().filter(|(path, _)| within(path));
        if let Some((_, service)) = mapped.max_by_key(|(path, _)| path.len()) {
            return Some(service.clone());
        }
        let first = below.split('/').next()?;
        let usable = self.nested && check_place(first).is_ok() && !self.is_env_like(first);
        usable.then(|| first.to_string())
    }
}

/// A relative path with `/`, without empty, `.` or `..` parts, backslashes or control characters.
fn is_path(path: &str) -> bool {
    path.len() <= 1024
        && !path.contains('\\')
        && !path.chars().any(is_unprintable)
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}
