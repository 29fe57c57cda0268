# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The guests of the host-only network, with leases and with servers running."""

from __future__ import annotations

import pytest

from lab import Guest, Host
from verify import serve, wait_for_ipv6

Leases = dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def all_leases(all_guests: dict[str, dict[str, Guest]]) -> dict[str, Leases]:
    """host -> guest -> what its DHCP client was told."""
    leases = {host: {name: guest.dhcp() for name, guest in guests.items()} for host, guests in all_guests.items()}
    for guests in all_guests.values():
        for guest in guests.values():
            serve(guest, tcp=(80,), udp=(7,))
    return leases


@pytest.fixture(scope="module")
def leases(all_leases: dict[str, Leases], host: Host) -> Leases:
    return all_leases[host.name]


@pytest.fixture(scope="module")
def addresses(guests: dict[str, Guest], leases: Leases) -> dict[int, dict[str, str]]:
    """family -> guest -> address."""
    return {
        4: {name: lease["ip"] for name, lease in leases.items()},
        6: {name: wait_for_ipv6(guest, "fd00:56:") for name, guest in guests.items()},
    }
