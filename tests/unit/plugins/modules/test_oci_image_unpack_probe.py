# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probe returns what oci_image_unpack would return, or does not know; it never hides a change, and makes none."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import threading
import typing as t
from dataclasses import dataclass

import pytest
import yaml
from ansible_collections.attested.registry.plugins.module_utils._module.image import probe
from ansible_collections.attested.registry.plugins.module_utils._registry import plain_head
from ansible_collections.attested.registry.tests.support.attestation.certificates import Authority, server_context
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.written_files import identity
from ansible_collections.attested.registry.tests.support.processes import children
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply
from ansible_collections.attested.registry.tests.support.registries.registry_replies import redirect

HEADS = "/manifests/"


@dataclass
class Place:
    """A tree that was unpacked, its registry, and the modules."""

    dest: pathlib.Path
    registry: FaultyRegistry
    run_module: t.Any
    options: dict[str, t.Any]
    patch: pytest.MonkeyPatch

    @property
    def state(self) -> pathlib.Path:
        return self.dest.parent / f".{self.dest.name}.oci"

    @property
    def answer(self) -> pathlib.Path:
        return self.state / "answer.json"

    @property
    def generation(self) -> pathlib.Path:
        return self.state / "generations" / "1"

    def unpack(self, **options: t.Any) -> t.Any:
        return self._run("oci_image_unpack", options)

    def probe(self, **options: t.Any) -> t.Any:
        return self._run("oci_image_unpack_probe", options)

    def _run(self, name: str, options: dict[str, t.Any]) -> t.Any:
        """Run a module; None stands for an option that is not given."""
        given = {**self.options, **options}
        return self.run_module(name, **{name: value for name, value in given.items() if value is not None})

    def edit_answer(self, **fields: t.Any) -> None:
        """Change fields of the kept answer, with a right checksum."""
        text = json.dumps({**json.loads(self.answer.read_bytes().partition(b"\n")[2]), **fields}).encode()
        self.answer.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


@pytest.fixture
def place(
    run_module: t.Any,
    registry: FaultyRegistry,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    old: images.Image,
    new: images.Image,
) -> Place:
    registry.publish("team/app", {"1": old, "2": new, "moving": old})
    options = {"registry": registry.name, "repository": "team/app", "reference": "1", "dest": str(tmp_path / "tree")}
    options |= {"ownership": False, "platform": "linux/amd64", "retries": 0, "timeout": 5, "lock_timeout": 0}
    made = Place(tmp_path / "tree", registry, run_module, options, monkeypatch)
    assert made.unpack()["changed"]
    assert made.answer.exists()
    return made


def everything(path: pathlib.Path) -> list[t.Any]:
    """All below a directory; any change shows."""
    found = []
    for entry in sorted(path.rglob("*")):
        about = entry.lstat()
        found.append((str(entry), about.st_ino, about.st_mode, about.st_mtime_ns, about.st_ctime_ns))
    return found


def without_times(results: dict[str, t.Any]) -> dict[str, t.Any]:
    stats = {name: value for name, value in results["stats"].items() if name != "seconds"}
    return {**results, "stats": stats}


def ask_both(place: Place, options: dict[str, t.Any], **modes: bool) -> tuple[t.Any, t.Any]:
    """Run the probe, which must change nothing, and then the module; what the probe knows must be the same."""
    before = everything(place.dest.parent)
    found = place.probe(**options, **modes)
    assert everything(place.dest.parent) == before
    full = place.unpack(**options, **modes)
    if found.results.get("unchanged"):
        assert (full.failed, full.warnings) == (False, [])
        assert full["changed"] is False
        known = without_times({name: value for name, value in found.results.items() if name != "unchanged"})
        assert json.dumps(known) == json.dumps(without_times(full.results))
        assert set(found["stats"]["seconds"]) == set(full["stats"]["seconds"])
    elif not found.failed:
        assert found.results["unchanged"] is found.results["changed"] is False
    return found, full


def asked(place: Place, **options: t.Any) -> dict[str, t.Any]:
    """Let a task keep its answer for these options."""
    assert not place.unpack(**options).failed
    return options


def digest_of(place: Place) -> str:
    return str(place.unpack(check=True)["image"]["digest"])


