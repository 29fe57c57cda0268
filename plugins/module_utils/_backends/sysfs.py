# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sysfs tells of interfaces, for whoever wants to know nothing else of them (sysfs-class-net)."""

from __future__ import annotations

import glob
import os

from .._model.mark import owner

_INTERFACES = "/sys/class/net"


def scopes_of_taps() -> set[str]:
    """The scopes whose mark is on a tap."""
    taps = map(os.path.dirname, glob.glob(f"{_INTERFACES}/*/tun_flags"))
    return {scope for scope in map(_scope, taps) if scope}


def _scope(interface: str) -> str:
    try:
        with open(f"{interface}/ifalias", encoding="utf-8", errors="replace") as stream:
            return owner(stream.read().rstrip("\n")).scope or ""
    except OSError:
        return ""  # it has gone in the meantime
