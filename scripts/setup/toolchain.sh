# What compiles lem: Rust, a C compiler for the bundled SQLite, a static libc for the container
# build, make. Sourced by setup.sh (bash).
# shellcheck shell=bash

# need_rust MANIFEST: rustup is only named, since which toolchains a machine has is its owner's choice.
need_rust() {
    local want have
    want=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$1")
    if ! command -v cargo >/dev/null || ! have=$(rustc --version 2>/dev/null); then
        missing "cargo and rustc $want" "install Rust with rustup: https://rustup.rs"
        return
    fi
    have=$(plain_version "${have#rustc }")
    if at_least "$have" "$want"; then
        ok "rust $have"
    else
        missing "rustc $want (there is $have)" "rustup update stable"
    fi
}

need_c_compiler() {
    if can_link_static; then
        ok "C compiler with a static libc ($(cc -dumpmachine))"
    elif ! has_apt; then
        missing "a C compiler with a static libc" \
            "install gcc and the static C library (Fedora: gcc glibc-static; Arch: gcc glibc)"
    elif ! may_install; then
        missing "a C compiler with a static libc" "sudo apt-get install gcc libc6-dev"
    elif refresh_index gcc && install_packages gcc libc6-dev && can_link_static; then
        did "installed gcc and libc6-dev with apt-get"
    else
        missing "a C compiler with a static libc" "apt-get install gcc libc6-dev"
    fi
}

# A compiler that knows no libc.a answers with the bare name.
can_link_static() {
    command -v cc >/dev/null && [ -e "$(cc -print-file-name=libc.a)" ]
}

need_make() {
    if command -v make >/dev/null; then
        ok "make"
    elif may_install && refresh_index make && install_packages make; then
        did "installed make with apt-get"
    else
        missing "make" "install GNU make (Debian, Ubuntu: sudo apt-get install make)"
    fi
}
