# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a module: read, plan, show, and unless only asked what would happen, apply and read again.

parameters -> desired -+
                       +-> plan -> diff -> [check mode stops here] -> apply -> read again, verify
host       -> current -+

A module may have several subjects. Then the host is read once for all of them, each is planned on what those before it leave
behind, and each that changes something is applied, and the host read again for it and for those to come, before the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Callable, Optional

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.respawn import has_respawned, probe_interpreters_for_module, respawn_module

from . import _diff
from ._backends import command, host, lock, systemd
from ._backends.backend import Backend
from ._model import layout, net
from ._model.errors import HostError, InputError
from ._model.fields import Fields, entries
from ._model.resource import State
from ._plan.core import Plan, Request

# Interpreters that a distribution's own packages belong to, newest habit first, as Ansible's package modules try them.
_SYSTEM_PYTHONS = ("/usr/libexec/platform-python", "/usr/bin/python3", "/usr/bin/python")

_LIBRARY = "pyroute2"
# What a host may lack: programs, and a library.
NEEDS = ("dnsmasq", "ip", "nft", _LIBRARY)


class Change:
    """How a plan is carried out. One that has a way back takes it in ``undo``, and says what has come of it."""

    def ready(self) -> None:
        """Raises HostError if the host is not to be looked at now."""

    def apply(self, plan: Plan, backends: Sequence[Backend]) -> None:
        host.apply(plan, backends)

    def undo(self) -> str:
        return ""

    def result(self) -> dict[str, Any]:
        """What is returned beside the usual."""
        return {}


@dataclass(frozen=True)
class Subject:
    """What a module manages, the parts of the host that this is about, and the pure functions that know how.

    ``entry`` is the argument specification of an entry of ``option``, and ``key`` its field that tells it from the others. ``parse``
    turns the entries, which are to be there or not, into dataclasses (raises InputError); ``looks_at`` is what else has to be known of
    the host because of them; ``plan`` turns them and the state of the host into a plan (raises HostError); ``require`` says what is
    missing on the host for the plan to be applied now; ``follows`` what else becomes of the state that the plan leads to; ``show`` is
    the list as it is after the plan; ``afterwards`` does what follows from a plan that was applied; ``warnings`` are about the state that
    was found; ``change`` carries the plan out.
    """

    option: str
    key: str
    entry: Mapping[str, Any]
    backends: Sequence[Backend]
    parse: Callable[[list[Fields], bool], Sequence[Any]]
    plan: Callable[[Request, State], Plan]
    show: Callable[[Request, State], list[dict[str, Any]]]
    looks_at: Callable[[Request], Sequence[Backend]] = lambda request: ()
    require: Callable[[Request, Plan, State], None] = lambda request, plan, state: None
    follows: Callable[[Plan, State], State] = lambda plan, state: state
    afterwards: Callable[[Plan], None] = lambda plan: None
    warnings: Callable[[Request, State], Sequence[str]] = lambda request, state: ()
    change: Any = field(default_factory=Change)
    needs_pyroute2: bool = False


@dataclass(frozen=True)
class _Part:
    """A subject, what is asked of it, and the backends of all that it is about."""

    subject: Subject
    request: Request
    backends: Sequence[Backend]

    def on(self, state: State) -> _Step:
        return _Step(self, state, self.subject.plan(self.request, state))


@dataclass(frozen=True)
class _Step:
    """A part, on a host in this state."""

    part: _Part
    state: State
    plan: Plan

    def require(self) -> None:
        """Raises HostError for what is missing for the plan to be applied."""
        if self.plan:
            for backend in self.part.backends:
                backend.require(self.plan)
            self.part.subject.require(self.part.request, self.plan, self.state)


class _HalfwayError(HostError):
    """A run that has failed after it has changed something: these steps are done."""

    def __init__(self, message: str, done: Sequence[_Step]) -> None:
        names = ", ".join(step.part.subject.option for step in done if step.plan)
        super().__init__(f"{message}; done before that: {names}")
        self.done = done


def listed(subject: Subject) -> dict[str, Any]:
    """The argument specification of its list."""
    return {subject.option: {"type": "list", "elements": "dict", "required": True, "options": dict(subject.entry)}}


def common_options(own: Mapping[str, Any]) -> dict[str, Any]:
    """The argument specification: a module's own options and those that all resource modules share."""
    return {
        **own,
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "purge": {"type": "bool", "default": False},
        "purge_bridges": {"type": "list", "elements": "str", "default": []},
        "scope": {"type": "str", "default": "default"},
        "persistent": {"type": "bool", "default": True},
        "service_manager": {"type": "str", "choices": ["auto", "systemd", "none"], "default": "auto"},
    }


def run(module: AnsibleModule, *subjects: Subject, needs: Optional[Iterable[str]] = None) -> None:
    """Does everything behind a resource module's argument specification; exits or fails the module.

    Where the host lacks any of ``needs``, of NEEDS, nothing is changed. That is returned as ``missing``.
    """
    lacks = None if needs is None else [need for need in needs if not _has(need)]
    # Check mode works on a host on which nothing is installed yet.
    changes = not lacks and not module.check_mode
    needs_pyroute2 = changes and any(subject.needs_pyroute2 for subject in subjects)

    def work() -> dict[str, Any]:
        result = _converge(module, [_part(module, subject) for subject in subjects], changes)
        if lacks is not None:
            result = {**(result if changes or module.check_mode else {"changed": False}), "missing": lacks}
        return result

    _guarded(module, needs_pyroute2, work)


def look(module: AnsibleModule, result: Callable[[], dict[str, Any]]) -> None:
    """The same for a module that changes nothing. ``result`` may raise InputError and HostError."""
    _guarded(module, True, result)


