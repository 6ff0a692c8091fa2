#!/bin/sh
# Holds what `format::dotenv` writes against the programs that will read it: Node's own parser,
# npm `dotenv`, `python-dotenv`, bash. The corpus comes from `tests/dotenv.rs`; N.raw is the truth
# (name, NUL, value, NUL, ...). One line a consumer with its counts; any difference fails. A
# consumer that is not here or cannot be installed is skipped, and says so. Takes no argument.
set -eu
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
corpus=$dir/corpus
mkdir "$corpus"
KAGI_CONSUMERS=$corpus cargo test --quiet --test dotenv writes_the_corpus >"$dir/log" 2>&1 || {
    cat "$dir/log" >&2
    exit 1
}
[ -f "$corpus/0.env" ] || { echo "consumers: no corpus was written" >&2; exit 1; }
failed=0

# report NAME COMMAND...: the command prints its counts and fails on a difference.
report() {
    name=$1
    shift
    if counts=$("$@" 2>"$dir/log"); then
        echo "$name: $counts"
    else
        echo "$name: FAILED: $counts" >&2
        head -n 20 "$dir/log" >&2
        failed=1
    fi
}

skip() { echo "skipped: $1"; }

# --- JavaScript: check.js MODE CORPUS [MODULE] -------------------------------------------------
cat >"$dir/check.js" <<'EOF'
const fs = require('fs')
const { execFileSync } = require('child_process')
const [mode, dir, module_] = process.argv.slice(2)
const raw = n => {
  const words = fs.readFileSync(`${dir}/${n}.raw`, 'utf8').split('\0')
  const want = {}
  for (let i = 0; i + 1 < words.length; i += 2) want[words[i]] = words[i + 1]
  return want
}
const print = 'process.stdout.write(JSON.stringify(process.env))'
const readers = {
  // A clean environment, because --env-file never replaces what is set.
  env: file => JSON.parse(execFileSync(process.execPath, ['--env-file=' + file, '-e', print],
    { env: {}, maxBuffer: 1 << 26 })),
  json: file => JSON.parse(fs.readFileSync(file, 'utf8')),
  npm: file => require(module_).parse(fs.readFileSync(file)),
  fast: file => require(module_).parse(fs.readFileSync(file), { fast: true })
}
const extension = mode === 'json' ? 'json' : 'env'
let files = 0, pairs = 0, bad = 0
for (let n = 0; fs.existsSync(`${dir}/${n}.${extension}`); n++, files++) {
  const want = raw(n)
  const got = readers[mode](`${dir}/${n}.${extension}`)
  if (mode !== 'env' && Object.keys(got).length !== Object.keys(want).length) bad++
  for (const name in want) {
    pairs++
    if (got[name] === want[name]) continue
    bad++
    console.error(n, name, JSON.stringify(want[name]), JSON.stringify(got[name]))
  }
}
console.log(`${files} files, ${pairs} pairs, ${bad} differ`)
process.exit(bad || !files ? 1 : 0)
EOF

if command -v node >/dev/null 2>&1; then
    report "json ($(node --version))" node "$dir/check.js" json "$corpus"
    if (cd "$dir" && : >empty && node --env-file=empty -e 0) >/dev/null 2>&1; then
        report "node --env-file ($(node --version))" node "$dir/check.js" env "$corpus"
    else
        skip "node --env-file: this node has none"
    fi
    if command -v npm >/dev/null 2>&1 && npm install --silent --no-audit --no-fund \
        --ignore-scripts --fetch-retries=1 --fetch-timeout=15000 --prefix "$dir/npm" dotenv \
        >/dev/null 2>&1; then
        module=$dir/npm/node_modules/dotenv
        version=$(node -p 'require(process.argv[1] + "/package.json").version' "$module")
        report "npm dotenv ($version)" node "$dir/check.js" npm "$corpus" "$module"
        report "npm dotenv, fast ($version)" node "$dir/check.js" fast "$corpus" "$module"
    else
        skip "npm dotenv: cannot be installed"
    fi
else
    skip "node, npm dotenv, json: node is not installed"
fi

# --- Python ------------------------------------------------------------------------------------
cat >"$dir/check.py" <<'EOF'
import os, sys
from dotenv import dotenv_values
corpus, files, pairs, bad = sys.argv[1], 0, 0, 0
while os.path.exists(f"{corpus}/{files}.env"):
    with open(f"{corpus}/{files}.raw", encoding="utf-8", newline="") as raw:
        words = raw.read().split("\0")
    want = dict(zip(words[0:-1:2], words[1::2]))
    got = dotenv_values(f"{corpus}/{files}.env")
    bad += len(got) != len(want)
    for name, value in want.items():
        pairs += 1
        if got.get(name) != value:
            bad += 1
            print(files, name, ascii(value), ascii(got.get(name)), file=sys.stderr)
    files += 1
print(f"{files} files, {pairs} pairs, {bad} differ")
sys.exit(1 if bad or not files else 0)
EOF

if python3 -m venv "$dir/venv" >/dev/null 2>&1 && "$dir/venv/bin/pip" install --quiet \
    --disable-pip-version-check --retries 1 --timeout 15 python-dotenv >/dev/null 2>&1; then
    version=$("$dir/venv/bin/python" -c \
        'import importlib.metadata as m; print(m.version("python-dotenv"))')
    report "python-dotenv ($version)" "$dir/venv/bin/python" "$dir/check.py" "$corpus"
else
    skip "python-dotenv: cannot be installed"
fi

# --- bash: check.bash EXTENSION CORPUS ---------------------------------------------------------
cat >"$dir/check.bash" <<'EOF'
extension=$1 corpus=$2 files=0 pairs=0 bad=0
for file in "$corpus"/*."$extension"; do
    read -r pairs_here bad_here < <(
        source "$file" || exit
        pairs=0 bad=0
        while IFS= read -r -d '' name && IFS= read -r -d '' value; do
            pairs=$((pairs + 1))
            [ "${!name-unset}" = "$value" ] && continue
            bad=$((bad + 1))
            printf '%s %s %q %q\n' "$file" "$name" "$value" "${!name-unset}" >&2
        done <"${file%.*}.raw"
        echo "$pairs $bad"
    )
    files=$((files + 1)) pairs=$((pairs + pairs_here)) bad=$((bad + ${bad_here:-1}))
done
echo "$files files, $pairs pairs, $bad differ"
[ "$bad" = 0 ] && [ "$pairs" != 0 ]
EOF

if command -v bash >/dev/null 2>&1; then
    for locale in C C.UTF-8; do
        LC_ALL=$locale report "bash source .env ($locale)" bash "$dir/check.bash" env "$corpus"
        LC_ALL=$locale report "bash source .sh ($locale)" bash "$dir/check.bash" sh "$corpus"
    done
else
    skip "bash: not installed"
fi
exit "$failed"
