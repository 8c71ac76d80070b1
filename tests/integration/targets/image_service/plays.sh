#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The life of services on Debian 12 (one) and 13 (two): each step looks at what answers afterwards, from outside of the hosts.
# What does not depend on the version of systemd is played on one of them.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}
images=$1

hosts=(one two)
each() { local host; for host in "${hosts[@]}"; do on "$host" "$@"; done; }
version() { get "http://$(address "$1"):8080/"; }
answers() { local host; for host in "${hosts[@]}"; do same "$(version "$host")" "$1" "the version on $host"; done; }
processes() { each systemctl show --property=MainPID --value web; }
back="The previous release is restored and runs again"

say "check mode on a bare host changes nothing, and shows what it would do"
play web.yml --check --diff --limit two
grep -q "would be installed: python3-requests" "$work/out" || die "the library is not named"
if each ls -d /var/lib/image_service /srv/web /etc/systemd/system/web.service 2>/dev/null | grep .; then die "check mode made something"; fi

say "and fails where the library may not be installed"
refused "image_service_install_packages is false" web.yml --check --limit two -e image_service_install_packages=false

say "deploy"
play web.yml --diff
answers 1.0
grep -q '^+ExecStart="/usr/bin/python3"' "$work/out" || die "the diff does not show the unit"
if grep -q s3cret "$work/out"; then die "the password is in the output"; fi
same "$(each stat -c %u:%g:%a /srv/web/data /srv/web)" $'1000:1001:750\n0:0:755\n1000:1001:750\n0:0:755' "the directory for data"
same "$(each systemctl is-enabled web.service web.socket | sort -u)" enabled "what starts at boot"
same "$(each stat -c %a /var/lib/image_service/web/applied.json | sort -u)" 600 "the mode of the record"

say "second run, and check mode on the deployed hosts"
pids=$(processes)
unchanged web.yml
unchanged web.yml --check --diff --limit one
same "$(processes)" "$pids" "the processes"

say "under load: upgrade, a release that ends at once, the same again, and back"
python -m ansible_collections.attested.registry.tests.support.servers.steady_client \
  "$(address one):8080" "$(address two):8080" >"$work/load" &
load=$! cleanup+=("kill $load 2>/dev/null || true")
play web.yml -e version=2.0
answers 2.0
refused "failed .Ask the service whether it is healthy: .*$back" web.yml -e version=exits
grep -q "this version ends at once" "$work/out" || die "the message does not show the journal"
answers 2.0
refused "failed .Ask the service whether it is healthy: .*$back" web.yml -e version=exits --limit two
answers 2.0
unchanged web.yml -e version=2.0 --limit two
play web.yml -e version=1.0
answers 1.0
kill -TERM "$load"
wait "$load" || die "the client failed"
cat "$work/load"
same "$(grep -cE 'requests sent [1-9][0-9]+, failed 0 \(1.0: [0-9]+, 2.0: [0-9]+\)' "$work/load")" 2 "the addresses without a failure"

say "a release that starts and fails its health check on one host, and by any_errors_fatal fails on the other one"
ANSIBLE_ANY_ERRORS_FATAL=true refused "failed .Ask the service whether it is healthy: Status code was 503.*$back" web.yml \
  -e image_service_health_timeout=10 -e '{"version": "{{ {\"one\": \"sick\", \"two\": \"2.0\"}[inventory_hostname] }}"}'
grep -q "failed .another host failed, and any_errors_fatal is set.. $back" "$work/out" || die "the other host does not say why it goes back"
answers 1.0

say "a unit that systemd does not understand is not started"
pids=$(processes)
for listen in '["8080", "8099"]' '[]'; do
  refused "does not understand.*MemoryMx.*was not restarted" web.yml --limit one \
    -e '{"image_service_unit_options": {"Service": {"MemoryMx": "1G"}}, "image_service_listen": '"$listen}"
  same "$(processes)" "$pids" "the processes"
done
unchanged web.yml --limit one

say "plays that are killed between unpack and restart"
if KILLED_AT="Restart the service" play web.yml -e version=2.0; then die "the play was not killed"; fi
answers 1.0

say "the next play completes such a one"
play web.yml -e version=2.0 --limit two
same "$(version two)" 2.0 "the version"

say "or goes back to the release that ran, which is not kept any more, if another one fails"
refused "$back" web.yml -e version=exits --limit one
same "$(version one)" 1.0 "the version"
unchanged web.yml --limit one

say "a play that is killed before the service was checked, and then one that is refused before a restart"
if KILLED_AT="Ask the service whether it is healthy" play web.yml -e version=2.0 --limit one; then die "the play was not killed"; fi
refused "does not understand.*MemoryMx.*$back" web.yml --limit one -e '{"image_service_unit_options": {"Service": {"MemoryMx": "1G"}}}'
same "$(version one)" 1.0 "the version"
unchanged web.yml --limit one

