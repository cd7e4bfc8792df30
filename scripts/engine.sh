#!/usr/bin/env bash
# A second, modern docker engine beside this machine's own, to test lem against two generations.
#
#   scripts/engine.sh up      fetches it (once), starts it, prints what selects it in a shell
#   scripts/engine.sh env     prints that again: eval "$(scripts/engine.sh env)"
#   scripts/engine.sh down    stops it with its containers; images and programs stay
#   scripts/engine.sh purge   stops it and removes everything of it
#
# Engine 28.5 and Compose 2.40 are Debian's packages (sid), unpacked and not installed; containerd
# 1.7 is Debian 13's. runc and iproute2 are the machine's own. Nothing of the machine's own engine is
# shared, read or written: folders, sockets, network and configuration are this engine's.
# Needs root and a Debian archive.
#
# LEM_ENGINE_HOME   where it lives; default: lem-engine in XDG_CACHE_HOME or /var/tmp
# exit: 0 as asked, 1 it does not start or stop, 2 wrong usage, 3 something is missing
set -u -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 3
# shellcheck source=scripts/setup/report.sh
. "$root/scripts/setup/report.sh"
# shellcheck source=scripts/setup/apt.sh
. "$root/scripts/setup/apt.sh"
# shellcheck source=scripts/setup/compose.sh
. "$root/scripts/setup/compose.sh"

home=${LEM_ENGINE_HOME:-${XDG_CACHE_HOME:-/var/tmp}/lem-engine}
readonly home bin=$home/bin config=$home/config
readonly host=unix://$home/docker.sock pid_file=$home/dockerd.pid log=$home/dockerd.log
readonly packages=(docker.io/sid docker-cli/sid docker-compose/sid containerd/trixie tini-static/sid)
readonly start_limit=60 stop_limit=60

main() {
    case "${1-}" in
    up | env | down | purge) [ $# = 1 ] || usage ;;
    *) usage ;;
    esac
    if [ "$1" = env ]; then
        print_env
        return
    fi
    [ "$(id -u)" = 0 ] || fail 3 "an engine of its own needs root"
    mkdir -p "$home" || exit 3
    # Two at once would start two daemons on one folder.
    exec 9>"$home/lock"
    flock 9
    case "$1" in
    up) up && print_env ;;
    down) down ;;
    purge) down && purge ;;
    esac
}

