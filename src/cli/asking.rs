//! Who asks a server for something, and with which token.
//!
//! Promises: a token is sent only to the server whose key it names, and printed nowhere; an answer is
//! what it should be, or a failure. Refuses to guess which server is meant.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::disk;
use crate::error::Error;
use crate::format::message::token::{
    ADMIN_PREFIX, AdminToken, Credential, PROJECT_PREFIX, TOKEN_BYTES_MAX,
};
use crate::format::names::is_id;
use crate::keys::Home;
use crate::keys::remote::{KnownRemote, token_from_environment};
use crate::process;
use crate::secret::Secret;
use crate::sync::client::{self, Remote};
use crate::sync::protocol::{Operation, Response};
use crate::sync::remote::{self, Address, Options, Server};
use crate::terminal;

/// A server, who asks it, and about which project.
pub struct Asking {
    server: Box<dyn Server>,
    /// Its public key; `None` for a directory.
    pub key: Option<[u8; 32]>,
    credential: Option<Credential>,
    /// Project id; empty for what concerns the whole server.
    pub project: String,
}

impl Asking {
    /// Opens a remote. `key` is `None` only for a directory, `project` empty for the whole server.
    ///
    /// # Errors
    /// As `sync::remote::open`.
    pub fn new(
        input: &Input,
        address: &str,
        key: Option<[u8; 32]>,
        credential: Option<Credential>,
        project: &str,
    ) -> Result<Self, Failure> {
        let server = remote::open(address, key, options(input))?;
        Ok(Asking { server, key, credential, project: project.to_string() })
    }

    /// Its address, safe to print.
    #[must_use]
    pub fn address(&self) -> String {
        safe(self.server.address())
    }

    /// Its address as it is.
    #[must_use]
    pub fn remote(&self) -> String {
        self.server.address().to_string()
    }

    /// True for the id of the token that is shown to it.
    #[must_use]
    pub fn is_own(&self, id: &str) -> bool {
        self.credential.as_ref().is_some_and(|credential| credential.id == id)
    }

