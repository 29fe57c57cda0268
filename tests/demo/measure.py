# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring with what guests (busybox), hosts and stations all have: ping and socat."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lab import LabError, Result

_PATIENCE = 2  # seconds without an answer that count as none

_COUNTS = re.compile(r"(\d+) packets transmitted, (\d+) (?:packets )?received")
_TIMES = re.compile(r"min/avg/max(?:/mdev)? = ([\d.]+)/([\d.]+)/([\d.]+)")
_REASONS = ("refused", "timed out", "Network is unreachable", "No route to host", "Permission denied")


class Refuted(Exception):  # noqa: N818
    """A claim does not hold: what was expected, and what was measured."""

    def __init__(self, expected: str, measured: str) -> None:
        super().__init__(f"expected {expected}; measured {measured}")
        self.expected = expected
        self.measured = measured


def expect(holds: object, expected: str, measured: str) -> None:
    """Raises Refuted when the first is not true."""
    if not holds:
        raise Refuted(expected, measured)


class Station(Protocol):
    """A guest, a host or another node of the bed."""

    def run(self, command: str | Sequence[str], *, check: bool = True, timeout: float = 30) -> Result:
        """Run a command on it."""


@dataclass(frozen=True)
class Ping:
    """What `ping` said in the end; times in milliseconds, empty without an answer."""

    sent: int
    received: int
    times: tuple[str, ...]

    def __str__(self) -> str:
        times = f", {'/'.join(f'{float(time):.1f}' for time in self.times)} ms" if self.times else ""
        return f"{self.received} of {self.sent} answered{times}"

    @classmethod
    def parse(cls, text: str) -> Ping:
        counts, times = _COUNTS.search(text), _TIMES.search(text)
        sent, received = counts.groups() if counts else ("0", "0")
        return cls(int(sent), int(received), times.groups() if times else ())


def ping(station: Station, address: str, count: int = 2, patience: int = 1) -> Ping:
    """Ping an address of either family; the first answer may take so many seconds."""
    return Ping.parse(station.run(ping_command(address, count, patience=patience), check=False).stdout)


def ping_command(address: str, count: int = 2, interval: float = 0.3, patience: int = 1) -> str:
    return f"ping -q -c {count} -i {interval} -W {patience} {address}"


def expect_ping(station: Station, address: str, count: int = 2) -> Ping:
    """Every packet must be answered."""
    measured = ping(station, address, count, patience=5)
    expect(measured.received == count, f"{count} of {count} pings to {address} answered", str(measured))
    return measured


@dataclass(frozen=True)
class Answer:
    """What came back over a connection: text, or why there was none, and after how many seconds."""

    text: str
    refusal: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.text!r}" if self.text else f"{self.refusal} after {self.seconds:.1f} s"


def connect(station: Station, to: str, send: str = "", options: str = "") -> Answer:
    """Open a connection to `TCP:address:port` (or TCP6, UDP), send a line and read until the other side closes."""
    timeout = f",connect-timeout={_PATIENCE}" if to.startswith("TCP") else ""
    line = f"printf '{send}\\r\\n\\r\\n' | socat -t {1 if to.startswith('UDP') else 3} - {to}{timeout}{options}"
    started = time.monotonic()
    result = station.run(line, check=False)
    refusal = next((reason for reason in _REASONS if reason in result.stderr), result.stderr.strip() or "silence")
    return Answer(result.stdout.strip(), refusal, time.monotonic() - started)


def fetch(station: Station, address: str, port: int = 80) -> Answer:
    """The body of http://address:port/."""
    to = f"TCP6:[{address}]:{port}" if ":" in address else f"TCP:{address}:{port}"
    answer = connect(station, to, "GET / HTTP/1.0")
    return Answer(re.split(r"\r?\n\r?\n", answer.text, maxsplit=1)[-1].strip(), answer.refusal, answer.seconds)


def seen_by(station: Station, to: str, source_port: int) -> tuple[str, int]:
    """The source address and port that a service of the bed saw; raises LabError when it does not answer."""
    answer = connect(station, to, options=f",sourceport={source_port},reuseaddr")
    match = re.match(r"(\S+) (\d+)", answer.text)
    if not match:
        raise LabError(f"{to} does not answer: {answer}")
    return match[1], int(match[2])
