# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at and never managed: who is where, what goes which way, and which flows are translated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional


class End(NamedTuple):
    """One end of a flow. ``port`` is None for protocols that have none."""

    address: str
    port: Optional[int]


@dataclass(frozen=True)
class Flow:
    """A flow as conntrack knows it: sent from ``source`` to ``destination``, answered from ``replier`` to ``receiver``."""

    protocol: str
    source: End
    destination: End
    replier: End
    receiver: End

    @property
    def is_translated(self) -> bool:
        return (self.source, self.destination) != (self.receiver, self.replier)


@dataclass(frozen=True)
class Station:
    """An entry of a bridge's forwarding database: behind which port a MAC address is, and on which VLAN."""

    bridge: str
    port: str
    mac: str
    vlan: Optional[int]
    static: bool


@dataclass(frozen=True)
class Route:
    """A route through a bridge that neither the kernel nor we made. ``metric`` is None where it has none."""

    bridge: str
    destination: str
    via: Optional[str]
    table: int
    metric: Optional[int]
