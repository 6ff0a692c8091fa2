//! Bytes that are wiped when they are dropped.
//!
//! Promises: no `Clone`, no `Debug`, no `Display`; growing moves the bytes and wipes the old
//! place. Refuses to hide a use: every read of the bytes goes through a method named `expose`.

use crate::error::{Error, Kind, Result};
use std::ops::Range;
use std::rc::Rc;
use zeroize::Zeroize;

/// A 32-byte key.
pub struct Key([u8; 32]);

impl Key {
    /// Takes the bytes over. The caller's copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Key(bytes)
    }

    /// A key from exactly 32 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Key(bytes.try_into().ok()?))
    }

    /// The bytes, for the ciphers and encoders.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second copy, made on purpose; it is wiped on its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Key(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A byte string of any length.
#[derive(Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// An empty buffer that holds `capacity` bytes before it must move.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Secret(Vec::with_capacity(capacity))
    }

    /// `length` zero bytes, to be written in place.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        Secret(vec![0; length])
    }

    /// Takes a vector over; from here on it is wiped.
    #[must_use]
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Secret(bytes)
    }

    /// Copies `bytes` into a wiped buffer.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Secret(bytes.to_vec())
    }

    /// Appends; when the buffer must move, the old place is wiped.
    pub fn push(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// Appends zero bytes, to be written in place; moves as `push`.
    pub fn push_zeroes(&mut self, count: usize) {
        self.reserve(count);
        self.0.resize(self.0.len() + count, 0);
    }

    fn reserve(&mut self, count: usize) {
        let needed = self.0.len() + count;
        if needed > self.0.capacity() {
            let mut moved = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            moved.extend_from_slice(&self.0);
            self.wipe();
            self.0 = moved;
        }
    }

    /// Wipes all of the buffer. As a vector that holds nothing, for of one that holds something each
    /// byte is written alone.
    fn wipe(&mut self) {
        self.0.clear();
        self.0.zeroize();
    }

    /// Cuts to `length` bytes and wipes what is cut off.
    pub fn truncate(&mut self, length: usize) {
        if length < self.0.len() {
            self.0[length..].zeroize();
            self.0.truncate(length);
        }
    }

    /// Cuts one newline off the end, LF or CRLF.
    pub fn trim_line_end(&mut self) {
        if let Some(line) = self.0.strip_suffix(b"\n") {
            let length = line.strip_suffix(b"\r").unwrap_or(line).len();
            self.truncate(length);
        }
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be changed in place (never grown).
    pub fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// `BadText` naming `subject` if they are not UTF-8.
    pub fn expose_str(&self, subject: &str) -> Result<&str> {
        std::str::from_utf8(&self.0)
            .map_err(|_| Error::new(Kind::BadText, subject).because("it is not UTF-8"))
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A part of a buffer that several share: no copy, and wiped with the last of them.
pub struct Part {
    whole: Rc<Secret>,
    range: Range<usize>,
}

impl Part {
    /// These bytes of it; `None` if it does not have them.
    #[must_use]
    pub fn part(&self, range: Range<usize>) -> Option<Self> {
        self.expose().get(range.clone())?;
        let start = self.range.start;
        Some(Part { whole: self.whole.clone(), range: start + range.start..start + range.end })
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.whole.0[self.range.clone()]
    }

    /// The same part once more, which makes no copy of it.
    #[must_use]
    pub fn share(&self) -> Self {
        Part { whole: self.whole.clone(), range: self.range.clone() }
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True for no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

/// All of a buffer.
impl From<Secret> for Part {
    fn from(whole: Secret) -> Self {
        Part { range: 0..whole.len(), whole: Rc::new(whole) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_keeps_the_bytes() {
        let mut secret = Secret::with_capacity(2);
        for byte in 0..=255u8 {
            secret.push(&[byte]);
        }
        assert_eq!(secret.expose(), (0..=255).collect::<Vec<u8>>());
        secret.truncate(3);
        assert_eq!(secret.expose(), [0, 1, 2]);
    }

    #[test]
    fn a_part_is_within_its_buffer() {
        let part = Part::from(Secret::copy_of(b"abcdef")).part(1..4).unwrap();
        assert_eq!(part.share().expose(), b"bcd");
        assert_eq!(part.part(1..3).unwrap().expose(), b"cd");
        assert_eq!(part.len(), 3);
        assert!(part.part(2..4).is_none());
        assert!(Part::from(Secret::default()).is_empty());
    }
}
