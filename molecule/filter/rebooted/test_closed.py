# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot what was closed is closed and what was open is open, before anybody has run anything."""

from __future__ import annotations

import pytest

from lab import Bed, Guest, Host
from verify import answers, ask, seen_address, silent


@pytest.fixture(scope="session")
def guest_names() -> tuple[str, ...]:
    return ("nat", "isolated")


@pytest.fixture(scope="module")
def host(bed: Bed) -> Host:
    return bed.hosts["host13"]


def test_a_guest_behind_nat_reaches_the_internet_and_nobody_routes_to_it(
    bed: Bed, host: Host, guests: dict[str, Guest], leases: dict[str, dict[str, str]]
) -> None:
    assert seen_address(ask(guests["nat"], "8.8.8.8", 7)) == host.address
    assert answers(host, leases["nat"]["ip"], 80)
    bed.attacker.route("192.168.233.0/24", host.address)
    assert silent(bed.attacker, leases["nat"]["ip"], 80)
    bed.attacker.unroute("192.168.233.0/24")


def test_networks_are_apart(guests: dict[str, Guest], leases: dict[str, dict[str, str]]) -> None:
    guests["isolated"].run("ip route replace default via 192.168.56.1")
    assert silent(guests["isolated"], leases["nat"]["ip"], 80)
    assert silent(guests["nat"], leases["isolated"]["ip"], 80)
    assert silent(guests["isolated"], "8.8.8.8", 7)
