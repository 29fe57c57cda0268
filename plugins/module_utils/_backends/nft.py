# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter through ``nft``: one listing to read, one transaction to write."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import Any

from .._model.resource import Resource
from .._model.ruleset import TABLE, Counter, Element, Program
from .._plan.core import Plan
from .._render import ruleset
from .command import find, is_installed, run
from .nft_command import listing, nft


def read() -> list[Resource]:
    """The elements and counters of the table, and whether its program is as we wrote it; nothing where there is no table."""
    if not is_installed("nft"):
        return []  # then there is no table, and no run that wants one goes on
    listed = listing(*TABLE.split())
    if listed is None:
        return []
    found = ruleset.read_listing(listed)
    written = _as_written()
    edits = ruleset.edits(found.program, written)
    return [*found.elements, *found.counters, Program("vmnet", intact=found.program == written, edits=edits)]


def require(plan: Plan) -> None:
    """Raises HostError where nft is to be used and missing."""
    if plan.only(Element.kind, Program.kind):
        find("nft", "nftables")


def apply(plan: Plan) -> None:
    """All or nothing: where nft refuses any of it, the kernel keeps what it had."""
    if plan.only(Element.kind, Program.kind):
        nft("-f", "-", stdin=ruleset.transaction(plan.only(Element.kind, Program.kind, Counter.kind)))


@lru_cache(maxsize=1)
def _as_written() -> Any:
    """The program as this version of nft lists it: loaded into a network namespace of its own, which ends with the command.

    Listings are formatted differently from version to version, so the text itself cannot be compared.
    """
    program = shlex.quote(find("nft", "nftables"))
    script = f"{program} -f - && {program} -j list table {TABLE}"
    listed = run([find("unshare", "util-linux"), "--net", "sh", "-c", script], stdin=ruleset.program())
    return ruleset.read_listing(listed.stdout).program
