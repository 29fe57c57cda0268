# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter, and the kernel parameters that it comes with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .._model import layout
from .._model.resource import File, Key, Resource, State, Sysctl
from .._plan.core import Plan
from .._render.sysctls import parse
from . import nft, sysctl
from .backend import Backend


def packet_filter(sysctls: Sequence[str] = ()) -> Backend:
    """Elements and what was counted, the program, and these kernel parameters beside those that are recorded."""

    def read(found: State) -> Iterator[Resource]:
        yield from nft.read()
        yield from sysctl.read(dict.fromkeys([*sysctl.default_routers(), *sysctls, *_recorded(found)]))

    return Backend(read=read, apply=_apply)


def _apply(plan: Plan) -> None:
    """The filter stands before anything may be forwarded, and until nothing may any more."""
    parameters = plan.only(Sysctl.kind)
    needed = _recorded(plan.after)
    sysctl.apply(parameters.part(lambda key: key.name not in needed))
    nft.apply(plan)
    sysctl.apply(parameters.part(lambda key: key.name in needed))


def _recorded(state: State) -> set[str]:
    """The names of the parameters that are set by us."""
    found = [state.get(Key(File.kind, path)) for path in layout.SYSCTLS.values()]
    return {name for file in found if isinstance(file, File) for name in parse(file.text)}
