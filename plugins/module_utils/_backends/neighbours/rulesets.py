# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of others, of both generations of iptables and of nftables, and where the host's traffic leaves it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..._model.foreign import Table
from ..._model.ruleset import TABLE
from ..._render import iptables, nftables
from ..command import find, is_installed, run
from ..nft_command import listing, nft

_FAMILIES = {"ip": ("iptables", "/proc/net/ip_tables_names"), "ip6": ("ip6tables", "/proc/net/ip6_tables_names")}
_NO_INTERFACE = "lo"

Listings = dict[str, str]


def save() -> Listings:
    """What each ``iptables-save`` says, by its name; nothing for tools that are not there, or have no rules to show."""
    found = {}
    for tool, names in _FAMILIES.values():
        for variant in (f"{tool}-save", f"{tool}-legacy-save"):
            if is_installed(variant) and ("legacy" not in variant or _has_content(names)):
                found[variant] = run([find(variant, "iptables"), "-t", "filter"], check=False).stdout
    return found


def read(listings: Listings) -> Iterator[Table]:
    """Tables of iptables come from its own tools: nft does not see the older generation, and of the newer not all conditions."""
    known = set()
    for family, (tool, _names) in _FAMILIES.items():
        own, other = (listings.get(name, "") for name in (f"{tool}-save", f"{tool}-legacy-save"))
        for table in iptables.parse(own, family, "(legacy)" in own):
            known.add((family, table.name))
            yield table
        if "(legacy)" not in own:
            yield from iptables.parse(other, family, legacy=True)
    for listed in _tables_of_others():
        yield from (table for table in nftables.parse(listed) if (table.family, table.name) not in known)


def default_routes() -> Iterator[tuple[int, str]]:
    """(family, interface) of the host's default routes in its main tables."""
    for path, family, interface, destination in (("/proc/net/route", 4, 0, 1), ("/proc/net/ipv6_route", 6, 9, 0)):
        try:
            with open(path, encoding="ascii") as stream:
                rows = [line.split() for line in stream]
        except FileNotFoundError:
            continue
        for row in rows:
            prefix = row[7] if family == 4 else row[1]
            if set(row[destination]) == {"0"} and set(prefix) == {"0"} and row[interface] != _NO_INTERFACE:
                yield family, row[interface]
                break


def _tables_of_others() -> list[str]:
    """The listing of each table that is not ours; one may go while the others are listed."""
    if not is_installed("nft"):
        return []
    names = [line.split()[1:] for line in nft("list", "tables").stdout.splitlines() if line.startswith("table ")]
    listed = [listing(*name) for name in names if " ".join(name) != TABLE]
    return [each for each in listed if each is not None]


def _has_content(path: str) -> bool:
    if not os.path.exists(path):
        return False
    with open(path, encoding="ascii") as stream:
        return bool(stream.read().strip())
