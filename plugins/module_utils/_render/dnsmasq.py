# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network as the files that its dnsmasq reads. Rendering and parsing are inverse.

What is in the configuration takes a restart to change; the other files are read again on SIGHUP.
The first line of each file, ``# vmnet:<scope>``, says whose the network is.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, Optional

from .._model import layout, net
from .._model.boot_file import ARCHITECTURES, IPXE, Boot
from .._model.dhcp import MAX_LEASES, DhcpNetwork, Range, Reservation, Route
from .._model.dhcp_option import OPTIONS, Option
from .._model.dns import Dns, Record, Service, short

MARK = "# vmnet:"
RA_INTERVAL, RA_LIFETIME = 600, 1800  # seconds; dnsmasq's own
IPXE_OPTION, CLIENT_ID_OPTION = 175, 61
CHECKSUM_PREF = 26726  # of our filter, among those that others may have on the same bridge

_OF_GUEST = "guest-"  # begins the tag of a guest with options of its own
_FOR_DHCPV6 = "tag:dhcpv6"
_NOBODY = "76:6d:6e:65:74"  # begins the client id of nobody, for whom an address is kept
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")


class Files(NamedTuple):
    """The texts of a network's files, in ``/etc/vmnet/dhcp/<bridge>``. An empty one is not there."""

    conf: str
    reservations: str
    options: str
    hosts: str
    forwarders: str
    checksum: str

    @property
    def live(self) -> tuple[str, ...]:
        """Those that dnsmasq reads again on SIGHUP."""
        return (self.reservations, self.options, self.hosts, self.forwarders)


NAMES = Files("dnsmasq.conf", "reservations", "options", "hosts", "forwarders", "checksum.tc")
AUTOSTART = "autostart"  # beside them where it is the script for boot that starts the server


def paths(bridge: str) -> Files:
    return Files(*(f"{layout.DHCP}/{bridge}/{name}" for name in NAMES))


def render(network: DhcpNetwork, scope: str) -> Files:
    head = f"{MARK}{scope}\n"
    return Files(
        conf=head + _lines(_conf(network)),
        reservations=head + _lines(_reservations(network)),
        options=head + _lines(_options(network)),
        hosts=head + _lines(_hosts(network)),
        forwarders=head + _lines(_forwarders(network.dns)),
        checksum=head + checksum_fix(network.bridge) if network.checksum_fix == "tc" else "",
    )


def checksum_fix(interface: str) -> str:
    """For ``tc -batch``. What dnsmasq sends leaves with an unfinished UDP checksum, which old clients with raw sockets refuse."""
    return (
        f"qdisc replace dev {interface} clsact\n"
        f"filter replace dev {interface} egress protocol ip pref {CHECKSUM_PREF} handle 1 flower ip_proto udp dst_port 68 "
        "action csum udp\n"
    )


def for_test(files: Files) -> str:
    """One configuration with all that dnsmasq is going to read, for ``dnsmasq --test``, which does not look into other files."""
    others = (("dhcp-host=", files.reservations), ("dhcp-option=", files.options), ("", files.forwarders))
    return files.conf + "".join(f"{key}{line}\n" for key, text in others for line in _body(text))


def scope_of(text: str) -> Optional[str]:
    """Whose a file is, None where it does not say."""
    first = text.partition("\n")[0]
    return first[len(MARK) :] if first.startswith(MARK) else None


