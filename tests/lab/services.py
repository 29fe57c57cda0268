# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Servers that tell a client which source address they saw. Runs by itself: python3 services.py --tcp=7 --udp=53.

TCP answers every connection with "<peer address> <peer port>\\n" and then echoes what it gets, so that a test can
watch an established flow; HTTP answers GET with that line as the body; UDP answers every datagram with it, from the
address that the datagram was sent to.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import threading
from collections.abc import Callable


def peer_line(address: str, port: int) -> bytes:
    return f"{address.removeprefix('::ffff:')} {port}\n".encode()


def answer_tcp(connection: socket.socket, line: bytes) -> None:
    connection.sendall(line)
    while received := connection.recv(65536):
        connection.sendall(received)


def answer_http(connection: socket.socket, line: bytes) -> None:
    connection.settimeout(10)
    request = b""
    while b"\r\n\r\n" not in request and b"\n\n" not in request:
        if not (received := connection.recv(65536)):
            break
        request += received
    head = f"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(line)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + (b"" if request.startswith(b"HEAD") else line))


def serve_stream(port: int, answer: Callable[[socket.socket, bytes], None], protocol: int = 0) -> Callable[[], None]:
    server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, protocol)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.listen(512)

    def one(connection: socket.socket, line: bytes) -> None:
        with connection:
            try:
                answer(connection, line)
            except OSError:
                pass  # the client went away

    def loop() -> None:
        while True:
            connection, address = server.accept()
            line = peer_line(address[0], address[1])
            threading.Thread(target=one, args=(connection, line), daemon=True).start()

    return loop


def serve_datagrams(port: int) -> Callable[[], None]:
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    server.bind(("::", port))

    def loop() -> None:
        while True:
            _data, control, _flags, address = server.recvmsg(65536, 256)
            reply_from = [
                (level, kind, value[:16] + struct.pack("@I", 0))
                for level, kind, value in control
                if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
            ]
            try:
                server.sendmsg([peer_line(address[0], address[1])], reply_from, 0, address)
            except OSError as problem:
                print(f"udp {port}: no answer to {address[0]}: {problem}", file=sys.stderr, flush=True)

    return loop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for kind in ("tcp", "udp", "http", "sctp"):
        parser.add_argument(f"--{kind}", type=int, action="append", default=[], metavar="PORT")
    chosen = parser.parse_args()
    loops = [serve_stream(port, answer_tcp) for port in chosen.tcp]
    loops += [serve_stream(port, answer_http) for port in chosen.http]
    loops += [serve_stream(port, answer_tcp, socket.IPPROTO_SCTP) for port in chosen.sctp]
    loops += [serve_datagrams(port) for port in chosen.udp]
    threads = [threading.Thread(target=loop, daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    print("listening", flush=True)
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
