#!/usr/bin/env bash
# kagi.exe under wine, beside kagi on this system: the daily flow, paths and line ends of Windows, names that mean
# a device there, one project that both write, a server. Prints a line; where a tool is missing it says so.
# Wine is not Windows: what access lists, an old console, a virus scanner or PowerShell do is not seen here.
#
# Needs wine64, gcc-mingw-w64-x86-64, python3 and what scripts/build-windows.sh needs. KAGI_BIN names kagi,
# KAGI_EXE a kagi.exe to be tested in place of a new one. Takes no argument.
set -euo pipefail
cd "$(dirname "$0")/.."
wine=$(PATH="$PATH:/usr/lib/wine" command -v wine64 || true)
for tool in "${wine:-wine64}" x86_64-w64-mingw32-gcc python3; do
    command -v "$tool" >/dev/null || { echo "skipped: windows: $tool is not here"; exit 0; }
done
if [ -z "${KAGI_EXE:-}" ]; then
    [ -d /usr/lib/rustlib/src/rust/library ] || { echo 'skipped: windows: there are no sources of std'; exit 0; }
    scripts/build-windows.sh --quick
fi
[ -n "${KAGI_BIN:-}" ] || cargo build --quiet --locked
linux=$(realpath "${KAGI_BIN:-target/debug/kagi}")

dir=$(realpath "$(mktemp -d)")
win=Z:${dir//\//\\}
export WINEPREFIX="$dir/prefix" WINEDEBUG=-all HOME="$dir/home" TERM=dumb
unset KAGI_HOME KAGI_IDENTITY KAGI_PROJECT_KEY XDG_DATA_HOME
served=
finish() {
    [ -z "$served" ] || kill "$served" 2>/dev/null || true
    "$(dirname "$wine")/wineserver" -k 2>/dev/null || true
    rm -rf "$dir" 2>/dev/null || { sleep 1; rm -rf "$dir"; }
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
mkdir "$HOME" "$dir/work"
cp "${KAGI_EXE:-target/static/kagi.exe}" "$dir/kagi.exe"
cd "$dir/work"

# Random bytes under the newer name that Windows 10 has for them, and this wine may lack.
cat >"$dir/prng.c" <<'C'
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE bytes, SIZE_T count) { return SystemFunction036(bytes, count); }
C
x86_64-w64-mingw32-gcc -shared -o "$dir/bcryptprimitives.dll" "$dir/prng.c" -ladvapi32
"$wine" wineboot >/dev/null 2>&1 || true

fail() {
    echo "FAILED: windows: $*"
    sed 's/^/  /' "$dir/out" "$dir/said" 2>/dev/null || true
    exit 1
}
# exe WORDS…: kagi.exe; kagi WORDS…: it must go well; fails CODE WORDS…: it must not. What it prints is in `out`, without
# CR, and what it says in `said`.
exe() {
    local code=0
    timeout 60 "$wine" "$dir/kagi.exe" "$@" >"$dir/raw" 2>"$dir/said" || code=$?
    tr -d '\r' <"$dir/raw" >"$dir/out"
    return "$code"
}
kagi() { exe "$@" || fail "kagi $* ended with $?"; }
fails() {
    local want=$1 code=0
    shift
    exe "$@" </dev/null || code=$?
    [ "$code" = "$want" ] || fail "kagi $* ended with $code"
}
gives() { [ "$(cat "$dir/out")" = "$1" ] || fail "not given: $1"; }
says() { grep -q -e "$1" "$dir/said" || fail "not said: $1"; }
# on_terminal TERM ANSWER WORDS…: in a terminal of that kind, with what is typed at the first `]` or `:` of a prompt.
cat >"$dir/pty.py" <<'PY'
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ.pop("TERM")
    os.environ.update({"TERM": sys.argv[1]} if sys.argv[1] else {})
    os.execv(sys.argv[3], sys.argv[3:])
shown, end, typed = b"", time.time() + 20, False
while time.time() < end:
    if select.select([terminal], [], [], 0.5)[0]:
        try:
            shown += os.read(terminal, 9999)
        except OSError:
            break
    elif not typed and (b"[y/N]" in shown or b"(not shown):" in shown):
        os.write(terminal, sys.argv[2].encode() + b"\r")
        typed = True
else:
    os.kill(pid, 9)
print(shown.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if typed or "hunter2" in sys.argv else 99)
PY
on_terminal() {
    python3 -I "$dir/pty.py" "$1" "$2" "$wine" "$dir/kagi.exe" "${@:3}" >"$dir/out" 2>"$dir/said"
}
# own WORDS…: kagi of this system.
own() { "$linux" "$@" >"$dir/out" 2>"$dir/said" || fail "kagi of this system: $*"; }
# The project goes to the other's checkout, as Git would carry it.
carry() { rm -rf "$2/.kagi" && cp -r "$1/.kagi" "$2/.kagi"; }

# A first day: the identity is where Windows has such things, nothing but .kagi comes into the project.
kagi --version
grep -q '^kagi [0-9]' "$dir/out" || fail 'no version'
kagi init --nested --envs --name ada
kagi set api PORT 1
kagi set api staging MAIL ada@example.org
kagi get api staging
identity=$(find "$WINEPREFIX" -name identity.json)
case $identity in */AppData/Local/kagi/identity.json) ;; *) fail "the identity is in $identity" ;; esac
[ "$(find . -name '*lock*' -o -name '*.tmp')" = '' ] || fail 'a file is left in the project'

