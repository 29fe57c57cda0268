# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot the forwards lead where they led, from the LAN and from the host's own 127.0.0.1."""

from __future__ import annotations

import pytest

from lab import Bed, Guest, Host
from verify import ask, wait_for_ipv6


@pytest.fixture(scope="session")
def guest_names() -> tuple[str, ...]:
    return ("one",)


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 8080), ("udp", 5000)])
def test_a_forward_answers_the_lan_and_the_host(
    bed: Bed, host: Host, guests: dict[str, Guest], protocol: str, port: int
) -> None:
    wait_for_ipv6(guests["one"])
    assert ask(bed.neighbour, host.address, port, protocol).startswith("one ")
    assert ask(bed.neighbour, host.address6, port, protocol).startswith("one ")
    assert ask(host, "127.0.0.1", port, protocol).startswith("one ")


def test_the_guest_is_seen_by_the_host_on_loopback_only_where_it_is_forwarded(
    host: Host, guests: dict[str, Guest]
) -> None:
    assert guests["one"].running
    assert host.run("sysctl -n net.ipv4.conf.vmnet8.route_localnet").stdout.strip() == "1"
    assert host.run("sysctl -n net.ipv4.conf.eth0.route_localnet").stdout.strip() == "0"
