# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a change is made, so that a run that is killed has forgotten nothing."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import host
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.backend import Backend
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Resource, Unit, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan

PATH = layout.SYSCTLS[layout.PERSISTENT]
ONE, TWO = "# was 0\nnet/a = 1\n", "# was 7\nnet/b = 2\n"
# Remembered, and not to be set yet.
ONE_PENDING, TWO_PENDING = ONE.replace("net/a", "#net/a"), TWO.replace("net/b", "#net/b")

RECORD = "/etc/vmnet/nat/policies.nft"
SERVICE = Unit(layout.SERVICE, enabled=True, active=True)
NOTHING: list[Resource] = []
NO_NAT: list[Resource] = [File(RECORD, "less"), SERVICE]
ALL: list[Resource] = [File(RECORD, "all"), File(PATH, ONE), SERVICE]


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done, one after the other."""
    steps: list[str] = []
    monkeypatch.setattr(host.systemd, "is_running", lambda: True)
    monkeypatch.setattr(
        host.systemd, "stop", lambda plan: steps.append("stop") if plan.only(Unit.kind).removed else None
    )
    monkeypatch.setattr(host.systemd, "start", lambda _plan: None)
    monkeypatch.setattr(host.files, "write", lambda file: steps.append(file.text))
    monkeypatch.setattr(host.files, "remove", lambda file: steps.append(f"no {file.name}"))
    monkeypatch.setattr(host.files, "sweep", lambda _paths: None)
    return steps


def change(before: list[Any], after: list[Any], done: list[str], *, refused: bool = False) -> list[str]:
    def apply(_plan: Plan) -> None:
        done.append("change")
        if refused:
            raise HostError("no")

    done.clear()
    backend = Backend(apply=apply, settle=lambda _plan: done.append("settle"))
    with pytest.raises(HostError) if refused else nullcontext():
        host.apply(Plan(by_key(before), by_key(after)), (backend,))
    return done


def refuse(*_arguments: Any) -> None:
    raise HostError("no")


def sysctls(*texts: str) -> list[Any]:
    return [File(PATH, "".join(texts))] if texts else []


@pytest.mark.parametrize(
    ("before", "after", "meanwhile", "end"),
    [
        pytest.param(sysctls(), sysctls(ONE), ONE_PENDING, ONE, id="first"),
        pytest.param(sysctls(ONE), sysctls(ONE, TWO), ONE + TWO_PENDING, ONE + TWO, id="one more"),
        pytest.param(sysctls(ONE, TWO), sysctls(ONE), ONE + TWO_PENDING, ONE, id="one less"),
        pytest.param(sysctls(ONE), sysctls(TWO), ONE_PENDING + TWO_PENDING, TWO, id="another"),
        pytest.param(sysctls(ONE_PENDING), sysctls(ONE), ONE_PENDING, ONE, id="after a run that was killed"),
        pytest.param(sysctls(ONE), sysctls(), ONE_PENDING, f"no {PATH}", id="last"),
    ],
)
def test_what_a_parameter_was_is_on_disk_until_it_is_so_again(
    done: list[str], before: list[Resource], after: list[Resource], meanwhile: str, end: str
) -> None:
    assert change(before, after, done) == [meanwhile, "change", "settle", end]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(NOTHING, ALL, [ONE_PENDING, "change", "all", "settle", ONE], id="first"),
        pytest.param(ALL, NO_NAT, [ONE_PENDING, "change", "less", "settle", f"no {PATH}"], id="the last that forwards"),
        pytest.param(
            ALL,
            NOTHING,
            [ONE_PENDING, "stop", "change", f"no {RECORD}", "settle", f"no {PATH}"],
            id="the last, and what loads the filter at boot",
        ),
    ],
)
def test_at_no_point_would_a_boot_forward_without_the_filter(
    done: list[str], before: list[Resource], after: list[Resource], expected: list[str]
) -> None:
    assert change(before, after, done) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(sysctls(), sysctls(ONE), [ONE_PENDING, "change", f"no {PATH}"], id="first"),
        pytest.param(sysctls(ONE), sysctls(TWO), [ONE_PENDING + TWO_PENDING, "change", ONE], id="another"),
    ],
)
def test_what_nft_refuses_leaves_parameters_as_they_were(
    done: list[str], before: list[Resource], after: list[Resource], expected: list[str]
) -> None:
    assert change(before, after, done, refused=True) == expected


@pytest.mark.parametrize("what", ["systemd", "a part of the host"])
def test_what_does_not_stop_leaves_parameters_as_they_were(
    done: list[str], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    backend = Backend()
    if what == "systemd":
        monkeypatch.setattr(host.systemd, "stop", refuse)
    else:
        backend = Backend(stop=refuse)
    with pytest.raises(HostError):
        host.apply(Plan(by_key(sysctls(ONE)), {}), (backend,))
    assert done == [ONE_PENDING, ONE]


def test_links_are_recorded_before_they_are_made_and_the_filter_when_nft_has_taken_it(done: list[str]) -> None:
    put: list[Resource] = [File("/etc/vmnet/nat/taps.batch", "a batch"), File(layout.PROGRAM, "a program")]
    assert change([], put, done) == ["a batch", "change", "a program", "settle"]
    assert change(put, [], done) == ["change", "no /etc/vmnet/nat/taps.batch", f"no {layout.PROGRAM}", "settle"]
