# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a scope has taps and port forwards on a host: the roles leave out their modules where it has none and none are listed."""

from __future__ import annotations

from .._model import layout
from .._model.resource import File, Key, State

_MANAGERS = (layout.NETWORKD, layout.NETWORK_MANAGER)


def recorded(scope: str, host: State) -> set[str]:
    """Those of the modules ``taps`` and ``port_forwards`` that have recorded something in the scope."""
    found = _records(scope).items()
    return {module for module, paths in found if any(Key(File.kind, path) in host for path in paths)}


def _records(scope: str) -> dict[str, list[str]]:
    told = [layout.unmanaged(manager, scope, "taps") for manager in _MANAGERS]
    return {
        "taps": [*(f"{root}/{scope}/taps.batch" for root in layout.ROOTS), *told],
        "port_forwards": [f"{root}/{scope}/port_forwards.nft" for root in layout.ROOTS],
    }
