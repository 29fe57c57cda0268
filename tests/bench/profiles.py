# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""NAT networks as users write them, and the module runs that the role makes of them."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.network import expand

from .hosts import subnet

Tasks = list[tuple[str, Mapping[str, object]]]

_GUESTS = 1000
_SCOPE = {"scope": "nat"}
_NEEDS = ["dnsmasq", "ip", "nft", "pyroute2"]
KINDS = ("policies", "nat", "bridges", "taps", "port_forwards", "dhcp")


def networks(count: int) -> list[dict[str, object]]:
    return [
        {
            "name": f"vn{number}",
            "addresses": [f"{subnet(number)}.1/24"],
            "dhcp": {"ranges": [f"{subnet(number)}.100-{subnet(number)}.200"]},
        }
        for number in range(count)
    ]


def guests(count: int) -> list[dict[str, object]]:
    """Networks of up to a thousand guests (a bridge has 1,023 ports), each with an address, a tap and a forwarded port."""
    made = [network | {"guests": []} for network in networks(-(-count // _GUESTS))]
    for number in range(count):
        place, index = divmod(number, _GUESTS)
        low = f"{index // 250}.{1 + index % 250}"
        found = made[place]["guests"]
        assert isinstance(found, list)
        found.append(
            {
                "name": f"g{number}",
                "mac": f"52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
                "addresses": [f"10.{100 + place}.{low}"],
                "tap": {"name": f"vt{number}"},
                "forwards": [{"listen": 10000 + number, "to_port": 80}],
            }
        )
    for place, network in enumerate(made):
        network["addresses"] = [f"10.{100 + place}.255.1/16"]
        network["dhcp"] = {"ranges": [f"10.{100 + place}.200.1-10.{100 + place}.200.200"]}
    return made


def resources(wanted: list[dict[str, object]]) -> dict[str, object]:
    """What the role gives the module `resources`: see roles/nat/tasks/main.yml."""
    made = expand(wanted, "nat", None)
    return {"needs": _NEEDS, "networks": made["coexist"], **{kind: made[kind] for kind in KINDS}, **_SCOPE}


def making(wanted: list[dict[str, object]]) -> Tasks:
    """The role's module runs, as (module, options)."""
    return [("resources", resources(wanted))]


def removing() -> Tasks:
    """What leaves no network."""
    return [("resources", {**{kind: [] for kind in KINDS}, **_SCOPE, "state": "absent", "purge": True})]
