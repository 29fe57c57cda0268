# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong is refused, with the place and what would be right, and the hosts stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, difference
from verify import Scenario, refusals, snapshots

GUEST = {"name": "web", "mac": "52:54:00:00:00:65", "addresses": ["192.168.233.101"]}
NETWORK = {"name": "vmnet8", "addresses": ["192.168.233.2/24"], "guests": [GUEST]}


@pytest.fixture(scope="module", autouse=True)
def untouched(bed: Bed) -> Iterator[None]:
    before = snapshots(bed)
    yield
    for name, after in snapshots(bed).items():
        assert difference(before[name], after) == [], name


def refused(change: dict[str, Any], field: str, right: str, name: str) -> Any:
    """A case: one network with this change, the field that the message names, and what it says would be right."""
    return pytest.param([NETWORK | change], f"nat_networks[vmnet8]{field}", right, id=name)


def guest(**change: Any) -> dict[str, Any]:
    return {"guests": [GUEST | change]}


@pytest.mark.parametrize(
    ("networks", "at", "right"),
    [
        refused({"addresses": [], "guests": []}, ".addresses", "gateway", "no gateway"),
        refused(
            {"dhcp": {"ranges": ["192.168.234.10-192.168.234.20"]}},
            ".dhcp.ranges[0]",
            "192.168.233.0/24",
            "range outside",
        ),
        refused(guest(addresses=["192.168.234.101"]), ".guests[web].addresses[0]", "192.168.233.0/24", "guest outside"),
        refused(
            guest(addresses=["192.168.233.2"]), ".guests[web].addresses[0]", "addresses[0]", "the gateway's address"
        ),
        refused(
            guest(addresses=[], forwards=[{"listen": 8080}]),
            ".guests[web].forwards[8080]",
            "addresses",
            "forward without target",
        ),
        refused({"forwards": [{"listen": 8080}]}, ".forwards[8080].to_address", "missing", "forward without address"),
        refused(
            {"forwards": [{"listen": 8080, "to_address": "10.0.0.1"}]},
            ".forwards[8080].to_address",
            "192.168.233.0/24",
            "forward to elsewhere",
        ),
        refused(
            guest(forwards=[{"listen": 80}, {"listen": "70-90"}]), ".guests[web].forwards", "80", "listeners overlap"
        ),
        refused(guest(forwards=[{"listen": 70000}]), ".guests[web].forwards[70000]", "65535", "port too high"),
        refused(
            guest(forwards=[{"listen": 80, "to": 80}]),
            ".guests[web].forwards[80].to",
            "to_port",
            "unknown field of a forward",
        ),
        refused({"ipv6": "routed"}, ".ipv6", "IPv6 address", "IPv6 without an address"),
        refused({"mtu": 20}, ".mtu", "68", "MTU too small"),
        refused({"gateway": "192.168.233.1"}, ".gateway", "addresses", "unknown field"),
        pytest.param(
            [NETWORK | {"name": "a-name-too-long-"}], "nat_networks[a-name-too-long-].name", "15", id="name too long"
        ),
        refused(
            {"dhcp": {"ranges": []}, "forwards": [{"protocol": "udp", "listen": 53, "to_address": "192.168.233.101"}]},
            ".forwards[53].listen",
            "address",
            "a port of the network's own DNS",
        ),
        pytest.param(
            [{"name": "vmnet9", "addresses": ["192.168.1.1/24"]}],
            "policies[vmnet9].subnets",
            " on eth0, which is in 192.168.1.0/24",
            id="the subnet of the host itself",
        ),
        pytest.param(
            [NETWORK, {"name": "vmnet9", "addresses": ["192.168.233.130/25"]}],
            "nat_networks[vmnet9].addresses[0]",
            "192.168.233.0/24",
            id="subnets overlap",
        ),
        pytest.param(
            [
                NETWORK,
                {
                    "name": "vmnet9",
                    "addresses": ["192.168.9.1/24"],
                    "guests": [{"name": "x", "mac": "52:54:00:00:00:65"}],
                },
            ],
            "nat_networks[vmnet9].guests[x].mac",
            "nat_networks[vmnet8].guests[web]",
            id="MAC used twice",
        ),
    ],
)
def test_it_is_refused(scenario: Scenario, networks: list[dict[str, Any]], at: str, right: str) -> None:
    for message in refusals(scenario, nat_networks=networks):
        assert at in message
        assert right in message


def test_a_tap_that_another_role_has_is_refused(scenario: Scenario) -> None:
    tap = {"tap": {"name": "vnet0"}}
    other = [{"name": "vmnet0", "uplink": "eth1", "guests": [{"name": "vm", **tap}]}]
    for message in refusals(scenario, nat_networks=[NETWORK | guest(**tap)], bridged_networks=other):
        assert "nat_networks[vmnet8].guests[web].tap.name" in message
        assert "bridged_networks[vmnet0].guests[vm].tap.name" in message
