# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest is told by DHCPv4, seen in the guest."""

from __future__ import annotations

import pytest

from lab import Guest, Host
from verify import answers, client

Guests = dict[str, Guest]
Leases = dict[str, dict[str, str]]

EVERYTHING = "-O bootfile -O tftp " + " ".join(f"-O {number}" for number in range(224, 229))


@pytest.fixture(scope="module")
def told(guests: Guests) -> dict[str, str]:
    return guests["web"].dhcp(options=EVERYTHING)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("ip", "192.168.233.20", id="the first of its addresses, which is outside the ranges"),
        pytest.param("hostname", "web", id="its name"),
        pytest.param("router", "192.168.233.2", id="the host as its router"),
        pytest.param("dns", "192.168.233.2", id="the host as its name server"),
        pytest.param("domain", "vmnet8.internal", id="the network's domain"),
        pytest.param("search", "a.example b.example", id="domains to search (119)"),
        pytest.param("mtu", "1400", id="the network's MTU (26)"),
        pytest.param("lease", "1800", id="half an hour"),
        pytest.param("ntpsrv", "192.168.233.65", id="an option of its own before that of the network"),
        pytest.param("staticroutes", "10.20.0.0/16 192.168.233.9 0.0.0.0/0 192.168.233.2", id="routes (121)"),
        pytest.param("opt224", "0005", id="a number of two octets"),
        pytest.param("opt225", "0102ff", id="octets"),
        pytest.param("opt226", "0a000001", id="an address"),
        pytest.param("opt227", b"a text, with #=;".hex(), id="a text"),
    ],
)
def test_a_guest_is_told(told: dict[str, str], field: str, value: str) -> None:
    assert told.get(field) == value, told


def test_the_guest_uses_its_mtu_and_its_routes(guests: Guests, told: dict[str, str]) -> None:
    assert told
    routes = guests["web"].run("ip route").stdout
    assert "default via 192.168.233.2" in routes
    assert "10.20.0.0/16 via 192.168.233.9" in routes
    assert answers(guests["web"], "8.8.8.8", protocol="icmp")


def test_a_forced_option_comes_without_being_asked_for(guests: Guests) -> None:
    told = guests["web"].dhcp(options="-o")
    assert told.get("opt228") == b"forced".hex(), told
    assert "opt224" not in told


def test_an_isolated_guest_has_no_router_and_no_default_route(guests: Guests, leases: Leases) -> None:
    assert leases["inside"]["ip"].startswith("192.168.56.")
    assert not {"router", "staticroutes"} & leases["inside"].keys()
    assert "default" not in guests["inside"].run("ip route").stdout


@pytest.mark.parametrize(
    ("mac", "client_id", "address", "name"),
    [
        pytest.param("52:54:00:00:00:99", "01:aa:bb:cc", "192.168.233.21", "byid", id="client id in octets"),
        pytest.param("52:54:00:00:00:99", '"guest-7"', "192.168.233.22", "bytext", id="client id as text"),
    ],
)
def test_a_guest_is_known_by_its_client_id(host: Host, mac: str, client_id: str, address: str, name: str) -> None:
    with client(host, "vmnet8", mac) as who:
        who.run(f"printf 'send dhcp-client-identifier %s;' '{client_id}' > /run/client-conf.client")
        told = who.dhclient("-cf /run/client-conf.client")
        assert (told.get("ip_address"), told.get("host_name")) == (address, name), told


def test_a_reserved_name_needs_no_address(host: Host) -> None:
    with client(host, "vmnet8", "52:54:00:00:00:88") as who:
        told = who.dhclient()
        assert told.get("host_name") == "nameonly", told
        assert told.get("time_offset") == "-3600"  # busybox has no word for it
