# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The steps of a scenario that Molecule has playbooks for: python3 -m verify create|reboot|destroy."""

from __future__ import annotations

import sys

from lab import LabError

from .scenario import Scenario

if __name__ == "__main__":
    scenario = Scenario()
    steps = {"create": scenario.create, "reboot": scenario.reboot, "destroy": scenario.destroy}
    try:
        steps[sys.argv[1]]()
    except LabError as problem:
        sys.exit(str(problem))
