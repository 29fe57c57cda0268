# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests may resolve, and by whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Optional

from . import net
from .errors import InputError
from .fields import Fields, refuse_duplicates

MAX_TEXT = 255  # octets of one string of a TXT record (RFC 1035 section 3.3.14)
_QUOTABLE = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without quotation mark and backslash
_MAX_TXT_LINE = 700  # characters of all strings together, so that the line stays one that dnsmasq reads


class Service(NamedTuple):
    """Where a service is to be found (SRV, RFC 2782)."""

    target: str
    port: int
    priority: int = 0
    weight: int = 0

    @classmethod
    def parse(cls, entry: Fields) -> Service:
        service = cls(
            entry.required("target", net.domain_name),
            entry.required("port", net.port),
            entry.optional("priority", _short, 0),
            entry.optional("weight", _short, 0),
        )
        entry.nothing_else()
        return service


class Record(NamedTuple):
    """A name that is not a guest's: addresses (A, AAAA, and PTR back), texts and services, or another name for ``cname``."""

    name: str
    addresses: tuple[net.Address, ...] = ()
    cname: Optional[str] = None
    txt: tuple[str, ...] = ()
    srv: tuple[Service, ...] = ()

    @classmethod
    def parse(cls, entry: Fields) -> Record:
        record = cls(
            name=entry.required("name", net.domain_name),
            addresses=tuple(net.in_order(set(entry.each("addresses", net.address)))),
            cname=entry.optional("cname", net.domain_name),
            txt=entry.each("txt", _txt),
            srv=tuple(sorted(set(map(Service.parse, entry.entries("srv", "target"))))),
        )
        entry.nothing_else()
        if not any(record[1:]):
            raise InputError(
                entry.place("addresses"),
                "is missing; a record leads to one address or more, or has a cname, txt or srv instead",
            )
        if record.cname and (record.addresses or record.txt or record.srv):
            raise InputError(
                entry.place("cname"),
                f"{record.name} is another name and can have nothing else (RFC 1034 section 3.6.2)",
            )
        if sum(len(text) + 3 for text in record.txt) > _MAX_TXT_LINE:
            raise InputError(entry.place("txt"), f"is longer than {_MAX_TXT_LINE} characters in all")
        return record

    def in_domain(self, domain: Optional[str]) -> Record:
        """With the names of the domain in their short form, which is their normal form."""
        return self._replace(
            name=short(self.name, domain),
            cname=self.cname and short(self.cname, domain),
            srv=tuple(service._replace(target=short(service.target, domain)) for service in self.srv),
        )


@dataclass(frozen=True)
class Dns:
    """``forward``: whether guests may resolve what is not ours; ``forwarders``: whom to ask, none for the host's resolvers.

    ``domain_forwarders``: whom to ask about a domain and all below it. ``rebind_protection``: an answer from outside
    must not have a private address.
    """

    enabled: bool = True
    domain: Optional[str] = None
    forward: bool = True
    forwarders: tuple[net.Address, ...] = ()
    domain_forwarders: tuple[tuple[str, tuple[net.Address, ...]], ...] = ()
    rebind_protection: bool = False
    records: tuple[Record, ...] = ()

    @classmethod
    def parse(cls, entry: Fields) -> Dns:
        records = [(at, Record.parse(at)) for at in entry.entries("records", "name")]
        parsed = cls(
            enabled=entry.optional("enabled", net.boolean, True),
            domain=entry.optional("domain", net.domain_name),
            forward=entry.optional("forward", net.boolean, True),
            forwarders=entry.each("forwarders", _forwarder),
            domain_forwarders=_domain_forwarders(entry),
            rebind_protection=entry.optional("rebind_protection", net.boolean, False),
        )
        entry.nothing_else()
        records = [(at, record.in_domain(parsed.domain)) for at, record in records]
        parsed = replace(parsed, records=tuple(sorted((r for _at, r in records), key=lambda record: record.name)))
        refuse_duplicates(
            (at.place("name"), qualified(record.name, parsed.domain), "the name") for at, record in records
        )
        if parsed.records and not parsed.enabled:
            raise InputError(entry.place("records"), "nobody would answer for them; DNS is not enabled")
        for name in ("forwarders", "domain_forwarders"):
            if getattr(parsed, name) and not (parsed.enabled and parsed.forward):
                raise InputError(entry.place(name), "nobody would ask them; nothing is forwarded here")
        if parsed.domain in dict(parsed.domain_forwarders):
            raise InputError(
                entry.place(f"domain_forwarders.{parsed.domain}"),
                "is the network's own domain, which is never forwarded",
            )
        parsed._check_aliases(records)
        return parsed

    def qualified(self, name: str) -> str:
        return qualified(name, self.domain)

    def _check_aliases(self, records: list[tuple[Fields, Record]]) -> None:
        """dnsmasq does not start with a circle of names."""
        leads_to = {self.qualified(r.name): self.qualified(r.cname) for r in self.records if r.cname}
        for at, record in records:
            seen = {self.qualified(record.name)}
            name = leads_to.get(self.qualified(record.name))
            while name:
                if name in seen:
                    raise InputError(at.place("cname"), f"{record.cname} leads back to {record.name}")
                seen.add(name)
                name = leads_to.get(name)


def qualified(name: str, domain: Optional[str]) -> str:
    """As DNS knows it: a single label is in the network's own domain."""
    return name if "." in name or not domain else f"{name}.{domain}"


def short(name: str, domain: Optional[str]) -> str:
    """The inverse of ``qualified``."""
    label = name[: -len(domain) - 1] if domain and name.endswith(f".{domain}") else name
    return label if "." not in label else name


def _domain_forwarders(entry: Fields) -> tuple[tuple[str, tuple[net.Address, ...]], ...]:
    given = entry.raw("domain_forwarders", {})
    domains = Fields(given, entry.place("domain_forwarders"))
    found = []
    for domain in given:
        at = domains.place(domain)
        try:
            name = net.domain_name(domain)
        except ValueError as error:
            raise InputError(at, str(error)) from None
        forwarders = domains.each(domain, _forwarder)
        if not forwarders:
            raise InputError(at, "has no forwarder; name the address of a DNS server")
        found.append((at, name, forwarders))
    refuse_duplicates((at, name, "the domain") for at, name, _forwarders in found)
    return tuple(sorted((name, forwarders) for _at, name, forwarders in found))


def _forwarder(value: Any) -> net.Address:
    address = net.address(value)
    if address.is_unspecified or address.is_multicast or (address.version == 6 and address.is_link_local):
        raise ValueError(f"{address} is not an address of a DNS server")
    return address


def _txt(value: Any) -> str:
    text = net.text(value)
    if not _QUOTABLE.fullmatch(text):
        raise ValueError(f"{text!r} has other characters than printable ASCII, or a quotation mark or backslash")
    if len(text) > MAX_TEXT:
        raise ValueError(f"has {len(text)} characters; a string has at most {MAX_TEXT}, and txt takes several")
    return text


def _short(value: Any) -> int:
    return net.integer(value, 0, 2**16 - 1)
