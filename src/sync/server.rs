//! The server: connections, threads, limits and deadlines; in `pipe`, the same over a pipe.
//!
//! Promises: one request a connection; every wait has an absolute end; threads, memory and what is
//! held back are bounded, and where a bound is reached it is the oldest request that is not
//! complete that goes, so that complete ones are answered. A thread serves whom it has accepted, and
//! sees that another one accepts meanwhile. Refuses to end: there is no code for shutting down, and
//! the store is safe at every instant.

pub mod pipe;

use crate::error::{Error, Kind, Result};
use crate::sync::handler::Exchange;
use crate::sync::http::{CHANNEL_TYPE, Head, Parser, Route, Status, TEXT_TYPE};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Connections that are served at once, each by a thread.
const CONNECTIONS_MAX: usize = 512;
/// Threads that are kept for what comes next.
const SPARE_WORKERS_MAX: usize = 16;
/// Requests that are answered at once: the others wait for a moment.
const ANSWERING_MAX: usize = 16;
/// Of a thread; what is not used has no memory behind it. The hash of many bytes needs much of it.
const STACK_BYTES: usize = 1024 * 1024;
/// Bytes of requests and responses that are held at once, unless one alone may be larger.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a request or response may stand still, or move more slowly than it must.
const PATIENCE: Duration = Duration::from_secs(5);
const BYTES_A_SECOND_MIN: u128 = 64 * 1024;
/// Bytes of a body that are read or written at once: after each of them the pace is looked at.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of a read before the request's length is known: most requests are smaller. They are on the
/// stack, so that a connection that sends nothing has no buffer.
const FIRST_READ_BYTES: usize = 1024;
/// What is still read of a request that was refused, so that its sender sees the answer.
const DRAINED_BYTES_MAX: usize = 32 * 1024 * 1024;
const DRAINING: Duration = Duration::from_secs(1);
/// How long an answer is held back that says that a token is not accepted.
const DENIED_AFTER: Duration = Duration::from_secs(1);
/// Such answers that are held back, in all and of one address; others are not given.
const DENIED_MAX: usize = 1024;
const DENIED_PER_ADDRESS_MAX: usize = 16;
/// How long nothing is accepted if the system gives no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Answers the bytes of a request from an address; `None` if they do not open.
pub type Answer = dyn Fn(&[u8], &str) -> Result<Option<Exchange>> + Send + Sync;

/// How a server is.
pub struct Settings {
    /// Bytes of the largest body.
    pub body_bytes_max: usize,
    /// True if requests come from a proxy, which says who they are from.
    pub is_behind_proxy: bool,
    /// The server's public key as text (PROTOCOL 9.1).
    pub key_page: String,
}

/// What a connection is doing, in the order in which it may be closed to make room.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The request is not complete.
    Reading,
    /// The answer is sent, and the peer has not closed.
    Draining,
    /// The answer is being sent.
    Writing,
    /// It is being answered, which is never cut short.
    Answering,
    /// It was closed to make room.
    Closed,
}

struct Place {
    stream: Arc<TcpStream>,
    stage: Stage,
    bytes: usize,
}

/// Who is being served, and by how many threads.
#[derive(Default)]
struct Places {
    /// By the order of their arrival.
    open: BTreeMap<u64, Place>,
    arrived: u64,
    /// Threads, and those of them that accept.
    workers: usize,
    waiting: usize,
    answering: usize,
    /// Threads that wait until fewer are being answered.
    held_up: usize,
    bytes: usize,
}

/// An answer that is held back.
struct Denied {
    due: Instant,
    stream: Arc<TcpStream>,
    address: IpAddr,
    bytes: Vec<u8>,
}

struct Server {
    listener: TcpListener,
    settings: Settings,
    answer: Box<Answer>,
    places: Mutex<Places>,
    answered: Condvar,
    denied: Mutex<VecDeque<Denied>>,
    was_denied: Condvar,
}

/// One connection, in the hands of its worker.
struct Connection<'a> {
    server: &'a Server,
    number: u64,
    stream: Arc<TcpStream>,
    address: IpAddr,
}

