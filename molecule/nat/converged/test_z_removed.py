# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is removed while guests run; the last to run, since guests and forwards go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Guest, Host
from lab.waiting import wait_for
from verify import Scenario, ask, run_playbook, silent

Guests = dict[str, Guest]

STAYS, GOES = 7, 8080  # ports of the host that lead to the same port of the guest


class Talker:
    """A connection of the neighbour that never pauses for long; the guest sends back every line."""

    def __init__(self, bed: Bed, host: Host, port: int) -> None:
        name = f"talker-{host.name}-{port}"
        self._node = bed.neighbour
        self._log = self._node.log_of(name)
        talk = f"(while sleep 0.2; do echo tick; done) | socat - TCP:{host.address}:{port}"
        self._process = self._node.spawn(talk, name=name)
        wait_for(f"{name}: an answer", lambda: self.lines() > 2, timeout=15)

    def lines(self) -> int:
        return self._log.read_text().count("tick") if self._log.exists() else 0

    def goes_on(self, seconds: float = 30) -> bool:
        """Whether another answer comes before so many seconds have passed."""
        before, deadline = self.lines(), time.monotonic() + seconds
        while self.lines() == before and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.lines() > before

    def end(self) -> None:
        self._node.end(self._process)


@pytest.fixture(scope="module")
def talkers(bed: Bed, all_leases: Any) -> Iterator[dict[tuple[str, int], Talker]]:
    """On each host, a connection through the forward that goes, and one through a forward that stays."""
    assert all_leases
    found = {(host.name, port): Talker(bed, host, port) for host in bed.hosts.values() for port in (STAYS, GOES)}
    yield found
    for talker in found.values():
        talker.end()


@pytest.fixture(scope="module")
def changed(
    scenario: Scenario, all_guests: dict[str, Guests], talkers: dict[tuple[str, int], Talker]
) -> Iterator[dict[tuple[str, int], Talker]]:
    """One forward less, and one guest less: peer, which is off by then. The connections were there before."""
    for guests in all_guests.values():
        guests["peer"].stop()
    first, second = scenario.networks("host12")
    web = first["guests"][0]
    forwards = [{"listen": STAYS, "to_port": 80}, *web["forwards"][1:]]
    less = [first | {"guests": [web | {"forwards": forwards}]}, second]
    run_playbook("tapestry.vmnet.nat", scenario.inventory, nat_networks=less).succeeded()
    yield talkers
    run_playbook("tapestry.vmnet.nat", scenario.inventory).succeeded()


def test_a_removed_forward_ends_with_its_connections(
    bed: Bed, host: Host, changed: dict[tuple[str, int], Talker]
) -> None:
    assert silent(bed.neighbour, host.address, GOES)
    assert not changed[host.name, GOES].goes_on(seconds=2)
    left = f"conntrack -L -p tcp --orig-dst {host.address} --orig-port-dst {GOES} --dst-nat"
    assert host.run(left, check=False).stdout == ""


def test_other_forwards_and_their_connections_stay(
    bed: Bed, host: Host, changed: dict[tuple[str, int], Talker]
) -> None:
    assert changed[host.name, STAYS].goes_on()
    assert ask(bed.neighbour, host.address, STAYS).startswith("web ")


@pytest.mark.usefixtures("changed")
def test_a_removed_guest_loses_its_tap_and_nobody_elses(host: Host) -> None:
    assert not host.run("ip link show vnet1", check=False).ok
    assert host.run("ip link show vnet0").ok
    assert host.run("ip link show vnet2").ok
