# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests boot from the network (PXE): which file, by the architecture of their firmware, and from where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from . import net
from .errors import InputError
from .fields import Fields

# Client system architectures (option 93, RFC 4578 section 2.1, and IANA's registry). The firmware of x86-64 uses both numbers.
ARCHITECTURES: Mapping[str, tuple[int, ...]] = {
    "bios": (0,),
    "efi-ia32": (6,),
    "efi-x86_64": (7, 9),
    "efi-arm32": (10,),
    "efi-arm64": (11,),
    "efi-riscv64": (27,),
}
IPXE = "ipxe"  # firmware or program that speaks HTTP; it says so with option 175
MAX_FILE = 127  # octets of the field "file" (RFC 2131 section 2) with its end

_TAGS = ("tag:", "net:", "set:")  # what dnsmasq takes for the name of a tag, wherever it stands
_HIDDEN = ("/home/", "/root", "/run/user/", "/tmp", "/var/tmp", "/proc", "/sys", "/dev")
_FILE = re.compile(r"[A-Za-z0-9_./:@?&=%+~-]+")
_PATH = re.compile(r"/[A-Za-z0-9_./+@-]*[A-Za-z0-9_+@-]")


@dataclass(frozen=True)
class Boot:
    """``file``: for whoever has none in ``files``, which is by architecture.

    From ``server``, or from the network's own server, which then offers the directory ``tftp_root`` of the host.
    """

    file: Optional[str] = None
    files: tuple[tuple[str, str], ...] = ()
    server: Optional[net.Address] = None
    tftp_root: Optional[str] = None

    @classmethod
    def parse(cls, entry: Fields) -> Boot:
        files = Fields(entry.raw("files", {}), entry.place("files"))
        accepted = (*ARCHITECTURES, IPXE)
        for name in files.all():
            if name not in accepted:
                raise InputError(files.place(name), f"is not an architecture; one of {', '.join(accepted)}")
        parsed = cls(
            file=entry.optional("file", _file),
            files=tuple((name, files.required(name, _file)) for name in accepted if files.given(name)),
            server=entry.optional("server", net.address),
            tftp_root=entry.optional("tftp_root", _path),
        )
        entry.nothing_else()
        if not parsed.file and not parsed.files:
            raise InputError(
                entry.place("file"), "is missing; it is what guests boot, unless files says it for all of them"
            )
        if parsed.server and parsed.server.version != 4:
            raise InputError(entry.place("server"), f"{parsed.server} is not IPv4, which DHCPv4 needs")
        if parsed.server and parsed.tftp_root:
            raise InputError(entry.place("server"), "and tftp_root exclude each other; the files are there or here")
        return parsed


def _file(value: Any) -> str:
    text = net.text(value)
    if not _FILE.fullmatch(text) or len(text) > MAX_FILE:
        raise ValueError(
            f"{text!r} is not a file name that clients take: letters, digits and _./:@?&=%+~-, at most {MAX_FILE} of them"
        )
    if text.startswith(_TAGS):
        raise ValueError(f"{text!r} begins like a tag of dnsmasq; choose another name")
    return text


def _path(value: Any) -> str:
    text = net.text(value).rstrip("/")
    if not _PATH.fullmatch(text) or ".." in text.split("/"):
        raise ValueError(f"{value!r} is not the absolute path of a directory, of letters, digits and _./+@-")
    if text.startswith(_HIDDEN):
        raise ValueError(
            f"{text} is hidden from the server, which runs in a sandbox; choose a directory like /srv/tftp"
        )
    return text
