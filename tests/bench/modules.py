# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules on a host without Ansible around them, timed where they run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import Host
from verify.staged import Staged

from .profiles import Tasks

_PROGRAM = Path(__file__).with_name("in_process.py")


@dataclass(frozen=True)
class Ran:
    """One module or command: `memory` is the most that its process, or one that it started, had, in kB."""

    seconds: float
    memory: int
    changed: bool


class Modules:
    """The modules of this checkout on a host's disk."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._program = f"{Staged(host).place}/in_process.py"
        host.run(f"cat > {self._program}", input=_PROGRAM.read_text())

    def run(self, tasks: Tasks | Sequence[tuple[str]]) -> list[Ran]:
        """One after the other in one Python, start and imports left out. Raises CommandError with what failed."""
        said = self._host.run(["python3", self._program], input=json.dumps(tasks), timeout=900).stdout
        return [Ran(**each) for each in json.loads(said)]
