# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who gives a host's `eth0` its addresses, and from which files: nobody (a oneshot unit), or a network manager.

All of them make the same of it, from the files that a user of that manager would write. With systemd-networkd it may be a bond or
a VLAN that has the addresses, and there may be more routes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

ROUTER = "192.168.1.1"
ROUTER6 = "2001:db8:1::1"
BOND = "bond0"
_TAG = 5
VLAN = f"eth0.{_TAG}"


@dataclass(frozen=True)
class Uplink:
    """What `name` shall have; with `dhcp` the router hands the same IPv4 address out, and IPv6 comes by SLAAC."""

    name: str
    mac: str
    address: str
    address6: str
    dhcp: bool = False
    routes: bool = False


def mac_of(host: str, interface: str) -> str:
    """The MAC address of eth0 or eth1: the same at every start."""
    digest = hashlib.sha256(f"{host}/{interface}".encode()).hexdigest()
    return "02:" + ":".join(digest[at : at + 2] for at in range(0, 10, 2))


def slaac_address(mac: str) -> str:
    """What a host makes of its MAC address and the LAN's prefix (RFC 4291, appendix A)."""
    octets = [int(octet, 16) for octet in mac.split(":")]
    octets = [octets[0] ^ 2, *octets[1:3], 0xFF, 0xFE, *octets[3:]]
    groups = [f"{high << 8 | low:x}" for high, low in zip(octets[::2], octets[1::2], strict=True)]
    return f"2001:db8:1:0:{':'.join(groups)}"


def files(uplink: Uplink, manager: str) -> dict[str, str]:
    """Path -> text; `manager` is a variant's name, or nothing."""
    return _FILES[manager](uplink) | {"etc/lab/uplink.batch": _batch(uplink, manager), **_sysctl(manager)}


def mode_of(path: str) -> int:
    """NetworkManager and netplan insist on files that nobody else can read; networkd is not root."""
    return 0o600 if path.startswith(("etc/NetworkManager/system-connections", "etc/netplan")) else 0o644


def _batch(uplink: Uplink, manager: str) -> str:
    """For `ip -batch`. With a manager, of eth1 alone."""
    own = [
        f"addr add {uplink.address}/24 dev eth0",
        f"addr add {uplink.address6}/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add default via {ROUTER}",
        f"route add default via {ROUTER6} dev eth0",
    ]
    other = [] if uplink.name == BOND else ["link set eth1 addrgenmode none", "link set eth1 up"]
    return "".join(f"{line}\n" for line in ([] if manager else own) + other)


def _sysctl(manager: str) -> dict[str, str]:
    quiet = ["eth1"] if manager else ["eth0", "eth1"]
    return {"etc/lab/uplink.sysctl": "".join(f"net.ipv6.conf.{interface}.accept_ra = 0\n" for interface in quiet)}


def _nobody(_uplink: Uplink) -> dict[str, str]:
    return {}


def _ifupdown(uplink: Uplink) -> dict[str, str]:
    static = f"""\
iface eth0 inet static
    address {uplink.address}/24
    gateway {ROUTER}

iface eth0 inet6 static
    address {uplink.address6}/64
    gateway {ROUTER6}
"""
    dynamic = "iface eth0 inet dhcp\n\niface eth0 inet6 auto\n"
    head = "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\nauto eth0\n"
    return {"etc/network/interfaces": head + (dynamic if uplink.dhcp else static)}


def _networkd(uplink: Uplink) -> dict[str, str]:
    static = f"""\
Address={uplink.address}/24
Address={uplink.address6}/64
Gateway={ROUTER}
Gateway={ROUTER6}
DNS={ROUTER}
IPv6AcceptRA=no
"""
    network = f"[Match]\nName={uplink.name}\n\n[Network]\n{'DHCP=ipv4' if uplink.dhcp else static}\n"
    network = network.rstrip() + "\n" + (_ROUTES.format(name=uplink.name) if uplink.routes else "")
    return {"etc/systemd/network/10-uplink.network": network, **_below(uplink)}


