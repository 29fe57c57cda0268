# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From interfaces as they are to interfaces as they will be, as input of ``ip -force -batch``; and what ``ip`` says, as interfaces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional

from .._model.uplink import Address, Station

_FOREVER = 2**32 - 1
# What ``ip`` tells about a route and does not take: the state of its next hop, and the unit of its lifetime.
_STATES = frozenset(
    {"linkdown", "dead", "offload", "offload_failed", "rt_offload", "rt_trap", "trap", "pervasive", "cache"}
)
_CONNECTED = re.compile(r" proto kernel .* expires ")  # comes with its address, and goes without it
_LENT = re.compile(r" proto (dhcp|ra)\b")
_BY_ITSELF = ("local", "broadcast", "anycast", "multicast")
_FLAGS = ("noprefixroute", "mngtmpaddr", "home", "autojoin")


def batch(before: Iterable[Station], after: Iterable[Station]) -> str:
    """All of both families but the IPv6 rules. What is wanted comes first and what is not goes last.

    In between the host has its addresses twice, so that at no moment it has none.
    """
    old = {interface.name: interface for interface in before}
    new = {interface.name: interface for interface in after}
    pairs = [(old.get(name, Station(name)), new.get(name, Station(name))) for name in {**old, **new}]
    come, routes, go = [], [], []
    for was, will in pairs:
        dev = f"dev {will.name}"
        had, has = ([*i.addresses, *i.link_local] for i in (was, will))
        come += [f"address replace {_address(a, will.name)}" for a in has if a not in had]
        go += [f"address del {a.cidr} {dev}" for a in had if a.cidr not in {b.cidr for b in has}]
        had_routes, has_routes = ([*i.routes, *i.learned] for i in (was, will))
        routes += [
            f"route {_verb(route)} {route}"
            for route in _gateways_last(has_routes)
            if route not in had_routes and not _CONNECTED.search(route)
        ]
        routes += [f"rule add {rule}" for rule in will.rules if rule not in was.rules and not _is_ipv6_rule(rule)]
        go += [f"route del {_key(route)}" for route in had_routes if route not in has_routes]
        go += [f"rule del {rule}" for rule in was.rules if rule not in will.rules and not _is_ipv6_rule(rule)]
    joins = [
        f"link set dev {will.name} {f'master {will.bridge}' if will.bridge else 'nomaster'}"
        for was, will in pairs
        if was.bridge != will.bridge
    ]
    # A bridge has its station up before its port is there, and a port is up before its bridge carries anything.
    ups = [f"link set dev {will.name} up" for _was, will in pairs if will.bridge or will.addresses]
    return "".join(f"{line}\n" for line in [*ups, *come, *joins, *routes, *go])


def lasting(stations: Iterable[Station]) -> list[Station]:
    """Without what is only lent: a DHCP client or whoever listens to routers keeps that up to date."""
    return [
        replace(
            station,
            addresses=tuple(a for a in station.addresses if a.valid is None),
            routes=tuple(r for r in station.routes if not _LENT.search(r)),
            learned=(),
        )
        for station in stations
    ]


def rules6(before: Iterable[Station], after: Iterable[Station]) -> str:
    """The IPv6 rules, as input of ``ip -6 -force -batch``: by themselves they do not tell their family."""
    had, has = ({rule for i in side for rule in i.rules if _is_ipv6_rule(rule)} for side in (before, after))
    lines = [f"rule add {rule[3:]}" for rule in sorted(has - had)] + [
        f"rule del {rule[3:]}" for rule in sorted(had - has)
    ]
    return "".join(f"{line}\n" for line in lines)


def parse_address(entry: Mapping[str, Any], name: str) -> Address:
    """One of ``addr_info`` in ``ip -json -details address``."""
    options: list[str] = []
    if entry.get("address") and entry["address"] != entry["local"]:
        cidr = f"{entry['local']}/32" if entry["family"] == "inet" else f"{entry['local']}/128"
        options += ["peer", f"{entry['address']}/{entry['prefixlen']}"]
    else:
        cidr = f"{entry['local']}/{entry['prefixlen']}"
    if entry.get("broadcast"):
        options += ["broadcast", entry["broadcast"]]
    if entry["family"] == "inet" and entry.get("scope", "global") != "global":
        options += ["scope", str(entry["scope"])]
    if entry.get("metric"):
        options += ["metric", str(entry["metric"])]
    options += [flag for flag in _FLAGS if entry.get(flag)]
    label = entry.get("label", "")
    return Address(
        cidr,
        tuple(options),
        label[len(name) :] if label.startswith(f"{name}:") else "",
        _lifetime(entry.get("valid_life_time")),
        _lifetime(entry.get("preferred_life_time")),
    )


