# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters, through /proc/sys."""

from __future__ import annotations

from collections.abc import Iterable

from .._model.errors import HostError
from .._model.resource import Key, Sysctl
from .._plan.core import Plan

_ROOT = "/proc/sys"
_FOLLOWERS = {"net/ipv4/ip_forward": "net/ipv4/conf/all/accept_redirects"}  # inet_forward_change in net/ipv4/devinet.c
_RTF_LEARNED_DEFAULT = 0x00010000 | 0x00040000  # RTF_DEFAULT and RTF_ADDRCONF, linux/ipv6_route.h


def read(names: Iterable[str]) -> list[Sysctl]:
    """Those of the parameters that this kernel has; an interface or a protocol that is not there has none."""
    result = []
    for name in names:
        try:
            with open(f"{_ROOT}/{name}", encoding="ascii") as stream:
                result.append(Sysctl(name, stream.read().strip()))
        except FileNotFoundError:
            continue
    return result


def default_routers() -> list[str]:
    """The parameters that decide whether the interfaces of the host's router-advertised default routes go on listening."""
    try:
        with open("/proc/net/ipv6_route", encoding="ascii") as stream:
            routes = [line.split() for line in stream]
    except FileNotFoundError:
        return []
    learned = {r[9] for r in routes if r[1] == "00" and int(r[8], 16) & _RTF_LEARNED_DEFAULT == _RTF_LEARNED_DEFAULT}
    return [f"net/ipv6/conf/{interface}/accept_ra" for interface in sorted(learned)]


def apply(plan: Plan) -> None:
    written = [p for p in (*plan.created, *(new for _old, new in plan.changed)) if isinstance(p, Sysctl)]
    for parameter in written:
        write(parameter.name, parameter.value)
    for parameter in written:
        # The kernel has decided this one anew, also where it is to stay as it is.
        follower = plan.after.get(Key(Sysctl.kind, _FOLLOWERS.get(parameter.name, "")))
        if isinstance(follower, Sysctl):
            write(follower.name, follower.value)


def write(name: str, value: str) -> None:
    try:
        with open(f"{_ROOT}/{name}", "w", encoding="ascii") as stream:
            stream.write(value)
    except OSError as error:
        raise HostError(f"the kernel parameter {name} cannot be set to {value}: {error.strerror}") from None
