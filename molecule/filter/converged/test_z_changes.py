# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Policies that change while guests run: peers that come and go, uplinks that are listed, and a host without IPv6."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Guest, Host
from lab.waiting import wait_for
from verify import Scenario, ask, reached, run_playbook, seen_address
from verify.raw import ECHO_REPLY, FIN_ACK, RST, SYN_ACK, Packet, raw_station

Guests = dict[str, Guest]

HOST = "host13"
SECOND = {"host": "10.9.9.5", "station": "10.9.9.20"}  # another network that the host is on, by eth1
PROBES = [("icmp", 0), ("tcp", 80), ("udp", 7)]


@pytest.fixture(scope="module")
def host(bed: Bed) -> Host:
    return bed.hosts[HOST]


def change(scenario: Scenario, **fields: Any) -> None:
    """The network behind NAT with other fields, by the module that decides who may forward to whom."""
    networks = [network for network in scenario.networks(HOST) if network["name"] == "vmnet8"]
    # host12 gets what host13 has; it has no guests.
    playbook = str(scenario.directory / "networks.yml")
    run_playbook(playbook, scenario.inventory, nat_networks=[network | fields for network in networks]).succeeded()


@pytest.fixture(scope="module", autouse=True)
def as_before(scenario: Scenario) -> Iterator[None]:
    yield
    change(scenario)


@pytest.fixture(scope="module")
def isolated_guest_has_a_way_back(guests: Guests) -> None:
    guests["isolated"].run("ip route replace default via 192.168.56.1; ip -6 route replace default via fd00:56::1")


@pytest.mark.usefixtures("isolated_guest_has_a_way_back")
def test_peers_are_let_in_one_way_and_shut_out_again_with_what_they_had_begun(
    scenario: Scenario, host: Host, guests: Guests, addresses: dict[int, dict[str, str]]
) -> None:
    def opened(family: int) -> bool:
        return sorted(reached(guests["nat"], addresses[family]["isolated"], *PROBES)) == sorted(PROBES)

    assert reached(guests["nat"], addresses[4]["isolated"], *PROBES) == []
    change(scenario, peers=["vmnet1"])
    for family in (4, 6):
        wait_for(f"IPv{family}", lambda family=family: opened(family), timeout=30)
        assert seen_address(ask(guests["nat"], addresses[family]["isolated"], 80)) == addresses[family]["nat"]
        assert reached(guests["isolated"], addresses[family]["nat"], *PROBES) == [], "the other way"
    # A connection that is never idle, and what it hears
    to = f"TCP4:{addresses[4]['isolated']}:80"
    guests["nat"].spawn(f"(while sleep 0.3; do echo tick; done) | socat - {to} > /tmp/heard")

    def heard() -> int:
        return int(guests["nat"].run("grep -c tick /tmp/heard", check=False).stdout or 0)

    wait_for("an answer", heard, timeout=20)
    change(scenario)
    for family in (4, 6):
        assert reached(guests["nat"], addresses[family]["isolated"], *PROBES) == []
    before = heard()
    time.sleep(3)
    assert heard() == before, "the connection has ended with the permission"
    assert host.run("nft list set inet vmnet vn_peers").stdout.count("vmnet") == 1, "only the table's own name"


@pytest.fixture
def two_uplinks(bed: Bed, host: Host) -> Iterator[None]:
    """The host is on a second network by eth1, where the neighbour is, too."""
    host.run(f"ip addr add {SECOND['host']}/24 dev eth1")
    bed.neighbour.run(f"ip addr add {SECOND['station']}/24 dev eth0")
    yield
    bed.neighbour.run(f"ip addr del {SECOND['station']}/24 dev eth0")
    host.run(f"ip addr del {SECOND['host']}/24 dev eth1")


