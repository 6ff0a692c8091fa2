//! What is looked for in plain text is found: against a searcher that tries everything everywhere.
//!
//! The forms are made here by other means than in `src/`: bit by bit, and from written examples.
mod common;

use common::Random;
use kagi::cli::needles::{Hit, Needles, VALUE_BYTES_MIN};

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 of all of a text, bit by bit.
fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let symbol = |part: &[u8]| {
        let number = (0..6).fold(0, |number, at| number * 2 + part.get(at).unwrap_or(&0));
        alphabet[usize::from(number)]
    };
    let mut text: Vec<u8> = bits.chunks(6).map(symbol).collect();
    while !text.len().is_multiple_of(4) {
        text.push(b'=');
    }
    text
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    let pair = |byte: &u8| {
        [
            digits[usize::from(byte >> 4)],
            digits[usize::from(byte & 15)],
        ]
    };
    bytes.iter().flat_map(pair).collect()
}

/// What stands in the text, found by trying every place with the value alone.
fn naive(text: &[u8], from: usize, values: &[&[u8]]) -> Option<(usize, usize)> {
    (from..text.len()).find_map(|start| {
        let ends = values
            .iter()
            .filter(|value| value.len() >= VALUE_BYTES_MIN && text[start..].starts_with(value));
        ends.map(|value| value.len())
            .max()
            .map(|length| (start, start + length))
    })
}

#[test]
fn plain_values_are_found_where_the_naive_search_finds_them() {
    let mut random = Random::new(11);
    for round in 0..3_000 {
        // Few letters make many near misses; what is looked for has no other form that they could make.
        let letters: &[u8] = if round % 2 == 0 { b"xyz" } else { b"xyzw .!" };
        let word = |random: &mut Random, length: usize| -> Vec<u8> {
            (0..length).map(|_| *random.pick(letters)).collect()
        };
        let count = random.below(6);
        let values: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let length = random.below(14);
                word(&mut random, length)
            })
            .map(|value| value.trim_ascii().to_vec())
            .collect();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        let length = random.below(400);
        let mut text = word(&mut random, length);
        for value in &values {
            let at = random.below(text.len() + 1);
            text.splice(at..at, value.iter().copied());
        }
        let needles = Needles::new(&values);
        let mut from = 0;
        loop {
            let found = needles.find(&text, from);
            let expected = naive(&text, from, &values);
            assert_eq!(
                found.map(|hit| (hit.start, hit.end)),
                expected,
                "round {round} from {from}"
            );
            let Some(Hit {
                start,
                end,
                value,
                form,
            }) = found
            else {
                break;
            };
            assert_eq!((values[value], form), (&text[start..end], "plain"));
            from = start + 1;
        }
    }
}

#[test]
fn base64_and_hex_are_found_at_every_alignment() {
    let mut random = Random::new(12);
    for length in VALUE_BYTES_MIN..40 {
        for before in 0..7 {
            for behind in 0..4 {
                let mut bytes = |length| -> Vec<u8> {
                    (0..length)
                        .map(|_| u8::try_from(random.below(256)).unwrap())
                        .collect()
                };
                let mut value = bytes(length);
                (value[0], value[length - 1]) = (b'a', b'z');
                let text = [bytes(before), value.clone(), bytes(behind)].concat();
                let needles = Needles::new(&[b"another value", &value]);
                for alphabet in [STANDARD, URL] {
                    let coded = [b"key: \"", base64(&text, alphabet).as_slice(), b"\"\n"].concat();
                    let hit = needles.find(&coded, 0).expect("base64 is found");
                    assert_eq!((hit.value, hit.form), (1, "base64"));
                    // All symbols that the value alone decides are in it.
                    let first = 6 + (before * 8).div_ceil(6);
                    let end = 6 + (before + length) * 8 / 6;
                    assert_eq!(
                        (hit.start, hit.end),
                        (first, end),
                        "{length} {before} {behind}"
                    );
                }
                for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
                    let coded = hex(&text, digits);
                    let hit = needles.find(&coded, 0).expect("hex is found");
                    let place = (2 * before, 2 * (before + length));
                    assert_eq!((hit.value, hit.form), (1, "hex"));
                    assert_eq!((hit.start, hit.end), place);
                }
            }
        }
    }
}

