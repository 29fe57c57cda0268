# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Building things once: a directory named by the hash of its recipe, made aside and renamed into place."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .places import cache_directory
from .state import locked


def recipe_hash(recipe: Any) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:12]


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """The directory `name` of the cache; `build` fills it when it is missing. Other processes wait meanwhile."""
    cache = cache_directory()
    finished = cache / name
    if finished.exists():
        return finished
    with locked(cache / f"{name}.lock"):
        if not finished.exists():
            for stale in cache.glob(f"{name}.making-*"):
                shutil.rmtree(stale, ignore_errors=True)
            making = Path(tempfile.mkdtemp(prefix=f"{name}.making-", dir=cache))
            try:
                making.chmod(0o755)
                build(making)
                making.rename(finished)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
    return finished
