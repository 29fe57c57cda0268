# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The claims of the story, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..story import Story
from . import applied, bridged, host_only, nat


@dataclass(frozen=True)
class Claim:
    """What is said, and the function that measures it: it returns what it saw, and raises Refuted or LabError."""

    says: str
    measure: Callable[[Story], str]


CLAIMS: dict[str, tuple[Claim, ...]] = {
    "the playbook": (
        Claim("a second run changes nothing", applied.second_run_changes_nothing),
        Claim("each role is at most eight module runs per host", applied.at_most_eight_module_runs),
    ),
    "NAT: vmnet8": (
        Claim("the guest has its reserved address, and the host as gateway", nat.lease_and_gateway),
        Claim("it asks the host for names", nat.names),
        Claim("it pings 8.8.8.8", nat.ping_to_the_internet),
        Claim("8.8.8.8 sees the host's address", nat.source_that_the_internet_saw),
        Claim("conntrack maps one to the other, and to no privileged port", nat.conntrack_entry),
        Claim("the same over IPv6", nat.ipv6),
        Claim("the host reaches the guest", nat.host_to_guest),
        Claim("the neighbour reaches host:8080, and that is guest:80", nat.neighbour_to_forwarded_port),
        Claim("so does the host itself", nat.host_to_forwarded_port),
        Claim("so does the guest itself, by way of the host (hairpin)", nat.guest_to_its_own_forwarded_port),
        Claim("who routes straight to the guest gets no answer", nat.no_way_around_the_forward),
        Claim("the guest does not notice when the host's address changes", nat.uplink_address_changes),
    ),
    "host-only: vmnet1": (
        Claim("the guests have leases, and no gateway", host_only.leases_without_gateway),
        Claim("a guest reaches the host and its peer", host_only.host_and_peer),
        Claim("and nothing else", host_only.nothing_else),
        Claim(
            "nor after it made itself a default route; nothing of it is on the wire", host_only.nothing_with_own_route
        ),
        Claim("nobody outside reaches it", host_only.not_reached_from_outside),
    ),
    "bridged: br0": (
        Claim("the guest's lease is from the LAN's own DHCP server", bridged.lease_from_the_lan),
        Claim("its MAC address is in the bridge's FDB, and beyond it in the LAN switch's", bridged.mac_in_the_fdb),
        Claim("its packets cross the wire unchanged: MAC, source address and TTL", bridged.packets_unchanged),
        Claim("the LAN sees it as a station of its own, in both directions", bridged.station_of_the_lan),
    ),
}
