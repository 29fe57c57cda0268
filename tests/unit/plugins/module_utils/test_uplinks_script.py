# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that moves uplinks and undoes it: who waits for whom. What it calls is replaced by what writes down that it was called."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import uplinks as backend
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import uplinks_script

TOKEN = "0123"


class Pending:
    """The directory of a change, without a host that it would change."""

    def __init__(self, place: Path) -> None:
        self.place = place / "pending"
        self.said = place / "said"
        self._tools = place / "bin"
        self._running: list[subprocess.Popen[bytes]] = []
        self._tools.mkdir()
        for tool in ("ip", "bridge", "systemctl", "netplan"):
            (self._tools / tool).write_text(f'#!/bin/sh\necho "{tool} $*" >> {self.said}\n')
            (self._tools / tool).chmod(0o755)
        for way in ("new", "old"):
            (self.place / way / "files").mkdir(parents=True)
            for part in ("gone", "batch", "again", "batch6", "parameters", "vlans", "stopped", "started"):
                (self.place / way / part).write_text("")
            (self.place / way / "take_over").write_text(f"echo {way} takes over >> {self.said}\n")
        (self.place / "undo").write_text(uplinks_script.UNDO_UNIT)
        self.kept, self.units = place / "kept", place / "units"
        script = uplinks_script.SCRIPT.replace(f"dir={layout.UPLINKS_PENDING}", f"dir={self.place}")
        script = script.replace(layout.UPLINKS_KEPT, str(self.kept)).replace(layout.UNITS, str(self.units))
        # What it asks of systemd is asked as if that were running.
        (self.place / "uplinks").write_text(script.replace("/run/systemd/system", str(place)))

    @property
    def is_kept(self) -> bool:
        """Whether a boot would undo the change."""
        wanted = self.units / "sysinit.target.wants" / layout.UPLINKS_UNDO
        there = {self.kept.exists(), (self.units / layout.UPLINKS_UNDO).exists(), wanted.exists()}
        assert len(there) == 1
        return there.pop()

    def start(self, *arguments: str, script: Path | None = None) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PATH": f"{self._tools}:{os.environ['PATH']}"}
        argv = ["/bin/sh", str(script or self.place / "uplinks"), *arguments]
        process = subprocess.Popen(argv, env=environment, start_new_session=True, stdout=subprocess.PIPE)
        self._running.append(process)
        return process

    def run(self, *arguments: str, script: Path | None = None) -> str:
        process = self.start(*arguments, script=script)
        return process.communicate(timeout=20)[0].decode().strip()

    def takes(self, way: str, shell: str) -> None:
        """What the network manager of the host does."""
        with (self.place / way / "take_over").open("a") as stream:
            stream.write(f"{shell}\necho {way} took over >> {self.said}\n")

    def arm(self, seconds: int = 1000) -> subprocess.Popen[bytes]:
        waiting = self.start("wait", str(seconds), TOKEN)
        within(lambda: f"armed-{TOKEN}" in self.names)
        return waiting

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.place.iterdir()} if self.place.is_dir() else set()

    @property
    def lines(self) -> list[str]:
        return self.said.read_text().splitlines() if self.said.exists() else []

    @property
    def ways(self) -> list[str]:
        """What the network manager has been asked for, in that order."""
        return [line for line in self.lines if "over" in line]

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()


