//! `serve`: a store and its key file are made at the first start, then requests are answered.
//!
//! Promises: the administrator's token is shown once; a first start that was stopped is made up for
//! by the next. Refuses to be reached from other machines unless told what stands in front of it,
//! and to take half of a server, a store without its key or a key without its store, for a new one.

use crate::cli::args::Input;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::cli::{check_output, counted, now};
use crate::crypto::random;
use crate::disk::{self, Mode};
use crate::format::message::token::{AdminToken, Credential, ServerKeys, fingerprint};
use crate::format::text::HEX;
use crate::secret::Secret;
use crate::sync::handler;
use crate::sync::server::{self, Answer, Settings, pipe};
use crate::sync::store::Store;
use crate::sync::store::check;
use crate::terminal;
use std::ffi::OsString;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

const BIND: &str = "127.0.0.1:8787";
const KEY_FILE_BYTES_MAX: usize = 1024;
/// Bytes of the largest request, unless `--max-body` says otherwise, and what it may say.
const BODY_BYTES_MAX: usize = 16 << 20;
const CLEANER_STACK_BYTES: usize = 256 << 10;
const BODY_BYTES: std::ops::RangeInclusive<usize> = 64 << 10..=256 << 20;

/// `kagi serve`.
///
/// # Errors
/// Usage; half of a server; an address that cannot be bound, or may not be; `Busy`, `Read`, `Write`.
pub fn serve(input: &mut Input) -> Result<u8, Failure> {
    let bind = input.text("bind")?.unwrap_or(BIND).to_string();
    if input.has("health") {
        let asked = input.text("health")?.filter(|address| !address.is_empty());
        return Ok(u8::from(!server::is_healthy(&reached(asked.unwrap_or(&bind)))));
    }
    let place = Place::of(input)?;
    if input.has("check") {
        return verify(&place);
    }
    let body_bytes_max = body_bytes_max(input)?;
    if input.has("stdio") {
        let (keys, store) = place.open()?;
        let public = keys.public;
        let answer = answer(Arc::new(store), keys);
        pipe::serve(io::stdin(), io::stdout(), public, body_bytes_max, answer)?;
        return Ok(0);
    }
    if input.has("init") {
        let was_made = disk::exists(&place.key_file);
        let (keys, _) = place.open_or_make()?;
        if !was_made {
            terminal::note("the token is shown this once; kagi remote login --token - takes it");
        }
        terminal::note(&format!("the server is {}", fingerprint(&keys.public)));
        return Ok(0);
    }
    let listener = listen(input, &bind)?;
    let (keys, store) = place.open_or_make()?;
    let address = listener.local_addr().map_or(bind, |address| address.to_string());
    let shown = fingerprint(&keys.public);
    terminal::note(&format!("serving on http://{} ({shown})", safe(&address)));
    let key_page = format!("{} {shown}\n", HEX.encode(&keys.public));
    let is_behind_proxy = input.has("behind-proxy");
    let settings = Settings { body_bytes_max, is_behind_proxy, key_page };
    let store = Arc::new(store);
    clean_up(Arc::clone(&store));
    match server::serve(listener, settings, answer(store, keys))? {}
}

/// Drops what is kept for a while only, now and every day: pushes see to their own project alone.
fn clean_up(store: Arc<Store>) {
    let clean = move || {
        loop {
            if let Err(error) = store.clean(now()) {
                let why = Failure::from(error);
                terminal::note(&format!("note: the store was not cleaned up: {}", why.message()));
            }
            thread::sleep(Duration::from_secs(24 * 3600));
        }
    };
    // Without it the store only grows, until the next start.
    let _ = thread::Builder::new().stack_size(CLEANER_STACK_BYTES).spawn(clean);
}

fn answer(store: Arc<Store>, keys: ServerKeys) -> Box<Answer> {
    Box::new(move |bytes, from| {
        let exchange = handler::exchange(&store, &keys, bytes, from, now())?;
        if let Some(trouble) = exchange.as_ref().and_then(|exchange| exchange.trouble.as_ref()) {
            terminal::note(&format!("note: a request was not done: {}", safe(trouble)));
        }
        Ok(exchange)
    })
}

