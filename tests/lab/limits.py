# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one limit of this machine's kernel that many hosts run into: each systemd takes some ten inotify instances of root's.

It is raised while there are beds, and put back with the last of them.
"""

from __future__ import annotations

from pathlib import Path

from .places import run_directory
from .state import bed_names, locked

_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
_ENOUGH = 1024


def make_room() -> None:
    """Before the first host starts."""
    with locked(run_directory() / "inotify.lock"):
        now = _INSTANCES.read_text().strip()
        if int(now) < _ENOUGH:
            _before().write_text(now)
            _INSTANCES.write_text(str(_ENOUGH))


def put_back() -> None:
    """After a bed is gone."""
    with locked(run_directory() / "inotify.lock"):
        if not bed_names() and _before().exists():
            _INSTANCES.write_text(_before().read_text())
            _before().unlink()


def _before() -> Path:
    return run_directory() / "inotify.before"
