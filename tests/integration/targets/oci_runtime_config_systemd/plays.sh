#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# systemd runs the units of oci_runtime_config: the process gets what the image says, the tree stays as it is, and an upgrade
# and a roll-back go through while it runs.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

for version in 1.0 2.0; do python make_archive.py "$work/$version.tar" "$version"; done
deploy() { play service.yml -e "archive=$work/$1.tar version=$1" "${@:2}"; }
shown() { on one cat "/var/lib/app/$1"; }

say "the process gets its arguments, environment, user and directory"
deploy 1.0
until_true on one test -e /var/lib/app/ready
cat >"$work/arguments" <<'EOF'
<a  b>
<$HOME ${HOME} $$>
<%n 100%>
<"q" 's>
<\n\\>
<;>
<>
EOF
cat >"$work/variables" <<'EOF'
FROM_IMAGE=a "b" $c %n 'd' \e
FROM_TASK=x "y" %% $z
HOME=/var/www
EOF
same "$(shown arguments)" "$(cat "$work/arguments")" "the arguments"
same "$(shown environment | grep -E '^(FROM|HOME)' | sort)" "$(cat "$work/variables")" "the environment"
same "$(shown version)" 1.0 "the version"
# systemd lists the group of the user among the others, too
same "$(shown id)" "uid=33(web) gid=34(www) groups=4(adm),34(www)" "the user"
same "$(shown directory)" /var "the directory"

say "it can write to volumes and mounts, and not to the tree"
same "$(shown denied)" "/etc /root /var/www " "where it cannot write"
same "$(shown volume)" "web:755" "the volume"

say "the tree has not drifted while it runs, and a second run changes nothing"
pid=$(on one systemctl show --property=MainPID --value app)
unchanged service.yml -e "archive=$work/1.0.tar version=1.0"
same "$(on one systemctl show --property=MainPID --value app)" "$pid" "the process"

say "an upgrade goes through while it runs, and the new process sees the new tree"
deploy 2.0
until_true on one grep -qx 2.0 /var/lib/app/version
unchanged service.yml -e "archive=$work/2.0.tar version=2.0"

say "a roll-back does, too"
play rollback.yml
until_true on one grep -qx 1.0 /var/lib/app/version

say "systemd has no complaints, and the signal is that of the image"
on one "systemd-analyze verify --man=no --recursive-errors=no /etc/systemd/system/app.service" 2>&1 | grep -v '^$' && die "complaints"
same "$(on one systemctl show --property=KillSignal --value app)" 2 "the signal"
if on one "journalctl -b -u app" | grep -iE "failed|ignoring|unknown"; then die "the journal has complaints"; fi
