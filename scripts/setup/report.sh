# What each step says, and the comparison of versions. Sourced by setup.sh (bash).
# shellcheck shell=bash

missing_count=0

ok() { echo "ok: $*" >&2; }
did() { echo "did: $*" >&2; }

# missing WHAT FIX: counts, so that one run names everything that is missing, not only the first.
missing() {
    echo "missing: $1 -> $2" >&2
    missing_count=$((missing_count + 1))
    return 1
}

nothing_missing() { [ "$missing_count" -eq 0 ]; }

# quietly COMMAND…: its output is shown only where it failed, and then indented under our own line.
quietly() {
    local output
    if ! output=$("$@" 2>&1); then
        printf '%s\n' "$output" | tail -n 15 | sed 's/^/    /' >&2
        return 1
    fi
}

# plain_version TEXT: `v2.26.1-4` and `1:2.24.6+ds1-0ubuntu1` to `2.26.1` and `2.24.6`.
plain_version() {
    local text=${1#*:}
    text=${text#v}
    printf '%s\n' "${text%%[!0-9.]*}"
}

# at_least HAVE WANT
at_least() {
    [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# in_time COMMAND…: a docker whose engine hangs would wait for ever.
in_time() { timeout 10 "$@"; }

# until_deadline SECONDS COMMAND…: asks again until the command succeeds.
until_deadline() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}
