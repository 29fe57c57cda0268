# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks on interfaces, by sysfs: for whoever needs nothing else of them."""

from __future__ import annotations

import glob

from .._model.mark import owner

_TAPS = "/sys/class/net/*/tun_flags"


def of_taps() -> set[str]:
    """The scopes that have marked a tap."""
    return {scope for scope in map(_scope, glob.glob(_TAPS)) if scope}


def _scope(tun_flags: str) -> str:
    try:
        with open(tun_flags.replace("tun_flags", "ifalias"), encoding="utf-8", errors="replace") as stream:
            return owner(stream.read().rstrip("\n")).scope or ""
    except OSError:
        return ""  # it has gone in the meantime
