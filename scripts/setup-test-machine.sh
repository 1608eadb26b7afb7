#!/usr/bin/env bash
# Installs what the tests need beside Node: Debian 12 packages, as root. Run it as often as you like.
set -euo pipefail

packages=(
  iproute2 util-linux  # the lab's networks, namespaces, and a way to hold no privileges
  nftables conntrack   # the lab's NAT
  tcpdump              # what is really on the wire
  wine wine64          # Node for Windows
  qemu-user libc6-arm64-cross libstdc++6-arm64-cross # Node for arm64
  chromium             # the lab's page as people see it
  redis-server redis-tools netcat-openbsd python3                     # programs under guard and exec
  postgresql mariadb-server mosquitto nats-server rabbitmq-server pgbouncer python3-grpcio # servers of the watched clients
  openssh-server dovecot-imapd                                        # and of those without an adapter
)

if [ "$(id -u)" -ne 0 ]; then
  echo "setup-test-machine.sh installs Debian packages and needs root; without them the tests that need them are skipped and say so" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0
export DEBIAN_FRONTEND=noninteractive
# Servers must not start by themselves: the tests start their own, in networks of their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}"