# Of both families: with a metric, by a gateway of another subnet, and in a table of its own with a rule that leads there.
_ROUTES = """
[Route]
Destination=10.77.0.0/16
Gateway=192.168.1.20
Metric=77

[Route]
Destination=2001:db8:77::/48
Gateway=2001:db8:1::20
Metric=77

[Route]
Destination=10.78.0.0/16
Gateway=10.79.0.1
GatewayOnLink=yes

[Route]
Destination=2001:db8:78::/48
Gateway=2001:db8:79::1
GatewayOnLink=yes

[Route]
Gateway=192.168.1.20
Table=100

[Route]
Gateway=2001:db8:1::20
Table=100

[RoutingPolicyRule]
IncomingInterface={name}
Priority=100
Table=100
Family=both
"""


def _below(uplink: Uplink) -> dict[str, str]:
    """What makes the interface with the addresses, where that is not eth0.

    eth0 takes the tag of its VLAN off what it sends and puts it onto what it gets, as the port of a switch at the other end of
    the cable would: not every machine's kernel could play one.
    """
    directory = "etc/systemd/network"
    if uplink.name == BOND:
        return {
            f"{directory}/10-bond.netdev": f"""\
[NetDev]
Name={BOND}
Kind=bond
MACAddress={uplink.mac}

[Bond]
Mode=active-backup
MIIMonitorSec=100ms
""",
            f"{directory}/10-members.network": f"[Match]\nName=eth0 eth1\n\n[Network]\nBond={BOND}\n",
        }
    if uplink.name == VLAN:
        return {
            f"{directory}/10-vlan.netdev": f"[NetDev]\nName={VLAN}\nKind=vlan\n\n[VLAN]\nId={_TAG}\n",
            f"{directory}/10-trunk.network": f"[Match]\nName=eth0\n\n[Network]\nVLAN={VLAN}\nLinkLocalAddressing=no\n",
            "etc/lab/tag.batch": f"""\
qdisc add dev eth0 clsact
filter add dev eth0 egress matchall action vlan pop
filter add dev eth0 ingress matchall action vlan push id {_TAG}
""",
            "etc/systemd/system/lab-uplink.service.d/tag.conf": """\
[Service]
ExecStart=/sbin/tc -batch /etc/lab/tag.batch
""",
        }
    return {}


def _networkmanager(uplink: Uplink) -> dict[str, str]:
    static = f"""\
[ipv4]
method=manual
address1={uplink.address}/24,{ROUTER}
dns={ROUTER};

[ipv6]
method=manual
address1={uplink.address6}/64,{ROUTER6}
"""
    # eui64, so that the address is known beforehand.
    dynamic = "[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\naddr-gen-mode=eui64\n"
    head = "[connection]\nid=uplink\nuuid=3f0c2c6e-7c0c-4f5b-9d1e-2b1a5f0e8c11\ntype=ethernet\ninterface-name=eth0\n\n"
    return {
        "etc/NetworkManager/system-connections/uplink.nmconnection": head + (dynamic if uplink.dhcp else static),
        # Otherwise eth1 would get a connection that nobody has asked for.
        "etc/NetworkManager/conf.d/lab.conf": "[main]\nno-auto-default=*\n",
    }


def _netplan(uplink: Uplink) -> dict[str, str]:
    static = f"""\
      addresses: [{uplink.address}/24, "{uplink.address6}/64"]
      routes:
        - {{to: default, via: {ROUTER}}}
        - {{to: default, via: "{ROUTER6}"}}
      nameservers: {{addresses: [{ROUTER}]}}
      accept-ra: false
"""
    head = "network:\n  version: 2\n  renderer: networkd\n  ethernets:\n    eth0:\n"
    return {"etc/netplan/10-uplink.yaml": head + ("      dhcp4: true\n" if uplink.dhcp else static)}


_FILES: dict[str, Callable[[Uplink], dict[str, str]]] = {
    "": _nobody,
    "ifupdown": _ifupdown,
    "netplan": _netplan,
    "networkd": _networkd,
    "networkmanager": _networkmanager,
}
MANAGERS = tuple(name for name in _FILES if name)
