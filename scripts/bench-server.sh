#!/usr/bin/env bash
# Figures of the sync server on loopback, each beside a floor of the same run: what the cryptography,
# a connection and two syncs cost alone. Then whole commands. Changes nothing outside a temp directory.
#
#   scripts/bench-server.sh [REQUESTS [SECONDS]]     default 3000 and 5; KAGI_BIN=path takes another binary
set -euo pipefail
requests=${1:-3000}
seconds=${2:-5}
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet --example bench_server
bench=$PWD/target/release/examples/bench_server
if [ -z "${KAGI_BIN:-}" ]; then
    cargo build --release --locked --quiet
    KAGI_BIN=$PWD/target/release/kagi
fi
# Beside the repository's own files, for a temp directory may be in memory, where a sync costs nothing.
work=$(mktemp -d "$PWD/target/bench-server.XXXXXX")
server=''
trap 'test -z "$server" || { kill -9 "$server"; wait "$server"; } 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/library"
"$bench" "$KAGI_BIN" "$requests" "$seconds" "$work/library"

echo
echo 'whole commands, a project of 20 keys'
mkdir "$work/owner" "$work/project" "$work/elsewhere"
export KAGI_HOME=$work/owner KAGI_DISABLE_KEYRING=1
cd "$work/project"
"$KAGI_BIN" serve --init --store "$work/store" --key-file "$work/key" >"$work/made" 2>"$work/log"
"$KAGI_BIN" serve --bind 127.0.0.1:0 --store "$work/store" --key-file "$work/key" 2>"$work/log" &
server=$!
until address=$(grep -o 'http://127.0.0.1:[0-9]*' "$work/log"); do sleep 0.01; done
"$KAGI_BIN" init --no-migrate 2>/dev/null
for number in $(seq 20); do echo "KEY_$number=value-number-$number"; done >"$work/20.env"
"$KAGI_BIN" import --file "$work/20.env" 2>/dev/null
grep -o 'kagi_admin_v1_[a-z2-7]*' "$work/made" | "$KAGI_BIN" remote login --remote "$address" --token - 2>/dev/null
"$KAGI_BIN" project join --remote "$address" >/dev/null 2>&1
id=$(grep -o 'kgp_[a-z2-7]*' .kagi/kagi.json)
"$KAGI_BIN" project approve "$id" 2>/dev/null | "$KAGI_BIN" pull - 2>/dev/null
"$KAGI_BIN" push 2>/dev/null

median() { sort -n | awk '{ line[NR] = $1 } END { printf "%.2f ms\n", line[int((NR + 1) / 2)] / 1000 }'; }
measure() { # NAME BEFORE COMMAND...
    local name=$1 before=$2 number begin
    shift 2
    for number in $(seq 60); do
        [ -z "$before" ] || "$KAGI_BIN" set COUNT "$number$RANDOM" 2>/dev/null
        begin=${EPOCHREALTIME/./}
        "$@" >/dev/null 2>&1
        echo $((${EPOCHREALTIME/./} - begin))
    done | { printf '%-34s' "$name"; median; }
}
measure 'floor: /bin/true' '' /bin/true
measure 'kagi remote status (goal 4 ms)' '' "$KAGI_BIN" remote status
measure 'kagi pull, nothing new (goal 4 ms)' '' "$KAGI_BIN" pull
measure 'kagi push of a change (goal 4 ms)' set "$KAGI_BIN" push
