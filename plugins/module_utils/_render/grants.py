# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our rules in the places of Docker and ufw, as these have them, and as the restore script reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .._model.coexist import Grant
from .._model.ruleset import parse_mark

_MARK = re.compile(r'--comment "?(vmnet:[^" ]+)')
_TUPLE = re.compile(r"### tuple ### (route:)?allow any any \S+ any \S+ (\S+?)(?: comment=([0-9a-f]+))?")


def record(grants: Iterable[Grant]) -> str:
    """One line for each rule: the tool, and the rule as the tool prints it."""
    return "".join(sorted(f"{grant.name.partition(' ')[2]}\n" for grant in grants if grant.tool == "docker"))


def of_docker(tool: str, rules: Iterable[str]) -> list[Grant]:
    """Those of the rules in the chain that are marked as ours."""
    found = [(rule, _MARK.search(rule)) for rule in rules]
    return [Grant(f"docker {tool} {rule}", *parse_mark(mark[1])) for rule, mark in found if mark]


def of_ufw(text: str) -> tuple[list[Grant], list[str]]:
    """(ours, the same kind of rules of others) in ``user.rules``."""
    ours, others = [], []
    for line in text.splitlines():
        match = _TUPLE.fullmatch(line)
        if not match:
            continue
        ways = " ".join(f"{way} on {name}" for way, name in (part.partition("_")[::2] for part in match[2].split("!")))
        rule = f"{'route ' if match[1] else ''}allow {ways}"
        scope, bridge = parse_mark(bytes.fromhex(match[3] or "").decode(errors="replace"))
        if scope:
            ours.append(Grant(f"ufw {rule}", scope, bridge))
        else:
            others.append(rule)
    return ours, others
