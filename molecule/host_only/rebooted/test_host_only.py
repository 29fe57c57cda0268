# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot the network is there as before, and closed as before."""

from __future__ import annotations

from lab import Bed, Guest, Host
from verify import answers, silent


def test_a_guest_has_its_lease_and_reaches_host_and_peer(
    guests: dict[str, Guest], leases: dict[str, dict[str, str]]
) -> None:
    assert leases["one"]["ip"] == "192.168.56.11"
    assert answers(guests["one"], "192.168.56.1", protocol="icmp")
    assert answers(guests["two"], "192.168.56.11", 80)


def test_a_guest_is_refused_the_hosts_ssh(guests: dict[str, Guest]) -> None:
    assert silent(guests["one"], "192.168.56.1", 22)


def test_nothing_crosses(bed: Bed, host: Host, guests: dict[str, Guest]) -> None:
    host.run("sysctl -w net.ipv4.ip_forward=1")
    guests["one"].run("ip route replace default via 192.168.56.1")
    with bed.capture(host, "eth0", "src net 192.168.56.0/24") as wire:
        assert silent(guests["one"], "192.168.1.20", 80)
    bed.attacker.route("192.168.56.0/24", host.address)
    assert silent(bed.attacker, "192.168.56.11", 80)
    bed.attacker.unroute("192.168.56.0/24")
    guests["one"].run("ip route del default")
    host.run("sysctl -w net.ipv4.ip_forward=0")
    assert wire.packets() == []
