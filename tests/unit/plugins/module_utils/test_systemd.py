# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd is asked for, by what has changed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import systemd
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Resource, Unit, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan

SERVER = Unit("vmnet-dhcp@vmnet8.service", enabled=True, active=True, started_with="a", reloaded_with="b")
TEMPLATE = layout.unit_file(layout.DHCP_SERVICE)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands, without the program's path. One that starts the unit called bad fails."""
    commands: list[str] = []

    def run(argv: list[str], **_options: Any) -> Any:
        commands.append(" ".join(argv[1:]))
        fails = "vmnet-dhcp@bad.service" in argv and argv[1] == "restart"
        return SimpleNamespace(returncode=int(fails), stdout="", stderr="bad does not start" if fails else "")

    monkeypatch.setattr(systemd, "run", run)
    monkeypatch.setattr(systemd, "find", lambda name, _package: name)
    return commands


def unit(**values: Any) -> Unit:
    return Unit(**{**SERVER.__dict__, **values})


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            [],
            [SERVER],
            [
                "enable --no-reload -- vmnet-dhcp@vmnet8.service",
                "daemon-reload",
                "restart -- vmnet-dhcp@vmnet8.service",
            ],
        ),
        ([unit(current=False)], [SERVER], ["daemon-reload"]),
        ([unit(started_with="x")], [SERVER], ["daemon-reload", "restart -- vmnet-dhcp@vmnet8.service"]),
        ([unit(reloaded_with="x")], [SERVER], ["reload -- vmnet-dhcp@vmnet8.service"]),
        ([unit(current=False, started_with="x")], [SERVER], ["daemon-reload", "restart -- vmnet-dhcp@vmnet8.service"]),
        (
            [File(TEMPLATE, "old"), unit(started_with="x")],
            [File(TEMPLATE, "new"), SERVER],
            ["daemon-reload", "restart -- vmnet-dhcp@vmnet8.service"],
        ),
        (
            [unit(enabled=False, started_with="x")],
            [File(TEMPLATE, "new"), SERVER],
            [
                "enable --no-reload -- vmnet-dhcp@vmnet8.service",
                "daemon-reload",
                "restart -- vmnet-dhcp@vmnet8.service",
            ],
        ),
        ([unit(enabled=False)], [SERVER], ["enable --no-reload -- vmnet-dhcp@vmnet8.service", "daemon-reload"]),
        ([SERVER], [unit(enabled=False)], ["disable --no-reload -- vmnet-dhcp@vmnet8.service", "daemon-reload"]),
        ([SERVER], [SERVER], []),
    ],
    ids=[
        "new",
        "not loaded",
        "restart",
        "reload",
        "not loaded and restart",
        "unit file",
        "all",
        "enable",
        "disable",
        "nothing",
    ],
)
def test_what_has_changed_decides_what_is_asked_for(
    asked: list[str], before: list[Resource], after: list[Resource], expected: list[str]
) -> None:
    systemd.start(Plan(by_key(before), by_key(after)))
    assert asked == expected


# As systemd prints it: unit, whether it is loaded, state, and what it is.
LISTED = """\
vmnet-dhcp@br0.5.service loaded active running DHCP and DNS of the virtual machine network br0.5
vmnet-dhcp@dying.service loaded activating auto-restart DHCP and DNS of the virtual machine network dying
vmnet-dhcp@failed.service loaded failed failed DHCP and DNS of the virtual machine network failed
vmnet.service loaded active exited Virtual machine networks
"""


@pytest.mark.parametrize(
    "stale",
    [(), ("vmnet-dhcp@br0.5.service", "vmnet-dhcp@dying.service")],
    ids=["loaded", "a template that is not loaded"],
)
def test_what_runs_and_what_is_enabled_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stale: tuple[str, ...]
) -> None:
    asked: list[str] = []

    def run(argv: list[str], **_options: Any) -> Any:
        asked.append(" ".join(argv[1:]))
        names = argv[argv.index("--") + 1 :]
        shown = "\n\n".join(f"Id={name}\nNeedDaemonReload={'yes' if name in stale else 'no'}" for name in names)
        return SimpleNamespace(stdout=LISTED if argv[1] == "list-units" else f"{shown}\n")

    monkeypatch.setattr(systemd, "run", run)
    monkeypatch.setattr(systemd, "find", lambda name, _package: name)
    monkeypatch.setattr(layout, "UNITS", str(tmp_path))
    (tmp_path / "multi-user.target.wants").mkdir()
    instances = [layout.dhcp_unit(network) for network in ("br0.5", "new", "masked", "")]
    for name in ("vmnet.service", *instances):
        (tmp_path / "multi-user.target.wants" / name).symlink_to("/gone")
    (tmp_path / "vmnet-dhcp@masked.service").symlink_to("/dev/null")
    found = systemd.read(["vmnet.service", layout.dhcp_unit("?*")])
    assert found == [
        Unit("vmnet-dhcp@br0.5.service", enabled=True, active=True, current=not stale),
        Unit("vmnet-dhcp@dying.service", enabled=False, active=True, current=not stale),
        Unit("vmnet-dhcp@new.service", enabled=True, active=False, current=not stale),
        Unit("vmnet.service", enabled=True, active=True),
    ]
    assert asked == [
        "list-units --plain --full --no-legend -- vmnet.service vmnet-dhcp@?*.service",
        "show --property=Id,NeedDaemonReload -- vmnet-dhcp@dying.service vmnet.service",
    ]


def test_nothing_more_is_asked_where_there_is_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: list[str]
) -> None:
    monkeypatch.setattr(layout, "UNITS", str(tmp_path))
    assert systemd.read(["vmnet.service"]) == []
    assert len(asked) == 1


def test_what_goes_is_stopped_where_it_runs(asked: list[str]) -> None:
    other = Unit("vmnet-dhcp@files-gone.service", enabled=True, active=False)
    systemd.stop(Plan(by_key([SERVER, other]), {}))
    both = f"{SERVER.name} {other.name}"
    assert asked == [f"disable --quiet -- {both}", f"stop -- {SERVER.name}", f"reset-failed -- {both}"]
    asked.clear()
    systemd.stop(Plan(by_key([SERVER]), by_key([unit(enabled=False)])))
    assert asked == []


def test_very_many_are_enabled_by_one_call_and_started_by_some_and_one_that_fails_does_not_keep_the_others(
    asked: list[str],
) -> None:
    names = ["bad", *(f"vn{number}" for number in range(249))]
    units = [unit(name=layout.dhcp_unit(name)) for name in names]
    with pytest.raises(HostError, match="bad does not start"):
        systemd.start(Plan({}, by_key(units)))
    calls = [command for command in asked if command != "daemon-reload"]
    given = [(command.split()[0], command.split(" -- ")[1].split()) for command in calls[:4]]
    everything = [each.name for each in units]
    assert given == [
        ("enable", everything),
        ("restart", everything[:100]),
        ("restart", everything[100:200]),
        ("restart", everything[200:]),
    ]