#[test]
fn urls_and_json_as_others_write_them() {
    let value = "p\u{e4}ss \"w\\rd\"/a+b=c&d<e>~'(!)\n\u{1f511}*x\u{1}";
    let needles = Needles::new(&[value.as_bytes()]);
    for (text, form) in [
        // encodeURIComponent, encodeURI, URLSearchParams.
        (
            "p%C3%A4ss%20%22w%5Crd%22%2Fa%2Bb%3Dc%26d%3Ce%3E~'(!)%0A%F0%9F%94%91*x%01",
            "URL",
        ),
        (
            "p%C3%A4ss%20%22w%5Crd%22/a+b=c&d%3Ce%3E~'(!)%0A%F0%9F%94%91*x%01",
            "URL",
        ),
        (
            "p%C3%A4ss+%22w%5Crd%22%2Fa%2Bb%3Dc%26d%3Ce%3E%7E%27%28%21%29%0A%F0%9F%94%91*x%01",
            "URL",
        ),
        // Python: quote, quote_plus; the digits in lower case.
        (
            "p%C3%A4ss%20%22w%5Crd%22/a%2Bb%3Dc%26d%3Ce%3E~%27%28%21%29%0A%F0%9F%94%91%2Ax%01",
            "URL",
        ),
        (
            "p%C3%A4ss+%22w%5Crd%22%2Fa%2Bb%3Dc%26d%3Ce%3E~%27%28%21%29%0A%F0%9F%94%91%2Ax%01",
            "URL",
        ),
        (
            "p%c3%a4ss%20%22w%5crd%22%2fa%2bb%3dc%26d%3ce%3e~%27%28%21%29%0a%f0%9f%94%91%2ax%01",
            "URL",
        ),
        // JavaScript, Python, Go, PHP.
        (
            "p\u{e4}ss \\\"w\\\\rd\\\"/a+b=c&d<e>~'(!)\\n\u{1f511}*x\\u0001",
            "JSON",
        ),
        (
            "p\\u00e4ss \\\"w\\\\rd\\\"/a+b=c&d<e>~'(!)\\n\\ud83d\\udd11*x\\u0001",
            "JSON",
        ),
        (
            "p\u{e4}ss \\\"w\\\\rd\\\"/a+b=c\\u0026d\\u003ce\\u003e~'(!)\\n\u{1f511}*x\\u0001",
            "JSON",
        ),
        (
            "p\\u00e4ss \\\"w\\\\rd\\\"\\/a+b=c&d<e>~'(!)\\n\\ud83d\\udd11*x\\u0001",
            "JSON",
        ),
    ] {
        let text = format!("x=\"{text}\"");
        let hit = needles.find(text.as_bytes(), 0);
        let hit = hit.unwrap_or_else(|| panic!("{text} is found"));
        assert_eq!(
            (hit.start, hit.end, hit.form),
            (3, text.len() - 1, form),
            "{text}"
        );
    }
    assert_eq!(needles.find(b"p%C3%A4ss+%22w", 0), None);
}

#[test]
fn what_is_too_short_or_blank_is_not_looked_for() {
    let needles = Needles::new(&[b"", b"abcde", b"      \n  ", b" abcde \n"]);
    assert_eq!(needles.longest(), 0);
    assert_eq!(
        needles.find(b"abcde      \n   YWJjZGU= 6162636465", 0),
        None
    );
    assert_eq!(needles.unfinished(b"abcde"), 5);
    let needles = Needles::new(&[b"\n abcdef\n"]);
    let hit = needles
        .find(b"<abcdef>", 0)
        .expect("the value without its line end");
    assert_eq!((hit.start, hit.end), (1, 7));
    assert_eq!(needles.find(b"<abcdef>", 2), None);
}

#[test]
fn equal_values_are_one_and_the_first() {
    let needles = Needles::new(&[b"first-value", b"the same", b"the same"]);
    assert_eq!(needles.find(b".the same.", 0).map(|hit| hit.value), Some(1));
}

/// A text that ends in every prefix of every form: what is held back begins there, and no sooner.
#[test]
fn the_begin_of_a_needle_is_seen_at_the_end_of_a_text() {
    let value: &[u8] = b"s3cret/with \"all\" of it?";
    let needles = Needles::new(&[value, b"zzzzzz"]);
    let texts = [
        value.to_vec(),
        base64(value, STANDARD)[..32].to_vec(),
        hex(value, b"0123456789abcdef"),
        hex(value, b"0123456789ABCDEF"),
        b"s3cret%2Fwith%20%22all%22%20of%20it%3F".to_vec(),
        b"s3cret/with \\\"all\\\" of it?".to_vec(),
        b"zzzzzz".to_vec(),
    ];
    for text in texts {
        for length in 1..text.len() {
            let begun = [b"plain,", &text[..length]].concat();
            assert_eq!(needles.unfinished(&begun), 6, "{length} of {text:?}");
            let done = [begun.as_slice(), b","].concat();
            assert_eq!(needles.unfinished(&done), done.len());
        }
        let whole = [b"plain,", text.as_slice()].concat();
        let rest = needles.unfinished(&whole);
        assert!(rest > 6, "a whole needle is not held back: {text:?}");
    }
    assert_eq!(needles.unfinished(b""), 0);
}
