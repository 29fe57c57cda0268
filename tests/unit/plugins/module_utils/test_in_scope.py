# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a scope has taps and port forwards, by what their planners record."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Manager
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Key, Resource
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
    part,
    planned,
    policy,
    tap_entry,
)

MAKING: list[tuple[str, Planner, Any]] = [
    ("taps", plan_taps, tap_entry(name="vnet0")),
    ("port_forwards", plan_filter("port_forwards", replaces_listener), forward(listen=80, to_address="192.168.233.9")),
]
OTHERS: list[tuple[str, Planner, Any]] = [
    ("bridges", plan_bridges, bridge_entry(name="vmnet8")),
    ("policies", plan_filter("policies", replaces_bridge), policy(bridge="vmnet8", mode="isolated")),
]
BOTH_MANAGERS = (Manager(layout.NETWORKD), Manager(layout.NETWORK_MANAGER))


def files_of(module: str, plan: Planner, entry: Any, persistent: bool = True) -> dict[Key, Resource]:
    """What the module writes on a host with managers, for a tap on a bridge that is somebody else's."""
    request = Request((entry,), scope="lab", persistent=persistent, option=module)
    return part(planned(plan, request, host(*BOTH_MANAGERS)).after, (File.kind,))


@pytest.mark.parametrize(("module", "plan", "entry"), MAKING, ids=[module for module, _plan, _entry in MAKING])
@pytest.mark.parametrize("persistent", [True, False])
def test_what_a_module_has_made_is_in_its_scope_alone(module: str, plan: Planner, entry: Any, persistent: bool) -> None:
    files = files_of(module, plan, entry, persistent)
    assert recorded("lab", files) == {module}
    assert recorded("la", files) == set()


@pytest.mark.parametrize(("module", "plan", "entry"), MAKING, ids=[module for module, _plan, _entry in MAKING])
def test_any_file_of_a_module_is_enough(module: str, plan: Planner, entry: Any) -> None:
    """A run that was killed has left one and not the other."""
    files = files_of(module, plan, entry)
    own = [{key: file} for key, file in files.items() if "/lab/" in key.name or ".lab." in key.name]
    assert own
    assert all(recorded("lab", only) == {module} for only in own)


@pytest.mark.parametrize(("module", "plan", "entry"), OTHERS, ids=[module for module, _plan, _entry in OTHERS])
def test_what_other_modules_have_made_is_no_tap_and_no_forward(module: str, plan: Planner, entry: Any) -> None:
    assert recorded("lab", files_of(module, plan, entry)) == set()
