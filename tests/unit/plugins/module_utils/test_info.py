# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What network_info tells, and where it says that a host is no longer as its records have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.links import Bridge, OtherLink, Tap
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.observation import End, Flow, Route, Station
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import File, Key, Resource, Sysctl, Unit
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import Program
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan import drift
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.drift import Drift
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.filter import (
    plan_filter,
    replaces_bridge,
    replaces_listener,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.info import Observation, networks
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.links import plan_bridges, plan_taps
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import leases
from ansible_collections.tapestry.vmnet.tests.unit.support import (
    FILTER,
    LINKS,
    applied,
    bridge_entry,
    forward,
    host,
    part,
    planned,
    policy,
    tap_entry,
)

State = dict[Key, Resource]
SERVICE = Unit(layout.dhcp_unit("vmnet8"), enabled=True, active=True)


def made() -> State:
    """A host with one NAT network, as the modules leave it."""
    state: State = host(
        Sysctl("net/ipv4/ip_forward", "0"),
        OtherLink("eth1", "physical interface"),
        Bridge("docker0", addresses=("172.17.0.1/16",), ports=()),
    )
    for kinds, plan, request in (
        (
            LINKS,
            plan_bridges,
            Request((bridge_entry(name="vmnet8", addresses=["192.168.233.2/24"]),), option="bridges"),
        ),
        (LINKS, plan_taps, Request((tap_entry(name="vnet0", bridge="vmnet8"),), option="taps")),
        (
            FILTER,
            plan_filter("policies", replaces_bridge),
            Request((policy(bridge="vmnet8", mode="nat", subnets=["192.168.233.0/24"]),), option="policies"),
        ),
        (
            FILTER,
            plan_filter("port_forwards", replaces_listener),
            Request((forward(listen=8080, to_address="192.168.233.101", to_port=80),), option="port_forwards"),
        ),
    ):
        state = applied(state, planned(plan, request, part(state, kinds)))
    return state


def put(*resources: Resource) -> Callable[[State], None]:
    return lambda state: state.update(host(*resources))


def take(kind: type[Resource], name: str) -> Callable[[State], None]:
    def remove(state: State) -> None:
        del state[Key(kind.kind, name)]

    return remove


def change(kind: type[Resource], name: str, **values: Any) -> Callable[[State], None]:
    def edit(state: State) -> None:
        state[Key(kind.kind, name)] = replace(state[Key(kind.kind, name)], **values)

    return edit


def test_what_the_modules_made_has_no_drift() -> None:
    assert drift.find(made(), systemd=True) == []


FORWARD = "vn_forwards_any4 tcp . 8080"
DRIFTS: list[tuple[str, Callable[[State], None], list[Drift]]] = [
    (
        "an attribute of a bridge",
        change(Bridge, "vmnet8", mtu=1400),
        [Drift("vmnet8", "bridge vmnet8: mtu is 1400, should be 1500")],
    ),
    ("a tap that is gone", take(Tap, "vnet0"), [Drift("vmnet8", "tap vnet0 is missing")]),
    (
        "a tap that somebody took off its bridge",
        change(Tap, "vnet0", bridge=None),
        [Drift("vmnet8", "tap vnet0: bridge is None, should be 'vmnet8'")],
    ),
    (
        "an element of the packet filter that is gone",
        lambda state: [state.pop(key) for key in list(state) if key.name == FORWARD] and None,
        [Drift("vmnet8", f"nft table inet vmnet ({FORWARD}) is missing")],
    ),
    (
        "an edited rule",
        put(Program("vmnet", intact=False)),
        [Drift(None, "nft table inet vmnet: intact is False, should be True")],
    ),
    (
        "a kernel parameter",
        put(Sysctl("net/ipv4/ip_forward", "0")),
        [Drift(None, "sysctl (net/ipv4/ip_forward): value is '0', should be '1'")],
    ),
    ("a file for the boot", take(File, layout.PROGRAM), [Drift(None, f"file {layout.PROGRAM} is missing")]),
    (
        "a service that somebody stopped",
        put(File(f"{layout.DHCP}/vmnet8/dnsmasq.conf", "# vmnet:default\n"), replace(SERVICE, active=False)),
        [Drift("vmnet8", f"unit {SERVICE.name}: active is False, should be True")],
    ),
    (
        "a service that somebody disabled",
        put(File(f"{layout.DHCP}/vmnet8/dnsmasq.conf", "# vmnet:default\n")),
        [Drift("vmnet8", f"unit {SERVICE.name} is neither enabled nor active")],
    ),
    ("an address that somebody added", change(Bridge, "vmnet8", addresses=("192.168.233.2/24", "10.0.0.1/8")), []),
    ("somebody else's bridge", put(Bridge("virbr0", mtu=1400, addresses=(), ports=())), []),
]


@pytest.mark.parametrize(("what", "happens", "found"), DRIFTS, ids=[drift[0] for drift in DRIFTS])
def test_drift_is_what_differs_from_the_records(
    what: str, happens: Callable[[State], None], found: list[Drift]
) -> None:
    state = made()
    happens(state)
    told = drift.find(state, systemd=True)
    assert [each for each in told if "dhcp@.service" not in each.text] == found, what


def show(seen: Observation | None = None, names: list[str] | None = None) -> list[dict[str, Any]]:
    return networks(made(), seen or Observation(), [], names)


def test_a_network_is_a_bridge_with_our_mark_or_one_that_is_named() -> None:
    assert [network["name"] for network in show()] == ["vmnet8"]
    assert [network["name"] for network in show(names=["docker0", "vmnet8"])] == ["docker0", "vmnet8"]
    with pytest.raises(
        InputError, match=r"^names\[0\]: there is no bridge br9 on this host; there are: docker0, vmnet8$"
    ):
        show(names=["br9"])


def test_ports_are_shown_with_what_they_are_and_whose() -> None:
    state = made()
    state.update(host(replace(state[Key("bridge", "vmnet8")], ports=("eth1", "vnet0"))))  # type: ignore[type-var]
    (network,) = networks(state, Observation(), [], None)
    assert [(port["name"], port["type"], port["scope"]) for port in network["ports"]] == [
        ("eth1", "physical interface", None),
        ("vnet0", "tap", "default"),
    ]


def test_each_network_has_what_was_seen_of_it_and_nothing_else() -> None:
    seen = Observation(
        stations=[Station("vmnet8", "vnet0", "52:54:00:00:00:65", None, False), Station("br9", "x", "y", None, True)],
        routes=[Route("vmnet8", "10.10.0.0/16", "192.168.233.9", 254, None), Route("br9", "10.0.0.0/8", None, 254, 1)],
        leases={"vmnet8": leases.parse("1796000000 52:54:00:00:00:65 192.168.233.101 web *\n"), "br9": []},
    )
    (network,) = show(seen)
    assert network["fdb"] == [{"port": "vnet0", "mac": "52:54:00:00:00:65", "vlan": None, "static": False}]
    assert network["routes"] == [{"destination": "10.10.0.0/16", "via": "192.168.233.9", "table": 254, "metric": None}]
    (lease,) = network["leases"]
    assert (lease["name"], lease["address"], lease["expires"]) == ("web", "192.168.233.101", 1796000000)
    assert [(f["listen"], f["to_address"], f["to_port"]) for f in network["forwards"]] == [
        ("8080", "192.168.233.101", "80")
    ]


GUEST, NEIGHBOUR, HOST, SERVER = "192.168.233.101", "192.168.1.20", "192.168.1.5", "8.8.8.8"
OUT = Flow("udp", End(GUEST, 5000), End(SERVER, 53), End(SERVER, 53), End(HOST, 5000))
IN = Flow("tcp", End(NEIGHBOUR, 40000), End(HOST, 8080), End(GUEST, 80), End(NEIGHBOUR, 40000))
PLAIN = Flow("tcp", End(GUEST, 5000), End("192.168.233.2", 53), End("192.168.233.2", 53), End(GUEST, 5000))
FOREIGN = Flow("tcp", End("172.17.0.2", 5000), End(SERVER, 53), End(SERVER, 53), End(HOST, 5000))


def test_connections_are_the_translated_flows_of_the_network_in_both_directions() -> None:
    (network,) = show(Observation(flows=[OUT, IN, PLAIN, FOREIGN]))
    told = [
        (c["direction"], c["source"], c["destination"], c["translated"], c["translated_port"])
        for c in network["connections"]
    ]
    assert told == [("out", GUEST, SERVER, HOST, 5000), ("in", NEIGHBOUR, HOST, GUEST, 80)]
