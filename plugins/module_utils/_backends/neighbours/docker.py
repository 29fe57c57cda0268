# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker: the chain DOCKER-USER, which it makes, jumps to first, and leaves to others."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.coexist import IPTABLES, Grant
from ..._plan.core import Plan
from ..._render import grants
from ..._render.iptables import rules_of
from ..command import find, is_installed, run

CHAIN = "DOCKER-USER"


def tools(listings: dict[str, str]) -> Iterator[str]:
    """Those that show the chain, and ``dockerd`` where Docker is installed."""
    for tool in IPTABLES.values():
        if rules_of(listings.get(f"{tool}-save", ""), CHAIN) is not None:
            yield tool
    if is_installed("dockerd"):
        yield "dockerd"


def read(listings: dict[str, str]) -> Iterator[Grant]:
    for tool in IPTABLES.values():
        yield from grants.of_docker(tool, rules_of(listings.get(f"{tool}-save", ""), CHAIN) or [])


def apply(plan: Plan) -> None:
    """One transaction for each family; Docker's own rules in the chain keep their order."""
    for tool in IPTABLES.values():
        gone = [g.rule for g in plan.removed if isinstance(g, Grant) and g.name.startswith(f"docker {tool} ")]
        come = [g.rule for g in plan.created if isinstance(g, Grant) and g.name.startswith(f"docker {tool} ")]
        if not gone and not come:
            continue
        if come:
            run([find(tool, "iptables"), "-N", CHAIN], check=False)  # fails where it is there
        there = rules_of(run([find(tool, "iptables"), "-S", CHAIN], check=False).stdout, CHAIN) or []
        lines = [f"-D {CHAIN} {rule}" for rule in there if rule in gone]
        lines += [f"-I {CHAIN} {rule}" for rule in come if rule not in there]
        text = "".join(f"{line}\n" for line in ["*filter", *lines, "COMMIT"])
        run([find(f"{tool}-restore", "iptables"), "--noflush"], stdin=text)
        if gone:
            run([find(tool, "iptables"), "-X", CHAIN], check=False)  # fails where Docker uses it
