#!/bin/sh
# The identity and the tokens in a real Secret Service: gnome-keyring in a D-Bus session of its own, by
# secret-tool. Store, run, pull with a token, rotate; a locked keyring, a daemon that is gone, no
# D-Bus; and back to files. Prints a line; where a program is missing it says so and does nothing.
# KAGI_BIN names the program; takes no argument.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
for tool in dbus-run-session dbus-send gnome-keyring-daemon secret-tool strace; do
    command -v "$tool" >/dev/null || { echo "skipped: keychain: $tool is not here"; exit 0; }
done
if [ "${1:-}" != inside ]; then
    [ -n "${KAGI_BIN:-}" ] || cargo build --quiet --locked
    KAGI_BIN=$(realpath "${KAGI_BIN:-target/debug/kagi}")
    dir=$(realpath "$(mktemp -d)")
    trap 'rm -rf "$dir"' EXIT
    trap 'exit 1' INT TERM HUP
    # What D-Bus starts has the home of the session.
    export KAGI_BIN dir HOME="$dir/home" XDG_RUNTIME_DIR="$dir/run"
    unset DISPLAY WAYLAND_DISPLAY XDG_DATA_HOME XDG_CONFIG_HOME
    mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$dir/work"
    # The session and what it starts talk to standard error.
    dbus-run-session -- sh "$here/tests/keychain.sh" inside 2>"$dir/session.log" && exit 0
    tail -n 20 "$dir/session.log" >&2
    exit 1
fi

started=
stop() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    started=
    wait
}
trap stop EXIT
trap 'exit 1' INT TERM HUP
export KAGI_HOME="$dir/kagi"
unset KAGI_PROJECT_TOKEN KAGI_ADMIN_TOKEN KAGI_IDENTITY KAGI_PROJECT_KEY

fail() {
    echo "FAILED: keychain: $*"
    sed 's/^/  /' "$dir/said" 2>/dev/null || true
    exit 1
}
# kagi WORDS...: must go well; fails WORDS...: must not, and what it says is in `said`.
kagi() { "$KAGI_BIN" "$@" 2>"$dir/said" || fail "kagi $*"; }
fails() { if "$KAGI_BIN" "$@" >"$dir/out" 2>"$dir/said" </dev/null; then fail "kagi $* went well"; fi; }
says() { grep -q "$1" "$dir/said" || fail "does not say: $1"; }
# traced WORDS...: as kagi, with the arguments of every program in `argv`.
traced() { strace -f -qq -s 99999 -e trace=execve -o "$dir/one" "$KAGI_BIN" "$@" 2>"$dir/said" || fail "kagi $*"; cat "$dir/one" >>"$dir/argv"; }
until_true() {
    left=100
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "never: $*"
        sleep 0.1
    done
}
works() { [ "$(kagi run -- printenv KEY)" = value ] || fail "run gives something else"; }
in_files() { cat "$KAGI_HOME"/identity.json* "$KAGI_HOME"/remotes/* "$KAGI_HOME"/projects/*/remote.json | grep -c '"kagi_[a-z]*_v1_' || true; }
in_keychain() { secret-tool search --all service kagi 2>&1 | grep -c '^secret = kagi_' || true; }

# The process that serves in this session. To ask the service itself would start another one.
server() {
    dbus-send --session --dest=org.freedesktop.DBus --print-reply=literal / \
        org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets | grep -o '[0-9]*$'
}
# The daemon is in the foreground, to be ended by its id; the password comes by its input.
unlock() {
    printf 'a password' | gnome-keyring-daemon --unlock --foreground --components=secrets >"$dir/daemon.log" 2>&1 &
    started="$started $!"
    until_true server
    until_true secret-tool store --label=probe service probe account probe <"$dir/probe"
}
lock() {
    dbus-send --session --dest=org.freedesktop.secrets --print-reply /org/freedesktop/secrets \
        org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null
}
end_daemon() {
    kill "$(server)"
    until_true has_none
}
has_none() { ! server; }

