//! What happens at a call that is stopped or fails, as `strace` injects it.
#![allow(dead_code)] // Every test file uses a part of it.

use super::common::is_full_scale;

/// What happens at a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    Kill,
    Full,
    Broken,
    /// With `KAGI_TEST_SCALE=full` alone, as those below.
    Quota,
    ReadOnly,
    NoDescriptor,
    Interrupted,
}

/// All of them, or those that each run of the tests has time for.
pub fn faults() -> &'static [Fault] {
    let all = &[
        Fault::Kill,
        Fault::Full,
        Fault::Broken,
        Fault::Quota,
        Fault::ReadOnly,
        Fault::NoDescriptor,
        Fault::Interrupted,
    ];
    if is_full_scale() { all } else { &all[..3] }
}

/// What is tried at a call of which each changes something or is only tried with
/// `KAGI_TEST_SCALE=full`: `always`, or all. What only reads leaves the disk as the next change finds it.
pub fn tried(call: &str, is_read: bool, always: &'static [Fault]) -> Vec<Fault> {
    let all = if is_full_scale() { faults() } else { always };
    let of_reads = [Fault::Broken, Fault::NoDescriptor, Fault::Interrupted];
    let is_tried = |fault: &Fault| fault.applies(call) && (!is_read || of_reads.contains(fault));
    all.iter().copied().filter(is_tried).collect()
}

impl Fault {
    /// The words of `strace` for it.
    pub fn injection(self) -> &'static str {
        match self {
            Fault::Kill => "signal=SIGKILL",
            Fault::Full => "error=ENOSPC",
            Fault::Broken => "error=EIO",
            Fault::Quota => "error=EDQUOT",
            Fault::ReadOnly => "error=EROFS",
            Fault::NoDescriptor => "error=EMFILE",
            Fault::Interrupted => "error=EINTR",
        }
    }

    /// What is said of it, as the C libraries word it.
    pub fn causes(self) -> &'static [&'static str] {
        match self {
            Fault::Kill => &[],
            Fault::Full => &["no space left on device"],
            Fault::Broken => &["input/output error", "i/o error"],
            Fault::Quota => &["quota exceeded"],
            Fault::ReadOnly => &["read-only file system"],
            Fault::NoDescriptor => &["too many open files", "no file descriptors available"],
            Fault::Interrupted => &["interrupted system call"],
        }
    }

    /// A full disk fails the calls that change something, a broken one those that look.
    /// (A `close` that fails is a panic of the standard library's, and on no real disk.)
    pub fn applies(self, call: &str) -> bool {
        let opens = call.starts_with("open");
        match self {
            Fault::Kill => true,
            Fault::Full => !looks(call),
            Fault::Broken => (looks(call) || is_full_scale()) && call != "close",
            Fault::Quota => !looks(call) && !is_sync(call) && !call.starts_with("unlink"),
            Fault::ReadOnly => !looks(call) && !is_sync(call) && !call.contains("write"),
            Fault::NoDescriptor => opens,
            Fault::Interrupted => {
                opens || ["read", "write", "flock", "ftruncate", "fsync"].contains(&call)
            }
        }
    }
}

fn is_sync(call: &str) -> bool {
    ["fsync", "fdatasync"].contains(&call)
}

/// True for a call that changes nothing.
pub fn looks(call: &str) -> bool {
    [
        "read",
        "statx",
        "newfstatat",
        "getdents64",
        "flock",
        "close",
    ]
    .contains(&call)
}
