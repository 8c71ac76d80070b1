# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWS gives the credentials of Amazon ECR, for hosts with a name of ECR alone; the AWS is moto's, or a stand-in."""

from __future__ import annotations

import base64
import json
import logging
import pathlib
import sys
import typing as t

import pytest
from ansible_collections.attested.registry.plugins.module_utils._base.errors import DependencyMissing
from ansible_collections.attested.registry.plugins.module_utils._registry.auth import ecr
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.credentials import BasicAuth
from ansible_collections.attested.registry.plugins.module_utils._registry.auth.ecr import EcrHost, ecr_credentials
from ansible_collections.attested.registry.plugins.module_utils._registry.errors import ConfigurationError
from ansible_collections.attested.registry.tests.support.registries.faulty_registry import (
    FaultyRegistry,
    Reply,
    Request,
)
from hypothesis import given
from hypothesis import strategies as st

REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
SECRET = "hunter2-of-aws"


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        (REGISTRY, EcrHost("ecr", "eu-central-1")),
        (f"{REGISTRY}:443", EcrHost("ecr", "eu-central-1")),
        (f"{REGISTRY}/team", EcrHost("ecr", "eu-central-1")),
        (REGISTRY.upper(), EcrHost("ecr", "eu-central-1")),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", EcrHost("ecr", "us-gov-west-1", fips=True)),
        ("123456789012.dkr-ecr.us-west-2.on.aws", EcrHost("ecr", "us-west-2", dual_stack=True)),
        ("123456789012.dkr-ecr-fips.us-west-2.on.aws", EcrHost("ecr", "us-west-2", fips=True, dual_stack=True)),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", EcrHost("ecr", "cn-north-1")),
        ("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", EcrHost("ecr", "cn-north-1", dual_stack=True)),
        ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", EcrHost("ecr", "eusc-de-east-1")),
        ("public.ecr.aws", EcrHost("ecr-public", "us-east-1")),
        ("public.ecr.aws/docker", EcrHost("ecr-public", "us-east-1")),
        ("secrets.example", None),
        ("ecr.example.com", None),
        ("my-public.ecr.aws", None),
        ("public.ecr.aws.evil.example", None),
        (f"{REGISTRY}.evil.example", None),
        (f"evil.{REGISTRY}", None),
        ("12345678901.dkr.ecr.eu-central-1.amazonaws.com", None),
        ("1234567890123.dkr.ecr.eu-central-1.amazonaws.com", None),
        ("١٢٣٤٥٦٧٨٩٠١٢.dkr.ecr.eu-central-1.amazonaws.com", None),
        ("123456789012xdkr.ecr.eu-central-1.amazonaws.com", None),
        ("123456789012.dkr.ecr.eu-central-1xamazonaws.com", None),
        ("123456789012.dkr.ecr.evil.example/.amazonaws.com", None),
        ("123456789012.dkr.ecr.evil.example#.amazonaws.com", None),
        ("123456789012.dkr.ecr..amazonaws.com", None),
        ("123456789012.dkr.ecr.eu-central-1.amazonaws.com\n", EcrHost("ecr", "eu-central-1")),
    ],
)
def test_hosts(registry: str, expected: EcrHost | None) -> None:
    assert EcrHost.of(registry) == expected


@given(st.text() | st.from_regex(r"[0-9]{12}\.dkr[.-]ecr.*"))
def test_any_name(registry: str) -> None:
    host = EcrHost.of(registry)
    assert host is None or registry.lower().strip().find("ecr") >= 0


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """No AWS configuration but that of the test, in this file, and no metadata service."""
    path = tmp_path / "aws-config"
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    return path


@pytest.fixture
def keys(clean: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)


