# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's numbers for what links have: linux/if_link.h, if_bridge.h, if_tun.h, if_addr.h, rtnetlink.h."""

from __future__ import annotations

import struct

LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
ADDRESS = struct.Struct("=BBBBi")  # ifaddrmsg: family, prefix length, flags, scope, index
VLAN = struct.Struct("=HH")  # bridge_vlan_info: flags, VLAN

IFF_UP = 1 << 0
IFF_LOOPBACK = 1 << 3

# IFLA_*
MAC, NAME, MTU, MASTER, INFO, ALIAS, AF_SPEC, GROUP, EXT_MASK, CARRIER = 1, 3, 4, 10, 18, 20, 26, 27, 29, 33
# IFLA_INFO_*
KIND, DATA, SLAVE_KIND, SLAVE_DATA = 1, 2, 4, 5
# IFLA_BR_*
FORWARD_DELAY, AGEING_TIME, STP, VLAN_FILTERING, SNOOPING, DEFAULT_PVID = 1, 4, 5, 7, 23, 39
# IFLA_BRPORT_*, by the names of our fields
PORT_FLAGS = {"isolated": 33, "learning": 8, "unicast_flood": 9, "hairpin": 4}
# IFLA_TUN_*
TUN_OWNER, TUN_GROUP, TUN_TYPE, TUN_VNET_HDR, TUN_PERSIST, TUN_MULTI_QUEUE = 1, 2, 3, 5, 6, 7
IS_TAP = 2
# IFLA_INET6_*
ADDR_GEN_MODE = 8
BY_MAC, NO_LINK_LOCAL = 0, 1  # IN6_ADDR_GEN_MODE_*
# IFLA_BRIDGE_*, with the flags of a VLAN
VLAN_INFO = 2
PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 2, 4, 8, 16
# RTEXT_FILTER_*
COMPRESSED_VLANS, NO_STATISTICS = 1 << 2, 1 << 3
# IFA_*
PEER, LOCAL, ADDRESS_FLAGS = 1, 2, 8
NODAD = 0x02

USER_HZ = 100  # in which the kernel counts the times of a bridge
