//! HTTP/1.1, as far as the server speaks it: the head of a request, the head of a response.
//!
//! Promises: one reading of a request, or none: what two parsers could read in two ways is refused,
//! and the verdict is the same however the bytes arrive. Refuses everything that kagi's own clients
//! and a proxy do not send: chunks, expectations, folded lines, bare line feeds, doubled fields.

use std::net::IpAddr;

/// Bytes of the request line, with its end.
const LINE_BYTES_MAX: usize = 1024;
/// Bytes of the request line and all fields.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Fields of a request.
const FIELDS_MAX: usize = 64;
/// The type of a body that the channel wrote.
pub const CHANNEL_TYPE: &str = "application/octet-stream";
/// The type of a text.
pub const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// A status: its number, its words, and a line that must go with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(pub u16, &'static str, &'static str);

#[allow(missing_docs)] // Their words say it.
impl Status {
    pub const OK: Status = Status(200, "OK", "");
    pub const BAD: Status = Status(400, "Bad Request", "");
    pub const NOT_FOUND: Status = Status(404, "Not Found", "");
    pub const ONLY_GET: Status = Status(405, "Method Not Allowed", "Allow: GET\r\n");
    pub const ONLY_POST: Status = Status(405, "Method Not Allowed", "Allow: POST\r\n");
    pub const TIMEOUT: Status = Status(408, "Request Timeout", "");
    pub const NO_LENGTH: Status = Status(411, "Length Required", "");
    pub const BODY_TOO_LARGE: Status = Status(413, "Content Too Large", "");
    pub const LINE_TOO_LONG: Status = Status(414, "URI Too Long", "");
    pub const WRONG_TYPE: Status = Status(415, "Unsupported Media Type", "");
    pub const NO_EXPECTATIONS: Status = Status(417, "Expectation Failed", "");
    pub const HEAD_TOO_LARGE: Status = Status(431, "Request Header Fields Too Large", "");
    pub const INTERNAL: Status = Status(500, "Internal Server Error", "");
    pub const WRONG_VERSION: Status = Status(505, "HTTP Version Not Supported", "");

    /// The head of a response with a body of this type and length (PROTOCOL 9.7).
    #[must_use]
    pub fn head(self, content_type: &str, body_bytes: usize) -> Vec<u8> {
        let Status(number, words, line) = self;
        format!(
            "HTTP/1.1 {number} {words}\r\n{line}Content-Type: {content_type}\r\n\
             Content-Length: {body_bytes}\r\nConnection: close\r\n\r\n"
        )
        .into_bytes()
    }
}

/// What the server has (PROTOCOL 9.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// `GET /healthz`
    Health,
    /// `GET /v1/server-key`
    ServerKey,
    /// `POST /v1/rpc`
    Rpc,
}

/// A request whose head is complete and sound.
#[derive(Debug)]
pub struct Head {
    /// What is asked for.
    pub route: Route,
    /// Where the body begins.
    pub begin: usize,
    /// Where it ends.
    pub end: usize,
    /// Who the nearest proxy says it is from.
    pub forwarded_for: Option<IpAddr>,
}

struct RequestLine {
    method: Vec<u8>,
    route: Option<Route>,
    needs_host: bool,
}

/// Reads the head of a request as its bytes arrive, line by line: a line is judged when its end is
/// there and not before, so it does not matter how the bytes are cut.
#[derive(Default)]
pub struct Parser {
    body_bytes_max: usize,
    /// Where the line begins that is not complete yet.
    begin: usize,
    /// Up to where no line feed was found.
    searched: usize,
    line: Option<RequestLine>,
    fields: usize,
    has_host: bool,
    has_type: bool,
    is_channel: bool,
    length: Option<u64>,
    forwarded_for: Option<IpAddr>,
}

