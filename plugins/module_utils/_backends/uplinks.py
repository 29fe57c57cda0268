# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces as the host's stations: read with ``ip``, and moved by a shell script that can also undo it by itself.

The way back must work when this module is gone, so it is text for ``ip``; what ``ip`` is to write, ``ip`` has read.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any, Optional

from .._model import layout
from .._model.errors import HostError
from .._model.links import Bridge, kernel_parameters
from .._model.resource import File, Key, Resource
from .._model.uplink import Address, Station, Uplink
from .._plan.core import Plan, of_kind
from .._render import move, uplinks
from . import files, managers, systemd
from .command import find, run

# Of the kernel's parameters for an interface, those about the host as a station on its network.
_PARAMETERS = (
    *(f"net/ipv4/conf/*/{name}" for name in ("accept_local", "accept_redirects", "accept_source_route", "arp_accept")),
    *(f"net/ipv4/conf/*/{name}" for name in ("arp_announce", "arp_filter", "arp_ignore", "arp_notify", "log_martians")),
    *(f"net/ipv4/conf/*/{name}" for name in ("proxy_arp", "rp_filter", "secure_redirects", "send_redirects")),
    *(f"net/ipv6/conf/*/{name}" for name in ("accept_ra", "accept_ra_defrtr", "accept_ra_pinfo", "autoconf")),
    *(f"net/ipv6/conf/*/{name}" for name in ("accept_dad", "accept_redirects", "addr_gen_mode", "proxy_ndp")),
    *(f"net/ipv6/conf/*/{name}" for name in ("use_tempaddr", "disable_ipv6")),
)
_CLOSED = (*kernel_parameters(Bridge("*")), "net/ipv6/conf/*/addr_gen_mode")
_TYPES_OF_OURS = ("bridge", "tun")


def read() -> list[Resource]:
    """Every interface, and the files of the host's network managers."""
    ip = find("ip", "iproute2")
    links = json.loads(run([ip, "-json", "-details", "address"]).stdout or "[]")
    routes = [
        found
        for option, ipv6 in (("-4", False), ("-6", True))
        for found in move.parse_routes(
            run([ip, option, "-oneline", "route", "show", "table", "all"], check=ipv6 is False).stdout, ipv6
        )
    ]
    rules = [
        found
        for option, ipv6 in (("-4", False), ("-6", True))
        for found in move.parse_rules(run([ip, option, "rule"], check=False).stdout, ipv6)
    ]
    found = managers.files()
    managed = managers.of_interfaces({link["ifname"]: link["ifindex"] for link in links if "ifname" in link}, found)
    masters = {link["ifname"]: link.get("master") for link in links if "ifname" in link}
    bridges = {link["ifname"] for link in links if _kind(link) == "bridge"}
    result: list[Resource] = list(found.values())
    for link in links:
        if "ifname" not in link:
            continue
        name = link["ifname"]
        addresses = [move.parse_address(entry, name) for entry in link.get("addr_info", []) if "local" in entry]
        local = [a for a in addresses if a.cidr.startswith("fe80:")]
        mine = sorted({route for device, route in routes if device == name})
        result.append(
            Station(
                name,
                bridge=masters[name] if masters[name] in bridges else None,
                addresses=tuple(sorted((a for a in addresses if a not in local), key=lambda a: (a.ipv6, a.cidr))),
                routes=tuple(route for route in mine if not _is_learned(route)),
                rules=tuple(sorted(rule for device, rule in rules if device == name)),
                link_local=tuple(local),
                learned=tuple(route for route in mine if _is_learned(route) and _stays(route, addresses)),
                managed=managed.get(name),
                parameters=() if _kind(link) in _TYPES_OF_OURS else _parameters(name),
                mac=link.get("address", ""),
                type=_kind(link),
            )
        )
    return result


class Move:
    """A plan about uplinks, which is undone unless somebody comes over a new connection within ``timeout`` seconds."""

    def __init__(self, timeout: int, use_systemd: bool) -> None:
        self._timeout = timeout
        self._systemd = use_systemd
        self._token = ""

    def apply(self, plan: Plan) -> None:
        if os.path.isdir(layout.UPLINKS_PENDING):
            _refuse_while_pending()
        self._token = secrets.token_hex(8)
        _stage(plan)
        self._arm()
        if systemd.is_running():
            systemd.stop(plan)
        _script("new")
        if systemd.is_running():
            systemd.start(plan)

    def undo(self) -> bool:
        """Put everything back; whether there was anything to."""
        if self._token:
            _script("undo", self._token)
            run(["rm", "-rf", layout.UPLINKS_PENDING])
        return bool(self._token)

    def result(self) -> dict[str, Any]:
        """For whoever is to confirm."""
        return {"confirm": {"token": self._token, "timeout": self._timeout}} if self._token else {}

    def _arm(self) -> None:
        files.write(File(f"{layout.UPLINKS_PENDING}/armed-{self._token}", "", 0o600))
        waiting = ["/bin/sh", _SCRIPT, "wait", str(self._timeout), self._token]
        if self._systemd:
            # As a unit of its own it outlives the session that started it, whatever ends that.
            unit = f"--unit=vmnet-uplinks-{self._token}"
            run([find("systemd-run", "systemd"), "--quiet", "--collect", unit, *waiting])
        else:
            null = subprocess.DEVNULL
            # It has to outlive this run, which AnsibleModule.run_command would wait with.
            # pylint: disable-next=ansible-bad-function
            subprocess.Popen(waiting, stdin=null, stdout=null, stderr=null, start_new_session=True, cwd="/")


