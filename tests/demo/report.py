# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo prints: stages with their times, tasks, claims, and the sum of it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_COLOURS = {"ok": 32, "changed": 33, "FAILED": 31, "bold": 1, "dim": 2}


class Report:
    """Prints as things happen. `failed` counts claims that do not hold."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._coloured = self._terminal and "NO_COLOR" not in os.environ
        self.stages: list[tuple[str, float]] = []
        self.held = 0
        self.failed = 0

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        """A part of the run whose time is reported at the end."""
        started = time.monotonic()
        self.heading(text)
        try:
            yield
        finally:
            self.stages.append((name, time.monotonic() - started))

    def heading(self, text: str) -> None:
        self.line(f"\n{self._paint('bold', f'== {text}')}{self._paint('dim', f'  ({self.seconds:.0f} s)')}")

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def step(self, word: str, text: str, seconds: float) -> None:
        """Something is done: how it went, what it was, how long it took."""
        self.line(f"  {self._paint(word, f'{word:<7}')} {seconds:5.1f} s  {text}")

    def under_way(self, text: str) -> None:
        """On a terminal: a line that the next one takes the place of."""
        if self._terminal:
            print(f"  ...              {text}"[:100], end="\r", flush=True)

    def claim(self, says: str, measured: str, seconds: float) -> None:
        """A claim that holds; more lines of `measured` are shown below."""
        self.held += 1
        first, *more = measured.splitlines()
        self._over_what_was_under_way()
        self.step("ok", f"{says}: {self._paint('bold', first)}", seconds)
        for line in more:
            self.line(f"                     {self._paint('dim', line.strip())}")

    def refuted(self, says: str, expected: str, measured: str, seconds: float) -> None:
        """A claim that does not hold."""
        self.failed += 1
        self._over_what_was_under_way()
        self.step("FAILED", says, seconds)
        for word, text in (("expected", expected), ("measured", measured)):
            first, *more = text.splitlines() or [""]
            self.line(f"                     {word}: {first}")
            for line in more:
                self.line(f"                               {line}")

    def _over_what_was_under_way(self) -> None:
        if self._terminal:
            print("\033[K", end="")

    def _paint(self, kind: str, text: str) -> str:
        return f"\033[{_COLOURS[kind]}m{text}\033[0m" if self._coloured and kind in _COLOURS else text
