# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the files and units that boot needs have to be there, given the records that a host will have."""

from __future__ import annotations

from typing import Optional

from .._model import layout
from .._model.resource import File, Key, Resource, Unit
from .._render import boot
from .core import Request


def put_file(state: dict[Key, Resource], path: str, text: str, mode: int = 0o644) -> None:
    """Write ``text``; an empty one means that the file is not to be there."""
    if text:
        state[Key(File.kind, path)] = File(path, text, mode)
    else:
        state.pop(Key(File.kind, path), None)


def text_of(state: dict[Key, Resource], path: str) -> str:
    file: Optional[Resource] = state.get(Key(File.kind, path))
    return file.text if isinstance(file, File) else ""


def complete(request: Request, state: dict[Key, Resource]) -> None:
    """Put the boot files into ``state`` if it has any record, and take them out of it if it has none."""
    needed = any(_is_record(key.name) for key in state if key.kind == File.kind)
    put_file(state, layout.RESTORE, boot.SCRIPT if needed else "", 0o755)
    if not request.systemd:
        return
    put_file(state, layout.unit_file(layout.SERVICE), boot.UNIT if needed else "")
    unit = Unit(layout.SERVICE, enabled=True, active=True)
    if needed:
        state[unit.key] = unit
    else:
        state.pop(unit.key, None)


def _is_record(path: str) -> bool:
    """A file in a scope's directory, under one of the roots."""
    return any(path.startswith(f"{root}/") and path.count("/") > root.count("/") + 1 for root in layout.ROOTS) and not path.startswith(
        f"{layout.DHCP}/"
    )
