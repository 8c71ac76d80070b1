# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The option signature: nothing unsigned is published, and what is there stays; an unchanged run looks no further."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.attested.registry.tests.support.images import archives, images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    SigningKey,
    bundle,
    islet_annotations,
    referrer,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import FaultyRegistry, Reply, error

KEY, SECOND = SigningKey.make("p256"), SigningKey.make("ed25519", "second")
ROOT, VENDOR = SigningKey.make("p384", "root"), SigningKey.make("p384", "vendor")
THAT_WRITE = ["oci_image_unpack", "oci_image_export", "oci_layout", "oci_archive", "oci_artifact"]
ALL = ["oci_image_info", *THAT_WRITE]


@dataclass
class Place:
    """A module and its destination, with the registry that it uses."""

    name: str
    run_module: t.Any
    registry: FaultyRegistry
    root: Path

    @property
    def dest(self) -> Path:
        return self.root / "dest"

    def run(self, key: SigningKey | None = KEY, *, check: bool = False, diff: bool = False, **options: t.Any) -> t.Any:
        settings: dict[str, t.Any] = {"registry": self.registry.name, "repository": "team/app", "reference": "1"}
        if self.name != "oci_image_info":
            settings["dest"] = str(self.dest)
        if key is not None:
            settings["signature"] = self.signature(key)
        settings.update(options)
        return self.run_module(
            self.name, check=check, diff=diff, **{k: value for k, value in settings.items() if value is not None}
        )

    def signature(self, *keys: SigningKey, **options: t.Any) -> dict[str, t.Any]:
        paths = [key.write(self.root / f"{key.fingerprint[7:15]}.pub") for key in keys]
        return {"keys": paths, **options}

    def sign(
        self, content: images.Content, *keys: SigningKey, name: str = "team/app", repository: str = "team/app"
    ) -> None:
        """Sign as cosign does, in the format of tags."""
        layers = [simple_signing(key, content.digest, f"{self.registry.name}/{name}") for key in keys]
        self.registry.publish(repository, {signature_tag(content.digest): signatures(layers)})

    def found(self) -> t.Any:
        """Return what is at the destination, to be compared."""
        if self.dest.is_file():
            return self.dest.read_bytes()
        return {str(path.relative_to(self.dest)): path.is_file() and path.read_bytes() for path in self.dest.rglob("*")}


def published(module: str, text: bytes) -> images.Content:
    """Return what the module is for: an image, or an artifact of one file."""
    if module != "oci_artifact":
        return images.image([images.layer([images.file("motd", text)])])
    file = images.Content(text, "text/plain", {"org.opencontainers.image.title": "motd"})
    changes = {"layers": [file.descriptor(annotations=dict(file.annotations))]}
    return images.artifact("application/vnd.example", [file], changes=changes)


@pytest.fixture
def place(request: pytest.FixtureRequest, run_module: t.Any, registry: FaultyRegistry, tmp_path: Path) -> Place:
    return Place(request.param, run_module, registry, tmp_path)


every_module = pytest.mark.parametrize("place", ALL, indirect=True)
every_writer = pytest.mark.parametrize("place", THAT_WRITE, indirect=True)
unpack = pytest.mark.parametrize("place", ["oci_image_unpack"], indirect=True)


