# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of several kinds: each is predicted on what those before it lead to, and what is predicted is what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils import _diff, _runner
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.addresses import ADDRESSES, INTERFACES
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.backend import Backend
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.links import LINKS
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.neighbours import NEIGHBOURS
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.packet_filter import PACKET_FILTER
from ansible_collections.tapestry.vmnet.plugins.module_utils._backends.sockets import SOCKETS
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.coexist import Grant
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import entries
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.foreign import Surroundings
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Bridge, Tap
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import (
    Address,
    Interface,
    Key,
    Resource,
    State,
    Sysctl,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import Element, Program
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan, Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.filter import SYSCTLS
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.bridges import BRIDGES
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.coexist import networks
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.nat import NAT
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.policies import POLICIES
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.port_forwards import PORT_FORWARDS
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.taps import TAPS
from ansible_collections.tapestry.vmnet.tests.unit.support import applied, by_key

SUBJECTS = (POLICIES, networks({"coexist": "auto", "state": "present"}), NAT, BRIDGES, TAPS, PORT_FORWARDS)
# What each backend reads; those that are not here read kernel parameters.
KINDS = {
    NEIGHBOURS: [Grant.kind, Surroundings.kind],
    PACKET_FILTER: [Element.kind, Program.kind, Sysctl.kind],
    ADDRESSES: [Address.kind],
    INTERFACES: [Interface.kind],
    LINKS: [Bridge.kind, Tap.kind],
    SOCKETS: [],
}
LOOPBACK = "net/ipv4/conf/{}/route_localnet"


class Kernel:
    """A host with Docker, in memory, that is read and changed as the backends do it."""

    def __init__(self) -> None:
        docker = Surroundings("host", uplinks=((4, "eth0"),), docker=("iptables",))
        parameters = [Sysctl(name, "0") for name in SYSCTLS]
        self.state: dict[Key, Resource] = by_key([Interface("eth0"), docker, *parameters])

    def all(self) -> State:
        self._settle()
        return dict(self.state)

    def read(self, backends: Iterable[Backend]) -> State:
        """As far as these backends read it; files and units are always read."""
        self._settle()
        kinds = {"file", "unit", *(kind for backend in backends for kind in KINDS.get(backend, [Sysctl.kind]))}
        return {key: r for key, r in self.state.items() if key.kind in kinds}

    def _settle(self) -> None:
        """What the kernel does by itself."""
        bridges = [key.name for key in self.state if key.kind == "bridge"]
        parameters = {LOOPBACK.format(bridge) for bridge in bridges}
        for key in [key for key in self.state if key.name.endswith("/route_localnet") and key.name not in parameters]:
            del self.state[key]
        for key in [key for key in self.state if key.kind == Address.kind]:
            del self.state[key]
        bridges_of = (r for r in list(self.state.values()) if isinstance(r, Bridge))
        addresses = [
            f"{bridge.name} {cidr.partition('/')[0]}" for bridge in bridges_of for cidr in bridge.addresses or ()
        ]
        self.state.update(by_key(map(Address, addresses)))
        for name in sorted(parameters):
            self.state.setdefault(Key("sysctl", name), Sysctl(name, "0"))

    def apply(self, plan: Plan, _backends: Any) -> None:
        self.state = applied(self.state, plan)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return a_kernel(monkeypatch)


def a_kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(_runner.host, "read", made.read)
    monkeypatch.setattr(_runner.host, "apply", made.apply)
    monkeypatch.setattr(_runner.command, "_which", lambda tool: f"/usr/sbin/{tool}")
    return made


def network(number: int, *, taps: int = 0, forwards: bool = False, bridge: str = "") -> dict[str, list[dict[str, Any]]]:
    bridge, subnet = bridge or f"br{number}", f"10.{number}.0"
    forward = {"bridge": bridge, "listen": f"80{number}", "to_address": f"{subnet}.9", "loopback": True}
    return {
        "networks": [{"bridge": bridge, "subnets": [f"{subnet}.0/24"], "mode": "nat", "forwards": forwards}],
        "policies": [{"bridge": bridge, "subnets": [f"{subnet}.0/24"], "mode": "nat"}],
        "nat": [{"bridge": bridge, "subnets": [f"{subnet}.0/24"]}],
        "bridges": [{"name": bridge, "addresses": [f"{subnet}.1/24"]}],
        "taps": [{"name": f"t{number}.{tap}", "bridge": bridge, "isolated": True} for tap in range(taps)],
        "port_forwards": [forward] if forwards else [],
    }


def together(networks: Iterable[dict[str, list[Any]]]) -> dict[str, list[Any]]:
    made: dict[str, list[Any]] = {subject.option: [] for subject in SUBJECTS}
    for each in networks:
        for kind, listed in each.items():
            made[kind] += listed
    return made


def parts(lists: dict[str, list[Any]], **options: Any) -> list[Any]:
    state = options.get("state", "present")
    found = []
    for subject in SUBJECTS:
        parsed = tuple(subject.parse(entries(lists[subject.option], subject.option, subject.key), state == "present"))
        request = Request(parsed, machine_id="m", option=subject.option, **options)
        bridges = frozenset(bridge["name"] for bridge in lists["bridges"])
        request = replace(request, staying_bridges=bridges if request.purge else None)
        backends = (*subject.backends, *subject.looks_at(request))
        found.append(_runner._Part(replace(subject, afterwards=lambda _plan: None), request, backends))
    return found if state == "present" else [found[1], *found[:1:-1], found[0]]


def shown(steps: Iterable[Any]) -> list[Any]:
    return [section for step in steps for section in _diff.render(step.plan)]


def run(kernel: Kernel, lists: dict[str, list[Any]], **options: Any) -> list[Any]:
    """What is shown, which is the same in check mode; a second run has nothing to do."""
    wanted = parts(lists, **options)
    everything = _runner._backends(wanted)
    predicted = _runner._predict(wanted, kernel.read(everything))
    done = _runner._carry_out(predicted)
    assert shown(done) == shown(predicted)
    assert not any(step.plan for step in _runner._predict(wanted, kernel.read(everything)))
    return shown(done)


NETWORKS = st.dictionaries(
    st.integers(1, 3), st.builds(dict, taps=st.integers(0, 2), forwards=st.booleans()), max_size=3
).map(lambda each: together(network(number, **given) for number, given in each.items()))


@given(lists=st.lists(NETWORKS, min_size=2, max_size=3), purge=st.booleans())
def test_what_is_predicted_is_done(lists: list[dict[str, list[Any]]], purge: bool) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        kernel = a_kernel(monkeypatch)
        begin = kernel.all()
        for wanted in lists:
            run(kernel, wanted, purge=purge)
        everything = together(network(number, taps=2, forwards=True) for number in (1, 2, 3))
        run(kernel, everything, state="absent")
        assert kernel.all() == begin


@pytest.mark.parametrize("options", [{"purge": True}, {"purge_bridges": ("br1",)}])
def test_a_bridge_and_its_taps_are_purged_together(kernel: Kernel, options: dict[str, Any]) -> None:
    begin = kernel.all()
    run(kernel, network(1, taps=2, forwards=True))
    assert run(kernel, together([]), **options)
    assert kernel.all() == begin


def host_only(bridge: str) -> dict[str, list[dict[str, Any]]]:
    """Nothing but its policy is recorded of such a network in the packet filter."""
    lists = network(1, taps=1, bridge=bridge)
    return {**lists, "policies": [{**policy, "mode": "isolated"} for policy in lists["policies"]], "nat": []}


def nat(bridge: str) -> dict[str, list[dict[str, Any]]]:
    return network(1, taps=1, forwards=True, bridge=bridge)


@pytest.mark.parametrize("profile", [host_only, nat])
def test_a_network_takes_another_name(kernel: Kernel, profile: Callable[[str], dict[str, list[Any]]]) -> None:
    run(kernel, profile("br1"), purge=True)
    run(kernel, profile("lan"), purge=True)
    assert [key.name for key in kernel.state if key.kind == Bridge.kind] == ["lan"]


def test_a_network_takes_another_name_after_a_run_that_was_killed(kernel: Kernel) -> None:
    run(kernel, host_only("br1"), purge=True)
    policies, *_rest = _runner._predict(parts(host_only("lan"), purge=True), kernel.all())
    kernel.apply(policies.plan, ())
    run(kernel, host_only("lan"), purge=True)


def test_an_address_on_a_bridge_that_stays_is_refused(kernel: Kernel) -> None:
    lists = network(1)
    run(kernel, {**lists, "policies": [], "nat": []}, purge=True)
    other = network(1, bridge="lan")["policies"]
    with pytest.raises(HostError, match=r"the host has 10\.1\.0\.1 on br1"):
        run(kernel, {**lists, "policies": other, "nat": []}, purge=True)


def test_forwards_take_no_room_on_a_bridge(kernel: Kernel) -> None:
    lists = network(1, taps=500)
    lists["port_forwards"] = [{"bridge": "br1", "listen": "5000-5599", "to_address": "10.1.0.9"}]
    run(kernel, lists)
    lists["taps"].append({"name": "more", "bridge": "br1"})
    assert run(kernel, lists)


def test_a_run_with_nothing_to_do_leads_to_the_host_as_it_is(kernel: Kernel) -> None:
    lists = network(1, taps=2, forwards=True)
    run(kernel, lists)
    state = kernel.all()
    for step in _runner._predict(parts(lists), state):
        assert step.state == state
        assert step.plan.leads_to(state) == state


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(
            {"nat": [{"bridge": "br1", "subnets": ["10.1.0.0/24"], "uplinks": ["eth9"]}]}, "eth9", id="uplink"
        ),
        pytest.param({"taps": [{"name": "t0", "bridge": "br9"}]}, "there is no bridge br9", id="bridge"),
        pytest.param(
            {"taps": [{"name": f"t{n}", "bridge": "br1"} for n in range(1024)]}, "more than 1023 ports", id="room"
        ),
        pytest.param(
            {"port_forwards": [{"bridge": "br1", "listen": "80", "to_address": "10.2.0.1"}]}, "is outside", id="target"
        ),
        pytest.param(
            {"port_forwards": [{"bridge": "br9", "listen": "80", "to_address": "10.2.0.1"}]}, "no network", id="network"
        ),
    ],
)
def test_what_is_missing_for_any_kind_is_found_before_the_first_change(
    kernel: Kernel, change: dict[str, Any], says: str
) -> None:
    begin = kernel.all()
    with pytest.raises(HostError, match=says):
        run(kernel, {**network(1), **change})
    assert kernel.all() == begin


