#!/usr/bin/env bash
# What a maintainer runs to make a release; docs/RELEASING.md tells the whole way.
#
#   scripts/release.sh VERSION           checks, builds, and says what would come next: changes nothing
#   scripts/release.sh VERSION --tag     the same, and makes the tag vVERSION in this clone
#   scripts/release.sh VERSION --build   builds only: what .github/workflows/release.yml runs
#
# Refuses unless the tree is clean, the branch is main, Cargo.toml, Cargo.lock and the newest heading
# of docs/CHANGELOG.md (## VERSION (YYYY-MM-DD)) name the version, the tag is free, and .ci/run has
# passed for this very commit (it is run if it has not). The files go to target/release-VERSION/:
# both static binaries, SHA256SUMS, BUILDINFO, and NOTES.md out of the change log. The tag is signed
# if git is set up to sign (user.signingkey). Pushes and publishes nothing, ever.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
    printf 'release: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'release: hint: %s\n' "$2" >&2
    exit 1
}
usage() {
    sed -n 's/^#   \(scripts\)/usage: \1/p' "$0" >&2
    exit 2
}
[ $# = 1 ] || [ $# = 2 ] || usage
version=$1 mode=${2:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$ ]] || usage
case $mode in '' | --tag | --build) ;; *) usage ;; esac
tag=v$version
out=target/release-$version

check() {
    local changed branch
    changed=$(git status --porcelain --untracked-files=all)
    [ -z "$changed" ] || fail "there are changes that are not committed:
$changed"
    branch=$(git symbolic-ref --quiet --short HEAD || echo 'no branch')
    [ "$branch" = main ] || fail "a release is made of main, this is $branch" 'git switch main'
    if git rev-parse --verify --quiet "refs/tags/$tag" >/dev/null; then
        fail "there is a tag $tag already" 'a version that was published is never changed: take the next one'
    fi
    versions
}

versions() {
    local file found heading
    for file in Cargo.toml Cargo.lock; do
        found=$(grep -m 1 -A 1 '^name = "kagi-vault"' $file | sed -n 's/^version = "\(.*\)"$/\1/p')
        [ "$found" = "$version" ] || fail "$file says version $found, not $version"
    done
    heading=$(grep -m 1 '^## ' docs/CHANGELOG.md || true)
    [[ $heading =~ ^'## '${version//./\\.}' ('[0-9]{4}-[0-9]{2}-[0-9]{2}')'$ ]] ||
        fail "the newest heading of docs/CHANGELOG.md is \"$heading\"" "## $version ($(date -u +%F))"
}

# .ci/run leaves nothing behind that says it passed: noted here, for the commit and no other.
tested() {
    local mark
    mark=target/tested-$(git rev-parse HEAD)
    [ ! -f "$mark" ] || return 0
    echo "release: .ci/run, about a quarter of an hour; what it prints goes to target/release-ci.log" >&2
    mkdir -p target
    .ci/run >target/release-ci.log 2>&1 || fail ".ci/run failed: see target/release-ci.log"
    : >"$mark"
}

build() {
    local changed
    # From nothing: cargo does not see that a linker or a libc is another than the last time.
    rm -rf "$out" target/static-build
    mkdir -p "$out"
    scripts/build-static.sh x86_64 >"$out/BUILDINFO"
    scripts/build-static.sh aarch64 >"$out/info"
    { echo && cat "$out/info"; } >>"$out/BUILDINFO"
    rm "$out/info"
    cp target/static/kagi "$out/kagi-$version-x86_64-linux-musl"
    cp target/static/kagi-aarch64 "$out/kagi-$version-aarch64-linux-musl"
    (cd "$out" && sha256sum kagi-* >SHA256SUMS)
    awk -v start="## $version (" '/^## / { on = index($0, start) == 1; next } on' docs/CHANGELOG.md >"$out/NOTES.md"
    changed=$(git status --porcelain --untracked-files=all)
    [ -z "$changed" ] || fail 'the build has changed the tree, or it was not clean'
}

make_tag() {
    if [ -n "$(git config user.signingkey || true)" ]; then
        git tag --sign --message "kagi $version" "$tag"
        echo "release: made the signed tag $tag"
    else
        git tag --annotate --message "kagi $version" "$tag"
        echo "release: made the tag $tag; it is NOT signed: git has no user.signingkey"
    fi
}

if [ "$mode" = --build ]; then
    versions
    build
    exit 0
fi
check
tested
build
echo "release: $version of commit $(git rev-parse HEAD), in $out:"
cat "$out/SHA256SUMS"
if [ "$mode" = --tag ]; then make_tag; else echo "release: next: scripts/release.sh $version --tag"; fi
cat <<NEXT
Then, by hand (docs/RELEASING.md):
  git push origin main $tag
  gh release download $tag --dir target/draft-$version     # when the workflow has left its draft
  (cd target/draft-$version && sha256sum --check ../release-$version/SHA256SUMS)
  gh release edit $tag --draft=false                       # only if all of them are OK
NEXT
