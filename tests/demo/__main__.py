# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raise a bed, apply the three kinds of network to its host, boot guests, and measure what the story claims.

make demo              leaves nothing behind
make demo KEEP=1       leaves the bed up, and says how to look around
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from lab import Bed, LabError

from . import playbook, story
from .claims import CLAIMS, Claim
from .leftovers import leftovers
from .measure import Refuted
from .report import Report
from .story import Story
from .topology import picture

_TARGET = 180  # seconds

# Says to each visitor which source address it came with.
_WEB_SERVER = r"""
printf 'read request; printf "HTTP/1.0 200 OK\\r\\n\\r\\n"; echo guest web saw $SOCAT_PEERADDR\n' >/tmp/answer
exec socat TCP4-LISTEN:80,fork,reuseaddr EXEC:'sh /tmp/answer'
"""


def tell(report: Report, bed: Bed) -> None:
    """The whole story."""
    with report.stage(
        "bed", f"a bed: host {story.HOST} (Debian 12) on a LAN with a router, an internet and neighbours"
    ):
        started = time.monotonic()
        Bed.up(bed.name, {story.HOST: "bookworm"}, replace=True)
        report.step("ok", f"bed {bed.name} is up; Ansible reaches {story.HOST} over SSH", time.monotonic() - started)
    told = Story(bed)
    inventory = playbook.write_inventory(bed, story.NETWORKS)
    with report.stage("first run", f"ansible-playbook {playbook.PLAYBOOK}"):
        apply(report, told, inventory)
    with report.stage("second run", f"ansible-playbook {playbook.PLAYBOOK}, once more"):
        apply(report, told, inventory)
    with report.stage("guests", "guests: QEMU virtual machines on the taps that the roles made"):
        addresses = boot(report, told)
    report.heading("what stands")
    report.line(picture(told.host, told.ports, addresses))
    with report.stage("claims", "what it does, measured"):
        for network, claims in CLAIMS.items():
            report.line(f"\n{network}")
            for claim in claims:
                check(report, claim, told)


def apply(report: Report, told: Story, inventory: Path) -> None:
    """Run the playbook and show its tasks on the host."""

    def watch(task: playbook.Task) -> None:
        if task.status != "skipped" and (task.on_host or task.status == "failed"):
            report.step(task.status, f"{task.role:<9}  {task.name}", task.seconds)

    run = playbook.run(told.bed, inventory, watch)
    told.runs.append(run)
    report.line(f"  {story.HOST}: ok={run.count('ok') + run.count('changed')} changed={run.count('changed')}")


def boot(report: Report, told: Story) -> dict[str, str]:
    """Boot all guests at once and have them ask for leases; returns what address each was given."""
    started = time.monotonic()
    for name, port in told.ports.items():
        told.host.boot_guest(name, tap=port.tap, mac=port.mac, wait=False)
    addresses = {}
    for name in told.ports:
        told.guest(name).wait_booted()
    report.step("ok", f"{', '.join(told.ports)} have booted, side by side", time.monotonic() - started)
    for name, port in told.ports.items():
        started = time.monotonic()
        addresses[name] = told.ask_for_lease(name)
        report.step("ok", f"{name} on {port.tap} of {port.network}: {addresses[name]}", time.monotonic() - started)
    told.guest("web").spawn(_WEB_SERVER)
    return addresses


def check(report: Report, claim: Claim, told: Story) -> None:
    """Measure one claim; a failure is reported and the others go on."""
    started = time.monotonic()
    report.under_way(claim.says)
    try:
        measured = claim.measure(told)
    except Refuted as problem:
        report.refuted(claim.says, problem.expected, problem.measured, time.monotonic() - started)
    except Exception as problem:  # whatever goes wrong in one claim, the others have something to say
        report.refuted(
            claim.says, "that it can be measured", f"{type(problem).__name__}: {problem}", time.monotonic() - started
        )
    else:
        report.claim(claim.says, measured, time.monotonic() - started)


def take_down(report: Report, bed: Bed) -> None:
    """Remove the bed, and look whether anything stays."""
    with report.stage("down", "taking it down"):
        started = time.monotonic()
        bed.down()
        left = leftovers(bed)
        if left:
            report.refuted("nothing is left", "nothing", "\n".join(left), time.monotonic() - started)
        else:
            report.step("ok", "nothing is left: no namespace, mount, process or file", time.monotonic() - started)


def how_to_look_around(report: Report, bed: Bed) -> None:
    report.heading(f"KEEP=1: bed {bed.name} stays up")
    lab = "PYTHONPATH=tests python3 -m lab"
    inventory = bed.state.directory / "inventory" / "hosts.json"
    for what, command in (
        ("log in to the host", f"{lab} ssh --bed {bed.name} {story.HOST}"),
        ("one command there", f"{lab} ssh --bed {bed.name} {story.HOST} nft list table inet vmnet"),
        ("the guests' consoles", f"{lab} console --bed {bed.name} web        (or client, peer, desk)"),
        ("a station of the LAN", f"{lab} run --bed {bed.name} neighbour 'ping -c 2 192.168.1.5'"),
        ("change the networks", f"$EDITOR {inventory.parent / 'group_vars' / 'all.yml'}"),
        ("and apply them", f".venv/bin/ansible-playbook -i {inventory} {playbook.PLAYBOOK} --check --diff"),
        ("take it down", f"{lab} down {bed.name}"),
    ):
        report.line(f"  {what:<22} {command}")


def sum_up(report: Report, told_to_the_end: bool) -> int:
    """The last lines; returns the exit status."""
    times = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in report.stages)
    report.line(f"\nTimes: {times}; total {report.seconds:.1f} s (to be under {_TARGET} s)")
    report.line(
        f"Claims: {report.held} hold, {report.failed} failed{'' if told_to_the_end else '; not all were measured'}"
    )
    return 0 if told_to_the_end and not report.failed else 1


def interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    """Once is enough: what takes the bed down, and the commands that it runs, must not be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    if os.geteuid() != 0:
        sys.exit("demo: needs root, to make network namespaces and machines")
    keep = os.environ.get("KEEP", "") not in ("", "0")
    report, bed, to_the_end, stopped = Report(), Bed(story.BED), False, False
    try:
        tell(report, bed)
        to_the_end = True
    except LabError as problem:
        report.line(f"\nFAILED: {problem}")
    except KeyboardInterrupt:
        stopped = True
        report.line("\ninterrupted")
    finally:
        if keep and not stopped and bed.state.exists():
            how_to_look_around(report, bed)
        else:
            take_down(report, bed)
    status = sum_up(report, to_the_end)
    return 130 if stopped else status


if __name__ == "__main__":
    sys.exit(main())
