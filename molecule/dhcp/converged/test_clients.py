# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Clients that are in use: ISC's dhclient, dhcpcd and systemd-networkd, each as a machine on the bridge."""

from __future__ import annotations

import pytest

from lab import Host
from lab.waiting import wait_for
from verify import Client, client

STRANGER = "52:54:00:00:00:99"
IN_RANGE = [f"192.168.233.{number}" for number in (*range(100, 110), *range(150, 160))]
NETWORKD = "[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\n[DHCPv4]\\nUseMTU=yes\\n"


@pytest.mark.parametrize("program", ["dhclient", "dhcpcd"])
def test_a_stranger_gets_an_address_of_a_range_and_the_mtu(host: Host, program: str) -> None:
    with client(host, "vmnet8", STRANGER) as who:
        told = getattr(who, program)()
        assert told.get("ip_address") in IN_RANGE, told
        assert (told["routers"], told["interface_mtu"]) == ("192.168.233.2", "1400")


@pytest.mark.parametrize("program", ["dhclient", "dhcpcd"])
def test_a_client_has_the_reserved_address_in_both_families(host: Host, guests: object, program: str) -> None:
    assert guests  # which have their leases
    host.guests["web"].run("ip link set eth0 down")  # one machine with a MAC address at a time
    with client(host, "vmnet8", "52:54:00:00:00:65") as who:
        told, told6 = (getattr(who, program)(family=family) for family in (4, 6))
    host.guests["web"].run("ip link set eth0 up")
    assert (told.get("ip_address"), told.get("host_name")) == ("192.168.233.20", "web"), told
    assert "fd00:233::65" in told6.values(), told6


def test_systemd_networkd_has_both_and_heeds_the_mtu(host: Host) -> None:
    with client(host, "vmnet8", STRANGER) as who:
        who.networkd(NETWORKD)
        wait_for("networkd: addresses of both families", lambda: _has_both(who), timeout=30, interval=0.5)
        assert "mtu 1400" in who.run("ip link show eth0").stdout


def _has_both(who: Client) -> bool:
    shown = who.run("ip addr show dev eth0 scope global").stdout
    return any(f"inet {address}/24" in shown for address in IN_RANGE) and "inet6 fd00:233::1" in shown
