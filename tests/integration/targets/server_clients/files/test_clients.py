# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""skopeo, umoci, curl, docker-registry as a pull-through mirror and the modules use the server over each transport.

The same holds with nginx in front of the server, which sends the blobs itself.
"""

from __future__ import annotations

import base64
import contextlib
import email.parser
import email.policy
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.servers.own_server import (
    USERNAME,
    Served,
    Way,
    make_ways,
    serving,
)
from ansible_collections.attested.registry.tests.support.servers.peers import PeerError, ended, free_port, run

BASE = images.layer([images.directory("etc"), images.file("etc/motd", b"hello\n" * 50_000)], compression="none")
TOP = images.layer([images.file("etc/issue", b"issue\n"), images.whiteout("etc/motd")])
IMAGE = images.image([BASE, TOP], platform="linux/amd64", annotations={"org.example": "yes"})
ARM = images.image([BASE], platform="linux/arm64")
MANY = images.index([IMAGE, ARM])
DOCKER = images.image([images.layer([images.file("a")], docker=True)], docker=True)
TAGGED: dict[str, images.Content] = {"1.0": IMAGE, "many": MANY, "docker": DOCKER}
NAME = "team/app"
BLOB = f"/v2/{NAME}/blobs/{BASE.digest}"
WAYS = ("plain", "tls", "basic", "certificate")
PASSWORD = secrets.token_hex(16)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clients")


@pytest.fixture(scope="session")
def root(place: Path) -> Path:
    images.write_layout(place / "root" / NAME, TAGGED)
    return place / "root"


@pytest.fixture(scope="session")
def servers(place: Path, root: Path) -> t.Iterator[dict[str, Served]]:
    with contextlib.ExitStack() as stack:
        ways = make_ways(place / "ways", PASSWORD)
        yield {way.name: stack.enter_context(serving(root, place / f"log-{way.name}", way)) for way in ways}


@pytest.fixture(params=WAYS)
def served(request: pytest.FixtureRequest, servers: dict[str, Served]) -> Served:
    return servers[request.param]


# --- skopeo and umoci -------------------------------------------------------------------------------------------------


def skopeo_options(way: Way, place: Path, prefix: str = "") -> list[str]:
    """The options of skopeo for this way; prefix is "src-" for skopeo copy."""
    if way.authority is None:
        return [f"--{prefix}tls-verify=false"]
    files = place / f"certs-{way.name}"
    files.mkdir(exist_ok=True)
    shutil.copy(way.authority.path, files / "ca.crt")
    if way.client is not None:
        shutil.copy(way.client.cert, files / "client.cert")
        shutil.copy(way.client.key, files / "client.key")
    options = [f"--{prefix}cert-dir={files}"]
    return [*options, f"--{prefix}creds={USERNAME}:{way.password}"] if way.password else options


def skopeo(served: Served, place: Path, command: str, rest: str, *options: str) -> t.Any:
    reference = f"docker://{served.address}/{NAME}{rest}"
    return json.loads(run("skopeo", command, *skopeo_options(served.way, place), *options, reference))


def skopeo_copy(served: Served, place: Path, rest: str, destination: str, *options: str) -> None:
    known = skopeo_options(served.way, place, "src-")
    source = f"docker://{served.address}/{NAME}{rest}"
    run("skopeo", "copy", "--quiet", "--insecure-policy", *known, *options, source, destination)


def test_skopeo_list_tags(served: Served, place: Path) -> None:
    assert skopeo(served, place, "list-tags", "")["Tags"] == sorted(TAGGED)


@pytest.mark.parametrize(
    ("rest", "content"), [(":1.0", IMAGE), (":many", MANY), (f"@{ARM.digest}", ARM), (":docker", DOCKER)]
)
def test_skopeo_inspect(served: Served, place: Path, rest: str, content: images.Content) -> None:
    found = skopeo(served, place, "inspect", rest, "--override-arch=amd64")
    assert found["Digest"] == content.digest
    raw = f"docker://{served.address}/{NAME}{rest}"
    assert run("skopeo", "inspect", "--raw", *skopeo_options(served.way, place), raw).encode() == content.data


def test_skopeo_copies_everything_of_an_index(served: Served, place: Path, tmp_path: Path) -> None:
    skopeo_copy(served, place, ":many", f"oci:{tmp_path}/copy:many", "--all", "--preserve-digests")
    blobs = tmp_path / "copy" / "blobs" / "sha256"
    expected = {digest.partition(":")[2]: data for digest, data in MANY.blobs().items()}
    assert {path.name: path.read_bytes() for path in blobs.iterdir()} == expected


def test_skopeo_copies_a_docker_image(served: Served, place: Path, tmp_path: Path) -> None:
    skopeo_copy(served, place, ":docker", f"dir:{tmp_path}/copy")
    assert (tmp_path / "copy" / "manifest.json").read_bytes() == DOCKER.data


def test_umoci_unpacks_what_skopeo_copied(served: Served, place: Path, tmp_path: Path) -> None:
    skopeo_copy(served, place, ":1.0", f"oci:{tmp_path}/copy:1.0", "--preserve-digests")
    run("umoci", "unpack", "--image", f"{tmp_path}/copy:1.0", tmp_path / "bundle")
    etc = tmp_path / "bundle" / "rootfs" / "etc"
    assert {path.name: path.read_bytes() for path in etc.iterdir()} == {"issue": b"issue\n"}


@pytest.mark.parametrize("name", ["basic", "certificate"])
def test_skopeo_without_credentials_is_refused(servers: dict[str, Served], place: Path, name: str) -> None:
    options = skopeo_options(servers["tls"].way, place)
    # asyncio cuts a connection with a bad handshake before OpenSSL's alert is out
    refused = {"basic": "unauthorized|authentication required", "certificate": "certificate|EOF|reset"}
    with pytest.raises(PeerError, match=refused[name]):
        run("skopeo", "inspect", *options, f"docker://{servers[name].address}/{NAME}:1.0")


def test_strangers_learn_nothing(servers: dict[str, Served]) -> None:
    served = servers["basic"]
    paths = [
        "/v2/",
        BLOB,
        f"/v2/{NAME}/manifests/1.0",
        "/v2/no/such/tags/list",
        "/v2/_catalog",
        f"/%762/{NAME}/tags/list",
    ]
    wrong = "Basic " + base64.b64encode(f"{USERNAME}:wrong".encode()).decode()
    answers = [served.get(path) for path in paths] + [served.get(path, Authorization=wrong) for path in paths]
    assert {(answer.status, answer.headers["cache-control"]) for answer in answers} == {(401, "no-store")}
    assert all(answer.headers["www-authenticate"].startswith("Basic realm=") for answer in answers)
    assert all(json.loads(answer.body)["errors"][0]["code"] == "UNAUTHORIZED" for answer in answers)


def test_what_has_a_password_is_for_no_shared_cache(servers: dict[str, Served]) -> None:
    right = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
    for path in (BLOB, f"/v2/{NAME}/manifests/1.0", f"/v2/{NAME}/tags/list"):
        answer = servers["basic"].get(path, Authorization=right)
        assert (answer.status, answer.headers["cache-control"].partition(",")[0]) == (200, "private")
    assert servers["tls"].get(BLOB).headers["cache-control"] == "public, max-age=31536000, immutable"


# --- docker-registry as a mirror --------------------------------------------------------------------------------------


@contextlib.contextmanager
def mirror(served: Served, work: Path) -> t.Iterator[Served]:
    """Debian's docker-registry, which pulls through from our server what it does not have."""
    address = f"127.0.0.1:{free_port()}"
    # its username and password are for token servers alone, so they stand in the URL
    user = f"{USERNAME}:{served.way.password}@" if served.way.password else ""
    remote = served.url.replace("://", f"://{user}")
    storage = f"storage: {{filesystem: {{rootdirectory: {work / 'storage'}}}}}"
    config = work / "config.yml"
    config.write_text(
        "\n".join(["version: 0.1", storage, "http:", f"  addr: {address}", "proxy:", f"  remoteurl: {remote}", ""])
    )
    environment = dict(os.environ)
    if served.way.authority is not None:
        environment["SSL_CERT_FILE"] = str(served.way.authority.path)
    with program("docker-registry", "serve", config, log=work / "log", address=address, environment=environment):
        yield Served(address, Way("plain"))


