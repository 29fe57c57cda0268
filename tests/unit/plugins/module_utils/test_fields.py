# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading an entry: every complaint names the place that it is about."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.tapestry.vmnet.plugins.module_utils._model import net
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.fields import Fields, entries, refuse_duplicates
from ansible_collections.tapestry.vmnet.plugins.module_utils._runner import Subject
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.coexist import NETWORKS
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.dhcp import DHCP
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.nat import NAT
from ansible_collections.tapestry.vmnet.plugins.module_utils._subjects.policies import POLICIES


def test_a_field_that_is_missing_is_named_with_its_place() -> None:
    with pytest.raises(InputError, match=r"^bridges\[0\]\.name: is missing$"):
        Fields({}, "bridges[0]").required("name", net.interface_name)


@pytest.mark.parametrize("values", [{}, {"mtu": None}], ids=["absent", "null"])
def test_null_is_as_good_as_absent(values: dict[str, Any]) -> None:
    entry = Fields(values, "x")
    assert not entry.given("mtu")
    assert entry.optional("mtu", net.mtu, 1500) == 1500
    assert entry.raw("mtu", "default") == "default"
    assert entry.each("mtu", net.mtu, (7,)) == (7,)
    assert dict(entry.all()) == {}


@pytest.mark.parametrize("value", [0, False, "", []], ids=repr)
def test_what_is_empty_or_false_is_still_given(value: Any) -> None:
    assert Fields({"field": value}, "x").given("field")


def test_the_parser_s_complaint_gets_the_place_of_the_value() -> None:
    entry = Fields({"mtu": 20}, "bridges[br0]")
    with pytest.raises(InputError) as refusal:
        entry.optional("mtu", net.mtu)
    assert (refusal.value.at, refusal.value.problem) == (
        "bridges[br0].mtu",
        "20 is out of range; 68 to 65535 are accepted",
    )
    with pytest.raises(InputError, match=r"^bridges\[br0\]\.mtu: 20 is out"):
        entry.required("mtu", net.mtu)


def test_an_item_of_a_list_is_named_by_its_index() -> None:
    entry = Fields({"ports": ["eth0", "eth/1"]}, "bridges[br0]")
    with pytest.raises(InputError, match=r"^bridges\[br0\]\.ports\[1\]: 'eth/1'"):
        entry.each("ports", net.interface_name)


@pytest.mark.parametrize("value", ["eth0", ["eth0"], ("eth0",)], ids=["single", "list", "tuple"])
def test_a_single_value_stands_for_a_list_of_one(value: Any) -> None:
    assert Fields({"ports": value}, "x").each("ports", net.interface_name) == ("eth0",)


def test_an_empty_list_is_not_the_default() -> None:
    assert Fields({"ports": []}, "x").each("ports", net.interface_name, ("eth0",)) == ()


def test_an_inner_complaint_keeps_its_own_place() -> None:
    def inner(_value: object) -> None:
        raise InputError("elsewhere", "is wrong")

    with pytest.raises(InputError, match=r"^elsewhere: is wrong$"):
        Fields({"a": 1}, "x").required("a", inner)


def test_a_field_that_nobody_asked_for_is_refused_with_those_that_there_are() -> None:
    entry = Fields({"name": "br0", "mut": 1500}, "bridges[br0]")
    entry.required("name", net.interface_name)
    entry.optional("mtu", net.mtu)
    with pytest.raises(InputError, match=r"^bridges\[br0\]\.mut: is not a field of it; it has mtu, name$"):
        entry.nothing_else()


def test_an_unknown_field_is_refused_even_if_it_is_null() -> None:
    with pytest.raises(InputError, match=r"^x\.mut: "):
        Fields({"mut": None}, "x").nothing_else()


def test_nothing_is_left_once_everything_was_asked_for() -> None:
    entry = Fields({"a": 1, "b": None}, "x")
    assert dict(entry.all()) == {"a": 1}
    entry.nothing_else()


@pytest.mark.parametrize("value", ["br0", ["br0"], 7, True], ids=repr)
def test_an_entry_that_is_no_mapping_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as refusal:
        Fields(value, "bridges[0]")
    assert str(refusal.value) == f"bridges[0]: {value!r} is not a mapping of field names to values"


@pytest.mark.parametrize("value", ["br0", {"name": "br0"}, 7], ids=repr)
def test_a_list_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as refusal:
        entries(value, "bridges", "name")
    assert str(refusal.value) == f"bridges: {value!r} is not a list"


def test_entries_are_named_by_their_key_or_else_by_their_index() -> None:
    found = entries([{"name": "br0"}, {"mtu": 1500}], "bridges", "name")
    assert [entry.at for entry in found] == ["bridges[br0]", "bridges[1]"]
    with pytest.raises(InputError, match=r"^bridges\[1\]: 'br1' is not a mapping"):
        entries([{"name": "br0"}, "br1"], "bridges", "name")


def test_entries_within_an_entry_have_a_place_within_its_place() -> None:
    inner = Fields({"guests": [{"name": "web"}]}, "nat_networks[vmnet8]").entries("guests", "name")
    assert [entry.at for entry in inner] == ["nat_networks[vmnet8].guests[web]"]
    assert Fields({}, "x").entries("guests", "name") == []


def test_the_second_of_two_equal_values_is_refused_and_the_first_is_named() -> None:
    with pytest.raises(
        InputError, match=r"^taps\[b\]: the MAC address 52:54:00:00:00:65 is already that of taps\[a\]$"
    ):
        refuse_duplicates(
            [("taps[a]", "52:54:00:00:00:65", "the MAC address"), ("taps[b]", "52:54:00:00:00:65", "the MAC address")]
        )


def test_equal_values_of_different_kinds_are_no_duplicates() -> None:
    refuse_duplicates([("a", "x", "the name"), ("b", "x", "the port"), ("c", "y", "the name")])


@pytest.mark.parametrize("subject", [POLICIES, NAT, NETWORKS, DHCP], ids=lambda subject: subject.option)
@pytest.mark.parametrize("second", ["vmnet8", " vmnet8"], ids=["alike", "with a space"])
def test_a_bridge_is_listed_once(subject: Subject, second: str) -> None:
    listed = entries([{"bridge": name} for name in ("vmnet8", "vmnet9", second)], subject.option, subject.key)
    with pytest.raises(InputError) as refused:
        subject.parse(listed, False)
    assert str(refused.value) == (
        f"{subject.option}[{second}]: the bridge vmnet8 is already that of {subject.option}[vmnet8]"
    )
    assert [each.bridge for each in subject.parse(listed[:2], False)] == ["vmnet8", "vmnet9"]
