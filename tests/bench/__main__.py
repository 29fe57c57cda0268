# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""python3 -m bench [--smallest] [--repeat N] [--into DIRECTORY] [NAME...]: measure, and write what was found."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import bench

from . import report
from .harness import Bench

ROOT = Path(__file__).resolve().parents[2]
_PARTS = {
    "harness",
    "report",
    "hosts",
    "packets",
    "layouts",
    "taps_floor",
    "profiles",
    "modules",
    "in_process",
    "stations",
    "streams",
}


def benchmarks() -> list[str]:
    """Every module here that is not a part of the others."""
    names = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    return sorted(name for name in names if name not in _PARTS and not name.startswith("_"))


def interrupted(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(benchmarks())}; default: all")
    parser.add_argument("--smallest", action="store_true", help="one run of the smallest size: does it work?")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="runs of each contender (default: 5)")
    parser.add_argument("--into", type=Path, metavar="DIRECTORY", help="default: docs/benchmarks, and the page of it")
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(benchmarks()):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(benchmarks())}")
    signal.signal(signal.SIGTERM, interrupted)
    into = chosen.into or ROOT / "docs/benchmarks"
    host = report.machine()
    empty = False
    for name in chosen.names or benchmarks():
        module = importlib.import_module(f"bench.{name}")
        about = (module.__doc__ or "").strip()
        started = time.monotonic()
        print(f"== {name}: {about.splitlines()[0]}", flush=True)
        benchmark = Bench(smallest=chosen.smallest, repeat=chosen.repeat)
        module.run(benchmark)
        report.save(into, name, about, host, benchmark.comparisons)
        for comparison in benchmark.comparisons:
            print(f"\n{comparison.title}\n{report.table(comparison)}")
            empty |= not any(figures.samples for figures in comparison.figures.values())
        print(f"\n   {name} took {time.monotonic() - started:.0f} s\n", flush=True)
    if not chosen.into:
        report.write_page(ROOT / "docs/benchmarks.md", into)
    if empty:
        sys.exit("a table has no figure at all")


if __name__ == "__main__":
    main()
