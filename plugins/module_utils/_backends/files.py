# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: read whole trees, write each atomically."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from fnmatch import fnmatch

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File
from .._plan.core import Plan

_DIRECTORY_MODE = 0o755
_KEPT = ("/etc", "/run", "/etc/systemd/system", "/etc/sysctl.d", "/var/lib")


def read(paths: Iterable[str]) -> list[File]:
    """The regular files among ``paths`` and below those that are directories."""
    result = []
    for path in paths:
        if os.path.isdir(path):
            for directory, _subdirectories, names in os.walk(path):
                result += [_read(os.path.join(directory, name)) for name in names]
        elif os.path.isfile(path):
            result.append(_read(path))
    return result


def write_all(plan: Plan, only: str = "*") -> None:
    """Create and change the files of a plan whose paths match the pattern."""
    for file in [*plan.created, *(new for _old, new in plan.changed)]:
        if isinstance(file, File) and fnmatch(file.name, only):
            write(file)


def remove_all(plan: Plan) -> None:
    """Remove files, and the directories of ours that they leave empty."""
    for file in plan.removed:
        if isinstance(file, File):
            os.unlink(file.name)
            _remove_empty(os.path.dirname(file.name))


def write(file: File) -> None:
    """Whole or not at all: a reader, or a boot after a power cut, sees the old text or the new one."""
    directory = os.path.dirname(file.name)
    os.makedirs(directory, mode=_DIRECTORY_MODE, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=f".{os.path.basename(file.name)}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(file.text)
            stream.flush()
            os.fchmod(stream.fileno(), file.mode)
            os.fsync(stream.fileno())
        os.replace(temporary, file.name)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: str) -> File:
    try:
        with open(path, encoding="utf-8") as stream:
            return File(path, stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
    except UnicodeDecodeError:
        raise HostError(f"{path} is not a text file; it was not written by this collection") from None


def _remove_empty(directory: str) -> None:
    while directory not in _KEPT and directory.startswith((layout.PERSISTENT, layout.VOLATILE, layout.DHCP_STATE)):
        try:
            os.rmdir(directory)
        except OSError:
            return
        directory = os.path.dirname(directory)
