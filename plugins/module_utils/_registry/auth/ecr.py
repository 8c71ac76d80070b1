# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""Get the credentials of Amazon ECR from AWS, for tasks that give none and hosts whose files have none.

The only file that imports botocore, which is optional and looks for AWS credentials where the AWS command line does.
The host name alone decides whether AWS is asked: nobody but AWS can have such a name, so nobody else gets the password.
Called by _module/registry/login_sources.py.
"""

from __future__ import annotations

import binascii
import re
import typing as t
from base64 import b64decode
from dataclasses import dataclass

from ..._base.errors import DependencyMissing
from ..._base.text import visible
from ..errors import ConfigurationError
from .auth_keys import normalise_key
from .credentials import BasicAuth

# host names of private registries, see the user guide of Amazon ECR and its list of endpoints
_PRIVATE: t.Final = re.compile(
    r"[0-9]{12}\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9][a-z0-9-]{0,40})\."
    r"(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|(?P<dual>on\.aws|on\.amazonwebservices\.com\.cn))",
    re.ASCII,
)
_PUBLIC: t.Final = "public.ecr.aws"
# the service for tokens of public.ecr.aws is in this region alone
_PUBLIC_REGION: t.Final = "us-east-1"
_CONNECT_SECONDS: t.Final = 10
_READ_SECONDS: t.Final = 30
_ATTEMPTS: t.Final = 3


@dataclass(frozen=True)
class EcrHost:
    """Whom to ask for the credentials of a registry: a service of AWS in a region, at which kind of endpoint."""

    service: t.Literal["ecr", "ecr-public"]
    region: str
    fips: bool = False
    dual_stack: bool = False

    @classmethod
    def of(cls, registry: str) -> EcrHost | None:
        """Return it for a registry ("host[:port][/prefix]"), None if that is not one of Amazon ECR. Total."""
        host = normalise_key(registry).partition("/")[0].partition(":")[0]
        if host == _PUBLIC:
            return cls("ecr-public", _PUBLIC_REGION)
        match = _PRIVATE.fullmatch(host)
        if match is None:
            return None
        return cls("ecr", match["region"], fips=match["fips"] is not None, dual_stack=match["dual"] is not None)


def ecr_credentials(registry: str, *, profile: str | None = None, region: str | None = None) -> BasicAuth | None:
    """Return the credentials of a registry from AWS, None if it is not one of Amazon ECR.

    None also for public.ecr.aws, which gives images without login, if there are no AWS credentials or no botocore and
    no profile was chosen. profile and region are those of AWS; the default region is that in the name of the registry.
    Raises DependencyMissing, and ConfigurationError if AWS gives no credentials.
    """
    host = EcrHost.of(registry)
    if host is None:
        return None
    is_needed = host.service == "ecr" or profile is not None
    try:
        import botocore.config
        import botocore.exceptions
        import botocore.session
    except ImportError:
        if not is_needed:
            return None
        raise DependencyMissing(
            f"Getting the credentials for {registry} from AWS needs the Python library botocore, and it cannot be"
            " imported; install it, or give username and password.",
            library="botocore",
        ) from None
    config = botocore.config.Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        use_fips_endpoint=host.fips or None,
        use_dualstack_endpoint=host.dual_stack or None,
    )
    try:
        session = botocore.session.Session(profile=profile)
        client = session.create_client(host.service, region_name=region or host.region, config=config)
        answer = client.get_authorization_token()
    except botocore.exceptions.NoCredentialsError:
        if not is_needed:
            return None
        raise _error(registry, "this host has no AWS credentials") from None
    except botocore.exceptions.CredentialRetrievalError:
        # its text may have the output of the program that the AWS configuration names
        raise _error(registry, "the source of credentials in the AWS configuration failed") from None
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as exc:
        raise _error(registry, visible(str(exc), limit=300).rstrip(". ")) from None
    except Exception as exc:  # what the parsers of botocore raise for an answer that is not one of AWS
        raise _error(registry, f"its answer cannot be read ({type(exc).__name__})") from None
    return _read(answer, registry)


def _read(answer: t.Any, registry: str) -> BasicAuth:
    """Return the credentials in an answer: a list of authorization data from ecr, one of them from ecr-public."""
    data = answer.get("authorizationData") if isinstance(answer, dict) else None
    if isinstance(data, list):
        data = data[0] if data else None
    token = data.get("authorizationToken") if isinstance(data, dict) else None
    try:
        text = b64decode(token or "", validate=True).decode("utf-8")
    except (binascii.Error, ValueError, TypeError):
        text = ""
    username, colon, password = text.partition(":")
    if not colon or not username or not password:
        raise _error(registry, "its answer has no token")
    return BasicAuth(username, password, "AWS")


def _error(registry: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"Cannot get the credentials for {registry} from AWS: {why}; check the AWS credentials of the user of the task"
        " and the option aws_profile, or give username and password.",
        registry=registry,
    )


__all__ = ("EcrHost", "ecr_credentials")
