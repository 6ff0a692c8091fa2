#!/usr/bin/env bash
# The code for macOS is type-checked, with and without the server, warnings being errors: nothing is linked or
# run. (That for Windows is built and run by tests/windows.sh.)
#
#   scripts/check-platforms.sh [TARGET…]     such as x86_64-unknown-freebsd aarch64-pc-windows-msvc
#
# Needs Debian's packages rustc-web cargo-web rust-web-src, which check std as well; skips without them.
# RUSTC and CARGO name others of one version, with the sources of std.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC="${RUSTC:-/usr/bin/rustc}" RUSTC_BOOTSTRAP=1
cargo=${CARGO:-/usr/bin/cargo}
[ -d "$("$RUSTC" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library" ] ||
    { echo "skipped: platforms: $RUSTC has no sources of std"; exit 0; }
for target in "${@:-aarch64-apple-darwin}"; do
    for features in server ''; do
        "$cargo" check --quiet --locked --target "$target" --target-dir target/platforms -Z build-std=std,panic_abort \
            -Z warnings --config 'build.warnings="deny"' --no-default-features --features "$features"
    done
    echo "platforms: the code for $target is well typed"
done