/// A panic would have ended the process, so nothing is left half done behind a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until the process ends.
///
/// # Errors
/// `NotStarted` if there can be no thread at all.
pub fn serve(listener: TcpListener, settings: Settings, answer: Box<Answer>) -> Result<Infallible> {
    let places = Places { workers: 1, waiting: 1, ..Places::default() };
    let server = Arc::new(Server {
        listener,
        settings,
        answer,
        places: Mutex::new(places),
        answered: Condvar::new(),
        denied: Mutex::default(),
        was_denied: Condvar::new(),
    });
    let failed = |cause| Error::new(Kind::NotStarted, "a thread").because_of(&cause);
    spawn(&server).map_err(failed)?;
    server.answer_denied()
}

fn spawn(server: &Arc<Server>) -> io::Result<()> {
    let server = Arc::clone(server);
    let worker = thread::Builder::new().stack_size(STACK_BYTES);
    worker.spawn(move || work(&server)).map(|_| ())
}

/// Accepts and serves, one connection after the other.
fn work(server: &Arc<Server>) {
    loop {
        let (stream, address) = server.accept();
        hand_over(server);
        Connection::new(server, stream, address).serve();
        if !server.has_use() {
            return;
        }
    }
}

/// Sees that a thread accepts while this one serves: one that waits, or a new one, or that of the
/// oldest connection that can be spared.
fn hand_over(server: &Arc<Server>) {
    let mut places = lock(&server.places);
    places.waiting -= 1;
    if places.waiting > 0 {
        return;
    }
    if places.workers <= CONNECTIONS_MAX {
        (places.workers, places.waiting) = (places.workers + 1, places.waiting + 1);
        drop(places);
        if spawn(server).is_ok() {
            return;
        }
        // No more threads: this one comes back itself, late rather than never.
        places = lock(&server.places);
        (places.workers, places.waiting) = (places.workers - 1, places.waiting - 1);
    }
    places.close_oldest(0);
}

impl Places {
    /// Closes the oldest of those that can be spared and hold at least so many bytes; its worker
    /// notices. False if there is none.
    fn close_oldest(&mut self, bytes_min: usize) -> bool {
        let spare = self
            .open
            .iter_mut()
            .filter(|(_, place)| place.stage < Stage::Answering && place.bytes >= bytes_min);
        let Some((_, place)) = spare.min_by_key(|(number, place)| (place.stage, **number)) else {
            return false;
        };
        place.stage = Stage::Closed;
        self.bytes -= std::mem::take(&mut place.bytes);
        // It is closed already if this fails.
        let _ = place.stream.shutdown(Shutdown::Both);
        true
    }
}

impl Server {
    /// The next connection.
    fn accept(&self) -> (Arc<TcpStream>, IpAddr) {
        loop {
            match self.listener.accept() {
                Ok((stream, from)) => return (Arc::new(stream), from.ip().to_canonical()),
                Err(cause) if cause.kind() == ErrorKind::ConnectionAborted => {}
                // No more descriptors, or no memory: some are given back, and this is no busy loop.
                Err(_) => {
                    if lock(&self.denied).pop_front().is_none() {
                        lock(&self.places).close_oldest(0);
                        thread::sleep(ACCEPT_PAUSE);
                    }
                }
            }
        }
    }

    /// True if a thread that has nothing to do is to accept, and not to end.
    fn has_use(&self) -> bool {
        let mut places = lock(&self.places);
        let has_use = places.waiting < SPARE_WORKERS_MAX;
        places.waiting += usize::from(has_use);
        places.workers -= usize::from(!has_use);
        has_use
    }

    /// Holds an answer back, and the connection with it, but no worker. What does not fit is
    /// dropped: that closes the connection (PROTOCOL 9.9).
    fn hold_back(&self, stream: Arc<TcpStream>, address: IpAddr, bytes: Vec<u8>) {
        let mut denied = lock(&self.denied);
        let of_address = denied.iter().filter(|other| other.address == address).count();
        if denied.len() < DENIED_MAX && of_address < DENIED_PER_ADDRESS_MAX {
            denied.push_back(Denied { due: Instant::now() + DENIED_AFTER, stream, address, bytes });
            self.was_denied.notify_one();
        }
    }

    /// Gives the answers that were held back, in the order in which they are due.
    fn answer_denied(&self) -> ! {
        let mut denied = lock(&self.denied);
        loop {
            denied = match denied.front().map(|first| first.due.duration_since(Instant::now())) {
                None => self.was_denied.wait(denied).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    if let Some(Denied { stream, bytes, .. }) = denied.pop_front() {
                        // It is smaller than the system's buffer, so this does not wait.
                        let _ = (&*stream).write(&bytes);
                    }
                    denied
                }
                Some(wait) => {
                    drop(denied);
                    thread::sleep(wait);
                    lock(&self.denied)
                }
            };
        }
    }
}