@contextlib.contextmanager
def program(name: str, *arguments: str | Path, log: Path, address: str, environment: t.Any = None) -> t.Iterator[None]:
    """A server of somebody else's; enters the block once it answers."""
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise PeerError(f"{name} is not installed; it comes with the Debian package of that name.")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [path, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment
        )
        with ended(process):
            wait_for(address, process, log)
            yield


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + 30
    while time.monotonic() < limit and process.poll() is None:
        with contextlib.suppress(OSError):
            if Served(address, Way("plain")).get("/v2/").status == 200:
                return
        time.sleep(0.05)
    raise PeerError(f"{process.args!r} does not answer:\n{log.read_text()}")


# docker-registry has no client certificate to show
@pytest.mark.parametrize("name", ["plain", "tls", "basic"])
def test_docker_registry_mirrors_us(servers: dict[str, Served], place: Path, tmp_path: Path, name: str) -> None:
    with mirror(servers[name], tmp_path) as mirrored:
        skopeo_copy(mirrored, place, ":many", f"oci:{tmp_path}/copy:many", "--all", "--preserve-digests")
        answer = mirrored.get(f"/v2/{NAME}/manifests/1.0", Accept=images.OCI_MANIFEST)
        assert (answer.status, answer.body) == (200, IMAGE.data)
        assert mirrored.get(BLOB).body == BASE.data
        assert json.loads(mirrored.get(f"/v2/{NAME}/tags/list").body)["tags"] == sorted(TAGGED)
    copied = {path.name for path in (tmp_path / "copy" / "blobs" / "sha256").iterdir()}
    assert copied == {digest.partition(":")[2] for digest in MANY.blobs()}
    kept = tmp_path / "storage" / "docker" / "registry" / "v2" / "blobs" / "sha256"
    assert BASE.digest.partition(":")[2] in {path.name for path in kept.glob("*/*")}