@every_module
def test_a_signed_image_is_used_and_the_key_returned(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.sign(content, KEY)
    run = place.run(diff=place.name != "oci_image_info")
    assert not run.failed, run.output
    assert run["signature"] == {
        "format": "cosign",
        "key": KEY.fingerprint,
        "keys": [KEY.fingerprint],
        "digest": content.digest,
        "identity": f"{place.registry.name}/team/app:1",
    }
    if place.name in ("oci_image_unpack", "oci_image_export", "oci_layout", "oci_archive"):
        assert run["diff"]["after"]["signature"] == run["signature"]


@every_writer
@pytest.mark.parametrize("check", [False, True])
def test_what_is_not_signed_is_not_published_and_what_is_there_stays(place: Place, check: bool) -> None:
    old, new = published(place.name, b"old\n"), published(place.name, b"new\n")
    place.registry.publish("team/app", {"1": old})
    place.sign(old, KEY)
    assert place.run()["changed"]
    before = place.found()
    place.registry.publish("team/app", {"1": new})
    place.sign(new, SECOND)
    place.registry.clear()
    run = place.run(check=check)
    assert run.failed
    assert run["error"]["kind"] == "signature_invalid"
    assert run["error"]["digest"] == new.digest
    assert "made with another key" in run["msg"]
    assert place.found() == before
    layers = [child.digest for child in new.children if child.data != b"{}" and "config" not in child.media_type]
    assert not any(place.registry.sent(digest) for digest in layers)


@every_writer
def test_nothing_is_made_for_an_unsigned_image(place: Place) -> None:
    place.registry.publish("team/app", {"1": published(place.name, b"hello\n")})
    run = place.run()
    assert run["error"]["kind"] == "signature_invalid"
    assert "there are no signatures" in run["msg"]
    assert not place.dest.exists()


@every_writer
def test_the_second_run_is_unchanged(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.sign(content, KEY)
    assert place.run(check=True)["changed"]
    assert place.run()["changed"]
    run = place.run()
    assert run["changed"] is False
    assert run["signature"]["key"] == KEY.fingerprint


@every_module
def test_check_mode_returns_the_signature(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.sign(content, KEY)
    assert place.run(check=True)["signature"]["digest"] == content.digest


@every_module
def test_bundles_are_found_as_referrers(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.registry.add_content("team/app", referrer(content, bundle(KEY, content.digest)))
    assert place.run(signature=place.signature(KEY, identity="none"))["signature"]["identity"] is None
    refused = place.run()
    assert refused["error"]["kind"] == "signature_invalid"
    assert "signature.identity=none" in refused["msg"]


@every_module
def test_an_image_signed_for_another_repository_is_a_replay(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.sign(content, KEY, name="team/other")
    assert "team/other" in place.run()["msg"]
    assert not place.run(signature=place.signature(KEY, identity="none")).failed


@every_module
def test_a_bad_key_file_is_named_before_anything_is_asked(place: Place) -> None:
    run = place.run(signature={"keys": [str(place.root / "missing.pub")]})
    assert run["error"]["kind"] == "configuration"
    assert "missing.pub of the option signature failed" in run["msg"]
    assert place.registry.requests == []


@every_module
def test_a_private_key_is_refused_and_not_shown(place: Place) -> None:
    path = place.root / "cosign.key"
    path.write_bytes(KEY.private_pem)
    run = place.run(signature={"keys": [str(path)]})
    assert "it is a private key" in run["msg"]
    assert KEY.private_pem.decode().splitlines()[1] not in run.output


@every_module
def test_a_private_key_in_place_of_its_path_is_not_shown(place: Place) -> None:
    run = place.run(signature={"keys": [KEY.private_pem.decode()]})
    assert "it is a private key" in run["msg"]
    assert KEY.private_pem.decode().splitlines()[1] not in run.output


@every_module
def test_a_key_may_be_given_itself(place: Place) -> None:
    content = published(place.name, b"hello\n")
    place.registry.publish("team/app", {"1": content})
    place.sign(content, KEY)
    other, right = (Path(key.write(place.root / "key.pub")).read_text() for key in (SECOND, KEY))
    refused = place.run(signature={"keys": [other]})
    assert (refused["error"]["kind"], SECOND.fingerprint in refused["msg"]) == ("signature_invalid", True)
    run = place.run(signature={"keys": [right]})
    assert run["signature"]["key"] == KEY.fingerprint


def test_tasks_without_the_option_do_not_wait_for_the_library_cryptography() -> None:
    names = [f"ansible_collections.attested.registry.plugins.modules.{name}" for name in [*ALL, "oci_image_copy"]]
    code = f"import sys; sys.path[:] = {sys.path!r}; import {', '.join(names)}; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@unpack
def test_several_keys_must_have_signed(place: Place, base: images.Layer) -> None:
    image = images.image([base])
    place.registry.publish("team/app", {"1": image})
    place.sign(image, KEY)
    both = place.signature(KEY, SECOND, signatures=2)
    assert "and 1 did" in place.run(signature=both)["msg"]
    place.sign(image, KEY, SECOND)
    assert place.run(signature=both)["signature"]["keys"] == [KEY.fingerprint, SECOND.fingerprint]


# --- the stamp of oci_image_unpack -----------------------------------------------------------------------------------


@pytest.fixture
def unpacked(run_module: t.Any, registry: FaultyRegistry, tmp_path: Path, old: images.Image) -> Place:
    place = Place("oci_image_unpack", run_module, registry, tmp_path)
    registry.publish("team/app", {"1": old})
    place.sign(old, KEY)
    assert place.run()["changed"]
    registry.clear()
    return place


def test_an_unchanged_run_with_the_same_keys_asks_once(unpacked: Place) -> None:
    run = unpacked.run(diff=True)
    assert run["changed"] is False
    assert run["signature"]["key"] == KEY.fingerprint
    assert run["stats"]["requests"] == 1
    assert run["diff"]["before"] == run["diff"]["after"]
    assert [(one.method, one.path) for one in unpacked.registry.requests] == [("HEAD", "/v2/team/app/manifests/1")]


def test_fewer_demands_ask_no_more_either(unpacked: Place) -> None:
    assert unpacked.run(signature=unpacked.signature(SECOND, KEY, identity="none"))["stats"]["requests"] == 1
    assert unpacked.run(None)["stats"]["requests"] == 1


def test_other_keys_are_checked_anew(unpacked: Place, old: images.Image) -> None:
    run = unpacked.run(SECOND)
    assert run["error"]["kind"] == "signature_invalid"
    unpacked.sign(old, KEY, SECOND)
    assert unpacked.run(SECOND, check=True)["stats"]["requests"] > 1
    run = unpacked.run(SECOND)
    assert run["changed"] is False
    assert run["signature"]["key"] == SECOND.fingerprint
    assert run["stats"]["requests"] > 1
    assert unpacked.run(SECOND)["stats"]["requests"] == 1


def test_a_tree_from_before_is_checked_anew(unpacked: Place, old: images.Image, new: images.Image) -> None:
    unpacked.registry.publish("team/app", {"1": new})
    assert unpacked.run(None)["changed"]
    assert unpacked.run()["error"]["kind"] == "signature_invalid"
    unpacked.sign(new, KEY)
    assert unpacked.run()["changed"] is False
    assert unpacked.run()["stats"]["requests"] == 1
    assert unpacked.run(state="rolled_back")["changed"]


def test_another_tag_or_repository_is_another_identity(unpacked: Place, old: images.Image) -> None:
    unpacked.registry.publish("team/app", {"stable": old})
    assert unpacked.run(reference="stable")["changed"] is False
    unpacked.registry.publish("team/other", {"1": old})
    unpacked.sign(old, KEY, repository="team/other")
    refused = unpacked.run(repository="team/other")
    assert "not for" in refused["msg"]


def test_a_tag_that_moves_while_a_drifted_tree_is_repaired_is_verified(
    unpacked: Place, old: images.Image, new: images.Image
) -> None:
    """Between HEAD and GET, the tag is moved to an image that nobody has signed."""
    (unpacked.dest / "etc" / "motd").write_text("changed\n")

    def move(dummy: object) -> None:
        unpacked.registry.publish("team/app", {"1": new})

    unpacked.registry.on("/manifests/1$", move, times=1, method="GET")
    run = unpacked.run()
    assert run["error"]["kind"] == "signature_invalid"
    assert run["error"]["digest"] == new.digest
    assert (unpacked.dest / "etc" / "motd").read_text() == "changed\n"


def test_with_pull_missing_a_known_signature_needs_no_request(unpacked: Place) -> None:
    assert unpacked.run(pull="missing")["stats"]["requests"] == 0
    assert unpacked.run(SECOND, pull="missing")["error"]["kind"] == "signature_invalid"


def test_a_kept_tree_is_restored_only_if_its_image_is_signed(
    unpacked: Place, old: images.Image, new: images.Image
) -> None:
    unpacked.registry.publish("team/app", {"1": new})
    unpacked.sign(new, KEY, SECOND)
    assert unpacked.run(SECOND)["changed"]
    unpacked.registry.publish("team/app", {"1": old})
    assert unpacked.run(SECOND)["error"]["kind"] == "signature_invalid"
    assert unpacked.run(KEY)["generation"] == 1


def test_a_signature_of_the_same_files_does_not_cover_the_manifest_of_the_stamp(
    unpacked: Place, base: images.Layer
) -> None:
    """The same config and layers in two manifests: the unsigned one that was unpacked, and the signed one of today."""
    unsigned = images.image([base], annotations={"org.example.version": "forged"})
    unpacked.registry.publish("team/app", {"2": unsigned})
    assert unpacked.run(None, reference="2", force=True)["changed"] is False
    other = Place("oci_image_unpack", unpacked.run_module, unpacked.registry, unpacked.root / "other")
    other.root.mkdir()
    assert other.run(None, reference="2")["changed"]
    assert other.run(reference="1")["changed"] is False
    for pull in ("always", "missing"):
        run = other.run(reference="2", pull=pull, signature=other.signature(KEY, identity="none"))
        assert run["error"]["kind"] == "signature_invalid"
        assert run["error"]["digest"] == unsigned.digest
    assert other.run(reference="1")["signature"]["digest"] != unsigned.digest


def test_a_signature_of_the_index_covers_its_image(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: Path, old: images.Image
) -> None:
    both = images.index([old])
    registry.publish("team/app", {"1": both})
    for name in ("oci_image_info", "oci_image_unpack", "oci_layout", "oci_archive"):
        place = Place(name, run_module, registry, tmp_path / name)
        place.root.mkdir()
        place.sign(both, KEY)
        options = {"platform": "linux/amd64"}
        assert place.run(**options)["signature"]["digest"] == both.digest
        again = place.run(**options)
        assert (again["changed"], again["signature"]["digest"]) == (False, both.digest)


def test_a_layout_does_not_vouch_for_the_index_of_an_image(
    run_module: t.Any, registry: FaultyRegistry, tmp_path: Path, old: images.Image, new: images.Image
) -> None:
    """Its annotation says that the manifest is from a signed index, which has another one."""
    place = Place("oci_layout", run_module, registry, tmp_path)
    signed = images.index([old])
    registry.publish("team/app", {"1": signed})
    place.sign(signed, KEY)
    marks = {"attested.registry.index.digest": signed.digest, "attested.registry.platform": "linux/amd64"}
    images.write_layout(place.dest, {"1": new})
    images.write_index(place.dest, [new.descriptor(annotations={images.REF_NAME: "1", **marks})])
    run = place.run(platform="linux/amd64")
    assert (run["changed"], run["digest"]) == (True, old.digest)


@pytest.mark.parametrize("place", ["oci_layout"], indirect=True)
def test_pull_missing_keeps_the_digest_of_a_layout(place: Place, old: images.Image, new: images.Image) -> None:
    both = images.index([old])
    place.registry.publish("team/app", {"1": both})
    place.sign(both, KEY)
    place.run(platform="linux/amd64")
    place.registry.publish("team/app", {"1": new})
    run = place.run(platform="linux/amd64", pull="missing")
    assert (run["changed"], run["digest"]) == (False, old.digest)


# --- other sources ---------------------------------------------------------------------------------------------------


@every_module
@pytest.mark.parametrize("form", ["tag", "referrer"])
def test_a_layout_has_signatures_too(place: Place, form: str) -> None:
    content, path = published(place.name, b"hello\n"), place.root / "layout"
    options = {"registry": None, "repository": None, "layout": str(path)}
    options["signature"] = place.signature(KEY, identity="none")
    images.write_layout(path, {"1": content})
    assert place.run(**options)["error"]["kind"] == "signature_invalid"
    tagged = {signature_tag(content.digest): signatures([simple_signing(KEY, content.digest, "x.example/y")])}
    attached = [referrer(content, bundle(KEY, content.digest))]
    images.write_layout(
        path, {"1": content, **(tagged if form == "tag" else {})}, untagged=attached if form == "referrer" else ()
    )
    run = place.run(**options)
    assert not run.failed, run.output
    assert run["signature"]["digest"] == content.digest
    unnamed = place.run(**{**options, "signature": place.signature(KEY)})
    assert "set signature.identity=none" in unnamed["msg"]


@pytest.mark.parametrize("place", ["oci_image_info"], indirect=True)
def test_an_archive_has_signatures_if_it_is_one_of_a_layout(place: Place, old: images.Image) -> None:
    path = place.root / "image.tar"
    options = {"registry": None, "repository": None, "layout": str(path), "reference": None}
    options["signature"] = place.signature(KEY, identity="none")
    path.write_bytes(archives.oci_archive({"1": old}, untagged=[referrer(old, bundle(KEY, old.digest))]))
    assert place.run(**{**options, "reference": "1"})["signature"]["digest"] == old.digest
    for data in (archives.docker_save_old({"app:1": old}), archives.docker_save_new({"app:1": old})):
        path.write_bytes(data)
        assert "there are no signatures" in place.run(**options)["msg"]


@unpack
def test_a_payload_may_be_embedded_in_the_manifest(place: Place, old: images.Image) -> None:
    layer = simple_signing(KEY, old.digest, f"{place.registry.name}/team/app")
    embedded = layer.descriptor(annotations=dict(layer.annotations), data=base64.b64encode(layer.data).decode())
    manifest = {**signatures([layer]).document(), "layers": [embedded]}
    place.registry.publish("team/app", {"1": old})
    digest = place.registry.add_manifest("team/app", images.to_json(manifest), images.OCI_MANIFEST)
    place.registry.add_tag("team/app", signature_tag(old.digest), digest)
    assert place.run()["signature"]["digest"] == old.digest


@pytest.mark.parametrize("place", ["oci_image_info"], indirect=True)
def test_a_full_name_of_a_layout_is_compared(place: Place, old: images.Image) -> None:
    path, name = place.root / "layout", "registry.example.com/team/app"
    signed = signatures([simple_signing(KEY, old.digest, name)])
    images.write_layout(path, {f"{name}:1": old, signature_tag(old.digest): signed})
    options = {"registry": None, "repository": None, "layout": str(path)}
    assert place.run(reference=f"{name}:1", **options)["signature"]["identity"] == f"{name}:1"
    images.write_layout(path, {"registry.example.com/evil:1": old, signature_tag(old.digest): signed})
    assert "not for registry.example.com/evil" in place.run(reference="registry.example.com/evil:1", **options)["msg"]


@unpack
def test_signatures_come_from_mirrors_too(place: Place, old: images.Image) -> None:
    """The name is that of the registry, not that of the mirror; what the mirror lacks, the registry has."""
    with FaultyRegistry() as mirror:
        mirror.publish("team/app", {"1": old})
        place.sign(old, KEY)
        run = place.run(mirrors=[mirror.name])
        assert run["signature"]["identity"] == f"{place.registry.name}/team/app:1"
        assert run.warnings == []
        layers = [simple_signing(KEY, old.digest, f"{mirror.name}/team/app")]
        mirror.publish("team/app", {signature_tag(old.digest): signatures(layers)})
        assert place.run(mirrors=[mirror.name], reference=old.digest)["signature"]["key"] == KEY.fingerprint
        place.registry.repositories["team/app"].tags.pop(signature_tag(old.digest))
        other = str(place.root / "other")
        assert "not for" in place.run(mirrors=[mirror.name], reference=old.digest, dest=other)["msg"]


@unpack
def test_a_signature_that_was_added_later_is_found_behind_a_mirror(place: Place, old: images.Image) -> None:
    """As when a key is replaced, and a mirror still has the signatures from before."""
    with FaultyRegistry() as mirror:
        place.registry.publish("team/app", {"1": old})
        place.sign(old, KEY)
        mirror.repositories = copy.deepcopy(place.registry.repositories)
        place.sign(old, KEY, SECOND)
        run = place.run(SECOND, mirrors=[mirror.name])
        assert run["signature"]["key"] == SECOND.fingerprint
        assert run.warnings == []
        mirror.on(r"\.sig$", Reply(body=b"{}"))
        assert place.run(SECOND, mirrors=[mirror.name], dest=str(place.root / "another"))["changed"]
        mirror.clear()
        place.registry.clear()
        assert not place.run(KEY, mirrors=[mirror.name], dest=str(place.root / "other")).failed
        assert not place.registry.sent(r"\.sig$")


@unpack
def test_a_registry_without_the_referrers_api_is_asked_for_the_tags(place: Place, old: images.Image) -> None:
    place.registry.referrers = False
    place.registry.publish("team/app", {"1": old})
    place.sign(old, KEY)
    assert place.run()["signature"]["key"] == KEY.fingerprint


@unpack
def test_a_registry_that_fails_is_the_error(place: Place, old: images.Image) -> None:
    place.registry.publish("team/app", {"1": old})
    place.registry.on(r"\.sig$", error(403, "DENIED", "no"))
    assert place.run(retries=0)["error"]["kind"] == "denied"
    assert not place.dest.exists()


@unpack
def test_a_signature_with_other_bytes_than_its_digest_is_refused(place: Place, old: images.Image) -> None:
    place.registry.publish("team/app", {"1": old})
    place.sign(old, KEY)
    payload = simple_signing(KEY, old.digest, f"{place.registry.name}/team/app")
    place.registry.on(payload.digest, Reply(body=b"x" * payload.size))
    run = place.run(retries=0)
    assert run["error"]["kind"] == "signature_invalid"
    assert "its digest is" in run["msg"]


@unpack
def test_messages_about_layers_name_the_image(place: Place, old: images.Image, base: images.Layer) -> None:
    """And not the signature, which was asked for after it."""
    place.registry.publish("team/app", {"1": old})
    place.sign(old, KEY)
    place.registry.on(base.digest, error(404, "BLOB_UNKNOWN", "gone"))
    assert "of the image 1 of team/app" in place.run()["msg"]


# --- islet -----------------------------------------------------------------------------------------------------------


def islet(image: images.Image, *, root: SigningKey = ROOT) -> images.Image:
    annotations = islet_annotations(root, VENDOR, image.config.data)
    platform = json.loads(image.config.data)
    return images.image(image.layers, annotations=annotations, platform=f"{platform['os']}/{platform['architecture']}")


@pytest.mark.parametrize("place", ["oci_image_info", "oci_image_unpack", "oci_layout", "oci_archive"], indirect=True)
def test_an_image_of_ir_sign_is_verified(place: Place, old: images.Image, new: images.Image) -> None:
    signed = islet(old)
    place.registry.publish("team/app", {"1": signed})
    demand = place.signature(ROOT, format="islet")
    run = place.run(signature=demand)
    assert run["signature"] == {
        "format": "islet",
        "key": ROOT.fingerprint,
        "keys": [ROOT.fingerprint],
        "digest": signed.digest,
        "identity": None,
    }
    assert place.run(signature=demand)["changed"] is False
    for bad in (new, islet(new, root=VENDOR)):
        place.registry.publish("team/app", {"1": bad})
        assert place.run(signature=demand)["error"]["kind"] == "signature_invalid"


@pytest.mark.parametrize("place", ["oci_layout", "oci_archive"], indirect=True)
def test_every_platform_must_be_signed(place: Place, old: images.Image, base: images.Layer) -> None:
    arm = images.image([base], platform="linux/arm64")
    demand = place.signature(ROOT, format="islet")
    place.registry.publish("team/app", {"1": images.index([islet(old), arm])})
    assert arm.digest in place.run(signature=demand, platform="all")["msg"]
    assert not place.dest.exists()
    place.registry.publish("team/app", {"1": images.index([islet(old), islet(arm)])})
    assert place.run(signature=demand, platform="all")["changed"]
    assert place.run(signature=demand, platform="all")["changed"] is False


@pytest.mark.parametrize("place", ["oci_artifact"], indirect=True)
def test_ir_sign_signs_no_artifacts(place: Place) -> None:
    place.registry.publish("team/app", {"1": published(place.name, b"hello\n")})
    run = place.run(signature=place.signature(ROOT, format="islet"))
    assert "cover images alone" in run["msg"]
