#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux bridges."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bridges
short_description: Manage Linux bridges
description:
  - Creates, changes and removes Linux bridges with their addresses and ports, now and at every boot.
  - A bridge is changed in place; addresses, routes and ports that others have put on it are left alone.
  - An existing bridge that is listed is adopted with its MAC address and its other attributes, as far as they are not given.
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
  - tapestry.vmnet.resources.iproute2
options:
  bridges:
    description: The bridges.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the interface, at most 15 characters.
        type: str
        required: true
      addresses:
        description:
          - Addresses of the host on the bridge, with prefix length, IPv4 and IPv6.
          - On a bridge without an IPv6 address the host does not speak IPv6 at all.
        type: list
        elements: str
      mac:
        description: MAC address. The default is derived from the host and the name, and does not change when ports come and go.
        type: str
      mtu:
        description: Largest packet, in bytes. The default is 1500.
        type: int
      stp:
        description: Whether the bridge takes part in the spanning tree protocol. The default is V(false).
        type: bool
      forward_delay:
        description: Seconds that a port spends listening and learning where O(bridges[].stp=true), 2 to 30. The default is 15.
        type: int
      ageing_time:
        description: Seconds after which a MAC address that was not seen is forgotten. The default is 300.
        type: int
      vlan_filtering:
        description:
          - Whether the bridge keeps VLANs apart. The default is V(false).
          - Its O(bridges[].ports) then carry every VLAN with its tag; what a tap carries says O(tapestry.vmnet.taps#module:taps[].vlan).
          - Refused where the kernel was built without it.
        type: bool
      vlan_default_pvid:
        description:
          - The VLAN of frames without a tag, on the bridge itself and on every port for which nothing else is said.
          - V(0) means none. The default is 1.
        type: int
      multicast_snooping:
        description: Whether multicast goes only to the ports that asked for it. The default is V(true).
        type: bool
      ports:
        description:
          - Existing interfaces to be ports of the bridge, such as a network card. They are set up, too.
          - They must not carry addresses. Taps are put on a bridge by M(tapestry.vmnet.taps).
        type: list
        elements: str
      autostart:
        description: Whether the bridge is brought up at boot. If not, the next run brings it up again.
        type: bool
        default: true
      uplink:
        description:
          - An existing interface that the bridge stands in for. The bridge has its MAC address and its MTU, unless they are given.
          - M(tapestry.vmnet.uplinks) then makes it a port, with all that the host is on it. Nothing else makes it one.
        type: str
seealso:
  - module: tapestry.vmnet.taps
  - module: tapestry.vmnet.uplinks
"""

EXAMPLES = r"""
- name: A network between the host and its guests
  tapestry.vmnet.bridges:
    bridges:
      - name: vmnet1
        addresses: [192.168.56.1/24, "fd00:56::1/64"]

- name: A bridge to the physical network, on which the host has no address
  tapestry.vmnet.bridges:
    bridges:
      - name: br0
        ports: [eth1]

- name: A bridge to the physical network that keeps VLANs apart
  tapestry.vmnet.bridges:
    bridges:
      - name: br0
        ports: [eth1]
        vlan_filtering: true
"""

RETURN = r"""
bridges:
  description: The listed bridges and all others of the scope, as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name.
      type: str
      returned: success
    scope:
      description: The scope.
      type: str
      returned: success
    addresses:
      description: Addresses with their prefix lengths.
      type: list
      elements: str
      returned: success
    ports:
      description: Names of the ports that were asked for.
      type: list
      elements: str
      returned: success
    mac:
      description: The MAC address.
      type: str
      returned: success
    mtu:
      description: Largest packet, in bytes.
      type: int
      returned: success
    stp:
      description: Whether it speaks the spanning tree protocol.
      type: bool
      returned: success
    forward_delay:
      description: In seconds.
      type: int
      returned: success
    ageing_time:
      description: In seconds.
      type: int
      returned: success
    vlan_filtering:
      description: Whether it keeps VLANs apart.
      type: bool
      returned: success
    vlan_default_pvid:
      description: The VLAN of untagged frames at new ports; V(0) for none.
      type: int
      returned: success
    multicast_snooping:
      description: Whether multicast goes to its listeners only.
      type: bool
      returned: success
    ipv6:
      description: Whether the host speaks IPv6 on it.
      type: bool
      returned: success
    up:
      description: Whether it is up.
      type: bool
      returned: success
  sample:
    - name: vmnet1
      addresses: [192.168.56.1/24]
      mac: 02:9a:41:0c:77:e2
      mtu: 1500
      ports: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.bridges import BRIDGES


def main() -> None:
    run(AnsibleModule(common_options(listed(BRIDGES)), supports_check_mode=True), BRIDGES)


if __name__ == "__main__":
    main()
