# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DHCP servers of all networks, with or without a service manager, and what they have handed out."""

from __future__ import annotations

import os
from collections.abc import Iterator

from .._model import layout
from .._model.dhcp import Daemon, HeldLease, Leases
from .._model.links import ChecksumFix
from .._model.resource import File, Resource, State, Unit
from .._plan.core import Plan
from .._render.dnsmasq import NAMES
from . import daemons, dnsmasq, leases, tc
from .backend import Backend

# Of whatever network: its files may be gone.
_UNITS = (layout.dhcp_unit("?*"),)


def _loaded(found: State) -> Iterator[Unit]:
    return (dnsmasq.with_loaded(unit) for unit in found.values() if isinstance(unit, Unit))


def _read(found: State) -> Iterator[Resource]:
    yield from _loaded(found)
    yield from leases.read()
    yield from daemons.read()
    files = [file.name for file in found.values() if isinstance(file, File)]
    fixed = [name for name in files if os.path.basename(name) == NAMES.checksum]
    yield from tc.read(os.path.basename(os.path.dirname(name)) for name in fixed)


def _stop(plan: Plan) -> None:
    daemons.stop(plan.only(Daemon.kind))
    leases.release(plan.only(HeldLease.kind))
    leases.remove(plan.only(Leases.kind))
    tc.remove(plan.only(ChecksumFix.kind))


# Whether they run, and with what: for whoever only looks.
DHCP_UNITS = Backend(units=_UNITS, read=_loaded)
DHCP_SERVERS = Backend(
    units=_UNITS,
    read=_read,
    stop=_stop,
    apply=lambda plan: tc.add(plan.only(ChecksumFix.kind)),
    start=lambda plan: daemons.start(plan.only(Daemon.kind)),
    sweep=leases.sweep,
)
