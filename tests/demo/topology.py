# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of what stands."""

from __future__ import annotations

from collections.abc import Mapping

from lab import Host

from .story import FORWARDED, HOST_ONLY_HOST, INTERNET, NAT_GATEWAY, NEIGHBOUR, ROUTER, Port


def picture(host: Host, ports: Mapping[str, Port], addresses: Mapping[str, str]) -> str:
    """The bed as it is: the guests at their taps, with the addresses that they were given."""
    tap = {name: f"{port.tap:^7}" for name, port in ports.items()}
    at = {name: f"{address:^17}" for name, address in addresses.items()}
    title = f" {host.name} (Debian, {host.release}) "
    return f"""\
                      internet {INTERNET}
                             │
                      router {ROUTER}, DHCP server of the LAN
                             │
  LAN ═══════╤═══════════════╧╤═════════════════╤══════════════════════╤═════ 192.168.1.0/24
         neighbour         attacker             │                      │
       {NEIGHBOUR:^13}    192.168.1.66           │                      │
                                              eth0                   eth1
  ┌─{title:─<42}{host.address:^13}───────────(no address)─────┐
  │                                             │                      │               │
  │     host-only                            NAT│              bridged │               │
  │     no way out                 masquerade ▲ │ ▼ {FORWARDED}             │               │
  │  ┌─────────────────┐            ┌───────────┴─────────┐    ┌───────┴─────────┐     │
  │  │ vmnet1          │            │ vmnet8              │    │ br0             │     │
  │  │ {HOST_ONLY_HOST:<15} │            │ {NAT_GATEWAY:<15}     │    │ no address      │     │
  │  └──┬───────────┬──┘            └───────────┬─────────┘    └───────┬─────────┘     │
  │  {tap["client"]}     {tap["peer"]}                    {tap["web"]}                {tap["desk"]}            │
  └─────┼───────────┼───────────────────────────┼──────────────────────┼───────────────┘
     client        peer                        web                   desk
 {at["client"]}{at["peer"]}   {at["web"]:>22}  {at["desk"]:>20}
"""
