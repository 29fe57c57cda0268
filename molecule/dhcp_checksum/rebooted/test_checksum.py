# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The checksum is right after a reboot, too."""

from __future__ import annotations

from lab import Host
from verify import offered


def test_the_answer_of_the_server_has_a_checksum_that_is_right(host: Host) -> None:
    assert "[udp sum ok]" in offered(host, "vmnet1")
