# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Waiting for something to become true, never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .command import LabError, tail

T = TypeVar("T")


def wait_for(
    what: str,
    attempt: Callable[[], T | None],
    *,
    timeout: float,
    interval: float = 0.05,
    log: Path | None = None,
) -> T:
    """The first result of `attempt` that is true; raises LabError with the tail of `log` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = attempt()
        if found:
            return found
        if time.monotonic() >= deadline:
            raise LabError(f"{what}: not within {timeout:g} s{log_tail(log)}")
        time.sleep(interval)


def log_tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    return f"; the end of {log}:\n{tail(log.read_text(errors='replace'))}".rstrip()
