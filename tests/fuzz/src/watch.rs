//! What is measured while a parser runs: the memory that it asks for, and the edges that it takes.
//!
//! One of two files with `unsafe` (the other is `compare.rs`), for two things that std has no safe way for: to be the allocator of the
//! program, and to read the counters that the compiler put into the crate under test. Both are read
//! between two inputs, on the one thread that runs them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::slice;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, which counts.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn grown(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    PEAK.fetch_max(live, Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came; counting touches no memory of it. Memory
// that is to be zero counts as well, though the system may never hand it out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // Where it grows, the old and the new may be there at once; but it is the same memory as a rule.
        LIVE.fetch_sub(layout.size(), Relaxed);
        grown(bytes);
        unsafe { System.realloc(at, layout, bytes) }
    }
}

/// Bytes that are in use; what is asked for from now on counts for `most_since`.
pub fn begin() -> usize {
    let live = LIVE.load(Relaxed);
    PEAK.store(live, Relaxed);
    live
}

/// The most bytes that were in use at once, above those at the beginning.
pub fn most_since(begin: usize) -> usize {
    PEAK.load(Relaxed).saturating_sub(begin)
}

static FIRST: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static COUNTERS: AtomicUsize = AtomicUsize::new(0);

/// Called before `main` by every object file that has counters (see `rustc.sh`), always with the same
/// range: the linker puts all of them in one section.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(first: *mut u8, end: *mut u8) {
    FIRST.store(first, Relaxed);
    COUNTERS.store(end.addr() - first.addr(), Relaxed);
}

/// How often each edge of the crate under test was taken, modulo 256; empty in a program that was built
/// without `rustc.sh`.
pub fn counters() -> &'static mut [u8] {
    let (first, length) = (FIRST.load(Relaxed), COUNTERS.load(Relaxed));
    if length == 0 {
        return &mut [];
    }
    // SAFETY: the range is what the linker made for the counters; the one thread that runs the parsers
    // asks for it, and lets go of it before the next parser runs.
    unsafe { slice::from_raw_parts_mut(first, length) }
}
