"""A gate that answers as a script says: for what a real one does too seldom."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vitrail.protocol import frames, limits, messages
from vitrail.protocol.frames import Kind, Side

if TYPE_CHECKING:
    from typing_extensions import Self

#: Gives the answer to a request: a REPLY's ``end`` or an ERROR (which has ``errno``), or None to close the connection.
Script = Callable[[dict[str, Any]], "dict[str, Any] | None"]


class ScriptedGate:
    """Takes anybody without a password, and notes all requests."""

    def __init__(self, script: Script, hello: dict[str, Any] | None = None) -> None:
        self._script = script
        self._hello = hello or {}
        self.requests: list[dict[str, Any]] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def statements(self) -> list[str]:
        """The statements and operations that came, but for `open` and `close`."""
        return [request.get("sql", request["op"]) for request in self.requests if request["op"] not in ("open", "close")]

    def url(self) -> str:
        """Its URL."""
        return f"vitrail://ann@127.0.0.1:{self.port}/main"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        reader = frames.Reassembler(Side.SERVER)
        with contextlib.suppress(OSError), client:
            while data := client.recv(65536):
                for event in reader.feed(data):
                    if isinstance(event, frames.Partial) and event.received == limits.FREE_UPLOAD:
                        reader.grant(event.id)
                        credit = messages.encode(messages.CREDIT, {"bytes": event.announced - event.received})
                        client.sendall(frames.frame(Kind.CREDIT, 0, event.id, credit))
                    if isinstance(event, frames.Message) and not self._answer(client, reader, event):
                        return

    def _answer(self, client: socket.socket, reader: frames.Reassembler, event: frames.Message) -> bool:
        if event.kind is Kind.HELLO:
            hello = {"version": 1, "max_frame": 262_144, "max_message": 1 << 27, "authenticated": True, **self._hello}
            client.sendall(frames.frame(Kind.HELLO, 0, 0, messages.encode(messages.SERVER_HELLO, hello)))
            reader.authenticated = True
        elif event.kind is Kind.PING:
            client.sendall(frames.frame(Kind.PING, frames.END, 0, b"\x05\0\0\0\0"))
        elif event.kind is Kind.REQUEST:
            request = messages.decode(messages.REQUEST, event.body)
            self.requests.append(request)
            answer: dict[str, Any] | None = {}
            if request["op"] not in ("open", "close"):
                answer = self._script(request)
            if answer is None:
                return False
            if "errno" in answer:
                client.sendall(frames.frame(Kind.ERROR, frames.END, event.id, messages.encode(messages.ERROR, answer)))
            else:
                body = messages.encode(messages.REPLY, {"end": answer})
                client.sendall(frames.frame(Kind.REPLY, frames.END, event.id, body))
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        # To close a socket ends nobody's waiting for it.
        for opened in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()
