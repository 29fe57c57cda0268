# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about the network that has no way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab import Guest

from ..measure import connect, expect, expect_ping, ping, ping_command
from ..story import (
    CONTROLLER,
    HOST_ONLY_HOST,
    HOST_ONLY_HOST6,
    HOST_ONLY_SUBNET,
    HOST_ONLY_SUBNET6,
    INTERNET,
    INTERNET6,
    NEIGHBOUR,
    ROUTER,
    WEB,
    Story,
)

_ELSEWHERE = {"8.8.8.8": INTERNET, "its IPv6": INTERNET6, "router": ROUTER, "neighbour": NEIGHBOUR, "NAT guest": WEB}


def leases_without_gateway(story: Story) -> str:
    measured = []
    for name in ("client", "peer"):
        lease = story.lease(name)
        gateway = lease.get("router", "none")
        measured.append(f"{name} {lease['ip']} from {lease['serverid']}, gateway {gateway}")
        expect((lease["serverid"], gateway) == (HOST_ONLY_HOST, "none"), f"from {HOST_ONLY_HOST}, none", measured[-1])
    return "; ".join(measured)


def host_and_peer(story: Story) -> str:
    client, peer = story.guest("client"), story.address("peer")
    story.address6("client", "fd00:56:")
    targets = {"host": HOST_ONLY_HOST, "its IPv6": HOST_ONLY_HOST6, "peer": peer}
    return "; ".join(f"{name} {address}: {expect_ping(client, address)}" for name, address in targets.items())


def nothing_else(story: Story) -> str:
    return _try_everything(story.guest("client"))


def nothing_with_own_route(story: Story) -> str:
    client, mac = story.guest("client"), story.ports["client"].mac
    story.address6("client", "fd00:56:")
    wires = {"eth0": story.host.name, "eth1": f"{story.host.name}-1"}  # the NICs, as ports of the LAN's switch
    with (
        _own_default_route(client),
        story.bed.capture(story.bed.lan, wires["eth0"]) as eth0,
        story.bed.capture(story.bed.lan, wires["eth1"]) as eth1,
    ):
        tried = _try_everything(client)
        # Something that must be seen, or an empty capture would say nothing.
        ping(story.host, CONTROLLER)
        ping(story.guest("desk"), CONTROLLER)
    own = f"ether host {mac} or net {HOST_ONLY_SUBNET} or net {HOST_ONLY_SUBNET6}"
    goals = f"host {INTERNET} or host {INTERNET6} or host {NEIGHBOUR}"
    seen = {
        nic: (capture.count(), capture.packets(f"{own} or {goals}"))
        for nic, capture in (("eth0", eth0), ("eth1", eth1))
    }
    wire = ", ".join(f"{len(frames)} of {total} frames on {nic}" for nic, (total, frames) in seen.items())
    measured = f"{tried}; {wire}"
    expect(all(total for total, _frames in seen.values()), "captures that see the host and the bridged guest", measured)
    first = next((f"\n{frames[0]}" for _total, frames in seen.values() if frames), "")
    expect(not first, "no frame of it on the physical NICs", measured + first)
    return measured


def not_reached_from_outside(story: Story) -> str:
    client, attacker = story.address("client"), story.bed.attacker
    attacker.route(HOST_ONLY_SUBNET, via=story.host.address)
    try:
        with story.bed.capture(story.host, "vmnet1", f"dst host {client} and icmp") as passed:
            from_lan, from_nat = ping(attacker, client), ping(story.guest("web"), client)
    finally:
        attacker.unroute(HOST_ONLY_SUBNET)
    measured = f"attacker with a route: {from_lan}; NAT guest: {from_nat}; {passed.count()} packets on vmnet1"
    expect((from_lan.received, from_nat.received, passed.count()) == (0, 0, 0), "no answer, and no packet", measured)
    return measured


def _try_everything(guest: Guest) -> str:
    """Ping everything that is not on the network, all at once, and try one connection."""
    files = {name: f"/tmp/to-{address}" for name, address in _ELSEWHERE.items()}
    at_once = [f"{ping_command(address)} >/tmp/to-{address} 2>&1 &" for address in _ELSEWHERE.values()]
    guest.run(" ".join([*at_once, "wait"]))
    answered = [name for name, file in files.items() if " bytes from " in guest.run(f"cat {file}").stdout]
    why = sorted({line.partition(": ")[2] for line in guest.run("cat /tmp/to-* | grep sendto", check=False).lines})
    connection = connect(guest, f"TCP:{INTERNET}:7")
    measured = f"no answer from {', '.join(name for name in files if name not in answered)}"
    measured += f" ({'; '.join(why)})" if why else ""
    measured += f"; TCP to {INTERNET}: {connection}"
    expect(not answered and not connection.text, "no answer", f"answers from {', '.join(answered) or connection.text}")
    return measured


@contextmanager
def _own_default_route(guest: Guest) -> Iterator[None]:
    families = (("-4", HOST_ONLY_HOST), ("-6", HOST_ONLY_HOST6))
    guest.run(" && ".join(f"ip {family} route add default via {host} dev eth0" for family, host in families))
    try:
        yield
    finally:
        guest.run(" ; ".join(f"ip {family} route del default" for family, _host in families), check=False)
