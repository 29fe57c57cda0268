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
  - Without systemd, or with O(service_manager=none), it is a plain daemon with the same files, which gives up being root after its
    start. The script C(/etc/vmnet/restore) starts it at boot; nothing starts it again after a crash but the next run.
  - It answers on its own bridge only, and leaves other DNS and DHCP servers of the host alone.
  - A change of reservations, options, routes, names with their addresses, or forwarders is taken over by the running server.
    Any other change, such as of a range, of a record that is no address, or of which guests have options of their own, restarts
    that one server, which keeps its leases.
    The difference shows a reload as C(reloaded_with) and a restart as C(started_with) of the service.
  - What a reservation gave is taken back when it goes. The guest asks again when half of its lease time is over.
  - The bridge need not be there yet; the server waits for it.
  - A port that somebody else has is reported before anything changes, with the process that has it.
  - For each new lease, the server writes all of them to the disk, which decides how many new guests it can serve in a second. A guest that
    is not answered asks again; two thousand that come at once all get theirs.
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
            description: MAC address by which the guest is known. One of this, C(client_id) and C(duid) is needed.
            type: str
          client_id:
            description:
              - Client identifier by which the guest is known to DHCPv4 (option 61), octets like V(01:52:54:00:00:00:65) or a text.
              - Where O(dhcp[].reservations[].mac) is given, too, either is enough.
            type: str
          duid:
            description: DHCP unique identifier by which the guest is known to DHCPv6, instead of by its MAC address.
            type: str
          addresses:
            description:
              - Addresses inside the subnet, in a range or not.
              - Without an address of a family the guest gets one from the ranges.
              - DHCP hands out the first IPv4 address. The others are kept from other guests, for this one to set by itself.
              - Of several IPv6 addresses a guest gets the first that it does not have yet. They are handed out where
                O(dhcp[].ipv6=stateful).
              - All have the guest's name in DNS.
            type: list
            elements: str
          options:
            description:
              - DHCPv4 options of this guest, before those of the network; as in O(dhcp[].options).
              - Other values are taken over by the running server; the first option of a guest and the last restart it.
            type: dict
      autostart:
        description: Whether the service is started at boot. If not, the next run starts it.
        type: bool
        default: true
      known_only:
        description: Whether only guests with a reservation are served. The default is V(false).
        type: bool
      lease_limit:
        description: How many leases there can be at once. The default is the size of the subnets, at most 65536.
        type: int
      authoritative:
        description:
          - Whether a guest that asks for an address of elsewhere is told so at once, instead of left to give up.
          - The default is V(true).
        type: bool
      rapid_commit:
        description: Whether guests that offer it get their lease with two messages instead of four (RFC 4039). The default is V(false).
        type: bool
      ping_check:
        description:
          - Whether an address is offered only after nobody has answered a ping to it. A guest then waits three seconds for its first
            lease, and where several start at once, each waits for those before it.
          - The default is V(false).
        type: bool
      options:
        description:
          - DHCPv4 options by dnsmasq's name, such as V(ntp-server), or by number, with a value or a list of values.
          - Of an option that has no name here, the value is an address, a number (V(5), or V(5b), V(5s), V(5i) for one of
            1, 2 or 4 octets), a row of octets (V(01:0a:ff)), or a text. Put V(01:10:20) in quotes, it is a number to YAML.
          - What follows from another field is not set here, but V(router), V(dns-server) and V(domain-name) replace what does.
        type: dict
      forced_options:
        description: Options that are also sent to guests that did not ask for them; as in O(dhcp[].options). A change restarts the server.
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
      boot:
        description: What guests boot from the network (PXE).
        type: dict
        suboptions:
          file:
            description: Boot file of guests for which O(dhcp[].boot.files) has none.
            type: str
          files:
            description:
              - Boot files by architecture of the firmware, V(bios), V(efi-ia32), V(efi-x86_64), V(efi-arm32), V(efi-arm64) or
                V(efi-riscv64).
              - V(ipxe) is for whoever runs iPXE already, whatever the architecture, and may be a URL.
            type: dict
          server:
            description: IPv4 address of the TFTP server that has the files. The host itself if not given.
            type: str
          tftp_root:
            description:
              - Directory of the host that the server offers by TFTP. It has to be there, and readable for everybody.
              - Let guests reach it with C(tftp) among O(tapestry.vmnet.policies#module:policies[].host_services). The roles do so unless
                C(host_services) is given.
            type: path
      checksum_fix:
        description:
          - What is done about the unfinished UDP checksum with which DHCP answers leave the host. Clients on the host itself or in its
            virtual machines know that it is fine, but for some old ones that read raw packets.
          - V(none) does nothing, which is the default.
          - V(tc) completes it on the way out of the bridge. The kernel needs C(act_csum) and C(cls_flower); the bridge has to be there.
        type: str
        choices: [none, tc]
      dns:
        description: Name resolution for the guests.
        type: dict
        suboptions:
          enabled:
            description: Whether the host answers DNS at all. If not, port 53 is closed. The default is V(true).
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
          domain_forwarders:
            description: For a domain and all below it, a list of the addresses of the DNS servers to ask.
            type: dict
          rebind_protection:
            description:
              - Whether answers from outside with private addresses are withheld, except in O(dhcp[].dns.domain_forwarders).
              - The default is V(false), because the names of a local network may well have such.
            type: bool
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
              cname:
                description: The name that it stands for, known here. A change of this or of what follows restarts the server.
                type: str
              txt:
                description: Texts of it.
                type: list
                elements: str
              srv:
                description: Where a service is, for a name like V(_ldap._tcp).
                type: list
                elements: dict
                suboptions:
                  target:
                    description: Name of the host that has it.
                    type: str
                    required: true
                  port:
                    description: Its port there.
                    type: int
                    required: true
                  priority:
                    description: The lowest is tried first. The default is V(0).
                    type: int
                  weight:
                    description: Share among those of one priority. The default is V(0).
                    type: int
requirements:
  - dnsmasq >= 2.89 on the host; of Debian's packages, dnsmasq-base is enough.
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
          domain_forwarders:
            corp.example: [10.0.0.53]
          records:
            - name: printer
              addresses: [192.168.233.77]
            - name: www
              cname: web
            - name: _ldap._tcp
              srv:
                - target: web
                  port: 389

- name: Guests that boot from the network, by the firmware that they have
  tapestry.vmnet.dhcp:
    dhcp:
      - bridge: vmnet8
        addresses: [192.168.233.2/24]
        ranges: [192.168.233.100-192.168.233.200]
        boot:
          files:
            bios: pxelinux.0
            efi-x86_64: grubx64.efi
            ipxe: http://192.168.233.2/menu.ipxe
          tftp_root: /srv/tftp

- name: Addresses by DHCPv6, for guests that are known by one thing or another
  tapestry.vmnet.dhcp:
    dhcp:
      - bridge: vmnet8
        addresses: [192.168.233.2/24, "fd00:233::2/64"]
        ranges: ["fd00:233::1000-fd00:233::1fff"]
        ipv6: stateful
        known_only: true
        reservations:
          - name: web
            mac: 52:54:00:00:00:65
            addresses: [192.168.233.101, "fd00:233::65"]
            options:
              ntp-server: [192.168.233.9]
          - name: db
            client_id: "01:52:54:00:00:00:66"
            duid: "00:03:00:01:52:54:00:00:00:66"
            addresses: [192.168.233.102, "fd00:233::66"]

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
  contains:
    bridge:
      description: The network's bridge.
      type: str
      returned: success
    addresses:
      description: The host's addresses there.
      type: list
      elements: str
      returned: success
    ranges:
      description: Ranges of addresses that are handed out.
      type: list
      elements: str
      returned: success
    lease_time:
      description: In seconds, or V(infinite).
      type: str
      returned: success
    reservations:
      description: What guests are known by and get.
      type: list
      elements: dict
      returned: success
    known_only:
      description: Whether only guests with a reservation are served.
      type: bool
      returned: success
    lease_limit:
      description: Leases that there can be at once; V(none) for as many as there is room.
      type: int
      returned: success
    authoritative:
      description: Whether requests for addresses of elsewhere are refused.
      type: bool
      returned: success
    rapid_commit:
      description: Whether two messages are enough.
      type: bool
      returned: success
    ping_check:
      description: Whether an address is pinged before it is offered.
      type: bool
      returned: success
    options:
      description: DHCP options by name.
      type: dict
      returned: success
    forced_options:
      description: Those that are sent unasked.
      type: dict
      returned: success
    routes:
      description: Classless routes.
      type: list
      elements: dict
      returned: success
    mtu:
      description: Largest packet, in bytes.
      type: int
      returned: success
    router:
      description: Whether guests get a default route.
      type: bool
      returned: success
    ipv6:
      description: How guests get IPv6 addresses.
      type: str
      returned: success
    boot:
      description: Network boot.
      type: dict
      returned: success
    checksum_fix:
      description: How UDP checksums are completed.
      type: str
      returned: success
    dns:
      description: The names that are served, and how others are looked up.
      type: dict
      returned: success
  sample:
    - bridge: vmnet8
      addresses: [192.168.233.2/24]
      ranges: [192.168.233.100-192.168.233.200]
      lease_time: "3600"
      reservations:
        - name: web
          mac: 52:54:00:00:00:65
          client_id: null
          duid: null
          addresses: [192.168.233.101]
          options: {}
      known_only: false
      lease_limit: null
      authoritative: true
      rapid_commit: false
      ping_check: false
      options: {}
      forced_options: {}
      routes: []
      mtu: null
      router: true
      ipv6: none
      boot: null
      checksum_fix: none
      dns:
        enabled: true
        domain: vmnet8.internal
        forward: true
        forwarders: []
        domain_forwarders: {}
        rebind_protection: false
        records:
          - name: www
            addresses: []
            cname: web
            txt: []
            srv: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.dhcp import DHCP


def main() -> None:
    run(AnsibleModule(common_options(listed(DHCP)), supports_check_mode=True), DHCP)


if __name__ == "__main__":
    main()
