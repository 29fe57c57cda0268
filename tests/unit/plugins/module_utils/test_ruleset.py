# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet filter as text and as nft lists it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.resource import by_key
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.ruleset import (
    PROGRAM,
    SETS,
    Element,
    Program,
    parse_mark,
)
from ansible_collections.tapestry.vmnet.plugins.module_utils._plan.core import Plan
from ansible_collections.tapestry.vmnet.plugins.module_utils._render import ruleset, sysctls
from ansible_collections.tapestry.vmnet.tests.unit.wishes import BRIDGES, forwards, nats, policies_of

FIXTURES = Path(__file__).parents[2] / "fixtures"
# Made with `nft -f` of the program, elements.nft and three elements without our mark, then `nft -j list table inet vmnet`.
VERSIONS = ("1.0.6", "1.1.3")
NOT_OURS = [
    Element("vn_bridges docker0"),
    Element("vn_closed4 172.16.0.0/12"),
    Element("vn_forwards_any4 tcp . 2222", "10.0.0.9 . 22"),
]


def listing(version: str) -> str:
    return (FIXTURES / f"nft-{version}.json").read_text()


def loaded() -> list[Element]:
    return [*ruleset.parse((FIXTURES / "elements.nft").read_text()), *NOT_OURS]


@st.composite
def elements(draw: Any) -> list[Element]:
    entries = [draw(st.one_of(policies_of(b), nats(b), forwards(b))) for b in draw(st.sets(st.sampled_from(BRIDGES)))]
    found = [e for entry in entries for e in entry.elements(draw(st.sampled_from(["default", "lab"])))]
    return list({e.key: e for e in found}.values())


@given(elements())
def test_parsing_a_file_of_elements_is_the_inverse_of_rendering_it(some: list[Element]) -> None:
    assert ruleset.parse(ruleset.render(some)) == sorted(some, key=lambda e: e.name)


