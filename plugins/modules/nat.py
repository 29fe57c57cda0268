#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Source NAT."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nat
short_description: Manage source NAT of virtual machine networks
description:
  - Lets the guests of a network appear to the outside with the address that the host has on the interface they leave by.
  - The source ports of TCP and UDP are kept at 1024 and above. Multicast, broadcast and traffic between networks are not translated.
  - Whether guests may leave at all is decided by M(tapestry.vmnet.policies).
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
  - tapestry.vmnet.resources.nftables
options:
  nat:
    description: The networks behind NAT.
    type: list
    elements: dict
    required: true
    suboptions:
      bridge:
        description: The bridge that the guests are on.
        type: str
        required: true
      subnets:
        description: The guests' subnets, IPv4 and IPv6; others are not translated. Needed where O(state=present).
        type: list
        elements: str
      uplinks:
        description:
          - Interfaces on which to translate. Any but our own bridges if not given.
          - One that the host does not have is refused.
        type: list
        elements: str
      to_addresses:
        description:
          - Addresses to translate to, instead of the one that the host has on the interface guests leave by. Answers have to reach
            the host by them.
          - One or more IPv4 addresses in a row, or a range like V(192.168.1.5-192.168.1.8), among which the kernel spreads the
            guests; and at most one IPv6 address. A family without one keeps the host's address.
        type: list
        elements: str
      to_ports:
        description:
          - Range of source ports for TCP and UDP over IPv4, where O(nat[].to_addresses) has an IPv4 address.
          - The default is V(1024-65535), which is also that of IPv6.
        type: str
      autostart:
        description: Whether it is there after a boot. If not, the next run brings it back.
        type: bool
        default: true
seealso:
  - module: tapestry.vmnet.policies
  - module: tapestry.vmnet.port_forwards
"""

EXAMPLES = r"""
- name: Guests of vmnet8 share the host's addresses
  tapestry.vmnet.nat:
    nat:
      - bridge: vmnet8
        subnets: [192.168.233.0/24, "fd00:233::/64"]

- name: Guests of vmnet9 leave by eth1 only, with an address of their own
  tapestry.vmnet.nat:
    nat:
      - bridge: vmnet9
        subnets: [192.168.234.0/24]
        uplinks: [eth1]
        to_addresses: [198.51.100.7]
        to_ports: 20000-29999
"""

RETURN = r"""
nat:
  description: The networks of the scope as they are translated now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    bridge:
      description: The network's bridge.
      type: str
      returned: success
    subnets:
      description: The guests' subnets.
      type: list
      elements: str
      returned: success
    uplinks:
      description: The interfaces by which it is translated; none for any.
      type: list
      elements: str
      returned: success
    to_addresses:
      description: The addresses that guests appear with; none for that of the uplink.
      type: list
      elements: str
      returned: success
    to_ports:
      description: The range of ports that guests appear with.
      type: str
      returned: success
  sample:
    - bridge: vmnet8
      subnets: [192.168.233.0/24]
      uplinks: []
      to_addresses: []
      to_ports: null
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.nat import NAT


def main() -> None:
    run(AnsibleModule(common_options(listed(NAT)), supports_check_mode=True), NAT)


if __name__ == "__main__":
    main()
