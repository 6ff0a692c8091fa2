//! Addresses of remotes (PROTOCOL 11).
//!
//! Promises: what is taken as an address can stand on a command line, in a request's head and in the
//! settings of `curl` and mean nothing else there; one remote has one text. Refuses users with passwords,
//! queries, blanks, quotes, and everything that a program could take for an option.

use crate::error::{Error, Kind, Result};
use crate::format::message::token::is_remote;
use crate::format::text::decimal;
use crate::sync::remote::Options;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};

/// The address of a remote.
#[derive(Debug)]
pub struct Address {
    text: String,
    pub(super) place: Place,
}

/// Where it leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Http { host: String, port: u16 },
    Https,
    Ssh { destination: String, port: Option<u16>, directory: String },
    Directory(PathBuf),
}

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

impl Address {
    /// Reads an address as a person types it.
    ///
    /// # Errors
    /// `BadText` with the rule. What was typed is named only where it cannot be a token or hold a password.
    pub fn parse(text: &str) -> Result<Self> {
        let is_path = ["/", "./", "../"].iter().any(|begin| text.starts_with(begin))
            || (cfg!(windows) && Path::new(text).is_absolute());
        let is_shown = is_path || (text.contains("://") && !text.contains('@'));
        let failed = |rule| {
            Error::new(Kind::BadText, if is_shown { text } else { "the address" }).because(rule)
        };
        if !is_remote(text) {
            return Err(failed("an address is at most 1024 characters of ASCII without blanks"));
        }
        if is_path || text == "." || text == ".." {
            return directory(text).map_err(failed);
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| failed(FORMS))?;
        let parsed = match scheme.to_ascii_lowercase().as_str() {
            "http" => http(rest),
            "https" => https(rest),
            "ssh" => ssh(rest),
            "file" if rest.starts_with('/') => directory(rest),
            _ => Err(FORMS),
        };
        parsed.map_err(failed)
    }

    /// Its one text (PROTOCOL 11.1).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Plain HTTP leaves this machine only if that is asked for (PROTOCOL 11.2).
    pub(super) fn check_insecure(&self, options: Options) -> Result<()> {
        let is_allowed = || {
            options.allows_insecure_http
                || std::env::var_os("KAGI_ALLOW_INSECURE_HTTP").is_some_and(|value| value == "1")
        };
        match &self.place {
            Place::Http { host, .. } if !is_loopback(host) && !is_allowed() => {
                let rule =
                    "plain http to another machine needs --allow-insecure-http; use https or ssh";
                Err(Error::new(Kind::BadText, &self.text).because(rule))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn unreachable(&self, cause: impl std::fmt::Display) -> Error {
        Error::new(Kind::Unreachable, &self.text).because(cause)
    }

    /// What a program that is not there is needed for.
    pub(super) fn needs(&self, error: Error) -> Error {
        match error.kind {
            Kind::Missing => error.because(format!("{} needs it; install it", self.text)),
            _ => error,
        }
    }

    pub(super) fn not_kagi(&self) -> Error {
        self.unreachable("it does not answer as kagi does")
    }

    pub(super) fn wrong_server(&self) -> Error {
        Error::new(Kind::WrongServer, &self.text)
    }
}

type Parsed = std::result::Result<Address, &'static str>;

const FORMS: &str = "an address is https://HOST, http://HOST, ssh://USER@HOST/DIRECTORY, or a directory: /PATH or ./PATH";

fn http(rest: &str) -> Parsed {
    let (host, port, path) = parts(rest)?;
    if !path.is_empty() {
        return Err("http takes no path");
    }
    let text = format!("http://{host}{}", port_text(port, HTTP_PORT));
    Ok(Address { text, place: Place::Http { host, port: port.unwrap_or(HTTP_PORT) } })
}

fn https(rest: &str) -> Parsed {
    let (host, port, path) = parts(rest)?;
    let text = format!("https://{host}{}{path}", port_text(port, HTTPS_PORT));
    Ok(Address { text, place: Place::Https })
}

fn ssh(rest: &str) -> Parsed {
    let (user, rest) = match rest.split_once('@') {
        Some((user, rest)) if !user.contains('/') => (Some(user), rest),
        _ => (None, rest),
    };
    if user.is_some_and(|user| !is_name(user)) {
        return Err("a user is letters, digits, dots, dashes and underscores");
    }
    let (host, port, path) = parts(rest)?;
    if path.is_empty() {
        return Err("ssh needs the store's directory: ssh://USER@HOST/DIRECTORY");
    }
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let text = format!("ssh://{user}{host}{}{path}", port_text(port, 0));
    let destination = format!("{user}{}", host.trim_matches(['[', ']']));
    Ok(Address { text, place: Place::Ssh { destination, port, directory: path } })
}

fn directory(text: &str) -> Parsed {
    let here = std::env::current_dir().map_err(|_| "the working directory cannot be read")?;
    let mut path = PathBuf::new();
    for part in here.join(text).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    let text = path.to_str().filter(|text| is_remote(text) && path != Path::new("/"));
    let text = text.ok_or("the path of a directory is ASCII without blanks, and not the root")?;
    Ok(Address { text: text.to_string(), place: Place::Directory(path.clone()) })
}

/// Host, port and path of `HOST[:PORT][/PATH]`.
fn parts(rest: &str) -> std::result::Result<(String, Option<u16>, String), &'static str> {
    let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let end = place.find(']').map_or(0, |end| end + 1);
    let (host, port) = match place[end..].find(':') {
        Some(at) => (&place[..end + at], Some(&place[end + at + 1..])),
        None => (place, None),
    };
    let port = match port.map(|text| decimal::<u16>(text).filter(|port| *port > 0)) {
        None => None,
        Some(None) => return Err("a port is a number from 1 to 65535"),
        Some(port) => port,
    };
    let path = path.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+=,:@".contains(&byte);
    let is_part = |part: &str| !["", ".", ".."].contains(&part) && part.bytes().all(is_plain);
    if !path.is_empty() && !path[1..].split('/').all(is_part) {
        return Err("a path is letters, digits and -._~+=,:@ between single slashes");
    }
    Ok((host_of(host)?, port, path.to_string()))
}

fn host_of(text: &str) -> std::result::Result<String, &'static str> {
    let literal = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    match literal.map(str::parse::<Ipv6Addr>) {
        Some(Ok(literal)) => Ok(format!("[{literal}]")),
        None if is_name(text) => Ok(text.to_ascii_lowercase()),
        _ => Err("a host is a name or a number, without a user"),
    }
}

/// True for what no program takes for an option, nor a shell for anything but a word.
fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(is_plain)
}

fn port_text(port: Option<u16>, usual: u16) -> String {
    let port = port.filter(|port| *port != usual);
    port.map(|port| format!(":{port}")).unwrap_or_default()
}

/// The numbers of a host that needs no resolver.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

pub(super) const LOCALHOST: &str = "localhost";

fn is_loopback(host: &str) -> bool {
    host == LOCALHOST || literal(host).is_some_and(|number| number.is_loopback())
}
