# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network as the files that its dnsmasq reads, and the template unit that runs one. Rendering and parsing are inverse.

What is in the configuration takes a restart to change; reservations and hosts are read again on SIGHUP.
The first line of each file, ``# vmnet:<scope>``, says whose the network is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from .._model import layout, net
from .._model.dhcp import OPTIONS, DhcpNetwork, Dns, Option, Range, Record, Reservation, Route, qualified

MARK = "# vmnet:"
MAX_LEASES = 65536
RA_INTERVAL, RA_LIFETIME = 600, 1800  # seconds; dnsmasq's own

# AF_UNIX for the log, AF_NETLINK to see the bridge come and go. What runs before dnsmasq notes what it is about to read;
# that is how a run of the module knows whether the process has what is on disk.
_FILES_LIVE = f"{layout.DHCP}/%i/reservations {layout.DHCP}/%i/hosts"
UNIT = f"""\
# Written by the Ansible collection tapestry.vmnet.
[Unit]
Description=DHCP and DNS of the virtual machine network %i
Documentation=man:dnsmasq(8) https://docs.ansible.com/ansible/latest/collections/tapestry/vmnet/
After=network-pre.target {layout.SERVICE}
StartLimitIntervalSec=0

[Service]
Type=forking
PIDFile={layout.DHCP_LOADED}/%i/pid
ExecStartPre=cp -t {layout.DHCP_LOADED}/%i {layout.unit_file(layout.DHCP_SERVICE)} {layout.DHCP}/%i/dnsmasq.conf {_FILES_LIVE}
ExecStart=dnsmasq --conf-file={layout.DHCP}/%i/dnsmasq.conf --pid-file={layout.DHCP_LOADED}/%i/pid
ExecReload=cp -t {layout.DHCP_LOADED}/%i {_FILES_LIVE}
ExecReload=kill -HUP $MAINPID
Restart=on-failure
RestartSec=3
DynamicUser=yes
RuntimeDirectory={layout.DHCP_LOADED.replace("/run/", "")}/%i
StateDirectory={layout.DHCP_STATE.replace("/var/lib/", "")}/%i
StateDirectoryMode=0700
UMask=0077
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


class Files(NamedTuple):
    """The texts of a network's files, in ``/etc/vmnet/dhcp/<bridge>``."""

    conf: str
    reservations: str
    hosts: str


NAMES = Files("dnsmasq.conf", "reservations", "hosts")


def paths(bridge: str) -> Files:
    return Files(*(f"{layout.DHCP}/{bridge}/{name}" for name in NAMES))


def render(network: DhcpNetwork, scope: str) -> Files:
    head = f"{MARK}{scope}\n"
    return Files(head + _lines(_conf(network)), head + _lines(_reservations(network)), head + _lines(_hosts(network)))


def scope_of(text: str) -> Optional[str]:
    """Whose a file is, None where it does not say."""
    first = text.partition("\n")[0]
    return first[len(MARK) :] if first.startswith(MARK) else None


def parse(bridge: str, files: Files) -> DhcpNetwork:
    """The inverse of ``render``."""
    conf: dict[str, list[str]] = {}
    for line in files.conf.splitlines():
        key, value = line.partition(" " if line.startswith("# address ") else "=")[::2]
        if line.startswith("# address "):
            key, value = "address", line[len("# address ") :]
        conf.setdefault(key, []).append(value)
    reservations = tuple(_parse_reservation(line) for line in _body(files.reservations))
    addresses = tuple(net.host_address(a) for a in conf.get("address", []))
    ranges = [value.split(",") for value in conf.get("dhcp-range", [])]
    options = dict(value.partition(",")[::2] for value in conf.get("dhcp-option", []))
    ra = conf.get("ra-param", [""])[0].split(",")
    router = options.get("option:router") != ""
    modes = {words[1] for words in ranges}
    return DhcpNetwork(
        bridge=bridge,
        addresses=addresses,
        ranges=tuple(Range(net.address(w[0]), net.address(w[1])) for w in ranges if w[1] not in ("static", "ra-only")),
        lease_time=conf["# lease-time"][0],
        reservations=reservations,
        known_only="dhcp-ignore" in conf,
        options=tuple(_parse_option(name, value) for name, value in options.items() if name.isdigit()),
        routes=tuple(
            r
            for r in _parse_routes(options.get("option:classless-static-route", ""))
            if not _is_default(r, addresses, router)
        ),
        mtu=int(options["option:mtu"]) if "option:mtu" in options else None,
        router=router,
        ipv6="none" if not ra[0] else "slaac" if "ra-only" in modes else "stateful",
        dns=_parse_dns(conf, files.hosts, reservations),
    )


