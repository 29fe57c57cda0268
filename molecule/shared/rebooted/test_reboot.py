# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that has rebooted is as it was, without any help."""

from __future__ import annotations

import pytest

from lab import Host
from verify import Run, Scenario, left, run_playbook, without_guests


def test_everything_is_back_without_ansible(scenario: Scenario, host: Host) -> None:
    before, after = (without_guests(scenario.snapshot(moment, host)) for moment in ("running", "rebooted"))
    assert left(before, after) == []


def test_no_unit_has_failed(host: Host) -> None:
    assert host.run("systemctl list-units --failed --no-legend --plain").stdout == ""


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[Run]:
    return [run_playbook(scenario.playbook, scenario.inventory, check=check).succeeded() for check in (True, False)]


@pytest.mark.parametrize("number", [0, 1], ids=["check mode", "another run"])
def test_nothing_is_left_to_do(runs: list[Run], host: Host, number: int) -> None:
    assert runs[number].changes_on(host.name) == []
    assert runs[number].changed[host.name] == 0
