//! What the crate under test compares while it runs an input. A part of the input that was compared with
//! something else can be replaced by that: so an input comes behind conditions that chance does not meet.
//!
//! The compiler calls `__sanitizer_cov_…` for numbers (see `rustc.sh`). Where bytes are compared the
//! program calls the C library's `memcmp` and `bcmp`, whose place is taken here. Leaves out single bytes,
//! which chance does meet, and texts of different lengths, which are told apart without a look at them.

use std::collections::BTreeSet;
use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What stands in an input, and what may stand there instead.
pub type Swap = (Vec<u8>, Vec<u8>);

#[derive(Clone)]
enum Compared {
    Numbers(u64, u64),
    Bytes(Vec<u8>, Vec<u8>),
}

/// Comparisons that are kept: a new one takes the place of an older one with the same hash, so that what
/// a loop compares a thousand times is not all there is.
const PLACES: usize = 1 << 12;
/// Longer parts are rarely compared with a constant.
const BYTES_MAX: usize = 64;
/// Of longer inputs nothing is replaced: it takes too long to look for.
const INPUT_BYTES_MAX: usize = 4096;

static IS_NOTED: AtomicBool = AtomicBool::new(false);
static NOTED: Mutex<Vec<Option<Compared>>> = Mutex::new(Vec::new());

/// Runs an input, and gives what may be replaced in it.
pub fn swaps(input: &[u8], run: impl FnOnce()) -> Vec<Swap> {
    if input.len() > INPUT_BYTES_MAX {
        return Vec::new();
    }
    *NOTED.lock().expect("one thread") = vec![None; PLACES];
    IS_NOTED.store(true, Relaxed);
    run();
    IS_NOTED.store(false, Relaxed);
    let noted = std::mem::take(&mut *NOTED.lock().expect("one thread"));
    let mut swaps = BTreeSet::new();
    for compared in noted.into_iter().flatten() {
        let written = match compared {
            Compared::Bytes(one, other) => vec![(one, other)],
            Compared::Numbers(one, other) => written(one, other),
        };
        for (one, other) in written {
            for swap in [(one.clone(), other.clone()), (other, one)] {
                if position(input, 0, &swap.0).is_some() {
                    swaps.insert(swap);
                }
            }
        }
    }
    swaps.into_iter().collect()
}

/// Two numbers in each way in which formats write them.
fn written(one: u64, other: u64) -> Vec<Swap> {
    let of_bytes = |count| {
        let bytes = |number: u64| number.to_le_bytes()[..count].to_vec();
        (bytes(one), bytes(other))
    };
    let mut written = vec![of_bytes(8)];
    if one.max(other) <= u64::from(u32::MAX) {
        written.push(of_bytes(4));
    }
    if one.max(other) > 9 {
        written.push((one.to_string().into(), other.to_string().into()));
    }
    written
}

/// Where a part stands, from a place on; digits only where they are all of a number.
pub fn position(input: &[u8], from: usize, part: &[u8]) -> Option<usize> {
    let is_number = part.iter().all(u8::is_ascii_digit);
    let is_part_of_word = |at: usize| input.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (from..(input.len() + 1).saturating_sub(part.len())).find(|&at| {
        let end = at + part.len();
        let is_cut = || at > 0 && is_part_of_word(at - 1) || is_part_of_word(end);
        let stands = input[at] == part[0] && input[at..end] == *part;
        stands && !(is_number && is_cut())
    })
}

fn note(hash: u64, compared: impl FnOnce() -> Compared) {
    // What is done here compares as well.
    IS_NOTED.store(false, Relaxed);
    let place = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 20;
    if let Some(kept) = NOTED.lock().expect("one thread").get_mut(place % PLACES) {
        *kept = Some(compared());
    }
    IS_NOTED.store(true, Relaxed);
}

fn numbers(one: u64, other: u64) {
    if IS_NOTED.load(Relaxed) && one != other {
        note(one ^ other.rotate_left(32), || {
            Compared::Numbers(one, other)
        });
    }
}

macro_rules! of_numbers {
    ($($name:ident: $type:ty),*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name(one: $type, other: $type) {
            numbers(one.into(), other.into());
        }
    )*};
}
of_numbers! {
    __sanitizer_cov_trace_cmp2: u16, __sanitizer_cov_trace_const_cmp2: u16,
    __sanitizer_cov_trace_cmp4: u32, __sanitizer_cov_trace_const_cmp4: u32,
    __sanitizer_cov_trace_cmp8: u64, __sanitizer_cov_trace_const_cmp8: u64
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_cmp1(_: u8, _: u8) {}
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_const_cmp1(_: u8, _: u8) {}

/// # Safety
/// `cases` is what the compiler made: how many there are, how many bits each has, and the cases.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_trace_switch(number: u64, cases: *const u64) {
    if !IS_NOTED.load(Relaxed) {
        return;
    }
    // SAFETY: it is as long as its first number says, and two more.
    let cases = unsafe { slice::from_raw_parts(cases, *cases as usize + 2) };
    if cases[1] > 8 {
        cases[2..].iter().for_each(|case| numbers(*case, number));
    }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    if length == 0 {
        return 0;
    }
    // SAFETY: both are readable for `length` bytes.
    let (one, other) = unsafe {
        (
            slice::from_raw_parts(one.cast::<u8>(), length),
            slice::from_raw_parts(other.cast::<u8>(), length),
        )
    };
    // No `==` of slices: that is this function.
    let Some(at) = (0..length).find(|at| one[*at] != other[*at]) else {
        return 0;
    };
    if IS_NOTED.load(Relaxed) && (2..=BYTES_MAX).contains(&length) {
        let folded = one.iter().chain(other).fold(0u64, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        note(folded, || Compared::Bytes(one.to_vec(), other.to_vec()));
    }
    c_int::from(one[at]) - c_int::from(other[at])
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(one: *const c_void, other: *const c_void, length: usize) -> c_int {
    // SAFETY: as the caller says.
    unsafe { memcmp(one, other, length) }
}
