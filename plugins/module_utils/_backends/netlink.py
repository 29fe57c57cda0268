# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: The tapestry.vmnet authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rtnetlink(7) in bytes: dumps as attributes, and any number of requests in one stream.

A library that decodes every attribute of every link takes some sixty times as long to read a thousand taps, and one round
trip for each request takes five times as long to make them.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Union

from .._model.errors import HostError

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, DELADDR, GETADDR = 20, 21, 22
CREATE = 0x400 | 0x200  # NLM_F_CREATE | NLM_F_EXCL

_REQUEST, _ACK, _DUMP = 0x001, 0x004, 0x300
_ERROR, _DONE = 2, 3
_DUMP_INTERRUPTED = 0x010
_NESTED = 0x8000
_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_ACK_CAPPED, _ACK_ATTRIBUTES = 0x100, 0x200
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_EXT_ACK_TEXT = 1
_SO_RCVBUFFORCE = 33
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 20
# Bytes in one send. What is in it happens even if the process is killed meanwhile; the kernel's limit is some 200 KiB.
CHUNK = 128 * 1024

Value = Union[bytes, str, int, Sequence["Attribute"]]


class Attribute(NamedTuple):
    """Text ends with a zero, a number has four bytes, and a sequence nests."""

    kind: int
    value: Value


class Request(NamedTuple):
    """``what`` it is for, as the error message says it. Errors in ``tolerated`` (errno) are none."""

    what: str
    kind: int
    body: bytes
    attributes: Sequence[Attribute]
    flags: int = 0
    tolerated: tuple[int, ...] = ()


class Netlink:
    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._sequence = 0

    def dump(self, kind: int, body: bytes, attributes: Sequence[Attribute] = ()) -> list[bytes]:
        """The bodies of all messages that answer."""
        while True:
            self._sequence += 1
            message = _message(kind, _DUMP, self._sequence, body + _pack(attributes))
            self._socket.sendto(message, (0, 0))
            found, whole = [], True
            for sort, flags, _sequence, payload in self._answers():
                if sort == _ERROR:
                    raise HostError(f"the kernel refused to list its links: {_reason(payload)[1]}")
                if sort == _DONE:
                    break
                whole = whole and not flags & _DUMP_INTERRUPTED
                found.append(payload)
            if whole:
                return found

    def send(self, requests: Sequence[Request]) -> None:
        """Everything in order. Raises HostError for the first that was refused; those after it were tried as well."""
        for chunk in _chunks(requests):
            first = self._sequence + 1
            stream = b""
            for number, request in enumerate(chunk):
                # Errors come by themselves; that all is done says the answer to the last.
                flags = request.flags | (_ACK if number == len(chunk) - 1 else 0)
                stream += _message(request.kind, flags, first + number, request.body + _pack(request.attributes))
            self._sequence += len(chunk)
            self._socket.sendto(stream, (0, 0))
            self._acknowledged(chunk, first)

    def _acknowledged(self, chunk: Sequence[Request], first: int) -> None:
        refused = ""
        for sort, flags, sequence, payload in self._answers():
            if sort != _ERROR or not first <= sequence < first + len(chunk):
                continue
            code, reason = _reason(payload, flags)
            request = chunk[sequence - first]
            if code and code not in request.tolerated:
                refused = refused or f"the kernel refused to {request.what}: {reason}"
            if sequence == first + len(chunk) - 1:
                break
        if refused:
            raise HostError(refused)

    def _answers(self) -> Iterator[tuple[int, int, int, bytes]]:
        """(type, flags, sequence number, payload) of each message; without end."""
        while True:
            data, offset = self._socket.recv(_BUFFER), 0
            while offset < len(data):
                length, kind, flags, sequence, _port = _HEADER.unpack_from(data, offset)
                yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
                offset += _aligned(length)


@contextmanager
def connected() -> Iterator[Netlink]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as connection:
        connection.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        connection.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        # Room for an answer to every request of a stream, should all be refused, or be questions.
        connection.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 4 * _BUFFER)
        connection.bind((0, 0))
        yield Netlink(connection)


def attributes(data: bytes) -> dict[int, bytes]:
    """Attribute type -> its bytes."""
    return dict(each_attribute(data))


def each_attribute(data: bytes) -> list[tuple[int, bytes]]:
    """(type, bytes); a type may come several times."""
    found = []
    offset, end = 0, len(data) - _ATTRIBUTE.size
    while offset <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        found.append((kind & _TYPE, data[offset + 4 : offset + length]))
        offset += length + 3 & ~3  # as _aligned, without the call: there are some seventy for each link
    return found


def number(data: bytes) -> int:
    """An unsigned number in the host's byte order, of whatever size."""
    return int.from_bytes(data, sys.byteorder)


def text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")


def _chunks(requests: Sequence[Request]) -> Iterator[Sequence[Request]]:
    start, size = 0, 0
    for position, request in enumerate(requests):
        size += _HEADER.size + len(request.body) + len(_pack(request.attributes))
        if size > CHUNK and position > start:
            yield requests[start:position]
            start, size = position, 0
    if start < len(requests):
        yield requests[start:]


def _message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    length = _HEADER.size + len(payload)
    return _padded(_HEADER.pack(length, kind, flags | _REQUEST, sequence, 0) + payload)


def _pack(items: Sequence[Attribute]) -> bytes:
    return b"".join(map(_packed, items))


def _packed(item: Attribute) -> bytes:
    kind, value = item
    if isinstance(value, int):
        data = struct.pack("=I", value)
    elif isinstance(value, str):
        data = value.encode() + b"\0"
    elif isinstance(value, bytes):
        data = value
    else:
        kind, data = kind | _NESTED, _pack(value)
    return _padded(_ATTRIBUTE.pack(4 + len(data), kind) + data)


def _reason(payload: bytes, flags: int = 0) -> tuple[int, str]:
    """(errno, what the kernel says) of an answer; 0 is no error."""
    code = -struct.unpack_from("=i", payload)[0]
    said = ""
    if flags & _ACK_ATTRIBUTES and flags & _ACK_CAPPED:
        told = attributes(payload[4 + _HEADER.size :])
        said = text(told[_EXT_ACK_TEXT]) if _EXT_ACK_TEXT in told else ""
    return code, f"{os.strerror(code)} ({said.rstrip('.')})" if said else os.strerror(code)


def _aligned(length: int) -> int:
    return (length + 3) & ~3


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
