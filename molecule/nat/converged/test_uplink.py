# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's address on its uplink may change while guests run."""

from __future__ import annotations

from lab import Bed, Guest, Host
from verify import ask, seen_address

Guests = dict[str, Guest]


def test_translation_follows_a_changed_uplink_address(bed: Bed, host: Host, guests: Guests) -> None:
    new = f"192.168.1.{100 + int(host.address.rpartition('.')[2])}"
    change = "ip addr flush dev eth0 scope global to 192.168.1.0/24; ip addr add {}/24 dev eth0; ip route replace default via 192.168.1.1"
    assert seen_address(ask(guests["web"], "8.8.8.8", 7)) == host.address
    host.run(change.format(new))
    try:
        assert seen_address(ask(guests["web"], "8.8.8.8", 7)) == new
        assert seen_address(ask(guests["web"], "8.8.8.8", 7, "udp")) == new
        assert ask(bed.neighbour, new, 8080).startswith("web ")
    finally:
        host.run(change.format(host.address))
    assert seen_address(ask(guests["web"], "8.8.8.8", 7)) == host.address