def _has(need: str) -> bool:
    if need == _LIBRARY:  # for any Python of the host
        return bool(find_spec(_LIBRARY) or probe_interpreters_for_module(_SYSTEM_PYTHONS, _LIBRARY))
    return command.is_installed(need)


def _guarded(module: AnsibleModule, needs_pyroute2: bool, work: Callable[[], dict[str, Any]]) -> None:
    """One at a time on a host, as root, and with what is wrong in words."""
    try:
        host.require_root()
        if needs_pyroute2 and find_spec(_LIBRARY) is None:
            _respawn_where_pyroute2_is(module)
        with lock.host_lock():
            result = work()
    except _HalfwayError as error:
        module.fail_json(msg=str(error), **_difference(error.done))
    except (InputError, HostError, OSError) as error:
        module.fail_json(msg=_in_words(error))
    module.exit_json(**result)


def _in_words(error: Exception) -> str:
    return f"{error.filename or 'the host'}: {error.strerror}" if isinstance(error, OSError) else str(error)


def _converge(module: AnsibleModule, parts: Sequence[_Part], changes: bool) -> dict[str, Any]:
    backends = _backends(parts)
    for part in parts:
        part.subject.change.ready()
    if changes:
        host.sweep(backends)
    # All of them before the first change: what can be wrong with any is found by then.
    steps = _predict(parts, host.read(backends))
    for step in steps:
        for warning in step.part.subject.warnings(step.part.request, step.state):
            module.warn(warning)
        if step.plan:
            host.require_features(step.plan, step.part.backends)
    if changes:
        steps = _carry_out(steps)
    result: dict[str, Any] = {}
    for step in steps:
        subject, request = step.part.subject, step.part.request
        result[subject.option] = subject.show(request, step.plan.after)
        result.update(subject.change.result())
    return {**_difference(steps), **result}


def _backends(parts: Iterable[_Part]) -> list[Backend]:
    return list(dict.fromkeys(backend for part in parts for backend in part.backends))


def _difference(steps: Sequence[_Step]) -> dict[str, Any]:
    diff = [section for step in steps for section in _diff.render(step.plan)]
    return {"changed": any(step.plan for step in steps), "diff": diff}


def _predict(parts: Sequence[_Part], state: State) -> list[_Step]:
    """Each on what those before it leave behind."""
    steps = []
    for part in parts:
        steps.append(part.on(state))
        plan = steps[-1].plan
        state = part.subject.follows(plan, plan.leads_to(state))
    return steps


def _carry_out(predicted: Sequence[_Step]) -> list[_Step]:
    """What was predicted is so until something has changed. Then the kernel may have added what nobody has planned."""
    for step in predicted:
        step.require()
    done: list[_Step] = []
    changed: Optional[State] = None
    try:
        for number, step in enumerate(predicted):
            now = step if changed is None else step.part.on(changed)
            if now.plan:
                if list(now.plan.pairs()) != list(step.plan.pairs()):
                    now.require()
                changed = _change(now, [later.part for later in predicted[number:]])
            done.append(now)
    except (HostError, OSError) as error:
        if changed is None:
            raise
        raise _HalfwayError(_in_words(error), done) from error
    return done


def _change(step: _Step, parts: Sequence[_Part]) -> State:
    """Returns the host as it is then, as far as it is about these parts, which are this one and those to come."""
    part, plan = step.part, step.plan
    try:
        part.subject.change.apply(plan, part.backends)
        part.subject.afterwards(plan)
        after = part.on(host.read(_backends(parts)))
        if after.plan:
            raise HostError("the host is not as planned after the change: " + "; ".join(_diff.differences(after.plan)))
    except (HostError, OSError) as error:
        undone = part.subject.change.undo()
        if undone:
            raise HostError(f"{error}. {undone}") from error
        raise
    return after.state


def _part(module: AnsibleModule, subject: Subject) -> _Part:
    request = _request(module, subject)
    return _Part(subject, request, (*subject.backends, *subject.looks_at(request)))


def _request(module: AnsibleModule, subject: Subject) -> Request:
    given = module.params
    scope = Fields(given, "options").required("scope", net.scope_name)
    if scope in layout.RESERVED_SCOPES:
        raise InputError("scope", f"{scope} is taken; choose another word")
    manager = given["service_manager"]
    if manager == "systemd" and not systemd.is_running():
        raise InputError("service_manager", "systemd is not running on this host; use none, or auto")
    return Request(
        entries=tuple(
            subject.parse(entries(given[subject.option], subject.option, subject.key), given["state"] == "present")
        ),
        scope=scope,
        state=given["state"],
        purge=given["purge"],
        purge_bridges=tuple(given["purge_bridges"]),
        staying_bridges=_staying_bridges(given),
        persistent=given["persistent"],
        systemd=systemd.is_running() if manager == "auto" else manager == "systemd",
        machine_id=host.machine_id(),
        option=subject.option,
    )


def _staying_bridges(given: Mapping[str, Any]) -> Optional[frozenset[str]]:
    purges = given["purge"] and given.get("bridges") is not None
    return frozenset(bridge["name"] for bridge in given["bridges"]) if purges else None


def _respawn_where_pyroute2_is(module: AnsibleModule) -> None:
    """Continue under the Python that has pyroute2, as Ansible's own package modules do for their libraries."""
    if not has_respawned():
        interpreter = probe_interpreters_for_module(_SYSTEM_PYTHONS, _LIBRARY)
        if interpreter:
            respawn_module(interpreter)
    module.fail_json(
        msg=missing_required_lib(
            _LIBRARY, reason="to read and write connection tracking; its package is python3-pyroute2"
        )
    )
