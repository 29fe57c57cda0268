# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taps, and their places on bridges."""

from __future__ import annotations

from .._backends.accounts import resolve
from .._backends.links import LINKS
from .._model.fields import Fields, refuse_duplicates
from .._model.links import Tap
from .._plan.links import plan_taps, require_bridges, show_links
from .._runner import Subject


def _parse(entries: list[Fields], _present: bool) -> list[Tap]:
    taps = [(entry.at, resolve(Tap.parse(entry), entry.at)) for entry in entries]
    refuse_duplicates((at, tap.name, "the name") for at, tap in taps)
    refuse_duplicates((at, tap.mac, "the MAC address") for at, tap in taps if tap.mac)
    return [tap for _at, tap in taps]


TAPS = Subject(
    "taps",
    key="name",
    entry={
        "name": {"type": "str", "required": True},
        "bridge": {"type": "str"},
        "owner": {"type": "str"},
        "group": {"type": "str"},
        "multi_queue": {"type": "bool"},
        "vnet_hdr": {"type": "bool"},
        "mac": {"type": "str"},
        "mtu": {"type": "int"},
        "isolated": {"type": "bool"},
        "learning": {"type": "bool"},
        "unicast_flood": {"type": "bool"},
        "hairpin": {"type": "bool"},
        "vlan": {
            "type": "dict",
            "options": {
                "pvid": {"type": "int", "default": 0},
                "tagged": {"type": "list", "elements": "str", "default": []},
            },
        },
        "autostart": {"type": "bool", "default": True},
    },
    backends=(LINKS,),
    parse=_parse,
    plan=plan_taps,
    show=show_links(Tap),
    require=require_bridges,
)
