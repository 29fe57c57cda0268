# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Results as JSON for machines, and as tables and pictures for people."""

from __future__ import annotations

import json
import math
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import escape

from lab.command import run

from .harness import Comparison, Figures

BEGIN, END = "<!-- results: written by make bench -->", "<!-- end of results -->"


def machine() -> dict[str, str]:
    """What was measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    return {
        "processor": f"{os.cpu_count()} x {cpu}",
        "memory": f"{memory} MiB",
        "kernel": platform.release(),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "commit": _commit(),
        "time": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def _commit() -> str:
    """What benchmarks have written themselves does not count as a change."""
    changed = run(["git", "status", "--porcelain", "--", ".", ":!docs"], check=False).stdout.strip()
    return run(["git", "describe", "--always"], check=False).stdout.strip() + ("-dirty" if changed else "")


def save(directory: Path, name: str, about: str, host: dict[str, str], comparisons: list[Comparison]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    record = {"about": about, "machine": host, "comparisons": [comparison.as_json() for comparison in comparisons]}
    (directory / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
    for comparison in comparisons:
        (directory / f"{name}-{comparison.name}.svg").write_text(plot(comparison))


def page(directory: Path) -> str:
    """All results that are there, as Markdown."""
    parts = []
    for file in sorted(directory.glob("*.json")):
        record = json.loads(file.read_text())
        parts.append(f"## {file.stem}\n\n{record['about']}\n")
        for raw in record["comparisons"]:
            comparison = Comparison.from_json(raw)
            picture = f"![{comparison.title}]({directory.name}/{file.stem}-{comparison.name}.svg)"
            parts.append(f"### {comparison.title}\n\n{table(comparison)}\n\n{picture}\n")
        parts.append("Measured on " + ", ".join(f"{key} {value}" for key, value in record["machine"].items()) + ".\n")
    return "\n".join(parts)


def write_page(text_file: Path, directory: Path) -> None:
    """Put the results between the marks of a page."""
    text = text_file.read_text()
    before, rest = text.partition(BEGIN)[::2]
    text_file.write_text(f"{before}{BEGIN}\n\n{page(directory)}\n{END}{rest.partition(END)[2]}")


def table(comparison: Comparison) -> str:
    first = next((name for name, figures in comparison.figures.items() if figures.samples), "")
    lines = [
        f"| | median, {comparison.unit} | quartiles apart | least to most | against *{first}* |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, figures in comparison.figures.items():
        if not figures.samples:
            lines.append(f"| {name} | missing: {figures.missing} | | | |")
            continue
        ratio = comparison.ratio(name, first)
        noisy = " (noisy)" if figures.noisy else ""
        extremes = f"{number(min(figures.samples))} to {number(max(figures.samples))}"
        share = f"{ratio:.2f}" if ratio is not None else ""
        lines.append(f"| {name} | {number(figures.median)} | {figures.spread:.0%}{noisy} | {extremes} | {share} |")
    for goal in comparison.goals:
        ratio = comparison.ratio(goal.ours, goal.other)
        said = (
            "cannot be said: one of them is missing"
            if ratio is None
            else f"it is {ratio:.2f}, {'reached' if ratio <= goal.ratio else '**missed**'}"
        )
        lines.append(f"\nGoal: *{goal.ours}* at most {goal.ratio:g} of *{goal.other}*: {said}.")
    runs = max((len(figures.samples) for figures in comparison.figures.values()), default=0)
    lines.append(f"\n{runs} run{'s' if runs != 1 else ''} of each, in turns.")
    lines += [f"\n{note}" for note in comparison.notes]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits that count."""
    if not value:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def plot(comparison: Comparison) -> str:
    """Bars of the medians, with a line from the least to the most; needs no program to look at but a browser."""
    left, width, step = 300, 760, 30
    shown = {name: figures for name, figures in comparison.figures.items() if figures.samples}
    most = max((max(figures.samples) for figures in shown.values()), default=1.0) or 1.0
    height = 50 + step * len(comparison.figures)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="22" font-size="15">{escape(comparison.title)}, {escape(comparison.unit)}</text>',
    ]
    for row, (name, figures) in enumerate(comparison.figures.items()):
        parts += _bar(name, figures, 40 + row * step, left, (width - left - 90) / most, row == 0)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(name: str, figures: Figures, top: int, left: int, scale: float, first: bool) -> list[str]:
    label = f'<text x="{left - 10}" y="{top + 14}" text-anchor="end">{escape(name)}</text>'
    if not figures.samples:
        return [label, f'<text x="{left}" y="{top + 14}" fill="#888">missing</text>']
    length = figures.median * scale
    low, high = (left + end * scale for end in (min(figures.samples), max(figures.samples)))
    return [
        label,
        f'<rect x="{left}" y="{top}" width="{length:.1f}" height="18" fill="{"#2a6f97" if first else "#a9bcd0"}"/>',
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{top + 9}" y2="{top + 9}" stroke="#333"/>',
        f'<text x="{max(left + length, high) + 6:.1f}" y="{top + 14}">{number(figures.median)}</text>',
    ]
