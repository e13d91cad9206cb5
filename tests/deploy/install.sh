#!/bin/sh
# Installs the tools that judge deploy/, run by `make lint-deploy`: install.sh FOLDER DEBIAN
#
# promtool of Debian's package goes into FOLDER, unpacked without its service, and so does buf of npm. The image's steps
# run in a Debian 13 that debootstrap unpacks at DEBIAN. hadolint and kubernetes-validate are an extra of Python's. What
# can't be had is named, and its checks are skipped.
set -eu
folder=$1
debian=$2
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

if ! command -v promtool >/dev/null && [ ! -x "$folder/usr/bin/promtool" ]; then
    if command -v apt-get >/dev/null; then
        (cd "$folder" && { apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } &&
            dpkg -x prometheus_*.deb . && rm prometheus_*.deb) 2>/dev/null || echo "no promtool: alert rules stay unchecked" >&2
    else
        echo "no promtool on the PATH: alert rules stay unchecked" >&2
    fi
fi

if ! command -v buf >/dev/null && [ ! -x "$folder/node_modules/.bin/buf" ]; then
    { command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix "$folder" "@bufbuild/buf@1.75.0" >/dev/null; } ||
        echo "no buf: the proto files stay unchecked" >&2
fi

command -v kubectl >/dev/null || command -v kustomize >/dev/null ||
    echo "neither kubectl nor kustomize on the PATH: overlays stay unchecked" >&2
command -v systemd-analyze >/dev/null || echo "no systemd-analyze: units stay unchecked" >&2
if [ ! -d "$debian/etc" ]; then
    if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
        echo "no debootstrap, or not root: the image's steps stay untried (apt-get install debootstrap)" >&2
    else
        echo "Unpacking Debian 13 into $debian (some minutes)"
        rm -rf "$debian.part"
        if debootstrap --variant=minbase trixie "$debian.part" >"$debian.log" 2>&1; then
            mv "$debian.part" "$debian"
        else
            echo "the image's steps stay untried: debootstrap failed, see $debian.log" >&2
        fi
    fi
fi