def show(network: DhcpNetwork) -> dict[str, object]:
    """As an entry of the module."""
    return {
        "bridge": network.bridge,
        "addresses": [str(a) for a in network.addresses],
        "ranges": [str(r) for r in network.ranges],
        "lease_time": network.lease_time,
        "reservations": [
            {"name": r.name, "mac": r.mac, "addresses": [str(a) for a in r.addresses]} for r in network.reservations
        ],
        "known_only": network.known_only,
        "options": {option.name: list(option.values) for option in network.options},
        "routes": [{"to": str(route.to), "via": str(route.via)} for route in network.routes],
        "mtu": network.mtu,
        "router": network.router,
        "ipv6": network.ipv6,
        "dns": {
            "enabled": network.dns.enabled,
            "domain": network.dns.domain,
            "forward": network.dns.forward,
            "forwarders": [str(f) for f in network.dns.forwarders],
            "records": [{"name": r.name, "addresses": [str(a) for a in r.addresses]} for r in network.dns.records],
        },
    }


def _conf(network: DhcpNetwork) -> Iterable[str]:
    own = paths(network.bridge)
    yield from (f"# address {a}" for a in network.addresses)
    yield f"# lease-time={network.lease_time}"
    # Only this combination answers on the bridge alone, leaves others their port 53, and waits for a bridge that comes later.
    yield from ("bind-dynamic", f"interface={network.bridge}", "except-interface=lo")
    yield from ("no-hosts", f"addn-hosts={own.hosts}", f"dhcp-hostsfile={own.reservations}")
    yield f"dhcp-leasefile={layout.DHCP_STATE}/{network.bridge}/leases"
    yield from _dns(network.dns)
    yield from ("dhcp-authoritative", "dhcp-no-override", f"dhcp-lease-max={_lease_max(network)}")
    if network.known_only:
        yield "dhcp-ignore=tag:!known"
    yield from _ranges(network)
    yield from _dhcp_options(network)
    if network.ipv6 != "none":
        yield from _router_advertisements(network)


def _dns(dns: Dns) -> Iterable[str]:
    if dns.domain:
        yield from (f"domain={dns.domain}", f"local=/{dns.domain}/", "expand-hosts")
    if not dns.enabled:
        yield "port=0"
    yield from ("domain-needed", "bogus-priv")
    if not dns.forward or dns.forwarders:
        yield "no-resolv"
    yield from (f"server={forwarder}" for forwarder in dns.forwarders)


def _lease_max(network: DhcpNetwork) -> int:
    """As many as there can be. It must not depend on reservations, which change without a restart."""
    return min(MAX_LEASES, sum(subnet.num_addresses for subnet in _served(network)))


def _served(network: DhcpNetwork) -> list[net.Network]:
    """The subnets of which addresses are handed out."""
    return [*network.subnets(4), *(network.subnets(6) if network.ipv6 == "stateful" else ())]


def _ranges(network: DhcpNetwork) -> Iterable[str]:
    """Ranges, and where a subnet has none, the line without which its reservations would not be served."""
    for subnet in _served(network):
        mask = subnet.netmask if subnet.version == 4 else subnet.prefixlen
        inside = [
            (str(r.first), str(r.last))
            for r in network.ranges
            if r.first.version == subnet.version and r.first in subnet
        ]
        for first, last in inside or [(str(subnet.network_address), "static")]:
            yield f"dhcp-range={first},{last},{mask},{network.lease_time}"
    if network.ipv6 == "slaac":
        for subnet in network.subnets(6):
            yield f"dhcp-range={subnet.network_address},ra-only,{subnet.prefixlen},{network.lease_time}"


