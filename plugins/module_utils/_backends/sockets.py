# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes of the host listen on what, as ``ss`` tells: /proc/net does not say whether ``::`` stands for IPv4 too."""

from __future__ import annotations

from .._model.socket import Socket, parse
from .command import find, is_installed, run


def read() -> list[Socket]:
    """Nothing where there is no ss: then nobody can tell."""
    if not is_installed("ss"):
        return []
    shown = run([find("ss", "iproute2"), "-H", "-l", "-n", "-p", "-t", "-u", "-S"], check=False).stdout
    # A service may have many sockets of one name: those of its workers, or of each interface.
    return list({socket.key: socket for socket in map(parse, shown.splitlines()) if socket}.values())
