#!/usr/bin/env bash
# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the role leaves alone, what it finds before it touches anything, and that a play that fails shows no secret.

collection=${ANSIBLE_COLLECTIONS_PATH%%:*}/ansible_collections/attested/registry
# shellcheck source=../../../support/hosts/role_plays.sh
source "$collection/tests/support/hosts/role_plays.sh"
work=${work:?role_plays.sh makes it}

others=$collection/tests/integration/targets/registry_server
source_registry=$(sed -n 's/.*"source_registry": "\(.*\)".*/\1/p' "$TEST_INVENTORY")
image="\"tls\": \"no-tls\", \"repository\": \"com.example.app\", \"reference\": \"stable\""
refuses() { refused "$1" "$others/deploy.yml" -e "{$2}"; }
untouched() { if on one "ls -d /opt/registry_server /etc/registry_server /srv/images 2>/dev/null"; then die "something was made"; fi; }

say "an image that cannot be brought, accounts and groups that cannot run the server: found before anything is installed"
on one groupadd registry-server
printf '%s\n' '[registry]' "image registry_server_user=www-data registry_server_images='[{\"registry\": \"127.0.0.1:9\", $image}]'" shared \
  'privileged registry_server_user=root' 'nobody registry_server_user=nobody' \
  "group registry_server_user=www-data registry_server_groups='[\"no-such-group\"]'" \
  '[registry:vars]' "ansible_host=$(address one)" >"$work/cases"
# The hosts are one and the same, so one at a time.
if play -i "$work/cases" --forks 1 --limit 'registry:!one' "$others/deploy.yml"; then die "the play did not fail"; fi
while IFS='|' read -r host text; do
  grep -qE "fatal: \[$host\]: .*$text" "$work/out" || die "$host was not refused with: $text"
done <<'CASES'
image|The images of registry_server_images cannot be pulled, and nothing was changed: the registry 127.0.0.1:9 cannot be reached: .*refused
shared|would share the group of the same name, which the role did not create
privileged|The account root cannot run .* is privileged
nobody|The account nobody cannot run .* is privileged or shared
group|registry_server_groups lists groups that group does not have: no-such-group
CASES
same "$(grep -cE '^[a-z]+ +: .*failed=1 ' "$work/out")" 5 "the number of hosts that were refused"
untouched
on one groupdel registry-server

say "a host that reaches no index is told of the wheels"
on one "cp /etc/pip.conf /root/pip.conf; printf 'index-url = http://127.0.0.1:9/simple\nretries = 0\n' >>/etc/pip.conf"
refuses "Installing the Python libraries .* failed .ERROR: .*set registry_server_wheel_dir to a directory with the wheels" "\"registry_server_name\": \"main\""
on one mv /root/pip.conf /etc/pip.conf
play "$others/absent.yml" -e '{"registry_server_remove_content": true}'
untouched

say "an account and a content directory of others are used as they are"
on one "mkdir -p /srv/images && touch /srv/images/notes && chown -R www-data /srv/images && chmod 2775 /srv/images && groupadd readers"
account=$(on one getent passwd www-data root)
certificate served
given="\"registry_server_user\": \"www-data\", \"registry_server_groups\": [\"readers\"], \"registry_server_root\": \"/srv/images\",
  \"registry_server_host\": [\"0.0.0.0\", \"::\"], \"registry_server_tls\": \"tls\", \"registry_server_cert_file\": \"$work/served.crt\",
  \"registry_server_key_content\": \"$(sed ':a; N; $!ba; s/\n/\\n/g' "$work/served.key")\\n\",
  \"registry_server_htpasswd_content\": \"$(htpasswd -nbB -C 5 bob top-s3cret)\\n\",
  \"registry_server_images\": [{\"registry\": \"$source_registry\", \"username\": \"bob\", \"password\": \"s3cret-password\", $image}]"
hash=$(sed -n 's/.*htpasswd_content": "bob:\(.*\)\\n.*/\1/p' <<<"$given")
play "$others/deploy.yml" -e "{$given}"
grep -q "\"https://$(address one):1337 serves 1 repository" "$work/out" || die "the play does not end by saying what is served"
same "$(curl --silent --cacert "$work/served.crt" --output /dev/null --write-out '%{http_code}' "https://$(address one):1337/v2/")" 401 "the answer"
same "$(on one "ss -Hltn 'sport = :1337' | wc -l")" 2 "the number of listeners"
same "$(on one getent passwd www-data root)" "$account" "the accounts"
same "$(on one "stat -c '%a %U' /srv/images; id -Gn www-data")" "2775 www-data
www-data" "the content directory, and the groups of the account"
on one systemctl show --property=SupplementaryGroups registry-server-main | grep -q readers || die "the service is not in the group"

say "the operator's command"
on one /opt/registry_server/bin/registry-server main --check-config | grep -q "The configuration is valid" || die "it says nothing"
{ on one "/opt/registry_server/bin/registry-server other 2>&1" || true; } | grep -q "There is no instance other" ||
  die "another name is not refused"
on one journalctl --unit registry-server-main --output json | grep -q '"SYSLOG_IDENTIFIER":"registry-server-main"' || die "the identifier"

