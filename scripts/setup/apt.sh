# The only part that talks to apt: may this machine be changed, and how a package is had
# without installing it. Never touches apt's own sources or settings. Sourced by setup.sh (bash).
# shellcheck shell=bash

# os_release KEY
os_release() {
    # shellcheck disable=SC1091 # the machine's own file
    (. /etc/os-release 2>/dev/null && printf '%s\n' "${!1-}")
}

has_apt() {
    case " $(os_release ID) $(os_release ID_LIKE) " in
    *" debian "* | *" ubuntu "*) command -v apt-get >/dev/null ;;
    *) false ;;
    esac
}

may_install() { [ "$(id -u)" = 0 ] && has_apt; }

# candidate PACKAGE: the version that this machine's own sources offer, or nothing.
candidate() {
    LC_ALL=C apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: //p' | grep -vx '(none)'
}

# refresh_index PACKAGE: fresh images come without an index; an existing one is left as it is.
refresh_index() {
    [ -n "$(candidate "$1")" ] || apt-get update -qq >/dev/null 2>&1
    [ -n "$(candidate "$1")" ]
}

# install_packages PACKAGE…: adds, but neither upgrades nor removes what is there.
install_packages() {
    DEBIAN_FRONTEND=noninteractive quietly \
        apt-get install -y -q --no-upgrade --no-remove "$@"
}

# apt_apart DIR ARGUMENT…: apt-get with its index and cache in DIR, so that nothing of the
# machine's is written and root is not needed. DIR/sources.list, where there is one, is its only
# source.
apt_apart() {
    local dir=$1
    local options=(-q -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Languages=none)
    shift
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" || return
    if [ -e "$dir/sources.list" ]; then
        # The machine's pins speak of the machine's sources.
        options+=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
            -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null)
    fi
    (cd "$dir" && apt-get "${options[@]}" "$@")
}

# unpack PACKAGE DIR: the package's files into DIR/files. apt checks its signature; no script of
# it runs. The machine's own index comes first: asking it again costs seconds.
unpack() {
    local package=$1 dir=$2
    if [ -e "$dir/sources.list" ] ||
        ! (cd "$dir" && apt-get -q -o APT::Sandbox::User=root download "$package") >/dev/null 2>&1; then
        quietly download_apart "$dir" "$package" || return
    fi
    dpkg -x "$dir/$package"_*.deb "$dir/files"
}

# One source that does not answer must not hide another that does.
download_apart() {
    apt_apart "$1" update || true
    apt_apart "$1" download "$2"
}
