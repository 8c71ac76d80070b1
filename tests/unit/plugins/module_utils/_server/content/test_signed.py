# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Repositories of which signatures are demanded serve signed images and their signatures, and nothing else."""

from __future__ import annotations

import json
import os
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.attested.registry.plugins.module_utils._server.config.config_file import parse_config
from ansible_collections.attested.registry.plugins.module_utils._server.content import signed as signed_content
from ansible_collections.attested.registry.plugins.module_utils._server.content.loading import load_snapshot
from ansible_collections.attested.registry.plugins.module_utils._server.errors import ConfigError
from ansible_collections.attested.registry.plugins.module_utils._server.main import main
from ansible_collections.attested.registry.plugins.module_utils._server.processes.credentials import keep_served
from ansible_collections.attested.registry.tests.support.images import images
from ansible_collections.attested.registry.tests.support.images.signatures import (
    BUNDLE_TYPE,
    SigningKey,
    bundle,
    islet_annotations,
    referrer,
    signature_tag,
    signatures,
    simple_signing,
)
from ansible_collections.attested.registry.tests.support.servers.own_server import Way, serving

KEY, SECOND = SigningKey.make("p256"), SigningKey.make("ed25519", "second")
ROOT, VENDOR = SigningKey.make("p384", "root"), SigningKey.make("p384", "vendor")
GOOD = images.image([images.layer([images.file("a", b"1")])])
BAD = images.image([images.layer([images.file("a", b"2")])])
ARM = images.image([images.layer([images.file("a", b"3")])], platform="linux/arm64")
BOTH = images.index([GOOD, ARM])


def signed(content: images.Content, key: SigningKey = KEY, name: str = "registry.example.com/app") -> dict[str, t.Any]:
    """The tag of cosign for a content."""
    return {signature_tag(content.digest): signatures([simple_signing(key, content.digest, name)])}


class Place:
    """A registry directory with a layout, and the rules about it."""

    def __init__(self, path: Path) -> None:
        self.path, self.root = path, path / "root"

    def write(self, tagged: t.Mapping[str, images.Content], **more: t.Any) -> None:
        images.write_layout(self.root / "app", tagged, **more)

    def load(self, *keys: SigningKey, **rule: t.Any) -> t.Any:
        paths = [key.write(self.path / f"{key.fingerprint[7:15]}.pub") for key in keys or (KEY,)]
        document = {"signatures": [{"repositories": ["app"], "keys": paths, **rule}]}
        return load_snapshot(str(self.root), signatures=parse_config(images.to_json(document)).signatures)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_only_what_is_signed_is_served(place: Place) -> None:
    signature = signed(GOOD)[signature_tag(GOOD.digest)]
    place.write({"1": GOOD, "2": BAD, signature_tag(GOOD.digest): signature, **signed(BAD, SECOND)})
    snapshot = place.load()
    app = snapshot.repositories["app"]
    assert app.tag_names == ("1", signature_tag(GOOD.digest))
    assert set(app.manifests) == {GOOD.digest, signature.digest}
    assert set(app.blobs) == {*GOOD.blobs(), *signature.blobs()}
    (left,) = snapshot.left_out
    assert (left.name, left.kind) == ("app:2", "signature_invalid")
    assert "made with another key" in left.reason
    assert "rule 1 of the setting signatures" in left.reason


def test_other_repositories_are_served_as_before(place: Place) -> None:
    place.write({"1": BAD})
    assert place.load(repositories=["team/*"]).repositories["app"].tag_names == ("1",)


def test_a_repository_without_anything_signed_is_not_served_even_if_it_was_before(place: Place) -> None:
    place.write({"1": BAD})
    before = load_snapshot(str(place.root))
    after = place.load()
    assert after.repositories == {}
    assert [left.name for left in after.left_out] == ["app:1"]
    assert "app" not in keep_served(before, after).repositories


def test_an_empty_layout_stays_an_empty_repository(place: Place) -> None:
    place.write({})
    assert place.load().repositories["app"].tag_names == ()


def test_a_signed_index_covers_what_it_contains(place: Place) -> None:
    place.write({"1": images.index([BOTH]), **signed(images.index([BOTH]))})
    snapshot = place.load()
    assert snapshot.left_out == ()
    assert {GOOD.digest, ARM.digest, BOTH.digest} < set(snapshot.repositories["app"].manifests)


def test_a_signed_image_does_not_cover_its_index(place: Place) -> None:
    place.write({"1": BOTH, **signed(GOOD)})
    snapshot = place.load()
    app = snapshot.repositories["app"]
    assert app.tag_names == (signature_tag(GOOD.digest),)
    assert GOOD.digest in app.manifests
    assert ARM.digest not in app.manifests
    assert ARM.layers[0].digest not in app.blobs
    assert [left.name for left in snapshot.left_out] == ["app:1"]


