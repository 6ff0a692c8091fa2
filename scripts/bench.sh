#!/usr/bin/env bash
# Times kagi beside floors of the same run, and prints tables: 10th percentile, median, 90th percentile, ratios.
#
#   scripts/bench.sh [--write] [--group NAME]... [RUNS]       default: all groups, 400 runs
#
#   run      `kagi run`, beside /bin/true, a C program, dash and bash that read plain .env files
#   write    set, import, get, export and rotation, beside C programs that do the same with plain files
#   growth   a line fitted to the times of run, set, get and export, over 10 to 20,000 keys
#   calls    system calls, opened files, syncs, writes to standard output (by strace), and peak memory
#   peers    other tools with 20 secrets: age, sops, dotenvx, direnv, as far as they are installed
#
# --write makes the tables and plots of docs/BENCHMARKS.md anew. RUNS is for `run`; the others make do with
# fewer. KAGI_BIN=path takes another binary than the static one, which is built otherwise. Needs bash 5, a C
# compiler and python3. Writes below target/ and, for what is measured, in a temp directory: times of writing
# are those of its file system.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
fail() {
    echo "bench.sh: $1" >&2
    exit 1
}

groups=() runs=400 write=()
while [ $# != 0 ]; do
    case $1 in
    --help | -h) sed -n '2,16s/^# \{0,1\}//p' "$0" && exit ;;
    --write) write=(--write) ;;
    --group)
        [[ ${2:-} =~ ^(run|write|growth|calls|peers)$ ]] || fail "--group: no such group: ${2:-} (see --help)"
        groups+=("$2")
        shift
        ;;
    '' | *[!0-9]*) fail "unknown argument: $1 (see --help)" ;;
    *) runs=$1 ;;
    esac
    shift
