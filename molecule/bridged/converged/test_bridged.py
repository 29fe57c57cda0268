# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bridged: a guest is on the physical LAN as itself, and the host adds nothing of its own."""

from __future__ import annotations

import pytest

from lab import Bed, Guest, Host
from verify import answers, ask, seen_address

SERVER = "8.8.8.8"
SERVER6 = "2001:4860:4860::8888"
ROUTER = "192.168.1.1"


@pytest.fixture
def vm(guests: dict[str, Guest]) -> Guest:
    return guests["vm"]


@pytest.fixture
def lease(leases: dict[str, dict[str, str]]) -> dict[str, str]:
    return leases["vm"]


@pytest.fixture
def mac(vm: Guest) -> str:
    return vm.nics[0].mac


def test_the_lease_comes_from_the_lans_own_dhcp_server(bed: Bed, lease: dict[str, str], mac: str) -> None:
    assert (lease["serverid"], lease["router"]) == (ROUTER, ROUTER)
    assert bed.router.leases()[mac] == lease["ip"]


def test_the_guests_mac_is_in_the_fdb_of_the_bridge(host: Host, mac: str) -> None:
    learned = host.run("bridge fdb show br vmnet0").stdout
    assert f"{mac} dev vnet0 master vmnet0" in learned


@pytest.mark.parametrize("protocol", ["icmp", "tcp", "udp"])
def test_packets_are_on_the_wire_as_the_guest_sent_them(
    bed: Bed, vm: Guest, lease: dict[str, str], mac: str, protocol: str
) -> None:
    with bed.capture("neighbour", "eth0", f"src {lease['ip']} and {protocol}") as wire:
        assert ask(vm, "192.168.1.20", 80 if protocol == "tcp" else 7, protocol)
    packets = wire.packets()
    assert packets
    for packet in packets:
        assert packet.startswith(f"{mac} > ")
        assert "ttl 64," in packet


@pytest.mark.parametrize(("port", "protocol"), [(7, "tcp"), (53, "udp")])
def test_the_internet_sees_the_guests_own_address(vm: Guest, lease: dict[str, str], port: int, protocol: str) -> None:
    assert seen_address(ask(vm, SERVER, port, protocol)) == lease["ip"]


def test_the_guest_has_an_ipv6_address_of_the_lan_and_is_seen_with_it(
    vm: Guest, addresses: dict[int, dict[str, str]]
) -> None:
    address = addresses[6]["vm"]
    assert address.startswith("2001:db8:1:")
    assert seen_address(ask(vm, SERVER6, 7)) == address


def test_names_are_those_of_the_lan(vm: Guest) -> None:
    assert "8.8.8.8" in vm.run("nslookup internet.test").stdout


@pytest.mark.parametrize(("port", "protocol"), [(80, "tcp"), (7, "udp"), (0, "icmp")])
@pytest.mark.parametrize("who", ["neighbour", "attacker", "router"])
def test_anyone_on_the_lan_reaches_the_guest(
    bed: Bed, lease: dict[str, str], who: str, port: int, protocol: str
) -> None:
    assert answers(bed.node(who), lease["ip"], port, protocol)


def test_the_guest_sees_who_it_is_that_calls(bed: Bed, lease: dict[str, str]) -> None:
    assert seen_address(ask(bed.neighbour, lease["ip"], 80)) == "192.168.1.20"


def test_guests_of_two_hosts_are_on_one_lan(
    all_guests: dict[str, dict[str, Guest]], all_leases: dict[str, dict[str, dict[str, str]]]
) -> None:
    first, second = sorted(all_guests)
    answer = ask(all_guests[first]["vm"], all_leases[second]["vm"]["ip"], 80)
    assert seen_address(answer) == all_leases[first]["vm"]["ip"]


def test_the_physical_interface_is_a_port_of_the_bridge(host: Host) -> None:
    assert "master vmnet0" in host.run("ip -o link show eth1").stdout
    assert "master vmnet0" in host.run("ip -o link show vnet0").stdout


def test_the_host_has_no_address_on_the_bridge_or_the_interface(host: Host) -> None:
    for interface in ("vmnet0", "eth1"):
        assert host.run(f"ip -o addr show dev {interface}").stdout == ""


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("nft list tables", id="no table in the packet filter"),
        pytest.param("pgrep -a dnsmasq", id="no DHCP server"),
        pytest.param("ls /etc/sysctl.d/60-vmnet.conf", id="no kernel parameter"),
        pytest.param("sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding | grep -v '= 0'", id="no routing"),
    ],
)
def test_the_host_does_nothing_else(host: Host, command: str) -> None:
    assert host.run(command, check=False).stdout == ""


def test_the_host_itself_stays_on_the_lan(bed: Bed, host: Host) -> None:
    assert seen_address(ask(host, SERVER, 7)) == host.address
    assert answers(bed.neighbour, host.address, protocol="icmp")
