//! Finds many byte strings in a text at once: values, and the forms in which they leak.
//!
//! Promises: finds every value of at least `VALUE_BYTES_MIN` bytes as it is, in base64 (either
//! alphabet, whatever stands before it), in hex, in URL form and escaped as in JSON; one pass over
//! the text (Wu and Manber). Refuses shorter values: they are in every text. Blanks and line ends
//! around a value are not part of what is looked for, for they get lost on the way.

use crate::format::text::{BASE64, HEX};
use crate::secret::Secret;

/// Shorter values are not looked for.
pub const VALUE_BYTES_MIN: usize = 6;

/// Bytes that the table knows a needle by.
const BLOCK: usize = 3;
/// The first bytes of every needle that the table is made of, if all are that long.
const WINDOW_MAX: usize = 32;
/// Places of the table that there are for a needle, so that most of them stay empty.
const PLACES_PER_NEEDLE: usize = 64;
const PLACES_MIN: usize = 1 << 14;
const PLACES_MAX: usize = 1 << 20;

const UPPER_HEX: &[u8; 16] = b"0123456789ABCDEF";
const LOWER_HEX: &[u8; 16] = b"0123456789abcdef";

/// What percent-encoders leave as it is beside letters and digits: RFC 3986, JavaScript's
/// encodeURIComponent and encodeURI, Python's quote, forms.
const URL_SAFE: [&[u8]; 5] = [b"-._~", b"-._~!*'()", b"-._~!*'();/?:@&=+$,#", b"-._~/", b"-._*"];
/// What JSON writers escape without need, and whether all but ASCII too: most of them, Python,
/// Go, PHP.
const JSON_ESCAPED: [(&str, bool); 4] = [("", false), ("", true), ("<>&", false), ("/", true)];
/// What they write in two symbols; `/` only some of them.
#[rustfmt::skip]
const JSON_SHORT: [(char, u8); 8] = [
    ('"', b'"'), ('\\', b'\\'), ('/', b'/'), ('\n', b'n'), ('\r', b'r'), ('\t', b't'),
    ('\u{8}', b'b'), ('\u{c}', b'f'),
];

struct Needle {
    bytes: Secret,
    value: usize,
    form: &'static str,
    /// Place in the table of the block that ends the window.
    place: usize,
}

/// What is looked for.
pub struct Needles {
    /// Sorted by place.
    list: Vec<Needle>,
    /// By the place of the block that ends a window: how far the next window is that may begin a
    /// needle; 0 if this one may.
    shifts: Vec<u8>,
    window: usize,
    longest: usize,
}

/// Where one was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    /// First byte.
    pub start: usize,
    /// Behind the last byte.
    pub end: usize,
    /// Which value, as `new` was given them; of equal ones the first.
    pub value: usize,
    /// How it is written: plain, JSON, URL, base64 or hex. Of those that are the same text the first
    /// counts.
    pub form: &'static str,
}

impl Needles {
    /// All forms of these values. Those that are too short are left out.
    #[must_use]
    pub fn new(values: &[&[u8]]) -> Self {
        let mut list = Vec::new();
        for (value, bytes) in values.iter().enumerate() {
            let bytes = bytes.trim_ascii();
            if bytes.len() >= VALUE_BYTES_MIN {
                let needle = |(form, bytes)| Needle { bytes, value, form, place: 0 };
                list.extend(forms(bytes).into_iter().map(needle));
            }
        }
        list.sort_by(|one, other| one.bytes.expose().cmp(other.bytes.expose()));
        list.dedup_by(|one, kept| one.bytes.expose() == kept.bytes.expose());
        let lengths = || list.iter().map(|needle| needle.bytes.len());
        let window = lengths().min().unwrap_or(WINDOW_MAX).min(WINDOW_MAX);
        let longest = lengths().max().unwrap_or(0);
        let places = (list.len() * PLACES_PER_NEEDLE).next_power_of_two();
        let places = places.clamp(PLACES_MIN, PLACES_MAX);
        let far = u8::try_from(window - BLOCK + 1).unwrap_or(1);
        let mut needles = Needles { list: Vec::new(), shifts: vec![far; places], window, longest };
        for needle in &mut list {
            let blocks = needle.bytes.expose()[..window].windows(BLOCK).rev();
            for (shift, block) in (0u8..).zip(blocks) {
                let place = needles.place(block);
                needles.shifts[place] = needles.shifts[place].min(shift);
            }
            needle.place = needles.place(&needle.bytes.expose()[window - BLOCK..window]);
        }
        list.sort_by_key(|needle| needle.place);
        needles.list = list;
        needles
    }

    fn place(&self, block: &[u8]) -> usize {
        // Fibonacci hashing: the upper half of the product is the well mixed one.
        let number = block.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
        let mixed = number.wrapping_mul(0x9e37_79b1) >> 8;
        mixed as usize & (self.shifts.len() - 1)
    }

