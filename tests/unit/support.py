# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in memory: entries and states in short, and what the backends would make of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.coexist import Grant
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import (
    Bridge,
    Manager,
    OtherLink,
    Tap,
    Vlan,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.mark import alias, owner
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.nat import SourceNat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import Policy
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.port_forward import PortForward
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import (
    File,
    Key,
    Resource,
    State,
    Sysctl,
    Unit,
    by_key,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import PROGRAM, Element, Program
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request, of_kind
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import ruleset

LINKS = (File.kind, Unit.kind, Bridge.kind, Tap.kind, OtherLink.kind, Manager.kind)
FILTER = (File.kind, Unit.kind, Element.kind, Program.kind, Sysctl.kind)
KERNEL_MAC = "0e:00:00:00:00:01"

Planner = Callable[[Request, State], Plan]


def bridge_entry(**values: Any) -> Bridge:
    return Bridge.parse(Fields(values, f"bridges[{values.get('name')}]"))


def tap_entry(**values: Any) -> Tap:
    return Tap.parse(Fields(values, f"taps[{values.get('name')}]"))


def policy(**values: Any) -> Policy:
    return Policy.parse(Fields(values, f"policies[{values.get('bridge')}]"))


def nat(**values: Any) -> SourceNat:
    return SourceNat.parse(Fields(values, f"nat[{values.get('bridge')}]"))


def forward(**values: Any) -> PortForward:
    return PortForward.parse(Fields({"bridge": "vmnet8", **values}, f"port_forwards[{values.get('listen')}]"))


def named(**values: str) -> Any:
    """An entry of which only the name matters, as for ``state: absent``."""
    return Policy.parse(Fields(values, "x"), False) if "bridge" in values else Bridge.parse(Fields(values, "x"))


def host(*resources: Resource) -> dict[Key, Resource]:
    return by_key(resources)


def part(state: State, kinds: Iterable[str]) -> dict[Key, Resource]:
    """What a module reads of a host."""
    return of_kind(state, *kinds)


def files_of(state: State) -> dict[str, str]:
    return {r.name: r.text for r in state.values() if isinstance(r, File)}


def get(state: State, kind: type[Resource], name: str) -> Any:
    return state.get(Key(kind.kind, name))


def applied(state: State, plan: Plan) -> dict[Key, Resource]:
    """The host after the backends have carried out the plan: what others have put there stays."""
    result = dict(state)
    for kind in (File, Unit, Sysctl, Grant):
        _replace_kind(result, plan, kind)
    _apply_filter(result, plan)
    _apply_links(result, plan)
    return result


def _replace_kind(state: dict[Key, Resource], plan: Plan, kind: type[Resource]) -> None:
    only = plan.only(kind.kind)
    for resource in only.removed:
        del state[resource.key]
    state.update(by_key([*only.created, *(new for _old, new in only.changed)]))


def _apply_filter(state: dict[Key, Resource], plan: Plan) -> None:
    """As nft does: the transaction's text is read line by line, and refused where nft refuses it."""
    only = plan.only(Element.kind, Program.kind)
    if not only:
        return
    text = ruleset.transaction(only)
    program = ruleset.program()
    if text.startswith(program) or text == "delete table inet vmnet\n":
        for key in part(state, (Element.kind, Program.kind)):
            del state[key]
        if text.startswith(program):
            state[PROGRAM.key] = PROGRAM
        text = text.removeprefix(program).removeprefix("delete table inet vmnet\n")
    for line in text.splitlines():
        if line.startswith("delete element "):
            # without comment and value; an element that is not there makes nft refuse everything
            (gone,) = ruleset.parse(line.replace("delete", "add", 1).replace(" }", ' comment "" }'))
            del state[gone.key]
        else:
            (come,) = ruleset.parse(line)
            assert come.key not in state, f"nft keeps the old element of the same key: {line}"
            state[come.key] = come


def _apply_links(state: dict[Key, Resource], plan: Plan) -> None:
    only = plan.only(Bridge.kind, Tap.kind)
    for link in only.removed:
        del state[link.key]
        for other in list(state.values()):
            if isinstance(other, Bridge) and link.name in (other.ports or ()):
                state[other.key] = replace(other, ports=tuple(p for p in other.ports or () if p != link.name))
            elif isinstance(other, (Tap, OtherLink)) and link.name in (_master(other), other.name):
                _enslave(state, other.name, None)
    for old, new in only.pairs():
        if isinstance(new, Bridge):
            _put_bridge(state, old, new)
    for _old, new in only.pairs():
        if isinstance(new, Tap):
            _put_tap(state, new)


def _put_bridge(state: dict[Key, Resource], old: Any, new: Bridge) -> None:
    live: Any = state.get(new.key)
    for attribute in ("addresses", "ports"):
        before = set(getattr(old, attribute) if old else ())
        wanted = getattr(new, attribute)
        there = list(getattr(live, attribute)) if live else []
        there = [item for item in there if item not in before or item in wanted]
        there += [item for item in wanted if item not in there]
        if attribute == "addresses":
            addresses = tuple(there)
        else:
            for port in {*there, *(live.ports if live else ())}:
                _enslave(state, port, new.name if port in there else None)
            ports = tuple(there)
    whose = owner(alias(new.scope, new.adopted, new.label))._asdict()
    state[new.key] = replace(new, **whose, addresses=addresses, ports=ports)


def _put_tap(state: dict[Key, Resource], new: Tap) -> None:
    live: Any = state.get(new.key)
    whose = owner(alias(new.scope, new.adopted, new.label))._asdict()
    bridge: Any = state.get(Key(Bridge.kind, new.bridge or ""))
    filters = bool(bridge and bridge.vlan_filtering)
    usual = Vlan(bridge.vlan_default_pvid, usual=True) if filters else None
    vlan = (new.vlan or usual) if filters else None
    if vlan and usual and vlan == usual:
        vlan = usual
    header = bool(new.vnet_hdr if new.vnet_hdr is not None else live and live.vnet_hdr)
    tap = replace(new, **whose, vlan=vlan, vnet_hdr=header, in_use=live.in_use if live else False)
    if not tap.bridge:  # flags belong to a port of a bridge
        tap = replace(tap, isolated=False, learning=True, unicast_flood=True, hairpin=False)
    state[new.key] = tap
    for other in list(state.values()):
        if isinstance(other, Bridge):
            ports = [p for p in other.ports or () if p != new.name] + ([new.name] if other.name == tap.bridge else [])
            state[other.key] = replace(other, ports=tuple(ports))


def _master(link: Tap | OtherLink) -> str | None:
    return link.bridge if isinstance(link, Tap) else link.master


def _enslave(state: dict[Key, Resource], name: str, master: str | None) -> None:
    for kind in (Tap, OtherLink):
        link: Any = state.get(Key(kind.kind, name))
        if isinstance(link, OtherLink):
            state[link.key] = replace(link, master=master)
        elif isinstance(link, Tap) and link.bridge != master:
            free: Any = {"isolated": False, "learning": True, "unicast_flood": True, "hairpin": False}
            state[link.key] = replace(link, bridge=master, **free)


def planned(plan: Planner, request: Request, state: State) -> Plan:
    """The plan, having seen that planning left the host's state as it was."""
    before: Mapping[Key, Resource] = dict(state)
    result = plan(request, state)
    assert state == before
    return result
