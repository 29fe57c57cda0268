# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Makes taps with nothing between Python and the kernel: python3 taps_floor.py BRIDGE COUNT. Prints the seconds it took.

One ioctl makes a tap, one more makes it persistent, and one stream of netlink messages puts all of them on the bridge. There
is no faster way, so this is what the kernel itself needs.
"""

import fcntl
import os
import socket
import struct
import sys
import time

TUNSETIFF, TUNSETPERSIST = 0x400454CA, 0x400454CB
IFF_TAP, IFF_NO_PI = 2, 0x1000
RTM_SETLINK, NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 19, 1, 4, 2
IFLA_MASTER, IFF_UP = 10, 1


def message(index, sequence, master):
    body = struct.pack("=BxHiII", 0, 0, index, IFF_UP, IFF_UP) + struct.pack("=HHI", 8, IFLA_MASTER, master)
    return struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, sequence, 0) + body


def main():
    master, count = socket.if_nametoindex(sys.argv[1]), int(sys.argv[2])
    started = time.perf_counter()
    names = [f"vt{number}" for number in range(count)]
    for name in names:
        tap = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        fcntl.ioctl(tap, TUNSETPERSIST, 1)
        os.close(tap)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        waiting = 0
        for first in range(0, count, 100):
            some = names[first : first + 100]
            netlink.send(b"".join(message(socket.if_nametoindex(name), 1, master) for name in some))
            waiting += len(some)
            while waiting:
                answer = netlink.recv(1 << 16)
                while answer:
                    length, kind = struct.unpack_from("=IH", answer)
                    error = struct.unpack_from("=i", answer, 16)[0] if kind == NLMSG_ERROR else 0
                    if error:
                        sys.exit(os.strerror(-error))
                    waiting -= 1
                    answer = answer[(length + 3) & ~3 :]
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