impl<'a> Connection<'a> {
    fn new(server: &'a Server, stream: Arc<TcpStream>, address: IpAddr) -> Self {
        let mut places = lock(&server.places);
        let number = places.arrived;
        places.arrived += 1;
        let place = Place { stream: Arc::clone(&stream), stage: Stage::Reading, bytes: 0 };
        places.open.insert(number, place);
        Connection { server, number, stream, address }
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let mut places = lock(&self.server.places);
        if let Some(place) = places.open.remove(&self.number) {
            places.bytes -= place.bytes;
        }
    }
}

/// How fast something moves: the last time that it was fast enough, and the bytes since.
struct Pace {
    since: Instant,
    bytes: usize,
}

impl Pace {
    fn new() -> Self {
        Pace { since: Instant::now(), bytes: 0 }
    }

    /// Counts bytes that have moved.
    fn moved(&mut self, bytes: usize) {
        self.bytes += bytes;
        let (now, bytes) = (Instant::now(), u128::try_from(self.bytes).unwrap_or(u128::MAX));
        if bytes * 1000 >= now.duration_since(self.since).as_millis() * BYTES_A_SECOND_MIN {
            *self = Pace { since: now, bytes: 0 };
        }
    }

    /// The time that is left to be fast enough again (PROTOCOL 9.8).
    fn left(&self) -> Option<Duration> {
        let left = (self.since + PATIENCE).duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }
}