@given(elements().flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_same_elements_are_always_the_same_text(pair: tuple[list[Element], list[Element]]) -> None:
    assert ruleset.render(pair[0]) == ruleset.render(pair[1])


def test_interface_names_are_quoted_and_addresses_are_not() -> None:
    some = [
        Element("vn_sources4 br0 . 10.0.0.0/24", "", "lab", "br0"),
        Element("vn_out4 br0", "goto refuse", "lab", "br0"),
        Element("vn_forwards_any4 tcp . 80", "10.0.0.1 . 8080", "lab", "br0"),
    ]
    assert ruleset.render(some).splitlines() == [
        'add element inet vmnet vn_forwards_any4 { tcp . 80 comment "vmnet:lab/br0" : 10.0.0.1 . 8080 }',
        'add element inet vmnet vn_out4 { "br0" comment "vmnet:lab/br0" : goto refuse }',
        'add element inet vmnet vn_sources4 { "br0" . 10.0.0.0/24 comment "vmnet:lab/br0" }',
    ]


@pytest.mark.parametrize("line", ["", "# a comment", "flush ruleset", 'add element ip nat x { 1 comment "y" }', "add"])
def test_lines_that_we_would_not_write_are_passed_over(line: str) -> None:
    ours = 'add element inet vmnet vn_bridges { "br0" comment "vmnet:lab/br0" }'
    assert ruleset.parse(f"{line}\n{ours}\n{line}\n") == [Element("vn_bridges br0", "", "lab", "br0")]


@pytest.mark.parametrize(
    ("comment", "mark"),
    [
        ("vmnet:lab/br0", ("lab", "br0")),
        (None, ("", "")),
        ("", ("", "")),
        ("libvirt", ("", "")),
        ("my vmnet:a/b", ("", "")),
    ],
)
def test_whose_an_element_is(comment: str | None, mark: tuple[str, str]) -> None:
    assert parse_mark(comment) == mark


@pytest.mark.parametrize("version", VERSIONS)
def test_the_elements_that_nft_lists_are_those_that_were_loaded(version: str) -> None:
    found = ruleset.read_listing(listing(version)).elements
    assert sorted(found, key=lambda e: e.name) == sorted(loaded(), key=lambda e: e.name)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_set_of_the_program_is_in_the_listing_and_most_have_elements(version: str) -> None:
    found, rest, _counters = ruleset.read_listing(listing(version))
    sets = {body["name"] for item in rest for what, body in item.items() if what in ("set", "map")}
    assert sets == set(SETS)
    assert {e.set for e in found} > {"vn_forwards_from4", "vn_nat_uplinks6", "vn_in6", "vn_services", "vn_sources6"}


def changed(version: str, change: Any) -> str:
    listed = json.loads(listing(version))
    change([(what, body) for item in listed["nftables"] for what, body in item.items()])
    return json.dumps(listed)


def without_elements(items: list[Any]) -> None:
    for _what, body in items:
        body.pop("elem", None)


def with_other_handles(items: list[Any]) -> None:
    for _what, body in items:
        if "handle" in body:
            body["handle"] += 1000


def with_a_rule_changed(items: list[Any]) -> None:
    next(body for what, body in items if what == "rule")["expr"] = [{"accept": None}]


def with_another_policy(items: list[Any]) -> None:
    next(body for what, body in items if what == "chain" and "policy" in body)["policy"] = "drop"


def with_another_type(items: list[Any]) -> None:
    next(body for what, body in items if what == "set")["type"] = "mark"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("change", [without_elements, with_other_handles], ids=lambda f: f.__name__)
def test_the_program_is_the_same_whatever_is_in_its_sets_and_when_it_was_loaded(version: str, change: Any) -> None:
    assert ruleset.read_listing(changed(version, change)).program == ruleset.read_listing(listing(version)).program


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "change", [with_a_rule_changed, with_another_policy, with_another_type], ids=lambda f: f.__name__
)
def test_a_program_that_somebody_edited_is_another_one(version: str, change: Any) -> None:
    assert ruleset.read_listing(changed(version, change)).program != ruleset.read_listing(listing(version)).program


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_a_rule_changed, ['  not ours: rule of refuse: [{"accept":null}]', "  missing: rule of refuse: [{"]),
        (with_another_policy, ["  not ours: chain raw_prerouting: ", "  missing: chain raw_prerouting: "]),
        (with_another_type, ["  not ours: set vn_bridges: ", "  missing: set vn_bridges: "]),
        (with_other_handles, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_edit_is_told(version: str, change: Any, says: list[str]) -> None:
    programs = [ruleset.read_listing(text).program for text in (changed(version, change), listing(version))]
    told = ruleset.edits(*programs)
    assert len(told) == len(says)
    assert all(line.startswith(start) for line, start in zip(told, says)), told


def test_rules_in_another_order_are_told() -> None:
    program = ruleset.read_listing(listing("1.1.3")).program
    assert ruleset.edits(program[::-1], program) == ("  rules in another order",)


def test_the_program_replaces_the_table_and_declares_every_set_once() -> None:
    text = ruleset.program()
    assert text.startswith("table inet vmnet\ndelete table inet vmnet\ntable inet vmnet {\n")
    for name, kind in SETS.items():
        assert text.count(f"    {'map' if kind.value else 'set'} {name} {{\n") == 1
        assert f"@{name} " in text or f"@{name}\n" in text, f"no rule looks at {name}"
    assert text.count("{") == text.count("}")


OLD = Element("vn_forwards_any4 tcp . 80", "10.0.0.1 . 80", "lab", "br0")
NEW = Element("vn_forwards_any4 tcp . 80", "10.0.0.2 . 80", "lab", "br0")
BRIDGE = Element("vn_bridges br0", "", "lab", "br0")
FOREIGN = Element("vn_bridges docker0")
ADD_NEW = 'add element inet vmnet vn_forwards_any4 { tcp . 80 comment "vmnet:lab/br0" : 10.0.0.2 . 80 }\n'
ADD_BRIDGE = 'add element inet vmnet vn_bridges { "br0" comment "vmnet:lab/br0" }\n'

TRANSACTIONS = [
    ("of an added element is one line", [PROGRAM, BRIDGE], [PROGRAM, BRIDGE, NEW], ADD_NEW),
    (
        "of a changed element deletes it before it adds it",
        [PROGRAM, OLD],
        [PROGRAM, NEW],
        "delete element inet vmnet vn_forwards_any4 { tcp . 80 }\n" + ADD_NEW,
    ),
    (
        "of a removed element is one line",
        [PROGRAM, BRIDGE],
        [PROGRAM],
        'delete element inet vmnet vn_bridges { "br0" }\n',
    ),
    (
        "of a foreign element removes it",
        [PROGRAM, FOREIGN],
        [PROGRAM],
        'delete element inet vmnet vn_bridges { "docker0" }\n',
    ),
    ("of a first element loads the program with it", [], [PROGRAM, BRIDGE], ruleset.program() + ADD_BRIDGE),
    (
        "of an edited program replaces it with everything in it",
        [Program("vmnet", intact=False), BRIDGE, FOREIGN],
        [PROGRAM, BRIDGE, NEW],
        ruleset.program() + ADD_BRIDGE + ADD_NEW,
    ),
    ("of the last element deletes the table", [PROGRAM, BRIDGE], [], "delete table inet vmnet\n"),
    ("of nothing is empty", [PROGRAM, BRIDGE], [PROGRAM, BRIDGE], ""),
]


@pytest.mark.parametrize(("before", "after", "text"), [c[1:] for c in TRANSACTIONS], ids=[c[0] for c in TRANSACTIONS])
def test_a_transaction(before: Any, after: Any, text: str) -> None:
    assert ruleset.transaction(Plan(by_key(before), by_key(after))) == text


@given(
    st.dictionaries(
        st.from_regex(r"net/[a-z0-9._/-]{1,20}", fullmatch=True),
        st.builds(sysctls.Setting, st.sampled_from("01"), st.sampled_from("012")),
    )
)
def test_parsing_a_file_of_kernel_parameters_is_the_inverse_of_rendering_it(
    settings: dict[str, sysctls.Setting],
) -> None:
    assert sysctls.parse(sysctls.render(settings)) == settings
