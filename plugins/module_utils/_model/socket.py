# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port that a process of the host listens on: a forward would take it from it, and no other server can have it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Optional

from . import net
from .resource import Resource

PROTOCOLS = ("tcp", "udp", "sctp")

# As ss writes them: "*" is "::" with IPv4 in it.
_WILDCARDS = {"*": (4, 6), "0.0.0.0": (4,), "::": (6,)}
_PROCESS = re.compile(r'\(\("([^"]*)",pid=(\d+)')


@dataclass(frozen=True)
class Socket(Resource):
    """``name`` is ``<protocol> <address>:<port>``; ``process`` is like ``sshd (pid 44)``, empty where it cannot be seen: in a container, or in the kernel."""

    kind: ClassVar[str] = "socket"

    protocol: str
    address: str
    port: int
    process: str = ""

    def listens_on(self, protocol: str, address: net.Address, port: int) -> bool:
        """Whether what is sent there comes to this socket."""
        return (self.protocol, self.port) == (protocol, port) and (
            address.version in self.families if self.families else address == net.address(self.address)
        )

    @property
    def families(self) -> tuple[int, ...]:
        """The IP versions of which it listens on all addresses; none if it listens on one address."""
        return _WILDCARDS.get(self.address, ())

    def __str__(self) -> str:
        return f"{self.process or 'a process of a container, or the kernel,'} listens on {self.name}"


def parse(line: str) -> Optional[Socket]:
    """A line of ``ss -H -l -n -p``: ``tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=44,fd=3))``."""
    words = line.split()
    if len(words) < 6 or words[0] not in PROTOCOLS:
        return None
    place, _colon, port = words[4].rpartition(":")
    address = place.strip("[]").partition("%")[0].strip("[]")
    if not port.isdigit() or not _is_address(address):
        return None
    found = _PROCESS.search(line)
    process = f"{found[1]} (pid {found[2]})" if found else ""
    return Socket(f"{words[0]} {words[4]}", words[0], address, int(port), process)


def _is_address(text: str) -> bool:
    try:
        return text in _WILDCARDS or bool(net.address(text))
    except ValueError:
        return False
