"""Frames (chapter frames): the header, cutting messages into frames, and putting them together again."""

from __future__ import annotations

import enum
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from . import limits
from .faults import Fault

HEADER = struct.Struct("<IBBHQ")

MORE = 1
END = 2


class Side(enum.Enum):
    """Who receives."""

    CLIENT = "client"
    SERVER = "server"


class Kind(enum.IntEnum):
    """What a frame is."""

    HELLO = 1
    AUTH = 2
    REQUEST = 3
    REPLY = 4
    ERROR = 5
    CREDIT = 6
    CANCEL = 7
    PING = 8
    GOAWAY = 9


_FIRST_EXTENSION = 128
#: Kinds by their number: looking one up is quicker than making one.
_KINDS: dict[int, Kind] = {int(kind): kind for kind in Kind}
_FLAGS: dict[int, int] = {Kind.REQUEST: MORE, Kind.REPLY: MORE | END, Kind.ERROR: END, Kind.PING: END}
_TO_SERVER = frozenset({Kind.HELLO, Kind.AUTH, Kind.REQUEST, Kind.CREDIT, Kind.CANCEL, Kind.PING})
_TO_CLIENT = frozenset({Kind.HELLO, Kind.AUTH, Kind.REPLY, Kind.ERROR, Kind.CREDIT, Kind.PING, Kind.GOAWAY})
_WITHOUT_ID = frozenset({Kind.HELLO, Kind.AUTH, Kind.PING, Kind.GOAWAY})
_OPENING = frozenset({Kind.HELLO, Kind.AUTH})
_FRAGMENTED = frozenset({Kind.REQUEST, Kind.REPLY})


class Message(NamedTuple):
    """A whole message: its body is one document that fills it."""

    kind: Kind
    flags: int
    id: int
    body: bytes


@dataclass(frozen=True)
class Partial:
    """A frame of a message that is not whole yet. ``frame`` is the length of its body."""

    kind: Kind
    id: int
    received: int
    announced: int
    frame: int


@dataclass(frozen=True)
class Skipped:
    """A frame that nobody here knows or wants."""


@dataclass(frozen=True)
class Refused:
    """A message above ``max_message``: only its request ends."""

    id: int
    fault: Fault


Event = Message | Partial | Skipped | Refused


@dataclass
class _Unfinished:
    kind: Kind
    end: int
    announced: int
    parts: list[bytes]
    received: int
    granted: bool = False


class _Header(NamedTuple):
    length: int
    kind: int
    flags: int
    id: int


