//! A few bytes that claim to be many reserve no memory: what the fuzzer once found, without its allocator.
//!
//! What is reserved and never touched is only seen in the size of the address space. So this is a program
//! with one test, and its measure is the peak of that size; the last claim is a reservation, which it shows.
#![cfg(all(target_os = "linux", feature = "server"))]

use kagi::format::scope_file::ScopeKind;
use kagi::format::snapshot::Snapshot;
use kagi::secret::Secret;
use kagi::sync::channel::read_frame;
use kagi::sync::protocol::Response;
use kagi::sync::remote::plain::receive;
use kagi::sync::store::revision::Header;

/// Small things come from memory that is there already, or from a little more.
const BYTES_MAX: usize = 64 * 1024;
/// 20,000 entries, as many as a snapshot may have, and none of them there: 2.4 MB were once reserved.
const SNAPSHOT: &[u8] = b"\x01\x01\0\0\0\0\0\0\0\0\0\0\0\x20\x4e\0\0";
/// A body of 20 MB, and none of it there: 20 MB were once reserved.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 20000000\r\n\r\n";
/// A list of 10,000 blobs, as many as a list may have, and none of them there (PROTOCOL 5.2).
const BLOBS: &[u8] = b"\x01\x04\x10\x27\0\0";
/// The same in the header of a revision (PROTOCOL 7.3), without time, token, place and manifest.
const REVISION: &[u8] = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20\x4e\0\0";
/// A frame of 20 MB (PROTOCOL 10.2), and four bytes of it.
const FRAME: &[u8] = b"\0\0\x30\x01kagi";

/// Bytes of address space: `VmSize` now, `VmPeak` at most so far.
fn space(which: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which))
        .expect("a line");
    let kilobytes = line.trim_matches([':', '\t', ' ', 'k', 'B']);
    1024 * kilobytes.parse::<usize>().expect("a number")
}

/// How far the peak rises in a run.
fn reserved(run: impl FnOnce()) -> usize {
    let before = space("VmPeak");
    run();
    space("VmPeak") - before
}

#[test]
fn a_claim_reserves_no_memory() {
    // Fills up to the peak, so that every further reservation raises it.
    let _ballast = Vec::<u8>::with_capacity(space("VmPeak") - space("VmSize"));
    let claims: [(&str, &dyn Fn() -> bool); 5] = [
        ("a snapshot", &|| {
            Snapshot::decode(Secret::copy_of(SNAPSHOT), ScopeKind::Values).is_some()
        }),
        ("an answer", &|| receive(&mut &*ANSWER).is_ok()),
        ("a frame", &|| read_frame(&mut &*FRAME, 1 << 25).is_ok()),
        ("a list of blobs", &|| Response::decode(BLOBS).is_some()),
        ("the blobs of a revision", &|| {
            Header::parse(REVISION).is_some()
        }),
    ];
    for (what, accepts) in claims {
        let bytes = reserved(|| assert!(!accepts(), "{what} is there"));
        assert!(bytes < BYTES_MAX, "{what} reserved {bytes} bytes");
    }
    let bytes = reserved(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(2_400_000))));
    assert!(bytes >= 2_400_000, "reservations are not seen");
}
