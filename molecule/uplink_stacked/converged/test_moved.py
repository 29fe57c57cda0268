# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routes of every kind and rules are the bridge's, now and in systemd-networkd's files, and guests are on the network by it."""

from __future__ import annotations

import pytest

from lab import Bed, Host
from verify import ask, client, seen_address

NETWORK = "/etc/systemd/network"


@pytest.mark.parametrize(
    "route",
    [
        "10.77.0.0/16 via 192.168.1.20 dev vmnet0 proto static metric 77",
        "2001:db8:77::/48 via 2001:db8:1::20 dev vmnet0 proto static metric 77 pref medium",
        "10.78.0.0/16 via 10.79.0.1 dev vmnet0 proto static onlink",
        "2001:db8:78::/48 via 2001:db8:79::1 dev vmnet0 proto static metric 1024 onlink pref medium",
        "default via 192.168.1.20 dev vmnet0 table 100 proto static",
        "default via 2001:db8:1::20 dev vmnet0 table 100 proto static metric 1024 pref medium",
    ],
)
def test_a_route_is_the_bridges(host: Host, route: str) -> None:
    routes = host.run("ip -4 route show table all; ip -6 route show table all").lines
    assert [line.strip() for line in routes].count(route) == 1


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_about_the_uplink_is_one_about_the_bridge(host: Host, family: int) -> None:
    rules = [" ".join(line.split()) for line in host.run(f"ip -{family} rule").lines if " iif " in line]
    assert rules == ["100: from all iif vmnet0 lookup 100 proto static"]


def said(host: Host, file: str) -> list[str]:
    return [line for line in host.run(f"cat {NETWORK}/{file}").lines if line and not line.startswith("#")]


def test_what_a_file_said_of_the_uplink_another_says_of_the_bridge(host: Host) -> None:
    uplink = [line.replace(host.uplink, "vmnet0") for line in said(host, "10-uplink.network")]
    assert said(host, "00-vmnet-vmnet0.network") == uplink


def test_files_make_the_bridge_and_the_uplink_its_port(host: Host) -> None:
    device = ["[NetDev]", "Name=vmnet0", "Kind=bridge", f"MACAddress={host.mac_of('eth0')}", "[Bridge]", "STP=no"]
    assert said(host, "00-vmnet-vmnet0.netdev") == device
    port = ["[Match]", f"Name={host.uplink}", "[Network]", "Bridge=vmnet0"]
    assert said(host, f"00-vmnet-{host.uplink}.network") == port


def test_a_guest_is_a_station_of_the_lan(host: Host) -> None:
    with client(host, "vmnet0", "52:54:00:00:00:77") as guest:
        guest.run("ip addr add 192.168.1.77/24 dev eth0; ip addr add 2001:db8:1::77/64 dev eth0 nodad")
        for neighbour in ("192.168.1.20", "2001:db8:1::20"):
            guest.run(f"ping -c 1 -W 5 {neighbour}")


def test_a_bond_goes_on_without_one_of_its_members(bed: Bed) -> None:
    host = bed.hosts["bond"]
    member = host.run("cat /sys/class/net/bond0/bonding/active_slave").stdout.strip()
    host.run(f"ip link set {member} down")
    try:
        assert seen_address(ask(host, "8.8.8.8", 7)) == host.address
    finally:
        host.run(f"ip link set {member} up")
