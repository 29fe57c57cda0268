# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The test bed of tapestry.vmnet: hosts, a LAN, a router, an internet and guests. See README.md beside this file."""

from .bed import Bed, all_beds
from .capture import Capture, capture
from .command import CommandError, LabError, Result
from .guest import Guest, Nic
from .host import Host
from .node import Node
from .snapshot import Snapshot, difference

__all__ = [
    "Bed",
    "Capture",
    "CommandError",
    "Guest",
    "Host",
    "LabError",
    "Nic",
    "Node",
    "Result",
    "Snapshot",
    "all_beds",
    "capture",
    "difference",
]
