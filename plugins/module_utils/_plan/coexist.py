# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's other firewalls have to let through, and the rules of ours in the places that they reserve for that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

from .._model import layout
from .._model.coexist import IPTABLES, Grant, Network, firewalld_name
from .._model.errors import HostError
from .._model.foreign import SURROUNDINGS, Surroundings, Table
from .._model.resource import File, Key, Resource, State, Unit
from .._render import firewalld, grants
from . import boot
from .core import Plan, Request, of_kind
from .verdicts import droppers

_TOOLS = {"docker": "Docker", "firewalld": "firewalld", "ufw": "ufw"}
# firewalld's, with StrictForwardPorts: it refuses what is forwarded, but by itself, before it looks at zones and policies.
_STRICT = "filter_FORWARD_dnat"


def plan_coexist(how: str) -> Callable[[Request, State], Plan]:
    """``how``: auto puts our rules there, report only looks, off does not even look. What an earlier run put stays unless absent.

    The planner raises HostError for packets that somebody drops and that no rule of ours will let through.
    """

    def plan(request: Request, host: State) -> Plan:
        before: dict[Key, Any] = of_kind(host, Grant.kind, File.kind, Unit.kind)
        after: dict[Key, Resource] = dict(before)
        found = host.get(SURROUNDINGS)
        around = found if isinstance(found, Surroundings) else Surroundings("host")
        networks = [n for n in request.entries if isinstance(n, Network)] if request.present else []
        if how == "auto" or not request.present:
            _put_grants(request, around, networks, after)
            _put_zone(request, around, networks, after)
        result = boot.complete(request, before, after)
        if how != "off":
            _refuse_drops(request, around, networks, _changing(result), how)
        return result

    return plan


def show(request: Request, after: State) -> list[dict[str, Any]]:
    """What of ours is in the places of others, one entry for each bridge."""
    found: dict[str, dict[str, Any]] = {}
    zone = firewalld_name(request.scope)
    for bridge in firewalld.interfaces(boot.text_of(after, _zone_file(request))):
        found[bridge] = {"bridge": bridge, "rules": [], "zone": zone}
    for grant in after.values():
        if isinstance(grant, Grant) and grant.scope == request.scope:
            entry = found.setdefault(grant.bridge, {"bridge": grant.bridge, "rules": [], "zone": None})
            entry["rules"].append(f"{grant.title}: {grant.rule}")
    return [{**entry, "rules": sorted(entry["rules"])} for _bridge, entry in sorted(found.items())]


def _goes(request: Request, bridge: str) -> bool:
    return request.purge or bridge in request.purge_bridges or any(entry.bridge == bridge for entry in request.entries)


def _put_grants(request: Request, around: Surroundings, networks: list[Network], after: dict[Key, Resource]) -> None:
    mine = [g for g in after.values() if isinstance(g, Grant) and g.scope == request.scope]
    for grant in mine:
        if _goes(request, grant.bridge):
            del after[grant.key]
    tools = _docker_tools(around, after)
    for network in networks:
        wanted = network.ufw(request.scope) if around.ufw else []
        wanted = [grant for grant in wanted if grant.rule not in around.ufw_rules]
        for family, tool in IPTABLES.items():
            if tool in tools and network.uses(family):
                wanted += network.docker(family, request.scope)
        after.update({grant.key: grant for grant in wanted})
    kept = [g for g in after.values() if isinstance(g, Grant) and g.scope == request.scope]
    for root in layout.ROOTS:
        text = grants.record(kept) if root == layout.root(request.persistent) else ""
        boot.put_file(after, layout.docker_rules(root, request.scope), text)


def _docker_tools(around: Surroundings, state: State) -> set[str]:
    """Those with Docker's chains: now, or again as soon as it starts."""
    found = {tool for tool in IPTABLES.values() if tool in around.docker}
    if "dockerd" in around.docker:
        texts = [r.text for r in state.values() if isinstance(r, File) and r.name.endswith("/docker.rules")]
        found.update(line.partition(" ")[0] for text in texts for line in text.splitlines())
    return found


