# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After a reboot names are answered as before."""

from __future__ import annotations

from lab import Host
from verify import name_server_answers


def test_names_are_answered_where_they_were(host: Host) -> None:
    for server, answers in (("192.168.233.2", True), ("192.168.56.1", True), ("192.168.235.2", False)):
        assert name_server_answers(host, server, "web.vmnet8.internal") == answers, server
