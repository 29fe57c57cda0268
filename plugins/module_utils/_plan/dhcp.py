# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP and DNS services: from the entries to the files and units that a host will have."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Optional

from .._model import layout
from .._model.dhcp import Leases, fingerprint
from .._model.errors import HostError
from .._model.resource import File, Key, Resource, State, Unit
from .._render import dhcp_unit, dnsmasq
from .._render.dnsmasq import Files
from . import boot
from .core import Plan, Request

TEMPLATE = layout.unit_file(layout.DHCP_SERVICE)


def plan_dhcp(request: Request, host: State) -> Plan:
    """Raises HostError for a network that another scope has."""
    if not request.systemd:
        raise HostError(
            "the dhcp module needs systemd on the host, which runs one dnsmasq for each network; it is not running here"
        )
    before: dict[Key, Resource] = {key: r for key, r in host.items() if isinstance(r, (File, Unit, Leases))}
    after = dict(before)
    owners = networks(host)
    named = {entry.bridge: entry for entry in request.entries}
    for bridge in named:
        if owners.get(bridge) not in (None, request.scope):
            raise HostError(
                f"{request.at(bridge)}.bridge: {bridge} belongs to the scope {owners[bridge]}, this run is for {request.scope}"
            )

    for bridge, scope in owners.items():
        purged = request.purge or bridge in request.purge_bridges
        if purged and scope == request.scope and bridge not in named:
            _remove(after, bridge)
    for bridge, entry in named.items():
        if request.present:
            for path, text in zip(dnsmasq.paths(bridge), dnsmasq.render(entry, request.scope)):
                boot.put_file(after, path, text)
        else:
            _remove(after, bridge)

    for running in [r for r in after.values() if isinstance(r, Unit)]:
        bridge = layout.dhcp_network(running.name)
        # Somebody has taken the files from under it; nobody can tell any more whose it was.
        if bridge and bridge not in owners and bridge not in named and request.purge:
            _remove(after, bridge)

    left = networks(after)
    boot.put_file(after, TEMPLATE, dhcp_unit.UNIT if left else "")
    for bridge in left:
        unit = after.get(Key(Unit.kind, layout.dhcp_unit(bridge)))
        if bridge in named:
            unit = Unit(layout.dhcp_unit(bridge), enabled=request.persistent and named[bridge].autostart, active=True)
        # A unit that is not of this run is left as it is, but one that runs has to take what is on disk.
        if isinstance(unit, Unit):
            after[unit.key] = loaded(unit, after, bridge) if unit.active else unit
    return boot.complete(request, before, after)


def networks(state: Mapping[Key, Resource]) -> dict[str, Optional[str]]:
    """The networks that have files, and the scope of each. Any of its files says so."""
    found: dict[str, Optional[str]] = {}
    for key, r in state.items():
        directory = os.path.dirname(key.name)
        if isinstance(r, File) and os.path.dirname(directory) == layout.DHCP:
            bridge = os.path.basename(directory)
            found[bridge] = found.get(bridge) or dnsmasq.scope_of(r.text)
    return dict(sorted(found.items()))


def loaded(unit: Unit, state: Mapping[Key, Resource], bridge: str) -> Unit:
    """The unit as it is once it has read what ``state`` has on disk."""
    files = Files(*(boot.text_of(state, path) for path in dnsmasq.paths(bridge)))
    started_with = fingerprint(boot.text_of(state, TEMPLATE), files.conf)
    return replace(unit, current=True, started_with=started_with, reloaded_with=fingerprint(*files.live))


def show_dhcp(request: Request, after: State) -> list[dict[str, Any]]:
    """The networks of a scope as the module returns them."""
    result = []
    for bridge, scope in networks(after).items():
        files = Files(*(boot.text_of(after, path) for path in dnsmasq.paths(bridge)))
        if scope == request.scope and files.conf and all(files.live):
            result.append(dnsmasq.show(dnsmasq.parse(bridge, files)))
    return result


def _remove(after: dict[Key, Resource], bridge: str) -> None:
    for key in [
        key for key, r in after.items() if isinstance(r, File) and key.name.startswith(f"{layout.DHCP}/{bridge}/")
    ]:
        del after[key]
    after.pop(Key(Unit.kind, layout.dhcp_unit(bridge)), None)
    after.pop(Key(Leases.kind, f"{layout.DHCP_STATE}/{bridge}"), None)
