#!/bin/sh
# Runs kagi's main job from beginning to end on a throw-away project: init, set, get, run, and a
# commit; then reads every object that Git holds and looks for the secret. Fails if it finds it.
#
#   scripts/demo.sh                builds the release binary first
#   KAGI_BIN=path scripts/demo.sh  takes another binary
#
# Changes nothing but a temporary directory, which is gone afterwards.
set -eu

repository=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${KAGI_BIN:-}" ]; then
    (cd "$repository" && cargo build --release --locked --quiet)
    KAGI_BIN=${CARGO_TARGET_DIR:-$repository/target}/release/kagi
fi
case $KAGI_BIN in
/*) ;;
*) KAGI_BIN=$PWD/$KAGI_BIN ;;
esac
if [ ! -x "$KAGI_BIN" ]; then
    echo "demo: there is no program $KAGI_BIN" >&2
    exit 1
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$work/bin" "$work/shop"
ln -s "$KAGI_BIN" "$work/bin/kagi"
PATH=$work/bin:$PATH

# Its own identity and its own Git: nothing of the user's is read or changed.
for name in $(env | sed -n 's/^\(\(GIT\|KAGI\)_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
export HOME="$work" KAGI_HOME="$work/kagi" KAGI_DISABLE_KEYRING=1
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
export GIT_AUTHOR_NAME=Demo GIT_AUTHOR_EMAIL=demo@example.org
export GIT_COMMITTER_NAME=Demo GIT_COMMITTER_EMAIL=demo@example.org

# A value that no other run has had.
secret=hunter2-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
say() { printf '\n# %s\n' "$1"; }
# Shows a command, then runs it.
show() {
    printf '$ %s\n' "$1"
    sh -c "$1" 2>&1
}
fail() {
    printf '\ndemo: %s\n' "$1" >&2
    exit 1
}

cd "$work/shop"
say "A project, and a secret in it"
show "git init --quiet ."
show "kagi init --nested --envs --name demo"
show "kagi set api TOKEN $secret --desc 'What opens the shop'"

say "Listed with a mask"
show "kagi get"

say "Handed to a program, and to nothing else"
show "kagi run api -- sh -c 'echo \"inside the child: TOKEN is \$TOKEN\"'" | tee "$work/child"
grep -q "TOKEN is $secret" "$work/child" || fail "the child did not get the secret"
[ -z "${TOKEN:-}" ] || fail "the secret is in the shell"

say "Committed"
show "git add .kagi"
show "git commit --quiet --message 'Secrets'"
show "git show --stat --format=%s"

say "What Git holds of the scope"
show "git show HEAD:.kagi/secrets/api/development.enc | cut -c1-72"

say "The secret, looked for in every object that Git holds, and in every file"
objects=$(git cat-file --batch-all-objects --batch-check='%(objectname)' | tee "$work/objects" | wc -l)
git cat-file --batch --buffer <"$work/objects" >"$work/plain"
# The name of the key is there for people who read a diff: so the search does find what is there.
grep -aq 'key TOKEN 1' "$work/plain" || fail "the objects could not be read"
if grep -aqF "$secret" "$work/plain" || grep -arqF "$secret" .; then
    fail "the secret is in the repository"
fi
printf '%d objects, %d bytes: not there\n' "$objects" "$(wc -c <"$work/plain")"
