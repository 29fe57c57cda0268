# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot a guest is on the LAN again."""

from __future__ import annotations

from lab import Bed, Guest
from verify import ask, seen_address


def test_the_guest_has_its_lease_and_is_seen_with_its_own_address(
    bed: Bed, guests: dict[str, Guest], leases: dict[str, dict[str, str]]
) -> None:
    vm = guests["vm"]
    lease = leases["vm"]
    assert bed.router.leases()[vm.nics[0].mac] == lease["ip"]
    assert seen_address(ask(vm, "8.8.8.8", 7)) == lease["ip"]
