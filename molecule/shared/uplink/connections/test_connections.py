# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open connections through the uplink stay open while the host moves to the bridge and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Host
from verify import Scenario, run_playbook

# Sends to an echo server what tells its place in the stream, and prints a line for every 64 KiB that have come back.
TRANSFER = """
import socket, sys, threading, time
peer = socket.create_connection((sys.argv[1], 7070))
def send():
    number = 0
    while True:
        peer.sendall(b"%015d\\n" % number)
        number += 1
        if number % 64 == 0:
            time.sleep(0.005)
threading.Thread(target=send, daemon=True).start()
stream, number = peer.makefile("rb"), 0
for line in stream:
    if int(line) != number:
        sys.exit(f"{line!r} came back instead of {number}")
    number += 1
    if number % 4096 == 0:
        print(number, flush=True)
sys.exit("the connection has ended")
"""
ECHO = "socat TCP6-LISTEN:7070,ipv6-v6only=0,fork,reuseaddr EXEC:cat"


class Transfer:
    """A TCP connection from the neighbour to a host, with packets on it all the time."""

    def __init__(self, bed: Bed, address: str) -> None:
        argv = ["ip", "netns", "exec", bed.neighbour.namespace, sys.executable, "-c", TRANSFER, address]
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def goes_on(self) -> str:
        """Nothing if 256 KiB that were sent from now on come back; otherwise what went wrong."""
        assert self._process.stdout and self._process.stderr
        last = 0
        for _line in range(200):
            line = self._process.stdout.readline()
            if not line:
                return self._process.stderr.read()
            first, last = last, int(line)
            if first and last - first == 4096 and _line > 3:
                return ""
        return "it stands still"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class Session:
    """An SSH session."""

    def __init__(self, bed: Bed, host: Host) -> None:
        argv = ["ssh", "-F", str(bed.ssh_config), "-o", "ControlPath=none", host.name, "cat"]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answers(self, text: str) -> bool:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline() == f"{text}\n"

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


Connections = dict[str, list[Any]]


@pytest.fixture(scope="module")
def connections(bed: Bed) -> Iterator[Connections]:
    """host -> an SSH session, and a transfer over each family."""
    servers = {name: host.spawn(ECHO, name="echo") for name, host in bed.hosts.items()}
    opened: Connections = {}
    for name, host in bed.hosts.items():
        host.run("for n in $(seq 50); do ss -ltn | grep -q :7070 && exit 0; sleep 0.1; done; exit 1")
        opened[name] = [Session(bed, host), *(Transfer(bed, address) for address in (host.address, host.address6))]
        assert opened[name][0].answers("before")
        assert [transfer.goes_on() for transfer in opened[name][1:]] == ["", ""]
    yield opened
    for name, host in bed.hosts.items():
        for connection in opened[name]:
            connection.end()
        host.end(servers[name])


Found = dict[str, tuple[str, bool, list[str]]]


def look(bed: Bed, connections: Connections, word: str) -> Found:
    """host -> its uplink, whether the session answers, and what is wrong with the transfers: of all hosts, at this time."""
    return {
        name: (
            host.run(f"ip -o link show {host.uplink}").stdout,
            connections[name][0].answers(word),
            [transfer.goes_on() for transfer in connections[name][1:]],
        )
        for name, host in bed.hosts.items()
    }


@pytest.fixture(scope="module")
def there(scenario: Scenario, bed: Bed, connections: Connections) -> Found:
    run_playbook("tapestry.vmnet.bridged", scenario.inventory).succeeded()
    return look(bed, connections, "on the bridge")


@pytest.fixture(scope="module")
def back(scenario: Scenario, bed: Bed, connections: Connections, there: Found) -> Found:
    assert there
    run_playbook("tapestry.vmnet.bridged", scenario.inventory, bridged_state="absent").succeeded()
    return look(bed, connections, "back again")


def test_connections_stay_open_when_the_host_moves_to_the_bridge(host: Host, there: Found) -> None:
    link, answers, wrong = there[host.name]
    assert "master vmnet0" in link
    assert answers
    assert wrong == ["", ""]


def test_connections_stay_open_when_the_host_moves_back(host: Host, back: Found) -> None:
    link, answers, wrong = back[host.name]
    assert "master" not in link
    assert answers
    assert wrong == ["", ""]
