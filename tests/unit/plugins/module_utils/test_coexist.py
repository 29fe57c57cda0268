# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other firewalls of a host: what they do with our guests' packets, by their own listings, and what we put in their places."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import layout
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.coexist import Grant, Network, firewalld_name
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import HostError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.foreign import (
    SURROUNDINGS,
    Packet,
    Surroundings,
    Table,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import State, by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.coexist import plan_coexist, show
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Request
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.verdicts import droppers
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import firewalld, grants, iptables, nftables
from ansible_collections.tapestry.vmnet.tests.unit.support import files_of

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures/neighbours"
UPLINKS: Any = {4: "eth0", 6: "eth0"}
SUBNETS = ["192.168.233.0/24", "fd00:233::/64"]


def listing(name: str) -> str:
    return (FIXTURES / name).read_text(encoding="utf-8")


TABLES = {
    "docker": iptables.parse(listing("docker.iptables"), "ip"),
    "ufw": [
        *iptables.parse(listing("ufw.iptables"), "ip"),
        *iptables.parse(listing("ufw.ip6tables"), "ip6"),
    ],
    "firewalld 1.3": nftables.parse(listing("firewalld-1.3.json")),
    "firewalld 2.3": nftables.parse(listing("firewalld-2.3.json")),
}


def network(**values: Any) -> Network:
    return Network.parse(Fields({"bridge": "vmnet8", "mode": "nat", "subnets": SUBNETS, **values}, "networks[vmnet8]"))


NAT = network(host_services=["dhcp", "dns", "icmp"], forwards=True)
ISOLATED = network(mode="isolated", host_services=["dhcp", "ssh"])
BRIDGED = network(bridge="lan0", mode="bridged", subnets=[])


def dropped(tables: list[Table], of: Network, bridge_netfilter: bool = False) -> set[tuple[str, str, int]]:
    """(chain, what, family)"""
    return {
        (chain, packet.about, packet.family)
        for packet in of.packets(UPLINKS, bridge_netfilter)
        for _table, chain in droppers(tables, packet)
    }


OUT, BACK, FORWARDED = (
    "what guests of vmnet8 send out",
    "answers to guests of vmnet8",
    "what is forwarded to guests of vmnet8",
)
ASK = "what guests of vmnet8 ask the host at "


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("docker", {("FORWARD", what, 4) for what in (OUT, BACK, FORWARDED)}),
        (
            "ufw",
            {("FORWARD", what, family) for what in (OUT, FORWARDED) for family in (4, 6)}
            | {("INPUT", f"{ASK}{port}", family) for port in ("udp/53", "tcp/53") for family in (4, 6)}
            | {("INPUT", f"{ASK}udp/67", 4), ("INPUT", f"{ASK}udp/547", 6)},
        ),
        *(
            (
                f"firewalld {version}",
                {("filter_FORWARD", OUT, family) for family in (4, 6)}
                | {("filter_INPUT", f"{ASK}{port}", family) for port in ("udp/53", "tcp/53") for family in (4, 6)}
                | {("filter_INPUT", f"{ASK}udp/67", 4), ("filter_INPUT", f"{ASK}udp/547", 6)},
            )
            for version in ("1.3", "2.3")
        ),
    ],
)
def test_what_a_tool_drops_of_a_nat_network_is_told_from_its_own_rules(tool: str, expected: Any) -> None:
    assert dropped(TABLES[tool], NAT) == expected


@pytest.mark.parametrize("tool", ["ufw", "firewalld 1.3", "firewalld 2.3"])
def test_ssh_which_they_let_in_is_not_reported(tool: str) -> None:
    assert not [about for _chain, about, _family in dropped(TABLES[tool], ISOLATED) if "tcp/22" in about]


@pytest.mark.parametrize("tool", sorted(TABLES))
@pytest.mark.parametrize("of", [ISOLATED, BRIDGED], ids=["isolated", "bridged"])
def test_frames_between_guests_are_dropped_only_where_br_netfilter_is_on(tool: str, of: Network) -> None:
    def forwarded(on: bool) -> set[str]:
        return {about for chain, about, _family in dropped(TABLES[tool], of, on) if "FORWARD" in chain}

    assert forwarded(False) == set()
    assert forwarded(True) == {f"what guests of {of.bridge} send each other (br_netfilter is on)"}


