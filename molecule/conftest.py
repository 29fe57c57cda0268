# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of all scenarios."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host
from verify import Scenario, boot_guests
from verify.scenario import HOSTS


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture(scope="session")
def bed(scenario: Scenario) -> Bed:
    """The hosts and what is around them, as step create has raised them."""
    return Bed.attach(scenario.name)


# Of a module, not of the session: pytest then runs one module after the other, each on both hosts.
@pytest.fixture(scope="module", params=HOSTS)
def host(bed: Bed, request: pytest.FixtureRequest) -> Host:
    return bed.hosts[request.param]


@pytest.fixture(scope="session")
def guest_names() -> tuple[str, ...]:
    """Guests to boot; none means all. A directory of tests may need fewer."""
    return ()


@pytest.fixture(scope="session")
def all_guests(bed: Bed, scenario: Scenario, guest_names: tuple[str, ...]) -> Iterator[dict[str, dict[str, Guest]]]:
    """host -> name -> virtual machine."""
    yield boot_guests([(host, scenario.networks(host.name)) for host in bed.hosts.values()], guest_names)
    for host in bed.hosts.values():
        for guest in host.guests.values():
            guest.stop()


@pytest.fixture(scope="module")
def guests(all_guests: dict[str, dict[str, Guest]], host: Host) -> dict[str, Guest]:
    """The virtual machines of the host, by name."""
    return all_guests[host.name]
