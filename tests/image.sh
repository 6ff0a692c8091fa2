#!/bin/sh
# The images of docs/deploy, put together as their Dockerfiles say (tests/image.py) and run without a container
# engine: in namespaces, as uid 65532, with a read-only root, no /proc and no capability. The server:
# first start, health, push and pull, stop and start, volumes of a wrong owner, and as Kubernetes hands
# them over. An application's image: values, exit code and signals, a key that is missing or not readable.
# KAGI_BIN has to be a static binary. Needs root, unshare, ip and python3; says so where it is skipped.
# Takes no argument.
set -eu
cd "$(dirname "$0")/.."
kagi=$(realpath "${KAGI_BIN:-target/static/kagi}")
skip() { echo "skipped: image: $1"; exit 0; }
[ "$(id -u)" = 0 ] || skip 'only root can make a root'
for tool in unshare ip python3 readelf; do command -v $tool >/dev/null || skip "$tool is not here"; done
[ -x "$kagi" ] || skip "there is no $kagi"
if LC_ALL=C readelf -lW "$kagi" | grep -q INTERP; then skip "$kagi is not static"; fi
# A network of its own, so that the image's port is free.
if [ -z "${KAGI_IMAGE_NETWORK:-}" ]; then
    unshare --net --mount --pid --fork true 2>/dev/null || skip 'no namespaces here'
    KAGI_IMAGE_NETWORK=own exec unshare --net "tests/$(basename "$0")"
fi
ip link set lo up
ip address add 192.0.2.1/32 dev lo

dir=$(realpath "$(mktemp -d)")
started=
# first_process: of the container that runs. Its death ends the outer one too.
first_process() { tr -d ' ' <"/proc/$started/task/$started/children"; }
stop() {
    [ -z "$started" ] || kill -KILL "$(first_process)" 2>/dev/null || kill -KILL "$started" 2>/dev/null || true
    wait
    started=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP
fail() {
    echo "FAILED: image: $*" >&2
    tail -n 5 "$dir/said" "$dir/served" "$dir/app.out" >&2 2>/dev/null || true
    exit 1
}
image() { python3 tests/image.py "$@"; }
# refused WHAT SAYING COMMAND...: it exits 1 and prints that.
refused() {
    what=$1 saying=$2
    shift 2
    code=0
    "$@" >"$dir/said" 2>&1 || code=$?
    [ "$code" = 1 ] || fail "$what: exit $code"
    [ -z "$saying" ] || grep -q -- "$saying" "$dir/said" || fail "$what: nothing of \"$saying\""
}
# container LOG WORDS...: runs an image in the background; leaves its outer process in $started.
container() {
    log=$dir/$1
    shift
    python3 tests/image.py run "$@" >"$log" 2>&1 &
    started=$!
}
# until_true COMMAND...: within 30 seconds.
until_true() {
    end=$(($(date +%s) + 30))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $end ] || fail "never: $*"
        sleep 0.1
    done
}
# Of ada, outside of all containers.
export HOME="$dir/home" KAGI_HOME="$dir/home/kagi" KAGI_DISABLE_KEYRING=1
unset KAGI_IDENTITY KAGI_IDENTITY_FILE KAGI_PROJECT_KEY KAGI_PROJECT_TOKEN KAGI_ADMIN_TOKEN
mkdir -p "$dir/home" "$dir/project" "$dir/build/src/target/static"
cp "$kagi" "$dir/build/src/target/static/kagi"
ada() { (cd "$dir/project" && "$kagi" "$@" 2>"$dir/said") || fail "kagi $*"; }

# --- the server -------------------------------------------------------------------------------
image assemble docs/deploy/Dockerfile "$dir/server" . build="$dir/build"
[ "$(cd "$dir/server" && find . -printf '%P:%y%m:%U ' | sort)" = ":d755:0 data:d700:65532 kagi:f755:0 " ] ||
    fail "in the image is: $(find "$dir/server" -printf '%P:%y%m:%U ')"
server() { image run "$dir/server" "$@"; }
# A volume that is new takes owner and mode of the image's directory.
cp -a "$dir/server/data" "$dir/volume"
init=$(sed -n 's/^#  *docker compose run --rm kagi //p' docs/deploy/compose.yaml)
health() {
    # shellcheck disable=SC2046 # words of one image
    server -- $(image show "$dir/server" healthcheck | cut -d ' ' -f 2-)
}
serve() {
    container served "$dir/server" -v "$1:/data"
    until_true health
}

refused 'no server yet' '' health
# shellcheck disable=SC2086
server -v "$dir/volume:/data" -- $init >"$dir/made" 2>"$dir/said" || fail 'first start'
serve "$dir/volume"
[ "$(sed -n 's/^\(Uid\|Groups\|Cap...\|NoNewPrivs\|NSpid\)://p' "/proc/$(first_process)/status" | tr -s '\t ' ' ' | tr -d '\n')" = \
    " 65532 65532 65532 65532  $(first_process) 1 0000000000000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 1" ] ||
    fail "the server's process: $(cat "/proc/$(first_process)/status")"
if grep -q kagi_admin "$dir/served"; then fail 'a token in the log of the server'; fi
"$kagi" serve --health=192.0.2.1:8787 || fail 'not reached from other machines'
refused 'a second server on the volume' 'another kagi' server -v "$dir/volume:/data" -- serve --bind 127.0.0.1:8788 --store /data/store --key-file /data/server.key

