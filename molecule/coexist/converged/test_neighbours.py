# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Next to Docker, firewalld, ufw and libvirt guests have what they have elsewhere, and the others lose nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab import Bed, Guest, Host, Node
from verify import Scenario, answers, foreign_rules, name_server_answers

Guests = dict[str, Guest]
Stations = Callable[[str, str], Node]

# What drops forwarded packets there: the test would prove nothing if nobody did.
DROPPER = {
    "dock": "table ip filter { chain FORWARD {",
    "ufw": "table ip filter { chain FORWARD {",
    "fire": "table inet firewalld { # progname firewalld chain filter_FORWARD {",
}


def test_the_others_drop_what_is_forwarded(scenario: Scenario, host: Host) -> None:
    if host.name == "virt":
        pytest.skip("libvirt drops nothing but what is about its own networks")
    lines = " ".join(foreign_rules(scenario.snapshot("before", host))[DROPPER[host.name]])
    assert "policy drop" in lines or lines.endswith("reject with icmpx admin-prohibited")


def test_guests_have_what_is_promised(broken: Callable[[], list[str]]) -> None:
    assert broken() == []


def test_a_host_only_network_reaches_the_host_and_nothing_else(station: Stations) -> None:
    inside = station("vmnet1", "192.168.56.50")
    assert answers(inside, "192.168.56.1", protocol="icmp")
    assert name_server_answers(inside, "192.168.56.1", "internet.test")
    assert not answers(inside, "8.8.8.8", 7)


def test_frames_cross_a_bridged_network(bed: Bed, host: Host, station: Stations) -> None:
    if host.name == "fire":
        pytest.skip("firewalld has no place for that, which another test is about")
    assert host.run("sysctl -n net.bridge.bridge-nf-call-iptables").stdout.strip() == "1"
    address = host.address.rpartition(".")
    inside = station("vmnet0", f"{address[0]}.{int(address[2]) + 140}")
    assert answers(inside, "192.168.1.20", protocol="icmp")
    assert answers(bed.node("neighbour"), f"{address[0]}.{int(address[2]) + 140}", protocol="icmp")


@pytest.mark.parametrize(
    ("name", "bridge", "address"), [("dock", "docker0", "172.17.0.50"), ("virt", "virbr0", "192.168.122.50")]
)
def test_guests_of_others_reach_the_internet_as_before(
    host: Host, station: Stations, name: str, bridge: str, address: str
) -> None:
    if host.name != name:
        pytest.skip(f"{bridge} is on {name}")
    assert answers(station(bridge, address), "8.8.8.8", 7)


def test_libvirts_name_server_and_ours_live_side_by_side(host: Host, guests: Guests, station: Stations) -> None:
    if host.name != "virt":
        pytest.skip("there is no other name server")
    assert name_server_answers(station("virbr0", "192.168.122.50"), "192.168.122.1", "internet.test")
    assert name_server_answers(guests["web"], "192.168.233.2", "internet.test")


def test_foreign_rules_are_as_before_our_marked_ones_aside(scenario: Scenario, host: Host) -> None:
    assert foreign_rules(host.snapshot()) == foreign_rules(scenario.snapshot("before", host))
