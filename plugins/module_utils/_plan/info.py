# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as ``network_info`` returns them, put together from the state of the host and from what was observed beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Optional

from .._model import counters, net
from .._model.errors import InputError
from .._model.lease import Lease
from .._model.links import Bridge, OtherLink, Tap
from .._model.observation import Flow, Route, Station
from .._model.resource import State
from .._model.ruleset import Counter, Element
from .drift import Drift


@dataclass(frozen=True)
class Observation:
    """What was seen of a host beside its state. What nobody asked for is empty.

    ``leases`` are a network's, by its bridge.
    """

    stations: Iterable[Station] = ()
    routes: Iterable[Route] = ()
    flows: Iterable[Flow] = ()
    leases: Mapping[str, list[Lease]] = field(default_factory=dict)


def networks(host: State, seen: Observation, drift: list[Drift], names: Optional[list[str]]) -> list[dict[str, Any]]:
    """One mapping for each bridge in ``names``, or for each that carries our mark. Raises InputError for a name that is no bridge."""
    bridges = {link.name: link for link in host.values() if isinstance(link, Bridge)}
    for index, name in enumerate(names or ()):
        if name not in bridges:
            there = ", ".join(sorted(bridges)) or "none"
            raise InputError(f"names[{index}]", f"there is no bridge {name} on this host; there are: {there}")
    chosen = names if names is not None else [name for name, bridge in bridges.items() if bridge.scope]
    flows = _by_network(seen.flows, _subnets(host))
    counted = [counter for counter in host.values() if isinstance(counter, Counter)]
    crossed = counters.of_networks(chosen, counted)
    return [
        {
            **_attributes(bridges[name]),
            **crossed[name],
            "ports": [_port(host, port) for port in sorted(bridges[name].ports or ())],
            "routes": [_without_bridge(route) for route in seen.routes if route.bridge == name],
            "fdb": [_without_bridge(station) for station in seen.stations if station.bridge == name],
            "leases": [{**lease._asdict(), "address": str(lease.address)} for lease in seen.leases.get(name, [])],
            "forwards": counters.of_forwards(_elements(host, name), counted),
            "connections": flows.get(name, []),
            "drift": [each.text for each in drift if each.network == name],
        }
        for name in sorted(set(chosen))
    ]


def _attributes(link: Bridge | Tap) -> dict[str, Any]:
    values = {f.name: getattr(link, f.name) for f in fields(link)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _port(host: State, name: str) -> dict[str, Any]:
    for link in host.values():
        if link.name == name and isinstance(link, Tap):
            return {"type": "tap", **_attributes(link)}
        if link.name == name and isinstance(link, OtherLink):
            return {"name": name, "type": link.type, "scope": link.scope}
    return {"name": name, "type": "unknown", "scope": None}


def _without_bridge(observed: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(observed).items() if name != "bridge"}


def _elements(host: State, bridge: str) -> list[Element]:
    return [e for e in host.values() if isinstance(e, Element) and e.bridge == bridge]


def _subnets(host: State) -> list[tuple[str, net.Network]]:
    """Each network's subnets: those that its policy names, and those of its addresses."""
    found = {
        (e.parts[0], net.subnet(e.parts[1]))
        for e in host.values()
        if isinstance(e, Element) and e.set in ("vn_sources4", "vn_sources6")
    }
    for link in host.values():
        if isinstance(link, Bridge) and link.scope:
            found.update((link.name, net.host_address(address).network) for address in link.addresses or ())
    return list(found)


def _by_network(flows: Iterable[Flow], subnets: list[tuple[str, net.Network]]) -> Mapping[str, list[dict[str, Any]]]:
    """The translated flows that begin or end in one of the networks."""
    result: dict[str, list[dict[str, Any]]] = {}
    for flow in flows:
        if not flow.is_translated:
            continue
        for direction, guest in (("out", flow.source), ("in", flow.replier)):
            address = net.address(guest.address)
            for bridge in {name for name, subnet in subnets if address in subnet}:
                result.setdefault(bridge, []).append(_connection(direction, flow))
    return result


def _connection(direction: str, flow: Flow) -> dict[str, Any]:
    """``translated`` is the source that others see of a flow out, and the guest that answers of a flow in."""
    translated = flow.receiver if direction == "out" else flow.replier
    return {
        "direction": direction,
        "protocol": flow.protocol,
        "source": flow.source.address,
        "source_port": flow.source.port,
        "destination": flow.destination.address,
        "destination_port": flow.destination.port,
        "translated": translated.address,
        "translated_port": translated.port,
    }
