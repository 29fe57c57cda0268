# Copyright (c) 2026, tapestry.vmnet contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run named steps of this project, side by side where they allow it.

    python3 tests/run.py unit                one step; its output is shown as it comes
    python3 tests/run.py lint unit sanity    several; each writes .build/log/STEP.log, and what fails is shown
    python3 tests/run.py --list

What a step needs runs before it. The exit status is 0 only if every step passed. The last line sums up
what pytest counted in all of them: "N passed, N failed, N skipped".
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
LOGS = BUILD / "log"
VENV = ROOT / ".venv" / "bin"

BENCH_MACHINES = ("trixie+incus+libvirt+libvirtpython",)  # besides plain Debian

LONG = ("uplink", "dhcp", "boot", "lifecycle", "nat", "dhcp_live")
STEP_LIMIT = 60 * 60  # seconds; the slowest step takes a quarter of an hour beside others, twice that on a slow machine
STOP_GRACE = 60  # seconds that a step gets to take its own things down
INTERRUPTED = "interrupted"
TAIL = 80  # lines shown of a failed step's log, at the end of the run
# What pytest and Ansible say of a failure, shown at once.
REASON = re.compile(r"(FAILED|ERROR) [\w./-]+\.py|fatal: |ERROR! |\[ERROR\]: ")
REASONS, REASON_WIDTH = 5, 400

# "===== 3 passed, 1 skipped in 0.12s =====", also without the rule and inside another tool's output
CLOSING = re.compile(r"(?:=+ )?(?P<counts>\d+ [a-z]+(?:, \d+ [a-z]+)*) in \d[\d.]*s(?: \([\d:]+\))?(?: =+)?")
KINDS = {
    "passed": "passed",
    "xpassed": "passed",
    "failed": "failed",
    "error": "failed",
    "errors": "failed",
    "skipped": "skipped",
    "xfailed": "skipped",
}
SHELL = "^#!/(usr/)?bin/(env )?(ba)?sh"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Step:
    """A command with a name."""

    name: str
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    down: tuple[str, ...] = ()  # run afterwards whatever happened
    counts: bool = False  # runs pytest, and is nothing without a test
    refuses: str = ""  # a word in the log that makes a success a failure

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return LOGS / (self.name.replace(":", "-") + ".log")


def lint(name: str, *argv: str) -> Step:
    """A tool that reads the tree and changes nothing; some leave logs and caches in the home directory."""
    return Step(f"lint:{name}", argv, needs=("venv",), env={"HOME": str(BUILD / "home")})


def machines(scenario: str) -> list[str]:
    """What its platforms name besides plain Debian. By pattern: nothing is installed yet that reads YAML."""
    named = re.findall(r"\bmachine: *([a-z0-9+-]+)", (ROOT / f"molecule/{scenario}/molecule.yml").read_text())
    return sorted({machine for machine in named if "+" in machine})


def image(machine: str) -> Step:
    """Build the root file system of a kind of host, unless it is in the cache."""
    return Step(f"bed:{machine}", ("python3", "-m", "lab", "cache", machine), needs=("packages",))


def scenario(name: str) -> Step:
    """One promise, on a bed of the same name, so that scenarios run side by side."""
    return Step(
        f"scenario:{name}",
        ("molecule", "test", "--no-command-borders", "-s", name),
        needs=("bed", "venv", *(f"bed:{machine}" for machine in machines(name))),
        env={"MOLECULE_EPHEMERAL_DIRECTORY": str(BUILD / "molecule" / name)},
        down=("python3", "-m", "lab", "down", os.environ.get("VMNET_BED_PREFIX", "") + name),
        counts=True,
        # molecule goes on without a playbook that it cannot find
        refuses="Missing playbook",
    )


