#!/usr/bin/env bash
# Says whether FILE, a kagi that somebody released, is what this repository's sources build.
#
#   scripts/verify-release.sh FILE [SHA256SUMS]
#
# Builds the commit once more by its scripts/build-static.sh, in a directory of its own below target/, and
# compares. The commit is the one that BUILDINFO names, a file beside SHA256SUMS or FILE; without it, the one
# that is checked out here. With SHA256SUMS (what `sha256sum` wrote) FILE must first be what that says.
# Needs what the build needs, Git and two or three minutes; leaves nothing but target/rebuilt/.
# FILE is not run; what the commit says is: look at which one it is, which the last line says as well.
#
# Exit code: 0 the same bytes; 1 other bytes, by the same tools or against SHA256SUMS: do not use FILE;
# 2 nothing was compared; 3 other bytes, but other tools as well: nothing is known.
set -euo pipefail
end() { # CODE LINE...
    local code=$1
    shift
    printf 'verify-release: %s\n' "$@" >&2
    exit "$code"
}
# Codes 1 and 3 are judgements: whatever else goes wrong is none.
trap 'end 2 "line $LINENO: it failed, and nothing was compared"' ERR
here=$(cd "$(dirname "$0")/.." && pwd)
[ $# = 1 ] || [ $# = 2 ] || end 2 'usage: scripts/verify-release.sh FILE [SHA256SUMS]'
file=$(realpath -m -- "$1")
[ -f "$file" ] || end 2 "there is no file $1"
have=$(sha256sum "$file" | cut -d' ' -f1)
case $(LC_ALL=C readelf -h "$file" 2>/dev/null | sed -n 's/^ *Machine: *//p') in
*X86-64) arch=x86_64 name=kagi ;;
AArch64) arch=aarch64 name=kagi-aarch64 ;;
*) end 2 "$1 is not a program for x86_64 or aarch64 Linux" ;;
esac

beside=$(dirname "$file")
if [ -n "${2:-}" ]; then
    [ -f "$2" ] || end 2 "there is no file $2"
    beside=$(dirname "$(realpath -- "$2")")
    said=$(awk -v name="$(basename "$file")" '$2 == name || $2 == "*" name { print $1; exit }' <"$2")
    [ -n "$said" ] || end 2 "$2 does not name $(basename "$file")"
    [ "$said" = "$have" ] || end 1 "NOT THE RELEASED FILE: $2 says $said" "its own sum is $have: do not use it"
    echo "$(basename "$file") is the file that $(basename "$2") names"
fi

# What BUILDINFO says of this architecture's file; it may hold several. A stranger wrote it: nothing
# in it moves the cursor of a terminal.
section() { LC_ALL=C tr -cd '\n\40-\176' <"$1" | awk -v name="$name" '/^file: / { on = $2 == name } on'; }
field() { sed -n "s/^$1: //p" <<<"$2"; }
info='' commit=HEAD
if [ -f "$beside/BUILDINFO" ]; then
    info=$(section "$beside/BUILDINFO")
    commit=$(field commit "$info")
    [[ $commit =~ ^[0-9a-f]{40,64}$ ]] || end 2 "BUILDINFO names no commit for it, but: ${commit:-nothing}"
else
    echo 'there is no BUILDINFO beside it: taken is what is checked out here'
fi

# Not in /tmp: above that, cargo would take a configuration that anybody has put there.
mkdir -p "$here/target"
work=$(mktemp -d "$here/target/verify.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
if [ -e "$here/.git" ]; then
    named=$commit
    commit=$(git -C "$here" rev-parse --verify --quiet "$named^{commit}") ||
        end 2 "this repository has no commit $named" "git fetch --tags, then try again"
    git clone --quiet --shared --no-checkout --config core.autocrlf=false "$here" "$work/source"
    git -C "$work/source" checkout --quiet --detach "$commit"
    commit="$commit ($(git -C "$here" describe --tags --always "$commit"))"
    echo "building $commit"
    # Crates that were carried here lie beside the commit, not in it.
    for extra in vendor .cargo; do
        if [ -d "$here/$extra" ] && [ ! -e "$work/source/$extra" ]; then ln -s "$here/$extra" "$work/source"; fi
    done
else
    commit='the sources as they lie here'
    echo "no Git repository: building $commit"
    mkdir "$work/source"
    tar -C "$here" --exclude=./target -cf - . | tar -C "$work/source" -xf -
fi
"$work/source/scripts/build-static.sh" "$arch" >"$work/info" 2>"$work/log" ||
    end 2 'it could not be built here:' "$(tail -n 15 "$work/log")"
again=$(cat "$work/info")
built=$(field sha256 "$again")
if [ "$built" = "$have" ]; then
    echo "THE SAME: $(basename "$file") is what $commit builds, byte for byte ($have)"
    exit 0
fi
mkdir -p "$here/target/rebuilt"
cp "$work/source/target/static/$name" "$here/target/rebuilt"
text="built here: $built
 the file:  $have
what was built here lies in target/rebuilt/$name"
[ -n "$info" ] || end 3 "OTHER BYTES, and nothing says by which tools the file was built" "$text"
tools() { grep -vE '^(file|sha256|bytes|commit): ' <<<"$1"; }
if other=$(diff <(tools "$info") <(tools "$again") | sed -n 's/^</   it was:/p; s/^>/   here is:/p'); [ -n "$other" ]; then
    end 3 "OTHER BYTES, but by other tools: nothing is known until they are the same" "$other" "$text"
fi
end 1 "OTHER BYTES BY THE SAME TOOLS: do not use it" "$text"