FORWARD = "*filter\n:FORWARD DROP [0:0]\n:mine - [0:0]\n{}COMMIT\n"


@pytest.mark.parametrize(
    ("rules", "drops"),
    [
        ("", True),
        ("-A FORWARD -i vmnet8 -j ACCEPT\n", False),
        ("-A FORWARD -i vmnet+ -j ACCEPT\n", False),
        ("-A FORWARD -i vmnet9 -j ACCEPT\n", True),
        ("-A FORWARD ! -i vmnet8 -j ACCEPT\n", True),
        ("-A FORWARD ! -i eth0 -j ACCEPT\n", False),
        ("-A FORWARD -i vmnet8 -o eth0 -j ACCEPT\n", False),
        ("-A FORWARD -i vmnet8 -o eth1 -j ACCEPT\n", True),
        ("-A FORWARD -s 192.168.233.0/24 -j ACCEPT\n", False),
        ("-A FORWARD -s 192.168.234.0/24 -j ACCEPT\n", True),
        ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n", True),
        ("-A FORWARD -p tcp -m multiport --dports 80,443 -j ACCEPT\n", False),
        ("-A FORWARD -p udp -m udp --dport 443 -j ACCEPT\n", True),
        ("-A FORWARD -i vmnet8 -j mine\n-A mine -j ACCEPT\n", False),
        ("-A FORWARD -i vmnet8 -j mine\n-A mine -j RETURN\n-A mine -j ACCEPT\n", True),
        ("-A FORWARD -i vmnet8 -g mine\n-A FORWARD -j ACCEPT\n", True),
        ('-A FORWARD -i vmnet8 -j LOG --log-prefix "a -j ACCEPT"\n', True),
        ('-A FORWARD -i vmnet8 -m comment --comment "it\'s -o eth1" -j ACCEPT\n', False),
        ("-A FORWARD -i vmnet8 -j REJECT --reject-with icmp-port-unreachable\n-A FORWARD -j ACCEPT\n", True),
        # What we cannot judge may be what lets it through.
        ("-A FORWARD -m owner --uid-owner 7 -j ACCEPT\n", False),
        ("-A FORWARD -m mark --mark 0x1 -j DROP\n", True),
        ("-A FORWARD -j NFQUEUE --queue-num 0\n", False),
    ],
)
def test_a_rule_of_iptables_is_read_as_it_works(rules: str, drops: bool) -> None:
    tables = iptables.parse(FORWARD.format(rules), "ip")
    packet = next(p for p in network().packets(UPLINKS, False) if p.about == OUT and p.family == 4)
    assert bool(list(droppers(tables, packet))) == drops


def nft_table(*rules: Any, policy: str = "drop", **sets: Any) -> list[Table]:
    chain = {"family": "inet", "table": "t", "name": "f", "type": "filter", "hook": "forward", "policy": policy}
    items: list[Any] = [{"table": {"family": "inet", "name": "t"}}, {"chain": chain}]
    items += [{"chain": {"family": "inet", "table": "t", "name": "other"}}]
    items += [{"set": {"family": "inet", "table": "t", "name": name, "elem": elem}} for name, elem in sets.items()]
    items += [{"rule": {"family": "inet", "table": "t", "chain": "f", "expr": list(rule)}} for rule in rules]
    items += [{"rule": {"family": "inet", "table": "t", "chain": "other", "expr": [{"accept": None}]}}]
    return nftables.parse(json.dumps({"nftables": [{"metainfo": {}}, *items]}))


def match(key: str, right: Any, op: str = "==", what: str = "meta") -> Any:
    return {"match": {"op": op, "left": {what: {"key": key}}, "right": right}}


SOURCE = {"payload": {"protocol": "ip", "field": "saddr"}}
IIF = {"meta": {"key": "iifname"}}
ACCEPT: Any = {"accept": None}


