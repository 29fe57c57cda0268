# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sends the first packet of many UDP flows and prints what one costs: python3 packets.py ADDRESS FIRST COUNT FLOWS [SOURCE].

Between namespaces of one machine a packet is taken all the way to the receiver's interface within the system call that
sends it. So the time of that call is the cost of the path, and needs nobody to answer. Prints the median in microseconds.
"""

import random
import socket
import statistics
import sys
import time


def main():
    address, first, count, flows = sys.argv[1], *map(int, sys.argv[2:5])
    sockets = []
    for _flow in range(flows):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.connect((address, first + random.randrange(count)))
        sockets.append(sender)
    clock, took = time.perf_counter_ns, []
    for sender in sockets:
        started = clock()
        sender.send(b"x")
        took.append(clock() - started)
    print(statistics.median(took) / 1000)


if __name__ == "__main__":
    main()
