# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT, port forwards and policies: from entries to the elements that the packet filter will have.

What earlier runs recorded is the truth about all that this run does not name: what is missing of it in the kernel is put
back, and what is in our table without being recorded goes.
"""

from __future__ import annotations

from typing import Any, Callable

from .._model import layout, port_forward
from .._model.errors import HostError
from .._model.policy import forwarding_families
from .._model.resource import File, Key, Resource, State, Sysctl, Unit, by_key
from .._model.ruleset import PROGRAM, Element, Program
from .._render import ruleset, sysctls
from . import boot
from .core import Plan, Request

FORWARDING = {4: "net/ipv4/ip_forward", 6: "net/ipv6/conf/all/forwarding"}

SYSCTLS = tuple(FORWARDING.values())

# Whether an element that this scope has already goes because of what this run asks for.
Replaces = Callable[[Request, Element], bool]


def replaces_bridge(request: Request, old: Element) -> bool:
    """An entry stands for all that its bridge has: policies and source NAT."""
    return old.bridge in {entry.bridge for entry in request.entries}


def replaces_listener(request: Request, old: Element) -> bool:
    """An entry stands for its own listener only: port forwards."""
    return not request.present and old.name in {e.name for e in _elements(request)}


def plan_filter(module: str, replaces: Replaces) -> Callable[[Request, State], Plan]:
    """The planner of one of the three modules. It raises HostError for an element that another scope has."""

    def plan(request: Request, host: State) -> Plan:
        recorded = _recorded(host)
        mine = {path: es for path, es in recorded.items() if _is_of(path, request.scope, module)}
        others = by_key(e for path, es in recorded.items() if path not in mine for e in es)
        wanted = by_key(_elements(request)) if request.present else {}
        _refuse_taken(request, wanted, others)

        after: dict[Key, Resource] = {
            key: r for key, r in host.items() if not isinstance(r, (Element, Program, Sysctl))
        }
        after.update(others)
        for root in layout.ROOTS:
            path = f"{root}/{request.scope}/{module}.nft"
            kept: dict[Key, Resource] = {
                e.key: e for e in mine.get(path, []) if not _goes(request, e, replaces) and e.key not in wanted
            }
            if root == layout.root(request.persistent):
                kept.update(wanted)
            after.update(kept)
            boot.put_file(after, path, ruleset.render(e for e in kept.values() if isinstance(e, Element)))
        elements = ruleset.elements_of(after.values())
        if elements:
            after[PROGRAM.key] = PROGRAM
        boot.put_file(after, layout.PROGRAM, ruleset.program() if elements else "")
        after.update({key: r for key, r in host.items() if isinstance(r, Sysctl)})
        _forward(host, after, forwarding_families(elements))
        before = {key: r for key, r in host.items() if isinstance(r, (Element, Program, File, Unit, Sysctl))}
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


def _goes(request: Request, old: Element, replaces: Replaces) -> bool:
    return request.purge or old.bridge in request.purge_bridges or replaces(request, old)


def _recorded(host: State) -> dict[str, list[Element]]:
    files = (r for r in host.values() if isinstance(r, File) and r.name.endswith(".nft") and r.name != layout.PROGRAM)
    return {file.name: ruleset.parse(file.text) for file in files}


def _is_of(path: str, scope: str, module: str) -> bool:
    return path in {f"{root}/{scope}/{module}.nft" for root in layout.ROOTS}


def _refuse_taken(request: Request, wanted: dict[Key, Any], others: dict[Key, Any]) -> None:
    for key, new in wanted.items():
        old = others.get(key)
        if old is not None:
            raise HostError(
                f"{request.at(new.bridge)}: {' . '.join(new.parts)} is already that of {old.bridge} in the scope {old.scope}"
            )


def _forward(host: State, after: dict[Key, Resource], families: set[int]) -> None:
    """Turn forwarding on for the families that need it, remembering what was before, and back once none does."""
    parameters = {key.name: r.value for key, r in host.items() if isinstance(r, Sysctl)}
    settings = sysctls.parse(boot.text_of(dict(host), layout.SYSCTLS))
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