def _dhcp_options(network: DhcpNetwork) -> Iterable[str]:
    """Those that follow from other fields by name, those of the field ``options`` by number."""
    chosen = {option.name for option in network.options}
    gateway = network.gateway(4)
    if gateway:
        if not network.router:
            yield "dhcp-option=option:router"
        elif "router" not in chosen:
            yield f"dhcp-option=option:router,{gateway.ip}"
        if network.dns.enabled and "dns-server" not in chosen:
            yield f"dhcp-option=option:dns-server,{gateway.ip}"
    if network.mtu is not None:
        yield f"dhcp-option=option:mtu,{network.mtu}"
    if network.routes and gateway:
        # A guest that takes option 121 ignores option 3 (RFC 3442): the default route has to be in both.
        default = (
            [Route(ipaddress.ip_network("0.0.0.0/0"), gateway.ip)]
            if network.router and not _has_default(network.routes)
            else []
        )
        values = ",".join(f"{route.to},{route.via}" for route in [*network.routes, *default])
        yield f"dhcp-option=option:classless-static-route,{values}"
    for option in network.options:
        values = f'"{option.values[0]}"' if option.is_text else ",".join(option.values)
        yield f"dhcp-option={option.number},{values}"


def _router_advertisements(network: DhcpNetwork) -> Iterable[str]:
    gateway = network.gateway(6)
    mtu = f"mtu:{network.mtu}," if network.mtu is not None else ""
    yield "enable-ra"
    yield f"ra-param={network.bridge},{mtu}{RA_INTERVAL},{RA_LIFETIME if network.router else 0}"
    if network.dns.enabled and gateway:
        yield f"dhcp-option=option6:dns-server,[{gateway.ip}]"
    if network.dns.domain:
        yield f"dhcp-option=option6:domain-search,{network.dns.domain}"


def _reservations(network: DhcpNetwork) -> Iterable[str]:
    for r in network.reservations:
        addresses = [f"[{a}]" if a.version == 6 else str(a) for a in r.addresses]
        yield ",".join([r.mac, *addresses, r.name])


def _hosts(network: DhcpNetwork) -> Iterable[str]:
    """Guests with a fixed address have their name before they ask for a lease."""
    if network.dns.enabled:
        yield from (f"{a} {r.name}" for r in network.reservations for a in r.addresses)
        yield from (f"{a} {record.name}" for record in network.dns.records for a in record.addresses)


def _lines(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _parse_reservation(line: str) -> Reservation:
    mac, *addresses, name = line.split(",")
    return Reservation(name, mac, tuple(net.address(a.strip("[]")) for a in addresses))


def _parse_option(number: str, value: str) -> Option:
    name = next((name for name, (n, _kind) in OPTIONS.items() if n == int(number)), number)
    return Option(name, (value.strip('"'),) if value.startswith('"') else tuple(value.split(",")))


def _parse_routes(value: str) -> list[Route]:
    words = value.split(",") if value else []
    return [Route(net.subnet(to), net.address(via)) for to, via in zip(words[::2], words[1::2])]


def _has_default(routes: Iterable[Route]) -> bool:
    return any(route.to.prefixlen == 0 for route in routes)


def _is_default(route: Route, addresses: Iterable[net.Interface], router: bool) -> bool:
    """Whether it is the one that ``_dhcp_options`` adds."""
    gateway = next((a.ip for a in addresses if a.version == 4), None)
    return router and route.to.prefixlen == 0 and route.via == gateway


def _parse_dns(conf: Mapping[str, list[str]], hosts: str, reservations: Iterable[Reservation]) -> Dns:
    domain = conf.get("domain", [None])[0]
    guests = {qualified(r.name, domain) for r in reservations}
    records: dict[str, list[net.Address]] = {}
    for line in _body(hosts):
        address, name = line.split(" ", 1)
        if qualified(name, domain) not in guests:
            records.setdefault(name, []).append(net.address(address))
    return Dns(
        enabled="port" not in conf,
        domain=domain,
        forward="no-resolv" not in conf or "server" in conf,
        forwarders=tuple(net.address(s) for s in conf.get("server", [])),
        records=tuple(Record(name, tuple(found)) for name, found in records.items()),
    )
