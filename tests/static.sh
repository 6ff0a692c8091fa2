#!/usr/bin/env bash
# The static program alone in empty roots: no libraries, no /dev, /proc, /tmp, /etc/passwd or /etc/hosts,
# no home, no variables, nobody's user id. What containers from scratch do, without a container engine.
# Then the one for aarch64, if it was built, under qemu: each must read what the other has written.
#
#   tests/static.sh      KAGI_BIN names the program (default target/static/kagi)
#
# Needs readelf, and root or user namespaces for chroot; qemu-aarch64-static for the last part.
set -euo pipefail
cd "$(dirname "$0")/.."
# What the program may weigh, and what it is meant to.
bytes_max=1900000
bytes_goal=1048576

exec </dev/null
kagi=$(realpath "${KAGI_BIN:-target/static/kagi}")
foreign=$PWD/target/static/kagi-aarch64
work=$(realpath "$(mktemp -d)")
server=''
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
fail() {
    echo "FAILED: $*" >&2
    [ ! -f "$work/said" ] || tail -n 5 "$work/said" >&2
    exit 1
}

is_static() {
    local elf bytes
    elf=$(LC_ALL=C readelf -ldW "$1")
    if grep -E 'INTERP|NEEDED' <<<"$elf"; then fail "$1 is not static"; fi
    bytes=$(wc -c <"$1")
    echo "${1##*/}: static, $bytes bytes (goal $bytes_goal)"
    [ "$bytes" -le $bytes_max ] || fail "$1 weighs $bytes bytes, more than $bytes_max"
}
is_static "$kagi"

if [ "$(id -u)" = 0 ]; then
    chroot=("$(command -v chroot)" --userspec=65534:65534)
else
    chroot=("$(command -v unshare)" --map-root-user "$(command -v chroot)")
fi
# machine NAME: an empty root with the program, and a directory for state.
machine() {
    mkdir -p "$work/$1/state"
    cp "$kagi" "$work/$1/kagi"
    [ "$(id -u)" != 0 ] || chown -R 65534:65534 "$work/$1"
}
# in_root [NAME=VALUE...] WORDS...: one command in $root, with these variables and no other.
in_root() {
    local variables=()
    while [[ "$1" == [A-Z]*=* ]]; do
        variables+=("$1")
        shift
    done
    env -i "${variables[@]}" "${chroot[@]}" "$root" /kagi "$@" 2>"$work/said"
}
ok() { in_root "$@" || fail "kagi $*"; }
refused() { # CODE TEXT WORDS...
    local code=$1 text=$2 got=0
    shift 2
    in_root "$@" >"$work/out" || got=$?
    if [ $got != "$code" ] || ! grep -qF -- "$text" "$work/said"; then fail "kagi $*: $got, not $code, $text"; fi
}

machine one
machine two
root=$work/one
home=KAGI_HOME=/state/home
in_root --version >"$work/version" || { echo 'skipped: static: nothing can chroot here'; exit 0; }
refused 1 'set KAGI_HOME to a directory' init
ok $home init --name ada
ok $home set GREETING hello
ok $home set HOME /injected
ok $home get | grep GREETING >/dev/null || fail 'get lists nothing'
refused 1 'without a terminal' $home get GREETING
ok $home run -- /kagi --version | cmp - "$work/version" || fail 'run ran something else'
# The child is kagi again, and tells what home it was given.
refused 1 '/injected/.local/share' $home run --clean -- /kagi status
refused 2 'there is no command "nosuch"' $home run -- /kagi nosuch
refused 127 'there is no program "sh"' $home run -- sh
refused 1 '/dev/shm' $home edit
ok $home doctor
# As in CI: one variable, and no home at all.
identity=$(ok $home member add --name ci --only app/development)
ok "KAGI_IDENTITY=$identity" run -- /kagi --version >/dev/null
refused 1 '/injected/.local/share' "KAGI_IDENTITY=$identity" run -- /kagi status
echo 'in an empty root: init, set, get, run, and with KAGI_IDENTITY alone'

