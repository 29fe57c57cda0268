# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host is on its network by the bridge as it was by the uplink."""

from __future__ import annotations

import pytest

from lab import Bed, Host
from verify import answers, ask, seen_address


def test_the_uplink_is_a_port_and_has_no_address(host: Host) -> None:
    assert "master vmnet0" in host.run(f"ip -o link show {host.uplink}").stdout
    assert host.run(f"ip -o addr show dev {host.uplink}").stdout == ""
    routes = host.run("ip -4 route show table all; ip -6 route show table all").lines
    assert [line for line in routes if f"dev {host.uplink} " in line and not line.startswith("multicast")] == []


def test_the_bridge_has_the_mac_address_of_the_uplink(host: Host) -> None:
    assert host.mac_of("eth0") in host.run("ip -o link show vmnet0").stdout


@pytest.mark.parametrize("family", [4, 6])
def test_the_host_has_the_address_that_it_had(bed: Bed, host: Host, family: int) -> None:
    address, server = (host.address, "8.8.8.8") if family == 4 else (host.address6, "2001:4860:4860::8888")
    assert seen_address(ask(host, server, 7)) == address
    assert answers(bed.neighbour, address, protocol="icmp")


def test_names_are_still_looked_up(host: Host) -> None:
    assert "192.168.1.1" in host.run("cat /etc/resolv.conf").stdout


def test_the_dhcp_server_knows_the_host_by_the_name_it_had(bed: Bed, host: Host) -> None:
    lines = [line for line in bed.router.lease_file.read_text().splitlines() if host.mac_of("eth0") in line]
    assert len(lines) == (1 if "dhcp" in host.machine.variants else 0)
    for line in lines:
        assert line.split()[2] == host.address


def test_nothing_waits_to_be_confirmed(host: Host) -> None:
    assert host.run(["pgrep", "-af", "vmnet-uplinks"], check=False).stdout == ""
    assert not host.run("ls -d /run/vmnet-uplinks", check=False).ok