def parse(bridge: str, files: Files) -> DhcpNetwork:
    """The inverse of ``render``."""
    conf = _settings(files.conf)
    options = dict(line.partition(",")[::2] for line in _body(files.options) if not line.startswith("tag:"))
    reservations = tuple(_parse_reservations(_body(files.reservations), _body(files.options)))
    addresses = tuple(net.host_address(a) for a in conf.get("# address", []))
    ranges = [value.split(",") for value in conf.get("dhcp-range", [])]
    ra = conf.get("ra-param", [""])[0].split(",")
    router = options.get("option:router") != ""
    modes = {words[1] for words in ranges}
    forced = [value.partition(",")[::2] for value in conf.get("dhcp-option-force", [])]
    return DhcpNetwork(
        bridge=bridge,
        addresses=addresses,
        ranges=tuple(Range(net.address(w[0]), net.address(w[1])) for w in ranges if w[1] not in ("static", "ra-only")),
        lease_time=conf["# lease-time"][0],
        reservations=reservations,
        known_only="dhcp-ignore" in conf,
        lease_limit=int(conf["dhcp-lease-max"][0]) if "# lease-limit" in conf else None,
        authoritative="dhcp-authoritative" in conf,
        rapid_commit="dhcp-rapid-commit" in conf,
        ping_check="no-ping" not in conf,
        options=tuple(_parse_option(name, value) for name, value in options.items() if name.isdigit()),
        forced_options=tuple(_parse_option(name, value) for name, value in forced),
        routes=tuple(
            r
            for r in _parse_routes(options.get("option:classless-static-route", ""))
            if not _is_default(r, addresses, router)
        ),
        mtu=int(options["option:mtu"]) if "option:mtu" in options else None,
        router=router,
        ipv6="none" if not ra[0] else "slaac" if "ra-only" in modes else "stateful",
        boot=_parse_boot(conf),
        checksum_fix="tc" if files.checksum else "none",
        dns=_parse_dns(conf, files, reservations),
    )


def show(network: DhcpNetwork) -> dict[str, object]:
    """As an entry of the module."""
    dns, boot = network.dns, network.boot
    return {
        "bridge": network.bridge,
        "addresses": _words(network.addresses),
        "ranges": _words(network.ranges),
        "lease_time": network.lease_time,
        "reservations": [
            {
                "name": r.name,
                "mac": r.mac,
                "client_id": r.client_id,
                "duid": r.duid,
                "addresses": _words(r.addresses),
                "options": _show_options(r.options),
            }
            for r in network.reservations
        ],
        "known_only": network.known_only,
        "lease_limit": network.lease_limit,
        "authoritative": network.authoritative,
        "rapid_commit": network.rapid_commit,
        "ping_check": network.ping_check,
        "options": _show_options(network.options),
        "forced_options": _show_options(network.forced_options),
        "routes": [{"to": str(route.to), "via": str(route.via)} for route in network.routes],
        "mtu": network.mtu,
        "router": network.router,
        "ipv6": network.ipv6,
        "boot": boot
        and {
            "file": boot.file,
            "files": dict(boot.files),
            "server": boot.server and str(boot.server),
            "tftp_root": boot.tftp_root,
        },
        "checksum_fix": network.checksum_fix,
        "dns": {
            "enabled": dns.enabled,
            "domain": dns.domain,
            "forward": dns.forward,
            "forwarders": _words(dns.forwarders),
            "domain_forwarders": {domain: _words(forwarders) for domain, forwarders in dns.domain_forwarders},
            "rebind_protection": dns.rebind_protection,
            "records": [_show_record(record) for record in dns.records],
        },
    }


def _show_options(options: Iterable[Option]) -> dict[str, list[str]]:
    return {option.name: list(option.values) for option in options}


def _show_record(record: Record) -> dict[str, object]:
    return {
        "name": record.name,
        "addresses": _words(record.addresses),
        "cname": record.cname,
        "txt": list(record.txt),
        "srv": [service._asdict() for service in record.srv],
    }


def _words(values: Iterable[object]) -> list[str]:
    return [str(value) for value in values]


