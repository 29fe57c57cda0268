# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the resource modules share."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description:
      - V(present) makes sure that the listed entries are there and as described.
      - V(absent) removes the listed entries; only what names them is needed then, which for a port forward includes its target.
        What was not made by this collection stays; what it adopted is released.
    type: str
    choices: [present, absent]
    default: present
  purge:
    description:
      - Also remove what carries our mark in this O(scope) and is not listed.
      - What was not made by this collection is never purged.
    type: bool
    default: false
  purge_bridges:
    description:
      - For these bridges the list is complete. What carries our mark in this O(scope), belongs to one of them and is not listed
        is removed.
    type: list
    elements: str
    default: []
  scope:
    description:
      - Whose the entries are, a short word. Runs with different scopes leave each other's entries alone.
      - The roles use their own name.
    type: str
    default: default
  persistent:
    description:
      - Whether the entries also survive a reboot of the host.
      - Of a DHCP service only the files do, where not; it is not started.
    type: bool
    default: true
  service_manager:
    description:
      - What starts services and restores everything at boot.
      - V(auto) picks V(systemd) where it runs, and V(none) elsewhere. With V(none) the same files are written,
        and C(/etc/vmnet/restore) is yours to call at boot.
    type: str
    choices: [auto, systemd, none]
    default: auto
attributes:
  check_mode:
    support: full
    description: Can run in check mode and predict what a run would change, without changing it.
  diff_mode:
    support: full
    description: Returns what has been changed, or would be in check mode, as before and after.
  idempotent:
    support: full
    description: A second run with the same options changes nothing.
  platform:
    description: Systems that it works on.
    platforms: linux
    support: full
requirements:
  - Root on the host.
"""

    # Ansible refuses a fragment with neither options nor attributes.
    PYROUTE2 = r"""
options: {}
requirements:
  - pyroute2 >= 0.7.2 on the host. Where another Python of the host has it, the module continues under that one.
"""
    IPROUTE2 = r"""
options: {}
requirements:
  - iproute2 on the host.
"""

    NFTABLES = r"""
options: {}
requirements:
  - nftables >= 1.0.6 on the host.
"""