def test_bundles_are_served_as_referrers_and_an_unsigned_sbom_is_not(place: Place) -> None:
    signature = referrer(GOOD, bundle(KEY, GOOD.digest))
    sbom = images.artifact("application/spdx+json", [], changes={"subject": GOOD.descriptor()})
    place.write({"1": GOOD}, untagged=[signature, sbom])
    snapshot = place.load()
    app = snapshot.repositories["app"]
    assert [one.digest for one in app.referrers[GOOD.digest]] == [signature.digest]
    assert [left.name for left in snapshot.left_out] == [f"app@{sbom.digest}"]


def test_a_signed_sbom_is_served(place: Place) -> None:
    sbom = images.artifact("application/spdx+json", [], changes={"subject": GOOD.descriptor()})
    place.write({"1": GOOD, **signed(GOOD), **signed(sbom)}, untagged=[sbom])
    snapshot = place.load()
    assert snapshot.left_out == ()
    assert sbom.digest in snapshot.repositories["app"].manifests


def test_the_tag_of_the_referrers_of_an_image_is_left_out_without_a_line(place: Place) -> None:
    signature = referrer(GOOD, bundle(KEY, GOOD.digest))
    place.write({"1": GOOD, GOOD.digest.replace(":", "-"): images.index([signature])})
    snapshot = place.load()
    assert snapshot.left_out == ()
    assert signature.digest in snapshot.repositories["app"].manifests


def test_a_signature_of_something_else_is_not_served(place: Place) -> None:
    place.write({"1": GOOD, **signed(GOOD)}, untagged=[referrer(BAD, bundle(KEY, BAD.digest))])
    snapshot = place.load()
    assert BAD.digest not in snapshot.repositories["app"].referrers
    assert snapshot.left_out == ()


@pytest.mark.parametrize("as_tag", [False, True])
def test_what_looks_like_a_signature_has_no_tag_of_an_image(place: Place, as_tag: bool) -> None:
    """Clients would get unsigned files by the tag of a release."""
    forged = images.Content(b"unsigned", f"{BUNDLE_TYPE}", {"org.opencontainers.image.title": "installer"})
    fake = referrer(GOOD, forged)
    attached = {signature_tag(GOOD.digest): fake, "3": fake} if as_tag else {"3": fake}
    place.write({"1": GOOD, "2": GOOD, **attached}, untagged=[referrer(GOOD, bundle(KEY, GOOD.digest))])
    snapshot = place.load()
    assert "3" not in snapshot.repositories["app"].tag_names
    assert (signature_tag(GOOD.digest) in snapshot.repositories["app"].tag_names) is as_tag
    assert [left.name for left in snapshot.left_out] == ["app:3"]


@pytest.mark.parametrize(
    "file",
    [
        images.Content(b"unsigned", "application/vnd.dev.sigstore.bundles"),
        images.Content(b"unsigned", "application/vnd.dev.cosign.simplesigning.v1+json+tar"),
        images.Content(b"." * (1024 * 1024 + 1), BUNDLE_TYPE),
    ],
)
def test_what_is_no_signature_is_not_served_as_one(place: Place, file: images.Content) -> None:
    place.write({"1": GOOD, **signed(GOOD)}, untagged=[referrer(GOOD, file)])
    snapshot = place.load()
    assert file.digest not in snapshot.repositories["app"].blobs
    assert GOOD.digest not in snapshot.repositories["app"].referrers


