# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode said is what the run then did; and then there was nothing left to do."""

from __future__ import annotations

from typing import Any

import pytest

from lab import Host
from verify import Run, recorded


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Of molecule's steps check, converge, idempotence, check."""
    first = recorded()[:4]
    assert [run.check for run in first] == [True, False, False, True], "molecule ran other steps"
    return first


def said_once(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what an earlier task of the play has predicted already.

    Kernel parameters are the whole host's, and are set by the first task that needs them. Check mode of the next one, in
    another scope, cannot know what the first would have done, and says it again.
    """
    said: list[Any] = []
    result = []
    for change in changes:
        new = [part for part in change["diff"] if part["before_header"] != "sysctl" or part not in said]
        said += new
        result.append({**change, "diff": new})
    return result


def test_the_first_run_changed_what_check_mode_had_predicted(runs: list[Run], host: Host) -> None:
    predicted, done = (run.changes_on(host.name) for run in runs[:2])
    assert predicted, "nothing was predicted for a host without networks"
    assert done == said_once(predicted)


def test_every_change_is_in_the_diff_and_every_difference_is_a_change(runs: list[Run], host: Host) -> None:
    for change in runs[1].changes_on(host.name):
        assert change["changed"] and change["diff"], change


@pytest.mark.parametrize("again", [2, 3], ids=["second run", "check mode after it"])
def test_nothing_is_left_to_do(runs: list[Run], host: Host, again: int) -> None:
    assert runs[again].changes_on(host.name) == []
    assert runs[again].changed[host.name] == 0
