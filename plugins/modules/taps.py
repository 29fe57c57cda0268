#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tap devices."""

from __future__ import annotations

DOCUMENTATION = r"""
module: taps
short_description: Manage persistent tap devices and their place on a bridge
description:
  - Creates, changes and removes persistent tap devices, the host's end of a virtual machine's network card.
  - A tap keeps its bridge, its owner and its guest through every change that the kernel allows.
version_added: 0.1.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
  - tapestry.vmnet.resources.iproute2
options:
  taps:
    description: The taps.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the interface, at most 15 characters.
        type: str
        required: true
      bridge:
        description: The bridge that it is a port of. Left where it is if not given.
        type: str
      owner:
        description: User that may open it, by name or number. Without owner and group only root may.
        type: str
      group:
        description: Group whose members may open it, by name or number.
        type: str
      multi_queue:
        description:
          - Whether it can be opened several times, once for each queue. The default is V(false).
          - The kernel fixes this when the tap is made; a tap that is not in use is made anew to change it.
        type: bool
      vnet_hdr:
        description:
          - Whether packets are read and written with a header for offloads (C(IFF_VNET_HDR)).
          - Whoever opens the tap may choose otherwise, and most do; if given, this is put right while nobody has it open.
        type: bool
      mac:
        description: MAC address of the host's end, which is not the guest's. The default is derived from the host and the name.
        type: str
      mtu:
        description:
          - Largest packet, in bytes. The default is that of the bridge, as it is when the module runs.
          - Check mode of a play that has yet to make the bridge cannot know it, and predicts 1500.
        type: int
      isolated:
        description: Whether it can talk to ports that are not isolated only. The default is V(false).
        type: bool
      learning:
        description: Whether the bridge learns MAC addresses from it. The default is V(true).
        type: bool
      unicast_flood:
        description: Whether it gets frames for unknown MAC addresses. The default is V(true).
        type: bool
      hairpin:
        description: Whether frames may leave by it that came in by it. The default is V(false).
        type: bool
      vlan:
        description:
          - The VLANs of the guest, on a bridge with O(tapestry.vmnet.bridges#module:bridges[].vlan_filtering=true).
          - Without it, the tap is in the bridge's default VLAN, untagged.
        type: dict
        suboptions:
          pvid:
            description: The VLAN of frames without a tag, 1 to 4094. V(0) means that they are dropped.
            type: int
            default: 0
          tagged:
            description: VLANs whose frames have a tag, as numbers and ranges such as V(20) and V(30-39).
            type: list
            elements: str
            default: []
      autostart:
        description: Whether the tap is made at boot. If not, the next run makes it again.
        type: bool
        default: true
seealso:
  - module: tapestry.vmnet.bridges
"""

EXAMPLES = r"""
- name: Network cards for two guests
  tapestry.vmnet.taps:
    taps:
      - {name: vnet0, bridge: vmnet8, owner: libvirt-qemu}
      - {name: vnet1, bridge: vmnet8, owner: libvirt-qemu}

- name: A guest in one VLAN, and one that sorts out several by itself
  tapestry.vmnet.taps:
    taps:
      - name: vnet0
        bridge: br0
        vlan: {pvid: 10}
      - name: vnet1
        bridge: br0
        vlan: {tagged: [10, 20-29]}
"""

RETURN = r"""
taps:
  description: The listed taps and all others of the scope, as they are now; in check mode, as they would be.
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
    bridge:
      description: The bridge that it is a port of; V(none) if of none.
      type: str
      returned: success
    owner:
      description: User id of who may open it; V(none) for root only.
      type: int
      returned: success
    group:
      description: Group id of who may open it.
      type: int
      returned: success
    multi_queue:
      description: Whether it has several queues.
      type: bool
      returned: success
    vnet_hdr:
      description: Whether packets come with offload headers.
      type: bool
      returned: success
    mac:
      description: The MAC address of the host's side.
      type: str
      returned: success
    mtu:
      description: Largest packet, in bytes.
      type: int
      returned: success
    isolated:
      description: Whether it talks only to ports that are not isolated.
      type: bool
      returned: success
    learning:
      description: Whether the bridge learns MAC addresses from it.
      type: bool
      returned: success
    unicast_flood:
      description: Whether it gets frames for unknown MAC addresses.
      type: bool
      returned: success
    hairpin:
      description: Whether frames may leave by the port by which they came.
      type: bool
      returned: success
    vlan:
      description: Its VLANs, with C(pvid) and C(tagged); V(none) where the bridge does not filter them.
      type: dict
      returned: success
    up:
      description: Whether it is up.
      type: bool
      returned: success
  sample:
    - name: vnet0
      bridge: vmnet8
      owner: 64055
      mtu: 1500
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.taps import TAPS


def main() -> None:
    run(AnsibleModule(common_options(listed(TAPS)), supports_check_mode=True), TAPS)


if __name__ == "__main__":
    main()
