#!/usr/bin/env bash
# Builds target/static/kagi.exe for Windows 10 on x86-64, which needs no other DLLs than that has; warnings are
# errors. With --quick it is not optimised, and the library without the server is built as well: for tests.
#
# Needs Debian's packages rustc-web cargo-web rust-web-src gcc-mingw-w64-x86-64, which build std as well.
# RUSTC and CARGO name others of one version, with the sources of std.
set -euo pipefail
cd "$(dirname "$0")/.."
target=x86_64-pc-windows-gnu
profile=release
[ "${1:-}" != --quick ] || profile=dev
build() {
    RUSTC="${RUSTC:-/usr/bin/rustc}" RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER=x86_64-w64-mingw32-gcc \
        "${CARGO:-/usr/bin/cargo}" build --quiet --profile "$profile" --locked --target "$target" \
        --target-dir target/platforms -Z build-std=std,panic_abort -Z build-std-features= \
        -Z trim-paths --config 'profile.release.trim-paths="all"' \
        --config 'profile.dev.panic="abort"' --config 'profile.dev.debug=false' --config 'profile.dev.strip=true' \
        -Z warnings --config 'build.warnings="deny"' "$@"
}
build
mkdir -p target/static
if [ "$profile" = dev ]; then
    build --lib --no-default-features
    cp "target/platforms/$target/debug/kagi.exe" target/static/kagi.exe
else
    cp "target/platforms/$target/release/kagi.exe" target/static/kagi.exe
fi
ls -l target/static/kagi.exe
