#!/bin/sh
# Installs the switches that the tests run: Kamailio and SIPp of this Debian, and Asterisk and Kamailio of Debian sid in a
# folder.
# Run by `make test-switches` with that folder's path. The switches are started by the tests alone, never as services.
set -eu

root=$1
packages="kamailio kamailio-python3-modules kamailio-utils-modules kamailio-extra-modules sip-tester dnsmasq-base bind9-dnsutils knot-dnsutils dnsperf debootstrap"
newer="asterisk kamailio kamailio-extra-modules kamailio-utils-modules kamailio-json-modules"

if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: install what these packages hold, or their tests are skipped: $packages"
    exit 0
fi
# shellcheck disable=SC2086 # a list
missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>&1 | grep -v ' installed$' || true)
if [ "$(id -u)" -ne 0 ]; then
    [ -z "$missing" ] || echo "As root: apt-get install --no-install-recommends $packages"
    echo "The newer Debian's tests are skipped: debootstrap and chroot need root"
    exit 0
fi
if [ -n "$missing" ]; then
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    echo "Installing from Debian (about a minute): $packages"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages
fi

if [ ! -e "$root/etc/debian_version" ]; then
    echo "Unpacking Debian sid into $root (some minutes)"
    rm -rf "$root.part"
    if debootstrap --variant=minbase sid "$root.part" >"$root.log" 2>&1; then
        mv "$root.part" "$root"
        echo "Unpacked"
    else
        echo "The newer Debian's tests are skipped: debootstrap failed, see $root.log" >&2
        exit 0
    fi
fi
# shellcheck disable=SC2086 # a list
if ! chroot "$root" dpkg-query -W $newer >/dev/null 2>&1; then
    echo "Installing $newer into $root (a minute or two, 700 MB in all)"
    # a mirror may lag behind what its own Release file says
    chroot "$root" apt-get -o Acquire::Check-Valid-Until=false update -qq
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends $newer >>"$root.log" 2>&1 ||
        echo "The newer Debian's tests are skipped: apt-get failed, see $root.log" >&2
fi