_SCRIPT = f"{layout.UPLINKS_PENDING}/uplinks"


def _script(*arguments: str) -> None:
    run(["/bin/sh", _SCRIPT, *arguments])


def _refuse_while_pending() -> None:
    """Raises HostError while another change waits; removes what one has left that is over."""
    names = os.listdir(layout.UPLINKS_PENDING)
    if any(name.startswith("armed-") or name == "undoing" for name in names):
        raise HostError(
            "another change of this host's uplinks has not been confirmed yet; it will be undone within its"
            " confirm_timeout. Try again then"
        )
    run(["rm", "-rf", layout.UPLINKS_PENDING])


def _stage(plan: Plan) -> None:
    """The script, and what it needs to make the change and to undo it."""
    for name, way in (("new", plan), ("old", Plan(plan.after, plan.before))):
        directory = f"{layout.UPLINKS_PENDING}/{name}"
        texts = way.only(File.kind)
        for _old, new in texts.pairs():
            if isinstance(new, File):
                files.write(File(f"{directory}/files{new.name}", new.text, new.mode))
        before, after = (_interfaces(state) for state in (way.before, way.after))
        gone = [file.name for file in texts.removed]
        parts = {
            "gone": "".join(f"{path}\n" for path in gone),
            "batch": move.batch(before, after),
            "again": move.batch(move.lasting(before), move.lasting(after)),
            "batch6": move.rules6(before, after),
            "parameters": "".join(
                f"{parameter.replace('*', i.name)} {value}\n"
                for i in _changed(way)
                for parameter, value in i.parameters
            ),
            "vlans": "".join(f"{line}\n" for i in _changed(way) for line in i.vlans),
            "take_over": _take_over(way),
        }
        for part, text in parts.items():
            files.write(File(f"{directory}/{part}", text))
    files.write(File(_SCRIPT, uplinks.SCRIPT, 0o700))


def _interfaces(state: Mapping[Key, Resource]) -> list[Station]:
    return list(of_kind(state, Station.kind).values())


def _changed(plan: Plan) -> list[Station]:
    return [new for _old, new in plan.only(Station.kind).pairs() if isinstance(new, Station)]


def _take_over(plan: Plan) -> str:
    """What tells the network managers that something has moved."""
    lines = []
    for old, new in plan.only(Uplink.kind).pairs():
        uplink: Any = new or old
        if uplink.manager:
            there = (uplink.name, uplink.bridge, uplink.name) if new else (uplink.bridge, uplink.name, "")
            # Of the files, the one about the interface; on the way back there is none where it was added.
            own = [t.path for t in uplink.touched if f"-{uplink.bridge}." not in t.path and (new or not t.added)]
            values = zip(("FROM", "TO", "PORT", "FILE"), (*there, *own[:1], ""))
            lines += [*(f"{name}={shlex.quote(value)}\n" for name, value in values), uplinks.TAKE_OVER[uplink.manager]]
    return "".join(lines)


def _kind(link: Mapping[str, Any]) -> str:
    return str(link.get("linkinfo", {}).get("info_kind", ""))


def _is_learned(route: str) -> bool:
    """Whether it goes by itself, after a time or with an address."""
    return " expires " in route or " proto kernel" in route


def _stays(route: str, addresses: Iterable[Address]) -> bool:
    """Whether a learned route does not come and go with an address by itself: a router told it, or a network manager made it."""
    return " expires " in route or any("noprefixroute" in address.options for address in addresses)


def _parameters(name: str) -> tuple[tuple[str, str], ...]:
    """Those in which the interface is not as any other would be, and those in which a bridge of ours is not."""
    found = []
    for parameter in _PARAMETERS:
        value = _value(parameter.replace("*", name))
        if value and (parameter in _CLOSED or value != _value(parameter.replace("*", "default"))):
            found.append((parameter, value))
    return tuple(found)


def _value(parameter: str) -> Optional[str]:
    try:
        with open(f"/proc/sys/{parameter}", encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return None