/// `16777216`, `16384K` or `16M`.
fn body_bytes_max(input: &Input) -> Result<usize, Failure> {
    let Some(typed) = input.text("max-body")? else {
        return Ok(BODY_BYTES_MAX);
    };
    let unit = |letter, unit| typed.strip_suffix(letter).map(|number| (number, unit));
    let (number, unit) = unit('K', 1 << 10).or(unit('M', 1 << 20)).unwrap_or((typed, 1));
    let number = number.parse().ok().and_then(|number: usize| number.checked_mul(unit));
    number.filter(|bytes| BODY_BYTES.contains(bytes)).ok_or_else(|| {
        Failure::usage(format!("--max-body cannot be {}", quoted(typed)))
            .hint("a number of bytes, or 64K to 256M")
    })
}

/// Where a client on this machine reaches an address that was bound, or named as a URL.
fn reached(address: &str) -> String {
    let address = address.strip_prefix("http://").unwrap_or(address);
    let address = address.split('/').next().unwrap_or(address);
    match address.parse::<SocketAddr>() {
        Ok(bound) if bound.ip().is_unspecified() => {
            format!("{}:{}", if bound.is_ipv6() { "[::1]" } else { "127.0.0.1" }, bound.port())
        }
        _ => numbered(address),
    }
}

/// `localhost` as its number: where there is no `/etc/hosts`, nothing else knows it.
fn numbered(address: &str) -> String {
    let port = address.strip_prefix("localhost:");
    port.map_or(address.to_string(), |port| format!("127.0.0.1:{port}"))
}

fn listen(input: &Input, bind: &str) -> Result<TcpListener, Failure> {
    let bind = numbered(bind);
    let address: SocketAddr = bind.parse().map_err(|_| {
        Failure::usage(format!("{} is not an address to bind", quoted(&bind)))
            .hint("an IP address and a port, as in --bind 127.0.0.1:8787")
    })?;
    let may_be_far = input.has("behind-proxy") || input.has("allow-insecure-http");
    if !address.ip().is_loopback() && !may_be_far {
        let failure =
            format!("refusing to be reached from other machines at {address} without TLS");
        return Err(
            Failure::new(failure).hint("--behind-proxy, if a proxy with TLS stands in front")
        );
    }
    TcpListener::bind(address).map_err(|cause| {
        let error = crate::error::Error::new(crate::error::Kind::Write, "").because_of(&cause);
        Failure::new(format!("cannot listen on {address}: {}", safe(&error.cause)))
            .hint("--bind names another address")
    })
}

/// The two halves of a server.
struct Place {
    store: PathBuf,
    key_file: PathBuf,
}

impl Place {
    fn of(input: &Input) -> Result<Self, Failure> {
        let store = input.value("store").or(input.value("db")).ok_or_else(|| {
            Failure::usage("serve needs a directory for its store")
                .hint("kagi serve --store /var/lib/kagi/store")
        })?;
        let absolute = |path: &OsString| {
            std::path::absolute(path)
                .map_err(|_| Failure::new("the working directory cannot be read"))
        };
        let store = absolute(store)?;
        let key_file = match (input.value("key-file"), store.file_name()) {
            (Some(path), _) => absolute(path)?,
            (None, Some(name)) => {
                let mut name = name.to_os_string();
                name.push(".key");
                store.with_file_name(name)
            }
            (None, None) => {
                return Err(Failure::usage("where is the key file?").hint("--key-file names it"));
            }
        };
        if key_file.starts_with(&store) {
            return Err(Failure::usage("the key file cannot be inside of the store")
                .hint("a copy of the store would let everybody in"));
        }
        Ok(Place { store, key_file })
    }

    /// True if something is in the store's directory.
    fn has_store(&self) -> Result<bool, Failure> {
        Ok(disk::exists(&self.store) && !disk::list(&self.store)?.is_empty())
    }

    fn shown(path: &Path) -> String {
        quoted(&path.to_string_lossy())
    }

