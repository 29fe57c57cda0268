#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting along with the host's other firewalls."""

from __future__ import annotations

DOCUMENTATION = r"""
module: coexist
short_description: See that the host's other firewalls let virtual machine networks through
description:
  - A packet that one table accepts may still be dropped by another. This module reads the rules of others, of nftables and of both
    generations of iptables, finds out which packets of the networks they would certainly drop, and says so, naming table and chain,
    or lets them through where Docker, firewalld and ufw leave room for that.
  - In Docker's case that is the chain C(DOCKER-USER), in ufw's its own rules, and in firewalld's a zone and, for a routed network,
    a policy. All are marked, and go with O(state=absent). Foreign rules are never touched.
  - Nothing is opened by them; what M(tapestry.vmnet.policies) decides still holds.
  - Docker's chain is put right again after a reboot, and whenever somebody changes the packet filter. The rules of firewalld and ufw
    are in their own permanent configuration, whatever O(persistent) says. A new zone takes a reload of firewalld.
  - Docker drops whatever else is forwarded only on hosts where Docker itself has turned forwarding on. Where a network that comes back
    at boot needs forwarding it is on before Docker starts, so that after the next boot of the host the policy of its chain C(FORWARD) is to accept.
version_added: 0.2.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
options:
  networks:
    description: The networks.
    type: list
    elements: dict
    required: true
    suboptions:
      bridge:
        description: The bridge that the guests are on.
        type: str
        required: true
      mode:
        description:
          - As in O(tapestry.vmnet.policies#module:policies[].mode), or V(bridged) for a network whose bridge has an uplink as a port.
          - Needed where O(state=present).
        type: str
        choices: [isolated, nat, routed, open, bridged]
      ipv6_mode:
        description: The mode for IPv6, where it differs. The default is O(networks[].mode).
        type: str
        choices: [isolated, nat, routed, open, bridged]
      subnets:
        description: The guests' subnets.
        type: list
        elements: str
      uplinks:
        description: Interfaces that guests may leave by. That of the host's default route if not given.
        type: list
        elements: str
      host_services:
        description: What guests reach on the host, as in O(tapestry.vmnet.policies#module:policies[].host_services). None if not given.
        type: list
        elements: str
      peers:
        description: Bridges of other networks whose guests the guests of this one may open connections to.
        type: list
        elements: str
      forwards:
        description: Whether ports of the host lead to its guests. The default is V(false).
        type: bool
  coexist:
    description:
      - V(auto) adds what is missing, as far as the other firewall leaves room for it, and fails where it does not.
      - V(report) changes nothing, and fails where something is missing.
      - V(off) does not look.
      - What an earlier run with V(auto) has added stays with V(report) and V(off).
    type: str
    choices: [auto, report, "off"]
    default: report
seealso:
  - module: tapestry.vmnet.policies
"""

EXAMPLES = r"""
- name: A network behind NAT on a host with Docker
  tapestry.vmnet.coexist:
    coexist: auto
    networks:
      - bridge: vmnet8
        mode: nat
        subnets: [192.168.233.0/24]
        host_services: [dhcp, dns, icmp]
        forwards: true
"""

RETURN = r"""
networks:
  description: What the other firewalls of the host have for the networks of the scope; in check mode, what they would have.
  returned: success
  type: list
  elements: dict
  contains:
    bridge:
      description: The network's bridge.
      type: str
      returned: success
    rules:
      description: What was added, with where it is.
      type: list
      elements: str
      returned: success
    zone:
      description: The zone of firewalld that the bridge is in for this.
      type: str
      returned: success
  sample:
    - bridge: vmnet8
      rules:
        - 'iptables chain DOCKER-USER: -i vmnet8 -m comment --comment "vmnet:default/vmnet8" -j ACCEPT'
      zone: null
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.coexist import NETWORKS, OPTION, networks


def main() -> None:
    module = AnsibleModule(common_options({**listed(NETWORKS), **OPTION}), supports_check_mode=True)
    run(module, networks(module.params))


if __name__ == "__main__":
    main()
