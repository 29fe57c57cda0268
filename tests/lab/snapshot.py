# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on a host, to compare before and after: teardown must leave nothing."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .node import Node

Snapshot = dict[str, list[str]]  # section -> sorted lines

_PROGRAM = Path(__file__).with_name("snapshot_program.py")


def take(host: Node) -> Snapshot:
    """Run the program on the host with the host's own Python."""
    printed = host.run(["python3", "-I", "-"], input=_PROGRAM.read_text(), timeout=120).stdout
    return dict(json.loads(printed))


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """Lines `section: -gone` and `section: +new`; empty when nothing has changed."""
    found = []
    for section in sorted(before.keys() | after.keys()):
        for line in difflib.ndiff(before.get(section, []), after.get(section, [])):
            if line[0] in "-+":
                found.append(f"{section}: {line[0]}{line[2:]}")
    return found