def parse_routes(text: str, ipv6: bool) -> list[tuple[str, str]]:
    """(interface, route) for every route of ``ip -oneline route show table all`` that does not come with an address by itself.

    An IPv4 route over several interfaces appears once for each of them; of IPv6, each next hop is a route by
    itself. Those to the interface's own subnets are among them:
    a network manager may have made them in the kernel's name.
    """
    routes = []
    for line in text.splitlines():
        words = line.replace("\\", " ").split()
        if not words or words[0] in _BY_ITSELF or words[0].startswith(("fe80:", "ff00:")):
            continue
        kept = []
        for index, word in enumerate(words):
            # The next hop is told twice where it is an object of its own, which stays behind with its interface.
            if word not in _STATES and "nhid" not in (word, *words[max(index - 1, 0) : index]):
                kept.append(word[:-3] if index and words[index - 1] == "expires" else word)
        if ipv6:
            kept = ["::/0" if word == "default" else word for word in kept]
        if ipv6 and "nexthop" in kept:
            routes += _next_hops(kept)
            continue
        devices = {kept[index + 1] for index, word in enumerate(kept[:-1]) if word == "dev"}
        routes += [(device, " ".join(kept)) for device in devices]
    return routes


def parse_rules(text: str, ipv6: bool) -> list[tuple[str, str]]:
    """(interface, rule) for every rule in ``ip rule`` that names an interface."""
    rules = []
    for line in text.splitlines():
        preference, _colon, rest = line.partition(":")
        words = [word for word in rest.split() if word != "[detached]"]
        for index, word in enumerate(words[:-1]):
            if word in ("iif", "oif"):
                rules.append((words[index + 1], f"{'-6 ' if ipv6 else ''}pref {preference.strip()} {' '.join(words)}"))
                break
    return rules


def _next_hops(words: list[str]) -> list[tuple[str, str]]:
    """The same as ``parse_routes``, of one IPv6 route."""
    common, *hops = (part.split() for part in f" {' '.join(words)}".split(" nexthop "))
    routes = []
    for hop in hops:
        plain = hop[:-2] if hop[-2:] == ["weight", "1"] else []
        route = [common[0], *plain, *common[1:]] if plain else [*common, "nexthop", *hop]
        routes += [(hop[index + 1], " ".join(route)) for index, word in enumerate(hop[:-1]) if word == "dev"]
    return routes


def _verb(route: str) -> str:
    """To replace an IPv6 route is to replace the first one of its prefix and metric, whichever interface that is of."""
    return "append" if ":" in "".join(route.split()[:2]) else "replace"


def _address(address: Address, device: str) -> str:
    words = [address.cidr, *address.options, "dev", device]
    if address.label:
        words += ["label", f"{device}{address.label}"]
    if address.ipv6:
        words.append("nodad")  # it is the host's already
    if address.valid is not None:
        words += ["valid_lft", str(address.valid), "preferred_lft", str(min(address.preferred or 0, address.valid))]
    return " ".join(words)


def _gateways_last(routes: Iterable[str]) -> list[str]:
    """A gateway must be reachable by a route that is there already."""
    return sorted(routes, key=lambda route: (" via " in f" {route}", route))


def _key(route: str) -> str:
    """What tells a route from others: ``ip route del`` refuses lifetimes, for one."""
    words = route.split()
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("expires", "pref"):
            skip = True
        else:
            kept.append(word)
    return " ".join(kept)


def _is_ipv6_rule(rule: str) -> bool:
    return rule.startswith("-6 ")


def _lifetime(seconds: Optional[int]) -> Optional[int]:
    return None if seconds in (None, _FOREVER) else seconds