remote=http://127.0.0.1:8787
ada init --no-git --nested --envs >/dev/null
ada set api production DATABASE_URL postgres://db >/dev/null
sed -n 's/^admin token //p' "$dir/made" >"$dir/admin"
ada remote login --remote $remote --token - <"$dir/admin"
ada project join --remote $remote --fingerprint "$(sed -n 's/^fingerprint //p' "$dir/made")" >/dev/null
ada project approve "$(grep -o 'kgp_[a-z2-7]*' "$dir/project/.kagi/kagi.json")" >"$dir/token"
ada pull - <"$dir/token"
ada member add --name ci --only api/production >"$dir/identity"
ada push
ada token issue --only pull --name ci >"$dir/ci-token"

kill -TERM "$(first_process)"
sleep 0.5
health || fail 'SIGTERM ended the first process: STOPSIGNAL is not needed any more'
first=$(first_process)
kill -"$(image show "$dir/server" stopsignal | sed 's/^SIG//')" "$first"
until_true test ! -d "/proc/$first"
wait "$started" 2>/dev/null || true
started=
refused 'a server that was stopped' '' health
serve "$dir/volume"
# A job, as the documents have it: in an empty directory, with a token and an identity and nothing else.
mkdir "$dir/job"
got=$(cd "$dir/job" && export KAGI_HOME="$dir/job-home" KAGI_PROJECT_TOKEN_FILE="$dir/ci-token" KAGI_IDENTITY_FILE="$dir/identity" &&
    "$kagi" pull 2>"$dir/said" && "$kagi" run api production -- printenv DATABASE_URL) || fail 'a job'
[ "$got" = postgres://db ] || fail "a job got \"$got\""
stop
echo 'image: server: first start, health, push, stop, start, pull'

mkdir "$dir/foreign"
refused 'a volume of root' 'cannot write "/data/store": permission denied' server -v "$dir/foreign:/data"
refused 'no volume' 'cannot write "/data/store": read-only' server
# Kubernetes with fsGroup: root's, of our group; and what becomes of the key without OnRootMismatch.
mkdir -m 2770 "$dir/claim"
chgrp 65532 "$dir/claim"
chmod g+s "$dir/claim"
# shellcheck disable=SC2086
server -v "$dir/claim:/data" -- $init >"$dir/shown" 2>"$dir/said" || fail 'first start on a claim'
serve "$dir/claim"
stop
chmod g+rw "$dir/claim/server.key"
refused 'a key that a group can read' 'others can read it' server -v "$dir/claim:/data"
echo 'image: server: volumes of others are refused, a claim of Kubernetes works'

# --- an application ---------------------------------------------------------------------------
context=$dir/project
cat >"$context/server" <<'APP'
#!/bin/sh
env | grep '^KAGI_' && exit 9
trap 'echo stopped; exit 7' TERM
echo "at $DATABASE_URL, process $$"
while [ "${1:-}" != once ]; do sleep 0.1; done
exit 3
APP
chmod +x "$context/server"
image assemble docs/deploy/app.Dockerfile "$dir/app" "$context" kagi:0.1.0="$dir/server"
# What the base image has is this machine's.
for link in bin lib lib64; do ln -s "usr/$link" "$dir/app/$link"; done
to=$(sed -n 's/.*"KAGI_IDENTITY_FILE": "\([^"]*\)".*/\1/p' "$dir/app.json")
# app SOURCE WORDS...: with that as the mounted identity.
app() {
    source=$1
    shift
    image run "$dir/app" -v /usr:/usr:ro -v "$source:$to:ro" "$@"
}
chown 65532:65532 "$dir/identity"
chmod 0400 "$dir/identity"
code=0
app "$dir/identity" -- ./server once >"$dir/app.out" 2>&1 || code=$?
[ "$code $(cat "$dir/app.out")" = '3 at postgres://db, process 1' ] || fail "an application: exit $code"
container app.out "$dir/app" -v /usr:/usr:ro -v "$dir/identity:$to:ro"
until_true grep -q process "$dir/app.out"
first=$(first_process)
kill -TERM "$first"
until_true test ! -d "/proc/$first"
code=0
wait "$started" || code=$?
started=
[ "$code $(tail -n 1 "$dir/app.out")" = '7 stopped' ] || fail "SIGTERM to an application: exit $code"

chown root "$dir/identity"
refused 'an identity of another owner' "$to.*permission denied" app "$dir/identity"
rm "$dir/app$to"
refused 'no identity' "$to" image run "$dir/app" -v /usr:/usr:ro
# What Docker makes of `-v` with a path that is not there.
mkdir "$dir/nothing" "$dir/app$to"
refused 'an identity that is a directory' "$to.*directory" app "$dir/nothing"
rmdir "$dir/app$to"
# Kubernetes: links, of our group.
mkdir -p "$dir/secret/..2026"
cp "$dir/identity" "$dir/secret/..2026/identity"
chgrp 65532 "$dir/secret/..2026/identity"
chmod 0440 "$dir/secret/..2026/identity"
ln -s ..2026 "$dir/secret/..data"
ln -s ..data/identity "$dir/secret/kagi_identity"
image run "$dir/app" -v /usr:/usr:ro -v "$dir/secret:$(dirname "$to"):ro" -- ./server once >"$dir/app.out" 2>&1 || [ $? = 3 ] ||
    fail 'an identity as Kubernetes mounts it'
grep -q 'at postgres://db' "$dir/app.out" || fail 'an identity as Kubernetes mounts it'
echo 'image: application: values, exit code, signals; no key, no start'
