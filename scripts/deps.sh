#!/usr/bin/env bash
# Counts what docs/AUDIT.md counts: the files of `src` in reading order, and every crate that a build reads.
#
#   scripts/deps.sh              writes the tables of docs/AUDIT.md anew
#   scripts/deps.sh --check      changes nothing; fails if a table is not what the sources say
#   scripts/deps.sh --features   leaves out each feature of each dependency in turn, and says what does not build
#
# The crates are read as `cargo vendor` writes them to target/vendor, which checks their sums against Cargo.lock.
# A line of code is one that is neither blank nor only a comment; of a crate, those below its `src`, tests
# in them included; of kagi, those before the first `#[cfg(test)]` of a file, as tests/tidy.rs counts.
set -euo pipefail
cd "$(dirname "$0")/.."
page=docs/AUDIT.md
vendor=target/vendor
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree() { cargo tree --locked --prefix none "$@"; }
fail() {
    echo "scripts/deps.sh: $1" >&2
    exit 1
}

# Lines of code, and of those the ones with the word `unsafe`: of all of FILE...
lines_of() { cat "$@" | grep -vE '^[[:space:]]*(//|$)' | awk '/(^|[^_[:alnum:]])unsafe([^_[:alnum:]]|$)/ { u++ } END { print NR + 0, u + 0 }'; }

# Name and version of each crate with its part in a build: `linked` into kagi for Linux, `build` only
# (it runs in the compiler or before it), or code for `other` systems.
parts() {
    tree -e normal,no-proc-macro --target x86_64-unknown-linux-musl --format '{p}' | sed 's/$/ linked/'
    tree -e normal,build --target x86_64-unknown-linux-musl --format '{p}' | sed 's/$/ build/'
    tree -e normal,build --target all --format '{p}' | sed 's/$/ other/'
}

# Who names whom, on any system: `parent child`, both with their versions.
edges() {
    cargo tree --locked --prefix depth -e normal,build --target all --format ' {p}' |
        awk '{ at[$1] = $2; if ($1 > 0) print at[$1 - 1], $2 " " substr($3, 2) }' | sort -u
}

crates() {
    # Anew: cargo leaves what is there as it is, whatever it has become.
    rm -rf "$vendor"
    cargo vendor --locked --quiet --versioned-dirs "$vendor" >"$work/config"
    parts | grep -v '^kagi-vault ' | awk '{ if (!(($1, $2) in seen)) { seen[$1, $2] = 1; print $1, substr($2, 2), $NF } }' |
        sort >"$work/parts"
    edges >"$work/edges"
    tree -e normal,build --target all --format '{p}|{f}|{l}' | sed 's/ (\*)$//' | awk -F '|' '{ split($1, p, " "); print p[1] " " substr(p[2], 2) "|" $2 "|" $3 }' |
        sort -u >"$work/licences"
    local name version part count unsafe
    echo '| crate | version | part | named by | features | lines | unsafe | licence |'
    echo '|---|---|---|---|---|---|---|---|'
    while read -r name version part; do
        mapfile -t files < <(find "$vendor/$name-$version/src" -name '*.rs')
        [ "${#files[@]}" != 0 ] || fail "no source of $name $version in $vendor"
        read -r count unsafe < <(lines_of "${files[@]}")
        echo "$part $count $unsafe" >>"$work/sums"
        IFS='|' read -r _ features licence < <(grep "^$name $version|" "$work/licences")
        echo "| $name | $version | $part | $(awk -v of="$name $version" '$2 " " $3 == of { print $1 }' "$work/edges" | sort -u | paste -sd, | sed 's/,/, /g') | ${features//,/, } | $count | $unsafe | $licence |"
    done <"$work/parts"
    echo
    awk '{ n[$1]++; l[$1] += $2; u[$1] += $3 } END {
        printf "Linked into kagi for Linux: %d crates, %d lines, %d with `unsafe`. ", n["linked"], l["linked"], u["linked"]
        printf "Only in the build: %d crates, %d lines. Only for other systems: %d crates, %d lines.\n", n["build"], l["build"], n["other"], l["other"] }' "$work/sums"
}

