# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which units of DHCP servers systemd is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import daemons
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.dhcp import DHCP_SERVERS
from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File
from ansible_collections.tapestry.vmnet.tests.unit.support import host

ALL = "vmnet-dhcp@*.service"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(layout, "DHCP_LOADED", str(tmp_path / "loaded"))
    monkeypatch.setattr(layout, "UNITS", str(tmp_path / "units"))
    (tmp_path / "units/multi-user.target.wants").mkdir(parents=True)
    return tmp_path


def asked(*networks: str) -> list[str]:
    """With files of these networks."""
    return list(DHCP_SERVERS.units(host(*(File(f"{layout.DHCP}/{network}/dnsmasq.conf", "") for network in networks))))


@pytest.mark.usefixtures("place")
def test_without_networks_only_what_runs_is_asked_about() -> None:
    assert asked() == [ALL]


def test_what_runs_is_asked_about_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "of_units", lambda: ["vn0", "vn1"])
    for network in ("vn0", "vn1"):
        (place / f"units/multi-user.target.wants/vmnet-dhcp@{network}.service").touch()
    assert asked("vn0", "vn1") == [ALL]
    assert asked() == [ALL]


def test_what_does_not_run_is_asked_about_by_name(place: Path) -> None:
    (place / "loaded/vn0").mkdir(parents=True)  # of a server that was killed, and that systemd did not run
    of_no_network = "vmnet-dhcp@.service"  # systemd refuses to tell of it
    for unit in ("vmnet-dhcp@vn2.service", of_no_network):
        (place / "units/multi-user.target.wants" / unit).touch()
    assert asked("vn0") == ["vmnet-dhcp@vn0.service", "vmnet-dhcp@vn2.service", ALL]
