#!/usr/bin/env bash
# The compiler as cargo calls it here (RUSTC_WRAPPER): the crate under test, and no other, counts how
# often each of its edges is taken, and says what it compares. These are stable flags: LLVM's own pass.
set -euo pipefail
case " $* " in
*" --crate-name kagi "*)
    set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$@"
