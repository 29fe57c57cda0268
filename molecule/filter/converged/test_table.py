# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who reaches whom: one table of everybody to everybody, with a network of every mode, in both families.

Every cell is asked with a ping, a TCP connection and a datagram. The LAN, and the internet behind it, have routes to all
guests' subnets, and all guests have default routes.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import MODES
from lab import Bed, Guest, Host, Node
from verify import Scenario, ask, ask_all, seen_address

# .     nothing is answered
# ping  the host answers pings, and no other service of its
# own   everything is answered, and the peer sees the sender's own address
# host  everything is answered, and the peer sees an address of the host
# -     not by way of the host
TABLE = """
from        isolated  nat   peer  routed  open  gateway  gateway3  uplink  neighbour  internet
isolated    -         .     .     .       .     ping     ping      ping    .          .
nat         .         -     own   .       .     ping     ping      ping    host       host
peer        .         own   -     .       .     ping     ping      ping    host       host
routed      .         .     .     -       .     ping     ping      ping    own        own
open        .         .     .     .       -     own      own       own     own        own
host        own       own   own   own     own   own      own       own     own        own
neighbour   .         .     .     own     own   .        own       own     -          -
attacker    .         .     .     own     own   .        own       own     -          -
router      .         .     .     own     own   .        own       own     -          -
internet    .         .     .     own     own   .        own       own     -          -
"""
HOST = "host13"
STATIONS = ["neighbour", "attacker", "router", "internet"]
PORT = 9
PROBES = [("icmp", 0), ("tcp", PORT), ("udp", PORT)]
FAMILIES = [4, 6]
CIRCUMSTANCES = {
    "as the host is": "",
    "without netfilter on bridges, with strict reverse path filtering": "net.bridge.bridge-nf-call-iptables=0"
    " net.bridge.bridge-nf-call-ip6tables=0 net.ipv4.conf.all.rp_filter=1",
}
NEIGHBOUR = {4: "192.168.1.20", 6: "2001:db8:1::20"}
WAN = {4: "203.0.113.1", 6: "2001:db8:ffff::1"}
INTERNET = {4: "8.8.8.8", 6: "2001:4860:4860::8888"}
SUBNETS = ["192.168.56.0/24", "192.168.233.0/24", "192.168.235.0/24", "192.168.236.0/24"]
SUBNETS6 = ["fd00:56::/64", "fd00:233::/64", "fd00:235::/64", "fd00:236::/64"]

Cells = dict[tuple[str, str, int], str]


def read(table: str) -> dict[tuple[str, str], str]:
    (_from, *columns), *rows = (line.split() for line in table.split("\n") if line)
    return {(name, to): cell for name, *cells in rows for to, cell in zip(columns, cells, strict=True)}


EXPECTED = read(TABLE)


@pytest.fixture(scope="module")
def host(bed: Bed) -> Host:
    return bed.hosts[HOST]


@pytest.fixture(scope="module")
def places(host: Host, addresses: dict[int, dict[str, str]]) -> dict[str, dict[int, str]]:
    """Where everybody is, by family."""
    guests = {name: {family: addresses[family][name] for family in FAMILIES} for name in addresses[4]}
    return guests | {
        "gateway": {4: "192.168.233.2", 6: "fd00:233::2"},
        "gateway3": {4: "192.168.235.2", 6: "fd00:235::2"},
        "uplink": {4: host.address, 6: host.address6},
        "neighbour": NEIGHBOUR,
        "internet": INTERNET,
    }


@pytest.fixture(scope="module")
def people(bed: Bed, host: Host, guests: dict[str, Guest]) -> dict[str, Node | Guest]:
    return {**guests, "host": host, **{name: bed.node(name) for name in STATIONS}}


