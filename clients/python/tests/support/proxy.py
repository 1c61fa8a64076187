"""A TCP proxy between a client and a gate that does harm: it cuts, stalls and tears frames, when it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

#: Looks at bytes of one direction; gives those to hand on, and whether the connection goes on.
Filter = Callable[[bytes], tuple[bytes, bool]]


def unharmed(data: bytes) -> tuple[bytes, bool]:
    """Hands all on."""
    return data, True


def stall(_: bytes) -> tuple[bytes, bool]:
    """Swallows everything."""
    return b"", True


def garble(data: bytes) -> tuple[bytes, bool]:
    """Bytes that are no frames."""
    return b"\xff" * len(data), True


class CutAfter:
    """Hands on so many bytes, then cuts."""

    def __init__(self, count: int) -> None:
        self.left = count

    def __call__(self, data: bytes) -> tuple[bytes, bool]:
        passed = data[: self.left]
        self.left -= len(passed)
        return passed, self.left > 0


class Proxy:
    """Hands bytes on between clients and ``port``. ``up`` and ``down`` may be set at any time, also for open connections."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.up: Filter = unharmed
        self.down: Filter = unharmed
        self.connections = 0
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, target: str = "main", query: str = "") -> str:
        """A URL of the gate, through the proxy."""
        return f"vitrail://admin:s3cret%2C%3D@127.0.0.1:{self.port}/{target}{query}"

    def restore(self) -> None:
        """Does no more harm."""
        self.up = self.down = unharmed

    def cut(self) -> None:
        """Cuts all connections now."""
        for open_socket in self._sockets:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                gate = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._sockets += [client, gate]
            for source, drain, up in ((client, gate, True), (gate, client, False)):
                thread = threading.Thread(target=self._hand_on, args=(source, drain, up), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _hand_on(self, source: socket.socket, drain: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passed, goes_on = self.up(data) if up else self.down(data)
                drain.sendall(passed)
                if not goes_on:
                    break
        for open_socket in (source, drain):
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # To close a socket ends nobody's waiting for it.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.cut()
        for thread in self._threads[1:]:
            thread.join(5)
        for open_socket in self._sockets:
            open_socket.close()
