# Copyright (c) 2026, attested.registry contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create what the integration tests keep, for images.sh: Debian images, and the root filesystems of the hosts.

python -m ansible_collections.attested.registry.tests.support.kept_images DIR
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .hosts.systemd_base import SUITES, base_root
from .images.debian_images import SUITE, test_images


def main(directory: Path) -> None:
    """Create all at the same time, as each mostly waits for downloads and for one process."""
    with ThreadPoolExecutor() as pool:
        images = pool.submit(test_images, directory)
        bases = [pool.submit(base_root, directory, SUITES[suite]) for suite in (SUITE, "trixie")]
        images.result()
        for base in bases:
            base.result()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
