# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a change is made, so that a run that is killed has forgotten nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import host
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.backend import Backend
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Resource, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan

PATH = layout.SYSCTLS[layout.PERSISTENT]
ONE, TWO = "# was 0\nnet/a = 1\n", "# was 7\nnet/b = 2\n"
# Remembered, and not to be set yet.
ONE_PENDING, TWO_PENDING = ONE.replace("net/a", "#net/a"), TWO.replace("net/b", "#net/b")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done, one after the other."""
    steps: list[str] = []
    monkeypatch.setattr(host.systemd, "is_running", lambda: False)
    monkeypatch.setattr(host.files, "write", lambda file: steps.append(file.text))
    monkeypatch.setattr(host.files, "remove", lambda file: steps.append(f"no {file.name}"))
    monkeypatch.setattr(host.files, "sweep", lambda _paths: None)
    return steps


def change(before: list[Resource], after: list[Resource], done: list[str]) -> list[str]:
    backend = Backend(apply=lambda _plan: done.append("change"))
    host.apply(Plan(by_key(before), by_key(after)), (backend,))
    return done


def sysctls(*texts: str) -> list[Any]:
    return [File(PATH, "".join(texts))] if texts else []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(sysctls(), sysctls(ONE), [ONE_PENDING, "change", ONE], id="first"),
        pytest.param(sysctls(ONE), sysctls(ONE, TWO), [ONE + TWO_PENDING, "change", ONE + TWO], id="one more"),
        pytest.param(sysctls(ONE, TWO), sysctls(ONE), [ONE + TWO, "change", ONE], id="one less"),
        pytest.param(sysctls(ONE), sysctls(TWO), [ONE + TWO_PENDING, "change", TWO_PENDING, TWO], id="another"),
        pytest.param(
            sysctls(ONE_PENDING), sysctls(ONE), [ONE_PENDING, "change", ONE], id="after a run that was killed"
        ),
        pytest.param(sysctls(ONE), sysctls(), ["change", f"no {PATH}"], id="last"),
    ],
)
def test_what_a_parameter_was_is_on_disk_until_it_is_so_again(
    done: list[str], before: list[Resource], after: list[Resource], expected: list[str]
) -> None:
    assert change(before, after, done) == expected


def test_links_are_recorded_before_they_are_made_and_the_filter_when_nft_has_taken_it(done: list[str]) -> None:
    put: list[Resource] = [File("/etc/vmnet/nat/taps.batch", "a batch"), File(layout.PROGRAM, "a program")]
    assert change([], put, done) == ["a batch", "change", "a program"]
    done.clear()
    assert change(put, [], done) == ["change", "no /etc/vmnet/nat/taps.batch", f"no {layout.PROGRAM}"]


def test_at_no_point_would_a_boot_forward_without_the_filter(done: list[str]) -> None:
    path = "/etc/vmnet/nat/policies.nft"
    both: list[Resource] = [*sysctls(ONE), File(path, "all")]
    assert change([], both, done) == [ONE_PENDING, "change", "all", ONE]
    done.clear()
    assert change(both[::-1], [File(path, "less")], done) == ["change", f"no {PATH}", "less"]
    done.clear()
    less, more = [File(path, "less"), *sysctls(ONE)], [File(path, "more"), *sysctls(ONE, TWO)]
    assert change(more, less, done) == [ONE + TWO, "change", ONE, "less"]
    done.clear()
    assert change(both[::-1], [], done) == ["change", f"no {PATH}", f"no {path}"]


def test_what_nft_refuses_leaves_no_parameter_for_the_next_boot(done: list[str]) -> None:
    def refuse(_plan: Plan) -> None:
        raise HostError("no")

    with pytest.raises(HostError):
        host.apply(Plan({}, by_key(sysctls(ONE))), (Backend(apply=refuse),))
    assert done == [ONE_PENDING]
