# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NAT, inwards: the declared ports lead to the guest, for whom they shall, and take nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host, Node
from verify import answers, ask, seen_address, silent

Guests = dict[str, Guest]

pytestmark = pytest.mark.usefixtures("guests")  # web answers

GATEWAYS = {4: "192.168.233.2", 6: "fd00:233::2"}
NEIGHBOUR = {4: "192.168.1.20", 6: "2001:db8:1::20"}
INTERNET = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}
CLIENTS = ["neighbour", "host itself", "web", "peer", "other"]


def client(bed: Bed, host: Host, guests: Guests, name: str) -> Node | Guest:
    if name == "host itself":
        return host
    return guests[name] if name in guests else bed.node(name)


def of_the_host(host: Host, family: int) -> str:
    return {4: host.address, 6: host.address6}[family]


@pytest.mark.parametrize("who", CLIENTS)
@pytest.mark.parametrize(("protocol", "port"), [("tcp", 8080), ("udp", 5001)])
@pytest.mark.parametrize("family", [4, 6])
def test_a_forwarded_port_answers(
    bed: Bed, host: Host, guests: Guests, who: str, protocol: str, port: int, family: int
) -> None:
    answer = ask(client(bed, host, guests, who), of_the_host(host, family), port, protocol)
    assert answer.startswith("web ")


@pytest.mark.parametrize("who", ["web", "peer", "host itself"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_forwarded_port_answers_on_the_gateways_address(
    bed: Bed, host: Host, guests: Guests, who: str, family: int
) -> None:
    assert ask(client(bed, host, guests, who), GATEWAYS[family], 8080).startswith("web ")


@pytest.fixture
def without_netfilter_on_the_bridge(host: Host) -> Iterator[None]:
    """The hosts of the test bed have it on, like hosts with Docker."""
    names = ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")
    assert host.run(["sysctl", "-n", *names]).lines == ["1", "1"]
    host.run(["sysctl", "-w", *(f"{name}=0" for name in names)])
    yield
    host.run(["sysctl", "-w", *(f"{name}=1" for name in names)])


@pytest.mark.parametrize("who", ["web", "peer", "other"])
@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.usefixtures("without_netfilter_on_the_bridge")
def test_hairpins_work_without_netfilter_on_the_bridge_too(host: Host, guests: Guests, who: str, family: int) -> None:
    assert ask(guests[who], of_the_host(host, family), 8080).startswith("web ")


@pytest.mark.parametrize("family", [4, 6])
def test_the_guest_sees_who_it_is_that_calls(bed: Bed, host: Host, family: int) -> None:
    answer = ask(bed.neighbour, of_the_host(host, family), 8080)
    assert answer.startswith("web ")
    assert seen_address(answer) == NEIGHBOUR[family]


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 7), ("udp", 5000), ("udp", 7)])
def test_all_of_a_list_and_of_a_range_answer(bed: Bed, host: Host, protocol: str, port: int) -> None:
    assert ask(bed.neighbour, host.address, port, protocol).startswith("web ")


@pytest.mark.parametrize("family", [4, 6])
def test_a_forward_with_sources_answers_them_and_nobody_else(bed: Bed, host: Host, family: int) -> None:
    assert ask(bed.neighbour, of_the_host(host, family), 2222).startswith("web ")
    assert silent(bed.attacker, of_the_host(host, family), 2222)


@pytest.mark.parametrize("who", CLIENTS)
def test_a_forward_of_one_address_answers_there(bed: Bed, host: Host, guests: Guests, who: str) -> None:
    assert ask(client(bed, host, guests, who), host.address, 3333).startswith("web ")


@pytest.mark.parametrize("where", [GATEWAYS[4], "192.168.234.2"])
def test_a_forward_of_one_address_answers_nowhere_else(guests: Guests, where: str) -> None:
    assert silent(guests["peer"], where, 3333)


@pytest.mark.parametrize("who", ["web", "peer", "other", "host itself"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("family", [4, 6])
def test_a_forward_takes_nothing_that_is_sent_to_the_same_port_elsewhere(
    bed: Bed, host: Host, guests: Guests, who: str, protocol: str, family: int
) -> None:
    answer = ask(client(bed, host, guests, who), INTERNET[family], 7, protocol)
    assert not answer.startswith("web ")
    assert seen_address(answer) == of_the_host(host, family)


@pytest.mark.parametrize("port", [8081, 80, 5002])
def test_a_port_without_a_forward_leads_nowhere(bed: Bed, host: Host, port: int) -> None:
    assert silent(bed.neighbour, host.address, port)


def test_the_hosts_own_services_stay_its_own(bed: Bed, host: Host) -> None:
    assert answers(bed.neighbour, host.address, 22)
