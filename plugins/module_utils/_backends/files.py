# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: read whole trees, write each atomically."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterable

from .._model.errors import HostError
from .._model.resource import File

_DIRECTORY_MODE = 0o755
_UNFINISHED = ".new"
_MAX_SIZE = 64 * 1024 * 1024  # bytes


def read(paths: Iterable[str]) -> list[File]:
    """The regular files among ``paths``, which may be patterns, and below those that are directories."""
    result = []
    for path in _matching(paths):
        if os.path.isdir(path):
            for directory, _subdirectories, names in os.walk(path):
                result += [_read(os.path.join(directory, name)) for name in names if not _is_unfinished(name)]
        elif os.path.isfile(path):
            result.append(_read(path))
    return result


def write(file: File) -> None:
    """Whole or not at all: a reader, or a boot after a power cut, sees the old text or the new one."""
    _make_directories(os.path.dirname(file.name))
    temporary = _unfinished(file.name)
    with open(temporary, "w", encoding="utf-8") as stream:
        os.fchmod(stream.fileno(), file.mode)
        stream.write(file.text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, file.name)


def remove(file: File) -> None:
    os.unlink(file.name)


def sweep(paths: Iterable[str]) -> None:
    """What nobody needs: empty directories of ours, and the unfinished files of a run that was killed."""
    paths = list(paths)
    for path in [*_matching(paths), *_matching(map(_unfinished, paths))]:
        if os.path.isdir(path):
            for directory, _subdirectories, names in os.walk(path, topdown=False):
                for name in filter(_is_unfinished, names):
                    os.unlink(f"{directory}/{name}")
                if not os.listdir(directory):
                    os.rmdir(directory)
        elif _is_unfinished(os.path.basename(path)):
            os.unlink(path)


def remove_tree(path: str) -> None:
    shutil.rmtree(path, ignore_errors=True)


def remove_if_empty(directory: str) -> None:
    try:
        os.rmdir(directory)
    except OSError:
        pass  # not empty, or not there


def read_foreign(path: str) -> str:
    """A file of an unprivileged process, which need not be what it should: no link is followed and no pipe waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return ""
        return stream.read(_MAX_SIZE).decode(errors="replace")


def _make_directories(path: str) -> None:
    """Whatever the umask is: the services that read the files are not root."""
    if not os.path.isdir(path):
        _make_directories(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, _DIRECTORY_MODE)


def _matching(paths: Iterable[str]) -> list[str]:
    return [found for path in paths for found in glob.glob(path)]


def _unfinished(path: str) -> str:
    """One name for all tries."""
    directory, name = os.path.split(path)
    return f"{directory}/.{name}{_UNFINISHED}"


def _is_unfinished(name: str) -> bool:
    return name.startswith(".") and name.endswith(_UNFINISHED)


def _read(path: str) -> File:
    try:
        with open(path, encoding="utf-8") as stream:
            return File(path, stream.read(), stat.S_IMODE(os.fstat(stream.fileno()).st_mode))
    except UnicodeDecodeError:
        raise HostError(f"{path} is not a text file; it was not written by this collection") from None
