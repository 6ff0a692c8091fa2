//! Finds many byte strings in a text at once: values, and the forms in which they leak.
//!
//! Promises: finds every value of at least `VALUE_BYTES_MIN` bytes as it is, in base64 (either
//! alphabet, whatever stands before it), in hex and in URL form; one pass over the text. Refuses shorter values: they are in every text.

use std::marker::PhantomData;

/// Shorter values are not looked for.
pub const VALUE_BYTES_MIN: usize = 6;

/// What is looked for.
pub struct Needles<'a>(PhantomData<&'a ()>);

/// Where one was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Which value, as `new` was given them.
    pub value: usize,
}

impl<'a> Needles<'a> {
    /// To be written.
    #[must_use]
    pub fn new(_values: &[&'a [u8]]) -> Self {
        Needles(PhantomData)
    }

    /// The first occurrence that begins at `from` or later; of those that begin together the longest.
    #[must_use]
    pub fn find(&self, _text: &[u8], _from: usize) -> Option<Hit> {
        None
    }

    /// Bytes of the longest form: what a streaming reader has to hold back less one.
    #[must_use]
    pub fn longest(&self) -> usize {
        0
    }
}
