# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens TCP connections to random ports and prints what one costs: python3 packets.py ADDRESS FIRST COUNT CONNECTIONS [cold].

Between namespaces of one machine a packet is taken all the way within the system call that sends it, and so is the answer:
the time of connect() is the cost of the path there and back, with nobody to wait for. Prints the median in microseconds.
Each of these ports has been connected to once before; if it is to be cold, none has.

With --listen instead of an address: listens on all of these ports until it is ended.
"""

import random
import resource
import selectors
import socket
import statistics
import struct
import sys
import time

RESET = struct.pack("ii", 1, 0)


def connect(address, chosen):
    clock, took = time.perf_counter_ns, []
    for port in chosen:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            started = clock()
            client.connect((address, port))
            took.append(clock() - started)
    return statistics.median(took) / 1000


def listen(ports):
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(ports) + 100, len(ports) + 100))
    waiting = selectors.DefaultSelector()
    for port in ports:
        server = socket.create_server(("", port), backlog=4096)
        server.setblocking(False)
        waiting.register(server, selectors.EVENT_READ, server)
    print("listening", flush=True)
    while True:
        for key, _events in waiting.select():
            try:
                key.data.accept()[0].close()
            except OSError:
                continue  # it has been reset already


def main():
    ports = range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3]))
    if sys.argv[1] == "--listen":
        listen(ports)
    flows = int(sys.argv[4])
    if "cold" in sys.argv:
        chosen = random.sample(ports, min(flows, len(ports)))
    else:
        chosen = random.choices(ports, k=flows)
        connect(sys.argv[1], set(chosen))
    print(connect(sys.argv[1], chosen))


if __name__ == "__main__":
    main()
