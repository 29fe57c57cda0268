# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units of DHCP servers systemd is asked about."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import files
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.dhcp import DHCP_SERVERS
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File
from ansible_collections.tapestry.vmnet.tests.unit.support import host

ALL = "vmnet-dhcp@*.service"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(layout, "DHCP_LOADED", str(tmp_path / "loaded"))
    monkeypatch.setattr(layout, "UNITS", str(tmp_path / "units"))
    at_root = files.read_foreign
    monkeypatch.setattr(files, "read_foreign", lambda path: at_root(path.replace("/proc/", f"{tmp_path}/proc/")))
    (tmp_path / "units/multi-user.target.wants").mkdir(parents=True)
    return tmp_path


def asked(*networks: str) -> list[str]:
    """With files of these networks."""
    return list(DHCP_SERVERS.units(host(*(File(f"{layout.DHCP}/{network}/dnsmasq.conf", "") for network in networks))))


@pytest.mark.usefixtures("place")
def test_without_networks_only_what_runs_is_asked_about() -> None:
    assert asked() == [ALL]


def serve(place: Path, network: str, pid: int, *, group: str) -> None:
    """A process that serves a network, in a control group."""
    command = f"dnsmasq\0--conf-file={layout.DHCP}/{network}/dnsmasq.conf\0"
    for path, text in (
        (place / "loaded" / network / "pid", f"{pid}\n"),
        (place / f"proc/{pid}/cmdline", command),
        (place / f"proc/{pid}/cgroup", f"0::/system.slice/{group}\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_runs_is_asked_about_once(place: Path) -> None:
    for pid, network in enumerate(("vn0", "vn1"), 100):
        serve(place, network, pid, group=f"system-vmnet.slice/vmnet-dhcp@{network}.service")
        (place / f"units/multi-user.target.wants/vmnet-dhcp@{network}.service").touch()
    assert asked("vn0", "vn1") == [ALL]
    assert asked() == [ALL]


def test_what_does_not_run_is_asked_about_by_name(place: Path) -> None:
    serve(place, "vn0", 100, group="ssh.service")  # systemd does not run it
    serve(place, "vn1", 101, group="ssh.service")
    shutil.rmtree(place / "proc/101")  # and it was killed
    of_no_network = "vmnet-dhcp@.service"  # systemd refuses to tell of it
    for unit in ("vmnet-dhcp@vn2.service", of_no_network):
        (place / "units/multi-user.target.wants" / unit).touch()
    named = [f"vmnet-dhcp@vn{number}.service" for number in range(3)]
    assert asked("vn0", "vn1") == [*named, ALL]
