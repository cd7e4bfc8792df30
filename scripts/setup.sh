#!/usr/bin/env bash
# Makes a machine ready to build and run lem, and says so line by line on stderr:
#   ok: …               was there already
#   did: …              was missing and is there now
#   missing: … -> …     is missing; what to do about it follows the arrow
#
# Nothing that is already there is replaced, upgraded or reconfigured. Only root on a Debian or
# Ubuntu machine is ever changed; everywhere else this only looks and says what to install.
#
# usage: scripts/setup.sh [--for-tests]
#   --for-tests   also what the tests need: a static busybox in target/fixtures, PostgreSQL
# exit: 0 ready, 2 wrong usage, 3 something is missing
set -u -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 3
here=$root/scripts/setup
# What is fetched goes here first, and nothing of it stays.
scratch=$(mktemp -d) || exit 3
trap 'rm -rf "$scratch"' EXIT

# shellcheck source=scripts/setup/report.sh
. "$here/report.sh"
# shellcheck source=scripts/setup/apt.sh
. "$here/apt.sh"
# shellcheck source=scripts/setup/toolchain.sh
. "$here/toolchain.sh"
# shellcheck source=scripts/setup/engine.sh
. "$here/engine.sh"
# shellcheck source=scripts/setup/compose.sh
. "$here/compose.sh"
# shellcheck source=scripts/setup/fixtures.sh
. "$here/fixtures.sh"

main() {
    local for_tests=no
    case "${1-}" in
    "") ;;
    --for-tests) for_tests=yes ;;
    *)
        echo "usage: scripts/setup.sh [--for-tests]" >&2
        exit 2
        ;;
    esac

    need_rust "$root/Cargo.toml"
    need_c_compiler
    need_make
    # Without its command line neither the engine nor the plugin can be asked anything.
    if need_docker_cli; then
        need_engine
        need_compose "$scratch/compose"
    fi
    if [ "$for_tests" = yes ]; then
        need_busybox "$root/target/fixtures/busybox" "$scratch/busybox"
        need_postgres
        name_test_runner
    fi

    nothing_missing || exit 3
}

main "$@"
