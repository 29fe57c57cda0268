# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of what stands."""

from __future__ import annotations

from collections.abc import Mapping

from lab import Host

from .story import ATTACKER, FORWARDED, HOST_ONLY_HOST, INTERNET, NAT_GATEWAY, NEIGHBOUR, ROUTER, Port


def picture(host: Host, ports: Mapping[str, Port], addresses: Mapping[str, str]) -> str:
    """The bed as it is: the guests at their taps, with the addresses that they were given."""
    tap = {name: f"{port.tap:^7}" for name, port in ports.items()}
    at = {name: f"{address:^15}" for name, address in addresses.items()}
    title = f"─ {host.name}, Debian 12 "
    eth0 = f" eth0 {host.address} "
    return f"""\
                              internet {INTERNET}
                                  │
                              router {ROUTER}, the LAN's DHCP server
                                  │
   LAN  ═════╤══════════════════╤═╧═══════════════╤══════════════════════╤════  192.168.1.0/24
         neighbour          attacker              │                      │
       {NEIGHBOUR:^13}      {ATTACKER:^13}           │                      │
    ┌{title:─<34}{eth0:─^23}{" eth1 no address ":─^23}──┐
    │                                             │                      │             │
    │    host-only                            NAT │              bridged │             │
    │    no way out                  masquerade ▲ │ ▼ {FORWARDED:<5}            │             │
    │  ┌───────────────────┐          ┌───────────┴─────────┐    ┌───────┴────────┐    │
    │  │ {"vmnet1":<17} │          │ {"vmnet8":<19} │    │ {"br0":<14} │    │
    │  │ {HOST_ONLY_HOST:<17} │          │ {NAT_GATEWAY:<19} │    │ {"no address":<14} │    │
    │  └──┬─────────────┬──┘          └───────────┬─────────┘    └───────┬────────┘    │
    │  {tap["client"]}       {tap["peer"]}                   {tap["web"]}                {tap["desk"]}          │
    └─────┼─────────────┼─────────────────────────┼──────────────────────┼─────────────┘
       client          peer                      web                    desk
  {at["client"]} {at["peer"]}          {at["web"]}        {at["desk"]}"""
