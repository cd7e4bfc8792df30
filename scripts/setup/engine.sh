# The docker command line and an engine that answers it. Starts the machine's own engine and no
# other: an endpoint elsewhere is its owner's. Sourced by setup.sh (bash).
# shellcheck shell=bash

readonly start_seconds=60
readonly engine_guide=https://docs.docker.com/engine/install/

need_docker_cli() {
    if command -v docker >/dev/null; then
        ok "docker command line ($(command -v docker))"
    elif ! has_apt; then
        missing "docker" "install Docker Engine: $engine_guide"
    elif ! may_install; then
        missing "docker" "sudo apt-get install docker.io$(cli_package)$(compose_package)"
    else
        install_docker
    fi
}

install_docker() {
    refresh_index docker.io
    # shellcheck disable=SC2046 # one word or none
    if install_packages docker.io $(cli_package) && command -v docker >/dev/null; then
        did "installed docker.io with apt-get"
    else
        missing "docker" "apt-get install docker.io, or $engine_guide"
    fi
}

# Since Debian 13 the command line is a package of its own, which docker.io only recommends.
cli_package() {
    [ -z "$(candidate docker-cli)" ] || echo " docker-cli"
}

need_engine() {
    local endpoint
    if engine_answers; then
        ok "docker engine $(docker version --format '{{.Server.Version}}' 2>/dev/null)"
        return
    fi
    endpoint=$(docker_endpoint)
    case "$endpoint" in
    unix:///var/run/docker.sock | unix:///run/docker.sock) ;;
    *)
        missing "an answer from the docker engine at $endpoint" \
            "start it there, or unset DOCKER_HOST and DOCKER_CONTEXT to use this machine's own"
        return
        ;;
    esac
    if [ "$(id -u)" != 0 ]; then
        missing "an answer from the docker engine at $endpoint" "$(advice_for_user "${endpoint#unix://}")"
    else
        start_engine
    fi
}

engine_answers() {
    in_time docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

docker_endpoint() {
    if [ -n "${DOCKER_HOST-}" ]; then
        echo "$DOCKER_HOST"
    else
        docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null ||
            echo "the docker context ${DOCKER_CONTEXT-in use}"
    fi
}

# advice_for_user SOCKET
advice_for_user() {
    if [ -S "$1" ] && [ ! -w "$1" ]; then
        echo "sudo usermod -aG docker $(id -un), then log in again"
    elif [ -d /run/systemd/system ]; then
        echo "sudo systemctl start docker"
    else
        echo "sudo service docker start"
    fi
}

start_engine() {
    local way
    # A daemon that is there but slow is waited for; a second one would only fail on its lock.
    if engine_process; then
        way="waited for the docker engine that was starting"
    elif [ -d /run/systemd/system ]; then
        if ! quietly systemctl start docker; then
            missing "a docker engine that starts" "see why: journalctl -u docker"
            return
        fi
        way="started the docker engine (systemctl start docker)"
    elif [ -x /etc/init.d/docker ] && quietly service docker start; then
        way="started the docker engine (service docker start)"
    elif command -v dockerd >/dev/null; then
        setsid nohup dockerd >/var/log/dockerd.log 2>&1 </dev/null &
        way="started the docker engine (dockerd, log in /var/log/dockerd.log)"
    else
        missing "dockerd" "install Docker Engine: $engine_guide"
        return
    fi
    if until_deadline "$start_seconds" engine_answers; then
        did "$way"
    else
        missing "an answer from the docker engine within $start_seconds s" \
            "see why: journalctl -u docker, /var/log/docker.log or /var/log/dockerd.log"
    fi
}

# Succeeds where the daemon that wrote the pid file still lives. After a reboot the file may name
# some other process.
engine_process() {
    local pid
    pid=$(cat /var/run/docker.pid 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}
