# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Nothing crosses between a host-only network and any other interface, however somebody sets the routes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host
from verify import answers, reached

SUBNET, SUBNET6 = "192.168.56.0/24", "fd00:56::/64"
PROBES = [("icmp", 0), ("tcp", 7), ("tcp", 80), ("udp", 7)]
OUTSIDE = ["192.168.1.20", "2001:db8:1::20", "8.8.8.8", "2001:4860:4860::8888", "192.168.1.1"]


@pytest.fixture(scope="module", autouse=True)
def routes(bed: Bed, host: Host, guests: dict[str, Guest]) -> Iterator[None]:
    """All do their worst: the host forwards, guests have a default route, and the LAN has routes to them."""
    forwarding = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
    before = [host.run(f"sysctl -n {name}").stdout.strip() for name in forwarding]
    host.run("sysctl -w " + " ".join(f"{name}=1" for name in forwarding))
    for guest in guests.values():
        guest.run("ip route replace default via 192.168.56.1; ip -6 route replace default via fd00:56::1")
    for station in (bed.attacker, bed.neighbour, bed.router):
        station.run(f"ip route replace {SUBNET} via {host.address}; ip -6 route replace {SUBNET6} via {host.address6}")
    yield
    for station in (bed.attacker, bed.neighbour, bed.router):
        station.run(f"ip route del {SUBNET}; ip -6 route del {SUBNET6}")
    for guest in guests.values():
        guest.run("ip route del default; ip -6 route del default")
    host.run("sysctl -w " + " ".join(f"{name}={value}" for name, value in zip(forwarding, before, strict=True)))


def test_what_is_open_is_reached(host: Host, guests: dict[str, Guest], addresses: dict[int, dict[str, str]]) -> None:
    """Or the probes of the other tests would prove nothing."""
    for address in OUTSIDE:
        assert answers(host, address, protocol="icmp"), address
    probes = ("icmp", 0), ("tcp", 80), ("udp", 7)
    assert all(answers(host, "192.168.1.20", port, protocol) for protocol, port in probes)
    assert all(answers(guests["two"], addresses[6]["one"], port, protocol) for protocol, port in probes)


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_guest_with_a_default_route_reaches_nothing_outside(
    bed: Bed, host: Host, guests: dict[str, Guest], address: str
) -> None:
    with bed.capture(host, "eth0", f"host {address} and not host {host.address} and not host {host.address6}") as wire:
        assert reached(guests["two"], address, *PROBES) == []
    assert wire.packets() == []


def test_no_frame_of_a_guest_is_on_the_physical_interface(bed: Bed, host: Host, guests: dict[str, Guest]) -> None:
    mac = guests["one"].nics[0].mac
    with (
        bed.capture(host, "eth0", f"ether host {mac}") as wire,
        bed.capture(host, "vmnet1", f"ether host {mac}") as inside,
    ):
        guests["one"].run(
            "ping -c 1 -W 1 255.255.255.255; ping -c 1 -W 1 224.0.0.1; ping -c 1 -W 1 8.8.8.8", check=False
        )
        guests["one"].run("arping -c 1 -w 1 -I eth0 192.168.1.20; ping -6 -c 1 -W 1 ff02::1%eth0", check=False)
    assert inside.count("icmp") and inside.count("arp") and inside.count("icmp6")
    assert wire.packets() == []


@pytest.mark.parametrize(
    ("claimed", "prefix", "gateway"), [("192.168.1.20", 32, "192.168.56.1"), ("2001:db8:1::20", 128, "fd00:56::1")]
)
def test_the_host_does_not_answer_others_for_a_guest_that_claims_to_be_them(
    bed: Bed, host: Host, guests: dict[str, Guest], claimed: str, prefix: int, gateway: str
) -> None:
    """An answer or a refusal to the claimed address would leave by the uplink."""
    probes = ("icmp", 0), ("tcp", 22), ("udp", 53), ("udp", 9)
    guests["one"].run(f"ip addr add {claimed}/{prefix} dev eth0; sleep 2")  # IPv6 looks for duplicates first
    mac = guests["one"].nics[0].mac
    with (
        bed.capture(host, "eth0", f"dst host {claimed} and (icmp or icmp6[0] < 130 or tcp or udp)") as wire,
        bed.capture(host, "vmnet1", f"ether src {mac} and src host {claimed}") as inside,
    ):
        assert reached(guests["one"], gateway, *probes, source=claimed) == []
    guests["one"].run(f"ip addr del {claimed}/{prefix} dev eth0")
    assert inside.count() >= len(probes)
    assert wire.packets() == []


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("who", ["neighbour", "attacker", "router"])
def test_nobody_outside_reaches_a_guest_by_a_route(
    bed: Bed, host: Host, addresses: dict[int, dict[str, str]], who: str, family: int
) -> None:
    target = addresses[family]["one"]
    with (
        bed.capture(host, "vmnet1", f"(ip or ip6) and host {target} and not icmp6[0] == 135") as inside,
        bed.capture(host, "eth0", f"dst {target}") as wire,
    ):
        assert reached(bed.node(who), target, ("icmp", 0), ("tcp", 80), ("udp", 7)) == []
    assert wire.packets(), "the probes arrived at the host"
    assert inside.packets() == []


def test_no_answer_to_the_outside_leaves_either(bed: Bed, host: Host, guests: dict[str, Guest]) -> None:
    """A packet with a source address of the LAN cannot get out."""
    guests["two"].run("ip addr add 192.168.1.77/32 dev lo")
    with bed.capture(host, "eth0", "host 192.168.1.77") as wire:
        assert reached(guests["two"], "192.168.1.20", ("tcp", 80), ("icmp", 0), source="192.168.1.77") == []
    guests["two"].run("ip addr del 192.168.1.77/32 dev lo")
    assert wire.packets() == []