@pytest.mark.parametrize(
    ("rule", "drops"),
    [
        ([match("iifname", "vmnet8"), ACCEPT], False),
        ([match("iifname", "vmnet*"), ACCEPT], False),
        ([match("iifname", "eth0", "!="), {"counter": {}}, ACCEPT], False),
        ([match("iifname", {"set": ["eth0", "vmnet8"]}), ACCEPT], False),
        ([match("iifname", "@inside"), ACCEPT], False),
        ([match("iifname", "@outside"), ACCEPT], True),
        ([match("oifname", "eth1"), ACCEPT], True),
        ([match("state", ["established", "related"], "in", "ct"), ACCEPT], True),
        ([match("state", {"set": ["established", "new"]}, "==", "ct"), ACCEPT], False),
        ([match("nfproto", "ipv6"), ACCEPT], True),
        ([match("mark", 7), ACCEPT], False),
        ([{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 443}}, ACCEPT], True),
        ([{"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": {"range": [400, 500]}}}, ACCEPT], False),
        ([{"match": {"op": "==", "left": SOURCE, "right": {"prefix": {"addr": "192.168.233.0", "len": 24}}}}, ACCEPT], False),
        ([{"vmap": {"key": IIF, "data": {"set": [["vmnet8", {"jump": {"target": "other"}}]]}}}], False),
        ([{"vmap": {"key": IIF, "data": {"set": [["vmnet9", {"jump": {"target": "other"}}]]}}}], True),
        ([{"vmap": {"key": {"concat": [IIF, {"meta": {"key": "oifname"}}]}, "data": "@pairs"}}], False),
        ([{"goto": {"target": "other"}}], False),
        ([{"xt": {"type": "match", "name": "owner"}}, ACCEPT], False),
        ([{"log": None}], True),
    ],
)  # fmt: skip
def test_a_rule_of_nftables_is_read_as_it_works(rule: Any, drops: bool) -> None:
    pairs = [[{"concat": ["vmnet8", "eth0"]}, ACCEPT]]
    tables = nft_table(rule, inside=["vmnet8"], outside=["eth0"], pairs=pairs)
    packet = next(p for p in network().packets(UPLINKS, False) if p.about == OUT and p.family == 4)
    assert bool(list(droppers(tables, packet))) == drops


def test_a_refusal_at_the_end_of_a_chain_that_accepts_is_seen_too() -> None:
    packet = Packet("", 4, "forward", "vmnet8", "eth0", "tcp", "192.168.233.9", "198.51.100.1")
    assert [chain for _table, chain in droppers(nft_table([{"reject": None}], policy="accept"), packet)] == ["f"]


# -- what is put in their places -------------------------------------------------------------------------------------


def request(*entries: Network, **values: Any) -> Request:
    return Request(entries=entries, **{"scope": "nat", "option": "networks", **values})


def host(**around: Any) -> State:
    return by_key([replace(Surroundings("host", uplinks=((4, "eth0"), (6, "eth0"))), **around)])


def made(wish: Request, state: State, how: str = "auto") -> State:
    """After a run; the others' rules stay what they were, so that the same run would find nothing to do but to complain."""
    plan = plan_coexist(how)(wish, state)
    after = {SURROUNDINGS: replace(state[SURROUNDINGS], tables=()), **plan.after}
    assert not plan_coexist(how)(wish, after)
    return {**after, SURROUNDINGS: state[SURROUNDINGS]}


def granted(state: State) -> set[str]:
    return {r.name for r in state.values() if isinstance(r, Grant)}


DOCKER = host(tables=tuple(TABLES["docker"]), docker=("iptables", "dockerd"))
UFW = host(tables=tuple(TABLES["ufw"]), ufw=True)
FIREWALLD = host(tables=tuple(TABLES["firewalld 2.3"]), firewalld=True)
MARK = '-m comment --comment "vmnet:nat/vmnet8" -j ACCEPT'
ZONE, POLICY = "/etc/firewalld/zones/vmnet-nat.xml", "/etc/firewalld/policies/vmnet-nat-in.xml"


