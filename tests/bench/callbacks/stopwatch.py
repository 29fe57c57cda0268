# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes how long every task took, and at the end how much memory it took, as JSON lines into the file that BENCH_STOPWATCH names."""

from __future__ import annotations

import json
import os
import resource
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "name: stopwatch\ntype: aggregate\nshort_description: How long every task took\n"


class CallbackModule(CallbackBase):
    """From the start of a task to its result on a host: with one host, what it costs between its neighbours."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stopwatch"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:  # noqa: ARG002  Ansible's signature
        self._started = time.perf_counter()

    def v2_runner_on_ok(self, result: Any) -> None:
        took = time.perf_counter() - self._started
        task = getattr(result, "task", None) or result._task
        self._write([task.get_name(), took, task.action])

    def v2_playbook_on_stats(self, stats: Any) -> None:  # noqa: ARG002
        self._write(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    def _write(self, what: Any) -> None:
        with open(os.environ["BENCH_STOPWATCH"], "a") as file:
            file.write(json.dumps(what) + "\n")
