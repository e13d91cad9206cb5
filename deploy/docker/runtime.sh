#!/bin/sh
# The last stage of the image: Python without pip, compilers or headers, and certificate authorities.
# Run as root in Debian 13; removes itself.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends ca-certificates python3
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /tmp/runtime.sh
