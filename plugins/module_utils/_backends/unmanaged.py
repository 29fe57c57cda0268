# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network managers that run on the host, to be told of interfaces that are not theirs."""

from __future__ import annotations

import os
from fnmatch import fnmatch

from .._model import layout
from .._model.links import Bridge, Manager, Tap
from .._model.resource import File
from .._plan.core import Plan
from .command import is_installed, run

_RUNS = {layout.NETWORKD: "/run/systemd/netif", layout.NETWORK_MANAGER: "/run/NetworkManager"}
_RELOAD = {
    layout.NETWORKD: ["networkctl", "reload"],
    layout.NETWORK_MANAGER: ["nmcli", "general", "reload", "conf"],
}


def read() -> list[Manager]:
    return [Manager(name) for name, directory in _RUNS.items() if os.path.isdir(directory)]


def tell(plan: Plan) -> None:
    """Have them read what is in their files, before links come that it is about: a run may have been killed before it told them."""
    comes = bool(plan.only(Bridge.kind, Tap.kind).created)
    for name, command in _RELOAD.items():
        pattern = layout.unmanaged(name, "*", "*")
        concerned = [r for r in plan.only(File.kind).after.values() if fnmatch(r.name, pattern)]
        changed = any(fnmatch((old or new).name, pattern) for old, new in plan.only(File.kind).pairs())  # type: ignore[union-attr]
        if (changed or (comes and concerned)) and is_installed(command[0]):
            run(command, check=False)  # one that does not run has nothing to be told
