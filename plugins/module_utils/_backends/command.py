# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the host's tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Optional

from .._model.errors import HostError

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
TIMEOUT = 120  # seconds; far above what any of these tools takes, and a hung one must not hang a fleet


def find(tool: str, package: str) -> str:
    """Full path of ``tool``. Raises HostError naming the package it comes in."""
    path = _which(tool)
    if path is None:
        raise HostError(f"{tool} is not installed on this host; it comes with the package {package}")
    return path


def is_installed(tool: str) -> bool:
    return _which(tool) is not None


def _which(tool: str) -> Optional[str]:
    return shutil.which(tool, path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


def run(arguments: Sequence[str], stdin: Optional[str] = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a tool in the C locale. Raises HostError with what it said when it fails and ``check`` is set."""
    try:
        # Not AnsibleModule.run_command: it waits for ever, and a backend knows no Ansible.
        result = subprocess.run(  # pylint: disable=ansible-bad-function
            list(arguments),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostError(f"{arguments[0]} did not finish within {TIMEOUT} seconds") from None
    if check and result.returncode != 0:
        raise HostError(
            f"{' '.join(arguments)} failed with status {result.returncode}: {(result.stderr or result.stdout).strip()}"
        )
    return result


def run_side_by_side(arguments: Sequence[str], stdins: Sequence[str]) -> list[subprocess.CompletedProcess[str]]:
    """Run a tool for each of the inputs, as many at a time as there are processors. A status that is not 0 is left to the caller."""
    if len(stdins) < 2:
        return [run(arguments, stdin, check=False) for stdin in stdins]
    # Here, because it takes 10 ms, and most runs have nothing to do.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda stdin: run(arguments, stdin, check=False), stdins))
