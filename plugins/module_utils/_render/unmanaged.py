# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells a network manager of the host to leave interfaces alone.

Without it, whatever a manager is told about "all interfaces" is about ours, too: systemd-networkd then takes the addresses off
a bridge, and the ports from it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._model import layout


def networkd(names: Iterable[str]) -> str:
    matches = " ".join(sorted(names))
    return f"# {layout.WRITTEN}\n[Match]\nName={matches}\n\n[Link]\nUnmanaged=yes\n" if matches else ""


def network_manager(names: Iterable[str]) -> str:
    matches = ";".join(f"interface-name:={name}" for name in sorted(names))
    return f"# {layout.WRITTEN}\n[keyfile]\nunmanaged-devices+={matches}\n" if matches else ""
