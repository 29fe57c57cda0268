# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter, and the kernel parameters that it comes with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .._model import layout
from .._model.errors import HostError
from .._model.resource import File, Key, Resource, State, Sysctl
from .._plan.core import Plan
from .._plan.filter import SYSCTLS
from .._render.sysctls import parse
from . import nft, sysctl
from .backend import Backend


def parameters(names: Iterable[str]) -> Backend:
    """These kernel parameters, whoever has set them."""
    each = tuple(dict.fromkeys(names))
    return Backend(read=lambda found: sysctl.read(name for name in each if Key(Sysctl.kind, name) not in found))


def _read(found: State) -> Iterator[Resource]:
    """Elements and what was counted, the program, and the kernel parameters that are recorded."""
    yield from nft.read()
    yield from sysctl.read(dict.fromkeys([*sysctl.default_routers(), *_recorded(found)]))


def _apply(plan: Plan) -> None:
    """The filter stands until nothing may be forwarded any more; what may be is let through when its files stand, too."""
    given_up, _needed = _parameters(plan)
    try:
        sysctl.apply(given_up)
        nft.apply(plan)
    except HostError:
        sysctl.apply(Plan(given_up.after, given_up.before))
        raise


def _parameters(plan: Plan) -> tuple[Plan, Plan]:
    """Those that are given up and are again what they were, and those that are needed."""
    parameters, needed = plan.only(Sysctl.kind), _recorded(plan.after)
    return parameters.part(lambda key: key.name not in needed), parameters.part(lambda key: key.name in needed)


def _recorded(state: State) -> list[str]:
    """The names of the parameters that are set by us."""
    found = [state.get(Key(File.kind, path)) for path in layout.SYSCTLS.values()]
    return [name for file in found if isinstance(file, File) for name in parse(file.text)]


PACKET_FILTER = Backend(
    read=_read, require=nft.require, apply=_apply, settle=lambda plan: sysctl.apply(_parameters(plan)[1])
)
FORWARDING = parameters(SYSCTLS)
