#!/usr/bin/env bash
# Builds kagi as one static file: target/static/kagi, or target/static/kagi-aarch64.
#
#   scripts/build-static.sh [aarch64]
#
# Two ways. If the first cargo on PATH has the musl target (rustup target add
# x86_64-unknown-linux-musl), that is taken. Else Debian's own compiler builds the standard library
# along: apt-get install rustc-web cargo-web rust-web-src gcc binutils musl-dev (and for aarch64:
# gcc-aarch64-linux-gnu).
#
# No path, name or time of this machine gets into the file: the same commit, tools and architecture
# give the same bytes anywhere. What it was built from and by goes to standard output, to be kept as
# BUILDINFO; everything else to standard error. It fails if the file is not static or does not run.
#
# Writes below target/, and fills cargo's own cache. Without a network it needs the crates of Cargo.lock
# (carried by `cargo vendor`, or in a cache that `cargo fetch --locked` filled; those of std come with
# rust-web-src), and for aarch64 in the second way arm64's musl-dev: installed, or taken apart by
# `dpkg-deb -x musl-dev_VERSION_arm64.deb target/musl-aarch64`.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
    printf 'build-static: %s\n' "$1" >&2
    [ -z "${2:-}" ] || printf 'build-static: hint: %s\n' "$2" >&2
    exit 1
}

machine=$(uname -m)
case ${1:-$machine} in
x86_64) arch=x86_64 debian=amd64 name=kagi ;;
aarch64) arch=aarch64 debian=arm64 name=kagi-aarch64 ;;
*) fail "not built here: ${1:-$machine}" "scripts/build-static.sh [x86_64|aarch64]" ;;
esac
target=$arch-unknown-linux-musl
work=target/static-build
out=target/static/$name
mkdir -p "$work" target/static
rm -f "$out"

# Settings of the caller's that would change the bytes.
for variable in $(compgen -e); do
    case $variable in
    RUSTFLAGS | RUSTC | RUSTC_* | CARGO_ENCODED_RUSTFLAGS | CARGO_INCREMENTAL | CARGO_BUILD_* | CARGO_PROFILE_* | CARGO_TARGET_* | CARGO_UNSTABLE_*)
        unset "$variable" ;;
    CPATH | C_INCLUDE_PATH | LIBRARY_PATH | COMPILER_PATH | GCC_EXEC_PREFIX | LD_RUN_PATH) unset "$variable" ;;
    esac
done
# For `trim-paths`, which takes paths out; nothing else that is unstable is used but to build std. No
# wrapper, whatever a configuration says.
export RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER='' RUSTC_WORKSPACE_WRAPPER=''
options=(-Z trim-paths --config 'profile.release.trim-paths="all"')
# What decides about the bytes, for BUILDINFO.
tools=()
version_of() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo unknown; }

# cargo reads a configuration of the user's, and one in each directory above this one.
check_settings() {
    local section found
    for section in env patch paths profile.release unstable; do
        if found=$($cargo -Z unstable-options config get --show-origin $section 2>/dev/null); then
            fail "a configuration of cargo's would change the bytes: $found" 'take it out of that file for this build'
        fi
    done
}

# The toolchain has std for musl, with all that linking takes, and a linker.
own_target() {
    cargo=cargo rustc=rustc
    local host linker
    check_settings
    host=$(rustc -vV | sed -n 's/^host: //p')
    flags="-C target-feature=+crt-static"
    if [ -x "$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld" ]; then
        flags="$flags -C linker=rust-lld" linker='ld: rust-lld of the toolchain'
    else
        linker="cc: $(cc --version | head -n 1)"
    fi
    tools+=('std: of the toolchain' "$linker")
}