def within(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def pending(tmp_path: Path) -> Iterator[Pending]:
    found = Pending(tmp_path)
    yield found
    found.end()


def test_what_is_confirmed_stays(pending: Pending) -> None:
    waiting = pending.arm()
    assert pending.start("new", TOKEN).wait(20) == 0
    assert pending.run("confirm", TOKEN) == "confirmed"
    assert waiting.wait(20) == 0
    assert pending.ways == ["new takes over"]
    assert pending.names == set()
    assert not pending.is_kept


def test_what_is_not_confirmed_in_time_is_undone(pending: Pending) -> None:
    waiting = pending.arm(1)
    pending.run("new", TOKEN)
    assert waiting.wait(20) == 0
    assert pending.ways == ["new takes over", "old takes over"]
    assert pending.run("confirm", TOKEN) == "undone"


def test_the_time_to_confirm_starts_when_the_change_is_made(pending: Pending) -> None:
    pending.takes("new", "sleep 3")
    pending.arm(1)
    assert pending.start("new", TOKEN).wait(20) == 0
    within(lambda: f"undone-{TOKEN}" in pending.names)
    assert pending.ways == ["new takes over", "new took over", "old takes over"]


def test_a_change_that_is_undone_half_way_goes_no_further_and_is_waited_for(pending: Pending) -> None:
    pending.takes("new", "sleep 1.5")
    pending.arm()
    new = pending.start("new", TOKEN)
    within(lambda: bool(pending.ways))
    pending.run("undo", TOKEN)
    assert pending.ways == ["new takes over", "new took over", "old takes over"]
    assert new.wait(20) == 1
    batches = [line.rpartition("/pending/")[2] for line in pending.lines if line.startswith("ip -force")]
    assert batches == ["new/batch", "old/batch", "old/again"]


def test_a_change_that_hangs_is_ended_with_what_it_has_started(pending: Pending) -> None:
    pending.takes("new", "sleep 1000 & wait")
    pending.arm()
    new = pending.start("new", TOKEN)
    within(lambda: bool(pending.ways))
    pending.run("undo", TOKEN)
    assert new.wait(20) != 0
    assert pending.ways == ["new takes over", "old takes over"]
    assert (
        subprocess.run(["pgrep", "-r", "R,S,D", "-s", str(new.pid)], check=False, stdout=subprocess.DEVNULL).returncode
        == 1
    )


def test_a_change_whose_process_was_killed_is_undone(pending: Pending) -> None:
    pending.takes("new", "sleep 1000 & wait")
    pending.arm(1)
    new = pending.start("new", TOKEN)
    within(lambda: bool(pending.ways))
    new.kill()
    new.wait(20)
    within(lambda: f"undone-{TOKEN}" in pending.names)
    assert pending.ways == ["new takes over", "old takes over"]


def test_what_was_undone_already_is_not_made(pending: Pending) -> None:
    pending.arm()
    pending.run("undo", TOKEN)
    assert pending.start("new", TOKEN).wait(20) == 1
    assert pending.ways == ["old takes over"]


def test_what_was_enabled_is_disabled_before_its_file_goes_and_the_other_way_round(pending: Pending) -> None:
    (pending.place / "old/stopped").write_text("vmnet.service\n")
    (pending.place / "old/started").write_text("enable other.service\nstart other.service\n")
    pending.arm()
    pending.run("undo", TOKEN)
    assert [line for line in pending.lines if line.startswith("systemctl")] == [
        "systemctl --quiet disable --now vmnet.service",
        "systemctl daemon-reload",
        "systemctl --quiet enable other.service",
        "systemctl --quiet start other.service",
        "systemctl daemon-reload",
    ]


def test_a_boot_before_it_is_confirmed_undoes_what_is_on_disk(pending: Pending, tmp_path: Path) -> None:
    changed, added, other = (tmp_path / name for name in ("changed", "added", "other"))
    changed.write_text("new")
    added.write_text("new")
    old = pending.place / "old"
    (old / f"files{tmp_path}").mkdir(parents=True)
    (old / f"files{changed}").write_text("old")
    (old / f"files{other}").write_text("old")
    (old / "gone").write_text(f"{added}\n")
    (old / "stopped").write_text("vmnet.service\n")
    waiting = pending.arm()
    pending.run("new", TOKEN)
    assert pending.is_kept
    assert pending.kept.stat().st_mode & 0o777 == 0o700
    waiting.kill()
    pending.said.unlink()
    shutil.rmtree(pending.place)  # it is in memory
    pending.run("boot", script=pending.kept / "uplinks")
    assert (changed.read_text(), other.read_text(), added.exists()) == ("old", "old", False)
    assert pending.lines == [
        "systemctl --quiet --no-block disable --now vmnet.service",
        "systemctl daemon-reload",
        "netplan generate",
        "systemctl daemon-reload",
    ]
    assert not pending.is_kept


def test_a_change_that_was_undone_is_not_undone_by_the_next_boot(pending: Pending) -> None:
    pending.arm()
    pending.run("undo", TOKEN)
    assert not pending.is_kept


@pytest.mark.parametrize("name", [f"armed-{TOKEN}", "undoing"])
def test_while_a_change_waits_nothing_is_said_of_the_host(tmp_path: Path, monkeypatch: Any, name: str) -> None:
    monkeypatch.setattr(layout, "UPLINKS_PENDING", str(tmp_path))
    (tmp_path / name).touch()
    with pytest.raises(HostError, match="another change of this host's uplinks has not been confirmed"):
        backend.Move(60, False).ready()


@pytest.mark.parametrize("name", ["", f"undone-{TOKEN}", "confirmed"])
def test_what_is_over_is_in_nobodys_way(tmp_path: Path, monkeypatch: Any, name: str) -> None:
    monkeypatch.setattr(layout, "UPLINKS_PENDING", str(tmp_path / "pending"))
    if name:
        (tmp_path / "pending").mkdir()
        (tmp_path / "pending" / name).touch()
    backend.Move(60, False).ready()
