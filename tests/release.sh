#!/usr/bin/env bash
# scripts/release.sh in a scratch clone: what it refuses, what it leaves, and that it pushes nothing.
# What takes long (.ci/run, the builds) is replaced in the clone by scripts that do nothing but say so.
# Needs Git; a signed tag is tried if ssh-keygen is there. A few seconds; takes no argument.
set -euo pipefail
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "FAILED: release: $1" >&2
    cat "$dir/said" >&2
    exit 1
}
export HOME=$dir GIT_CONFIG_GLOBAL=$dir/gitconfig GIT_CONFIG_SYSTEM=/dev/null
git config --global user.name Tester
git config --global user.email tester@example.org
git config --global init.defaultBranch main

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml)
git init --quiet --bare "$dir/origin"
git init --quiet "$dir/clone"
cp -R scripts docs Cargo.toml Cargo.lock .gitignore "$dir/clone"
cd "$dir/clone"
mkdir .ci target
cat >.ci/run <<'SH'
#!/bin/sh
echo run >>target/runs
[ ! -e target/broken ]
SH
cat >scripts/build-static.sh <<'SH'
#!/bin/sh
name=kagi; [ "$1" = x86_64 ] || name=kagi-$1
mkdir -p target/static && echo "$1" >target/static/$name && echo "file: $name"
SH
chmod +x .ci/run scripts/build-static.sh
printf '# Change log\n\n## %s (2026-01-31)\n\n- What is new.\n\n## 0.0.1 (2025-01-31)\n\n- Old.\n' "$version" >docs/CHANGELOG.md
git add . && git commit --quiet --message 'A release'
git remote add origin "$dir/origin" && git push --quiet origin main

release() { scripts/release.sh "$@" >"$dir/said" 2>&1; }
# refused WHY TEXT WORDS...
refused() {
    local why=$1 text=$2
    shift 2
    ! release "$@" || fail "$why was not refused"
    grep -qF -- "$text" "$dir/said" || fail "$why: other words than \"$text\""
    if [ -e target/runs ] || [ -e "target/release-$version" ]; then fail "$why: something was done before"; fi
    [ -z "$(git tag)" ] || [ "$why" = 'a tag that is there' ] || fail "$why: there is a tag"
}

refused 'no version' 'usage: scripts/release.sh VERSION'
refused 'a word that is no version' 'usage' latest
refused 'a flag that is none' 'usage' "$version" --push
echo text >new-file
refused 'a file that Git does not know' 'new-file' "$version"
rm new-file
echo '#' >>Cargo.toml
refused 'a changed file' 'Cargo.toml' "$version"
git checkout --quiet Cargo.toml
git switch --quiet --create other
refused 'another branch' 'this is other' "$version"
git switch --quiet main
refused 'another version' "Cargo.toml says version $version, not 99.0.0" 99.0.0 --tag
refused 'another version to build' "Cargo.toml says version $version, not 99.0.0" 99.0.0 --build
git tag "v$version"
refused 'a tag that is there' "there is a tag v$version" "$version" --tag
git tag --delete "v$version" >/dev/null
for heading in "## Unreleased ($version)" "## $version" "## 9$version (2026-01-31)"; do
    sed -i "0,/^## .*/s//$heading/" docs/CHANGELOG.md
    git commit --quiet --all --message 'Another heading'
    refused "the heading $heading" "\"$heading\"" "$version"
    refused "the heading $heading, to build" "\"$heading\"" "$version" --build
    git reset --quiet --hard HEAD~1
done

touch target/broken
if release "$version" --tag; then fail '.ci/run failed, the release went on'; fi
if [ -e "target/release-$version" ] || [ -n "$(git tag)" ]; then fail '.ci/run failed, something was made'; fi
rm target/broken target/runs

release "$version" || fail 'the good way'
[ -z "$(git tag)" ] || fail 'a tag without --tag'
release "$version" --tag || fail 'the good way, with a tag'
[ "$(wc -l <target/runs)" = 1 ] || fail '.ci/run was run again for the same commit'
[ "$(git cat-file -t "v$version")" = tag ] || fail 'no annotated tag'
grep -q 'NOT signed' "$dir/said" || fail 'nothing says that the tag is not signed'
[ "$(cd "target/release-$version" && echo *)" = \
    "BUILDINFO NOTES.md SHA256SUMS kagi-$version-aarch64-linux-musl kagi-$version-x86_64-linux-musl" ] || fail 'other files'
(cd "target/release-$version" && sha256sum --check --quiet SHA256SUMS) || fail 'the sums'
[ "$(cat "target/release-$version/kagi-$version-aarch64-linux-musl")" = aarch64 ] || fail 'the wrong binary'
[ "$(grep -c '^file: ' "target/release-$version/BUILDINFO")" = 2 ] || fail 'BUILDINFO'
[ "$(tr -d '\n' <"target/release-$version/NOTES.md")" = '- What is new.' ] || fail 'the notes hold another text'
release "$version" --build || fail 'building only, which the workflow does at the tag'

git commit --quiet --allow-empty --message 'One more'
release "$version" && fail 'the tag is there, and was not refused'
git tag --delete "v$version" >/dev/null
if command -v ssh-keygen >/dev/null; then
    ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    git config --global gpg.format ssh
    git config --global user.signingkey "$dir/key.pub"
    release "$version" --tag || fail 'a signed tag'
    git cat-file tag "v$version" | grep -q 'BEGIN SSH SIGNATURE' || fail 'the tag is not signed'
    [ "$(wc -l <target/runs)" = 2 ] || fail '.ci/run was not run for a new commit'
else
    echo 'skipped: release: ssh-keygen is not here, no tag was signed'
fi
[ "$(git ls-remote origin | cut -f1 | uniq)" = "$(git rev-parse HEAD~1)" ] || fail 'something was pushed'
echo 'release: refusals, files, notes, tags: ok'
