"""A blocking connection to a gate: a socket, and the conversation over it."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from . import errors, tls
from .config import Config, Hosts, is_final
from .protocol import conversation as talk
from .protocol.urls import Host
from .session import Deadline, Session

logger = logging.getLogger("vitrail")

_CHUNK = 262_144
_LEAST_ATTEMPT = 0.2
#: A connection is closed when so many seconds have passed since the deadline of a request without an answer.
GRACE = 1.0

_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Lost(Exception):
    """The connection is gone; nothing more comes from it."""


class _TimedOut(Exception):
    """Nothing happened in time."""


def connect(config: Config, hosts: Hosts, avoid: Host | None = None, persistent: bool = False) -> Link:
    """A connection to the first host that can be reached. ``persistent``: goes round again and again until the time is up.

    Raises:
        errors.Error: no host can be; the last one's reason.
    """
    until = time.monotonic() + config.connect_timeout
    pause = 0.02
    while True:
        try:
            return _connect_once(config, hosts.candidates(avoid), hosts, until)
        except errors.Error as error:
            wait = pause * random.uniform(0.5, 1.0)
            if not persistent or _ends(error) or time.monotonic() + wait >= until:
                raise
        time.sleep(wait)
        pause = min(2 * pause, 0.5)


def _connect_once(config: Config, candidates: list[Host], hosts: Hosts, until: float) -> Link:
    problem: errors.Error | None = None
    for index, host in enumerate(candidates):
        left = until - time.monotonic()
        if left <= 0 and problem is not None:
            break
        share = max(left / (len(candidates) - index), min(_LEAST_ATTEMPT, config.connect_timeout))
        try:
            link = Link(config, host, time.monotonic() + share)
        except errors.Error as error:
            if _ends(error):
                raise
            logger.debug("cannot connect to %s: %s", host, error)
            problem = error
        else:
            hosts.learn(host, link.hello["gates"])
            return link
    assert problem is not None, "there is at least one host"
    raise problem


def _ends(error: errors.Error) -> bool:
    return is_final(error) or isinstance(error, errors.InterfaceError)


class Link:
    """One connection, used by one session. Only :meth:`interrupt` may be called by other threads."""

    def __init__(self, config: Config, host: Host, until: float) -> None:
        self.host = host
        self.process = os.getpid()
        self.closed: str | None = None
        self.observer: Session | None = None
        self.hello: dict[str, Any] = {}
        self._config = config
        self._events: dict[int, deque[talk.Reply | talk.Failed]] = {}
        self._abandoned: set[int] = set()
        self._ponged = False
        self._refusal: errors.Error | None = None
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._lock = threading.RLock()
        self._interrupted: set[int] = set()
        self._socket: socket.socket | None = None
        try:
            self._open(until)
        except BaseException:
            self.close("the connection could not be made")
            raise

    # === connecting ===

    def _open(self, until: float) -> None:
        mode = self._config.tls_mode(self.host)
        try:
            self._dial(until)
            binding = None if mode == "disable" else self._secure(mode, until)
        except _NoTls:
            logger.warning("%s has no TLS: the connection is in plain text, as `tls=prefer` allows", self.host)
            self._dial(until)
            binding = None
        self._talk = talk.Conversation(self._config.identity(binding), self._config.keys)
        try:
            self._greet(until)
        except Lost as lost:
            raise self._refusal or errors.local(
                "unavailable",
                f"the connection to `{self.host}` ended during the handshake: {lost}; is this a Vitrail port, and does it "
                "speak TLS? See `tls` in the URL",
            ) from None
        except _TimedOut:
            raise self._late() from None

    def _dial(self, until: float) -> None:
        if self._socket is not None:
            self._socket.close()
        left = max(0.001, until - time.monotonic())
        try:
            if self.host.is_socket:
                family = getattr(socket, "AF_UNIX", None)
                if family is None:
                    raise errors.interface("this system has no Unix sockets", errors.BAD_CONFIGURATION)
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.settimeout(left)
                self._socket.connect(self.host.name)
            else:
                self._socket = socket.create_connection((self.host.name, self.host.port), timeout=left)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except TimeoutError:
            raise self._late() from None
        except (OSError, UnicodeError) as error:
            raise errors.local("unavailable", f"cannot connect to `{self.host}`: {error}") from error
        self._socket.setblocking(False)

    def _secure(self, mode: str, until: float) -> bytes:
        """Shakes hands; gives the channel binding."""
        assert self._socket is not None
        name = self.host.name
        settings = tls.context(self._config, mode)
        try:
            secured = settings.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
            self._socket = secured
            while True:
                try:
                    secured.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self._wait(selectors.EVENT_READ, until)
                except ssl.SSLWantWriteError:
                    self._wait(selectors.EVENT_WRITE, until)
        except _TimedOut:
            raise self._late() from None
        except (OSError, ValueError) as error:
            if mode == "prefer" and tls.is_not_tls(error):
                raise _NoTls from None
            raise tls.explain(name, error) from error
        return tls.binding(name, secured.selected_alpn_protocol(), secured.getpeercert(binary_form=True))

    def _greet(self, until: float) -> None:
        self._flush(until)
        while not self._talk.ready:
            self._pump(until)
            self._flush(until)
        self.hello = self._talk.hello or {}

    def _late(self) -> errors.Error:
        return errors.local("unavailable", f"`{self.host}` did not answer within the connect timeout")

    # === requests ===

    @property
    def draining(self) -> bool:
        """The server will go: new sessions go elsewhere."""
        return self._talk.draining

    @property
    def in_flight(self) -> int:
        """Requests that have not ended, those that nobody waits for included."""
        return self._talk.in_flight

    def send(self, requests: list[Mapping[str, Any]], deadline: Deadline) -> list[int]:
        """Sends requests in one write; gives their ids.

        Raises:
            errors.Error: they were not sent, or not wholly: nothing was executed.
        """
        with self._lock:
            if self.closed is not None:
                raise errors.lost(str(self.closed), handed_over=False)
            ids = [self._talk.request(request) for request in requests]
            for id in ids:
                self._events[id] = deque()
            try:
                self._flush(self._limit(deadline))
            except Lost as lost:
                # A server runs what it has whole, and this was not handed over whole.
                raise errors.lost(str(lost), handed_over=False) from None
            except _TimedOut:
                self.close("the server took no more bytes")
                raise errors.local("deadline", "the request could not be sent before its deadline") from None
            return ids

    def next(self, id: int, deadline: Deadline) -> talk.Reply | talk.Failed:
        """The next event of a request, waiting for it. A deadline without an answer closes the connection."""
        events = self._events[id]
        while not events:
            if self.closed is not None:
                return talk.Failed(id, self._lost_error(id, self.closed))
            try:
                self._await(deadline)
            except Lost:
                continue
            except _TimedOut:
                handed = self._talk.is_handed_over(id)
                self.close("the deadline has passed without an answer")
                return talk.Failed(id, errors.unanswered(handed))
            except BaseException:
                # The application was interrupted in its wait: the statement must not go on.
                self.abandon(id)
                raise
        event = events.popleft()
        if isinstance(event, talk.Failed) or event.last:
            self._events.pop(id, None)
        return event

    def consume(self, reply: talk.Reply) -> None:
        """The application has taken a reply: the server may send more."""
        with self._lock:
            self._talk.consume(reply.id, reply.size)
            with contextlib.suppress(Lost, _TimedOut):
                self._flush(time.monotonic() + self._config.keepalive)

    def abandon(self, id: int) -> None:
        """Cancels a request whose answer nobody wants; what still comes of it is dropped."""
        with self._lock:
            for event in self._events.pop(id, ()):
                if isinstance(event, talk.Reply):
                    self._talk.consume(id, event.size)
            if self.closed is None and self._talk.is_active(id):
                self._abandoned.add(id)
                self._talk.cancel(id)
                with contextlib.suppress(Lost, _TimedOut):
                    self._flush(time.monotonic() + self._config.keepalive)

    def detach(self, id: int) -> None:
        """Lets a request run to its end with nobody waiting."""
        if self._events.pop(id, None) is not None and self._talk.is_active(id):
            self._abandoned.add(id)

    def interrupt(self, id: int) -> None:
        """Cancels a request from any thread. Its answer still comes."""
        self._interrupted.add(id)
        if self._lock.acquire(blocking=False):
            try:
                if self.closed is None:
                    self._cancel_interrupted()
                    with contextlib.suppress(Lost, _TimedOut):
                        self._flush(time.monotonic() + self._config.keepalive)
            finally:
                self._lock.release()
        else:
            with contextlib.suppress(OSError):
                self._waker.send(b"\0")

    def look(self) -> None:
        """Takes what has come meanwhile, without waiting: a drain, or the end of the connection."""
        with self._lock, contextlib.suppress(Lost, _TimedOut):
            while self.closed is None and self._read():
                pass

    def close(self, reason: str) -> None:
        """Closes the socket at once; requests under way fail."""
        if self.closed is None:
            self.closed = reason
        for open_socket in (self._socket, self._wake, self._waker):
            if open_socket is not None:
                open_socket.close()

    # === the socket ===

    def _limit(self, deadline: Deadline) -> float | None:
        return None if deadline.until is None else deadline.until + GRACE

    def _await(self, deadline: Deadline) -> None:
        """Waits for something to arrive; pings a server that is silent for long."""
        with self._lock:
            limit = self._limit(deadline)
            silent_until = time.monotonic() + self._config.keepalive
            try:
                self._pump(silent_until if limit is None else min(limit, silent_until))
                return
            except _TimedOut:
                if limit is not None and time.monotonic() >= limit:
                    raise
            self._ponged = False
            self._talk.ping()
            silent_until = time.monotonic() + self._config.keepalive
            try:
                self._flush(silent_until if limit is None else min(limit, silent_until))
                self._pump(silent_until if limit is None else min(limit, silent_until))
            except _TimedOut:
                if limit is not None and time.monotonic() >= limit:
                    raise
                self.close("the server did not answer a ping")
                raise Lost(self.closed) from None

    def _pump(self, until: float) -> None:
        """Takes what arrives next, waiting for it."""
        self._cancel_interrupted()
        self._flush(until)
        while not self._read():
            self._cancel_interrupted()
            self._flush(until)
            self._wait(selectors.EVENT_READ, until)

    def _read(self) -> bool:
        """Takes what is there; False: nothing is."""
        if self._socket is None or self.closed is not None:
            raise Lost(self.closed or "closed")
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            self.close(str(error))
            raise Lost(str(error)) from None
        if not data:
            self.close("the server closed it")
            raise Lost(self.closed)
        try:
            self._take(data)
        except Lost:
            raise
        except BaseException:
            # Whoever interrupts here leaves a part of the bytes unread.
            self.close("interrupted while it was read")
            raise
        return True

    def _take(self, data: bytes) -> None:
        try:
            for event in self._talk.receive(data):
                self._dispatch(event)
        except talk.ProtocolFailure as failure:
            self._refusal = failure.error
            self.close(failure.error.message)
            raise Lost(failure.error.message) from None

    def _dispatch(self, event: talk.Event) -> None:
        if isinstance(event, (talk.Reply, talk.Failed)):
            self._observe(event)
            if event.id in self._abandoned:
                if isinstance(event, talk.Reply) and not event.last:
                    self._talk.consume(event.id, event.size)
                else:
                    self._abandoned.discard(event.id)
            elif event.id in self._events:
                self._events[event.id].append(event)
        elif isinstance(event, talk.Challenged):
            self._talk.prove(event.challenge)
        elif isinstance(event, talk.Pong):
            self._ponged = True
        elif isinstance(event, talk.Draining):
            logger.info("%s drains: %s", self.host, event.reason)
        elif isinstance(event, talk.Closed):
            self._refusal = event.error
            self.close(event.error.message)

    def _observe(self, event: talk.Reply | talk.Failed) -> None:
        if self.observer is None:
            return
        if isinstance(event, talk.Failed):
            self.observer.failed(event.error)
        elif "end" in event.message:
            self.observer.ended(event.message["end"])

    def _cancel_interrupted(self) -> None:
        while self._interrupted:
            self._talk.cancel(self._interrupted.pop())

    def _flush(self, until: float | None) -> None:
        """Sends all that is queued."""
        output = memoryview(self._talk.take_output())
        while output:
            if self._socket is None or self.closed is not None:
                raise Lost(self.closed or "closed")
            try:
                sent = self._socket.send(output)
            except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                reading = isinstance(error, ssl.SSLWantReadError)
                try:
                    self._wait(selectors.EVENT_READ if reading else selectors.EVENT_WRITE, until)
                except BaseException:
                    # A frame that is cut in the middle leaves nothing to go on with.
                    self.close("a write was cut off")
                    raise
            except OSError as error:
                self.close(str(error))
                raise Lost(str(error)) from None
            else:
                output = output[sent:]

    def _wait(self, event: int, until: float | None) -> None:
        assert self._socket is not None
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise _TimedOut
        with _Selector() as selector:
            selector.register(self._socket, event)
            selector.register(self._wake, selectors.EVENT_READ)
            ready = selector.select(left)
        if not ready:
            raise _TimedOut
        if any(key.fileobj is self._wake for key, _ in ready):
            with contextlib.suppress(OSError):
                self._wake.recv(4096)

    def _lost_error(self, id: int, reason: str) -> errors.Error:
        """What became of a request whose connection is gone."""
        if self._refusal is not None and self._refusal.code == "too_large":
            return self._refusal
        return errors.lost(reason, self._talk.is_handed_over(id))


class _NoTls(Exception):
    """The server has no TLS."""