def test_dockers_chain_gets_a_rule_out_and_one_in_for_the_family_that_it_filters() -> None:
    after = made(request(NAT), DOCKER)
    assert granted(after) == {
        f"docker iptables -i vmnet8 {MARK}",
        f"docker iptables -o vmnet8 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT {MARK}",
    }
    assert files_of(after)["/etc/vmnet/nat/docker.rules"].splitlines() == [
        f"iptables -i vmnet8 {MARK}",
        f"iptables -o vmnet8 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT {MARK}",
    ]
    assert layout.unit_file(layout.WATCH_SOCKET) in files_of(after), "Docker's start after us must not go unseen"


def test_what_is_not_forwarded_or_does_not_leave_is_not_let_through() -> None:
    assert granted(made(request(replace(NAT, forwards=False)), DOCKER)) == {
        f"docker iptables -i vmnet8 {MARK}",
        f"docker iptables -o vmnet8 -m conntrack --ctstate RELATED,ESTABLISHED {MARK}",
    }
    assert granted(made(request(ISOLATED), DOCKER)) == {f"docker iptables -i vmnet8 -o vmnet8 {MARK}"}
    assert granted(made(request(BRIDGED), UFW)) == {"ufw route allow in on lan0 out on lan0"}


def test_ufw_gets_input_and_routes() -> None:
    assert granted(made(request(NAT), UFW)) == {
        "ufw allow in on vmnet8",
        "ufw route allow in on vmnet8",
        "ufw route allow out on vmnet8",
    }
    theirs = {"ufw_rules": ("allow in on vmnet8",)}
    assert "ufw allow in on vmnet8" not in granted(made(request(NAT), host(ufw=True, **theirs))), "it has that already"


def test_firewalld_gets_a_zone_and_for_a_routed_network_a_policy() -> None:
    after = files_of(made(request(NAT), FIREWALLD))
    assert firewalld.interfaces(after[ZONE]) == ["vmnet8"]
    assert POLICY not in after
    assert POLICY in files_of(made(request(replace(NAT, ipv6_mode="routed")), FIREWALLD))


def test_an_interface_that_somebody_has_put_into_a_zone_stays_there() -> None:
    assert ZONE not in files_of(made(request(NAT), host(firewalld=True, zones=(("vmnet8", "trusted"),))))


@pytest.mark.parametrize("state", [DOCKER, UFW, FIREWALLD], ids=["docker", "ufw", "firewalld"])
@pytest.mark.parametrize("how", ["auto", "report", "off"])
@pytest.mark.parametrize(
    "wish",
    [
        request(Network.parse(Fields({"bridge": "vmnet8"}, "-"), complete=False), state="absent"),
        request(state="absent", purge=True),
        request(state="absent", purge_bridges=("vmnet8",)),
    ],
    ids=["absent", "purge", "purge_bridges"],
)
def test_all_of_it_goes(state: State, how: str, wish: Request) -> None:
    assert made(wish, made(request(NAT), state), how) == state


@pytest.mark.parametrize("how", ["report", "off"])
@pytest.mark.parametrize("state", [DOCKER, UFW, FIREWALLD], ids=["docker", "ufw", "firewalld"])
def test_what_was_let_through_stays_when_nobody_asks_for_it_any_more(state: State, how: str) -> None:
    quiet = {**made(request(NAT), state), SURROUNDINGS: replace(state[SURROUNDINGS], tables=())}
    assert not plan_coexist(how)(request(NAT, purge=True), quiet)


def test_what_other_scopes_have_stays() -> None:
    lab = network(bridge="lab0", subnets=["10.0.0.0/24"])
    both = made(request(lab, scope="lab"), made(request(NAT), DOCKER))
    assert granted(made(request(state="absent", purge=True), both)) == granted(made(request(lab, scope="lab"), DOCKER))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DOCKER, ["table ip filter, chain FORWARD (Docker)", "iptables -I DOCKER-USER -i vmnet8 -j ACCEPT", OUT, BACK]),
        (UFW, ["table ip6 filter, chain INPUT (ufw)", "ufw route allow in on vmnet8", f"{ASK}udp/67"]),
        (FIREWALLD, ["table inet firewalld, chain filter_FORWARD (firewalld)", "--add-interface=vmnet8"]),
    ],
    ids=["docker", "ufw", "firewalld"],
)
def test_a_report_names_table_and_chain_and_what_is_missing(state: State, words: list[str]) -> None:
    with pytest.raises(HostError) as told:
        plan_coexist("report")(request(NAT), state)
    assert str(told.value).startswith("networks[vmnet8]: ")
    for word in [*words, "coexist: auto does so"]:
        assert word in str(told.value)


