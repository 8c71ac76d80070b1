#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# "make demo" shows what it promises, leaves nothing on the machine, and says what it leaves out, and why.

set -euo pipefail
root=${ANSIBLE_COLLECTIONS_PATH%%:*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf -- '--- %s\n' "$*"; }
die() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
# demo [COMMAND...] -- [PART...]: run parts of the demonstration by a command; the output is in $work/out, too
demo() {
  local before=()
  while [ "$1" != -- ]; do before+=("$1") && shift; done
  shift
  PYTHONPATH=$root "${before[@]}" python -m ansible_collections.attested.registry.tests.support.demo "$@" 2>&1 </dev/null | tee "$work/out"
}
shows() { grep -qF -- "$1" "$work/out" || die "the output has no line with: $1"; }
# What the demonstration makes outside of build/, for a while; other targets boot hosts at the same time, under other names.
traces() {
  grep -E '/demo|/run/root|attested-[0-9]' /proc/self/mountinfo || true
  ls -d /tmp/demo-* /tmp/demo.* /srv/* /etc/systemd/system/* {/run/systemd/nspawn/*/,/sys/fs/cgroup/{,*/}}attested-[0-9]* 2>/dev/null || true
}

# That of ansible-test writes to the collection, which is read-only in the container.
unset ANSIBLE_CALLBACKS_ENABLED
say "it shows the unpack, the attestation and the service"
export TMPDIR=/tmp
traces >"$work/before"
demo --
shows "Good morning, world"
shows "unchanged, 1 request, 0 bytes downloaded"
shows "back at 1.0, without a request"
shows "evidence  simulated"
shows "rejected the attestation of this host"
shows "This is release 1.0."
shows "can't change directory to '/srv/www'"
shows "active (running)"
[ "$(grep -cF "This is release 1.1." "$work/out")" = 2 ] || die "release 1.1 did not answer before and after the faulty one"

say "it leaves nothing"
traces >"$work/after"
diff "$work/before" "$work/after" || die "the machine is not as before"

say "it says why there is no service where the machine does not allow one"
demo setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin -- service
shows "The last part, an image that runs as a service, is left out: this machine refuses mount, PID, network, UTS, IPC namespaces to root."
