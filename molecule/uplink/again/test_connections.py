# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Open connections through the network card stay open while the host moves to the bridge and back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lab import Bed, Host
from verify import Run, Scenario, run_playbook

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


@pytest.fixture(scope="module")
def there(scenario: Scenario, connections: Connections) -> Run:
    assert connections
    return run_playbook("tapestry.vmnet.bridged", scenario.inventory).succeeded()


@pytest.fixture(scope="module")
def back(scenario: Scenario, there: Run) -> Run:
    assert there
    return run_playbook("tapestry.vmnet.bridged", scenario.inventory, bridged_state="absent").succeeded()


@pytest.mark.usefixtures("there")
def test_connections_stay_open_when_the_host_moves_to_the_bridge(host: Host, connections: Connections) -> None:
    session, *transfers = connections[host.name]
    assert "master vmnet0" in host.run("ip -o link show eth0").stdout
    assert session.answers("on the bridge")
    assert [transfer.goes_on() for transfer in transfers] == ["", ""]


@pytest.mark.usefixtures("back")
def test_connections_stay_open_when_the_host_moves_back(host: Host, connections: Connections) -> None:
    session, *transfers = connections[host.name]
    assert "master" not in host.run("ip -o link show eth0").stdout
    assert session.answers("back again")
    assert [transfer.goes_on() for transfer in transfers] == ["", ""]
