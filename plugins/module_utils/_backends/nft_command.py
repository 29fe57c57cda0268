# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program ``nft``, and what it says when it fails."""

from __future__ import annotations

from typing import Any, Optional

from .._model.errors import HostError
from .command import find, run

_SIGSEGV = -11


def nft(*arguments: str, **options: Any) -> Any:
    result = run([find("nft", "nftables"), *arguments], **{**options, "check": False})
    if result.returncode == _SIGSEGV:
        raise HostError(
            "nft crashed while it read the host's ruleset. A newer nft has made sets there, from a container perhaps, that this one"
            " cannot read; upgrade nftables on the host"
        )
    if result.returncode != 0 and options.get("check", True):
        raise HostError(f"nft {' '.join(arguments)} failed, and nothing was changed: {result.stderr.strip()}")
    return result


def listing(family: str, table: str) -> Optional[str]:
    """The JSON of a table; None where there is none, or none any more."""
    listed = nft("-j", "list", "table", family, table, check=False)
    if listed.returncode == 0:
        return str(listed.stdout)
    if "No such file or directory" in listed.stderr or "does not exist" in listed.stderr:
        return None
    raise HostError(f"nft cannot list the table {family} {table}: {listed.stderr.strip()}")
