# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rulesets as text: ours, the least that works, and how Docker, Incus and libvirt lay theirs out.

The peers' are written from what they load on Debian 13 for such networks and forwards: the same chains in the same order,
one rule for one rule. All lead TCP ports of the host to guest 10.64.x.2, the port kept, and translate what guests send.
"""

from __future__ import annotations

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import entries
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.nat import SourceNat
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.network import expand
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.policy import Policy
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.port_forward import PortForward
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import ruleset

from .hosts import subnet

FIRST_PORT = 20000


def ports(count: int) -> range:
    return range(FIRST_PORT, FIRST_PORT + count)


def ours(networks: int, forwards: int) -> str:
    """What the role loads. Forwards are those of network 0."""
    profiles: list[dict[str, object]] = [
        {"name": f"vn{number}", "addresses": [f"{subnet(number)}.1/24"]} for number in range(networks)
    ]
    target = f"{subnet(0)}.2"
    profiles[0]["forwards"] = [
        {"protocol": "tcp", "listen": port, "to_address": target, "to_port": port} for port in ports(forwards)
    ]
    made = expand(profiles, "nat", None)
    parsed: list[Policy | SourceNat | PortForward] = [
        *(Policy.parse(entry) for entry in entries(made["policies"], "policies", "bridge")),
        *(SourceNat.parse(entry) for entry in entries(made["nat"], "nat", "bridge")),
        *(PortForward.parse(entry) for entry in entries(made["port_forwards"], "port_forwards", "listen")),
    ]
    return ruleset.program() + ruleset.render(e for entry in parsed for e in entry.elements("nat"))


def bare(_networks: int, forwards: int) -> str:
    """Connection tracking and two rules: nothing that forwards and translates can be shorter."""
    dnat = f"tcp dport {FIRST_PORT}-{FIRST_PORT + forwards} dnat to {subnet(0)}.2" if forwards else ""
    return (
        "table ip bare {\n"
        f" chain pre {{ type nat hook prerouting priority -100; {dnat}\n }}\n"
        f" chain post {{ type nat hook postrouting priority 100; ip saddr 10.64.0.0/10 oifname eth0 masquerade\n }}\n"
        "}\n"
    )


def libvirt(networks: int, _forwards: int) -> str:
    """Its nftables backend: rules of every network in the same five chains."""
    cross, inward, outward, nat = "", "", "", ""
    for number in range(networks):
        bridge, net = f"vn{number}", f"{subnet(number)}.0/24"
        cross += f"  iifname {bridge} oifname {bridge} counter accept\n"
        inward += f"  oifname {bridge} ip daddr {net} ct state related,established counter accept\n"
        inward += f"  oifname {bridge} counter reject\n"
        outward += f"  ip saddr {net} iifname {bridge} counter accept\n  iifname {bridge} counter reject\n"
        nat += f"  ip saddr {net} ip daddr 224.0.0.0/24 counter return\n"
        nat += f"  ip saddr {net} ip daddr 255.255.255.255/32 counter return\n"
        nat += f"  meta l4proto tcp ip saddr {net} ip daddr != {net} counter masquerade to :1024-65535\n"
        nat += f"  meta l4proto udp ip saddr {net} ip daddr != {net} counter masquerade to :1024-65535\n"
        nat += f"  ip saddr {net} ip daddr != {net} counter masquerade\n"
    return (
        "table ip libvirt_network {\n"
        f" chain guest_cross {{\n{cross} }}\n chain guest_input {{\n{inward} }}\n chain guest_output {{\n{outward} }}\n"
        " chain forward { type filter hook forward priority 0;\n"
        "  counter jump guest_cross\n  counter jump guest_input\n  counter jump guest_output\n }\n"
        f" chain guest_nat {{ type nat hook postrouting priority 100;\n{nat} }}\n}}\n"
    )


def incus(networks: int, forwards: int) -> str:
    """Base chains of every network, and rules for every port in those of its network."""
    text = ""
    for number in range(networks):
        name, net = f"vn{number}", f"{subnet(number)}.0/24"
        text += f" chain pstrt.{name} {{ type nat hook postrouting priority 100; ip saddr {net} ip daddr != {net} masquerade\n }}\n"
        text += f" chain fwd.{name} {{ type filter hook forward priority 0;\n"
        text += f"  ip version 4 oifname {name} accept\n  ip version 4 iifname {name} accept\n }}\n"
        text += f" chain in.{name} {{ type filter hook input priority 0;\n"
        text += f"  iifname {name} tcp dport 53 accept\n  iifname {name} udp dport 53 accept\n"
        text += f"  iifname {name} icmp type {{ 3, 11, 12 }} accept\n  iifname {name} udp dport 67 accept\n }}\n"
        text += f" chain out.{name} {{ type filter hook output priority 0;\n"
        text += f"  oifname {name} tcp sport 53 accept\n  oifname {name} udp sport 53 accept\n"
        text += f"  oifname {name} icmp type {{ 3, 11, 12 }} accept\n  oifname {name} udp sport 67 accept\n }}\n"
    target = f"{subnet(0)}.2"
    lead = "".join(f"  ip daddr {{host}} tcp dport {port} dnat to {target}:{port}\n" for port in ports(forwards))
    back = "".join(f"  ip saddr {target} ip daddr {target} tcp dport {port} masquerade\n" for port in ports(forwards))
    if forwards:
        text += f" chain fwdprert.vn0 {{ type nat hook prerouting priority -100;\n{lead} }}\n"
        text += f" chain fwdout.vn0 {{ type nat hook output priority -100;\n{lead} }}\n"
        text += f" chain fwdpstrt.vn0 {{ type nat hook postrouting priority 100;\n{back} }}\n"
    return f"table ip incus {{\n{text}}}\n"


def docker(networks: int, forwards: int) -> str:
    """For iptables-restore: rules of every network, and three rules for every port."""
    isolate, cross, post, dnat, accept = "", "", "", "", ""
    for number in range(networks):
        bridge, net = f"vn{number}", f"{subnet(number)}.0/24"
        isolate += f"-A DOCKER-ISOLATION-STAGE-1 -i {bridge} ! -o {bridge} -j DOCKER-ISOLATION-STAGE-2\n"
        isolate += f"-A DOCKER-ISOLATION-STAGE-2 -o {bridge} -j DROP\n"
        cross += f"-A FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
        cross += f"-A FORWARD -o {bridge} -j DOCKER\n"
        cross += f"-A FORWARD -i {bridge} ! -o {bridge} -j ACCEPT\n-A FORWARD -i {bridge} -o {bridge} -j ACCEPT\n"
        post += f"-A POSTROUTING -s {net} ! -o {bridge} -j MASQUERADE\n"
        dnat += f"-A DOCKER -i {bridge} -j RETURN\n"
    target = f"{subnet(0)}.2"
    for port in ports(forwards):
        dnat += f"-A DOCKER ! -i vn0 -p tcp -m tcp --dport {port} -j DNAT --to-destination {target}:{port}\n"
        post += f"-A POSTROUTING -s {target}/32 -d {target}/32 -p tcp -m tcp --dport {port} -j MASQUERADE\n"
        accept += f"-A DOCKER -d {target}/32 ! -i vn0 -o vn0 -p tcp -m tcp --dport {port} -j ACCEPT\n"
    return (
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n:DOCKER -\n"
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
        f"{post}{dnat}COMMIT\n"
        "*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n:DOCKER -\n:DOCKER-USER -\n"
        ":DOCKER-ISOLATION-STAGE-1 -\n:DOCKER-ISOLATION-STAGE-2 -\n"
        "-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n"
        f"{cross}{accept}-A DOCKER-USER -j RETURN\n{isolate}"
        "-A DOCKER-ISOLATION-STAGE-1 -j RETURN\n-A DOCKER-ISOLATION-STAGE-2 -j RETURN\nCOMMIT\n"
    )
