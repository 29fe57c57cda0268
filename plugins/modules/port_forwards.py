#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port forwards."""

from __future__ import annotations

DOCUMENTATION = r"""
module: port_forwards
short_description: Manage ports of the host that lead to guests
description:
  - Makes ports of the host lead to guests, for clients on the host's networks, on the host itself, and for guests of any network
    that may leave its own.
  - Only traffic that is addressed to the host is forwarded. Flows through a forward that is changed or removed end with it.
  - A new forward of a port that a process of the host listens on is refused, since the process would get nothing more. Where the
    process came later, the module warns.
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
  - tapestry.vmnet.resources.nftables
  - tapestry.vmnet.resources.pyroute2
options:
  port_forwards:
    description: The port forwards.
    type: list
    elements: dict
    required: true
    suboptions:
      bridge:
        description: The bridge that the target is on.
        type: str
        required: true
      protocol:
        description: Transport protocol. The default is V(tcp).
        type: str
        choices: [tcp, udp, sctp]
      address:
        description: Address of the host to listen on. Every one of the target's family if not given.
        type: str
      listen:
        description: Port of the host, or a range like V(5000-5010).
        type: str
        required: true
      to_address:
        description: Address of the guest.
        type: str
        required: true
      to_port:
        description: Port of the guest, or a range of the same size. The default is O(port_forwards[].listen).
        type: str
      sources:
        description: Subnets of the clients that get through. Any if not given.
        type: list
        elements: str
      loopback:
        description:
          - Whether the host's own C(127.0.0.1) leads there too. Nobody but the host can use it. For IPv4 targets only.
          - This sets the kernel parameter C(route_localnet) of the bridge, which has to be there already.
            A rule before connection tracking keeps guests from reaching loopback addresses by it.
          - The default is V(false).
        type: bool
      autostart:
        description: Whether it is there after a boot. If not, the next run brings it back.
        type: bool
        default: true
seealso:
  - module: tapestry.vmnet.nat
  - module: tapestry.vmnet.policies
"""

EXAMPLES = r"""
- name: The guest's web server on port 8080 of the host, and its telemetry from one subnet only
  tapestry.vmnet.port_forwards:
    port_forwards:
      - {bridge: vmnet8, listen: 8080, to_address: 192.168.233.101, to_port: 80}
      - bridge: vmnet8
        protocol: udp
        address: 192.168.1.5
        listen: 5000-5010
        to_address: 192.168.233.101
        sources: [192.168.1.0/24]

- name: A database for the host's own programs on 127.0.0.1, and for nobody else
  tapestry.vmnet.port_forwards:
    port_forwards:
      - {bridge: vmnet8, listen: 5432, to_address: 192.168.233.101, address: 192.168.233.2, loopback: true}
"""

RETURN = r"""
port_forwards:
  description: The forwards of the scope as they are now, one for each port; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    bridge:
      description: The network's bridge.
      type: str
      returned: success
    protocol:
      description: The protocol.
      type: str
      returned: success
    address:
      description: The address of the host that it listens on; V(none) for all.
      type: str
      returned: success
    listen:
      description: The port of the host.
      type: str
      returned: success
    to_address:
      description: The guest.
      type: str
      returned: success
    to_port:
      description: The port of the guest.
      type: str
      returned: success
    sources:
      description: The subnets whose clients get through; V(none) for all.
      type: list
      elements: str
      returned: success
    loopback:
      description: Whether the host's own 127.0.0.1 leads there, too.
      type: bool
      returned: success
  sample:
    - bridge: vmnet8
      protocol: tcp
      address: null
      listen: "8080"
      to_address: 192.168.233.101
      to_port: "80"
      sources: null
      loopback: false
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.port_forwards import PORT_FORWARDS


def main() -> None:
    run(AnsibleModule(common_options(listed(PORT_FORWARDS)), supports_check_mode=True), PORT_FORWARDS)


if __name__ == "__main__":
    main()