def cores(*, runnable: bool) -> list[str]:
    """The supported versions of ansible-core, oldest first; `runnable`: that this machine has a Python for."""
    listing = subprocess.run(["tests/core", "--list"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in listing.splitlines() if not (runnable and "needs" in line)]


def ansible_test(name: str, *argv: str, counts: bool = True) -> Step:
    """ansible-test under another ansible-core than that of .venv."""
    return Step(name, ("tests/core", *argv), needs=("venv",), counts=counts, refuses="All targets skipped")


def steps() -> list[Step]:
    """Every step, the long ones first: they decide when the whole is done."""
    scenarios = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    assert scenarios.issuperset(LONG)
    runnable = cores(runnable=True)
    newest = runnable[-1]
    return [
        Step("packages", ("make", "-s", "packages")),
        Step("venv", ("make", "-s", ".venv/installed")),
        Step("bed", ("python3", "-m", "lab", "cache"), needs=("packages",)),
        *map(image, sorted({machine for name in scenarios for machine in machines(name)}.union(BENCH_MACHINES))),
        *map(scenario, (*LONG, *sorted(scenarios.difference(LONG)))),
        Step(
            "guides",
            ("pytest", "tests/guides"),
            needs=("bed", "venv"),
            down=("python3", "-m", "lab", "down", os.environ.get("VMNET_BED_PREFIX", "") + "guides"),
            counts=True,
        ),
        Step(
            "bench",
            ("python3", "-m", "bench", "--smallest", "--into", str(BUILD / "bench")),
            needs=("bed", "venv", *(f"bed:{machine}" for machine in BENCH_MACHINES)),
            env={"PYTHONPATH": f"{ROOT / 'tests'}:{BUILD / 'collections'}"},
        ),
        Step("artefact", ("tests/core", newest, "tests/artefact/run"), needs=("bed", "venv")),
        # The newest that this machine can run, and the oldest; .venv's, in between, does everything else.
        *[ansible_test(f"core:{core}", core, "quick") for core in dict.fromkeys((newest, runnable[0]))],
        *[ansible_test(f"matrix:{core}", core) for core in cores(runnable=False)],
        ansible_test("sanity", newest, "sanity", counts=False),
        Step("unit", ("pytest",), needs=("venv",), counts=True),
        lint("ansible-lint", "ansible-lint", "--offline", "-q"),
        lint("mypy", "mypy"),
        lint("ruff", "ruff", "check", "."),
        lint("format", "ruff", "format", "--check", "--diff", "-q", "."),
        lint("yamllint", "yamllint", "--strict", "."),
        lint("shellcheck", "bash", "-c", f"git grep --untracked -lE '{SHELL}' -- ':!*.py' ':!*.md' | xargs shellcheck"),
        lint("codespell", "codespell"),
        lint("reuse", "reuse", "lint", "-q"),
        lint("changelog", "antsibull-changelog", "lint"),
        lint(
            "docs",
            *("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--check-extra-docs-refs"),
            *("--validate-collection-refs", "all", "--disallow-unknown-collection-refs", "."),
        ),
        lint("site", "docs/build"),
        lint("pictures", "python3", "docs/pictures.py", "--check"),
        lint("galaxy", "tests/galaxy/run"),
        lint("dependencies", "tests/galaxy/introspect"),
    ]


def is_setup(name: str) -> bool:
    """Whether others need it and nobody asks for it."""
    return name.partition(":")[0] in ("packages", "venv", "bed")


# `all` has sanity as a part of core, and core is the short form of matrix.
APART = ("sanity", "matrix:", "bench")

# By name they run; a group skips them, says so and counts them as skipped.
LEFT_OUT: dict[str, str] = {
    "scenario:dhcp_checksum": "its host is an emulated processor, which keeps a core busy for up to a quarter of an hour",
    "scenario:uplink_stacked": "its two hosts are emulated processors, on which it takes eighteen minutes",
}


def choose(names: list[str], known: list[Step]) -> list[Step]:
    """The named steps and groups with all they need, in the order of steps()."""
    by_name = {step.name: step for step in known}
    groups = {
        "lint": [name for name in by_name if name.startswith("lint:")],
        "scenarios": [name for name in by_name if name.startswith("scenario:") and name not in LEFT_OUT],
        "matrix": [name for name in by_name if name.startswith("matrix:")],
        "all": [name for name in by_name if not is_setup(name) and not name.startswith(APART) and name not in LEFT_OUT],
    }
    wanted: set[str] = set()
    queue = [name for given in names for name in groups.get(given, [given])]
    while queue:
        name = queue.pop()
        if name not in by_name:
            sys.exit(f"tests/run.py: no step {name!r}; there are: {', '.join([*groups, *by_name])}")
        if name not in wanted:
            wanted.add(name)
            queue += by_name[name].needs
    return [step for step in known if step.name in wanted]


def environment(step: Step) -> dict[str, str]:
    """What a step sees: this checkout's tools and collection, and a place of its own for Ansible's files."""
    env = {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    env |= {
        "PATH": f"{VENV}:{env['PATH']}",
        "PYTHONPATH": str(ROOT / "tests"),
        "PYTHONUNBUFFERED": "1",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(BUILD / "collections"),
        "ANSIBLE_HOME": str(BUILD / "ansible"),
        "ANSIBLE_NOCOLOR": "1",
        # molecule puts its own configuration in the place of ansible.cfg
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_HOST_KEY_CHECKING": "0",
        # where they are, or it warns that it would look elsewhere first
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "NO_COLOR": "1",
        "PY_COLORS": "0",
    }
    return env | step.env


class Running:
    """A step under way, in a process group of its own."""

    def __init__(self, step: Step, show: bool) -> None:
        self.step = step
        self.start = time.monotonic()
        self.seconds = 0.0
        self.failure = ""
        self._out = step.log.open("wb")
        self.shown = step.log.open("rb") if show else None
        self.process = self._spawn(step.argv)

    def _spawn(self, argv: tuple[str, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment(self.step),
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _show(self) -> None:
        if self.shown:
            sys.stdout.write(self.shown.read().decode(errors="replace"))
            sys.stdout.flush()

    def over(self) -> bool:
        """Whether it has ended; a step that hangs is ended here."""
        self._show()
        if self.process.poll() is None and time.monotonic() - self.start > STEP_LIMIT:
            self.failure = f"stopped after {STEP_LIMIT} s"
            self.stop()
        return self.process.poll() is not None

    def stop(self) -> None:
        """Ask the whole group to end, as Ctrl-C would, and insist after a while."""
        for how, patience in ((signal.SIGINT, STOP_GRACE), (signal.SIGKILL, 5)):
            deadline = time.monotonic() + patience
            try:
                os.killpg(self.process.pid, how)
                while time.monotonic() < deadline:
                    self.process.poll()
                    os.killpg(self.process.pid, 0)  # raises when nobody is left
                    time.sleep(0.1)
            except ProcessLookupError:
                return

    def close(self) -> None:
        """Take down what it leaves, and judge it."""
        if self.step.down:
            self._spawn(self.step.down).wait()
        self._out.close()
        self._show()
        self.seconds = time.monotonic() - self.start
        if self.failure:
            return
        if self.process.returncode:
            self.failure = f"exit status {self.process.returncode}"
        elif self.step.counts and not closing_lines(self.step):
            self.failure = "ran no test"
        elif self.step.refuses and self.step.refuses in self.step.log.read_text(errors="replace"):
            self.failure = f"the log says {self.step.refuses!r}"


def closing_lines(step: Step) -> list[re.Match[str]]:
    """What pytest said last, once for every time the step ran it."""
    lines = COLOUR.sub("", step.log.read_text(errors="replace")).splitlines()
    return [match for line in lines if (match := CLOSING.search(line))]


def reasons(step: Step) -> list[str]:
    """The lines of its log that say what has failed."""
    lines = COLOUR.sub("", step.log.read_text(errors="replace")).splitlines()
    return [line[:REASON_WIDTH] for line in lines if REASON.match(line)][-REASONS:]


def run(chosen: list[Step], jobs: int) -> list[Running]:
    """Run them all; what needs a failed step is left out."""
    for directory in (LOGS, BUILD / "home"):
        directory.mkdir(parents=True, exist_ok=True)
    show = len([step for step in chosen if not is_setup(step.name)]) == 1
    waiting, under_way, ended = list(chosen), [], []
    try:
        while waiting or under_way:
            passed = {each.step.name for each in ended if not each.failure}
            under_way_names = {each.step.name for each in under_way}
            still_possible = passed | under_way_names | {step.name for step in waiting}
            waiting = [step for step in waiting if still_possible.issuperset(step.needs)]
            for step in [step for step in waiting if passed.issuperset(step.needs)][: jobs - len(under_way)]:
                waiting.remove(step)
                under_way.append(Running(step, show and not is_setup(step.name)))
                say("start", step.name)
            for each in [each for each in under_way if each.over()]:
                under_way.remove(each)
                each.close()
                ended.append(each)
                say("FAIL" if each.failure else "ok", f"{each.step.name}  {each.seconds:.1f} s")
                for line in reasons(each.step) if each.failure else []:
                    print(f"{'':9}{line}", flush=True)
            time.sleep(0.05)
    except KeyboardInterrupt:
        # A second Ctrl-C must not leave hosts behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for each in under_way:
            say("stop", each.step.name)
            each.failure = INTERRUPTED
            each.stop()
            each.close()
        ended += under_way
    return ended


def say(what: str, rest: str) -> None:
    print(f"{what:>7}  {rest}", flush=True)


def report(chosen: list[Step], ended: list[Running], skipped: Mapping[str, str]) -> int:
    """Say what happened, the most useful last; returns the exit status. `skipped` steps are given with the reason."""
    failed = [each for each in ended if each.failure]
    left_out = [step for step in chosen if step not in [each.step for each in ended]]
    for each in failed:
        if each.shown or each.failure == INTERRUPTED:
            continue
        print(f"\n--- {each.step.name}: {each.failure}; the end of {each.step.log.relative_to(ROOT)}")
        print("\n".join(each.step.log.read_text(errors="replace").splitlines()[-TAIL:]))
    print(f"\n{'step':24}{'seconds':>8}")
    for each in ended:
        print(f"{each.step.name:24}{each.seconds:8.1f}  {each.failure}".rstrip())
    for step in left_out:
        print(f"{step.name:24}{'':8}  not run: it needs {', '.join(step.needs)}")

    for name, why in skipped.items():
        print(f"{name:24}{'':8}  skipped: {why}")

    counted = [each for each in ended if each.step.counts]
    total = {"passed": 0, "failed": 0, "skipped": len(skipped)}
    # A step that fails outside pytest is a failure too, or a green line would follow a red run.
    total["failed"] = len([each for each in failed if not each.step.counts]) + len(left_out)
    for each in counted:
        before = total["failed"]
        print(f"\n{each.step.name}:")
        for line in closing_lines(each.step):
            print(line[0])
            for number, word in re.findall(r"(\d+) ([a-z]+)", line["counts"]):
                kind = KINDS.get(word)
                if kind:
                    total[kind] += int(number)
        if each.failure and total["failed"] == before:
            total["failed"] += 1
    if counted:
        print("\n" + ", ".join(f"{number} {kind}" for kind, number in total.items()))
    return 1 if failed or left_out else 0


def terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="STEP", help="steps or groups: lint, scenarios, matrix, all")
    parser.add_argument("--list", action="store_true", help="show the steps and stop")
    # One more than there are cores: much of a scenario is waiting for a host to boot or a guest to answer.
    parser.add_argument("-j", "--jobs", type=int, default=(os.cpu_count() or 1) + 1, help="steps side by side")
    options = parser.parse_args()
    known = steps()
    if options.list or not options.names:
        for step in known:
            print(f"{step.name:24} {' '.join(step.argv)}")
        return 0
    # SIGINT too: where a shell had it ignored, the steps would inherit that and never stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, terminate)
    chosen = choose(options.names, known)
    if not chosen:
        sys.exit(f"tests/run.py: {' '.join(options.names)}: there is none yet")
    groups = {"all", "scenarios"}.intersection(options.names)
    skipped = {name: why for name, why in LEFT_OUT.items() if groups and name not in options.names}
    return report(chosen, run(chosen, options.jobs), skipped)


if __name__ == "__main__":
    sys.exit(main())
