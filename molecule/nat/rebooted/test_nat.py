# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot guests get out, forwards lead in, and the rest is kept out, as before."""

from __future__ import annotations

import pytest

from lab import Bed, Guest, Host
from verify import ask, seen_address, silent

Guests = dict[str, Guest]


@pytest.fixture(scope="session")
def guest_names() -> tuple[str, ...]:
    return ("web", "peer")


def test_a_guest_has_its_lease_again(leases: dict[str, dict[str, str]]) -> None:
    assert leases["web"]["ip"] == "192.168.233.101"
    assert leases["web"]["router"] == "192.168.233.2"


@pytest.mark.parametrize("family", [4, 6])
def test_the_internet_sees_the_hosts_address(
    host: Host, guests: Guests, addresses: dict[int, dict[str, str]], family: int
) -> None:
    assert addresses[family]["web"]
    answer = ask(guests["web"], {4: "8.8.8.8", 6: "2001:4860:4860::8888"}[family], 7)
    assert seen_address(answer) == {4: host.address, 6: host.address6}[family]


@pytest.mark.parametrize("who", ["neighbour", "peer", "web", "host itself"])
@pytest.mark.parametrize(("protocol", "port"), [("tcp", 8080), ("udp", 5000)])
def test_a_forwarded_port_answers(bed: Bed, host: Host, guests: Guests, who: str, protocol: str, port: int) -> None:
    client = host if who == "host itself" else guests.get(who) or bed.node(who)
    assert ask(client, host.address, port, protocol).startswith("web ")


def test_a_lan_neighbour_cannot_route_to_a_nat_guest(bed: Bed, host: Host, leases: dict[str, dict[str, str]]) -> None:
    bed.attacker.route("192.168.233.0/24", host.address)
    assert silent(bed.attacker, leases["web"]["ip"], 80)
    bed.attacker.unroute("192.168.233.0/24")


def test_a_guest_is_refused_the_hosts_ssh(guests: Guests) -> None:
    assert silent(guests["web"], "192.168.233.2", 22)
