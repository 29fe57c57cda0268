# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measuring contenders side by side: in turns, several times, and saying how sure the result is.

A benchmark is a module of this package with a function `run(bench)`. It calls `bench.compare` for every table that it has
to show; nothing is measured in any other way. Contenders take turns (A B C A B C), so that what else the machine does
meets all of them.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

NOISY = 0.25  # of the median, between the quartiles


class MissingError(Exception):
    """This contender cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Goal:
    """The median of `ours` shall be at most `ratio` times that of `other`."""

    ours: str
    other: str
    ratio: float


@dataclass
class Figures:
    """All that was measured of one contender."""

    samples: list[float] = field(default_factory=list)
    missing: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def spread(self) -> float:
        """Between the quartiles, as a part of the median."""
        if len(self.samples) < 3 or not self.median:
            return 0.0
        first, _second, third = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (third - first) / self.median

    @property
    def noisy(self) -> bool:
        return self.spread > NOISY


@dataclass
class Comparison:
    """One table: a subject, its unit, and what every contender needed."""

    name: str
    title: str
    unit: str
    figures: dict[str, Figures]
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def ratio(self, contender: str, other: str) -> float | None:
        both = (self.figures.get(contender), self.figures.get(other))
        if any(figures is None or not figures.samples for figures in both) or not self.figures[other].median:
            return None
        return self.figures[contender].median / self.figures[other].median

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Comparison:
        known = dict(raw)
        known["figures"] = {name: Figures(**figures) for name, figures in known["figures"].items()}  # type: ignore[attr-defined]
        known["goals"] = [Goal(**goal) for goal in known["goals"]]  # type: ignore[attr-defined]
        return cls(**known)  # type: ignore[arg-type]


class Bench:
    """What a benchmark gets: how large, how often, and where its results go."""

    def __init__(self, *, smallest: bool = False, repeat: int = 5) -> None:
        self.smallest = smallest
        self.repeat = 1 if smallest else repeat
        self.comparisons: list[Comparison] = []

    def size(self, full: int, smallest: int) -> int:
        return smallest if self.smallest else full

    def compare(
        self,
        name: str,
        title: str,
        contenders: Mapping[str, Callable[[], float]],
        *,
        unit: str = "s",
        goals: list[Goal] | None = None,
        notes: list[str] | None = None,
    ) -> Comparison:
        """Let the contenders take turns; each returns a figure, or raises MissingError. Nobody is left out silently."""
        figures = {contender: Figures() for contender in contenders}
        for _turn in range(self.repeat):
            for contender, measure in contenders.items():
                if figures[contender].missing:
                    continue
                try:
                    figures[contender].samples.append(measure())
                except MissingError as reason:
                    figures[contender] = Figures(missing=str(reason))
        comparison = Comparison(name, title, unit, figures, goals or [], notes or [])
        self.comparisons.append(comparison)
        return comparison

    def also(
        self,
        name: str,
        title: str,
        samples: Mapping[str, Sequence[float]],
        *,
        unit: str = "s",
        goals: list[Goal] | None = None,
        notes: list[str] | None = None,
    ) -> Comparison:
        """A table of what else was noted in the runs of another one."""
        figures = {
            what: Figures(list(noted), missing="" if noted else "was not measured") for what, noted in samples.items()
        }
        comparison = Comparison(name, title, unit, figures, goals or [], notes or [])
        self.comparisons.append(comparison)
        return comparison


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
