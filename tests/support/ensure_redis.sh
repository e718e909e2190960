#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes sure that a redis-server or valkey-server is on PATH; on Debian as root it installs one.
set -euo pipefail

has_server() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null; }

if has_server; then exit 0; fi

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need a redis-server (7 or newer) or a valkey-server on PATH." >&2
  echo "Debian and Ubuntu: sudo apt-get install redis-server; macOS: brew install redis" >&2
  exit 1
fi

echo "Installing redis-server ..."
# The tests start servers of their own; the policy keeps the package from starting the system's service.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
has_server || { echo "redis-server isn't on PATH after its installation." >&2; exit 1; }
