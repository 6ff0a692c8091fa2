//! Where in files, and in what Git holds, something stands.
//!
//! Promises: every file is read to its end, in pieces that overlap by what a needle may be long, so
//! that nothing between two pieces is missed and nothing is found twice. Refuses what is no plain file.

use crate::cli::needles::Needles;
use crate::disk;
use crate::error::{Error, Kind};
use crate::process;
use crate::terminal::Progress;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Bytes of a file that are searched at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// Where a value stands in a file.
pub struct Place {
    /// Its line, if this is text.
    pub line: Option<usize>,
    /// Bytes before it.
    pub byte: usize,
    /// Which value.
    pub value: usize,
    /// How it is written.
    pub form: &'static str,
}

/// What became of one file: by its number what was found in it, or why it was not searched.
pub type Outcome = (usize, Result<Vec<Place>, Error>);

/// Searches files, by as many threads as there are processors; gives back those of which there is
/// something to say, sorted.
#[must_use]
pub fn search_files(needles: &Needles, paths: &[PathBuf]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let work = |sender: &mpsc::Sender<Outcome>, tick: &mut dyn FnMut(usize)| {
        let mut buffer = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = paths.get(at) else { return };
            tick(at);
            let outcome = disk::open_plain(path).and_then(|file| {
                // What Git lists may be deleted here.
                let Some(mut file) = file else { return Ok(Vec::new()) };
                search(needles, &mut file, &mut buffer).map_err(|cause| {
                    Error::new(Kind::Read, path.to_string_lossy()).because_of(&cause)
                })
            });
            if outcome.as_ref().map_or(true, |places| !places.is_empty()) {
                // The receiver outlives all threads.
                let _ = sender.send((at, outcome));
            }
        }
    };
    // Shown until the last thread is done.
    let mut progress = Progress::new("scanning");
    thread::scope(|scope| {
        for _ in 1..thread::available_parallelism().map_or(1, usize::from) {
            let sender = sender.clone();
            scope.spawn(move || work(&sender, &mut |_| {}));
        }
        work(&sender, &mut |at| progress.at(at, paths.len()));
    });
    drop((sender, progress));
    let mut outcomes: Vec<_> = receiver.into_iter().collect();
    outcomes.sort_by_key(|(at, _)| *at);
    outcomes
}

/// Searches objects of the repository, as they are stored.
///
/// # Errors
/// `Read` if Git does not give one of them.
pub fn search_objects(needles: &Needles, ids: &[String]) -> Result<Vec<Outcome>, Error> {
    let (_git, mut to, from) = process::git_objects()?;
    let (mut from, mut buffer) = (BufReader::new(from), Vec::new());
    let (mut outcomes, mut progress) = (Vec::new(), Progress::new("scanning"));
    let (asked, count) = (ids.join("\n") + "\n", ids.len());
    // Git answers while it is asked. If it ends before, it gives less than was asked for.
    thread::spawn(move || to.write_all(asked.as_bytes()));
    for (at, id) in ids.iter().enumerate() {
        progress.at(at, count);
        let mut object = || {
            let mut header = String::new();
            from.read_line(&mut header)?;
            let size = header.trim_end().strip_prefix(&format!("{id} blob "));
            let size = size.and_then(|size| size.parse().ok());
            let mut content = from.by_ref().take(size.ok_or(ErrorKind::NotFound)?);
            let places = search(needles, &mut content, &mut buffer)?;
            let is_whole = content.limit() == 0;
            from.read_exact(&mut [0])?;
            if is_whole { Ok(places) } else { Err(ErrorKind::UnexpectedEof.into()) }
        };
        let places = object().map_err(|cause: std::io::Error| {
            Error::new(Kind::Read, format!("the object {id} of Git")).because_of(&cause)
        })?;
        outcomes.push((at, Ok(places)));
    }
    Ok(outcomes)
}

/// Reads to the end. The buffer is only lent, so that it need not be made for each file.
fn search(
    needles: &Needles,
    source: &mut dyn Read,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Vec<Place>> {
    let mut places = Vec::new();
    // Bytes and lines of the file before this piece.
    let (mut bytes, mut lines) = (0, 0);
    // Where each value ended last. Its begin was searched already, with the piece before; and a value
    // that is a pattern is found at every byte of a long run of it.
    let mut ends = HashMap::new();
    buffer.clear();
    loop {
        let count = source.take(PIECE_BYTES).read_to_end(buffer)? as u64;
        let (mut counted, mut line) = (0, lines);
        let mut next = needles.find(buffer, 0);
        let is_text = next.is_some() && !buffer.contains(&0);
        while let Some(hit) = next {
            let end = ends.entry(hit.value).or_insert(0);
            if bytes + hit.start >= *end {
                *end = bytes + hit.end;
                line += newlines(&buffer[counted..hit.start]);
                counted = hit.start;
                let (line, byte) = (is_text.then_some(line + 1), bytes + hit.start);
                places.push(Place { line, byte, value: hit.value, form: hit.form });
            }
            next = needles.find(buffer, hit.start + 1);
        }
        if count < PIECE_BYTES {
            return Ok(places);
        }
        let end = buffer.len().saturating_sub(needles.longest().saturating_sub(1));
        lines += newlines(&buffer[..end]);
        bytes += end;
        buffer.drain(..end);
    }
}

fn newlines(text: &[u8]) -> usize {
    text.iter().map(|byte| usize::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_once_wherever_two_pieces_meet() {
        let value: &[u8] = b"hunter2-secret";
        let needles = Needles::new(&[value, b"another one"]);
        let size = usize::try_from(PIECE_BYTES).unwrap();
        for before in size - 60..size + 20 {
            let mut text = vec![b'x'; before];
            text[10] = b'\n';
            text.extend_from_slice(value);
            text.extend_from_slice(b"\nand ");
            text.extend_from_slice(value);
            text.resize(text.len() + 2 * size, b'y');
            let places = search(&needles, &mut text.as_slice(), &mut Vec::new()).unwrap();
            let places: Vec<_> = places.iter().map(|place| (place.line, place.byte)).collect();
            assert_eq!(places, [(Some(2), before), (Some(3), before + value.len() + 5)]);
        }
    }
}
