"""A multiplexed connection to a gate: one socket that carries the requests of many sessions."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .. import errors, tls
from ..config import Config
from ..protocol import conversation as talk
from ..protocol.events import Challenged, Closed, Draining, Event, Failed, ProtocolFailure, Ready, Reply
from ..protocol.limits import IN_FLIGHT, SESSIONS
from ..protocol.urls import Host
from ..session import Session
from .slot import GRACE, Slot

logger = logging.getLogger("vitrail")


#: What is taken from a socket at once.
_CHUNK = 262_144


class Link(asyncio.BufferedProtocol):
    """One connection and all that is under way on it."""

    def __init__(self, config: Config, host: Host) -> None:
        self.host = host
        self.loop = asyncio.get_running_loop()
        self.closed: str | None = None
        self.hello: Mapping[str, Any] = {}
        self.sessions = 0
        self._config = config
        self._slots: dict[int, Slot] = {}
        self._transport: asyncio.Transport | None = None
        # One for all that comes: to allocate so many bytes takes longer than to read an answer.
        self._received = memoryview(bytearray(_CHUNK))
        self._talk: talk.Conversation | None = None
        self._next_session = 1
        self._refusal: errors.Error | None = None
        self._ready: asyncio.Future[None] = self.loop.create_future()
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._challenge: bytes | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._room: asyncio.Future[None] | None = None
        self._heard = time.monotonic()
        self._pinged = False
        self._timer: asyncio.TimerHandle | None = None

    # === connecting ===

    @classmethod
    async def connect(cls, config: Config, host: Host, seconds: float) -> Link:
        """A connection to a host, authenticated.

        Raises:
            errors.Error: there is none.
        """
        mode = config.tls_mode(host)
        link = cls(config, host)
        try:
            # Not `asyncio.timeout`, which Python 3.10 has not.
            await asyncio.wait_for(link._open(mode), seconds)
        except (asyncio.TimeoutError, TimeoutError):
            link.abort("the handshake took too long")
            await _close_sockets()
            raise errors.local("unavailable", f"`{host}` did not answer within the connect timeout") from None
        except BaseException:
            link.abort("the connection could not be made")
            await _close_sockets()
            raise
        link._keep_alive()
        return link

    async def _open(self, mode: str) -> None:
        try:
            await self._dial(mode)
        except (OSError, UnicodeError, ValueError) as error:
            secured = mode != "disable" and not isinstance(error, ConnectionRefusedError)
            if mode == "prefer" and tls.is_not_tls(error):
                logger.warning("%s has no TLS: the connection is in plain text, as `tls=prefer` allows", self.host)
                await self._open("disable")
                return
            if secured and isinstance(error, (ssl.SSLError, ConnectionResetError)):
                raise tls.explain(self.host.name, error) from error
            raise errors.local("unavailable", f"cannot connect to `{self.host}`: {error}") from error
        assert self._transport is not None
        binding = None
        secure = self._transport.get_extra_info("ssl_object")
        if secure is not None:
            binding = tls.binding(self.host.name, secure.selected_alpn_protocol(), secure.getpeercert(binary_form=True))
        self._talk = talk.Conversation(self._config.identity(binding), self._config.keys)
        self._flush()
        await self._authenticate()
        self.hello = self._talk.hello or {}

    async def _dial(self, mode: str) -> None:
        if self.host.is_socket:
            await self.loop.create_unix_connection(lambda: self, self.host.name)
            return
        context = None if mode == "disable" else tls.context(self._config, mode)
        name = self.host.name if context is not None else None
        await self.loop.create_connection(lambda: self, self.host.name, self.host.port, ssl=context, server_hostname=name)

    async def _authenticate(self) -> None:
        assert self._talk is not None
        while not self._talk.ready:
            await self._ready
            self._ready = self.loop.create_future()
            if self._challenge is not None:
                challenge, self._challenge = self._challenge, None
                try:
                    # PBKDF2 may take a second of computing.
                    await asyncio.to_thread(self._talk.prove, challenge)
                except ProtocolFailure as failure:
                    raise failure.error from None
                self._flush()
            elif self.closed is not None:
                raise self._refusal or errors.local(
                    "unavailable",
                    f"the connection to `{self.host}` ended during the handshake: {self.closed}; is this a Vitrail port, and "
                    "does it speak TLS? See `tls` in the URL",
                )

    # === requests ===

    @property
    def draining(self) -> bool:
        """The server will go: sessions outside a transaction go elsewhere."""
        return self._talk is not None and self._talk.draining

    @property
    def usable(self) -> bool:
        """Whether further sessions may come."""
        return self.closed is None and not self.draining and self.sessions < SESSIONS

    @property
    def in_flight(self) -> int:
        """Requests that have not ended."""
        return len(self._slots)

    def new_session(self) -> int:
        """A number for a session."""
        id = self._next_session
        self._next_session += 1
        return id

    async def send(self, requests: Sequence[Mapping[str, Any]], observers: Sequence[Session | None]) -> list[Slot]:
        """Sends requests in one write, once there is room for them.

        Raises:
            errors.Error: nothing was sent.
        """
        while self.closed is None and self.in_flight + len(requests) > IN_FLIGHT:
            if self._room is None or self._room.done():
                self._room = self.loop.create_future()
            await asyncio.shield(self._room)
        while self.closed is None and not self._writable.is_set():
            await self._writable.wait()
        return self.send_now(requests, observers)

    def send_now(self, requests: Sequence[Mapping[str, Any]], observers: Sequence[Session | None]) -> list[Slot]:
        """As :meth:`send`, without waiting for room.

        Raises:
            errors.Error: nothing was sent.
        """
        if self.closed is not None or self._talk is None:
            raise errors.lost(str(self.closed), handed_over=False)
        slots = [Slot(self, id, observer) for id, observer in zip(self._talk.request(*requests), observers, strict=True)]
        self._slots.update((slot.id, slot) for slot in slots)
        if self.in_flight == len(slots):
            self._heard = time.monotonic()
        self._flush()
        return slots

    def is_handed_over(self, id: int) -> bool:
        """Whether the server may have all of a request."""
        return self._talk is None or self._talk.is_handed_over(id)

    def consume(self, reply: Reply) -> None:
        """The application has taken a reply: the server may send more."""
        if self._talk is not None and self.closed is None:
            self._talk.consume(reply.id, reply.size)
            self._flush()

    def cancel(self, id: int) -> None:
        """Asks the server to end a request; its answer still comes."""
        if self._talk is not None and self.closed is None:
            self._talk.cancel(id)
            self._flush()

    def abort(self, reason: str) -> None:
        """Closes the socket at once; requests under way fail."""
        self._end(reason)
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Closes the socket when what is queued has been sent."""
        self._end("closed")
        if self._transport is not None:
            self._transport.close()
            # TLS says goodbye first, which a dead peer does not answer.
            await asyncio.wait([self._gone], timeout=GRACE)
            self._transport.abort()
            await _close_sockets()

    # === asyncio.BufferedProtocol ===

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # there is room for a frame in any case
        """Where bytes are to go that come."""
        return self._received

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self._heard = time.monotonic()
        if self._talk is None or self.closed is not None:
            return
        try:
            for event in self._talk.receive(self._received[:nbytes]):
                self._dispatch(event)
        except ProtocolFailure as failure:
            self._refusal = failure.error
            self.abort(failure.error.message)
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if not self._gone.done():
            self._gone.set_result(None)
        self._end(str(exc) if exc is not None else "the server closed it")

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._writable.set()

    # === the conversation ===

    def _dispatch(self, event: Event) -> None:
        if isinstance(event, (Reply, Failed)):
            self._deliver(event)
        elif isinstance(event, Challenged):
            self._challenge = event.challenge
            self._wake()
        elif isinstance(event, Ready):
            self._wake()
        elif isinstance(event, Draining):
            logger.info("%s drains: %s", self.host, event.reason)
        elif isinstance(event, Closed):
            self._refusal = event.error
            self.abort(event.error.message)

    def _deliver(self, event: Reply | Failed) -> None:
        ended = isinstance(event, Failed) or event.last
        slot = self._slots.pop(event.id, None) if ended else self._slots.get(event.id)
        if ended and self._room is not None and not self._room.done():
            self._room.set_result(None)
        if slot is None:
            return
        if slot.observer is not None:
            if isinstance(event, Failed):
                slot.observer.failed(event.error)
            elif "end" in event.message:
                slot.observer.ended(event.message["end"])
        slot.put(event)

    def _wake(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)

    def _flush(self) -> None:
        if self._talk is not None and self._transport is not None and self.closed is None:
            output = self._talk.take_output()
            if output:
                self._transport.write(output)

    def _end(self, reason: str) -> None:
        """Nothing more comes: what is under way fails."""
        if self.closed is not None:
            return
        self.closed = reason
        if self._timer is not None:
            self._timer.cancel()
        self._wake()
        self._writable.set()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.put(Failed(slot.id, self._lost_error(slot.id, reason)))

    def _lost_error(self, id: int, reason: str) -> errors.Error:
        if self._refusal is not None and self._refusal.code == "too_large":
            return self._refusal
        return errors.lost(reason, self.is_handed_over(id))

    def _keep_alive(self) -> None:
        """Pings a server from which answers are due and nothing comes; gives it up when it does not answer."""
        silence = time.monotonic() - self._heard if self._slots else 0.0
        keepalive = self._config.keepalive
        if self.closed is not None or self._talk is None:
            return
        if silence >= 2 * keepalive and self._pinged:
            self.abort("the server did not answer a ping")
            return
        if silence >= keepalive and not self._pinged:
            self._pinged = True
            with contextlib.suppress(errors.Error):
                self._talk.ping()
                self._flush()
        elif silence < keepalive:
            self._pinged = False
        self._timer = self.loop.call_later(keepalive / 4, self._keep_alive)


async def _close_sockets() -> None:
    """Lets the event loop close what was aborted, which it does in its next rounds."""
    for _ in range(3):
        await asyncio.sleep(0)