# --- curl -------------------------------------------------------------------------------------------------------------


def curl(served: Served, *options: str | Path, path: str = BLOB) -> bytes:
    way, known = served.way, ["--silent", "--show-error", "--fail"]
    if way.authority is not None:
        known += ["--cacert", str(way.authority.path)]
    if way.client is not None:
        known += ["--cert", str(way.client.cert), "--key", str(way.client.key)]
    if way.password:
        known += ["--user", f"{USERNAME}:{way.password}"]
    done = subprocess.run(
        ["curl", *known, *map(str, options), served.url + path], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("range_", "expected"),
    [("0-99", BASE.data[:100]), ("100-", BASE.data[100:]), ("-7", BASE.data[-7:]), ("5-5", BASE.data[5:6])],
)
def test_curl_ranges(served: Served, range_: str, expected: bytes) -> None:
    assert curl(served, "--range", range_) == expected


def test_curl_several_ranges(served: Served) -> None:
    head, dummy, body = curl(served, "--include", "--range", "0-9,100000-199999,-5").partition(b"\r\n\r\n")
    (length,) = [
        int(line.split(b" ")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
    ]
    assert length == len(body)
    content_type = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:"))
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(content_type + b"\r\n\r\n" + body)
    parts: t.Any = message.get_payload()
    size = BASE.size
    assert [part["Content-Range"] for part in parts] == [
        f"bytes 0-9/{size}",
        f"bytes 100000-199999/{size}",
        f"bytes {size - 5}-{size - 1}/{size}",
    ]
    assert BASE.data[100_000:200_000] in body


def test_curl_goes_on_where_it_broke_off(served: Served, tmp_path: Path) -> None:
    partial = tmp_path / "blob"
    partial.write_bytes(BASE.data[:100_000])
    curl(served, "--continue-at", "-", "--output", partial)
    assert partial.read_bytes() == BASE.data


def test_curl_does_not_take_what_it_has(served: Served, tmp_path: Path) -> None:
    path, tag = f"/v2/{NAME}/manifests/1.0", tmp_path / "etag"
    assert curl(served, "--etag-save", tag, path=path) == IMAGE.data
    assert curl(served, "--etag-compare", tag, "--write-out", "%{http_code}", path=path) == b"304"


# --- our modules ------------------------------------------------------------------------------------------------------


PLAY: list[dict[str, t.Any]] = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"group/attested.registry.registry": "{{ registry_options }}"},
        "tasks": [
            {"attested.registry.oci_tags": {}, "register": "tags"},
            {"attested.registry.oci_image_info": {"reference": "1.0"}, "register": "info"},
            {"attested.registry.oci_image_unpack": {"reference": "1.0", "dest": "{{ dest }}"}, "register": "first"},
            {"attested.registry.oci_image_unpack": {"reference": "1.0", "dest": "{{ dest }}"}, "register": "second"},
            {
                "ansible.builtin.assert": {
                    "that": [
                        "tags.tags == expected_tags",
                        "info.image.digest == expected_digest",
                        "first is changed",
                        "second is not changed",
                    ]
                }
            },
        ],
    }
]


def module_options(way: Way) -> dict[str, t.Any]:
    options: dict[str, t.Any] = {"tls": "no-tls" if way.authority is None else "tls"}
    if way.authority is not None:
        options["ca_path"] = str(way.authority.path)
    if way.password:
        options.update(username=USERNAME, password=way.password)
    if way.client is not None:
        options.update(client_cert=str(way.client.cert), client_key=str(way.client.key))
    return options


