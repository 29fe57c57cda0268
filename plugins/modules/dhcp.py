#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP, DNS and router advertisements for a network's guests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dhcp
short_description: Manage DHCP, DNS and router advertisements of virtual machine networks
description:
  - Runs one dnsmasq for each network, as the sandboxed and unprivileged service C(vmnet-dhcp@BRIDGE.service).
  - It answers on its own bridge only, and leaves other DNS and DHCP servers of the host alone.
  - A change of reservations or DNS records is taken over by the running server. Any other change restarts that one server,
    which keeps its leases. The difference shows it as C(reloaded_with) or C(started_with).
  - The bridge need not be there yet; the server waits for it.
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
options:
  dhcp:
    description: The networks.
    type: list
    elements: dict
    required: true
    suboptions:
      bridge:
        description: The bridge that the guests are on.
        type: str
        required: true
      addresses:
        description:
          - Addresses of the host on the bridge, with prefix length.
          - The first of each family is the guests' gateway and DNS server.
          - Needed where O(state=present).
        type: list
        elements: str
      ranges:
        description:
          - Addresses to hand out to any guest, like V(192.168.233.100-192.168.233.200).
          - IPv6 ranges are for O(dhcp[].ipv6=stateful).
        type: list
        elements: str
      lease_time:
        description:
          - Seconds, or like V(30m), V(2h), V(1d), or V(infinite). Two minutes is the shortest.
          - The default is V(1h).
        type: str
      reservations:
        description: Guests that always get the same name and addresses.
        type: list
        elements: dict
        suboptions:
          name:
            description: Host name of the guest, and its name in DNS.
            type: str
            required: true
          mac:
            description: MAC address of the guest.
            type: str
            required: true
          addresses:
            description:
              - At most one address of each family, inside the subnet, in a range or not.
              - Without an address of a family the guest gets one from the ranges.
              - An IPv6 address is handed out where O(dhcp[].ipv6=stateful). It has its name in DNS in any case.
            type: list
            elements: str
      known_only:
        description: Whether only guests with a reservation are served. The default is V(false).
        type: bool
      options:
        description:
          - DHCPv4 options by dnsmasq's name, such as V(ntp-server), or by number, with a list of values.
          - What follows from another field is not set here, but V(router), V(dns-server) and V(domain-name) replace what does.
        type: dict
      routes:
        description: Static routes for the guests (option 121).
        type: list
        elements: dict
        suboptions:
          to:
            description: Subnet that the route leads to.
            type: str
            required: true
          via:
            description: Address of the router, inside the guests' subnet.
            type: str
            required: true
      mtu:
        description: Largest packet of the guests, in bytes (option 26, and in router advertisements).
        type: int
      router:
        description:
          - Whether guests get a default route through the host.
          - If not, there is no option 3, and the lifetime in router advertisements is 0.
          - The default is V(true).
        type: bool
      ipv6:
        description:
          - How guests get IPv6 addresses.
          - V(none) announces nothing.
          - V(slaac) announces the prefixes of O(dhcp[].addresses), from which guests form their addresses.
          - V(stateful) hands out addresses by DHCPv6.
          - The default is V(none).
        type: str
        choices: [none, slaac, stateful]
      dns:
        description: Name resolution for the guests.
        type: dict
        suboptions:
          enabled:
            description: Whether the host answers DNS at all. The default is V(true).
            type: bool
          domain:
            description: Domain of the guests' names. Questions about it are never forwarded.
            type: str
          forward:
            description: Whether other names are resolved. The default is V(true).
            type: bool
          forwarders:
            description: Addresses of the DNS servers to ask. The host's own resolvers if not given.
            type: list
            elements: str
          records:
            description: Names that are not those of reservations.
            type: list
            elements: dict
            suboptions:
              name:
                description: A name in O(dhcp[].dns.domain), or a full name.
                type: str
                required: true
              addresses:
                description: The addresses that it leads to. They get a reverse entry, too.
                type: list
                elements: str
                required: true
requirements:
  - dnsmasq >= 2.89 on the host; of Debian's packages, dnsmasq-base is enough.
  - systemd on the host.
seealso:
  - module: tapestry.vmnet.bridges
  - module: tapestry.vmnet.policies
"""

EXAMPLES = r"""
- name: Addresses, names and a default route for a network behind NAT
  tapestry.vmnet.dhcp:
    dhcp:
      - bridge: vmnet8
        addresses: [192.168.233.2/24, "fd00:233::2/64"]
        ranges: [192.168.233.100-192.168.233.200]
        ipv6: slaac
        reservations:
          - name: web
            mac: 52:54:00:00:00:65
            addresses: [192.168.233.101]
        options:
          ntp-server: [192.168.233.2]
        dns:
          domain: vmnet8.internal

- name: A network that leads nowhere
  tapestry.vmnet.dhcp:
    dhcp:
      - bridge: vmnet1
        addresses: [192.168.56.1/24]
        ranges: [192.168.56.100-192.168.56.200]
        router: false
        dns:
          domain: vmnet1.internal
          forward: false
"""

RETURN = r"""
dhcp:
  description: The networks of the scope as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  sample:
    - bridge: vmnet8
      addresses: [192.168.233.2/24]
      ranges: [192.168.233.100-192.168.233.200]
      lease_time: "3600"
      reservations:
        - name: web
          mac: 52:54:00:00:00:65
          addresses: [192.168.233.101]
      known_only: false
      options: {}
      routes: []
      mtu: null
      router: true
      ipv6: none
      dns:
        enabled: true
        domain: vmnet8.internal
        forward: true
        forwarders: []
        records: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.dnsmasq import require
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.dhcp import IPV6_MODES, parse_networks
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.dhcp import plan_dhcp, show_dhcp
from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import Subject, common_options, run

NAMED = {"name": {"type": "str", "required": True}}
DNS = {
    "enabled": {"type": "bool"},
    "domain": {"type": "str"},
    "forward": {"type": "bool"},
    "forwarders": {"type": "list", "elements": "str"},
    "records": {
        "type": "list",
        "elements": "dict",
        "options": {**NAMED, "addresses": {"type": "list", "elements": "str", "required": True}},
    },
}


def main() -> None:
    module = AnsibleModule(
        argument_spec=common_options(
            dhcp={
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "bridge": {"type": "str", "required": True},
                    "addresses": {"type": "list", "elements": "str"},
                    "ranges": {"type": "list", "elements": "str"},
                    "lease_time": {"type": "str"},
                    "reservations": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            **NAMED,
                            "mac": {"type": "str", "required": True},
                            "addresses": {"type": "list", "elements": "str"},
                        },
                    },
                    "known_only": {"type": "bool"},
                    "options": {"type": "dict"},
                    "routes": {
                        "type": "list",
                        "elements": "dict",
                        "options": {
                            "to": {"type": "str", "required": True},
                            "via": {"type": "str", "required": True},
                        },
                    },
                    "mtu": {"type": "int"},
                    "router": {"type": "bool"},
                    "ipv6": {"type": "str", "choices": list(IPV6_MODES)},
                    "dns": {"type": "dict", "options": DNS},
                },
            },
        ),
        supports_check_mode=True,
    )
    subject = Subject(
        "dhcp",
        key="bridge",
        reads=("leases",),
        parse=parse_networks,
        plan=plan_dhcp,
        show=show_dhcp,
        require=require,
    )
    run(module, subject)


if __name__ == "__main__":
    main()