# The first sentence of a file, which says what it promises.
promise() { awk '/^\/\/!/ { sub(/^\/\/! ?/, ""); if ($0 == "") exit; print; next } { exit }' "$1" | paste -sd' ' | sed -E 's/([^.]\.)( [A-Z].*)?$/\1/; s/\|/\\|/g'; }

# The files of the rooms that are named, each with its lines.
files() {
    local room file count
    echo '| file | lines | what it promises |'
    echo '|---|---|---|'
    for room in "$@"; do
        for file in "src/$room.rs" "src/$room/mod.rs" $(find "src/$room" -name '*.rs' ! -path "src/$room/mod.rs" 2>/dev/null | LC_ALL=C sort); do
            [ -f "$file" ] || continue
            [[ $room != format || ! $file =~ format/(dotenv|message) ]] || continue
            count=$(sed '/^#\[cfg(test)\]/,$d' "$file" | grep -cvE '^[[:space:]]*(//|$)')
            echo "$count" >>"$work/files"
            echo "$file" >>"$work/listed"
            echo "| \`${file#src/}\` | $count | $(promise "$file") |"
        done
    done
    echo
    awk '{ n += $1 } END { print NR " files, " n " lines." }' "$work/files"
    rm "$work/files"
}

# The table that a marker of the page asks for.
table() { # WORDS OF THE MARKER
    case $1 in
    crates) crates ;;
    files) shift && files "$@" ;;
    *) fail "$page: no such table: $1" ;;
    esac
}

# The page with each table made anew.
write() {
    local line skips=false
    while IFS= read -r line; do
        if [[ $line =~ ^'<!-- table: '(.*)' -->'$ ]]; then
            read -ra words <<<"${BASH_REMATCH[1]}"
            printf '%s\n' "$line"
            table "${words[@]}"
            skips=true
        elif [ "$line" = '<!-- end of table -->' ]; then
            skips=false
        fi
        $skips || printf '%s\n' "$line"
    done <$page
    ! $skips || fail "$page: a table does not end"
    LC_ALL=C sort "$work/listed" | diff - <(find src -name '*.rs' | LC_ALL=C sort) >&2 ||
        fail "$page: its tables list a file twice (<), or not at all (>)"
}

# Each feature that Cargo.toml asks for, left out once.
features() {
    local line name feature copy=target/without
    mkdir -p "$copy"
    cp -R Cargo.lock src "$copy/"
    mkdir -p "$copy/scripts" && cp scripts/bench_server.rs "$copy/scripts/"
    while IFS= read -r line; do
        name=${line%% *}
        while read -r feature; do
            awk -v name="$name" -v feature="\"$feature\"" '$1 == name { sub(feature ",? ?", ""); sub(/, \]/, "]") } { print }' Cargo.toml >"$copy/Cargo.toml"
            if CARGO_TARGET_DIR=target/without/target cargo check --quiet --manifest-path "$copy/Cargo.toml" 2>"$work/log"; then
                echo "$name without $feature: builds"
            else
                echo "$name without $feature: $(grep -m1 '^error' "$work/log")"
            fi
        done < <(grep -o 'features = \[.*\]' <<<"$line" | grep -oE '"[a-z_-]+"' | tr -d '"')
    done < <(sed -n '/^\[dependencies\]/,/^$/p' Cargo.toml | grep features)
}

case ${1:-} in
--help | -h) sed -n '2,10s/^# \{0,1\}//p' "$0" ;;
--features) features ;;
--check)
    write >"$work/page"
    diff -u "$page" "$work/page" || fail "$page is not what the sources say; write it anew: scripts/deps.sh"
    echo "assured: deps: $(wc -l <"$work/parts") crates and $(wc -l <"$work/listed") files are what docs/AUDIT.md says"
    ;;
'')
    write >"$work/page"
    cp "$work/page" "$page"
    ;;
*) fail "unknown argument: $1 (see --help)" ;;
esac
