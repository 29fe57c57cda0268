# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host consists of, beside files and the units of boot, has backends; a module names those of the parts that it is about.

So it carries the code of no other part: Ansible sends a module with all that it imports, and the host compiles that at every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Callable

from .._model.resource import Resource, State
from .._plan.core import Plan


@dataclass(frozen=True)
class Backend:
    """How one part of a host is read, and what is done about a plan at each point of a change (see host.apply).

    All but ``sweep`` may raise HostError.
    """

    # What a run that was killed has left unfinished: before anything is read, and when all that has to go is gone.
    sweep: Callable[[], None] = lambda: None
    # Names of systemd units, or patterns.
    units: Sequence[str] = ()
    # Given the files, the units, and what the backends before it have found.
    read: Callable[[State], Iterable[Resource]] = lambda found: ()
    # Before anything is changed: what this kernel cannot do. No other task is going to change that.
    require_features: Callable[[Plan], None] = lambda plan: None
    # The same for what another task may bring, so that check mode does not ask.
    require: Callable[[Plan], object] = lambda plan: None
    # While all that it uses is still there.
    stop: Callable[[Plan], None] = lambda plan: None
    # When what must not be forgotten is written down.
    apply: Callable[[Plan], None] = lambda plan: None
    # When all files are written.
    settle: Callable[[Plan], None] = lambda plan: None
    # When all that it uses is there.
    start: Callable[[Plan], None] = lambda plan: None
