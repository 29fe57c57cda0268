# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which dnsmasq keeps the leases of a network, as data."""

from __future__ import annotations

import re
from typing import Optional

from .._model import net
from .._model.lease import Lease

_UNKNOWN = "*"
_OF_DUID = "duid"  # the server's own, on a line before the leases of DHCPv6
_MAC = re.compile(r"(?:[0-9a-f]{2}-)?((?:[0-9a-f]{2}:){5}[0-9a-f]{2})")  # hardware type first where it is not Ethernet


def parse(text: str) -> list[Lease]:
    """The leases in the order of the file. Lines that are no leases, or were cut off while being written, are left out."""
    return [lease for line in text.splitlines() for lease in [_parse(line.split())] if lease]


def server_duid(text: str) -> Optional[str]:
    """By what the server is known to DHCPv6, None before it has served anyone."""
    found = [line.split() for line in text.splitlines() if line.startswith(f"{_OF_DUID} ")]
    return found[0][1] if found and len(found[0]) == 2 else None


def _parse(words: list[str]) -> Optional[Lease]:
    if len(words) < 5 or words[0] == _OF_DUID or not words[0].isdigit():
        return None
    try:
        address = net.address(words[2])
    except ValueError:
        return None
    expires = int(words[0]) or None
    name, identifier = (None if word == _UNKNOWN else word for word in words[3:5])
    if address.version == 6:
        iaid = words[1].lstrip("T")  # T marks a temporary address (RFC 8415 section 21.5)
        return Lease(address, name, expires=expires, duid=identifier, iaid=int(iaid) if iaid.isdigit() else None)
    mac = _MAC.fullmatch(words[1].lower())
    return Lease(address, name, mac.group(1) if mac else None, expires, client_id=identifier)
