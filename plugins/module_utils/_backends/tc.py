# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that completes UDP checksums of DHCP answers, through ``tc``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

from .._model.errors import HostError
from .._model.links import Bridge, ChecksumFix
from .._model.resource import Key, State
from .._plan.core import Plan, Request
from .._render.dnsmasq import CHECKSUM_PREF, checksum_fix
from .command import find, run

_PACKAGE = "iproute2"  # Red Hat's is iproute-tc


def read(bridges: Iterable[str]) -> list[ChecksumFix]:
    """Those of the bridges that have the filter."""
    return [ChecksumFix(bridge) for bridge in bridges if os.path.exists(f"/sys/class/net/{bridge}") and _has_it(bridge)]


def require(request: Request, plan: Plan, state: State) -> None:
    """Raises HostError if a bridge is missing, or the kernel lacks what the filter is made of."""
    wanted = [fix.name for fix in plan.created if isinstance(fix, ChecksumFix)]
    for bridge in wanted:
        if Key(Bridge.kind, bridge) not in state and not os.path.exists(f"/sys/class/net/{bridge}"):
            raise HostError(
                f"{request.at(bridge)}.checksum_fix: there is no interface {bridge} yet; tc needs the bridge, make it first"
            )
    if wanted:
        # In a network namespace of its own, which goes with the process.
        probe = [find("unshare", "util-linux"), "--net", find("tc", _PACKAGE), "-batch", "-"]
        tried = run(probe, stdin=checksum_fix("lo"), check=False)
        if tried.returncode != 0:
            raise HostError(
                f"{request.at(wanted[0])}.checksum_fix: tc needs act_csum and cls_flower of the kernel, and this one refuses: "
                f"{' '.join(tried.stderr.split())}; set it to none"
            )


def add(plan: Plan) -> None:
    for fix in plan.created:
        run([find("tc", _PACKAGE), "-batch", "-"], stdin=checksum_fix(fix.name))


def remove(plan: Plan) -> None:
    """The filter, and what holds filters if it was the only one. Gone already if the bridge is."""
    for fix in plan.removed:
        tc = find("tc", _PACKAGE)
        if os.path.exists(f"/sys/class/net/{fix.name}"):
            run([tc, "filter", "del", "dev", fix.name, "egress", "pref", str(CHECKSUM_PREF)], check=False)
            if not _filters(fix.name):
                run([tc, "qdisc", "del", "dev", fix.name, "clsact"], check=False)


def _has_it(bridge: str) -> bool:
    return any(
        action.get("kind") == "csum"
        for entry in _filters(bridge, "pref", str(CHECKSUM_PREF))
        for action in entry.get("options", {}).get("actions", [])
    )


def _filters(bridge: str, *which: str) -> list[dict]:
    listed = [
        run([find("tc", _PACKAGE), "-json", "filter", "show", "dev", bridge, way, *which], check=False).stdout or "[]"
        for way in ("egress", "ingress")
    ]
    return [entry for text in listed for entry in json.loads(text)]