def _put_zone(request: Request, around: Surroundings, networks: list[Network], after: dict[Key, Resource]) -> None:
    """A zone for the networks of a scope, and a policy into it where one is routed. What is forwarded firewalld accepts."""
    path, scope = _zone_file(request), request.scope
    policy = _policy_file(request)
    bound = [bridge for bridge in firewalld.interfaces(boot.text_of(after, path)) if not _goes(request, bridge)]
    kept_policy = bool(bound and boot.text_of(after, policy))
    elsewhere = dict(around.zones)
    new = [n for n in networks if n.mode != "bridged" and n.bridge not in elsewhere]
    bridges = {*bound, *(n.bridge for n in new)} if around.firewalld else set()
    boot.put_file(after, path, firewalld.zone(scope, bridges))
    is_routed = bool(bridges) and (kept_policy or any(n.is_routed for n in new))
    boot.put_file(after, policy, firewalld.policy(scope) if is_routed else "")


def _zone_file(request: Request) -> str:
    return f"{layout.FIREWALLD}/zones/{firewalld_name(request.scope)}.xml"


def _policy_file(request: Request) -> str:
    return f"{layout.FIREWALLD}/policies/{firewalld_name(request.scope, '-in')}.xml"


def _changing(plan: Plan) -> set[str]:
    """Whose rules will be other than those that were read."""
    found = {r.tool for pair in plan.pairs() for r in pair if isinstance(r, Grant)}
    files = [r.name for pair in plan.pairs() for r in pair if isinstance(r, File)]
    return found | ({"firewalld"} if any(name.startswith(f"{layout.FIREWALLD}/") for name in files) else set())


def _refuse_drops(
    request: Request, around: Surroundings, networks: list[Network], changing: set[str], how: str
) -> None:
    """Raises HostError for packets that somebody drops now, and will still drop after the change."""
    problems = []
    for network in networks:
        dropped: dict[tuple[str, tuple[str, ...], bool], list[str]] = {}
        for packet in network.packets(dict(around.uplinks), around.bridge_netfilter):
            for table, chain in droppers(around.tables, packet):
                tools, strict = tuple(_tools(table, chain)), packet.translated and table.has(_STRICT)
                if strict or not changing.intersection(tools):
                    where = f"{table}, chain {chain}{f' ({_names(tools)})' if tools else ''}"
                    dropped.setdefault((where, tools, strict), []).append(packet.about)
        for (where, tools, strict), abouts in dropped.items():
            advice = "; or ".join(_advice(network, tools, strict, how))
            what = ", ".join(dict.fromkeys(abouts))
            problems.append(f"{request.at(network.bridge)}: {where} drops {what}. {advice}")
    if problems:
        raise HostError("\n".join(problems))


def _tools(table: Table, chain: str) -> Iterator[str]:
    """Whose chain it is, by the names that these tools give to the chains that it leads to."""
    if table.name == "firewalld" or table.has("FORWARD_ZONES"):
        yield "firewalld"
    if table.has("DOCKER-USER") and chain == "FORWARD":
        yield "docker"
    if table.has("ufw-before-forward") or table.has("ufw6-before-forward"):
        yield "ufw"


def _names(tools: tuple[str, ...]) -> str:
    return ", ".join(_TOOLS[tool] for tool in tools)


def _advice(network: Network, tools: tuple[str, ...], strict: bool, how: str) -> Iterator[str]:
    """What would let them through."""
    if strict:
        yield "StrictForwardPorts in /etc/firewalld/firewalld.conf leaves forwards to firewalld alone; set it to no"
        return
    if "docker" in tools:
        families = [family for family in IPTABLES if network.uses(family)]
        rules = [f"{IPTABLES[f]} -I DOCKER-USER {rule} -j ACCEPT" for f in families for rule in network.rules(f)]
        yield f"These let it through: {'; '.join(rules)}"
    elif "ufw" in tools:
        yield f"These let it through: {'; '.join(f'ufw {grant.rule}' for grant in network.ufw(''))}"
    elif "firewalld" in tools and network.mode != "bridged":
        yield f"This lets it through: firewall-cmd --permanent --zone=trusted --add-interface={network.bridge}, and a reload"
    else:
        yield f"Accept it there, by the name of the interface, {network.bridge}"
    if network.mode == "bridged":
        yield "set net.bridge.bridge-nf-call-iptables and net.bridge.bridge-nf-call-ip6tables to 0"
    elif tools and how == "report":
        yield "coexist: auto does so"
