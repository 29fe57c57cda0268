# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people may ask of the packet filter, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.nat import SourceNat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import MODES, SERVICES, Policy
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.port_forward import PortForward
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.socket import PROTOCOLS
from ansible_collections.tapestry.vmnet.tests.unit.support import forward, nat, policy

BRIDGES = ("vmnet1", "vmnet8", "br-lan.5")
SUBNETS = ("10.0.0.0/24", "192.168.233.0/24", "10.9.9.9/32", "fd00:233::/64", "2001:db8::1/128")
UPLINKS = st.lists(st.sampled_from(["eth0", "wlan0", "eth0.5"]), unique=True, max_size=2)
SERVICE = st.sampled_from([*SERVICES, "tcp/22", "tcp/8080", "sctp/9"])


def subnets_of(bridge: str) -> st.SearchStrategy[list[str]]:
    """Different ones for each bridge."""
    known = {name: index for index, name in enumerate(BRIDGES)}
    own = [f"10.{known[bridge]}.0.0/24", f"fd00:{known[bridge]}::/64"] if bridge in known else list(SUBNETS)
    return st.lists(st.sampled_from(own), unique=True, min_size=1)


@st.composite
def policies_of(draw: st.DrawFn, bridge: str) -> Policy:
    return policy(
        bridge=bridge,
        subnets=draw(subnets_of(bridge)),
        mode=draw(st.sampled_from(MODES)),
        ipv6_mode=draw(st.none() | st.sampled_from(MODES)),
        uplinks=draw(UPLINKS),
        host_services=draw(st.none() | st.lists(SERVICE, unique=True, max_size=4)),
        peers=draw(st.lists(st.sampled_from(["peer0", "peer1"]), unique=True)),
        isolate_guests=draw(st.none() | st.booleans()),
    )


@st.composite
def nats(draw: st.DrawFn, bridge: str) -> SourceNat:
    subnets = draw(subnets_of(bridge))
    four, six = (any(mark in subnet for subnet in subnets) for mark in ".:")
    to4 = draw(st.sampled_from([[], ["192.168.1.5"], ["192.168.1.5-192.168.1.9"]])) if four else []
    to6 = draw(st.sampled_from([[], ["2001:db8::5"]])) if six else []
    return nat(
        bridge=bridge,
        subnets=subnets,
        uplinks=draw(UPLINKS),
        to_addresses=[*to4, *to6],
        to_ports=draw(st.none() | st.just("2000-2999")) if to4 else None,
    )


@st.composite
def forwards(draw: st.DrawFn, bridge: str) -> PortForward:
    family = draw(st.sampled_from([4, 6]))
    four = family == 4
    first = draw(st.integers(80, 84))
    size = draw(st.integers(1, 3))
    to = draw(st.none() | st.integers(8080, 8084))
    sources = ["192.168.1.0/24", "172.16.0.7/32"] if four else ["2001:db8::/32", "2001:db9::7/128"]
    return forward(
        bridge=bridge,
        protocol=draw(st.sampled_from(PROTOCOLS)),
        address=draw(st.none() | st.just("192.168.1.5" if four else "2001:db8::5")),
        listen=f"{first}-{first + size - 1}",
        to_address=draw(st.sampled_from(["10.0.0.101", "10.0.0.102"] if four else ["fd00::101"])),
        to_port=to and f"{to}-{to + size - 1}",
        sources=draw(st.none() | st.lists(st.sampled_from(sources), unique=True, min_size=1)),
        loopback=draw(st.none() | st.booleans()) if four else None,
    )
