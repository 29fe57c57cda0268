# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order the packet filter and the kernel parameters change that it comes with."""

from __future__ import annotations

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import packet_filter
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Sysctl
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan
from ansible_collections.tapestry.vmnet.tests.unit.support import host

FILTER = packet_filter.PACKET_FILTER
OFF, ON = Sysctl("net/a", "0"), Sysctl("net/a", "1")
RECORD = File(layout.SYSCTLS[layout.PERSISTENT], "# was 0\nnet/a = 1\n")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done, one after the other."""
    steps: list[str] = []
    monkeypatch.setattr(packet_filter.nft, "apply", lambda _plan: steps.append("nft"))
    monkeypatch.setattr(packet_filter.sysctl, "write", lambda name, value: steps.append(f"{name} = {value}"))
    return steps


def test_the_filter_and_its_files_stand_before_anything_is_forwarded(done: list[str]) -> None:
    plan = Plan(host(OFF), host(ON, RECORD))
    FILTER.apply(plan)
    assert done == ["nft"]
    FILTER.settle(plan)
    assert done == ["nft", "net/a = 1"]


def test_the_filter_stands_until_nothing_is_forwarded_any_more(done: list[str]) -> None:
    plan = Plan(host(ON, RECORD), host(OFF))
    FILTER.apply(plan)
    FILTER.settle(plan)
    assert done == ["net/a = 0", "nft"]


def test_what_nft_refuses_to_give_up_is_forwarded_as_before(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_plan: Plan) -> None:
        raise HostError("no")

    monkeypatch.setattr(packet_filter.nft, "apply", refuse)
    with pytest.raises(HostError):
        FILTER.apply(Plan(host(ON, RECORD), host(OFF)))
    assert done == ["net/a = 0", "net/a = 1"]


def test_what_cannot_be_given_up_is_forwarded_as_before(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def write(name: str, value: str) -> None:
        done.append(f"{name} = {value}")
        if value == "0":
            raise HostError("no")

    monkeypatch.setattr(packet_filter.sysctl, "write", write)
    with pytest.raises(HostError):
        FILTER.apply(Plan(host(ON, RECORD), host(OFF)))
    assert done == ["net/a = 0", "net/a = 1"]