serve=(serve --store /state/store --key-file /state/key)
ok "${serve[@]}" --init >"$work/made"
: >"$work/serve.log"
env -i "${chroot[@]}" "$root" /kagi "${serve[@]}" --bind localhost:0 2>"$work/serve.log" &
server=$!
port=''
for _ in $(seq 100); do
    port=$(sed -n 's/.*http:\/\/127.0.0.1:\([0-9]*\).*/\1/p' "$work/serve.log")
    [ -z "$port" ] || break
    sleep 0.05
done
[ -n "$port" ] || fail "no server: $(cat "$work/serve.log")"
ok serve "--health=http://localhost:$port"
# Without /etc/hosts localhost has a name all the same, and no other has one.
near=http://localhost:$port far=http://vault:$port
token() { sed -n 's/^admin token //p' "$work/made"; }
ok $home remote login --remote "$near" --token - < <(token)
ok $home project join --remote "$near" >/dev/null
ok $home project approve "$(grep -o 'kgp_[a-z2-7]*' "$root/.kagi/kagi.json" | head -n 1)" >"$work/token"
ok $home pull - <"$work/token"
ok $home push
refused 1 'cannot reach "http://vault' $home remote login --remote "$far" --allow-insecure-http --token - < <(token)
refused 1 'there is no "curl"' $home remote login --remote https://vault.example.org --token - < <(token)
mkdir "$root/etc"
echo '127.0.0.1 vault' >"$root/etc/hosts"
ok $home remote login --remote "$far" --allow-insecure-http --token - < <(token)
ok $home token issue --join --name ben >"$work/join"
root=$work/two
ok $home pull - <"$work/join"
ok $home member join --name ben --trust "$(root=$work/one ok $home identity show | grep -o 'kgm_[a-z2-7]*' | head -n 1)" >/dev/null
root=$work/one
ok $home pull
ok $home member approve "$(root=$work/two ok $home identity show | grep -o 'kgm_[a-z2-7]*' | head -n 1)" >/dev/null
ok $home set HOME /pushed
ok "$home" KAGI_ALLOW_INSECURE_HTTP=1 push
root=$work/two
ok $home pull
refused 1 '/pushed/.local/share' $home run --clean -- /kagi status
echo 'in empty roots: serve, push and pull, by localhost and by a name of /etc/hosts'

[ -f "$foreign" ] || { echo 'skipped: static: target/static/kagi-aarch64 was not built'; exit 0; }
is_static "$foreign"
qemu=$(command -v qemu-aarch64-static) || { echo 'skipped: static: qemu-aarch64-static is not here'; exit 0; }
mkdir "$work/shared"
cd "$work/shared"
export KAGI_HOME=$work/of-both KAGI_DISABLE_KEYRING=1 HOME=$work
here() { "$kagi" "$@" 2>"$work/said" || fail "x86_64: kagi $*"; }
there() { "$qemu" "$foreign" "$@" 2>"$work/said" || fail "aarch64: kagi $*"; }
[ "$(there --version)" = "$(here --version)" ] || fail 'aarch64: another version'
# Either makes a project; the other reads it, changes it, turns the keys, and the first reads that.
for pair in 'here there' 'there here'; do
    read -r first second <<<"$pair"
    mkdir "$first"
    cd "$first"
    $first init --no-migrate
    $first set FIRST "$first"
    $second set SECOND "$second"
    [ "$($second run -- printenv FIRST)" = "$first" ] || fail "$second reads another value"
    $second key rotate --yes >/dev/null
    [ "$($first run -- printenv SECOND)" = "$second" ] || fail "$first reads another value"
    $first doctor
    cd ..
done
echo 'aarch64 under qemu: reads what x86_64 wrote, and the other way round'
