# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules run on a host without Ansible around them, so that one can be killed at a chosen moment."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

from lab import Host

_ROOT = Path(__file__).resolve().parent.parent.parent
_PLACE = "var/tmp/vmnet-staged"  # where no snapshot looks
_PLUGINS = "ansible_collections/tapestry/vmnet/plugins"


class KilledError(Exception):
    """The run ended where it was to end."""


class Staged:
    """The modules, and what of Ansible they import, on the disk of a host: in ``place``, as the host sees it."""

    place = f"/{_PLACE}"

    def __init__(self, host: Host) -> None:
        self._host = host
        place = host.disk / _PLACE
        shutil.rmtree(place, ignore_errors=True)
        spec = importlib.util.find_spec("ansible")
        assert spec and spec.origin
        ansible = Path(spec.origin).parent
        for source, target in (
            (ansible / "module_utils", "ansible/module_utils"),
            (ansible / "release.py", "ansible/release.py"),
            (_ROOT / "plugins/module_utils", f"{_PLUGINS}/module_utils"),
            (_ROOT / "plugins/modules", f"{_PLUGINS}/modules"),
            (Path(__file__).parent / "killed_program.py", "run.py"),
        ):
            (place / target).parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place / target)
        (place / "ansible/__init__.py").write_text("")
        # Once, and not in each of the hundreds of runs to come.
        host.run(["python3", "-m", "compileall", "-q", self.place], timeout=300)

    def run(self, module: str, *, kill_at: int = 0, check: bool = False, **arguments: Any) -> dict[str, Any]:
        """What the module returns; with ``changes``, how many times it was about to change the host.

        Raises KilledError when it was killed just before change number ``kill_at``, and AssertionError when it failed.
        """
        given = json.dumps({**arguments, "_ansible_check_mode": check})
        command = ["python3", f"{self.place}/run.py", module, str(kill_at)]
        done = self._host.run(command, input=given, check=False, timeout=120)
        if kill_at and not done.stdout:
            raise KilledError(done.stderr)
        result = dict(json.loads(done.stdout))
        assert not result.get("failed"), f"{module}: {result.get('msg')}"
        return result
