# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPv6: addresses by DHCPv6, addresses that guests make themselves, and what routers say of themselves."""

from __future__ import annotations

import pytest

from lab import Guest, Host
from lab.waiting import wait_for
from verify import client, wait_for_ipv6

Guests = dict[str, Guest]


def test_a_stranger_gets_an_address_of_the_range_and_the_name_server(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:99") as who:
        told = who.dhclient("-D LL", family=6)
        assert told.get("ip6_address", "").startswith("fd00:233::1"), told
        assert told["dhcp6_name_servers"] == "fd00:233::2"
        assert told["dhcp6_domain_search"] == "vmnet8.internal."


def test_a_guest_is_known_by_its_duid(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:77") as who:
        assert who.dhclient("-D LL", family=6).get("ip6_address") == "fd00:233::77"


def test_a_guest_is_known_by_its_mac_address_whatever_its_duid_is(host: Host, guests: Guests) -> None:
    guests["web"].run("ip link set eth0 down")
    with client(host, "vmnet8", "52:54:00:00:00:65") as who:
        told = who.dhclient("-D LLT", family=6)
    guests["web"].run("ip link set eth0 up")
    assert told.get("ip6_address") == "fd00:233::65", told


def test_where_there_is_dhcpv6_guests_have_a_route_and_make_no_address_themselves(guests: Guests) -> None:
    web = guests["web"]
    wait_for("a route", lambda: "default via fe80:" in web.run("ip -6 route").stdout, timeout=30, interval=0.5)
    assert "scope global" not in web.run("ip -6 addr show dev eth0").stdout


def test_an_isolated_guest_makes_itself_an_address_and_has_no_route_out(guests: Guests) -> None:
    assert wait_for_ipv6(guests["inside"]) == "fd00:56::5054:ff:fe00:56"
    assert "default" not in guests["inside"].run("ip -6 route").stdout


@pytest.mark.parametrize(("bridge", "lifetime"), [("vmnet1", 0), ("vmnet8", 1800)])
def test_the_lifetime_of_the_router_says_whether_there_is_one(host: Host, bridge: str, lifetime: int) -> None:
    with client(host, bridge, "52:54:00:00:00:99", name="listener") as who:
        seen = who.run(
            "timeout 10 tcpdump -c 1 -nvi eth0 'icmp6 and ip6[40] = 134' 2>/dev/null & "
            "sleep 1; ip link set eth0 down; ip link set eth0 up; wait",
            timeout=20,
        ).stdout
    assert f"router lifetime {lifetime}s" in seen, seen