@pytest.mark.usefixtures("two_uplinks")
@pytest.mark.parametrize(
    ("uplinks", "seen"),
    [
        (["eth0", "eth1"], {"8.8.8.8": "first", SECOND["station"]: "second"}),
        (["eth0"], {"8.8.8.8": "first", SECOND["station"]: ""}),
        (["eth1"], {"8.8.8.8": "", SECOND["station"]: "second"}),
    ],
    ids=["both", "the first", "the second"],
)
def test_guests_leave_by_the_listed_uplinks_only_with_the_address_of_each(
    scenario: Scenario, host: Host, guests: Guests, uplinks: list[str], seen: dict[str, str]
) -> None:
    of_the_host = {"first": host.address, "second": SECOND["host"], "": ""}
    change(scenario, uplinks=uplinks)
    for address, which in seen.items():
        answer = ask(guests["nat"], address, 7, "udp")
        assert seen_address(answer) == of_the_host[which], address


@pytest.mark.usefixtures("two_uplinks")
def test_a_flow_ends_when_its_uplink_is_listed_no_more(
    bed: Bed, scenario: Scenario, host: Host, guests: Guests
) -> None:
    change(scenario)
    # It does not give up when it is told that it may not.
    sending = guests["nat"].spawn("while sleep 0.3; do echo tick | socat -u - UDP4:8.8.8.8:7,sourceport=4545; done")
    flow = "udp and dst host 8.8.8.8 and dst port 7"

    with bed.capture(host, "eth0", flow) as seen:
        wait_for("the flow", lambda: seen.count() >= 4, timeout=60, interval=0.5)
    change(scenario, uplinks=["eth1"])
    with bed.capture(host, "eth0", flow) as left, bed.capture(host, "vmnet8", flow) as tried:
        wait_for("the guest going on trying", lambda: tried.count() >= 4, timeout=60, interval=0.5)
    assert left.packets() == []
    guests["nat"].run(f"kill {sending}")


def test_what_belongs_to_no_connection_does_not_leave_with_a_guests_own_address(
    bed: Bed, scenario: Scenario, host: Host
) -> None:
    """Connection tracking translates only what it knows."""
    change(scenario)
    guest = "192.168.233.77"
    strays = [Packet(guest, "8.8.8.8", flags, 443) for flags in (RST, SYN_ACK, FIN_ACK)]
    strays.append(Packet(guest, "8.8.8.8", ECHO_REPLY))
    with (
        raw_station(host, "vmnet8", strays) as send,
        bed.capture(host, "eth0", "net 192.168.233.0/24") as outside,
        bed.capture(host, "vmnet8", f"src {guest} and dst 8.8.8.8") as inside,
    ):
        send()
    assert inside.count() == len(strays), "the packets arrived at the host"
    assert outside.packets() == []


def test_without_ipv6_on_the_host_the_networks_are_made_all_the_same(bed: Bed, scenario: Scenario) -> None:
    """As an administrator switches it off, for all interfaces and those to come."""
    names = ("net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6")
    bed.hosts["host12"].run(["sysctl", "-w", *(f"{name}=1" for name in names)])
    try:
        new = [{"name": "vmnet7", "addresses": ["192.168.237.2/24"], "guests": []}]
        for network in (new, [new[0] | {"addresses": [*new[0]["addresses"], "fd00:237::2/64"]}]):
            everything = [*scenario.networks("host12"), *network]
            nat = [entry for entry in everything if entry["name"] in ("vmnet8", "vmnet7")]
            run_playbook("tapestry.vmnet.nat", scenario.inventory, vmnet_hosts="host12", nat_networks=nat).succeeded()
            again = run_playbook(
                "tapestry.vmnet.nat", scenario.inventory, check=True, vmnet_hosts="host12", nat_networks=nat
            ).succeeded()
            assert not again.changed["host12"]
            assert "192.168.237.2/24" in bed.hosts["host12"].run("ip addr show vmnet7").stdout
    finally:
        # The host has lost its own IPv6 addresses with that; booting brings them back.
        bed.hosts["host12"].reboot()
        run_playbook("tapestry.vmnet.nat", scenario.inventory, vmnet_hosts="host12", nat_purge=True).succeeded()
