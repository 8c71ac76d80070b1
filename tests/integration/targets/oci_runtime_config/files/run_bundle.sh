#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# run_bundle.sh RUNTIME BUNDLE NAME   run a container; for crun without a cgroup, and in mounts of its own, because crun 1.8
# refuses a hierarchy of version 2 beside those of version 1

set -euo pipefail

if [ "$1" != crun ]; then exec "$1" --root "$2/../state" run --bundle "$2" "$3"; fi
if [ -z "${OWN_MOUNTS:-}" ]; then OWN_MOUNTS=yes exec unshare --mount "$0" "$@"; fi
if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi
exec crun --cgroup-manager=disabled --root "$2/../state" run --bundle "$2" "$3"
