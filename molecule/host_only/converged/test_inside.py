# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a guest of a host-only network has: a lease, names, its host, and its peers."""

from __future__ import annotations

import pytest

from lab import Bed, Guest, Host
from verify import answers, ask, name_server_answers, seen_address

HOST, HOST6 = "192.168.56.1", "fd00:56::1"
ONE = "192.168.56.11"


def test_the_lease_has_the_reserved_address_and_no_router(leases: dict[str, dict[str, str]]) -> None:
    lease = leases["one"]
    assert (lease["ip"], lease["serverid"], lease["mask"]) == (ONE, HOST, "24")
    assert "router" not in lease


def test_a_guest_without_a_reserved_address_gets_one_of_the_range(leases: dict[str, dict[str, str]]) -> None:
    assert 100 <= int(leases["two"]["ip"].rpartition(".")[2]) <= 200


def test_a_guest_has_no_default_route(guests: dict[str, Guest]) -> None:
    assert "default" not in guests["two"].run("ip route; ip -6 route").stdout


def test_a_guest_finds_its_peer_by_name(guests: dict[str, Guest]) -> None:
    assert ONE in guests["two"].run(f"nslookup one.vmnet1.internal {HOST}").stdout


def test_names_of_the_world_are_not_resolved(guests: dict[str, Guest]) -> None:
    assert "8.8.8.8" not in guests["two"].run(f"nslookup internet.test {HOST}", check=False).stdout


@pytest.mark.parametrize("address", [HOST, HOST6])
def test_a_guest_reaches_the_host(guests: dict[str, Guest], address: str) -> None:
    assert answers(guests["one"], address, protocol="icmp")


@pytest.mark.parametrize("port", [0, 80], ids=["ping", "tcp"])
@pytest.mark.parametrize("family", [4, 6])
def test_the_host_reaches_a_guest(host: Host, addresses: dict[int, dict[str, str]], family: int, port: int) -> None:
    assert answers(host, addresses[family]["one"], port, "tcp" if port else "icmp")


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
@pytest.mark.parametrize("family", [4, 6])
def test_peers_reach_one_another_directly(
    guests: dict[str, Guest], addresses: dict[int, dict[str, str]], family: int, protocol: str
) -> None:
    port = {"tcp": 80, "udp": 7, "icmp": 0}[protocol]
    answer = ask(guests["two"], addresses[family]["one"], port, protocol)
    assert answer == "pong" or seen_address(answer) == addresses[family]["two"]


@pytest.mark.parametrize("where", [HOST, HOST6, "192.168.57.1", "LAN", "LAN6"])
@pytest.mark.parametrize("port", [22, 111])
def test_other_services_of_the_host_are_refused_on_all_its_addresses(
    host: Host, guests: dict[str, Guest], where: str, port: int
) -> None:
    address = {"LAN": host.address, "LAN6": host.address6}.get(where, where)
    route = f"ip route replace default via {HOST}; ip -6 route replace default via {HOST6}"
    undo = "ip route del default; ip -6 route del default"
    guests["one"].run(route)
    assert host.run("ss -Hltn sport = :22").stdout, "ssh of the host listens"
    with_refusal = guests["one"].run(
        f"socat -T 2 - TCP:{'[' + address + ']' if ':' in address else address}:{port},connect-timeout=30", check=False
    )
    guests["one"].run(undo)
    assert with_refusal.stdout == ""
    assert "refused" in with_refusal.stderr


def test_a_network_without_addresses_leaves_the_host_out_of_it(host: Host) -> None:
    assert host.run("ip -o addr show dev vmnet3").stdout == ""


def test_the_name_server_answers_guests_and_not_the_lan(bed: Bed, host: Host, guests: dict[str, Guest]) -> None:
    bed.attacker.route("192.168.56.0/24", host.address)
    assert name_server_answers(guests["two"], HOST, "one.vmnet1.internal")
    for address in (HOST, host.address, host.address6):
        assert not name_server_answers(bed.attacker, address, "one.vmnet1.internal")
    bed.attacker.unroute("192.168.56.0/24")