KNOWN: dict[str, t.Callable[[Place], t.Any]] = {
    "nothing changed": lambda place: {},
    "a directory and a file that were read": lambda place: os.utime(place.dest / "etc", ns=(5, 5)),
    "a tag with its digest": lambda place: asked(place, reference=f"1@{digest_of(place)}"),
    "a digest": lambda place: asked(place, reference=None, digest=digest_of(place)),
    "the full name of the image": lambda place: asked(
        place, image=f"{place.registry.name}/team/app:1", registry=None, repository=None, reference=None
    ),
    "aliases of options": lambda place: asked(place, repository=None, app_name="team/app"),
    "pull: missing": lambda place: asked(place, pull="missing"),
    "drift: none": lambda place: asked(place, drift="none"),
    "a tree that has drifted, with drift: none": lambda place: (
        (place.dest / "more").touch() or asked(place, drift="none")
    ),
    "a part of the image": lambda place: asked(place, include=["/etc/"], strip="etc"),
    "mount points": lambda place: asked(place, mount_points=["/proc/"], mount_files=["/etc/resolv.conf"]),
    "the platform of the host": lambda place: asked(place, platform=None),
    "other limits": lambda place: asked(place, total_timeout=9, parallel=2, keep_generations=3),
    "a tag that was moved back": lambda place: asked(place, reference="moving"),
}