done
[ ${#groups[@]} = 0 ] || [ ${#write[@]} = 0 ] || fail '--write takes all groups'
[ ${#groups[@]} != 0 ] || groups=(run write growth calls peers)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
results=$work/results home=$work/home env=$work/env list=$work/list
mkdir "$results" "$home" "$env"
true=/bin/true
[ -x $true ] || true=/usr/bin/true

# A part of RUNS, but never too few to tell anything.
part() { echo $((runs / $1 > 3 ? runs / $1 : 3)); }

# The C program, and where there is a musl, the same once more with that: its programs start faster.
compile() {
    local specs
    specs=/usr/lib/$(uname -m)-linux-musl/musl-gcc.specs
    floor=$work/bench musl=
    cc -O2 -static -o "$floor" scripts/bench.c || fail 'scripts/bench.c needs a C compiler, and a libc to link with'
    if [ -f "$specs" ] && cc -O2 -static -no-pie -specs "$specs" -o "$work/bench-musl" scripts/bench.c 2>"$work/log"; then
        musl=$work/bench-musl
    else
        echo 'skipped: the C program with musl (no musl-dev)'
    fi
    bench=${musl:-$floor}
}

# What commands are run with: little, and the same everywhere.
around=(env -i "PATH=$PATH" "HOME=$home" LANG=C.UTF-8 "KAGI_HOME=$home/kagi" KAGI_DISABLE_KEYRING=1
    "SOPS_AGE_KEY_FILE=$home/age.txt" SOPS_DISABLE_VERSION_CHECK=1 DIRENV_LOG_FORMAT=)
# COMMAND...: for what is not timed, and must not fail.
quietly() { "${around[@]}" "$@" >"$work/log" 2>&1 </dev/null || { cat "$work/log" >&2 && fail "this failed: $*"; }; }

# A .env file of COUNT keys with short values, and another with values of the same length.
env_file() { # COUNT
    local mark
    for mark in 0 1; do
        [ -e "$env/$1.$mark" ] ||
            awk -v n="$1" -v mark="$mark" 'BEGIN { for (i = 1; i <= n; i++) print "KEY_" i "=value-number-" i "-of-" n "-" mark }' >"$env/$1.$mark"
    done
}

# Makes a project, its directory the current one, with a scope sCOUNT for each COUNT.
project() { # NAME COUNT...
    mkdir "$work/$1"
    cd "$work/$1"
    shift
    quietly "$kagi" init --no-migrate
    local count
    for count; do
        env_file "$count"
        quietly "$kagi" import -s "s$count" --file "$env/$count.0"
    done
    : >"$list"
}
scope() { echo "$PWD/.kagi/secrets/$1/development.enc"; }

# Adds a command to the list, with or without a terminal.
add() { # NAME COMMAND...
    (IFS=$'\t' && printf '%s\t-\t%s\n' "$1" "${*:2}") >>"$list"
}
add_asking() { # NAME COMMAND...
    (IFS=$'\t' && printf '%s\ttty\t%s\n' "$1" "${*:2}") >>"$list"
}
# Runs the list, in the current directory.
measure() { # GROUP ROUNDS
    "${around[@]}" "$bench" time "$2" <"$list" >>"$results/$1"
    : >"$list"
}

shells=()
for shell in dash bash; do
    if command -v $shell >/dev/null; then shells+=("$shell"); else echo "skipped: $shell (not installed)"; fi
done

# The ways to hand COUNT secrets to a program.
add_runs() { # COUNT PROGRAM...
    local count=$1 shell
    shift
    add "c:$count" "$floor" env "$env/$count.0" "$@"
    [ -z "$musl" ] || add "musl:$count" "$musl" env "$env/$count.0" "$@"
    add "kagi:$count" "$kagi" run "s$count" "$@"
    for shell in "${shells[@]}"; do
        add "$shell:$count" "$(command -v "$shell")" -c "set -a; . $env/$count.0; exec $*"
    done
}

# All of them hand over the same secrets.
check_runs() {
    local name words command
    add_runs 20 "$(command -v env)"
    while IFS=$'\t' read -r name _ words; do
        IFS=$'\t' read -ra command <<<"$words"
        "${around[@]}" "${command[@]}" | grep '^KEY_' | sort | cmp -s - <(sort "$env/20.0") || fail "$name hands over other secrets"
    done <"$list"
    : >"$list"
}

group_run() {
    project run 1 20 200 2000
    check_runs
    add true:0 "$true"
    for count in 1 20 200 2000; do add_runs "$count" "$true"; done
    measure run "$runs"
}

# Adds a floor, with either libc.
add_floor() { # NAME:COUNT TASK...
    add "floor of $1" "$floor" "${@:2}"
    [ -z "$musl" ] || add "musl floor of $1" "$musl" "${@:2}"
}

# What was timed did write each time: a line of SCOPE counts them. (One that sets what is there writes nothing.)
written() { # SCOPE LINE
    grep -q "^$2" "$(scope "$1")" || fail "$1 was not written each time: it has no line \`$2\`"
}

group_write() {
    local count rounds copies=$work/copies
    project write 10 1000 10000
    mkdir -p "$copies/set/0" "$copies/import/0"
    for count in 10 1000 10000; do
        add "set:$count" "$kagi" set -s "s$count" KEY_7 value-of-set-%
        add_floor "set:$count" write 1 "$copies/set" "$(scope "s$count")"
    done
    for count in 1000 10000; do
        quietly "$kagi" import -s "i$count" --file "$env/$count.0"
        add "import:$count" "$kagi" import -s "i$count" --force --file "$env/$count.%"
        add_floor "import:$count" write 1 "$copies/import" "$(scope "i$count")" - "$env/$count.0"
        add "get:$count" "$kagi" get "s$count"
        add_asking "export:$count" "$kagi" export "s$count"
        for command in get export; do add_floor "$command:$count" copy "$env/$count.0"; done
    done
    rounds=$(part 2)
    measure write "$rounds"
    # One more round warms up; it imports what is there.
    for count in 10 1000 10000; do written "s$count" "key KEY_7 $((1 + rounds + 1))\$"; done
    for count in 1000 10000; do written "i$count" "key KEY_7 $((1 + rounds))\$"; done
    group_rotation
}

group_rotation() {
    local number rounds copies=$work/copies files=()
    project rotation
    env_file 50
    for number in $(seq 0 99); do
        quietly "$kagi" import -s "service-$number" --file "$env/50.0"
        files+=("$(scope "service-$number")")
        mkdir -p "$copies/rotate/$number"
    done
    add rotate:5000 "$kagi" key rotate --yes
    add_floor rotate:5000 write 1 "$copies/rotate" "${files[@]}"
    add_floor rotate-twice:5000 write 2 "$copies/rotate" "${files[@]}"
    rounds=$(part 20)
    measure write "$rounds"
    written service-7 "box $((1 + rounds + 1))\."
}

group_growth() {
    local count counts=(10 20 50 100 200 500 1000 2000 5000 10000 20000)
    project growth "${counts[@]}"
    for count in "${counts[@]}"; do
        add "run:$count" "$kagi" run "s$count" "$true"
        add "c:$count" "$floor" env "$env/$count.0" "$true"
        add "set:$count" "$kagi" set -s "s$count" KEY_7 value-of-set-%
        add "get:$count" "$kagi" get "s$count"
        add_asking "export:$count" "$kagi" export "s$count"
    done
    measure growth "$(part 8)"
}

# What a trace counts of system calls that came back, as `strace -c` does.
count_calls() { # NAME TRACE
    awk -v name="$1" '/\) += [^?]/ { calls++ }
        /[ (](open|openat)\(.*\) += [0-9]/ { opened++ }
        /[ (](fsync|fdatasync|syncfs|sync)\(/ { syncs++ }
        /[ (](write|writev)\(1,/ { prints++ }
        END { printf "%s\t%d\t%d\t%d\t%d\n", name, calls, opened, syncs, prints }' "$2" >>"$results/calls"
}

group_calls() {
    local shell
    project calls 20
    mkdir -p "$work/copies/calls/0"
    add /bin/true "$true"
    add 'C program' "$floor" env "$env/20.0" "$true"
    add 'kagi run' "$kagi" run s20 "$true"
    for shell in "${shells[@]}"; do add "$shell" "$(command -v "$shell")" -c "set -a; . $env/20.0; exec $true"; done
    add 'C program that writes' "$floor" write 1 "$work/copies/calls" "$(scope s20)"
    add 'kagi set' "$kagi" set -s s20 KEY_7 value-of-set-%
    add 'kagi get' "$kagi" get s20
    add_asking 'kagi export' "$kagi" export s20
    add 'kagi search' "$kagi" search KEY
    add 'kagi member list' "$kagi" member list
    mv "$list" "$work/commands"
    if strace -o "$work/trace" "$true" 2>"$work/log"; then
        watch trace "$(command -v strace)" -f -qq -o
        while IFS=$'\t' read -r name _; do count_calls "$name" "$work/trace.${name//[ \/]/-}"; done <"$work/commands"
    else
        echo 'skipped: system calls (no strace here, or it may not trace)'
    fi
    if "$bench" peak "$work/peak" "$true" 2>"$work/log"; then
        watch peak "$bench" peak
        while IFS=$'\t' read -r name _; do
            printf '%s\t%d\n' "$name" "$(tail -n 1 "$work/peak.${name//[ \/]/-}")" >>"$results/peak"
        done <"$work/commands"
    else
        echo 'skipped: peak memory (it may not be looked at here)'
    fi
}

# Runs each of the commands below WATCHER, which is given a file for it. There are two rounds, the second counts:
# apart from another watcher's, for a value that is there already is not set.
watch() { # FILE WATCHER...
    local file=$1 name kind words watcher
    shift
    watcher=$(IFS=$'\t' && echo "$*")
    while IFS=$'\t' read -r name kind words; do
        printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$kind" "$watcher" "$work/$file.${name//[ \/]/-}" "$words"
    done <"$work/commands" >"$list"
    "${around[@]}" "$bench" time 1 <"$list" >"$work/log"
}

# Whether there is such a tool; says so, and notes its version for the table.
tool() { # NAME
    local version
    if command -v "$1" >/dev/null; then
        version=$("${around[@]}" "$1" --version 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
        printf '%s\t%s\n' "$1" "${version:-unknown}" >>"$results/tools"
    else
        echo "skipped: $1 (not installed)"
        printf '%s\t\n' "$1" >>"$results/tools"
        return 1
    fi
}

group_peers() {
    local recipient=''
    project peers 20
    add true:20 "$true"
    add kagi:20 "$kagi" run s20 "$true"
    cp "$env/20.0" .env
    if tool age; then
        quietly age-keygen -o "$home/age.txt"
        recipient=$(age-keygen -y "$home/age.txt")
        quietly age -r "$recipient" -o 20.age .env
        add age:20 "$(command -v age)" -d -i "$home/age.txt" 20.age
    fi
    if tool sops; then
        if [ -n "$recipient" ]; then
            quietly sops encrypt --age "$recipient" --input-type dotenv --output-type dotenv --output 20.sops.env .env
            add sops:20 "$(command -v sops)" exec-env 20.sops.env "$true"
        else
            echo 'skipped: sops (no age to make a key with)'
        fi
    fi
    if tool dotenvx; then
        cp .env .env.sealed
        quietly dotenvx encrypt -f .env.sealed -fk .env.keys
        add dotenvx:20 "$(command -v dotenvx)" run --quiet -f .env.sealed -fk .env.keys -- "$true"
    fi
    if tool direnv; then
        echo 'dotenv .env' >.envrc
        quietly direnv allow .
        add direnv:20 "$(command -v direnv)" exec . "$true"
    fi
    measure peers "$(part 20)"
}

fact() { printf '%s\t%s\n' "$1" "$2" >>"$results/machine"; }
describe() {
    local model virtual=no file_system
    model=$(sed -n 's/^model name[[:space:]]*: //p;T;q' /proc/cpuinfo)
    [ -n "$model" ] || model=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p;T;q')
    ! grep -qw hypervisor /proc/cpuinfo || virtual=yes
    file_system=$(df --output=fstype "$work" 2>/dev/null | tail -n 1)
    fact processor "${model:-unknown}, $(nproc) cores"
    fact 'virtual machine' "$virtual"
    fact system "$(uname -s) $(uname -r | grep -oE '^[0-9.]+'), $(uname -m)"
    fact 'file system of the temp directory' "${file_system:-unknown}$([ "$file_system" != tmpfs ] || echo ' (in memory: syncs cost nothing)')"
    fact 'load before the run' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
    fact date "$(date -u +%F)"
    fact kagi "$("$kagi" version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1), $(wc -c <"$kagi") bytes"
    fact 'built by' "$built"
    fact 'C program' "$(cc --version | head -n 1), \`cc -O2 -static\`"
    fact command "\`scripts/bench.sh${write[0]:+ --write} $runs\`"
}

kagi=${KAGI_BIN:-}
if [ -z "$kagi" ]; then
    scripts/build-static.sh >"$work/built" 2>"$work/log" || { cat "$work/log" >&2 && fail 'the static program was not built'; }
    kagi=target/static/kagi
    [ -e $kagi ] || kagi=target/static/kagi-$(uname -m)
    built="scripts/build-static.sh: $(sed -n 's/^rustc: //p' "$work/built")"
else
    built='not known: KAGI_BIN names it'
fi
kagi=$(realpath "$kagi")
compile
describe
for group in "${groups[@]}"; do
    "group_$group"
    cd "$repository"
done
python3 -B scripts/bench.py "$results" ${write[@]+"${write[@]}"}