def test_a_run_that_fails_halfway_says_what_it_has_done(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(plan: Plan, backends: Any) -> None:
        if plan.only("tap"):
            raise HostError("no more taps")
        kernel.apply(plan, backends)

    monkeypatch.setattr(_runner.host, "apply", apply)
    predicted = _runner._predict(parts(network(1, taps=1)), kernel.all())
    with pytest.raises(
        _runner._HalfwayError, match=r"^no more taps; done before that: policies, networks, nat, bridges$"
    ) as failed:
        _runner._carry_out(predicted)
    told = _runner._difference(failed.value.done)
    assert told == {"changed": True, "diff": shown(predicted[:4])}


def test_what_no_kind_to_come_is_about_is_not_read_again(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[set[Backend]] = []

    def read(backends: Any) -> State:
        reads.append(set(backends))
        return kernel.read(backends)

    monkeypatch.setattr(_runner.host, "read", read)
    done = _runner._carry_out(_runner._predict(parts(network(1, taps=1)), kernel.all()))
    changing = [step.part.subject.option for step in done if step.plan]
    assert changing == ["policies", "networks", "nat", "bridges", "taps"]
    of = [set(step.part.backends) for step in done]
    assert reads == [set().union(*of[number:]) for number in range(5)]
    assert ADDRESSES not in reads[1] and NEIGHBOURS not in reads[2] and LINKS in reads[4]


def test_a_run_that_fails_at_once_has_done_nothing(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def apply(_plan: Plan, _backends: Any) -> None:
        raise HostError("no")

    monkeypatch.setattr(_runner.host, "apply", apply)
    with pytest.raises(HostError, match=r"^no$"):
        run(kernel, network(1))
