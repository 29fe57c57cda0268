#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that networks are made of, in one run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: resources
short_description: Manage all that virtual machine networks are made of in one run
description:
  - Does what the modules M(tapestry.vmnet.policies), M(tapestry.vmnet.coexist), M(tapestry.vmnet.nat), M(tapestry.vmnet.bridges),
    M(tapestry.vmnet.taps), M(tapestry.vmnet.port_forwards) and M(tapestry.vmnet.dhcp) do, one after the other in this order, and for
    O(state=absent) in the opposite one, but M(tapestry.vmnet.coexist) first.
  - It is one module run in place of up to seven, and looks at the host once where nothing is to be done. The roles are made of it.
  - All entries are checked before the first change, each kind on what those before it are going to leave behind, so a tap finds the bridge
    that is yet to be made. In check mode this is what is shown. What the host lacks for them is refused before the first change, too,
    but not in check mode, as an earlier task may be going to bring it.
  - Uplinks have to be there before, also where O(bridges) would make them.
  - With O(purge) a network's policy goes before its bridge does, so that until then nothing keeps its guests from what the host
    forwards. With O(state=absent) the bridge goes first.
  - Should it fail after some kinds were changed nevertheless, it names them and returns their difference.
version_added: 0.3.0
author: The tapestry.vmnet authors (@tapestry)
extends_documentation_fragment:
  - tapestry.vmnet.resources
