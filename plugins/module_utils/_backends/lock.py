# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host: reading, planning and writing must not interleave with another run's."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .._model import layout
from .._model.errors import HostError

PATIENCE = 120.0  # seconds


@contextmanager
def host_lock() -> Iterator[None]:
    """Hold the host's lock. It goes with the process, however that ends. Raises HostError after PATIENCE seconds."""
    os.makedirs(os.path.dirname(layout.LOCK), exist_ok=True)
    with open(layout.LOCK, "w", encoding="ascii") as stream:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HostError(
                        f"another run has held {layout.LOCK} for {PATIENCE:.0f} seconds; try again when it is done"
                    ) from None
                time.sleep(0.05)
        yield
