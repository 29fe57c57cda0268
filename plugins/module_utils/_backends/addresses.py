# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the host has, on whatever interface."""

from __future__ import annotations

import json

from .._model.resource import Address
from .command import find, run


def read() -> list[Address]:
    links = json.loads(run([find("ip", "iproute2"), "-json", "address"]).stdout or "[]")
    return [
        Address(f"{link['ifname']} {entry['local']}")
        for link in links
        for entry in link.get("addr_info", ())
        if "local" in entry
    ]
