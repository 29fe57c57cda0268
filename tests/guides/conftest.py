# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One host for all guides, whose one NIC with an address is systemd-networkd's, as on many a server; and one for a first run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Bed, Host

NAME = os.environ.get("VMNET_BED_PREFIX", "") + "guides"


@pytest.fixture(scope="session")
def bed() -> Iterator[Bed]:
    with Bed.up(NAME, hosts={"host13": "trixie+networkd", "fresh": "trixie"}, replace=True) as bed:
        yield bed


@pytest.fixture(scope="session")
def host(bed: Bed) -> Host:
    return bed.hosts["host13"]


@pytest.fixture(scope="session")
def fresh(bed: Bed) -> Host:
    """A host as it is installed: without what the roles would install."""
    host = bed.hosts["fresh"]
    host.run("dpkg --remove --force-depends dnsmasq-base nftables python3-pyroute2")
    return host


@pytest.fixture(scope="session")
def inventory(bed: Bed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bed's own, and the group and the variables that the guides' inventory gives a host."""
    directory = tmp_path_factory.mktemp("inventory")
    (directory / "bed.json").write_text(json.dumps(bed.inventory()))
    variables = {"lan_nic": "eth0", "spare_nic": "eth1"}
    (directory / "guides.json").write_text(json.dumps({"vm_hosts": {"hosts": {"host13": variables}}}))
    return directory
