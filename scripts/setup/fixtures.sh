# What only the tests need. Sourced by setup.sh (bash).
# shellcheck shell=bash

# need_busybox PATH WORK: the whole of a test's image, so that no test pulls one.
need_busybox() {
    local path=$1 name=${1#"$root/"}
    if [ -x "$path" ]; then
        ok "static busybox ($name)"
    elif add_busybox "$path" "$2"; then
        did "put a static busybox into $name"
    else
        missing "static busybox ($name)" "put a statically linked busybox there"
    fi
}

# add_busybox PATH WORK: needs no root; nothing is installed.
add_busybox() {
    local path=$1 work=$2 found
    if found=$(command -v busybox) && is_static "$found"; then
        place_busybox "$found" "$path"
        return
    fi
    has_apt && mkdir -p "$work" && unpack busybox-static "$work" || return
    found=$(find "$work/files" -path '*/bin/busybox' -type f | head -n 1)
    [ -n "$found" ] && is_static "$found" && place_busybox "$found" "$path"
}

# place_busybox FROM TO: complete or not at all.
place_busybox() {
    install -D -m 0755 "$1" "$2.new" && mv -f "$2.new" "$2"
}

is_static() { command -v ldd >/dev/null && ! ldd "$1" >/dev/null 2>&1; }

name_test_runner() {
    if command -v cargo-nextest >/dev/null; then
        ok "cargo nextest"
    else
        ok "cargo test (cargo nextest is not installed, and not needed)"
    fi
}

# A server that several machines would share; each test starts its own.
need_postgres() {
    if has_postgres; then
        ok "postgresql"
    elif may_install && refresh_index postgresql && install_packages postgresql && has_postgres; then
        did "installed postgresql with apt-get"
    else
        missing "postgresql (initdb, postgres, psql)" \
            "install a PostgreSQL server, 10 or newer (Debian, Ubuntu: sudo apt-get install postgresql)"
    fi
}

has_postgres() {
    local program
    command -v initdb >/dev/null && return
    for program in /usr/lib/postgresql/*/bin/initdb; do
        [ -x "$program" ] && return
    done
    return 1
}
