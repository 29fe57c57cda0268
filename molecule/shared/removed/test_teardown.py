# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Teardown says what it will do, does it, and leaves the host as it was before the first run."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Host
from verify import Run, Scenario, left, run_playbook


@pytest.fixture(scope="module")
def runs(scenario: Scenario) -> list[Run]:
    """Check mode, the run, a second run."""
    return [
        run_playbook(scenario.teardown, scenario.inventory, check=check).succeeded() for check in (True, False, False)
    ]


def without_parameters(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**change, "diff": [part for part in change["diff"] if part["before_header"] != "sysctl"]} for change in changes
    ]


def test_teardown_removed_what_check_mode_had_predicted(scenario: Scenario, runs: list[Run], host: Host) -> None:
    predicted, done = (run.changes_on(host.name) for run in runs[:2])
    assert predicted, "nothing was predicted for a host with networks"
    if scenario.several_scopes:
        # Kernel parameters are the whole host's and go with the last scope. Check mode of that one sees the others still there.
        assert without_parameters(done) != done
        done = without_parameters(done)
    assert done == predicted


@pytest.mark.usefixtures("runs")
def test_the_host_is_as_before_the_first_run(scenario: Scenario, host: Host) -> None:
    assert left(scenario.snapshot("before", host), host.snapshot()) == []


def test_a_second_teardown_changes_nothing(runs: list[Run], host: Host) -> None:
    assert runs[2].changes_on(host.name) == []
