# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``iptables-save`` says: chains and rules, as far as they decide about packets."""

from __future__ import annotations

import shlex
from typing import Optional

from .._model.foreign import Match, Rule, Table

_HOOKS = {"INPUT": "input", "FORWARD": "forward", "PREROUTING": "prerouting"}
_FIELDS = {
    "-i": "iif",
    "-o": "oif",
    "-p": "protocol",
    "-s": "source",
    "-d": "destination",
    "--ctstate": "state",
    "--state": "state",
    "--ctstatus": "status",
    "--sport": "source_port",
    "--sports": "source_port",
    "--dport": "port",
    "--dports": "port",
    "--dst-type": "destination_type",
}
# Neither says anything about the packet.
_SILENT = {"-m": 1, "--comment": 1, "--limit-burst": 1}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}
_NO_VERDICT = ("LOG", "NFLOG", "MARK", "CONNMARK", "CT", "CHECKSUM", "TCPMSS", "AUDIT", "TRACE")


def parse(listing: str, family: str, legacy: bool = False) -> list[Table]:
    """The tables in which something can be dropped: not nat."""
    tables = []
    name, base, chains = "", [], {}  # type: tuple[str, list[tuple[str, str, str]], dict[str, list[Rule]]]
    for line in listing.splitlines():
        if line.startswith("*"):
            name, base, chains = line[1:], [], {}
        elif line.startswith(":"):
            chain, policy = line[1:].split()[:2]
            chains[chain] = []
            if policy != "-" and chain in _HOOKS:
                base.append((chain, _HOOKS[chain], policy.lower()))
        elif line.startswith("-A "):
            words = shlex.split(line)
            chains.setdefault(words[1], []).append(_rule(words[2:], chains))
        elif line == "COMMIT" and name != "nat":
            tables.append(
                Table(family, name, tuple(base), tuple((c, tuple(rules)) for c, rules in chains.items()), legacy)
            )
    return tables


def rules_of(listing: str, chain: str) -> Optional[list[str]]:
    """The rules of one chain, as ``iptables -S CHAIN`` or ``iptables-save`` print them, without the chain; None where it is not."""
    lines = listing.splitlines()
    if not any(line == f"-N {chain}" or line.startswith(f":{chain} ") for line in lines):
        return None
    return [line[len(f"-A {chain} ") :] for line in lines if line.startswith(f"-A {chain} ")]


def _rule(words: list[str], chains: dict[str, list[Rule]]) -> Rule:
    matches: list[Match] = []
    verdict, target, negated = "", "", False
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if word in ("-j", "-g"):
            target = words.pop(0)
            verdict = _VERDICTS.get(target, "" if target in _NO_VERDICT else "unknown")
            if target in chains:
                verdict = "goto" if word == "-g" else "jump"
            words = []  # what follows is about the target
        elif word in _FIELDS:
            matches.append(Match(_FIELDS[word], tuple(words.pop(0).lower().split(",")), negated))
        elif word in _SILENT:
            del words[: _SILENT[word]]
        elif word.startswith("-"):
            matches.append(Match())  # something that we cannot judge, and its values
            while words and not words[0].startswith("-") and words[0] != "!":
                words.pop(0)
        negated = False
    return Rule(tuple(matches), verdict, target)
