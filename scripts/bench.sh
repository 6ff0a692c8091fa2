#!/usr/bin/env bash
# Times `kagi run` against its floors, interleaved, and prints medians, 10th and 90th percentiles
# and ratios to /bin/true of the same run. Needs bash 5; changes nothing outside a temp directory.
#
#   scripts/bench.sh [RUNS]        default 200; KAGI_BIN=path takes another binary
set -euo pipefail
runs=${1:-200}
cd "$(dirname "$0")/.."
if [ -z "${KAGI_BIN:-}" ]; then
    cargo build --release --locked --quiet
    KAGI_BIN=$PWD/target/release/kagi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export KAGI_HOME=$work/home KAGI_DISABLE_KEYRING=1
mkdir "$work/project"
cd "$work/project"
"$KAGI_BIN" init --no-migrate 2>/dev/null
for count in 1 20 200 2000; do
    for number in $(seq "$count"); do echo "KEY_$number=value-number-$number-of-$count"; done >"$work/$count.env"
    "$KAGI_BIN" import -s "s$count" --file "$work/$count.env" 2>"$work/log" || { cat "$work/log"; exit 1; }
done

names=(true)
declare -A command
command[true]='/bin/true'
for count in 1 20 200 2000; do
    names+=("kagi-$count" "bash-$count")
    command[kagi-$count]="$KAGI_BIN run s$count /bin/true"
    command[bash-$count]="bash --norc -c 'set -a; . $work/$count.env; exec /bin/true'"
    if command -v dash >/dev/null; then
        names+=("dash-$count")
        command[dash-$count]="dash -c 'set -a; . $work/$count.env; exec /bin/true'"
    fi
done

# One round runs each command once, so that a machine that drifts slows all of them alike.
for round in $(seq 0 "$runs"); do
    for name in "${names[@]}"; do
        before=$EPOCHREALTIME
        eval "${command[$name]}"
        after=$EPOCHREALTIME
        # Round 0 warms the caches.
        if [ "$round" -gt 0 ]; then echo $((${after/[.,]/} - ${before/[.,]/})) >>"$work/$name.times"; fi
    done
done

# Not before: bash itself is faster in the C locale, and its users are not in it.
export LC_ALL=C
percentile() { sort -n "$work/$1.times" | awk -v p="$2" '{a[NR]=$1} END {i=int(NR*p/100+0.5); if (i<1) i=1; print a[i]}'; }
floor=$(percentile true 50)
echo "$runs interleaved runs on $(nproc) cores, $(uname -sm), $(du -k "$KAGI_BIN" | cut -f1) KiB binary"
printf '%-12s %9s %9s %9s %9s\n' command 'p10 µs' 'median' 'p90' 'x true'
for name in "${names[@]}"; do
    median=$(percentile "$name" 50)
    printf '%-12s %8s %8s %9s %9s\n' "$name" "$(percentile "$name" 10)" "$median" "$(percentile "$name" 90)" \
        "$(awk -v a="$median" -v b="$floor" 'BEGIN {printf "%.2f", a/b}')"
done
