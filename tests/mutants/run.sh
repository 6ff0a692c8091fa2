#!/usr/bin/env bash
# Deliberate faults: each NAME.patch beside this file breaks one rule, and the test that it names must fail.
#
#   tests/mutants/run.sh            three of them; with KAGI_TEST_SCALE=full all
#   tests/mutants/run.sh NAME...    these
#
# Promises: the tree is not touched, for the patches are applied to copies under target/mutants/; every named
# test passes there before; a catch is that very test, run and failed. A patch that does not apply, a fault
# that does not compile, a test that does not run or does not end is an error and no catch. The logs stay in
# target/mutants/log/. Leaves out: whether another test would have caught the fault as well.
#
# The head of a patch, before its first `---`:
#   fault: what is wrong
#   breaks: the rule, in the words of the document
#   caught-by: FILE TEST       tests/FILE.rs, or `lib` for a test in src/; several lines are several tests
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(pwd -P)
work=$root/target/mutants
quick=(aad_without_scope request_replayed second_content_length)
test_seconds=600 # A test that takes longer is stuck.

. tests/dependencies.sh

mkdir -p "$work/log"
# Two runs would patch the same copies, and each catch the faults of the other.
exec 9>"$work/lock"
flock -n 9 || { echo 'FAILED: mutants: another run is on in this tree'; exit 1; }
rm -f "$work/log"/*
# What the caller tests with is for the whole program, not for these copies.
unset KAGI_BIN CARGO_TARGET_DIR

if [ $# -gt 0 ]; then
    names=("$@")
elif [ "${KAGI_TEST_SCALE:-}" = full ]; then
    names=()
    for patch in tests/mutants/*.patch; do names+=("$(basename "$patch" .patch)"); done
else
    names=("${quick[@]}")
fi
unset KAGI_TEST_SCALE

caught_by() { sed -n '/^---/q; s/^caught-by: //p' "tests/mutants/$1.patch"; }

# A copy of what the tree holds, also of what is not committed yet. Only what differs is written, so that a
# second run builds little.
copy() { # LANE
    mkdir -p "$work/tree-$1"
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do
            cmp -s "$file" "$work/tree-$1/$file" || cp --parents "$file" "$work/tree-$1/" || true
        done
}

cargo_test() { # LANE FILE...
    local lane=$1 target=(--test "$2")
    [ "$2" != lib ] || target=(--lib)
    shift 2
    (cd "$work/tree-$lane" && CARGO_TARGET_DIR=$work/build-$lane CARGO_INCREMENTAL=1 \
        cargo --config 'profile.dev.package.kagi-vault.debug=0' test --locked --quiet "${target[@]}" "$@")
}

# Says what one test did: `failed`, `passed`, or what kept it from saying anything.
verdict() { # LANE FILE TEST LOG
    local code=0
    cargo_test "$1" "$2" --no-run >>"$4" 2>&1 || { echo 'does not compile'; return; }
    cargo_test_bounded "$1" "$2" "$3" >"$4.out" 2>&1 || code=$?
    cat "$4.out" >>"$4"
    if grep -q '^running 0 tests' "$4.out" || ! grep -q '^running 1 test' "$4.out"; then
        echo 'did not run'
    elif [ "$code" = 0 ]; then
        echo passed
    elif grep -q "^    $3\$" "$4.out" && grep -q '^test result: FAILED. 0 passed; 1 failed' "$4.out"; then
        echo failed
    else
        echo "did not end within $test_seconds s, or ended by itself"
    fi
    rm -f "$4.out"
}

cargo_test_bounded() { # LANE FILE TEST
    local program
    program=$(cargo_test "$1" "$2" --no-run --message-format=json 2>/dev/null |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | grep '/deps/' | tail -n 1)
    (cd "$work/tree-$1" && timeout -k 5 "$test_seconds" "$program" --exact "$3")
}

# Applies a fault to the copy, or takes the copy's files back to those of the tree.
apply() { # LANE NAME
    (cd "$work/tree-$1" && GIT_CEILING_DIRECTORIES=$work git apply -C1 "$root/tests/mutants/$2.patch")
}
restore() { # LANE NAME
    local file
    sed -n 's|^+++ b/||p' "tests/mutants/$2.patch" | while read -r file; do
        cp "$file" "$work/tree-$1/$file"
    done
}

mutant() { # LANE NAME
    local lane=$1 name=$2 began=$SECONDS log=$work/log/$2 file test said bad=''
    if ! apply "$lane" "$name" >>"$log" 2>&1; then
        bad='the patch does not apply'
    else
        while read -r file test; do
            if grep -qxF "$file $test" "$work/broken-$lane"; then
                said='it fails without the fault as well'
            else
                said=$(verdict "$lane" "$file" "$test" "$log")
            fi
            [ "$said" = failed ] || bad="$file $test: $said"
        done < <(caught_by "$name")
    fi
    restore "$lane" "$name" || exit 1
    said="caught by $(caught_by "$name" | paste -sd, -)"
    printf '%-30s %4s s  %s\n' "$name" "$((SECONDS - began))" "${bad:+NOT CAUGHT: }${bad:-$said}"
    [ -z "$bad" ]
}

lane() { # LANE NAME...
    local lane=$1 name file test said code=0
    shift
    copy "$lane"
    share_dependencies "$work/build-$lane"
    for name in "$@"; do caught_by "$name"; done | sort -u >"$work/tests-$lane"
    : >"$work/broken-$lane"
    while read -r file test; do
        said=$(verdict "$lane" "$file" "$test" "$work/log/unpatched-$lane")
        [ "$said" = passed ] && continue
        echo "without a fault: $file $test: $said"
        echo "$file $test" >>"$work/broken-$lane"
        code=1
    done <"$work/tests-$lane"
    for name in "$@"; do mutant "$lane" "$name" && echo "$name" >>"$work/caught" || code=1; done
    return "$code"
}

for name in "${names[@]}"; do
    [ -f "tests/mutants/$name.patch" ] || { echo "no such fault: $name"; exit 1; }
    [ -n "$(caught_by "$name")" ] || { echo "tests/mutants/$name.patch names no test"; exit 1; }
done
: >"$work/caught"
# Sorted by test, so that a lane builds as few test programs as can be; two lanes for two cores.
mapfile -t names < <(for name in "${names[@]}"; do echo "$(caught_by "$name" | head -n 1) $name"; done |
    sort | sed 's/.* //')
half=$(((${#names[@]} + 1) / 2))
[ "${#names[@]}" -gt 3 ] || half=${#names[@]}
code=0
lane 1 "${names[@]:0:half}" &
first=$!
if [ "$half" -lt "${#names[@]}" ]; then lane 2 "${names[@]:half}" || code=1; fi
wait "$first" || code=1
count=$(wc -l <"$work/caught")
if [ "$code" != 0 ]; then
    echo "FAILED: mutants: $count of ${#names[@]} caught; logs in target/mutants/log"
    exit 1
fi
echo "assured: mutants: $count of ${#names[@]} caught"
