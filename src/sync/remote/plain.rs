//! HTTP by the standard library.
//!
//! Promises: one deadline for the whole exchange; no resolver for numbers and `localhost`. Refuses
//! every answer but a status line, headers with one Content-Length, and that many bytes.

use crate::error::Result;
use crate::sync::remote::address::{Address, LOCALHOST, Place, literal};
use crate::sync::remote::{ANSWER_BYTES_MAX, CONNECT_MAX, EXCHANGE_MAX};
use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result as IoResult, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Numbers that are tried for a name.
const PLACES_MAX: usize = 4;
/// Bytes of a status line and headers.
const HEAD_BYTES_MAX: u64 = 16 * 1024;

/// Asks once: a POST of `body`, or a GET.
///
/// # Errors
/// `Unreachable`.
pub(super) fn fetch(address: &Address, path: &str, body: Option<&[u8]>) -> Result<(u16, Vec<u8>)> {
    let Place::Http { host, port } = &address.place else {
        return Err(address.not_kagi());
    };
    let failed = |cause: Error| match cause.kind() {
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => address.not_kagi(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => address.unreachable("it takes too long"),
        _ => address.unreachable("").because_of(&cause),
    };
    let head = match body {
        None => format!("GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"),
        Some(body) => format!(
            "POST {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\
             content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ),
    };
    let request = [head.as_bytes(), body.unwrap_or_default()].concat();
    let end = Instant::now() + EXCHANGE_MAX;
    let mut stream = Timed { stream: connect(host, *port).map_err(failed)?, end };
    let sent = stream.write_all(&request);
    // A server that takes no more may have said why.
    let answer = receive(&mut BufReader::with_capacity(64 * 1024, stream));
    match (sent, answer) {
        (_, Ok(answer)) => Ok(answer),
        (Err(cause), _) | (_, Err(cause)) => Err(failed(cause)),
    }
}

fn connect(host: &str, port: u16) -> IoResult<TcpStream> {
    let places: Vec<SocketAddr> = match literal(host) {
        Some(number) => vec![(number, port).into()],
        None if host == LOCALHOST => {
            let numbers: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            numbers.map(|number| (number, port).into()).into()
        }
        None => (host, port).to_socket_addrs()?.take(PLACES_MAX).collect(),
    };
    let mut failure = Error::new(ErrorKind::NotFound, "its name leads nowhere");
    for place in places {
        match TcpStream::connect_timeout(&place, CONNECT_MAX) {
            Ok(stream) => return stream.set_nodelay(true).map(|()| stream),
            Err(cause) => failure = cause,
        }
    }
    Err(failure)
}

/// A stream that is read and written only until an instant.
struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> IoResult<Option<Duration>> {
        let left = self.end.checked_duration_since(Instant::now());
        let left = left.filter(|left| !left.is_zero());
        left.map(Some).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

/// Code and body of a response (PROTOCOL 11.3). The length is only believed as far as bytes arrive.
///
/// # Errors
/// `InvalidData` for what is no answer of a kagi server, `UnexpectedEof`, and what the stream says.
pub fn receive(reader: &mut impl BufRead) -> IoResult<(u16, Vec<u8>)> {
    let malformed = || Error::from(ErrorKind::InvalidData);
    let mut head = reader.take(HEAD_BYTES_MAX);
    let code = code(&line(&mut head)?).ok_or_else(malformed)?;
    let mut length = None;
    loop {
        let line = line(&mut head)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(malformed)?;
        let is_token = |byte: u8| byte.is_ascii_graphic();
        match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" => return Err(malformed()),
            "content-length" if length.is_some() => return Err(malformed()),
            "content-length" => length = Some(size(value.trim()).ok_or_else(malformed)?),
            name if name.is_empty() || !name.bytes().all(is_token) => return Err(malformed()),
            _ => {}
        }
    }
    let length = length.ok_or_else(malformed)?;
    let mut body = Vec::new();
    let read = reader.take(length as u64).read_to_end(&mut body)?;
    if read == length { Ok((code, body)) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// A line without its end, which must be CRLF.
fn line(head: &mut impl BufRead) -> IoResult<String> {
    let mut line = Vec::new();
    head.read_until(b'\n', &mut line)?;
    let line = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
    line.map(str::to_string).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn code(line: &str) -> Option<u16> {
    let (code, rest) = line.strip_prefix("HTTP/1.1 ")?.split_at_checked(3)?;
    let code = digits(code)?.parse().ok().filter(|code| *code >= 200)?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(code)
}

fn size(value: &str) -> Option<usize> {
    digits(value)?.parse().ok().filter(|size| *size <= ANSWER_BYTES_MAX)
}

/// Digits only: a number that is parsed may have a sign.
fn digits(text: &str) -> Option<&str> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn neither_drops_nor_silence_are_waited_for_longer_than_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let place = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut dripping, _) = listener.accept().expect("a connection");
            let silent = listener.accept();
            while dripping.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(silent);
        });
        let timed = || {
            let stream = TcpStream::connect(place).expect("a connection");
            Timed { stream, end: Instant::now() + Duration::from_millis(300) }
        };
        let (dripping, mut silent) = (timed(), timed());
        let read = receive(&mut BufReader::new(dripping)).expect_err("no answer");
        let written = silent.write_all(&vec![0; 64 * 1024 * 1024]).expect_err("nobody reads");
        assert!(silent.end.elapsed() < Duration::from_secs(5));
        for error in [read, written] {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        }
    }
}