@pytest.mark.parametrize(
    "modes",
    [
        {},
        pytest.param({"check": True}, marks=pytest.mark.exhaustive),
        pytest.param({"diff": True}, marks=pytest.mark.exhaustive),
        {"check": True, "diff": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("arrange", KNOWN.values(), ids=KNOWN)
def test_the_probe_knows_what_the_module_would_return(
    place: Place, arrange: t.Callable[[Place], t.Any], modes: dict[str, bool]
) -> None:
    options = arrange(place) or {}
    found, dummy = ask_both(place, options, **modes)
    assert found["unchanged"] is True
    assert ("diff" in found.results) is modes.get("diff", False)


def write(path: pathlib.Path, data: str = "x") -> None:
    path.write_text(data)


def cut(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: pathlib.Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def held_lock(place: Place) -> None:
    fd = os.open(place.state / "lock", os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    place.patch.setattr(place, "run_module", unlocking(place.run_module, fd), raising=True)


def unlocking(run_module: t.Any, fd: int) -> t.Any:
    def run(name: str, /, **options: t.Any) -> t.Any:
        if name == "oci_image_unpack":
            os.close(fd)
        return run_module(name, **options)

    return run


def pending(place: Place) -> None:
    state = place.state / "state.json"
    change = {"operation": "roll_back", "root": 1, "generation": 1, "previous": 1, "drifted": False}
    state.write_text(json.dumps({**json.loads(state.read_text()), "pending": change}))


def upgraded(place: Place) -> None:
    place.registry.add_tag("team/app", "1", place.registry.repositories["team/app"].tags["2"])


def rolled_back(place: Place) -> None:
    place.unpack(reference="2")
    place.run_module("oci_image_unpack", dest=str(place.dest), state="rolled_back")


def moved_away(place: Place) -> None:
    place.dest.rename(place.dest.parent / "elsewhere")


def foreign(place: Place) -> dict[str, t.Any]:
    shutil.rmtree(place.state)
    return {"force": True}


def replaced(place: Place) -> None:
    shutil.rmtree(place.dest)
    (place.dest / "etc").mkdir(parents=True)
    write(place.dest / "etc/motd", "hello\n")


def layout(place: Place) -> dict[str, t.Any]:
    return {"layout": str(place.dest.parent / "missing"), "repository": None}


def edited(place: Place) -> None:
    """Change the text of the answer, and not its checksum."""
    data = place.answer.read_bytes()
    assert b'"results": ' in data
    place.answer.write_bytes(data.replace(b'"results": ', b'"results":  '))


def proxied(place: Place, name: str) -> None:
    place.patch.setenv(name, "http://127.0.0.1:9")


def other_machine(place: Place) -> dict[str, t.Any]:
    options = asked(place, platform=None)
    found = os.uname()
    names = {"sysname": found.sysname, "machine": "riscv64"}
    place.patch.setattr(probe.os, "uname", type("Host", (), names))
    return options


def at_first_head(place: Place, **reply: t.Any) -> None:
    place.registry.on(HEADS, Reply(**reply), method="HEAD", times=1)


def world_writable(place: Place) -> None:
    place.dest.parent.chmod(0o777)


def loosened(place: Place) -> None:
    place.state.chmod(0o755)


DIGEST = "Docker-Content-Digest"

UNKNOWN: dict[str, t.Callable[[Place], t.Any]] = {
    # the tree
    "an added file": lambda place: write(place.dest / "etc/added"),
    "an added directory": lambda place: (place.dest / "etc/added").mkdir(),
    "a removed file": lambda place: (place.dest / "etc/motd").unlink(),
    "a file of another size": lambda place: write(place.dest / "etc/motd"),
    "a file with another mode": lambda place: (place.dest / "etc/motd").chmod(0o600),
    "a file with another mtime": lambda place: os.utime(place.dest / "etc/motd", ns=(5, 5)),
    "a file that became a directory": lambda place: (
        (place.dest / "etc/motd").unlink() or (place.dest / "etc/motd").mkdir()
    ),
    "a root with another mode": lambda place: place.dest.chmod(0o700),
    "another tree": replaced,
    "no tree": lambda place: shutil.rmtree(place.dest),
    "a tree that was moved away": moved_away,
    "a file in its place": lambda place: shutil.rmtree(place.dest) or write(place.dest),
    # the state directory
    "no state": lambda place: shutil.rmtree(place.state),
    "a foreign tree": foreign,
    "a removed answer": lambda place: place.answer.unlink(),
    "an answer that is cut off": lambda place: cut(place.answer),
    "a damaged answer": lambda place: flip(place.answer),
    "an answer that was edited": edited,
    "an empty answer": lambda place: write(place.answer, ""),
    "an answer that is a directory": lambda place: place.answer.unlink() or place.answer.mkdir(),
    "an answer of another version": lambda place: place.edit_answer(format=probe.FORMAT + 1),
    "an answer without fields": lambda place: place.edit_answer(head="x", files=[]),
    "a damaged state": lambda place: flip(place.state / "state.json"),
    "no state.json": lambda place: (place.state / "state.json").unlink(),
    "a damaged stamp": lambda place: flip(place.generation / "stamp.json"),
    "a stamp of another version": lambda place: write(place.generation / "stamp.json", '{"format": 2}'),
    "no stamp": lambda place: (place.generation / "stamp.json").unlink(),
    "a record that is cut off": lambda place: cut(place.generation / "tree"),
    "a damaged record": lambda place: write(place.generation / "tree"),
    "no record": lambda place: (place.generation / "tree").unlink(),
    "an interrupted change": pending,
    "what a killed run left": lambda place: (place.state / "staging-0123").mkdir(),
    "a generation that a killed run left": lambda place: (place.state / "generations/7").mkdir(),
    "a lock that another run holds": held_lock,
    "a state directory that others can read": loosened,
    "a parent directory that others can write to": world_writable,
    "a tree that was rolled back": rolled_back,
    # the registry
    "another image by the same tag": upgraded,
    "a repository that is gone": lambda place: place.registry.repositories.clear(),
    "no digest": lambda place: at_first_head(place, drop=(DIGEST,)),
    "a malformed digest": lambda place: at_first_head(place, headers={DIGEST: "sha256:x"}),
    "two digests": lambda place: at_first_head(place, headers=((DIGEST, "sha256:" + 64 * "0"),)),
    "a warning": lambda place: at_first_head(place, headers={"Warning": '299 - "soon gone"'}),
    "another status": lambda place: at_first_head(place, status=202),
    "an error": lambda place: at_first_head(place, status=500),
    "a challenge": lambda place: setattr(place.registry, "auth", "bearer"),
    "a redirect": lambda place: place.registry.on("/manifests/1", redirect("/v2/team/app/manifests/2"), times=1),
    "a broken answer": lambda place: at_first_head(place, raw=b"HTTP/1.1 200 OK\r\nDocker-Content-Digest"),
    # the host
    "a proxy": lambda place: proxied(place, "http_proxy"),
    "a proxy for all": lambda place: proxied(place, "ALL_PROXY"),
    "another machine": other_machine,
    # other options
    "another reference": lambda place: {"reference": "2"},
    "another platform": lambda place: {"platform": "linux/arm64"},
    "another selection": lambda place: {"exclude": ["etc/motd"]},
    "another ownership": lambda place: {"ownership": True},
    "other xattrs": lambda place: {"xattrs": "skip"},
    "drift: content": lambda place: {"drift": "content"},
    "an invalid number": lambda place: {"keep_generations": -1},
    "an invalid type": lambda place: {"keep_generations": "many"},
    "an option that does not exist": lambda place: {"no_such_option": 1},
    "state: absent": lambda place: {"state": "absent"},
    "state: rolled_back": lambda place: {"state": "rolled_back"},
    "a layout": layout,
    "a mirror": lambda place: {"mirrors": [place.registry.name]},
    "a signature": lambda place: {"signature": {"keys": ["/missing"]}},
    "a cache": lambda place: {"cache": str(place.dest.parent / "cache")},
    "a login": lambda place: {"username": "user", "password": "s3cret"},
    "a token": lambda place: {"token": "s3cret"},
    "an identity token": lambda place: {"identity_token": "s3cret"},
    "an auth file": lambda place: {"auth_file": "/missing"},
    "validate_certs: false": lambda place: {"validate_certs": False},
    "tls": lambda place: {"tls": "tls"},
    "ra-tls": lambda place: {"tls": "ra-tls", "ratls": {"evidence": "rsi"}},
    "a client certificate": lambda place: {"client_cert": "/missing"},
    "a tag that YAML reads as a number": lambda place: {"reference": 1.0},
}


@pytest.mark.parametrize("arrange", UNKNOWN.values(), ids=UNKNOWN)
def test_the_probe_does_not_know(place: Place, arrange: t.Callable[[Place], t.Any]) -> None:
    options = arrange(place) or {}
    found, dummy = ask_both(place, options)
    assert found.failed or found["unchanged"] is False
    assert "image" not in found.results


@pytest.mark.parametrize("name", probe.UNANSWERED)
def test_no_option_without_an_answer_is_forgotten_when_an_answer_is_kept(place: Place, name: str) -> None:
    assert probe.is_answerable({})
    assert not probe.is_answerable({name: ["x"]})


def test_nothing_is_kept_in_check_mode(place: Place) -> None:
    place.answer.unlink()
    assert not place.unpack(check=True)["changed"]
    assert not place.answer.exists()
    assert not place.unpack()["changed"]
    assert place.answer.exists()


def test_nothing_is_kept_after_a_warning(place: Place) -> None:
    """A task without a probe would repeat the warning."""
    place.dest.parent.chmod(0o777)
    (place.dest.parent / "below").mkdir()
    run = place.unpack(reference="2", dest=str(place.dest.parent / "below/tree"))
    assert run["changed"]
    assert "Another user can replace the destination" in run.warnings[0]
    assert not (place.dest.parent / "below/.tree.oci/answer.json").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a directory to another group")
def test_the_probe_does_not_answer_where_the_module_warns_of_another_user(place: Place) -> None:
    os.chown(place.dest.parent, -1, 65534)
    place.dest.parent.chmod(0o775)
    found = place.probe()
    assert (found.failed, found["unchanged"]) == (False, False)
    run = place.unpack()
    assert run["changed"] is False
    assert "the group id 65534 can write" in run.warnings[0]


def test_nothing_is_kept_behind_a_login(place: Place) -> None:
    place.answer.unlink()
    place.registry.auth = "bearer"
    for reference in ("2", "2"):
        run = place.unpack(reference=reference)
        assert not run.failed
        assert run["stats"]["requests"] > 1
        assert not place.answer.exists()


def test_nothing_is_kept_of_an_image_for_another_platform(place: Place, old: images.Image) -> None:
    other = images.image([images.layer([images.file("a")])], platform="linux/s390x")
    place.registry.publish("team/app", {"s390x": other})
    run = place.unpack(reference="s390x", platform=None)
    assert run["changed"]
    assert run.warnings
    assert place.probe(reference="s390x", platform=None)["unchanged"] is False


def test_the_same_answer_is_not_written_again(place: Place) -> None:
    before = identity(place.answer)
    place.unpack()
    assert identity(place.answer) == before
    place.unpack(parallel=3)
    assert identity(place.answer) != before


def test_the_answer_has_no_secret_and_only_its_owner_can_read_it(place: Place) -> None:
    place.answer.unlink()
    run = place.unpack(username="user", password="s3cret")
    assert not run.failed
    assert not place.answer.exists()
    place.unpack()
    assert place.answer.stat().st_mode & 0o777 == 0o600


def test_a_read_only_state_directory_is_no_failure(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.answer.unlink()

    def refuse(*args: t.Any, **kwargs: t.Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "rename", refuse)
    run = place.unpack()
    assert (run.failed, run.warnings) == (False, [])


def test_removing_the_tree_leaves_nothing(place: Place) -> None:
    (place.state / "answer.json.new-0123456789abcdef").touch()
    assert place.run_module("oci_image_unpack", dest=str(place.dest), state="absent")["changed"]
    assert list(place.dest.parent.iterdir()) == []


def test_the_next_run_removes_what_a_killed_run_wrote(place: Place) -> None:
    (place.state / "answer.json.new-0123456789abcdef").touch()
    assert place.probe()["unchanged"] is False
    assert not place.unpack()["changed"]
    assert place.probe()["unchanged"] is True


def test_both_send_the_same_request(place: Place) -> None:
    place.registry.clear()
    ask_both(place, {})
    of_probe, of_module = place.registry.requests
    assert (of_probe.method, of_probe.target) == (of_module.method, of_module.target) == ("HEAD", of_probe.target)
    assert sorted(of_probe.headers.items()) == sorted(of_module.headers.items())


def test_no_request_is_sent_where_the_module_sends_none(place: Place) -> None:
    options = asked(place, pull="missing")
    place.registry.clear()
    assert place.probe(**options)["stats"]["requests"] == 0
    assert place.registry.requests == []


def test_secrets_are_masked_in_the_results(place: Place) -> None:
    mirror = {"registry": "mirror.example", "username": "user", "password": "s3cret-of-mirror"}
    for options in ({"username": "user", "password": "s3cret"}, {"token": "s3cret"}, {"mirrors": [mirror]}):
        assert "s3cret" not in place.probe(**options).output


def test_a_slow_registry_is_left_to_the_module(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_head, "_PATIENCE", 0.05)
    answered = threading.Event()
    place.registry.on(HEADS, Reply(hold=answered), method="HEAD", times=1)
    assert place.probe()["unchanged"] is False
    answered.set()


@pytest.mark.skipif(not children.may_mount(), reason="needs mounts of its own")
def test_a_mount_in_the_tree_is_left_to_the_module(place: Place) -> None:
    def use() -> list[bool]:
        children.mount_tmpfs(place.dest / "etc", "size=1m,mode=755")
        options = {"drift": "none"}
        return [place.probe(**options)["unchanged"]]

    place.unpack(drift="none")
    assert place.probe(drift="none")["unchanged"] is True
    assert children.run(use, own_mounts=True) == [False]


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.mark.parametrize("of", ["file", "directory"])
def test_tls_is_verified_as_by_the_module(
    run_module: t.Any,
    tmp_path: pathlib.Path,
    authority: Authority,
    old: images.Image,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    of: str,
) -> None:
    with FaultyRegistry(tls=server_context(authority.server())) as registry:
        registry.publish("team/app", {"1": old})
        folder = tmp_path_factory.mktemp("ca")
        shutil.copy(authority.path, folder / "ca.pem")
        ca = str(folder if of == "directory" else folder / "ca.pem")
        options = {"registry": registry.name, "repository": "team/app", "reference": "1", "ca_path": ca}
        options |= {"dest": str(tmp_path / "tree"), "ownership": False, "platform": "linux/amd64", "retries": 0}
        place = Place(tmp_path / "tree", registry, run_module, options, monkeypatch)
        assert place.unpack()["changed"]
        found, dummy = ask_both(place, {})
        assert found["unchanged"] is True

        other = Authority(tmp_path_factory.mktemp("other"), "other")
        shutil.copy(other.path, folder / "ca.pem")
        found, full = ask_both(place, {})
        assert found["unchanged"] is False
        assert full.failed


# The format of answers in each release. A release that returns or checks something else needs another one: else a host
# would return what an earlier release has kept.
FORMATS = {"0.3.0": 1}


def test_the_format_of_answers_was_considered_for_this_release() -> None:
    galaxy = yaml.safe_load((pathlib.Path(__file__).parents[4] / "galaxy.yml").read_text())
    assert FORMATS[galaxy["version"]] == probe.FORMAT
