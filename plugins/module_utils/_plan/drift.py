# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift: where a host is no longer as its own records say. It is what the modules would mend if they were asked for nothing new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from .. import _diff
from .._model import layout
from .._model.errors import HostError
from .._model.links import Bridge, Tap
from .._model.resource import File, Key, Resource, State, Unit
from .._model.ruleset import Element
from .._render import batch
from . import boot
from .core import Plan, Request
from .dhcp import networks, plan_dhcp
from .filter import plan_filter, replaces_bridge
from .links import plan_bridges, plan_taps


class Drift(NamedTuple):
    """One difference, in words. ``network`` is the bridge that it is about, None for what all networks share."""

    network: Optional[str]
    text: str


def find(host: State, systemd: bool) -> list[Drift]:
    """All differences between what was recorded on the host and what is there, each once."""
    found = []
    for request, plan in _runs(host, systemd):
        try:
            pairs = list(plan(request, host).pairs())
        except HostError as error:
            found.append(Drift(None, str(error)))
        else:
            found += [Drift(_network(new or old), text) for old, new in pairs for text in _diff.difference(old, new)]
    return list(dict.fromkeys([*found, *_services_that_do_not_run(host, systemd)]))


def _runs(host: State, systemd: bool) -> Iterator[tuple[Request, Callable[[Request, State], Plan]]]:
    """What a module would do if it was asked for what is on record already."""
    for scope, root in sorted((scope, top) for top in layout.ROOTS for scope in _scopes(host, top)):
        for option, parse, plan in (
            ("bridges", batch.parse_bridges, plan_bridges),
            ("taps", batch.parse_taps, plan_taps),
        ):
            links = parse(boot.text_of(host, f"{root}/{scope}/{option}.batch"))
            persistent = root == layout.PERSISTENT
            yield Request(tuple(links.values()), scope, persistent=persistent, systemd=systemd, option=option), plan
    yield Request((), systemd=systemd, option="policies"), plan_filter("policies", replaces_bridge)
    if systemd:
        yield Request((), option="dhcp"), plan_dhcp


def _scopes(host: State, root: str) -> set[str]:
    """The scopes that have a record of links below one of the roots."""
    found = (os.path.split(key.name)[0] for key in host if key.kind == File.kind and key.name.endswith(".batch"))
    return {os.path.basename(directory) for directory in found if os.path.dirname(directory) == root}


def _services_that_do_not_run(host: State, systemd: bool) -> Iterator[Drift]:
    """The module starts those that it is asked for; of the others it leaves alone what somebody has stopped."""
    for bridge in networks(host) if systemd else ():
        name = layout.dhcp_unit(bridge)
        unit = host.get(Key(Unit.kind, name))
        if not isinstance(unit, Unit):
            yield Drift(bridge, f"unit {name} is neither enabled nor active")
        elif not unit.active:
            yield Drift(bridge, f"unit {name}: active is False, should be True")


def _network(resource: Optional[Resource]) -> Optional[str]:
    if isinstance(resource, Bridge):
        return resource.name
    if isinstance(resource, (Tap, Element)):
        return resource.bridge or None
    if isinstance(resource, Unit):
        return layout.dhcp_network(resource.name) or None
    if isinstance(resource, File) and resource.name.startswith(f"{layout.DHCP}/"):
        return os.path.basename(os.path.dirname(resource.name))
    return None
