# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What network_info tells, against what guests and their peers see; and that it tells what somebody changed by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import Bed, Guest, Host
from verify import Scenario, answers, ask, run_module, seen_port

NF_CALL = "net.bridge.bridge-nf-call-iptables"
NOTHING = {"vmnet8": (0, 0), "vmnet9": (0, 0), "forward": (0, 0)}
Guests = dict[str, Guest]
Counted = dict[str, tuple[int, int]]
Leases = dict[str, dict[str, str]]


def network(scenario: Scenario, host: Host, **options: Any) -> Any:
    (found,) = run_module(scenario.inventory, host.name, "network_info", names=["vmnet8"], **options)["networks"]
    return found


@pytest.fixture(scope="module")
def port_outside(guests: Guests) -> int:
    """The port that a server on the internet has just seen the guest come from."""
    return seen_port(ask(guests["web"], "8.8.8.8", 7))


@pytest.fixture(scope="module")
def found(bed: Bed, scenario: Scenario, host: Host, port_outside: int) -> Any:
    """vmnet8, when the guest and the neighbour have just talked through the host."""
    assert port_outside
    assert ask(bed.neighbour, host.address, 8080)
    return network(scenario, host)


def test_leases_are_those_that_the_guests_have(found: Any, leases: Leases) -> None:
    told = {lease["name"]: lease for lease in found["leases"] if ":" not in lease["address"]}
    assert told["web"]["address"] == leases["web"]["ip"]
    assert told["web"]["mac"] == "52:54:00:00:00:65"
    assert 0 < told["web"]["expires"] - time.time() <= 3600


def test_ports_and_stations_are_those_of_the_guests(found: Any) -> None:
    assert {port["name"]: port["in_use"] for port in found["ports"]} == {"vnet0": True, "vnet1": True}
    stations = {station["mac"]: station["port"] for station in found["fdb"]}
    assert stations["52:54:00:00:00:65"] == "vnet0"


def test_a_connection_out_shows_the_source_that_the_server_saw(found: Any, host: Host, port_outside: int) -> None:
    out = [c for c in found["connections"] if c["direction"] == "out" and c["destination"] == "8.8.8.8"]
    assert (host.address, port_outside) in [(c["translated"], c["translated_port"]) for c in out]


def test_a_connection_in_shows_the_guest_that_answers(found: Any) -> None:
    come = [c for c in found["connections"] if c["direction"] == "in" and c["destination_port"] == 8080]
    assert ("192.168.1.20", "192.168.233.101", 80) in [
        (c["source"], c["translated"], c["translated_port"]) for c in come
    ]


def test_a_connection_is_counted_for_its_forward_and_its_network(scenario: Scenario, bed: Bed, host: Host) -> None:
    before = network(scenario, host)
    assert ask(bed.neighbour, host.address, 8080)
    after = network(scenario, host)
    for direction in ("received", "sent"):
        assert after[direction]["packets"] > before[direction]["packets"]
        pairs = zip(before["forwards"], after["forwards"], strict=True)
        counted = [(f["listen"], f["to_address"]) for old, f in pairs if old[direction] != f[direction]]
        assert counted == [("8080", "192.168.233.101")]


@contextmanager
def counting(scenario: Scenario, host: Host) -> Iterator[Counted]:
    """What is counted meanwhile: packets sent and received, of both networks and of the forward of port 8080."""
    before, found = packets(scenario, host), {}
    yield found
    after = packets(scenario, host)
    found.update({name: (after[name][0] - sent, after[name][1] - got) for name, (sent, got) in before.items()})


def packets(scenario: Scenario, host: Host) -> Counted:
    networks = run_module(scenario.inventory, host.name, "network_info", names=["vmnet8", "vmnet9"])["networks"]
    counted = {n["name"]: n for n in networks}
    (counted["forward"],) = (
        f for f in counted["vmnet8"]["forwards"] if (f["listen"], f["to_address"]) == ("8080", "192.168.233.101")
    )
    return {name: (of["sent"]["packets"], of["received"]["packets"]) for name, of in counted.items()}


@pytest.mark.parametrize("address", ["192.168.1.20", "2001:db8:1::20"])
def test_what_crosses_the_host_is_counted_once(scenario: Scenario, guests: Guests, host: Host, address: str) -> None:
    with counting(scenario, host) as counted:
        guests["web"].run(f"ping -c 3 {address}")
    assert counted == NOTHING | {"vmnet8": (3, 3)}


def test_what_is_refused_is_not_counted(scenario: Scenario, guests: Guests, host: Host, leases: Leases) -> None:
    with counting(scenario, host) as counted:
        assert not answers(guests["web"], leases["other"]["ip"], protocol="icmp")
    assert counted == NOTHING


def test_from_one_network_to_the_other_is_counted_for_both(scenario: Scenario, guests: Guests, host: Host) -> None:
    with counting(scenario, host) as counted:
        assert ask(guests["other"], host.address, 8080)
    assert counted["vmnet8"] == counted["forward"] == counted["vmnet9"][::-1] != (0, 0)


@pytest.mark.parametrize("called", [0, 1])
def test_what_stays_on_the_bridge_is_counted_for_its_forward_only(
    scenario: Scenario, guests: Guests, leases: Leases, host: Host, called: int
) -> None:
    before = host.run(f"sysctl -n {NF_CALL}").stdout.strip()
    host.run(f"sysctl -q -w {NF_CALL}={called}")
    try:
        with counting(scenario, host) as directly:
            assert answers(guests["peer"], leases["web"]["ip"], protocol="icmp")
        with counting(scenario, host) as by_the_host:
            assert ask(guests["peer"], host.address, 8080)
    finally:
        host.run(f"sysctl -q -w {NF_CALL}={before}")
    assert directly == NOTHING
    assert by_the_host["vmnet8"] == (0, 0)
    assert min(by_the_host["forward"]) > 0


def test_what_nobody_changed_has_not_drifted(found: Any) -> None:
    assert found["drift"] == []


def test_what_somebody_changed_by_hand_is_told_and_what_somebody_added_is_shown(scenario: Scenario, host: Host) -> None:
    host.run("ip link set vmnet8 mtu 1400")
    host.run("ip address add 10.99.0.1/24 dev vmnet8")
    host.run("ip route add 10.98.0.0/24 via 10.99.0.9")
    host.run("nft delete element inet vmnet vn_forwards_any4 '{ tcp . 8080 }'")
    try:
        told = network(scenario, host)
    finally:
        host.run("ip route del 10.98.0.0/24")
        host.run("ip address del 10.99.0.1/24 dev vmnet8")
        host.run("ip link set vmnet8 mtu 1500")
        host.run("/etc/vmnet/restore filter")
    assert told["drift"] == [
        "bridge vmnet8: mtu is 1400, should be 1500",
        "nft table inet vmnet (vn_forwards_any4 tcp . 8080) is missing",
    ]
    assert told["addresses"] == ["192.168.233.2/24", "10.99.0.1/24", "fd00:233::2/64"]
    assert told["routes"] == [{"destination": "10.98.0.0/24", "via": "10.99.0.9", "table": 254, "metric": None}]
    assert network(scenario, host)["drift"] == []
