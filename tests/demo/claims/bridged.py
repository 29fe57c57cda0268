# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said about the network whose guests are stations of the LAN."""

from __future__ import annotations

import re

from ..measure import expect, expect_ping, fetch
from ..story import NEIGHBOUR, ROUTER, Story

_PACKET = re.compile(r"(?P<mac>\S+) > .* ttl (?P<ttl>\d+),.* (?P<source>\S+) > \S+: ICMP echo request")
_TTL = 64  # what the guest's kernel sends with


def lease_from_the_lan(story: Story) -> str:
    lease, mac = story.lease("desk"), story.ports["desk"].mac
    known = story.bed.router.leases().get(mac, "nothing")
    measured = (
        f"{lease['ip']}/{lease['mask']} from {lease['serverid']}, gateway {lease.get('router')}; "
        f"the router's lease file has {known} for {mac}"
    )
    holds = (lease["serverid"], lease.get("router"), known) == (ROUTER, ROUTER, lease["ip"])
    expect(holds, f"from {ROUTER}, gateway {ROUTER}, the same address in the router's lease file", measured)
    return measured


def mac_in_the_fdb(story: Story) -> str:
    desk = story.ports["desk"]
    expect_ping(story.guest("desk"), NEIGHBOUR)
    listings = {
        "br0": (story.host.run("bridge fdb show br br0").lines, desk.tap),
        "the LAN switch": (story.bed.lan.run("bridge fdb show br lan0").lines, f"{story.host.name}-1"),
    }
    measured = []
    for where, (lines, port) in listings.items():
        entry = next((line.strip() for line in lines if line.startswith(f"{desk.mac} dev {port} ")), "no entry")
        measured.append(f"{where}: {entry}")
        expect(entry != "no entry", f"{desk.mac} at port {port} of {where}", "\n".join(lines))
    return "; ".join(measured)


def packets_unchanged(story: Story) -> str:
    mac, address = story.ports["desk"].mac, story.address("desk")
    with story.bed.capture(story.bed.neighbour, "eth0", f"icmp and src host {address}") as seen:
        expect_ping(story.guest("desk"), NEIGHBOUR)
    packets = seen.packets("icmp[icmptype] == icmp-echo")
    expect(packets, f"pings from {address} at the neighbour", "none")
    match = _PACKET.match(packets[0])
    measured = f"{match['mac']}, {match['source']}, TTL {match['ttl']}" if match else packets[0]
    expected = f"{mac}, {address}, TTL {_TTL}"
    expect(measured == expected, expected, measured)
    return f"{measured} at the neighbour\n{packets[0]}"


def station_of_the_lan(story: Story) -> str:
    address = story.address("desk")
    body = fetch(story.guest("desk"), NEIGHBOUR)
    pings = expect_ping(story.bed.neighbour, address)
    expect(body.text.startswith(f"{address} "), f"the neighbour's web server sees {address}", str(body))
    return f"the neighbour's web server saw {body.text.replace(' ', ':')}; its pings to {address}: {pings}"
