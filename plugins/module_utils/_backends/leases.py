# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The leases that servers have handed out: read, and taken back without a restart.

dnsmasq forgets a lease when its guest releases it, and at no other request but D-Bus. So that is what it is told, from
the host itself (RFC 2131 section 4.4.6, RFC 8415 section 18.2.7).
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import time
from collections.abc import Iterable
from typing import Optional

from .._model import layout
from .._model.dhcp import HeldLease, Leases
from .._model.errors import HostError
from .._model.lease import Lease
from .._plan.core import Plan
from .._render.leases import parse, server_duid
from . import files

PATIENCE = 5.0  # seconds until a server has written down what it was told
_SETTLED = 0.1  # seconds without a change: more than a busy server needs between emptying the file and filling it
_PAUSE = 0.02  # seconds between two looks at it
_TRIES = 50
_PRIVATE = layout.DHCP_STATE.replace("/var/lib/", "/var/lib/private/")  # where DynamicUser= puts it, and links it from
_ROOTS = (layout.DHCP_STATE, _PRIVATE)

_RELEASE4, _RELEASE6 = 7, 8
_MAGIC = bytes((99, 130, 83, 99))  # RFC 1497
_ALL_SERVERS = "ff02::1:2"


def read() -> list[Leases | HeldLease]:
    """The directories of all networks that ever ran and were not removed, and what is leased."""
    found: list[Leases | HeldLease] = []
    bridges = sorted({name for root in _ROOTS if os.path.isdir(root) for name in os.listdir(root)})
    for bridge, leases in of_networks(bridges).items():
        found.append(Leases(f"{layout.DHCP_STATE}/{bridge}"))
        found += [HeldLease(f"{bridge}/{lease.address}", lease) for lease in leases]
    return found


def of_networks(bridges: Iterable[str]) -> dict[str, list[Lease]]:
    """What the server of each network has handed out; nothing for a network without one."""
    return {bridge: parse(text) for bridge, text in _texts(bridges).items()}


def remove(plan: Plan) -> None:
    """The directories that are to go, with all that is in them."""
    gone = [leases for leases in plan.removed if isinstance(leases, Leases)]
    for leases in gone:
        if os.path.islink(leases.name):
            os.unlink(leases.name)
        # What its process has read goes with its unit, unless somebody has removed the unit from under it.
        for root in (*_ROOTS, layout.DHCP_LOADED):
            files.remove_tree(f"{root}/{os.path.basename(leases.name)}")


def sweep() -> None:
    """Directories without any network, also those that a run which was killed has left."""
    for root in () if os.path.isdir(layout.DHCP) else (*_ROOTS, layout.DHCP_LOADED):
        files.remove_if_empty(root)


def release(plan: Plan) -> None:
    """Take back the leases that are to go. Raises HostError for one that its server keeps."""
    wanted = [lease for lease in plan.removed if isinstance(lease, HeldLease)]
    bridges = sorted({held.bridge for held in wanted})
    duids = {bridge: server_duid(text) for bridge, text in _texts(bridges).items()}
    for held in wanted:
        if not os.path.exists(f"{layout.DHCP_LOADED}/{held.bridge}/pid"):
            _strike_out(held)
        elif held.lease.address.version == 4:
            _release4(held)
        else:
            _release6(held, duids[held.bridge])
    deadline = time.monotonic() + PATIENCE
    left = wanted
    while left:
        there = of_networks(bridges)
        left = [held for held in left if any(lease.address == held.lease.address for lease in there[held.bridge])]
        if left and time.monotonic() > deadline:
            raise HostError(f"the server of {left[0].bridge} does not take back the lease of {left[0].lease.address}")
        time.sleep(0.02 if left else 0)


def _release4(held: HeldLease) -> None:
    lease, server = held.lease, held.server
    mac = bytes.fromhex((lease.mac or "").replace(":", ""))
    if not mac or not server:
        raise _says_too_little(held)
    header = struct.pack(
        "!BBBB4sHH4s12x16s192x", 1, 1, len(mac), 0, secrets.token_bytes(4), 0, 0, lease.address.packed, mac
    )
    options = [(53, bytes([_RELEASE4])), (54, server.packed), (61, _octets(lease.client_id))]
    body = b"".join(bytes([number, len(value)]) + value for number, value in options if value)
    _send(socket.AF_INET, held.bridge, header + _MAGIC + body + b"\xff", (str(server), 67))


def _release6(held: HeldLease, server: Optional[str]) -> None:
    lease = held.lease
    if not lease.duid or not server:
        raise _says_too_little(held)
    address = _option6(5, lease.address.packed + struct.pack("!II", 0, 0))
    binding = _option6(3, struct.pack("!III", lease.iaid or 0, 0, 0) + address)
    known = _option6(1, _octets(lease.duid)) + _option6(2, _octets(server))
    message = bytes([_RELEASE6]) + secrets.token_bytes(3) + known + _option6(8, b"\0\0") + binding
    try:
        place = (_ALL_SERVERS, 547, 0, socket.if_nametoindex(held.bridge))
    except OSError:
        raise HostError(
            f"{held.bridge} is not there; the lease of {lease.address} on it cannot be taken back"
        ) from None
    _send(socket.AF_INET6, held.bridge, message, place)


def _says_too_little(held: HeldLease) -> HostError:
    where = f"the lease of {held.lease.address} on {held.bridge}"
    return HostError(f"{where} says too little about its guest or its server to be taken back")


def _send(family: int, bridge: str, message: bytes, place: tuple[object, ...]) -> None:
    """Bound to the bridge: the server heeds only what comes from there."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, bridge.encode())
            sender.sendto(message, place)
    except OSError as error:
        raise HostError(f"a lease of {bridge} cannot be taken back: {error.strerror}") from None


def _strike_out(held: HeldLease) -> None:
    """Of a server that does not run."""
    path = _path(held.bridge)
    lines = files.read_foreign(path).splitlines(keepends=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines(line for line in lines if [lease.address for lease in parse(line)] != [held.lease.address])


def _texts(bridges: Iterable[str]) -> dict[str, str]:
    """What each server has written down.

    It empties the file and fills it again, and the time of the change comes after the emptying. So one that changes right
    now is read again, and one that is empty only counts when it is so twice.
    """
    found: dict[str, str] = {}
    left = list(bridges)
    for _try in range(_TRIES):
        unsure = []
        for bridge in left:
            before = found.get(bridge)
            path = _path(bridge)
            text = found[bridge] = files.read_foreign(path)
            try:
                now = os.stat(path)
            except OSError:
                continue
            settled = now.st_size == len(text) and not 0 <= time.time() - now.st_mtime < _SETTLED
            if not settled or (not text and before != text):
                unsure.append(bridge)
        if not unsure:
            break
        left = unsure
        time.sleep(_PAUSE)
    return found


def _path(bridge: str) -> str:
    private = f"{_PRIVATE}/{bridge}/leases"
    return private if os.path.exists(private) else f"{layout.DHCP_STATE}/{bridge}/leases"


def _octets(text: str | None) -> bytes:
    return bytes.fromhex((text or "").replace(":", ""))


def _option6(number: int, value: bytes) -> bytes:
    return struct.pack("!HH", number, len(value)) + value
