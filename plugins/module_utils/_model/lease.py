# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An address that a guest has for a time."""

from __future__ import annotations

from typing import NamedTuple, Optional

from . import net


class Lease(NamedTuple):
    """One address of one guest.

    ``expires`` in seconds since the epoch, None for never. ``mac`` and ``client_id`` are of DHCPv4; ``duid`` and ``iaid``
    of DHCPv6, where the file has no MAC address. Octets are in hexadecimal with colons. None for what the guest did not tell.
    """

    address: net.Address
    name: Optional[str] = None
    mac: Optional[str] = None
    expires: Optional[int] = None
    client_id: Optional[str] = None
    duid: Optional[str] = None
    iaid: Optional[int] = None
