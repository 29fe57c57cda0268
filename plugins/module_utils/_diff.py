# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan in the form that Ansible shows with ``--diff``: pure text, one section for each heading."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Optional

from ._model.resource import Resource
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
    return [text for old, new in plan.pairs() for text in difference(old, new)]


def difference(old: Optional[Resource], new: Optional[Resource]) -> list[str]:
    """The same of one resource; ``old`` is what there is, ``new`` what there should be. At least one of them is there."""
    label = _label(new or old)
    if new is None:
        return [f"{label} is still there"]
    if old is None:
        return [f"{label} is missing"]
    pairs = [(f.name, getattr(old, f.name), getattr(new, f.name)) for f in fields(new) if f.compare]
    return [f"{label}: {name} is {now!r}, should be {wanted!r}" for name, now, wanted in pairs if now != wanted]


def _label(resource: Any) -> str:
    """The title, which resources may share, and the name."""
    title: str = resource.title
    return title if title.endswith(f" {resource.name}") else f"{title} ({resource.name})"


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)
