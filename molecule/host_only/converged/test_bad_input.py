# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong is refused, with the place and what would be right, and the hosts stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, difference
from verify import Scenario, refusals, snapshots

NETWORK = {"name": "vmnet1", "addresses": ["192.168.56.1/24"]}
GUEST = {"name": "one", "mac": "52:54:00:00:01:65", "addresses": ["192.168.56.11"]}


@pytest.fixture(scope="module", autouse=True)
def untouched(bed: Bed) -> Iterator[None]:
    before = snapshots(bed)
    yield
    for name, after in snapshots(bed).items():
        assert difference(before[name], after) == [], name


def refused(change: dict[str, Any], field: str, right: str, name: str) -> Any:
    """A case: one network with this change, the field that the message names, and what it says would be right."""
    return pytest.param([NETWORK | change], f"host_only_networks[vmnet1]{field}", right, id=name)


@pytest.mark.parametrize(
    ("networks", "at", "right"),
    [
        refused(
            {"dhcp": {"ranges": ["192.168.57.10-192.168.57.20"]}}, ".dhcp.ranges[0]", "192.168.56.0/24", "range outside"
        ),
        refused(
            {"dhcp": {"ranges": ["192.168.56.20-192.168.56.10"]}}, ".dhcp.ranges[0]", "192.168.56.20", "range backwards"
        ),
        refused(
            {"guests": [GUEST | {"addresses": ["192.168.57.11"]}]},
            ".guests[one].addresses[0]",
            "192.168.56.0/24",
            "guest outside",
        ),
        refused(
            {"guests": [GUEST, GUEST | {"name": "two", "addresses": []}]},
            ".guests[two].mac",
            "guests[one]",
            "MAC used twice",
        ),
        refused(
            {"guests": [GUEST, GUEST | {"name": "two", "mac": "52:54:00:00:01:66"}]},
            ".guests[two].addresses[0]",
            "guests[one]",
            "address used twice",
        ),
        refused(
            {"guests": [GUEST | {"forwards": [{"listen": 80}]}]},
            ".guests[one].forwards",
            "tap",
            "forward of another mode",
        ),
        refused({"uplinks": ["eth0"]}, ".uplinks", "host_services", "field of another mode"),
        refused({"addresses": ["192.168.56.1"]}, ".addresses[0]", "/", "no prefix length"),
        refused({"addresses": ["192.168.56.0/24"]}, ".addresses[0]", "192.168.56.0", "address of the subnet itself"),
        refused({"host_services": ["telnet"]}, ".host_services[0]", "ssh", "unknown service"),
        refused({"dhcp": {"ranges": [], "ipv6": "slaac"}}, ".dhcp.ipv6", "IPv6", "IPv6 without an address"),
        pytest.param(
            [NETWORK, {"name": "vmnet2", "addresses": ["192.168.0.1/16"]}],
            "host_only_networks[vmnet2].addresses[0]",
            "192.168.56.0/24",
            id="subnets overlap",
        ),
        pytest.param([NETWORK | {"name": "vm net"}], "host_only_networks[vm net].name", "interface", id="not a name"),
    ],
)
def test_it_is_refused(scenario: Scenario, networks: list[dict[str, Any]], at: str, right: str) -> None:
    for message in refusals(scenario, host_only_networks=networks):
        assert at in message
        assert right in message


def test_a_subnet_that_another_role_has_is_refused(scenario: Scenario) -> None:
    other = [{"name": "vmnet8", "addresses": ["192.168.56.129/25"]}]
    for message in refusals(scenario, host_only_networks=[NETWORK], nat_networks=other):
        assert "nat_networks[vmnet8].addresses[0]" in message
        assert "192.168.56.0/24" in message
