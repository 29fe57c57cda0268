# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kinds of forwards: of one address and another, of one family, of SCTP, and of the host's own 127.0.0.1."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import Bed, Guest, Host
from lab.waiting import wait_for
from verify import ask, seen_address, seen_port, silent
from verify.raw import ECHO, SYN, Packet, program, raw_station

Guests = dict[str, Guest]

SECOND = "192.168.1.105"
GATEWAY = "192.168.233.2"
ONLY_LOCAL = 7777  # what a process of the host serves on 127.0.0.1

pytestmark = pytest.mark.usefixtures("guests")  # they answer


@pytest.fixture(scope="module", autouse=True)
def second_address(host: Host) -> Iterator[None]:
    host.run(f"ip addr add {SECOND}/24 dev eth0")
    yield
    host.run(f"ip addr del {SECOND}/24 dev eth0")


def test_one_port_leads_to_two_guests_by_two_addresses(bed: Bed, host: Host) -> None:
    assert ask(bed.neighbour, host.address, 9000).startswith("one ")
    assert ask(bed.neighbour, SECOND, 9000).startswith("two ")
    assert silent(bed.neighbour, host.address6, 9000)


@pytest.mark.parametrize("who", ["neighbour", "host"])
def test_a_forward_of_every_address_of_one_family_does_not_open_the_other(bed: Bed, host: Host, who: str) -> None:
    client = host if who == "host" else bed.node(who)
    assert ask(client, host.address, 8044).startswith("one ")
    assert silent(client, host.address6, 8044)
    assert ask(client, host.address6, 8066).startswith("one ")
    assert silent(client, host.address, 8066)


@pytest.mark.parametrize("where", ["uplink", "uplink6", "gateway"])
def test_sctp_is_forwarded(host: Host, guests: Guests, where: str) -> None:
    """From a guest, because the kernel of the test bed's stations has no SCTP of its own. An end of input would end it all."""
    for guest in guests.values():
        guest.run("load-sctp", check=False)
    guests["one"].spawn("socat SCTP6-LISTEN:7000,ipv6-v6only=0,fork,reuseaddr SYSTEM:'echo one'")
    address = {"uplink": host.address, "uplink6": f"[{host.address6}]", "gateway": GATEWAY}[where]
    for _try in range(3):
        answer = guests["two"].run(f"sleep 3 | socat -T 5 - SCTP:{address}:7000,connect-timeout=5", check=False)
        if answer.stdout:
            break
    assert answer.stdout == "one\n", answer.stderr


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("source_port", [0, 900], ids=["any port", "privileged port"])
def test_source_nat_to_a_given_address_and_its_ports(guests: Guests, protocol: str, source_port: int) -> None:
    answer = ask(guests["two"], "8.8.8.8", 7, protocol, source_port=source_port)
    assert seen_address(answer) == SECOND
    assert 20000 <= seen_port(answer) <= 20099


def test_a_family_without_a_given_address_keeps_the_hosts(host: Host, guests: Guests) -> None:
    answer = ask(guests["two"], "2001:4860:4860::8888", 7)
    assert seen_address(answer) == host.address6
    assert seen_port(answer) >= 1024


# The host's own 127.0.0.1


@pytest.mark.parametrize(("protocol", "port"), [("tcp", 8080), ("udp", 5000)])
def test_the_hosts_own_loopback_address_leads_to_the_guest(host: Host, protocol: str, port: int) -> None:
    answer = ask(host, "127.0.0.1", port, protocol)
    assert answer.startswith("one ")
    assert seen_address(answer) == GATEWAY


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"])
def test_only_the_ports_of_such_forwards_are_taken_from_loopback(host: Host, address: str) -> None:
    assert silent(host, address, 8044)
    assert address == "127.0.0.1" or silent(host, address, 8080)


@pytest.fixture(scope="module")
def local_service(host: Host) -> Iterator[None]:
    process = host.spawn(
        f"socat TCP4-LISTEN:{ONLY_LOCAL},bind=127.0.0.1,fork,reuseaddr SYSTEM:'echo local'", name="local-service"
    )
    wait_for("the local service", lambda: ask(host, "127.0.0.1", ONLY_LOCAL) == "local", timeout=10)
    yield
    host.end(process)


def packets_to_loopback(source: str, port: int) -> list[Packet]:
    """TCP SYNs and pings for 127.0.0.1, from an address of the sender and from 127.0.0.1 itself."""
    sources = (source, "127.0.0.1")
    return [Packet(source, "127.0.0.1", what, to) for source in sources for what, to in ((SYN, port), (ECHO, 0))]


@pytest.mark.parametrize("port", [ONLY_LOCAL, 8080])
@pytest.mark.usefixtures("local_service")
def test_the_lan_does_not_reach_the_hosts_loopback_address(bed: Bed, host: Host, port: int) -> None:
    """A station of the LAN sends to 127.0.0.1 by way of the host's MAC address."""
    mac = bed.attacker.run("cat /sys/class/net/eth0/address").stdout.strip()
    packets = program("eth0", host.mac_of("eth0"), mac, packets_to_loopback("192.168.1.66", port))
    with (
        bed.capture(host, "eth0", "host 127.0.0.1") as wire,
        bed.capture(host, "eth0", "src 127.0.0.1 or (dst 192.168.1.66 and (tcp or icmp))") as answered,
        bed.capture(host, "vmnet8", "host 192.168.1.66 or host 127.0.0.1 or dst port 80") as inside,
    ):
        bed.attacker.run(["python3", "-"], input=packets)
    assert wire.count("dst 127.0.0.1") >= 4, "the packets arrived at the host"
    assert [line for line in answered.packets() if "> 127.0.0.1" not in line] == []
    assert inside.packets() == []


@pytest.mark.parametrize("port", [ONLY_LOCAL, 8080])
@pytest.mark.usefixtures("local_service")
def test_a_guest_does_not_reach_the_hosts_loopback_address(bed: Bed, host: Host, port: int) -> None:
    """A station on the network's bridge sends to 127.0.0.1 by way of the host's MAC address."""
    with (
        raw_station(host, "vmnet8", packets_to_loopback("192.168.233.77", port)) as send,
        bed.capture(host, "bad0", "dst 127.0.0.1") as wire,
        bed.capture(host, "bad1", "dst 192.168.233.77 and (tcp or icmp)") as answered,
        bed.capture(host, "vnet1", "tcp port 80 or icmp") as inside,
    ):
        send()
    assert wire.count() >= 4, "the packets arrived at the host"
    assert answered.packets() == []
    assert inside.packets() == []
