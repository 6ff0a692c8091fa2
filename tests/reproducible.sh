#!/usr/bin/env bash
# Builds the static program twice at the same time, and fails unless both are the same bytes: here, and
# in a directory of another name and depth, from carried crates without any network, by another user
# with another home and umask, as far as there is the right to (root). Leaves target/static/kagi and,
# beside it, what scripts/build-static.sh printed. Then tries scripts/verify-release.sh with builds
# that are made up. Needs what scripts/build-static.sh needs, and Git.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(realpath "$(mktemp -d)")
second=''
# What is still being built ends with this.
trap '[ -z "$second" ] || kill -- "-$second" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
fail() {
    echo "FAILED: $*" >&2
    exit 1
}

far=$work/a/directory/with/a/much/longer/name/than/the/other/one
mkdir -p "$far" "$work/home"
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -C "$far" -xf -
mkdir "$far/.cargo"
(cd "$far" && cargo vendor --locked vendor >.cargo/config.toml 2>"$work/vendor.log") || fail "$(cat "$work/vendor.log")"
other=(env -i PATH="$PATH" HOME="$work/home" CARGO_HOME="$work/home/cargo" LANG=C TZ=Asia/Tokyo CARGO_NET_OFFLINE=true)
if [ "$(id -u)" = 0 ]; then
    other+=(unshare --net)
    # A toolchain in root's home is for root alone; that of the system is for everybody.
    if [ ! -d "$(rustc --print target-libdir --target x86_64-unknown-linux-musl 2>/dev/null)" ]; then
        chown -R nobody "$work"
        other+=(setpriv --reuid nobody --clear-groups)
    fi
fi
# What would change the bytes is refused, and named with its place.
mkdir "$work/settings"
printf '[profile.release]\nopt-level = 3\n' >"$work/settings/config.toml"
if CARGO_HOME=$work/settings scripts/build-static.sh x86_64 >"$work/said" 2>&1; then fail 'a profile of the user is taken'; fi
grep -q "would change the bytes: profile.release.opt-level = 3 # $work/settings" "$work/said" || fail "$(cat "$work/said")"

mkdir -p target/static
set -m
(umask 077 && "${other[@]}" "$far/scripts/build-static.sh" x86_64 >"$work/second" 2>"$work/second.log" </dev/null) &
second=$!
set +m
scripts/build-static.sh x86_64 >target/static/BUILDINFO 2>"$work/first.log" || { wait; fail "$(tail -n 30 "$work/first.log")"; }
wait "$second" || fail "the second build: $(tail -n 30 "$work/second.log")"
second=''
cat target/static/BUILDINFO
cmp target/static/kagi "$far/target/static/kagi" || fail 'two builds, two programs'
for text in "$PWD" "$HOME" "$work" static-build .cargo; do
    ! grep -aqF "$text" target/static/kagi || fail "the program holds $text"
done
echo 'two builds, the same bytes'
# The second one began with nothing that was built.
grep 'build-static: the build took' "$work/second.log"

# A repository whose build takes no time, and gives what the file `result` holds.
mkdir -p "$work/made/scripts" "$work/release"
cd "$work/made"
cp "$OLDPWD/scripts/verify-release.sh" scripts
cat >scripts/build-static.sh <<'SH'
#!/bin/sh
set -e
cd "$(dirname "$0")/.."
# Not below a directory in which anybody could leave a configuration of cargo's.
case $PWD in */made/target/verify.*) ;; *) exit 1 ;; esac
mkdir -p target/static
cp result target/static/kagi
printf '%s\n' 'file: kagi' "sha256: $(sha256sum result | cut -d' ' -f1)" 'commit: its own' "rustc: $(cat tools)"
SH
chmod +x scripts/build-static.sh
cp "$OLDPWD/target/static/kagi" result
echo 1.96.0 >tools
echo target >.gitignore
git init -q .
git config user.name t
git config user.email t@example.org
git add .
git commit -qm made
cp result "$work/release/kagi-1-x86_64"
info() { printf '%s\n' 'file: kagi-aarch64' 'commit: unknown' 'file: kagi' "commit: $1" "rustc: $2" >"$work/release/BUILDINFO"; }
sums() { (cd "$work/release" && sha256sum kagi-1-x86_64 >SHA256SUMS); }
expect() { # CODE TEXT ARGUMENT...
    local code=$1 text=$2 got=0
    shift 2
    scripts/verify-release.sh "$@" >"$work/said" 2>&1 || got=$?
    if [ "$got" != "$code" ] || ! grep -qF "$text" "$work/said"; then
        fail "verify-release $*: $got, not $code, $text: $(cat "$work/said")"
    fi
}
released=$work/release/kagi-1-x86_64
sums
expect 0 'THE SAME' "$released"
expect 0 'is the file that SHA256SUMS names' "$released" "$work/release/SHA256SUMS"
info "$(git rev-parse HEAD)" 1.96.0
expect 0 'THE SAME' "$released" "$work/release/SHA256SUMS"
# The commit of BUILDINFO counts, not what lies in the directory.
echo changed >>result
expect 0 'THE SAME' "$released"
git checkout -q result
printf x >>"$released"
expect 1 'NOT THE RELEASED FILE' "$released" "$work/release/SHA256SUMS"
sums
expect 1 'OTHER BYTES BY THE SAME TOOLS' "$released" "$work/release/SHA256SUMS"
info "$(git rev-parse HEAD)" 1.97.0
expect 3 'it was: rustc: 1.97.0' "$released"
rm "$work/release/BUILDINFO"
expect 3 'nothing says by which tools' "$released"
info 1111111111111111111111111111111111111111 1.96.0
expect 2 'has no commit 1111' "$released"
info 'abc and changes' 1.96.0
expect 2 'names no commit' "$released"
info "$(git rev-parse HEAD)" 1.96.0
expect 2 'does not name' "$released" tools
expect 2 'not a program for' tools
expect 2 'there is no file' nosuch
expect 2 'there is no file' /no/such/directory/kagi
expect 2 'usage'
# What is not what sha256sum writes names no file; what BUILDINFO says is no word of a terminal's, nor a branch.
sed -i 's/$/\r/' "$work/release/SHA256SUMS"
expect 2 'does not name' "$released" "$work/release/SHA256SUMS"
: >"$work/release/SHA256SUMS"
expect 2 'does not name' "$released" "$work/release/SHA256SUMS"
info HEAD 1.96.0
expect 2 'names no commit for it, but: HEAD' "$released"
info "$(git rev-parse HEAD)" "$(printf '\033[2K1.97.0')"
expect 3 'it was: rustc: [2K1.97.0' "$released"
git rm -q result
git commit -qm gone
info "$(git rev-parse HEAD)" 1.96.0
expect 2 'could not be built' "$released"
echo 'verify-release: every outcome'
