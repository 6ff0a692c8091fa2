# To be sourced, at the root: what the dependencies were built to for the tree, used again elsewhere.

# Hard links for a debug build in another target directory; nothing writes to them, for cargo builds a
# package of a registry once. What is ours is left out. (Two sources of one crate must not share a target
# directory: cargo takes what it built from the one for the other.)
share_dependencies() { # TARGET_DIRECTORY
    local from=target/debug to=$1/debug
    [ -d "$from/.fingerprint" ] && [ ! -d "$to" ] || return 0
    mkdir -p "$to/deps"
    cp -a "$from/.fingerprint" "$from/build" "$to/"
    rm -rf "$to"/.fingerprint/kagi-* "$to"/build/kagi-*
    find "$from/deps" -name 'lib*' ! -name 'libkagi*' -exec cp -al -t "$to/deps" {} +
}