# Debian's compiler builds std from the sources of the same version, against Debian's musl.
debian_target() {
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc
    local gcc=gcc missing='' sources musl lib=$work/lib-$arch file release
    [ "$arch" = "$machine" ] || gcc=$arch-linux-gnu-gcc
    [ -x $rustc ] || missing="$missing rustc-web"
    [ -x $cargo ] || missing="$missing cargo-web"
    sources=$($rustc --print sysroot 2>/dev/null || echo /usr)/lib/rustlib/src/rust
    [ -f "$sources/library/std/Cargo.toml" ] || missing="$missing rust-web-src"
    command -v $gcc >/dev/null || missing="$missing ${gcc/%*-gcc/gcc-${arch/_/-}-linux-gnu}"
    command -v readelf >/dev/null || missing="$missing binutils"
    musl=/usr/lib/$arch-linux-musl
    if [ ! -f "$musl/libc.a" ] && [ "$arch" = "$machine" ]; then missing="$missing musl-dev"; fi
    [ -z "$missing" ] || fail "this cargo has no target $target, and of Debian's is missing:$missing" \
        "rustup target add $target, or apt-get install$missing"
    check_settings
    release=$($rustc -vV | sed -n 's/^release: //p')
    [ "$release" = "$(cat "$sources/src/version" 2>/dev/null)" ] ||
        fail "$rustc is $release, the sources in $sources are not" "apt-get install rustc-web rust-web-src"
    [ -f "$musl/libc.a" ] || foreign_musl

    rm -rf "$lib"
    mkdir -p "$lib"
    cp "$musl"/{crt1,Scrt1,rcrt1,crti,crtn}.o "$musl/libc.a" "$lib"
    for file in crtbegin.o crtbeginS.o crtend.o crtendS.o; do cp "$($gcc -print-file-name=$file)" "$lib"; done
    # A panic aborts, so nothing unwinds: std only wants the names. A backtrace ends at once.
    cat >"$lib/unwind.c" <<'C'
int _Unwind_Backtrace(void) { return 5; }
unsigned long _Unwind_GetIP(void) { return 0; }
#define TRAP(name) void name(void) { __builtin_trap(); }
TRAP(_Unwind_RaiseException) TRAP(_Unwind_Resume) TRAP(_Unwind_DeleteException)
TRAP(_Unwind_GetRegionStart) TRAP(_Unwind_GetTextRelBase) TRAP(_Unwind_GetDataRelBase)
TRAP(_Unwind_GetLanguageSpecificData) TRAP(_Unwind_GetIPInfo) TRAP(_Unwind_SetGR) TRAP(_Unwind_SetIP)
TRAP(_Unwind_FindEnclosingFunction) TRAP(_Unwind_GetCFA)
C
    (cd "$lib" && $gcc -O2 -ffreestanding -c unwind.c && ar rcsD libunwind.a unwind.o)

    # The crates of std in its own versions, and ours: one directory, and no registry beside it.
    $cargo vendor --locked --versioned-dirs --respect-source-config "$work/vendor" >/dev/null 2>"$work/vendor.log" ||
        fail "the crates of Cargo.lock are not here: $(cat "$work/vendor.log")" "cargo fetch --locked, with a network"
    rm -rf "$work/crates"
    mkdir "$work/crates"
    ln -s "$PWD/$work"/vendor/* "$sources"/library/vendor/* "$work/crates"
    options+=(--config 'source.crates-io.replace-with="carried"' --config "source.carried.directory=\"$PWD/$work/crates\"")

    # Not musl-gcc, whose result is dynamic.
    flags="-C linker=$gcc -L native=$lib -C force-unwind-tables=no"
    # std for size, as our own code; the tables are for unwinding, which a panic does not do here.
    local crate
    for crate in std core alloc; do options+=(--config "profile.release.package.$crate.opt-level=\"s\""); done
    options+=(-Z "build-std=std,panic_abort" -Z build-std-features=optimize_for_size)
    tools+=("std: of rust-web-src $(version_of rust-web-src)" "musl: ${musl_version:-$(version_of "musl-dev:$debian")}"
        "gcc: $($gcc --version | head -n 1)" "ld: $($($gcc -print-prog-name=ld) --version | head -n 1)")
}

# musl of another architecture, taken apart below target/ and not installed.
foreign_musl() {
    local apart=target/musl-$arch
    musl=$apart/usr/lib/$arch-linux-musl
    if [ ! -f "$musl/libc.a" ]; then
        mkdir -p "$apart"/apt/{lists,archives}/partial
        (
            cd "$apart"
            own=(-q -o "Dir::State::Lists=$PWD/apt/lists" -o "Dir::Cache=$PWD/apt" -o Dir::State::status=/dev/null
                -o "APT::Architecture=$debian" -o "APT::Architectures=$debian" -o "APT::Sandbox::User=$(id -un)")
            apt-get "${own[@]}" update && apt-get "${own[@]}" download musl-dev && dpkg-deb -x musl-dev_*.deb .
        ) >"$work/apt.log" 2>&1 || { cat "$work/apt.log" >&2; fail "no musl for $arch could be fetched" \
            "dpkg-deb -x musl-dev_VERSION_$debian.deb $apart"; }
        rm -rf "$apart/apt"
    fi
    musl_version=$(sed -n 's/^musl (\(.*\)) .*/\1/p;q' < <(zcat "$apart/usr/share/doc/musl-dev/changelog.Debian.gz"))
}

if [ -d "$(rustc --print target-libdir --target $target 2>/dev/null)" ]; then own_target; else debian_target; fi
TIMEFORMAT='build-static: the build took %U s of the processors, and %S s in the system'
time RUSTC=$(command -v $rustc) CARGO_ENCODED_RUSTFLAGS=${flags// /$'\x1f'} \
    $cargo build --release --locked --target $target --target-dir "$work" --bin kagi "${options[@]}" >&2

# By another name first: what has its own is static and runs.
built=$work/$name
cp "$work/$target/release/kagi" "$built"
LC_ALL=C readelf -ldW "$built" >"$work/elf"
if grep -E 'INTERP|NEEDED' "$work/elf" >&2; then fail "$built is not static"; fi
if [ "$arch" = "$machine" ]; then run=("$built"); else run=("qemu-$arch-static" "$built"); fi
if command -v "${run[0]}" >/dev/null; then
    "${run[@]}" --version >&2 || fail "$built does not run"
else
    echo "build-static: $built was not run: ${run[0]} is not here" >&2
fi
mv "$built" "$out"

commit=unknown
if [ -e .git ] && named=$(git rev-parse HEAD); then
    commit=$named
    changes=$(git status --porcelain --untracked-files=all)
    [ -z "$changes" ] || commit="$commit and changes"
fi
printf '%s\n' "file: $name" "sha256: $(sha256sum "$out" | cut -d' ' -f1)" "bytes: $(wc -c <"$out")" "commit: $commit" \
    "target: $target" "rustc: $($rustc --version)" "cargo: $($cargo --version)" "${tools[@]}"
