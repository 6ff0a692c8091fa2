#!/usr/bin/env bash
# A second implementation of kagi's formats, in Python, written from docs/FORMAT.md and without a look
# at src/, against the first: the golden vectors, random projects of kagi's read by it, and random
# projects of its own read by kagi.
#
#   tests/second/run.sh        KAGI_TEST_SCALE=full: 1,000 projects in each direction, else 15
#                              KAGI_TEST_SEED=N: other random choices; KAGI_BIN: the program
#
# What is random in keys and nonces comes from the system; shapes, names and values come from the seed.
# The packages of PyPI in requirements.txt are kept below target/second; without them all is skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
count=15
[ "${KAGI_TEST_SCALE:-}" != full ] || count=1000
seed=${KAGI_TEST_SEED:-7}
if [ -z "${KAGI_BIN:-}" ]; then
    cargo build --locked --quiet
    KAGI_BIN=${CARGO_TARGET_DIR:-target}/debug/kagi
fi
KAGI_BIN=$(realpath "$KAGI_BIN")

venv=target/second/venv
wanted=tests/second/requirements.txt
if ! cmp -s "$wanted" "$venv/has"; then
    rm -rf "$venv"
    if ! { python3 -m venv "$venv" && "$venv/bin/pip" install -q -r "$wanted"; } >target/second.log 2>&1; then
        echo "skipped: second: PyNaCl and blake3 cannot be had from PyPI (target/second.log)"
        exit 0
    fi
    cp "$wanted" "$venv/has"
fi
PYTHON=$(realpath -s "$venv/bin/python")
export KAGI_BIN PYTHON KAGI_TEST_SEED="$seed" PYTHONDONTWRITEBYTECODE=1

TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

"$PYTHON" tests/second/vectors.py tests/vectors
"$PYTHON" tests/second/kagis_projects.py "$count" "$seed"
"$PYTHON" tests/second/our_projects.py "$count" "$seed"
tests/second/protocol.sh
