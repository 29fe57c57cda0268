#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What virtual machine networks are like right now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: network_info
short_description: Show what virtual machine networks are like right now
description:
  - Reads bridges and their ports, forwarding databases, DHCP leases, port forwards with their counters, and translated connections.
  - Says where bridges, taps, packet filter and, with systemd, DHCP services are no longer as this collection left them. Uplinks and what
    M(tapestry.vmnet.coexist) has added are not looked at.
  - Changes nothing.
version_added: 0.2.0
author: The tapestry.vmnet authors (@tapestry)
options:
  names:
    description: The bridges to look at. All that carry a mark of this collection if not given.
    type: list
    elements: str
  gather:
    description:
      - What to read beside the bridges, their ports and their port forwards. What is not listed is returned empty.
      - V(connections) can be long on a busy host.
    type: list
    elements: str
    choices: [routes, fdb, leases, connections, drift]
    default: [routes, fdb, leases, connections, drift]
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: N/A
    description: There is no difference to show.
  facts:
    support: none
    description: Returns no facts; register the result.
  platform:
    description: Systems that it works on.
    platforms: linux
    support: full
requirements:
  - Root on the host.
  - pyroute2 >= 0.7.2 on the host. Where another Python of the host has it, the module continues under that one.
seealso:
  - module: tapestry.vmnet.bridges
  - module: tapestry.vmnet.dhcp
  - module: tapestry.vmnet.port_forwards
"""

EXAMPLES = r"""
- name: Look at all networks
  tapestry.vmnet.network_info:
  register: found

- name: Who has which address
  ansible.builtin.debug:
    msg: "{{ found.networks | map(attribute='leases') | flatten | items2dict(key_name='name', value_name='address') }}"

- name: Nothing was changed by hand
  ansible.builtin.assert:
    that: found.networks | map(attribute='drift') | flatten + found.drift == []

- name: Only the forwarding database of one network
  tapestry.vmnet.network_info:
    names: [vmnet8]
    gather: [fdb]
"""

RETURN = r"""
networks:
  description: The networks, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The bridge.
      type: str
    scope:
      description: Whose it is; none for a bridge that does not carry our mark.
      type: str
    addresses:
      description: All addresses of the host on the bridge, also those that others gave it.
      type: list
      elements: str
    mac:
      description: The bridge's MAC address.
      type: str
    mtu:
      description: In bytes.
      type: int
    up:
      description: Whether the bridge is up.
      type: bool
    ports:
      description:
        - All ports of the bridge with their C(type), V(tap) or what else they are, and their C(scope), which is none for those of others.
        - Taps have the options of M(tapestry.vmnet.taps), and C(in_use), whether somebody has it open.
      type: list
      elements: dict
    routes:
      description: Routes through the bridge that somebody made, with C(destination), C(via), C(table) and C(metric).
      type: list
      elements: dict
    fdb:
      description: Stations that the bridge knows, with C(mac), C(port), C(vlan) and whether they are C(static).
      type: list
      elements: dict
    leases:
      description:
        - Addresses that the network's DHCP service has handed out, with C(address), C(name), C(mac), C(client_id), and C(duid) and
          C(iaid) for DHCPv6.
        - C(expires) is in seconds since the epoch, none for a lease that never ends.
      type: list
      elements: dict
    received:
      description:
        - C(packets) and C(bytes) that have crossed the host to guests of the network.
        - Counters begin at zero at boot, and where the packet filter had to be loaded anew.
      type: dict
    sent:
      description: The same for what guests sent to other networks and to the outside.
      type: dict
    forwards:
      description:
        - Port forwards of the network, one for each port, with what guests have C(received) and C(sent) through it.
        - What the host itself sends through a forward is not counted.
      type: list
      elements: dict
    connections:
      description:
        - Flows of the network that are translated. The C(direction) is V(out) for those that guests began and V(in) for those
          that came by a port forward.
        - C(translated) and its port are the source that others see of a flow out, and the guest that answers of a flow in.
      type: list
      elements: dict
    drift:
      description: Where the network is no longer as this collection left it, in words.
      type: list
      elements: str
  sample:
    - name: vmnet8
      scope: nat
      addresses: [192.168.233.2/24]
      mac: 36:0c:3a:5f:5e:0e
      mtu: 1500
      up: true
      ports: [{name: vnet0, type: tap, scope: nat, in_use: true}]
      routes: []
      fdb: [{mac: "52:54:00:00:00:65", port: vnet0, vlan: null, static: false}]
      leases: [{address: 192.168.233.101, name: web, mac: "52:54:00:00:00:65", expires: 1796000000}]
      received: {packets: 6, bytes: 402}
      sent: {packets: 5, bytes: 311}
      forwards:
        - bridge: vmnet8
          protocol: tcp
          listen: "8080"
          to_address: 192.168.233.101
          to_port: "80"
          received: {packets: 6, bytes: 402}
          sent: {packets: 5, bytes: 311}
      connections:
        - direction: in
          protocol: tcp
          source: 192.168.1.20
          source_port: 40312
          destination: 192.168.1.5
          destination_port: 8080
          translated: 192.168.233.101
          translated_port: 80
      drift: ["bridge vmnet8: mtu is 1400, should be 1500"]
drift:
  description: The same for what the networks share, such as the packet filter's program and the files for the boot.
  returned: success
  type: list
  elements: str
  sample: ["nft table inet vmnet (vmnet) is missing"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import host, leases, observe, systemd
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.dhcp import DHCP_UNITS
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.links import LINKS
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.packet_filter import PACKET_FILTER
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Bridge
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan import drift, info
from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import look

PARTS = ["routes", "fdb", "leases", "connections", "drift"]


def gather(names: Any, parts: list[str]) -> dict[str, Any]:
    """Raises InputError for a name that is not a bridge's, and HostError for what cannot be read."""
    state = host.read((LINKS, PACKET_FILTER, DHCP_UNITS))
    bridges = [link.name for link in state.values() if isinstance(link, Bridge)]
    seen = info.Observation(
        stations=observe.stations() if "fdb" in parts else (),
        routes=observe.routes(bridges) if "routes" in parts else (),
        leases=leases.of_networks(bridges) if "leases" in parts else {},
        flows=observe.flows() if "connections" in parts else (),
    )
    found = drift.find(state, systemd.is_running()) if "drift" in parts else []
    return {
        "changed": False,
        "networks": info.networks(state, seen, found, names),
        "drift": [each.text for each in found if each.network is None],
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str"},
            "gather": {"type": "list", "elements": "str", "choices": PARTS, "default": PARTS},
        },
        supports_check_mode=True,
    )
    look(module, lambda: gather(module.params["names"], module.params["gather"]))


if __name__ == "__main__":
    main()
