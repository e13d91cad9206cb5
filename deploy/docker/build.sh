#!/bin/sh
# The first stage of the image: installs did-router with the edge from SOURCE into a virtual environment at TARGET.
# Every dependency is pinned by its hash. Run as root in Debian 13: build.sh SOURCE TARGET
set -eu
source=$1
target=$2

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3 python3-venv

# What builds the wheel stays behind, and so does pip.
python3 -m venv /opt/build
/opt/build/bin/pip install --quiet --require-hashes --requirement "$source/deploy/docker/build.lock"
(cd "$source" && /opt/build/bin/hatchling build -t wheel -d /opt/build/wheel)

python3 -m venv --without-pip "$target"
/opt/build/bin/pip --python "$target" install --quiet --no-compile --require-hashes \
    --requirement "$source/deploy/docker/runtime.lock"
/opt/build/bin/pip --python "$target" install --quiet --no-compile --no-deps /opt/build/wheel/*.whl
# Bytecode of now, since nothing can be written later.
python3 -m compileall -q -j 0 "$target/lib"
