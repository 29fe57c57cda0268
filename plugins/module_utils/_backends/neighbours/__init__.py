# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's other firewalls: what they do, and our own rules in the places that they leave to others."""

from __future__ import annotations

import os

from ..._model.coexist import Grant
from ..._model.foreign import Surroundings
from ..._model.resource import Resource
from ..._plan.core import Plan
from ..backend import Backend
from . import docker, firewalld, rulesets, ufw

_BRIDGE_NETFILTER = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables")


def read() -> list[Resource]:
    """Our rules, firewalld's files for us, and one resource for all that is not ours."""
    listings = rulesets.save()
    ufw_grants, ufw_rules = ufw.read()
    files, zones = firewalld.read()
    around = Surroundings(
        "host",
        tables=tuple(rulesets.read(listings)),
        uplinks=tuple(rulesets.default_routes()),
        bridge_netfilter=any(map(_is_on, _BRIDGE_NETFILTER)),
        docker=tuple(docker.tools(listings)),
        firewalld=firewalld.is_in_use(),
        ufw=ufw.is_in_use(),
        zones=tuple(zones),
        ufw_rules=tuple(ufw_rules),
    )
    return [around, *docker.read(listings), *ufw_grants, *files]


def apply(plan: Plan) -> None:
    """After the files are written, by which the restore script knows what has to be there."""
    grants = plan.only(Grant.kind)
    docker.apply(grants)
    ufw.apply(grants)
    firewalld.apply(plan)


def _is_on(parameter: str) -> bool:
    path = f"/proc/sys/net/bridge/{parameter}"
    if not os.path.exists(path):
        return False
    with open(path, encoding="ascii") as stream:
        return stream.read().strip() == "1"


NEIGHBOURS = Backend(read=lambda _found: read(), require=firewalld.require, settle=apply)