def _conf(network: DhcpNetwork) -> Iterable[str]:
    own = paths(network.bridge)
    yield from (f"# address={a}" for a in network.addresses)
    yield f"# lease-time={network.lease_time}"
    if network.lease_limit is not None:
        yield "# lease-limit"
    # Only this combination answers on the bridge alone, leaves others their port 53, and waits for a bridge that comes later.
    yield from ("bind-dynamic", f"interface={network.bridge}", "except-interface=lo")
    yield from ("no-hosts", f"addn-hosts={own.hosts}", f"servers-file={own.forwarders}")
    yield from (f"dhcp-hostsfile={own.reservations}", f"dhcp-optsfile={own.options}")
    yield f"dhcp-leasefile={layout.DHCP_STATE}/{network.bridge}/leases"
    yield from _dns(network.dns)
    # A guest must not call itself what browsers ask for their proxy configuration (CERT VU#598349).
    yield from ("dhcp-name-match=set:wpad,wpad", "dhcp-ignore-names=tag:wpad")
    yield from ("dhcp-no-override", f"dhcp-lease-max={_lease_max(network)}")
    if network.authoritative:
        yield "dhcp-authoritative"
    if network.rapid_commit:
        yield "dhcp-rapid-commit"
    if not network.ping_check:
        yield "no-ping"
    if network.known_only:
        yield "dhcp-ignore=tag:!known"
    yield from _ranges(network)
    yield from _tags(network)
    yield from (f"dhcp-option-force={_option(option)}" for option in network.forced_options)
    if network.boot:
        yield from _boot(network.boot)
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
    if not dns.forward:
        yield "# no-forward"
    if dns.rebind_protection:
        yield "stop-dns-rebind"
        # Whoever names a server for a domain wants its answers.
        yield from (f"rebind-domain-ok=/{domain}/" for domain, _forwarders in dns.domain_forwarders)
    for record in dns.records:
        name = dns.qualified(record.name)
        if record.cname:
            yield f"cname={name},{dns.qualified(record.cname)}"
        if record.txt:
            yield f"txt-record={name}," + ",".join(f'"{text}"' for text in record.txt)
        for s in record.srv:
            yield f"srv-host={name},{dns.qualified(s.target)},{s.port},{s.priority},{s.weight}"


def _forwarders(dns: Dns) -> Iterable[str]:
    yield from (f"server={forwarder}" for forwarder in dns.forwarders)
    yield from (f"server=/{domain}/{f}" for domain, forwarders in dns.domain_forwarders for f in forwarders)


def _lease_max(network: DhcpNetwork) -> int:
    """As many as there can be. It must not depend on reservations, which change without a restart."""
    there = sum(subnet.num_addresses for subnet in _served(network))
    return min(MAX_LEASES, there) if network.lease_limit is None else network.lease_limit


def _served(network: DhcpNetwork) -> list[net.Network]:
    """The subnets of which addresses are handed out."""
    return [*network.subnets(4), *(network.subnets(6) if network.ipv6 == "stateful" else ())]


def _tags(network: DhcpNetwork) -> Iterable[str]:
    """Guests that have options of their own.

    Not as ``set:`` in the file of reservations: dnsmasq 2.90 chains such a tag to others of a request, and frees them all when
    it reads that file again, from which it dies (option.c, dhcp_netid_list_free; rfc2131.c, dhcp_reply).
    """
    for r in network.reservations:
        if r.options and r.mac:
            yield f"dhcp-mac=set:{_tag(r)},{r.mac}"
        if r.options and r.client_id:
            yield f"dhcp-match=set:{_tag(r)},{CLIENT_ID_OPTION},{r.client_id}"


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


def _boot(boot: Boot) -> Iterable[str]:
    """dnsmasq takes the last line that fits, and one without a tag where none fits."""
    server = f",,{boot.server}" if boot.server else ""
    if boot.file:
        yield f"dhcp-boot={boot.file}{server}"
    for name, file in boot.files:
        for number in ARCHITECTURES.get(name, ()):
            yield f"dhcp-match=set:{name},option:client-arch,{number}"
        if name == IPXE:
            yield f"dhcp-match=set:{IPXE},{IPXE_OPTION}"
        yield f"dhcp-boot=tag:{name},{file}{server}"
    if boot.tftp_root:
        # From one port: the packet filter of the host lets guests reach that one.
        yield from ("enable-tftp", f"tftp-root={boot.tftp_root}", "tftp-single-port")


def _router_advertisements(network: DhcpNetwork) -> Iterable[str]:
    mtu = f"mtu:{network.mtu}," if network.mtu is not None else ""
    yield "enable-ra"
    yield f"ra-param={network.bridge},{mtu}{RA_INTERVAL},{RA_LIFETIME if network.router else 0}"


