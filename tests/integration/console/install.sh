#!/bin/sh
# Installs what the tests of the console need in a browser: Debian's Chromium, and axe-core from npm into a folder.
# Run by `make test-console`.
set -eu
folder=$1

if [ ! -x /usr/bin/chromium ]; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
        echo "As root: apt-get install --no-install-recommends chromium (it is expected at /usr/bin/chromium)"
        exit 2
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core
fi

if [ ! -e "$folder/node_modules/axe-core/axe.min.js" ]; then
    command -v npm >/dev/null || { echo "npm is missing: apt-get install npm"; exit 2; }
    npm install --prefix "$folder" --no-save --no-audit --no-fund --ignore-scripts --silent axe-core@4
fi
