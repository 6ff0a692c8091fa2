#!/usr/bin/env bash
# The first minutes of a newcomer, in a root that holds Debian 12, Rust and Git, and nothing else: a
# user without rights, without a Git identity, a terminal or a locale, and with umask 077, clones this
# repository and runs what README says below "Install" and below "Try it", then begins a project.
#
#   tests/fresh.sh [ROOT]      ROOT is kept and taken again; without it, all is gone afterwards
#
# Not part of .ci/run: it makes the root by debootstrap (700 MB, two minutes) and builds the release
# without anything that has been built (one to two minutes on two cores). It needs root and, the first
# time, a Debian mirror; the crates are carried in by `cargo vendor`, so that no network is needed inside.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
    echo "FAILED: fresh: $1" >&2
    exit 1
}
if [ "$(id -u)" != 0 ] || ! command -v debootstrap >/dev/null || ! unshare -m true 2>/dev/null; then
    echo 'skipped: fresh: it needs root, debootstrap and unshare'
    exit 0
fi
dir=$(realpath "$(mktemp -d)")
trap 'rm -rf "$dir"' EXIT
root=$(realpath -m "${1:-$dir/root}")
if [ ! -e "$root/usr/bin/cargo" ]; then
    mirror=http://deb.debian.org
    debootstrap --variant=minbase bookworm "$root" $mirror/debian >"$dir/log" 2>&1 || { tail "$dir/log"; fail 'no root'; }
    echo "deb $mirror/debian-security bookworm-security main" >>"$root/etc/apt/sources.list"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends git rustc-web cargo-web' >"$dir/log" 2>&1 ||
        { tail "$dir/log"; fail 'no Rust and Git in the root'; }
fi

# The commit, and the crates where cargo looks above every directory: in place of the network.
rm -rf "$root/home/newcomer" "$root/carried" "$root/.cargo"
chroot "$root" sh -c 'id newcomer >/dev/null 2>&1 || useradd newcomer; install -d -o newcomer -m 700 /home/newcomer'
mkdir "$root/carried" "$root/.cargo"
git bundle create --quiet "$root/carried/kagi.bundle" HEAD
cargo vendor --locked --quiet --versioned-dirs "$root/carried/vendor" >/dev/null
printf '[source.crates-io]\nreplace-with = "carried"\n[source.carried]\ndirectory = "/carried/vendor"\n' >"$root/.cargo/config.toml"
commands() { # HEADING: the first block below it
    awk -v heading="## $1" '/^## / { on = $0 == heading } on && /^```/ { if (seen++) exit; next } on && seen' README.md
}
for heading in Install 'Try it'; do [ -n "$(commands "$heading")" ] || fail "README has no block below \"$heading\""; done
{
    echo 'set -eu; umask 077; cd; git clone --quiet /carried/kagi.bundle kagi; cd kagi'
    commands Install
    # shellcheck disable=SC2016 # for the shell inside. rustup puts this there; Debian's cargo says that it has to be done.
    echo 'PATH=$HOME/.cargo/bin:$PATH'
    commands 'Try it'
    cat <<'SH'
mkdir ~/shop; cd ~/shop; git init --quiet .
kagi init
kagi set GREETING 'hello, newcomer'
test "$(kagi run -- printenv GREETING)" = 'hello, newcomer'
git add .kagi
git -c user.name=n -c user.email=n@example.org commit --quiet -m secrets
SH
} >"$root/carried/first-minutes"
before=$SECONDS
# In namespaces of its own: what is mounted or started there ends with it.
unshare --mount --pid --fork --net chroot "$root" sh -c 'mount -t proc proc /proc
    exec setsid env -i HOME=/home/newcomer PATH=/usr/bin:/bin setpriv --reuid newcomer --regid newcomer --init-groups \
        sh /carried/first-minutes' </dev/null >"$dir/said" 2>&1 || { tail -n 30 "$dir/said"; fail 'a newcomer was stopped there'; }
tail -n 4 "$dir/said"
echo "fresh: installed, tried, and a first project, in $((SECONDS - before)) s: ok"
