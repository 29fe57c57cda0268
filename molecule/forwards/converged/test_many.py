# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ten thousand forwards, one of which changes while clients keep sending; what is counted; and ports that are taken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Guest, Host
from lab.waiting import wait_for
from verify import Run, Scenario, ask, run_playbook, silent

Guests = dict[str, Guest]

FIRST, LAST = 10000, 19999
MOVES, STAYS = 15000, 10001  # ports of the host that lead to the same port of a guest
TO = {"one": "192.168.233.101", "two": "192.168.233.102"}


def play(scenario: Scenario, module: str, *, check: bool = False, **arguments: Any) -> Run:
    """One module in a scope of its own, on all hosts."""
    task = {f"tapestry.vmnet.{module}": {"scope": "many", **arguments}}
    playbook = scenario.work / "one-module.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": [task]}]))
    return run_playbook(str(playbook), scenario.inventory, check=check)


def forwards(*, moved: bool = False) -> list[dict[str, Any]]:
    """All ports but one lead to the guest one, for TCP and UDP alike."""
    return [
        {
            "bridge": "vmnet8",
            "protocol": protocol,
            "listen": listen,
            "to_address": TO["two" if listen == str(MOVES) and moved else "one"],
        }
        for protocol in ("tcp", "udp")
        for listen in (f"{FIRST}-{MOVES - 1}", str(MOVES), f"{MOVES + 1}-{LAST}")
    ]


