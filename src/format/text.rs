//! Base32, base64 and hex: one bit packer, three alphabets (FORMAT 1.7 to 1.9). And numbers.
//!
//! Promises: one text per byte string or number; decoding fills a wiped buffer and never moves it.
//! Refuses: other cases, missing or extra padding, white space, left-over bits that are not zero; a
//! sign or leading zeros.

use crate::secret::Secret;
use std::str::FromStr;

const INVALID: u8 = 0xff;
/// Symbols of the largest alphabet.
const SYMBOLS_MAX: usize = 64;

/// One encoding: how many bits a symbol carries, and the symbols.
pub struct Encoding {
    bits: u32,
    symbols: [u8; SYMBOLS_MAX],
    values: [u8; 256],
    padded: bool,
}

/// RFC 4648 base32 in lower case, without padding.
pub const BASE32: Encoding = Encoding::new(5, b"abcdefghijklmnopqrstuvwxyz234567", false);
/// RFC 4648 base64 with padding.
pub const BASE64: Encoding =
    Encoding::new(6, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true);
/// Hexadecimal in lower case.
pub const HEX: Encoding = Encoding::new(4, b"0123456789abcdef", false);

impl Encoding {
    const fn new(bits: u32, alphabet: &[u8], padded: bool) -> Self {
        let (mut symbols, mut values) = ([0; SYMBOLS_MAX], [INVALID; 256]);
        let mut value = 0;
        while value < alphabet.len() {
            // At most 64 symbols: the cast keeps every value.
            #[allow(clippy::cast_possible_truncation)]
            let byte = value as u8;
            values[alphabet[value] as usize] = byte;
            symbols[value] = alphabet[value];
            value += 1;
        }
        Encoding { bits, symbols, values, padded }
    }

    /// The text of `bytes`. Its buffer never moves, so the caller can wipe it.
    #[must_use]
    pub fn encode(&self, bytes: &[u8]) -> String {
        let mut text = Vec::with_capacity(self.text_length(bytes.len()));
        self.append(bytes, &mut text);
        // Every symbol is ASCII.
        String::from_utf8(text).unwrap_or_default()
    }

    /// Symbols of the text of so many bytes, with the padding.
    #[must_use]
    pub fn text_length(&self, bytes: usize) -> usize {
        let symbols = (bytes * 8).div_ceil(self.bits as usize);
        if self.padded { symbols.next_multiple_of(4) } else { symbols }
    }

    /// Appends the text of `bytes`.
    pub fn append(&self, bytes: &[u8], text: &mut Vec<u8>) {
        let start = text.len();
        text.resize(start + self.text_length(bytes.len()), b'=');
        let (mut rest, mut places) = (bytes, &mut text[start..]);
        if self.bits == 6 {
            // The same as below, for a box that is large: three bytes are four symbols.
            let (threes, end) = rest.as_chunks::<3>();
            let (fours, end_places) = places.split_at_mut(4 * threes.len());
            for (three, four) in threes.iter().zip(fours.as_chunks_mut::<4>().0) {
                let [one, two, three] = *three;
                let word = u32::from_be_bytes([0, one, two, three]);
                let symbol = |value: u32| self.symbols[value as usize % SYMBOLS_MAX];
                *four = [symbol(word >> 18), symbol(word >> 12), symbol(word >> 6), symbol(word)];
            }
            (rest, places) = (end, end_places);
        }
        let mut places = places.iter_mut();
        let mut write = |value| {
            if let Some(place) = places.next() {
                *place = self.symbol(value);
            }
        };
        let (mut pending, mut held) = (0u32, 0);
        for byte in rest {
            pending = (pending << 8) | u32::from(*byte);
            held += 8;
            while held >= self.bits {
                held -= self.bits;
                write(pending >> held);
            }
        }
        if held > 0 {
            write(pending << (self.bits - held));
        }
    }

    /// The symbol of the lowest bits.
    fn symbol(&self, value: u32) -> u8 {
        self.symbols[(value & ((1 << self.bits) - 1)) as usize % SYMBOLS_MAX]
    }

    /// The bytes of `text`; `None` unless encoding them gives exactly `text`.
    #[must_use]
    pub fn decode(&self, text: &str) -> Option<Secret> {
        let symbols = self.without_padding(text)?;
        let mut bytes = Secret::zeroed(self.length_of(symbols));
        self.fill(symbols, bytes.expose_mut())?;
        Some(bytes)
    }

