#!/usr/bin/env bash
# Times a rotation of many scopes beside what writing and syncing the same files takes, interleaved,
# and prints the medians and their ratio. The floor is one program that does for each file what any
# safe writer must: temp file, write, fsync, rename, fsync of the directory. A rotation writes each
# file twice, before and after its commit, and so does the floor; `once` is the floor of one write.
#
#   scripts/bench_rotation.sh [SCOPES [KEYS [RUNS]]]    default 100 50 7; needs python3
#                                                       KAGI_BIN=path takes another binary
set -euo pipefail
scopes=${1:-100} keys=${2:-50} runs=${3:-7}
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
for number in $(seq "$keys"); do echo "KEY_$number=value-number-$number"; done >"$work/env"
for number in $(seq "$scopes"); do
    "$KAGI_BIN" import -s "service-$number" --file "$work/env" 2>"$work/log" || { cat "$work/log"; exit 1; }
done

cat >"$work/floor.py" <<'PYTHON'
import os, sys, time
source, target, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
files = []
for directory, _, names in os.walk(source):
    below = os.path.join(target, os.path.relpath(directory, source))
    os.makedirs(below, exist_ok=True)
    files += [(below, name, open(os.path.join(directory, name), "rb").read()) for name in names]
begun = time.perf_counter()
for _ in range(times):
    for directory, name, data in files:
        temp, path = os.path.join(directory, ".temp"), os.path.join(directory, name)
        file = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(file, data)
        os.fsync(file)
        os.close(file)
        os.rename(temp, path)
        file = os.open(directory, os.O_RDONLY)
        os.fsync(file)
        os.close(file)
print(int((time.perf_counter() - begun) * 1e6))
PYTHON

# One round runs each once, so that a disk that drifts slows all of them alike. Round 0 warms up.
for round in $(seq 0 "$runs"); do
    before=$EPOCHREALTIME
    "$KAGI_BIN" key rotate --yes 2>/dev/null
    after=$EPOCHREALTIME
    twice=$(python3 -I "$work/floor.py" .kagi/secrets "$work/copy" 2)
    once=$(python3 -I "$work/floor.py" .kagi/secrets "$work/copy" 1)
    if [ "$round" -gt 0 ]; then
        echo $((${after/[.,]/} - ${before/[.,]/})) >>"$work/rotate.times"
        echo "$twice" >>"$work/twice.times"
        echo "$once" >>"$work/once.times"
    fi
done

export LC_ALL=C
median() { sort -n "$work/$1.times" | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'; }
rotate=$(median rotate) once=$(median once) twice=$(median twice)
echo "$scopes scopes of $keys keys, $(du -sk .kagi/secrets | cut -f1) KiB, median of $runs: rotation $rotate µs"
awk -v r="$rotate" -v o="$once" -v t="$twice" 'BEGIN {
    printf "writing and syncing the same files once %d µs: ratio %.2f (goal: under 3)\n", o, r / o
    printf "as often as a rotation writes them %d µs: ratio %.2f\n", t, r / t }'
