"""A socket to a gate for the blocking client: dialled, secured, and waited for with a limit."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import ssl
import time

from . import errors, tls
from .config import Config
from .protocol.urls import Host

logger = logging.getLogger("vitrail")

#: What is taken from a socket at once.
_CHUNK = 262_144
_NOT_NOW = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Lost(Exception):
    """The connection is gone; nothing more comes from it."""


class TimedOut(Exception):
    """Nothing happened in time."""


class _NoTls(Exception):
    """The server has no TLS."""


def dial(config: Config, host: Host, until: float) -> Wire:
    """A socket to a host, secured as the configuration says; ``until`` by :func:`time.monotonic`.

    Raises:
        errors.Error: there is none.
    """
    mode = config.tls_mode(host)
    wire = Wire(_connect(host, until))
    if mode == "disable":
        return wire
    try:
        wire.secure(host.name, tls.context(config, mode), mode == "prefer", until)
    except _NoTls:
        wire.close()
        logger.warning("%s has no TLS: the connection is in plain text, as `tls=prefer` allows", host)
        return Wire(_connect(host, until))
    except TimedOut:
        wire.close()
        raise late(host) from None
    except BaseException:
        wire.close()
        raise
    return wire


def late(host: Host) -> errors.Error:
    """The error of a host that takes too long."""
    return errors.local("unavailable", f"`{host}` did not answer within the connect timeout")


def _connect(host: Host, until: float) -> socket.socket:
    left = max(0.001, until - time.monotonic())
    opened = None
    try:
        if host.is_socket:
            family = getattr(socket, "AF_UNIX", None)
            if family is None:
                raise errors.interface("this system has no Unix sockets", errors.BAD_CONFIGURATION)
            opened = socket.socket(family, socket.SOCK_STREAM)
            opened.settimeout(left)
            opened.connect(host.name)
        else:
            opened = socket.create_connection((host.name, host.port), timeout=left)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except (OSError, UnicodeError) as error:
        if opened is not None:
            opened.close()
        if isinstance(error, TimeoutError):
            raise late(host) from None
        raise errors.local("unavailable", f"cannot connect to `{host}`: {error}") from error
    return opened


class Wire:
    """A socket that never blocks. Waiting for it ends early when another thread calls :meth:`wake`.

    Attributes:
        binding: the channel binding; None without TLS.
    """

    def __init__(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self.binding: bytes | None = None
        self._socket = opened
        # One for all that comes: to allocate so many bytes takes longer than to read an answer.
        self._room = memoryview(bytearray(_CHUNK))
        self._secured: ssl.SSLSocket | None = None
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(self._socket, select.POLLIN)
            self._poll.register(self._wake, select.POLLIN)

    def secure(self, name: str, settings: ssl.SSLContext, may_be_plain: bool, until: float) -> None:
        """Shakes hands.

        Raises:
            errors.Error: that failed.
            _NoTls: what the server sent is no TLS, and it need not be.
            TimedOut: it took too long.
        """
        try:
            secured = settings.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
            # The descriptor is the same, and so is its registration.
            self._socket = self._secured = secured
            while True:
                try:
                    secured.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self.wait(until)
                except ssl.SSLWantWriteError:
                    self.wait(until, to_write=True)
        except (OSError, ValueError) as error:
            if may_be_plain and tls.is_not_tls(error):
                raise _NoTls from None
            raise tls.explain(name, error) from error
        self.binding = tls.binding(name, secured.selected_alpn_protocol(), secured.getpeercert(binary_form=True))

    @property
    def may_hold_bytes(self) -> bool:
        """Whether bytes may have come that waiting does not show: TLS has read them already."""
        return self._secured is not None and self._secured.pending() > 0

    def send(self, data: bytes, until: float | None) -> None:
        """Sends all of it.

        Raises:
            Lost, TimedOut: it was not sent, or not all of it.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except _NOT_NOW as error:
                self.wait(until, to_write=not isinstance(error, ssl.SSLWantReadError))
            except OSError as error:
                raise Lost(str(error)) from None

    def receive(self) -> memoryview | None:
        """What has come; None: nothing has. It stays until more is received.

        Raises:
            Lost: the connection has ended.
        """
        try:
            size = self._socket.recv_into(self._room)
        except _NOT_NOW:
            return None
        except OSError as error:
            raise Lost(str(error)) from None
        if not size:
            raise Lost("the server closed it")
        return self._room[:size]

    def has_news(self) -> bool:
        """Whether something has come, or the connection has ended; does not wait."""
        if self._secured is not None:
            return True
        return self._select(0.0, to_write=False)

    def wait(self, until: float | None, to_write: bool = False) -> None:
        """Waits until the socket can be read, or written; or somebody calls :meth:`wake`.

        Raises:
            TimedOut: neither happened in time.
        """
        left = None if until is None else until - time.monotonic()
        if (left is not None and left <= 0) or not self._select(left, to_write):
            raise TimedOut

    def wake(self) -> None:
        """Ends the waiting of another thread."""
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def close(self) -> None:
        """Closes the socket at once."""
        for opened in (self._socket, self._wake, self._waker):
            opened.close()

    def _select(self, seconds: float | None, to_write: bool) -> bool:
        """Whether the socket is ready, or somebody woke this thread."""
        if self._poll is None:
            writing = [self._socket] if to_write else []
            ready, writable, _ = select.select([self._wake] if to_write else [self._socket, self._wake], writing, [], seconds)
            woken, found = self._wake in ready, bool(ready or writable)
        else:
            if to_write:
                self._poll.modify(self._socket, select.POLLOUT)
            try:
                events = self._poll.poll(None if seconds is None else max(0.0, seconds * 1000))
            finally:
                if to_write:
                    self._poll.modify(self._socket, select.POLLIN)
            woken, found = len(events) > 1 or bool(events and events[0][0] == self._wake.fileno()), bool(events)
        if woken:
            with contextlib.suppress(OSError):
                self._wake.recv(4096)
        return found
