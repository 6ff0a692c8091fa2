#!/usr/bin/env bash
# Runs docs/AIR-GAP.md: its blocks of commands, in their order, each side of the gap in a directory and
# a home of its own, with a directory in place of the stick. The other side builds in a network
# namespace that has no network, with an empty CARGO_HOME.
#
# Builds debug in place of release, and leaves the static build out, unless KAGI_TEST_SCALE=full.
# KAGI_BIN names the program for the flows; else the one that was built here is taken. Needs Git,
# cargo, tar with xz, and `unshare -n` (without it, it says so and builds by --offline alone).
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD document=$PWD/docs/AIR-GAP.md
dir=$(realpath "$(mktemp -d)")
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "FAILED: airgap: $1" >&2
    tail -n 20 "$dir/said" >&2
    exit 1
}
alone=(unshare -rn)
if ! "${alone[@]}" true 2>/dev/null; then
    alone=()
    echo 'skipped: airgap: no namespace without a network can be made here; --offline alone is tried'
fi
kagi=${KAGI_BIN:+$(realpath "$KAGI_BIN")}
cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
for name in $(compgen -e | grep -E '^(GIT|KAGI)_' || true); do unset "$name"; done
export KAGI_DISABLE_KEYRING=1 GIT_CONFIG_GLOBAL=$dir/gitconfig GIT_CONFIG_SYSTEM=/dev/null RUSTUP_HOME=$rustup_home
git config --global user.name Tester
git config --global user.email tester@example.org
mkdir "$dir/usb" "$dir/here" "$dir/there" "$dir/bin"

# at SIDE DIRECTORY HEADING NUMBER [COMMAND...]: the commands of that block below that heading.
id='' # what stands for the id in a block
at() {
    local side=$1 below=$2 text
    text=$(awk -v heading="## $3" -v want="$4" '/^## / { on = $0 == heading; n = 0 }
        /^```/ { if ($0 == "```sh") n++; inside = $0 == "```sh"; next }
        on && inside && n == want' "$document")
    [ -n "$text" ] || fail "there is no block $4 below \"$3\""
    used=$((used + 1))
    text=${text//\/media\/usb/$dir/usb}
    text=${text//kgm_…/$id}
    [ -n "${KAGI_TEST_SCALE:-}" ] || text=${text//--release /}
    mkdir -p "$dir/$side/$below"
    (cd "$dir/$side/$below" && shift 4 && HOME=$dir/$side KAGI_HOME=$dir/$side/home "$@" bash -euc "$text") \
        </dev/null >"$dir/said" 2>&1 || fail "$3, block $4"
}
used=0
id_of() { KAGI_HOME=$dir/$1/home kagi identity show 2>&1 | grep -o -m 1 'kgm_[a-z2-7]*'; }
value() { # SIDE DIRECTORY TEXT: what TOKEN is there
    [ "$(cd "$dir/$1/$2" && KAGI_HOME=$dir/$1/home kagi run -- printenv TOKEN 2>"$dir/said")" = "$3" ] || fail "$1 has not the value"
}

git clone --quiet --no-hardlinks "$here" "$dir/here/kagi" 2>"$dir/said"
git -C "$dir/here/kagi" switch --quiet -C main
CARGO_HOME=$cargo_home at here kagi 'Carrying the sources' 1
[ -z "$(git -C "$dir/here/kagi" status --porcelain)" ] || fail 'carrying leaves something in the clone'
echo "airgap: what is carried has $(($(wc -c <"$dir/usb/kagi-sources.tar.xz") / 1024)) KiB"
before=$SECONDS
at there . 'Building there' 1 "${alone[@]}"
[ ! -e "$dir/there/.cargo" ] || fail 'cargo used another home than the one that is carried'
built=$dir/there/kagi-sources/kagi/target
if [ -n "${KAGI_TEST_SCALE:-}" ]; then built=$built/release; else built=$built/debug; fi
[ "$("$built/kagi" --version)" = "kagi $(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)" ] || fail 'what was built does not run'
echo "airgap: built without a network in $((SECONDS - before)) s"
if [ "${KAGI_TEST_SCALE:-}" = full ]; then
    CARGO_HOME=$dir/there/kagi-sources/.cargo at there kagi-sources/kagi 'Building there' 2 "${alone[@]}"
    sha256sum "$dir/there/kagi-sources/kagi/target/static/kagi"
else
    used=$((used + 1))
fi

ln -s "${kagi:-$built/kagi}" "$dir/bin/kagi"
PATH=$dir/bin:$PATH
# project DIRECTORY VALUE FLAGS...: one of this side
project() {
    local below=$1 value=$2
    shift 2
    mkdir "$dir/here/$below"
    (cd "$dir/here/$below" && git init --quiet --initial-branch main . && export KAGI_HOME="$dir/here/home" &&
        kagi init --no-migrate "$@" && kagi set TOKEN "$value") >"$dir/said" 2>&1 || fail "a project in $below"
}
project project 'by bundle'
(cd "$dir/here/project" && git add .kagi && git commit --quiet -m secrets)
at here project 'Two sides of a gap' 1
at there . 'Two sides of a gap' 2
id=$(id_of there)
at here project 'Two sides of a gap' 3
id=$(id_of here)
at there project 'Two sides of a gap' 4
value there project 'by bundle'

at here project Backup 1
at there restored Backup 2
value there restored 'by bundle'

project without 'by stick' --no-git
at here without 'Without Git: the stick as a remote' 1
at there without 'Without Git: the stick as a remote' 2
id=$(id_of there)
at here without 'Without Git: the stick as a remote' 3
id=$(id_of here)
at there without 'Without Git: the stick as a remote' 4
value there without 'by stick'
! grep -rqE 'by (bundle|stick)' "$dir/usb" || fail 'a value is on the stick in plain'
[ "$used" = "$(grep -c '^```sh$' "$document")" ] || fail "the document has other blocks than the $used that were run"
echo "airgap: $used blocks of docs/AIR-GAP.md, two flows over a stick: ok"
