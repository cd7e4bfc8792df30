# Compose, version 2.20 or newer. Adds the plugin's one file where there is none; a plugin that is
# there, and a v1 `docker-compose`, stay as they are. Sourced by setup.sh (bash).
# shellcheck shell=bash

readonly compose_wanted=2.20
readonly plugin_path=/usr/local/lib/docker/cli-plugins/docker-compose
readonly compose_guide=https://docs.docker.com/compose/install/linux/

# need_compose WORK: WORK is a directory to fetch into.
need_compose() {
    local plugin standalone
    plugin=$(compose_version docker compose)
    standalone=$(compose_version docker-compose)
    if at_least "$plugin" "$compose_wanted"; then
        ok "docker compose $plugin"
    elif at_least "$standalone" "$compose_wanted"; then
        ok "docker-compose $standalone"
    elif [ -n "$plugin" ]; then
        missing "docker compose $compose_wanted (there is $plugin, which is left as it is)" \
            "upgrade it the way it was installed, or: $compose_guide"
    elif [ -e "$plugin_path" ]; then
        missing "docker compose (docker does not accept $plugin_path, which is left as it is)" \
            "remove that file and run scripts/setup.sh again"
    elif ! has_apt; then
        missing "docker compose $compose_wanted" "install the Compose plugin: $compose_guide"
    elif ! may_install; then
        missing "docker compose $compose_wanted" "$(compose_advice)"
    else
        add_compose "$1"
    fi
}

# compose_version COMMAND…: nothing where it is absent, or a v1.
compose_version() {
    local text
    text=$(in_time "$@" version --short 2>/dev/null) || return 0
    case "$text" in
    [2-9]* | v[2-9]* | [1-9][0-9]*) plain_version "$text" ;;
    esac
}

compose_advice() {
    local package
    package=$(compose_package)
    if [ -n "$package" ]; then
        echo "sudo apt-get install$package"
    else
        echo "run as root: scripts/setup.sh, or: $compose_guide"
    fi
}

# For a line that names packages: one more word, or none.
compose_package() {
    local package
    ! package=$(archive_package) || echo " $package"
}

add_compose() {
    local from version
    if ! from=$(fetch_compose "$1") || ! place_plugin "$1/files"; then
        missing "docker compose $compose_wanted" "install the Compose plugin: $compose_guide"
        return
    fi
    version=$(compose_version docker compose)
    if at_least "$version" "$compose_wanted"; then
        did "put docker compose $version into $plugin_path (from $from)"
    else
        rm -f "$plugin_path"
        missing "docker compose $compose_wanted (the one from $from does not run here)" \
            "install the Compose plugin: $compose_guide"
    fi
}

# fetch_compose DIR: prints where the files now in DIR/files came from. The package is unpacked,
# not installed: the v1 package has the same name and would be replaced.
fetch_compose() {
    local dir=$1 package mirror
    mkdir -p "$dir" || return
    refresh_index docker.io
    if package=$(archive_package); then
        unpack "$package" "$dir" && echo "$package of this machine's archive"
        return
    fi
    accepts_trixie || return
    for mirror in $(debian_mirrors); do
        trixie_source "$mirror" >"$dir/sources.list"
        if unpack docker-compose "$dir"; then
            echo "docker-compose of Debian 13, $mirror"
            return
        fi
    done
    return 1
}

# archive_package: Docker's own name for it, Ubuntu's, and Debian's, whose older releases have v1
# under the same name.
archive_package() {
    local package
    for package in docker-compose-plugin docker-compose-v2 docker-compose; do
        if at_least "$(plain_version "$(candidate "$package")")" "$compose_wanted"; then
            echo "$package"
            return
        fi
    done
    return 1
}

readonly debian_keys=/usr/share/keyrings/debian-archive-keyring.gpg

# Debian 13 built the plugin against a newer libc than Debian 11 has.
accepts_trixie() {
    local libc
    libc=$(getconf GNU_LIBC_VERSION 2>/dev/null)
    if [ "$(os_release ID)" != debian ] || [ ! -e "$debian_keys" ]; then
        echo "    this machine's archive has no Compose $compose_wanted" >&2
        return 1
    elif ! at_least "${libc#glibc }" 2.34; then
        echo "    Debian 13's docker-compose needs glibc 2.34, there is ${libc:-none}" >&2
        return 1
    fi
}

trixie_source() { echo "deb [signed-by=$debian_keys] $1 trixie main"; }

# debian_mirrors: the archive that this machine already uses, in either format of apt's sources,
# then Debian's own. A snapshot stands still, and its trixie may be from before the release.
debian_mirrors() {
    local codename
    codename=$(os_release VERSION_CODENAME)
    {
        awk -v suite="$codename" '
            /^URIs:/ { uri = $2 }
            /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) print uri }
        ' /etc/apt/sources.list.d/*.sources
        sed -n "s|^deb \(\[[^]]*\] \)\?\(http[^ ]*\) $codename .*|\2|p" \
            /etc/apt/sources.list /etc/apt/sources.list.d/*.list
        echo http://deb.debian.org/debian
    } 2>/dev/null | grep -E '^https?://' | grep -v snapshot | sed 's|/$||' | awk '!seen[$0]++'
}

# place_plugin FILES: complete or not at all, and never over another file.
place_plugin() {
    local plugin
    plugin=$(find "$1" -path '*/docker/cli-plugins/docker-compose' -type f | head -n 1)
    [ -n "$plugin" ] || return 1
    install -D -m 0755 "$plugin" "$plugin_path.new" &&
        ln "$plugin_path.new" "$plugin_path" && rm "$plugin_path.new"
}
