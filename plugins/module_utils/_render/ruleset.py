# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as text for nft: the fixed program, elements, and the transaction from one state to another.

Also the inverse: elements from what ``nft -j list`` says and from the files that were written. Text goes in because JSON
input of nft 1.0.6 silently makes sets of maps; JSON comes out because listings are formatted differently by each version.
"""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any, NamedTuple

from .._model import counters, net, port_forward
from .._model.ruleset import SETS, TABLE, Counter, Element, Program, SetType, parse_mark
from .._plan.core import Plan

_CHAINS = """\
    chain refuse {
        meta l4proto tcp reject with tcp reset
        reject with icmpx admin-prohibited
    }

    # Before connection tracking. Nobody but the host and the networks themselves may talk to a closed subnet directly, not even
    # to a port that is forwarded, nor claim to come from there. Guests never reach the host's loopback addresses.
    chain raw_prerouting {
        type filter hook prerouting priority -300; policy accept;
        iif "lo" accept
        iifname @vn_bridges goto raw_guests
        ip daddr @vn_closed4 drop
        ip saddr @vn_inside4 drop
        ip6 daddr @vn_closed6 drop
        ip6 saddr @vn_inside6 drop
    }

    chain raw_guests {
        ip daddr 127.0.0.0/8 drop
        ip saddr 127.0.0.0/8 drop
    }

    # Port forwards: only what is addressed to the host. The most specific listener wins.
    chain nat_prerouting {
        type nat hook prerouting priority -100; policy accept;
        fib daddr type local goto forwards
    }

    chain nat_output {
        type nat hook output priority -100; policy accept;
        ip daddr 127.0.0.0/8 goto loopback_forwards
        fib daddr type local goto forwards
    }

    # The host's own 127.0.0.1 is forwarded for itself only, and only where that is asked for by name.
    chain loopback_forwards {
        meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @vn_forwards4
    }

    chain forwards {
        ip daddr 127.0.0.0/8 return
        ip6 daddr ::1 return
        meta l4proto { tcp, udp, sctp } dnat ip to ip saddr . ip daddr . meta l4proto . th dport map @vn_forwards_from4
        meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport map @vn_forwards4
        meta l4proto { tcp, udp, sctp } dnat ip to ip saddr . meta l4proto . th dport map @vn_forwards_any_from4
        meta nfproto ipv4 meta l4proto { tcp, udp, sctp } dnat ip to meta l4proto . th dport map @vn_forwards_any4
        meta l4proto { tcp, udp, sctp } dnat ip6 to ip6 saddr . ip6 daddr . meta l4proto . th dport map @vn_forwards_from6
        meta l4proto { tcp, udp, sctp } dnat ip6 to ip6 daddr . meta l4proto . th dport map @vn_forwards6
        meta l4proto { tcp, udp, sctp } dnat ip6 to ip6 saddr . meta l4proto . th dport map @vn_forwards_any_from6
        meta nfproto ipv6 meta l4proto { tcp, udp, sctp } dnat ip6 to meta l4proto . th dport map @vn_forwards_any6
    }

    # What guests reach on the host itself, on any of its addresses. Without neighbour discovery there is no IPv6 at all.
    chain input {
        type filter hook input priority 0; policy accept;
        iifname @vn_bridges ip saddr != 0.0.0.0 jump check_source
        iifname @vn_bridges ip6 saddr != { ::, fe80::/10 } jump check_source
        iifname @vn_guarded goto host_services
    }

    chain host_services {
        ct state established,related accept
        icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname . meta l4proto . th dport @vn_services accept
        iifname @vn_echo icmp type echo-request accept
        iifname @vn_echo icmpv6 type echo-request accept
        goto refuse
    }

    # Who may forward to whom. Frames between ports of one bridge come by here too where br_netfilter is on.
    chain forward {
        type filter hook forward priority 0; policy accept;
        oifname @vn_bridges goto to_networks
        meta nfproto ipv4 iifname vmap @vn_out4
        meta nfproto ipv6 iifname vmap @vn_out6
    }

    chain to_networks {
        iifname @vn_bridges jump between_networks
        oifname . iifname @vn_peers ct state established,related accept
        meta nfproto ipv4 oifname vmap @vn_in4
        meta nfproto ipv6 oifname vmap @vn_in6
    }

    chain between_networks {
        iifname . oifname @vn_self goto same_network
        iifname . oifname @vn_peers goto to_peers
        oifname . iifname @vn_peers ct state established,related accept
        meta nfproto ipv4 iifname vmap @vn_out4
        meta nfproto ipv6 iifname vmap @vn_out6
    }

    chain same_network {
        ct status dnat accept
        ct state established,related accept
        iifname @vn_apart goto refuse
        accept
    }

    # Whoever lies about where it comes from gets no answer: a refusal would go to somebody else, by way of the host.
    chain check_source {
        iifname . ip saddr @vn_sources4 return
        iifname . ip6 saddr @vn_sources6 return
        meta nfproto ipv4 iifname @vn_open4 return
        meta nfproto ipv6 iifname @vn_open6 return
        drop
    }

    chain to_peers {
        jump check_source
        accept
    }

    # From guests of isolated networks.
    chain to_nowhere {
        jump check_source
        iifname . oifname @vn_peers accept
        goto refuse
    }

    # Nobody translates what belongs to no connection: it would leave with the guest's own address.
    chain to_uplinks_by_nat {
        ct state invalid drop
        goto to_uplinks
    }

    # From guests of networks with uplinks: answers by any way, their own only by those that are theirs now. A forward
    # may lead to another network, which then decides.
    chain to_uplinks {
        jump check_source
        oifname @vn_bridges goto to_other_networks
        ct direction reply ct state established,related accept
        iifname @vn_any_uplink accept
        iifname . oifname @vn_uplinks accept
        iifname . oifname @vn_peers accept
        goto refuse
    }

    chain to_other_networks {
        ct status dnat return
        ct direction reply ct state established,related return
        goto refuse
    }

    # To guests of networks behind NAT: answers, and what is forwarded. A flow that somebody began while a network was open to
    # him ends with that.
    chain from_forwards {
        ct direction reply ct state established,related accept
        ct status dnat accept
        goto refuse
    }

    # To guests of networks that are routed.
    chain from_uplinks {
        ct direction reply ct state established,related accept
        ct status dnat accept
        iifname @vn_bridges goto refuse
        oifname @vn_any_uplink accept
        oifname . iifname @vn_uplinks accept
        goto refuse
    }

    # What has crossed the host, after everybody's rules: by network, where a lookup counts, and by what the client of a forward
    # had asked for.
    chain count {
        type filter hook forward priority 300; policy accept;
        iifname @vn_bridges goto count_sent
        oifname @vn_to goto count_forwards
    }

    chain count_sent {
        oifname @vn_bridges goto count_between
        iifname @vn_from goto count_forwards
    }

    # What stays on one bridge has not crossed the host, but guests reach each other through a forward.
    chain count_between {
        iifname . oifname @vn_self goto count_forwards
        iifname @vn_from continue
        oifname @vn_to goto count_forwards
    }

    chain count_forwards {
        ct status ! dnat accept
        ct direction original goto received
        meta nfproto ipv4 meta l4proto { tcp, udp, sctp } update @vn_sent4 { ct original ip daddr . meta l4proto . ct original proto-dst }
        meta nfproto ipv6 meta l4proto { tcp, udp, sctp } update @vn_sent6 { ct original ip6 daddr . meta l4proto . ct original proto-dst }
    }

    chain received {
        meta nfproto ipv4 meta l4proto { tcp, udp, sctp } update @vn_received4 { ct original ip daddr . meta l4proto . ct original proto-dst }
        meta nfproto ipv6 meta l4proto { tcp, udp, sctp } update @vn_received6 { ct original ip6 daddr . meta l4proto . ct original proto-dst }
    }

    chain nat_postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname @vn_bridges goto to_guests
        ip daddr { 224.0.0.0/24, 255.255.255.255 } accept
        ip6 daddr ff02::/16 accept
        iifname . ip saddr @vn_masqueraded4 goto masquerade_guests
        iifname . oifname . ip saddr @vn_masqueraded_uplinks4 goto masquerade_guests
        iifname . ip saddr @vn_nat4 goto translate
        iifname . oifname . ip saddr @vn_nat_uplinks4 goto translate
        iifname . ip6 saddr @vn_masqueraded6 goto masquerade_guests
        iifname . oifname . ip6 saddr @vn_masqueraded_uplinks6 goto masquerade_guests
        iifname . ip6 saddr @vn_nat6 goto translate
        iifname . oifname . ip6 saddr @vn_nat_uplinks6 goto translate
    }

    # A guest that reaches itself or a neighbour through the host's address must be answered through the host too. Where
    # br_netfilter is on, the bridge itself sends such a packet on, and there is no input interface to tell it by.
    chain to_guests {
        ct status ! dnat accept
        oifname . ip saddr @vn_sources4 masquerade
        oifname . ip6 saddr @vn_sources6 masquerade
        ip saddr 127.0.0.0/8 masquerade
    }

    # To given addresses; what has none here gets the host's own.
    chain translate {
        meta l4proto { tcp, udp } snat ip to iifname . ip saddr map @vn_snat4
        snat ip to iifname . ip saddr map @vn_snat_portless4
        meta l4proto { tcp, udp } snat ip6 to iifname . ip6 saddr map @vn_snat6:1024-65535
        snat ip6 to iifname . ip6 saddr map @vn_snat6
        goto masquerade_guests
    }

    # Guests must not appear to others with a privileged port of the host.
    chain masquerade_guests {
        meta l4proto { tcp, udp } masquerade to :1024-65535
        masquerade
    }
