# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: one ``systemctl`` call for each kind of action, however many units there are."""

from __future__ import annotations

import os
from collections.abc import Iterable

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, Unit
from .._plan.core import Plan
from .command import find, run


def is_running() -> bool:
    """Whether systemd is this host's service manager (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def read(names: Iterable[str]) -> list[Unit]:
    """Those of the units that are enabled or active."""
    names = list(names)
    if not names:
        return []
    properties = "Id,ActiveState,UnitFileState,NeedDaemonReload"
    shown = run([_systemctl(), "show", f"--property={properties}", "--", *names]).stdout
    result = []
    for block in shown.strip().split("\n\n"):
        of = dict(line.partition("=")[::2] for line in block.splitlines())
        enabled = of.get("UnitFileState") in ("enabled", "enabled-runtime")
        active = of.get("ActiveState") in ("active", "reloading", "activating")
        if enabled or active:
            result.append(Unit(of["Id"], enabled, active, of.get("NeedDaemonReload") != "yes"))
    return result


def stop(plan: Plan) -> None:
    """Before anything else changes: what is to be gone is stopped while its files are still there."""
    gone = [unit.name for unit in plan.only(Unit.kind).removed]
    if gone:
        run([_systemctl(), "disable", "--now", "--quiet", "--", *gone])
        run([_systemctl(), "reset-failed", "--", *gone], check=False)  # fails for those that had not failed


def start(plan: Plan) -> None:
    """After the files are in place. What changed on disk is loaded, enabled, and started or restarted."""
    if any(_is_unit_file(old or new) for old, new in plan.only(File.kind).pairs()):
        run([_systemctl(), "daemon-reload"])
    units = plan.only(Unit.kind)
    wanted = [new for _old, new in units.pairs() if isinstance(new, Unit)]
    enable = [unit.name for unit in wanted if unit.enabled]
    disable = [unit.name for unit in wanted if not unit.enabled]
    if enable:
        run([_systemctl(), "enable", "--quiet", "--", *enable])
    if disable:
        run([_systemctl(), "disable", "--quiet", "--", *disable])
    restart = [unit.name for unit in wanted if unit.active]
    if restart:
        result = run([_systemctl(), "restart", "--", *restart], check=False)
        if result.returncode != 0:
            raise HostError(f"{result.stderr.strip()}\n{_why(restart)}")


def _why(names: list[str]) -> str:
    """The last words of the units that failed."""
    failed = [unit for unit in names if run([_systemctl(), "is-active", "--quiet", unit], check=False).returncode != 0]
    return "\n".join(
        run([_systemctl(), "status", "--no-pager", "--lines=5", "--", *failed[:3]], check=False).stdout.splitlines()
    )


def _is_unit_file(resource: object) -> bool:
    return isinstance(resource, File) and resource.name.startswith(f"{layout.UNITS}/")


def _systemctl() -> str:
    return find("systemctl", "systemd")
