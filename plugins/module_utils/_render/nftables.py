# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``nft -j list ruleset`` says of others: chains and rules, as far as they decide about packets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .._model.foreign import Match, Rule, Table
from .._model.ruleset import TABLE

_META = {"iifname": "iif", "iif": "iif", "oifname": "oif", "oif": "oif", "l4proto": "protocol", "nfproto": "family"}
_CT = {"state": "state", "status": "status"}
_PAYLOAD = {"saddr": "source", "daddr": "destination", "sport": "source_port", "dport": "port", "protocol": "protocol"}
_HOOKS = ("prerouting", "forward", "input")
_SILENT = ("counter", "log", "mangle", "notrack", "ct helper", "flow")
_FAMILIES = {"ip": "ipv4", "ip6": "ipv6"}

Sets = dict[str, Any]


def parse(listing: str) -> list[Table]:
    """The tables of others that see IP packets and have a chain which can drop them."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for item in json.loads(listing)["nftables"]:
        ((what, body),) = item.items()
        if what == "metainfo" or body["family"] not in ("ip", "ip6", "inet"):
            continue
        name = body["name"] if what == "table" else body.get("table", "")
        if f"{body['family']} {name}" == TABLE:
            continue
        table = found.setdefault((body["family"], name), {"base": [], "chains": {}, "sets": {}})
        if what == "chain":
            table["chains"].setdefault(body["name"], [])
            if body.get("type") == "filter" and body.get("hook") in _HOOKS:
                table["base"].append((body["name"], body["hook"], body.get("policy", "accept")))
        elif what in ("set", "map"):
            table["sets"][body["name"]] = body.get("elem", [])
        elif what == "rule":
            rules = table["chains"].setdefault(body["chain"], [])
            rules.extend(_rules(body.get("expr", []), table["sets"]))
    return [
        Table(family, name, tuple(t["base"]), tuple((c, tuple(rules)) for c, rules in t["chains"].items()))
        for (family, name), t in found.items()
        if t["base"]
    ]


def _rules(expressions: list[Any], sets: Sets) -> Iterator[Rule]:
    """One rule, or one for each element of a verdict map."""
    matches: list[Match] = []
    for expression in expressions:
        items: list[tuple[str, Any]] = list(expression.items()) if isinstance(expression, dict) else [(expression, {})]
        ((what, body),) = items
        if what == "match":
            matches.extend(_matches(body["left"], body["right"], body["op"], sets))
        elif what in ("accept", "drop", "return"):
            yield Rule(tuple(matches), what)
        elif what == "reject":
            yield Rule(tuple(matches), "drop")
        elif what in ("jump", "goto"):
            yield Rule(tuple(matches), what, body["target"])
        elif what == "vmap":
            data = body["data"]
            pairs = data.get("set", []) if isinstance(data, dict) else sets.get(str(data).lstrip("@"), [])
            for key, verdict in pairs:
                more = _matches(body["key"], key["elem"]["val"] if _is(key, "elem") else key, "==", sets)
                yield from _with(tuple(matches) + tuple(more), _rules([verdict], sets))
        elif what not in _SILENT:
            matches.append(Match())
            if what == "queue" or (what == "xt" and body.get("type") == "target"):
                yield Rule(tuple(matches), "unknown")


def _with(matches: tuple[Match, ...], rules: Iterator[Rule]) -> Iterator[Rule]:
    return (Rule(matches + rule.matches, rule.verdict, rule.target) for rule in rules)


def _matches(left: Any, right: Any, op: str, sets: Sets) -> list[Match]:
    if _is(left, "concat") and _is(right, "concat"):
        return [m for pair in zip(left["concat"], right["concat"]) for m in _matches(*pair, op, sets)]
    values, implied = _values(right, sets), []
    field = ""
    if _is(left, "meta"):
        field = _META.get(left["meta"]["key"], "")
    elif _is(left, "ct"):
        field = _CT.get(left["ct"]["key"], "")
    elif _is(left, "fib") and left["fib"]["result"] == "type" and left["fib"]["flags"] in ("daddr", ["daddr"]):
        field = "destination_type"
    elif _is(left, "payload") and "protocol" in left["payload"]:
        protocol, name = left["payload"]["protocol"], left["payload"]["field"]
        field = _PAYLOAD.get(name, "")
        if protocol in _FAMILIES:
            implied = [Match("family", (_FAMILIES[protocol],))]
        elif protocol != "th":
            implied = [Match("protocol", (protocol,))]
    if not field or values is None or op not in ("==", "!=", "in"):
        return [*implied, Match()]
    return [*implied, Match(field, tuple(values), op == "!=")]


def _values(right: Any, sets: Sets) -> Any:
    """As a list of words, or None if we cannot tell them."""
    if isinstance(right, (str, int)):
        text = str(right)
        return _values({"set": sets[text[1:]]}, sets) if text.startswith("@") and text[1:] in sets else [text]
    if isinstance(right, list):
        return [str(value) for value in right] if all(isinstance(value, (str, int)) for value in right) else None
    if _is(right, "prefix"):
        return [f"{right['prefix']['addr']}/{right['prefix']['len']}"]
    if _is(right, "range"):
        return ["-".join(str(end) for end in right["range"])]
    if _is(right, "elem"):
        return _values(right["elem"]["val"], sets)
    if _is(right, "set"):
        found = [_values(value, sets) for value in right["set"]]
        return None if None in found else [word for words in found for word in words]
    return None


def _is(value: Any, what: str) -> bool:
    return isinstance(value, dict) and what in value
