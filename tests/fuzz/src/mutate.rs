//! Inputs from inputs: bytes, numbers, words, lines and lengths changed, and parts of two put together.

use crate::compare::{Swap, position};
use crate::random::Random;

/// No input is longer but those that are blown up.
const BYTES_MAX: usize = 32 * 1024;
/// What one part is repeated to, now and then: so that what takes time with the square of the length
/// takes long enough to be seen.
const BLOWN_UP: usize = 384 * 1024;
/// One input in so many is blown up.
const BLOWN_UP_ONE_IN: usize = 1500;
const BYTES: &[u8] = b"\0\x01\x7f\x80\xff \t\r\n\"'`\\/.,:;-_=+*#${}[]<>|09azAZ";

/// An input to build on, and what may be replaced in it.
pub struct Entry {
    pub input: Vec<u8>,
    pub swaps: Vec<Swap>,
}

/// What inputs are made of.
pub struct Mutator<'a> {
    /// Words of the format, from the vectors.
    pub words: &'a [Vec<u8>],
    /// Texts that the source looks for.
    pub literals: &'a [Vec<u8>],
    pub random: Random,
}

impl Mutator<'_> {
    /// The next input: one of the pool, changed once or a few times.
    pub fn next(&mut self, pool: &[Entry]) -> Vec<u8> {
        // Half of the time one of the newest, which nobody has built on yet.
        let newest = pool.len().saturating_sub(16);
        let at = if self.random.one_in(2) { newest } else { 0 };
        let entry = self.random.pick(&pool[at..]);
        let mut input = entry.input.clone();
        for _ in 0..=self.random.below(4) * self.random.below(3) {
            if self.random.one_in(4) {
                self.swap(&mut input, &entry.swaps);
            } else {
                self.change(&mut input, pool);
            }
        }
        input.truncate(BYTES_MAX);
        if self.random.one_in(BLOWN_UP_ONE_IN) {
            self.blow_up(&mut input);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Entry]) {
        match self.random.below(14) {
            0 => self.byte(input, |byte, random| byte ^ 1 << random.below(8)),
            1 if self.random.one_in(2) => self.byte(input, |_, random| *random.pick(BYTES)),
            1 => self.byte(input, |_, random| b' ' + random.below(95) as u8),
            2 => self.byte(input, |byte, random| {
                byte.wrapping_add(random.below(33) as u8).wrapping_sub(16)
            }),
            3 => drop(input.drain(self.random.range(input.len()))),
            4 => self.insert(input, |random| {
                (0..=random.below(8)).map(|_| random.next() as u8).collect()
            }),
            5 => {
                let part = input[self.random.range(input.len())].to_vec();
                self.insert(input, |_| part);
            }
            6 => {
                let other = &self.random.pick(pool).input;
                let part = other[self.random.range(other.len())].to_vec();
                self.insert(input, |_| part);
            }
            7 => {
                let other = &self.random.pick(pool).input;
                let (keep, from) = (
                    self.random.below(input.len() + 1),
                    self.random.below(other.len() + 1),
                );
                input.truncate(keep);
                input.extend_from_slice(&other[from..]);
            }
            8 => self.word(input, self.words),
            9 => self.word(input, self.literals),
            10 => self.length(input),
            11 => self.decimal(input),
            _ => self.line(input, pool),
        }
    }

    fn byte(&mut self, input: &mut [u8], change: impl Fn(u8, &mut Random) -> u8) {
        if !input.is_empty() {
            let at = self.random.below(input.len());
            input[at] = change(input[at], &mut self.random);
        }
    }

    fn insert(&mut self, input: &mut Vec<u8>, part: impl FnOnce(&mut Random) -> Vec<u8>) {
        let part = part(&mut self.random);
        let at = self.random.below(input.len() + 1);
        input.splice(at..at, part);
    }

    /// A word of the format, put in, or in place of as many bytes or of a whole word.
    fn word(&mut self, input: &mut Vec<u8>, words: &[Vec<u8>]) {
        if words.is_empty() {
            return;
        }
        let word = self.random.pick(words);
        let at = self.random.below(input.len() + 1);
        let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let before = input[..at].iter().rev().take_while(|byte| is_of_word(byte));
        let after = input[at..].iter().take_while(|byte| is_of_word(byte));
        let whole = at - before.count()..at + after.count();
        let range = match self.random.below(3) {
            0 => at..at,
            1 => at..input.len().min(at + word.len()),
            _ => whole,
        };
        input.splice(range, word.iter().copied());
    }

    /// What was compared with something else becomes that.
    fn swap(&mut self, input: &mut Vec<u8>, swaps: &[Swap]) {
        if swaps.is_empty() {
            return;
        }
        let (part, other) = self.random.pick(swaps);
        let from = self.random.below(input.len() + 1);
        // Another change may have taken it away.
        if let Some(at) = position(input, from, part).or_else(|| position(input, 0, part)) {
            input.splice(at..at + part.len(), other.iter().copied());
        }
    }

    /// Four bytes that may be a length or a count: small, all that is left, one more, huge.
    fn length(&mut self, input: &mut [u8]) {
        if input.len() < 4 {
            return;
        }
        let at = self.random.below(input.len() - 3);
        let left = (input.len() - at - 4) as u32;
        let numbers = [
            0,
            1,
            2,
            left,
            left + 1,
            left / 2,
            255,
            65_536,
            20_000,
            1 << 31,
            u32::MAX,
        ];
        let number = *self.random.pick(&numbers);
        input[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    /// Digits that stand in a row become another number.
    fn decimal(&mut self, input: &mut Vec<u8>) {
        let from = self.random.below(input.len() + 1);
        let Some(begin) = input[from..].iter().position(u8::is_ascii_digit) else {
            return;
        };
        let begin = from + begin;
        let digits = input[begin..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        const NUMBERS: [&[u8]; 10] = [
            b"0",
            b"1",
            b"00",
            b"-1",
            b"+1",
            b"1e1",
            b"4294967295",
            b"4294967296",
            b"18446744073709551615",
            b"18446744073709551616",
        ];
        input.splice(
            begin..begin + digits,
            self.random.pick(&NUMBERS).iter().copied(),
        );
    }

    /// A line goes, comes twice, changes places, or comes from elsewhere.
    fn line(&mut self, input: &mut Vec<u8>, pool: &[Entry]) {
        let mut lines: Vec<_> = input.split_inclusive(|byte| *byte == b'\n').collect();
        if lines.is_empty() {
            return;
        }
        let (at, other) = (
            self.random.below(lines.len()),
            self.random.below(lines.len()),
        );
        match self.random.below(4) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(other, lines[at]),
            2 => lines.swap(at, other),
            _ => {
                let from: Vec<_> = self
                    .random
                    .pick(pool)
                    .input
                    .split_inclusive(|byte| *byte == b'\n')
                    .collect();
                if !from.is_empty() {
                    lines.insert(at, from[self.random.below(from.len())]);
                }
            }
        }
        *input = lines.concat();
    }

    fn blow_up(&mut self, input: &mut Vec<u8>) {
        let range = self.random.range(input.len());
        if range.is_empty() {
            return;
        }
        let part = input[range.clone()].to_vec();
        let times = self.random.below(BLOWN_UP) / part.len();
        input.splice(range.end..range.end, part.repeat(times));
    }
}
