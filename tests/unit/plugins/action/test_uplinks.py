# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's part of moving uplinks: over which connections it is tried, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.action import uplinks

ADDRESS = {"before_header": "station br0", "before": "", "after": "address 192.168.1.5/24\n"}
PORT = {"before_header": "station eth1", "before": "", "after": "port of br0\n"}
FILE = {"before_header": "file /etc/network/interfaces", "before": "", "after": "address 192.168.1.5/24\n"}


class Action(uplinks.ActionModule):
    """Against a host that is described instead of there."""

    def __init__(self, transport: str, *diff: dict[str, str], changed: bool = True, check: bool = False) -> None:
        self._connection: Any = SimpleNamespace(transport=transport, reset=lambda: None)
        self._task: Any = SimpleNamespace(check_mode=check, args={}, async_val=0)
        self._supports_check_mode = self._supports_async = True
        self.result = {"changed": changed, "diff": list(diff)}
        self.said: list[str] = []
        self.connection = 0
        self.answer = "confirmed"

    def _execute_module(self, **_options: Any) -> dict[str, Any]:
        self.said.append("predict" if self._task.check_mode else "change")
        confirm = {"confirm": {"token": "0123", "timeout": 5}}
        return {**self.result, **(confirm if self.result["changed"] and not self._task.check_mode else {})}

    def _low_level_execute_command(self, cmd: str, **_options: Any) -> dict[str, Any]:
        if "SSH_CONNECTION" in cmd:
            self.connection += 1
            return {"stdout": f"192.0.2.1 {self.connection}\n"}
        self.said.append(cmd.rpartition("/")[2])
        return {"stdout": f"{self.answer}\n"}


@pytest.fixture(autouse=True)
def _no_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplinks.ActionBase, "run", lambda self, tmp=None, task_vars=None: {})


@pytest.mark.parametrize("transport", ["ssh", "ansible.netcommon.libssh", "paramiko_ssh"])
def test_a_change_is_confirmed_over_a_new_connection(transport: str) -> None:
    action = Action(transport, ADDRESS)
    assert action.run() == {"changed": True, "diff": [ADDRESS]}
    assert action.said == ["change", "uplinks confirm 0123"]


@pytest.mark.parametrize("transport", ["local", "community.docker.docker", "community.general.chroot"])
def test_without_the_network_the_host_is_not_moved(transport: str) -> None:
    action = Action(transport, ADDRESS, FILE)
    result = action.run()
    assert result["failed"]
    assert "from another machine, over SSH" in result["msg"]
    assert action.said == ["predict"]


def test_without_the_network_a_host_that_is_as_it_should_be_is_fine() -> None:
    action = Action("local", changed=False)
    assert action.run() == {"changed": False, "diff": []}
    assert action.said == ["predict"]


def test_without_the_network_an_interface_without_addresses_becomes_a_port() -> None:
    action = Action("local", PORT, FILE)
    assert not action.run().get("failed")
    assert action.said == ["predict", "change", "uplinks confirm 0123"]


def test_without_the_network_check_mode_says_what_would_change() -> None:
    action = Action("local", ADDRESS, check=True)
    assert action.run()["changed"]
    assert action.said == ["predict"]


def test_the_time_to_confirm_starts_when_the_module_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(uplinks, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: None))
    deadlines = []
    action = Action("ssh", ADDRESS)
    execute = action._execute_module
    monkeypatch.setattr(action, "_execute_module", lambda **options: (now.__setitem__(0, 100.0), execute(**options))[1])
    monkeypatch.setattr(
        action, "_confirmed", lambda token, began_on, deadline: deadlines.append(deadline) or "confirmed"
    )
    action.run()
    assert deadlines == [105.0]


@pytest.mark.parametrize(
    ("answer", "expected"), [("undone", "it has put everything back"), ("undoing", "it is putting everything back")]
)
def test_a_host_that_is_still_putting_everything_back_is_not_said_to_have(
    monkeypatch: pytest.MonkeyPatch, answer: str, expected: str
) -> None:
    clock = iter(range(0, 10000, 50))
    monkeypatch.setattr(uplinks.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(uplinks.time, "sleep", lambda _seconds: None)
    action = Action("ansible.builtin.ssh", ADDRESS)
    action.answer = answer
    assert expected in action.run()["msg"]