say "units that systemd would not take are refused before anything is touched"
pid=$(main_pid)
refused "refused by systemd-analyze verify, and nothing was changed: " "$others/deploy.yml" \
  -e "{$given, \"registry_server_unit_options\": {\"MemoryMx\": \"1G\", \"MemoryMax\": \"lots\"}}"
for text in MemoryMx "limit 'lots'"; do
  grep -q "refused by systemd-analyze verify, .*$text" "$work/out" || die "not in the refusal: $text"
done
same "$(main_pid)" "$pid" "the process after a refusal"
# Each of them alone is enough for systemd-analyze to end with the status that the role looks at.
for option in MemoryMx=1G MemoryMax=lots; do
  same "$(on one "mkdir -p /tmp/alone && cd /tmp/alone && sed '/^\[Service\]/a $option' /etc/systemd/system/registry-server-main.service \
    >registry-server-main.service && { systemd-analyze verify --man=no --recursive-errors=no ./registry-server-main.service; echo \$?; } \
    2>/dev/null")" 1 "the status for $option"
done

say "a configuration that does not start is rolled back; a play that fails shows no secret"
live="cat /etc/registry_server/main.yml /opt/registry_server/instances/main/applied /etc/systemd/system/registry-server-main.service"
before=$(on one "$live")
refused "are restored and running.*Address already in use" "$others/deploy.yml" -vvv --diff \
  -e "{$given, \"registry_server_admin\": \"0.0.0.0:1337\", \"registry_server_unit_options\": {\"Environment\": \"TOKEN=s3cret-token\"}}"
cp "$work/out" "$work/rolled-back"
same "$(on one "$live")" "$before" "what is in place"
get --cacert "$work/served.crt" --user bob:top-s3cret "https://$(address one):1337/v2/com.example.app/manifests/stable" >/dev/null
refused "127.0.0.1:9.*refused" "$others/deploy.yml" -vvv --diff -e "{${given//$source_registry/127.0.0.1:9}}"
for text in s3cret "$hash" "$(sed -n 2p "$work/served.key")"; do
  if grep -F -- "$text" "$work/out" "$work/rolled-back"; then die "a secret is in the output"; fi
done

say "two instances more of the same account, one with a certificate and a key that others put into the directory of the role"
on one "mkdir /etc/registry_server/first && cd /etc/registry_server/first && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
  -nodes -days 30 -subj /CN=first -keyout key.pem -out cert.pem 2>/dev/null && chgrp www-data key.pem && chmod 640 key.pem"
play two.yml -e first_port=1340
get --insecure "https://$(address one):1340/v2/" >/dev/null
get "http://$(address one):1338/v2/" >/dev/null

say "an instance that fails leaves the files of the one before it in the play alone"
on one "systemctl stop registry-server-second && systemd-run --quiet --unit=occupied python3 -m http.server 1338"
until_true on one "ss -Hltn 'sport = :1338' | grep ."
refused "Nothing was restored" two.yml -e first_port=1341
get --insecure "https://$(address one):1341/v2/" >/dev/null
on one "ls /etc/registry_server/first.yml /opt/registry_server/instances/first/applied /etc/systemd/system/registry-server-first.service" >/dev/null
on one systemctl stop occupied
play "$others/deploy.yml" -e '{"registry_server_name": "second", "registry_server_port": 1338, "registry_server_user": "www-data"}'
until_true get "http://$(address one):1338/v2/"

say "absent leaves a certificate and a key that others put into the directory of the role"
play "$others/absent.yml" -e '{"registry_server_name": "first", "registry_server_user": "www-data", "registry_server_remove_content": true}'
same "$(on one ls /etc/registry_server/first)" "cert.pem
key.pem" "what is left"
on one rm -r /etc/registry_server/first

say "content that another instance serves a parent of is not removed; an account goes with the last instance that uses it"
inner='"registry_server_name": "inner", "registry_server_root": "/srv/images/inner"'
play "$others/deploy.yml" -e "{$inner, \"registry_server_port\": 1340}"
refused "is not removed, and nothing was changed: other instances serve it: main.yml" "$others/absent.yml" \
  -e "{$inner, \"registry_server_remove_content\": true}"
on one id registry-server
play "$others/absent.yml" -e "{$inner}"
if on one id registry-server; then die "the account of the instance is left"; fi
get "http://$(address one):1338/v2/" >/dev/null
on one rm -r /srv/images/inner

say "absent leaves what the role did not make"
on one "touch /etc/registry_server/notes /etc/registry_server/main/notes"
refused "is not removed, and nothing was changed: the role did not create it" "$others/absent.yml" \
  -e '{"registry_server_root": "/srv/images", "registry_server_remove_content": true, "registry_server_user": "www-data"}'
get --insecure --user bob:top-s3cret "https://$(address one):1337/v2/" >/dev/null
play "$others/absent.yml" -e '{"registry_server_name": "second", "registry_server_user": "www-data", "registry_server_remove_content": true}'
play "$others/absent.yml" -e '{"registry_server_root": "/srv/images", "registry_server_user": "www-data"}'
same "$(on one getent passwd www-data root)" "$account" "the accounts"
same "$(on one "find /etc/registry_server /opt/registry_server /var/lib/registry_server -type f 2>/dev/null | sort")" "/etc/registry_server/main/notes
/etc/registry_server/notes" "what is left"
on one test -e /srv/images/notes || die "the content of others is gone"
