# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NAT keeps the rest out: those who route straight to guests, those who claim to be guests, and other networks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host
from verify import answers, name_server_answers, reached

Guests = dict[str, Guest]
Addresses = dict[int, dict[str, str]]

# Also the inner ports of forwards, and their outer ones.
PROBES = [("icmp", 0), ("tcp", 80), ("tcp", 8080), ("udp", 5000), ("udp", 7)]
STATIONS = ["neighbour", "attacker", "router"]


@pytest.fixture(scope="module", autouse=True)
def routes(bed: Bed, host: Host) -> Iterator[None]:
    """The LAN has routes to the guests' subnets."""
    subnets = {"192.168.233.0/24": host.address, "192.168.234.0/24": host.address, "fd00:233::/64": host.address6}
    for station in STATIONS:
        for subnet, via in subnets.items():
            bed.node(station).run(f"ip route replace {subnet} via {via}")
    yield
    for station in STATIONS:
        for subnet in subnets:
            bed.node(station).run(f"ip route del {subnet}")


def test_what_is_open_is_reached(guests: Guests) -> None:
    """Or the probes of the other tests would prove nothing."""
    probes = ("icmp", 0), ("tcp", 7), ("udp", 7)
    assert name_server_answers(guests["web"], "192.168.233.2", "web.vmnet8.internal")
    assert all(answers(guests["web"], "8.8.8.8", port, protocol) for protocol, port in probes)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("who", STATIONS)
def test_a_lan_neighbour_cannot_route_to_a_nat_guest(
    bed: Bed, host: Host, addresses: Addresses, who: str, family: int
) -> None:
    target = addresses[family]["web"]
    with (
        bed.capture(host, "vmnet8", f"(ip or ip6) and host {target} and not icmp6[0] == 135") as inside,
        bed.capture(host, "eth0", f"dst {target}") as wire,
    ):
        assert reached(bed.node(who), target, *PROBES) == []
    assert wire.packets(), "the probes arrived at the host"
    assert inside.packets() == []


@pytest.mark.parametrize("target", ["192.168.233.2", "192.168.234.2"])
def test_a_lan_neighbour_cannot_use_the_gateways_address(bed: Bed, target: str) -> None:
    assert reached(bed.attacker, target, ("tcp", 22), ("tcp", 8080), ("icmp", 0), ("udp", 5000)) == []
    assert not name_server_answers(bed.attacker, target, "web.vmnet8.internal")


@pytest.mark.parametrize(("claimed", "prefix"), [("192.168.233.66", 32), ("fd00:233::66", 128)])
def test_a_packet_from_outside_that_claims_to_be_a_guests_is_dropped(
    bed: Bed, host: Host, claimed: str, prefix: int
) -> None:
    target = host.address6 if ":" in claimed else host.address
    bed.attacker.run(
        f"ip addr add {claimed}/{prefix} dev lo nodad" if ":" in claimed else f"ip addr add {claimed}/{prefix} dev lo"
    )
    try:
        with (
            bed.capture(host, "vmnet8", f"(ip or ip6) and host {claimed} and not icmp6[0] == 135") as inside,
            bed.capture(host, "eth0", f"src {claimed}") as wire,
        ):
            probes = ("udp", 5000), ("tcp", 8080), ("icmp", 0)
            assert reached(bed.attacker, target, *probes, source=claimed) == []
    finally:
        bed.attacker.run(f"ip addr del {claimed}/{prefix} dev lo")
    assert wire.packets(), "the probes arrived at the host"
    assert inside.packets() == []


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(("who", "whom"), [("web", "other"), ("other", "web"), ("other", "peer")])
def test_networks_do_not_reach_one_another(
    bed: Bed, host: Host, guests: Guests, addresses: Addresses, who: str, whom: str, family: int
) -> None:
    target = addresses[family][whom]
    with bed.capture(host, guests[whom].nics[0].tap, f"(ip or ip6) and src {addresses[family][who]}") as inside:
        assert reached(guests[who], target, ("icmp", 0), ("tcp", 80), ("udp", 7)) == []
    assert inside.packets() == []


def test_a_guest_with_a_foreign_source_address_gets_nothing_out(bed: Bed, host: Host, guests: Guests) -> None:
    guests["peer"].run("ip addr add 192.168.77.7/32 dev lo")
    with bed.capture(host, "eth0", "dst 8.8.8.8 and src net 192.168.77.0/24") as wire:
        assert reached(guests["peer"], "8.8.8.8", ("tcp", 7), ("udp", 7), source="192.168.77.7") == []
    guests["peer"].run("ip addr del 192.168.77.7/32 dev lo")
    assert wire.packets() == []


def test_strict_reverse_path_filtering_breaks_nothing(bed: Bed, host: Host, guests: Guests) -> None:
    host.run("sysctl -w net.ipv4.conf.all.rp_filter=1")
    try:
        assert answers(guests["web"], "8.8.8.8", 7)
        assert answers(bed.neighbour, host.address, 8080)
        assert answers(guests["peer"], host.address, 8080)
    finally:
        host.run("sysctl -w net.ipv4.conf.all.rp_filter=0")
