# shellcheck shell=bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Sourced by the plays.sh of the role's integration targets.

set -euo pipefail
work=$(mktemp -d)
cleanup=()
finish() { local command; for command in "${cleanup[@]}"; do eval "$command"; done; rm -rf "$work"; }
trap finish EXIT

say() { printf -- '--- %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# play PLAYBOOK [ARGUMENT...]; the output is in $work/out, too
play() { ansible-playbook -i "$TEST_INVENTORY" "$@" 2>&1 </dev/null | tee "$work/out"; }

# As play, and nothing may have changed.
unchanged() {
  play "$@"
  if grep -E '^[a-z]+ +: .*changed=[1-9]' "$work/out"; then die "the run changed something"; fi
}

# refused TEXT PLAYBOOK [ARGUMENT...]: the play must fail with that text.
refused() {
  local text=$1
  shift
  if play "$@"; then die "the play did not fail"; fi
  grep -qE "$text" "$work/out" || die "the play failed, but not with: $text"
}

on() { local host=$1; shift; ssh -n -F "$TEST_SSH_CONFIG" "$host" "$@"; }
address() { ssh -G -F "$TEST_SSH_CONFIG" "$1" | sed -n 's/^hostname //p'; }
main_pid() { on one systemctl show --property=MainPID --value registry-server-main; }
get() { curl --silent --show-error --fail --max-time 20 "$@"; }

# Waits until a command succeeds, which it must within 30 seconds.
until_true() {
  local limit=$((SECONDS + 30))
  until "$@" >"$work/until" 2>&1; do
    if [ "$SECONDS" -gt "$limit" ]; then cat "$work/until"; die "this did not come true: $*"; fi
    sleep 0.2
  done
}
same() { [ "$1" = "$2" ] || die "expected $2, found $1: $3"; }

# certificate NAME: a certificate and key for host one, signed by nobody else
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
    -addext "subjectAltName=IP:$(address one)" -keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null
}