def test_our_modules(served: Served, tmp_path: Path) -> None:
    variables = {
        "registry_options": {"registry": served.address, "repository": NAME, **module_options(served.way)},
        "expected_tags": sorted(TAGGED),
        "expected_digest": IMAGE.digest,
        "dest": str(tmp_path / "rootfs"),
        "ansible_python_interpreter": sys.executable,
    }
    (tmp_path / "play.yml").write_text(json.dumps(PLAY))
    (tmp_path / "variables.json").write_text(json.dumps(variables))
    play = ("playbook", "-i", "localhost,", "-c", "local", "-e", f"@{tmp_path}/variables.json", tmp_path / "play.yml")
    output = run(sys.executable, "-m", "ansible", *play)
    assert "failed=0" in output
    assert served.way.password is None or served.way.password not in output
    assert {path.name for path in (tmp_path / "rootfs" / "etc").iterdir()} == {"issue"}


# --- nginx in front ---------------------------------------------------------------------------------------------------


NGINX = """
daemon off; master_process off; pid {work}/pid; error_log {work}/error.log;
events {{}}
http {{
  access_log off; sendfile on; client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/fastcgi; uwsgi_temp_path {work}/uwsgi; scgi_temp_path {work}/scgi;
  server {{
    listen {address};
    location / {{
      proxy_pass http://{backend}; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
    location /registry-files/ {{
      internal; alias {root}/; max_ranges 16;
      # the answer's own validators, not those of the file
      etag off; if_modified_since off; add_header Last-Modified "";
      add_header ETag $upstream_http_etag;
      add_header Docker-Content-Digest $upstream_http_docker_content_digest;
      add_header Docker-Distribution-API-Version registry/2.0;
      add_header X-Content-Type-Options nosniff;
    }}
  }}
}}
"""


@pytest.fixture(scope="session")
def nginx(place: Path, root: Path) -> t.Iterator[Served]:
    """nginx, which sends the blobs itself."""
    work, address = place / "nginx", f"127.0.0.1:{free_port()}"
    work.mkdir()
    with serving(root, place / "log-nginx", Way("plain"), "--accel", "/registry-files/") as served:
        config = work / "nginx.conf"
        config.write_text(NGINX.format(work=work, address=address, backend=served.address, root=root))
        with program("nginx", "-p", work, "-c", config, log=work / "log", address=address):
            yield Served(address, Way("plain"))


def test_nginx_sends_blobs(nginx: Served, servers: dict[str, Served]) -> None:
    answer, direct = nginx.get(BLOB), servers["plain"].get(BLOB)
    assert (answer.status, answer.body) == (200, BASE.data)
    same = (
        "docker-content-digest",
        "etag",
        "content-length",
        "content-type",
        "cache-control",
        "x-content-type-options",
    )
    assert {name: answer.headers.get(name) for name in same} == {name: direct.headers.get(name) for name in same}
    assert answer.headers["server"].startswith("nginx")
    assert "last-modified" not in answer.headers
    assert "x-accel-redirect" not in answer.headers
    assert nginx.get(BLOB, method="HEAD").headers["content-length"] == str(BASE.size)


def test_nginx_sends_parts_of_blobs(nginx: Served) -> None:
    answer = nginx.get(BLOB, Range="bytes=10-19")
    assert (answer.status, answer.body) == (206, BASE.data[10:20])
    assert answer.headers["content-range"] == f"bytes 10-19/{BASE.size}"
    assert answer.headers["docker-content-digest"] == BASE.digest
    assert nginx.get(BLOB, Range="bytes=0-1,5-6").status == 206
    assert nginx.get(BLOB, Range="bytes=99999999-").status == 416
    assert nginx.get(BLOB, If_None_Match=f'"{BASE.digest}"').status == 304


def test_nginx_serves_no_file_directly(nginx: Served) -> None:
    inside = f"/registry-files/{NAME}"
    for path in (f"{inside}/index.json", f"{inside}/blobs/{BASE.digest.replace(':', '/')}", "/registry-files/"):
        assert nginx.get(path).status == 404
    assert nginx.get(f"/v2/{NAME}/blobs/{images.digest_of(b'?')}").status == 404


def test_skopeo_copies_through_nginx(nginx: Served, place: Path, tmp_path: Path) -> None:
    skopeo_copy(nginx, place, ":many", f"oci:{tmp_path}/copy:many", "--all", "--preserve-digests")
    assert len(list((tmp_path / "copy" / "blobs" / "sha256").iterdir())) == len(MANY.blobs())