@pytest.mark.parametrize("how", ["auto", "report"])
def test_a_firewall_that_leaves_no_room_is_named_and_nothing_is_planned(how: str) -> None:
    with pytest.raises(
        HostError, match=r"networks\[vmnet8\]: table inet t, chain f drops what guests of vmnet8 send out"
    ):
        plan_coexist(how)(request(NAT), host(tables=tuple(nft_table())))
    assert not plan_coexist("off")(request(NAT), host(tables=tuple(nft_table())))


def test_ports_that_only_firewalld_may_forward_are_not_promised() -> None:
    expr: Any = [match("status", "dnat", "in", "ct"), {"goto": {"target": "filter_FORWARD_dnat"}}]
    strict = nft_table(expr, policy="accept")[0]
    strict = replace(strict, name="firewalld", chains=(*strict.chains, ("filter_FORWARD_dnat", nft_rules_drop())))
    with pytest.raises(HostError, match="StrictForwardPorts"):
        plan_coexist("auto")(request(NAT), host(firewalld=True, tables=(strict,)))
    assert plan_coexist("auto")(request(replace(NAT, forwards=False)), host(firewalld=True, tables=(strict,)))


def nft_rules_drop() -> Any:
    return nft_table([{"reject": None}])[0].rules("f")


def test_a_run_shows_what_there_is_for_each_bridge() -> None:
    state = {**made(request(NAT), host(ufw=True, firewalld=True))}
    assert show(request(NAT), state) == [
        {
            "bridge": "vmnet8",
            "rules": ["ufw: allow in on vmnet8", "ufw: route allow in on vmnet8", "ufw: route allow out on vmnet8"],
            "zone": "vmnet-nat",
        }
    ]


# -- inverses ----------------------------------------------------------------------------------------------------------


def test_our_rules_are_known_by_their_mark_in_dockers_chain() -> None:
    wanted = NAT.docker(4, "nat")
    text = "-N DOCKER-USER\n" + "".join(f"-A DOCKER-USER {g.rule}\n" for g in wanted) + "-A DOCKER-USER -j RETURN\n"
    rules = iptables.rules_of(text, "DOCKER-USER")
    assert rules is not None and grants.of_docker("iptables", rules) == wanted
    assert iptables.rules_of(text, "DOCKER") is None
    assert iptables.rules_of(listing("docker.iptables"), "DOCKER-USER") == ["-j RETURN"]


def test_our_rules_are_known_by_their_mark_among_ufws() -> None:
    tuples = """\
### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in
### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_vmnet8 comment=766d6e65743a6e61742f766d6e657438
### tuple ### route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in_vmnet8!out_vmnet1 comment=766d6e65743a6e61742f766d6e657438
### tuple ### allow any any 0.0.0.0/0 any 0.0.0.0/0 in_vmnet7
### tuple ### deny any any 0.0.0.0/0 any 0.0.0.0/0 in_vmnet9
"""
    ours = [Grant("ufw allow in on vmnet8", "nat", "vmnet8"), Grant("ufw route allow in on vmnet8 out on vmnet1", "nat", "vmnet8")]  # fmt: skip
    assert grants.of_ufw(tuples) == (ours, ["allow in on vmnet7"])


def test_a_zone_names_its_interfaces() -> None:
    assert firewalld.interfaces(firewalld.zone("nat", ["vmnet9", "vmnet8"])) == ["vmnet8", "vmnet9"]
    assert firewalld.zone("nat", []) == ""


def test_firewallds_names_are_short_enough_and_differ() -> None:
    names = [firewalld_name(s, x) for s in ("nat", "host_only", "a" * 30, "a" * 29) for x in ("", "-in")]
    assert len(set(names)) == len(names) and max(map(len, names)) <= 17
