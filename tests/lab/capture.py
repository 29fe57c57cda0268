# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watching packets: tcpdump on an interface of a node while a block runs."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import namespaces, processes
from .command import LabError, run
from .node import Node
from .waiting import wait_for


class Capture:
    """The packets that went by, as a pcap file; readable during the capture and after it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def packets(self, expression: str = "") -> list[str]:
        """One line per packet, as `tcpdump -nn -e -v` prints it (without the time); `expression` picks some."""
        argv = ["tcpdump", "-nn", "-e", "-v", "-t", "-r", str(self.file), *([expression] if expression else [])]
        lines = run(argv, check=False).stdout.splitlines()  # status 1 when the file ends in the middle of a packet
        packets: list[str] = []
        for line in lines:
            if line[:1].isspace() and packets:
                packets[-1] += " " + line.strip()
            else:
                packets.append(line)
        return packets

    def count(self, expression: str = "") -> int:
        return len(self.packets(expression))


@contextmanager
def capture(node: Node, interface: str, expression: str = "") -> Iterator[Capture]:
    """Capture on `interface` of `node` what matches the tcpdump `expression`; listening before the block begins."""
    name = f"capture-{re.sub('[^a-z0-9]', '_', interface)}-{secrets.token_hex(4)}"
    file = node.state.path("captures", f"{node.name}-{name}.pcap")
    log = node.log_of(name)
    argv = ["tcpdump", "-nn", "-U", "--immediate-mode", "-Z", "root", "-i", interface, "-w", str(file)]
    argv += [expression] if expression else []
    process = processes.spawn(node.state, f"{node.name}: {name}", namespaces.inside(node.namespace, argv), log=log)

    def listening() -> bool:
        return "listening on" in log.read_text() or not processes.alive(process)

    try:
        wait_for(f"{node.name}: tcpdump on {interface}", listening, timeout=10, log=log)
        if not processes.alive(process):
            raise LabError(f"{node.name}: tcpdump on {interface}: {log.read_text().strip()}")
        yield Capture(file)
        time.sleep(0.05)  # a packet that the block has caused may still be between the kernel and the file
    finally:
        node.end(process)
