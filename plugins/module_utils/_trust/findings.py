# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is PRIVATE to the collection and can change at any time.
# Do not use it from other collections or standalone plugins.

"""What was found while signatures were looked for: the keys that signed, and why other signatures do not count.

cosign.py and islet.py fill it; verify.py makes the outcome or the error of it.
"""

from __future__ import annotations

import typing as t

from .._base.text import visible
from .errors import Refused, SignatureInvalid
from .policy import Verified

if t.TYPE_CHECKING:
    from .._base.errors import CollectionError
    from .._oci.digest import Digest
    from .keys import PublicKey
    from .policy import Policy, SignedImage

# how many reasons a message has
_SHOWN: t.Final = 5


class Findings:
    """The findings about one image. examined counts the signatures that were looked at."""

    def __init__(self, policy: Policy, image: SignedImage) -> None:
        self._policy, self._image = policy, image
        self._signed: dict[str, Digest] = {}
        self._reasons: list[str] = []
        self.examined = 0
        # why the store could not be asked, the first time
        self.failure: CollectionError | None = None

    @property
    def is_satisfied(self) -> bool:
        """Whether enough keys have signed."""
        return len(self._signed) >= self._policy.signatures

    def accept(self, key: PublicKey, digest: Digest) -> None:
        """Note a valid signature."""
        self._signed.setdefault(key.fingerprint, digest)

    def refuse(self, where: str, why: Refused | str) -> None:
        """Note why what is at a place does not count."""
        self._reasons.append(f"{where}: {why}")

    def outcome(self) -> Verified:
        """Return the outcome. Raises SignatureInvalid, or the failure of the store if that may be the reason."""
        policy, image = self._policy, self._image
        if self.is_satisfied:
            keys = tuple(key.fingerprint for key in policy.keys if key.fingerprint in self._signed)
            identity = image.identity if policy.identity == "exact" else None
            return Verified(policy.format, keys, self._signed[keys[0]], identity)
        if self.failure is not None:
            raise self.failure
        files = ", ".join(visible(key.path) for key in policy.keys)
        raise SignatureInvalid(
            f"Verifying the signature of {image.described} failed: {self._summary(files)}; sign the image with one of "
            f"these keys, or correct the {policy.where}.",
            digest=str(image.digests[0]),
            format=policy.format,
            keys=files,
            required=policy.signatures,
            valid=len(self._signed),
            examined=self.examined,
        )

    def _summary(self, files: str) -> str:
        wanted, digests = self._policy.signatures, " or ".join(map(str, self._image.digests))
        if wanted == 1:
            text = f"no valid {self._policy.format} signature of {digests} by the key {files} was found"
        else:
            text = (
                f"{wanted} of the keys {files} must have signed {digests} ({self._policy.format}), and "
                f"{len(self._signed)} did"
            )
        reasons = list(dict.fromkeys(self._reasons))
        more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
        return f"{text} ({'; '.join([*reasons[:_SHOWN], *more])})" if reasons else f"{text} (there are no signatures)"


__all__ = ("Findings",)
