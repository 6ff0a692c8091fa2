//! The binary form of everything that is encrypted or authenticated: length-prefixed fields and
//! little-endian numbers (FORMAT 1.1).
//!
//! Refuses: a field that runs past the end, and bytes after the last field.

use crate::secret::{Key, Secret};

/// Appends fields to one wiped buffer.
#[derive(Default)]
pub struct Writer(pub Secret);

impl Writer {
    /// A writer whose buffer does not move before `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Writer(Secret::with_capacity(capacity))
    }

    /// Bytes of a length that the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.push(bytes);
        self
    }

    /// `LP(bytes)`.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        self.raw(&crate::crypto::length(bytes)).raw(bytes)
    }

    /// A number of items or a version. Counts are far below 2^32: their limits are checked first.
    pub fn count(&mut self, number: usize) -> &mut Self {
        self.raw(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes())
    }

    /// A sequence number or a time.
    pub fn long(&mut self, number: u64) -> &mut Self {
        self.raw(&number.to_le_bytes())
    }
}

/// Takes fields off the front of a buffer. `None` means that the bytes end too early.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// `N` bytes.
    pub fn raw<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    /// One 32-byte key.
    pub fn key(&mut self) -> Option<Key> {
        let (head, rest) = self.0.split_at_checked(32)?;
        self.0 = rest;
        Key::from_slice(head)
    }

    /// One `LP` field.
    pub fn field(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.count()?).ok()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    /// One `LP` field that is UTF-8.
    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.field()?).ok()
    }

    /// A u32.
    pub fn count(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.raw()?))
    }

    /// A u64.
    pub fn long(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.raw()?))
    }

    /// `Some` when nothing is left.
    #[must_use]
    pub fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
