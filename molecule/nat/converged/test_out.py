# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NAT, outwards: a guest reaches what the host reaches, and is seen with the host's address."""

from __future__ import annotations

import re

import pytest

from lab import Guest, Host
from verify import answers, ask, once_more, seen_address, seen_port, wait_for_ipv6

GATEWAY, GATEWAY6 = "192.168.233.2", "fd00:233::2"
INTERNET = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}

Guests = dict[str, Guest]
Leases = dict[str, dict[str, str]]
Addresses = dict[int, dict[str, str]]


def test_the_lease_has_the_reserved_address_and_the_hosts_as_gateway(leases: Leases) -> None:
    lease = leases["web"]
    assert (lease["ip"], lease["mask"]) == ("192.168.233.101", "24")
    assert (lease["router"], lease["dns"], lease["serverid"]) == (GATEWAY, GATEWAY, GATEWAY)


@pytest.mark.parametrize(("guest", "subnet"), [("peer", "192.168.233"), ("other", "192.168.234")])
def test_a_guest_without_a_reserved_address_gets_one_of_the_range(leases: Leases, guest: str, subnet: str) -> None:
    network, _dot, number = leases[guest]["ip"].rpartition(".")
    assert network == subnet
    assert 100 <= int(number) <= 200


def test_a_guest_makes_itself_an_ipv6_address_and_has_a_default_route(guests: Guests, addresses: Addresses) -> None:
    assert addresses[6]["web"] == "fd00:233::5054:ff:fe00:65"
    assert "default via fe80:" in guests["web"].run("ip -6 route").stdout


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("web.vmnet8.internal", "192.168.233.101", id="another guest"),
        pytest.param("internet.test", "8.8.8.8", id="the world, by the host's resolver"),
    ],
)
def test_names_resolve(guests: Guests, name: str, address: str) -> None:
    assert address in guests["peer"].run(f"nslookup {name} {GATEWAY}", check=False).stdout


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("source_port", [0, 1000], ids=["any port", "privileged port"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_internet_sees_the_hosts_address_and_no_privileged_port(
    host: Host, guests: Guests, protocol: str, source_port: int, family: int
) -> None:
    answer = ask(guests["web"], INTERNET[family], 7, protocol, source_port=source_port)
    assert seen_address(answer) == {4: host.address, 6: host.address6}[family]
    assert seen_port(answer) >= 1024


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("guest", ["web", "peer", "other"])
def test_a_guest_pings_the_internet(guests: Guests, guest: str, family: int) -> None:
    if family == 6:
        wait_for_ipv6(guests[guest])
    asked = guests[guest], INTERNET[family]
    assert answers(*asked, protocol="icmp"), once_more(*asked, protocol="icmp")


def test_connection_tracking_maps_the_guests_address_to_the_hosts(host: Host, guests: Guests) -> None:
    assert answers(guests["web"], "8.8.8.8", 53, "udp")
    flows = host.run("conntrack -L -p udp --orig-src 192.168.233.101 --orig-dst 8.8.8.8").stdout
    assert re.search(
        rf"src=192\.168\.233\.101 dst=8\.8\.8\.8 .* src=8\.8\.8\.8 dst={re.escape(host.address)} ", flows
    ), flows


@pytest.mark.parametrize("family", [4, 6])
def test_nothing_is_translated_inside_the_subnet(guests: Guests, addresses: Addresses, family: int) -> None:
    assert seen_address(ask(guests["peer"], addresses[family]["web"], 80)) == addresses[family]["peer"]


@pytest.mark.parametrize(("family", "gateway"), [(4, GATEWAY), (6, GATEWAY6)])
def test_the_host_reaches_a_guest_and_is_seen_as_the_gateway(
    host: Host, addresses: Addresses, family: int, gateway: str
) -> None:
    assert seen_address(ask(host, addresses[family]["web"], 80)) == gateway


@pytest.mark.parametrize("where", [GATEWAY, GATEWAY6, "192.168.234.2", "LAN", "LAN6"])
def test_the_hosts_ssh_is_refused_on_all_its_addresses(host: Host, guests: Guests, where: str) -> None:
    address = {"LAN": host.address, "LAN6": host.address6}.get(where, where)
    assert answers(host, address, 22)
    place = f"[{address}]" if ":" in address else address
    refused = guests["web"].run(f"socat -T 2 - TCP:{place}:22,connect-timeout=30 < /dev/null", check=False)
    assert refused.stdout == ""
    assert "refused" in refused.stderr


@pytest.mark.parametrize("where", [GATEWAY, GATEWAY6])
def test_the_host_answers_pings(guests: Guests, where: str) -> None:
    assert answers(guests["web"], where, protocol="icmp")
