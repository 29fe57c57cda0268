# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bed has made, on disk, so that any process can find it and take it down.

Everything is registered before it is made: a bed whose `up` was interrupted is a bed that `down` can remove.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .command import LabError
from .places import run_directory


@dataclass
class Process:
    """A process by id and start time (clock ticks since boot), which together name it for good."""

    pid: int
    started: int


@dataclass
class HostRecord:
    machine: str
    index: int


@dataclass
class GuestRecord:
    host: str
    nics: list[dict[str, str | int]]


@dataclass
class Record:
    """The contents of state.json. Names of namespaces are whole names; mounts are mount points."""

    bed: str
    complete: bool = False
    namespaces: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    processes: dict[str, Process] = field(default_factory=dict)
    hosts: dict[str, HostRecord] = field(default_factory=dict)
    guests: dict[str, GuestRecord] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Record:
        raw = json.loads(text)
        raw["processes"] = {name: Process(**entry) for name, entry in raw["processes"].items()}
        raw["hosts"] = {name: HostRecord(**entry) for name, entry in raw["hosts"].items()}
        raw["guests"] = {name: GuestRecord(**entry) for name, entry in raw["guests"].items()}
        return cls(**raw)


class State:
    """The directory of one bed, and its record."""

    def __init__(self, bed: str) -> None:
        self.bed = bed
        self.directory = run_directory() / bed

    @property
    def _file(self) -> Path:
        return self.directory / "state.json"

    def claim(self) -> None:
        """Take the name; raises LabError when a bed of that name exists."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.directory.mkdir(mode=0o755)
        except FileExistsError:
            raise LabError(f"bed {self.bed}: is up already (or was left half-way); take it down first") from None
        self._write(Record(self.bed))

    def exists(self) -> bool:
        return self.directory.exists()

    def read(self) -> Record:
        try:
            return Record.parse(self._file.read_text())
        except FileNotFoundError:
            raise LabError(f"bed {self.bed}: is not up") from None

    @contextmanager
    def change(self) -> Iterator[Record]:
        """The record, to be changed in place; written when the block ends. One writer at a time."""
        with locked(self.directory / "lock"):
            record = self.read()
            yield record
            self._write(record)

    def _write(self, record: Record) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1) + "\n")
        fresh.replace(self._file)

    def path(self, *parts: str) -> Path:
        """A path in the bed's directory, whose parent exists."""
        path = self.directory.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (flock: the kernel lets go of it when the process ends)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def bed_names() -> list[str]:
    """The beds that are up, or were left half-way."""
    directory = run_directory()
    return sorted(entry.name for entry in directory.iterdir() if entry.is_dir()) if directory.is_dir() else []
