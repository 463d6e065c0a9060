#!/usr/bin/env bash
# What both images are made of. Every step is also a plain command on Debian or Ubuntu.
#
#   docker/install.sh [--dry-run] STEP...
#
#   system        packages of the distribution, as root: Python with its headers, a C++ compiler for torch.compile
#   user          the user sspvs and the folders /work and /cache of the images, as root
#   torch         a virtual environment in $SSPVS_VENV, with torch
#   dependencies  what pyproject.toml asks for
#   package       sspvs itself
#   check         uses what is installed, in a temporary folder: draws data, trains a small model, summarises a video
#
# SSPVS_VENV     the virtual environment (default: .venv in the checkout)
# SSPVS_PYTHON   the Python that makes it (default: python3)
# SSPVS_EXTRAS   extras of the package (default: all)
# TORCH_INDEX    where torch comes from (default: pip's own index, whose Linux wheels bring CUDA);
#                https://download.pytorch.org/whl/cpu has smaller ones without
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${SSPVS_VENV:-$root/.venv}
extras=${SSPVS_EXTRAS:-all}
torch_index=${TORCH_INDEX:-}
dry_run=
temporary=

run() {
    echo "+ $*"
    [ -n "$dry_run" ] || "$@"
}

# A folder of its own to work in; pip would leave its build in the checkout.
make_temporary() {
    if [ -z "$temporary" ]; then
        temporary=$(mktemp -d)
        trap 'rm -rf "$temporary"' EXIT
    fi
}

install_system() {
    run apt-get update -q
    run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        ca-certificates g++ python3 python3-dev python3-venv
    run rm -rf /var/lib/apt/lists
}

install_user() {
    run useradd --create-home --uid 10001 sspvs
    run mkdir -p /cache /work
    run ln -s "$root/configs" /work/configs
    run chmod 1777 /cache /home/sspvs /work # whoever `docker run --user` names writes here
}

install_torch() {
    run "${SSPVS_PYTHON:-python3}" -m venv "$venv"
    run "$venv/bin/python" -m pip install --no-cache-dir ${torch_index:+--index-url "$torch_index"} torch torchvision
}

# From pyproject.toml alone: code that has changed does not make this step run again.
install_dependencies() {
    make_temporary
    mkdir -p "$temporary/dependencies"
    run cp "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" "$temporary/dependencies"
    run "$venv/bin/python" -m pip install --no-cache-dir "$temporary/dependencies[$extras]"
}

install_package() {
    make_temporary
    mkdir -p "$temporary/package"
    run cp -r "$root/pyproject.toml" "$root/README.md" "$root/LICENSE" "$root/sspvs" "$temporary/package"
    run "$venv/bin/python" -m pip install --no-cache-dir --no-deps --force-reinstall "$temporary/package"
}

# With a home of its own, so that nothing is left in the caches of the image.
install_check() {
    make_temporary
    local at=$temporary/check
    run mkdir -p "$at"
    run cd "$at"
    run env HOME="$at" MPLCONFIGDIR="$at" "$venv/bin/sspvs" doctor
    run env HOME="$at" MPLCONFIGDIR="$at" "$venv/bin/sspvs" fit --config "$root/configs/pretrain/smoke.yaml"
    run env HOME="$at" MPLCONFIGDIR="$at" "$venv/bin/sspvs" demo --out demo
    run cd "$root"
}

if [ "${1:-}" = --dry-run ]; then
    dry_run=yes
    shift
fi
if [ $# = 0 ]; then
    echo "error: name at least one step: system, user, torch, dependencies, package, check" >&2
    exit 2
fi
for step in "$@"; do
    case $step in
        system | user | torch | dependencies | package | check) ;;
        *)
            echo "error: no step '$step'; there are system, user, torch, dependencies, package and check" >&2
            exit 2
            ;;
    esac
done
for step in "$@"; do
    "install_$step"
done
