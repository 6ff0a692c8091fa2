#!/usr/bin/env bash
# Runs again what docs/ASSURANCE.md says: each part prints what it counted, and one that fails says how to see that again.
#
#   scripts/assure.sh                    everything, whole: under 30 minutes on two cores
#   scripts/assure.sh --quick            everything, small: what `cargo test` and `.ci/run` do
#   scripts/assure.sh [--quick] PART...  only these: second crash disk power tamper fuzz hostile mutants deps
#
# Needs Rust, Git, strace and python3 (with venv, and a package index or a cache of it for two packages);
# what is missing is skipped, and said. KAGI_BIN names another program for the parts that run one. A part
# that chooses at random takes KAGI_TEST_SEED. Everything that is made is under `target` or a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."

run() { # PART
    case $1 in
    second) tests/second/run.sh ;;
    crash) cargo test --locked --quiet --test crash --test sync_crash --test store_crash --test server_crash ;;
    disk) cargo test --locked --quiet --test full_disk ;;
    power) cargo test --locked --quiet --test power ;;
    tamper) cargo test --locked --quiet --test tamper --test attack ;;
    fuzz) tests/fuzz/run.sh ;;
    hostile) cargo test --locked --quiet --test hostile ;;
    mutants) tests/mutants/run.sh ;;
    deps) scripts/deps.sh --check ;;
    *)
        echo "no such part: $1 (see --help)" >&2
        return 2
        ;;
    esac
}

case ${1:-} in
--help | -h)
    sed -n '2,10s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
--one) # PART: with its output in one piece
    began=$(date +%s)
    code=0
    log=$ASSURE_LOGS/$2
    run "$2" >"$log" 2>&1 </dev/null || code=$?
    # The harness of Rust may have put a dot before it.
    sed -nE 's/^\.*((assured|skipped): )/\1/p' "$log" >"$log.said"
    [ -s "$log.said" ] || { code=1 && echo 'it says neither what it did nor what it skipped' >>"$log"; }
    cat "$log.said" >>"$ASSURE_LOGS/summary"
    printf '\n== %s: %s, %d s\n' "$2" "$([ $code = 0 ] && echo ok || echo "FAILED ($code)")" $(($(date +%s) - began)) | cat - "$log"
    exit $code
    ;;
--quick)
    shift
    unset KAGI_TEST_SCALE
    ;;
*) export KAGI_TEST_SCALE=full ;;
esac

# The longest first, so that both cores have something to do until the end.
parts=(mutants crash second fuzz power tamper hostile disk deps)
[ $# != 0 ] || set -- "${parts[@]}"
for part; do
    [[ " ${parts[*]} " == *" $part "* ]] || run "$part"
done

began=$(date +%s)
ASSURE_LOGS=$(mktemp -d)
# In memory where there is a place for that: the tests write many small files, each synced.
# Open to all as /tmp is: some tests give their rights up.
memory=
[ ! -w /dev/shm ] || { memory=$(mktemp -d /dev/shm/kagi-assure.XXXXXX) && chmod 1777 "$memory"; }
export ASSURE_LOGS TMPDIR=${memory:-${TMPDIR:-/tmp}}
trap 'rm -rf "$ASSURE_LOGS" ${memory:+"$memory"}' EXIT
: >"$ASSURE_LOGS/summary"
cargo test --locked --quiet --no-run
code=0
printf '%s\n' "$@" | xargs -P 2 -n 1 "$0" --one || code=$?
printf '\n== in all: %d s\n' $(($(date +%s) - began))
LC_ALL=C sort "$ASSURE_LOGS/summary"
skipped=$(grep -c '^skipped: ' "$ASSURE_LOGS/summary") || true
[ "$skipped" = 0 ] || echo "$skipped things were skipped: see above what they need"
[ $code = 0 ] || {
    echo 'FAILED: see above' >&2
    exit 1
}
