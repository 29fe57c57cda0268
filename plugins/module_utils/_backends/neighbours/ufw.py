# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ufw: rules in its own files, which it loads at boot and with every reload."""

from __future__ import annotations

import os
import re

from ..._model.coexist import Grant
from ..._plan.core import Plan
from ..._render import grants
from ..command import find, run

_RULES, _SETTINGS = "/etc/ufw/user.rules", "/etc/ufw/ufw.conf"


def is_in_use() -> bool:
    return bool(re.search(r"^ENABLED=yes\b", _text(_SETTINGS), re.MULTILINE | re.IGNORECASE))


def read() -> tuple[list[Grant], list[str]]:
    """(ours, those of others)."""
    return grants.of_ufw(_text(_RULES))


def apply(plan: Plan) -> None:
    """It knows no transaction: what comes is added before what goes is deleted."""
    for grant in plan.created:
        if isinstance(grant, Grant) and grant.tool == "ufw":
            run([find("ufw", "ufw"), *grant.rule.split(), "comment", grant.mark])
    for grant in plan.removed:
        if isinstance(grant, Grant) and grant.tool == "ufw":
            words = grant.rule.split()
            route = ["route"] if words[0] == "route" else []
            run([find("ufw", "ufw"), *route, "delete", *words[len(route) :]])


def _text(path: str) -> str:
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8") as stream:
        return stream.read()