# run: the child's code; .cmd files, and never the file without an ending beside one.
kagi run api -- cmd /c 'echo %PORT%'
gives 1
fails 7 run api -- cmd /c 'exit 7'
mkdir "$dir/bin"
printf '@echo off\r\necho %%PORT%% %%~1\r\nexit /b 9\r\n' >tool.cmd
cp tool.cmd "$dir/bin/found.cmd"
echo 'echo wrong' | tee tool >"$dir/bin/found"
fails 9 run api -- ./tool 'a b'
gives '1 a b'
fails 9 run --mask api -- '.\tool.CMD' 'a%PORT%'
fails 127 run api -- tool
says 'no program "tool"'
WINEPATH="$win\\bin" fails 9 run api -- found x
gives '1 x'
kagi run --clean api -- cmd /c set
grep -qi '^SystemRoot=' "$dir/out" || fail '--clean takes what no program starts without'
fails 1 set api pathext .x

# What no variable of Windows can hold.
printf '\377\376' >"$dir/bytes"
kagi set api BYTES --file "$win\\bytes"
fails 126 run api -- cmd /c 'echo started'
says '"BYTES" .*no text'
kagi unset --yes api BYTES
kagi set api port 2
fails 126 run api -- cmd /c 'echo started'
says '"port" .*another case'
kagi run --only port api -- cmd /c 'echo %PORT%'
gives 2
kagi unset --yes api port

# .env files with the line ends of Windows, by its paths.
mkdir 'a b'
printf '\357\273\277ONE=1\r\n# c\r\nTWO="x\r\ny"\r\n' >'a b/my.env'
kagi import api production --file 'a b\my.env'
says '2 added'
on_terminal '' y export --out "$win\\work\\a b\\out" api production || fail 'no export'
printf "ONE=1\nTWO='x\ny'\n" | cmp - 'a b/out/.env.production' || fail 'the export is another'
[ "$(ls -A 'a b/out' | wc -l)" = 1 ] || fail 'a lock is left beside the export'

# Files: by any path of Windows, under one name; never a device, never out of the project.
mkdir -p conf/sub
printf 'a private file\n' >conf/sub/a.pem
cp conf/sub/a.pem "$dir/a.pem"
kagi file add api 'conf\sub\a.pem'
kagi file add api "$win\\work\\conf\\sub\\a.pem"
rm conf/sub/a.pem
kagi file list
grep -q ' conf/sub/a.pem ' "$dir/out" || fail 'a name with backslashes'
kagi file restore api 'conf\sub\a.pem'
cmp conf/sub/a.pem "$dir/a.pem"
for name in nul.txt 'conf/aux' 'CONOUT$' 'a:b' 'a\b' '../x' 'x.' 'Git~1/config' 'C:/x'; do
    fails 1 file add api conf/sub/a.pem --name "$name"
    says 'cannot be a name'
done
for service in con Nul.x com1 a. 'a:b'; do
    fails 1 set -s "$service" KEY value
    [ "$(ls .kagi/secrets)" = api ] || fail "a service $service"
done
fails 1 set -s API KEY value

# A value in a file is found; without Git, what needs it says so.
kagi set api TOKEN 'a-long-enough-secret'
echo 'x a-long-enough-secret' >leak.txt
fails 1 scan leak.txt
grep -q '^leak.txt:1: TOKEN of api' "$dir/out" || fail 'scan finds nothing'
rm leak.txt
fails 1 log api
says 'Git'

