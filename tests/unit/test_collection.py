# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said in two places is the same in both: action group, documentation, specs, defaults and tables.

That a module's documentation is that of its argument spec, ansible-test sanity says.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.tapestry.vmnet.plugins.module_utils._model.errors import InputError
from ansible_collections.tapestry.vmnet.plugins.module_utils._model.network import MODES, RESOURCES, expand

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
NETWORK: dict[str, dict[str, Any]] = {
    "host_only": {"name": "br0", "addresses": ["192.168.56.1/24"]},
    "bridged": {"name": "br0", "uplink": "eth1"},
    "nat": {"name": "br0", "addresses": ["192.168.56.1/24"]},
}


def load(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def table_after(words: str, page: str) -> dict[str, list[str]]:
    """The first table below a line that starts with these words: the other cells by what is in backticks in the first."""
    start = re.search(rf"^#* *{re.escape(words)}", page, re.MULTILINE)
    if not start:
        raise AssertionError(f"no line starts with {words!r}")
    lines = page[start.end() :].splitlines()[1:]
    first = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = {}
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`(\w+)`", cells[0]):
            rows[name] = cells[1:]
    return rows


def accepted(mode: str, *where: str) -> set[str]:
    """The fields of a network, or of what is inside it, as expand names them when it refuses an unknown one."""
    inner: dict[str, Any] = {"no_such_field": 1}
    for name in reversed(where):
        if name == "guests":
            inner = {"name": "a", **({} if mode == "bridged" else {"addresses": ["192.168.56.9"]}), **inner}
        if name == "forwards":
            inner = {"listen": 1, **inner}
        inner = {name: [inner] if name in ("guests", "forwards") else inner}
    with pytest.raises(InputError, match="is not a field of it; it has") as refused:
        expand([{**NETWORK[mode], **inner}], mode)
    return set(str(refused.value).split("it has ")[1].split(", ")) - {"no_such_field"}


def has_common_options(module: str) -> bool:
    described = importlib.import_module(f"ansible_collections.tapestry.vmnet.plugins.modules.{module}").DOCUMENTATION
    return "tapestry.vmnet.resources" in yaml.safe_load(described).get("extends_documentation_fragment", [])


def test_the_action_group_names_every_module_that_has_the_common_options() -> None:
    having = [module for module in MODULES if has_common_options(module)]
    assert sorted(load("meta/runtime.yml")["action_groups"]["vmnet"]) == having
    assert set(MODULES) - set(having) == {"network_info"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("tasks", ["main", "absent"])
def test_a_role_says_once_what_all_its_modules_have_in_common(role: str, tasks: str) -> None:
    seen = 0
    for task in load(f"roles/{role}/tasks/{tasks}.yml"):
        common = set(task.get("module_defaults", {}).get("group/tapestry.vmnet.vmnet", {}))
        for module in task.get("block", [task]):
            for options in (value for key, value in module.items() if key.startswith("tapestry.vmnet.")):
                assert not common & set(options), f"{module['name']}: given twice"
                assert "scope" in common | set(options), f"{module['name']}: whose?"
                seen += 1
    assert seen


def test_every_resource_has_its_module() -> None:
    assert set().union(*RESOURCES.values()) <= set(MODULES)


@pytest.mark.parametrize("role", ROLES)
def test_the_variables_of_a_role_are_the_same_in_spec_defaults_and_readme(role: str) -> None:
    options = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load(f"roles/{role}/defaults/main.yml")
    table = table_after("Variables", text(f"roles/{role}/README.md"))
    assert {name: option["default"] for name, option in options.items()} == defaults
    assert {name: yaml.safe_load(cells[0].strip("`")) for name, cells in table.items()} == defaults


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("words", "where"),
    [
        ("A network", ()),
        ("A guest:", ("guests",)),
        ("A forward:", ("guests", "forwards")),
        ("`dhcp`", ("dhcp",)),
        ("`dns`", ("dns",)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_the_readme_of_a_role_has_every_field_and_no_other(mode: str, words: str, where: tuple[str, ...]) -> None:
    if where and mode != "nat" and where[-1] not in accepted(mode, *where[:-1]):
        return  # bridged networks have no dhcp; only nat has forwards
    # What the network itself says to the module dhcp is refused in these two.
    said = {"dhcp": {"bridge", "addresses", "mtu", "router", "reservations", "dns", "autostart"}}
    fields = accepted(mode, *where) - said.get(where[-1] if where else "", set())
    if where == ("dns",) and mode == "host_only":
        fields -= {
            "forward",
            "forwarders",
            "domain_forwarders",
            "rebind_protection",
        }  # names outside the network are not looked up
    if where == ("guests", "forwards"):
        fields |= {"to_address"}  # of a forward without a guest
    assert set(table_after(words, text(f"roles/{mode}/README.md"))) == fields


@pytest.mark.parametrize("mode", MODES)
def test_a_table_of_a_role_has_every_field_once(mode: str) -> None:
    for table in re.split(r"\n(?!\|)[^\n]*", text(f"roles/{mode}/README.md")):
        names = [
            name for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
        ]
        assert len(names) == len(set(names)), names


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_returns_is_described(module: str) -> None:
    returned = yaml.safe_load(re.split(r'RETURN = r?"""', text(f"plugins/modules/{module}.py"))[1].split('"""')[0])
    for name, value in returned.items():
        sample = value.get("sample")
        first = sample[0] if isinstance(sample, list) and sample else sample
        if isinstance(first, dict) and "contains" in value:
            assert set(first) <= set(value["contains"]), name


@pytest.mark.parametrize("kind", ["modules", "roles"])
def test_the_readme_lists_every_module_and_every_role(kind: str) -> None:
    page = text("README.md")
    missing = [
        name
        for name in (MODULES if kind == "modules" else ROLES)
        if f"| `{name}`" not in page and f"| [{name}]" not in page
    ]
    assert not missing


def test_no_test_hides_from_the_older_pythons() -> None:
    """ansible-test runs what is below plugins/module_utils on every Python of a managed host, and the rest on none of them."""
    here = {path.name for path in (ROOT / "tests/unit").glob("test_*.py")}
    assert here == {Path(__file__).name}