options:
  policies:
    description:
      - Entries as in O(tapestry.vmnet.policies#module:policies).
      - At least one kind is needed. The entries of those that are not given stay as they are recorded; an empty list is given, too, and
        what it does not name may be purged.
    type: list
    elements: dict
  networks:
    description: Entries as in O(tapestry.vmnet.coexist#module:networks).
    type: list
    elements: dict
  coexist:
    description: As in O(tapestry.vmnet.coexist#module:coexist), about the O(networks).
    type: str
    choices: [auto, report, "off"]
    default: report
  nat:
    description: Entries as in O(tapestry.vmnet.nat#module:nat).
    type: list
    elements: dict
  bridges:
    description: Entries as in O(tapestry.vmnet.bridges#module:bridges).
    type: list
    elements: dict
  taps:
    description: Entries as in O(tapestry.vmnet.taps#module:taps).
    type: list
    elements: dict
  port_forwards:
    description: Entries as in O(tapestry.vmnet.port_forwards#module:port_forwards).
    type: list
    elements: dict
  dhcp:
    description: Entries as in O(tapestry.vmnet.dhcp#module:dhcp).
    type: list
    elements: dict
  needs:
    description:
      - What the host has to have before anything is changed, of the programs V(dnsmasq), V(ip) and V(nft), and of the library V(pyroute2)
        for any of its Pythons.
      - Where it lacks any of it, all entries are checked as in check mode, but for what only that could tell, nothing is changed, and it is
        returned as RV(missing). Tasks may bring it then, and be followed by a run without this option.
      - Without it a host that lacks something is refused. Check mode predicts either way.
    type: list
    elements: str
    choices: [dnsmasq, ip, nft, pyroute2]
    default: []
requirements:
  - iproute2 on the host, where O(bridges) or O(taps) are given.
  - dnsmasq >= 2.89 on the host, where O(dhcp) is given.
  - nftables >= 1.0.6 on the host, where O(policies), O(nat) or O(port_forwards) is given.
  - pyroute2 >= 0.7.2 on the host, where there are or were O(port_forwards). Where another Python of the host has it, the module continues
    under that one.
seealso:
  - module: tapestry.vmnet.policies
  - module: tapestry.vmnet.coexist
  - module: tapestry.vmnet.nat
  - module: tapestry.vmnet.bridges
  - module: tapestry.vmnet.taps
  - module: tapestry.vmnet.port_forwards
  - module: tapestry.vmnet.dhcp
"""

EXAMPLES = r"""
- name: A network behind NAT, with a guest
  tapestry.vmnet.resources:
    policies:
      - bridge: vmnet8
        subnets: [192.168.233.0/24]
        mode: nat
    nat:
      - bridge: vmnet8
        subnets: [192.168.233.0/24]
    bridges:
      - name: vmnet8
        addresses: [192.168.233.2/24]
    taps:
      - name: vnet0
        bridge: vmnet8
    dhcp:
      - bridge: vmnet8
        addresses: [192.168.233.2/24]
        ranges: [192.168.233.100-192.168.233.200]
"""

RETURN = r"""
missing:
  description: What of O(needs) the host lacks. If it is anything, nothing was changed, and but in check mode nothing else is returned.
  returned: success
  type: list
  elements: str
  sample: [nft]
policies:
  description: As RV(tapestry.vmnet.policies#module:policies).
  returned: when O(policies) is given
  type: list
  elements: dict
networks:
  description: As RV(tapestry.vmnet.coexist#module:networks).
  returned: when O(networks) is given
  type: list
  elements: dict
nat:
  description: As RV(tapestry.vmnet.nat#module:nat).
  returned: when O(nat) is given
  type: list
  elements: dict
bridges:
  description: As RV(tapestry.vmnet.bridges#module:bridges).
  returned: when O(bridges) is given
  type: list
  elements: dict
taps:
  description: As RV(tapestry.vmnet.taps#module:taps).
  returned: when O(taps) is given
  type: list
  elements: dict
port_forwards:
  description: As RV(tapestry.vmnet.port_forwards#module:port_forwards).
  returned: when O(port_forwards) is given
  type: list
  elements: dict
dhcp:
  description: As RV(tapestry.vmnet.dhcp#module:dhcp).
  returned: when O(dhcp) is given
  type: list
  elements: dict
"""

from dataclasses import replace
from glob import glob

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import NEEDS, Subject, common_options, listed, run
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.bridges import BRIDGES
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.coexist import NETWORKS, OPTION, networks
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.dhcp import DHCP
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.nat import NAT
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.policies import POLICIES
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.port_forwards import PORT_FORWARDS
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.taps import TAPS

# The filter before anything could cross, other firewalls' too, and bridges before what is on them.
SUBJECTS = (POLICIES, NETWORKS, NAT, BRIDGES, TAPS, PORT_FORWARDS, DHCP)


def check_entries(module: AnsibleModule, subject: Subject) -> None:
    """As its own module does: its documentation is there, so its specification is not repeated here."""
    checked = ArgumentSpecValidator(listed(subject)).validate({subject.option: module.params[subject.option]})
    for error in checked.errors.errors[:1]:  # as any module does
        unknown = f"Unsupported parameters for ({module._name}) module: " if isinstance(error, UnsupportedError) else ""
        module.fail_json(msg=f"{unknown}{error.msg}")
    module.params.update(checked.validated_parameters)


def as_given(module: AnsibleModule, subject: Subject) -> Subject:
    if subject is NETWORKS:
        return networks(module.params)
    # Without any, now and before, of whatever scope, no connection is to be forgotten, which is what pyroute2 is for.
    forwards = module.params["port_forwards"] or any(glob(f"{root}/*/port_forwards.nft") for root in layout.ROOTS)
    return replace(subject, needs_pyroute2=subject.needs_pyroute2 and bool(forwards))


def main() -> None:
    lists = {subject.option: {"type": "list", "elements": "dict"} for subject in SUBJECTS}
    needs = {"needs": {"type": "list", "elements": "str", "choices": list(NEEDS), "default": []}}
    module = AnsibleModule(common_options({**lists, **OPTION, **needs}), supports_check_mode=True)
    subjects = [subject for subject in SUBJECTS if module.params[subject.option] is not None]
    if not subjects:
        module.fail_json(msg=f"one of the following is required: {', '.join(lists)}")
    for subject in subjects:
        check_entries(module, subject)
    subjects = [as_given(module, subject) for subject in subjects]
    if module.params["state"] == "absent":
        subjects.reverse()
        # What others let through for us is closed before anything goes; our own filter is the last to go.
        subjects.sort(key=lambda subject: subject.option != NETWORKS.option)
    run(module, *subjects, needs=module.params["needs"])


if __name__ == "__main__":
    main()
