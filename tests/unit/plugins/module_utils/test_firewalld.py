# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reload of firewalld: what others have bound at runtime comes back, and what was ours does not."""

from __future__ import annotations

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.neighbours import firewalld
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, State, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan
from ansible_collections.tapestry.vmnet.plugins.module_utils._render.firewalld import zone

PATH = "/etc/firewalld/zones/vmnet-nat.xml"
BEFORE = "vmnet-nat\n  interfaces: vmnet8 vmnet9\ntrusted\n  interfaces: tun0\npublic (default)\n  interfaces: eth0\n"
RELOADED = "vmnet-nat\n  interfaces: vmnet9\npublic (default)\n  interfaces: eth0\n"


@pytest.mark.parametrize("stays", [["vmnet9"], []])
def test_an_interface_that_leaves_our_zone_is_not_bound_to_it_again(
    monkeypatch: pytest.MonkeyPatch, stays: list[str]
) -> None:
    asked: list[tuple[str, ...]] = []

    def firewall_cmd(*arguments: str) -> str:
        asked.append(arguments)
        return RELOADED if ("--reload",) in asked else BEFORE

    monkeypatch.setattr(firewalld, "_firewall_cmd", firewall_cmd)
    monkeypatch.setattr(firewalld, "_is_running", lambda: True)
    monkeypatch.setattr(firewalld.os.path, "exists", lambda path: path.startswith("/sys/class/net/"))
    old: State = by_key([File(PATH, zone("nat", ["vmnet8", "vmnet9"]))])
    new: State = by_key([File(PATH, zone("nat", stays))] if stays else [])
    firewalld.apply(Plan(old, new))
    assert [arguments for arguments in asked if "interface" in arguments[-1]] == [
        ("--zone=trusted", "--change-interface=tun0")
    ]
