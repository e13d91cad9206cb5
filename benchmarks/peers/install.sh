#!/bin/sh
# Installs what the peers and the load generator need: from Debian as root, else says what to install.
# Run by `make bench-peers`. The servers are started by the benchmark alone, never as services.
set -eu
cd "$(dirname "$0")"

packages="gcc g++ make pkg-config libnghttp2-dev libssl-dev nghttp2-client
golang-go golang-google-grpc-dev golang-gopkg-redis.v5-dev golang-goprotobuf-dev
protobuf-compiler protobuf-compiler-grpc libgrpc++-dev libprotobuf-dev
kamailio kamailio-redis-modules sip-tester knot dnsperf wrk redis-tools"
command -v node >/dev/null || packages="$packages nodejs"
command -v npm >/dev/null || packages="$packages npm"
packages=$(echo $packages)

if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: install what these packages hold, then run this again for the rest: $packages"
elif [ "$(id -u)" -ne 0 ]; then
    # shellcheck disable=SC2086 # a list
    missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>&1 | grep -v ' installed$' || true)
    [ -z "$missing" ] || echo "As root: apt-get install --no-install-recommends $packages"
else
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
fi

if command -v npm >/dev/null; then
    (cd node && npm install --no-package-lock --no-audit --no-fund --ignore-scripts --silent)
else
    echo "npm is not installed: the Node peer will be skipped"
fi
