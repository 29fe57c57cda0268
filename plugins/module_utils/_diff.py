# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan in the form that Ansible shows with ``--diff``: pure text, one section for each heading."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ._plan.core import Plan


def render(plan: Plan) -> list[dict[str, Any]]:
    """Sections of ``before`` and ``after`` with only what differs; empty if and only if the plan is, but for what it implies."""
    sections: dict[str, tuple[list[str], list[str]]] = {}
    for old, new in plan.pairs():
        resource: Any = new or old
        if resource.key in plan.implied:
            continue
        title = resource.title
        before, after = sections.setdefault(title, ([], []))
        before.extend(old.lines() if old else [])
        after.extend(new.lines() if new else [])
    return [
        {"before_header": title, "after_header": title, "before": _text(before), "after": _text(after)}
        for title, (before, after) in sections.items()
    ]


def differences(plan: Plan) -> list[str]:
    """A plan that should have been empty, in words: which resource, which attribute, what it is and what it should be."""
    result = []
    for old, new in plan.pairs():
        if old is None:
            result.append(f"{new.title} ({new.name}) is missing")  # type: ignore[union-attr]
        elif new is None:
            result.append(f"{old.title} ({old.name}) is still there")
        else:
            for f in fields(new):
                is_now, wanted = getattr(old, f.name), getattr(new, f.name)
                if f.compare and is_now != wanted:
                    result.append(f"{new.title}: {f.name} is {is_now!r}, should be {wanted!r}")
    return result


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)