impl Parser {
    /// For requests with a body of at most `body_bytes_max`.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Parser { body_bytes_max, ..Parser::default() }
    }

    /// Reads on in all the bytes that have arrived so far; `None` if the head is not complete.
    ///
    /// # Errors
    /// The status to refuse the request with.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Head>, Status> {
        loop {
            let (limit, too_large) = match self.line {
                None => (LINE_BYTES_MAX, Status::LINE_TOO_LONG),
                Some(_) => (HEAD_BYTES_MAX, Status::HEAD_TOO_LARGE),
            };
            // PROTOCOL 9.6
            let within = &bytes[..bytes.len().min(limit)];
            let Some(length) = within[self.searched..].iter().position(|byte| *byte == b'\n')
            else {
                self.searched = within.len();
                return if within.len() == limit { Err(too_large) } else { Ok(None) };
            };
            let end = self.searched + length;
            let line = within[self.begin..end].strip_suffix(b"\r").ok_or(Status::BAD)?;
            (self.begin, self.searched) = (end + 1, end + 1);
            // PROTOCOL 9.3: a carriage return is none of these either.
            if line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
                return Err(Status::BAD);
            }
            match self.line {
                None => self.line = Some(request_line(line)?),
                Some(_) if line.is_empty() => return self.finish(end + 1).map(Some),
                Some(_) => self.field(line)?,
            }
        }
    }

    /// PROTOCOL 9.4
    fn field(&mut self, line: &[u8]) -> Result<(), Status> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(Status::HEAD_TOO_LARGE);
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(Status::BAD)?;
        // A folded line, or a blank before the colon, makes a name with a blank in it.
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if !is_token(name) {
            return Err(Status::BAD);
        }
        let once = |is_there: &mut bool| {
            if std::mem::replace(is_there, true) { Err(Status::BAD) } else { Ok(()) }
        };
        match name.to_ascii_lowercase().as_slice() {
            b"host" => {
                once(&mut self.has_host)?;
                let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(byte);
                if value.is_empty() || !value.iter().all(is_host) {
                    return Err(Status::BAD);
                }
            }
            b"content-length" => {
                once(&mut self.length.is_some())?;
                self.length = Some(length(value).ok_or(Status::BAD)?);
            }
            b"content-type" => {
                once(&mut self.has_type)?;
                self.is_channel = value.eq_ignore_ascii_case(CHANNEL_TYPE.as_bytes());
            }
            b"transfer-encoding" => return Err(Status::BAD),
            b"expect" => return Err(Status::NO_EXPECTATIONS),
            b"x-forwarded-for" => {
                let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                let last = std::str::from_utf8(last.trim_ascii()).ok();
                self.forwarded_for = last.and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        Ok(())
    }

    /// PROTOCOL 9.5
    fn finish(&self, begin: usize) -> Result<Head, Status> {
        let line = self.line.as_ref().ok_or(Status::BAD)?;
        if line.needs_host && !self.has_host {
            return Err(Status::BAD);
        }
        let route = line.route.ok_or(Status::NOT_FOUND)?;
        let length = match (route, line.method.as_slice()) {
            (Route::Rpc, b"POST") => self.length.ok_or(Status::NO_LENGTH)?,
            (Route::Health | Route::ServerKey, b"GET") if self.length.unwrap_or(0) == 0 => 0,
            (Route::Health | Route::ServerKey, b"GET") => return Err(Status::BAD),
            (Route::Rpc, _) => return Err(Status::ONLY_POST),
            _ => return Err(Status::ONLY_GET),
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.body_bytes_max);
        let end = begin + length.ok_or(Status::BODY_TOO_LARGE)?;
        if route == Route::Rpc && !self.is_channel {
            return Err(Status::WRONG_TYPE);
        }
        Ok(Head { route, begin, end, forwarded_for: self.forwarded_for })
    }
}

/// PROTOCOL 9.2
fn request_line(line: &[u8]) -> Result<RequestLine, Status> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let &[method, target, version] = parts.as_slice() else {
        return Err(Status::BAD);
    };
    if !is_token(method) || !target.starts_with(b"/") || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Status::BAD);
    }
    let needs_host = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Status::WRONG_VERSION);
        }
        _ => return Err(Status::BAD),
    };
    let route = match target {
        b"/healthz" => Some(Route::Health),
        b"/v1/server-key" => Some(Route::ServerKey),
        b"/v1/rpc" => Some(Route::Rpc),
        _ => None,
    };
    Ok(RequestLine { method: method.to_vec(), route, needs_host })
}

fn is_token(word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !word.is_empty() && word.iter().all(is_part)
}

/// Digits without a zero before them, and nothing else; more than fits is too much for anybody.
fn length(value: &[u8]) -> Option<u64> {
    let is_plain =
        value.iter().all(u8::is_ascii_digit) && (value.len() == 1 || !value.starts_with(b"0"));
    let text = std::str::from_utf8(value).ok().filter(|text| is_plain && !text.is_empty())?;
    Some(text.parse().unwrap_or(u64::MAX))
}
