# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a command to its end, with a time limit and an error that says what it printed."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

TAIL_LINES = 25


class LabError(Exception):
    """Something of the test bed is not as it must be; the message says what and shows the log."""


class CommandError(LabError):
    """A command ended with another status than 0, or did not end in time."""


_NOT_FOUND = (126, 127)  # what a shell says of a command that it cannot find or run


@dataclass(frozen=True)
class Result:
    """What a command left: its exit status and what it printed."""

    status: int
    stdout: str
    stderr: str = ""

    @property
    def ok(self) -> bool:
        return self.status == 0

    @property
    def lines(self) -> list[str]:
        return self.stdout.splitlines()

    def checked(self, what: str, check: bool = True) -> Result:
        """This result; raises CommandError naming `what` when the status is not 0.

        A tool that is not there raises whatever `check` says: its silence must not pass for the network's.
        """
        if self.status in _NOT_FOUND or (check and self.status != 0):
            raise CommandError(f"exit status {self.status}: {what}\n{tail(self.stdout)}{tail(self.stderr)}".rstrip())
        return self


def argv_of(command: str | Sequence[str]) -> list[str]:
    """A string is a shell command line, a sequence is an argument vector."""
    return ["sh", "-c", command] if isinstance(command, str) else list(command)


def shown(command: str | Sequence[str]) -> str:
    return command if isinstance(command, str) else shlex.join(command)


def tail(text: str, lines: int = TAIL_LINES) -> str:
    return "".join(f"  | {line}\n" for line in text.splitlines()[-lines:])


def run(
    command: str | Sequence[str],
    *,
    check: bool = True,
    timeout: float = 60,
    input: str | None = None,
    env: dict[str, str] | None = None,
) -> Result:
    """Run `command` on this machine; `timeout` in seconds. Raises CommandError."""
    try:
        done = subprocess.run(
            argv_of(command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            env=env,
        )
    except subprocess.TimeoutExpired as expired:
        printed = b"".join(part for part in (expired.stdout, expired.stderr) if isinstance(part, bytes))
        raise CommandError(
            f"not done after {timeout:g} s: {shown(command)}\n{tail(printed.decode(errors='replace'))}".rstrip()
        ) from expired
    except FileNotFoundError as missing:
        raise CommandError(f"{missing.filename}: not installed; `python3 -m lab needs` lists the packages") from missing
    result = Result(done.returncode, done.stdout, done.stderr)
    return result.checked(shown(command), check)
