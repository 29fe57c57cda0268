# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules have something on a host: with an empty list, the others have nothing to do there."""

from __future__ import annotations

from fnmatch import fnmatchcase

from .._model import layout
from .._model.resource import File, State

_MODULES = ("bridges", "nat", "policies", "port_forwards", "taps", "uplinks")
_MANAGERS = (layout.NETWORKD, layout.NETWORK_MANAGER)


def recorded(scope: str, host: State) -> set[str]:
    """Those of the modules that have recorded something in the scope. Their files are named for them."""
    names = [key.name for key in host if key.kind == File.kind]
    return {m for m in _MODULES if any(fnmatchcase(name, path) for path in _paths(scope, m) for name in names)}


def _paths(scope: str, module: str) -> list[str]:
    records = [f"{root}/{scope}/{module}.*" for root in layout.ROOTS]
    return [*records, *(layout.unmanaged(manager, scope, module) for manager in _MANAGERS)]
