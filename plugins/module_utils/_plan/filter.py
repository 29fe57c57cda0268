# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT, port forwards and policies: from entries to the elements that the packet filter will have.

What earlier runs recorded is the truth about all that this run does not name: what is missing of it in the kernel is put
back, and what is in our table without being recorded goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Callable

from .._model import layout, net, port_forward
from .._model.errors import HostError
from .._model.policy import forwarding_families
from .._model.resource import File, Key, Resource, State, Sysctl, Unit, by_key
from .._model.ruleset import PROGRAM, Counter, Element, Program
from .._render import ruleset, sysctls
from . import boot
from .core import Plan, Request

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}

SYSCTLS = tuple(FORWARDING.values())

# Given the request: whether an element that this scope has already goes because of what is asked for.
Replaces = Callable[[Request], Callable[[Element], bool]]


def replaces_bridge(request: Request) -> Callable[[Element], bool]:
    """An entry stands for all that its bridge has: policies and source NAT."""
    bridges = {entry.bridge for entry in request.entries}
    return lambda old: old.bridge in bridges


def replaces_listener(request: Request) -> Callable[[Element], bool]:
    """An entry stands for what it listens on, whatever sources were let through before: port forwards."""
    listeners = {port_forward.listener(e) for e in _elements(request)}
    return lambda old: port_forward.listener(old) in listeners


def plan_filter(module: str, replaces: Replaces) -> Callable[[Request, State], Plan]:
    """The planner of one of the three modules. It raises HostError for an element or a subnet that another network has."""

    def plan(request: Request, host: State) -> Plan:
        records = _recorded(host)
        own = [f"{root}/{request.scope}/{module}.nft" for root in layout.ROOTS]
        goes = replaces(request)
        for path in own:
            records[path] = [
                e for e in records.get(path, []) if not (request.purge or e.bridge in request.purge_bridges or goes(e))
            ]
        wanted = _elements(request) if request.present else []
        _refuse_conflicts(request, wanted, [e for elements in records.values() for e in elements])
        for entry in request.entries if request.present else ():
            records[f"{request.root(entry)}/{request.scope}/{module}.nft"] += entry.elements(request.scope)

        kinds = (Element, Program, Counter, File, Unit, Sysctl)
        before = {key: r for key, r in host.items() if isinstance(r, kinds)}
        after: dict[Key, Resource] = {k: r for k, r in before.items() if not isinstance(r, (Element, Program))}
        for path in own:
            boot.put_file(after, path, ruleset.render(records[path]))
        elements = by_key(e for elements in records.values() for e in elements)
        after.update(elements)
        if elements:
            after[PROGRAM.key] = PROGRAM
        boot.put_file(after, layout.PROGRAM, ruleset.program() if elements else "")
        _forward(host, after, forwarding_families(e for es in records.values() for e in es))
        return boot.complete(request, before, after)

    return plan


def show_networks(
    module: str, from_elements: Callable[[str, list[Element]], Any]
) -> Callable[[Request, State], list[Any]]:
    """The entries of a scope as a module returns them, one for each bridge."""

    def show(request: Request, after: State) -> list[Any]:
        bridges: dict[str, list[Element]] = {}
        for e in _of_scope(request, after, module):
            bridges.setdefault(e.bridge, []).append(e)
        return [from_elements(bridge, elements) for bridge, elements in sorted(bridges.items())]

    return show


def show_forwards(request: Request, after: State) -> list[dict[str, object]]:
    return port_forward.from_elements(_of_scope(request, after, "port_forwards"))


def _of_scope(request: Request, after: State, module: str) -> list[Element]:
    return [r for r in after.values() if isinstance(r, Element) and r.module == module and r.scope == request.scope]


def _elements(request: Request) -> list[Element]:
    return [e for entry in request.entries for e in entry.elements(request.scope)]


def _recorded(host: State) -> dict[str, list[Element]]:
    files = (r for r in host.values() if isinstance(r, File) and r.name.endswith(".nft") and r.name != layout.PROGRAM)
    return {file.name: ruleset.parse(file.text) for file in files}


def _refuse_conflicts(request: Request, wanted: list[Element], kept: list[Element]) -> None:
    """Raises HostError for what two networks cannot both have."""
    others = {_identity(e): e for e in kept}
    seen: dict[str, Element] = {}
    for new in wanted:
        old = others.get(_identity(new)) or seen.setdefault(new.name, new)
        if old is not new:
            what = " . ".join(new.parts)
            raise HostError(
                f"{request.at(new.bridge)}: {what} is already that of {old.bridge} in the scope {old.scope}"
            )
    named = {new.bridge for new in wanted}
    subnets = sorted(_subnets([*kept, *wanted]), key=lambda item: (item[0].version, item[0]))
    for (wide, first), (narrow, second) in zip(subnets, subnets[1:]):
        if wide.version == narrow.version and wide.overlaps(narrow):
            if second not in named:
                (wide, first), (narrow, second) = (narrow, second), (wide, first)
            raise HostError(f"{request.at(second)}.subnets: {narrow} overlaps {wide} of {first}")


def _identity(e: Element) -> tuple[str, ...]:
    """What only one network can have: a listener, whatever sources it lets through, or else the element itself."""
    return port_forward.listener(e) if e.module == "port_forwards" else (e.name,)


def _subnets(elements: Iterable[Element]) -> Iterator[tuple[net.Network, str]]:
    """The subnets that guests have, each with its bridge."""
    for e in elements:
        if e.set in ("vn_sources4", "vn_sources6"):
            yield net.subnet(e.parts[1]), e.bridge


def _forward(host: State, after: dict[Key, Resource], families: set[int]) -> None:
    """Turn forwarding on for the families that need it, remembering what was before, and back once none does."""
    parameters = {key.name: r.value for key, r in host.items() if isinstance(r, Sysctl)}
    settings = sysctls.parse(boot.text_of(host, layout.SYSCTLS))
    wanted = {}
    if 6 in families:
        # A host that forwards forgets its default routers, unless it is told to listen to them all the same (accept_ra=2);
        # it has to be told first.
        listening = {
            n for n, value in parameters.items() if n.endswith("/accept_ra") and (value == "1" or n in settings)
        }
        wanted.update(dict.fromkeys(sorted(listening), "2"))
    wanted.update({FORWARDING[family]: "1" for family in sorted(families)})
    for name, value in wanted.items():
        if name in parameters:
            settings.setdefault(name, sysctls.Setting(value, parameters[name]))
            after[Key(Sysctl.kind, name)] = Sysctl(name, value)
    for name in [name for name in settings if name not in wanted]:
        was = settings.pop(name).was
        if name in parameters:
            after[Key(Sysctl.kind, name)] = Sysctl(name, was)
    boot.put_file(after, layout.SYSCTLS, sysctls.render(settings))