class Reassembler:
    """Turns bytes, in whatever pieces they come, into messages.

    It holds at most one frame, and of messages no more than what has come.
    """

    def __init__(self, side: Side, max_frame: int = limits.DEFAULT_FRAME, max_message: int = limits.DEFAULT_MESSAGE) -> None:
        self.side = side
        self.max_frame = max_frame
        self.max_message = max_message
        self.authenticated = False
        self._buffer = bytearray()
        self._header: _Header | None = None
        self._passed: set[tuple[int, int, bool, bool]] = set()
        self._unfinished: dict[int, _Unfinished] = {}
        self._dropped: deque[int] = deque(maxlen=limits.IN_FLIGHT)
        self._last_request = 0

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Takes bytes and yields what they complete. All of it must be taken before more bytes come.

        Raises:
            Fault: the connection must be closed.
        """
        held = self._buffer
        if held:
            held += data
            data = held
        size = len(data)
        start = 0
        try:
            # What has come whole, as most of it does, is not put into the buffer.
            while size - start >= HEADER.size:
                header = self._header
                if header is None:
                    header = self._header = self._admit(HEADER.unpack_from(data, start))
                end = start + HEADER.size + header.length
                if size < end:
                    break
                body = bytes(memoryview(data)[start + HEADER.size : end])
                start, self._header = end, None
                yield self._take(header, body)
        finally:
            if data is held:
                del held[:start]
            else:
                held += data[start:]

    def grant(self, id: int) -> None:
        """CREDIT was sent for an upload: the rest of it may come."""
        unfinished = self._unfinished.get(id)
        if unfinished is not None:
            unfinished.granted = True

    def give_up(self, id: int) -> None:
        """An unfinished message was refused: drops what has come and what still comes."""
        if self._unfinished.pop(id, None) is not None:
            self._dropped.append(id)

    @property
    def buffered(self) -> int:
        """Bytes that are held."""
        return len(self._buffer) + sum(unfinished.received for unfinished in self._unfinished.values())

    def _admit(self, fields: tuple[int, int, int, int, int]) -> _Header:
        """Checks a header before any memory is taken for its body."""
        length, kind, flags, reserved, id = fields
        if kind < _FIRST_EXTENSION and kind not in _KINDS:
            raise Fault("unknown_kind", f"kind {kind}")
        if reserved:
            raise Fault("reserved")
        if id >= limits.ID_END:
            raise Fault("bad_id", "not below 2^53")
        header = _Header(length, kind, flags, id)
        # What has passed once passes again; nearly all frames are alike in this.
        passes = (kind, flags, id == 0, self.authenticated)
        if passes not in self._passed:
            self._check_kind(header)
            self._passed.add(passes)
        most = self.max_frame if self.authenticated else limits.UNAUTHENTICATED_FRAME
        if length > most:
            raise Fault("frame_too_large", f"{length} bytes, at most {most}")
        if kind < _FIRST_EXTENSION:
            self._check_length(header)
        return header

    def _check_kind(self, header: _Header) -> None:
        if header.kind >= _FIRST_EXTENSION:
            if header.flags & ~(MORE | END):
                raise Fault("bad_flags")
            if not self.authenticated:
                raise Fault("unexpected_kind", f"kind {header.kind} before authentication")
            return
        kind, flags = header.kind, header.flags
        if flags & ~_FLAGS.get(kind, 0) or (kind == Kind.ERROR and not flags & END):
            raise Fault("bad_flags", f"flags {flags} of {_KINDS[kind].name}")
        if kind != Kind.ERROR and (kind in _WITHOUT_ID) != (header.id == 0):
            raise Fault("bad_id", f"id {header.id} of {_KINDS[kind].name}")
        known = _TO_SERVER if self.side is Side.SERVER else _TO_CLIENT
        if kind not in known or (kind == Kind.PING and (flags & END != 0) != (self.side is Side.CLIENT)):
            raise Fault("unexpected_kind", f"{_KINDS[kind].name} from this side")
        opening = kind in _OPENING
        in_time = not opening if self.authenticated else opening or kind == Kind.ERROR
        if not in_time:
            raise Fault("unexpected_kind", f"{_KINDS[kind].name} at this time")

    def _check_length(self, header: _Header) -> None:
        if header.flags & MORE:
            least = limits.LEAST_FRAGMENT
        elif header.kind in _FRAGMENTED and (header.id in self._unfinished or header.id in self._dropped):
            least = 1
        else:
            least = 5
        if header.length < least:
            raise Fault("frame_too_small", f"{header.length} bytes, at least {least}")

    def _take(self, header: _Header, body: bytes) -> Event:
        if header.kind >= _FIRST_EXTENSION:
            return Skipped()
        kind = _KINDS[header.kind]
        if kind not in _FRAGMENTED:
            if kind is Kind.ERROR:
                self._unfinished.pop(header.id, None)
            return _whole(kind, header, body)
        unfinished = self._unfinished.get(header.id)
        if unfinished is not None:
            return self._continue(unfinished, header, body)
        return self._begin(kind, header, body)

    def _begin(self, kind: Kind, header: _Header, body: bytes) -> Event:
        more = header.flags & MORE
        if header.id in self._dropped:
            if not more:
                self._dropped.remove(header.id)
            return Skipped()
        if self.side is Side.SERVER:
            if header.id <= self._last_request:
                raise Fault("id_not_increasing", f"id {header.id}")
            self._last_request = header.id
        if len(body) < 4:
            raise Fault("bad_structure")
        announced = int.from_bytes(body[:4], "little")
        if announced > self.max_message:
            if more:
                self._dropped.append(header.id)
            return Refused(header.id, Fault("message_too_large", f"{announced} bytes, at most {self.max_message}"))
        if not more:
            self._check_upload(len(body), granted=False)
            return _whole(kind, header, body)
        if len(self._unfinished) >= limits.IN_FLIGHT:
            raise Fault("too_many_fragments")
        unfinished = _Unfinished(kind, header.flags & END, announced, [], 0)
        return self._continue(unfinished, header, body)

    def _continue(self, unfinished: _Unfinished, header: _Header, body: bytes) -> Event:
        received = unfinished.received + len(body)
        more = header.flags & MORE
        fits = received < unfinished.announced if more else received == unfinished.announced
        if header.kind != unfinished.kind or header.flags & END != unfinished.end or not fits:
            raise Fault("bad_fragment")
        self._check_upload(received, unfinished.granted)
        unfinished.parts.append(body)
        unfinished.received = received
        if more:
            self._unfinished[header.id] = unfinished
            return Partial(unfinished.kind, header.id, received, unfinished.announced, len(body))
        self._unfinished.pop(header.id, None)
        return Message(unfinished.kind, unfinished.end, header.id, b"".join(unfinished.parts))

    def _check_upload(self, received: int, granted: bool) -> None:
        if self.side is Side.SERVER and not granted and received > limits.FREE_UPLOAD:
            raise Fault("upload_without_credit")


def _whole(kind: Kind, header: _Header, body: bytes) -> Message:
    if int.from_bytes(body[:4], "little") != len(body):
        raise Fault("bad_structure", "the document does not fill its frame")
    return Message(kind, header.flags, header.id, body)


def frame(kind: Kind, flags: int, id: int, body: bytes | memoryview) -> bytes:
    """One frame."""
    return b"".join((HEADER.pack(len(body), kind, flags, 0, id), body))


def cut(kind: Kind, flags: int, id: int, body: memoryview, max_frame: int, unfinished: bool = False) -> Iterator[bytes]:
    """Cuts a message, or a part of one, into frames that the receiver takes.

    ``unfinished``: more of it will follow, so that the last frame has MORE too, and at least its least length.
    """
    while len(body) > max_frame:
        take = max_frame
        if unfinished and len(body) - take < limits.LEAST_FRAGMENT:
            take -= limits.LEAST_FRAGMENT
        yield frame(kind, flags | MORE, id, body[:take])
        body = body[take:]
    yield frame(kind, flags | MORE if unfinished else flags, id, body)