printf probe >"$dir/probe"
cd "$dir/work"
unlock

"$KAGI_BIN" serve --store "$dir/store" --bind 127.0.0.1:0 >"$dir/first" 2>"$dir/serve.log" &
started="$started $!"
until_true grep -q 'serving on ' "$dir/serve.log"
url=$(sed -n 's/.*serving on \([^ ]*\).*/\1/p' "$dir/serve.log")
sed -n 's/^admin token //p' "$dir/first" >"$dir/admin"
print=$(sed -n 's/.*fingerprint //p' "$dir/first" | head -n 1)

kagi init --name ada --no-git
kagi set KEY value
kagi remote login --remote "$url" --token - <"$dir/admin"
kagi project join --remote "$url" --fingerprint "$print" >/dev/null
kagi project approve "$(grep -o 'kgp_[a-z2-7]*' .kagi/kagi.json | head -n 1)" >"$dir/token"
kagi pull - <"$dir/token"
kagi push
cp "$KAGI_HOME/identity.json" "$dir/before"
grep -o 'kagi_identity_v1_[a-z2-7]*' "$dir/before" >"$dir/secrets"
cat "$dir/token" "$dir/admin" >>"$dir/secrets"
[ "$(in_files)" = 3 ] || fail "the files hold $(in_files) secrets"

# There.
traced identity store keychain >/dev/null
[ "$(in_files) $(in_keychain)" = '0 3' ] || fail "moved: $(in_files) in files, $(in_keychain) in the keychain"
works
traced run -- true
[ "$(grep -c 'execve("[^"]*/secret-tool".* = 0$' "$dir/one")" = 1 ] || fail "run starts more than one tool"
kagi push
kagi pull
kagi project list >/dev/null
kagi token issue >"$dir/newer"
cat "$dir/newer" >>"$dir/secrets"
traced pull - <"$dir/newer"
[ "$(in_files) $(in_keychain)" = '0 3' ] || fail "a new token: $(in_files) in files, $(in_keychain) in the keychain"
traced key rotate -y
kagi push
works
kagi doctor >/dev/null

# A locked keyring, a daemon that is gone, no session: clear words, nothing lost, no file instead.
cp "$KAGI_HOME/identity.json" "$dir/named"
lock
fails run -- printenv KEY
says 'does not serve .*identity.json.*it is locked'
fails identity store file
says 'it is locked'
fails identity show
fails pull
end_daemon
fails run -- printenv KEY
says 'the keychain of the system does not serve'
(unset DBUS_SESSION_BUS_ADDRESS; fails run -- printenv KEY)
says 'does not serve .*D-Bus'
# What asked for it has started another one, which is locked.
end_daemon
cmp -s "$KAGI_HOME/identity.json" "$dir/named" || fail "the file was changed"
[ "$(in_files)" = 0 ] || fail "a secret is in a file"
unlock
works

# An item that a person has deleted.
account=$(grep -o 'identity-[0-9a-f-]*' "$KAGI_HOME/identity.json")
secret-tool clear service kagi account "$account"
fails run -- printenv KEY
says 'has lost the secret of .*identity.json'
traced identity import <"$dir/before"
works

# And back.
traced identity store file >/dev/null
[ "$(in_files) $(in_keychain)" = '3 0' ] || fail "back: $(in_files) in files, $(in_keychain) in the keychain"
cmp -s "$KAGI_HOME/identity.json" "$dir/before" || fail "the identity is another file"
end_daemon
works
kagi pull

# No secret was an argument of any program.
[ "$(grep -c secret-tool "$dir/argv")" -gt 10 ] || fail "too little was seen"
grep -q -F -f "$dir/secrets" "$dir/argv" && fail "a secret is an argument"
echo "keychain: stored, ran, pulled, rotated, locked, lost, and back"