def _options(network: DhcpNetwork) -> Iterable[str]:
    """Those that follow from other fields by name, those of the fields ``options`` by number."""
    chosen = {option.name for option in (*network.options, *network.forced_options)}
    gateway, gateway6 = network.gateway(4), network.gateway(6)
    if gateway:
        if not network.router:
            yield "option:router"
        elif "router" not in chosen:
            yield f"option:router,{gateway.ip}"
        if network.dns.enabled and "dns-server" not in chosen:
            yield f"option:dns-server,{gateway.ip}"
    if network.mtu is not None:
        yield f"option:mtu,{network.mtu}"
    if network.routes and gateway:
        # A guest that takes option 121 ignores option 3 (RFC 3442): the default route has to be in both.
        default = (
            [Route(ipaddress.ip_network("0.0.0.0/0"), gateway.ip)]
            if network.router and not _has_default(network.routes)
            else []
        )
        values = ",".join(f"{route.to},{route.via}" for route in [*network.routes, *default])
        yield f"option:classless-static-route,{values}"
    yield from map(_option, network.options)
    for reservation in network.reservations:
        yield from (f"tag:{_tag(reservation)},{_option(option)}" for option in reservation.options)
    if network.ipv6 != "none":
        if network.dns.enabled and gateway6:
            yield f"option6:dns-server,[{gateway6.ip}]"
        if network.dns.domain:
            yield f"option6:domain-search,{network.dns.domain}"


def _option(option: Option) -> str:
    return f"{option.number}," + (f'"{option.values[0]}"' if option.is_text else ",".join(option.values))


def _tag(reservation: Reservation) -> str:
    return f"{_OF_GUEST}{reservation.name}"


def _reservations(network: DhcpNetwork) -> Iterable[str]:
    for r in network.reservations:
        four = r.of_family(4)
        six = [f"[{a}]" for a in reversed(r.of_family(6))]  # dnsmasq prefers the last
        known_by = [*([r.mac] if r.mac else []), *([f"id:{r.client_id}"] if r.client_id else [])]
        if known_by:
            yield ",".join([*known_by, *_words(four[:1]), *([] if r.duid else six), r.name])
        if r.duid:
            yield ",".join([_FOR_DHCPV6, f"id:{r.duid}", *six, r.name])
        for address in four[1:]:
            yield f"id:{_NOBODY}:{address.packed.hex(':')},{address}"


def _hosts(network: DhcpNetwork) -> Iterable[str]:
    """Guests with a fixed address have their name before they ask for a lease."""
    if network.dns.enabled:
        yield from (f"{a} {r.name}" for r in network.reservations for a in r.addresses)
        yield from (f"{a} {record.name}" for record in network.dns.records for a in record.addresses)


