# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent tap devices through /dev/net/tun (linux/if_tun.h); netlink can list them but not make them."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from .._model.errors import HostError
from .._model.links import Tap

_DEVICE = "/dev/net/tun"
_TUNSETIFF, _TUNSETPERSIST, _TUNSETOWNER, _TUNSETGROUP = 0x400454CA, 0x400454CB, 0x400454CC, 0x400454CE
_SIOCSIFHWADDR, _ARPHRD_ETHER = 0x8924, 1
_IFF_TAP, _IFF_NO_PI, _IFF_MULTI_QUEUE, _IFF_VNET_HDR, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x0100, 0x4000, 0x8000


def require_driver() -> None:
    """Raises HostError where this kernel has no taps."""
    os.close(_open())


def _open() -> int:
    try:
        return os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"{_DEVICE} cannot be opened: {error.strerror}; taps need the kernel's tun driver") from None


def create(tap: Tap) -> None:
    """Make a new one. Raises HostError if the name is taken."""
    _attach(tap, _IFF_TUN_EXCL)


def update(tap: Tap) -> None:
    """Set owner, group and format of an existing one that nobody has open."""
    _attach(tap, 0)


def _attach(tap: Tap, flags: int) -> None:
    flags |= _IFF_TAP | _IFF_NO_PI
    flags |= _IFF_MULTI_QUEUE if tap.multi_queue else 0
    flags |= _IFF_VNET_HDR if tap.vnet_hdr else 0
    handle = _open()
    try:
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", tap.name.encode(), flags))
        if tap.mac and flags & _IFF_TUN_EXCL:
            # At once: udev gives an address of its own to a new device whose address nobody has set (systemd.link(5),
            # MACAddressPolicy=persistent), and may look before the address comes with all else over netlink.
            address = bytes.fromhex(tap.mac.replace(":", ""))
            fcntl.ioctl(handle, _SIOCSIFHWADDR, struct.pack("16sH14s", tap.name.encode(), _ARPHRD_ETHER, address))
        if tap.owner is not None:
            fcntl.ioctl(handle, _TUNSETOWNER, tap.owner)
        if tap.group is not None:
            fcntl.ioctl(handle, _TUNSETGROUP, tap.group)
        # Last: of a run that is killed before this, nothing is left.
        fcntl.ioctl(handle, _TUNSETPERSIST, 1)
    except OSError as error:
        why = "it is in use" if error.errno == errno.EBUSY else error.strerror
        raise HostError(f"the tap {tap.name} cannot be set up: {why}") from None
    finally:
        os.close(handle)
