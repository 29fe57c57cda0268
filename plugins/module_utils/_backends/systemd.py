# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: one ``systemctl`` call for each kind of action; very many are started by some calls after each other."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, Unit
from .._plan.core import Plan
from .command import find, run

# Services to start by one call. With five hundred of ours, systemd takes a fifth longer for each than with one hundred.
_AT_ONCE = 100


def is_running() -> bool:
    """Whether systemd is this host's service manager (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


def read(names: Iterable[str]) -> list[Unit]:
    """Those of the units that are enabled or active. A name may be a pattern for units that run."""
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
    """After the files are in place. What changed on disk is loaded, enabled, and started, restarted or reloaded."""
    wanted = [(old, new) for old, new in plan.only(Unit.kind).pairs() if isinstance(new, Unit)]
    enable = [(old, new) for old, new in wanted if new.enabled and not getattr(old, "enabled", False)]
    _systemctl_all("enable", [new for _old, new in enable])  # this loads the unit files, too
    stale = any(isinstance(old, Unit) and not old.current for old, _new in wanted)
    if not enable and (stale or any(_is_unit_file(old or new) for old, new in plan.only(File.kind).pairs())):
        run([_systemctl(), "daemon-reload"])
    _systemctl_all("disable", [new for old, new in wanted if not new.enabled and getattr(old, "enabled", False)])
    due = [(old, new) for old, new in wanted if new.active and not _runs_so(old, new)]
    reload = [new for old, new in due if isinstance(old, Unit) and _takes_reload(old, new)]
    _systemctl_all("restart", [new for _old, new in due if new not in reload], at_once=_AT_ONCE)
    _systemctl_all("reload", reload)


def _runs_so(old: object, new: Unit) -> bool:
    """Whether all that changes is what happens at boot, or what systemd has loaded.

    What a DHCP server runs with it has noted itself. A socket takes no reload, and nobody likes a restart for nothing.
    """
    return isinstance(old, Unit) and replace(old, enabled=new.enabled, current=new.current) == new


def _takes_reload(old: Unit, new: Unit) -> bool:
    """Whether the process can stay: it runs, and only what it reads again has changed."""
    return replace(old, enabled=new.enabled, current=new.current, reloaded_with=new.reloaded_with) == new


def _systemctl_all(verb: str, units: list[Unit], at_once: int = 0) -> None:
    """By calls with so many units each, or by one. Raises HostError with the last words of the units that failed, after all calls."""
    names = [unit.name for unit in units]
    size = at_once or max(len(names), 1)
    said = []
    for first in range(0, len(names), size):
        result = run([_systemctl(), verb, "--", *names[first : first + size]], check=False)
        if result.returncode != 0:
            said.append(result.stderr.strip())
    if said:
        raise HostError("\n".join([*said, _why(names)]))


def _why(names: list[str]) -> str:
    """The last words of the units that failed, of their processes too, which ``systemctl status`` leaves out."""
    failed = [unit for unit in names if run([_systemctl(), "is-active", "--quiet", unit], check=False).returncode != 0]
    journal = find("journalctl", "systemd")
    run([journal, "--sync"], check=False)  # what was said last may still be on its way
    units = [f"--unit={unit}" for unit in failed[:3]]
    shown = run([journal, "--no-pager", "--output=cat", "--lines=12", *units], check=False) if units else None
    return shown.stdout.strip() if shown else ""


def _is_unit_file(resource: object) -> bool:
    return isinstance(resource, File) and resource.name.startswith(f"{layout.UNITS}/")


def _systemctl() -> str:
    return find("systemctl", "systemd")