    /// The first occurrence that begins at `from` or later; of those that begin together the longest.
    #[must_use]
    pub fn find(&self, text: &[u8], from: usize) -> Option<Hit> {
        let is_there = |needle: &[u8], rest: &[u8]| rest.starts_with(needle);
        let (start, needle) = self.first(text, from, is_there)?;
        let end = start + needle.bytes.len();
        Some(Hit { start, end, value: needle.value, form: needle.form })
    }

    /// Where a needle begins that may go on behind the text; the end of the text if none does.
    #[must_use]
    pub fn unfinished(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest.saturating_sub(1));
        let goes_on =
            |needle: &[u8], rest: &[u8]| needle.len() > rest.len() && needle.starts_with(rest);
        if let Some((start, _)) = self.first(text, from, goes_on) {
            return start;
        }
        // What is left is shorter than the window, and so than every needle.
        let is_begun = |start: &usize| {
            let rest = &text[*start..];
            self.list.iter().any(|needle| needle.bytes.expose().starts_with(rest))
        };
        let last = text.len().saturating_sub(self.window - 1).max(from);
        (last..text.len()).find(is_begun).unwrap_or(text.len())
    }

    /// Bytes of the longest form: what a streaming reader has to hold back less one.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The first place with a whole window behind it where a needle is taken, and the longest of them.
    fn first(
        &self,
        text: &[u8],
        from: usize,
        is_taken: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<(usize, &Needle)> {
        let mut start = from;
        while let Some(window) = text.get(start..start + self.window) {
            let place = self.place(&window[self.window - BLOCK..]);
            let shift = usize::from(self.shifts[place]);
            if shift == 0 {
                let first = self.list.partition_point(|needle| needle.place < place);
                let alike = self.list[first..].iter().take_while(|needle| needle.place == place);
                let taken = alike.filter(|needle| is_taken(needle.bytes.expose(), &text[start..]));
                if let Some(needle) = taken.max_by_key(|needle| needle.bytes.len()) {
                    return Some((start, needle));
                }
            }
            start += shift.max(1);
        }
        None
    }
}

/// A value in every form that is looked for; some of them are alike.
fn forms(value: &[u8]) -> Vec<(&'static str, Secret)> {
    let mut forms = vec![("plain", Secret::copy_of(value))];
    for (escaped, is_ascii) in JSON_ESCAPED {
        forms.push(("JSON", json(value, escaped, is_ascii)));
    }
    for kept in URL_SAFE {
        for (digits, blank) in
            [(UPPER_HEX, "%20"), (UPPER_HEX, "+"), (LOWER_HEX, "%20"), (LOWER_HEX, "+")]
        {
            forms.push(("URL", url(value, kept, digits, blank)));
        }
    }
    for before in 0..3 {
        let text = base64(value, before);
        let mut other = Secret::copy_of(text.expose());
        for byte in other.expose_mut() {
            *byte = match *byte {
                b'+' => b'-',
                b'/' => b'_',
                byte => byte,
            };
        }
        forms.extend([("base64", text), ("base64", other)]);
    }
    let lower = Secret::from_vec(HEX.encode(value).into_bytes());
    let mut upper = Secret::copy_of(lower.expose());
    upper.expose_mut().make_ascii_uppercase();
    forms.extend([("hex", lower), ("hex", upper)]);
    forms
}

/// The symbols that a value has in base64 behind `before` bytes more than a multiple of three,
/// without those that depend on what stands before or behind it.
fn base64(value: &[u8], before: usize) -> Secret {
    let mut bytes = Secret::zeroed(before);
    bytes.push(value);
    let text = Secret::from_vec(BASE64.encode(bytes.expose()).into_bytes());
    let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
    Secret::copy_of(&text.expose()[first..end])
}

fn url(value: &[u8], kept: &[u8], digits: &[u8; 16], blank: &str) -> Secret {
    let mut text = Secret::with_capacity(3 * value.len());
    for byte in value {
        if *byte == b' ' {
            text.push(blank.as_bytes());
        } else if byte.is_ascii_alphanumeric() || kept.contains(byte) {
            text.push(&[*byte]);
        } else {
            let digit = |number: u8| digits[usize::from(number)];
            text.push(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

fn json(value: &[u8], escaped: &str, is_ascii: bool) -> Secret {
    let mut text = Secret::with_capacity(2 * value.len());
    for chunk in value.utf8_chunks() {
        for symbol in chunk.valid().chars() {
            let is_escaped = symbol < ' ' || is_ascii && !symbol.is_ascii();
            let (mut bytes, mut units) = ([0; 4], [0; 2]);
            match JSON_SHORT.iter().find(|(long, _)| *long == symbol) {
                Some((_, short)) if symbol != '/' || escaped.contains(symbol) => {
                    text.push(&[b'\\', *short]);
                }
                _ if is_escaped || escaped.contains(symbol) => {
                    for unit in symbol.encode_utf16(&mut units) {
                        text.push(format!("\\u{unit:04x}").as_bytes());
                    }
                }
                _ => text.push(symbol.encode_utf8(&mut bytes).as_bytes()),
            }
        }
        text.push(chunk.invalid());
    }
    text
}
