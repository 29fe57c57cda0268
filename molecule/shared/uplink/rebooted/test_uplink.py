# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot the host is on its network by the bridge, with the same addresses, and the guests' ports are there."""

from __future__ import annotations

import pytest

from lab import Bed, Host
from verify import Scenario, answers, ask, seen_address


@pytest.mark.parametrize("family", [4, 6])
def test_the_host_has_the_address_that_it_had(bed: Bed, host: Host, family: int) -> None:
    address, server = (host.address, "8.8.8.8") if family == 4 else (host.address6, "2001:4860:4860::8888")
    assert seen_address(ask(host, server, 7)) == address
    assert answers(bed.neighbour, address, protocol="icmp")


def test_the_bridge_has_its_ports(scenario: Scenario, host: Host) -> None:
    taps = [guest["tap"]["name"] for network in scenario.networks(host.name) for guest in network.get("guests", [])]
    for port in (host.uplink, *taps):
        assert "master vmnet0" in host.run(f"ip -o link show {port}").stdout


def test_the_port_has_no_address(host: Host) -> None:
    assert host.run(f"ip -o addr show dev {host.uplink}").stdout == ""