    /// Asks, and gives back what the answer should hold.
    ///
    /// # Errors
    /// `Unreachable`, `WrongServer`; a refusal in words.
    pub fn ask<T: TryFrom<Response, Error = Response>>(
        &mut self,
        operation: Operation,
    ) -> Result<T, Failure> {
        let answer = self.server.call(self.credential.as_ref(), &self.project, operation)?;
        Ok(T::try_from(answer).map_err(|other| client::refused(self.server.address(), other))?)
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// As `ask`.
    pub fn tell(&mut self, operation: Operation) -> Result<(), Failure> {
        self.ask(operation)
    }
}

/// How a remote is opened.
#[must_use]
pub fn options(input: &Input) -> Options {
    let complain = |line: &str| terminal::note(&format!("ssh: {}", safe(line)));
    Options { allows_insecure_http: input.has("allow-insecure-http"), complain }
}

/// The address of `--remote`; a directory is made absolute.
///
/// # Errors
/// Usage without it.
pub fn address(input: &Input) -> Result<String, Failure> {
    let name = input.command.name;
    let missing =
        || Failure::usage(format!("{name} needs --remote URL")).hint(format!("kagi {name} --help"));
    given_address(input)?.ok_or_else(missing)
}

/// The address of `--remote`, if there is one.
///
/// # Errors
/// `BadText`.
pub fn given_address(input: &Input) -> Result<Option<String>, Failure> {
    let text = |given| Ok(Address::parse(given)?.text().to_string());
    input.text("remote")?.map(text).transpose()
}

/// True for a remote without a server.
#[must_use]
pub fn is_directory(address: &str) -> bool {
    std::path::Path::new(address).is_absolute()
}

/// A token that was given as a word, or with `-` read: the first line of standard input, or what is
/// typed. With what to call it.
///
/// # Errors
/// `Read`, `TooLarge`.
pub fn token_text(given: &str) -> Result<(&'static str, Secret), Failure> {
    if given != "-" {
        return Ok(("the token", Secret::copy_of(given.as_bytes())));
    }
    if terminal::can_ask() {
        terminal::note_raw("token (not shown): ");
        let typed = process::read_hidden_line();
        // The line break that was typed was not shown.
        terminal::note_raw("\n");
        return Ok(("what was typed", typed?));
    }
    let mut text = disk::read_stdin(TOKEN_BYTES_MAX)?;
    let end = text.expose().iter().position(|byte| *byte == b'\n');
    text.truncate(end.unwrap_or(text.len()));
    Ok(("standard input", text))
}

/// Why a text is not the token that it should be, which begins with `expected`.
#[must_use]
pub fn not_a_token(error: Error, text: &Secret, expected: &str) -> Failure {
    let begins = |prefix: &str| text.expose().trim_ascii().starts_with(prefix.as_bytes());
    let hint = if begins(expected) {
        "a token is one line: copy all of it"
    } else if begins(ADMIN_PREFIX) {
        "that is an administrator's token: kagi remote login --remote URL --token -"
    } else if begins(PROJECT_PREFIX) {
        "that is a project's token: kagi pull -"
    } else if expected == ADMIN_PREFIX {
        "kagi serve shows it at its first start"
    } else {
        "kagi project approve and kagi token issue show one; kagi pull - reads it"
    };
    Failure::from(error).hint(hint)
}

/// The server that the administrator means, to be asked about a project, or (empty) all of it, with the administrator's token: the one of
/// `--remote`, else the only one that this device has a login for.
///
/// # Errors
/// No login; several and no `--remote`; what keeps a remote from being opened.
pub fn admin(input: &Input, project: &str) -> Result<Asking, Failure> {
    let names = ["KAGI_ADMIN_TOKEN", "KAGI_ADMIN_TOKEN_FILE"];
    let variable = token_from_environment(names, AdminToken::from_text)?;
    let home = Home::find()?;
    let address = match given_address(input)? {
        Some(address) => address,
        None => only_login(&home, variable.is_some())?,
    };
    if is_directory(&address) {
        return Asking::new(input, &address, None, None, project);
    }
    let token = match variable {
        Some(token) => token,
        None => home.login(&address)?.ok_or_else(|| no_login(&address))?,
    };
    Asking::new(input, &address, Some(token.server), Some(token.credential), project)
}

fn no_login(address: &str) -> Failure {
    let message = format!("this device has no administrator's token for {}", quoted(address));
    let url = shell_word(address);
    Failure::new(message).hint(format!("kagi remote login --remote {url} --token -"))
}

fn only_login(home: &Home, has_token: bool) -> Result<String, Failure> {
    let mut logins = home.logins()?;
    match (logins.pop(), logins.len(), has_token) {
        (Some(address), 0, _) => Ok(address),
        (None, _, false) => Err(Failure::new("this device has no administrator's token")
            .hint("kagi remote login --remote URL --token -")),
        _ => Err(Failure::usage("which server is meant?").hint("--remote URL names it")),
    }
}

/// The server of a project, to be asked with the token that the environment or this device has; and
/// what this device knows of it.
///
/// # Errors
/// `NoRemote`; a token for another project; what keeps a remote from being opened.
pub fn of_project(input: &Input, project: &str) -> Result<(Asking, KnownRemote), Failure> {
    let Remote { known, .. } = client::remote(Home::find().ok().as_ref(), Some(project))?;
    let token = known.token.as_ref();
    let credential = token.map(|token| token.credential.duplicate());
    let key = token.map(|token| token.server);
    Ok((Asking::new(input, &known.address, key, credential, project)?, known))
}

/// The id of a project, as it was typed.
///
/// # Errors
/// Usage for anything else.
pub fn project_id(text: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::usage("a project is named by its id, kgp_ and 20 characters")
            .hint("kagi project list")
    };
    is_id("kgp_", text).then(|| text.to_string()).ok_or_else(wrong)
}