    fn keys(&self) -> Result<Option<ServerKeys>, Failure> {
        let Some(text) = disk::read_private(&self.key_file, KEY_FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        Ok(Some(ServerKeys::from_text(&self.key_file.to_string_lossy(), &text)?))
    }

    /// The keys of a server that an earlier start has made.
    fn made(&self) -> Result<ServerKeys, Failure> {
        let (store, key_file) = (Place::shown(&self.store), Place::shown(&self.key_file));
        match self.keys()? {
            Some(keys) if self.has_store()? => Ok(keys),
            Some(_) => Err(Failure::new(format!("the store {store} of {key_file} is missing"))
                .hint("bring it back from its backup; to start anew, move the key file away")),
            None if self.has_store()? => Err(self.keyless()),
            None => {
                let directory = shell_word(&self.store.to_string_lossy());
                Err(Failure::new(format!("there is no key file {key_file}"))
                    .hint(format!("kagi serve --init --store {directory}")))
            }
        }
    }

    /// A store without its key file.
    fn keyless(&self) -> Failure {
        let (store, key_file) = (Place::shown(&self.store), Place::shown(&self.key_file));
        Failure::new(format!("the key file {key_file} of {store} is missing"))
            .hint("--key-file names it where it is; if it is lost, move the store away, start anew, and push from a checkout")
    }

    /// Opens what is there, perhaps after a wait.
    fn open(&self) -> Result<(ServerKeys, Store), Failure> {
        let keys = self.made()?;
        let store = Store::open(&self.store, keys.pepper.duplicate(), true)?;
        Ok((keys, store))
    }

    /// Opens what is there, or makes it. A first start that was stopped has no administrator yet, so
    /// it is made up for: the order is key file, showing the token, administrator.
    fn open_or_make(&self) -> Result<(ServerKeys, Store), Failure> {
        let had_keys = disk::exists(&self.key_file);
        if !had_keys {
            check_output()?;
        }
        let keys =
            if had_keys { self.made()? } else { ServerKeys::new(random::key()?, random::key()?) };
        let store = Store::open(&self.store, keys.pepper.duplicate(), false)?;
        match (had_keys, store.is_new()) {
            (true, false) => return Ok((keys, store)),
            (true, true) => {}
            (false, true) => {
                if let Some(parent) = self.key_file.parent() {
                    disk::make_home(parent)?;
                }
                disk::replace(&self.key_file, keys.to_text().expose(), Mode::Private)?;
            }
            (false, false) => {
                return Err(self.keyless());
            }
        }
        show_token(&keys, &store)?;
        Ok((keys, store))
    }
}

/// Makes the administrator, and shows what nobody can ask for again.
fn show_token(keys: &ServerKeys, store: &Store) -> Result<(), Failure> {
    check_output()?;
    let credential = Credential::new(random::bytes()?, random::key()?);
    let token = AdminToken { server: keys.public, credential };
    let mut shown = Secret::with_capacity(1024);
    shown.push(format!("fingerprint {}\nadmin token ", fingerprint(&keys.public)).as_bytes());
    shown.push(token.to_text().expose());
    shown.push(b"\n");
    terminal::print_once(shown.expose())?;
    Ok(store.add_admin(&token.credential, now())?)
}

/// `kagi serve --check`.
fn verify(place: &Place) -> Result<u8, Failure> {
    if !place.has_store()? {
        return Err(Failure::new(format!("there is no store in {}", Place::shown(&place.store))));
    }
    let report = check::check(&place.store)?;
    for problem in &report.problems {
        terminal::note(&safe(problem));
    }
    let (problems, projects) =
        (counted(report.problems.len(), "problem"), counted(report.projects, "project"));
    let (revisions, tokens) =
        (counted(report.revisions, "revision"), counted(report.tokens, "token"));
    let store = Place::shown(&place.store);
    terminal::note(&format!(
        "{store}: {projects}, {revisions}, {tokens}, {} of audit: {problems}",
        counted(usize::try_from(report.lines).unwrap_or(usize::MAX), "line")
    ));
    Ok(u8::from(!report.problems.is_empty()))
}