def _lines(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _settings(text: str) -> dict[str, list[str]]:
    """Of a configuration: key -> values, in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _equals, value = line.partition("=")
        found.setdefault(key, []).append(value)
    return found


def _parse_reservations(lines: Iterable[str], options: Iterable[str]) -> Iterable[Reservation]:
    found: dict[str, Reservation] = {}
    name = ""
    for line in lines:
        words = line.split(",")
        if words[0].startswith(f"id:{_NOBODY}:"):
            found[name] = _with_addresses(found[name], words[1:])
            continue
        name = words[-1]
        reservation = found.get(name, Reservation(name))
        for word in words[:-1]:
            if word.startswith("id:"):
                identifier = word[len("id:") :]
                reservation = (
                    replace(reservation, duid=identifier)
                    if _FOR_DHCPV6 in words
                    else replace(reservation, client_id=identifier)
                )
            elif _MAC.fullmatch(word):
                reservation = replace(reservation, mac=word)
        inside = [word for word in words[:-1] if word.startswith("[")]
        four = [word for word in words[:-1] if _IPV4.fullmatch(word)]
        found[name] = _with_addresses(reservation, [*four, *(word.strip("[]") for word in reversed(inside))])
    for line in options:
        tag, _comma, option = line.partition(",")
        if tag.startswith(f"tag:{_OF_GUEST}"):
            of = tag[len(f"tag:{_OF_GUEST}") :]
            found[of] = replace(found[of], options=(*found[of].options, _parse_option(*option.partition(",")[::2])))
    return found.values()


def _with_addresses(reservation: Reservation, words: Iterable[str]) -> Reservation:
    more = replace(reservation, addresses=(*reservation.addresses, *map(net.address, words)))
    return replace(more, addresses=more.of_family(4) + more.of_family(6))


def _parse_option(number: str, value: str) -> Option:
    name = next((name for name, (n, _kind) in OPTIONS.items() if n == int(number)), number)
    return Option(name, (value.strip('"'),) if value.startswith('"') else tuple(value.split(",")))


def _parse_routes(value: str) -> list[Route]:
    words = value.split(",") if value else []
    return [Route(net.subnet(to), net.address(via)) for to, via in zip(words[::2], words[1::2])]


def _has_default(routes: Iterable[Route]) -> bool:
    return any(route.to.prefixlen == 0 for route in routes)


def _is_default(route: Route, addresses: Iterable[net.Interface], router: bool) -> bool:
    """Whether it is the one that ``_options`` adds."""
    gateway = next((a.ip for a in addresses if a.version == 4), None)
    return router and route.to.prefixlen == 0 and route.via == gateway


def _parse_boot(conf: Mapping[str, list[str]]) -> Optional[Boot]:
    lines = [value.split(",") for value in conf.get("dhcp-boot", [])]
    if not lines:
        return None
    files = [(words[0][len("tag:") :], words[1]) for words in lines if words[0].startswith("tag:")]
    plain = [words[0] for words in lines if not words[0].startswith("tag:")]
    server = lines[0][-1] if "" in lines[0] else None
    return Boot(
        file=plain[0] if plain else None,
        files=tuple(files),
        server=net.address(server) if server else None,
        tftp_root=conf.get("tftp-root", [None])[0],
    )


def _parse_dns(conf: Mapping[str, list[str]], files: Files, reservations: Iterable[Reservation]) -> Dns:
    domain = conf.get("domain", [None])[0]
    servers = [line[len("server=") :] for line in _body(files.forwarders)]
    domains: dict[str, list[net.Address]] = {}
    for server in servers:
        if server.startswith("/"):
            _slash, name, address = server.split("/")
            domains.setdefault(name, []).append(net.address(address))
    return Dns(
        enabled="port" not in conf,
        domain=domain,
        forward="# no-forward" not in conf,
        forwarders=tuple(net.address(server) for server in servers if not server.startswith("/")),
        domain_forwarders=tuple((name, tuple(addresses)) for name, addresses in domains.items()),
        rebind_protection="stop-dns-rebind" in conf,
        records=tuple(_parse_records(conf, files.hosts, domain, {r.name for r in reservations})),
    )


def _parse_records(
    conf: Mapping[str, list[str]], hosts: str, domain: Optional[str], guests: Container[str]
) -> list[Record]:
    found: dict[str, Record] = {}

    def record(name: str) -> Record:
        return found.get(short(name, domain), Record(short(name, domain)))

    for line in _body(hosts):
        address, name = line.split(" ", 1)
        if name not in guests:
            old = record(name)
            found[old.name] = old._replace(addresses=(*old.addresses, net.address(address)))
    for value in conf.get("cname", []):
        name, target = value.split(",")
        found[short(name, domain)] = record(name)._replace(cname=short(target, domain))
    for value in conf.get("txt-record", []):
        name = value.partition(",")[0]
        found[short(name, domain)] = record(name)._replace(txt=tuple(re.findall('"([^"]*)"', value)))
    for value in conf.get("srv-host", []):
        name, target, *numbers = value.split(",")
        old = record(name)
        found[old.name] = old._replace(srv=(*old.srv, Service(short(target, domain), *map(int, numbers))))
    return sorted(found.values(), key=lambda r: r.name)
