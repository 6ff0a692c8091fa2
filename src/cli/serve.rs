//! `serve`: a store and its key file are made at the first start, then requests are answered.
//!
//! Promises: the administrator's token is shown once, and the key file is written after that: where
//! it is, the first start was complete. Refuses to be reached from other machines unless told what
//! stands in front of it, and to take half of a server, a store without its key or a key without
//! its store, for a new one.

use crate::cli::args::Input;
use crate::cli::now;
use crate::cli::report::{Failure, quoted, safe, shell_word};
use crate::crypto::random;
use crate::disk::{self, Mode};
use crate::format::message::token::{AdminToken, Credential, ServerKeys, fingerprint};
use crate::format::text::HEX;
use crate::secret::Secret;
use crate::sync::handler;
use crate::sync::server::{self, Answer, Settings};
use crate::sync::store::{self, Store};
use crate::terminal;
use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

const BIND: &str = "127.0.0.1:8787";
const KEY_FILE_BYTES_MAX: usize = 1024;
/// Bytes of the largest request, unless `--max-body` says otherwise, and what it may say.
const BODY_BYTES_MAX: usize = 16 << 20;
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
        return check(&place);
    }
    let body_bytes_max = body_bytes_max(input)?;
    if input.has("stdio") {
        let (keys, store) = place.open(true)?;
        let public = keys.public;
        let (stdin, stdout) = (io::stdin(), io::stdout().lock());
        server::serve_frames(stdin, stdout, &public, body_bytes_max, &*answer(store, keys))?;
        return Ok(0);
    }
    let is_new = !place.has_keys() && !place.has_store()?;
    if input.has("init") {
        return init(&place, is_new);
    }
    let listener = listen(input, &bind)?;
    let (keys, store) = if is_new { place.make()? } else { place.open(false)? };
    let address = listener.local_addr().map_or(bind, |address| address.to_string());
    let shown = fingerprint(&keys.public);
    terminal::note(&format!("serving on http://{} ({shown})", safe(&address)));
    let key_page = format!("{} {shown}\n", HEX.encode(&keys.public));
    let is_behind_proxy = input.has("behind-proxy");
    let settings = Settings { body_bytes_max, is_behind_proxy, key_page };
    match server::serve(listener, settings, answer(store, keys))? {}
}

fn answer(store: Store, keys: ServerKeys) -> Box<Answer> {
    Box::new(move |bytes, from| handler::exchange(&store, &keys, bytes, from, now()))
}

/// `16777216`, `16384K` or `16M`.
fn body_bytes_max(input: &Input) -> Result<usize, Failure> {
    let Some(typed) = input.text("max-body")? else {
        return Ok(BODY_BYTES_MAX);
    };
    let (number, unit) = match typed.split_at(typed.len().saturating_sub(1)) {
        (number, "K") => (number, 1 << 10),
        (number, "M") => (number, 1 << 20),
        _ => (typed, 1),
    };
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
        Ok(bound) if bound.ip().is_unspecified() => format!("localhost:{}", bound.port()),
        _ => address.to_string(),
    }
}

fn listen(input: &Input, bind: &str) -> Result<TcpListener, Failure> {
    let bind = bind
        .strip_prefix("localhost:")
        .map_or(bind.to_string(), |port| format!("127.0.0.1:{port}"));
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

    /// True if something is where the key file should be.
    fn has_keys(&self) -> bool {
        disk::exists(&self.key_file)
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
        match (self.keys()?, self.has_store()?) {
            (Some(keys), true) => Ok(keys),
            (None, false) => {
                let directory = shell_word(&self.store.to_string_lossy());
                Err(Failure::new(format!("there is no server in {store}"))
                    .hint(format!("kagi serve --init --store {directory}")))
            }
            (None, true) => Err(Failure::new(format!("the key file {key_file} of {store} is missing"))
                .hint("bring it back from its backup; if it is lost, move the store away, start anew, and push from a checkout")),
            (Some(_), false) => Err(Failure::new(format!("the store {store} of {key_file} is missing"))
                .hint("bring it back from its backup; to start anew, move the key file away")),
        }
    }

    fn open(&self, waits: bool) -> Result<(ServerKeys, Store), Failure> {
        let keys = self.made()?;
        let store = Store::open(&self.store, keys.pepper.duplicate(), waits)?;
        Ok((keys, store))
    }

    /// Makes the store and the key file, and shows what nobody can ask for again.
    fn make(&self) -> Result<(ServerKeys, Store), Failure> {
        let keys = ServerKeys::new(random::key()?, random::key()?);
        for parent in [&self.store, &self.key_file].into_iter().filter_map(|path| path.parent()) {
            disk::make_home(parent)?;
        }
        let store = Store::open(&self.store, keys.pepper.duplicate(), false)?;
        if self.has_keys() {
            return Err(Failure::new("another first start was faster").hint("run it again"));
        }
        match self.complete(&keys, &store) {
            Ok(()) => Ok((keys, store)),
            Err(failure) => {
                drop(store);
                // It was not there before; what cannot be removed says so at the next start.
                let _ = disk::remove_tree(&self.store);
                Err(failure.and("no server was made"))
            }
        }
    }

    fn complete(&self, keys: &ServerKeys, store: &Store) -> Result<(), Failure> {
        let credential = Credential::new(random::bytes()?, random::key()?);
        store.add_admin(credential.duplicate(), now())?;
        let token = AdminToken { server: keys.public, credential }.to_text();
        let mut shown = Secret::with_capacity(1024);
        shown.push(format!("fingerprint {}\nadmin token ", fingerprint(&keys.public)).as_bytes());
        shown.push(token.expose());
        shown.push(b"\n");
        terminal::print_once(shown.expose())?;
        // Shown first: a token that was never seen would be of no use for ever.
        Ok(disk::replace(&self.key_file, keys.to_text().expose(), Mode::Private)?)
    }
}

/// `kagi serve --init`; where a server is, it stays.
fn init(place: &Place, is_new: bool) -> Result<u8, Failure> {
    if is_new {
        place.make()?;
    } else {
        let keys = place.made()?;
        terminal::note(&format!("the server is there already ({})", fingerprint(&keys.public)));
    }
    Ok(0)
}

/// `kagi serve --check`.
fn check(place: &Place) -> Result<u8, Failure> {
    let problems = store::check(&place.store)?;
    for problem in &problems {
        terminal::note(&safe(problem));
    }
    if problems.is_empty() {
        terminal::note(&format!("the store {} is sound", Place::shown(&place.store)));
    }
    Ok(u8::from(!problems.is_empty()))
}
