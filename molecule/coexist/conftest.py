# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests have whoever else filters on their host, and stations on a bridge where the nature of a guest does not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lab import Bed, Guest, Host, Node
from lab.command import Result
from lab.waiting import wait_for
from verify import answers, ask, once_more, seen_address, silent, wait_for_ipv6

Stations = Callable[[str, str], Node]

SUBNET, WEB, GATEWAY = "192.168.233.0/24", "192.168.233.101", "192.168.233.2"
INTERNET = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}


@pytest.fixture
def broken(bed: Bed, host: Host, guests: dict[str, Guest]) -> Callable[[], list[str]]:
    """The promises that are not kept now."""
    wait_for_ipv6(guests["web"])

    def found() -> list[str]:
        return [promise for promise, is_kept in promises(bed, host, guests["web"]).items() if not is_kept]

    return found


def promises(bed: Bed, host: Host, guest: Guest) -> dict[str, bool]:
    neighbour, attacker = bed.node("neighbour"), bed.node("attacker")
    attacker.run(f"ip route replace {SUBNET} via {host.address}")
    found = {}
    for family, own in ((4, host.address), (6, host.address6)):
        seen = seen_address(ask(guest, INTERNET[family], 7))
        found[f"the internet sees the host's address, IPv{family}"] = seen == own
        answer = ask(neighbour, own, 8080)
        found[f"a forwarded port answers, IPv{family}"] = answer.startswith("web ")
        if not answer:
            found[once_more(neighbour, own, 8080)] = False
    found["the host answers a ping"] = answers(guest, GATEWAY, protocol="icmp")
    found["the host serves names"] = "8.8.8.8" in guest.run(f"nslookup internet.test {GATEWAY}", check=False).stdout
    found["nobody routes to the guest"] = silent(attacker, WEB, 80)
    found["ssh of the host is closed"] = silent(guest, GATEWAY, 22)
    attacker.run(f"ip route del {SUBNET}")
    return found


class Station(Node):
    """On a bridge of a host, with an address."""

    def __init__(self, host: Host, bridge: str, address: str) -> None:
        super().__init__(host.state, f"{host.name}-{bridge}")  # a name only: it is a namespace of the host
        self.host = host
        self.there = f"at-{bridge}"
        via = address.rpartition(".")[0]
        commands = [
            f"ip netns add {self.there}",
            f"ip link add {self.there} type veth peer name eth0 netns {self.there}",
            f"ip link set {self.there} master {bridge} up",
            f"ip -n {self.there} link set lo up",
            f"ip -n {self.there} link set eth0 up",
            f"ip -n {self.there} addr add {address}/24 dev eth0",
            f"ip -n {self.there} route add default via {via}.1",
        ]
        host.run(" && ".join(commands))
        # libvirt's bridges speak STP, which takes its time before a port forwards.
        forwarding = f"ip -details link show {self.there} | grep -q 'state forwarding'"
        wait_for(f"{self}: its port", lambda: host.run(forwarding, check=False).status == 0, timeout=30)

    def run(self, command: object, **options: object) -> Result:  # type: ignore[override]
        return self.host.run(["nsenter", f"--net=/run/netns/{self.there}", "sh", "-c", command], **options)  # type: ignore[arg-type, list-item]

    def remove(self) -> None:
        self.host.run(f"ip link del {self.there}; ip netns del {self.there}", check=False)


@pytest.fixture(scope="module")
def station(host: Host) -> Iterator[Stations]:
    """Give it a bridge and an address, once each."""
    made: dict[str, Station] = {}

    def at(bridge: str, address: str) -> Node:
        if bridge not in made:
            made[bridge] = Station(host, bridge, address)
        return made[bridge]

    yield at
    for one in made.values():
        one.remove()