    /// The same of what is no secret.
    #[must_use]
    pub fn decode_public(&self, text: &str) -> Option<Vec<u8>> {
        let symbols = self.without_padding(text)?;
        let mut bytes = vec![0; self.length_of(symbols)];
        self.fill(symbols, &mut bytes)?;
        Some(bytes)
    }

    fn length_of(&self, symbols: &[u8]) -> usize {
        symbols.len() * self.bits as usize / 8
    }

    /// Fills `bytes`, which are as many as `length_of` says.
    fn fill(&self, symbols: &[u8], bytes: &mut [u8]) -> Option<()> {
        match self.bits {
            4 => self.fill_by::<4>(symbols, bytes),
            5 => self.fill_by::<5>(symbols, bytes),
            _ => self.fill_by::<6>(symbols, bytes),
        }
    }

    /// The same for so many bits a symbol: eight symbols are as many bytes.
    fn fill_by<const BITS: usize>(&self, symbols: &[u8], bytes: &mut [u8]) -> Option<()> {
        let value = |symbol: &u8| self.values[usize::from(*symbol)];
        let (groups, rest) = symbols.as_chunks::<8>();
        let (places, last) = bytes.as_chunks_mut::<BITS>();
        let mut invalid = 0;
        for (group, place) in groups.iter().zip(places) {
            let mut pending = 0u64;
            for symbol in group {
                invalid |= value(symbol);
                pending = (pending << BITS) | u64::from(value(symbol));
            }
            place.copy_from_slice(&pending.to_be_bytes()[8 - BITS..]);
        }
        let mut places = last.iter_mut();
        let (mut pending, mut held) = (0u32, 0);
        for value in rest.iter().map(value) {
            invalid |= value;
            pending = (pending << BITS) | u32::from(value);
            held += BITS;
            if held >= 8 {
                held -= 8;
                *places.next()? = (pending >> held).to_le_bytes()[0];
            }
        }
        // A whole symbol left over, or bits that are not zero, would be a second text.
        let left_over = pending & ((1 << held) - 1);
        (invalid != INVALID && held < BITS && left_over == 0).then_some(())
    }

    fn without_padding<'a>(&self, text: &'a str) -> Option<&'a [u8]> {
        let symbols = text.trim_end_matches('=');
        let padding = text.len() - symbols.len();
        let wanted =
            if self.padded { symbols.len().next_multiple_of(4) - symbols.len() } else { 0 };
        (padding == wanted).then_some(symbols.as_bytes())
    }
}

/// A number in decimal, as it is written and in no other way: std takes `+7` and `007` as well.
#[must_use]
pub fn decimal<N: FromStr + ToString>(text: &str) -> Option<N> {
    text.parse().ok().filter(|number: &N| number.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back_and_nothing_else_is_accepted() {
        for encoding in [&BASE32, &BASE64, &HEX] {
            for length in 0..70u8 {
                let bytes: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37) ^ 0xa5).collect();
                let text = encoding.encode(&bytes);
                assert_eq!(encoding.decode(&text).unwrap().expose(), bytes);
                for (at, _) in text.char_indices() {
                    let mut other = text.clone();
                    other.remove(at);
                    let back = encoding.decode(&other).map(|b| encoding.encode(b.expose()));
                    assert!(back.is_none_or(|back| back == other), "{text} {other}");
                }
                assert!(encoding.decode(&format!("{text}=")).is_none());
                assert!(encoding.decode(&format!("{text} ")).is_none());
            }
        }
        assert!(BASE64.decode("AB==").is_none(), "left-over bits");
        assert!(HEX.decode("a").is_none() && HEX.decode("AA").is_none());
        assert_eq!(BASE64.encode(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
        assert_eq!(BASE32.encode(b"foob"), "mzxw6yq");
    }

    #[test]
    fn a_number_has_one_text() {
        assert_eq!((decimal("0"), decimal("70")), (Some(0), Some(70)));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for text in ["", "+7", "-7", "07", "00", " 7", "7 ", "7.0", "18446744073709551616"] {
            assert_eq!(decimal::<u64>(text), None, "{text}");
        }
    }
}
