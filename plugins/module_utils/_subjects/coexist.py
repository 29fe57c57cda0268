# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks that the host's other firewalls have to let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .._backends.neighbours import NEIGHBOURS
from .._model.coexist import HOW, MODES, Network
from .._model.fields import one_per_bridge
from .._plan.coexist import plan_coexist, show
from .._runner import Subject

OPTION = {"coexist": {"type": "str", "choices": list(HOW), "default": "report"}}


NETWORKS = Subject(
    "networks",
    key="bridge",
    entry={
        "bridge": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": list(MODES)},
        "ipv6_mode": {"type": "str", "choices": list(MODES)},
        "subnets": {"type": "list", "elements": "str"},
        "uplinks": {"type": "list", "elements": "str"},
        "host_services": {"type": "list", "elements": "str"},
        "peers": {"type": "list", "elements": "str"},
        "forwards": {"type": "bool"},
    },
    backends=(NEIGHBOURS,),
    parse=one_per_bridge(Network.parse),
    plan=plan_coexist("report"),
    show=show,
)


def networks(given: Mapping[str, Any]) -> Subject:
    """With the value of the option ``coexist``. Where that is off, the other firewalls are not even read."""
    how = given["coexist"]
    looks = how != "off" or given["state"] == "absent"
    return replace(NETWORKS, plan=plan_coexist(how), backends=NETWORKS.backends if looks else ())
