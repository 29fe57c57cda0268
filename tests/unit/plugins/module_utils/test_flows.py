# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which flows are forgotten when port forwards change."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._backends import conntrack
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import State, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.flows import Flow, Forwards, changed_ports, is_stale
from ansible_collections.tapestry.vmnet.tests.unit.support import forward

HOST, OTHER, CLIENT = "192.168.1.5", "192.168.1.6", "192.168.1.20"
A, B = ("192.168.233.101", 80), ("192.168.233.102", 80)
UNTRANSLATED = (HOST, 8080)


def to(target: tuple[str, int], **values: Any) -> Any:
    return forward(protocol="udp", listen=8080, to_address=target[0], to_port=target[1], **values)


def state(*forwards: Any) -> State:
    return by_key(element for entry in forwards for element in entry.elements("default"))


def flow(answers: tuple[str, int], **values: Any) -> Flow:
    return Flow(4, "udp", CLIENT, 4000, HOST, 8080, answers)._replace(**values)


def tcp(target: tuple[str, int], **values: Any) -> Any:
    return forward(listen=8080, to_address=target[0], to_port=target[1], **values)


@pytest.mark.parametrize(
    ("before", "after", "of", "forgotten"),
    [
        pytest.param([to(A)], [], flow(A), True, id="removed"),
        pytest.param([to(A)], [to(B)], flow(A), True, id="re-pointed"),
        pytest.param([to(A)], [to(B)], flow(B), False, id="of another way there"),
        pytest.param([], [to(A)], flow(UNTRANSLATED), True, id="the host's own until now"),
        pytest.param([], [tcp(A)], flow(UNTRANSLATED, protocol="tcp"), False, id="a connection of the host's own"),
        pytest.param([], [to(A)], flow(("8.8.8.8", 8080), destination="8.8.8.8"), False, id="crossing the host"),
        pytest.param([to(A)], [to(A), to(B, address=HOST)], flow(A), True, id="a more specific address comes"),
        pytest.param(
            [to(A)], [to(A), to(B, address=HOST)], flow(A, destination=OTHER), False, id="it is not for this address"
        ),
        pytest.param([to(A), to(B, address=HOST)], [to(A)], flow(B), True, id="the more specific one goes"),
        pytest.param([to(A), to(B, address=HOST)], [to(B, address=HOST)], flow(B), False, id="the wider one goes"),
        pytest.param([to(A)], [to(A), to(B, sources=["192.168.1.0/24"])], flow(A), True, id="a source comes"),
        pytest.param([to(A)], [to(A), to(B, sources=["10.0.0.0/8"])], flow(A), False, id="of other sources"),
        pytest.param([to(A)], [], flow(A, dport=8081), False, id="another port"),
        pytest.param([tcp(A, address=HOST, loopback=True)], [], flow(A, protocol="tcp"), True, id="a connection"),
    ],
)
def test_a_flow_is_forgotten_if_it_would_go_elsewhere_now(
    before: list[Any], after: list[Any], of: Flow, forgotten: bool
) -> None:
    plan = Plan(state(*before), state(*after))
    ports = changed_ports(plan)
    assert is_stale(of, Forwards(plan.before, ports), Forwards(plan.after, ports), {HOST, OTHER}) == forgotten


def test_flows_that_cannot_be_forgotten_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conntrack, "IPRoute", None)
    conntrack.forget(Plan(state(to(A)), state(to(A))))
    with pytest.raises(HostError, match="python3-pyroute2"):
        conntrack.forget(Plan(state(to(A)), {}))
