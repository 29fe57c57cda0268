# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the test bed keeps things: what is running, and what took long to build."""

from __future__ import annotations

import os
from pathlib import Path


def run_directory() -> Path:
    """One directory per bed that is up: state, logs, sockets, the hosts' disks. VMNET_LAB_RUN overrides it."""
    return Path(os.environ.get("VMNET_LAB_RUN", "/run/vmnet-lab"))


def cache_directory() -> Path:
    """Root file systems, guest kernel, SSH key. VMNET_LAB_CACHE overrides it."""
    if chosen := os.environ.get("VMNET_LAB_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmnet-lab"


def bed_name(name: str) -> str:
    """The bed of a test suite. VMNET_BED_PREFIX keeps several checkouts out of each other's beds."""
    return os.environ.get("VMNET_BED_PREFIX", "") + name


def keep() -> bool:
    """VMNET_LAB_KEEP=1 leaves a bed up after a failure or the end of a `with`, to look at it."""
    return os.environ.get("VMNET_LAB_KEEP", "") not in ("", "0")
