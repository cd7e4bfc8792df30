#!/usr/bin/env bash
# Switches between two model servers, one in a container and one a program of this host, on a GPU
# that is made up: 24 GiB, in a file. Nothing is left running, and no state outside of target/.
#
# usage: scripts/demo-services.sh          (by `make demo-services`, which builds lem first)
# exit: 0 done, else what failed
set -eu -o pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
work=$root/target/demo-services
examples=$root/target/release/examples
mkdir -p "$work/gpu" "$work/image"

# Static, so that the same program runs here and in an empty image.
cargo rustc --quiet --locked --release --example model_server -- -C target-feature=+crt-static
cargo build --quiet --locked --release --example fake_nvml
cp "$examples/model_server" "$work/image/model_server"
printf 'FROM scratch\nCOPY model_server /model_server\nENTRYPOINT ["/model_server"]\n' \
    >"$work/image/Dockerfile"
docker compose -f compose/demo-services.compose.yaml build --quiet >/dev/null 2>&1

export LEM_STATE_DIR=$work/state
export LEM_NVML_LIBRARY=$examples/libfake_nvml.so
export FAKE_NVML_STATE=$work/gpu/gpu.json
export LEM_SERVICES=fixtures/services/demo.yaml

lem() {
    printf '\n$ lem %s\n' "$*"
    target/release/lem "$@"
}
finish() {
    target/release/lem service stop --all --force >/dev/null 2>&1 || true
    docker compose -f compose/demo-services.compose.yaml down >/dev/null 2>&1 || true
}
trap finish EXIT
finish

cat >"$FAKE_NVML_STATE" <<'GPU'
{"driver": "570.86.15", "gpus": [{"name": "A GPU that is made up", "uuid": "GPU-demo",
 "total_mib": 24576, "used_mib": 300, "temperature": 35, "utilization": 0, "mig": 0,
 "processes": [], "graphics": []}]}
GPU

lem switch chat
lem switch paint --dry-run
lem switch paint
lem service status
lem phase 1
lem service stop --all
lem service stats
