# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of others do with a packet, as far as we can tell: pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Optional

from .._model.foreign import Match, Packet, Rule, Table

_FAMILIES = {4: ("ip", "inet"), 6: ("ip6", "inet")}
_PROTOCOLS = {"6": "tcp", "17": "udp", "58": "ipv6-icmp", "1": "icmp", "132": "sctp", "icmpv6": "ipv6-icmp"}
_DEPTH = 32


def droppers(tables: Iterable[Table], packet: Packet) -> Iterator[tuple[Table, str]]:
    """(table, base chain) of everyone who certainly drops the packet. What we cannot judge may let it through."""
    for table in tables:
        if table.family not in _FAMILIES[packet.family]:
            continue
        for chain, hook, policy in table.base:
            if hook in ("prerouting", packet.hook):
                ends = _outcomes(table, chain, packet, _DEPTH)
                if {policy if end == "on" else end for end in ends} == {"drop"}:
                    yield table, chain


def _outcomes(table: Table, chain: str, packet: Packet, depth: int) -> set[str]:
    """How it may leave the chain: accept, drop, or on, by its end or a return."""
    if not depth:
        return {"accept", "drop", "on"}
    found: set[str] = set()
    for rule in table.rules(chain):
        met = _meets_all(packet, rule.matches)
        if met is False or not rule.verdict:
            continue
        ends, stays = _ends(table, rule, packet, depth)
        found |= ends
        if met and not stays:
            return found
    return found | {"on"}


def _ends(table: Table, rule: Rule, packet: Packet, depth: int) -> tuple[set[str], bool]:
    """How a rule that is met may end the chain, and whether the packet may also go on to the next rule."""
    if rule.verdict in ("accept", "drop"):
        return {rule.verdict}, False
    if rule.verdict == "return":
        return {"on"}, False
    if rule.verdict in ("jump", "goto"):
        ends = _outcomes(table, rule.target, packet, depth - 1)
        return (ends, False) if rule.verdict == "goto" else (ends - {"on"}, "on" in ends)
    return {"accept", "drop"}, True


def _meets_all(packet: Packet, matches: Iterable[Match]) -> Optional[bool]:
    """None if it depends on what we cannot judge."""
    answers = [_meets(packet, match) for match in matches]
    return False if False in answers else None if None in answers else True


def _meets(packet: Packet, match: Match) -> Optional[bool]:
    if not match.field:
        return None
    found = any(_is(packet, match.field, value) for value in match.values)
    return found != match.negated


def _is(packet: Packet, field: str, value: str) -> bool:
    if field in ("iif", "oif"):
        name = str(getattr(packet, field))
        return name.startswith(value[:-1]) if value[-1:] in ("*", "+") else name == value
    if field == "family":
        return value == f"ipv{packet.family}"
    if field == "protocol":
        return _PROTOCOLS.get(value, value) in (packet.protocol, "all")
    if field in ("source", "destination"):
        return _within(getattr(packet, field), value)
    if field in ("source_port", "port"):
        first, _dash, last = value.replace(":", "-").partition("-")
        return first.isdigit() and int(first) <= getattr(packet, field) <= int(last or first)
    if field == "state":
        return value in ({"established"} if packet.established else {"new"}) or (value == "dnat" and packet.translated)
    if field == "status":
        return value == "dnat" and packet.translated
    return value == packet.destination_type  # the only field left


def _within(address: str, value: str) -> bool:
    """A single address, a prefix or a range; a name is none of them."""
    try:
        inside = ipaddress.ip_address(address)
        first, dash, last = value.partition("-")
        if dash:
            ends = ipaddress.ip_address(first), ipaddress.ip_address(last)
            return ends[0].version == inside.version and int(ends[0]) <= int(inside) <= int(ends[1])
        return inside in ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
