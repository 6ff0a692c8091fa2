#!/usr/bin/env bash
# What a stranger gets by cargo: the packed crate and `cargo install`.
#
# The crate holds what Git holds of src and docs and a few named files, nothing else; the links of its
# README and docs lead to something in it; it builds by itself. `cargo install` works with all
# features, as a release, and without any, as a debug build; both programs run scripts/demo.sh, and
# the second has no server in it. Needs cargo and Git; builds into target/packed.
#
#   tests/package.sh             KAGI_PACKAGE_DEBUG=1 takes a debug build in both places: a minute less
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "FAILED: package: $1" >&2
    exit 1
}
. tests/dependencies.sh
unset CARGO_TARGET_DIR
share_dependencies target/packed
CARGO_TARGET_DIR=$PWD/target/packed
export CARGO_TARGET_DIR
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)

# What is in it. Cargo would also take files that Git does not know.
cargo package --locked --quiet --allow-dirty --list 2>/dev/null | grep -vxF -e .cargo_vcs_info.json -e Cargo.toml.orig | sort >"$dir/list"
git ls-files -- src docs Cargo.toml Cargo.lock README.md LICENSE scripts/demo.sh scripts/build-static.sh scripts/verify-release.sh |
    sort >"$dir/wanted"
diff "$dir/wanted" "$dir/list" || fail 'the crate holds other files (>), or lacks some (<)'

# It builds by itself, from what is in it: cargo unpacks it below target/package.
cargo package --locked --quiet --allow-dirty 2>"$dir/log" || { cat "$dir/log" >&2; fail 'the packed crate does not build'; }
crate=$CARGO_TARGET_DIR/package/kagi-vault-$version.crate
bytes=$(wc -c <"$crate")
echo "package: kagi-vault-$version.crate: $bytes bytes, $(wc -l <"$dir/list") files"
[ "$bytes" -lt $((1024 * 1024)) ] || fail 'it has more than 1 MiB'
tar -xzf "$crate" -C "$dir"
# [text](file) and src="file", as far as they name a file of the package.
while IFS= read -r document; do
    below=$(dirname "$document")
    { grep -oE '\]\([^)#]+' "$document" || true; } | cut -c3- | { grep -vE '^[a-z]+:' || true; } | while IFS= read -r link; do
        [ -e "$below/$link" ] || fail "${document#"$dir/"} leads to $link, which the crate does not hold"
    done
done < <(find "$dir/kagi-vault-$version" -name '*.md')

# installed NAME FLAGS...
installed() {
    local name=$1
    shift
    cargo install --path . --locked --quiet --root "$dir/$name" "$@" 2>"$dir/log" || { cat "$dir/log" >&2; fail "cargo install $*"; }
    [ "$("$dir/$name/bin/kagi" --version)" = "kagi $version" ] || fail "cargo install $*: another version"
    KAGI_BIN=$dir/$name/bin/kagi scripts/demo.sh >"$dir/log" 2>&1 || { cat "$dir/log" >&2; fail "the demonstration, after cargo install $*"; }
}
if [ -n "${KAGI_PACKAGE_DEBUG:-}" ]; then installed full --debug; else installed full; fi
installed without --debug --no-default-features
! "$dir/without/bin/kagi" serve --check --store "$dir" >"$dir/log" 2>&1 || fail 'a kagi without a network serves'
grep -q 'built without' "$dir/log" || { cat "$dir/log" >&2; fail 'a kagi without a network does not say so'; }
[ -z "$(find "$dir/full" "$dir/without" -type f ! -name kagi ! -name '.crates*')" ] || fail 'more than one program is installed'
echo "package: installed, with $(wc -c <"$dir/full/bin/kagi") bytes; without a network; both run the demonstration: ok"
