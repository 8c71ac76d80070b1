#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# packages.sh lint|unit|integration...
# Install the Debian packages that these stages need, those of unit only as root.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

wanted=()
for stage; do
  case $stage in
    lint) wanted+=(shellcheck=shellcheck git=git) ;;
    unit)
      # Some tests compare with other programs, and are skipped, with a line that says so, where those are not.
      if [ "$(id -u)" = 0 ]; then
        wanted+=(curl=curl skopeo=skopeo umoci=umoci crun=crun runc=runc busybox=busybox-static systemd-analyze=systemd)
      fi
      ;;
    integration)
      wanted+=(
        mmdebstrap=mmdebstrap docker-registry=docker-registry skopeo=skopeo umoci=umoci openssl=openssl ssh-keygen=openssh-client
        htpasswd=apache2-utils mount=mount git=git gnutls-cli=gnutls-bin nginx=nginx curl=curl haproxy=haproxy
        systemd-nspawn=systemd-container iptables=iptables ip=iproute2 ssh=openssh-client ps=procps systemd-analyze=systemd
        crun=crun runc=runc busybox=busybox-static /usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring
      )
      ;;
    *) die "usage: tools/packages.sh lint|unit|integration..." ;;
  esac
done
tools/apt-need.sh "${*//integration/integration tests}" "${wanted[@]}"
