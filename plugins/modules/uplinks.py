#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uplinks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: uplinks
short_description: Move network cards into bridges, with all that the host is on them
description:
  - Makes a network card a port of a bridge. The host's addresses, routes and rules move from it to the bridge in one
    go, so that the host stays on its network, open connections stay open, and guests on the bridge are on that network, too.
  - Before it changes anything, the host arms a way back, a shell script that needs neither Ansible nor Python. It is taken after
    O(confirm_timeout) seconds, unless the controller has reached the host over a new connection by then. It is also taken by the next
    boot of a host that goes down before that, if systemd is its service manager. The task fails if it was taken, and the host is as
    it was.
  - While a change is not confirmed, another run is refused, in check mode, too.
  - The configuration of what brings the host to its network at boot is rewritten so that the host is on the bridge after a reboot.
    That is found out for each interface, and may be ifupdown, systemd-networkd, NetworkManager or netplan. An interface with addresses
    that is configured by something else is refused.
  - Files that are changed are kept in C(/etc/vmnet), and O(state=absent) puts them back, and the addresses and routes with them.
  - From then on it is the bridge that is configured, in the RV(uplinks[].files). They may be edited. Before O(state=absent), the edits
    have to be undone.
version_added: 0.2.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
options:
  uplinks:
    description: The interfaces.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The network card, bond or VLAN. Bonds and VLANs are tested with systemd-networkd only.
          - Wireless interfaces, the loopback interface, taps, bridges and ports of other bridges are refused.
        type: str
        required: true
      bridge:
        description:
          - The bridge that it is to be a port of. It must exist, made by M(tapestry.vmnet.bridges) with this interface as its
            O(tapestry.vmnet.bridges#module:bridges[].uplink).
          - Required if O(state=present).
        type: str
      migrate:
        description: Whether what the host is on the interface may move. If not, an interface with addresses or routes is refused.
        type: bool
        default: true
  confirm_timeout:
    description:
      - Seconds that the controller has for reaching the host over a new connection, once the change is made. 5 to 3600.
      - Making the change takes a few seconds, and at most two minutes.
    type: int
    default: 60
attributes:
  action:
    support: full
    description: Runs partly on the controller, which opens the new connection.
notes:
  - The connection has to be one over the host's network, as SSH is. With V(ansible_connection=local), or into a container, nothing could be
    learned from it; an interface that the host has addresses, routes or rules on is refused then, unless nothing has to change.
  - With an IPv4 DHCP client, the lease goes on on the bridge, which has the MAC address of the interface and calls itself as before.
    Tested are ISC's client with ifupdown, NetworkManager's own, and that of systemd-networkd, alone and with netplan.
    To a DHCPv6 server the bridge may be another client than the interface was.
  - Addresses, routes and rules that nothing configures at boot move, too, and are gone after a reboot as they were before.
  - Addresses that M(tapestry.vmnet.bridges) has given to the bridge stay on it with O(state=absent).
  - Without systemd, a host that goes down before the change is confirmed comes up with it.
seealso:
  - module: tapestry.vmnet.bridges
"""

EXAMPLES = r"""
- name: The bridge that stands in for the network card
  tapestry.vmnet.bridges:
    bridges:
      - {name: br0, uplink: enp1s0}

- name: The host on the bridge, and the network card as its port
  tapestry.vmnet.uplinks:
    uplinks:
      - {name: enp1s0, bridge: br0}
    confirm_timeout: 30

- name: Back again
  tapestry.vmnet.uplinks:
    uplinks:
      - name: enp1s0
    state: absent
"""

RETURN = r"""
uplinks:
  description: The uplinks of the scope, as they are now; in check mode, as they would be.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The interface.
      returned: success
      type: str
      sample: enp1s0
    bridge:
      description: The bridge that it is a port of.
      returned: success
      type: str
      sample: br0
    manager:
      description:
        - What makes the bridge at boot. V(none) for an interface that nothing configured, which C(vmnet.service) sees to.
      returned: success
      type: str
      sample: networkd
    addresses:
      description: The host's addresses on the bridge.
      returned: success
      type: list
      elements: str
      sample: [192.168.1.5/24]
    files:
      description: Files of the manager that were changed or added.
      returned: success
      type: list
      elements: str
      sample: [/etc/network/interfaces]
"""

from dataclasses import replace

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import systemd, uplinks
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.links import LINKS
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields, refuse_duplicates
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.uplink import (
    CONFIRM_TIMEOUT,
    Uplink,
    confirm_timeout,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.uplinks import (
    plan_uplinks,
    require_bridges,
    show_uplinks,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import Subject, common_options, listed, run


def parse(entries: list[Fields], present: bool) -> list[Uplink]:
    parsed = [(entry.at, Uplink.parse(entry, present)) for entry in entries]
    refuse_duplicates((at, uplink.name, "the name") for at, uplink in parsed)
    refuse_duplicates((at, uplink.bridge, "the bridge") for at, uplink in parsed if uplink.bridge)
    return [uplink for _at, uplink in parsed]


UPLINKS = Subject(
    "uplinks",
    key="name",
    entry={
        "name": {"type": "str", "required": True},
        "bridge": {"type": "str"},
        "migrate": {"type": "bool", "default": True},
    },
    backends=(LINKS, uplinks.STATIONS),
    parse=parse,
    plan=plan_uplinks,
    show=show_uplinks,
    require=require_bridges,
)


def main() -> None:
    options = {**listed(UPLINKS), "confirm_timeout": {"type": "int", "default": CONFIRM_TIMEOUT}}
    module = AnsibleModule(common_options(options), supports_check_mode=True)
    try:
        timeout = Fields(module.params, "options").required("confirm_timeout", confirm_timeout)
    except InputError as error:
        module.fail_json(msg=str(error))
    use_systemd = module.params["service_manager"] != "none" and systemd.is_running()
    run(module, replace(UPLINKS, change=uplinks.Move(timeout, use_systemd)))


if __name__ == "__main__":
    main()
