#!/bin/sh
# Holds what `format::dotenv` writes against the programs that will read it: Node's own parser,
# npm `dotenv`, `python-dotenv`, bash, dash, Python's json; and against small parsers of the written rules of
# Docker, Kubernetes and GitHub. The corpus comes from `tests/dotenv.rs`; N.raw is the truth
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

# --- By written rules: check_rules.py MODE CORPUS -----------------------------------------------
cat >"$dir/check_rules.py" <<'EOF'
import base64, json, os, re, shutil, subprocess, sys
mode, corpus = sys.argv[1:]


def text(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def unique(pairs):
    assert len(dict(pairs)) == len(pairs), "a name twice"
    return dict(pairs)


def docker(path):
    """docker/cli opts: lines of at most 64 KiB; a `#` at the begin is a comment, blanks before the name are
    dropped, a name has no blank, everything after the first `=` is the value."""
    pairs = []
    for line in text(path).split("\n"):
        assert len(line.encode()) < 65536
        line = line.lstrip()
        if line and not line.startswith("#"):
            name, equals, value = line.partition("=")
            assert name and equals and not re.search(r"\s", name), name
            pairs.append((name, value))
    return unique(pairs)


def k8s(path):
    """apimachinery validation: DNS-1123 subdomain, names of data, 1 MiB of values."""
    secret = json.loads(text(path), object_pairs_hook=unique)
    assert (secret["apiVersion"], secret["kind"], secret["type"]) == ("v1", "Secret", "Opaque")
    name = secret["metadata"]["name"]
    label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
    assert len(name) <= 253 and re.fullmatch(rf"{label}(\.{label})*", name), name
    for name in secret["data"]:
        assert len(name) <= 253 and re.fullmatch(r"[-._a-zA-Z0-9]+", name), name
    data = {name: base64.b64decode(value, validate=True) for name, value in secret["data"].items()}
    assert sum(map(len, data.values())) <= 1 << 20
    return {name: value.decode() for name, value in data.items()}


def github(path):
    """The runner's environment file: empty lines say nothing; NAME<<DELIMITER, then lines up to one that
    is the delimiter, the last line end not counted."""
    rest, pairs = text(path), []
    while rest:
        line, end, rest = rest.partition("\n")
        if not line:
            continue
        name, mark, delimiter = line.partition("<<")
        assert name and mark and delimiter and "=" not in name and end, line
        assert name.upper() != "NODE_OPTIONS" and not re.match("(GITHUB|RUNNER)_", name, re.I)
        lines = []
        while True:
            line, end, rest = rest.partition("\n")
            if line == delimiter:
                break
            assert end, "no delimiter"
            lines.append(line)
        pairs.append((name, "\n".join(lines)))
    masks(path.replace(".github", ".masks"), dict(pairs))
    return unique(pairs)


def masks(path, values):
    """Workflow commands: %25, %0D and %0A in the data stand for %, CR and LF. A log has a line for each of
    CR, LF and CRLF; of each line of a value that is worth it, nothing may be left."""
    known = set()
    for line in text(path).split("\n")[:-1]:
        assert line.startswith("::add-mask::") and "\r" not in line
        data = line.removeprefix("::add-mask::")
        assert not re.search("%(?!25)", data), "a bare %"
        known.add(data.replace("%25", "%"))
    assert not any(len(mask.encode()) < 3 or not mask.strip(" \t\n\f\r") for mask in known)
    for value in values.values():
        for line in re.split("[\r\n]", value):
            assert line in known or len(line.encode()) < 3 or not line.strip(" \t\n\f\r"), ascii(line)


def sourced(path):
    command = ["dash", "-c", '. "$1"; exec "$2" -0', "dash", path, shutil.which("env")]
    out = subprocess.run(command, env={}, stdout=subprocess.PIPE, check=True).stdout.decode()
    return dict(pair.partition("=")[::2] for pair in out.split("\0")[:-1])


readers = {
    "docker": docker, "k8s": k8s, "github": github, "sh": sourced,
    "json": lambda path: json.loads(text(path), object_pairs_hook=unique),
}
files = pairs = bad = 0
while os.path.exists(f"{corpus}/{files}.{mode}"):
    words = text(f"{corpus}/{files}.raw").split("\0")
    want = dict(zip(words[0:-1:2], words[1::2]))
    if mode == "docker":
        want = {name: value for name, value in want.items() if not re.search("[\r\n]", value)}
    got = readers[mode](f"{corpus}/{files}.{mode}")
    bad += mode != "sh" and len(got) != len(want)
    for name, value in want.items():
        pairs += 1
        if got.get(name) != value:
            bad += 1
            print(files, name, ascii(value), ascii(got.get(name)), file=sys.stderr)
    files += 1
print(f"{files} files, {pairs} pairs, {bad} differ")
sys.exit(1 if bad or not pairs else 0)
EOF

if command -v python3 >/dev/null 2>&1; then
    report "json (Python)" python3 "$dir/check_rules.py" json "$corpus"
    report "docker --env-file, by its rules" python3 "$dir/check_rules.py" docker "$corpus"
    report "a Kubernetes Secret, by its rules" python3 "$dir/check_rules.py" k8s "$corpus"
    report "GitHub's file and masks, by their rules" python3 "$dir/check_rules.py" github "$corpus"
    if command -v dash >/dev/null 2>&1; then
        report "dash source .sh" python3 "$dir/check_rules.py" sh "$corpus"
    else
        skip "dash: not installed"
    fi
else
    skip "json, docker, k8s, github, dash: python3 is not installed"
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