usage() {
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

fail() {
    echo "engine.sh: $2" >&2
    exit "$1"
}

print_env() {
    printf 'export DOCKER_HOST=%q\nexport DOCKER_CONFIG=%q\n' "$host" "$config"
    # Its docker and dockerd before the machine's; asked twice, it is there once.
    # shellcheck disable=SC2016 # for the shell that reads it
    printf 'case ":$PATH:" in *:%q:*) ;; *) export PATH=%q:"$PATH" ;; esac\nunset DOCKER_CONTEXT\n' \
        "$bin" "$bin"
}

up() {
    local command
    for command in runc ip unshare flock dpkg; do
        command -v "$command" >/dev/null || fail 3 "there is no $command"
    done
    fetch
    if ! answers; then
        daemon_pid >/dev/null || start
        until_deadline "$start_limit" answers || {
            tail -n 20 "$log" | sed 's/^/    /' >&2
            fail 1 "the engine does not answer within $start_limit s, see $log"
        }
    fi
    echo "engine $(client version --format '{{.Server.Version}}')," \
        "compose $(client compose version --short) at $host" >&2
}

# Complete or not at all: the folder of programs appears by a rename.
fetch() {
    local work=$home/fetch package mirror file plugin
    [ ! -d "$bin" ] || return 0
    [ -e "$debian_keys" ] && has_apt || fail 3 "this machine has no apt with Debian's keys ($debian_keys)"
    rm -rf "$work" && mkdir -p "$work/bin" "$config/cli-plugins" || exit 3
    mirror=$(debian_mirrors | head -n 1)
    {
        trixie_source "$mirror"
        trixie_source "$mirror" | sed 's/ trixie / sid /'
    } >"$work/sources.list"
    echo "fetching ${packages[*]} from $mirror" >&2
    quietly apt_apart "$work" update || fail 3 "$mirror does not answer"
    for package in "${packages[@]}"; do
        quietly apt_apart "$work" download "$package" || fail 3 "$mirror has no $package"
        dpkg -x "$work/${package%/*}"_*.deb "$work/files" || exit 3
    done
    plugin=$work/files/usr/libexec/docker/cli-plugins/docker-compose
    install -m 0755 "$plugin" "$config/cli-plugins/docker-compose" || exit 3
    for file in dockerd docker-proxy docker containerd containerd-shim-runc-v2 tini-static; do
        install -m 0755 "$work"/files/usr/*bin/"$file" "$work/bin/$file" || exit 3
    done
    mv "$work/bin/tini-static" "$work/bin/docker-init" &&
        mv "$work/bin" "$bin" && rm -rf "$work" || exit 3
}

start() {
    # A daemon that was killed leaves its pid file, and the number may be another process's by now.
    rm -f "$pid_file" "$home/exec/containerd/containerd.pid"
    settings >"$home/daemon.json" || exit 3
    # In a session of its own, so that no Ctrl-C reaches it; without the lock, which it would keep. And
    # in a network of its own: engine 28 deletes the machine's docker0 when it starts, also where a
    # bridge of another name is configured, and each of two daemons flushes the other's firewall.
    PATH=$bin:$PATH setsid nohup unshare --net sh -c \
        'ip link set lo up && exec dockerd --config-file "$1"' sh "$home/daemon.json" \
        >"$log" 2>&1 </dev/null 9>&- &
}

# Everything is in a file of its own: what /etc/docker/daemon.json says is the other engine's, and a
# flag that is in it too stops a daemon. Its containers reach one another, not the world.
settings() {
    cat <<END
{
  "hosts": ["$host"],
  "data-root": "$home/data",
  "exec-root": "$home/exec",
  "pidfile": "$pid_file",
  "iptables": false,
  "ip6tables": false,
  "ip-masq": false,
  "log-driver": "json-file",
  "log-opts": {"max-size": "10m", "max-file": "3"}
}
END
}

client() {
    DOCKER_CONFIG=$config in_time env -u DOCKER_CONTEXT "$bin/docker" -H "$host" "$@"
}

answers() { [ -S "$home/docker.sock" ] && client version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Numbers are used again: that the file's process is this daemon, the process says.
daemon_pid() {
    local pid
    pid=$(cat "$pid_file" 2>/dev/null) && is_ours "$pid" && echo "$pid"
}

# is_ours PID: the daemon, its containerd, a shim. Other daemons may run the same programs.
is_ours() {
    case "$(readlink "/proc/$1/exe" 2>/dev/null)" in
    "$bin"/dockerd | "$bin"/containerd*) ;;
    *) return 1 ;;
    esac
    tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" |
        awk -v file="$home/daemon.json" -v folder="$home/exec/" \
            '$0 == file || index($0, folder) == 1 { found = 1 } END { exit !found }'
}

processes() {
    local folder
    for folder in /proc/[0-9]*; do
        ! is_ours "${folder#/proc/}" || echo "${folder#/proc/}"
    done
}

none_left() { [ -z "$(processes)" ]; }

down() {
    local pid
    ! pid=$(daemon_pid) || kill "$pid"
    until_deadline "$stop_limit" none_left || {
        # shellcheck disable=SC2046 # numbers
        kill -KILL $(processes) 2>/dev/null
        until_deadline 10 none_left || fail 1 "these do not end: $(processes | tr '\n' ' ')"
    }
    rm -f "$pid_file" "$home/docker.sock"
}

purge() {
    local mounted
    # The longest first: a mount may hold another.
    awk -v home="$home/" 'index($2, home) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mounted; do umount -l "$mounted"; done
    rm -rf --one-file-system "$home"
}

main "$@"
