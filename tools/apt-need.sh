#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# apt-need.sh REASON PROGRAM=PACKAGE...
# Installs the packages of those programs that are not there, saying which and why. A name with a slash is a file to look for.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

reason=$1
shift
missing=()
for pair in "$@"; do
  program=${pair%%=*} package=${pair#*=}
  case $program in
    */*) [ -e "$program" ] || missing+=("$package") ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing+=("$package") ;;
  esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

command -v apt-get >/dev/null || die "$reason needs ${missing[*]} (the names of Debian's packages); there is no apt-get here, so install them by hand and run this again."
[ "$(id -u)" = 0 ] || die "$reason needs Debian packages that are not installed; as root: apt-get install --no-install-recommends ${missing[*]}"

# Stages run beside one another; apt-get gives up where another one has its locks.
mkdir -p "$BUILD"
exec {lock}>"$BUILD/.apt.lock"
flock "$lock"
say "installing Debian packages for $reason: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { apt-get install --yes --quiet --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" </dev/null >"$log" 2>&1; }
update() { apt-get update --quiet </dev/null >"$log" 2>&1; }
# A fresh machine has no package lists, one left alone for long has stale ones: both show as a failed install.
install || { update && install; } || {
  cat "$log" >&2
  die "apt-get could not install ${missing[*]} (its output is above)."
}