# An edit leaves nothing behind; of several writers none is lost.
EDITOR='cmd /c type' kagi edit --on-disk api
grep -q '^PORT=1' "$dir/out" || fail 'no text to edit'
[ -z "$(find "$WINEPREFIX" -name 'kagi-edit*')" ] || fail 'the text of an edit is left'
for at in 1 2 3 4 5; do "$wine" "$dir/kagi.exe" set api "KEY$at" "$at" 2>/dev/null & done
wait
kagi run api -- cmd /c 'echo %KEY1%%KEY2%%KEY3%%KEY4%%KEY5%'
gives 12345

# On a terminal: a y is read; a hidden line by PowerShell, here another program of its name, or not at all.
cat >"$dir/line.c" <<'C'
#include <stdio.h>
int main(void) { char line[99]; return fgets(line, 99, stdin) ? fputs(line, stdout) < 0 : 1; }
C
on_terminal '' y get --show api production || fail 'no values after a y'
grep -q 'ONE *1' "$dir/out" || fail 'no value is shown'
! on_terminal xterm hunter2 set api HIDDEN --prompt || fail 'a line that is seen is taken'
! on_terminal '' hunter2 set api HIDDEN --prompt || fail 'a line that nothing hides is taken'
x86_64-w64-mingw32-gcc -o "$dir/powershell.exe" "$dir/line.c"
on_terminal '' hunter2 set api HIDDEN --prompt || fail 'no hidden line'
rm "$dir/powershell.exe"
kagi run --only HIDDEN api -- cmd /c 'echo %HIDDEN%'
gives hunter2

# A colleague on this system joins; both read and write; the same value again changes no byte.
ada=$(grep -o 'kgm_[a-z2-7]*' .kagi/access.json | head -n 1)
mkdir "$dir/other"
carry . "$dir/other"
(cd "$dir/other" && own member join --name ben --no-git --trust "$ada")
ben=$(basename "$dir"/other/.kagi/requests/*.json .json)
carry "$dir/other" .
kagi member approve "$ben"
carry . "$dir/other"
(
    cd "$dir/other"
    own run api -- sh -c 'echo "$TOKEN"'
    gives a-long-enough-secret
    own set api PORT 2
    own file restore --force api conf/sub/a.pem
    cmp conf/sub/a.pem "$dir/a.pem"
    own doctor
)
carry "$dir/other" .
kagi run api -- cmd /c 'echo %PORT%'
gives 2
kagi set api PORT 2
diff -r .kagi "$dir/other/.kagi" || fail 'the same value changes bytes'
kagi doctor

# A second home on Windows, and a server there that both systems use.
KAGI_HOME="$win\\cara" kagi member join --name cara --trust "$ada"
cara=$(cat "$dir/out" "$dir/said" | grep -o 'approve kgm_[a-z2-7]*' | head -n 1 | cut -d ' ' -f 2)
kagi member approve "$cara"
KAGI_HOME="$win\\cara" kagi run api -- cmd /c 'echo %PORT%'
gives 2
"$wine" "$dir/kagi.exe" serve --store "$win\\store" --bind 127.0.0.1:0 >"$dir/first" 2>"$dir/serve.log" &
served=$!
for _ in $(seq 100); do grep -q 'serving on ' "$dir/serve.log" && break || sleep 0.1; done
url=$(sed -n 's/.*serving on \([^ ]*\).*/\1/p' "$dir/serve.log")
print=$(tr -d '\r' <"$dir/first" | sed -n 's/.*fingerprint //p' | head -n 1)
tr -d '\r' <"$dir/first" | sed -n 's/^admin token //p' >"$dir/admin"
kagi serve --health="$url"
fails 1 serve --store "$win\\store" --bind 127.0.0.1:0
kagi remote login --remote "$url" --token - <"$dir/admin"
kagi project join --remote "$url" --fingerprint "$print"
kagi project approve "$(grep -o 'kgp_[a-z2-7]*' .kagi/kagi.json | head -n 1)"
cp "$dir/out" "$dir/token"
kagi pull - <"$dir/token"
kagi push
(
    carry . "$dir/other"
    cd "$dir/other"
    own pull - <"$dir/token"
    own set api PORT 3
    own push
)
kagi pull
kagi run api -- cmd /c 'echo %PORT%'
gives 3

# The end.
kagi backup -o "$win\\backup"
kagi uninit --yes
[ ! -e .kagi ] && [ -z "$(ls -A | grep -i kagi)" ] || fail 'something is left'
kagi restore -f "$win\\backup"
kagi run api -- cmd /c 'echo %PORT%'
gives 3
kagi init --force --yes --no-migrate
[ -d .kagi.backup-1 ] || fail 'the old project is not kept'
echo 'windows: a day, paths, devices, terminals, two systems, a server, and the end'
