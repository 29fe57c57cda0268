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
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, Optional

from .._model import layout
from .._model.errors import HostError
from .._model.links import Bridge, kernel_parameters
from .._model.resource import File, Key, Resource, Unit
from .._model.uplink import Address, Station, Uplink
from .._plan.core import Plan, of_kind
from .._render import move, uplinks_script
from . import files, managers, systemd
from .backend import Backend
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

    def ready(self) -> None:
        """Raises HostError while another change waits to be confirmed: what is there now need not stay."""
        waiting = [name for name in _pending() if name.startswith("armed-")]
        if waiting or "undoing" in _pending():
            token = waiting[0].partition("-")[2] if waiting else ""
            raise HostError(
                "another change of this host's uplinks has not been confirmed, and will be undone within its confirm_timeout;"
                f" try again then{f', or undo it now, with {_SCRIPT} undo {token}' if token else ''}"
            )

    def apply(self, plan: Plan, _backends: Sequence[Backend]) -> None:
        files.remove_tree(layout.UPLINKS_PENDING)  # of one that is over
        self._token = secrets.token_hex(8)
        _stage(plan)
        self._arm()
        if systemd.is_running():
            systemd.stop(plan)
        if _script("new", self._token).wait() != 0:
            raise HostError(
                f"the change took longer than {uplinks_script.LONGEST} seconds, or was undone while it was made"
            )
        if systemd.is_running():
            systemd.start(plan)

    def undo(self) -> str:
        """Put everything back; what has come of that, in words, or nothing where nothing was changed."""
        end = f"undone-{self._token}"
        if not self._token or not {f"armed-{self._token}", "undoing", end}.intersection(_pending()):
            return ""
        _script("undo", self._token)
        if not _within(_UNDO_PATIENCE, lambda: end in _pending()):
            return "The host is still putting everything back as it was"
        files.remove_tree(layout.UPLINKS_PENDING)
        return "The host has been put back as it was"

    def result(self) -> dict[str, Any]:
        """For whoever is to confirm."""
        return {"confirm": {"token": self._token, "timeout": self._timeout}} if self._token else {}

    def _arm(self) -> None:
        waiting = ("wait", str(self._timeout), self._token)
        if self._systemd:
            # As a unit of its own it outlives the session that started it, whatever ends that. What it starts outlives it:
            # the DHCP client of an interface that is back.
            unit = [f"--unit=vmnet-uplinks-{self._token}", "--property=KillMode=process"]
            run([find("systemd-run", "systemd"), "--quiet", "--collect", *unit, "/bin/sh", _SCRIPT, *waiting])
        else:
            _script(*waiting)
        if not _within(_ARM_PATIENCE, lambda: f"armed-{self._token}" in _pending()):
            raise HostError(f"the way back was not armed within {_ARM_PATIENCE} seconds, so nothing has been changed")


_SCRIPT = f"{layout.UPLINKS_PENDING}/uplinks"
_ARM_PATIENCE = 30  # seconds
_UNDO_PATIENCE = 2 * uplinks_script.LONGEST  # seconds


def _script(*arguments: str) -> subprocess.Popen[bytes]:
    """In a session of its own: it outlives this run, and can be ended with all that it has started."""
    null = subprocess.DEVNULL
    # AnsibleModule.run_command would wait, with a session that is its own.
    # pylint: disable-next=ansible-bad-function,consider-using-with
    return subprocess.Popen(
        ["/bin/sh", _SCRIPT, *arguments], stdin=null, stdout=null, stderr=null, start_new_session=True, cwd="/"
    )


def _pending() -> list[str]:
    try:
        return os.listdir(layout.UPLINKS_PENDING)
    except FileNotFoundError:
        return []


def _within(seconds: int, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


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
            # On the way there, systemd is told by this module, which can say what went wrong.
            **({"stopped": "", "started": ""} if way is plan else _units(way)),
        }
        for part, text in parts.items():
            files.write(File(f"{directory}/{part}", text))
    files.write(File(f"{layout.UPLINKS_PENDING}/undo", uplinks_script.UNDO_UNIT))
    files.write(File(_SCRIPT, uplinks_script.SCRIPT, 0o700))


def _interfaces(state: Mapping[Key, Resource]) -> list[Station]:
    return list(of_kind(state, Station.kind).values())


def _changed(plan: Plan) -> list[Station]:
    return [new for _old, new in plan.only(Station.kind).pairs() if isinstance(new, Station)]


def _units(plan: Plan) -> dict[str, str]:
    """What is to be told systemd, before and after the files of units have changed."""
    verbs = []
    for old, new in plan.only(Unit.kind).pairs():
        was, will = ((unit.enabled, unit.active) if isinstance(unit, Unit) else (False, False) for unit in (old, new))
        if isinstance(new, Unit):
            verbs += [f"enable {new.name}"] if will[0] and not was[0] else []
            verbs += [f"disable {new.name}"] if was[0] and not will[0] else []
            verbs += [f"start {new.name}"] if will[1] and not was[1] else []
    stopped = [unit.name for unit in plan.only(Unit.kind).removed]
    return {"stopped": "".join(f"{name}\n" for name in stopped), "started": "".join(f"{verb}\n" for verb in verbs)}


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
            lines += [
                *(f"{name}={shlex.quote(value)}\n" for name, value in values),
                uplinks_script.TAKE_OVER[uplink.manager],
            ]
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


STATIONS = Backend(read=lambda _found: read())