say "other sockets, and none"
play web.yml --limit two -e version=2.0 -e '{"image_service_listen": ["8090"], "image_service_health_url": "http://127.0.0.1:8090/"}'
same "$(get "http://$(address two):8090/")" 2.0 "the version at the other port"
refused "$back" web.yml --limit two -e version=exits
same "$(get "http://$(address two):8090/")" 2.0 "the version at the other port, which the health check had, too"
play web.yml --limit two -e version=2.0 -e '{"image_service_listen": []}'
same "$(version two)" 2.0 "the version without sockets"
same "$(on two "ls /etc/systemd/system/web.socket 2>&1; systemctl is-active web.socket || true" | tail -n 1)" inactive "the socket that is gone"

say "a record that is damaged counts as none"
on two truncate --size=100 /var/lib/image_service/web/applied.json
play web.yml --limit two
grep -q "applied.json on two is damaged and counts as none" "$work/out" || die "nobody is told"
unchanged web.yml --limit two

say "a tree of one file, twice, without registry and health check"
play static.yml -e "layout=$images/com.example.static"
for port in 8081 8082; do get "http://$(address two):$port/busybox" >/dev/null; done

say "a first release with a line that systemd does not understand is refused again and again"
for time in first second; do
  echo "the $time time"
  refused "does not understand.*MemoryMx.*There is no previous release" static.yml --limit one -e "layout=$images/com.example.static" \
    -e '{"image_service_name": "broken", "image_service_unit_options": {"Service": {"MemoryMx": "1G"}}}'
done

say "a first release that fails is stopped and disabled"
refused "There is no previous release; the service is stopped and disabled" static.yml --limit one -e "layout=$images/com.example.static" \
  -e '{"image_service_name": "broken", "image_service_entrypoint": ["/busybox", "false"], "image_service_args": [],
  "image_service_health_command": [], "image_service_settle_seconds": 1}'
same "$(on one "systemctl is-enabled broken; systemctl is-active broken" || true)" $'disabled\nfailed' "the state of the service"

say "a program that ends is run by the first role of the play, and not again by the second, which is the same"
# systemd advises against KillMode=none, and understands it
play static.yml --limit two -e "layout=$images/com.example.static" -e '{"image_service_name": "once", "image_service_reference": "1.0",
  "image_service_user": "0:1500", "image_service_entrypoint": ["/busybox", "true"], "image_service_args": [],
  "image_service_health_command": [], "image_service_unit_options": {"Service": {"Type": "oneshot", "KillMode": "none"}}}'
same "$(grep -c ': Restart the service\]' "$work/out")" 1 "how often the program was run"
same "$(on two systemctl show --property=ActiveState,Result,ExecMainStatus once | sort)" $'ActiveState=inactive\nExecMainStatus=0\nResult=success' "the state"

say "a unit that the role did not create is refused"
refused "units named ssh that the role image_service did not create" static.yml --limit one -e image_service_name=ssh -e "layout=$images/com.example.static"
refused "units named ssh that the role image_service did not create" absent.yml --limit one -e '{"services": ["ssh"]}'

say "reboot, and nothing has changed"
play reboot.yml
for host in "${hosts[@]}"; do until_true version "$host"; done
answers 1.0
unchanged web.yml
unchanged static.yml -e "layout=$images/com.example.static" --limit one

say "absent, and data stays"
play absent.yml --check --limit two -e '{"services": ["web"]}'
answers 1.0
if KILLED_AT="Make systemd forget the units" play absent.yml --limit one -e '{"services": ["web"]}'; then die "the play was not killed"; fi
play absent.yml -e '{"services": ["web", "static", "static-two", "broken", "once"]}'
unchanged absent.yml --limit one -e '{"services": ["web"]}'
if each "ls -d /var/lib/image_service /etc/systemd/system/*{web,static,broken,once}*; systemctl list-units --all --plain --no-legend 'web.*' 'static*' 'broken*' 'once*'" \
  2>/dev/null | grep .; then die "something is left"; fi
same "$(each head -n 2 /srv/web/data/starts | sort -u)" $'1.0\n2.0' "the data"

say "the example"
example=$collection/examples/playbooks/image_service.yml
registry=$(sed -n 's/.*"source_registry": "\(.*\)".*/\1/p' "$TEST_INVENTORY")
play "$example" --limit one -e "service_image=$registry/com.example.web:1.0" -e service_tls=no-tls
grep -q "com.example.web:1.0 is ActiveState=active, MainPID=[1-9]\|com.example.web:1.0 is MainPID=[1-9].*ActiveState=active" "$work/out" ||
  die "the play does not end by saying what runs"
same "$(version one)" 1.0 "the version"
