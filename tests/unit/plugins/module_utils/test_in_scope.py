# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which modules have something in a scope, by what their planners record."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Manager
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.filter import (
    plan_filter,
    replaces_bridge,
    replaces_listener,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.in_scope import recorded
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.links import plan_bridges, plan_taps
from ansible_collections.tapestry.vmnet.tests.unit.support import (
    Planner,
    bridge_entry,
    forward,
    host,
    nat,
    planned,
    policy,
    tap_entry,
)

SUBNETS = ["192.168.233.0/24"]
MAKING: list[tuple[str, Planner, Any]] = [
    ("bridges", plan_bridges, bridge_entry(name="vmnet8")),
    ("taps", plan_taps, tap_entry(name="vnet0")),
    ("policies", plan_filter("policies", replaces_bridge), policy(bridge="vmnet8", mode="nat", subnets=SUBNETS)),
    ("nat", plan_filter("nat", replaces_bridge), nat(bridge="vmnet8", subnets=SUBNETS)),
    ("port_forwards", plan_filter("port_forwards", replaces_listener), forward(listen=80, to_address="192.168.233.9")),
]


@pytest.mark.parametrize(("module", "plan", "entry"), MAKING, ids=[module for module, _plan, _entry in MAKING])
@pytest.mark.parametrize("persistent", [True, False])
def test_what_a_module_has_made_is_in_its_scope_alone(module: str, plan: Planner, entry: Any, persistent: bool) -> None:
    request = Request((entry,), scope="lab", persistent=persistent, option=module)
    after = planned(plan, request, host(Manager(layout.NETWORKD))).after
    assert recorded("lab", after) == {module}
    assert recorded("default", after) == set()


@pytest.mark.parametrize(("module", "plan", "entry"), MAKING, ids=[module for module, _plan, _entry in MAKING])
def test_every_file_of_a_module_alone_is_enough(module: str, plan: Planner, entry: Any) -> None:
    """A run that was killed has left one and not the other."""
    request = Request((entry,), scope="lab", option=module)
    after = planned(plan, request, host(Manager(layout.NETWORKD), Manager(layout.NETWORK_MANAGER))).after
    own = [key for key in after if key.kind == File.kind and ("/lab/" in key.name or ".lab." in key.name)]
    assert own
    assert all(recorded("lab", {key: after[key]}) == {module} for key in own)


def test_what_belongs_to_no_module_or_to_a_scope_of_a_like_name_is_nobodys() -> None:
    names = ("docker.rules", "tapsy.batch", "dhcp/taps.batch")
    found = host(*(File(f"{layout.PERSISTENT}/lab/{name}", "") for name in names), File(layout.PROGRAM, ""))
    assert recorded("lab", found) == set()
    assert recorded("la", {Key(File.kind, f"{layout.PERSISTENT}/lab/taps.batch"): File("x", "")}) == set()
