# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the files and units that boot needs have to be there, given the records that a host will have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Optional

from .._model import layout
from .._model.resource import File, Key, Resource, State, Unit
from .._model.ruleset import PROGRAM
from .._render import boot
from .core import Plan, Request

# What has to be put back when somebody has changed the packet filter.
_WATCHED = ("*.nft", "*/docker.rules")
_WATCH = (
    Key(File.kind, layout.unit_file(layout.WATCH_SOCKET)),
    Key(File.kind, layout.unit_file(layout.WATCH_SERVICE)),
    Key(Unit.kind, layout.WATCH_SOCKET),
)
_SERVICE = (
    Key(File.kind, layout.RESTORE),
    Key(File.kind, layout.unit_file(layout.SERVICE)),
    Key(Unit.kind, layout.SERVICE),
)
_COME_WITH = {
    "*": _SERVICE,
    "*.nft": (Key(File.kind, layout.PROGRAM), PROGRAM.key),
    f"{layout.DHCP}/*": (Key(File.kind, layout.unit_file(layout.DHCP_SERVICE)),),
}


def put_file(state: dict[Key, Resource], path: str, text: str, mode: int = 0o644) -> None:
    """Write ``text``; an empty one means that the file is not to be there."""
    if text:
        state[Key(File.kind, path)] = File(path, text, mode)
    else:
        state.pop(Key(File.kind, path), None)


def text_of(state: State, path: str) -> str:
    file: Optional[Resource] = state.get(Key(File.kind, path))
    return file.text if isinstance(file, File) else ""


def complete(request: Request, before: State, after: dict[Key, Resource]) -> Plan:
    """The plan with the boot files in ``after`` if it has any record, and without them if it has none."""
    needed, watched = _has_records(after), _is_watched(after)
    put_file(after, layout.RESTORE, boot.SCRIPT if needed else "", 0o755)
    _put_unit(request, after, layout.SERVICE, {layout.SERVICE: boot.UNIT}, needed)
    watch = {layout.WATCH_SOCKET: boot.WATCH_SOCKET_UNIT, layout.WATCH_SERVICE: boot.WATCH_SERVICE_UNIT}
    _put_unit(request, after, layout.WATCH_SOCKET, watch, watched)
    return Plan(before, after, frozenset(_implied(before, after)))


def apart(plan: Plan) -> tuple[Plan, Plan]:
    """(the services of boot, all else) where the plan has the first record of a host; otherwise (nothing, the plan).

    Started before that is written, they have nothing to bring back; after it, they would go through all that the run has made.
    """
    first = _has_records(plan.after) and not _has_records(plan.before)
    services = plan.after.keys() & {*_SERVICE, *_WATCH} if first else set()
    return plan.part(services.__contains__), plan.part(lambda key: key not in services)


def _put_unit(request: Request, after: dict[Key, Resource], name: str, files: Mapping[str, str], needed: bool) -> None:
    """The unit files and, started and enabled, the unit ``name``, if they are needed; neither if they are not."""
    unit = Unit(name, enabled=True, active=True)
    if not needed:
        after.pop(unit.key, None)
    elif request.systemd:
        after[unit.key] = unit
    for file, text in files.items():
        if not needed or request.systemd:
            put_file(after, layout.unit_file(file), text if needed else "")


def _implied(before: State, after: State) -> Iterator[Key]:
    """What comes with the first record of a kind and goes with the last."""
    for kind, keys in _COME_WITH.items():
        if _has_records(before, kind) != _has_records(after, kind):
            yield from keys
    if _is_watched(before) != _is_watched(after):
        yield from _WATCH


def _is_watched(state: State) -> bool:
    return any(_has_records(state, kind) for kind in _WATCHED)


def _has_records(state: State, kind: str = "*") -> bool:
    """Whether there is a file in a scope's directory, under one of the roots, that matches the pattern."""
    return any(key.kind == File.kind and _is_record(key.name) and fnmatch(key.name, kind) for key in state)


def _is_record(path: str) -> bool:
    return any(path.startswith(f"{root}/") and path.count("/") > root.count("/") + 1 for root in layout.ROOTS)
