# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of all scenarios: the hosts, and their guests with leases and with servers running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host
from verify import Scenario, boot_guests, serve, wait_for_ipv6

Guests = dict[str, Guest]
Leases = dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture(scope="session")
def bed(scenario: Scenario) -> Bed:
    """The hosts and what is around them, as step create has raised them."""
    return Bed.attach(scenario.bed)


# Of a module, not of the session: pytest then runs one module after the other, each on both hosts.
@pytest.fixture(scope="module", params=Scenario().machines())
def host(bed: Bed, request: pytest.FixtureRequest) -> Host:
    return bed.hosts[request.param]


@pytest.fixture(scope="session")
def guest_names() -> tuple[str, ...]:
    """Guests to boot; none means all. A directory of tests may need fewer."""
    return ()


@pytest.fixture(scope="session")
def all_guests(bed: Bed, scenario: Scenario, guest_names: tuple[str, ...]) -> Iterator[dict[str, Guests]]:
    """host -> name -> virtual machine."""
    yield boot_guests([(host, scenario.networks(host.name)) for host in bed.hosts.values()], guest_names)
    for host in bed.hosts.values():
        for guest in host.guests.values():
            guest.stop()


@pytest.fixture(scope="session")
def all_leases(all_guests: dict[str, Guests]) -> dict[str, Leases]:
    """host -> guest -> what its DHCP client was told."""
    leases = {host: {name: guest.dhcp() for name, guest in guests.items()} for host, guests in all_guests.items()}
    for guests in all_guests.values():
        for guest in guests.values():
            serve(guest, tcp=(80,), udp=(7, 5000, 5001))
    return leases


@pytest.fixture(scope="module")
def guests(all_guests: dict[str, Guests], all_leases: dict[str, Leases], host: Host) -> Guests:
    """The virtual machines of the host, by name."""
    assert host.name in all_leases
    return all_guests[host.name]


@pytest.fixture(scope="module")
def leases(all_leases: dict[str, Leases], host: Host) -> Leases:
    return all_leases[host.name]


@pytest.fixture(scope="module")
def addresses(guests: Guests, leases: Leases) -> dict[int, dict[str, str]]:
    """family -> guest -> its address."""
    return {
        4: {name: lease["ip"] for name, lease in leases.items()},
        6: {name: wait_for_ipv6(guest) for name, guest in guests.items()},
    }