@pytest.mark.parametrize("which", ["manifest", "signature", "config"])
def test_files_that_vanish_while_signatures_are_verified_are_left_out(
    place: Place, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    image = images.image(GOOD.layers, annotations=islet_annotations(ROOT, VENDOR, GOOD.config.data))
    signature = signed(image)[signature_tag(image.digest)]
    place.write({"1": image, signature_tag(image.digest): signature})
    gone = {"manifest": image.digest, "signature": signature.children[1].digest, "config": image.config.digest}[which]
    keep = signed_content.keep_signed

    def remove_first(*arguments: t.Any, **options: t.Any) -> t.Any:
        images.blob_path(place.root / "app", gone).unlink()
        return keep(*arguments, **options)

    monkeypatch.setattr(signed_content, "keep_signed", remove_first)
    snapshot = place.load(ROOT, format="islet") if which == "config" else place.load()
    assert snapshot.repositories == {}
    assert snapshot.left_out


def test_the_signed_name_is_that_of_the_registry(place: Place) -> None:
    place.write({"1": GOOD, **signed(GOOD)})
    assert place.load(registry="registry.example.com").left_out == ()
    (left,) = place.load(registry="other.example.com").left_out
    assert "not for other.example.com/app" in left.reason


def test_several_keys_and_several_rules(place: Place) -> None:
    place.write({"1": GOOD, **signed(GOOD)})
    assert place.load(KEY, SECOND, signatures=2).repositories == {}
    rules = [{"repositories": ["*"], "keys": [key.write(place.path / key.kind)]} for key in (KEY, SECOND)]
    both = parse_config(images.to_json({"signatures": rules})).signatures
    assert load_snapshot(str(place.root), signatures=both).repositories == {}


def test_images_of_ir_sign(place: Place) -> None:
    def sign(image: images.Image, platform: str) -> images.Image:
        annotations = islet_annotations(ROOT, VENDOR, image.config.data)
        return images.image(image.layers, annotations=annotations, platform=platform)

    good, arm = sign(GOOD, "linux/amd64"), sign(ARM, "linux/arm64")
    tags = {"1": good, "2": BAD, "both": images.index([good, arm]), "mixed": images.index([good, BAD])}
    place.write(tags)
    snapshot = place.load(ROOT, format="islet")
    assert snapshot.repositories["app"].tag_names == ("1", "both")
    assert {left.name for left in snapshot.left_out} == {"app:2", "app:mixed"}


def test_a_config_that_is_none_is_not_signed(place: Place) -> None:
    config = images.Content(b"no json", images.OCI_CONFIG)
    annotations = islet_annotations(ROOT, VENDOR, config.data)
    place.write({"1": images.image([], config_content=config, annotations=annotations)})
    assert place.load(ROOT, format="islet").repositories == {}


def test_a_key_that_cannot_be_read_is_an_error(place: Place) -> None:
    place.write({"1": GOOD})
    with pytest.raises(ConfigError, match=r"gone.pub of the rule 1 of the setting signatures failed: No such file"):
        place.load(keys=[str(place.path / "gone.pub")])


def test_clients_get_what_is_signed_and_a_reload_reads_the_keys_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    place.write({"1": GOOD, "2": BAD, **signed(GOOD), **signed(BAD, SECOND)})
    config, log, key = place.path / "config.yml", place.path / "log", place.path / "key.pub"
    rules = [{"repositories": ["app"], "keys": [KEY.write(key)]}]
    config.write_bytes(images.to_json({"watch": 0.1, "signatures": rules}))
    with serving(place.root, log, Way("plain"), "--config", config) as served:
        assert json.loads(served.get("/v2/app/tags/list").body)["tags"] == ["1", signature_tag(GOOD.digest)]
        assert served.get(f"/v2/app/manifests/{GOOD.digest}").status == 200
        for path in ("manifests/2", f"manifests/{BAD.digest}", f"blobs/{BAD.layers[0].digest}"):
            assert served.get(f"/v2/app/{path}").status == 404, path
        SECOND.write(key)
        place.write({"2": BAD, "1": GOOD, **signed(GOOD), **signed(BAD, SECOND)})
        assert any(served.get(f"/v2/app/manifests/{BAD.digest}").status == 200 for dummy in range(10_000))
        assert served.get(f"/v2/app/manifests/{GOOD.digest}").status == 404
    assert "left out app:2: Verifying the signature of app@" in log.read_text()


@pytest.mark.parametrize("key", ["gone.pub", "cosign.key", "cosign.pub"])
def test_check_config_reads_the_keys(place: Place, capsys: pytest.CaptureFixture[str], key: str) -> None:
    place.write({"1": GOOD})
    KEY.write(place.path / "cosign.pub")
    (place.path / "cosign.key").write_bytes(KEY.private_pem)
    config = place.path / "config.yml"
    rules = [{"repositories": ["*"], "keys": [str(place.path / key)]}]
    config.write_bytes(images.to_json({"root": str(place.root), "signatures": rules}))
    status = main(["--config", str(config), "--check-config"])
    output = capsys.readouterr()
    if key == "cosign.pub":
        assert (status, output.out) == (0, "The configuration is valid.\n")
    else:
        assert (status, output.out) == (1, "")
        assert f"{key} of the rule 1 of the setting signatures failed" in output.err


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("[]", "must be a list of 1 to"),
        ("5", "must be a list of 1 to"),
        ("[app]", "rule 1 is not a mapping"),
        ("[{repositories: [app]}]", "signatures rule 1: keys is missing"),
        ("[{keys: [k]}]", "signatures rule 1: repositories is missing"),
        ("[{repositories: [app], keys: []}]", "signatures rule 1: keys must have from 1"),
        ("[{repositories: [app], keys: [k], signatures: 0}]", "rule 1: signatures must be a whole number from 1 to 64"),
        ("[{repositories: [app], keys: [k], format: gpg}]", "rule 1: format must be one of cosign, islet, and is"),
        ("[{repositories: [app], keys: [k], identity: exact}]", 'unknown key "identity" in rule 1 of signatures'),
        ("[{repositories: [app], keys: [k], registry: null}]", "rule 1: registry has no value"),
    ],
)
def test_a_rule_that_is_wrong_is_refused(rules: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_config(f"signatures: {rules}".encode())
