# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's output as one JSON object per line, for demo.playbook: what each task did on each host, and how long it took."""

from __future__ import annotations

import json
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: task_events
type: stdout
short_description: One JSON object per task and host
description: For a program that shows the tasks as they are done.
"""

# These act on the controller only.
_CONTROLLER = ("assert", "debug", "fail", "include_role", "include_tasks", "meta", "set_fact", "validate_argument_spec")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "task_events"

    def __init__(self) -> None:
        super().__init__()
        self._started = 0.0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002
        self._started = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._tell(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._tell(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._tell(result, "ok" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._tell(result, "failed")

    def _tell(self, result: Any, status: str) -> None:
        task = result.task
        event = {
            "host": result.host.get_name(),
            "role": task._role.get_name().rpartition(".")[2] if task._role else "",
            "name": task.name or task.action,
            "status": status,
            "on_host": task.action.rpartition(".")[2] not in _CONTROLLER,
            "seconds": round(time.monotonic() - self._started, 2),
            "message": str(result.result.get("msg", "")) if status == "failed" else "",
        }
        self._display.display(json.dumps(event), screen_only=True)