@pytest.fixture(scope="module")
def moto() -> t.Iterator[str]:
    """The URL of an AWS that moto plays."""
    server_module = pytest.importorskip("moto.server", reason="moto with its server is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, keys: None) -> t.Iterator[FaultyRegistry]:
    """A stand-in for AWS, with ecr-public, which moto does not have."""
    with FaultyRegistry() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        server.on("", answer)
        yield server


def answer(request: Request) -> Reply:
    data = {"authorizationToken": base64.b64encode(b"AWS:pw").decode()}
    is_public = str(request.header("X-Amz-Target")).startswith("Spencer")
    document = {"authorizationData": data if is_public else [data]}
    return Reply(200, json.dumps(document).encode(), {"Content-Type": "application/x-amz-json-1.1"})


def test_a_private_registry(moto: str, keys: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    found = ecr_credentials(REGISTRY)
    assert found == BasicAuth("AWS", "123456789012-auth-token", "AWS")
    assert "auth-token" not in repr(found) + str(found)


def test_the_public_registry(stand_in: FaultyRegistry) -> None:
    assert ecr_credentials("public.ecr.aws") == BasicAuth("AWS", "pw", "AWS")
    (request,) = stand_in.requests
    assert request.header("X-Amz-Target") == "SpencerFrontendService.GetAuthorizationToken"
    assert "/us-east-1/ecr-public/" in str(request.header("Authorization"))


@pytest.mark.parametrize(("options", "region"), [({}, "eu-central-1"), ({"region": "eu-west-3"}, "eu-west-3")])
def test_the_region(stand_in: FaultyRegistry, options: t.Any, region: str) -> None:
    assert ecr_credentials(REGISTRY, **options) is not None
    assert f"/{region}/ecr/" in str(stand_in.requests[0].header("Authorization"))


def test_a_profile(stand_in: FaultyRegistry, clean: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    clean.write_text(f"[profile pull]\naws_access_key_id = AKIAOFPROFILE\naws_secret_access_key = {SECRET}\n")
    assert ecr_credentials(REGISTRY, profile="pull") is not None
    assert "AKIAOFPROFILE" in str(stand_in.requests[0].header("Authorization"))
    with pytest.raises(ConfigurationError, match=r"profile \(absent\) could not be found; check the AWS credentials"):
        ecr_credentials(REGISTRY, profile="absent")


def test_no_aws_credentials(clean: pathlib.Path) -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    with pytest.raises(ConfigurationError, match="this host has no AWS credentials") as raised:
        ecr_credentials(REGISTRY)
    assert raised.value.fields == {"registry": REGISTRY}
    assert ecr_credentials("public.ecr.aws") is None


def test_no_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore", None)
    monkeypatch.setitem(sys.modules, "botocore.config", None)
    with pytest.raises(DependencyMissing, match="needs the Python library botocore"):
        ecr_credentials(REGISTRY)
    assert ecr_credentials("public.ecr.aws") is None
    with pytest.raises(DependencyMissing):
        ecr_credentials("public.ecr.aws", profile="pull")
    assert ecr_credentials("registry.example.com", profile="pull") is None


def test_a_failing_source_of_credentials(clean: pathlib.Path) -> None:
    """The program's output is not shown."""
    pytest.importorskip("botocore", reason="botocore is not installed")
    clean.write_text(f"[default]\ncredential_process = sh -c 'echo {SECRET} >&2; exit 1'\n")
    with pytest.raises(ConfigurationError, match="the source of credentials in the AWS configuration failed") as raised:
        ecr_credentials(REGISTRY)
    assert SECRET not in str(raised.value)


def test_access_denied(stand_in: FaultyRegistry) -> None:
    document = {"__type": "AccessDeniedException", "message": "User x is not authorized\x1b[1m to do this"}
    stand_in.on("", Reply(400, json.dumps(document).encode(), {"Content-Type": "application/x-amz-json-1.1"}))
    with pytest.raises(ConfigurationError, match=r"\(AccessDeniedException\).*not authorized") as raised:
        ecr_credentials(REGISTRY)
    assert "\x1b" not in str(raised.value)
    assert SECRET not in str(raised.value)


@given(
    st.recursive(
        st.none() | st.text() | st.sampled_from(["", "?", "QVdT", "QVdTOg==", "OnB3", "/zr/"]) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["authorizationData", "authorizationToken"]), inner, max_size=2)
        ),
    )
)
def test_answers_without_a_token(data: t.Any) -> None:
    for shape in (data, {"authorizationData": data}, {"authorizationData": [{"authorizationToken": data}]}):
        with pytest.raises(ConfigurationError, match="from AWS: its answer has no token; .*give username and password"):
            ecr._read(shape, REGISTRY)


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_answers_that_are_not_those_of_aws(stand_in: FaultyRegistry, body: bytes) -> None:
    stand_in.on("", Reply(200, body))
    with pytest.raises(ConfigurationError, match="from AWS: "):
        ecr_credentials(REGISTRY)


def test_a_pull(stand_in: FaultyRegistry, serve: t.Any, connect: t.Any, names: dict[str, str], image: t.Any) -> None:
    """The registry asks for the password of AWS, as ECR does, and gets it once for all requests."""
    server = serve(auth="basic", users={"AWS": "pw"})
    server.publish("app", {"1.0": image})
    names[REGISTRY] = "127.0.0.1"

    class Source:
        def credentials_for(self, registry: str, repository: str | None) -> t.Any:
            return ecr_credentials(registry)

    client = connect(f"{REGISTRY}:{server.port}", credentials=Source())
    for dummy in range(2):
        client.tags("app")
    assert len(stand_in.requests) == 1
    assert [request.header("Authorization") is not None for request in server.requests] == [False, True, True]
