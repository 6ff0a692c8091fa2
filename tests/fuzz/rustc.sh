#!/usr/bin/env bash
# The compiler as cargo calls it here (RUSTC_WRAPPER): the crate under test and its JSON reader, and no others, count how
# often each of their edges is taken, and say what they compare. These are stable flags: LLVM's own pass.
set -euo pipefail
case " $* " in
*" --crate-name kagi "* | *" --crate-name miniserde "*)
    set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$@"
