# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that has rebooted is as it was, without any help."""

from __future__ import annotations

from lab import Host
from verify import Scenario, left, without_guests


def test_everything_is_back_without_ansible(scenario: Scenario, host: Host) -> None:
    before, after = (without_guests(scenario.snapshot(moment, host)) for moment in ("running", "rebooted"))
    assert left(before, after) == []
