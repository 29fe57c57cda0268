#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may forward to whom."""

from __future__ import annotations

DOCUMENTATION = r"""
module: policies
short_description: Manage who may forward to whom between virtual machine networks and the outside
description:
  - Decides what may cross between a network's bridge and every other interface, and what guests reach on the host itself.
  - Turns on IP forwarding on the host as long as a network needs it.
  - A host's other firewall rules stay as they are. What they drop stays dropped.
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
  - tapestry.vmnet.resources.nftables
options:
  policies:
    description: The networks.
    type: list
    elements: dict
    required: true
    suboptions:
      bridge:
        description: The bridge that the guests are on.
        type: str
        required: true
      subnets:
        description:
          - The guests' subnets. A family without a subnet is isolated, unless the mode is V(open).
          - What comes from a network with any other source is dropped, unless the mode is V(open).
        type: list
        elements: str
      mode:
        description:
          - V(isolated) lets nothing cross.
          - V(nat) lets guests out, and in only what belongs to a flow that they began or to a port forward.
          - V(routed) lets guests out and their uplinks in.
          - V(open) decides nothing for this network.
          - Networks do not reach each other in any mode but as O(policies[].peers).
          - Needed where O(state=present).
        type: str
        choices: [isolated, nat, routed, open]
      ipv6_mode:
        description: The mode for IPv6, where it differs. The default is O(policies[].mode).
        type: str
        choices: [isolated, nat, routed, open]
      uplinks:
        description:
          - Interfaces that guests may leave by. Any but our own bridges if not given.
          - One that the host does not have is refused.
        type: list
        elements: str
      host_services:
        description:
          - What guests reach on the host, on any of its addresses.
          - V(dhcp), V(dns), V(tftp), V(ntp), V(ssh), V(icmp) for being answered to pings, V(all), or like V(tcp/8080).
          - The default is V(dhcp), V(dns) and V(icmp).
        type: list
        elements: str
      peers:
        description: Bridges of other networks whose guests the guests of this one may open connections to.
        type: list
        elements: str
      isolate_guests:
        description:
          - Whether guests of this network are kept apart where the host forwards between them.
          - On the bridge itself their taps do that, see O(tapestry.vmnet.taps#module:taps[].isolated).
          - The default is V(false).
        type: bool
      autostart:
        description: Whether it is there after a boot. If not, the next run brings it back.
        type: bool
        default: true
seealso:
  - module: tapestry.vmnet.nat
  - module: tapestry.vmnet.port_forwards
"""

EXAMPLES = r"""
- name: One network that nothing leaves, and one behind NAT
  tapestry.vmnet.policies:
    policies:
      - bridge: vmnet1
        subnets: [192.168.56.0/24]
        mode: isolated
      - bridge: vmnet8
        subnets: [192.168.233.0/24]
        mode: nat
        host_services: [dhcp, dns, icmp, tcp/3128]
"""

RETURN = r"""
policies:
  description: The policies of the scope as they are now; in check mode, as they would be.
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
    mode:
      description: Who may forward to whom, by IPv4.
      type: str
      returned: success
    ipv6_mode:
      description: The same by IPv6.
      type: str
      returned: success
    uplinks:
      description: The interfaces by which guests leave; none for any.
      type: list
      elements: str
      returned: success
    host_services:
      description: What guests reach on the host.
      type: list
      elements: str
      returned: success
    peers:
      description: Bridges whose guests this network's may open connections to.
      type: list
      elements: str
      returned: success
    isolate_guests:
      description: Whether guests of the network are kept apart where the host forwards between them.
      type: bool
      returned: success
  sample:
    - bridge: vmnet8
      subnets: [192.168.233.0/24]
      mode: nat
      ipv6_mode: isolated
      uplinks: []
      host_services: [dhcp, dns, icmp]
      peers: []
      isolate_guests: false
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.policies import POLICIES


def main() -> None:
    run(AnsibleModule(common_options(listed(POLICIES)), supports_check_mode=True), POLICIES)


if __name__ == "__main__":
    main()
