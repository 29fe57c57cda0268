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
    deadline = time.monotonic() + PATIENCE
    handle = _acquired()
    while handle is None:
        if time.monotonic() > deadline:
            raise HostError(f"another run has held {layout.LOCK} for {PATIENCE:.0f} seconds; try again when it is done")
        time.sleep(0.05)
        handle = _acquired()
    try:
        yield
    finally:
        os.unlink(layout.LOCK)  # while it is held: whoever waits for this file sees that it is another one by now
        os.close(handle)


def _acquired() -> int | None:
    """The open lock file, or None if it is held, or was removed by whoever held it."""
    handle = os.open(layout.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.stat(layout.LOCK)):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(handle)
    return None
