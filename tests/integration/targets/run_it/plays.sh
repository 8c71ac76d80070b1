#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The plays of docs/run-it.md for systemd-nspawn, systemd-sysext and portablectl run as they are on the page, against the
# images of make_images.py: deploy, reboot, upgrade, roll back and remove; second runs change nothing.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

# the facts of a host are those of all plays of a run
export ANSIBLE_GATHERING=smart
source_registry=$(sed -n 's/.*"source_registry": "\(.*\)".*/\1/p' "$TEST_INVENTORY")

# block SECTION NUMBER: the NUMBERth block of YAML below a heading of the page, with the registry of this test
block() {
  awk -v heading="## $1" -v number="$2" '
    /^## / { here = $0 == heading }
    /^```$/ { inside = 0 }
    here && inside && count == number
    here && /^```yaml$/ { inside = 1; count++ }
  ' "$collection/docs/run-it.md" | sed \
    -e "s|registry.example.com|$source_registry|" \
    -e 's|^  become: true$|&\n  module_defaults: {attested.registry.oci_image_unpack: {tls: no-tls}}|'
}

ways=(systemd-nspawn systemd-sysext "Portable services")
deploy=() upgrade=() rollback=() remove=()
for ((i = 0; i < ${#ways[@]}; i++)); do
  block "${ways[i]}" 1 >"$work/deploy$i.yml"
  block "${ways[i]}" 2 >"$work/remove$i.yml"
  sed 's/reference: "1.0"/reference: "2.0"/' "$work/deploy$i.yml" >"$work/upgrade$i.yml"
  # as the page says: the state in place of the name of the image
  sed -e '/^ *\(registry\|repository\): /d' -e 's/reference: "1.0"/state: rolled_back/' "$work/deploy$i.yml" >"$work/rollback$i.yml"
  for step in upgrade rollback; do
    if cmp -s "$work/deploy$i.yml" "$work/$step$i.yml"; then die "no reference in the play for ${ways[i]}"; fi
  done
  deploy+=("$work/deploy$i.yml") upgrade+=("$work/upgrade$i.yml")
  rollback+=("$work/rollback$i.yml") remove+=("$work/remove$i.yml")
done

# all_are VERSION: what is merged, attached and booted is of this version
all_are() {
  same "$(on one tools-version)" "$1" "the program in /usr"
  until_true on one grep -qx "$1" /var/lib/private/agent/version
  until_true on one "portablectl is-attached agent | grep -qx running"
  until_true on one grep -qx "$1" /srv/appliance/version
  until_true on one systemctl --machine=appliance is-system-running --wait
}

say "what a host of this sort has"
on one "apt-get -qq update && apt-get -qq install python3-apt python3-requests systemd-container" >"$work/apt" 2>&1 ||
  { cat "$work/apt"; die "apt failed"; }

say "an extension of another distribution is not merged, and the play fails"
sed 's/reference: "1.0"/reference: other/' "$work/deploy1.yml" >"$work/other.yml"
refused '"failed_when_result": true' "$work/other.yml"

say "deploy"
play "${deploy[@]}"
all_are 1.0
same "$(on one systemd-sysext list --no-legend --no-pager | awk '{ print $1 }')" tools "the extensions"
same "$(on one portablectl list --no-legend --no-pager | awk '{ print $1 }')" agent "the portable services"
same "$(on one machinectl list-images --no-legend --no-pager | awk '{ print $1 }')" appliance "the images of containers"

say "after a reboot, all is there again, and a second run changes nothing"
play reboot.yml
all_are 1.0
unchanged "${deploy[@]}"

say "upgrade"
play "${upgrade[@]}"
all_are 2.0

say "roll back"
play "${rollback[@]}"
all_are 1.0

say "remove"
play "${remove[@]}"
unchanged "${remove[@]}"
left() {
  ls -A /var/lib/machines /var/lib/extensions /var/lib/portables /var/lib/oci-state /etc/systemd/nspawn
  find /etc/systemd /etc/portables | grep -E "agent|appliance"
  systemctl list-units --all --plain --no-legend "*agent*" "*appliance*"
  findmnt --noheadings /usr
  machinectl --no-legend
}
same "$(on one "$(declare -f left); left" 2>&1 | grep -vE '^$|^/var/lib/|^/etc/systemd/nspawn:')" "" "what is left"
