# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""dnsmasq: whether it is there and takes a configuration, what its instances have read, and the leases that they left."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import replace

from .._model import layout
from .._model.dhcp import Leases, fingerprint
from .._model.errors import HostError
from .._model.resource import File, State, Unit
from .._plan.core import Plan, Request
from .._render import leases
from .._render.dnsmasq import NAMES
from .._render.leases import Lease
from .command import find, run

_PRIVATE = layout.DHCP_STATE.replace("/var/lib/", "/var/lib/private/")  # where DynamicUser= puts it, and links it from
_MAX_SIZE = 64 * 1024 * 1024  # bytes


def require(request: Request, plan: Plan, _state: State) -> None:
    """Raises HostError if dnsmasq is missing, or would not start with a configuration of the plan."""
    changed = [
        new for _old, new in plan.only(File.kind).pairs() if isinstance(new, File) and new.name.endswith(NAMES.conf)
    ]
    if not request.present and not changed:
        return
    program = find("dnsmasq", "dnsmasq-base")
    for file in changed:
        result = run([program, "--test", "--conf-file=-"], stdin=file.text, check=False)
        if result.returncode != 0:
            raise HostError(f"{file.name}: {result.stderr.strip()}")


def read_leases() -> list[Leases]:
    """The directories of all networks that ever ran and were not removed."""
    found = {name for root in (layout.DHCP_STATE, _PRIVATE) if os.path.isdir(root) for name in os.listdir(root)}
    return [Leases(f"{layout.DHCP_STATE}/{name}") for name in sorted(found)]


def leases_of(networks: Iterable[str]) -> dict[str, list[Lease]]:
    """What the service of each network has handed out; nothing for a network without one."""
    return {name: leases.parse(_copy(f"{layout.DHCP_STATE}/{name}/leases")) for name in networks}


def remove_leases(plan: Plan) -> None:
    for gone in plan.removed:
        name = os.path.basename(gone.name)
        if os.path.islink(gone.name):
            os.unlink(gone.name)
        for root in (layout.DHCP_STATE, _PRIVATE):
            shutil.rmtree(f"{root}/{name}", ignore_errors=True)
    for root in (layout.DHCP_STATE, _PRIVATE, layout.DHCP_LOADED) if plan.removed else ():
        try:
            os.rmdir(root)
        except OSError:
            pass  # not empty, or not there


def with_loaded(unit: Unit) -> Unit:
    """The unit with what its process has read: the copies that it made of its files when it started or reloaded."""
    bridge = layout.dhcp_network(unit.name)
    if not unit.active or not bridge:
        return unit
    started_with, reloaded_with = (
        fingerprint(*(_copy(f"{layout.DHCP_LOADED}/{bridge}/{name}") for name in names))
        for names in ((layout.DHCP_SERVICE, NAMES.conf), NAMES.live)
    )
    return replace(unit, started_with=started_with, reloaded_with=reloaded_with)


def _copy(path: str) -> str:
    """A file of the unprivileged process, which need not be what it should: no link is followed and no pipe waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return stream.read(_MAX_SIZE).decode(errors="replace")