@pytest.fixture(scope="module", autouse=True)
def open_doors(bed: Bed, host: Host, guests: dict[str, Guest]) -> Iterator[None]:
    """All do their worst: everybody serves, and has a route to everybody."""
    serving = [node.serve(tcp=[PORT], udp=[PORT]) for node in (host, bed.neighbour, bed.internet)]
    told = "echo $SOCAT_PEERADDR $SOCAT_PEERPORT"
    for guest in guests.values():
        guest.spawn(f"socat TCP6-LISTEN:{PORT},ipv6-v6only=0,fork,reuseaddr SYSTEM:'{told}'")
        guest.spawn(f"socat UDP6-RECVFROM:{PORT},ipv6-v6only=0,fork,reuseaddr SYSTEM:'{told}'")
    guests["isolated"].run("ip route replace default via 192.168.56.1; ip -6 route replace default via fd00:56::1")
    to_host = [(subnet, host.address) for subnet in SUBNETS] + [(subnet, host.address6) for subnet in SUBNETS6]
    to_router = [(subnet, WAN[6 if ":" in subnet else 4]) for subnet, _via in to_host]
    routes = {name: to_router if name == "internet" else to_host for name in STATIONS}
    for name, table in routes.items():
        bed.node(name).run("\n".join(f"ip route replace {subnet} via {via}" for subnet, via in table))
    yield
    for name, table in routes.items():
        bed.node(name).run("\n".join(f"ip route del {subnet}" for subnet, _via in table))
    for node, process in zip((host, bed.neighbour, bed.internet), serving, strict=True):
        node.end(process)


@pytest.fixture(scope="module")
def own(people: dict[str, Node | Guest]) -> dict[str, set[str]]:
    """The addresses that everybody has."""
    return {
        name: {line.split()[3].partition("/")[0] for line in node.run("ip -o addr").lines if "inet" in line}
        for name, node in people.items()
    }


def told(answers: list[str], mine: set[str], of_the_host: set[str]) -> str:
    """A cell, from what was answered to a ping, a connection and a datagram."""
    if not any(answers):
        return "."
    if not any(answers[1:]):
        return "ping"
    seen = {seen_address(answer) for answer in answers[1:]}
    if all(answers) and len(seen) == 1:
        return "own" if seen <= mine else "host" if seen <= of_the_host else f"seen as {seen}"
    return f"some: {answers}"


@pytest.fixture(scope="module", params=CIRCUMSTANCES)
def measured(
    request: pytest.FixtureRequest,
    host: Host,
    people: dict[str, Node | Guest],
    places: dict[str, dict[int, str]],
    own: dict[str, set[str]],
) -> Iterator[Cells]:
    settings = CIRCUMSTANCES[request.param].split()
    names = [setting.partition("=")[0] for setting in settings]
    before = host.run(["sysctl", *names]).stdout.replace(" ", "").split() if names else []
    if settings:
        host.run(["sysctl", "-w", *settings])

    def ask_everybody(who: str) -> Cells:
        cells = [
            (to, family) for (name, to), cell in EXPECTED.items() for family in FAMILIES if name == who and cell != "-"
        ]
        answers = ask_all(people[who], [(places[to][family], probe) for to, family in cells for probe in PROBES])
        told_of = (answers[3 * index : 3 * index + 3] for index in range(len(cells)))
        return {(who, *cell): told(three, own[who], own["host"]) for cell, three in zip(cells, told_of, strict=True)}

    with ThreadPoolExecutor(3) as pool:
        yield {key: cell for cells in pool.map(ask_everybody, people) for key, cell in cells.items()}
    if before:
        host.run(["sysctl", "-w", *before])


def test_nobody_and_no_mode_is_missing_in_the_table(
    scenario: Scenario, places: dict[str, dict[int, str]], people: dict[str, Node | Guest]
) -> None:
    """Every combination is there by construction; a cell that is missing breaks the reading of the table."""
    assert {name for name, _to in EXPECTED} == set(people)
    assert {to for _name, to in EXPECTED} == set(places)
    guests = {guest["name"] for network in scenario.networks(HOST) for guest in network.get("guests", [])}
    assert guests == {*MODES, "peer"}
    assert {name for (name, to), cell in EXPECTED.items() if cell == "-" and name != to} <= set(STATIONS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("who", "whom"), [pair for pair, cell in EXPECTED.items() if cell != "-"])
def test_who_reaches_whom(
    measured: Cells,
    people: dict[str, Node | Guest],
    places: dict[str, dict[int, str]],
    own: dict[str, set[str]],
    who: str,
    whom: str,
    family: int,
) -> None:
    cell = measured[who, whom, family]
    if cell != EXPECTED[who, whom] != ".":
        # Many at once may be too much for a guest: ask again, one after the other and with more patience.
        answers = [ask(people[who], places[whom][family], port, protocol) for protocol, port in PROBES]
        cell = told(answers, own[who], own["host"])
    assert cell == EXPECTED[who, whom]
