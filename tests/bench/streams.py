# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a packet, or a gigabyte, costs on its way: streams.py packets|stream ADDRESS PORT ROUNDS SIZE. Prints the median.

packets: SIZE datagrams in each round. Between namespaces of one machine each is taken all the way within the system call that
sends it, so the time of send() is the cost of the path, with nobody to wait for; in microseconds. The receiver answers the first
one, that the flow be established, and lets the rest fall.
stream: TCP for SIZE seconds in each round, until the last byte has arrived; in seconds for 10^9 bytes.
listen ADDRESS PORT: takes both until it is ended. Sender and receiver keep to a processor each, or the scheduler would be what is
measured.
"""

import contextlib
import os
import socket
import statistics
import sys
import threading
import time

PIECE = 1 << 18  # bytes
DATAGRAM = 1400  # bytes
QUESTION = b"?"


def keep_to(processor):
    mine = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {mine[processor % len(mine)]})


def packets(address, port, count):
    datagram = bytes(DATAGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.connect((address, port))
        establish(flow)
        send, started = flow.send, time.perf_counter()
        for _number in range(int(count)):
            send(datagram)
        return (time.perf_counter() - started) / count * 1e6


def establish(flow):
    flow.settimeout(0.1)
    for _attempt in range(30):
        flow.send(QUESTION)
        with contextlib.suppress(TimeoutError):
            flow.recv(1)
            flow.settimeout(None)
            return
    raise TimeoutError("timed out")


def stream(address, port, duration):
    piece, sent = bytes(PIECE), 0
    with socket.create_connection((address, port), timeout=3) as flow:
        started = time.perf_counter()
        while time.perf_counter() - started < duration:
            sent += flow.send(piece)
        flow.shutdown(socket.SHUT_WR)
        flow.recv(1)  # the other side has read all and closes
        return (time.perf_counter() - started) / sent * 1e9


def take_packets(address, port):
    """It sleeps and does not wait: whoever waits is woken for every packet, and that costs more than the path."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        server.setblocking(False)
        while True:
            time.sleep(0.02)
            with contextlib.suppress(OSError):
                for _packet in range(1000):
                    what, who = server.recvfrom(DATAGRAM)
                    if what == QUESTION:
                        server.sendto(QUESTION, who)


def take_streams(address, port):
    buffer = bytearray(PIECE)
    with socket.create_server((address, port)) as server:
        print("listening", flush=True)
        while True:
            with server.accept()[0] as flow, contextlib.suppress(OSError):
                while flow.recv_into(buffer):
                    pass


def main():
    what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if what == "listen":
        keep_to(1)
        threading.Thread(target=take_packets, args=(address, port), daemon=True).start()
        take_streams(address, port)
    keep_to(0)
    send, rounds, size = {"packets": packets, "stream": stream}[what], int(sys.argv[4]), float(sys.argv[5])
    send(address, port, size / 10)  # neighbours are known, and the caches are warm
    print(statistics.median(send(address, port, size) for _round in range(rounds)))


if __name__ == "__main__":
    main()
