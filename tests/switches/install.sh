#!/bin/sh
# Installs the switches that the tests run: Kamailio and SIPp of this Debian, and the Asterisk of Debian sid in a folder.
# Run by `make test-switches` with that folder's path. The switches are started by the tests alone, never as services.
set -eu

root=$1
packages="kamailio kamailio-python3-modules kamailio-utils-modules kamailio-extra-modules sip-tester debootstrap"

if ! command -v apt-get >/dev/null; then
    echo "Not a Debian system: install what these packages hold, or their tests are skipped: $packages"
    exit 0
fi
# shellcheck disable=SC2086 # a list
missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>&1 | grep -v ' installed$' || true)
if [ "$(id -u)" -ne 0 ]; then
    [ -z "$missing" ] || echo "As root: apt-get install --no-install-recommends $packages"
    echo "Asterisk's tests are skipped: debootstrap and chroot need root"
    exit 0
fi
if [ -n "$missing" ]; then
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

if [ ! -x "$root/usr/sbin/asterisk" ]; then
    echo "Installing Asterisk of Debian sid into $root (550 MB, some minutes)"
    rm -rf "$root.part"
    if debootstrap --variant=minbase --include=asterisk sid "$root.part" >"$root.log" 2>&1; then
        mv "$root.part" "$root"
    else
        echo "Asterisk's tests are skipped: debootstrap failed, see $root.log" >&2
    fi
fi
