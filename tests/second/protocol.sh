#!/usr/bin/env bash
# The protocol half of the second implementation: the golden vectors of docs/PROTOCOL.md, and a client
# of it at a real `kagi serve` on this machine. tests/second/run.sh calls it, with KAGI_BIN and PYTHON.
#
#   KAGI_TEST_SCALE=full: 200 rounds, else 5
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=5
[ "${KAGI_TEST_SCALE:-}" != full ] || rounds=200
python=${PYTHON:-target/second/venv/bin/python}
export PYTHONDONTWRITEBYTECODE=1
timeout 60 "$python" tests/second/protocol_vectors.py tests/vectors/protocol
timeout 600 "$python" tests/second/protocol_client.py "$rounds" "${KAGI_TEST_SEED:-7}"
