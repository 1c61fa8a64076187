"""One connection seen from the client, without its socket: what arrives goes in, what happened comes out.

Whoever drives it hands over bytes by :meth:`Conversation.receive`, and sends what :meth:`Conversation.take_output` gives. Many
requests may be under way at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .. import errors
from . import frames, limits, messages
from .bson import EMPTY_DOCUMENT
from .events import Challenged, Closed, Draining, Event, Failed, Identity, Pong, ProtocolFailure, Ready, Reply
from .faults import Fault
from .frames import Kind, Side
from .scram import Exchange, KeyCache, ScramError


class _Slot:
    """A request under way.

    Attributes:
        threshold: credit is given back in steps of so many bytes.
        owed: credit that was not given back yet.
        rest: what waits for the server's CREDIT; empty once all was handed over.
        cancelled: CANCEL was sent: an unfinished upload stays unfinished.
    """

    __slots__ = ("cancelled", "owed", "rest", "threshold")

    def __init__(self, threshold: int, rest: memoryview) -> None:
        self.threshold = threshold
        self.owed = 0
        self.rest = rest
        self.cancelled = False


class Conversation:
    """The client's side of a connection."""

    def __init__(self, identity: Identity, keys: KeyCache | None = None, max_frame: int = limits.DEFAULT_FRAME) -> None:
        self._reader = frames.Reassembler(Side.CLIENT, max_frame)
        self._output: list[bytes] = []
        self._slots: dict[int, _Slot] = {}
        self._next_id = 1
        self._exchange: Exchange | None = None
        self.hello: dict[str, Any] | None = None
        self.draining = False
        self._greet(identity, keys, max_frame)

    @property
    def ready(self) -> bool:
        """Authentication has ended."""
        return self._reader.authenticated

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._slots)

    @property
    def buffered(self) -> int:
        """Bytes of frames and messages that are not whole."""
        return self._reader.buffered

    def take_output(self) -> bytes:
        """What is to be sent, taken out."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes | bytearray | memoryview) -> Iterator[Event]:
        """Takes what has arrived and yields what it means.

        Raises:
            ProtocolFailure: nothing more can be made of the connection.
        """
        try:
            for event in self._reader.feed(data):
                meaning = self._event(event)
                if meaning is not None:
                    yield meaning
        except Fault as fault:
            raise ProtocolFailure(errors.local("protocol", f"the server broke the protocol: {fault}", "unknown")) from None

    def prove(self, challenge: bytes) -> None:
        """Answers the server's challenge. Runs PBKDF2 unless the keys are cached.

        Raises:
            ProtocolFailure: the challenge is not acceptable, or there is no password.
        """
        if self._exchange is None:
            raise _unauthenticated("the server asks for a password and none is configured")
        try:
            proof = self._exchange.prove(challenge)
        except ScramError as error:
            raise _unauthenticated(f"authentication failed: {error}") from None
        self._put(Kind.AUTH, 0, messages.encode(messages.AUTH, {"data": proof}))

    def request(self, *requests: Mapping[str, Any]) -> list[int]:
        """Queues requests and returns their ids.

        Raises:
            errors.Error: one is longer than the server takes, or too many are under way. Nothing was queued.
        """
        assert self.hello is not None, "requests come after authentication"
        most = self.hello["max_message"]
        bodies = [messages.encode(messages.REQUEST, request) for request in requests]
        for body in bodies:
            if len(body) > most:
                raise errors.local("too_large", f"a request of {len(body)} bytes; the server takes at most {most}")
        if len(self._slots) + len(bodies) > limits.IN_FLIGHT:
            raise errors.local("exhausted", f"{limits.IN_FLIGHT} requests are under way on this connection")
        return [self._queue(request, body) for request, body in zip(requests, bodies, strict=True)]

    def _queue(self, request: Mapping[str, Any], body: bytes) -> int:
        assert self.hello is not None
        id = self._next_id
        self._next_id += 1
        window = request.get("credit", limits.DEFAULT_CREDIT)
        rest = memoryview(body)[limits.FREE_UPLOAD :]
        self._slots[id] = _Slot(max(1, window // 2), rest)
        if not rest and len(body) <= self.hello["max_frame"]:
            self._put(Kind.REQUEST, id, body)
        else:
            first = memoryview(body)[: limits.FREE_UPLOAD]
            self._output.extend(frames.cut(Kind.REQUEST, 0, id, first, self.hello["max_frame"], unfinished=len(rest) > 0))
        return id

    def is_active(self, id: int) -> bool:
        """Whether the request has not ended."""
        return id in self._slots

    def is_handed_over(self, id: int) -> bool:
        """Whether all of the request's bytes were given out, so that the server may have run it."""
        slot = self._slots.get(id)
        return slot is None or len(slot.rest) == 0

    def consume(self, id: int, size: int) -> None:
        """The application has taken a reply: gives its credit back, in few and large steps."""
        slot = self._slots.get(id)
        if slot is None:
            return
        slot.owed += size
        if slot.owed >= slot.threshold:
            self._put(Kind.CREDIT, id, messages.encode(messages.CREDIT, {"bytes": slot.owed}))
            slot.owed = 0

    def grant(self, id: int, size: int) -> None:
        """Gives credit at once, beyond what was consumed: for requests that began with little or none."""
        if id in self._slots:
            self._put(Kind.CREDIT, id, messages.encode(messages.CREDIT, {"bytes": size}))

    def cancel(self, id: int) -> None:
        """Asks the server to end a request. It still ends by itself, maybe with its whole result."""
        slot = self._slots.get(id)
        if slot is not None and not slot.cancelled:
            slot.cancelled = True
            self._put(Kind.CANCEL, id, EMPTY_DOCUMENT)

    def ping(self) -> None:
        """Asks whether the server lives; :class:`Pong` comes."""
        self._put(Kind.PING, 0, EMPTY_DOCUMENT)

    def _greet(self, identity: Identity, keys: KeyCache | None, max_frame: int) -> None:
        if identity.password is not None:
            self._exchange = Exchange(identity.user, identity.password, identity.binding, cache=keys)
            mechanism, initial = self._exchange.mechanism, self._exchange.first
        else:
            certificate = identity.certificate and identity.binding is not None
            mechanism, initial = "EXTERNAL" if certificate else "NONE", b""
        hello = {
            "min": 1,
            "max": 1,
            "caps": [],
            "max_frame": max_frame,
            "max_message": limits.DEFAULT_MESSAGE,
            "user": identity.user,
            "mech": mechanism,
            "initial": initial,
            "driver": _label(identity.driver),
            "app": _label(identity.app),
            "instance": _label(identity.instance),
        }
        self._put(Kind.HELLO, 0, messages.encode(messages.CLIENT_HELLO, hello))

    def _put(self, kind: Kind, id: int, body: bytes) -> None:
        self._output.append(frames.frame(kind, 0, id, body))

    def _event(self, event: frames.Event) -> Event | None:
        if isinstance(event, frames.Message):
            return self._reply(event) if event.kind is Kind.REPLY else self._message(event)
        if isinstance(event, frames.Partial):
            # The message cannot be consumed before it is whole.
            self.consume(event.id, event.frame)
        elif isinstance(event, frames.Refused):
            text = f"an answer is longer than this client takes: {event.fault.detail}"
            raise ProtocolFailure(errors.local("too_large", text, "unknown"))
        return None

    def _message(self, message: frames.Message) -> Event | None:
        kind, id, body = message.kind, message.id, message.body
        if kind is Kind.ERROR:
            error = errors.from_message(messages.decode(messages.ERROR, body))
            if id == 0:
                return Closed(error)
            return None if self._slots.pop(id, None) is None else Failed(id, error)
        if kind is Kind.CREDIT:
            self._upload(id, messages.decode(messages.CREDIT, body)["bytes"])
            return None
        if kind is Kind.PING:
            messages.decode(messages.EMPTY, body)
            return Pong()
        if kind is Kind.GOAWAY:
            goaway = messages.decode(messages.GOAWAY, body)
            self.draining = True
            return Draining(goaway["drain_ms"], goaway["reason"])
        if kind is Kind.HELLO:
            return self._hello(messages.decode(messages.SERVER_HELLO, body))
        return self._auth(messages.decode(messages.AUTH, body))

    def _reply(self, message: frames.Message) -> Reply:
        slot = self._slots.get(message.id)
        if slot is None:
            raise Fault("unexpected_kind", f"REPLY to request {message.id}, which is not under way")
        last = message.flags & frames.END != 0
        if last:
            del self._slots[message.id]
        return Reply(message.id, messages.decode(messages.REPLY, message.body), len(message.body), last)

    def _upload(self, id: int, size: int) -> None:
        slot = self._slots.get(id)
        if slot is None or slot.cancelled or len(slot.rest) == 0:
            return
        if size < len(slot.rest):
            raise Fault("bad_field", "CREDIT for less than the rest of an upload")
        rest, slot.rest = slot.rest, memoryview(b"")
        assert self.hello is not None
        self._output.extend(frames.cut(Kind.REQUEST, 0, id, rest, self.hello["max_frame"]))

    def _hello(self, hello: dict[str, Any]) -> Event:
        if self.hello is not None:
            raise Fault("unexpected_kind", "HELLO twice")
        if hello["version"] != 1:
            raise Fault("bad_field", f"version {hello['version']} was not offered")
        self.hello = hello
        if not hello["authenticated"]:
            return Challenged(bytes(hello["challenge"]))
        if self._exchange is not None:
            raise _unauthenticated("the server proved nothing of its own: it may be an impostor")
        return self._authenticated()

    def _auth(self, auth: dict[str, Any]) -> Event:
        if self.hello is None or self._exchange is None or not auth.get("authenticated", False):
            raise Fault("unexpected_kind", "AUTH at this time")
        try:
            self._exchange.verify(bytes(auth["data"]))
        except ScramError as error:
            raise _unauthenticated(f"authentication failed: {error}") from None
        return self._authenticated()

    def _authenticated(self) -> Ready:
        assert self.hello is not None
        self._reader.authenticated = True
        self._exchange = None
        return Ready(self.hello)


def _unauthenticated(text: str) -> ProtocolFailure:
    return ProtocolFailure(errors.local("unauthenticated", text))


def _label(text: str) -> str:
    """At most 256 bytes, cut at a character."""
    return text.encode()[: limits.NAME_BYTES].decode(errors="ignore")
