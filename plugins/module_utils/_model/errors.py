# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways in which a request can be wrong: by itself, or on this host."""

from __future__ import annotations


class InputError(ValueError):
    """A value that no host could take. The message names the entry, the field, the value and what would be right."""

    def __init__(self, at: str, problem: str) -> None:
        super().__init__(f"{at}: {problem}")
        self.at = at
        self.problem = problem


class HostError(RuntimeError):
    """The host cannot be brought to the requested state, and why; nothing has been changed when it is raised while planning."""
