# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service that brings things back at boot did not go through what the first run has just made."""

from __future__ import annotations

from lab import Host


def test_the_service_started_before_anything_was_recorded(host: Host) -> None:
    show = "systemctl show --value --property=ExecMainExitTimestamp --timestamp=us vmnet.service"
    ended = float(host.run(f'date -d "$({show})" +%s.%6N').stdout)
    recorded = [float(line) for line in host.run(r"find /etc/vmnet -mindepth 2 -type f -printf '%T@\n'").lines]
    assert ended < min(recorded)
