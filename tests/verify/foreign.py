# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules of others on a host, in a form in which only their order within a chain counts."""

from __future__ import annotations

import re

from lab import Snapshot

_OURS = re.compile(r"vmnet")  # our table, our networks by their names, and our marks


def foreign_rules(snapshot: Snapshot, *, ours_aside: bool = True) -> dict[str, list[str]]:
    """Chain (with its table) -> its lines; also of sets. ``ours_aside``: without what names our networks."""
    found: dict[str, list[str]] = {}
    table = chain = ""
    for line in snapshot["nftables"]:
        text = line.strip()
        if line.startswith("table "):
            table = text
        elif re.fullmatch(r"\t(chain|set|map) .*\{", line):
            chain = f"{table} {text}"
            found[chain] = []
        elif line.startswith("\t\t"):
            found[chain].append(text)
    if not ours_aside:
        return found
    return {
        name: [line for line in lines if not _OURS.search(line)]
        for name, lines in found.items()
        if not _OURS.search(name)
    }
