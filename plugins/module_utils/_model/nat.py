# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT of a network, and the elements that it is in the packet filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import net
from .errors import InputError
from .fields import Fields
from .policy import subnet_key
from .ruleset import Element, element


@dataclass(frozen=True)
class SourceNat:
    """Guests of ``subnets`` appear with the host's address on ``uplinks``, or on any interface where none is named."""

    bridge: str
    subnets: tuple[net.Network, ...]
    uplinks: tuple[str, ...]
    autostart: bool = True

    @classmethod
    def parse(cls, entry: Fields, complete: bool = True) -> SourceNat:
        """An entry that is not ``complete`` only names a network that is to go."""
        parsed = cls(
            bridge=entry.required("bridge", net.interface_name),
            subnets=tuple(net.in_order(set(entry.each("subnets", net.subnet)))),
            uplinks=tuple(sorted(set(entry.each("uplinks", net.interface_name)))),
            autostart=entry.optional("autostart", net.boolean, True),
        )
        entry.nothing_else()
        if complete and not parsed.subnets:
            raise InputError(entry.place("subnets"), "is missing; it says which guests are translated")
        return parsed

    def elements(self, scope: str) -> list[Element]:
        mine = {"scope": scope, "bridge": self.bridge}
        result = []
        for subnet in self.subnets:
            family, key = subnet.version, subnet_key(subnet)
            for uplink in self.uplinks:
                result.append(element(f"vn_nat_uplinks{family}", self.bridge, uplink, key, **mine))
            if not self.uplinks:
                result.append(element(f"vn_nat{family}", self.bridge, key, **mine))
        return result


def from_elements(bridge: str, elements: Iterable[Element]) -> dict[str, object]:
    """The entry that has these elements: the inverse of ``SourceNat.elements``."""
    elements = list(elements)
    subnets = {net.subnet(e.parts[-1]) for e in elements}
    return {
        "bridge": bridge,
        "subnets": [str(subnet) for subnet in net.in_order(subnets)],
        "uplinks": sorted({e.parts[1] for e in elements if e.set.startswith("vn_nat_uplinks")}),
    }