class Talker:
    """A client on the LAN that never pauses for long and never changes its port; it tells who has answered it."""

    def __init__(self, bed: Bed, host: Host, protocol: str, port: int) -> None:
        name = f"talker-{protocol}-{port}"
        self._node = bed.neighbour
        self._log = self._node.log_of(name)
        self._log.unlink(missing_ok=True)
        to = f"{protocol.upper()}4:{host.address}:{port}" + (",sourceport=4444" if protocol == "udp" else "")
        self._process = self._node.spawn(f"(while sleep 0.2; do echo tick; done) | socat - {to}", name=name)

    def lines(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def hears(self, word: str) -> bool:
        """Whether an answer with this word comes in the next seconds."""
        before = len(self.lines())
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if any(word in line for line in self.lines()[before:]):
                return True
            time.sleep(0.1)
        return False

    def end(self) -> None:
        self._node.end(self._process)


@pytest.fixture(scope="module")
def many(scenario: Scenario, guests: Guests) -> Iterator[Run]:
    """Ten thousand ports, with servers behind some of them."""
    for guest in guests.values():
        told = f"echo {guest.name} $SOCAT_PEERADDR $SOCAT_PEERPORT"
        for port in (FIRST, STAYS, MOVES, LAST):
            guest.spawn(f"socat TCP4-LISTEN:{port},fork,reuseaddr SYSTEM:'{told}; cat'")
            guest.spawn(f"socat UDP4-RECVFROM:{port},fork,reuseaddr SYSTEM:'{told}'")
    yield play(scenario, "port_forwards", port_forwards=forwards(), purge=True).succeeded()
    assert not any(play(scenario, "port_forwards", port_forwards=[], purge=True).succeeded().failures)


def elements(host: Host) -> int:
    listing = json.loads(host.run("nft -j list map inet vmnet vn_forwards_any4", timeout=120).stdout)
    return len(next(item["map"]["elem"] for item in listing["nftables"] if "map" in item))


def counted(host: Host, name: str, key: list[Any]) -> int:
    listing = json.loads(host.run(f"nft -j list set inet vmnet {name}").stdout)
    found = next(item["set"].get("elem", []) for item in listing["nftables"] if "set" in item)
    return sum(e["elem"]["counter"]["packets"] for e in found if e["elem"]["val"]["concat"] == key)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("port", [FIRST, MOVES, LAST])
def test_the_first_one_in_the_middle_and_the_last_lead_to_the_guest(
    bed: Bed, host: Host, protocol: str, port: int
) -> None:
    assert ask(bed.neighbour, host.address, port, protocol).startswith("one ")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("port", [FIRST - 1, LAST + 1])
def test_the_first_port_outside_of_a_range_leads_nowhere(bed: Bed, host: Host, port: int) -> None:
    assert silent(bed.neighbour, host.address, port)


@pytest.mark.usefixtures("many")
def test_one_of_them_moves_with_its_clients_and_nothing_else_does(bed: Bed, scenario: Scenario, host: Host) -> None:
    before = elements(host)
    assert before >= 2 * (LAST - FIRST + 1)
    talkers = {
        (protocol, port): Talker(bed, host, protocol, port)
        for protocol, port in (("tcp", STAYS), ("tcp", MOVES), ("udp", MOVES))
    }
    try:
        for talker in talkers.values():
            wait_for("an answer", talker.lines, timeout=20)
        talked = len(talkers["tcp", STAYS].lines())
        key = [host.address, "tcp", STAYS]
        packets = counted(host, "vn_received4", key)
        assert packets > 0

        predicted = play(scenario, "port_forwards", port_forwards=forwards(moved=True), check=True).succeeded()
        done = play(scenario, "port_forwards", port_forwards=forwards(moved=True)).succeeded()
        assert done.changes_on(host.name) == predicted.changes_on(host.name)
        (change,) = done.changes_on(host.name)
        in_the_kernel = [part for part in change["diff"] if part["before_header"] == "nft table inet vmnet"]
        assert [len(part["after"].splitlines()) for part in in_the_kernel] == [2], "an element for TCP and one for UDP"

        assert talkers["udp", MOVES].hears("two "), "a client that keeps sending datagrams follows"
        assert not talkers["tcp", MOVES].hears("tick"), "a connection cannot"
        assert ask(bed.neighbour, host.address, MOVES).startswith("two ")
        assert talkers["tcp", STAYS].hears("tick"), "connections through others go on"
        assert len(talkers["tcp", STAYS].lines()) > talked
        assert counted(host, "vn_received4", key) > packets, "and so do their counters"
        assert elements(host) == before
    finally:
        for talker in talkers.values():
            talker.end()


@pytest.mark.usefixtures("many")
def test_a_second_run_changes_nothing(scenario: Scenario) -> None:
    run = play(scenario, "port_forwards", port_forwards=forwards(moved=True), purge=True).succeeded()
    assert not any(run.changed.values())


# What is taken

WEB = {"bridge": "vmnet8", "to_address": TO["one"]}
NETWORK = {"bridge": "vmnet7", "subnets": ["10.7.0.0/24"]}
REFUSED: dict[str, tuple[str, list[dict[str, Any]], str]] = {
    "a process listens on it": ("port_forwards", [WEB | {"listen": 22}], "port_forwards[22].listen: sshd (pid "),
    "a process listens on one of a range": (
        "port_forwards",
        [WEB | {"listen": "21-23", "protocol": "tcp"}],
        "listens on tcp 0.0.0.0:22, and would get nothing more",
    ),
    "a process listens on all addresses": (
        "port_forwards",
        [WEB | {"listen": 22, "address": "192.168.1.5"}],
        "port_forwards[22].listen: sshd (pid ",
    ),
    "the network's own DNS": (
        "port_forwards",
        [WEB | {"listen": 53, "protocol": "udp", "address": "192.168.233.2"}],
        "port_forwards[53].listen: dnsmasq (pid ",
    ),
    "another scope has it": (
        "port_forwards",
        [WEB | {"listen": 8080}],
        "port_forwards[vmnet8]: tcp . 8080 is already that of vmnet8 in the scope nat",
    ),
    "another entry has it": (
        "port_forwards",
        [WEB | {"listen": 80}, WEB | {"listen": "70-90"}],
        "port_forwards[70-90]: the listener tcp 80 (IPv4) is already that of port_forwards[80]",
    ),
    "a target outside of the network": (
        "port_forwards",
        [WEB | {"listen": 8500, "to_address": "192.168.234.101"}],
        "port_forwards[8500].to_address: 192.168.234.101 is outside 192.168.233.0/24",
    ),
    "mixed families": (
        "port_forwards",
        [WEB | {"listen": 8501, "address": "2001:db8:1::5"}],
        "port_forwards[8501].address: ",
    ),
    "sources of the other family": (
        "port_forwards",
        [WEB | {"listen": 8502, "sources": ["2001:db8::/32"]}],
        "port_forwards[8502].sources[0]: 2001:db8::/32 is not of the same family",
    ),
    "empty sources": (
        "port_forwards",
        [WEB | {"listen": 8503, "sources": []}],
        "port_forwards[8503].sources: is empty",
    ),
    "port 0": ("port_forwards", [WEB | {"listen": 0}], "port_forwards[0].listen: 0 is out of range"),
    "to port 0": (
        "port_forwards",
        [WEB | {"listen": 8504, "to_port": 0}],
        "port_forwards[8504].to_port: 0 is out of range",
    ),
    "an unknown uplink of source NAT": (
        "nat",
        [NETWORK | {"uplinks": ["eth7"]}],
        "nat[vmnet7].uplinks[0]: there is no interface eth7; the host has ",
    ),
    "an unknown uplink of a policy": (
        "policies",
        [NETWORK | {"mode": "nat", "uplinks": ["eth0", "eth7"]}],
        "policies[vmnet7].uplinks[1]: there is no interface eth7; the host has ",
    ),
}


def of_the_filter(host: Host) -> str:
    return host.run("nft -s list table inet vmnet; cat /etc/vmnet/*.nft /etc/vmnet/*/*.nft").stdout


@pytest.fixture(scope="module")
def refused(bed: Bed, scenario: Scenario) -> Run:
    """All of them in one run, each of which fails; nothing changes."""
    tasks = [
        {f"tapestry.vmnet.{module}": {"scope": "bad", module: entries}, "ignore_errors": True}
        for module, entries, _says in REFUSED.values()
    ]
    playbook = scenario.work / "refused.yml"
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "become": True, "tasks": tasks}]))
    before = {name: of_the_filter(host) for name, host in bed.hosts.items()}
    run = run_playbook(str(playbook), scenario.inventory).succeeded()
    assert not any(run.changed.values())
    assert {name: of_the_filter(host) for name, host in bed.hosts.items()} == before
    return run


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_by_name_and_changes_nothing(refused: Run, what: str) -> None:
    assert REFUSED[what][2] in refused.output


def test_a_process_that_takes_a_forwarded_port_later_is_warned_of(scenario: Scenario, host: Host) -> None:
    listen = "import socket, time; listener = socket.create_server(('0.0.0.0', 8080)); time.sleep(600)"
    host.run(["systemd-run", "--quiet", "--collect", "--unit=late", "python3", "-c", listen])
    wait_for("the listener", lambda: ":8080 " in host.run("ss -Hltn").stdout, timeout=10)
    entry = WEB | {"listen": 8080, "to_port": 80, "loopback": True}
    try:
        run = play(scenario, "port_forwards", scope="nat", port_forwards=[entry]).succeeded()
    finally:
        host.run("systemctl stop late", check=False)
    told = " ".join(run.output.split())
    assert "port_forwards[8080]: python3 (pid " in told
    assert "but what is sent there goes to 192.168.233.101" in told
    assert not any(run.changed.values())
