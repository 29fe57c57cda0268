# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interfaces that the host has, and the addresses on them."""

from __future__ import annotations

import json
import socket

from .._model.resource import Address, Interface
from .backend import Backend
from .command import find, is_installed, run


def read() -> list[Address]:
    if not is_installed("ip"):
        return []  # and no run that needs them goes on
    links = json.loads(run([find("ip", "iproute2"), "-json", "address"]).stdout or "[]")
    return [
        Address(f"{link['ifname']} {entry['local']}")
        for link in links
        for entry in link.get("addr_info", ())
        if "local" in entry
    ]


ADDRESSES = Backend(read=lambda _found: read(), require=lambda _plan: find("ip", "iproute2"))
INTERFACES = Backend(read=lambda _found: [Interface(name) for _index, name in socket.if_nameindex()])
