# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes taps with nothing between Python and the kernel: python3 taps_floor.py BRIDGE COUNT [settled]. Prints the seconds it took.

One ioctl makes a tap, one more makes it persistent, and one stream of netlink messages puts all of them on the bridge. With
*settled* the kernel is first asked about each tap, by which it notes that nobody has it open; a bridge has less to do for such a
port. There is no faster way that we know of, so this is what the kernel itself needs.
"""

import fcntl
import os
import socket
import struct
import sys
import time

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI = 2, 0x1000
RTM_GETLINK, RTM_SETLINK, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 18, 19, 1, 4, 2
IFLA_MASTER, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS, IFF_UP = 10, 29, 8, 1


def message(kind, index, flags, attribute, value):
    body = struct.pack("=BxHiII", 0, 0, index, flags, flags) + struct.pack("=HHI", 8, attribute, value)
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body


def stream(netlink, messages):
    """All of them, a hundred at a time; ends the program if one is refused."""
    for first in range(0, len(messages), 100):
        some = messages[first : first + 100]
        netlink.send(b"".join(some))
        waiting = len(some)
        while waiting:
            answer, offset = netlink.recv(1 << 16), 0
            while offset < len(answer):
                length, kind = struct.unpack_from("=IH", answer, offset)
                if kind == NLMSG_ERROR:
                    waiting -= 1
                    error = struct.unpack_from("=i", answer, offset + 16)[0]
                    if error:
                        sys.exit(os.strerror(-error))
                offset += (length + 3) & ~3


def main():
    master, count = socket.if_nametoindex(sys.argv[1]), int(sys.argv[2])
    started = time.perf_counter()
    names = [f"vt{number}" for number in range(count)]
    for name in names:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(tap, TUNSETPERSIST, 1)
        os.close(tap)
    indexes = [socket.if_nametoindex(name) for name in names]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        if "settled" in sys.argv[3:]:
            stream(netlink, [message(RTM_GETLINK, i, 0, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) for i in indexes])
        stream(netlink, [message(RTM_SETLINK, i, IFF_UP, IFLA_MASTER, master) for i in indexes])
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
