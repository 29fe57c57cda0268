# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld: zones and policies in files of their own, which it loads at boot and with every reload."""

from __future__ import annotations

import glob
import os
import re

from ..._model import layout
from ..._model.errors import HostError
from ..._model.mark import MARK
from ..._model.resource import File
from ..._plan.core import Plan
from ..._render import firewalld
from .. import files, systemd
from ..command import find, is_installed, run

_UNIT = "firewalld.service"


def is_in_use() -> bool:
    """Whether it runs, or will at boot."""
    if not is_installed("firewall-cmd"):
        return False
    return bool(systemd.read([_UNIT])) if systemd.is_running() else _is_running()


def read() -> tuple[list[File], list[tuple[str, str]]]:
    """(files that are ours, interfaces that others have bound, each with its zone)."""
    found = files.read(glob.glob(f"{layout.FIREWALLD}/zones/*.xml") + glob.glob(f"{layout.FIREWALLD}/policies/*.xml"))
    ours = [file for file in found if f"<short>{MARK}" in file.text]
    zones = [file for file in found if file not in ours and "/zones/" in file.name]
    names = [(os.path.basename(zone.name)[: -len(".xml")], zone.text) for zone in zones]
    return ours, [(interface, name) for name, text in names for interface in firewalld.interfaces(text)]


def require(plan: Plan) -> None:
    """A reload forgets what was changed at runtime only. Raises HostError where there is something to forget."""
    if _is_about_us(plan) and _is_running() and _zones() != _zones("--permanent"):
        raise HostError(
            "firewalld runs with changes that are not permanent and that a reload, which our zone needs, would undo;"
            " make them permanent with firewall-cmd --runtime-to-permanent, or reload it first"
        )


def apply(plan: Plan) -> None:
    """Reload it; what was bound to a zone at runtime, and by nobody since, is bound again."""
    if not _is_about_us(plan) or not _is_running():
        return
    before = _bound()
    _firewall_cmd("--check-config")
    _firewall_cmd("--reload")
    after = _bound()
    ours = [os.path.basename(path)[: -len(".xml")] for path in _paths(plan)]  # bound by their files only
    for interface, zone in before.items():
        if interface not in after and zone not in ours and os.path.exists(f"/sys/class/net/{interface}"):
            _firewall_cmd(f"--zone={zone}", f"--change-interface={interface}")


def _is_about_us(plan: Plan) -> bool:
    return bool(_paths(plan))


def _paths(plan: Plan) -> list[str]:
    """Of the files of firewalld that come, change or go."""
    names = [r.name for pair in plan.only(File.kind).pairs() for r in pair if isinstance(r, File)]
    return [name for name in names if name.startswith(f"{layout.FIREWALLD}/")]


def _is_running() -> bool:
    return run([find("firewall-cmd", "firewalld"), "--state"], check=False).returncode == 0


def _zones(*which: str) -> list[str]:
    """All zones and policies as it lists them, without the interfaces, which others bind as they come and go."""
    lines = [
        line
        for what in ("--list-all-zones", "--list-all-policies")
        for line in _firewall_cmd(*which, what).splitlines()
        if not re.match(r"\s+(interfaces|ingress-zones|egress-zones):", line)
    ]
    return [re.sub(r" \((active|default|, )+\)$", "", line) for line in lines]


def _bound() -> dict[str, str]:
    """interface -> zone, at present."""
    found, zone = {}, ""
    for line in _firewall_cmd("--get-active-zones").splitlines():
        if not line.startswith(" "):
            zone = line.split()[0] if line.split() else ""
        elif line.strip().startswith("interfaces:"):
            found.update(dict.fromkeys(line.split()[1:], zone))
    return found


def _firewall_cmd(*arguments: str) -> str:
    return run([find("firewall-cmd", "firewalld"), *arguments]).stdout