"""

_COUNTERS = 65535  # keys of a dynamic set; what does not fit is not counted
_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}
_LINE = re.compile(rf'add element {TABLE} (\S+) {{ (.*?) comment "([^"]*)"(?: : (.*?))? }}')


def program() -> str:
    """Replaces the whole table, in one transaction with whatever follows it in the same input."""
    sets = "".join(_declaration(name, kind) for name, kind in SETS.items())
    return f"table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{sets}{_CHAINS}}}\n"


def render(elements: Iterable[Element]) -> str:
    """One line for each element; sorted, so that the same elements are always the same text."""
    return "".join(f"add {_statement(e)}\n" for e in sorted(elements, key=lambda e: e.name))


def parse(text: str) -> list[Element]:
    """The inverse of ``render``. Lines that it would not write are passed over."""
    return [_parsed(*match.groups()) for match in map(_LINE.fullmatch, text.splitlines()) if match]


def transaction(plan: Plan) -> str:
    """What turns the table from one state into the other. A program that is new or was edited is replaced with everything in it."""
    programs = plan.only(Program.kind)
    if programs.removed:
        return f"delete table {TABLE}\n"
    if programs:
        return program() + render(r for r in plan.after.values() if isinstance(r, Element))
    gone = [r for r in (*plan.removed, *(old for old, _new in plan.changed)) if isinstance(r, Element)]
    come = [r for r in (*plan.created, *(new for _old, new in plan.changed)) if isinstance(r, Element)]
    lines = [f"delete {_statement(e, bare=True)}\n" for e in gone]
    # A counter may have gone by itself: what is added first can always be deleted.
    for counter in _without_purpose(plan):
        lines += [f"{verb} element {TABLE} {counter.set} {{ {_key(counter)} }}\n" for verb in ("add", "delete")]
    return "".join(lines) + render(come)


def _without_purpose(plan: Plan) -> list[Counter]:
    """Counters of forwards that go; those of networks are in their elements."""
    if not plan.only(Element.kind).removed:
        return []
    elements = [r for r in plan.after.values() if isinstance(r, Element)]
    listeners = {port_forward.listener(e) for e in elements if e.module == "port_forwards"}
    return [
        c
        for c in plan.before.values()
        if isinstance(c, Counter) and SETS[c.set].dynamic and not counters.counts_for(c, listeners)
    ]


class Listing(NamedTuple):
    """The table as ``nft -j list table`` has it; ``program`` is all but elements, in a form to compare."""

    elements: list[Element]
    program: list[Any]
    counters: list[Counter]


def read_listing(text: str) -> Listing:
    listing = Listing([], [], [])
    for item in json.loads(text)["nftables"]:
        ((what, body),) = item.items()
        if what in ("set", "map"):
            name, entries = body["name"], body.pop("elem", [])
            kind = SETS.get(name)
            if kind and kind.counter:
                listing.counters.extend(_counted(name, entry["elem"]) for entry in entries if isinstance(entry, dict))
            if kind and not kind.dynamic:
                listing.elements.extend(_listed(name, entry) for entry in entries)
        if what not in ("metainfo", "table"):
            body.pop("handle", None)
            listing.program.append(item)
    return listing


def edits(found: list[Any], written: list[Any]) -> tuple[str, ...]:
    """What one program, as it is listed, has more and less than the other, a line for each chain, rule or set."""
    counted = [collections.Counter(map(_described, program)) for program in (found, written)]
    more, less = counted[0] - counted[1], counted[1] - counted[0]
    if not more and not less and found != written:
        return ("  rules in another order",)
    return (*(f"  not ours: {text}" for text in more.elements()), *(f"  missing: {text}" for text in less.elements()))


def _described(item: Any) -> str:
    """A chain, rule or set of a listing as one line."""
    ((what, body),) = item.items()
    place = f"rule of {body['chain']}" if what == "rule" else f"{what} {body['name']}"
    rest = {k: v for k, v in body.items() if k not in ("family", "table", "chain", "name", "expr")}
    return f"{place}: {json.dumps(body['expr'] if what == 'rule' else rest, separators=(',', ':'))}"


def _declaration(name: str, kind: SetType) -> str:
    what = "map" if kind.value else "set"
    value = " . ".join(kind.value)
    lines = [f"type {' . '.join(kind.key)}" + (f" : {'interval ' if kind.ranges else ''}{value}" if value else "")]
    lines += ["flags interval"] if kind.interval else []
    lines += [f"size {_COUNTERS}", "flags dynamic"] if kind.dynamic else []
    lines += ["counter"] if kind.counter else []
    return f"    {what} {name} {{\n" + "".join(f"        {line}\n" for line in lines) + "    }\n\n"


def _statement(element: Element, bare: bool = False) -> str:
    comment = f' comment "{element.mark}"' if element.mark and not bare else ""
    value = f" : {element.value}" if element.value and not bare else ""
    return f"element {TABLE} {element.set} {{ {_key(element)}{comment}{value} }}"


def _key(element: Element | Counter) -> str:
    types = SETS[element.set].key if element.set in SETS else ("",) * len(element.parts)
    return " . ".join(f'"{part}"' if kind == "ifname" else part for part, kind in zip(element.parts, types))


def _parsed(name: str, key: str, comment: str, value: str) -> Element:
    scope, bridge = parse_mark(comment)
    return Element(f"{name} {key.replace(chr(34), '')}", value or "", scope, bridge)


def _listed(name: str, entry: Any) -> Element:
    key, value = entry if isinstance(entry, list) else (entry, None)
    comment = None
    if isinstance(key, dict) and "elem" in key:
        comment, key = key["elem"].get("comment"), key["elem"]["val"]
    scope, bridge = parse_mark(comment)
    return Element(f"{name} {_named(name, _written(key))}", _value(name, value), scope, bridge)


def _counted(name: str, entry: Any) -> Counter:
    counted = entry.get("counter") or {"packets": 0, "bytes": 0}
    return Counter(f"{name} {_named(name, _written(entry['val']))}", counted["packets"], counted["bytes"])


def _value(name: str, value: Any) -> str:
    """Ranges of addresses always by their ends: nft lists some as a prefix."""
    if value is None:
        return ""
    parts = _written(value).split(" . ")
    if name in SETS and SETS[name].ranges:
        parts = [
            net.span(*net.ends(part)) if kind != "inet_service" else part for part, kind in zip(parts, SETS[name].value)
        ]
    return " . ".join(parts)


def _named(name: str, key: str) -> str:
    """The key with protocols by name; without /etc/protocols nft lists their numbers (as containers have it)."""
    types = SETS[name].key if name in SETS else ()
    parts = key.split(" . ")
    return " . ".join(_PROTOCOLS.get(p, p) if t == "inet_proto" else p for p, t in zip_longest(parts, types) if p)


def _written(value: Any) -> str:
    """A value of nft's JSON in the notation of its language."""
    if not isinstance(value, dict):
        return str(value)
    ((what, body),) = value.items()
    if what == "concat":
        return " . ".join(_written(part) for part in body)
    if what == "prefix":
        return f"{body['addr']}/{body['len']}"
    if what == "range":
        return "-".join(_written(part) for part in body)
    if what in ("jump", "goto"):
        return f"{what} {body['target']}"
    return what
