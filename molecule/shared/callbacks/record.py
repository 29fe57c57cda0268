# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback plugin: what each run of ansible-playbook changed or would change, one line of JSON for each run."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: record
    type: notification
    short_description: Record changes, differences and failures of a run
    description: Appends one line of JSON for each run to the file that VMNET_RECORD names.
"""


class CallbackModule(CallbackBase):
    """The names of the methods are Ansible's."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._playbook = ""
        self._changes: dict[str, list[Any]] = defaultdict(list)
        self._failures: dict[str, str] = {}

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._playbook = Path(playbook._file_name).stem

    def v2_runner_on_ok(self, result: Any) -> None:
        told = result._result
        # A task that differs without a change, or changes without a difference, is wrong; both are recorded.
        if told.get("changed") or told.get("diff"):
            change = {"task": result._task.get_name(), "changed": told.get("changed"), "diff": told.get("diff")}
            self._changes[result._host.get_name()].append(change)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            self._failures[result._host.get_name()] = f"{result._task.get_name()}: {result._result.get('msg')}"

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._failures[result._host.get_name()] = f"unreachable: {result._result.get('msg')}"

    def v2_playbook_on_stats(self, stats: Any) -> None:
        hosts = {host: stats.summarize(host) for host in stats.processed}
        run = {
            "playbook": self._playbook,
            "check": bool(context.CLIARGS.get("check")),
            "changed": {host: told["changed"] for host, told in hosts.items()},
            "changes": self._changes,
            "failures": self._failures,
        }
        with open(os.environ["VMNET_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
