#!/usr/bin/env bash
# Fuzzes kagi's parsers: see src/main.rs for what must hold.
#
#   tests/fuzz/run.sh                                a few thousand inputs a parser
#   KAGI_TEST_SCALE=full tests/fuzz/run.sh           about thirty times as many
#   tests/fuzz/run.sh TARGET --seed N --inputs M     one parser
#   tests/fuzz/run.sh TARGET FILE                    one input, such as target/fuzz/found/TARGET.input
#
# The numbers of inputs are fixed, so the same seed (KAGI_TEST_SEED) shows the same figures.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
export CARGO_TARGET_DIR=$root/target/fuzz
export KAGI_FUZZ_FOUND=$CARGO_TARGET_DIR/found
mkdir -p "$KAGI_FUZZ_FOUND"

RUSTC_WRAPPER=$here/rustc.sh cargo build --quiet --locked --manifest-path "$here/Cargo.toml"
fuzz=$CARGO_TARGET_DIR/debug/kagi-fuzz
if [ $# -gt 0 ]; then
    exec "$fuzz" "$@"
fi

seed=${KAGI_TEST_SEED:-1}
column=2
[ "${KAGI_TEST_SCALE:-}" != full ] || column=3
echo "fuzz: seed $seed"
# A process each: its memory and its edges are its own. One that dies says what it ran.
one() { # TARGET SEED INPUTS
    local code=0
    "$fuzz" "$1" --seed "$2" --inputs "$3" || code=$?
    [ "$code" = 0 ] && return
    echo "FAILED: fuzz: $1 ended with $code (seed $2, $3 inputs); what it ran is in target/fuzz/found/$1.input" >&2
    return 1
}
export -f one
export fuzz seed
results=$(mktemp)
trap 'rm -f "$results"' EXIT
# shellcheck disable=SC2016 # They expand in the shell that xargs starts.
"$fuzz" list | awk -v column="$column" '{ print $1, $column }' |
    xargs -P 2 -L 1 bash -c 'one "$1" "$seed" "$2"' one | tee "$results"
awk '{ for (i = 2; i <= NF; i++) { split($i, pair, "="); sum[pair[1]] += pair[2] } }
    sum["of"] > 0 { guided = "guided by coverage" }
    END { printf "assured: fuzz: %d inputs to %d parsers, %d of them accepted, %s (%d edges); " \
        "no panic, none over 1 s, no more memory than 16 times the input and 64 KiB (5 MB for a .env file)\n",
        sum["inputs"], NR, sum["accepted"], guided ? guided : "WITHOUT coverage", sum["edges"] }' "$results"