impl Connection<'_> {
    /// Reads a request and answers it.
    fn serve(&self) {
        let mut bytes = Vec::new();
        let head = match self.receive(&mut bytes) {
            Ok(head) => head,
            Err(Some(status)) => return self.send_and_drain(status),
            Err(None) => return,
        };
        let has_more = bytes.len() > head.end;
        let sent = match head.route {
            Route::Health => self.send(Status::OK, TEXT_TYPE, b"ok\n"),
            Route::ServerKey => {
                self.send(Status::OK, TEXT_TYPE, self.server.settings.key_page.as_bytes())
            }
            Route::Rpc => self.answer(&head, bytes),
        };
        if has_more && sent {
            self.drain();
        }
    }

    /// Lets the handler answer. True if an answer was sent.
    fn answer(&self, head: &Head, bytes: Vec<u8>) -> bool {
        if !self.begin_to_answer(bytes.len()) {
            return false;
        }
        let is_behind_proxy = self.server.settings.is_behind_proxy;
        let address = head.forwarded_for.filter(|_| is_behind_proxy).unwrap_or(self.address);
        let answer = (self.server.answer)(&bytes[head.begin..head.end], &address.to_string());
        drop(bytes);
        let (status, body, is_denied) = match answer {
            Ok(Some(exchange)) => (Status::OK, exchange.bytes, exchange.is_denied),
            Ok(None) => (Status::BAD, Vec::new(), false),
            Err(_) => (Status::INTERNAL, Vec::new(), false),
        };
        if !self.turn(Stage::Writing, body.len()) {
            return false;
        }
        if is_denied {
            let response = [status.head(CHANNEL_TYPE, body.len()), body].concat();
            self.server.hold_back(Arc::clone(&self.stream), address, response);
            return false;
        }
        self.send(status, CHANNEL_TYPE, &body)
    }

    /// Reads until the request is complete; what is wrong with it otherwise, or nothing if there
    /// is nobody to tell.
    fn receive(&self, bytes: &mut Vec<u8>) -> std::result::Result<Head, Option<Status>> {
        let mut parser = Parser::new(self.server.settings.body_bytes_max);
        let mut pace = Pace::new();
        let mut some = [0; FIRST_READ_BYTES];
        let head = loop {
            let read = self.read(bytes.len(), &mut some, &mut pace)?;
            bytes.extend_from_slice(&some[..read]);
            if let Some(head) = parser.read(bytes)? {
                break head;
            }
        };
        while bytes.len() < head.end {
            // One more than is needed, to notice what does not belong there.
            let (length, room) = (bytes.len(), (head.end + 1 - bytes.len()).min(PIECE_BYTES));
            if !self.turn(Stage::Reading, length + room) {
                return Err(None);
            }
            bytes.reserve_exact(room);
            bytes.resize(length + room, 0);
            let read = self.read(length, &mut bytes[length..], &mut pace)?;
            bytes.truncate(length + read);
        }
        Ok(head)
    }

    /// Reads at least one byte, after so many that were read before.
    fn read(
        &self,
        before: usize,
        into: &mut [u8],
        pace: &mut Pace,
    ) -> std::result::Result<usize, Option<Status>> {
        let broken = |status| if before == 0 { None } else { Some(status) };
        loop {
            let left = pace.left().ok_or(broken(Status::TIMEOUT))?;
            self.stream.set_read_timeout(Some(left)).map_err(|_| None)?;
            match (&*self.stream).read(into) {
                Ok(0) => return Err(broken(Status::BAD)),
                Ok(read) => {
                    pace.moved(read);
                    return Ok(read);
                }
                Err(cause) if may_go_on(&cause) => {}
                Err(_) => return Err(None),
            }
        }
    }

    /// Says what the connection does now and what it holds, and makes room for that. False if it
    /// was closed to make room for others.
    fn turn(&self, stage: Stage, bytes: usize) -> bool {
        let mut places = lock(&self.server.places);
        let Some(place) = places.open.get_mut(&self.number) else {
            return false;
        };
        let before = place.stage;
        if before == Stage::Closed {
            return false;
        }
        place.stage = stage;
        let held = std::mem::replace(&mut place.bytes, bytes);
        places.bytes = places.bytes + bytes - held;
        if before == Stage::Answering {
            places.answering -= 1;
            // It is a call of the system's even if nobody waits.
            if places.held_up > 0 {
                self.server.answered.notify_one();
            }
        }
        let bytes_max = HELD_BYTES_MAX.max(2 * self.server.settings.body_bytes_max);
        while places.bytes > bytes_max && places.close_oldest(1) {}
        places.open.get(&self.number).is_some_and(|place| place.stage != Stage::Closed)
    }

    /// Waits until there are not too many that are being answered.
    fn begin_to_answer(&self, bytes: usize) -> bool {
        if !self.turn(Stage::Answering, bytes) {
            return false;
        }
        let mut places = lock(&self.server.places);
        places.held_up += 1;
        while places.answering >= ANSWERING_MAX {
            places = self.server.answered.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        (places.held_up, places.answering) = (places.held_up - 1, places.answering + 1);
        true
    }

    /// Sends a response. False if it did not arrive in time.
    fn send(&self, status: Status, content_type: &str, body: &[u8]) -> bool {
        let head = status.head(content_type, body.len());
        let (mut head, mut body) = (head.as_slice(), body);
        let mut pace = Pace::new();
        while !head.is_empty() || !body.is_empty() {
            let time = pace.left();
            if time.is_none() || self.stream.set_write_timeout(time).is_err() {
                return false;
            }
            let piece = &body[..body.len().min(PIECE_BYTES)];
            match (&*self.stream).write_vectored(&[IoSlice::new(head), IoSlice::new(piece)]) {
                Ok(written) => {
                    let of_head = written.min(head.len());
                    (head, body) = (&head[of_head..], &body[written - of_head..]);
                    pace.moved(written);
                }
                Err(cause) if may_go_on(&cause) => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn send_and_drain(&self, status: Status) {
        if self.turn(Stage::Writing, 0) && self.send(status, TEXT_TYPE, b"") {
            self.drain();
        }
    }

    /// Closing while bytes are there that nobody has read would take the answer away again.
    fn drain(&self) {
        if !self.turn(Stage::Draining, 0) || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let end = Instant::now() + DRAINING;
        let mut bytes = [0; 4 * 1024];
        let mut drained = 0;
        while drained < DRAINED_BYTES_MAX {
            let left = end.duration_since(Instant::now());
            if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match (&*self.stream).read(&mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(read) => drained += read,
            }
        }
    }
}

/// The time is up, which `Pace` finds as well, or a signal came.
fn may_go_on(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// True if a server at an address says that it is well.
#[must_use]
pub fn is_healthy(address: &str) -> bool {
    let ask = |address: SocketAddr| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = [0; 13];
        stream.read_exact(&mut answer)?;
        io::Result::Ok(answer == *b"HTTP/1.1 200 ")
    };
    let found = address.to_socket_addrs();
    found.is_ok_and(|mut all| all.any(|address| ask(address).unwrap_or(false)))
}
