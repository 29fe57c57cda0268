# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about the network behind the host's address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab import Guest, Node

from ..measure import Ping, expect, expect_ping, fetch, ping, ping_command, seen_by
from ..story import FORWARDED, INTERNET, INTERNET6, NAT_GATEWAY, NAT_SUBNET, NAT_SUBNET6, NEIGHBOUR, WEB, Story

_OTHER_ADDRESS = "192.168.1.50"
_PORT, _UDP_PORT, _IPV6_PORT, _PRIVILEGED_PORT, _LATER_PORT = 40007, 40053, 40006, 700, 40008


def lease_and_gateway(story: Story) -> str:
    lease = story.lease("web")
    measured = (
        f"{lease['ip']}/{lease['mask']} for {lease['lease']} s from {lease['serverid']}, "
        f"gateway {lease.get('router')}, MTU {lease.get('mtu')}"
    )
    holds = (lease["ip"], lease["serverid"], lease.get("router")) == (WEB, NAT_GATEWAY, NAT_GATEWAY)
    expect(holds, f"{WEB} from {NAT_GATEWAY}, gateway {NAT_GATEWAY}", measured)
    return measured


def names(story: Story) -> str:
    found = []
    for name, address in (("internet.test", INTERNET), ("web.vmnet8.internal", WEB)):
        answer = story.guest("web").run(f"nslookup -type=a {name}", check=False).stdout
        expect(f"Address: {address}" in answer, f"{name} is {address}", answer.strip() or "no answer")
        found.append(f"{name} is {address}")
    return ", ".join([*found, f"says {story.lease('web')['dns']}"])


def ping_to_the_internet(story: Story) -> str:
    return str(expect_ping(story.guest("web"), INTERNET, count=3))


def source_that_the_internet_saw(story: Story) -> str:
    guest, host = story.guest("web"), story.host
    measured = []
    for protocol, port, own_port in (("TCP", 7, _PORT), ("UDP", 53, _UDP_PORT)):
        address, seen_port = seen_by(guest, f"{protocol}:{INTERNET}:{port}", own_port)
        measured.append(f"{protocol} from {WEB}:{own_port} as {address}:{seen_port}")
        expect(address == host.address, f"{protocol} from {host.address}", measured[-1])
    return ", ".join(measured)


def conntrack_entry(story: Story) -> str:
    address, port = seen_by(story.guest("web"), f"TCP:{INTERNET}:7", _PRIVILEGED_PORT)
    listing = story.host.run(f"conntrack -L -p tcp --orig-src {WEB} --sport {_PRIVILEGED_PORT}", check=False).stdout
    entry = " ".join(listing.split()) or "no entry"
    there = f"src={WEB} dst={INTERNET} sport={_PRIVILEGED_PORT} dport=7"
    back = f"src={INTERNET} dst={story.host.address} sport=7 dport={port}"
    expect(f"{there} {back}" in entry, f"an entry with {there} {back}", entry)
    expect(port >= 1024, "a source port of 1024 or higher", f"{address}:{port}")
    return f"{WEB}:{_PRIVILEGED_PORT} was seen as {address}:{port}\n{entry}"


def ipv6(story: Story) -> str:
    guest, host = story.guest("web"), story.host
    own = story.address6("web", "fd00:233:")
    pings = expect_ping(guest, INTERNET6)
    address, port = seen_by(guest, f"TCP6:[{INTERNET6}]:7", _IPV6_PORT)
    measured = f"[{own}]:{_IPV6_PORT} was seen by {INTERNET6} as [{address}]:{port}; {pings}"
    expect(address == host.address6, f"TCP from {host.address6}", measured)
    return measured


def host_to_guest(story: Story) -> str:
    pings, body = expect_ping(story.host, WEB), fetch(story.host, WEB)
    expect(body.text == f"guest web saw {NAT_GATEWAY}", f"'guest web saw {NAT_GATEWAY}'", str(body))
    return f"{body}, {pings}"


def neighbour_to_forwarded_port(story: Story) -> str:
    body = fetch(story.bed.neighbour, story.host.address, FORWARDED)
    expect(body.text == f"guest web saw {NEIGHBOUR}", f"'guest web saw {NEIGHBOUR}'", str(body))
    return f"{body}"


def host_to_forwarded_port(story: Story) -> str:
    body = fetch(story.host, story.host.address, FORWARDED)
    expect(body.text.startswith("guest web saw "), "'guest web saw ...'", str(body))
    return f"{body}"


def guest_to_its_own_forwarded_port(story: Story) -> str:
    body = fetch(story.guest("web"), story.host.address, FORWARDED)
    expect(body.text == f"guest web saw {NAT_GATEWAY}", f"'guest web saw {NAT_GATEWAY}'", str(body))
    return f"{body}"


def no_way_around_the_forward(story: Story) -> str:
    own6 = story.address6("web", "fd00:233:")
    stations = (story.bed.neighbour, story.bed.attacker)
    with (
        _routes_to_guests(story, stations),
        story.bed.capture(story.host, "eth0", _to_guest(own6)) as arrived,
        story.bed.capture(story.host, "vmnet8", _to_guest(own6)) as passed,
        ThreadPoolExecutor() as pool,
    ):
        bodies = pool.map(lambda each: fetch(*each), [(station, WEB) for station in stations])
        pings = pool.map(lambda each: ping(*each), [(station, to) for station in stations for to in (WEB, own6)])
        measured = [
            *(f"{station.name}: TCP {body}" for station, body in zip(stations, bodies, strict=True)),
            f"pings (IPv4 and IPv6): {sum(each.received for each in pings)} answered",
        ]
    counts = f"{arrived.count()} packets came to eth0, {passed.count()} went on to vmnet8"
    said = "; ".join([*measured, counts])
    answered = [text for text in measured if "guest web" in text]
    expect(not answered and "pings (IPv4 and IPv6): 0 answered" in measured, "no answer at all", said)
    expect(arrived.count() > 0 and passed.count() == 0, "packets at eth0, and none of them on vmnet8", said)
    return said


def _to_guest(own6: str) -> str:
    """Not the neighbours' own packets to the forward: those end at the guest, too, but nobody sends any meanwhile."""
    return f"(dst host {WEB} or dst host {own6}) and (tcp or icmp or icmp6[icmp6type] == icmp6-echo)"


@contextmanager
def _routes_to_guests(story: Story, stations: tuple[Node, ...]) -> Iterator[None]:
    routes = ((NAT_SUBNET, story.host.address), (NAT_SUBNET6, story.host.address6))
    try:
        for station in stations:
            for subnet, via in routes:
                station.run(f"ip route replace {subnet} via {via}")
        yield
    finally:
        for station in stations:
            for subnet, _via in routes:
                station.run(f"ip route del {subnet}", check=False)


def uplink_address_changes(story: Story) -> str:
    guest, host, old = story.guest("web"), story.host, story.host.address
    with _pings_meanwhile(guest) as log:
        try:
            time.sleep(1)
            _move(host, old, _OTHER_ADDRESS)
            seen, port = seen_by(guest, f"TCP:{INTERNET}:7", _LATER_PORT)
            body = fetch(story.bed.neighbour, _OTHER_ADDRESS, FORWARDED)
        finally:
            _move(host, _OTHER_ADDRESS, old)
        again, port_again = seen_by(guest, f"TCP:{INTERNET}:7", _LATER_PORT + 1)
        time.sleep(1)
    pings = Ping.parse(guest.run(f"cat {log}").stdout)
    measured = (
        f"{old} gone, seen as {seen}:{port}; put back, seen as {again}:{port_again}; "
        f"{pings.received} of {pings.sent} pings meanwhile answered"
        f"\nneighbour to {_OTHER_ADDRESS}:{FORWARDED}: {body}"
    )
    expect((seen, again) == (_OTHER_ADDRESS, old), f"seen as {_OTHER_ADDRESS}, then as {old}", measured)
    # What is on its way while an address goes is lost with it.
    expect(pings.sent > 10 and pings.sent - pings.received <= 2, "at most two pings lost", measured)
    expect(body.text == f"guest web saw {NEIGHBOUR}", f"'guest web saw {NEIGHBOUR}' at the new address", measured)
    return measured


@contextmanager
def _pings_meanwhile(guest: Guest) -> Iterator[str]:
    """Five pings a second from the guest to the internet; yields the file in the guest that has the result afterwards."""
    log = "/tmp/pings"
    guest.spawn(f"exec {ping_command(INTERNET, 1000, 0.2)} >{log}")
    try:
        yield log
    finally:
        # It prints its statistics when it is interrupted.
        guest.run(
            f"killall -INT ping; for n in $(seq 50); do grep transmitted {log} && break; sleep 0.1; done", check=False
        )


def _move(host: Node, old: str, new: str) -> None:
    """Give the uplink another address; with the last one of a subnet, its routes go too."""
    lines = [
        f"addr add {new}/24 dev eth0",
        f"addr del {old}/24 dev eth0",
        f"addr replace {new}/24 dev eth0",
        "route replace default via 192.168.1.1 dev eth0",
    ]
    host.run(["ip", "-batch", "-"], input="".join(f"{line}\n" for line in lines))
